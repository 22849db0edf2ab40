//! Transcripts of AUTH.

use super::*;

const GREETING: &str = "S: +OK POP3 mail.example.org ready";

fn base64(octets: &[u8]) -> String {
    let mut text = Vec::new();
    crate::sasl::encode_base64(octets, &mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn r5034_4_1_plain_with_initial_response() {
    let auth = format!("C: auth plain {}", base64(b"\0alice\0secret"));
    check(
        world(),
        &[GREETING, &auth, "D: PLAIN <alice> <secret>", "D: open", "S: +OK 3 messages (34 octets)"],
    );
}

#[test]
fn r5034_4_6_plain_is_asked_with_an_empty_challenge() {
    let response = format!("C: {}", base64(b"alice\0root\0secret"));
    check(
        world(),
        &[
            GREETING,
            "C: AUTH PLAIN",
            "S: + ",
            &response,
            "D: PLAIN <root as alice> <secret>",
            "D: open",
            "S: +OK 3 messages (34 octets)",
            // R5034-4.2, R5034-4.3
            "C: AUTH PLAIN",
            "S: -ERR Not possible in this state",
        ],
    );
}

#[test]
fn login_2_2_1_prompts() {
    let user = format!("C: {}", base64(b"alice"));
    let password = format!("C: {}", base64(b"secret"));
    let auth = format!("C: AUTH LOGIN {}", base64(b"alice"));
    let login = ["D: LOGIN <alice> <secret>", "D: open", "S: +OK 3 messages (34 octets)"];
    let prompts = [GREETING, "C: AUTH LOGIN", "S: + VXNlcm5hbWU6", &user, "S: + UGFzc3dvcmQ6", &password];
    check(world(), &[&prompts[..], &login].concat());
    check(world(), &[&[GREETING, &auth, "S: + UGFzc3dvcmQ6", &password][..], &login].concat());
}

#[test]
fn r5034_4_24_after_a_failed_auth_all_is_as_before() {
    let wrong = format!("C: AUTH PLAIN {}", base64(b"\0alice\0wrong"));
    check(
        world(),
        &[
            GREETING,
            "C: USER alice",
            "S: +OK Send the password",
            &wrong,
            "D: PLAIN <alice> <wrong>",
            "S: -ERR [AUTH] Wrong user name or password",
            "C: PASS secret",
            "S: -ERR PASS must follow USER",
            "C: AUTH LOGIN",
            "S: + VXNlcm5hbWU6",
            "C: *",
            "S: -ERR Cancelled",
            "C: *",
            "S: -ERR Unknown command",
            "C: USER alice",
            "S: +OK Send the password",
            "C: PASS secret",
            "D: USER <alice> <secret>",
            "D: open",
            "S: +OK 3 messages (34 octets)",
        ],
    );
}

#[test]
fn r5034_4_12_responses_that_are_no_base64() {
    let mut run = world().start();
    for response in ["!!!!", "AAA", "AA A=", "=AAA", "AAA=BBB", " ", "**", "* "] {
        run.receive(format!("AUTH PLAIN\r\n{response}\r\n").as_bytes());
        assert_eq!(run.lines().last().unwrap(), "-ERR The response is not base64", "{response:?}");
    }
    run.receive(b"AUTH PLAIN AAA\r\n");
    assert_eq!(run.lines().last().unwrap(), "-ERR The response is not base64");
}

#[test]
fn r4616_2_3_plain_messages_that_are_none() {
    check(
        world(),
        &[
            GREETING,
            "C: AUTH PLAIN =",
            "S: -ERR The response does not fit the mechanism",
            "C: AUTH PLAIN dXNlcg==",
            "S: -ERR The response does not fit the mechanism",
            "C: AUTH PLAIN AAA=",
            "S: -ERR [AUTH] Wrong user name or password",
            "C: AUTH LOGIN =",
            "S: -ERR [AUTH] Wrong user name or password",
            "C: AUTH LOGIN",
            "S: + VXNlcm5hbWU6",
            "C: ",
            "S: -ERR [AUTH] Wrong user name or password",
            "C: STAT",
            "S: -ERR Not possible in this state",
        ],
    );
}

#[test]
fn r5034_4_4_mechanisms_that_are_not_offered() {
    let mut world = world();
    world.policy.mechanisms = vec![Mechanism::Plain];
    check(
        world,
        &[
            GREETING,
            "C: AUTH CRAM-MD5",
            "S: -ERR Mechanism not supported",
            "C: AUTH LOGIN",
            "S: -ERR Mechanism not supported",
            "C: AUTH PLAIN AA A=",
            "S: -ERR Too many arguments",
            "C: AUTH PLAIN ",
            "S: -ERR Invalid argument",
            "C: AUTH  PLAIN",
            "S: -ERR An argument is missing",
            "C: AUTH ",
            "S: +OK Mechanisms follow",
            "S: PLAIN",
            "S: .",
        ],
    );
}

#[test]
fn r5034_4_15_long_responses_are_taken() {
    // Three parts of 255 octets each: R4616-2.2.
    let part = "x".repeat(255);
    let message = base64(format!("{part}\0{part}\0{part}").as_bytes());
    assert_eq!(message.len(), 1024);
    // A token of 12 KiB, beside the AUTH line and in it.
    let token = base64(format!("\0u\0{}", "t".repeat(9 * 1024)).as_bytes());
    assert!(token.len() > 12288);
    for response in [message, token] {
        for octets in [format!("AUTH PLAIN\r\n{response}\r\n"), format!("aUTH PLAIN {response}\r\n")] {
            for size in [1, 7, 1000, octets.len()] {
                let mut run = world().start();
                octets.as_bytes().chunks(size).for_each(|piece| run.receive(piece));
                assert_eq!(run.lines().last().unwrap(), "-ERR [AUTH] Wrong user name or password");
            }
        }
    }
}

#[test]
fn a_response_that_is_too_long_ends_the_exchange() {
    let mut run = world().start();
    let response = "A".repeat(Limits::default().sasl_octets_max);
    run.receive(format!("AUTH PLAIN\r\n{response}\r\nQUIT\r\n").as_bytes());
    let expected = ["+OK POP3 mail.example.org ready", "+ ", "-ERR Line too long", "+OK Goodbye", "D: close"];
    assert_eq!(run.lines(), expected);
}
