//! What a refused login means: whose fault it is, and whether the password is in doubt.

use super::Refusal;
use super::capabilities::Capabilities;
use crate::reply::ResponseCode;

/// Why a login was refused, as far as the server lets a program know. Only [`Credentials`](Self::Credentials) and
/// [`Unknown`](Self::Unknown) put the password in doubt; with the others it is to be kept, and nobody is to be asked for
/// another one (R2449-8.1.2.2, R3206-4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginCause {
    /// The user name or password is wrong. To try the same again is of no use, and may lock the account.
    Credentials,
    /// The same may work later: the maildrop is in use, the last login was too recent, or the server has a passing fault. Retry
    /// quietly; tell somebody when it lasts.
    Later,
    /// The server has a fault that somebody has to mend: tell the user to call support.
    Support,
    /// The server does not say. It is most often the password, and sometimes is not.
    Unknown,
}

impl Refusal {
    /// What this refusal of a login means. `capabilities` are those listed before the login.
    ///
    /// ```
    /// use restante_proto::client::Refusal;
    /// use restante_proto::client::cause::LoginCause;
    /// use restante_proto::reply::ResponseCode;
    ///
    /// let refusal = Refusal { code: Some(ResponseCode::InUse), text: "busy".into() };
    /// assert_eq!(refusal.login_cause(None), LoginCause::Later);
    /// ```
    #[must_use]
    pub fn login_cause(&self, capabilities: Option<&Capabilities>) -> LoginCause {
        match self.code {
            Some(ResponseCode::Auth) => LoginCause::Credentials,
            // R2449-8.1.2.2 R3206-4.5
            Some(ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SysTemp) => LoginCause::Later,
            Some(ResponseCode::SysPerm) => LoginCause::Support,
            // R3206-6.3: a server that would have said [AUTH] has some other trouble.
            _ if capabilities.is_some_and(|listed| listed.auth_resp_code) => LoginCause::Later,
            _ => LoginCause::Unknown,
        }
    }
}
