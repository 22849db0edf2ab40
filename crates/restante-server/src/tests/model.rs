//! The model test: random sequences of what can happen to a maildrop, on the real server in memory and on a small reference, and
//! both must say and hold the same after each step.
//!
//! What happens is in `model/action.rs`, what must come of it in `model/maildrop.rs`, the hands in `model/world.rs`. Here the
//! sequences are run, many at a time so that folders get old meanwhile, and one that fails is made as short as it can be.
//! `cargo xtask model` runs as many steps as one likes.

mod action;
mod maildrop;
mod world;

use super::Site;
use crate::config::LogFormat;
use crate::event::Log;
use crate::shared::{Settings, Shared};
use action::Action;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;
use tokio::task::LocalSet;
use world::{Counts, World};

/// Runs seeds until so many steps are done; `RESTANTE_MODEL_STEPS` says how many, `RESTANTE_MODEL_SEED` runs that seed alone.
#[test]
fn any_sequence_comes_to_what_the_model_says() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let plan = match (number("RESTANTE_MODEL_SEED"), number("RESTANTE_MODEL_STEPS")) {
        (Some(seed), None) => Plan { first: seed, seeds: 1, steps: u64::MAX },
        (first, steps) => Plan { first: first.unwrap_or(0), seeds: u64::MAX, steps: steps.unwrap_or(STEPS) },
    };
    // A memory disk syncs at once; anywhere else the run only takes longer.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    let site = Site::new_in(folder.expect("there is room"), LIMITS);
    let users: Vec<String> =
        (0..WORKERS).map(|worker| format!("{}:{{PLAIN}}secret\n", account(worker))).collect();
    site.put("users", &users.concat());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let log = Log::to(LogFormat::Logfmt, Box::new(std::io::sink()));
        let shared = Arc::new(Shared::new(Settings::new(site.config(), &log).expect("it is right"), log));
        LocalSet::new().run_until(everything(plan, &shared, site.folder.path())).await;
    });
}

/// Which seeds, and how many steps of them.
#[derive(Clone, Copy)]
struct Plan {
    first: u64,
    seeds: u64,
    steps: u64,
}

/// Runs the plan and prints what was done.
///
/// # Panics
/// When a seed fails: with the line that replays it, and the shortest sequence that was found to fail.
async fn everything(plan: Plan, shared: &Arc<Shared>, root: &Path) {
    let begin = Instant::now();
    let next = Rc::new(Cell::new(plan.first));
    let total = Rc::new(RefCell::new(Counts::default()));
    let failed: Rc<Cell<Option<u64>>> = Rc::default();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (next, total, failed) = (Rc::clone(&next), Rc::clone(&total), Rc::clone(&failed));
            let (shared, root) = (Arc::clone(shared), root.to_owned());
            tokio::task::spawn_local(async move {
                while failed.get().is_none() && total.borrow().steps < plan.steps {
                    let seed = next.get();
                    if seed - plan.first >= plan.seeds {
                        break;
                    }
                    next.set(seed + 1);
                    let mut world = World::new(&shared, &root, account(worker));
                    if let Err(error) = world.run(&action::actions(seed)).await {
                        eprintln!("seed {seed}: {error}");
                        failed.set(Some(seed));
                    }
                    total.borrow_mut().add(&world.counts);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("the model itself is at fault");
    }
    let (seconds, seeds) = (begin.elapsed().as_secs_f64(), next.get() - plan.first);
    let Counts { steps, sessions, deliveries, removed, retrieved_octets } = *total.borrow();
    println!(
        "model: {steps} steps of {seeds} seeds, {sessions} sessions, {deliveries} deliveries, {removed} removed, \
         {retrieved_octets} octets retrieved, {seconds:.1} s"
    );
    if let Some(seed) = failed.get() {
        let (error, transcript) = shortest(seed, shared, root).await;
        panic!("{transcript}\n{error}\n\nreplay: cargo xtask model --seed {seed}");
    }
}

/// The shortest sequence found within the actions of a seed that fails, as a transcript with its error.
async fn shortest(seed: u64, shared: &Arc<Shared>, root: &Path) -> (String, String) {
    let mut actions = action::actions(seed);
    let (mut found, mut runs) = (try_out(&actions, shared, root).await, 0);
    let mut length = actions.len() / 2;
    while length > 0 && runs < RUNS_MAX && found.is_some() {
        let mut start = 0;
        while start < actions.len() && runs < RUNS_MAX {
            let end = (start + length).min(actions.len());
            let fewer = [&actions[..start], &actions[end..]].concat();
            runs += 1;
            match try_out(&fewer, shared, root).await {
                Some(failure) => (actions, found) = (fewer, Some(failure)),
                None => start = end,
            }
        }
        length /= 2;
    }
    // Then the lines that are said.
    let mut at = 0;
    while at < actions.len() && runs < RUNS_MAX && found.is_some() {
        let mut line = 0;
        while let Action::Say { lines, .. } = &actions[at]
            && line < lines.len()
        {
            let mut fewer = actions.clone();
            if let Action::Say { lines, .. } = &mut fewer[at] {
                lines.remove(line);
            }
            runs += 1;
            match try_out(&fewer, shared, root).await {
                Some(failure) => (actions, found) = (fewer, Some(failure)),
                None => line += 1,
            }
        }
        at += 1;
    }
    found.unwrap_or_else(|| ("it does not fail again".to_owned(), String::new()))
}

/// Runs a sequence alone. `Some` with error and transcript when it fails.
async fn try_out(actions: &[Action], shared: &Arc<Shared>, root: &Path) -> Option<(String, String)> {
    let mut world = World::new(shared, root, account(0));
    world.transcript = Some(Vec::new());
    let error = world.run(actions).await.err()?;
    Some((error, world.transcript.unwrap_or_default().join("\n")))
}

impl Counts {
    fn add(&mut self, more: &Self) {
        self.steps += more.steps;
        self.sessions += more.sessions;
        self.deliveries += more.deliveries;
        self.removed += more.removed;
        self.retrieved_octets += more.retrieved_octets;
    }
}

fn account(worker: usize) -> String {
    format!("account{worker}")
}

/// So many sequences run at the same time: each is old enough for the index to be believed when its turn comes again.
const WORKERS: usize = 16;

/// What a run of all tests can afford.
const STEPS: u64 = 100_000;

/// So often is a failing sequence tried with less of it.
const RUNS_MAX: u32 = 2000;

/// The model knows no deadlines, and all connections come from one address.
const LIMITS: &str = "[limits]\nlogin_s = 86400\nautologout_s = 86400\nsessions_per_address = 10000\n";
