//! The form of every reply that was seen in this run. These come last, so that there is much to look at.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::dialogue::Fault;
use crate::verdict::{Level, Step, broken};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "reply-status",
        title: "every reply begins with +OK or -ERR, as they are spelled",
        rows: &["R1939-3.10"],
        level: Level::Must,
        needs: &[],
        judge: |bench| no(bench, Fault::Status, "+OK or -ERR in upper case"),
    },
    Judge {
        key: "reply-separator",
        title: "a space stands between the status indicator and the text",
        rows: &["R1939-3.10"],
        level: Level::Must,
        needs: &[],
        judge: |bench| no(bench, Fault::Glued, "a space behind +OK and -ERR"),
    },
    Judge {
        key: "reply-space",
        title: "a space or a text follows the status indicator, for old clients",
        rows: &["R1957-0.1"],
        level: Level::Should,
        needs: &[],
        judge: |bench| no(bench, Fault::Space, "a space behind +OK and -ERR"),
    },
    Judge {
        key: "reply-line-ends",
        title: "every line of the server ends with CR LF",
        rows: &["R1939-3.8"],
        level: Level::Must,
        needs: &[],
        judge: |bench| no(bench, Fault::LineEnd, "CR LF behind every line"),
    },
    Judge {
        key: "reply-octets",
        title: "the first line of a reply has at most 512 octets",
        rows: &["R1939-3.9", "R2449-4.3"],
        level: Level::Must,
        needs: &[],
        judge: octets,
    },
    Judge {
        key: "resp-codes-announced",
        title: "a server that sends response codes announces RESP-CODES",
        rows: &["R2449-8.3"],
        level: Level::Must,
        needs: &[],
        judge: codes_announced,
    },
    Judge {
        key: "resp-codes-form",
        title: "a response code is levels of printable ASCII",
        rows: &["R2449-3.3", "R2449-6.4.1"],
        level: Level::Must,
        needs: &[],
        judge: codes_form,
    },
    Judge {
        key: "auth-code-announced",
        title: "a server that sends [AUTH] announces AUTH-RESP-CODE",
        rows: &["R3206-5.2"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: auth_code_announced,
    },
];

fn no(bench: &mut Bench<'_>, fault: Fault, expected: &str) -> Step {
    // Should this be the only judge of the run, then there must be something to look at.
    let mut dialogue = bench.open()?;
    dialogue.ask("XYZZ")?;
    dialogue.ask("QUIT")?;
    bench.evidence();
    match bench.form.first(fault) {
        None => Ok(()),
        Some((found, transcript)) => {
            bench.cite(&transcript);
            Err(broken(expected, found))
        }
    }
}

fn octets(bench: &mut Bench<'_>) -> Step {
    // Servers that quote what they do not understand are tempted here.
    let mut dialogue = bench.open()?;
    dialogue.ask("X".repeat(600))?;
    dialogue.drop_connection();
    no(bench, Fault::Length, "first lines of at most 512 octets")
}

fn codes_announced(bench: &mut Bench<'_>) -> Step {
    let is_announced = bench.entrance()?.capabilities().is_some_and(|list| list.has("RESP-CODES"));
    if is_announced {
        return Ok(());
    }
    tempt(bench)?;
    // `[AUTH]` has an announcement of its own.
    let first = bench.form.codes().into_iter().find(|(code, ..)| is_registered(code) && code != "AUTH");
    match first {
        None => Ok(()),
        Some((code, keyword, transcript)) => {
            bench.cite(&transcript);
            Err(broken(
                "RESP-CODES in CAPA",
                format!("[{code}] in reply to {keyword}, and RESP-CODES is not announced"),
            ))
        }
    }
}

fn codes_form(bench: &mut Bench<'_>) -> Step {
    bench.announced("RESP-CODES")?;
    tempt(bench)?;
    let is_level = |level: &str| {
        !level.is_empty()
            && level.bytes().all(|octet| matches!(octet, 0x21..=0x2E | 0x30..=0x5C | 0x5E..=0x7E))
    };
    match bench.form.codes().into_iter().find(|(code, ..)| !code.split('/').all(is_level)) {
        None => Ok(()),
        Some((code, keyword, transcript)) => {
            bench.cite(&transcript);
            Err(broken("[level/level]", format!("[{code}] in reply to {keyword}")))
        }
    }
}

fn auth_code_announced(bench: &mut Bench<'_>) -> Step {
    tempt(bench)?;
    let Some((_, keyword, transcript)) = bench.form.codes().into_iter().find(|(code, ..)| code == "AUTH")
    else {
        return Ok(());
    };
    let is_announced = bench.entrance()?.capabilities().is_some_and(|list| list.has("AUTH-RESP-CODE"));
    match is_announced {
        true => Ok(()),
        false => {
            bench.cite(&transcript);
            Err(broken(
                "AUTH-RESP-CODE in CAPA",
                format!("[AUTH] in reply to {keyword}, and it is not announced"),
            ))
        }
    }
}

/// A refused login, where codes are most often seen.
fn tempt(bench: &mut Bench<'_>) -> Step {
    if bench.settings.credentials.is_some() {
        // What keeps it from happening is told elsewhere.
        let _ = bench.refusals();
    }
    Ok(())
}

/// The codes of RFC 2449 and RFC 3206; others could be text in brackets.
fn is_registered(code: &str) -> bool {
    let first = code.split('/').next().unwrap_or_default();
    ["IN-USE", "LOGIN-DELAY", "SYS", "AUTH", "UTF8"].contains(&first)
}
