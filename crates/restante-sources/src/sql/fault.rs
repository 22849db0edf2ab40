//! `Fault`: what can go wrong with a question to a database, and what an operator is told.
//!
//! The database's own words are passed on, but for what it says about values in a query that was given a password.

use restante_auth::directory::{Problem, SourceError};
use restante_proto::visible::is_hidden;

use super::query::Query;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database or the way to it.
    Sql(sqlx::Error),
    /// There are more rows than there may be.
    Rows,
    /// Two columns have the same name.
    Twice(String),
    /// A value is longer than any field.
    TooLong(String),
    /// A value that is neither text, a whole number nor a boolean.
    Unreadable { column: String, kind: String },
    /// There was no answer in time.
    Late,
    /// All connections were in use all the time.
    Busy,
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// Who has to do something about an error of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    /// The way there: nobody listens, or the connection broke.
    Way,
    /// TLS.
    Tls,
    /// It does not let us in.
    Login,
    /// The query as it is written.
    Query,
    /// A value in a query.
    Value,
    /// The database itself.
    Database,
}

impl Fault {
    /// Whether a connection that was open for a while may simply have been the wrong one to ask: the database was restarted, or a
    /// statement that it had prepared is no longer good.
    pub(super) fn is_of_connection(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        let Some(code) = code(error) else { return matches!(blame(error), Blame::Way | Blame::Tls) };
        // PostgreSQL: going down, connection lost, plan or prepared statement is gone; MySQL: going down, killed, idle for too long, prepared
        // statement is gone.
        let codes = ["0A000", "26000", "57P01", "57P02", "57P03", "1053", "1243", "1615", "1927", "4031"];
        codes.contains(&code.as_str()) || code.starts_with("08")
    }

    /// What the operator is told; `query` is the one that was asked, `timeout` how long that may take.
    pub(super) fn into_error(self, source: &str, query: Option<&Query>, timeout_s: u64) -> SourceError {
        let key = query.map_or("lookup", |query| query.purpose.key());
        let permanent =
            |what: String, remedy: &str| SourceError::permanent(source, vec![Problem::new(what, remedy)]);
        let temporary =
            |what: String, remedy: &str| SourceError::temporary(source, Problem::new(what, remedy));
        match self {
            Self::Rows if key == "list" => {
                permanent("`list` answers with too many rows".to_owned(), "let it give each account once")
            }
            Self::Rows => permanent(
                format!("`{key}` answers with more than one row for one account"),
                "make names unique in the table, or let the query find one row",
            ),
            Self::Twice(column) => permanent(
                format!("`{key}` answers with two columns of the name {column}"),
                "name each column that is meant once",
            ),
            Self::TooLong(column) => permanent(
                format!("the column {column} of `{key}` is longer than any field"),
                "select another column",
            ),
            Self::Unreadable { column, kind } => permanent(
                format!("the column {column} of `{key}` is {kind}, which is not read"),
                "turn it into text in the query: CAST(… AS text), in MySQL CAST(… AS char)",
            ),
            Self::Late => temporary(
                format!("no answer within {timeout_s} s"),
                "look at the load of the database and at the indexes of the query, or raise timeout_s",
            ),
            Self::Busy => temporary(
                format!("no connection was free within {timeout_s} s"),
                "look at the load of the database, or raise connections",
            ),
            Self::Sql(error) => {
                let said = said(&error);
                let has_secret = query.is_some_and(|query| key == "check" && !query.bindings.is_empty());
                match blame(&error) {
                    Blame::Way => temporary(
                        format!("the database cannot be reached: {said}"),
                        "start the database, or correct url",
                    ),
                    Blame::Tls => permanent(
                        format!("no trusted connection: {said}"),
                        "correct ca, or the certificate of the database and its name",
                    ),
                    Blame::Login => permanent(
                        format!("the database refuses us: {said}"),
                        "correct user, password and database in url, and the rights of that user",
                    ),
                    Blame::Query => permanent(format!("`{key}` cannot be run: {said}"), "correct the query"),
                    Blame::Value if has_secret => temporary(
                        format!("`{key}` fails with the error {}", code(&error).unwrap_or_default()),
                        "look at the log of the database",
                    ),
                    Blame::Value | Blame::Database => {
                        temporary(format!("`{key}` fails: {said}"), "look at the log of the database")
                    }
                }
            }
        }
    }
}

/// The code of an error that the database itself answered with: SQLSTATE of PostgreSQL, the numbers of MySQL and SQLite.
fn code(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return Some(error.number().to_string());
    }
    error.code().map(|code| code.into_owned())
}

fn blame(error: &sqlx::Error) -> Blame {
    match error {
        // What TLS says comes as an error of the connection.
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Blame::Tls,
        sqlx::Error::Tls(_) => Blame::Tls,
        sqlx::Error::Database(answered) => {
            let code = code(error).unwrap_or_default();
            if answered.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().is_some() {
                of_mysql(&code)
            } else if answered.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                of_sqlite(&code)
            } else {
                of_postgres(&code)
            }
        }
        sqlx::Error::Configuration(_) => Blame::Login,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => Blame::Value,
        _ => Blame::Way,
    }
}

/// By class of SQLSTATE.
fn of_postgres(code: &str) -> Blame {
    match code {
        "57P01" | "57P02" | "57P03" => Blame::Way,
        "3D000" => Blame::Login,
        _ => match code.get(..2) {
            Some("08") => Blame::Way,
            Some("28") => Blame::Login,
            Some("42" | "3F" | "0A") => Blame::Query,
            Some("22") => Blame::Value,
            _ => Blame::Database,
        },
    }
}

fn of_mysql(number: &str) -> Blame {
    match number {
        "1053" | "1927" | "4031" => Blame::Way,
        "1044" | "1045" | "1049" | "1130" | "1698" | "1524" => Blame::Login,
        "1046" | "1051" | "1052" | "1054" | "1064" | "1142" | "1143" | "1146" | "1222" | "1305" | "1370" => {
            Blame::Query
        }
        "1292" | "1366" | "1411" => Blame::Value,
        _ => Blame::Database,
    }
}

/// By primary result code: the lowest eight bits.
fn of_sqlite(code: &str) -> Blame {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(1) => Blame::Query,
        Ok(14 | 26) => Blame::Way,
        _ => Blame::Database,
    }
}

/// In the database's words: one line, cut off where it becomes a story.
fn said(error: &sqlx::Error) -> String {
    let text = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) | sqlx::Error::Configuration(error) => error.to_string(),
        other => other.to_string(),
    };
    let line = text.chars().map(|letter| if is_hidden(letter) { ' ' } else { letter });
    line.take(SAID_CHARS_MAX).collect()
}

const SAID_CHARS_MAX: usize = 300;
