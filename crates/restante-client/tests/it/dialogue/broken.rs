//! Connections that end, servers that are slow, and what is deleted then.

use super::*;

const PIPELINED: [(&str, &str); 3] =
    [("CAPA", "+OK\r\nPIPELINING\r\nUSER\r\n.\r\n"), ("USER fred", "+OK\r\n"), ("PASS secret", "+OK\r\n")];

/// A server that closes after so many answers: nothing is ever taken for complete that is not, and only when QUIT was answered
/// is anything said to be deleted.
#[tokio::test]
async fn a_server_that_closes_at_any_step() {
    let whole: Vec<_> = [
        ("CAPA", "+OK\r\nPIPELINING\r\n.\r\n"),
        ("LIST", "+OK\r\n1 6\r\n2 6\r\n.\r\n"),
        ("UIDL", "+OK\r\n1 a\r\n2 b\r\n.\r\n"),
        ("RETR 1", MESSAGE),
        ("RETR 2", MESSAGE),
        ("DELE 1", "+OK\r\n"),
        ("DELE 2", "+OK\r\n"),
        ("QUIT", "+OK\r\n"),
    ]
    .into();
    for head in [HEAD, PIPELINED] {
        let answers: Vec<_> = head.into_iter().chain(whole.iter().copied()).collect();
        for cut in 0..=answers.len() {
            // In the middle of an answer, too.
            for half in [false, true] {
                let mut answers = answers.clone();
                answers.truncate(cut);
                if half && let Some((_, said)) = answers.last_mut() {
                    *said = said.split_at(said.len() / 2).0;
                }
                let is_whole = cut == head.len() + whole.len() && !half;
                closes_at(&answers, is_whole).await;
            }
        }
    }
}

async fn closes_at(answers: &[(&'static str, &str)], is_whole: bool) {
    let mut server = Server::new(answers);
    server.closes = !answers.is_empty();
    let (client, heard, task) = open(server, Profile::Lenient).await;
    let result = whole_pass(client.unwrap()).await;
    task.await.unwrap();
    let commands = heard.lock().unwrap().commands.clone();
    match result {
        Ok(Quit::Committed) => assert!(is_whole, "{answers:?}"),
        // QUIT may have reached a server that did not say so.
        Ok(Quit::Unknown(_)) => assert!(!is_whole, "{answers:?}"),
        Ok(Quit::NotSent(_)) => assert!(!commands.contains("QUIT"), "{answers:?}"),
        Ok(quit) => panic!("{quit:?}"),
        Err(error) => {
            assert!(matches!(error, Error::Closed | Error::Network(_)), "{answers:?}: {error:?}");
            assert!(!commands.contains("QUIT"), "{answers:?}");
        }
    }
}

async fn whole_pass(mut client: Client) -> Result<Quit, Error> {
    client.log_in(wish(&Auth::Any)).await?;
    let survey = client.survey().await?;
    let mut whole = Vec::new();
    client
        .retrieve_each(survey.entries.iter().map(ScanListing::from), |number, piece| {
            if let Piece::End { octets } = piece {
                assert_eq!(octets, 6);
                whole.push(number);
            }
            Ok(())
        })
        .await?;
    assert_eq!(whole.len(), 2);
    Ok(client.delete_and_quit(&whole).await.quit)
}

#[tokio::test]
async fn a_dropped_client_deletes_nothing() {
    let answers = dialogue(&[("DELE 1", "+OK\r\n")]);
    for is_forgotten in [false, true] {
        let (client, heard, task) = open(Server::new(&answers), Profile::Lenient).await;
        let mut client = client.unwrap();
        client.log_in(wish(&Auth::Any)).await.unwrap();
        if is_forgotten {
            // In the middle of a call.
            let mut call = Box::pin(client.delete(number(1)));
            let _ =
                std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        } else {
            client.delete(number(1)).await.unwrap();
        }
        drop(client);
        task.await.unwrap();
        assert!(!heard.lock().unwrap().commands.contains("QUIT"));
    }
}

/// Each pause is shorter than the deadline, all of them together are longer: a slow server is no dead one.
#[tokio::test(start_paused = true)]
async fn a_slow_server_is_waited_for_as_long_as_it_says_something() {
    let (here, mut there) = tokio::io::duplex(64);
    let idle = std::time::Duration::from_secs(20);
    let server = tokio::spawn(async move {
        for octet in "+OK\r\n".bytes().chain("+OK slowly\r\n".bytes()) {
            tokio::time::sleep(idle - std::time::Duration::from_secs(1)).await;
            there.write_all(&[octet]).await.unwrap();
        }
        // And now never again.
        let _ = there.read_to_end(&mut Vec::new()).await;
    });
    let mut client = Client::over(here, settings(Profile::Lenient)).await.unwrap();
    // The clock passes by itself while all wait: a client without deadlines fails, and does not hang.
    let bound = std::time::Duration::from_secs(3600);
    tokio::time::timeout(bound, client.noop()).await.expect("a reply").unwrap();
    let error = tokio::time::timeout(bound, client.noop()).await.expect("a deadline").unwrap_err();
    assert!(matches!(error, Error::Timeout(restante_client::error::Waiting::Read)), "{error:?}");
    drop(client);
    server.await.unwrap();
}

/// Deadlines differ by what is waited for.
#[tokio::test(start_paused = true)]
async fn a_login_may_take_longer_than_a_command() {
    let (here, mut there) = tokio::io::duplex(64);
    let server = tokio::spawn(async move {
        let mut buffer = [0; 64];
        there.write_all(b"+OK\r\n").await.unwrap();
        for _ in 0..2 {
            assert!(there.read(&mut buffer).await.unwrap() > 0);
            tokio::time::sleep(std::time::Duration::from_secs(150)).await;
            there.write_all(b"+OK\r\n").await.unwrap();
        }
        let _ = there.read_to_end(&mut Vec::new()).await;
    });
    let mut client = Client::over(here, Settings::default()).await.unwrap();
    let login = restante_proto::client::request::Login::of(
        restante_proto::sasl::Method::UserPass,
        b"fred",
        Secret::new(b"secret".to_vec()),
    );
    client.login(login.unwrap()).await.unwrap();
    let noop = tokio::time::timeout(std::time::Duration::from_secs(3600), client.noop()).await;
    assert!(matches!(noop.expect("a deadline"), Err(Error::Timeout(_))));
    drop(client);
    server.await.unwrap();
}
