//! Signed tokens, claims and sets of keys from strangers: a token can be written in one way, and no claim becomes a name that it is not.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use restante_auth::address;
use restante_auth::token::Finding;
use restante_sources::oauth::algorithm::Algorithm;
use restante_sources::oauth::claims::{Origin, Rules};
use restante_sources::oauth::jwk::KeySet;
use restante_sources::oauth::jws::{Jws, TOKEN_OCTETS_MAX};

fuzz_target!(|octets: &[u8]| {
    one_form(octets);
    // Header and claims, as JSON on two lines.
    let mut lines = octets.splitn(2, |octet| *octet == b'\n');
    let (header, claims) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let encoded = |octets: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(octets);
    one_form(format!("{}.{}.{}", encoded(header), encoded(claims), encoded(b"x")).as_bytes());
    if let Some(keys) = KeySet::parse(octets) {
        assert!(keys.len() <= 64);
        for algorithm in Algorithm::ALL {
            assert!(!keys.has_signed(algorithm, None, header, claims));
        }
    }
});

fn one_form(token: &[u8]) {
    let Some(jws) = Jws::parse(token) else { return };
    assert!(token.len() <= TOKEN_OCTETS_MAX);
    let again = [jws.signed, b".", BASE64_URL_SAFE_NO_PAD.encode(&jws.signature).as_bytes()].concat();
    assert_eq!(again, token);
    let rules = Rules {
        issuer: Some("i".to_owned()),
        audience: vec!["a".to_owned()],
        scopes: Vec::new(),
        claim: "email".to_owned(),
        domain: None,
        domains: Vec::new(),
        leeway: Duration::from_secs(60),
        opens_unlisted: false,
        addresses: address::Settings {
            domains: vec!["example.org".to_owned()],
            ..address::Settings::default()
        },
    };
    let today = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    if let Finding::Account(name) | Finding::Expired(name) = rules.judge(&jws.claims, Origin::Token, today) {
        let said = jws.claims.get("email").and_then(|email| email.as_str()).unwrap_or_default();
        let local = said.split('@').next().unwrap_or_default();
        assert!(local.to_lowercase() == name.as_str(), "{said:?} is not {name}");
        assert!(jws.claims.contains_key("exp") && !jws.claims.contains_key("cnf"));
    }
}
