//! Accounts that are taken over from a database, with their passwords as they are stored there.

use super::addresses;
use crate::config::Config;
use crate::config::source::AuthSource;
use restante_auth::directory::embedded::accounts::Imported;
use restante_auth::directory::{Problem, SourceError};
use restante_auth::password::Scheme;
use restante_sources::sql::url::DatabaseUrl;
use restante_sources::sql::{Settings, SqlDirectory};
use std::time::{Duration, Instant};

/// Where accounts are taken over from.
#[derive(Clone, Copy, Debug)]
pub enum From<'a> {
    /// The one source of type `sql` that is configured.
    Configured,
    /// A database, and a query that answers with `account`, `password` and other fields.
    Query {
        /// The address of the database.
        url: &'a str,
        /// The query.
        query: &'a str,
    },
}

/// All accounts of a database. Must be called within a tokio runtime.
///
/// # Errors
/// There is no such database, it cannot be asked, or there are accounts that cannot be taken over: each is named.
pub async fn accounts(config: &Config, from: From<'_>, now: Instant) -> Result<Vec<Imported>, SourceError> {
    let wrong = |problem| SourceError::permanent("sql", vec![problem]);
    let settings = match from {
        From::Configured => configured(config)?,
        From::Query { url, query } => Settings {
            url: DatabaseUrl::parse(url).map_err(wrong)?,
            authority: None,
            // Never asked, since `query` has to say all.
            lookup: "SELECT :account AS password".to_owned(),
            check: None,
            list: Some(query.to_owned()),
            alias: None,
            upgrade: None,
            connections: 1,
            timeout: TIMEOUT,
            scheme: Scheme::Crypt,
            addresses: addresses(config),
        },
    };
    SqlDirectory::new(settings)?.export(now).await
}

fn configured(config: &Config) -> Result<Settings, SourceError> {
    let mut sources = config.sources.iter().filter_map(|source| match &source.own {
        AuthSource::Sql(sql) => Some(sql),
        _ => None,
    });
    let remedy = "name the database and a query: --from-sql URL --query 'SELECT …'";
    let wrong = |what: &str| SourceError::permanent("sql", vec![Problem::new(what, remedy)]);
    match (sources.next(), sources.next()) {
        (Some(source), None) => match source.assemble(addresses(config))? {
            Some(settings) => Ok(settings),
            None => Err(wrong("the source of type \"sql\" is not complete")),
        },
        (None, _) => Err(wrong("the configuration has no source of type \"sql\"")),
        (Some(_), Some(_)) => Err(wrong("the configuration has several sources of type \"sql\"")),
    }
}

/// For connecting; all accounts may take longer.
const TIMEOUT: Duration = Duration::from_secs(30);
