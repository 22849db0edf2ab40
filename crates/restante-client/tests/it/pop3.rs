//! The POP3 client.

use std::time::Duration;

use restante_client::connect::{Address, Deadlines, Security, Tls};
use restante_client::error::{Blame, Error, Waiting};
use restante_client::pop3::{Client, Piece, Quit, Settings};
use restante_proto::client::request::{InvalidRequest, Login};
use restante_proto::reply::ResponseCode;
use restante_proto::sasl::{Mechanism, Method};
use restante_proto::secret::Secret;

use crate::script::{Act, PATIENT, acts, certificate, login, number, scan, serve, settings, transcript};

/// A client that is logged in to a server that then follows `script`.
async fn logged_in(script: &str) -> (Client, tokio::task::JoinHandle<()>) {
    let head = "S: +OK hi\nC: USER fred\nS: +OK\nC: PASS secret\nS: +OK\n";
    let (address, server) = serve(acts(&format!("{head}{script}"))).await;
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    client.login(login(Method::UserPass)).await.unwrap();
    (client, server)
}

#[tokio::test]
async fn a_whole_session() {
    let (mut client, server) = logged_in(
        "C: STAT
         S: +OK 2 30
         C: LIST
         S: +OK
         S: 1 10
         S: 2 20
         S: .
         C: LIST 2
         S: +OK 2 20
         C: UIDL
         S: +OK
         S: 1 a
         S: 2 b
         S: .
         C: UIDL 1
         S: +OK 1 a
         C: RETR 1
         S: +OK
         S: Subject: x
         S: ..dot
         S: .
         C: TOP 2 0
         S: +OK
         S: Subject: y
         S: .
         C: DELE 1
         S: +OK
         C: RSET
         S: +OK
         C: NOOP
         S: +OK
         C: DELE 2
         S: +OK
         C: QUIT
         S: +OK",
    )
    .await;
    let stat = client.stat().await.unwrap();
    assert_eq!((stat.messages, stat.octets.as_u64()), (2, 30));
    let list = client.list().await.unwrap();
    assert_eq!(list.iter().map(|entry| entry.octets.as_u64()).collect::<Vec<_>>(), [10, 20]);
    assert_eq!(client.list_one(number(2)).await.unwrap(), list[1]);
    let ids = client.unique_ids().await.unwrap();
    assert_eq!(ids.iter().map(|entry| &entry.unique_id[..]).collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(client.unique_id(number(1)).await.unwrap(), ids[0]);
    let mut message = Vec::new();
    assert_eq!(client.retrieve(number(1), &mut message).await.unwrap(), 18);
    assert_eq!(message, b"Subject: x\r\n.dot\r\n");
    assert_eq!(client.top(number(2), 0, &mut Vec::new()).await.unwrap(), 12);
    client.delete(number(1)).await.unwrap();
    client.reset().await.unwrap();
    client.noop().await.unwrap();
    client.delete(number(2)).await.unwrap();
    assert!(matches!(client.quit().await, Quit::Committed));
    server.await.unwrap();
}

#[tokio::test]
async fn refusals_leave_the_client_usable() {
    let (mut client, server) = logged_in(
        "C: RETR 9
         S: -ERR [SYS/TEMP] later
         C: STAT
         S: +OK what
         C: LIST 1
         S: +OK 2 20
         C: QUIT
         S: -ERR [SYS/PERM] some are left",
    )
    .await;
    let error = client.retrieve(number(9), &mut Vec::new()).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.code == Some(ResponseCode::SysTemp)));
    assert_eq!((error.blame(), error.is_temporary()), (Blame::Refusal, true));
    assert_eq!(client.stat().await.unwrap_err().blame(), Blame::Server);
    assert!(matches!(client.list_one(number(1)).await, Err(Error::Malformed)), "the answer is about another");
    assert!(matches!(client.quit().await, Quit::Refused(_)));
    server.await.unwrap();
}

#[tokio::test]
async fn r2595_4_stls_then_capabilities_then_login() {
    let (config, roots) = certificate();
    let mut script = acts("S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: +OK go");
    script.push(Act::Tls(config));
    script.extend(acts(
        "C: CAPA
         S: +OK
         S: SASL PLAIN
         S: .
         C: AUTH PLAIN AGZyZWQAc2VjcmV0
         S: +OK
         C: RETR 1
         S: +OK
         S: x
         S: .
         C: QUIT
         S: +OK",
    ));
    let (address, server) = serve(script).await;
    let (trace, said) = transcript();
    let security = Security::Stls(Tls::with_roots(roots, "localhost").unwrap());
    let settings = Settings { trace: Some(trace), ..settings() };
    let mut client = Client::connect(&address, security, settings).await.unwrap();
    assert_eq!(client.method(), Method::Sasl(Mechanism::Plain));
    client.login(login(client.method())).await.unwrap();
    client.retrieve(number(1), &mut Vec::new()).await.unwrap();
    assert!(matches!(client.quit().await, Quit::Committed));
    server.await.unwrap();
    assert_eq!(
        *said.lock().unwrap(),
        "S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: +OK go\n= TLS\n\
         C: CAPA\nS: +OK\nS: SASL PLAIN\nS: .\nC: AUTH PLAIN ****\nS: +OK\n\
         C: RETR 1\nS: +OK\n= message of 3\nC: QUIT\nS: +OK\n"
    );
}

#[tokio::test]
async fn implicit_tls_and_a_wrong_name() {
    let (config, roots) = certificate();
    for (name, is_right) in [("localhost", true), ("mail.example", false)] {
        let mut script = vec![Act::Tls(config.clone())];
        script.extend(acts("S: +OK hi\nC: QUIT\nS: +OK"));
        let (address, server) = serve(script).await;
        let security = Security::Implicit(Tls::with_roots(roots.clone(), name).unwrap());
        match Client::connect(&address, security, settings()).await {
            Ok(client) => {
                assert!(is_right);
                assert!(matches!(client.quit().await, Quit::Committed));
            }
            Err(error) => assert!(!is_right && matches!(error, Error::Certificate { .. }), "{error:?}"),
        }
        server.await.unwrap();
    }
}

#[tokio::test]
async fn r2595_9_1_a_missing_stls_is_an_error_and_nothing_else_is_said() {
    let (_, roots) = certificate();
    for script in
        ["S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: .", "S: +OK hi\nC: CAPA\nS: -ERR\nC: STLS\nS: -ERR"]
    {
        let (address, server) = serve(acts(script)).await;
        let security = Security::Stls(Tls::with_roots(roots.clone(), "localhost").unwrap());
        assert!(matches!(Client::connect(&address, security, settings()).await, Err(Error::NoStls)));
        server.await.unwrap();
    }
}

#[tokio::test]
async fn r2595_4_7_octets_before_the_handshake_are_an_error() {
    let (_, roots) = certificate();
    let mut script = acts("S: +OK hi\nC: CAPA\nS: -ERR\nC: STLS");
    script.push(Act::Say(b"+OK\r\n+OK injected\r\n".to_vec()));
    let (address, server) = serve(script).await;
    let security = Security::Stls(Tls::with_roots(roots, "localhost").unwrap());
    let error = Client::connect(&address, security, settings()).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(_)), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn pipelined_retrieval_and_deletion() {
    let (mut client, server) = logged_in(
        "C: CAPA
         S: +OK
         S: PIPELINING
         S: .
         C: RETR 1
         C: RETR 2
         C: RETR 3
         S: +OK
         S: one
         S: .
         S: -ERR gone
         S: +OK
         S: three
         S: .
         C: DELE 1
         C: DELE 2
         S: +OK
         S: -ERR gone
         C: QUIT
         S: +OK",
    )
    .await;
    client.capabilities().await.unwrap();
    let mut pieces = Vec::new();
    client
        .retrieve_each([1, 2, 3].map(|at| scan(at, 10)), |number, piece| {
            pieces.push(match piece {
                Piece::Octets(octets) => format!("{} {}", number.as_u32(), octets.escape_ascii()),
                Piece::End { octets } => format!("{} end {octets}", number.as_u32()),
                Piece::Refused(refusal) => format!("{} {}", number.as_u32(), refusal.text),
            });
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(pieces.concat(), "1 one\\r\\n1 end 52 gone3 three\\r\\n3 end 7");
    let refused = client.delete_each(&[number(1), number(2)]).await.unwrap();
    assert_eq!(refused.iter().map(|(number, _)| number.as_u32()).collect::<Vec<_>>(), [2]);
    assert!(matches!(client.quit().await, Quit::Committed));
    server.await.unwrap();
}

#[tokio::test]
async fn r1939_6_6_an_unanswered_quit_is_unknown() {
    let (client, server) = logged_in("C: QUIT").await;
    assert!(matches!(client.quit().await, Quit::Unknown(Error::Closed)));
    server.await.unwrap();
}

#[tokio::test]
async fn after_a_broken_retrieval_nothing_is_committed() {
    let (mut client, server) = logged_in("C: RETR 1\nS: +OK\nS: half of it").await;
    let mut message = Vec::new();
    assert!(matches!(client.retrieve(number(1), &mut message).await, Err(Error::Closed)));
    assert!(matches!(client.stat().await, Err(Error::OutOfStep)));
    assert!(matches!(client.quit().await, Quit::NotSent(Error::OutOfStep)));
    server.await.unwrap();
}

/// A writer that takes nothing.
struct Full;

impl tokio::io::AsyncWrite for Full {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Err(std::io::ErrorKind::StorageFull.into()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_sink_that_fails_is_this_sides_fault() {
    let (mut client, server) = logged_in("C: RETR 1\nS: +OK\nS: text\nS: .").await;
    let error = client.retrieve(number(1), &mut Full).await.unwrap_err();
    assert_eq!(error.blame(), Blame::Local);
    assert!(matches!(client.noop().await, Err(Error::OutOfStep)));
    server.await.unwrap();
}

#[tokio::test]
async fn a_large_message_comes_in_pieces() {
    let line = "0123456789abcdef\r\n".repeat(100_000);
    let (mut client, server) = {
        let mut script = acts("S: +OK hi\nC: USER fred\nS: +OK\nC: PASS secret\nS: +OK\nC: RETR 1\nS: +OK");
        script.push(Act::Say(format!("{line}.\r\n").into_bytes()));
        let (address, server) = serve(script).await;
        let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
        client.login(login(Method::UserPass)).await.unwrap();
        (client, server)
    };
    let mut message = Vec::new();
    assert_eq!(client.retrieve(number(1), &mut message).await.unwrap(), line.len() as u64);
    assert_eq!(message, line.as_bytes());
    server.await.unwrap();
}

#[tokio::test]
async fn a_refused_connection() {
    let (address, server) = serve(acts("S: -ERR [SYS/TEMP] full")).await;
    let error = Client::connect(&address, Security::None, settings()).await.unwrap_err();
    assert!(matches!(&error, Error::Rejected(refusal) if refusal.text == "full"));
    assert!(error.is_temporary());
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout() {
    let (address, server) = serve(vec![Act::Sulk]).await;
    let deadlines = Deadlines { greeting: Duration::from_millis(1), ..PATIENT };
    let settings = Settings { deadlines, ..Settings::default() };
    let error = Client::connect(&address, Security::None, settings).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(Waiting::Read)), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn nobody_there() {
    // A port that was free a moment ago, and a socket that never was.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for address in
        [Address::Tcp { host: "127.0.0.1".into(), port }, Address::Unix("/nonexistent/restante".into())]
    {
        let error = Client::connect(&address, Security::None, settings()).await.unwrap_err();
        assert!(matches!(error, Error::Connect(_)), "{error:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_said_is_not_sent() {
    let (address, server) = serve(acts("S: +OK hi\nC: QUIT\nS: +OK")).await;
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    let wrong = Login::of(Method::Sasl(Mechanism::Plain), b"a\r\nQUIT", Secret::new(b"secret".to_vec()));
    assert!(matches!(wrong, Err(InvalidRequest::Argument)));
    assert!(matches!(client.language("de\r\nQUIT").await, Err(Error::Request(InvalidRequest::Language))));
    assert!(matches!(client.login(login(Method::Apop)).await, Err(Error::NotPossible(_))));
    assert!(matches!(client.quit().await, Quit::Committed));
    server.await.unwrap();
    assert!(matches!(
        Tls::with_roots(rustls::RootCertStore::empty(), "not a name"),
        Err(Error::ServerName(_))
    ));
}

#[tokio::test]
async fn an_abandoned_call_leaves_the_client_out_of_step() {
    let mut script = acts("S: +OK hi");
    script.push(Act::Sulk);
    let (address, server) = serve(script).await;
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    {
        let mut call = std::pin::pin!(client.noop());
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    }
    assert!(matches!(client.noop().await, Err(Error::OutOfStep)));
    drop(client);
    server.await.unwrap();
}
