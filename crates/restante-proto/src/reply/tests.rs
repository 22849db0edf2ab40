//! Replies as they are written and as they are read.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const TEXTS: [&[u8]; 32] = [
    USER_TAKEN,
    START_TLS,
    NOTHING_DONE,
    MARKED,
    TOP_FOLLOWS,
    UNIQUE_IDS_FOLLOW,
    GOODBYE,
    UNKNOWN_COMMAND,
    WRONG_STATE,
    LINE_TOO_LONG,
    ARGUMENT_MISSING,
    ARGUMENT_UNEXPECTED,
    ARGUMENT_INVALID,
    NO_SUCH_MESSAGE,
    MESSAGE_DELETED,
    TOO_MANY_BAD_COMMANDS,
    USER_FIRST,
    USER_NOT_OFFERED,
    USER_NEEDS_TLS,
    PASSWORD_NEEDS_TLS,
    APOP_NOT_OFFERED,
    STLS_NOT_OFFERED,
    STLS_ALREADY,
    MECHANISM_UNKNOWN,
    AUTH_CANCELLED,
    AUTH_NOT_BASE64,
    AUTH_MALFORMED,
    AUTH_NO_INITIAL_RESPONSE,
    message_fault(Fault::Temporary),
    message_fault(Fault::Permanent),
    removal_fault(Fault::Temporary),
    removal_fault(Fault::Permanent),
];

const REFUSALS: [(Refusal, ResponseCode); 7] = [
    (Refusal::Credentials, ResponseCode::Auth),
    (Refusal::InUse, ResponseCode::InUse),
    (Refusal::LoginDelay, ResponseCode::LoginDelay),
    (Refusal::Temporary, ResponseCode::SysTemp),
    (Refusal::Permanent, ResponseCode::SysPerm),
    (Refusal::TooManySessions, ResponseCode::SysTemp),
    (Refusal::ShuttingDown, ResponseCode::SysTemp),
];

#[test]
fn r1939_3_10_every_text_is_one_short_line() {
    for text in TEXTS.into_iter().chain(REFUSALS.map(|(refused, _)| refusal(refused))) {
        let line = text.strip_suffix(b"\r\n").unwrap();
        assert!(line.len() <= 78 && line.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' '));
        let reply = Reply::parse(line).unwrap();
        assert!(!reply.text.is_empty());
    }
}

#[test]
fn r3206_6_1_auth_marks_credentials_and_nothing_else() {
    for (refused, code) in REFUSALS {
        let line = refusal(refused).strip_suffix(b"\r\n").unwrap();
        let reply = Reply::parse(line).unwrap();
        assert_eq!((reply.status, reply.code), (Status::Err, Some(code)));
    }
    let with_auth: Vec<_> = TEXTS.into_iter().filter(|text| text.starts_with(b"-ERR [AUTH]")).collect();
    assert_eq!(with_auth, [PASSWORD_NEEDS_TLS]);
}

/// fetchmail takes these words for "busy, come again": right where that is meant, wrong elsewhere.
#[test]
fn only_what_passes_sounds_like_it() {
    for text in TEXTS.into_iter().chain([refusal(Refusal::Credentials), refusal(Refusal::Permanent)]) {
        let text = str::from_utf8(text).unwrap().to_ascii_lowercase();
        assert!(!["lock", "wait", "unavailable"].iter().any(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn replies_are_read() {
    let reply = |status, code, text: &'static str| Ok(Reply { status, code, text: text.as_bytes() });
    assert_eq!(Reply::parse(b"+OK"), reply(Status::Ok, None, ""));
    assert_eq!(Reply::parse(b"+OK "), reply(Status::Ok, None, ""));
    assert_eq!(Reply::parse(b"+OK 2 320"), reply(Status::Ok, None, "2 320"));
    assert_eq!(Reply::parse(b"-ERR [IN-USE] busy"), reply(Status::Err, Some(ResponseCode::InUse), "busy"));
    // R2449-8.2, R3206-4.3
    assert_eq!(Reply::parse(b"-ERR [sys/temp/disk] x"), reply(Status::Err, Some(ResponseCode::SysTemp), "x"));
    assert_eq!(Reply::parse(b"-ERR [Sys/Perm]"), reply(Status::Err, Some(ResponseCode::SysPerm), ""));
    assert_eq!(Reply::parse(b"-ERR [FOO] x"), reply(Status::Err, None, "x"));
    assert_eq!(Reply::parse(b"-ERR [AUTHOR] x"), reply(Status::Err, None, "x"));
    // R2449-3.3
    assert_eq!(Reply::parse(b"-ERR x [AUTH]"), reply(Status::Err, None, "x [AUTH]"));
    assert_eq!(Reply::parse(b"-ERR [AUTH"), reply(Status::Err, None, "[AUTH"));
    for line in ["", "+", "OK", "+ok", "+OKAY", "-ERROR", "-err x", "* OK", "+ challenge"] {
        assert_eq!(Reply::parse(line.as_bytes()), Err(InvalidReply), "{line}");
    }
}

#[test]
fn r5034_4_7_challenges_are_read() {
    assert_eq!(parse_challenge(b"+ "), Some(&b""[..]));
    assert_eq!(parse_challenge(b"+"), Some(&b""[..]));
    assert_eq!(parse_challenge(b"+ VXNlcm5hbWU6"), Some(&b"VXNlcm5hbWU6"[..]));
    assert_eq!(parse_challenge(b"+OK"), None);
    assert_eq!(parse_challenge(b""), None);
}

proptest! {
    #[test]
    fn decimals_there_and_back(number: u64) {
        let mut text = Vec::new();
        decimal(number, &mut text);
        prop_assert_eq!(parse_decimal(&text), Some(number));
        text.push(b'9');
        prop_assert_eq!(parse_decimal(&text), Some(number.saturating_mul(10).saturating_add(9)));
    }

    #[test]
    fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = (Reply::parse(&line), parse_challenge(&line), parse_decimal(&line));
    }
}
