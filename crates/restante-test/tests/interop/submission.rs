//! XTND XMIT: messages that clients send over POP3, to a real Postfix and to relays and programs that fail.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use restante_test::mail::dotted;
use restante_test::peer::Peer;
use restante_test::real::postfix::Postfix;
use restante_test::real::site::SMTP;
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

/// A server with these lines in `[submission]`.
fn server(lines: &str) -> Server {
    let mut setup = Setup::default();
    let table = format!("domain = \"example.org\"\nspool_dir = \"@ROOT@\"\n{lines}");
    setup.restante.push(("submission".to_owned(), table));
    Server::start(Kind::Restante, &setup)
}

const MESSAGE: &[u8] =
    b"From: Alice <alice@example.org>\r\nTo: Bob <bob@example.org>\r\nBcc: alice+copy@example.org\r\n\
                         Subject: by way of XMIT\r\n\r\n.a dot\r\n..two\r\nthe end\r\n";

/// Sends a message over POP3; the status line at its end.
fn xmit(peer: &mut Peer, message: &[u8]) -> String {
    peer.ok("XTND XMIT");
    peer.send(&dotted(message));
    peer.status()
}

/// Waits for the only message of `account` and says what it is.
fn arrived(server: &Server, account: &str) -> String {
    wait::some("the message to arrive", || (!server.site().files(account).is_empty()).then_some(()));
    let messages = server.retrieve_all(account);
    assert_eq!(messages.len(), 1);
    String::from_utf8(messages.into_iter().next().unwrap()).unwrap()
}

/// The log, as soon as it has `text`: it is written behind the replies.
fn logged(server: &Server, text: &str) -> String {
    wait::some(text, || Some(server.log()).filter(|log| log.contains(text)))
}

/// Both recipients have it, nobody sees the Bcc, and it comes from the account.
fn reaches_postfix(lines: &str) {
    let server = server(lines);
    let postfix = Postfix::start(server.site());
    let mut peer = server.login("alice");
    assert_eq!(xmit(&mut peer, MESSAGE), "+OK The message was sent", "{}\n{}", server.log(), postfix.log());
    // The session goes on as it was.
    assert_eq!(peer.ok("STAT"), "+OK 0 0");
    peer.ok("QUIT");
    peer.end();
    for account in ["bob", "alice"] {
        let message = arrived(&server, account);
        assert!(message.ends_with("\r\n\r\n.a dot\r\n..two\r\nthe end\r\n"), "{message}");
        assert!(message.contains("Subject: by way of XMIT\r\n"), "{message}");
        assert!(message.starts_with("Return-Path: <alice@example.org>\r\n"), "{message}");
        assert!(!message.to_lowercase().contains("bcc:"), "{message}");
    }
    let log = logged(&server, "event=submitted");
    let line = log.lines().find(|line| line.contains("event=submitted")).expect("a line of the log");
    for field in
        ["account=alice", "sender=alice@example.org", "recipients=2", &format!("octets={}", MESSAGE.len())]
    {
        assert!(line.contains(field), "{line}");
    }
}

#[test]
fn xmit_reaches_a_real_postfix_through_its_sendmail() {
    let program = restante_test::real::program("sendmail", "postfix");
    reaches_postfix(&format!(
        "command = [\"{}\", \"-C\", \"@ROOT@/postfix/etc\", \"-t\", \"-oi\", \"-f\", \"{{sender}}\"]",
        program.display()
    ));
}

#[test]
fn xmit_reaches_a_real_postfix_by_smtp() {
    reaches_postfix("relay = \"smtp://@SMTP@\"");
}

#[test]
fn a_relay_that_refuses_a_recipient_refuses_the_message() {
    let server = server("relay = \"smtp://@SMTP@\"");
    let listener = TcpListener::bind(server.site().address(SMTP)).unwrap();
    let relay = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        stream.write_all(b"220 relay\r\n").unwrap();
        let mut heard = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            let reply: &[u8] = match line.get(..4) {
                Some("RCPT") => b"550 5.1.1 nobody of that name\r\n",
                Some("QUIT") => b"221 bye\r\n",
                _ => b"250 fine\r\n",
            };
            let _ = stream.write_all(reply);
            heard.push(line);
        }
        heard
    });
    let mut peer = server.login("alice");
    assert_eq!(xmit(&mut peer, MESSAGE), "-ERR [SYS/PERM] The message was refused and not sent");
    peer.ok("NOOP");
    let heard = relay.join().unwrap();
    assert!(heard.iter().any(|line| line.starts_with("MAIL FROM:<alice@example.org>")), "{heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with("DATA")), "{heard:?}");
    logged(&server, "nobody of that name");
}

#[test]
fn a_relay_that_is_silent_or_not_there_keeps_nobody_waiting() {
    let server = server("relay = \"smtp://@SMTP@\"\ntimeout_s = 1");
    let mut peer = server.login("alice");
    let later = "-ERR [SYS/TEMP] The message was not sent, try again later";
    assert_eq!(xmit(&mut peer, MESSAGE), later);
    let _silent = TcpListener::bind(server.site().address(SMTP)).unwrap();
    assert_eq!(xmit(&mut peer, MESSAGE), later);
    peer.ok("QUIT");
}

#[test]
fn programs_that_fail() {
    let later = "-ERR [SYS/TEMP] The message was not sent, try again later";
    let refused = "-ERR [SYS/PERM] The message was refused and not sent";
    for (words, seconds, reply, wanted) in [
        ("\"/nonexistent/sendmail\"", 60, later, "could not be started"),
        ("\"/bin/sleep\", \"600\"", 1, later, "it took longer than 1 s"),
        (
            "\"/bin/sh\", \"-c\", \"cat > /dev/null; echo queue full >&2; exit 75\"",
            60,
            later,
            "ended with code 75: queue full",
        ),
        (
            "\"/bin/sh\", \"-c\", \"cat > /dev/null; echo no such user >&2; exit 67\"",
            60,
            refused,
            "ended with code 67: no such user",
        ),
    ] {
        let server = server(&format!("command = [{words}]\ntimeout_s = {seconds}"));
        let mut peer = server.login("alice");
        assert_eq!(xmit(&mut peer, MESSAGE), reply);
        assert_eq!(peer.ok("STAT"), "+OK 0 0");
        assert!(logged(&server, wanted).contains("event=not_submitted"));
    }
}

#[test]
fn what_may_not_be_sent_is_refused_and_the_session_goes_on() {
    let out = "command = [\"/bin/sh\", \"-c\", \"cat >> @ROOT@/sent\"]\nmessage_octets_max = 2000\nrecipients_max = 2";
    let server = server(out);
    let mut peer = server.login("alice");
    let head = "From: alice@example.org\r\n";
    let large = format!("{head}To: bob@x\r\n\r\n{}", "QUIT\r\n".repeat(1000));
    assert_eq!(xmit(&mut peer, large.as_bytes()), "-ERR The message is too large and was not sent");
    for (message, reply) in [
        (
            "From: bob@example.org\r\nTo: bob@x\r\n\r\n",
            "-ERR Not sent: the message is not from an address of yours",
        ),
        ("To: bob@x\r\n\r\n", "-ERR Not sent: the message is not from an address of yours"),
        (&format!("{head}\r\nTo: bob@x\r\n"), "-ERR Not sent: no recipient is named, or too many are"),
        (
            &format!("{head}To: a@x, b@x\r\nCc: c@x\r\n\r\n"),
            "-ERR Not sent: no recipient is named, or too many are",
        ),
        (&format!("{head}To: bob@x\r\n\r\nlast\r\n"), "+OK The message was sent"),
    ] {
        assert_eq!(xmit(&mut peer, message.as_bytes()), reply, "{message}");
    }
    peer.ok("QUIT");
    let sent = std::fs::read_to_string(server.site().path().join("sent")).unwrap();
    assert_eq!(sent, format!("{head}To: bob@x\r\n\r\nlast\r\n").replace("\r\n", "\n"));
}
