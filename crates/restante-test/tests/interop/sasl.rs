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
