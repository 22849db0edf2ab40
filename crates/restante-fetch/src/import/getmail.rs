//! `getmailrc`: sections of keys and values, as Python's RawConfigParser reads them; lists are Python tuples.

mod ini;

use super::{Account, Delivery, ImportError, Imported, Keep, Kind, Known, Note, Said, Tls, plain};
use crate::secret::SecretSource;
use ini::{Ini, strings};

/// Reads it. One file is one account.
pub(super) fn read(text: &str) -> Result<Imported, ImportError> {
    let ini = Ini::read(text)?;
    let retriever = ini.section("retriever")?;
    let (type_line, retriever_type) = ini.want(retriever, "type")?;
    let server = ini.want(retriever, "server")?.1;
    let user = ini.want(retriever, "username")?.1;
    let mut account = Account::new(retriever, server.to_owned(), user.to_owned());
    let is_tls = retriever_type.contains("SSL");
    match retriever_type {
        "SimplePOP3Retriever" | "SimplePOP3SSLRetriever" => {}
        "BrokenUIDLPOP3Retriever" | "BrokenUIDLPOP3SSLRetriever" => account.set_aside(
            type_line,
            "its server has no unique-ids that last: `unique_ids = \"header\"` may do, and everything is collected once more",
        ),
        other if other.starts_with("Multidrop") && other.contains("POP3") => account.set_aside(
            type_line,
            "this is a maildrop of several people, whose mail getmail would tell apart by a header field; let an LMTP server or a program do that",
        ),
        _ => account.set_aside(type_line, "restante collects by POP3 only"),
    }
    account.tls = Said::at(type_line, if is_tls { Tls::Implicit } else { Tls::Off });
    let port = ini.number::<u16>(retriever, "port")?.filter(|(_, port)| *port > 0);
    account.port = port.map(|(line, port)| Said::at(line, port));
    login(&mut account, &ini, retriever)?;
    destination(&mut account, &ini, "destination", 0)?;
    options(&mut account, &ini)?;
    let filters = ini.sections().filter(|(_, name)| name.to_ascii_lowercase().starts_with("filter"));
    for (line, name) in filters {
        account.note(
            line,
            format!("[{name}]: restante has no filters; deliver to a program that filters, or write rules"),
        );
    }
    let port = account.port.as_ref().map_or(if is_tls { 995 } else { 110 }, |port| port.value);
    account.known = Some(Known {
        path: file_name(&format!("oldmail-{}-{port}-{}", account.host, account.user)),
        host: account.host.clone(),
        user: account.user.clone(),
    });
    let notes: Vec<Note> = Vec::new();
    Ok(Imported { kind: Kind::Getmail, accounts: vec![account], notes })
}

/// As getmail names a file: every run of `/\:;<>|` is one `-`.
fn file_name(name: &str) -> String {
    let mut out = String::new();
    let mut in_run = false;
    for sign in name.chars() {
        let is_unsafe = "/\\:;<>|".contains(sign);
        match (is_unsafe, in_run) {
            (true, false) => out.push('-'),
            (true, true) => {}
            (false, _) => out.push(sign),
        }
        in_run = is_unsafe;
    }
    out
}

fn login(account: &mut Account, ini: &Ini, section: usize) -> Result<(), ImportError> {
    account.password = if let Some((line, password)) = ini.value(section, "password") {
        Said::at(line, plain(password.to_owned()))
    } else if let Some((line, command)) = ini.value(section, "password_command") {
        let words = strings(command).filter(|words| !words.is_empty()).ok_or_else(|| {
            ImportError::new(line, "password_command is a tuple of strings: (\"program\", \"argument\")")
        })?;
        Said::at(line, SecretSource::Command(words))
    } else if let Some((line, true)) = ini.boolean("options", "use_netrc")? {
        let file = ini.option("netrc_file").map(|(_, file)| path(file).into());
        Said::at(line, SecretSource::Netrc(file))
    } else {
        Said::unsaid(SecretSource::Prompt)
    };
    if let Some((line, true)) = ini.boolean_in(section, "use_apop")? {
        account.auth = Some(Said::at(line, "+APOP".to_owned()));
    }
    if let Some((line, true)) = ini.boolean_in(section, "use_xoauth2")? {
        account.auth = Some(Said::at(line, "XOAUTH2".to_owned()));
        account.note(
            line,
            "the password is a token; restante can fetch and renew one itself: `oauth` and `restante login`",
        );
    }
    let file = |key| ini.value(section, key).map(|(line, file)| Said::at(line, path(file)));
    account.authorities = file("ca_certs");
    account.certificate = file("certfile");
    account.key = file("keyfile");
    if account.certificate.is_some() && account.key.is_none() {
        account.key = account.certificate.clone();
    }
    if account.tls.value == Tls::Implicit && account.authorities.is_none() {
        account.note(
            account.tls.line.unwrap_or(account.line),
            "getmail verifies no certificate unless ca_certs is there; restante verifies every one",
        );
    }
    for (key, what) in RETRIEVER {
        if let Some((line, _)) = ini.value(section, key) {
            account.note(line, format!("`{key}`: {what}"));
        }
    }
    Ok(())
}

/// What a destination's section says; `depth` counts destinations that name others.
fn destination(account: &mut Account, ini: &Ini, name: &str, depth: usize) -> Result<(), ImportError> {
    let section = ini.section(name)?;
    let (line, kind) = ini.want(section, "type")?;
    let delivery = match kind {
        "Maildir" => Delivery::Maildir(path(ini.want(section, "path")?.1)),
        "Mboxrd" => Delivery::Mbox(path(ini.want(section, "path")?.1)),
        "MDA_external" => external(account, ini, section)?,
        "MDA_lmtp" => {
            let host = ini.want(section, "host")?.1;
            let server = match ini.number::<u16>(section, "port")? {
                Some((_, port)) => format!("{host}:{port}"),
                None => path(host),
            };
            let recipient =
                ini.value(section, "override").map_or(account.user.as_str(), |(_, address)| address);
            Delivery::Lmtp(server, recipient.to_owned())
        }
        "MultiDestination" if depth < DEPTH_MAX => {
            let (line, list) = ini.want(section, "destinations")?;
            let list = strings(list).ok_or_else(|| {
                ImportError::new(line, "destinations is a tuple of strings: (\"[a]\", \"[b]\")")
            })?;
            for one in list {
                match one.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                    Some(name) => destination(account, ini, name, depth + 1)?,
                    None if one.ends_with('/') => {
                        account.deliver.push(Said::at(line, Delivery::Maildir(path(&one))));
                    }
                    None => account.deliver.push(Said::at(line, Delivery::Mbox(path(&one)))),
                }
            }
            return Ok(());
        }
        other => {
            let other: String = other.chars().take(40).collect();
            account.set_aside(
                line,
                format!("`{other}`: there is no counterpart; let an LMTP server or a program sort the mail"),
            );
            return Ok(());
        }
    };
    for (key, what) in DESTINATION {
        if let Some((line, _)) = ini.value(section, key) {
            account.note(line, format!("`{key}`: {what}"));
        }
    }
    account.deliver.push(Said::at(line, delivery));
    Ok(())
}

fn external(account: &mut Account, ini: &Ini, section: usize) -> Result<Delivery, ImportError> {
    let mut words = vec![path(ini.want(section, "path")?.1)];
    if let Some((line, arguments)) = ini.value(section, "arguments") {
        let arguments = strings(arguments)
            .ok_or_else(|| ImportError::new(line, "arguments is a tuple of strings: (\"-d\", \"alice\")"))?;
        if arguments.iter().any(|word| word.contains("%(")) {
            account.set_aside(
                line,
                "the program is given sender or recipient of the envelope, which only LMTP and SMTP know here",
            );
        }
        words.extend(arguments);
    }
    if let Some((line, true)) = ini.boolean_in(section, "unixfrom")? {
        account.note(line, "`unixfrom`: a program gets the message as it is, without a From_ line");
    }
    Ok(Delivery::Command(words))
}

fn options(account: &mut Account, ini: &Ini) -> Result<(), ImportError> {
    let delete = ini.boolean("options", "delete")?;
    let section = ini.section("options").ok();
    let days = match section {
        Some(section) => ini.number::<u32>(section, "delete_after")?.filter(|(_, days)| *days > 0),
        None => None,
    };
    account.keep = match (delete, days) {
        (Some((line, true)), _) => Said::at(line, Keep::None),
        (_, Some((line, days))) => Said::at(line, Keep::Days(days)),
        (Some((line, false)), None) => Said::at(line, Keep::All),
        (None, None) => Said::unsaid(Keep::All),
    };
    for (key, field) in [("received", "received"), ("delivered_to", "delivered-to")] {
        if let Some((line, true)) = ini.boolean("options", key)? {
            account.add_headers.push(Said::at(line, field));
        }
    }
    let Some(section) = section else { return Ok(()) };
    account.octets_max = ini
        .number::<u64>(section, "max_message_size")?
        .filter(|(_, octets)| *octets > 0)
        .map(|(line, octets)| Said::at(line, octets));
    for (key, what) in OPTIONS {
        if let Some((line, value)) = ini.value(section, key)
            && value != "0"
        {
            account.note(line, format!("`{key}`: {what}"));
        }
    }
    if let Some((line, true)) = ini.boolean("options", "read_all")? {
        account.note(line, "`read_all`: restante fetches every message once");
    }
    Ok(())
}

/// A path with getmail's `$HOME` and `${HOME}` as fetch.toml writes them.
fn path(written: &str) -> String {
    let mut out = String::new();
    let mut rest = written;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let end =
            behind.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_')).unwrap_or(behind.len());
        let (name, after) = behind.split_at_checked(end).unwrap_or((behind, ""));
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str("${");
            out.push_str(name);
            out.push('}');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Deeper than anybody nests destinations.
const DEPTH_MAX: usize = 8;

const RETRIEVER: &[(&str, &str)] = &[
    ("timeout", "restante has time limits of its own"),
    ("delete_dup_msgids", "messages that share a unique-id are told apart, and all are fetched"),
    (
        "ssl_fingerprints",
        "restante pins keys and not certificates: tls.pins. The certificate is verified by the authorities",
    ),
    ("ssl_version", "restante speaks TLS 1.2 and 1.3"),
    ("ssl_ciphers", "restante speaks TLS 1.2 and 1.3"),
    ("ssl_cert_hostname", "the certificate has to be that of the server's name"),
];

const DESTINATION: &[(&str, &str)] = &[
    ("user", "restante delivers as whoever runs it"),
    ("group", "restante delivers as whoever runs it"),
    ("filemode", "files are for their owner alone"),
    ("locktype", "restante takes both locks, as mail programs do"),
];

const OPTIONS: &[(&str, &str)] = &[
    (
        "delete_bigger_than",
        "restante deletes no message for its size; a rule may: `larger` and `then = \"delete\"`",
    ),
    ("max_messages_per_session", "a pass fetches all that is there"),
    ("max_bytes_per_session", "a pass fetches all that is there"),
    ("message_log", "`restante fetch --json` tells what happens to each message"),
];
