//! Messages for tests: what lies on disk, and what must come out on the wire.

/// The canonical form of a stored message: every line end CRLF, the last line ended, lone CRs untouched.
///
/// This is what RETR must send, before byte-stuffing, and whose length LIST must announce.
#[must_use]
pub fn canonical(stored: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(stored.len() + stored.len() / 32);
    let mut last = 0;
    for &octet in stored {
        if octet == b'\n' && last != b'\r' {
            wire.push(b'\r');
        }
        wire.push(octet);
        last = octet;
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// Byte-stuffs a canonical message and adds the terminator, as DATA of LMTP wants it.
#[must_use]
pub fn dotted(canonical: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(canonical.len() + 16);
    let mut at_start = true;
    for &octet in canonical {
        if at_start && octet == b'.' {
            wire.push(b'.');
        }
        wire.push(octet);
        at_start = octet == b'\n' && wire.ends_with(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Message number `n` with LF line ends: a header and `lines` body lines "line 1", "line 2", …
#[must_use]
pub fn numbered(n: usize, lines: usize) -> Vec<u8> {
    let mut stored = format!(
        "From: Sender {n} <sender{n}@example.org>\nTo: alice@example.org\nSubject: message {n}\n\
         Message-ID: <{n}.test@example.org>\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n\n"
    );
    for line in 1..=lines {
        stored.push_str(&format!("line {line}\n"));
    }
    stored.into_bytes()
}

/// A message of exactly `octets` octets in canonical form.
///
/// # Panics
/// When `octets` is too small for its header (60 is enough).
#[must_use]
pub fn sized(octets: usize) -> Vec<u8> {
    let mut stored = b"Subject: sized\n\n".to_vec();
    let mut left = octets.checked_sub(18).expect("room for the header");
    while left > 0 {
        let line = if left > 78 + 2 { 78 } else { left };
        assert!(line >= 2, "no room for a line end");
        stored.extend(std::iter::repeat_n(b'x', line - 2));
        stored.push(b'\n');
        left -= line;
    }
    stored
}

/// Stored messages that have broken servers before, each with a name.
#[must_use]
pub fn awkward() -> Vec<(&'static str, Vec<u8>)> {
    let head = "From: a@example.org\nSubject: awkward\n\n";
    let with = |body: &[u8]| [head.as_bytes(), body].concat();
    vec![
        ("one line", with(b"hello\n")),
        ("empty body", with(b"")),
        ("no blank line", b"From: a@example.org\nSubject: header only\n".to_vec()),
        ("last line without end", with(b"one\ntwo")),
        ("dots", with(b".\n..\n...\n.x\n..x\nx.\n . \n")),
        ("dot as last line without end", with(b"x\n.")),
        ("dot lines around empty lines", with(b"\n.\n\n.\n\n")),
        ("dot header line", b".From: a@example.org\nSubject: dotted\n\nbody\n".to_vec()),
        ("only a dot", b".\n".to_vec()),
        ("only dots without end", b"..".to_vec()),
        ("only a line end", b"\n".to_vec()),
        ("eight bit", with(&(0x80..=0xFF).chain([b'\n']).collect::<Vec<u8>>())),
        ("utf-8", with("Grüße, 世界, Ελλάδα\n".as_bytes())),
        ("crlf on disk", b"From: a@example.org\r\nSubject: crlf\r\n\r\none\r\n.\r\ntwo\r\n".to_vec()),
        (
            "mixed line ends",
            b"From: a@example.org\r\nSubject: mixed\n\none\r\ntwo\nthree\r\n\nfour\n".to_vec(),
        ),
        ("998 octets in a line", with(&[vec![b'y'; 998], b"\n.\n".to_vec()].concat())),
        ("100 kB line", with(&[vec![b'z'; 100_000], b"\nend\n".to_vec()].concat())),
        ("64 KiB line, then a dot", with(&[vec![b'w'; 65_536 - head.len() - 1], b"\n.\n".to_vec()].concat())),
        ("many empty lines", with(&b"\n".repeat(10_000))),
        ("many dot lines", with(&b".\n".repeat(40_000))),
        ("tabs and trailing spaces", with(b"\tx \n  \n\t\n")),
    ]
}
