//! Who goes for whom: the rules without a network, then sessions over pipes in memory with the clock stopped.

use super::*;
use crate::clock;
use crate::config::{LogFormat, Protocol};
use crate::event::Log;
use crate::shared::{Settings, Shared};
use crate::tests::{Client, Lines, Site, serve_in_memory};
use restante_config::value::Span;
use std::path::PathBuf;

const TWO_MINUTES: Duration = Duration::from_secs(120);

fn place() -> Location {
    Location::Maildir(PathBuf::from("/mail/bob"))
}

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn hold(holders: &Arc<Holders>, number: u64) -> Holding {
    holders.hold(&place(), &name("bob"), (Trace(number), Peer::Unix), clock::now())
}

async fn take_over(holders: &Holders, account: &str) -> Option<u64> {
    let superseded = holders.take_over(&place(), &name(account), TWO_MINUTES, clock::now()).await;
    superseded.map(|superseded| superseded.trace.0)
}

#[tokio::test(start_paused = true)]
async fn only_a_silent_holder_of_the_same_account_goes() {
    let holders = Arc::<Holders>::default();
    assert_eq!(take_over(&holders, "bob").await, None, "nobody holds it here");
    let holding = hold(&holders, 1);
    tokio::time::advance(TWO_MINUTES - Duration::from_secs(1)).await;
    assert_eq!(take_over(&holders, "bob").await, None, "not silent for long enough");
    holding.pulse().beat(clock::now());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(take_over(&holders, "bob").await, None, "it lives");
    tokio::time::advance(TWO_MINUTES).await;
    assert_eq!(take_over(&holders, "eve").await, None, "somebody else's account");
    assert!(holding.begin_update(), "nothing of this has ended it");
    drop(holding);
    assert!(holders.table().is_empty());
}

#[tokio::test(start_paused = true)]
async fn update_is_never_interrupted_and_never_begun_by_who_was_taken_over() {
    let holders = Arc::<Holders>::default();
    let holding = hold(&holders, 1);
    tokio::time::advance(TWO_MINUTES).await;
    assert!(holding.begin_update());
    assert_eq!(take_over(&holders, "bob").await, None);
    drop(holding);

    let holding = hold(&holders, 2);
    tokio::time::advance(TWO_MINUTES).await;
    let taking = tokio::spawn({
        let holders = Arc::clone(&holders);
        async move { take_over(&holders, "bob").await }
    });
    std::future::poll_fn(|cx| holding.pulse().poll_superseded(cx)).await;
    assert!(!holding.begin_update());
    drop(holding);
    assert_eq!(taking.await.unwrap(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_does_not_go_is_waited_for_a_while() {
    let holders = Arc::<Holders>::default();
    let holding = hold(&holders, 1);
    tokio::time::advance(TWO_MINUTES).await;
    let began = clock::now();
    assert_eq!(take_over(&holders, "bob").await, None);
    assert_eq!(clock::now() - began, RELEASE_MAX);
    // It has to go all the same.
    assert!(!holding.begin_update());
}

#[tokio::test]
async fn update_and_take_over_exclude_each_other() {
    for round in 0..200 {
        let holders = Arc::<Holders>::default();
        let holding = hold(&holders, round);
        let outcome = std::thread::scope(|scope| {
            let update = scope.spawn(|| holding.begin_update());
            let supersede = scope.spawn(|| holding.pulse().supersede(Duration::ZERO, clock::now()).is_some());
            (update.join().unwrap(), supersede.join().unwrap())
        });
        assert!(outcome.0 != outcome.1, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_after_keeps_his_entry() {
    let holders = Arc::<Holders>::default();
    let first = hold(&holders, 1);
    let second = hold(&holders, 2);
    drop(first);
    assert_eq!(holders.table().len(), 1);
    drop(second);
    assert!(holders.table().is_empty());
}

fn site() -> (Site, Arc<Shared>, Lines) {
    let site = Site::new("");
    site.drop_message("bob", "1700000000.M1P1.x", b"Subject: a\n\nx\n");
    let (_, lines) = site.shared();
    let log = Log::to(LogFormat::Logfmt, Box::new(lines.clone()));
    let mut config = site.config();
    config.maildrop.takeover_after = Some(Span(TWO_MINUTES));
    let settings = Settings::new(config, &log).unwrap();
    (site, Arc::new(Shared::new(settings, log)), lines)
}

async fn login(shared: &Arc<Shared>) -> (Client, String) {
    let mut client = serve_in_memory(shared, Protocol::Pop3, 1 << 20);
    client.line().await;
    assert!(client.ask("USER bob").await.starts_with("+OK"));
    let reply = client.ask("PASS secret").await;
    (client, reply)
}

#[tokio::test(start_paused = true)]
async fn a_new_login_gets_the_maildrop_of_a_silent_session() {
    let (_site, shared, log) = site();
    let (mut old, _) = login(&shared).await;
    assert!(old.ask("DELE 1").await.starts_with("+OK"));
    let (_refused, reply) = login(&shared).await;
    assert!(reply.starts_with("-ERR [IN-USE]"), "{reply}");
    tokio::time::sleep(TWO_MINUTES).await;
    let (mut new, reply) = login(&shared).await;
    assert!(reply.starts_with("+OK"), "{reply}");
    // R1939-3.23 holds for this end too: nothing is said, nothing is removed.
    assert_eq!(old.rest().await, "");
    assert!(new.ask("STAT").await.starts_with("+OK 1 "));
    assert!(new.ask("QUIT").await.starts_with("+OK"));
    shared.log.flush();
    let log = log.text();
    let line = log.lines().find(|line| line.contains("event=taken_over")).expect("a line of its own");
    assert!(line.contains("account=bob") && line.contains("silent_s=120"), "{line}");
    let from = line.split(' ').find_map(|word| word.strip_prefix("from_trace=")).unwrap();
    let end = log.lines().find(|line| line.contains("end=\"maildrop taken over\"")).unwrap();
    assert!(end.contains(&format!("trace={from}")) && end.contains("deleted=0"), "{end}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_no_octets_is_silent_and_one_that_does_is_not() {
    let (site, shared, _log) = site();
    site.drop_message("bob", "1700000001.M1P1.x", "0123456789abcdef\n".repeat(20_000).as_bytes());
    let mut old = serve_in_memory(&shared, Protocol::Pop3, 4096);
    old.line().await;
    assert!(old.ask("USER bob").await.starts_with("+OK"));
    assert!(old.ask("PASS secret").await.starts_with("+OK"));
    old.send("RETR 2\r\n").await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(100)).await;
        let mut piece = [0; 4096];
        tokio::io::AsyncReadExt::read(&mut old.stream, &mut piece).await.unwrap();
        let (_refused, reply) = login(&shared).await;
        assert!(reply.starts_with("-ERR [IN-USE]"), "{reply}");
    }
    tokio::time::sleep(TWO_MINUTES).await;
    let (_new, reply) = login(&shared).await;
    assert!(reply.starts_with("+OK"), "{reply}");
    assert!(!old.rest().await.ends_with("\r\n.\r\n"));
}

#[tokio::test(start_paused = true)]
async fn of_two_new_logins_one_gets_it() {
    let (_site, shared, _log) = site();
    let (_old, _) = login(&shared).await;
    tokio::time::sleep(TWO_MINUTES).await;
    let (one, two) = tokio::join!(login(&shared), login(&shared));
    let replies = [&one.1, &two.1];
    assert_eq!(replies.iter().filter(|reply| reply.starts_with("+OK")).count(), 1, "{replies:?}");
    assert_eq!(replies.iter().filter(|reply| reply.starts_with("-ERR [IN-USE]")).count(), 1, "{replies:?}");
}

#[tokio::test(start_paused = true)]
async fn without_it_nobody_goes() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let (_old, _) = login(&shared).await;
    tokio::time::sleep(Duration::from_secs(590)).await;
    let (_new, reply) = login(&shared).await;
    assert!(reply.starts_with("-ERR [IN-USE]"), "{reply}");
    assert!(shared.holders.table().is_empty());
}
