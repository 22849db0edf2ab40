//! What a service manager is told: that we are ready, read our configuration again, live, end. The protocol is that of systemd
//! (sd_notify), which others speak too; the crate sd-notify speaks it.
//!
//! Called by commands that go on until they are ended. Without a manager nothing happens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::terminal;

/// The service manager that has started us, if one has and wants to hear.
#[derive(Debug)]
pub(crate) struct Manager {
    /// Nothing is told, or no more: there is nobody, or he cannot be reached, which was said.
    is_silent: AtomicBool,
}

impl Manager {
    /// For a command that is a service, or for one that is not and tells nothing.
    pub(crate) fn of(is_service: bool) -> Self {
        Self { is_silent: AtomicBool::new(!is_service) }
    }

    /// The service does what it is for, or does it again after [`Self::reloading`].
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
    }

    /// The configuration is being read again. [`Self::ready`] ends it, however that went.
    pub(crate) fn reloading(&self) {
        // Without the moment a manager that asks for it would take the reload for failed; then better none is announced.
        if let Ok(moment) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, moment]);
        }
    }

    /// The service ends as soon as it can.
    pub(crate) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("ending")]);
    }

    /// How it goes, in a line; it is cut when it is long.
    pub(crate) fn status(&self, status: &str) {
        self.tell(&[NotifyState::Status(&line(status))]);
    }

    /// Whoever calls this is not stuck.
    pub(crate) fn alive(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    /// When to call [`Self::alive`]: twice in the time after which the manager takes us for stuck.
    pub(crate) fn beat(&self) -> Beat {
        Beat(self.patience().map(|limit| {
            let mut beat = interval((limit / 2).max(BEAT_MIN));
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            beat
        }))
    }

    /// The time after which the manager takes us for stuck, if it wants to hear of us.
    pub(crate) fn patience(&self) -> Option<Duration> {
        if self.is_silent.load(Ordering::Relaxed) { None } else { sd_notify::watchdog_enabled() }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if self.is_silent.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = sd_notify::notify(states)
            && !self.is_silent.swap(true, Ordering::Relaxed)
        {
            terminal::complain(&format!(
                "the service manager cannot be told how it goes (NOTIFY_SOCKET): {error}"
            ));
        }
    }
}

/// A watchdog's rhythm; without a watchdog it never comes.
#[derive(Debug)]
pub(crate) struct Beat(Option<Interval>);

impl Beat {
    /// The next beat. Nothing is lost when this is cancelled.
    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some(beat) => drop(beat.tick().await),
            None => std::future::pending().await,
        }
    }
}

/// One line, not long, whatever a server has said: a line end would begin a notification of its own.
fn line(text: &str) -> String {
    terminal::visible(text).chars().take(STATUS_CHARACTERS_MAX).collect()
}

const STATUS_CHARACTERS_MAX: usize = 200;

/// A watchdog that wants to hear us more often would be a load of its own; and an interval must not be 0.
const BEAT_MIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line_that_is_not_long() {
        assert_eq!(line("a: -ERR no\nREADY=1"), "a: -ERR no\u{fffd}READY=1");
        assert_eq!(line(&"ä".repeat(1000)).chars().count(), STATUS_CHARACTERS_MAX);
    }
}
