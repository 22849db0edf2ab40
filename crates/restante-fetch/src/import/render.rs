//! The `fetch.toml` that an import comes to, with where everything was said.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use restante_config::value::{Size, Span, quote};
use restante_proto::secret::Secret;

use zeroize::Zeroizing;

use super::{Account, Delivery, Imported, Keep, Kind, Note, Said, Tls};
use crate::config::{self, place};
use crate::secret::SecretSource;

/// Whether the text holds the passwords that the other configuration holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// As they are.
    Shown,
    /// In their place stands that they are asked for.
    Hidden,
}

/// The text, which may hold passwords: it is for a file that its owner alone can read. `from` is the configuration that was
/// read: its folder is where relative paths start.
#[must_use]
pub fn render(imported: &Imported, from: &Path, passwords: Passwords) -> Secret {
    let mut out = String::new();
    let kind = imported.kind;
    let from_shown = from.display().to_string();
    let _ = writeln!(
        out,
        "# Taken over from {kind}: {}. The number behind a key is its line there.",
        one_line(&from_shown)
    );
    for note in &imported.notes {
        let _ = writeln!(out, "# {}: {}", note.line, one_line(&note.what));
    }
    let folder = from.parent().unwrap_or_else(|| Path::new(""));
    for account in &imported.accounts {
        out.push('\n');
        // What is a comment needs no password.
        let hides = passwords == Passwords::Hidden || account.set_aside.is_some();
        let writer = Writer { kind, folder, account, hides };
        match &account.set_aside {
            None => out.push_str(&writer.account()),
            Some(note) => {
                let _ = writeln!(out, "# {}: not taken over: {}", note.line, one_line(&note.what));
                for line in writer.account().lines() {
                    let _ = writeln!(out, "#{line}");
                }
            }
        }
    }
    Secret::new(out.into_bytes())
}

/// Why fetch.toml would not take an account as it would be written, with the line of the other configuration that says so. Whatever
/// its paths, addresses and numbers are: what must hold of them is said in `config` alone.
pub(super) fn fault(kind: Kind, account: &Account) -> Option<Note> {
    let writer = Writer { kind, folder: Path::new("/"), account, hides: false };
    let written = Zeroizing::new(writer.account());
    let around = place::Around {
        home: Some(Path::new("/")),
        environment: &|_| Some("/".into()),
        is_root: false,
        mode: Some(0o600),
    };
    let problems = config::parse(&written, Path::new("/fetch.toml"), &around).err()?;
    let problem = problems.first()?;
    let place = problem.line.checked_sub(1).and_then(|line| written.lines().nth(line));
    let line = place.and_then(|line| line.rsplit_once("  # ")?.1.split(' ').next()?.parse().ok());
    let what = problem.what.strip_prefix("account.0.").unwrap_or(&problem.what);
    Some(Note { line: line.unwrap_or(account.line), what: format!("{what}; {}", problem.remedy) })
}

struct Writer<'a> {
    kind: Kind,
    folder: &'a Path,
    account: &'a Account,
    /// Whether passwords stay out.
    hides: bool,
}

impl Writer<'_> {
    fn account(&self) -> String {
        let account = self.account;
        let mut out = String::new();
        self.put(&mut out, "[[account]]", Some(account.line));
        let keyed = |out: &mut String, key: &str, value: String, line: Option<usize>| {
            self.put(out, &format!("{key} = {value}"), line);
        };
        if let Some(name) = &account.name {
            keyed(&mut out, "name", quote(name), Some(account.line));
        }
        let line = account.port.as_ref().and_then(|port| port.line).or(account.tls.line);
        keyed(&mut out, "server", quote(&account.url()), line.or(Some(account.line)));
        keyed(&mut out, "user", quote(&account.user), Some(account.line));
        if account.tls.value == Tls::Off {
            keyed(&mut out, "security", quote("none"), account.tls.line);
        }
        if let Some(auth) = &account.auth {
            keyed(&mut out, "auth", quote(&auth.value), auth.line);
        }
        keyed(&mut out, "password", self.password(), account.password.line);
        if let Some((tls, line)) = self.tls() {
            keyed(&mut out, "tls", tls, line);
        }
        if let Some(proxy) = &account.proxy {
            keyed(&mut out, "proxy", quote(&proxy.value), proxy.line);
        }
        self.deliver(&mut out);
        keyed(&mut out, "keep", keep(account.keep.value), account.keep.line);
        if let Some(size) = &account.octets_max {
            keyed(&mut out, "max_size", quote(&Size(size.value).to_string()), size.line);
        }
        if let Some(interval) = &account.interval_s {
            let seconds = interval.value.clamp(INTERVAL_S_MIN, INTERVAL_S_MAX);
            let shown = Span(Duration::from_secs(seconds)).to_string();
            keyed(&mut out, "interval", quote(&shown), interval.line);
        }
        if let Some(first) = account.add_headers.first() {
            let fields: Vec<String> = account.add_headers.iter().map(|field| quote(field.value)).collect();
            keyed(&mut out, "add_headers", format!("[{}]", fields.join(", ")), first.line);
        }
        for note in &account.notes {
            let _ = writeln!(out, "# {}: {}", note.line, one_line(&note.what));
        }
        out
    }

    /// A line, and where it comes from.
    fn put(&self, out: &mut String, text: &str, line: Option<usize>) {
        let _ = match line {
            Some(line) => writeln!(out, "{text}  # {line}"),
            None => writeln!(out, "{text}  # as {} does unless it is told otherwise", self.kind),
        };
    }

    fn password(&self) -> String {
        let words = |words: &[String]| words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(", ");
        match &self.account.password.value {
            SecretSource::Plain(_) if self.hides => "{ prompt = true }".to_owned(),
            SecretSource::Plain(secret) => quote(&String::from_utf8_lossy(secret.expose())),
            SecretSource::Command(command) => format!("{{ command = [{}] }}", words(command)),
            SecretSource::Shell(line) => format!("{{ shell = {} }}", quote(line)),
            SecretSource::Environment(name) => format!("{{ env = {} }}", quote(name)),
            SecretSource::File(path) => format!("{{ file = {} }}", quote(&path.to_string_lossy())),
            SecretSource::Keyring { service, user } => match user {
                Some(user) => format!("{{ keyring = {}, user = {} }}", quote(service), quote(user)),
                None => format!("{{ keyring = {} }}", quote(service)),
            },
            SecretSource::Netrc(None) => "{ netrc = true }".to_owned(),
            SecretSource::Netrc(Some(path)) => format!("{{ netrc = {} }}", quote(&path.to_string_lossy())),
            SecretSource::Prompt => "{ prompt = true }".to_owned(),
        }
    }

    fn tls(&self) -> Option<(String, Option<usize>)> {
        let account = self.account;
        let files =
            [("ca", &account.authorities), ("certificate", &account.certificate), ("key", &account.key)];
        let files: Vec<(&str, &Said<String>)> =
            files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?))).collect();
        let (_, first) = files.first()?;
        let shown: Vec<String> =
            files.iter().map(|(key, file)| format!("{key} = {}", self.path(&file.value))).collect();
        Some((format!("{{ {} }}", shown.join(", ")), first.line))
    }

    fn deliver(&self, out: &mut String) {
        if self.account.deliver.is_empty() {
            return;
        }
        let _ = writeln!(out, "deliver = [");
        for delivery in &self.account.deliver {
            let sink = match &delivery.value {
                Delivery::Maildir(path) => format!("type = \"maildir\", path = {}", self.path(path)),
                Delivery::Mbox(path) => format!("type = \"mbox\", path = {}", self.path(path)),
                Delivery::Shell(line) => {
                    format!("type = \"command\", command = [\"/bin/sh\", \"-c\", {}]", quote(line))
                }
                Delivery::Command(words) => {
                    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
                    format!("type = \"command\", command = [{}]", words.join(", "))
                }
                Delivery::Lmtp(server, recipient) => {
                    let socket = if server.starts_with('/') { "unix:" } else { "" };
                    let server = quote(&format!("{socket}{server}"));
                    format!("type = \"lmtp\", server = {server}, recipient = {}", quote(recipient))
                }
                Delivery::Smtp(server, recipient) => {
                    format!("type = \"smtp\", server = {}, recipient = {}", quote(server), quote(recipient))
                }
            };
            self.put(out, &format!("    {{ {sink} }},"), delivery.line);
        }
        let _ = writeln!(out, "]");
    }

    /// A path: a relative one started where the other program's configuration is.
    fn path(&self, written: &str) -> String {
        if written.starts_with(['/', '~']) || written.starts_with("${") {
            quote(written)
        } else {
            quote(&self.folder.join(written).to_string_lossy())
        }
    }
}

fn keep(keep: Keep) -> String {
    match keep {
        Keep::All => quote("all"),
        Keep::None => quote("none"),
        Keep::Days(days) => quote(&format!("{days} days")),
    }
}

/// A comment must stay one.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// What fetch.toml takes.
const INTERVAL_S_MIN: u64 = 10;
const INTERVAL_S_MAX: u64 = 30 * 86_400;
