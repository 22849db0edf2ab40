//! SRV records from a name server of the test's own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use restante_client::discover::dns::Resolver;
use restante_client::error::Error;
use restante_proto::url::HostName;
use tokio::net::UdpSocket;

/// What the name server says to a question; everything else does not exist.
type Table = Vec<(&'static str, Answer)>;

#[derive(Clone)]
enum Answer {
    /// Priority, weight, port, target.
    Srv(Vec<(u16, u16, u16, &'static str)>),
    /// The records stand under another name.
    Alias(&'static str, Vec<(u16, u16, u16, &'static str)>),
    Fails,
}

/// A name server with a table; it remembers what it was asked.
async fn name_server(table: Table) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut octets = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut octets).await {
            let mut message = Message::from_vec(&octets[..length]).unwrap();
            let query = message.queries[0].clone();
            let name = query.name().to_ascii();
            log.lock().unwrap().push(name.clone());
            message.metadata.message_type = MessageType::Response;
            message.metadata.response_code = ResponseCode::NoError;
            let srv = |owner: &Name, &(priority, weight, port, target): &(u16, u16, u16, &str)| {
                let target = Name::from_ascii(target).unwrap();
                Record::from_rdata(owner.clone(), 60, RData::SRV(SRV::new(priority, weight, port, target)))
            };
            match table.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, answer)| answer) {
                Some(Answer::Srv(records)) => {
                    message.answers = records.iter().map(|record| srv(query.name(), record)).collect();
                }
                // A name server that asks on for us says both.
                Some(Answer::Alias(other, records)) => {
                    let other = Name::from_ascii(other).unwrap();
                    let alias = RData::CNAME(CNAME(other.clone()));
                    message.answers = vec![Record::from_rdata(query.name().clone(), 60, alias)];
                    message.answers.extend(records.iter().map(|record| srv(&other, record)));
                }
                Some(Answer::Fails) => message.metadata.response_code = ResponseCode::ServFail,
                None => message.metadata.response_code = ResponseCode::NXDomain,
            }
            let _ = socket.send_to(&message.to_vec().unwrap(), peer).await;
        }
    });
    (address, asked)
}

/// What is found in `example.org`, as `service host port foreign`, and what was asked.
async fn discover(table: Table) -> (Result<Vec<String>, Error>, Vec<String>) {
    let (address, asked) = name_server(table).await;
    let resolver = Resolver::with_servers(&[address]).unwrap();
    let domain = HostName::parse("example.org").unwrap();
    let found = resolver.discover(&domain, Duration::from_secs(20)).await;
    let show = |candidate: &restante_client::discover::Candidate| {
        let (reference, label) = (candidate.reference(), candidate.service().label());
        let foreign = if reference.is_foreign() { " foreign" } else { "" };
        format!("{label} {} {}{foreign}", reference.host(), candidate.port())
    };
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    asked.dedup();
    (found.map(|found| found.iter().map(show).collect()), asked)
}

#[tokio::test]
async fn records_of_both_services_in_their_order() {
    let (found, _) = discover(vec![
        (
            "_pop3s._tcp.example.org.",
            Answer::Srv(vec![(20, 0, 995, "b.example.org."), (10, 0, 9950, "A.Example.org.")]),
        ),
        ("_pop3._tcp.example.org.", Answer::Srv(vec![(0, 0, 110, "mail.example.net.")])),
    ])
    .await;
    let expected =
        ["_pop3s a.example.org. 9950", "_pop3s b.example.org. 995", "_pop3 mail.example.net. 110 foreign"];
    assert_eq!(found.unwrap(), expected);
}

#[tokio::test]
async fn r6186_4_5_only_pop3_is_ever_asked_for() {
    for table in [vec![], vec![("_pop3._tcp.example.org.", Answer::Srv(vec![(0, 0, 0, ".")]))]] {
        let (_, asked) = discover(table).await;
        assert_eq!(asked, ["_pop3._tcp.example.org.", "_pop3s._tcp.example.org."]);
    }
}

#[tokio::test]
async fn a_domain_without_records_is_its_own_server() {
    let (found, _) = discover(vec![]).await;
    assert_eq!(found.unwrap(), ["_pop3s example.org 995", "_pop3 example.org 110"]);
}

#[tokio::test]
async fn a_domain_that_offers_nothing_is_told_apart_from_a_name_server_that_fails() {
    let dot = || Answer::Srv(vec![(0, 0, 0, ".")]);
    let (found, _) =
        discover(vec![("_pop3s._tcp.example.org.", dot()), ("_pop3._tcp.example.org.", dot())]).await;
    let error = found.unwrap_err();
    assert!(matches!(error, Error::NotOffered(_)) && !error.is_temporary(), "{error:?}");
    assert_eq!(error.to_string(), "example.org says that it has no POP3 server");
    // No guess when one of the two cannot be had.
    let records = Answer::Srv(vec![(0, 0, 110, "mail.example.org.")]);
    let (found, _) =
        discover(vec![("_pop3s._tcp.example.org.", Answer::Fails), ("_pop3._tcp.example.org.", records)])
            .await;
    let error = found.unwrap_err();
    assert!(matches!(error, Error::Lookup(_)) && error.is_temporary(), "{error:?}");
}

#[tokio::test]
async fn an_alias_changes_nothing_about_who_is_trusted() {
    let there = "_pop3s._tcp.example.net.";
    let records = vec![
        (0, 0, 995, "mail.example.net."),
        (1, 0, 995, "mail.example.org."),
        (2, 0, 995, "*.example.org."),
    ];
    let (found, _) = discover(vec![
        ("_pop3s._tcp.example.org.", Answer::Alias(there, records.clone())),
        (there, Answer::Srv(records)),
    ])
    .await;
    assert_eq!(found.unwrap(), ["_pop3s mail.example.net. 995 foreign", "_pop3s mail.example.org. 995"]);
    // One that leads to itself ends.
    let here = "_pop3s._tcp.example.org.";
    let (found, _) = discover(vec![(here, Answer::Alias(here, Vec::new()))]).await;
    assert!(found.is_ok_and(|found| found.len() == 2), "the domain itself");
}
