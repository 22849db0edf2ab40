//! What must hold between keys, files and the machine before a configuration may be used.
//!
//! Everything is looked at; nothing stops at the first fault. Nothing is opened for good, bound or changed.

use super::source::SourcePart;
use super::{
    Address, Config, Confine, LineEnds, Listen, ListenWritten, LogTarget, MaildropType, Mode, NameForm,
    Plaintext, Process, Protocol, SourceTable, TlsMode, bulletins, pop3, quota,
};
use crate::assemble::{self, SCRAM_VERIFIERS};
use crate::file;
use crate::names;
use crate::walls::user::ServerUser;
use restante_config::problem::Problems;
use restante_config::section::Lines;
use restante_proto::sasl::Mechanism;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

/// Turns `[[listen]]` tables as written into listeners as meant.
pub(super) fn listeners(
    written: Vec<ListenWritten>,
    folder: &Path,
    config: &Config,
    lines: &Lines,
    problems: &mut Problems<'_>,
) -> Vec<Listen> {
    let has_certificate = config.has_certificate();
    if written.is_empty() && !lines.is_set("listen") {
        return default_listeners(has_certificate);
    }
    let mut listeners = Vec::new();
    for (position, written) in written.into_iter().enumerate() {
        let name = format!("listen.{position}");
        let missing = |key: &str| !lines.is_set(&format!("{name}.{key}"));
        if missing("protocol") {
            problems.error(
                lines.at(&name),
                "a listener without protocol",
                "add protocol = \"pop3\", \"lmtp\", \"sasl\", \"pop2\" or \"acme\"",
            );
        }
        let standard = written.protocol.and_then(standard_address);
        if missing("address") && standard.is_none() {
            problems.error(
                lines.at(&name),
                "a listener without address",
                "add address = \"IP:port\" or \"unix:/path\"",
            );
        }
        let (Some(protocol), Some(mut address)) = (written.protocol, written.address.or(standard)) else {
            continue;
        };
        if let Address::Unix(path) = &mut address {
            *path = folder.join(&*path);
        }
        let default = default_tls(protocol, &address, has_certificate);
        let ListenWritten { mode, owner, group, proxy_from, proxy_tls, .. } = written;
        let tls = written.tls.unwrap_or(default);
        let listen = Listen { protocol, address, tls, mode, owner, group, proxy_from, proxy_tls };
        one_listener(&listen, &name, has_certificate, lines, problems);
        if protocol == Protocol::Pop2 {
            pop2_listener(&listen, &name, config, lines, problems);
        }
        if protocol == Protocol::Acme && tls != TlsMode::Off {
            let what = "http-01 is asked for without TLS";
            problems.error(lines.at(&format!("{name}.tls")), what, "take tls out here");
        }
        if protocol == Protocol::Sasl {
            sasl_listener(&listen, &name, lines, problems);
        }
        socket_owner(&listen, &name, lines, problems);
        listeners.push((position, listen));
    }
    duplicates(&listeners, lines, problems);
    listeners.into_iter().map(|(_, listen)| listen).collect()
}

/// R1939-3.1, R8314-4.1: port 110, and 995 as soon as there is a certificate.
fn default_listeners(has_certificate: bool) -> Vec<Listen> {
    let any = |port| Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
    let pop3 = |port| {
        let address = any(port);
        let tls = default_tls(Protocol::Pop3, &address, has_certificate);
        let (protocol, mode, proxy_from) = (Protocol::Pop3, Mode(0o660), Vec::new());
        Listen { protocol, address, tls, mode, owner: None, group: None, proxy_from, proxy_tls: false }
    };
    let mut listeners = vec![pop3(110)];
    if has_certificate {
        listeners.push(pop3(995));
    }
    listeners
}

/// Where a listener listens that names no address. R937-p.1.1: POP2 has port 109 to itself.
fn standard_address(protocol: Protocol) -> Option<Address> {
    let any = |port| Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
    match protocol {
        Protocol::Pop2 => Some(any(109)),
        // RFC 8555 section 8.3
        Protocol::Acme => Some(any(80)),
        Protocol::Pop3 | Protocol::Lmtp | Protocol::Sasl => None,
    }
}

/// POP2 has no way to start TLS, and nothing but a password to log in with.
fn pop2_listener(listen: &Listen, name: &str, config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    if listen.tls == TlsMode::StartTls {
        return problems.error(
            lines.at(&format!("{name}.tls")),
            "POP2 knows no STARTTLS",
            "write tls = \"implicit\", or tls = \"off\"",
        );
    }
    // Behind a proxy that says who speaks TLS, the others are refused session by session.
    if listen.tls == TlsMode::Implicit || listen.proxy_tls {
        return;
    }
    let is_near = match &listen.address {
        Address::Tcp(address) => address.ip().is_loopback(),
        _ => true,
    };
    match config.auth.plaintext_without_tls {
        Plaintext::Never => problems.error(
            lines.at(name),
            format!(
                "POP2 on {} takes passwords in clear, which auth.plaintext_without_tls forbids",
                listen.address
            ),
            "write tls = \"implicit\" here, or take the listener out",
        ),
        Plaintext::Loopback if !is_near => problems.warning(
            lines.at(name),
            format!(
                "POP2 on {} refuses everybody but programs of this machine: it takes passwords in clear",
                listen.address
            ),
            "write tls = \"implicit\" here, or listen on 127.0.0.1",
        ),
        Plaintext::Loopback | Plaintext::Always => {}
    }
}

/// The protocol knows no TLS, and whoever speaks it is believed about where clients come from.
fn sasl_listener(listen: &Listen, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
    if listen.tls != TlsMode::Off {
        problems.error(
            lines.at(&format!("{name}.tls")),
            "mail servers speak no TLS when they ask about their clients",
            "take tls out here",
        );
    }
    match &listen.address {
        Address::Tcp(address) if !address.ip().is_loopback() => problems.error(
            lines.at(&format!("{name}.address")),
            format!("on {address} passwords would cross the network in clear, and anybody could try them"),
            "use a unix socket, or 127.0.0.1",
        ),
        Address::Tcp(_) => problems.warning(
            lines.at(&format!("{name}.address")),
            "every user of this machine can try passwords here, and say of himself that he comes from anywhere",
            "use a unix socket that the mail server alone may open",
        ),
        Address::Unix(_) if listen.mode.0 & 0o007 != 0 => problems.warning(
            lines.at(&format!("{name}.mode")),
            format!("every user of this machine can try passwords here (permissions {:04o})", listen.mode.0),
            "write mode = 0o660 and group = \"postfix\", or whose group the mail server has",
        ),
        Address::Unix(_) | Address::Inherited(_) => {}
    }
}

/// Whom a unix socket is given to.
fn socket_owner(listen: &Listen, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
    let owner = listen.owner.as_deref().map(|owner| ("owner", names::user(owner).err()));
    let group = listen.group.as_deref().map(|group| ("group", names::group(group).err()));
    for (key, error) in owner.into_iter().chain(group) {
        let at = lines.at(&format!("{name}.{key}"));
        if !matches!(listen.address, Address::Unix(_)) {
            problems.error(at, format!("{key}, but no unix socket"), format!("take {key} out here"));
        } else if let Some(error) = error {
            problems.error(at, format!("{key}: {error}"), "name one that the system knows, or its number");
        }
    }
}

fn default_tls(protocol: Protocol, address: &Address, has_certificate: bool) -> TlsMode {
    match (protocol, address) {
        (Protocol::Pop3, Address::Tcp(address)) if address.port() == 995 => TlsMode::Implicit,
        // R8314-4.2: what would fail is not offered.
        (Protocol::Pop3, _) if has_certificate => TlsMode::StartTls,
        _ => TlsMode::Off,
    }
}

fn one_listener(
    listen: &Listen,
    name: &str,
    has_certificate: bool,
    lines: &Lines,
    problems: &mut Problems<'_>,
) {
    if listen.tls != TlsMode::Off && !has_certificate {
        problems.error(
            lines.at(&format!("{name}.tls")),
            format!("{} needs TLS, but there is no certificate", listen.address),
            "set certificate and key in [tls], or tls = \"off\" here",
        );
    }
    if listen.proxy_tls && (listen.proxy_from.is_empty() || listen.tls == TlsMode::Implicit) {
        problems.error(
            lines.at(&format!("{name}.proxy_tls")),
            "proxy_tls without a proxy that ends the clients' TLS",
            "name the proxies in proxy_from and set tls = \"off\" or \"starttls\" here, or take proxy_tls out",
        );
    }
    match (&listen.protocol, &listen.address) {
        // R2033-5.1
        (Protocol::Lmtp, Address::Tcp(address)) if address.port() == 25 => problems.error(
            lines.at(&format!("{name}.address")),
            "LMTP must not be spoken on port 25 (RFC 2033, 5)",
            "use a unix socket, or another port such as 24",
        ),
        (Protocol::Lmtp, Address::Tcp(address)) if !address.ip().is_loopback() => problems.warning(
            lines.at(&format!("{name}.address")),
            format!("LMTP on {address} can be reached from other machines, and whoever reaches it can deliver mail"),
            "use a unix socket or 127.0.0.1, or guard the port with a packet filter",
        ),
        (_, Address::Unix(path)) => {
            let folder = path.parent().unwrap_or_else(|| Path::new("/"));
            if !file::is_folder(folder) {
                problems.error(
                    lines.at(&format!("{name}.address")),
                    format!("the folder of the socket {} does not exist", path.display()),
                    format!("make the folder {}, or use another path", folder.display()),
                );
            } else if file::exists(path) && !file::is_socket(path) {
                problems.error(
                    lines.at(&format!("{name}.address")),
                    format!("{} exists and is no socket", path.display()),
                    "take the file away, or use another path",
                );
            }
        }
        _ => {}
    }
}

/// Two listeners on one address. Each comes with its position in the file.
fn duplicates(listeners: &[(usize, Listen)], lines: &Lines, problems: &mut Problems<'_>) {
    let mut seen: HashMap<&Address, usize> = HashMap::new();
    for (position, listen) in listeners {
        // Port 0 is a free port each time.
        if matches!(&listen.address, Address::Tcp(address) if address.port() == 0) {
            continue;
        }
        if let Some(first) = seen.insert(&listen.address, *position) {
            problems.error(
                lines.at(&format!("listen.{position}.address")),
                format!(
                    "{} is listened on twice, first in line {}",
                    listen.address,
                    lines.at(&format!("listen.{first}.address"))
                ),
                "give one of the two another address, or take it out",
            );
        }
    }
}

/// Everything that does not concern listeners.
pub(super) fn rest(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    hostname(config, lines, problems);
    super::tls::check(config, lines, problems);
    super::acme::check(config, lines, problems);
    logins(config, lines, problems);
    mechanisms(config, lines, problems);
    super::token::check_all(config, lines, problems);
    super::source::check_all(config, lines, problems);
    super::defence::check(config, lines, problems);
    if config.auth.allow_weak_schemes {
        problems.warning(
            lines.at("auth.allow_weak_schemes"),
            "auth.allow_weak_schemes: whoever steals a password that is stored as MD5 or MD4 has it in no time",
            "let people set their passwords anew, then take the key out",
        );
    }
    maildrops(config, lines, problems);
    super::maildrop::check(&config.maildrop, lines, problems);
    unlisted(config, lines, problems);
    quota::check(&config.quota, lines, problems);
    pop3::check(&config.pop3, lines, problems);
    bulletins::check(&config.bulletins, lines, problems);
    last_logins(config, lines, problems);
    server_user(&config.server, lines, problems);
    walled_programs(config, lines, problems);
    super::board::check(&config.boards, lines, problems);
    super::submission::check(&config.submission, &config.state_dir, lines, problems);
    if config.log.target == LogTarget::File && config.log.path.is_none() {
        problems.error(
            lines.at("log.target"),
            "the log goes to a file that is not named",
            "add path = \"/var/log/restante.log\" to [log]",
        );
    }
    if config.limits.sessions_per_address > config.limits.sessions
        && lines.is_set("limits.sessions_per_address")
    {
        problems.warning(
            lines.at("limits.sessions_per_address"),
            "more sessions are allowed from one address than in all",
            "raise sessions, or lower sessions_per_address",
        );
    }
}

/// The user must be there and must not be root.
fn server_user(process: &Process, lines: &Lines, problems: &mut Problems<'_>) {
    match (&process.user, &process.group) {
        (None, None) => {}
        (None, Some(_)) => problems.error(
            lines.at("server.group"),
            "server.group, but no server.user",
            "set server.user, or take group out",
        ),
        (Some(user), group) => {
            if let Err(error) = ServerUser::named(user, group.as_deref()) {
                problems.error(
                    lines.at("server.user"),
                    format!("server.user: the server cannot become {user:?}: {error}"),
                    "name a user of the system that is not root and owns the mail",
                );
            }
        }
    }
}

/// Expiry visits the maildrops that can be found.
fn unlisted(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let is_unlisted = |table: &SourceTable| table.any.part != SourcePart::Passwords && !table.own.lists();
    if config.maildrop.expire.is_some() && config.sources.iter().any(is_unlisted) {
        problems.warning(
            lines.at("maildrop.expire"),
            "maildrop.expire: an [[auth.source]] cannot list its accounts, so the daily round does not visit their maildrops",
            "run `restante maildrop expire ACCOUNT` for these, or use a source that lists (file, embedded, sql with a query `list`, ldap with list_filter)",
        );
    }
}

/// Programs that are started live behind the same walls.
fn walled_programs(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let program = config.submission.command.as_ref().and_then(|words| words.first());
    let is_sendmail = program.is_some_and(|program| Path::new(program).ends_with("sendmail"));
    if is_sendmail && config.server.confine != Confine::Off {
        problems.warning(
            lines.at("submission.command"),
            "submission.command: behind the server's walls a sendmail that gets rights by its file (set-group-id, as Postfix's) cannot queue \
             mail",
            "write relay = \"smtp://127.0.0.1:25\" instead, or confine = \"off\" in [server]",
        );
    }
    if config.server.confine == Confine::Required
        && config.maildrop_roots().iter().any(|root| root == Path::new("/"))
    {
        problems.error(
            lines.at("server.confine"),
            "server.confine is \"required\", but maildrops may lie anywhere",
            "name the folders that they lie below in maildrop.roots, for instance [\"/home\"]",
        );
    }
}

/// A login delay is kept in the state folder. A missing one is made at the start.
fn last_logins(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let folder = &config.state_dir;
    if config.pop3.login_delay_s > 0 && file::exists(folder) && !file::is_folder(folder) {
        problems.error(
            lines.at("pop3.login_delay_s"),
            format!(
                "pop3.login_delay_s keeps the last logins in state_dir, but {} is no folder",
                folder.display()
            ),
            "name a folder that the server may write to with state_dir",
        );
    }
}

/// The name goes into a greeting, a message-id and a header: a host name and nothing else.
fn hostname(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let name = &config.hostname;
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        problems.error(
            lines.at("hostname"),
            format!("hostname: {name:?} is no host name"),
            "write the full name of this host, for instance mail.example.org",
        );
    }
}

/// Mechanisms and what they need.
fn mechanisms(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let auth = &config.auth;
    for name in auth.mechanisms.iter().flatten() {
        let what = match Mechanism::parse(name.as_bytes()) {
            None => {
                problems.error(
                    lines.at("auth.mechanisms"),
                    format!("auth.mechanisms: {name:?} is no mechanism of this version"),
                    format!("known here: {}", Mechanism::ALL.map(Mechanism::name).join(", ")),
                );
                continue;
            }
            Some(Mechanism::External) if config.tls.client_ca.is_none() => {
                ("the authority of the clients' certificates", "set client_ca in [tls]")
            }
            Some(Mechanism::Anonymous) if auth.anonymous.is_none() => {
                ("an account to be read", "set anonymous in [auth]")
            }
            Some(mechanism) if mechanism.is_token() && config.tokens.is_empty() => {
                ("somebody who knows tokens", "add [[auth.token]]")
            }
            Some(_) => continue,
        };
        problems.error(
            lines.at("auth.mechanisms"),
            format!("auth.mechanisms: {name} needs {}, and there is none", what.0),
            format!("{}, or take it out of mechanisms", what.1),
        );
    }
    for name in &auth.scram_verifiers {
        if !SCRAM_VERIFIERS.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            problems.error(
                lines.at("auth.scram_verifiers"),
                format!("auth.scram_verifiers: {name:?} is no verifier that is made here"),
                "known here: SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-512",
            );
        }
    }
    if let Some(name) = &auth.anonymous
        && let Err(why) = assemble::addresses(config).account_name(name.as_bytes())
    {
        problems.error(
            lines.at("auth.anonymous"),
            format!("auth.anonymous: {name:?} is no account: {why}"),
            "write the name of an account, as it is typed at a login",
        );
    }
}

fn logins(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let auth = &config.auth;
    // R1939-4.2: somebody must be able to log in.
    if !auth.user_pass && !auth.apop && auth.mechanisms.as_ref().is_some_and(Vec::is_empty) {
        problems.error(
            lines.at("auth.mechanisms"),
            "USER, APOP and all SASL mechanisms are switched off: nobody can log in",
            "leave mechanisms out, or set user_pass = true",
        );
    }
    if auth.detail.chars().count() > 1
        || auth.detail.chars().any(|letter| letter == '@' || letter == '/' || letter.is_control())
    {
        problems.error(
            lines.at("auth.detail"),
            format!("auth.detail: {:?} is not one character, or one that may separate a detail", auth.detail),
            "write one character such as \"+\", or \"\" for no details",
        );
    }
    if let Some(domain) = &auth.default_domain {
        if !auth.domains.is_empty() && !auth.domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain)) {
            problems.error(
                lines.at("auth.default_domain"),
                format!("auth.default_domain: {domain:?} is not one of auth.domains"),
                "add it to domains",
            );
        }
        if auth.name == NameForm::Local {
            problems.warning(
                lines.at("auth.default_domain"),
                "auth.default_domain has no effect where accounts are named without domain",
                "set name = \"address\", or take default_domain out",
            );
        }
    }
    if config.sources.is_empty() {
        problems.error(
            lines.at("auth"),
            "there is no source of accounts: nobody can log in and no mail can be delivered",
            "add [[auth.source]] with type = \"file\" and path, or with type = \"embedded\"",
        );
    }
}

fn maildrops(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let path = &config.maildrop.path;
    if !path.names_the_account() {
        problems.error(
            lines.at("maildrop.path"),
            format!("maildrop.path: {path} is one and the same for all accounts"),
            "put {account}, {local} or {home} into it",
        );
    } else if path.forgets_the_domain() && config.auth.name == NameForm::Address {
        problems.error(
            lines.at("maildrop.path"),
            format!("maildrop.path: with {path}, bob@one.example and bob@two.example share a maildrop"),
            "put {account} or {domain} into it, or set auth.name = \"local\"",
        );
    }
    mboxes(config, lines, problems);
    if let Some(marker) = &config.maildrop.marker
        && !file::exists(marker)
    {
        problems.warning(
            lines.at("maildrop.marker"),
            format!("maildrop.marker: {} does not exist, so no maildrop will be opened", marker.display()),
            "mount the file system of the maildrops, or make the file on it",
        );
    }
}

/// An mbox needs a folder of its own for each account, and has not everything that a Maildir has.
fn mboxes(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let maildrop = &config.maildrop;
    if maildrop.kind != MaildropType::Mbox {
        if maildrop.control.is_some() {
            let what = "maildrop.control: only an mbox has that";
            let remedy = "leave it out, or set maildrop.type = \"mbox\"";
            problems.error(lines.at("maildrop.control"), what, remedy);
        }
        return;
    }
    match &maildrop.control {
        None => problems.error(
            lines.at("maildrop.type"),
            "maildrop.type: an mbox without maildrop.control",
            "add control = \"/var/lib/restante/mbox/{account}\", a folder for Restante's own files",
        ),
        Some(control) => {
            let at = || lines.at("maildrop.control");
            if !control.names_the_account() {
                let what = format!("maildrop.control: {control} is one and the same for all accounts");
                problems.error(at(), what, "put {account}, {local} or {home} into it");
            } else if control.forgets_the_domain() && config.auth.name == NameForm::Address {
                let what = format!(
                    "maildrop.control: with {control}, bob@one.example and bob@two.example share a folder"
                );
                problems.error(at(), what, "put {account} or {domain} into it, or set auth.name = \"local\"");
            } else if *control == maildrop.path {
                let what = "maildrop.control: it is the mbox itself";
                problems.error(at(), what, "name a folder elsewhere");
            } else if !file::exists(&control.root()) {
                let what = format!("maildrop.control: {} does not exist", control.root().display());
                problems.warning(at(), what, "make it; the folders below are made by themselves");
            }
        }
    }
    if maildrop.line_ends == LineEnds::Crlf {
        let what = "maildrop.line_ends: an mbox has the line ends that other programs expect";
        problems.error(lines.at("maildrop.line_ends"), what, "leave it out");
    }
    if config.bulletins.path.is_some() {
        let what = "bulletins.path: bulletins are not for mboxes in this version";
        problems.error(lines.at("bulletins.path"), what, "leave it out, or set maildrop.type = \"maildir\"");
    }
}
