//! Passwords by PAM: the modules that a service file names, with the account phase behind them.
//!
//! No session is opened and no credentials are set: nobody logs in to the machine, and the mail is touched by a worker that needs
//! neither tickets nor keys. What modules say to the user is dropped, since POP3 has no place for it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use nonstick::conv::Exchange;
use nonstick::items::{Items, ItemsMut};
use nonstick::{AuthnFlags, Conversation, ErrorCode, PamShared, Transaction, TransactionBuilder};
use restante_proto::secret::Secret;

use super::Verdict;

/// Whether this is the account's password by the rules of this service, and the account may be used now.
///
/// # Errors
/// The modules cannot say.
pub(super) fn check(service: &str, name: &str, password: &Secret, peer: &str) -> io::Result<Verdict> {
    // Strings of C; with a NUL in them they would be others.
    if [service.as_bytes(), name.as_bytes(), password.expose(), peer.as_bytes()]
        .iter()
        .any(|text| text.contains(&0))
    {
        return Ok(Verdict::Wrong);
    }
    let asked = ask(service, name, password, peer);
    match asked {
        Ok(is_same) => Ok(if is_same { Verdict::Right } else { Verdict::Wrong }),
        Err(
            ErrorCode::AuthenticationError
            | ErrorCode::UserUnknown
            | ErrorCode::MaxTries
            | ErrorCode::CredentialsInsufficient,
        ) => Ok(Verdict::Wrong),
        Err(
            ErrorCode::AccountExpired
            | ErrorCode::NewAuthTokRequired
            | ErrorCode::AuthTokExpired
            | ErrorCode::CredentialsExpired
            | ErrorCode::PermissionDenied,
        ) => Ok(Verdict::Locked),
        Err(error) => Err(io::Error::other(format!("PAM cannot say, with the service {service}: {error}"))),
    }
}

/// `false`: a module has made somebody else of the user, whose maildrop is not asked for.
fn ask(service: &str, name: &str, password: &Secret, peer: &str) -> Result<bool, ErrorCode> {
    let answers = Answers { name: name.into(), password: Secret::new(password.expose().to_vec()) };
    let mut transaction = TransactionBuilder::new_with_service(service).username(name).build(answers)?;
    if !peer.is_empty() {
        transaction.items_mut().set_remote_host(Some(OsStr::new(peer)))?;
    }
    // Some modules want a name of a terminal.
    transaction.items_mut().set_tty_name(Some(OsStr::new("restante")))?;
    let flags = AuthnFlags::SILENT | AuthnFlags::DISALLOW_NULL_AUTHTOK;
    transaction.authenticate(flags)?;
    transaction.account_management(flags)?;
    let user = transaction.items().user()?;
    Ok(user.is_some_and(|user| user == name))
}

/// What modules ask of a user: whose name may be seen, whose password may not.
struct Answers {
    name: OsString,
    password: Secret,
}

impl Conversation for Answers {
    fn communicate(&self, messages: &[Exchange<'_>]) {
        for message in messages {
            match message {
                Exchange::MaskedPrompt(question) => {
                    // The library's from here on.
                    question.set_answer(Ok(OsStr::from_bytes(self.password.expose()).to_owned()));
                }
                Exchange::Prompt(question) => question.set_answer(Ok(self.name.clone())),
                Exchange::Error(said) => said.set_answer(Ok(())),
                Exchange::Info(said) => said.set_answer(Ok(())),
                other => other.set_error(ErrorCode::ConversationError),
            }
        }
    }
}
