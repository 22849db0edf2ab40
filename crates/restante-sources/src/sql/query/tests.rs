//! Placeholders in queries, and what only looks like one.

use proptest::prelude::*;

use super::Dialect::{MySql, Postgres, Sqlite};
use super::*;

fn parse(text: &str, dialect: Dialect) -> Result<Query, String> {
    Query::parse(text, dialect, Purpose::Lookup).map_err(|problem| problem.to_string())
}

#[test]
fn each_database_gets_its_own_parameters() {
    let written = "SELECT a FROM t WHERE a = :account AND d=:domain OR a = :account;";
    let query = parse(written, Postgres).unwrap();
    assert_eq!(&*query.text, "SELECT a FROM t WHERE a = $1 AND d=$2 OR a = $1");
    assert_eq!(query.bindings, [Placeholder::Account, Placeholder::Domain]);
    for dialect in [MySql, Sqlite] {
        let query = parse(written, dialect).unwrap();
        assert_eq!(&*query.text, "SELECT a FROM t WHERE a = ? AND d=? OR a = ?");
        assert_eq!(query.bindings, [Placeholder::Account, Placeholder::Domain, Placeholder::Account]);
    }
    let query =
        Query::parse("SELECT f(:password,:peer,:service) WHERE n=:local", Postgres, Purpose::Check).unwrap();
    assert_eq!(&*query.text, "SELECT f($1,$2,$3) WHERE n=$4");
    let list = Query::parse(" SELECT account FROM t -- all\n", Sqlite, Purpose::List).unwrap();
    assert_eq!((&*list.text, list.bindings.len()), ("SELECT account FROM t -- all", 0));
}

#[test]
fn what_only_looks_like_a_placeholder_stays() {
    for (dialect, text) in [
        (
            Postgres,
            "SELECT ':x y', \"a:b\", 'it''s :b', E'\\':c', 'C:\\', $$ :d ' $$, $t$ $$ :e $t$, a::text, b[1:2]",
        ),
        (Postgres, "SELECT a -- :comment '\n, b /* :c /* nested ' */ :d */, f(x := 1), j ? 'k', e #> '{a}'"),
        (Postgres, "SELECT price$1a, name'E', \"E\"':x y'"),
        (MySql, "SELECT ':x \\' :y', \"a:b\\\"\", `c:d`, 1--1, @v := 2 # :comment\n, a -- :b\n, /* :c */ 1"),
        (Sqlite, "SELECT ':x ''', \"a:b\", [c:d '], `e:f`, 'C:\\' /* :c */ -- :d"),
    ] {
        let query = parse(&format!("{text}\n= :account"), dialect).unwrap();
        let parameter = if dialect == Postgres { "$1" } else { "?" };
        assert_eq!(&*query.text, format!("{text}\n= {parameter}"), "{dialect:?}");
        assert_eq!(query.bindings, [Placeholder::Account], "{dialect:?} {text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    for (dialect, text, said) in [
        (Sqlite, "", "the query is empty"),
        (Sqlite, "SELECT 1 WHERE :account; DROP TABLE t", "more than one statement"),
        (Sqlite, "SELECT 1 WHERE :account;;", "more than one statement"),
        (Postgres, "SELECT 1 WHERE a = :account; - 1", "more than one statement"),
        (
            Postgres,
            "SELECT 1 WHERE a = :user",
            "no placeholder :user in this query; there are :account, :local",
        ),
        (Postgres, "SELECT 1 WHERE a = :password", "only `check` is given the password"),
        (Postgres, "SELECT 1 WHERE a = $1", "$ stands for a value that nobody gives"),
        (MySql, "SELECT 1 WHERE a = ?", "? stands for a value that nobody gives"),
        (Sqlite, "SELECT 1 WHERE a = @account", "@ stands for a value that nobody gives"),
        (MySql, "SELECT 1 WHERE a = ':account'", ":account stands in quotes"),
        (MySql, "SELECT 1 WHERE a = '%u'", "%u stands in quotes"),
        (MySql, "SELECT 1 WHERE a = '%Lu'", "%Lu stands in quotes"),
        (Postgres, "SELECT 1 WHERE a = '%{user}'", "%{user} stands in quotes"),
        (MySql, "SELECT 1 /*! , 2 */ WHERE a = :account", "run by the database"),
        (MySql, "SELECT 1 /*M!100100 , 2 */ WHERE a = :account", "run by the database"),
        (MySql, "SELECT 'a\\' WHERE a = :account", "does not end; close it with '"),
        (Postgres, "SELECT $a$ WHERE a = :account", "close it with $a$"),
        (Postgres, "SELECT /* /* */ WHERE a = :account", "close it with */"),
        (Sqlite, "SELECT [a WHERE a = :account", "close it with ]"),
        (Sqlite, "SELECT 1 FROM t", "does not say which account"),
        (Sqlite, "SELECT 1\0 = :account", "NUL"),
    ] {
        let error = parse(text, dialect).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
    let check = |text| Query::parse(text, Sqlite, Purpose::Check).unwrap_err().to_string();
    assert!(check("SELECT 1 WHERE a = :account").contains("does not look at the password"));
    let list = Query::parse("SELECT a = :account", Sqlite, Purpose::List).unwrap_err().to_string();
    assert!(list.contains("takes none"), "{list}");
    let end = parse("SELECT a = :account ; -- that is all\n/* really */ ", MySql).unwrap();
    assert_eq!(&*end.text, "SELECT a = ?");
}

proptest! {
    /// Whatever is written: an answer, and never more parameters than placeholders.
    #[test]
    fn any_text_gets_an_answer(text in "[ a:;'\"`$?@#*/\\[\\]\\\\E=0-]{0,40}(:account)?[ a:;'\"$*/-]{0,9}") {
        for dialect in [Postgres, MySql, Sqlite] {
            if let Ok(query) = Query::parse(&text, dialect, Purpose::Lookup) {
                prop_assert!(query.bindings.len() <= text.matches(":account").count());
            }
        }
    }
}
