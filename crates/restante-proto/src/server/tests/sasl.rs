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

/// Every mechanism, over TLS with all that can be had of it.
fn full_world() -> World {
    let mut world = world();
    world.policy.mechanisms = Mechanism::ALL.to_vec();
    world.transport = Transport::Tls;
    world.channel = Channel { exporter: true, server_end_point: true, certificate: true };
    world
}

const WELCOME: &str = "S: +OK 3 messages (34 octets)";

/// What follows "S: " in a challenge, decoded.
fn last_challenge(run: &Run) -> Vec<u8> {
    let line = run.lines().pop().unwrap();
    let text = line.strip_prefix("+ ").unwrap_or_else(|| panic!("no challenge: {line}"));
    crate::sasl::decode_base64(text.as_bytes()).unwrap().expose().to_vec()
}

/// Goes through SCRAM up to the server's signature; with a wrong password up to the refusal.
fn scram(
    run: &mut Run,
    mechanism: Mechanism,
    bound: scram::client::Bound<'_>,
    password: &str,
) -> Vec<String> {
    let (hash, _) = mechanism.scram().unwrap();
    let (mut client, first) =
        scram::client::Exchange::begin(hash, bound, (b"alice", None), &[3; 18]).unwrap();
    run.receive(format!("AUTH {}\r\n{}\r\n", mechanism.name(), base64(&first)).as_bytes());
    let secret = crate::secret::Secret::new(password.into());
    let last = client.prove(&last_challenge(run), &secret).unwrap();
    run.receive(format!("{}\r\n", base64(&last)).as_bytes());
    if password == "secret" {
        let verdict = client.verify(&last_challenge(run));
        assert_eq!(verdict, Ok(scram::client::Verdict::Verified));
    }
    run.lines()
}

#[test]
fn r5034_4_22_the_signature_is_a_challenge_that_an_empty_line_answers() {
    use scram::client::Bound;
    for mechanism in [Mechanism::ScramSha1, Mechanism::ScramSha256, Mechanism::ScramSha512] {
        let mut run = full_world().start();
        let lines = scram(&mut run, mechanism, Bound::Unsupported, "secret");
        let asked = format!("D: prepare <alice> {:?} None", mechanism.scram().unwrap().0);
        assert_eq!((&lines[1], &lines[2]), (&"+ ".to_string(), &asked));
        let verified = format!("D: {} <alice> <secret>", mechanism.name());
        assert_eq!(lines[lines.len() - 2], verified);
        assert!(lines.last().unwrap().starts_with("+ "), "no +OK yet, and no maildrop: {lines:?}");
        run.receive(b"\r\n");
        assert_eq!(run.lines()[lines.len()..], ["D: open", &WELCOME[3..]]);
    }
}

#[test]
fn r5034_4_22_a_client_that_does_not_trust_the_signature_is_not_logged_in() {
    for (answer, reply) in [
        ("*", "-ERR Cancelled"),
        ("AAAA", "-ERR The response does not fit the mechanism"),
        ("STAT", "-ERR The response does not fit the mechanism"),
    ] {
        let mut run = full_world().start();
        let bound = scram::client::Bound::Unsupported;
        let before = scram(&mut run, Mechanism::ScramSha256, bound, "secret").len();
        run.receive(format!("{answer}\r\nSTAT\r\n").as_bytes());
        assert_eq!(run.lines()[before..], [reply, "-ERR Not possible in this state"]);
    }
}

#[test]
fn a_wrong_scram_proof_is_auth_without_a_signature() {
    let mut run = full_world().start();
    let bound = scram::client::Bound::Unsupported;
    let lines = scram(&mut run, Mechanism::ScramSha256, bound, "guess");
    assert_eq!(lines.last().unwrap(), "-ERR [AUTH] Wrong user name or password");
    // And the next attempt is a new one.
    run.receive(b"AUTH SCRAM-SHA-256\r\n*\r\n");
    assert_eq!(run.lines()[lines.len()..], ["+ ", "-ERR Cancelled"]);
}

#[test]
fn r9266_4_1_1_a_binding_serves_one_login_on_a_connection() {
    use scram::client::{Binding, Bound};
    let octets = b"tls-exporter".to_vec();
    let binding = Binding { kind: BindingKind::Exporter, octets };
    let mut run = full_world().start();
    let lines = scram(&mut run, Mechanism::ScramSha256Plus, Bound::To(&binding), "guess");
    assert!(lines.contains(&"D: prepare <alice> Sha256 Some(\"tls-exporter\")".to_string()), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "-ERR [AUTH] Wrong user name or password");
    run.receive(b"AUTH SCRAM-SHA-512-PLUS\r\n");
    assert_eq!(run.lines().pop().unwrap(), "-ERR The channel binding was used already, connect again");

    let mut run = full_world().start();
    scram(&mut run, Mechanism::ScramSha256Plus, Bound::To(&binding), "secret");
    run.receive(b"\r\n");
    assert_eq!(run.lines().pop().unwrap(), WELCOME[3..]);
}

#[test]
fn r5802_6_5_bound_mechanisms_are_listed_where_they_can_work() {
    let plus = "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS ";
    let rest = "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN ANONYMOUS";
    let sasl = |channel| {
        let mut run = World { channel, ..full_world() }.start();
        run.receive(b"CAPA\r\n");
        run.lines().into_iter().find(|line| line.starts_with("SASL ")).unwrap()
    };
    assert_eq!(sasl(Channel::default()), format!("SASL {rest}"));
    let only = Channel { server_end_point: true, ..Channel::default() };
    assert_eq!(sasl(only), format!("SASL {plus}{rest}"));
    // Without TLS: nothing that needs it, not even a token where passwords are taken.
    let mut world = full_world();
    world.transport = Transport::PlainWithStls;
    world.policy.plaintext_without_tls = false;
    let mut run = world.start();
    run.receive(b"CAPA\r\nSTLS\r\n");
    let first = run.lines().into_iter().find(|line| line.starts_with("SASL ")).unwrap();
    assert_eq!(first, "SASL SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 ANONYMOUS");
    run.receive(b"CAPA\r\n");
    let second = run.lines().into_iter().rfind(|line| line.starts_with("SASL ")).unwrap();
    assert_eq!(second, format!("SASL {plus}{}", rest.replace("CRAM-MD5", "EXTERNAL CRAM-MD5")));
}

#[test]
fn r5802_6_1_somebody_took_the_binding_out_of_the_list() {
    let first = |text: &str| format!("C: AUTH SCRAM-SHA-256 {}", base64(text.as_bytes()));
    let (deceived, unable) = (first("y,,n=alice,r=x"), first("n,,n=nobody,r=x"));
    check(
        full_world(),
        &[
            GREETING,
            &deceived,
            "S: -ERR The channel binding does not fit",
            // The driver cannot find out.
            &unable,
            "D: prepare <nobody> Sha256 None",
            "S: -ERR [SYS/TEMP] Service temporarily unavailable, try again later",
        ],
    );
    let mut world = full_world();
    world.channel = Channel::default();
    let mut run = world.start();
    run.receive(format!("{}\r\n", &deceived[3..]).as_bytes());
    assert!(run.lines().pop().unwrap().starts_with("+ "));
}

#[test]
fn r2195_2_cram_md5_on_the_wire() {
    let challenge = format!("<{}@mail.example.org>", "2a".repeat(16));
    let secret = crate::secret::Secret::new(b"secret".to_vec());
    let right = base64(&cram_md5::response(b"a b", &secret, challenge.as_bytes()));
    let wrong = base64(&cram_md5::response(b"a b", &secret, b"<1@x>"));
    let asked = format!("S: + {}", base64(challenge.as_bytes()));
    let (right, wrong) = (format!("C: {right}"), format!("C: {wrong}"));
    check(
        full_world(),
        &[
            GREETING,
            // R5034-4.11
            "C: AUTH CRAM-MD5 dGVzdA==",
            "S: -ERR The mechanism takes no initial response",
            "C: AUTH CRAM-MD5 =",
            "S: -ERR The mechanism takes no initial response",
            "C: AUTH CRAM-MD5",
            "D: nonce",
            &asked,
            &wrong,
            "D: CRAM-MD5 <a b> <wrong>",
            "S: -ERR [AUTH] Wrong user name or password",
            "C: AUTH CRAM-MD5",
            "D: nonce",
            &asked,
            "C: *",
            "S: -ERR Cancelled",
            "C: auth cram-md5",
            "D: nonce",
            &asked,
            &right,
            "D: CRAM-MD5 <a b> <secret>",
            "D: open",
            WELCOME,
        ],
    );
}

#[test]
fn r7628_3_2_3_1_a_refused_token_is_explained_first() {
    let bearer = |token: &str| base64(format!("n,a=u@x,\x01auth=Bearer {token}\x01\x01").as_bytes());
    let reason = base64(br#"{"status":"invalid_token","schemes":"bearer","scope":"mail"}"#);
    let reason = format!("S: + {reason}");
    let mut world = full_world();
    world.policy.token_terms.scope = Some("mail".into());
    let (wrong, right) =
        (format!("C: AUTH OAUTHBEARER {}", bearer("wrong")), format!("C: {}", bearer("secret")));
    let asking = format!("C: AUTH OAUTHBEARER {}", bearer(""));
    let broken = format!("C: AUTH OAUTHBEARER {}", bearer("temporary"));
    check(
        world,
        &[
            GREETING,
            &wrong,
            "D: OAUTHBEARER <u@x> <wrong>",
            &reason,
            "C: AQ==",
            "S: -ERR [AUTH] Wrong user name or password",
            // Cancelled in place of the dummy.
            &wrong,
            "D: OAUTHBEARER <u@x> <wrong>",
            &reason,
            "C: *",
            "S: -ERR [AUTH] Wrong user name or password",
            // RFC 7628 section 4.3: an empty token asks what is wanted, and nobody needs to look at it.
            &asking,
            &reason,
            "C: AQ==",
            "S: -ERR [AUTH] Wrong user name or password",
            // A fault of ours is not the token's.
            &broken,
            "D: OAUTHBEARER <u@x> <temporary>",
            "S: -ERR [SYS/TEMP] Service temporarily unavailable, try again later",
            "C: AUTH OAUTHBEARER",
            "S: + ",
            &right,
            "D: OAUTHBEARER <u@x> <secret>",
            "D: open",
            WELCOME,
        ],
    );
}

#[test]
fn xoauth2_google_2_the_reason_then_an_empty_line() {
    let message = |token: &str| base64(format!("user=u@x\x01auth=Bearer {token}\x01\x01").as_bytes());
    let reason = format!("S: + {}", base64(br#"{"status":"invalid_token","schemes":"bearer"}"#));
    let (wrong, right) =
        (format!("C: {}", message("wrong")), format!("C: AUTH XOAUTH2 {}", message("secret")));
    check(
        full_world(),
        &[
            GREETING,
            // XOAUTH2-Microsoft.1: two lines.
            "C: AUTH XOAUTH2",
            "S: + ",
            &wrong,
            "D: XOAUTH2 <u@x> <wrong>",
            &reason,
            "C: ",
            "S: -ERR [AUTH] Wrong user name or password",
            &right,
            "D: XOAUTH2 <u@x> <secret>",
            "D: open",
            WELCOME,
        ],
    );
}

#[test]
fn r7628_3_1_no_token_without_tls() {
    let mut world = full_world();
    world.transport = Transport::Plain;
    check(
        world,
        &[
            GREETING,
            "C: AUTH OAUTHBEARER",
            "S: -ERR [AUTH] No password without encryption: start TLS first",
            "C: AUTH XOAUTH2",
            "S: -ERR [AUTH] No password without encryption: start TLS first",
            // There is nothing to bind to, and no certificate.
            "C: AUTH SCRAM-SHA-1-PLUS",
            "S: -ERR Mechanism not supported",
            "C: AUTH EXTERNAL",
            "S: -ERR Mechanism not supported",
        ],
    );
}

#[test]
fn r4422_a_1_3_external_needs_a_certificate() {
    check(
        full_world(),
        &[
            GREETING,
            "C: AUTH EXTERNAL",
            "S: + ",
            "C: ",
            "D: EXTERNAL <> <secret>",
            "D: open",
            WELCOME,
            // R4422-3.8.1
            "C: AUTH EXTERNAL",
            "S: -ERR Not possible in this state",
        ],
    );
    check(full_world(), &[GREETING, "C: AUTH EXTERNAL =", "D: EXTERNAL <> <secret>", "D: open", WELCOME]);
    let mut world = full_world();
    world.channel.certificate = false;
    check(world, &[GREETING, "C: AUTH EXTERNAL =", "S: -ERR Mechanism not supported"]);
}

#[test]
fn r4505_5_1_anonymous_only_where_it_is_configured() {
    check(world(), &[GREETING, "C: AUTH ANONYMOUS c2lyaGM=", "S: -ERR Mechanism not supported"]);
    check(
        full_world(),
        &[GREETING, "C: AUTH ANONYMOUS c2lyaGM=", "D: ANONYMOUS < as sirhc> <secret>", "D: open", WELCOME],
    );
    check(
        full_world(),
        &[GREETING, "C: AUTH ANONYMOUS", "S: + ", "C: ", "D: ANONYMOUS < as > <secret>", "D: open", WELCOME],
    );
}

#[test]
fn what_is_known_of_a_channel_ends_with_it() {
    let mut world = full_world();
    world.transport = Transport::PlainWithStls;
    let mut run = world.start();
    run.receive(b"AUTH\r\n");
    assert!(!run.lines().iter().any(|line| line.contains("PLUS") || line == "EXTERNAL"));
    run.receive(b"STLS\r\n");
    run.receive(b"AUTH\r\n");
    let lines = run.lines();
    assert!(lines.contains(&"SCRAM-SHA-256-PLUS".to_string()) && lines.contains(&"EXTERNAL".to_string()));
    assert_eq!(lines.last().unwrap(), ".");
}

#[test]
fn r4422_3_8_1_one_login_a_session() {
    for mechanism in Mechanism::ALL {
        let mut run = full_world().start();
        run.receive(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
        assert_eq!(run.session.phase(), Phase::Transaction);
        run.receive(format!("AUTH {}\r\n", mechanism.name()).as_bytes());
        assert_eq!(run.lines().pop().unwrap(), "-ERR Not possible in this state");
    }
}
