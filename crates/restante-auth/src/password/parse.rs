//! The written form of stored secrets: `{SCHEME}…` as Dovecot writes it, or the bare forms of crypt(3).
//!
//! Everything that could later fail or run for ever in `StoredPassword::fits` is found here, when a source is read.

use std::error::Error;
use std::fmt;

use argon2::password_hash::phc;
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::scram::ScramVerifier;
use super::weak::{CRYPT64, Kind, Weak};
use super::{Form, Hash, Scheme};

/// Why a stored secret cannot be used. Holds nothing of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidStored {
    /// No closing brace behind `{`.
    Braces,
    /// A scheme of this name is not known here; at most 32 characters of it.
    UnknownScheme(String),
    /// Not what this scheme looks like.
    Malformed(Scheme),
    /// Neither `{SCHEME}` nor a known prefix.
    NoScheme,
    /// Checking it would take more memory or time than any login may.
    TooCostly,
    /// A scheme that is broken beyond use.
    Broken(&'static str),
    /// A scheme that is weak, where none is allowed.
    Weak,
}

impl InvalidStored {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Braces => "close the scheme with a brace, as in {SSHA512}",
            Self::UnknownScheme(_) => {
                "use one of PLAIN, CRYPT, SHA256-CRYPT, SHA512-CRYPT, BLF-CRYPT, YESCRYPT, SCRYPT, ARGON2I, ARGON2ID, SHA, \
                 SHA256, SHA512, SSHA, SSHA256, SSHA512, PBKDF2, SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-512, each also with \
                 .b64 or .hex"
            }
            Self::Malformed(_) => {
                "set the password anew, or compare the line with the source it was copied from"
            }
            Self::NoScheme => {
                "put the scheme in front, as in {PLAIN}secret, or set default_scheme for this source"
            }
            Self::TooCostly => "set the password anew with fewer rounds or less memory",
            Self::Broken(_) => "set the password anew with another scheme, for instance ARGON2ID",
            Self::Weak => {
                "set the password anew, or set allow_weak_schemes = true in [auth] until everybody has"
            }
        }
    }
}

impl fmt::Display for InvalidStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Braces => f.write_str("the scheme of the secret has no closing brace"),
            Self::UnknownScheme(name) => write!(f, "the scheme {{{name}}} is not known"),
            Self::Malformed(scheme) => write!(f, "the secret is not a well-formed {} secret", scheme.name()),
            Self::NoScheme => f.write_str("the secret names no scheme and has no prefix of a known one"),
            Self::TooCostly => f.write_str("checking the secret would take unbearably long"),
            Self::Broken(name) => write!(f, "the scheme {name} is broken and is not read"),
            Self::Weak => f.write_str("the secret is stored in a weak scheme"),
        }
    }
}

impl Error for InvalidStored {}

impl Scheme {
    /// The scheme of this name, matched without regard to case.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, scheme)| *scheme)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, scheme)| *scheme == self).map_or("CRYPT", |(name, _)| name)
    }
}

/// Reads a secret. See `StoredPassword::parse`.
pub(super) fn stored(text: &[u8], default: Scheme) -> Result<Form, InvalidStored> {
    if let Some(rest) = text.strip_prefix(b"{") {
        let end = memchr(b'}', rest).ok_or(InvalidStored::Braces)?;
        let (name, secret) = rest.split_at(end);
        let (scheme, encoding) = scheme_and_encoding(name)?;
        return form(scheme, encoding, secret.strip_prefix(b"}").unwrap_or_default());
    }
    // The marks lock whatever the default: a copy of /etc/passwd must not let everybody in with the password `x`.
    if text.is_empty() || LOCK_MARKS.contains(&text) || (default == Scheme::Crypt && is_lock_mark(text)) {
        return Ok(Form::Locked);
    }
    match crypt_scheme(text) {
        Some(scheme) => form(scheme, Encoding::AsUsual, text),
        None if default == Scheme::Crypt => Err(InvalidStored::NoScheme),
        None => form(default, Encoding::AsUsual, text),
    }
}

/// How the secret behind `{SCHEME}` is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// As the scheme has it: digests in base64 (or hexadecimal, if the length says so), all others as they are.
    AsUsual,
    Base64,
    Hex,
}

fn scheme_and_encoding(name: &[u8]) -> Result<(Scheme, Encoding), InvalidStored> {
    let text = String::from_utf8_lossy(name);
    let (base, encoding) = match text.rsplit_once('.') {
        Some((base, suffix))
            if suffix.eq_ignore_ascii_case("b64") || suffix.eq_ignore_ascii_case("base64") =>
        {
            (base, Encoding::Base64)
        }
        Some((base, suffix)) if suffix.eq_ignore_ascii_case("hex") => (base, Encoding::Hex),
        _ => (&*text, Encoding::AsUsual),
    };
    if let Some(scheme) = Scheme::from_name(base) {
        return Ok((scheme, encoding));
    }
    let broken = BROKEN.iter().find(|known| known.eq_ignore_ascii_case(base));
    let unknown =
        || InvalidStored::UnknownScheme(text.chars().filter(|c| !c.is_control()).take(32).collect());
    Err(broken.map_or_else(unknown, |name| InvalidStored::Broken(name)))
}

fn form(scheme: Scheme, encoding: Encoding, written: &[u8]) -> Result<Form, InvalidStored> {
    let malformed = || InvalidStored::Malformed(scheme);
    if let Some((hash, salted)) = digest_of(scheme) {
        let octets = written_octets(hash.octets(), encoding, written).ok_or_else(malformed)?;
        let (digest, salt) = split(hash.octets(), salted, octets).ok_or_else(malformed)?;
        return Ok(Form::Digest { hash, digest, salt });
    }
    if let Some((kind, salted)) = weak_digest_of(scheme)
        && !(scheme == Scheme::LdapMd5 && written.starts_with(b"$1$"))
    {
        let octets = written_octets(kind.octets(), encoding, written).ok_or_else(malformed)?;
        let (digest, salt) = split(kind.octets(), salted, octets).ok_or_else(malformed)?;
        return Ok(Form::Weak(Weak { kind, digest, salt }));
    }
    let decoded = match encoding {
        Encoding::AsUsual => Zeroizing::new(written.to_vec()),
        Encoding::Base64 => from_base64(written).ok_or_else(malformed)?,
        Encoding::Hex => from_hex(written).ok_or_else(malformed)?,
    };
    if decoded.is_empty() {
        return Ok(Form::Locked);
    }
    if scheme == Scheme::Plain {
        return Ok(Form::Plain(decoded));
    }
    let text = std::str::from_utf8(&decoded).map_err(|_| malformed())?;
    let found = match scheme {
        Scheme::Crypt if is_lock_mark(&decoded) => return Ok(Form::Locked),
        Scheme::Crypt => {
            if is_des_crypt(&decoded) {
                return Err(InvalidStored::Broken("DES-CRYPT"));
            }
            let scheme = crypt_scheme(&decoded).ok_or(InvalidStored::Malformed(Scheme::Crypt))?;
            return form(scheme, Encoding::AsUsual, &decoded);
        }
        Scheme::Sha256Crypt => sha_crypt(text, "$5$", 43)?,
        Scheme::Sha512Crypt => sha_crypt(text, "$6$", 86)?,
        Scheme::BlfCrypt => blowfish(text)?,
        Scheme::Yescrypt => yescrypt(text)?,
        Scheme::Scrypt => scrypt(text)?,
        // LDAP's `{MD5}` may be either.
        Scheme::Md5Crypt | Scheme::LdapMd5 => md5_crypt(text),
        Scheme::Argon2i => argon2(text, "argon2i")?,
        Scheme::Argon2id => argon2(text, "argon2id")?,
        Scheme::Pbkdf2 => pbkdf2(text)?,
        Scheme::ScramSha1 => scram(text, Hash::Sha1)?,
        Scheme::ScramSha256 => scram(text, Hash::Sha256)?,
        Scheme::ScramSha512 => scram(text, Hash::Sha512)?,
        // The digests and PLAIN have been dealt with above.
        _ => None,
    };
    found.ok_or_else(malformed)
}

/// The scheme that a prefix of crypt(3) shows.
fn crypt_scheme(text: &[u8]) -> Option<Scheme> {
    CRYPT_PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix.as_bytes())).map(|(_, scheme)| *scheme)
}

/// What passwd(5) and shadow(5) hold for an account that nobody may log in to.
fn is_lock_mark(text: &[u8]) -> bool {
    LOCK_MARKS.contains(&text) || text.starts_with(b"!")
}

fn digest_of(scheme: Scheme) -> Option<(Hash, Salted)> {
    match scheme {
        Scheme::Sha1 => Some((Hash::Sha1, Salted::No)),
        Scheme::Sha256 => Some((Hash::Sha256, Salted::No)),
        Scheme::Sha512 => Some((Hash::Sha512, Salted::No)),
        Scheme::Ssha => Some((Hash::Sha1, Salted::Yes)),
        Scheme::Ssha256 => Some((Hash::Sha256, Salted::Yes)),
        Scheme::Ssha512 => Some((Hash::Sha512, Salted::Yes)),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Salted {
    No,
    Yes,
}

fn weak_digest_of(scheme: Scheme) -> Option<(Kind, Salted)> {
    match scheme {
        Scheme::PlainMd5 | Scheme::LdapMd5 => Some((Kind::Md5, Salted::No)),
        Scheme::Smd5 => Some((Kind::Md5, Salted::Yes)),
        Scheme::PlainMd4 => Some((Kind::Md4, Salted::No)),
        Scheme::Ntlm => Some((Kind::Ntlm, Salted::No)),
        Scheme::CramMd5 => Some((Kind::CramMd5, Salted::No)),
        _ => None,
    }
}

/// A digest of `octets` octets, with or without a salt behind it.
fn written_octets(octets: usize, encoding: Encoding, written: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    match encoding {
        Encoding::Hex => from_hex(written),
        // A digest of known length in hexadecimal cannot be mistaken for base64.
        Encoding::AsUsual if written.len() == octets * 2 => {
            from_hex(written).or_else(|| from_base64(written))
        }
        Encoding::AsUsual | Encoding::Base64 => from_base64(written),
    }
}

/// A digest and its salt.
fn split(
    digest_octets: usize,
    salted: Salted,
    mut octets: Zeroizing<Vec<u8>>,
) -> Option<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let is_whole = match salted {
        Salted::No => octets.len() == digest_octets,
        Salted::Yes => octets.len() > digest_octets,
    };
    if !is_whole {
        return None;
    }
    let salt = octets.split_off(digest_octets);
    Some((octets, salt))
}

/// `$6$rounds=N$salt$hash`, the rounds being optional.
fn sha_crypt(text: &str, prefix: &str, hash_octets: usize) -> Result<Option<Form>, InvalidStored> {
    let Some(rest) = text.strip_prefix(prefix) else { return Ok(None) };
    let rest = match rest.strip_prefix("rounds=").map(|rest| rest.split_once('$')) {
        None => rest,
        Some(None) => return Ok(None),
        Some(Some((rounds, rest))) => match decimal(rounds) {
            Some(rounds) if rounds > SHA_CRYPT_ROUNDS_MAX => return Err(InvalidStored::TooCostly),
            Some(rounds) if sha_crypt::Params::new(rounds).is_ok() => rest,
            _ => return Ok(None),
        },
    };
    let Some((salt, hash)) = rest.split_once('$') else { return Ok(None) };
    let is_salt = (1..=16).contains(&salt.len());
    let is_hash = hash.len() == hash_octets
        && hash.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'.' || c == b'/');
    let is_sound = is_salt && is_hash && sha_crypt::PasswordHashRef::new(text).is_ok();
    Ok(is_sound.then(|| Form::ShaCrypt(Zeroizing::new(text.to_owned()))))
}

/// `$2y$NN$` and 53 characters.
fn blowfish(text: &str) -> Result<Option<Form>, InvalidStored> {
    let Ok(parts) = text.parse::<bcrypt::HashParts>() else { return Ok(None) };
    // The library also reads `$2x$`, which only one broken implementation ever wrote and which fits nothing.
    if text.len() != 60 || crypt_scheme(text.as_bytes()) != Some(Scheme::BlfCrypt) {
        return Ok(None);
    }
    match parts.get_cost() {
        4..=BCRYPT_COST_MAX => Ok(Some(Form::Bcrypt(Zeroizing::new(text.to_owned())))),
        cost if cost > BCRYPT_COST_MAX => Err(InvalidStored::TooCostly),
        _ => Ok(None),
    }
}

/// `$y$jNr$salt$hash`: flavour, memory and block size, one character each. There may be more of them, which no program writes.
fn yescrypt(text: &str) -> Result<Option<Form>, InvalidStored> {
    let Some((parameters, salt, hash)) = text.strip_prefix("$y$").and_then(fields_of_three) else {
        return Ok(None);
    };
    let Ok(params) = parameters.parse::<yescrypt::Params>() else { return Ok(None) };
    let is_sound = parameters.len() == 3
        && parameters.starts_with('j')
        && (1..=86).contains(&salt.len())
        && hash.len() == CRYPT_HASH_CHARACTERS;
    if !is_sound || !is_crypt64(salt) || !is_crypt64(hash) {
        return Ok(None);
    }
    match memory_octets(params.n(), params.r()) {
        octets if octets > SCRYPT_OCTETS_MAX => Err(InvalidStored::TooCostly),
        _ => Ok(Some(Form::Yescrypt(Zeroizing::new(text.to_owned())))),
    }
}

/// `$7$Nrrrrrpppppsalt$hash`: the logarithm of the number of blocks, their size and the parallelism, then the salt as it is.
fn scrypt(text: &str) -> Result<Option<Form>, InvalidStored> {
    let Some((head, hash)) = text.strip_prefix("$7$").and_then(|rest| rest.split_once('$')) else {
        return Ok(None);
    };
    if hash.len() != CRYPT_HASH_CHARACTERS || !is_crypt64(hash) || !is_crypt64(head) || head.len() > 100 {
        return Ok(None);
    }
    let mut digits = head.bytes().map(|octet| CRYPT64.iter().position(|known| *known == octet).unwrap_or(0));
    let log_n = digits.next().unwrap_or_default();
    // The lowest of five digits first.
    let mut number = || {
        (0..5).fold(0_u64, |sum, place| {
            sum | u64::try_from(digits.next().unwrap_or_default()).unwrap_or_default() << (6 * place)
        })
    };
    let (block, parallelism) = (number(), number());
    if head.len() < 12 || !(1..=63).contains(&log_n) || block == 0 || parallelism == 0 {
        return Ok(None);
    }
    let octets = memory_octets(1 << log_n, u32::try_from(block).unwrap_or(u32::MAX));
    if octets > SCRYPT_OCTETS_MAX || octets.saturating_mul(parallelism) > SCRYPT_WORK_OCTETS_MAX {
        return Err(InvalidStored::TooCostly);
    }
    Ok(Some(Form::Scrypt(Zeroizing::new(text.to_owned()))))
}

fn memory_octets(blocks: u64, block: u32) -> u64 {
    blocks.saturating_mul(128 * u64::from(block))
}

/// `$1$salt$hash`.
fn md5_crypt(text: &str) -> Option<Form> {
    let (salt, hash) = text.strip_prefix("$1$")?.split_once('$')?;
    let is_sound = salt.len() <= 8 && hash.len() == Kind::Md5Crypt.octets() && is_crypt64(hash);
    is_sound.then(|| {
        let (salt, digest) = (salt.as_bytes().to_vec(), Zeroizing::new(hash.as_bytes().to_vec()));
        Form::Weak(Weak { kind: Kind::Md5Crypt, digest, salt })
    })
}

fn fields_of_three(text: &str) -> Option<(&str, &str, &str)> {
    let mut fields = text.split('$');
    let three = (fields.next()?, fields.next()?, fields.next()?);
    fields.next().is_none().then_some(three)
}

fn is_crypt64(text: &str) -> bool {
    text.bytes().all(|octet| CRYPT64.contains(&octet))
}

/// Traditional crypt(3): 13 characters without a prefix, or `_` and 19.
fn is_des_crypt(text: &[u8]) -> bool {
    let is_of = |text: &[u8], characters| {
        text.len() == characters && text.iter().all(|octet| CRYPT64.contains(octet))
    };
    is_of(text, 13) || text.strip_prefix(b"_").is_some_and(|text| is_of(text, 19))
}

/// The PHC string of Argon2.
fn argon2(text: &str, algorithm: &str) -> Result<Option<Form>, InvalidStored> {
    let Ok(parsed) = phc::PasswordHash::new(text) else { return Ok(None) };
    let Ok(params) = argon2::Params::try_from(&parsed) else { return Ok(None) };
    let is_version = parsed.version.is_none_or(|version| version == 0x10 || version == 0x13);
    if parsed.algorithm.as_str() != algorithm || parsed.salt.is_none() || parsed.hash.is_none() || !is_version
    {
        return Ok(None);
    }
    let work_kib = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > ARGON2_MEMORY_KIB_MAX
        || work_kib > ARGON2_WORK_KIB_MAX
        || params.p_cost() > ARGON2_LANES_MAX
    {
        return Err(InvalidStored::TooCostly);
    }
    Ok(Some(Form::Argon2(Zeroizing::new(text.to_owned()))))
}

/// `$1$salt$rounds$digest`: Dovecot's form. The salt is used as it is written, the digest is hexadecimal.
fn pbkdf2(text: &str) -> Result<Option<Form>, InvalidStored> {
    let mut fields = text.split('$');
    let (Some(""), Some("1"), Some(salt), Some(rounds), Some(digest), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Ok(None);
    };
    let (Some(rounds), Some(digest)) = (decimal(rounds), from_hex(digest.as_bytes())) else {
        return Ok(None);
    };
    if rounds == 0 || digest.len() != Hash::Sha1.octets() {
        return Ok(None);
    }
    if rounds > PBKDF2_ROUNDS_MAX {
        return Err(InvalidStored::TooCostly);
    }
    Ok(Some(Form::Pbkdf2 { salt: salt.as_bytes().to_vec(), rounds, digest }))
}

/// `iterations,salt,StoredKey,ServerKey`, the last three in base64.
fn scram(text: &str, hash: Hash) -> Result<Option<Form>, InvalidStored> {
    let mut fields = text.split(',');
    let (Some(iterations), Some(salt), Some(stored_key), Some(server_key), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Ok(None);
    };
    let (Some(iterations), Some(salt)) = (decimal(iterations), from_base64(salt.as_bytes())) else {
        return Ok(None);
    };
    let keys = (from_base64(stored_key.as_bytes()), from_base64(server_key.as_bytes()));
    let (Some(stored_key), Some(server_key)) = keys else { return Ok(None) };
    if iterations == 0
        || salt.is_empty()
        || stored_key.len() != hash.octets()
        || server_key.len() != hash.octets()
    {
        return Ok(None);
    }
    if iterations > PBKDF2_ROUNDS_MAX {
        return Err(InvalidStored::TooCostly);
    }
    Ok(Some(Form::Scram(ScramVerifier { hash, iterations, salt: salt.to_vec(), stored_key, server_key })))
}

/// Digits only: no sign, no space. `None` too if it does not fit.
fn decimal(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().or(Some(u32::MAX))
}

fn from_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    BASE64.decode(text).ok().map(Zeroizing::new)
}

fn from_hex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let nibble = |c: &u8| char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        octets.push(nibble(high)? << 4 | nibble(low)?);
    }
    Some(octets)
}

fn memchr(octet: u8, octets: &[u8]) -> Option<usize> {
    octets.iter().position(|candidate| *candidate == octet)
}

/// Padding may be missing: several tools write digests without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The first name of each scheme is the one it is called by.
const NAMES: &[(&str, Scheme)] = &[
    ("PLAIN", Scheme::Plain),
    ("CLEARTEXT", Scheme::Plain),
    ("CLEAR", Scheme::Plain),
    ("CRYPT", Scheme::Crypt),
    ("SHA256-CRYPT", Scheme::Sha256Crypt),
    ("SHA512-CRYPT", Scheme::Sha512Crypt),
    ("BLF-CRYPT", Scheme::BlfCrypt),
    ("ARGON2I", Scheme::Argon2i),
    ("ARGON2ID", Scheme::Argon2id),
    ("SHA", Scheme::Sha1),
    ("SHA1", Scheme::Sha1),
    ("SHA256", Scheme::Sha256),
    ("SHA512", Scheme::Sha512),
    ("SSHA", Scheme::Ssha),
    ("SSHA256", Scheme::Ssha256),
    ("SSHA512", Scheme::Ssha512),
    ("PBKDF2", Scheme::Pbkdf2),
    ("SCRAM-SHA-1", Scheme::ScramSha1),
    ("SCRAM-SHA-256", Scheme::ScramSha256),
    ("SCRAM-SHA-512", Scheme::ScramSha512),
    ("YESCRYPT", Scheme::Yescrypt),
    ("SCRYPT", Scheme::Scrypt),
    ("MD5-CRYPT", Scheme::Md5Crypt),
    ("PLAIN-MD5", Scheme::PlainMd5),
    ("LDAP-MD5", Scheme::LdapMd5),
    ("MD5", Scheme::LdapMd5),
    ("SMD5", Scheme::Smd5),
    ("PLAIN-MD4", Scheme::PlainMd4),
    ("NTLM", Scheme::Ntlm),
    ("CRAM-MD5", Scheme::CramMd5),
    ("HMAC-MD5", Scheme::CramMd5),
];

const BROKEN: &[&str] = &["DES-CRYPT", "LANMAN", "OTP", "SKEY", "RPA", "DIGEST-MD5", "PLAIN-TRUNC"];

const CRYPT_PREFIXES: &[(&str, Scheme)] = &[
    ("$1$", Scheme::Md5Crypt),
    ("$7$", Scheme::Scrypt),
    ("$y$", Scheme::Yescrypt),
    ("$5$", Scheme::Sha256Crypt),
    ("$6$", Scheme::Sha512Crypt),
    ("$2a$", Scheme::BlfCrypt),
    ("$2b$", Scheme::BlfCrypt),
    ("$2y$", Scheme::BlfCrypt),
    ("$argon2i$", Scheme::Argon2i),
    ("$argon2id$", Scheme::Argon2id),
];

const LOCK_MARKS: &[&[u8]] = &[b"x", b"*", b"!", b"!!", b"*LK*", b"*NP*"];

/// Each of these bounds is a few seconds of a slow processor, far above what anybody recommends: a single line must not be
/// able to hold the hashing threads for minutes.
const SHA_CRYPT_ROUNDS_MAX: u32 = 10_000_000;
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;
const BCRYPT_COST_MAX: u32 = 16;
/// Their libraries take the memory without asking whether there is any.
const SCRYPT_OCTETS_MAX: u64 = 256 << 20;
const SCRYPT_WORK_OCTETS_MAX: u64 = 4 << 30;
/// 32 octets.
const CRYPT_HASH_CHARACTERS: usize = 43;
const ARGON2_MEMORY_KIB_MAX: u32 = 1 << 20;
const ARGON2_WORK_KIB_MAX: u64 = 1 << 24;
const ARGON2_LANES_MAX: u32 = 64;
