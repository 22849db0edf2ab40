//! Certificates for the server of the tests: an authority, one between, and the server's, with their possible flaws.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::server::Habit;

pub(crate) struct Certificates {
    pub(crate) roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

pub(crate) fn make(habits: &[Habit]) -> Certificates {
    let has = |habit| habits.contains(&habit);
    let authority_of = |name: &str| {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (parameters, KeyPair::generate().unwrap())
    };
    let (root, root_key) = authority_of("root");
    let root_certificate = root.self_signed(&root_key).unwrap();
    let root = Issuer::new(root, root_key);
    let (between, between_key) = authority_of("between");
    let between_certificate = between.signed_by(&between_key, &root).unwrap();
    let between = Issuer::new(between, between_key);
    let key = KeyPair::generate().unwrap();
    let name = if has(Habit::OtherCertificate) { "other.example.org" } else { "localhost" };
    let mut server = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if !has(Habit::OtherCertificate) {
        server.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    }
    server.not_before = date_time_ymd(2020, 1, 1);
    server.not_after = date_time_ymd(if has(Habit::ExpiredCertificate) { 2021 } else { 2099 }, 1, 1);
    let certificate = server.signed_by(&key, &between).unwrap();
    let mut chain = vec![certificate.der().clone()];
    if !has(Habit::NoIntermediate) {
        chain.push(between_certificate.der().clone());
    }
    let mut roots = RootCertStore::empty();
    roots.add(root_certificate.der().clone()).unwrap();
    Certificates { roots, chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
}

pub(crate) fn server_config(certificates: &Certificates, habits: &[Habit]) -> ServerConfig {
    let versions: &[&rustls::SupportedProtocolVersion] =
        if habits.contains(&Habit::OnlyTls12) { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = if habits.contains(&Habit::AsksForCertificate) {
        let roots = Arc::new(certificates.roots.clone());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
        builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let mut config =
        builder.with_single_cert(certificates.chain.clone(), certificates.key.clone_key()).unwrap();
    config.alpn_protocols = vec![b"pop3".to_vec()];
    config
}
