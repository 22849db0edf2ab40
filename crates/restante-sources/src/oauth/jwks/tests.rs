//! Signatures, right and wrong, and the ways to get around them.

use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::http::Url;
use crate::oauth::jwk::KeySet;
use crate::oauth::tests::{
    ISSUER, Issuer, SigningKey, TODAY, base64, claims, claims_with, rules, says, says_at, set,
};

fn verifier(issuer: &Issuer, change: impl FnOnce(&mut Settings)) -> JwksTokens {
    let mut settings = Settings {
        rules: rules(),
        place: Place::Keys(Url::parse(&issuer.url("/keys"), false).unwrap()),
        algorithms: Algorithm::ALL.to_vec(),
        wants_at_jwt: false,
        pace: Pace {
            refresh: Duration::from_secs(3600),
            retry: Duration::from_secs(30),
            keep: Duration::from_secs(86_400),
        },
        asking: ask::Settings { authorities: None, parallel_max: 1, timeout: Duration::from_secs(30) },
        notify: None,
    };
    change(&mut settings);
    JwksTokens::new(settings).unwrap()
}

#[tokio::test]
async fn a_signed_token_opens_its_account() {
    let (issuer, key, now) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    issuer.answers(set(&[&key]));
    let verifier = verifier(&issuer, |_| {});
    assert_eq!(says(&verifier, &key.token(&claims()), now).await, "alice");
    assert_eq!(says_at(&verifier, &key.token(&claims()), now, TODAY + 1000).await, "alice, expired");
    // No name of a key: whichever fits.
    assert_eq!(says(&verifier, &key.sign(&json!({"alg": "ES256"}), &claims()), now).await, "alice");
    assert_eq!(issuer.asked().len(), 1);
    assert!(issuer.asked()[0].starts_with("GET /keys HTTP/1.1\r\n"));
}

#[tokio::test]
async fn another_issuers_token_is_not_even_asked_about() {
    let (issuer, key, now) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    let verifier = verifier(&issuer, |_| {});
    for token in [
        key.token(&claims_with(&json!({"iss": "https://evil.example"}))),
        key.token(&claims_with(&json!({"iss": null}))),
        "opaque".to_owned(),
        String::new(),
    ] {
        assert_eq!(says(&verifier, &token, now).await, "unknown");
    }
    assert_eq!(says(&verifier, &key.sign(&json!({"alg": "none"}), &claims()), now).await, "Algorithm");
    assert_eq!(issuer.asked().len(), 0);
}

#[tokio::test]
async fn no_algorithm_of_the_senders_choice_helps() {
    let (issuer, key, now) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    issuer.answers(set(&[&key]));
    let verifier_of_all = verifier(&issuer, |_| {});
    let claims = claims();
    let unsigned = |header: Value| format!("{}.{}.", base64(header.to_string()), base64(claims.to_string()));
    for name in ["none", "None", "NONE", "nOnE", ""] {
        assert_eq!(says(&verifier_of_all, &unsigned(json!({"alg": name})), now).await, "Algorithm", "{name}");
    }
    // The public key, which everybody has, as the secret of HMAC: as the JWK, as the point, as the set.
    let public = key.public();
    let point = [base64_octets(&public["x"]), base64_octets(&public["y"])].concat();
    for secret in [public.to_string().into_bytes(), point, set(&[&key]).into_bytes()] {
        let header = json!({"alg": "HS256", "kid": "one"});
        let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        assert_eq!(says(&verifier_of_all, &format!("{signed}.{}", base64(tag)), now).await, "Algorithm");
    }
    // An algorithm that does not fit the key; a right one that is not allowed; an empty signature, and none that fits.
    for name in ["RS256", "ES384", "EdDSA"] {
        let token = key.sign(&json!({"alg": name, "kid": "one"}), &claims);
        assert_eq!(says(&verifier_of_all, &token, now).await, "Key", "{name}");
    }
    let careful = verifier(&issuer, |settings| settings.algorithms = vec![Algorithm::Rs256]);
    assert_eq!(says(&careful, &key.token(&claims), now).await, "Algorithm");
    for wrong in [unsigned(json!({"alg": "ES256", "kid": "one"})), key.token(&claims) + "AA"] {
        assert_eq!(says(&verifier_of_all, &wrong, now).await, "Signature");
    }
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_nobodys() {
    let (issuer, now) = (Issuer::start(), Instant::now());
    let (key, thief) = (SigningKey::new("one"), SigningKey::new("one"));
    issuer.answers(set(&[&key]));
    let verifier = verifier(&issuer, |_| {});
    let theirs = Issuer::start();
    theirs.answers(set(&[&thief]));
    for header in [
        json!({"alg": "ES256", "kid": "one"}),
        json!({"alg": "ES256", "kid": "one", "jwk": thief.public()}),
        json!({"alg": "ES256", "kid": "one", "jku": theirs.url("/keys")}),
        json!({"alg": "ES256", "kid": "one", "x5u": theirs.url("/keys"), "x5c": ["AAAA"]}),
    ] {
        assert_eq!(says(&verifier, &thief.sign(&header, &claims()), now).await, "Signature");
    }
    assert_eq!(theirs.asked().len(), 0);
    // Other claims under a right signature.
    let token = key.token(&claims());
    let (head, signature) = (token.split('.').next().unwrap(), token.rsplit('.').next().unwrap());
    let bob = base64(claims_with(&json!({"email": "bob@example.org"})).to_string());
    assert_eq!(says(&verifier, &format!("{head}.{bob}.{signature}"), now).await, "Signature");
}

#[tokio::test]
async fn other_tokens_of_the_same_issuer_open_nothing() {
    let (issuer, key, now) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    issuer.answers(set(&[&key]));
    let (lax, strict) = (verifier(&issuer, |_| {}), verifier(&issuer, |it| it.wants_at_jwt = true));
    for (kind, in_lax, in_strict) in [
        (json!("JWT"), "alice", "Form"),
        (json!("at+jwt"), "alice", "alice"),
        (json!("application/AT+JWT"), "alice", "alice"),
        (json!("logout+jwt"), "Form", "Form"),
        (json!("dpop+jwt"), "Form", "Form"),
        (json!(""), "Form", "Form"),
    ] {
        let token = key.sign(&json!({"alg": "ES256", "kid": "one", "typ": kind}), &claims());
        assert_eq!(says(&lax, &token, now).await, in_lax, "{kind}");
        assert_eq!(says(&strict, &token, now).await, in_strict, "{kind}");
    }
    assert_eq!(says(&strict, &key.token(&claims()), now).await, "Form");
}

#[tokio::test]
async fn the_issuers_document_says_where_its_keys_are() {
    let (issuer, key, now) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    let place = Url::parse(&issuer.url(""), false).unwrap();
    let verifier = verifier(&issuer, |settings| settings.place = Place::Issuer(place));
    // One answer for all: document and set in one.
    let mut document: Value = serde_json::from_str(&set(&[&key])).unwrap();
    document["issuer"] = issuer.url("").into();
    document["jwks_uri"] = issuer.url("/keys").into();
    issuer.answers(document.to_string());
    assert_eq!(says(&verifier, &key.token(&claims()), now).await, "alice");
    let paths: Vec<_> =
        issuer.asked().iter().map(|asked| asked.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(paths, ["/.well-known/openid-configuration", "/keys"]);
    document["issuer"] = ISSUER.into();
    issuer.answers(document.to_string());
    let error = verifier.reload(now).await.unwrap_err().to_string();
    assert!(error.contains("is the document of another issuer"), "{error}");
}

#[test]
fn signatures_of_the_standards_are_right() {
    let message =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for (algorithm, key, signed, signature) in [
        // RFC 7515, A.2.
        (
            Algorithm::Rs256,
            json!({"kty": "RSA", "e": "AQAB", "n": concat!(
                "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs",
                "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV",
                "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")}),
            format!("eyJhbGciOiJSUzI1NiJ9.{message}"),
            concat!(
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ",
                "cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e",
                "OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
            ),
        ),
        // RFC 7515, A.3.
        (
            Algorithm::Es256,
            json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
            format!("eyJhbGciOiJFUzI1NiJ9.{message}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        // RFC 8037, A.4.
        (
            Algorithm::EdDsa,
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ] {
        let keys = KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
        let signature = base64_octets(&signature.into());
        let is_right = |signed: &str| keys.has_signed(algorithm, None, signed.as_bytes(), &signature);
        assert!(is_right(&signed), "{algorithm:?}");
        assert!(!is_right(&format!("{signed}x")) && !is_right(""), "{algorithm:?}");
    }
}

/// What an issuer publishes for other purposes is no key for tokens.
#[test]
fn only_keys_for_signatures_are_taken() {
    let good = SigningKey::new("one").public();
    let count = |change: Value| {
        let mut key = good.clone();
        for (name, value) in change.as_object().unwrap() {
            key[name] = value.clone();
        }
        KeySet::parse(json!({"keys": [key, 7, []]}).to_string().as_bytes()).unwrap().len()
    };
    for change in
        [json!({}), json!({"use": "sig"}), json!({"key_ops": ["sign", "verify"]}), json!({"alg": "ES256"})]
    {
        assert_eq!(count(change.clone()), 1, "{change}");
    }
    for change in [
        json!({"use": "enc"}),
        json!({"use": ["sig"]}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": "verify"}),
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"crv": "P-521"}),
        json!({"crv": "secp256k1"}),
        json!({"x": base64([1; 31])}),
        json!({"x": base64([1; 33])}),
        json!({"kid": 7}),
        json!({"kty": "RSA", "n": base64([0xff; 128]), "e": "AQAB"}),
        json!({"kty": "RSA", "n": base64([0xff; 256])}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64([1; 31])}),
        json!({"kty": "OKP", "crv": "X25519"}),
    ] {
        assert_eq!(count(change.clone()), 0, "{change}");
    }
    // For another algorithm than the token's.
    let keys =
        json!({"keys": [{"kty": "RSA", "n": base64([0xff; 256]), "e": "AQAB", "alg": "PS256", "kid": "a"}]});
    let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
    assert!(keys.has(Algorithm::Ps256, Some("a")) && !keys.has(Algorithm::Rs256, Some("a")));
    assert!(!keys.has(Algorithm::Ps256, Some("b")) && keys.has(Algorithm::Ps256, None));
    let many = json!({"keys": vec![good; 1000]});
    assert_eq!(KeySet::parse(many.to_string().as_bytes()).unwrap().len(), 64);
}

fn base64_octets(text: &Value) -> Vec<u8> {
    crate::oauth::jws::decoded(text.as_str().unwrap().as_bytes()).unwrap()
}
