//! A login in a browser on this machine: its answer comes to a port of ours (RFC 8252 section 7.3), with PKCE (RFC 7636).
//!
//! We listen on loopback only, take the first answer that knows our state, and show a page that says so. Whoever asks for
//! anything else gets a refusal and no attention.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use oauth2::url::Url;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl};
use restante_proto::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::error::{TokenError, said};
use super::grant::Grant;
use super::http::Http;
use super::provider::Endpoints;
use super::request::Asking;
use super::settings::Settings;

/// A login that waits for a browser.
pub struct BrowserLogin {
    listener: TcpListener,
    address: Url,
    redirect: RedirectUrl,
    expected: Expected,
    verifier: PkceCodeVerifier,
}

/// What the browser has brought.
pub struct Code {
    code: String,
    verifier: PkceCodeVerifier,
    redirect: RedirectUrl,
}

/// What an answer has to know.
#[derive(Clone)]
struct Expected {
    state: String,
    issuer: Option<String>,
}

impl BrowserLogin {
    /// Opens the port (0: any that is free) and makes the address for the browser.
    ///
    /// # Errors
    /// [`TokenError::Listener`] when the port cannot be had, [`TokenError::NotOffered`].
    pub async fn begin(
        settings: &Settings,
        http: &Http,
        endpoints: &Endpoints,
        port: u16,
    ) -> Result<Self, TokenError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(TokenError::Listener)?;
        let port = listener.local_addr().map_err(TokenError::Listener)?.port();
        let redirect = RedirectUrl::new(format!("http://{}:{port}{PATH}", settings.provider.redirect_host()));
        let redirect =
            redirect.map_err(|_| TokenError::Garbled { what: "the redirect address".to_owned() })?;
        let (state, verifier) = (chance()?, PkceCodeVerifier::new(chance()?));
        let asking = Asking { http, settings, secret: None, endpoints };
        let client = asking.client()?.set_redirect_uri(redirect.clone());
        let for_request = state.clone();
        let request = client.authorize_url(move || CsrfToken::new(for_request)).map_err(|_| {
            TokenError::NotOffered {
                provider: settings.provider_name().to_owned(),
                what: "logins in a browser",
                instead: "use --device",
            }
        })?;
        let mut request = request
            .add_scopes(asking.scopes())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        for (name, value) in settings.provider.authorization_extras() {
            request = request.add_extra_param(*name, *value);
        }
        let (address, _) = request.url();
        let expected = Expected { state, issuer: endpoints.issuer.clone() };
        Ok(Self { listener, address, redirect, expected, verifier })
    }

    /// What the browser is to open.
    #[must_use]
    pub fn address(&self) -> &str {
        self.address.as_str()
    }

    /// Waits for the browser.
    ///
    /// # Errors
    /// [`TokenError::TooLate`], [`TokenError::Denied`], or what the provider says by way of the browser.
    pub async fn code(self, limit: Duration) -> Result<Code, TokenError> {
        let code = timeout(limit, answer(&self.listener, &self.expected))
            .await
            .map_err(|_| TokenError::TooLate)??;
        Ok(Code { code, verifier: self.verifier, redirect: self.redirect })
    }
}

impl Code {
    /// Exchanges it for tokens. Waits for the network: on a thread that may.
    ///
    /// # Errors
    /// As the provider answers.
    pub fn redeem(
        self,
        settings: &Settings,
        secret: Option<&Secret>,
        http: &Http,
        endpoints: &Endpoints,
        now: Timestamp,
    ) -> Result<Grant, TokenError> {
        let asking = Asking { http, settings, secret, endpoints };
        asking.redeem(self.code, self.verifier, self.redirect, now)
    }
}

impl fmt::Debug for BrowserLogin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("BrowserLogin(..)")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Code(..)")
    }
}

/// The first answer that is one. Browsers open connections that they do not use, so several are listened to.
async fn answer(listener: &TcpListener, expected: &Expected) -> Result<String, TokenError> {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            visitor = listener.accept(), if visitors.len() < VISITORS_MAX => {
                let (stream, _) = visitor.map_err(TokenError::Listener)?;
                let expected = expected.clone();
                visitors.spawn(timeout(VISIT_LIMIT, async move { visit(stream, &expected).await }));
            }
            Some(visit) = visitors.join_next(), if !visitors.is_empty() => {
                if let Ok(Ok(Some(answer))) = visit {
                    return answer;
                }
            }
        }
    }
}

/// One connection, one request. `None` when it was not the answer.
async fn visit(mut stream: TcpStream, expected: &Expected) -> Option<Result<String, TokenError>> {
    let mut request = Vec::with_capacity(REQUEST_OCTETS_MAX);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_OCTETS_MAX {
        let mut piece = [0; 2048];
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(piece.get(..read)?);
    }
    let answer = understood(&request, expected);
    let (status, text) = match &answer {
        None => ("404 Not Found", "There is nothing here.\n"),
        Some(Ok(_)) => {
            ("200 OK", "Restante has its answer. Look at the terminal; this page may be closed.\n")
        }
        Some(Err(_)) => {
            ("200 OK", "Restante was not given access. Look at the terminal; this page may be closed.\n")
        }
    };
    let page = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    // Whether the page is shown does not matter for what it says.
    let _ = stream.write_all(page.as_bytes()).await;
    let _ = stream.shutdown().await;
    answer
}

/// What a request says, if it knows the state (RFC 6749 section 4.1.2, RFC 9207 section 2.4).
fn understood(request: &[u8], expected: &Expected) -> Option<Result<String, TokenError>> {
    let line = request.split(|&octet| octet == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    let url = Url::parse("http://127.0.0.1").and_then(|base| base.join(target)).ok()?;
    if url.path() != PATH {
        return None;
    }
    let value =
        |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
    if value("state")? != expected.state {
        return None;
    }
    if let (Some(issuer), Some(claimed)) = (&expected.issuer, value("iss"))
        && *issuer != claimed
    {
        return Some(Err(TokenError::Garbled { what: "the answer is that of another issuer".to_owned() }));
    }
    match (value("error").as_deref(), value("code")) {
        (Some("access_denied"), _) => Some(Err(TokenError::Denied)),
        (Some(error), _) => Some(Err(TokenError::Refused {
            error: said(error, &[]),
            said: said(&value("error_description").unwrap_or_default(), &[]),
        })),
        (None, Some(code)) if !code.is_empty() => Some(Ok(code)),
        (None, _) => Some(Err(TokenError::Garbled { what: "the browser has brought no code".to_owned() })),
    }
}

/// 256 bits, as 64 hexadecimal digits: a state, and a verifier as RFC 7636 section 4.1 wants it.
fn chance() -> Result<String, TokenError> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|_| TokenError::NoChance)?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// Where the answer comes to.
const PATH: &str = "/";
/// A code has some hundred octets, a browser's header two thousand.
const REQUEST_OCTETS_MAX: usize = 16 * 1024;
/// More connections than any browser opens.
const VISITORS_MAX: usize = 16;
/// One request of a browser on this machine.
const VISIT_LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_state_is_heard() {
        let expected = Expected { state: "s1".to_owned(), issuer: Some("https://id.example.org".to_owned()) };
        let heard = |line: &str| {
            understood(format!("{line}\r\nHost: 127.0.0.1\r\n\r\n").as_bytes(), &expected)
                .map(|answer| answer.map_err(|error| error.to_string()))
        };
        assert_eq!(heard("GET /?code=a%2Fb&state=s1 HTTP/1.1"), Some(Ok("a/b".to_owned())));
        assert_eq!(
            heard("GET /?iss=https%3A%2F%2Fid.example.org&code=c&state=s1 HTTP/1.1"),
            Some(Ok("c".to_owned()))
        );
        for line in [
            "GET /favicon.ico HTTP/1.1",
            "GET / HTTP/1.1",
            "GET /?code=c HTTP/1.1",
            "GET /?code=c&state=s2 HTTP/1.1",
            "GET /x?code=c&state=s1 HTTP/1.1",
            "POST /?code=c&state=s1 HTTP/1.1",
            "GET http://",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(heard(line), None, "{line}");
        }
        for (line, what) in [
            ("GET /?error=access_denied&state=s1 HTTP/1.1", "denied"),
            (
                "GET /?error=invalid_scope&error_description=no+such%1b&state=s1 HTTP/1.1",
                "invalid_scope: no such",
            ),
            ("GET /?state=s1 HTTP/1.1", "no code"),
            ("GET /?code=&state=s1 HTTP/1.1", "no code"),
            ("GET /?code=c&state=s1&iss=https%3A%2F%2Fevil.example HTTP/1.1", "another issuer"),
        ] {
            let refused = heard(line).unwrap().unwrap_err();
            assert!(refused.contains(what), "{line}: {refused}");
            assert!(!refused.contains('\u{1b}'));
        }
    }
}
