//! A mail server over a pipe in memory, with the clock stopped.

use super::*;
use crate::config::Protocol;
use crate::tests::{Site, spawn_in_memory};
use base64_of::plain;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Messages of PLAIN.
mod base64_of {
    use restante_proto::sasl::encode_base64;

    pub(super) fn plain(user: &str, password: &str) -> String {
        let mut encoded = Vec::new();
        encode_base64(format!("\0{user}\0{password}").as_bytes(), &mut encoded);
        String::from_utf8(encoded).unwrap()
    }
}

struct Mta {
    stream: DuplexStream,
    heard: Vec<u8>,
}

impl Mta {
    async fn connect(shared: &Arc<crate::shared::Shared>) -> (Self, String) {
        let (stream, _) = spawn_in_memory(shared, Protocol::Sasl, 1 << 20);
        let mut mta = Self { stream, heard: Vec::new() };
        mta.send("VERSION\t1\t1\nCPID\t4711\n").await;
        let mut handshake = String::new();
        while !handshake.ends_with("DONE\n") {
            handshake.push_str(&mta.line().await.expect("a handshake"));
            handshake.push('\n');
        }
        (mta, handshake)
    }

    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.heard.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            if self.stream.read_buf(&mut self.heard).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

fn auth(id: u32, user: &str, password: &str) -> String {
    let resp = plain(user, password);
    format!("AUTH\t{id}\tPLAIN\tservice=smtp\tnologin\trip=192.0.2.{id}\tsecured\tresp={resp}\n")
}

#[tokio::test(start_paused = true)]
async fn a_refusal_waits_and_nobody_else_does() {
    let site = Site::new("");
    let (shared, log) = site.shared();
    let (mut mta, handshake) = Mta::connect(&shared).await;
    assert!(handshake.contains("MECH\tPLAIN\tplaintext\n"), "{handshake}");
    assert!(!handshake.contains("PLUS") && !handshake.contains("EXTERNAL"), "{handshake}");
    mta.send(&auth(1, "bob", "wrong")).await;
    mta.send(&auth(2, "bob", "secret")).await;
    mta.send(&auth(3, "nobody", "secret")).await;
    let began = clock::now();
    assert_eq!(mta.line().await.unwrap(), "OK\t2\tuser=bob");
    assert_eq!(clock::now(), began);
    let mut refused = [mta.line().await.unwrap(), mta.line().await.unwrap()];
    refused.sort();
    assert_eq!(refused, ["FAIL\t1\tuser=bob", "FAIL\t3\tuser=nobody"]);
    assert!(clock::now() > began);
    drop(mta);
    shared.admission.emptied().await;
    shared.log.flush();
    let text = log.text();
    assert!(text.contains("peer=192.0.2.2:0 account=bob service=smtp method=PLAIN"), "{text}");
    assert!(text.contains("event=auth_failed") && text.contains("user=nobody"), "{text}");
    assert!(text.contains("protocol=sasl") && !text.contains("wrong password\" password"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn passwords_in_clear_are_refused_from_elsewhere() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let (mut mta, _) = Mta::connect(&shared).await;
    mta.send(&auth(1, "bob", "secret").replace("\tsecured", "")).await;
    assert_eq!(mta.line().await.unwrap(), "FAIL\t1\treason=This mechanism needs TLS");
    mta.send(&auth(2, "bob", "secret").replace("\tsecured", "").replace("192.0.2.2", "127.0.0.1")).await;
    assert_eq!(mta.line().await.unwrap(), "OK\t2\tuser=bob");
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_says_nothing_is_let_go() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let (stream, _) = spawn_in_memory(&shared, Protocol::Sasl, 1 << 20);
    let mut mta = Mta { stream, heard: Vec::new() };
    let began = clock::now();
    while mta.line().await.is_some() {}
    assert_eq!((clock::now() - began).as_secs(), 60);
    let (mut mta, _) = Mta::connect(&shared).await;
    let began = clock::now();
    mta.send("AUTH\t1\tLOGIN\tservice=smtp\tsecured\n").await;
    assert!(mta.line().await.unwrap().starts_with("CONT\t1\t"));
    assert_eq!(mta.line().await.unwrap(), "FAIL\t1\treason=The login took too long");
    assert_eq!((clock::now() - began).as_secs(), 300);
    assert!(mta.line().await.is_none());
    assert_eq!((clock::now() - began).as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_are_told_to_come_again() {
    let site = Site::new("[limits]\nsasl_logins = 2\n");
    let (shared, log) = site.shared();
    let (mut mta, _) = Mta::connect(&shared).await;
    for id in 1..=2 {
        mta.send(&auth(id, "bob", "wrong")).await;
    }
    mta.send(&auth(3, "bob", "secret")).await;
    assert_eq!(mta.line().await.unwrap(), "FAIL\t3\ttemp\tcode=temp_fail");
    mta.send("AUTH\n").await;
    while mta.line().await.is_some() {}
    shared.admission.emptied().await;
    shared.log.flush();
    assert!(log.text().contains("too many logins at the same time"), "{}", log.text());
    assert!(log.text().contains("the mail server sent a command that"), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn a_new_password_counts_on_an_old_connection() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let (mut mta, _) = Mta::connect(&shared).await;
    site.put("users", "eve:{PLAIN}banana-and-more\n");
    // As a reload does it.
    let settings = crate::shared::Settings::new(site.config(), &shared.log).unwrap();
    shared.settings.store(Arc::new(settings));
    mta.send(&auth(1, "eve", "banana-and-more")).await;
    assert_eq!(mta.line().await.unwrap(), "OK\t1\tuser=eve");
    mta.send(&auth(2, "bob", "secret")).await;
    assert_eq!(mta.line().await.unwrap(), "FAIL\t2\tuser=bob");
}
