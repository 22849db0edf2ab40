//! Passwords that are stored in an older form get a better one after a login: in the background, one at a time, and never at the
//! cost of the login.

use std::sync::Arc;

use restante_proto::secret::Secret;

use super::sources::Origin;
use super::{Inner, Notice};
use crate::account::AccountName;
use crate::directory::{Circumstances, Problem, Question, SourceError};
use crate::password::{Standing, StoredPassword};

/// Which stored forms of passwords are replaced by a better one when their owner logs in with the password itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// None.
    #[default]
    Never,
    /// Hashes that there are better ones than. What APOP, CRAM-MD5 and SCRAM need is left alone.
    Hashes,
    /// Those, and passwords that are stored as they are: nobody can log in by APOP and CRAM-MD5 with them any more.
    All,
}

impl Inner {
    /// `password` has opened the account, whose secret is stored so. Neither waits nor fails: who comes while another is
    /// under way has his turn at his next login.
    pub(super) fn upgrade(
        &self,
        origin: Origin,
        account: &AccountName,
        stored: &StoredPassword,
        password: &Secret,
        at: Circumstances,
    ) {
        match (self.upgrade, stored.standing()) {
            (Upgrade::Hashes | Upgrade::All, Standing::Older) | (Upgrade::All, Standing::Readable) => {}
            _ => return,
        }
        let Some(directory) = self.directory_of(origin) else { return };
        let Ok(permit) = Arc::clone(&self.upgrades).try_acquire_owned() else { return };
        let (name, notify) = (account.clone(), self.notify.clone());
        let password = Secret::new(password.expose().to_vec());
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = directory.upgrade(&Question { name: &name, at }, &password).await
                && let Some(notify) = notify
            {
                let what = format!("{name}: the stored password is not upgraded: {error}");
                let problem = Problem::new(what, "it is tried again at the next login");
                notify.say(Notice::Doubtful(SourceError::temporary(directory.source(), problem)));
            }
        });
    }
}
