//! APOP and CRAM-MD5: a digest over something of ours, for which the secret itself must be known.
//!
//! Whoever has no secret in plain text is checked against one that is nobody's, so that the answer takes the same work.

use restante_proto::sasl::{apop, cram_md5};
use restante_proto::secret::Secret;

use super::{Inner, Reason, Verdict};
use crate::directory::Circumstances;
use crate::prepare;

impl Inner {
    pub(super) async fn verify_apop(
        &self,
        user: &[u8],
        timestamp: &[u8],
        digest: &[u8; 16],
        at: Circumstances,
    ) -> Result<Verdict, Verdict> {
        // R6856-2.2.5: a secret that cannot be prepared as a stored string opens nothing.
        let is_sound = |secret: &Secret| {
            std::str::from_utf8(secret.expose()).is_ok_and(|text| prepare::stored(text).is_ok())
        };
        self.verify_digest(user, at, |secret| is_sound(secret) & apop::verify(timestamp, secret, digest))
            .await
    }

    pub(super) async fn verify_cram(
        &self,
        user: &[u8],
        challenge: &[u8],
        digest: &[u8; 16],
        at: Circumstances,
    ) -> Result<Verdict, Verdict> {
        self.verify_digest(user, at, |secret| cram_md5::verify(challenge, secret, digest)).await
    }

    /// `Err` is a verdict too: one that was clear before the end.
    async fn verify_digest(
        &self,
        user: &[u8],
        at: Circumstances,
        fits: impl Fn(&Secret) -> bool,
    ) -> Result<Verdict, Verdict> {
        let name = self.name(user)?;
        let found = self.secret_of(&name, at).await.map_err(Verdict::Unavailable)?;
        let plain = found.as_ref().and_then(|found| found.entry.password.plain());
        let secret = Secret::new(plain.unwrap_or(b"nobody's").to_vec());
        // R6856-2.2.3: the client may have prepared the secret. Both are tried for everybody, whatever the first gave.
        let prepared = std::str::from_utf8(secret.expose()).ok().and_then(|text| prepare::query(text).ok());
        let prepared =
            Secret::new(prepared.map_or_else(|| secret.expose().to_vec(), |text| text.as_bytes().to_vec()));
        let fits = fits(&secret) | fits(&prepared);
        self.hashing.count(2);
        let Some(found) = found else { return Err(Verdict::Refused(Reason::UnknownAccount)) };
        let password = &found.entry.password;
        if password.is_locked() {
            return Err(Verdict::Refused(Reason::Locked));
        }
        if password.plain().is_none() {
            return Err(Verdict::Refused(Reason::NoPlainSecret));
        }
        if !fits {
            return Err(Verdict::Refused(Reason::WrongPassword));
        }
        let grant = self.granted(found.origin, found.entry.account, at).await?;
        Ok(Verdict::Granted(Box::new(grant)))
    }
}
