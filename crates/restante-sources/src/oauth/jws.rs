//! A signed token as it comes: three parts, two of them JSON (RFC 7515 section 7.1, RFC 7519).
//!
//! Strict, because whoever sends it is a stranger until the signature was checked: one form of base64, objects whose members come
//! once, no extension that is not understood. What is in it is believed by nobody yet.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A token, taken apart.
#[derive(Debug)]
pub struct Jws<'a> {
    /// What is signed: the first two parts and the dot between them.
    pub signed: &'a [u8],
    /// The algorithm, as the header calls it.
    pub algorithm: String,
    /// Which of the issuer's keys has signed it, if the header says so.
    pub key_id: Option<String>,
    /// What kind of token it says it is.
    pub kind: Option<String>,
    /// The claims.
    pub claims: Map<String, Value>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes `token` apart; `None` when it is no signed token of this form. Looks at no signature.
    #[must_use]
    pub fn parse(token: &'a [u8]) -> Option<Self> {
        if token.len() > TOKEN_OCTETS_MAX {
            return None;
        }
        let mut dots = token.iter().enumerate().filter(|(_, octet)| **octet == b'.').map(|(index, _)| index);
        let (first, second) = (dots.next()?, dots.next()?);
        if dots.next().is_some() {
            return None;
        }
        let (signed, signature) = (token.get(..second)?, token.get(second + 1..)?);
        let (header, claims) = (token.get(..first)?, token.get(first + 1..second)?);
        let mut header = object(&decoded(header)?)?;
        // RFC 7515 section 4.1.11: what must be understood is not. The others would make the claims something else than they are.
        if ["crit", "enc", "zip", "b64", "cty"].iter().any(|name| header.contains_key(*name)) {
            return None;
        }
        let mut text = |name: &str| match header.remove(name) {
            None => Some(None),
            Some(Value::String(text)) if text.len() <= NAME_OCTETS_MAX => Some(Some(text)),
            Some(_) => None,
        };
        let (algorithm, key_id, kind) = (text("alg")??, text("kid")?, text("typ")?);
        let claims = object(&decoded(claims)?)?;
        Some(Self { signed, algorithm, key_id, kind, claims, signature: decoded(signature)? })
    }
}

/// RFC 7515 section 2: without padding. What could be written in two ways is refused.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// A JSON object; `None` for anything else, and when a member comes twice (RFC 7515 section 4, RFC 7519 section 4): another
/// reader may have looked at the other one.
pub(super) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice::<Object>(text).ok().map(|Object(map)| map)
}

struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(map)
    }
}

/// Tokens with hundreds of groups have 8 KiB.
pub const TOKEN_OCTETS_MAX: usize = 16 * 1024;

/// Of an algorithm, a key and a type; the longest in use are digests in hexadecimal.
const NAME_OCTETS_MAX: usize = 256;

#[cfg(test)]
mod tests;
