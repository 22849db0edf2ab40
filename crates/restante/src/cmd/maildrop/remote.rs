//! The old server, as POP3 shows it: logging in to it for one account after the other, its list, headers and messages.
//! Nothing is ever marked deleted there.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use restante_client::advice::explain;
use restante_client::connect::{Address, Security, Tls};
use restante_client::error::Error;
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pop3::{Client, Settings};
use restante_proto::maildrop::MessageNumber;
use restante_proto::secret::Secret;
use restante_proto::url::{Host, PopUrl, Scheme};
use restante_store::migrate::fingerprint::Fingerprint;
use restante_store::migrate::header::{self, Digest, HEADER_OCTETS_MAX};
use rustls::RootCertStore;
use tokio::io::AsyncWrite;

use super::super::login::{self, Source};
use crate::exit::{self, Code, Failure};
use crate::flags::{Accounts, OldLogin};

/// A server that may be logged in to.
pub(super) struct Remote {
    url: PopUrl,
    roots: Option<Arc<RootCertStore>>,
    plaintext: Plaintext,
}

/// Who logs in, with what.
pub(super) enum Logins {
    /// One account.
    One { user: Option<String>, password: Secret },
    /// Every account as a master user.
    Master { suffix: String, password: Secret },
    /// Every account with its own name and password.
    Table(HashMap<String, (String, Secret)>),
}

/// A message as the server lists it.
pub(super) struct Listed {
    pub(super) number: MessageNumber,
    pub(super) unique_id: Vec<u8>,
    pub(super) octets: u64,
}

impl Remote {
    /// The server of a URL. A `pop` one is spoken to with STLS, but in clear where a password may be shown.
    pub(super) fn new(url: &str, flags: &OldLogin) -> Result<Self, Failure> {
        let url = PopUrl::parse(url).map_err(|error| login::bad_url(url, error))?;
        let may_be_clear = flags.allow_plaintext || is_loopback(&url);
        let plaintext = if may_be_clear { Plaintext::Everywhere } else { Plaintext::WithTls };
        Ok(Self { url, roots: login::roots(flags.ca.as_deref())?, plaintext })
    }

    /// A logged-in connection for `account`.
    pub(super) async fn connect(&self, account: &str, logins: &Logins) -> Result<Client, Failure> {
        let (user, password) = logins.of(account, self.url.user())?;
        let address = Address::from(&self.url);
        let failed = |error: Error| {
            let code = if error.is_temporary() { Code::Temporary } else { Code::Unavailable };
            let why = explain(&error, &address.clone().into());
            Failure::new(code, format!("{}: {why}", self.url))
        };
        let security = self.security().map_err(failed)?;
        let mut client = Client::connect(&address, security, Settings::default()).await.map_err(failed)?;
        let means = Means::Password(password);
        let wish = Wish { user: Some(&user), auth: self.url.auth(), means, plaintext: self.plaintext };
        client.log_in(wish).await.map_err(failed)?;
        Ok(client)
    }

    fn security(&self) -> Result<Security, Error> {
        let tls = || {
            let roots = self.roots.as_deref().cloned().ok_or(Error::NoRoots)?;
            Tls::of(&self.url, roots)
        };
        match (self.url.scheme(), self.plaintext) {
            (Scheme::Pops, _) => Ok(Security::Implicit(tls()?)),
            (Scheme::Pop, Plaintext::Everywhere) => Ok(Security::None),
            (Scheme::Pop, Plaintext::WithTls) => Ok(Security::Stls(tls()?)),
        }
    }
}

impl Logins {
    /// What the command line says.
    pub(super) fn new(which: &Accounts, url: &PopUrlText<'_>, flags: &OldLogin) -> Result<Self, Failure> {
        let source =
            Source { file: flags.password_file.as_deref(), command: flags.password_command.as_deref() };
        if let Some(path) = &flags.credentials {
            return table(path).map(Self::Table);
        }
        if let Some(master) = &flags.master {
            let suffix = format!("{}{master}", flags.separator);
            return Ok(Self::Master { suffix, password: login::password(source, master)? });
        }
        if which.all {
            return Err(Failure::new(Code::Usage, "all accounts have no common password")
                .remedy("name a file with --credentials, or a master user with --master"));
        }
        let user = flags.user.clone().or_else(|| url.user());
        let asked = user.as_deref().or(which.name.as_deref()).unwrap_or_default();
        let password = login::password(source, asked)?;
        Ok(Self::One { user, password })
    }

    fn of(&self, account: &str, in_url: Option<&str>) -> Result<(String, Secret), Failure> {
        let copy = |secret: &Secret| Secret::new(secret.expose().to_vec());
        match self {
            Self::One { user, password } => {
                let user = user.as_deref().or(in_url).unwrap_or(account);
                Ok((user.to_owned(), copy(password)))
            }
            Self::Master { suffix, password } => Ok((format!("{account}{suffix}"), copy(password))),
            Self::Table(table) => {
                let (user, password) = table.get(account).ok_or_else(|| {
                    Failure::new(Code::NoInput, format!("the credentials say nothing of {account}"))
                })?;
                Ok((user.clone(), copy(password)))
            }
        }
    }
}

/// A URL as the command line has it.
pub(super) struct PopUrlText<'a>(pub(super) &'a str);

impl PopUrlText<'_> {
    fn user(&self) -> Option<String> {
        PopUrl::parse(self.0).ok()?.user().map(str::to_owned)
    }
}

/// Lines of ACCOUNT:PASSWORD or ACCOUNT:NAME:PASSWORD; a password may hold colons in the second form only.
fn table(path: &Path) -> Result<HashMap<String, (String, Secret)>, Failure> {
    let octets = Secret::new(login::read(path, CREDENTIALS_OCTETS_MAX)?);
    let wrong = |at: usize| {
        Failure::new(Code::Data, format!("{}: line {at} is not ACCOUNT:PASSWORD", path.display()))
    };
    let mut table = HashMap::new();
    for (at, line) in (1..).zip(octets.expose().split(|&octet| octet == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let mut words = line.splitn(3, |&octet| octet == b':');
        let text = |word: Option<&[u8]>| {
            word.and_then(|word| std::str::from_utf8(word).ok())
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
        };
        let account = text(words.next()).ok_or_else(|| wrong(at))?;
        let (user, password) = match (words.next(), words.next()) {
            (user, Some(password)) => (text(user).ok_or_else(|| wrong(at))?, password),
            (Some(password), None) => (account.clone(), password),
            (None, None) => return Err(wrong(at)),
        };
        table.insert(account, (user, Secret::new(password.to_vec())));
    }
    Ok(table)
}

/// UIDL and LIST together. A server that lists something else in one than in the other is not believed.
pub(super) async fn list(client: &mut Client) -> Result<Vec<Listed>, Failure> {
    let unique_ids = client.unique_ids().await.map_err(|error| said(&error))?;
    let sizes = client.list().await.map_err(|error| said(&error))?;
    let are_same = unique_ids.len() == sizes.len()
        && unique_ids.iter().zip(&sizes).all(|(one, other)| one.number == other.number);
    if !are_same {
        return Err(Failure::new(Code::Data, "UIDL and LIST do not speak of the same messages"));
    }
    let listed = unique_ids.into_iter().zip(sizes).map(|(entry, size)| Listed {
        number: entry.number,
        unique_id: entry.unique_id,
        octets: size.octets.as_u64(),
    });
    Ok(listed.collect())
}

/// The digest of a message's header, by TOP, or by RETR where there is no TOP.
pub(super) async fn header_digest(client: &mut Client, number: MessageNumber) -> Result<Digest, Failure> {
    let mut sink = Header::default();
    match client.top(number, 0, &mut sink).await {
        Err(Error::Refused(_)) => {
            sink = Header::default();
            client.retrieve(number, &mut sink).await.map_err(|error| said(&error))?;
        }
        result => drop(result.map_err(|error| said(&error))?),
    }
    Ok(header::digest(&sink.octets))
}

/// A whole message, as much of it as is needed to compare it.
pub(super) async fn fingerprint(client: &mut Client, number: MessageNumber) -> Result<Fingerprint, Failure> {
    let mut sink = Print::default();
    client.retrieve(number, &mut sink).await.map_err(|error| said(&error))?;
    Ok(sink.fingerprint)
}

/// What went wrong in the dialogue.
pub(super) fn said(error: &Error) -> Failure {
    let code = if error.is_temporary() { Code::Temporary } else { Code::Unavailable };
    Failure::new(code, exit::chain(error))
}

fn is_loopback(url: &PopUrl) -> bool {
    match url.host() {
        Host::Address(address) => address.is_loopback(),
        Host::Name(name) => name.as_str().eq_ignore_ascii_case("localhost"),
    }
}

/// The beginning of a message.
#[derive(Default)]
struct Header {
    octets: Vec<u8>,
}

impl AsyncWrite for Header {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let missing = HEADER_OCTETS_MAX.saturating_sub(self.octets.len());
        self.octets.extend(octets.iter().take(missing));
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A message going by.
#[derive(Default)]
struct Print {
    fingerprint: Fingerprint,
}

impl AsyncWrite for Print {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.fingerprint.canonical(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Room for some hundred thousand accounts.
const CREDENTIALS_OCTETS_MAX: u64 = 16 * 1024 * 1024;
