//! Rules on a message that is all but welcome.

use super::*;

const MAIL: &[u8] = b"From: =?utf-8?q?J=C3=BCrgen?= <Juergen@Example.org>\r\nTo: list@example.net,\r\n other@example.net\r\n\
    Cc: third@example.net\r\nList-Id: Announcements <announce.example.net>\r\nSubject: [SPAM]  Buy now\r\nX-Twice: a\r\nX-Twice: b\r\n\r\n";

fn field(name: &str, test: Test) -> Condition {
    Condition::Field { field: Field::Named(name.into()), test }
}

fn contains(text: &str) -> Test {
    Test::Contains(text.into())
}

fn matches(pattern: &str) -> Test {
    Test::Matches(pattern.into())
}

fn is(text: &str) -> Test {
    Test::Is(text.into())
}

#[test]
fn conditions_hold_without_regard_to_case() {
    let recipients = |text: &str| Condition::Field { field: Field::Recipients, test: contains(text) };
    for (condition, holds) in [
        (field("list-id", contains("ANNOUNCE")), true),
        (field("list-id", contains("other")), false),
        (field("from", contains("jürgen")), true),
        (field("From", contains("JÜRGEN")), true),
        (field("From", matches("*<juergen@example.???>")), true),
        (field("From", matches("juergen@example.org")), false),
        (field("From", matches("*@EXAMPLE.org*")), true),
        (field("Subject", is("[spam]  buy NOW ")), true),
        (field("Subject", is("buy now")), false),
        (field("Subject", matches("[[]spam]*")), false),
        (field("Subject", matches("[spam]*")), true),
        (field("X-Twice", is("b")), true),
        (field("X-Twice", Test::Exists), true),
        (field("X-Thrice", Test::Exists), false),
        (field("X-Twic", contains("a")), false),
        (recipients("other@"), true),
        (recipients("third@"), true),
        (recipients("juergen"), false),
        (Condition::Larger(99), true),
        (Condition::Larger(100), false),
        (Condition::Smaller(101), true),
        (Condition::Smaller(100), false),
    ] {
        let rules = Rules(vec![Rule { conditions: vec![condition.clone()], then: Then::Skip }]);
        let wanted = if holds { Verdict::Rule(0, Then::Skip) } else { Verdict::NoRule };
        assert_eq!(rules.verdict(Some(&Header::of(MAIL)), Some(100)), wanted, "{condition}");
    }
}

#[test]
fn the_first_rule_all_of_whose_conditions_hold_decides() {
    let rules = Rules(vec![
        Rule {
            conditions: vec![field("Subject", contains("spam")), Condition::Larger(1000)],
            then: Then::Delete,
        },
        Rule { conditions: vec![field("Subject", contains("spam"))], then: Then::Skip },
        Rule { conditions: vec![field("From", contains("juergen"))], then: Then::Fetch },
    ]);
    let mail = Header::of(MAIL);
    assert_eq!(rules.verdict(Some(&mail), Some(1001)), Verdict::Rule(0, Then::Delete));
    assert_eq!(rules.verdict(Some(&mail), Some(1000)), Verdict::Rule(1, Then::Skip));
    // What LIST does not tell is neither large nor small.
    assert_eq!(rules.verdict(Some(&mail), None), Verdict::Rule(1, Then::Skip));
    let other = Header::of(b"From: juergen@example.org\r\n\r\n");
    assert_eq!(rules.verdict(Some(&other), Some(5)), Verdict::Rule(2, Then::Fetch));
    assert_eq!(rules.verdict(Some(&Header::of(b"\r\n")), Some(5)), Verdict::NoRule);
}

#[test]
fn a_header_is_asked_for_only_when_it_decides() {
    let large = Rule { conditions: vec![Condition::Larger(10)], then: Then::Skip };
    let spam =
        Rule { conditions: vec![Condition::Larger(5), field("Subject", contains("spam"))], then: Then::Skip };
    let small = Rule { conditions: vec![Condition::Smaller(3)], then: Then::Delete };
    let rules = Rules(vec![large, spam, small]);
    assert_eq!(rules.verdict(None, Some(11)), Verdict::Rule(0, Then::Skip));
    assert_eq!(rules.verdict(None, Some(7)), Verdict::HeaderWanted);
    assert_eq!(rules.verdict(None, Some(4)), Verdict::NoRule);
    // Nothing is deleted before its whole header was there.
    assert_eq!(rules.verdict(None, Some(2)), Verdict::HeaderWanted);
    assert_eq!(rules.verdict(Some(&Header::default()), Some(2)), Verdict::NoRule);
    assert_eq!(rules.verdict(Some(&Header::of(MAIL)), Some(2)), Verdict::Rule(2, Then::Delete));
    assert_eq!(Rules::default().verdict(None, Some(2)), Verdict::NoRule);
}

#[test]
fn rules_are_told_in_words_and_known_by_a_digest() {
    let rule = Rule {
        conditions: vec![field("List-Id", contains("announce")), Condition::Larger(1024)],
        then: Then::Skip,
    };
    let rules = Rules(vec![rule.clone()]);
    assert_eq!(rules.name(0), "rule 1: skip if List-Id contains \"announce\" and larger than 1 KiB");
    assert_eq!(rules.digest().len(), 8);
    assert_eq!(rules.digest(), rules.clone().digest());
    assert_ne!(rules.digest(), Rules(vec![rule.clone(), rule]).digest());
    assert_ne!(rules.digest(), Rules::default().digest());
}
