//! `restante check` at work: the real program judges the real Restante over every transport, and Courier, Cyrus, Dovecot and
//! popa3d. Their departures were looked at by hand once and stand in docs/other-servers.md, which these tests hold to the
//! truth: a departure that is new, or one that is gone, is worth a look.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use restante_test::real::others::{Other, OtherServer};
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
fn check(site: &Path, url: &str, more: &[&str]) -> (i32, Value) {
    let (authority, junit) = (site.join("authority.pem"), site.join("report.xml"));
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
    let (status, report) = check(server.site().path(), url, more);
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

/// Judges another server with all that is allowed in a throw-away maildrop. What is found must be what the page says, no more
/// and no less. With RESTANTE_REPORTS=FOLDER the reports are kept there, to write the page from.
fn departs_as_known(name: &str, site: &Path, url: &str, delivery: &[&str]) {
    let (status, report) = check(site, url, &[&["--destructive"], delivery].concat());
    if let Some(folder) = std::env::var_os("RESTANTE_REPORTS") {
        std::fs::write(PathBuf::from(folder).join(format!("{name}.json")), report.to_string()).unwrap();
    }
    let found: BTreeSet<String> = ["fail", "warning", "undecided"]
        .iter()
        .flat_map(|verdict| with(&report, verdict).into_iter().map(move |key| format!("{key}: {verdict}")))
        .collect();
    let known = known(name);
    assert_eq!(found, known, "{report:#}");
    let fails = known.iter().any(|finding| finding.ends_with(": fail"));
    assert_eq!(status, i32::from(fails));
}

/// The departures of a server that docs/other-servers.md records: each is a heading below the server's own.
fn known(name: &str) -> BTreeSet<String> {
    let page = include_str!("../../../../docs/other-servers.md");
    let (_, rest) = page.split_once(&format!("\n## {name}: ")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let headings = section.lines().filter_map(|line| line.strip_prefix("### "));
    headings.map(|heading| heading.replace('`', "")).collect()
}

#[test]
fn dovecot_departs_where_it_is_known_to() {
    let server = Server::start(Kind::Dovecot, &Setup { mail: mail(), ..Setup::default() });
    let place = format!("lmtp://{}", server.lmtp_address());
    let delivery = ["--deliver-to", &place, "--recipient", "alice@example.org"];
    departs_as_known("Dovecot", server.site().path(), &url("pop", server.pop3_address()), &delivery);
}

#[test]
fn courier_departs_where_it_is_known_to() {
    let server = OtherServer::start(Other::Courier, &Setup { mail: mail(), ..Setup::default() });
    departs_as_known("Courier", server.site().path(), &url("pop", server.pop3_address()), &[]);
}

#[test]
fn cyrus_departs_where_it_is_known_to() {
    let server = OtherServer::start(Other::Cyrus, &Setup { mail: mail(), ..Setup::default() });
    let place = format!("lmtp://{}", server.lmtp_address());
    let delivery = ["--deliver-to", &place, "--recipient", "alice"];
    departs_as_known("Cyrus", server.site().path(), &url("pop", server.pop3_address()), &delivery);
}

#[test]
fn popa3d_departs_where_it_is_known_to() {
    let server = OtherServer::start(Other::Popa3d, &Setup { mail: mail(), ..Setup::default() });
    departs_as_known("popa3d", server.site().path(), &url("pop", server.pop3_address()), &[]);
}
