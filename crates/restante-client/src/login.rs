//! From what a user has to a login: which way, and what that way needs. [`crate::pop3::Client::log_in`] takes a [`Wish`].
//!
//! The order of safety and the rules of POP URLs are in [`restante_proto::client::choice`]. Here are the things that need
//! a connection and chance: the binding to the TLS connection, the nonce, SASLprep.

use restante_proto::client::argument::Argument;
use restante_proto::client::capabilities::Capabilities;
use restante_proto::client::choice::{Proof, Situation, choose_for};
use restante_proto::client::request::{Extras, InitialResponse, InvalidRequest, Login};
use restante_proto::sasl::scram::client::Binding;
use restante_proto::sasl::{BindingKind, Method};
use restante_proto::secret::Secret;
use restante_proto::url::Auth;
use rustls::{ClientConnection, ProtocolVersion};

use crate::error::Error;

/// Who wants to log in, with what, and which ways are allowed.
///
/// ```no_run
/// use restante_client::error::Error;
/// use restante_client::login::{Means, Plaintext, Wish};
/// use restante_client::pop3::Client;
/// use restante_proto::secret::Secret;
/// use restante_proto::url::PopUrl;
///
/// async fn log_in(client: &mut Client, url: &PopUrl, password: Secret) -> Result<(), Error> {
///     let means = Means::Password(password);
///     let wish = Wish { user: url.user(), auth: url.auth(), means, plaintext: Plaintext::WithTls };
///     client.log_in(wish).await
/// }
/// ```
#[derive(Debug)]
pub struct Wish<'a> {
    /// The user name; a program whose user has given none asks for it (R2384-4.1).
    pub user: Option<&'a str>,
    /// The ways that are allowed: as in a POP URL.
    pub auth: &'a Auth,
    /// What there is to show.
    pub means: Means,
    /// Where a password may be shown.
    pub plaintext: Plaintext,
}

/// What a user logs in with.
#[derive(Debug)]
pub enum Means {
    /// A password.
    Password(Secret),
    /// A bearer token.
    Token {
        /// The access token.
        token: Secret,
        /// Where it stands: in the AUTH line when that is short, or never there.
        initial_response: InitialResponse,
    },
    /// The certificate of [`crate::connect::Tls::with_client_certificate`] (R8314-5.5.2). With a user name it is on behalf of
    /// that user, else of whom the server thinks the certificate's owner to be.
    Certificate,
    /// Nothing: as nobody. The user name, if any, is what is told of oneself.
    Nothing,
}

/// Where a password may be shown to the server. Tokens are shown under TLS only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// Under TLS (R2384-4.8).
    #[default]
    WithTls,
    /// Everywhere: for loopback and unix sockets.
    Everywhere,
}

impl Wish<'_> {
    /// The login for a server that lists these capabilities, over this connection.
    pub(crate) fn login(
        self,
        capabilities: Option<&Capabilities>,
        has_timestamp: bool,
        tls: Option<&ClientConnection>,
    ) -> Result<Login, Error> {
        let mut initial_response = InitialResponse::default();
        let (proof, secret) = match self.means {
            Means::Password(password) => (Proof::Password, password),
            Means::Token { token, initial_response: wanted } => {
                initial_response = wanted;
                (Proof::Token, token)
            }
            Means::Certificate => (Proof::Certificate, Secret::new(Vec::new())),
            Means::Nothing => (Proof::Nothing, Secret::new(Vec::new())),
        };
        if proof == Proof::Password && self.user.is_none_or(str::is_empty) {
            return Err(Error::NoUser);
        }
        let binding = tls.and_then(binding);
        let situation = Situation {
            proof,
            is_encrypted: tls.is_some(),
            is_bindable: binding.is_some(),
            plaintext_without_tls: self.plaintext == Plaintext::Everywhere,
        };
        let method = choose_for(self.auth, capabilities, has_timestamp, situation).map_err(Error::NoWay)?;
        let user = self.user.unwrap_or_default();
        let mut login = Login::of(method, user.as_bytes(), secret).map_err(Error::Request)?;
        login.extras.initial_response = initial_response;
        match method {
            Method::Sasl(mechanism) if mechanism.scram().is_some() => {
                // RFC 5802 section 5.1
                login.user = prepared(user)?;
                login.password = match std::str::from_utf8(login.password.octets()) {
                    Ok(password) => prepared(password)?,
                    Err(_) => return Err(Error::Request(InvalidRequest::Argument)),
                };
                login.extras = Extras { nonce: nonce()?, binding, ..Extras::default() };
            }
            _ if proof == Proof::Certificate => {
                login.authorization = self.user.map(Argument::new).transpose().map_err(Error::Request)?;
                login.user = Argument::EMPTY;
            }
            _ => {}
        }
        Ok(login)
    }
}

/// The binding of RFC 9266, in TLS 1.3. TLS 1.2 would need to know that the extended master secret was agreed on.
fn binding(tls: &ClientConnection) -> Option<Binding> {
    if tls.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    let octets = tls.export_keying_material(vec![0; EXPORTED_OCTETS], b"EXPORTER-Channel-Binding", Some(b""));
    Some(Binding { kind: BindingKind::Exporter, octets: octets.ok()? })
}

/// SASLprep.
fn prepared(text: &str) -> Result<Argument, Error> {
    let prepared = stringprep::saslprep(text).map_err(|_| Error::Request(InvalidRequest::Argument))?;
    Argument::new(prepared.into_owned()).map_err(Error::Request)
}

fn nonce() -> Result<Vec<u8>, Error> {
    let mut octets = vec![0; NONCE_OCTETS];
    getrandom::fill(&mut octets).map_err(|_| Error::NoChance)?;
    Ok(octets)
}

/// RFC 9266 section 2.
const EXPORTED_OCTETS: usize = 32;
/// More than anybody can guess, or meets twice.
const NONCE_OCTETS: usize = 18;
