//! A real proxy in front of a listener: HAProxy ends the clients' TLS and says so in its PROXY header.

use std::ffi::OsStr;
use std::fs;

use restante_test::mail::numbered;
use restante_test::peer::Peer;
use restante_test::real::process::Process;
use restante_test::real::site::SMTPS;
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;

/// Passwords never come in clear; behind the proxy there is a listener that believes it.
fn serve() -> Server {
    let behind = "[[listen]]\nprotocol = \"pop3\"\naddress = \"unix:@ROOT@/behind\"\nproxy_from = [\"unix\"]\nproxy_tls = true";
    let restante = vec![(String::new(), behind.to_owned())];
    let mail = vec![("alice".to_owned(), vec![numbered(1, 1)])];
    Server::start(Kind::Restante, &Setup { mail, plaintext: false, restante, ..Setup::default() })
}

/// HAProxy with TLS, and on the next line in clear, both before that listener.
fn haproxy(server: &Server) -> Process {
    let site = server.site();
    let folder = site.path();
    let pem =
        [fs::read(folder.join("cert.pem")).unwrap(), fs::read(folder.join("key.pem")).unwrap()].concat();
    fs::write(folder.join("haproxy.pem"), pem).unwrap();
    let root = folder.display();
    let text = format!(
        "global\n  maxconn 50\ndefaults\n  mode tcp\n  timeout connect 60s\n  timeout client 60s\n  timeout server 60s\n\
         listen pop3s\n  bind {} ssl crt {root}/haproxy.pem alpn pop3,imap\n  bind unix@{root}/clear\n  \
         server restante unix@{root}/behind send-proxy-v2-ssl-cn proxy-v2-options ssl-cipher,authority,crc32c\n",
        site.address(SMTPS)
    );
    fs::write(folder.join("haproxy.cfg"), text).unwrap();
    let haproxy = program("haproxy", "haproxy");
    let command = [haproxy.as_os_str(), OsStr::new("-db"), OsStr::new("-f"), OsStr::new("haproxy.cfg")];
    let mut process = Process::start(&command, folder, &folder.join("haproxy.log"));
    wait::until("HAProxy to listen", || {
        assert!(process.is_running(), "{}", process.log());
        Peer::try_connect(site.address(SMTPS)).is_ok()
    });
    process
}

#[test]
fn haproxy_ends_tls_and_the_session_is_under_it() {
    let server = serve();
    let _haproxy = haproxy(&server);
    for (versions, expected) in
        [(&[&rustls::version::TLS13][..], " tls=TLSv1_3 "), (&[&rustls::version::TLS12], " tls=TLSv1_2 ")]
    {
        let mut peer = Peer::connect(server.site().address(SMTPS));
        let client = peer.second_handle().local_addr().unwrap();
        peer.try_start_tls(versions).unwrap();
        peer.greeting();
        assert!(!peer.list("CAPA").iter().any(|tag| tag == "STLS"), "{}", peer.transcript());
        peer.login("alice", "secret");
        assert!(peer.ok("STAT").starts_with("+OK 1 "));
        peer.ok("QUIT");
        peer.end();
        let client = format!(" peer={client} ");
        wait::until("the session under TLS in the log", || {
            let is_it = |line: &str| {
                line.contains("event=session ") && line.contains(&client) && line.contains(expected)
            };
            server.log().lines().any(is_it)
        });
    }
    // The same proxy, the same listener, and a client that speaks no TLS with it.
    let mut peer = Peer::connect_unix(&server.site().path().join("clear"));
    peer.greeting();
    peer.err("USER alice");
    peer.ok("QUIT");
}
