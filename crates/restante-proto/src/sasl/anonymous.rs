//! ANONYMOUS (RFC 4505): a login as nobody in particular. One message: what the client tells of itself, for the log.

use super::Credentials;
use super::exchange::Invalid;

/// Reads the client's message. Which way a text is written is the client's affair; here it only has to be fit for a log.
pub(super) fn decode(message: &[u8]) -> Result<Credentials, Invalid> {
    match core::str::from_utf8(message) {
        Ok(trace) if is_short(trace) && !trace.chars().any(is_prohibited) => {
            Ok(Credentials::Anonymous { trace: message.to_vec() })
        }
        _ => Err(Invalid::Syntax),
    }
}

/// Whether a client may send this: prepared as RFC 4505 section 3 says. Text with letters of right-to-left scripts, which
/// would have to be looked at more closely, is none: a trace is a mail address or a word for an administrator.
#[must_use]
pub fn is_trace(trace: &[u8]) -> bool {
    // R4505-2.1, R4505-3.1
    core::str::from_utf8(trace).is_ok_and(|trace| {
        is_short(trace) && !trace.chars().any(|c| is_prohibited(c) || is_of_right_to_left_script(c))
    })
}

/// R4505-2.1: a word without "@" has at most 255 characters; no mail address that works has more.
fn is_short(trace: &str) -> bool {
    trace.chars().count() <= 255
}

/// RFC 3454, tables C.2.1, C.2.2, C.3, C.4, C.6, C.8 and C.9. A `char` is no surrogate (C.5).
fn is_prohibited(c: char) -> bool {
    let is_no_character = (c as u32) & 0xFFFE == 0xFFFE;
    c.is_control()
        || is_no_character
        || matches!(
            c,
            // C.2.2 beyond the control characters of ISO 6429
            '\u{6DD}' | '\u{70F}' | '\u{180E}' | '\u{200C}' | '\u{200D}' | '\u{2028}' | '\u{2029}'
                | '\u{2060}'..='\u{2063}' | '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFC}'
                | '\u{1D173}'..='\u{1D17A}'
            // C.3
                | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}'
            // C.4
                | '\u{FDD0}'..='\u{FDEF}'
            // C.6
                | '\u{FFFD}'
            // C.8
                | '\u{340}' | '\u{341}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
            // C.9
                | '\u{E0001}' | '\u{E0020}'..='\u{E007F}'
        )
}

/// The blocks that hold every character of RFC 3454, table D.1, and those that Unicode has given to such scripts since.
const fn is_of_right_to_left_script(c: char) -> bool {
    matches!(
        c,
        '\u{590}'..='\u{8FF}'
            | '\u{FB1D}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFF}'
            | '\u{10800}'..='\u{10FFF}'
            | '\u{1E800}'..='\u{1EFFF}'
    )
}
