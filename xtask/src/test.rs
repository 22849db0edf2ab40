//! The one test command: what the README names, and the last step of `ci`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{others, packages, work};

/// Provides what the tests need and runs them; `filters` are names of tests, none means all of them.
///
/// # Errors
/// A package that is missing and cannot be installed, a build that fails, a test that fails. Nothing is skipped.
pub(crate) fn run(filters: &[&str]) -> Result<()> {
    packages::provide()?;
    others::provide()?;
    work::run(&mut work::cargo(&["build", "--locked", "--package", "restante", "--features", "pam"]))?;
    if work::succeeds(&mut work::cargo(&["nextest", "--version"])) {
        // Documentation tests first: nextest's closing line is then the last thing printed.
        if filters.is_empty() {
            work::run(&mut documentation_tests())?;
        }
        work::run(with_program(
            work::cargo(&["nextest", "run", "--locked", "--workspace", work::FEATURES]).args(filters),
        ))
    } else {
        println!(
            "cargo-nextest is not installed: falling back to `cargo test`, which runs the same tests more slowly"
        );
        if filters.is_empty() {
            work::run(with_program(&mut work::cargo(&[
                "test",
                "--locked",
                "--workspace",
                work::FEATURES,
                "--no-fail-fast",
            ])))
        } else {
            let command = &mut work::cargo(&[
                "test",
                "--locked",
                "--workspace",
                work::FEATURES,
                "--no-fail-fast",
                "--all-targets",
                "--",
            ]);
            work::run(with_program(command.args(filters)))
        }
    }
}

fn documentation_tests() -> Command {
    work::cargo(&["test", "--locked", "--workspace", work::FEATURES, "--doc"])
}

/// Tells the tests which `restante` to start, the one just built, and where other servers lie.
fn with_program(command: &mut Command) -> &mut Command {
    command.env("RESTANTE_BIN", program()).env("RESTANTE_OTHER_SERVERS", others::folder())
}

fn program() -> PathBuf {
    work::target().join("debug/restante")
}
