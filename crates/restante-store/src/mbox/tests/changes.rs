//! What other programs do with the file, before a session and during one.

use super::fixture::{Fixture, read, remove, run, text, unique_ids};
use crate::maildrop::MessageError;

fn message(number: u32) -> String {
    format!("From a@b Thu Feb 13 10:11:{:02} 2025\nSubject: {number}\n\nbody of {number}\n\n", number % 60)
}

fn messages(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().map(message).collect()
}

#[test]
fn unique_ids_and_octets_outlive_what_other_programs_write_into_headers() {
    let fixture = Fixture::new();
    fixture.put(messages(0..4).as_bytes());
    let look = || {
        let maildrop = fixture.open();
        (unique_ids(maildrop.listing()), maildrop.listing().total())
    };
    let before = look();
    // As Dovecot and mutt do.
    let noted = |number: u32, notes: &str| message(number).replacen("\n\n", &format!("\n{notes}\n\n"), 1);
    let uids =
        "X-IMAPbase: 1739441472 3\nStatus: RO\nX-UID: 1\nX-Keywords:                 \nContent-Length: 10";
    let rewritten = [noted(0, uids), noted(1, "Status: O\nLines: 1"), message(2), noted(3, "X-Status: A")];
    fixture.put(rewritten.concat().as_bytes());
    assert_eq!(look(), before);
    fixture.lose_index();
    assert_eq!(look(), before);
    fixture.put([rewritten[0].as_str(), &rewritten[3]].concat().as_bytes());
    assert_eq!(look().0, [before.0[0].as_str(), &before.0[3]]);
}

/// Dovecot takes no X-UID for its own without X-IMAPbase in the first message.
#[test]
fn the_first_message_that_stays_takes_over_what_others_keep_about_the_mbox() {
    let noted = |number: u32, notes: &str| message(number).replacen("\n\n", &format!("\n{notes}\n\n"), 1);
    let base = "x-imapbase : 1739441472 3 Important\n\tOther";
    let first = noted(0, &format!("X-UID: 1\n{base}\nStatus: RO"));
    let taken = |number: u32| message(number).replacen('\n', &format!("\n{base}\n"), 1);
    for marked in [vec![0], vec![0, 1], vec![0, 2], vec![0, 1, 3], vec![0, 1, 2]] {
        let fixture = Fixture::new();
        let contents = ["\n", &first, &messages(1..4)].concat();
        fixture.put(contents.as_bytes());
        let before = fixture.unique_ids();
        assert!(remove(&mut fixture.open(), marked.clone()).warnings.is_empty());
        let left: Vec<u32> = (0..4).filter(|number| !marked.contains(&(*number as usize))).collect();
        let rest = messages(left[1..].iter().copied());
        assert_eq!(fixture.contents(), ["\n", &taken(left[0]), &rest].concat());
        let expected: Vec<_> = left.iter().map(|&number| before[number as usize].clone()).collect();
        for _ in 0..2 {
            assert_eq!(fixture.unique_ids(), expected);
            assert!(fixture.messages()[0].ends_with(&format!("Subject: {}\n\nbody of {0}\n", left[0])));
            fixture.lose_index();
        }
        // And hands it on.
        remove(&mut fixture.open(), [0]);
        let end =
            left.get(1).map_or(String::new(), |&number| taken(number) + &messages(left[2..].iter().copied()));
        assert_eq!(fixture.contents(), ["\n", &end].concat());
    }
    let fixture = Fixture::new();
    fixture.put([message(0), first, message(2)].concat().as_bytes());
    remove(&mut fixture.open(), [0, 1]);
    assert_eq!(fixture.contents(), message(2));
}

#[test]
fn a_step_may_end_inside_of_a_message_with_others_behind() {
    let fixture = Fixture::new();
    // More than one step moves.
    let large = message(1).replace("body", &"x".repeat(60).replace("xx", "y\n").repeat(100_000));
    fixture.put(
        [message(0), large.clone(), message(2), large.clone(), message(4), message(5)].concat().as_bytes(),
    );
    remove(&mut fixture.open(), [0, 2, 4]);
    assert!(fixture.contents() == [large.clone(), large, message(5)].concat());
}

#[test]
fn twins_are_told_apart_by_their_order() {
    let fixture = Fixture::new();
    fixture.put([message(1), message(1), message(2), message(1)].concat().as_bytes());
    let unique_ids = fixture.unique_ids();
    assert_eq!(unique_ids[1], format!("{}.2", unique_ids[0]));
    assert_eq!(unique_ids[3], format!("{}.3", unique_ids[0]));
    assert_eq!(remove(&mut fixture.open(), [1]).vanished, 0);
    assert_eq!(fixture.contents(), [message(1), message(2), message(1)].concat());
}

#[test]
fn r1939_6_1_removed_is_what_was_marked_and_nothing_else() {
    for marked in [vec![0], vec![4], vec![0, 1, 2, 3, 4], vec![1, 3], vec![0, 4], vec![2, 3]] {
        let fixture = Fixture::new();
        fixture.put(messages(0..5).as_bytes());
        let before = fixture.unique_ids();
        let removed = remove(&mut fixture.open(), marked.clone());
        assert_eq!((removed.messages, removed.vanished, removed.warnings.len()), (marked.len(), 0, 0));
        let left: Vec<u32> = (0..5).filter(|number| !marked.contains(&(*number as usize))).collect();
        assert_eq!(fixture.contents(), messages(left.clone()));
        let expected: Vec<_> = left.iter().map(|&number| before[number as usize].clone()).collect();
        assert_eq!(fixture.unique_ids(), expected);
        fixture.lose_index();
        assert_eq!(fixture.unique_ids(), expected);
    }
}

#[test]
fn mail_that_comes_during_a_session_stays() {
    let fixture = Fixture::new();
    fixture.put(messages(0..3).as_bytes());
    let mut maildrop = fixture.open();
    fixture.append(message(3).as_bytes());
    assert_eq!(maildrop.listing().len(), 3);
    assert_eq!(text(&maildrop, 2), "Subject: 2\n\nbody of 2\n");
    remove(&mut maildrop, [0, 2]);
    drop(maildrop);
    assert_eq!(fixture.contents(), messages([1, 3]));
    assert_eq!(fixture.messages().len(), 2);
}

#[test]
fn what_others_move_or_remove_during_a_session_is_found_or_gone() {
    let fixture = Fixture::new();
    fixture.put(messages(0..4).as_bytes());
    let mut maildrop = fixture.open();
    // Rewritten in its place: the first is gone, the last has new notes.
    let last = message(3).replacen("\n\n", "\nStatus: RO\n\n", 1);
    fixture.put([messages(1..3), last.clone()].concat().as_bytes());
    assert!(matches!(read(&maildrop, 0), Err(MessageError::Vanished)));
    assert_eq!(text(&maildrop, 1), "Subject: 1\n\nbody of 1\n");
    assert_eq!(text(&maildrop, 3), "Subject: 3\n\nbody of 3\n");
    // Another file in its place.
    let new = fixture.file.with_extension("new");
    std::fs::write(&new, [last, messages(1..3)].concat()).unwrap();
    std::fs::rename(&new, &fixture.file).unwrap();
    let removed = remove(&mut maildrop, [0, 1, 3]);
    assert_eq!((removed.messages, removed.vanished), (3, 1));
    assert_eq!(fixture.contents(), message(2));
}

#[test]
fn a_file_that_is_rewritten_while_a_message_is_read_gives_no_wrong_octets() {
    let fixture = Fixture::new();
    let large = |letter: &str| {
        format!("From a@b Thu Feb 13 10:11:12 2025\nSubject: x\n\n{}\n\n", letter.repeat(300_000))
    };
    fixture.put([large("a"), large("b")].concat().as_bytes());
    let maildrop = fixture.open();
    run(async {
        let mut message = maildrop.message(0).await.unwrap();
        let mut octets = Vec::new();
        message.read(&mut octets, 1000).await.unwrap();
        fixture.put(large("b").as_bytes());
        let mut result = Ok(1);
        while let Ok(1..) = result {
            result = message.read(&mut octets, 1000).await;
        }
        assert!(matches!(result, Err(MessageError::Changed)), "{result:?}");
    });
}

#[test]
fn an_index_of_appended_messages_says_what_a_new_one_would() {
    let fixture = Fixture::new();
    for number in 0..120 {
        fixture.append(message(number).as_bytes());
        if number % 7 == 0 {
            let mut maildrop = fixture.open();
            if number % 3 == 0 {
                remove(&mut maildrop, [0]);
            }
        }
    }
    let look = || {
        let maildrop = fixture.open();
        (unique_ids(maildrop.listing()), maildrop.listing().total())
    };
    let listed = look();
    fixture.lose_index();
    assert_eq!(look(), listed);
}

#[test]
fn a_last_message_without_a_blank_line_stays_what_it_is() {
    let fixture = Fixture::new();
    fixture.put(message(0).trim_end().as_bytes());
    fixture.open();
    fixture.deliver(b"Subject: more\r\n\r\nmail\r\n");
    assert_eq!(fixture.messages()[1], "Subject: more\n\nmail\n");
    fixture.put([message(1).trim_end(), "\n"].concat().as_bytes());
    let before = fixture.unique_ids();
    fixture.append(["\n", message(2).as_str()].concat().as_bytes());
    assert_eq!(fixture.unique_ids()[0], before[0]);
    fixture.append(message(3).as_bytes());
    assert_eq!(fixture.unique_ids().len(), 3);
    fixture.lose_index();
    assert_eq!(fixture.unique_ids()[0], before[0]);
}
