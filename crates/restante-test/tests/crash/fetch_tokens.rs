//! The file of a login: after a power cut at any call of a rotation, or of a first login, there is the old one or the new one, whole,
//! and the new one if anybody was given its access token.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use restante_fetch::oauth::grant::Grant;
use restante_fetch::oauth::http::Http;
use restante_fetch::oauth::provider::Endpoints;
use restante_fetch::oauth::settings::{Provider, Settings};
use restante_fetch::oauth::source::TokenSource;
use restante_fetch::oauth::store::TokenStore;
use restante_proto::secret::Secret;
use restante_test::disk::SimulatedDisk;
use restante_test::oauth::{Behaviour, OauthServer};

use crate::fetch_loops::{self, Scenario};

/// One provider for all that is tried here.
fn provider() -> &'static OauthServer {
    static PROVIDER: OnceLock<OauthServer> = OnceLock::new();
    PROVIDER.get_or_init(|| OauthServer::start(Behaviour::default()))
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn store(disk: &SimulatedDisk) -> TokenStore {
    TokenStore::new(Arc::new(disk.clone()), Path::new("/home/ann/state"), None)
}

fn grant(number: u32) -> Grant {
    let issuer = provider().issuer();
    let endpoints = Endpoints {
        issuer: None,
        authorization: None,
        token: format!("{issuer}/token"),
        device: None,
        revocation: None,
        wants_secret_in_body: false,
    };
    Grant {
        provider: issuer,
        client_id: "me".to_owned(),
        endpoints,
        access: Secret::new(format!("access-{number}").into_bytes()),
        access_ends: Some(now()),
        refresh: Some(Secret::new(format!("refresh-{number}").into_bytes())),
        refresh_ends: None,
        granted: now() - SignedDuration::from_hours(1),
        refreshed: now() - SignedDuration::from_hours(1),
    }
}

fn put(store: &TokenStore, number: u32) -> Result<(), restante_fetch::oauth::error::TokenError> {
    store.lock("ann@mail", &|_| ())?.make_room()?.fill(&grant(number))
}

fn text(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

/// The access token that somebody was given.
type Given = Option<String>;

/// Whatever was before, a login can be forgotten, and the next one works: it is what is promised from now on.
fn goes_on(store: &TokenStore) -> String {
    put(store, 8).unwrap();
    assert_eq!(text(&store.load("ann@mail").unwrap().unwrap().access), "access-8");
    store.lock("ann@mail", &|_| ()).unwrap().forget().unwrap();
    assert!(store.load("ann@mail").unwrap().is_none());
    put(store, 9).unwrap();
    "access-9".to_owned()
}

struct Rotation;

impl Scenario for Rotation {
    type Promises = Given;

    fn prepare(&self, disk: &SimulatedDisk, _: &mut Given) {
        disk.put_folder(Path::new("/home/ann"));
        put(&store(disk), 1).unwrap();
    }

    fn act(&self, disk: &SimulatedDisk, given: &mut Given) {
        provider().accept("refresh-1");
        let settings = Settings {
            provider: Provider::Issuer(provider().issuer()),
            client_id: "me".to_owned(),
            client_secret: None,
            scopes: vec!["mail".to_owned()],
        };
        let with = (store(disk), Http::new(None).unwrap(), Arc::new(|_| ()) as Arc<_>);
        let mut source = TokenSource::new("ann@mail", settings, None, with);
        // What could not be stored the first time is stored the second time, without asking the provider again.
        for _ in 0..2 {
            if let Ok(token) = source.access_token(now()) {
                *given = Some(text(&token));
            }
        }
        let asked = provider().given();
        assert!(asked <= 2, "{asked} tokens for one refresh");
    }

    fn judge(&self, disk: &SimulatedDisk, given: &mut Given) {
        let store = store(disk);
        let kept = store.load("ann@mail").unwrap().expect("a login never vanishes");
        let (access, refresh) = (text(&kept.access), text(kept.refresh.as_ref().unwrap()));
        assert_eq!(access.replace("access", "refresh"), refresh, "halves of two logins");
        match given {
            Some(given) => assert_eq!(&access, given, "given before it was durable"),
            None => assert!(access == "access-1" || access == "access-2", "{access}"),
        }
        *given = Some(goes_on(&store));
    }
}

struct FirstLogin;

impl Scenario for FirstLogin {
    /// The access token of the login that was acknowledged.
    type Promises = Given;

    fn prepare(&self, disk: &SimulatedDisk, _: &mut Given) {
        disk.put_folder(Path::new("/home/ann"));
    }

    fn act(&self, disk: &SimulatedDisk, done: &mut Given) {
        if put(&store(disk), 1).is_ok() {
            *done = Some("access-1".to_owned());
        }
    }

    fn judge(&self, disk: &SimulatedDisk, done: &mut Given) {
        let store = store(disk);
        let kept = store.load("ann@mail").unwrap().map(|kept| text(&kept.access));
        match done {
            Some(_) => assert_eq!(&kept, done, "an acknowledged login is gone"),
            None => assert!(kept.is_none_or(|kept| kept == "access-1")),
        }
        *done = Some(goes_on(&store));
    }
}

mod rotation {
    #[test]
    fn survives_crashes_and_faults() {
        super::fetch_loops::run(module_path!(), &super::Rotation);
    }
}

mod first_login {
    #[test]
    fn survives_crashes_and_faults() {
        super::fetch_loops::run(module_path!(), &super::FirstLogin);
    }
}
