//! When a certificate is due, and how long a failure waits.

use super::*;
use crate::config::Acme;
use std::time::UNIX_EPOCH;
use tempfile::TempDir;

fn config() -> Config {
    let acme = Acme { names: vec!["Mail.example.org".to_owned()], ..Acme::default() };
    Config { acme, ..Config::default() }
}

/// A certificate for 90 days from the first of January 2026.
fn pair(folder: &TempDir) -> Pair {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["mail.example.org".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 4, 1);
    let chain = params.self_signed(&key).unwrap().pem();
    let kept = Kept::new(folder.path());
    let names = ["mail.example.org".to_owned()];
    kept.keep_certificate(&chain, &key.serialize_pem(), "https://one", &names).unwrap();
    crate::tls::pair::load(&kept::pair_files(folder.path()), UNIX_EPOCH).unwrap()
}

#[test]
fn a_certificate_is_due_with_a_third_of_its_life_left() {
    let folder = TempDir::new().unwrap();
    let (config, pair) = (config(), pair(&folder));
    let (directory, spread) = (config.acme.directory.clone(), Spread(0));
    let is_due = |config: &Config, directory: Option<&str>, days: u64| {
        let now = pair.validity.unwrap().0 + Duration::from_secs(days * 86_400);
        Wanted { config, directory, spread: &spread }.is_due(Some(&pair), now)
    };
    assert!(!is_due(&config, Some(&directory), 59));
    assert!(is_due(&config, Some(&directory), 60));
    let late = Wanted { config: &config, directory: Some(&directory), spread: &Spread(u16::MAX) };
    let begin = pair.validity.unwrap().0;
    assert!(!late.is_due(Some(&pair), begin + Duration::from_secs(62 * 86_400)), "spread over three days");
    assert!(late.is_due(Some(&pair), begin + Duration::from_secs(63 * 86_400)));
    // Another directory, another name, none at all.
    assert!(is_due(&config, Some("https://other"), 1));
    assert!(is_due(&config, None, 1));
    let mut more = config.clone();
    more.acme.names.push("pop.example.org".to_owned());
    assert!(is_due(&more, Some(&directory), 1));
    assert!(Wanted { config: &config, directory: None, spread: &spread }.is_due(None, UNIX_EPOCH));
}

#[test]
fn failures_wait_longer_each_time_and_a_day_at_most() {
    let waits = |spread: u16| [1, 2, 3, 40].map(|failures| backoff(600, failures, &Spread(spread)).as_secs());
    assert_eq!(waits(0), [600, 1200, 2400, 86_400]);
    assert_eq!(waits(u16::MAX), [659, 1319, 2639, 95_039]);
}

#[test]
fn no_more_orders_are_made_in_a_day_than_may_be() {
    let folder = TempDir::new().unwrap();
    let kept = Kept::new(folder.path());
    let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
    assert_eq!(kept.note_order(at(0), 2).unwrap(), Ok(()));
    assert_eq!(kept.note_order(at(100), 2).unwrap(), Ok(()));
    // Another server on the same folder counts on.
    let again = Kept::new(folder.path());
    assert_eq!(again.note_order(at(200), 2).unwrap(), Err(Duration::from_secs(86_201)));
    assert_eq!(again.note_order(at(86_402), 2).unwrap(), Ok(()));
    // A clock that was a year ahead does not hold everything up for a year.
    assert_eq!(again.note_order(UNIX_EPOCH, 2).unwrap(), Ok(()));
}

#[tokio::test]
async fn what_is_kept_is_ours_alone_and_whole() {
    let folder = TempDir::new().unwrap();
    let before = pair(&folder);
    let kept = Kept::new(folder.path());
    assert_eq!(kept.directory().await.as_deref(), Some("https://one"));
    let path = kept::pair_files(folder.path()).certificate;
    assert_eq!(crate::file::permissions(&path).unwrap(), 0o600);
    // A chain with another key, and one for other names, leave the old in use.
    let key = rcgen::KeyPair::generate().unwrap();
    let chain = rcgen::generate_simple_self_signed(vec!["mail.example.org".to_owned()]).unwrap();
    let names = ["mail.example.org".to_owned(), "pop.example.org".to_owned()];
    let refused = kept.keep_certificate(&chain.cert.pem(), &key.serialize_pem(), "https://two", &names[..1]);
    assert!(matches!(refused, Err(kept::KeepError::Unusable(_))), "{refused:?}");
    let key = chain.signing_key.serialize_pem();
    let refused = kept.keep_certificate(&chain.cert.pem(), &key, "https://two", &names);
    assert!(matches!(refused, Err(kept::KeepError::Lacks(_))), "{refused:?}");
    let after = crate::tls::pair::load(&kept::pair_files(folder.path()), UNIX_EPOCH).unwrap();
    assert_eq!(after.validity, before.validity);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 2, "nothing is left beside");
    // An account is kept by its directory.
    kept.keep_account("https://one", b"{}").unwrap();
    assert_eq!(kept.account("https://one").unwrap().unwrap().as_slice(), b"{}");
    assert_eq!(kept.account("https://two").unwrap(), None);
    kept.forget_account("https://one").unwrap();
    assert_eq!(kept.account("https://one").unwrap(), None);
}
