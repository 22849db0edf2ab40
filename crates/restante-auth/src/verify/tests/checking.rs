//! Sources that check passwords themselves, and what an account may do once its credentials are right.

use std::net::IpAddr;

use super::*;

/// A source that says only whether a password is right. What it was asked is written down.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// Name, password; the password `locked` stands for an account that is.
    accounts: Vec<(&'static str, &'static str)>,
    fails: bool,
    /// What is said of every account beside its name.
    says: Option<Account>,
    pub(super) asked: Mutex<Vec<String>>,
}

impl Oracle {
    pub(super) fn new(accounts: &[(&'static str, &'static str)]) -> Self {
        Self { accounts: accounts.to_vec(), ..Self::default() }
    }

    fn note(&self, what: &str, name: &AccountName) -> Result<Option<&'static str>, SourceError> {
        self.asked.lock().unwrap().push(format!("{what} {name}"));
        if self.fails {
            return Err(SourceError::temporary("oracle", Problem::new("it is down", "wait")));
        }
        let found = self.accounts.iter().find(|(known, _)| *known == name.as_str());
        Ok(found.map(|(_, password)| *password))
    }

    fn account(&self, name: &AccountName) -> Account {
        let account = Account::new(name.clone());
        self.says.iter().fold(account, |account, says| account.or(says))
    }
}

impl Directory for Oracle {
    fn source(&self) -> String {
        "oracle".to_owned()
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        let found = self.note("lookup", question.name).map(|found| {
            found.map(|password| Entry {
                account: self.account(question.name),
                // Means nothing, and would open the account to everybody who knows it.
                password: match password {
                    "locked" => StoredPassword::locked(),
                    _ => StoredPassword::parse(b"{PLAIN}nonsense", Scheme::Plain).unwrap(),
                },
                scram: Vec::new(),
                app_passwords: Vec::new(),
            })
        });
        Box::pin(std::future::ready(found))
    }

    fn checks(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, Checked> {
        let found = self.note("check", question.name).map(|found| match found {
            None => Checked::Unknown,
            Some("locked") => Checked::Locked,
            Some(right) if right.as_bytes() == password.expose() => {
                Checked::Right(self.account(question.name))
            }
            Some(_) => Checked::Wrong,
        });
        Box::pin(std::future::ready(found))
    }

    fn reload(&self, _now: Instant) -> Answer<'_, usize> {
        Box::pin(std::future::ready(Ok(self.accounts.len())))
    }

    fn accounts(&self) -> usize {
        self.accounts.len()
    }

    fn decoy(&self, _seed: u64) -> Option<StoredPassword> {
        None
    }
}

fn among(directories: Vec<Arc<dyn Directory>>) -> Authenticator {
    Authenticator::new(directories.into_iter().map(Source::Other).collect(), settings()).unwrap()
}

fn typed(user: &str, secret: &str) -> Credentials {
    password(user, secret.as_bytes(), Method::Sasl(Mechanism::Plain))
}

#[tokio::test]
async fn a_source_that_checks_is_asked_with_the_password_and_decides() {
    let oracle = Arc::new(Oracle::new(&[("alice", "one"), ("gone", "locked")]));
    let authenticator = among(vec![oracle.clone()]);
    for (user, secret, expected) in [
        ("alice", "one", Ok("alice".to_owned())),
        ("ALICE@example.org", "one", Ok("alice".to_owned())),
        ("alice", "two", Err(Some(Reason::WrongPassword))),
        ("alice", "nonsense", Err(Some(Reason::WrongPassword))),
        ("gone", "locked", Err(Some(Reason::Locked))),
        ("nobody", "one", Err(Some(Reason::UnknownAccount))),
    ] {
        oracle.asked.lock().unwrap().clear();
        assert_eq!(outcome(&authenticator, &typed(user, secret)).await, expected, "{user} {secret}");
        let name = authenticator.account_name(user.as_bytes()).unwrap();
        assert_eq!(*oracle.asked.lock().unwrap(), [format!("check {name}")]);
    }
    oracle.asked.lock().unwrap().clear();
    // What cannot be a password is refused before anybody is asked.
    assert_eq!(outcome(&authenticator, &typed("alice", "")).await, Err(Some(Reason::InvalidPassword)));
    assert!(oracle.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_check_counts_as_one_whoever_made_it() {
    let authenticator = among(vec![Arc::new(Oracle::new(&[("alice", "one"), ("gone", "locked")]))]);
    for (user, secret) in [("alice", "one"), ("alice", "two"), ("gone", "x"), ("nobody", "x")] {
        let before = authenticator.checks();
        let _ = outcome(&authenticator, &typed(user, secret)).await;
        assert_eq!(authenticator.checks() - before, 1, "{user}");
    }
}

#[tokio::test]
async fn the_first_source_that_knows_the_account_decides_of_whatever_kind_it_is() {
    let stored: Arc<dyn Directory> = Twin::new(&[("alice", "{PLAIN}stored"), ("carol", "{PLAIN}c")]);
    let oracle: Arc<dyn Directory> = Arc::new(Oracle::new(&[("alice", "checked"), ("bob", "b")]));
    for (order, right, wrong) in [
        (vec![Arc::clone(&stored), Arc::clone(&oracle)], "stored", "checked"),
        (vec![oracle, stored], "checked", "stored"),
    ] {
        let authenticator = among(order);
        assert_eq!(outcome(&authenticator, &typed("alice", right)).await, Ok("alice".to_owned()));
        assert_eq!(outcome(&authenticator, &typed("alice", wrong)).await, Err(Some(Reason::WrongPassword)));
        assert!(outcome(&authenticator, &typed("bob", "b")).await.is_ok());
        assert!(outcome(&authenticator, &typed("carol", "c")).await.is_ok());
    }
}

#[tokio::test]
async fn a_checking_source_that_cannot_be_asked_ends_the_search() {
    let oracle = Arc::new(Oracle { fails: true, ..Oracle::default() });
    let last = Twin::new(&[("alice", "{PLAIN}one")]);
    let authenticator = among(vec![oracle, last.clone()]);
    assert_eq!(outcome(&authenticator, &typed("alice", "one")).await, Err(None));
    assert!(last.asked.lock().unwrap().is_empty());
    let found = authenticator.recipient(b"alice", Instant::now()).await;
    assert!(matches!(found, Recipient::Unavailable(_)), "{found:?}");
}

#[tokio::test]
async fn for_everything_but_passwords_a_checking_source_is_looked_up_in() {
    let oracle = Arc::new(Oracle::new(&[("alice", "one"), ("gone", "locked")]));
    let authenticator = among(vec![oracle.clone()]);
    let found = authenticator.recipient(b"alice@example.org", Instant::now()).await;
    assert!(matches!(found, Recipient::Account(account) if account.name.as_str() == "alice"));
    let external = Credentials::External { authorization: None };
    let with = |certificate| Attempt { certificate: Some(certificate), ..attempt(&external, Instant::now()) };
    assert!(matches!(authenticator.verify(with("alice")).await, Verdict::Granted(_)));
    assert!(matches!(authenticator.verify(with("gone")).await, Verdict::Refused(Reason::Locked)));
    assert_eq!(*oracle.asked.lock().unwrap(), ["lookup alice", "lookup alice", "lookup gone"]);
}

#[tokio::test]
async fn what_a_checking_source_says_of_a_password_in_a_look_up_opens_nothing() {
    let authenticator = among(vec![Arc::new(Oracle::new(&[("alice", "one"), ("gone", "locked")]))]);
    let timestamp = b"<1896.697170952@dbc.mtview.ca.us>";
    for (user, expected) in [("alice", Reason::NoPlainSecret), ("gone", Reason::Locked)] {
        let digest = apop::digest(timestamp, &Secret::new(b"nonsense".to_vec()));
        let credentials =
            Credentials::Apop { user: user.as_bytes().to_vec(), timestamp: timestamp.to_vec(), digest };
        assert_eq!(outcome(&authenticator, &credentials).await, Err(Some(expected)), "{user}");
    }
}

fn saying(says: impl FnOnce(&mut Account)) -> Authenticator {
    let mut account = Account::new(AccountName::new("anybody").unwrap());
    says(&mut account);
    among(vec![Arc::new(Oracle { says: Some(account), ..Oracle::new(&[("alice", "one")]) })])
}

#[tokio::test]
async fn an_account_logs_in_from_its_networks_alone() {
    let networks: Vec<_> = ["192.0.2.0/24", "::1", "127.0.0.0/8"].map(|text| text.parse().unwrap()).into();
    let authenticator = saying(|account| account.networks = Some(networks.into()));
    let credentials = typed("alice", "one");
    for (peer, is_inside) in [
        (Some("192.0.2.77"), true),
        (Some("::ffff:192.0.2.77"), true),
        (Some("192.0.3.1"), false),
        (Some("2001:db8::1"), false),
        (Some("::1"), true),
        // Through a unix socket, from this machine.
        (None, true),
    ] {
        let mut attempt = attempt(&credentials, Instant::now());
        attempt.at.peer = peer.map(|peer| peer.parse::<IpAddr>().unwrap());
        match authenticator.verify(attempt).await {
            Verdict::Granted(_) => assert!(is_inside, "{peer:?}"),
            Verdict::Refused(reason) => {
                assert_eq!((reason, is_inside), (Reason::Network, false), "{peer:?}");
            }
            Verdict::Unavailable(error) => panic!("{error}"),
        }
    }
    // A wrong password from a wrong network is a wrong password.
    let wrong = typed("alice", "two");
    let mut attempt = attempt(&wrong, Instant::now());
    attempt.at.peer = Some("192.0.3.1".parse().unwrap());
    assert!(matches!(authenticator.verify(attempt).await, Verdict::Refused(Reason::WrongPassword)));
}

#[tokio::test]
async fn an_account_logs_in_by_its_mechanisms_alone() {
    let authenticator =
        saying(|account| account.mechanisms = Some(Arc::from(["LOGIN".into(), "USER".into()])));
    for (method, expected) in [
        (Method::Sasl(Mechanism::Login), Ok("alice".to_owned())),
        (Method::UserPass, Ok("alice".to_owned())),
        (Method::Sasl(Mechanism::Plain), Err(Some(Reason::Mechanism))),
    ] {
        let found = outcome(&authenticator, &password("alice", b"one", method)).await;
        assert_eq!(found, expected, "{method:?}");
    }
}

#[tokio::test]
async fn an_account_may_be_one_that_only_reads() {
    for (access, expected) in
        [(None, Access::Full), (Some(Access::Full), Access::Full), (Some(Access::ReadOnly), Access::ReadOnly)]
    {
        let authenticator = saying(|account| account.access = access);
        match authenticator.verify(attempt(&typed("alice", "one"), Instant::now())).await {
            Verdict::Granted(grant) => assert_eq!(grant.access, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_password_found_right_is_not_asked_about_again_until_its_time_is_over() {
    let oracle = Arc::new(Oracle::new(&[("alice", "one")]));
    let memory = Some(CacheSettings { ttl: Duration::from_secs(60), entries_max: 10 });
    let placed = || Placed { memory, ..Source::Other(oracle.clone()).into() };
    let authenticator = Authenticator::new(vec![placed()], settings()).unwrap();
    let (start, right, wrong) = (Instant::now(), typed("alice", "one"), typed("alice", "two"));
    let asked = async |seconds: u64, credentials| {
        oracle.asked.lock().unwrap().clear();
        let verdict = authenticator.verify(attempt(credentials, start + Duration::from_secs(seconds))).await;
        assert_eq!(matches!(verdict, Verdict::Granted(_)), std::ptr::eq(credentials, &raw const right));
        !oracle.asked.lock().unwrap().is_empty()
    };
    for (seconds, credentials, is_asked) in [
        (0, &right, true),
        (1, &right, false),
        (2, &wrong, true),
        (3, &wrong, true),
        (59, &right, false),
        (60, &right, true),
        (61, &right, false),
    ] {
        assert_eq!(asked(seconds, credentials).await, is_asked, "{seconds}");
    }
    authenticator.reload(start).await.unwrap();
    assert!(asked(62, &right).await && !asked(63, &right).await, "a reload forgets");
    authenticator.forget(&AccountName::new("alice").unwrap());
    assert!(asked(64, &right).await && !asked(65, &right).await, "an operator makes it forget");
    // From elsewhere the source may say something else.
    let mut elsewhere = attempt(&right, start + Duration::from_secs(65));
    elsewhere.at.peer = Some("192.0.2.1".parse().unwrap());
    oracle.asked.lock().unwrap().clear();
    assert!(matches!(authenticator.verify(elsewhere).await, Verdict::Granted(_)));
    assert_eq!(*oracle.asked.lock().unwrap(), ["check alice"]);
}
