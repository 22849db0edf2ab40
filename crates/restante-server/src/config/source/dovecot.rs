//! `type = "dovecot"`: a running Dovecot.

use crate::file;
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_sources::dovecot::Settings;
use std::path::{Path, PathBuf};
use std::time::Duration;

section! {
    #[derive(PartialEq, Eq)]
    /// A running Dovecot, asked through the sockets of its `service auth`.
    pub struct DovecotSource {
        /// The socket for passwords, `auth-client`. Has no default.
        socket: Option<PathBuf> = None;
        /// The socket for names, `auth-userdb` (or `auth-master`): who has an account, and where its mail lies. Default: none, and nobody can
        /// be delivered to.
        userdb_socket: Option<PathBuf> = None;
        /// Seconds that an answer may take. Default 10.
        timeout_s: u64 = 10, in 3..=60;
        /// Questions at the same time through one socket; one more is answered as temporarily unavailable. Default 256.
        pending: u64 = 256, in 1..=100_000;
    }
}

impl DovecotSource {
    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        let paths = self.socket.iter_mut().chain(&mut self.userdb_socket);
        paths.for_each(|path| *path = folder.join(&*path));
    }

    /// What the source itself takes; `None` without a socket, which `check` refuses.
    pub(crate) fn settings(&self) -> Option<Settings> {
        Some(Settings {
            socket: self.socket.clone()?,
            userdb_socket: self.userdb_socket.clone(),
            timeout: Duration::from_secs(self.timeout_s),
            pending_max: usize::try_from(self.pending).unwrap_or(usize::MAX),
        })
    }

    /// Sockets that are not there may come with Dovecot's start: those are worth a word, and no more.
    pub(super) fn check(&self, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
        if self.socket.is_none() {
            problems.error(
                lines.at(name),
                "a Dovecot whose socket is not named",
                "add socket = \"/run/dovecot/auth-client\"",
            );
        }
        if self.userdb_socket.is_none() && !lines.is_set(&format!("{name}.part")) {
            problems.warning(
                lines.at(name),
                "without userdb_socket it is not known who has an account: mail waits with its sender, and no later source is asked after a wrong password",
                "add userdb_socket = \"/run/dovecot/auth-userdb\", or part = \"passwords\"",
            );
        }
        for (key, path) in [("socket", &self.socket), ("userdb_socket", &self.userdb_socket)] {
            let Some(path) = path else { continue };
            let at = lines.at(&format!("{name}.{key}"));
            if file::exists(path) && !file::is_socket(path) {
                problems.error(
                    at,
                    format!("{} is no socket", path.display()),
                    "name a socket of Dovecot's service auth",
                );
            } else if !file::exists(path) {
                problems.warning(
                    at,
                    format!("there is no {} now", path.display()),
                    "start Dovecot, or see `doveconf -n service/auth` for where its sockets are",
                );
            }
        }
    }
}
