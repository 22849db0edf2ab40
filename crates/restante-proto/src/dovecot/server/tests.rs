//! Dialogues: what a mail server sends, what it hears.

use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

const PLAIN_ALICE: &str = "AGFsaWNlAHNlY3JldA==";

struct Talk {
    session: Session,
    input: Input,
    output: Vec<u8>,
    now: Duration,
}

impl Talk {
    fn new() -> Self {
        let mechanisms = vec_of(&["SCRAM-SHA-256", "OAUTHBEARER", "EXTERNAL", "CRAM-MD5", "PLAIN", "LOGIN"]);
        let limits = Limits { pending_max: 3, ..Limits::default() };
        let policy = Policy {
            hostname: "mail.example.org".into(),
            mechanisms,
            token_terms: TokenTerms::default(),
            plaintext: Plaintext::Loopback,
            limits,
        };
        let greeting = Greeting { process: 7, connection: 9, cookie: [0xAB; 16] };
        let session = Session::new(Arc::new(policy), greeting);
        Self { session, input: Input::new(), output: Vec::new(), now: Duration::ZERO }
    }

    /// After the handshake.
    fn ready() -> Self {
        let mut talk = Self::new();
        assert!(matches!(talk.say("VERSION\t1\t1\nCPID\t4711\n"), Step::Read));
        assert!(talk.session.is_ready());
        talk.heard();
        talk
    }

    fn say(&mut self, text: &str) -> Step {
        self.input.fill(text.as_bytes());
        self.step()
    }

    fn step(&mut self) -> Step {
        self.session.step(&mut self.input, &mut self.output, self.now)
    }

    fn heard(&mut self) -> String {
        String::from_utf8(core::mem::take(&mut self.output)).unwrap()
    }

    fn login(&mut self, text: &str) -> (Ticket, Arc<Request>, Credentials) {
        match self.say(text) {
            Step::Authenticate(ticket, request, credentials) => (ticket, request, credentials),
            step => panic!("{step:?} {:?}", self.heard()),
        }
    }
}

fn vec_of(names: &[&str]) -> Vec<Mechanism> {
    names.iter().map(|name| Mechanism::parse(name.as_bytes()).unwrap()).collect()
}

fn base64(text: &[u8]) -> String {
    let mut encoded = Vec::new();
    sasl::encode_base64(text, &mut encoded);
    String::from_utf8(encoded).unwrap()
}

#[test]
fn the_handshake_says_what_there_is() {
    let mut talk = Talk::new();
    assert!(matches!(talk.step(), Step::Read));
    assert_eq!(
        talk.heard(),
        "VERSION\t1\t2\nMECH\tSCRAM-SHA-256\tmutual-auth\nMECH\tOAUTHBEARER\nMECH\tEXTERNAL\n\
         MECH\tCRAM-MD5\tdictionary\tactive\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n\
         SPID\t7\nCUID\t9\nCOOKIE\tabababababababababababababababab\nDONE\n"
    );
    for (text, violation) in [
        ("VERSION\t2\t0\n", Violation::Version),
        ("CPID\t1\n", Violation::Version),
        ("VERSION\t1\t1\nAUTH\t1\tPLAIN\tservice=smtp\n", Violation::Command),
        ("VERSION\t1\t1\nCPID\t1\nUSER\t1\talice\n", Violation::Command),
        ("VERSION\t1\t1\nCPID\t1\nAUTH\t1\n", Violation::Command),
    ] {
        let step = Talk::new().say(text);
        assert!(matches!(step, Step::Close(found) if found == violation), "{text:?}: {step:?}");
    }
}

#[test]
fn plain_in_one_line() {
    let mut talk = Talk::ready();
    let line = format!(
        "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=192.0.2.7\tsecured\tresp={PLAIN_ALICE}\n"
    );
    let (ticket, request, credentials) = talk.login(&line);
    assert_eq!(credentials.user(), b"alice");
    assert_eq!(request.remote.unwrap().ip().to_string(), "192.0.2.7");
    talk.session.granted(ticket, b"alice@example.org", None, &mut talk.output, talk.now);
    assert_eq!(talk.heard(), "OK\t1\tuser=alice@example.org\n");
    assert_eq!(talk.session.pending(), 0);
    let (ticket, ..) = talk.login(&line.replace("AUTH\t1", "AUTH\t2"));
    talk.session.refused(ticket, b"al\tice", Refusal::Credentials, &mut talk.output, talk.now);
    assert_eq!(talk.heard(), "FAIL\t2\tuser=al\x01tice\n");
    let (ticket, ..) = talk.login(&line.replace("AUTH\t1", "AUTH\t3"));
    talk.session.refused(ticket, b"alice", Refusal::Temporary, &mut talk.output, talk.now);
    assert_eq!(talk.heard(), "FAIL\t3\tuser=alice\ttemp\tcode=temp_fail\n");
}

#[test]
fn login_asks_twice_and_many_go_on_beside_each_other() {
    let mut talk = Talk::ready();
    talk.say("AUTH\t1\tLOGIN\tservice=smtp\nAUTH\t2\tPLAIN\tservice=smtp\n");
    assert_eq!(talk.heard(), format!("CONT\t1\t{}\nCONT\t2\t\n", base64(b"Username:")));
    talk.say(&format!("CONT\t1\t{}\n", base64(b"bob")));
    assert_eq!(talk.heard(), format!("CONT\t1\t{}\n", base64(b"Password:")));
    let (alice, ..) = talk.login(&format!("CONT\t2\t{PLAIN_ALICE}\n"));
    let (bob, _, credentials) = talk.login(&format!("CONT\t1\t{}\n", base64(b"builder")));
    assert!(matches!(&credentials, Credentials::Password { user, password, .. }
        if user == b"bob" && password.expose() == b"builder"));
    talk.session.granted(bob, b"bob", None, &mut talk.output, talk.now);
    talk.session.granted(alice, b"alice", None, &mut talk.output, talk.now);
    assert_eq!(talk.heard(), "OK\t1\tuser=bob\nOK\t2\tuser=alice\n");
}

#[test]
fn cram_md5_begins_here() {
    let mut talk = Talk::ready();
    let Step::Nonce(ticket) = talk.say("AUTH\t5\tCRAM-MD5\tservice=smtp\trip=192.0.2.7\n") else {
        panic!("no nonce")
    };
    talk.session.nonce(ticket, b"0123456789abcdef", &mut talk.output, talk.now);
    let heard = talk.heard();
    let challenge = heard.strip_prefix("CONT\t5\t").unwrap().trim_end();
    let challenge = sasl::decode_base64(challenge.as_bytes()).unwrap();
    let response = sasl::cram_md5::response(b"alice", &Secret::new(b"secret".to_vec()), challenge.expose());
    let (_, _, credentials) = talk.login(&format!("CONT\t5\t{}\n", base64(&response)));
    assert!(matches!(credentials, Credentials::Cram { .. }));
}

#[test]
fn scram_shows_the_client_who_we_are() {
    for final_ok in [false, true] {
        let mut talk = Talk::ready();
        let more = if final_ok { "\tfinal-resp-ok" } else { "" };
        let first = base64(b"n,,n=alice,r=abcdefgh");
        let step = talk.say(&format!("AUTH\t1\tSCRAM-SHA-256\tservice=smtp{more}\tresp={first}\n"));
        let Step::PrepareScram(ticket, _, query) = step else { panic!("{step:?}") };
        assert_eq!(query.user, b"alice");
        let facts = ScramFacts {
            nonce: b"0123456789abcdef".to_vec(),
            salt: b"salt".to_vec(),
            iterations: 4096,
            binding: Vec::new(),
        };
        talk.session.scram_prepared(ticket, &facts, &mut talk.output, talk.now);
        let heard = talk.heard();
        let first = sasl::decode_base64(heard.trim_end().rsplit('\t').next().unwrap().as_bytes()).unwrap();
        let first = String::from_utf8(first.expose().to_vec()).unwrap();
        let nonce = first.split(',').next().unwrap();
        let last = format!("c=biws,{nonce},p={}", base64(&[7; 32]));
        let (ticket, ..) = talk.login(&format!("CONT\t1\t{}\n", base64(last.as_bytes())));
        let signature = ServerSignature(std::vec![1; 32]);
        talk.session.granted(ticket, b"alice", Some(&signature), &mut talk.output, talk.now);
        let message = base64(&scram::server_final(&signature));
        if final_ok {
            assert_eq!(talk.heard(), format!("OK\t1\tuser=alice\tresp={message}\n"));
        } else {
            assert_eq!(talk.heard(), format!("CONT\t1\t{message}\n"));
            talk.say("CONT\t1\t\n");
            assert_eq!(talk.heard(), "OK\t1\tuser=alice\n");
        }
    }
}

#[test]
fn a_refused_token_is_explained_first() {
    let mut talk = Talk::ready();
    let token = base64(b"n,a=alice,\x01auth=Bearer abc\x01\x01");
    let (ticket, ..) = talk.login(&format!("AUTH\t1\tOAUTHBEARER\tservice=smtp\tsecured\tresp={token}\n"));
    talk.session.refused(ticket, b"alice", Refusal::Credentials, &mut talk.output, talk.now);
    assert!(talk.heard().starts_with("CONT\t1\t"));
    talk.say("CONT\t1\tAQ==\n");
    assert_eq!(talk.heard(), "FAIL\t1\n");
    // Never in clear, wherever it comes from.
    talk.say(&format!("AUTH\t2\tOAUTHBEARER\tservice=smtp\trip=127.0.0.1\tresp={token}\n"));
    assert_eq!(talk.heard(), "FAIL\t2\treason=This mechanism needs TLS\n");
}

#[test]
fn passwords_in_clear_are_for_whom_the_policy_trusts() {
    let mut talk = Talk::ready();
    let line = format!("AUTH\t1\tPLAIN\tservice=smtp\trip=192.0.2.7\tresp={PLAIN_ALICE}\n");
    talk.say(&line);
    assert_eq!(talk.heard(), "FAIL\t1\treason=This mechanism needs TLS\n");
    talk.login(&line.replace("192.0.2.7", "127.0.0.1"));
}

#[test]
fn what_is_no_response_is_said() {
    let mut talk = Talk::ready();
    for (line, reason) in [
        ("AUTH\t1\tGSSAPI\tservice=smtp\n", "This mechanism is not offered"),
        ("AUTH\t1\tPLAIN\tservice=smtp\tresp=%%%\n", "The response is not base64"),
        ("AUTH\t1\tPLAIN\tservice=smtp\tresp=AAAA\n", ""),
        ("AUTH\t1\tPLAIN\tservice=smtp\tresp=YWJj\n", "The response does not follow the mechanism"),
    ] {
        assert!(matches!(talk.say(line), Step::Read), "{line}");
        let heard = talk.heard();
        let expected =
            if reason.is_empty() { "FAIL\t1".to_owned() } else { format!("FAIL\t1\treason={reason}") };
        assert!(heard.starts_with(&expected), "{line:?}: {heard:?}");
    }
}

#[test]
fn a_cancelled_login_still_counts_until_it_is_verified() {
    let mut talk = Talk::ready();
    let line = |id: u32| format!("AUTH\t{id}\tPLAIN\tservice=smtp\tresp={PLAIN_ALICE}\n");
    let (first, ..) = talk.login(&line(1));
    talk.login(&line(2));
    talk.login(&line(3));
    assert!(matches!(talk.say("CANCEL\t1\n"), Step::Read));
    assert_eq!(talk.session.pending(), 3);
    assert!(matches!(talk.say(&line(4)), Step::Full));
    assert!(matches!(talk.step(), Step::Read));
    assert_eq!(talk.heard(), "FAIL\t4\ttemp\tcode=temp_fail\n");
    talk.session.granted(first, b"alice", None, &mut talk.output, talk.now);
    assert_eq!((talk.heard(), talk.session.pending()), (String::new(), 2));
    talk.login(&line(5));
    assert!(matches!(talk.say(&line(5)), Step::Close(Violation::NumberInUse)));
}

#[test]
fn a_silent_client_loses_its_place() {
    let mut talk = Talk::ready();
    talk.say("AUTH\t1\tLOGIN\tservice=smtp\n");
    talk.heard();
    let deadline = talk.session.deadline().unwrap();
    talk.session.expire(deadline - Duration::from_secs(1), &mut talk.output);
    assert_eq!(talk.session.pending(), 1);
    talk.session.expire(deadline, &mut talk.output);
    assert_eq!(talk.heard(), "FAIL\t1\treason=The login took too long\n");
    assert_eq!((talk.session.pending(), talk.session.deadline()), (0, None));
}

#[test]
fn too_long_a_line_ends_it_and_the_cut_does_not_matter() {
    let mut talk = Talk::ready();
    let long = "x".repeat(LINE_OCTETS_MAX + 1);
    assert!(matches!(talk.say(&format!("AUTH\t1\t{long}\n")), Step::Close(Violation::LineTooLong)));
    let whole = format!("VERSION\t1\t1\nCPID\t1\nAUTH\t1\tPLAIN\tservice=smtp\tresp={PLAIN_ALICE}\n");
    for at in 0..whole.len() {
        let mut talk = Talk::new();
        let (one, two) = whole.split_at(at);
        talk.say(one);
        assert!(matches!(talk.say(two), Step::Authenticate(..)), "{at}");
    }
}

#[test]
fn external_needs_what_the_mail_server_says() {
    let mut talk = Talk::ready();
    let line = "AUTH\t1\tEXTERNAL\tservice=smtp\tsecured\tvalid-client-cert\tcert_username=alice\tresp==\n";
    let (_, request, credentials) = talk.login(line);
    assert!(matches!(credentials, Credentials::External { authorization: None }));
    assert_eq!((request.has_certificate, request.certificate_name.as_deref()), (true, Some(&b"alice"[..])));
}
