//! Scanners from Debian (sslscan, testssl.sh) look for what is weak in our TLS, on POP3S and behind STLS.
//!
//! What they find and is meant so stands in [`KNOWN`] with its reason; anything else is a fault.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use restante_test::real::{Server, Setup, program};

use crate::kind;

/// Findings of testssl.sh that are none of the server's: the name of each, and why.
const KNOWN: &[(&str, &str)] = &[
    ("engine_problem", "the OpenSSL that testssl.sh runs has no engine for GOST"),
    ("cert_revocation", "the test's authority keeps no list and answers no questions"),
    ("cert_validityPeriod", "the test's certificate ends in a far century"),
    // All suites we have are good ones (sslscan's test below), so the client may take what its processor does fastest.
    ("cipher_order", "the client chooses among good suites"),
    // On a busy machine: it keeps an empty session then, and cannot connect with that.
    ("sessionresumption_ticket", "testssl.sh leaves behind the handshake and may miss the ticket of TLS 1.3"),
];

/// All that may be spoken: forward secrecy and authenticated encryption, nothing else (R9325-4.1.1).
const SUITES: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
];

fn server() -> Server {
    Server::start(kind(), &Setup::default())
}

/// The lines of sslscan's XML, which has one element a line.
fn sslscan(address: SocketAddr, more: &[&str]) -> Vec<String> {
    let output = Command::new(program("sslscan", "sslscan"))
        .args(["--no-colour", "--xml=-"])
        .args(more)
        .arg(address.to_string())
        .stdin(Stdio::null())
        .output()
        .expect("sslscan starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect()
}

/// The value of an attribute; empty when there is none.
fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let start = format!(" {name}=\"");
    element.split_once(&start).and_then(|(_, rest)| rest.split_once('"')).map_or("", |(value, _)| value)
}

fn sslscan_finds_nothing(address: SocketAddr, more: &[&str]) {
    let lines = sslscan(address, more);
    let of = |element: &'static str| {
        let start = format!("<{element} ");
        lines.iter().filter(move |line| line.starts_with(&start))
    };
    let all = lines.join("\n");
    let mut versions: Vec<(&str, &str, &str)> = of("protocol")
        .map(|line| (attribute(line, "type"), attribute(line, "version"), attribute(line, "enabled")))
        .collect();
    versions.sort_unstable();
    let expected = [
        ("ssl", "2", "0"),
        ("ssl", "3", "0"),
        ("tls", "1.0", "0"),
        ("tls", "1.1", "0"),
        ("tls", "1.2", "1"),
        ("tls", "1.3", "1"),
    ];
    assert_eq!(versions, expected, "{all}");
    let mut suites: Vec<&str> = of("cipher").map(|line| attribute(line, "cipher")).collect();
    let mut known = SUITES.to_vec();
    suites.sort_unstable();
    known.sort_unstable();
    assert_eq!(suites, known, "{all}");
    assert!(
        of("cipher").all(|line| ["strong", "acceptable"].contains(&attribute(line, "strength"))),
        "{all}"
    );
    assert_eq!(of("heartbleed").count(), 2, "{all}");
    assert!(of("heartbleed").all(|line| attribute(line, "vulnerable") == "0"), "{all}");
    assert!(of("renegotiation").all(|line| attribute(line, "supported") == "0"), "{all}");
    assert!(of("group").count() > 0, "{all}");
    assert!(
        of("group").all(|line| attribute(line, "bits").parse::<u32>().is_ok_and(|bits| bits >= 112)),
        "{all}"
    );
}

#[test]
fn sslscan_finds_nothing_on_pop3s() {
    sslscan_finds_nothing(server().pop3s_address(), &[]);
}

#[test]
fn sslscan_finds_nothing_behind_stls() {
    sslscan_finds_nothing(server().pop3_address(), &["--starttls-pop3"]);
}

/// One finding of testssl.sh: its name, how bad it is, and what it is.
type Finding = (String, String, String);

/// All that testssl.sh says, good and bad; it asks nobody but the server.
fn testssl(folder: &Path, address: SocketAddr, more: &[&str]) -> Vec<Finding> {
    let file = folder.join("testssl.json");
    let output = Command::new(program("testssl", "testssl.sh"))
        .args(["--nodns", "none", "--quiet", "--color", "0", "--warnings", "batch"])
        .args(["--ip", &address.ip().to_string(), "--add-ca", "authority.pem"])
        .arg("--jsonfile")
        .arg(&file)
        .args(more)
        .arg(address.to_string())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("testssl starts");
    let said = || String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    let json = fs::read(&file).unwrap_or_else(|error| panic!("{error}: {}", said()));
    let findings: Vec<serde_json::Value> =
        serde_json::from_slice(&json).unwrap_or_else(|error| panic!("{error}: {}", said()));
    let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    findings
        .iter()
        .map(|finding| (text(finding, "id"), text(finding, "severity"), text(finding, "finding")))
        .collect()
}

/// `looked_for` are checks that must have been made: a scan that broke off finds nothing either.
fn testssl_finds_nothing(findings: &[Finding], looked_for: &[&str]) {
    for id in looked_for {
        assert!(findings.iter().any(|(name, ..)| name == id), "{id} was not looked for: {findings:#?}");
    }
    // Warnings are among them: they say that something could not be looked at.
    let bad: Vec<&Finding> = findings
        .iter()
        .filter(|(_, severity, _)| !["OK", "INFO", "DEBUG"].contains(&severity.as_str()))
        .filter(|(id, ..)| !KNOWN.iter().any(|(known, _)| id == known))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn testssl_finds_nothing_on_pop3s() {
    let server = server();
    let checks = ["--protocols", "--server-defaults", "--fs", "--vulnerable"];
    let findings = testssl(server.site().path(), server.pop3s_address(), &checks);
    let looked_for =
        ["SSLv3", "TLS1", "TLS1_2", "TLS1_3", "cert_trust", "heartbleed", "secure_client_renego"];
    testssl_finds_nothing(&findings, &looked_for);
}

#[test]
fn testssl_finds_nothing_behind_stls() {
    let server = server();
    let checks = ["--starttls", "pop3", "--protocols", "--server-preference", "--standard"];
    let findings = testssl(server.site().path(), server.pop3_address(), &checks);
    testssl_finds_nothing(
        &findings,
        &["SSLv3", "TLS1", "TLS1_2", "TLS1_3", "cipherlist_NULL", "cipher_order"],
    );
}
