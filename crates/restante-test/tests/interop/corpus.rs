//! More than a hundred messages that nobody here wrote, delivered and retrieved unchanged.
//!
//! They are the test data of CPython's email package and of the MIME parser enmime, as Debian packages them: good mail,
//! bad mail, and mail that is none.

use std::fs;
use std::path::{Path, PathBuf};

use restante_test::mail::{canonical, dotted};
use restante_test::real::{Server, Setup};

use crate::kind;

/// The messages, with the file of each.
fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let python =
        fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join("test/test_email/data"));
    let folders: Vec<PathBuf> = python
        .filter(|folder| folder.is_dir())
        .chain([PathBuf::from("/usr/share/gocode/src/github.com/jhillyerd/enmime/testdata")])
        .collect();
    let mut files = Vec::new();
    for folder in folders {
        collect(&folder, &mut files);
    }
    files.sort();
    let corpus: Vec<(PathBuf, Vec<u8>)> =
        files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect();
    assert!(
        corpus.len() >= 100,
        "only {} messages are here; install more: apt-get install -y 'libpython3.*-testsuite' golang-github-jhillyerd-enmime-dev",
        corpus.len()
    );
    corpus
}

/// Every message file below `folder`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "txt" || extension == "raw") {
            files.push(path);
        }
    }
}

/// Asserts that `found` is, or ends with, the canonical form of each message.
fn assert_unchanged(
    found: &[Vec<u8>],
    corpus: &[(PathBuf, Vec<u8>)],
    is_same: impl Fn(&[u8], &[u8]) -> bool,
) {
    assert_eq!(found.len(), corpus.len());
    for (found, (file, stored)) in found.iter().zip(corpus) {
        let wanted = canonical(stored);
        assert!(is_same(found, &wanted), "{}: {}", file.display(), found.escape_ascii());
    }
}

#[test]
fn a_hundred_messages_dropped_into_the_maildir_come_out_unchanged() {
    let corpus = corpus();
    let messages = corpus.iter().map(|(_, stored)| stored.clone()).collect();
    let server =
        Server::start(kind(), &Setup { mail: vec![("alice".to_owned(), messages)], ..Setup::default() });
    assert_unchanged(&server.retrieve_all("alice"), &corpus, |found, wanted| found == wanted);
    let mut peer = server.login_for_originals("alice");
    for (line, (_, stored)) in peer.list("LIST").iter().zip(&corpus) {
        assert_eq!(line.split(' ').nth(1).unwrap(), canonical(stored).len().to_string());
    }
}

#[test]
fn a_hundred_messages_delivered_by_lmtp_come_out_unchanged() {
    let corpus = corpus();
    let server = Server::start(kind(), &Setup::default());
    let mut peer = server.lmtp();
    for (file, stored) in &corpus {
        assert_eq!(peer.code("MAIL FROM:<sender@example.org> BODY=8BITMIME"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(peer.code("DATA"), 354);
        peer.send(&dotted(&canonical(stored)));
        let reply = peer.reply();
        assert_eq!(reply.code, 250, "{}: {reply:?}", file.display());
    }
    // Delivery may take a Return-Path away that came with the message, and adds its own fields: the rest is the same.
    let same = |found: &[u8], wanted: &[u8]| {
        found.ends_with(wanted) || found.ends_with(&without_return_path(wanted))
    };
    let mut found = server.retrieve_all("alice");
    for (_, stored) in &corpus {
        let wanted = canonical(stored);
        let at = found.iter().position(|found| same(found, &wanted));
        found.remove(at.unwrap_or_else(|| panic!("{} is not there", wanted.escape_ascii())));
    }
    assert!(found.is_empty());
}

/// The message without its header fields called Return-Path.
fn without_return_path(message: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    let (mut in_header, mut dropping) = (true, false);
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if line == b"\r\n" {
            in_header = false;
        }
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        if in_header && !is_folded {
            dropping = line.len() >= 12 && line[..12].eq_ignore_ascii_case(b"return-path:");
        }
        if !in_header || !dropping {
            rest.extend_from_slice(line);
        }
    }
    rest
}
