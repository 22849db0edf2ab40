//! The two loops for what collects mail: a crash at every call, a fault at every call. As `loops.rs`, whose judge knows maildrops of
//! the store only; here each scenario is its own judge.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use restante_test::dice::Dice;
use restante_test::disk::{Aftermath, Counted, Fault, Lasting, SimulatedDisk};

/// One write path and what it promises.
pub(crate) trait Scenario: Sync {
    /// What was acknowledged, and what may be there without it.
    type Promises: Clone + Default;

    /// Seeded aftermaths of each crash point, beside all lost and all kept.
    const SEEDS: usize = 4;

    /// The ways in which calls fail.
    const FAULTS: &'static [Fault] = &Fault::ALL;

    /// What was there before. Nothing fails here.
    fn prepare(&self, disk: &SimulatedDisk, promises: &mut Self::Promises);

    /// The write path. Every call may fail; what is acknowledged is noted.
    fn act(&self, disk: &SimulatedDisk, promises: &mut Self::Promises);

    /// Compares what there is with what was promised, and goes on until everything is done. Nothing fails here.
    fn judge(&self, disk: &SimulatedDisk, promises: &mut Self::Promises);
}

/// Runs both loops over a scenario: one round, or for as long as `RESTANTE_CRASH_SECONDS` says. `name` is its
/// `module_path!()`.
///
/// # Panics
/// When a promise is broken, after printing the line that plays it again.
pub(crate) fn run<S: Scenario>(name: &str, scenario: &S) {
    let number = |variable: &str| {
        std::env::var(variable).ok().map(|text| text.parse::<u64>().expect("a number in the environment"))
    };
    let name = name.rsplit_once("crash::").map_or(name, |(_, name)| name);
    let time = Duration::from_secs(number("RESTANTE_CRASH_SECONDS").unwrap_or(0));
    let mut seed = number("RESTANTE_CRASH_SEED").unwrap_or(1);
    let begin = Instant::now();
    let mut tried = Tried::default();
    loop {
        let disk = SimulatedDisk::new();
        let mut promises = S::Promises::default();
        scenario.prepare(&disk, &mut promises);
        let mut round = Round { name, scenario, seed, disk, promises, tried: &mut tried };
        round.crash_at_every_call();
        round.fail_at_every_call();
        tried.rounds += 1;
        if begin.elapsed() >= time {
            break;
        }
        seed += 1;
    }
    let Tried { rounds, crash_points, crashes, fault_points, judged } = tried;
    println!(
        "{name}: {crash_points} crash points ({crashes} disks judged), {fault_points} fault points ({judged} disks judged), {rounds} rounds"
    );
}

/// How much was tried.
#[derive(Default)]
struct Tried {
    rounds: usize,
    crash_points: usize,
    crashes: usize,
    fault_points: usize,
    judged: usize,
}

/// One time through both loops.
struct Round<'a, S: Scenario> {
    name: &'a str,
    scenario: &'a S,
    seed: u64,
    disk: SimulatedDisk,
    promises: S::Promises,
    tried: &'a mut Tried,
}

impl<S: Scenario> Round<'_, S> {
    fn crash_at_every_call(&mut self) {
        for calls in 0.. {
            let (disk, mut promises) = (self.disk.fork(), self.promises.clone());
            disk.stop_after(calls);
            let what = format!("stopped after {calls} calls");
            self.playable(&what, &[], || self.scenario.act(&disk, &mut promises));
            let is_last = !disk.has_stopped();
            let calls_made = disk.take_calls();
            let mut dice = Dice::new(self.seed.wrapping_mul(1_000_003).wrapping_add(calls as u64));
            let seeded = (0..S::SEEDS).map(|_| Aftermath::Seeded(dice.throw()));
            let aftermaths: Vec<_> = [Aftermath::Lost, Aftermath::Kept].into_iter().chain(seeded).collect();
            for aftermath in aftermaths {
                let what = format!("{what}, {aftermath:?}");
                let mut promises = promises.clone();
                self.playable(&what, &calls_made, || {
                    self.scenario.judge(&disk.crash(aftermath), &mut promises);
                });
                self.tried.crashes += 1;
            }
            // Once more in the middle of what comes after.
            let (first, second) = (dice.throw(), dice.throw());
            let again = disk.crash(Aftermath::Seeded(first));
            let stop = dice.below(RECOVERY_CALLS);
            again.stop_after(stop);
            let what = format!("{what}, Seeded({first}), again after {stop}, Seeded({second})");
            self.playable(&what, &calls_made, || {
                self.scenario.act(&again, &mut promises);
                self.scenario.judge(&again.crash(Aftermath::Seeded(second)), &mut promises);
            });
            self.tried.crashes += 1;
            self.tried.crash_points += 1;
            if is_last {
                return;
            }
            assert!(calls < CALLS_MAX, "{}: the write path never ends", self.name);
        }
    }

    fn fail_at_every_call(&mut self) {
        for &fault in S::FAULTS {
            for lasting in [Lasting::Once, Lasting::ForEver] {
                for nth in 1.. {
                    if !self.fail_at_call(fault, lasting, nth) {
                        break;
                    }
                    assert!(nth < CALLS_MAX, "{}: the write path never ends", self.name);
                }
            }
        }
    }

    /// `false` when the write path has fewer calls that can fail so.
    fn fail_at_call(&mut self, fault: Fault, lasting: Lasting, nth: usize) -> bool {
        let what = format!("call {nth} fails {lasting:?} with {fault:?}");
        let (disk, mut promises) = (self.disk.fork(), self.promises.clone());
        disk.fail(fault, nth, lasting, Counted::Calls);
        self.playable(&what, &[], || self.scenario.act(&disk, &mut promises));
        let calls_made = disk.take_calls();
        let mut dice = Dice::new(self.seed.wrapping_mul(7_000_003).wrapping_add(nth as u64));
        for aftermath in [Aftermath::Seeded(dice.throw()), Aftermath::Lost] {
            let (crashed, mut promises) = (disk.crash(aftermath), promises.clone());
            let what = format!("{what}, then {aftermath:?}");
            self.playable(&what, &calls_made, || self.scenario.judge(&crashed, &mut promises));
        }
        let was_hit = disk.heal();
        let what = format!("{what}, and is mended");
        self.playable(&what, &calls_made, || {
            self.scenario.judge(&disk, &mut promises);
            // What was acknowledged after the fault must not rest on what it took.
            self.scenario.judge(&disk.crash(Aftermath::Lost), &mut promises);
        });
        if was_hit {
            self.tried.fault_points += 1;
            self.tried.judged += 4;
        }
        was_hit
    }

    /// Prints how to play a failure again before it goes on.
    fn playable<T>(&self, what: &str, calls: &[String], work: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            eprintln!("{}: {what}, seed {}", self.name, self.seed);
            calls.iter().zip(1..).for_each(|(call, nth)| eprintln!("{nth:5} {call}"));
            eprintln!("again: cargo xtask crash --seed {} {}", self.seed, self.name);
            resume_unwind(panic)
        })
    }
}

/// About as many as an opening and what follows takes.
const RECOVERY_CALLS: usize = 40;

/// More than any write path of a scenario takes.
const CALLS_MAX: usize = 5_000;
