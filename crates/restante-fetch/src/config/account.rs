//! One account: as written, as meant, as shown; and one that is made from a URL on the command line.

use std::time::Duration;

use restante_client::proxy::Proxy;
use restante_config::section::Section;
use restante_config::value::{Fault, Size, Span, Value, quote, show_key};
use restante_config::{choice, section};
use restante_proto::url::{Auth, ExtensionName, Host, MechanismName, PopUrl, Scheme};
use toml::de::DeValue;

use super::deliver::{self, SinkConfig};
use super::keep::Keep;
use super::secret::{self, Password};
use super::tls::{self, Tls};
use super::{Reading, oauth, rule};
use crate::oauth::settings::Settings;
use crate::rule::Rules;
use crate::secret::SecretSource;

/// An account, as meant.
#[derive(Clone, Debug)]
pub struct Account {
    /// What the journal calls it. Another name is another journal.
    pub name: String,
    /// Where it is, whose it is and how to log in. There is a user in it.
    pub server: PopUrl,
    /// How the connection is protected.
    pub security: Security,
    /// What proves who we are.
    pub credential: Credential,
    /// How the server is recognized, and who we are to it.
    pub tls: Tls,
    /// What stands between us and the server.
    pub proxy: Option<Proxy>,
    /// Where messages go; at least one sink.
    pub deliver: Vec<SinkConfig>,
    /// What of that which was collected stays on the server.
    pub keep: Keep,
    /// What is not fetched by what its header says.
    pub rules: Rules,
    /// Larger messages are postponed.
    pub max_size: Option<u64>,
    /// How often it is looked at by `--watch`.
    pub interval: Duration,
    /// What goes in front of each message.
    pub add_headers: Vec<AddHeader>,
    /// Whose word on unique-ids is taken.
    pub unique_ids: UniqueIds,
    /// How long to wait for the server to say anything.
    pub timeout: Duration,
}

/// What proves who we are.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A password.
    Password(SecretSource),
    /// A token, got and renewed by ourselves.
    Oauth(Settings),
    /// The certificate of [`Tls`] (AUTH EXTERNAL).
    Certificate,
}

section! {
    /// One `[[account]]`, as written. It may have tables `tls` and `oauth`, and lists `deliver` and `rule`.
    pub struct AccountWritten {
        /// What the journal calls it. Default: `user@host` of the server. Another name is another journal, which fetches everything
        /// once more.
        name: Option<String> = None;
        /// A POP URL: `pops://alice@mail.example.org`, or `pop://…` for STLS. Has no default.
        server: Option<Url> = None;
        /// Whose account: in place of one in the URL, where a `@` is written `%40`.
        user: Option<String> = None;
        /// How to log in: `any` (the safest way that works), `apop`, or the name of a SASL mechanism. Default: as in the URL, else
        /// `any`.
        auth: Option<AuthWritten> = None;
        /// `tls`, or `none` for everything in clear, which is for servers on this machine. Default `tls`.
        security: Security = Security::Tls;
        /// Where the password is: `{ command = … }`, `env`, `file`, `keyring`, `netrc`, `prompt`, or the password itself in a file that
        /// only its owner can read. Default: asked for on the terminal.
        password: Option<Password> = None;
        /// `socks5://host:port` or `http://host:port`. Default: none.
        proxy: Option<ProxyWritten> = None;
        /// What of that which was collected stays on the server: `all`, `none`, a time, `{ newest = 500 }` or `while-local`.
        /// Default `all`.
        keep: Keep = Keep::All;
        /// Larger messages are postponed: left on the server and reported. Default: none are.
        max_size: Option<Size> = None;
        /// How often it is looked at with `--watch`. Default 5 minutes.
        interval: Span = Span(INTERVAL);
        /// Header fields to put in front of each message: `received`, `delivered-to`. Default: none, and a message is stored
        /// byte for byte.
        add_headers: Vec<AddHeader> = Vec::new();
        /// Whose word on unique-ids is taken: `server`, or `header` for a server that changes them in every session, where they are then
        /// made of header and size. Default `server`.
        unique_ids: UniqueIds = UniqueIds::Server;
        /// How long to wait for the server to say anything. Default 2 minutes.
        timeout: Span = Span(TIMEOUT);
    }
}

choice! {
    /// How the connection to a server is protected.
    pub enum Security {
        /// By TLS: from the first octet, or by STLS, as the URL says. Never less.
        Tls = "tls",
        /// Not at all.
        None = "none",
    }
}

choice! {
    /// A header field that goes in front of each message.
    pub enum AddHeader {
        /// `Received`, with the server it came from.
        Received = "received",
        /// `Delivered-To`, with the user of the account.
        DeliveredTo = "delivered-to",
    }
}

choice! {
    /// Whose word on unique-ids is taken.
    pub enum UniqueIds {
        /// The server's.
        Server = "server",
        /// Nobody's: they are made of header and octets. Costs the headers of all messages in every pass.
        Header = "header",
    }
}

/// A POP URL as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(pub PopUrl);

impl Value for Url {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let text = String::read(written)?;
        let remedy = "write for instance \"pops://alice@mail.example.org\"; a user that is an address stands better in user = \"…\"";
        PopUrl::parse(&text).map(Self).map_err(|error| Fault::new(error.to_string(), remedy))
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0.to_string()))
    }
}

/// A way to log in as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthWritten(pub Auth);

impl Value for AuthWritten {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let text = String::read(written)?;
        let wrong = |_| {
            let remedy = "write \"any\", \"apop\", or a name such as \"SCRAM-SHA-256\"";
            Fault::new(format!("{text:?} is no way to log in"), remedy)
        };
        if text.eq_ignore_ascii_case("any") || text == "*" {
            return Ok(Self(Auth::Any));
        }
        match text.strip_prefix('+') {
            Some(name) if name.eq_ignore_ascii_case("apop") => Ok(Self(Auth::Apop)),
            Some(name) => ExtensionName::parse(name).map(|name| Self(Auth::Extension(name))).map_err(wrong),
            None if text.eq_ignore_ascii_case("apop") => Ok(Self(Auth::Apop)),
            None => MechanismName::parse(&text).map(|name| Self(Auth::Sasl(name))).map_err(wrong),
        }
    }

    fn show(&self) -> Option<String> {
        Some(match &self.0 {
            Auth::Any => quote("any"),
            Auth::Apop => quote("apop"),
            Auth::Sasl(name) => quote(name.as_str()),
            Auth::Extension(name) => quote(&format!("+{}", name.as_str())),
        })
    }
}

/// A proxy as a value.
#[derive(Clone, Debug)]
pub struct ProxyWritten(pub Proxy);

impl Value for ProxyWritten {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let remedy = "write for instance \"socks5://127.0.0.1:1080\"";
        Proxy::parse(&String::read(written)?).map(Self).map_err(|error| Fault::new(error.to_string(), remedy))
    }

    fn show(&self) -> Option<String> {
        // Without its password, which `Proxy` does not print.
        Some(quote(&self.0.to_string()))
    }
}

/// Reads one account; what is wrong is reported, and the account is then none.
pub(super) fn read(section: &mut Section<'_, '_, '_>, reading: &Reading<'_>) -> Option<Account> {
    let has = |section: &Section<'_, '_, '_>, key| section.has(key);
    let is_server_said = has(section, "server");
    let is_delivery_said = has(section, "deliver");
    let has_oauth = has(section, "oauth");
    let written = AccountWritten::read(section);
    let tls = section.table("tls", |section| tls::read(section, reading));
    let oauth = section.table("oauth", |section| has_oauth.then(|| oauth::read(section, reading)).flatten());
    let deliver = section.tables("deliver", |section| deliver::read(section, reading));
    let rules = section.tables("rule", rule::read);
    let known: Vec<&str> =
        AccountWritten::KEYS.iter().copied().chain(["tls", "oauth", "deliver", "rule"]).collect();
    section.finish(&known);
    if !is_server_said {
        section.fault("an account without server", "add server = \"pops://alice@mail.example.org\"");
    }
    if !is_delivery_said {
        section.fault(
            "an account without deliver: its mail would go nowhere",
            "add deliver = [{ type = \"maildir\", path = \"~/Mail\" }]",
        );
    } else if deliver.is_empty() {
        section.fault_at("deliver", "no sink in it", "write [{ type = \"maildir\", path = \"~/Mail\" }]");
    }
    check(&written, &deliver, section);
    let server = server(&written, section);
    let credential = credential(&written, oauth, has_oauth, server.as_ref(), tls.as_ref(), section, reading);
    let (server, credential, tls) = (server?, credential?, tls?);
    Some(Account {
        name: written.name.unwrap_or_else(|| default_name(&server)),
        server,
        security: written.security,
        credential,
        tls,
        proxy: written.proxy.map(|ProxyWritten(proxy)| proxy),
        deliver: deliver.into_iter().collect::<Option<_>>()?,
        keep: written.keep,
        rules: Rules(rules.into_iter().collect::<Option<_>>()?),
        max_size: written.max_size.map(|Size(octets)| octets),
        interval: written.interval.0,
        add_headers: written.add_headers,
        unique_ids: written.unique_ids,
        timeout: written.timeout.0,
    })
}

/// What must hold between keys, or cannot be said by their types.
fn check(written: &AccountWritten, deliver: &[Option<SinkConfig>], section: &mut Section<'_, '_, '_>) {
    if let Some(name) = &written.name
        && (name.is_empty() || name.chars().any(char::is_control) || name.len() > NAME_OCTETS_MAX)
    {
        section.fault_at("name", "this is no name", "write a short word, such as \"work\"");
    }
    if written.max_size == Some(Size(0)) {
        section.fault_at("max_size", "no message is that small", "leave it out, so that there is no bound");
    }
    for (key, Span(time), least) in
        [("interval", written.interval, INTERVAL_MIN), ("timeout", written.timeout, TIMEOUT_MIN)]
    {
        if time < least || time > TIME_MAX {
            section.fault_at(
                key,
                format!("{} is out of bounds", Span(time)),
                format!("write a time from {} to {}", Span(least), Span(TIME_MAX)),
            );
        }
    }
    let has_maildir = deliver.iter().any(|sink| !matches!(sink, Some(sink) if !sink.is_maildir()));
    if written.keep == Keep::WhileLocal && !has_maildir {
        section.fault_at(
            "keep",
            "\"while-local\" looks at a Maildir, and this account has none",
            "add { type = \"maildir\", path = … } to deliver, or write another policy",
        );
    }
}

/// The URL, with what other keys say of it.
fn server(written: &AccountWritten, section: &mut Section<'_, '_, '_>) -> Option<PopUrl> {
    let Url(url) = written.server.clone()?;
    let user = match (url.user(), written.user.as_deref()) {
        (Some(_), Some(_)) => {
            section.fault_at("user", "there is a user in the URL as well", "take one of the two out");
            return None;
        }
        (Some(user), None) => user.to_owned(),
        (None, Some(user)) => user.to_owned(),
        (None, None) => {
            section.fault_at("server", "whose account is not said", "add user = \"alice@example.org\"");
            return None;
        }
    };
    let auth = match (url.auth(), &written.auth) {
        (auth, None) => auth.clone(),
        (Auth::Any, Some(AuthWritten(auth))) => auth.clone(),
        (_, Some(_)) => {
            section.fault_at("auth", "the URL says how to log in as well", "take one of the two out");
            return None;
        }
    };
    if let Auth::Extension(name) = &auth {
        section.fault_at(
            if written.auth.is_some() { "auth" } else { "server" },
            format!("+{} is no way to log in that is known here", name.as_str()),
            "write \"any\", \"apop\", or a name such as \"SCRAM-SHA-256\"",
        );
        return None;
    }
    if written.security == Security::None && url.scheme() == Scheme::Pops {
        section.fault_at(
            "security",
            "pops:// is TLS from the first octet, and this says none",
            "write pop:// for a connection in clear, or take security out",
        );
    }
    match url.with_user(&user, auth) {
        Ok(url) => Some(url),
        Err(error) => {
            section.fault_at("user", error, "write the name that the server wants at a login");
            None
        }
    }
}

/// What proves who we are.
fn credential(
    written: &AccountWritten,
    oauth: Option<Settings>,
    has_oauth: bool,
    server: Option<&PopUrl>,
    tls: Option<&Tls>,
    section: &mut Section<'_, '_, '_>,
    reading: &Reading<'_>,
) -> Option<Credential> {
    let is_external =
        server.is_some_and(|url| matches!(url.auth(), Auth::Sasl(name) if name.as_str() == "EXTERNAL"));
    match (&written.password, has_oauth) {
        (Some(_), true) => {
            section.fault_at("password", "a password and oauth", "take one of the two out");
            None
        }
        (None, true) => oauth.map(Credential::Oauth),
        (Some(Password(source)), false) => {
            secret::check(source, "password", section, reading);
            Some(Credential::Password(source.clone()))
        }
        (None, false) if is_external => {
            if tls.is_some_and(|tls| tls.own.is_none()) {
                section.fault(
                    "EXTERNAL logs in with a certificate, and there is none",
                    "add tls = { certificate = \"me.pem\", key = \"me.key\" }",
                );
            }
            Some(Credential::Certificate)
        }
        (None, false) => Some(Credential::Password(SecretSource::Prompt)),
    }
}

impl SinkConfig {
    /// Whether it is a Maildir.
    #[must_use]
    pub const fn is_maildir(&self) -> bool {
        matches!(self, Self::Maildir { .. })
    }
}

impl Account {
    /// An account that is told by a POP URL alone, with everything else as it is by default: nothing is deleted, the password is asked
    /// for on the terminal (or it is a certificate, which is then to be given in `tls`). What else the command line says is put in
    /// by who reads that.
    ///
    /// # Errors
    /// Why not, as a sentence.
    pub fn from_url(url: &PopUrl, deliver: Vec<SinkConfig>) -> Result<Self, String> {
        if url.user().is_none() {
            return Err(format!("whose account is not said: write pops://alice@{}", host(url)));
        }
        let credential = match url.auth() {
            Auth::Extension(name) => {
                return Err(format!("+{} is no way to log in that is known here", name.as_str()));
            }
            Auth::Sasl(name) if name.as_str() == "EXTERNAL" => Credential::Certificate,
            _ => Credential::Password(SecretSource::Prompt),
        };
        let default = AccountWritten::default();
        Ok(Self {
            name: default_name(url),
            server: url.clone(),
            security: default.security,
            credential,
            tls: Tls::default(),
            proxy: None,
            deliver,
            keep: default.keep,
            rules: Rules::default(),
            max_size: None,
            interval: default.interval.0,
            add_headers: Vec::new(),
            unique_ids: default.unique_ids,
            timeout: default.timeout.0,
        })
    }

    /// Who logs in; empty when the URL does not say, which neither [`Account::from_url`] nor a configuration lets through.
    #[must_use]
    pub fn user(&self) -> &str {
        self.server.user().unwrap_or_default()
    }

    /// The server's name or address.
    #[must_use]
    pub fn host(&self) -> String {
        host(&self.server)
    }

    /// As it would be written, every key with the value it has, without secrets.
    pub(super) fn show(&self, output: &mut String) {
        use std::fmt::Write as _;
        show_key(output, "name", &self.name);
        show_key(output, "server", &Url(self.server.clone()));
        show_key(output, "security", &self.security);
        match &self.credential {
            Credential::Password(source) => show_key(output, "password", &Password(source.clone())),
            Credential::Oauth(settings) => {
                let _ = writeln!(output, "oauth = {}", oauth::shown(settings));
            }
            Credential::Certificate => {}
        }
        if self.tls != Tls::default() {
            let _ = writeln!(output, "tls = {}", self.tls.show());
        }
        show_key(output, "proxy", &self.proxy.clone().map(ProxyWritten));
        let _ = writeln!(output, "deliver = {}", deliver::show_all(&self.deliver));
        show_key(output, "keep", &self.keep);
        show_key(output, "max_size", &self.max_size.map(Size));
        show_key(output, "interval", &Span(self.interval));
        show_key(output, "add_headers", &self.add_headers);
        show_key(output, "unique_ids", &self.unique_ids);
        show_key(output, "timeout", &Span(self.timeout));
        for rule in &self.rules.0 {
            output.push_str("\n[[account.rule]]\n");
            output.push_str(&rule::show(rule));
        }
    }
}

/// `user@host`.
fn default_name(url: &PopUrl) -> String {
    match url.user() {
        Some(user) => format!("{user}@{}", host(url)),
        None => host(url),
    }
}

fn host(url: &PopUrl) -> String {
    match url.host() {
        Host::Name(name) => name.as_str().to_ascii_lowercase(),
        Host::Address(address) => address.to_string(),
    }
}

const INTERVAL: Duration = Duration::from_secs(300);
/// What [`crate::watch::due::Interval`] takes.
const INTERVAL_MIN: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(120);
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
const TIME_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Names become names of folders; half of what these may have, for percent-encoding makes them longer.
const NAME_OCTETS_MAX: usize = 128;
