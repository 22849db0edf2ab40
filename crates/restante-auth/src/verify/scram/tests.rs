//! SCRAM against accounts of every kind and against names that nobody has.

use std::collections::HashMap;

use restante_proto::sasl::{Credentials, Mechanism};

use super::super::tests::{Twin, attempt, over, settings};
use std::time::Instant;

use super::*;
use crate::directory::census::Coverage;
use crate::password::Scheme;
use crate::password::StoredPassword;
use crate::verify::{Authenticator, Settings};

/// Of `correct horse é`, made by Dovecot.
const STORED: &str = "{SCRAM-SHA-256}4096,9QDk/NU6XE2XuTknSaiZUA==,Pq/3Wc0Ua92szMouVBtfHcsP1UFfGQXMKU7Y9WQvz18=,RBj4OYXGUFH30dw4+8jzhHOAOvm8mBpq9lCgFZOdX8U=";
const PASSWORD: &str = "correct horse é";
const CRYPT: &str = "{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE";

fn with_key(octet: u8) -> Settings {
    Settings {
        scram: Some(ScramSettings { iterations: 5000, ..ScramSettings::new([octet; 32]) }),
        ..settings()
    }
}

fn mixed(settings: Settings) -> Authenticator {
    let accounts = Twin::new(&[
        ("alice", "{PLAIN}one"),
        ("bob", STORED),
        ("carol", CRYPT),
        ("locked", ""),
        ("dave", STORED),
    ]);
    over(&[accounts], settings)
}

/// What a client does that believes what it is shown: RFC 5802 section 3, by itself.
fn proof(hash: Hash, password: &str, shown: &ScramParameters, messages: &[u8]) -> Vec<u8> {
    let salted = hash.pbkdf2(password.as_bytes(), &shown.salt, shown.iterations);
    let key = hash.hmac(&salted, b"Client Key");
    let signature = hash.hmac(&hash.digest(&[&key]), messages);
    key.iter().zip(signature.iter()).map(|(one, other)| one ^ other).collect()
}

async fn log_in(
    authenticator: &Authenticator,
    user: &str,
    hash: ScramHash,
    password: &str,
) -> Result<ServerSignature, Reason> {
    let shown = authenticator.prepare_scram(user.as_bytes(), hash, now()).await.unwrap();
    let claim = ScramClaim {
        user: user.as_bytes().to_vec(),
        authorization: None,
        hash,
        is_bound: false,
        auth_message: b"all messages".to_vec(),
        proof: proof(Hash::from(hash), password, &shown, b"all messages"),
    };
    match authenticator.verify(attempt(&Credentials::Scram(claim), Instant::now())).await {
        Verdict::Granted(grant) => {
            assert_eq!(grant.account.name.as_str(), user);
            Ok(grant.server_signature.unwrap())
        }
        Verdict::Refused(reason) => Err(reason),
        Verdict::Unavailable(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_verifier_or_a_plain_secret_is_enough() {
    let authenticator = mixed(with_key(1));
    let StoredPassword { form: crate::password::Form::Scram(verifier) } =
        StoredPassword::parse(STORED.as_bytes(), Scheme::Plain).unwrap()
    else {
        panic!("no verifier")
    };
    let signature = log_in(&authenticator, "bob", ScramHash::Sha256, PASSWORD).await.unwrap();
    assert_eq!(signature.0, verifier.hash.hmac(&verifier.server_key, b"all messages").to_vec());
    for hash in [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512] {
        assert_eq!(log_in(&authenticator, "alice", hash, "one").await.unwrap().0.len(), hash.octets());
        assert_eq!(log_in(&authenticator, "alice", hash, "two").await, Err(Reason::WrongPassword));
    }
    for (user, hash, reason) in [
        ("bob", ScramHash::Sha1, Reason::NoVerifier),
        ("carol", ScramHash::Sha256, Reason::NoVerifier),
        ("locked", ScramHash::Sha256, Reason::Locked),
        ("nobody", ScramHash::Sha256, Reason::UnknownAccount),
    ] {
        for password in [PASSWORD, "one", "nobody's", ""] {
            assert_eq!(log_in(&authenticator, user, hash, password).await, Err(reason), "{user} {password}");
        }
    }
}

#[tokio::test]
async fn r5802_7_1_a_name_that_nobody_has_is_shown_what_accounts_are_shown() {
    let shown = async |authenticator: &Authenticator, user: String| {
        authenticator.prepare_scram(user.as_bytes(), ScramHash::Sha256, now()).await.unwrap()
    };
    let (here, restarted, elsewhere) = (mixed(with_key(1)), mixed(with_key(1)), mixed(with_key(2)));
    let mut seen: HashMap<u32, u32> = HashMap::new();
    for number in 0..300 {
        let user = format!("nobody{number}");
        let first = shown(&here, user.clone()).await;
        assert_eq!(first, shown(&here, user.to_uppercase()).await, "asked twice");
        assert_eq!(first, shown(&restarted, user.clone()).await, "after a restart");
        assert_ne!(first.salt, shown(&elsewhere, user).await.salt, "another key");
        assert_eq!(first.salt.len(), 16);
        *seen.entry(first.iterations).or_default() += 1;
    }
    // One account of three is derived, two are stored.
    assert_eq!(seen.len(), 2);
    assert!((60..140).contains(&seen[&5000]), "{seen:?}");
    assert!(seen.contains_key(&4096));
    for user in ["carol", "locked", "../etc", "\u{7}"] {
        let first = shown(&here, user.to_owned()).await;
        assert_eq!(first, shown(&restarted, user.to_owned()).await, "{user}");
        assert!(first.salt.len() == 16 && [4096, 5000].contains(&first.iterations), "{user}");
    }
    let (alice, bob) = (shown(&here, "alice".to_owned()).await, shown(&here, "bob".to_owned()).await);
    assert_eq!((alice.iterations, bob.iterations), (5000, 4096));
    assert_eq!(alice, shown(&restarted, "alice".to_owned()).await, "derived salts stay too");
}

#[tokio::test]
async fn r4422_3_6_1_a_proof_for_a_name_that_nobody_has_takes_the_work_of_a_wrong_one() {
    for (accounts, derives) in
        [(Twin::new(&[("alice", "{PLAIN}one")]), true), (Twin::new(&[("alice", STORED)]), false)]
    {
        let authenticator = over(&[accounts], with_key(1));
        for user in ["alice", "nobody"] {
            let before = authenticator.checks();
            assert!(log_in(&authenticator, user, ScramHash::Sha256, "wrong").await.is_err());
            assert_eq!(authenticator.checks() - before, 1, "{user}");
            // With no place to hash, only those who need one are told to come back: for both alike.
            let held = authenticator.inner.hashing.hold_all();
            let claim = ScramClaim {
                user: user.as_bytes().to_vec(),
                authorization: None,
                hash: ScramHash::Sha256,
                is_bound: true,
                auth_message: Vec::new(),
                proof: vec![0; 32],
            };
            let verdict = authenticator.verify(attempt(&Credentials::Scram(claim), Instant::now())).await;
            assert_eq!(matches!(verdict, Verdict::Unavailable(_)), derives, "{user}");
            drop(held);
        }
    }
}

#[tokio::test]
async fn nobody_acts_as_another_account() {
    let authenticator = mixed(with_key(1));
    let shown = authenticator.prepare_scram(b"bob", ScramHash::Sha256, now()).await.unwrap();
    for (authorization, expected) in [("bob", true), ("BOB@example.org", true), ("dave", false), ("/", false)]
    {
        let claim = ScramClaim {
            user: b"bob".to_vec(),
            authorization: Some(authorization.as_bytes().to_vec()),
            hash: ScramHash::Sha256,
            is_bound: false,
            auth_message: b"x".to_vec(),
            proof: proof(Hash::Sha256, PASSWORD, &shown, b"x"),
        };
        let verdict = authenticator.verify(attempt(&Credentials::Scram(claim), Instant::now())).await;
        assert_eq!(matches!(verdict, Verdict::Granted(_)), expected, "{authorization}");
    }
}

#[tokio::test]
async fn without_a_key_there_is_no_scram() {
    let authenticator = mixed(settings());
    assert_eq!(authenticator.coverage(Mechanism::ScramSha256), Coverage::None);
    assert!(authenticator.prepare_scram(b"alice", ScramHash::Sha256, now()).await.is_err());
    let authenticator = mixed(with_key(1));
    assert_eq!(authenticator.coverage(Mechanism::ScramSha256Plus), Coverage::Some);
    assert_eq!(authenticator.coverage(Mechanism::CramMd5), Coverage::Some);
    let authenticator = over(&[Twin::new(&[("alice", "{PLAIN}one"), ("bob", STORED)])], with_key(1));
    assert_eq!(authenticator.coverage(Mechanism::ScramSha256), Coverage::All);
    assert_eq!(authenticator.coverage(Mechanism::ScramSha512), Coverage::Some);
}

#[test]
fn salts_of_any_length_are_made() {
    let disguise = Disguise::new(ScramSettings::new([7; 32]));
    for octets in [0, 1, 31, 32, 33, 100] {
        assert_eq!(disguise.salt(Hash::Sha1, b"bob", octets).len(), octets);
    }
    assert_ne!(disguise.salt(Hash::Sha1, b"bob", 16), disguise.salt(Hash::Sha256, b"bob", 16));
    assert!(disguise.salt(Hash::Sha1, b"bob", 100).starts_with(&disguise.salt(Hash::Sha1, b"bob", 33)));
    assert_eq!(disguise.place(Hash::Sha1, b"bob", 0), 0);
    assert!(disguise.place(Hash::Sha1, b"bob", u64::MAX) < u64::MAX);
}

fn now() -> Circumstances {
    Circumstances::new(crate::directory::Service::Pop3, Instant::now())
}
