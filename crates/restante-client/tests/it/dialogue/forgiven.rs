//! What a lenient client lives with and tells, and a strict one calls by its name.

use super::*;

/// A visit that a lenient client comes through with these quirks and this message, and a strict one does not.
async fn forgiven(answers: &[(&'static str, &str)], quirk: Quirk, text: &[u8]) {
    for size in [usize::MAX, 1] {
        let visit = visit_in_pieces(answers, Profile::Lenient, size).await.unwrap();
        assert_eq!(visit.quirks, [quirk.name()], "{answers:?}");
        assert_eq!(visit.messages, one(text), "{answers:?}");
        assert!(!quirk.to_string().is_empty());
    }
    let error = visit(answers, Profile::Strict).await.unwrap_err();
    let Error::Protocol(error) = error else { panic!("{answers:?}: {error:?}") };
    let expected = match quirk {
        Quirk::BareLineFeed => ProtocolError::BareLineFeed,
        Quirk::StatusCase | Quirk::StatusSpace | Quirk::BlankLine => ProtocolError::NotAReply,
        quirk => ProtocolError::Deviation(quirk),
    };
    assert_eq!(error, expected, "{answers:?}");
}

#[tokio::test]
async fn a_server_as_it_should_be_has_no_quirk() {
    for profile in [Profile::Lenient, Profile::Strict] {
        for size in [usize::MAX, 1, 2, 3, 5] {
            let answers = with_one(LIST, UIDL, MESSAGE);
            let visit = visit_in_pieces(&answers, profile, size).await.unwrap();
            assert_eq!((visit.quirks, visit.messages), (vec![], one(b"Text\r\n")));
            assert_eq!(visit.survey.entries[0].unique_id, b"a");
        }
    }
}

#[tokio::test]
async fn blanks_in_listings() {
    for uidl in
        ["+OK\r\n1   a\r\n.\r\n", "+OK\r\n1\ta\r\n.\r\n", "+OK\r\n 1 a\r\n.\r\n", "+OK\r\n1 a \r\n.\r\n"]
    {
        forgiven(&with_one(LIST, uidl, MESSAGE), Quirk::ListingBlanks, b"Text\r\n").await;
    }
    for list in ["+OK\r\n1   6\r\n.\r\n", "+OK\r\n1\t6\r\n.\r\n", "+OK\r\n 1 6\r\n.\r\n"] {
        forgiven(&with_one(list, UIDL, MESSAGE), Quirk::ListingBlanks, b"Text\r\n").await;
    }
    // R1939-5.5: what stands behind the octets is allowed.
    let answers = with_one("+OK\r\n1 6 more\r\n.\r\n", UIDL, MESSAGE);
    assert!(visit(&answers, Profile::Strict).await.unwrap().quirks.is_empty());
}

#[tokio::test]
async fn unique_ids_that_are_none() {
    let long = format!("+OK\r\n1 {}\r\n.\r\n", "x".repeat(71));
    forgiven(&with_one(LIST, &long, MESSAGE), Quirk::UniqueIdTooLong, b"Text\r\n").await;
    let answers = with_one(LIST, &long, MESSAGE);
    let survey = visit(&answers, Profile::Lenient).await.unwrap().survey;
    assert_eq!(survey.entries[0].unique_id.len(), 71, "none is cut");
    for (id, kept) in [("a b", "a b"), ("a\u{7f}", "a\u{7f}"), ("ä", "ä")] {
        let uidl = format!("+OK\r\n1 {id}\r\n.\r\n");
        forgiven(&with_one(LIST, &uidl, MESSAGE), Quirk::UniqueIdOctets, b"Text\r\n").await;
        let survey = visit(&with_one(LIST, &uidl, MESSAGE), Profile::Lenient).await.unwrap().survey;
        assert_eq!(survey.entries[0].unique_id, kept.as_bytes());
    }
}

#[tokio::test]
async fn listings_that_are_out_of_order() {
    let answers = dialogue(&[
        ("CAPA", HEAD[0].1),
        ("LIST", "+OK\r\n2 6\r\n1 6\r\n.\r\n"),
        ("UIDL", "+OK\r\n1 a\r\n2 b\r\n.\r\n"),
        ("RETR 2", MESSAGE),
        ("RETR 1", MESSAGE),
    ]);
    let visit_ = visit(&answers, Profile::Lenient).await.unwrap();
    assert_eq!(visit_.quirks, ["listing-order"]);
    let entries = visit_.survey.entries.iter().map(|entry| (entry.number.as_u32(), &entry.unique_id[..]));
    assert_eq!(entries.collect::<Vec<_>>(), [(2, &b"b"[..]), (1, b"a")]);
    let error = visit(&answers, Profile::Strict).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::Deviation(Quirk::ListingOrder))), "{error:?}");
}

#[tokio::test]
async fn lines_of_listings_that_say_nothing() {
    for list in ["1 6\r\n2\r\n", "1 6\r\nx y\r\n", "1 6\r\n0 1\r\n", "1 6\r\n2 -1\r\n", "1 6\r\n\r\n"] {
        let list = format!("+OK\r\n{list}.\r\n");
        forgiven(&with_one(&list, UIDL, MESSAGE), Quirk::UnreadableListing, b"Text\r\n").await;
        let survey = visit(&with_one(&list, UIDL, MESSAGE), Profile::Lenient).await.unwrap().survey;
        assert!(survey.has_unreadable_lines, "{list:?}");
    }
    for uidl in ["1 a\r\n2\r\n", "1 a\r\n2 \r\n", "1 a\r\nnothing\r\n", "1 a\r\n4294967296 b\r\n"] {
        let uidl = format!("+OK\r\n{uidl}.\r\n");
        forgiven(&with_one(LIST, &uidl, MESSAGE), Quirk::UnreadableListing, b"Text\r\n").await;
    }
}

#[tokio::test]
async fn status_indicators_in_other_case_and_without_space() {
    forgiven(&with_one(LIST, UIDL, "+ok\r\nText\r\n.\r\n"), Quirk::StatusCase, b"Text\r\n").await;
    forgiven(&with_one("+OK1 message\r\n1 6\r\n.\r\n", UIDL, MESSAGE), Quirk::StatusSpace, b"Text\r\n").await;
    // -ERR in lower case is a refusal, not silence.
    let answers = with_one(LIST, UIDL, "-err gone\r\n");
    assert_eq!(visit(&answers, Profile::Lenient).await.unwrap().messages, [(1, Err("gone".into()))]);
}

#[tokio::test]
async fn blank_lines_where_a_reply_is_due() {
    for list in ["\r\n+OK\r\n1 6\r\n.\r\n", "\r\n\r\n\r\n+OK\r\n1 6\r\n.\r\n"] {
        forgiven(&with_one(list, UIDL, MESSAGE), Quirk::BlankLine, b"Text\r\n").await;
    }
    let many = format!("{}+OK\r\n.\r\n", "\r\n".repeat(17));
    let error = visit(&with_one(&many, UIDL, MESSAGE), Profile::Lenient).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::NotAReply)), "{error:?}");
}

#[tokio::test]
async fn sizes_that_lie() {
    for list in ["+OK\r\n1 5\r\n.\r\n", "+OK\r\n1 4000\r\n.\r\n", "+OK\r\n1 18446744073709551615\r\n.\r\n"] {
        forgiven(&with_one(list, UIDL, MESSAGE), Quirk::SizeLies, b"Text\r\n").await;
    }
}

#[tokio::test]
async fn a_server_whose_lines_end_with_a_line_feed() {
    let lf = with_one("+OK\n1 9\n.\n", "+OK\n1 a\n.\n", "+OK\nText\n..\n\n.\n");
    // The message ends with its lines, and its stuffed dot is one.
    let visit_ = visit_in_pieces(&lf, Profile::Lenient, 1).await.unwrap();
    assert_eq!(visit_.quirks, ["bare-line-feed", "size-lies"]);
    assert_eq!(visit_.messages, one(b"Text\r\n.\r\n\r\n"));
    let error = visit(&lf, Profile::Strict).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::BareLineFeed)), "{error:?}");
}

#[tokio::test]
async fn a_message_whose_lines_end_with_a_line_feed() {
    // Nothing but CR LF "." CR LF ends it, and no dot is taken off: a line feed could be anybody's.
    let message = "+OK\r\nText\n.\n..two\n.\r\nmore\r\n.\r\n";
    let list = "+OK\r\n1 28\r\n.\r\n";
    let expected = b"Text\r\n.\r\n..two\r\n.\r\nmore\r\n";
    assert_eq!(expected.len(), 25);
    let list = list.replace("28", "25");
    forgiven(&with_one(&list, UIDL, message), Quirk::MessageBareLineFeed, expected).await;
}

#[tokio::test]
async fn stat_that_cannot_be_read_or_counts_otherwise() {
    for (stat, is_readable) in [
        ("+OK 1 6\r\n", true),
        ("+OK\r\n", false),
        ("+OK one six\r\n", false),
        ("+OK 1\r\n", false),
        ("+OK 3 6\r\n", true),
    ] {
        let answers = dialogue(&[("STAT", stat), ("LIST", LIST)]);
        for profile in [Profile::Lenient, Profile::Strict] {
            let (client, _, task) = open(Server::new(&answers), profile).await;
            let mut client = client.unwrap();
            client.log_in(wish(&Auth::Any)).await.unwrap();
            let told = client.stat().await;
            let is_strict = profile == Profile::Strict;
            match (&told, is_readable) {
                (Ok(_), true) => {}
                (Err(Error::Malformed), false) if !is_strict => {}
                (Err(Error::Protocol(ProtocolError::Deviation(Quirk::UnreadableStat))), false) => continue,
                _ => panic!("{stat:?}: {told:?}"),
            }
            let disagrees = stat.contains('3');
            let listed = client.list().await;
            assert_eq!(listed.is_err(), disagrees && is_strict, "{stat:?}: {listed:?}");
            if listed.is_ok() {
                let quirk = if disagrees { Quirk::StatDisagrees } else { Quirk::UnreadableStat };
                assert_eq!(client.quirks().contains(&quirk), disagrees || !is_readable, "{stat:?}");
                assert!(matches!(client.quit().await, Quit::Committed));
            } else {
                drop(client);
            }
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn no_capa_and_another_capa_after_the_login_are_surprises_and_no_fault() {
    for profile in [Profile::Lenient, Profile::Strict] {
        let mut answers = with_one(LIST, UIDL, MESSAGE);
        answers[0].1 = "-ERR what?\r\n";
        answers[3].1 = "-ERR what?\r\n";
        let visit_ = visit(&answers, profile).await.unwrap();
        assert_eq!((visit_.quirks, visit_.messages), (vec!["no-capa"], one(b"Text\r\n")));
        assert_eq!(visit_.survey.capabilities, None);
        // What is listed after the login is what counts.
        answers[0].1 = "+OK\r\nUSER\r\nTOP\r\n.\r\n";
        answers[3].1 = "+OK\r\nEXPIRE 7\r\n.\r\n";
        let visit_ = visit(&answers, profile).await.unwrap();
        assert_eq!(visit_.quirks, ["capabilities-changed"]);
        assert!(visit_.survey.capabilities.is_some_and(|listed| listed.expire.is_some() && !listed.top));
    }
}

#[tokio::test]
async fn uidl_that_is_not_there() {
    let answers = with_one(LIST, "-ERR what?\r\n", MESSAGE);
    let visit_ = visit(&answers, Profile::Strict).await.unwrap();
    assert_eq!(visit_.survey.uidl_refusal.unwrap().text, "what?");
    assert_eq!(visit_.survey.without_unique_id, [ScanListing { number: number(1), octets: Octets::new(6) }]);
    assert_eq!(visit_.messages, one(b"Text\r\n"));
}
