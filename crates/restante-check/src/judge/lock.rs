//! The exclusive-access lock: two sessions at the same maildrop.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::verdict::{Level, Step, Stop, demand, doubtful};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "lock",
        title: "a second session is refused while one is open",
        rows: &["R1939-4.3", "R1939-4.4"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: lock,
    },
    Judge {
        key: "lock-code",
        title: "a busy maildrop is told by [IN-USE], where RESP-CODES is announced",
        rows: &["R2449-8.1.2.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: code,
    },
    Judge {
        key: "lock-tells-nothing",
        title: "[IN-USE] is not told to a wrong password",
        rows: &["R2449-8.1.2.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: tells_nothing,
    },
    Judge {
        key: "lock-released",
        title: "QUIT and a dropped connection give the maildrop back",
        rows: &["R1939-6.5", "R1939-4.5"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: released,
    },
];

fn lock(bench: &mut Bench<'_>) -> Step {
    let held = bench.login()?;
    let mut second = bench.open()?;
    let reply = bench.try_login(&mut second)?;
    second.drop_connection();
    held.drop_connection();
    match reply.is_ok() {
        // The lock is asked for "as necessary": a server whose sessions cannot disturb each other needs none.
        true => {
            Err(doubtful("-ERR, or sessions that cannot disturb each other", "a second session was let in"))
        }
        false => Ok(()),
    }
}

fn code(bench: &mut Bench<'_>) -> Step {
    bench.announced("RESP-CODES")?;
    let held = bench.login()?;
    let mut second = bench.open()?;
    let reply = bench.try_login(&mut second)?;
    second.drop_connection();
    held.drop_connection();
    if reply.is_ok() {
        return Err(Stop::not_applicable("a second session is let in"));
    }
    let is_told = reply.code().is_some_and(|code| code == "IN-USE" || code.starts_with("SYS/TEMP"));
    demand(is_told, "-ERR [IN-USE]", || reply.to_string())
}

fn tells_nothing(bench: &mut Bench<'_>) -> Step {
    let held = bench.login()?;
    let mut second = bench.open()?;
    let user = bench.credentials(&second)?.user();
    let mut reply = second.ask(format!("USER {user}"))?;
    if reply.is_ok() {
        reply = second.ask("PASS restante-check-wrong")?;
    }
    second.drop_connection();
    held.drop_connection();
    let is_told = reply.code().is_some_and(|code| code == "IN-USE");
    demand(!is_told && reply.is_err(), "-ERR without [IN-USE]", || reply.to_string())
}

fn released(bench: &mut Bench<'_>) -> Step {
    bench.login()?.drop_connection();
    // Logging in waits a while for a lock that is let go of late.
    let mut dialogue = bench.login()?;
    dialogue.must("QUIT")?;
    dialogue.end()?;
    drop(dialogue);
    let mut next = bench.open()?;
    let reply = bench.try_login(&mut next)?;
    next.drop_connection();
    demand(reply.is_ok(), "a login at once after QUIT", || reply.to_string())
}
