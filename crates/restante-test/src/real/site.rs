//! A site: the folder of one server with its accounts, certificate and maildrops, and the addresses it listens on.

use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use tempfile::TempDir;

use crate::certificate;
use crate::real::Setup;

/// Which port of a site speaks POP3 in clear.
pub const POP3: u16 = 0;
/// Which port of a site speaks POP3 with implicit TLS.
pub const POP3S: u16 = 1;
/// Which port of a site speaks LMTP.
pub const LMTP: u16 = 2;
/// Which port of a site speaks SMTP (Postfix).
pub const SMTP: u16 = 3;
/// Which port of a site speaks SMTP with implicit TLS (Postfix, when it has a certificate).
pub const SMTPS: u16 = 7;

/// Which port of a site speaks LDAP (slapd).
pub const LDAP: u16 = 8;
/// Which port of a site speaks LDAP with implicit TLS (slapd).
pub const LDAPS: u16 = 9;

/// Which port of a site speaks POP2 (Restante, where the setup asks for it).
pub const POP2: u16 = 6;

/// The numeric user and group that Debian calls nobody and nogroup.
pub const NOBODY: u32 = 65_534;

/// The numeric user who owns the mboxes, and as whom an MTA writes them. It has no name on any machine.
pub const MBOX_OWNER: u32 = 64_999;

/// A folder with `users`, `cert.pem`, `key.pem`, `authority.pem` and `mail/NAME/{cur,new,tmp}`.
pub struct Site {
    folder: TempDir,
    first_port: u16,
    dropped: AtomicU64,
}

impl Site {
    /// Makes the folder and everything that `setup` says about files.
    ///
    /// # Panics
    /// When files cannot be written.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        static SITES: AtomicU16 = AtomicU16::new(0);
        let folder = TempDir::with_prefix("restante-").expect("a temporary folder");
        // Dovecot's mail processes, Postfix and nobody must be able to pass.
        open_to_all(folder.path());
        let site = Self {
            folder,
            first_port: 10_000 + 10 * SITES.fetch_add(1, Ordering::Relaxed),
            dropped: AtomicU64::new(0),
        };
        fs::create_dir(site.path().join("mail")).expect("a fresh folder");
        open_to_all(&site.path().join("mail"));
        let mut users = String::new();
        for (name, password) in &setup.accounts {
            let home = site.maildrop(name);
            // The extra fields are Dovecot's: user, group, gecos, home.
            let own = setup.extra_fields.iter().filter(|(account, _)| account == name);
            let extra = own.map(|(_, fields)| fields.as_str()).collect::<Vec<_>>().join(" ");
            let home = home.display();
            users.push_str(&format!("{name}:{{PLAIN}}{password}:{NOBODY}:{NOBODY}::{home}::{extra}\n"));
            site.make_maildrop(name);
        }
        fs::write(site.path().join("users"), users).expect("a fresh folder");
        if setup.tls {
            let files = certificate::write(site.path(), site.ip());
            fs::set_permissions(&files.key, Permissions::from_mode(0o600)).expect("our own file");
            if setup.as_nobody && rustix::process::geteuid().is_root() {
                chown(&files.key, Some(NOBODY), Some(NOBODY)).expect("root may");
            }
        }
        for (account, messages) in &setup.mail {
            for message in messages {
                site.drop_message(account, message);
            }
        }
        site
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A loopback address of this test process alone, so that ports need not be searched: 127.64.0.0/10 has room for every process number.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        let [_, a, b, c] = std::process::id().to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(127, 64 | a, b, c))
    }

    /// The address of [`POP3`], [`POP3S`], [`LMTP`] or [`SMTP`].
    #[must_use]
    pub fn address(&self, service: u16) -> SocketAddr {
        SocketAddr::new(self.ip(), self.first_port + service)
    }

    /// The unix socket for LMTP.
    #[must_use]
    pub fn lmtp_socket(&self) -> PathBuf {
        self.path().join("lmtp.sock")
    }

    /// The Maildir of `account`.
    #[must_use]
    pub fn maildrop(&self, account: &str) -> PathBuf {
        self.path().join("mail").join(account)
    }

    /// Makes an empty Maildir for `account` that every server may write.
    ///
    /// # Panics
    /// When it cannot.
    pub fn make_maildrop(&self, account: &str) {
        let maildrop = self.maildrop(account);
        for folder in [maildrop.clone(), maildrop.join("cur"), maildrop.join("new"), maildrop.join("tmp")] {
            fs::create_dir_all(&folder).expect("the test's folder is writable");
            open_to_all(&folder);
        }
    }

    /// Puts `stored` into `new/` of `account` as another program would, after every message before it in POP order; returns its file.
    ///
    /// # Panics
    /// When it cannot.
    pub fn drop_message(&self, account: &str, stored: &[u8]) -> PathBuf {
        let number = self.dropped.fetch_add(1, Ordering::Relaxed);
        self.drop_named(account, &format!("{}.M{number:06}P1.judge", 1_700_000_000 + number), stored)
    }

    /// Puts `stored` into `new/` of `account` under a name of the test's choice; returns its file.
    ///
    /// # Panics
    /// When it cannot.
    pub fn drop_named(&self, account: &str, name: &str, stored: &[u8]) -> PathBuf {
        let (writing, file) =
            (self.maildrop(account).join("tmp").join(name), self.maildrop(account).join("new").join(name));
        fs::write(&writing, stored).expect("the maildrop is writable");
        fs::set_permissions(&writing, Permissions::from_mode(0o666)).expect("our own file");
        fs::rename(&writing, &file).expect("the same file system");
        file
    }

    /// Sets the mode of every folder of `account`'s maildrop, for a server that runs as nobody.
    ///
    /// # Panics
    /// When the maildrop is not there.
    pub fn protect(&self, account: &str, mode: u32) {
        let maildrop = self.maildrop(account);
        // From the outside in when opening, from the inside out when closing: we may be bound by modes ourselves.
        let mut folders =
            vec![maildrop.clone(), maildrop.join("cur"), maildrop.join("new"), maildrop.join("tmp")];
        if mode & 0o100 == 0 {
            folders.reverse();
        }
        for folder in folders {
            fs::set_permissions(folder, Permissions::from_mode(mode)).expect("our own folder");
        }
    }

    /// Every message file of `account`, in the order of their names.
    ///
    /// # Panics
    /// When the maildrop cannot be read.
    #[must_use]
    pub fn files(&self, account: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = ["cur", "new"]
            .iter()
            .flat_map(|folder| fs::read_dir(self.maildrop(account).join(folder)).expect("a Maildir"))
            .map(|entry| entry.expect("readable").path())
            .filter(|path| !path.file_name().expect("a file").as_encoded_bytes().starts_with(b"."))
            .collect();
        files.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_owned));
        files
    }

    /// What lies in `tmp/` of `account`.
    ///
    /// # Panics
    /// When the maildrop cannot be read.
    #[must_use]
    pub fn unfinished(&self, account: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.maildrop(account).join("tmp")).expect("a Maildir");
        entries.map(|entry| entry.expect("readable").path()).collect()
    }
}

/// Lets every user read, write and pass a folder.
fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o777)).expect("our own folder");
}
