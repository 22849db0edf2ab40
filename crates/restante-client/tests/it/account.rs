//! A mail address to a logged-in client: which server, which user name, and what is remembered.

use std::cell::RefCell;
use std::sync::Arc;

use restante_client::account::{Account, Known};
use restante_client::connect::Address;
use restante_client::discover::Candidate;
use restante_client::error::Error;
use restante_client::identity::Service;
use restante_client::login::Means;
use restante_client::pop3::Client;
use restante_proto::client::cause::LoginCause;
use restante_proto::secret::Secret;
use restante_proto::url::{Auth, Host, HostName};
use rustls::ServerConfig;

use crate::identity::{Authority, settings};
use crate::script::{Act, acts, serve};

fn domain() -> HostName {
    HostName::parse("example.org").unwrap()
}

fn account(known: Option<Known>) -> Account {
    Account::new("fred@example.org", known).unwrap()
}

fn means() -> Means {
    Means::Password(Secret::new(b"secret".to_vec()))
}

/// A server with TLS from the first octet that then follows `script`, as a candidate.
async fn server(config: &Arc<ServerConfig>, script: &str) -> (Candidate, tokio::task::JoinHandle<()>) {
    let mut all = vec![Act::Tls(Arc::clone(config))];
    all.extend(acts(script));
    let (address, server) = serve(all).await;
    let Address::Tcp { host, port } = address else { unreachable!("scripts are served over TCP") };
    (Candidate::new(Service::Pop3s, domain(), Host::parse(&host).unwrap(), port), server)
}

/// A candidate where nobody listens.
async fn nobody() -> Candidate {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    Candidate::new(Service::Pop3s, domain(), Host::parse("127.0.0.1").unwrap(), port)
}

const HEAD: &str =
    "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: .\nC: USER fred@example.org\nS: +OK\nC: PASS secret\n";

#[tokio::test]
async fn r6186_4_3_the_whole_address_first_and_then_the_local_part() {
    let authority = Authority::new();
    let config = authority.issue_for(&["example.org"]).config();
    for (refusal, expected) in [
        ("-ERR [AUTH] no", Some("fred")),
        ("-ERR no", Some("fred")),
        // Nothing that has to do with the name.
        ("-ERR [IN-USE] busy", None),
        ("-ERR [SYS/TEMP] later", None),
    ] {
        let second = "C: USER fred\nS: +OK\nC: PASS secret\nS: +OK\n";
        let script = format!("{HEAD}S: {refusal}\n{}", if expected.is_some() { second } else { "" });
        let (candidate, served) = server(&config, &script).await;
        let mut account = account(None);
        let result = account
            .connect(async |_| Ok(vec![candidate.clone()]), &authority.roots(), settings, &Auth::Any, means)
            .await;
        assert_eq!(result.is_ok(), expected.is_some(), "{refusal}");
        assert_eq!(account.known().map(|known| known.user.as_str()), expected, "{refusal}");
        drop(result);
        served.await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_once_for_each_name_and_no_more() {
    let authority = Authority::new();
    let config = authority.issue_for(&["example.org"]).config();
    let script =
        format!("{HEAD}S: -ERR [AUTH] no\nC: USER fred\nS: +OK\nC: PASS secret\nS: -ERR [AUTH] neither");
    let (candidate, served) = server(&config, &script).await;
    let mut account = account(None);
    let found = vec![candidate, nobody().await];
    let error = account
        .connect(async |_| Ok(found), &authority.roots(), settings, &Auth::Any, means)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Login { refusal, cause: LoginCause::Credentials } if refusal.text == "no"),
        "{error:?}"
    );
    served.await.unwrap();
    assert!(account.known().is_none());
}

#[tokio::test]
async fn r6186_4_4_what_worked_is_asked_first_and_looked_up_again_when_it_fails() {
    let authority = Authority::new();
    let config = authority.issue_for(&["example.org"]).config();
    let lookups = RefCell::new(0);
    let (candidate, served) = server(&config, &format!("{HEAD}S: +OK")).await;
    let mut account = account(None);
    let find = async |domain: &HostName| {
        assert_eq!(domain.as_str(), "example.org");
        *lookups.borrow_mut() += 1;
        Ok(vec![nobody().await, candidate.clone()])
    };
    drop(account.connect(find, &authority.roots(), settings, &Auth::Any, means).await.unwrap());
    served.await.unwrap();
    assert_eq!((*lookups.borrow(), &account.known().unwrap().candidate), (1, &candidate));

    // The second time nobody is asked, also when the login is refused.
    for (reply, is_in) in [("+OK", true), ("-ERR [AUTH] changed", false)] {
        let (candidate, served) = server(&config, &format!("{HEAD}S: {reply}")).await;
        let known = Known { candidate: candidate.clone(), user: "fred@example.org".into() };
        account = self::account(Some(known.clone()));
        let never = async |_: &HostName| -> Result<Vec<Candidate>, Error> { panic!("nobody is to be asked") };
        let result = account.connect(never, &authority.roots(), settings, &Auth::Any, means).await;
        assert_eq!(result.is_ok(), is_in);
        assert_eq!(account.known(), Some(&known));
        drop(result);
        served.await.unwrap();
    }

    // Nobody is there any more.
    let known = Known { candidate: nobody().await, user: "fred".into() };
    account = self::account(Some(known));
    let (candidate, served) = server(&config, &format!("{HEAD}S: +OK")).await;
    let find = async |_: &HostName| Ok(vec![candidate.clone()]);
    drop(account.connect(find, &authority.roots(), settings, &Auth::Any, means).await.unwrap());
    served.await.unwrap();
    assert_eq!(account.known().unwrap().candidate, candidate);
}

#[tokio::test]
async fn a_server_that_is_not_the_domains_is_passed_over() {
    let authority = Authority::new();
    let wrong = authority.issue_for(&["example.net"]).config();
    let right = authority.issue_for(&["example.org"]).config();
    let (impostor, deceived) = server(&wrong, "").await;
    let (candidate, served) = server(&right, &format!("{HEAD}S: +OK")).await;
    let mut account = account(None);
    let found = vec![impostor.clone(), candidate];
    drop(
        account.connect(async |_| Ok(found), &authority.roots(), settings, &Auth::Any, means).await.unwrap(),
    );
    served.await.unwrap();
    deceived.await.unwrap();
    // Alone, it is an error that says so.
    let (impostor, deceived) = server(&wrong, "").await;
    let result = account_alone(&authority, impostor).await;
    assert!(matches!(result, Err(Error::Certificate { .. })), "{result:?}");
    deceived.await.unwrap();
}

async fn account_alone(authority: &Authority, candidate: Candidate) -> Result<Client, Error> {
    account(None)
        .connect(async |_| Ok(vec![candidate]), &authority.roots(), settings, &Auth::Any, means)
        .await
}

#[tokio::test]
async fn no_server_at_all() {
    let authority = Authority::new();
    let none = account(None)
        .connect(async |_| Ok(Vec::new()), &authority.roots(), settings, &Auth::Any, means)
        .await;
    assert!(matches!(none, Err(Error::NotOffered(_))), "{none:?}");
    let error = account_alone(&authority, nobody().await).await.unwrap_err();
    assert!(matches!(error, Error::Connect(_)) && error.is_temporary(), "{error:?}");
    for address in ["fred", "@example.org", "fred@", "fred@[127.0.0.1]", "fred@a b"] {
        assert!(Account::new(address, None).is_none(), "{address}");
    }
}
