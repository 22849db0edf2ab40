//! RFC 1939 section 5: DELE.

use restante_test::judge::Case;

use super::three;

#[test]
fn r1939_5_18_dele_only_marks() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        assert_eq!(server.site().files("alice").len(), 3);
        drop(peer);
        let mut peer = server.login_when_free("alice");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
        assert_eq!(server.site().files("alice").len(), 3);
    });
}
