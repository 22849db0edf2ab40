//! The end of a server, and what is done on the way: draining, and reading files again.

use crate::event::{Event, Log};
use crate::listener::Listener;
use crate::shared::Shared;
use std::sync::Arc;
use std::time::Duration;

/// Stops accepting, lets commands in progress finish, closes idle sessions; after `grace` the rest is cut. Returns how
/// many were cut. Everything is in the log when it returns.
pub(crate) async fn drain(shared: &Arc<Shared>, listeners: Vec<Listener>, grace: Duration) -> usize {
    for listener in listeners {
        listener.stop().await;
    }
    shared.log.write(&Event::Draining { sessions: shared.admission.sessions() });
    shared.begin_drain();
    let cut = match tokio::time::timeout(grace, shared.admission.emptied()).await {
        Ok(()) => 0,
        Err(_) => {
            let cut = shared.cut_all();
            // A session that is cut gives its locks back before it counts as gone; one that does not even let itself
            // be cut is not waited for.
            let _ = tokio::time::timeout(CUT_MAX, shared.admission.emptied()).await;
            cut
        }
    };
    shared.log.write(&Event::Stopped { cut });
    flush(&shared.log).await;
    cut
}

/// Reads accounts, certificate and key again, and opens the log file anew. What is bad leaves the old in force.
pub(crate) async fn refresh(shared: &Arc<Shared>) {
    shared.log.reopen();
    let settings = shared.settings.load_full();
    for error in
        settings.authenticator.reload(crate::clock::now().into_std()).await.err().into_iter().flatten()
    {
        shared.log.write(&Event::AccountsKept { error: &error });
    }
    refresh_identity(shared).await;
}

/// Looks whether certificate and key have changed.
pub(crate) async fn refresh_identity(shared: &Arc<Shared>) {
    let settings = shared.settings.load_full();
    let Some(identity) = settings.identity.clone() else { return };
    let log = shared.log.clone();
    // The files may lie on a disk that takes its time. Nothing waits for the outcome but the log.
    let _ = tokio::task::spawn_blocking(move || identity.refresh(&log)).await;
}

async fn flush(log: &Log) {
    let log = log.clone();
    let _ = tokio::task::spawn_blocking(move || log.flush()).await;
}

/// How long sessions that were cut may take to let go.
const CUT_MAX: Duration = Duration::from_secs(5);
