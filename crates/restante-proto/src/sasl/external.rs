//! EXTERNAL (RFC 4422 appendix A): who it is, something else has shown already; here the certificate of the TLS client.
//! One message: as whom to act, or nothing.

use super::Credentials;
use super::exchange::Invalid;

/// Reads the client's message (R4422-A.1.1).
pub(super) fn decode(message: &[u8]) -> Result<Credentials, Invalid> {
    if !is_identity(message) {
        return Err(Invalid::Syntax);
    }
    let authorization = (!message.is_empty()).then(|| message.to_vec());
    Ok(Credentials::External { authorization })
}

/// Whether this can be sent as an authorization identity; nothing can, and leaves it to follow from the certificate.
#[must_use]
pub fn is_identity(message: &[u8]) -> bool {
    core::str::from_utf8(message).is_ok() && !message.contains(&0)
}
