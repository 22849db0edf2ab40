//! The dialogue up to the message: LHLO, MAIL, RCPT and the small commands.

use super::*;

#[test]
fn r2033_4_1_1_lhlo_lists_the_extensions() {
    play_with(
        || Driver::new(policy(), Transport::Plain),
        "S: 220 mail.example LMTP
         C: LHLO client
         S: 250-mail.example
         S: 250-PIPELINING
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250 SIZE 100",
    );
}

#[test]
fn r1870_3_1_no_fixed_maximum_is_size_0() {
    let mut driver = Driver::new(Policy { message_octets_max: 0, ..policy() }, Transport::Plain);
    driver.run(&[b"LHLO x\r\nMAIL FROM:<> SIZE=99999999999999999999\r\n"]);
    assert!(driver.log.contains("S: 250 SIZE 0\n"), "{}", driver.log);
    assert!(driver.log.ends_with("S: 250 2.1.0 Sender accepted\n"), "{}", driver.log);
}

#[test]
fn r2033_4_1_2_helo_and_ehlo_are_500() {
    play(
        "C: HELO x
         S: 500 5.5.1 This is LMTP: use LHLO
         C: EHLO x
         S: 500 5.5.1 This is LMTP: use LHLO",
    );
}

#[test]
fn r2034_4_2_codes_come_before_lhlo_too() {
    play_with(
        || Driver::new(policy(), Transport::Plain),
        "S: 220 mail.example LMTP
         C: NOOP
         S: 250 2.0.0 OK
         C: MAIL FROM:<>
         S: 503 5.5.1 LHLO first",
    );
}

#[test]
fn r2034_4_1_every_reply_has_a_code_of_its_class() {
    use super::super::reply::Reply;
    for reply in [
        Reply::Ok,
        Reply::SenderAccepted,
        Reply::RecipientAccepted,
        Reply::ChunkReceived,
        Reply::Delivered,
        Reply::NotVerified,
        Reply::Help,
        Reply::Goodbye,
        Reply::GoAheadTls,
        Reply::UnknownCommand,
        Reply::NotLmtp,
        Reply::UnreadableLine,
        Reply::LineTooLong,
        Reply::BadArgument,
        Reply::BadSender,
        Reply::BadRecipient,
        Reply::UnknownParameter,
        Reply::BodyNotImplemented,
        Reply::NotImplemented,
        Reply::LhloFirst,
        Reply::MailFirst,
        Reply::MailTwice,
        Reply::NoRecipients,
        Reply::ChunksBegun,
        Reply::TransactionFailed,
        Reply::TlsActive,
        Reply::TooManyRecipients,
        Reply::SenderNotAscii,
        Reply::RecipientNotAscii,
        Reply::MessageTooLarge,
        Reply::BareLineFeed,
        Reply::NoSuchRecipient,
        Reply::RecipientDisabled,
        Reply::RecipientRefused,
        Reply::RecipientOverQuota,
        Reply::NoSpace,
        Reply::Temporary,
        Reply::Permanent,
        Reply::Timeout,
        Reply::ShuttingDown,
        Reply::TooManySessions,
    ] {
        let text = core::str::from_utf8(reply.octets()).unwrap();
        let (code, rest) = text.split_once(' ').unwrap();
        let (status, rest) = rest.split_once(' ').unwrap();
        assert!(code.len() == 3 && code.parse::<u16>().is_ok(), "{text}");
        assert_eq!(status.split('.').next(), code.get(..1), "{text}");
        assert_eq!(status.split('.').filter(|part| part.parse::<u16>().is_ok()).count(), 3, "{text}");
        // R6531-3.7.4.1
        assert!(text.is_ascii() && rest.ends_with("\r\n") && rest.len() > 2 && text.len() <= 512, "{text}");
    }
    assert!(Reply::SendMessage.octets().starts_with(b"354 Send"));
}

#[test]
fn r5321_4_1_4_1_out_of_order_is_503_and_changes_nothing() {
    play(
        "C: RCPT TO:<a>
         S: 503 5.5.1 MAIL first
         C: DATA
         S: 503 5.5.1 MAIL first
         C: MAIL FROM:<s@x>
         S: 250 2.1.0 Sender accepted
         C: MAIL FROM:<t@x>
         S: 503 5.5.1 A transaction is open already
         C: RCPT TO:<a>
         S: 250 2.1.5 Recipient accepted",
    );
}

#[test]
fn r5321_4_1_4_2_rset_and_lhlo_clear_the_transaction() {
    play(
        "C: MAIL FROM:<s@x>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<a>
         S: 250 2.1.5 Recipient accepted
         C: RSET
         S: 250 2.0.0 OK
         C: DATA
         S: 503 5.5.1 MAIL first
         C: MAIL FROM:<s@x>
         S: 250 2.1.0 Sender accepted
         C: LHLO again
         S: 250-mail.example
         S: 250-PIPELINING
         S: 250-ENHANCEDSTATUSCODES
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250 SIZE 100
         C: RCPT TO:<a>
         S: 503 5.5.1 MAIL first",
    );
}

#[test]
fn r5321_3_8_1_unknown_commands_do_not_end_the_session() {
    play(
        "C: FOO
         S: 500 5.5.1 Unknown command
         C:
         S: 500 5.5.1 Unknown command
         C:  NOOP
         S: 500 5.5.1 Unknown command
         C: QUIT
         S: 221 2.0.0 Goodbye
         ! close",
    );
}

#[test]
fn r5321_2_4_1_verbs_in_any_case_and_local_parts_kept() {
    let mut driver = Driver::greeted();
    driver.run(&[b"mail from:<Se.Nder@X>\r\nrcpt To:<User@d>\r\n"]);
    let envelope = driver.session.envelope().unwrap();
    assert_eq!(format!("{}", envelope.sender), "<Se.Nder@X>");
    assert_eq!(envelope.recipients[0].mailbox().local(), "User");
    assert_eq!(envelope.recipients[0].mailbox().domain(), Some("d"));
}

#[test]
fn r5321_4_1_1_3_1_source_routes_are_ignored() {
    let mut driver = Driver::greeted();
    driver.run(&[b"MAIL FROM:<@r.example:s@x>\r\nRCPT TO:<@a,@b:u@d>\r\n"]);
    let envelope = driver.session.envelope().unwrap();
    assert_eq!(format!("{}", envelope.sender), "<s@x>");
    assert_eq!(envelope.recipients[0].mailbox().address(), "u@d");
}

#[test]
fn r5321_4_5_1_1_postmaster_needs_no_domain() {
    let mut driver = Driver::greeted();
    driver.run(&[b"MAIL FROM:<>\r\nRCPT TO:<PostMaster>\r\nRCPT TO:<postmaster@dom>\r\n"]);
    let recipients = &driver.session.envelope().unwrap().recipients;
    assert!(recipients.len() == 2 && recipients.iter().all(|path| path.mailbox().is_postmaster()));
}

#[test]
fn r5321_4_5_3_1_1_the_longest_of_everything_is_taken() {
    let local = "l".repeat(64);
    let label = "d".repeat(63);
    let domain = format!("{label}.{label}.{label}.{}", "d".repeat(55));
    assert_eq!(domain.len(), 247);
    let mut driver = Driver::greeted();
    // The whole line with its CRLF has the 512 octets that are the limit here.
    let mut line = format!("MAIL FROM:<{local}@{domain}>");
    line.push_str(&" ".repeat(510 - line.len()));
    driver.run(&[format!("{line}\r\nNOOP\r\n{line} \r\nNOOP\r\n").as_bytes()]);
    assert_eq!(
        driver.log,
        "S: 250 2.1.0 Sender accepted\nS: 250 2.0.0 OK\nS: 500 5.5.2 Command line too long\nS: 250 2.0.0 OK\n"
    );
}

#[test]
fn too_long_a_line_is_said_once() {
    let mut driver = Driver::greeted();
    let flood = vec![b'x'; 100];
    let mut pieces: Vec<&[u8]> = vec![&flood; 100];
    pieces.push(b"\r\nNOOP\r\n");
    driver.run(&pieces);
    assert_eq!(driver.log, "S: 500 5.5.2 Command line too long\nS: 250 2.0.0 OK\n");
    assert!(driver.input.is_empty());
}

#[test]
fn r5321_4_5_3_1_10_1_too_many_recipients_is_452() {
    play(
        "C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<a>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<b>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<no>
         S: 550 5.1.1 No such recipient here
         C: RCPT TO:<c>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<a>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<d>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<e>
         S: 452 4.5.3 Too many recipients",
    );
}

#[test]
fn r5321_2_3_8_1_only_crlf_ends_a_command() {
    play(
        r"C> NOOP\nNOOP\r\n
         S: 500 5.5.2 Control or malformed characters in the command
         C> NOOP\rNOOP\r\n
         S: 500 5.5.2 Control or malformed characters in the command
         C> NOOP\r\r\n
         S: 500 5.5.2 Control or malformed characters in the command
         C> NOOP\0\r\n
         S: 500 5.5.2 Control or malformed characters in the command
         C> NOOP \xff\r\n
         S: 500 5.5.2 Control or malformed characters in the command",
    );
}

#[test]
fn r6152_2_1_body_is_7bit_or_8bitmime_once() {
    play(
        "C: MAIL FROM:<s@x> BODY=FOO
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x> BODY=7BIT BODY=8BITMIME
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x> BODY
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x> body=8bitmime
         S: 250 2.1.0 Sender accepted",
    );
}

#[test]
fn r3030_3_1_binarymime_is_refused_and_data_after_it_is_503() {
    play(
        "C: MAIL FROM:<s@x> BODY=BINARYMIME
         S: 504 5.5.4 BODY=BINARYMIME is not offered
         C: DATA
         S: 503 5.5.1 MAIL first",
    );
}

#[test]
fn r1870_6_1_1_declared_size_over_the_limit_is_552() {
    play(
        "C: MAIL FROM:<s@x> SIZE=101
         S: 552 5.3.4 Message too large
         C: MAIL FROM:<s@x> SIZE=99999999999999999999
         S: 552 5.3.4 Message too large
         C: MAIL FROM:<s@x> SIZE=
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x> SIZE=-1
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x> SIZE=1 SIZE=1
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x> SIZE=100
         S: 250 2.1.0 Sender accepted",
    );
}

#[test]
fn unknown_parameters_are_555() {
    play(
        "C: MAIL FROM:<s@x> RET=HDRS
         S: 555 5.5.4 Parameter not recognized
         C: MAIL FROM:<s@x> AUTH=<>
         S: 555 5.5.4 Parameter not recognized
         C: MAIL FROM:<s@x> -=
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x>SIZE=1
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<a> NOTIFY=NEVER
         S: 555 5.5.4 Parameter not recognized",
    );
}

#[test]
fn malformed_commands_are_refused_and_change_nothing() {
    play(
        "C: LHLO
         S: 501 5.5.4 Bad argument
         C: LHLO two names
         S: 501 5.5.4 Bad argument
         C: MAIL
         S: 501 5.5.4 Bad argument
         C: MAIL <s@x>
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:s@x
         S: 501 5.1.7 Bad reverse-path
         C: MAIL FROM:<s@x
         S: 501 5.1.7 Bad reverse-path
         C: MAIL FROM:<s@>
         S: 501 5.1.7 Bad reverse-path
         C: MAIL FROM: <s@x>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<>
         S: 501 5.1.3 Bad forward-path
         C: RCPT TO:<a b@x>
         S: 501 5.1.3 Bad forward-path
         C: RCPT FROM:<a>
         S: 501 5.5.4 Bad argument
         C: DATA now
         S: 501 5.5.4 Bad argument
         C: RSET x
         S: 501 5.5.4 Bad argument
         C: BDAT
         S: 501 5.5.4 Bad argument
         C: BDAT x
         S: 501 5.5.4 Bad argument
         C: BDAT 1 FIRST
         S: 501 5.5.4 Bad argument
         C: BDAT 1 LAST x
         S: 501 5.5.4 Bad argument
         C: VRFY
         S: 501 5.5.4 Bad argument
         C: QUIT x
         S: 501 5.5.4 Bad argument
         C: NOOP x
         S: 250 2.0.0 OK
         C: RCPT TO:<a>
         S: 250 2.1.5 Recipient accepted",
    );
}

#[test]
fn r2920_3_2_3_small_commands_are_answered() {
    play(
        "C: VRFY a
         S: 252 2.0.0 Not verified; RCPT will tell
         C: EXPN list
         S: 502 5.5.1 Command not implemented
         C: HELP
         S: 214 2.0.0 LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT, see RFC 2033
         C: STARTTLS
         S: 502 5.5.1 Command not implemented
         C: NOOP
         S: 250 2.0.0 OK",
    );
}

#[test]
fn r2920_3_2_3_noop_is_not_held_back_by_more_input() {
    let mut driver = Driver::greeted();
    driver.input.fill(b"NOOP\r\nNOOP\r\n");
    assert_eq!(driver.session.step(&mut driver.input, &mut driver.output), Step::Write);
    assert_eq!(driver.output, b"250 2.0.0 OK\r\n");
}

#[test]
fn r2920_3_2_1_replies_of_a_group_are_held_until_the_input_is_empty() {
    let mut driver = Driver::greeted();
    driver.input.fill(b"MAIL FROM:<>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\n");
    for _ in 0..2 {
        assert_eq!(driver.session.step(&mut driver.input, &mut driver.output), Step::Recipient);
        driver.session.accepted(&mut driver.output);
    }
    assert_eq!(driver.session.step(&mut driver.input, &mut driver.output), Step::Read);
    assert_eq!(driver.output.iter().filter(|&&octet| octet == b'\n').count(), 3);
}

#[test]
fn r6531_3_1_1_smtputf8_takes_no_value() {
    play(
        "C: MAIL FROM:<s@x> SMTPUTF8=x
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x> SMTPUTF8 SMTPUTF8
         S: 501 5.5.4 Bad argument
         C: MAIL FROM:<s@x> smtputf8
         S: 250 2.1.0 Sender accepted",
    );
}

#[test]
fn r6531_3_2_1_utf8_mailboxes_with_smtputf8() {
    play(
        "C: MAIL FROM:<jö@x> SMTPUTF8
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<用户@例.example>
         S: 250 2.1.5 Recipient accepted",
    );
}

#[test]
fn r6531_3_5_1_utf8_mailboxes_without_smtputf8() {
    play(
        "C: MAIL FROM:<jö@x>
         S: 550 5.6.7 Sender is not ASCII and SMTPUTF8 was not given
         C: MAIL FROM:<s@x>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<用户@x>
         S: 553 5.6.7 Recipient is not ASCII and SMTPUTF8 was not given",
    );
}

#[test]
fn r6531_3_7_1_1_only_ascii_host_names_are_said() {
    let mut driver = Driver::new(Policy { hostname: "bücher.example".into(), ..policy() }, Transport::Plain);
    driver.run(&[b"LHLO x\r\n"]);
    assert!(driver.log.starts_with("S: 220 localhost LMTP\nS: 250-localhost\n"), "{}", driver.log);
}

#[test]
fn r6531_3_7_3_1_the_protocol_word_tells_of_tls_and_utf8() {
    let mut driver = Driver::new(policy(), Transport::Tls);
    assert_eq!(driver.session.protocol(), "LMTPS");
    driver.run(&[b"LHLO x\r\nMAIL FROM:<> SMTPUTF8\r\n"]);
    assert_eq!(driver.session.protocol(), "UTF8LMTPS");
    let mut driver = Driver::greeted();
    assert_eq!(driver.session.protocol(), "LMTP");
    driver.run(&[b"MAIL FROM:<> SMTPUTF8\r\n"]);
    assert_eq!(driver.session.protocol(), "UTF8LMTP");
}

#[test]
fn starttls_forgets_all_that_came_before_it() {
    let mut driver = Driver::new(policy(), Transport::PlainWithStarttls);
    driver.run(&[
        b"LHLO x\r\nSTARTTLS x\r\nSTARTTLS\r\nMAIL FROM:<evil@x>\r\n",
        b"MAIL FROM:<>\r\nSTARTTLS\r\nLHLO y\r\n",
    ]);
    let (_, after_lhlo) = driver.log.split_once("S: 250 SIZE 100\n").unwrap();
    assert_eq!(
        after_lhlo,
        "S: 501 5.5.4 Bad argument\n\
         S: 220 2.0.0 Ready for TLS\n\
         ! starttls\n\
         S: 503 5.5.1 LHLO first\n\
         S: 503 5.5.1 TLS is active already\n\
         S: 250-mail.example\nS: 250-PIPELINING\nS: 250-ENHANCEDSTATUSCODES\nS: 250-8BITMIME\nS: 250-SMTPUTF8\n\
         S: 250-CHUNKING\nS: 250 SIZE 100\n"
    );
    assert!(driver.log.contains("S: 250-STARTTLS\n"));
}

#[test]
fn farewells_are_421() {
    for reason in [Farewell::Timeout, Farewell::ShuttingDown, Farewell::TooManySessions] {
        assert!(farewell(reason).starts_with(b"421 4."));
    }
}
