//! The session against a scripted driver: the RFC's dialogues, and the same transcript for every split of the input.

use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use alloc::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::body::Plain;
use crate::line::Input;
use crate::maildrop::{Listing, Octets};
use crate::server::{Fault, Phase};

/// The octets the server says, with the driver's doings between them in square brackets.
struct Run {
    session: Session,
    input: Input,
    output: Vec<u8>,
    said: String,
    messages: Vec<Vec<u8>>,
    /// The message that cannot be opened.
    broken: Option<usize>,
    /// What the next opening and removal come to.
    opening: Option<Refusal>,
    removal: Option<Fault>,
    is_closed: bool,
}

fn start_as(transport: Transport, plaintext_without_tls: bool, messages: &[&str]) -> Run {
    let policy =
        Policy { hostname: "mail.example.org".into(), plaintext_without_tls, limits: Limits::default() };
    let mut run = Run {
        session: Session::new(Arc::new(policy), transport),
        input: Input::new(),
        output: Vec::new(),
        said: String::new(),
        messages: messages.iter().map(|message| message.as_bytes().to_vec()).collect(),
        broken: None,
        opening: None,
        removal: None,
        is_closed: false,
    };
    run.drive();
    run
}

fn start(messages: &[&str]) -> Run {
    start_as(Transport::Plain, true, messages)
}

fn canonical(stored: &[u8]) -> Vec<u8> {
    let (mut encoder, mut output) = (Plain::new(), Vec::new());
    encoder.encode(stored, &mut output);
    encoder.finish(&mut output);
    output
}

impl Run {
    fn listing(&self) -> Arc<Listing> {
        let mut listing = Listing::default();
        for (position, message) in self.messages.iter().enumerate() {
            let octets = Octets::new(canonical(message).len() as u64);
            listing.push(octets, format!("uid-{position}").as_bytes()).unwrap();
        }
        Arc::new(listing)
    }

    fn flush(&mut self) {
        self.said.push_str(&String::from_utf8(core::mem::take(&mut self.output)).unwrap());
    }

    fn note(&mut self, doing: &str) {
        self.flush();
        self.said.push_str(&format!("[{doing}]"));
    }

    fn receive(&mut self, octets: &[u8]) {
        if !self.is_closed {
            self.input.fill(octets);
            self.drive();
        }
    }

    fn drive(&mut self) {
        loop {
            match self.session.step(&mut self.input, &mut self.output) {
                Step::Read => return self.flush(),
                Step::Write => self.flush(),
                Step::Authenticate(Credentials::Password { user, password, .. }) => {
                    assert_eq!(self.session.phase(), Phase::Authorization);
                    self.note(&format!("verify {}", user.escape_ascii()));
                    match password.expose() {
                        b"secret" => self.session.granted(),
                        _ => self.session.refused(Refusal::Credentials, &mut self.output),
                    }
                }
                Step::Authenticate(other) => panic!("{other:?}"),
                Step::OpenMaildrop => {
                    self.note("open");
                    let listing = self.listing();
                    match self.opening.take() {
                        Some(refusal) => self.session.refused(refusal, &mut self.output),
                        None => self.session.opened(listing, &mut self.output),
                    }
                }
                Step::SendMessage { index } if self.broken == Some(index) => self.session.message_failed(),
                Step::SendMessage { index } => {
                    self.output.extend_from_slice(&canonical(&self.messages[index]));
                    self.session.message_sent();
                }
                Step::Release => {
                    let marks: Vec<usize> = self.session.marks().iter().collect();
                    self.note(&format!("release {marks:?}"));
                    match self.removal.take() {
                        Some(fault) => self.session.not_released(fault, &mut self.output),
                        None => {
                            marks.iter().rev().for_each(|&index| drop(self.messages.remove(index)));
                            self.session.released();
                        }
                    }
                }
                Step::Close => {
                    self.note("close");
                    self.is_closed = true;
                    return;
                }
            }
        }
    }
}

/// Sends `lines` and compares everything that is said and done after the greeting.
#[track_caller]
fn check(mut run: Run, lines: &[&str], wanted: &str) -> Run {
    assert_eq!(run.said, "+ POP2 mail.example.org Server\r\n");
    run.said.clear();
    lines.iter().for_each(|line| run.receive(format!("{line}\r\n").as_bytes()));
    assert_eq!(run.said.replace("\r\n", "\n"), wanted);
    run
}

#[test]
fn r937_p_1_1_the_greeting_names_protocol_and_host() {
    assert_eq!(start(&[]).said, "+ POP2 mail.example.org Server\r\n");
}

#[test]
fn a_peer_whose_password_would_not_be_taken_is_told_before_it_sends_one() {
    let run = start_as(Transport::Plain, false, &[]);
    assert_eq!(run.said, "- No password without encryption: use TLS\r\n[close]");
    assert!(start_as(Transport::Tls, false, &[]).said.starts_with("+ POP2 "));
}

#[test]
fn r937_cmds_5_acknowledgments_move_or_stay() {
    check(
        start(&["a\n", "bb\n"]),
        &["HELO fred secret", "READ", "RETR", "NACK", "RETR", "ACKS", "RETR", "ACKD", "QUIT"],
        "[verify fred][open]#2 messages in your mailbox\n=3 characters in message 1\na\n=3 characters in message 1\na\n\
         =4 characters in message 2\nbb\n=0 no more messages\n[release [1]]+ OK, bye, bye\n[close]",
    );
}

#[test]
fn r937_cmds_3_read_says_the_size_of_any_message() {
    check(
        start(&["a\n", "", "ccc"]),
        &[
            "HELO fred secret",
            "READ 3",
            "READ",
            "READ 2",
            "READ 0",
            "READ 4294967297",
            "READ 1",
            "RETR",
            "ACKD",
            "READ 1",
        ],
        "[verify fred][open]#3 messages in your mailbox\n=5 characters in message 3\n=5 characters in message 3\n\
         =0 no more messages\n=0 no more messages\n=0 no more messages\n=3 characters in message 1\na\n\
         =0 no more messages\n=0 no more messages\n",
    );
}

#[test]
fn r937_cmds_2_fold_releases_and_renumbers() {
    let mut run = check(
        start(&["a\n", "bb\n"]),
        &[
            "HELO fred secret",
            "READ",
            "RETR",
            "ACKD",
            "FOLD inbox",
            "READ",
            "RETR",
            "ACKD",
            "FOLD other",
            "READ",
        ],
        "[verify fred][open]#2 messages in your mailbox\n=3 characters in message 1\na\n=4 characters in message 2\n\
         [release [0]][open]#1 messages in your mailbox\n=4 characters in message 1\nbb\n=0 no more messages\n\
         [release [0]]#0 messages: there is no such mailbox\n=0 no more messages\n",
    );
    run.said.clear();
    run.receive(b"FOLD INBOX\r\nQUIT\r\n");
    assert_eq!(
        run.said,
        "[release []][open]#0 messages in your mailbox\r\n[release []]+ OK, bye, bye\r\n[close]"
    );
}

#[test]
fn r937_cmds_6_whatever_has_no_place_closes() {
    let login = ["HELO fred secret"];
    let open = "[verify fred][open]#1 messages in your mailbox\n";
    let garbage = "- That is no command here, closing\n[close]";
    for bad in ["FOO", "RETR", "ACKS", "HELO fred secret", "READ x", "", "STAT"] {
        check(start(&["a\n"]), &[login[0], bad, "QUIT"], &format!("{open}{garbage}"));
    }
    for bad in ["READ", "FOLD INBOX", "RETR", "ACKD"] {
        check(start(&["a\n"]), &[bad], garbage);
    }
    for bad in ["READ", "FOLD INBOX", "RETR", "QUIT"] {
        let read = "=3 characters in message 1\na\n";
        check(start(&["a\n"]), &[login[0], "READ", "RETR", bad], &format!("{open}{read}{garbage}"));
    }
    // Nothing to send: closed without a word.
    check(start(&["a\n"]), &[login[0], "READ 2", "RETR"], &format!("{open}=0 no more messages\n[close]"));
}

#[test]
fn r937_cmds_1_a_bad_login_is_an_error_and_the_end() {
    check(start(&[]), &["HELO fred wrong"], "[verify fred]- Wrong user name or password\n[close]");
    let mut run = start(&[]);
    run.opening = Some(Refusal::InUse);
    check(
        run,
        &["HELO fred secret", "QUIT"],
        "[verify fred][open]- The mailbox is locked by another session\n[close]",
    );
}

#[test]
fn r937_sizes_1_a_line_may_have_512_octets() {
    let helo = |octets: usize| {
        let mut line = b"HELO fred ".to_vec();
        line.resize(octets - 2, b'x');
        line.extend_from_slice(b"\r\n");
        let mut run = start(&[]);
        run.said.clear();
        run.receive(&line);
        run.said
    };
    assert_eq!(helo(512), "[verify fred]- Wrong user name or password\r\n[close]");
    assert_eq!(helo(513), "- Line too long, closing\r\n[close]");
    let policy =
        Policy { hostname: "h".repeat(1000), plaintext_without_tls: true, limits: Limits::default() };
    let mut output = Vec::new();
    Session::new(Arc::new(policy), Transport::Plain).step(&mut Input::new(), &mut output);
    assert!(output.len() <= 512);
}

#[test]
fn r937_cmds_7_quit_tells_when_a_message_stays() {
    let mut run = start(&["a\n"]);
    run.removal = Some(Fault::Temporary);
    check(
        run,
        &["HELO fred secret", "READ", "RETR", "ACKD", "QUIT"],
        "[verify fred][open]#1 messages in your mailbox\n=3 characters in message 1\na\n=0 no more messages\n\
         [release [0]]- Some deleted messages were not removed, try again later\n[close]",
    );
}

#[test]
fn a_message_that_cannot_be_opened_closes_without_a_word() {
    let mut run = start(&["a\n"]);
    run.broken = Some(0);
    check(
        run,
        &["HELO fred secret", "READ", "RETR"],
        "[verify fred][open]#1 messages in your mailbox\n=3 characters in message 1\n[close]",
    );
}

#[test]
fn a_session_holds_no_password_and_no_buffer() {
    let mut run = start(&["a\n"]);
    run.receive(b"HELO fred secret\r\nREAD\r\n");
    assert!(run.input.memory().is_empty());
    assert!(!format!("{:?}", run.session).contains("secret"));
}

/// Octets that are often commands, in an order that is often right.
fn client_octets() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => prop::sample::select(
            &["READ\r\n", "RETR\r\n", "ACKS\r\n", "ACKD\r\n", "NACK\r\n", "FOLD INBOX\r\n", "FOLD x\r\n", "READ 2\r\n",
              "READ 1\n", "QUIT\r\n"][..]
        ).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => "(HELO|FOLD|READ|RETR)( [0-9a-z\\\\ ]{0,4}){0,3}\r\n".prop_map(String::into_bytes),
        1 => (500_usize..520).prop_map(|octets| vec![b'R'; octets]),
    ];
    (any::<bool>(), prop::collection::vec(line, 0..25)).prop_map(|(is_logged_in, lines)| {
        let login: &[u8] = if is_logged_in { b"HELO fred secret\r\nREAD\r\nRETR\r\n" } else { b"" };
        [login, &lines.concat()].concat()
    })
}

proptest! {
    #[test]
    fn the_transcript_is_the_same_for_every_split(
        octets in client_octets(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut whole = start(&["a\n.\n", "bb", ""]);
        whole.receive(&octets);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        places.extend([0, octets.len()]);
        places.sort_unstable();
        let mut cut = start(&["a\n.\n", "bb", ""]);
        places.windows(2).for_each(|ends| cut.receive(&octets[ends[0]..ends[1]]));
        prop_assert_eq!(whole.said, cut.said);
    }

    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..2000), is_logged_in: bool) {
        let mut run = start(&["a\n"]);
        if is_logged_in {
            run.receive(b"HELO fred secret\r\n");
        }
        octets.chunks(97).for_each(|chunk| run.receive(chunk));
        prop_assert!(run.is_closed || run.input.len() <= 512);
    }

    #[test]
    fn only_quit_and_fold_remove(octets in client_octets()) {
        let mut run = start(&["a\n", "b\n"]);
        run.receive(&octets);
        let text = String::from_utf8_lossy(&octets).to_uppercase().to_string();
        prop_assert!(run.messages.len() == 2 || text.contains("QUIT") || text.contains("FOLD"));
    }
}
