//! Wrong uses: each is said in one line, with what to do about it, and connects to nobody.

use restante_test::odd_server::OddServer;

use crate::kitchen::Home;

#[test]
fn what_is_missing_or_wrong_on_the_command_line_is_said() {
    let server = OddServer::with_messages(1, 300);
    let home = Home::new();
    let url = server.url();
    let to = format!("maildir:{}", home.maildir().display());
    for (words, text) in [
        (&[url.as_str()][..], "--to"),
        (&["imap://a@b.example", "--to", &to], "imap"),
        (&[&url, "--to", "maildir:"], "maildir:"),
        (&[&url, "--to", "carrier-pigeon:x"], "carrier-pigeon"),
        (&[&url, "--to", "lmtp:localhost:24"], "to="),
        (&[&url, "--to", &to, "--keep", "some"], "keep"),
        (&[&url, "--to", &to, "--keep", "none", "--delete"], "--delete"),
        (&[&url, "--to", &to, "--max-size", "big"], "big"),
        (&[&url, "--to", &to, "--password-env", "A", "--password-file", "b"], "--password"),
        (&[&url, "--to", &to, "--jobs", "0"], "--jobs"),
        (&[&url, "--to", &to, "--config", "x"], "--config"),
        (&[&url, "--to", &to, "--quiet", "--verbose"], "--quiet"),
        (&[&url, "--to", &to, "--proxy", "ftp://me:hush@x"], "--proxy"),
        (&[&url, "--to", &to, "--pin", "sha256//short"], "a pin is sha256//"),
        (&[&url, "--to", &to, "--pin", PIN, "--no-tls"], "--no-tls"),
        (&[&url, "--to", &to, "--believe-local"], "--keep while-local"),
        (&[&url, "--to", &to, "--keep", "while-local", "--believe-local", "--watch"], "--watch"),
        (&["--to", &to], "URL"),
        (&[&url, &url, "--to", &to], "twice"),
    ] {
        let ran = home.run(words);
        let all = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.status, 64, "{words:?}: {all}");
        assert!(all.contains(text), "{words:?}: {all}");
        assert!(!all.contains("hush"), "a password is shown: {all}");
    }
    assert!(server.said().is_empty());
}

#[test]
fn a_configuration_is_checked_without_a_connection() {
    let server = OddServer::with_messages(1, 300);
    let home = Home::new();
    let good = format!(
        "[[account]]\nname = \"work\"\nserver = \"{}\"\nsecurity = \"none\"\npassword = {{ env = \"PW\" }}\n\
         deliver = [{{ type = \"maildir\", path = \"Mail\" }}]\n",
        server.url()
    );
    let path = home.configuration(&good);
    home.run(&["--config", &path, "--check"]).ended(0).says("name = \"work\"").says("keep = \"all\"");
    for (flag, value) in [("--pin", PIN), ("--proxy", "socks5://127.0.0.1"), ("--ca", "x")] {
        home.run(&["--config", &path, "--check", flag, value]).ended(64).says("named by a URL");
    }
    home.run(&["--config", &path, "--check", "--account", "other"]).ended(64).says("other");
    let path = home.configuration(&good.replace("deliver", "delivr"));
    home.run(&["--config", &path, "--check"]).ended(78).says("delivr");
    home.run(&["--config", "/nowhere/fetch.toml", "--check"]).ended(66).says("/nowhere/fetch.toml");
    assert!(server.said().is_empty());
    assert!(!home.maildir().exists() && !home.state().exists());
}

#[test]
fn the_authorities_of_an_smtp_sink_are_looked_at_before_anybody_is_connected_to() {
    let server = OddServer::with_messages(1, 300);
    let home = Home::new();
    let path = home.configuration(&format!(
        "[[account]]\nname = \"work\"\nserver = \"{}\"\nsecurity = \"none\"\npassword = {{ env = \"PW\" }}\n\
         deliver = [{{ type = \"smtp\", server = \"mx.example.org:587\", recipient = \"a@example.org\", ca = \"ca.pem\" }}]\n",
        server.url()
    ));
    let check = || home.run(&["--config", &path, "--check"]);
    let ca = home.path().join("ca.pem");
    check().ended(78).says("work: cannot read ").says("ca.pem: No such file");
    for (text, what) in [
        ("", "there is no certificate in it"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "invalid peer certificate"),
    ] {
        std::fs::write(&ca, text).unwrap();
        check().ended(78).says("cannot take authorities from ").says(what).says("name a PEM file");
        home.run(&["--config", &path]).ended(78).says(what);
    }
    let files = restante_test::certificate::write(home.path(), std::net::Ipv4Addr::LOCALHOST.into());
    std::fs::copy(files.authority, &ca).unwrap();
    check().ended(0).says(&format!("security = \"starttls\", ca = \"{}\"", ca.display()));
    assert!(server.said().is_empty());
}

#[test]
fn without_url_and_configuration_it_says_where_it_has_looked() {
    let home = Home::new();
    // Root has no other place.
    home.run(&[]).ended(64).says("/etc/restante/fetch.toml").says("--to");
}

#[test]
fn a_password_that_is_not_there_is_said_before_anybody_is_asked() {
    let server = OddServer::with_messages(1, 300);
    let home = Home::new();
    let (to, state) = (format!("maildir:{}", home.maildir().display()), home.state().display().to_string());
    let url = server.url();
    let base = [url.as_str(), "--no-tls", "--to", &to, "--state", &state];
    for (flag, value) in [
        ("--password-env", "NOBODY_SET_THIS"),
        ("--password-file", "/nowhere/pw"),
        ("--password-command", "exit 3"),
    ] {
        let ran = home.run(&[&base[..], &[flag, value]].concat());
        assert_eq!(ran.status, 77, "{flag}: {}{}", ran.out, ran.err);
    }
    // Nobody to ask.
    home.run(&base).ended(77).says("--password-");
    assert!(server.said().is_empty());
}

#[test]
fn a_maildir_whose_folder_is_not_there_is_not_made_out_of_nothing() {
    let server = OddServer::with_messages(1, 300);
    let home = Home::new();
    let (to, state) =
        (format!("maildir:{}", home.path().join("disk/Mail").display()), home.state().display().to_string());
    let words = [&server.url(), "--no-tls", "--to", &to, "--state", &state, "--password-env", "PW"];
    home.run(&words).ended(74).says("disk");
    assert!(server.said().iter().all(|command| !command.starts_with("RETR")));
}

/// The pin of nobody.
const PIN: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
