//! STAT, LIST and UIDL: their forms, and that they tell the same story.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::verdict::{Level, Step, Stop, demand, doubtful};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "minimal-commands",
        title: "STAT, LIST, NOOP, RSET and QUIT work",
        rows: &["R1939-7.1", "R1939-5.20", "R1939-5.21"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: minimal,
    },
    Judge {
        key: "uidl-and-top",
        title: "UIDL and TOP are there, which popular clients need",
        rows: &["R1957-0.3"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: optional,
    },
    Judge {
        key: "stat-form",
        title: "STAT is +OK, count and octets, one space apart",
        rows: &["R1939-5.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: stat_form,
    },
    Judge {
        key: "stat-nothing-more",
        title: "nothing follows the octets of STAT",
        rows: &["R1939-5.2"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: stat_nothing_more,
    },
    Judge {
        key: "list-form",
        title: "LIST has message-number and octets of each message, in decimal",
        rows: &["R1939-5.7", "R1939-4.8"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: list_form,
    },
    Judge {
        key: "list-nothing-more",
        title: "nothing follows the octets in a scan listing",
        rows: &["R1939-5.14"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: list_nothing_more,
    },
    Judge {
        key: "list-numbers",
        title: "messages are numbered from 1 without a gap",
        rows: &["R1939-4.8"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: list_numbers,
    },
    Judge {
        key: "list-one",
        title: "LIST n is one line, and says what LIST says",
        rows: &["R1939-5.8"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: list_one,
    },
    Judge {
        key: "stat-sum",
        title: "STAT counts what LIST lists",
        rows: &["R1939-5.15"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: stat_sum,
    },
    Judge {
        key: "stat-64-bit",
        title: "totals beyond 4 GiB do not wrap",
        rows: &["R1939-5.15"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: stat_64_bit,
    },
    Judge {
        key: "uidl-form",
        title: "UIDL has message-number and unique-id, and nothing else",
        rows: &["R1939-7.8", "R1939-7.10"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: uidl_form,
    },
    Judge {
        key: "uidl-charset",
        title: "a unique-id is 1 to 70 octets of printable ASCII",
        rows: &["R1939-7.11"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: uidl_charset,
    },
    Judge {
        key: "uidl-one",
        title: "UIDL n is one line, and says what UIDL says",
        rows: &["R1939-7.9"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: uidl_one,
    },
    Judge {
        key: "uidl-lists-all",
        title: "UIDL lists the messages that LIST lists",
        rows: &["R1939-7.8"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: uidl_lists_all,
    },
    Judge {
        key: "uidl-distinct",
        title: "no two messages share a unique-id",
        rows: &["R1939-7.12"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(2)],
        judge: uidl_distinct,
    },
    Judge {
        key: "uidl-persists",
        title: "unique-ids are the same in the next session, also after a dropped one",
        rows: &["R1939-7.13"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: uidl_persists,
    },
];

fn minimal(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    dialogue.must("STAT")?;
    dialogue.must_list("LIST")?;
    dialogue.must("NOOP")?;
    dialogue.must("RSET")?;
    // Nothing was retrieved and nothing marked: there is nothing that this QUIT could remove.
    dialogue.must("QUIT")?;
    let (rest, _) = dialogue.end()?;
    demand(rest.is_empty(), "nothing after the reply to QUIT", || format!("{} more octets", rest.len()))
}

fn optional(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    demand(maildrop.unique_ids.is_some(), "UIDL works", || "UIDL was refused".into())?;
    let Some((number, _)) = maildrop.listing.first() else { return Ok(()) };
    let mut dialogue = bench.login()?;
    let (reply, body) = dialogue.list(format!("TOP {number} 0"))?;
    dialogue.drop_connection();
    demand(body.is_some(), "TOP works", || reply.to_string())
}

fn stat_form(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    let line = String::from_utf8_lossy(&maildrop.stat.line).into_owned();
    let words: Vec<&str> = line.split(' ').collect();
    let is_right =
        matches!(words.as_slice(), ["+OK", count, octets, ..] if is_decimal(count) && is_decimal(octets));
    demand(is_right, "+OK SP count SP octets", || maildrop.stat.to_string())
}

fn stat_nothing_more(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    let words = maildrop.stat.text().split(|&octet| octet == b' ').count();
    demand(words <= 2, "the line ends behind the octets", || maildrop.stat.to_string())
}

fn list_form(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    for line in maildrop.list.texts() {
        let mut words = line.split(' ');
        let is_right = words.next().is_some_and(is_decimal) && words.next().is_some_and(is_decimal);
        demand(is_right, "number SP octets", || format!("\"{line}\""))?;
    }
    Ok(())
}

fn list_nothing_more(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    let longer = maildrop.list.texts().into_iter().find(|line| line.split(' ').count() > 2);
    demand(longer.is_none(), "lines of two fields", || longer.unwrap_or_default())
}

fn list_numbers(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    for (place, (number, _)) in (1..).zip(&maildrop.listing) {
        demand(*number == place, &format!("message {place} in this place"), || format!("message {number}"))?;
    }
    Ok(())
}

fn list_one(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    let mut dialogue = bench.login()?;
    for (number, octets) in ends(&maildrop.listing) {
        let reply = dialogue.ask(format!("LIST {number}"))?;
        let expected = format!("+OK {number} {octets}");
        demand(reply.line == expected.as_bytes(), &expected, || reply.to_string())?;
    }
    // Whatever came behind the line would be taken for this reply.
    let reply = dialogue.ask("NOOP")?;
    demand(reply.is_ok(), "nothing behind the line", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn stat_sum(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    let (count, octets) =
        maildrop.count_and_octets().ok_or_else(|| Stop::not_applicable("STAT cannot be read"))?;
    let listed = maildrop.listing.len() as u64;
    let sum: u64 = maildrop.listing.iter().map(|(_, octets)| octets).sum();
    demand((count, octets) == (listed, sum), &format!("{listed} messages of {sum} octets, as listed"), || {
        format!("{count} messages of {octets} octets")
    })
}

fn stat_64_bit(bench: &mut Bench<'_>) -> Step {
    let maildrop = bench.see_maildrop()?;
    let sum: u64 = maildrop.listing.iter().map(|(_, octets)| octets).sum();
    if sum <= u64::from(u32::MAX) {
        return Err(Stop::not_applicable("the maildrop holds less than 4 GiB"));
    }
    let octets = maildrop.count_and_octets().map(|(_, octets)| octets);
    demand(octets == Some(sum), &format!("{sum} octets"), || maildrop.stat.to_string())
}

fn uidl_form(bench: &mut Bench<'_>) -> Step {
    for line in unique_ids(bench)? {
        let words: Vec<&str> = line.split(' ').collect();
        let is_right = matches!(words.as_slice(), [number, id] if is_decimal(number) && !id.is_empty());
        demand(is_right, "number SP unique-id", || format!("\"{line}\""))?;
    }
    Ok(())
}

fn uidl_charset(bench: &mut Bench<'_>) -> Step {
    unique_ids(bench)?;
    for (number, id) in bench.maildrop()?.unique_id_listing() {
        let is_right = (1..=70).contains(&id.len()) && id.bytes().all(|octet| matches!(octet, 0x21..=0x7E));
        demand(is_right, "1 to 70 octets of 0x21 to 0x7E", || {
            format!("message {number} has \"{id}\", {} octets", id.len())
        })?;
    }
    Ok(())
}

fn uidl_one(bench: &mut Bench<'_>) -> Step {
    unique_ids(bench)?;
    let listing = bench.maildrop()?.unique_id_listing();
    let mut dialogue = bench.login()?;
    for (number, id) in ends(&listing) {
        let reply = dialogue.ask(format!("UIDL {number}"))?;
        let expected = format!("+OK {number} {id}");
        demand(reply.line == expected.as_bytes(), &expected, || reply.to_string())?;
    }
    let reply = dialogue.ask("NOOP")?;
    demand(reply.is_ok(), "nothing behind the line", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn uidl_lists_all(bench: &mut Bench<'_>) -> Step {
    unique_ids(bench)?;
    let maildrop = bench.maildrop()?;
    let listed: Vec<u64> = maildrop.listing.iter().map(|(number, _)| *number).collect();
    let named: Vec<u64> = maildrop.unique_id_listing().iter().map(|(number, _)| *number).collect();
    demand(listed == named, &format!("{} messages, as in LIST", listed.len()), || {
        format!("{} messages, or others", named.len())
    })
}

fn uidl_distinct(bench: &mut Bench<'_>) -> Step {
    unique_ids(bench)?;
    let mut listing = bench.maildrop()?.unique_id_listing();
    listing.sort_by(|a, b| a.1.cmp(&b.1));
    let twice = listing.windows(2).find_map(|pair| match pair {
        [(a, id), (b, other)] if id == other => Some((*a, *b, id.clone())),
        _ => None,
    });
    match twice {
        None => Ok(()),
        // Many servers name a message by its contents, and RFC 1939 warns of it: the messages may be the same.
        Some((a, b, id)) => {
            let found = format!("messages {a} and {b} are both \"{id}\"");
            let bodies = bench.login().and_then(|mut dialogue| {
                let first = dialogue.must_list(format!("RETR {a}"))?;
                let second = dialogue.must_list(format!("RETR {b}"))?;
                dialogue.drop_connection();
                Ok(first == second)
            })?;
            let expected = "a unique-id of its own for each message";
            Err(if bodies {
                doubtful(expected, format!("{found}; they are copies of each other"))
            } else {
                crate::verdict::broken(expected, found)
            })
        }
    }
}

fn uidl_persists(bench: &mut Bench<'_>) -> Step {
    unique_ids(bench)?;
    let before = bench.maildrop()?;
    let mut dialogue = bench.login()?;
    let listing = crate::facts::scan_listing(&dialogue.must_list("LIST")?);
    let unique_ids = crate::facts::unique_id_listing(&dialogue.must_list("UIDL")?);
    dialogue.drop_connection();
    let first = octets_by_id(&before.listing, &before.unique_id_listing());
    let second = octets_by_id(&listing, &unique_ids);
    // Mail may have come or gone in between; but not all at once, and no unique-id may move to another message.
    let gone = first.iter().filter(|(id, _)| !second.iter().any(|(other, _)| id == other)).count();
    let new = second.iter().filter(|(id, _)| !first.iter().any(|(other, _)| id == other)).count();
    let expected = "the unique-ids of the session before";
    demand(gone == 0 || new == 0, expected, || format!("{gone} unique-ids are gone and {new} are new"))?;
    let moved =
        first.iter().find(|(id, octets)| second.iter().any(|(other, now)| id == other && octets != now));
    demand(moved.is_none(), expected, || {
        format!("\"{}\" is a message of other octets now", moved.map_or("", |(id, _)| id))
    })
}

/// The octets of each message, by its unique-id.
fn octets_by_id(listing: &[(u64, u64)], unique_ids: &[(u64, String)]) -> Vec<(String, u64)> {
    let octets = |number: u64| listing.iter().find(|(other, _)| *other == number).map(|(_, octets)| *octets);
    unique_ids.iter().filter_map(|(number, id)| Some((id.clone(), octets(*number)?))).collect()
}

/// The lines of UIDL, as evidence; not applicable when it is refused.
fn unique_ids(bench: &mut Bench<'_>) -> Step<Vec<String>> {
    let maildrop = bench.see_maildrop()?;
    let list = maildrop.unique_ids.as_ref();
    list.map(crate::dialogue::Body::texts).ok_or_else(|| Stop::not_applicable("the server has no UIDL"))
}

/// A number in decimal without sign and leading zero.
fn is_decimal(word: &str) -> bool {
    word == "0"
        || (!word.is_empty() && !word.starts_with('0') && word.bytes().all(|octet| octet.is_ascii_digit()))
}

/// The first and the last.
fn ends<T: Clone>(listing: &[T]) -> Vec<T> {
    let mut ends: Vec<T> = listing.first().into_iter().cloned().collect();
    ends.extend(if listing.len() > 1 { listing.last().cloned() } else { None });
    ends
}
