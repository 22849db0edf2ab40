//! Real servers, each in a folder of its own, on loopback addresses that no other test uses.
//!
//! [`Setup`] says what the judge needs, [`Server::start`] makes a [`site::Site`] of it and starts Restante or Dovecot
//! there. A server ends with the value that holds it. Missing programs are an error with the line that installs them:
//! nothing is ever skipped.

pub mod database;
pub mod dovecot;
pub mod machine;
pub mod others;
pub mod pebble;
pub mod postfix;
pub mod process;
pub mod restante;
pub mod site;
pub mod slapd;
pub mod small_disk;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::peer::Peer;
use crate::wait;
use process::Process;
use site::Site;

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours, as `cargo build` made it.
    Restante,
    /// Debian's Dovecot.
    Dovecot,
}

/// What a test wants of a server. Both kinds understand all of it but `restante`.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Names and passwords. Neither may contain a colon.
    pub accounts: Vec<(String, String)>,
    /// Extra fields of accounts in the passwd-file, such as `userdb_quota_rule=*:storage=1M`: account, fields.
    pub extra_fields: Vec<(String, String)>,
    /// Messages put into maildrops before the server starts: account, contents as they lie on disk, in POP order.
    pub mail: Vec<(String, Vec<Vec<u8>>)>,
    /// Whether passwords may come in clear without TLS.
    pub plaintext: bool,
    /// Whether there is a certificate, and with it STLS and the implicit TLS port.
    pub tls: bool,
    /// Whether accounts may log in by APOP (their passwords are stored readable).
    pub apop: bool,
    /// The SASL mechanisms to offer, in lower case; none for the server's own choice (Dovecot: PLAIN and LOGIN).
    pub mechanisms: Option<Vec<&'static str>>,
    /// The largest message that LMTP takes; Dovecot knows it as a quota only and ignores it here.
    pub message_octets_max: Option<u64>,
    /// The most recipients a message may have at LMTP; Restante only.
    pub recipients_max: Option<u32>,
    /// Whether Restante keeps maildrops in mboxes, `mbox/ACCOUNT` at the site, and not in Maildirs. `RESTANTE_MAILDROP=mbox` in the
    /// environment says so for all.
    pub mbox: bool,
    /// Whether Restante speaks POP2 on the site's port for it.
    pub pop2: bool,
    /// Lines put into the `[section]` with this name of Restante's configuration ("" is the top; whole tables may stand
    /// there). `@ROOT@` is replaced by the site's folder, `@SMTP@` by the address of its Postfix.
    pub restante: Vec<(String, String)>,
    /// Lines added to Dovecot's configuration.
    pub dovecot: Vec<&'static str>,
    /// Runs Restante as nobody, whom file modes bind, instead of as root.
    pub as_nobody: bool,
}

impl Default for Setup {
    /// alice and bob, password "secret", no mail, TLS, plaintext allowed.
    fn default() -> Self {
        let account = |name: &str| (name.to_owned(), "secret".to_owned());
        Self {
            accounts: vec![account("alice"), account("bob")],
            extra_fields: Vec::new(),
            mail: Vec::new(),
            plaintext: true,
            tls: true,
            apop: false,
            mechanisms: None,
            message_octets_max: None,
            recipients_max: None,
            mbox: std::env::var("RESTANTE_MAILDROP").is_ok_and(|kind| kind == "mbox"),
            pop2: false,
            restante: Vec::new(),
            dovecot: Vec::new(),
            as_nobody: false,
        }
    }
}

/// A running server and its site.
pub struct Server {
    kind: Kind,
    // Before the site: the process must be gone before its folder is.
    process: Option<Process>,
    site: Site,
}

impl Server {
    /// Makes a site for `setup`, starts the server and waits for its greeting.
    ///
    /// # Panics
    /// When the program is missing or the server does not come up; with its log.
    #[must_use]
    pub fn start(kind: Kind, setup: &Setup) -> Self {
        let site = Site::new(setup);
        match kind {
            Kind::Restante => restante::configure(&site, setup),
            Kind::Dovecot => dovecot::configure(&site, setup),
        }
        let mut server = Self { kind, process: None, site };
        server.start_again();
        server
    }

    /// Ends the server and starts another one at its site: at the same addresses, on the same maildrops.
    ///
    /// # Panics
    /// When the one does not end or the other does not come up.
    pub fn turn_into(&mut self, kind: Kind, setup: &Setup) {
        self.stop();
        self.kind = kind;
        match kind {
            Kind::Restante => restante::configure(&self.site, setup),
            Kind::Dovecot => dovecot::configure(&self.site, setup),
        }
        self.start_again();
    }

    /// Starts the server at its site after [`Self::stop`] or [`Self::kill`].
    ///
    /// # Panics
    /// When it does not come up; with its log.
    pub fn start_again(&mut self) {
        let mut process = match self.kind {
            Kind::Restante => restante::start(&self.site),
            Kind::Dovecot => dovecot::start(&self.site),
        };
        let address = self.pop3_address();
        let greeted = wait::try_some(wait::DEADLINE, || {
            assert!(process.is_running(), "{:?} ended at its start:\n{}", self.kind, process.log());
            greets(address).then_some(())
        });
        assert!(greeted.is_some(), "{:?} does not greet at {address}:\n{}", self.kind, process.log());
        self.process = Some(process);
    }

    /// A site at which Restante has been configured and does not run.
    #[must_use]
    pub fn restante_at(site: Site, setup: &Setup) -> Self {
        restante::configure(&site, setup);
        Self { kind: Kind::Restante, process: None, site }
    }

    /// The site of a server that does not run.
    ///
    /// # Panics
    /// When it runs.
    #[must_use]
    pub fn into_site(self) -> Site {
        assert!(self.process.is_none(), "it runs");
        self.site
    }

    /// Runs a command of Restante with the site's configuration, and returns its exit status and what it printed.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn restante(&self, words: &[&str]) -> (i32, String) {
        let output = std::process::Command::new(restante::binary())
            .args(words)
            .arg("--config")
            .arg(self.site.path().join("restante.toml"))
            .env("RESTANTE_PASSWORD", "secret")
            .output()
            .expect("the program starts");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    /// Asks the server to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(&mut self) {
        self.process.take().expect("it runs").stop();
    }

    /// Ends the server at once (SIGKILL) and waits until it is gone, its children with it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Sends SIGKILL and does not wait: for a test that is in the middle of using the server. [`Self::kill`] follows.
    ///
    /// # Panics
    /// When it does not run.
    pub fn strike(&self) {
        self.process.as_ref().expect("it runs").signal(rustix::process::Signal::KILL);
    }

    /// The running process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it runs")
    }

    /// Whose server it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where its files lie.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// What the server has logged so far, in whole lines: one may be in the middle of being written.
    #[must_use]
    pub fn log(&self) -> String {
        let mut log = self.process.as_ref().map_or_else(String::new, Process::log);
        log.truncate(log.rfind('\n').map_or(0, |end| end + 1));
        log
    }

    /// POP3 in clear, with STLS when there is a certificate.
    #[must_use]
    pub fn pop3_address(&self) -> SocketAddr {
        self.site.address(site::POP3)
    }

    /// POP3 with implicit TLS.
    #[must_use]
    pub fn pop3s_address(&self) -> SocketAddr {
        self.site.address(site::POP3S)
    }

    /// LMTP over TCP.
    #[must_use]
    pub fn lmtp_address(&self) -> SocketAddr {
        self.site.address(site::LMTP)
    }

    /// LMTP over a unix socket.
    #[must_use]
    pub fn lmtp_socket(&self) -> PathBuf {
        self.site.lmtp_socket()
    }

    /// The address of the one listener on 127.0.0.1, which the site's own are not. A test has configured it with port 0; the log
    /// says which port it is.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn listener_on_loopback(&self) -> SocketAddr {
        wait::some("the listener on 127.0.0.1", || {
            let log = self.log();
            let line =
                log.lines().find(|line| line.contains("event=listening") && line.contains("=127.0.0.1:"))?;
            line.split(' ').find_map(|word| word.strip_prefix("address=")?.parse().ok())
        })
    }

    /// Connects by POP2; reads nothing.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn pop2(&self) -> Peer {
        Peer::connect(self.site.address(site::POP2))
    }

    /// Connects by POP3 and reads the greeting.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn pop3(&self) -> Peer {
        let mut peer = Peer::connect(self.pop3_address());
        peer.greeting();
        peer
    }

    /// Connects by POP3 with implicit TLS and reads the greeting.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn pop3s(&self) -> Peer {
        let mut peer = Peer::connect_tls(self.pop3s_address());
        peer.greeting();
        peer
    }

    /// Connects by POP3, starts TLS with STLS, stays in AUTHORIZATION.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn pop3_stls(&self) -> Peer {
        let mut peer = self.pop3();
        peer.ok("STLS");
        peer.start_tls();
        peer
    }

    /// A POP3 session of `account` (password "secret") in TRANSACTION.
    ///
    /// # Panics
    /// When the login is refused.
    #[must_use]
    pub fn login(&self, account: &str) -> Peer {
        let mut peer = self.pop3();
        peer.login(account, "secret");
        peer
    }

    /// Tries a login and answers what PASS was answered with. A session that began has been ended when this returns, and
    /// its maildrop is free again.
    ///
    /// # Panics
    /// When USER or QUIT is refused.
    #[must_use]
    pub fn try_login(&self, account: &str, password: &str) -> String {
        let mut peer = self.pop3();
        peer.ok(&format!("USER {account}"));
        let said = peer.command(&format!("PASS {password}"));
        if said.starts_with("+OK") {
            peer.ok("QUIT");
            // The maildrop is free when the connection is closed, not sooner.
            peer.end();
        }
        said
    }

    /// Waits until `account` can log in: the session before may still be ending.
    ///
    /// # Panics
    /// When it never can.
    #[must_use]
    pub fn login_when_free(&self, account: &str) -> Peer {
        wait::some("the maildrop to be free", || {
            let mut peer = self.pop3();
            peer.ok(&format!("USER {account}"));
            peer.command("PASS secret").starts_with("+OK").then_some(peer)
        })
    }

    /// Connects by LMTP over TCP, reads the banner, says LHLO.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn lmtp(&self) -> Peer {
        let mut peer = self.lmtp_fresh();
        assert_eq!(peer.code("LHLO judge.example.org"), 250, "{}", peer.transcript());
        peer
    }

    /// Connects by LMTP over TCP and reads the banner, no more.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn lmtp_fresh(&self) -> Peer {
        let mut peer = Peer::connect(self.lmtp_address());
        assert_eq!(peer.reply().code, 220, "{}", peer.transcript());
        peer
    }

    /// The address of `account` for RCPT.
    #[must_use]
    pub fn recipient(&self, account: &str) -> String {
        format!("<{account}@example.org>")
    }

    /// Delivers `canonical` to each of `accounts` by LMTP; every one must be answered 250.
    ///
    /// # Panics
    /// When one is not.
    pub fn deliver(&self, accounts: &[&str], canonical: &[u8]) {
        let mut peer = self.lmtp();
        assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250, "{}", peer.transcript());
        for account in accounts {
            assert_eq!(
                peer.code(&format!("RCPT TO:{}", self.recipient(account))),
                250,
                "{}",
                peer.transcript()
            );
        }
        assert_eq!(peer.code("DATA"), 354, "{}", peer.transcript());
        peer.send(&crate::mail::dotted(canonical));
        for _ in accounts {
            assert_eq!(peer.reply().code, 250, "{}", peer.transcript());
        }
        assert_eq!(peer.code("QUIT"), 221, "{}", peer.transcript());
    }

    /// As [`Self::login_when_free`], for messages as they are stored: with UTF8 (RFC 6856) where the server knows it. Whoever does
    /// not ask for that gets a surrogate of messages with UTF-8 in their headers.
    ///
    /// # Panics
    /// When it never can.
    #[must_use]
    pub fn login_for_originals(&self, account: &str) -> Peer {
        wait::some("the maildrop to be free", || {
            let mut peer = self.pop3();
            if peer.list("CAPA").iter().any(|tag| tag.starts_with("UTF8")) {
                peer.ok("UTF8");
            }
            peer.ok(&format!("USER {account}"));
            peer.command("PASS secret").starts_with("+OK").then_some(peer)
        })
    }

    /// Everything in the maildrop of `account`, in POP order, as RETR gives it to who has asked for UTF8.
    ///
    /// # Panics
    /// When a login or a retrieval fails.
    #[must_use]
    pub fn retrieve_all(&self, account: &str) -> Vec<Vec<u8>> {
        let mut peer = self.login_for_originals(account);
        let count = peer.list("LIST").len();
        let messages = (1..=count).map(|number| peer.message(&format!("RETR {number}"))).collect();
        peer.ok("QUIT");
        messages
    }
}

/// Panics with the line that installs `packages` when `program` is not in one of the usual places.
#[must_use]
pub fn program(program: &str, packages: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/postfix/sbin", "/usr/local/bin"];
    folders
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{program} is missing; install it: apt-get install -y {packages}"))
}

/// Whether somebody greets with `+OK` at `address`.
fn greets(address: SocketAddr) -> bool {
    use std::io::Read;
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let _ = stream.set_read_timeout(Some(wait::DEADLINE));
    let mut start = [0; 3];
    stream.read_exact(&mut start).is_ok() && start == *b"+OK"
}
