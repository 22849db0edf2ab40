//! Our client at the servers of others and at ours: every protection and every login that each offers, and a whole session from
//! the survey to the deletions.

use std::net::SocketAddr;
use std::path::Path;

use restante_client::advice::{Advice, Kind as Matter, Shown};
use restante_client::connect::{Address, Security, Server as Place, Tls, Trust, pem_roots};
use restante_client::error::Error;
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pop3::{Client, Piece, Quit, Settings, Survey};
use restante_proto::secret::Secret;
use restante_proto::url::PopUrl;
use restante_test::mail::canonical;
use restante_test::peer::Peer;
use restante_test::real::others::{Other, OtherServer};
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

/// What a server offers, and how it shows mail.
struct Offer {
    name: &'static str,
    pop3: SocketAddr,
    /// None without TLS.
    pop3s: Option<SocketAddr>,
    /// The ways to log in, as POP URLs name them.
    logins: &'static [&'static str],
    /// Whether it shows messages as they were put there, and adds no fields.
    is_exact: bool,
}

/// Messages with what programs trip over: dots, 8-bit octets, long lines, no end of line at the end.
fn mail() -> Vec<Vec<u8>> {
    let lines = |number: usize| format!("line of {number}\n").repeat(number * 7).into_bytes();
    let mut bodies: Vec<Vec<u8>> = (1..=30).map(lines).collect();
    bodies.push(b".\n..\n...three\n.\n\n.end\n".to_vec());
    bodies.push(b"\xe4\xf6\xfc \xf0\x9f\x93\xac\n".to_vec());
    bodies.push([&b"x".repeat(5000)[..], b"\nshort\n"].concat());
    let message = |(number, body): (usize, Vec<u8>)| {
        // With all that Cyrus would add.
        let header = format!(
            "From: a@example.org\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <{number}@example.org>\nSubject: {number}\n\n"
        );
        [header.into_bytes(), body].concat()
    };
    bodies.into_iter().enumerate().map(message).collect()
}

fn setup() -> Setup {
    Setup { mail: vec![("alice".to_owned(), mail())], ..Setup::default() }
}

/// The server as the URL names it; in clear only where that is asked for.
fn place(site: &Path, url: &PopUrl, is_clear: bool) -> Place {
    if is_clear {
        return Place::new(Address::from(url), Security::None);
    }
    let roots = pem_roots(&std::fs::read(site.join("authority.pem")).unwrap()).unwrap();
    // The others' certificates are for this name and the address.
    Place::of(url, Tls::of(url, Trust::authorities(roots)).unwrap())
}

async fn log_in(place: &Place, url: &PopUrl, password: &str) -> Result<Client, Error> {
    let mut client = Client::connect_to(place, Settings::default()).await?;
    let means = Means::Password(Secret::new(password.into()));
    let plaintext =
        if matches!(place.security, Security::None) { Plaintext::Everywhere } else { Plaintext::WithTls };
    client.log_in(Wish { user: url.user(), auth: url.auth(), means, plaintext }).await?;
    Ok(client)
}

/// Every protection with the login of the client's choice, and each way to log in under TLS if there is any.
async fn every_way_in(offer: &Offer, site: &Path) {
    let tls = |scheme: &str| (scheme.to_owned(), false);
    let mut ways = vec![("pop".to_owned(), true)];
    if offer.pop3s.is_some() {
        ways.extend([tls("pop"), tls("pops")]);
    }
    for (scheme, is_clear) in &ways {
        let address = if scheme == "pops" { offer.pop3s.unwrap() } else { offer.pop3 };
        for auth in std::iter::once("*").chain(offer.logins.iter().copied()) {
            let url = PopUrl::parse(&format!("{scheme}://alice;AUTH={auth}@{address}")).unwrap();
            let place = place(site, &url, *is_clear);
            let what = format!("{}: {url}, clear {is_clear}", offer.name);
            wait_until_free(offer);
            let client =
                log_in(&place, &url, "secret").await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert_eq!(client.is_confidential(), !is_clear, "{what}");
            assert!(matches!(client.quit().await, Quit::Committed), "{what}");
        }
        let url = PopUrl::parse(&format!("{scheme}://alice@{address}")).unwrap();
        let place = place(site, &url, *is_clear);
        let error = log_in(&place, &url, "wrong").await.unwrap_err();
        let advice = Advice::of(&error, &place.route, Shown::Password);
        assert_eq!(advice.kind, Matter::WrongPassword, "{}: {error:?}", offer.name);
    }
}

/// Waits until the maildrop can be had: some let go of it only behind their reply to QUIT.
fn wait_until_free(offer: &Offer) {
    wait::until("the maildrop to be free", || {
        let mut peer = Peer::connect(offer.pop3);
        peer.greeting();
        peer.ok("USER alice");
        let is_free = peer.command("PASS secret").starts_with("+OK");
        peer.ok("QUIT");
        peer.end();
        is_free
    });
}

async fn survey(place: &Place, url: &PopUrl) -> (Client, Survey) {
    let mut client = log_in(place, url, "secret").await.unwrap();
    let survey = client.survey().await.unwrap();
    (client, survey)
}

/// From the survey to the deletions.
async fn a_whole_session(offer: &Offer, site: &Path) {
    let (scheme, address) = offer.pop3s.map_or(("pop", offer.pop3), |address| ("pops", address));
    let url = PopUrl::parse(&format!("{scheme}://alice@{address}")).unwrap();
    let place = place(site, &url, offer.pop3s.is_none());
    let name = offer.name;
    let stored: Vec<Vec<u8>> = mail().iter().map(|message| canonical(message)).collect();

    wait_until_free(offer);
    let (mut client, found) = survey(&place, &url).await;
    assert_eq!(found.entries.len(), stored.len(), "{name}");
    assert!(found.without_unique_id.is_empty() && found.without_octets.is_empty(), "{name}");
    let numbers: Vec<_> = found.entries.iter().map(|entry| entry.number).collect();
    let header_of = |message: &[u8]| message.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
    let mut tops = vec![Vec::new(); stored.len()];
    let each = |number: restante_proto::maildrop::MessageNumber, piece: Piece<'_>| {
        let index = number.index();
        match piece {
            Piece::Octets(octets) => tops[index].extend_from_slice(octets),
            Piece::End { octets } => assert_eq!(octets, tops[index].len() as u64),
            Piece::Refused(refusal) => panic!("{refusal:?}"),
        }
        Ok(())
    };
    client.top_each(numbers.iter().copied(), 0, each).await.unwrap();
    let mut messages = vec![Vec::new(); stored.len()];
    let each = |number: restante_proto::maildrop::MessageNumber, piece: Piece<'_>| {
        if let Piece::Octets(octets) = piece {
            messages[number.index()].extend_from_slice(octets);
        }
        Ok(())
    };
    client.retrieve_each(found.entries.iter().map(Into::into), each).await.unwrap();
    for ((message, top), stored) in messages.iter().zip(&tops).zip(&stored) {
        let (shown, header) = (header_of(message), header_of(stored));
        assert_eq!(
            message[shown..].escape_ascii().to_string(),
            stored[header..].escape_ascii().to_string(),
            "{name}"
        );
        assert!(message[..shown].ends_with(&stored[..header]), "{name}: {}", message.escape_ascii());
        assert!(!offer.is_exact || message == stored, "{name}");
        assert_eq!(top.escape_ascii().to_string(), message[..shown].escape_ascii().to_string(), "{name}");
    }
    let flights = client.statistics().flights;
    let closing = client.delete_and_quit(&numbers[..3]).await;
    assert!(closing.refused.is_empty() && matches!(closing.quit, Quit::Committed), "{name}: {closing:?}");
    // CAPA, a login, a survey, TOPs, RETRs: never one for each message where the server takes pipelines.
    let pipelines = found.capabilities.as_ref().is_some_and(|listed| listed.pipelining);
    assert!(!pipelines || flights < 15, "{name}: {flights} flights");

    wait_until_free(offer);
    let (client, left) = survey(&place, &url).await;
    let ids =
        |survey: &Survey| -> Vec<_> { survey.entries.iter().map(|entry| entry.unique_id.clone()).collect() };
    assert_eq!(ids(&left), ids(&found)[3..], "{name}");
    // Dropped without QUIT: nothing more is gone.
    drop(client);
}

#[tokio::test]
async fn dovecot_in_every_way() {
    let mechanisms = vec!["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"];
    let server = Server::start(Kind::Dovecot, &Setup { mechanisms: Some(mechanisms), apop: true, ..setup() });
    let offer = Offer {
        name: "Dovecot",
        pop3: server.pop3_address(),
        pop3s: Some(server.pop3s_address()),
        logins: &["+APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"],
        is_exact: true,
    };
    every_way_in(&offer, server.site().path()).await;
    a_whole_session(&offer, server.site().path()).await;
}

#[tokio::test]
async fn restante_in_every_way() {
    let mechanisms = vec!["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"];
    let server =
        Server::start(Kind::Restante, &Setup { mechanisms: Some(mechanisms), apop: true, ..setup() });
    let offer = Offer {
        name: "Restante",
        pop3: server.pop3_address(),
        pop3s: Some(server.pop3s_address()),
        logins: &["+APOP", "PLAIN", "LOGIN", "CRAM-MD5"],
        is_exact: true,
    };
    every_way_in(&offer, server.site().path()).await;
    a_whole_session(&offer, server.site().path()).await;
}

#[tokio::test]
async fn courier_in_every_way() {
    let server = OtherServer::start(Other::Courier, &setup());
    let offer = Offer {
        name: "Courier",
        pop3: server.pop3_address(),
        pop3s: Some(server.pop3s_address()),
        logins: &["PLAIN", "LOGIN"],
        is_exact: true,
    };
    every_way_in(&offer, server.site().path()).await;
    a_whole_session(&offer, server.site().path()).await;
}

#[tokio::test]
async fn cyrus_in_every_way() {
    let server = OtherServer::start(Other::Cyrus, &setup());
    let offer = Offer {
        name: "Cyrus",
        pop3: server.pop3_address(),
        pop3s: Some(server.pop3s_address()),
        logins: &["+APOP", "PLAIN", "LOGIN", "CRAM-MD5"],
        is_exact: false,
    };
    every_way_in(&offer, server.site().path()).await;
    a_whole_session(&offer, server.site().path()).await;
}

#[tokio::test]
async fn popa3d_in_every_way() {
    let server = OtherServer::start(Other::Popa3d, &setup());
    let offer =
        Offer { name: "popa3d", pop3: server.pop3_address(), pop3s: None, logins: &[], is_exact: false };
    every_way_in(&offer, server.site().path()).await;
    a_whole_session(&offer, server.site().path()).await;
}
