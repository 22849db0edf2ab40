//! SCRAM and CRAM-MD5 to their ends: the right proof logs in, the server proves itself, and a downgrade is noticed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Judge, Need};
use crate::bench::Bench;
use crate::dialogue::{Dialogue, Reply};
use crate::proof::{self, Hash};
use crate::verdict::{Level, Step, Stop, broken, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "sasl-cram-login",
        title: "a right digest of CRAM-MD5 logs in, a wrong one does not",
        rows: &["R2195-2.3"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: cram,
    },
    Judge {
        key: "sasl-scram-login",
        title: "SCRAM logs in, and the server proves that it knows the secret",
        rows: &["R5802-3.1", "R5034-4.22"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: login,
    },
    Judge {
        key: "sasl-scram-binding",
        title: "SCRAM refuses a final message for another beginning",
        rows: &["R5802-6.3"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: other_binding,
    },
    Judge {
        key: "sasl-scram-downgrade",
        title: "SCRAM refuses a client that was not shown -PLUS, where it is offered",
        rows: &["R5802-6.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: downgrade,
    },
];

fn cram(bench: &mut Bench<'_>) -> Step {
    bench.mechanism("CRAM-MD5")?;
    for is_right in [false, true] {
        let (mut dialogue, credentials) = bench.open_for_login()?;
        let reply = dialogue.ask("AUTH CRAM-MD5")?;
        let challenge = decoded(&reply)?;
        let password = if is_right { credentials.password() } else { b"restante-check-wrong" };
        let digest = proof::cram(&challenge, password);
        let reply = dialogue.ask(STANDARD.encode(format!("{} {digest}", credentials.user())))?;
        if !is_right {
            demand(reply.is_err(), "-ERR to a wrong digest", || reply.to_string())?;
        } else if !reply.is_ok() {
            return Err(no_secret(&reply));
        } else {
            logged_in(bench, dialogue)?;
        }
    }
    Ok(())
}

fn login(bench: &mut Bench<'_>) -> Step {
    let (dialogue, reply) = exchange(bench, "n", "n")?;
    if !reply.is_ok() {
        return Err(no_secret(&reply));
    }
    logged_in(bench, dialogue)
}

fn other_binding(bench: &mut Bench<'_>) -> Step {
    let (dialogue, reply) = exchange(bench, "n", "y")?;
    dialogue.drop_connection();
    demand(reply.is_err(), "-ERR to c= for \"y,,\" where \"n,,\" began", || reply.to_string())
}

fn downgrade(bench: &mut Bench<'_>) -> Step {
    let (name, _) = mechanism(bench)?;
    bench.mechanism(&format!("{name}-PLUS"))?;
    let (dialogue, reply) = exchange(bench, "y", "y")?;
    dialogue.drop_connection();
    demand(reply.is_err(), &format!("-ERR, as {name}-PLUS was offered"), || reply.to_string())
}

/// A whole exchange that begins with one gs2 flag and repeats another at its end; the last reply. A server that accepts must prove
/// itself before.
fn exchange(bench: &mut Bench<'_>, begins: &str, repeats: &str) -> Step<(Dialogue, Reply)> {
    let (name, hash) = mechanism(bench)?;
    let (mut dialogue, credentials) = bench.open_for_login()?;
    if !credentials.password().is_ascii() || !credentials.user().is_ascii() {
        return Err(Stop::not_applicable("a name or password beyond ASCII"));
    }
    let user = credentials.user().replace('=', "=3D").replace(',', "=2C");
    let first = format!("n={user},r=restantecheck{}", bench.settings.token);
    let reply = dialogue.ask(format!("AUTH {name} {}", STANDARD.encode(format!("{begins},,{first}"))))?;
    if reply.is_err() {
        return Ok((dialogue, reply));
    }
    let server_first = String::from_utf8_lossy(&decoded(&reply)?).into_owned();
    let field = |name: &str| server_first.split(',').find_map(|field| field.strip_prefix(name));
    let unread = || broken("r=, s= and i=", server_first.clone());
    let nonce = field("r=").ok_or_else(unread)?;
    let salt = field("s=").and_then(|salt| STANDARD.decode(salt).ok()).ok_or_else(unread)?;
    let iterations = field("i=").and_then(|count| count.parse::<u32>().ok()).ok_or_else(unread)?;
    if iterations > ITERATIONS_MAX {
        return Err(Stop::Undecided(format!("{iterations} iterations are too many to follow")));
    }
    let last = format!("c={},r={nonce}", STANDARD.encode(format!("{repeats},,")));
    let whole = format!("{first},{server_first},{last}");
    let proofs = proof::scram(hash, credentials.password(), &salt, iterations, whole.as_bytes());
    let reply = dialogue.ask(STANDARD.encode(format!("{last},p={}", STANDARD.encode(&proofs.client))))?;
    if reply.is_ok() {
        return Err(broken("v=, the server's own proof, in a challenge before +OK", reply.to_string()));
    }
    if reply.is_err() {
        return Ok((dialogue, reply));
    }
    let server_last = String::from_utf8_lossy(&decoded(&reply)?).into_owned();
    if server_last.starts_with("v=") {
        let expected = format!("v={}", STANDARD.encode(&proofs.server));
        demand(server_last.starts_with(&expected), &expected, || server_last.clone())?;
    }
    let reply = dialogue.ask("")?;
    Ok((dialogue, reply))
}

/// The SCRAM mechanism without channel binding that the server announces, preferring the newer hash.
pub(super) fn mechanism(bench: &mut Bench<'_>) -> Step<(&'static str, Hash)> {
    let names = bench.announced("SASL")?;
    [("SCRAM-SHA-512", Hash::Sha512), ("SCRAM-SHA-256", Hash::Sha256), ("SCRAM-SHA-1", Hash::Sha1)]
        .into_iter()
        .find(|(known, _)| names.iter().any(|name| name.eq_ignore_ascii_case(known)))
        .ok_or_else(|| Stop::not_applicable("the server announces no SCRAM"))
}

fn logged_in(bench: &Bench<'_>, mut dialogue: Dialogue) -> Step {
    bench.holds(&mut dialogue);
    dialogue.must("STAT")?;
    dialogue.drop_connection();
    Ok(())
}

/// A right proof that is refused says nothing of the server: the account may have no secret for the mechanism.
fn no_secret(reply: &Reply) -> Stop {
    Stop::not_applicable(format!("the account may have no secret for it: {reply}"))
}

fn decoded(reply: &Reply) -> Step<Vec<u8>> {
    let challenge = reply.challenge().ok_or_else(|| broken("a challenge", reply.to_string()))?;
    STANDARD.decode(challenge).map_err(|_| broken("a challenge in base64", reply.to_string()))
}

/// Iterations that a server may make us compute.
const ITERATIONS_MAX: u32 = 1_000_000;
