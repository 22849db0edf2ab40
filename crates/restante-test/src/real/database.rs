//! Debian's PostgreSQL and MariaDB, each with a folder and a port of its own.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::Process;
use super::program;
use super::site::NOBODY;
use crate::certificate::{self, Flaw};
use crate::wait;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brand {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
}

/// A database server with the database `mail` and its owner `restante`, password `secret`.
pub struct Database {
    brand: Brand,
    // Before the folder: the process must be gone before it is.
    process: Option<Process>,
    folder: TempDir,
    address: SocketAddr,
    has_tls: bool,
}

impl Database {
    /// Makes an empty database server that will listen at `address`, and starts it. As root it runs as nobody: neither wants to
    /// run as root.
    ///
    /// # Panics
    /// When it is not installed or does not come up; with its log.
    #[must_use]
    pub fn start(brand: Brand, address: SocketAddr) -> Self {
        Self::make(brand, address, None)
    }

    /// The same with a certificate for `localhost` and its address, with this flaw; the authority is [`Self::authority`].
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with_tls(brand: Brand, address: SocketAddr, flaw: Flaw) -> Self {
        Self::make(brand, address, Some(flaw))
    }

    fn make(brand: Brand, address: SocketAddr, flaw: Option<Flaw>) -> Self {
        let folder = TempDir::with_prefix("restante-db-").expect("a temporary folder");
        for path in [folder.path().to_owned(), folder.path().join("data")] {
            if path != folder.path() {
                fs::create_dir(&path).expect("a fresh folder");
            }
            if is_root() {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may");
            }
            fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("our own folder");
        }
        if let Some(flaw) = flaw {
            let files = certificate::write_flawed(folder.path(), address.ip(), flaw);
            for path in [&files.certificate, &files.key, &files.authority] {
                if is_root() {
                    chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
                }
                fs::set_permissions(path, Permissions::from_mode(0o600)).expect("our own file");
            }
        }
        let mut database = Self { brand, process: None, folder, address, has_tls: flaw.is_some() };
        let data = database.data();
        let made = match brand {
            Brand::Postgres => database.run(
                &postgres("initdb"),
                &[
                    "-D",
                    &data,
                    "-U",
                    "root",
                    "--no-sync",
                    "-E",
                    "UTF8",
                    "--locale=C",
                    "--auth-local=trust",
                    "--auth-host=scram-sha-256",
                ],
                "",
            ),
            Brand::MariaDb => database.run(
                &program("mariadb-install-db", "mariadb-server"),
                &[
                    "--no-defaults",
                    &format!("--datadir={data}"),
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                ],
                "",
            ),
        };
        assert!(made.0, "{brand:?} is not made: {}", made.1);
        database.start_again();
        match brand {
            Brand::Postgres => {
                database.administer("CREATE ROLE restante LOGIN PASSWORD 'secret'");
                database.administer("CREATE DATABASE mail OWNER restante");
            }
            Brand::MariaDb => database.administer(
                "CREATE DATABASE mail CHARACTER SET utf8mb4; \
                 CREATE USER restante@'%' IDENTIFIED BY 'secret'; GRANT ALL ON mail.* TO restante@'%'",
            ),
        }
        database
    }

    /// Starts it again after [`Self::stop`].
    ///
    /// # Panics
    /// When it does not come up; with its log.
    pub fn start_again(&mut self) {
        let data = self.data();
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let socket = self.folder.path().display().to_string();
        let mut words = prefix();
        match self.brand {
            Brand::Postgres => {
                words.push(postgres("postgres").display().to_string());
                words.extend(["-D", &data, "-h", &host, "-p", &port, "-k", &socket, "-F"].map(str::to_owned));
                if self.has_tls {
                    let (certificate, key) = (
                        format!("ssl_cert_file={socket}/cert.pem"),
                        format!("ssl_key_file={socket}/key.pem"),
                    );
                    words.extend(["-c", "ssl=on", "-c", &certificate, "-c", &key].map(str::to_owned));
                }
            }
            Brand::MariaDb => {
                words.push(program("mariadbd", "mariadb-server").display().to_string());
                words.extend([
                    "--no-defaults".to_owned(),
                    format!("--datadir={data}"),
                    format!("--bind-address={host}"),
                ]);
                words.extend([format!("--port={port}"), format!("--socket={socket}/socket")]);
                words.extend([
                    format!("--pid-file={socket}/pid"),
                    format!("--tmpdir={socket}"),
                    "--innodb-flush-log-at-trx-commit=0".to_owned(),
                ]);
                if self.has_tls {
                    words.extend([
                        format!("--ssl-cert={socket}/cert.pem"),
                        format!("--ssl-key={socket}/key.pem"),
                    ]);
                }
            }
        }
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        let mut process = Process::start(&words, Path::new("/"), &self.folder.path().join("log"));
        let is_up = wait::try_some(wait::DEADLINE, || {
            assert!(process.is_running(), "{:?} ended at its start:\n{}", self.brand, process.log());
            self.try_sql("", "SELECT 1").0.then_some(())
        });
        assert!(is_up.is_some(), "{:?} does not answer:\n{}", self.brand, process.log());
        self.process = Some(process);
    }

    /// Ends it, cutting off whoever is connected.
    ///
    /// # Panics
    /// When it does not run or does not end.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        match self.brand {
            Brand::Postgres => process.signal(Signal::INT),
            Brand::MariaDb => process.signal(Signal::TERM),
        }
        wait::until("the database to end", || !process.is_running());
    }

    /// The url for clients, with this password.
    #[must_use]
    pub fn url(&self, password: &str) -> String {
        let scheme = match self.brand {
            Brand::Postgres => "postgres",
            Brand::MariaDb => "mysql",
        };
        format!("{scheme}://restante:{password}@{}/mail", self.address)
    }

    /// The authority that has signed its certificate, PEM.
    ///
    /// # Panics
    /// When it was started without one.
    #[must_use]
    pub fn authority(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("authority.pem")).expect("it was started with TLS")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map_or_else(String::new, Process::log)
    }

    /// Runs statements in the database `mail`.
    ///
    /// # Panics
    /// When they fail.
    pub fn sql(&self, statements: &str) {
        let (is_right, said) = self.try_sql("mail", statements);
        assert!(is_right, "{statements}: {said}");
    }

    fn administer(&self, statement: &str) {
        let (is_right, said) = self.try_sql("", statement);
        assert!(is_right, "{statement}: {said}");
    }

    /// As its administrator, over its socket.
    fn try_sql(&self, name: &str, statements: &str) -> (bool, String) {
        let folder = self.folder.path().display().to_string();
        match self.brand {
            Brand::Postgres => {
                let port = self.address.port().to_string();
                let name = if name.is_empty() { "postgres" } else { name };
                let program = program("psql", "postgresql");
                let words =
                    ["-X", "-q", "-h", &folder, "-p", &port, "-U", "root", "-v", "ON_ERROR_STOP=1", name];
                self.run(&program, &words, statements)
            }
            Brand::MariaDb => {
                let socket = format!("--socket={folder}/socket");
                let program = program("mariadb", "mariadb-server");
                let mut words =
                    vec!["--no-defaults", &socket, "-u", "root", "--default-character-set=utf8mb4"];
                words.extend(Some(name).filter(|name| !name.is_empty()));
                self.run(&program, &words, statements)
            }
        }
    }

    /// As the user that the server runs as.
    fn run(&self, program: &Path, words: &[&str], input: &str) -> (bool, String) {
        let mut all = prefix();
        all.push(program.display().to_string());
        all.extend(words.iter().map(|word| (*word).to_owned()));
        let (first, rest) = all.split_first().expect("the program is there");
        let mut child = Command::new(first)
            .args(rest)
            .current_dir("/")
            .env("HOME", self.folder.path())
            // Whoever starts in the same one removes the temporary tables of others.
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // A client that finds nobody ends without reading; its exit status says so.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("our own child");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }
}

/// A program of PostgreSQL, which Debian keeps in a folder for each version.
fn postgres(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| program(name, "postgresql"))
}

/// What changes the user before a program starts, for root.
fn prefix() -> Vec<String> {
    let setpriv = || program("setpriv", "util-linux").display().to_string();
    let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
    match is_root() {
        // The death signal is reset when the user changes, so it is asked for again.
        true => vec![setpriv(), user, group, "--clear-groups".into(), "--pdeathsig=INT".into(), "--".into()],
        false => Vec::new(),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
