//! What the client says in its first message of TLS, as a server reads it.

use std::net::TcpListener;

use restante_client::connect::{Address, Security, Tls};
use restante_client::pop3::{Client, Settings};
use rustls::server::Acceptor;

use crate::script::certificate;

/// The name and the protocols that the client asks for.
async fn hello() -> (Option<String>, Vec<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut acceptor = Acceptor::default();
        loop {
            acceptor.read_tls(&mut stream).unwrap();
            if let Some(accepted) = acceptor.accept().unwrap() {
                let hello = accepted.client_hello();
                let protocols = hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect();
                return (hello.server_name().map(str::to_owned), protocols);
            }
        }
    });
    let (_, roots) = certificate();
    let tls = Tls::with_roots(roots, "localhost").unwrap();
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port };
    let refused = Client::connect(&address, Security::Implicit(tls), Settings::default()).await;
    assert!(refused.is_err(), "the server has hung up");
    server.await.unwrap()
}

#[tokio::test]
async fn r9325_3_7_1_the_client_names_the_server() {
    assert_eq!(hello().await.0.as_deref(), Some("localhost"));
}

#[tokio::test]
async fn r9325_3_8_1_the_client_names_the_protocol() {
    assert_eq!(hello().await.1, [b"pop3".to_vec()]);
}
