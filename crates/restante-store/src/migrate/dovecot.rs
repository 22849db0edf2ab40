//! Dovecot's `dovecot-uidlist`, versions 1 and 3: which file has which uid, and what is stored of it for POP3. Courier's
//! `courierimapuiddb` has the form of version 1.
//!
//! Version 3 is a header line `3 V<uidvalidity> N<next uid> …` and a line `<uid> [<key><value> …] :<file name>` for each
//! message. Of its keys `P` is a unique-id (an empty one stands for the base name), `O` a place in POP3's order, `G` a GUID.

use super::template::{Template, Values};
use super::{FormatError, Shown, base_name, lines, number, split_once};

/// A list of uids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uidlist {
    /// The mailbox's uidvalidity.
    pub uid_validity: u32,
    /// The uid that the next message gets.
    pub next_uid: u32,
    /// What else the header holds, each with its key in front.
    pub extras: Vec<Vec<u8>>,
    /// The messages, ascending by uid.
    pub rows: Vec<Row>,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its uid.
    pub uid: u32,
    /// Its base name.
    pub name: Vec<u8>,
    /// The stored unique-id; empty for the base name.
    pub unique_id: Option<Vec<u8>>,
    /// The stored place in POP3's order.
    pub order: Option<u32>,
    /// The stored GUID.
    pub guid: Option<Vec<u8>>,
    /// What else is stored, each with its key in front.
    pub extras: Vec<Vec<u8>>,
}

impl Uidlist {
    /// Reads the file. When one file name comes twice the last one counts.
    ///
    /// # Errors
    /// When a line is not as it should be.
    pub fn parse(file: &[u8]) -> Result<Self, FormatError> {
        let mut lines = lines(file);
        let (_, header) = lines.next().ok_or(FormatError::new(0, "the file is empty"))?;
        let (version, header) = split_once(header, b' ').unwrap_or((header, &[]));
        let mut list = match version {
            b"1" => Self::header_1(header)?,
            b"3" => Self::header_3(header)?,
            _ => return Err(FormatError::new(1, "it is no list of uids of version 1 or 3")),
        };
        let is_old = version == b"1";
        for (at, line) in lines {
            let row = if is_old { Row::parse_1(line) } else { Row::parse_3(line) };
            list.rows.push(row.ok_or_else(|| FormatError::new(at, "it is no uid with a file name"))?);
        }
        let mut seen = std::collections::HashSet::new();
        list.rows.reverse();
        list.rows.retain(|row| seen.insert(row.name.clone()));
        list.rows.reverse();
        list.rows.sort_by_key(|row| row.uid);
        Ok(list)
    }

    fn header_1(header: &[u8]) -> Result<Self, FormatError> {
        let read = || {
            let (uid_validity, next_uid) = split_once(header, b' ')?;
            Some(Self { uid_validity: number(uid_validity)?, next_uid: number(next_uid)?, ..Self::default() })
        };
        read().ok_or(FormatError::new(1, "the header is not '1 UIDVALIDITY NEXT-UID'"))
    }

    fn header_3(header: &[u8]) -> Result<Self, FormatError> {
        let mut list = Self::default();
        for word in header.split(|&octet| octet == b' ').filter(|word| !word.is_empty()) {
            let wrong = FormatError::new(1, "V or N is no number");
            match word.split_first() {
                Some((b'V', digits)) => list.uid_validity = number(digits).ok_or(wrong)?,
                Some((b'N', digits)) => list.next_uid = number(digits).ok_or(wrong)?,
                _ => list.extras.push(word.to_vec()),
            }
        }
        match list.uid_validity {
            0 => Err(FormatError::new(1, "there is no uidvalidity")),
            _ => Ok(list),
        }
    }

    /// What a POP3 client was shown, in its order. `template` is the server's `pop3_uidl_format`.
    #[must_use]
    pub fn shown(&self, template: &Template) -> Vec<Shown> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        // Messages with a place first, the others by uid, as they are sorted already.
        rows.sort_by_key(|row| (row.order.is_none(), row.order));
        let shown = |row: &Row| {
            let unique_id = match row.unique_id.as_deref() {
                Some([]) => row.name.clone(),
                Some(stored) => stored.to_vec(),
                None => template.expand(&Values {
                    uid: row.uid,
                    uid_validity: self.uid_validity,
                    name: &row.name,
                    guid: row.guid.as_deref(),
                    md5: b"",
                }),
            };
            Shown {
                name: Some(row.name.clone()),
                unique_id,
                is_by_rule: row.unique_id.is_none(),
                ..Shown::default()
            }
        };
        rows.into_iter().map(shown).collect()
    }

    /// The file's octets, in version 3.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut file = format!("3 V{} N{}", self.uid_validity, self.next_uid).into_bytes();
        let word = |file: &mut Vec<u8>, key: &[u8], value: &[u8]| {
            file.push(b' ');
            file.extend_from_slice(key);
            file.extend_from_slice(value);
        };
        self.extras.iter().for_each(|extra| word(&mut file, b"", extra));
        file.push(b'\n');
        for row in &self.rows {
            file.extend_from_slice(row.uid.to_string().as_bytes());
            row.extras.iter().for_each(|extra| word(&mut file, b"", extra));
            if let Some(guid) = &row.guid {
                word(&mut file, b"G", guid);
            }
            if let Some(unique_id) = &row.unique_id {
                word(&mut file, b"P", unique_id);
            }
            if let Some(order) = row.order {
                word(&mut file, b"O", order.to_string().as_bytes());
            }
            word(&mut file, b":", &row.name);
            file.push(b'\n');
        }
        file
    }
}

impl Row {
    /// `<uid> <file name>`.
    fn parse_1(line: &[u8]) -> Option<Self> {
        let (uid, name) = split_once(line, b' ')?;
        Self { uid: number(uid)?, name: base_name(name).to_vec(), ..Self::default() }.valid()
    }

    /// `<uid> [<key><value> …] :<file name>`.
    fn parse_3(line: &[u8]) -> Option<Self> {
        let (uid, mut rest) = split_once(line, b' ')?;
        let mut row = Self { uid: number(uid)?, ..Self::default() };
        loop {
            if let Some(name) = rest.strip_prefix(b":") {
                row.name = base_name(name).to_vec();
                return row.valid();
            }
            let (word, after) = split_once(rest, b' ')?;
            rest = after;
            match word.split_first() {
                None => {}
                Some((b'P', value)) => row.unique_id = Some(value.to_vec()),
                Some((b'O', value)) => row.order = Some(number(value)?),
                Some((b'G', value)) => row.guid = Some(value.to_vec()),
                Some((b'A'..=b'Z', _)) => row.extras.push(word.to_vec()),
                Some(_) => return None,
            }
        }
    }

    fn valid(self) -> Option<Self> {
        (self.uid > 0 && !self.name.is_empty() && !self.name.iter().any(|octet| b"/\0".contains(octet)))
            .then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(file: &[u8], template: &str) -> Vec<(String, String)> {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let list = Uidlist::parse(file).unwrap();
        let shown = list.shown(&Template::parse(template).unwrap()).into_iter();
        shown.map(|shown| (text(&shown.name.unwrap()), text(&shown.unique_id))).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, unique_id)| ((*name).to_owned(), (*unique_id).to_owned())).collect()
    }

    #[test]
    fn version_3_with_every_key() {
        let file = b"3 V1139753550 N9 Gaabb\n\
                     3 :1700000003.c,S=5:2,S\n\
                     1 S12 W13 :1700000001.a:2,\n\
                     4 G0123 PUID7-9 O2 :1700000004.d\n\
                     6 P O1 :1700000006.f with a space\n\
                     8 Pabc :1700000008.h\n";
        let expected = pairs(&[
            ("1700000006.f with a space", "1700000006.f with a space"),
            ("1700000004.d", "UID7-9"),
            ("1700000001.a", "0000000143ef424e"),
            ("1700000003.c,S=5", "0000000343ef424e"),
            ("1700000008.h", "abc"),
        ]);
        assert_eq!(shown(file, Template::DOVECOT), expected);
        let list = Uidlist::parse(file).unwrap();
        assert_eq!((list.next_uid, &list.extras), (9, &vec![b"Gaabb".to_vec()]));
        assert_eq!(Uidlist::parse(&list.write()).unwrap(), list);
        let by_guid = shown(file, "%g");
        assert_eq!(by_guid[2].1, "1700000001.a");
        assert_eq!(
            Uidlist::parse(b"3 V1 N2\n1 Gxy :a\n").unwrap().shown(&Template::parse("%g").unwrap())[0]
                .unique_id,
            b"xy"
        );
    }

    #[test]
    fn version_1_and_a_name_that_came_again() {
        let file = b"1 1139753550 4\n1 1700000001.a:2,S\n2 1700000002.b\n3 1700000001.a\n";
        assert_eq!(
            shown(file, "%v.%u"),
            pairs(&[("1700000002.b", "1139753550.2"), ("1700000001.a", "1139753550.3")])
        );
        assert_eq!(shown(b"1 5 1\n", "%u"), []);
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        for (file, line) in [
            (&b""[..], 0),
            (b"2 1 2 3\n", 1),
            (b"hello\n", 1),
            (b"1 a 2\n", 1),
            (b"3 N5\n", 1),
            (b"3 Vx N5\n", 1),
            (b"3 V5 N5\n1 :a\nb :c\n", 3),
            (b"3 V5 N5\n0 :a\n", 2),
            (b"3 V5 N5\n1 S5\n", 2),
            (b"3 V5 N5\n1 :\n", 2),
            (b"3 V5 N5\n1 :a/b\n", 2),
            (b"3 V5 N5\n1 Ox :a\n", 2),
            (b"3 V5 N5\n1 ?x :a\n", 2),
            (b"3 V5 N5\n99999999999 :a\n", 2),
            (b"3 V5 N5\n\n", 2),
        ] {
            assert_eq!(Uidlist::parse(file).unwrap_err().line, line, "{}", file.escape_ascii());
        }
    }
}
