//! The header of a fetched message: cut anywhere it gives the digest of a plain form, the same fields and the same verdicts of
//! rules; and nothing is deleted by a header that is not complete.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_fetch::header::{Digested, Header, HeaderDigest, OWN_BOOKS, made_unique_id};
use restante_fetch::rule::{Condition, Field, Rule, Rules, Test, Then, Verdict};
use restante_fuzz::{Schedule, pieces};
use sha2::{Digest as _, Sha256};

fuzz_target!(|input: &[u8]| {
    let mut schedule = Schedule(input);
    let seed = schedule.octet();
    let pattern = String::from_utf8_lossy(schedule.octets(24)).into_owned();
    let octets = schedule.0;
    digests(octets, seed);
    headers(octets, seed, &pattern);
});

fn digests(octets: &[u8], seed: u8) {
    let mut digest = HeaderDigest::default();
    pieces(octets, seed).into_iter().for_each(|piece| digest.update(piece));
    let digested = digest.digested();
    assert_eq!(digested, HeaderDigest::of(octets));
    assert_eq!(digested, plain(octets));
    for listed in [None, Some(octets.len() as u64), Some(u64::MAX)] {
        let id = made_unique_id(&digested, listed);
        // RFC 1939 section 7.
        assert!((1..=70).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic));
    }
}

/// The digest as its documentation has it, with all lines at once.
fn plain(octets: &[u8]) -> Digested {
    let mut sha = Sha256::new();
    let (mut fields, mut has_message_id, mut is_left_out) = (0, false, false);
    for (number, line) in octets.split(|&octet| octet == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let is_blank = matches!(line[0], b' ' | b'\t');
        if !is_blank || number == 0 {
            // No name that matters is longer.
            let colon = line.iter().take(64).position(|&octet| octet == b':').filter(|_| !is_blank);
            let name = colon.map(|colon| line[..colon].trim_ascii_end());
            is_left_out = match name.filter(|name| !name.contains(&b' ')) {
                Some(name) => OWN_BOOKS.iter().any(|book| is_book(name, book)),
                None => number == 0 && (line.starts_with(b"From ") || line.starts_with(b">From ")),
            };
            fields += u32::from(!is_left_out);
            has_message_id |= name.is_some_and(|name| name.eq_ignore_ascii_case(b"message-id"));
        }
        if !is_left_out {
            sha.update(line);
            sha.update(b"\n");
        }
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&sha.finalize()[..16]);
    Digested { digest, has_message_id, is_empty: fields == 0 }
}

fn is_book(name: &[u8], book: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let book = book.to_ascii_lowercase();
    book.strip_suffix('*').map_or(name == book.as_bytes(), |start| name.starts_with(start.as_bytes()))
}

fn headers(octets: &[u8], seed: u8, pattern: &str) {
    let whole = Header::of(octets);
    let mut header = Header::default();
    pieces(octets, seed).into_iter().for_each(|piece| header.update(piece));
    let rules = rules(pattern);
    if !header.is_complete() {
        let verdict = rules.verdict(Some(&header), Some(7));
        assert!(!matches!(verdict, Verdict::Rule(_, Then::Delete)), "half of a header deletes");
    }
    header.finish();
    assert!(header.is_complete() && whole.is_complete(), "no input is as long as what is not looked at");
    let fields = header.fields();
    assert_eq!(fields, whole.fields());
    assert!(fields.len() <= octets.iter().filter(|&&octet| octet == b'\n').count() + 1);
    // Decoding an octet of a charset makes four of it at most.
    let room: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(room <= 4 * octets.len() + 16, "{room} from {}", octets.len());
    for listed in [None, Some(7), Some(1 << 40)] {
        let verdict = rules.verdict(Some(&header), listed);
        assert_eq!(verdict, rules.verdict(Some(&whole), listed));
        assert_ne!(verdict, Verdict::HeaderWanted, "there is no more to want");
        match rules.verdict(None, listed) {
            // What is decided without a header is decided so with one.
            Verdict::HeaderWanted => {}
            without => assert_eq!(without, verdict),
        }
    }
    for (name, value) in &fields {
        let is = Condition::Field {
            field: Field::Named(name.as_ref().into()),
            test: Test::Is((*value).as_str().into()),
        };
        let rules = Rules(vec![Rule { conditions: vec![is], then: Then::Skip }]);
        assert_eq!(rules.verdict(Some(&header), None), Verdict::Rule(0, Then::Skip), "{name}: {value}");
    }
}

/// A rule of each kind.
fn rules(pattern: &str) -> Rules {
    let field = |name: &str, test| Condition::Field { field: Field::Named(name.into()), test };
    let rule = |then, conditions| Rule { conditions, then };
    Rules(vec![
        rule(Then::Delete, vec![Condition::Larger(1 << 30)]),
        rule(Then::Delete, vec![field("Subject", Test::Matches(pattern.into()))]),
        rule(
            Then::Skip,
            vec![
                Condition::Field { field: Field::Recipients, test: Test::Contains(pattern.into()) },
                Condition::Smaller(100),
            ],
        ),
        rule(Then::Fetch, vec![field("List-Id", Test::Is(pattern.into()))]),
        rule(Then::Skip, vec![field("X-Spam", Test::Exists)]),
    ])
}
