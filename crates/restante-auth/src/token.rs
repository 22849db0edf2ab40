//! Bearer tokens: who says whose a token is (OAUTHBEARER, XOAUTH2).
//!
//! `TokenVerifier` is the border: a token in, an account name or a refusal out, or "cannot be said now". The verifier here is
//! `token/file`, static tokens whose digests stand in a file: passwords of single devices and programs, and whatever test
//! set-ups need. Those that ask an identity provider stand behind the same border in `restante-sources`, which has the network.

use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Instant;

use restante_proto::secret::Secret;

use crate::account::AccountName;
use crate::address;
use crate::directory::{Answer, Notify, Problem, SourceError};
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

    /// Whether it can be asked, for an operator who wants to know before anybody logs in. `attempt` is made with `token`, which nobody was
    /// given. By default that is verified, and must not be found good.
    fn probe<'a>(&'a self, token: &'a Secret, attempt: &'a Attempt<'a>) -> Answer<'a, ()> {
        Box::pin(async move {
            match self.verify(token, None, attempt).await? {
                Finding::Unknown | Finding::Unfit(Flaw::Inactive) => Ok(()),
                _ => {
                    let what = "it takes for good a token that nobody was given";
                    let problem = Problem::new(what, "see whether it is asked at the right address");
                    Err(SourceError::permanent(self.source(), vec![problem]))
                }
            }
        })
    }

    /// Reads again what there is to read. On an error all stays as it was. Answers how many tokens are known, 0 from a verifier
    /// that knows none by itself.
    fn reload(&self, now: Instant) -> Answer<'_, usize>;

    /// Whether a good token opens an account that no source of accounts knows. One that a source locks stays locked.
    fn opens_unlisted(&self) -> bool {
        false
    }

    /// Drops what is remembered of tokens of this account.
    fn forget(&self, account: &AccountName) {
        let _ = account;
    }

    /// What a verifier that takes this one's place may go on with; `None` if there is nothing worth it.
    fn hand_over(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Goes on with what the verifier handed over that this one takes the place of, as far as it is of use here.
    fn take_over(&self, before: Arc<dyn Any + Send + Sync>) {
        drop(before);
    }
}

/// What a verifier says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is this account's, and good.
    Account(AccountName),
    /// It was this account's until it expired; nothing else is wrong with it.
    Expired(AccountName),
    /// It comes from where this verifier's tokens come from, and opens nothing here.
    Unfit(Flaw),
    /// This verifier knows nothing of it.
    Unknown,
}

/// What is wrong with a token of a known issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It is signed by an algorithm that is not allowed, or not signed.
    Algorithm,
    /// The issuer has no such key.
    Key,
    /// The signature is wrong.
    Signature,
    /// It is another kind of token, or lacks what it must have.
    Form,
    /// Another issuer gave it.
    Issuer,
    /// It is for other services.
    Audience,
    /// It does not have a scope that is needed.
    Scope,
    /// It is good only later.
    NotYet,
    /// The issuer says that it is not good, or not any more.
    Inactive,
    /// It is bound to a key that nobody has shown.
    Bound,
    /// The claim that names the account is missing, or is not verified.
    Claim,
    /// The claim names what can be no account here, or an account that the issuer has nothing to say about.
    Name,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "the token's algorithm is not allowed",
            Self::Key => "the issuer has no key for the token",
            Self::Signature => "the token's signature is wrong",
            Self::Form => "the token is of another kind, or incomplete",
            Self::Issuer => "the token is from another issuer",
            Self::Audience => "the token is for another audience",
            Self::Scope => "the token lacks a scope",
            Self::NotYet => "the token is not good yet",
            Self::Inactive => "the issuer says that the token is not active",
            Self::Bound => "the token is bound to a key",
            Self::Claim => "the token does not name an account, or the name is not verified",
            Self::Name => "the token names no account that this issuer may open",
        })
    }
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
