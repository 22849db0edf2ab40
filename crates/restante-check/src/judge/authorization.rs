//! Commands before login: wrong ones, odd ones, long ones, and what they must not do to the session.

use super::{Judge, Need};
use crate::bench::{self, Bench};
use crate::dialogue::Dialogue;
use crate::verdict::{Level, Step, Stop, broken, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "unknown-command",
        title: "what is no command is answered -ERR",
        rows: &["R1939-3.17", "R1939-3.6"],
        level: Level::Must,
        needs: &[],
        judge: unknown,
    },
    Judge {
        key: "error-keeps-session",
        title: "wrong commands do not end the session",
        rows: &["R1939-3.19"],
        level: Level::Should,
        needs: &[],
        judge: errors_are_survived,
    },
    Judge {
        key: "state-before-login",
        title: "commands of the maildrop are refused before login",
        rows: &["R1939-5.6", "R1939-3.18", "R8314-3.1.3"],
        level: Level::Must,
        needs: &[],
        judge: state_before_login,
    },
    Judge {
        key: "argument-missing-before-login",
        title: "USER and PASS need their argument",
        rows: &["R1939-3.17"],
        level: Level::Must,
        needs: &[],
        judge: missing_arguments,
    },
    Judge {
        key: "pass-before-user",
        title: "PASS without USER is refused",
        rows: &["R1939-7.21"],
        level: Level::Must,
        needs: &[],
        judge: pass_before_user,
    },
    Judge {
        key: "apop-arguments",
        title: "APOP needs a name and a digest",
        rows: &["R1939-7.28"],
        level: Level::Must,
        needs: &[],
        judge: apop_arguments,
    },
    Judge {
        key: "keyword-case",
        title: "keywords are taken in any case",
        rows: &["R1939-3.3"],
        level: Level::Must,
        needs: &[],
        judge: keyword_case,
    },
    Judge {
        key: "command-split",
        title: "a command may come in pieces",
        rows: &["R1939-3.4"],
        level: Level::Must,
        needs: &[],
        judge: split,
    },
    Judge {
        key: "command-255-octets",
        title: "a command of 255 octets is one command",
        rows: &["R2449-4.1", "R1939-3.7"],
        level: Level::Must,
        needs: &[],
        judge: long,
    },
    Judge {
        key: "command-over-long",
        title: "a command that is too long is refused once, and as a whole",
        rows: &["R2449-4.5"],
        level: Level::Should,
        needs: &[],
        judge: over_long,
    },
    Judge {
        key: "command-odd-octets",
        title: "NUL and 8-bit octets in a command are refused, and do no harm",
        rows: &["R2449-3.1"],
        level: Level::Must,
        needs: &[],
        judge: odd_octets,
    },
    Judge {
        key: "stls-argument",
        title: "STLS takes no argument",
        rows: &["R1939-3.17"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: stls_argument,
    },
];

/// A connection that still answers: QUIT is a command that every server has in every state.
fn still_answers(mut dialogue: Dialogue) -> Step {
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "the session goes on as before", || format!("QUIT was answered {reply}"))
}

fn unknown(bench: &mut Bench<'_>) -> Step {
    for command in ["XYZZ", "X", "RETRIEVE 1", "", " ", "\u{7f}ZZY"] {
        let mut dialogue = bench.open()?;
        dialogue.all_refused(&[command])?;
        dialogue.drop_connection();
    }
    Ok(())
}

fn errors_are_survived(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    dialogue.all_refused(&["XYZA", "XYZB", "XYZC"])?;
    still_answers(dialogue)
}

fn state_before_login(bench: &mut Bench<'_>) -> Step {
    // Servers may end a connection after a few errors, so none gets many.
    for commands in [["STAT", "LIST", "RETR 1"], ["TOP 1 0", "UIDL", "RSET"]] {
        let mut dialogue = bench.open()?;
        dialogue.all_refused(&commands)?;
        dialogue.drop_connection();
    }
    let mut dialogue = bench.open()?;
    dialogue.all_refused(&["NOOP"])?;
    still_answers(dialogue)
}

fn missing_arguments(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    dialogue.all_refused(&["USER", "PASS"])?;
    still_answers(dialogue)
}

fn pass_before_user(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    if bench.settings.credentials.is_some() {
        // The right password, if it may be said here: a server that takes it on trust is found out.
        if let Ok(credentials) = bench.credentials(&dialogue) {
            let reply = bench::pass(&mut dialogue, credentials)?;
            demand(reply.is_err(), "-ERR to PASS without USER", || reply.to_string())?;
            return still_answers(dialogue);
        }
    }
    dialogue.all_refused(&["PASS restante-check"])?;
    still_answers(dialogue)
}

fn apop_arguments(bench: &mut Bench<'_>) -> Step {
    if bench.entrance()?.timestamp().is_none() {
        return Err(Stop::not_applicable("the greeting has no timestamp, so there is no APOP"));
    }
    let mut dialogue = bench.open()?;
    dialogue.all_refused(&["APOP", "APOP restante-check"])?;
    still_answers(dialogue)
}

fn keyword_case(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    if bench.entrance()?.capabilities().is_some() {
        dialogue.must_list("cApA")?;
    }
    let reply = dialogue.ask("qUiT")?;
    demand(reply.is_ok(), "+OK to qUiT", || reply.to_string())?;
    if bench.settings.credentials.is_none() {
        return Ok(());
    }
    let mut dialogue = match bench.login() {
        Err(Stop::NotApplicable(_)) => return Ok(()),
        other => other?,
    };
    dialogue.must("sTaT")?;
    dialogue.must("noop")?;
    dialogue.must_list("List")?;
    dialogue.drop_connection();
    Ok(())
}

fn split(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    for piece in [&b"XY"[..], b"ZZ", b"\r"] {
        dialogue.say_octets(piece)?;
        let is_quiet = dialogue.wire().stays_open(bench.settings.budget.pause);
        demand(is_quiet, "no reply before CR LF", || "a reply to a piece of a command".into())?;
    }
    dialogue.say_octets(b"\n")?;
    let reply = dialogue.reply()?;
    demand(reply.is_err(), "-ERR to XYZZ in pieces", || reply.to_string())?;
    still_answers(dialogue)
}

fn long(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    // 255 octets with CRLF.
    let command = format!("USER {}", "x".repeat(248));
    let reply = dialogue.ask(&command)?;
    demand(reply.is_ok() || reply.is_err(), "one reply", || reply.to_string())?;
    still_answers(dialogue)
}

fn over_long(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    // A server that takes its buffer for a line would find commands in here.
    let command = format!("XYZZ {}", "QUIT\rQUIT ".repeat(800));
    let reply = dialogue.ask(&command)?;
    demand(reply.is_err(), "-ERR to a command of 8,000 octets", || reply.to_string())?;
    match dialogue.ask("QUIT") {
        Ok(reply) => demand(reply.is_ok(), "one -ERR for one command", || {
            format!("the reply to the next command was {reply}")
        }),
        // To close on such a peer is lawful.
        Err(_) => Ok(()),
    }
}

fn odd_octets(bench: &mut Bench<'_>) -> Step {
    for command in [&b"QU\0IT"[..], b"\xFF\xFE\xFD\xFC", b"CAPA\0x", b"\x1B[2J"] {
        let mut dialogue = bench.open()?;
        let reply = dialogue.ask(command)?;
        if !reply.is_err() {
            return Err(broken("-ERR to what is no command", reply.to_string()));
        }
        still_answers(dialogue)?;
    }
    Ok(())
}

fn stls_argument(bench: &mut Bench<'_>) -> Step {
    if !bench.offers_stls()? {
        return Err(Stop::not_applicable("this port speaks TLS only"));
    }
    let (mut dialogue, _) = bench.greeted()?;
    dialogue.all_refused(&["STLS now"])?;
    still_answers(dialogue)
}
