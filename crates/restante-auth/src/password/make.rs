//! New verifiers for a password, for the embedded directory and for `restante account`.

use std::collections::TryReserveError;
use std::error::Error;
use std::fmt;

use zeroize::Zeroizing;

use super::scram::{ITERATIONS_DEFAULT, SALT_OCTETS, ScramVerifier};
use super::{Hash, PASSWORD_OCTETS_MAX, argon};
use crate::prepare;

/// Everything that is stored of a password in the embedded directory.
#[derive(Clone)]
pub struct Verifiers {
    /// Argon2id as a PHC string: what passwords are checked against.
    pub argon2id: String,
    /// For SCRAM, which cannot use Argon2: one for each hash function asked for.
    pub scram: Vec<ScramVerifier>,
}

/// Which SCRAM verifiers are made of a new password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramChoice {
    /// One for each of these, each at most once. With none, accounts cannot use SCRAM.
    pub hashes: Vec<Hash>,
    /// The iterations of each, at least 4096.
    pub iterations: u32,
}

impl Default for ScramChoice {
    /// SCRAM-SHA-256 alone: every client that knows SCRAM today knows it, and each further verifier is one more thing to steal.
    fn default() -> Self {
        Self { hashes: vec![Hash::Sha256], iterations: ITERATIONS_DEFAULT }
    }
}

impl fmt::Debug for Verifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifiers").finish_non_exhaustive()
    }
}

/// Hashes `password`, which the caller has prepared. Costly: about a tenth of a second.
///
/// # Errors
/// The system gives no random numbers for the salts, or no memory.
pub fn verifiers(password: &[u8], choice: &ScramChoice) -> Result<Verifiers, NotMade> {
    let argon2id = argon::hash(params(), password, &salt()?)?;
    let mut scram = Vec::new();
    for hash in &choice.hashes {
        scram.push(ScramVerifier::derive(*hash, password, salt()?.to_vec(), choice.iterations));
    }
    Ok(Verifiers { argon2id, scram })
}

/// `password` as a passwd-file or a database has it, `{ARGON2ID}$argon2id$…`: what `verifiers` makes without those for SCRAM. What was typed is prepared here.
/// `None` if it cannot be a password.
///
/// # Errors
/// As `verifiers`.
pub fn stored(typed: &[u8]) -> Result<Option<Zeroizing<String>>, NotMade> {
    let Some(prepared) = prepared(typed) else { return Ok(None) };
    let none = ScramChoice { hashes: Vec::new(), ..ScramChoice::default() };
    let text = Zeroizing::new(verifiers(prepared.as_bytes(), &none)?.argon2id);
    Ok(Some(Zeroizing::new(format!("{{ARGON2ID}}{}", *text))))
}

/// What is stored of a typed password is made of this (R4616-2.6). `None` if it cannot be a password.
pub(crate) fn prepared(typed: &[u8]) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(typed).ok().filter(|text| text.len() <= PASSWORD_OCTETS_MAX)?;
    let prepared = Zeroizing::new(prepare::query(text).ok()?.into_owned());
    Some(prepared).filter(|prepared| !prepared.is_empty())
}

/// What the system did not give.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotMade {
    /// Random numbers.
    Random(getrandom::Error),
    /// Memory.
    Memory(TryReserveError),
}

impl From<getrandom::Error> for NotMade {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}

impl From<TryReserveError> for NotMade {
    fn from(error: TryReserveError) -> Self {
        Self::Memory(error)
    }
}

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(error) => write!(f, "no random numbers: {error}"),
            Self::Memory(error) => write!(f, "no memory: {error}"),
        }
    }
}

impl Error for NotMade {}

/// A stored secret that costs as much to check as those that `verifiers` makes, and that no password fits.
pub fn decoy() -> super::StoredPassword {
    let text = format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$bm9ib2R5LWtub3dzLWl0IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    );
    super::StoredPassword { form: super::Form::Argon2(Zeroizing::new(text)) }
}

fn params() -> argon2::Params {
    argon2::Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are in range")
}

/// Random octets.
fn salt() -> Result<[u8; SALT_OCTETS], getrandom::Error> {
    let mut salt = [0; SALT_OCTETS];
    getrandom::fill(&mut salt)?;
    Ok(salt)
}

/// OWASP's first recommendation for Argon2id: 19 MiB and two passes. More memory would let a handful of logins at once take
/// as much as all idle sessions together.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
