//! Credentials that no secret of ours is needed for: a bearer token, the peer's certificate, nobody in particular.
//!
//! Each leads to an account name first; then the account must exist and be open like any other.

use restante_proto::secret::Secret;

use super::{Access, Attempt, Grant, Inner, Reason, Verdict};
use crate::account::{Account, AccountName};
use crate::directory::Circumstances;
use crate::token::Finding;

impl Inner {
    /// The first of the token sources that finds the token good decides. One that cannot be asked ends the search: it might have
    /// known. `Err` is a verdict too, here and below.
    pub(super) async fn verify_token(
        &self,
        user: Option<&[u8]>,
        token: &Secret,
        attempt: &Attempt<'_>,
    ) -> Result<Verdict, Verdict> {
        let claimed = user.map(|user| self.name(user)).transpose()?;
        let mut flaw = None;
        for source in &self.tokens {
            let finding = source.verify(token, claimed.as_ref(), attempt).await;
            let (name, is_expired) = match finding.map_err(Verdict::Unavailable)? {
                Finding::Account(name) => (name, false),
                Finding::Expired(name) => (name, true),
                Finding::Unfit(found) => {
                    flaw = flaw.or(Some(found));
                    continue;
                }
                Finding::Unknown => continue,
            };
            let grant = match self.open_account(&name, attempt.at).await {
                Err(Verdict::Refused(Reason::UnknownAccount)) if source.opens_unlisted() => {
                    Grant::full(Account::new(name.clone()))
                }
                opened => opened?,
            };
            // XOAUTH2-0.1: the token must be theirs. An alias that was typed means the account's own name.
            if let Some(claimed) = claimed
                && claimed != name
                && !self.means(&claimed, &grant, attempt.at).await?
            {
                return Err(Verdict::Refused(Reason::UnknownToken));
            }
            return match is_expired {
                true => Err(Verdict::Refused(Reason::ExpiredToken)),
                false => Ok(Verdict::Granted(Box::new(grant))),
            };
        }
        Err(Verdict::Refused(flaw.map_or(Reason::UnknownToken, Reason::UnfitToken)))
    }

    /// R4422-A.1.3: the account that the certificate names, and as nobody else.
    pub(super) async fn verify_external(
        &self,
        authorization: Option<&[u8]>,
        certificate: Option<&str>,
        at: Circumstances,
    ) -> Result<Verdict, Verdict> {
        let certificate = certificate.ok_or(Verdict::Refused(Reason::NoCertificateName))?;
        let name = self.name(certificate.as_bytes())?;
        let grant = self.open_account(&name, at).await?;
        if let Some(authorization) = authorization.filter(|authorization| !authorization.is_empty()) {
            let asserted =
                self.name(authorization).map_err(|_| Verdict::Refused(Reason::AuthorizationIdentity))?;
            if asserted != name && !self.means(&asserted, &grant, at).await? {
                return Err(Verdict::Refused(Reason::AuthorizationIdentity));
            }
        }
        Ok(Verdict::Granted(Box::new(grant)))
    }

    /// R4505-5.1, R4505-5.2: only where an account was named for it, and to look at only. That account may be locked: then
    /// nobody but its readers gets in.
    pub(super) async fn verify_anonymous(&self, at: Circumstances) -> Result<Verdict, Verdict> {
        let name = self.anonymous.as_ref().ok_or(Verdict::Refused(Reason::NotServed))?;
        match self.delivery_of(name, at).await.map_err(Verdict::Unavailable)? {
            Some(account) => {
                let grant = Grant { access: Access::ReadOnly, ..Grant::full(account) };
                Ok(Verdict::Granted(Box::new(grant)))
            }
            None => Err(Verdict::Refused(Reason::UnknownAccount)),
        }
    }

    async fn open_account(&self, name: &AccountName, at: Circumstances) -> Result<Grant, Verdict> {
        match self.login_of(name, at).await.map_err(Verdict::Unavailable)? {
            None => Err(Verdict::Refused(Reason::UnknownAccount)),
            Some(found) if found.entry.password.is_locked() => Err(Verdict::Refused(Reason::Locked)),
            Some(found) => self.granted(found.origin, found.entry.account, at).await,
        }
    }

    /// Whether `name` is another name of the account that was granted.
    async fn means(&self, name: &AccountName, grant: &Grant, at: Circumstances) -> Result<bool, Verdict> {
        let found = self.login_of(name, at).await.map_err(Verdict::Unavailable)?;
        Ok(found.is_some_and(|found| found.entry.account.name == grant.account.name))
    }
}
