//! Which way to log in: one order of safety, applied to what a server offers. Nothing is sent here; the caller submits the
//! login, and tries no other way by itself when it is refused, or who refuses the safest way would get the next.

use super::capabilities::Capabilities;
use crate::sasl::{Mechanism, Method};

/// What there is to log in with, and over what.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// What there is to show.
    pub proof: Proof,
    /// The connection is encrypted, and the server's certificate was verified (R5034-4.28).
    pub is_encrypted: bool,
    /// There is a binding to the TLS connection to be had.
    pub is_bindable: bool,
    /// Passwords may be sent without encryption. Tokens never are.
    pub plaintext_without_tls: bool,
}

/// What a client can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password.
    Password,
    /// A bearer token.
    Token,
    /// A certificate, shown in the TLS handshake.
    Certificate,
    /// Nothing: a login as nobody.
    Nothing,
}

/// The safest way to log in. `has_timestamp` says that the greeting holds a timestamp for APOP. `None` when the server
/// offers no way that fits and is safe enough.
///
/// For a password, the first of these that is offered and possible:
/// 1. SCRAM bound to the TLS connection: nobody between us and the server can pass the login on. The longest hash first.
/// 2. SCRAM: the password is not sent, and the server shows that it is the one. The longest hash first. Not where the
///    server offers binding and we could (R5802-6.4).
/// 3. CRAM-MD5, then APOP: the password is not sent, but the server need not show anything, and who listens to an
///    unencrypted connection can guess at leisure.
/// 4. PLAIN, then LOGIN (LOGIN-1.1), then USER and PASS, where passwords may be sent.
///
/// A server that lists no SASL is asked for none (R5034-3.2).
#[must_use]
pub fn choose(
    capabilities: Option<&Capabilities>,
    has_timestamp: bool,
    situation: Situation,
) -> Option<Method> {
    let is_listed = |mechanism: &&Mechanism| capabilities.is_some_and(|list| list.has_mechanism(**mechanism));
    let first_of = |list: &[Mechanism]| list.iter().find(is_listed).map(|mechanism| Method::Sasl(*mechanism));
    match situation.proof {
        Proof::Token if situation.is_encrypted => first_of(&TOKEN),
        Proof::Token => None,
        Proof::Certificate => first_of(&[Mechanism::External]),
        Proof::Nothing => first_of(&[Mechanism::Anonymous]),
        Proof::Password => {
            let scram = if situation.is_bindable && capabilities.is_some_and(Capabilities::offers_binding) {
                first_of(&SCRAM_PLUS)
            } else {
                first_of(&SCRAM)
            };
            let apop = has_timestamp.then_some(Method::Apop);
            let has_user = capabilities.is_none_or(|list| list.user || list.sasl.is_none());
            let plaintext = || first_of(&PLAINTEXT).or_else(|| has_user.then_some(Method::UserPass));
            let may_show = situation.is_encrypted || situation.plaintext_without_tls;
            scram
                .or_else(|| first_of(&[Mechanism::CramMd5]))
                .or(apop)
                .or_else(|| may_show.then(plaintext).flatten())
        }
    }
}

const SCRAM_PLUS: [Mechanism; 3] =
    [Mechanism::ScramSha512Plus, Mechanism::ScramSha256Plus, Mechanism::ScramSha1Plus];
const SCRAM: [Mechanism; 3] = [Mechanism::ScramSha512, Mechanism::ScramSha256, Mechanism::ScramSha1];
const TOKEN: [Mechanism; 2] = [Mechanism::OAuthBearer, Mechanism::XOAuth2];
const PLAINTEXT: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
