//! The crash and fault loops for as long as one likes: the tests of all tests' runs, with a time and new seeds.

use anyhow::{Context, Result, bail};

use crate::work;

/// Reads `[--seconds N] [--seed S] [SCENARIO…]` and runs the loops. A seed alone is played once; with a time it is where the run
/// begins. The seed of a run without one is printed.
///
/// # Errors
/// Words that make no sense, a build that fails, a promise that the store has broken.
pub(crate) fn run_words(words: &[&str]) -> Result<()> {
    let (mut seconds, mut seed, mut scenarios) = (None, None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let number = words.next().and_then(|word| word.parse::<u64>().ok());
            number.with_context(|| format!("{word} wants a number"))
        };
        match *word {
            "--seconds" => seconds = Some(number()?),
            "--seed" => seed = Some(number()?),
            other if other.starts_with('-') => bail!("`{other}` is neither --seconds nor --seed"),
            scenario => scenarios.push(format!("{scenario}::{TEST}")),
        }
    }
    let seconds = seconds.unwrap_or_else(|| if seed.is_some() { 0 } else { SECONDS });
    let seed = seed.unwrap_or_else(new_seed);
    println!("crash: {seconds} seconds for each scenario at the same time, from seed {seed}");
    let mut test =
        work::cargo(&["test", "--locked", "--quiet", "--package", "restante-test", "--test", "crash"]);
    // Enough that all run at once and the time holds for all together.
    test.args(["--", "--nocapture", "--test-threads", "64"]);
    if scenarios.is_empty() {
        test.arg(TEST);
    } else {
        test.arg("--exact").args(scenarios);
    }
    test.env("RESTANTE_CRASH_SECONDS", seconds.to_string()).env("RESTANTE_CRASH_SEED", seed.to_string());
    work::run(&mut test)
}

/// Another one each time.
fn new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| now.as_secs())
}

/// What the test of each scenario is called.
const TEST: &str = "survives_crashes_and_faults";

/// When no time is given.
const SECONDS: u64 = 600;
