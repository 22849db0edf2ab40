//! PLAIN (RFC 4616): one message, `[authzid] NUL authcid NUL passwd`.

use alloc::vec::Vec;

use super::exchange::Invalid;
use super::{Credentials, Mechanism, Method};
use crate::secret::Secret;

/// The client's message for a login as `user`, acting as `authorization` if given. No part may hold NUL or (but for
/// the authorization identity) be empty, else the server cannot read it; `None` then.
#[must_use]
pub fn encode(authorization: Option<&[u8]>, user: &[u8], password: &Secret) -> Option<Secret> {
    let password = password.expose();
    let authorization = authorization.unwrap_or_default();
    // R4616-2.3
    let has_nul = [authorization, user, password].iter().any(|part| part.contains(&0));
    if user.is_empty() || password.is_empty() || has_nul {
        return None;
    }
    // R4616-2.1. Made in one allocation, so that no copy of the password is left behind.
    let mut message = Vec::with_capacity(authorization.len() + user.len() + password.len() + 2);
    message.extend_from_slice(authorization);
    message.push(0);
    message.extend_from_slice(user);
    message.push(0);
    message.extend_from_slice(password);
    Some(Secret::new(message))
}

/// Reads the client's message.
pub(super) fn decode(message: &[u8]) -> Result<Credentials, Invalid> {
    // R4616-2.3: exactly two NULs. Lengths are bounded by the line alone, so 255 octets each are taken (R4616-2.2).
    let mut parts = message.split(|&octet| octet == 0);
    let (Some(authorization), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Invalid::Syntax);
    };
    if user.is_empty() || password.is_empty() {
        return Err(Invalid::Credentials);
    }
    Ok(Credentials::Password {
        user: user.to_vec(),
        authorization: (!authorization.is_empty()).then(|| authorization.to_vec()),
        password: Secret::new(password.to_vec()),
        method: Method::Sasl(Mechanism::Plain),
    })
}
