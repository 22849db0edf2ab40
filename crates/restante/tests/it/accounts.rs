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
