//! `[[auth.source]]`: where accounts come from. Each kind of source has keys of its own.

use crate::file;
use restante_config::problem::Problems;
use restante_config::section::{Lines, Section};
use restante_config::{choice, section};
use std::path::{Path, PathBuf};

/// One `[[auth.source]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthSource {
    /// A passwd-file.
    File(FileSource),
    /// The embedded directory.
    Embedded(EmbeddedSource),
}

section! {
    #[derive(PartialEq, Eq)]
    /// What every source has.
    pub struct AnySource {
        /// What kind it is. Default `file`.
        kind as "type": SourceType = SourceType::File;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// A passwd-file: `name:{SCHEME}secret`, one a line.
    pub struct FileSource {
        /// The file. Has no default.
        path: Option<PathBuf> = None;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// The accounts that `restante account` edits.
    pub struct EmbeddedSource {
        /// The file. Default: `accounts.redb` in `state_dir`.
        path: Option<PathBuf> = None;
    }
}

choice! {
    /// Kinds of account sources.
    pub enum SourceType {
        /// A passwd-file.
        File = "file",
        /// The embedded directory.
        Embedded = "embedded",
    }
}

impl AuthSource {
    /// The keys of all kinds together, for whoever wants to know whether they are documented.
    #[cfg(test)]
    pub(crate) const KEYS: [&[&str]; 3] = [AnySource::KEYS, FileSource::KEYS, EmbeddedSource::KEYS];

    /// Reads the table, and reports the keys that its kind does not have.
    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        let any = AnySource::read(section);
        let (source, keys) = match any.kind {
            SourceType::File => (Self::File(FileSource::read(section)), FileSource::KEYS),
            SourceType::Embedded => (Self::Embedded(EmbeddedSource::read(section)), EmbeddedSource::KEYS),
        };
        section.finish(&[AnySource::KEYS, keys].concat());
        source
    }

    pub(super) fn show(&self, output: &mut String) {
        AnySource { kind: self.kind() }.show(output);
        match self {
            Self::File(source) => source.show(output),
            Self::Embedded(source) => source.show(output),
        }
    }

    const fn kind(&self) -> SourceType {
        match self {
            Self::File(_) => SourceType::File,
            Self::Embedded(_) => SourceType::Embedded,
        }
    }

    /// Makes relative paths start at the folder of the configuration file.
    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        let start = |path: &mut PathBuf| *path = folder.join(&*path);
        match self {
            Self::File(FileSource { path }) | Self::Embedded(EmbeddedSource { path }) => {
                path.iter_mut().for_each(start);
            }
        }
    }

    /// What must hold beside the forms of single values; `name` is that of the table.
    pub(super) fn check(&self, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
        match self {
            Self::File(FileSource { path: None }) => problems.error(
                lines.at(name),
                "a file of accounts that is not named",
                "add path = \"/etc/restante/users\"",
            ),
            Self::File(FileSource { path: Some(path) }) => {
                check_users(path, &format!("{name}.path"), lines, problems);
            }
            Self::Embedded(_) => {}
        }
    }
}

fn check_users(path: &Path, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
    if let Err(error) = file::check_readable(path) {
        problems.error(
            lines.at(name),
            format!("the accounts in {} cannot be read: {error}", path.display()),
            "write the file (name:{SCHEME}secret, one a line), or correct the path or the permissions",
        );
    } else if let Ok(mode) = file::permissions(path)
        && mode & 0o007 != 0
    {
        problems.warning(
            lines.at(name),
            format!("every user of this machine can read {} (permissions {mode:04o})", path.display()),
            format!("chmod o-rwx {}", path.display()),
        );
    }
}
