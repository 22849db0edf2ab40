//! Whole dialogues as text: `C:` lines are sent, `S:` lines are awaited and compared.
//!
//! ```text
//! C: USER alice
//! S: +OK{any}
//! C: LIST
//! S: +OK{any}
//! S: 1 {number}
//! S: .
//! ```
//! In an `S:` line `{any}` stands for any octets (also none) and `{number}` for a decimal number without leading zeros.

use crate::peer::Peer;

/// Plays `script` on `peer`.
///
/// # Panics
/// When a line of the server does not fit, with the dialogue so far.
pub fn play(peer: &mut Peer, script: &str) {
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(command) = said_by("C:", line) {
            peer.send(format!("{command}\r\n").as_bytes());
        } else if let Some(pattern) = said_by("S:", line) {
            let octets = peer.line();
            let reply = String::from_utf8_lossy(&octets).into_owned();
            assert!(fits(pattern, &reply), "wanted {pattern:?}, got {reply:?}\n{}", peer.transcript());
        } else {
            panic!("a script line begins with C: or S:, not {line:?}");
        }
    }
}

/// Whether `text` is what `pattern` describes.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.find("{any}"), pattern.find("{number}")) {
        (None, None) => pattern == text,
        (Some(any), number) if number.is_none_or(|number| any < number) => {
            let (before, after) = (&pattern[..any], &pattern[any + "{any}".len()..]);
            let Some(rest) = text.strip_prefix(before) else { return false };
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
        }
        (_, Some(number)) => {
            let (before, after) = (&pattern[..number], &pattern[number + "{number}".len()..]);
            let Some(rest) = text.strip_prefix(before) else { return false };
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            is_number(&rest[..digits]) && fits(after, &rest[digits..])
        }
        (Some(_), None) => unreachable!("the first arm takes every pattern whose first mark is {{any}}"),
    }
}

/// Whether `text` is a decimal number as POP3 writes it: digits, no sign, no leading zero.
#[must_use]
pub fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

fn said_by<'a>(who: &str, line: &'a str) -> Option<&'a str> {
    let rest = line.strip_prefix(who)?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_what_they_say() {
        assert!(fits("+OK{any}", "+OK"));
        assert!(fits("+OK{any}", "+OK hello"));
        assert!(fits("+OK {number} {number}", "+OK 2 320"));
        assert!(fits("{any} {number}.", "a b 12."));
        assert!(!fits("+OK {number} {number}", "+OK 2 0320"));
        assert!(!fits("+OK {number} {number}", "+OK 2 320 "));
        assert!(!fits("+OK", "+OK "));
        assert!(!fits("1 {number}", "1 "));
    }
}
