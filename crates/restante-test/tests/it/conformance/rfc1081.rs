//! RFC 1081: POP3 as it was in 1988.

use restante_test::judge::Case;

#[test]
fn r1081_rpop_1_a_port_is_no_password() {
    Case::new().run(|server| {
        let mut peer = server.pop3();
        peer.err("RPOP alice");
        peer.ok("USER alice");
        peer.err("RPOP alice");
        peer.err("STAT");
    });
}
