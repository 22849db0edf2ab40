//! From line to command and back.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

#[test]
fn commands_do_not_print_their_arguments() {
    assert_eq!(std::format!("{:?}", Command::Pass(b"secret")), "Command(\"PASS\", ..)");
}

#[test]
fn trailing_spaces_are_forgiven_only_without_argument() {
    assert_eq!(Command::parse(b"STAT   "), Ok(Command::Stat));
    assert_eq!(Command::parse(b"LIST "), Ok(Command::List(None)));
    assert_eq!(Command::parse(b"LIST 1 "), Err(Flaw::Invalid));
    assert_eq!(Command::parse(b"USER a "), Err(Flaw::Invalid));
    assert_eq!(Command::parse(b"PASS a "), Ok(Command::Pass(b"a ")));
}

#[test]
fn numbers_that_do_not_fit_name_no_message() {
    assert_eq!(Command::parse(b"RETR 007"), Ok(Command::Retr(MessageNumber::new(7).unwrap())));
    assert_eq!(Command::parse(b"RETR 4294967297"), Err(Flaw::NoSuchMessage));
    assert_eq!(Command::parse(b"RETR 18446744073709551617"), Err(Flaw::NoSuchMessage));
    let number = MessageNumber::new(1).unwrap();
    assert_eq!(Command::parse(b"TOP 1 18446744073709551617"), Ok(Command::Top { number, lines: u64::MAX }));
}

fn command() -> impl Strategy<Value = Vec<u8>> {
    let number = || any::<u32>().prop_map(|number| MessageNumber::new(number.max(1)).unwrap());
    let word = || prop::collection::vec(0x21u8..0x7F, 1..30);
    prop_oneof![
        word().prop_map(|user| line(&Command::User(&user))),
        prop::collection::vec(0x20u8.., 0..30).prop_map(|password| line(&Command::Pass(&password))),
        (word(), any::<[u8; 16]>()).prop_map(|(user, digest)| line(&Command::Apop { user: &user, digest })),
        (word(), prop::option::of(word())).prop_map(|(mechanism, initial)| {
            line(&Command::Auth { mechanism: Some((&mechanism, initial.as_deref())) })
        }),
        prop::option::of(number()).prop_map(|number| line(&Command::List(number))),
        prop::option::of(number()).prop_map(|number| line(&Command::Uidl(number))),
        number().prop_map(|number| line(&Command::Retr(number))),
        number().prop_map(|number| line(&Command::Dele(number))),
        (number(), any::<u64>()).prop_map(|(number, lines)| line(&Command::Top { number, lines })),
        prop::sample::select(vec![
            Command::Auth { mechanism: None },
            Command::Capa,
            Command::Stls,
            Command::Stat,
            Command::Noop,
            Command::Rset,
            Command::Last,
            Command::Quit,
        ])
        .prop_map(|command| line(&command)),
    ]
}

fn line(command: &Command<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    command.encode(&mut line);
    // What was encoded is what is parsed, whatever the case of the keyword.
    let parsed = Command::parse(line.strip_suffix(b"\r\n").unwrap()).unwrap();
    assert!(parsed == *command, "{command:?}");
    line
}

proptest! {
    #[test]
    fn there_and_back_in_any_case(line in command(), is_lower: bool) {
        let text = line.strip_suffix(b"\r\n").unwrap();
        let mut other = text.to_vec();
        let keyword = other.iter().position(|&octet| octet == b' ').unwrap_or(other.len());
        if is_lower {
            other[..keyword].make_ascii_lowercase();
        }
        prop_assert!(Command::parse(&other) == Command::parse(text));
    }

    #[test]
    fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Command::parse(&line);
    }

    #[test]
    fn what_is_parsed_is_the_same_again(line in "[a-zA-Z]{3,4}( [0-9]{1,4}){0,2} ?") {
        if let Ok(command) = Command::parse(line.as_bytes()) {
            let mut again = Vec::new();
            command.encode(&mut again);
            prop_assert!(Command::parse(again.strip_suffix(b"\r\n").unwrap()) == Ok(command));
        }
    }
}
