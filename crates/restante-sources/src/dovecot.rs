//! `DovecotDirectory`: a running Dovecot as a source of accounts.
//!
//! It is asked through its sockets, `auth-client` for passwords and `auth-userdb` for names; what is said there is in
//! `restante_proto::dovecot`. One connection to each is kept (`dovecot/link`); `dovecot/fields` makes an account of what Dovecot says of a
//! user. Dovecot holds a refusal back for two seconds (`auth_failure_delay`); that is hidden in the wait of our own.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use restante_auth::account::{Account, AccountName};
use restante_auth::directory::census::Census;
use restante_auth::directory::{Answer, Checked, Directory, Entry, Problem, Question, SourceError};
use restante_auth::password::StoredPassword;
use restante_proto::dovecot::client::{self, Subject, User};
use restante_proto::dovecot::request::Request;
use restante_proto::secret::Secret;

use link::{Ask, Failure, Link};

pub(crate) mod fields;
mod link;

/// Where Dovecot is, and how patient we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The socket for passwords, as a `service auth` of Dovecot opens it for authentication clients.
    pub socket: PathBuf,
    /// The socket for names: `auth-userdb` or `auth-master`. Without it nobody can be delivered to.
    pub userdb_socket: Option<PathBuf>,
    /// How long an answer may take, with the connection that it may need.
    pub timeout: Duration,
    /// Questions under way through one socket; one more is answered as temporarily unavailable. At least 1.
    pub pending_max: usize,
}

/// A running Dovecot.
pub struct DovecotDirectory {
    settings: Settings,
    passwords: Link,
    users: Option<Link>,
    census: Arc<Census>,
}

impl DovecotDirectory {
    /// Connects to nobody yet.
    pub fn new(settings: Settings) -> Self {
        let link = |subject, path: &PathBuf| {
            Link::new(subject, path.clone(), settings.timeout, settings.pending_max.max(1))
        };
        Self {
            passwords: link(Subject::Passwords, &settings.socket),
            users: settings.userdb_socket.as_ref().map(|path| link(Subject::Users, path)),
            settings,
            census: Arc::default(),
        }
    }

    /// Connects to both sockets and makes the handshake: whether Dovecot is there and speaks what it should.
    ///
    /// # Errors
    /// What is wrong with either.
    pub async fn try_connect(&self) -> Result<(), SourceError> {
        for link in std::iter::once(&self.passwords).chain(&self.users) {
            link.ask(Ask::Nothing).await.map_err(|failure| self.unavailable(link, &failure))?;
        }
        Ok(())
    }

    /// What Dovecot says of a password.
    async fn ask_password(&self, question: &Question<'_>, password: &Secret) -> Result<Checked, SourceError> {
        let ask = Ask::Password {
            user: question.name.as_str().to_owned(),
            password: Secret::new(password.expose().to_vec()),
            request: request(question),
        };
        let link = &self.passwords;
        match link.ask(ask).await.map_err(|failure| self.unavailable(link, &failure))? {
            client::Answer::Known(user) if user.field("proxy").is_some() => {
                let what =
                    format!("{}: its mail lies on another host, says the passdb (proxy)", question.name);
                Err(self.unusable(what, "let those accounts log in there, or take the field proxy out"))
            }
            // Right, and still not let in.
            client::Answer::Known(user) if user.field("nologin").is_some() => Ok(Checked::Locked),
            client::Answer::Known(user) => self.opened(question, &user).await,
            client::Answer::Disabled => Ok(Checked::Locked),
            client::Answer::Temporary(reason) => Err(self.failed(&self.settings.socket, &reason)),
            // Dovecot does not say whether there is such a user; the other socket does, and later sources may know him.
            client::Answer::Wrong | client::Answer::NotFound => match &self.users {
                Some(_) if self.ask_user(question.name.as_str(), question).await?.is_none() => {
                    Ok(Checked::Unknown)
                }
                _ => Ok(Checked::Wrong),
            },
        }
    }

    /// The account behind a password that is right: with the name that Dovecot goes on with.
    async fn opened(&self, question: &Question<'_>, user: &User) -> Result<Checked, SourceError> {
        let typed = question.name.as_str();
        let name = if user.name.is_empty() { typed } else { &user.name };
        if self.users.is_none() {
            return Ok(Checked::Right(Account::new(self.name(name, question.name)?)));
        }
        match self.ask_user(name, question).await? {
            Some(account) => Ok(Checked::Right(account)),
            None => {
                let what = format!("{name}: the password is right, and the userdb does not know the user");
                Err(self.unusable(what, "let passdb and userdb of Dovecot agree"))
            }
        }
    }

    /// What the other socket says of a user; `None` when there is none.
    async fn ask_user(&self, name: &str, question: &Question<'_>) -> Result<Option<Account>, SourceError> {
        let Some(link) = &self.users else {
            return Err(self.unusable(
                "it is not known who has an account: there is no userdb_socket".to_owned(),
                "set userdb_socket to Dovecot's socket auth-userdb",
            ));
        };
        let ask = Ask::User { user: name.to_owned(), request: request(question) };
        match link.ask(ask).await.map_err(|failure| self.unavailable(link, &failure))? {
            client::Answer::Known(user) => {
                let said = if user.name.is_empty() { name } else { &user.name };
                let name = self.name(said, question.name)?;
                fields::account(name, &user)
                    .map(Some)
                    .map_err(|problem| SourceError::permanent(self.source(), vec![problem]))
            }
            client::Answer::NotFound => Ok(None),
            client::Answer::Temporary(reason) => Err(self.failed(link.path(), &reason)),
            client::Answer::Wrong | client::Answer::Disabled => {
                Err(self.failed(link.path(), "an answer that does not belong to a name"))
            }
        }
    }

    /// Dovecot's name of a user as ours.
    fn name(&self, said: &str, asked: &AccountName) -> Result<AccountName, SourceError> {
        if said == asked.as_str() {
            return Ok(asked.clone());
        }
        AccountName::new(said).map_err(|why| {
            let what = format!(
                "{asked}: Dovecot calls the user {said:?}, which is no name of an account here: {why}"
            );
            self.unusable(what, "see auth_username_format and the field user of its passdb")
        })
    }

    fn unavailable(&self, link: &Link, failure: &Failure) -> SourceError {
        let what = format!("{}: {failure}", link.path().display());
        let error = SourceError::temporary(self.source(), Problem::new(what, failure.remedy()));
        match failure {
            Failure::Connect(cause) => error.caused_by(Arc::clone(cause)),
            _ => error,
        }
    }

    fn failed(&self, socket: &std::path::Path, reason: &str) -> SourceError {
        let what = format!("{}: Dovecot cannot say now: {reason}", socket.display());
        SourceError::temporary(self.source(), Problem::new(what, "see the log of Dovecot"))
    }

    fn unusable(&self, what: String, remedy: &str) -> SourceError {
        SourceError::permanent(self.source(), vec![Problem::new(what, remedy)])
    }
}

impl Directory for DovecotDirectory {
    fn source(&self) -> String {
        format!("dovecot {}", self.settings.socket.display())
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            let account = self.ask_user(question.name.as_str(), question).await?;
            // Its passwords are Dovecot's to check.
            let entry = |account| Entry {
                account,
                password: StoredPassword::locked(),
                scram: Vec::new(),
                app_passwords: Vec::new(),
            };
            Ok(account.map(entry))
        })
    }

    fn checks(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, Checked> {
        Box::pin(self.ask_password(question, password))
    }

    fn probe<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(async {
            self.try_connect().await?;
            match self.users {
                Some(_) => self.ask_user(question.name.as_str(), question).await.map(|_| ()),
                None => Ok(()),
            }
        })
    }

    fn census(&self) -> Arc<Census> {
        Arc::clone(&self.census)
    }

    fn decoy(&self, _: u64) -> Option<StoredPassword> {
        None
    }
}

impl fmt::Debug for DovecotDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DovecotDirectory").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What Dovecot is told of who asks: what its own servers would tell it.
fn request(question: &Question<'_>) -> Request {
    Request {
        service: question.at.service.name().as_bytes().into(),
        remote: question.at.peer.map(|address| SocketAddr::new(address, 0)),
        is_secured: question.at.is_encrypted,
        ..Request::default()
    }
}
