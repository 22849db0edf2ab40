//! From line to capability and back.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn line(capability: &Capability<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    capability.encode(&mut line);
    line.strip_suffix(b"\r\n").unwrap().to_vec()
}

#[test]
fn there_and_back() {
    let list = [
        (Capability::Top, "TOP"),
        (Capability::User, "USER"),
        (Capability::Sasl(b"PLAIN LOGIN"), "SASL PLAIN LOGIN"),
        (Capability::RespCodes, "RESP-CODES"),
        (Capability::AuthRespCode, "AUTH-RESP-CODE"),
        (Capability::Stls, "STLS"),
        (Capability::Pipelining, "PIPELINING"),
        (Capability::Uidl, "UIDL"),
        (Capability::Expire { expire: Expire::Never, per_user: false }, "EXPIRE NEVER"),
        (Capability::Expire { expire: Expire::Days(5), per_user: true }, "EXPIRE 5 USER"),
        (Capability::LoginDelay { seconds: 900, per_user: true }, "LOGIN-DELAY 900 USER"),
        (Capability::LoginDelay { seconds: 60, per_user: false }, "LOGIN-DELAY 60"),
        (Capability::Implementation(b"Shlemazle-Plotz-v302"), "IMPLEMENTATION Shlemazle-Plotz-v302"),
        (Capability::Utf8 { user: true }, "UTF8 USER"),
        (Capability::Utf8 { user: false }, "UTF8"),
        (Capability::Lang, "LANG"),
        (Capability::Other(b"X-FOO bar"), "X-FOO bar"),
    ];
    for (capability, text) in list {
        assert_eq!(line(&capability), text.as_bytes());
        assert_eq!(Capability::parse(text.as_bytes()), capability);
    }
}

#[test]
fn r2449_5_4_tags_ignore_case() {
    assert_eq!(Capability::parse(b"uidl"), Capability::Uidl);
    assert_eq!(Capability::parse(b"Stls"), Capability::Stls);
    let expire = Capability::Expire { expire: Expire::Never, per_user: true };
    assert_eq!(Capability::parse(b"expire never user"), expire);
}

#[test]
fn r2449_5_9_what_makes_no_sense_is_unknown() {
    for text in [
        "EXPIRE",
        "EXPIRE soon",
        "EXPIRE -1",
        "LOGIN-DELAY",
        "LOGIN-DELAY 4294967296",
        "",
        " ",
        "A-VERY-LONG-TAG",
    ] {
        assert_eq!(Capability::parse(text.as_bytes()), Capability::Other(text.as_bytes()), "{text}");
    }
    assert_eq!(Capability::parse(b"UIDL extra"), Capability::Uidl);
    let expire = Capability::Expire { expire: Expire::Days(u16::MAX), per_user: false };
    assert_eq!(Capability::parse(b"EXPIRE 99999999999999999999999"), expire);
}

proptest! {
    #[test]
    fn r2449_5_7_lines_are_short_and_clean(text in prop::collection::vec(any::<u8>(), 0..1200)) {
        for capability in [Capability::Implementation(&text), Capability::Sasl(&text), Capability::Other(&text)] {
            let line = line(&capability);
            prop_assert!(line.len() <= 510);
            prop_assert!(line.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' '));
            // What is read can be written again.
            let _ = Capability::parse(&text);
        }
    }
}
