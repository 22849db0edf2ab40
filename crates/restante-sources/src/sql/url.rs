//! `DatabaseUrl`: where a database is and who we are there, as one line that may hold a password.
//!
//! The form of each kind is that of its own clients; `connection` makes connections of it. It is never shown with its password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use restante_auth::directory::Problem;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use zeroize::Zeroizing;

use super::query::Dialect;

/// The address of a database: `postgres://`, `mysql://`, `mariadb://` or `sqlite:`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    text: Zeroizing<String>,
    dialect: Dialect,
}

/// How connections are made.
#[derive(Clone)]
pub(super) enum Options {
    Postgres(Box<PgConnectOptions>),
    MySql(Box<MySqlConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

impl DatabaseUrl {
    /// Takes an address.
    ///
    /// # Errors
    /// It is of no kind that is known here, or not written as its kind wants it. What is said never holds the password.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let dialect = match scheme {
            "postgres" | "postgresql" => Dialect::Postgres,
            "mysql" | "mariadb" => Dialect::MySql,
            "sqlite" => Dialect::Sqlite,
            _ => {
                return Err(Problem::new(
                    "the address is of no database that is known here",
                    "begin it with postgres://, mysql:// or sqlite:",
                ));
            }
        };
        if rest.trim_start_matches('/').is_empty() {
            return Err(Problem::new("the address names no database", example(dialect)));
        }
        let url = Self { text: Zeroizing::new(text.to_owned()), dialect };
        url.options(None)?;
        Ok(url)
    }

    /// Whose SQL is spoken there.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The whole address with its password. Not for logs.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The same address; the file of an SQLite database, if its path is relative, starts at `folder`.
    #[must_use]
    pub fn starting_at(self, folder: &Path) -> Self {
        let Some(path) = self.text.strip_prefix("sqlite:") else { return self };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.starts_with('/') || path.starts_with(':') {
            return self;
        }
        let text = Zeroizing::new(format!("sqlite:{}", folder.join(path).display()));
        Self { text, ..self }
    }

    /// The file of a database that is one.
    pub fn file(&self) -> Option<PathBuf> {
        match self.options(None) {
            Ok(Options::Sqlite(it)) => Some(it.get_filename().to_owned()).filter(|path| path.is_absolute()),
            _ => None,
        }
    }

    /// The port on some host that is connected to; `None` for a file and for a socket of this machine.
    pub fn port(&self) -> Option<u16> {
        match self.options(None).ok()? {
            Options::Postgres(it) if it.get_socket().is_none() => Some(it.get_port()),
            Options::MySql(it) if it.get_socket().is_none() => Some(it.get_port()),
            _ => None,
        }
    }

    /// Where the database is, for the log: without user and password.
    pub(super) fn place(&self, options: &Options) -> String {
        let at = |host: &str, port: u16, socket: Option<&PathBuf>, database: Option<&str>| {
            let host = socket.map_or_else(|| format!("{host}:{port}"), |socket| socket.display().to_string());
            format!("{} at {host}", database.unwrap_or("the usual database"))
        };
        match options {
            Options::Postgres(it) => {
                format!("postgres {}", at(it.get_host(), it.get_port(), it.get_socket(), it.get_database()))
            }
            Options::MySql(it) => {
                format!("mysql {}", at(it.get_host(), it.get_port(), it.get_socket(), it.get_database()))
            }
            Options::Sqlite(it) => format!("sqlite {}", it.get_filename().display()),
        }
    }

    /// Whether what is sent can be read or changed on its way: over a network, and without TLS that is checked.
    pub fn is_exposed(&self, has_authority: bool) -> bool {
        let Ok(options) = self.options(None) else { return false };
        let names_mode = self.names_tls_mode();
        let is_checked = match &options {
            Options::Postgres(it) => matches!(it.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull),
            Options::MySql(it) => {
                matches!(it.get_ssl_mode(), MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity)
            }
            Options::Sqlite(_) => true,
        };
        !is_checked && (names_mode || !has_authority) && !is_local(&options)
    }

    fn names_tls_mode(&self) -> bool {
        ["sslmode=", "ssl-mode="].iter().any(|key| self.text.contains(key))
    }

    /// How to connect. With `authority` (PEM) the database must show a certificate of it for its name, unless the address itself says
    /// how TLS is to be used.
    pub(super) fn options(&self, authority: Option<&[u8]>) -> Result<Options, Problem> {
        let wrong = |error: sqlx::Error| {
            let why = match error {
                sqlx::Error::Configuration(why) => why.to_string(),
                other => other.to_string(),
            };
            Problem::new(format!("the address of the database is wrong: {why}"), example(self.dialect))
        };
        let authority = authority.map(<[u8]>::to_vec);
        let is_ours = authority.is_some() && !self.names_tls_mode();
        Ok(match self.dialect {
            Dialect::Postgres => {
                let mut options = PgConnectOptions::from_str(&self.text).map_err(wrong)?;
                if let Some(authority) = authority {
                    options = options.ssl_root_cert_from_pem(authority);
                }
                if is_ours {
                    options = options.ssl_mode(PgSslMode::VerifyFull);
                }
                Options::Postgres(Box::new(options))
            }
            Dialect::MySql => {
                let mut options = MySqlConnectOptions::from_str(&self.text).map_err(wrong)?;
                if let Some(authority) = authority {
                    options = options.ssl_ca_from_pem(authority);
                }
                if is_ours {
                    options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
                }
                // Queries mean here what they mean to every other client: || is OR, unless the database says otherwise.
                let options = options.pipes_as_concat(false).no_engine_substitution(false).timezone(None);
                Options::MySql(Box::new(options))
            }
            Dialect::Sqlite => {
                let mut options = SqliteConnectOptions::from_str(&self.text).map_err(wrong)?;
                if !self.text.contains("mode=") {
                    options = options.read_only(true);
                }
                Options::Sqlite(Box::new(options))
            }
        })
    }
}

impl fmt::Display for DatabaseUrl {
    /// With `***` in place of the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, rest) = self.text.split_once("://").unwrap_or(("", &self.text));
        if !start.is_empty() {
            write!(f, "{start}://")?;
        }
        // Whatever stands between the first colon and the last @ may be the password, also where it should have been encoded.
        let rest = match rest.rsplit_once('@') {
            Some((user, rest)) => {
                let (user, has_password) =
                    user.split_once(':').map_or((user, false), |(user, _)| (user, true));
                write!(f, "{user}{}@", if has_password { ":***" } else { "" })?;
                rest
            }
            None => rest,
        };
        match rest.split_once("password=") {
            Some((before, after)) => {
                write!(
                    f,
                    "{before}password=***{}",
                    after.find('&').and_then(|at| after.get(at..)).unwrap_or_default()
                )
            }
            None => f.write_str(rest),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// Whether nothing leaves this machine.
fn is_local(options: &Options) -> bool {
    let is_loopback = |host: &str| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    match options {
        Options::Postgres(it) => it.get_socket().is_some() || is_loopback(it.get_host()),
        Options::MySql(it) => it.get_socket().is_some() || is_loopback(it.get_host()),
        Options::Sqlite(_) => true,
    }
}

const fn example(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "write postgres://USER:PASSWORD@HOST/DATABASE; encode other signs than letters and digits as %40"
        }
        Dialect::MySql => {
            "write mysql://USER:PASSWORD@HOST/DATABASE; encode other signs than letters and digits as %40"
        }
        Dialect::Sqlite => "write sqlite:/PATH/OF/THE/FILE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("postgres://me:se%40cret@db.example.org/mail", "postgres://me:***@db.example.org/mail"),
            ("mysql://me@db.example.org/mail", "mysql://me@db.example.org/mail"),
            (
                "postgres:///mail?user=me&password=secret&host=/run",
                "postgres:///mail?user=me&password=***&host=/run",
            ),
            ("sqlite:/var/lib/mail.db", "sqlite:/var/lib/mail.db"),
        ] {
            let url = DatabaseUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.expose()), (shown, text));
            assert!(!format!("{url:?}").contains("cret"));
        }
        let error = DatabaseUrl::parse("postgres://me:se/cret@db:x/mail").unwrap_err();
        assert!(
            error.to_string().contains("write postgres://USER") && !error.to_string().contains("cret"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (text, said) in [
            ("oracle://x/y", "no database that is known"),
            ("mail.db", "no database that is known"),
            ("sqlite:", "names no database"),
            ("mysql://", "names no database"),
            ("sqlite:/x?mode=read", "write sqlite:/PATH"),
        ] {
            let error = DatabaseUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn the_log_names_the_place_alone() {
        let place = |text: &str| {
            let url = DatabaseUrl::parse(text).unwrap();
            url.place(&url.options(None).unwrap())
        };
        assert_eq!(place("postgres://me:secret@db.example.org/mail"), "postgres mail at db.example.org:5432");
        assert_eq!(place("mariadb://me:secret@127.0.0.1:99/mail"), "mysql mail at 127.0.0.1:99");
        assert_eq!(place("mysql://me@localhost/mail?socket=/run/db.sock"), "mysql mail at /run/db.sock");
        assert_eq!(place("sqlite:/srv/mail.db"), "sqlite /srv/mail.db");
    }

    #[test]
    fn only_a_network_without_checked_tls_is_exposed() {
        for (text, has_authority, is_exposed) in [
            ("postgres://me@db.example.org/mail", false, true),
            ("postgres://me@db.example.org/mail", true, false),
            ("postgres://me@db.example.org/mail?sslmode=require", true, true),
            ("postgres://me@db.example.org/mail?sslmode=verify-full", false, false),
            ("mysql://me@db.example.org/mail?ssl-mode=VERIFY_IDENTITY", false, false),
            ("mysql://me@192.0.2.1/mail", false, true),
            ("mysql://me@127.0.0.1/mail", false, false),
            ("postgres:///mail?host=/run/postgresql", false, false),
            ("sqlite:/srv/mail.db", false, false),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().is_exposed(has_authority), is_exposed, "{text}");
        }
    }

    #[test]
    fn a_relative_file_starts_at_the_folder() {
        for (text, expected) in [
            ("sqlite:mail.db", "sqlite:/etc/restante/mail.db"),
            ("sqlite://mail.db?mode=rw", "sqlite:/etc/restante/mail.db?mode=rw"),
            ("sqlite:///srv/mail.db", "sqlite:///srv/mail.db"),
            ("mysql://h/mail", "mysql://h/mail"),
        ] {
            let url = DatabaseUrl::parse(text).unwrap().starting_at(Path::new("/etc/restante"));
            assert_eq!(url.expose(), expected);
        }
    }
}
