//! Sessions over a pipe in memory, with the clock stopped: time passes only when everybody waits.

use super::*;
use crate::event::Peer;
use crate::tests::{Client, Site, serve_in_memory};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A pipe that holds more than any answer here.
const WIDE: usize = 1 << 20;

async fn login(client: &mut Client) {
    client.line().await;
    assert!(client.ask("USER bob").await.starts_with("+OK"));
    assert!(client.ask("PASS secret").await.starts_with("+OK"));
}

fn now() -> Instant {
    clock::now()
}

#[tokio::test(start_paused = true)]
async fn r1939_3_21_a_silent_session_lives_for_ten_minutes() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut client).await;
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert!(client.ask("STAT").await.starts_with("+OK"));
    let began = now();
    client.rest().await;
    assert_eq!((now() - began).as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn r1939_3_22_each_command_renews_the_time_and_half_a_command_does_not() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut client).await;
    let began = now();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(599)).await;
        assert!(client.ask("NOOP").await.starts_with("+OK"));
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    client.send("NO").await;
    client.rest().await;
    assert_eq!((now() - began).as_secs(), 3 * 599 + 600);
}

#[tokio::test(start_paused = true)]
async fn r1939_3_23_autologout_removes_nothing() {
    let site = Site::new("");
    site.drop_message("bob", "1700000000.M1P1.x", b"Subject: a\n\n");
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut client).await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    client.rest().await;
    drop(client);
    let mut next = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut next).await;
    assert!(next.ask("STAT").await.starts_with("+OK 1 "));
    drop(next);
    shared.admission.emptied().await;
    shared.log.flush();
    assert!(
        log.text().contains("deleted=0 ") && log.text().contains("end=\"silent for too long\""),
        "{}",
        log.text()
    );
}

#[tokio::test(start_paused = true)]
async fn r1939_3_24_autologout_says_nothing() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut client).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_login_has_one_deadline_however_busy_the_client_is() {
    let site = Site::new("");
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    let began = now();
    client.line().await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        client.ask("CAPA").await;
        client.body().await;
    }
    assert_eq!(client.rest().await, "");
    assert_eq!((now() - began).as_secs(), 60);
    shared.log.flush();
    assert!(log.text().contains("end=\"no login in time\""), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn the_first_command_must_come_soon_and_half_of_one_is_none() {
    let site = Site::new("");
    let (shared, log) = site.shared();
    for protocol in [Protocol::Pop3, Protocol::Pop2] {
        let mut client = serve_in_memory(&shared, protocol, WIDE);
        let began = now();
        client.line().await;
        client.send("CA").await;
        assert_eq!(client.rest().await, "");
        assert_eq!((now() - began).as_secs(), 30);
    }
    shared.admission.emptied().await;
    shared.log.flush();
    assert_eq!(log.text().matches("end=\"no command in time\"").count(), 2, "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn who_has_not_logged_in_cannot_stay_by_never_being_silent_or_by_hardly_reading() {
    let site = Site::new("");
    let (shared, log) = site.shared();
    // There is always another command, and the answers are always read.
    let (stream, mut over) = crate::tests::spawn_in_memory(&shared, Protocol::Pop3, 4096);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let began = now();
    let reading = tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    let writing = tokio::spawn(async move {
        while tokio::io::AsyncWriteExt::write_all(&mut writer, b"CAPA\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    (&mut over).await.unwrap();
    assert_eq!((now() - began).as_secs(), 60);
    writing.await.unwrap();
    reading.await.unwrap().unwrap();
    // There are always answers, and a few octets of them are read every ten seconds.
    let mut deaf = serve_in_memory(&shared, Protocol::Pop3, 64);
    let began = now();
    deaf.line().await;
    deaf.send("CAPA\r\n".repeat(8)).await;
    let mut piece = [0; 4];
    while tokio::io::AsyncReadExt::read(&mut deaf.stream, &mut piece).await.is_ok_and(|octets| octets > 0) {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    shared.admission.emptied().await;
    assert!((60..300).contains(&(now() - began).as_secs()));
    shared.log.flush();
    let text = log.text();
    assert!(text.contains("end=\"no login in time\"") && text.contains("end=\"does not read\""), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_and_one_that_reads_slowly_is_not() {
    let site = Site::new("");
    site.drop_message("bob", "1700000000.M1P1.x", "0123456789abcdef\n".repeat(20_000).as_bytes());
    let (shared, log) = site.shared();
    let mut slow = serve_in_memory(&shared, Protocol::Pop3, 4096);
    login(&mut slow).await;
    slow.send("RETR 1\r\n").await;
    // Four KiB each four minutes: an hour and a half for the message, and no five minutes without an octet.
    let began = now();
    let mut octets = 0;
    while octets < 20_000 * 18 {
        tokio::time::sleep(Duration::from_secs(240)).await;
        let mut piece = [0; 4096];
        octets += tokio::io::AsyncReadExt::read(&mut slow.stream, &mut piece).await.unwrap();
    }
    assert!((now() - began).as_secs() > 80 * 240);
    slow.send("QUIT\r\n").await;
    assert!(slow.rest().await.contains("+OK"));

    let mut deaf = serve_in_memory(&shared, Protocol::Pop3, 4096);
    login(&mut deaf).await;
    deaf.send("RETR 1\r\n").await;
    let began = now();
    shared.admission.emptied().await;
    assert_eq!((now() - began).as_secs(), 300);
    shared.log.flush();
    assert!(log.text().contains("end=\"does not read\""), "{}", log.text());
    // The maildrop is free again.
    login(&mut serve_in_memory(&shared, Protocol::Pop3, WIDE)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_answered_late_and_logged_without_it() {
    let site = Site::new("");
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    client.line().await;
    client.ask("USER bob").await;
    let began = now();
    let wrong = client.ask("PASS guess0r").await;
    assert!(wrong.starts_with("-ERR [AUTH]"), "{wrong}");
    let waited = now() - began;
    assert_eq!(waited, Duration::from_secs(2));
    // An account that does not exist is answered with the same words.
    client.ask("USER nobody").await;
    assert_eq!(client.ask("PASS guess0r").await, wrong);
    // A good password does not wait.
    client.ask("USER bob").await;
    let began = now();
    assert!(client.ask("PASS secret").await.starts_with("+OK"));
    assert_eq!(now() - began, Duration::ZERO);
    shared.log.flush();
    let text = log.text();
    assert!(text.contains("event=auth_failed"), "{text}");
    assert!(text.contains("user=bob method=") && text.contains("reason=\"wrong password\""), "{text}");
    assert!(!text.contains("guess0r") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn the_second_session_is_told_in_use_and_the_next_after_quit_is_not() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    for _ in 0..20 {
        let mut first = serve_in_memory(&shared, Protocol::Pop3, WIDE);
        login(&mut first).await;
        let mut second = serve_in_memory(&shared, Protocol::Pop3, WIDE);
        second.line().await;
        second.ask("USER bob").await;
        assert!(second.ask("PASS secret").await.starts_with("-ERR [IN-USE]"));
        // The lock is gone when the reply is here.
        assert!(first.ask("QUIT").await.starts_with("+OK"));
        second.ask("USER bob").await;
        assert!(second.ask("PASS secret").await.starts_with("+OK"));
        second.ask("QUIT").await;
        second.rest().await;
    }
}

#[tokio::test]
async fn the_lock_is_gone_before_the_reply_to_quit() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    // The reply does not fit into the pipe: while it is on its way the next session gets in.
    let mut first = serve_in_memory(&shared, Protocol::Pop3, 4);
    login(&mut first).await;
    first.send("QUIT\r\n").await;
    let mut begun = [0; 1];
    tokio::io::AsyncReadExt::read_exact(&mut first.stream, &mut begun).await.unwrap();
    let mut second = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut second).await;
    assert!(first.rest().await.ends_with("\r\n"));
}

#[tokio::test]
async fn an_account_has_a_limit_of_its_own() {
    let site = Site::new("[limits]\nsessions_per_account = 1\n");
    let (shared, _) = site.shared();
    let mut first = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut first).await;
    let mut second = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    second.line().await;
    second.ask("USER bob").await;
    let refusal = second.ask("PASS secret").await;
    assert!(refusal.starts_with("-ERR [") && !refusal.starts_with("-ERR [AUTH]"), "{refusal}");
}

#[tokio::test]
async fn a_half_close_still_gets_its_answers() {
    let site = Site::new("");
    site.drop_message("bob", "1700000000.M1P1.x", b"Subject: a\n\n.dot\n");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    client.line().await;
    client.send("USER bob\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    let answers = client.rest().await;
    assert!(answers.contains("Subject: a\r\n\r\n..dot\r\n.\r\n+OK"), "{answers}");
    assert_eq!(answers.matches("+OK").count(), 5, "{answers}");
    assert_eq!(site.messages("bob").len(), 0);
}

#[tokio::test]
async fn a_client_that_vanishes_removes_nothing() {
    let site = Site::new("");
    site.drop_message("bob", "1700000000.M1P1.x", b"Subject: a\n\n");
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut client).await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    drop(client);
    shared.admission.emptied().await;
    let mut next = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut next).await;
    assert!(next.ask("STAT").await.starts_with("+OK 1 "));
    shared.log.flush();
    assert!(log.text().contains("end=disconnected"), "{}", log.text());
}

#[tokio::test]
async fn a_flood_is_answered_in_order_with_bounded_memory() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, 4096);
    login(&mut client).await;
    let (mut hearing, mut speaking) = tokio::io::split(client.stream);
    let commands = 50_000;
    let talk = tokio::spawn(async move {
        let flood = "NOOP\r\n".repeat(commands) + "QUIT\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut speaking, flood.as_bytes()).await.unwrap();
    });
    let mut answers = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut hearing, &mut answers).await.unwrap();
    talk.await.unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.lines().count(), commands + 1);
    assert!(answers.lines().all(|line| line.starts_with("+OK")));
}

#[tokio::test]
async fn a_line_without_end_is_refused_once() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    client.line().await;
    for _ in 0..100 {
        client.send("x".repeat(10_000)).await;
    }
    client.send("\r\nCAPA\r\n").await;
    assert!(client.line().await.starts_with("-ERR"));
    assert!(client.line().await.starts_with("+OK"));
}

#[tokio::test]
async fn a_message_that_vanished_is_one_clean_refusal() {
    let site = Site::new("");
    site.drop_message("bob", "1700000000.M1P1.x", b"Subject: a\n\n");
    site.drop_message("bob", "1700000001.M1P1.x", b"Subject: b\n\n");
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut client).await;
    fs::remove_file(site.maildrop("bob").join("new/1700000000.M1P1.x")).unwrap();
    assert!(client.ask("RETR 1").await.starts_with("-ERR [SYS/"));
    assert!(client.ask("RETR 2").await.starts_with("+OK"));
    assert_eq!(client.body().await, "Subject: b\r\n\r\n");
    shared.log.flush();
    assert!(
        log.text().contains("event=fault") && log.text().contains("doing=\"open a message\""),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn a_maildrop_that_cannot_be_read_is_never_an_empty_one() {
    let site = Site::new("");
    fs::remove_dir_all(site.maildrop("bob")).unwrap();
    fs::write(site.maildrop("bob"), "this is no folder").unwrap();
    fs::set_permissions(site.maildrop("bob"), fs::Permissions::from_mode(0o600)).unwrap();
    let (shared, log) = site.shared();
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    client.line().await;
    client.ask("USER bob").await;
    assert!(client.ask("PASS secret").await.starts_with("-ERR [SYS/"));
    assert!(client.ask("STAT").await.starts_with("-ERR"));
    shared.log.flush();
    assert!(log.text().contains("account=bob doing=\"open the maildrop\""), "{}", log.text());
}

#[tokio::test]
async fn answers_of_a_flight_and_small_messages_share_writes() {
    let site = Site::new("");
    for number in 0..40 {
        site.drop_message("bob", &format!("17000000{number:02}.M1P1.x"), b"Subject: a\n\nbody\n");
    }
    let (shared, _) = site.shared();
    // A pipe as wide as one write: a single read then shows what a single write had.
    let mut client = serve_in_memory(&shared, Protocol::Pop3, WIDE);
    login(&mut client).await;
    let flight: String = (1..=40).map(|number| format!("RETR {number}\r\n")).collect();
    client.send(flight).await;
    let mut piece = vec![0; WIDE];
    let octets = tokio::io::AsyncReadExt::read(&mut client.stream, &mut piece).await.unwrap();
    let answers = String::from_utf8_lossy(&piece[..octets]).into_owned();
    assert_eq!(answers.matches("\r\n.\r\n").count(), 40, "{answers}");
}

#[tokio::test]
async fn the_passwords_way_depends_on_the_peer() {
    let answer = async |more: &str, peer: &str| {
        let site = Site::new(&format!("[auth]\nplaintext_without_tls = \"{more}\"\n"));
        let (shared, _) = site.shared();
        let settings = shared.settings.load_full();
        settings.pop3(Peer::Tcp(peer.parse().unwrap())).plaintext_without_tls
    };
    assert!(!answer("never", "127.0.0.1:1").await);
    assert!(answer("loopback", "127.0.0.1:1").await);
    assert!(answer("loopback", "[::ffff:127.0.0.1]:1").await);
    assert!(!answer("loopback", "192.0.2.1:1").await);
    assert!(answer("always", "192.0.2.1:1").await);
}

#[test]
fn a_session_that_waits_is_small() {
    fn size<F: Future>(_: impl FnOnce(Raw, Visit) -> F) -> usize {
        size_of::<F>()
    }
    let octets = size(serve);
    // What an idle session costs beside its socket and its maildrop. It was 1,240 when this was written.
    assert!(octets <= 1_536, "{octets}");
}
