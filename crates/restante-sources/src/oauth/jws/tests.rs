//! What is a signed token, and what is none.

use proptest::prelude::*;

use super::*;
use crate::oauth::tests::base64;

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.{}", base64(header), base64(claims), base64("signature"))
}

#[test]
fn a_token_is_taken_apart() {
    let text = token(r#"{"alg":"RS256","kid":"one","typ":"at+jwt","x":[1]}"#, r#"{"iss":"me","aud":["a"]}"#);
    let jws = Jws::parse(text.as_bytes()).unwrap();
    assert_eq!(
        (&*jws.algorithm, jws.key_id.as_deref(), jws.kind.as_deref()),
        ("RS256", Some("one"), Some("at+jwt"))
    );
    assert_eq!(jws.claims["iss"], "me");
    assert_eq!(jws.signature, b"signature");
    assert_eq!(jws.signed, &text.as_bytes()[..text.rfind('.').unwrap()]);
    // What is not signed at all is taken apart too: the algorithm says so, and is not allowed.
    let unsigned = format!("{}.{}.", base64(r#"{"alg":"none"}"#), base64("{}"));
    assert_eq!(Jws::parse(unsigned.as_bytes()).unwrap().algorithm, "none");
}

#[test]
fn what_is_no_token_or_could_mean_two_things_is_refused() {
    let header = r#"{"alg":"ES256"}"#;
    let good = token(header, "{}");
    assert!(Jws::parse(good.as_bytes()).is_some());
    let mut bad = vec![
        String::new(),
        "..".to_owned(),
        "opaque".to_owned(),
        good.replacen('.', "", 1),
        format!("{good}."),
        format!("{good}.x"),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        good.replacen('.', "=.", 1),
        // The last sign of a part has bits that mean nothing: `J` where `I` was written.
        format!("{}.{}.c2lnbmF0dXJ", base64(header), base64("{}")),
        token(header, &format!("{{\"x\":\"{}\"}}", "x".repeat(TOKEN_OCTETS_MAX))),
        token(header, "[]"),
        token(header, "\"text\""),
        token(header, "{} {}"),
        token(header, r#"{"sub":"alice","sub":"bob"}"#),
        token(header, &format!("{{\"x\":{}{}}}", "[".repeat(500), "]".repeat(500))),
        token(&format!("{{\"alg\":\"{}\"}}", "x".repeat(300)), "{}"),
    ];
    for header in [
        "{}",
        r#"{"alg":1}"#,
        r#"{"alg":null}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256","typ":["JWT"]}"#,
        r#"{"alg":"ES256","crit":["exp"]}"#,
        r#"{"alg":"ES256","b64":false}"#,
        r#"{"alg":"ES256","zip":"DEF"}"#,
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"ES256","cty":"JWT"}"#,
    ] {
        bad.push(token(header, "{}"));
    }
    for text in bad {
        assert!(Jws::parse(text.as_bytes()).is_none(), "{text}");
    }
    assert!(Jws::parse(b"\xff.\xfe.\xfd").is_none());
}

proptest! {
    #[test]
    fn no_octets_are_too_strange(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Jws::parse(&octets);
        let token = [&octets[..], b".", &octets, b".", &octets].concat();
        let _ = Jws::parse(&token);
    }
}
