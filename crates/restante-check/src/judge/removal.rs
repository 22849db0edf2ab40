//! UPDATE: what QUIT removes and what it must not, tried on messages of our own alone.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::dialogue::Dialogue;
use crate::facts::unique_id_listing;
use crate::fixture::{self, Own};
use crate::verdict::{Level, Step, Stop, broken, demand};

const NEEDS: &[Need] = &[Need::Account, Need::Destructive, Need::Delivery];

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "rset-quit",
        title: "DELE, RSET and QUIT remove nothing",
        rows: &["R1939-5.21", "R1939-6.3"],
        level: Level::Must,
        needs: NEEDS,
        judge: rset_quit,
    },
    Judge {
        key: "quit-removes",
        title: "DELE and QUIT remove the message, and no other",
        rows: &["R1939-6.1", "R1939-6.3", "R1939-6.4"],
        level: Level::Must,
        needs: NEEDS,
        judge: quit_removes,
    },
    Judge {
        key: "unique-id-fresh",
        title: "a new message does not get the unique-id of a removed one",
        rows: &["R1939-7.14"],
        level: Level::Should,
        needs: NEEDS,
        judge: unique_id_is_fresh,
    },
    Judge {
        key: "delivery-unseen",
        title: "mail that comes in during a session changes nothing in it",
        rows: &["R1939-4.9"],
        level: Level::Must,
        needs: NEEDS,
        judge: delivery_is_unseen,
    },
    Judge {
        key: "lock-holds",
        title: "one session cannot remove what another one has listed",
        rows: &["R1939-4.3"],
        level: Level::Must,
        needs: NEEDS,
        judge: lock_holds,
    },
    Judge {
        key: "top-keeps",
        title: "TOP and QUIT remove nothing",
        rows: &["R1939-7.7"],
        level: Level::Should,
        needs: NEEDS,
        judge: top_keeps,
    },
    Judge {
        key: "retr-keeps",
        title: "RETR and QUIT remove nothing, unless EXPIRE 0 is announced",
        rows: &["R2449-6.7.3", "R1939-8.2"],
        level: Level::Must,
        needs: NEEDS,
        judge: retr_keeps,
    },
];

fn rset_quit(bench: &mut Bench<'_>) -> Step {
    fixture::deliver_one(bench, "rset-quit")?;
    let (mut dialogue, own) = with_own(bench, "rset-quit")?;
    dialogue.must(format!("DELE {}", own.number))?;
    dialogue.must("RSET")?;
    dialogue.must("QUIT")?;
    drop(dialogue);
    bench.maildrop_changed();
    let mut dialogue = bench.login()?;
    let is_there = fixture::own(bench, &mut dialogue)?.contains_key("rset-quit");
    dialogue.must_list("LIST")?;
    dialogue.drop_connection();
    demand(is_there, "the message is still there", || "it is gone".into())
}

fn quit_removes(bench: &mut Bench<'_>) -> Step {
    fixture::deliver_one(bench, "quit-removes")?;
    let (mut dialogue, own) = with_own(bench, "quit-removes")?;
    let before = dialogue.must_list("LIST")?;
    let ids_before = dialogue.list("UIDL")?.1.map(|list| unique_id_listing(&list)).unwrap_or_default();
    dialogue.must(format!("DELE {}", own.number))?;
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "+OK to QUIT", || reply.to_string())?;
    dialogue.end()?;
    drop(dialogue);
    removed(bench, "quit-removes");
    let mut dialogue = bench.login()?;
    let is_there = fixture::own(bench, &mut dialogue)?.contains_key("quit-removes");
    let after = dialogue.must_list("LIST")?;
    let ids_after = dialogue.list("UIDL")?.1.map(|list| unique_id_listing(&list)).unwrap_or_default();
    dialogue.drop_connection();
    demand(!is_there, "the message is gone", || "it is still there".into())?;
    demand(after.lines.len() + 1 >= before.lines.len(), "all other messages are there", || {
        format!("{} messages of {}", after.lines.len(), before.lines.len())
    })?;
    let lost = ids_before
        .iter()
        .filter(|(number, _)| *number != own.number)
        .find(|(_, id)| !ids_after.iter().any(|(_, other)| other == id));
    demand(lost.is_none(), "all other unique-ids are there", || format!("{lost:?} is gone"))
}

fn unique_id_is_fresh(bench: &mut Bench<'_>) -> Step {
    fixture::deliver_one(bench, "unique-id-1")?;
    let (mut dialogue, first) = with_own(bench, "unique-id-1")?;
    let Some(first_id) = first.unique_id.clone() else {
        return Err(Stop::not_applicable("the server has no UIDL"));
    };
    dialogue.must(format!("DELE {}", first.number))?;
    dialogue.must("QUIT")?;
    dialogue.end()?;
    drop(dialogue);
    removed(bench, "unique-id-1");
    fixture::deliver_one(bench, "unique-id-2")?;
    let (mut dialogue, second) = with_own(bench, "unique-id-2")?;
    dialogue.must_list("UIDL")?;
    dialogue.drop_connection();
    demand(
        second.unique_id.as_ref() != Some(&first_id),
        "another unique-id than that of the removed message",
        || format!("\"{first_id}\" again"),
    )
}

fn delivery_is_unseen(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    let before = (dialogue.must("STAT")?, dialogue.must_list("LIST")?);
    let token = bench.settings.token.clone();
    let message = fixture::message(&token, "delivery-unseen", b"\r\nIn between.\r\n");
    fixture::deliver(bench, "delivery-unseen", &message)?;
    // Some servers refuse delivery to an open maildrop, or hold it back.
    let was_taken = matches!(bench.deliveries.get("delivery-unseen"), Some(Ok(())));
    let after = (dialogue.must("STAT")?, dialogue.must_list("LIST")?);
    dialogue.drop_connection();
    demand(before == after, "the listing of before the delivery", || after.0.to_string())?;
    match was_taken {
        true => fixture::arrival(bench),
        false => Err(Stop::not_applicable("the delivery was not taken during a session")),
    }
}

fn lock_holds(bench: &mut Bench<'_>) -> Step {
    fixture::deliver_one(bench, "lock-holds")?;
    let (mut first, own) = with_own(bench, "lock-holds")?;
    let mut second = bench.open()?;
    let reply = bench.try_login(&mut second)?;
    if !reply.is_ok() {
        second.drop_connection();
        first.drop_connection();
        // The second one was refused, which is the best.
        return Ok(());
    }
    second.must(format!("DELE {}", own.number))?;
    second.must("QUIT")?;
    drop(second);
    let (reply, body) = first.list(format!("RETR {}", own.number))?;
    first.drop_connection();
    let mut dialogue = bench.login()?;
    let is_there = fixture::own(bench, &mut dialogue)?.contains_key("lock-holds");
    dialogue.drop_connection();
    if !is_there {
        removed(bench, "lock-holds");
    }
    match body {
        Some(_) => Ok(()),
        None => Err(broken("the first session still has what it has listed", reply.to_string())),
    }
}

/// A session, and where in it our message is.
fn with_own(bench: &mut Bench<'_>, name: &str) -> Step<(Dialogue, Own)> {
    let mut dialogue = bench.login()?;
    let own = fixture::own(bench, &mut dialogue)?.get(name).cloned();
    own.map(|own| (dialogue, own)).ok_or_else(|| Stop::Undecided(format!("our message {name} is not there")))
}

/// The message with this name need not be waited for any more.
fn removed(bench: &mut Bench<'_>, name: &str) {
    bench.deliveries.remove(name);
    bench.maildrop_changed();
}

fn top_keeps(bench: &mut Bench<'_>) -> Step {
    looked_at(bench, "top-keeps", |number| format!("TOP {number} 0"))
}

fn retr_keeps(bench: &mut Bench<'_>) -> Step {
    let expires = bench.entrance()?.capabilities().and_then(|list| list.arguments("EXPIRE"));
    if expires.is_some_and(|words| words.first().is_some_and(|days| days == "0")) {
        return Err(Stop::not_applicable("the server announces EXPIRE 0, and may remove what was retrieved"));
    }
    looked_at(bench, "retr-keeps", |number| format!("RETR {number}"))
}

/// Looks at one of our messages and says QUIT: the message must be there afterwards.
fn looked_at(bench: &mut Bench<'_>, name: &'static str, command: fn(u64) -> String) -> Step {
    fixture::deliver_one(bench, name)?;
    let (mut dialogue, own) = with_own(bench, name)?;
    dialogue.must_list(command(own.number))?;
    dialogue.must("QUIT")?;
    drop(dialogue);
    let mut dialogue = bench.login()?;
    let is_there = fixture::own(bench, &mut dialogue)?.contains_key(name);
    dialogue.must_list("LIST")?;
    dialogue.drop_connection();
    demand(is_there, "the message is still there", || "it is gone".into())
}
