//! Accounts that a checkpassword program knows: Debian's `cvm-checkpassword`, and one that answers look-ups too.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use restante_test::mail::{canonical, dotted, numbered};
use restante_test::peer::Peer;
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

/// bob in a file, everybody else at the program.
fn restante(source: &str) -> Server {
    let source = format!("[[auth.source]]\ntype = \"checkpassword\"\ntimeout_s = 20\n{source}");
    let setup = Setup {
        accounts: vec![("bob".to_owned(), "builder".to_owned())],
        restante: vec![("auth.source".to_owned(), source)],
        ..Setup::default()
    };
    Server::start(Kind::Restante, &setup)
}

#[test]
fn a_real_checkpassword_program_lets_in_whom_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let passwd = folder.path().join("passwd");
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let home = folder.path().display();
    fs::write(&passwd, format!("ann:tulip:{uid}:{gid}:Ann:{home}:/bin/sh\n")).unwrap();
    let server = restante(&format!(
        "command = [\"/usr/bin/env\", \"CVM_PWFILE_PATH={}\", \"/usr/bin/cvm-checkpassword\", \"/usr/bin/cvm-pwfile\"]\npart = \"passwords\"\ncache_s = 0",
        passwd.display()
    ));
    assert!(server.try_login("ann", "tulip").starts_with("+OK"), "{}", server.log());
    for (name, password) in [("ann", "rose"), ("nobody-here", "tulip"), ("ann", "tulip "), ("root", "tulip")]
    {
        assert!(server.try_login(name, password).starts_with("-ERR [AUTH]"), "{name}: {}", server.log());
    }
    assert!(server.try_login("bob", "builder").starts_with("+OK"), "{}", server.log());
    // Without its file it cannot say.
    fs::remove_file(&passwd).unwrap();
    let said = server.try_login("ann", "tulip");
    assert!(said.starts_with("-ERR [SYS/TEMP]"), "{said}\n{}", server.log());
    assert!(server.try_login("bob", "builder").starts_with("+OK"), "{}", server.log());
    wait::until("the fault in the log", || server.log().contains("it ends with 4"));
    assert!(!server.log().contains("tulip"), "{}", server.log());
}

/// Knows ann, and says so without a password too.
const PROGRAM: &str = r#"#!/usr/bin/python3
import os, sys
name, password, _ = os.read(3, 512)[:-1].split(b"\0")
if os.environ.get("AUTHORIZED") == "1":
    if name != b"ann":
        sys.exit(3)
    os.environ["AUTHORIZED"] = "2"
elif (name, password) != (b"ann", b"tulip"):
    sys.exit(1)
os.environ["userdb_mail"] = "maildir:" + os.path.dirname(sys.argv[0]) + "/elsewhere"
os.environ["userdb_quota_rule"] = "*:bytes=3000"
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn a_program_that_answers_look_ups_says_where_mail_goes() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    fs::write(&program, PROGRAM).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    make_maildir(&folder.path().join("elsewhere"));
    let server =
        restante(&format!("command = [{:?}]\nlookups = true\ncache_s = 0", program.display().to_string()));
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<a@b.example> SIZE=3500"), 250);
    assert_eq!(peer.code("RCPT TO:<ann@example.org>"), 452, "its quota: {}", server.log());
    assert_eq!(peer.code("RCPT TO:<nobody-here@example.org>"), 550);
    assert_eq!(peer.code("RSET"), 250);
    assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
    assert_eq!(peer.code("RCPT TO:<ann@example.org>"), 250, "{}", server.log());
    assert_eq!(peer.code("DATA"), 354);
    peer.send(&dotted(&canonical(&numbered(1, 3))));
    assert_eq!(peer.reply().code, 250, "{}", server.log());
    assert_eq!(files(&folder.path().join("elsewhere/new")), 1);
    let mut peer = Peer::connect(server.pop3_address());
    peer.greeting();
    peer.ok("USER ann");
    peer.ok("PASS tulip");
    assert!(peer.command("STAT").starts_with("+OK 1 "));
    assert!(server.try_login("nobody-here", "tulip").starts_with("-ERR [AUTH]"), "{}", server.log());
}

#[test]
fn what_is_remembered_of_a_password_is_forgotten_on_command() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let write = |text: &str| {
        // As a whole: a file that is being written cannot be started.
        let new = folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, &program).unwrap();
    };
    write(PROGRAM);
    make_maildir(&folder.path().join("elsewhere"));
    let server =
        restante(&format!("command = [{:?}]\nlookups = true\ncache_s = 600", program.display().to_string()));
    assert!(server.try_login("ann", "tulip").starts_with("+OK"), "{}", server.log());
    write(&PROGRAM.replace("tulip", "daisy"));
    assert!(server.try_login("ann", "tulip").starts_with("+OK"), "{}", server.log());
    let (code, said) = server.restante(&["account", "forget", "ANN"]);
    assert!(code == 0 && said.contains("forgot what is remembered of ann"), "{said}");
    assert!(server.try_login("ann", "tulip").starts_with("-ERR [AUTH]"), "{}", server.log());
    assert!(server.try_login("ann", "daisy").starts_with("+OK"), "{}", server.log());
    let (code, said) = server.restante(&["account", "forget", "a/b"]);
    assert!(code == 65 && said.contains("cannot be an account"), "{said}");
}

fn make_maildir(path: &Path) {
    ["cur", "new", "tmp"].into_iter().for_each(|name| fs::create_dir_all(path.join(name)).unwrap());
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}
