//! Deliveries over a pipe in memory, with the clock stopped where time matters.

use super::*;
use crate::tests::{Client, Site, serve_in_memory};
use std::fs;

const WIDE: usize = 1 << 20;

/// The last line of a reply.
async fn reply(client: &mut Client) -> String {
    loop {
        let line = client.line().await;
        if line.as_bytes().get(3) != Some(&b'-') {
            return line;
        }
    }
}

async fn ask(client: &mut Client, command: &str) -> String {
    client.send(format!("{command}\r\n")).await;
    reply(client).await
}

/// Up to the first RCPT.
async fn begin(client: &mut Client) {
    assert!(reply(client).await.starts_with("220 "));
    assert!(ask(client, "LHLO mx.example.org").await.starts_with("250 "));
    assert!(ask(client, "MAIL FROM:<alice@example.net>").await.starts_with("250 "));
}

#[tokio::test]
async fn an_odd_address_is_quoted_in_the_header() {
    let site = Site::new("");
    let (shared, _log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    reply(&mut client).await;
    client
        .send(
            "LHLO x\r\nMAIL FROM:<\"a > b\"@example.net>\r\nRCPT TO:<bob@example.org>\r\nBDAT 2 LAST\r\n\r\n",
        )
        .await;
    for _ in 0..4 {
        assert!(reply(&mut client).await.starts_with("250 "));
    }
    let messages = site.messages("bob");
    assert!(messages[0].starts_with("Return-Path: <\"a > b\"@example.net>\n"), "{messages:?}");
}

#[tokio::test]
async fn several_recipients_share_a_message_that_names_none_of_them() {
    let site = Site::new("");
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    begin(&mut client).await;
    assert!(ask(&mut client, "RCPT TO:<bob@example.org>").await.starts_with("250 "));
    assert!(ask(&mut client, "RCPT TO:<nobody@example.org>").await.starts_with("550 5.1.1"));
    assert!(ask(&mut client, "RCPT TO:<Eve+news@example.org>").await.starts_with("250 "));
    assert!(ask(&mut client, "DATA").await.starts_with("354 "));
    client.send("Return-Path: <forged@example.com>\r\nSubject: a\r\n\r\nReturn-Path: stays\r\n.\r\n").await;
    assert!(reply(&mut client).await.starts_with("250 "));
    assert!(reply(&mut client).await.starts_with("250 "));
    assert!(ask(&mut client, "QUIT").await.starts_with("221 "));
    assert_eq!(client.rest().await, "");

    for account in ["bob", "eve"] {
        let messages = site.messages(account);
        let [message] = messages.as_slice() else { panic!("{messages:?}") };
        assert!(message.starts_with("Return-Path: <alice@example.net>\nReceived: from mx.example.org ([127.0.0.1])\n\tby mail.example.org with LMTP id "), "{message}");
        assert!(message.ends_with("\nSubject: a\n\nReturn-Path: stays\n"), "{message}");
        assert!(
            !message.contains("Delivered-To") && !message.contains("bob") && !message.contains("Eve"),
            "{message}"
        );
        assert!(!message.contains("forged"), "{message}");
    }
    shared.admission.emptied().await;
    shared.log.flush();
    assert_eq!(log.events(), ["delivered", "delivered", "session"], "{}", log.text());
    assert!(
        log.text().contains("account=eve sender=alice@example.net recipient=Eve+news@example.org octets=")
    );
    assert!(log.text().contains("delivered=2 "));
}

#[tokio::test]
async fn a_single_recipient_is_named_and_a_notification_has_no_sender() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    reply(&mut client).await;
    client.send("LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nBDAT 9\r\nRet").await;
    for _ in 0..3 {
        assert!(reply(&mut client).await.starts_with("250 "));
    }
    // The field's name is cut between two chunks.
    client.send("urn-Pa").await;
    assert!(reply(&mut client).await.starts_with("250 "));
    client.send("BDAT 19 LAST\r\nth: <x@y>\r\n\r\nbody\r\n").await;
    assert!(reply(&mut client).await.starts_with("250 "));
    let messages = site.messages("bob");
    assert!(
        messages[0].starts_with("Return-Path: <>\nDelivered-To: bob@example.org\nReceived: from x ("),
        "{messages:?}"
    );
    assert!(messages[0].contains("\n\tfor <bob@example.org>;\n\t"), "{messages:?}");
    assert!(messages[0].ends_with("\n\nbody\n") && !messages[0].contains("x@y"), "{messages:?}");
}

#[tokio::test]
async fn a_message_that_is_too_large_leaves_nothing_behind() {
    let site = Site::new("[lmtp]\nmessage_octets_max = 65536\n");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    begin(&mut client).await;
    ask(&mut client, "RCPT TO:<bob@example.org>").await;
    ask(&mut client, "DATA").await;
    client.send("0123456789\r\n".repeat(20_000)).await;
    client.send(".\r\n").await;
    assert!(reply(&mut client).await.starts_with("552 5.3.4"));
    // The next message is as good as any.
    assert!(ask(&mut client, "MAIL FROM:<a@b.example>").await.starts_with("250 "));
    assert!(ask(&mut client, "RCPT TO:<bob@example.org>").await.starts_with("250 "));
    assert!(ask(&mut client, "DATA").await.starts_with("354 "));
    client.send("small\r\n.\r\n").await;
    assert!(reply(&mut client).await.starts_with("250 "));
    assert_eq!(site.messages("bob").len(), 1);
    assert_eq!(fs::read_dir(site.maildrop("bob").join("tmp")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_sender_that_vanishes_in_the_middle_leaves_nothing_behind() {
    let site = Site::new("");
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    begin(&mut client).await;
    ask(&mut client, "RCPT TO:<bob@example.org>").await;
    ask(&mut client, "DATA").await;
    client.send("0123456789\r\n".repeat(200_000)).await;
    drop(client);
    shared.admission.emptied().await;
    assert_eq!(site.messages("bob").len(), 0);
    assert_eq!(fs::read_dir(site.maildrop("bob").join("tmp")).unwrap().count(), 0);
    shared.log.flush();
    assert!(log.text().contains("delivered=0 ") && log.text().contains("end=disconnected"), "{}", log.text());
}

#[tokio::test]
async fn one_maildrop_that_fails_is_one_recipient_that_fails() {
    let site = Site::new("");
    fs::remove_dir_all(site.maildrop("eve")).unwrap();
    fs::write(site.maildrop("eve"), "no folder").unwrap();
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    begin(&mut client).await;
    ask(&mut client, "RCPT TO:<eve@example.org>").await;
    ask(&mut client, "RCPT TO:<bob@example.org>").await;
    ask(&mut client, "DATA").await;
    client.send("body\r\n.\r\n").await;
    let first = reply(&mut client).await;
    assert!(first.starts_with("451 "), "{first}");
    assert!(reply(&mut client).await.starts_with("250 "));
    assert_eq!(site.messages("bob").len(), 1);
    shared.log.flush();
    assert_eq!(log.events(), ["undelivered", "delivered"], "{}", log.text());
}

// R5321-4.5.3.2.7.1
#[tokio::test(start_paused = true)]
async fn r5321_4_5_3_2_7_1_a_silent_client_gets_five_minutes_and_then_421() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    reply(&mut client).await;
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert!(ask(&mut client, "NOOP").await.starts_with("250 "));
    let began = clock::now();
    assert!(client.rest().await.starts_with("421 "));
    assert_eq!((clock::now() - began).as_secs(), 300);

    // In the middle of a message nothing is said.
    let mut client = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    begin(&mut client).await;
    ask(&mut client, "RCPT TO:<bob@example.org>").await;
    ask(&mut client, "DATA").await;
    client.send("half a").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_lets_a_message_come_in_and_says_421_then() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let mut idle = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    reply(&mut idle).await;
    let mut busy = serve_in_memory(&shared, Protocol::Lmtp, WIDE);
    begin(&mut busy).await;
    ask(&mut busy, "RCPT TO:<bob@example.org>").await;
    ask(&mut busy, "DATA").await;
    busy.send("half a ").await;
    let draining = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move { crate::shutdown::drain(&shared, Vec::new(), Duration::from_secs(30)).await }
    });
    assert!(idle.rest().await.starts_with("421 "));
    tokio::time::sleep(Duration::from_secs(10)).await;
    busy.send("message\r\n.\r\n").await;
    assert!(reply(&mut busy).await.starts_with("250 "));
    assert!(busy.rest().await.starts_with("421 "));
    assert_eq!(draining.await.unwrap(), 0);
    assert_eq!(site.messages("bob").len(), 1);
}

#[test]
fn a_session_that_waits_is_small() {
    fn size<F: Future>(_: impl FnOnce(Raw, Visit) -> F) -> usize {
        size_of::<F>()
    }
    let octets = size(serve);
    assert!(octets <= 2_560, "{octets}");
}
