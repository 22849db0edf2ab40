//! Proxies as streams in memory, octet by octet.

use tokio::io::duplex;

use super::*;

/// What is said to the server once there is a connection.
const AFTER: &[u8] = b"+OK hello\r\n";

/// Lets `proxy` ask for `host`, port 995, of somebody who hears and says in turn; what came of it, and whether all that follows the
/// proxy's words is still there.
async fn ask(proxy: &str, host: &str, turns: &[(&[u8], &[u8])]) -> Result<(), String> {
    let proxy = Proxy::parse(proxy).unwrap();
    let (mut near, mut far) = duplex(64);
    let theirs = async {
        for (heard, said) in turns {
            let mut octets = vec![0; heard.len()];
            far.read_exact(&mut octets).await.unwrap();
            assert_eq!(octets.escape_ascii().to_string(), heard.escape_ascii().to_string());
            // The client may have hung up in the middle.
            let _ = far.write_all(said).await;
        }
        let _ = far.write_all(AFTER).await;
        drop(far);
    };
    let ours = async {
        let asked = proxy.ask(&mut near, host, 995).await.map_err(|error| error.to_string());
        if asked.is_ok() {
            let mut rest = Vec::new();
            near.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, AFTER);
        }
        drop(near);
        asked
    };
    tokio::join!(ours, theirs).0
}

const GRANTED: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00";

#[tokio::test]
async fn socks5_gets_the_name_and_every_form_of_answer_is_read_away() {
    let request = b"\x05\x01\x00\x03\x10mail.example.org\x03\xe3";
    for granted in [
        GRANTED,
        b"\x05\x00\x00\x03\x05proxy\x00\x00",
        b"\x05\x00\x00\x03\x00\x00\x00",
        b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x00",
    ] {
        let turns = [(&b"\x05\x01\x00"[..], &b"\x05\x00"[..]), (request, granted)];
        assert_eq!(ask("socks5://proxy", "mail.example.org", &turns).await, Ok(()));
    }
}

#[tokio::test]
async fn socks5_gets_addresses_as_such() {
    for (host, request) in [
        ("192.0.2.1", &b"\x05\x01\x00\x01\xc0\x00\x02\x01\x03\xe3"[..]),
        ("2001:db8::1", b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x03\xe3"),
    ] {
        let turns = [(&b"\x05\x01\x00"[..], &b"\x05\x00"[..]), (request, GRANTED)];
        assert_eq!(ask("socks5h://proxy:1", host, &turns).await, Ok(()));
    }
}

#[tokio::test]
async fn socks5_logs_in_when_the_proxy_wants_it_and_not_otherwise() {
    let (greeting, request) = (&b"\x05\x02\x00\x02"[..], &b"\x05\x01\x00\x03\x01m\x03\xe3"[..]);
    let login = &b"\x01\x05alice\x04p@:s"[..];
    let proxy = "socks5://alice:p%40%3As@proxy";
    let turns = [(greeting, &b"\x05\x02"[..]), (login, b"\x01\x00"), (request, GRANTED)];
    assert_eq!(ask(proxy, "m", &turns).await, Ok(()));
    assert_eq!(ask(proxy, "m", &[(greeting, b"\x05\x00"), (request, GRANTED)]).await, Ok(()));
    let refused = ask(proxy, "m", &[(greeting, b"\x05\x02"), (login, b"\x01\x01")]).await;
    assert_eq!(refused.unwrap_err(), "the proxy does not accept the user name and password");
    let refused = ask(proxy, "m", &[(greeting, b"\x05\xff")]).await;
    assert_eq!(refused.unwrap_err(), "the proxy wants another way to log in than a password");
    let refused = ask("socks5://proxy", "m", &[(b"\x05\x01\x00", b"\x05\xff")]).await;
    assert_eq!(refused.unwrap_err(), "the proxy wants a user name and a password");
    // One that picks what it was not offered gets no empty login.
    let refused = ask("socks5://proxy", "m", &[(b"\x05\x01\x00", b"\x05\x02")]).await;
    assert_eq!(refused.unwrap_err(), "the proxy wants a user name and a password");
}

#[tokio::test]
async fn socks5_refusals_say_why() {
    for (code, why, is_temporary) in [
        (1, "it has a fault", true),
        (2, "its rules do not allow it", false),
        (3, "the server's network is unreachable", true),
        (4, "the server cannot be reached, or its name is unknown to it", true),
        (5, "the server refuses the connection", true),
        (6, "the server does not answer", true),
        (7, "it does not know how to connect", false),
        (8, "it does not know this kind of address", false),
        (99, "it answers with the unknown code 99", false),
    ] {
        let answer = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        let turns = [(&b"\x05\x01\x00"[..], &b"\x05\x00"[..]), (b"\x05\x01\x00\x03\x01m\x03\xe3", &answer)];
        let refused = ask("socks5://proxy", "m", &turns).await.unwrap_err();
        assert_eq!(refused, format!("the proxy does not connect: {why}"));
        assert_eq!(ProxyError::Refused(SocksRefusal(code)).is_temporary(), is_temporary, "{code}");
    }
}

#[tokio::test]
async fn what_does_not_speak_socks5_is_told_so() {
    for answer in [&b"\x04\x00"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK POP3 ready\r\n"] {
        let refused = ask("socks5://proxy", "m", &[(b"\x05\x01\x00", answer)]).await.unwrap_err();
        assert_eq!(refused, "what answers at the proxy's address does not speak SOCKS5");
    }
    let turns =
        [(&b"\x05\x01\x00"[..], &b"\x05\x00"[..]), (b"\x05\x01\x00\x03\x01m\x03\xe3", b"\x05\x00\x00\x09")];
    let refused = ask("socks5://proxy", "m", &turns).await.unwrap_err();
    assert_eq!(refused, "what answers at the proxy's address does not speak SOCKS5");
}

#[tokio::test]
async fn http_gets_the_name_and_nothing_of_the_server_is_read_with_the_answer() {
    let request = b"CONNECT mail.example.org:995 HTTP/1.1\r\nHost: mail.example.org:995\r\n\r\n";
    for answer in [
        &b"HTTP/1.1 200 Connection established\r\n\r\n"[..],
        b"HTTP/1.0 200 OK\r\nVia: a proxy\r\nX: y\r\n\r\n",
        b"HTTP/1.1 204\r\n\r\n",
        b"HTTP/1.0 200 OK\n\n",
    ] {
        assert_eq!(ask("http://proxy:3128", "mail.example.org", &[(request, answer)]).await, Ok(()));
    }
    let request = b"CONNECT [2001:db8::1]:995 HTTP/1.1\r\nHost: [2001:db8::1]:995\r\n\r\n";
    let answer = &b"HTTP/1.1 200 OK\r\n\r\n"[..];
    assert_eq!(ask("http://proxy:3128", "2001:db8::1", &[(request, answer)]).await, Ok(()));
}

#[tokio::test]
async fn http_logs_in_and_refusals_say_why() {
    let with_login =
        b"CONNECT m:995 HTTP/1.1\r\nHost: m:995\r\nProxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n";
    let without = b"CONNECT m:995 HTTP/1.1\r\nHost: m:995\r\n\r\n";
    let (ours, nobodys) = ("http://alice:secret@proxy:3128", "http://proxy:3128");
    for (proxy, request, answer, what) in [
        (ours, &with_login[..], &b"HTTP/1.1 200 OK\r\n\r\n"[..], None),
        (
            ours,
            with_login,
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            Some("the proxy does not accept the user name and password"),
        ),
        (nobodys, without, b"HTTP/1.1 407 No\r\n\r\n", Some("the proxy wants a user name and a password")),
        (
            nobodys,
            without,
            b"HTTP/1.1 403 Filtered\r\n\r\n",
            Some("the proxy does not connect: 403 Filtered"),
        ),
        (nobodys, without, b"HTTP/1.1 502 \x1b[31m\r\n\r\n", Some("the proxy does not connect: 502 ?[31m")),
        (
            nobodys,
            without,
            b"HTTP/1.1 20 OK\r\n\r\n",
            Some("what answers at the proxy's address does not speak HTTP"),
        ),
        (
            nobodys,
            without,
            b"HTTP/2 200\r\n\r\n",
            Some("what answers at the proxy's address does not speak HTTP"),
        ),
        (nobodys, without, b"+OK POP3\r\n", Some("what answers at the proxy's address does not speak HTTP")),
    ] {
        let asked = ask(proxy, "m", &[(request, answer)]).await;
        assert_eq!(asked.err().as_deref(), what);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let without = b"CONNECT m:995 HTTP/1.1\r\nHost: m:995\r\n\r\n";
    let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(10_000)].concat();
    let refused = ask("http://proxy:3128", "m", &[(without, &endless)]).await.unwrap_err();
    assert_eq!(refused, "what answers at the proxy's address does not speak HTTP");
    for proxy in ["http://proxy:3128", "socks5://proxy"] {
        let (mut near, far) = duplex(512);
        drop(far);
        let asked = Proxy::parse(proxy).unwrap().ask(&mut near, "m", 995).await;
        assert!(matches!(asked, Err(ProxyError::Closed | ProxyError::Network(_))), "{asked:?}");
    }
}

#[tokio::test]
async fn a_host_cannot_bring_lines_of_its_own() {
    for host in ["m\r\nX: y", "m y", "", "m:1 HTTP/1.1\r\n\r\n", "m\0", "[::1", "a@b", "m/", &"m".repeat(300)]
    {
        for proxy in ["http://proxy:3128", "socks5://proxy"] {
            let (mut near, mut far) = duplex(512);
            let asked = Proxy::parse(proxy).unwrap().ask(&mut near, host, 995).await;
            assert!(matches!(asked, Err(ProxyError::Host(_))), "{host:?} {asked:?}");
            drop(near);
            let mut said = Vec::new();
            far.read_to_end(&mut said).await.unwrap();
            assert_eq!(said, b"", "{host:?}");
        }
    }
}

#[test]
fn proxies_are_written_as_urls() {
    for (text, printed) in [
        ("socks5://localhost", "socks5://localhost:1080"),
        ("SOCKS5://localhost:9050/", "socks5://localhost:9050"),
        ("socks5h://127.0.0.1:9050", "socks5://127.0.0.1:9050"),
        ("http://proxy.example.org:3128", "http://proxy.example.org:3128"),
        ("http://a:b@[2001:db8::1]:3128", "http://a@[2001:db8::1]:3128"),
        ("socks5://a:b@[::1]", "socks5://a@[::1]:1080"),
        ("socks5://a:b%40c@d@host", ""),
    ] {
        let proxy = Proxy::parse(text).map_or_else(|_| String::new(), |proxy| proxy.to_string());
        // The last "@" ends the login, whose own are encoded; one that is not is taken for part of it.
        let expected = if printed.is_empty() { "socks5://a@host:1080" } else { printed };
        assert_eq!(proxy, expected, "{text}");
    }
    for (text, why) in [
        ("localhost:1080", ProxyUrlError::Scheme),
        ("socks4://localhost", ProxyUrlError::Scheme),
        ("https://localhost:3128", ProxyUrlError::Scheme),
        ("http://localhost", ProxyUrlError::Port),
        ("socks5://localhost:0", ProxyUrlError::Port),
        ("socks5://localhost:", ProxyUrlError::Port),
        ("socks5://localhost:+1", ProxyUrlError::Port),
        ("socks5://localhost:65536", ProxyUrlError::Port),
        ("socks5://", ProxyUrlError::Host),
        ("socks5://::1", ProxyUrlError::Host),
        ("socks5://[::1", ProxyUrlError::Host),
        ("socks5://[host]", ProxyUrlError::Host),
        ("socks5://a b", ProxyUrlError::Host),
        ("socks5://host/path", ProxyUrlError::Host),
        ("socks5://alice@host", ProxyUrlError::Login),
        ("socks5://:secret@host", ProxyUrlError::Login),
        ("socks5://alice:@host", ProxyUrlError::Login),
        ("http://a%0d%0ab:c@host:1", ProxyUrlError::Login),
        ("http://a%3Ab:c@host:1", ProxyUrlError::Login),
        ("http://a:%zz@host:1", ProxyUrlError::Login),
        ("http://a:%4@host:1", ProxyUrlError::Login),
    ] {
        assert_eq!(Proxy::parse(text).err(), Some(why), "{text}");
    }
}

#[test]
fn a_password_is_shown_nowhere() {
    let proxy = Proxy::parse("socks5://alice:hunter2@host").unwrap();
    assert!(!format!("{proxy} {proxy:?}").contains("hunter2"));
}
