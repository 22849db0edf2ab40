//! What `oauth` of an account in fetch.toml means. How it is written is in `config/oauth.rs`.

use crate::secret::SecretSource;

/// How an account gets its tokens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who gives the tokens.
    pub provider: Provider,
    /// The registered application; not empty.
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
        /// The application is in testing: a login lasts seven days.
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

/// A directory is a word or a domain: it becomes a part of a URL.
pub(crate) fn is_tenant(text: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
    !text.is_empty() && text.bytes().all(fits) && text.trim_matches('.') == text
}

/// RFC 6749 section 3.3.
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'"' && octet != b'\\')
}
