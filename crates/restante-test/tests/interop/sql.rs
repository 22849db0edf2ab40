//! Accounts in a real PostgreSQL and a real MariaDB: logins, deliveries, and what comes of a database that is away or wrong.

use std::time::{Duration, Instant};

use restante_auth::account::AccountName;
use restante_auth::address;
use restante_auth::directory::{Alias, Checked, Circumstances, Directory, Question, Service};
use restante_auth::password::Scheme;
use restante_proto::secret::Secret;
use restante_sources::sql::url::DatabaseUrl;
use restante_sources::sql::{Settings, SqlDirectory};
use restante_test::certificate::Flaw;
use restante_test::mail::{canonical, sized};
use restante_test::real::database::{Brand, Database};
use restante_test::real::site::{SMTP, Site};
use restante_test::real::{Server, Setup};
use restante_test::wait;

/// A database with accounts, and Restante with them as its only source, apart from an empty file.
struct Scene {
    database: Database,
    server: Server,
}

const LOOKUP: &str =
    "SELECT name AS account, password, maildrop, quota_messages, locked FROM accounts WHERE name = :account";

impl Scene {
    fn new(brand: Brand, keys: &str) -> Self {
        let mut setup = Setup { accounts: Vec::new(), tls: false, ..Setup::default() };
        // Many wrong passwords come from one address here.
        setup.restante.push(("defence".to_owned(), "penalty_s = 0".to_owned()));
        let site = Site::new(&setup);
        // Nobody else uses this port of the site here.
        let database = Database::start(brand, site.address(SMTP));
        let root = site.path().display().to_string();
        database.sql(&format!(
            "CREATE TABLE accounts (name VARCHAR(255), password VARCHAR(255), maildrop VARCHAR(255), quota_messages BIGINT, locked BOOLEAN);
             INSERT INTO accounts VALUES ('alice', '{{PLAIN}}secret', '{root}/mail/of-alice', 1, FALSE);
             INSERT INTO accounts VALUES ('bob', '{{SSHA}}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE', NULL, NULL, NULL);
             INSERT INTO accounts VALUES ('carol', 'secret', NULL, NULL, TRUE), ('dave', 'x', NULL, NULL, NULL), ('dave', 'y', NULL, NULL, NULL);
             {}",
            if brand == Brand::Postgres { "GRANT SELECT ON accounts TO restante;" } else { "" }
        ));
        for account in ["of-alice", "bob"] {
            site.make_maildrop(account);
        }
        let mut server = Server::restante_at(site, &setup);
        let url = database.url("secret");
        configure(&server, &format!("url = \"{url}\"\nlookup = \"{LOOKUP}\"\nscheme = \"PLAIN\"\n{keys}"));
        server.start_again();
        Self { database, server }
    }

    /// Starts the server again with another source.
    fn reconfigure(&mut self, keys: &str) {
        self.server.stop();
        configure(&self.server, keys);
        self.server.start_again();
    }

    fn recipient(&self, name: &str) -> u16 {
        let mut peer = self.server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<sender@example.org> SMTPUTF8"), 250);
        peer.code(&format!("RCPT TO:<{name}@example.org>"))
    }

    fn logs(&self, what: &str) {
        wait::until(what, || self.server.log().contains(what));
    }
}

/// Puts the SQL source in place of the file.
fn configure(server: &Server, keys: &str) {
    let path = server.site().path().join("restante.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find("[[auth.source]]").unwrap();
    let end = text.find("[maildrop]").unwrap();
    let text = format!("{}[[auth.source]]\ntype = \"sql\"\n{keys}\n{}", &text[..start], &text[end..]);
    std::fs::write(path, text).unwrap();
}

fn accounts_log_in_and_get_mail(brand: Brand) {
    let scene =
        Scene::new(brand, "list = \"SELECT name AS account, maildrop FROM accounts WHERE name <> 'dave'\"");
    for (name, password) in [("alice", "secret"), ("ALICE", "secret")] {
        assert!(scene.server.try_login(name, password).starts_with("+OK"), "{}", scene.server.log());
    }
    for (name, password) in [
        ("alice", "Secret"),
        ("alice", "' OR 1=1 --"),
        ("alice", "\\"),
        ("alice'OR'1'='1", "secret"),
        ("alice'--", "secret"),
        ("alice\\", "secret"),
        ("nobody", "secret"),
        ("carol", "secret"),
        ("bob", "{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE"),
    ] {
        let said = scene.server.try_login(name, password);
        assert!(said.starts_with("-ERR [AUTH]"), "{name} {password}: {said}");
    }
    // What a database's collation takes for the same name is another account.
    assert_eq!([scene.recipient("alic\u{e9}"), scene.recipient("nobody")], [550, 550]);
    assert_eq!(scene.recipient("alice"), 250);
    // Path and quota come from the row.
    scene.server.deliver(&["alice", "bob", "carol"], &canonical(&sized(300)));
    assert_eq!(scene.server.site().files("of-alice").len(), 1);
    assert_eq!(scene.server.site().files("bob").len(), 1);
    assert_eq!(scene.recipient("alice"), 452);
    let (code, listed) = scene.server.restante(&["maildrop", "list"]);
    assert!(code == 0 && listed.contains("470  alice") && listed.contains("carol"), "{listed}");
    // Two rows for one name are nobody's guess.
    assert!(scene.server.try_login("dave", "x").starts_with("-ERR [SYS/PERM]"));
    scene.logs("`lookup` answers with more than one row for one account");
    assert_eq!(scene.recipient("dave"), 451);
}

fn a_database_goes_and_comes_back(brand: Brand) {
    let mut scene = Scene::new(brand, "");
    assert!(scene.server.try_login("alice", "secret").starts_with("+OK"));
    scene.database.stop();
    assert!(scene.server.try_login("alice", "secret").starts_with("-ERR [SYS/TEMP]"));
    assert_eq!(scene.recipient("alice"), 451);
    scene.logs("the database cannot be reached");
    // The server starts without it, too.
    scene.server.stop();
    scene.server.start_again();
    assert!(scene.server.try_login("alice", "secret").starts_with("-ERR [SYS/TEMP]"));
    scene.database.start_again();
    assert!(scene.server.try_login("alice", "secret").starts_with("+OK"), "{}", scene.server.log());
    // Connections that died in a restart are no reason to refuse anybody.
    scene.database.stop();
    scene.database.start_again();
    assert!(scene.server.try_login("alice", "secret").starts_with("+OK"), "{}", scene.server.log());
    assert_eq!(scene.recipient("alice"), 250);
}

fn what_is_wrong_is_in_the_log(brand: Brand) {
    let mut scene = Scene::new(brand, "");
    let (url, wrong) = (scene.database.url("secret"), scene.database.url("hunter2"));
    let lookup = |query: &str| format!("url = \"{url}\"\nscheme = \"PLAIN\"\nlookup = \"{query}\"");
    let sleep = if brand == Brand::Postgres { "pg_sleep(20)::text" } else { "SLEEP(20)" };
    for (keys, code, said) in [
        (format!("url = \"{wrong}\"\nlookup = \"{LOOKUP}\""), "[SYS/PERM]", "the database refuses us"),
        (lookup("SELECT nosuch FROM accounts WHERE name = :account"), "[SYS/PERM]", "`lookup` cannot be run"),
        (
            lookup("SELECT password, 1 AS quota FROM accounts WHERE name = :account"),
            "[SYS/PERM]",
            "there is no field",
        ),
        (
            lookup("SELECT CURRENT_DATE AS home FROM accounts WHERE name = :account"),
            "[SYS/PERM]",
            "is DATE, which is not read",
        ),
        (
            format!(
                "timeout_s = 1\n{}",
                lookup(&format!("SELECT {sleep} AS home FROM accounts WHERE name = :account"))
            ),
            "[SYS/TEMP]",
            "no answer within 1 s",
        ),
    ] {
        scene.reconfigure(&keys);
        let answered = scene.server.try_login("alice", "secret");
        assert!(answered.starts_with(&format!("-ERR {code}")), "{keys}: {answered}\n{}", scene.server.log());
        assert_eq!(scene.recipient("alice"), 451, "{keys}");
        scene.logs(said);
        assert!(!scene.server.log().contains("hunter2"), "{}", scene.server.log());
    }
}

fn the_database_checks_passwords(brand: Brand) {
    let check =
        "check = \"SELECT password = CONCAT('{PLAIN}', :password) FROM accounts WHERE name = :account\"";
    let scene = Scene::new(brand, check);
    assert!(scene.server.try_login("alice", "secret").starts_with("+OK"), "{}", scene.server.log());
    for (name, password) in [
        ("alice", "wrong"),
        ("alice", "' OR 1=1 --"),
        ("alice", "\\' OR 1=1 #"),
        ("carol", "secret"),
        ("nobody", "secret"),
    ] {
        assert!(scene.server.try_login(name, password).starts_with("-ERR [AUTH]"), "{name} {password}");
    }
    assert_eq!(scene.recipient("alice"), 250);
}

/// A source that looks up and does no more.
fn settings(url: &str, lookup: &str) -> Settings {
    Settings {
        url: DatabaseUrl::parse(url).unwrap(),
        authority: None,
        lookup: lookup.to_owned(),
        check: None,
        list: None,
        alias: None,
        upgrade: None,
        connections: 1,
        timeout: Duration::from_secs(20),
        scheme: Scheme::Plain,
        addresses: address::Settings::default(),
    }
}

/// What the database says of the connection that it is asked over, or what is wrong.
fn asked_by(url: &str, authority: Option<&[u8]>, lookup: &str) -> Result<String, String> {
    let directory =
        SqlDirectory::new(Settings { authority: authority.map(<[u8]>::to_vec), ..settings(url, lookup) })
            .unwrap();
    let name = AccountName::new("alice").unwrap();
    let question = Question { name: &name, at: Circumstances::new(Service::Pop3, Instant::now()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(directory.lookup(&question)).map_err(|error| error.to_string())?;
    let home = found.unwrap().account.home.unwrap();
    Ok(home.to_str().unwrap().to_owned())
}

/// With `ca` nothing is said to a database whose certificate is not of that authority for that name, or that has none.
fn a_database_is_believed_by_its_authority_alone(brand: Brand) {
    let lookup = match brand {
        Brand::Postgres => {
            "SELECT CASE WHEN ssl THEN '/tls' ELSE '/clear' END AS home FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND :account <> ''"
        }
        Brand::MariaDb => {
            "SELECT IF(VARIABLE_VALUE <> '', '/tls', '/clear') AS home FROM information_schema.SESSION_STATUS \
             WHERE VARIABLE_NAME = 'Ssl_cipher' AND :account <> ''"
        }
    };
    let sites: Vec<Site> = (0..3).map(|_| Site::new(&Setup { tls: false, ..Setup::default() })).collect();
    let right = Database::start_with_tls(brand, sites[0].address(SMTP), Flaw::None);
    let other = Database::start_with_tls(brand, sites[1].address(SMTP), Flaw::OtherName);
    let clear = Database::start(brand, sites[2].address(SMTP));
    let authority = right.authority();
    assert_eq!(asked_by(&right.url("secret"), Some(&authority), lookup).as_deref(), Ok("/tls"));
    // Another authority; the right one for another name; none at all. The password never gets there.
    for (url, authority, said) in [
        (right.url("hunter2"), other.authority(), "certificate"),
        (other.url("hunter2"), other.authority(), "certificate"),
        (clear.url("hunter2"), authority, "TLS"),
    ] {
        let why = asked_by(&url, Some(&authority), lookup).unwrap_err();
        assert!(why.contains(said) && !why.contains("hunter2"), "{url}: {why}");
    }
    for database in [&right, &other, &clear] {
        let log = database.log();
        assert!(!log.contains("authentication failed") && !log.contains("Access denied"), "{log}");
    }
    // Without `ca` it is as the url says: TLS with whoever is there.
    let mode = if brand == Brand::Postgres { "sslmode=require" } else { "ssl-mode=REQUIRED" };
    let url = format!("{}?{mode}", other.url("secret"));
    assert_eq!(asked_by(&url, None, lookup).as_deref(), Ok("/tls"));
}

/// Names and passwords that would be something else than text, were they ever part of a query.
const HOSTILE: &[&str] = &[
    "it's",
    "'",
    "''",
    "\\",
    "\\'",
    "\\' OR 1=1 #",
    "\"q\"",
    "`q`",
    "%",
    "_",
    "%'--",
    "x' OR 'a'='a",
    "x';DROP TABLE accounts;--",
    "x');DROP TABLE accounts;--",
    "x' UNION SELECT name FROM accounts--",
    "$1",
    "$$",
    "$x$'$x$",
    "?",
    ":account",
    "%s",
    "{0}",
    "0x27",
    "E'x'",
    "\u{2019}\u{bf5c}'",
    "'@'",
    "l'--@d\\';--",
];

/// The text of a value in SQL, without any quoting that could be wrong here.
fn hexed(brand: Brand, text: &str) -> String {
    let hex: String = text.bytes().map(|octet| format!("{octet:02x}")).collect();
    match brand {
        Brand::Postgres => format!("convert_from(decode('{hex}', 'hex'), 'UTF8')"),
        Brand::MariaDb => format!("CONVERT(X'{hex}' USING utf8mb4)"),
    }
}

/// Everything that a peer can say finds its own row and no other, in each kind of query.
fn what_a_peer_says_is_never_part_of_a_query(brand: Brand) {
    let site = Site::new(&Setup { tls: false, ..Setup::default() });
    let database = Database::start(brand, site.address(SMTP));
    let long = ["'".repeat(255), "\\".repeat(255), "'\\".repeat(127), "%'--".repeat(63)];
    let names: Vec<&str> = HOSTILE.iter().copied().chain(long.iter().map(String::as_str)).collect();
    // The password of each is another's name; some are as long as passwords may be.
    let password_of = |index: usize| names[names.len() - 1 - index].repeat(if index < 4 { 4 } else { 1 });
    let mut statements = "CREATE TABLE accounts \
        (name VARCHAR(255), local VARCHAR(255), domain VARCHAR(255), password VARCHAR(2000), home VARCHAR(255));"
        .to_owned();
    for (index, name) in names.iter().enumerate() {
        let (local, domain) = match name.split_once('@') {
            Some((local, domain)) => (local, hexed(brand, domain)),
            None => (*name, "NULL".to_owned()),
        };
        let password = hexed(brand, &format!("{{PLAIN}}{}", password_of(index)));
        let (name, local) = (hexed(brand, name), hexed(brand, local));
        statements +=
            &format!("INSERT INTO accounts VALUES ({name}, {local}, {domain}, {password}, '/{index}');");
    }
    let same = if brand == Brand::Postgres { "IS NOT DISTINCT FROM" } else { "<=>" };
    if brand == Brand::Postgres {
        statements += "GRANT SELECT, UPDATE ON accounts TO restante;";
    }
    database.sql(&statements);
    let lookup = format!(
        "SELECT name AS account, password, home FROM accounts \
         WHERE name = :account AND local = :local AND domain {same} :domain"
    );
    let directory = SqlDirectory::new(Settings {
        check: Some(
            "SELECT password = CONCAT('{PLAIN}', :password) FROM accounts WHERE name = :account".to_owned(),
        ),
        alias: Some("SELECT home FROM accounts WHERE name = :account".to_owned()),
        upgrade: Some(
            "UPDATE accounts SET password = :new WHERE name = :account AND password = :old".to_owned(),
        ),
        ..settings(&database.url("secret"), &lookup)
    })
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let at = Circumstances::new(Service::Pop3, Instant::now());
    for (index, name) in names.iter().enumerate() {
        let name = &AccountName::new(name).unwrap();
        let question = Question { name, at };
        let check = |password: &[u8]| {
            runtime.block_on(directory.check(&question, &Secret::new(password.to_vec()))).unwrap()
        };
        let found =
            runtime.block_on(directory.lookup(&question)).unwrap().unwrap_or_else(|| panic!("{name}"));
        assert_eq!(found.account.home, Some(format!("/{index}").into()), "{name}");
        let password = password_of(index);
        assert!(matches!(check(password.as_bytes()), Checked::Right(_)), "{name}: {password}");
        for wrong in HOSTILE.iter().map(|text| text.as_bytes()).chain([&b"x\0"[..], b"'\xff' OR 1=1"]) {
            if wrong != password.as_bytes() {
                assert!(matches!(check(wrong), Checked::Wrong), "{name}: {}", wrong.escape_ascii());
            }
        }
        // No account can be named so, which says whose row was found.
        let aliased = runtime.block_on(directory.alias(Alias::Name(name), at)).unwrap_err().to_string();
        assert!(aliased.contains(&format!("answers for {name} with \"/{index}\"")), "{aliased}");
        // What stands there goes back as `old`.
        let password = Secret::new(password.into_bytes());
        assert!(runtime.block_on(directory.upgrade(&question, &password)).unwrap(), "{name}");
        let found = runtime.block_on(directory.lookup(&question)).unwrap().unwrap();
        assert!(found.password.fits(password.expose()).unwrap(), "{name}");
    }
    for nobody in ["x", "account", "%%", "__", "x'", "''''", "\\\\"] {
        let name = AccountName::new(nobody).unwrap();
        let found = runtime.block_on(directory.lookup(&Question { name: &name, at })).unwrap();
        assert!(found.is_none(), "{nobody}");
    }
}

/// A value that was quoted well before it was pasted would be found too: the database tells the text that it was sent.
#[test]
fn postgres_is_sent_the_query_as_it_was_written() {
    let site = Site::new(&Setup { tls: false, ..Setup::default() });
    let database = Database::start(Brand::Postgres, site.address(SMTP));
    let lookup = "SELECT CONCAT('/', query) AS home FROM pg_stat_activity WHERE pid = pg_backend_pid() AND :account <> ''";
    let said = asked_by(&database.url("secret"), None, lookup).unwrap();
    assert_eq!(said, format!("/{}", lookup.replace(":account", "$1")));
}

#[test]
fn postgres_takes_what_a_peer_says_for_text() {
    what_a_peer_says_is_never_part_of_a_query(Brand::Postgres);
}

#[test]
fn mariadb_takes_what_a_peer_says_for_text() {
    what_a_peer_says_is_never_part_of_a_query(Brand::MariaDb);
}

#[test]
fn postgres_is_believed_by_its_authority_alone() {
    a_database_is_believed_by_its_authority_alone(Brand::Postgres);
}

#[test]
fn mariadb_is_believed_by_its_authority_alone() {
    a_database_is_believed_by_its_authority_alone(Brand::MariaDb);
}

#[test]
fn postgres_serves_logins_and_deliveries() {
    accounts_log_in_and_get_mail(Brand::Postgres);
}

#[test]
fn mariadb_serves_logins_and_deliveries() {
    accounts_log_in_and_get_mail(Brand::MariaDb);
}

#[test]
fn postgres_may_be_away() {
    a_database_goes_and_comes_back(Brand::Postgres);
}

#[test]
fn mariadb_may_be_away() {
    a_database_goes_and_comes_back(Brand::MariaDb);
}

#[test]
fn what_is_wrong_with_postgres_is_in_the_log() {
    what_is_wrong_is_in_the_log(Brand::Postgres);
}

#[test]
fn what_is_wrong_with_mariadb_is_in_the_log() {
    what_is_wrong_is_in_the_log(Brand::MariaDb);
}

#[test]
fn postgres_may_check_passwords() {
    the_database_checks_passwords(Brand::Postgres);
}

#[test]
fn mariadb_may_check_passwords() {
    the_database_checks_passwords(Brand::MariaDb);
}
