//! Sudden death of the fetcher (SIGKILL) at any moment, and of the power that the journal's sync stands for: the next run loses
//! nothing and fetches nothing twice into the Maildir.

use restante_test::dice::Dice;
use restante_test::mail::canonical;
use restante_test::odd_server::{Conduct, OddServer, messages};
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

use crate::kitchen::Home;

/// How often it dies in each test.
const DEATHS: usize = 25;
const MESSAGES: usize = 200;

/// Runs a fetch and kills it when the Maildir's `new` holds `after` messages; whether it was still alive then.
fn killed(home: &Home, url: &str, flags: &[&str], after: usize) -> bool {
    let words = home.words(url, flags);
    let mut child = home
        .command(&words.iter().map(String::as_str).collect::<Vec<_>>())
        .spawn()
        .expect("the program starts");
    let new = home.maildir().join("new");
    let count = || std::fs::read_dir(&new).map_or(0, |files| files.count());
    let mut ended = false;
    wait::until("messages, or the end", || {
        ended = child.try_wait().expect("our child").is_some();
        ended || count() >= after
    });
    let _ = child.kill();
    child.wait().expect("our child");
    !ended
}

#[test]
fn killed_at_any_moment_while_all_stays_on_the_server() {
    let mail: Vec<Vec<u8>> = messages(MESSAGES, 2000).into_iter().map(|(_, message)| message).collect();
    let setup = Setup { mail: vec![("alice".into(), mail)], tls: false, mbox: false, ..Setup::default() };
    let server = Server::start(Kind::Restante, &setup);
    let url = format!("pop://alice@{}", server.pop3_address());
    let mut dice = Dice::new(1);
    let mut deaths = 0;
    while deaths < DEATHS {
        let home = Home::new();
        for _ in 0..3 {
            let after = dice.below(MESSAGES);
            deaths += usize::from(killed(&home, &url, &[], after));
        }
        home.collect(&url, &["--quiet"]).ended(0);
        home.has_each_once(MESSAGES);
    }
    assert!(deaths >= DEATHS);
    let canonical_octets: usize = messages(1, 2000).iter().map(|(_, message)| canonical(message).len()).sum();
    assert!(canonical_octets >= 2000, "they are long enough to be killed in");
}

#[test]
fn killed_at_any_moment_while_deleting() {
    let mut dice = Dice::new(2);
    let mut deaths = 0;
    while deaths < DEATHS {
        let server = OddServer::start(Conduct { messages: messages(MESSAGES, 2000), ..Conduct::default() });
        let home = Home::new();
        for _ in 0..3 {
            let after = dice.below(MESSAGES + 20);
            deaths += usize::from(killed(&home, &server.url(), &["--delete"], after));
        }
        home.collect(&server.url(), &["--delete", "--quiet"]).ended(0);
        home.has_each_once(MESSAGES);
        assert_eq!(server.unique_ids().len(), 0);
    }
}
