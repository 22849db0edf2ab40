//! Envelopes out of headers, and programs that take messages, badly or well.

use super::envelope::{Envelope, without_bcc};
use super::spool::{HEADER_OCTETS_MAX, Spool};
use super::*;
use crate::config;
use std::path::Path;
use tempfile::TempDir;

fn envelope(header: &str) -> Option<Envelope> {
    Envelope::parse(header.replace('\n', "\r\n").as_bytes())
}

#[test]
fn recipients_are_those_of_to_cc_and_bcc_each_once() {
    let header = "From: Alice <alice@example.org>\nTo: bob@x, \"Q, R\" <q@x>\nCC: group: c@x, d@x;,\n bob@x\n\
                  bcc: e@x\nTo: f@x\nReply-To: g@x\n\nTo: h@x\n";
    let envelope = envelope(header).unwrap();
    assert_eq!(envelope.from, ["alice@example.org"]);
    assert_eq!(envelope.recipients, ["bob@x", "q@x", "c@x", "d@x", "e@x", "f@x"]);
}

#[test]
fn a_message_without_fields_has_no_recipients() {
    assert_eq!(envelope("\nTo: a@x\n").unwrap_or_default(), Envelope::default());
    assert_eq!(envelope("Subject: x\n\n").unwrap().recipients, [""; 0]);
    assert_eq!(Envelope::parse(&vec![b'a'; HEADER_OCTETS_MAX]), None, "the header does not end");
}

#[test]
fn bcc_is_taken_out_with_its_folded_lines_and_nothing_else() {
    let message = b"To: a\r\nBcc: b,\r\n\tc\r\nX-Bcc: d\r\nBCC : e\r\n f\r\nSubject: g\r\n\r\nBcc: body\r\n";
    assert_eq!(without_bcc(message), b"To: a\r\nX-Bcc: d\r\nSubject: g\r\n\r\nBcc: body\r\n");
    assert_eq!(without_bcc(b"\r\nBcc: body\r\n"), b"\r\nBcc: body\r\n");
}

fn submission(folder: &Path, words: &[&str], timeout_s: u64) -> Submission {
    let mut config = Config { state_dir: folder.to_owned(), ..Config::default() };
    config.submission = config::Submission {
        command: Some(words.iter().map(|word| (*word).to_owned()).collect()),
        timeout_s,
        ..config::Submission::default()
    };
    Submission::new(&config).unwrap()
}

/// What becomes of `message` when it is handed to `words`.
async fn hand(words: &[&str], timeout_s: u64, message: &[u8]) -> Result<(), SubmitError> {
    let folder = TempDir::new().unwrap();
    let mut spool = Spool::begin(folder.path()).await.unwrap();
    for piece in message.chunks(7_001) {
        spool.write(piece).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a spooled message has no name");
    submission(folder.path(), words, timeout_s)
        .submit(&mut spool, "alice@example.org", &Envelope::default())
        .await
}

#[tokio::test]
async fn a_program_gets_the_message_with_lf_and_the_sender() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let script = format!("echo \"$1\" > {0}; cat >> {0}", out.display());
    let body = "line\r\n.\r\n".repeat(40_000) + "lone \r cr\r\n";
    hand(&["/bin/sh", "-c", &script, "sh", "<{sender}>"], 60, body.as_bytes()).await.unwrap();
    let wanted = format!("<alice@example.org>\n{}", body.replace("\r\n", "\n"));
    assert!(std::fs::read_to_string(out).unwrap() == wanted);
}

#[tokio::test]
async fn how_a_program_ends_decides() {
    let ends = async |script: &str| hand(&["/bin/sh", "-c", script], 60, b"A: b\r\n\r\n").await;
    ends("cat > /dev/null").await.unwrap();
    let refused = ends("cat > /dev/null; echo not you >&2; echo more >&2; exit 67").await.unwrap_err();
    assert_eq!(refused.to_string(), "the program ended with code 67: not you");
    assert_eq!(refused.unsubmitted(), Unsubmitted::Refused);
    let later = ends("cat > /dev/null; exit 75").await.unwrap_err();
    assert_eq!(later.unsubmitted(), Unsubmitted::Temporary);
    let killed = ends("kill -9 $$").await.unwrap_err();
    assert_eq!(killed.unsubmitted(), Unsubmitted::Temporary);
}

#[tokio::test]
async fn who_does_not_read_to_the_end_has_taken_nothing() {
    let large = b"x\r\n".repeat(200_000);
    let error = hand(&["/bin/true"], 60, &large).await.unwrap_err();
    assert!(matches!(error, SubmitError::Unread(_)), "{error}");
    assert_eq!(error.unsubmitted(), Unsubmitted::Temporary);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_temporary_fault() {
    let error = hand(&["/nonexistent/sendmail", "-t"], 60, b"A: b\r\n\r\n").await.unwrap_err();
    assert_eq!(error.to_string(), "/nonexistent/sendmail could not be started");
    assert_eq!(error.unsubmitted(), Unsubmitted::Temporary);
}

#[tokio::test]
async fn a_program_that_takes_no_message_is_killed_with_what_it_has_started() {
    let folder = TempDir::new().unwrap();
    let pid = folder.path().join("pid");
    // The grandchild would write its message when it is not killed; it holds a pipe that tells when it is gone.
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let script = format!("(echo $$ > {}; exec 3> {}; sleep 600) & wait", pid.display(), fifo.display());
    let reading = tokio::task::spawn_blocking(move || std::fs::read(fifo).unwrap());
    let error = hand(&["/bin/sh", "-c", &script], 1, b"A: b\r\n\r\n").await.unwrap_err();
    assert!(matches!(error, SubmitError::Deadline(_)), "{error}");
    assert_eq!(error.unsubmitted(), Unsubmitted::Temporary);
    // Ends when nobody has the other end any more.
    assert_eq!(reading.await.unwrap(), b"");
}

#[test]
fn the_sender_is_the_accounts_address() {
    let folder = TempDir::new().unwrap();
    let submission = submission(folder.path(), &["/bin/true"], 60);
    let name = |text: &[u8], form| {
        let settings = restante_auth::address::Settings { form, ..Default::default() };
        settings.account_name(text).unwrap()
    };
    use restante_auth::address::NameForm;
    assert_eq!(submission.sender(&name(b"bob", NameForm::Local)), format!("bob@{}", submission.hostname));
    assert_eq!(submission.sender(&name(b"bob@example.org", NameForm::Address)), "bob@example.org");
}
