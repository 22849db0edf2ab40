//! An mbox as a sink, on a real disk.

use std::fs;
use std::time::Duration;

use restante_store::disk::LocalDisk;
use tempfile::TempDir;

use super::*;
use crate::sink::fixtures::{Laid, folder, odd};

struct World {
    folder: TempDir,
    path: PathBuf,
}

impl World {
    fn new() -> Self {
        let folder = folder();
        let path = folder.path().join("mbox");
        Self { folder, path }
    }

    fn open(&self) -> Mbox {
        let mut mbox = Mbox::open(Arc::new(LocalDisk), &self.path, self.folder.path()).unwrap();
        mbox.patience = Patience { attempts: 3, pause: Duration::from_millis(1) };
        mbox
    }

    fn laid(&self, unique_id: &str, octets: &[u8]) -> Laid {
        Laid::new(self.folder.path(), unique_id, octets)
    }

    fn doubtful(&self, unique_id: &str, octets: &[u8]) -> Laid {
        Laid::doubtful(self.folder.path(), unique_id, octets)
    }

    /// The mbox with `DATE` for our dates.
    fn text(&self) -> String {
        let octets = fs::read(&self.path).unwrap();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let lines = text.split_inclusive('\n').map(|line| {
            let is_ours = line.starts_with("From MAILER-DAEMON ") && line.len() == 44;
            if is_ours { "From MAILER-DAEMON DATE\n" } else { line }
        });
        lines.collect()
    }
}

fn deliver(mbox: &mut Mbox, laid: &[&Laid]) -> Vec<Result<(), Fault>> {
    let messages: Vec<_> = laid.iter().map(|laid| laid.message()).collect();
    mbox.deliver(&messages)
}

const OTHER: &str = "From bob@x Thu Feb 13 10:11:12 2025\nB: c\n\nother\n\n";

#[test]
fn messages_are_appended_quoted_and_parted() {
    let world = World::new();
    fs::write(&world.path, OTHER.trim_end()).unwrap();
    let mut mbox = world.open();
    let one = world.laid("1", b"A: b\n\nFrom here\n>From there\nno end");
    let wire = Laid { line_ends: LineEnds::Crlf, ..world.laid("2", b"A: c\r\n\r\nx\r\ry\r\n") };
    assert_eq!(deliver(&mut mbox, &[&one, &wire]), [Ok(()), Ok(())]);
    let wanted = format!(
        "{OTHER}From MAILER-DAEMON DATE\nA: b\n\n>From here\n>>From there\nno end\n\nFrom MAILER-DAEMON DATE\nA: c\n\nx\r\ry\n\n"
    );
    assert_eq!(world.text(), wanted);
    assert_eq!(mbox.notes.state.pending, None);
}

#[test]
fn a_large_message_comes_back_as_it_was() {
    let world = World::new();
    let mut mbox = world.open();
    let large = odd().repeat(20);
    assert_eq!(deliver(&mut mbox, &[&world.laid("1", &large)]), [Ok(())]);
    let stored = fs::read(&world.path).unwrap();
    let body = &stored[memchr::memchr(b'\n', &stored).unwrap() + 1..];
    let mut unquoted = Vec::new();
    for line in body.split_inclusive(|&octet| octet == b'\n') {
        let quotes = line.iter().take_while(|&&octet| octet == b'>').count();
        let is_quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
        unquoted.extend_from_slice(&line[usize::from(is_quoted)..]);
    }
    assert_eq!(unquoted.pop(), Some(b'\n'));
    assert!(unquoted == large);
}

#[test]
fn a_doubtful_message_is_known_although_a_program_has_noted_that_it_was_read() {
    let world = World::new();
    let (alike, one) = (b"A: same\n\nbody\n", b"A: one\n\nbody\n");
    {
        let mut mbox = world.open();
        let laid = [world.laid("1", one), world.laid("2", alike), world.laid("3", alike)];
        assert_eq!(deliver(&mut mbox, &laid.iter().collect::<Vec<_>>()), vec![Ok(()); 3]);
    }
    let noted = fs::read_to_string(&world.path).unwrap().replace("A: ", "Status: RO\nA: ");
    fs::write(&world.path, &noted).unwrap();
    let mut mbox = world.open();
    let again = [world.doubtful("1", one), world.doubtful("2", alike), world.doubtful("3", alike)];
    assert_eq!(deliver(&mut mbox, &again.iter().collect::<Vec<_>>()), vec![Ok(()); 3]);
    assert_eq!(fs::read_to_string(&world.path).unwrap(), noted);
    // One of those that are alike is gone: it comes again, and so does one that was never there.
    let at = noted.rfind("From ").unwrap();
    fs::write(&world.path, &noted[..at]).unwrap();
    let again = [again[1].message(), again[2].message()];
    assert_eq!(mbox.deliver(&again), vec![Ok(()); 2]);
    assert_eq!(world.text().matches("A: same").count(), 2);
    assert_eq!(deliver(&mut mbox, &[&world.doubtful("4", alike)]), [Ok(())]);
    assert_eq!(world.text().matches("A: same").count(), 3);
}

/// Says in the side file that two messages were being appended, and cuts the mbox so many octets behind the place where they begin.
fn crash(world: &World, length: usize) -> [Laid; 2] {
    crash_behind(OTHER, world, length)
}

fn crash_behind(other: &str, world: &World, length: usize) -> [Laid; 2] {
    fs::write(&world.path, other).unwrap();
    let laid = [world.laid("1", b"A: 1\n\nfirst\n"), world.laid("2", b"A: 2\n\nsecond From me\n")];
    let mut mbox = world.open();
    assert_eq!(deliver(&mut mbox, &[&laid[0], &laid[1]]), [Ok(()), Ok(())]);
    let file = LocalDisk.open(&world.path, Access::Write).unwrap();
    let start = other.len() as u64;
    let pending = Pending {
        inode: file.stat().unwrap().inode,
        start,
        context: context(&*file, start).unwrap(),
        messages: 2,
    };
    let state = State { pending: Some(pending), ..mbox.notes.state.clone() };
    mbox.notes.write(state).unwrap();
    let whole = fs::read(&world.path).unwrap();
    fs::write(&world.path, &whole[..whole.len().min(other.len() + length)]).unwrap();
    laid.map(|laid| Laid { is_doubtful: true, ..laid })
}

#[test]
fn a_torn_tail_is_cut_off_wherever_it_is_torn_and_nothing_comes_twice() {
    for length in 0..150 {
        let world = World::new();
        let laid = crash(&world, length);
        let mut mbox = world.open();
        assert_eq!(deliver(&mut mbox, &[&laid[0], &laid[1]]), [Ok(()), Ok(())]);
        let wanted = format!(
            "{OTHER}From MAILER-DAEMON DATE\nA: 1\n\nfirst\n\nFrom MAILER-DAEMON DATE\nA: 2\n\nsecond From me\n\n"
        );
        assert_eq!(world.text(), wanted, "{length}");
    }
}

#[test]
fn what_others_have_appended_behind_a_torn_tail_stays_and_begins_a_line() {
    let late = "From carol@x Fri Feb 14 10:11:12 2025\nC: d\n\nlate\n\n";
    for length in 0..150 {
        for zeros in [0, 1, 5] {
            let world = World::new();
            let laid = crash(&world, length);
            let mut octets = fs::read(&world.path).unwrap();
            octets.extend(std::iter::repeat_n(0, zeros));
            octets.extend_from_slice(late.as_bytes());
            fs::write(&world.path, octets).unwrap();
            let mut mbox = world.open();
            assert_eq!(deliver(&mut mbox, &[&laid[0], &laid[1]]), [Ok(()), Ok(())]);
            let text = world.text();
            assert!(text.starts_with(OTHER), "{length}: {text}");
            let at = text.find("From carol").unwrap();
            // A torn From_ line in front of it makes an odd one, and a message all the same.
            assert!(
                text[..at].ends_with("\n") || text[..at].contains("\nFrom ") || zeros > 0,
                "{length}: {text}"
            );
            assert!(text.contains("C: d\n\nlate\n\n"), "{length}: {text}");
            for whole in ["\nA: 1\n\nfirst\n\n", "\nA: 2\n\nsecond From me\n\n"] {
                assert!(text.contains(whole), "{length}: {text}");
            }
        }
    }
}

#[test]
fn what_a_crash_has_left_in_front_of_the_first_from_line_goes() {
    let late = "From carol@x Fri Feb 14 10:11:12 2025\nC: d\n\nlate\n\n";
    let ours =
        "From MAILER-DAEMON DATE\nA: 1\n\nfirst\n\nFrom MAILER-DAEMON DATE\nA: 2\n\nsecond From me\n\n";
    for before in ["", OTHER] {
        // The end of the first message, of the second From_ line, and so on.
        for lost in (1..100).step_by(3) {
            for behind in ["", late] {
                let world = World::new();
                let laid = crash_behind(before, &world, 1000);
                let mut octets = fs::read(&world.path).unwrap();
                octets.iter_mut().skip(before.len()).take(lost).for_each(|octet| *octet = 0);
                octets.extend_from_slice(behind.as_bytes());
                fs::write(&world.path, octets).unwrap();
                let mut mbox = world.open();
                assert_eq!(deliver(&mut mbox, &[&laid[0], &laid[1]]), [Ok(()), Ok(())]);
                let text = world.text();
                if behind.is_empty() {
                    assert_eq!(text, format!("{before}{ours}"), "{lost}");
                    continue;
                }
                assert!(text.starts_with(before) && !text.contains('\0'), "{lost}: {text}");
                assert!(text.trim_start().starts_with("From "), "{lost}: {text}");
                let all: Vec<Found> =
                    mbox.survey(&*LocalDisk.open(&world.path, Access::Read).unwrap(), 0).unwrap();
                assert_eq!(all.len(), 3 + usize::from(!before.is_empty()), "{lost}: {text}");
                for whole in ["\nC: d\n\nlate\n\n", "\nA: 1\n\nfirst\n\n", "\nA: 2\n\nsecond From me\n\n"] {
                    assert_eq!(text.matches(whole).count(), 1, "{lost}: {text}");
                }
            }
        }
    }
}

#[test]
fn what_a_crash_does_not_explain_stays() {
    for before in ["", OTHER] {
        for behind in ["", "\nFrom carol@x Fri Feb 14 10:11:12 2025\nC: d\n\nlate\n\n"] {
            let world = World::new();
            let laid = crash_behind(before, &world, 0);
            let octets = format!("{before}{}{behind}", "my diary\n".repeat(100));
            fs::write(&world.path, &octets).unwrap();
            let answers = deliver(&mut world.open(), &[&laid[0], &laid[1]]);
            let Err(Fault::Later(reason)) = &answers[0] else { panic!("{answers:?}") };
            assert!(reason.contains("longer than the batch"), "{reason}");
            assert_eq!(fs::read_to_string(&world.path).unwrap(), octets);
        }
    }
}

#[test]
fn a_file_that_another_program_has_written_anew_is_left_alone() {
    for rewritten in ["", OTHER, "From x@x Thu Feb 13 10:11:12 2025\nX: y\n\nz\n\n"] {
        let world = World::new();
        let laid = crash(&world, 100);
        let longer =
            format!("{rewritten}{}", "From y@x Thu Feb 13 10:11:12 2025\nY: z\n\nkept\n\n".repeat(9));
        fs::write(&world.path, &longer).unwrap();
        let mut mbox = world.open();
        assert_eq!(deliver(&mut mbox, &[&laid[0]]), [Ok(())]);
        assert!(world.text().starts_with(&longer));
    }
}

#[test]
fn others_locks_are_waited_for_and_stale_ones_are_not() {
    let world = World::new();
    let lock = world.folder.path().join("mbox.lock");
    let mut mbox = world.open();
    let one = world.laid("1", b"A: b\n\n");
    fs::write(&lock, "1\n").unwrap();
    let answer = deliver(&mut mbox, &[&one]);
    let Err(Fault::Later(reason)) = &answer[0] else { panic!("{answer:?}") };
    assert!(reason.contains("another program keeps it locked"), "{reason}");
    assert!(lock.is_file());
    // Our own, which a crash has left.
    fs::write(&lock, format!("1\n{}\n", mbox.notes.holder().unwrap())).unwrap();
    assert_eq!(deliver(&mut mbox, &[&one]), [Ok(())]);
    assert!(!lock.exists());
    // One that is old.
    fs::write(&lock, "1\n").unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(400);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
    assert_eq!(deliver(&mut mbox, &[&one]), [Ok(())]);
    // The record lock of another program.
    let held = LocalDisk.open(&world.path, Access::Write).unwrap();
    assert!(held.try_record_lock().unwrap());
    assert!(deliver(&mut mbox, &[&one])[0].is_err());
    drop(held);
    assert_eq!(deliver(&mut mbox, &[&one]), [Ok(())]);
}

#[test]
fn a_file_that_is_no_mbox_is_not_touched() {
    let world = World::new();
    fs::write(&world.path, "my diary\n").unwrap();
    let answer = deliver(&mut world.open(), &[&world.laid("1", b"A: b\n\n")]);
    let Err(Fault::Later(reason)) = &answer[0] else { panic!("{answer:?}") };
    assert!(reason.contains("it is no mbox"), "{reason}");
    assert_eq!(fs::read_to_string(&world.path).unwrap(), "my diary\n");
}
