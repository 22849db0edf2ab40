//! One connection to a directory: made, encrypted, bound, searched over, and measured.
//!
//! The library takes as much as a server sends. So it does not get the socket, but one end of a pair of sockets in this process; what
//! comes from the server is counted on the way, and the connection ends when an answer is too large. TLS ends there too: the library
//! sees LDAP in clear and nothing of certificates.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ldap3::controls::{Control, ControlType, MakeCritical, PagedResults};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, SearchEntry, SearchOptions, StdStream};
use restante_auth::directory::Problem;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::Query;
use super::found::Found;
use super::list::Listing;
use super::server::{Address, Server, Tls};

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    ldap: Ldap,
    /// Octets that came since the last question.
    received: Arc<AtomicUsize>,
    /// When it was last used.
    pub(super) used: Instant,
}

/// What a bind came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bind {
    Right,
    Wrong,
    Locked,
    /// There is no entry of this name; most servers do not tell.
    NoEntry,
}

/// A part of all accounts.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) entries: Vec<Found>,
    /// By what the next page is asked for; empty behind the last.
    pub(super) cookie: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server or the way there; another connection, or the same server later, may do.
    Lost(String),
    /// It takes somebody to mend it.
    Permanent(Problem),
}

impl Failure {
    pub(super) fn lost(what: impl Into<String>) -> Self {
        Self::Lost(what.into())
    }

    fn permanent(what: impl Into<String>, remedy: &str) -> Self {
        Self::Permanent(Problem::new(what, remedy))
    }
}

impl Connection {
    /// Connects and starts TLS as `server` wants it.
    pub(super) async fn open(
        server: &Server,
        tls: &Arc<ClientConfig>,
        now: Instant,
    ) -> Result<Self, Failure> {
        let unreachable = |error: io::Error| Failure::lost(format!("{server} cannot be reached: {error}"));
        match &server.address {
            Address::Unix(path) => {
                Self::over(UnixStream::connect(path).await.map_err(unreachable)?, now).await
            }
            Address::Tcp { host, port } => {
                let mut stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
                // Questions are small and each waits for its answer.
                stream.set_nodelay(true).map_err(unreachable)?;
                if server.tls == Tls::Off {
                    return Self::over(stream, now).await;
                }
                if server.tls == Tls::Upgrade {
                    start_tls(&mut stream, server).await?;
                }
                let name = ServerName::try_from(host.clone()).map_err(|_| {
                    Failure::permanent(
                        format!("{host} cannot stand in a certificate"),
                        "name the server as its certificate does",
                    )
                })?;
                let connected = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
                Self::over(connected.map_err(|error| untrusted(server, error))?, now).await
            }
        }
    }

    /// Puts the library behind a pair of sockets, and the octets on their way.
    async fn over(
        outer: impl AsyncRead + AsyncWrite + Send + 'static,
        now: Instant,
    ) -> Result<Self, Failure> {
        let here = |error: io::Error| Failure::lost(format!("no sockets: {error}"));
        let (ours, theirs) = StdUnixStream::pair().map_err(here)?;
        ours.set_nonblocking(true).map_err(here)?;
        let ours = UnixStream::from_std(ours).map_err(here)?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
        let opened = LdapConnAsync::with_settings(settings, "ldapi://pair").await;
        let (driver, ldap) = opened.map_err(|error| Failure::lost(format!("no connection: {error}")))?;
        let received = Arc::new(AtomicUsize::new(0));
        tokio::spawn(carry(outer, ours, Arc::clone(&received)));
        // Ends when the handle is gone or the connection is; what went wrong is heard by whoever waits for an answer.
        tokio::spawn(async move { drop(driver.drive().await) });
        Ok(Self { ldap, received, used: now })
    }

    /// Binds with a name and a password, neither of which is empty.
    pub(super) async fn bind(&mut self, dn: &str, password: &str) -> Result<Bind, Failure> {
        // RFC 4513, 5.1.1, RFC 4513, 5.1.2: a bind without one of them succeeds, as nobody. Callers do not come with such; should one, it is refused here.
        if dn.is_empty() || password.is_empty() {
            return Ok(Bind::Wrong);
        }
        self.received.store(0, Ordering::Relaxed);
        let result = self.ldap.simple_bind(dn, password).await.map_err(|error| self.failure(&error))?;
        match result.rc {
            SUCCESS => Ok(Bind::Right),
            INVALID_CREDENTIALS if ACTIVE_DIRECTORY_LOCKED.iter().any(|code| result.text.contains(code)) => {
                Ok(Bind::Locked)
            }
            INVALID_CREDENTIALS => Ok(Bind::Wrong),
            NO_SUCH_OBJECT => Ok(Bind::NoEntry),
            // So 389 Directory Server answers for an account that is inactivated or has failed too often.
            UNWILLING_TO_PERFORM | CONSTRAINT_VIOLATION => Ok(Bind::Locked),
            CONFIDENTIALITY_REQUIRED | STRONGER_AUTH_REQUIRED => Err(Failure::permanent(
                "the server takes no passwords without TLS",
                "name it as ldaps://, or set starttls = true",
            )),
            code => Err(refused("a bind", code, &result.text)),
        }
    }

    /// The one entry that is looked for. Two are an error: nobody knows which of them is meant.
    pub(super) async fn search(
        &mut self,
        query: &Query,
        attributes: &[String],
    ) -> Result<Option<Found>, Failure> {
        self.received.store(0, Ordering::Relaxed);
        let options = SearchOptions::new().sizelimit(ENTRIES_MAX);
        let searching = self.ldap.with_search_options(options).streaming_search(
            &query.base,
            query.scope,
            &query.filter,
            attributes,
        );
        let mut stream = match searching.await {
            Ok(stream) => stream,
            Err(error) => return Err(self.failure(&error)),
        };
        let mut found: Option<Found> = None;
        let mut second = None;
        loop {
            let entry = match stream.next().await {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) => {
                    drop(stream);
                    return Err(self.failure(&error));
                }
            };
            // What another server may know is not looked at.
            if entry.is_ref() || entry.is_intermediate() {
                continue;
            }
            let entry = Found::new(SearchEntry::construct(entry));
            match &found {
                None => found = Some(entry),
                Some(_) => second = second.or(Some(entry)),
            }
        }
        let result = stream.finish().await;
        if let Some((one, other)) = found.as_ref().zip(second) {
            return Err(Failure::permanent(
                format!("two entries for one {}: {:?} and {:?}", query.of, one.dn, other.dn),
                "make the filter match one of them alone",
            ));
        }
        match result.rc {
            SUCCESS => {}
            NO_SUCH_OBJECT if query.may_be_absent => return Ok(None),
            NO_SUCH_OBJECT => {
                return Err(Failure::permanent(
                    format!(
                        "there is no entry {:?} to search for an {}, or it must not be seen",
                        query.base, query.of
                    ),
                    "correct the base of the search, or give the service account the right to search there",
                ));
            }
            code => return Err(refused("a search", code, &result.text)),
        }
        match found {
            Some(found) if found.dn.is_empty() => Err(Failure::permanent(
                "the search found the root of the directory",
                "make base and filter match entries of accounts and aliases alone",
            )),
            found => Ok(found),
        }
    }

    /// One page of all accounts: `cookie` is that of the page before, empty for the first.
    ///
    /// RFC 2696 section 3: the control is critical, so a server without it says so, and does not answer with a part.
    pub(super) async fn page(
        &mut self,
        listing: &Listing,
        attributes: &[String],
        size: i32,
        cookie: Vec<u8>,
    ) -> Result<Page, Failure> {
        self.received.store(0, Ordering::Relaxed);
        let control = PagedResults { size, cookie }.critical();
        let searching = self.ldap.with_controls(control).streaming_search(
            &listing.base,
            listing.scope.into(),
            &listing.filter,
            attributes,
        );
        let mut stream = match searching.await {
            Ok(stream) => stream,
            Err(error) => return Err(self.failure(&error)),
        };
        let mut entries = Vec::new();
        loop {
            match stream.next().await {
                Ok(Some(entry)) if entry.is_ref() || entry.is_intermediate() => {}
                Ok(Some(entry)) => entries.push(Found::new(SearchEntry::construct(entry))),
                Ok(None) => break,
                Err(error) => {
                    drop(stream);
                    return Err(self.failure(&error));
                }
            }
        }
        let result = stream.finish().await;
        match result.rc {
            SUCCESS => {}
            NO_SUCH_OBJECT => {
                return Err(Failure::permanent(
                    format!(
                        "there is no entry {:?} to list accounts below, or it must not be seen",
                        listing.base
                    ),
                    "correct list_base, or give the service account the right to search there",
                ));
            }
            SIZE_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED => {
                return Err(Failure::permanent(
                    format!("the server does not list all accounts: code {} {:?}", result.rc, result.text),
                    "let whoever searches have them all, page by page; in OpenLDAP: limits dn.exact=\"…\" size.prtotal=unlimited",
                ));
            }
            UNAVAILABLE_CRITICAL_EXTENSION => {
                return Err(Failure::permanent(
                    "the server does not list accounts page by page (RFC 2696)",
                    "allow that, or leave the list_ keys out",
                ));
            }
            code => return Err(refused("a list", code, &result.text)),
        }
        let paged = |control: Control| match control {
            Control(Some(ControlType::PagedResults), raw) => Some(raw.parse::<PagedResults>()),
            _ => None,
        };
        // Without a word about pages that was everything.
        let cookie = result.ctrls.into_iter().find_map(paged).map_or_else(Vec::new, |paged| paged.cookie);
        Ok(Page { entries, cookie })
    }

    fn failure(&self, error: &LdapError) -> Failure {
        if self.received.load(Ordering::Relaxed) > ANSWER_OCTETS_MAX {
            return Failure::lost(format!("an answer of more than {ANSWER_OCTETS_MAX} octets"));
        }
        match error {
            LdapError::FilterParsing => {
                Failure::permanent("the filter cannot be understood", "correct filter")
            }
            LdapError::EndOfStream | LdapError::OpSend { .. } | LdapError::ResultRecv { .. } => {
                Failure::lost("the connection has ended")
            }
            error => Failure::lost(error.to_string()),
        }
    }
}

fn refused(what: &str, code: u32, text: &str) -> Failure {
    let said = format!("{what} was answered with code {code} {text:?}");
    match code {
        OPERATIONS_ERROR | TIME_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED | BUSY | UNAVAILABLE | OTHER => {
            Failure::lost(said)
        }
        _ => Failure::permanent(said, "look at the log of the server, and at what it lets this account do"),
    }
}

/// What is wrong with the TLS of a server: its certificate, until somebody acts; else the way there.
fn untrusted(server: &Server, error: io::Error) -> Failure {
    let is_certificate = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match is_certificate {
        Some(rustls::Error::InvalidCertificate(why)) => Failure::permanent(
            format!("the certificate of {server} is not accepted: {why:?}"),
            "name the authority that has signed it in ca, and the server as its certificate does",
        ),
        _ => Failure::lost(format!("no TLS with {server}: {error}")),
    }
}

/// RFC 4511 section 4.14, octet by octet: the library can do it on a socket of its own only. Not an octet behind the answer is read,
/// so nothing that came in clear is taken for what comes under TLS.
async fn start_tls(stream: &mut TcpStream, server: &Server) -> Result<(), Failure> {
    let lost = |error: io::Error| Failure::lost(format!("{server} does not answer to StartTLS: {error}"));
    stream.write_all(START_TLS).await.map_err(lost)?;
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.map_err(lost)?;
    let [tag, short] = head;
    let length = match short {
        0..=0x7f => usize::from(short),
        0x81..=0x84 => {
            let mut long = vec![0; usize::from(short & 0x7f)];
            stream.read_exact(&mut long).await.map_err(lost)?;
            long.into_iter().fold(0, |length, octet| length << 8 | usize::from(octet))
        }
        _ => usize::MAX,
    };
    let strange = || Failure::lost(format!("{server} gives no answer to StartTLS that can be understood"));
    if tag != SEQUENCE || length > START_TLS_ANSWER_MAX {
        return Err(strange());
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await.map_err(lost)?;
    let (_, message_id, rest) = element(&answer).ok_or_else(strange)?;
    let (operation, response, _) = element(rest).ok_or_else(strange)?;
    let (_, code, _) = element(response).ok_or_else(strange)?;
    match (message_id, operation, code) {
        ([1], EXTENDED_RESPONSE, [0]) => Ok(()),
        ([1], EXTENDED_RESPONSE, code) => Err(Failure::permanent(
            format!("{server} has no StartTLS (code {code:?})"),
            "give the server a certificate, name it as ldaps://, or set starttls = false where nobody can listen",
        )),
        _ => Err(strange()),
    }
}

/// The first element of BER: its tag, what is in it, what comes behind it.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = octets.split_first_chunk::<2>()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let (long, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            (long.iter().fold(0, |length, &octet| length << 8 | usize::from(octet)), rest)
        }
        _ => return None,
    };
    let (inside, behind) = rest.split_at_checked(length)?;
    Some((tag, inside, behind))
}

/// Carries octets between the server and the library until one of them ends, or the server sends too many for one answer.
async fn carry(outer: impl AsyncRead + AsyncWrite, inner: UnixStream, received: Arc<AtomicUsize>) {
    let (mut from_server, mut to_server) = tokio::io::split(outer);
    let (mut from_library, mut to_library) = inner.into_split();
    let inward = async {
        let mut chunk = vec![0; CHUNK_OCTETS];
        while let Ok(count @ 1..) = from_server.read(&mut chunk).await {
            let before = received.fetch_add(count, Ordering::Relaxed);
            let Some(octets) = chunk.get(..count) else { break };
            if before.saturating_add(count) > ANSWER_OCTETS_MAX || to_library.write_all(octets).await.is_err()
            {
                break;
            }
        }
    };
    tokio::select! {
        () = inward => {}
        _ = tokio::io::copy(&mut from_library, &mut to_server) => {}
    }
    // The end of TLS, if the server takes it.
    let _ = tokio::time::timeout(FAREWELL, to_server.shutdown()).await;
}

// RFC 4511, A.1: result codes.
const SUCCESS: u32 = 0;
const OPERATIONS_ERROR: u32 = 1;
const TIME_LIMIT_EXCEEDED: u32 = 3;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const STRONGER_AUTH_REQUIRED: u32 = 8;
const ADMIN_LIMIT_EXCEEDED: u32 = 11;
const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
const CONFIDENTIALITY_REQUIRED: u32 = 13;
const CONSTRAINT_VIOLATION: u32 = 19;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_CREDENTIALS: u32 = 49;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;
const UNWILLING_TO_PERFORM: u32 = 53;
const OTHER: u32 = 80;

/// Active Directory says by these why a right name and password do not open: account disabled, expired or locked out, password expired or to
/// be changed first.
const ACTIVE_DIRECTORY_LOCKED: [&str; 5] = ["data 533", "data 701", "data 775", "data 532", "data 773"];

/// The most entries that a server is asked for: one is right, and two are seen to be too many.
const ENTRIES_MAX: i32 = 2;

/// The most octets of one answer: a few attributes of two entries, and the references to other servers that come with them.
const ANSWER_OCTETS_MAX: usize = 1 << 20;

/// Message 1: an extended request of 1.3.6.1.4.1.1466.20037.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const START_TLS_ANSWER_MAX: usize = 4096;
const SEQUENCE: u8 = 0x30;
const EXTENDED_RESPONSE: u8 = 0x78;

const CHUNK_OCTETS: usize = 16 * 1024;
const FAREWELL: Duration = Duration::from_secs(1);
