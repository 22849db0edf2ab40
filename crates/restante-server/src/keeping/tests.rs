//! Rounds through the maildrops of a server that runs.

use super::*;
use crate::config::ExpireFrom;
use crate::listener::Inherited;
use crate::tests::{Client, Site};
use crate::{Server, config::Config};
use restante_config::value::Span;
use std::fs;

const DAY: Duration = Duration::from_secs(86_400);

fn config(site: &Site, from: ExpireFrom) -> Config {
    let mut config = site.config();
    config.maildrop.expire = Some(Span(7 * DAY));
    config.maildrop.expire_from = from;
    config
}

async fn log_in(server: &Server) -> Client {
    let mut client = Client::connect(&server.addresses()[0].address).await;
    client.line().await;
    for command in ["USER bob", "PASS secret"] {
        assert!(client.ask(command).await.starts_with("+OK"), "{command}");
    }
    client
}

/// A round so many days from now.
async fn round_in(server: &Server, days: u32) -> RoundEnd {
    let (_stop, stopped) = watch::channel(false);
    let when = clock::wall() + DAY * days;
    round(&server.shared, &stopped, || when).await
}

async fn quit(mut client: Client) {
    assert!(client.ask("QUIT").await.starts_with("+OK"));
}

async fn end(server: Server, site: &Site) -> String {
    server.drain(Duration::from_secs(5)).await;
    fs::read_to_string(site.path("log")).unwrap()
}

#[tokio::test]
async fn r1939_8_3_mail_expires_between_sessions_and_never_during_one() {
    let site = Site::new("");
    site.drop_message("bob", "1700000001.a", b"Subject: x\n\none\n");
    let server = Server::start(config(&site, ExpireFrom::Delivery), Inherited::none()).await.unwrap();
    let mut client = log_in(&server).await;
    let during = round_in(&server, 8).await;
    assert_eq!((during.accounts, during.expired, during.skipped, during.failed), (2, 0, 1, 0));
    assert!(client.ask("STAT").await.starts_with("+OK 1 "));
    quit(client).await;
    assert_eq!(round_in(&server, 6).await.expired, 0);
    let after = round_in(&server, 8).await;
    assert_eq!((after.accounts, after.expired, after.skipped, after.failed), (2, 1, 0, 0));
    let mut client = log_in(&server).await;
    assert!(client.ask("STAT").await.starts_with("+OK 0 "));
    quit(client).await;
    let log = end(server, &site).await;
    let line = log.lines().find(|line| line.contains(" event=deleted ")).expect("a line for the message");
    assert!(line.ends_with(" account=bob unique_id=1700000001.a octets=19 by=expiry"), "{line}");
    assert!(!line.contains(" peer="), "{line}");
    assert!(log.contains(" event=expiry_round accounts=2 expired=1 skipped=0 failed=0"), "{log}");
}

#[tokio::test]
async fn only_what_was_retrieved_whole_in_a_session_with_quit_expires_from_retrieval() {
    let site = Site::new("");
    for name in ["1700000001.a", "1700000002.b", "1700000003.c", "1700000004.d"] {
        site.drop_message("bob", name, b"Subject: x\n\none\n");
    }
    let server = Server::start(config(&site, ExpireFrom::Retrieval), Inherited::none()).await.unwrap();
    for (command, ends) in [("RETR 1", true), ("TOP 2 1", true), ("RETR 3", false)] {
        let mut client = log_in(&server).await;
        assert!(client.ask(command).await.starts_with("+OK"), "{command}");
        while client.line().await != "." {}
        if ends {
            quit(client).await;
        }
    }
    // With a removal in the same session.
    let mut client = loop {
        // The session that was given up holds the lock for a moment.
        let mut client = Client::connect(&server.addresses()[0].address).await;
        client.line().await;
        client.ask("USER bob").await;
        if client.ask("PASS secret").await.starts_with("+OK") {
            break client;
        }
    };
    assert!(client.ask("RETR 4").await.starts_with("+OK"));
    while client.line().await != "." {}
    assert!(client.ask("DELE 2").await.starts_with("+OK"));
    quit(client).await;
    assert_eq!(round_in(&server, 8).await.expired, 2);
    let left: Vec<_> = fs::read_dir(site.maildrop("bob").join("new")).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert!(site.maildrop("bob").join("new/1700000003.c").exists());
    end(server, &site).await;
}

#[tokio::test]
async fn r2449_6_7_6_capa_says_how_long_mail_is_kept() {
    for (expire, line) in [(Some(Span(7 * DAY)), "EXPIRE 7"), (None, "EXPIRE NEVER")] {
        let site = Site::new("");
        let mut config = site.config();
        config.maildrop.expire = expire;
        let server = Server::start(config, Inherited::none()).await.unwrap();
        let mut client = Client::connect(&server.addresses()[0].address).await;
        client.line().await;
        assert!(client.ask("CAPA").await.starts_with("+OK"));
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != ".") {
            lines.push(client.line().await);
        }
        assert!(lines.iter().any(|said| said == line), "{lines:?}");
        end(server, &site).await;
    }
}

#[tokio::test]
async fn r2449_6_7_3_with_expire_never_no_round_is_made() {
    let site = Site::new("");
    site.drop_message("bob", "1700000001.a", b"Subject: x\n\none\n");
    let server = site.start().await;
    assert_eq!(round_in(&server, 60_000).await.accounts, 0);
    assert_eq!(site.messages("bob").len(), 1);
    assert!(!end(server, &site).await.contains("expiry_round"));
}

#[tokio::test]
async fn without_expiry_a_trash_is_swept_and_a_failure_does_not_end_the_round() {
    let site = Site::new("");
    let trash = site.maildrop("eve").join("restante.trash");
    fs::create_dir(&trash).unwrap();
    fs::write(trash.join("1700000000.0.1.n.1600000000.x"), "x").unwrap();
    let mut config = site.config();
    config.maildrop.trash = Some(Span(DAY));
    let server = Server::start(config.clone(), Inherited::none()).await.unwrap();
    let round = round_in(&server, 0).await;
    assert_eq!((round.accounts, round.failed), (2, 0));
    assert!(!trash.join("1700000000.0.1.n.1600000000.x").exists());
    end(server, &site).await;

    config.maildrop.expire = Some(Span(DAY));
    let server = Server::start(config, Inherited::none()).await.unwrap();
    let new = site.maildrop("bob").join("new");
    fs::remove_dir(&new).unwrap();
    fs::write(&new, "no folder").unwrap();
    let round = round_in(&server, 0).await;
    assert_eq!((round.accounts, round.failed), (2, 1));
    assert!(end(server, &site).await.contains(" event=maildrop_warning "));
}

#[test]
fn the_first_round_waits_and_not_for_long() {
    for trace in [0, 1, u64::MAX] {
        let pause = first_pause(Trace(trace));
        assert!(pause >= FIRST_PAUSE && pause < FIRST_PAUSE + 2 * Duration::from_secs(FIRST_PAUSE_SPREAD_S));
    }
}
