//! The answers to challenges that are under way: tokens for HTTP, certificates for TLS. Each is there as long as its [`Published`] lives.

use rustls::ServerConfig;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// By token, what `http-01` answers.
pub(crate) type Answers = Table<String>;
/// By name, what `tls-alpn-01` shows.
pub(crate) type TlsAnswers = Table<Arc<ServerConfig>>;

/// A table that is shared with whoever answers.
#[derive(Debug)]
pub(crate) struct Table<T>(Arc<Mutex<HashMap<String, T>>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Table<T> {
    /// The same table once more: what is published in one is found in the other.
    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Table<T> {
    /// The answer to this.
    pub(crate) fn get(&self, asked: &str) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(asked).cloned()
    }

    /// Puts an answer there, for as long as what is returned lives.
    pub(crate) fn publish(&self, asked: String, answer: T) -> Published<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(asked.clone(), answer);
        Published { table: self.share(), asked }
    }
}

/// An answer that is there.
pub(crate) struct Published<T> {
    table: Table<T>,
    asked: String,
}

impl<T> Drop for Published<T> {
    fn drop(&mut self) {
        self.table.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.asked);
    }
}
