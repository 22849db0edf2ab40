//! LOGIN (draft-murchison-sasl-login-00): the server asks for the name, then for the password. Kept for clients
//! that know nothing better; PLAIN says the same in one message.

use alloc::vec::Vec;

use super::exchange::{Invalid, Progress};
use super::{Credentials, Mechanism, Method};
use crate::secret::Secret;

/// The server's side: the user name, once it has come.
#[derive(Debug)]
pub struct Exchange {
    user: Option<Vec<u8>>,
}

impl Exchange {
    pub(super) const fn new() -> Self {
        Self { user: None }
    }

    pub(super) fn begin(&mut self, initial: Option<&[u8]>) -> Progress {
        match initial {
            None => Progress::Challenge(USER_PROMPT.to_vec()),
            // LOGIN-2.1: the draft knows no initial response; the common extension takes it as the user name.
            Some(user) => self.respond(user),
        }
    }

    pub(super) fn respond(&mut self, response: &[u8]) -> Progress {
        if response.is_empty() {
            return Progress::Invalid(Invalid::Credentials);
        }
        if response.contains(&0) {
            return Progress::Invalid(Invalid::Syntax);
        }
        match self.user.take() {
            None => {
                self.user = Some(response.to_vec());
                Progress::Challenge(PASSWORD_PROMPT.to_vec())
            }
            Some(user) => Progress::Complete(Credentials::Password {
                user,
                authorization: None,
                password: Secret::new(response.to_vec()),
                method: Method::Sasl(Mechanism::Login),
            }),
        }
    }
}

// LOGIN-2.2.1: the forms that common clients look for.
const USER_PROMPT: &[u8] = b"Username:";
const PASSWORD_PROMPT: &[u8] = b"Password:";
