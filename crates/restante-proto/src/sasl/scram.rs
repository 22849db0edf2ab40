//! SCRAM (RFC 5802, RFC 7677): both sides show that they know the password, or what was made of it, and neither says it.

use alloc::vec::Vec;

use super::{ServerSignature, encode_base64};

/// The server's last message: its signature (R5802-3.1).
#[must_use]
pub fn server_final(signature: &ServerSignature) -> Vec<u8> {
    let mut message = b"v=".to_vec();
    encode_base64(&signature.0, &mut message);
    message
}
