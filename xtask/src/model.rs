//! The model test for as long as one likes: the test of all tests' runs, with another number of steps.

use anyhow::{Context, Result, bail};

use crate::work;

/// Reads `[--steps N] [--seed S]` and runs the model. A seed alone is replayed; with steps it is where the run begins.
///
/// # Errors
/// Words that make no sense, a build that fails, a sequence that comes to something else than the model says.
pub(crate) fn run_words(words: &[&str]) -> Result<()> {
    let (mut steps, mut seed) = (None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let number = || words.clone().next().and_then(|word| word.parse::<u64>().ok());
        let number = number().with_context(|| format!("{word} wants a number"));
        match *word {
            "--steps" => steps = Some(number?),
            "--seed" => seed = Some(number?),
            other => bail!("`{other}` is neither --steps nor --seed"),
        }
        words.next();
    }
    let mut test = work::cargo(&["test", "--locked", "--quiet", "--package", "restante-server", "--lib"]);
    test.args(["--", "--exact", "--nocapture", "tests::model::any_sequence_comes_to_what_the_model_says"]);
    match (steps, seed) {
        (None, None) => test.env("RESTANTE_MODEL_STEPS", STEPS.to_string()),
        (None, Some(seed)) => test.env("RESTANTE_MODEL_SEED", seed.to_string()),
        (Some(steps), None) => test.env("RESTANTE_MODEL_STEPS", steps.to_string()),
        (Some(steps), Some(seed)) => {
            test.env("RESTANTE_MODEL_STEPS", steps.to_string()).env("RESTANTE_MODEL_SEED", seed.to_string())
        }
    };
    work::run(&mut test)
}

const STEPS: u64 = 1_000_000;
