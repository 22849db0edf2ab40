//! Accounts that a program is asked about by HTTP, in the running server: a small program of the test's own answers on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;
use serde_json::{Value, json};

/// What the program does with a question.
#[derive(Clone)]
enum Answer {
    /// Looks into its accounts: dora, password `tulip`; dave, who is locked.
    Accounts,
    /// Says this with status 200, whatever it is asked.
    Body(String),
    /// Says these octets, whatever they are.
    Raw(String),
    /// Nothing, until whoever asks has gone.
    Silence,
}

struct Program {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    answer: Answer,
    is_away: bool,
    /// The head of each request, and its body.
    asked: Vec<(String, Value)>,
}

impl Program {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Shared { answer: Answer::Accounts, is_away: false, asked: Vec::new() };
        let mut program = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Mutex::new(shared)),
            listening: None,
        };
        program.listen(listener);
        program
    }

    fn listen(&mut self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        self.listening = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap().is_away {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        }));
    }

    fn answers(&self, answer: Answer) {
        self.shared.lock().unwrap().answer = answer;
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.shared.lock().unwrap().asked.clone()
    }

    fn go_away(&mut self) {
        self.shared.lock().unwrap().is_away = true;
        drop(TcpStream::connect(self.address));
        self.listening.take().unwrap().join().unwrap();
    }

    fn come_back(&mut self) {
        self.shared.lock().unwrap().is_away = false;
        // Connections of before may still end.
        let listener = wait::try_some(wait::DEADLINE, || TcpListener::bind(self.address).ok());
        self.listen(listener.expect("the port is free again"));
    }
}

/// One connection: a question and its answer.
fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
        let line = head[start..].to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let question: Value = serde_json::from_slice(&body).unwrap();
    let answer = {
        let mut shared = shared.lock().unwrap();
        shared.asked.push((head, question.clone()));
        shared.answer.clone()
    };
    let ok = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let text = match answer {
        Answer::Accounts => ok(&said(&question).to_string()),
        Answer::Body(body) => ok(&body),
        Answer::Raw(text) => text,
        Answer::Silence => {
            let _ = reader.read_to_end(&mut body);
            return;
        }
    };
    // Whoever asked may have heard enough.
    let _ = stream.write_all(text.as_bytes());
}

fn said(question: &Value) -> Value {
    match (question["account"].as_str().unwrap(), question["password"].as_str()) {
        ("dora", None | Some("tulip")) => json!({"result": "right", "quota_messages": 1}),
        ("dora", _) => json!({"result": "wrong"}),
        ("dave", _) => json!({"result": "locked"}),
        _ => json!({"result": "unknown"}),
    }
}

fn server(program: &Program) -> Server {
    let source = format!(
        "[[auth.source]]\ntype = \"http\"\ncache_s = 0\nurl = \"http://{}/check\"\npassword = \"between us\"\ntimeout_s = 3\n",
        program.address
    );
    let restante = vec![("auth.source".to_owned(), source)];
    Server::start(Kind::Restante, &Setup { restante, ..Setup::default() })
}

fn recipient(server: &Server, name: &str) -> u16 {
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
    peer.code(&format!("RCPT TO:<{name}@example.org>"))
}

#[test]
fn a_program_says_who_logs_in_and_who_gets_mail() {
    let program = Program::start();
    let server = server(&program);
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
    assert_eq!(peer.code("RCPT TO:<dora@example.org>"), 250, "{}", server.log());
    assert_eq!(peer.code("RCPT TO:<nobody@example.org>"), 550);
    assert_eq!(peer.code("DATA"), 354);
    peer.send(b"Subject: hello\r\n\r\nby HTTP\r\n.\r\n");
    assert_eq!(peer.reply().code, 250);
    assert_eq!(recipient(&server, "dora"), 452, "the quota that the program says: {}", server.log());
    let mut peer = server.pop3();
    peer.ok("USER dora");
    assert!(peer.command("PASS tulip").starts_with("+OK"), "{}", server.log());
    assert!(String::from_utf8(peer.message("RETR 1")).unwrap().contains("by HTTP"));
    peer.ok("QUIT");
    let asked = program.asked();
    let (head, question) = asked.iter().find(|(_, question)| question["action"] == "check").unwrap();
    assert!(head.starts_with("POST /check HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("restante-secret: between us\r\n"), "{head}");
    assert_eq!(
        (&question["account"], &question["password"], &question["service"], &question["tls"]),
        (&json!("dora"), &json!("tulip"), &json!("pop3"), &json!(false))
    );
    assert!(question["peer"].as_str().unwrap().starts_with("127."), "{question}");
    let of_mail = asked.iter().find(|(_, question)| question["service"] == "lmtp").unwrap();
    assert!(of_mail.1["action"] == "lookup" && of_mail.1.get("password").is_none(), "{}", of_mail.1);
    for (user, password) in [("dora", "rose"), ("dave", "tulip"), ("nobody", "tulip")] {
        let answer = server.try_login(user, password);
        assert!(answer.starts_with("-ERR [AUTH]"), "{user}: {answer}");
    }
    assert!(server.try_login("alice", "secret").starts_with("+OK"), "the file before it");
    // The account is gone: nothing of it is remembered.
    program.answers(Answer::Body("{\"result\": \"unknown\"}".to_owned()));
    assert!(server.try_login("dora", "tulip").starts_with("-ERR [AUTH]"), "{}", server.log());
    assert_eq!(recipient(&server, "dora"), 550);
    let log = server.log();
    assert!(!log.contains("tulip") && !log.contains("between us"), "{log}");
    let (code, shown) = server.restante(&["config", "show"]);
    assert!(code == 0 && !shown.contains("between us"), "{shown}");
}

#[test]
fn a_program_that_is_away_slow_or_talks_nonsense_keeps_mail_and_logins_waiting() {
    let mut program = Program::start();
    let server = server(&program);
    let connects = |expected: i32, what: &str| {
        let (code, said) = server.restante(&["config", "check", "--connect"]);
        assert!(code == expected && said.contains(what), "{code}: {said}");
    };
    connects(0, "answers");
    let sound = "{\"result\": \"right\"}";
    let large = format!("{{\"result\": \"right\", \"home\": \"/{}\"}}", "x".repeat(64 * 1024));
    let raw = |status: &str, more: &str| {
        Answer::Raw(format!(
            "HTTP/1.1 {status}\r\n{more}Connection: close\r\nContent-Length: {}\r\n\r\n{sound}",
            sound.len()
        ))
    };
    let elsewhere = format!("Location: http://{}/other\r\n", program.address);
    for (answer, what) in [
        (Answer::Body(large), "cannot be read"),
        (Answer::Silence, "no answer within 3 s"),
        (raw("500 Broken", ""), "status 500"),
        (raw("302 Found", &elsewhere), "status 302"),
        (Answer::Body("[]".to_owned()), "no JSON object"),
        (Answer::Raw("220 smtp.example.org ESMTP\r\n".to_owned()), "cannot be asked"),
        (
            Answer::Raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"result\":".to_owned()),
            "cannot be read",
        ),
    ] {
        program.answers(answer);
        let said = server.try_login("dora", "tulip");
        assert!(said.starts_with("-ERR [SYS/TEMP]"), "{what}: {said}");
        assert_eq!(recipient(&server, "dora"), 451, "{what}");
        wait::until("the reason", || server.log().contains(what));
        assert!(server.try_login("alice", "secret").starts_with("+OK"), "{what}: the file before it");
    }
    // Somebody must mend the program; until then nobody gets in, and mail waits.
    program.answers(Answer::Body("{\"result\": \"right\", \"password\": \"{PLAIN}x\"}".to_owned()));
    let said = server.try_login("dora", "x");
    assert!(said.starts_with("-ERR [SYS/"), "{said}");
    assert_eq!(recipient(&server, "dora"), 451);
    connects(78, "holds a stored password");
    program.answers(Answer::Accounts);
    assert!(server.try_login("dora", "tulip").starts_with("+OK"), "{}", server.log());
    program.go_away();
    assert!(server.try_login("dora", "tulip").starts_with("-ERR [SYS/TEMP]"), "{}", server.log());
    assert_eq!(recipient(&server, "dora"), 451);
    connects(69, "cannot be asked");
    program.come_back();
    assert!(server.try_login("dora", "tulip").starts_with("+OK"), "{}", server.log());
    assert_eq!(recipient(&server, "dora"), 250);
}
