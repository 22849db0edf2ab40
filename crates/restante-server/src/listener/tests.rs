//! Sockets: addresses, permissions, what is inherited.

use super::*;
use restante_config::value::Mode;

fn listen(address: Address) -> Listen {
    let (protocol, tls, mode) = (Protocol::Pop3, TlsMode::Off, Mode(0o600));
    Listen {
        protocol,
        address,
        tls,
        mode,
        owner: None,
        group: None,
        proxy_from: Vec::new(),
        proxy_tls: false,
    }
}

fn tcp(address: &str) -> Listen {
    listen(Address::Tcp(address.parse().unwrap()))
}

#[tokio::test]
async fn port_0_becomes_a_real_port_and_a_taken_port_is_an_error() {
    let socket = Listener::bind(&tcp("127.0.0.1:0"), &Inherited::none()).unwrap();
    let Address::Tcp(address) = socket.address(&tcp("127.0.0.1:0").address) else { panic!() };
    assert_ne!(address.port(), 0);
    let error = Listener::bind(&listen(Address::Tcp(address)), &Inherited::none()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
    assert!(error.source().unwrap().to_string().contains("in use"));
}

#[tokio::test]
async fn ipv4_and_ipv6_of_one_port_are_apart() {
    let Ok(first) = Listener::bind(&tcp("[::]:0"), &Inherited::none()) else {
        // A machine without IPv6 has nothing to keep apart.
        return;
    };
    let Address::Tcp(address) = first.address(&tcp("[::]:0").address) else { panic!() };
    Listener::bind(&tcp(&format!("0.0.0.0:{}", address.port())), &Inherited::none()).unwrap();
}

#[tokio::test]
async fn a_unix_socket_has_its_permissions_and_goes_with_its_listener() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("socket");
    let listen = listen(Address::Unix(path.clone()));
    let socket = Listener::bind(&listen, &Inherited::none()).unwrap();
    assert_eq!(crate::file::permissions(&path).unwrap(), 0o600);
    drop(socket);
    assert!(!path.exists());
    // A successor's socket stays.
    let socket = Listener::bind(&listen, &Inherited::none()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _successor = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(socket);
    assert!(path.exists());
}

#[tokio::test]
async fn a_socket_that_nobody_passed_is_named() {
    let listen = listen(Address::Inherited("pop3".to_owned()));
    let error = Listener::bind(&listen, &Inherited::none()).unwrap_err();
    assert_eq!(
        error.source().unwrap().to_string(),
        "no socket \"pop3\" was passed to this process; passed: []"
    );
}

#[test]
fn failures_of_the_peer_are_none_of_ours() {
    assert!(is_the_peers_fault(&io::ErrorKind::ConnectionAborted.into()));
    // EMFILE
    assert!(!is_the_peers_fault(&io::Error::from_raw_os_error(24)));
}
