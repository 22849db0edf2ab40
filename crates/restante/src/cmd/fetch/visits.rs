//! The accounts as jobs, and the signals: a fetch that is asked to end does so cleanly, a watch goes on until then.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use restante_fetch::assemble::{Outside, Ready, assemble, password};
use restante_fetch::config::account::{Account, Credential};
use restante_fetch::event::{Event, Events};
use restante_fetch::pass::stop::{Stop, Stopper};
use restante_fetch::pass::{self, World};
use restante_fetch::rename::Choice;
use restante_fetch::report::{Failure as Why, Kind, Report};
use restante_fetch::secret::SecretSource;
use restante_fetch::watch::due::Interval;
use restante_fetch::watch::{Call, Job, Limits, forever, once};
use restante_store::disk::LocalDisk;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::accounts::{self, Accounts};
use super::display::Display;
use super::ending;
use crate::clock;
use crate::exit::{Code, Failure};
use crate::flags::fetch::{Fetch, NewUniqueIds};
use crate::terminal;

/// Accounts that can be visited.
pub(super) struct Visits {
    jobs: Vec<Job>,
    limits: Limits,
    display: Arc<Display>,
    stopper: Stopper,
    stop: Stop,
}

impl Visits {
    /// Looks at everything that the accounts name, but for passwords that are not asked of a person.
    pub(super) fn new(flags: &Fetch, accounts: Accounts, display: &Arc<Display>) -> Result<Self, Failure> {
        let (stopper, stop) = Stop::new();
        let limits = Limits { jobs: accounts.jobs, jobs_per_host: accounts.jobs_per_host };
        let jobs = jobs(flags, accounts, display, &stop)?;
        Ok(Self { jobs, limits, display: Arc::clone(display), stopper, stop })
    }

    /// Visits each once.
    pub(super) fn once(self) -> Result<(), Failure> {
        let Self { jobs, limits, stopper, .. } = self;
        let reports: BTreeMap<Arc<str>, Report> = runtime()?.block_on(async move {
            let mut signals = Signals::new()?;
            let mut visits = pin!(once(jobs, limits));
            loop {
                let wish = tokio::select! {
                    reports = &mut visits => return Ok(reports),
                    wish = signals.next() => wish,
                };
                if let Wish::End = wish {
                    stopper.stop();
                }
            }
        })?;
        ending::outcome(reports.values())
    }

    /// Visits each when it is due, until a signal ends it. The service manager is told how it goes.
    pub(super) fn watch(self, flags: &Fetch) -> Result<(), Failure> {
        let Self { jobs, limits, display, stopper, stop } = self;
        runtime()?.block_on(async move {
            let mut signals = Signals::new()?;
            let manager = display.manager();
            let mut beat = manager.beat();
            let (caller, mut calls) = mpsc::channel(CALLS_MAX);
            manager.ready(&watched(jobs.len()));
            let mut watching = pin!(forever(jobs, limits, &mut calls, dice));
            loop {
                let wish = tokio::select! {
                    () = &mut watching => return Ok(()),
                    wish = signals.next() => wish,
                    // On the task that starts every look and hears every signal: if it stands still, so does this.
                    () = beat.next() => {
                        manager.alive();
                        continue;
                    }
                };
                let call = match wish {
                    Wish::End => {
                        manager.stopping();
                        stopper.stop();
                        Call::Stop
                    }
                    Wish::Wake => Call::Wake,
                    Wish::Reload => match reload(flags, &display, &stop) {
                        Some(jobs) => Call::Replace(jobs),
                        None => continue,
                    },
                };
                // A watch that has so many calls to see to knows what is wanted.
                let _ = caller.try_send(call);
            }
        })
    }
}

/// The jobs that the configuration holds now; `None` when it is wrong, which is told.
fn reload(flags: &Fetch, display: &Arc<Display>, stop: &Stop) -> Option<Vec<Job>> {
    let manager = display.manager();
    manager.reloading();
    match accounts::load(flags).and_then(|accounts| jobs(flags, accounts, display, stop)) {
        Ok(jobs) => {
            manager.ready(&watched(jobs.len()));
            Some(jobs)
        }
        Err(failure) => {
            let why = failure.line().unwrap_or_default();
            let what = format!("the configuration is kept as it was: {why}");
            // It goes on, so it is ready; that the reload came to nothing is in the line.
            manager.ready(&what);
            Events::new("", display.listener()).say(Event::Warning { what });
            None
        }
    }
}

/// What a service manager shows before anything has happened.
fn watched(accounts: usize) -> String {
    match accounts {
        1 => "1 account is watched".to_owned(),
        _ => format!("{accounts} accounts are watched"),
    }
}

fn jobs(flags: &Fetch, accounts: Accounts, display: &Arc<Display>, stop: &Stop) -> Result<Vec<Job>, Failure> {
    let outside = Arc::new(Outside {
        disk: Arc::new(LocalDisk),
        state_dir: accounts.state_dir,
        home: accounts::home(),
        environment: Box::new(accounts::variable),
        ask: terminal::can_ask().then(|| Box::new(|question: &str| ask(question)) as _),
        hostname: hostname(),
        token_key: accounts.token_key,
        clock: Arc::new(now),
        pause: Arc::new(std::thread::park_timeout),
        roots: OnceLock::new(),
    });
    accounts.accounts.into_iter().map(|account| job(flags, account, &outside, display, stop)).collect()
}

fn job(
    flags: &Fetch,
    mut account: Account,
    outside: &Arc<Outside>,
    display: &Arc<Display>,
    stop: &Stop,
) -> Result<Job, Failure> {
    if !flags.check {
        ask_now(&mut account, outside)?;
    }
    let mut ready = assemble(&account, outside).map_err(|why| failed(&account.name, &why))?;
    ready.order.is_dry_run = flags.dry_run;
    ready.order.interval = flags.watch.then_some(account.interval);
    ready.order.believes_local = flags.believe_local;
    ready.order.new_unique_ids = flags.new_unique_ids.map(|choice| match choice {
        NewUniqueIds::Adopt => Choice::Adopt,
        NewUniqueIds::Fetch => Choice::Fetch,
    });
    let name: Arc<str> = account.name.as_str().into();
    if flags.trace {
        let (display, name) = (Arc::clone(display), Arc::clone(&name));
        ready.entrance.trace = Some(Arc::new(move |line| display.trace(&name, line)));
    }
    let events = Events::new(&name, display.listener());
    let world = World {
        disk: Arc::clone(&outside.disk),
        clock: Arc::clone(&outside.clock),
        events: events.clone(),
        stop: stop.clone(),
    };
    let ready = Arc::new(ready);
    let work = Arc::new(move || visit(&ready, &world));
    let interval = Interval::new(account.interval);
    Ok(Job { account: name, host: account.host().into(), interval, events, work })
}

/// One visit, with a runtime of its own: it may wait for disks, and nobody else waits with it.
fn visit(ready: &Arc<Ready>, world: &World) -> Report {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let report = Report::failed(Why::new(Kind::Files, format!("no runtime to be had: {error}")));
            world.events.say(Event::Ended(Box::new(report.clone())));
            return report;
        }
    };
    let enter = async || ready.entrance.enter(&ready.order.peer).await;
    let delivering = Arc::clone(ready);
    runtime.block_on(pass::run(&ready.order, world, enter, move || delivering.open_sinks()))
}

/// A password that a person has to type is asked for before anything else happens, once.
fn ask_now(account: &mut Account, outside: &Outside) -> Result<(), Failure> {
    let Credential::Password(source @ SecretSource::Prompt) = &account.credential else { return Ok(()) };
    let secret = password(source, account, outside).map_err(|why| {
        let why = if outside.ask.is_some() { why } else { why.remedy(HOW_ELSE) };
        failed(&account.name, &why)
    })?;
    account.credential = Credential::Password(SecretSource::Plain(Arc::new(secret)));
    Ok(())
}

fn ask(question: &str) -> Result<restante_proto::secret::Secret, String> {
    terminal::secret(question).map_err(|failure| failure.line().unwrap_or_default())
}

fn failed(account: &str, why: &Why) -> Failure {
    Failure::new(ending::of_kind(why.kind), format!("{account}: {why}"))
}

/// The name of this machine, for a Received field.
pub(super) fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() || name == "(none)" { "localhost".to_owned() } else { name }
}

fn now() -> Timestamp {
    Timestamp::try_from(clock::wall()).unwrap_or_default()
}

/// From 0 to 1.
fn dice() -> f64 {
    let mut octets = [0; 4];
    // Without chance all accounts keep to the beat, which is no harm.
    match getrandom::fill(&mut octets) {
        Ok(()) => f64::from(u32::from_ne_bytes(octets)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(no_runtime)
}

fn no_runtime(error: std::io::Error) -> Failure {
    Failure::new(Code::Temporary, format!("the system gives no runtime: {error}"))
}

/// The signals that mean something here.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let new = |kind| signal(kind).map_err(no_runtime);
        Ok(Self {
            terminate: new(SignalKind::terminate())?,
            interrupt: new(SignalKind::interrupt())?,
            hang_up: new(SignalKind::hangup())?,
            user: new(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.hang_up.recv() => Wish::Reload,
            _ = self.user.recv() => Wish::Wake,
        }
    }
}

/// What a signal asks for.
enum Wish {
    End,
    Reload,
    Wake,
}

const HOW_ELSE: &str = "nobody can be asked here: use --password-command, --password-file or --password-env";
/// Calls that a watch has not seen to yet.
const CALLS_MAX: usize = 16;
