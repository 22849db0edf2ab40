//! Paths as they are written: `~/` and variables of the environment are filled in, and relative ones start at the configuration.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// What the configuration needs to know of the process and its file. Everything is handed in: this crate reads no environment.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The home folder, for `~/`.
    pub home: Option<&'a Path>,
    /// Reads a variable of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether the user is root, whose state lies elsewhere.
    pub is_root: bool,
    /// The permissions of the configuration file, as far as they are known: a password may stand in it only if nobody but its
    /// owner can read it.
    pub mode: Option<u32>,
}

impl fmt::Debug for Around<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Around").field("home", &self.home).field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Around<'_> {
    /// Where state lies unless somebody says otherwise: `/var/lib/restante/fetch` for root, else `$XDG_STATE_HOME/restante/fetch` or
    /// `~/.local/state/restante/fetch`; `None` without a home folder.
    #[must_use]
    pub fn state_dir(&self) -> Option<PathBuf> {
        if self.is_root {
            return Some(PathBuf::from("/var/lib/restante/fetch"));
        }
        let given = (self.environment)("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let state = given.or_else(|| self.home.map(|home| home.join(".local/state")))?;
        Some(state.join("restante/fetch"))
    }

    /// Where the configuration is unless somebody says otherwise: `/etc/restante/fetch.toml` for root, else
    /// `$XDG_CONFIG_HOME/restante/fetch.toml` or `~/.config/restante/fetch.toml`; `None` without a home folder.
    #[must_use]
    pub fn configuration(&self) -> Option<PathBuf> {
        if self.is_root {
            return Some(PathBuf::from("/etc/restante/fetch.toml"));
        }
        let given =
            (self.environment)("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        Some(given.or_else(|| self.home.map(|home| home.join(".config")))?.join("restante/fetch.toml"))
    }

    /// A path as written: `~/` at its beginning, and `${NAME}` anywhere, are filled in; then it starts at `folder` if it is relative.
    ///
    /// # Errors
    /// What is missing, as a sentence.
    pub fn place(&self, written: &str, folder: &Path) -> Result<PathBuf, String> {
        if written.is_empty() || written.contains('\0') {
            return Err("this is no path".to_owned());
        }
        let mut filled = OsString::new();
        let mut rest = written;
        if written == "~" || written.starts_with("~/") {
            let home = self.home.ok_or("~ is the home folder, and there is none: HOME is not set")?;
            filled.push(home);
            rest = written.strip_prefix('~').unwrap_or_default();
        } else if written.starts_with('~') {
            return Err("only ~/ is known, one's own home folder".to_owned());
        }
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, behind) = behind.split_once('}').ok_or("a ${ has no } behind it")?;
            filled.push(before);
            let value = (self.environment)(name).filter(|value| !value.is_empty());
            filled.push(value.ok_or_else(|| format!("the variable {name} is not set"))?);
            rest = behind;
        }
        filled.push(rest);
        Ok(folder.join(filled))
    }
}
