//! Commands to a server that runs, over its socket; bans as peers feel them.

use super::*;
use crate::config::Address;
use crate::listener::Inherited;
use crate::tests::{Client, Site};
use crate::{Server, file};
use tokio::net::{TcpStream, UnixStream};

async fn send(site: &Site, text: &str) -> Vec<String> {
    let mut stream = UnixStream::connect(path(&site.path("state"))).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().map(str::to_owned).collect()
}

async fn ask(site: &Site, request: &Request) -> Vec<Line> {
    let lines = send(site, &format!("{}\n", serde_json::to_string(request).unwrap())).await;
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn add(network: &str, seconds: Option<u64>) -> Request {
    Request::BanAdd { network: network.to_owned(), seconds, reason: "test".to_owned() }
}

/// Whether a connection is greeted, rather than closed without a word.
async fn is_greeted(server: &Server) -> bool {
    let Address::Tcp(address) = &server.addresses()[0].address else { panic!("no TCP") };
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut octet = [0];
    matches!(stream.read(&mut octet).await, Ok(1))
}

#[tokio::test]
async fn a_ban_holds_at_once_over_a_restart_and_until_it_is_lifted() {
    let site = Site::new("");
    let server = site.start().await;
    assert_eq!(file::permissions(&path(&site.path("state"))).unwrap(), 0o600);
    assert!(is_greeted(&server).await);
    let added = ask(&site, &add("127.0.0.0/8", Some(3_600))).await;
    let [Line::Ban(ban), Line::End(true)] = added.as_slice() else { panic!("{added:?}") };
    assert_eq!((ban.network.as_str(), ban.reason.as_str(), ban.is_automatic), ("127.0.0.0/8", "test", false));
    assert!(!is_greeted(&server).await);
    server.drain(Duration::ZERO).await;
    let server = Server::start(site.config(), Inherited::none()).await.unwrap();
    assert!(!is_greeted(&server).await);
    assert_eq!(ask(&site, &Request::BanList).await, added);
    let remove = Request::BanRemove { network: "127.0.0.0/8".to_owned() };
    assert_eq!(ask(&site, &remove).await, added);
    assert!(is_greeted(&server).await);
    assert!(matches!(ask(&site, &remove).await.as_slice(), [Line::Error(_), Line::End(true)]));
    server.drain(Duration::ZERO).await;
    let log = std::fs::read_to_string(site.path("log")).unwrap();
    assert!(
        log.contains("event=ban_added network=127.0.0.0/8 seconds=3600 by=operator reason=test"),
        "{log}"
    );
    assert!(log.contains("event=ban_lifted network=127.0.0.0/8 why=removed"), "{log}");
}

#[tokio::test]
async fn what_is_no_request_is_told_and_harms_nothing() {
    let site = Site::new("");
    let server = site.start().await;
    for text in ["\n", "nonsense\n", "{\"command\":\"ban_all\"}\n"] {
        let lines = send(&site, text).await;
        assert!(lines[0].starts_with("{\"error\":") && lines[1] == "{\"end\":true}", "{text}: {lines:?}");
    }
    assert!(matches!(ask(&site, &add("192.0.2.1/24", None)).await.as_slice(), [Line::Error(_), _]));
    let long = send(&site, &"x".repeat(REQUEST_OCTETS_MAX)).await;
    assert!(long[0].starts_with("{\"error\":"), "{long:?}");
    assert!(is_greeted(&server).await);
}

#[tokio::test]
async fn whoever_guesses_without_end_is_banned_by_the_server() {
    let never = "[auth]\nfail_delay_s = 0\n[defence]\npenalty_s = 0\nban_after = 5\nban_s = 60\n";
    for (more, is_banned) in [("ban_never = []\n", true), ("", false), ("ban_never = []\n[known]\n", false)] {
        // The last: somebody logs in from there first.
        let is_home = more.contains("[known]");
        let site = Site::new(&format!("{never}{}", more.replace("[known]\n", "")));
        let server = site.start().await;
        let mut client = Client::connect(&server.addresses()[0].address).await;
        client.line().await;
        if is_home {
            let mut client = Client::connect(&server.addresses()[0].address).await;
            client.line().await;
            client.ask("USER bob").await;
            assert!(client.ask("PASS secret").await.starts_with("+OK"));
        }
        for n in 0..5 {
            // The same wrong password again is no guess.
            for _ in 0..1 + n % 2 {
                client.ask("USER eve").await;
                assert!(client.ask(&format!("PASS guess{n}")).await.starts_with("-ERR"));
            }
            assert_eq!(server.shared.bans.all().is_empty(), n < 4 || !is_banned, "{more} {n}");
        }
        assert_eq!(is_greeted(&server).await, !is_banned, "{more}");
    }
}
