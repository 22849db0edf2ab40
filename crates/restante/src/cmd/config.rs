//! `restante config check|show`.

use std::path::{Path, PathBuf};

use restante_auth::directory;
use restante_config::problem::{Problem, Severity};
use restante_server::assemble;
use restante_server::config::{self, Config};
use serde::Serialize;

use super::configuration;
use crate::exit::{Code, Failure};
use crate::flags::{ConfigCommand, ConfigFile};
use crate::terminal;

/// Runs `config check` or `config show`.
pub(crate) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check { file, json } => check(file, json.json),
        ConfigCommand::Show { file } => terminal::print(&configuration::load(file)?.show()),
    }
}

/// Prints every problem; fails when one of them is an error.
fn check(file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let path = configuration::find(file)?;
    let problems = match config::load(&path) {
        Ok(mut config) => {
            let mut problems = std::mem::take(&mut config.warnings);
            problems.extend(source_problems(&config));
            problems
        }
        Err(problems) => problems,
    };
    if as_json {
        let entries: Vec<Entry<'_>> = problems.iter().map(Entry::new).collect();
        terminal::print_json(&entries)?;
    } else {
        terminal::print(&report(&path, &problems))?;
    }
    match problems.iter().any(|problem| problem.severity == Severity::Error) {
        true => Err(Failure::said(Code::Config)),
        false => Ok(()),
    }
}

/// What is wrong inside a source of accounts, such as a line of a passwd-file: the server would not start with it.
fn source_problems(config: &Config) -> Vec<Problem> {
    let Err(error) = assemble::authenticator(config, None, None) else { return Vec::new() };
    // `file /etc/restante/users`: the kind, then the path.
    let source = error.source_name();
    let path = source.split_once(' ').map_or(source, |(_, path)| path);
    let problem = |problem: &directory::Problem| Problem {
        file: PathBuf::from(path),
        line: problem.line.and_then(|line| usize::try_from(line).ok()).unwrap_or_default(),
        severity: Severity::Error,
        what: problem.what.clone(),
        remedy: problem.remedy.clone(),
    };
    error.problems().iter().map(problem).collect()
}

/// The problems one below the other, then how many there are.
fn report(path: &Path, problems: &[Problem]) -> String {
    let mut text = String::new();
    for line in problems.iter().flat_map(configuration::lines) {
        text.push_str(&line);
        text.push('\n');
    }
    let count = |severity, one: &str| {
        let number = problems.iter().filter(|problem| problem.severity == severity).count();
        match number {
            0 => format!("no {one}s"),
            1 => format!("1 {one}"),
            more => format!("{more} {one}s"),
        }
    };
    let errors = count(Severity::Error, "error");
    let warnings = count(Severity::Warning, "warning");
    let name = terminal::visible(&configuration::short(path).to_string_lossy());
    text.push_str(&format!("{name}: {errors}, {warnings}\n"));
    text
}

/// A problem for programs.
#[derive(Serialize)]
struct Entry<'a> {
    file: String,
    /// From 1; null when the problem concerns the file as a whole.
    line: Option<usize>,
    severity: &'static str,
    what: &'a str,
    remedy: &'a str,
}

impl<'a> Entry<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self {
            file: problem.file.display().to_string(),
            line: Some(problem.line).filter(|&line| line > 0),
            severity: match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            what: &problem.what,
            remedy: &problem.remedy,
        }
    }
}
