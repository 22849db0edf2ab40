//! How sinks are written: `deliver = [{ type = "maildir", path = "~/Mail" }]`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use restante_config::section::Section;
use restante_config::value::{Mode, Span, quote};
use restante_config::{choice, section};

use super::secret::Password;
use super::{Reading, secret};
use crate::secret::SecretSource;

/// Where the messages of an account go. A message is collected when all sinks of its account have it.
#[derive(Clone, Debug)]
pub enum SinkConfig {
    /// A Maildir.
    Maildir {
        /// The Maildir; it is made when it is missing.
        path: PathBuf,
        /// A folder of it, in the manner of Maildir++: `Lists.rust`.
        folder: Option<String>,
        /// Other Maildirs, into which a mail program may move messages.
        look_in: Vec<PathBuf>,
        /// The permissions of messages; without, those of their owner alone.
        mode: Option<u32>,
    },
    /// An mbox, in the form mboxrd.
    Mbox {
        /// The file.
        path: PathBuf,
        /// Its permissions when it is made; without, those of its owner alone.
        mode: Option<u32>,
    },
    /// A server that takes mail by LMTP.
    Lmtp {
        /// Where: `host:port`, or `unix:/path`.
        server: String,
        /// Whose it is there: an address.
        recipient: String,
        /// The reverse-path; empty for none.
        sender: String,
    },
    /// A server that takes mail by SMTP.
    Smtp {
        /// Where: `host:port`.
        server: String,
        /// How the connection is protected.
        security: SmtpSecurity,
        /// The authorities to trust in place of the machine's, in PEM.
        ca: Option<PathBuf>,
        /// Who logs in there, and where the password is.
        login: Option<(String, SecretSource)>,
        /// Whose it is: an address.
        recipient: String,
        /// The reverse-path; empty for none.
        sender: String,
    },
    /// A program that takes each message on its standard input.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// How long it may take for one message.
        timeout: Duration,
    },
}

section! {
    /// A sink as it is written. Which keys it may have depends on `type`.
    pub struct SinkWritten {
        /// What it is: `maildir`, `mbox`, `lmtp`, `smtp` or `command`. Has no default.
        kind as "type": Option<SinkType> = None;
        /// Maildir, mbox: where it is. `~/` and `${NAME}` are filled in.
        path: Option<String> = None;
        /// Maildir: a folder of it, in the manner of Maildir++, such as `"Lists.rust"`.
        folder: Option<String> = None;
        /// Maildir: other Maildirs, into which a mail program may move messages. Looked at when it is in doubt whether a message
        /// was delivered, and for `keep = "while-local"`.
        look_in: Vec<String> = Vec::new();
        /// Maildir, mbox: the permissions of what is made, in octal, such as `"0640"`, whatever the umask; folders can be entered by
        /// those who may read. Default: for the owner alone.
        mode: Option<Mode> = None;
        /// LMTP, SMTP: `host:port`; LMTP also `unix:/path`.
        server: Option<String> = None;
        /// LMTP, SMTP: the mail address to deliver to.
        recipient: Option<String> = None;
        /// LMTP, SMTP: the reverse-path, to which a bounce would go. Default: none, so that nothing can bounce.
        sender: Option<String> = None;
        /// SMTP: `none`, `starttls` or `tls`. Default: `none` on loopback, else `starttls`.
        security: Option<SmtpSecurity> = None;
        /// SMTP: the authorities to trust in place of the machine's: a PEM file.
        ca: Option<String> = None;
        /// SMTP: who logs in. Default: nobody does.
        user: Option<String> = None;
        /// SMTP: where the password is, as for an account.
        password: Option<Password> = None;
        /// Command: the program and its arguments; a string is cut at its blanks, quotes as in a shell.
        command: Option<Words> = None;
        /// Command: how long it may take for one message. Default 5 minutes.
        timeout: Option<Span> = None;
    }
}

choice! {
    /// `type` of a sink.
    pub enum SinkType {
        /// A Maildir.
        Maildir = "maildir",
        /// An mbox.
        Mbox = "mbox",
        /// LMTP.
        Lmtp = "lmtp",
        /// SMTP.
        Smtp = "smtp",
        /// A program.
        Command = "command",
    }
}

choice! {
    /// How a connection to an SMTP server is protected.
    pub enum SmtpSecurity {
        /// Not at all.
        None = "none",
        /// STARTTLS, and without it nothing is said.
        Starttls = "starttls",
        /// TLS from the first octet.
        Tls = "tls",
    }
}

/// A command in words: written as a list, or as a string that is cut as a shell does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl restante_config::value::Value for Words {
    fn read(written: &toml::de::DeValue<'_>) -> Result<Self, restante_config::value::Fault> {
        use restante_config::value::Fault;
        let remedy = "write the program and its arguments, for instance [\"/usr/bin/rspamc\", \"--mime\"]";
        let words = match written {
            toml::de::DeValue::String(line) => {
                shlex::split(line).ok_or_else(|| Fault::new("a quote in the command does not end", remedy))?
            }
            other => Vec::read(other)?,
        };
        let is_command = words.first().is_some_and(|program| !program.is_empty())
            && !words.iter().any(|word| word.contains('\0'));
        if is_command { Ok(Self(words)) } else { Err(Fault::new("this is no command", remedy)) }
    }

    fn show(&self) -> Option<String> {
        self.0.show()
    }
}

impl SinkType {
    /// The keys of this kind of sink.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Maildir => &["type", "path", "folder", "look_in", "mode"],
            Self::Mbox => &["type", "path", "mode"],
            Self::Lmtp => &["type", "server", "recipient", "sender"],
            Self::Smtp => &["type", "server", "security", "ca", "user", "password", "recipient", "sender"],
            Self::Command => &["type", "command", "timeout"],
        }
    }
}

/// Reads one sink; what is wrong is reported, and the sink is then none.
pub(super) fn read(section: &mut Section<'_, '_, '_>, reading: &Reading<'_>) -> Option<SinkConfig> {
    let is_said = section.has("type");
    let set: Vec<&str> = SinkWritten::KEYS.iter().copied().filter(|key| section.has(key)).collect();
    let written = SinkWritten::read(section);
    let is_known = section.finish(SinkWritten::KEYS);
    let Some(kind) = written.kind else {
        if !is_said {
            section.fault(
                "a sink without type",
                "add type = \"maildir\", \"mbox\", \"lmtp\", \"smtp\" or \"command\"",
            );
        }
        return None;
    };
    let mut is_whole = is_known;
    for key in set.iter().filter(|key| !kind.keys().contains(key)) {
        let remedy = format!("take it out; known here: {}", kind.keys().join(", "));
        section.fault_at(key, format!("a sink of type {:?} has no such key", kind.as_str()), remedy);
        is_whole = false;
    }
    let sink = match kind {
        SinkType::Maildir | SinkType::Mbox => filed(kind, written, &set, section, reading),
        SinkType::Lmtp | SinkType::Smtp => sent(kind, written, &set, section, reading),
        SinkType::Command => {
            let command =
                wanted(section, &set, "command", written.command, "add command = [\"/usr/bin/program\", …]");
            let timeout = written.timeout.map_or(COMMAND_TIMEOUT, |Span(timeout)| timeout);
            if timeout.is_zero() {
                section.fault_at("timeout", "no program is that fast", "write a time such as \"5 min\"");
            }
            command.map(|Words(command)| SinkConfig::Command { command, timeout })
        }
    };
    sink.filter(|_| is_whole)
}

/// Maildir and mbox.
fn filed(
    kind: SinkType,
    written: SinkWritten,
    set: &[&str],
    section: &mut Section<'_, '_, '_>,
    reading: &Reading<'_>,
) -> Option<SinkConfig> {
    let path = wanted(section, set, "path", written.path, "add path = \"~/Mail\", or where it is")?;
    let path = reading.place(section, "path", &path)?;
    let mode = written.mode.map(|Mode(mode)| mode);
    if let Some((what, remedy)) = mode.and_then(odd) {
        section.fault_at("mode", what, remedy);
        return None;
    }
    if kind == SinkType::Mbox {
        return Some(SinkConfig::Mbox { path, mode });
    }
    let folder = written.folder;
    if folder.as_deref().is_some_and(|name| !is_folder(name)) {
        let remedy = "write its name without the leading dot, for instance \"Lists.rust\"";
        section.fault_at("folder", "this is no folder of a Maildir", remedy);
        return None;
    }
    let look_in: Option<Vec<PathBuf>> =
        written.look_in.iter().map(|path| reading.place(section, "look_in", path)).collect();
    Some(SinkConfig::Maildir { path, folder, look_in: look_in?, mode })
}

/// Why mail cannot have these permissions, and what to do.
fn odd(mode: u32) -> Option<(&'static str, &'static str)> {
    if mode & 0o002 != 0 {
        Some((
            "everybody on this machine could change the mail",
            "write \"0640\", so that a group can read it",
        ))
    } else if mode & 0o600 != 0o600 {
        Some((
            "the owner of the mail could not read and write it",
            "write \"0600\", or \"0640\" for a group as well",
        ))
    } else if mode & 0o111 != 0 {
        Some(("mail is no program", "leave out the x bits; folders get those that they need by themselves"))
    } else {
        None
    }
}

/// LMTP and SMTP.
fn sent(
    kind: SinkType,
    written: SinkWritten,
    set: &[&str],
    section: &mut Section<'_, '_, '_>,
    reading: &Reading<'_>,
) -> Option<SinkConfig> {
    let example = match kind {
        SinkType::Lmtp => "add server = \"unix:/run/restante/lmtp\", or host:port",
        _ => "add server = \"localhost:25\", or another host:port",
    };
    let server = wanted(section, set, "server", written.server, example);
    let recipient =
        wanted(section, set, "recipient", written.recipient, "add recipient = \"alice@example.org\"");
    let (server, recipient) = (server?, recipient?);
    let is_socket =
        kind == SinkType::Lmtp && server.strip_prefix("unix:").is_some_and(|path| path.starts_with('/'));
    let host = host_of(&server);
    if !is_socket && host.is_none() {
        section.fault_at("server", format!("{server:?} is not host:port"), example);
        return None;
    }
    let sender = written.sender.unwrap_or_default();
    for (key, address) in [("recipient", &recipient), ("sender", &sender)] {
        if address.chars().any(|letter| letter.is_control() || letter == '<' || letter == '>') {
            section.fault_at(
                key,
                "this is no mail address",
                "write it as local@domain, without angle brackets",
            );
            return None;
        }
    }
    if kind == SinkType::Lmtp {
        return Some(SinkConfig::Lmtp { server, recipient, sender });
    }
    let is_near = host.is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    let security =
        written.security.unwrap_or(if is_near { SmtpSecurity::None } else { SmtpSecurity::Starttls });
    if security == SmtpSecurity::None && !is_near {
        let remedy = "write security = \"starttls\" or \"tls\"; only a server on this machine may be spoken to in clear";
        section.fault_at("security", "mail would go to another machine in clear", remedy);
        return None;
    }
    let ca = trusted(written.ca.as_deref(), security, section, reading)?;
    let login = match (written.user, written.password) {
        (Some(user), Some(Password(source))) => {
            secret::check(&source, "password", section, reading);
            Some((user, source))
        }
        (None, None) => None,
        (Some(_), None) => {
            section.fault_at("user", "a user without password", "add password = { command = \"…\" }");
            return None;
        }
        (None, Some(_)) => {
            section.fault_at("password", "a password without user", "add user = \"…\"");
            return None;
        }
    };
    Some(SinkConfig::Smtp { server, security, ca, login, recipient, sender })
}

/// The authorities that an SMTP server is recognized by, if they are named.
fn trusted(
    ca: Option<&str>,
    security: SmtpSecurity,
    section: &mut Section<'_, '_, '_>,
    reading: &Reading<'_>,
) -> Option<Option<PathBuf>> {
    match ca {
        None => Some(None),
        Some(_) if security == SmtpSecurity::None => {
            let remedy = "write security = \"starttls\" or \"tls\", or take it out";
            section.fault_at("ca", "authorities for a connection without TLS", remedy);
            None
        }
        Some(path) => reading.place(section, "ca", path).map(Some),
    }
}

/// The value of a key that this kind of sink must have. One that is there but wrong was told already.
fn wanted<T>(
    section: &mut Section<'_, '_, '_>,
    set: &[&str],
    key: &str,
    value: Option<T>,
    remedy: &str,
) -> Option<T> {
    if value.is_none() && !set.contains(&key) {
        section.fault(format!("a sink without {key}"), remedy);
    }
    value
}

/// The host of `host:port`.
fn host_of(server: &str) -> Option<&str> {
    let (host, port) = server.rsplit_once(':')?;
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let is_host = !host.is_empty()
        && (is_bracketed || !host.contains(':'))
        && host.chars().all(|letter| !letter.is_whitespace() && !letter.is_control() && letter != '/');
    (is_host && port.parse::<u16>().is_ok_and(|port| port > 0)).then_some(host)
}

fn is_folder(name: &str) -> bool {
    !name.is_empty()
        && name.split('.').all(|part| !part.is_empty())
        && !name.chars().any(|letter| letter == '/' || letter.is_control())
}

impl SinkConfig {
    /// As it would be written, without secrets.
    pub(super) fn show(&self) -> String {
        let mut shown = String::from("{ ");
        let mut put = |key: &str, value: String| {
            let comma = if shown.len() > 2 { ", " } else { "" };
            let _ = write!(shown, "{comma}{key} = {value}");
        };
        let path_of = |path: &PathBuf| quote(&path.to_string_lossy());
        match self {
            Self::Maildir { path, folder, look_in, mode } => {
                put("type", quote("maildir"));
                put("path", path_of(path));
                if let Some(folder) = folder {
                    put("folder", quote(folder));
                }
                if !look_in.is_empty() {
                    put(
                        "look_in",
                        format!("[{}]", look_in.iter().map(path_of).collect::<Vec<_>>().join(", ")),
                    );
                }
                if let Some(mode) = mode {
                    put("mode", quote(&format!("{mode:04o}")));
                }
            }
            Self::Mbox { path, mode } => {
                put("type", quote("mbox"));
                put("path", path_of(path));
                if let Some(mode) = mode {
                    put("mode", quote(&format!("{mode:04o}")));
                }
            }
            Self::Lmtp { server, recipient, sender } => {
                put("type", quote("lmtp"));
                put("server", quote(server));
                put("recipient", quote(recipient));
                put("sender", quote(sender));
            }
            Self::Smtp { server, security, ca, login, recipient, sender } => {
                put("type", quote("smtp"));
                put("server", quote(server));
                put("security", quote(security.as_str()));
                if let Some(ca) = ca {
                    put("ca", path_of(ca));
                }
                if let Some((user, source)) = login {
                    put("user", quote(user));
                    put("password", secret::shown(source));
                }
                put("recipient", quote(recipient));
                put("sender", quote(sender));
            }
            Self::Command { command, timeout } => {
                let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
                put("type", quote("command"));
                put("command", format!("[{}]", words.join(", ")));
                put("timeout", quote(&Span(*timeout).to_string()));
            }
        }
        shown.push_str(" }");
        shown
    }
}

/// All sinks of an account, as the value of `deliver`.
pub(super) fn show_all(sinks: &[SinkConfig]) -> String {
    format!("[{}]", sinks.iter().map(SinkConfig::show).collect::<Vec<_>>().join(", "))
}

/// Filters that ask other machines take a minute.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
