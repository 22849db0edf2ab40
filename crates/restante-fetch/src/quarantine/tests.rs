//! Messages go in, are read, delivered again and removed.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use restante_store::disk::LocalDisk;

use super::*;
use crate::journal::Contents;
use crate::sink::fixtures::{ACCOUNT, Laid, folder, odd};
use crate::sink::maildir::{Maildir, Settings};

fn quarantine(state: &Path) -> Quarantine {
    Quarantine::new(Arc::new(LocalDisk), state)
}

fn items(quarantine: &Quarantine) -> Vec<Item> {
    quarantine.list().unwrap().into_iter().map(Result::unwrap).collect()
}

fn sink() -> SinkId {
    SinkId("lmtp:localhost:24/a@x".into())
}

#[test]
fn what_is_put_there_is_listed_and_read_as_it_was() {
    let folder = folder();
    let mut quarantine = quarantine(folder.path());
    assert!(items(&quarantine).is_empty());
    let mut laid = Laid { line_ends: LineEnds::Crlf, ..Laid::new(folder.path(), "1", &odd()) };
    laid.key = Key { unique_id: Box::from(&b"a%\0\xff b"[..]), occurrence: 1, generation: 2 };
    for reason in ["550 no", "550 still \u{7} no"] {
        quarantine.put(&laid.message(), &sink(), reason).unwrap();
    }
    let found = items(&quarantine);
    let [item] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((item.key.clone(), item.account.as_str(), &item.sink), (laid.key.clone(), ACCOUNT, &sink()));
    assert_eq!((item.reason.as_str(), item.line_ends), ("550 still \u{7} no", LineEnds::Crlf));
    assert_eq!(item.mark(), laid.key.mark(ACCOUNT));
    assert!(item.at > Timestamp::UNIX_EPOCH);
    let mut octets = Vec::new();
    quarantine
        .read(item, |piece| {
            octets.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
    assert!(octets == odd());
    assert_eq!(fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 2);
}

/// Refuses everything, or takes it, and counts.
#[derive(Debug)]
struct Moody {
    id: SinkId,
    answer: Result<(), Fault>,
    count: Arc<AtomicUsize>,
}

impl Sink for Moody {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        self.count.fetch_add(messages.len(), Ordering::Relaxed);
        vec![self.answer.clone(); messages.len()]
    }
}

#[test]
fn a_redelivery_goes_to_those_that_do_not_have_it_and_ends_when_all_have() {
    let folder = folder();
    let mut quarantine = quarantine(folder.path());
    let laid = Laid::new(folder.path(), "1", &odd());
    quarantine.put(&laid.message(), &sink(), "550 no").unwrap();
    let mut journal = Journal::open(Arc::new(LocalDisk), &folder.path().join(ACCOUNT)).unwrap();
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let reason = "550 no".into();
    journal.record(Record::Quarantined { key: laid.key.clone(), reason });
    journal.commit().unwrap();
    let path = folder.path().join("Mail");
    let count = Arc::new(AtomicUsize::new(0));
    let sinks = |answer: Result<(), Fault>| -> Vec<Box<dyn Sink>> {
        let moody = |name: &str, answer| {
            let count = if name == "taking" { Arc::clone(&count) } else { Arc::default() };
            Box::new(Moody { id: SinkId(name.into()), answer, count })
        };
        let maildir = Maildir::open(Arc::new(LocalDisk), Settings::new(&path)).unwrap();
        vec![Box::new(maildir), moody("taking", Ok(())), moody("refusing", answer)]
    };
    let fault = Fault::Refused("still no".into());
    for _ in 0..2 {
        let item = items(&quarantine).remove(0);
        let left = quarantine
            .redeliver(&item, &mut sinks(Err(fault.clone())), Whose::Own, &mut journal, now)
            .unwrap();
        assert_eq!(left, Redelivered::Stays(vec![(SinkId("refusing".into()), fault.clone())]));
        // The next pass would not give it to them either.
        assert_eq!(journal.entry(&laid.key).unwrap().marks.len(), 2);
    }
    let item = items(&quarantine).remove(0);
    assert_eq!(item.taken.len(), 2);
    let left = quarantine.redeliver(&item, &mut sinks(Ok(())), Whose::Own, &mut journal, now).unwrap();
    assert_eq!(left, Redelivered::End(End::Collected));
    assert_eq!(count.load(Ordering::Relaxed), 1, "what has it does not get it again");
    assert_eq!(journal.entry(&laid.key).unwrap().stage, Stage::Collected);
    assert!(items(&quarantine).is_empty());
    assert_eq!(fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 0);
    quarantine.remove(&item).unwrap();
    let new = path.join("new");
    assert_eq!(fs::read_dir(&new).unwrap().count(), 1);
    assert!(fs::read(new.join(laid.message().name)).unwrap() == odd());
}

#[test]
fn what_is_collected_meanwhile_goes_and_no_sink_gets_it_again() {
    let folder = folder();
    let mut quarantine = quarantine(folder.path());
    let laid = Laid::new(folder.path(), "1", &odd());
    let message = laid.message();
    quarantine.put(&message, &sink(), "550 no").unwrap();
    quarantine.release("1.Rother.restante", &message.digest).unwrap();
    quarantine.release(message.name, &[9; 32]).unwrap();
    let item = items(&quarantine).remove(0);
    let mut journal = Journal::open(Arc::new(LocalDisk), &folder.path().join(ACCOUNT)).unwrap();
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let mut taking: Vec<Box<dyn Sink>> =
        vec![Box::new(Moody { id: SinkId("taking".into()), answer: Ok(()), count: Arc::clone(&count) })];
    // A crash came before it was released.
    let contents = Contents { octets: 1, digest: message.digest, header_digest: [0; 16] };
    journal.record(Record::Intended { key: laid.key.clone(), contents, name: message.name.into() });
    journal.record(Record::Collected { key: laid.key.clone(), at: now });
    journal.commit().unwrap();
    let left = quarantine.redeliver(&item, &mut taking, Whose::Own, &mut journal, now).unwrap();
    assert_eq!(left, Redelivered::End(End::Collected));
    assert_eq!(count.load(Ordering::Relaxed), 0);
    assert_eq!(fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 0);
}

#[test]
fn another_sink_settles_the_one_that_refused_and_none_that_wanted_it_later() {
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    // What another pass has made of the message meanwhile, and what is said of it then.
    for (whose, digest, is_later, end, stage) in [
        (Whose::Others, None, true, End::OnItsWay, Stage::Intended),
        (Whose::Own, None, true, End::Collected, Stage::Collected),
        (Whose::Others, None, false, End::Collected, Stage::Collected),
        (Whose::Own, Some([9; 32]), true, End::OfAnother, Stage::Intended),
    ] {
        let folder = folder();
        let mut quarantine = quarantine(folder.path());
        let laid = Laid::new(folder.path(), "1", &odd());
        let message = laid.message();
        quarantine.put(&message, &sink(), "550 no").unwrap();
        let mut journal = Journal::open(Arc::new(LocalDisk), &folder.path().join(ACCOUNT)).unwrap();
        let key = || laid.key.clone();
        let digest = digest.unwrap_or(message.digest);
        let contents = Contents { octets: 1, digest, header_digest: [0; 16] };
        journal.record(Record::Intended { key: key(), contents, name: message.name.into() });
        if !is_later {
            journal.record(Record::Quarantined { key: key(), reason: "550 no".into() });
        }
        journal.commit().unwrap();
        let named = SinkId("named".into());
        let count = Arc::new(AtomicUsize::new(0));
        let mut sinks: Vec<Box<dyn Sink>> =
            vec![Box::new(Moody { id: named.clone(), answer: Ok(()), count: Arc::clone(&count) })];
        let item = items(&quarantine).remove(0);
        let left = quarantine.redeliver(&item, &mut sinks, whose, &mut journal, now).unwrap();
        assert_eq!((left, count.load(Ordering::Relaxed)), (Redelivered::End(end), 1));
        assert!(items(&quarantine).is_empty());
        let entry = journal.entry(&laid.key).unwrap();
        assert_eq!(entry.stage, stage, "{end:?}");
        let marks = if end == End::OnItsWay { vec![named, sink()] } else { Vec::new() };
        assert_eq!(entry.marks, marks, "{end:?}");
    }
}

#[test]
fn what_is_damaged_is_told_and_hides_no_other() {
    let folder = folder();
    let mut quarantine = quarantine(folder.path());
    let laid: Vec<_> = ["1", "2", "3"].map(|id| Laid::new(folder.path(), id, &odd())).into();
    for each in &laid {
        quarantine.put(&each.message(), &sink(), "550 no").unwrap();
    }
    let at = |laid: &Laid, end: &str| {
        folder.path().join("quarantine").join(format!("{}{end}", laid.message().name))
    };
    fs::write(at(&laid[0], ".json"), "{").unwrap();
    // A crash between the two names: no item.
    fs::remove_file(at(&laid[1], "")).unwrap();
    fs::write(folder.path().join("quarantine/notes.txt"), "mine").unwrap();
    let listed = quarantine.list().unwrap();
    assert_eq!(listed.iter().filter(|item| item.is_ok()).count(), 1);
    let errors: Vec<_> =
        listed.iter().filter_map(|item| item.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("cannot understand ") && errors[0].contains(".json"), "{errors:?}");
}

#[test]
fn a_message_that_cannot_be_read_leaves_nothing() {
    let folder = folder();
    let mut quarantine = quarantine(folder.path());
    let laid = Laid { octets: 1 << 30, ..Laid::new(folder.path(), "1", &odd()) };
    assert!(quarantine.put(&laid.message(), &sink(), "no").is_err());
    assert_eq!(fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 0);
}
