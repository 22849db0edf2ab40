//! RFC 1939, one file for each command and each step of a session.

pub(crate) mod apop;
mod authorization;
mod dele;
mod framing;
mod list;
mod quit;
mod retr;
mod rset;
mod stat;
mod top;
mod uidl;

use restante_test::mail::numbered;

/// Three messages of different sizes.
fn three() -> Vec<Vec<u8>> {
    vec![numbered(1, 3), numbered(2, 12), numbered(3, 40)]
}

/// The sizes in a scan listing, by message-number.
fn scan(lines: &[String]) -> Vec<(usize, u64)> {
    lines
        .iter()
        .map(|line| {
            let (number, octets) = line.split_once(' ').expect("two fields");
            (number.parse().expect("a number"), octets.parse().expect("octets"))
        })
        .collect()
}
