//! Stored secrets: what forms they have, what checking one costs, and whether a password fits.
//!
//! Reading the written form (`{SCHEME}…`) is in `password/parse`, making new verifiers for the embedded directory in
//! `password/make`, what SCRAM needs of a password in `password/scram`. Nothing here waits, queues or looks anything up; `verify` decides on which thread `fits` runs.

use std::collections::TryReserveError;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

mod argon;
pub mod make;
mod parse;
pub mod scram;
mod weak;

pub use parse::InvalidStored;
use scram::ScramVerifier;
use weak::{Kind, Weak};

/// A form in which a secret is stored, by the names that Dovecot gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `PLAIN`, `CLEARTEXT`, `CLEAR`: the password itself.
    Plain,
    /// `CRYPT`: whichever of the forms of crypt(3) its prefix shows: `$1$`, `$5$`, `$6$`, `$7$`, `$y$`, `$2a$`, `$2b$`, `$2y$`,
    /// `$argon2i$`, `$argon2id$`.
    Crypt,
    /// `SHA256-CRYPT`, `$5$`.
    Sha256Crypt,
    /// `SHA512-CRYPT`, `$6$`.
    Sha512Crypt,
    /// `BLF-CRYPT`, `$2a$`, `$2b$` or `$2y$`.
    BlfCrypt,
    /// `$y$`, what passwd(1) of most systems makes.
    Yescrypt,
    /// `$7$`.
    Scrypt,
    /// `ARGON2I`.
    Argon2i,
    /// `ARGON2ID`.
    Argon2id,
    /// `SHA`, `SHA1`: a digest without salt.
    Sha1,
    /// `SHA256`: a digest without salt.
    Sha256,
    /// `SHA512`: a digest without salt.
    Sha512,
    /// `SSHA`: SHA-1 of password and salt, the salt behind it.
    Ssha,
    /// `SSHA256`.
    Ssha256,
    /// `SSHA512`.
    Ssha512,
    /// `PBKDF2`: `$1$salt$rounds$digest`, with HMAC-SHA-1.
    Pbkdf2,
    /// `SCRAM-SHA-1`: `iterations,salt,StoredKey,ServerKey`.
    ScramSha1,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`: written like the other two; Dovecot does not know it.
    ScramSha512,
    /// `MD5-CRYPT`, `$1$`. Weak, as are all below; `MD5` is this or one of the next two, as its length says.
    Md5Crypt,
    /// `PLAIN-MD5`: hexadecimal, without salt.
    PlainMd5,
    /// `LDAP-MD5`: base64, without salt.
    LdapMd5,
    /// `SMD5`: MD5 of password and salt, the salt behind it.
    Smd5,
    /// `PLAIN-MD4`: hexadecimal, without salt.
    PlainMd4,
    /// `NTLM`: MD4 of the password in UTF-16.
    Ntlm,
    /// `CRAM-MD5`, `HMAC-MD5`: MD5 of the padded password, twice.
    CramMd5,
}

/// What checking a password against a stored secret takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Microseconds: may run where it is asked.
    Cheap,
    /// A millisecond to a second of a processor: belongs on a thread of its own.
    Costly,
}

/// What is to be said of a form in which a password is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As good as any, or what SCRAM needs, or no password at all.
    Kept,
    /// There are better ones.
    Older,
    /// The password itself: APOP and CRAM-MD5 need it.
    Readable,
}

/// A secret as stored, read and found sound. Its memory is wiped; `Debug` shows the scheme alone.
#[derive(Clone)]
pub struct StoredPassword {
    pub(crate) form: Form,
}

/// Octets are as decoded; the text of the crypt forms is as written, checked to be complete and of bearable cost.
#[derive(Clone)]
pub(crate) enum Form {
    /// No password fits.
    Locked,
    /// No password fits, and nobody shall log in by any other way.
    Barred,
    /// There is none.
    Absent,
    Plain(Zeroizing<Vec<u8>>),
    Digest {
        hash: Hash,
        digest: Zeroizing<Vec<u8>>,
        salt: Vec<u8>,
    },
    ShaCrypt(Zeroizing<String>),
    Bcrypt(Zeroizing<String>),
    Yescrypt(Zeroizing<String>),
    Scrypt(Zeroizing<String>),
    Argon2(Zeroizing<String>),
    Pbkdf2 {
        salt: Vec<u8>,
        rounds: u32,
        digest: Zeroizing<Vec<u8>>,
    },
    Scram(ScramVerifier),
    Weak(Weak),
}

/// A hash function with a digest of fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// 20 octets.
    Sha1,
    /// 32 octets.
    Sha256,
    /// 64 octets.
    Sha512,
}

impl StoredPassword {
    /// Reads the written form of a secret: `{SCHEME}…`, with `.b64` or `.hex` behind the name if it is encoded so. Without
    /// `{SCHEME}`, a prefix of crypt(3) decides, and else `default`. The name of a scheme is matched without regard to case.
    ///
    /// # Errors
    /// The scheme is not known here, the secret is damaged, or checking it would take unbearably long.
    pub fn parse(text: &[u8], default: Scheme) -> Result<Self, InvalidStored> {
        parse::stored(text, default).map(|form| Self { form })
    }

    /// A secret that no password fits: nobody may log in.
    pub fn locked() -> Self {
        Self { form: Form::Locked }
    }

    /// Like `locked`, where that was said in so many words, not by a missing or marked password: then it counts even in a
    /// source that is asked for settings only.
    pub fn barred() -> Self {
        Self { form: Form::Barred }
    }

    /// There is no password here, and the account is open: to tokens, to certificates, or to a password that somebody else
    /// checks.
    pub fn absent() -> Self {
        Self { form: Form::Absent }
    }

    /// Whether no password fits because nobody may log in.
    pub fn is_locked(&self) -> bool {
        matches!(self.form, Form::Locked | Form::Barred)
    }

    /// Whether it was made by `barred`.
    pub fn is_barred(&self) -> bool {
        matches!(self.form, Form::Barred)
    }

    /// Whether there is one that a password may fit.
    pub fn is_there(&self) -> bool {
        !matches!(self.form, Form::Locked | Form::Barred | Form::Absent)
    }

    /// The password, where it is stored as it is. Not for logs, errors or comparison with `==`.
    pub fn plain(&self) -> Option<&[u8]> {
        match &self.form {
            Form::Plain(secret) => Some(secret),
            _ => None,
        }
    }

    /// The SCRAM verifier, where that is what is stored.
    pub fn scram(&self) -> Option<&ScramVerifier> {
        match &self.form {
            Form::Scram(verifier) => Some(verifier),
            _ => None,
        }
    }

    /// Whether it is in a form that whoever steals it reverses in no time: then it opens an account only where weak schemes are
    /// allowed.
    pub fn is_weak(&self) -> bool {
        matches!(self.form, Form::Weak(_))
    }

    /// What is to be said of this form, for whoever would replace it by a better one.
    pub fn standing(&self) -> Standing {
        match &self.form {
            Form::Locked | Form::Barred | Form::Absent | Form::Scram(_) => Standing::Kept,
            Form::Argon2(text) if text.starts_with("$argon2id$") => Standing::Kept,
            Form::Plain(_) => Standing::Readable,
            _ => Standing::Older,
        }
    }

    /// What `fits` takes. Any form with a count of rounds is costly, since the count is the operator's to choose.
    pub fn cost(&self) -> Cost {
        match self.form {
            Form::Locked | Form::Barred | Form::Absent | Form::Plain(_) | Form::Digest { .. } => Cost::Cheap,
            Form::Weak(Weak { kind: Kind::Md5Crypt, .. }) => Cost::Costly,
            Form::Weak(_) => Cost::Cheap,
            Form::ShaCrypt(_) | Form::Bcrypt(_) | Form::Yescrypt(_) | Form::Scrypt(_) => Cost::Costly,
            Form::Argon2(_) | Form::Pbkdf2 { .. } | Form::Scram(_) => Cost::Costly,
        }
    }

    /// Octets that are different for different secrets of the costly forms. As secret as the secret itself.
    pub(crate) fn fingerprint(&self) -> Zeroizing<Vec<u8>> {
        match &self.form {
            Form::ShaCrypt(text)
            | Form::Bcrypt(text)
            | Form::Yescrypt(text)
            | Form::Scrypt(text)
            | Form::Argon2(text) => Zeroizing::new(text.as_bytes().to_vec()),
            Form::Weak(weak) => Zeroizing::new([weak.salt.as_slice(), b"$", weak.digest.as_slice()].concat()),
            Form::Pbkdf2 { salt, rounds, digest } => {
                Zeroizing::new([&rounds.to_le_bytes(), salt.as_slice(), digest.as_slice()].concat())
            }
            Form::Scram(it) => Zeroizing::new(
                [&it.iterations.to_le_bytes(), it.salt.as_slice(), it.stored_key.as_slice()].concat(),
            ),
            Form::Locked | Form::Barred | Form::Absent | Form::Plain(_) | Form::Digest { .. } => {
                Zeroizing::new(Vec::new())
            }
        }
    }

    /// Whether `password` is the one. Takes as long for a wrong password as for the right one. A hash that its library
    /// refuses fits nothing.
    ///
    /// # Errors
    /// There is no memory for Argon2.
    pub fn fits(&self, password: &[u8]) -> Result<bool, TryReserveError> {
        Ok(match &self.form {
            Form::Locked | Form::Barred | Form::Absent => false,
            Form::Plain(secret) => equal_secrets(secret, password),
            Form::Digest { hash, digest, salt } => {
                hash.digest(&[password, salt]).ct_eq(digest.as_slice()).into()
            }
            Form::ShaCrypt(text) => fits_sha_crypt(text, password),
            Form::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Form::Yescrypt(text) => fits_yescrypt(text, password),
            Form::Scrypt(text) => fits_scrypt(text, password),
            Form::Weak(weak) => weak.fits(password),
            Form::Argon2(text) => return argon::fits(text, password),
            Form::Pbkdf2 { salt, rounds, digest } => {
                Hash::Sha1.pbkdf2(password, salt, *rounds).ct_eq(digest.as_slice()).into()
            }
            Form::Scram(verifier) => verifier.fits(password),
        })
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match &self.form {
            Form::Locked => "locked",
            Form::Barred => "barred",
            Form::Absent => "absent",
            Form::Plain(_) => "plain",
            Form::Digest { .. } => "digest",
            Form::ShaCrypt(_) => "sha-crypt",
            Form::Bcrypt(_) => "bcrypt",
            Form::Yescrypt(_) => "yescrypt",
            Form::Scrypt(_) => "scrypt",
            Form::Argon2(_) => "argon2",
            Form::Weak(_) => "weak",
            Form::Pbkdf2 { .. } => "pbkdf2",
            Form::Scram(_) => "scram",
        };
        write!(f, "StoredPassword({form})")
    }
}

impl Hash {
    /// Octets of the digest.
    pub fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    pub(crate) fn digest(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        fn run<D: Digest>(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            Zeroizing::new(digest.finalize().to_vec())
        }
        match self {
            Self::Sha1 => run::<Sha1>(parts),
            Self::Sha256 => run::<Sha256>(parts),
            Self::Sha512 => run::<Sha512>(parts),
        }
    }

    pub(crate) fn hmac(self, key: &[u8], data: &[u8]) -> Zeroizing<Vec<u8>> {
        fn run<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Zeroizing<Vec<u8>> {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
            mac.update(data);
            Zeroizing::new(mac.finalize().into_bytes().to_vec())
        }
        match self {
            Self::Sha1 => run::<Hmac<Sha1>>(key, data),
            Self::Sha256 => run::<Hmac<Sha256>>(key, data),
            Self::Sha512 => run::<Hmac<Sha512>>(key, data),
        }
    }

    pub(crate) fn pbkdf2(self, password: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<Vec<u8>> {
        let mut output = Zeroizing::new(vec![0; self.octets()]);
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut output),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut output),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut output),
        }
        output
    }
}

/// Compares digests, so that the time tells neither where two secrets differ nor how long the stored one is.
fn equal_secrets(stored: &[u8], typed: &[u8]) -> bool {
    let (stored, typed) = (Hash::Sha256.digest(&[stored]), Hash::Sha256.digest(&[typed]));
    stored.ct_eq(typed.as_slice()).into()
}

fn fits_sha_crypt(text: &str, password: &[u8]) -> bool {
    use sha_crypt::PasswordVerifier;
    sha_crypt::ShaCrypt::default().verify_password(password, text).is_ok()
}

fn fits_yescrypt(text: &str, password: &[u8]) -> bool {
    use sha_crypt::PasswordVerifier;
    yescrypt::Yescrypt::default().verify_password(password, text).is_ok()
}

fn fits_scrypt(text: &str, password: &[u8]) -> bool {
    use sha_crypt::PasswordVerifier;
    let Ok(hash) = scrypt::mcf::PasswordHashRef::new(text) else { return false };
    scrypt::Scrypt::default().verify_password(password, hash).is_ok()
}

/// No password is longer. RFC 4616 allows 255 octets; some of the hashes take time with the square of the length.
pub const PASSWORD_OCTETS_MAX: usize = 1024;

#[cfg(test)]
mod tests;
