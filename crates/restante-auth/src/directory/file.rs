//! The passwd-file source: one account a line, in the form that Dovecot reads.

use std::path::PathBuf;

/// Where the file is and how its secrets are read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// The scheme of a secret that names none and does not show it by a prefix such as `$6$`.
    pub default_scheme: crate::password::Scheme,
}
