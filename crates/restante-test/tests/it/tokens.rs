//! Logins at a provider of tokens, as `restante-fetch` does them: by device code, by browser, refreshed, given back, and refused.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use restante_fetch::oauth::browser::BrowserLogin;
use restante_fetch::oauth::device::DeviceLogin;
use restante_fetch::oauth::error::TokenError;
use restante_fetch::oauth::grant::Grant;
use restante_fetch::oauth::http::Http;
use restante_fetch::oauth::provider::endpoints;
use restante_fetch::oauth::settings::{Provider, Settings};
use restante_fetch::oauth::source::{self, TokenSource};
use restante_fetch::oauth::store::TokenStore;
use restante_proto::secret::Secret;
use restante_store::disk::LocalDisk;
use restante_test::oauth::{Behaviour, OauthServer, Person, browse};
use tempfile::TempDir;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn settings(server: &OauthServer) -> Settings {
    Settings {
        provider: Provider::Issuer(server.issuer()),
        client_id: "restante".to_owned(),
        client_secret: None,
        scopes: vec!["mail".to_owned(), "offline_access".to_owned()],
    }
}

fn http() -> Http {
    Http::new(None).unwrap()
}

fn text(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

/// A login by device code; answers the seconds that were waited, too.
fn by_device(server: &OauthServer) -> (Result<Grant, TokenError>, Vec<u64>) {
    let (settings, http) = (settings(server), http());
    let waited = std::cell::RefCell::new(Vec::new());
    let pause = |time: Duration| waited.borrow_mut().push(time.as_secs());
    let grant = endpoints(&settings, &http).and_then(|endpoints| {
        let login = DeviceLogin::begin(&settings, None, &http, &endpoints)?;
        assert_eq!(login.user_code(), "WDJB-MJHT");
        assert!(login.whole_address().unwrap().ends_with("/activate?user_code=WDJB-MJHT"));
        login.finish(&settings, None, &http, &endpoints, (&pause, &now))
    });
    (grant, waited.into_inner())
}

/// A login by browser.
fn by_browser(server: &OauthServer, client_secret: Option<&str>) -> Result<Grant, TokenError> {
    let (settings, http) = (settings(server), http());
    let endpoints = endpoints(&settings, &http)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let code = runtime.block_on(async {
        let login = BrowserLogin::begin(&settings, &http, &endpoints, 0).await?;
        let address = login.address().to_owned();
        let browser = std::thread::spawn(move || browse(&address));
        let code = login.code(Duration::from_secs(30)).await;
        let page = browser.join().unwrap();
        let is_told =
            page.contains("Look at the terminal") && page.contains("no-store") && !page.contains("code-");
        assert!(is_told, "{page}");
        code
    })?;
    let secret = client_secret.map(|secret| Secret::new(secret.as_bytes().to_vec()));
    code.redeem(&settings, secret.as_ref(), &http, &endpoints, now())
}

/// A kept login, and a source of its tokens.
fn kept(server: &OauthServer) -> (TempDir, TokenStore, TokenSource) {
    let folder = TempDir::new().unwrap();
    let store = TokenStore::new(Arc::new(LocalDisk), folder.path(), None);
    let grant = by_device(server).0.unwrap();
    store.lock("work", &|_| ()).unwrap().make_room().unwrap().fill(&grant).unwrap();
    let source = another_source(server, &store);
    (folder, store, source)
}

fn another_source(server: &OauthServer, store: &TokenStore) -> TokenSource {
    let pause = Arc::new(std::thread::park_timeout);
    TokenSource::new("work", settings(server), None, (store.clone(), http(), pause))
}

#[test]
fn a_device_code_is_asked_for_in_the_pace_that_the_provider_wants() {
    let server = OauthServer::start(Behaviour {
        person: Person::Waits,
        slow_downs: 2,
        agrees_after: Some(4),
        ..Behaviour::default()
    });
    let (grant, waited) = by_device(&server);
    let grant = grant.unwrap();
    assert_eq!((&*text(&grant.access), &*text(grant.refresh.as_ref().unwrap())), ("access-1", "refresh-1"));
    assert_eq!(grant.access_ends, Some(now() + SignedDuration::from_hours(1)));
    // RFC 8628 section 3.5: five seconds more for each slow_down, and they stay.
    assert_eq!(waited, [10, 15, 15, 15]);
    assert_eq!(server.forms("/device")[0]["scope"], "mail offline_access");
    assert_eq!(server.forms("/device")[0]["client_id"], "restante");
}

#[test]
fn a_device_code_that_is_denied_or_ends_says_so() {
    let server = OauthServer::start(Behaviour { person: Person::Denies, ..Behaviour::default() });
    assert!(matches!(by_device(&server).0, Err(TokenError::Denied)));
    server.behave(|behaviour| behaviour.answers = vec![(400, "{\"error\":\"expired_token\"}".to_owned())]);
    assert!(matches!(by_device(&server).0, Err(TokenError::TooLate)));
    // A provider that says nothing of the end, but whose code has ended by its own account.
    server.behave(|behaviour| (behaviour.person, behaviour.device_life) = (Person::Waits, 0));
    let start = std::time::Instant::now();
    assert!(matches!(by_device(&server).0, Err(TokenError::TooLate)));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_browser_brings_a_code_that_is_good_with_its_verifier_only() {
    let server = OauthServer::start(Behaviour::default());
    let grant = by_browser(&server, Some("s&cret")).unwrap();
    assert_eq!(text(&grant.access), "access-1");
    let asked = &server.forms("/authorize")[0];
    assert_eq!((&*asked["code_challenge_method"], &*asked["scope"]), ("S256", "mail offline_access"));
    assert!(asked["redirect_uri"].starts_with("http://127.0.0.1:"), "{asked:?}");
    assert!(asked["state"].len() >= 32);
    let redeemed = &server.forms("/token")[0];
    assert!(redeemed["code_verifier"].len() >= 43);
    // RFC 6749 section 2.3.1: the secret goes in the header, and nowhere else.
    assert!(redeemed.contains_key("(basic)") && !redeemed.contains_key("client_secret"), "{redeemed:?}");
    server.behave(|behaviour| behaviour.person = Person::Denies);
    assert!(matches!(by_browser(&server, None), Err(TokenError::Denied)));
}

#[test]
fn a_token_is_refreshed_when_it_ends_and_the_rotated_one_is_kept() {
    let server = OauthServer::start(Behaviour::default());
    let (folder, store, mut source) = kept(&server);
    assert_eq!(text(&source.access_token(now()).unwrap()), "access-1");
    for round in 2..5_u32 {
        let later = now() + SignedDuration::from_hours(i64::from(round));
        assert_eq!(text(&source.access_token(later).unwrap()), format!("access-{round}"));
        // As if the process had been killed now: another one goes on from the disk.
        let grant = store.load("work").unwrap().unwrap();
        assert_eq!(text(grant.refresh.as_ref().unwrap()), format!("refresh-{round}"));
        assert_eq!(server.refresh_token(), Some(format!("refresh-{round}")));
        source = another_source(&server, &store);
    }
    // A provider that does not rotate: the old refresh token stays.
    server.behave(|behaviour| behaviour.rotates = false);
    let later = now() + SignedDuration::from_hours(10);
    assert_eq!(text(&source.access_token(later).unwrap()), "access-5");
    assert_eq!(text(store.load("work").unwrap().unwrap().refresh.as_ref().unwrap()), "refresh-4");
    // Nothing of it can be read in the files.
    for entry in std::fs::read_dir(folder.path().join("tokens")).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        let shown = String::from_utf8_lossy(&octets);
        assert!(!shown.contains("refresh-") && !shown.contains("access-"));
    }
}

#[test]
fn a_refused_token_is_replaced_once_and_by_what_another_process_has_got() {
    let server = OauthServer::start(Behaviour::default());
    let (_folder, store, mut first) = kept(&server);
    let mut second = another_source(&server, &store);
    assert_eq!(text(&first.access_token(now()).unwrap()), "access-1");
    assert_eq!(text(&second.access_token(now()).unwrap()), "access-1");
    assert_eq!(text(&first.access_token_after_refusal(now()).unwrap()), "access-2");
    assert_eq!(text(&second.access_token_after_refusal(now()).unwrap()), "access-2");
    assert_eq!(server.given(), 2);
}

#[test]
fn two_processes_that_refresh_at_once_ask_once() {
    let server = OauthServer::start(Behaviour::default());
    let (_folder, store, _) = kept(&server);
    let later = now() + SignedDuration::from_hours(2);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let mut source = another_source(&server, &store);
            std::thread::spawn(move || text(&source.access_token(later).unwrap()))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), "access-2");
    }
    // A second refresh with the same token would have ended the login.
    assert_eq!(server.refresh_token().as_deref(), Some("refresh-2"));
}

#[test]
fn a_login_that_was_withdrawn_says_who_has_to_do_what() {
    let server = OauthServer::start(Behaviour::default());
    let (_folder, store, mut source) = kept(&server);
    let later = now() + SignedDuration::from_hours(2);
    for error in ["invalid_grant", "interaction_required"] {
        let body = format!(
            "{{\"error\":\"{error}\",\"error_description\":\"AADSTS700082 refresh-1 is old\\r\\nTrace\"}}"
        );
        server.behave(|behaviour| behaviour.answers = vec![(400, body)]);
        let refused = source.access_token(later).unwrap_err();
        assert!(matches!(refused, TokenError::Withdrawn { .. }), "{refused}");
        assert_eq!(refused.remedy(), "run: restante login work");
        let shown = format!("{refused} {refused:?}");
        assert!(shown.contains("AADSTS700082 … is old") && !shown.contains("Trace"), "{shown}");
    }
    // It is for the person to decide: the old login stays where it is.
    assert!(store.load("work").unwrap().is_some());
}

#[test]
fn answers_that_are_none_are_told_without_showing_them() {
    let server = OauthServer::start(Behaviour::default());
    let (_folder, store, mut source) = kept(&server);
    let later = now() + SignedDuration::from_hours(2);
    let mut refused = |status: u16, body: &str| {
        server.behave(|behaviour| behaviour.answers = vec![(status, body.to_owned())]);
        let error = source.access_token(later).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        error
    };
    let is_unreachable = |error: TokenError| matches!(error, TokenError::Unreachable(_));
    let is_garbled = |error: TokenError| matches!(error, TokenError::Garbled { .. });
    assert!(is_unreachable(refused(503, "hunter2")));
    assert!(is_unreachable(refused(429, "")));
    assert!(is_garbled(refused(200, "{\"access_token\":\"hunter2\"")));
    assert!(is_garbled(refused(200, "{\"access_token\":[\"hunter2\"],\"token_type\":\"Bearer\"}")));
    assert!(is_garbled(refused(200, "")));
    assert!(is_garbled(refused(302, "hunter2")));
    assert!(is_unreachable(refused(200, &"hunter2".repeat(100_000))));
    assert!(matches!(refused(401, "{\"error\":\"invalid_client\"}"), TokenError::Refused { .. }));
    // None of this has cost the login.
    assert_eq!(text(store.load("work").unwrap().unwrap().refresh.as_ref().unwrap()), "refresh-1");
    assert_eq!(text(&source.access_token(later).unwrap()), "access-2");
}

#[test]
fn a_login_can_be_given_back() {
    let server = OauthServer::start(Behaviour::default());
    let (_folder, store, _) = kept(&server);
    let grant = store.load("work").unwrap().unwrap();
    let secret = Secret::new(b"s&cret".to_vec());
    source::revoke(&settings(&server), Some(&secret), &http(), &grant).unwrap();
    assert_eq!(server.refresh_token(), None);
    let form = &server.forms("/revoke")[0];
    assert_eq!((&*form["token"], &*form["token_type_hint"]), ("refresh-1", "refresh_token"));
    assert!(form.contains_key("(basic)"));
    let server = OauthServer::start(Behaviour { revokes: false, ..Behaviour::default() });
    let (_folder, store, _) = kept(&server);
    let grant = store.load("work").unwrap().unwrap();
    let error = source::revoke(&settings(&server), None, &http(), &grant).unwrap_err();
    assert!(matches!(error, TokenError::NotOffered { .. }), "{error}");
}

#[test]
fn both_kinds_of_discovery_work_and_a_wrong_issuer_is_not_believed() {
    let server = OauthServer::start(Behaviour { is_rfc_8414: true, ..Behaviour::default() });
    assert!(by_device(&server).0.is_ok());
    server.behave(|behaviour| behaviour.issuer = Some("https://evil.example".to_owned()));
    let error = by_device(&server).0.unwrap_err();
    assert!(matches!(error, TokenError::Discovery { .. }), "{error}");
    let address = server.issuer();
    drop(server);
    let settings = Settings {
        provider: Provider::Issuer(address),
        client_id: "x".to_owned(),
        client_secret: None,
        scopes: vec!["mail".to_owned()],
    };
    assert!(matches!(endpoints(&settings, &http()), Err(TokenError::Unreachable(_))));
}

#[test]
fn a_token_that_is_about_to_die_is_told_before() {
    let server = OauthServer::start(Behaviour { refresh_life: Some(30 * 86_400), ..Behaviour::default() });
    let (_folder, _store, mut source) = kept(&server);
    assert_eq!(source.warning(now()).unwrap(), None);
    let near = now() + SignedDuration::from_hours(24 * 24);
    let ending = source.warning(near).unwrap().unwrap();
    assert_eq!(ending.at, now() + SignedDuration::from_hours(30 * 24));
    // A refresh puts it off, since the provider says so.
    let count = Cell::new(0);
    source.access_token(near).map(|_| count.set(1)).unwrap();
    assert_eq!((count.get(), source.warning(near).unwrap()), (1, None));
}
