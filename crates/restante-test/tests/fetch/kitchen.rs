//! What all tests of this binary need: a home for a fetcher, and what is in it afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use restante_test::real::restante::binary;
use serde_json::Value;
use tempfile::TempDir;

/// The folder of somebody who collects mail.
pub(crate) struct Home {
    folder: TempDir,
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::with_prefix("restante-fetch-").expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn maildir(&self) -> PathBuf {
        self.path().join("Mail")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// `restante fetch` with these words, and nothing of the machine's environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("fetch").args(words).env_clear().env("HOME", self.path());
        command.env("PW", SECRET).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words).output().expect("the program starts"))
    }

    /// The words that collect `url` into the Maildir, in clear, with more words behind.
    pub(crate) fn words(&self, url: &str, more: &[&str]) -> Vec<String> {
        let to = format!("maildir:{}", self.maildir().display());
        let state = self.state().display().to_string();
        let words = [url, "--to", &to, "--state", &state, "--password-env", "PW", "--no-tls"];
        words.iter().chain(more).map(|&word| word.to_owned()).collect()
    }

    /// Collects `url` into the Maildir.
    pub(crate) fn collect(&self, url: &str, more: &[&str]) -> Ran {
        let words = self.words(url, more);
        self.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The Subject of every message in the Maildir, and how often it is there.
    pub(crate) fn subjects(&self) -> BTreeMap<String, usize> {
        let mut subjects = BTreeMap::new();
        for message in self.messages() {
            let text = String::from_utf8_lossy(&message).into_owned();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("(none)");
            *subjects.entry(subject.to_owned()).or_default() += 1;
        }
        subjects
    }

    /// Every message in the Maildir.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let files = ["new", "cur"]
            .iter()
            .flat_map(|name| std::fs::read_dir(self.maildir().join(name)).into_iter().flatten().flatten());
        files.map(|file| std::fs::read(file.path()).expect("a message")).collect()
    }

    /// Each of the messages `number 1` to `number count` is there once, and nothing else is.
    pub(crate) fn has_each_once(&self, count: usize) {
        let subjects = self.subjects();
        let missing: Vec<String> = (1..=count)
            .map(|number| format!("number {number}"))
            .filter(|name| !subjects.contains_key(name))
            .collect();
        let doubled: Vec<&String> =
            subjects.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name).collect();
        assert!(
            missing.is_empty() && doubled.is_empty() && subjects.len() == count,
            "missing {missing:?}, there more than once {doubled:?}, in all {}",
            subjects.len()
        );
    }

    /// Writes a configuration and returns its path.
    pub(crate) fn configuration(&self, text: &str) -> String {
        let path = self.path().join("fetch.toml");
        std::fs::write(&path, text).expect("our own folder");
        path.display().to_string()
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |octets| String::from_utf8(octets).expect("text");
        Self {
            status: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// It ended with this status.
    #[track_caller]
    pub(crate) fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, status, "out:\n{}err:\n{}", self.out, self.err);
        self
    }

    /// What it said holds this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let all = format!("{}{}", self.out, self.err);
        assert!(all.contains(text), "{text:?} is not in:\n{all}");
        self
    }

    /// The events of `--json`.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// The password of every account here.
pub(crate) const SECRET: &str = "secret";
