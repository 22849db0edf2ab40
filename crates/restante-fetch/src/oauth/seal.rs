//! The seal of a grant's file: ChaCha20-Poly1305 under a key of its own for every writing.
//!
//! | octets | hold |
//! |---|---|
//! | 0 to 7 | `RSTOKEN1` |
//! | 8 | where the key comes from: 0 a key file, 1 a secret that `token_key` names |
//! | 9 to 24 | salt |
//! | 25 … | ciphertext, 16 octets of tag |
//!
//! The key is made from that secret and the salt, by HKDF-SHA256 for a key file and by PBKDF2-HMAC-SHA256 for what a person may have
//! thought of. The salt is new whenever the file is written, so no key is used twice, and the nonce is zero. The header and the
//! account's name are authenticated: the file of one account does not open as that of another.

use restante_proto::secret::Secret;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, pbkdf2};

use super::error::TokenError;

/// What files are sealed with.
#[derive(Debug)]
pub(super) enum Key {
    /// Octets of chance.
    File(Secret),
    /// What a person or a program has told.
    Told(Secret),
}

/// Why a file cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unopened;

/// Seals. `chance` has to be new each time.
pub(super) fn seal(
    key: &Key,
    chance: [u8; SALT_OCTETS],
    account: &str,
    plain: &Secret,
) -> Result<Vec<u8>, TokenError> {
    let mut sealed = Vec::with_capacity(HEADER_OCTETS + plain.expose().len() + CHACHA20_POLY1305.tag_len());
    sealed.extend_from_slice(MAGIC);
    sealed.push(key.kind());
    sealed.extend_from_slice(&chance);
    let aad = aad(&sealed, account);
    let mut text = Vec::with_capacity(plain.expose().len() + CHACHA20_POLY1305.tag_len());
    text.extend_from_slice(plain.expose());
    // It fails for a text of 256 GiB.
    key.derived(&chance)
        .and_then(|derived| derived.seal_in_place_append_tag(nonce(), Aad::from(aad), &mut text).ok())
        .ok_or(TokenError::NoChance)?;
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

/// Opens, if it is whole, of this account, and sealed with this key.
pub(super) fn open(key: &Key, account: &str, sealed: &[u8]) -> Result<Secret, Unopened> {
    let (header, text) = sealed.split_at_checked(HEADER_OCTETS).ok_or(Unopened)?;
    let rest = header.strip_prefix(MAGIC.as_slice()).ok_or(Unopened)?;
    let (kind, salt) = rest.split_first().ok_or(Unopened)?;
    if *kind != key.kind() {
        return Err(Unopened);
    }
    let derived = key.derived(salt).ok_or(Unopened)?;
    let mut text = text.to_vec();
    let length = derived
        .open_in_place(nonce(), Aad::from(aad(header, account)), &mut text)
        .map(|plain| plain.len())
        .map_err(|_| Unopened)?;
    text.truncate(length);
    Ok(Secret::new(text))
}

impl Key {
    const fn kind(&self) -> u8 {
        match self {
            Self::File(_) => 0,
            Self::Told(_) => 1,
        }
    }

    /// The key of one writing.
    fn derived(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let unbound = match self {
            Self::File(secret) => {
                let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret.expose());
                UnboundKey::from(extracted.expand(&[MAGIC], &CHACHA20_POLY1305).ok()?)
            }
            Self::Told(secret) => {
                let mut octets = vec![0; CHACHA20_POLY1305.key_len()];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, secret.expose(), &mut octets);
                let octets = Secret::new(octets);
                UnboundKey::new(&CHACHA20_POLY1305, octets.expose()).ok()?
            }
        };
        Some(LessSafeKey::new(unbound))
    }
}

fn aad(header: &[u8], account: &str) -> Vec<u8> {
    [header, account.as_bytes()].concat()
}

/// A key is used once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

const MAGIC: &[u8; 8] = b"RSTOKEN1";
/// No two of ten thousand million writings share a salt with a chance of less than one in 10¹⁸.
pub(super) const SALT_OCTETS: usize = 16;
const HEADER_OCTETS: usize = 8 + 1 + SALT_OCTETS;
/// A tenth of a second: what OWASP advises for this function.
const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(600_000).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_account_only() {
        for (key, same, other) in [
            (Key::File(secret("k")), Key::File(secret("k")), Key::File(secret("l"))),
            (Key::Told(secret("k")), Key::Told(secret("k")), Key::File(secret("k"))),
        ] {
            let sealed = seal(&key, [7; SALT_OCTETS], "work", &secret("token")).unwrap();
            assert!(!sealed.windows(5).any(|window| window == b"token"));
            assert_eq!(open(&same, "work", &sealed).unwrap().expose(), b"token");
            assert_eq!(open(&same, "home", &sealed).unwrap_err(), Unopened);
            assert_eq!(open(&other, "work", &sealed).unwrap_err(), Unopened);
        }
    }

    #[test]
    fn no_changed_or_cut_file_opens() {
        let key = Key::File(secret("k"));
        let sealed = seal(&key, [7; SALT_OCTETS], "work", &secret("token")).unwrap();
        for at in 0..sealed.len() {
            assert!(open(&key, "work", &sealed[..at]).is_err(), "cut at {at}");
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&key, "work", &changed).is_err(), "changed at {at}");
        }
        assert!(open(&key, "work", &[sealed, vec![0]].concat()).is_err());
    }
}
