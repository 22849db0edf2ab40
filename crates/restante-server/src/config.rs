//! The configuration: what may stand in the file (as written) and what it means (as meant).
//!
//! Lives here: every key with its type, default, unit and meaning. Reading a table is in `config/section.rs`, single
//! values in `config/value.rs`, addresses in `config/address.rs`, path templates in `config/template.rs`, and what
//! must hold between keys, files and the machine in `config/check.rs`. `docs/manual.md` says the same for operators.
//!
//! All faults of a file are reported at once. Relative paths are relative to the folder of the file.

mod acme;
mod address;
mod board;
mod bulletins;
mod check;
mod defence;
mod maildrop;
mod network;
pub(crate) mod places;
mod pop3;
mod quota;
pub mod source;
mod submission;
mod template;
#[cfg(test)]
mod tests;
mod tls;
pub mod token;

use crate::file;
use crate::system::SystemAccess;
use restante_config::problem::{Problem, Problems, Severity};
use restante_config::section::{Lines, Section};
use restante_config::value::{Fault, Mode, Value, quote, show_key, word};
use restante_config::{choice, section};
use std::path::{Path, PathBuf};
use toml::de::DeValue;

pub use acme::{Acme, Challenge};
pub use address::Address;
pub use board::Board;
pub use bulletins::Bulletins;
pub use defence::Defence;
pub(crate) use maildrop::DAY_S;
pub use maildrop::{DotLock, ExpireFrom, ForeignLocks, LineEnds, Maildrop, MaildropType, MboxForm, Syncs};
pub use network::Network;
pub use pop3::{Named, Pop3, Surrogates};
pub use quota::{Over, Quota};
use source::SourceTable;
pub(crate) use submission::SubmissionWay;
pub use submission::{From, Relay, Submission};
pub use template::{Template, TemplateError};
pub use tls::{ClientName, Tls, TlsPair, TlsVersion};
use token::TokenTable;

/// Reads and checks a configuration file.
///
/// # Errors
/// Every fault that keeps the configuration from being used, in the order of the lines.
pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
    match file::read_text(path, CONFIGURATION_OCTETS_MAX) {
        Ok(text) => parse(&text, path),
        Err(error) => Err(vec![Problem {
            file: path.to_owned(),
            line: 0,
            severity: Severity::Error,
            what: format!("the configuration cannot be read: {error}"),
            remedy: "name a readable file with --config, or write /etc/restante/restante.toml".to_owned(),
        }]),
    }
}

/// Checks the text of a configuration. `path` is what problems name, and relative paths start from its folder.
///
/// # Errors
/// Every fault that keeps the configuration from being used, in the order of the lines.
pub fn parse(text: &str, path: &Path) -> Result<Config, Vec<Problem>> {
    let mut problems = Problems::new(path, text);
    let Some(document) = problems.document() else { return Err(problems.finish().0) };
    let mut lines = Lines::default();
    let mut section = Section::new("", document.get_ref(), &mut problems, &mut lines);
    let (mut config, listen) = Config::read(&mut section);
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    config.start_paths_at(folder);
    config.listen = check::listeners(listen, folder, &config, &lines, &mut problems);
    check::rest(&config, &lines, &mut problems);
    let (errors, warnings) = problems.finish();
    config.warnings = warnings;
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

/// A configuration as meant: every key has its value, every path its start, every listener its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of this host in greetings, APOP timestamps, LMTP banners and `Received` lines.
    /// Default: the machine's own name.
    pub hostname: String,
    /// The folder of the embedded accounts, of the last logins and of the control socket. Default `/var/lib/restante`.
    pub state_dir: PathBuf,
    /// What is listened on. Default: POP3 on port 110, and on port 995 when there is a certificate.
    pub listen: Vec<Listen>,
    /// Certificate, key and versions of TLS.
    pub tls: Tls,
    /// Further certificates (`[[tls.pair]]`).
    pub pairs: Vec<TlsPair>,
    /// A certificate that the server gets by itself.
    pub acme: Acme,
    /// Who may log in, and how.
    pub auth: Auth,
    /// The sources of accounts, asked in this order (`[[auth.source]]`).
    pub sources: Vec<SourceTable>,
    /// Who says whose a bearer token is, asked in this order (`[[auth.token]]`).
    pub tokens: Vec<TokenTable>,
    /// How those are slowed down and kept out who guess passwords.
    pub defence: Defence,
    /// Where maildrops lie.
    pub maildrop: Maildrop,
    /// How much they may hold.
    pub quota: Quota,
    /// How POP3 is spoken.
    pub pop3: Pop3,
    /// Messages that every account is given once.
    pub bulletins: Bulletins,
    /// Maildrops that everybody may read (`[[board]]`).
    pub boards: Vec<Board>,
    /// What becomes of messages that clients send.
    pub submission: Submission,
    /// Delivery by LMTP.
    pub lmtp: Lmtp,
    /// How much and how long.
    pub limits: Limits,
    /// Where the log goes.
    pub log: Log,
    /// The process itself.
    pub server: Process,
    /// What the operator should know although the configuration can be used. Not a key.
    pub warnings: Vec<Problem>,
    /// The way to the accounts of the system, once there is one. Not a key.
    pub system: SystemAccess,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: file::hostname(),
            state_dir: PathBuf::from("/var/lib/restante"),
            listen: Vec::new(),
            tls: Tls::default(),
            pairs: Vec::new(),
            acme: Acme::default(),
            auth: Auth::default(),
            sources: Vec::new(),
            tokens: Vec::new(),
            defence: Defence::default(),
            maildrop: Maildrop::default(),
            quota: Quota::default(),
            pop3: Pop3::default(),
            bulletins: Bulletins::default(),
            boards: Vec::new(),
            submission: Submission::default(),
            lmtp: Lmtp::default(),
            limits: Limits::default(),
            log: Log::default(),
            server: Process::default(),
            warnings: Vec::new(),
            system: SystemAccess::default(),
        }
    }
}

impl Config {
    /// The keys and tables of the file itself.
    pub const KEYS: &[&str] = &[
        "hostname",
        "state_dir",
        "listen",
        "tls",
        "acme",
        "auth",
        "defence",
        "maildrop",
        "quota",
        "pop3",
        "bulletins",
        "board",
        "submission",
        "lmtp",
        "limits",
        "log",
        "server",
    ];

    /// The effective configuration as TOML: every key with the value it has. Reading it gives an equal configuration.
    pub fn show(&self) -> String {
        let mut output = String::new();
        show_key(&mut output, "hostname", &self.hostname);
        show_key(&mut output, "state_dir", &self.state_dir);
        for listen in &self.listen {
            output.push_str("\n[[listen]]\n");
            listen.show(&mut output);
        }
        output.push_str("\n[tls]\n");
        self.tls.show(&mut output);
        for pair in &self.pairs {
            output.push_str("\n[[tls.pair]]\n");
            pair.show(&mut output);
        }
        output.push_str("\n[acme]\n");
        self.acme.show(&mut output);
        output.push_str("\n[auth]\n");
        self.auth.show(&mut output);
        for source in &self.sources {
            output.push_str("\n[[auth.source]]\n");
            source.show(&mut output);
        }
        for source in &self.tokens {
            output.push_str("\n[[auth.token]]\n");
            source.show(&mut output);
        }
        output.push_str("\n[defence]\n");
        self.defence.show(&mut output);
        output.push_str("\n[maildrop]\n");
        self.maildrop.show(&mut output);
        output.push_str("\n[quota]\n");
        self.quota.show(&mut output);
        output.push_str("\n[pop3]\n");
        self.pop3.show(&mut output);
        output.push_str("\n[bulletins]\n");
        self.bulletins.show(&mut output);
        for board in &self.boards {
            output.push_str("\n[[board]]\n");
            board.show(&mut output);
        }
        // Without a way it would be a fault.
        if self.submission.way().is_some() {
            output.push_str("\n[submission]\n");
            self.submission.show(&mut output);
        }
        output.push_str("\n[lmtp]\n");
        self.lmtp.show(&mut output);
        output.push_str("\n[limits]\n");
        self.limits.show(&mut output);
        output.push_str("\n[log]\n");
        self.log.show(&mut output);
        output.push_str("\n[server]\n");
        self.server.show(&mut output);
        output
    }

    /// Is there a certificate, or will there be one, so that TLS can be offered?
    pub(crate) fn has_certificate(&self) -> bool {
        self.tls.certificate.is_some() || self.acme.is_on()
    }

    fn read(file: &mut Section<'_, '_, '_>) -> (Self, Vec<ListenWritten>) {
        let hostname = file.value("hostname", file::hostname);
        let state_dir = file.value("state_dir", || PathBuf::from("/var/lib/restante"));
        let listen =
            file.tables("listen", |section| finished(section, ListenWritten::read, ListenWritten::KEYS));
        let (tls, pairs) = file.table("tls", |section| {
            let tls = Tls::read(section);
            let pairs = section.tables("pair", |section| finished(section, TlsPair::read, TlsPair::KEYS));
            let known: Vec<&str> = Tls::KEYS.iter().copied().chain(["pair"]).collect();
            section.finish(&known);
            (tls, pairs)
        });
        let (auth, sources, tokens) = file.table("auth", |section| {
            let auth = Auth::read(section);
            let sources = section.tables("source", SourceTable::read);
            let tokens = section.tables("token", TokenTable::read);
            let known: Vec<&str> = Auth::KEYS.iter().copied().chain(["source", "token"]).collect();
            section.finish(&known);
            (auth, sources, tokens)
        });
        let config = Self {
            hostname,
            state_dir,
            listen: Vec::new(),
            tls,
            pairs,
            acme: file.table("acme", |section| finished(section, Acme::read, Acme::KEYS)),
            auth,
            sources,
            tokens,
            defence: file.table("defence", |section| finished(section, Defence::read, Defence::KEYS)),
            maildrop: file.table("maildrop", |section| finished(section, Maildrop::read, Maildrop::KEYS)),
            quota: file.table("quota", |section| finished(section, Quota::read, Quota::KEYS)),
            pop3: file.table("pop3", |section| finished(section, Pop3::read, Pop3::KEYS)),
            bulletins: file.table("bulletins", |section| finished(section, Bulletins::read, Bulletins::KEYS)),
            boards: file.tables("board", |section| finished(section, Board::read, Board::KEYS)),
            submission: file
                .table("submission", |section| finished(section, Submission::read, Submission::KEYS)),
            lmtp: file.table("lmtp", |section| finished(section, Lmtp::read, Lmtp::KEYS)),
            limits: file.table("limits", |section| finished(section, Limits::read, Limits::KEYS)),
            log: file.table("log", |section| finished(section, Log::read, Log::KEYS)),
            server: file.table("server", |section| finished(section, Process::read, Process::KEYS)),
            warnings: Vec::new(),
            system: SystemAccess::default(),
        };
        file.finish(Self::KEYS);
        (config, listen)
    }

    /// Makes relative paths start at the folder of the configuration file. Listeners follow in `check`.
    fn start_paths_at(&mut self, folder: &Path) {
        let start = |path: &mut PathBuf| *path = folder.join(&*path);
        start(&mut self.state_dir);
        self.tls.start_paths_at(folder);
        self.pairs.iter_mut().for_each(|pair| pair.start_paths_at(folder));
        self.acme.start_paths_at(folder);
        self.sources.iter_mut().for_each(|source| source.own.start_paths_at(folder));
        self.tokens.iter_mut().for_each(|tokens| tokens.start_paths_at(folder));
        self.maildrop.path.start_at(folder);
        self.maildrop.control.iter_mut().for_each(|control| control.start_at(folder));
        self.maildrop.marker.iter_mut().for_each(start);
        self.bulletins.path.iter_mut().for_each(start);
        self.boards.iter_mut().for_each(|board| board.start_paths_at(folder));
        self.submission.spool_dir.iter_mut().for_each(start);
        self.log.path.iter_mut().for_each(start);
        self.maildrop.roots.iter_mut().for_each(start);
        self.server.readable.iter_mut().for_each(start);
        self.server.writable.iter_mut().for_each(start);
    }
}

/// Reads a table and reports the keys it does not have.
fn finished<T>(
    section: &mut Section<'_, '_, '_>,
    read: impl FnOnce(&mut Section<'_, '_, '_>) -> T,
    known: &[&str],
) -> T {
    let value = read(section);
    section.finish(known);
    value
}

/// One `[[listen]]` as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where.
    pub address: Address,
    /// How it is encrypted.
    pub tls: TlsMode,
    /// Permissions of a unix socket.
    pub mode: Mode,
    /// The user of the system whose socket it becomes.
    pub owner: Option<String>,
    /// The group of the system whose socket it becomes.
    pub group: Option<String>,
    /// Where proxies stand; every connection must then begin with a PROXY header.
    pub proxy_from: Vec<Network>,
    /// Whether TLS between client and proxy counts as TLS.
    pub proxy_tls: bool,
}

impl Listen {
    fn show(&self, output: &mut String) {
        let Self { protocol, address, tls, mode, owner, group, proxy_from, proxy_tls } = self.clone();
        let (protocol, address, tls) = (Some(protocol), Some(address), Some(tls));
        ListenWritten { protocol, address, tls, mode, owner, group, proxy_from, proxy_tls }.show(output);
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// One `[[listen]]` as written: a socket and what is spoken on it.
    pub struct ListenWritten {
        /// What is spoken: `pop3`, `lmtp`, `sasl` (mail servers ask about their clients, as they ask Dovecot), `pop2`
        /// (RFC 937), or `acme` (an ACME server looks for answers to `http-01`). Has no default.
        protocol: Option<Protocol> = None;
        /// Where: `IP:port`, `[IPv6]:port`, `unix:/path` or `fd:NAME` (socket activation). Default
        /// for `pop2`: `0.0.0.0:109`, for `acme`: `0.0.0.0:80`; the others have none.
        address: Option<Address> = None;
        /// Encryption: `off`, `starttls` (the client may ask for it) or `implicit` (from the first octet).
        /// Default: `implicit` on port 995; else `starttls` for POP3 when there is a certificate; else `off`.
        tls: Option<TlsMode> = None;
        /// Permissions of a unix socket. Default 0o660.
        mode: Mode = Mode(0o660);
        /// The user of the system, by name or number, whom a unix socket is given to. Default: it is the server's own.
        owner: Option<String> = None;
        /// The group of the system, by name or number, whom a unix socket is given to. Default: it is the server's own.
        group: Option<String> = None;
        /// The proxies in front of this listener: addresses, networks or `unix`. Each connection must then come from one
        /// of them and begin with a PROXY header (haproxy's, version 1 or 2), whose client counts for limits, log and
        /// `plaintext_without_tls`. Default: none, and a PROXY header is not understood.
        proxy_from: Vec<Network> = Vec::new();
        /// Does a client that speaks TLS with the proxy (so says its header, version 2) count as one under TLS?
        /// Default false.
        proxy_tls: bool = false;
    }
}

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 1939: clients collect their mail.
    Pop3,
    /// RFC 2033: the mail transfer agent hands mail over.
    Lmtp,
    /// RFC 937: clients of 1985 collect their mail.
    Pop2,
    /// Dovecot's authentication protocol: mail servers ask whether their clients may log in.
    Sasl,
    /// HTTP, for the challenge `http-01` of an ACME server and nothing else.
    Acme,
}

impl Protocol {
    /// The word as it is written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pop3 => "pop3",
            Self::Lmtp => "lmtp",
            Self::Pop2 => "pop2",
            Self::Sasl => "sasl",
            Self::Acme => "acme",
        }
    }
}

impl Value for Protocol {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        if let DeValue::String(word) = written
            && word == "http"
        {
            return Err(Fault::new(
                format!("{word:?} is not served in this version"),
                "this version serves pop3, lmtp, sasl, pop2 and acme; take this listener out",
            ));
        }
        let words = [
            ("pop3", Self::Pop3),
            ("lmtp", Self::Lmtp),
            ("sasl", Self::Sasl),
            ("pop2", Self::Pop2),
            ("acme", Self::Acme),
        ];
        word(written, &words)
    }

    fn show(&self) -> Option<String> {
        Some(quote(self.as_str()))
    }
}

choice! {
    /// Which stored forms of passwords are replaced at a login.
    pub enum Upgrades {
        /// None.
        Never = "never",
        /// Hashes that there are better ones than.
        Hashes = "hashes",
        /// Those, and passwords that are stored as they are.
        All = "all",
    }
}

choice! {
    /// Encryption of a listener.
    pub enum TlsMode {
        /// Never.
        Off = "off",
        /// In clear until the client asks (STLS, STARTTLS).
        StartTls = "starttls",
        /// From the first octet.
        Implicit = "implicit",
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// `[auth]`: who may log in, and how.
    pub struct Auth {
        /// Where a password may be sent without TLS: `never`, `loopback` (also unix sockets) or `always`.
        /// Default `loopback`.
        plaintext_without_tls: Plaintext = Plaintext::Loopback;
        /// The SASL mechanisms that are offered, of those that can serve at least one account. Default: those that can
        /// serve every account, but CRAM-MD5.
        mechanisms: Option<Vec<String>> = None;
        /// Are USER and PASS offered? Default true.
        user_pass: bool = true;
        /// Is APOP offered where secrets are stored in plain text? Its digest is MD5. Default false.
        apop: bool = false;
        /// How accounts are named: `local` (`bob`) or `address` (`bob@example.org`). Default `local`.
        name: NameForm = NameForm::Local;
        /// The domains that are served; mail and logins for others are refused. Default: any domain.
        domains: Vec<String> = Vec::new();
        /// The domain of a name that was typed without one, where accounts are named by address. Default: none.
        default_domain: Option<String> = None;
        /// What separates a detail from the name in `bob+lists@example.org`; the detail is ignored. Empty: no details.
        /// Default `+`.
        detail: String = "+".to_owned();
        /// Are `Bob` and `bob` one account? Default true.
        lowercase: bool = true;
        /// The account that takes mail for `postmaster` where no account has that name. Default: none.
        postmaster: Option<String> = None;
        /// The account whose maildrop everybody may read, without a password, by ANONYMOUS. Default: none.
        anonymous: Option<String> = None;
        /// The SCRAM verifiers that `restante account` stores of a new password: any of `SCRAM-SHA-1`, `SCRAM-SHA-256` and
        /// `SCRAM-SHA-512`. Default `["SCRAM-SHA-256"]`.
        scram_verifiers: Vec<String> = vec!["SCRAM-SHA-256".to_owned()];
        /// The iterations of new SCRAM verifiers, and of those that are derived from secrets in plain text. The client pays
        /// for them at each login. Default 16,384.
        scram_iterations: u64 = 16_384, in 4_096..=1_000_000;
        /// Seconds from the arrival of credentials to the answer that they are wrong, whatever the work took; where that was
        /// longer, a whole multiple. Penalties of `[defence]` come on top. 0: at once. Default 2.
        fail_delay_s: u64 = 2, in 0..=30;
        /// Seconds for which a password that was right is remembered (as a keyed digest); 0 switches it off. Default 300.
        cache_s: u64 = 300, in 0..=86_400;
        /// How many of them are remembered at most, here and for each source that checks passwords itself. Default 100,000.
        cache_entries: u64 = 100_000, in 1..=100_000_000;
        /// Do passwords that are stored as MD5 or MD4 open accounts? Default false.
        allow_weak_schemes: bool = false;
        /// Which stored forms of passwords are replaced by Argon2id when their owner logs in with the password: `never`, `hashes` (those that are hashes
        /// and no SCRAM verifiers), or `all` (readable ones too, which APOP and CRAM-MD5 need). For the embedded accounts, and for databases
        /// with `upgrade`. Default `never`.
        upgrade_hashes: Upgrades = Upgrades::Never;
        /// Password hashes computed at the same time; 0 means one less than the processors, at least one. Logins to accounts that are
        /// known where they come from have as many places of their own, and as many to wait in. Default 0.
        hashes: u64 = 0, in 0..=1_024;
        /// Logins that wait for their hash; more are refused as temporarily unavailable. Default 512.
        hashes_waiting: u64 = 512, in 1..=1_000_000;
        /// Seconds that a login waits for its hash at most. Default 10.
        hash_wait_s: u64 = 10, in 1..=300;
    }
}

choice! {
    /// Where passwords may cross the wire in clear.
    pub enum Plaintext {
        /// Under TLS only.
        Never = "never",
        /// Under TLS, and between programs of this machine.
        Loopback = "loopback",
        /// Everywhere.
        Always = "always",
    }
}

choice! {
    /// How accounts are named.
    pub enum NameForm {
        /// By the part before the `@`.
        Local = "local",
        /// By the whole address.
        Address = "address",
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// `[lmtp]`: delivery.
    pub struct Lmtp {
        /// The largest message, in octets. Default 52,428,800 (50 MiB).
        message_octets_max: u64 = 52_428_800, in 65_536..=1_099_511_627_776;
        /// Recipients of one message. At least 100 (RFC 5321, 4.5.3.1.8). Default 1,000.
        recipients_max: u64 = 1_000, in 100..=100_000;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// `[limits]`: how much and how long.
    pub struct Limits {
        /// Connections at the same time, all listeners together. Default 20,000.
        sessions: u64 = 20_000, in 1..=10_000_000;
        /// Connections at the same time from one address (IPv6: one /64 network). Unix sockets are not counted.
        /// Default 100.
        sessions_per_address: u64 = 100, in 1..=10_000_000;
        /// Of `sessions`, in percent, what clients may take that have not logged in. A full part refuses nobody: whoever has been
        /// there for the longest makes room. Those from an address where somebody has logged in within `defence.known_s` are not
        /// among them. Default 50.
        strangers_percent: u64 = 50, in 1..=100;
        /// Sessions at the same time that are logged in to one account. Only one holds the maildrop; the others are
        /// told so. Default 10.
        sessions_per_account: u64 = 10, in 1..=10_000_000;
        /// Seconds from the connection, or the end of its handshake, to the first command. Default 30.
        first_command_s: u64 = 30, in 1..=86_400;
        /// Seconds from the connection to the login. Default 60.
        login_s: u64 = 60, in 1..=86_400;
        /// Seconds of silence that end a session after login. At least 600 (RFC 1939, 3). Default 600.
        autologout_s: u64 = 600, in 600..=86_400;
        /// Seconds that the peer may leave our octets unread. Default 300.
        write_s: u64 = 300, in 1..=86_400;
        /// Seconds that an LMTP peer may be silent. At least 300 (RFC 5321, 4.5.3.2.7). Default 300.
        lmtp_s: u64 = 300, in 300..=86_400;
        /// Seconds that a mail server may be silent that asks about its clients; it stays connected between them. Default 3,600.
        sasl_s: u64 = 3_600, in 60..=604_800;
        /// Logins at the same time through one connection of a mail server; one more is told to come again. Default 100.
        sasl_logins: u64 = 100, in 1..=100_000;
        /// Seconds for a TLS handshake. Default 30.
        handshake_s: u64 = 30, in 1..=3_600;
        /// Seconds that commands in progress get when the server is stopped. Default 30.
        drain_s: u64 = 30, in 0..=86_400;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// `[log]`: one line for each session, each delivery and each removed message.
    pub struct Log {
        /// `logfmt` (`key=value`) or `json`. Default `logfmt`.
        format: LogFormat = LogFormat::Logfmt;
        /// `stderr`, `stdout` or `file`. Default `stderr`.
        target: LogTarget = LogTarget::Stderr;
        /// The file of the target `file`; opened anew at SIGHUP.
        path: Option<PathBuf> = None;
        /// Is there a line for each message that is removed? Default true.
        deletions: bool = true;
    }
}

choice! {
    /// Forms of log lines.
    pub enum LogFormat {
        /// `key=value` pairs.
        Logfmt = "logfmt",
        /// One JSON object a line.
        Json = "json",
    }
}

choice! {
    /// Where log lines go.
    pub enum LogTarget {
        /// Standard error.
        Stderr = "stderr",
        /// Standard output.
        Stdout = "stdout",
        /// A file.
        File = "file",
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// `[server]`: the process.
    pub struct Process {
        /// Threads that serve sessions; 0 means one for each processor. Default 0.
        threads: u64 = 0, in 0..=1_024;
        /// Threads for what may wait for the disk. Default 64.
        disk_threads: u64 = 64, in 1..=4_096;
        /// The user of the system, by name or number, whom the server becomes when it was started as root, for good, as soon as
        /// its sockets are open. Never root. Default: none, and it goes on as who it was started as.
        user: Option<String> = None;
        /// The group, by name or number. Default: that of the user.
        group: Option<String> = None;
        /// Walls around the process, of files, ports and system calls, as far as the configuration lets them be known: `auto` (what
        /// the kernel has), `required` (the server does not start without all of them) or `off`. Default `auto`.
        confine: Confine = Confine::Auto;
        /// Folders that are read beside those that the configuration names: by libraries of the machine, or programs that are started.
        readable: Vec<PathBuf> = Vec::new();
        /// Folders that are written to beside those that the configuration names, by programs that are started.
        writable: Vec<PathBuf> = Vec::new();
    }
}

choice! {
    /// Walls around the process.
    pub enum Confine {
        /// Those that the kernel has.
        Auto = "auto",
        /// All, or no start.
        Required = "required",
        /// None.
        Off = "off",
    }
}

/// A configuration that is larger than this is none.
const CONFIGURATION_OCTETS_MAX: u64 = 16 * 1024 * 1024;
