//! Whether somebody may log in, with everything that protects accounts around the question: waits before and after it, counting, the log.
//!
//! Every protocol asks here and nowhere else, so that no door is weaker than another. Who is right is the authenticator's to say,
//! how long who waits is `restante_auth::throttle`'s.

use crate::bans::Ban;
use crate::clock;
use crate::control;
use crate::event::defence::AuthFailure;
use crate::event::{Event, Peer, Trace};
use crate::limits::Turn;
use crate::shared::{Settings, Shared};
use restante_auth::directory::{Circumstances, Problem, SourceError};
use restante_auth::network::Network;
use restante_auth::throttle::{self, Tried, Try};
use restante_auth::verify::scram::ScramParameters;
use restante_auth::verify::{Attempt, Grant, Verdict};
use restante_proto::sasl::{Credentials, ScramQuery};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Somebody who wants to log in.
#[derive(Clone, Copy)]
pub(crate) struct Entrant<'a> {
    pub(crate) trace: Trace,
    /// Where the client is; of a login that is checked for another server, as that one says.
    pub(crate) peer: &'a Peer,
    pub(crate) credentials: &'a Credentials,
    /// The name in the certificate that was shown.
    pub(crate) certificate: Option<&'a str>,
    /// `now` is put right here.
    pub(crate) at: Circumstances,
}

/// What came of it. Why is in the log already.
pub(crate) enum Judgement {
    Granted(Box<Grant>),
    Refused,
    /// It cannot be said now, or never.
    Unavailable {
        is_temporary: bool,
    },
}

/// Whether the credentials are right. Waits first where there was much guessing; returns at once when they are right, and else
/// at the moment when the answer may leave, counted from the call. The waits hold this task and nothing else.
pub(crate) async fn judge(shared: &Arc<Shared>, settings: &Settings, entrant: Entrant<'_>) -> Judgement {
    let (authenticator, counts) = (&settings.authenticator, &shared.throttle);
    let credentials = entrant.credentials;
    let user = match (credentials.user(), entrant.certificate) {
        (b"", Some(certificate)) => certificate.as_bytes(),
        (user, _) => user,
    };
    let name = authenticator.account_name(user);
    let account = name.as_ref().map_or_else(|_| user, |name| name.as_str().as_bytes());
    let attempt = Try { peer: counted_address(entrant.peer), account, secret: tried(credentials) };

    let wait_max = Duration::from_secs(settings.config.auth.hash_wait_s);
    let Approach { waited, began, is_known, turn } = approach(shared, &attempt, wait_max).await;
    if is_banned(shared, entrant.peer) {
        refuse_banned(shared, entrant, user, waited).await;
        return Judgement::Refused;
    }
    let at = Circumstances { now: began, is_known, ..entrant.at };
    let attempted = Attempt { credentials, certificate: entrant.certificate, at, today: clock::wall() };
    let verdict = match &turn {
        Ok(_) => authenticator.verify(attempted).await,
        Err(TooMany) => Verdict::Unavailable(too_many()),
    };
    let now = clock::now().into_std();
    let (judgement, penalty) = match verdict {
        Verdict::Granted(grant) => {
            counts.succeeded(attempt.peer, account, now);
            return Judgement::Granted(grant);
        }
        Verdict::Refused(reason) => {
            let failed = match reason.is_guess() {
                true => counts.failed(&attempt, now),
                false => throttle::Failed { penalty: Duration::ZERO, guesses: 0 },
            };
            shared.log.write(&Event::AuthFailed(&AuthFailure {
                trace: entrant.trace,
                peer: entrant.peer,
                user,
                method: credentials.method().name(),
                reason: &reason,
                waited,
                penalty: failed.penalty,
                guesses: failed.guesses,
            }));
            ban(shared, settings, entrant.peer, failed.guesses).await;
            (Judgement::Refused, failed.penalty)
        }
        Verdict::Unavailable(error) => {
            let (trace, peer) = (entrant.trace, entrant.peer);
            let doing = "verify the credentials";
            note_fault(shared, trace, peer, doing, &error);
            (Judgement::Unavailable { is_temporary: error.is_temporary() }, Duration::ZERO)
        }
    };
    // From here on it only waits.
    drop(turn);
    // Whether the source that is away was asked at all can depend on the account: that is hidden as well.
    tokio::time::sleep_until(counts.answer_at(began, now, penalty).into()).await;
    judgement
}

/// A login whose credentials may be looked at.
struct Approach<'t> {
    /// How long it waited because of what was wrong before.
    waited: Duration,
    /// When it was let through: its refusal leaves so long after that.
    began: Instant,
    is_known: bool,
    /// Its turn among those of its address, to be held while it is looked at; who is known needs none.
    turn: Result<Option<Turn<'t>>, TooMany>,
}

/// Too many logins of one address wait for their turn.
struct TooMany;

/// Lets the time pass that the counts want, then waits for a turn.
async fn approach<'s>(shared: &'s Shared, attempt: &Try<'_>, wait_max: Duration) -> Approach<'s> {
    let counts = &shared.throttle;
    let mut waited = Duration::ZERO;
    loop {
        let delay = counts.delay(attempt, clock::now().into_std());
        if delay > waited {
            tokio::time::sleep(delay - waited).await;
            waited = delay;
        }
        let began = clock::now().into_std();
        if counts.is_known(attempt, began) {
            return Approach { waited, began, is_known: true, turn: Ok(None) };
        }
        let turn = shared.turns.take(attempt.peer, wait_max).await;
        // Others of its address may have guessed wrong while it waited; each time it waits longer, up to the longest penalty.
        if turn.is_none() || counts.delay(attempt, clock::now().into_std()) <= waited {
            return Approach { waited, began, is_known: false, turn: turn.map(Some).ok_or(TooMany) };
        }
    }
}

fn too_many() -> SourceError {
    let remedy =
        "raise auth.hashes or auth.hash_wait_s, or name the proxy that they come through in proxy_from";
    let problem = Problem::new("too many logins of one address wait to be checked", remedy);
    SourceError::temporary("password check", problem)
}

/// Says that it could not be said whether credentials are right. Whoever knows no password can bring that about, so it is not said each time.
pub(crate) fn note_fault(shared: &Shared, trace: Trace, peer: &Peer, doing: &str, error: &SourceError) {
    if let Some(unsaid) = shared.repeats.allows(error.source_name(), clock::now()) {
        shared.log.write(&Event::LoginFault { trace, peer, doing, error, unsaid });
    }
}

fn is_banned(shared: &Shared, peer: &Peer) -> bool {
    matches!(peer, Peer::Tcp(address) if shared.bans.covers(address.ip(), clock::wall()))
}

/// Refuses somebody who was banned while he was connected, or who is behind a mail server. Nothing is looked at, and he cannot tell.
async fn refuse_banned(shared: &Shared, entrant: Entrant<'_>, user: &[u8], waited: Duration) {
    let began = clock::now().into_std();
    shared.log.write(&Event::AuthFailed(&AuthFailure {
        trace: entrant.trace,
        peer: entrant.peer,
        user,
        method: entrant.credentials.method().name(),
        reason: &"the network is banned",
        waited,
        penalty: Duration::ZERO,
        guesses: 0,
    }));
    tokio::time::sleep_until(shared.throttle.answer_at(began, began, Duration::ZERO).into()).await;
}

/// What a client of SCRAM is shown before its proof. Where a source is asked over a wire that leaves at a moment of its own, like a refusal:
/// a name that the first source knows would come back sooner than one that all were asked about.
///
/// # Errors
/// A source cannot be asked, or SCRAM is not served.
pub(crate) async fn prepare_scram(
    settings: &Settings,
    query: &ScramQuery,
    at: Circumstances,
) -> Result<ScramParameters, SourceError> {
    let began = clock::now();
    let prepared = settings.authenticator.prepare_scram(&query.user, query.hash, at).await;
    if settings.authenticator.asks_afar() {
        let taken = clock::now() - began;
        let times = taken.as_nanos() / SCRAM_MOMENT.as_nanos() + 1;
        // The waits of sources are bounded by a minute or so, and there are few of them.
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        tokio::time::sleep_until(began + SCRAM_MOMENT.saturating_mul(times)).await;
    }
    prepared
}

/// Bans whoever has guessed too often. Sessions that go on are held up by penalties.
async fn ban(shared: &Arc<Shared>, settings: &Settings, peer: &Peer, guesses: u32) {
    let defence = &settings.config.defence;
    let Peer::Tcp(address) = peer else { return };
    let is_enough = defence.ban_after > 0 && u64::from(guesses) >= defence.ban_after;
    if !is_enough || defence.ban_never.iter().any(|network| network.contains(peer)) {
        return;
    }
    let now = clock::wall();
    if is_banned(shared, peer) {
        return;
    }
    let network = banned_with(address.ip());
    let reason = format!("{guesses} wrong guesses");
    let length = Some(Duration::from_secs(defence.ban_s));
    let ban = Ban { is_automatic: true, ..Ban::new(network, now, length, &reason) };
    if let Err(problem) = control::add(shared, network, ban).await {
        shared.log.write(&Event::Warning { problem: &problem });
    }
}

/// What is banned when it is this address that guesses: what its guesses are counted by.
fn banned_with(address: IpAddr) -> Network {
    let host = throttle::host(address);
    // An IPv4 address may have come over a socket of IPv6.
    Network::around(host, if host.is_ipv4() { 32 } else { 64 })
}

/// What failed logins are counted by. Programs of this machine count as one.
fn counted_address(peer: &Peer) -> IpAddr {
    match peer {
        Peer::Tcp(address) => address.ip(),
        Peer::Unix => IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

/// What was tried, so that the same mistake made twice counts once.
fn tried(credentials: &Credentials) -> Tried<'_> {
    match credentials {
        Credentials::Password { password, .. } => Tried::Secret(password.expose()),
        Credentials::Token { token, .. } => Tried::Secret(token.expose()),
        Credentials::Apop { .. } | Credentials::Cram { .. } | Credentials::Scram(_) => Tried::Digest,
        Credentials::External { .. } | Credentials::Anonymous { .. } => Tried::Secret(&[]),
    }
}

/// The first answer of SCRAM leaves so long after the name came, or at a whole multiple of it: longer than a search in a directory nearby
/// takes, and short enough for those who log in.
const SCRAM_MOMENT: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
