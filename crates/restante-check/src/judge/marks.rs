//! DELE and RSET within a session: what is marked is out of sight, what is not stays where it is. Nothing is removed here: every
//! session takes its marks back by RSET and is dropped.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::dialogue::Dialogue;
use crate::facts::{Maildrop, count_and_octets, look, scan_listing, unique_id_listing};
use crate::verdict::{Level, Step, broken, demand};

const NEEDS: &[Need] = &[Need::Account, Need::Destructive, Need::Messages(3)];

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "dele-list",
        title: "after DELE the other messages keep their numbers in LIST",
        rows: &["R1939-5.9", "R1939-4.9"],
        level: Level::Must,
        needs: NEEDS,
        judge: list,
    },
    Judge {
        key: "dele-uidl",
        title: "after DELE the other messages keep their unique-ids",
        rows: &["R1939-7.15"],
        level: Level::Must,
        needs: NEEDS,
        judge: uidl,
    },
    Judge {
        key: "dele-stat",
        title: "after DELE, STAT counts what is left",
        rows: &["R1939-5.3"],
        level: Level::Must,
        needs: NEEDS,
        judge: stat,
    },
    Judge {
        key: "dele-out-of-sight",
        title: "a message marked deleted is refused to every command",
        rows: &["R1939-5.11"],
        level: Level::Must,
        needs: NEEDS,
        judge: out_of_sight,
    },
    Judge {
        key: "dele-neighbours",
        title: "after DELE a number still means the message it meant",
        rows: &["R1939-4.9", "R1939-5.19"],
        level: Level::Must,
        needs: NEEDS,
        judge: neighbours,
    },
    Judge {
        key: "dele-argument",
        title: "DELE of a message that does not exist is refused and marks none",
        rows: &["R1939-5.12", "R1939-5.17"],
        level: Level::Must,
        needs: NEEDS,
        judge: argument,
    },
    Judge {
        key: "dele-noop",
        title: "NOOP leaves marks alone",
        rows: &["R1939-5.20"],
        level: Level::Must,
        needs: NEEDS,
        judge: noop,
    },
    Judge {
        key: "dele-all",
        title: "with all messages marked deleted, LIST is empty and STAT zero",
        rows: &["R1939-5.10", "R1939-5.4"],
        level: Level::Must,
        needs: NEEDS,
        judge: all,
    },
    Judge {
        key: "rset",
        title: "RSET takes all marks back",
        rows: &["R1939-5.21"],
        level: Level::Must,
        needs: NEEDS,
        judge: rset,
    },
    Judge {
        key: "drop-keeps",
        title: "a connection that drops removes nothing, and leaves no mark",
        rows: &["R1939-6.2", "R1939-5.18", "R1939-4.7"],
        level: Level::Must,
        needs: NEEDS,
        judge: drop_keeps,
    },
];

/// A session that has marked message 1, and what it showed before.
fn marked(bench: &mut Bench<'_>) -> Step<(Dialogue, Maildrop)> {
    let mut dialogue = bench.login()?;
    let before = look(&mut dialogue, bench.transcript())?;
    dialogue.must("DELE 1")?;
    Ok((dialogue, before))
}

/// Takes the marks back before the connection goes.
fn leave(mut dialogue: Dialogue) -> Step {
    dialogue.must("RSET")?;
    dialogue.drop_connection();
    Ok(())
}

fn list(bench: &mut Bench<'_>) -> Step {
    let (mut dialogue, before) = marked(bench)?;
    let after = scan_listing(&dialogue.must_list("LIST")?);
    leave(dialogue)?;
    let expected: Vec<(u64, u64)> = before.listing.into_iter().skip(1).collect();
    demand(after == expected, "the listing of before, without message 1", || {
        format!("it begins with {:?} instead of {:?}", after.first(), expected.first())
    })
}

fn uidl(bench: &mut Bench<'_>) -> Step {
    let (mut dialogue, before) = marked(bench)?;
    let Some(body) = dialogue.list("UIDL")?.1 else {
        return Err(crate::verdict::Stop::not_applicable("the server has no UIDL"));
    };
    let after = unique_id_listing(&body);
    leave(dialogue)?;
    let expected: Vec<(u64, String)> = before.unique_id_listing().into_iter().skip(1).collect();
    demand(after == expected, "the unique-ids of before, without message 1", || {
        format!("it begins with {:?} instead of {:?}", after.first(), expected.first())
    })
}

fn stat(bench: &mut Bench<'_>) -> Step {
    let (mut dialogue, before) = marked(bench)?;
    let stat = dialogue.ask("STAT")?;
    leave(dialogue)?;
    let left = before.listing.iter().skip(1);
    let expected = (left.len() as u64, left.map(|(_, octets)| octets).sum::<u64>());
    demand(count_and_octets(&stat) == Some(expected), &format!("+OK {} {}", expected.0, expected.1), || {
        stat.to_string()
    })
}

fn out_of_sight(bench: &mut Bench<'_>) -> Step {
    let (mut dialogue, _) = marked(bench)?;
    dialogue.all_refused(&["LIST 1", "RETR 1", "DELE 1", "TOP 1 0", "UIDL 1"])?;
    leave(dialogue)
}

fn neighbours(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    let before = dialogue.must_list("RETR 2")?;
    dialogue.must("DELE 1")?;
    let after = dialogue.must_list("RETR 2")?;
    leave(dialogue)?;
    demand(before == after, "the same message 2 as before", || {
        format!("{} octets instead of {}", after.octets(), before.octets())
    })
}

fn argument(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    let before = dialogue.must("STAT")?;
    let beyond =
        format!("DELE {}", bench.maildrop.as_ref().map_or(0, |maildrop| maildrop.listing.len()) + 1000);
    let wrong = ["DELE 0", &beyond, "DELE -1", "DELE", "DELE 1x", "DELE 1 2", "DELE 4294967297"];
    for command in wrong {
        let reply = dialogue.ask(command)?;
        if !reply.is_err() {
            dialogue.must("RSET")?;
            return Err(broken(format!("-ERR to {command}"), reply.to_string()));
        }
    }
    let after = dialogue.must("STAT")?;
    leave(dialogue)?;
    demand(before == after, "nothing is marked", || after.to_string())
}

fn noop(bench: &mut Bench<'_>) -> Step {
    let (mut dialogue, _) = marked(bench)?;
    let before = dialogue.must("STAT")?;
    dialogue.must("NOOP")?;
    let after = dialogue.must("STAT")?;
    leave(dialogue)?;
    demand(before == after, "the same STAT before and after", || format!("{before}, then {after}"))
}

fn all(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    let listing = scan_listing(&dialogue.must_list("LIST")?);
    for (number, _) in listing.iter().take(MARKS_MAX) {
        dialogue.must(format!("DELE {number}"))?;
    }
    let (stat, list) = (dialogue.ask("STAT")?, dialogue.must_list("LIST")?);
    leave(dialogue)?;
    if listing.len() > MARKS_MAX {
        return Err(crate::verdict::Stop::not_applicable("too many messages to mark them all"));
    }
    demand(list.lines.is_empty(), "an empty listing", || format!("{} messages", list.lines.len()))?;
    demand(count_and_octets(&stat) == Some((0, 0)), "+OK 0 0", || stat.to_string())
}

fn rset(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    let before = (dialogue.must("STAT")?, dialogue.must_list("LIST")?);
    dialogue.must("DELE 1")?;
    dialogue.must("DELE 3")?;
    dialogue.must("RSET")?;
    let after = (dialogue.must("STAT")?, dialogue.must_list("LIST")?);
    leave(dialogue)?;
    demand(before.1 == after.1, "the listing of before", || format!("{} messages", after.1.lines.len()))?;
    demand(before.0.line == after.0.line, "the STAT of before", || after.0.to_string())
}

fn drop_keeps(bench: &mut Bench<'_>) -> Step {
    let (dialogue, before) = marked(bench)?;
    dialogue.drop_connection();
    let mut dialogue = bench.login()?;
    let after = look(&mut dialogue, bench.transcript())?;
    dialogue.drop_connection();
    demand(before.listing == after.listing, "the same messages as before", || {
        format!("{} messages instead of {}", after.listing.len(), before.listing.len())
    })?;
    demand(before.stat.line == after.stat.line, "the STAT of before", || after.stat.to_string())
}

/// Messages that are marked in one session at most.
const MARKS_MAX: usize = 500;
