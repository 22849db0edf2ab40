//! Several sources: whom each is asked about, what is taken of it, and what they say together.

use super::checking::Oracle;
use super::*;
use crate::account::{Account, Bound};

/// A directory whose accounts have settings, and can be listed or not.
#[derive(Debug, Default)]
struct Shelf {
    accounts: Vec<(&'static str, StoredPasswordOf, Account)>,
    is_listed: bool,
    fails: bool,
    asked: Mutex<Vec<String>>,
}

type StoredPasswordOf = fn() -> StoredPassword;

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn shelf(accounts: &[(&'static str, StoredPasswordOf, &str)]) -> Shelf {
    let with_home = |(name_, password, home): &(&'static str, StoredPasswordOf, &str)| {
        let home = Some(*home).filter(|home| !home.is_empty()).map(Into::into);
        (*name_, *password, Account::new(name(name_)).with_home(home))
    };
    Shelf { accounts: accounts.iter().map(with_home).collect(), is_listed: true, ..Shelf::default() }
}

fn secret() -> StoredPassword {
    StoredPassword::parse(b"{PLAIN}stored", Scheme::Plain).unwrap()
}

impl Directory for Shelf {
    fn source(&self) -> String {
        "shelf".to_owned()
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        self.asked.lock().unwrap().push(question.name.to_string());
        let found = self.accounts.iter().find(|(known, ..)| *known == question.name.as_str());
        let entry = found.map(|(_, password, account)| Entry {
            account: account.clone(),
            password: password(),
            scram: Vec::new(),
            app_passwords: Vec::new(),
        });
        let failure = || SourceError::temporary("shelf", Problem::new("it is down", "wait"));
        Box::pin(std::future::ready(if self.fails { Err(failure()) } else { Ok(entry) }))
    }

    fn reload(&self, _now: Instant) -> Answer<'_, usize> {
        Box::pin(std::future::ready(Ok(self.accounts.len())))
    }

    fn census(&self) -> Arc<Census> {
        let mut census = Census::default();
        self.accounts.iter().for_each(|(_, password, _)| census.add(&password(), &[]));
        Arc::new(census)
    }

    fn accounts(&self) -> usize {
        self.accounts.len()
    }

    fn list(&self, _now: Instant) -> Answer<'_, Option<Vec<Account>>> {
        let listed = || self.accounts.iter().map(|(.., account)| account.clone()).collect();
        Box::pin(std::future::ready(Ok(self.is_listed.then(listed))))
    }

    fn decoy(&self, _seed: u64) -> Option<StoredPassword> {
        self.accounts.first().map(|(_, password, _)| password())
    }
}

fn placed(directory: &Arc<impl Directory + 'static>, part: Part, domains: &[&str]) -> Placed {
    let source = Source::Other(Arc::clone(directory) as Arc<dyn Directory>);
    Placed { source, part, memory: None, domains: domains.iter().map(|&domain| domain.to_owned()).collect() }
}

fn by_address() -> Settings {
    let addresses = address::Settings { form: address::NameForm::Address, ..address::Settings::default() };
    Settings { addresses, ..settings() }
}

fn authenticator(places: Vec<Placed>) -> Authenticator {
    Authenticator::new(places, by_address()).unwrap()
}

/// The home that a login and a delivery find; they must be the same.
async fn home(authenticator: &Authenticator, user: &str, typed: &str) -> Option<String> {
    let credentials = password(user, typed.as_bytes(), Method::UserPass);
    let granted = match authenticator.verify(attempt(&credentials, Instant::now())).await {
        Verdict::Granted(grant) => grant.account,
        other => panic!("{other:?}"),
    };
    match authenticator.recipient(user.as_bytes(), Instant::now()).await {
        Recipient::Account(account) => assert_eq!(account, granted),
        other => panic!("{other:?}"),
    }
    granted.home.map(|home| home.display().to_string())
}

#[tokio::test]
async fn a_source_is_asked_about_its_domains_only() {
    let one = Arc::new(shelf(&[("bob@one.example", secret, "/1"), ("bob@two.example", secret, "/wrong")]));
    let two = Arc::new(shelf(&[("bob@two.example", secret, "/2"), ("bob", secret, "/wrong")]));
    let places =
        vec![placed(&one, Part::Both, &["One.Example."]), placed(&two, Part::Both, &["two.example"])];
    let authenticator = authenticator(places);
    assert_eq!(home(&authenticator, "bob@one.example", "stored").await.as_deref(), Some("/1"));
    assert_eq!(home(&authenticator, "BOB@Two.Example", "stored").await.as_deref(), Some("/2"));
    for user in ["bob@three.example", "bob"] {
        let credentials = password(user, b"stored", Method::UserPass);
        assert_eq!(outcome(&authenticator, &credentials).await, Err(Some(Reason::UnknownAccount)), "{user}");
    }
    assert_eq!(*two.asked.lock().unwrap(), ["bob@two.example"; 2]);
    let listed = authenticator.accounts(Instant::now()).await.unwrap();
    let homes: Vec<_> = listed.iter().map(|account| account.home.clone().unwrap()).collect();
    assert_eq!(homes, [std::path::PathBuf::from("/1"), "/2".into()]);
    let wrong = Authenticator::new(vec![placed(&one, Part::Both, &["a b"])], by_address()).unwrap_err();
    assert!(wrong.to_string().contains("the domain \"a b\""), "{wrong}");
}

#[tokio::test]
async fn one_source_has_the_password_and_another_the_settings() {
    let oracle = Arc::new(Oracle::new(&[("bob@x.example", "right"), ("eve@x.example", "right")]));
    for part in [Part::Settings, Part::Both] {
        let settings = Arc::new(shelf(&[("bob@x.example", secret, "/srv/bob")]));
        let authenticator =
            authenticator(vec![placed(&oracle, Part::Passwords, &[]), placed(&settings, part, &[])]);
        assert_eq!(home(&authenticator, "bob@x.example", "right").await.as_deref(), Some("/srv/bob"));
        // Known to the source of passwords alone, it is known.
        assert_eq!(home(&authenticator, "eve@x.example", "right").await, None);
        // The first source of passwords that knows the account decides.
        let stored = password("bob@x.example", b"stored", Method::UserPass);
        assert_eq!(outcome(&authenticator, &stored).await, Err(Some(Reason::WrongPassword)));
    }
}

#[tokio::test]
async fn a_source_of_settings_opens_nothing_by_password() {
    let settings = Arc::new(shelf(&[("bob@x.example", secret, "/srv/bob")]));
    let authenticator = authenticator(vec![placed(&settings, Part::Settings, &[])]);
    let stored = password("bob@x.example", b"stored", Method::UserPass);
    assert_eq!(outcome(&authenticator, &stored).await, Err(Some(Reason::UnknownAccount)));
    assert_eq!(authenticator.coverage(Mechanism::CramMd5), Coverage::None);
    // A certificate is another matter.
    let external = Credentials::External { authorization: None };
    let attempt = Attempt { certificate: Some("bob@x.example"), ..attempt(&external, Instant::now()) };
    assert!(matches!(authenticator.verify(attempt).await, Verdict::Granted(_)));
}

#[tokio::test]
async fn what_an_earlier_source_says_a_later_one_does_not_change() {
    let quota = |octets| crate::account::Quota { octets: Some(Bound::from_stored(octets)), messages: None };
    let mut first = shelf(&[("bob@x.example", secret, "/first")]);
    first.accounts[0].2.access = Some(Access::ReadOnly);
    let mut middle = shelf(&[("bob@x.example", secret, "/middle")]);
    middle.accounts[0].2.quota = quota(7);
    let mut last = shelf(&[("bob@x.example", secret, "")]);
    last.accounts[0].2 = last.accounts[0].2.clone().with_quota(quota(9));
    last.accounts[0].2.sessions_max = std::num::NonZeroU32::new(3);
    let (first, middle, last) = (Arc::new(first), Arc::new(middle), Arc::new(last));
    let another = Arc::new(shelf(&[("bob@x.example", secret, "/never")]));
    let authenticator = authenticator(vec![
        placed(&first, Part::Settings, &[]),
        placed(&middle, Part::Both, &[]),
        placed(&another, Part::Both, &[]),
        placed(&last, Part::Settings, &[]),
    ]);
    assert_eq!(home(&authenticator, "bob@x.example", "stored").await.as_deref(), Some("/first"));
    let Recipient::Account(account) = authenticator.recipient(b"bob@x.example", Instant::now()).await else {
        panic!("he is there");
    };
    assert_eq!(account.quota.octets.and_then(Bound::max), Some(7));
    assert_eq!(account.sessions_max.map(u32::from), Some(3));
    assert_eq!(account.access, Some(Access::ReadOnly));
    assert_eq!(authenticator.accounts(Instant::now()).await.unwrap(), [account]);
    assert!(another.asked.lock().unwrap().is_empty(), "one source of both is enough");
}

#[tokio::test]
async fn a_listed_account_has_what_a_source_says_that_cannot_list() {
    let passwords = Arc::new(shelf(&[("bob@x.example", secret, "")]));
    let settings = Arc::new(Shelf { is_listed: false, ..shelf(&[("bob@x.example", secret, "/srv/bob")]) });
    let authenticator =
        authenticator(vec![placed(&passwords, Part::Passwords, &[]), placed(&settings, Part::Settings, &[])]);
    let listed = authenticator.accounts(Instant::now()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].home.as_deref(), Some("/srv/bob".as_ref()));
}

#[tokio::test]
async fn a_source_of_settings_locks_by_saying_so_and_not_by_having_no_password() {
    let oracle = Arc::new(Oracle::new(&[("bob@x.example", "right")]));
    for (password_, expected) in [
        (StoredPassword::barred as StoredPasswordOf, Err(Some(Reason::Locked))),
        (StoredPassword::locked, Ok("bob@x.example".to_owned())),
        (StoredPassword::absent, Ok("bob@x.example".to_owned())),
    ] {
        let settings = Arc::new(shelf(&[("bob@x.example", password_, "/srv/bob")]));
        let authenticator =
            authenticator(vec![placed(&oracle, Part::Both, &[]), placed(&settings, Part::Settings, &[])]);
        let credentials = password("bob@x.example", b"right", Method::UserPass);
        assert_eq!(outcome(&authenticator, &credentials).await, expected);
        // Mail comes in for who may not log in.
        let found = authenticator.recipient(b"bob@x.example", Instant::now()).await;
        assert!(matches!(found, Recipient::Account(_)), "{found:?}");
    }
}

#[tokio::test]
async fn nobody_gets_in_while_his_settings_cannot_be_asked_for() {
    let oracle = Arc::new(Oracle::new(&[("bob@x.example", "right")]));
    let settings = Arc::new(Shelf { fails: true, ..shelf(&[]) });
    let authenticator =
        authenticator(vec![placed(&oracle, Part::Both, &[]), placed(&settings, Part::Settings, &[])]);
    let credentials = |typed: &[u8]| password("bob@x.example", typed, Method::UserPass);
    assert_eq!(outcome(&authenticator, &credentials(b"right")).await, Err(None));
    // Who has not shown who he is costs nobody a question.
    settings.asked.lock().unwrap().clear();
    assert_eq!(outcome(&authenticator, &credentials(b"wrong")).await, Err(Some(Reason::WrongPassword)));
    assert!(settings.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_account_without_a_password_is_open_to_others_than_passwords() {
    let accounts = Arc::new(shelf(&[("bob@x.example", StoredPassword::absent, "")]));
    let authenticator = authenticator(vec![placed(&accounts, Part::Both, &[])]);
    let credentials = password("bob@x.example", b"", Method::UserPass);
    assert_eq!(outcome(&authenticator, &credentials).await, Err(Some(Reason::InvalidPassword)));
    let credentials = password("bob@x.example", b"x", Method::UserPass);
    assert_eq!(outcome(&authenticator, &credentials).await, Err(Some(Reason::NoPassword)));
    let external = Credentials::External { authorization: None };
    let attempt = Attempt { certificate: Some("bob@x.example"), ..attempt(&external, Instant::now()) };
    assert!(matches!(authenticator.verify(attempt).await, Verdict::Granted(_)));
}
