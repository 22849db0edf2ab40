//! What is asked about a token, and what becomes of each answer.

use serde_json::json;

use super::*;
use crate::oauth::tests::{Issuer, TODAY, claims_with, rules, says, says_at};

fn settings(issuer: &Issuer) -> Settings {
    Settings {
        rules: Rules { scopes: vec!["mail".into()], ..rules() },
        url: Url::parse(&issuer.url("/introspect"), false).unwrap(),
        login: Login::Client { id: "rest:ante".into(), secret: Secret::new(b"s&cret \xff".to_vec()) },
        asking: ask::Settings { authorities: None, parallel_max: 2, timeout: Duration::from_secs(30) },
        memory: Some((Duration::from_secs(60), 2)),
    }
}

fn verifier(issuer: &Issuer, change: impl FnOnce(&mut Settings)) -> IntrospectedTokens {
    let mut settings = settings(issuer);
    change(&mut settings);
    IntrospectedTokens::new(settings).unwrap()
}

fn active(changes: &Value) -> String {
    let mut claims = claims_with(changes);
    if claims["active"].is_null() {
        claims["active"] = true.into();
    }
    if claims["scope"].is_null() {
        claims["scope"] = "openid mail".into();
    }
    claims.to_string()
}

#[tokio::test]
async fn the_issuer_is_asked_as_the_standard_says() {
    let (issuer, now) = (Issuer::start(), Instant::now());
    issuer.answers(active(&json!({})));
    let verifier_of_client = verifier(&issuer, |_| {});
    assert_eq!(says(&verifier_of_client, "mF_9.B5f-4.1JqM+/~==", now).await, "alice");
    let asked = issuer.asked().remove(0);
    assert!(asked.starts_with("POST /introspect HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.to_ascii_lowercase().contains("content-type: application/x-www-form-urlencoded\r\n"),
        "{asked}"
    );
    // rest%3Aante:s%26cret%20%FF
    assert!(asked.contains("Basic cmVzdCUzQWFudGU6cyUyNmNyZXQlMjAlRkY=\r\n"), "{asked}");
    assert!(
        asked.ends_with("\r\n\r\ntoken=mF_9.B5f-4.1JqM%2B%2F~%3D%3D&token_type_hint=access_token"),
        "{asked}"
    );
    let verifier = verifier(&issuer, |it| it.login = Login::Bearer(Secret::new(b"ours".to_vec())));
    assert_eq!(says(&verifier, "x", now).await, "alice");
    assert!(issuer.asked()[1].contains("Bearer ours\r\n"));
    assert!(!format!("{verifier:?}").contains("ours"));
}

#[tokio::test]
async fn each_answer_has_its_meaning() {
    let (issuer, now) = (Issuer::start(), Instant::now());
    let verifier = verifier(&issuer, |it| it.memory = None);
    for (answer, expected) in [
        (active(&json!({"exp": null, "iss": null})), "alice"),
        (json!({"active": false}).to_string(), "Inactive"),
        (json!({"active": false, "email": "alice@example.org"}).to_string(), "Inactive"),
        (active(&json!({"scope": "openid"})), "Scope"),
        (active(&json!({"aud": "other"})), "Audience"),
        (active(&json!({"aud": null})), "Audience"),
        (active(&json!({"iss": "https://evil.example"})), "Issuer"),
        (active(&json!({"exp": TODAY - 100})), "alice, expired"),
        (active(&json!({"email": null})), "Claim"),
        (active(&json!({"cnf": {"x5t#S256": "x"}})), "Bound"),
    ] {
        issuer.answers(answer.clone());
        assert_eq!(says(&verifier, "token", now).await, expected, "{answer}");
    }
    for answer in
        ["", "[]", "{}", "{\"active\":\"true\"}", "{\"active\":1}", "{\"active\":false,\"active\":true}"]
    {
        issuer.answers(answer);
        let said = says(&verifier, "token", now).await;
        assert!(said.starts_with("permanent: ") && said.contains("whether it is active"), "{answer}: {said}");
    }
    for (status, expected) in [
        ("401 No", "permanent: "),
        ("403 No", "permanent: "),
        ("500 Oh", "temporary: "),
        ("302 There", "temporary: "),
    ] {
        issuer.answers_with(status, &active(&json!({})));
        let said = says(&verifier, "token", now).await;
        assert!(said.starts_with(expected), "{status}: {said}");
        assert!(!said.contains("s&cret") && !said.contains("\"token\""), "{said}");
    }
    issuer.is_away();
    assert!(says(&verifier, "token", now).await.starts_with("temporary: "));
}

#[tokio::test]
async fn what_can_be_no_token_is_not_asked_about() {
    let (issuer, now) = (Issuer::start(), Instant::now());
    let verifier = verifier(&issuer, |_| {});
    for token in ["", "a b", "tøken", "a\"b", "a&token=b", "a%00", &"x".repeat(TOKEN_OCTETS_MAX + 1)] {
        assert_eq!(says(&verifier, token, now).await, "unknown", "{token}");
    }
    assert_eq!(issuer.asked().len(), 0);
}

#[tokio::test]
async fn what_was_active_is_remembered_and_never_longer_than_it_lives() {
    let (issuer, start) = (Issuer::start(), Instant::now());
    let after = |seconds| start + Duration::from_secs(seconds);
    let verifier_of_client = verifier(&issuer, |_| {});
    issuer.answers(active(&json!({"exp": TODAY + 30})));
    assert_eq!(says(&verifier_of_client, "one", start).await, "alice");
    issuer.answers("{\"active\":false}");
    assert_eq!(says_at(&verifier_of_client, "one", after(29), TODAY + 29).await, "alice");
    assert_eq!(says(&verifier_of_client, "two", after(29)).await, "Inactive", "another token");
    assert_eq!(says_at(&verifier_of_client, "one", after(30), TODAY + 30).await, "Inactive", "it has ended");
    issuer.answers(active(&json!({"exp": null})));
    assert_eq!(says(&verifier_of_client, "three", after(40)).await, "alice");
    issuer.answers("{\"active\":false}");
    assert_eq!(says(&verifier_of_client, "three", after(99)).await, "alice");
    assert_eq!(
        says(&verifier_of_client, "three", after(100)).await,
        "Inactive",
        "a use does not lengthen it"
    );
    // Bounded: the oldest makes room. Forgotten: by name, by a reload.
    issuer.answers(active(&json!({"exp": null})));
    for token in ["a", "b", "c"] {
        assert_eq!(says(&verifier_of_client, token, after(200)).await, "alice");
    }
    let asked = || issuer.asked().len();
    let before = asked();
    for (token, more) in [("c", 0), ("b", 0), ("a", 1)] {
        assert_eq!(says(&verifier_of_client, token, after(201)).await, "alice");
        assert_eq!(asked(), before + more, "{token}");
    }
    let name = |text| AccountName::new(text).unwrap();
    verifier_of_client.forget(&name("bob"));
    says(&verifier_of_client, "a", after(202)).await;
    assert_eq!(asked(), before + 1);
    verifier_of_client.forget(&name("alice"));
    says(&verifier_of_client, "a", after(203)).await;
    assert_eq!(asked(), before + 2);
    verifier_of_client.reload(after(204)).await.unwrap();
    says(&verifier_of_client, "a", after(205)).await;
    assert_eq!(asked(), before + 3);
    // Switched off: each login asks.
    let verifier = verifier(&issuer, |it| it.memory = None);
    says(&verifier, "a", start).await;
    says(&verifier, "a", start).await;
    assert_eq!(asked(), before + 5);
}
