//! OAUTHBEARER (RFC 7628) and XOAUTH2: a bearer token in one message, and the challenge that says why it was refused.

use alloc::vec::Vec;

use super::TokenHint;

/// The challenge after a token that was refused: JSON, the same for both mechanisms (R7628-3.2.2.1,
/// XOAUTH2-Google.2). To the client it is always the token that is wrong.
#[must_use]
pub fn refusal(hint: &TokenHint) -> Vec<u8> {
    let mut json = br#"{"status":"invalid_token","schemes":"bearer""#.to_vec();
    let members = [("scope", &hint.scope), ("openid-configuration", &hint.openid_configuration)];
    for (name, value) in members {
        let Some(value) = value else { continue };
        json.extend_from_slice(b",\"");
        json.extend_from_slice(name.as_bytes());
        json.extend_from_slice(b"\":\"");
        json_text(value, &mut json);
        json.push(b'"');
    }
    json.push(b'}');
    json
}

/// RFC 8259 section 7. What is a control character here is a mistake in a configuration, and left out.
fn json_text(text: &str, output: &mut Vec<u8>) {
    for octet in text.bytes().filter(|octet| !octet.is_ascii_control()) {
        if matches!(octet, b'"' | b'\\') {
            output.push(b'\\');
        }
        output.push(octet);
    }
}
