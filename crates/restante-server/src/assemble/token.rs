//! From the tables of token sources to the sources themselves.

use super::source::{authorities, secret};
use crate::config::Config;
use crate::config::token::{IntrospectedTokens, JwksTokens, TokenAccounts, TokenRules, TokenSource};
use restante_auth::directory::{Notify, Problem, SourceError};
use restante_auth::token::{Source, file};
use restante_sources::http::Url;
use restante_sources::oauth::algorithm::Algorithm;
use restante_sources::oauth::claims::Rules;
use restante_sources::oauth::introspection::{self, Login};
use restante_sources::oauth::jwks::{self, Place};
use restante_sources::oauth::{Asking, Pace};
use std::sync::Arc;
use std::time::Duration;

/// The source that a table describes. `None` only for what `config::check` refuses.
pub(super) fn source(
    config: &Config,
    own: &TokenSource,
    notify: Option<Notify>,
) -> Option<Result<Source, SourceError>> {
    match own {
        TokenSource::File(tokens) => {
            tokens.path.as_ref().map(|path| Ok(Source::File(file::Settings::new(path))))
        }
        TokenSource::Jwks(table) => {
            let (rules, own) = &**table;
            rules.issuer.is_some().then(|| jwks(config, rules, own, notify))
        }
        TokenSource::Introspection(table) => {
            let (rules, own) = &**table;
            own.url.as_deref().map(|url| introspection(config, rules, own, url))
        }
    }
}

fn jwks(
    config: &Config,
    written: &TokenRules,
    own: &JwksTokens,
    notify: Option<Notify>,
) -> Result<Source, SourceError> {
    let place = match (&own.jwks_uri, &written.issuer) {
        (Some(keys), _) => Place::Keys(address(keys)?),
        (None, issuer) => Place::Issuer(address(issuer.as_deref().unwrap_or_default())?),
    };
    let settings = jwks::Settings {
        rules: rules(config, written, "email"),
        place,
        algorithms: own.algorithms.iter().filter_map(|name| Algorithm::named(name)).collect(),
        wants_at_jwt: own.at_jwt,
        pace: Pace {
            refresh: Duration::from_secs(own.refresh_s),
            retry: Duration::from_secs(own.retry_s),
            keep: Duration::from_secs(own.keep_s),
        },
        // One question at a time is asked of an issuer of keys.
        asking: asking(written, 1)?,
        notify,
    };
    Ok(Source::Other(Arc::new(jwks::JwksTokens::new(settings)?)))
}

fn introspection(
    config: &Config,
    written: &TokenRules,
    own: &IntrospectedTokens,
    url: &str,
) -> Result<Source, SourceError> {
    let secret = secret(SOURCE, own.password.as_ref(), own.password_file.as_deref())?;
    let secret = secret.ok_or_else(|| wrong("there is no password", "add password_file"))?;
    let login = match own.client_id.clone() {
        Some(id) => Login::Client { id, secret },
        None => Login::Bearer(secret),
    };
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let entries_max = size(config.auth.cache_entries);
    let settings = introspection::Settings {
        rules: rules(config, written, "username"),
        url: address(url)?,
        login,
        asking: asking(written, size(own.connections))?,
        memory: (own.cache_s > 0).then(|| (Duration::from_secs(own.cache_s), entries_max)),
    };
    Ok(Source::Other(Arc::new(introspection::IntrospectedTokens::new(settings)?)))
}

fn rules(config: &Config, written: &TokenRules, claim: &str) -> Rules {
    Rules {
        issuer: written.issuer.clone(),
        audience: written.audience.clone(),
        scopes: written.scopes.clone(),
        claim: written.claim.clone().unwrap_or_else(|| claim.to_owned()),
        domain: written.domain.clone(),
        domains: written.domains.clone(),
        leeway: Duration::from_secs(written.leeway_s),
        opens_unlisted: written.accounts == TokenAccounts::Any,
        addresses: super::addresses(config),
    }
}

fn asking(written: &TokenRules, parallel_max: usize) -> Result<Asking, SourceError> {
    Ok(Asking {
        authorities: authorities(SOURCE, written.ca.as_deref())?,
        parallel_max,
        timeout: Duration::from_secs(written.timeout_s),
    })
}

/// `config::check` has refused what is none.
fn address(url: &str) -> Result<Url, SourceError> {
    Url::parse(url, false).map_err(|why| wrong(&why.to_string(), "write https://HOST/PATH"))
}

fn wrong(what: &str, remedy: &str) -> SourceError {
    SourceError::permanent(SOURCE, vec![Problem::new(what, remedy)])
}

const SOURCE: &str = "tokens";
