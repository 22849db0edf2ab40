//! Each claim, right and wrong.

use std::time::UNIX_EPOCH;

use serde_json::json;

use super::*;
use crate::oauth::tests::{ISSUER, TODAY, claims_with, rules, word};

fn today() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(TODAY)
}

fn says_under(rules: &Rules, origin: Origin, changes: &Value) -> String {
    let claims = claims_with(changes);
    word(Ok(rules.judge(claims.as_object().unwrap(), origin, today())))
}

fn says(changes: &Value) -> String {
    says_under(&rules(), Origin::Token, changes)
}

#[test]
fn issuer_and_audience_are_compared_to_the_letter() {
    assert_eq!(says(&json!({})), "alice");
    for issuer in
        [json!("https://id.example.org/"), json!("HTTPS://id.example.org"), json!([ISSUER]), json!(null)]
    {
        assert_eq!(says(&json!({ "iss": issuer })), "Issuer", "{issuer}");
    }
    for audience in [json!("mail"), json!(["x", "mail"]), json!(["https://mail.example.org"])] {
        assert_eq!(says(&json!({ "aud": audience })), "alice");
    }
    for audience in
        [json!(null), json!("Mail"), json!("mail x"), json!([]), json!(["x"]), json!([["mail"]]), json!(1)]
    {
        assert_eq!(says(&json!({ "aud": audience })), "Audience", "{audience}");
    }
    // Who leaves audiences out of the settings means nobody's by signed tokens, and anybody's who is answered about.
    let open = Rules { audience: Vec::new(), ..rules() };
    assert_eq!(says_under(&open, Origin::Token, &json!({})), "Audience");
    assert_eq!(says_under(&open, Origin::Answer, &json!({"aud": "x", "iss": null, "exp": null})), "alice");
    assert_eq!(says_under(&open, Origin::Answer, &json!({"iss": "https://evil.example"})), "Issuer");
}

#[test]
fn a_token_begins_and_ends_with_the_leeway_that_is_allowed() {
    for (changes, expected) in [
        (json!({"exp": TODAY}), "alice"),
        (json!({"exp": TODAY - 59}), "alice"),
        (json!({"exp": TODAY - 60}), "alice, expired"),
        (json!({"exp": 0}), "alice, expired"),
        (json!({"exp": -1.5}), "alice, expired"),
        (json!({"exp": 1e300}), "alice"),
        (json!({"exp": TODAY as f64 + 0.5}), "alice"),
        (json!({"exp": null}), "Form"),
        (json!({"exp": TODAY.to_string()}), "Form"),
        (json!({"nbf": TODAY + 60, "iat": null}), "alice"),
        (json!({"nbf": TODAY + 61}), "NotYet"),
        (json!({"iat": TODAY + 61}), "NotYet"),
        (json!({"nbf": "now"}), "Form"),
    ] {
        assert_eq!(says(&changes), expected, "{changes}");
    }
    // Whoever is not the owner learns nothing of expiry.
    assert_eq!(says(&json!({"exp": 0, "aud": "x"})), "Audience");
}

#[test]
fn all_scopes_are_needed_wherever_they_stand() {
    let rules = Rules { scopes: vec!["pop".into(), "mail.read".into()], ..rules() };
    let says = |changes: Value| says_under(&rules, Origin::Token, &changes);
    for scopes in [
        json!({"scope": "openid mail.read pop"}),
        json!({"scp": "pop mail.read"}),
        json!({"scp": ["mail.read", "pop"]}),
        json!({"scope": ["pop"], "scp": "mail.read"}),
    ] {
        assert_eq!(says(scopes.clone()), "alice", "{scopes}");
    }
    for scopes in [
        json!({}),
        json!({"scope": "pop"}),
        json!({"scope": "pop3 mail.read"}),
        json!({"scope": "POP mail.read"}),
        json!({"scope": ["pop mail.read"]}),
        json!({"scope": {"pop": "mail.read"}}),
    ] {
        assert_eq!(says(scopes.clone()), "Scope", "{scopes}");
    }
}

#[test]
fn an_address_is_believed_when_it_was_verified_or_nothing_is_said() {
    for (verified, expected) in [
        (json!(true), "alice"),
        (json!("true"), "alice"),
        (json!(false), "Claim"),
        (json!("false"), "Claim"),
        (json!(1), "Claim"),
    ] {
        assert_eq!(says(&json!({ "email_verified": verified })), expected, "{verified}");
    }
    for email in [json!(null), json!(["alice@example.org"]), json!(7)] {
        assert_eq!(says(&json!({ "email": email })), "Claim");
    }
    let by_name = Rules { claim: "preferred_username".into(), ..rules() };
    let changes = json!({"preferred_username": "alice", "email_verified": false});
    assert_eq!(says_under(&by_name, Origin::Token, &changes), "alice");
}

/// At many issuers people choose their names. None of these may open alice's account.
#[test]
fn no_name_is_made_alices_that_is_not() {
    for name in [
        "alice+x@example.org",
        "alice@evil.example",
        "alice＠evil.example",
        "alice@example.org@evil.example",
        "\u{ff41}lice@example.org",
        "alice\u{ad}@example.org",
        "al\u{200b}ice@example.org",
        "alice@example.org\0",
        "../alice@example.org",
        "@example.org",
        "",
        "ALİCE@example.org",
    ] {
        let said = says(&json!({ "email": name }));
        assert!(said == "Name", "{name:?} is {said}");
    }
    // Nobody said which domains are ours: then none is only cut off.
    let mut anywhere = rules();
    anywhere.addresses.domains.clear();
    assert_eq!(says_under(&anywhere, Origin::Token, &json!({})), "Name");
    assert_eq!(says_under(&anywhere, Origin::Token, &json!({"email": "alice"})), "alice");
    anywhere.addresses.form = NameForm::Address;
    assert_eq!(says_under(&anywhere, Origin::Token, &json!({})), "alice@example.org");
    assert_eq!(
        says_under(&anywhere, Origin::Token, &json!({"email": "alice@evil.example"})),
        "alice@evil.example"
    );
    anywhere.domains = vec!["Example.org".into()];
    assert_eq!(says_under(&anywhere, Origin::Token, &json!({})), "alice@example.org");
    assert_eq!(says_under(&anywhere, Origin::Token, &json!({"email": "alice@evil.example"})), "Name");
    assert_eq!(says_under(&anywhere, Origin::Token, &json!({"email": "alice"})), "Name");
}

#[test]
fn a_claim_without_a_domain_is_given_one() {
    let mut rules = Rules { claim: "sub".into(), domain: Some("example.org".into()), ..rules() };
    rules.addresses.form = NameForm::Address;
    let says = |sub: &str| says_under(&rules, Origin::Token, &json!({ "sub": sub }));
    assert_eq!(says("alice"), "alice@example.org");
    assert_eq!(says("müller"), "müller@example.org");
    for sub in ["alice@example.org", "alice@evil.example", "x＠evil.example", "alice+x", ""] {
        assert_eq!(says(sub), "Name", "{sub}");
    }
    let local = Rules { claim: "sub".into(), domain: Some("example.net".into()), ..rules.clone() };
    assert_eq!(
        says_under(&local, Origin::Token, &json!({"sub": "alice"})),
        "Name",
        "a domain that is not ours"
    );
}

#[test]
fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    assert_eq!(says(&json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})), "Bound");
}
