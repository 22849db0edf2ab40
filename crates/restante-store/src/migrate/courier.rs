//! Courier's `courierpop3dsizelist`, versions 0 to 3: a header line `/<version> <next number> <validity>` and a line
//! `<file name> <octets> <number>:<validity>:<utf-8>` for each message, where version 2 lacks the last word, version 1 the
//! validities and version 0 header and numbers.
//!
//! File names may hold spaces, so lines are read from their end.

use super::{FormatError, Shown, base_name, lines, number, rsplit_once, split_once};

/// A list of sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizelist {
    /// The number that the next message gets.
    pub next: u64,
    /// The validity that the next message gets: when the list was made, in seconds since 1970.
    pub validity: u64,
    /// The messages, in no order.
    pub rows: Vec<Row>,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The name of its file, with flags.
    pub file: Vec<u8>,
    /// Its octets with CRLF line ends.
    pub octets: u64,
    /// Its number; 0 for none.
    pub number: u64,
    /// Its validity; 0 for none.
    pub validity: u64,
    /// Its header holds UTF-8.
    pub is_utf8: bool,
}

impl Sizelist {
    /// Reads the file.
    ///
    /// # Errors
    /// When a line is not as it should be.
    pub fn parse(file: &[u8]) -> Result<Self, FormatError> {
        let mut list = Self::default();
        let mut version = 0;
        for (at, line) in lines(file) {
            if let Some(header) = line.strip_prefix(b"/").filter(|_| at == 1) {
                version = list
                    .header(header)
                    .ok_or(FormatError::new(1, "the header is none of version 1, 2 or 3"))?;
                continue;
            }
            let row = Row::parse(line, version);
            list.rows
                .push(row.ok_or_else(|| FormatError::new(at, "it is no file name with octets and number"))?);
        }
        Ok(list)
    }

    fn header(&mut self, header: &[u8]) -> Option<u8> {
        let (version, rest) = split_once(header, b' ')?;
        let version = number(version).filter(|version| matches!(version, 1..=3))?;
        let (next, validity) = split_once(rest, b' ').unwrap_or((rest, b"0"));
        self.next = number(next)?;
        self.validity = number(validity)?;
        Some(version)
    }

    /// What a POP3 client was shown, in its order.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_cached_key(|row| order(&row.file));
        let shown = |row: &Row| Shown {
            name: Some(base_name(&row.file).to_vec()),
            unique_id: row.unique_id(),
            is_by_rule: row.number == 0,
            octets: Some(row.octets),
            digest: None,
        };
        rows.into_iter().map(shown).collect()
    }

    /// The file's octets, in version 3.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut file = format!("/3 {} {}\n", self.next, self.validity).into_bytes();
        for row in &self.rows {
            file.extend_from_slice(&row.file);
            let Row { octets, number, validity, is_utf8, .. } = row;
            file.extend_from_slice(
                format!(" {octets} {number}:{validity}:{}\n", u8::from(*is_utf8)).as_bytes(),
            );
        }
        file
    }
}

impl Row {
    fn parse(line: &[u8], version: u8) -> Option<Self> {
        let mut row = Self::default();
        let mut rest = line;
        if version > 0 {
            let (before, numbers) = rsplit_once(rest, b' ')?;
            rest = before;
            let mut numbers = numbers.split(|&octet| octet == b':');
            row.number = number(numbers.next()?)?;
            if version > 1 {
                row.validity = number(numbers.next()?)?;
                row.is_utf8 = numbers.next().is_some_and(|flag| flag == b"1");
            }
            if numbers.next().is_some() {
                return None;
            }
        }
        let (file, octets) = rsplit_once(rest, b' ')?;
        row.octets = number(octets)?;
        row.file = file.to_vec();
        let is_name = !base_name(file).is_empty() && !file.iter().any(|octet| b"/\0".contains(octet));
        is_name.then_some(row)
    }

    /// What it was shown with.
    #[must_use]
    pub fn unique_id(&self) -> Vec<u8> {
        match (self.number, self.validity) {
            (0, _) => escaped(base_name(&self.file)),
            (number, 0) => format!("UID{number}").into_bytes(),
            (number, validity) => format!("UID{number}-{validity}").into_bytes(),
        }
    }

    /// The row of a message that shall be shown with `unique_id`; `None` when Courier cannot show that. It gives a number to
    /// whatever has none, so file names are not shown any more.
    #[must_use]
    pub fn showing(unique_id: &[u8], file: &[u8], octets: u64, is_utf8: bool) -> Option<Self> {
        let row = Self { file: file.to_vec(), octets, is_utf8, ..Self::default() };
        let numbered = |digits: &[u8]| {
            let (number, validity) = split_once(digits, b'-').unwrap_or((digits, b"0"));
            Some(Self { number: super::number(number)?, validity: super::number(validity)?, ..row.clone() })
        };
        let row = unique_id.strip_prefix(b"UID").and_then(numbered)?;
        (row.number > 0 && row.unique_id() == unique_id).then_some(row)
    }
}

/// By the number that the name begins with, then by the base name.
fn order(file: &[u8]) -> (u64, Vec<u8>) {
    let digits = file.iter().take_while(|octet| octet.is_ascii_digit());
    let number =
        digits.fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    (number, base_name(file).to_vec())
}

/// The order in which Courier lists files of these names.
#[must_use]
pub fn compare(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    order(one).cmp(&order(other))
}

/// A base name as Courier shows it: what might be misread is written as `+` and two hexadecimal digits.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for &octet in name {
        if octet.is_ascii_graphic() && !b"'\"+".contains(&octet) {
            escaped.push(octet);
        } else {
            escaped.extend_from_slice(format!("+{octet:02X}").as_bytes());
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unique_ids(file: &[u8]) -> Vec<String> {
        let shown = Sizelist::parse(file).unwrap().shown();
        shown.into_iter().map(|shown| String::from_utf8(shown.unique_id).unwrap()).collect()
    }

    #[test]
    fn all_versions() {
        let file = b"/3 9 1139753550\n\
                     1700000002.b c:2,S 17 2:1139753550:0\n\
                     1700000001.a 5 1:1100000000:1\n\
                     900000000.z 7 8:0:0\n\
                     1700000003.d'+ 9 0:0:0\n";
        assert_eq!(unique_ids(file), ["UID8", "UID1-1100000000", "UID2-1139753550", "1700000003.d+27+2B"]);
        let list = Sizelist::parse(file).unwrap();
        assert_eq!(Sizelist::parse(&list.write()).unwrap(), list);
        assert_eq!(list.shown()[2].octets, Some(17));
        assert_eq!(list.shown()[2].name.as_deref(), Some(&b"1700000002.b c"[..]));
        assert_eq!(unique_ids(b"/2 3 7\n2.b 5 2:7\n1.a:2, 5 1:6\n"), ["UID1-6", "UID2-7"]);
        assert_eq!(unique_ids(b"/1 3\n2.b 5 2\n1.a 5 1\n"), ["UID1", "UID2"]);
        assert_eq!(unique_ids(b"2.b 5\n1.a:2,S 5\n"), ["1.a", "2.b"]);
        assert_eq!(unique_ids(b""), [""; 0]);
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        for (file, line) in [
            (&b"/4 1 2\n"[..], 1),
            (b"/3\n", 1),
            (b"/3 1 2\na 5 1:2:3:4\n", 2),
            (b"/3 1 2\na 5 1\n", 2),
            (b"/1 1\na 5 1\na/b 5 1\n", 3),
            (b"a\n", 1),
            (b"a x\n", 1),
            (b" 5\n", 1),
            (b"a 99999999999999999999999\n", 1),
        ] {
            assert_eq!(Sizelist::parse(file).unwrap_err().line, line, "{}", file.escape_ascii());
        }
    }

    #[test]
    fn what_courier_can_show_and_what_not() {
        let row = |unique_id: &str, file: &str| Row::showing(unique_id.as_bytes(), file.as_bytes(), 1, false);
        assert_eq!(row("UID5-7", "1.a").map(|row| (row.number, row.validity)), Some((5, 7)));
        assert_eq!(row("UID5", "1.a:2,S").map(|row| (row.number, row.validity)), Some((5, 0)));
        for (unique_id, file) in
            [("1.a", "1.a"), ("0000000143ef424e", "1.a"), ("UID05", "1.a"), ("UID0", "1.a"), ("UID5-", "1.a")]
        {
            assert_eq!(row(unique_id, file), None, "{unique_id}");
        }
    }
}
