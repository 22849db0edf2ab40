//! What can be wrong with a configuration, and where it stands in the file.
//!
//! Lives here: `Problem` and `Place`. What is looked for is in `section.rs` and `check.rs`.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

/// One fault in a configuration file, told so that it can be mended without reading the manual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file.
    pub file: PathBuf,
    /// Line in the file, from 1; 0 when the fault concerns the file as a whole.
    pub line: usize,
    /// Does it keep the configuration from being used, or is it only a warning?
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// Whether a problem keeps a configuration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is used; the operator should know.
    Warning,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        match self.severity {
            Severity::Error => write!(f, ": error: {}", self.what)?,
            Severity::Warning => write!(f, ": warning: {}", self.what)?,
        }
        write!(f, "\n    {}", self.remedy)
    }
}

/// Collects problems while a file is read; nothing stops at the first one.
#[derive(Debug)]
pub struct Problems<'a> {
    file: &'a Path,
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    /// Of the text of this file; nothing is wrong yet.
    pub fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// The text as TOML. `None` when it is none, with a problem for each mistake: what a broken file means would be guesswork, and
    /// the guesses would bury the cause.
    pub fn document(&mut self) -> Option<Spanned<DeTable<'a>>> {
        let (document, syntax) = DeTable::parse_recoverable(self.text);
        for error in &syntax {
            let line = error.span().map_or(0, |span| self.line_at(span.start));
            self.error(
                line,
                format!("this is not TOML: {}", error.message()),
                "see https://toml.io for the syntax",
            );
        }
        syntax.is_empty().then_some(document)
    }

    /// The line, from 1, of an offset into the text.
    pub fn line_at(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        before.iter().filter(|&&octet| octet == b'\n').count() + 1
    }

    /// Keeps the configuration from being used.
    pub fn error(&mut self, line: usize, what: impl Into<String>, remedy: impl Into<String>) {
        self.push(line, Severity::Error, what.into(), remedy.into());
    }

    /// Does not.
    pub fn warning(&mut self, line: usize, what: impl Into<String>, remedy: impl Into<String>) {
        self.push(line, Severity::Warning, what.into(), remedy.into());
    }

    /// All problems in the order of their lines: (errors, warnings).
    pub fn finish(mut self) -> (Vec<Problem>, Vec<Problem>) {
        self.found.sort_by_key(|problem| problem.line);
        self.found.into_iter().partition(|problem| problem.severity == Severity::Error)
    }

    fn push(&mut self, line: usize, severity: Severity, what: String, remedy: String) {
        self.found.push(Problem { file: self.file.to_owned(), line, severity, what, remedy });
    }
}
