//! OAUTHBEARER (RFC 7628) and XOAUTH2: a bearer token in one message, and the challenge that says why it was refused.
//!
//! XOAUTH2 is what large providers had before the RFC. It differs in how the message begins and in how the client
//! answers the refusal; everything behind that is the same.

use alloc::string::String;
use alloc::vec::Vec;

use super::exchange::Invalid;
use super::scram::{decode_name, encode_name};
use super::{Credentials, Mechanism, Method, TokenTerms};
use crate::secret::Secret;

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OAUTHBEARER.
    Bearer,
    /// XOAUTH2.
    XOAuth2,
}

/// Reads the client's message.
pub(super) fn decode(form: Form, message: &[u8], terms: &TokenTerms) -> Result<Credentials, Invalid> {
    let (mut user, pairs) = match form {
        Form::Bearer => decode_header(message)?,
        Form::XOAuth2 => (None, message),
    };
    // R7628-3.1.1: each pair ends with a separator, and one more ends them all.
    let pairs = pairs.strip_suffix(b"\x01\x01").ok_or(Invalid::Syntax)?;
    let mut authorization = None;
    for pair in pairs.split(|&octet| octet == 1).filter(|pair| !pair.is_empty()) {
        let end = pair.iter().position(|&octet| octet == b'=').ok_or(Invalid::Syntax)?;
        let (key, value) = pair.split_at(end);
        let value = value.strip_prefix(b"=").unwrap_or_default();
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
            return Err(Invalid::Syntax);
        }
        match key {
            b"auth" if authorization.is_some() => return Err(Invalid::Syntax),
            b"auth" => authorization = Some(value),
            // R7628-3.2.1
            b"host" if !terms.knows_host(value) => return Err(Invalid::Token),
            b"user" if form == Form::XOAuth2 => user = Some(value.to_vec()),
            // R7628-3.1.2
            _ => {}
        }
    }
    if form == Form::XOAuth2 && user.as_ref().is_none_or(Vec::is_empty) {
        return Err(Invalid::Credentials);
    }
    let token = decode_token(authorization.ok_or(Invalid::Syntax)?)?;
    Ok(Credentials::Token { user, token, method: form.method() })
}

impl Form {
    /// As a way to log in.
    #[must_use]
    pub const fn method(self) -> Method {
        Method::Sasl(match self {
            Self::Bearer => Mechanism::OAuthBearer,
            Self::XOAuth2 => Mechanism::XOAuth2,
        })
    }

    /// What a client answers to the challenge that refuses its token, before base64 (R7628-3.2.3.1, XOAUTH2-Google.3).
    #[must_use]
    pub const fn dummy(self) -> &'static [u8] {
        match self {
            Self::Bearer => b"\x01",
            Self::XOAuth2 => b"",
        }
    }
}

/// The client's message of OAUTHBEARER (R7628-3.1.1). `user` may be left out when the token says who it is; `endpoint` is
/// the host and port that the connection goes to. `None` when something in it cannot be said.
#[must_use]
pub fn bearer(user: Option<&[u8]>, endpoint: Option<(&str, u16)>, token: &Secret) -> Option<Secret> {
    let mut head = String::from("n,");
    if let Some(user) = user {
        // A separator in the name would begin pairs of its own, another token among them.
        if user.iter().any(u8::is_ascii_control) {
            return None;
        }
        head.push_str("a=");
        head.push_str(&encode_name(user)?);
    }
    head.push_str(",\x01");
    if let Some((host, port)) = endpoint {
        if !host.bytes().all(|octet| octet.is_ascii_graphic()) {
            return None;
        }
        head.push_str(&alloc::format!("host={host}\x01port={port}\x01"));
    }
    message(head.as_bytes(), token)
}

/// The client's message of XOAUTH2 (XOAUTH2-Google.1). `None` when something in it cannot be said.
#[must_use]
pub fn xoauth2(user: &[u8], token: &Secret) -> Option<Secret> {
    if user.is_empty() || user.iter().any(|octet| octet.is_ascii_control()) {
        return None;
    }
    message(&[b"user=", user, b"\x01"].concat(), token)
}

/// The challenge after a token that was refused: JSON, the same for both mechanisms (R7628-3.2.2.1,
/// XOAUTH2-Google.2). To the client it is always the token that is wrong.
#[must_use]
pub fn refusal(terms: &TokenTerms) -> Vec<u8> {
    let mut json = br#"{"status":"invalid_token","schemes":"bearer""#.to_vec();
    let members = [("scope", &terms.scope), ("openid-configuration", &terms.openid_configuration)];
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

/// Reads the GS2 header up to the first separator: who, and what follows. There is no binding to a channel here.
fn decode_header(message: &[u8]) -> Result<(Option<Vec<u8>>, &[u8]), Invalid> {
    let end = message.iter().position(|&octet| octet == 1).ok_or(Invalid::Syntax)?;
    let (header, pairs) = message.split_at(end);
    let name = header.strip_prefix(b"n,").or_else(|| header.strip_prefix(b"y,"));
    let name = name.and_then(|name| name.strip_suffix(b",")).ok_or(Invalid::Syntax)?;
    let user = match name {
        [] => None,
        [b'a', b'=', name @ ..] => Some(decode_name(name).ok_or(Invalid::Syntax)?),
        _ => return Err(Invalid::Syntax),
    };
    Ok((user, pairs))
}

/// The token of an Authorization field. An empty field, or one of another scheme, is a token that is refused: that is how
/// a client finds out what is wanted.
fn decode_token(authorization: &[u8]) -> Result<Secret, Invalid> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = authorization.split_at_checked(SCHEME.len()).ok_or(Invalid::Token)?;
    let token = token.trim_ascii();
    // R7628-4.1
    if !scheme.eq_ignore_ascii_case(SCHEME) || token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Invalid::Token);
    }
    Ok(Secret::new(token.to_vec()))
}

/// `head`, the token and the end, in one allocation, so that no copy of the token is left behind.
fn message(head: &[u8], token: &Secret) -> Option<Secret> {
    const AUTH: &[u8] = b"auth=Bearer ";
    const END: &[u8] = b"\x01\x01";
    let token = token.expose();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let mut message = Vec::with_capacity(head.len() + AUTH.len() + token.len() + END.len());
    for part in [head, AUTH, token, END] {
        message.extend_from_slice(part);
    }
    Some(Secret::new(message))
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

#[cfg(test)]
mod tests;
