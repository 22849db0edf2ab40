//! Accounts in an SQLite file: what its rows mean, and what is said of what is wrong. The other databases are asked by the
//! tests of the running program.

use restante_auth::account::{AccountName, Bound};
use restante_auth::directory::{Circumstances, Service};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tempfile::TempDir;

use super::*;

struct Fixture {
    folder: TempDir,
    settings: Settings,
}

impl Fixture {
    /// A database in which these statements were run.
    async fn new(statements: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let fixture = Self {
            settings: Settings {
                url: DatabaseUrl::parse(&format!("sqlite:{}/mail.db", folder.path().display())).unwrap(),
                authority: None,
                lookup: "SELECT * FROM accounts WHERE account = :account".to_owned(),
                check: None,
                list: None,
                alias: None,
                upgrade: None,
                connections: 2,
                timeout: Duration::from_secs(20),
                scheme: Scheme::Plain,
                addresses: address::Settings::default(),
            },
            folder,
        };
        fixture.run(statements).await;
        fixture
    }

    async fn run(&self, statements: &str) {
        let path = self.folder.path().join("mail.db");
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await.unwrap();
    }

    fn lookup(mut self, query: &str) -> Self {
        query.clone_into(&mut self.settings.lookup);
        self
    }

    fn open(&self) -> SqlDirectory {
        SqlDirectory::new(self.settings.clone()).unwrap()
    }
}

async fn look(directory: &SqlDirectory, name: &str) -> Result<Option<Entry>, SourceError> {
    let name = AccountName::new(name).unwrap();
    let at = Circumstances::new(Service::Pop3, Instant::now());
    directory.lookup(&Question { name: &name, at }).await
}

async fn error(directory: &SqlDirectory) -> String {
    let error = look(directory, "bob").await.unwrap_err();
    assert!(!error.is_temporary(), "{error}");
    error.to_string()
}

async fn check(directory: &SqlDirectory, name: &str, password: &[u8]) -> Result<Checked, SourceError> {
    let name = AccountName::new(name).unwrap();
    let at =
        Circumstances { peer: "192.0.2.7".parse().ok(), ..Circumstances::new(Service::Pop3, Instant::now()) };
    directory.check(&Question { name: &name, at }, &Secret::new(password.to_vec())).await
}

const ACCOUNTS: &str = "
CREATE TABLE accounts (account TEXT, password TEXT, maildrop TEXT, quota_octets INTEGER, locked BOOLEAN, networks TEXT);
INSERT INTO accounts VALUES ('bob', 'secret', '/srv/mail/bob', 1000000, FALSE, NULL);
INSERT INTO accounts VALUES ('eve', 'secret', NULL, 0, TRUE, '192.0.2.0/24');
INSERT INTO accounts VALUES ('it''s', 'x', NULL, NULL, NULL, '');
";

#[tokio::test]
async fn a_row_is_an_account() {
    let fixture = Fixture::new(ACCOUNTS).await;
    let directory = fixture.open();
    let bob = look(&directory, "bob").await.unwrap().unwrap();
    assert!(bob.password.fits(b"secret").unwrap());
    assert_eq!(bob.account.maildrop.as_deref(), Some("/srv/mail/bob".as_ref()));
    assert_eq!(bob.account.quota.octets.and_then(Bound::max), Some(1_000_000));
    let eve = look(&directory, "eve").await.unwrap().unwrap();
    assert!(eve.password.is_locked() && eve.account.maildrop.is_none());
    assert_eq!((eve.account.quota.octets, eve.account.networks.unwrap().len()), (Some(Bound::Unlimited), 1));
    assert!(look(&directory, "it's").await.unwrap().is_some());
    assert!(look(&directory, "x' OR 'a' = 'a").await.unwrap().is_none());
    // What changes counts at once.
    fixture.run("UPDATE accounts SET password = 'other' WHERE account = 'bob'").await;
    let bob = look(&directory, "bob").await.unwrap().unwrap();
    assert!(bob.password.fits(b"other").unwrap());
    assert!(directory.probe().await.is_ok());
}

/// The same for the other databases is in restante-test.
#[tokio::test]
async fn what_a_peer_says_is_never_part_of_a_query() {
    let long = ["'".repeat(255), "\\".repeat(255), "%'--".repeat(63)];
    let hostile = [
        "it's",
        "'",
        "''",
        "\\",
        "\\'",
        "\"q\"",
        "`q`",
        "[q]",
        "%",
        "_",
        "%'--",
        "x' OR 'a'='a",
        "x';DROP TABLE accounts;--",
        "x' UNION SELECT account FROM accounts--",
        "?",
        "?1",
        ":account",
        "a@account",
        "$account",
        "l'--@d';--",
    ];
    let names: Vec<&str> = hostile.into_iter().chain(long.iter().map(String::as_str)).collect();
    let password_of = |index: usize| names[names.len() - 1 - index].repeat(if index < 3 { 4 } else { 1 });
    let hexed = |text: &str| {
        let hex: String = text.bytes().map(|octet| format!("{octet:02x}")).collect();
        format!("CAST(X'{hex}' AS TEXT)")
    };
    let mut statements = "CREATE TABLE accounts (account TEXT, password TEXT, home TEXT);".to_owned();
    for (index, name) in names.iter().enumerate() {
        let (name, password) = (hexed(name), hexed(&password_of(index)));
        statements += &format!("INSERT INTO accounts VALUES ({name}, {password}, '/{index}');");
    }
    let mut fixture = Fixture::new(&statements).await.lookup(
        "SELECT home FROM accounts WHERE account = :account AND account = :local || coalesce('@' || :domain, '')",
    );
    fixture.settings.check =
        Some("SELECT password = :password FROM accounts WHERE account = :account".to_owned());
    fixture.settings.alias = Some("SELECT home FROM accounts WHERE account = :account".to_owned());
    let directory = fixture.open();
    for (index, name) in names.iter().enumerate() {
        let found = look(&directory, name).await.unwrap().unwrap_or_else(|| panic!("{name}"));
        assert_eq!(found.account.home, Some(format!("/{index}").into()), "{name}");
        let password = password_of(index);
        assert!(
            matches!(check(&directory, name, password.as_bytes()).await, Ok(Checked::Right(_))),
            "{name}"
        );
        for wrong in hostile.iter().filter(|wrong| **wrong != password) {
            let checked = check(&directory, name, wrong.as_bytes()).await;
            assert!(matches!(checked, Ok(Checked::Wrong)), "{name}: {wrong}");
        }
        let name = AccountName::new(name).unwrap();
        let at = Circumstances::new(Service::Lmtp, Instant::now());
        let aliased = directory.alias(Alias::Name(&name), at).await.unwrap_err().to_string();
        assert!(aliased.contains(&format!("answers for {name} with \"/{index}\"")), "{aliased}");
    }
    for nobody in ["x", "account", "%%", "__", "x'", "''''", "\\\\"] {
        assert!(look(&directory, nobody).await.unwrap().is_none(), "{nobody}");
    }
}

#[tokio::test]
async fn a_row_of_another_name_is_nobodys() {
    let loose = "SELECT * FROM accounts WHERE account LIKE :account";
    let fixture = Fixture::new(ACCOUNTS).await.lookup(loose);
    let directory = fixture.open();
    assert!(look(&directory, "b_b").await.unwrap().is_none());
    assert!(
        look(&directory, "BOB").await.unwrap().is_some(),
        "case is for the server's configuration to decide"
    );
}

#[tokio::test]
async fn names_come_in_parts() {
    let fixture = Fixture::new(
        "CREATE TABLE t (l TEXT, d TEXT, s TEXT); INSERT INTO t VALUES ('bob', 'example.org', 'pop3'), ('al', NULL, 'pop3');",
    )
    .await
    .lookup("SELECT 'x' AS password FROM t WHERE l = :local AND d IS :domain AND s = :service AND :peer IS NULL");
    let directory = fixture.open();
    for (name, is_there) in
        [("bob@example.org", true), ("bob", false), ("al", true), ("al@example.org", false)]
    {
        assert_eq!(look(&directory, name).await.unwrap().is_some(), is_there, "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_once_and_clearly() {
    for (query, said) in [
        (
            "SELECT nosuch FROM accounts WHERE account = :account",
            "`lookup` cannot be run: no such column: nosuch",
        ),
        (
            "SELECT password, 1 AS quota FROM accounts WHERE account = :account",
            "there is no field \"quota\"; there are password",
        ),
        ("SELECT password FROM accounts WHERE :account = 'bob'", "more than one row for one account"),
        (
            "SELECT 1 AS home, '/x' AS HOME FROM accounts WHERE account = :account",
            "two columns of the name home",
        ),
        (
            "SELECT x'ff00' AS home FROM accounts WHERE account = :account",
            "the column home of `lookup` is octets",
        ),
        ("SELECT zeroblob(70000) AS home FROM accounts WHERE account = :account", "longer than any field"),
        (
            "SELECT 'bob' AS home FROM accounts WHERE account = :account",
            "bob: the field home is \"bob\"; give an absolute path",
        ),
    ] {
        let fixture = Fixture::new(ACCOUNTS).await.lookup(query);
        let directory = fixture.open();
        let error = error(&directory).await;
        assert!(error.contains(said), "{query}: {error}");
        assert!(error.starts_with("sql sqlite /"), "{error}");
    }
    let fixture = Fixture::new(ACCOUNTS).await.lookup("SELECT 1 AS quota, :account AS home");
    let directory = fixture.open();
    let error = directory.probe().await.unwrap_err().to_string();
    assert!(error.contains("answers with the column quota, and there is no such field"), "{error}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_asked_again() {
    let fixture = Fixture::new(ACCOUNTS).await;
    let (path, away) = (fixture.folder.path().join("mail.db"), fixture.folder.path().join("away.db"));
    std::fs::rename(&path, &away).unwrap();
    let directory = fixture.open();
    let error = look(&directory, "bob").await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("cannot be reached"), "{error}");
    assert!(!path.exists(), "a database that is not there is not made");
    std::fs::rename(&away, &path).unwrap();
    assert!(look(&directory, "bob").await.unwrap().is_some());
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS home FROM n WHERE :account = 'bob'";
    let mut fixture = Fixture::new(ACCOUNTS).await.lookup(endless);
    fixture.settings.timeout = Duration::from_secs(1);
    fixture.settings.connections = 1;
    let directory = fixture.open();
    // The second waits for the first's connection, and gets it or not: it takes no longer in either case.
    let (one, other) = tokio::join!(look(&directory, "bob"), look(&directory, "bob"));
    for error in [one, other].map(|answered| answered.map(|_| ()).unwrap_err()) {
        let said = error.to_string();
        let is_late =
            said.contains("no answer within 1 s") || said.contains("no connection was free within 1 s");
        assert!(error.is_temporary() && is_late, "{said}");
    }
}

#[tokio::test]
async fn the_database_may_check_passwords() {
    let mut fixture = Fixture::new(ACCOUNTS).await;
    fixture.settings.check = Some(
        "SELECT password = :password AND :peer = '192.0.2.7' FROM accounts WHERE account = :account"
            .to_owned(),
    );
    let directory = fixture.open();
    assert!(directory.checks() && directory.decoy(1).is_none());
    let right = check(&directory, "bob", b"secret").await.unwrap();
    let Checked::Right(account) = right else { panic!("{right:?}") };
    assert_eq!(account.maildrop.as_deref(), Some("/srv/mail/bob".as_ref()));
    for password in [&b"Secret"[..], b"' OR 1=1 --", b"secret\0", b"\xff", b"\\", b""] {
        let checked = check(&directory, "bob", password).await.unwrap();
        assert!(matches!(checked, Checked::Wrong), "{checked:?}");
    }
    assert!(matches!(check(&directory, "eve", b"secret").await.unwrap(), Checked::Locked));
    assert!(matches!(check(&directory, "nobody", b"secret").await.unwrap(), Checked::Unknown));
    assert!(directory.probe().await.is_ok());
}

#[tokio::test]
async fn a_check_answers_with_one_boolean() {
    for (query, expected) in [
        ("SELECT NULL WHERE :account IS NOT NULL AND :password = 'x'", Ok(false)),
        ("SELECT 1 WHERE :account = 'bob' AND :password = 'x'", Ok(true)),
        ("SELECT 1 WHERE :account = 'bob' AND :password = 'y'", Ok(false)),
        ("SELECT :account WHERE :password = 'x'", Err("does not answer with true or false")),
        ("SELECT 1, 2 WHERE :account = 'bob' AND :password = 'x'", Err("does not answer with true or false")),
        ("SELECT 1 FROM accounts WHERE :account = 'bob' AND :password = 'x'", Err("more than one row")),
    ] {
        let mut fixture = Fixture::new(ACCOUNTS).await;
        fixture.settings.check = Some(query.to_owned());
        let checked = check(&fixture.open(), "bob", b"x").await;
        match (checked, expected) {
            (Ok(checked), Ok(is_right)) => {
                assert_eq!(matches!(checked, Checked::Right(_)), is_right, "{query}")
            }
            (Err(error), Err(said)) => assert!(error.to_string().contains(said), "{query}: {error}"),
            (checked, _) => panic!("{query}: {checked:?}"),
        }
    }
}

#[tokio::test]
async fn all_accounts_are_listed_with_what_is_said_of_them() {
    let mut fixture = Fixture::new(ACCOUNTS).await;
    let directory = fixture.open();
    assert!(directory.list(Instant::now()).await.unwrap().is_none());
    fixture.settings.list =
        Some("SELECT upper(account) AS account, password, maildrop FROM accounts".to_owned());
    let listed = fixture.open().list(Instant::now()).await.unwrap().unwrap();
    let names: Vec<&str> = listed.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["bob", "eve", "it's"]);
    assert_eq!(listed[0].maildrop.as_deref(), Some("/srv/mail/bob".as_ref()));
    for (query, said) in [
        ("SELECT password FROM accounts", "without the names of accounts"),
        ("SELECT '../x' AS account", "the account \"../x\""),
        ("SELECT account, 7 AS uid, 7 AS sevens FROM accounts", "no field \"sevens\""),
    ] {
        fixture.settings.list = Some(query.to_owned());
        let error = fixture.open().list(Instant::now()).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    fixture.settings.list = Some("SELECT password FROM accounts".to_owned());
    assert!(fixture.open().probe().await.unwrap_err().to_string().contains("without the names"));
}

#[tokio::test]
async fn an_upgrade_compares_before_it_sets() {
    let mut fixture = Fixture::new(ACCOUNTS).await;
    let folder = fixture.folder.path().display().to_string();
    fixture.settings.url = DatabaseUrl::parse(&format!("sqlite:{folder}/mail.db?mode=rw")).unwrap();
    let statement = "UPDATE accounts SET password = :new WHERE account = :account AND password = :old";
    fixture.settings.upgrade = Some(statement.to_owned());
    let directory = fixture.open();
    assert!(directory.probe().await.is_ok());
    let [bob, eve, nobody] = ["bob", "eve", "nobody"].map(|name| AccountName::new(name).unwrap());
    let upgrade = async |directory: &SqlDirectory, name: &AccountName, password: &str| {
        let at = Circumstances::new(Service::Pop3, Instant::now());
        let password = Secret::new(password.as_bytes().to_vec());
        Directory::upgrade(directory, &Question { name, at }, &password).await
    };
    assert!(!upgrade(&directory, &bob, "wrong").await.unwrap());
    assert!(!upgrade(&directory, &nobody, "secret").await.unwrap());
    assert!(upgrade(&directory, &bob, "secret").await.unwrap());
    let entry = look(&directory, "bob").await.unwrap().unwrap();
    assert_eq!(entry.password.standing(), restante_auth::password::Standing::Kept);
    assert!(entry.password.fits(b"secret").unwrap());
    // Somebody sets a new password between the look and the change.
    fixture
        .run(
            "CREATE VIEW raced AS SELECT account, 'secret' AS password FROM accounts; \
              UPDATE accounts SET password = 'other' WHERE account = 'eve'",
        )
        .await;
    let raced = fixture.lookup("SELECT account, password FROM raced WHERE account = :account");
    assert!(!upgrade(&raced.open(), &eve, "secret").await.unwrap());
    let raced = raced.lookup("SELECT * FROM accounts WHERE account = :account");
    assert!(look(&raced.open(), "eve").await.is_ok());
    assert!(upgrade(&raced.open(), &eve, "other").await.unwrap(), "what is there is upgraded");
    // One that cannot write says so.
    let mut reading = raced;
    reading.settings.url = DatabaseUrl::parse(&format!("sqlite:{folder}/mail.db")).unwrap();
    reading.run("UPDATE accounts SET password = 'third' WHERE account = 'bob'").await;
    assert!(upgrade(&reading.open(), &bob, "third").await.unwrap_err().to_string().contains("upgrade"));
    reading.settings.upgrade = Some("UPDATE accounts SET password = :new WHERE :account <> :old".to_owned());
    reading.settings.url = DatabaseUrl::parse(&format!("sqlite:{folder}/mail.db?mode=rw")).unwrap();
    let said = upgrade(&reading.open(), &bob, "third").await.unwrap_err().to_string();
    assert!(said.contains("has changed 3 rows"), "{said}");
}

#[test]
fn an_upgrade_must_compare() {
    let settings = |statement: &str| Settings {
        url: DatabaseUrl::parse("sqlite:/x").unwrap(),
        authority: None,
        lookup: "SELECT :account AS password".to_owned(),
        check: None,
        list: None,
        alias: None,
        upgrade: Some(statement.to_owned()),
        connections: 1,
        timeout: Duration::from_secs(1),
        scheme: Scheme::Plain,
        addresses: address::Settings::default(),
    };
    for (statement, said) in [
        ("UPDATE a SET p = :new WHERE n = :account", "does not compare with :old"),
        ("UPDATE a SET p = :new WHERE p = :old", "does not say which account"),
        (
            "UPDATE a SET p = :new WHERE p = :old AND n = :account AND x = :password",
            "no placeholder :password",
        ),
    ] {
        let faults = settings(statement).faults();
        assert!(faults[0].0 == "upgrade" && faults[0].1.what.contains(said), "{faults:?}");
    }
    let right = "UPDATE a SET p = :new WHERE p = :old AND n = :account";
    assert!(settings(right).faults().is_empty());
}

#[tokio::test]
async fn an_alias_is_a_row_of_its_own() {
    let aliases = "CREATE TABLE aliases (alias TEXT, account TEXT); INSERT INTO aliases VALUES ('info', 'Bob'), ('@example.org', 'eve'), \
                   ('two', 'bob'), ('two', 'eve'), ('none', NULL), ('odd', '../bob')";
    let mut fixture = Fixture::new(&format!("{ACCOUNTS}{aliases}")).await;
    fixture.settings.alias = Some("SELECT account FROM aliases WHERE alias = :account".to_owned());
    let directory = fixture.open();
    assert!(directory.probe().await.is_ok());
    let at = Circumstances::new(Service::Lmtp, Instant::now());
    let alias = async |name: &str| {
        let name = AccountName::new(name).unwrap();
        let account = directory.alias(Alias::Name(&name), at).await;
        account.map(|account| account.map(|account| account.to_string())).map_err(|error| error.to_string())
    };
    assert_eq!(alias("info").await, Ok(Some("bob".to_owned())));
    assert_eq!(
        (alias("bob").await, alias("none").await, alias("x' OR 'a'='a").await),
        (Ok(None), Ok(None), Ok(None))
    );
    assert!(alias("two").await.unwrap_err().contains("more than one row"));
    assert!(alias("odd").await.unwrap_err().contains("answers for odd with \"../bob\""));
    let whole = directory.alias(Alias::Domain("example.org"), at).await.unwrap();
    assert_eq!(whole.unwrap().as_str(), "eve");
    assert_eq!(directory.alias(Alias::Domain("example.net"), at).await.unwrap(), None);
    fixture.settings.alias = Some("SELECT account, alias FROM aliases WHERE alias = :account".to_owned());
    assert!(
        fixture.open().probe().await.unwrap_err().to_string().contains("does not answer with one account")
    );
}
