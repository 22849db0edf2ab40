//! Dovecot's authentication protocol, both sides: any octets say and ask the same for every split, what is answered is made of whole
//! lines about logins that were begun, and a client understands what a server answers.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use restante_proto::dovecot::client::{Answer, Client, Event, Subject};
use restante_proto::dovecot::server::{Greeting, Limits, Plaintext, Policy, Refusal, Session, Step};
use restante_proto::line::Input;
use restante_proto::sasl::{Mechanism, ScramFacts, ServerSignature, TokenTerms};

const GREETING: &[u8] = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nDONE\n";

fuzz_target!(|input: &[u8]| {
    let (pieces, octets) = restante_fuzz::cut(input);
    let whole = serve(&[octets]);
    assert_eq!(whole, serve(&pieces));
    let (_, said) = whole;
    // What a server answers after its greeting, a client takes, but for challenges to mechanisms that it does not speak.
    let answers: Vec<u8> = GREETING.iter().chain(&said).copied().collect();
    hear(Subject::Passwords, &[&answers]).expect("a server's own answers");
    for subject in [Subject::Passwords, Subject::Users] {
        let greeting: &[u8] = match subject {
            Subject::Passwords => GREETING,
            Subject::Users => b"VERSION\t1\t1\nSPID\t1\n",
        };
        assert_eq!(hear(subject, &[octets]), hear(subject, &pieces));
        let mut pieces = pieces.clone();
        pieces.insert(0, greeting);
        assert_eq!(hear(subject, &[greeting, octets]), hear(subject, &pieces));
    }
});

/// What is asked, and said after the greeting.
fn serve(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let policy = Policy {
        hostname: "host.example".to_owned(),
        mechanisms: Mechanism::ALL
            .into_iter()
            .filter(|mechanism| !mechanism.name().ends_with("-PLUS"))
            .collect(),
        token_terms: TokenTerms::default(),
        plaintext: Plaintext::Loopback,
        limits: Limits { pending_max: 4, ..Limits::default() },
    };
    let mut session = Session::new(Arc::new(policy), Greeting { process: 1, connection: 2, cookie: [3; 16] });
    let (mut input, mut output, mut log) = (Input::new(), Vec::new(), Vec::new());
    let (mut said, mut pieces, now) = (Vec::new(), pieces.iter(), Duration::ZERO);
    let mut is_greeted = false;
    loop {
        let step = session.step(&mut input, &mut output, now);
        assert!(session.pending() <= 4);
        if !is_greeted {
            // The greeting is written at the first step, and nothing was asked before it.
            let end = output.windows(5).position(|text| text == b"DONE\n").expect("a greeting") + 5;
            output.drain(..end);
            is_greeted = true;
        }
        match step {
            Step::Read => {
                said.append(&mut output);
                let Some(piece) = pieces.next() else { break };
                input.fill(piece);
            }
            Step::Write => said.append(&mut output),
            Step::Nonce(ticket) => session.nonce(ticket, b"0123456789abcdef", &mut output, now),
            Step::PrepareScram(ticket, _, query) => {
                log.push(format!("scram {}", query.user.escape_ascii()));
                let facts = ScramFacts {
                    nonce: b"0123456789abcdef".to_vec(),
                    salt: b"salt".to_vec(),
                    iterations: 4096,
                    binding: Vec::new(),
                };
                session.scram_prepared(ticket, &facts, &mut output, now);
            }
            Step::Authenticate(ticket, request, credentials) => {
                assert!(!request.service.is_empty());
                log.push(format!("{credentials:?}"));
                let user = credentials.user().to_vec();
                let is_scram = credentials.method().name().starts_with("SCRAM");
                let signature = is_scram.then(|| ServerSignature(vec![7; 32]));
                match user.first() {
                    Some(b'x') => session.refused(ticket, &user, Refusal::Credentials, &mut output, now),
                    Some(b'y') => session.refused(ticket, &user, Refusal::Temporary, &mut output, now),
                    _ => session.granted(ticket, &user, signature.as_ref(), &mut output, now),
                }
            }
            Step::Full => log.push("full".to_owned()),
            Step::Close(violation) => {
                said.append(&mut output);
                log.push(format!("{violation:?}"));
                break;
            }
        }
    }
    assert!(said.is_empty() || said.ends_with(b"\n"));
    for line in said.split(|&octet| octet == b'\n').filter(|line| !line.is_empty()) {
        assert!([&b"OK\t"[..], b"FAIL\t", b"CONT\t"].iter().any(|word| line.starts_with(word)));
        assert!(!line.contains(&b'\r') && !line.contains(&0));
    }
    (log, said)
}

/// What a client hears, until it has had enough.
fn hear(subject: Subject, pieces: &[&[u8]]) -> Result<Vec<(u32, bool)>, String> {
    let (mut client, mut input, mut heard) = (Client::new(subject), Input::new(), Vec::new());
    for piece in pieces {
        input.fill(piece);
        loop {
            match client.read(&mut input).map_err(|violation| violation.to_string())? {
                Some(Event::Ready) => heard.push((0, true)),
                Some(Event::Answer(id, answer)) => heard.push((id, matches!(answer, Answer::Known(_)))),
                None => break,
            }
        }
    }
    Ok(heard)
}
