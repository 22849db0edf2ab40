//! An LMTP server that answers as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use restante_store::disk::LocalDisk;

use super::*;
use crate::sink::fixtures::{Laid, folder, odd};

/// Serves as many connections as there are answers, each with its answers to messages; `None` closes instead of answering. Gives back what came.
fn serve(connections: Vec<Vec<Option<&'static str>>>) -> (String, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        let mut messages = Vec::new();
        for answers in connections {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let say = |text: &str| (&stream).write_all(text.as_bytes()).unwrap();
            say("220 here\r\n");
            let mut answers = answers.into_iter();
            let mut line = Vec::new();
            loop {
                line.clear();
                if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                    break;
                }
                match line.get(..4).unwrap_or_default() {
                    b"LHLO" => say("250-here\r\n250-8BITMIME\r\n250 PIPELINING\r\n"),
                    b"DATA" => {
                        say("354 go on\r\n");
                        let mut message = Vec::new();
                        loop {
                            line.clear();
                            reader.read_until(b'\n', &mut line).unwrap();
                            if line == b".\r\n" {
                                break;
                            }
                            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                        }
                        messages.push(message);
                        match answers.next().flatten() {
                            Some(answer) => say(&format!("{answer}\r\n")),
                            None => break,
                        }
                    }
                    b"RCPT" if line.starts_with(b"RCPT TO:<nobody") => say("550 no such user\r\n"),
                    b"QUIT" => {
                        say("221 bye\r\n");
                        break;
                    }
                    _ => say("250 ok\r\n"),
                }
            }
        }
        messages
    });
    (server, serving)
}

fn sink(server: &str, recipient: &str) -> Lmtp {
    Lmtp::new(Arc::new(LocalDisk), server, recipient, "", "client.example.org").unwrap()
}

#[test]
fn replies_decide_and_a_lost_one_is_for_later() {
    let folder = folder();
    let (server, serving) = serve(vec![
        vec![Some("250 taken"), Some("451 busy"), Some("554 no\r\n"), None],
        vec![Some("250 taken")],
    ]);
    let laid: Vec<_> = (0..5).map(|n| Laid::new(folder.path(), &n.to_string(), &odd())).collect();
    let messages: Vec<_> = laid.iter().map(Laid::message).collect();
    let mut answers = sink(&server, "alice@example.org").deliver(&messages[..2]);
    assert_eq!(answers, [Ok(()), Err(Fault::Later("451 busy".into()))]);
    drop(serving);
    let (server, serving) = serve(vec![vec![Some("554 no"), None], vec![Some("250 taken")]]);
    answers = sink(&server, "alice@example.org").deliver(&messages[2..]);
    assert_eq!(answers[0], Err(Fault::Refused("554 no".into())));
    let Err(Fault::Later(reason)) = &answers[1] else { panic!("{answers:?}") };
    assert!(reason.contains("was lost, so it may have the message"), "{reason}");
    assert_eq!(answers[2], Ok(()));
    let wire = String::from_utf8_lossy(&odd()).replace('\n', "\r\n");
    for message in serving.join().unwrap() {
        assert!(String::from_utf8_lossy(&message) == wire);
    }
}

#[test]
fn a_recipient_that_is_not_known_and_a_server_that_is_not_there() {
    let folder = folder();
    let laid = Laid::new(folder.path(), "1", b"A: b\n\n");
    let (server, _serving) = serve(vec![vec![]]);
    let answer = sink(&server, "nobody@example.org").deliver(&[laid.message()]);
    assert_eq!(answer, [Err(Fault::Refused("550 no such user".into()))]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let missing = format!("unix:{}/none", folder.path().display());
    for (server, why) in [(closed, "Connection refused"), (missing, "No such file")] {
        let answer = sink(&server, "alice@example.org").deliver(&[laid.message()]);
        let Err(Fault::Later(reason)) = &answer[0] else { panic!("{answer:?}") };
        let said = format!("cannot deliver to lmtp:{server}/alice@example.org: cannot connect: {why}");
        assert!(reason.starts_with(&said), "{reason}");
    }
}

#[test]
fn addresses_are_checked_before_anything_is_said() {
    for (server, recipient, sender) in [
        ("localhost", "a@x", ""),
        ("localhost:0", "a@x", ""),
        ("unix:relative", "a@x", ""),
        ("::1:24", "a@x", ""),
        ("localhost:24", "a@x>\r\nRSET", ""),
        ("localhost:24", "", ""),
        ("localhost:24", "a@x", "b@x\r\n"),
    ] {
        let opened = Lmtp::new(Arc::new(LocalDisk), server, recipient, sender, "localhost");
        assert!(opened.is_err(), "{server} {recipient} {sender}");
    }
    for server in ["localhost:24", "[::1]:24", "unix:/run/lmtp"] {
        let id = sink(server, "alice@example.org").id().to_string();
        assert_eq!(id, format!("lmtp:{server}/alice@example.org"));
    }
}
