//! Bearer tokens: who says whose a token is (OAUTHBEARER, XOAUTH2).
//!
//! `TokenVerifier` is the border: a token in, an account name or a refusal out, or "cannot be said now". The first verifier is
//! `token/file`, static tokens whose digests stand in a file: passwords of single devices and programs, and whatever test
//! set-ups need. A local check of signed tokens (JWT) was weighed and left out: without the keys of the issuer being fetched
//! and renewed it would be a promise that breaks at the first rotation. What asks an identity provider comes as another
//! verifier behind the same border.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use restante_proto::secret::Secret;

use crate::account::AccountName;
use crate::address;
use crate::directory::{Answer, Notify, SourceError};
use crate::verify::Attempt;

pub mod file;

/// Something that knows whose a token is.
pub trait TokenVerifier: Debug + Send + Sync {
    /// What it is, for the log: `tokens /etc/restante/tokens`.
    fn source(&self) -> String;

    /// Whose the token is. `claimed` is who is asserted to log in, for verifiers that must know it; that the answer is the same
    /// account is checked by the caller. May take time and fail.
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        claimed: Option<&'a AccountName>,
        attempt: &'a Attempt<'a>,
    ) -> Answer<'a, Finding>;

    /// Reads again what there is to read. On an error all stays as it was. Answers how many tokens are known, 0 from a verifier
    /// that knows none by itself.
    fn reload(&self, now: Instant) -> Answer<'_, usize>;
}

/// What a verifier says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is this account's, and good.
    Account(AccountName),
    /// It was somebody's until it expired.
    Expired,
    /// It is nobody's here.
    Unknown,
}

/// A source of tokens, as configured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// Digests of tokens in a file.
    File(file::Settings),
    /// Something else that knows tokens.
    Other(Arc<dyn TokenVerifier>),
}

impl Source {
    pub(crate) fn open(
        self,
        addresses: &address::Settings,
        notify: Option<Notify>,
    ) -> Result<Arc<dyn TokenVerifier>, SourceError> {
        Ok(match self {
            Self::File(settings) => Arc::new(file::FileTokens::open(settings, addresses.clone(), notify)?),
            Self::Other(verifier) => verifier,
        })
    }
}
