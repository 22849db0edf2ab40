//! Settings as they are written, and grants on a real disk. Whole logins and power cuts are in restante-test.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use restante_config::problem::Problem;
use restante_proto::secret::Secret;
use restante_store::disk::LocalDisk;
use tempfile::TempDir;

use super::error::TokenError;
use super::grant::Grant;
use super::http::Http;
use super::provider::{Endpoints, endpoints};
use super::settings::{Provider, Settings};
use super::source::TokenSource;
use super::store::TokenStore;
use crate::config::{self, account::Credential, place::Around};

/// What a table `oauth` means; or the faults of the file.
fn settings(written: &str) -> Result<Settings, String> {
    let around = Around {
        home: Some(Path::new("/home/ann")),
        environment: &|_| None,
        is_root: false,
        mode: Some(0o600),
    };
    let text = format!(
        "[[account]]\nserver = \"pops://ann@mail.example.org\"\ndeliver = [{{ type = \"maildir\", path = \"~/Mail\" }}]\n[account.oauth]\n{written}"
    );
    let faults =
        |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let config = config::parse(&text, Path::new("/etc/fetch.toml"), &around).map_err(faults)?;
    let again = config::parse(&config.show(), Path::new("/etc/fetch.toml"), &around).map_err(faults)?;
    assert_eq!(config.show(), again.show());
    match config.accounts.into_iter().next().map(|account| account.credential) {
        Some(Credential::Oauth(settings)) => Ok(settings),
        other => panic!("{other:?}"),
    }
}

const ISSUER: &str = "issuer = \"https://id.example.org\"\nclient_id = \"me\"\nscopes = [\"mail\"]";

#[test]
fn the_two_providers_need_a_client_id_only() {
    let google = settings("provider = \"google\"\nclient_id = \"x\"\nclient_secret = \"y\"").unwrap();
    assert_eq!(google.scopes, ["https://mail.google.com/"]);
    assert!(google.client_secret.is_some());
    let http = Http::new(None).unwrap();
    assert!(endpoints(&google, &http).unwrap().device.is_none());
    let microsoft =
        settings("provider = \"microsoft\"\nclient_id = \"x\"\ntenant = \"contoso.example\"").unwrap();
    let at = endpoints(&microsoft, &http).unwrap();
    assert_eq!(at.token, "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token");
    assert!(microsoft.scopes.contains(&"offline_access".to_owned()));
    assert_eq!(settings(ISSUER).unwrap().provider, Provider::Issuer("https://id.example.org".to_owned()));
}

#[test]
fn wrong_settings_are_told_with_what_is_right() {
    for (written, what) in [
        ("client_id = \"x\"", "nobody to get tokens from"),
        ("provider = \"yahoo\"\nclient_id = \"x\"", "account.0.oauth.provider"),
        ("provider = \"google\"", "register an application of your own, at console.cloud.google.com"),
        ("provider = \"microsoft\"\nclient_id = \"\"", "at entra.microsoft.com"),
        (
            "provider = \"google\"\nissuer = \"https://x.example\"\nclient_id = \"x\"",
            "a provider and an issuer",
        ),
        ("provider = \"google\"\nclient_id = \"x\"\ntenant = \"t\"", "take tenant out"),
        ("provider = \"microsoft\"\nclient_id = \"x\"\ntenant = \"a/b\"", "this is no directory"),
        ("provider = \"microsoft\"\nclient_id = \"x\"\ntesting = true", "take testing out"),
        ("provider = \"google\"\nclient_id = \"x\"\nscopes = [\"a b\"]", "blanks in it"),
        ("issuer = \"http://id.example.org\"\nclient_id = \"x\"\nscopes = [\"m\"]", "https only"),
        ("issuer = \"https://id.example.org\"\nclient_id = \"x\"", "without scopes"),
        ("provider = \"google\"\nclient = \"x\"", "there is no such key"),
        ("provider = \"google\"\nclient_id = \"x\"\nclient_secret = 4711", "client_secret"),
    ] {
        let error = settings(written).unwrap_err();
        assert!(error.contains(what), "{written}: {error}");
    }
}

fn grant(now: Timestamp) -> Grant {
    let endpoints = Endpoints {
        issuer: None,
        authorization: None,
        // Nobody listens there: whoever asks fails.
        token: "http://127.0.0.1:1/token".to_owned(),
        device: None,
        revocation: None,
        wants_secret_in_body: false,
    };
    Grant {
        provider: "https://id.example.org".to_owned(),
        client_id: "me".to_owned(),
        endpoints,
        access: Secret::new(b"access-1".to_vec()),
        access_ends: Some(now + SignedDuration::from_hours(1)),
        refresh: Some(Secret::new(b"refresh-1".to_vec())),
        refresh_ends: None,
        granted: now,
        refreshed: now,
    }
}

fn source(store: &TokenStore, settings: Settings) -> TokenSource {
    let pause = Arc::new(|_| panic!("nobody has the lock"));
    TokenSource::new("work", settings, None, (store.clone(), Http::new(None).unwrap(), pause))
}

#[test]
fn a_kept_token_is_given_until_it_ends_and_only_to_its_own_client() {
    let folder = TempDir::new().unwrap();
    let store = TokenStore::new(Arc::new(LocalDisk), &folder.path().join("a/state"), None);
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let mut ours = source(&store, settings(ISSUER).unwrap());
    assert!(matches!(ours.access_token(now), Err(TokenError::NotLoggedIn { .. })));
    let locked = store.lock("work", &|_| ()).unwrap();
    locked.make_room().unwrap().fill(&grant(now)).unwrap();
    drop(locked);
    assert_eq!(ours.access_token(now).unwrap().expose(), b"access-1");
    let later = now + SignedDuration::from_mins(56);
    let error = ours.access_token(later).unwrap_err();
    assert!(matches!(error, TokenError::Unreachable(_)), "{error}");
    assert!(matches!(ours.access_token_after_refusal(now), Err(TokenError::Unreachable(_))));
    let other = settings(&ISSUER.replace("\"me\"", "\"you\"")).unwrap();
    assert!(matches!(source(&store, other).access_token(now), Err(TokenError::OtherClient { .. })));
    // With another key nothing opens, and the old grant stays.
    let told = TokenStore::new(
        Arc::new(LocalDisk),
        &folder.path().join("a/state"),
        Some(Secret::new(b"k".to_vec())),
    );
    assert!(matches!(told.load("work"), Err(TokenError::Sealed { .. })));
    assert!(store.load("work").unwrap().is_some());
    store.lock("work", &|_| ()).unwrap().forget().unwrap();
    assert!(store.load("work").unwrap().is_none());
}

#[test]
fn who_has_the_lock_is_waited_for_and_not_for_ever() {
    let folder = TempDir::new().unwrap();
    let store = TokenStore::new(Arc::new(LocalDisk), folder.path(), None);
    let held = store.lock("work", &|_| ()).unwrap();
    assert!(matches!(store.lock("work", &|_| ()), Err(TokenError::Busy { .. })));
    assert!(store.lock("home", &|_| ()).is_ok());
    drop(held);
    assert!(store.lock("work", &|_| ()).is_ok());
}

#[test]
fn no_text_about_a_grant_shows_a_token() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    assert!(!format!("{:?}", grant(now)).contains("-1\""));
    let folder = TempDir::new().unwrap();
    let store = TokenStore::new(Arc::new(LocalDisk), folder.path(), None);
    assert!(!format!("{:?}", source(&store, settings(ISSUER).unwrap())).contains("-1"));
}
