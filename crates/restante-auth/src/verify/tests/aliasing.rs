//! Other names for accounts: where mail goes, and that nobody logs in by them.

use super::*;

/// ann, and bob, with other names for them.
fn twin() -> Arc<Twin> {
    Arc::new(Twin {
        accounts: vec![("ann@example.org", "{PLAIN}a"), ("bob@example.org", "{PLAIN}b")],
        aliases: vec![
            ("info@example.org", "ann@example.org"),
            // An account is what it is, whatever an alias of its name says.
            ("bob@example.org", "ann@example.org"),
            ("chain@example.org", "info@example.org"),
            ("circle@example.org", "circle@example.org"),
            ("gone@example.org", "nobody@example.org"),
            ("@example.net", "bob@example.org"),
        ],
        ..Twin::default()
    })
}

fn addresses() -> address::Settings {
    address::Settings {
        form: address::NameForm::Address,
        detail_separator: Some('+'),
        ..address::Settings::default()
    }
}

#[tokio::test]
async fn mail_for_another_name_goes_to_the_account_in_one_step() {
    let settings = Settings { addresses: addresses(), ..settings() };
    let authenticator = over(&[Twin::new(&[]), twin()], settings);
    for (address, expected) in [
        ("info@example.org", Some("ann@example.org")),
        ("INFO+lists@Example.ORG", Some("ann@example.org")),
        ("bob@example.org", Some("bob@example.org")),
        ("chain@example.org", None),
        ("circle@example.org", None),
        ("gone@example.org", None),
        ("nobody@example.org", None),
        ("whoever@example.net", Some("bob@example.org")),
        ("info@example.net", Some("bob@example.org")),
        ("whoever@example.com", None),
    ] {
        let found = match authenticator.recipient(address.as_bytes(), Instant::now()).await {
            Recipient::Account(account) => Some(account.name.to_string()),
            Recipient::Unknown => None,
            Recipient::Unavailable(error) => panic!("{error}"),
        };
        assert_eq!(found.as_deref(), expected, "{address}");
    }
}

#[tokio::test]
async fn nobody_logs_in_by_an_alias() {
    let authenticator = over(&[twin()], Settings { addresses: addresses(), ..settings() });
    let try_login = async |user: &str, typed: &str| {
        outcome(&authenticator, &password(user, typed.as_bytes(), Method::UserPass)).await
    };
    assert_eq!(try_login("ann@example.org", "a").await, Ok("ann@example.org".to_owned()));
    for (user, typed) in [("info@example.org", "a"), ("whoever@example.net", "b")] {
        assert_eq!(try_login(user, typed).await, Err(Some(Reason::UnknownAccount)), "{user}");
    }
}

#[tokio::test]
async fn an_alias_that_cannot_be_asked_for_is_no_reason_to_bounce() {
    let settings = Settings { addresses: addresses(), ..settings() };
    let failing = Arc::new(Twin { fails: true, ..Twin::default() });
    let first = Twin::new(&[("ann@example.org", "{PLAIN}a")]);
    let authenticator = over(&[first, failing], settings);
    let now = Instant::now();
    assert!(matches!(authenticator.recipient(b"info@example.org", now).await, Recipient::Unavailable(_)));
    assert!(matches!(authenticator.recipient(b"ann@example.org", now).await, Recipient::Account(_)));
}
