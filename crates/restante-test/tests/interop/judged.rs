//! `restante check` at work: the real program judges the real Restante over every transport, and Dovecot, whose departures are
//! known one by one: a new one, or one that is gone, is worth a look.

use std::process::Command;

use restante_test::real::{Kind, Server, Setup, restante};
use serde_json::Value;

/// Messages that were not delivered but lie there, one of them with a dot in its very first octet.
fn mail() -> Vec<(String, Vec<Vec<u8>>)> {
    let mut messages = vec![
        b"From: a@example.org\nSubject: one\n\nhello\n.dot\n..\n.\nend\n".to_vec(),
        b".First: octet\nSubject: two\n\nbody\n".to_vec(),
        b"Subject: three\n\nlast line without an end".to_vec(),
    ];
    messages.extend((4..=9).map(|n| format!("Subject: {n}\n\n{}", "line\n".repeat(n)).into_bytes()));
    vec![("alice".to_owned(), messages)]
}

/// Runs `restante check` and returns its exit status and its report.
fn check(server: &Server, url: &str, more: &[&str]) -> (i32, Value) {
    let authority = server.site().path().join("authority.pem");
    let junit = server.site().path().join("report.xml");
    let output = Command::new(restante::binary())
        .args(["check", url, "--json", "--junit"])
        .arg(&junit)
        .args(more)
        .args(if authority.exists() { vec!["--ca".into(), authority.into_os_string()] } else { Vec::new() })
        .env("RESTANTE_PASSWORD", "secret")
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&said)
        .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(std::fs::read_to_string(junit).unwrap().starts_with("<?xml"), "JUnit was asked for");
    (output.status.code().expect("it ended"), report)
}

/// The findings with this verdict, by key.
fn with<'a>(report: &'a Value, verdict: &str) -> Vec<&'a str> {
    let findings = report["findings"].as_array().expect("a list").iter();
    findings
        .filter(|finding| finding["verdict"] == verdict)
        .map(|finding| finding["key"].as_str().expect("a key"))
        .collect()
}

/// Restante keeps every law that could be judged.
fn keeps_all(server: &Server, url: &str, more: &[&str], passes_at_least: usize) {
    let (status, report) = check(server, url, more);
    for verdict in ["fail", "warning", "undecided"] {
        assert!(with(&report, verdict).is_empty(), "{verdict}: {report:#}\n{}", server.log());
    }
    assert_eq!(status, 0);
    let passed = with(&report, "pass");
    assert!(passed.len() >= passes_at_least, "{} passed: {passed:?}", passed.len());
    assert!(report["left_behind"] == false);
}

fn url(scheme: &str, address: std::net::SocketAddr) -> String {
    format!("{scheme}://alice@{address}")
}

#[test]
fn restante_keeps_every_law_over_stls_in_a_throw_away_maildrop() {
    let setup = Setup { mail: mail(), apop: true, ..Setup::default() };
    let server = Server::start(Kind::Restante, &setup);
    let place = format!("lmtp://{}", server.lmtp_address());
    let more = ["--destructive", "--deliver-to", &place, "--recipient", "alice@example.org"];
    keeps_all(&server, &url("pop", server.pop3_address()), &more, 145);
    assert_eq!(server.retrieve_all("alice").len(), 9, "what was there is there, and nothing else");
}

#[test]
fn restante_keeps_every_law_over_implicit_tls() {
    let server = Server::start(Kind::Restante, &Setup { mail: mail(), ..Setup::default() });
    let socket = server.lmtp_socket();
    let socket = socket.to_str().expect("a temporary path is UTF-8");
    let more = ["--destructive", "--deliver-to", socket, "--recipient", "alice@example.org"];
    keeps_all(&server, &url("pops", server.pop3s_address()), &more, 130);
}

#[test]
fn restante_keeps_every_law_in_the_clear_but_that_it_offers_tls() {
    let server = Server::start(Kind::Restante, &Setup { mail: mail(), tls: false, ..Setup::default() });
    keeps_all(&server, &url("pop", server.pop3_address()), &["--skip", "tls-offered"], 90);
}

/// What Debian's Dovecot 2.3 does otherwise, seen over STLS in a throw-away maildrop.
const DOVECOT_FAILS: &[&str] = &[
    // USER and SASL are gone from CAPA after login.
    "capa-both-states",
    // USER without a name is answered +OK.
    "argument-missing-before-login",
    // What follows a NUL is not looked at: `CAPA`, NUL, `x` is CAPA.
    "command-odd-octets",
    "stls-argument",
    // USER before STLS, PASS after it: logged in.
    "stls-forgets-user",
    // STAT 1 is STAT.
    "argument-none",
    // The CR LF that is put behind a last line without one is not counted.
    "retr-octets",
    "retr-first-octet",
    "message-no-line-end",
    // Unless told to lock, a second session removes what the first has listed.
    "lock-holds",
];
const DOVECOT_WARNINGS: &[&str] =
    &["tls-alpn", "tls-alpn-mismatch", "error-keeps-session", "lock", "reply-space"];

#[test]
fn dovecot_departs_where_it_is_known_to() {
    let server = Server::start(Kind::Dovecot, &Setup { mail: mail(), ..Setup::default() });
    let place = format!("lmtp://{}", server.lmtp_address());
    let more = ["--destructive", "--deliver-to", &place, "--recipient", "alice@example.org"];
    let (status, report) = check(&server, &url("pop", server.pop3_address()), &more);
    assert_eq!(with(&report, "fail"), DOVECOT_FAILS, "{report:#}");
    assert_eq!(with(&report, "warning"), DOVECOT_WARNINGS, "{report:#}");
    assert_eq!(with(&report, "undecided"), [""; 0], "{report:#}");
    assert_eq!(status, 1);
    let findings = report["findings"].as_array().unwrap();
    let dot = findings.iter().find(|finding| finding["key"] == "retr-first-octet").unwrap();
    assert!(dot["transcript"].to_string().contains("S: .First: octet"), "{dot:#}");
}
