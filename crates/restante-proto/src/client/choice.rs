//! Which way to log in: one order of safety, applied to what a server offers. Nothing is sent here; the caller submits the
//! login, and tries no other way by itself when it is refused, or who refuses the safest way would get the next.

use core::fmt;

use super::capabilities::Capabilities;
use crate::sasl::{Mechanism, Method};
use crate::url::Auth;

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

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The way that was asked for is none that can be gone here, or not with what there is to show.
    Unknown,
    /// The server does not offer the way that was asked for, or none at all that fits.
    NotOffered,
    /// It would show the password or the token, and the connection is not encrypted.
    NeedsTls,
}

impl fmt::Display for Unfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Unknown => {
                "the way to log in is not known, or is not one for a password, token or certificate"
            }
            Self::NotOffered => "the server does not offer a way to log in that fits",
            Self::NeedsTls => {
                "the way to log in would show the password, and the connection is not encrypted"
            }
        })
    }
}

impl core::error::Error for Unfit {}

/// The way that a POP URL asks for: [`choose`] for `;AUTH=*`, else this one and no other (R2384-4.5).
///
/// # Errors
/// Why it cannot be gone.
pub fn choose_for(
    auth: &Auth,
    capabilities: Option<&Capabilities>,
    has_timestamp: bool,
    situation: Situation,
) -> Result<Method, Unfit> {
    let may_show = situation.is_encrypted || situation.plaintext_without_tls;
    let name = match auth {
        // R2384-4.4
        Auth::Any => {
            let most = Situation { is_encrypted: true, ..situation };
            let or_else = || match choose(capabilities, has_timestamp, most) {
                Some(_) => Unfit::NeedsTls,
                None => Unfit::NotOffered,
            };
            return choose(capabilities, has_timestamp, situation).ok_or_else(or_else);
        }
        Auth::Apop if situation.proof != Proof::Password => return Err(Unfit::Unknown),
        Auth::Apop if has_timestamp => return Ok(Method::Apop),
        Auth::Apop => return Err(Unfit::NotOffered),
        Auth::Extension(_) => return Err(Unfit::Unknown),
        Auth::Sasl(name) => name,
    };
    let mechanism = Mechanism::parse(name.as_str().as_bytes()).ok_or(Unfit::Unknown)?;
    let proof = match mechanism {
        Mechanism::OAuthBearer | Mechanism::XOAuth2 => Proof::Token,
        Mechanism::External => Proof::Certificate,
        Mechanism::Anonymous => Proof::Nothing,
        _ => Proof::Password,
    };
    let is_bound = mechanism.scram().is_some_and(|(_, is_bound)| is_bound);
    if proof != situation.proof || (is_bound && !situation.is_bindable) {
        return Err(Unfit::Unknown);
    }
    // R5034-3.2
    if !capabilities.is_some_and(|list| list.has_mechanism(mechanism)) {
        return Err(Unfit::NotOffered);
    }
    if (mechanism.is_plaintext() && !may_show) || (mechanism.is_token() && !situation.is_encrypted) {
        return Err(Unfit::NeedsTls);
    }
    Ok(Method::Sasl(mechanism))
}

const SCRAM_PLUS: [Mechanism; 3] =
    [Mechanism::ScramSha512Plus, Mechanism::ScramSha256Plus, Mechanism::ScramSha1Plus];
const SCRAM: [Mechanism; 3] = [Mechanism::ScramSha512, Mechanism::ScramSha256, Mechanism::ScramSha1];
const TOKEN: [Mechanism; 2] = [Mechanism::OAuthBearer, Mechanism::XOAuth2];
const PLAINTEXT: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::PopUrl;

    /// What a server that lists `lines` is asked for, for a URL with `auth`.
    fn chosen(auth: &str, lines: &[&str], situation: Situation) -> Result<&'static str, Unfit> {
        let url = PopUrl::parse(&alloc::format!("pop://u{auth}@h")).unwrap();
        let mut capabilities = Capabilities::default();
        lines.iter().for_each(|line| capabilities.add(line.as_bytes()));
        choose_for(url.auth(), Some(&capabilities), true, situation).map(Method::name)
    }

    const CLEAR: Situation = Situation {
        proof: Proof::Password,
        is_encrypted: false,
        is_bindable: false,
        plaintext_without_tls: false,
    };
    const TLS: Situation = Situation { is_encrypted: true, is_bindable: true, ..CLEAR };

    #[test]
    fn r2384_4_3_the_way_in_the_url_is_gone() {
        assert_eq!(chosen(";AUTH=+APOP", &["USER", "SASL SCRAM-SHA-256"], TLS), Ok("APOP"));
        assert_eq!(chosen(";AUTH=LOGIN", &["USER", "SASL PLAIN SCRAM-SHA-256 LOGIN"], TLS), Ok("LOGIN"));
        assert_eq!(
            chosen(";AUTH=scram-sha-1", &["SASL SCRAM-SHA-256 SCRAM-SHA-1"], CLEAR),
            Ok("SCRAM-SHA-1")
        );
        assert_eq!(chosen(";AUTH=SCRAM-SHA-1-PLUS", &["SASL SCRAM-SHA-1-PLUS"], TLS), Ok("SCRAM-SHA-1-PLUS"));
        let token = Situation { proof: Proof::Token, ..TLS };
        assert_eq!(chosen(";AUTH=XOAUTH2", &["SASL PLAIN OAUTHBEARER XOAUTH2"], token), Ok("XOAUTH2"));
    }

    #[test]
    fn r2384_4_4_without_one_the_safest_is_chosen() {
        let listed = ["USER", "SASL PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS"];
        for auth in ["", ";AUTH=*"] {
            assert_eq!(chosen(auth, &listed, TLS), Ok("SCRAM-SHA-256-PLUS"));
            assert_eq!(chosen(auth, &listed, CLEAR), Ok("SCRAM-SHA-256"));
            assert_eq!(chosen(auth, &["USER", "SASL PLAIN"], CLEAR), Ok("APOP"));
        }
    }

    #[test]
    fn r2384_4_5_no_other_way_is_gone_in_its_place() {
        for (auth, lines, why) in [
            (";AUTH=SCRAM-SHA-256", &["USER", "SASL PLAIN SCRAM-SHA-1"][..], Unfit::NotOffered),
            (";AUTH=SCRAM-SHA-256", &["USER"], Unfit::NotOffered),
            (";AUTH=SCRAM-MD5", &["USER", "SASL SCRAM-MD5"], Unfit::Unknown),
            (";AUTH=+XAUTH", &["USER", "SASL PLAIN"], Unfit::Unknown),
            (";AUTH=EXTERNAL", &["SASL EXTERNAL PLAIN"], Unfit::Unknown),
            (";AUTH=XOAUTH2", &["SASL XOAUTH2 PLAIN"], Unfit::Unknown),
        ] {
            assert_eq!(chosen(auth, lines, TLS), Err(why), "{auth}");
        }
        let bound = [";AUTH=SCRAM-SHA-1-PLUS", "SASL SCRAM-SHA-1-PLUS"];
        assert_eq!(chosen(bound[0], &bound[1..], CLEAR), Err(Unfit::Unknown));
        let url = PopUrl::parse("pop://u;AUTH=+APOP@h").unwrap();
        assert_eq!(choose_for(url.auth(), None, false, TLS), Err(Unfit::NotOffered));
        let token = Situation { proof: Proof::Token, ..TLS };
        assert_eq!(choose_for(url.auth(), None, true, token), Err(Unfit::Unknown));
    }

    #[test]
    fn r2384_4_8_a_password_is_not_shown_without_encryption() {
        let url = PopUrl::parse("pop://u;AUTH=*@h").unwrap();
        let mut capabilities = Capabilities::default();
        capabilities.add(b"USER");
        let choose = |situation| choose_for(url.auth(), Some(&capabilities), false, situation);
        assert_eq!(choose(CLEAR), Err(Unfit::NeedsTls));
        assert_eq!(choose(TLS), Ok(Method::UserPass));
        assert_eq!(choose(Situation { plaintext_without_tls: true, ..CLEAR }), Ok(Method::UserPass));
        assert_eq!(chosen(";AUTH=PLAIN", &["SASL PLAIN"], CLEAR), Err(Unfit::NeedsTls));
        let token = Situation { proof: Proof::Token, plaintext_without_tls: true, ..CLEAR };
        assert_eq!(chosen("", &["SASL XOAUTH2"], token), Err(Unfit::NeedsTls));
        assert_eq!(chosen(";AUTH=XOAUTH2", &["SASL XOAUTH2"], token), Err(Unfit::NeedsTls));
        // Nothing fits: encryption would not help.
        let certificate = Situation { proof: Proof::Certificate, ..CLEAR };
        assert_eq!(chosen("", &["SASL PLAIN"], certificate), Err(Unfit::NotOffered));
    }
}
