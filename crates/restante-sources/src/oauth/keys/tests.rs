//! How often an issuer is asked, by moments that the test chooses.

use super::*;
use crate::http::Url;
use crate::oauth::ask;
use crate::oauth::tests::{Issuer, SigningKey, notices, set, until};

const PACE: Pace = Pace {
    refresh: Duration::from_secs(3600),
    retry: Duration::from_secs(30),
    keep: Duration::from_secs(86_400),
};

fn keys(issuer: &Issuer, notify: Option<Notify>) -> Keys {
    let settings = ask::Settings { authorities: None, parallel_max: 1, timeout: Duration::from_secs(30) };
    let place = Place::Keys(Url::parse(&issuer.url("/keys"), false).unwrap());
    let asker = Asker::new(&settings).unwrap();
    Keys::new("tokens twin".to_owned(), place, None, asker, PACE, notify)
}

async fn find(keys: &Keys, id: &str, now: Instant) -> Result<bool, String> {
    let wanted = Wanted { algorithm: Algorithm::Es256, id: Some(id) };
    keys.with(wanted, now).await.map(|found| found.is_some()).map_err(|error| {
        assert!(error.is_temporary());
        error.to_string()
    })
}

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_once_in_a_while() {
    let (issuer, key, start) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    issuer.answers(set(&[&key]));
    let keys = keys(&issuer, None);
    let strangers = (0..200).map(|number| {
        let keys = keys.clone();
        tokio::spawn(async move { find(&keys, &format!("none-{number}"), start).await })
    });
    for stranger in strangers.collect::<Vec<_>>() {
        assert_eq!(stranger.await.unwrap(), Ok(false));
    }
    assert_eq!(issuer.asked().len(), 1);
    // The owner of a good token does not suffer from it.
    assert_eq!(find(&keys, "one", after(start, 1)).await, Ok(true));
    assert_eq!(find(&keys, "none", after(start, 29)).await, Ok(false));
    assert_eq!(issuer.asked().len(), 1);
    assert_eq!(find(&keys, "none", after(start, 30)).await, Ok(false));
    assert_eq!(find(&keys, "other", after(start, 31)).await, Ok(false));
    assert_eq!(issuer.asked().len(), 2);
}

#[tokio::test]
async fn a_new_key_is_found_when_it_is_named() {
    let (issuer, start) = (Issuer::start(), Instant::now());
    let (one, two) = (SigningKey::new("one"), SigningKey::new("two"));
    issuer.answers(set(&[&one]));
    let keys = keys(&issuer, None);
    assert_eq!(find(&keys, "one", start).await, Ok(true));
    issuer.answers(set(&[&two]));
    assert_eq!(find(&keys, "two", after(start, 5)).await, Ok(false), "too soon after the last question");
    assert_eq!(find(&keys, "two", after(start, 40)).await, Ok(true));
    assert_eq!(find(&keys, "one", after(start, 41)).await, Ok(false), "withdrawn");
}

#[tokio::test]
async fn keys_are_fetched_again_in_time_and_nobody_waits_for_it() {
    let (issuer, start) = (Issuer::start(), Instant::now());
    let (one, two) = (SigningKey::new("one"), SigningKey::new("two"));
    issuer.answers(set(&[&one]));
    let keys = keys(&issuer, None);
    assert_eq!(find(&keys, "one", start).await, Ok(true));
    assert_eq!(find(&keys, "one", after(start, 3599)).await, Ok(true));
    assert_eq!(issuer.asked().len(), 1);
    issuer.answers(set(&[&two]));
    // The old key still serves while the question is under way.
    assert_eq!(find(&keys, "one", after(start, 3600)).await, Ok(true));
    let state = || keys.inner.state().held.as_ref().unwrap().since;
    until("the new set", || state() == after(start, 3600)).await;
    assert_eq!(find(&keys, "one", after(start, 3601)).await, Ok(false));
    assert_eq!(find(&keys, "two", after(start, 3601)).await, Ok(true));
    assert_eq!(issuer.asked().len(), 2);
}

#[tokio::test]
async fn while_the_issuer_is_away_its_keys_serve_for_a_bounded_time() {
    let (issuer, key, start) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    let (notify, said) = notices();
    let keys = keys(&issuer, Some(notify));
    // Nothing is known: it cannot be said.
    assert!(find(&keys, "one", start).await.unwrap_err().contains("it cannot be asked"));
    assert!(find(&keys, "one", after(start, 29)).await.is_err());
    assert_eq!(issuer.asked().len(), 1);
    issuer.answers(set(&[&key]));
    assert_eq!(find(&keys, "one", after(start, 30)).await, Ok(true));
    issuer.is_away();
    for hours in [2, 3, 24] {
        let now = after(start, 3600 * hours);
        assert_eq!(find(&keys, "one", now).await, Ok(true));
        until("the question", || keys.inner.state().asked == Some(now) && keys.inner.state().fault.is_some())
            .await;
        until("its end", || keys.inner.turn.try_lock().is_ok()).await;
    }
    assert_eq!(said.lock().unwrap().len(), 1, "said once: {said:?}");
    // Another key might be there now: nobody is told that his token is wrong.
    assert!(find(&keys, "two", after(start, 3600 * 24 + 1)).await.is_err());
    assert!(find(&keys, "one", after(start, 86_400 + 30)).await.is_err(), "too old to be believed");
    issuer.answers(set(&[&key]));
    assert_eq!(find(&keys, "one", after(start, 86_400 + 60)).await, Ok(true));
}

#[tokio::test]
async fn what_is_no_set_of_keys_changes_nothing() {
    let (issuer, key, start) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    issuer.answers(set(&[&key]));
    let keys = keys(&issuer, None);
    assert_eq!(keys.renew(start).await.unwrap(), 1);
    for (answer, says) in [
        ("", "is no set of keys"),
        ("{}", "is no set of keys"),
        ("{\"keys\":[],\"keys\":[]}", "is no set of keys"),
        ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}", "has no key for signatures"),
    ] {
        issuer.answers(answer);
        let error = keys.renew(start).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    issuer.answers(format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000)));
    assert!(keys.renew(start).await.unwrap_err().to_string().contains("cannot be read"));
    issuer.answers_with("503 Later", "{\"keys\":[]}");
    assert!(keys.renew(start).await.unwrap_err().to_string().contains("status 503"));
    // A redirect leads nowhere.
    let elsewhere = Issuer::start();
    elsewhere.answers(set(&[]));
    issuer.answers_with(&format!("302 Found\r\nLocation: {}", elsewhere.url("/")), "");
    assert!(keys.renew(start).await.unwrap_err().to_string().contains("status 302"));
    assert_eq!(elsewhere.asked().len(), 0);
    assert_eq!(find(&keys, "one", start).await, Ok(true));
}

#[tokio::test]
async fn a_successor_goes_on_with_the_keys_and_asks_soon() {
    let (issuer, key, start) = (Issuer::start(), SigningKey::new("one"), Instant::now());
    issuer.answers(set(&[&key]));
    let before = keys(&issuer, None);
    assert!(before.hand_over().is_none());
    assert_eq!(find(&before, "one", start).await, Ok(true));
    issuer.is_away();
    let next = keys(&issuer, None);
    next.take_over(&before.hand_over().unwrap());
    assert_eq!(find(&next, "one", after(start, 1)).await, Ok(true));
    until("the question", || issuer.asked().len() == 2).await;
    // Not one that believes others.
    let other = Issuer::start();
    let stranger = keys(&other, None);
    stranger.take_over(&before.hand_over().unwrap());
    assert!(find(&stranger, "one", start).await.is_err());
}
