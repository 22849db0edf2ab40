//! AUTH: the exchange, its base64, its ends, and what single mechanisms must refuse. Mechanisms that prove a secret by
//! computation are opened and cancelled, never completed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Judge, Need};
use crate::bench::{self, Bench};
use crate::dialogue::{Dialogue, Reply};
use crate::transcript::visible;
use crate::verdict::{Level, Step, Stop, broken, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "sasl-plain",
        title: "AUTH PLAIN with an initial response logs in",
        rows: &["R5034-4.16", "R5034-4.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: plain,
    },
    Judge {
        key: "sasl-plain-challenge",
        title: "AUTH PLAIN alone is asked on with \"+ \", and the response logs in",
        rows: &["R5034-4.6", "R5034-4.5"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: plain_challenge,
    },
    Judge {
        key: "sasl-case",
        title: "AUTH and the mechanism are taken in any case",
        rows: &["R5034-5.1", "R1734-3.1"],
        level: Level::Must,
        needs: &[],
        judge: case,
    },
    Judge {
        key: "sasl-login",
        title: "AUTH LOGIN asks for name and password, and logs in",
        rows: &["R5034-4.16"],
        level: Level::Practice,
        needs: &[Need::Account],
        judge: login,
    },
    Judge {
        key: "sasl-cancel",
        title: "\"*\" cancels the exchange with -ERR",
        rows: &["R5034-4.8", "R1734-2.1"],
        level: Level::Must,
        needs: &[],
        judge: cancel,
    },
    Judge {
        key: "sasl-unknown",
        title: "a mechanism that is not there is refused",
        rows: &["R5034-4.4", "R1734-2.2"],
        level: Level::Must,
        needs: &[],
        judge: unknown,
    },
    Judge {
        key: "sasl-base64",
        title: "a response that is no base64 is refused",
        rows: &["R5034-4.12", "R5034-4.13"],
        level: Level::Must,
        needs: &[],
        judge: base64,
    },
    Judge {
        key: "sasl-empty-initial",
        title: "\"=\" is an empty initial response, not a missing one",
        rows: &["R5034-4.1"],
        level: Level::Must,
        needs: &[],
        judge: empty_initial,
    },
    Judge {
        key: "sasl-server-first",
        title: "an initial response is refused where the server speaks first",
        rows: &["R5034-4.11"],
        level: Level::Must,
        needs: &[],
        judge: server_first,
    },
    Judge {
        key: "sasl-failure-forgotten",
        title: "after a failed AUTH another login is taken as if nothing had been",
        rows: &["R5034-4.24"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: failure_is_forgotten,
    },
    Judge {
        key: "sasl-long-response",
        title: "a response as long as PLAIN can be is one line",
        rows: &["R5034-4.15", "R4616-2.2"],
        level: Level::Must,
        needs: &[],
        judge: long_response,
    },
    Judge {
        key: "sasl-plain-parts",
        title: "a PLAIN message without its two NULs, or with an empty part, is refused",
        rows: &["R4616-2.3"],
        level: Level::Must,
        needs: &[],
        judge: plain_parts,
    },
    Judge {
        key: "sasl-plain-other",
        title: "nobody may act as somebody else",
        rows: &["R4616-2.5"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: plain_other,
    },
    Judge {
        key: "sasl-cram-challenge",
        title: "the challenge of CRAM-MD5 is a fresh msg-id",
        rows: &["R2195-2.1"],
        level: Level::Must,
        needs: &[],
        judge: cram,
    },
    Judge {
        key: "sasl-external",
        title: "EXTERNAL is refused without a client certificate",
        rows: &["R4422-A.1.3"],
        level: Level::Must,
        needs: &[],
        judge: external,
    },
    Judge {
        key: "sasl-scram-first",
        title: "SCRAM repeats our nonce and asks for 4096 iterations at least",
        rows: &["R5802-5.1.2", "R5802-5.1.4"],
        level: Level::Must,
        needs: &[],
        judge: scram_first,
    },
    Judge {
        key: "sasl-scram-refuses",
        title: "SCRAM refuses a wrong beginning and the extension m=",
        rows: &["R5802-5.1", "R5802-5.1.3", "R5802-5.1.1", "R5802-6.2"],
        level: Level::Must,
        needs: &[],
        judge: scram_refuses,
    },
    Judge {
        key: "sasl-bearer-refusal",
        title: "a refused token gets a JSON challenge, then -ERR",
        rows: &["R7628-3.2.2.1", "R7628-3.2.3.1"],
        level: Level::Must,
        needs: &[],
        judge: bearer,
    },
    Judge {
        key: "sasl-plain-offered",
        title: "PLAIN is offered under TLS, where there is SASL",
        rows: &["R5034-4.25"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: plain_offered,
    },
    Judge {
        key: "sasl-bearer-clear",
        title: "no token is invited without TLS",
        rows: &["R7628-3.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: bearer_clear,
    },
    Judge {
        key: "sasl-scram-unknown",
        title: "SCRAM answers a name that nobody has as it answers the account's",
        rows: &["R5802-7.1"],
        level: Level::Should,
        needs: &[],
        judge: scram_unknown,
    },
];

fn plain(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("PLAIN")?;
    let (mut dialogue, credentials) = bench.open_for_login()?;
    let reply = bench::plain(&mut dialogue, credentials)?;
    logged_in(bench, dialogue, &reply)
}

fn plain_challenge(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("PLAIN")?;
    let (mut dialogue, credentials) = bench.open_for_login()?;
    let challenge = dialogue.ask("AUTH PLAIN")?;
    demand(challenge.line == b"+ ", "\"+ \" with its space and nothing else", || {
        format!("\"{}\"", visible(&challenge.line))
    })?;
    dialogue.say_secret("****", bench::plain_response("", credentials).as_bytes())?;
    let reply = dialogue.reply()?;
    logged_in(bench, dialogue, &reply)
}

fn logged_in(bench: &Bench<'_>, mut dialogue: Dialogue, reply: &Reply) -> Step {
    demand(reply.is_ok(), "+OK to the right password", || reply.to_string())?;
    bench.holds(&mut dialogue);
    dialogue.must("STAT")?;
    dialogue.all_refused(&["AUTH PLAIN"])?;
    dialogue.drop_connection();
    Ok(())
}

fn case(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("PLAIN")?;
    let mut dialogue = bench.open()?;
    let challenge = dialogue.ask("aUtH pLaIn")?;
    demand(challenge.challenge().is_some(), "a challenge", || challenge.to_string())?;
    cancelled(&mut dialogue)?;
    dialogue.drop_connection();
    Ok(())
}

fn login(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("LOGIN")?;
    let (mut dialogue, credentials) = bench.open_for_login()?;
    for secret in [None, Some(credentials.user().as_bytes()), Some(credentials.password())] {
        match secret {
            None => dialogue.say("AUTH LOGIN")?,
            Some(secret) => {
                let line = zeroize::Zeroizing::new(STANDARD.encode(secret));
                dialogue.say_secret("****", line.as_bytes())?;
            }
        }
        let reply = dialogue.reply()?;
        if reply.challenge().is_none() {
            return logged_in(bench, dialogue, &reply);
        }
    }
    Err(broken("two questions, then +OK", "a third question"))
}

fn cancel(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = opened(bench)?;
    cancelled(&mut dialogue)?;
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "the session goes on as before", || reply.to_string())
}

fn cancelled(dialogue: &mut Dialogue) -> Step {
    let reply = dialogue.ask("*")?;
    demand(reply.is_err(), "-ERR to \"*\"", || reply.to_string())
}

/// An exchange in which it is our turn, by a mechanism that the server announces.
fn opened(bench: &mut Bench<'_>) -> Step<Dialogue> {
    let names = bench.announced("SASL")?;
    let known = ["PLAIN", "LOGIN", "CRAM-MD5"];
    let name = known.into_iter().find(|known| names.iter().any(|name| name.eq_ignore_ascii_case(known)));
    let name =
        name.ok_or_else(|| Stop::not_applicable("no mechanism to begin an exchange with is announced"))?;
    let mut dialogue = bench.open()?;
    let challenge = dialogue.ask(format!("AUTH {name}"))?;
    demand(challenge.challenge().is_some(), "a challenge", || challenge.to_string())?;
    Ok(dialogue)
}

fn unknown(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    dialogue.all_refused(&["AUTH X-RESTANTE-CHECK", "AUTH X-RESTANTE-CHECK ="])?;
    dialogue.drop_connection();
    Ok(())
}

fn base64(bench: &mut Bench<'_>) -> Step {
    // No base64 at all; a sign outside the alphabet between; a "=" in the middle; padding that is missing.
    for wrong in ["!!!!", "AGFu\tbgB4", "AGE=bgB4", "AGFubgB4e"] {
        let mut dialogue = opened(bench)?;
        let reply = dialogue.ask(wrong)?;
        demand(reply.is_err(), &format!("-ERR to \"{}\"", visible(wrong.as_bytes())), || reply.to_string())?;
        dialogue.drop_connection();
    }
    Ok(())
}

fn empty_initial(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("PLAIN")?;
    let mut dialogue = bench.open()?;
    let reply = dialogue.ask("AUTH PLAIN =")?;
    demand(reply.is_err(), "-ERR, since an empty message is no PLAIN message", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn server_first(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("CRAM-MD5")?;
    let mut dialogue = bench.open()?;
    let reply = dialogue.ask("AUTH CRAM-MD5 cmVzdGFudGU=")?;
    demand(reply.is_err(), "-ERR to an initial response", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn failure_is_forgotten(bench: &mut Bench<'_>) -> Step {
    bench.login()?.drop_connection();
    let mut dialogue = opened(bench)?;
    cancelled(&mut dialogue)?;
    let reply = bench.try_login(&mut dialogue)?;
    let reply = match reply.code().as_deref() {
        Some("IN-USE") => {
            bench.pause();
            bench.try_login(&mut dialogue)?
        }
        _ => reply,
    };
    demand(reply.is_ok(), "+OK to the right password", || reply.to_string())?;
    dialogue.must("STAT")?;
    dialogue.drop_connection();
    Ok(())
}

fn long_response(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("PLAIN")?;
    let mut dialogue = bench.open()?;
    let challenge = dialogue.ask("AUTH PLAIN")?;
    demand(challenge.challenge().is_some(), "a challenge", || challenge.to_string())?;
    let part = "x".repeat(255);
    let reply = dialogue.ask(STANDARD.encode(format!("{part}\0{part}\0{part}")))?;
    demand(reply.is_err(), "-ERR to a login that nobody has", || reply.to_string())?;
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "one reply to one line, and a session that goes on", || reply.to_string())
}

fn plain_parts(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("PLAIN")?;
    for wrong in [&b"restante"[..], b"restante\0check", b"a\0b\0c\0d", b"\0\0check", b"\0restante\0"] {
        let mut dialogue = bench.open()?;
        let reply = dialogue.ask(format!("AUTH PLAIN {}", STANDARD.encode(wrong)))?;
        demand(reply.is_err(), &format!("-ERR to the message \"{}\"", visible(wrong)), || reply.to_string())?;
        dialogue.drop_connection();
    }
    Ok(())
}

fn plain_other(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("PLAIN")?;
    let mut dialogue = bench.open()?;
    let credentials = bench.credentials(&dialogue)?;
    let other = format!("restante-check-{}", bench.settings.token);
    let line = zeroize::Zeroizing::new(format!("AUTH PLAIN {}", *bench::plain_response(&other, credentials)));
    dialogue
        .say_secret("AUTH PLAIN (our own name and password, to act as somebody else)", line.as_bytes())?;
    let reply = dialogue.reply()?;
    demand(reply.is_err(), "-ERR, as nobody else gave leave", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn cram(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("CRAM-MD5")?;
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for _ in 0..2 {
        let mut dialogue = bench.open()?;
        let reply = dialogue.ask("AUTH CRAM-MD5")?;
        let challenge = decoded(&reply)?;
        let is_id = challenge.starts_with(b"<") && challenge.ends_with(b">") && challenge.contains(&b'@');
        demand(is_id, "a challenge <random.timestamp@host>", || visible(&challenge))?;
        demand(!seen.contains(&challenge), "another challenge each time", || visible(&challenge))?;
        seen.push(challenge);
        cancelled(&mut dialogue)?;
        dialogue.drop_connection();
    }
    Ok(())
}

fn external(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("EXTERNAL")?;
    let mut dialogue = bench.open()?;
    let mut reply = dialogue.ask("AUTH EXTERNAL =")?;
    if reply.challenge().is_some() {
        reply = dialogue.ask("")?;
    }
    demand(reply.is_err(), "-ERR, as we have shown no certificate", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn scram_first(bench: &mut Bench<'_>) -> Step {
    let (name, _) = super::scram::mechanism(bench)?;
    let user = bench.settings.credentials.as_ref().map_or("restante-check", |credentials| credentials.user());
    let user = user.replace('=', "=3D").replace(',', "=2C");
    let nonce = "restantecheck0123456789";
    let mut dialogue = bench.open()?;
    dialogue.say(format!("AUTH {name} {}", STANDARD.encode(format!("n,,n={user},r={nonce}"))))?;
    let reply = dialogue.reply()?;
    let challenge = String::from_utf8_lossy(&decoded(&reply)?).into_owned();
    cancelled(&mut dialogue)?;
    dialogue.drop_connection();
    let field =
        |name: &str| challenge.split(',').find_map(|field| field.strip_prefix(name).map(str::to_owned));
    let whole = field("r=").unwrap_or_default();
    demand(
        whole.starts_with(nonce) && whole.len() > nonce.len(),
        "our nonce with another one behind it",
        || challenge.clone(),
    )?;
    let iterations: u64 = field("i=").and_then(|count| count.parse().ok()).unwrap_or_default();
    demand(field("s=").is_some() && iterations >= 4096, "a salt and 4096 iterations at least", || {
        challenge.clone()
    })
}

fn scram_refuses(bench: &mut Bench<'_>) -> Step {
    let (name, _) = super::scram::mechanism(bench)?;
    for wrong in [
        "x,,n=restante,r=abcdef",
        "n,,m=ext,n=restante,r=abcdef",
        "n,,n=rest=ante,r=abcdef",
        "n,,",
        "p=tls-restante,,n=restante,r=abcdef",
    ] {
        let mut dialogue = bench.open()?;
        let mut reply = dialogue.ask(format!("AUTH {name} {}", STANDARD.encode(wrong)))?;
        // The server may say e= first, which we take note of with an empty line.
        if decoded(&reply).is_ok_and(|challenge| challenge.starts_with(b"e=")) {
            reply = dialogue.ask("")?;
        }
        demand(reply.is_err(), &format!("-ERR to \"{wrong}\""), || reply.to_string())?;
        dialogue.drop_connection();
    }
    Ok(())
}

fn bearer(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("OAUTHBEARER")?;
    let mut dialogue = bench.open()?;
    let message = "n,a=restante-check,\u{1}auth=Bearer restante-check\u{1}\u{1}";
    let reply = dialogue.ask(format!("AUTH OAUTHBEARER {}", STANDARD.encode(message)))?;
    let challenge = decoded(&reply)?;
    let json: Result<serde_json::Value, _> = serde_json::from_slice(&challenge);
    demand(json.is_ok_and(|json| json.get("status").is_some()), "JSON with a status", || {
        visible(&challenge)
    })?;
    let reply = dialogue.ask("AQ==")?;
    demand(reply.is_err(), "-ERR after the dummy response", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

/// The octets of a challenge.
fn decoded(reply: &Reply) -> Step<Vec<u8>> {
    let challenge = reply.challenge().ok_or_else(|| broken("a challenge", reply.to_string()))?;
    STANDARD.decode(challenge).map_err(|_| broken("a challenge in base64", reply.to_string()))
}

fn plain_offered(bench: &mut Bench<'_>) -> Step {
    bench.see_entrance()?;
    let names = bench.announced("SASL")?;
    demand(has(&names, "PLAIN"), "PLAIN among the mechanisms", || names.join(" "))
}

fn bearer_clear(bench: &mut Bench<'_>) -> Step {
    let entrance = bench.see_entrance()?;
    let Some(clear) = &entrance.clear else { return Err(Stop::not_applicable("this port speaks TLS only")) };
    let names = clear.arguments("SASL").unwrap_or_default();
    let is_invited = has(&names, "OAUTHBEARER") || has(&names, "XOAUTH2");
    demand(!is_invited, "OAUTHBEARER and XOAUTH2 after STLS only", || names.join(" "))
}

fn scram_unknown(bench: &mut Bench<'_>) -> Step {
    let (name, _) = super::scram::mechanism(bench)?;
    let user = format!("restante-check-{}", bench.settings.token);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut dialogue = bench.open()?;
        let first = format!("n,,n={user},r=restantecheck0123456789");
        let reply = dialogue.ask(format!("AUTH {name} {}", STANDARD.encode(first)))?;
        let challenge = String::from_utf8_lossy(&decoded(&reply)?).into_owned();
        cancelled(&mut dialogue)?;
        dialogue.drop_connection();
        let kept: Vec<String> =
            challenge.split(',').filter(|field| !field.starts_with("r=")).map(str::to_owned).collect();
        seen.push(kept);
    }
    demand(seen.first() == seen.last(), "the same salt and count each time", || format!("{seen:?}"))
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|announced| announced.eq_ignore_ascii_case(name))
}
