//! Where an issuer publishes its keys: the document of OpenID Connect Discovery, or that of RFC 8414.

use super::ask::Asker;
use super::jwk::KeySet;
use super::jws::object;
use crate::http::Url;
use serde_json::Value;

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where the document of this issuer says.
    Issuer(Url),
    /// Here.
    Keys(Url),
}

impl Place {
    /// Gets the keys.
    ///
    /// # Errors
    /// They cannot be had; why, in words.
    pub(super) async fn keys(&self, asker: &Asker) -> Result<KeySet, String> {
        let address = match self {
            Self::Keys(url) => url.clone(),
            Self::Issuer(issuer) => discover(issuer, asker).await?,
        };
        let answer = asker.get(address.as_str()).await?;
        if answer.status != 200 {
            return Err(format!("{} answers with status {}", address.as_str(), answer.status));
        }
        match KeySet::parse(&answer.body) {
            Some(keys) if !keys.is_empty() => Ok(keys),
            Some(_) => Err(format!("{} has no key for signatures that is known here", address.as_str())),
            None => Err(format!("{} is no set of keys", address.as_str())),
        }
    }
}

async fn discover(issuer: &Url, asker: &Asker) -> Result<Url, String> {
    let mut missing = String::new();
    for address in documents(issuer.as_str()) {
        let answer = asker.get(&address).await?;
        if answer.status != 200 {
            missing = format!("{address} answers with status {}", answer.status);
            continue;
        }
        return keys_of(issuer.as_str(), &answer.body).map_err(|what| format!("{address} {what}"));
    }
    Err(missing)
}

/// OpenID Connect Discovery section 4 puts its well-known part behind the path, RFC 8414 section 3 before it.
fn documents(issuer: &str) -> [String; 2] {
    let bare = issuer.trim_end_matches('/');
    let start = bare.find("://").map_or(0, |scheme| scheme + 3);
    let path = bare.get(start..).and_then(|rest| rest.find('/')).map_or(bare.len(), |slash| start + slash);
    let (host, path) = bare.split_at(path);
    [openid_configuration(issuer), format!("{host}/.well-known/oauth-authorization-server{path}")]
}

/// Where an issuer's document is, for those who want to know how to get a token.
#[must_use]
pub fn openid_configuration(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// RFC 8414 section 3.3: who says that it is another one is not believed.
fn keys_of(issuer: &str, document: &[u8]) -> Result<Url, String> {
    let document = object(document).ok_or("is no discovery document")?;
    match document.get("issuer") {
        Some(Value::String(given)) if given == issuer => {}
        Some(Value::String(given)) if given.trim_end_matches('/') == issuer.trim_end_matches('/') => {
            return Err(format!("says that the issuer is {given:?}: write it so, to the last slash"));
        }
        _ => return Err("is the document of another issuer".to_owned()),
    }
    let Some(Value::String(keys)) = document.get("jwks_uri") else {
        return Err("does not say where the keys are (jwks_uri)".to_owned());
    };
    Url::parse(keys, false).map_err(|_| "names keys that are not behind HTTPS".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_stand_where_the_two_standards_say() {
        for issuer in ["https://id.example.org/tenant/", "https://id.example.org/tenant"] {
            assert_eq!(
                documents(issuer),
                [
                    "https://id.example.org/tenant/.well-known/openid-configuration",
                    "https://id.example.org/.well-known/oauth-authorization-server/tenant"
                ]
            );
        }
        assert_eq!(
            documents("https://id.example.org")[1],
            "https://id.example.org/.well-known/oauth-authorization-server"
        );
    }

    #[test]
    fn a_document_of_somebody_else_or_without_https_is_not_believed() {
        let document = |issuer: &str, keys: &str| {
            keys_of(
                "https://id.example.org",
                serde_json::json!({"issuer": issuer, "jwks_uri": keys}).to_string().as_bytes(),
            )
        };
        assert!(document("https://id.example.org", "https://keys.example/k").is_ok());
        assert!(document("https://id.example.org", "http://127.0.0.1:1/k").is_ok());
        for (issuer, keys, says) in [
            ("https://evil.example", "https://id.example.org/k", "of another issuer"),
            ("https://id.example.org/", "https://id.example.org/k", "to the last slash"),
            ("https://id.example.org", "http://id.example.org/k", "not behind HTTPS"),
            ("https://id.example.org", "file:///etc/keys", "not behind HTTPS"),
        ] {
            let error = document(issuer, keys).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let twice = br#"{"issuer":"https://id.example.org","issuer":"https://id.example.org","jwks_uri":"https://a.example"}"#;
        assert!(keys_of("https://id.example.org", twice).is_err());
        assert!(keys_of("https://id.example.org", br#"{"issuer":"https://id.example.org"}"#).is_err());
    }
}
