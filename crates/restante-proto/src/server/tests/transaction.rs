//! Transcripts of the TRANSACTION and UPDATE states.

use super::*;

#[test]
fn r1939_5_stat_and_list() {
    check_logged_in(
        world(),
        &[
            "C: STAT",
            "S: +OK 3 34",
            "C: LIST",
            "S: +OK 3 messages (34 octets)",
            "S: 1 26",
            "S: 2 8",
            "S: 3 0",
            "S: .",
            "C: LIST 2",
            "S: +OK 2 8",
            "C: DELE 1",
            "S: +OK Message marked deleted",
            "C: STAT",
            "S: +OK 2 8",
            "C: LIST",
            "S: +OK 2 messages (8 octets)",
            "S: 2 8",
            "S: 3 0",
            "S: .",
            "C: RSET",
            "S: +OK 3 messages (34 octets)",
            "C: STAT",
            "S: +OK 3 34",
        ],
    );
}

#[test]
fn r1939_5_4_an_empty_maildrop() {
    let mut world = world();
    world.messages.clear();
    check_logged_in(
        world,
        &[
            "C: STAT",
            "S: +OK 0 0",
            "C: LIST",
            "S: +OK 0 messages (0 octets)",
            "S: .",
            "C: UIDL",
            "S: +OK Unique-ids follow",
            "S: .",
            "C: LIST 1",
            "S: -ERR No such message",
        ],
    );
}

#[test]
fn r1939_7_8_uidl() {
    check_logged_in(
        world(),
        &[
            "C: UIDL",
            "S: +OK Unique-ids follow",
            "S: 1 uid-1",
            "S: 2 uid-2",
            "S: 3 uid-3",
            "S: .",
            "C: UIDL 2",
            "S: +OK 2 uid-2",
            "C: DELE 2",
            "S: +OK Message marked deleted",
            "C: UIDL ",
            "S: +OK Unique-ids follow",
            "S: 1 uid-1",
            "S: 3 uid-3",
            "S: .",
        ],
    );
}

#[test]
fn r1939_5_16_retr() {
    check_logged_in(
        world(),
        &[
            "C: RETR 1",
            "S: +OK 26 octets",
            "S: A: 1",
            "S: ",
            "S: one",
            "S: ..two",
            "S: three",
            "S: .",
            "C: RETR 3",
            "S: +OK 0 octets",
            "S: .",
            "C: retr 2",
            "S: +OK 8 octets",
            "S: B: 2",
            "S: ",
            "S: .",
        ],
    );
}

#[test]
fn r1939_7_2_top() {
    check_logged_in(
        world(),
        &[
            "C: TOP 1 0",
            "S: +OK Top of the message follows",
            "S: A: 1",
            "S: ",
            "S: .",
            "C: TOP 1 2",
            "S: +OK Top of the message follows",
            "S: A: 1",
            "S: ",
            "S: one",
            "S: ..two",
            "S: .",
            "C: TOP 1 99999999999999999999999999",
            "S: +OK Top of the message follows",
            "S: A: 1",
            "S: ",
            "S: one",
            "S: ..two",
            "S: three",
            "S: .",
            // R1939-7.7
            "C: QUIT",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn r1939_5_11_deleted_messages_are_gone() {
    let mut run = world().start();
    run.receive(b"USER alice\r\nPASS secret\r\nDELE 1\r\n");
    for command in ["LIST 1", "RETR 1", "DELE 1", "TOP 1 0", "UIDL 1"] {
        run.receive(format!("{command}\r\n").as_bytes());
        assert_eq!(run.lines().last().unwrap(), "-ERR The message is marked deleted", "{command}");
    }
}

#[test]
fn r1939_5_12_numbers_that_are_none() {
    let mut run = world().start();
    run.receive(b"USER alice\r\nPASS secret\r\n");
    for keyword in ["LIST", "RETR", "DELE", "UIDL", "TOP"] {
        let rest = if keyword == "TOP" { " 0" } else { "" };
        for number in ["0", "4", "00", "4294967295", "4294967296", "4294967297", "18446744073709551617"] {
            run.receive(format!("{keyword} {number}{rest}\r\n").as_bytes());
            assert_eq!(run.lines().last().unwrap(), "-ERR No such message", "{keyword} {number}");
        }
        for number in ["-1", "+1", "1x", "x", "1.", "0x1", "１"] {
            run.receive(format!("{keyword} {number}{rest}\r\n").as_bytes());
            assert_eq!(run.lines().last().unwrap(), "-ERR Invalid argument", "{keyword} {number}");
        }
    }
    run.receive(b"STAT\r\n");
    assert_eq!(run.lines().last().unwrap(), "+OK 3 34");
}

#[test]
fn arguments_that_do_not_fit() {
    check_logged_in(
        world(),
        &[
            "C: STAT 1",
            "S: -ERR Too many arguments",
            "C: STAT ",
            "S: +OK 3 34",
            "C: NOOP x",
            "S: -ERR Too many arguments",
            "C: RSET 1",
            "S: -ERR Too many arguments",
            "C: LIST 1 2",
            "S: -ERR Too many arguments",
            "C: LIST  1",
            "S: -ERR Invalid argument",
            "C: LIST 1 ",
            "S: -ERR Invalid argument",
            "C: RETR",
            "S: -ERR An argument is missing",
            "C: RETR ",
            "S: -ERR An argument is missing",
            "C: RETR  1",
            "S: -ERR Invalid argument",
            "C: DELE",
            "S: -ERR An argument is missing",
            "C: DELE 1 2",
            "S: -ERR Too many arguments",
            "C: TOP",
            "S: -ERR An argument is missing",
            "C: TOP 1",
            "S: -ERR An argument is missing",
            "C: TOP 1 ",
            "S: -ERR An argument is missing",
            "C: TOP 1 -1",
            "S: -ERR Invalid argument",
            "C: TOP 1 x",
            "S: -ERR Invalid argument",
            "C: TOP 1  1",
            "S: -ERR Invalid argument",
            "C: TOP 1 0 0",
            "S: -ERR Too many arguments",
            "C: RETRIEVE 1",
            "S: -ERR Unknown command",
            "C: TOPS 1 0",
            "S: -ERR Unknown command",
            "C: XTND XMIT",
            "S: -ERR Unknown command",
            "C: TOP\0 1 0",
            "S: -ERR Unknown command",
            "C: LAST",
            "S: -ERR Unknown command",
        ],
    );
}

#[test]
fn r1939_5_20_noop_changes_nothing() {
    check_logged_in(
        world(),
        &[
            "C: DELE 1",
            "S: +OK Message marked deleted",
            "C: noop",
            "S: +OK Nothing done",
            "C: STAT",
            "S: +OK 2 8",
        ],
    );
}

#[test]
fn r1939_3_18_no_second_login() {
    check_logged_in(
        world(),
        &[
            "C: USER bob",
            "S: -ERR Not possible in this state",
            "C: PASS secret",
            "S: -ERR Not possible in this state",
            "C: STLS",
            "S: -ERR Not possible in this state",
            "C: AUTH",
            "S: -ERR Not possible in this state",
            "C: STAT",
            "S: +OK 3 34",
        ],
    );
}

#[test]
fn r2449_5_2_capabilities_after_login() {
    let mut world = world();
    world.transport = Transport::PlainWithStls;
    check_logged_in(
        world,
        &[
            "C: CAPA",
            "S: +OK Capability list follows",
            "S: TOP",
            "S: USER",
            "S: SASL PLAIN LOGIN",
            "S: RESP-CODES",
            "S: AUTH-RESP-CODE",
            "S: PIPELINING",
            "S: UIDL",
            "S: EXPIRE NEVER",
            "S: UTF8 USER",
            "S: LANG",
            "S: IMPLEMENTATION Restante 1",
            "S: .",
        ],
    );
}

#[test]
fn r1939_6_1_quit_removes_the_marked_messages() {
    check_logged_in(
        world(),
        &[
            "C: DELE 3",
            "S: +OK Message marked deleted",
            "C: DELE 1",
            "S: +OK Message marked deleted",
            "C: QUIT",
            "D: remove [0, 2]",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn r1939_6_4_quit_reports_what_was_not_removed() {
    for (fault, reply) in [
        (Fault::Temporary, "S: -ERR [SYS/TEMP] Some deleted messages were not removed"),
        (Fault::Permanent, "S: -ERR [SYS/PERM] Some deleted messages were not removed"),
    ] {
        let mut world = world();
        world.removal = Err(fault);
        let transcript =
            ["C: DELE 2", "S: +OK Message marked deleted", "C: QUIT", "D: remove [1]", reply, "D: close"];
        check_logged_in(world, &transcript);
    }
}

#[test]
fn quit_after_rset_removes_nothing() {
    check_logged_in(
        world(),
        &[
            "C: DELE 3",
            "S: +OK Message marked deleted",
            "C: RSET",
            "S: +OK 3 messages (34 octets)",
            "C: QUIT",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn r3206_4_4_a_message_that_cannot_be_opened() {
    for (fault, reply) in [
        (Fault::Temporary, "S: -ERR [SYS/TEMP] The message cannot be read now"),
        (Fault::Permanent, "S: -ERR [SYS/PERM] The message cannot be read"),
    ] {
        let mut world = world();
        world.fault = Some((1, fault));
        check_logged_in(
            world,
            &["C: RETR 2", reply, "C: TOP 2 0", reply, "C: RETR 3", "S: +OK 0 octets", "S: ."],
        );
    }
}

#[test]
fn r2449_6_6_5_one_flight_crosses_the_login() {
    let mut run = world().start();
    run.receive(b"USER alice\r\nPASS secret\r\nSTAT\r\nRETR 3\r\nDELE 1\r\nNOOP\r\nQUIT\r\nNOOP\r\n");
    let expected = [
        "+OK POP3 mail.example.org ready",
        "+OK Send the password",
        "D: USER <alice> <secret>",
        "D: open",
        "+OK 3 messages (34 octets)",
        "+OK 3 34",
        "+OK 0 octets",
        ".",
        "+OK Message marked deleted",
        "+OK Nothing done",
        "D: remove [0]",
        "+OK Goodbye",
        "D: close",
    ];
    assert_eq!(run.lines(), expected);
}

#[test]
fn a_flight_is_answered_into_one_output() {
    let mut run = world().start();
    run.receive(b"USER alice\r\nPASS secret\r\n");
    run.input.fill(b"STAT\r\nLIST 1\r\nUIDL 1\r\nNOOP\r\nSTA");
    let mut output = Vec::new();
    assert!(matches!(run.session.step(&mut run.input, &mut output), Step::Read));
    assert_eq!(output, b"+OK 3 34\r\n+OK 1 26\r\n+OK 1 uid-1\r\n+OK Nothing done\r\n");
    assert_eq!(run.input.octets(), b"STA");
}

#[test]
fn r4505_5_2_a_maildrop_that_can_only_be_read() {
    let mut world = world();
    world.rights = Rights::ReadOnly;
    check_logged_in(
        world,
        &[
            "C: DELE 1",
            "S: -ERR [SYS/PERM] The maildrop can only be read",
            "C: DELE 9",
            "S: -ERR No such message",
            "C: STAT",
            "S: +OK 3 34",
            "C: QUIT",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn the_driver_learns_why_a_session_ends() {
    let login = "USER a\r\nPASS secret\r\n";
    for (removal, commands, ending) in [
        (Ok(()), "QUIT\r\n".to_string(), Ending::Quit),
        (Ok(()), format!("{login}QUIT\r\n"), Ending::Quit),
        (Ok(()), format!("{login}DELE 1\r\nQUIT\r\n"), Ending::Quit),
        (Err(Fault::Temporary), format!("{login}DELE 1\r\nQUIT\r\n"), Ending::NotRemoved),
        (Ok(()), "X\r\n".repeat(50), Ending::BadCommands),
        (Ok(()), "USER a\r\nPASS wrong\r\n".repeat(10), Ending::Refused),
        (Ok(()), "USER a\r\nPASS down\r\n".to_string(), Ending::Refused),
    ] {
        let mut run = World { removal, ..world() }.start();
        run.receive(commands.as_bytes());
        assert_eq!(run.ending, Some(ending), "{commands:?}");
    }
}
