//! LOGIN-DELAY (RFC 2449 section 6.5): when each account logged in last, so that the next login can be refused for coming
//! too early.
//!
//! Unlike the rest of `throttle` this outlives the process: [`LoginDelays::claim`] gives back a record to append to a file,
//! and [`LoginDelays::read`] takes such a file. The file itself, and the clock, are the caller's. Accounts are kept as digests
//! of their names, so that every record has the same length.
//!
//! Time is the wall clock, in milliseconds since 1970, because no other goes on when the machine is restarted. A login that
//! seems to lie in the future, because the clock was set back, delays nobody.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::account::AccountName;

/// The last login of each account, as long as it delays the next one.
#[derive(Debug, Default)]
pub struct LoginDelays {
    /// Milliseconds since 1970, by account.
    logins: HashMap<Digest, u64>,
    /// At how many entries those that delay nobody any more are looked for.
    sweep_at: usize,
}

/// What was read from a file of records.
#[derive(Debug)]
pub struct Restored {
    /// The logins of all records that are whole; of several for one account the last one written.
    pub delays: LoginDelays,
    /// How many records there were, right or not. A piece at the end counts as one.
    pub records: u64,
    /// How many of them were not whole.
    pub damaged: u64,
}

/// The logins of one moment, to be written without holding anybody up.
#[derive(Debug)]
pub struct Snapshot {
    logins: Vec<(Digest, u64)>,
}

impl Snapshot {
    /// The whole file.
    pub fn write(&self) -> Vec<u8> {
        self.logins.iter().flat_map(|(account, login_ms)| encode(account, *login_ms)).collect()
    }

    /// How many records that are.
    pub fn records(&self) -> u64 {
        self.logins.len() as u64
    }
}

impl LoginDelays {
    /// The logins in a file of records. Damaged records are left out: whom they would have delayed is not.
    pub fn read(file: &[u8]) -> Restored {
        let (records, rest) = file.as_chunks::<RECORD_BYTES>();
        let mut delays = Self::default();
        let mut damaged = u64::from(!rest.is_empty());
        for record in records {
            match decode(record) {
                Some((account, login_ms)) => {
                    delays.logins.insert(account, login_ms);
                }
                None => damaged += 1,
            }
        }
        Restored { delays, records: records.len() as u64 + u64::from(!rest.is_empty()), damaged }
    }

    /// What a new file has to hold: all logins but those that delay nobody any more.
    pub fn snapshot(&mut self, now: SystemTime, delay: Duration) -> Snapshot {
        self.sweep(milliseconds(now), delay);
        Snapshot { logins: self.logins.iter().map(|(account, login_ms)| (*account, *login_ms)).collect() }
    }

    /// How long the account must wait for its next login; zero when it may log in now.
    pub fn wait(&self, account: &AccountName, now: SystemTime, delay: Duration) -> Duration {
        let now_ms = milliseconds(now);
        let since = self.logins.get(&digest(account)).and_then(|login_ms| now_ms.checked_sub(*login_ms));
        since.map_or(Duration::ZERO, |since| delay.saturating_sub(Duration::from_millis(since)))
    }

    /// Logs the account in. From two at the same moment only the first is let in.
    ///
    /// # Errors
    /// How long the account must still wait. The delay does not begin anew then.
    pub fn claim(
        &mut self,
        account: &AccountName,
        now: SystemTime,
        delay: Duration,
    ) -> Result<[u8; RECORD_BYTES], Duration> {
        let wait = self.wait(account, now, delay);
        if !wait.is_zero() {
            return Err(wait);
        }
        let (account, login_ms) = (digest(account), milliseconds(now));
        if self.logins.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.sweep(login_ms, delay);
        }
        self.logins.insert(account, login_ms);
        Ok(encode(&account, login_ms))
    }

    /// How many accounts are remembered.
    pub fn len(&self) -> usize {
        self.logins.len()
    }

    /// Whether no account is remembered.
    pub fn is_empty(&self) -> bool {
        self.logins.is_empty()
    }

    /// Forgets the logins that delay nobody, and if there are still too many the older half.
    fn sweep(&mut self, now_ms: u64, delay: Duration) {
        let delays = |login_ms: u64| {
            now_ms.checked_sub(login_ms).is_some_and(|since| Duration::from_millis(since) < delay)
        };
        self.logins.retain(|_, login_ms| delays(*login_ms));
        if self.logins.len() >= ENTRIES_MAX {
            let mut times: Vec<u64> = self.logins.values().copied().collect();
            let (_, &mut middle, _) = times.select_nth_unstable(ENTRIES_MAX / 2);
            self.logins.retain(|_, login_ms| *login_ms > middle);
        }
        // Rarely enough that it costs nothing, often enough that no more than twice what is needed is kept.
        self.sweep_at = (2 * self.logins.len()).min(ENTRIES_MAX);
    }
}

fn digest(account: &AccountName) -> Digest {
    let hash: [u8; 32] = Sha256::digest(account.as_str()).into();
    hash.first_chunk().copied().unwrap_or_default()
}

fn encode(account: &Digest, login_ms: u64) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    let (name, rest) = record.split_at_mut(DIGEST_BYTES);
    let (time, check) = rest.split_at_mut(TIME_BYTES);
    name.copy_from_slice(account);
    time.copy_from_slice(&login_ms.to_le_bytes());
    check.copy_from_slice(&checksum(account, login_ms));
    record
}

fn decode(record: &[u8; RECORD_BYTES]) -> Option<(Digest, u64)> {
    let (account, rest) = record.split_first_chunk::<DIGEST_BYTES>()?;
    let (time, check) = rest.split_first_chunk::<TIME_BYTES>()?;
    let login_ms = u64::from_le_bytes(*time);
    (check == checksum(account, login_ms)).then_some((*account, login_ms))
}

fn checksum(account: &Digest, login_ms: u64) -> [u8; CHECK_BYTES] {
    let hash = Sha256::new().chain_update(TAG).chain_update(account).chain_update(login_ms.to_le_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The first half of the SHA-256 of an account's name.
type Digest = [u8; DIGEST_BYTES];

/// The length of a record: 16 octets of the SHA-256 of the account's name, the time of its login in milliseconds since 1970 as
/// a little-endian number of eight octets, and eight octets of a SHA-256 over both.
pub const RECORD_BYTES: usize = DIGEST_BYTES + TIME_BYTES + CHECK_BYTES;

const DIGEST_BYTES: usize = 16;
const TIME_BYTES: usize = 8;
const CHECK_BYTES: usize = 8;

/// Begins what is summed, so that nothing else is taken for a record of this version.
const TAG: &[u8] = b"restante login 1";

/// Fewer entries are not worth looking through.
const SWEEP_MIN: usize = 1024;

/// So many accounts are remembered at most; at some 40 bytes each that is 40 MB. When there are more, the older half is
/// forgotten: they may log in early.
const ENTRIES_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn name(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    #[test]
    fn r2449_6_5_1_a_login_is_refused_until_the_delay_is_over() {
        let mut delays = LoginDelays::default();
        delays.claim(&name("bob"), at(0), MINUTE).unwrap();
        assert_eq!(delays.wait(&name("bob"), at(10), MINUTE).as_secs(), 50);
        assert_eq!(delays.claim(&name("bob"), at(59), MINUTE), Err(Duration::from_secs(1)));
        // One account says nothing about another.
        assert!(delays.wait(&name("alice"), at(1), MINUTE).is_zero());
        // The refusals did not begin it anew.
        assert!(delays.wait(&name("bob"), at(60), MINUTE).is_zero());
        delays.claim(&name("bob"), at(60), MINUTE).unwrap();
        assert_eq!(delays.wait(&name("bob"), at(61), MINUTE).as_secs(), 59);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let mut delays = LoginDelays::default();
        delays.claim(&name("bob"), at(100_000), MINUTE).unwrap();
        assert!(delays.wait(&name("bob"), at(0), MINUTE).is_zero());
        delays.claim(&name("bob"), at(0), MINUTE).unwrap();
        assert_eq!(delays.wait(&name("bob"), at(1), MINUTE).as_secs(), 59);
        // Nor does one that is nonsense.
        delays.claim(&name("eve"), UNIX_EPOCH - MINUTE, MINUTE).unwrap();
        assert!(delays.wait(&name("eve"), at(0), MINUTE).is_zero());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut delays = LoginDelays::default();
        let mut file = Vec::new();
        for (account, second) in [("a", 0), ("b", 1), ("c", 2)] {
            file.extend(delays.claim(&name(account), at(second), MINUTE).unwrap());
        }
        file.extend(delays.claim(&name("a"), at(60), MINUTE).unwrap());
        for file in [file, delays.snapshot(at(60), MINUTE).write()] {
            let restored = LoginDelays::read(&file);
            assert_eq!(restored.damaged, 0);
            let seconds = ["a", "b", "c", "d"]
                .map(|account| restored.delays.wait(&name(account), at(60), MINUTE).as_secs());
            assert_eq!(seconds, [60, 1, 2, 0]);
        }
        // What is over is not written any more.
        assert_eq!(delays.snapshot(at(62), MINUTE).records(), 1);
    }

    #[test]
    fn a_damaged_record_is_left_out_and_no_other() {
        let mut delays = LoginDelays::default();
        let mut file = Vec::new();
        for account in ["a", "b", "c"] {
            file.extend(delays.claim(&name(account), at(0), MINUTE).unwrap());
        }
        for bit in 0..RECORD_BYTES * 8 {
            let mut file = file.clone();
            file[RECORD_BYTES + bit / 8] ^= 1 << (bit % 8);
            let restored = LoginDelays::read(&file);
            assert_eq!((restored.records, restored.damaged, restored.delays.len()), (3, 1, 2), "bit {bit}");
        }
        // The last one was being written when the process was killed.
        let restored = LoginDelays::read(&file[..RECORD_BYTES * 2 + 7]);
        assert_eq!((restored.records, restored.damaged, restored.delays.len()), (3, 1, 2));
        assert!(LoginDelays::read(b"").delays.is_empty());
    }

    #[test]
    fn only_what_delays_is_remembered() {
        let mut delays = LoginDelays::default();
        for number in 0..200_000_u64 {
            // Ten logins a second.
            delays.claim(&name(&format!("u{number}")), at(number / 10), MINUTE).unwrap();
            assert!(delays.len() <= 2048, "{}", delays.len());
        }
        assert_eq!(delays.wait(&name("u199999"), at(20_000), MINUTE).as_secs(), 59);
    }
}
