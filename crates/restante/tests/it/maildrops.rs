//! `restante maildrop list` and `show`.

use std::fs;

use crate::scene::Scene;

fn with_accounts() -> Scene {
    let scene = Scene::with_configuration();
    fs::create_dir(scene.path("mail")).unwrap();
    for name in ["ann", "bob"] {
        assert_eq!(scene.run(&["account", "add", name], b"secret\n").code(), 0);
    }
    scene
}

#[test]
fn maildrops_are_listed_and_shown() {
    let scene = with_accounts();
    for message in ["Subject: one\n\nfirst\n", "Subject: two\n\nthe second\n"] {
        // Laid out by hand, so that sizes and unique-ids are known.
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(scene.path(&format!("mail/ann/{folder}"))).unwrap();
        }
        scene.write(&format!("mail/ann/cur/17000000{:02}.x.host:2,S", message.len()), message);
    }
    scene.play("maildrop.txt");
}

#[test]
fn accounts_of_all_sources_are_listed_once() {
    let scene = with_accounts();
    let config = scene.configuration();
    scene.write("restante.toml", &format!("{config}\n[[auth.source]]\ntype = \"file\"\npath = \"users\"\n"));
    scene.write("users", "carl:{PLAIN}x\nann:{PLAIN}y\n");
    let answer = scene.run(&["maildrop", "list", "--json"], b"");
    let entries: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let names: Vec<&str> =
        entries.as_array().unwrap().iter().map(|entry| entry["account"].as_str().unwrap()).collect();
    assert_eq!(names, ["ann", "bob", "carl"]);
}

#[test]
fn a_maildrop_that_cannot_be_read_is_never_shown_as_empty() {
    let scene = with_accounts();
    scene.write("mail/ann/cur/1.x", "there is mail");
    scene.write("mail/bob", "not a folder");
    scene.play("maildrop-unreadable.txt");
    fs::remove_dir_all(scene.path("mail")).unwrap();
    scene.play("maildrop-unmounted.txt");
}
