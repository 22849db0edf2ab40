//! Everything that must hold before a change goes in, cheapest first. `.ci/run` calls this and nothing else.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{fuzz, ledger, test, tidy, tools, work};

/// One thing that must hold.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", run: fmt },
    Step { name: "tidy", run: tidy::run },
    Step { name: "ledger", run: || ledger::run(ledger::Page::Check) },
    Step { name: "typos", run: typos },
    Step { name: "deny", run: deny },
    Step { name: "clippy", run: clippy },
    Step { name: "docs", run: docs },
    Step { name: "test", run: || test::run(&[]) },
    Step { name: "fuzz", run: || fuzz::run(&[], &fuzz::Plan::SMOKE) },
];

/// Runs every step, or those named, and stops at the first that fails.
///
/// # Errors
/// The first step that fails, by name; a name that is no step.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("`{unknown}` is no step of ci; there are {}", known.join(", "));
    }
    let begin = Instant::now();
    let wanted = STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.name));
    for step in wanted {
        println!("=== {}", step.name);
        let begin = Instant::now();
        let done = (step.run)();
        println!("=== {}: {} in {:.1} s", step.name, verdict(&done), begin.elapsed().as_secs_f64());
        done.with_context(|| format!("ci stops at the step `{0}`; alone: `cargo xtask ci {0}`", step.name))?;
    }
    println!("=== ci: everything holds, {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn verdict(done: &Result<()>) -> &'static str {
    if done.is_ok() { "holds" } else { "FAILED" }
}

fn fmt() -> Result<()> {
    work::run(&mut work::cargo(&["fmt", "--all", "--check"]))?;
    // Outside the workspace.
    work::run(&mut work::cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
}

fn clippy() -> Result<()> {
    let arguments = [
        "clippy",
        "--locked",
        "--workspace",
        work::FEATURES,
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ];
    work::run(&mut work::cargo(&arguments))
}

fn docs() -> Result<()> {
    let mut doc = work::cargo(&[
        "doc",
        "--locked",
        "--workspace",
        work::FEATURES,
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ]);
    work::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Licences, bans and sources: what can be checked without the network, once all crates are there. Known vulnerabilities need a list from
/// outside that changes by the day, so they are looked up at a release (RELEASING.md).
fn deny() -> Result<()> {
    // What only other systems need is looked at too, and no build has fetched it.
    work::run(&mut work::cargo(&["fetch", "--locked", "--quiet"]))?;
    let mut deny = Command::new(tools::cargo_deny()?);
    deny.args([
        "--offline",
        "--log-level",
        "error",
        work::FEATURES,
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]);
    work::run(deny.current_dir(work::root()))
}

fn typos() -> Result<()> {
    work::run(Command::new(tools::typos()?).current_dir(work::root()))
}
