//! `oauth = …` of an account in fetch.toml.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::secret::SecretSource;

/// How an account gets its tokens. In fetch.toml a table:
///
/// | key | means |
/// |---|---|
/// | `provider` | `"google"` or `"microsoft"` |
/// | `issuer` | any other: the address of its discovery documents, `https://…` |
/// | `client_id` | the application you have registered there; nobody may ship theirs with a free program |
/// | `client_secret` | its secret, if it has one; as `password`, in all its forms |
/// | `tenant` | Microsoft: the directory; default `"common"` |
/// | `scopes` | what is asked for; a default for the two providers, needed for others |
/// | `testing` | Google: the application is in testing, so a login lasts seven days; default `false` |
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who gives the tokens.
    pub provider: Provider,
    /// The registered application.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: Option<SecretSource>,
    /// What is asked for; not empty.
    pub scopes: Vec<String>,
}

/// Who gives tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Google.
    Google {
        /// The application is in testing.
        is_testing: bool,
    },
    /// Microsoft.
    Microsoft {
        /// The directory: `common`, `organizations`, `consumers`, or one of its own.
        tenant: String,
    },
    /// The one that is found there by its discovery documents.
    Issuer(String),
}

impl Settings {
    /// Who it is, for people and for the file of a grant: `google`, `microsoft`, or the issuer's address.
    #[must_use]
    pub fn provider_name(&self) -> &str {
        match &self.provider {
            Provider::Google { .. } => "google",
            Provider::Microsoft { .. } => "microsoft",
            Provider::Issuer(issuer) => issuer,
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Written::deserialize(from)?.meant().map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    provider: Option<String>,
    issuer: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretSource>,
    tenant: Option<String>,
    scopes: Option<Vec<String>>,
    testing: Option<bool>,
}

impl Written {
    fn meant(self) -> Result<Settings, String> {
        let provider = match (self.provider.as_deref(), self.issuer) {
            (Some(_), Some(_)) => return Err("provider and issuer: only one of them".to_owned()),
            (None, None) => {
                return Err(
                    "provider is missing: \"google\" or \"microsoft\", or issuer = \"https://…\"".to_owned()
                );
            }
            (Some("google"), None) => Provider::Google { is_testing: self.testing.unwrap_or(false) },
            (Some("microsoft"), None) => Provider::Microsoft { tenant: tenant(self.tenant.as_deref())? },
            (Some(other), None) => {
                return Err(format!(
                    "provider {other:?} is neither \"google\" nor \"microsoft\"; for others write issuer = \"https://…\""
                ));
            }
            (None, Some(issuer)) => Provider::Issuer(super::provider::checked_issuer(&issuer)?),
        };
        if self.testing.is_some() && !matches!(provider, Provider::Google { .. }) {
            return Err("testing is for provider = \"google\" only".to_owned());
        }
        if self.tenant.is_some() && !matches!(provider, Provider::Microsoft { .. }) {
            return Err("tenant is for provider = \"microsoft\" only".to_owned());
        }
        let client_id = self.client_id.filter(|id| !id.is_empty()).ok_or_else(|| {
            format!("client_id is missing: register an application of your own, {}", provider.registration())
        })?;
        let scopes = match (self.scopes, provider.scopes()) {
            (Some(scopes), _) if scopes.iter().any(|scope| !is_scope(scope)) => {
                return Err("each of scopes is a word without blanks".to_owned());
            }
            (Some(scopes), _) if !scopes.is_empty() => scopes,
            (_, Some(usual)) => usual.iter().map(|scope| (*scope).to_owned()).collect(),
            (_, None) => return Err("scopes is missing: ask the provider which one allows POP".to_owned()),
        };
        Ok(Settings { provider, client_id, client_secret: self.client_secret, scopes })
    }
}

/// A tenant is a word or a domain: it becomes a part of a URL.
fn tenant(written: Option<&str>) -> Result<String, String> {
    let tenant = written.unwrap_or("common");
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
    match !tenant.is_empty() && tenant.bytes().all(fits) && tenant.trim_matches('.') == tenant {
        true => Ok(tenant.to_owned()),
        false => {
            Err("tenant is a domain, the id of a directory, \"common\", \"organizations\" or \"consumers\""
                .to_owned())
        }
    }
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'"' && octet != b'\\')
}
