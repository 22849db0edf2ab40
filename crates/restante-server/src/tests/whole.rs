//! Whole servers: start, TLS, limits, reload, drain.

use super::*;
use crate::listener::Listening;

fn address(server: &Server, protocol: Protocol, tls: TlsMode) -> Address {
    let is_it = |listening: &Listening| (listening.protocol, listening.tls) == (protocol, tls);
    server.addresses().into_iter().find(is_it).expect("such a listener is configured").address
}

fn pop3(server: &Server) -> Address {
    address(server, Protocol::Pop3, TlsMode::StartTls)
}

fn pop3s(server: &Server) -> Address {
    address(server, Protocol::Pop3, TlsMode::Implicit)
}

async fn login(client: &mut Client, user: &str, password: &str) {
    assert_eq!(client.line().await.get(..3), Some("+OK"));
    assert!(client.ask(&format!("USER {user}")).await.starts_with("+OK"));
    assert!(client.ask(&format!("PASS {password}")).await.starts_with("+OK"));
}

#[tokio::test]
async fn mail_goes_in_by_lmtp_and_comes_out_plain_with_stls_and_with_implicit_tls() {
    let site = Site::new("");
    let server = site.start().await;

    let mut lmtp = Client::connect(&address(&server, Protocol::Lmtp, TlsMode::Off)).await;
    lmtp.line().await;
    lmtp.send("LHLO mx.example.org\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
        .await;
    while !lmtp.line().await.starts_with("354") {}
    lmtp.send("Subject: hello\r\n\r\n..one dot\r\n.\r\nQUIT\r\n").await;
    assert_eq!(lmtp.line().await, "250 2.0.0 Delivered");

    for tls in [TlsMode::Off, TlsMode::StartTls, TlsMode::Implicit] {
        let mut client = match tls {
            TlsMode::Implicit => Client::connect(&pop3s(&server)).await.start_tls().await.0,
            _ => Client::connect(&pop3(&server)).await,
        };
        if tls == TlsMode::StartTls {
            client.line().await;
            assert!(client.ask("STLS").await.starts_with("+OK"));
            client = client.start_tls().await.0;
            client.send("USER bob\r\nPASS secret\r\n").await;
            client.line().await;
            assert!(client.line().await.starts_with("+OK"), "{tls:?}");
        } else {
            login(&mut client, "bob", "secret").await;
        }
        assert!(client.ask("RETR 1").await.starts_with("+OK"));
        let message = client.body().await;
        assert!(message.starts_with(
            "Return-Path: <a@example.net>\r\nDelivered-To: bob@example.org\r\nReceived: from mx"
        ));
        assert!(message.ends_with("\r\nSubject: hello\r\n\r\n..one dot\r\n"), "{message}");
        assert!(client.ask("QUIT").await.starts_with("+OK"));
        // With close_notify: without it rustls would call the end an error.
        assert_eq!(client.rest().await, "");
    }
    server.drain(Duration::from_secs(5)).await;
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert_eq!(log.matches(" event=session ").count(), 4, "{log}");
    assert_eq!(log.matches(" tls=TLSv1_3 cipher=TLS13_").count(), 2, "{log}");
    assert_eq!(log.matches(" event=delivered ").count(), 1, "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test]
async fn what_came_before_the_handshake_is_not_executed_under_tls() {
    let site = Site::new("");
    let server = site.start().await;
    let mut client = Client::connect(&pop3(&server)).await;
    client.line().await;
    // R2595-4.6
    client.send("STLS\r\nUSER bob\r\nPASS secret\r\n").await;
    assert!(client.line().await.starts_with("+OK"));
    let (mut client, _) = client.start_tls().await;
    assert!(client.ask("STAT").await.starts_with("-ERR"));
}

#[tokio::test]
async fn connections_over_a_limit_are_told_so() {
    let site = Site::new("[limits]\nsessions_per_address = 2\n");
    let server = site.start().await;
    let mut first = Client::connect(&pop3(&server)).await;
    first.line().await;
    let mut second = Client::connect(&pop3s(&server)).await.start_tls().await.0;
    second.line().await;
    let mut third = Client::connect(&pop3(&server)).await;
    let refusal = third.rest().await;
    assert!(refusal.starts_with("-ERR [SYS/TEMP] ") && refusal.ends_with("\r\n"), "{refusal:?}");
    let mut fourth = Client::connect(&pop3s(&server)).await.start_tls().await.0;
    assert_eq!(fourth.rest().await, refusal);
    // A unix socket is not counted by address, and a place that is given back can be taken again.
    let mut lmtp = Client::connect(&address(&server, Protocol::Lmtp, TlsMode::Off)).await;
    assert!(lmtp.line().await.starts_with("220 "));
    first.ask("QUIT").await;
    first.rest().await;
    until(|| server.sessions() == 2).await;
    assert!(Client::connect(&pop3(&server)).await.line().await.starts_with("+OK"));
}

#[tokio::test]
async fn strangers_cannot_use_up_the_places_of_users() {
    let site = Site::new("[limits]\nsessions = 40\nsessions_per_address = 1000\n");
    let server = site.start().await;
    let mut silent = Vec::new();
    let mut flood = async |connections: usize| {
        for _ in 0..connections {
            // Their greeting shows that they were let in.
            let mut client = connect_from("127.0.0.66", &pop3(&server)).await;
            assert!(client.line().await.starts_with("+OK"));
            silent.push(client);
        }
    };
    flood(100).await;
    // Half of the places; those that have been told to go do so.
    until(|| server.sessions() == 20).await;
    let mut bob = Client::connect(&pop3(&server)).await;
    login(&mut bob, "bob", "secret").await;
    flood(100).await;
    let mut eve = Client::connect(&pop3s(&server)).await.start_tls().await.0;
    login(&mut eve, "eve", "apple").await;
    until(|| server.sessions() == 22).await;
    // Who has logged in makes no room.
    assert!(bob.ask("NOOP").await.starts_with("+OK") && eve.ask("QUIT").await.starts_with("+OK"));
    assert_eq!(silent[0].rest().await, "", "nothing is said to who makes room");
    server.shared.log.flush();
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert!(log.matches("end=\"made room for others\"").count() >= 180, "{log}");
}

/// Connects from another address of this machine.
async fn connect_from(source: &str, server: &Address) -> Client {
    let Address::Tcp(address) = server else { panic!("{server}") };
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    Client::new(socket.connect(*address).await.unwrap())
}

#[tokio::test]
async fn a_full_server_refuses_lmtp_with_421() {
    let site = Site::new("[limits]\nsessions = 1\n");
    let server = site.start().await;
    let mut first = Client::connect(&pop3(&server)).await;
    first.line().await;
    let mut lmtp = Client::connect(&address(&server, Protocol::Lmtp, TlsMode::Off)).await;
    assert!(lmtp.rest().await.starts_with("421 "));
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart() {
    let site = Site::new("");
    let server = site.start().await;
    let (_, old) = Client::connect(&pop3s(&server)).await.start_tls().await;
    let new = site.make_certificate("mail.example.org");
    assert_ne!(old, new);
    server.refresh().await;
    let (_, shown) = Client::connect(&pop3s(&server)).await.start_tls().await;
    assert_eq!(shown, new);
    site.put("key.pem", "nothing");
    server.refresh().await;
    let (_, shown) = Client::connect(&pop3s(&server)).await.start_tls().await;
    assert_eq!(shown, new);
}

#[tokio::test]
async fn a_drain_closes_idle_sessions_and_lets_a_message_come_to_its_end() {
    let site = Site::new("");
    let big = format!("Subject: big\n\n{}", "0123456789abcdef\n".repeat(1_000_000));
    site.drop_message("bob", "1700000000.M1P1.x", big.as_bytes());
    let server = site.start().await;
    let mut idle = Client::connect(&pop3(&server)).await;
    login(&mut idle, "eve", "apple").await;
    let mut busy = Client::connect(&pop3(&server)).await;
    login(&mut busy, "bob", "secret").await;
    // More than the socket holds: the server is in the middle of it when the drain begins.
    assert!(busy.ask("RETR 1").await.starts_with("+OK"));
    let pop3 = pop3(&server);
    let draining = tokio::spawn(server.drain(Duration::from_secs(60)));
    assert_eq!(idle.rest().await, "");
    let body = busy.body().await;
    assert_eq!(body.len(), big.len() + 1_000_002);
    assert_eq!(busy.rest().await, "");
    assert_eq!(draining.await.unwrap(), 0);
    let Address::Tcp(pop3) = pop3 else { panic!() };
    assert!(TcpStream::connect(pop3).await.is_err());
    assert!(!site.path("lmtp").exists());
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end() {
    let site = Site::new("");
    let big = "0123456789abcdef\n".repeat(1_000_000);
    site.drop_message("bob", "1700000000.M1P1.x", big.as_bytes());
    let server = site.start().await;
    let mut busy = Client::connect(&pop3(&server)).await;
    login(&mut busy, "bob", "secret").await;
    busy.ask("RETR 1").await;
    // It reads nothing more, so the server cannot go on.
    assert_eq!(server.drain(Duration::ZERO).await, 1);
    assert!(fs::read_to_string(site.path("log")).unwrap().contains(" event=stopped cut=1"));
}

#[tokio::test]
async fn a_reload_keeps_what_stays_and_changes_what_changed() {
    let mut site = Site::new("");
    let mut server = site.start().await;
    let (stays, goes) = (pop3s(&server), pop3(&server));
    let mut client = Client::connect(&goes).await;
    login(&mut client, "bob", "secret").await;

    // A new name, a listener less, one more, another account.
    site.more = LISTEN.replacen("address = \"127.0.0.1:0\"", "address = \"127.0.0.2:0\"", 1);
    let text = site.text().replace("mail.example.org", "new.example.org");
    site.put("users", "eve:{PLAIN}pear\n");
    let config = config::parse(&text, &site.path("restante.toml")).unwrap();
    server.reload(config).await.unwrap();

    assert_eq!(pop3s(&server), stays);
    let Address::Tcp(gone) = goes else { panic!() };
    assert!(TcpStream::connect(gone).await.is_err());
    // The old session goes on, on a listener that is gone.
    assert!(client.ask("STAT").await.starts_with("+OK 0"));
    let mut other = Client::connect(&pop3(&server)).await;
    assert!(other.line().await.contains("new.example.org"));
    assert!(other.ask("USER eve").await.starts_with("+OK"));
    assert!(other.ask("PASS pear").await.starts_with("+OK"));
}

#[tokio::test]
async fn a_bad_configuration_leaves_the_old_in_force() {
    let site = Site::new("");
    let mut server = site.start().await;
    let before = server.addresses();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = site.text().replacen("127.0.0.1:0", &taken.local_addr().unwrap().to_string(), 1);
    let config = config::parse(&text, &site.path("restante.toml")).unwrap();
    let error = server.reload(config).await.unwrap_err();
    assert!(event::chain(&error).contains("cannot listen on 127.0.0.1:"), "{}", event::chain(&error));
    site.put("users", "bob:{NOSUCH}secret\n");
    assert!(server.reload(site.config()).await.is_err());
    server.keep_configuration(&config::parse("x = 1", &site.path("restante.toml")).unwrap_err());
    assert_eq!(server.addresses(), before);
    login(&mut Client::connect(&pop3(&server)).await, "bob", "secret").await;
    server.drain(Duration::ZERO).await;
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert!(log.matches(" event=configuration_kept ").count() >= 3, "{log}");
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let site = Site::new("");
    drop(std::os::unix::net::UnixListener::bind(site.path("lmtp")).unwrap());
    assert!(site.path("lmtp").exists());
    let server = site.start().await;
    let mode = fs::metadata(site.path("lmtp")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    let error = Server::start(site.config(), Inherited::none()).await.unwrap_err();
    assert!(
        event::chain(&error).ends_with("another server listens on this socket"),
        "{}",
        event::chain(&error)
    );
    // The refused one has not taken the name away.
    assert!(
        Client::connect(&address(&server, Protocol::Lmtp, TlsMode::Off))
            .await
            .line()
            .await
            .starts_with("220")
    );
}

/// Waits until something holds that another task brings about.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn removed_messages_are_on_record_and_in_the_trash() {
    let site = Site::new("");
    site.drop_message("bob", "1700000001.a", b"Message-ID:\n <1@example.org>\nSubject: x\n\none\n");
    site.drop_message("bob", "1700000002.b", b"Subject: y\n\ntwo\n");
    site.drop_message("bob", "1700000003.c", b"Message-ID: <3@example.org>\n\nthree\n");
    let mut config = site.config();
    config.maildrop.trash = Some(restante_config::value::Span(Duration::from_secs(86_400)));
    let server = Server::start(config, Inherited::none()).await.unwrap();
    let mut client = Client::connect(&pop3(&server)).await;
    login(&mut client, "bob", "secret").await;
    for command in ["DELE 1", "DELE 2", "QUIT"] {
        assert!(client.ask(command).await.starts_with("+OK"), "{command}");
    }
    // A session that ends otherwise removes nothing, and nothing is said of it.
    let mut client = Client::connect(&pop3(&server)).await;
    login(&mut client, "bob", "secret").await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    drop(client);
    server.drain(Duration::from_secs(5)).await;
    let log = fs::read_to_string(site.path("log")).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" event=deleted ")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(
        lines[0]
            .ends_with(" account=bob unique_id=1700000001.a octets=50 message_id=<1@example.org> by=quit"),
        "{log}"
    );
    assert!(lines[1].ends_with(" account=bob unique_id=1700000002.b octets=19 by=quit"), "{log}");
    let trace =
        log.lines().find(|line| line.contains(" event=session ") && line.contains(" deleted=2 ")).unwrap();
    let trace = trace.split_once(" trace=").unwrap().1.split(' ').next().unwrap();
    assert!(lines.iter().all(|line| line.contains(&format!(" trace={trace} peer=127.0.0.1:"))), "{log}");
    let trash = fs::read_dir(site.maildrop("bob").join("restante.trash")).unwrap();
    let names: Vec<String> = trash.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.contains(".n.17000000")).count(), 2, "{names:?}");
}
