//! The `sasl` listener: a real Postfix asks us about its clients, and Dovecot's own tool does.

use std::net::SocketAddr;
use std::process::Command;

use restante_test::real::postfix::Postfix;
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;

/// A server that mail servers may ask, with the socket given to the group that Postfix has.
fn server(mut setup: Setup) -> Server {
    let listen =
        "[[listen]]\nprotocol = \"sasl\"\naddress = \"unix:@ROOT@/sasl\"\nmode = 0o660\ngroup = \"postfix\"";
    setup.restante.push((String::new(), listen.to_owned()));
    Server::start(Kind::Restante, &setup)
}

fn postfix(server: &Server) -> Postfix {
    Postfix::start_with_sasl(server.site(), &server.site().path().join("sasl"))
}

/// Logs in with swaks; what SMTP said to that.
fn swaks(address: SocketAddr, mechanism: &str, user: &str, password: &str) -> String {
    let output = Command::new(program("swaks", "swaks"))
        .args(["--server", &address.to_string(), "--quit-after", "AUTH", "--auth", mechanism])
        .args(["--auth-user", user, "--auth-password", password, "--timeout", "60s"])
        .output()
        .expect("swaks starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn gsasl(address: SocketAddr, mechanism: &str, password: &str) -> String {
    let output = Command::new(program("gsasl", "gsasl"))
        .args(["--smtp", "--no-starttls", "--mechanism", mechanism, "--authentication-id", "alice"])
        .args(["--password", password])
        .args([&address.ip().to_string(), &address.port().to_string()])
        .output()
        .expect("gsasl starts");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn postfix_lets_in_whom_we_know() {
    let setup =
        Setup { mechanisms: Some(vec!["plain", "login", "cram-md5", "scram-sha-256"]), ..Setup::default() };
    let server = server(setup);
    let postfix = postfix(&server);
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let said = swaks(postfix.address(), mechanism, "alice", "secret");
        assert!(said.contains("235 2.7.0"), "{mechanism}: {said}\n{}\n{}", postfix.log(), server.log());
    }
    let said = gsasl(postfix.address(), "SCRAM-SHA-256", "secret");
    assert!(said.contains("235 2.7.0"), "{said}\n{}\n{}", postfix.log(), server.log());
    let said = gsasl(postfix.address(), "SCRAM-SHA-256", "wrong");
    assert!(said.contains("535 5.7.8"), "{said}");
    for (user, password) in [("alice", "wrong"), ("nobody-here", "secret")] {
        let said = swaks(postfix.address(), "PLAIN", user, password);
        assert!(said.contains("535 5.7.8"), "{said}\n{}", server.log());
    }
    let line = wait::some("the login in the log", || {
        server.log().lines().find(|line| line.contains("event=authenticated")).map(str::to_owned)
    });
    for field in ["account=alice", "service=smtp", "method=PLAIN", "peer=127."] {
        assert!(line.contains(field), "{line}");
    }
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[test]
fn postfix_hears_of_accounts_that_are_gone_locked_or_away() {
    let mut server = server(Setup::default());
    let postfix = postfix(&server);
    assert!(swaks(postfix.address(), "PLAIN", "alice", "secret").contains("235 2.7.0"));
    let users = server.site().path().join("users");
    std::fs::write(&users, "bob:!locked\n").unwrap();
    let gone = wait::try_some(wait::DEADLINE, || {
        swaks(postfix.address(), "PLAIN", "alice", "secret").contains("535 5.7.8").then_some(())
    });
    assert!(gone.is_some(), "{}", server.log());
    assert!(swaks(postfix.address(), "PLAIN", "bob", "secret").contains("535 5.7.8"));
    // Nobody there: the client shall come again, and finds us when we are back.
    server.stop();
    let said = swaks(postfix.address(), "PLAIN", "alice", "secret");
    assert!(!said.contains("235 2.7.0") && !said.contains("535 5.7.8"), "{said}");
    std::fs::write(&users, "alice:{PLAIN}secret\n").unwrap();
    server.start_again();
    let said = swaks(postfix.address(), "PLAIN", "alice", "secret");
    assert!(said.contains("235 2.7.0"), "{said}\n{}", postfix.log());
}

#[test]
fn doveadm_asks_us_as_it_asks_dovecot() {
    let server = server(Setup::default());
    let socket = server.site().path().join("sasl");
    let doveadm = |password: &str| {
        let output = Command::new(program("doveadm", "dovecot-core"))
            .args(["-c", "/dev/null", "auth", "test", "-a"])
            .arg(&socket)
            .args(["alice", password])
            .output()
            .expect("doveadm starts");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = doveadm("secret");
    assert!(said.contains("passdb: alice auth succeeded") && said.contains("user=alice"), "{said}");
    let said = doveadm("wrong");
    assert!(said.contains("passdb: alice auth failed"), "{said}");
}
