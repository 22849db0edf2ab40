//! POP2: a server session that hears anything at all. It says and asks the same for every split, and removes only what was
//! acknowledged for deletion.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_proto::line::Input;
use restante_proto::maildrop::{Listing, Octets};
use restante_proto::pop2::{Limits, Policy, Session, Step, Transport};
use restante_proto::sasl::Credentials;
use restante_proto::server::{Fault, Refusal};
use std::sync::Arc;

fuzz_target!(|input: &[u8]| {
    let (pieces, octets) = restante_fuzz::cut(input);
    let log = session(&[octets]);
    assert_eq!(log, session(&pieces));
    // A message goes away by ACKD and no other word.
    let acknowledged = octets.to_ascii_uppercase().windows(4).filter(|word| word == b"ACKD").count();
    let removed: usize =
        log.iter().filter_map(|line| line.strip_prefix("removed ")?.parse::<usize>().ok()).sum();
    assert!(removed <= acknowledged);
});

/// Everything that is said and asked until the octets are used up or the session closes.
fn session(pieces: &[&[u8]]) -> Vec<String> {
    let policy =
        Policy { hostname: "host.example".into(), plaintext_without_tls: true, limits: Limits::default() };
    let mut session = Session::new(Arc::new(policy), Transport::Plain);
    let (mut input, mut output, mut log) = (Input::new(), Vec::new(), Vec::new());
    let (mut messages, mut said, mut pieces) = (vec![1_u8, 2, 3], Vec::new(), pieces.iter());
    loop {
        match session.step(&mut input, &mut output) {
            Step::Read => {
                said.append(&mut output);
                let Some(piece) = pieces.next() else { break };
                input.fill(piece);
            }
            Step::Write => said.append(&mut output),
            Step::Authenticate(Credentials::Password { user, password, .. }) => {
                log.push(format!("user {}", user.escape_ascii()));
                match password.expose().first() {
                    Some(b'x') => session.refused(Refusal::Credentials, &mut output),
                    _ => session.granted(),
                }
            }
            Step::Authenticate(other) => panic!("{other:?}"),
            Step::OpenMaildrop if messages.is_empty() && log.len() > 20 => {
                session.refused(Refusal::InUse, &mut output);
            }
            Step::OpenMaildrop => {
                let mut listing = Listing::default();
                for message in &messages {
                    let octets = Octets::new(u64::from(*message));
                    listing.push(octets, &[b'0' + message]).expect("a valid entry");
                }
                session.opened(Arc::new(listing), &mut output);
            }
            Step::SendMessage { index: 2 } => session.message_failed(),
            Step::SendMessage { index } => {
                output.extend(std::iter::repeat_n(b'm', usize::from(messages[index])));
                session.message_sent();
            }
            Step::Release => {
                let marks: Vec<usize> = session.marks().iter().collect();
                if marks.contains(&1) && log.len() % 2 == 1 {
                    session.not_released(Fault::Permanent, &mut output);
                } else {
                    log.push(format!("removed {}", marks.len()));
                    marks.iter().rev().for_each(|&index| _ = messages.remove(index));
                    session.released();
                }
            }
            Step::Close => break,
        }
    }
    said.append(&mut output);
    for line in said.split_inclusive(|&octet| octet == b'\n') {
        log.push(line.escape_ascii().to_string());
    }
    log
}
