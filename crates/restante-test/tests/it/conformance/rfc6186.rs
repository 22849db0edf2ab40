//! RFC 6186 section 5: the names that users type.

use restante_test::judge::Case;
use restante_test::mail::numbered;

#[test]
fn r6186_5_1_the_address_and_its_local_part_open_one_maildrop() {
    Case::with_mail(vec![numbered(1, 1)]).run(|server| {
        for user in ["alice", "alice@example.org"] {
            let mut peer = server.pop3();
            peer.login(user, "secret");
            assert_eq!(peer.list("LIST").len(), 1, "{}", peer.transcript());
            peer.ok("QUIT");
        }
    });
}
