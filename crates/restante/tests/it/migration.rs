//! `restante maildrop import` and `export`, on lists laid out by hand. Real servers are asked in restante-test.

use std::fs;

use crate::scene::Scene;

fn scene() -> Scene {
    let scene = Scene::with_configuration();
    fs::create_dir(scene.path("mail")).unwrap();
    for name in ["ann", "bob"] {
        assert_eq!(scene.run(&["account", "add", name], b"secret\n").code(), 0);
    }
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir_all(scene.path(&format!("mail/ann/{folder}"))).unwrap();
    }
    for (name, text) in [
        ("cur/1700000001.a:2,S", "Subject: one\n\nfirst\n"),
        ("new/1700000002.b", "Subject: two\n\nsecond\n"),
        ("new/1700000003.c", "Subject: three\nX-UIDL: abcdefghijkl\n\nthird\n"),
    ] {
        scene.write(&format!("mail/ann/{name}"), text);
    }
    scene
}

#[test]
fn lists_of_other_servers_are_taken_over() {
    let scene = scene();
    scene.write(
        "mail/ann/dovecot-uidlist",
        "3 V1139753550 N9 Gff\n3 :1700000001.a:2,\n5 PUID7-8 O1 :1700000002.b\n7 :1690000000.gone\n",
    );
    scene.write("mail/ann/courierpop3dsizelist", "/3 7 1139753550\n1700000001.a:2,S 23 5:1139753550:0\n");
    scene.write("dup", "3 V1 N9\n1 Px :1700000001.a\n2 Px :1700000002.b\n3 :1700000003.c\n");
    scene.write("other", "3 V1 N9\n1 :1600000000.x\n");
    scene.write("damaged", "3 V1 N9\nhello\n");
    scene.play("maildrop-import.txt");
}
