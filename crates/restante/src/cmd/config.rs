//! `restante config check|show|walls`.

use std::path::{Path, PathBuf};

use restante_auth::directory::{self, SourceError};
use restante_auth::verify::Authenticator;
use restante_config::problem::{Problem, Severity};
use restante_server::assemble;
use restante_server::config;
use restante_server::system::SystemAccess;
use restante_server::walls::probe::{self, Attempt};
use serde::Serialize;

use super::configuration;
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::{ConfigCommand, ConfigFile};
use crate::terminal;

/// Runs `config check`, `config show` or `config walls`.
pub(crate) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check { connect, file, json } => check(file, *connect, json.json),
        ConfigCommand::Show { file } => terminal::print(&configuration::load(file)?.show()),
        ConfigCommand::Walls { file, json } => walls(file, json.json),
    }
}

/// Prints every problem; fails when one of them is an error.
fn check(file: &ConfigFile, is_connecting: bool, as_json: bool) -> Result<(), Failure> {
    let path = configuration::find(file)?;
    let mut asked = Asked::default();
    let problems = match config::load(&path) {
        Ok(mut config) => {
            let mut problems = std::mem::take(&mut config.warnings);
            config.system = SystemAccess::on_demand();
            match assemble::authenticator(&config, None, None) {
                Ok(authenticator) if is_connecting => {
                    asked = ask(&authenticator, &path)?;
                    problems.append(&mut asked.problems);
                }
                Ok(_) => {}
                Err(error) => problems.extend(source_problems(&error)),
            }
            problems
        }
        Err(problems) => problems,
    };
    if as_json {
        let entries: Vec<Entry<'_>> = problems.iter().map(Entry::new).collect();
        terminal::print_json(&entries)?;
    } else {
        let answered: String = asked.answered.iter().map(|name| format!("{name}: answers\n")).collect();
        terminal::print(&format!("{answered}{}", report(&path, &problems)))?;
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    match errors {
        0 => Ok(()),
        // Nothing is wrong but what may pass by itself.
        errors if errors == asked.temporary => Err(Failure::said(Code::Unavailable)),
        _ => Err(Failure::said(Code::Config)),
    }
}

/// What came of asking every source once.
#[derive(Default)]
struct Asked {
    /// The names of those that answered.
    answered: Vec<String>,
    /// What is wrong with the others, as far as they say.
    problems: Vec<Problem>,
    /// How many of these problems may pass by themselves.
    temporary: usize,
}

fn ask(authenticator: &Authenticator, path: &Path) -> Result<Asked, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Code::Software, format!("no runtime: {error}")))?;
    let mut asked = Asked::default();
    for (source, outcome) in runtime.block_on(authenticator.probe(clock::now())) {
        let Err(error) = outcome else {
            asked.answered.push(terminal::visible(&source));
            continue;
        };
        for problem in error.problems() {
            asked.temporary += usize::from(error.is_temporary());
            asked.problems.push(Problem {
                file: path.to_owned(),
                line: 0,
                severity: Severity::Error,
                what: format!("{source}: {}", problem.what),
                remedy: problem.remedy.clone(),
            });
        }
    }
    Ok(asked)
}

/// Prints what holds of the server's rights, and what somebody could do who has taken it over.
fn walls(file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let path = configuration::find(file)?;
    let config = configuration::load(file)?;
    let (standing, attempts) = probe::probe(&config, &path).map_err(|error| {
        let failure = Failure::new(Code::Permission, exit::chain(&error));
        match error.remedy() {
            Some(remedy) => failure.remedy(remedy),
            None => failure,
        }
    })?;
    if as_json {
        let entries: Vec<AttemptEntry<'_>> = attempts.iter().map(AttemptEntry::new).collect();
        terminal::print_json(&entries)?;
    } else {
        let mut text = standing.to_string();
        for attempt in &attempts {
            let outcome = match &attempt.refusal {
                Some(why) => format!("refused ({why})"),
                None => "DONE".to_owned(),
            };
            text.push_str(&terminal::visible(&format!("{}: {outcome}", attempt.what)));
            text.push('\n');
        }
        terminal::print(&text)?;
    }
    match attempts.iter().all(|attempt| attempt.refusal.is_some()) {
        true => Ok(()),
        false => Err(Failure::said(Code::NotAll)),
    }
}

/// What was tried, for programs.
#[derive(Serialize)]
struct AttemptEntry<'a> {
    what: &'a str,
    is_refused: bool,
    /// What the system said.
    why: Option<&'a str>,
}

impl<'a> AttemptEntry<'a> {
    fn new(attempt: &'a Attempt) -> Self {
        let why = attempt.refusal.as_deref();
        Self { what: &attempt.what, is_refused: why.is_some(), why }
    }
}

/// What is wrong inside a source of accounts, such as a line of a passwd-file: the server would not start with it.
fn source_problems(error: &SourceError) -> Vec<Problem> {
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
