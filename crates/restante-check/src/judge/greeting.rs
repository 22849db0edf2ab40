//! The greeting, and the end of a connection that never logged in.

use super::Judge;
use crate::bench::Bench;
use crate::dialogue::Reply;
use crate::facts::timestamp;
use crate::verdict::{Level, Step, Stop, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "greeting",
        title: "greets at once with one positive line",
        rows: &["R1939-3.2", "R1939-4.1"],
        level: Level::Must,
        needs: &[],
        judge: greeting,
    },
    Judge {
        key: "greeting-timestamp",
        title: "a timestamp in the greeting is a msg-id",
        rows: &["R1939-7.24", "R2449-3.4"],
        level: Level::Must,
        needs: &[],
        judge: timestamp_is_msg_id,
    },
    Judge {
        key: "greeting-timestamp-fresh",
        title: "no two greetings have the same timestamp",
        rows: &["R1939-7.25"],
        level: Level::Must,
        needs: &[],
        judge: timestamp_is_fresh,
    },
    Judge {
        key: "quit-before-login",
        title: "QUIT before login is answered, then the connection closed",
        rows: &["R1939-4.10"],
        level: Level::Must,
        needs: &[],
        judge: quit_before_login,
    },
];

fn greeting(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.connect()?;
    if bench.settings.target.is_implicit_tls {
        dialogue.start_tls(&bench.tls()?).map_err(Stop::Undecided)?;
    }
    let greeting = dialogue.reply()?;
    demand(greeting.is_ok(), "a greeting with +OK", || greeting.to_string())?;
    // Anything that a second line would leave behind comes before the answer.
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "one line and no more before a command", || reply.to_string())
}

fn timestamp_is_msg_id(bench: &mut Bench<'_>) -> Step {
    let (dialogue, greeting) = bench.greeted()?;
    dialogue.drop_connection();
    let timestamp = with_timestamp(&greeting)?;
    let inner = timestamp.trim_start_matches('<').trim_end_matches('>');
    let is_right = inner.split_once('@').is_some_and(|(local, domain)| is_dotted(local) && is_dotted(domain));
    demand(is_right, "<local@domain> of printable ASCII", || timestamp.clone())
}

fn timestamp_is_fresh(bench: &mut Bench<'_>) -> Step {
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (dialogue, greeting) = bench.greeted()?;
        dialogue.drop_connection();
        let timestamp = with_timestamp(&greeting)?;
        demand(!seen.contains(&timestamp), "another timestamp in each greeting", || timestamp.clone())?;
        seen.push(timestamp);
    }
    Ok(())
}

fn quit_before_login(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "+OK to QUIT", || reply.to_string())?;
    let (rest, _) = dialogue.end()?;
    demand(rest.is_empty(), "nothing after the reply to QUIT", || format!("{} more octets", rest.len()))
}

fn with_timestamp(greeting: &Reply) -> Step<String> {
    timestamp(greeting)
        .ok_or_else(|| Stop::not_applicable("the greeting has no timestamp, so there is no APOP"))
}

/// Atoms with dots between them, or a domain literal.
fn is_dotted(part: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|octet| octet.is_ascii_graphic() && !b"()<>@,;:\\\".[]".contains(&octet))
    };
    let is_literal = part.strip_prefix('[').and_then(|part| part.strip_suffix(']')).is_some_and(|inner| {
        inner.bytes().all(|octet| octet.is_ascii_graphic() && !b"[]\\".contains(&octet))
    });
    is_literal || part.split('.').all(is_atom)
}
