//! The server's side of SCRAM: two messages of the client are read, one of the server is made. The last one,
//! [`super::server_final`], follows the verdict on the [`ScramClaim`].

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{are_extensions, attributes, base64, decode, decode_name, is_nonce};
use crate::sasl::exchange::{Invalid, Progress, Surroundings};
use crate::sasl::{BindingKind, Credentials, ScramClaim, ScramFacts, ScramHash, ScramQuery};

/// An exchange. The client speaks first.
#[derive(Debug)]
pub struct Exchange(Box<Inner>);

#[derive(Debug)]
struct Inner {
    hash: ScramHash,
    /// The mechanism is a "-PLUS".
    is_bound: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The first message of the client is awaited.
    First,
    /// The driver was asked about the account.
    Preparing(First),
    /// The last message of the client is awaited.
    Last(First, Answer),
    /// There is nothing more to be said.
    Over,
}

/// The first message of the client.
#[derive(Debug)]
struct First {
    /// The GS2 header as sent.
    header: Vec<u8>,
    /// What follows it, as sent.
    bare: Vec<u8>,
    user: Vec<u8>,
    authorization: Option<Vec<u8>>,
    nonce: Vec<u8>,
}

/// What the server has answered to it.
#[derive(Debug)]
struct Answer {
    message: String,
    /// The nonces of both sides.
    nonce: Vec<u8>,
    /// What "c=" must be.
    binding: String,
}

/// What a GS2 header says of binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    /// "n": the client does not know it.
    Unsupported,
    /// "y": the client knows it, and believes that the server does not.
    NotOffered,
    /// "p=": it is used.
    Used(BindingKind),
}

impl Exchange {
    pub(in crate::sasl) fn new(hash: ScramHash, is_bound: bool) -> Self {
        Self(Box::new(Inner { hash, is_bound, stage: Stage::First }))
    }

    pub(in crate::sasl) fn respond(&mut self, message: &[u8], surroundings: Surroundings<'_>) -> Progress {
        let progress = match core::mem::replace(&mut self.0.stage, Stage::Over) {
            Stage::First => self.0.take_first(message, surroundings),
            Stage::Last(first, answer) => self.0.take_last(first, &answer, message),
            Stage::Preparing(_) | Stage::Over => Err(Invalid::Syntax),
        };
        progress.unwrap_or_else(Progress::Invalid)
    }

    pub(in crate::sasl) fn prepared(&mut self, facts: &ScramFacts) -> Progress {
        debug_assert!(facts.nonce.len() >= 16 && facts.iterations > 0, "the driver's contract");
        self.answer(base64(&facts.nonce).as_bytes(), facts)
    }

    /// Sends the server's message, with this text as our part of the nonce.
    pub(super) fn answer(&mut self, nonce: &[u8], facts: &ScramFacts) -> Progress {
        let Stage::Preparing(first) = core::mem::replace(&mut self.0.stage, Stage::Over) else {
            return Progress::Invalid(Invalid::Syntax);
        };
        let nonce = [&first.nonce, nonce].concat();
        let shown = String::from_utf8_lossy(&nonce);
        let message = format!("r={shown},s={},i={}", base64(&facts.salt), facts.iterations);
        let binding = base64(&[&first.header[..], &facts.binding].concat());
        let challenge = message.clone().into_bytes();
        self.0.stage = Stage::Last(first, Answer { message, nonce, binding });
        Progress::Challenge(challenge)
    }
}

impl Inner {
    fn take_first(&mut self, message: &[u8], surroundings: Surroundings<'_>) -> Result<Progress, Invalid> {
        let (flag, first) = First::parse(message)?;
        let binding = match (flag, self.is_bound) {
            (Flag::Unsupported, false) => None,
            // R5802-6.1: somebody between us has taken the "-PLUS" out of the list.
            (Flag::NotOffered, false) if surroundings.is_binding_offered => return Err(Invalid::Binding),
            (Flag::NotOffered, false) => None,
            // R5802-6.2, R5802-6.1.1
            (Flag::Used(kind), true) if surroundings.channel.has(kind) => Some(kind),
            _ => return Err(Invalid::Binding),
        };
        let query = ScramQuery { user: first.user.clone(), hash: self.hash, binding };
        self.stage = Stage::Preparing(first);
        Ok(Progress::PrepareScram(query))
    }

    fn take_last(&self, first: First, answer: &Answer, message: &[u8]) -> Result<Progress, Invalid> {
        let attributes = attributes(message).ok_or(Invalid::Syntax)?;
        let [(b'c', binding), (b'r', nonce), extensions @ .., (b'p', proof)] = &attributes[..] else {
            return Err(Invalid::Syntax);
        };
        // R5802-5.1.2
        if !are_extensions(extensions) || *nonce != answer.nonce {
            return Err(Invalid::Syntax);
        }
        // R5802-6.3. Compared as text, so that only the canonical form fits (R5802-7.2).
        if *binding != answer.binding.as_bytes() {
            return Err(Invalid::Binding);
        }
        let without_proof =
            message.get(..message.len() - proof.len() - b",p=".len()).ok_or(Invalid::Syntax)?;
        let proof = decode(proof).filter(|proof| proof.len() == self.hash.octets()).ok_or(Invalid::Syntax)?;
        let auth_message = [&first.bare, answer.message.as_bytes(), without_proof].join(&b',');
        Ok(Progress::Complete(Credentials::Scram(ScramClaim {
            user: first.user,
            authorization: first.authorization,
            hash: self.hash,
            is_bound: self.is_bound,
            auth_message,
            proof,
        })))
    }
}

impl First {
    fn parse(message: &[u8]) -> Result<(Flag, Self), Invalid> {
        let mut parts = message.splitn(3, |&octet| octet == b',');
        let (Some(flag), Some(authorization), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Invalid::Syntax);
        };
        // R5802-5.1
        let flag = match flag {
            b"n" => Flag::Unsupported,
            b"y" => Flag::NotOffered,
            [b'p', b'=', name @ ..] => Flag::Used(BindingKind::parse(name).ok_or(Invalid::Binding)?),
            _ => return Err(Invalid::Syntax),
        };
        let authorization = match authorization {
            [] => None,
            [b'a', b'=', name @ ..] => Some(decode_name(name).ok_or(Invalid::Syntax)?),
            _ => return Err(Invalid::Syntax),
        };
        let attributes = attributes(bare).ok_or(Invalid::Syntax)?;
        let [(b'n', user), (b'r', nonce), extensions @ ..] = &attributes[..] else {
            return Err(Invalid::Syntax);
        };
        if user.is_empty() {
            return Err(Invalid::Credentials);
        }
        let user = decode_name(user).ok_or(Invalid::Syntax)?;
        if !is_nonce(nonce) || !are_extensions(extensions) {
            return Err(Invalid::Syntax);
        }
        let nonce = nonce.to_vec();
        let header = message.get(..message.len() - bare.len()).unwrap_or_default().to_vec();
        Ok((flag, Self { header, bare: bare.to_vec(), user, authorization, nonce }))
    }
}
