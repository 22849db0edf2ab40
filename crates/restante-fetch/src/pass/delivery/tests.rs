//! What the journal, the sinks and the quarantine say of one message, pass after pass.

use restante_store::disk::{Disk, LocalDisk};
use tempfile::TempDir;

use super::*;
use crate::header::HeaderDigest;
use crate::sink::LineEnds;
use crate::spool::Spool;

/// Answers the same always.
#[derive(Debug)]
struct Set {
    id: SinkId,
    answer: Result<(), Fault>,
}

impl Sink for Set {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        vec![self.answer.clone(); messages.len()]
    }
}

fn sinks(answers: [Result<(), Fault>; 2]) -> Vec<Box<dyn Sink>> {
    let set = |(name, answer): (&str, _)| Box::new(Set { id: SinkId(name.into()), answer }) as Box<dyn Sink>;
    ["one", "other"].into_iter().zip(answers).map(set).collect()
}

/// One pass that brings a message with this body.
fn pass(folder: &TempDir, body: &str, answers: [Result<(), Fault>; 2]) -> Report {
    let disk: Arc<dyn Disk> = Arc::new(LocalDisk);
    let state = folder.path().join("alice@example.org");
    let spool = Spool::open(Arc::clone(&disk), &folder.path().join("spool"), "alice@example.org").unwrap();
    let mut writing = spool.begin(LineEnds::Crlf, b"", Box::new(HeaderDigest::default())).unwrap();
    writing.write(format!("A: b\r\n\r\n{body}\r\n").as_bytes()).unwrap();
    let arrived = Arrived { key: Key::new(b"u1"), spooled: writing.finish().unwrap() };
    let journal = Journal::open(Arc::clone(&disk), &state).unwrap();
    let mut delivery = Delivery {
        journal,
        quarantine: Quarantine::new(disk, &state),
        clock: Arc::new(|| Timestamp::UNIX_EPOCH),
        events: Events::unheard(),
    };
    let mut report = Report::default();
    delivery.deliver(&mut sinks(answers), &[arrived], &mut report).unwrap();
    report
}

fn held(folder: &TempDir) -> usize {
    let state = folder.path().join("alice@example.org");
    Quarantine::new(Arc::new(LocalDisk), &state).list().unwrap().len()
}

#[test]
fn what_was_refused_and_is_taken_by_all_later_leaves_the_quarantine() {
    let (later, refused) = (Err(Fault::Later("busy".into())), Err(Fault::Refused("no".into())));
    for (body, left) in [("body", 0), ("another message under the same unique-id", 1)] {
        let folder = TempDir::new().unwrap();
        let report = pass(&folder, "body", [later.clone(), refused.clone()]);
        assert_eq!((report.later, report.quarantined, held(&folder)), (1, 0, 1));
        let report = pass(&folder, "body", [later.clone(), Ok(())]);
        assert_eq!((report.later, held(&folder)), (1, 1), "not everybody has it");
        let report = pass(&folder, body, [Ok(()), Ok(())]);
        assert_eq!((report.collected, held(&folder)), (1, left), "{body}");
    }
}
