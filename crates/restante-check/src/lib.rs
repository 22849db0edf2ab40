//! A judge of POP3 servers: says from outside, over the wire, which laws of the standards a server keeps.
//!
//! A law is one entry of the tables in [`judge`], with the rows of the ledger that it comes from; [`run`] puts them to a
//! server one after the other and tells what came of each. Nothing here shares code with what is judged: the words, the
//! reading of replies and the byte-stuffing are its own, so that a mistake of ours in those is found and not repeated. Of
//! `restante-client` only the connection is used, of `restante-proto` only POP URLs.
//!
//! A run is read-only unless it is told otherwise: it retrieves and lists, and ends its sessions by closing the connection,
//! never by QUIT, so that a policy of removing what was retrieved is not set off.
#![forbid(unsafe_code)]

mod bench;
mod delivery;
mod dialogue;
mod facts;
mod fixture;
mod hello;
pub mod judge;
mod proof;
pub mod report;
pub mod target;
mod tls;
mod transcript;
pub mod verdict;
mod wire;

use std::fmt;

pub use wire::Deadlines;

use bench::Bench;
use judge::{Judge, Need};
use report::{Finding, Report};
use target::Settings;
use verdict::Verdict;

/// Why there was nothing to judge.
#[derive(Debug)]
pub enum RunError {
    /// No runtime.
    System(std::io::Error),
    /// A key in `only` or `skip` that no judge has.
    NoSuchJudge(String),
    /// No connection, or no greeting.
    Unreachable(String),
    /// The server did not let the account in.
    NoLogin(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(out, "cannot start: {error}"),
            Self::NoSuchJudge(key) => write!(out, "there is no judge '{key}'"),
            Self::Unreachable(why) => write!(out, "the server cannot be reached: {why}"),
            Self::NoLogin(why) => out.write_str(why),
        }
    }
}

impl std::error::Error for RunError {}

/// Judges a server. `progress` is told of each finding as soon as it is there.
///
/// Blocks until the end, and runs a runtime of its own: call it from no other one.
///
/// # Errors
/// What kept it from judging anything at all.
pub fn run(settings: &Settings, progress: &mut dyn FnMut(&Finding)) -> Result<Report, RunError> {
    let judges = select(settings)?;
    let mut bench = Bench::new(settings).map_err(RunError::System)?;
    reach(&mut bench, &judges)?;
    let mut findings = Vec::with_capacity(judges.len());
    let mut seed = Ok(());
    if settings.is_destructive && judges.iter().any(|judge| judge.needs.contains(&Need::Delivery)) {
        seed = fixture::deliver_all(&mut bench);
        bench.evidence();
    }
    for judge in judges {
        let began = (settings.now)();
        let verdict = put(&mut bench, judge, &seed);
        let evidence = bench.evidence();
        let took = (settings.now)().saturating_duration_since(began);
        let finding = Finding::new(judge, verdict, evidence, took);
        progress(&finding);
        findings.push(finding);
    }
    let left_behind = fixture::remove_all(&mut bench);
    Ok(Report {
        target: settings.target.url.clone(),
        findings,
        connections: bench.connections(),
        left_behind,
    })
}

/// The judges that the settings choose, in their order.
fn select(settings: &Settings) -> Result<Vec<&'static Judge>, RunError> {
    let has = |key: &String| judge::all().any(|judge| judge.key == key);
    if let Some(unknown) = settings.only.iter().chain(&settings.skip).find(|key| !has(key)) {
        return Err(RunError::NoSuchJudge(unknown.clone()));
    }
    let is_chosen = |judge: &&Judge| {
        let is_in = |keys: &[String]| keys.iter().any(|key| key == judge.key);
        (settings.only.is_empty() || is_in(&settings.only)) && !is_in(&settings.skip)
    };
    Ok(judge::all().filter(is_chosen).collect())
}

/// Sees that there is a server and, if need be, that it lets us in: without that, every verdict would be noise.
fn reach(bench: &mut Bench<'_>, judges: &[&Judge]) -> Result<(), RunError> {
    if judges.iter().all(|judge| judge.is_about_the_beginning()) {
        // What is to be judged may be the very thing that keeps everybody out.
        return Ok(());
    }
    bench.entrance().map_err(|stop| RunError::Unreachable(judge::why(stop)))?;
    let needs_account = judges.iter().any(|judge| judge.needs.contains(&Need::Account));
    if bench.settings.credentials.is_some() && needs_account {
        match bench.maildrop() {
            // The password may not be sent, which each judge says for itself.
            Ok(_)
            | Err(verdict::Stop::NotApplicable(_) | verdict::Stop::Broken(_) | verdict::Stop::Cut(_)) => {}
            Err(stop) => return Err(RunError::NoLogin(judge::why(stop))),
        }
    }
    bench.evidence();
    Ok(())
}

/// Puts one law to the server.
fn put(bench: &mut Bench<'_>, judge: &Judge, seed: &Result<(), String>) -> Verdict {
    if bench.is_out_of_time() {
        return Verdict::Undecided { why: "the time for the whole run was over".into() };
    }
    match judge.obstacle(bench, seed).and_then(|()| (judge.judge)(bench)) {
        Ok(()) => Verdict::Pass,
        Err(stop) => stop.verdict(judge.level),
    }
}
