//! Logins: refusals by their codes, SASL that is cancelled, and that nothing weaker follows.

use super::*;

/// Logs in to a server with these answers; what came of it and what the server heard.
async fn log_in(auth: &str, answers: &[(&'static str, &str)]) -> (Result<(), Error>, String) {
    let url = restante_proto::url::PopUrl::parse(&format!("pop://fred{auth}@host")).unwrap();
    let (client, heard, task) = open(Server::new(answers), Profile::Lenient).await;
    let mut client = client.unwrap();
    let result = client.log_in(wish(url.auth())).await;
    drop(client);
    task.await.unwrap();
    let commands = heard.lock().unwrap().commands.clone();
    (result, commands)
}

#[tokio::test]
async fn refusals_mean_what_their_codes_say() {
    for (reply, listed, expected) in [
        ("-ERR [AUTH] no\r\n", "", LoginCause::Credentials),
        ("-ERR [IN-USE] busy\r\n", "", LoginCause::Later),
        ("-ERR [LOGIN-DELAY] slowly\r\n", "", LoginCause::Later),
        ("-ERR [SYS/TEMP] later\r\n", "", LoginCause::Later),
        ("-ERR [SYS/PERM] broken\r\n", "", LoginCause::Support),
        ("-ERR no\r\n", "", LoginCause::Unknown),
        ("-ERR no\r\n", "AUTH-RESP-CODE\r\n", LoginCause::Later),
        ("-ERR [FUTURE/THING] no\r\n", "", LoginCause::Unknown),
    ] {
        let capa = format!("+OK\r\nUSER\r\n{listed}.\r\n");
        let (result, _) = log_in("", &[("CAPA", &capa), ("USER", "+OK\r\n"), ("PASS", reply)]).await;
        match result {
            Err(Error::Login { cause, .. }) => assert_eq!(cause, expected, "{reply:?}"),
            result => panic!("{reply:?}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn a_refused_way_is_the_last_and_no_weaker_one_follows() {
    let capa = "+OK\r\nUSER\r\nSASL CRAM-MD5 PLAIN LOGIN\r\n.\r\n";
    let (result, heard) = log_in("", &[("CAPA", capa), ("AUTH CRAM-MD5", "-ERR not today\r\n")]).await;
    assert!(matches!(result, Err(Error::Login { .. })), "{result:?}");
    assert_eq!(heard, "CAPA\nAUTH CRAM-MD5\n");
    // What the URL asks for is not listed: nothing is said at all.
    let (result, heard) = log_in(";AUTH=SCRAM-SHA-256", &[("CAPA", capa)]).await;
    assert!(matches!(result, Err(Error::NoWay(_))), "{result:?}");
    assert_eq!(heard, "CAPA\n");
}

#[tokio::test]
async fn an_exchange_that_makes_no_sense_is_cancelled_and_the_client_goes_on() {
    let capa = "+OK\r\nSASL CRAM-MD5 LOGIN\r\n.\r\n";
    for challenge in ["+ %%%\r\n", "+ YQ\r\n"] {
        let answers =
            [("CAPA", capa), ("AUTH CRAM-MD5", challenge), ("*", "-ERR cancelled\r\n"), ("NOOP", "+OK\r\n")];
        let (client, _, task) = open(Server::new(&answers), Profile::Lenient).await;
        let mut client = client.unwrap();
        let result = client.log_in(wish(&Auth::Any)).await;
        assert!(
            matches!(&result, Err(Error::Login { refusal, .. }) if refusal.text == "cancelled"),
            "{result:?}"
        );
        client.noop().await.unwrap();
        drop(client);
        task.await.unwrap();
    }
    // A challenge where none can be.
    let (result, _) = log_in("", &[("CAPA", HEAD[0].1), ("USER", "+ eA==\r\n")]).await;
    assert!(matches!(result, Err(Error::Protocol(ProtocolError::UnexpectedChallenge))), "{result:?}");
}

#[tokio::test]
async fn a_name_or_password_that_would_be_a_command_is_not_sent() {
    for (user, password) in
        [("fred\r\nDELE 1", "x"), ("fred\n", "x"), ("fred", "x\r\nQUIT"), ("fred", "a\0b")]
    {
        let (client, heard, task) = open(Server::new(&HEAD), Profile::Lenient).await;
        let mut client = client.unwrap();
        let means = Means::Password(Secret::new(password.into()));
        let wish = Wish { user: Some(user), auth: &Auth::Any, means, plaintext: Plaintext::Everywhere };
        assert!(matches!(client.log_in(wish).await, Err(Error::Request(_))), "{user:?}");
        drop(client);
        task.await.unwrap();
        assert_eq!(heard.lock().unwrap().commands, "CAPA\n");
    }
}

#[tokio::test]
async fn a_password_with_spaces_goes_as_it_is() {
    let answers = [("CAPA", HEAD[0].1), ("USER fred", "+OK\r\n"), ("PASS  pass  word ", "+OK\r\n")];
    let (client, heard, task) = open(Server::new(&answers), Profile::Lenient).await;
    let mut client = client.unwrap();
    let means = Means::Password(Secret::new(b" pass  word ".to_vec()));
    client.log_in(Wish { means, ..wish(&Auth::Any) }).await.unwrap();
    drop(client);
    task.await.unwrap();
    assert!(heard.lock().unwrap().is_through);
}
