//! Several commands at once.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::verdict::{Level, Step, Stop, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "pipelining",
        title: "commands that come at once are answered one by one, in order",
        rows: &["R2449-6.6.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: pipelining,
    },
    Judge {
        key: "pipelining-retr",
        title: "a message between pipelined commands is sent whole",
        rows: &["R2449-6.6.1"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: with_a_message,
    },
    Judge {
        key: "pipelining-login",
        title: "commands that come together with PASS are kept",
        rows: &["R2449-6.6.5"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: across_the_login,
    },
    Judge {
        key: "autologout",
        title: "a session may be idle for ten minutes",
        rows: &["R1939-3.21"],
        level: Level::Must,
        needs: &[Need::Account, Need::Slow],
        judge: autologout,
    },
];

fn pipelining(bench: &mut Bench<'_>) -> Step {
    bench.announced("PIPELINING")?;
    let mut dialogue = bench.login()?;
    let rounds = 40;
    // Refused and granted by turns, so that order can be seen.
    dialogue.say_octets("STAT\r\nXYZZ\r\nNOOP\r\n".repeat(rounds).as_bytes())?;
    for round in 1..=rounds {
        for (command, is_ok) in [("STAT", true), ("XYZZ", false), ("NOOP", true)] {
            let reply = dialogue.reply()?;
            let is_right = if is_ok { reply.is_ok() } else { reply.is_err() };
            demand(is_right, &format!("the reply to {command} in round {round}"), || reply.to_string())?;
        }
    }
    dialogue.drop_connection();
    Ok(())
}

fn with_a_message(bench: &mut Bench<'_>) -> Step {
    bench.announced("PIPELINING")?;
    let samples = bench.samples()?;
    let Some(sample) = samples.first() else { return Ok(()) };
    let mut dialogue = bench.login()?;
    dialogue.say_octets(format!("RETR {}\r\nNOOP\r\nXYZZ\r\nLIST\r\n", sample.number).as_bytes())?;
    let reply = dialogue.reply()?;
    demand(reply.is_ok(), "+OK to RETR", || reply.to_string())?;
    let body = dialogue.body()?;
    demand(body == sample.body, "the message that RETR alone sends", || format!("{} octets", body.octets()))?;
    let (noop, unknown) = (dialogue.reply()?, dialogue.reply()?);
    demand(noop.is_ok() && unknown.is_err(), "+OK to NOOP, -ERR to XYZZ", || format!("{noop}, {unknown}"))?;
    let list = dialogue.reply()?;
    demand(list.is_ok(), "+OK to LIST", || list.to_string())?;
    dialogue.body()?;
    dialogue.drop_connection();
    Ok(())
}

fn across_the_login(bench: &mut Bench<'_>) -> Step {
    bench.announced("PIPELINING")?;
    bench.announced("USER")?;
    let (mut dialogue, credentials) = bench.open_for_login()?;
    let lines = [
        format!("USER {}\r\nPASS ", credentials.user()).as_bytes(),
        credentials.password(),
        b"\r\nSTAT\r\nXYZZ\r\nNOOP",
    ]
    .concat();
    let lines = zeroize::Zeroizing::new(lines);
    dialogue.say_secret("USER …, PASS ****, STAT, XYZZ and NOOP at once", &lines)?;
    for (command, is_ok) in [("USER", true), ("PASS", true), ("STAT", true), ("XYZZ", false), ("NOOP", true)]
    {
        let reply = dialogue.reply()?;
        if command == "PASS" && reply.is_err() {
            return Err(Stop::Undecided(format!("the login was refused: {reply}")));
        }
        let is_right = if is_ok { reply.is_ok() } else { reply.is_err() };
        demand(is_right, &format!("the reply to {command}"), || reply.to_string())?;
    }
    bench.holds(&mut dialogue);
    dialogue.drop_connection();
    Ok(())
}

fn autologout(bench: &mut Bench<'_>) -> Step {
    let Some(idle) = bench.settings.idle else { return Ok(()) };
    let mut dialogue = bench.login()?;
    dialogue.must("NOOP")?;
    let stayed = dialogue.wire().stays_open(idle);
    let expected = format!("a session that is still there after {} seconds", idle.as_secs());
    demand(stayed, &expected, || "the server ended it, or spoke unasked".into())?;
    dialogue.must("NOOP")?;
    dialogue.drop_connection();
    Ok(())
}
