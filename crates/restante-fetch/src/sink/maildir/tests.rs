//! A Maildir as a sink, on a real disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use restante_store::disk::LocalDisk;

use super::*;
use crate::sink::fixtures::{ACCOUNT, Laid, folder, odd};

fn open(path: &Path) -> Maildir {
    open_as(Settings::new(path))
}

fn open_as(settings: Settings) -> Maildir {
    Maildir::open(Arc::new(LocalDisk), settings).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn deliver(sink: &mut Maildir, laid: &[Laid]) -> Vec<Result<(), Fault>> {
    let messages: Vec<_> = laid.iter().map(Laid::message).collect();
    sink.deliver(&messages)
}

#[test]
fn what_is_missing_is_made_for_the_owner_alone() {
    let folder = folder();
    let path = folder.path().join("Mail");
    let sink = open(&path);
    for name in ["", "tmp", "new", "cur"] {
        assert_eq!(fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert_eq!(sink.spool(), Some(path.join("tmp")));
    assert_eq!(sink.id().0.as_ref(), format!("maildir:{}", path.display()));
    let error = Maildir::open(Arc::new(LocalDisk), Settings::new(&folder.path().join("a/b"))).unwrap_err();
    assert!(error.to_string().starts_with("cannot make "), "{error}");
}

#[test]
fn a_batch_from_its_own_tmp_is_renamed() {
    for files_at_once in [0, 1, 3, 32] {
        let folder = folder();
        let mut sink = open_as(Settings { files_at_once, ..Settings::new(&folder.path().join("Mail")) });
        let tmp = sink.spool().unwrap();
        let laid: Vec<_> = (0..10).map(|n| Laid::new(&tmp, &n.to_string(), &odd())).collect();
        assert_eq!(deliver(&mut sink, &laid), vec![Ok(()); 10]);
        assert!(names(&tmp).is_empty());
        for each in &laid {
            assert!(fs::read(sink.new.join(each.message().name)).unwrap() == odd());
        }
    }
}

#[test]
fn a_message_from_elsewhere_stays_there_and_crlf_becomes_lf() {
    let folder = folder();
    let mut sink = open(&folder.path().join("Mail"));
    let linked = Laid::new(folder.path(), "1", &odd());
    let wire = b"A: b\r\n\r\nlone\rcr\r\nlf\nonly\r\n";
    let copied = Laid { line_ends: LineEnds::Crlf, ..Laid::new(folder.path(), "2", wire) };
    let laid = [linked, copied];
    assert_eq!(deliver(&mut sink, &laid), [Ok(()), Ok(())]);
    assert!(laid.iter().all(|each| each.message().path.is_file()));
    assert!(fs::read(sink.new.join(laid[0].message().name)).unwrap() == odd());
    let lf = b"A: b\n\nlone\rcr\nlf\nonly\n";
    assert_eq!(fs::read(sink.new.join(laid[1].message().name)).unwrap(), lf);
    assert!(names(&sink.tmp).is_empty());
}

#[test]
fn a_doubtful_message_is_found_wherever_a_mail_program_has_put_it() {
    for moved in ["Mail/cur/#:2,S", "Mail/.Archive/cur/#,S=9:2,RS", "Mail/new/#", "Other/cur/#:2,"] {
        let folder = folder();
        let other = folder.path().join("Other");
        let settings =
            Settings { look_in: vec![other.clone()], ..Settings::new(&folder.path().join("Mail")) };
        let mut sink = open_as(settings);
        open(&other);
        open(&folder.path().join("Mail/.Archive"));
        let tmp = sink.spool().unwrap();
        let first = [Laid::new(&tmp, "1", &odd())];
        assert_eq!(deliver(&mut sink, &first), [Ok(())]);
        let name = first[0].message().name.to_owned();
        fs::rename(sink.new.join(&name), folder.path().join(moved.replace('#', &name))).unwrap();

        let again = [Laid::doubtful(&tmp, "1", &odd()), Laid::doubtful(&tmp, "2", b"A: b\n\n")];
        assert_eq!(deliver(&mut sink, &again), [Ok(()), Ok(())]);
        let marks = sink.marks().unwrap();
        let wanted: BTreeSet<Box<str>> = again.iter().map(|each| each.key.mark(ACCOUNT).into()).collect();
        assert_eq!(marks, wanted);
        let count = ["Mail/cur", "Mail/new", "Mail/.Archive/cur", "Other/cur"]
            .map(|name| names(&folder.path().join(name)).len());
        assert_eq!(count.iter().sum::<usize>(), 2, "{moved}");
    }
}

#[test]
fn a_message_that_is_there_already_is_taken_once() {
    let folder = folder();
    let mut sink = open(&folder.path().join("Mail"));
    let tmp = sink.spool().unwrap();
    for _ in 0..2 {
        assert_eq!(deliver(&mut sink, &[Laid::new(&tmp, "1", &odd())]), [Ok(())]);
    }
    assert_eq!(names(&sink.new).len(), 1);
}

#[test]
fn one_that_cannot_be_read_does_not_hold_up_the_others() {
    let folder = folder();
    let mut sink = open(&folder.path().join("Mail"));
    let tmp = sink.spool().unwrap();
    let laid: Vec<_> = (0..3).map(|n| Laid::new(&tmp, &n.to_string(), &odd())).collect();
    fs::remove_file(laid[1].message().path).unwrap();
    let answers = deliver(&mut sink, &laid);
    assert!(answers[0].is_ok() && answers[2].is_ok());
    let Err(Fault::Later(reason)) = &answers[1] else { panic!("{answers:?}") };
    assert!(reason.starts_with("cannot open "), "{reason}");
    assert_eq!(names(&sink.new).len(), 2);
}

#[test]
fn a_folder_in_the_manner_of_maildir_plus_plus() {
    let folder = folder();
    let path = folder.path().join("Mail");
    let with = |name: &str| Settings { folder: Some(name.into()), ..Settings::new(&path) };
    let mut sink = open_as(with("Lists.rust"));
    let tmp = sink.spool().unwrap();
    assert_eq!(deliver(&mut sink, &[Laid::new(&tmp, "1", &odd())]), [Ok(())]);
    assert_eq!(names(&path.join(".Lists.rust/new")).len(), 1);
    assert_eq!(sink.marks().unwrap().len(), 1);
    for name in ["", "a/b", ".", "a..b", ".a", "a."] {
        assert!(Maildir::open(Arc::new(LocalDisk), with(name)).is_err(), "{name}");
    }
}
