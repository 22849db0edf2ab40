//! The ban list: networks whose connections are closed before a word is said, until a moment or for good.
//!
//! `listener.rs` asks at each connection, `defence.rs` adds whoever guesses without end, `control.rs` does what the operator says.
//! The file `bans` in the state folder is written anew as a whole at each change, one ban a line; nothing is synced. What cannot be
//! written still holds until the end of the process.

use crate::file::Journal;
use restante_auth::network::Network;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One ban, as it is written in the file and said over the control socket. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// An address or a network.
    pub network: String,
    /// When it began.
    pub since: u64,
    /// When it ends; `None` for one that does not.
    pub until: Option<u64>,
    /// Why, in the operator's words or ours. At most 200 octets.
    pub reason: String,
    /// Whether the server has made it by itself.
    pub is_automatic: bool,
}

impl Ban {
    /// A ban from `now` on, for so long, or for good. The reason is cut to its most.
    pub fn new(network: Network, now: SystemTime, length: Option<Duration>, reason: &str) -> Self {
        let since = seconds(now);
        let end = reason.floor_char_boundary(REASON_OCTETS_MAX);
        Self {
            network: network.to_string(),
            since,
            until: length.map(|length| since.saturating_add(length.as_secs().max(1))),
            reason: reason.get(..end).unwrap_or_default().to_owned(),
            is_automatic: false,
        }
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= seconds(now))
    }
}

/// The list. One for the whole server.
#[derive(Debug)]
pub(crate) struct Bans {
    list: Mutex<List>,
    /// Never taken while `list` is held. `None` where the state folder cannot be used.
    file: Mutex<Option<Journal>>,
}

#[derive(Debug, Default)]
struct List {
    bans: HashMap<Network, Ban>,
    /// The lengths of prefixes that there are, so that an address is looked up as often and no oftener.
    prefixes: BTreeSet<u8>,
}

impl Bans {
    /// Reads the list in the state folder; makes both when they are missing. Blocks for the file. Where the file cannot be used the
    /// list is empty and lives in memory alone; the error says why. Lines that are no bans are left out and counted.
    pub(crate) fn open(state_dir: &Path, now: SystemTime) -> (Self, io::Result<usize>) {
        let (file, octets) = match Journal::open(&path(state_dir), FILE_OCTETS_MAX) {
            Ok((journal, octets)) => (Some(journal), octets),
            Err(error) => return (Self { list: Mutex::default(), file: Mutex::new(None) }, Err(error)),
        };
        let mut list = List::default();
        let mut damaged = 0;
        for line in octets.split(|&octet| octet == b'\n').filter(|line| !line.is_empty()) {
            let ban: Option<Ban> = serde_json::from_slice(line).ok();
            match ban.and_then(|ban| ban.network.parse().ok().map(|network: Network| (network, ban))) {
                Some((_, ban)) if ban.is_over(now) => {}
                Some((network, ban)) if list.bans.len() < BANS_MAX => drop(list.bans.insert(network, ban)),
                _ => damaged += 1,
            }
        }
        list.count_prefixes();
        (Self { list: Mutex::new(list), file: Mutex::new(file) }, Ok(damaged))
    }

    /// Is this address to be kept out now?
    pub(crate) fn covers(&self, address: IpAddr, now: SystemTime) -> bool {
        let list = self.list();
        list.prefixes.iter().any(|&prefix| {
            list.bans.get(&Network::around(address, prefix)).is_some_and(|ban| !ban.is_over(now))
        })
    }

    /// Adds a ban, or puts it in the place of the one of the same network. `false` when the list is full.
    pub(crate) fn add(&self, network: Network, ban: Ban) -> bool {
        let mut list = self.list();
        if list.bans.len() >= BANS_MAX && !list.bans.contains_key(&network) {
            return false;
        }
        list.bans.insert(network, ban);
        list.prefixes.insert(network.prefix());
        true
    }

    /// Takes a ban out; `None` if there is none of just this network.
    pub(crate) fn remove(&self, network: Network) -> Option<Ban> {
        let mut list = self.list();
        let ban = list.bans.remove(&network);
        list.count_prefixes();
        ban
    }

    /// Takes out what is over.
    pub(crate) fn expire(&self, now: SystemTime) -> Vec<Ban> {
        let mut list = self.list();
        let over: Vec<Ban> = list.bans.values().filter(|ban| ban.is_over(now)).cloned().collect();
        if !over.is_empty() {
            list.bans.retain(|_, ban| !ban.is_over(now));
            list.count_prefixes();
        }
        over
    }

    /// All bans, the oldest first.
    pub(crate) fn all(&self) -> Vec<Ban> {
        let mut bans: Vec<Ban> = self.list().bans.values().cloned().collect();
        bans.sort_by(|one, other| (one.since, &one.network).cmp(&(other.since, &other.network)));
        bans
    }

    /// Writes the list as it is now. Blocks for the file.
    ///
    /// # Errors
    /// It cannot be written; the old one is still there.
    pub(crate) fn write(&self) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(journal) = &mut *file else {
            return Err(io::Error::other("the state folder cannot be used"));
        };
        let mut octets = Vec::new();
        // Looked at only now, so that of two that write the later one writes the later list.
        for ban in self.all() {
            serde_json::to_writer(&mut octets, &ban).map_err(io::Error::other)?;
            octets.push(b'\n');
        }
        journal.replace(&octets)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn count_prefixes(&mut self) {
        self.prefixes = self.bans.keys().map(|network| network.prefix()).collect();
    }
}

/// Where the list lies.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("bans")
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// More bans are refused: who needs more wants a packet filter.
pub(crate) const BANS_MAX: usize = 10_000;
/// Ten thousand of the longest lines, and some more.
const FILE_OCTETS_MAX: u64 = 16 * 1024 * 1024;
const REASON_OCTETS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    //! What is kept out, and for how long.

    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)
    }

    fn put(bans: &Bans, network: &str, length: Option<u64>) -> bool {
        let network: Network = network.parse().unwrap();
        bans.add(network, Ban::new(network, at(0), length.map(Duration::from_secs), "because"))
    }

    fn covers(bans: &Bans, address: &str, second: u64) -> bool {
        bans.covers(address.parse().unwrap(), at(second))
    }

    #[test]
    fn a_ban_covers_its_network_until_it_ends_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let (bans, read) = Bans::open(folder.path(), at(0));
        assert_eq!(read.unwrap(), 0);
        assert!(
            put(&bans, "192.0.2.0/24", Some(60))
                && put(&bans, "2001:db8::/48", None)
                && put(&bans, "::/128", None)
        );
        bans.write().unwrap();
        std::fs::write(path(folder.path()).with_extension("x"), "").unwrap();
        let (again, _) = Bans::open(folder.path(), at(1));
        assert_eq!(again.all(), bans.all());
        for bans in [bans, again] {
            assert!(covers(&bans, "192.0.2.7", 59) && covers(&bans, "::ffff:192.0.2.7", 59));
            assert!(!covers(&bans, "192.0.2.7", 60) && !covers(&bans, "192.0.3.7", 1));
            assert!(covers(&bans, "2001:db8::9:1", 1_000_000) && !covers(&bans, "2001:db9::1", 0));
            // An IPv6 prefix is none of IPv4's, however long.
            assert!(!covers(&bans, "0.0.0.0", 0));
            let over = bans.expire(at(60));
            assert_eq!(over.len(), 1);
            assert_eq!(over[0].network, "192.0.2.0/24");
            assert!(bans.remove("2001:db8::/47".parse().unwrap()).is_none());
            assert!(bans.remove("2001:db8::/48".parse().unwrap()).is_some());
            assert!(!covers(&bans, "2001:db8::9:1", 61));
        }
    }

    #[test]
    fn damage_is_left_out_and_counted_and_the_list_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let (bans, _) = Bans::open(folder.path(), at(0));
        put(&bans, "192.0.2.1", None);
        bans.write().unwrap();
        let mut text = std::fs::read(path(folder.path())).unwrap();
        text.extend_from_slice(b"{\"network\":\"nowhere\"}\nhalf a li");
        std::fs::write(path(folder.path()), text).unwrap();
        let (bans, read) = Bans::open(folder.path(), at(0));
        assert_eq!((read.unwrap(), bans.all().len()), (2, 1));
        for n in 0..BANS_MAX as u32 {
            put(&bans, &std::net::Ipv4Addr::from_bits(n + 1).to_string(), None);
        }
        assert_eq!(bans.all().len(), BANS_MAX);
        assert!(!put(&bans, "203.0.113.1", None) && put(&bans, "192.0.2.1", Some(1)));
        let nowhere = folder.path().join("bans");
        let (bans, read) = Bans::open(&nowhere, at(0));
        assert!(read.is_err() && bans.write().is_err());
        assert!(put(&bans, "192.0.2.1", None) && covers(&bans, "192.0.2.1", 0), "memory is left");
    }

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        let network: Network = "192.0.2.1".parse().unwrap();
        let ban = Ban::new(network, at(0), None, &"ä".repeat(150));
        assert_eq!(ban.reason, "ä".repeat(100));
    }
}
