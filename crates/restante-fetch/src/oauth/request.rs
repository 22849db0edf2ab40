//! The requests of the protocol (RFC 6749, 7009, 7636, 8628), made and read by the crate `oauth2`, and what an answer means here.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::{SignedDuration, Timestamp};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::http::Request;
use oauth2::url::form_urlencoded;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, DeviceAuthorizationUrl,
    DeviceCodeErrorResponseType, EndpointMaybeSet, EndpointNotSet, EndpointSet, ErrorResponseType,
    ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardDeviceAuthorizationResponse, StandardErrorResponse,
    StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use restante_proto::secret::Secret;
use serde::{Deserialize, Serialize};

use super::error::{TokenError, said};
use super::grant::Grant;
use super::http::{Http, HttpFault};
use super::provider::Endpoints;
use super::settings::Settings;

/// What requests of one account are made with.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    pub(super) http: &'a Http,
    pub(super) settings: &'a Settings,
    /// The resolved client secret.
    pub(super) secret: Option<&'a Secret>,
    pub(super) endpoints: &'a Endpoints,
}

/// What some providers say beside what RFC 6749 knows: how long the refresh token lives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Extra {
    /// Google.
    refresh_token_expires_in: Option<i64>,
    /// Keycloak; 0 is for ever.
    refresh_expires_in: Option<i64>,
}

impl ExtraTokenFields for Extra {}

type Answer = StandardTokenResponse<Extra, BasicTokenType>;

pub(super) type Client = oauth2::Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointMaybeSet,
    EndpointMaybeSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Asking<'_> {
    /// The client of the library.
    pub(super) fn client(&self) -> Result<Client, TokenError> {
        let wrong = |_| TokenError::Garbled { what: "an endpoint is no address".to_owned() };
        let at = self.endpoints;
        let authorization = at.authorization.clone().map(AuthUrl::new).transpose().map_err(wrong)?;
        let device = at.device.clone().map(DeviceAuthorizationUrl::new).transpose().map_err(wrong)?;
        let token = TokenUrl::new(at.token.clone()).map_err(wrong)?;
        let mut client = oauth2::Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_auth_uri_option(authorization)
            .set_device_authorization_url_option(device)
            .set_token_uri(token);
        if at.wants_secret_in_body {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        if let Some(secret) = self.secret {
            let text = String::from_utf8(secret.expose().to_vec());
            let text = text.map_err(|_| TokenError::Refused {
                error: "invalid_client".to_owned(),
                said: "the client secret is no text".to_owned(),
            })?;
            client = client.set_client_secret(ClientSecret::new(text));
        }
        Ok(client)
    }

    /// The scopes of the configuration.
    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.settings.scopes.iter().cloned().map(Scope::new)
    }

    /// New tokens for the old refresh token (RFC 6749 section 6). The provider may take that one as used up from now on.
    pub(super) fn refresh(&self, account: &str, old: &Grant, now: Timestamp) -> Result<Grant, TokenError> {
        let Some(token) = &old.refresh else { return Err(TokenError::Ended { account: account.to_owned() }) };
        let text = String::from_utf8_lossy(token.expose()).into_owned();
        let asked = RefreshToken::new(text);
        let answer = self.client()?.exchange_refresh_token(&asked).request(&|request| self.ask(request));
        let _wiped = Secret::new(asked.into_secret().into_bytes());
        let answer = answer.map_err(|error| match self.refused(error, Some(token)) {
            TokenError::Refused { error, said } if WITHDRAWN.contains(&error.as_str()) => {
                let said = if said.is_empty() { error } else { said };
                TokenError::Withdrawn { account: account.to_owned(), said }
            }
            other => other,
        })?;
        let mut new = self.granted(&answer, now);
        new.granted = old.granted;
        if new.refresh.is_none() {
            // It was not rotated, and the end that was told with it stays.
            new.refresh = Some(Secret::new(token.expose().to_vec()));
            new.refresh_ends = new.refresh_ends.or(old.refresh_ends);
        }
        Ok(new)
    }

    /// Tokens for the code that the browser has brought (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    pub(super) fn redeem(
        &self,
        code: String,
        verifier: PkceCodeVerifier,
        redirect: RedirectUrl,
        now: Timestamp,
    ) -> Result<Grant, TokenError> {
        let client = self.client()?.set_redirect_uri(redirect);
        let exchange = client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(verifier);
        let answer =
            exchange.request(&|request| self.ask(request)).map_err(|error| self.refused(error, None))?;
        Ok(self.granted(&answer, now))
    }

    /// A code for a person to type elsewhere (RFC 8628 section 3.1).
    pub(super) fn device_code(&self) -> Result<StandardDeviceAuthorizationResponse, TokenError> {
        let client = self.client()?;
        let exchange = client.exchange_device_code().map_err(|_| TokenError::NotOffered {
            provider: self.settings.provider_name().to_owned(),
            what: "logins by device code",
            instead: "use --browser",
        })?;
        let answer = exchange.add_scopes(self.scopes()).request(&|request| self.ask(request));
        answer.map_err(|error| self.refused(error, None))
    }

    /// Asks again and again until the person has agreed or the code has ended (RFC 8628 section 3.4, 3.5).
    pub(super) fn device_token(
        &self,
        device: &StandardDeviceAuthorizationResponse,
        pause: &dyn Fn(Duration),
        clock: &dyn Fn() -> Timestamp,
    ) -> Result<Grant, TokenError> {
        let client = self.client()?;
        let limit = device.expires_in().min(DEVICE_CODE_LIFE_MAX);
        let pause = |wanted: Duration| pause(wanted.min(DEVICE_PAUSE_MAX));
        let exchange = client.exchange_device_access_token(device);
        let answer = exchange.request(&|request| self.ask(request), pause, Some(limit));
        match answer {
            Ok(answer) => Ok(self.granted(&answer, clock())),
            Err(RequestTokenError::ServerResponse(error)) => Err(match error.error() {
                DeviceCodeErrorResponseType::AccessDenied => TokenError::Denied,
                DeviceCodeErrorResponseType::ExpiredToken => TokenError::TooLate,
                _ => self.refused(RequestTokenError::ServerResponse(error), None),
            }),
            Err(error) => Err(self.refused(error, None)),
        }
    }

    /// Gives the login back (RFC 7009): the refresh token, with which the provider ends the access token too.
    pub(super) fn revoke(&self, grant: &Grant) -> Result<(), TokenError> {
        let Some(address) = &self.endpoints.revocation else {
            return Err(TokenError::NotOffered {
                provider: grant.provider.clone(),
                what: "to give a login back",
                instead: "take the application's access away on the account's page there",
            });
        };
        let (token, hint) = match &grant.refresh {
            Some(refresh) => (refresh, "refresh_token"),
            None => (&grant.access, "access_token"),
        };
        let answer = self.ask(self.revocation(address, token, hint)?)?;
        if answer.status().is_success() {
            return Ok(());
        }
        // RFC 7009 section 2.2: a token that is unknown there is no error, so this is one of ours.
        Err(TokenError::Refused {
            error: format!("revocation answers {}", answer.status().as_u16()),
            said: String::new(),
        })
    }

    /// Made here: the library wants HTTPS, without an exception for this machine.
    fn revocation(&self, address: &str, token: &Secret, hint: &str) -> Result<HttpRequest, TokenError> {
        let client_id = &self.settings.client_id;
        let secret = self.secret.map(|secret| String::from_utf8_lossy(secret.expose()));
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(FORM_OCTETS));
        form.append_pair("token", &String::from_utf8_lossy(token.expose()))
            .append_pair("token_type_hint", hint);
        let mut request = Request::post(address).header("Content-Type", "application/x-www-form-urlencoded");
        match secret {
            Some(secret) if !self.endpoints.wants_secret_in_body => {
                // RFC 6749 section 2.3.1
                let encoded =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let both = Secret::new(format!("{}:{}", encoded(client_id), encoded(&secret)).into_bytes());
                request = request
                    .header("Authorization", format!("Basic {}", BASE64_STANDARD.encode(both.expose())));
            }
            secret => {
                form.append_pair("client_id", client_id);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", &secret);
                }
            }
        }
        let request = request.body(form.finish().into_bytes());
        request.map_err(|_| TokenError::Garbled { what: "an endpoint is no address".to_owned() })
    }

    /// One request. What says that the provider is not well is no answer of the protocol.
    fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = self.http.ask(request)?;
        let status = answer.status();
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(HttpFault { host, cause: format!("it answers {}", status.as_u16()).into() });
        }
        Ok(answer)
    }

    fn granted(&self, answer: &Answer, now: Timestamp) -> Grant {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let extra = answer.extra_fields();
        let refresh_life =
            extra.refresh_token_expires_in.or(extra.refresh_expires_in).filter(|life| *life > 0);
        Grant {
            provider: self.settings.provider_name().to_owned(),
            client_id: self.settings.client_id.clone(),
            endpoints: self.endpoints.clone(),
            access: secret(answer.access_token().secret()),
            access_ends: answer.expires_in().and_then(|life| after(now, i64::try_from(life.as_secs()).ok()?)),
            refresh: answer.refresh_token().map(|token| secret(token.secret())),
            refresh_ends: refresh_life.and_then(|life| after(now, life)),
            granted: now,
            refreshed: now,
        }
    }

    /// Sorts what the library says. Nothing of an answer that it could not read is shown: it may hold a token.
    fn refused<T: ErrorResponseType + AsRef<str> + std::fmt::Display + 'static>(
        &self,
        error: RequestTokenError<HttpFault, StandardErrorResponse<T>>,
        token: Option<&Secret>,
    ) -> TokenError {
        let secrets: Vec<&[u8]> = token.into_iter().chain(self.secret).map(Secret::expose).collect();
        match error {
            RequestTokenError::Request(fault) => TokenError::Unreachable(fault),
            RequestTokenError::ServerResponse(response) => TokenError::Refused {
                error: said(response.error().as_ref(), &secrets),
                said: said(response.error_description().map_or("", String::as_str), &secrets),
            },
            RequestTokenError::Parse(error, _) => {
                TokenError::Garbled { what: format!("{:?} at {}", error.inner().classify(), error.path()) }
            }
            RequestTokenError::Other(what) => TokenError::Garbled { what: said(&what, &secrets) },
        }
    }
}

/// A moment so many seconds later; `None` beyond the calendar.
fn after(now: Timestamp, seconds: i64) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// What a refresh is refused with when a person has to log in again: RFC 6749 section 5.2, OpenID Connect section 3.1.2.6.
const WITHDRAWN: [&str; 4] = ["invalid_grant", "interaction_required", "login_required", "consent_required"];
/// However long a provider wants to wait for a person.
const DEVICE_CODE_LIFE_MAX: Duration = Duration::from_secs(30 * 60);
/// However slow a provider wants to be asked.
const DEVICE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A form with a long token fits, so that no copy of it stays behind.
const FORM_OCTETS: usize = 16 * 1024;
