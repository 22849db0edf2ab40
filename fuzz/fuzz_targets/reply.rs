//! What a server may say: single replies and capabilities, and a client session that hears anything at all. It ends the
//! same way for every split, tells every request's end once, and never speaks of deletions that were not asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_proto::body::Decoder;
use restante_proto::capability::Capability;
use restante_proto::client::argument::LanguageRange;
use restante_proto::client::request::{Login, Request};
use restante_proto::client::{Ending, ProtocolError, Session, Settings, Step};
use restante_proto::line::Input;
use restante_proto::maildrop::MessageNumber;
use restante_proto::reply::{Reply, ResponseCode};
use restante_proto::sasl::{Mechanism, Method};
use restante_proto::secret::Secret;

fuzz_target!(|input: &[u8]| {
    let (pieces, octets) = restante_fuzz::cut(input);
    for line in octets.split(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        one_line(line);
    }
    let (together, in_pieces) = (session(&[octets]), session(&pieces));
    if !together.is_early {
        return assert_eq!(together, in_pieces);
    }
    // What came before it was asked for is a fault that cannot be seen when it comes later.
    assert!(in_pieces.told.starts_with(&together.told) && in_pieces.said.starts_with(&together.said));
});

/// What a client session told its driver and said to the server.
#[derive(Debug, PartialEq)]
struct Outcome {
    told: Vec<String>,
    said: Vec<u8>,
    ending: Ending,
    /// It ended with octets that came too early.
    is_early: bool,
}

fn one_line(line: &[u8]) {
    if let Ok(reply) = Reply::parse(line) {
        assert!(line.ends_with(reply.text) && (line.starts_with(b"+OK") || line.starts_with(b"-ERR")));
        assert!(reply.code.is_none_or(|code| ResponseCode::parse(code.name().as_bytes()) == Some(code)));
    }
    let encoded = encode(Capability::parse(line));
    let text = encoded.strip_suffix(b"\r\n").expect("a capability ends with CR LF");
    assert!(encoded.len() <= 512 && text.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' '));
    // What has no place in a line is lost, and what is left may be a tag; from then on nothing changes.
    let again = encode(Capability::parse(text));
    assert_eq!(encode(Capability::parse(&again[..again.len() - 2])), again);
}

fn encode(capability: Capability<'_>) -> Vec<u8> {
    let mut encoded = Vec::new();
    capability.encode(&mut encoded);
    encoded
}

/// Everything a client can ask for, answered by these octets.
fn session(pieces: &[&[u8]]) -> Outcome {
    let (mut session, mut input, mut output) = (Session::new(Settings::default()), Input::new(), Vec::new());
    let (mut told, mut said, mut pieces) = (Vec::new(), Vec::new(), pieces.iter());
    let asked =
        requests().into_iter().map(|request| session.submit(request).expect("they can be said")).count();
    let (mut decoding, mut is_early) = (None::<Decoder>, false);
    loop {
        match session.step(&mut input, &mut output) {
            Ok(Step::Read) => {
                said.append(&mut output);
                let Some(piece) = pieces.next() else { break };
                input.fill(piece);
            }
            Ok(Step::ReceiveMessage(_, fresh)) => {
                let decoder = decoding.get_or_insert(fresh);
                let mut message = Vec::new();
                let decoded = decoder.decode(input.octets(), &mut message);
                input.consume(decoded.consumed);
                if decoded.end {
                    session.message_received(decoder);
                    decoding = None;
                } else if let Some(piece) = pieces.next() {
                    input.fill(piece);
                } else {
                    break;
                }
            }
            Ok(Step::StartTls) => {
                assert!(input.is_empty(), "nothing may be left to be taken for TLS");
                told.push("tls".to_owned());
                session.tls_started();
            }
            Ok(Step::Event(_, event)) => told.push(format!("{event:?}")),
            Ok(Step::Idle | Step::Closed) => break,
            Err(ProtocolError::Unsolicited | ProtocolError::InjectedBeforeTls) => {
                is_early = true;
                break;
            }
            Err(error) => {
                told.push(error.to_string());
                break;
            }
        }
    }
    said.append(&mut output);
    let finished = told.iter().filter(|told| told.starts_with("Finished")).count();
    assert!(finished <= asked + 1, "one end for each request and the greeting");
    let is_quit_said = said.windows(6).any(|window| window == b"QUIT\r\n");
    assert!(is_quit_said || session.ending() != Ending::Unknown, "no QUIT, no doubt");
    Outcome { told, said, ending: session.ending(), is_early }
}

fn requests() -> Vec<Request> {
    let number = MessageNumber::new(1).expect("not 0");
    let login = |method| {
        let password = Secret::new(b"secret".to_vec());
        Request::Login(Login::of(method, b"user", password).expect("sound"))
    };
    vec![
        Request::Capabilities,
        Request::StartTls,
        Request::Language(LanguageRange::new("de").expect("a range")),
        Request::Utf8,
        Request::Capabilities,
        login(Method::Apop),
        login(Method::Sasl(Mechanism::Login)),
        login(Method::Sasl(Mechanism::Plain)),
        login(Method::UserPass),
        Request::Stat,
        Request::List,
        Request::Uidl,
        Request::ListOne(number),
        Request::UidlOne(number),
        Request::retrieve(number),
        Request::Top { number, lines: 3 },
        Request::Delete(number),
        Request::Reset,
        Request::Noop,
        Request::Quit,
    ]
}
