//! Secrets in the configuration: how they are read and shown, and when one may stand in the file itself.

use std::borrow::Cow;
use std::path::Path;

use restante_config::section::Section;
use restante_config::value::{Fault, Value, quote};
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Reading;
use crate::secret::SecretSource;

/// Where a password is, as a value of the configuration.
#[derive(Clone, Debug)]
pub struct Password(pub SecretSource);

impl Value for Password {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        #[derive(serde::Deserialize)]
        struct Holder {
            secret: SecretSource,
        }
        let mut table = DeTable::new();
        table.insert(Spanned::new(0..0, Cow::Borrowed("secret")), Spanned::new(0..0, written.clone()));
        let read = Holder::deserialize(toml::Deserializer::from(Spanned::new(0..0, table)));
        // The messages of `secret` never quote what was written.
        read.map(|holder| Self(holder.secret)).map_err(|error| Fault::new(error.message(), REMEDY))
    }

    fn show(&self) -> Option<String> {
        Some(shown(&self.0))
    }
}

/// What an effective configuration says of a secret: where it is, or that it is not told.
pub(super) fn shown(source: &SecretSource) -> String {
    let text = |path: &Path| quote(&path.to_string_lossy());
    match source {
        SecretSource::Plain(_) => quote(HIDDEN),
        SecretSource::Command(words) => {
            let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
            format!("{{ command = [{}] }}", words.join(", "))
        }
        SecretSource::Shell(line) => format!("{{ shell = {} }}", quote(line)),
        SecretSource::Environment(name) => format!("{{ env = {} }}", quote(name)),
        SecretSource::File(path) => format!("{{ file = {} }}", text(path)),
        SecretSource::Keyring { service, user: None } => format!("{{ keyring = {} }}", quote(service)),
        SecretSource::Keyring { service, user: Some(user) } => {
            format!("{{ keyring = {}, user = {} }}", quote(service), quote(user))
        }
        SecretSource::Netrc(None) => "{ netrc = true }".to_owned(),
        SecretSource::Netrc(Some(path)) => format!("{{ netrc = {} }}", text(path)),
        SecretSource::Prompt => "{ prompt = true }".to_owned(),
    }
}

/// A secret may stand in a file only if nobody but the owner can read that.
pub(super) fn check(
    source: &SecretSource,
    key: &str,
    section: &mut Section<'_, '_, '_>,
    reading: &Reading<'_>,
) {
    if !source.is_plain() {
        return;
    }
    if let Some(mode) = reading.around.mode.filter(|mode| mode & 0o077 != 0) {
        let file = reading.file.display();
        section.fault_at(
            key,
            format!("a secret in a file that others can read (permissions {:04o})", mode & 0o7777),
            format!("chmod 600 {file}, or say where the secret is: {key} = {{ command = \"pass show …\" }}"),
        );
    }
}

const REMEDY: &str = "write { command = \"pass show work\" }, or env, file, keyring, netrc or prompt in place of command; or the \
                      secret itself in quotes";

/// In place of what is not shown.
const HIDDEN: &str = "(hidden)";
