//! RFC 8997: the end of TLS 1.1.

use restante_test::judge::Case;

use super::rfc9325::handshake;

#[test]
fn r8997_3_1_what_is_below_tls_1_2_is_refused_by_an_alert() {
    Case::new().dovecot_departs("it closes the connection before the alert has gone out").run(|server| {
        let text = handshake(server.pop3s_address(), &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]);
        assert!(text.contains("SSL alert number"), "{text}");
        assert!(text.contains("Cipher is (NONE)"), "{text}");
    });
}
