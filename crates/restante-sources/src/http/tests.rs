//! A small server of the test's own answers what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use restante_auth::directory::{Circumstances, Service};

use super::*;

/// Answers one connection after the other with these; hands out what it was asked.
struct Program {
    url: String,
    asked: Receiver<String>,
}

impl Program {
    fn answering(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/check", listener.local_addr().unwrap());
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                if tell.send(request(&mut stream)).is_err() {
                    return;
                }
                // Whoever asked may be gone.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, asked }
    }

    fn source(&self, timeout: Duration) -> HttpDirectory {
        HttpDirectory::new(Settings {
            url: Url::parse(&self.url, false).unwrap(),
            authorities: None,
            secret: Some(("Restante-Secret".to_owned(), Secret::new(b"between us".to_vec()))),
            parallel_max: 1,
            timeout,
        })
        .unwrap()
    }
}

/// The head and the body of a request.
fn request(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    let mut length = 0;
    loop {
        let start = text.len();
        reader.read_line(&mut text).unwrap();
        let line = text[start..].to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    text + std::str::from_utf8(&body).unwrap()
}

fn ok(body: &str) -> String {
    with_status("200 OK", body)
}

fn with_status(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

const LONG: Duration = Duration::from_secs(30);

/// What is said of bob with this password, in a word or with what is wrong.
fn says(source: &HttpDirectory, password: &[u8]) -> String {
    let name = AccountName::new("bob@example.org").unwrap();
    let mut at = Circumstances::new(Service::Pop3, Instant::now());
    at.peer = Some("192.0.2.7".parse().unwrap());
    let question = Question { name: &name, at };
    match runtime().block_on(source.check(&question, &Secret::new(password.to_vec()))) {
        Ok(Checked::Right(account)) => format!("right {:?} {:?}", account.home, account.sessions_max),
        Ok(Checked::Wrong) => "wrong".to_owned(),
        Ok(Checked::Locked) => "locked".to_owned(),
        Ok(Checked::Unknown) => "unknown".to_owned(),
        Err(error) => format!("{}{error}", if error.is_temporary() { "temporary " } else { "" }),
    }
}

#[test]
fn the_question_and_each_answer() {
    let fields =
        r#""home": "/home/bob", "sessions": 3, "networks": ["192.0.2.0/24", "::1"], "quota_octets": null"#;
    let program = Program::answering(vec![
        ok(&format!("{{\"result\": \"right\", {fields}}}")),
        ok(r#"{"result": "wrong"}"#),
        ok(r#"{"result": "locked"}"#),
        ok(r#"{"result": "unknown"}"#),
        ok(r#"{"result": "right", "locked": true}"#),
    ]);
    let source = program.source(LONG);
    assert_eq!(says(&source, "tülip \"".as_bytes()), "right Some(\"/home/bob\") Some(3)");
    let asked = program.asked.recv().unwrap();
    assert!(asked.starts_with("POST /check HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("restante-secret: between us\r\n"), "{asked}");
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body,
        json!({"action": "check", "account": "bob@example.org", "local": "bob", "domain": "example.org", "service": "pop3",
            "peer": "192.0.2.7", "tls": false, "password": "tülip \""})
    );
    for expected in ["wrong", "locked", "unknown", "locked"] {
        assert_eq!(says(&source, b"tulip"), expected);
    }
}

#[test]
fn a_password_that_is_empty_or_no_text_is_wrong_and_not_sent() {
    let right = ok(r#"{"result": "right"}"#);
    let program = Program::answering(vec![right.clone(), right, ok(r#"{"result": "unknown"}"#)]);
    let source = program.source(LONG);
    for (password, expected) in [(&b""[..], "wrong"), (b"\xff", "wrong"), (b"", "unknown")] {
        assert_eq!(says(&source, password), expected);
        let asked = program.asked.recv().unwrap();
        assert!(asked.contains("\"lookup\"") && !asked.contains("password"), "{asked}");
    }
}

#[test]
fn a_delivery_asks_without_a_password() {
    let program = Program::answering(vec![
        ok(r#"{"result": "right", "maildrop": "/srv/bob"}"#),
        ok(r#"{"result": "locked"}"#),
        ok(r#"{"result": "unknown"}"#),
    ]);
    let source = program.source(LONG);
    let name = AccountName::new("bob").unwrap();
    let question = Question { name: &name, at: Circumstances::new(Service::Lmtp, Instant::now()) };
    let runtime = runtime();
    let lookup = || runtime.block_on(source.lookup(&question)).unwrap();
    let known = lookup().unwrap();
    assert_eq!(known.account.maildrop.as_deref(), Some("/srv/bob".as_ref()));
    assert!(!known.password.is_locked() && lookup().unwrap().password.is_locked() && lookup().is_none());
    assert!(program.asked.recv().unwrap().contains("\"lmtp\""));
}

#[test]
fn what_is_no_answer_is_said_and_never_taken_for_one() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned();
    for (answer, expected) in [
        (with_status("500 Oh", r#"{"result": "right"}"#), "temporary http URL: it answers with status 500"),
        (moved, "temporary http URL: it answers with status 302"),
        (ok("yes"), "temporary http URL: its answer is no JSON object"),
        (ok("[]"), "temporary http URL: its answer is no JSON object"),
        (
            ok(&format!("{{\"result\": \"right\", \"home\": \"/{}\"}}", "x".repeat(70_000))),
            "temporary http URL: its answer cannot be read",
        ),
        (String::new(), "temporary http URL: it cannot be asked"),
        (ok("{}"), "http URL: bob@example.org: the answer has no result"),
        (ok(r#"{"result": "Right"}"#), "http URL: bob@example.org: the answer has no result"),
        (ok(r#"{"result": "right", "quota": 1}"#), "http URL: there is no field \"quota\""),
        (ok(r#"{"result": "right", "home": {}}"#), "http URL: bob@example.org: the field home is an object"),
        (
            ok(r#"{"result": "right", "password": "hunter2"}"#),
            "http URL: bob@example.org: the answer holds a stored password",
        ),
    ] {
        let program = Program::answering(vec![answer]);
        let said = says(&program.source(LONG), b"tulip").replace(&program.url, "URL");
        assert!(said.starts_with(expected) && !said.contains("hunter2"), "{said}\n{expected}");
    }
}

#[test]
fn a_silent_server_ends_in_time_and_keeps_its_place_until_then() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let program = Program { url, asked: channel().1 };
    let source = program.source(Duration::from_millis(200));
    let said = says(&source, b"tulip");
    assert!(
        said.starts_with("temporary ") && (said.contains("no answer within") || said.contains("timeout")),
        "{said}"
    );
    // The thread ends too, and with it its place comes back.
    runtime().block_on(async { drop(Arc::clone(&source.places).acquire_owned().await.unwrap()) });
}

#[test]
fn addresses_that_passwords_may_be_sent_to() {
    for url in [
        "https://a.example/x",
        "https://a.example:8443",
        "http://127.0.0.1:8/x",
        "http://[::1]/",
        "http://localhost/",
    ] {
        assert!(Url::parse(url, false).is_ok(), "{url}");
    }
    assert_eq!(Url::parse("http://a.example/", false), Err(InvalidUrl::Clear));
    assert!(Url::parse("http://a.example/", true).is_ok());
    for url in
        ["", "a.example", "ftp://a.example", "https://", "https://u:p@a.example/", "/x", "https://a b/"]
    {
        assert_eq!(Url::parse(url, true), Err(InvalidUrl::Form), "{url}");
    }
}

/// An address with `https`, and the certificate that is shown there, PEM.
fn under_tls(connections: usize) -> (String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = builder.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for _ in 0..connections {
            let (stream, _) = listener.accept().unwrap();
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            // Whoever does not believe the certificate does not ask.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(ok(r#"{"result": "right"}"#).as_bytes());
            }
        }
    });
    (url, made.cert.pem().into_bytes())
}

#[test]
fn https_believes_the_right_authority_alone() {
    let (url, authority) = under_tls(3);
    let (_, other) = under_tls(0);
    let with = |authorities: Option<Vec<u8>>| {
        let url = Url::parse(&url, false).unwrap();
        HttpDirectory::new(Settings { url, authorities, secret: None, parallel_max: 1, timeout: LONG })
            .unwrap()
    };
    assert_eq!(says(&with(Some(authority)), b"tulip"), "right None None");
    for authorities in [Some(other), None] {
        let said = says(&with(authorities), b"tulip");
        assert!(said.starts_with("temporary ") && said.contains("certificate"), "{said}");
    }
    let settings = Settings {
        url: Url::parse(&url, false).unwrap(),
        authorities: Some(b"nothing".to_vec()),
        secret: None,
        parallel_max: 1,
        timeout: LONG,
    };
    assert!(HttpDirectory::new(settings).unwrap_err().to_string().contains("no certificate"));
}
