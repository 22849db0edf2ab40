//! `.mpoprc`: a command a line, accounts that take over what others and `defaults` say.

use std::collections::BTreeMap;

use super::{
    Account, Around, Delivery, ImportError, Imported, Keep, Kind, Known, Note, Said, Tls, elsewhere, plain,
};
use crate::secret::SecretSource;

/// What an account says: command, line, argument.
type Commands = BTreeMap<&'static str, (usize, String)>;

/// An account as it is written.
#[derive(Debug)]
struct Written {
    line: usize,
    name: String,
    /// What it fills in from `defaults` as they were when it began.
    defaults: Commands,
    /// What it says itself or takes over from others.
    own: Commands,
    /// The only other one whose commands it has, when it has none of its own.
    same_as: Option<String>,
}

/// Reads it.
pub(super) fn read(text: &str, around: &Around<'_>) -> Result<Imported, ImportError> {
    let (mut defaults, mut written) = (Commands::new(), Vec::<Written>::new());
    let mut current = Section::None;
    for (line, (command, argument)) in
        (1..).zip(text.lines()).filter_map(|(line, said)| Some((line, split(said)?)))
    {
        match (command, &current) {
            ("defaults", _) if argument.is_empty() => current = Section::Defaults,
            ("defaults", _) => return Err(ImportError::new(line, "`defaults` has no argument")),
            ("account", _) => {
                written.push(begin(line, argument, &written, &defaults)?);
                current = Section::Account;
            }
            (_, Section::None) => {
                return Err(ImportError::new(line, "the first command must be `account` or `defaults`"));
            }
            (_, section) => {
                let Some(command) = COMMANDS.iter().find(|known| **known == command) else {
                    let shown: String = command.chars().take(20).collect();
                    return Err(ImportError::new(line, format!("mpop has no command `{shown}`")));
                };
                let said = (line, argument.to_owned());
                match (section, written.last_mut()) {
                    (Section::Account, Some(account)) => {
                        account.own.insert(command, said);
                        account.same_as = None;
                    }
                    _ => drop(defaults.insert(command, said)),
                }
            }
        }
    }
    let mut notes = Vec::new();
    let mut accounts = Vec::new();
    for one in &written {
        if let Some(other) = &one.same_as {
            let what = format!("the account `{}` is the account `{other}` by another name", one.name);
            notes.push(Note { line: one.line, what });
            continue;
        }
        accounts.push(account(one, around)?);
    }
    Ok(Imported { kind: Kind::Mpop, accounts, notes })
}

#[derive(Clone, Copy, Debug)]
enum Section {
    None,
    Defaults,
    Account,
}

/// A line's command and its argument, without quotation marks around it; `None` for comments and empty lines.
fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (command, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim_matches([' ', '\t']);
    let inner = argument.strip_prefix('"').and_then(|argument| argument.strip_suffix('"'));
    Some((command, inner.unwrap_or(argument)))
}

/// `account NAME [: OTHER, …]`.
fn begin(
    line: usize,
    argument: &str,
    others: &[Written],
    defaults: &Commands,
) -> Result<Written, ImportError> {
    let (name, from) = argument.split_once(':').map_or((argument, None), |(name, from)| (name, Some(from)));
    let name = name.trim();
    if name.is_empty() || name.contains(',') {
        return Err(ImportError::new(line, "`account` wants a name without comma"));
    }
    if others.iter().any(|other| other.name == name) {
        return Err(ImportError::new(line, format!("there is an account `{name}` already")));
    }
    let mut own = Commands::new();
    let mut names = Vec::new();
    for from in from.map(|from| from.split(',')).into_iter().flatten().map(str::trim) {
        let other = others.iter().find(|other| other.name == from);
        let other = other
            .ok_or_else(|| ImportError::new(line, format!("there is no account `{from}` before this")))?;
        own.extend(other.own.clone());
        names.push(other.name.clone());
    }
    let same_as = if names.len() == 1 { names.pop() } else { None };
    Ok(Written { line, name: name.to_owned(), defaults: defaults.clone(), own, same_as })
}

/// What an account's commands mean, one for one.
struct Meaning<'a>(&'a Written);

impl<'a> Meaning<'a> {
    /// The line and the argument of a command; an empty one takes back what was said before.
    fn get(&self, command: &str) -> Option<(usize, &'a str)> {
        let (line, argument) = self.0.own.get(command).or_else(|| self.0.defaults.get(command))?;
        Some((*line, argument.as_str())).filter(|(_, argument)| !argument.is_empty())
    }

    fn said(&self, command: &str) -> Option<Said<String>> {
        self.get(command).map(|(line, argument)| Said::at(line, argument.to_owned()))
    }

    /// `on`, `off`, or nothing, which is `on`.
    fn is_on(&self, command: &str) -> Result<Option<(usize, bool)>, ImportError> {
        let said = self.0.own.get(command).or_else(|| self.0.defaults.get(command));
        match said.map(|(line, argument)| (*line, argument.as_str())) {
            None => Ok(None),
            Some((line, "" | "on")) => Ok(Some((line, true))),
            Some((line, "off")) => Ok(Some((line, false))),
            Some((line, _)) => Err(ImportError::new(line, format!("`{command}` is `on` or `off`"))),
        }
    }

    fn port(&self, command: &str) -> Result<Option<Said<u16>>, ImportError> {
        let Some((line, argument)) = self.get(command) else { return Ok(None) };
        match argument.parse() {
            Ok(port) if port > 0 => Ok(Some(Said::at(line, port))),
            _ => Err(ImportError::new(line, format!("`{command}` wants a number from 1 to 65535"))),
        }
    }
}

fn account(written: &Written, around: &Around<'_>) -> Result<Account, ImportError> {
    let meaning = Meaning(written);
    let host = meaning.get("host").map_or("", |(_, host)| host).to_owned();
    let user = meaning.get("user").map_or("", |(_, user)| user).to_owned();
    let mut account = Account::new(written.line, host, user);
    account.name = Some(written.name.clone());
    account.port = meaning.port("port")?;
    if let Some((line, _)) = meaning.get("socket") {
        account.set_aside(line, "`socket`: restante connects by TCP");
    }
    if let Some((line, _)) = meaning.get("eval") {
        account.set_aside(line, "`eval` is not run here; write what it prints in its place");
    }
    protection(&mut account, &meaning)?;
    login(&mut account, &meaning, around);
    proxy(&mut account, &meaning)?;
    policy(&mut account, &meaning)?;
    destination(&mut account, &meaning)?;
    for (command, what) in WITHOUT {
        if let Some((line, _)) = meaning.get(command) {
            account.note(line, format!("`{command}`: {what}"));
        }
    }
    let path = meaning.get("uidls_file").map_or("~/.mpop_uidls/%U_at_%H", |(_, path)| path);
    account.known = Some(Known {
        path: path.replace("%U", &account.user).replace("%H", &account.host),
        host: account.host.clone(),
        user: account.user.clone(),
    });
    Ok(account)
}

fn protection(account: &mut Account, meaning: &Meaning<'_>) -> Result<(), ImportError> {
    let tls = meaning.is_on("tls")?;
    let starttls = meaning.is_on("tls_starttls")?;
    account.tls = match (tls, starttls) {
        (Some((line, true)), Some((at, false))) => Said::at(line.max(at), Tls::Implicit),
        (Some((line, true)), _) => Said::at(line, Tls::Stls),
        (Some((line, false)), _) => Said::at(line, Tls::Off),
        (None, _) => Said::unsaid(Tls::Off),
    };
    account.authorities = meaning.said("tls_trust_file").filter(|file| file.value != "system");
    account.certificate = meaning.said("tls_cert_file");
    account.key = meaning.said("tls_key_file");
    if let Some((line, false)) = meaning.is_on("tls_certcheck")? {
        account.note(
            line,
            "`tls_certcheck off`: restante verifies every certificate; if it cannot be verified, give its authority (tls.ca) or its key (tls.pins)",
        );
    }
    Ok(())
}

fn login(account: &mut Account, meaning: &Meaning<'_>, around: &Around<'_>) {
    let mut token = false;
    if let Some((line, method)) = meaning.get("auth") {
        match method {
            "on" | "user" | "plain" | "login" => {}
            "apop" => account.auth = Some(Said::at(line, "+APOP".to_owned())),
            "cram-md5" | "scram-sha-1" | "scram-sha-256" | "external" => {
                account.auth = Some(Said::at(line, method.to_ascii_uppercase()));
            }
            "xoauth2" | "oauthbearer" => {
                token = true;
                account.auth = Some(Said::at(line, method.to_ascii_uppercase()));
            }
            other => {
                let what = format!("`auth {other}`: restante takes the safest way that the server knows");
                account.note(line, what);
            }
        }
    }
    if let (true, Some(auth)) = (token, &account.auth) {
        let line = auth.line.unwrap_or(account.line);
        account.note(
            line,
            "the password is a token; restante can fetch and renew one itself: `oauth` and `restante login`",
        );
    }
    account.password = if let Some((line, password)) = meaning.get("password") {
        Said::at(line, plain(password.to_owned()))
    } else if let Some((line, command)) = meaning.get("passwordeval") {
        Said::at(line, SecretSource::Shell(command.to_owned()))
    } else {
        let password = elsewhere(around, &account.host, &account.user);
        if matches!(password, SecretSource::Prompt) {
            let (host, user) = (&account.host, &account.user);
            let what = format!(
                "a password that mpop has from the keyring: `password = {{ command = [\"secret-tool\", \"lookup\", \"host\", {host:?}, \"service\", \"pop3\", \"user\", {user:?}] }}`"
            );
            account.note(account.line, what);
        }
        Said::unsaid(password)
    };
}

fn proxy(account: &mut Account, meaning: &Meaning<'_>) -> Result<(), ImportError> {
    let Some((line, host)) = meaning.get("proxy_host") else { return Ok(()) };
    let port = meaning.port("proxy_port")?.map_or(1080, |port| port.value);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    account.proxy = Some(Said::at(line, format!("socks5://{host}:{port}")));
    Ok(())
}

fn policy(account: &mut Account, meaning: &Meaning<'_>) -> Result<(), ImportError> {
    account.keep = match meaning.get("keep") {
        // Since 1.4.23 also a time: 30d, 1d12h.
        Some((line, age))
            if age.contains(['d', 'h']) && age.starts_with(|sign: char| sign.is_ascii_digit()) =>
        {
            let days = days(age).ok_or_else(|| {
                ImportError::new(line, "`keep` is `on`, `off` or a time such as 30d or 1d12h")
            })?;
            Said::at(line, Keep::Days(days))
        }
        _ => match meaning.is_on("keep")? {
            Some((line, true)) => Said::at(line, Keep::All),
            Some((line, false)) => Said::at(line, Keep::None),
            None => Said::unsaid(Keep::None),
        },
    };
    if let Some((line, false)) = meaning.is_on("only_new")? {
        account.note(line, "`only_new off`: restante fetches every message once");
    }
    account.octets_max = match meaning.get("skipsize") {
        None | Some((_, "off")) => None,
        Some((line, size)) => Some(Said::at(line, octets(line, size)?)),
    };
    if let Some((line, size)) = meaning.get("killsize").filter(|(_, size)| *size != "off") {
        octets(line, size)?;
        account.note(
            line,
            "`killsize`: restante deletes no message for its size; a rule may: `larger` and `then = \"delete\"`",
        );
    }
    if let Some((line, true)) = meaning.is_on("received_header")? {
        account.add_headers.push(Said::at(line, "received"));
    }
    Ok(())
}

/// Whole days of `30d` or `1d12h`, rounded up: what is kept too long costs nothing.
fn days(age: &str) -> Option<u32> {
    let (mut hours, mut rest) = (0_u64, age);
    for (unit, each) in [('d', 24), ('h', 1)] {
        if let Some((count, behind)) = rest.split_once(unit) {
            hours = hours.checked_add(count.parse::<u64>().ok()?.checked_mul(each)?)?;
            rest = behind;
        }
    }
    u32::try_from(hours.div_ceil(24)).ok().filter(|_| rest.is_empty())
}

fn octets(line: usize, size: &str) -> Result<u64, ImportError> {
    let (number, unit) = match size.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1 << 10),
        None => size.strip_suffix(['m', 'M']).map_or((size, 1), |number| (number, 1 << 20)),
    };
    let octets = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    octets.ok_or_else(|| ImportError::new(line, "this is no size: 100000, 100k, 10m"))
}

fn destination(account: &mut Account, meaning: &Meaning<'_>) -> Result<(), ImportError> {
    let Some((line, delivery)) = meaning.get("delivery") else { return Ok(()) };
    let (method, argument) = delivery.split_once([' ', '\t', ',']).unwrap_or((delivery, ""));
    let argument = argument.trim().trim_matches('"');
    let delivery = match method {
        "maildir" => Delivery::Maildir(argument.to_owned()),
        "mbox" => Delivery::Mbox(argument.to_owned()),
        "mda" => {
            if argument.contains("%F") {
                account.note(line, "`%F`: restante knows no envelope sender; it is empty in the command");
            }
            Delivery::Shell(argument.replace("%F", ""))
        }
        "exchange" => {
            account
                .set_aside(line, "`delivery exchange`: there is no counterpart; an SMTP server may be one");
            return Ok(());
        }
        _ => return Err(ImportError::new(line, "`delivery` is maildir, mbox, mda or exchange")),
    };
    if argument.is_empty() {
        return Err(ImportError::new(line, format!("`delivery {method}` does not say where")));
    }
    account.deliver.push(Said::at(line, delivery));
    Ok(())
}

const COMMANDS: &[&str] = &[
    "host",
    "port",
    "timeout",
    "pipelining",
    "received_header",
    "delivery",
    "uidls_file",
    "auth",
    "user",
    "password",
    "passwordeval",
    "ntlmdomain",
    "tls",
    "tls_starttls",
    "tls_key_file",
    "tls_cert_file",
    "tls_trust_file",
    "tls_crl_file",
    "tls_fingerprint",
    "tls_certcheck",
    "tls_min_dh_prime_bits",
    "tls_priorities",
    "tls_host_override",
    "only_new",
    "keep",
    "killsize",
    "skipsize",
    "filter",
    "proxy_host",
    "proxy_port",
    "source_ip",
    "socket",
    "tls_force_sslv3",
    "eval",
];

const WITHOUT: &[(&str, &str)] = &[
    ("timeout", "restante has time limits of its own"),
    ("pipelining", "restante pipelines where the server says that it can"),
    ("ntlmdomain", "restante does not speak NTLM"),
    ("tls_crl_file", "restante reads no revocation lists"),
    (
        "tls_fingerprint",
        "restante pins keys and not certificates: tls.pins. The certificate is verified by the authorities",
    ),
    ("tls_min_dh_prime_bits", "restante speaks TLS 1.2 and 1.3 only"),
    ("tls_priorities", "restante speaks TLS 1.2 and 1.3 only"),
    ("tls_force_sslv3", "restante speaks TLS 1.2 and 1.3 only"),
    ("tls_host_override", "the certificate has to be that of `host`"),
    ("filter", "restante starts no program for a header; rules look at it: [[account.rule]]"),
    ("source_ip", "restante leaves the address to the system"),
];
