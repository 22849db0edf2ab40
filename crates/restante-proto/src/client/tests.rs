//! Scripts of the client session against what servers say, and the session against the server session in memory.

use alloc::string::ToString;
use alloc::vec::Vec;
use alloc::{format, vec};

use proptest::prelude::*;

use super::request::{InvalidRequest, Login, Request};
use super::*;
use crate::body::Decoder;
use crate::line::Input;
use crate::sasl::{Mechanism, Method};
use crate::secret::Secret;

mod flights;
mod pair;
mod quirks;
mod rules;
mod sasl;
mod utf8;

/// Where a dialogue stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More is awaited.
    Read,
    /// More of a message is awaited.
    Message,
    Idle,
    Closed,
}

fn with(limits: Limits) -> Settings {
    Settings { limits, ..Settings::default() }
}

/// What the client says and learns: `C: ` lines it sent, `= ` what it learned.
struct Driver {
    session: Session,
    input: Input,
    output: Vec<u8>,
    /// All that was written, until it is taken.
    spoken: Vec<u8>,
    log: String,
}

impl Driver {
    fn new() -> Self {
        Self {
            session: Session::new(Settings::default()),
            input: Input::new(),
            output: Vec::new(),
            spoken: Vec::new(),
            log: String::new(),
        }
    }

    fn spoken(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.spoken)
    }

    /// A session that was greeted and has read a CAPA reply with `lines`.
    fn with_capabilities(lines: &str) -> Self {
        let mut driver = Self::new();
        driver.session.submit(Request::Capabilities).unwrap();
        driver.run_lines(&format!("+OK <1.2@host>\r\n+OK\r\n{lines}.\r\n")).unwrap();
        driver.log.clear();
        driver
    }

    /// What a trace shows instead of the last lines.
    fn shown(&self) -> Option<String> {
        self.session.redaction().map(|(_, shown)| String::from_utf8(shown).unwrap())
    }

    fn submit(mut self, request: Request) -> Self {
        self.session.submit(request).unwrap();
        self
    }

    /// Feeds a line whenever the session asks for more, as a server would that waits for its commands.
    fn run_lines(&mut self, server: &str) -> Result<End, ProtocolError> {
        self.run(&server.as_bytes().split_inclusive(|&octet| octet == b'\n').collect::<Vec<_>>())
    }

    /// Feeds `pieces` as the session asks for them; stops when it is idle, closed, or wants more than there is.
    fn run(&mut self, pieces: &[&[u8]]) -> Result<End, ProtocolError> {
        let mut pieces = pieces.iter();
        loop {
            let step = self.session.step(&mut self.input, &mut self.output);
            for line in self.output.split_inclusive(|&octet| octet == b'\n') {
                let line = line.strip_suffix(b"\r\n").expect("every command ends with CRLF");
                self.log.push_str(&format!("C: {}\n", line.escape_ascii()));
            }
            self.spoken.append(&mut self.output);
            match step? {
                Step::Read => match pieces.next() {
                    Some(piece) => self.input.fill(piece),
                    None => return Ok(End::Read),
                },
                Step::Event(_, event) => self.log.push_str(&format!("= {}\n", show(&event))),
                Step::ReceiveMessage(_, mut decoder) => {
                    let mut message = Vec::new();
                    loop {
                        let decoded = decoder.decode(self.input.octets(), &mut message);
                        self.input.consume(decoded.consumed);
                        if decoded.end {
                            break;
                        }
                        let Some(piece) = pieces.next() else { return Ok(End::Message) };
                        self.input.fill(piece);
                    }
                    self.log.push_str(&format!("= message {}\n", message.escape_ascii()));
                    self.session.message_received(&decoder);
                }
                Step::StartTls => {
                    self.log.push_str("= handshake\n");
                    self.session.tls_started();
                }
                Step::Idle => return Ok(End::Idle),
                Step::Closed => return Ok(End::Closed),
            }
        }
    }
}

fn show(event: &Event<'_>) -> String {
    match event {
        Event::Stat { messages, octets } => format!("stat {messages} {}", octets.as_u64()),
        Event::ScanListing { number, octets } => format!("scan {} {}", number.as_u32(), octets.as_u64()),
        Event::UniqueIdListing { number, unique_id } => {
            format!("unique-id {} {}", number.as_u32(), unique_id.escape_ascii())
        }
        Event::Quirk(quirk) => format!("quirk {}", quirk.name()),
        Event::Finished(Outcome::Done) => "done".into(),
        Event::Finished(Outcome::Refused(refusal)) => {
            format!("refused {:?} {}", refusal.code, refusal.text)
        }
        Event::Finished(Outcome::Malformed) => "malformed".into(),
        Event::Finished(Outcome::NotPossible(why)) => format!("{why:?}"),
    }
}

/// Plays the server's octets to a driver with requests, line by line and octet by octet.
fn play(driver: impl Fn() -> Driver, server: &str, expected: &str) {
    let expected: String = expected.lines().map(|line| format!("{}\n", line.trim_start())).collect();
    let mut whole = driver();
    whole.run_lines(server).unwrap();
    assert_eq!(whole.log, expected);
    let mut split = driver();
    split.run(&server.as_bytes().chunks(1).collect::<Vec<_>>()).unwrap();
    assert_eq!(split.log, expected);
}

/// Greeted, without capabilities.
fn greeted() -> Driver {
    let mut driver = Driver::new();
    driver.run(&[b"+OK hello\r\n"]).unwrap();
    driver.log.clear();
    driver
}

fn number(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}

fn login(method: Method) -> Request {
    Request::Login(Login::of(method, b"fred", Secret::new(b" pass word ".to_vec())).unwrap())
}

#[test]
fn r1957_0_2_bare_status_indicators_are_enough() {
    play(
        || greeted().submit(login(Method::UserPass)).submit(Request::Quit),
        "+OK\r\n+OK\r\n+OK\r\n",
        "C: USER fred
         C: PASS  pass word 
         = done
         C: QUIT
         = done",
    );
}

#[test]
fn r2449_6_6_4_without_pipelining_each_reply_is_awaited() {
    let mut driver = greeted().submit(Request::Stat).submit(Request::Noop);
    driver.run(&[]).unwrap();
    assert_eq!(driver.log, "C: STAT\n");
    driver.run(&[b"+OK 2 320 extra\r\n"]).unwrap();
    assert_eq!(driver.log, "C: STAT\n= stat 2 320\n= done\nC: NOOP\n");
}

#[test]
fn r2449_6_6_2_pipelined_replies_are_matched_in_order() {
    play(
        || {
            Driver::with_capabilities("PIPELINING\r\n")
                .submit(Request::Stat)
                .submit(Request::retrieve(number(1)))
                .submit(Request::retrieve(number(2)))
                .submit(Request::Delete(number(1)))
                .submit(Request::Quit)
        },
        "+OK 2 20\r\n-ERR [SYS/TEMP] not now\r\n+OK\r\na\r\n..\r\n.\r\n+OK gone\r\n+OK\r\n",
        r"C: STAT
         C: RETR 1
         C: RETR 2
         C: DELE 1
         = stat 2 20
         = done
         = refused Some(SysTemp) not now
         = message a\r\n.\r\n
         = done
         C: QUIT
         = done
         = done",
    );
}

#[test]
fn r2449_6_6_3_no_more_is_sent_ahead_than_fits_a_window() {
    let replies = "+OK\r\n".repeat(1999);
    for (octets_max, commands_max, sent) in [(100, 5000, 13), (16 * 1024, 100, 100), (16 * 1024, 5000, 1591)]
    {
        let mut driver = Driver::with_capabilities("PIPELINING\r\n");
        driver.session.settings.limits.pipelined_octets_max = octets_max;
        driver.session.settings.limits.pipelined_commands_max = commands_max;
        for at in 1..2000 {
            driver.session.submit(Request::Delete(number(at))).unwrap();
        }
        driver.run(&[]).unwrap();
        assert_eq!(driver.log.matches("C: ").count(), sent);
        driver.run(&[replies.as_bytes()]).unwrap();
        assert_eq!(driver.log.matches("= done").count(), 1999);
        assert_eq!(driver.session.flights(), 2, "CAPA, and all of this without a pause");
    }
}

#[test]
fn r2449_5_capabilities_are_read_tolerantly() {
    let mut driver = greeted().submit(Request::Capabilities);
    driver
        .run(&[
            b"+OK\r\ntop\r\nSASL PLAIN login\r\nX-NEW thing\r\nEXPIRE NEVER\r\nLOGIN-DELAY 60 USER\r\n.\r\n",
        ])
        .unwrap();
    let capabilities = driver.session.capabilities().unwrap();
    assert!(capabilities.top && !capabilities.stls);
    assert!(capabilities.has_mechanism(Mechanism::Login));
    assert_eq!(capabilities.login_delay_s, Some(60));
    assert_eq!(capabilities.other, ["X-NEW thing"]);
    // R2449-5.8
    let mut driver = driver.submit(Request::Capabilities).submit(Request::Noop);
    driver.run_lines("-ERR what?\r\n+OK\r\n").unwrap();
    assert!(driver.session.capabilities().is_none());
}

#[test]
fn r1939_5_5_listings_are_read_tolerantly() {
    play(
        || greeted().submit(Request::List).submit(Request::Uidl).submit(Request::ListOne(number(3))),
        "+OK 2 messages\r\n1 120\r\n 2   200 more\r\n.\r\n\
         +OK\r\n1 abc\r\n2   with space\r\n3 abc\r\n.\r\n\
         +OK 3 7\r\n",
        "C: LIST
         = scan 1 120
         = quirk listing-blanks
         = scan 2 200
         = done
         C: UIDL
         = unique-id 1 abc
         = quirk unique-id-octets
         = unique-id 2 with space
         = unique-id 3 abc
         = done
         C: LIST 3
         = scan 3 7
         = done",
    );
}

#[test]
fn what_cannot_be_read_is_malformed_and_the_session_goes_on() {
    play(
        || {
            greeted()
                .submit(Request::Uidl)
                .submit(Request::Stat)
                .submit(Request::UidlOne(number(1)))
                .submit(Request::Noop)
        },
        "+OK\r\n0 a\r\n1\r\nx y\r\n..\r\n2 b\r\n.\r\n+OK nothing\r\n+OK 1\r\n+OK\r\n",
        "C: UIDL
         = quirk unreadable-listing
         = unique-id 2 b
         = malformed
         C: STAT
         = quirk unreadable-stat
         = malformed
         C: UIDL 1
         = malformed
         C: NOOP
         = done",
    );
}

#[test]
fn r2449_8_2_response_codes_are_read_in_any_case() {
    play(
        || greeted().submit(login(Method::UserPass)),
        "+OK\r\n-ERR [in-use/who] busy\r\n",
        "C: USER fred
         C: PASS  pass word 
         = refused Some(InUse) busy",
    );
}

#[test]
fn a_refused_user_name_ends_the_login_before_the_password() {
    play(
        || greeted().submit(login(Method::UserPass)),
        "-ERR no\r\n",
        "C: USER fred
         = refused None no",
    );
}

#[test]
fn r5034_3_3_no_initial_response_without_sasl_in_capa() {
    play(
        || greeted().submit(login(Method::Sasl(Mechanism::Plain))),
        "+\r\n+OK\r\n",
        "C: AUTH PLAIN
         C: AGZyZWQAIHBhc3Mgd29yZCA=
         = done",
    );
}

#[test]
fn r5034_4_1_an_initial_response_with_sasl_in_capa() {
    play(
        || Driver::with_capabilities("SASL PLAIN\r\n").submit(login(Method::Sasl(Mechanism::Plain))),
        "+OK\r\n",
        "C: AUTH PLAIN AGZyZWQAIHBhc3Mgd29yZCA=
         = done",
    );
    // Servers that do not know initial responses ask all the same.
    play(
        || Driver::with_capabilities("SASL PLAIN\r\n").submit(login(Method::Sasl(Mechanism::Plain))),
        "+ \r\n-ERR [AUTH] no\r\n",
        "C: AUTH PLAIN AGZyZWQAIHBhc3Mgd29yZCA=
         C: AGZyZWQAIHBhc3Mgd29yZCA=
         = refused Some(Auth) no",
    );
}

#[test]
fn r5034_4_9_a_long_initial_response_waits_to_be_asked() {
    for (length, is_initial) in [(174, true), (175, false)] {
        let mut driver = Driver::with_capabilities("SASL PLAIN\r\n").submit(Request::Login(
            Login::of(Method::Sasl(Mechanism::Plain), b"fred", Secret::new(vec![b'x'; length])).unwrap(),
        ));
        driver.run(&[b"+ \r\n"]).unwrap();
        let first = driver.log.lines().next().unwrap();
        assert_eq!(first != "C: AUTH PLAIN", is_initial, "{length}");
        assert!(first.len() - "C: ".len() + 2 <= 255);
    }
}

#[test]
fn login_2_1_1_the_challenges_are_awaited_and_not_read() {
    play(
        || Driver::with_capabilities("SASL LOGIN\r\n").submit(login(Method::Sasl(Mechanism::Login))),
        "+ VXNlciBOYW1lAA==\r\n+ whatever\r\n",
        "C: AUTH LOGIN
         C: ZnJlZA==
         C: IHBhc3Mgd29yZCA=",
    );
}

#[test]
fn r5034_4_14_a_challenge_that_is_not_base64_cancels() {
    play(
        || greeted().submit(login(Method::Sasl(Mechanism::Login))),
        "+ !!!\r\n-ERR ok\r\n",
        "C: AUTH LOGIN
         C: *
         = refused None ok",
    );
}

#[test]
fn r1939_7_26_apop() {
    let mut driver = Driver::new();
    driver
        .session
        .submit(Request::Login(Login::of(Method::Apop, b"mrose", Secret::new(b"tanstaaf".to_vec())).unwrap()))
        .unwrap();
    driver.run(&[b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n", b"+OK\r\n"]).unwrap();
    assert_eq!(driver.log, "= done\nC: APOP mrose c4c9334bac560ecc979e58001b3e22fb\n= done\n");
}

#[test]
fn r1939_7_29_apop_without_timestamp_is_not_tried() {
    for greeting in ["+OK hi\r\n", "+OK hi <notamsgid>\r\n"] {
        let mut driver = Driver::new().submit(login(Method::Apop)).submit(Request::Noop);
        driver.run(&[greeting.as_bytes(), b"+OK\r\n"]).unwrap();
        assert_eq!(driver.log, "= done\n= NoTimestamp\nC: NOOP\n= done\n");
    }
}

#[test]
fn arguments_cannot_become_commands() {
    for (user, password) in
        [("a\r\nDELE 1", "x"), ("a\n", "x"), ("a\0", "x"), ("", "x"), ("a", "x\rQUIT"), ("a", "")]
    {
        for method in
            [Method::UserPass, Method::Sasl(Mechanism::Plain), Method::Sasl(Mechanism::Login), Method::Apop]
        {
            let mut session = Session::new(Settings::default());
            let login = Login::of(method, user.as_bytes(), Secret::new(password.into()));
            let submitted = login.and_then(|login| session.submit(Request::Login(login)));
            assert_eq!(submitted, Err(InvalidRequest::Argument), "{user:?}");
        }
    }
}

#[test]
fn r2449_4_4_commands_beyond_255_octets_are_not_sent() {
    for (octets, expected) in [(248, Ok(())), (249, Err(InvalidRequest::TooLong))] {
        let login = Login::of(Method::UserPass, b"u", Secret::new(vec![b'x'; octets])).unwrap();
        assert_eq!(Session::new(Settings::default()).submit(Request::Login(login)).map(drop), expected);
    }
}

#[test]
fn r2595_4_11_tls_forgets_the_capabilities() {
    let mut driver = Driver::with_capabilities("STLS\r\n").submit(Request::StartTls);
    driver.run(&[b"+OK\r\n"]).unwrap();
    assert_eq!(driver.log, "C: STLS\n= handshake\n= done\n");
    assert!(driver.session.capabilities().is_none());
}

#[test]
fn r2595_4_7_input_before_the_handshake_is_an_error() {
    let mut driver = greeted().submit(Request::StartTls);
    assert_eq!(driver.run(&[b"+OK\r\n+OK injected\r\n"]), Err(ProtocolError::InjectedBeforeTls));
    assert_eq!(driver.run(&[]), Err(ProtocolError::InjectedBeforeTls), "and it stays one");
}

#[test]
fn r2595_4_5_nothing_is_sent_behind_stls() {
    let mut driver =
        Driver::with_capabilities("STLS\r\nPIPELINING\r\n").submit(Request::StartTls).submit(Request::Noop);
    driver.run(&[]).unwrap();
    assert_eq!(driver.log, "C: STLS\n");
}

#[test]
fn framing_is_strict() {
    for (server, error) in [
        ("+OK\n", ProtocolError::BareLineFeed),
        ("+OKAY\r\n", ProtocolError::NotAReply),
        ("hello\r\n", ProtocolError::NotAReply),
        ("+ \r\n", ProtocolError::NotAReply),
        ("+OK\r\n+OK\r\n", ProtocolError::Unsolicited),
    ] {
        let mut driver = greeted().submit(Request::Noop);
        driver.session.settings.profile = Profile::Strict;
        assert_eq!(driver.run(&[server.as_bytes()]), Err(error), "{server:?}");
    }
    let mut driver = greeted().submit(Request::Noop);
    assert_eq!(driver.run(&[&[b'x'; 8192]]), Err(ProtocolError::LineTooLong));
}

#[test]
fn listings_are_bounded() {
    let mut driver = Driver::new();
    driver.session = Session::new(with(Limits { listing_lines_max: 2, ..Limits::default() }));
    let mut driver = driver.submit(Request::List);
    assert_eq!(
        driver.run_lines("+OK\r\n+OK\r\n1 1\r\n2 2\r\n3 3\r\n.\r\n"),
        Err(ProtocolError::ListingTooLong)
    );
}

#[test]
fn a_refused_greeting_ends_the_session() {
    let mut driver = Driver::new().submit(Request::Stat);
    assert_eq!(driver.run(&[b"-ERR [SYS/TEMP] full\r\n"]), Ok(End::Closed));
    assert_eq!(driver.log, "= refused Some(SysTemp) full\n");
    assert_eq!(driver.session.submit(Request::Noop), Err(InvalidRequest::Closing));
}

#[test]
fn r1939_6_6_what_became_of_the_deletions() {
    let logged_in = || {
        let mut driver = greeted().submit(login(Method::UserPass)).submit(Request::Delete(number(1)));
        driver.run_lines("+OK\r\n+OK\r\n+OK\r\n").unwrap();
        driver
    };
    assert_eq!(greeted().session.ending(), Ending::Regular);
    assert_eq!(logged_in().session.ending(), Ending::NothingDeleted);
    let mut driver = logged_in().submit(Request::Quit);
    driver.run(&[]).unwrap();
    assert_eq!(driver.session.ending(), Ending::Unknown);
    assert_eq!(driver.run(&[b"-ERR [SYS/TEMP] some left\r\n"]), Ok(End::Closed));
    assert_eq!(driver.session.ending(), Ending::Regular);
    assert!(driver.log.ends_with("= refused Some(SysTemp) some left\n"));
}

#[test]
fn secrets_are_redacted_by_state() {
    let mut driver = greeted().submit(login(Method::UserPass));
    driver.run(&[]).unwrap();
    assert_eq!(driver.shown(), None);
    driver.run(&[b"+OK\r\n"]).unwrap();
    assert_eq!(driver.shown().as_deref(), Some("PASS ****\r\n"));
    driver.run(&[b"+OK\r\n"]).unwrap();
    assert_eq!(driver.shown(), None);
    let mut driver = greeted().submit(login(Method::Sasl(Mechanism::Login)));
    driver.run(&[b"+ \r\n"]).unwrap();
    assert_eq!(driver.shown().as_deref(), Some("****\r\n"));
    driver.run(&[b"+ \r\n"]).unwrap();
    assert_eq!(driver.shown().as_deref(), Some("****\r\n"));
    assert!(!format!("{:?}", driver.session).contains("pass word"));
}

#[test]
fn control_characters_of_the_server_do_not_reach_the_user() {
    let mut driver = greeted().submit(Request::Noop);
    driver.run(&[b"-ERR \x1b[31mred\x07 \xff\r\n"]).unwrap();
    assert_eq!(
        driver.log.lines().last().unwrap().to_string(),
        "= refused None \u{fffd}[31mred\u{fffd} \u{fffd}"
    );
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..12, 0..12)
}

/// A driver with the requests that the numbers stand for.
fn driver_with(requests: &[u8]) -> Driver {
    let mut driver = Driver::new();
    for request in requests {
        let _ = driver.session.submit(match request {
            0 => Request::Capabilities,
            1 => login(Method::UserPass),
            2 => login(Method::Sasl(Mechanism::Plain)),
            3 => login(Method::Sasl(Mechanism::Login)),
            4 => Request::Stat,
            5 => Request::List,
            6 => Request::Uidl,
            7 => Request::retrieve(number(1)),
            8 => Request::Top { number: number(2), lines: 3 },
            9 => Request::StartTls,
            10 => Request::Delete(number(1)),
            _ => Request::Quit,
        });
    }
    driver
}

proptest! {
    #[test]
    fn no_octets_of_a_server_make_it_panic(
        requests in requests(),
        text in "(\\+OK[ 0-9a-z]{0,8}\r\n|-ERR\r\n|\\+ \r\n|[0-9] [a-z0-9]{1,3}\r\n|PIPELINING\r\n|\\.\r\n|\\.\\.x\r\n|\\PC{0,4}){0,40}",
        noise in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let _ = driver_with(&requests).run(&[text.as_bytes(), &noise]);
    }

    #[test]
    fn the_transcript_is_the_same_for_every_split(
        requests in requests(),
        text in "(\\+OK[ 0-9a-z]{0,8}\r\n|-ERR\r\n|\\+ \r\n|[0-9] [a-z0-9]{1,3}\r\n|\\.\r\n|\\.\\.x\r\n){0,40}",
        size in 1_usize..7,
    ) {
        // With STLS the split matters, as it must: what comes with the reply is an error, what comes later is not.
        let requests: Vec<u8> = requests.into_iter().filter(|&request| request != 9).collect();
        // A server that answers before it is asked is not one transcript but many.
        let mut replies = text.split_inclusive("\r\n");
        let mut whole = driver_with(&requests);
        let mut cut = driver_with(&requests);
        loop {
            let reply = replies.next().unwrap_or_default();
            let expected = whole.run(&[reply.as_bytes()]);
            let got = cut.run(&reply.as_bytes().chunks(size).collect::<Vec<_>>());
            prop_assert_eq!(&expected, &got);
            prop_assert_eq!(&whole.log, &cut.log);
            if reply.is_empty() || expected.is_err() {
                break;
            }
        }
    }
}
