//! An SMTP server that answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use restante_store::disk::LocalDisk;

use super::*;
use crate::sink::fixtures::{Laid, folder, odd};

/// Serves one connection, and answers messages so; `None` closes instead. Gives back all lines that came, those of messages as they were.
fn serve(extensions: &'static str, answers: Vec<Option<&'static str>>) -> (String, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        // Whoever is gone does not hear it.
        let say = |text: &str| drop((&stream).write_all(text.as_bytes()));
        say("220 here\r\n");
        let (mut answers, mut said, mut is_message) = (answers.into_iter(), Vec::new(), false);
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                break;
            }
            let is_end = line == b".\r\n";
            let verb = line.get(..4).unwrap_or_default().to_vec();
            said.push(line);
            match verb.as_slice() {
                _ if is_message && !is_end => {}
                _ if is_message => {
                    is_message = false;
                    match answers.next().flatten() {
                        Some(answer) => say(&format!("{answer}\r\n")),
                        None => break,
                    }
                }
                b"EHLO" => say(extensions),
                b"AUTH" => say("235 welcome\r\n"),
                b"DATA" => {
                    is_message = true;
                    say("354 go on\r\n");
                }
                b"QUIT" => {
                    say("221 bye\r\n");
                    break;
                }
                _ => say("250 ok\r\n"),
            }
        }
        said
    });
    (server, serving)
}

const ALL: &str = "250-here\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n";

fn sink(server: &str, security: SmtpSecurity, login: Option<Login>) -> Smtp {
    let settings = Settings {
        server,
        security,
        ca: None,
        login,
        recipient: "alice@example.org",
        sender: "",
        name: "client.example.org",
    };
    Smtp::new(Arc::new(LocalDisk), settings).unwrap()
}

#[test]
fn a_batch_goes_over_one_connection_and_replies_decide() {
    let folder = folder();
    let (server, serving) = serve(ALL, vec![Some("250 taken"), Some("250 taken")]);
    let laid = [Laid::new(folder.path(), "1", &odd()), Laid::new(folder.path(), "2", b"A: b\n\n.\nx\n")];
    let messages: Vec<_> = laid.iter().map(Laid::message).collect();
    assert_eq!(sink(&server, SmtpSecurity::None, None).deliver(&messages), [Ok(()), Ok(())]);
    let said = serving.join().unwrap().concat();
    let first = String::from_utf8_lossy(&odd()).replace(['\n', '\r'], "\r\n").replace("\r\n.", "\r\n..");
    let wanted = format!(
        "EHLO client.example.org\r\nMAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n{first}.\r\n\
         MAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nA: b\r\n\r\n..\r\nx\r\n.\r\nQUIT\r\n"
    );
    assert!(String::from_utf8_lossy(&said) == wanted);
}

#[test]
fn a_refusal_and_a_lost_answer() {
    let folder = folder();
    let laid = Laid::new(folder.path(), "1", b"A: b\n\n");
    for (answer, is_refused) in [(Some("554 no"), true), (Some("451 busy"), false), (None, false)] {
        let (server, _serving) = serve(ALL, vec![answer]);
        let answers = sink(&server, SmtpSecurity::None, None).deliver(&[laid.message()]);
        assert_eq!(matches!(answers[0], Err(Fault::Refused(_))), is_refused, "{answers:?}");
        assert!(answers[0].is_err());
    }
}

#[test]
fn a_lone_lf_or_cr_cannot_end_a_message_for_the_server() {
    let folder = folder();
    let (server, serving) = serve(ALL, vec![Some("250 taken")]);
    let wire = b"A: b\r\n\r\nx\n.\nMAIL FROM:<evil@x>\r\n\n.\r\ny\r.\rRCPT TO:<evil@x>\r.\r\n\r";
    let laid = Laid { line_ends: LineEnds::Crlf, ..Laid::new(folder.path(), "1", wire) };
    assert_eq!(sink(&server, SmtpSecurity::None, None).deliver(&[laid.message()]), [Ok(())]);
    let said = String::from_utf8(serving.join().unwrap().concat()).unwrap();
    let wanted =
        "x\r\n..\r\nMAIL FROM:<evil@x>\r\n\r\n..\r\ny\r\n..\r\nRCPT TO:<evil@x>\r\n..\r\n\r\n.\r\nQUIT\r\n";
    assert!(said.ends_with(wanted), "{said}");
}

#[test]
fn somebody_logs_in_and_nothing_is_said_without_the_tls_that_was_asked_for() {
    let folder = folder();
    let laid = Laid::new(folder.path(), "1", b"A: b\n\n");
    let login = || Some(Login { user: "alice".into(), password: Secret::new(b"hunter2".to_vec()) });
    assert!(!format!("{:?}", login()).contains("hunter2"));
    let (server, serving) = serve(ALL, vec![Some("250 taken")]);
    assert_eq!(sink(&server, SmtpSecurity::None, login()).deliver(&[laid.message()]), [Ok(())]);
    let said = String::from_utf8(serving.join().unwrap().concat()).unwrap();
    assert!(said.contains("AUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n"), "{said}");

    let (server, serving) = serve(ALL, vec![]);
    let answers = sink(&server, SmtpSecurity::Starttls, login()).deliver(&[laid.message()]);
    let Err(Fault::Later(reason)) = &answers[0] else { panic!("{answers:?}") };
    assert!(reason.contains("STARTTLS is not supported"), "{reason}");
    assert_eq!(serving.join().unwrap().concat(), b"EHLO client.example.org\r\n");
}

#[test]
fn an_eight_bit_message_is_refused_where_only_seven_pass() {
    let folder = folder();
    let laid = Laid::new(folder.path(), "1", b"A: b\n\n\xff\n");
    let (server, _serving) = serve("250 here\r\n", vec![]);
    let answers = sink(&server, SmtpSecurity::None, None).deliver(&[laid.message()]);
    assert!(matches!(answers[0], Err(Fault::Refused(_))), "{answers:?}");
}

/// Says so much behind the answer to STARTTLS as if it were the server under TLS, and gives back what came after it.
fn inject(behind: &'static [u8]) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let say = |octets: &[u8]| (&stream).write_all(octets).unwrap();
        say(b"220 here\r\n");
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 {
            if line.starts_with("STARTTLS") {
                say(&[b"220-go\r\n220 on\r\n", behind].concat());
                break;
            }
            say(b"250-here\r\n250 STARTTLS\r\n");
            line.clear();
        }
        // The client goes, or begins a handshake: that is never answered, so a client that takes what it was told here for the
        // server's does not wait for more of it.
        let mut rest = vec![0; 1024];
        // A connection that is reset has said nothing more.
        let length = reader.read(&mut rest).unwrap_or(0);
        rest.truncate(length);
        rest
    });
    (server, serving)
}

#[test]
fn replies_that_were_put_behind_the_answer_to_starttls_are_a_failure() {
    let folder = folder();
    let laid = Laid::new(folder.path(), "1", b"A: b\n\n");
    let session: &[u8] = b"250-x\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n";
    for injected in [session, b"2", b"\r\n"] {
        let (server, serving) = inject(injected);
        let answers = sink(&server, SmtpSecurity::Starttls, None).deliver(&[laid.message()]);
        let Err(Fault::Later(reason)) = &answers[0] else { panic!("{answers:?}") };
        assert!(reason.contains("between the answer to STARTTLS and the TLS handshake"), "{reason}");
        assert_eq!(serving.join().unwrap(), b"", "not even a handshake has begun");
    }
}
