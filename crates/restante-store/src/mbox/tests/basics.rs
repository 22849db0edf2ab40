//! What a session sees of an mbox.

use super::fixture::{Fixture, read, remove, unique_ids};
use crate::maildrop::OpenError;
use crate::mbox::Form;

const TWO: &str = "From a@b Thu Feb 13 10:11:12 2025\nSubject: one\n\nfirst\n>From here\n\n\
    From c@d Thu Feb 13 10:11:13 2025\nSubject: two\nStatus: RO\nX-UID: 7\n\nsecond\n.\n\n";

#[test]
fn messages_are_what_lies_between_the_from_lines() {
    let fixture = Fixture::new();
    fixture.put(TWO.as_bytes());
    assert_eq!(fixture.messages(), ["Subject: one\n\nfirst\nFrom here\n", "Subject: two\n\nsecond\n.\n"]);
    let maildrop = fixture.open();
    let octets = |index| maildrop.listing().octets(index).unwrap().as_u64();
    assert_eq!((octets(0), octets(1)), (34, 27));
    let shape = maildrop.shape(1).unwrap();
    assert!(shape.has_dot_lines && !shape.is_crlf);
    assert_eq!((shape.header_octets, shape.stored_octets), (14, 23));
    assert!(unique_ids(maildrop.listing()).iter().all(|id| id.len() == 42 && id.starts_with("m.")));
}

#[test]
fn as_mboxo_nothing_is_undone() {
    let fixture = Fixture::with(|settings| settings.form = Form::Mboxo);
    fixture.put(TWO.as_bytes());
    assert_eq!(fixture.messages()[0], "Subject: one\n\nfirst\n>From here\n");
}

#[test]
fn only_a_from_line_with_a_date_behind_a_blank_line_begins_a_message() {
    let fixture = Fixture::new();
    fixture.put(
        b"\n\nFrom a@b Thu Feb 13 10:11:12 2025\nSubject: one\nContent-Length: 3\n\n\
        From us\n\nFrom us to you\nFrom a@b Thu Feb 13 10:11:12 2025\nend\n\n\n\
        From x Thu, 13 Feb 2025 10:11:12 +0100\nSubject: two\n\nlast",
    );
    assert_eq!(
        fixture.messages(),
        [
            "Subject: one\n\nFrom us\n\nFrom us to you\nFrom a@b Thu Feb 13 10:11:12 2025\nend\n\n",
            "Subject: two\n\nlast"
        ]
    );
}

#[test]
fn uw_s_own_message_is_for_no_client() {
    let fixture = Fixture::new();
    let internal = "From MAILER-DAEMON Thu Feb 13 10:11:12 2025\nDate: 13 Feb 2025 10:11:12 +0100\n\
        From: Mail System Internal Data <MAILER-DAEMON@host>\n\
        Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1739441472 0000000002\nStatus: RO\n\n\
        This text is part of the internal format of your mail folder.\n\n";
    fixture.put([internal, TWO].concat().as_bytes());
    assert_eq!(fixture.messages().len(), 2);
    remove(&mut fixture.open(), [0, 1]);
    assert_eq!(fixture.contents(), internal);
    assert_eq!(fixture.messages().len(), 0);
}

#[test]
fn a_missing_file_is_empty_and_a_missing_folder_is_not() {
    let fixture = Fixture::new();
    assert_eq!(fixture.messages().len(), 0);
    assert!(!fixture.file.exists());
    fixture.put(b"");
    assert_eq!(fixture.messages().len(), 0);
    std::fs::remove_file(&fixture.file).unwrap();
    std::fs::remove_dir(fixture.folder.path().join("mail")).unwrap();
    assert!(matches!(fixture.try_open(), Err(OpenError::Temporary(_))));
    let strict = Fixture::with(|settings| settings.create = false);
    assert!(matches!(strict.try_open(), Err(OpenError::Temporary(_))));
}

#[test]
fn what_is_no_mbox_is_an_error_and_not_an_empty_maildrop() {
    let fixture = Fixture::new();
    for contents in [&b"Subject: a message\n\nof another kind\n"[..], b"\0\0\0\0"] {
        fixture.put(contents);
        assert!(matches!(fixture.try_open(), Err(OpenError::Permanent(_))));
    }
}

#[test]
fn large_messages_and_long_lines_come_whole() {
    let fixture = Fixture::new();
    let long = "x".repeat(700_000);
    let many = "line of a message\nFrom nobody\n\n".repeat(40_000);
    let head = "From a@b Thu Feb 13 10:11:12 2025\nSubject: \u{fc}\n\n";
    fixture.put(format!("{head}{long}\n\n{head}{many}\n\n{head}z\n\n").as_bytes());
    let maildrop = fixture.open();
    assert_eq!(maildrop.listing().len(), 3);
    let expected = format!("Subject: \u{fc}\n\n{many}\n");
    assert!(read(&maildrop, 1).unwrap() == expected.as_bytes());
    assert_eq!(read(&maildrop, 0).unwrap().len(), long.len() + 14);
    assert_eq!(maildrop.surrogates().len(), 3);
}
