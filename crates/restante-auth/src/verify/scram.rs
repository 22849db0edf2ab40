//! SCRAM (RFC 5802): what a client is shown before its proof, and whether the proof is right.
//!
//! A verifier comes from the account's source, or is derived from a secret that is stored in plain text. Whoever has neither
//! (names that nobody has, locked accounts, accounts without a verifier for this hash) meets a *disguise*: salt and iterations
//! that look like those of some account, the work that this account's login takes, and a refusal at its end (R5802-7.1). Which
//! account is imitated, and the salt, come from a keyed digest of the name: the same name is shown the same for as long as the key
//! lives. Each kind of account is imitated as often as it is frequent, so what is seen of a name says nothing about it; when
//! accounts come and go, only the names at the borders between the kinds change.

use restante_proto::sasl::{ScramClaim, ScramHash, ServerSignature};
use restante_proto::secret::Secret;
use std::fmt;
use zeroize::Zeroizing;

use super::hashing::Lane;
use super::{Grant, Inner, Reason, Verdict};
use crate::account::AccountName;
use crate::directory::census::Shape;
use crate::directory::{Circumstances, Entry, Problem, SourceError};
use crate::password::Hash;
use crate::password::scram::{ITERATIONS_DEFAULT, ITERATIONS_MIN, SALT_OCTETS, ScramVerifier};
use crate::prepare;

/// What a client of SCRAM is shown before its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramParameters {
    /// The salt; never empty.
    pub salt: Vec<u8>,
    /// The iterations; at least 4096.
    pub iterations: u32,
}

/// What SCRAM needs beside the verifiers that are stored.
#[derive(Clone)]
pub struct ScramSettings {
    /// Makes what strangers are shown, and the salts of verifiers that are derived. To be random, kept secret, and the same for
    /// ever: with another one, names that nobody has are shown another salt, and accounts with a stored verifier are not.
    pub key: Zeroizing<[u8; KEY_OCTETS]>,
    /// The iterations of verifiers that are derived from secrets in plain text.
    pub iterations: u32,
}

impl ScramSettings {
    /// This key, and the usual iterations.
    pub fn new(key: [u8; KEY_OCTETS]) -> Self {
        Self { key: Zeroizing::new(key), iterations: ITERATIONS_DEFAULT }
    }
}

impl fmt::Debug for ScramSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramSettings").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// Octets of the key of `ScramSettings`.
pub const KEY_OCTETS: usize = 32;

/// Makes salts and choices from names.
pub(super) struct Disguise {
    settings: ScramSettings,
}

impl Disguise {
    pub(super) fn new(mut settings: ScramSettings) -> Self {
        settings.iterations = settings.iterations.max(ITERATIONS_MIN);
        Self { settings }
    }

    /// A salt of `octets` octets that is always this name's.
    fn salt(&self, hash: Hash, name: &[u8], octets: usize) -> Vec<u8> {
        let mut salt = Vec::with_capacity(octets);
        let mut block = 0_u64;
        while salt.len() < octets {
            let digest = self.digest(b"salt", hash, block, name);
            salt.extend_from_slice(digest.get(..digest.len().min(octets - salt.len())).unwrap_or_default());
            block += 1;
        }
        salt
    }

    /// A place among `places` that is always this name's, or nearly so when their number changes.
    fn place(&self, hash: Hash, name: &[u8], places: u64) -> u64 {
        let digest = self.digest(b"place", hash, 0, name);
        let point = digest.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets));
        let place = (u128::from(point) * u128::from(places)) >> u64::BITS;
        u64::try_from(place).unwrap_or_default()
    }

    fn digest(&self, purpose: &[u8], hash: Hash, block: u64, name: &[u8]) -> Zeroizing<Vec<u8>> {
        // Each part but the last has a fixed length or an end, so that no two inputs run together.
        let hash = u64::try_from(hash.octets()).unwrap_or_default().to_le_bytes();
        let input = [purpose, b"\0", &hash, &block.to_le_bytes(), name].concat();
        Hash::Sha256.hmac(&*self.settings.key, &input)
    }
}

/// What a proof is checked against.
struct Basis {
    verifier: Source,
    /// Not a disguise.
    is_real: bool,
}

enum Source {
    Stored(ScramVerifier),
    Derived { secret: Secret, salt: Vec<u8>, iterations: u32 },
}

impl Inner {
    pub(super) async fn prepare_scram(
        &self,
        user: &[u8],
        hash: ScramHash,
        at: Circumstances,
    ) -> Result<ScramParameters, SourceError> {
        let disguise = self.disguise()?;
        let hash = Hash::from(hash);
        let basis = match self.addresses.account_name(user) {
            Ok(name) => {
                let found = self.secret_of(&name, at).await?;
                self.basis(disguise, &name, found.as_ref().map(|found| &found.entry), hash)
            }
            Err(_) => self.pretend(disguise, user, hash),
        };
        Ok(match basis.verifier {
            Source::Stored(verifier) => {
                ScramParameters { salt: verifier.salt, iterations: verifier.iterations }
            }
            Source::Derived { salt, iterations, .. } => ScramParameters { salt, iterations },
        })
    }

    /// `Err` is a verdict too: one that was clear before the end.
    pub(super) async fn verify_scram(
        &self,
        claim: &ScramClaim,
        at: Circumstances,
    ) -> Result<Verdict, Verdict> {
        let disguise = self.disguise().map_err(|_| Verdict::Refused(Reason::NotServed))?;
        let hash = Hash::from(claim.hash);
        let name = self.name(&claim.user)?;
        self.check_authorization(claim.authorization.as_deref(), &name)?;
        let found = self.secret_of(&name, at).await.map_err(Verdict::Unavailable)?;
        let basis = self.basis(disguise, &name, found.as_ref().map(|found| &found.entry), hash);
        let verifier = match basis.verifier {
            Source::Stored(verifier) => verifier,
            Source::Derived { secret, salt, iterations } => {
                let derive = move || ScramVerifier::derive(hash, secret.expose(), salt, iterations);
                self.hashing.queued(Lane::of(at), derive).await.map_err(Verdict::Unavailable)?
            }
        };
        let signature = verifier.proves(&claim.auth_message, &claim.proof);
        self.hashing.count(1);
        // What fits a disguise means nothing.
        let reason = match (found, signature) {
            (None, _) => Reason::UnknownAccount,
            (Some(found), _) if found.entry.password.is_locked() => Reason::Locked,
            (Some(_), _) if !basis.is_real => Reason::NoVerifier,
            (Some(_), None) => Reason::WrongPassword,
            (Some(found), Some(signature)) => {
                let server_signature = Some(ServerSignature(signature));
                let granted = self.granted(found.origin, found.entry.account, at).await?;
                let grant = Grant { server_signature, ..granted };
                return Ok(Verdict::Granted(Box::new(grant)));
            }
        };
        Err(Verdict::Refused(reason))
    }

    fn disguise(&self) -> Result<&Disguise, SourceError> {
        self.disguise.as_ref().ok_or_else(|| {
            SourceError::permanent("SCRAM", vec![Problem::new("it is not served", "give it a key")])
        })
    }

    fn basis(&self, disguise: &Disguise, name: &AccountName, entry: Option<&Entry>, hash: Hash) -> Basis {
        let open = entry.filter(|entry| !entry.password.is_locked());
        if let Some(verifier) = open.and_then(|entry| entry.verifier(hash)) {
            return Basis { verifier: Source::Stored(verifier.clone()), is_real: true };
        }
        if let Some(secret) = open.and_then(|entry| entry.password.plain()) {
            // An alias must not show another salt than the name it stands for.
            let owner = open.map_or(name, |entry| &entry.account.name).as_str().as_bytes();
            return Basis { verifier: derived(disguise, owner, hash, prepared(secret)), is_real: true };
        }
        self.pretend(disguise, name.as_str().as_bytes(), hash)
    }

    /// What a name without a verifier is shown: what some account has.
    fn pretend(&self, disguise: &Disguise, name: &[u8], hash: Hash) -> Basis {
        let census = self.census();
        let total = census.shapes_of(hash).fold(census.plain, |sum, (_, count)| sum.saturating_add(count));
        let mut place = disguise.place(hash, name, total);
        for (shape, accounts) in census.shapes_of(hash) {
            if place < accounts {
                return Basis { verifier: imitation(disguise, name, shape), is_real: false };
            }
            place -= accounts;
        }
        let nobodys = Secret::new(b"nobody's".to_vec());
        Basis { verifier: derived(disguise, name, hash, nobodys), is_real: false }
    }
}

fn derived(disguise: &Disguise, name: &[u8], hash: Hash, secret: Secret) -> Source {
    let iterations = disguise.settings.iterations;
    Source::Derived { secret, salt: disguise.salt(hash, name, SALT_OCTETS), iterations }
}

/// A verifier that looks like those of this shape. No proof fits it: nobody knows what these keys are digests of.
fn imitation(disguise: &Disguise, name: &[u8], shape: Shape) -> Source {
    let key = Zeroizing::new(vec![0; shape.hash.octets()]);
    Source::Stored(ScramVerifier {
        hash: shape.hash,
        iterations: shape.iterations,
        salt: disguise.salt(shape.hash, name, shape.salt_octets),
        stored_key: key.clone(),
        server_key: key,
    })
}

/// The password as the client prepares it (R5802-3.1); one that cannot be prepared is taken as it is.
fn prepared(secret: &[u8]) -> Secret {
    let prepared = std::str::from_utf8(secret).ok().and_then(|text| prepare::query(text).ok());
    Secret::new(prepared.map_or_else(|| secret.to_vec(), |text| text.as_bytes().to_vec()))
}

impl From<ScramHash> for Hash {
    fn from(hash: ScramHash) -> Self {
        match hash {
            ScramHash::Sha1 => Self::Sha1,
            ScramHash::Sha256 => Self::Sha256,
            ScramHash::Sha512 => Self::Sha512,
        }
    }
}

#[cfg(test)]
mod tests;
