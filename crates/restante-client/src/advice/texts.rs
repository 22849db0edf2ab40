//! What well-known providers say when they let nobody in, and what it takes there: two tables.
//!
//! A sentence counts wherever it is said when it can mean but one thing; else only from the hosts of its provider. Providers
//! change their sentences: what is not found here falls back to response codes, which is never worse than before.

use restante_proto::client::Refusal;
use restante_proto::reply::ResponseCode;

use super::{BUSY, DELAY, Judged, Kind, QUIET, SOON, Shown, later, never};

/// What a refusal is known to mean, if it is known.
pub(super) fn of(refusal: &Refusal, host: &str, shown: Shown) -> Option<Judged> {
    let says = refusal.text.to_lowercase();
    // "Try again later" beside [AUTH] is politeness: the server has said that it is the password (R3206-4.5).
    let is_auth = refusal.code == Some(ResponseCode::Auth);
    let may_mean = |text: &Text| !(is_auth && text.kind == Kind::ServerFault);
    let text =
        TEXTS.iter().find(|text| says.contains(text.says) && is_at(text.hosts, host) && may_mean(text))?;
    Some(judged(text.kind, host, shown))
}

/// What refused credentials mean at this provider.
pub(super) fn wrong(host: &str, shown: Shown) -> Judged {
    judged(provider(host).map_or(Kind::WrongPassword, |provider| provider.wrong), host, shown)
}

fn judged(kind: Kind, host: &str, shown: Shown) -> Judged {
    let provider = provider(host);
    let with = |known: Option<&'static str>, general: &str| known.unwrap_or(general).to_owned();
    match kind {
        Kind::WrongPassword | Kind::AppPasswordNeeded | Kind::OAuthNeeded if shown == Shown::Token => {
            never(Kind::TokenRefused, "get a new token, for this account and for reading mail by POP3")
        }
        Kind::WrongPassword if shown == Shown::Other => {
            never(kind, "check which account the server gives to this certificate")
        }
        Kind::AppPasswordNeeded => never(
            kind,
            with(
                provider.and_then(|provider| provider.app_password),
                "make a password for programs in the account's security settings, and use that",
            ),
        ),
        Kind::OAuthNeeded => never(
            kind,
            with(provider.and_then(|provider| provider.oauth), "log in with OAuth2 instead of a password"),
        ),
        Kind::PopSwitchedOff => never(
            kind,
            with(
                provider.and_then(|provider| provider.pop),
                "switch POP3 on in the settings of the mailbox, at the provider's web site",
            ),
        ),
        Kind::BrowserNeeded => {
            never(kind, "log in once with a browser, answer what the provider asks, and then try again")
        }
        Kind::RateLimited => {
            later(kind, QUIET, "wait an hour, then look for mail less often; other programs count too")
        }
        Kind::Busy => later(
            kind,
            BUSY,
            "wait until the other program that has the maildrop open is through, or close it",
        ),
        Kind::LoginDelay => later(kind, DELAY, "wait; the server lets nobody log in so often"),
        Kind::ServerFault => {
            later(kind, SOON, "try again later with the same password; the server has a passing fault")
        }
        Kind::NotOffered => never(kind, "use another protocol: this provider has no POP3"),
        Kind::NotEncrypted => never(kind, "use pops:// or STLS: the server lets nobody log in without TLS"),
        _ => never(
            Kind::WrongPassword,
            "check the user name (often the whole mail address) and the password, by logging in at the provider's web site",
        ),
    }
}

fn provider(host: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| is_at(provider.hosts, host))
}

/// Whether a host is one of these domains or lies below one; no domains stand for all hosts.
fn is_at(domains: &[&str], host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    domains.is_empty()
        || domains.iter().any(|domain| {
            host.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
        })
}

/// A sentence of a refusal.
struct Text {
    /// A part of it, in small letters.
    says: &'static str,
    /// The domains it counts for; everywhere when there are none.
    hosts: &'static [&'static str],
    /// What it means.
    kind: Kind,
}

/// What it takes at a provider.
struct Provider {
    /// The domains of its servers.
    hosts: &'static [&'static str],
    /// What refused credentials mostly mean.
    wrong: Kind,
    /// How to get a password for programs.
    app_password: Option<&'static str>,
    /// How to log in without a password.
    oauth: Option<&'static str>,
    /// How POP3 is switched on.
    pop: Option<&'static str>,
}

const fn anywhere(says: &'static str, kind: Kind) -> Text {
    Text { says, hosts: &[], kind }
}

const fn at(hosts: &'static [&'static str], says: &'static str, kind: Kind) -> Text {
    Text { says, hosts, kind }
}

const GOOGLE: &[&str] = &["gmail.com", "googlemail.com", "google.com"];
const MICROSOFT: &[&str] =
    &["outlook.com", "office365.com", "hotmail.com", "live.com", "office365.us", "outlook.cn"];
const YAHOO: &[&str] =
    &["yahoo.com", "yahoo.co.jp", "aol.com", "att.net", "sbcglobal.net", "verizon.net", "ymail.com"];
const APPLE: &[&str] = &["me.com", "icloud.com", "mac.com"];
const GMX: &[&str] = &["gmx.net", "gmx.com", "gmx.de", "gmx.at", "gmx.ch", "web.de", "mail.com", "1und1.de"];
const TELEKOM: &[&str] = &["t-online.de", "magenta.de"];
const TENCENT: &[&str] = &["qq.com", "foxmail.com"];
const NETEASE: &[&str] = &["163.com", "126.com", "yeah.net"];
const YANDEX: &[&str] = &["yandex.ru", "yandex.com", "yandex.net", "ya.ru"];
const MAILRU: &[&str] = &["mail.ru", "inbox.ru", "list.ru", "bk.ru"];
const ZOHO: &[&str] = &["zoho.com", "zoho.eu", "zoho.in", "zohomail.com"];
const FASTMAIL: &[&str] = &["fastmail.com", "messagingengine.com"];
const FREENET: &[&str] = &["freenet.de"];

/// The first that is found counts.
const TEXTS: &[Text] = &[
    // Before all others: these say as well that the login failed.
    anywhere("application-specific password", Kind::AppPasswordNeeded),
    anywhere("application specific password", Kind::AppPasswordNeeded),
    anywhere("app password", Kind::AppPasswordNeeded),
    anywhere("app-specific password", Kind::AppPasswordNeeded),
    anywhere("authorization code to login", Kind::AppPasswordNeeded),
    anywhere("not enabled for pop access", Kind::PopSwitchedOff),
    anywhere("pop access is disabled", Kind::PopSwitchedOff),
    anywhere("pop access disabled", Kind::PopSwitchedOff),
    anywhere("pop3 access is disabled", Kind::PopSwitchedOff),
    anywhere("pop3 is disabled", Kind::PopSwitchedOff),
    anywhere("pop3 disabled", Kind::PopSwitchedOff),
    anywhere("pop3 service is not enabled", Kind::PopSwitchedOff),
    anywhere("pop3 service not open", Kind::PopSwitchedOff),
    anywhere("user service not open", Kind::PopSwitchedOff),
    anywhere("not allowed to use pop", Kind::PopSwitchedOff),
    anywhere("does not have pop access", Kind::PopSwitchedOff),
    anywhere("has no pop3 access", Kind::PopSwitchedOff),
    anywhere("denied pop access", Kind::PopSwitchedOff),
    anywhere("basic authentication is disabled", Kind::OAuthNeeded),
    anywhere("basic authentication is blocked", Kind::OAuthNeeded),
    anywhere("basicauthblocked", Kind::OAuthNeeded),
    anywhere("basic auth is disabled", Kind::OAuthNeeded),
    anywhere("web login required", Kind::BrowserNeeded),
    anywhere("log in via your web browser", Kind::BrowserNeeded),
    anywhere("login via your web browser", Kind::BrowserNeeded),
    anywhere("log in via web browser", Kind::BrowserNeeded),
    anywhere("login via web browser", Kind::BrowserNeeded),
    anywhere("displayunlockcaptcha", Kind::BrowserNeeded),
    at(GOOGLE, "lock down in sector", Kind::RateLimited),
    anywhere("exceeded the login limit", Kind::RateLimited),
    anywhere("login rate", Kind::RateLimited),
    anywhere("too many login", Kind::RateLimited),
    anywhere("too many failed", Kind::RateLimited),
    anywhere("too many connections", Kind::RateLimited),
    anywhere("too many simultaneous connections", Kind::RateLimited),
    anywhere("maximum number of connections", Kind::RateLimited),
    anywhere("too many requests", Kind::RateLimited),
    anywhere("too frequent", Kind::RateLimited),
    anywhere("rate limit", Kind::RateLimited),
    anywhere("bandwidth limit", Kind::RateLimited),
    anywhere("login attempts exceeded", Kind::RateLimited),
    anywhere("try again in 15 minutes", Kind::LoginDelay),
    anywhere("minimum interval between", Kind::LoginDelay),
    anywhere("maildrop already locked", Kind::Busy),
    anywhere("maildrop is locked", Kind::Busy),
    anywhere("maildrop lock busy", Kind::Busy),
    anywhere("unable to lock maildrop", Kind::Busy),
    anywhere("mailbox is locked", Kind::Busy),
    anywhere("mailbox already locked", Kind::Busy),
    anywhere("mailbox is already locked", Kind::Busy),
    anywhere("mailbox locked", Kind::Busy),
    anywhere("mailbox in use", Kind::Busy),
    anywhere("mailbox already in use", Kind::Busy),
    anywhere("is your mailbox in use", Kind::Busy),
    anywhere("lock busy", Kind::Busy),
    anywhere("another pop3 session", Kind::Busy),
    anywhere("temporary system problem", Kind::ServerFault),
    anywhere("temporary authentication failure", Kind::ServerFault),
    anywhere("temporarily unavailable", Kind::ServerFault),
    anywhere("try again later", Kind::ServerFault),
    anywhere("secure connection is requ", Kind::NotEncrypted),
    anywhere("plaintext authentication disallowed", Kind::NotEncrypted),
    anywhere("must use tls", Kind::NotEncrypted),
    anywhere("must issue a stls command first", Kind::NotEncrypted),
    at(TELEKOM, "toid authentication disabled", Kind::AppPasswordNeeded),
    at(TENCENT, "login fail", Kind::AppPasswordNeeded),
    at(NETEASE, "unable to log on", Kind::AppPasswordNeeded),
];

const PROVIDERS: &[Provider] = &[
    Provider {
        hosts: GOOGLE,
        // It takes no ordinary password any more.
        wrong: Kind::AppPasswordNeeded,
        app_password: Some(
            "log in with OAuth2, or switch 2-step verification on and make an app password at https://myaccount.google.com/apppasswords",
        ),
        oauth: Some("log in with OAuth2 (provider google), or use an app password"),
        pop: Some("enable POP in Gmail's settings, Forwarding and POP/IMAP"),
    },
    Provider {
        hosts: MICROSOFT,
        wrong: Kind::OAuthNeeded,
        app_password: None,
        oauth: Some(
            "log in with OAuth2 (provider microsoft): passwords are not taken any more; and let POP be enabled for the mailbox",
        ),
        pop: Some(
            "enable POP in Outlook's settings, Mail, Forwarding and IMAP; at a company its administrator does that",
        ),
    },
    Provider {
        hosts: YAHOO,
        wrong: Kind::AppPasswordNeeded,
        app_password: Some("make an app password in the account's security settings, and use that"),
        oauth: None,
        pop: None,
    },
    Provider { hosts: APPLE, wrong: Kind::NotOffered, app_password: None, oauth: None, pop: None },
    Provider {
        hosts: GMX,
        // What it says of a mailbox without POP3 is what it says of a wrong password.
        wrong: Kind::PopSwitchedOff,
        app_password: Some(
            "with two-factor login, make a password for programs in the security settings, and use that",
        ),
        oauth: None,
        pop: Some(
            "check the password, and switch on POP3 in the mailbox's settings (E-Mail, POP3/IMAP); with two-factor login make a password for programs",
        ),
    },
    Provider {
        hosts: TELEKOM,
        wrong: Kind::AppPasswordNeeded,
        app_password: Some(
            "set a password for e-mail programs in the customer centre and use that: it is not the one of the web site",
        ),
        oauth: None,
        pop: None,
    },
    Provider {
        hosts: TENCENT,
        wrong: Kind::AppPasswordNeeded,
        app_password: Some(
            "enable POP3 in the mailbox's settings and use the authorization code that it shows",
        ),
        oauth: None,
        pop: None,
    },
    Provider {
        hosts: NETEASE,
        wrong: Kind::AppPasswordNeeded,
        app_password: Some(
            "enable POP3 in the mailbox's settings and use the authorization code that it shows",
        ),
        oauth: None,
        pop: None,
    },
    Provider {
        hosts: YANDEX,
        wrong: Kind::AppPasswordNeeded,
        app_password: Some(
            "enable POP3 for mail programs in the mailbox's settings and make an app password",
        ),
        oauth: None,
        pop: None,
    },
    Provider {
        hosts: MAILRU,
        wrong: Kind::AppPasswordNeeded,
        app_password: Some("make a password for external applications in the account's security settings"),
        oauth: None,
        pop: None,
    },
    Provider {
        hosts: FASTMAIL,
        wrong: Kind::AppPasswordNeeded,
        app_password: Some("make an app password with POP access in the settings, Privacy and Security"),
        oauth: None,
        pop: None,
    },
    Provider {
        hosts: ZOHO,
        wrong: Kind::WrongPassword,
        app_password: Some("with two-factor login, make an app password in the account's security settings"),
        oauth: None,
        pop: Some("enable POP in Zoho Mail's settings, Mail Accounts"),
    },
    Provider {
        hosts: FREENET,
        wrong: Kind::PopSwitchedOff,
        app_password: None,
        oauth: None,
        pop: Some("check the password, and switch on access for mail programs in the mailbox's settings"),
    },
];
