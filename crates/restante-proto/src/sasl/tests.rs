//! Mechanisms, base64 and APOP, on their own.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::exchange::{Exchange, Invalid, Progress, Surroundings};
use super::*;

fn secret(text: &[u8]) -> Secret {
    Secret::new(text.to_vec())
}

fn complete(progress: Progress) -> (Vec<u8>, Option<Vec<u8>>, Vec<u8>, Method) {
    match progress {
        Progress::Complete(Credentials::Password { user, authorization, password, method }) => {
            (user, authorization, password.expose().to_vec(), method)
        }
        other => panic!("{other:?}"),
    }
}

fn invalid(progress: Progress) -> Invalid {
    match progress {
        Progress::Invalid(invalid) => invalid,
        other => panic!("{other:?}"),
    }
}

fn challenge(progress: Progress) -> Vec<u8> {
    match progress {
        Progress::Challenge(challenge) => challenge,
        other => panic!("{other:?}"),
    }
}

fn begun(mechanism: Mechanism) -> Exchange {
    Exchange::new(mechanism, Surroundings::default()).unwrap()
}

fn plain(message: &[u8]) -> Progress {
    begun(Mechanism::Plain).begin(Some(message))
}

#[test]
fn r1734_3_1_mechanism_names_ignore_case() {
    assert_eq!(Mechanism::parse(b"pLaIn"), Some(Mechanism::Plain));
    assert_eq!(Mechanism::parse(b"LOGIN"), Some(Mechanism::Login));
    assert_eq!(Mechanism::parse(b"CRAM-MD5"), None);
    assert_eq!(Mechanism::parse(b""), None);
}

#[test]
fn r4616_2_plain_takes_two_nuls_and_nothing_else() {
    assert_eq!(
        complete(plain(b"\0u\0p")),
        (b"u".to_vec(), None, b"p".to_vec(), Method::Sasl(Mechanism::Plain))
    );
    assert_eq!(complete(plain(b"z\0u\0 p ")).1, Some(b"z".to_vec()));
    for message in [&b""[..], b"u", b"u\0p", b"\0u\0p\0", b"\0u\0p\0\0"] {
        assert_eq!(invalid(plain(message)), Invalid::Syntax, "{message:?}");
    }
    for message in [&b"\0\0p"[..], b"\0u\0", b"\0\0"] {
        assert_eq!(invalid(plain(message)), Invalid::Credentials, "{message:?}");
    }
}

#[test]
fn r5034_4_6_plain_without_initial_response_is_asked_for_it() {
    let mut exchange = begun(Mechanism::Plain);
    assert_eq!(challenge(exchange.begin(None)), b"");
    assert_eq!(complete(exchange.respond(b"\0u\0p")).0, b"u");
}

#[test]
fn login_asks_for_name_and_password() {
    let mut exchange = begun(Mechanism::Login);
    assert_eq!(challenge(exchange.begin(None)), b"Username:");
    assert_eq!(challenge(exchange.respond(b"u")), b"Password:");
    assert_eq!(
        complete(exchange.respond(b" p")),
        (b"u".to_vec(), None, b" p".to_vec(), Method::Sasl(Mechanism::Login))
    );

    let mut exchange = begun(Mechanism::Login);
    assert_eq!(challenge(exchange.begin(Some(b"u"))), b"Password:");
    assert_eq!(invalid(exchange.respond(b"")), Invalid::Credentials);
    assert_eq!(invalid(begun(Mechanism::Login).begin(Some(b""))), Invalid::Credentials);
    assert_eq!(invalid(begun(Mechanism::Login).begin(Some(b"a\0"))), Invalid::Syntax);
}

#[test]
fn r5034_4_13_base64_is_strict() {
    for text in ["!!!!", "AAA", "AA A=", "=AAA", "AAA=BBB", "-_-_", "QQ==\r", "QR==", "QQ=", "=", "QQ==QQ=="]
    {
        assert_eq!(decode_base64(text.as_bytes()).err(), Some(InvalidBase64), "{text}");
    }
    assert_eq!(decode_base64(b"").unwrap().expose(), b"");
    assert_eq!(decode_base64(b"AHUAcA==").unwrap().expose(), b"\0u\0p");
}

#[test]
fn r1939_7_26_the_digest_of_the_rfc() {
    let timestamp = b"<1896.697170952@dbc.mtview.ca.us>";
    let digest = apop::digest(timestamp, &secret(b"tanstaaf"));
    assert_eq!(&apop::to_hex(&digest), b"c4c9334bac560ecc979e58001b3e22fb");
    assert!(apop::verify(timestamp, &secret(b"tanstaaf"), &digest));
    assert!(!apop::verify(timestamp, &secret(b"tanstaag"), &digest));
    assert!(!apop::verify(b"<1@dbc.mtview.ca.us>", &secret(b"tanstaaf"), &digest));
}

#[test]
fn digests_are_32_lower_case_digits() {
    assert_eq!(apop::from_hex(b"000102030405060708090a0b0c0d0e0f"), Some(core::array::from_fn(|i| i as u8)));
    for text in ["", "c4", "C4C9334BAC560ECC979E58001B3E22FB", "g4c9334bac560ecc979e58001b3e22fb"] {
        assert_eq!(apop::from_hex(text.as_bytes()), None, "{text}");
    }
    assert_eq!(apop::from_hex(&[b'0'; 31]), None);
    assert_eq!(apop::from_hex(&[b'0'; 33]), None);
    assert_eq!(apop::from_hex(&[b'0'; 34]), None);
}

#[test]
fn r1939_7_29_only_a_msg_id_is_a_timestamp() {
    let good = ["<1896.697170952@dbc.mtview.ca.us>", "<a@b>", "<a+b!@[127.0.0.1]>", "<a@[IPv6:::1]>"];
    for timestamp in good {
        assert!(apop::is_timestamp(timestamp.as_bytes()), "{timestamp}");
        let greeting = std::format!("+OK ready {timestamp} now");
        assert_eq!(apop::find_timestamp(greeting.as_bytes()), Some(timestamp.as_bytes()));
    }
    let bad = [
        "", "<>", "<noat>", "<a@b", "a@b>", "<a@b@c>", "<@b>", "<a@>", "<a..b@c>", "<a b@c>", "<a@c.>",
        "<é@b>", "<\x01@b>",
    ];
    for timestamp in bad {
        assert!(!apop::is_timestamp(timestamp.as_bytes()), "{timestamp}");
        assert_eq!(apop::find_timestamp(timestamp.as_bytes()), None);
    }
}

#[test]
fn credentials_do_not_print_their_secrets() {
    let Progress::Complete(credentials) = plain(b"\0user\0password") else { panic!() };
    let printed = std::format!("{credentials:?}");
    assert!(printed.contains("user") && !printed.contains("password"), "{printed}");
}

proptest! {
    #[test]
    fn base64_there_and_back(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut text = vec![b'x'];
        encode_base64(&octets, &mut text);
        let decoded = decode_base64(&text[1..]).unwrap();
        prop_assert_eq!(decoded.expose(), octets);
    }

    #[test]
    fn plain_there_and_back(
        authorization in prop::option::of(prop::collection::vec(1u8.., 1..256)),
        user in prop::collection::vec(1u8.., 1..256),
        password in prop::collection::vec(1u8.., 1..256),
    ) {
        let message = plain::encode(authorization.as_deref(), &user, &secret(&password)).unwrap();
        let decoded = complete(plain(message.expose()));
        prop_assert_eq!(decoded, (user, authorization, password, Method::Sasl(Mechanism::Plain)));
    }

    #[test]
    fn no_response_panics(responses in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..4)) {
        for mechanism in Mechanism::ALL {
            let mut exchange = begun(mechanism);
            exchange.begin(None);
            for response in &responses {
                exchange.respond(response);
            }
        }
    }
}

#[test]
fn the_client_sends_no_plain_message_that_cannot_be_read() {
    assert!(plain::encode(None, b"", &secret(b"p")).is_none());
    assert!(plain::encode(None, b"u", &secret(b"")).is_none());
    assert!(plain::encode(None, b"u\0", &secret(b"p")).is_none());
    assert!(plain::encode(Some(b"z\0"), b"u", &secret(b"p")).is_none());
    assert!(plain::encode(None, b"u", &secret(b"p\0")).is_none());
}
