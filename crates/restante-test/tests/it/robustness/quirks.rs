//! Workarounds that change what a client is sent, on the running program.

use restante_test::judge::Case;

use super::ours;

/// A header alone in three forms, NULs, and two messages that need nothing.
fn messages() -> Vec<Vec<u8>> {
    [
        &b"Subject: header alone\n"[..],
        b"Subject: no line end",
        b"Subject: empty body\n\n",
        b"Subject: nuls\n\nx\0y\0\n",
        b"Subject: body\n\n.dot\nline\n",
        b"Subject: crlf\r\n\r\nline\r\n",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

fn with(quirks: &'static str) -> Case {
    ours().mail("alice", messages()).site(|setup| {
        setup.restante.push(("auth.source".to_owned(), format!("[pop3]\nquirks = {quirks}")));
    })
}

/// What RETR sends, each as long as LIST and the octets in STAT say.
fn retrieved(server: &restante_test::real::Server) -> Vec<String> {
    let mut peer = server.login("alice");
    let listed: Vec<usize> =
        peer.list("LIST").iter().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    let messages: Vec<Vec<u8>> =
        (1..=listed.len()).map(|number| peer.message(&format!("RETR {number}"))).collect();
    assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), listed, "{}", peer.transcript());
    let total: usize = listed.iter().sum();
    assert_eq!(peer.ok("STAT"), format!("+OK {} {total}", listed.len()));
    for (number, message) in (1..).zip(&messages) {
        let top = peer.message(&format!("TOP {number} 0"));
        assert!(message.starts_with(&top), "{}", peer.transcript());
    }
    messages.iter().map(|message| message.escape_ascii().to_string()).collect()
}

#[test]
fn without_them_octets_are_as_they_are_stored() {
    with("[]").run(|server| {
        let messages = retrieved(server);
        assert_eq!(messages[0], r"Subject: header alone\r\n");
        assert_eq!(messages[3], r"Subject: nuls\r\n\r\nx\x00y\x00\r\n");
    });
}

#[test]
fn outlook_gets_no_nuls() {
    with("[\"outlook-no-nuls\"]").run(|server| {
        let messages = retrieved(server);
        assert_eq!(messages[0], r"Subject: header alone\r\n");
        assert_eq!(messages[3], r"Subject: nuls\r\n\r\nx\x80y\x80\r\n");
        assert_eq!(messages[5], r"Subject: crlf\r\n\r\nline\r\n");
    });
}

#[test]
fn outlook_express_gets_the_end_of_a_header() {
    with("[\"oe-ns-eoh\"]").run(|server| {
        let messages = retrieved(server);
        assert_eq!(messages[0], r"Subject: header alone\r\n\r\n");
        assert_eq!(messages[1], r"Subject: no line end\r\n\r\n");
        assert_eq!(messages[2], r"Subject: empty body\r\n\r\n");
        assert_eq!(messages[3], r"Subject: nuls\r\n\r\nx\x00y\x00\r\n");
        assert_eq!(messages[4], r"Subject: body\r\n\r\n.dot\r\nline\r\n");
    });
}

#[test]
fn what_forgives_can_be_taken_back() {
    with("[\"-bare-auth\", \"-trailing-spaces\"]").run(|server| {
        let mut peer = server.pop3();
        peer.err("AUTH");
        peer.err("CAPA ");
        peer.list("CAPA");
    });
}
