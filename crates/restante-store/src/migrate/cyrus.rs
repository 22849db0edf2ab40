//! Cyrus, whose messages lie in files named `<uid>.`: the unique-id is made of the uid and the mailbox's uidvalidity.
//!
//! A mailbox whose messages were put into a Maildir under those names keeps everything that is needed. In any other case
//! a list of uids and file names in the form of version 1 of [`super::dovecot`] says it.

use super::template::{Template, Values};
use super::{Shown, number};

/// Cyrus's `uidl_format`, as a template. A mailbox whose annotation `pop3newuidl` is not set shows bare uids whatever is
/// configured: that is `uidonly`. `None` for a name that Cyrus does not know.
#[must_use]
pub fn format(name: &str) -> Option<&'static str> {
    Some(match name {
        "uidonly" => "%u",
        "cyrus" => "%v.%u",
        "dovecot" => "%08Xu%08Xv",
        "courier" => "%v-%u",
        _ => return None,
    })
}

/// What Cyrus showed for the messages with these base names, in its order. Names that are no uid with a dot are left out.
#[must_use]
pub fn shown<'a>(
    names: impl Iterator<Item = &'a [u8]>,
    uid_validity: u32,
    template: &Template,
) -> Vec<Shown> {
    let mut found: Vec<(u32, &[u8])> = names.filter_map(|name| Some((uid(name)?, name))).collect();
    found.sort_unstable();
    let shown = |(uid, name): (u32, &[u8])| {
        let values = Values { uid, uid_validity, name, ..Values::default() };
        Shown { name: Some(name.to_vec()), unique_id: template.expand(&values), ..Shown::default() }
    };
    found.into_iter().map(shown).collect()
}

/// `<uid>.`, and what a program may have put behind that.
fn uid(name: &[u8]) -> Option<u32> {
    let (digits, _) = super::split_once(name, b'.')?;
    number(digits).filter(|uid| *uid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_uid_in_every_format() {
        let names = [&b"10."[..], b"9.", b"x.", b"0.", b"11"];
        for (name, expected) in [
            ("uidonly", ["9", "10"]),
            ("cyrus", ["1139753550.9", "1139753550.10"]),
            ("dovecot", ["0000000943ef424e", "0000000a43ef424e"]),
            ("courier", ["1139753550-9", "1139753550-10"]),
        ] {
            let template = Template::parse(format(name).unwrap()).unwrap();
            let shown = shown(names.iter().copied(), 1_139_753_550, &template);
            let unique_ids: Vec<_> = shown.iter().map(|shown| shown.unique_id.clone()).collect();
            assert_eq!(unique_ids, expected.map(|text| text.as_bytes().to_vec()), "{name}");
        }
        assert_eq!(format("other"), None);
    }
}
