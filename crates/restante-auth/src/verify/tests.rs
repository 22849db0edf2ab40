//! From credentials to a verdict, over sources that answer, refuse and fail.

use std::sync::Mutex;

use restante_proto::sasl::apop;

use super::sources::Part;
use super::*;
use crate::credential::Credential;
use crate::directory::census::Census;
use crate::directory::{Alias, Answer, Checked};
use crate::password::scram::ScramVerifier;
use crate::password::{Scheme, StoredPassword};
use crate::token::Flaw;

mod aliasing;
mod checking;
mod merging;
mod upgrading;

const COSTLY: &str = "{BLF-CRYPT}$2y$04$yTT72mEUXpWvPxn4k.Bsv.BrkLRWxiXeXikds1ed0cXJELAe3ebh2";

/// A directory in memory that can be told to fail, and counts what it is asked.
#[derive(Debug, Default)]
pub(super) struct Twin {
    accounts: Vec<(&'static str, &'static str)>,
    app_passwords: Vec<(&'static str, Credential)>,
    /// The names of those that were used.
    pub(super) used: Mutex<Vec<String>>,
    /// The names of those whose stored password was to be upgraded, with the password.
    pub(super) upgraded: Mutex<Vec<String>>,
    aliases: Vec<(&'static str, &'static str)>,
    fails: bool,
    asked: Mutex<Vec<String>>,
}

impl Twin {
    pub(super) fn new(accounts: &[(&'static str, &'static str)]) -> Arc<Self> {
        Arc::new(Self { accounts: accounts.to_vec(), ..Self::default() })
    }

    pub(super) fn with_app_passwords(
        accounts: &[(&'static str, &'static str)],
        app_passwords: Vec<(&'static str, Credential)>,
    ) -> Arc<Self> {
        Arc::new(Self { accounts: accounts.to_vec(), app_passwords, ..Self::default() })
    }

    fn failing() -> Arc<Self> {
        Arc::new(Self { fails: true, ..Self::default() })
    }
}

fn stored(secret: &str) -> (StoredPassword, Vec<ScramVerifier>) {
    let password = StoredPassword::parse(secret.as_bytes(), Scheme::Plain).unwrap();
    let scram = password.scram().cloned().into_iter().collect();
    (password, scram)
}

impl Directory for Twin {
    fn source(&self) -> String {
        "twin".to_owned()
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        let name = question.name;
        self.asked.lock().unwrap().push(name.to_string());
        let failure = || SourceError::temporary("twin", Problem::new("it is down", "wait"));
        let found = self.accounts.iter().find(|(known, _)| *known == name.as_str());
        let entry = found.map(|(_, secret)| {
            let (password, scram) = stored(secret);
            let own = self.app_passwords.iter().filter(|(account, _)| *account == name.as_str());
            let app_passwords = own.map(|(_, credential)| credential.clone()).collect();
            Entry { account: Account::new(name.clone()), password, scram, app_passwords }
        });
        Box::pin(std::future::ready(if self.fails { Err(failure()) } else { Ok(entry) }))
    }

    fn app_password_used(&self, account: &AccountName, credential: &Credential, _today: SystemTime) {
        self.used.lock().unwrap().push(format!("{account} {}", credential.name));
    }

    fn alias<'a>(&'a self, alias: Alias<'a>, _: Circumstances) -> Answer<'a, Option<AccountName>> {
        let text = match alias {
            Alias::Name(name) => name.to_string(),
            Alias::Domain(domain) => format!("@{domain}"),
        };
        let found = self.aliases.iter().find(|(alias, _)| *alias == text);
        let account = found.map(|(_, account)| AccountName::new(account).unwrap());
        let failure = SourceError::temporary("twin", Problem::new("it is down", "wait"));
        Box::pin(std::future::ready(if self.fails { Err(failure) } else { Ok(account) }))
    }

    fn upgrade<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, bool> {
        let password = String::from_utf8(password.expose().to_vec()).unwrap();
        self.upgraded.lock().unwrap().push(format!("{} {password}", question.name));
        let failure = SourceError::temporary("twin", Problem::new("it is read-only", "wait"));
        Box::pin(std::future::ready(Err(failure)))
    }

    fn reload(&self, _now: Instant) -> Answer<'_, usize> {
        Box::pin(async move {
            if self.fails {
                return Err(SourceError::temporary("twin", Problem::new("it is down", "wait")));
            }
            Ok(self.accounts.len())
        })
    }

    fn census(&self) -> Arc<Census> {
        let mut census = Census::default();
        for (_, secret) in &self.accounts {
            let (password, scram) = stored(secret);
            census.add(&password, &scram);
        }
        Arc::new(census)
    }

    fn accounts(&self) -> usize {
        self.accounts.len()
    }

    fn decoy(&self, _seed: u64) -> Option<StoredPassword> {
        let (_, secret) = self.accounts.iter().find(|(_, secret)| !secret.is_empty())?;
        Some(StoredPassword::parse(secret.as_bytes(), Scheme::Plain).unwrap())
    }
}

pub(super) fn settings() -> Settings {
    Settings { cache: None, ..Settings::default() }
}

pub(super) fn over(directories: &[Arc<Twin>], settings: Settings) -> Authenticator {
    let sources = directories.iter().map(|it| Source::Other(Arc::clone(it) as Arc<dyn Directory>)).collect();
    Authenticator::new(sources, settings).unwrap()
}

pub(super) fn password(user: &str, password: &[u8], method: Method) -> Credentials {
    Credentials::Password {
        user: user.as_bytes().to_vec(),
        authorization: None,
        password: Secret::new(password.to_vec()),
        method,
    }
}

fn as_other(user: &str, authorization: &str, password: &str) -> Credentials {
    Credentials::Password {
        user: user.as_bytes().to_vec(),
        authorization: Some(authorization.as_bytes().to_vec()),
        password: Secret::new(password.as_bytes().to_vec()),
        method: Method::Sasl(Mechanism::Plain),
    }
}

pub(super) fn attempt(credentials: &Credentials, now: Instant) -> Attempt<'_> {
    let at = Circumstances::new(Service::Pop3, now);
    Attempt { credentials, certificate: None, at, today: SystemTime::now() }
}

/// `Ok` is the account's name, `Err` the reason; a source that could not be asked is `Err(None)`.
async fn outcome(authenticator: &Authenticator, credentials: &Credentials) -> Result<String, Option<Reason>> {
    match authenticator.verify(attempt(credentials, Instant::now())).await {
        Verdict::Granted(grant) => Ok(grant.account.name.to_string()),
        Verdict::Refused(reason) => Err(Some(reason)),
        Verdict::Unavailable(_) => Err(None),
    }
}

#[tokio::test]
async fn the_right_password_opens_the_account_and_nothing_else_does() {
    let accounts = Twin::new(&[("alice", "{PLAIN}one"), ("bob", COSTLY), ("locked", "")]);
    let authenticator = over(&[accounts], settings());
    for (user, typed, expected) in [
        ("alice", "one", Ok("alice".to_owned())),
        ("ALICE@example.org", "one", Ok("alice".to_owned())),
        ("bob+x", "x", Ok("bob".to_owned())),
        ("alice", "One", Err(Some(Reason::WrongPassword))),
        ("bob", "y", Err(Some(Reason::WrongPassword))),
        ("carol", "one", Err(Some(Reason::UnknownAccount))),
        ("locked", "one", Err(Some(Reason::Locked))),
        ("locked", "x", Err(Some(Reason::Locked))),
        ("alice", "", Err(Some(Reason::InvalidPassword))),
        ("../alice", "one", Err(Some(Reason::InvalidName(InvalidName::Character)))),
    ] {
        for method in [Method::UserPass, Method::Sasl(Mechanism::Plain), Method::Sasl(Mechanism::Login)] {
            let credentials = password(user, typed.as_bytes(), method);
            assert_eq!(outcome(&authenticator, &credentials).await, expected, "{user} {typed}");
        }
    }
    let long = password("alice", &[b'x'; 1025], Method::UserPass);
    assert_eq!(outcome(&authenticator, &long).await, Err(Some(Reason::InvalidPassword)));
}

#[tokio::test]
async fn an_unknown_and_a_locked_account_take_the_work_of_a_wrong_password() {
    for secret in ["{PLAIN}one", COSTLY, "{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE"] {
        let accounts = Twin::new(&[("alice", secret), ("locked", "")]);
        for cache in [None, Some(CacheSettings::default())] {
            let authenticator = over(&[Arc::clone(&accounts)], Settings { cache, ..Settings::default() });
            for (typed, work) in [("wrong", 1), ("wr\u{F8}ng", 1), ("e\u{301}", 2)] {
                for user in ["alice", "nobody", "locked"] {
                    let before = authenticator.checks();
                    let credentials = password(user, typed.as_bytes(), Method::Sasl(Mechanism::Plain));
                    assert!(outcome(&authenticator, &credentials).await.is_err());
                    assert_eq!(authenticator.checks() - before, work, "{secret} {user} {typed}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_decoys_password_opens_nothing() {
    // The decoy of this directory is alice's own secret.
    let authenticator = over(&[Twin::new(&[("alice", "{PLAIN}one"), ("locked", "")])], Settings::default());
    for user in ["nobody", "locked"] {
        assert!(
            outcome(&authenticator, &password(user, b"one", Method::Sasl(Mechanism::Plain))).await.is_err()
        );
    }
    let authenticator = over(&[Twin::new(&[("alice", COSTLY), ("locked", "")])], Settings::default());
    for user in ["alice", "nobody", "locked", "nobody", "locked"] {
        let granted =
            outcome(&authenticator, &password(user, b"x", Method::Sasl(Mechanism::Plain))).await.is_ok();
        assert_eq!(granted, user == "alice", "{user}");
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_asked_ends_the_search() {
    let (first, last) = (Twin::new(&[("alice", "{PLAIN}one")]), Twin::new(&[("bob", "{PLAIN}two")]));
    let authenticator = over(&[first, Twin::failing(), Arc::clone(&last)], settings());
    assert_eq!(
        outcome(&authenticator, &password("alice", b"one", Method::Sasl(Mechanism::Plain))).await,
        Ok("alice".into())
    );
    assert_eq!(
        outcome(&authenticator, &password("bob", b"two", Method::Sasl(Mechanism::Plain))).await,
        Err(None)
    );
    let apop = Credentials::Apop { user: b"bob".to_vec(), timestamp: b"<1@x>".to_vec(), digest: [0; 16] };
    assert_eq!(outcome(&authenticator, &apop).await, Err(None));
    assert!(last.asked.lock().unwrap().is_empty());
    let now = Instant::now();
    assert!(matches!(authenticator.recipient(b"alice", now).await, Recipient::Account(_)));
    assert!(matches!(authenticator.recipient(b"bob", now).await, Recipient::Unavailable(_)));
    assert_eq!(authenticator.reload(now).await.unwrap_err().len(), 1);
}

#[tokio::test]
async fn sources_are_asked_in_their_order() {
    let (first, last) =
        (Twin::new(&[("alice", "{PLAIN}one")]), Twin::new(&[("alice", "{PLAIN}two"), ("bob", "{PLAIN}b")]));
    let authenticator = over(&[first, last], settings());
    assert!(
        outcome(&authenticator, &password("alice", b"one", Method::Sasl(Mechanism::Plain))).await.is_ok()
    );
    assert!(
        outcome(&authenticator, &password("alice", b"two", Method::Sasl(Mechanism::Plain))).await.is_err()
    );
    assert!(outcome(&authenticator, &password("bob", b"b", Method::Sasl(Mechanism::Plain))).await.is_ok());
    assert!(authenticator.accounts(Instant::now()).await.unwrap().is_empty(), "twins do not list theirs");
    assert!(authenticator.reload(Instant::now()).await.is_ok());
}

#[tokio::test]
async fn r4616_2_5_nobody_acts_as_another() {
    let authenticator = over(&[Twin::new(&[("alice", "{PLAIN}one"), ("bob", "{PLAIN}two")])], settings());
    for authorization in ["", "alice", "Alice@example.org", "alice+x", "\u{FF41}lice"] {
        assert!(
            outcome(&authenticator, &as_other("alice", authorization, "one")).await.is_ok(),
            "{authorization}"
        );
    }
    // R5034-4.18: the last cannot be prepared.
    for authorization in ["bob", "root", "../alice", "\u{AD}"] {
        let result = outcome(&authenticator, &as_other("alice", authorization, "one")).await;
        assert_eq!(result, Err(Some(Reason::AuthorizationIdentity)), "{authorization}");
    }
}

#[tokio::test]
async fn r4616_2_4_and_2_6_passwords_are_prepared() {
    let accounts = [
        ("alice", "{PLAIN}\u{E9}IX"),
        ("old", "{PLAIN}e\u{301}"),
        ("latin1", "{PLAIN.hex}e9"),
        ("tab", "{PLAIN}a\tb"),
    ];
    let authenticator = over(&[Twin::new(&accounts)], settings());
    let is_granted = async |user: &str, typed: &[u8], method| {
        outcome(&authenticator, &password(user, typed, method)).await.is_ok()
    };
    for method in [Method::Sasl(Mechanism::Plain), Method::UserPass, Method::Sasl(Mechanism::Login)] {
        assert!(is_granted("alice", "\u{E9}IX".as_bytes(), method).await);
        assert!(is_granted("alice", "e\u{301}\u{2168}".as_bytes(), method).await);
        // Hashes from servers that never prepared anything.
        assert!(is_granted("old", "e\u{301}".as_bytes(), method).await);
        // Clients from before Unicode.
        assert!(is_granted("latin1", b"\xE9", method).await);
        assert!(!is_granted("latin1", "\u{E9}".as_bytes(), method).await);
        assert_eq!(is_granted("tab", b"a\tb", method).await, method == Method::Sasl(Mechanism::Login));
    }
    assert_eq!(
        outcome(&authenticator, &password("alice", "\u{AD}".as_bytes(), Method::Sasl(Mechanism::Plain)))
            .await,
        Err(Some(Reason::InvalidPassword))
    );
}

#[tokio::test]
async fn r1939_7_27_apop_is_checked_where_the_secret_is_known() {
    let accounts =
        [("mrose", "{PLAIN}tanstaaf"), ("hashed", COSTLY), ("locked", ""), ("wide", "{PLAIN}\u{AA}")];
    let authenticator = over(&[Twin::new(&accounts)], settings());
    let timestamp = b"<1896.697170952@dbc.mtview.ca.us>";
    let with = |user: &str, digest: [u8; 16]| Credentials::Apop {
        user: user.as_bytes().to_vec(),
        timestamp: timestamp.to_vec(),
        digest,
    };
    let digest = |secret: &str| apop::digest(timestamp, &Secret::new(secret.as_bytes().to_vec()));
    assert_eq!(apop::to_hex(&digest("tanstaaf")), *b"c4c9334bac560ecc979e58001b3e22fb");
    let mut results = Vec::new();
    for (user, secret) in [
        ("MRose", "tanstaaf"),
        ("mrose", "wrong"),
        ("hashed", "x"),
        ("locked", ""),
        ("nobody", "nobody's"),
        ("wide", "a"),
    ] {
        let before = authenticator.checks();
        results.push(outcome(&authenticator, &with(user, digest(secret))).await);
        assert_eq!(authenticator.checks() - before, 2, "{user}");
    }
    assert_eq!(
        results,
        [
            Ok("mrose".to_owned()),
            Err(Some(Reason::WrongPassword)),
            Err(Some(Reason::NoPlainSecret)),
            Err(Some(Reason::Locked)),
            Err(Some(Reason::UnknownAccount)),
            // R6856-2.2.3
            Ok("wide".to_owned()),
        ]
    );
    assert!(authenticator.serves_apop());
    assert!(!over(&[Twin::new(&[("a", COSTLY)])], settings()).serves_apop());
}

#[tokio::test]
async fn a_recent_success_costs_no_hash_until_it_is_forgotten() {
    let cache = CacheSettings { ttl: Duration::from_secs(60), entries_max: 10 };
    let authenticator = over(&[Twin::new(&[("bob", COSTLY)])], Settings { cache: Some(cache), ..settings() });
    let (start, right, wrong) = (
        Instant::now(),
        password("bob", b"x", Method::Sasl(Mechanism::Plain)),
        password("bob", b"y", Method::Sasl(Mechanism::Plain)),
    );
    let mut work = Vec::new();
    for (seconds, credentials) in
        [(0, &right), (1, &right), (59, &right), (59, &wrong), (59, &wrong), (60, &right), (61, &right)]
    {
        let before = authenticator.checks();
        let verdict = authenticator.verify(attempt(credentials, start + Duration::from_secs(seconds))).await;
        assert_eq!(matches!(verdict, Verdict::Granted(_)), std::ptr::eq(credentials, &raw const right));
        work.push(authenticator.checks() - before);
    }
    assert_eq!(work, [1, 0, 0, 1, 1, 1, 0]);
    // What is cheap is not remembered: it would only be kept in one more place.
    let authenticator = over(&[Twin::new(&[("bob", "{PLAIN}x")])], Settings::default());
    for _ in 0..2 {
        assert!(outcome(&authenticator, &right).await.is_ok());
    }
    assert_eq!(authenticator.checks(), 2);
}

#[tokio::test]
async fn a_weak_secret_opens_the_account_only_where_that_is_allowed() {
    let accounts = [
        ("md5", "{PLAIN-MD5}9dd4e461268c8034f5c8564e155c67a6"),
        ("crypt", "$1$frlo2YcT$of3N0QM.2aeZu44qIXMOK/"),
    ];
    let accounts = Twin::new(&accounts);
    for is_allowed in [false, true] {
        let settings = Settings { allow_weak_schemes: is_allowed, ..settings() };
        let authenticator = over(&[Arc::clone(&accounts)], settings);
        for user in ["md5", "crypt"] {
            let right = outcome(&authenticator, &password(user, b"x", Method::UserPass)).await;
            let expected = if is_allowed { Ok(user.to_owned()) } else { Err(Some(Reason::WeakScheme)) };
            assert_eq!(right, expected, "{user}");
            let wrong = outcome(&authenticator, &password(user, b"y", Method::UserPass)).await;
            assert_eq!(wrong, Err(Some(Reason::WrongPassword)), "{user}");
        }
    }
}

#[tokio::test]
async fn a_full_queue_is_unavailable_for_known_and_unknown_alike() {
    let authenticator = over(&[Twin::new(&[("bob", COSTLY)])], settings());
    let held = authenticator.inner.hashing.hold_all();
    for user in ["bob", "nobody"] {
        let verdict = authenticator
            .verify(attempt(&password(user, b"x", Method::Sasl(Mechanism::Plain)), Instant::now()))
            .await;
        assert!(matches!(verdict, Verdict::Unavailable(error) if error.is_temporary()), "{user}");
    }
    drop(held);
    assert!(outcome(&authenticator, &password("bob", b"x", Method::Sasl(Mechanism::Plain))).await.is_ok());
}

#[tokio::test]
async fn r5321_4_5_1_1_postmaster_goes_to_the_account_itself_before_the_configured_one() {
    let addresses = address::Settings { postmaster: Some("alice".into()), ..address::Settings::default() };
    let with = |accounts: &[(&'static str, &'static str)]| {
        over(&[Twin::new(accounts)], Settings { addresses: addresses.clone(), ..settings() })
    };
    let find = async |authenticator: &Authenticator, address: &str| match authenticator
        .recipient(address.as_bytes(), Instant::now())
        .await
    {
        Recipient::Account(account) => account.name.to_string(),
        other => format!("{other:?}"),
    };
    let without = with(&[("alice", "")]);
    assert_eq!(find(&without, "Postmaster").await, "alice");
    assert_eq!(find(&without, "alice+lists@example.org").await, "alice");
    assert_eq!(find(&without, "\"alice\"@example.org").await, "alice");
    assert_eq!(find(&without, "bob").await, "Unknown");
    assert_eq!(find(&without, "../alice").await, "Unknown");
    assert_eq!(
        find(&with(&[("alice", ""), ("postmaster", "")]), "POSTMASTER@example.org").await,
        "postmaster"
    );
}

#[tokio::test]
async fn without_sources_nobody_is_known() {
    let authenticator = over(&[], Settings::default());
    assert!(authenticator.coverage(Mechanism::Plain) == Coverage::None && !authenticator.serves_apop());
    assert_eq!(
        outcome(&authenticator, &password("alice", b"x", Method::Sasl(Mechanism::Plain))).await,
        Err(Some(Reason::UnknownAccount))
    );
}

#[tokio::test]
async fn real_sources_work_together() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, "alice:{PLAIN}one\nbob:{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE\n").unwrap();
    let database = embedded::Settings::new(folder.path().join("accounts.redb"));
    let sources = vec![Source::File(file::Settings::new(&users)), Source::Embedded(database.clone())];
    let authenticator = Authenticator::new(sources, Settings::default()).unwrap();
    assert!(
        outcome(
            &authenticator,
            &password("bob", "correct horse é".as_bytes(), Method::Sasl(Mechanism::Plain))
        )
        .await
        .is_ok()
    );
    let carol = password("carol", b"three", Method::Sasl(Mechanism::Plain));
    assert_eq!(outcome(&authenticator, &carol).await, Err(Some(Reason::UnknownAccount)));
    let accounts = embedded::accounts::Accounts::new(database);
    let new =
        embedded::accounts::New { password: Some(Secret::new(b"three".to_vec())), ..Default::default() };
    accounts.add(&AccountName::new("carol").unwrap(), &new).unwrap();
    let before = authenticator.checks();
    assert_eq!(outcome(&authenticator, &carol).await, Ok("carol".into()));
    assert_eq!(outcome(&authenticator, &carol).await, Ok("carol".into()));
    assert_eq!(authenticator.checks() - before, 1);
    assert_eq!(authenticator.coverage(Mechanism::Plain), Coverage::All);
    accounts
        .add(
            &AccountName::new("alice").unwrap(),
            &embedded::accounts::New { home: Some("/x".into()), ..Default::default() },
        )
        .unwrap();
    let listed = authenticator.accounts(Instant::now()).await.unwrap();
    let names: Vec<_> =
        listed.iter().map(|account| (account.name.as_str(), account.home.is_some())).collect();
    assert_eq!(
        names,
        [("alice", false), ("bob", false), ("carol", false)],
        "alice is the one of the first source"
    );
    accounts.remove(&AccountName::new("carol").unwrap()).unwrap();
    assert_eq!(outcome(&authenticator, &carol).await, Err(Some(Reason::UnknownAccount)));
}

#[tokio::test]
async fn a_certificate_leads_to_the_account_that_it_names() {
    let accounts = Twin::new(&[("alice", "{PLAIN}one"), ("bob", COSTLY), ("locked", "")]);
    let authenticator = over(&[accounts], settings());
    let outcome = async |certificate: Option<&str>, authorization: Option<&str>| {
        let credentials =
            Credentials::External { authorization: authorization.map(|text| text.as_bytes().to_vec()) };
        let attempt = Attempt { certificate, ..attempt(&credentials, Instant::now()) };
        match authenticator.verify(attempt).await {
            Verdict::Granted(grant) => {
                assert_eq!(grant.access, Access::Full);
                Ok(grant.account.name.to_string())
            }
            Verdict::Refused(reason) => Err(reason),
            Verdict::Unavailable(error) => panic!("{error}"),
        }
    };
    for (certificate, authorization, expected) in [
        (Some("Alice@example.org"), None, Ok("alice".to_owned())),
        (Some("alice@example.org"), Some("alice"), Ok("alice".to_owned())),
        (Some("alice@example.org"), Some(""), Ok("alice".to_owned())),
        (Some("alice@example.org"), Some("bob"), Err(Reason::AuthorizationIdentity)),
        (Some("alice@example.org"), Some("../alice"), Err(Reason::AuthorizationIdentity)),
        (Some("nobody@example.org"), None, Err(Reason::UnknownAccount)),
        (Some("locked"), None, Err(Reason::Locked)),
        (Some("a/b"), None, Err(Reason::InvalidName(InvalidName::Character))),
        (None, None, Err(Reason::NoCertificateName)),
        (None, Some("alice"), Err(Reason::NoCertificateName)),
    ] {
        assert_eq!(outcome(certificate, authorization).await, expected, "{certificate:?} {authorization:?}");
    }
}

#[tokio::test]
async fn anonymous_reads_the_one_account_that_is_named_for_it() {
    let twin = Twin::new(&[("alice", "{PLAIN}one"), ("public", "")]);
    let credentials = Credentials::Anonymous { trace: b"me".to_vec() };
    let closed = over(&[Arc::clone(&twin)], settings());
    assert_eq!(outcome(&closed, &credentials).await, Err(Some(Reason::NotServed)));
    assert_eq!(closed.coverage(Mechanism::Anonymous), Coverage::None);
    for (account, expected) in
        [("public", Ok("public".to_owned())), ("gone", Err(Some(Reason::UnknownAccount)))]
    {
        let anonymous = Some(AccountName::new(account).unwrap());
        let open = over(&[Arc::clone(&twin)], Settings { anonymous, ..settings() });
        assert_eq!(outcome(&open, &credentials).await, expected);
        assert_eq!(open.coverage(Mechanism::Anonymous), Coverage::All);
        if let Verdict::Granted(grant) = open.verify(attempt(&credentials, Instant::now())).await {
            assert_eq!(grant.access, Access::ReadOnly);
        }
    }
}

#[derive(Debug)]
struct Tokens(&'static str, token::Finding);

impl TokenVerifier for Tokens {
    fn source(&self) -> String {
        "tokens twin".to_owned()
    }

    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        _claimed: Option<&'a AccountName>,
        _attempt: &'a Attempt<'a>,
    ) -> Answer<'a, token::Finding> {
        let found =
            if token.expose() == self.0.as_bytes() { self.1.clone() } else { token::Finding::Unknown };
        Box::pin(std::future::ready(match self.0 {
            "" => Err(SourceError::temporary("tokens", Problem::new("it is down", "wait"))),
            _ => Ok(found),
        }))
    }

    fn reload(&self, _now: Instant) -> Answer<'_, usize> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn opens_unlisted(&self) -> bool {
        self.0.starts_with("any")
    }
}

#[tokio::test]
async fn a_source_of_tokens_is_asked_about_one_that_nobody_was_given() {
    let alice = || AccountName::new("alice").unwrap();
    let sources = [
        Tokens("one", token::Finding::Account(alice())),
        Tokens("restante-probe", token::Finding::Unfit(Flaw::Inactive)),
        Tokens("restante-probe", token::Finding::Account(alice())),
        Tokens("restante-probe", token::Finding::Unfit(Flaw::Claim)),
        Tokens("", token::Finding::Unknown),
    ];
    let tokens = sources.into_iter().map(|it| token::Source::Other(Arc::new(it))).collect();
    let accounts = Twin::new(&[("alice", "{PLAIN}one")]);
    let authenticator = over(&[accounts], Settings { tokens, ..settings() });
    let probed = authenticator.probe(Instant::now()).await;
    let said: Vec<String> = probed
        .into_iter()
        .map(|(_, outcome)| match outcome {
            Ok(()) => "answers".to_owned(),
            Err(error) if error.is_temporary() => "is down".to_owned(),
            Err(error) => error.problems()[0].what.clone(),
        })
        .collect();
    let good = "it takes for good a token that nobody was given";
    assert_eq!(said, ["answers", "answers", "answers", good, good, "is down"]);
}

#[tokio::test]
async fn xoauth2_0_1_a_token_opens_its_own_account_and_no_other() {
    let name = |text| AccountName::new(text).unwrap();
    let sources = [
        Tokens("one", token::Finding::Account(name("alice"))),
        Tokens("old", token::Finding::Expired(name("alice"))),
        Tokens("for two", token::Finding::Unfit(Flaw::Audience)),
        Tokens("for two", token::Finding::Account(name("alice"))),
        Tokens("for none", token::Finding::Unfit(Flaw::Audience)),
        Tokens("for none", token::Finding::Unfit(Flaw::Scope)),
        Tokens("any gone", token::Finding::Account(name("gone"))),
        Tokens("any lock", token::Finding::Account(name("locked"))),
        Tokens("lock", token::Finding::Account(name("locked"))),
        Tokens("gone", token::Finding::Account(name("gone"))),
    ];
    let tokens = sources.into_iter().map(|it| token::Source::Other(Arc::new(it))).collect();
    let accounts = Twin::new(&[("alice", "{PLAIN}one"), ("bob", COSTLY), ("locked", "")]);
    let authenticator = over(&[Arc::clone(&accounts)], Settings { tokens, ..settings() });
    assert_eq!(authenticator.coverage(Mechanism::XOAuth2), Coverage::All);
    let credentials = |user: Option<&str>, token: &str| Credentials::Token {
        user: user.map(|user| user.as_bytes().to_vec()),
        token: Secret::new(token.as_bytes().to_vec()),
        method: Method::Sasl(Mechanism::OAuthBearer),
    };
    for (user, token, expected) in [
        (None, "one", Ok("alice".to_owned())),
        (Some("alice@example.org"), "one", Ok("alice".to_owned())),
        (Some("bob"), "one", Err(Some(Reason::UnknownToken))),
        (Some("nobody"), "one", Err(Some(Reason::UnknownToken))),
        (Some("alice"), "two", Err(Some(Reason::UnknownToken))),
        (Some("alice"), "old", Err(Some(Reason::ExpiredToken))),
        (None, "old", Err(Some(Reason::ExpiredToken))),
        // Somebody else's old token is a guess like any other.
        (Some("bob"), "old", Err(Some(Reason::UnknownToken))),
        (Some("alice"), "for two", Ok("alice".to_owned())),
        (Some("alice"), "for none", Err(Some(Reason::UnfitToken(Flaw::Audience)))),
        (Some("gone"), "any gone", Ok("gone".to_owned())),
        (Some("alice"), "any gone", Err(Some(Reason::UnknownToken))),
        (None, "any lock", Err(Some(Reason::Locked))),
        (None, "lock", Err(Some(Reason::Locked))),
        (None, "gone", Err(Some(Reason::UnknownAccount))),
        (Some("a/b"), "one", Err(Some(Reason::InvalidName(InvalidName::Character)))),
    ] {
        assert_eq!(outcome(&authenticator, &credentials(user, token)).await, expected, "{user:?} {token}");
    }
    let down =
        vec![token::Source::Other(Arc::new(Tokens("", token::Finding::Unknown)) as Arc<dyn TokenVerifier>)];
    let authenticator = over(&[accounts], Settings { tokens: down, ..settings() });
    assert_eq!(outcome(&authenticator, &credentials(None, "one")).await, Err(None));
}

#[tokio::test]
async fn r2195_2_3_a_right_digest_opens_the_account_and_a_wrong_one_does_not() {
    let accounts = Twin::new(&[("tim", "{PLAIN}tanstaaftanstaaf"), ("bob", COSTLY), ("locked", "")]);
    let authenticator = over(&[accounts], settings());
    let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
    // The digest of RFC 2195 section 2.
    let digest = 0xb913_a602_c7ed_a7a4_95b4_e6e7_334d_3890_u128.to_be_bytes();
    for (user, digest, expected) in [
        ("tim", digest, Ok("tim".to_owned())),
        ("tim", [0; 16], Err(Some(Reason::WrongPassword))),
        ("bob", digest, Err(Some(Reason::NoPlainSecret))),
        ("locked", digest, Err(Some(Reason::Locked))),
        ("nobody", digest, Err(Some(Reason::UnknownAccount))),
    ] {
        let before = authenticator.checks();
        let credentials =
            Credentials::Cram { user: user.as_bytes().to_vec(), challenge: challenge.to_vec(), digest };
        assert_eq!(outcome(&authenticator, &credentials).await, expected, "{user}");
        assert_eq!(authenticator.checks() - before, 2, "the same work for {user}");
    }
}
