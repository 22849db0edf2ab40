//! From the tables of sources that are asked over a wire to the sources themselves.

use crate::config::source::{HttpSource, LdapSource};
use crate::file;
use restante_auth::address;
use restante_auth::directory::{Problem, SourceError};
use restante_auth::verify::Source;
use restante_config::value::Hidden;
use restante_proto::secret::Secret;
use restante_sources::http::{self, HttpDirectory};
use restante_sources::ldap::{LdapDirectory, Service, Settings};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A directory that speaks LDAP.
pub(super) fn ldap(source: &LdapSource, addresses: address::Settings) -> Result<Source, SourceError> {
    // `config::check` has refused what is wrong with single keys.
    let wrong = |(_, what, remedy): (&str, String, &str)| {
        SourceError::permanent("ldap", vec![Problem::new(what, remedy)])
    };
    let service = match &source.user {
        None => None,
        Some(dn) => {
            let password = secret("ldap", source.password.as_ref(), source.password_file.as_deref())?;
            password.map(|password| Service { dn: dn.clone(), password })
        }
    };
    let settings = Settings {
        servers: source.servers().map_err(wrong)?,
        authorities: authorities("ldap", source.ca.as_deref())?,
        service,
        place: source.place().map_err(wrong)?,
        fields: source.fields.0.clone(),
        scheme: source.scheme().map_err(wrong)?,
        aliases: source.aliases(addresses.clone()).map_err(wrong)?,
        list: source.listing(addresses).map_err(wrong)?,
        connections_max: usize::try_from(source.connections).unwrap_or(usize::MAX),
        timeout: source.timeout(),
    };
    Ok(Source::Other(Arc::new(LdapDirectory::new(settings)?)))
}

/// A program that is asked by HTTP.
pub(super) fn http(source: &HttpSource) -> Result<Source, SourceError> {
    // `config::check` has refused what is wrong with the address.
    let url = source
        .url()
        .map_err(|(_, what, remedy)| SourceError::permanent("http", vec![Problem::new(what, remedy)]))?;
    let password = secret("http", source.password.as_ref(), source.password_file.as_deref())?;
    let settings = http::Settings {
        url,
        authorities: authorities("http", source.ca.as_deref())?,
        secret: password.map(|password| (source.header.clone(), password)),
        parallel_max: usize::try_from(source.connections).unwrap_or(usize::MAX),
        timeout: source.timeout(),
    };
    Ok(Source::Other(Arc::new(HttpDirectory::new(settings)?)))
}

/// A secret, as it stands in the configuration or in a file of its own; there without the line end at its end.
pub(super) fn secret(
    source: &str,
    written: Option<&Hidden>,
    path: Option<&Path>,
) -> Result<Option<Secret>, SourceError> {
    match (written, path) {
        (Some(written), _) => Ok(Some(Secret::new(written.expose().as_bytes().to_vec()))),
        (None, Some(path)) => {
            let mut octets = Zeroizing::new(read(source, path)?);
            while octets.last().is_some_and(|octet| b"\r\n".contains(octet)) {
                octets.pop();
            }
            Ok(Some(Secret::new(std::mem::take(&mut octets))))
        }
        (None, None) => Ok(None),
    }
}

/// The PEM of a file of authorities.
pub(super) fn authorities(source: &str, path: Option<&Path>) -> Result<Option<Vec<u8>>, SourceError> {
    path.map(|path| read(source, path)).transpose()
}

fn read(source: &str, path: &Path) -> Result<Vec<u8>, SourceError> {
    file::read(path, FILE_OCTETS_MAX).map_err(|error| {
        let problem = Problem::new(
            format!("{} cannot be read: {error}", path.display()),
            "correct the path or the permissions",
        );
        SourceError::permanent(source, vec![problem]).caused_by(error)
    })
}

/// All authorities of a machine are a quarter of this.
const FILE_OCTETS_MAX: u64 = 1 << 20;
