//! `oauth` of an account: how its tokens are got. What a provider is asked, and where, is in [`crate::oauth`].

use restante_config::section::Section;
use restante_config::value::quote;
use restante_config::{choice, section};

use super::Reading;
use super::secret::{self, Password};
use crate::oauth::provider::checked_issuer;
use crate::oauth::settings::{Provider, Settings, is_scope, is_tenant};

section! {
    /// `oauth` of an account: tokens in place of a password.
    pub struct OauthWritten {
        /// `google` or `microsoft`; or an `issuer` instead.
        provider: Option<KnownProvider> = None;
        /// The issuer of tokens: an https URL, below which its discovery document is found.
        issuer: Option<String> = None;
        /// The application that you have registered there. Has no default: nobody may ship theirs with a free program.
        client_id: Option<String> = None;
        /// The secret that belongs to it, for issuers that want one. Written like a password.
        client_secret: Option<Password> = None;
        /// Microsoft: the directory. Default `common`.
        tenant: Option<String> = None;
        /// What is asked for. Default: what the provider wants for POP3; an issuer has none.
        scopes: Vec<String> = Vec::new();
        /// Google: the application's publishing status is *testing*, so a login lasts seven days. Default `false`.
        testing: bool = false;
    }
}

choice! {
    /// Issuers of tokens that are known here.
    pub enum KnownProvider {
        /// Google.
        Google = "google",
        /// Microsoft.
        Microsoft = "microsoft",
    }
}

/// Reads the table; what is wrong with it is reported.
pub(super) fn read(section: &mut Section<'_, '_, '_>, reading: &Reading<'_>) -> Option<Settings> {
    let is_provider_said = section.has("provider");
    let written = OauthWritten::read(section);
    section.finish(OauthWritten::KEYS);
    if written.provider.is_none() && written.issuer.is_none() && is_provider_said {
        // Told already.
        return None;
    }
    let provider = provider(&written, section)?;
    if let Some(key) = misplaced(&written, &provider) {
        section.fault_at(key, "this provider knows no such thing", format!("take {key} out"));
        return None;
    }
    let Some(client_id) = written.client_id.filter(|id| !id.is_empty()) else {
        let remedy = format!("register an application of your own, {}", provider.registration());
        section.fault("client_id is missing", remedy);
        return None;
    };
    if !written.scopes.iter().all(|scope| is_scope(scope)) {
        section.fault_at("scopes", "a scope has blanks in it", "write each as a string of its own");
        return None;
    }
    let scopes = match (written.scopes, provider.scopes()) {
        (scopes, _) if !scopes.is_empty() => scopes,
        (_, Some(usual)) => usual.iter().map(|scope| (*scope).to_owned()).collect(),
        (_, None) => {
            section.fault("an issuer without scopes", "add scopes = [\"…\"]: ask it which one allows POP3");
            return None;
        }
    };
    let client_secret = written.client_secret.map(|Password(source)| source);
    if let Some(source) = &client_secret {
        secret::check(source, "client_secret", section, reading);
    }
    Some(Settings { provider, client_id, client_secret, scopes })
}

fn provider(written: &OauthWritten, section: &mut Section<'_, '_, '_>) -> Option<Provider> {
    match (written.provider, &written.issuer) {
        (Some(KnownProvider::Google), None) => Some(Provider::Google { is_testing: written.testing }),
        (Some(KnownProvider::Microsoft), None) => {
            let tenant = written.tenant.clone().unwrap_or_else(|| "common".to_owned());
            if !is_tenant(&tenant) {
                let remedy = "write a domain, the id of a directory, common, organizations or consumers";
                section.fault_at("tenant", "this is no directory", remedy);
                return None;
            }
            Some(Provider::Microsoft { tenant })
        }
        (None, Some(issuer)) => match checked_issuer(issuer) {
            Ok(()) => Some(Provider::Issuer(issuer.clone())),
            Err(what) => {
                section.fault_at("issuer", what, "write issuer = \"https://login.example.org\"");
                None
            }
        },
        (Some(_), Some(_)) => {
            section.fault_at("issuer", "a provider and an issuer", "take one of the two out");
            None
        }
        (None, None) => {
            section
                .fault("nobody to get tokens from", "add provider = \"google\", or issuer = \"https://…\"");
            None
        }
    }
}

/// A key that only another provider knows.
fn misplaced(written: &OauthWritten, provider: &Provider) -> Option<&'static str> {
    match provider {
        Provider::Google { .. } => written.tenant.as_ref().map(|_| "tenant"),
        Provider::Microsoft { .. } => written.testing.then_some("testing"),
        Provider::Issuer(_) => {
            written.tenant.as_ref().map(|_| "tenant").or_else(|| written.testing.then_some("testing"))
        }
    }
}

/// The table, as TOML.
pub(super) fn shown(settings: &Settings) -> String {
    let mut parts = match &settings.provider {
        Provider::Google { is_testing: false } => vec!["provider = \"google\"".to_owned()],
        Provider::Google { is_testing: true } => {
            vec!["provider = \"google\"".to_owned(), "testing = true".to_owned()]
        }
        Provider::Microsoft { tenant } => {
            vec!["provider = \"microsoft\"".to_owned(), format!("tenant = {}", quote(tenant))]
        }
        Provider::Issuer(issuer) => vec![format!("issuer = {}", quote(issuer))],
    };
    parts.push(format!("client_id = {}", quote(&settings.client_id)));
    parts.extend(
        settings.client_secret.as_ref().map(|from| format!("client_secret = {}", secret::shown(from))),
    );
    let scopes: Vec<String> = settings.scopes.iter().map(|scope| quote(scope)).collect();
    parts.push(format!("scopes = [{}]", scopes.join(", ")));
    format!("{{ {} }}", parts.join(", "))
}
