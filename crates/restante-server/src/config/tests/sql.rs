//! Accounts in a database, as they are written.

use super::{Config, folder, problems, read};

const LEAST: &str = "[[auth.source]]\ntype = \"sql\"\nurl = \"sqlite:mail.db\"\nlookup = \"SELECT password FROM a WHERE n = :account\"\n";

#[test]
fn what_is_written_is_what_is_meant() {
    let folder = folder();
    let config = read(&folder, LEAST).unwrap();
    let shown = config.show();
    let path = folder.path().join("mail.db");
    assert!(shown.contains(&format!("url = \"sqlite:{}\"", path.display())), "{shown}");
    for line in ["type = \"sql\"", "connections = 4", "timeout_s = 5", "scheme = \"CRYPT\""] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let again = Config { warnings: Vec::new(), ..read(&folder, &shown).unwrap() };
    assert_eq!(again, config);
    let secret = LEAST.replace("sqlite:mail.db", "postgres://me:hunter2@127.0.0.1/mail");
    let shown = read(&folder, &secret).unwrap().show();
    assert!(shown.contains("postgres://me:***@127.0.0.1/mail") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_file_may_hold_the_address() {
    let folder = folder();
    let text = LEAST.replace("url = \"sqlite:mail.db\"", "url_file = \"database\"");
    let said = |folder: &_| read(folder, &text).map(|_| ()).unwrap_err()[0].to_string();
    assert!(said(&folder).contains("cannot be read"));
    std::fs::write(folder.path().join("database"), "nothing\n").unwrap();
    assert!(said(&folder).contains("no database that is known"));
    std::fs::write(folder.path().join("database"), "mysql://me:hunter2@192.0.2.1/mail\n").unwrap();
    let config = read(&folder, &text).unwrap();
    let warned: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert!(warned.iter().any(|it| it.contains("on the way to the database")), "{warned:?}");
    assert!(warned.iter().any(|it| it.contains("every user of this machine can read")), "{warned:?}");
    assert!(!config.show().contains("hunter2"));
}

#[test]
fn what_is_wrong_is_told_at_its_key() {
    for (from, to, said) in [
        ("url = \"sqlite:mail.db\"", "", "a database that is not named"),
        ("sqlite:mail.db", "oracle://x/y", "no database that is known here"),
        ("lookup =", "list =", "without a query for an account"),
        (":account", ":user", "lookup: there is no placeholder :user"),
        (":account", "'%u'", "%u stands in quotes"),
        ("lookup =", "scheme = \"ROT13\"\nlookup =", "\"ROT13\" is no scheme"),
        ("lookup =", "ca = \"nowhere.pem\"\nlookup =", "nowhere.pem cannot be read"),
        (
            "lookup =",
            "check = \"SELECT 1 WHERE n = :account\"\nlookup =",
            "check: the query does not look at the password",
        ),
        ("lookup =", "list = \"SELECT :account\"\nlookup =", "list: there is no placeholder :account"),
        ("lookup =", "connections = 0\nlookup =", "connections = 0 is out of bounds"),
        ("lookup =", "timeout_s = 61\nlookup =", "timeout_s = 61 is out of bounds"),
        ("lookup =", "url_file = \"x\"\nlookup =", "name two databases"),
    ] {
        let found = problems(&LEAST.replace(from, to));
        assert!(found.iter().any(|it| it.contains(said)), "{said}: {found:?}");
    }
}
