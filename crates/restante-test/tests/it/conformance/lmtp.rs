//! Delivery by LMTP: RFC 2033 and the parts of ESMTP that it builds on.

mod rfc1870;
mod rfc2033;
mod rfc2034;
mod rfc2920;
mod rfc3030;
mod rfc5321;
mod rfc6152;
mod rfc6531;

use restante_test::peer::{Peer, Reply};
use restante_test::real::Server;

/// A small message in canonical form.
const MESSAGE: &[u8] = b"From: a@example.org\r\nSubject: small\r\n\r\nbody\r\n";

/// A peer after LHLO and MAIL, with each of `accounts` accepted by RCPT.
fn transaction(server: &Server, accounts: &[&str]) -> Peer {
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250, "{}", peer.transcript());
    for account in accounts {
        assert_eq!(peer.code(&format!("RCPT TO:<{account}@example.org>")), 250, "{}", peer.transcript());
    }
    peer
}

/// Sends DATA with `wire` (dot-stuffed, with its terminator) and reads `replies` replies.
fn data(peer: &mut Peer, wire: &[u8], replies: usize) -> Vec<Reply> {
    assert_eq!(peer.code("DATA"), 354, "{}", peer.transcript());
    peer.send(wire);
    (0..replies).map(|_| peer.reply()).collect()
}

/// Sends `octets` as one chunk; the caller reads the replies.
fn bdat(peer: &mut Peer, octets: &[u8], last: &str) {
    peer.send(format!("BDAT {}{last}\r\n", octets.len()).as_bytes());
    peer.send(octets);
}

/// What a delivered message is without the trace fields that delivery put before it.
fn without_trace(message: &[u8], original: &[u8]) -> Vec<u8> {
    assert!(message.len() > original.len(), "no trace fields");
    let (trace, rest) = message.split_at(message.len() - original.len());
    let trace = String::from_utf8(trace.to_vec()).expect("trace fields are text");
    let known = ["Return-Path: ", "Delivered-To: ", "Received: ", "\t", " "];
    for line in trace.split_terminator("\r\n") {
        assert!(known.iter().any(|start| line.starts_with(start)), "{line:?} is no trace field");
    }
    assert!(trace.ends_with("\r\n"));
    rest.to_vec()
}
