//! Several accounts at once, and two fetchers for one account.

use std::fmt::Write as _;

use restante_test::odd_server::{Conduct, OddServer};
use restante_test::wait;

use crate::kitchen::Home;

fn configuration(home: &Home, servers: &[&OddServer]) -> String {
    let mut text = format!("state_dir = \"{}\"\n", home.state().display());
    for (index, server) in servers.iter().enumerate() {
        let _ = write!(
            text,
            "[[account]]\nname = \"a{index}\"\nserver = \"{}\"\nsecurity = \"none\"\npassword = {{ env = \"PW\" }}\n\
             keep = \"none\"\ndeliver = [{{ type = \"maildir\", path = \"Mail{index}\" }}]\n",
            server.url()
        );
    }
    home.configuration(&text)
}

fn count(home: &Home, name: &str) -> usize {
    std::fs::read_dir(home.path().join(name).join("new")).map_or(0, |files| files.count())
}

#[test]
fn each_account_has_its_own_journal_and_sink() {
    let servers = [
        OddServer::with_messages(5, 300),
        OddServer::with_messages(7, 300),
        OddServer::with_messages(9, 300),
    ];
    let home = Home::new();
    let path = configuration(&home, &servers.iter().collect::<Vec<_>>());
    home.run(&["--config", &path])
        .ended(0)
        .says("a0: collected 5")
        .says("a1: collected 7")
        .says("a2: collected 9");
    assert_eq!((count(&home, "Mail0"), count(&home, "Mail1"), count(&home, "Mail2")), (5, 7, 9));
    assert!(servers.iter().all(|server| server.unique_ids().is_empty()));
    home.run(&["--config", &path, "--account", "a1"]).ended(0).says("nothing new");
}

#[test]
fn one_that_fails_holds_up_no_other() {
    let wrong = OddServer::start(Conduct { login: Some("-ERR [AUTH] no"), ..Conduct::default() });
    let right = OddServer::with_messages(4, 300);
    let home = Home::new();
    let path = configuration(&home, &[&wrong, &right]);
    home.run(&["--config", &path]).ended(1).says("a1: collected 4").says("a0: ");
    let path = configuration(&home, &[&wrong, &wrong]);
    home.run(&["--config", &path]).ended(77);
}

#[test]
fn two_fetchers_of_one_account_do_not_meet() {
    let server = OddServer::with_messages(2000, 2000);
    let home = Home::new();
    let words = home.words(&server.url(), &["--quiet"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut first = home.command(&words).spawn().unwrap();
    wait::until("the first to have begun", || home.maildir().join("new").exists());
    let second = home.run(&words);
    let status = first.wait().unwrap();
    assert!(status.success());
    // It came while the first was at work, or just after it.
    assert!(second.status == 75 && second.err.contains("in use") || second.status == 0, "{}", second.err);
    home.has_each_once(2000);
}
