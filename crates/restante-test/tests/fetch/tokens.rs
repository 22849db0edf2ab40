//! `restante login`, then `restante fetch` with the tokens it got, against our own server; and what a trace shows of each way to log in.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use restante_test::issuer::{SigningKey, set};
use restante_test::mail::numbered;
use restante_test::oauth::{AccessTokens, Behaviour, OauthServer, Person};
use restante_test::real::restante::binary;
use restante_test::real::{Kind, Server, Setup};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::kitchen::{Home, Ran, SECRET};

/// Any command of the program, in this home.
fn run(home: &Home, words: &[&str]) -> Ran {
    let mut command = Command::new(binary());
    command.args(words).env_clear().env("HOME", home.path()).stdin(Stdio::null());
    Ran::of(command.output().expect("the program starts"))
}

/// A server that takes these access tokens, by this mechanism alone.
fn mail_server(home: &Home, mechanism: &'static str, good: impl Iterator<Item = u32>) -> Server {
    let path = home.path().join("good-tokens");
    let mut lines = String::new();
    for number in good {
        let digest = Sha256::digest(format!("access-{number}"));
        let digest = digest.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        });
        let _ = writeln!(lines, "alice:{digest}");
    }
    std::fs::write(&path, lines).unwrap();
    let setup = Setup {
        mail: vec![("alice".into(), vec![numbered(1, 3)])],
        mechanisms: Some(vec![mechanism]),
        restante: vec![
            ("[auth.token]".into(), "type = \"file\"".into()),
            ("[auth.token]".into(), format!("path = \"{}\"", path.display())),
        ],
        ..Setup::default()
    };
    Server::start(Kind::Restante, &setup)
}

fn configuration(home: &Home, server: &Server, provider: &OauthServer) -> String {
    home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nname = \"work\"\nserver = \"pops://alice@{}\"\ntls = {{ ca = \"{}\" }}\n\
         oauth = {{ issuer = \"{}\", client_id = \"me\", scopes = [\"mail\"] }}\n\
         deliver = [{{ type = \"maildir\", path = \"{}\" }}]\n",
        home.state().display(),
        server.pop3s_address(),
        server.site().path().join("authority.pem").display(),
        provider.issuer(),
        home.maildir().display(),
    ))
}

/// Nothing that was said holds a token, plain or in base64.
fn holds_no_token(ran: Ran) -> Ran {
    let all = format!("{}{}", ran.out, ran.err);
    // "access-", "refresh-" in base64, at each of the three places a group of octets can begin.
    for part in
        ["access-1", "access-2", "access-3", "access-4", "refresh-", "YWNjZXNzL", "FjY2Vzcy", "hY2Nlc3Mt"]
    {
        assert!(!all.contains(part), "{part} is in:\n{all}");
    }
    ran
}

fn with_mechanism(mechanism: &'static str) {
    let home = Home::new();
    // The first access token is refused by the mail server, although the provider says that it is good.
    let server = mail_server(&home, mechanism, 2..20);
    let provider = OauthServer::start(Behaviour::default());
    let file = configuration(&home, &server, &provider);
    let fetch = |more: &[&str]| {
        let words = ["fetch", "--config", &file, "--trace", "--verbose"];
        holds_no_token(run(&home, &[&words[..], more].concat()))
    };

    fetch(&[]).ended(77).says("restante login work");
    run(&home, &["login", "--status", "-c", &file]).ended(77).says("not-logged-in");
    let login = || holds_no_token(run(&home, &["login", "work", "--device", "--json", "-c", &file]));
    login().ended(0).says("WDJB-MJHT").says("\"event\":\"logged_in\"");
    run(&home, &["login", "--status", "-c", &file]).ended(0).says("logged-in");

    // Refused, refreshed, tried once more.
    fetch(&[]).ended(0).says("collected 1 message").says(mechanism);
    assert_eq!(provider.given(), 2);
    // Kept: nobody is asked.
    fetch(&["--json"]).ended(0);
    assert_eq!(provider.given(), 2);
    // Ended: refreshed at each of these, and each time from what the last process has left on the disk.
    provider.behave(|behaviour| behaviour.access_life = 0);
    login().ended(0);
    for given in 4..7 {
        fetch(&[]).ended(0);
        assert_eq!(provider.given(), given);
        assert_eq!(provider.refresh_token(), Some(format!("refresh-{given}")));
    }
    // Withdrawn by the provider: it is for a person to do something.
    provider.behave(|behaviour| behaviour.answers = vec![(400, "{\"error\":\"invalid_grant\"}".to_owned())]);
    fetch(&[]).ended(77).says("not taken any more").says("restante login work");

    run(&home, &["logout", "work", "-c", &file]).ended(0).says("logged out");
    assert_eq!(provider.refresh_token(), None);
    fetch(&[]).ended(77).says("is not logged in");
}

#[test]
fn xoauth2_from_login_to_logout() {
    with_mechanism("XOAUTH2");
}

#[test]
fn oauthbearer_from_login_to_logout() {
    with_mechanism("OAUTHBEARER");
}

/// From the provider that signs to the server that checks, with nothing in between that was told about a token.
#[test]
fn tokens_that_the_provider_has_signed_open_the_maildrop() {
    let home = Home::new();
    let key = Arc::new(SigningKey::new("ES256", "one"));
    let provider = OauthServer::start(Behaviour { keys: Some(set(&[&key])), ..Behaviour::default() });
    let (signing, issuer) = (Arc::clone(&key), provider.issuer());
    let make = move |number: u32| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        // The first one has expired: it is refused, refreshed, and the next one is good.
        let exp = if number == 1 { now - 600 } else { now + 600 };
        signing.token(
            &json!({"iss": issuer, "aud": "pop", "scope": "mail", "exp": exp, "preferred_username": "alice"}),
        )
    };
    provider.behave(|behaviour| behaviour.access_tokens = Some(AccessTokens(Arc::new(make))));
    let table = format!(
        "type = \"jwks\"\nissuer = \"{}\"\naudience = [\"pop\"]\nscopes = [\"mail\"]\nclaim = \"preferred_username\"\n\
         timeout_s = 60",
        provider.issuer()
    );
    let setup = Setup {
        mail: vec![("alice".into(), vec![numbered(1, 3), numbered(2, 4)])],
        mechanisms: Some(vec!["OAUTHBEARER"]),
        restante: vec![("auth.source".into(), format!("[[auth.token]]\n{table}"))],
        ..Setup::default()
    };
    let server = Server::start(Kind::Restante, &setup);
    let file = configuration(&home, &server, &provider);
    run(&home, &["login", "work", "--device", "-c", &file]).ended(0);
    run(&home, &["fetch", "--config", &file, "--verbose"]).ended(0).says("collected 2 messages");
    assert_eq!(provider.given(), 2);
    restante_test::wait::until("the expired token in the log", || {
        server.log().contains("the token has expired") && server.log().contains("method=OAUTHBEARER")
    });
}

#[test]
fn a_login_that_does_not_come_about_says_why_and_keeps_nothing() {
    let home = Home::new();
    let server = mail_server(&home, "XOAUTH2", 1..2);
    let provider = OauthServer::start(Behaviour { person: Person::Denies, ..Behaviour::default() });
    let file = configuration(&home, &server, &provider);
    let login = |words: &[&str]| run(&home, &[&["login", "-c", &*file], words].concat());
    login(&["work", "--device"]).ended(77).says("denied");
    login(&["nobody"]).ended(67).says("it has work");
    login(&["--status", "--json"]).ended(77).says("not-logged-in");
    drop(provider);
    login(&["work", "--device"]).ended(69).says("HTTPS_PROXY");
    run(&home, &["logout", "work", "-c", &file]).ended(0).says("is not logged in");
    let away = home.path().join("missing.toml").display().to_string();
    run(&home, &["login", "work", "-c", &away]).ended(66);
}

#[test]
fn a_trace_shows_no_password_whatever_the_mechanism() {
    let setup = Setup {
        mail: vec![("alice".into(), vec![numbered(1, 3)])],
        apop: true,
        mechanisms: Some(["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"].into()),
        ..Setup::default()
    };
    let server = Server::start(Kind::Restante, &setup);
    let ca = server.site().path().join("authority.pem").display().to_string();
    let mut tried = 0;
    for auth in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "+APOP", "*"] {
        let home = Home::new();
        let (to, state) =
            (format!("maildir:{}", home.maildir().display()), home.state().display().to_string());
        let url = format!("pops://alice;AUTH={auth}@{}", server.pop3s_address());
        let words = [
            &*url,
            "--to",
            &to,
            "--state",
            &state,
            "--password-env",
            "PW",
            "--ca",
            &ca,
            "--trace",
            "--verbose",
        ];
        let ran = home.run(&words);
        let all = format!("{}{}", ran.out, ran.err);
        // In base64 at each of the three places a group of octets can begin, too.
        for part in [SECRET, "c2VjcmV0", "NlY3JldA", "zZWNyZX"] {
            assert!(!all.contains(part), "{auth}: {part} is in:\n{all}");
        }
        // What proves the password (a digest, a response) is not shown either: no line of ours holds a long word after its login began.
        for line in all.lines().filter_map(|line| line.split_once("C: ").map(|(_, line)| line)) {
            let is_proof = |word: &str| {
                word.len() > 20 && word.bytes().all(|o| o.is_ascii_alphanumeric() || b"+/=".contains(&o))
            };
            assert!(!line.split(' ').any(is_proof), "{auth}: {line}");
        }
        assert!(all.contains("C: "), "{auth}: there is no trace:\n{all}");
        tried += usize::from(ran.status == 0);
    }
    assert!(tried >= 5, "only {tried} of the ways have worked");
}
