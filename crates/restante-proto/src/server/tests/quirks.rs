//! Each workaround, on as it is by default and off.

use super::*;
use crate::quirk::Quirk;

const GREETING: &str = "S: +OK POP3 mail.example.org ready";

fn without(quirk: Quirk) -> World {
    let mut world = world();
    world.policy.quirks = Quirks::default().with(quirk, false);
    world
}

#[test]
fn bare_auth_lists_or_lacks_its_argument() {
    let mut all = world();
    all.policy.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    check(all, &[GREETING, "C: AUTH", "S: +OK Mechanisms follow", "S: PLAIN", "S: LOGIN", "S: ."]);
    check(without(Quirk::BareAuth), &[GREETING, "C: AUTH", "S: -ERR An argument is missing"]);
}

#[test]
fn capa_may_or_may_not_stand_before_pass() {
    let capa = |world: World| {
        let mut run = world.start();
        run.receive(b"USER mrose\r\nCAPA\r\nPASS secret\r\n");
        run.write();
        String::from_utf8(run.said).unwrap()
    };
    assert!(capa(world()).ends_with("+OK 3 messages (34 octets)\r\n"));
    assert!(capa(without(Quirk::CapaBeforePass)).ends_with("-ERR PASS must follow USER\r\n"));
}

#[test]
fn trailing_spaces_are_ignored_or_are_an_argument() {
    let login = [
        "C: USER mrose",
        "S: +OK Send the password",
        "C: PASS secret",
        "D: USER <mrose> <secret>",
        "D: open",
    ];
    let dialogue = |last: [&'static str; 2]| {
        [&[GREETING][..], &login, &["S: +OK 3 messages (34 octets)"], &last].concat()
    };
    check(world(), &dialogue(["C: NOOP ", "S: +OK Nothing done"]));
    check(without(Quirk::TrailingSpaces), &dialogue(["C: NOOP ", "S: -ERR Too many arguments"]));
    // The spaces of a pass phrase are its own.
    let mut run = without(Quirk::TrailingSpaces).start();
    run.receive(b"USER mrose\r\nPASS pass phrase \r\n");
    assert_eq!(run.password, "pass phrase ");
}

#[test]
fn a_bare_line_feed_ends_a_command_or_does_not() {
    let said = |world: World| {
        let mut run = world.start();
        run.receive(b"QUIT\nQUIT\r\n");
        run.write();
        String::from_utf8(run.said).unwrap()
    };
    assert!(said(world()).ends_with("+OK Goodbye\r\nD: close\r\n"));
    assert!(said(without(Quirk::BareLineFeed)).ends_with("-ERR Unknown command\r\n"));
}

#[test]
fn login_takes_a_name_at_once_or_not() {
    check(world(), &[GREETING, "C: AUTH LOGIN bXJvc2U=", "S: + UGFzc3dvcmQ6"]);
    check(
        without(Quirk::LoginInitialResponse),
        &[GREETING, "C: AUTH LOGIN bXJvc2U=", "S: -ERR The mechanism takes no initial response"],
    );
}

#[test]
fn an_auth_line_may_be_long_or_not() {
    let said = |world: World| {
        let mut run = world.start();
        run.receive(format!("AUTH PLAIN {}\r\n", "A".repeat(1000)).as_bytes());
        run.write();
        String::from_utf8(run.said).unwrap()
    };
    assert!(said(without(Quirk::LongAuthLine)).ends_with("-ERR Line too long\r\n"));
    assert!(!said(world()).contains("too long"));
}
