//! RFC 1939 section 5: RSET.

use restante_test::judge::Case;

use super::three;

#[test]
fn r1939_5_21_rset_unmarks_everything() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        let (stat, list, uidl) = (peer.ok("STAT"), peer.list("LIST"), peer.list("UIDL"));
        peer.ok("DELE 1");
        peer.ok("DELE 2");
        peer.ok("RSET");
        assert_eq!((peer.ok("STAT"), peer.list("LIST"), peer.list("UIDL")), (stat, list, uidl));
        peer.ok("RSET");
        peer.ok("QUIT");
        peer.end();
        assert_eq!(server.site().files("alice").len(), 3);
    });
}
