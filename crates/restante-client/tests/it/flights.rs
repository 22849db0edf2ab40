//! What shares a flight, and what happens when the two sides do not say the same.

use restante_client::connect::Security;
use restante_client::error::Error;
use restante_client::pop3::{Client, Closing, Piece, Quit, ScanListing, Settings};
use restante_proto::reply::ResponseCode;
use restante_proto::sasl::{Mechanism, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::script::{acts, login, number, scan, serve, settings, transcript};

const CAPABLE: &str = "S: +OK hi
    C: CAPA
    S: +OK
    S: PIPELINING
    S: UTF8
    S: SASL PLAIN
    S: .\n";

/// A client that has logged in with PLAIN to a server with PIPELINING that then follows `script`.
async fn logged_in(script: &str) -> (Client, tokio::task::JoinHandle<()>) {
    let login_script = "C: UTF8\nC: AUTH PLAIN AGZyZWQAc2VjcmV0\nS: +OK\nS: +OK\n";
    let (address, server) = serve(acts(&format!("{CAPABLE}{login_script}{script}"))).await;
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    client.capabilities().await.unwrap();
    client.login(login(Method::Sasl(Mechanism::Plain))).await.unwrap();
    (client, server)
}

#[tokio::test]
async fn a_whole_pass_is_five_flights_whatever_the_number_of_messages() {
    let count = 3000;
    let listed = |of: &str| (1..=count).map(|at| format!("S: {at} {of}{at}\n")).collect::<String>();
    let script = format!(
        "C: CAPA\nC: LIST\nC: UIDL\nS: +OK\nS: PIPELINING\nS: EXPIRE 3\nS: .\nS: +OK\n{}S: .\nS: +OK\n{}S: .",
        listed(""),
        listed("id")
    );
    let mut script = acts(&script);
    // What is asked for before the first answer is more than one, and all of it fits a window.
    script.extend(acts("C: RETR 1\nC: RETR 2\nC: RETR 3"));
    for at in 4..=count {
        script.extend(acts(&format!("S: +OK\nS: x\nS: .\nC: RETR {at}")));
    }
    script.extend(acts(&"S: +OK\nS: x\nS: .\n".repeat(3)));
    script.extend(acts("C: DELE 1"));
    for at in 2..=count {
        script.extend(acts(&format!("C: DELE {at}\nS: +OK")));
    }
    script.extend(acts("C: QUIT\nS: +OK\nS: +OK bye"));
    let mut head = acts(&format!("{CAPABLE}C: UTF8\nC: AUTH PLAIN AGZyZWQAc2VjcmV0\nS: +OK\nS: +OK\n"));
    head.extend(script);
    let (address, server) = serve(head).await;
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    client.capabilities().await.unwrap();
    client.login(login(Method::Sasl(Mechanism::Plain))).await.unwrap();
    let survey = client.survey().await.unwrap();
    assert_eq!(survey.entries.len(), 3000);
    assert_eq!(client.statistics().flights, 3);
    let mut whole = 0;
    let wanted = survey.entries.iter().map(ScanListing::from);
    client
        .retrieve_each(wanted, |_, piece| {
            whole += u32::from(piece == Piece::End { octets: 3 });
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(whole, 3000);
    let statistics = client.statistics();
    assert_eq!(statistics.flights, 4);
    assert!(statistics.octets_in > 3000 * 11 && statistics.octets_out > 3000 * 9, "{statistics:?}");
    let numbers: Vec<_> = survey.entries.iter().map(|entry| entry.number).collect();
    let closing = client.delete_and_quit(&numbers).await;
    assert!(matches!(closing, Closing { quit: Quit::Committed, .. }), "{closing:?}");
    assert!(closing.refused.is_empty());
    server.await.unwrap();
}

#[tokio::test]
async fn a_survey_of_lists_that_disagree_leaves_nothing_out() {
    let (mut client, server) = logged_in(
        "C: CAPA
         C: LIST
         C: UIDL
         S: +OK
         S: TOP
         S: .
         S: +OK
         S: 1 10
         S: 2 20
         S: 4 40
         S: 4 41
         S: .
         S: +OK
         S: 4 d
         S: 1 a
         S: 3 c
         S: .",
    )
    .await;
    let survey = client.survey().await.unwrap();
    let entries: Vec<_> =
        survey.entries.iter().map(|entry| (entry.number.as_u32(), entry.unique_id.as_slice())).collect();
    assert_eq!(entries, [(1, &b"a"[..]), (4, b"d")]);
    assert_eq!(survey.without_unique_id, [scan(2, 20)]);
    assert_eq!(survey.without_octets.iter().map(|name| name.number.as_u32()).collect::<Vec<_>>(), [3]);
    assert!(survey.capabilities.is_some_and(|listed| listed.top && !listed.pipelining));
    assert!(survey.uidl_refusal.is_none() && !survey.has_unreadable_lines);
    server.await.unwrap();
}

#[tokio::test]
async fn a_survey_without_pipelining_or_capa_or_uidl() {
    let head = "S: +OK hi\nC: USER fred\nS: +OK\nC: PASS secret\nS: +OK\n";
    let script = "C: CAPA
         S: -ERR what?
         C: LIST
         S: +OK
         S: 1 10
         S: 2
         S: .
         C: UIDL
         S: -ERR [SYS/TEMP] not now
         C: NOOP
         S: +OK";
    let (address, server) = serve(acts(&format!("{head}{script}"))).await;
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    client.login(login(Method::UserPass)).await.unwrap();
    let survey = client.survey().await.unwrap();
    assert_eq!((survey.capabilities, survey.entries.len()), (None, 0));
    assert_eq!(survey.without_unique_id, [scan(1, 10)]);
    assert_eq!(survey.uidl_refusal.unwrap().code, Some(ResponseCode::SysTemp));
    assert!(survey.has_unreadable_lines);
    client.noop().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn a_survey_whose_list_is_refused_fails_and_the_client_goes_on() {
    let (mut client, server) =
        logged_in("C: CAPA\nC: LIST\nC: UIDL\nS: +OK\nS: .\nS: -ERR no\nS: +OK\nS: .\nC: NOOP\nS: +OK").await;
    assert!(matches!(client.survey().await, Err(Error::Refused(_))));
    client.noop().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn headers_of_many_messages_are_one_flight() {
    let (mut client, server) = logged_in(
        "C: TOP 1 0
         C: TOP 2 0
         C: TOP 3 0
         S: +OK
         S: Subject: a
         S: .
         S: -ERR gone
         S: +OK
         S: .
         C: NOOP
         S: +OK",
    )
    .await;
    let mut headers = client.tops([1, 2, 3].map(number), 0).unwrap();
    let mut told = Vec::new();
    while let Some((number, piece)) = headers.next().await.unwrap() {
        told.push(format!("{} {piece:?}", number.as_u32()));
    }
    drop(headers);
    assert_eq!(
        told[1..],
        ["1 End { octets: 12 }", "2 Refused(Refusal { code: None, text: \"gone\" })", "3 End { octets: 0 }"]
    );
    client.noop().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn deletions_and_quit_are_one_flight_and_say_what_became_of_them() {
    let script = "C: DELE 1\nC: DELE 2\nC: QUIT\nS: +OK\nS: -ERR gone\n";
    for (end, expected) in [("S: +OK bye", "committed"), ("S: -ERR no", "refused"), ("", "unknown")] {
        let (client, server) = logged_in(&format!("{script}{end}")).await;
        let Closing { refused, quit, .. } = client.delete_and_quit(&[number(1), number(2)]).await;
        assert_eq!(refused.iter().map(|(number, _)| number.as_u32()).collect::<Vec<_>>(), [2]);
        let came = match quit {
            Quit::Committed => "committed",
            Quit::Refused(_) => "refused",
            Quit::Unknown(_) => "unknown",
            Quit::NotSent(_) => "not sent",
        };
        assert_eq!(came, expected);
        server.await.unwrap();
    }
    // Without PIPELINING, the connection is lost before QUIT could be sent.
    let head = "S: +OK hi\nC: USER fred\nS: +OK\nC: PASS secret\nS: +OK\nC: DELE 1";
    let (address, server) = serve(acts(head)).await;
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    client.login(login(Method::UserPass)).await.unwrap();
    let closing = client.delete_and_quit(&[number(1)]).await;
    assert!(matches!(closing.quit, Quit::NotSent(Error::Closed)), "{closing:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_refused_user_name_ends_well_and_nobody_sees_the_password() {
    let script =
        format!("{CAPABLE}C: USER fred\nC: PASS secret\nS: -ERR [AUTH] nobody\nS: -ERR\nC: NOOP\nS: +OK");
    let (address, server) = serve(acts(&script)).await;
    let (trace, said) = transcript();
    let settings = Settings { trace: Some(trace), utf8: false, ..settings() };
    let mut client = Client::connect(&address, Security::None, settings).await.unwrap();
    client.capabilities().await.unwrap();
    let refused = client.login(login(Method::UserPass)).await;
    assert!(matches!(&refused, Err(Error::Login { refusal, .. }) if refusal.text == "nobody"), "{refused:?}");
    client.noop().await.unwrap();
    server.await.unwrap();
    assert!(said.lock().unwrap().contains("C: USER fred\nC: PASS ****\nS: -ERR [AUTH] nobody\nS: -ERR\n"));
}

#[tokio::test]
async fn a_refused_user_name_is_told_even_when_the_server_goes_then() {
    let script = format!("{CAPABLE}C: USER fred\nC: PASS secret\nS: -ERR [AUTH] nobody");
    let (address, server) = serve(acts(&script)).await;
    let settings = Settings { utf8: false, ..settings() };
    let mut client = Client::connect(&address, Security::None, settings).await.unwrap();
    client.capabilities().await.unwrap();
    assert!(matches!(client.login(login(Method::UserPass)).await, Err(Error::Login { .. })));
    server.await.unwrap();
}

/// The server answers every command at once and reads nothing while it writes; its answers fill all buffers on the way, and
/// so do the commands. A client that writes all it has before it reads would wait for it for ever, and it for the client.
#[tokio::test]
async fn a_server_that_does_not_read_while_it_writes_is_no_deadlock() {
    let (count, body) = (3000, "x".repeat(8000));
    let (here, mut stream) = tokio::io::duplex(256);
    let server = tokio::spawn(async move {
        stream.write_all(b"+OK\r\n").await.unwrap();
        let mut received = Vec::new();
        let mut retrieved = 0;
        let mut buffer = [0; 64];
        loop {
            let got = stream.read(&mut buffer).await.unwrap();
            received.extend_from_slice(&buffer[..got]);
            assert!(got > 0, "the client went after {retrieved}");
            while let Some(end) = received.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = received.drain(..=end).collect();
                let reply = match &line[..4] {
                    b"CAPA" => "+OK\r\nPIPELINING\r\n.\r\n".to_owned(),
                    b"RETR" => format!("+OK\r\n{body}\r\n.\r\n"),
                    _ => "+OK\r\n".to_owned(),
                };
                retrieved += u32::from(line.starts_with(b"RETR"));
                stream.write_all(reply.as_bytes()).await.unwrap();
                if line.starts_with(b"QUIT") {
                    return retrieved;
                }
            }
        }
    });
    let mut settings = settings();
    settings.limits.pipelined_octets_max = 1 << 20;
    settings.limits.pipelined_commands_max = 4000;
    settings.limits.ahead_octets_max = u64::MAX;
    let mut client = Client::over(here, settings).await.unwrap();
    client.capabilities().await.unwrap();
    client.login(login(Method::UserPass)).await.unwrap();
    let mut whole = 0;
    let wanted = (1..=count).map(|at| scan(at, 8002));
    client
        .retrieve_each(wanted, |_, piece| {
            whole += u32::from(piece == Piece::End { octets: 8002 });
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(whole, count);
    assert!(matches!(client.quit().await, Quit::Committed));
    assert_eq!(server.await.unwrap(), count);
}
