//! The accounts of this machine: the way to the broker, the source of accounts that asks it, and the disks of those accounts.
//!
//! The broker is started once, as root (`start.rs`), and goes from one configuration to the next ([`SystemAccess`]). Commands that need
//! it start one of their own when they are run by root. What it does is in `restante_broker`; that an account's mail is touched
//! through it, and when, is decided in `disk_of`.

use crate::config::source::AuthSource;
use crate::config::{Config, Template};
use restante_auth::account::{Account, Owner};
use restante_auth::directory::census::Census;
use restante_auth::directory::{Answer, Checked, Directory, Entry, Problem, Question, SourceError};
use restante_auth::password::StoredPassword;
use restante_broker::disk::AccountDisk;
use restante_broker::{Broker, Found, Passwords, Settings, asker};
use restante_proto::secret::Secret;
use restante_store::disk::Disk;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// The way to the broker. A clone is the same way; it is equal to every other, since it is no part of what a configuration says.
#[derive(Clone, Debug, Default)]
pub struct SystemAccess {
    broker: Arc<Mutex<Option<Arc<Broker>>>>,
    is_on_demand: bool,
}

impl PartialEq for SystemAccess {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for SystemAccess {}

impl SystemAccess {
    /// One that starts a broker when it is needed, for a command that is not the server.
    #[must_use]
    pub fn on_demand() -> Self {
        Self { broker: Arc::default(), is_on_demand: true }
    }

    /// Starts the broker, if the configuration needs one. As root, and before there are other threads.
    ///
    /// # Errors
    /// It cannot be started, or we are not root.
    pub(crate) fn start(&self, config: &Config) -> io::Result<()> {
        let Some(settings) = settings(config) else { return Ok(()) };
        let broker = Broker::start(settings)?;
        *self.broker.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(broker));
        Ok(())
    }

    /// The broker that may do what these settings say.
    fn broker(&self, settings: &Settings) -> io::Result<Arc<Broker>> {
        let mut broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        match &*broker {
            Some(broker) if broker.settings() == settings => return Ok(Arc::clone(broker)),
            None if self.is_on_demand && nix::unistd::geteuid().is_root() => {}
            None if self.is_on_demand => {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "the files and passwords of other users take root",
                ));
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "system accounts take a restart of the server",
                ));
            }
        }
        let started = Arc::new(Broker::start(settings.clone())?);
        *broker = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Takes over the broker of the configuration before this one.
    ///
    /// # Errors
    /// This one wants another: only root could start it, and the server is root no more.
    pub(crate) fn follow(config: &mut Config, before: &Config) -> Result<(), SourceError> {
        config.system = before.system.clone();
        let wanted = settings(config);
        if wanted.is_none() || wanted == settings(before) {
            return Ok(());
        }
        let problem = Problem::new(
            "the source of type \"system\" has changed, and the broker that serves it was started with the old one",
            "restart the server",
        );
        Err(SourceError::permanent("system", vec![problem]))
    }
}

/// What the broker of a configuration may do; `None` where there is no source of system accounts.
fn settings(config: &Config) -> Option<Settings> {
    config.sources.iter().find_map(|table| match &table.own {
        AuthSource::System(source) => Some(source.settings(config)),
        _ => None,
    })
}

/// The disk of an account whose files are touched with its own rights. `None` for one whose files are the server's, or any user's
/// where no source of system accounts is configured.
pub(crate) fn disk_of(config: &Config, account: &Account) -> Option<Arc<dyn Disk>> {
    let owner = account.owner?;
    let settings = settings(config)?;
    if owner.uid == nix::unistd::geteuid().as_raw() {
        return None;
    }
    let own = own_folders(config);
    Some(Arc::new(match config.system.broker(&settings) {
        Ok(broker) => AccountDisk::new(broker, owner.uid, own),
        Err(error) => AccountDisk::closed(&error, own),
    }))
}

/// The folders that are the server's whoever the account is: what lies beside an mbox, and what everybody is given.
fn own_folders(config: &Config) -> Vec<PathBuf> {
    let control = config.maildrop.control.as_ref().map(Template::root);
    // The root is nobody's own.
    control
        .into_iter()
        .chain(config.bulletins.path.clone())
        .filter(|folder| folder.parent().is_some())
        .collect()
}

/// The accounts of this machine as a source.
#[derive(Debug)]
pub(crate) struct SystemDirectory {
    access: SystemAccess,
    settings: Settings,
    /// Look-ups, and checks of passwords, at the same time: each holds a thread, and may hang in somebody's module.
    finds: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    census: Arc<Census>,
}

impl SystemDirectory {
    /// Asks nobody yet. `config` has a source of system accounts.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let threads = usize::try_from(config.server.disk_threads).unwrap_or(usize::MAX);
        let places = || Arc::new(Semaphore::new((threads / 4).clamp(1, PARALLEL_MAX)));
        Some(Self {
            access: config.system.clone(),
            settings: settings(config)?,
            finds: places(),
            checks: places(),
            census: Arc::default(),
        })
    }

    async fn find(&self, name: &str) -> Result<Option<Found>, SourceError> {
        let (access, settings, name) = (self.access.clone(), self.settings.clone(), name.to_owned());
        let find = move || match access.broker(&settings) {
            Ok(broker) => broker.find(&name),
            // A name is no secret: whoever is not root may know it.
            Err(error) if access.is_on_demand && error.kind() == io::ErrorKind::PermissionDenied => {
                asker::look_up_here(&settings, &name)
            }
            Err(error) => Err(error),
        };
        self.ask(&self.finds, find).await
    }

    /// Asks on a thread that may wait.
    async fn ask<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        ask: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, SourceError> {
        let busy = || io::Error::new(io::ErrorKind::ResourceBusy, "too many questions wait for an answer");
        let place = tokio::time::timeout(self.settings.timeout, Arc::clone(places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(self.failed(busy())) };
        let asked = tokio::task::spawn_blocking(move || {
            let asked = ask();
            // Only now: a place is given back with the thread.
            drop(place);
            asked
        });
        match asked.await {
            Ok(answer) => answer.map_err(|error| self.failed(error)),
            Err(error) => Err(self.failed(io::Error::other(error))),
        }
    }

    fn failed(&self, error: io::Error) -> SourceError {
        use io::ErrorKind::{InvalidData, PermissionDenied, Unsupported};
        let what = format!("the system's accounts cannot be asked: {error}");
        match error.kind() {
            InvalidData | PermissionDenied | Unsupported => {
                let remedy = "see docs/operating.md, System accounts";
                SourceError::permanent(self.source(), vec![Problem::new(what, remedy)]).caused_by(error)
            }
            _ => {
                let remedy = "see the log of the machine for what its name services and PAM say";
                SourceError::temporary(self.source(), Problem::new(what, remedy)).caused_by(error)
            }
        }
    }
}

impl Directory for SystemDirectory {
    fn source(&self) -> String {
        match &self.settings.passwords {
            Passwords::Pam(service) => format!("system, PAM service {service}"),
            Passwords::Shadow => "system, /etc/shadow".to_owned(),
            Passwords::None => "system".to_owned(),
        }
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            let found = self.find(question.name.local()).await?;
            Ok(found.map(|found| Entry {
                account: account(question, found),
                // Its password is checked elsewhere, and never leaves there.
                password: StoredPassword::absent(),
                scram: Vec::new(),
                app_passwords: Vec::new(),
            }))
        })
    }

    fn checks(&self) -> bool {
        self.settings.passwords != Passwords::None
    }

    fn check<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, Checked> {
        Box::pin(async move {
            let (access, settings) = (self.access.clone(), self.settings.clone());
            let name = question.name.local().to_owned();
            let password = Secret::new(password.expose().to_vec());
            let peer = question.at.peer.map(|peer: IpAddr| peer.to_string());
            let check = move || access.broker(&settings)?.check(&name, &password, peer.as_deref());
            Ok(match self.ask(&self.checks, check).await? {
                restante_broker::Checked::Right(found) => Checked::Right(account(question, found)),
                restante_broker::Checked::Wrong => Checked::Wrong,
                restante_broker::Checked::Locked => Checked::Locked,
                restante_broker::Checked::Unknown => Checked::Unknown,
            })
        })
    }

    /// Passwords are asked about too, by whoever is root: nobody else may.
    fn probe<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(async move {
            if self.access.is_on_demand && !nix::unistd::geteuid().is_root() {
                return self.lookup(question).await.map(|_| ());
            }
            let (access, settings) = (self.access.clone(), self.settings.clone());
            let name = question.name.local().to_owned();
            let probe = move || access.broker(&settings)?.probe(&name);
            self.ask(&self.checks, probe).await
        })
    }

    fn census(&self) -> Arc<Census> {
        Arc::clone(&self.census)
    }

    fn decoy(&self, _seed: u64) -> Option<StoredPassword> {
        None
    }
}

fn account(question: &Question<'_>, found: Found) -> Account {
    let mut account = Account::new(question.name.clone()).with_home(Some(found.home));
    account.owner = Some(Owner { uid: found.uid, gid: found.gid });
    account
}

impl Config {
    /// Whether an account's files are touched through the broker, with its own rights.
    #[must_use]
    pub fn is_foreign(&self, account: &Account) -> bool {
        let is_other = account.owner.is_some_and(|owner| owner.uid != nix::unistd::geteuid().as_raw());
        is_other && settings(self).is_some()
    }
}

/// Questions of one kind at the same time.
const PARALLEL_MAX: usize = 16;
