//! Message files as other programs leave them: every kind of contents, every kind of entry.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use restante_proto::body::{Encoder, Extent};
use rustix::io::Errno;

use super::fixture::{Fixture, read, run, shown};
use super::trick_disk::TrickDisk;
use crate::maildrop::{MessageError, OpenError, Warning};

/// Contents that have tripped servers.
fn odd_contents() -> Vec<Vec<u8>> {
    let long_line = vec![b'x'; 100_000];
    let big = b"Subject: big\n\n.dot at a start\nand text\n".repeat(20_000);
    vec![
        b"A: b\n\nlone\rCR\n".to_vec(),
        b"A: b\n\nnul\0nul\n".to_vec(),
        b"A: b\n\n\xff\xfe 8-bit\n".to_vec(),
        b"A: b\n\nno end".to_vec(),
        b"A: b\n\nCR at the end\r".to_vec(),
        b"".to_vec(),
        [b"A: b\n\n", long_line.as_slice(), b"\n"].concat(),
        b".leading dot\n..two\n.\n\n.\n".to_vec(),
        b"A: b\r\nB: c\n\r\nmixed\r\r\nends\n".to_vec(),
        b"\n".to_vec(),
        b"no header end".to_vec(),
        big,
    ]
}

#[test]
fn r1939_5_13_octets_are_those_sent() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    for (number, contents) in (0..).zip(odd_contents()) {
        maildir.put(&format!("new/{}.a", 1_700_000_000 + number), &contents);
    }
    for session in 0..3 {
        if session == 2 {
            disk.set_cold();
        }
        let maildrop = maildir.open();
        for (index, contents) in odd_contents().into_iter().enumerate() {
            let stored = read(&maildrop, index).unwrap();
            assert_eq!(stored, contents);
            let (mut encoder, mut wire) = (Encoder::new(Extent::Whole), Vec::new());
            encoder.encode(&stored, &mut wire);
            encoder.finish(&mut wire);
            assert_eq!(
                maildrop.listing().octets(index).unwrap().as_u64(),
                encoder.octets(),
                "message {index}"
            );
            let shape = run(maildrop.message(index)).unwrap().shape();
            assert_eq!((shape.octets, shape.stored_octets), (encoder.octets(), contents.len() as u64));
            assert!(shape.header_octets <= shape.stored_octets);
        }
    }
}

#[test]
fn pieces_of_any_size_make_the_message() {
    let maildir = Fixture::new();
    let contents = b"0123456789".repeat(20);
    maildir.put("new/1700000000.a", &contents);
    let maildrop = maildir.open();
    for max in [1, 7, 100, 199, 200, 201, 1000] {
        let octets = run(async {
            let mut message = maildrop.message(0).await.unwrap();
            let mut octets = Vec::new();
            loop {
                let before = octets.len();
                let read = message.read(&mut octets, max).await.unwrap();
                assert!(read <= max && octets.len() == before + read);
                if read == 0 {
                    break octets;
                }
            }
        });
        assert_eq!(octets, contents, "pieces of {max}");
    }
}

#[test]
fn what_is_no_regular_file_is_left_out() {
    let maildir = Fixture::new();
    maildir.put("new/1700000001.a", b"x\n");
    std::fs::create_dir(maildir.path.join("new/1700000002.folder")).unwrap();
    symlink("/etc/passwd", maildir.path.join("new/1700000003.link")).unwrap();
    let fifo = maildir.path.join("cur/1700000004.fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _socket = UnixListener::bind(maildir.path.join("cur/1700000005.socket")).unwrap();
    maildir.put("cur/.hidden", b"x");
    let maildrop = maildir.open();
    assert_eq!(shown(maildrop.listing()), [("1700000001.a".to_owned(), 3)]);
    assert!(
        matches!(maildrop.warnings(), [Warning::Skipped { entries: 4, .. }]),
        "{:?}",
        maildrop.warnings()
    );
}

#[test]
fn what_becomes_no_regular_file_is_an_error_of_that_message() {
    let maildir = Fixture::new();
    let paths = ["a", "b", "c"].map(|name| {
        maildir.put(&format!("new/1700000000.{name}"), b"x\n");
        maildir.path.join(format!("new/1700000000.{name}"))
    });
    let maildrop = maildir.open();
    paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    symlink("/etc/passwd", &paths[0]).unwrap();
    std::fs::create_dir(&paths[1]).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &paths[2], rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for index in 0..3 {
        let error = read(&maildrop, index).unwrap_err();
        assert!(matches!(error, MessageError::NotRegular), "{index}: {error}");
        assert!(!error.is_temporary());
    }
}

#[test]
fn an_unreadable_message_is_listed_and_refused() {
    for (errno, is_temporary) in [(Errno::ACCESS, false), (Errno::IO, true)] {
        let disk = TrickDisk::settled();
        let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
        maildir.put("new/1700000001.a", b"x\n");
        maildir.put("new/1700000002.b", b"yy\n");
        disk.close(&maildir.path.join("new/1700000002.b"), errno);
        for _ in 0..2 {
            let maildrop = maildir.open();
            assert_eq!(maildrop.listing().len(), 2);
            assert!(matches!(maildrop.warnings(), [Warning::Unreadable { messages: 1, .. }]));
            assert!(read(&maildrop, 0).is_ok());
            assert_eq!(read(&maildrop, 1).unwrap_err().is_temporary(), is_temporary);
        }
        disk.heal();
        // The folders look the same, and still the message is looked at again.
        let maildrop = maildir.open();
        assert_eq!(shown(maildrop.listing())[1], ("1700000002.b".to_owned(), 4));
        assert_eq!(read(&maildrop, 1).unwrap(), b"yy\n");
    }
}

#[test]
fn a_maildrop_that_cannot_be_read_is_never_empty() {
    for (closed, errno) in
        [("new", Errno::ACCESS), ("cur", Errno::IO), ("new", Errno::MFILE), ("", Errno::ACCESS)]
    {
        let disk = TrickDisk::default();
        let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
        maildir.put("new/1700000001.a", b"x\n");
        disk.close(&maildir.path.join(closed), errno);
        assert!(matches!(maildir.try_open().unwrap_err(), OpenError::Temporary(_)), "{closed} {errno}");
        disk.heal();
        assert_eq!(maildir.open().listing().len(), 1);
    }
    let maildir = Fixture::new();
    std::fs::remove_dir(maildir.path.join("cur")).unwrap();
    maildir.put("cur", b"a file");
    assert!(matches!(maildir.try_open().unwrap_err(), OpenError::Temporary(_)));
}

#[test]
fn names_that_are_no_unique_ids_get_a_digest() {
    let maildir = Fixture::new();
    let long = format!("1700000001.{}", "x".repeat(200));
    for name in [long.as_str(), "1700000002.\u{fc}", "1700000003.a b", "odd"] {
        maildir.put(&format!("cur/{name}:2,S"), name.as_bytes());
    }
    let before = maildir.unique_ids();
    // The one without a time has that of its file, which is now.
    assert_eq!(before[3], "odd");
    assert!(before[..3].iter().all(|unique_id| unique_id.starts_with("r.") && unique_id.len() == 42));
    std::fs::remove_file(maildir.index_path()).unwrap();
    assert_eq!(maildir.unique_ids(), before);
    assert_eq!(read(&maildir.open(), 0).unwrap(), long.as_bytes());
}
