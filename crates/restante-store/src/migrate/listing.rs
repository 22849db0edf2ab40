//! Our own listing: what one server shows, as lines of text that any program can write. Export writes it, and import takes
//! it for servers that are not known here.
//!
//! ```text
//! restante-listing 1
//! <number> <octets> <unique-id> <digest> <file name>
//! ```
//!
//! `-` stands for what is not known; number and unique-id always are. Lines come in the order of their numbers, which grow.
//! The digest is that of [`super::header::digest`] in hexadecimal digits. In unique-ids and file names `%` and what is not
//! visible ASCII is written as `%` and two hexadecimal digits; a unique-id `-` is written `%2D`. Lines that begin with `#`
//! are remarks.

use super::{FormatError, Shown, base_name, hex, lines, number, unhex};

/// Reads a listing.
///
/// # Errors
/// When a line is not as it should be.
pub fn parse(file: &[u8]) -> Result<Vec<Shown>, FormatError> {
    let mut lines = lines(file).filter(|(_, line)| !line.starts_with(b"#"));
    if lines.next().map(|(_, line)| line) != Some(HEADER) {
        return Err(FormatError::new(1, "it does not begin with 'restante-listing 1'"));
    }
    let (mut listing, mut last) = (Vec::new(), 0_u64);
    for (at, line) in lines {
        let (number, shown) = entry(line)
            .ok_or_else(|| FormatError::new(at, "it is not 'NUMBER OCTETS UNIQUE-ID DIGEST FILE'"))?;
        if number <= last {
            return Err(FormatError::new(at, "the numbers do not grow"));
        }
        last = number;
        listing.push(shown);
    }
    Ok(listing)
}

/// Writes a listing.
#[must_use]
pub fn write<'a>(listing: impl Iterator<Item = &'a Shown>) -> Vec<u8> {
    let mut file = [HEADER, b"\n"].concat();
    for (number, shown) in (1_u64..).zip(listing) {
        let octets = shown.octets.map_or_else(|| "-".to_owned(), |octets| octets.to_string());
        file.extend_from_slice(format!("{number} {octets} ").as_bytes());
        file.extend(escaped(&shown.unique_id));
        file.push(b' ');
        file.extend(shown.digest.map_or_else(|| b"-".to_vec(), |digest| hex(&digest)));
        file.push(b' ');
        file.extend(shown.name.as_deref().map_or_else(|| b"-".to_vec(), escaped));
        file.push(b'\n');
    }
    file
}

fn entry(line: &[u8]) -> Option<(u64, Shown)> {
    let words: Vec<&[u8]> = line.split(|&octet| octet == b' ').collect();
    let &[at, octets, unique_id, digest, name] = words.as_slice() else { return None };
    let shown = Shown {
        name: known(name, |name| Some(base_name(&plain(name)?).to_vec()))?,
        unique_id: known(unique_id, plain)??,
        is_by_rule: false,
        octets: known(octets, number)?,
        digest: known(digest, |digits| unhex(digits)?.try_into().ok())?,
    };
    Some((number(at)?, shown))
}

/// What a word says; `None` when that is wrong, `Some(None)` when it is not known.
fn known<T>(word: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    match word {
        b"-" => Some(None),
        word => read(word).map(Some),
    }
}

fn escaped(octets: &[u8]) -> Vec<u8> {
    if octets == b"-" {
        return b"%2D".to_vec();
    }
    let mut escaped = Vec::with_capacity(octets.len());
    for &octet in octets {
        if octet.is_ascii_graphic() && octet != b'%' {
            escaped.push(octet);
        } else {
            escaped.extend_from_slice(format!("%{octet:02X}").as_bytes());
        }
    }
    escaped
}

/// Takes the escapes out; `None` when one is broken or nothing is left.
fn plain(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut pieces = escaped.split(|&octet| octet == b'%');
    let mut plain = pieces.next()?.to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        plain.extend(unhex(digits)?);
        plain.extend_from_slice(rest);
    }
    (!plain.is_empty()).then_some(plain)
}

const HEADER: &[u8] = b"restante-listing 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let listing = vec![
            Shown {
                name: Some(b"1.a b%".to_vec()),
                unique_id: b"UID1-2".to_vec(),
                octets: Some(17),
                digest: Some([0xab; 32]),
                is_by_rule: false,
            },
            Shown { name: Some(b"-".to_vec()), unique_id: b"-".to_vec(), ..Shown::default() },
            Shown { unique_id: b"a b\n".to_vec(), ..Shown::default() },
        ];
        let file = write(listing.iter());
        assert_eq!(parse(&file).unwrap(), listing, "{}", file.escape_ascii());
        assert_eq!(parse(b"restante-listing 1\n").unwrap(), []);
        let flags = parse(b"restante-listing 1\n# a remark\n3 - x - 1.a:2,S\n").unwrap();
        assert_eq!(flags[0].name.as_deref(), Some(&b"1.a"[..]));
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        for (entry, line) in [
            ("1 2 3", 2),
            ("1 - - - -", 2),
            ("x - a - -", 2),
            ("1 x a - -", 2),
            ("1 - a abc -", 2),
            ("1 - a abcd -", 2),
            ("1 - a%4 - -", 2),
            ("1 - a - b c", 2),
            ("1 - a - -\n1 - b - -", 3),
        ] {
            let file = format!("restante-listing 1\n{entry}\n");
            assert_eq!(parse(file.as_bytes()).unwrap_err().line, line, "{entry}");
        }
        assert!(parse(b"").is_err());
        assert!(parse(b"restante-listing 2\n").is_err());
    }
}
