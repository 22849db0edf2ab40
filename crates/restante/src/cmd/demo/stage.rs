//! What the tour needs around it: a temporary folder with certificate, configuration, account and maildrop. All of it
//! goes when the stage is dropped.

// The demo lays out its own temporary folder; no mail goes through here.
#![allow(clippy::disallowed_methods)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use super::certificate;
use crate::exit::{Code, Failure};

/// The folder of one tour.
pub(crate) struct Stage {
    folder: TempDir,
}

impl Stage {
    /// Makes the folder, readable by nobody else, and puts certificate, key and configuration into it.
    pub(crate) fn set(now: SystemTime) -> Result<Self, Failure> {
        let private = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("restante-demo-").permissions(private).tempdir();
        let folder = folder.map_err(|error| {
            Failure::new(Code::CannotCreate, format!("cannot make a temporary folder: {error}"))
                .remedy("name another place in TMPDIR")
        })?;
        let stage = Self { folder };
        let made = certificate::make(now)
            .map_err(|error| Failure::new(Code::Software, format!("cannot make a certificate: {error}")))?;
        stage.write("cert.pem", &made.certificate)?;
        stage.write("key.pem", &made.key)?;
        stage.write("restante.toml", CONFIGURATION)?;
        for name in ["state", "mail"] {
            let path = stage.path(name);
            fs::create_dir(&path).map_err(|error| Failure::file("make the folder", &path, &error))?;
        }
        Ok(stage)
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("restante.toml")
    }

    /// The certificate, PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.path("cert.pem")
    }

    /// Removes the folder and everything in it.
    pub(crate) fn strike(self) -> Result<(), Failure> {
        let path = self.root().to_owned();
        self.folder.close().map_err(|error| Failure::file("remove the folder", &path, &error))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn write(&self, name: &str, content: &str) -> Result<(), Failure> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content.as_bytes()))
            .map_err(|error| Failure::file("write", &path, &error))
    }
}

/// The configuration of the tour. Relative paths start at its folder; port 0 is any free port.
const CONFIGURATION: &str = r#"# The configuration of one run of `restante demo`. Port 0 means any free port.
hostname  = "localhost"
state_dir = "state"

[[listen]]
protocol = "pop3"
address  = "127.0.0.1:0"
tls      = "starttls"

[[listen]]
protocol = "pop3"
address  = "127.0.0.1:0"
tls      = "implicit"

[[listen]]
protocol = "lmtp"
address  = "127.0.0.1:0"

[tls]
certificate = "cert.pem"
key         = "key.pem"

[[auth.source]]
type = "embedded"

[maildrop]
type = "maildir"
path = "mail/{account}"

[log]
target = "file"
path   = "log"
"#;
