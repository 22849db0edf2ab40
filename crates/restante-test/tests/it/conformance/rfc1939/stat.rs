//! RFC 1939 section 5: STAT.

use restante_test::judge::Case;
use restante_test::mail::{canonical, numbered, sized};
use restante_test::transcript::{fits, play};

use super::{scan, three};

#[test]
fn r1939_5_1_stat_is_count_and_octets() {
    let octets: usize = three().iter().map(|stored| canonical(stored).len()).sum();
    Case::with_mail(three()).run(move |server| {
        assert_eq!(server.login("alice").ok("STAT"), format!("+OK 3 {octets}"));
    });
}

#[test]
fn r1939_5_2_stat_says_nothing_more() {
    Case::with_mail(three()).run(|server| {
        let reply = server.login("alice").ok("STAT");
        assert!(fits("+OK {number} {number}", &reply), "{reply:?}");
    });
}

#[test]
fn r1939_5_3_stat_leaves_out_what_is_marked() {
    Case::with_mail(vec![sized(120), sized(200)]).run(|server| {
        let script = "
            C: STAT
            S: +OK 2 320
            C: DELE 1
            S: +OK{any}
            C: STAT
            S: +OK 1 200
            C: DELE 2
            S: +OK{any}
            C: STAT
            S: +OK 0 0
            C: RSET
            S: +OK{any}
            C: STAT
            S: +OK 2 320";
        play(&mut server.login("alice"), script);
    });
}

#[test]
fn r1939_5_4_stat_of_an_empty_maildrop() {
    Case::new().run(|server| {
        assert_eq!(server.login("alice").ok("STAT"), "+OK 0 0");
    });
}

#[test]
fn r1939_5_15_stat_is_the_sum_of_list() {
    let messages: Vec<Vec<u8>> = (1..=20).map(|n| numbered(n, n * 7 % 13)).collect();
    Case::with_mail(messages).run(|server| {
        let mut peer = server.login("alice");
        for deleted in [3, 17, 1, 20, 8, 9] {
            let listing = scan(&peer.list("LIST"));
            let octets: u64 = listing.iter().map(|(_, octets)| octets).sum();
            assert_eq!(peer.ok("STAT"), format!("+OK {} {octets}", listing.len()));
            peer.ok(&format!("DELE {deleted}"));
        }
    });
}
