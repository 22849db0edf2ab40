//! The server's side of SCRAM-SHA-256 and CRAM-MD5, as far as the server of the tests needs it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

pub(crate) struct Exchange {
    flag: String,
    first: String,
    server_first: String,
    pub(crate) is_proven: bool,
}

impl Exchange {
    /// The client's first message; none when it is wrong.
    pub(crate) fn begin(text: &str, count: u64, capabilities: &[u8]) -> Option<(Self, String)> {
        let fields: Vec<&str> = text.split(',').collect();
        let [flag @ ("n" | "y"), "", name, nonce] = fields.as_slice() else { return None };
        let (name, nonce) = (name.strip_prefix("n=")?, nonce.strip_prefix("r=")?);
        let has_plus = String::from_utf8_lossy(capabilities).contains("-PLUS");
        if name.contains('=') || (*flag == "y" && has_plus) {
            return None;
        }
        let server_first = format!("r={nonce}{count},s=c2FsdA==,i=4096");
        let first = format!("n={name},r={nonce}");
        let exchange =
            Self { flag: (*flag).to_owned(), first, server_first: server_first.clone(), is_proven: false };
        Some((exchange, server_first))
    }

    /// The client's last message; none when it proves nothing.
    pub(crate) fn finish(self, text: &str, password: &str) -> Option<(Self, String)> {
        let (without, proof) = text.split_once(",p=")?;
        let nonce = self.server_first.split(',').next()?;
        if without != format!("c={},{nonce}", STANDARD.encode(format!("{},,", self.flag))) {
            return None;
        }
        let whole = format!("{},{},{without}", self.first, self.server_first);
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), b"salt", 4096, &mut salted);
        let client_key = mac(&salted, b"Client Key");
        let signature = mac(&Sha256::digest(&client_key), whole.as_bytes());
        let right: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        if STANDARD.decode(proof).ok()? != right {
            return None;
        }
        let server = mac(&mac(&salted, b"Server Key"), whole.as_bytes());
        Some((Self { is_proven: true, ..self }, format!("v={}", STANDARD.encode(server))))
    }
}

pub(crate) fn cram(challenge: &str, password: &str) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(password.as_bytes()).unwrap();
    mac.update(challenge.as_bytes());
    mac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect()
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}
