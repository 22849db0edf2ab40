//! Log lines: their forms, what is escaped, and that none is lost.

use super::session::{Collected, Done, LoggedIn, SessionEnd, Traffic};
use super::*;
use proptest::prelude::*;
use restante_proto::visible::is_hidden;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::UNIX_EPOCH;

fn line(format: LogFormat, event: &Event<'_>) -> String {
    let mut output = String::new();
    event.write(format, UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001), &mut output);
    output
}

fn session() -> SessionEnd {
    let login = LoggedIn { account: AccountName::new("bob").unwrap(), method: "PLAIN", app_password: None };
    SessionEnd {
        trace: Trace(0xc0ffee),
        peer: Peer::Tcp("192.0.2.7:40000".parse().unwrap()),
        traffic: Traffic {
            tls: Some(("TLSv1_3", "TLS13_AES_256_GCM_SHA384")),
            octets_in: 70,
            octets_out: 4711,
        },
        done: Done::Pop3(Collected {
            login: Some(login),
            messages: Some(4),
            retrieved: 3,
            topped: 1,
            deleted: 2,
            submitted: 0,
        }),
        duration: Duration::from_micros(1234),
        end: End::Quit,
    }
}

// R8314-4.4
#[test]
fn a_session_is_one_line() {
    let mut silent = SessionEnd { end: End::Silence, ..session() };
    silent.traffic.tls = None;
    assert_eq!(
        line(LogFormat::Logfmt, &Event::Session(&session())),
        "time=2023-11-14T22:13:20.000001Z level=info event=session trace=0000000000c0ffee protocol=pop3 \
         peer=192.0.2.7:40000 account=bob method=PLAIN tls=TLSv1_3 cipher=TLS13_AES_256_GCM_SHA384 octets_in=70 \
         octets_out=4711 messages=4 retrieved=3 topped=1 deleted=2 duration_us=1234 end=quit\n"
    );
    assert_eq!(
        line(LogFormat::Json, &Event::Session(&silent)),
        "{\"time\":\"2023-11-14T22:13:20.000001Z\",\"level\":\"info\",\"event\":\"session\",\
         \"trace\":\"0000000000c0ffee\",\"protocol\":\"pop3\",\"peer\":\"192.0.2.7:40000\",\"account\":\"bob\",\
         \"method\":\"PLAIN\",\"octets_in\":70,\"octets_out\":4711,\"messages\":4,\"retrieved\":3,\"topped\":1,\
         \"deleted\":2,\"duration_us\":1234,\"end\":\"silent for too long\"}\n"
    );
}

#[test]
fn nothing_from_outside_can_forge_a_line() {
    let failure = |user: &'static [u8]| AuthFailure {
        trace: Trace(1),
        peer: &Peer::Unix,
        user,
        method: "USER",
        reason: &"unknown account",
        waited: Duration::from_secs(1),
        penalty: Duration::from_millis(2500),
        guesses: 3,
    };
    let (nasty, empty) = (failure(b"x\" end=quit\r\nlevel=error\x1b[31m \\\xff\xe2\x80\xae"), failure(b""));
    let nasty = Event::AuthFailed(&nasty);
    assert_eq!(
        line(LogFormat::Logfmt, &nasty),
        "time=2023-11-14T22:13:20.000001Z level=warn event=auth_failed trace=0000000000000001 peer=unix \
         user=\"x\\\" end=quit\\u000d\\u000alevel=error\\u001b[31m \\\\\u{fffd}\\u202e\" method=USER \
         reason=\"unknown account\" waited_ms=1000 penalty_ms=2500 guesses=3\n"
    );
    let json = line(LogFormat::Json, &nasty);
    assert!(
        json.contains("\"user\":\"x\\\" end=quit\\u000d\\u000alevel=error\\u001b[31m \\\\\u{fffd}\\u202e\""),
        "{json}"
    );
    assert!(line(LogFormat::Logfmt, &Event::AuthFailed(&empty)).contains(" user=\"\" "));
}

/// What a reader of logfmt who does not know us sees: the line without what stands in quotation marks.
fn unquoted(line: &str) -> String {
    let mut letters = line.chars();
    let (mut bare, mut is_quoted) = (String::new(), false);
    while let Some(letter) = letters.next() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => drop(letters.next()),
            letter if !is_quoted => bare.push(letter),
            _ => {}
        }
    }
    assert!(!is_quoted, "a quotation ends: {line:?}");
    bare
}

proptest! {
    /// Through the one place that writes lines: whatever a field holds, it stays in it.
    #[test]
    fn whatever_a_field_holds_a_line_stays_one_line_of_the_same_fields(
        text in prop_oneof![
            any::<String>(),
            "[ -~]*",
            proptest::collection::vec(
                prop::sample::select("\"\\= \r\n\t\0\u{1b}\u{7f}\u{85}\u{9b}\u{2028}\u{202e}\u{200d}\u{e0041}{}:,a".chars().collect::<Vec<_>>()),
                0..40,
            ).prop_map(String::from_iter),
        ],
        octets in proptest::collection::vec(any::<u8>(), 0..USER_OCTETS_SHOWN),
    ) {
        let event = Event::LoginRefused {
            trace: Trace(1),
            peer: &Peer::Unix,
            user: &octets,
            method: "PLAIN",
            reason: &text,
        };
        for format in [LogFormat::Logfmt, LogFormat::Json] {
            let line = line(format, &event);
            let line = line.strip_suffix('\n').expect("a line ends");
            prop_assert_eq!(line.chars().find(|&letter| is_hidden(letter)), None, "{:?}", line);
            if format == LogFormat::Logfmt {
                let bare = unquoted(line);
                let keys: Vec<_> = bare.split(' ').map(|field| field.split_once('=').map(|(key, _)| key)).collect();
                let expected = ["time", "level", "event", "trace", "peer", "user", "method", "reason"].map(Some);
                prop_assert_eq!(keys, expected, "{:?}", line);
            } else {
                let read: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
                prop_assert_eq!(&read["reason"], &text);
                prop_assert_eq!(&read["user"], &*String::from_utf8_lossy(&octets));
                prop_assert_eq!(read.as_object().map(serde_json::Map::len), Some(8));
            }
        }
    }
}

#[test]
fn a_chain_tells_every_cause_once() {
    #[derive(Debug)]
    struct Outer(io::Error);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot open it")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    assert_eq!(chain(&Outer(io::Error::other("no disk"))), "cannot open it: no disk");
}

/// A target that stands still until it is told to go on.
#[derive(Clone, Default)]
struct Gate(Arc<Gated>);

#[derive(Default)]
struct Gated {
    is_open: Mutex<bool>,
    opened: Condvar,
    text: Mutex<Vec<u8>>,
}

impl Gate {
    fn open(&self) {
        *self.0.is_open.lock().unwrap() = true;
        self.0.opened.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.text.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Gate {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        drop(self.0.opened.wait_while(self.0.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
        self.0.text.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_line_is_written_before_the_log_is_gone() {
    let gate = Gate::default();
    gate.open();
    let log = Log::to(LogFormat::Logfmt, Box::new(gate.clone()));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let log = log.clone();
            std::thread::spawn(move || (0..500).for_each(|_| log.write(&Event::Session(&session()))))
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    drop(log);
    let text = gate.text();
    assert_eq!(text.lines().count(), 2000);
    assert!(text.lines().all(|line| line.ends_with("end=quit")));
}

#[test]
fn a_target_that_stands_still_holds_nobody_up_and_the_loss_is_counted() {
    let gate = Gate::default();
    let log = Log::to(LogFormat::Logfmt, Box::new(gate.clone()));
    let lines = 60_000;
    (0..lines).for_each(|_| log.write(&Event::Session(&session())));
    gate.open();
    drop(log);
    let text = gate.text();
    let lost =
        text.lines().find_map(|line| line.split_once("event=log_lines_lost lines=")).map(|(_, count)| count);
    let lost: usize = lost.expect("more was written than is kept").parse().unwrap();
    let kept = text.lines().filter(|line| line.contains("event=session")).count();
    assert_eq!(kept + lost, lines);
    assert!(lost > 0 && kept > 10_000, "{kept} kept, {lost} lost");
}

fn deleted(unique_id: &str) -> String {
    let message = DeletedMessage {
        trace: Trace(0xc0ffee),
        peer: Some(&Peer::Unix),
        account: &AccountName::new("bob").unwrap(),
        unique_id,
        octets: 4711,
        message_id: b"<1 \"2@example.org>",
        by: "quit",
    };
    line(LogFormat::Logfmt, &Event::Deleted(&message))
}

#[test]
fn a_removed_message_is_one_line() {
    assert_eq!(
        deleted("1700000000.M1.host"),
        "time=2023-11-14T22:13:20.000001Z level=info event=deleted trace=0000000000c0ffee peer=unix account=bob \
         unique_id=1700000000.M1.host octets=4711 message_id=\"<1 \\\"2@example.org>\" by=quit\n"
    );
}

#[tokio::test]
async fn a_line_that_must_not_be_lost_waits_for_room() {
    let gate = Gate::default();
    let log = Log::to(LogFormat::Logfmt, Box::new(gate.clone()));
    (0..60_000).for_each(|_| log.write(&Event::Session(&session())));
    let writer = log.clone();
    let waiting = tokio::spawn(async move {
        for number in 0..100 {
            let unique_id = format!("{number}.x");
            let message = DeletedMessage {
                trace: Trace(1),
                peer: Some(&Peer::Unix),
                account: &AccountName::new("bob").unwrap(),
                unique_id: &unique_id,
                octets: 1,
                message_id: b"",
                by: "quit",
            };
            let taken = writer.write_surely(&Event::Deleted(&message));
            taken.await;
        }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "there is no room yet");
    gate.open();
    waiting.await.unwrap();
    drop(log);
    let text = gate.text();
    for number in 0..100 {
        assert!(text.contains(&format!(
            "event=deleted trace=0000000000000001 peer=unix account=bob unique_id={number}.x "
        )));
    }
}
