//! The two loops: a crash at every call, a fault at every call.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use restante_test::dice::Dice;
use restante_test::disk::{Aftermath, Counted, Fault, Lasting};

use crate::judge::{Moment, goes_on, judge};
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::World;

/// Runs both loops over a scenario: one round, or for as long as `RESTANTE_CRASH_SECONDS` says. `name` is its
/// `module_path!()`.
///
/// # Panics
/// When a promise is broken, after printing the line that plays it again.
pub(crate) fn run(name: &str, scenario: &'static dyn Scenario) {
    let number = |variable: &str| {
        std::env::var(variable).ok().map(|text| text.parse::<u64>().expect("a number in the environment"))
    };
    let name = name.rsplit("::").next().unwrap_or(name);
    let time = Duration::from_secs(number("RESTANTE_CRASH_SECONDS").unwrap_or(0));
    let mut seed = number("RESTANTE_CRASH_SEED").unwrap_or(1);
    let begin = Instant::now();
    let mut tried = Tried::default();
    loop {
        let mut round = Round { name, scenario, seed, tried: Tried::default() };
        let prepared = round.prepare();
        round.crash_at_every_call(&prepared);
        round.fail_at_every_call(&prepared);
        tried.add(&round.tried);
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
    /// Calls after which the machine stopped.
    crash_points: usize,
    /// Disks that were judged after that.
    crashes: usize,
    /// Calls that failed, each with each fault, once or for ever.
    fault_points: usize,
    judged: usize,
}

impl Tried {
    fn add(&mut self, other: &Self) {
        self.rounds += 1;
        self.crash_points += other.crash_points;
        self.crashes += other.crashes;
        self.fault_points += other.fault_points;
        self.judged += other.judged;
    }
}

/// One time through both loops.
struct Round<'a> {
    name: &'a str,
    scenario: &'static dyn Scenario,
    seed: u64,
    tried: Tried,
}

/// What `Scenario::prepare` has made.
struct Prepared {
    world: World,
    promises: Promises,
}

impl Round<'_> {
    fn prepare(&self) -> Prepared {
        let mut promises = Promises::default();
        let world = World::new(self.scenario);
        self.playable("preparing", &[], || self.scenario.prepare(&world, &mut promises));
        Prepared { world, promises }
    }

    fn crash_at_every_call(&mut self, prepared: &Prepared) {
        for calls in 0.. {
            let (world, mut promises) = (prepared.world.fork(), prepared.promises.clone());
            world.disk.stop_after(calls);
            let what = format!("stopped after {calls} calls");
            self.playable(&what, &[], || self.scenario.act(&world, &mut promises));
            let is_last = !world.disk.has_stopped();
            let calls_made = world.disk.take_calls();
            let mut dice = Dice::new(self.seed.wrapping_mul(1_000_003).wrapping_add(calls as u64));
            let seeded = (0..SEEDS).map(|_| Aftermath::Seeded(dice.throw()));
            let aftermaths: Vec<_> = [Aftermath::Lost, Aftermath::Kept].into_iter().chain(seeded).collect();
            for aftermath in aftermaths {
                let what = format!("{what}, {aftermath:?}");
                self.playable(&what, &calls_made, || self.judge_crash(&world, &promises, aftermath));
                self.tried.crashes += 1;
            }
            let again =
                Again { first: dice.throw(), calls: dice.below(RECOVERY_CALLS), second: dice.throw() };
            let what = format!("{what}, {again:?}");
            self.judge_second_crash((&world, &promises), &again, &what, calls_made);
            self.tried.crashes += 1;
            self.tried.crash_points += 1;
            if is_last {
                return;
            }
            assert!(calls < CALLS_MAX, "{}: the write path never ends", self.name);
        }
    }

    fn judge_crash(&self, world: &World, promises: &Promises, aftermath: Aftermath) {
        let (after, mut promises) = (world.crash(aftermath), promises.clone());
        judge(self.scenario, &after, &mut promises, Moment::Crashed);
        goes_on(self.scenario, &after, &mut promises);
    }

    /// The machine stops once more while the maildrops are opened.
    fn judge_second_crash(
        &self,
        (world, promises): (&World, &Promises),
        again: &Again,
        what: &str,
        mut calls: Vec<String>,
    ) {
        let after = world.crash(Aftermath::Seeded(again.first));
        after.disk.stop_after(again.calls);
        for name in promises.names() {
            // It may open before it stops, or not.
            drop(after.open(&name));
        }
        calls.push("(crash)".to_owned());
        calls.extend(after.disk.take_calls().into_iter().take(again.calls));
        self.playable(what, &calls, || {
            let last = after.crash(Aftermath::Seeded(again.second));
            judge(self.scenario, &last, &mut promises.clone(), Moment::Crashed);
        });
    }

    fn fail_at_every_call(&mut self, prepared: &Prepared) {
        for fault in Fault::ALL {
            for lasting in [Lasting::Once, Lasting::ForEver] {
                for nth in 1.. {
                    let what = format!("call {nth} fails {lasting:?} with {fault:?}");
                    if !self.fail_at_call(prepared, (fault, lasting, nth), &what) {
                        break;
                    }
                    assert!(nth < CALLS_MAX, "{}: the write path never ends", self.name);
                }
            }
        }
    }

    /// `false` when the write path has fewer calls that can fail so.
    fn fail_at_call(
        &mut self,
        prepared: &Prepared,
        (fault, lasting, nth): (Fault, Lasting, usize),
        what: &str,
    ) -> bool {
        let (world, mut promises) = (prepared.world.fork(), prepared.promises.clone());
        world.disk.fail(fault, nth, lasting, Counted::Calls);
        self.playable(what, &[], || self.scenario.act(&world, &mut promises));
        let calls_made = world.disk.take_calls();
        let was_hit = self.playable(what, &calls_made, || {
            let mut dice = Dice::new(self.seed.wrapping_mul(7_000_003).wrapping_add(nth as u64));
            for aftermath in [Aftermath::Seeded(dice.throw()), Aftermath::Lost] {
                let crashed = world.crash(aftermath);
                judge(self.scenario, &crashed, &mut promises.clone(), Moment::FailedAndCrashed);
            }
            let was_hit = world.disk.heal();
            let moment = match lasting {
                Lasting::Once => Moment::FailedOnce,
                Lasting::ForEver => Moment::FailedForEver,
            };
            judge(self.scenario, &world, &mut promises, moment);
            goes_on(self.scenario, &world, &mut promises);
            was_hit
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

/// A second crash: so many calls after the first.
#[derive(Debug)]
struct Again {
    first: u64,
    calls: usize,
    second: u64,
}

/// Seeded aftermaths of each crash point, beside all lost and all kept.
const SEEDS: usize = 4;

/// About as many as the opening of a maildrop of a few messages takes, twice.
const RECOVERY_CALLS: usize = 60;

/// More than any write path of a scenario takes.
const CALLS_MAX: usize = 5_000;
