//! LAST: the highest message accessed, in this session or before.

use std::fs;

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::Peer;
use restante_test::real::Server;

/// A maildrop of so many messages, where LAST is offered.
fn case(messages: usize) -> Case {
    Case::with_mail((1..=messages).map(|n| numbered(n, 2)).collect())
        .restante("pop3", "last = true")
        .site(|setup| setup.dovecot.push("protocol pop3 {\n  pop3_enable_last = yes\n}"))
}

fn last(peer: &mut Peer) -> String {
    peer.ok("LAST")
}

/// What the next session says first.
fn last_of_the_next(server: &Server) -> String {
    let mut peer = server.login_when_free("alice");
    let said = last(&mut peer);
    peer.ok("QUIT");
    peer.end();
    said
}

#[test]
fn r1460_5_1_last_answers_one_number_after_login() {
    case(2).run(|server| {
        let mut peer = server.pop3();
        peer.err("LAST");
        peer.login("alice", "secret");
        assert_eq!(last(&mut peer), "+OK 0");
        assert_eq!(peer.ok("last"), "+OK 0");
    });
}

#[test]
fn r1460_5_1_it_is_off_unless_the_operator_wants_it() {
    Case::with_mail(vec![numbered(1, 2)]).run(|server| {
        let mut peer = server.login("alice");
        peer.err("LAST");
        peer.message("RETR 1");
        peer.ok("QUIT");
        peer.end();
        assert!(!server.site().maildrop("alice").join("restante.accessed").exists());
    });
}

#[test]
fn r1460_5_2_zero_where_nothing_was_accessed() {
    case(3).run(|server| assert_eq!(last_of_the_next(server), "+OK 0"));
}

#[test]
fn r1460_5_3_retr_raises_it_and_a_lower_one_does_not() {
    case(4).run(|server| {
        let mut peer = server.login("alice");
        peer.message("RETR 1");
        assert_eq!(last(&mut peer), "+OK 1");
        peer.message("RETR 3");
        assert_eq!(last(&mut peer), "+OK 3");
        peer.message("RETR 2");
        assert_eq!(last(&mut peer), "+OK 3");
    });
}

#[test]
fn r1460_5_4_dele_raises_it_and_never_lowers_it() {
    // Dovecot does so only for messages that were read before.
    case(5).dovecot_departs("DELE does not raise LAST there").run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 4");
        assert_eq!(last(&mut peer), "+OK 4");
        peer.message("RETR 3");
        peer.ok("DELE 2");
        assert_eq!(last(&mut peer), "+OK 4");
        peer.err("DELE 4");
        peer.err("RETR 9");
        assert_eq!(last(&mut peer), "+OK 4");
    });
}

#[test]
fn r1460_5_5_rset_sets_it_to_zero_also_for_later_sessions() {
    case(3).run(|server| {
        let mut peer = server.login("alice");
        peer.message("RETR 3");
        peer.ok("QUIT");
        peer.end();
        let mut peer = server.login_when_free("alice");
        assert_eq!(last(&mut peer), "+OK 3");
        peer.ok("RSET");
        assert_eq!(last(&mut peer), "+OK 0");
        peer.message("RETR 1");
        assert_eq!(last(&mut peer), "+OK 1");
        peer.ok("QUIT");
        peer.end();
        assert_eq!(last_of_the_next(server), "+OK 1");
    });
}

#[test]
fn r1081_p_9_1_rset_follows_rfc_1460_and_not_its_elders() {
    case(3).run(|server| {
        let mut peer = server.login("alice");
        peer.message("RETR 1");
        peer.ok("QUIT");
        peer.end();
        let mut peer = server.login_when_free("alice");
        assert_eq!(last(&mut peer), "+OK 1");
        peer.message("RETR 3");
        peer.ok("RSET");
        assert_eq!(last(&mut peer), "+OK 0", "and not 1, where the session began");
    });
}

#[test]
fn r1081_rpop_1_no_login_by_the_port_one_comes_from() {
    case(1).run(|server| {
        let mut peer = server.pop3();
        peer.ok("USER alice");
        peer.err("RPOP alice");
        peer.err("STAT");
    });
}

#[test]
fn r1460_5_7_top_list_and_uidl_do_not_change_it() {
    case(5).run(|server| {
        let mut peer = server.login("alice");
        peer.message("RETR 1");
        peer.message("TOP 5 0");
        peer.list("LIST");
        peer.ok("LIST 4");
        peer.list("UIDL");
        peer.ok("UIDL 3");
        assert_eq!(last(&mut peer), "+OK 1");
    });
}

#[test]
fn r1460_4_1_the_next_session_goes_on_where_the_last_one_ended() {
    case(4).run(|server| {
        let mut peer = server.login("alice");
        peer.message("RETR 2");
        peer.ok("QUIT");
        peer.end();
        assert_eq!(last_of_the_next(server), "+OK 2");
        // Also when the server dies, and when it has died in the middle of a session.
        server.kill();
        server.start_again();
        assert_eq!(last_of_the_next(server), "+OK 2");
    });
}

#[test]
fn r1460_4_1_a_session_without_quit_leaves_no_trace() {
    case(4).dovecot_not_asked("it keeps what was read as a flag of the message, with or without QUIT").run(
        |server| {
            let mut peer = server.login("alice");
            peer.message("RETR 1");
            peer.ok("QUIT");
            peer.end();
            let mut peer = server.login_when_free("alice");
            peer.message("RETR 3");
            peer.ok("RSET");
            peer.message("RETR 2");
            drop(peer);
            assert_eq!(last_of_the_next(server), "+OK 1");
            let mut peer = server.login_when_free("alice");
            peer.message("RETR 4");
            server.kill();
            server.start_again();
            assert_eq!(last_of_the_next(server), "+OK 1");
        },
    );
}

#[test]
fn r1460_4_1_the_mark_falls_to_the_highest_that_is_left() {
    case(4).run(|server| {
        let mut peer = server.login("alice");
        for number in 1..=4 {
            peer.message(&format!("RETR {number}"));
        }
        peer.ok("DELE 4");
        peer.ok("QUIT");
        peer.end();
        assert_eq!(last_of_the_next(server), "+OK 3");
        // Another program removes the third, and moves and flags the second.
        let maildrop = server.site().maildrop("alice");
        let file = |subject: &str| {
            let files = ["new", "cur"].map(|folder| fs::read_dir(maildrop.join(folder)).unwrap());
            files
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
                .find(|path| fs::read_to_string(path).unwrap().contains(subject))
                .unwrap()
        };
        let (second, third) = (file(&subject(2)), file(&subject(3)));
        fs::remove_file(third).unwrap();
        let name = second.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
        fs::rename(&second, maildrop.join("cur").join(format!("{name}:2,FS"))).unwrap();
        server.site().drop_message("alice", &numbered(9, 1));
        assert_eq!(last_of_the_next(server), "+OK 2");
    });
}

/// The line of a header that tells message `n` from the others.
fn subject(n: usize) -> String {
    let message = String::from_utf8(numbered(n, 2)).unwrap();
    message.lines().find(|line| line.starts_with("Subject")).unwrap().to_owned() + "\n"
}
