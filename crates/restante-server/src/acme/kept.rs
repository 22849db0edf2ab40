//! What ACME keeps in `state_dir/acme`: the keys of accounts, the certificate with its key, and when orders were made.
//!
//! Every file is whole or not there, and readable by the server alone; docs/on-disk.md has the bytes.

use crate::file;
use crate::tls::pair::{self, PairError, PairFiles};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Kept(PathBuf);

/// Where the certificate and its key lie: both in one file, so that one rename replaces them together.
pub(crate) fn pair_files(state_dir: &Path) -> PairFiles {
    let path = state_dir.join(FOLDER).join("certificate.pem");
    PairFiles { may_be_missing: true, ..PairFiles::new(path.clone(), path, None) }
}

/// `state.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The directory that the certificate is from.
    directory: Option<String>,
    /// Seconds from 1970 of the orders of the last day.
    orders: Vec<u64>,
}

impl Kept {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self(state_dir.join(FOLDER))
    }

    /// The directory that the certificate is from; none where that is not known.
    pub(super) async fn directory(&self) -> Option<String> {
        let own = self.clone();
        tokio::task::spawn_blocking(move || own.state().directory).await.ok().flatten()
    }

    /// Notes an order that is about to be made, durably, unless `max` were made within the last day: how long to wait then.
    pub(super) fn note_order(&self, now: SystemTime, max: u64) -> io::Result<Result<(), Duration>> {
        let mut state = self.state();
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // What a clock that was wrong has noted in the future does not count for ever.
        state.orders.retain(|at| (now.saturating_sub(DAY_S)..=now).contains(at));
        if state.orders.len() as u64 >= max {
            let first = state.orders.iter().min().copied().unwrap_or(now);
            return Ok(Err(Duration::from_secs((first + DAY_S + 1).saturating_sub(now))));
        }
        state.orders.push(now);
        self.write_state(&state)?;
        Ok(Ok(()))
    }

    /// The credentials of our account at this directory, as they were kept.
    pub(super) fn account(&self, directory: &str) -> io::Result<Option<zeroize::Zeroizing<Vec<u8>>>> {
        match file::read_secret(&self.account_path(directory), OCTETS_MAX) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps them, durably.
    pub(super) fn keep_account(&self, directory: &str, credentials: &[u8]) -> io::Result<()> {
        file::replace(&self.account_path(directory), credentials)
    }

    /// Forgets an account that the directory does not know any more.
    pub(super) fn forget_account(&self, directory: &str) -> io::Result<()> {
        file::remove(&self.account_path(directory))
    }

    /// Takes a certificate and its key (PEM) into use, if they are good and for these names. Durable on return.
    pub(super) fn keep_certificate(
        &self,
        chain: &str,
        key: &str,
        directory: &str,
        names: &[String],
    ) -> Result<(), KeepError> {
        let files = pair_files(self.0.parent().unwrap_or(&self.0));
        let aside = files.certificate.with_extension("candidate");
        // In the order in which both are read: the certificates, then the key.
        let text = zeroize::Zeroizing::new(format!("{chain}\n{key}"));
        file::replace(&aside, text.as_bytes()).map_err(KeepError::Disk)?;
        let candidate = PairFiles::new(aside.clone(), aside.clone(), None);
        let pair = pair::load(&candidate, UNIX_EPOCH);
        let removed = file::remove(&aside);
        let pair = pair.map_err(KeepError::Unusable)?;
        removed.map_err(KeepError::Disk)?;
        if let Some(name) = names.iter().find(|name| !pair.names.contains(&name.to_ascii_lowercase())) {
            return Err(KeepError::Lacks(name.clone()));
        }
        file::replace(&files.certificate, text.as_bytes()).map_err(KeepError::Disk)?;
        let state = State { directory: Some(directory.to_owned()), ..self.state() };
        self.write_state(&state).map_err(KeepError::Disk)
    }

    /// One that is missing or damaged is as good as new: at worst one order more is made.
    fn state(&self) -> State {
        let octets = file::read(&self.0.join("state.json"), OCTETS_MAX).unwrap_or_default();
        serde_json::from_slice(&octets).unwrap_or_default()
    }

    fn write_state(&self, state: &State) -> io::Result<()> {
        file::replace(&self.0.join("state.json"), &serde_json::to_vec(state)?)
    }

    fn account_path(&self, directory: &str) -> PathBuf {
        let digest = Sha256::digest(directory.as_bytes());
        let name: String = digest.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
        self.0.join(format!("account-{name}.json"))
    }
}

/// Why a certificate that was given is not used.
#[derive(Debug)]
pub(super) enum KeepError {
    Disk(io::Error),
    Unusable(PairError),
    Lacks(String),
}

const FOLDER: &str = "acme";
const DAY_S: u64 = 86_400;
const OCTETS_MAX: u64 = 64 * 1024;
