//! The computations by which a client proves that it knows the password: CRAM-MD5 and SCRAM. The judge's own, so that a mistake
//! of ours in those is found.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// What both sides of a SCRAM exchange prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proofs {
    pub(crate) client: Vec<u8>,
    pub(crate) server: Vec<u8>,
}

/// The proofs for an exchange (RFC 5802 section 3). A password in ASCII needs no preparation.
pub(crate) fn scram(hash: Hash, password: &[u8], salt: &[u8], iterations: u32, exchange: &[u8]) -> Proofs {
    match hash {
        Hash::Sha1 => proofs::<Hmac<Sha1>, Sha1>(&salted::<20>(hash, password, salt, iterations), exchange),
        Hash::Sha256 => {
            proofs::<Hmac<Sha256>, Sha256>(&salted::<32>(hash, password, salt, iterations), exchange)
        }
        Hash::Sha512 => {
            proofs::<Hmac<Sha512>, Sha512>(&salted::<64>(hash, password, salt, iterations), exchange)
        }
    }
}

/// The digest of CRAM-MD5 (RFC 2195 section 2), in hexadecimal.
pub(crate) fn cram(challenge: &[u8], password: &[u8]) -> String {
    mac::<Hmac<Md5>>(password, challenge).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn salted<const OCTETS: usize>(hash: Hash, password: &[u8], salt: &[u8], iterations: u32) -> [u8; OCTETS] {
    let mut salted = [0; OCTETS];
    match hash {
        Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut salted),
        Hash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted),
        Hash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted),
    }
    salted
}

fn proofs<M: Mac + KeyInit, D: Digest>(salted: &[u8], exchange: &[u8]) -> Proofs {
    let client_key = mac::<M>(salted, b"Client Key");
    let signature = mac::<M>(&D::digest(&client_key), exchange);
    let client = client_key.iter().zip(&signature).map(|(key, octet)| key ^ octet).collect();
    Proofs { client, server: mac::<M>(&mac::<M>(salted, b"Server Key"), exchange) }
}

fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn the_examples_of_the_standards_come_out() {
        let digest = cram(b"<1896.697170952@postoffice.reston.mci.net>", b"tanstaaftanstaaf");
        assert_eq!(digest, "b913a602c7eda7a495b4e6e7334d3890");
        let exchange = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let proofs = scram(Hash::Sha256, b"pencil", &salt, 4096, exchange.as_bytes());
        assert_eq!(STANDARD.encode(proofs.client), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(STANDARD.encode(proofs.server), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
