//! A pass whose sink is slow: what the server hears meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};

use jiff::Timestamp;
use restante_client::advice::Shown;
use restante_client::connect::Address;
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pop3::{Client, Settings};
use restante_proto::secret::Secret;
use restante_proto::url::Auth;
use restante_store::disk::LocalDisk;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::*;
use crate::sink::{Fault, Message, SinkId};

/// Has taken what it is given when the server has heard so many NOOPs.
#[derive(Debug)]
struct Patient {
    id: SinkId,
    noops: mpsc::Receiver<()>,
    waits_for: usize,
}

impl Sink for Patient {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn spool(&self) -> Option<PathBuf> {
        None
    }

    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        // Bounded, so that a pass that says none fails the test and does not hang it.
        let next = |_: &usize| self.noops.recv_timeout(Duration::from_secs(20)).is_ok();
        let heard = (0..self.waits_for).take_while(next).count();
        let answer = || match heard == self.waits_for {
            true => Ok(()),
            false => Err(Fault::Later(format!("only {heard} NOOPs, and then none for long"))),
        };
        messages.iter().map(|_| answer()).collect()
    }
}

/// A server with two messages, until somebody leaves. What it refuses it says of NOOP.
async fn serve(
    stream: DuplexStream,
    noop: &'static str,
    noops: mpsc::Sender<()>,
    said: Arc<Mutex<Vec<String>>>,
) {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    let mut reply = "+OK ready\r\n";
    loop {
        if write.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
        let Ok(Some(line)) = lines.next_line().await else { return };
        reply = match line.split(' ').next().unwrap_or_default() {
            "CAPA" => "+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n",
            "LIST" => "+OK\r\n1 15\r\n2 15\r\n.\r\n",
            "UIDL" => "+OK\r\n1 u1\r\n2 u2\r\n.\r\n",
            "RETR" => "+OK\r\nSubject: a\r\n\r\nb\r\n.\r\n",
            "NOOP" => noop,
            _ => "+OK\r\n",
        };
        if line == "NOOP" {
            // A sink that has heard enough does not listen any more.
            let _ = noops.send(());
        }
        said.lock().unwrap().push(line);
    }
}

/// A pass with `keep = "none"` whose sink waits for so many NOOPs, and what was said to the server. The clock runs as fast as it
/// can while all wait.
async fn pass(waits_for: usize, noop: &'static str) -> (Report, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (near, far) = tokio::io::duplex(4096);
    let (sender, noops) = mpsc::channel();
    let said = Arc::new(Mutex::new(Vec::new()));
    let server = tokio::spawn(serve(far, noop, sender, Arc::clone(&said)));
    let route = Address::Tcp { host: "mail.example.org".into(), port: 110 };
    let order = Order {
        folder: state,
        peer: Peer { route: route.into(), shown: Shown::Password },
        additions: Additions::default(),
        keep: Keep::None,
        rules: Rules(Vec::new()),
        max_size: None,
        interval: None,
        unique_ids: UniqueIds::Server,
        new_unique_ids: None,
        local: None,
        believes_local: false,
        notice: None,
        is_dry_run: false,
    };
    let world = World {
        disk: Arc::new(LocalDisk),
        clock: Arc::new(|| Timestamp::UNIX_EPOCH),
        events: Events::unheard(),
        stop: Stop::never(),
    };
    let enter = async || {
        let mut client = Client::over(near, Settings::default()).await.expect("a greeting");
        let means = Means::Password(Secret::new(b"secret".to_vec()));
        let wish = Wish { user: Some("alice"), auth: &Auth::Any, means, plaintext: Plaintext::Everywhere };
        client.log_in(wish).await.expect("anybody may");
        Ok(client)
    };
    let sink = Patient { id: SinkId("patient".into()), noops, waits_for };
    let report = run(&order, &world, enter, move || Ok(vec![Box::new(sink) as Box<dyn Sink>])).await;
    server.await.expect("it does not panic");
    let said = std::mem::take(&mut *said.lock().unwrap());
    (report, said)
}

#[tokio::test(start_paused = true)]
async fn while_a_sink_is_slow_the_server_is_told_that_somebody_is_there() {
    let before = tokio::time::Instant::now();
    let (report, said) = pass(3, "+OK\r\n").await;
    assert!(before.elapsed() >= Duration::from_secs(3 * 30), "not more often than every half a minute");
    assert_eq!((report.collected, report.deleted, &report.failure), (2, 2, &None));
    let at = |wanted: &str| said.iter().position(|line| line == wanted).unwrap_or_else(|| panic!("{said:?}"));
    assert!(at("RETR 2") < at("NOOP") && at("NOOP") < at("DELE 1") && at("DELE 2") < at("QUIT"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_to_hear_it_is_no_worse_off() {
    let (report, _) = pass(3, "-ERR what\r\n").await;
    assert_eq!((report.collected, report.deleted, &report.failure), (2, 2, &None));
}
