//! `Connection`: one connection to a database of any of the three kinds, and the rows it answers with, as text.
//!
//! Who has connections, and how many, is in `pool`. Each answer is read row by row and cut off when it is larger than an answer may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Executor as _, Row as _, TypeInfo as _, ValueRef as _,
};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::query::{Placeholder, Query};
use super::url::Options;

/// An open connection.
pub(super) enum Connection {
    Postgres(Box<PgConnection>),
    MySql(Box<MySqlConnection>),
    Sqlite(SqliteHandle),
}

/// A connection to a file. What is still computed when it is dropped is given up.
pub(super) struct SqliteHandle {
    connection: SqliteConnection,
    is_abandoned: Arc<AtomicBool>,
}

/// What is sent beside a query.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'a> {
    pub(super) account: &'a str,
    pub(super) local: &'a str,
    pub(super) domain: Option<&'a str>,
    pub(super) service: &'a str,
    pub(super) peer: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    pub(super) old: Option<&'a str>,
    pub(super) new: Option<&'a str>,
}

/// The columns of one row that are not NULL, by name in lower case.
pub(super) type Row = Vec<(String, Zeroizing<String>)>;

impl<'a> Values<'a> {
    const fn of(&self, placeholder: Placeholder) -> Option<&'a str> {
        match placeholder {
            Placeholder::Account => Some(self.account),
            Placeholder::Local => Some(self.local),
            Placeholder::Domain => self.domain,
            Placeholder::Service => Some(self.service),
            Placeholder::Peer => self.peer,
            Placeholder::Password => self.password,
            Placeholder::Old => self.old,
            Placeholder::New => self.new,
        }
    }
}

/// Sends a query and reads its rows with `$read`, each a function of row and column.
macro_rules! rows {
    ($connection:expr, $query:expr, $values:expr, $rows_max:expr, $read:path) => {{
        let mut request = sqlx::query(AssertSqlSafe(Arc::clone(&$query.text)));
        for placeholder in &$query.bindings {
            request = request.bind($values.of(*placeholder));
        }
        let mut stream = request.fetch($connection);
        let mut rows: Vec<Row> = Vec::new();
        while let Some(answered) = stream.try_next().await? {
            if rows.len() == $rows_max {
                return Err(Fault::Rows);
            }
            let mut row = Row::new();
            for (index, column) in answered.columns().iter().enumerate() {
                let name = column.name().to_ascii_lowercase();
                if row.iter().any(|(known, _)| *known == name) {
                    return Err(Fault::Twice(name));
                }
                match $read(&answered, index)? {
                    Some(value) if value.len() > VALUE_OCTETS_MAX => return Err(Fault::TooLong(name)),
                    Some(value) => row.push((name, value)),
                    None => {}
                }
            }
            rows.push(row);
        }
        Ok(rows)
    }};
}

/// Runs a statement that gives no rows; how many it has changed.
macro_rules! changed {
    ($connection:expr, $query:expr, $values:expr) => {{
        let mut request = sqlx::query(AssertSqlSafe(Arc::clone(&$query.text)));
        for placeholder in &$query.bindings {
            request = request.bind($values.of(*placeholder));
        }
        Ok(request.execute($connection).await?.rows_affected())
    }};
}

impl Connection {
    /// Connects, and tells the database that no statement may take longer than `statement_max`.
    pub(super) async fn open(options: &Options, statement_max: Duration) -> Result<Self, sqlx::Error> {
        // A moment longer than we wait ourselves is of no use to anybody.
        let milliseconds = statement_max.as_millis().max(1);
        Ok(match options {
            Options::Postgres(options) => {
                let mut connection = options.connect().await?;
                let text =
                    format!("SET statement_timeout = {milliseconds}; SET standard_conforming_strings = on");
                connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
                Self::Postgres(Box::new(connection))
            }
            Options::MySql(options) => {
                let mut connection = options.connect().await?;
                // MariaDB reads the first of these comments and MySQL the second; each has a name of its own for it.
                let seconds = statement_max.as_secs_f64();
                let text = format!(
                    "SET @restante = 1 /*M!100101 , max_statement_time = {seconds} */ \
                     /*!50708 , max_execution_time = {milliseconds} */"
                );
                connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
                Self::MySql(Box::new(connection))
            }
            Options::Sqlite(options) => {
                let mut connection = options.as_ref().clone().busy_timeout(statement_max).connect().await?;
                let is_abandoned = Arc::new(AtomicBool::new(false));
                let flag = Arc::clone(&is_abandoned);
                let goes_on = move || !flag.load(Ordering::Relaxed);
                connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, goes_on);
                Self::Sqlite(SqliteHandle { connection, is_abandoned })
            }
        })
    }

    /// What the database answers; more than `rows_max` rows are a fault. After any fault the connection must not be used again.
    pub(super) async fn rows(
        &mut self,
        query: &Query,
        values: &Values<'_>,
        rows_max: usize,
    ) -> Result<Vec<Row>, Fault> {
        match self {
            Self::Postgres(connection) => rows!(&mut **connection, query, values, rows_max, postgres),
            Self::MySql(connection) => rows!(&mut **connection, query, values, rows_max, mysql),
            Self::Sqlite(handle) => rows!(&mut handle.connection, query, values, rows_max, sqlite),
        }
    }

    /// How many rows a statement has changed.
    pub(super) async fn run(&mut self, query: &Query, values: &Values<'_>) -> Result<u64, Fault> {
        match self {
            Self::Postgres(connection) => changed!(&mut **connection, query, values),
            Self::MySql(connection) => changed!(&mut **connection, query, values),
            Self::Sqlite(handle) => changed!(&mut handle.connection, query, values),
        }
    }

    /// The names of the columns that a query answers with, without running it.
    pub(super) async fn columns(&mut self, query: &Query) -> Result<Vec<String>, Fault> {
        use sqlx::{SqlSafeStr as _, Statement as _};
        let text = AssertSqlSafe(Arc::clone(&query.text)).into_sql_str();
        let lower = |name: &str| name.to_ascii_lowercase();
        Ok(match self {
            Self::Postgres(connection) => {
                let statement = (&mut **connection).prepare(text).await?;
                statement.columns().iter().map(|column| lower(column.name())).collect()
            }
            Self::MySql(connection) => {
                let statement = (&mut **connection).prepare(text).await?;
                statement.columns().iter().map(|column| lower(column.name())).collect()
            }
            Self::Sqlite(handle) => {
                let statement = (&mut handle.connection).prepare(text).await?;
                statement.columns().iter().map(|column| lower(column.name())).collect()
            }
        })
    }
}

impl Drop for SqliteHandle {
    fn drop(&mut self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }
}

fn postgres(row: &PgRow, column: usize) -> Result<Option<Zeroizing<String>>, Fault> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(None);
    }
    let (kind, is_enum) = {
        let info = value.type_info();
        (info.name().to_owned(), matches!(info.kind(), sqlx::postgres::PgTypeKind::Enum(_)))
    };
    let number = |number: i64| Some(Zeroizing::new(number.to_string()));
    Ok(match kind.to_ascii_uppercase().as_str() {
        "BOOL" => Some(Zeroizing::new(row.try_get_unchecked::<bool, _>(column)?.to_string())),
        "INT2" => number(row.try_get_unchecked::<i16, _>(column)?.into()),
        "INT4" => number(row.try_get_unchecked::<i32, _>(column)?.into()),
        "INT8" => number(row.try_get_unchecked(column)?),
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "CITEXT" | "UNKNOWN" => {
            Some(row.try_get_unchecked::<String, _>(column)?.into())
        }
        _ if is_enum => Some(row.try_get_unchecked::<String, _>(column)?.into()),
        _ => return Err(unreadable(row.columns(), column, &kind)),
    })
}

fn mysql(row: &MySqlRow, column: usize) -> Result<Option<Zeroizing<String>>, Fault> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(None);
    }
    let kind = value.type_info().name().to_owned();
    Ok(match kind.as_str() {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
            Some(Zeroizing::new(row.try_get_unchecked::<i64, _>(column)?.to_string()))
        }
        kind if kind.ends_with(" UNSIGNED") || kind == "BIT" => {
            Some(Zeroizing::new(row.try_get_unchecked::<u64, _>(column)?.to_string()))
        }
        // Decimal numbers are sent as text.
        "CHAR" | "VARCHAR" | "TEXT" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" | "DECIMAL"
        | "BINARY" | "VARBINARY" | "BLOB" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            let octets = Zeroizing::new(row.try_get_unchecked::<Vec<u8>, _>(column)?);
            match std::str::from_utf8(&octets) {
                Ok(text) => Some(Zeroizing::new(text.to_owned())),
                Err(_) => return Err(unreadable(row.columns(), column, "octets that are no text")),
            }
        }
        kind => return Err(unreadable(row.columns(), column, kind)),
    })
}

fn sqlite(row: &SqliteRow, column: usize) -> Result<Option<Zeroizing<String>>, Fault> {
    let is_null = row.try_get_raw(column)?.is_null();
    if is_null {
        return Ok(None);
    }
    // SQLite makes text of whatever there is.
    let text: Result<String, _> = row.try_get_unchecked(column);
    text.map(|text| Some(text.into()))
        .map_err(|_| unreadable(row.columns(), column, "octets that are no text"))
}

fn unreadable<C: sqlx::Column>(columns: &[C], column: usize, kind: &str) -> Fault {
    let column = columns.get(column).map_or_else(String::new, |column| column.name().to_owned());
    Fault::Unreadable { column, kind: kind.to_owned() }
}

/// No field of an account needs more; a column that holds more is not meant.
const VALUE_OCTETS_MAX: usize = 65_536;

/// Instructions of SQLite's machine between two looks at whether somebody still waits: some tens of microseconds.
const INSTRUCTIONS: i32 = 4_096;
