//! XTND: boards, XMIT and XLST, where they are on and where they are off.

use super::*;

impl World {
    /// With the boards "news" (two messages), "broken" and "Old" (with an archive), XMIT and XLST.
    pub(super) fn with_services(mut self) -> Self {
        let board = |name: &str, has_archive| Board { name: name.into(), has_archive };
        self.policy.extended = Extended {
            boards: vec![board("news", false), board("broken", false), board("Old", true)],
            message_octets_max: Some(40),
            header_listing: true,
        };
        self.boards = vec![Some(2), None, Some(1)];
        self
    }
}

#[test]
fn r1082_xtnd_2_xtnd_is_unknown_unless_a_service_is_on() {
    let unknown = "S: -ERR Unknown command";
    check_logged_in(
        world(),
        &[
            "C: XTND",
            unknown,
            "C: XTND BBOARDS",
            unknown,
            "C: XTND XMIT",
            unknown,
            "C: XTND XLST Subject",
            unknown,
        ],
    );
    let mut world = world().with_services();
    world.policy.extended = Extended { header_listing: true, ..Extended::default() };
    check_logged_in(
        world,
        &[
            "C: XTND BBOARDS",
            unknown,
            "C: XTND ARCHIVE news",
            unknown,
            "C: XTND XMIT",
            unknown,
            "C: XTND FOO",
            unknown,
            "C: XTND XLST b 2",
            "S: +OK Header fields follow",
            "S: 2 B: 2",
            "S: .",
        ],
    );
}

#[test]
fn r1082_xtnd_1_only_after_login_and_in_any_case() {
    check(
        world().with_services(),
        &[
            "S: +OK POP3 mail.example.org ready",
            "C: XTND BBOARDS",
            "S: -ERR Not possible in this state",
            "C: USER alice",
            "S: +OK Send the password",
            "C: PASS secret",
            "D: USER <alice> <secret>",
            "D: open",
            "S: +OK 3 messages (34 octets)",
            "C: xtnd bboards",
            "S: +OK Boards follow",
            "S: news 2",
            "S: Old 1",
            "S: .",
        ],
    );
}

#[test]
fn r1082_bboards_2_opening_a_board_closes_the_maildrop_as_quit_does() {
    check_logged_in(
        world().with_services(),
        &[
            "C: DELE 2",
            "S: +OK Message marked deleted",
            "C: XTND BBOARDS NEWS",
            "D: remove [1], open Shelf { board: 0, part: Current }",
            "S: +OK The board follows",
            "S: news 2",
            "S: .",
            "C: STAT",
            "S: +OK 2 34",
            "C: LIST",
            "S: +OK 2 messages (34 octets)",
            "S: 1 26 1",
            "S: 2 8 2",
            "S: .",
            "C: LIST 2",
            "S: +OK 2 8 2",
            "C: DELE 1",
            "S: -ERR [SYS/PERM] The maildrop can only be read",
            "C: XTND ARCHIVE old",
            "D: remove [], open Shelf { board: 2, part: Archive }",
            "S: +OK The board follows",
            "S: Old 1",
            "S: .",
            "C: QUIT",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn r1082_bboards_3_what_does_not_open_changes_nothing() {
    check_logged_in(
        world().with_services(),
        &[
            "C: DELE 2",
            "S: +OK Message marked deleted",
            "C: XTND BBOARDS nosuch",
            "S: -ERR No such board",
            "C: XTND BBOARDS broken",
            "S: -ERR [SYS/TEMP] The board cannot be opened now",
            "C: XTND ARCHIVE news",
            "S: -ERR No such board",
            "C: XTND ARCHIVE",
            "S: -ERR An argument is missing",
            "C: LIST",
            "S: +OK 2 messages (26 octets)",
            "S: 1 26",
            "S: 3 0",
            "S: .",
            "C: QUIT",
            "D: remove [1]",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn marks_that_cannot_be_removed_end_the_session_as_quit_does() {
    let mut world = world().with_services();
    world.removal = Err(Fault::Temporary);
    check_logged_in(
        world,
        &[
            "C: DELE 1",
            "S: +OK Message marked deleted",
            "C: XTND BBOARDS news",
            "D: remove [0], open Shelf { board: 0, part: Current }",
            "S: -ERR [SYS/TEMP] Some deleted messages were not removed",
            "D: close",
        ],
    );
}

#[test]
fn r1082_x_bboards_1_fourteen_lines() {
    let mut transcript = vec!["C: XTND X-BBOARDS news", "S: +OK The board follows", "S: news"];
    transcript.extend(["S: "; 11]);
    transcript.extend(["S: 0 2", "S: ", "S: ."]);
    transcript.extend(["C: XTND X-BBOARDS nosuch", "S: -ERR No such board"]);
    transcript.extend(["C: XTND X-BBOARDS broken", "S: -ERR [SYS/TEMP] The board cannot be opened now"]);
    check_logged_in(world().with_services(), &transcript);
}

#[test]
fn xmit_takes_a_message_and_says_what_became_of_it() {
    let transcript = |reply: &'static str| {
        [
            "C: XTND XMIT",
            "S: +OK Send the message, end it with a dot",
            "C: To: x",
            "C: ",
            "C: ..dot",
            "C: QUIT",
            "C: .",
            "D: submit To: x\\r\\n\\r\\n.dot\\r\\nQUIT\\r\\n",
            reply,
            "C: NOOP",
            "S: +OK Nothing done",
        ]
    };
    check_logged_in(world().with_services(), &transcript("S: +OK The message was sent"));
    for (why, reply) in [
        (Unsubmitted::Temporary, "S: -ERR [SYS/TEMP] The message was not sent, try again later"),
        (Unsubmitted::Refused, "S: -ERR [SYS/PERM] The message was refused and not sent"),
        (Unsubmitted::Recipients, "S: -ERR Not sent: no recipient is named, or too many are"),
        (Unsubmitted::Sender, "S: -ERR Not sent: the message is not from an address of yours"),
    ] {
        let mut world = world().with_services();
        world.submission = Err(why);
        check_logged_in(world, &transcript(reply));
    }
}

#[test]
fn xmit_reads_a_message_that_is_too_large_to_its_end() {
    check_logged_in(
        world().with_services(),
        &[
            "C: XTND XMIT",
            "S: +OK Send the message, end it with a dot",
            "C: To: somebody",
            "C: ",
            "C: more than forty octets in all",
            "C: STAT",
            "C: .",
            "D: submit ",
            "S: -ERR The message is too large and was not sent",
            "C: STAT",
            "S: +OK 3 34",
        ],
    );
}

#[test]
fn who_may_only_read_sends_no_mail() {
    let mut world = world().with_services();
    world.rights = Rights::ReadOnly;
    check_logged_in(world, &["C: XTND XMIT", "S: -ERR Unknown command"]);
}

#[test]
fn xlst_shows_a_field_of_each_message_that_has_it() {
    let mut world = world().with_services();
    world.messages[0].0 = b"subject: =?x?=\n folded\nSubject: two\n\nbody".to_vec();
    world.messages[1].0 = "Subject: h\u{e4}\r\n\r\n".as_bytes().to_vec();
    check_logged_in(
        world,
        &[
            "C: XTND XLST Subject",
            "S: +OK Header fields follow",
            "S: 1 subject: =?x?= folded",
            "S: 2 Subject: h??",
            "S: .",
            "C: XTND XLST SUBJECT: 1",
            "S: +OK Header fields follow",
            "S: 1 subject: =?x?= folded",
            "S: .",
            "C: XTND XLST Subject 4",
            "S: -ERR No such message",
            "C: DELE 1",
            "S: +OK Message marked deleted",
            "C: XTND XLST Subject",
            "S: +OK Header fields follow",
            "S: 2 Subject: h??",
            "S: .",
            "C: XTND XLST Subject 1",
            "S: -ERR The message is marked deleted",
        ],
    );
}

#[test]
fn xlst_of_many_messages_is_written_in_pieces() {
    let mut world = world().with_services();
    world.policy.limits.output_octets = 200;
    let message = (b"A: 1\n\n".to_vec(), "uid".to_string());
    world.messages = (0..300).map(|n| (message.0.clone(), format!("{}{n}", message.1))).collect();
    let mut run = world.start();
    run.receive(b"USER alice\r\nPASS secret\r\nXTND XLST A\r\n");
    assert_eq!(run.lines().iter().filter(|line| line.ends_with(" A: 1")).count(), 300);
}
