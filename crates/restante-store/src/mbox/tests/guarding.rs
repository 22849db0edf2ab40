//! The guard with an mbox: still about what other programs do with it, not about a file that says something else.

use std::fs;
use std::sync::Arc;

use restante_proto::maildrop::Marks;

use super::fixture::{Fixture, now, run};
use crate::disk::LocalDisk;
use crate::maildrop::{Maildrop, OpenError};

const MESSAGES: u32 = 40;

fn guarded() -> Fixture {
    let mut fixture = Fixture::new();
    let folder = fixture.folder.path().join("shown");
    fixture.store = fixture.store.clone().guarded(Arc::new(LocalDisk), folder);
    fixture
}

fn try_open(fixture: &Fixture) -> Result<Maildrop, OpenError> {
    run(fixture.store.open_for(&fixture.location(), "alice", now()))
}

/// One session that ends with QUIT; how many messages it showed.
fn session(fixture: &Fixture) -> usize {
    let mut maildrop = try_open(fixture).unwrap();
    run(maildrop.keep_shown(&Marks::new())).unwrap();
    maildrop.listing().len()
}

/// With notes in the header, and a From_ line of this year.
fn message(number: u32, notes: &str, year: u32) -> String {
    format!(
        "From a@b Thu Feb 13 10:11:12 {year}\nMessage-ID: <{number}@x>\n{notes}Subject: {number}\n\nbody of {number}\n\n"
    )
}

#[test]
fn what_other_programs_do_raises_no_alarm() {
    let fixture = guarded();
    let put = |notes: &str, numbers: &mut dyn Iterator<Item = u32>| {
        fixture.put(numbers.map(|number| message(number, notes, 2025)).collect::<String>().as_bytes());
    };
    put("", &mut (0..MESSAGES));
    assert_eq!(session(&fixture), 40);
    for notes in ["Status: O\n", "Status: RO\nX-UID: 7\nX-Keywords: a\n", "X-Status: A\nContent-Length: 9\n"]
    {
        put(notes, &mut (0..MESSAGES));
        assert_eq!(session(&fixture), 40);
    }
    // Dovecot expunges, sorts nothing, and something new comes.
    put("Status: RO\n", &mut (0..MESSAGES).filter(|number| number % 4 == 1));
    assert_eq!(session(&fixture), 10);
    put("Status: RO\n", &mut (35..MESSAGES + 60));
    assert_eq!(session(&fixture), 65);
    fs::write(&fixture.file, b"").unwrap();
    assert_eq!(session(&fixture), 0);
}

/// A tool that copies every message anew writes From_ lines of its own, and these are in the unique-ids.
#[test]
fn a_rewrite_that_changes_all_unique_ids_does() {
    let fixture = guarded();
    let put = |year: u32| {
        let messages: String = (0..MESSAGES).map(|number| message(number, "", year)).collect();
        fixture.put(messages.as_bytes());
    };
    put(2025);
    assert_eq!(session(&fixture), 40);
    put(2026);
    for _ in 0..2 {
        match try_open(&fixture) {
            Err(OpenError::Guarded(guarded)) => assert!(guarded.to_string().contains("it had 40 messages")),
            other => panic!("not guarded: {other:?}"),
        }
    }
    put(2025);
    assert_eq!(session(&fixture), 40);
    put(2026);
    assert!(matches!(try_open(&fixture), Err(OpenError::Guarded(_))));
    assert!(run(fixture.store.accept(&fixture.location(), "alice")).unwrap().is_some());
    assert_eq!(session(&fixture), 40);
}
