//! Whether somebody may log in, with everything that protects accounts around the question: waits before and after it, counting, the log.
//!
//! Every protocol asks here and nowhere else, so that no door is weaker than another. Who is right is the authenticator's to say,
//! how long who waits is `restante_auth::throttle`'s.

use crate::bans::Ban;
use crate::clock;
use crate::control;
use crate::event::defence::AuthFailure;
use crate::event::{Event, Peer, Trace};
use crate::shared::{Settings, Shared};
use restante_auth::directory::Circumstances;
use restante_auth::network::Network;
use restante_auth::throttle::{self, Tried, Try};
use restante_auth::verify::{Attempt, Grant, Verdict};
use restante_proto::sasl::Credentials;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

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

    let delay = counts.delay(&attempt, clock::now().into_std());
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let began = clock::now().into_std();
    let at = Circumstances { now: began, ..entrant.at };
    let verdict = authenticator
        .verify(Attempt { credentials, certificate: entrant.certificate, at, today: clock::wall() })
        .await;
    let now = clock::now().into_std();
    let (judgement, penalty) = match verdict {
        Verdict::Granted(grant) => {
            counts.succeeded(attempt.peer, account, now);
            return Judgement::Granted(grant);
        }
        Verdict::Refused(reason) => {
            let failed = counts.failed(&attempt, now);
            shared.log.write(&Event::AuthFailed(&AuthFailure {
                trace: entrant.trace,
                peer: entrant.peer,
                user,
                method: credentials.method().name(),
                reason: &reason,
                guesses: failed.guesses,
            }));
            ban(shared, settings, entrant.peer, failed.guesses).await;
            (Judgement::Refused, failed.penalty)
        }
        Verdict::Unavailable(error) => {
            let (trace, peer) = (entrant.trace, entrant.peer);
            let doing = "verify the credentials";
            shared.log.write(&Event::Fault { trace, peer, account: None, doing, error: &error });
            (Judgement::Unavailable { is_temporary: error.is_temporary() }, Duration::ZERO)
        }
    };
    // Whether the source that is away was asked at all can depend on the account: that is hidden as well.
    tokio::time::sleep_until(counts.answer_at(began, now, penalty).into()).await;
    judgement
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
    if shared.bans.covers(address.ip(), now) {
        return;
    }
    let network = Network::around(throttle::host(address.ip()), if address.is_ipv4() { 32 } else { 64 });
    let reason = format!("{guesses} wrong guesses");
    let length = Some(Duration::from_secs(defence.ban_s));
    let ban = Ban { is_automatic: true, ..Ban::new(network, now, length, &reason) };
    if let Err(problem) = control::add(shared, network, ban).await {
        shared.log.write(&Event::Warning { problem: &problem });
    }
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

#[cfg(test)]
mod tests;
