//! `restante maildrop list` and `show`.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

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

/// A maildrop with a trash: what was removed lies there by the names that a removal gives.
fn with_trash() -> Scene {
    let scene = with_accounts();
    let config = scene.configuration();
    scene.write("restante.toml", &format!("{config}trash = \"5000 weeks\"\n"));
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir_all(scene.path(&format!("mail/ann/{folder}"))).unwrap();
    }
    let trash = |name: &str, message: &str| scene.write(&format!("mail/ann/restante.trash/{name}"), message);
    trash(
        "1763800000.0.105.c.1700000001.a.host:2,S",
        "From: =?utf-8?Q?Zo=C3=AB?= <zoe@example.org>\nSubject: hello\nMessage-ID: <1@example.org>\n\nfirst\n",
    );
    trash("1763900000.0.12.n.1700000002.b.host", "\nno header\n");
    trash("1764000000.0.14.n.1700000003.c.host", "Subject: 3\n\n");
    scene.write("mail/ann/new/1700000003.c.host", "Subject: other\n\n");
    scene
}

#[test]
fn deleted_messages_are_listed_and_put_back() {
    let scene = with_trash();
    scene.play("maildrop-trash.txt");
    assert!(scene.path("mail/ann/cur/1700000001.a.host:2,S").exists());
    assert!(!scene.path("mail/ann/restante.trash/1763800000.0.105.c.1700000001.a.host:2,S").exists());
    assert!(scene.path("mail/ann/restante.trash/1764000000.0.14.n.1700000003.c.host").exists());
}

#[test]
fn what_is_put_back_as_new_has_another_unique_id() {
    let scene = with_trash();
    let answer = scene.run(&["maildrop", "undelete", "ann", "--all", "--as-new", "--json"], b"");
    assert_eq!(answer.code(), 0, "{}", answer.stderr);
    let entries: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(entries.as_array().unwrap().len(), 3);
    let shown = scene.run(&["maildrop", "show", "ann"], b"").stdout;
    for entry in entries.as_array().unwrap() {
        assert_ne!(entry["unique_id"], entry["before"]);
        assert!(shown.contains(entry["unique_id"].as_str().unwrap()), "{shown}");
    }
}

#[test]
fn old_messages_expire_by_hand_and_are_only_listed_by_a_trial() {
    let scene = with_accounts();
    let config = scene.configuration();
    assert_eq!(scene.run(&["maildrop", "expire", "ann"], b"").code(), 78, "mail is kept for ever");
    scene.write(
        "restante.toml",
        &format!("{config}expire = \"90 days\"\nexpire_from = \"delivery\"\ntrash = \"14 days\"\n"),
    );
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir_all(scene.path(&format!("mail/ann/{folder}"))).unwrap();
    }
    let old = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for name in ["cur/1700000001.a:2,S", "new/1700000002.b", "new/1700000003.c"] {
        scene.write(&format!("mail/ann/{name}"), "Subject: x\n\nhello\n");
    }
    for name in ["cur/1700000001.a:2,S", "new/1700000002.b"] {
        let file = fs::File::options().write(true).open(scene.path(&format!("mail/ann/{name}"))).unwrap();
        file.set_modified(old).unwrap();
    }
    scene.play("maildrop-expire.txt");
    assert!(scene.path("mail/ann/new/1700000003.c").exists());
    assert!(!scene.path("mail/ann/new/1700000002.b").exists());
    let trash = fs::read_dir(scene.path("mail/ann/restante.trash")).unwrap();
    assert_eq!(trash.filter(|file| file.as_ref().unwrap().file_name() != "swept").count(), 2);
    assert!(!scene.path("mail/bob").exists());
}

#[test]
fn quotas_are_set_shown_and_repaired() {
    let scene = with_accounts();
    let config = scene.configuration();
    scene.write("restante.toml", &format!("{config}\n[quota]\nmessages = 4\n"));
    for folder in ["ann/tmp", "ann/new", "ann/cur", "bob/tmp", "bob/new", "bob/cur"] {
        fs::create_dir_all(scene.path(&format!("mail/{folder}"))).unwrap();
    }
    scene.write("mail/ann/cur/1700000001.x.host:2,S", &"x".repeat(400));
    scene.write("mail/bob/new/1700000001.x.host", &"x".repeat(200));
    scene.write("mail/ann/maildirsize", "500S,4C\n0 0\n300 2\n");
    scene.play("quota.txt");
    assert_eq!(fs::read_to_string(scene.path("mail/ann/maildirsize")).unwrap(), "500S,4C\n400 1\n");
    fs::remove_dir(scene.path("mail/bob/tmp")).unwrap();
    fs::remove_dir_all(scene.path("mail/bob/new")).unwrap();
    scene.play("quota-unreadable.txt");
}

#[test]
fn damage_is_told_and_mended() {
    let scene = with_accounts();
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir_all(scene.path(&format!("mail/ann/{folder}"))).unwrap();
    }
    scene.write("mail/ann/new/1700000001.x", "Subject: one\n\n");
    scene.write("mail/ann/restante.index", "no index");
    scene.write("mail/ann/restante.index.new", "half of one");
    std::os::unix::fs::symlink("/etc/passwd", scene.path("mail/ann/cur/1700000002.x")).unwrap();
    scene.play("maildrop-damaged.txt");
}

#[test]
fn subjects_are_decoded_and_cannot_steer_a_terminal() {
    let scene = with_accounts();
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir_all(scene.path(&format!("mail/ann/{folder}"))).unwrap();
    }
    for (number, subject) in
        ["=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\n =?ISO-8859-1?B?5A==?=", "=?UTF-8?Q?=1B[31mred=07?=", &"x".repeat(100)]
            .iter()
            .enumerate()
    {
        scene.write(&format!("mail/ann/new/170000000{number}.x"), &format!("Subject: {subject}\n\n"));
    }
    scene.write("mail/ann/new/1700000003.x", "no header at all");
    let shown = scene.run(&["maildrop", "show", "ann"], b"");
    assert!(shown.stdout.contains("Grüßeä") && !shown.stdout.contains('\u{1b}'), "{}", shown.stdout);
    assert!(shown.stdout.contains(&format!("{}…", "x".repeat(80))), "{}", shown.stdout);
    let shown = scene.run(&["maildrop", "show", "ann", "--json"], b"");
    let entries: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(entries[0]["subject"], "Grüßeä");
    assert_eq!(entries[1]["subject"], "\u{1b}[31mred\u{7}");
    assert!(entries[3]["subject"].is_null());
}
