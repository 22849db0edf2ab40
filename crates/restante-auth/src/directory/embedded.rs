//! The embedded directory: accounts in a database of our own, edited by `restante account` while the server runs.

use std::path::PathBuf;

/// Where the database is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file, `accounts.redb` in the state folder.
    pub path: PathBuf,
}
