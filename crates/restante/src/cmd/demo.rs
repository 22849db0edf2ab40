//! `restante demo`: the tour that needs no configuration. The real server, the real delivery and the real client, in
//! one process and on loopback.
//!
//! `stage` lays out the folder, `samples` are the mail, `tour` delivers, fetches and compares, `recorder` keeps what was
//! said, `screen` shows it. Here they are put in order.

mod certificate;
mod comparison;
mod recorder;
mod samples;
mod screen;
mod stage;
mod tour;

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use restante_auth::directory::embedded::Settings;
use restante_auth::directory::embedded::accounts::{Accounts, New};
use restante_client::connect::Tls;
use restante_proto::secret::Secret;
use restante_server::config::{self, Address, Config, Protocol, TlsMode};
use restante_server::listener::Inherited;
use restante_server::{Server, assemble};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::Demo;
use crate::terminal::{self, Paint};
use stage::Stage;
use tour::Parties;

/// Gives the tour, then serves until a signal comes, or ends at once with `--exit`.
pub(crate) fn run(flags: &Demo) -> Result<(), Failure> {
    let stage = Stage::set(clock::wall())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Code::Temporary, format!("cannot start a runtime: {error}")))?;
    let outcome = runtime.block_on(async {
        // From here on a signal ends the demo in good order, so that no folder is left behind.
        let mut signals = Signals::new()?;
        let (server, parties) = tokio::select! {
            toured = give_tour(&stage) => toured?,
            () = signals.next() => return Err(Failure::new(Code::Temporary, "the tour was interrupted")),
        };
        if !flags.exit {
            let search = folder_of_program();
            show(&screen::invitation(Paint::for_stdout(), stage.root(), &parties, search.as_deref()))?;
            signals.next().await;
        }
        server.drain(GRACE).await;
        Ok(())
    });
    // The folder must be nobody's any more before it is removed.
    runtime.shutdown_timeout(GRACE);
    let removed = stage.strike();
    outcome.and(removed)
}

/// Starts the server and goes from an empty maildrop to the verdict, each part shown as soon as it is done.
async fn give_tour(stage: &Stage) -> Result<(Server, Parties), Failure> {
    let config = config::load(&stage.configuration()).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let what = format!("the demo's own configuration is wrong: {}", problems.join("; "));
        Failure::new(Code::Software, what)
    })?;
    let password = random_password()?;
    add_account(&config, &password)?;
    let server = Server::start(config, Inherited::none())
        .await
        .map_err(|error| Failure::new(Code::Unavailable, exit::chain(&error)))?;
    let parties = parties(&server, stage, password)?;

    let paint = Paint::for_stdout();
    show(&screen::opening(paint, stage.root(), &parties))?;
    let samples = samples::all();
    let (posted, notes) = tour::post(&parties, &samples).await?;
    show(&screen::posted(paint, &samples, &posted, &notes))?;
    let collected = tour::collect(&parties, &samples).await?;
    show(&screen::collected(paint, &collected))?;
    let seen_again = tour::look_again(&parties, &collected).await?;
    show(&screen::verdict(paint, &samples, &collected, seen_again))?;
    match screen::is_good(&collected, seen_again) {
        true => Ok((server, parties)),
        false => Err(Failure::new(Code::Software, "what came back is not what was sent")
            .remedy("this is a fault of the program, please report it")),
    }
}

/// Prints a part of the tour. When the reader has gone the tour ends, and nobody may take it for a success.
fn show(part: &str) -> Result<(), Failure> {
    terminal::print_painted(part).map_err(|failure| failure.with_code(Code::Io))
}

fn add_account(config: &Config, password: &str) -> Result<(), Failure> {
    let wrong = |what: String| Failure::new(Code::Software, format!("cannot add the demo's account: {what}"));
    let name =
        assemble::addresses(config).account_name(ACCOUNT.as_bytes()).map_err(|why| wrong(why.to_string()))?;
    let new = New { password: Some(Secret::new(password.as_bytes().to_vec())), ..New::default() };
    let accounts = Accounts::new(Settings::new(assemble::embedded_path(config)));
    accounts.add(&name, &new).map_err(|error| wrong(exit::chain(&error)))
}

/// Where the server really listens, and what its client must know.
fn parties(server: &Server, stage: &Stage, password: String) -> Result<Parties, Failure> {
    let missing = || Failure::new(Code::Software, "the server does not listen where it should");
    let listeners = server.addresses();
    let find = |protocol: Protocol, tls: TlsMode| -> Result<SocketAddr, Failure> {
        let found = listeners.iter().find(|it| it.protocol == protocol && it.tls == tls);
        match found.map(|listening| &listening.address) {
            Some(Address::Tcp(address)) => Ok(*address),
            _ => Err(missing()),
        }
    };
    let pop3s = find(Protocol::Pop3, TlsMode::Implicit)?;
    let wrong =
        |what: String| Failure::new(Code::Software, format!("the demo's certificate is wrong: {what}"));
    let certificate =
        CertificateDer::from_pem_file(stage.certificate()).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    let tls = Tls::with_roots(roots, &pop3s.ip().to_string()).map_err(|error| wrong(exit::chain(&error)))?;
    Ok(Parties {
        pop3: find(Protocol::Pop3, TlsMode::StartTls)?,
        pop3s,
        lmtp: find(Protocol::Lmtp, TlsMode::Off)?,
        tls,
        account: ACCOUNT.to_owned(),
        password,
    })
}

/// Sixty random bits, easy to read out and to type: others on this machine can reach loopback too.
fn random_password() -> Result<String, Failure> {
    let mut random = [0_u8; 12];
    getrandom::fill(&mut random).map_err(|error| {
        Failure::new(Code::Temporary, format!("no random numbers for a password: {error}"))
    })?;
    let letter = |octet: &u8| LETTERS.chars().nth(usize::from(*octet) % LETTERS.len()).unwrap_or('x');
    let groups: Vec<String> = random.chunks(4).map(|group| group.iter().map(letter).collect()).collect();
    Ok(groups.join("-"))
}

/// The folder of the program, unless the shell found it without being told where.
// Only asks for names; nothing is opened, and arguments are this program's to read.
#[allow(clippy::disallowed_methods)]
fn folder_of_program() -> Option<PathBuf> {
    let called = env::args_os().next()?;
    let is_found = !called.to_string_lossy().contains('/');
    let program = env::current_exe().ok()?;
    program.parent().filter(|_| !is_found).map(PathBuf::from)
}

/// What ends the demo.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Code::Temporary, format!("cannot wait for signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// The account of the tour.
const ACCOUNT: &str = "demo";
/// Letters and digits that nobody takes for one another; 32 of them, five bits each.
const LETTERS: &str = "abcdefghijkmnpqrstuvwxyz23456789";
/// What running sessions get when the demo ends.
const GRACE: Duration = Duration::from_secs(2);
