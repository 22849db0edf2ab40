//! The programs that `ci` needs beside cargo: found, or brought at a pinned version into the target folder.
//!
//! cargo-deny and cargo-fuzz are built from source (45 s and 25 s on two cores); typos comes as the ready wheel of the same release where pip
//! is at hand, which takes seconds, and is built otherwise. Nothing is installed outside the target folder.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::work;

const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";
const TYPOS: &str = "1.52.0";

/// The path of cargo-deny.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let folder = work::target().join("tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let program = folder.join("bin/cargo-deny");
    if !program.is_file() {
        build("cargo-deny", CARGO_DENY, &["--no-default-features"], &folder)?;
    }
    Ok(program)
}

/// The path of cargo-fuzz.
pub(crate) fn cargo_fuzz() -> Result<PathBuf> {
    let folder = work::target().join("tools").join(format!("cargo-fuzz-{CARGO_FUZZ}"));
    let program = folder.join("bin/cargo-fuzz");
    if !program.is_file() {
        build("cargo-fuzz", CARGO_FUZZ, &[], &folder)?;
    }
    Ok(program)
}

/// The path of typos.
pub(crate) fn typos() -> Result<PathBuf> {
    let folder = work::target().join("tools").join(format!("typos-{TYPOS}"));
    let program = folder.join("bin/typos");
    if !program.is_file() {
        let wheel = format!("typos=={TYPOS}");
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary=:all:",
            "--target",
        ]);
        pip.arg(&folder).arg(&wheel).current_dir(work::root());
        if !(work::succeeds(&mut pip) && program.is_file()) {
            build("typos-cli", TYPOS, &[], &folder)?;
        }
    }
    Ok(program)
}

/// Builds one program without optimisation: it runs for a second, so it should not be built for minutes.
fn build(name: &str, version: &str, options: &[&str], folder: &std::path::Path) -> Result<()> {
    println!("building {name} {version}, once for this target folder");
    let mut install = work::cargo(&["install", "--quiet", "--locked", "--debug", "--version", version]);
    install.args(options).arg("--root").arg(folder).arg(name);
    // A target folder of its own: the profiles and lints of the workspace are not those of the tool.
    install.env("CARGO_TARGET_DIR", work::target().join("tools/build"));
    work::run(&mut install)
}
