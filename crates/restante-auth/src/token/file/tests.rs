//! Files of tokens, good and bad, and what they say of a token.

use super::*;
use crate::directory::{Circumstances, Service};

/// `printf tok-one | sha256sum`.
const ONE: &str = "2c4c6a5c";

fn digest(token: &str) -> String {
    Hash::Sha256.digest(&[token.as_bytes()]).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn read(text: &str) -> Result<Tokens, Vec<String>> {
    Tokens::read(text.as_bytes(), &address::Settings::default())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn at(text: &str) -> SystemTime {
    moment(text).unwrap()
}

#[test]
fn a_token_is_its_accounts_until_it_expires() {
    let text = format!(
        "# devices\n\nalice:{}\r\nBob@example.org:{}:2027-01-31T00:00:00Z\n alice:{}:2027-01-31T12:00:00+02:00\n",
        digest("tok-one"),
        digest("tok-two").to_uppercase(),
        digest("tok-three"),
    );
    let tokens = read(&text).unwrap();
    assert_eq!(tokens.len(), 3);
    let found = |token: &str, today: &str| match tokens.find(&Secret::new(token.into()), at(today)) {
        Finding::Account(name) => name.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(found("tok-one", "2100-01-01T00:00:00Z"), "alice");
    assert_eq!(found("tok-two", "2027-01-30T23:59:59Z"), "bob");
    assert_eq!(found("tok-two", "2027-01-31T00:00:00Z"), "Expired(\"bob\")");
    assert_eq!(found("tok-three", "2027-01-31T09:59:59Z"), "alice");
    assert_eq!(found("tok-three", "2027-01-31T10:00:00Z"), "Expired(\"alice\")");
    for unknown in ["tok-four", "", "TOK-ONE", &digest("tok-one")] {
        assert_eq!(found(unknown, "2027-01-01T00:00:00Z"), "Unknown", "{unknown}");
    }
}

#[test]
fn the_digest_is_what_sha256sum_says() {
    assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn every_problem_is_told_with_its_line() {
    let good = digest("x");
    let text = format!(
        "alice\nalice:{ONE}\nalice:{good}x\n../etc:{good}\nalice:{good}:tomorrow\nalice:{good}\nbob:{good}\n"
    );
    assert_eq!(
        read(&text).unwrap_err(),
        [
            "line 1: there is no colon; write account:digest or account:digest:expiry",
            "line 2: alice: the digest is not 64 hexadecimal digits; write what sha256sum says of the token without a line end",
            "line 3: alice: the digest is not 64 hexadecimal digits; write what sha256sum says of the token without a line end",
            "line 4: ../etc: the name holds a character that is not allowed; name the account or remove the line",
            "line 5: alice: the expiry is no moment; write it as 2027-01-31T00:00:00Z",
            "line 7: bob: the token of line 6 again; make another token, or remove one of the two lines",
        ]
    );
}

#[tokio::test]
async fn a_token_that_is_taken_out_is_good_for_nothing_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, format!("alice:{}\n", digest("tok"))).unwrap();
    let settings = Settings { check_every: Duration::ZERO, ..Settings::new(&path) };
    let tokens = FileTokens::open(settings, address::Settings::default(), None).unwrap();
    let credentials = restante_proto::sasl::Credentials::External { authorization: None };
    let attempt = Attempt {
        credentials: &credentials,
        certificate: None,
        at: Circumstances::new(Service::Pop3, Instant::now()),
        today: SystemTime::now(),
    };
    let token = Secret::new(b"tok".to_vec());
    assert!(matches!(tokens.verify(&token, None, &attempt).await.unwrap(), Finding::Account(_)));
    // The last one too: an empty file is no accident here.
    std::fs::write(folder.path().join("new"), "").unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    assert_eq!(tokens.verify(&token, None, &attempt).await.unwrap(), Finding::Unknown);
}
