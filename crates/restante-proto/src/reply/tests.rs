//! Replies as they are written and as they are read.

use std::vec::Vec;

use proptest::prelude::*;

use super::catalogue::{Counting, Entry};
use super::language::{Language, Voice};
use super::*;

/// The reply as a session speaking `language` sends it, without its CR LF.
fn said(entry: &Entry, language: Language, utf8: bool) -> Vec<u8> {
    let mut output = Vec::new();
    entry.append(Voice { language, utf8 }, &mut output);
    assert_eq!(output.split_off(output.len() - 2), b"\r\n");
    output
}

fn counted(counting: &Counting, language: Language, utf8: bool) -> Vec<u8> {
    let mut output = Vec::new();
    counting.append(&[u64::MAX; 2][..counting.numbers()], Voice { language, utf8 }, &mut output);
    assert_eq!(output.split_off(output.len() - 2), b"\r\n");
    output
}

/// The whole catalogue.
fn all_entries() -> impl Iterator<Item = &'static (&'static str, &'static Entry)> {
    catalogue::ENTRIES.iter().chain(catalogue::services::ENTRIES).chain(catalogue::utf8::ENTRIES)
}

/// Every reply that has a text, with its name, in every language and both modes.
fn every_reply() -> impl Iterator<Item = (&'static str, Language, bool, Vec<u8>)> {
    let voices = || Language::ALL.into_iter().flat_map(|language| [(language, false), (language, true)]);
    let entries = all_entries().flat_map(move |(name, entry)| {
        voices().map(move |(language, utf8)| (*name, language, utf8, said(entry, language, utf8)))
    });
    let countings = catalogue::COUNTINGS.iter().flat_map(move |(name, counting)| {
        voices().map(move |(language, utf8)| (*name, language, utf8, counted(counting, language, utf8)))
    });
    entries.chain(countings)
}

#[test]
fn r1939_3_10_every_text_is_one_short_line() {
    for (name, language, utf8, line) in every_reply() {
        let text = str::from_utf8(&line).unwrap();
        assert!(line.len() <= 110 && !text.chars().any(char::is_control), "{name} {language:?}: {text}");
        assert!(utf8 || text.is_ascii(), "{name} {language:?}: {text}");
        if language.is_english() {
            assert!(line.len() <= 78 && text.is_ascii(), "{name}: {text}");
        }
        let reply = Reply::parse(&line).unwrap();
        assert!(!reply.text.is_empty() && !reply.text.starts_with(b"["), "{name} {language:?}: {text}");
    }
}

/// A language that is missing falls back to English; none may be missing.
#[test]
fn every_reply_exists_in_every_language() {
    let missing: Vec<_> = Language::ALL
        .into_iter()
        .filter(|language| !language.is_english())
        .flat_map(|language| {
            let entries = all_entries().map(move |(name, entry)| (*name, entry.exists_in(language)));
            let countings = catalogue::COUNTINGS
                .iter()
                .map(move |(name, counting)| (*name, counting.exists_in(language)));
            entries.chain(countings).filter(|(_, exists)| !exists).map(move |(name, _)| (name, language))
        })
        .collect();
    assert_eq!(missing, []);
}

/// Without UTF-8 mode each letter has a spelling in ASCII: no text loses one.
#[test]
fn every_letter_of_the_catalogue_has_a_spelling_in_ascii() {
    for (name, language, _, line) in every_reply() {
        assert!(!line.contains(&b'?'), "{name} {language:?}: {}", line.escape_ascii());
    }
    let german = |utf8| said(catalogue::ARGUMENT_INVALID, Language::German, utf8);
    assert_eq!(german(false), b"-ERR Ungueltiges Argument");
    assert_eq!(german(true), "-ERR Ungültiges Argument".as_bytes());
}

/// What a program reads is the same in every language.
#[test]
fn status_and_response_code_are_not_translated() {
    for (name, entry) in all_entries() {
        let english = entry.line().strip_suffix(b"\r\n").unwrap();
        let expected = Reply::parse(english).unwrap();
        let start = english.strip_suffix(expected.text).unwrap();
        let known: &[_] = &[&b"+OK "[..], b"-ERR "];
        assert!(expected.code.is_some() || known.contains(&start), "{name}");
        for language in Language::ALL {
            assert!(said(entry, language, true).starts_with(start), "{name} {language:?}");
        }
    }
}

#[test]
fn r3206_6_1_auth_marks_credentials_and_nothing_else() {
    for (refused, code) in REFUSALS {
        let line = refusal(refused).line().strip_suffix(b"\r\n").unwrap();
        let reply = Reply::parse(line).unwrap();
        assert_eq!((reply.status, reply.code), (Status::Err, Some(code)));
    }
    let with_auth: Vec<_> = all_entries()
        .filter(|(_, entry)| entry.line().starts_with(b"-ERR [AUTH]"))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(with_auth, ["PASSWORD_NEEDS_TLS", "WRONG_CREDENTIALS"]);
}

/// fetchmail takes these words for "busy, come again": right where that is meant, wrong elsewhere.
#[test]
fn only_what_passes_sounds_like_it() {
    let passing = ["IN_USE", "LOGIN_DELAY", "TEMPORARY", "TOO_MANY_SESSIONS", "SHUTTING_DOWN"];
    for (name, language, _, line) in every_reply() {
        let text = str::from_utf8(&line).unwrap().to_ascii_lowercase();
        let sounds = ["lock", "wait", "unavailable"].iter().any(|word| text.contains(word));
        assert!(!sounds || passing.contains(&name), "{name} {language:?}: {text}");
        assert!(sounds || !passing.contains(&name) || !language.is_english(), "{name}: {text}");
    }
}

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
