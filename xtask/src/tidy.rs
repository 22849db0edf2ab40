//! The rules of the house that neither the compiler nor clippy checks: one function a rule, each with its reason.
//!
//! A rule reads text (`source.rs`), so it can be fooled by somebody who tries. It is here for those who forget.

mod arrows;
mod matrix;
mod text;
mod threats;
mod tree;

use anyhow::{Result, bail};

use crate::source::{self, Source};
use crate::work;

/// One breach: where, what, and what to do instead.
#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    /// From 1.
    line: usize,
    what: String,
}

impl Finding {
    fn at(source: &Source, at: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line: source.line(at), what: what.into() }
    }
}

/// Checks every rule and prints every breach.
///
/// # Errors
/// Any breach.
pub(crate) fn run() -> Result<()> {
    let root = work::root();
    let sources = source::read_all(root, &["crates", "fuzz", "xtask"])?;
    let mut findings = Vec::new();
    for source in &sources {
        findings.extend(text::check(source));
        findings.extend(arrows::check_modules(source));
    }
    findings.extend(text::check_function_exceptions(&sources));
    findings.extend(tree::check(&sources));
    findings.extend(arrows::check_crates(root)?);
    findings.extend(matrix::check(root, &sources)?);
    findings.extend(threats::check(root, &sources)?);
    for Finding { path, line, what } in &findings {
        eprintln!("{path}:{line}: {what}");
    }
    if !findings.is_empty() {
        bail!("{} places break the rules of the house (STYLE.md, ARCHITECTURE.md)", findings.len());
    }
    println!("{} files keep the rules of the house", sources.len());
    Ok(())
}
