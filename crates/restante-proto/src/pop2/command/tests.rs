//! What is a command of POP2 and what is none.

use std::format;

use super::*;

fn helo_of(line: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    match Command::parse(line.as_bytes()) {
        Ok(Command::Helo { user, password }) => Some((user, password.expose().to_vec())),
        Ok(other) => panic!("{other:?}"),
        Err(Malformed) => None,
    }
}

#[test]
fn r937_cmds_1_a_backslash_quotes() {
    assert_eq!(helo_of("HELO Fred Secret"), Some((b"Fred".to_vec(), b"Secret".to_vec())));
    assert_eq!(helo_of(r"HELO p\ q r\\s\ "), Some((b"p q".to_vec(), br"r\s ".to_vec())));
    assert_eq!(helo_of(r"HELO \a b\ "), Some((b"a".to_vec(), b"b ".to_vec())));
    for bad in [
        "HELO",
        "HELO ",
        "HELO a",
        "HELO a ",
        "HELO a b c",
        "HELO a b ",
        "HELO  a b",
        r"HELO a b\",
        "HELO a  b",
    ] {
        assert_eq!(helo_of(bad), None, "{bad}");
    }
    assert!(Command::parse(b"HELO a \\\0").is_err());
    assert!(Command::parse(b"HELO a b\x07").is_err());
}

#[test]
fn keywords_come_in_any_case_and_whole() {
    for (line, keyword) in
        [("quit", "QUIT"), ("Retr ", "RETR"), ("ACKS", "ACKS"), ("ackd  ", "ACKD"), ("nAcK", "NACK")]
    {
        assert_eq!(Command::parse(line.as_bytes()).unwrap().keyword(), keyword);
    }
    for bad in ["", "QUI", "QUITS", "QUIT now", "RETR 1", "STAT", "FOO", " QUIT"] {
        assert!(Command::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn read_takes_a_number_or_none() {
    let read = |line: &str| match Command::parse(line.as_bytes()) {
        Ok(Command::Read(number)) => Ok(number),
        _ => Err(()),
    };
    assert_eq!(read("READ"), Ok(None));
    assert_eq!(read("READ "), Ok(None));
    assert_eq!(read("READ 13"), Ok(Some(13)));
    assert_eq!(read("READ  27"), Ok(Some(27)));
    assert_eq!(read("READ 99999999999999999999999"), Ok(Some(u64::MAX)));
    for bad in ["READ x", "READ -1", "READ13", "READ 1 2", "READ 1 "] {
        assert_eq!(read(bad), Err(()), "{bad}");
    }
}

#[test]
fn a_mailbox_may_have_spaces() {
    let fold = |line: &str| match Command::parse(line.as_bytes()) {
        Ok(Command::Fold(mailbox)) => Some(mailbox),
        _ => None,
    };
    assert_eq!(fold("FOLD /usr/spool/mail/smith").unwrap(), b"/usr/spool/mail/smith");
    assert_eq!(fold(r"FOLD my box\\").unwrap(), br"my box\");
    assert_eq!(fold("FOLD"), None);
    assert_eq!(fold("FOLD "), None);
    assert_eq!(fold(r"FOLD x\"), None);
}

#[test]
fn a_password_is_not_shown() {
    let command = Command::parse(b"HELO Fred Secret").unwrap();
    assert!(!format!("{command:?}").contains("ecret"));
}
