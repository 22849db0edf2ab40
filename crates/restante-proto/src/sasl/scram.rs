//! SCRAM (RFC 5802, RFC 7677): both sides show that they know the password, or what was made of it, and neither says it.
//!
//! Here: the algorithms and the grammar that both sides share. The messages of the server's side stand in
//! `scram/server`, those of the client's in `scram/client`. On the server the stored keys stay with whoever verifies
//! credentials; on the client the password is there, so the keys are made here.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::{ScramHash, ServerSignature, decode_base64, encode_base64};

pub mod client;
pub mod server;

/// The fewest iterations a client accepts: what the RFCs ask of servers. Fewer would let a false server have the
/// password guessed cheaply (R5802-5.1.4, R7677-3.2).
pub const ITERATIONS_MIN: u32 = 4096;

/// The most iterations a client accepts. Beyond all that is recommended for any of the hashes, and still some seconds at
/// most, so that a server cannot keep a client busy (R5802-9.1).
pub const ITERATIONS_MAX: u32 = 1_500_000;

/// The server's last message: its signature (R5802-3.1).
#[must_use]
pub fn server_final(signature: &ServerSignature) -> Vec<u8> {
    let mut message = b"v=".to_vec();
    encode_base64(&signature.0, &mut message);
    message
}

/// What a client makes of a password (RFC 5802 section 3).
struct Keys {
    client: Zeroizing<Vec<u8>>,
    server: Zeroizing<Vec<u8>>,
}

impl Keys {
    /// R5802-3.1; takes time with the iterations.
    fn derive(hash: ScramHash, password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let mut salted = Zeroizing::new(vec![0; hash.octets()]);
        match hash {
            ScramHash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut salted),
            ScramHash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted),
            ScramHash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted),
        }
        Self { client: mac(hash, &salted, b"Client Key"), server: mac(hash, &salted, b"Server Key") }
    }

    /// ClientProof: the client's key, hidden by a signature that only who has the stored key can make.
    fn proof(&self, hash: ScramHash, auth_message: &[u8]) -> Vec<u8> {
        let stored = digest(hash, &self.client);
        let signature = mac(hash, &stored, auth_message);
        self.client.iter().zip(signature.iter()).map(|(key, octet)| key ^ octet).collect()
    }

    fn server_signature(&self, hash: ScramHash, auth_message: &[u8]) -> Zeroizing<Vec<u8>> {
        mac(hash, &self.server, auth_message)
    }
}

fn digest(hash: ScramHash, octets: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match hash {
        ScramHash::Sha1 => Sha1::digest(octets).to_vec(),
        ScramHash::Sha256 => Sha256::digest(octets).to_vec(),
        ScramHash::Sha512 => Sha512::digest(octets).to_vec(),
    })
}

fn mac(hash: ScramHash, key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
    fn run<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(message);
        Zeroizing::new(mac.finalize().into_bytes().to_vec())
    }
    match hash {
        ScramHash::Sha1 => run::<Hmac<Sha1>>(key, message),
        ScramHash::Sha256 => run::<Hmac<Sha256>>(key, message),
        ScramHash::Sha512 => run::<Hmac<Sha512>>(key, message),
    }
}

/// The attributes of a message, in their order. `None` when something in it is none, or is a mandatory extension: those
/// are unknown by definition, so the exchange must fail (R5802-5.1.3).
fn attributes(message: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    fn attribute(text: &[u8]) -> Option<(u8, &[u8])> {
        match text {
            [b'm', ..] => None,
            [name, b'=', value @ ..] if name.is_ascii_alphabetic() => Some((*name, value)),
            _ => None,
        }
    }
    message.split(|&octet| octet == b',').map(attribute).collect()
}

/// Whether attributes behind the known ones are extensions that may be passed over.
fn are_extensions(attributes: &[(u8, &[u8])]) -> bool {
    attributes
        .iter()
        .all(|(_, value)| !value.is_empty() && !value.contains(&0) && core::str::from_utf8(value).is_ok())
}

/// R5802-5.1.2: printable, without a comma.
fn is_nonce(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|octet| octet.is_ascii_graphic() && *octet != b',')
}

/// Base64 of octets, as part of a message.
fn base64(octets: &[u8]) -> String {
    let mut text = Vec::new();
    encode_base64(octets, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Base64 in its one canonical form (R5802-7.2).
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    decode_base64(text).ok().map(|octets| octets.expose().to_vec())
}

/// A name as SCRAM and OAUTHBEARER write it: UTF-8, with "=2C" for a comma and "=3D" for "=" (R5802-5.1.1). `None` for an
/// empty name, one with NUL, or one that is not UTF-8.
pub(super) fn encode_name(name: &[u8]) -> Option<String> {
    let name = core::str::from_utf8(name).ok()?;
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    Some(name.replace('=', "=3D").replace(',', "=2C"))
}

/// The name that was meant. `None` when it is not written so.
pub(super) fn decode_name(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || text.contains(&0) || core::str::from_utf8(text).is_err() {
        return None;
    }
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [octet, tail @ ..] = rest {
        rest = match (octet, tail) {
            (b'=', [b'2', b'C', tail @ ..]) => {
                name.push(b',');
                tail
            }
            (b'=', [b'3', b'D', tail @ ..]) => {
                name.push(b'=');
                tail
            }
            (b'=', _) | (b',', _) => return None,
            _ => {
                name.push(*octet);
                tail
            }
        };
    }
    Some(name)
}

/// What follows the flag in a GS2 header: the authorization identity, if one is given.
fn header(flag: &str, authorization: Option<&[u8]>) -> Option<String> {
    Some(match authorization {
        None => format!("{flag},,"),
        Some(name) => format!("{flag},a={},", encode_name(name)?),
    })
}

#[cfg(test)]
pub(crate) mod tests;
