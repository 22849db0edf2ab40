//! One field of a header that was read: for XLST, which shows it beside the message-number.

use alloc::vec::Vec;

use memchr::memchr;

/// The first field of this name in `header`, on one line as `Name: value`, at most [`LINE_OCTETS_MAX`] octets. The header is in its
/// stored form, with LF or CR LF, and may go on into the body or be cut off: what follows the blank line is not looked at. Names
/// are compared without regard to case. Folding is taken off: each line end with the white space behind it is one space.
#[must_use]
pub fn find(header: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut rest = header;
    let mut found: Option<Vec<u8>> = None;
    while !rest.is_empty() {
        let (line, behind) = match memchr(b'\n', rest) {
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default()),
            None => (rest, &[][..]),
        };
        rest = behind;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        match &mut found {
            Some(field) if is_folded => {
                field.push(b' ');
                field.extend_from_slice(line.trim_ascii());
            }
            Some(_) => break,
            None if !is_folded && is_named(line, name) => found = Some(line.to_vec()),
            None => {}
        }
        if found.as_ref().is_some_and(|field| field.len() >= LINE_OCTETS_MAX) {
            break;
        }
    }
    found.map(|mut field| {
        field.truncate(LINE_OCTETS_MAX);
        field
    })
}

/// The name, white space that old programs put in, and the colon.
fn is_named(line: &[u8], name: &[u8]) -> bool {
    let Some((start, rest)) = line.split_at_checked(name.len()) else { return false };
    start.eq_ignore_ascii_case(name) && rest.trim_ascii_start().starts_with(b":")
}

/// What a line of mail may have (RFC 5322 section 2.1.1).
pub const LINE_OCTETS_MAX: usize = 998;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_whole_and_on_one_line() {
        let header = b"Received: x\r\n\tby y\r\nsubject : a\n  b\r\n\tc\nSubject: two\n\nSubject: body\n";
        assert_eq!(find(header, b"Subject").unwrap(), b"subject : a b c");
        assert_eq!(find(header, b"RECEIVED").unwrap(), b"Received: x by y");
        assert_eq!(find(header, b"Sub"), None);
        assert_eq!(find(b"A: 1\n\nSubject: body\n", b"subject"), None);
        assert_eq!(find(b"Subject: cut off", b"subject").unwrap(), b"Subject: cut off");
        assert_eq!(find(b"", b"subject"), None);
        assert_eq!(find(b" Subject: folded first\n", b"subject"), None);
    }

    #[test]
    fn a_long_field_is_cut() {
        let header = [&b"X: "[..], &[b'a'; 600], b"\n ", &[b'b'; 600], b"\n ", &[b'c'; 600]].concat();
        assert_eq!(find(&header, b"x").unwrap().len(), LINE_OCTETS_MAX);
    }
}
