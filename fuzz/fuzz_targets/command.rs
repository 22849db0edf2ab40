//! Commands: what is read is written so that it is read the same again, and numbers mean what their digits say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_proto::command::{Command, Flaw};

fuzz_target!(|line: &[u8]| {
    let command = match Command::parse(line) {
        Ok(command) => command,
        Err(flaw) => return assert_ne!((flaw, line), (Flaw::Unknown, &b"QUIT"[..])),
    };
    let keyword = command.keyword();
    assert!(line.get(..keyword.len()).is_some_and(|start| start.eq_ignore_ascii_case(keyword.as_bytes())));

    let mut encoded = Vec::new();
    command.encode(&mut encoded);
    let text = encoded.strip_suffix(b"\r\n").expect("a command ends with CR LF");
    assert!(Command::parse(text).is_ok_and(|again| again == command));
    if !line.contains(&b'\n') && !line.contains(&b'\r') {
        assert!(!text.contains(&b'\n') && !text.contains(&b'\r'), "an argument ends no line");
    }

    let words: Vec<&[u8]> = line.split(|&octet| octet == b' ').collect();
    let digits = |at: usize| std::str::from_utf8(words[at]).expect("digits are ASCII").parse::<u128>();
    match command {
        Command::Retr(number)
        | Command::Dele(number)
        | Command::List(Some(number))
        | Command::Uidl(Some(number)) => {
            assert_eq!((digits(1), words.len()), (Ok(u128::from(number.as_u32())), 2));
        }
        Command::Top { number, lines } => {
            assert_eq!((digits(1), words.len()), (Ok(u128::from(number.as_u32())), 3));
            // What does not fit saturates, and some of it does not even fit here.
            assert_eq!(digits(2).unwrap_or(u128::MAX).min(u128::from(u64::MAX)), u128::from(lines));
        }
        Command::Pass(password) => assert_eq!(Some(password), line.get(5..)),
        Command::User(user) | Command::Apop { user, .. } => {
            assert!(!user.is_empty() && !user.iter().any(|octet| octet.is_ascii_control() || *octet == b' '));
        }
        _ => {}
    }
});
