//! A scene: a temporary folder with a configuration, in which the built program is run; and the player of
//! transcripts.
//!
//! A transcript is a text of commands and what they answer:
//!
//! ```text
//! # A line that begins with a hash is a remark.
//! < what the next command reads from standard input (one or more lines)
//! $ restante deliver --to ann --config [ROOT]/restante.toml
//! what it prints to standard output
//! ! what it prints to standard error
//! ? 67
//! ```
//!
//! `?` is the exit status, left out when it is 0. `[ROOT]` is the scene's folder, `[VERSION]` the program's version.
//! In the answer, `[..]` stands for any text within a line. A difference is shown whole; with RESTANTE_BLESS set in the
//! environment the transcript is rewritten from what was answered (and then read before it is committed).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;

use tempfile::TempDir;

/// The built program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_restante");

/// A temporary folder in which the program is run. Removed when dropped.
pub(crate) struct Scene {
    folder: TempDir,
}

/// What a run answered.
pub(crate) struct Answer {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The exit status; a run that was killed has none.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("killed: {}", self.status))
    }
}

impl Scene {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: TempDir::with_prefix("restante-scene-").expect("a temporary folder") }
    }

    /// A folder with a configuration that serves nobody but has a place for accounts and mail.
    pub(crate) fn with_configuration() -> Self {
        let scene = Self::empty();
        scene.write("restante.toml", &scene.configuration());
        scene
    }

    /// A configuration without mistakes.
    pub(crate) fn configuration(&self) -> String {
        self.at_home(CONFIGURATION)
    }

    /// The scene's folder.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the scene.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file, with the folders that lead to it.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders are made");
        fs::write(path, content).expect("the file is written");
    }

    /// `text` with [ROOT] replaced by the scene's folder.
    pub(crate) fn at_home(&self, text: &str) -> String {
        text.replace("[ROOT]", self.root().to_str().expect("a temporary path is UTF-8"))
    }

    /// A run of the program that has not been started: in the scene's folder, with an empty environment.
    pub(crate) fn command<S: AsRef<str>>(&self, words: &[S]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.iter().map(|word| self.at_home(word.as_ref())));
        command.current_dir(self.root()).env_clear().env("TMPDIR", self.root());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end, with `input` on its standard input.
    pub(crate) fn run<S: AsRef<str>>(&self, words: &[S], input: &[u8]) -> Answer {
        let mut child = self.command(words).spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        let output = thread::scope(|scope| {
            // A program that ends without reading all of it is no error of the test.
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().expect("the program ends")
        });
        self.answer(output)
    }

    /// What a finished run printed.
    pub(crate) fn answer(&self, output: Output) -> Answer {
        let (stdout, stderr) = (self.answer_text(&output.stdout), self.answer_text(&output.stderr));
        Answer { status: output.status, stdout, stderr }
    }

    /// What the program wrote, with the scene's folder as [ROOT] and the version as [VERSION].
    pub(crate) fn answer_text(&self, octets: &[u8]) -> String {
        let text = std::str::from_utf8(octets).expect("the program writes UTF-8");
        text.replace(self.root().to_str().expect("a temporary path is UTF-8"), "[ROOT]")
            .replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
    }

    /// Plays a transcript from `tests/transcripts/` and compares the answers.
    pub(crate) fn play(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
        let script = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let played = self.perform(&script);
        if std::env::var_os("RESTANTE_BLESS").is_some() {
            fs::write(&path, played).expect("the transcript is written");
        } else if !matches_script(&script, &played) {
            panic!("{name} was answered differently:\n{played}");
        }
    }

    /// The script with its answers replaced by those of the program. Answers never hold empty lines (see `transcribe`),
    /// so an empty line belongs to the script.
    fn perform(&self, script: &str) -> String {
        let mut played = String::new();
        let mut input = String::new();
        for line in script.lines() {
            if line.starts_with('#') || line.is_empty() {
                played.push_str(line);
                played.push('\n');
            } else if let Some(text) = line.strip_prefix("< ") {
                input.push_str(text);
                input.push('\n');
                played.push_str(line);
                played.push('\n');
            } else if let Some(command) = line.strip_prefix("$ restante") {
                let answer = self.run(&words(command), std::mem::take(&mut input).as_bytes());
                played.push_str(&format!("{line}\n{}", transcribe(&answer)));
            }
        }
        played
    }
}

/// The answer as it stands in a transcript. An empty line of output is written as a lone "|", spaces at the end of a
/// line are dropped.
fn transcribe(answer: &Answer) -> String {
    let mut text = String::new();
    for line in answer.stdout.lines() {
        let line = line.trim_end();
        text.push_str(if line.is_empty() { "|" } else { line });
        text.push('\n');
    }
    for line in answer.stderr.lines() {
        text.push_str(format!("! {line}").trim_end());
        text.push('\n');
    }
    if answer.code() != 0 {
        text.push_str(&format!("? {}\n", answer.code()));
    }
    text
}

/// Cuts a command into words as a shell would, as far as transcripts need it: 'single quotes' and nothing else.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (position, piece) in command.split('\'').enumerate() {
        if position % 2 == 0 {
            words.extend(piece.split_whitespace().map(str::to_owned));
        } else {
            words.push(piece.to_owned());
        }
    }
    words
}

fn matches_script(script: &str, played: &str) -> bool {
    let (script, played): (Vec<&str>, Vec<&str>) = (script.lines().collect(), played.lines().collect());
    script.len() == played.len()
        && script.iter().zip(&played).all(|(expected, line)| matches_line(expected, line))
}

/// Whether the line fits the expected one, in which `[..]` stands for any text.
fn matches_line(expected: &str, line: &str) -> bool {
    let Some((first, rest)) = expected.split_once("[..]") else { return expected == line };
    let Some(mut left) = line.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split("[..]").collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = left.find(piece) else { return false };
        left = left.get(at + piece.len()..).unwrap_or_default();
    }
    left.ends_with(last)
}

/// What most scenes are set up with.
const CONFIGURATION: &str = r#"hostname = "mail.example.org"
state_dir = "[ROOT]/state"

[[listen]]
protocol = "pop3"
address = "127.0.0.1:0"
tls = "off"

[[auth.source]]
type = "embedded"

[maildrop]
type = "maildir"
path = "[ROOT]/mail/{account}"
"#;

#[test]
fn placeholders_match_any_text_in_a_line() {
    for (expected, line, matches) in [
        ("a", "a", true),
        ("a", "b", false),
        ("a [..] c", "a b c", true),
        ("a [..] c", "a b d", false),
        ("[..]x[..]y", "1x2y", true),
        ("[..]x[..]y", "1y2x", false),
        ("[..]", "", true),
    ] {
        assert_eq!(matches_line(expected, line), matches, "{expected} {line}");
    }
}
