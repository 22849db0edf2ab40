//! `[[auth.source]]` with `type = "http"`: keys, and what they mean to `restante_sources::http`.

use super::{Wrong, check_authorities, check_secret};
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_config::value::Hidden;
use restante_sources::http::{InvalidUrl, Url};
use std::path::{Path, PathBuf};
use std::time::Duration;

section! {
    #[derive(PartialEq, Eq)]
    /// Accounts that a program of one's own is asked about by HTTP.
    pub struct HttpSource {
        /// Where to ask: `https://HOST/PATH`, or `http://` on this machine. Has no default.
        url: Option<String> = None;
        /// May passwords go over a network in clear, by `http://`? Default false.
        clear: bool = false;
        /// The authorities of the server's certificate, PEM. Default: those that the machine trusts.
        ca: Option<PathBuf> = None;
        /// The name of the header that shows the server who asks. Default `Restante-Secret`.
        header: String = "Restante-Secret".to_owned();
        /// What stands in that header. Default: there is none.
        password: Option<Hidden> = None;
        /// A file with what stands in that header; a line end at its end does not count.
        password_file: Option<PathBuf> = None;
        /// Questions at the same time. From 1 to 64; default 8.
        connections: u64 = 8, in 1..=64;
        /// Seconds for one answer, with all that it takes. From 1 to 60; default 3.
        timeout_s: u64 = 3, in 1..=60;
    }
}

impl HttpSource {
    /// Where to ask.
    pub(crate) fn url(&self) -> Result<Url, Wrong> {
        let Some(url) = &self.url else {
            return Err(("", "a source by HTTP without an address".to_owned(), URL_REMEDY));
        };
        Url::parse(url, self.clear).map_err(|why| match why {
            InvalidUrl::Form => ("url", why.to_string(), URL_REMEDY),
            InvalidUrl::Clear => {
                ("url", why.to_string(), "write https://, or clear = true if nobody can listen")
            }
        })
    }

    /// The longest wait.
    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        let start = |path: &mut PathBuf| *path = folder.join(&*path);
        self.ca.iter_mut().for_each(start);
        self.password_file.iter_mut().for_each(start);
    }

    pub(super) fn check(&self, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
        if let Err((key, what, remedy)) = self.url() {
            let at = if key.is_empty() { name.to_owned() } else { format!("{name}.{key}") };
            problems.error(lines.at(&at), what, remedy);
        }
        check_secret(self.password.as_ref(), self.password_file.as_deref(), name, lines, problems);
        check_authorities(self.ca.as_deref(), name, lines, problems);
    }
}

const URL_REMEDY: &str = "add url = \"https://accounts.example.org/check\"";
