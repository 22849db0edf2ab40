//! Transcripts of LAST (RFC 1460).

use super::*;

/// Four messages, the first of them accessed before.
fn four() -> World {
    let mut world = world();
    world.messages = ["a", "b", "c", "d"].map(|text| (text.as_bytes().to_vec(), text.to_string())).to_vec();
    world.policy.last = true;
    world.last = Some(1);
    world
}

#[test]
fn r1460_5_the_example_of_the_rfc() {
    check_logged_in(
        four(),
        &[
            "C: STAT",
            "S: +OK 4 12",
            "C: LAST",
            "S: +OK 1",
            "C: RETR 3",
            "S: +OK 3 octets",
            "S: c",
            "S: .",
            "C: LAST",
            "S: +OK 3",
            "C: DELE 2",
            "S: +OK Message marked deleted",
            "C: LAST",
            "S: +OK 3",
            "C: RSET",
            "S: +OK 4 messages (12 octets)",
            "C: LAST",
            "S: +OK 0",
            "C: QUIT",
            "D: remove []",
            "D: keep [] anew",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn r1460_5_1_last_is_a_command_of_the_transaction_state_without_arguments() {
    check(
        four(),
        &[
            "S: +OK POP3 mail.example.org ready",
            "C: LAST",
            "S: -ERR Not possible in this state",
            "C: QUIT",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
    check_logged_in(four(), &["C: LAST 1", "S: -ERR Too many arguments", "C: last ", "S: +OK 1"]);
}

#[test]
fn r1460_5_1_where_it_is_not_offered_it_is_unknown_and_nothing_is_kept() {
    let mut world = four();
    world.policy.last = false;
    check_logged_in(
        world,
        &["C: LAST", "S: -ERR Unknown command", "C: RETR 4", "S: +OK 3 octets", "S: d", "S: .", "C: RSET"]
            .into_iter()
            .chain(["S: +OK 4 messages (12 octets)", "C: QUIT", "S: +OK Goodbye", "D: close"])
            .collect::<Vec<_>>(),
    );
}

#[test]
fn r1460_5_4_dele_raises_it_and_nothing_lowers_it() {
    check_logged_in(
        four(),
        &[
            "C: DELE 4",
            "S: +OK Message marked deleted",
            "C: LAST",
            "S: +OK 4",
            "C: RETR 2",
            "S: +OK 3 octets",
            "S: b",
            "S: .",
            "C: DELE 3",
            "S: +OK Message marked deleted",
            "C: DELE 3",
            "S: -ERR The message is marked deleted",
            "C: LAST",
            "S: +OK 4",
            "C: QUIT",
            "D: remove [2, 3]",
            "D: keep [1, 2, 3]",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn r1460_5_7_what_only_looks_does_not_count() {
    let mut world = four();
    world.fault = Some((3, Fault::Temporary));
    let run = |commands: &str, world: World| {
        let mut run = world.start();
        run.receive(format!("USER alice\r\nPASS secret\r\n{commands}LAST\r\nQUIT\r\n").as_bytes());
        run.lines()
    };
    // RETR of a message that cannot be had is no access either.
    let lines = run("TOP 3 0\r\nLIST\r\nLIST 4\r\nUIDL\r\nUIDL 3\r\nRETR 4\r\nRETR 9\r\nNOOP\r\n", world);
    let [.., last, goodbye, close] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!([last.as_str(), goodbye, close], ["+OK 1", "+OK Goodbye", "D: close"], "{lines:?}");
}

#[test]
fn a_maildrop_that_can_only_be_read_keeps_nothing() {
    let mut world = four();
    world.rights = Rights::ReadOnly;
    check_logged_in(
        world,
        &[
            "C: RETR 2",
            "S: +OK 3 octets",
            "S: b",
            "S: .",
            "C: LAST",
            "S: +OK 2",
            "C: QUIT",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}
