//! From an account as it is meant to what a pass takes: where the server is and how it is recognized, what is shown to log in, where
//! messages go.
//!
//! Called by the program, once for each account and configuration; what is found wrong here is told before anybody is connected
//! to. Passwords are looked for when they are needed, sinks are opened when there is something to deliver.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use restante_client::advice::Shown;
use restante_client::connect::{Route, Security, Server, Tls, Trust, platform_roots};
use restante_client::error::Error;
use restante_client::login::{Means, Plaintext};
use restante_proto::secret::Secret;
use restante_proto::url::PopUrl;
use restante_store::disk::Disk;
use rustls::RootCertStore;

use crate::authorities::{authorities, file};
use crate::config::account::{self, Account, AddHeader, Credential};
use crate::config::deliver::SinkConfig;
use crate::config::keep::Keep;
use crate::config::tls;
use crate::journal::Journal;
use crate::oauth::error::{Blame, TokenError};
use crate::oauth::http::{Http, proxy};
use crate::oauth::settings::Settings;
use crate::oauth::source::{Pause, TokenSource};
use crate::oauth::store::TokenStore;
use crate::pass::additions::{Additions, Received};
use crate::pass::blame::{Peer, files_failed};
use crate::pass::login::{Attempt, Entrance, MeansOf, Notice, NoticeOf};
use crate::pass::{Clock, Marks, Order};
use crate::report::{Failure, Kind};
use crate::secret::{SecretSource, Surroundings, TIME_LIMIT};
use crate::sink::maildir::{self, Maildir};
use crate::sink::{self, OpenError, Sink};

/// What is the same for all accounts: the machine and its owner, as the program sees them.
pub struct Outside {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// The folder of state.
    pub state_dir: PathBuf,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// Reads a variable of the environment.
    pub environment: Box<Environment>,
    /// Asks a person for a secret, if there is one to ask.
    pub ask: Option<Box<Ask>>,
    /// The name of this machine.
    pub hostname: String,
    /// What the files of tokens are sealed with, if somebody says.
    pub token_key: Option<SecretSource>,
    /// Reads the time.
    pub clock: Clock,
    /// Lets time pass, while another process has the lock of a token.
    pub pause: Arc<Pause>,
    /// The machine's authorities, read when the first account wants them: that takes a while.
    pub roots: OnceLock<Option<RootCertStore>>,
}

/// Reads a variable of the environment.
pub type Environment = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// Asks a person for a secret; the error says why that is not possible.
pub type Ask = dyn Fn(&str) -> Result<Secret, String> + Send + Sync;

/// Everything that a pass takes.
pub struct Ready {
    /// What is wanted.
    pub order: Order,
    /// How one gets in.
    pub entrance: Entrance,
    account: Account,
    outside: Arc<Outside>,
}

/// An account, ready to be visited.
///
/// # Errors
/// When something that is named in it cannot be used, with what to do about it.
pub fn assemble(account: &Account, outside: &Arc<Outside>) -> Result<Ready, Failure> {
    let server = server(account, outside)?;
    // Sinks read them when they are opened; what is wrong is told now.
    for sink in &account.deliver {
        if let SinkConfig::Smtp { ca: Some(path), .. } = sink {
            authorities(&*outside.disk, path)?;
        }
    }
    let shown = match account.credential {
        Credential::Password(_) => Shown::Password,
        Credential::Oauth(_) => Shown::Token,
        Credential::Certificate => Shown::Other,
    };
    let is_clear = account.security == account::Security::None;
    let (means, notice) = means(account, outside)?;
    let order = Order {
        folder: outside.state_dir.join(Journal::folder_name(&account.name)),
        peer: Peer { route: server.route.clone(), shown },
        additions: additions(account, outside),
        keep: account.keep,
        rules: account.rules.clone(),
        max_size: account.max_size,
        interval: None,
        unique_ids: account.unique_ids,
        new_unique_ids: None,
        local: (account.keep == Keep::WhileLocal).then(|| local(account, outside)),
        believes_local: false,
        notice,
        is_dry_run: false,
    };
    let entrance = Entrance {
        server,
        user: Some(account.user().to_owned()).filter(|user| !user.is_empty()),
        auth: account.server.auth().clone(),
        plaintext: if is_clear { Plaintext::Everywhere } else { Plaintext::WithTls },
        means,
        idle: account.timeout,
        trace: None,
    };
    Ok(Ready { order, entrance, account: account.clone(), outside: Arc::clone(outside) })
}

impl Ready {
    /// Opens the sinks.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn open_sinks(&self) -> Result<Vec<Box<dyn Sink>>, Failure> {
        let around = sink::Surroundings {
            disk: Arc::clone(&self.outside.disk),
            state: &self.order.folder,
            hostname: &self.outside.hostname,
            password: &|source, user, host| {
                secret(source, user, host, &self.outside).map_err(|failure| failure.to_string())
            },
        };
        let open = |config: &SinkConfig| sink::open(config, &around).map_err(|error| sink_failed(&error));
        self.account.deliver.iter().map(open).collect()
    }
}

fn sink_failed(error: &OpenError) -> Failure {
    match error {
        OpenError::File(failure) => files_failed(failure),
        OpenError::System(_) => Failure::new(Kind::Files, error.to_string()),
        _ => Failure::new(Kind::Configuration, error.to_string()),
    }
}

/// What tells which messages are still in the account's Maildirs.
fn local(account: &Account, outside: &Arc<Outside>) -> Arc<Marks> {
    let (sinks, disk) = (account.deliver.clone(), Arc::clone(&outside.disk));
    Arc::new(move || {
        let mut marks = BTreeSet::new();
        for sink in &sinks {
            if let SinkConfig::Maildir { path, folder, look_in, mode } = sink {
                let mut settings = maildir::Settings::new(path);
                settings.folder.clone_from(folder);
                settings.look_in.clone_from(look_in);
                settings.mode = *mode;
                marks.extend(Maildir::open(Arc::clone(&disk), settings).ok()?.marks().ok()?);
            }
        }
        Some(marks)
    })
}

fn server(account: &Account, outside: &Outside) -> Result<Server, Failure> {
    let url = &account.server;
    let route = Route::from(restante_client::connect::Address::from(url));
    let failed = |error: &Error| Peer { route: route.clone(), shown: Shown::Other }.failed(error);
    let mut server = match account.security {
        account::Security::None => Server::new(route.clone(), Security::None),
        account::Security::Tls => Server::of(url, tls(account, url, outside, &failed)?),
    };
    server.route.proxy.clone_from(&account.proxy);
    Ok(server)
}

fn tls(
    account: &Account,
    url: &PopUrl,
    outside: &Outside,
    failed: &dyn Fn(&Error) -> Failure,
) -> Result<Tls, Failure> {
    let pins = account.tls.pins.iter().copied();
    let trust = match (account.tls.trust, &account.tls.ca) {
        // Only where somebody has written so: pins are to make a connection safer (design/0014).
        (tls::Trust::Pins, _) => Trust::pins_alone(pins).ok_or_else(|| failed(&Error::NoRoots))?,
        (tls::Trust::Authorities, Some(path)) => {
            Trust::authorities(authorities(&*outside.disk, path)?.roots).and_pins(pins)
        }
        (tls::Trust::Authorities, None) => {
            let roots = machine_roots(outside).cloned().ok_or_else(|| failed(&Error::NoRoots))?;
            Trust::authorities(roots).and_pins(pins)
        }
    };
    let tls = Tls::of(url, trust).map_err(|error| failed(&error))?;
    let Some((certificate, key)) = &account.tls.own else { return Ok(tls) };
    let key = Secret::new(file(&*outside.disk, key)?);
    tls.with_client_pem(&file(&*outside.disk, certificate)?, key.expose()).map_err(|error| failed(&error))
}

fn machine_roots(outside: &Outside) -> Option<&RootCertStore> {
    outside.roots.get_or_init(|| platform_roots().ok()).as_ref()
}

/// What there is to show, whenever it is asked for; and what looks whether that dies soon.
fn means(
    account: &Account,
    outside: &Arc<Outside>,
) -> Result<(Arc<MeansOf>, Option<Arc<NoticeOf>>), Failure> {
    let means: Arc<MeansOf> = match &account.credential {
        Credential::Password(source) => {
            let (source, account, outside) = (source.clone(), account.clone(), Arc::clone(outside));
            Arc::new(move |_| password(&source, &account, &outside).map(Means::Password))
        }
        Credential::Certificate => Arc::new(|_| Ok(Means::Certificate)),
        Credential::Oauth(settings) => {
            let tokens = Arc::new(Mutex::new(tokens(account, settings, outside)?));
            let notice = notice(&account.name, Arc::clone(&tokens));
            let clock = Arc::clone(&outside.clock);
            let initial_response = settings.provider.initial_response();
            let means = move |attempt| {
                let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
                let token = match attempt {
                    Attempt::First => tokens.access_token(clock()),
                    Attempt::AfterRefusal => tokens.access_token_after_refusal(clock()),
                };
                let means = |token| Means::Token { token, initial_response };
                token.map(means).map_err(|error| token_failed(&error))
            };
            return Ok((Arc::new(means), Some(notice)));
        }
    };
    Ok((means, None))
}

/// Looks when the login of an account ends.
fn notice(account: &str, tokens: Arc<Mutex<TokenSource>>) -> Arc<NoticeOf> {
    let account = account.to_owned();
    Arc::new(move |now| {
        // What cannot be read now was told by the login, or will be by the next.
        let ending = tokens.lock().unwrap_or_else(PoisonError::into_inner).warning(now).ok()??;
        Some(Notice { what: ending.warning(&account, now), since: ending.near_since })
    })
}

/// The tokens of an account.
fn tokens(account: &Account, settings: &Settings, outside: &Outside) -> Result<TokenSource, Failure> {
    let resolved = |source: &Option<SecretSource>| {
        source.as_ref().map(|source| secret(source, account.user(), &account.host(), outside)).transpose()
    };
    let client_secret = resolved(&settings.client_secret)?;
    let store = TokenStore::new(Arc::clone(&outside.disk), &outside.state_dir, resolved(&outside.token_key)?);
    let http = Http::new(proxy(&*outside.environment).as_deref()).map_err(|error| token_failed(&error))?;
    let with = (store, http, Arc::clone(&outside.pause));
    Ok(TokenSource::new(&account.name, settings.clone(), client_secret, with))
}

fn token_failed(error: &TokenError) -> Failure {
    let kind = match error.blame() {
        Blame::Configuration => Kind::Configuration,
        Blame::Login => Kind::Credentials,
        Blame::Passing => Kind::Busy,
        Blame::Network => Kind::Unreachable,
        Blame::Provider => Kind::Protocol,
        Blame::Files => Kind::Files,
    };
    Failure::new(kind, error.to_string()).remedy(error.remedy())
}

/// The password, from wherever it is.
///
/// # Errors
/// When it is not there.
pub fn password(source: &SecretSource, account: &Account, outside: &Outside) -> Result<Secret, Failure> {
    secret(source, account.user(), &account.host(), outside)
}

fn secret(source: &SecretSource, user: &str, host: &str, outside: &Outside) -> Result<Secret, Failure> {
    let around = Surroundings {
        disk: &*outside.disk,
        environment: &*outside.environment,
        ask: outside.ask.as_deref().map(|ask| ask as _),
        home: outside.home.as_deref(),
        user,
        host,
        time_limit: TIME_LIMIT,
    };
    source
        .resolve(&around)
        .map_err(|error| Failure::new(Kind::Credentials, error.to_string()).remedy(error.remedy()))
}

fn additions(account: &Account, outside: &Outside) -> Additions {
    let has = |header| account.add_headers.contains(&header);
    let with = if account.security == account::Security::None { "POP3" } else { "POP3S" };
    Additions {
        received: has(AddHeader::Received).then(|| Received {
            from: account.host(),
            by: outside.hostname.clone(),
            with,
        }),
        delivered_to: has(AddHeader::DeliveredTo).then(|| account.user().to_owned()),
    }
}
