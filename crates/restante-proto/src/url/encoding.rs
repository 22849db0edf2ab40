//! Percent-encoding of user names and mechanisms in a POP URL (RFC 1738 section 2.2, RFC 2384 section 8).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::UrlError;

/// Prints a text as `achar`s.
pub(super) struct Encoded<'a>(pub(super) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &octet in self.0.as_bytes() {
            if is_achar(octet) {
                write!(out, "{}", char::from(octet))?;
            } else {
                write!(out, "%{octet:02X}")?;
            }
        }
        Ok(())
    }
}

/// Undoes the encoding. Strict: an octet that should be encoded and is not is a `fault`, and so is nothing at all.
pub(super) fn decode(text: &str, fault: UrlError) -> Result<String, UrlError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else { return Err(UrlError::Percent) };
            octets.push(u8::try_from(high << 4 | low).map_err(|_| UrlError::Percent)?);
        } else if is_achar(octet) {
            octets.push(octet);
        } else {
            return Err(fault);
        }
    }
    let decoded = String::from_utf8(octets).map_err(|_| UrlError::NotUtf8)?;
    if decoded.chars().any(char::is_control) {
        return Err(UrlError::Control);
    }
    if decoded.is_empty() { Err(fault) } else { Ok(decoded) }
}

/// `achar = uchar / "&" / "=" / "~"`, without the escapes; `uchar` is RFC 1738's (R2384-8.2).
const fn is_achar(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            // safe
            b'$' | b'-' | b'_' | b'.' | b'+'
            // extra
            | b'!' | b'*' | b'\'' | b'(' | b')' | b','
            // RFC 2384
            | b'&' | b'=' | b'~'
        )
}
