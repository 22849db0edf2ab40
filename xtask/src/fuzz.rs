//! Fuzzing: builds the targets of `fuzz/` with cargo-fuzz and runs them from the committed corpus.
//!
//! `cargo xtask fuzz` runs them for as long as one likes, `ci` for a moment each. Without a sanitizer: everything here is
//! safe Rust, so what there is to find are panics, broken invariants, overflow, endless loops and memory without bound,
//! and without one the targets run twice as often. What a run finds worth keeping goes to the target folder, not into
//! the corpus; CONTRIBUTING.md says how it gets there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::{tools, work};

/// How long the targets run, and how.
pub(crate) struct Plan {
    /// Seconds for each target.
    pub(crate) seconds: u32,
    /// Targets that run at the same time; each takes one processor.
    pub(crate) jobs: usize,
}

impl Plan {
    /// What `ci` can afford: it sees what is broken, and replays the corpus.
    pub(crate) const SMOKE: Self = Self { seconds: 20, jobs: 2 };
}

/// Reads `[TARGET…] [--seconds N] [--jobs N]` and runs those targets, or all.
///
/// # Errors
/// Words that make no sense, a tool that is missing, a build that fails, a finding.
pub(crate) fn run_words(words: &[&str]) -> Result<()> {
    let (mut plan, mut names) = (Plan { seconds: 600, jobs: 1 }, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => plan.seconds = number(word, words.next())?,
            "--jobs" => plan.jobs = number(word, words.next())?,
            name => names.push(name),
        }
    }
    run(&names, &plan)
}

fn number<N: std::str::FromStr>(option: &str, word: Option<&&str>) -> Result<N> {
    word.and_then(|word| word.parse().ok()).with_context(|| format!("{option} wants a number"))
}

/// Builds all targets and runs the named ones, or all. Prints one line for each.
///
/// # Errors
/// As [`run_words`]; all targets are run before the first finding is reported.
pub(crate) fn run(names: &[&str], plan: &Plan) -> Result<()> {
    let known = targets()?;
    if let Some(unknown) = names.iter().find(|name| !known.iter().any(|target| target == *name)) {
        bail!("`{unknown}` is no fuzz target; there are {}", known.join(", "));
    }
    let wanted: Vec<&String> =
        known.iter().filter(|target| names.is_empty() || names.contains(&target.as_str())).collect();
    let fuzz = Fuzz::prepare()?;
    work::run(fuzz.command("build").arg("--target-dir").arg(&fuzz.target))?;
    let waiting = Mutex::new(wanted.into_iter());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no thread panics with it").next();
                    let Some(target) = next else { break };
                    if let Err(error) = fuzz.run(target, plan.seconds) {
                        eprintln!("{target}: {error:#}");
                        failed.lock().expect("no thread panics with it").push(target.clone());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panicked with it");
    if !failed.is_empty() {
        bail!("fuzzing found something in {}", failed.join(", "));
    }
    Ok(())
}

/// The targets: the files of `fuzz/fuzz_targets`, in order.
fn targets() -> Result<Vec<String>> {
    let folder = folder().join("fuzz_targets");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn folder() -> PathBuf {
    work::root().join("fuzz")
}

/// cargo-fuzz, and where it builds.
struct Fuzz {
    program: PathBuf,
    target: PathBuf,
    /// The folder of the built targets.
    built: PathBuf,
}

impl Fuzz {
    fn prepare() -> Result<Self> {
        let rustc = Command::new("rustc").env("RUSTUP_TOOLCHAIN", TOOLCHAIN).arg("-vV").output();
        let version = rustc.ok().filter(|output| output.status.success());
        let Some(version) = version.and_then(|output| String::from_utf8(output.stdout).ok()) else {
            bail!(
                "the fuzz targets need a nightly compiler: rustup toolchain install {TOOLCHAIN} --profile minimal"
            );
        };
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc -vV names no host")?;
        if work::program("c++").is_none() {
            bail!("the fuzz targets need a C++ compiler for libFuzzer; as root: apt-get install -y g++");
        }
        let target = work::target().join("fuzz");
        // cargo-fuzz always builds for a triple of its own.
        Ok(Self { program: tools::cargo_fuzz()?, built: target.join(host).join("release"), target })
    }

    /// cargo-fuzz with the nightly toolchain, whatever toolchain we were started with.
    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("RUSTUP_TOOLCHAIN", TOOLCHAIN).env_remove("CARGO").env_remove("RUSTC");
        command.arg(verb).args(["--sanitizer", "none", "--fuzz-dir"]).arg(folder());
        command.current_dir(work::root());
        command
    }

    /// Runs one target and prints its line, or what it found.
    fn run(&self, target: &str, seconds: u32) -> Result<()> {
        let kept = self.target.join("kept").join(target);
        let artifacts = folder().join("artifacts").join(target);
        for folder in [&kept, &artifacts] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let log = self.target.join(format!("{target}.log"));
        let mut command = Command::new(self.built.join(target));
        command.arg(format!("-max_total_time={seconds}"));
        command.args([format!("-timeout={HANG_S}"), format!("-rss_limit_mb={MEMORY_MIB}")]);
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        if let Some(dictionary) = dictionary(target) {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        // What is new goes into the first folder.
        command.arg(&kept).arg(folder().join("corpus").join(target)).current_dir(work::root());
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let status = command.status().with_context(|| format!("cannot start the target {target}"))?;
        let said = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let said = String::from_utf8_lossy(&said);
        if !status.success() {
            let from = said.lines().count().saturating_sub(60);
            let end: Vec<&str> = said.lines().skip(from).collect();
            bail!(
                "{}\nreplay: {} INPUT, with the input from fuzz/artifacts/{target}",
                end.join("\n"),
                shown(&self.built.join(target))
            );
        }
        println!("{target:14} {}", summary(&said).unwrap_or_else(|| format!("ran, see {}", log.display())));
        Ok(())
    }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(work::root()).unwrap_or(path).display().to_string()
}

/// The words a target is helped with, if there are any.
fn dictionary(target: &str) -> Option<PathBuf> {
    let name = match target {
        "command" | "reply" => "pop3",
        name => name,
    };
    let file = folder().join("dictionaries").join(format!("{name}.dict"));
    file.is_file().then_some(file)
}

/// What libFuzzer says at its end, in our words: `#176508 DONE cov: 1742 ft: 9604 corp: 1413/108Kb … exec/s: 6788 …`.
fn summary(said: &str) -> Option<String> {
    let done = said.lines().rev().find(|line| line.contains("\tDONE "))?;
    let words: Vec<&str> = done.split_whitespace().collect();
    let behind =
        |word: &str| words.iter().position(|at| *at == word).and_then(|at| words.get(at + 1)).copied();
    let executions = words.first()?.trim_start_matches('#');
    let (edges, features) = (behind("cov:")?, behind("ft:")?);
    let (corpus, rate) = (behind("corp:")?, behind("exec/s:")?);
    Some(format!(
        "{executions} executions, {rate} a second, {edges} edges, {features} features, {corpus} kept, nothing found"
    ))
}

const TOOLCHAIN: &str = "nightly";

/// An input that takes so many seconds is a finding.
const HANG_S: u32 = 10;

/// So is one that makes the process hold so much.
const MEMORY_MIB: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_libfuzzer_is_read() {
        let said = "INFO: x\n#2\tINITED cov: 1 ft: 1 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                    #176508\tDONE   cov: 1742 ft: 9604 corp: 1413/108Kb lim: 346 exec/s: 6788 rss: 32Mb\n####\n";
        assert_eq!(
            summary(said).unwrap(),
            "176508 executions, 6788 a second, 1742 edges, 9604 features, 1413/108Kb kept, nothing found"
        );
        assert_eq!(summary("nothing"), None);
    }

    #[test]
    fn every_target_is_declared_and_has_a_corpus() {
        let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        for target in targets().unwrap() {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            assert!(folder().join("corpus").join(&target).is_dir(), "{target} has no corpus");
        }
    }
}
