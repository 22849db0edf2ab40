//! Getting to a server and recognizing it: addresses side by side, pins, sessions that are resumed, proxies.

use std::net::SocketAddr;
use std::sync::Arc;

use restante_client::connect::{Address, Connection, Route, Security, Server, Tls, Trust, platform_roots};
use restante_client::error::{Error, Waiting};
use restante_client::identity::CertificateFault;
use restante_client::pin::Pin;
use restante_client::pop3::{Client, Quit, Settings};
use restante_client::proxy::Proxy;
use restante_proto::url::PopUrl;
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::identity::{Authority, settings};
use crate::script::{Act, PATIENT, acts, certificate, serve};

fn tcp(address: SocketAddr) -> Address {
    Address::Tcp { host: address.ip().to_string(), port: address.port() }
}

/// A listener whose queue is full, so that nobody gets an answer; the connections in it have to be kept.
async fn listener_that_never_accepts(address: &str) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address.parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut queued = Vec::new();
    loop {
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        match tokio::time::timeout(std::time::Duration::from_millis(100), connecting).await {
            Ok(stream) => queued.push(stream.unwrap()),
            Err(_) => return (listener, queued),
        }
    }
}

#[tokio::test]
async fn rfc8305_a_silent_address_does_not_keep_from_another_one() {
    let (silent, _queued) = listener_that_never_accepts("127.0.0.1:0").await;
    for open in ["127.0.0.1:0", "[::1]:0"] {
        let open = TcpListener::bind(open).await.unwrap();
        let (first, second) = (silent.local_addr().unwrap(), open.local_addr().unwrap());
        let mut route = Route::from(Address::Tcp { host: "mail.example".into(), port: 110 });
        route.resolved = vec![first, second];
        let connection = Connection::open_by(&route, PATIENT.connect).await.unwrap();
        assert_eq!(connection.peer_address(), Some(second));
    }
    let mut route = Route::from(Address::Tcp { host: "mail.example".into(), port: 110 });
    route.resolved = vec![silent.local_addr().unwrap()];
    let error = Connection::open_by(&route, std::time::Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(Waiting::Connect)), "{error:?}");
}

#[tokio::test]
async fn where_nobody_listens_each_address_says_why() {
    // Bound and closed again: nobody else gets it while the test runs.
    let closed: Vec<SocketAddr> = {
        let one = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("[::1]:0").await.unwrap();
        vec![one.local_addr().unwrap(), other.local_addr().unwrap()]
    };
    let mut route = Route::from(Address::Tcp { host: "mail.example".into(), port: 110 });
    route.resolved = closed.clone();
    let error = Connection::open_by(&route, PATIENT.connect).await.unwrap_err();
    let Error::Connect(cause) = &error else { panic!("{error:?}") };
    assert_eq!(cause.kind(), std::io::ErrorKind::ConnectionRefused);
    let said = cause.to_string();
    assert!(closed.iter().all(|address| said.contains(&address.to_string())), "{said}");
    assert_eq!(said.matches("Connection refused").count(), 1, "the same reason is told once: {said}");
}

#[tokio::test]
async fn a_name_without_address_is_told() {
    // RFC 6761: no resolver knows a name in "invalid".
    let address = Address::Tcp { host: "mail.invalid".into(), port: 995 };
    let error = Connection::open(&address, PATIENT.connect).await.unwrap_err();
    assert!(matches!(&error, Error::Resolve { host, .. } if host == "mail.invalid"), "{error:?}");
    assert_eq!(error.to_string(), "the address of mail.invalid cannot be looked up");
}

/// Serves `QUIT` under TLS until the test ends; one session a connection.
async fn serve_many(config: Arc<ServerConfig>) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp(listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::clone(&config));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut quit = [0; 6];
                let _ = stream.write_all(b"+OK hi\r\n").await;
                let _ = stream.read_exact(&mut quit).await;
                let _ = stream.write_all(b"+OK\r\n").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

/// What becomes of a connection by `tls`: the kind of handshake, or what is wrong with the certificate and whose key it holds.
async fn meet(
    address: &Address,
    tls: &Tls,
) -> Result<Option<HandshakeKind>, (CertificateFault, Option<Pin>)> {
    let mut connection = Connection::open(address, PATIENT.connect).await.unwrap();
    match connection.start_tls(tls, PATIENT.connect).await {
        Ok(()) => {
            let mut greeting = [0; 8];
            connection.read_exact(&mut greeting).await.unwrap();
            connection.write_all(b"QUIT\r\n").await.unwrap();
            connection.read_to_end(&mut Vec::new()).await.unwrap();
            Ok(connection.tls().unwrap().handshake_kind())
        }
        Err(Error::Certificate { fault, seen, .. }) => Err((fault, seen)),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_pin_is_asked_for_beside_the_chain_and_in_place_of_it_only_when_told_so() {
    let (authority, stranger) = (Authority::new(), Authority::stranger());
    let issued = authority.issue_for(&["mail.example"]);
    let address = serve_many(issued.config()).await;
    let right = Pin::of(issued.certificate()).unwrap();
    let wrong = Pin::of(stranger.issue_for(&["mail.example"]).certificate()).unwrap();
    let chain = || Trust::authorities(authority.roots());
    let full = Ok(Some(HandshakeKind::Full));
    for (trust, name, expected) in [
        (chain(), "mail.example", full),
        (chain().and_pins([]), "mail.example", full),
        (chain(), "mail.example.", full),
        (chain().and_pins([right]), "mail.example", full),
        // The next key beside this one, in any order.
        (chain().and_pins([wrong, right]), "mail.example", full),
        (chain().and_pins([wrong]), "mail.example", Err((CertificateFault::NotPinned, Some(right)))),
        // A pin does not make up for a wrong name or a strange issuer.
        (chain().and_pins([right]), "other.example", Err((CertificateFault::WrongName, Some(right)))),
        (
            Trust::authorities(stranger.roots()).and_pins([right]),
            "mail.example",
            Err((CertificateFault::UnknownIssuer, Some(right))),
        ),
        // But in place of all that it stands for itself.
        (Trust::pins_alone([right]).unwrap(), "other.example", full),
        (
            Trust::pins_alone([wrong]).unwrap(),
            "mail.example",
            Err((CertificateFault::NotPinned, Some(right))),
        ),
    ] {
        let tls = Tls::trusting(trust.clone(), name).unwrap();
        assert_eq!(meet(&address, &tls).await, expected, "{trust:?} {name}");
    }
    assert!(Trust::pins_alone([]).is_none());
    let error = Error::Certificate {
        fault: CertificateFault::NotPinned,
        seen: Some(right),
        cause: std::io::ErrorKind::InvalidData.into(),
    };
    assert_eq!(
        error.to_string(),
        format!("the server's key is none of those that are pinned; it is {right}")
    );
}

#[tokio::test]
async fn a_key_pinned_alone_must_be_the_servers_own() {
    // The certificate that goes with the pin, shown by somebody who has not its key.
    let authority = Authority::new();
    let (theirs, mine) = (authority.issue_for(&["mail.example"]), authority.issue_for(&["mail.example"]));
    let tls =
        Tls::trusting(Trust::pins_alone([Pin::of(theirs.certificate()).unwrap()]).unwrap(), "a.b").unwrap();
    let address = serve_many(theirs.config_with_key_of(&mine)).await;
    let mut connection = Connection::open(&address, PATIENT.connect).await.unwrap();
    let error = connection.start_tls(&tls, PATIENT.connect).await.unwrap_err();
    assert!(matches!(error, Error::Certificate { fault: CertificateFault::Invalid, .. }), "{error:?}");
}

#[tokio::test]
async fn a_second_connection_goes_on_with_the_session_of_the_first() {
    let (config, roots) = certificate();
    let address = serve_many(config).await;
    let tls = Tls::with_roots(roots.clone(), "localhost").unwrap();
    assert_eq!(meet(&address, &tls).await, Ok(Some(HandshakeKind::Full)));
    assert_eq!(meet(&address, &tls.clone()).await, Ok(Some(HandshakeKind::Resumed)));
    // Another one knows nothing of it.
    let other = Tls::with_roots(roots, "localhost").unwrap();
    assert_eq!(meet(&address, &other).await, Ok(Some(HandshakeKind::Full)));
}

#[tokio::test]
async fn the_system_trusts_nobody_of_the_test() {
    // Where the machine has no authorities at all, that is what is said.
    let Ok(roots) = platform_roots() else { return };
    let (config, _) = certificate();
    let address = serve_many(config).await;
    let refused = meet(&address, &Tls::with_roots(roots, "localhost").unwrap()).await;
    assert!(matches!(refused, Err((CertificateFault::UnknownIssuer, Some(_)))), "{refused:?}");
}

/// A proxy that grants the one request it is asked for, which must be these octets, and connects to `to`.
async fn proxy(turns: Vec<(Vec<u8>, Vec<u8>)>, to: Address) -> (SocketAddr, JoinHandle<()>) {
    let Address::Tcp { host, port } = to else { panic!("tests listen on TCP") };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        for (heard, said) in turns {
            let mut octets = vec![0; heard.len()];
            near.read_exact(&mut octets).await.unwrap();
            assert_eq!(octets.escape_ascii().to_string(), heard.escape_ascii().to_string());
            near.write_all(&said).await.unwrap();
        }
        let mut far = TcpStream::connect((host, port)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    (address, proxy)
}

#[tokio::test]
async fn a_proxy_carries_the_whole_session_and_gets_the_name() {
    let (config, roots) = certificate();
    for scheme in ["socks5", "http"] {
        let mut script = vec![Act::Tls(config.clone())];
        script.extend(acts("S: +OK hi\nC: QUIT\nS: +OK"));
        let (address, server) = serve(script).await;
        let request = b"\x05\x01\x00\x03\x09localhost\x03\xe3";
        let turns = match scheme {
            "socks5" => vec![
                (b"\x05\x01\x00".to_vec(), b"\x05\x00".to_vec()),
                (request.to_vec(), b"\x05\x00\x00\x01\0\0\0\0\0\0".to_vec()),
            ],
            _ => vec![(
                b"CONNECT localhost:995 HTTP/1.1\r\nHost: localhost:995\r\n\r\n".to_vec(),
                b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            )],
        };
        let (place, proxy) = proxy(turns, address).await;
        let url = PopUrl::parse("pops://alice@localhost").unwrap();
        let server_there = Server::of(&url, Tls::of(&url, roots.clone()).unwrap())
            .through(Proxy::parse(&format!("{scheme}://{place}")).unwrap());
        assert_eq!(server_there.to_string(), format!("localhost:995 through {scheme}://{place}"));
        let client = Client::connect_to(&server_there, settings()).await.unwrap();
        assert!(client.is_confidential());
        assert!(matches!(client.quit().await, Quit::Committed));
        server.await.unwrap();
        proxy.await.unwrap();
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_does_not_answer_is_an_error_in_time() {
    let (silent, _queued) = listener_that_never_accepts("127.0.0.1:0").await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let connect = std::time::Duration::from_millis(300);
    let deadlines = restante_client::connect::Deadlines { connect, ..PATIENT };
    for (place, is_timeout) in
        [(silent.local_addr().unwrap(), true), (mute.local_addr().unwrap(), true), (closed, false)]
    {
        for scheme in ["socks5", "http"] {
            let address = Address::Tcp { host: "mail.example".into(), port: 110 };
            let server = Server::new(address, Security::None)
                .through(Proxy::parse(&format!("{scheme}://{place}")).unwrap());
            let settings = Settings { deadlines, ..Settings::default() };
            let error = Client::connect_to(&server, settings).await.unwrap_err();
            let is_right = match is_timeout {
                true => matches!(error, Error::Timeout(Waiting::Connect)),
                false => matches!(error, Error::Connect(_)),
            };
            assert!(is_right, "{scheme} {place}: {error:?}");
        }
    }
}
