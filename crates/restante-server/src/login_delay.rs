//! When each account logged in last, over restarts: the table of `restante_auth` and the file that carries it on.
//!
//! The file `logins` in the state folder is appended to at every login that counts, before its reply, and written anew when most of it
//! is of no use any more. Nothing is synced: it survives the end of the process however that comes, and after a power cut
//! somebody may log in early. The login asks here; nothing else does.

use crate::file::Journal;
use restante_auth::account::AccountName;
use restante_auth::throttle::login_delay::{LoginDelays, RECORD_BYTES};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The last logins. One for the whole server, whatever configurations come and go.
#[derive(Debug)]
pub(crate) struct LastLogins {
    /// Never held while the disk is waited for.
    delays: Mutex<LoginDelays>,
    /// Taken before `delays` where both are.
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    journal: Journal,
    /// Records in the file, those of no use included.
    records: u64,
    /// It may end in a piece of a record, so that nothing may be appended.
    is_torn: bool,
}

/// What became of a login that asked to be let in.
pub(crate) enum Claim {
    /// It is noted.
    Noted,
    /// It is noted in memory, but not in the file, so that a restart forgets it.
    Unwritten(io::Error),
    /// It comes too early, by so much.
    Early(Duration),
}

impl LastLogins {
    /// Reads the file in the state folder; makes both when they are missing. Says how many records were damaged. Blocks for
    /// the file.
    ///
    /// # Errors
    /// The file cannot be made, read or written.
    pub(crate) fn open(state_dir: &Path) -> io::Result<(Self, u64)> {
        let (journal, file) = Journal::open(&path(state_dir), FILE_OCTETS_MAX)?;
        let restored = LoginDelays::read(&file);
        let is_torn = file.len() % RECORD_BYTES != 0;
        let written = Written { journal, records: restored.records, is_torn };
        Ok((Self { delays: Mutex::new(restored.delays), written: Mutex::new(written) }, restored.damaged))
    }

    /// How long the account must wait for its next login.
    pub(crate) fn wait(&self, account: &AccountName, now: SystemTime, delay: Duration) -> Duration {
        self.delays().wait(account, now, delay)
    }

    /// Notes a login, unless it comes too early; of two at the same moment one is let in.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        account: &AccountName,
        now: SystemTime,
        delay: Duration,
    ) -> Claim {
        let record = match self.delays().claim(account, now, delay) {
            Ok(record) => record,
            Err(wait) => return Claim::Early(wait),
        };
        let there = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || there.write(&record, now, delay)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => Claim::Noted,
            Err(error) => Claim::Unwritten(error),
        }
    }

    fn write(&self, record: &[u8], now: SystemTime, delay: Duration) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let useful = self.delays().len() as u64;
        if !written.is_torn && written.records < 2 * useful + RECORDS_SPARED {
            let outcome = written.journal.append(record);
            written.is_torn = outcome.is_err();
            written.records += 1;
            return outcome;
        }
        let snapshot = self.delays().snapshot(now, delay);
        written.journal.replace(&snapshot.write())?;
        written.records = snapshot.records();
        written.is_torn = false;
        Ok(())
    }

    fn delays(&self) -> MutexGuard<'_, LoginDelays> {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the last logins lie.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("logins")
}

/// So many records of no use are not worth writing the file anew: 128 KiB.
const RECORDS_SPARED: u64 = 4096;

/// Twice what the table holds at most, and some more.
const FILE_OCTETS_MAX: u64 = 80_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::UNIX_EPOCH;

    const MINUTE: Duration = Duration::from_secs(60);

    fn bob() -> AccountName {
        AccountName::new("bob").unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn open(state_dir: &Path) -> Arc<LastLogins> {
        Arc::new(LastLogins::open(state_dir).unwrap().0)
    }

    #[tokio::test]
    async fn a_login_is_remembered_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = folder.path().join("not/yet/there");
        let logins = open(&state_dir);
        assert!(matches!(logins.claim(&bob(), at(0), MINUTE).await, Claim::Noted));
        assert!(
            matches!(logins.claim(&bob(), at(20), MINUTE).await, Claim::Early(wait) if wait.as_secs() == 40)
        );
        let logins = open(&state_dir);
        assert_eq!(logins.wait(&bob(), at(50), MINUTE).as_secs(), 10);
        // The process was killed in the middle of a record.
        let file = path(&state_dir);
        let mut torn = fs::read(&file).unwrap();
        torn.extend_from_slice(b"half a rec");
        fs::write(&file, torn).unwrap();
        let (logins, damaged) = LastLogins::open(&state_dir).unwrap();
        let logins = Arc::new(logins);
        assert_eq!(damaged, 1);
        assert_eq!(logins.wait(&bob(), at(50), MINUTE).as_secs(), 10);
        assert!(matches!(logins.claim(&bob(), at(60), MINUTE).await, Claim::Noted));
        let (logins, damaged) = LastLogins::open(&state_dir).unwrap();
        assert_eq!((damaged, logins.wait(&bob(), at(61), MINUTE).as_secs()), (0, 59));
    }

    #[tokio::test]
    async fn the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let logins = open(folder.path());
        for minute in 0..10_000 {
            assert!(matches!(logins.claim(&bob(), at(60 * minute), MINUTE).await, Claim::Noted));
        }
        let octets = fs::metadata(path(folder.path())).unwrap().len();
        assert!(octets <= (RECORDS_SPARED + 3) * RECORD_BYTES as u64, "{octets}");
        assert_eq!(open(folder.path()).wait(&bob(), at(60 * 9_999 + 1), MINUTE).as_secs(), 59);
    }

    #[tokio::test]
    async fn two_logins_at_once_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let logins = open(folder.path());
        let name = bob();
        let claims = tokio::join!(logins.claim(&name, at(0), MINUTE), logins.claim(&name, at(0), MINUTE));
        assert!(matches!(claims, (Claim::Noted, Claim::Early(_)) | (Claim::Early(_), Claim::Noted)));
    }

    #[test]
    fn a_state_folder_that_cannot_be_used_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(LastLogins::open(&file).is_err());
    }
}
