//! App passwords: whether what was typed is one of the account's, and what it then opens.
//!
//! One digest is made for every password that is tried, whoever the account is and however many it has, known or not. One that fits and
//! may be used ends the login: nothing is to be hidden from its owner, and a costly hash is spared. In all other cases the main
//! password is checked as if there were none, so that the time tells nothing.

use super::sources::Found;
use super::{Claim, Grant, Inner, Reason, Verdict};
use crate::account::{Access, AccountName};
use crate::credential::{Digest, Obstacle};
use crate::directory::Circumstances;

impl Inner {
    /// `Ok(None)`: it is none of them, if the account exists at all. `Err` is a verdict too: it is one, and opens nothing now.
    pub(super) async fn app_password(
        &self,
        name: &AccountName,
        found: Option<&Found>,
        claim: &Claim<'_>,
        at: Circumstances,
    ) -> Result<Option<Grant>, Verdict> {
        // Through an alias too, the account's own name is in the digest.
        let name = found.map_or(name, |found| &found.entry.account.name);
        let digest = Digest::of(name, claim.password.expose());
        let credentials = found.map(|found| &*found.entry.app_passwords).unwrap_or_default();
        let Some((found, credential)) =
            found.zip(credentials.iter().find(|credential| credential.digest == digest))
        else {
            return Ok(None);
        };
        credential.admit(at.service, at.peer, claim.today).map_err(|obstacle| {
            Verdict::Refused(match obstacle {
                Obstacle::Expired => Reason::ExpiredPassword,
                Obstacle::Scope => Reason::Scope,
                Obstacle::Network => Reason::Network,
            })
        })?;
        let mut grant = self.granted(found.origin, found.entry.account.clone(), at).await?;
        grant.app_password = Some(credential.name.clone());
        if credential.access == Access::ReadOnly {
            grant.access = Access::ReadOnly;
        }
        self.places.iter().for_each(|place| place.directory.app_password_used(name, credential, claim.today));
        Ok(Some(grant))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use restante_proto::sasl::{Mechanism, Method};

    use super::*;
    use crate::credential::{Credential, Scope};
    use crate::directory::Service;
    use crate::verify::Verdict;
    use crate::verify::tests::{Twin, attempt, over, password, settings};

    fn credential(account: &str, name: &str, secret: &str) -> Credential {
        Credential {
            name: name.parse().unwrap(),
            scope: Scope::Both,
            networks: None,
            access: Access::Full,
            created: SystemTime::UNIX_EPOCH,
            expires: None,
            last_used: None,
            digest: Digest::of(&AccountName::new(account).unwrap(), secret.as_bytes()),
        }
    }

    #[tokio::test]
    async fn an_app_password_opens_what_it_was_made_for_and_all_failures_take_the_same_work() {
        let past = SystemTime::now() - Duration::from_secs(1);
        let directory = Twin::with_app_passwords(
            &[("alice", "{PLAIN}main"), ("bob", "{PLAIN}main"), ("apps-only", "")],
            vec![
                ("alice", credential("alice", "phone", "good1-phone")),
                ("alice", Credential { access: Access::ReadOnly, ..credential("alice", "viewer", "good2") }),
                ("alice", Credential { scope: Scope::Smtp, ..credential("alice", "scanner", "good3") }),
                ("alice", Credential { expires: Some(past), ..credential("alice", "old", "good4") }),
                (
                    "alice",
                    Credential {
                        networks: Some(["192.0.2.0/24".parse().unwrap()].into()),
                        ..credential("alice", "office", "good5")
                    },
                ),
                ("apps-only", credential("apps-only", "phone", "good6")),
            ],
        );
        let authenticator = over(&[std::sync::Arc::clone(&directory)], settings());
        for (user, typed, expected, work) in [
            ("alice", "good1-phone", Ok(Access::Full), 0),
            ("alice", "G00D1 PHONE", Ok(Access::Full), 0),
            ("alice", "good2", Ok(Access::ReadOnly), 0),
            ("alice", "good3", Err(Reason::Scope), 1),
            ("alice", "good4", Err(Reason::ExpiredPassword), 1),
            ("alice", "good5", Err(Reason::Network), 1),
            ("alice", "main", Ok(Access::Full), 1),
            ("alice", "good6", Err(Reason::WrongPassword), 1),
            ("bob", "good1-phone", Err(Reason::WrongPassword), 1),
            ("nobody", "good1-phone", Err(Reason::UnknownAccount), 1),
            ("apps-only", "good6", Ok(Access::Full), 0),
            ("apps-only", "main", Err(Reason::Locked), 1),
        ] {
            for method in [Method::UserPass, Method::Sasl(Mechanism::Plain), Method::Sasl(Mechanism::Login)] {
                let before = authenticator.checks();
                let credentials = password(user, typed.as_bytes(), method);
                let given = match authenticator.verify(attempt(&credentials, Instant::now())).await {
                    Verdict::Granted(grant) => Ok(grant.access),
                    Verdict::Refused(reason) => Err(reason),
                    Verdict::Unavailable(error) => panic!("{error}"),
                };
                assert_eq!(given, expected, "{user} {typed}");
                assert_eq!(authenticator.checks() - before, work, "{user} {typed}");
            }
        }
        let used = directory.used.lock().unwrap();
        assert!(used.contains(&"alice phone".to_owned()) && used.contains(&"apps-only phone".to_owned()));
        assert_eq!(used.len(), 12, "what opened nothing was not used: {used:?}");
    }

    #[tokio::test]
    async fn what_is_for_sending_opens_no_maildrop_and_the_place_counts() {
        let office = Some(["192.0.2.0/24".parse().unwrap()].into());
        let directory = Twin::with_app_passwords(
            &[("alice", "{PLAIN}main")],
            vec![(
                "alice",
                Credential { scope: Scope::Smtp, networks: office, ..credential("alice", "x", "good") },
            )],
        );
        let authenticator = over(&[directory], settings());
        let credentials = password("alice", b"good", Method::UserPass);
        for (service, peer, is_open) in [
            (Service::Smtp, "192.0.2.7", true),
            (Service::Smtp, "192.0.3.7", false),
            (Service::Pop3, "192.0.2.7", false),
        ] {
            let mut attempt = attempt(&credentials, Instant::now());
            attempt.at.service = service;
            attempt.at.peer = Some(peer.parse().unwrap());
            let verdict = authenticator.verify(attempt).await;
            assert_eq!(matches!(verdict, Verdict::Granted(_)), is_open, "{service:?} {peer}");
        }
    }
}
