//! Argon2, in memory that goes back to the system.
//!
//! The library allocates its memory aligned, zeroed and in the size it needs, which glibc before 2.39 answers with a piece of its
//! heap that it cannot use for the next such request: each login then takes another 19 MiB for good (measured: 780 MB after 41
//! logins). An allocation of at least `MAPPED_BYTES` is mapped by itself and unmapped when it is freed; what is not touched of
//! it costs nothing. So here the memory is ours and the library only fills it.

use std::collections::TryReserveError;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;

/// Whether `password` fits the PHC string `text`. One that cannot be read fits nothing.
pub(super) fn fits(text: &str, password: &[u8]) -> Result<bool, TryReserveError> {
    let Some((hasher, salt, expected)) = read(text) else { return Ok(false) };
    let mut output = vec![0; expected.as_bytes().len()];
    let is_done = fill(&hasher, password, &salt, &mut output)?;
    Ok(is_done && bool::from(output.ct_eq(expected.as_bytes())))
}

/// The PHC string of `password` under new parameters.
pub(super) fn hash(params: Params, password: &[u8], salt: &[u8]) -> Result<String, TryReserveError> {
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let is_done = fill(&hasher, password, salt, &mut output)?;
    assert!(is_done, "salt, password and parameters are in range");
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: phc::ParamsString::try_from(&params).expect("parameters that are in range can be written"),
        salt: Some(phc::Salt::new(salt).expect("a salt of 16 octets is in range")),
        hash: Some(phc::Output::new(&output).expect("an output of 32 octets is in range")),
    };
    Ok(hash.to_string())
}

fn read(text: &str) -> Option<(Argon2<'static>, phc::Salt, phc::Output)> {
    let parsed = phc::PasswordHash::new(text).ok()?;
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).ok()?;
    let version = match parsed.version {
        Some(version) => Version::try_from(version).ok()?,
        None => Version::default(),
    };
    let params = Params::try_from(&parsed).ok()?;
    Some((Argon2::new(algorithm, version, params), parsed.salt?, parsed.hash?))
}

/// Hashes into `output`; false if the library refuses the lengths.
fn fill(
    hasher: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
) -> Result<bool, TryReserveError> {
    let needed = hasher.params().block_count();
    let mut blocks: Vec<Block> = Vec::new();
    blocks.try_reserve_exact(needed.max(MAPPED_BYTES / Block::SIZE))?;
    blocks.resize(needed, Block::new());
    Ok(hasher.hash_password_into_with_memory(password, salt, output, &mut blocks).is_ok())
}

/// glibc maps allocations above a threshold that it moves up to 32 MiB; a page more than that is always above it.
const MAPPED_BYTES: usize = (32 << 20) + 4096;
