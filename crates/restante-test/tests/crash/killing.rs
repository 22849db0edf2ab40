//! Sudden death: the whole server is killed (SIGKILL) again and again, in the middle of deliveries and of QUITs.
//!
//! After each death: whatever was answered 250 is there exactly once; whatever QUIT said +OK to is gone and stays gone;
//! nothing is there twice; a message never gets another unique-id, and no unique-id another message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use restante_test::peer::Peer;
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

/// How often the server dies in each test.
const ROUNDS: usize = 40;

const ACCOUNTS: [&str; 3] = ["alice", "bob", "carol"];

/// A message as the test knows it: "account number".
type Name = String;

/// What the server has promised so far.
#[derive(Default)]
struct Promises {
    /// Answered 250, not removed.
    delivered: BTreeSet<Name>,
    /// Removed by a QUIT that was answered +OK.
    removed: BTreeSet<Name>,
    /// Sent, or marked at a QUIT, without an answer: there or not, but not twice.
    open: BTreeSet<Name>,
    /// Marked at a QUIT: whatever its sender hears now, that QUIT decides.
    marked: BTreeSet<Name>,
    /// The unique-id of each message ever seen.
    unique_ids: BTreeMap<Name, String>,
}

fn locked(promises: &Mutex<Promises>) -> MutexGuard<'_, Promises> {
    promises.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn server() -> Server {
    let accounts = ACCOUNTS.iter().map(|name| ((*name).to_owned(), "secret".to_owned())).collect();
    Server::start(Kind::Restante, &Setup { accounts, tls: false, ..Setup::default() })
}

/// Delivers until the server is gone: each message to all accounts, noting each answer.
fn deliver_until_death(
    server: &Server,
    sender: usize,
    promises: &Mutex<Promises>,
    answers: &AtomicUsize,
    round: usize,
) {
    let Ok(mut peer) = Peer::try_connect(server.lmtp_address()) else { return };
    let expect = |peer: &mut Peer, code: &[u8]| peer.try_line().is_some_and(|line| line.starts_with(code));
    let say = |peer: &mut Peer, line: &str, code: &[u8]| {
        peer.try_send(line.as_bytes()).is_ok() && expect(peer, code)
    };
    if !expect(&mut peer, b"220") || peer.try_send(b"LHLO crash\r\n").is_err() {
        return;
    }
    while let Some(line) = peer.try_line() {
        if line.starts_with(b"250 ") {
            break;
        }
    }
    for number in 0.. {
        let name = |account: &str| format!("{account} {round}.{sender}.{number}");
        if !say(&mut peer, "MAIL FROM:<sender@example.org>\r\n", b"250") {
            return;
        }
        for account in ACCOUNTS {
            if !say(&mut peer, &format!("RCPT TO:<{account}@example.org>\r\n"), b"250") {
                return;
            }
        }
        if !say(&mut peer, "DATA\r\n", b"354") {
            return;
        }
        // Small ones stay in memory until they are committed, large ones go to the disk as they come.
        let lines = if number % 3 == 2 { 6_000 } else { 5 };
        locked(promises).open.extend(ACCOUNTS.iter().map(|account| name(account)));
        let text = "a line that is the same in every message\r\n".repeat(lines);
        if peer.try_send(format!("Subject: {round}.{sender}.{number}\r\n\r\n{text}.\r\n").as_bytes()).is_err()
        {
            return;
        }
        for account in ACCOUNTS {
            if !expect(&mut peer, b"250") {
                return;
            }
            let mut promises = locked(promises);
            // A session may have seen the message before its sender heard of it.
            if !promises.marked.contains(&name(account)) {
                promises.open.remove(&name(account));
                promises.delivered.insert(name(account));
            }
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What is in the maildrop of `account`: the name of each message with its unique-id, and nothing twice.
fn look(server: &Server, account: &str) -> Vec<(Name, String)> {
    let mut peer = server.login_when_free(account);
    let listing = peer.list("UIDL");
    let found: Vec<(Name, String)> = listing
        .iter()
        .map(|line| {
            let (number, unique_id) = line.split_once(' ').unwrap();
            let header = String::from_utf8(peer.message(&format!("TOP {number} 0"))).unwrap();
            let subject = header
                .lines()
                .find_map(|line| line.strip_prefix("Subject: "))
                .expect("every message has one");
            (format!("{account} {subject}"), unique_id.to_owned())
        })
        .collect();
    peer.ok("QUIT");
    let names: BTreeSet<&Name> = found.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), found.len(), "{account} has a message twice");
    let unique_ids: BTreeSet<&String> = found.iter().map(|(_, unique_id)| unique_id).collect();
    assert_eq!(unique_ids.len(), found.len(), "{account} has a unique-id twice");
    found
}

/// Compares what is there with what was promised, and notes what became of the open questions.
fn check(server: &Server, promises: &Mutex<Promises>) {
    let mut found = BTreeMap::new();
    for account in ACCOUNTS {
        found.extend(look(server, account));
    }
    let mut promises = locked(promises);
    let lost: Vec<&Name> = promises.delivered.iter().filter(|name| !found.contains_key(*name)).collect();
    assert!(lost.is_empty(), "answered 250 and lost: {lost:?}\n{}", server.log());
    let back: Vec<&Name> = promises.removed.iter().filter(|name| found.contains_key(*name)).collect();
    assert!(back.is_empty(), "removed with +OK and back: {back:?}\n{}", server.log());
    for (name, unique_id) in &found {
        assert!(promises.delivered.contains(name) || promises.open.contains(name), "{name} was never sent");
        let first = promises.unique_ids.entry(name.clone()).or_insert_with(|| unique_id.clone());
        assert_eq!(first, unique_id, "{name} has another unique-id");
    }
    let distinct: BTreeSet<(&str, &String)> = promises
        .unique_ids
        .iter()
        .map(|(name, unique_id)| (name.split(' ').next().unwrap(), unique_id))
        .collect();
    assert_eq!(distinct.len(), promises.unique_ids.len(), "a unique-id was used again");
    // What was open is decided now, and must stay so.
    for name in std::mem::take(&mut promises.open) {
        if found.contains_key(&name) {
            promises.delivered.insert(name);
        } else {
            promises.removed.insert(name);
        }
    }
    for account in ACCOUNTS {
        assert!(
            server.site().unfinished(account).len() <= LEFT_OVERS_MAX,
            "temporary files gather at {account}"
        );
    }
}

/// A crash may leave temporary files, which a later session sweeps when they are old; they must not grow without bound.
const LEFT_OVERS_MAX: usize = 4 * ROUNDS;

/// Empties the maildrops through QUIT, so that the rounds stay short.
fn empty(server: &Server, promises: &Mutex<Promises>) {
    for account in ACCOUNTS {
        let mut peer = server.login_when_free(account);
        let count = peer.list("LIST").len();
        for number in 1..=count {
            peer.ok(&format!("DELE {number}"));
        }
        peer.ok("QUIT");
    }
    let mut promises = locked(promises);
    let delivered = std::mem::take(&mut promises.delivered);
    promises.removed.extend(delivered);
}

/// Numbers that look random and are the same in each run, so that a failure comes again.
fn spread(seed: usize, below: usize) -> usize {
    let mixed = (seed as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from((mixed >> 33) % below as u64).unwrap()
}

#[test]
fn deliveries_survive_the_death_of_the_server() {
    let mut server = server();
    let promises = Mutex::new(Promises::default());
    let mut answered = 0;
    for round in 0..ROUNDS {
        let answers = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for sender in 0..4 {
                let (server, promises, answers) = (&server, &promises, &answers);
                scope.spawn(move || deliver_until_death(server, sender, promises, answers, round));
            }
            // Not after a time but after a number of answers, so that a slow machine is hit in the same places.
            let enough = 1 + spread(round, 60);
            wait::until("deliveries", || answers.load(Ordering::Relaxed) >= enough);
            server.strike();
        });
        answered += answers.load(Ordering::Relaxed);
        server.kill();
        server.start_again();
        check(&server, &promises);
        if round % 5 == 4 {
            empty(&server, &promises);
        }
    }
    check(&server, &promises);
    println!("{ROUNDS} kills during deliveries, {answered} messages answered 250, none lost, none doubled");
    assert!(answered > ROUNDS);
}

#[test]
fn quit_survives_the_death_of_the_server() {
    let mut server = server();
    let promises = Mutex::new(Promises::default());
    let (mut answered, mut marked, mut confirmed) = (0, 0, 0);
    for round in 0..ROUNDS {
        let (answers, quits) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let begun = AtomicBool::new(false);
        // Fill the maildrops a little, and go on delivering while the QUITs come.
        std::thread::scope(|scope| {
            for sender in 0..2 {
                let (server, promises, answers) = (&server, &promises, &answers);
                scope.spawn(move || deliver_until_death(server, sender, promises, answers, round));
            }
            wait::until("deliveries", || answers.load(Ordering::Relaxed) >= 30);
            let sessions: Vec<(Peer, BTreeSet<Name>)> =
                ACCOUNTS.iter().map(|account| mark(&server, account, round)).collect();
            marked += sessions.iter().map(|(_, names)| names.len()).sum::<usize>();
            let quitting: Vec<_> = sessions
                .into_iter()
                .map(|(mut peer, names)| {
                    let (promises, begun, quits) = (&promises, &begun, &quits);
                    {
                        let mut promises = locked(promises);
                        for name in &names {
                            promises.delivered.remove(name);
                            promises.open.insert(name.clone());
                            promises.marked.insert(name.clone());
                        }
                    }
                    scope.spawn(move || {
                        let _ = peer.try_send(b"QUIT\r\n");
                        begun.store(true, Ordering::Release);
                        let said = peer.try_line();
                        let is_ok = said.is_some_and(|line| line.starts_with(b"+OK"));
                        if is_ok {
                            let mut promises = locked(promises);
                            for name in &names {
                                promises.open.remove(name);
                                promises.removed.insert(name.clone());
                            }
                        }
                        quits.fetch_add(1, Ordering::Relaxed);
                        usize::from(is_ok)
                    })
                })
                .collect();
            // Die somewhere between the first QUIT and the last answer: after none, one or two answers, and a little.
            wait::until("a QUIT", || {
                begun.load(Ordering::Acquire) && quits.load(Ordering::Relaxed) >= round % 3
            });
            for _ in 0..spread(round, 200) {
                std::thread::yield_now();
            }
            server.strike();
            confirmed += quitting.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>();
        });
        answered += answers.load(Ordering::Relaxed);
        server.kill();
        server.start_again();
        check(&server, &promises);
        if round % 5 == 4 {
            empty(&server, &promises);
        }
    }
    check(&server, &promises);
    println!(
        "{ROUNDS} kills during {} QUITs with {marked} deletions, {confirmed} answered +OK; {answered} messages answered 250; none lost, none doubled, none back",
        ROUNDS * ACCOUNTS.len()
    );
}

/// A session of `account` with every second message marked, and the names of those.
fn mark(server: &Server, account: &str, round: usize) -> (Peer, BTreeSet<Name>) {
    let mut peer = server.login_when_free(account);
    let mut names = BTreeSet::new();
    for number in 1..=peer.list("LIST").len() {
        if (number + round).is_multiple_of(2) {
            let header = String::from_utf8(peer.message(&format!("TOP {number} 0"))).unwrap();
            let subject = header.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
            names.insert(format!("{account} {subject}"));
            peer.ok(&format!("DELE {number}"));
        }
    }
    (peer, names)
}
