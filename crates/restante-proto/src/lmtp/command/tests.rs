//! The grammar of commands, and that writing and parsing are inverse.

use alloc::vec;

use proptest::prelude::*;

use super::super::path::Mailbox;
use super::*;

#[test]
fn blanks_at_the_end_are_ignored() {
    assert_eq!(Command::parse(b"QUIT  "), Ok(Command::Quit));
    assert_eq!(Command::parse(b"data\t"), Ok(Command::Data));
    assert_eq!(Command::parse(b"BDAT  5  LAST "), Ok(Command::Bdat { octets: 5, is_last: true }));
}

#[test]
fn numbers_beyond_64_bits_are_the_largest() {
    assert_eq!(
        Command::parse(b"BDAT 99999999999999999999"),
        Ok(Command::Bdat { octets: u64::MAX, is_last: false })
    );
    assert_eq!(Command::parse(b"BDAT 999999999999999999999"), Err(SyntaxError::Argument));
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    ("\\PC{1,12}", prop::option::of("[a-z]{1,5}(\\.[a-z]{1,5}){0,2}"))
        .prop_filter_map("a mailbox", |(local, domain)| Mailbox::new(&local, domain.as_deref()))
}

fn command() -> impl Strategy<Value = Command> {
    let mail = (prop::option::of(mailbox()), prop::option::of(any::<u64>()), 0..3, any::<bool>()).prop_map(
        |(sender, size, body, smtputf8)| {
            let sender = sender.map_or(ReversePath::Null, ReversePath::Mailbox);
            let body = [None, Some(BodyKind::SevenBit), Some(BodyKind::EightBitMime)][body as usize];
            Command::Mail(Mail { sender, size, body, smtputf8 })
        },
    );
    prop_oneof![
        mail,
        mailbox().prop_map(|mailbox| Command::Rcpt(ForwardPath::new(mailbox))),
        "[!-~]{1,255}".prop_map(Command::Lhlo),
        (any::<u64>(), any::<bool>()).prop_map(|(octets, is_last)| Command::Bdat { octets, is_last }),
        prop::sample::select(vec![
            Command::Helo,
            Command::Data,
            Command::Rset,
            Command::Noop,
            Command::Vrfy,
            Command::Expn,
            Command::Help,
            Command::StartTls,
            Command::Quit,
        ]),
    ]
}

proptest! {
    #[test]
    fn encode_and_parse_are_inverse(command in command()) {
        let mut line = Vec::new();
        command.encode(&mut line);
        prop_assert!(line.ends_with(b"\r\n"));
        prop_assert_eq!(Command::parse(&line[..line.len() - 2]), Ok(command));
    }

    #[test]
    fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..100), text in "(MAIL FROM:|RCPT TO:|BDAT )\\PC{0,40}") {
        let _ = Command::parse(&line);
        let _ = Command::parse(text.as_bytes());
    }
}
