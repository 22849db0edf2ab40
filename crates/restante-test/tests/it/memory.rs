//! What the running server remembers of passwords once it has answered: nothing, wherever in its memory one looks.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use restante_test::memory;
use restante_test::oauth::{Behaviour, OauthServer};
use restante_test::peer::{Peer, base64};
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;
use serde_json::json;

use crate::conformance::mechanisms::{Scram, plain_scram};

/// As nothing else in a server's memory looks.
const RIGHT: &str = "Quixotic-zephyr-jabberwocky-81";
const WRONG: &str = "Sphinx-of-black-quartz-judge-42";

/// carol and dora stand in the embedded directory, whose hashes tell nobody their password.
fn server(mechanisms: Option<Vec<&'static str>>, more: &[(&str, String)]) -> Server {
    assert!(rustix::process::geteuid().is_root(), "this test reads the server's memory: run it as root");
    let mut setup = Setup {
        mechanisms,
        restante: vec![
            ("auth.source".to_owned(), "[[auth.source]]\ntype = \"embedded\"".to_owned()),
            ("auth".to_owned(), "fail_delay_s = 0".to_owned()),
            ("defence".to_owned(), "penalty_s = 0\nban_after = 0".to_owned()),
        ],
        ..Setup::default()
    };
    setup.restante.extend(more.iter().map(|(section, lines)| ((*section).to_owned(), lines.clone())));
    let server = Server::start(Kind::Restante, &setup);
    let users = server.site().path().join("imported");
    let scram = scram(RIGHT).stored(b"salt of sixteen.", 4096);
    let lines = format!("carol:{{SHA512-CRYPT}}{}\ndora:{{SCRAM-SHA-256}}{scram}\n", hash(RIGHT));
    fs::write(&users, lines).unwrap();
    let (code, said) = server.restante(&["account", "import", "--from-file", users.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    server
}

fn hash(password: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["passwd", "-6", "-stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut openssl = command.spawn().expect("openssl, from Debian's package of that name");
    openssl.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let mut hash = String::new();
    openssl.stdout.take().unwrap().read_to_string(&mut hash).unwrap();
    assert!(openssl.wait().unwrap().success());
    hash.trim().to_owned()
}

fn scram(password: &str) -> Scram<'_> {
    plain_scram("SCRAM-SHA-256", "dora", password)
}

/// The mappings of the server's memory that hold these octets.
fn holders(server: &mut Server, secret: &[u8]) -> Vec<String> {
    memory::holders(server.process().id(), secret)
}

/// Every form in which it went over the wire.
fn forms(password: &str) -> [String; 2] {
    [password.to_owned(), plain(password)]
}

fn plain(password: &str) -> String {
    base64(format!("\0carol\0{password}").as_bytes())
}

/// Tries both passwords in every way there is, and goes.
fn use_passwords(peer: impl Fn() -> Peer) {
    for (password, answer) in [(WRONG, "-ERR"), (RIGHT, "+OK")] {
        let mut pass = peer();
        pass.ok("USER carol");
        assert!(pass.command(&format!("PASS {password}")).starts_with(answer), "{}", pass.transcript());
        pass.ok("QUIT");
        pass.end();
        let mut initial = peer();
        assert!(initial.command(&format!("AUTH PLAIN {}", plain(password))).starts_with(answer));
        initial.ok("QUIT");
        initial.end();
        let mut asked = peer();
        asked.send(b"AUTH PLAIN\r\n");
        asked.challenge();
        assert!(asked.command(&plain(password)).starts_with(answer), "{}", asked.transcript());
        asked.ok("QUIT");
        asked.end();
        // Nobody waits for an answer, and what follows comes in the same piece; one of them is no command any more.
        let mut hasty = peer();
        hasty.send(format!("USER carol\r\nPASS {password}\r\nPASS {password}\r\nQUIT\r\n").as_bytes());
        hasty.rest();
        // Too long for a line, in pieces.
        let mut long = peer();
        long.ok("USER carol");
        long.send(format!("PASS {password}{}", "x".repeat(20_000)).as_bytes());
        long.send(format!("{password}\r\n").as_bytes());
        assert!(long.status().starts_with("-ERR"));
        // Gone before the end of the line.
        long.send(format!("PASS {password}").as_bytes());
        drop(long);
    }
}

#[test]
fn no_password_is_left_in_memory_after_the_answer() {
    let mut server = server(None, &[]);
    // That it can be seen at all: a line that has not ended.
    let mut peer = server.pop3();
    peer.ok("USER carol");
    peer.send(format!("PASS {RIGHT}").as_bytes());
    wait::until("the password in memory", || !holders(&mut server, RIGHT.as_bytes()).is_empty());
    peer.reset();

    use_passwords(|| server.pop3());
    use_passwords(|| server.pop3s());
    use_passwords(|| {
        let mut peer = server.pop3();
        peer.ok("STLS");
        peer.start_tls();
        peer
    });
    let forms = [RIGHT, WRONG].iter().flat_map(|password| forms(password));
    nothing_holds(&mut server, forms.map(String::into_bytes));
}

/// None of these is anywhere in the server's memory, as soon as it has had the time to go.
fn nothing_holds(server: &mut Server, secrets: impl IntoIterator<Item = Vec<u8>>) {
    for secret in secrets {
        let mut holding = Vec::new();
        let is_gone = wait::try_some(wait::DEADLINE, || {
            holding = holders(server, &secret);
            holding.is_empty().then_some(())
        });
        assert!(is_gone.is_some(), "{} is still in\n{}", secret.escape_ascii(), holding.join("\n"));
    }
}

/// A mail server at the `sasl` listener.
struct MailServer {
    stream: BufReader<UnixStream>,
    logins: u32,
}

impl MailServer {
    fn connect(server: &Server) -> Self {
        let stream = UnixStream::connect(server.site().path().join("sasl")).unwrap();
        stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
        let mut mail_server = Self { stream: BufReader::new(stream), logins: 0 };
        mail_server.send("VERSION\t1\t2\nCPID\t77");
        while mail_server.line() != "DONE" {}
        mail_server
    }

    fn send(&self, line: &str) {
        self.stream.get_ref().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stream.read_line(&mut line).unwrap() > 0, "it hangs up");
        line.trim_end_matches('\n').to_owned()
    }

    /// How a login ends that says this, the first with the request if `initial`.
    fn log_in(&mut self, mechanism: &str, initial: bool, said: &[&str]) -> String {
        self.logins += 1;
        let id = self.logins;
        let request = format!("AUTH\t{id}\t{mechanism}\tservice=smtp\tsecured\trip=192.0.2.7");
        let (first, rest) = said.split_first().unwrap();
        let mut answers = said.iter();
        if initial {
            self.send(&format!("{request}\tresp={first}"));
            answers = rest.iter();
        } else {
            self.send(&request);
        }
        for answer in answers {
            assert!(self.line().starts_with(&format!("CONT\t{id}\t")));
            self.send(&format!("CONT\t{id}\t{answer}"));
        }
        self.line().split('\t').next().unwrap().to_owned()
    }
}

/// What asks for tokens to be looked at by an issuer, over HTTP.
fn introspection(issuer: &OauthServer) -> String {
    format!(
        "[[auth.token]]\ntype = \"introspection\"\nurl = \"{}/introspect\"\nscopes = [\"pop\"]\nclient_id = \"restante\"\n\
         password = \"s&cret\"\ntimeout_s = 60",
        issuer.issuer()
    )
}

/// As the one that opens carol's account, and one that opens nothing.
const RIGHT_TOKEN: &str = "Waltz-bad-nymph-for-quick-jigs-vex-77";
const WRONG_TOKEN: &str = "How-vexingly-quick-daft-zebras-jump-29";

/// Whoever logs in stays, as mail servers do for days: it must not lie in a buffer that goes on being used either. APOP and CRAM-MD5 are
/// not among them, since a server that has them holds the password in clear, whoever logs in.
#[test]
fn no_secret_of_another_mechanism_is_left_in_memory_while_the_connection_stays() {
    let answer = json!({"active": true, "username": "carol", "scope": "pop"});
    let introspection_of = [(RIGHT_TOKEN.to_owned(), answer)].into();
    let issuer = OauthServer::start(Behaviour { introspection: introspection_of, ..Behaviour::default() });
    let listen = "[[listen]]\nprotocol = \"sasl\"\naddress = \"unix:@ROOT@/sasl\"";
    let mut server = server(
        Some(vec!["plain", "login", "scram-sha-256", "oauthbearer", "xoauth2"]),
        &[("", listen.to_owned()), ("auth.source", introspection(&issuer))],
    );
    let (mut staying, mut secrets): (Vec<Peer>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    let mut mail_server = MailServer::connect(&server);
    for (password, answer, word) in [(WRONG, "-ERR", "FAIL"), (RIGHT, "+OK", "OK")] {
        let mut peer = server.pop3();
        let typed = base64(password.as_bytes());
        peer.send(format!("AUTH LOGIN {}\r\n", base64(b"carol")).as_bytes());
        peer.challenge();
        let said = peer.command(&typed);
        assert!(said.starts_with(answer), "{said}\n{}", server.log());
        staying.push(peer);
        assert_eq!(mail_server.log_in("PLAIN", true, &[&plain(password)]), word);
        assert_eq!(mail_server.log_in("PLAIN", false, &[&plain(password)]), word);
        assert_eq!(mail_server.log_in("LOGIN", false, &[&base64(b"carol"), &typed]), word);
        secrets.extend(forms(password).map(String::into_bytes));
        secrets.push(typed.into_bytes());

        let mut peer = server.pop3();
        let scram = scram(password);
        let first = scram.begin(&mut peer).unwrap();
        let (last, _) = scram.finish(&first);
        peer.send(format!("{}\r\n", base64(last.as_bytes())).as_bytes());
        let said = String::from_utf8(peer.line()).unwrap();
        assert!(said.starts_with(if word == "OK" { "+ " } else { "-ERR" }), "{said}");
        if word == "OK" {
            assert!(peer.command("").starts_with("+OK"));
        }
        staying.push(peer);
        // What is proven to be known, and would do in its place.
        secrets.push(scram.client_key(&first));
    }
    for (token, word) in [(WRONG_TOKEN, "FAIL"), (RIGHT_TOKEN, "OK")] {
        let bearer = base64(format!("n,a=carol,\x01auth=Bearer {token}\x01\x01").as_bytes());
        let xoauth2 = base64(format!("user=carol\x01auth=Bearer {token}\x01\x01").as_bytes());
        for (mechanism, message) in [("OAUTHBEARER", &bearer), ("XOAUTH2", &xoauth2)] {
            let mut peer = server.pop3s();
            peer.send(format!("AUTH {mechanism} {message}\r\n").as_bytes());
            let said = String::from_utf8(peer.line()).unwrap();
            // The account is in use: the token was right all the same.
            let is_right = said.starts_with("-ERR [IN-USE]");
            assert_eq!(is_right, word == "OK", "{said}\n{}", server.log());
            staying.push(peer);
            let said = mail_server.log_in(mechanism, true, &[message]);
            assert_eq!(said == "OK", word == "OK", "{said}");
        }
        secrets.extend([token.to_owned(), bearer, xoauth2].map(String::into_bytes));
    }
    nothing_holds(&mut server, secrets);
    drop((staying, mail_server));
}
