//! What no client may live with, however much it forgives; and messages that are strange and right.

use super::*;

#[tokio::test]
async fn messages_come_octet_for_octet_wherever_they_are_cut() {
    let long = format!("{}\r\n", "x".repeat(100_000));
    for (wire, text) in [
        ("..\r\n", ".\r\n"),
        ("...\r\n..a\r\n", "..\r\n.a\r\n"),
        ("", ""),
        ("\r\n", "\r\n"),
        ("a\0b\r\n\0\r\n", "a\0b\r\n\0\r\n"),
        ("a\rb\r\n\r\r\n", "a\rb\r\n\r\r\n"),
        ("a\r\n..\r\r\n.x\r\n", "a\r\n.\r\r\nx\r\n"),
        ("gr\u{fc}n\r\n", "gr\u{fc}n\r\n"),
        ("-ERR no\r\n+OK\r\n", "-ERR no\r\n+OK\r\n"),
        (&long, &long),
    ] {
        let list = format!("+OK\r\n1 {}\r\n.\r\n", text.len());
        let message = format!("+OK\r\n{wire}.\r\n");
        let sizes = if wire.len() > 1000 { 4000..4003 } else { 1..8 };
        for size in sizes {
            let visit =
                visit_in_pieces(&with_one(&list, UIDL, &message), Profile::Strict, size).await.unwrap();
            assert_eq!(visit.messages, one(text.as_bytes()), "{size}");
        }
    }
}

#[tokio::test]
async fn octets_that_nobody_asked_for_end_it() {
    let message = format!("{MESSAGE}+OK\r\n");
    for profile in [Profile::Lenient, Profile::Strict] {
        let error = visit(&with_one(LIST, UIDL, &message), profile).await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::Unsolicited)), "{error:?}");
        let error = visit(&with_one("hello\r\n", UIDL, MESSAGE), profile).await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::NotAReply)), "{error:?}");
        let endless = format!("+OK {}", "x".repeat(9000));
        let error = visit(&with_one(&endless, UIDL, MESSAGE), profile).await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::LineTooLong)), "{error:?}");
    }
}

#[tokio::test]
async fn a_listing_without_end_ends_it() {
    let list = format!("+OK\r\n{}.\r\n", "1 6\r\n".repeat(11));
    let answers = with_one(&list, UIDL, MESSAGE);
    let (here, there) = tokio::io::duplex(1 << 16);
    let heard = Arc::new(Mutex::new(Heard { commands: String::new(), is_through: false }));
    let task = tokio::spawn(Server::new(&answers).serve(there, heard));
    let mut settings = settings(Profile::Lenient);
    settings.limits.listing_lines_max = 10;
    let client = Client::over(here, settings).await.unwrap();
    let error = take_all(client).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::ListingTooLong)), "{error:?}");
    task.await.unwrap();
}

#[tokio::test]
async fn octets_injected_behind_stls_are_an_error_however_they_come() {
    let (_, roots) = certificate();
    for injected in ["+OK injected\r\n", "\r\n", "x"] {
        let mut script = acts("S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS");
        script.push(Act::Say(format!("+OK\r\n{injected}").into_bytes()));
        let (address, server) = serve(script).await;
        let security = Security::Stls(Tls::with_roots(roots.clone(), "localhost").unwrap());
        let error = Client::connect(&address, security, settings(Profile::Lenient)).await.unwrap_err();
        assert!(
            matches!(error, Error::Protocol(ProtocolError::InjectedBeforeTls)),
            "{injected:?}: {error:?}"
        );
        server.await.unwrap();
    }
}

#[tokio::test]
async fn stls_that_is_required_is_required_also_when_capa_fails() {
    let (_, roots) = certificate();
    for script in [
        // Refused, and STLS too.
        "S: +OK hi\nC: CAPA\nS: -ERR\nC: STLS\nS: -ERR",
        "S: +OK hi\nC: CAPA\nS: -ERR\nC: STLS\nS: -ERR [SYS/TEMP] later",
        "S: +OK hi\nC: CAPA\nS: +OK\nS: SASL PLAIN\nS: .",
    ] {
        let (address, server) = serve(acts(script)).await;
        let security = Security::Stls(Tls::with_roots(roots.clone(), "localhost").unwrap());
        let error = Client::connect(&address, security, settings(Profile::Lenient)).await.unwrap_err();
        assert!(matches!(error, Error::NoStls), "{error:?}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn greetings_that_refuse_and_that_are_none() {
    for (greeting, expected) in [
        ("-ERR [SYS/TEMP] full\r\n", "rejected"),
        ("-ERR\r\n", "rejected"),
        ("220 mail ESMTP\r\n", "not a reply"),
        ("+\r\n", "not a reply"),
        ("", "closed"),
        ("+OK unfinished", "closed"),
    ] {
        let mut server = Server::new(&[]);
        server.greeting = greeting.into();
        server.answers = Vec::new();
        let heard = Arc::new(Mutex::new(Heard { commands: String::new(), is_through: false }));
        let (here, mut there) = tokio::io::duplex(1 << 16);
        there.write_all(&server.greeting).await.unwrap();
        drop(there);
        let error = Client::over(here, settings(Profile::Lenient)).await.unwrap_err();
        let told = match error {
            Error::Rejected(_) => "rejected",
            Error::Protocol(ProtocolError::NotAReply) => "not a reply",
            Error::Closed => "closed",
            error => panic!("{greeting:?}: {error:?}"),
        };
        assert_eq!(told, expected, "{greeting:?}");
        assert!(heard.lock().unwrap().commands.is_empty());
    }
}
