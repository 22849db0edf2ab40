//! Opening, listing, reading and removing, with nothing going wrong.

use super::fixture::{Fixture, marks, now, read, run, shown};

#[test]
fn serves_both_folders_in_order_of_delivery() {
    let maildir = Fixture::new();
    maildir.put("new/1700000002.b", b"A: b\n\nc\n");
    maildir.put("cur/1700000001.z:2,S", b"A: b\r\n\r\nc\r\n");
    maildir.put("new/1700000002.a", b"x");
    maildir.put("cur/1700000003.q", b"");
    let expected = [("1700000001.z", 11), ("1700000002.a", 3), ("1700000002.b", 11), ("1700000003.q", 0)]
        .map(|(id, n)| (id.to_owned(), n));
    for _ in 0..3 {
        let maildrop = maildir.open();
        assert_eq!(shown(maildrop.listing()), expected);
        assert!(maildrop.warnings().is_empty(), "{:?}", maildrop.warnings());
        assert_eq!(read(&maildrop, 0).unwrap(), b"A: b\r\n\r\nc\r\n");
        assert_eq!(read(&maildrop, 1).unwrap(), b"x");
        assert_eq!(read(&maildrop, 3).unwrap(), b"");
    }
}

#[test]
fn delivers_and_removes() {
    let maildir = Fixture::new();
    let first = maildir.deliver(b"A: b\r\n\r\nfirst\r\n");
    let second = maildir.deliver(b"A: b\r\n\r\nsecond\r\n");
    let mut maildrop = maildir.open();
    assert_eq!(shown(maildrop.listing()), [(first, 15), (second.clone(), 16)]);
    assert_eq!(read(&maildrop, 1).unwrap(), b"A: b\n\nsecond\n");
    let removed = run(maildrop.remove(&marks([0]), now())).unwrap();
    assert_eq!((removed.messages, removed.vanished), (1, 0));
    drop(maildrop);
    assert_eq!(maildir.unique_ids(), [second]);
    assert_eq!(maildir.files().len(), 1);
}
