//! `restante login` and `restante logout`: a person agrees once, and tokens are kept from then on.
//!
//! Here is what is shown and asked; the protocol and the files are in `restante_fetch::oauth`. Passwords of command lines are in
//! `cmd/login.rs`.

mod status;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use restante_fetch::config::Config;
use restante_fetch::config::account::{Account, Credential};
use restante_fetch::oauth::browser::BrowserLogin;
use restante_fetch::oauth::device::DeviceLogin;
use restante_fetch::oauth::error::{Blame, TokenError};
use restante_fetch::oauth::grant::Grant;
use restante_fetch::oauth::http::{Http, proxy};
use restante_fetch::oauth::provider::{Endpoints, endpoints};
use restante_fetch::oauth::settings::Settings;
use restante_fetch::oauth::source::revoke;
use restante_fetch::oauth::store::TokenStore;
use restante_fetch::secret::{SecretSource, Surroundings, TIME_LIMIT};
use restante_proto::secret::Secret;
use restante_store::disk::LocalDisk;
use serde::Serialize;

use crate::clock;
use crate::exit::{Code, Failure};
use crate::flags::tokens::{FetchFile, Login, Logout};
use crate::terminal::{self, visible};

use super::fetch::accounts::{self, variable};

/// Logs an account in, or shows who is.
pub(crate) fn login(flags: &Login) -> Result<(), Failure> {
    let found = find(&flags.file)?;
    if flags.status {
        return status::show(&found, flags);
    }
    let account = found.account(flags.account.as_deref().unwrap_or_default())?;
    let at = Desk::new(&found, account)?;
    let endpoints = endpoints(at.settings, &at.http).map_err(|error| failed(&error))?;
    let grant = match by_browser(flags, &endpoints) {
        true => at.by_browser(flags, &endpoints)?,
        false => at.by_device(flags, &endpoints)?,
    };
    let locked = at.store.lock(&account.name, &wait).map_err(|error| failed(&error))?;
    locked.make_room().and_then(|room| room.fill(&grant)).map_err(|error| failed(&error))?;
    let row = status::Row::of(account, at.settings, Ok(Some(&grant)), now()?);
    if flags.json.json {
        return say(&Event::LoggedIn(&row));
    }
    terminal::print(&format!("{} is logged in at {}.\n", account.name, visible(&row.provider)))?;
    match grant.refresh {
        Some(_) => Ok(()),
        None => terminal::print(
            "The provider gave no refresh token: this login ends with its access token. \
             Many give one when scopes holds offline_access.\n",
        ),
    }
}

/// Gives a login back, and forgets it.
pub(crate) fn logout(flags: &Logout) -> Result<(), Failure> {
    let found = find(&flags.file)?;
    let account = found.account(&flags.account)?;
    let at = Desk::new(&found, account)?;
    let locked = at.store.lock(&account.name, &wait).map_err(|error| failed(&error))?;
    let mut note = "";
    if !flags.local {
        let grant =
            locked.load().map_err(|error| failed(&error).remedy("forget it here alone with --local"))?;
        let Some(grant) = grant else {
            return terminal::print(&format!("{} is not logged in.\n", account.name));
        };
        match revoke(at.settings, at.secret.as_ref(), &at.http, &grant) {
            Ok(()) => {}
            Err(TokenError::NotOffered { .. }) => {
                note = "The provider has no way to give a login back: take the application's access away on the account's page there.\n";
            }
            Err(error) => {
                return Err(failed(&error)
                    .remedy("nothing was changed; try again, or forget it here alone with --local"));
            }
        }
    }
    locked.forget().map_err(|error| failed(&error))?;
    terminal::print(&format!("{} is logged out.\n{note}", account.name))
}

/// What `restante fetch status` tells of the logins of a configuration.
pub(super) struct Endings {
    /// Where the state is.
    pub(super) state: PathBuf,
    /// What somebody has to see to before a login dies, by account.
    pub(super) warnings: BTreeMap<String, String>,
}

/// What is to be told of logins that end; `None` when no configuration is meant. Nobody is asked for anything: where the key of the
/// tokens is typed, nothing is known of them.
pub(super) fn warnings(file: &FetchFile) -> Result<Option<Endings>, Failure> {
    let is_meant = file.config.is_some() || file.state.folder.is_none();
    if !is_meant || accounts::place(file.config.as_deref()).is_none() {
        return Ok(None);
    }
    let found = find(file)?;
    let now = now()?;
    let mut warnings = BTreeMap::new();
    for account in &found.accounts {
        let Credential::Oauth(settings) = &account.credential else { continue };
        if matches!(found.token_key, Some(SecretSource::Prompt)) {
            break;
        }
        let warning = match store(&found, account)?.load(&account.name) {
            Ok(grant) => grant
                .and_then(|grant| grant.ending(settings.provider.lifetimes(), now))
                .filter(|ending| ending.is_near)
                .map(|ending| ending.warning(&account.name, now)),
            Err(error) => Some(error.to_string()),
        };
        warnings.extend(warning.map(|warning| (account.name.clone(), warning)));
    }
    Ok(Some(Endings { state: found.state_dir, warnings }))
}

/// What the configuration says, as far as logins need it.
struct Found {
    path: PathBuf,
    state_dir: PathBuf,
    token_key: Option<SecretSource>,
    accounts: Vec<Account>,
}

impl Found {
    /// The account of this name.
    fn account(&self, name: &str) -> Result<&Account, Failure> {
        self.accounts.iter().find(|account| account.name == name).ok_or_else(|| {
            let names =
                self.accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ");
            Failure::new(Code::NoUser, format!("{} has no account {}", self.path.display(), visible(name)))
                .remedy(format!("it has {names}"))
        })
    }
}

/// Reads the file that is meant.
fn find(file: &FetchFile) -> Result<Found, Failure> {
    let path = accounts::place(file.config.as_deref()).ok_or_else(|| {
        Failure::new(Code::NoInput, "there is no fetch.toml").remedy("name one with --config")
    })?;
    let Config { state_dir, token_key, accounts, .. } = accounts::read(&path)?;
    let state_dir = file.state.folder.clone().unwrap_or(state_dir);
    Ok(Found { path, state_dir, token_key, accounts })
}

/// Whether it is to be done in a browser: as the flags say, else if there is a desktop, or no other way.
fn by_browser(flags: &Login, endpoints: &Endpoints) -> bool {
    let has_desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| variable(name).is_some());
    let can_browse = endpoints.authorization.is_some();
    let is_wanted = flags.browser || flags.port.is_some();
    is_wanted || (!flags.device && can_browse && (has_desktop || endpoints.device.is_none()))
}

/// What a login of one account takes.
struct Desk<'a> {
    settings: &'a Settings,
    secret: Option<Secret>,
    store: TokenStore,
    http: Http,
}

impl<'a> Desk<'a> {
    fn new(found: &Found, account: &'a Account) -> Result<Self, Failure> {
        let Credential::Oauth(settings) = &account.credential else {
            let what = format!("{} does not log in with tokens", account.name);
            return Err(
                Failure::new(Code::Config, what).remedy("add oauth = { … } to it, and take password out")
            );
        };
        let secret = settings.client_secret.as_ref().map(|source| told(source, account)).transpose()?;
        let http = Http::new(proxy(&variable).as_deref()).map_err(|error| failed(&error))?;
        Ok(Self { settings, secret, store: store(found, account)?, http })
    }

    fn by_device(&self, flags: &Login, endpoints: &Endpoints) -> Result<Grant, Failure> {
        let secret = self.secret.as_ref();
        let login = DeviceLogin::begin(self.settings, secret, &self.http, endpoints)
            .map_err(|error| failed(&error))?;
        if flags.json.json {
            say(&Event::DeviceCode {
                user_code: login.user_code(),
                address: login.address(),
                whole_address: login.whole_address(),
                seconds: login.life().as_secs(),
            })?;
        } else {
            terminal::print(&format!(
                "On any device, open   {}\nand type              {}\n{}Waiting for at most {} minutes …\n",
                visible(login.address()),
                visible(login.user_code()),
                login
                    .whole_address()
                    .map(|all| format!("or open               {}\n", visible(all)))
                    .unwrap_or_default(),
                login.life().as_secs().div_ceil(60)
            ))?;
        }
        let clock = || now().unwrap_or(Timestamp::UNIX_EPOCH);
        let grant = login.finish(self.settings, secret, &self.http, endpoints, (&wait, &clock));
        grant.map_err(|error| failed(&error))
    }

    fn by_browser(&self, flags: &Login, endpoints: &Endpoints) -> Result<Grant, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Failure::new(Code::Software, format!("cannot begin: {error}")))?;
        let code = runtime.block_on(async {
            let login = BrowserLogin::begin(self.settings, &self.http, endpoints, flags.port.unwrap_or(0)).await;
            let login = login.map_err(|error| failed(&error))?;
            if flags.json.json {
                say(&Event::Browser { address: login.address() })?;
            } else {
                terminal::print(&format!(
                    "Open this address in a browser on this machine:\n\n{}\n\nWaiting for at most {} minutes …\n",
                    visible(login.address()),
                    BROWSER_LIMIT.as_secs() / 60
                ))?;
            }
            login.code(BROWSER_LIMIT).await.map_err(|error| failed(&error))
        })?;
        let grant = code.redeem(self.settings, self.secret.as_ref(), &self.http, endpoints, now()?);
        grant.map_err(|error| failed(&error))
    }
}

/// What is said with `--json`, a line each.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    DeviceCode {
        user_code: &'a str,
        address: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        whole_address: Option<&'a str>,
        seconds: u64,
    },
    Browser {
        address: &'a str,
    },
    LoggedIn(&'a status::Row),
}

fn say(event: &Event<'_>) -> Result<(), Failure> {
    let line = serde_json::to_string(event);
    let line = line.map_err(|error| Failure::new(Code::Software, format!("cannot be told: {error}")))?;
    terminal::print_json_text(&format!("{line}\n"))
}

/// Where the grants of an account are.
fn store(found: &Found, account: &Account) -> Result<TokenStore, Failure> {
    let key = found.token_key.as_ref().map(|source| told(source, account)).transpose()?;
    Ok(TokenStore::new(Arc::new(LocalDisk), &found.state_dir, key))
}

/// A secret, from wherever it is.
fn told(source: &SecretSource, account: &Account) -> Result<Secret, Failure> {
    let ask =
        |question: &str| terminal::secret(question).map_err(|failure| failure.line().unwrap_or_default());
    let home = accounts::home();
    let around = Surroundings {
        disk: &LocalDisk,
        environment: &variable,
        ask: terminal::can_ask().then_some(&ask as _),
        home: home.as_deref(),
        user: account.user(),
        host: &account.host(),
        time_limit: TIME_LIMIT,
    };
    let secret = source.resolve(&around);
    secret.map_err(|error| Failure::new(Code::NoInput, error.to_string()).remedy(error.remedy()))
}

fn now() -> Result<Timestamp, Failure> {
    Timestamp::try_from(clock::wall())
        .map_err(|error| Failure::new(Code::Software, format!("the clock is not set: {error}")))
}

/// Lets time pass, while a person or another process takes it.
fn wait(time: Duration) {
    let end = clock::now() + time;
    loop {
        let rest = end.saturating_duration_since(clock::now());
        if rest.is_zero() {
            return;
        }
        // It may return early, and a provider that is asked too soon answers slow_down.
        std::thread::park_timeout(rest);
    }
}

/// By who has to do something about it.
fn failed(error: &TokenError) -> Failure {
    let code = match error.blame() {
        Blame::Configuration => Code::Config,
        Blame::Login => Code::Permission,
        Blame::Passing => Code::Temporary,
        Blame::Network => Code::Unavailable,
        Blame::Provider => Code::Protocol,
        Blame::Files => Code::Io,
    };
    Failure::new(code, visible(&error.to_string())).remedy(error.remedy())
}

/// How long a browser is waited for.
const BROWSER_LIMIT: Duration = Duration::from_secs(10 * 60);
