//! APOP (RFC 1939 section 7): the timestamp in the greeting and the digest over it. Not a SASL mechanism, but
//! another way to credentials.

use md5::{Digest, Md5};

use crate::secret::Secret;

/// MD5 over the timestamp, angle brackets included, and the shared secret.
#[must_use]
pub fn digest(timestamp: &[u8], secret: &Secret) -> [u8; 16] {
    // R1939-7.26
    Md5::new().chain_update(timestamp).chain_update(secret.expose()).finalize().into()
}

/// Whether `sent` is the digest for `secret`. Takes the same time wherever they differ.
#[must_use]
pub fn verify(timestamp: &[u8], secret: &Secret, sent: &[u8; 16]) -> bool {
    let expected = digest(timestamp, secret);
    expected.iter().zip(sent).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// The digest as it goes over the wire: 32 lower-case hexadecimal digits.
#[must_use]
pub fn to_hex(digest: &[u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    for (pair, octet) in text.chunks_exact_mut(2).zip(digest) {
        pair.copy_from_slice(&[hex_digit(octet >> 4), hex_digit(octet & 0xF)]);
    }
    text
}

/// Reads a digest of exactly 32 lower-case hexadecimal digits.
#[must_use]
pub fn from_hex(text: &[u8]) -> Option<[u8; 16]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let mut digest = [0; 16];
    if pairs.len() != digest.len() {
        return None;
    }
    for (octet, [high, low]) in digest.iter_mut().zip(pairs) {
        *octet = hex_value(*high)? << 4 | hex_value(*low)?;
    }
    Some(digest)
}

/// The timestamp in a greeting, if it holds one that is a valid msg-id; only then may a client use APOP.
///
/// A server that lies between client and server can choose the timestamp so as to learn the secret piece by piece
/// (CVE-2007-1558); demanding a real msg-id is what makes that hard. R1939-7.29
#[must_use]
pub fn find_timestamp(greeting: &[u8]) -> Option<&[u8]> {
    let start = greeting.iter().position(|&octet| octet == b'<')?;
    let text = greeting.get(start..)?;
    let end = text.iter().position(|&octet| octet == b'>')?;
    text.get(..=end).filter(|timestamp| is_timestamp(timestamp))
}

/// Whether `text` is a msg-id of RFC 822 as far as servers make them: "<", atoms with dots, one "@", atoms with dots
/// or a domain literal, ">". Quoted words are not taken.
#[must_use]
pub fn is_timestamp(text: &[u8]) -> bool {
    // R1939-7.24, R2449-3.4
    let Some(inner) = text.strip_prefix(b"<").and_then(|text| text.strip_suffix(b">")) else { return false };
    let mut halves = inner.split(|&octet| octet == b'@');
    let (Some(local), Some(domain), None) = (halves.next(), halves.next(), halves.next()) else {
        return false;
    };
    let is_literal =
        domain.strip_prefix(b"[").and_then(|domain| domain.strip_suffix(b"]")).is_some_and(|literal| {
            literal.iter().all(|octet| octet.is_ascii_graphic() && !b"[]\\".contains(octet))
        });
    is_dotted_atoms(local) && (is_literal || is_dotted_atoms(domain))
}

fn is_dotted_atoms(text: &[u8]) -> bool {
    text.split(|&octet| octet == b'.').all(|atom| {
        !atom.is_empty() && atom.iter().all(|octet| octet.is_ascii_graphic() && !SPECIALS.contains(octet))
    })
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// RFC 822 section 3.3.
const SPECIALS: &[u8] = b"()<>@,;:\\\".[]";
