//! RFC 3206: [AUTH], [SYS/TEMP] and [SYS/PERM].

use std::fs;

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::base64;

use super::rfc2449::tags;

fn two() -> Vec<Vec<u8>> {
    vec![numbered(1, 1), numbered(2, 5)]
}

#[test]
fn r3206_4_1_a_fault_that_may_pass_is_temporary() {
    Case::with_mail(two()).site(|setup| setup.as_nobody = true).run(|server| {
        server.site().protect("alice", 0o000);
        let mut peer = server.pop3();
        peer.ok("USER alice");
        let mut reply = peer.command("PASS secret");
        if reply.starts_with("+OK") {
            // Dovecot opens the maildrop at the first command only.
            reply = peer.err("STAT");
        }
        server.site().protect("alice", 0o777);
        assert!(reply.starts_with("-ERR [SYS/TEMP]"), "{reply:?}");
        assert!(server.login_when_free("alice").ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r3206_4_2_a_fault_that_stays_is_permanent() {
    Case::with_mail(two()).dovecot_departs("it hangs up at a message that is no file").run(|server| {
        let mut peer = server.login("alice");
        let file = server.site().files("alice").remove(0);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let reply = peer.err("RETR 1");
        assert!(reply.starts_with("-ERR [SYS/PERM]"), "{reply:?}");
        assert!(peer.message("RETR 2").ends_with(b"line 5\r\n"));
    });
}

#[test]
fn r3206_4_4_sys_codes_answer_any_command() {
    Case::with_mail(two())
        .dovecot_departs("a message that cannot be read gets no [SYS/...] and ends the session")
        .run(|server| {
            let mut peer = server.login("alice");
            let file = server.site().files("alice").remove(1);
            fs::remove_file(&file).unwrap();
            for command in ["RETR 2", "TOP 2 0"] {
                let reply = peer.err(command);
                assert!(reply.starts_with("-ERR [SYS/"), "{reply:?}");
            }
            assert!(peer.ok("STAT").starts_with("+OK 2 "));
        });
}

#[test]
fn r3206_5_1_credential_problems_are_marked() {
    Case::new().run(|server| {
        for (user, password) in [("alice", "wrong"), ("nobody-here", "secret")] {
            let mut peer = server.pop3();
            peer.ok(&format!("USER {user}"));
            let reply = peer.err(&format!("PASS {password}"));
            assert!(reply.starts_with("-ERR [AUTH]"), "{reply:?}");
        }
    });
}

#[test]
fn r3206_5_2_auth_comes_with_auth_resp_code() {
    Case::new().run(|server| {
        assert!(tags(&server.pop3().list("CAPA")).contains("AUTH-RESP-CODE"));
    });
}

#[test]
fn r3206_5_3_user_is_never_answered_auth() {
    Case::new().run(|server| {
        for user in ["alice", "nobody-here"] {
            assert!(!server.pop3().command(&format!("USER {user}")).contains("[AUTH]"));
        }
    });
}

#[test]
fn r3206_6_1_auth_marks_every_credential_failure() {
    Case::new().run(|server| {
        let mut peer = server.pop3();
        let reply = peer.err(&format!("AUTH PLAIN {}", base64(b"\0alice\0wrong")));
        assert!(reply.starts_with("-ERR [AUTH]"), "{reply:?}");
        let mut peer = server.pop3();
        peer.send(b"AUTH LOGIN\r\n");
        peer.challenge();
        peer.send(format!("{}\r\n", base64(b"alice")).as_bytes());
        peer.challenge();
        let reply = peer.err(&base64(b"wrong"));
        assert!(reply.starts_with("-ERR [AUTH]"), "{reply:?}");
        let mut peer = server.pop3();
        peer.ok("USER alice");
        let reply = peer.err("PASS wrong");
        assert!(reply.starts_with("-ERR [AUTH]"), "{reply:?}");
    });
}

#[test]
fn r3206_6_1_auth_marks_nothing_else() {
    let case = Case::with_mail(two()).site(|setup| setup.as_nobody = true);
    case.dovecot_departs("it marks an unknown mechanism with [AUTH]").run(|server| {
        let mut peer = server.pop3();
        for command in ["PASS secret", "AUTH NOSUCH"] {
            assert!(!peer.err(command).contains("[AUTH]"), "{}", peer.transcript());
        }
        let mut peer = server.pop3();
        peer.send(b"AUTH PLAIN\r\n");
        peer.challenge();
        assert!(!peer.err("*").contains("[AUTH]"), "{}", peer.transcript());
        server.site().protect("alice", 0o000);
        let mut peer = server.pop3();
        peer.ok("USER alice");
        assert!(!peer.err("PASS secret").contains("[AUTH]"), "{}", peer.transcript());
        server.site().protect("alice", 0o777);
    });
}

#[test]
fn r3206_6_2_auth_resp_code_is_announced_in_both_states() {
    Case::new().run(|server| {
        let mut peer = server.pop3();
        assert!(peer.list("CAPA").contains(&"AUTH-RESP-CODE".to_owned()));
        peer.login("alice", "secret");
        assert!(peer.list("CAPA").contains(&"AUTH-RESP-CODE".to_owned()));
    });
}
