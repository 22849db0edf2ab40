//! Where a provider is asked, and what is particular about it: two that everybody has, all others by discovery.

use oauth2::url::Url;
use restante_proto::client::request::InitialResponse;
use serde::Deserialize;

use super::error::TokenError;
use super::http::Http;
use super::settings::{Provider, Settings};

/// Where the requests of the protocol go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The issuer, when it says who it is (RFC 9207).
    pub issuer: Option<String>,
    /// Where a browser goes.
    pub authorization: Option<String>,
    /// Where tokens are given.
    pub token: String,
    /// Where a device code is given.
    pub device: Option<String>,
    /// Where a token is given back.
    pub revocation: Option<String>,
    /// The client's secret is wanted in the body of a request, not in its header.
    pub wants_secret_in_body: bool,
}

/// How long a login lasts with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// It ends when it was not used for so many days.
    pub unused_days: Option<i64>,
    /// It ends so many days after the person has agreed.
    pub total_days: Option<i64>,
}

impl Provider {
    /// What is asked for when the configuration says nothing.
    pub(crate) const fn scopes(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Google { .. } => Some(&["https://mail.google.com/"]),
            Self::Microsoft { .. } => {
                Some(&["https://outlook.office.com/POP.AccessAsUser.All", "offline_access"])
            }
            Self::Issuer(_) => None,
        }
    }

    /// Where one registers an application, in words.
    #[must_use]
    pub const fn registration(&self) -> &'static str {
        match self {
            Self::Google { .. } => {
                "at console.cloud.google.com, APIs & Services, Credentials: an OAuth client of the type Desktop app"
            }
            Self::Microsoft { .. } => {
                "at entra.microsoft.com, App registrations: a public client with the redirect URI http://localhost"
            }
            Self::Issuer(_) => "with the provider, as a public or native client",
        }
    }

    /// How long a login lasts, as far as the provider has published it.
    #[must_use]
    pub const fn lifetimes(&self) -> Lifetimes {
        match self {
            Self::Google { is_testing: true } => Lifetimes { unused_days: None, total_days: Some(7) },
            Self::Google { is_testing: false } => Lifetimes { unused_days: Some(180), total_days: None },
            Self::Microsoft { .. } => Lifetimes { unused_days: Some(90), total_days: None },
            Self::Issuer(_) => Lifetimes { unused_days: None, total_days: None },
        }
    }

    /// Where a token stands that is shown to this provider's mail servers. Exchange Online takes it only when it has asked for it,
    /// and ends the connection when it comes earlier (XOAUTH2-Microsoft.1). No server needs it in the AUTH line: for the others, that
    /// saves the way there and back when the token is short.
    #[must_use]
    pub const fn initial_response(&self) -> InitialResponse {
        match self {
            Self::Microsoft { .. } => InitialResponse::Never,
            Self::Google { .. } | Self::Issuer(_) => InitialResponse::WhenShort,
        }
    }

    /// What the address of our own listener is called. Microsoft lets `localhost` have any port, RFC 8252 wants the number.
    pub(super) const fn redirect_host(&self) -> &'static str {
        match self {
            Self::Microsoft { .. } => "localhost",
            Self::Google { .. } | Self::Issuer(_) => "127.0.0.1",
        }
    }

    /// What else the browser's address holds. Google gives a refresh token only when asked like this.
    pub(super) const fn authorization_extras(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Google { .. } => &[("access_type", "offline"), ("prompt", "consent")],
            Self::Microsoft { .. } | Self::Issuer(_) => &[],
        }
    }

    fn known(&self) -> Option<Endpoints> {
        match self {
            Self::Google { .. } => Some(Endpoints {
                issuer: Some("https://accounts.google.com".to_owned()),
                authorization: Some("https://accounts.google.com/o/oauth2/v2/auth".to_owned()),
                token: "https://oauth2.googleapis.com/token".to_owned(),
                // It has one, which does not give the scope for mail.
                device: None,
                revocation: Some("https://oauth2.googleapis.com/revoke".to_owned()),
                wants_secret_in_body: true,
            }),
            Self::Microsoft { tenant } => {
                let base = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0");
                Some(Endpoints {
                    issuer: None,
                    authorization: Some(format!("{base}/authorize")),
                    token: format!("{base}/token"),
                    device: Some(format!("{base}/devicecode")),
                    revocation: None,
                    wants_secret_in_body: true,
                })
            }
            Self::Issuer(_) => None,
        }
    }
}

/// Where the provider of these settings is asked. Goes over the network for an issuer.
///
/// # Errors
/// When the documents of an issuer cannot be had, or are not about it.
pub fn endpoints(settings: &Settings, http: &Http) -> Result<Endpoints, TokenError> {
    match (&settings.provider, settings.provider.known()) {
        (_, Some(known)) => Ok(known),
        (Provider::Issuer(issuer), None) => discover(issuer, http),
        (_, None) => {
            Err(TokenError::Discovery { issuer: String::new(), what: "nothing is known of it".to_owned() })
        }
    }
}

/// An issuer as configured: HTTPS, or this machine; without query and fragment (RFC 8414 section 2).
pub(crate) fn checked_issuer(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("this is no address: {error}"))?;
    if !may_be_asked(&url) {
        return Err("tokens come by https only".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("an issuer has neither user nor query nor fragment".to_owned());
    }
    Ok(())
}

/// Secrets go over HTTPS, or stay on this machine.
pub(super) fn may_be_asked(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(oauth2::url::Host::Ipv4(address)) => address.is_loopback(),
        Some(oauth2::url::Host::Ipv6(address)) => address.is_loopback(),
        Some(oauth2::url::Host::Domain(_)) | None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

/// What a discovery document says, as far as it matters here (RFC 8414 section 2).
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// Asks for the document of OpenID Connect and, when there is none, for that of RFC 8414.
fn discover(issuer: &str, http: &Http) -> Result<Endpoints, TokenError> {
    let failed = |what: String| TokenError::Discovery { issuer: issuer.to_owned(), what };
    let mut missing = None;
    for address in document_addresses(issuer).map_err(|what| failed(what.to_owned()))? {
        let answer = http.get(&address)?;
        if !answer.status().is_success() {
            missing = Some(format!("{address} answers {}", answer.status().as_u16()));
            continue;
        }
        let document: Document = serde_json::from_slice(answer.body())
            .map_err(|error| failed(format!("{address} is no discovery document: {error}")))?;
        return checked(document, issuer).map_err(failed);
    }
    Err(failed(missing.unwrap_or_default()))
}

/// RFC 8414 section 3 puts its well-known part before the path, OpenID Connect Discovery section 4 behind it.
fn document_addresses(issuer: &str) -> Result<[String; 2], &'static str> {
    let mut url = Url::parse(issuer).map_err(|_| "this is no address")?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{path}/.well-known/openid-configuration"));
    let openid = url.to_string();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Ok([openid, url.to_string()])
}

/// RFC 8414 section 3.3: who says that it is another one is not believed.
fn checked(document: Document, issuer: &str) -> Result<Endpoints, String> {
    if document.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
        return Err("its document is that of another issuer".to_owned());
    }
    let methods = document.token_endpoint_auth_methods_supported.unwrap_or_default();
    let has = |name: &str| methods.iter().any(|method| method == name);
    let endpoints = Endpoints {
        wants_secret_in_body: has("client_secret_post") && !has("client_secret_basic"),
        issuer: Some(document.issuer),
        authorization: document.authorization_endpoint,
        token: document.token_endpoint,
        device: document.device_authorization_endpoint,
        revocation: document.revocation_endpoint,
    };
    let all = [&endpoints.authorization, &endpoints.device, &endpoints.revocation];
    for address in all.into_iter().flatten().chain([&endpoints.token]) {
        if !Url::parse(address).is_ok_and(|url| may_be_asked(&url)) {
            return Err("its document names an address without HTTPS".to_owned());
        }
    }
    Ok(endpoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_stand_where_the_two_standards_say() {
        let addresses = document_addresses("https://id.example.org/tenant/").unwrap();
        assert_eq!(
            addresses,
            [
                "https://id.example.org/tenant/.well-known/openid-configuration",
                "https://id.example.org/.well-known/oauth-authorization-server/tenant"
            ]
        );
        let addresses = document_addresses("https://id.example.org").unwrap();
        assert_eq!(addresses[1], "https://id.example.org/.well-known/oauth-authorization-server");
    }

    #[test]
    fn a_document_of_somebody_else_or_without_https_is_not_believed() {
        let document = |issuer: &str, token: &str| Document {
            issuer: issuer.to_owned(),
            authorization_endpoint: None,
            token_endpoint: token.to_owned(),
            device_authorization_endpoint: None,
            revocation_endpoint: None,
            token_endpoint_auth_methods_supported: Some(vec!["client_secret_post".to_owned()]),
        };
        let ours = "https://id.example.org";
        assert!(
            checked(document("https://id.example.org/", "https://id.example.org/t"), ours)
                .unwrap()
                .wants_secret_in_body
        );
        assert!(checked(document("https://evil.example", "https://id.example.org/t"), ours).is_err());
        assert!(checked(document(ours, "http://id.example.org/t"), ours).is_err());
        assert!(checked(document(ours, "http://127.0.0.1:1/t"), ours).is_ok());
    }

    #[test]
    fn issuers_are_https_or_this_machine() {
        for (issuer, is_right) in [
            ("https://id.example.org", true),
            ("http://127.0.0.1:8080/x", true),
            ("http://[::1]:8080", true),
            ("http://id.example.org", false),
            ("http://localhost.evil.example", false),
            ("https://id.example.org?x", false),
            ("https://user@id.example.org", false),
            ("ftp://127.0.0.1", false),
            ("id.example.org", false),
        ] {
            assert_eq!(checked_issuer(issuer).is_ok(), is_right, "{issuer}");
        }
    }
}
