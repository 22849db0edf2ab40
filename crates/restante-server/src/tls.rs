//! TLS: the certificates and their keys, watched and replaced; the handshake.
//!
//! TLS 1.2 and 1.3 only (R8314-4.3, R8997-3.1), no early data, client certificates only where an authority for them is
//! configured (R8314-4.2.1), ALPN `pop3` where POP3 is spoken. A bad new certificate never displaces a good old one. Files are read in
//! `tls/pair.rs`, what stands in certificates in `tls/certificate.rs`, what is stapled to them in `tls/staple.rs`; `tls/choice.rs` says which a
//! client is shown. Which listener uses TLS is `listener.rs`'s.

pub(crate) mod certificate;
mod choice;
pub(crate) mod expiry;
pub(crate) mod pair;
mod staple;

use crate::acme::{self, TlsAnswers};
use crate::clock;
use crate::config::{Config, Protocol, TlsVersion};
use crate::event::certificate::CertificateEvent;
use crate::event::{Event, Log};
use crate::file::{self, Stamp};
use crate::listener::{Raw, UnderTls};
use arc_swap::ArcSwap;
use choice::Names;
use expiry::Expiry;
use pair::{PEM_OCTETS_MAX, Pair, PairError, PairFiles, Stamps, pem_error};
use restante_proto::sasl::{BindingKind, Channel};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::ProducesTickets;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, ClientHello};
use rustls::sign::SingleCertAndKey;
use rustls::{HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio_rustls::LazyConfigAcceptor;

/// A connection under TLS.
pub(crate) struct TlsStream {
    pub(crate) stream: tokio_rustls::server::TlsStream<UnderTls>,
    /// `tls-server-end-point` of the certificate that this connection was shown; `None` where there is none.
    end_point: Option<Arc<[u8]>>,
}

impl TlsStream {
    /// What mechanisms can have of this connection.
    pub(crate) fn channel(&self) -> Channel {
        let session = self.stream.get_ref().1;
        let is_tls_13 = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        // A resumed connection was shown no certificate: the client may know one from before a renewal. And below TLS 1.3 a
        // binding is only safe with a whole handshake, since whether the extended master secret was used is not to be
        // had from the library (R7677-4.1).
        let is_full = !matches!(session.handshake_kind(), None | Some(HandshakeKind::Resumed));
        Channel {
            // R9266-3.1, R9266-4.2.1: with TLS 1.3 alone, which knows no renegotiation.
            exporter: is_tls_13,
            server_end_point: is_full && self.end_point.is_some(),
            certificate: session.peer_certificates().is_some_and(|chain| !chain.is_empty()),
        }
    }

    /// The octets of a binding; `None` where it cannot be had.
    pub(crate) fn binding(&self, kind: BindingKind) -> Option<Vec<u8>> {
        match kind {
            // R9266-2.1
            BindingKind::Exporter => {
                let session = self.stream.get_ref().1;
                session.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).ok().map(|it| it.to_vec())
            }
            BindingKind::ServerEndPoint => self.end_point.as_deref().map(<[u8]>::to_vec),
        }
    }

    /// The certificate that the client has shown and that is trusted.
    pub(crate) fn client_certificate(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.peer_certificates()?.first().map(AsRef::as_ref)
    }
}

/// The certificates and keys that handshakes use now, and where the next ones will be found.
pub(crate) struct Identity {
    files: Vec<PairFiles>,
    client_ca: Option<PathBuf>,
    minimum: TlsVersion,
    warn_days: u64,
    handshake: Duration,
    provider: Arc<CryptoProvider>,
    /// Outlives the certificates, so that clients resume across a renewal.
    tickets: Arc<dyn ProducesTickets>,
    current: ArcSwap<Current>,
    seen: Mutex<Seen>,
    /// What is shown to an ACME server that asks by `tls-alpn-01`.
    acme: TlsAnswers,
}

/// What handshakes use now.
struct Current {
    /// In the order of the configuration.
    shown: Vec<Option<Arc<Shown>>>,
    names: Names,
    /// Kept for those that are renewed later.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// One certificate, ready for handshakes.
struct Shown {
    pair: Pair,
    /// One for each protocol: they differ in ALPN.
    pop3: Arc<ServerConfig>,
    lmtp: Arc<ServerConfig>,
}

/// What has been looked at, and said.
struct Seen {
    pairs: Vec<SeenPair>,
    client_ca: Option<Stamp>,
}

#[derive(Clone)]
struct SeenPair {
    stamps: Stamps,
    /// When it was last said that the certificate ends soon.
    warned: Option<SystemTime>,
}

impl Identity {
    /// Reads certificates and keys; `None` when none are configured. Says in the log what about them needs looking after. Blocks for
    /// the files.
    ///
    /// # Errors
    /// They cannot be read, are damaged or do not belong together.
    pub(crate) fn load(config: &Config, log: &Log) -> Result<Option<Self>, PairError> {
        let files = pair_files(config);
        if files.is_empty() {
            return Ok(None);
        }
        let client_ca = config.tls.client_ca.clone();
        let seen_pair = |files: &PairFiles| SeenPair { stamps: files.stamps(), warned: None };
        let seen = Seen {
            pairs: files.iter().map(seen_pair).collect(),
            client_ca: client_ca.as_deref().and_then(file::stamp),
        };
        let now = clock::wall();
        let pairs = files.iter().map(|files| match pair::load(files, now) {
            Ok(pair) => Ok(Some(pair)),
            Err(error) if files.may_be_missing => {
                // Another one is got; a damaged one is worth a line.
                if file::exists(&files.certificate) {
                    let certificate = &files.certificate;
                    log.write(&Event::Certificate(CertificateEvent::Kept { certificate, error: &error }));
                }
                Ok(None)
            }
            Err(error) => Err(error),
        });
        let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
        let clients = client_ca.as_deref().map(load_client_ca).transpose()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tickets = rustls::crypto::ring::Ticketer::new().map_err(PairError::Library)?;
        let making = Making { provider: &provider, tickets: &tickets, minimum: config.tls.minimum };
        let current = making.current(pairs, clients)?;
        let identity = Self {
            files,
            client_ca,
            minimum: config.tls.minimum,
            warn_days: config.tls.expiry_warn_days,
            handshake: Duration::from_secs(config.limits.handshake_s),
            provider,
            tickets,
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(seen),
            acme: TlsAnswers::default(),
        };
        for shown in identity.current.load().shown.iter().flatten() {
            say_not_stapled(&shown.pair, log);
        }
        identity.warn_of_ends(&mut identity.seen.lock().unwrap_or_else(PoisonError::into_inner), now, log);
        Ok(Some(identity))
    }

    /// Makes the server's side of a handshake, within the configured time.
    ///
    /// # Errors
    /// The peer sent no TLS, none that we speak, or was too slow.
    pub(crate) async fn accept(&self, raw: Raw, protocol: Protocol) -> io::Result<TlsStream> {
        let accepting = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), UnderTls(raw)).await?;
            if let Some(settings) = self.acme_answer(&start.client_hello()) {
                start.into_stream(settings).await?;
                return Err(io::Error::other("an ACME server has looked whose the name is"));
            }
            let Some(shown) = self.choose(&start.client_hello()) else {
                return Err(io::Error::other("there is no certificate yet"));
            };
            let settings = match protocol {
                Protocol::Pop3 => &shown.pop3,
                // POP2 has no name in ALPN either.
                Protocol::Lmtp | Protocol::Pop2 | Protocol::Sasl | Protocol::Acme => &shown.lmtp,
            };
            let stream = start.into_stream(Arc::clone(settings)).await?;
            Ok(TlsStream { stream, end_point: shown.pair.end_point.clone() })
        };
        match tokio::time::timeout(self.handshake, accepting).await {
            Ok(accepted) => accepted,
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the peer did not finish the handshake in time"))
            }
        }
    }

    /// What an ACME server is shown that validates a name of an order under way (RFC 8737 section 3).
    fn acme_answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let is_asked = hello.alpn()?.eq([ACME_ALPN]);
        self.acme.get(&hello.server_name()?.to_ascii_lowercase()).filter(|_| is_asked)
    }

    /// Where answers to `tls-alpn-01` are put.
    pub(crate) fn acme_answers(&self) -> &TlsAnswers {
        &self.acme
    }

    /// Goes on with the answers of the identity that this one replaces: an order that is under way publishes them there.
    pub(crate) fn take_over(&mut self, before: &Self) {
        self.acme = before.acme.share();
    }

    /// The certificate of `[acme]` that is in use, if there is one.
    pub(crate) fn acme_pair(&self) -> Option<Pair> {
        let position = self.files.iter().position(|files| files.may_be_missing)?;
        Some(self.current.load().shown.get(position)?.as_ref()?.pair.clone())
    }

    /// Is there any certificate yet?
    pub(crate) fn is_ready(&self) -> bool {
        self.current.load().shown.iter().any(Option::is_some)
    }

    /// The certificate for a client that begins so. One that can check none of those for its name gets the best of them, and says itself why not.
    fn choose(&self, hello: &ClientHello<'_>) -> Option<Arc<Shown>> {
        let current = self.current.load();
        let candidates = current.names.candidates(hello.server_name());
        let mut candidates = candidates.filter_map(|index| current.shown.get(index)?.as_ref());
        let best = candidates.next()?;
        let schemes = choice::schemes(hello, &self.provider);
        let checkable = |shown: &&Arc<Shown>| choice::can_check(&schemes, &shown.pair.certified);
        Some(Arc::clone([best].into_iter().chain(candidates).find(checkable).unwrap_or(best)))
    }

    /// Looks whether the files have changed and takes them if they are good; says so in the log, and whose end is near. Blocks for
    /// the files.
    pub(crate) fn refresh(&self, log: &Log) {
        self.refresh_at(clock::wall(), log);
    }

    fn refresh_at(&self, now: SystemTime, log: &Log) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let mut clients = before.clients.clone();
        let mut renewed = Vec::new();
        let stamp = self.client_ca.as_deref().and_then(file::stamp);
        if let Some(path) = self.client_ca.as_deref().filter(|_| seen.client_ca != stamp) {
            // What is bad is reported once, not at every look.
            seen.client_ca = stamp;
            match load_client_ca(path) {
                Ok(loaded) => {
                    clients = Some(loaded);
                    renewed.push(path);
                }
                Err(error) => log
                    .write(&Event::Certificate(CertificateEvent::Kept { certificate: path, error: &error })),
            }
        }
        let mut pairs: Vec<Option<Pair>> =
            before.shown.iter().map(|shown| shown.as_ref().map(|shown| shown.pair.clone())).collect();
        for ((files, seen), pair) in self.files.iter().zip(&mut seen.pairs).zip(&mut pairs) {
            let stamps = files.stamps();
            let is_stale = pair.as_ref().and_then(|pair| pair.staple_until).is_some_and(|until| until <= now);
            if seen.stamps == stamps && !is_stale {
                continue;
            }
            seen.stamps = stamps;
            match pair::load(files, now) {
                Ok(loaded) => {
                    say_not_stapled(&loaded, log);
                    *pair = Some(loaded);
                    seen.warned = None;
                    renewed.push(&files.certificate);
                }
                Err(error) => {
                    log.write(&Event::Certificate(CertificateEvent::Kept {
                        certificate: &files.certificate,
                        error: &error,
                    }));
                }
            }
        }
        if !renewed.is_empty() {
            let making = Making { provider: &self.provider, tickets: &self.tickets, minimum: self.minimum };
            let made = making.current(pairs, clients);
            if let Ok(current) = made {
                self.current.store(Arc::new(current));
                renewed.iter().for_each(|certificate| {
                    log.write(&Event::Certificate(CertificateEvent::Reloaded { certificate }))
                });
            } else if let Err(error) = made {
                for certificate in renewed {
                    log.write(&Event::Certificate(CertificateEvent::Kept { certificate, error: &error }));
                }
            }
        }
        self.warn_of_ends(&mut seen, now, log);
    }

    /// Says of each certificate that ends soon, once a day, that it does.
    fn warn_of_ends(&self, seen: &mut Seen, now: SystemTime, log: &Log) {
        let current = self.current.load();
        for ((files, seen), shown) in self.files.iter().zip(&mut seen.pairs).zip(&current.shown) {
            let Some(shown) = shown else { continue };
            let Some(expiry) = Expiry::of(&shown.pair, now, self.warn_days) else { continue };
            let is_said = seen.warned.is_some_and(|warned| {
                // A clock that was set back says it once more, and not for ever.
                now.duration_since(warned).is_ok_and(|ago| ago < Duration::from_secs(expiry::DAY_S))
            });
            if expiry.is_worth_a_warning() && !is_said {
                seen.warned = Some(now);
                let names = &shown.pair.names;
                log.write(&Event::Certificate(CertificateEvent::Expires {
                    certificate: &files.certificate,
                    names,
                    expiry,
                }));
            }
        }
    }
}

/// Where the certificates of a configuration lie, that of `[tls]` first.
fn pair_files(config: &Config) -> Vec<PairFiles> {
    let first = (&config.tls.certificate, &config.tls.key, &config.tls.staple);
    let further = config.pairs.iter().map(|pair| (&pair.certificate, &pair.key, &pair.staple));
    let all = [first].into_iter().chain(further);
    let acme = config.acme.is_on().then(|| acme::kept::pair_files(&config.state_dir));
    let own = all.filter_map(|(certificate, key, staple)| {
        Some(PairFiles::new(certificate.clone()?, key.clone()?, staple.clone()))
    });
    own.chain(acme).collect()
}

fn say_not_stapled(pair: &Pair, log: &Log) {
    if let Some(problem) = &pair.staple_error {
        log.write(&Event::Certificate(CertificateEvent::NotStapled { problem }));
    }
}

/// Reads the authority that client certificates must come from.
///
/// # Errors
/// It cannot be read, is damaged or holds no certificate.
pub(crate) fn load_client_ca(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, PairError> {
    let failed = |error: Box<dyn Error + Send + Sync>| PairError::ClientCa(path.to_owned(), error);
    let text = file::read(path, PEM_OCTETS_MAX).map_err(|error| failed(error.into()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| failed(pem_error(error)))?;
        roots.add(certificate).map_err(|error| failed(error.into()))?;
    }
    if roots.is_empty() {
        return Err(failed("there is no certificate in it".into()));
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        // Whoever has none logs in otherwise.
        .allow_unauthenticated()
        .build()
        .map_err(|error| failed(error.into()))
}

/// What all certificates are made ready with.
struct Making<'a> {
    provider: &'a Arc<CryptoProvider>,
    tickets: &'a Arc<dyn ProducesTickets>,
    minimum: TlsVersion,
}

impl Making<'_> {
    fn current(
        &self,
        pairs: Vec<Option<Pair>>,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<Current, PairError> {
        let names = Names::new(pairs.iter().map(|pair| pair.as_ref().map(|pair| pair.names.as_slice())));
        let shown = pairs
            .into_iter()
            .map(|pair| pair.map(|pair| self.shown(pair, clients.clone()).map(Arc::new)).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Current { shown, names, clients })
    }

    fn shown(&self, pair: Pair, clients: Option<Arc<dyn ClientCertVerifier>>) -> Result<Shown, PairError> {
        let versions: &[&rustls::SupportedProtocolVersion] = match self.minimum {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(self.provider))
            .with_protocol_versions(versions)
            .map_err(PairError::Library)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(clients),
            None => builder.with_no_client_auth(),
        };
        let resolver = SingleCertAndKey::from(pair.certified.clone());
        let mut settings = builder.with_cert_resolver(Arc::new(resolver));
        settings.ticketer = Arc::clone(self.tickets);
        // A client that collects mail comes back alone: one ticket each time is enough.
        settings.send_tls13_tickets = 1;
        let lmtp = Arc::new(settings.clone());
        // A client that says it speaks something else is being led astray; one that says nothing is welcome.
        settings.alpn_protocols = vec![b"pop3".to_vec()];
        Ok(Shown { pair, pop3: Arc::new(settings), lmtp })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// RFC 8737 section 6.2.
pub(crate) const ACME_ALPN: &[u8] = b"acme-tls/1";

/// RFC 9266 section 2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

#[cfg(test)]
mod tests;
