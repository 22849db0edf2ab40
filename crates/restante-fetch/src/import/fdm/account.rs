//! `account "name" pop3 …`: as written, and as meant.

use std::collections::BTreeMap;

use super::rules::{settle, untag};
use super::{Action, Global, Kind, Parser, Rule, Text};
use crate::import::{Account, Around, ImportError, Keep, Known, Note, Said, Tls, elsewhere, plain};
use crate::secret::SecretSource;

/// An account as it is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) line: usize,
    pub(super) name: String,
    disabled: Option<usize>,
    tls: (usize, Tls),
    host: Text,
    port: Option<(usize, Text)>,
    user: Option<(usize, Text)>,
    pass: Option<(usize, Text)>,
    cache: Option<(usize, Text)>,
    is_old_only: bool,
    keep: Option<usize>,
    flags: Vec<(usize, String)>,
}

impl Parser<'_> {
    /// What stands behind `account`; `None` when it is not POP3, which is noted.
    pub(super) fn account(&mut self, line: usize) -> Result<Option<Written>, ImportError> {
        let Text::Plain(name) = self.text()? else {
            return Err(ImportError::new(line, "the name of an account is a string"));
        };
        let disabled = self.keyword("disabled")?;
        self.users(line)?;
        let (type_line, kind) = self.name("the kind of an account")?;
        let mut written = Written {
            line,
            name,
            disabled,
            tls: (type_line, if kind == "pop3s" { Tls::Implicit } else { Tls::Off }),
            host: Text::Plain(String::new()),
            port: None,
            user: None,
            pass: None,
            cache: None,
            is_old_only: false,
            keep: None,
            flags: Vec::new(),
        };
        if !matches!(kind, "pop3" | "pop3s") || self.keyword("server")?.is_none() {
            let what =
                format!("the account `{}` is not collected by POP3 over TCP, and is left out", written.name);
            self.notes.push(Note { line, what });
            self.skip()?;
            return Ok(None);
        }
        written.host = self.text()?;
        self.account_options(&mut written)?;
        Ok(Some(written))
    }

    fn account_options(&mut self, written: &mut Written) -> Result<(), ImportError> {
        while let Some(token) = self.peek()? {
            let Kind::Name(word) = &token.kind else { return Ok(()) };
            let line = token.line;
            if super::STATEMENTS.contains(&word.as_str()) {
                return Ok(());
            }
            self.at += 1;
            match word.as_str() {
                "port" => written.port = Some((line, self.port()?)),
                "user" => written.user = Some((line, self.text()?)),
                "pass" => written.pass = Some((line, self.text()?)),
                "new-only" | "old-only" => {
                    written.is_old_only = word == "old-only";
                    if self.keyword("cache")?.is_none() {
                        return Err(ImportError::new(line, format!("`{word}` wants a cache")));
                    }
                    written.cache = Some((line, self.text()?));
                }
                "starttls" => written.tls = (line, Tls::Stls),
                "keep" => written.keep = Some(line),
                "no-apop" | "no-verify" | "no-uidl" | "insecure" | "xoauth2" | "oauthbearer" => {
                    written.flags.push((line, word.clone()));
                }
                other => return Err(ImportError::new(line, format!("an account has no `{other}`"))),
            }
        }
        Ok(())
    }
}

/// What it means.
pub(super) fn account(
    written: &Written,
    global: &Global,
    rules: &[Rule],
    actions: &BTreeMap<String, Action>,
    around: &Around<'_>,
) -> Result<Account, ImportError> {
    let filled = |text: &Text| match text {
        Text::Plain(text) => {
            Some(untag(text, &written.name, around.user, false).unwrap_or_else(|| text.clone()))
        }
        Text::Command(_) => None,
    };
    let host = filled(&written.host).unwrap_or_default();
    let user = written.user.as_ref().and_then(|(_, user)| filled(user)).unwrap_or_default();
    let mut account = Account::new(written.line, host, user);
    account.name = Some(written.name.clone());
    let (line, tls) = written.tls;
    account.tls = Said::at(line, tls);
    if let Some(line) = written.disabled {
        account.set_aside(line, "`disabled`: it is looked at only when it is named");
    }
    if account.user.is_empty() {
        account.set_aside(
            written.line,
            "its user stands in ~/.netrc, or is printed by a command; write it here",
        );
    }
    if let Some((line, port)) = &written.port {
        account.port = port_number(*line, port)?;
    }
    account.password = match &written.pass {
        Some((line, Text::Plain(text))) => Said::at(
            *line,
            plain(untag(text, &written.name, around.user, false).unwrap_or_else(|| text.clone())),
        ),
        Some((line, Text::Command(command))) => Said::at(*line, SecretSource::Shell(command.clone())),
        None => Said::unsaid(elsewhere(around, &account.host, &account.user)),
    };
    account.octets_max = global.octets_max.map(|(line, octets)| Said::at(line, octets));
    if let Some((line, proxy)) = &global.proxy {
        let proxy = proxy.trim_end_matches('/');
        let proxy = proxy
            .strip_prefix("socks://")
            .map_or_else(|| proxy.to_owned(), |rest| format!("socks5://{rest}"));
        account.proxy = Some(Said::at(*line, proxy));
    }
    flags(&mut account, written, global);
    // An action may say that everything stays, before the account does.
    settle(&mut account, &written.name, rules, actions, around);
    if let Some(line) = written.keep {
        account.keep = Said::at(line, Keep::All);
    }
    known(&mut account, written, around);
    Ok(account)
}

fn port_number(line: usize, port: &Text) -> Result<Option<Said<u16>>, ImportError> {
    let Text::Plain(port) = port else {
        return Err(ImportError::new(line, "a port that a command prints is not known here"));
    };
    match port.as_str() {
        "pop3" | "pop-3" | "pop3s" => Ok(None),
        number => match number.parse() {
            Ok(port) if port > 0 => Ok(Some(Said::at(line, port))),
            _ => Err(ImportError::new(line, "this is neither a port nor `pop3` nor `pop3s`")),
        },
    }
}

fn flags(account: &mut Account, written: &Written, global: &Global) {
    if written.tls.1 != Tls::Off && !global.verifies {
        account.note(
            written.tls.0,
            "fdm verifies certificates only with `set verify-certificates`; restante verifies every one",
        );
    }
    for (line, flag) in &written.flags {
        let what = match flag.as_str() {
            "no-verify" => {
                "restante verifies every certificate; if it cannot be verified, give its authority (tls.ca) or its key (tls.pins)"
            }
            "no-uidl" => "restante collects by unique-ids; for a server without, `unique_ids = \"header\"`",
            "insecure" => "restante speaks TLS 1.2 and 1.3",
            "xoauth2" | "oauthbearer" => {
                "restante can fetch and renew tokens itself: `oauth` and `restante login`"
            }
            _ => continue,
        };
        account.note(*line, format!("`{flag}`: {what}"));
    }
}

fn known(account: &mut Account, written: &Written, around: &Around<'_>) {
    let Some((line, cache)) = &written.cache else { return };
    if written.is_old_only {
        account.set_aside(*line, "`old-only`: restante fetches what is new");
    }
    let path = match cache {
        Text::Plain(path) => untag(path, &written.name, around.user, true),
        Text::Command(_) => None,
    };
    match path {
        Some(path) => {
            let (host, user) = (account.host.clone(), account.user.clone());
            account.known = Some(Known { path: path.replace("${HOME}", "~"), host, user });
        }
        None => account.note(*line, "where the cache is, is not known here; name it with --ids"),
    }
}
