//! Certificates are read, refused and replaced.

use super::*;
use crate::config::{self, LogFormat};
use std::fs;
use tempfile::TempDir;

fn write_pair(folder: &TempDir, name: &str) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    put(folder, "cert.pem", &made.cert.pem());
    put(folder, "key.pem", &made.signing_key.serialize_pem());
    made.cert.der().to_vec()
}

/// Puts a file in place of another, as tools that renew certificates do.
fn put(folder: &TempDir, name: &str, text: &str) {
    fs::write(folder.path().join("new"), text).unwrap();
    fs::rename(folder.path().join("new"), folder.path().join(name)).unwrap();
}

fn settings(folder: &TempDir) -> Config {
    let tls = config::Tls {
        certificate: Some(folder.path().join("cert.pem")),
        key: Some(folder.path().join("key.pem")),
        ..config::Tls::default()
    };
    Config { tls, ..Config::default() }
}

fn quiet() -> Log {
    Log::to(LogFormat::Logfmt, Box::new(crate::tests::Lines::default()))
}

fn load(folder: &TempDir) -> Identity {
    Identity::load(&settings(folder), &quiet()).unwrap().unwrap()
}

/// The certificate that a handshake over a pipe is shown.
async fn shown(identity: &Identity, protocol: Protocol, alpn: &[&[u8]]) -> io::Result<Vec<u8>> {
    shown_to(identity, protocol, alpn, "mail.example.org", &provider())
        .await
        .map(|(certificate, _)| certificate)
}

/// The certificate that a client of this kind is shown that asks for `name`, and what it would bind a login to.
async fn shown_to(
    identity: &Identity,
    protocol: Protocol,
    alpn: &[&[u8]],
    name: &str,
    provider: &Arc<CryptoProvider>,
) -> io::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let (ours, theirs) = tokio::io::duplex(65_536);
    let mut settings = rustls::ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::tests::AnyCertificate))
        .with_no_client_auth();
    settings.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(settings));
    let client = connector.connect(name.to_owned().try_into().unwrap(), theirs);
    let (client, server) = tokio::join!(client, identity.accept(Raw::Memory(ours), protocol));
    let server = server?;
    let client = client?;
    let certificate = client.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    Ok((certificate, server.binding(BindingKind::ServerEndPoint)))
}

#[tokio::test]
async fn a_new_pair_is_used_and_a_bad_one_is_not() {
    let folder = TempDir::new().unwrap();
    let log = crate::tests::Lines::default();
    let writer = Log::to(LogFormat::Logfmt, Box::new(log.clone()));
    let old = write_pair(&folder, "old.example");
    let identity = load(&folder);
    identity.refresh(&writer);
    assert_eq!(shown(&identity, Protocol::Pop3, &[]).await.unwrap(), old);

    // Only half of a new pair: the old one stays, and it is said once.
    let new = write_pair(&folder, "new.example");
    let key = fs::read_to_string(folder.path().join("key.pem")).unwrap();
    put(&folder, "key.pem", "-----BEGIN PRIVATE KEY-----\n");
    identity.refresh(&writer);
    identity.refresh(&writer);
    assert_eq!(shown(&identity, Protocol::Pop3, &[]).await.unwrap(), old);

    put(&folder, "key.pem", &key);
    identity.refresh(&writer);
    assert_eq!(shown(&identity, Protocol::Pop3, &[]).await.unwrap(), new);

    fs::remove_file(folder.path().join("cert.pem")).unwrap();
    identity.refresh(&writer);
    assert_eq!(shown(&identity, Protocol::Lmtp, &[]).await.unwrap(), new);

    drop(writer);
    let events: Vec<String> = log.events();
    assert_eq!(events, ["certificate_kept", "certificate_reloaded", "certificate_kept"]);
}

#[tokio::test]
async fn r9325_3_8_1_a_client_that_is_led_astray_is_refused() {
    let folder = TempDir::new().unwrap();
    write_pair(&folder, "mail.example.org");
    let identity = load(&folder);
    assert!(shown(&identity, Protocol::Pop3, &[b"pop3"]).await.is_ok());
    assert!(shown(&identity, Protocol::Pop3, &[b"http/1.1"]).await.is_err());
    // LMTP has no registered name.
    assert!(shown(&identity, Protocol::Lmtp, &[b"whatever"]).await.is_ok());
}

#[tokio::test]
async fn r7677_4_1_a_client_that_comes_back_resumes_and_is_bound_to_keys_of_tls_1_3_alone() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = TempDir::new().unwrap();
    write_pair(&folder, "mail.example.org");
    let identity = load(&folder);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(crate::tests::AnyCertificate))
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let (mut kinds, mut channels) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (ours, theirs) = tokio::io::duplex(65_536);
            let connect = connector.connect("mail.example.org".try_into().unwrap(), theirs);
            let (client, server) = tokio::join!(connect, identity.accept(Raw::Memory(ours), Protocol::Pop3));
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            // The ticket comes with the first octets.
            server.stream.write_all(b"x").await.unwrap();
            server.stream.flush().await.unwrap();
            client.read_u8().await.unwrap();
            kinds.push(format!("{:?}", client.get_ref().1.handshake_kind().unwrap()));
            channels.push((server.channel().exporter, server.channel().server_end_point));
            write_pair(&folder, "renewed.example.org");
            identity.refresh(&quiet());
        }
        assert_eq!(kinds, ["Full", "Resumed", "Resumed"]);
        // R7677-4.1, R9266-3.1: see `r7677_4_1_…`.
        let is_13 = version.version == ProtocolVersion::TLSv1_3;
        assert_eq!(channels, [(is_13, true), (is_13, false), (is_13, false)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_deadline() {
    let folder = TempDir::new().unwrap();
    write_pair(&folder, "mail.example.org");
    let identity = load(&folder);
    let (ours, _theirs) = tokio::io::duplex(1024);
    let before = tokio::time::Instant::now();
    let error = identity.accept(Raw::Memory(ours), Protocol::Pop3).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!((tokio::time::Instant::now() - before).as_secs(), 30);
}

#[test]
fn no_certificate_is_no_fault() {
    assert!(Identity::load(&Config::default(), &quiet()).unwrap().is_none());
}

/// The library draws a new key when half of the lifetime is over and forgets the one before the last.
#[test]
fn r9325_3_4_1_tickets_live_for_hours() {
    let folder = TempDir::new().unwrap();
    write_pair(&folder, "mail.example.org");
    let identity = load(&folder);
    assert!(identity.tickets.enabled());
    assert!((1..=24 * 3600).contains(&identity.tickets.lifetime()), "{}", identity.tickets.lifetime());
}

#[test]
fn r9325_3_10_1_no_early_data_is_taken() {
    let folder = TempDir::new().unwrap();
    write_pair(&folder, "mail.example.org");
    let identity = load(&folder);
    let current = identity.current.load();
    for shown in current.shown.iter().flatten() {
        for settings in [&shown.pop3, &shown.lmtp] {
            assert_eq!(settings.max_early_data_size, 0);
        }
    }
}

#[test]
fn r9325_4_2_1_the_recommended_suites_are_among_ours() {
    use rustls::CipherSuite as Suite;
    let ours: Vec<Suite> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
    for suite in [
        Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ] {
        assert!(ours.contains(&suite), "{suite:?}");
    }
}

/// Writes a certificate for these names beside the first one.
fn write_further(folder: &TempDir, file: &str, names: &[&str], key: &rcgen::KeyPair) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::CertificateParams::new(names).unwrap().self_signed(key).unwrap();
    put(folder, &format!("{file}.pem"), &made.pem());
    put(folder, &format!("{file}.key"), &key.serialize_pem());
    made.der().to_vec()
}

fn with_further(folder: &TempDir, files: &[&str]) -> Config {
    let pair = |file: &&str| config::TlsPair {
        certificate: Some(folder.path().join(format!("{file}.pem"))),
        key: Some(folder.path().join(format!("{file}.key"))),
        staple: None,
    };
    Config { pairs: files.iter().map(pair).collect(), ..settings(folder) }
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_for_the_name_it_asks_for() {
    let folder = TempDir::new().unwrap();
    let first = write_pair(&folder, "mail.example.org");
    let second = write_further(&folder, "second", &["pop.two.example"], &rcgen::KeyPair::generate().unwrap());
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let third = write_further(&folder, "third", &["*.two.example"], &key);
    let log = crate::tests::Lines::default();
    let writer = Log::to(LogFormat::Logfmt, Box::new(log.clone()));
    let identity = Identity::load(&with_further(&folder, &["second", "third"]), &writer).unwrap().unwrap();
    let asked = async |name: &str| shown_to(&identity, Protocol::Pop3, &[], name, &provider()).await.unwrap();
    // R5929-4.1: a login is bound to the very certificate that was shown.
    let bound = |certificate: &[u8]| certificate::end_point(certificate).map(|hash| hash.to_vec());
    for (name, expected) in [
        ("mail.example.org", &first),
        ("pop.two.example", &second),
        ("imap.two.example", &third),
        ("POP.two.example", &second),
        ("elsewhere.example", &first),
        ("192.0.2.1", &first),
    ] {
        let (certificate, binding) = asked(name).await;
        assert_eq!(&certificate, expected, "{name}");
        assert_eq!(binding, bound(expected), "{name}");
    }

    // Each is renewed by itself, and a bad one keeps itself alone from being renewed.
    let renewed =
        write_further(&folder, "second", &["pop.two.example"], &rcgen::KeyPair::generate().unwrap());
    put(&folder, "third.pem", "nothing");
    identity.refresh(&writer);
    assert_eq!(asked("pop.two.example").await.0, renewed);
    assert_eq!(asked("imap.two.example").await.0, third);
    assert_eq!(asked("mail.example.org").await.0, first);
    drop(writer);
    assert_eq!(log.events(), ["certificate_kept", "certificate_reloaded"]);
}

#[tokio::test]
async fn of_two_kinds_of_keys_a_client_gets_the_one_it_can_check() {
    let folder = TempDir::new().unwrap();
    let elliptic = write_pair(&folder, "mail.example.org");
    let edwards = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let edwards = write_further(&folder, "twin", &["mail.example.org"], &edwards);
    let identity = Identity::load(&with_further(&folder, &["twin"]), &quiet()).unwrap().unwrap();
    let everything = provider();
    let (certificate, _) =
        shown_to(&identity, Protocol::Pop3, &[], "mail.example.org", &everything).await.unwrap();
    assert_eq!(certificate, elliptic);
    let shown = identity.current.load();
    let check = |schemes: &[rustls::SignatureScheme]| {
        let mut both = shown.shown.iter().flatten();
        both.position(|shown| choice::can_check(schemes, &shown.pair.certified))
    };
    assert_eq!(check(&[rustls::SignatureScheme::ED25519]), Some(1));
    assert_eq!(check(&[rustls::SignatureScheme::ECDSA_NISTP256_SHA256]), Some(0));
    assert_eq!(shown.shown[1].as_ref().unwrap().pair.certified.cert[0].as_ref(), edwards);
}

#[test]
fn the_end_of_a_certificate_is_said_once_a_day_until_there_is_a_new_one() {
    const DAY: Duration = Duration::from_secs(86_400);
    let folder = TempDir::new().unwrap();
    let end = |year| {
        let mut params = rcgen::CertificateParams::new(vec!["mail.example.org".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        put(&folder, "cert.pem", &params.self_signed(&key).unwrap().pem());
        put(&folder, "key.pem", &key.serialize_pem());
    };
    end(2190);
    let log = crate::tests::Lines::default();
    let writer = Log::to(LogFormat::Logfmt, Box::new(log.clone()));
    let identity = Identity::load(&settings(&folder), &writer).unwrap().unwrap();
    let over = identity.current.load().shown[0].as_ref().unwrap().pair.validity.unwrap().1;
    identity.refresh_at(over - 15 * DAY, &writer);
    identity.refresh_at(over - 13 * DAY, &writer);
    identity.refresh_at(over - 13 * DAY + Duration::from_secs(5), &writer);
    identity.refresh_at(over - 12 * DAY, &writer);
    identity.refresh_at(over + DAY, &writer);
    end(2290);
    identity.refresh_at(over + 2 * DAY, &writer);
    drop(writer);
    let lines = log.text();
    let said: Vec<&str> = lines.lines().filter(|line| line.contains("certificate_expires")).collect();
    assert_eq!(said.len(), 3, "{lines}");
    for (line, fields) in said.iter().zip([
        ["level=warn", "days=13", "names=mail.example.org", "not_after=2190-01-31T00:00:00Z"],
        ["level=warn", "days=12", "problem=\"it expires in 12 days\"", "remedy="],
        ["level=error", "days=0", "problem=\"it has expired, 1 days ago\"", "cert.pem"],
    ]) {
        assert!(fields.iter().all(|field| line.contains(field)), "{line}");
    }
}

#[test]
fn a_staple_that_is_of_no_use_is_left_out_and_named() {
    let folder = TempDir::new().unwrap();
    write_pair(&folder, "mail.example.org");
    let mut config = settings(&folder);
    config.tls.staple = Some(folder.path().join("staple.der"));
    let log = crate::tests::Lines::default();
    let writer = Log::to(LogFormat::Logfmt, Box::new(log.clone()));
    let identity = Identity::load(&config, &writer).unwrap().unwrap();
    let now = identity.current.load().shown[0].as_ref().unwrap().pair.validity.unwrap().0
        + Duration::from_secs(60 * 365 * 86_400);
    let serial = {
        use x509_cert::der::Decode;
        let current = identity.current.load();
        let der = current.shown[0].as_ref().unwrap().pair.certified.cert[0].to_vec();
        let certificate = x509_cert::Certificate::from_der(&der).unwrap();
        certificate.tbs_certificate().serial_number().as_bytes().to_vec()
    };
    let stapled = || identity.current.load().shown[0].as_ref().unwrap().pair.certified.ocsp.is_some();
    assert!(!stapled());
    let response = staple::tests::response(&serial, 0x80, "20260101000000Z", Some("20990108000000Z"));
    fs::write(folder.path().join("staple.der"), response).unwrap();
    identity.refresh_at(now, &writer);
    assert!(stapled(), "{}", log.text());
    // Its time is over, and nobody has touched the file.
    identity.refresh_at(now + Duration::from_secs(70 * 365 * 86_400), &writer);
    assert!(!stapled());
    drop(writer);
    let text = log.text();
    assert!(text.contains("event=not_stapled") && text.contains("it holds no more"), "{text}");
}
