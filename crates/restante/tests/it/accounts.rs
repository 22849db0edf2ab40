//! The life of an account in the embedded directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::scene::Scene;

#[test]
fn an_account_is_added_listed_changed_and_removed() {
    Scene::with_configuration().play("account.txt");
}

#[test]
fn what_cannot_be_an_account_is_refused() {
    Scene::with_configuration().play("account-refusals.txt");
}

#[test]
fn the_directory_is_its_owners_alone() {
    let scene = Scene::with_configuration();
    assert_eq!(scene.run(&["account", "add", "ann"], b"secret\n").code(), 0);
    let mode = |name: &str| fs::metadata(scene.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/accounts.redb")), (0o700, 0o600));
}

#[test]
fn a_damaged_directory_is_told_and_not_replaced() {
    let scene = Scene::with_configuration();
    scene.write("state/accounts.redb", "this is no database");
    for words in [
        &["account", "list"][..],
        &["account", "add", "ann"],
        &["account", "remove", "ann"],
        &["maildrop", "list"],
    ] {
        let answer = scene.run(words, b"secret\n");
        assert_ne!(answer.code(), 0, "{words:?}");
        assert!(answer.stderr.contains("state/accounts.redb"), "{words:?}: {}", answer.stderr);
    }
    assert_eq!(fs::read_to_string(scene.path("state/accounts.redb")).unwrap(), "this is no database");
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let scene = Scene::with_configuration();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let scene = &scene;
            scope.spawn(move || {
                let name = format!("account{number}");
                let answer = scene.run(&["account", "add", &name], b"secret\n");
                assert_eq!(answer.code(), 0, "{}", answer.stderr);
            });
        }
    });
    let listed = scene.run(&["account", "list", "--json"], b"").stdout;
    assert_eq!(listed.matches("\"account\"").count(), 4, "{listed}");
}

#[test]
fn fields_are_set_and_an_account_is_disabled() {
    Scene::with_configuration().play("account-fields.txt");
}

#[test]
fn an_app_password_is_shown_once_and_revoked() {
    let scene = Scene::with_configuration();
    assert_eq!(scene.run(&["account", "add", "ann", "--no-password"], b"").code(), 0);
    let make = ["account", "app-password", "add", "ann", "phone", "--for", "pop3", "--read-only"];
    let made = scene.run(&make, b"");
    let password = made.stdout.trim();
    assert_eq!((made.code(), password.split('-').count(), password.len()), (0, 4, 23), "{}", made.stderr);
    let listed = scene.run(&["account", "app-password", "list", "ann", "--json"], b"").stdout;
    assert!(
        listed.contains(r#""name":"phone","services":["pop3"],"access":"read-only","networks":[]"#),
        "{listed}"
    );
    assert!(!listed.contains(password) && !listed.contains("\"password\""), "{listed}");
    assert_eq!(scene.run(&make, b"").code(), 73, "the name is taken");
    let revoke = ["account", "app-password", "revoke", "ann", "phone"];
    assert_eq!((scene.run(&revoke, b"").code(), scene.run(&revoke, b"").code()), (0, 67));
    let past = ["account", "app-password", "add", "ann", "old", "--expires", "2001-01-01"];
    assert_eq!(scene.run(&past, b"").code(), 64);
    assert_eq!(scene.run(&["account", "app-password", "add", "bob", "phone"], b"").code(), 67);
}

#[test]
fn a_passwd_file_is_imported_once() {
    let scene = Scene::with_configuration();
    scene.write("users", "ann:{PLAIN}secret\nbob:\n");
    let users = scene.path("users");
    let import = ["account", "import", "--json", "--from-file", users.to_str().unwrap()];
    let said = scene.run(&import, b"").stdout;
    assert!(
        said.contains(r#"{"added":2,"replaced":0,"kept":0,"without_password":1,"dry_run":false}"#),
        "{said}"
    );
    let said = scene.run(&import, b"").stdout;
    assert!(
        said.contains(r#"{"added":0,"replaced":0,"kept":2,"without_password":1,"dry_run":false}"#),
        "{said}"
    );
    scene.write("users", "cid:{PLAIN}secret\nno colon\n");
    assert_eq!(scene.run(&import, b"").code(), 65);
    assert!(!scene.run(&["account", "list"], b"").stdout.contains("cid"), "all or nothing");
}

/// Makes an SQLite file.
fn database(scene: &Scene, statements: &str) {
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
    let path = scene.path("mail.db");
    let made = std::process::Command::new("/usr/bin/python3")
        .args(["-c", script, path.to_str().unwrap(), statements])
        .status()
        .expect("python3 is there");
    assert!(made.success());
}

#[test]
fn accounts_of_a_database_are_taken_over_all_or_none() {
    let scene = Scene::with_configuration();
    database(
        &scene,
        "CREATE TABLE accounts (name TEXT, password TEXT, quota INT, locked INT);
         INSERT INTO accounts VALUES ('ann', '{PLAIN}tulip', 1000, 0), ('bob', NULL, NULL, 0), ('eve', '{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE', NULL, 1);
         CREATE TABLE odd (name TEXT, password TEXT);
         INSERT INTO odd VALUES ('ok', '{PLAIN}x'), ('weak', '{PLAIN-MD5}1a1dc91c907325c69271ddf0c944bc72'), ('../up', '{PLAIN}x'),
             ('none', '{NOSUCH}hunter2'), ('ok', '{PLAIN}y');",
    );
    let config = scene.configuration();
    let source = "[[auth.source]]\ntype = \"sql\"\nurl = \"sqlite:mail.db\"\nlookup = \"SELECT password, quota AS quota_octets, locked FROM accounts WHERE name = :account\"\n\
                  list = \"SELECT name AS account FROM accounts\"\n";
    scene.write("sql.toml", &format!("{config}\n{source}"));
    scene.play("account-import.txt");
}

#[test]
fn accounts_have_other_names() {
    Scene::with_configuration().play("account-alias.txt");
}
