//! Transcripts of the AUTHORIZATION state, but for SASL.

use super::*;

const GREETING: &str = "S: +OK POP3 mail.example.org ready";

#[test]
fn r1939_4_10_quit_before_login_closes() {
    check(world(), &[GREETING, "C: QUIT", "S: +OK Goodbye", "D: close"]);
}

#[test]
fn r1939_3_2_the_greeting_comes_unasked() {
    let mut world = world();
    world.timestamp = Some("<1896.697170952@dbc.mtview.ca.us>".into());
    check(world, &["S: +OK POP3 mail.example.org ready <1896.697170952@dbc.mtview.ca.us>"]);
}

#[test]
fn r2449_6_4_1_a_host_name_cannot_look_like_anything_else() {
    for (hostname, shown) in [("[192.0.2.1]", "[192.0.2.1]"), ("a <b@c>\r\n+OK", "abc+OK"), ("é", "")] {
        let mut world = world();
        world.policy.hostname = hostname.into();
        // "<b@c>" loses its brackets and its spaces; the "@" is harmless without them.
        let shown = if hostname.contains('@') { "ab@c+OK" } else { shown };
        check(world, &[&format!("S: +OK POP3 {shown} ready")]);
    }
}

#[test]
fn r2449_4_3_the_longest_greeting_fits() {
    let mut world = world();
    world.policy.hostname = "h".repeat(1000);
    world.timestamp = Some(format!("<{}@b>", "t".repeat(TIMESTAMP_OCTETS_MAX - 4)));
    let run = world.start();
    assert!(run.said.len() <= 512, "{}", run.said.len());
    assert!(run.said.ends_with(b"@b>\r\n"));
}

#[test]
fn r1939_7_24_no_timestamp_that_is_no_msg_id() {
    for timestamp in ["<noat>", "x@y", "<a b@c>", &format!("<{}@b>", "t".repeat(TIMESTAMP_OCTETS_MAX))] {
        let mut world = world();
        world.timestamp = Some(timestamp.into());
        let apop = format!("C: APOP mrose {}", "0".repeat(32));
        check(world, &[GREETING, &apop, "S: -ERR APOP is not offered"]);
    }
}

#[test]
fn r1939_7_27_apop() {
    let mut world = world();
    world.timestamp = Some("<1896.697170952@dbc.mtview.ca.us>".into());
    check(
        world,
        &[
            "S: +OK POP3 mail.example.org ready <1896.697170952@dbc.mtview.ca.us>",
            "C: APOP mrose c4c9334bac560ecc979e58001b3e22fc",
            "D: APOP <mrose> <wrong>",
            "S: -ERR [AUTH] Wrong user name or password",
            "C: APOP mrose",
            "S: -ERR An argument is missing",
            "C: APOP mrose C4C9334BAC560ECC979E58001B3E22FB",
            "S: -ERR Invalid argument",
            "C: APOP mrose c4c9334bac560ecc979e58001b3e22fb x",
            "S: -ERR Invalid argument",
            "C: APOP mrose c4c9334bac560ecc979e58001b3e22fb",
            "D: APOP <mrose> <secret>",
            "D: open",
            "S: +OK 3 messages (34 octets)",
            "C: APOP mrose c4c9334bac560ecc979e58001b3e22fb",
            "S: -ERR Not possible in this state",
        ],
    );
}

#[test]
fn r1939_7_23_good_and_bad_passwords() {
    check(
        world(),
        &[
            GREETING,
            "C: USER alice",
            "S: +OK Send the password",
            "C: PASS wrong",
            "D: USER <alice> <wrong>",
            "S: -ERR [AUTH] Wrong user name or password",
            "C: PASS secret",
            "S: -ERR PASS must follow USER",
            "C: STAT",
            "S: -ERR Not possible in this state",
            "C: uSeR nobody@example.org",
            "S: +OK Send the password",
            "C: pAsS secret",
            "D: USER <nobody@example.org> <secret>",
            "D: open",
            "S: +OK 3 messages (34 octets)",
        ],
    );
}

#[test]
fn r1939_7_22_every_space_of_a_password_counts() {
    check(
        world(),
        &[
            GREETING,
            "C: USER alice",
            "S: +OK Send the password",
            "C: PASS  a  b ",
            "D: USER <alice> < a  b >",
            "S: -ERR [AUTH] Wrong user name or password",
        ],
    );
}

#[test]
fn an_empty_password_is_wrong_without_asking() {
    check(
        world(),
        &[
            GREETING,
            "C: USER alice",
            "S: +OK Send the password",
            "C: PASS ",
            "S: -ERR [AUTH] Wrong user name or password",
            "C: USER alice",
            "S: +OK Send the password",
            "C: PASS",
            "S: -ERR An argument is missing",
            "C: PASS secret",
            "S: -ERR PASS must follow USER",
        ],
    );
}

#[test]
fn r1939_7_21_only_capa_may_come_between_user_and_pass() {
    for between in ["NOOP", "FOO", "STAT", "AUTH", "PASS", "USER", "LIST 0", "STLS", "AUTH PLAIN AAA"] {
        let mut run = world().start();
        run.receive(format!("USER alice\r\n{between}\r\nPASS secret\r\n").as_bytes());
        assert_eq!(run.lines().last().unwrap(), "-ERR PASS must follow USER", "{between}");
    }
    let mut run = world().start();
    run.receive(b"USER alice\r\nCAPA\r\nPASS secret\r\n");
    assert_eq!(run.lines().last().unwrap(), "+OK 3 messages (34 octets)");
}

#[test]
fn r1939_4_4_what_may_go_wrong_behind_a_right_password() {
    let cases = [
        ("B", "S: -ERR [IN-USE] The maildrop is locked by another session"),
        ("X", "S: -ERR [SYS/PERM] The maildrop cannot be opened, ask the postmaster"),
        ("delay", "S: -ERR [LOGIN-DELAY] The last login was too recent, wait before the next"),
        ("temporary", "S: -ERR [SYS/TEMP] Service temporarily unavailable, try again later"),
        ("many", "S: -ERR [SYS/TEMP] Too many sessions, wait and try again"),
    ];
    for (password, reply) in cases {
        let pass = format!("C: PASS {password}");
        let verify = format!("D: USER <alice> <{password}>");
        let mut transcript = vec![GREETING, "C: USER alice", "S: +OK Send the password", &pass, &verify];
        if password.len() == 1 {
            transcript.push("D: open");
        }
        // Then everything is as before.
        transcript.extend([reply, "C: STAT", "S: -ERR Not possible in this state"]);
        transcript.extend(["C: PASS secret", "S: -ERR PASS must follow USER"]);
        transcript.extend(["C: USER alice", "S: +OK Send the password", "C: PASS secret"]);
        transcript.extend(["D: USER <alice> <secret>", "D: open", "S: +OK 3 messages (34 octets)"]);
        check(world(), &transcript);
    }
}

#[test]
fn r2449_8_1_1_1_a_login_that_comes_too_soon_says_login_delay() {
    for login in ["USER alice\r\nPASS delay\r\n", "AUTH PLAIN AGFsaWNlAGRlbGF5\r\n"] {
        let mut run = world().start();
        run.receive(login.as_bytes());
        let lines = run.lines();
        assert!(lines.last().unwrap().starts_with("-ERR [LOGIN-DELAY] "), "{lines:?}");
    }
}

#[test]
fn r2449_8_1_1_2_user_is_answered_without_login_delay() {
    let mut run = world().start();
    run.receive(b"USER alice\r\nPASS delay\r\nUSER alice\r\n");
    assert_eq!(run.lines().last().unwrap(), "+OK Send the password");
}

#[test]
fn a_login_refused_by_shutdown_ends_the_session() {
    check(
        world(),
        &[
            GREETING,
            "C: USER alice",
            "S: +OK Send the password",
            "C: PASS down",
            "D: USER <alice> <down>",
            "S: -ERR [SYS/TEMP] Service unavailable: shutting down",
            "D: close",
        ],
    );
}

#[test]
fn r1939_5_6_transaction_commands_need_a_login() {
    let mut run = world().start();
    let commands = [
        "STAT",
        "LIST",
        "LIST 1",
        "LIST 0",
        "RETR 1",
        "RETR 0",
        "DELE 1",
        "NOOP",
        "RSET",
        "TOP 1 0",
        "UIDL",
        "UIDL 99999999999",
    ];
    for command in commands {
        run.receive(format!("{command}\r\n").as_bytes());
        assert_eq!(run.lines().last().unwrap(), "-ERR Not possible in this state", "{command}");
    }
}

#[test]
fn r1939_3_17_what_is_no_command() {
    check(
        world(),
        &[
            GREETING,
            "C: X",
            "S: -ERR Unknown command",
            "C: ",
            "S: -ERR Unknown command",
            "C:  QUIT",
            "S: -ERR Unknown command",
            "C: QUIT now",
            "S: -ERR Too many arguments",
            "C: USER",
            "S: -ERR An argument is missing",
            "C: USER ",
            "S: -ERR An argument is missing",
            "C: USER alice bob",
            "S: -ERR Invalid argument",
            "C: USER  alice",
            "S: -ERR Invalid argument",
            "C: USER al\0ice",
            "S: -ERR Invalid argument",
            "C: QUIT\t",
            "S: -ERR Unknown command",
            "C: QUIT  ",
            "S: +OK Goodbye",
            "D: close",
        ],
    );
}

#[test]
fn r2595_2_3_1_no_password_without_tls() {
    check(
        strict_world(),
        &[
            GREETING,
            "C: CAPA",
            "S: +OK Capability list follows",
            "S: TOP",
            "S: RESP-CODES",
            "S: AUTH-RESP-CODE",
            "S: STLS",
            "S: PIPELINING",
            "S: UIDL",
            "S: EXPIRE NEVER",
            "S: UTF8 USER",
            "S: LANG",
            "S: .",
            "C: USER alice",
            "S: -ERR Start TLS first",
            "C: PASS secret",
            "S: -ERR [AUTH] No password without encryption: start TLS first",
            "C: AUTH PLAIN AHUAcA==",
            "S: -ERR [AUTH] No password without encryption: start TLS first",
            "C: AUTH LOGIN",
            "S: -ERR [AUTH] No password without encryption: start TLS first",
            "C: AUTH",
            "S: +OK Mechanisms follow",
            "S: .",
            "C: STLS",
            "S: +OK Begin the TLS negotiation",
            "D: TLS",
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
            "S: .",
            "C: STLS",
            "S: -ERR TLS is already active",
            "C: STAT",
            "S: -ERR Not possible in this state",
            "C: USER alice",
            "S: +OK Send the password",
        ],
    );
}

#[test]
fn r2595_4_6_nothing_from_before_tls_survives() {
    let mut world = strict_world();
    world.policy.plaintext_without_tls = true;
    let mut run = world.start();
    // Whole lines and a half one behind STLS, and a user name before it.
    run.receive(b"USER alice\r\nSTLS\r\nNOOP\r\nPASS secret\r\nUSER mal");
    run.receive(b"PASS secret\r\n");
    let expected = [
        "+OK POP3 mail.example.org ready",
        "+OK Send the password",
        "+OK Begin the TLS negotiation",
        "D: TLS",
        "-ERR PASS must follow USER",
    ];
    assert_eq!(run.lines(), expected);
}

#[test]
fn stls_is_refused_where_it_is_not_offered() {
    check(
        world(),
        &[GREETING, "C: STLS", "S: -ERR STLS is not offered", "C: STLS x", "S: -ERR Too many arguments"],
    );
}

#[test]
fn r2449_6_2_1_user_and_pass_can_be_switched_off() {
    let mut world = world();
    world.policy.user_pass = false;
    world.policy.expire = Some(Expire::Days(30));
    world.policy.login_delay_s = Some(60);
    check(
        world,
        &[
            GREETING,
            "C: USER alice",
            "S: -ERR USER and PASS are not offered",
            "C: PASS secret",
            "S: -ERR USER and PASS are not offered",
            "C: CAPA",
            "S: +OK Capability list follows",
            "S: TOP",
            "S: SASL PLAIN LOGIN",
            "S: RESP-CODES",
            "S: AUTH-RESP-CODE",
            "S: PIPELINING",
            "S: UIDL",
            "S: EXPIRE 30",
            "S: LOGIN-DELAY 60",
            "S: UTF8 USER",
            "S: LANG",
            "S: .",
        ],
    );
}

#[test]
fn a_rejection_is_one_line() {
    assert_eq!(
        rejection(Refusal::TooManySessions),
        b"-ERR [SYS/TEMP] Too many sessions, wait and try again\r\n"
    );
}
