//! What an error means to a pass: whose fault it is, and what to do next.

use restante_client::advice::{Advice, Kind as Matter, Retry, Shown};
use restante_client::connect::Route;
use restante_client::error::Error;
use restante_proto::client::cause::LoginCause;

use crate::journal::JournalError;
use crate::report::{Failure, Kind};

/// Whom a pass speaks with, as far as errors tell of it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The way there.
    pub route: Route,
    /// What is shown to log in.
    pub shown: Shown,
}

impl Peer {
    /// What an error of the client means.
    #[must_use]
    pub fn failed(&self, error: &Error) -> Failure {
        let advice = Advice::of(error, &self.route, self.shown);
        let is_doubtful = matches!(error, Error::Login { cause: LoginCause::Unknown, .. });
        let kind = match advice.kind {
            Matter::WrongPassword if is_doubtful => Kind::Doubtful,
            Matter::WrongPassword | Matter::TokenRefused | Matter::AppPasswordNeeded => Kind::Credentials,
            Matter::OAuthNeeded | Matter::BrowserNeeded | Matter::PopSwitchedOff => Kind::Credentials,
            Matter::UserMissing => Kind::Credentials,
            Matter::RateLimited | Matter::Busy | Matter::LoginDelay | Matter::ServerFault => Kind::Busy,
            Matter::SupportNeeded => Kind::Support,
            Matter::NoWay | Matter::NotEncrypted | Matter::Configuration => Kind::Configuration,
            Matter::NameUnknown | Matter::NotOffered | Matter::Unreachable | Matter::Proxy => {
                Kind::Unreachable
            }
            Matter::TlsMissing | Matter::Tls | Matter::Certificate(_) => Kind::Tls,
            Matter::Local => Kind::Files,
            // What is added some day is the server's until somebody says otherwise.
            _ => Kind::Protocol,
        };
        let failure = Failure::new(kind, advice.what).remedy(advice.remedy);
        match (advice.kind, advice.retry) {
            // What the watch does by itself would only make it worse.
            (Matter::RateLimited, Retry::Later(pause)) => failure.pause(pause),
            _ => failure,
        }
    }
}

/// What an error of the journal means.
pub(super) fn journal_failed(error: &JournalError) -> Failure {
    let kind = match error {
        JournalError::InUse { .. } => Kind::InUse,
        _ => Kind::Files,
    };
    Failure::new(kind, error.to_string())
}

/// What an error of a file means.
pub(crate) fn files_failed(error: &crate::failure::Failure) -> Failure {
    let failure = Failure::new(Kind::Files, error.to_string());
    match error.is_full() {
        true => failure.remedy("make room; what was not collected is on the server still"),
        false => failure,
    }
}

#[cfg(test)]
mod tests {
    use restante_client::connect::Address;
    use restante_proto::client::Refusal;

    use super::*;

    #[test]
    fn too_often_is_an_hour_of_quiet_and_busy_is_not() {
        let route = Route::from(Address::Tcp { host: "mail.example.org".to_owned(), port: 995 });
        let peer = Peer { route, shown: Shown::Password };
        for (said, pause) in
            [("Exceeded the login limit for a 15 minute period.", Some(3600)), ("mailbox in use", None)]
        {
            let refusal = Refusal { code: None, text: said.to_owned() };
            let failure = peer.failed(&Error::Login { refusal, cause: LoginCause::Unknown });
            assert_eq!((failure.kind, failure.pause), (Kind::Busy, pause), "{said}");
        }
    }
}
