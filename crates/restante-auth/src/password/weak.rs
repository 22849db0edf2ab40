//! Forms of secrets that are read for the sake of installations that still have them: all rest on MD5 or MD4, of which a graphics
//! card computes thousands of millions a second. They open accounts only where the operator has said so.
//!
//! What is not here is broken beyond use: DES-CRYPT and LANMAN look at 8 or 14 characters of a password and are reversed by brute
//! force; OTP and SKEY are for a kind of login that nobody speaks; DIGEST-MD5 and RPA as well.

use std::fmt;

use md4::Md4;
use md5::Md5;
use md5::block_api::Md5Core;
use md5::digest::Digest;
use md5::digest::block_api::{Block, UpdateCore};
use md5::digest::common::hazmat::SerializableState;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret in a weak form.
#[derive(Clone)]
pub(crate) struct Weak {
    pub(super) kind: Kind,
    pub(super) digest: Zeroizing<Vec<u8>>,
    /// Empty where there is none.
    pub(super) salt: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// MD5 of password and salt: PLAIN-MD5, LDAP-MD5, SMD5.
    Md5,
    /// MD4 of the password: PLAIN-MD4.
    Md4,
    /// MD4 of the password in UTF-16: NTLM.
    Ntlm,
    /// `$1$`: a thousand rounds of MD5.
    Md5Crypt,
    /// CRAM-MD5: what HMAC-MD5 has come to when it has seen the key, outer half first.
    CramMd5,
}

impl Kind {
    /// Octets of the digest.
    pub(super) fn octets(self) -> usize {
        match self {
            Self::Md5 | Self::Md4 | Self::Ntlm => 16,
            Self::Md5Crypt => MD5_CRYPT_CHARACTERS,
            Self::CramMd5 => 32,
        }
    }
}

impl Weak {
    /// Whether `password` is the one. Takes as long for a wrong password as for the right one.
    pub(super) fn fits(&self, password: &[u8]) -> bool {
        let digest = match self.kind {
            Kind::Md5 => {
                Zeroizing::new(Md5::new().chain_update(password).chain_update(&self.salt).finalize().to_vec())
            }
            Kind::Md4 => Zeroizing::new(Md4::digest(password).to_vec()),
            // What is no text has no such hash.
            Kind::Ntlm => match std::str::from_utf8(password) {
                Ok(text) => ntlm(text),
                Err(_) => return false,
            },
            Kind::Md5Crypt => md5_crypt(password, &self.salt),
            Kind::CramMd5 => hmac_contexts(password),
        };
        digest.ct_eq(self.digest.as_slice()).into()
    }
}

impl fmt::Debug for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weak({:?})", self.kind)
    }
}

fn ntlm(password: &str) -> Zeroizing<Vec<u8>> {
    let wide: Zeroizing<Vec<u8>> =
        Zeroizing::new(password.encode_utf16().flat_map(u16::to_le_bytes).collect());
    Zeroizing::new(Md4::digest(wide.as_slice()).to_vec())
}

/// The two states of MD5 behind the padded key of HMAC (RFC 2104), as Dovecot stores them.
fn hmac_contexts(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new([0_u8; HMAC_BLOCK_OCTETS]);
    // RFC 2104 section 2: a longer key is hashed first.
    let hashed: Zeroizing<Vec<u8>>;
    let material = if password.len() > HMAC_BLOCK_OCTETS {
        hashed = Zeroizing::new(Md5::digest(password).to_vec());
        hashed.as_slice()
    } else {
        password
    };
    key.iter_mut().zip(material).for_each(|(octet, of_key)| *octet = *of_key);
    let mut contexts = Zeroizing::new(Vec::with_capacity(2 * MD5_OCTETS));
    for pad in [HMAC_OUTER, HMAC_INNER] {
        let padded = Zeroizing::new(key.map(|octet| octet ^ pad));
        let mut core = Md5Core::default();
        core.update_blocks(&[Block::<Md5Core>::from(*padded)]);
        // The state in little-endian words, then the number of blocks.
        contexts.extend(core.serialize().iter().take(MD5_OCTETS));
    }
    contexts
}

/// The 22 characters of `$1$salt$…`. Poul-Henning Kamp's algorithm of 1994; a salt has at most eight characters.
fn md5_crypt(password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
    let once = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut first = Md5::new().chain_update(password).chain_update(b"$1$").chain_update(salt);
    for start in (0..password.len()).step_by(MD5_OCTETS) {
        let octets = (password.len() - start).min(MD5_OCTETS);
        first.update(once.get(..octets).unwrap_or(&once));
    }
    let mut bits = password.len();
    while bits > 0 {
        // What was meant was the hash so far; what everybody computes is this.
        first.update(if bits & 1 == 1 { b"\0" } else { password.get(..1).unwrap_or_default() });
        bits >>= 1;
    }
    let mut digest = first.finalize();
    for round in 0..MD5_CRYPT_ROUNDS {
        let (mut hash, is_odd) = (Md5::new(), round % 2 == 1);
        hash.update(if is_odd { password } else { digest.as_slice() });
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        hash.update(if is_odd { digest.as_slice() } else { password });
        digest = hash.finalize();
    }
    let octet = |index: usize| u32::from(digest.get(index).copied().unwrap_or_default());
    let mut text = Zeroizing::new(Vec::with_capacity(MD5_CRYPT_CHARACTERS));
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        push_crypt64(&mut text, octet(high) << 16 | octet(middle) << 8 | octet(low), 4);
    }
    push_crypt64(&mut text, octet(11), 2);
    text
}

/// Six bits a character, the lowest first.
fn push_crypt64(text: &mut Vec<u8>, mut value: u32, characters: usize) {
    for _ in 0..characters {
        let index = usize::try_from(value & 0x3f).unwrap_or_default();
        text.extend(CRYPT64.get(index));
        value >>= 6;
    }
}

/// The alphabet of crypt(3).
pub(super) const CRYPT64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const MD5_OCTETS: usize = 16;
const MD5_CRYPT_CHARACTERS: usize = 22;
const MD5_CRYPT_ROUNDS: u32 = 1000;
const HMAC_BLOCK_OCTETS: usize = 64;
const HMAC_OUTER: u8 = 0x5c;
const HMAC_INNER: u8 = 0x36;
