//! The files of other servers, made so that they show what is shown here.

use std::collections::HashMap;

use super::courier::{self, Sizelist};
use super::dovecot::{self, Uidlist};
use super::{FormatError, base_name};

/// A file that another server keeps in a Maildir.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Dovecot's list of uids.
    Dovecot,
    /// Courier's list of sizes.
    Courier,
}

/// A message as it is shown here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its base name.
    pub base_name: Vec<u8>,
    /// The flags behind it.
    pub suffix: Vec<u8>,
    /// Its unique-id.
    pub unique_id: Vec<u8>,
    /// Its octets.
    pub octets: u64,
    /// Its header holds UTF-8.
    pub is_utf8: bool,
}

/// A file to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Its octets.
    pub file: Vec<u8>,
    /// The messages, by index, that the other server cannot show as they are shown here.
    pub other_unique_ids: Vec<usize>,
    /// The messages, by index, that the other server lists elsewhere.
    pub other_places: Vec<usize>,
}

impl Format {
    /// Where the server looks for it in a Maildir.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Dovecot => "dovecot-uidlist",
            Self::Courier => "courierpop3dsizelist",
        }
    }

    /// The file for `messages`, which come in their order. `existing` is what the server had there before, `now_s` the time
    /// in seconds since 1970.
    ///
    /// # Errors
    /// When the existing file cannot be read.
    pub fn make(
        self,
        messages: &[Message],
        existing: Option<&[u8]>,
        now_s: u64,
    ) -> Result<Made, FormatError> {
        match self {
            Self::Dovecot => uidlist(messages, existing.map(Uidlist::parse).transpose()?, now_s),
            Self::Courier => {
                // A list that Courier would not take either is no loss.
                Ok(sizelist(
                    messages,
                    &existing.and_then(|file| Sizelist::parse(file).ok()).unwrap_or_default(),
                    now_s,
                ))
            }
        }
    }
}

/// Messages keep the uids they have. The others get new ones in their order.
fn uidlist(messages: &[Message], existing: Option<Uidlist>, now_s: u64) -> Result<Made, FormatError> {
    let fresh = || Uidlist {
        uid_validity: u32::try_from(now_s).unwrap_or(1).max(1),
        next_uid: 1,
        ..Uidlist::default()
    };
    let mut list = existing.unwrap_or_else(fresh);
    let mut rows: HashMap<Vec<u8>, dovecot::Row> =
        std::mem::take(&mut list.rows).into_iter().map(|row| (row.name.clone(), row)).collect();
    let highest = rows.values().map(|row| row.uid).max().unwrap_or(0);
    list.next_uid = list.next_uid.max(highest.saturating_add(1));
    for (message, place) in messages.iter().zip(1_u32..) {
        let known = rows.remove(&message.base_name);
        let row = match known {
            Some(row) => row,
            None => {
                let uid = list.next_uid;
                list.next_uid = uid.checked_add(1).ok_or(FormatError::new(0, "there is no uid left"))?;
                dovecot::Row { uid, name: message.base_name.clone(), ..dovecot::Row::default() }
            }
        };
        list.rows.push(dovecot::Row {
            unique_id: Some(message.unique_id.clone()),
            order: Some(place),
            ..row
        });
    }
    list.rows.sort_by_key(|row| row.uid);
    Ok(Made { file: list.write(), ..Made::default() })
}

/// Courier can show unique-ids of its own form, in the order of file names.
fn sizelist(messages: &[Message], existing: &Sizelist, now_s: u64) -> Made {
    let mut made = Made::default();
    let validity = if existing.validity == 0 { now_s } else { existing.validity };
    let mut list = Sizelist { next: existing.next.max(1), validity, rows: Vec::new() };
    for (at, message) in messages.iter().enumerate() {
        let file = [message.base_name.as_slice(), &message.suffix].concat();
        match courier::Row::showing(&message.unique_id, &file, message.octets, message.is_utf8) {
            Some(row) => {
                list.next = list.next.max(row.number.saturating_add(1));
                list.rows.push(row);
            }
            None => made.other_unique_ids.push(at),
        }
    }
    let mut sorted: Vec<usize> = (0..messages.len()).collect();
    let name = |at: usize| messages.get(at).map_or(&[][..], |message| base_name(&message.base_name));
    sorted.sort_by(|&one, &other| courier::compare(name(one), name(other)));
    made.other_places = (0..).zip(sorted).filter(|(place, at)| place != at).map(|(_, at)| at).collect();
    made.file = list.write();
    made
}

#[cfg(test)]
mod tests {
    use super::super::template::Template;
    use super::*;

    fn message(name: &str, unique_id: &str) -> Message {
        Message {
            base_name: name.into(),
            suffix: b":2,S".to_vec(),
            unique_id: unique_id.into(),
            octets: 7,
            is_utf8: false,
        }
    }

    #[test]
    fn dovecot_shows_the_same_and_keeps_its_uids() {
        let messages = [message("2.b", "X"), message("1.a", "1.a"), message("3.c", "Y")];
        let existing = b"3 V9 N8 Gff\n4 W12 :1.a:2,S\n5 Pold :gone\n7 :3.c\n";
        for (existing, expected) in [(Some(&existing[..]), vec![4, 7, 8]), (None, vec![1, 2, 3])] {
            let made = Format::Dovecot.make(&messages, existing, 1_700_000_000).unwrap();
            let list = Uidlist::parse(&made.file).unwrap();
            let shown = list.shown(&Template::parse("%u").unwrap());
            let shown: Vec<_> = shown.iter().map(|shown| shown.unique_id.as_slice()).collect();
            assert_eq!(shown, [&b"X"[..], b"1.a", b"Y"]);
            let mut uids: Vec<u32> = list.rows.iter().map(|row| row.uid).collect();
            assert!(uids.is_sorted());
            uids.sort_unstable();
            assert_eq!(uids, expected);
            assert!(list.next_uid > *uids.last().unwrap());
        }
        assert!(Format::Dovecot.make(&messages, Some(b"damaged"), 1).is_err());
    }

    #[test]
    fn courier_says_what_it_cannot_show() {
        let messages = [message("1.a", "UID4-9"), message("2.b", "UID2-9"), message("10.c", "UID3")];
        let made = Format::Courier.make(&messages, None, 5).unwrap();
        assert_eq!((made.other_unique_ids.len(), made.other_places.len()), (0, 0));
        let list = Sizelist::parse(&made.file).unwrap();
        assert_eq!((list.next, list.validity), (5, 5));
        let shown: Vec<_> = list.shown().into_iter().map(|shown| shown.unique_id).collect();
        assert_eq!(shown, [&b"UID4-9"[..], b"UID2-9", b"UID3"]);
        let messages = [message("2.b", "abc"), message("1.a", "UID1-1")];
        let made = Format::Courier.make(&messages, Some(b"/3 77 6\n"), 5).unwrap();
        assert_eq!((made.other_unique_ids, made.other_places), (vec![0], vec![1, 0]));
        assert!(made.file.starts_with(b"/3 77 6\n"));
    }
}
