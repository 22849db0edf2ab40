//! What a server does to maildrops by itself, once a day: messages that are old enough expire, and what has been in a trash for
//! long enough goes.
//!
//! One account after the other, and none that is in use: whoever is logged in is not waited for, and nobody waits for longer than a
//! thousand removals take. Which messages those are is decided in `restante_store::expiry`; each round goes by the configuration
//! of its moment, and does nothing when that keeps mail for ever and has no trash.

use crate::assemble;
use crate::audit::Audit;
use crate::clock;
use crate::config::Maildrop;
use crate::event::{Event, RoundEnd, Trace, chain};
use crate::shared::{Settings, Shared};
use restante_auth::account::Account;
use restante_store::expiry::Trial;
use restante_store::maildrop::OpenError;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The task that makes the rounds. Dropping it ends the task where it stands.
pub(crate) struct Keeper {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Keeper {
    /// Begins; the first round comes some time later.
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { task: tokio::spawn(keep(shared, stopped)), stop }
    }

    /// Ends between two maildrops, so that all that was removed is in the log. Waits for that, but not for ever.
    pub(crate) async fn stop(&mut self) {
        // Fails only when the task has ended.
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(STOP_MAX, &mut self.task).await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut pause = first_pause(shared.traces.next());
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(pause) => {}
        }
        round(&shared, &stopped, clock::wall).await;
        pause = PAUSE;
    }
}

/// Servers that were started together do not all begin at once.
fn first_pause(trace: Trace) -> Duration {
    FIRST_PAUSE + Duration::from_secs(trace.0 % FIRST_PAUSE_SPREAD_S)
}

/// Visits every account. `wall` says what time it is.
async fn round(
    shared: &Shared,
    stopped: &watch::Receiver<bool>,
    wall: impl Fn() -> SystemTime + Send + Sync,
) -> RoundEnd {
    let settings = shared.settings.load_full();
    let mut end = RoundEnd::default();
    if !is_wanted(&settings.config.maildrop) {
        return end;
    }
    let accounts = match settings.authenticator.accounts(clock::now().into_std()).await {
        Ok(accounts) => accounts,
        Err(error) => {
            shared.log.write(&Event::AccountsDoubtful { error: &error });
            return end;
        }
    };
    let trace = shared.traces.next();
    for account in &accounts {
        if *stopped.borrow() {
            break;
        }
        end.accounts += 1;
        let mut visit = Visit { shared, settings: &settings, account, trace, stopped, expired: 0 };
        match visit.keep(&wall).await {
            Ok(()) => {}
            Err(Unkept::InUse) => end.skipped += 1,
            Err(Unkept::Failed(problem)) => {
                end.failed += 1;
                let account = Some(&account.name);
                shared.log.write(&Event::MaildropWarning { trace, account, problem: &problem });
            }
        }
        end.expired += visit.expired;
    }
    shared.log.write(&Event::Round(&end));
    end
}

/// Is there anything to do by this configuration?
const fn is_wanted(maildrop: &Maildrop) -> bool {
    maildrop.expire.is_some() || maildrop.trash.is_some()
}

/// One maildrop of a round.
struct Visit<'a> {
    shared: &'a Shared,
    settings: &'a Settings,
    account: &'a Account,
    trace: Trace,
    stopped: &'a watch::Receiver<bool>,
    expired: u64,
}

/// Why a maildrop was not looked through.
enum Unkept {
    InUse,
    Failed(String),
}

impl Visit<'_> {
    async fn keep(&mut self, wall: &(impl Fn() -> SystemTime + Send + Sync)) -> Result<(), Unkept> {
        let config = &self.settings.config;
        let location = assemble::location(config, self.account).map_err(|error| failed(&error))?;
        let store = assemble::store_of(config, &self.settings.store, self.account);
        let Some(expiry) = config.maildrop.expiry() else {
            return store.sweep_trash(&location, wall()).await.map_err(Unkept::from);
        };
        loop {
            let expired = store.expire(&location, &expiry, wall(), Trial::No).await?;
            self.expired += expired.gone.len() as u64;
            let (trace, account) = (self.trace, &self.account.name);
            if config.log.deletions {
                let audit = Audit { log: &self.shared.log, trace, peer: None, account, by: "expiry" };
                audit.write(&expired.listing, &expired.gone).await;
            }
            for warning in &expired.warnings {
                let account = Some(account);
                self.shared.log.write(&Event::MaildropWarning { trace, account, problem: warning });
            }
            if let Some((left, failure)) = &expired.failed {
                let problem = format!("{left} messages did not expire, the first: {}", chain(failure));
                return Err(Unkept::Failed(problem));
            }
            // The lock is free between two of these, for whoever wants to log in.
            if !expired.is_more || expired.gone.is_empty() || *self.stopped.borrow() {
                return Ok(());
            }
        }
    }
}

impl From<OpenError> for Unkept {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse => Self::InUse,
            error => failed(&error),
        }
    }
}

fn failed(error: &dyn Error) -> Unkept {
    Unkept::Failed(chain(error))
}

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(86_400);

/// Before the first round: a server that has just started has other things to do.
const FIRST_PAUSE: Duration = Duration::from_secs(600);
const FIRST_PAUSE_SPREAD_S: u64 = 3_600;

/// A stop waits so long for the maildrop that is being looked through.
const STOP_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
