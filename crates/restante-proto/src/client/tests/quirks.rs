//! Quirks: each has its place and name, and is told once.

use super::*;

#[test]
fn each_is_told_once_a_session() {
    let mut driver = greeted().submit(Request::List).submit(Request::List);
    driver.run_lines("+OK\r\n1  1\r\n2  2\r\n.\r\n+ok\r\n1  1\r\n.\r\n").unwrap();
    assert_eq!(driver.log.matches("quirk listing-blanks").count(), 1);
    assert_eq!(driver.log.matches("quirk status-case").count(), 1);
}

#[test]
fn a_blank_line_is_the_same_however_it_arrives() {
    let blank = b"+OK\r\n\r\n";
    for at in 0..=blank.len() {
        let mut driver = greeted().submit(Request::Noop).submit(Request::Noop);
        let (first, second) = blank.split_at(at);
        driver.run(&[first, second, b"+OK\r\n"]).unwrap();
        let quirks: Vec<_> = driver.log.lines().filter(|line| line.contains("quirk")).collect();
        assert_eq!(
            (quirks, driver.log.matches("= done").count()),
            (vec!["= quirk blank-line"], 2),
            "cut at {at}"
        );
    }
}

#[test]
fn names_and_texts_are_all_different() {
    for (at, quirk) in Quirk::ALL.into_iter().enumerate() {
        assert_eq!(quirk as usize, at, "ALL is in the order of the variants");
        for other in &Quirk::ALL[at + 1..] {
            assert!(quirk.name() != other.name() && quirk.to_string() != other.to_string());
        }
        assert_eq!(ProtocolError::Deviation(quirk).to_string(), quirk.to_string());
    }
}

#[test]
fn a_message_ends_with_the_line_end_of_its_reply_and_no_other() {
    // What ends a message of a server of LF is text of a server of CR LF, or anybody could write the end of a message.
    let mut driver = greeted().submit(Request::retrieve(number(1)));
    assert_eq!(driver.run(&[b"+OK\r\na\n.\n+OK\r\n"]), Ok(End::Message));
    let mut driver = greeted().submit(Request::retrieve(number(1)));
    assert_eq!(driver.run(&[b"+OK\na\n.\n"]), Ok(End::Idle));
    assert!(driver.log.contains("= message a\\r\\n\n"), "{}", driver.log);
}

#[test]
fn a_strict_session_ends_with_the_name() {
    for (request, replies, quirk) in [
        (Request::List, "+OK\r\n1  1\r\n.\r\n", Quirk::ListingBlanks),
        (Request::List, "+OK\r\n2 1\r\n2 1\r\n.\r\n", Quirk::ListingOrder),
        (Request::Uidl, "+OK\r\n1 a b\r\n.\r\n", Quirk::UniqueIdOctets),
        (Request::Stat, "+OK one\r\n", Quirk::UnreadableStat),
        (Request::ListOne(number(1)), "+OK one\r\n", Quirk::UnreadableListing),
        (Request::retrieve(number(1)), "+OK\r\na\nb\r\n.\r\n", Quirk::MessageBareLineFeed),
    ] {
        let mut driver = greeted().submit(request);
        driver.session.settings.profile = Profile::Strict;
        assert_eq!(driver.run(&[replies.as_bytes()]), Err(ProtocolError::Deviation(quirk)));
        assert_eq!(driver.run(&[]), Err(ProtocolError::Deviation(quirk)), "and stays so");
    }
}
