//! Who a server is: certificates made for the test, good and bad, and what the client does about them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, SanType, date_time_ymd,
};
use restante_client::connect::{Address, Security, Tls, pem_roots};
use restante_client::error::{Blame, Error};
use restante_client::identity::{CertificateFault, Reference, Service};
use restante_client::pop3::{Client, Quit, Settings};
use restante_proto::url::{Host, HostName, PopUrl};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::script::{Act, PATIENT, acts, serve};

/// An authority of the test's own.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Issued {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("Test authority")
    }

    pub(crate) fn stranger() -> Self {
        Self::named("Another authority")
    }

    fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { certificate: der, pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        roots
    }

    /// A certificate with these names, changed as the test wants it.
    fn issue(&self, names: &[SanType], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.subject_alt_names = names.to_vec();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Issued { certificate, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    /// A certificate for DNS names.
    pub(crate) fn issue_for(&self, names: &[&str]) -> Issued {
        self.issue(&names.iter().copied().map(dns).collect::<Vec<_>>(), |_| {})
    }
}

impl Issued {
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A server that shows this certificate and has the key of another.
    pub(crate) fn config_with_key_of(&self, other: &Self) -> Arc<ServerConfig> {
        let key = rustls::crypto::ring::sign::any_supported_type(&other.key).unwrap();
        let shown = rustls::sign::CertifiedKey::new(vec![self.certificate.clone()], key);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let resolver = rustls::sign::SingleCertAndKey::from(shown);
        Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver)))
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config_with(rustls::ALL_VERSIONS)
    }

    fn config_with(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = builder.with_no_client_auth();
        Arc::new(config.with_single_cert(vec![self.certificate.clone()], self.key.clone_key()).unwrap())
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A subjectAltName with one SRVName (RFC 4985), which `rcgen` cannot write.
fn srv_id(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let wrap = |tag: u8, inner: &[u8]| {
        let length = u8::try_from(inner.len()).ok().filter(|&length| length < 128).unwrap();
        [&[tag, length], inner].concat()
    };
    let kind = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];
    let value = wrap(0xa0, &wrap(0x16, name.as_bytes()));
    let names = wrap(0x30, &wrap(0xa0, &[&kind[..], &value].concat()));
    move |params| {
        params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], names));
    }
}

fn common_name(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let name = name.to_owned();
    move |params| params.distinguished_name.push(DnType::CommonName, name)
}

pub(crate) fn settings() -> Settings {
    Settings { deadlines: PATIENT, ..Settings::default() }
}

/// What becomes of a connection with TLS from the first octet: whether it is confidential, or what is wrong with the
/// certificate. The server's script fails the test when a client that refuses it says anything.
async fn meet(config: Arc<ServerConfig>, tls: Tls) -> Result<bool, CertificateFault> {
    let mut script = vec![Act::Tls(config)];
    script.extend(acts("S: +OK hi\nC: QUIT\nS: +OK"));
    let (address, server) = serve(script).await;
    let result = match Client::connect(&address, Security::Implicit(tls), settings()).await {
        Ok(client) => {
            let is_confidential = client.is_confidential();
            assert!(matches!(client.quit().await, Quit::Committed));
            Ok(is_confidential)
        }
        Err(Error::Certificate { fault, .. }) => Err(fault),
        Err(error) => panic!("{error:?}"),
    };
    server.await.unwrap();
    result
}

/// Whether a certificate is accepted for a host that the user named.
async fn accepts(authority: &Authority, issued: &Issued, host: &str) -> bool {
    let tls = Tls::with_roots(authority.roots(), host).unwrap();
    match meet(issued.config(), tls).await {
        Ok(is_confidential) => is_confidential,
        Err(fault) => {
            assert_eq!(fault, CertificateFault::WrongName, "{host}");
            false
        }
    }
}

#[tokio::test]
async fn r2595_2_4_1_a_certificate_for_another_host_ends_the_connection() {
    let authority = Authority::new();
    let issued = authority.issue_for(&["other.example"]);
    assert!(!accepts(&authority, &issued, "mail.example").await);
    assert!(accepts(&authority, &issued, "other.example").await);
    // With STLS: nothing is said after it.
    let mut script = acts("S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: +OK");
    script.push(Act::Tls(issued.config()));
    let (address, server) = serve(script).await;
    let security = Security::Stls(Tls::with_roots(authority.roots(), "mail.example").unwrap());
    let error = Client::connect(&address, security, settings()).await.unwrap_err();
    assert!(matches!(error, Error::Certificate { fault: CertificateFault::WrongName, .. }), "{error:?}");
    assert_eq!((error.blame(), error.is_temporary()), (Blame::Server, false));
    assert_eq!(error.to_string(), "the server's certificate belongs to another server");
    server.await.unwrap();
}

#[tokio::test]
async fn r2595_2_4_2_a_name_that_was_looked_up_does_not_count() {
    let authority = Authority::new();
    // The connection goes to 127.0.0.1, whose certificate this is; the user said something else.
    let issued =
        authority.issue(&[SanType::IpAddress(Ipv4Addr::LOCALHOST.into()), dns("target.example")], |_| {});
    assert!(!accepts(&authority, &issued, "alias.example").await);
    assert!(accepts(&authority, &issued, "127.0.0.1").await);
}

#[tokio::test]
async fn r2595_2_4_3_any_dns_name_matches_and_the_common_name_does_not() {
    let authority = Authority::new();
    let both = authority.issue_for(&["a.example", "b.example"]);
    assert!(accepts(&authority, &both, "b.example").await);
    let other = authority.issue(&[dns("a.example")], common_name("b.example"));
    assert!(!accepts(&authority, &other, "b.example").await);
    let alone = authority.issue(&[], common_name("b.example"));
    assert!(!accepts(&authority, &alone, "b.example").await);
}

#[tokio::test]
async fn r2595_2_4_4_names_are_compared_without_case() {
    let authority = Authority::new();
    assert!(accepts(&authority, &authority.issue_for(&["pop.example.com"]), "POP.Example.COM").await);
    assert!(accepts(&authority, &authority.issue_for(&["PoP.eXample.com"]), "pop.example.com").await);
}

#[tokio::test]
async fn r2595_2_4_5_a_wildcard_is_one_label() {
    let authority = Authority::new();
    let issued = authority.issue_for(&["*.example.com"]);
    assert!(accepts(&authority, &issued, "a.example.com").await);
    for host in ["example.com", "a.b.example.com"] {
        assert!(!accepts(&authority, &issued, host).await, "{host}");
    }
}

#[tokio::test]
async fn r7817_3_6_a_wildcard_is_a_whole_label() {
    let authority = Authority::new();
    let issued = authority.issue_for(&["f*.example.com", "*oo.example.com", "mail.*.com"]);
    for host in ["foo.example.com", "f.example.com", "mail.example.com"] {
        assert!(!accepts(&authority, &issued, host).await, "{host}");
    }
}

#[tokio::test]
async fn r2595_2_4_6_nobody_is_asked_whether_to_go_on() {
    let authority = Authority::new();
    let tls = Tls::with_roots(authority.roots(), "mail.example").unwrap();
    let issued = authority.issue_for(&["other.example"]);
    // `meet` fails when anything is said on this connection, or another is opened.
    assert_eq!(meet(issued.config(), tls).await, Err(CertificateFault::WrongName));
}

#[tokio::test]
async fn r2595_4_12_capabilities_are_asked_for_again_under_tls() {
    let authority = Authority::new();
    let mut script = acts("S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: SASL LOGIN\nS: .\nC: STLS\nS: +OK");
    script.push(Act::Tls(authority.issue_for(&["localhost"]).config()));
    script.extend(acts("C: CAPA\nS: +OK\nS: SASL PLAIN\nS: .\nC: QUIT\nS: +OK"));
    let (address, server) = serve(script).await;
    let security = Security::Stls(Tls::with_roots(authority.roots(), "localhost").unwrap());
    let client = Client::connect(&address, security, settings()).await.unwrap();
    assert!(client.is_confidential());
    assert!(matches!(client.quit().await, Quit::Committed));
    server.await.unwrap();
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

/// For a host that the records of `_pop3s` in example.org name.
fn reference(host: &str) -> Reference {
    Reference::new(Service::Pop3s, name("example.org"), Host::Name(name(host)))
}

async fn discovers(authority: &Authority, issued: &Issued, reference: &Reference) -> bool {
    let tls = Tls::discovered(authority.roots(), reference).unwrap();
    meet(issued.config(), tls).await.is_ok()
}

#[tokio::test]
async fn r7817_3_1_a_discovered_host_is_recognized_by_what_nobody_can_forge() {
    let authority = Authority::new();
    // By the domain of the mail address, wherever the host is; by the host, where the domain is above it.
    for (certified, host, is_right) in [
        ("example.org", "mail.example.net", true),
        ("mail.example.org", "mail.example.org", true),
        ("example.org", "mail.example.org", true),
        ("mail.example.net", "mail.example.net", false),
        ("pop.example.org", "mail.example.org", false),
    ] {
        let issued = authority.issue_for(&[certified]);
        assert_eq!(discovers(&authority, &issued, &reference(host)).await, is_right, "{certified} {host}");
    }
    let issued = authority.issue_for(&["mail.example.net"]);
    assert!(discovers(&authority, &issued, &reference("mail.example.net").confirmed()).await);
    // The path comes first: the right name from somebody else is nothing.
    let stranger = Authority::stranger().issue_for(&["example.org"]);
    let tls = Tls::discovered(authority.roots(), &reference("mail.example.org")).unwrap();
    assert_eq!(meet(stranger.config(), tls).await, Err(CertificateFault::UnknownIssuer));
}

#[tokio::test]
async fn r6186_4_2_the_server_is_told_who_is_looked_for() {
    let authority = Authority::new();
    let config = authority.issue_for(&["example.org"]).config();
    for (host, told) in [("mail.example.org", "mail.example.org"), ("mail.example.net", "example.org")] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = Arc::clone(&config);
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = tokio_rustls::TlsAcceptor::from(config).accept(stream).await.unwrap();
            stream.write_all(b"+OK hi\r\n").await.unwrap();
            stream.flush().await.unwrap();
            stream.get_ref().1.server_name().map(str::to_owned)
        });
        // The certificate is the domain's, which is where the check begins.
        let security = Security::Implicit(Tls::discovered(authority.roots(), &reference(host)).unwrap());
        let address = Address::Tcp { host: "127.0.0.1".into(), port };
        Client::connect(&address, security, settings()).await.unwrap();
        assert_eq!(server.await.unwrap().as_deref(), Some(told));
    }
}

#[tokio::test]
async fn r7817_3_2_dns_names_are_supported() {
    let authority = Authority::new();
    assert!(accepts(&authority, &authority.issue_for(&["mail.example.org"]), "mail.example.org").await);
}

#[tokio::test]
async fn r7817_3_3_an_srv_id_names_the_mail_domain() {
    let authority = Authority::new();
    for (certified, is_right) in [
        ("_pop3s.example.org", true),
        ("_POP3S.Example.ORG", true),
        ("_pop3.example.org", false),
        ("_imaps.example.org", false),
        ("_pop3s.example.net", false),
        ("_pop3s.mail.example.net", false),
        ("_pop3s.*.org", false),
        ("example.org", false),
    ] {
        let issued = authority.issue(&[], srv_id(certified));
        let is_accepted = discovers(&authority, &issued, &reference("mail.example.net")).await;
        assert_eq!(is_accepted, is_right, "{certified}");
    }
    // Without discovery an SRV-ID is nobody's name.
    let issued = authority.issue(&[], srv_id("_pop3s.example.org"));
    assert!(!accepts(&authority, &issued, "example.org").await);
}

#[tokio::test]
async fn r7817_3_4_a_uri_is_no_name() {
    let authority = Authority::new();
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let issued = authority.issue(&[uri("pop://example.org"), uri("pops://example.org")], |_| {});
    assert!(!accepts(&authority, &issued, "example.org").await);
    assert!(!discovers(&authority, &issued, &reference("example.org")).await);
}

#[tokio::test]
async fn r8314_3_1_2_nothing_is_said_to_a_server_with_a_wrong_certificate() {
    let authority = Authority::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = authority.issue_for(&["other.example"]).config_with(&[&rustls::version::TLS12]);
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // With TLS 1.2 the client must have refused before the server has finished.
        assert!(tokio_rustls::TlsAcceptor::from(config).accept(stream).await.is_err());
    });
    let security = Security::Implicit(Tls::with_roots(authority.roots(), "mail.example").unwrap());
    let address = Address::Tcp { host: "127.0.0.1".into(), port };
    let error = Client::connect(&address, security, settings()).await.unwrap_err();
    assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn r5034_4_28_no_password_goes_to_a_server_with_a_bad_certificate() {
    let authority = Authority::new();
    for issued in [authority.issue_for(&["other.example"]), Authority::stranger().issue_for(&["localhost"])] {
        let mut script = acts("S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: SASL PLAIN\nS: .\nC: STLS\nS: +OK");
        script.push(Act::Tls(issued.config_with(&[&rustls::version::TLS12])));
        // Were the handshake to succeed, the script would wait for this, and for ever.
        script.extend(acts("C: CAPA\nS: -ERR"));
        let (address, server) = serve(script).await;
        let security = Security::Stls(Tls::with_roots(authority.roots(), "localhost").unwrap());
        // There is no client to log in with.
        let error = Client::connect(&address, security, settings()).await.unwrap_err();
        assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn r8314_5_1_tls_1_2_and_1_3_are_spoken() {
    let authority = Authority::new();
    let issued = authority.issue_for(&["localhost"]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let tls = Tls::with_roots(authority.roots(), "localhost").unwrap();
        assert_eq!(meet(issued.config_with(&[version]), tls).await, Ok(true));
    }
}

#[tokio::test]
async fn r8314_5_2_an_unknown_issuer_is_never_confidential() {
    let (authority, stranger) = (Authority::new(), Authority::stranger());
    let issued = stranger.issue_for(&["localhost"]);
    let tls = Tls::with_roots(authority.roots(), "localhost").unwrap();
    assert_eq!(meet(issued.config(), tls).await, Err(CertificateFault::UnknownIssuer));
    // A certificate that signs itself is the same.
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let issued = Issued { certificate: made.cert.der().clone(), key };
    let tls = Tls::with_roots(authority.roots(), "localhost").unwrap();
    assert!(meet(issued.config(), tls).await.is_err());
}

#[tokio::test]
async fn r8314_5_3_1_certificates_are_validated() {
    let authority = Authority::new();
    let localhost = [dns("localhost")];
    let cases: [(Issued, CertificateFault); 4] = [
        (
            authority.issue(&localhost, |params| {
                params.not_before = date_time_ymd(2001, 1, 1);
                params.not_after = date_time_ymd(2002, 1, 1);
            }),
            CertificateFault::Expired,
        ),
        (
            authority.issue(&localhost, |params| params.not_before = date_time_ymd(2999, 1, 1)),
            CertificateFault::NotYetValid,
        ),
        (
            authority.issue(&localhost, |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
            CertificateFault::WrongPurpose,
        ),
        (Authority::stranger().issue(&localhost, |_| {}), CertificateFault::UnknownIssuer),
    ];
    for (issued, fault) in cases {
        let tls = Tls::with_roots(authority.roots(), "localhost").unwrap();
        assert_eq!(meet(issued.config(), tls).await, Err(fault));
        // The same for a server that records name.
        let reference = Reference::new(Service::Pop3s, name("localhost"), Host::Name(name("localhost")));
        let tls = Tls::discovered(authority.roots(), &reference).unwrap();
        assert_eq!(meet(issued.config(), tls).await, Err(fault));
    }
}

/// A server that knows nothing younger than TLS 1.1, and how often it was called before it was told to stop.
async fn old_server(
    answer: &'static [u8],
) -> (Address, tokio::task::JoinHandle<usize>, Arc<tokio::sync::Notify>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let server = tokio::spawn(async move {
        let mut calls = 0;
        loop {
            let (mut stream, _) = tokio::select! {
                biased;
                accepted = listener.accept() => accepted.unwrap(),
                () = stopped.notified() => return calls,
            };
            calls += 1;
            let mut hello = [0; 4096];
            assert!(stream.read(&mut hello).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    (Address::Tcp { host: "127.0.0.1".into(), port }, server, stop)
}

/// The alert protocol_version, and a ServerHello of TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA.
const OLD_ANSWERS: [&[u8]; 2] = [
    b"\x15\x03\x02\x00\x02\x02\x46",
    b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x020123456789abcdef0123456789abcdef\x00\x00\x2f\x00",
];

#[tokio::test]
async fn r8997_3_2_a_server_without_tls_1_2_is_refused() {
    for answer in OLD_ANSWERS {
        let (address, server, stop) = old_server(answer).await;
        let tls = Tls::with_roots(Authority::new().roots(), "localhost").unwrap();
        let error = Client::connect(&address, Security::Implicit(tls), settings()).await.unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "{error:?}");
        stop.notify_one();
        server.await.unwrap();
    }
}

#[tokio::test]
async fn r9325_3_1_3_1_a_failed_handshake_is_not_tried_again_with_less() {
    for answer in OLD_ANSWERS {
        let (address, server, stop) = old_server(answer).await;
        let tls = Tls::with_roots(Authority::new().roots(), "localhost").unwrap();
        assert!(Client::connect(&address, Security::Implicit(tls), settings()).await.is_err());
        stop.notify_one();
        assert_eq!(server.await.unwrap(), 1, "calls");
    }
}

#[tokio::test]
async fn r8997_3_3_nothing_else_is_said_to_be_confidential() {
    let (address, server) = serve(acts("S: +OK hi\nC: QUIT\nS: +OK")).await;
    let client = Client::connect(&address, Security::None, settings()).await.unwrap();
    assert!(!client.is_confidential());
    client.quit().await;
    server.await.unwrap();
    let authority = Authority::new();
    let tls = Tls::with_roots(authority.roots(), "localhost").unwrap();
    assert_eq!(meet(authority.issue_for(&["localhost"]).config(), tls).await, Ok(true));
}

/// A URL's security, against a server that offers no TLS; it may hear `heard` and no more.
async fn meet_in_clear(url: &str, heard: &str) {
    let (address, server) = serve(acts(heard)).await;
    let url = PopUrl::parse(url).unwrap();
    let tls = Tls::with_roots(Authority::new().roots(), "localhost").unwrap();
    let security = Security::of(url.scheme(), tls);
    let error = Client::connect(&address, security, settings()).await.unwrap_err();
    assert!(matches!(error, Error::NoStls), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn r8314_5_3_tls_is_required_unless_somebody_says_otherwise() {
    let tls = || Tls::with_roots(Authority::new().roots(), "h").unwrap();
    let of = |url: &str| Security::of(PopUrl::parse(url).unwrap().scheme(), tls());
    assert!(matches!(of("pops://h"), Security::Implicit(_)));
    assert!(matches!(of("pop://h"), Security::Stls(_)));
    meet_in_clear("pop://u@h", "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: .").await;
}

#[tokio::test]
async fn r8314_5_1_1_no_credentials_are_sent_to_try_a_configuration() {
    // There is no client to log in with before the level is reached, so there is nothing to try with.
    meet_in_clear("pop://u@h", "S: +OK hi\nC: CAPA\nS: +OK\nS: SASL PLAIN\nS: USER\nS: .").await;
}

#[tokio::test]
async fn r8314_5_2_1_capabilities_and_stls_are_all_that_is_said_in_clear() {
    meet_in_clear("pop://u@h", "S: +OK hi\nC: CAPA\nS: -ERR\nC: STLS\nS: -ERR").await;
}

#[tokio::test]
async fn r8314_5_5_1_a_certificate_of_the_client_is_shown_only_on_order() {
    let authority = Authority::new();
    let server = authority.issue_for(&["localhost"]);
    let client = authority.issue(&[], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier);
    let config = config.with_single_cert(vec![server.certificate.clone()], server.key.clone_key()).unwrap();
    let config = Arc::new(config);
    let plain = || Tls::with_roots(authority.roots(), "localhost").unwrap();
    let ordered = plain().with_client_certificate(vec![client.certificate.clone()], client.key.clone_key());
    for (tls, shown) in [(plain(), None), (ordered.unwrap(), Some(vec![client.certificate.clone()]))] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = Arc::clone(&config);
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = tokio_rustls::TlsAcceptor::from(config).accept(stream).await.unwrap();
            stream.write_all(b"+OK hi\r\n").await.unwrap();
            stream.flush().await.unwrap();
            stream.get_ref().1.peer_certificates().map(<[_]>::to_vec)
        });
        let address = Address::Tcp { host: "127.0.0.1".into(), port };
        Client::connect(&address, Security::Implicit(tls), settings()).await.unwrap();
        assert_eq!(server.await.unwrap(), shown);
    }
    // A key that belongs to another certificate.
    let wrong = plain().with_client_certificate(vec![client.certificate], server.key.clone_key());
    assert!(matches!(wrong, Err(Error::OwnCertificate(_))));
}

#[tokio::test]
async fn the_host_of_a_url_is_the_name_that_counts() {
    let authority = Authority::new();
    for (url, certified) in [
        ("pops://u@mail.example:1", dns("mail.example")),
        ("pops://mail.example.", dns("mail.example")),
        ("pops://127.0.0.1", SanType::IpAddress(Ipv4Addr::LOCALHOST.into())),
        ("pops://[::1]", SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into())),
    ] {
        let issued = authority.issue(&[certified], |_| {});
        let tls = Tls::of(&PopUrl::parse(url).unwrap(), authority.roots()).unwrap();
        assert_eq!(meet(issued.config(), tls).await, Ok(true), "{url}");
    }
    let address = Address::from(&PopUrl::parse("pops://u@[::1]:4711").unwrap());
    assert_eq!(address, Address::Tcp { host: "::1".into(), port: 4711 });
}

#[test]
fn authorities_from_a_pem_file() {
    let authority = Authority::new();
    assert_eq!(pem_roots(authority.pem.as_bytes()).unwrap().len(), 1);
    assert!(matches!(pem_roots(b"nothing in here"), Err(Error::NoRoots)));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(pem_roots(broken.as_bytes()), Err(Error::OwnCertificate(_))));
}
