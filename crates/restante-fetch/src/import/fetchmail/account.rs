//! What an entry of a `.fetchmailrc` means: an account for each of its users.

use std::fmt::Write as _;

use super::{Entry, Global, Set, User};
use crate::import::{Account, Around, Delivery, ImportError, Keep, Known, Said, Tls, elsewhere, plain};

/// The account of `user` at the server of `entry`.
pub(super) fn account(
    entry: &Entry,
    user: &User,
    defaults: &Entry,
    global: &Global,
    around: &Around<'_>,
) -> Result<Account, ImportError> {
    let none = User::default();
    let common = defaults.users.first().unwrap_or(&none);
    let server = &entry.server;
    let via = first(&server.via, &defaults.server.via);
    let host = via.map_or(&entry.name, |(_, name)| name).clone();
    let remote = first(&user.remote, &common.remote).map_or(around.user, |(_, name)| name).to_owned();
    let mut account = Account::new(user.line, host, remote);
    account.name = via.map(|_| entry.name.clone());
    if entry.is_skipped {
        account.set_aside(entry.line, "`skip`: it is looked at only when it is named");
    }
    protocol(&mut account, entry, defaults);
    port(&mut account, first(&server.service, &defaults.server.service))?;
    protection(&mut account, user, common);
    account.password = match first(&user.password, &common.password) {
        Some((line, password)) => Said::at(*line, plain(password.clone())),
        None => Said::unsaid(elsewhere(around, &account.host, &account.user)),
    };
    account.keep = match first(&user.keep, &common.keep) {
        Some((line, true)) => Said::at(*line, Keep::All),
        Some((line, false)) => Said::at(*line, Keep::None),
        None => Said::unsaid(Keep::None),
    };
    account.octets_max = first(&user.limit, &common.limit)
        .filter(|(_, octets)| *octets > 0)
        .map(|(line, octets)| Said::at(*line, *octets));
    account.interval_s = interval(entry, defaults, global);
    destination(&mut account, user, common, around);
    for notes in [&defaults.server.notes, &common.notes, &server.notes, &user.notes] {
        account.notes.extend(notes.iter().cloned());
    }
    account.known = Some(Known {
        path: global.idfile.as_ref().map_or("~/.fetchids", |(_, path)| path).to_owned(),
        host: account.host.clone(),
        user: account.user.clone(),
    });
    Ok(account)
}

/// What the entry says, else what `defaults` says.
fn first<'a, T>(own: &'a Set<T>, common: &'a Set<T>) -> Option<&'a (usize, T)> {
    own.as_ref().or(common.as_ref())
}

fn protocol(account: &mut Account, entry: &Entry, defaults: &Entry) {
    let (server, common) = (&entry.server, &defaults.server);
    match first(&server.protocol, &common.protocol).map(|(line, protocol)| (*line, protocol.as_str())) {
        Some((_, "pop3")) => {}
        Some((line, "apop")) => account.auth = Some(Said::at(line, "+APOP".to_owned())),
        Some((line, "auto")) => account.note(line, "`auto` tried IMAP first; this is POP3"),
        None => account.note(entry.line, "without `protocol`, IMAP was tried first; this is POP3"),
        Some((line, "sdps")) => account.set_aside(line, "SDPS is for a maildrop of several people"),
        Some((line, _)) => account.set_aside(line, "restante collects by POP3 only"),
    }
    if let Some((line, auth)) = first(&server.auth, &common.auth) {
        match auth.as_str() {
            "any" | "password" => {}
            "cram" | "cram-md5" => account.auth = Some(Said::at(*line, "CRAM-MD5".to_owned())),
            "external" => account.auth = Some(Said::at(*line, "EXTERNAL".to_owned())),
            other => {
                let other = other.to_owned();
                account.note(
                    *line,
                    format!("`auth {other}`: restante takes the safest way that the server knows"),
                );
            }
        }
    }
    if let Some((line, _)) = first(&server.plugin, &common.plugin) {
        account.set_aside(*line, "`plugin`: restante connects by itself, or through a proxy");
    }
}

fn port(account: &mut Account, service: Option<&(usize, String)>) -> Result<(), ImportError> {
    let Some((line, service)) = service else { return Ok(()) };
    let port = match service.as_str() {
        "pop3" | "pop-3" | "pop3s" => return Ok(()),
        number => number.parse::<u16>().ok().filter(|port| *port > 0),
    };
    let port =
        port.ok_or_else(|| ImportError::new(*line, "this is neither a port nor `pop3` nor `pop3s`"))?;
    account.port = Some(Said::at(*line, port));
    Ok(())
}

fn protection(account: &mut Account, user: &User, common: &User) {
    let proto = first(&user.sslproto, &common.sslproto);
    account.tls = match (first(&user.ssl, &common.ssl), proto) {
        (Some((line, true)), _) => Said::at(*line, Tls::Implicit),
        (_, Some((line, version))) if version.is_empty() => Said::at(*line, Tls::Off),
        (_, Some((line, _))) => Said::at(*line, Tls::Stls),
        _ => Said::unsaid(Tls::Stls),
    };
    if let Some((line, version)) = proto
        && !matches!(
            version.to_ascii_lowercase().as_str(),
            "" | "auto" | "tls1.2+" | "tls1.2" | "tls1.3" | "tls1.3+"
        )
    {
        account.note(*line, "`sslproto`: restante speaks TLS 1.2 and 1.3");
    }
    if let Some((line, false)) = first(&user.sslcertck, &common.sslcertck) {
        account.note(
            *line,
            "`no sslcertck`: restante verifies every certificate; if it cannot be verified, give its authority (tls.ca) or its key (tls.pins)",
        );
    }
    let path = |own: &Set<String>, common: &Set<String>| {
        first(own, common).map(|(line, path)| Said::at(*line, path.clone()))
    };
    account.authorities = path(&user.sslcertfile, &common.sslcertfile);
    account.certificate = path(&user.sslcert, &common.sslcert);
    account.key = path(&user.sslkey, &common.sslkey);
    if account.certificate.is_some() != account.key.is_some() {
        // fetchmail takes one file for both.
        let both = account.certificate.clone().or_else(|| account.key.clone());
        account.certificate = account.certificate.take().or_else(|| both.clone());
        account.key = account.key.take().or(both);
    }
}

fn interval(entry: &Entry, defaults: &Entry, global: &Global) -> Option<Said<u64>> {
    let (line, seconds) = global.daemon.as_ref().filter(|(_, seconds)| *seconds > 0)?;
    let turns = first(&entry.server.interval, &defaults.server.interval);
    let (line, turns) = turns.map_or((*line, 1), |(line, turns)| (*line, *turns));
    Some(Said::at(line, seconds.saturating_mul(turns.max(1))))
}

fn destination(account: &mut Account, user: &User, common: &User, around: &Around<'_>) {
    if let Some((line, ())) = first(&user.is_multidrop, &common.is_multidrop) {
        account.set_aside(
            *line,
            "this is a maildrop of several people, whose mail fetchmail would tell apart by its header; let an LMTP server or a program do that",
        );
    }
    let locals = if user.local.is_empty() { &common.local } else { &user.local };
    let local = locals.first().map_or(around.user, |(_, name)| name);
    if let Some((line, _)) = first(&user.bsmtp, &common.bsmtp) {
        account.set_aside(*line, "`bsmtp`: restante writes no batches");
        return;
    }
    if let Some((line, command)) = first(&user.mda, &common.mda) {
        let (command, has_sender) = mda(command, local);
        if has_sender {
            account.note(*line, "`%F`: restante knows no envelope sender; it is empty in the command");
        }
        account.deliver.push(Said::at(*line, Delivery::Shell(command)));
        return;
    }
    let hunt = if user.smtphost.is_empty() { &common.smtphost } else { &user.smtphost };
    if let Some((line, _)) = hunt.get(1) {
        account.note(*line, "`smtphost`: only the first of them is delivered to");
    }
    let lmtp = first(&user.lmtp, &common.lmtp);
    let (said, listener) = match (hunt.first(), lmtp) {
        (Some((line, host)), _) => (Some(*line), host.as_str()),
        (None, Some((line, ()))) => (Some(*line), "localhost"),
        (None, None) => (None, "localhost"),
    };
    let (host, port) =
        listener.rsplit_once('/').filter(|_| !listener.starts_with('/')).unwrap_or((listener, ""));
    let domain = first(&user.smtpaddress, &common.smtpaddress).map(|(_, domain)| domain.as_str());
    let listens_at = if listener.starts_with('/') { "localhost" } else { host };
    let domain = domain.unwrap_or(listens_at);
    let recipient = match first(&user.smtpname, &common.smtpname) {
        Some((_, address)) => address.clone(),
        None if local.contains('@') => local.to_owned(),
        None => format!("{local}@{domain}"),
    };
    let delivery = if listener.starts_with('/') {
        Delivery::Lmtp(listener.to_owned(), recipient)
    } else if lmtp.is_some() {
        if port.is_empty() {
            account.set_aside(said.unwrap_or(account.line), "`lmtp` without the port of a server");
        }
        Delivery::Lmtp(format!("{host}:{port}"), recipient)
    } else {
        let port = if port.is_empty() || port == "smtp" { "25" } else { port };
        Delivery::Smtp(format!("{host}:{port}"), recipient)
    };
    account.deliver.push(Said { value: delivery, line: said });
}

/// The command with `%T` filled in as fetchmail would, in single quotes, and with an empty `%F`; and whether it had that.
fn mda(command: &str, local: &str) -> (String, bool) {
    let (mut filled, mut has_sender) = (String::new(), false);
    let mut rest = command;
    while let Some((before, behind)) = rest.split_once('%') {
        filled.push_str(before);
        rest = match behind.as_bytes().first() {
            Some(b'T') => {
                let _ = write!(filled, "'{}'", local.replace('\'', ""));
                behind.get(1..).unwrap_or_default()
            }
            Some(b'F') => {
                has_sender = true;
                filled.push_str("''");
                behind.get(1..).unwrap_or_default()
            }
            _ => {
                filled.push('%');
                behind
            }
        };
    }
    filled.push_str(rest);
    (filled, has_sender)
}
