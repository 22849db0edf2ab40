//! RFC 1939 section 5: LIST, and the message-numbers of every command.

use restante_test::judge::Case;
use restante_test::mail::{awkward, canonical, sized};
use restante_test::transcript::{fits, play};

use super::{scan, three};

#[test]
fn r1939_5_7_list_has_a_line_for_each_message() {
    Case::with_mail(vec![sized(120), sized(200)]).run(|server| {
        let script = "
            C: LIST
            S: +OK{any}
            S: 1 120
            S: 2 200
            S: .";
        play(&mut server.login("alice"), script);
    });
}

#[test]
fn r1939_5_8_list_of_one_message_is_one_line() {
    Case::with_mail(vec![sized(120), sized(200)]).run(|server| {
        let script = "
            C: LIST 2
            S: +OK 2 200
            C: LIST 1
            S: +OK 1 120
            C: STAT
            S: +OK 2 320";
        play(&mut server.login("alice"), script);
    });
}

#[test]
fn r1939_5_9_list_leaves_out_what_is_marked() {
    Case::with_mail(vec![sized(120), sized(200), sized(300)]).run(|server| {
        let script = "
            C: DELE 1
            S: +OK{any}
            C: LIST
            S: +OK{any}
            S: 2 200
            S: 3 300
            S: .
            C: DELE 3
            S: +OK{any}
            C: LIST
            S: +OK{any}
            S: 2 200
            S: .";
        play(&mut server.login("alice"), script);
    });
}

#[test]
fn r1939_5_10_list_of_nothing_succeeds() {
    Case::with_mail(vec![sized(120)]).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        assert!(peer.list("LIST").is_empty());
        assert!(server.login("bob").list("LIST").is_empty());
    });
}

#[test]
fn r1939_5_11_a_marked_message_is_no_message() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        for command in ["LIST 1", "RETR 1", "DELE 1", "TOP 1 0", "UIDL 1"] {
            peer.err(command);
        }
        peer.ok("RSET");
        peer.ok("LIST 1");
    });
}

#[test]
fn r1939_5_12_only_positive_decimal_numbers_are_message_numbers() {
    let numbers = [
        "0",
        "4",
        "-1",
        "1x",
        "x1",
        "+1",
        "0x1",
        "1.0",
        "99999999999999999999",
        "4294967297",
        "18446744073709551617",
    ];
    Case::with_mail(three()).run(move |server| {
        for number in numbers {
            let mut peer = server.login_when_free("alice");
            for command in ["LIST", "RETR", "DELE", "UIDL"] {
                peer.err(&format!("{command} {number}"));
            }
            peer.err(&format!("TOP {number} 0"));
            assert!(peer.ok("STAT").starts_with("+OK 3 "));
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn r1939_5_13_the_size_is_what_retr_sends() {
    sizes_are_exact(Case::new(), |stored| stored.ends_with(b"\n") && !stored.starts_with(b"."));
}

#[test]
fn r1939_5_13_the_size_counts_the_end_that_a_last_line_lacks() {
    let case = Case::new().dovecot_departs("it sends the missing line end and does not count it");
    sizes_are_exact(case, |stored| !stored.ends_with(b"\n") || stored.starts_with(b"."));
}

/// LIST must announce the canonical size of each awkward message that `wanted` picks, and RETR must send as much.
fn sizes_are_exact(case: Case, wanted: impl Fn(&[u8]) -> bool) {
    let (names, messages): (Vec<&str>, Vec<Vec<u8>>) =
        awkward().into_iter().filter(|(_, stored)| wanted(stored)).unzip();
    let sizes: Vec<u64> = messages.iter().map(|stored| canonical(stored).len() as u64).collect();
    case.mail("alice", messages).run(move |server| {
        let mut peer = server.login("alice");
        let listing = scan(&peer.list("LIST"));
        assert_eq!(listing.iter().map(|(_, octets)| *octets).collect::<Vec<_>>(), sizes);
        for ((number, octets), name) in listing.into_iter().zip(&names) {
            peer.ok(&format!("RETR {number}"));
            let stuffed = peer.body();
            let inner = stuffed.windows(3).filter(|window| window == b"\n..").count();
            let dots = inner + usize::from(stuffed.starts_with(b".."));
            assert_eq!(octets, (stuffed.len() - dots) as u64, "{name}");
        }
    });
}

#[test]
fn r1939_5_14_a_scan_listing_has_two_fields() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        for line in peer.list("LIST") {
            assert!(fits("{number} {number}", &line), "{line:?}");
        }
        let one = peer.ok("LIST 1");
        assert!(fits("+OK 1 {number}", &one), "{one:?}");
    });
}

#[test]
fn r1939_5_17_some_commands_need_a_message_number() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.err("RETR");
        peer.err("DELE");
        peer.err("TOP");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_5_22_commands_without_arguments_take_none() {
    Case::with_mail(three()).dovecot_departs("it ignores what follows STAT, NOOP, RSET and QUIT").run(
        |server| {
            let mut peer = server.login("alice");
            peer.ok("DELE 1");
            peer.err("STAT 1");
            peer.err("NOOP x");
            peer.err("RSET 1");
            peer.err("QUIT now");
            assert!(peer.ok("STAT").starts_with("+OK 2 "));
        },
    );
}
