//! The client's side of SCRAM. It is over well only when [`Exchange::verify`] has said so: before that, nothing the server
//! says of success may be believed (R5802-5.2).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ITERATIONS_MAX, ITERATIONS_MIN, Keys};
use super::{are_extensions, attributes, base64, decode, encode_name, header, is_nonce};
use crate::sasl::{BindingKind, ScramHash};
use crate::secret::Secret;

/// What of the TLS connection a login is, or could be, bound to.
pub struct Binding {
    /// Which octets they are.
    pub kind: BindingKind,
    /// The octets: those of the connection that the login goes over. Not empty.
    pub octets: Vec<u8>,
}

// The octets are known to both ends of the connection, and to nobody else.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// How a login uses binding (RFC 5802 section 6).
#[derive(Clone, Copy, Debug)]
pub enum Bound<'a> {
    /// There is nothing to bind to, or nobody to do it: "n".
    Unsupported,
    /// We could, but the server does not offer it: "y". A server that does has then been cut off by somebody, and fails
    /// the login.
    NotOffered,
    /// It is bound: "p".
    To(&'a Binding),
}

/// An exchange on the client's side.
#[derive(Debug)]
pub struct Exchange {
    hash: ScramHash,
    /// GS2 header and binding, in base64: what "c=" says.
    binding: String,
    /// The first message without its GS2 header.
    bare: String,
    nonce: String,
    /// What the server has to sign with, once that is known.
    expected: Option<Zeroizing<Vec<u8>>>,
}

/// What a server did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its message is not what the RFC says, or repeats our nonce wrongly (R5802-5.1.2).
    Message,
    /// It asks for fewer iterations than [`ITERATIONS_MIN`] or more than [`ITERATIONS_MAX`].
    Iterations,
    /// It does not know the password's verifier (R5802-5.2).
    Signature,
}

/// What the last message of a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It knows the verifier, and so do we the password.
    Verified,
    /// It refuses us ("e=").
    Refused,
}

impl Exchange {
    /// An exchange, and the first message. `chance` are octets never used before, 15 or more; `user` and
    /// `authorization` are prepared with SASLprep. `None` when a name is empty, holds NUL or is not UTF-8.
    #[must_use]
    pub fn begin(
        hash: ScramHash,
        bound: Bound<'_>,
        names: (&[u8], Option<&[u8]>),
        chance: &[u8],
    ) -> Option<(Self, Vec<u8>)> {
        let (user, authorization) = names;
        // R5802-6.4
        let (header, octets) = match bound {
            Bound::Unsupported => (header("n", authorization)?, &[][..]),
            Bound::NotOffered => (header("y", authorization)?, &[][..]),
            Bound::To(binding) => {
                (header(&format!("p={}", binding.kind.name()), authorization)?, &binding.octets[..])
            }
        };
        let nonce = base64(chance);
        let bare = format!("n={},r={nonce}", encode_name(user)?);
        let message = format!("{header}{bare}").into_bytes();
        let binding = base64(&[header.as_bytes(), octets].concat());
        Some((Self { hash, binding, bare, nonce, expected: None }, message))
    }

    /// Takes the first message of the server; gives the last of ours. `password` is prepared with SASLprep. Takes time
    /// with the iterations, at most [`ITERATIONS_MAX`].
    ///
    /// # Errors
    /// Why the server's message is not to be answered.
    pub fn prove(&mut self, message: &[u8], password: &Secret) -> Result<Vec<u8>, Fault> {
        let attributes = attributes(message).ok_or(Fault::Message)?;
        let [(b'r', nonce), (b's', salt), (b'i', iterations), extensions @ ..] = &attributes[..] else {
            return Err(Fault::Message);
        };
        let is_ours = nonce.len() > self.nonce.len() && nonce.starts_with(self.nonce.as_bytes());
        if !is_nonce(nonce) || !is_ours || !are_extensions(extensions) {
            return Err(Fault::Message);
        }
        let salt = decode(salt).filter(|salt| !salt.is_empty()).ok_or(Fault::Message)?;
        let iterations = parse_iterations(iterations)?;
        let nonce = core::str::from_utf8(nonce).map_err(|_| Fault::Message)?;
        let without_proof = format!("c={},r={nonce}", self.binding);
        let auth_message = [self.bare.as_bytes(), message, without_proof.as_bytes()].join(&b',');
        let keys = Keys::derive(self.hash, password.expose(), &salt, iterations);
        self.expected = Some(keys.server_signature(self.hash, &auth_message));
        let proof = base64(&keys.proof(self.hash, &auth_message));
        Ok(format!("{without_proof},p={proof}").into_bytes())
    }

    /// Takes the last message of the server.
    ///
    /// # Errors
    /// It is no such message, or the server has not shown that it knows the verifier.
    pub fn verify(&self, message: &[u8]) -> Result<Verdict, Fault> {
        let attributes = attributes(message).ok_or(Fault::Message)?;
        match (&attributes[..], &self.expected) {
            ([(b'e', _), extensions @ ..], _) if are_extensions(extensions) => Ok(Verdict::Refused),
            ([(b'v', signature), extensions @ ..], Some(expected)) if are_extensions(extensions) => {
                let signature = decode(signature).ok_or(Fault::Message)?;
                let is_right: bool = expected.ct_eq(&signature[..]).into();
                if is_right { Ok(Verdict::Verified) } else { Err(Fault::Signature) }
            }
            _ => Err(Fault::Message),
        }
    }
}

/// R5802-7.2: digits, no leading zero.
fn parse_iterations(text: &[u8]) -> Result<u32, Fault> {
    if !matches!(text, [b'1'..=b'9', ..]) || !text.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Message);
    }
    let iterations = core::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    match iterations {
        Some(iterations @ ITERATIONS_MIN..=ITERATIONS_MAX) => Ok(iterations),
        _ => Err(Fault::Iterations),
    }
}
