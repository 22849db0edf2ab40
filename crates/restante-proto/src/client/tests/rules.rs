//! What the standards ask of a client, row by row, as scripts.

use super::*;
use crate::client::cause::LoginCause;
use crate::reply::ResponseCode;

/// What a whole session of everything says, to a server that agrees to all of it.
fn everything(capabilities: &str) -> Vec<u8> {
    let requests = [
        (Request::Capabilities, format!("+OK\r\n{capabilities}.\r\n")),
        (login(Method::UserPass), "+OK\r\n+OK\r\n".into()),
        (Request::Stat, "+OK 2 20\r\n".into()),
        (Request::List, "+OK\r\n1 10\r\n2 10\r\n.\r\n".into()),
        (Request::ListOne(number(2)), "+OK 2 10\r\n".into()),
        (Request::Uidl, "+OK\r\n1 a\r\n2 b\r\n.\r\n".into()),
        (Request::UidlOne(number(2)), "+OK 2 b\r\n".into()),
        (Request::Top { number: number(4_294_967_295), lines: 0 }, "-ERR\r\n".into()),
        (Request::retrieve(number(1)), "+OK\r\nx\r\n.\r\n".into()),
        (Request::Delete(number(1)), "+OK\r\n".into()),
        (Request::Noop, "+OK\r\n".into()),
        (Request::Reset, "+OK\r\n".into()),
        (Request::Quit, "+OK\r\n".into()),
    ];
    let mut driver = greeted();
    for (request, reply) in requests {
        driver.session.submit(request).unwrap();
        driver.run_lines(&reply).unwrap();
    }
    assert!(driver.log.ends_with("C: QUIT\n= done\n"), "{}", driver.log);
    driver.spoken()
}

#[test]
fn r1939_3_5_keywords_and_arguments_are_parted_by_one_space() {
    let spoken = everything("TOP\r\nUIDL\r\n");
    let lines = String::from_utf8(spoken).unwrap();
    let commands: Vec<&str> = lines.lines().filter(|line| !line.starts_with("PASS")).collect();
    assert_eq!(commands.len(), 13);
    for command in commands {
        assert!(command.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{command:?}");
        assert!(command.split(' ').all(|word| !word.is_empty()), "{command:?}");
    }
    // What a password holds is sent as it is (R1939-7.22).
    assert!(lines.contains("PASS  pass word \r\n"));
}

#[test]
fn r1939_3_14_the_terminator_is_no_part_of_a_message() {
    play(
        || greeted().submit(Request::retrieve(number(1))).submit(Request::Noop),
        "+OK\r\nSubject: x\r\n\r\n..\r\n.. \r\n...\r\n.\r\n+OK\r\n",
        r"C: RETR 1
         = message Subject: x\r\n\r\n.\r\n. \r\n..\r\n
         = done
         C: NOOP
         = done",
    );
    // A message of nothing at all.
    play(
        || greeted().submit(Request::Top { number: number(1), lines: 0 }),
        "+OK\r\n.\r\n",
        "C: TOP 1 0
         = message 
         = done",
    );
}

#[test]
fn r1939_3_15_the_end_is_found_wherever_the_octets_are_cut() {
    let reply = b"+OK\r\na\r\n..\r\n..b\r\n\r.\r\n.\r\r\n..\n\r\n.\r\n";
    let driver = || greeted().submit(Request::retrieve(number(1)));
    let mut whole = driver();
    assert_eq!(whole.run(&[reply]), Ok(End::Idle));
    assert!(whole.log.ends_with("= done\n"), "{}", whole.log);
    for first in 0..reply.len() {
        for second in first..reply.len() {
            let pieces = [&reply[..first], &reply[first..second], &reply[second..]];
            let mut cut = driver();
            let pieces: Vec<&[u8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
            assert_eq!(cut.run(&pieces), Ok(End::Idle));
            assert_eq!(cut.log, whole.log, "cut at {first} and {second}");
        }
    }
}

#[test]
fn r1939_3_20_a_refusal_says_nothing_about_what_the_server_can() {
    let mut driver = Driver::with_capabilities("UIDL\r\nTOP\r\n").submit(Request::Uidl).submit(Request::Uidl);
    driver.run_lines("-ERR no\r\n+OK\r\n1 a\r\n.\r\n").unwrap();
    assert_eq!(driver.log, "C: UIDL\n= refused None no\nC: UIDL\n= unique-id 1 a\n= done\n");
    assert!(driver.session.capabilities().unwrap().uidl, "what is listed stays listed");
}

#[test]
fn r1939_7_16_equal_unique_ids_are_two_messages() {
    play(
        || {
            greeted()
                .submit(Request::Uidl)
                .submit(Request::retrieve(number(1)))
                .submit(Request::retrieve(number(2)))
        },
        "+OK\r\n1 same\r\n2 same\r\n.\r\n+OK\r\na\r\n.\r\n+OK\r\nb\r\n.\r\n",
        r"C: UIDL
         = unique-id 1 same
         = unique-id 2 same
         = done
         C: RETR 1
         = message a\r\n
         = done
         C: RETR 2
         = message b\r\n
         = done",
    );
}

#[test]
fn r1939_7_17_unique_ids_come_octet_by_octet() {
    let mut driver = greeted().submit(Request::Uidl);
    driver.run(&[b"+OK\r\n1 aB\r\n2 AB\r\n3 a\xffb\r\n4 a\xfeb\r\n.\r\n"]).unwrap();
    assert_eq!(
        driver.log,
        "C: UIDL\n= unique-id 1 aB\n= unique-id 2 AB\n= quirk unique-id-octets\n= unique-id 3 a\\xffb\n= unique-id 4 a\\xfeb\n= done\n"
    );
}

#[test]
fn r1939_8_1_deletion_is_asked_for_whatever_the_server_announces() {
    let mut driver = Driver::with_capabilities("EXPIRE 0\r\n")
        .submit(Request::retrieve(number(1)))
        .submit(Request::Delete(number(1)));
    driver.run_lines("+OK\r\nx\r\n.\r\n+OK\r\n").unwrap();
    assert!(driver.log.ends_with("C: DELE 1\n= done\n"), "{}", driver.log);
}

#[test]
fn r1939_9_1_texts_behind_the_status_indicator_mean_nothing() {
    for text in ["", " ", " 9 9 [AUTH] -ERR", " message deleted\u{fffd}", " [SYS/PERM] no", " .", " <a@b>"] {
        let ok = format!("+OK{text}\r\n");
        let mut driver = greeted()
            .submit(login(Method::UserPass))
            .submit(Request::retrieve(number(1)))
            .submit(Request::Delete(number(1)))
            .submit(Request::Noop)
            .submit(Request::Reset)
            .submit(Request::Quit);
        driver.run_lines(&format!("{ok}{ok}{ok}x\r\n.\r\n{ok}{ok}{ok}{ok}")).unwrap();
        assert_eq!(driver.log.matches("= done").count(), 6, "{}", driver.log);
    }
}

#[test]
fn r2449_3_5_spaces_are_part_of_texts() {
    let mut driver = greeted().submit(Request::Capabilities);
    driver.run_lines("+OK Capability list follows\r\nTOP\r\n.\r\n").unwrap();
    assert!(driver.session.capabilities().unwrap().top);
    let mut driver = greeted().submit(Request::Stat);
    driver.run_lines("-ERR [SYS/TEMP] come back  in an hour\r\n").unwrap();
    assert_eq!(driver.log, "C: STAT\n= refused Some(SysTemp) come back  in an hour\n");
}

#[test]
fn r2449_5_8_a_server_without_capa_is_used_all_the_same() {
    let mut driver = Driver::new()
        .submit(Request::Capabilities)
        .submit(login(Method::Apop))
        .submit(login(Method::UserPass))
        .submit(Request::Uidl);
    driver.run_lines("+OK <1.2@host>\r\n-ERR what?\r\n-ERR no\r\n+OK\r\n+OK\r\n+OK\r\n1 a\r\n.\r\n").unwrap();
    assert_eq!(
        driver.log,
        "= done\nC: CAPA\n= quirk no-capa\n= refused None what?\nC: APOP fred 989e349512edd9d649802b8c366b162a\n\
         = refused None no\nC: USER fred\nC: PASS  pass word \n= done\nC: UIDL\n= unique-id 1 a\n= done\n"
    );
    assert!(driver.session.capabilities().is_none() && driver.session.is_logged_in());
}

#[test]
fn r2449_6_9_2_nothing_depends_on_what_the_server_is() {
    let plain = everything("");
    for name in ["Dovecot", "Microsoft Exchange", "Gpop", "x".repeat(400).as_str()] {
        assert_eq!(everything(&format!("IMPLEMENTATION {name}\r\n")), plain);
    }
}

#[test]
fn r2449_7_1_rfc_1939_alone_is_enough_to_fetch_and_delete() {
    play(
        || {
            Driver::new()
                .submit(login(Method::UserPass))
                .submit(Request::Stat)
                .submit(Request::List)
                .submit(Request::retrieve(number(1)))
                .submit(Request::Delete(number(1)))
                .submit(Request::Quit)
        },
        "+OK\r\n+OK\r\n+OK\r\n+OK 1 3\r\n+OK\r\n1 3\r\n.\r\n+OK\r\nx\r\n.\r\n+OK\r\n+OK\r\n",
        r"= done
         C: USER fred
         C: PASS  pass word 
         = done
         C: STAT
         = stat 1 3
         = done
         C: LIST
         = scan 1 3
         = done
         C: RETR 1
         = message x\r\n
         = done
         C: DELE 1
         = done
         C: QUIT
         = done",
    );
}

#[test]
fn r2449_8_1_the_code_is_no_part_of_the_text_for_the_user() {
    play(
        || greeted().submit(login(Method::UserPass)),
        "+OK\r\n-ERR [IN-USE] Do you have another POP session running?\r\n",
        "C: USER fred
         C: PASS  pass word 
         = refused Some(InUse) Do you have another POP session running?",
    );
}

/// How a login on a server with these capabilities is refused with this reply.
fn refused(capabilities: &str, reply: &str) -> (Option<ResponseCode>, LoginCause) {
    let mut session = Driver::with_capabilities(capabilities).submit(login(Method::UserPass));
    session.run_lines("+OK\r\n").unwrap();
    session.input.fill(reply.as_bytes());
    let Ok(Step::Event(_, Event::Finished(Outcome::Refused(refusal)))) =
        session.session.step(&mut session.input, &mut session.output)
    else {
        panic!("{reply:?} is a refusal")
    };
    (refusal.code, refusal.login_cause(session.session.capabilities()))
}

#[test]
fn r2449_8_1_2_2_a_busy_maildrop_is_no_wrong_password() {
    for listed in ["", "RESP-CODES\r\n", "AUTH-RESP-CODE\r\n"] {
        assert_eq!(refused(listed, "-ERR [IN-USE] x\r\n").1, LoginCause::Later);
        assert_eq!(refused(listed, "-ERR [LOGIN-DELAY] x\r\n").1, LoginCause::Later);
        assert_eq!(refused(listed, "-ERR [AUTH] x\r\n").1, LoginCause::Credentials);
    }
}

#[test]
fn r3206_4_3_response_codes_are_compared_without_case() {
    for (code, parsed) in [
        ("[Sys/Perm]", ResponseCode::SysPerm),
        ("[sys/temp]", ResponseCode::SysTemp),
        ("[SYS/temp/DISK]", ResponseCode::SysTemp),
        ("[auth]", ResponseCode::Auth),
    ] {
        assert_eq!(refused("", &format!("-ERR {code} x\r\n")).0, Some(parsed), "{code}");
    }
}

#[test]
fn r3206_4_5_faults_of_the_server_are_no_wrong_password() {
    for listed in ["", "AUTH-RESP-CODE\r\n"] {
        assert_eq!(refused(listed, "-ERR [SYS/TEMP] x\r\n").1, LoginCause::Later);
        assert_eq!(refused(listed, "-ERR [SYS/PERM] x\r\n").1, LoginCause::Support);
    }
}

#[test]
fn r3206_6_3_with_auth_resp_code_only_auth_blames_the_password() {
    for reply in ["-ERR\r\n", "-ERR wrong password\r\n", "-ERR [X-NEW] x\r\n"] {
        assert_eq!(refused("AUTH-RESP-CODE\r\n", reply).1, LoginCause::Later, "{reply:?}");
        // Without it nobody knows.
        assert_eq!(refused("RESP-CODES\r\n", reply).1, LoginCause::Unknown, "{reply:?}");
    }
}

#[test]
fn a_refused_login_is_not_tried_again() {
    let mut driver = greeted().submit(login(Method::UserPass));
    assert_eq!(driver.run_lines("+OK\r\n-ERR [AUTH] no\r\n"), Ok(End::Idle));
    assert_eq!(driver.log, "C: USER fred\nC: PASS  pass word \n= refused Some(Auth) no\n");
}
