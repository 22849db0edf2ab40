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

const NO_TERMS: TokenTerms = TokenTerms { scope: None, openid_configuration: None, hosts: Vec::new() };

/// Nothing is around.
pub(super) const AROUND: Surroundings<'static> = Surroundings {
    hostname: "mail.example.org",
    channel: Channel { exporter: false, server_end_point: false, certificate: false },
    is_binding_offered: false,
    token_terms: &NO_TERMS,
};

fn begun(mechanism: Mechanism) -> Exchange {
    Exchange::new(mechanism)
}

fn plain(message: &[u8]) -> Progress {
    begun(Mechanism::Plain).begin(Some(message), AROUND)
}

#[test]
fn r1734_3_1_mechanism_names_ignore_case() {
    assert_eq!(Mechanism::parse(b"pLaIn"), Some(Mechanism::Plain));
    assert_eq!(Mechanism::parse(b"LOGIN"), Some(Mechanism::Login));
    assert_eq!(Mechanism::parse(b"scram-sha-256-plus"), Some(Mechanism::ScramSha256Plus));
    assert_eq!(Mechanism::parse(b"CRAM-MD4"), None);
    for mechanism in Mechanism::ALL {
        assert_eq!(Mechanism::parse(mechanism.name().to_ascii_lowercase().as_bytes()), Some(mechanism));
        assert!(mechanism.name().len() <= 20);
        if let Some((hash, is_bound)) = mechanism.scram() {
            assert_eq!(hash.mechanism(is_bound), mechanism);
        }
    }
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
    assert_eq!(challenge(exchange.begin(None, AROUND)), b"");
    assert_eq!(complete(exchange.respond(b"\0u\0p", AROUND)).0, b"u");
}

#[test]
fn login_asks_for_name_and_password() {
    let mut exchange = begun(Mechanism::Login);
    assert_eq!(challenge(exchange.begin(None, AROUND)), b"Username:");
    assert_eq!(challenge(exchange.respond(b"u", AROUND)), b"Password:");
    assert_eq!(
        complete(exchange.respond(b" p", AROUND)),
        (b"u".to_vec(), None, b" p".to_vec(), Method::Sasl(Mechanism::Login))
    );

    let mut exchange = begun(Mechanism::Login);
    assert_eq!(challenge(exchange.begin(Some(b"u"), AROUND)), b"Password:");
    assert_eq!(invalid(exchange.respond(b"", AROUND)), Invalid::Credentials);
    assert_eq!(invalid(begun(Mechanism::Login).begin(Some(b""), AROUND)), Invalid::Credentials);
    assert_eq!(invalid(begun(Mechanism::Login).begin(Some(b"a\0"), AROUND)), Invalid::Syntax);
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
    fn no_response_panics(
        responses in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..4),
        words in prop::collection::vec(
            "([nyp],|p=tls-exporter,|,|a=[a=2C3D]{0,4},|[nrcpmzis]=[a-z=0-9]{0,5},?|\u{1}|auth=Bearer x|user=u| ){0,8}",
            1..4,
        ),
    ) {
        for mechanism in Mechanism::ALL {
            for mut exchange in [begun(mechanism), begun(mechanism)] {
                let mut progress = exchange.begin(None, AROUND);
                let words = words.iter().map(|word| word.as_bytes());
                for response in responses.iter().map(Vec::as_slice).chain(words) {
                    progress = match progress {
                        Progress::Nonce => exchange.nonce(response, AROUND),
                        Progress::PrepareScram(_) => exchange.scram_prepared(&ScramFacts {
                            nonce: vec![1; 16],
                            salt: response.to_vec(),
                            iterations: 4096,
                            binding: Vec::new(),
                        }),
                        _ => exchange.respond(response, AROUND),
                    };
                }
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

#[test]
fn r2195_2_1_the_challenge_is_a_msg_id_of_its_own() {
    let mut challenges = Vec::new();
    for (octets, hostname) in [([0u8; 16], "a.example"), ([1; 16], "a.example"), ([1; 16], "no host")] {
        let mut exchange = begun(Mechanism::CramMd5);
        assert!(matches!(exchange.begin(None, AROUND), Progress::Nonce));
        let sent = challenge(exchange.nonce(&octets, Surroundings { hostname, ..AROUND }));
        assert!(apop::is_timestamp(&sent), "{}", sent.escape_ascii());
        challenges.push(sent);
    }
    assert_eq!(challenges[0], b"<00000000000000000000000000000000@a.example>");
    assert_ne!(challenges[0], challenges[1]);
    assert_eq!(challenges[2], b"<01010101010101010101010101010101@localhost>");
}

const RESTON: &[u8] = b"<1896.697170952@postoffice.reston.mci.net>";

#[test]
fn r2195_2_2_the_response_of_the_rfc() {
    let response = cram_md5::response(b"tim", &secret(b"tanstaaftanstaaf"), RESTON);
    assert_eq!(response, b"tim b913a602c7eda7a495b4e6e7334d3890");
    let mut text = Vec::new();
    encode_base64(&response, &mut text);
    assert_eq!(text, b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
    let digest = apop::from_hex(b"b913a602c7eda7a495b4e6e7334d3890").unwrap();
    assert!(cram_md5::verify(RESTON, &secret(b"tanstaaftanstaaf"), &digest));
    assert!(!cram_md5::verify(RESTON, &secret(b"tanstaaftanstaag"), &digest));
}

#[test]
fn r2195_2_4_a_secret_of_more_than_64_octets_is_hashed_first() {
    use md5::{Digest as _, Md5};
    let long = [0xAA; 80];
    let short: [u8; 16] = Md5::digest(long).into();
    assert_eq!(cram_md5::digest(RESTON, &secret(&long)), cram_md5::digest(RESTON, &secret(&short)));
    // RFC 2202 section 2, test case 6.
    let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
    let expected = apop::from_hex(b"6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd").unwrap();
    assert_eq!(cram_md5::digest(message, &secret(&long)), expected);
}

#[test]
fn r2195_2_3_names_end_at_the_last_space() {
    let cram = |response: &[u8]| {
        let mut exchange = begun(Mechanism::CramMd5);
        exchange.begin(None, AROUND);
        exchange.nonce(&[0; 16], AROUND);
        exchange.respond(response, AROUND)
    };
    match cram(b"a  b 000102030405060708090a0b0c0d0e0f") {
        Progress::Complete(Credentials::Cram { user, challenge, digest }) => {
            assert_eq!((&user[..], digest[15]), (&b"a  b"[..], 15));
            assert_eq!(challenge, b"<00000000000000000000000000000000@mail.example.org>");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(invalid(cram(b" 000102030405060708090a0b0c0d0e0f")), Invalid::Credentials);
    for response in [
        &b""[..],
        b"user",
        b"u 00",
        b"u 000102030405060708090A0B0C0D0E0F",
        b"u\0 000102030405060708090a0b0c0d0e0f",
    ] {
        assert_eq!(invalid(cram(response)), Invalid::Syntax, "{response:?}");
    }
    // Twice, and before the challenge.
    let mut exchange = begun(Mechanism::CramMd5);
    assert_eq!(invalid(exchange.respond(b"u 000102030405060708090a0b0c0d0e0f", AROUND)), Invalid::Syntax);
}

#[test]
fn r5034_4_11_no_initial_response_where_the_server_begins() {
    assert_eq!(invalid(begun(Mechanism::CramMd5).begin(Some(b"u"), AROUND)), Invalid::InitialResponse);
    assert_eq!(invalid(begun(Mechanism::CramMd5).begin(Some(b""), AROUND)), Invalid::InitialResponse);
}

#[test]
fn r4422_a_1_2_external_is_one_message_that_may_be_empty() {
    let identity = |message: &[u8]| match begun(Mechanism::External).begin(Some(message), AROUND) {
        Progress::Complete(Credentials::External { authorization }) => authorization,
        other => panic!("{other:?}"),
    };
    assert_eq!(identity(b""), None);
    assert_eq!(identity("Jos\u{e9}".as_bytes()), Some("Jos\u{e9}".as_bytes().to_vec()));
    assert_eq!(challenge(begun(Mechanism::External).begin(None, AROUND)), b"");
    for message in [&b"a\0"[..], b"\xff"] {
        assert_eq!(invalid(begun(Mechanism::External).begin(Some(message), AROUND)), Invalid::Syntax);
    }
}

#[test]
fn r4505_2_1_a_trace_is_short_text() {
    let trace = |message: &[u8]| match begun(Mechanism::Anonymous).begin(Some(message), AROUND) {
        Progress::Complete(Credentials::Anonymous { trace }) => Some(trace),
        Progress::Invalid(Invalid::Syntax) => None,
        other => panic!("{other:?}"),
    };
    let wide = "\u{1F600}".repeat(255);
    for message in ["", "sirhc", "sirhc@example.org", "\u{5d0}", &wide] {
        assert_eq!(trace(message.as_bytes()).as_deref(), Some(message.as_bytes()));
    }
    for message in [&b"\x07"[..], b"\xff", "\u{e000}".as_bytes(), &[b'x'; 256]] {
        assert_eq!(trace(message), None);
    }
}

#[test]
fn r4505_3_1_a_client_sends_a_prepared_trace() {
    for text in ["", "sirhc", "a b@example.org", "Jos\u{e9}", "\u{1F600}"] {
        assert!(anonymous::is_trace(text.as_bytes()), "{text}");
    }
    let prohibited = "\u{7} \u{7f} \u{85} \u{200d} \u{2028} \u{e000} \u{10fffd} \u{fdd0} \u{ffff} \u{1fffe} \
                      \u{fffd} \u{340} \u{200e} \u{202e} \u{e0001} \u{e0041} \u{5d0} \u{627} \u{fe70}";
    for text in prohibited.split(' ') {
        assert!(!anonymous::is_trace(text.as_bytes()), "{}", text.escape_unicode());
    }
    assert!(!anonymous::is_trace(b"\xff"));
    assert!(!anonymous::is_trace(&[b'x'; 256]));
}

#[test]
fn credentials_say_who_and_how() {
    let claim = ScramClaim {
        user: b"u".to_vec(),
        authorization: None,
        hash: ScramHash::Sha1,
        is_bound: true,
        auth_message: b"secret thing".to_vec(),
        proof: vec![0; 20],
    };
    let token = |user: Option<&[u8]>, mechanism| Credentials::Token {
        user: user.map(<[u8]>::to_vec),
        token: secret(b"secret thing"),
        method: Method::Sasl(mechanism),
    };
    for (credentials, user, method) in [
        (Credentials::Scram(claim), "u", "SCRAM-SHA-1-PLUS"),
        (token(Some(b"u"), Mechanism::XOAuth2), "u", "XOAUTH2"),
        (token(None, Mechanism::OAuthBearer), "", "OAUTHBEARER"),
        (Credentials::External { authorization: None }, "", "EXTERNAL"),
        (Credentials::Anonymous { trace: b"someone".to_vec() }, "", "ANONYMOUS"),
        (Credentials::Cram { user: b"u".to_vec(), challenge: vec![], digest: [0; 16] }, "u", "CRAM-MD5"),
    ] {
        assert_eq!((credentials.user(), credentials.method().name()), (user.as_bytes(), method));
        assert!(!std::format!("{credentials:?}").contains("secret thing"));
    }
}
