//! The project's own chores behind one door: `cargo xtask ci | test | fuzz | model | crash | tidy | ledger`.
//!
//! `ci` is exactly what `.ci/run` runs and what a developer runs before pushing; the others are steps of it that are
//! useful alone. Nothing here is shipped, and no crate of the product knows of this one.

// The chores read files, ask the environment, measure and start programs: that is their whole purpose.
#![allow(clippy::disallowed_methods)]
// They read nothing but the project's own files, and a wrong index there is a bug to be seen at once.
#![allow(clippy::indexing_slicing)]

mod ci;
mod crash;
mod fuzz;
mod ledger;
mod model;
mod others;
mod packages;
mod source;
mod test;
mod tidy;
mod tools;
mod work;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask CHORE

  ci [STEP…]         everything that must hold before a change goes in, cheapest first (or those steps)
  test [FILTER…]     the Debian packages the tests need, then every test (or those that match)
  fuzz [TARGET…] [--seconds N] [--jobs N]
                     the fuzz targets, ten minutes each, one after the other
  model [--steps N] [--seed S]
                     a million steps of the model test, or so many; a seed alone is replayed
  crash [--seconds N] [--seed S] [SCENARIO…]
                     the crash and fault loops, ten minutes with new seeds or so long; a seed alone is played once
  tidy               the rules of the house that the compiler does not check
  ledger [--check]   the standards ledger against the tests; writes docs/conformance.md (or checks it)
  packages           what `test` would install, and why
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["ci", steps @ ..] => ci::run(steps),
        ["test", filters @ ..] => test::run(filters),
        ["fuzz", words @ ..] => fuzz::run_words(words),
        ["model", words @ ..] => model::run_words(words),
        ["crash", words @ ..] => crash::run_words(words),
        ["tidy"] => tidy::run(),
        ["ledger"] => ledger::run(ledger::Page::Write),
        ["ledger", "--check"] => ledger::run(ledger::Page::Check),
        ["packages"] => packages::print().map(|()| others::print()),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
