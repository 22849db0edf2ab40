//! RFC 1939 section 7: UIDL, and the promises about unique-ids.

use std::collections::HashSet;

use restante_test::judge::Case;
use restante_test::mail::numbered;

use super::three;

/// The unique-ids of a listing, each checked for form.
pub(crate) fn unique_ids(lines: &[String]) -> Vec<(usize, String)> {
    lines
        .iter()
        .map(|line| {
            let (number, unique_id) = line.split_once(' ').expect("two fields");
            assert!((1..=70).contains(&unique_id.len()), "{line:?}");
            assert!(unique_id.bytes().all(|octet| (0x21..=0x7E).contains(&octet)), "{line:?}");
            (number.parse().expect("a number"), unique_id.to_owned())
        })
        .collect()
}

#[test]
fn r1939_7_8_uidl_has_a_line_for_each_message() {
    Case::with_mail(three()).run(|server| {
        let listing = unique_ids(&server.login("alice").list("UIDL"));
        assert_eq!(listing.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(server.login("bob").list("UIDL").is_empty());
    });
}

#[test]
fn r1939_7_9_uidl_of_one_message_is_one_line() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        for (number, unique_id) in unique_ids(&peer.list("UIDL")) {
            assert_eq!(peer.ok(&format!("UIDL {number}")), format!("+OK {number} {unique_id}"));
        }
    });
}

#[test]
fn r1939_7_10_nothing_follows_the_unique_id() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        for line in peer.list("UIDL") {
            assert_eq!(line.split(' ').count(), 2, "{line:?}");
        }
        assert_eq!(peer.ok("UIDL 1").split(' ').count(), 3);
    });
}

#[test]
fn r1939_7_11_unique_ids_are_short_and_printable_whatever_the_files_are_called() {
    Case::new().run(|server| {
        let site = server.site();
        let long = |octets: usize| format!("17000000{:02}.{}", octets % 100, "x".repeat(octets - 11));
        let names = [
            format!("1700000001.M1P1.judge,S={}:2,S", numbered(1, 1).len()),
            "1700000002.with a space".to_owned(),
            "1700000003.ü-ä-世界".to_owned(),
            "1700000004.tab\there".to_owned(),
            "1700000005.del\x7f".to_owned(),
            "no-time-at-all".to_owned(),
            "1".to_owned(),
            long(69),
            long(70),
            long(71),
            long(200),
        ];
        for name in &names {
            site.drop_named("alice", name, &numbered(1, 1));
        }
        let listing = unique_ids(&server.login("alice").list("UIDL"));
        let distinct: HashSet<&String> = listing.iter().map(|(_, unique_id)| unique_id).collect();
        assert_eq!(distinct.len(), names.len());
    });
}

#[test]
fn r1939_7_12_a_unique_id_names_one_message() {
    // A thousand, most of them byte-identical copies.
    let messages: Vec<Vec<u8>> = (0..1000).map(|n| numbered(n / 100, 2)).collect();
    Case::with_mail(messages).run(|server| {
        let mut peer = server.login("alice");
        let listing = unique_ids(&peer.list("UIDL"));
        let distinct: HashSet<&String> = listing.iter().map(|(_, unique_id)| unique_id).collect();
        assert_eq!(distinct.len(), 1000);
        assert_eq!(peer.list("LIST").len(), 1000);
    });
}

#[test]
fn r1939_7_13_unique_ids_last() {
    Case::with_mail(three()).run(|server| {
        server.deliver(&["alice"], b"Subject: four\r\n\r\nfour\r\n");
        let mut peer = server.login("alice");
        let first = peer.list("UIDL");
        assert_eq!(first.len(), 4);
        drop(peer);
        let mut peer = server.login_when_free("alice");
        assert_eq!(peer.list("UIDL"), first);
        peer.ok("QUIT");
        peer.end();
        server.stop();
        server.start_again();
        let mut peer = server.login_when_free("alice");
        assert_eq!(peer.list("UIDL"), first);
        peer.ok("DELE 1");
        peer.ok("QUIT");
        peer.end();
        let after = unique_ids(&server.login_when_free("alice").list("UIDL"));
        let before = unique_ids(&first);
        let ids = |listing: &[(usize, String)]| listing.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&after), ids(&before[1..]));
    });
}

#[test]
fn r1939_7_14_a_unique_id_is_not_used_again() {
    Case::with_mail(three()).run(|server| {
        let mut seen: HashSet<String> = HashSet::new();
        for round in 0..5 {
            let mut peer = server.login_when_free("alice");
            let listing = unique_ids(&peer.list("UIDL"));
            let (newest, unique_id) = listing.last().cloned().expect("there is always one");
            assert!(seen.insert(unique_id), "round {round}");
            peer.ok(&format!("DELE {newest}"));
            peer.ok("QUIT");
            peer.end();
            server.deliver(&["alice"], b"Subject: the same\r\n\r\nagain\r\n");
        }
    });
}

#[test]
fn r1939_7_15_uidl_leaves_out_what_is_marked() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        let before = peer.list("UIDL");
        peer.ok("DELE 1");
        assert_eq!(peer.list("UIDL"), before[1..]);
        peer.ok("DELE 3");
        assert_eq!(peer.list("UIDL"), before[1..2]);
        peer.ok("RSET");
        assert_eq!(peer.list("UIDL"), before);
    });
}
