//! The keys that an issuer publishes: a JWK Set (RFC 7517 section 5), as far as its keys can sign tokens.

use serde_json::{Map, Value};

use super::algorithm::{Algorithm, PublicKey};
use super::jws::{decoded, object};

/// Keys that can check signatures; none else, and no secret ones.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The one algorithm that it is for, if it says so.
    algorithm: Option<String>,
    public: PublicKey,
}

impl KeySet {
    /// Reads a document. A key that is not understood, is for something else than signatures, or too weak, is left out: an
    /// issuer publishes what others need. At most 64 are kept.
    ///
    /// `None` when it is no JWK Set.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut document = object(text)?;
        let Value::Array(keys) = document.remove("keys")? else { return None };
        let keys = keys.iter().filter_map(Value::as_object).filter_map(Key::read).take(KEYS_MAX).collect();
        Some(Self { keys })
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing can be checked with them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether there is a key for such a token.
    #[must_use]
    pub fn has(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.fitting(algorithm, id).next().is_some()
    }

    /// Whether a key that is for such a token has signed it.
    #[must_use]
    pub fn has_signed(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> bool {
        self.fitting(algorithm, id).any(|key| key.public.has_signed(algorithm, signed, signature))
    }

    /// By name, where the token has one; else all that could be meant.
    fn fitting<'a>(&'a self, algorithm: Algorithm, id: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.keys.iter().filter(move |key| {
            let is_named = id.is_none_or(|id| key.id.as_deref() == Some(id));
            let is_meant =
                key.algorithm.as_deref().is_none_or(|name| Algorithm::named(name) == Some(algorithm));
            is_named && is_meant && key.public.family() == algorithm.family()
        })
    }
}

impl Key {
    fn read(members: &Map<String, Value>) -> Option<Self> {
        // A member that is not what it must be makes the whole key suspect.
        let text = |name: &str| match members.get(name) {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(text.as_str())),
            Some(_) => None,
        };
        let octets = |name: &str| decoded(text(name)??.as_bytes());
        if text("use")?.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        match members.get("key_ops") {
            None => {}
            Some(Value::Array(uses)) if uses.iter().any(|purpose| purpose == "verify") => {}
            Some(_) => return None,
        }
        let public = match (text("kty")??, text("crv")?) {
            ("RSA", _) => {
                let (modulus, exponent) = (number(octets("n")?)?, number(octets("e")?)?);
                if modulus.len() < RSA_OCTETS_MIN {
                    return None;
                }
                PublicKey::Rsa { modulus, exponent }
            }
            ("EC", Some("P-256")) => PublicKey::P256(point(&octets("x")?, &octets("y")?, 32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(&octets("x")?, &octets("y")?, 48)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(octets("x").filter(|point| point.len() == 32)?),
            _ => return None,
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Self { id: owned(text("kid")?), algorithm: owned(text("alg")?), public })
    }
}

/// Some write a zero in front, that it may not look negative.
fn number(mut octets: Vec<u8>) -> Option<Vec<u8>> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.drain(..zeros);
    (!octets.is_empty()).then_some(octets)
}

/// RFC 7518 section 6.2.1.2: both of the full length.
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    (x.len() == length && y.len() == length).then(|| [&[4], x, y].concat())
}

/// Issuers have two to five. Each may have to be tried for a token that names none.
const KEYS_MAX: usize = 64;

/// 2048 bits. What is shorter ring would refuse at each use.
const RSA_OCTETS_MIN: usize = 256;
