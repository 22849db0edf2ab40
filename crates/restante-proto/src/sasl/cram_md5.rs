//! CRAM-MD5 (RFC 2195): the server shows a challenge, the client a digest over it with the shared secret as key. Both
//! must know the secret itself; kept for accounts whose secret is stored so.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use subtle::ConstantTimeEq;

use super::Credentials;
use super::apop::{from_hex, is_timestamp, to_hex};
use super::exchange::Invalid;
use crate::secret::Secret;

/// The server's side. The server speaks first.
#[derive(Debug)]
pub struct Exchange {
    /// The challenge, once it was sent.
    challenge: Vec<u8>,
}

impl Exchange {
    pub(super) const fn new() -> Self {
        Self { challenge: Vec::new() }
    }

    pub(super) fn challenge(&mut self, octets: &[u8], hostname: &str) -> Vec<u8> {
        self.challenge = challenge(octets, hostname).into_bytes();
        self.challenge.clone()
    }

    pub(super) fn decode(&mut self, response: &[u8]) -> Result<Credentials, Invalid> {
        // R2195-2.3: the last space, since a name may hold some.
        let end = response.iter().rposition(|&octet| octet == b' ').ok_or(Invalid::Syntax)?;
        let (user, digest) = response.split_at(end);
        let digest = digest.strip_prefix(b" ").and_then(from_hex).ok_or(Invalid::Syntax)?;
        if user.is_empty() {
            return Err(Invalid::Credentials);
        }
        // No answer counts before the question, and none twice.
        let challenge = core::mem::take(&mut self.challenge);
        if user.contains(&0) || challenge.is_empty() {
            return Err(Invalid::Syntax);
        }
        Ok(Credentials::Cram { user: user.to_vec(), challenge, digest })
    }
}

/// The client's response to a challenge, as it is before base64 (R2195-2.2).
#[must_use]
pub fn response(user: &[u8], secret: &Secret, challenge: &[u8]) -> Vec<u8> {
    [user, b" ", &to_hex(&digest(challenge, secret))].concat()
}

/// HMAC-MD5 over the challenge, angle brackets included (R2195-2.2, R2195-2.4).
#[must_use]
pub fn digest(challenge: &[u8], secret: &Secret) -> [u8; 16] {
    mac(challenge, secret).finalize().into_bytes().into()
}

/// Whether `sent` is the digest for `secret`. Takes the same time wherever they differ.
#[must_use]
pub fn verify(challenge: &[u8], secret: &Secret, sent: &[u8; 16]) -> bool {
    digest(challenge, secret).ct_eq(sent).into()
}

fn mac(challenge: &[u8], secret: &Secret) -> Hmac<Md5> {
    let mut mac =
        <Hmac<Md5> as KeyInit>::new_from_slice(secret.expose()).expect("HMAC takes a key of any length");
    mac.update(challenge);
    mac
}

/// R2195-2.1: a msg-id that never was before. A host name that has no place in one is left out.
fn challenge(octets: &[u8], hostname: &str) -> String {
    let mut local = String::with_capacity(2 * octets.len());
    octets.iter().for_each(|octet| local.push_str(&format!("{octet:02x}")));
    let challenge = format!("<{local}@{hostname}>");
    if is_timestamp(challenge.as_bytes()) { challenge } else { format!("<{local}@localhost>") }
}
