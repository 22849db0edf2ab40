//! Signed tokens, and the keys to check them with: what an identity provider makes. [`crate::oauth::OauthServer`] publishes them.

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding,
};
use serde_json::{Value, json};

use crate::real::program;

/// A key that signs tokens.
pub struct SigningKey {
    id: String,
    algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Curve(Box<EcdsaKeyPair>),
    Edwards(Ed25519KeyPair),
}

/// As tokens have it.
#[must_use]
pub fn base64(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

impl SigningKey {
    /// A new key for `algorithm`, called `id`. RSA keys, which have a thousand primes to try, are made by openssl.
    ///
    /// # Panics
    /// When openssl is missing, or the algorithm is none of these.
    #[must_use]
    pub fn new(algorithm: &'static str, id: &str) -> Self {
        let random = SystemRandom::new();
        let pair = match algorithm {
            "RS256" => Pair::Rsa(rsa(), &RSA_PKCS1_SHA256),
            "RS512" => Pair::Rsa(rsa(), &RSA_PKCS1_SHA512),
            "PS256" => Pair::Rsa(rsa(), &RSA_PSS_SHA256),
            "PS384" => Pair::Rsa(rsa(), &RSA_PSS_SHA384),
            "ES256" | "ES384" => {
                let kind = match algorithm {
                    "ES256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
                    _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
                };
                let document = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("there is chance");
                let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random);
                Pair::Curve(Box::new(pair.expect("it was just made")))
            }
            "EdDSA" => {
                let document = Ed25519KeyPair::generate_pkcs8(&random).expect("there is chance");
                Pair::Edwards(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("it was just made"))
            }
            other => panic!("no key for {other} here"),
        };
        Self { id: id.to_owned(), algorithm, pair }
    }

    /// What is published of it.
    #[must_use]
    pub fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Rsa(pair, _) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": base64(parts.n), "e": base64(parts.e), "alg": self.algorithm})
            }
            Pair::Curve(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if self.algorithm == "ES256" { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": base64(x), "y": base64(y)})
            }
            Pair::Edwards(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key())}),
        };
        key["kid"] = self.id.as_str().into();
        key["use"] = "sig".into();
        key
    }

    /// A token with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm, "kid": self.id, "typ": "at+jwt"}), claims)
    }

    /// A token with this header, whatever it says.
    ///
    /// # Panics
    /// When the key cannot sign.
    #[must_use]
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let (random, octets) = (SystemRandom::new(), signed.as_bytes());
        let signature = match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, octets, &mut signature).expect("the key signs");
                signature
            }
            Pair::Curve(pair) => pair.sign(&random, octets).expect("the key signs").as_ref().to_vec(),
            Pair::Edwards(pair) => pair.sign(octets).as_ref().to_vec(),
        };
        format!("{signed}.{}", base64(signature))
    }
}

/// The set of keys that an issuer publishes.
#[must_use]
pub fn set(keys: &[&SigningKey]) -> String {
    json!({"keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>()}).to_string()
}

/// A token with these claims that nobody has signed.
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", base64(json!({"alg": "none"}).to_string()), base64(claims.to_string()))
}

/// A token that is "signed" by HMAC with octets that everybody knows, as if they were a secret.
#[must_use]
pub fn confused(id: &str, public: &[u8], claims: &Value) -> String {
    let header = json!({"alg": "HS256", "kid": id});
    let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public), signed.as_bytes());
    format!("{signed}.{}", base64(tag))
}

fn rsa() -> Box<RsaKeyPair> {
    let output = Command::new(program("openssl", "openssl"))
        .args([
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-outform",
            "DER",
        ])
        .output()
        .expect("openssl starts");
    // Which of the two forms it writes depends on its version.
    let pair = RsaKeyPair::from_pkcs8(&output.stdout).or_else(|_| RsaKeyPair::from_der(&output.stdout));
    Box::new(pair.expect("openssl makes good keys"))
}
