//! The LMTP client.

use restante_client::connect::Address;
use restante_client::error::{Blame, Error};
use restante_client::lmtp::{Client, Outcome, Settings};
use restante_proto::lmtp::client::Transaction;
use restante_proto::lmtp::command::Mail;
use restante_proto::lmtp::path::{ForwardPath, Mailbox, ReversePath};

use crate::script::{Act, PATIENT, acts, serve, transcript};

const GREETING: &str = "S: 220 host\nC: LHLO me\nS: 250-host\nS: 250-CHUNKING\nS: 250 PIPELINING\n";

fn settings() -> Settings {
    Settings { name: "me".into(), deadlines: PATIENT, trace: None }
}

fn transaction(locals: &[&str]) -> Transaction {
    Transaction {
        mail: Mail::from(ReversePath::Null),
        recipients: locals
            .iter()
            .map(|local| ForwardPath::new(Mailbox::new(local, None).expect("a mailbox")))
            .collect(),
        chunk_octets: None,
    }
}

async fn connect(script: &str) -> (Client, tokio::task::JoinHandle<()>) {
    let (address, server) = serve(acts(&format!("{GREETING}{script}"))).await;
    (Client::connect(&address, settings()).await.unwrap(), server)
}

fn codes(outcomes: &[Outcome]) -> Vec<u16> {
    outcomes
        .iter()
        .map(|outcome| if let Outcome::Replied(reply) = outcome { reply.code } else { 0 })
        .collect()
}

const ENVELOPE: &str = "C: MAIL FROM:<>\nC: RCPT TO:<a>\nC: RCPT TO:<b>\nS: 250 ok\nS: 250 ok\nS: 250 ok\n";

#[tokio::test]
async fn data_with_a_reply_for_each_recipient() {
    let (mut client, server) = connect(&format!(
        "{ENVELOPE}C: DATA\nS: 354 go\nC: text\nC: ..dot\nC: .\nS: 250 done\nS: 452 full\nC: QUIT\nS: 221 bye"
    ))
    .await;
    let delivered = client.deliver(transaction(&["a", "b"]), &mut &b"text\n.dot"[..]).await.unwrap();
    assert!(delivered.error.is_none());
    assert_eq!(codes(&delivered.outcomes), [250, 452]);
    assert!(delivered.outcomes[0].is_delivered() && !delivered.outcomes[1].is_delivered());
    client.quit().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn one_chunk() {
    let mut script = acts(&format!("{GREETING}{ENVELOPE}C: BDAT 6 LAST"));
    script.push(Act::Hear(b"a\r\nb\r\n".to_vec()));
    script.extend(acts("S: 250 done\nS: 250 done"));
    let (address, server) = serve(script).await;
    let (trace, said) = transcript();
    let mut client = Client::connect(&address, Settings { trace: Some(trace), ..settings() }).await.unwrap();
    let transaction = Transaction { chunk_octets: Some(6), ..transaction(&["a", "b"]) };
    let delivered = client.deliver(transaction, &mut &b"a\r\nb\r\n"[..]).await.unwrap();
    assert_eq!(codes(&delivered.outcomes), [250, 250]);
    server.await.unwrap();
    assert!(said.lock().unwrap().ends_with("C: BDAT 6 LAST\n= message of 6\nS: 250 done\nS: 250 done\n"));
}

#[tokio::test]
async fn r2033_5_4_a_lost_connection_leaves_the_rest_temporary() {
    let (mut client, server) =
        connect(&format!("{ENVELOPE}C: DATA\nS: 354 go\nC: x\nC: .\nS: 250 done")).await;
    let delivered = client.deliver(transaction(&["a", "b"]), &mut &b"x\r\n"[..]).await.unwrap();
    assert!(delivered.outcomes[0].is_delivered());
    assert_eq!(delivered.outcomes[1], Outcome::Lost);
    assert!(delivered.error.is_some_and(|error| error.blame() == Blame::Network));
    assert!(matches!(client.deliver(transaction(&["a"]), &mut &b""[..]).await, Err(Error::OutOfStep)));
    server.await.unwrap();
}

#[tokio::test]
async fn half_a_message_is_never_ended() {
    // The reader ends before the announced octets: the server sees the connection end inside the chunk.
    let mut script = acts(&format!("{GREETING}{ENVELOPE}C: BDAT 9 LAST"));
    script.push(Act::Hear(b"half".to_vec()));
    script.push(Act::Sulk);
    let (address, server) = serve(script).await;
    let mut client = Client::connect(&address, settings()).await.unwrap();
    let transaction = Transaction { chunk_octets: Some(9), ..transaction(&["a", "b"]) };
    let delivered = client.deliver(transaction, &mut &b"half"[..]).await.unwrap();
    assert_eq!(delivered.outcomes, [Outcome::Lost, Outcome::Lost]);
    assert!(delivered.error.is_some_and(|error| error.blame() == Blame::Local));
    drop(client);
    server.await.unwrap();
}

#[tokio::test]
async fn a_refused_connection() {
    let (address, server) = serve(acts("S: 421 4.3.2 later")).await;
    let error = Client::connect(&address, settings()).await.unwrap_err();
    assert!(matches!(&error, Error::LmtpRejected(reply) if reply.code == 421));
    assert!(error.is_temporary());
    server.await.unwrap();
}

#[tokio::test]
async fn over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        for reply in ["220 host\r\n", "250 host\r\n", "221 bye\r\n"] {
            stream.write_all(reply.as_bytes()).await.unwrap();
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        line
    });
    let client = Client::connect(&Address::Unix(path), settings()).await.unwrap();
    assert!(!client.extensions().chunking);
    client.quit().await.unwrap();
    assert_eq!(server.await.unwrap(), "", "nothing comes after QUIT");
}
