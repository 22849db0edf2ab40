//! A login without a browser on this machine: a code that a person types on another one (RFC 8628).

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use oauth2::StandardDeviceAuthorizationResponse;
use restante_proto::secret::Secret;

use super::error::TokenError;
use super::grant::Grant;
use super::http::Http;
use super::provider::Endpoints;
use super::request::Asking;
use super::settings::{Provider, Settings};

/// A login that waits for a person.
pub struct DeviceLogin {
    code: StandardDeviceAuthorizationResponse,
}

impl DeviceLogin {
    /// Asks for a code.
    ///
    /// # Errors
    /// [`TokenError::NotOffered`], or as the provider answers.
    pub fn begin(
        settings: &Settings,
        secret: Option<&Secret>,
        http: &Http,
        endpoints: &Endpoints,
    ) -> Result<Self, TokenError> {
        if endpoints.device.is_none() {
            let instead = match settings.provider {
                Provider::Google { .. } => {
                    "use --browser; on a machine without one, forward the port: ssh -L 8400:127.0.0.1:8400, then --browser --port 8400"
                }
                _ => "use --browser",
            };
            let provider = settings.provider_name().to_owned();
            return Err(TokenError::NotOffered { provider, what: "logins by device code for mail", instead });
        }
        let asking = Asking { http, settings, secret, endpoints };
        Ok(Self { code: asking.device_code()? })
    }

    /// What the person types.
    #[must_use]
    pub fn user_code(&self) -> &str {
        self.code.user_code().secret()
    }

    /// Where.
    #[must_use]
    pub fn address(&self) -> &str {
        self.code.verification_uri()
    }

    /// An address that holds the code already, if the provider has one.
    #[must_use]
    pub fn whole_address(&self) -> Option<&str> {
        self.code.verification_uri_complete().map(|address| address.secret().as_str())
    }

    /// How long there is time.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.code.expires_in()
    }

    /// Asks again and again, in the pace that the provider wants, until the person has decided. `pause` lets time pass,
    /// `clock` tells it. May wait for half an hour.
    ///
    /// # Errors
    /// [`TokenError::Denied`], [`TokenError::TooLate`], or as the provider answers.
    pub fn finish(
        self,
        settings: &Settings,
        secret: Option<&Secret>,
        http: &Http,
        endpoints: &Endpoints,
        (pause, clock): (&dyn Fn(Duration), &dyn Fn() -> Timestamp),
    ) -> Result<Grant, TokenError> {
        let asking = Asking { http, settings, secret, endpoints };
        asking.device_token(&self.code, pause, clock)
    }
}

impl fmt::Debug for DeviceLogin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DeviceLogin(..)")
    }
}
