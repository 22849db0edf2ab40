//! How a pass is asked to end early: it takes in no more, delivers what has come whole, and deletes nothing.

use tokio::sync::watch;

/// What a pass looks at. Clones are the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// What asks all passes that hold the [`Stop`] of it to end. They cannot be asked any more when it is dropped.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Asks. Once is enough, and it cannot be taken back.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// A stop, and what gives it.
    #[must_use]
    pub fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Self(receiver))
    }

    /// A stop that nobody will give.
    #[must_use]
    pub fn never() -> Self {
        Self::new().1
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when somebody asks. Can be cancelled.
    pub async fn asked(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|is_asked| *is_asked).await.is_err() {
            // Nobody is left who could.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_hears_it_whenever_he_listens_and_nobody_else_does() {
        let (stopper, stop) = Stop::new();
        assert!(!stop.is_asked());
        stopper.stop();
        stop.asked().await;
        assert!(stop.is_asked() && stop.clone().is_asked());
        let never = Stop::never();
        let waited = tokio::time::timeout(std::time::Duration::from_secs(1000), never.asked()).await;
        assert!(waited.is_err());
    }
}
