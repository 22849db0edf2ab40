//! Message-numbers and arguments that are wrong: none of them may be taken for another.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::verdict::{Level, Step, Stop, broken, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "number-zero",
        title: "there is no message 0",
        rows: &["R1939-5.12"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: zero,
    },
    Judge {
        key: "number-beyond",
        title: "a message-number that does not exist is refused",
        rows: &["R1939-5.12"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: beyond,
    },
    Judge {
        key: "number-wraps",
        title: "a number beyond 32 or 64 bits is not taken for a small one",
        rows: &["R1939-5.12"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: wraps,
    },
    Judge {
        key: "number-form",
        title: "only decimal digits make a message-number",
        rows: &["R1939-5.12"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: form,
    },
    Judge {
        key: "number-octal",
        title: "a leading zero does not make a number octal",
        rows: &["R1939-5.12"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(8)],
        judge: octal,
    },
    Judge {
        key: "argument-missing",
        title: "RETR and TOP need their arguments",
        rows: &["R1939-5.17", "R1939-7.5"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: missing,
    },
    Judge {
        key: "argument-extra",
        title: "an argument too many is refused",
        rows: &["R1939-3.17"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: extra,
    },
    Judge {
        key: "argument-none",
        title: "an argument is refused where there is none (STAT, NOOP, RSET)",
        rows: &["R1939-5.22"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: none,
    },
    Judge {
        key: "top-lines-form",
        title: "TOP takes a number of lines that is no negative",
        rows: &["R1939-7.5"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: top_lines_form,
    },
    Judge {
        key: "error-one-line",
        title: "a refusal of a multi-line command is one line",
        rows: &["R1939-3.16"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: one_line,
    },
];

fn zero(bench: &mut Bench<'_>) -> Step {
    refused(bench, &["RETR 0", "LIST 0", "UIDL 0", "TOP 0 0"])
}

fn beyond(bench: &mut Bench<'_>) -> Step {
    let next = bench.maildrop()?.listing.len() as u64 + 1000;
    let commands = ["RETR", "LIST", "UIDL"].map(|keyword| format!("{keyword} {next}"));
    let mut commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let top = format!("TOP {next} 0");
    commands.push(&top);
    refused(bench, &commands)
}

fn wraps(bench: &mut Bench<'_>) -> Step {
    // 2^16 + 1 is left out: a maildrop may have so many.
    refused(bench, &["LIST 4294967297", "RETR 4294967297", "UIDL 18446744073709551617"])?;
    refused(bench, &["LIST 99999999999999999999999999999999999999", "TOP 18446744073709551617 0"])
}

fn form(bench: &mut Bench<'_>) -> Step {
    refused(bench, &["LIST -1", "LIST +1", "LIST 1x", "LIST 0x1"])?;
    refused(bench, &["RETR 1.0", "LIST a", "UIDL 1,2", "LIST *"])
}

fn octal(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    let reply = dialogue.ask("LIST 010")?;
    dialogue.drop_connection();
    let is_eight = reply.text().starts_with(b"8 ") || reply.text() == b"8";
    demand(!is_eight, "message 10, or -ERR", || reply.to_string())
}

fn missing(bench: &mut Bench<'_>) -> Step {
    refused(bench, &["RETR", "TOP", "TOP 1"])
}

fn extra(bench: &mut Bench<'_>) -> Step {
    refused(bench, &["LIST 1 1", "RETR 1 1", "UIDL 1 1", "TOP 1 0 0"])
}

fn none(bench: &mut Bench<'_>) -> Step {
    refused(bench, &["STAT 1", "NOOP x", "RSET x"])
}

fn top_lines_form(bench: &mut Bench<'_>) -> Step {
    refused(bench, &["TOP 1 -1", "TOP 1 x", "TOP 1 1x"])
}

/// Each in the same session, which must be in step afterwards.
fn refused(bench: &mut Bench<'_>, commands: &[&str]) -> Step {
    let mut dialogue = bench.login()?;
    dialogue.all_refused(commands)?;
    let reply = dialogue.ask("NOOP")?;
    demand(reply.is_ok(), "the session goes on as before", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn one_line(bench: &mut Bench<'_>) -> Step {
    let beyond = bench.maildrop()?.listing.len() as u64 + 1000;
    let mut dialogue = bench.login()?;
    for command in [format!("RETR {beyond}"), format!("TOP {beyond} 0")] {
        let reply = dialogue.ask(&command)?;
        if !reply.is_err() {
            return Err(Stop::not_applicable("a message that does not exist is not refused"));
        }
        let next = dialogue.ask("NOOP")?;
        if !next.is_ok() {
            return Err(broken("one line, then the reply to NOOP", next.to_string()));
        }
    }
    dialogue.drop_connection();
    Ok(())
}
