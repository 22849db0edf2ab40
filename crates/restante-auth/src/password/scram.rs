//! What SCRAM needs to know of a password, and whether a client knows the password too (RFC 5802 section 3).
//!
//! `verify` calls `proves` with the messages of an exchange; `StoredPassword::fits` calls `fits` with a password that was
//! sent as it is.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Hash;

/// What SCRAM needs to know of a password: enough to recognise it, not enough to log in elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramVerifier {
    /// The hash function of the mechanism.
    pub hash: Hash,
    /// Rounds of `Hi()`, at least 1.
    pub iterations: u32,
    /// As decoded; never empty.
    pub salt: Vec<u8>,
    /// `H(ClientKey)`, as long as the hash.
    pub stored_key: Zeroizing<Vec<u8>>,
    /// `HMAC(SaltedPassword, "Server Key")`, as long as the hash.
    pub server_key: Zeroizing<Vec<u8>>,
}

impl ScramVerifier {
    /// The verifier of `password`, which the caller has prepared. Costly: that is what the iterations are for.
    pub fn derive(hash: Hash, password: &[u8], salt: Vec<u8>, iterations: u32) -> Self {
        // R5802-3.1
        let salted = hash.pbkdf2(password, &salt, iterations);
        let stored_key = hash.digest(&[&hash.hmac(&salted, b"Client Key")]);
        let server_key = hash.hmac(&salted, b"Server Key");
        Self { hash, iterations, salt, stored_key, server_key }
    }

    /// Whether it may be used for SCRAM. With fewer iterations than the documents allow, who listens to a login could guess
    /// passwords fast; checking a password that was sent is another matter.
    pub fn is_presentable(&self) -> bool {
        // R5802-5.1.4, R7677-3.2
        self.iterations >= ITERATIONS_MIN
    }

    /// Whether `password` is the one.
    pub fn fits(&self, password: &[u8]) -> bool {
        let salted = self.hash.pbkdf2(password, &self.salt, self.iterations);
        let stored_key = self.hash.digest(&[&self.hash.hmac(&salted, b"Client Key")]);
        stored_key.ct_eq(self.stored_key.as_slice()).into()
    }

    /// Whether `proof` shows knowledge of the password in an exchange whose messages are `auth_message`; if so, the
    /// signature by which the client knows that this server knows the verifier. Takes as long for a wrong proof as for the
    /// right one.
    pub fn proves(&self, auth_message: &[u8], proof: &[u8]) -> Option<Vec<u8>> {
        // R5802-3.1: the proof is the client's key, hidden by a signature that the stored key can make.
        let signature = self.hash.hmac(&self.stored_key, auth_message);
        let key: Zeroizing<Vec<u8>> =
            Zeroizing::new(proof.iter().zip(signature.iter()).map(|(one, other)| one ^ other).collect());
        let is_right = self.hash.digest(&[&key]).ct_eq(self.stored_key.as_slice());
        let is_whole = proof.len() == self.hash.octets();
        let server_signature = self.hash.hmac(&self.server_key, auth_message).to_vec();
        (bool::from(is_right) && is_whole).then_some(server_signature)
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramVerifier({:?}, {} iterations)", self.hash, self.iterations)
    }
}

/// The fewest iterations of a new verifier (RFC 5802 section 5.1, RFC 7677 section 4).
pub const ITERATIONS_MIN: u32 = 4096;

/// The iterations of a new verifier, if nobody says otherwise. The client pays these too, at each login, on whatever telephone it
/// runs on.
pub const ITERATIONS_DEFAULT: u32 = 16_384;

/// Octets of the salt of a new verifier.
pub const SALT_OCTETS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(text: &str) -> Vec<u8> {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    }

    /// The example exchanges of the two documents.
    const EXAMPLES: [(Hash, &str, &str, &str, &str); 2] = [
        (
            Hash::Sha1,
            "QSXCR+Q6sek8bf92",
            "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,\
             c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
            "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (
            Hash::Sha256,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ];

    fn check(example: usize) {
        let (hash, salt, messages, proof, signature) = EXAMPLES[example];
        let verifier = ScramVerifier::derive(hash, b"pencil", base64(salt), 4096);
        assert_eq!(verifier.proves(messages.as_bytes(), &base64(proof)), Some(base64(signature)));
        let mut wrong = base64(proof);
        wrong[7] ^= 1;
        assert_eq!(verifier.proves(messages.as_bytes(), &wrong), None, "another proof");
        assert_eq!(verifier.proves(b"n=user", &base64(proof)), None, "other messages");
        let other = ScramVerifier::derive(hash, b"pencils", base64(salt), 4096);
        assert_eq!(other.proves(messages.as_bytes(), &base64(proof)), None, "another password");
    }

    #[test]
    fn r5802_3_1_the_example_of_the_document_is_proven() {
        check(0);
    }

    #[test]
    fn r7677_3_1_the_example_of_the_document_is_proven() {
        check(1);
    }

    #[test]
    fn a_proof_of_another_length_is_none() {
        let (hash, salt, messages, proof, _) = EXAMPLES[1];
        let verifier = ScramVerifier::derive(hash, b"pencil", base64(salt), 4096);
        let proof = base64(proof);
        for proof in [&proof[..31], &[], &[proof.as_slice(), b"\0"].concat()] {
            assert_eq!(verifier.proves(messages.as_bytes(), proof), None);
        }
    }
}
