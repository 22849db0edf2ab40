//! The PROXY header on a listener behind proxies. How headers are written is judged where they are parsed.

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::Peer;
use restante_test::real::Server;
use restante_test::wait;

const TEXT: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 995\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x03\xe3";
/// The same, and the client speaks TLS with the proxy.
const BINARY_TLS: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x14\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x03\xe3\x20\x00\x05\x01\0\0\0\0";

/// A site with one more listener on a free port of 127.0.0.1.
fn case(listener: &'static str) -> Case {
    case_of("pop3", listener)
}

/// The same for another protocol.
fn case_of(protocol: &'static str, listener: &'static str) -> Case {
    Case::with_mail(vec![numbered(1, 1)])
        .site(move |setup| {
            let table =
                format!("[[listen]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:0\"\n{listener}");
            setup.restante.push(("auth.source".to_owned(), table));
        })
        .dovecot_not_asked("its listeners behind proxies are configured in another way")
}

fn connect(server: &Server, header: &[u8]) -> Peer {
    let mut peer = Peer::connect(server.listener_on_loopback());
    peer.send(header);
    peer
}

#[test]
fn proxy_2_1_nothing_is_said_before_the_header() {
    case("proxy_from = [\"127.0.0.1\"]").run(|server| {
        let mut first = connect(server, &TEXT[..20]);
        // Whoever comes later is served; the first has not been told anything by then.
        let mut second = connect(server, TEXT);
        second.greeting();
        second.ok("QUIT");
        let handle = first.second_handle();
        handle.set_nonblocking(true).unwrap();
        assert_eq!(handle.peek(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        handle.set_nonblocking(false).unwrap();
        first.send(&TEXT[20..]);
        first.greeting();
        first.login("alice", "secret");
        first.ok("QUIT");
    });
}

#[test]
fn proxy_2_2_a_header_is_required_or_not_understood() {
    case("proxy_from = [\"127.0.0.0/8\"]").run(|server| {
        let mut peer = connect(server, b"CAPA\r\n");
        assert_eq!(peer.rest(), b"", "{}", peer.transcript());
        let mut peer = server.pop3();
        peer.err("PROXY TCP4 192.0.2.1 192.0.2.2 56324 995");
        peer.ok("QUIT");
    });
}

#[test]
fn proxy_2_3_strangers_cannot_name_themselves() {
    case("proxy_from = [\"192.0.2.7\", \"2001:db8::/32\", \"unix\"]").run(|server| {
        let mut peer = Peer::connect(server.listener_on_loopback());
        let _ = peer.try_send(TEXT);
        assert_eq!(peer.rest(), b"", "{}", peer.transcript());
        wait::until("the log to say so", || {
            server
                .log()
                .lines()
                .any(|line| line.contains("event=proxy_refused") && line.contains("proxy_from"))
        });
    });
}

#[test]
fn proxy_2_5_both_versions_name_the_client() {
    case("proxy_from = [\"127.0.0.1\"]").run(|server| {
        for header in [TEXT, BINARY] {
            let mut peer = connect(server, header);
            peer.greeting();
            peer.login("alice", "secret");
            peer.ok("QUIT");
            peer.end();
        }
        wait::until("both sessions in the log", || {
            let log = server.log();
            let of_client = |line: &&str| line.contains("event=session") && line.contains("192.0.2.1:56324");
            log.lines().filter(of_client).count() == 2
        });
    });
}

#[test]
fn proxy_2_2_6_1_tls_of_a_proxy_counts_only_where_it_is_believed() {
    let without_plaintext = |listener| case(listener).site(|setup| setup.plaintext = false);
    without_plaintext("proxy_from = [\"127.0.0.1\"]\nproxy_tls = true").run(|server| {
        let mut peer = connect(server, BINARY_TLS);
        peer.greeting();
        assert!(!peer.list("CAPA").iter().any(|tag| tag == "STLS"), "{}", peer.transcript());
        peer.login("alice", "secret");
        peer.ok("QUIT");
        // The client does not speak TLS with the proxy.
        let mut peer = connect(server, BINARY);
        peer.greeting();
        peer.err("USER alice");
    });
    without_plaintext("proxy_from = [\"127.0.0.1\"]").run(|server| {
        let mut peer = connect(server, BINARY_TLS);
        peer.greeting();
        assert!(peer.list("CAPA").iter().any(|tag| tag == "STLS"), "{}", peer.transcript());
        peer.err("USER alice");
    });
}

/// BINARY and PP2_TYPE_SSL, which says TLS of this version, behind `before`, another extension.
fn told(before: &[u8], version: &[u8]) -> Vec<u8> {
    let length = |octets: usize| u16::try_from(octets).unwrap().to_be_bytes();
    let tls = [b"\x01\0\0\0\0\x21", &length(version.len())[..], version].concat();
    let rest = [&BINARY[16..], before, b"\x20", &length(tls.len()), &tls].concat();
    [&BINARY[..14], &length(rest.len()), &rest].concat()
}

#[test]
fn r9325_3_8_1_a_client_that_agreed_with_the_proxy_on_another_protocol_is_cut_off() {
    case("proxy_from = [\"127.0.0.1\"]\nproxy_tls = true").run(|server| {
        connect(server, &told(b"\x01\x00\x04pop3", b"TLSv1.3")).greeting();
        let mut peer = connect(server, &told(b"\x01\x00\x04imap", b"TLSv1.3"));
        assert_eq!(peer.rest(), b"", "{}", peer.transcript());
        wait::until("the log to say so", || {
            server.log().lines().any(|line| {
                line.contains("event=proxy_refused")
                    && line.contains("192.0.2.1:56324")
                    && line.contains("another protocol")
            })
        });
    });
}

#[test]
fn r8997_3_1_old_tls_of_a_proxy_is_none() {
    let case = case("proxy_from = [\"127.0.0.1\"]\nproxy_tls = true");
    case.site(|setup| setup.plaintext = false).run(|server| {
        let mut peer = connect(server, &told(b"", b"TLSv1.2"));
        peer.greeting();
        peer.login("alice", "secret");
        peer.ok("QUIT");
        let mut peer = connect(server, &told(b"", b"TLSv1.1"));
        peer.greeting();
        peer.err("USER alice");
    });
}

#[test]
fn proxy_2_2_6_1_tls_of_a_proxy_counts_for_pop2_too() {
    let case = case_of("pop2", "tls = \"off\"\nproxy_from = [\"127.0.0.1\"]\nproxy_tls = true");
    case.site(|setup| setup.plaintext = false).run(|server| {
        let mut peer = connect(server, BINARY_TLS);
        peer.line();
        peer.send(b"HELO alice secret\r\n");
        assert!(peer.line().starts_with(b"#1 "), "{}", peer.transcript());
        peer.send(b"QUIT\r\n");
        peer.line();
        // The client does not speak TLS with the proxy.
        let mut peer = connect(server, BINARY);
        assert!(peer.line().starts_with(b"-"), "{}", peer.transcript());
        peer.end();
        wait::until("the session over TLS in the log", || {
            let is_it = |line: &str| line.contains(" protocol=pop2 ") && line.contains(" tls=proxy ");
            server.log().lines().any(is_it)
        });
    });
}
