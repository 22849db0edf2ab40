//! Programs that take messages, badly or well.

use std::path::Path;

use restante_store::disk::LocalDisk;

use super::*;
use crate::sink::fixtures::{ACCOUNT, Laid, folder, odd};

fn program(words: &[&str], seconds: u64) -> Command {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Command::new(Arc::new(LocalDisk), words, Duration::from_secs(seconds)).unwrap()
}

/// What becomes of `octets` when they are handed to a shell's script with this argument.
fn hand(script: &str, argument: &Path, octets: &[u8]) -> Result<(), Fault> {
    let folder = folder();
    let argument = argument.to_str().unwrap();
    let mut sink = program(&["/bin/sh", "-c", script, "sh", argument], 60);
    let laid = Laid::new(folder.path(), "1", octets);
    sink.deliver(&[laid.message()]).remove(0)
}

#[test]
fn a_program_gets_the_message_as_it_is_and_is_told_which_one() {
    let folder = folder();
    let out = folder.path().join("out");
    let large = odd().repeat(5);
    hand("cat > \"$1\"", &out, &large).unwrap();
    assert!(std::fs::read(&out).unwrap() == large);
    let script = "cat > /dev/null; echo \"$RESTANTE_ACCOUNT $RESTANTE_UNIQUE_ID $RESTANTE_MARK\" > \"$1\"";
    hand(script, &out, b"A: b\n\n").unwrap();
    let mark = crate::key::Key::new(b"1").mark(ACCOUNT);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), format!("{ACCOUNT} 1 {mark}\n"));
}

#[test]
fn how_a_program_ends_decides() {
    let ends = |script: &str| hand(script, Path::new("x"), b"A: b\n\n").unwrap_err();
    let refused = ends("cat > /dev/null; echo >&2; echo 'not\tyou' >&2; echo more >&2; exit 67");
    assert_eq!(refused, Fault::Refused("/bin/sh ended with code 67: not?you".into()));
    for code in [65, 69] {
        assert!(matches!(ends(&format!("cat > /dev/null; exit {code}")), Fault::Refused(_)));
    }
    for code in [1, 75, 77, 127] {
        assert!(matches!(ends(&format!("cat > /dev/null; exit {code}")), Fault::Later(_)));
    }
    assert_eq!(ends("kill -9 $$"), Fault::Later("/bin/sh was ended by a signal".into()));
}

#[test]
fn who_does_not_read_to_the_end_has_taken_nothing() {
    let fault = hand("exit 0", Path::new("x"), &odd().repeat(20)).unwrap_err();
    assert_eq!(fault, Fault::Later("/bin/sh ended before it had read the message".into()));
}

#[test]
fn a_program_that_is_not_there_or_too_talkative() {
    let folder = folder();
    let laid = Laid::new(folder.path(), "1", b"A: b\n\n");
    let answer = program(&["/nonexistent/program"], 60).deliver(&[laid.message()]);
    let Err(Fault::Later(reason)) = &answer[0] else { panic!("{answer:?}") };
    assert!(reason.starts_with("/nonexistent/program cannot be started: "), "{reason}");
    let script = "cat > /dev/null; head -c 300000 /dev/zero | tr '\\0' 'e' >&2; exit 75";
    let Fault::Later(reason) = hand(script, Path::new("x"), b"A: b\n\n").unwrap_err() else { panic!() };
    assert!(reason.len() < 600 && reason.ends_with("eee"), "{reason}");
}

#[test]
fn one_that_hangs_is_killed_with_what_it_has_started() {
    let folder = folder();
    let fifo = folder.path().join("fifo");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let script = format!("(exec 3> {}; sleep 600) & wait", fifo.display());
    // Ends when nobody has the other end any more.
    let reading = std::thread::spawn(move || std::fs::read(fifo).unwrap());
    let laid = Laid::new(folder.path(), "1", b"A: b\n\n");
    let answer = program(&["/bin/sh", "-c", &script], 1).deliver(&[laid.message()]);
    assert_eq!(answer, [Err(Fault::Later("/bin/sh was not done after 1 s, and was killed".into()))]);
    assert_eq!(reading.join().unwrap(), b"");
}

#[test]
fn a_message_that_cannot_be_read_to_its_end_is_not_taken_for_a_whole_one() {
    let folder = folder();
    let out = folder.path().join("out");
    let laid = Laid { octets: 1_000_000, ..Laid::new(folder.path(), "1", &odd()) };
    let script = format!("cat > {0}.part && mv {0}.part {0}", out.display());
    let answer = program(&["/bin/sh", "-c", &script], 60).deliver(&[laid.message()]);
    let Err(Fault::Later(reason)) = &answer[0] else { panic!("{answer:?}") };
    assert!(reason.contains("it has become shorter"), "{reason}");
    assert!(!out.exists());
}

#[test]
fn arguments_are_not_in_the_identity_and_tell_programs_apart() {
    let id = |words: &[&str]| program(words, 1).id().to_string();
    let one = id(&["/usr/bin/x", "--token", "hunter2"]);
    assert!(one.starts_with("command:/usr/bin/x#") && !one.contains("hunter2"));
    assert_ne!(one, id(&["/usr/bin/x", "--token", "other"]));
}
