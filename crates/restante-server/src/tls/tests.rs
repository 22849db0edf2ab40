//! Certificates are read, refused and replaced.

use super::*;
use crate::config::LogFormat;
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

fn settings(folder: &TempDir) -> config::Tls {
    config::Tls {
        certificate: Some(folder.path().join("cert.pem")),
        key: Some(folder.path().join("key.pem")),
        ..config::Tls::default()
    }
}

/// The certificate that a handshake over a pipe is shown.
async fn shown(identity: &Identity, protocol: Protocol, alpn: &[&[u8]]) -> io::Result<Vec<u8>> {
    let (ours, theirs) = tokio::io::duplex(65_536);
    let mut settings = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::tests::AnyCertificate))
        .with_no_client_auth();
    settings.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(settings));
    let client = connector.connect("mail.example.org".try_into().unwrap(), theirs);
    let (client, server) = tokio::join!(client, identity.accept(Raw::Memory(ours), protocol));
    server?;
    let client = client?;
    Ok(client.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn a_new_pair_is_used_and_a_bad_one_is_not() {
    let folder = TempDir::new().unwrap();
    let log = crate::tests::Lines::default();
    let writer = Log::to(LogFormat::Logfmt, Box::new(log.clone()));
    let old = write_pair(&folder, "old.example");
    let identity = Identity::load(&settings(&folder), Duration::from_secs(5)).unwrap().unwrap();
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
    let identity = Identity::load(&settings(&folder), Duration::from_secs(5)).unwrap().unwrap();
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
    let identity = Identity::load(&settings(&folder), Duration::from_secs(5)).unwrap().unwrap();
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
            identity.refresh(&Log::to(LogFormat::Logfmt, Box::new(crate::tests::Lines::default())));
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
    let identity = Identity::load(&settings(&folder), Duration::from_secs(30)).unwrap().unwrap();
    let (ours, _theirs) = tokio::io::duplex(1024);
    let before = tokio::time::Instant::now();
    let error = identity.accept(Raw::Memory(ours), Protocol::Pop3).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!((tokio::time::Instant::now() - before).as_secs(), 30);
}

#[test]
fn no_certificate_is_no_fault() {
    assert!(Identity::load(&config::Tls::default(), Duration::from_secs(1)).unwrap().is_none());
}

/// The library draws a new key when half of the lifetime is over and forgets the one before the last.
#[test]
fn r9325_3_4_1_tickets_live_for_hours() {
    let folder = TempDir::new().unwrap();
    write_pair(&folder, "mail.example.org");
    let identity = Identity::load(&settings(&folder), Duration::from_secs(5)).unwrap().unwrap();
    assert!(identity.tickets.enabled());
    assert!((1..=24 * 3600).contains(&identity.tickets.lifetime()), "{}", identity.tickets.lifetime());
}

#[test]
fn r9325_3_10_1_no_early_data_is_taken() {
    let folder = TempDir::new().unwrap();
    write_pair(&folder, "mail.example.org");
    let identity = Identity::load(&settings(&folder), Duration::from_secs(5)).unwrap().unwrap();
    let acceptors = identity.current.load();
    for acceptor in [&acceptors.pop3, &acceptors.lmtp] {
        assert_eq!(acceptor.config().max_early_data_size, 0);
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
