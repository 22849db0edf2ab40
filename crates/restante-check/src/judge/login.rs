//! Logging in by USER, PASS and APOP: what is let in, what is refused, and in which words.

use md5::{Digest, Md5};

use super::{Judge, Need};
use crate::bench::{self, Bench};
use crate::facts::{is_credential_failure, timestamp};
use crate::verdict::{Level, Step, Stop, broken, demand, doubtful};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "login",
        title: "the right password opens the maildrop",
        rows: &["R1939-7.23", "R1939-4.2"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: login,
    },
    Judge {
        key: "login-wrong-password",
        title: "a wrong password is refused, and the maildrop stays closed",
        rows: &["R1939-7.23"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: wrong_password,
    },
    Judge {
        key: "login-after-failure",
        title: "after a failure another login is taken, or the connection closed",
        rows: &["R1939-4.6", "R1939-7.18"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: after_failure,
    },
    Judge {
        key: "auth-code",
        title: "[AUTH] is on every refused login, where AUTH-RESP-CODE is announced",
        rows: &["R3206-6.1", "R3206-5.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: auth_code,
    },
    Judge {
        key: "auth-code-only",
        title: "[AUTH] is on nothing but refused logins",
        rows: &["R3206-6.1"],
        level: Level::Must,
        needs: &[],
        judge: auth_code_only,
    },
    Judge {
        key: "user-tells-nothing",
        title: "USER does not tell whether there is such an account",
        rows: &["R1939-13.2", "R3206-5.3", "R2449-8.1.1.2"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: user_tells_nothing,
    },
    Judge {
        key: "pass-tells-nothing",
        title: "a refused login does not tell whether there is such an account",
        rows: &["R4422-3.6.1"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: pass_tells_nothing,
    },
    Judge {
        key: "pass-blanks",
        title: "a pass phrase may have blanks in it",
        rows: &["R1939-7.22"],
        level: Level::Practice,
        needs: &[Need::Account],
        judge: pass_blanks,
    },
    Judge {
        key: "state-after-login",
        title: "USER, PASS, AUTH, APOP and STLS are refused after login",
        rows: &["R1939-7.18", "R1939-7.28", "R5034-4.2", "R5034-4.3", "R2595-4.3"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: state_after_login,
    },
    Judge {
        key: "apop-login",
        title: "a right APOP digest logs in",
        rows: &["R1939-7.27", "R1939-7.26"],
        level: Level::Practice,
        needs: &[Need::Account],
        judge: apop,
    },
    Judge {
        key: "apop-wrong-digest",
        title: "a wrong APOP digest is refused",
        rows: &["R1939-7.27"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: apop_wrong,
    },
    Judge {
        key: "stls-forgets-user",
        title: "a user name said before STLS does not count after it",
        rows: &["R1939-7.21"],
        level: Level::Must,
        needs: &[Need::Account, Need::Tls],
        judge: user_before_stls,
    },
];

fn login(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    dialogue.must("STAT")?;
    dialogue.drop_connection();
    Ok(())
}

fn wrong_password(bench: &mut Bench<'_>) -> Step {
    let refusals = bench.see_refusals()?;
    demand(refusals.known.is_err(), "-ERR to a wrong password", || refusals.known.to_string())?;
    match &refusals.stat_after {
        Some(stat) => demand(stat.is_err(), "STAT is refused as before", || stat.to_string()),
        None => Ok(()),
    }
}

fn after_failure(bench: &mut Bench<'_>) -> Step {
    let (mut dialogue, credentials) = bench.open_for_login()?;
    let refused = dialogue.ask(format!("USER {}", credentials.user()))?;
    if refused.is_ok() {
        let refused = dialogue.ask("PASS restante-check-wrong")?;
        demand(refused.is_err(), "-ERR to a wrong password", || refused.to_string())?;
    }
    let Ok(reply) = bench.try_login(&mut dialogue) else {
        // It has closed, as it may.
        return Ok(());
    };
    demand(reply.is_ok(), "the right password is taken after a wrong one", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn auth_code(bench: &mut Bench<'_>) -> Step {
    bench.announced("AUTH-RESP-CODE")?;
    let refusals = bench.see_refusals()?;
    let replies = [Some(&refusals.known), refusals.unknown.as_ref(), refusals.blanks.as_ref()];
    for reply in replies.into_iter().flatten() {
        let is_about_credentials = is_credential_failure(reply)
            || reply.code().is_some_and(|code| code.starts_with("SYS/") || code == "LOGIN-DELAY");
        demand(is_about_credentials, "-ERR [AUTH] to a wrong login", || reply.to_string())?;
    }
    Ok(())
}

fn auth_code_only(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    for command in ["PASS restante-check", "USER", "XYZZ"] {
        let reply = dialogue.ask(command)?;
        demand(!is_credential_failure(&reply), "no [AUTH] where no login failed", || {
            format!("{command} was answered {reply}")
        })?;
    }
    dialogue.drop_connection();
    Ok(())
}

fn user_tells_nothing(bench: &mut Bench<'_>) -> Step {
    let refusals = bench.see_refusals()?;
    let (known, unknown) = (&refusals.user_known, &refusals.user_unknown);
    let are_alike = known.is_ok() == unknown.is_ok() && known.code() == unknown.code();
    demand(are_alike, "the same answer to USER for everybody", || {
        format!("{known} for the account, {unknown} for a name that nobody has")
    })
}

fn pass_tells_nothing(bench: &mut Bench<'_>) -> Step {
    let refusals = bench.see_refusals()?;
    let Some(unknown) = &refusals.unknown else {
        return Err(Stop::not_applicable("USER refuses a name that nobody has"));
    };
    demand(refusals.known == *unknown, "the same refusal for everybody", || {
        format!("{} for the account, {unknown} for a name that nobody has", refusals.known)
    })
}

/// The row is a permission; but a refusal of blanks locks everybody out who has a pass phrase.
fn pass_blanks(bench: &mut Bench<'_>) -> Step {
    let refusals = bench.see_refusals()?;
    let Some(blanks) = &refusals.blanks else {
        return Err(Stop::not_applicable("the server does not take USER"));
    };
    demand(refusals.known == *blanks, "a wrong pass phrase is a wrong password, no wrong syntax", || {
        format!("{blanks} with blanks, {} without", refusals.known)
    })
}

fn state_after_login(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    let user = bench.credentials(&dialogue)?.user();
    let name = format!("USER {user}");
    dialogue.all_refused(&[
        &name,
        "PASS restante-check",
        "AUTH PLAIN",
        "APOP a 00000000000000000000000000000000",
    ])?;
    dialogue.all_refused(&["STLS"])?;
    let stat = dialogue.ask("STAT")?;
    demand(stat.is_ok(), "the session goes on as before", || stat.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn digest(timestamp: &str, password: &[u8]) -> String {
    let digest = Md5::new().chain_update(timestamp.as_bytes()).chain_update(password).finalize();
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Practice only: the account's secret may be kept in a form that APOP cannot use.
fn apop(bench: &mut Bench<'_>) -> Step {
    needs_timestamp(bench)?;
    bench.login()?.drop_connection();
    bench.pause();
    let (mut dialogue, greeting) = bench.greeted()?;
    if bench.offers_stls()? {
        bench.start_stls(&mut dialogue)?;
    }
    let credentials = bench.credentials(&dialogue)?;
    let timestamp = timestamp(&greeting).ok_or_else(|| broken("a timestamp as before", "none"))?;
    let digest = digest(&timestamp, credentials.password());
    let reply = dialogue.ask(format!("APOP {} {digest}", credentials.user()))?;
    if !reply.is_ok() {
        return Err(doubtful("+OK, as APOP is offered", reply.to_string()));
    }
    bench.holds(&mut dialogue);
    dialogue.must("STAT")?;
    dialogue.drop_connection();
    Ok(())
}

fn apop_wrong(bench: &mut Bench<'_>) -> Step {
    needs_timestamp(bench)?;
    let mut dialogue = bench.open()?;
    let user = bench.credentials(&dialogue)?.user();
    let wrong = digest("<restante@check>", b"restante-check-wrong");
    let reply = dialogue.ask(format!("APOP {user} {wrong}"))?;
    demand(reply.is_err(), "-ERR to a wrong digest", || reply.to_string())?;
    dialogue.all_refused(&["STAT"])?;
    dialogue.drop_connection();
    Ok(())
}

fn needs_timestamp(bench: &mut Bench<'_>) -> Step {
    match bench.entrance()?.timestamp() {
        Some(_) => Ok(()),
        None => Err(Stop::not_applicable("the greeting has no timestamp, so there is no APOP")),
    }
}

fn user_before_stls(bench: &mut Bench<'_>) -> Step {
    if !bench.offers_stls()? {
        return Err(Stop::not_applicable("this port speaks TLS only"));
    }
    let Some(credentials) = bench.settings.credentials.as_ref() else { return Ok(()) };
    let (mut dialogue, _) = bench.greeted()?;
    // Whether it is taken or refused here: it must not be there afterwards.
    dialogue.ask(format!("USER {}", credentials.user()))?;
    bench.start_stls(&mut dialogue)?;
    let credentials = bench.credentials(&dialogue)?;
    let reply = bench::pass(&mut dialogue, credentials)?;
    demand(reply.is_err(), "PASS alone is refused after STLS", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}
