//! Every bound of a session is reached, and holds.

use super::*;

#[test]
fn r2449_4_5_a_line_that_is_too_long_is_one_bad_command() {
    let long = format!("C: {}", "A".repeat(2000));
    check(world(), &[GREETING, &long, "S: -ERR Line too long", "C: QUIT", "S: +OK Goodbye", "D: close"]);
    check_logged_in(world(), &[&long, "S: -ERR Line too long", "C: STAT", "S: +OK 3 34"]);
}

#[test]
fn r2449_4_1_commands_of_255_octets_are_taken() {
    let user = format!("C: USER {}", "u".repeat(255 - 7));
    check(world(), &[GREETING, &user, "S: +OK Send the password"]);
    // R1939-3.7, and the longest line we take.
    let user = format!("C: USER {}", "u".repeat(512 - 7));
    check(world(), &[GREETING, &user, "S: +OK Send the password"]);
    let user = format!("{user}u");
    check(world(), &[GREETING, &user, "S: -ERR Line too long"]);
}

#[test]
fn an_endless_line_takes_no_memory() {
    let mut run = world().start();
    for _ in 0..1000 {
        run.receive(&[b'A'; 1000]);
        assert!(run.input.len() < 512);
    }
    assert_eq!(run.lines().len(), 2);
}

#[test]
fn too_many_bad_commands_end_the_session() {
    let mut run = world().start();
    run.receive(&b"FOO\r\n".repeat(25));
    let lines = run.lines();
    assert_eq!(lines.len(), 1 + 20 + 2);
    assert_eq!(lines[20..], ["-ERR Unknown command", "-ERR Too many bad commands, closing", "D: close"]);
}

#[test]
fn a_login_forgives_bad_commands() {
    let mut run = world().start();
    run.receive(&b"FOO\r\n".repeat(20));
    run.receive(b"USER alice\r\nPASS secret\r\n");
    run.receive(&b"FOO\r\n".repeat(100));
    run.receive(b"STAT\r\nFOO\r\nSTAT\r\n");
    let lines = run.lines();
    let end = ["-ERR Unknown command", "+OK 3 34", "-ERR Too many bad commands, closing", "D: close"];
    assert_eq!(lines[lines.len() - 4..], end);
}

#[test]
fn numbers_of_messages_that_are_not_there_are_no_bad_commands() {
    let mut run = world().start();
    run.receive(b"USER alice\r\nPASS secret\r\n");
    run.receive(&b"LIST 9\r\n".repeat(500));
    run.receive(b"STAT\r\n");
    assert_eq!(run.lines().last().unwrap(), "+OK 3 34");
}

#[test]
fn too_many_refusals_end_the_session() {
    let mut run = world().start();
    run.receive(&b"USER alice\r\nPASS wrong\r\n".repeat(12));
    let lines = run.lines();
    let verified = lines.iter().filter(|line| line.starts_with("D: USER")).count();
    assert_eq!(verified, 10);
    assert_eq!(lines[lines.len() - 2..], ["-ERR [AUTH] Wrong user name or password", "D: close"]);
}

#[test]
fn long_listings_come_in_pieces() {
    let mut world = world();
    world.messages = (0..20_000).map(|index| (Vec::new(), format!("unique-id-{index}"))).collect();
    world.policy.limits.output_octets = 4096;
    let mut run = world.start();
    run.receive(b"USER alice\r\nPASS secret\r\nDELE 7\r\n");
    run.input.fill(b"UIDL\r\nLIST\r\nNOOP\r\n");
    let (mut output, mut said, mut pieces) = (Vec::new(), Vec::new(), 0);
    while let Step::Write = run.session.step(&mut run.input, &mut output) {
        assert!((4096..4096 + 100).contains(&output.len()), "{}", output.len());
        said.append(&mut output);
        pieces += 1;
    }
    said.append(&mut output);
    assert!(pieces > 100);
    let mut expected = String::from("+OK Unique-ids follow\r\n");
    let numbers = || (1..=20_000).filter(|number| *number != 7);
    numbers().for_each(|number| expected += &format!("{number} unique-id-{}\r\n", number - 1));
    expected += ".\r\n+OK 19999 messages (0 octets)\r\n";
    numbers().for_each(|number| expected += &format!("{number} 0\r\n"));
    expected += ".\r\n+OK Nothing done\r\n";
    assert!(said == expected.as_bytes());
}

#[test]
fn r2449_6_6_3_a_flood_is_answered_in_pieces() {
    let mut run = world().start();
    run.receive(b"USER alice\r\nPASS secret\r\n");
    run.input.fill(&b"NOOP\r\n".repeat(10_000));
    let mut output = Vec::new();
    assert!(matches!(run.session.step(&mut run.input, &mut output), Step::Write));
    assert!(output.len() < 64 * 1024 + 512);
    // Until the output is written nothing moves.
    let before = run.input.len();
    assert!(matches!(run.session.step(&mut run.input, &mut output), Step::Write));
    assert_eq!(run.input.len(), before);
}

const GREETING: &str = "S: +OK POP3 mail.example.org ready";
