//! `[[board]]`: maildrops that everybody may read, for XTND BBOARDS and its kin.

use crate::file;
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use std::path::{Path, PathBuf};

section! {
    #[derive(PartialEq, Eq)]
    /// One `[[board]]`: a Maildir that everybody who has logged in may read, and nobody may change (RFC 1082).
    pub struct Board {
        /// Its name for clients: printable ASCII without spaces, not beginning with a dot, at most 40 characters. Has no default.
        name: String = String::new();
        /// Its Maildir. Has no default.
        path: Option<PathBuf> = None;
        /// The Maildir of its older messages, for XTND ARCHIVE. Default: none.
        archive: Option<PathBuf> = None;
    }
}

impl Board {
    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        for path in self.path.iter_mut().chain(&mut self.archive) {
            *path = folder.join(&*path);
        }
    }
}

/// Names that clients can say, each once, and folders that are there.
pub(super) fn check(boards: &[Board], lines: &Lines, problems: &mut Problems<'_>) {
    for (position, board) in boards.iter().enumerate() {
        let table = format!("board.{position}");
        let at = |key: &str| lines.at(&format!("{table}.{key}"));
        let name = &board.name;
        if !lines.is_set(&format!("{table}.name")) {
            problems.error(lines.at(&table), "a board without name", "add name = \"news\"");
        } else if !is_name(name) {
            problems.error(
                at("name"),
                format!("{table}.name: {name:?} is no name that a client can say"),
                "write up to 40 letters, digits and signs of ASCII, without spaces and without a dot at the beginning",
            );
        } else if boards.iter().take(position).any(|other| other.name.eq_ignore_ascii_case(name)) {
            problems.error(
                at("name"),
                format!("there are two boards {name:?}"),
                "give one of them another name",
            );
        }
        if board.path.is_none() {
            problems.error(lines.at(&table), "a board without path", "add path = \"/var/mail/boards/news\"");
        }
        for (key, path) in [("path", &board.path), ("archive", &board.archive)] {
            if let Some(path) = path
                && !file::is_folder(&path.join("cur"))
            {
                problems.error(
                    at(key),
                    format!("{} is no Maildir", path.display()),
                    "make the folder with cur, new and tmp in it, or correct the path",
                );
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_graphic())
        && !name.starts_with('.')
}
