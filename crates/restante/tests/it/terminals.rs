//! Nothing that comes from mail, servers, sources or file names steers the terminal of who looks at it: what each command prints, in
//! words and as JSON, holds no control character and no mark that turns the direction of writing around.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, UNIX_EPOCH};

use crate::scene::{Answer, Scene};

mod others;

/// Clears the screen, recolours it, rings, goes back to the start of the line, ends it, turns it around: as letters.
const NASTY: &str = "N\x1b[2J\u{9b}31m\x07\r\u{85}\u{2028}\u{202e}\u{2066}\u{e0041}\x7f";
/// The same as octets, and some that are no UTF-8.
const NASTY_OCTETS: &[u8] = b"N\x1b[2J\xc2\x9b31m\x07\xe2\x80\xa8\xe2\x80\xae\xff\x9b\x85\x7f";

/// Spelled out here: that the program's own list is right is not taken for granted.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(u32::from(letter), 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe007f)
}

#[track_caller]
fn is_harmless(words: &[&str], answer: &Answer) {
    for text in [&answer.stdout, &answer.stderr] {
        let found = text.chars().find(|&letter| letter != '\n' && is_hidden(letter));
        assert_eq!(found, None, "{words:?} prints {}", text.escape_debug());
    }
}

/// Runs it, looks at what it prints, and that this is what was meant to be looked at.
#[track_caller]
fn shows(scene: &Scene, words: &[&str], text: &str) -> Answer {
    let answer = scene.run(words, b"");
    is_harmless(words, &answer);
    let all = format!("{}{}", answer.stdout, answer.stderr);
    assert!(all.contains(text), "{words:?} does not print {text:?}: {all}");
    answer
}

/// The same, and as JSON, which says all of it.
#[track_caller]
fn shows_both(scene: &Scene, words: &[&str], text: &str) {
    shows(scene, words, text);
    let words = [words, &["--json"]].concat();
    let answer = shows(scene, &words, text);
    serde_json::from_str::<serde_json::Value>(&answer.stdout)
        .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", answer.stdout));
}

/// Accounts of a file, one of them with a name that turns the line around, and a maildrop full of what strangers can write.
fn scene() -> Scene {
    let scene = Scene::empty();
    let source = "[[auth.source]]\ntype = \"file\"\npath = \"users\"\n\n[maildrop]\ntrash = \"5000 weeks\"\nexpire = \"90 days\"\nexpire_from = \"delivery\"\n";
    let config = scene.configuration().replace("[maildrop]\n", source);
    scene.write("restante.toml", &config);
    scene.write("users", "ann:{PLAIN}x\nbob:{PLAIN}x\n");
    for folder in ["tmp", "new", "cur", "restante.trash"] {
        fs::create_dir_all(scene.path(&format!("mail/ann/{folder}"))).unwrap();
    }
    let header = [
        b"From: ",
        NASTY_OCTETS,
        b"\nTo: x\nSubject: ",
        NASTY_OCTETS,
        b" =?utf-8?Q?=1B[31m=C2=9B=E2=80=AE?=\nMessage-ID: <",
        NASTY_OCTETS,
        b"@x>\nDate: ",
        NASTY_OCTETS,
        b"\n\nbody ",
        NASTY_OCTETS,
        b"\n",
    ]
    .concat();
    let put = |folder: &str, name: &[u8]| {
        fs::write(scene.path(&format!("mail/ann/{folder}")).join(OsStr::from_bytes(name)), &header).unwrap();
    };
    put("new", b"1700000001.x.host");
    put("cur", &[b"1700000002.", NASTY_OCTETS, b":2,S"].concat());
    put("restante.trash", b"1763800000.0.105.c.1700000003.a.host:2,S");
    put("restante.trash", NASTY_OCTETS);
    std::os::unix::fs::symlink(OsStr::from_bytes(NASTY_OCTETS), scene.path("mail/ann/new/1700000004.x"))
        .unwrap();
    scene
}

#[test]
fn no_maildrop_command_prints_what_steers_a_terminal() {
    let scene = scene();
    shows_both(&scene, &["maildrop", "list"], "ann");
    shows_both(&scene, &["maildrop", "show", "ann"], "1700000001.x.host");
    shows_both(&scene, &["maildrop", "verify", "ann"], "ann");
    shows_both(&scene, &["maildrop", "verify", "--all"], "ann");
    shows_both(&scene, &["maildrop", "deleted", "ann"], "1700000003");
    for folder in ["new", "cur"] {
        for file in fs::read_dir(scene.path(&format!("mail/ann/{folder}"))).unwrap() {
            let path = file.unwrap().path();
            if !path.is_symlink() {
                let old = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
                fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
            }
        }
    }
    shows_both(&scene, &["maildrop", "expire", "ann", "--dry-run"], "1700000001");
    shows(&scene, &["maildrop", "export", "ann", "--to", "dovecot"], "ann");
    shows(&scene, &["maildrop", "undelete", "ann", "--all", "--as-new", "--json"], "1700000003");
    for words in [
        &["maildrop", "show", NASTY][..],
        &["maildrop", "list", NASTY],
        &["maildrop", "undelete", "ann", NASTY],
        &["maildrop", "import", "ann", "--from", NASTY],
        &["maildrop", "import", "ann", "--from", "dovecot", "--list", NASTY],
        &["account", "password", NASTY],
        &["deliver", "--to", NASTY],
        &["deliver", "--to", "ann", "--from", NASTY],
        &["config", "check", "--config", NASTY],
        &["check", NASTY],
        &["fetch", NASTY, "--to", "maildir:[ROOT]/x"],
        &["fetch", "--config", NASTY],
        &[NASTY],
    ] {
        shows(&scene, words, "N");
    }
    // A source that cannot be used is told with the name that it holds.
    scene.write("users", "ann:{PLAIN}x\nb\u{202e}ob:{PLAIN}x\nx\x1b[2J:{PLAIN}x\n");
    shows(&scene, &["maildrop", "list"], "ob");
}

#[test]
fn no_account_command_prints_what_steers_a_terminal() {
    let scene = Scene::with_configuration();
    scene.write("users", "b\u{202e}ob:{PLAIN}secret\nx\x1b[2J:{PLAIN}x\nc:{N\u{9b}}x\n");
    shows(&scene, &["account", "import", "--from-file", "users"], "users");
    shows(&scene, &["account", "add", NASTY], "N");
    assert_eq!(scene.run(&["account", "add", "bob"], b"secret\n").code(), 0);
    shows_both(&scene, &["account", "list"], "bob");
    shows(&scene, &["account", "app-password", "add", "bob", "phone\u{202e}"], "phone");
    shows(&scene, &["account", "app-password", "add", "bob", NASTY], "N");
    shows_both(&scene, &["account", "app-password", "list", "bob"], "phone");
    shows(&scene, &["account", "app-password", "revoke", "bob", NASTY], "N");
    shows(&scene, &["account", "remove", NASTY], "N");
    // Nobody is called what cannot be read.
    assert_ne!(scene.run(&["account", "add", "ev\u{202e}e"], b"secret\n").code(), 0);
}

#[test]
fn a_configuration_is_told_and_shown_harmlessly_and_means_the_same() {
    let scene = Scene::with_configuration();
    let config = scene.configuration();
    let escaped = "N\\u001b[2J\\u009b31m\\u202e\\U000e0041\\u2028";
    scene.write("restante.toml", &format!("{config}[log]\ntarget = \"{escaped}\"\n\"{escaped}\" = 1\n"));
    let answer = shows(&scene, &["config", "check"], "N");
    assert_eq!(answer.code(), 78);
    shows_both(&scene, &["config", "check"], "N");
    scene.write("restante.toml", &format!("{config}[log]\ntarget = \"file\"\npath = \"{escaped}\"\n"));
    let shown = shows(&scene, &["config", "show"], "N").stdout;
    scene.write("restante.toml", &shown.replace("[ROOT]", scene.root().to_str().unwrap()));
    assert_eq!(shows(&scene, &["config", "show"], "N").stdout, shown);
}

/// A POP3 server that puts the octets into everything it says, for as many connections as come.
fn serve(octets: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut say = |text: &[&[u8]]| stream.write_all(&text.concat()).is_ok();
                let (ok, end, n) = (&b"+OK "[..], &b"\r\n"[..], octets);
                let mut is_on = say(&[ok, n, end]);
                let mut line = String::new();
                while is_on && reader.read_line(&mut line).unwrap_or(0) > 0 {
                    let verb: String = line.split_whitespace().next().unwrap_or_default().to_uppercase();
                    is_on = match verb.as_str() {
                        "CAPA" => say(&[
                            ok,
                            n,
                            b"\r\nUSER\r\nUIDL\r\nTOP\r\nX-",
                            n,
                            b"\r\nIMPLEMENTATION ",
                            n,
                            b"\r\n.\r\n",
                        ]),
                        "STAT" => say(&[b"+OK 2 100 ", n, end]),
                        "LIST" => say(&[ok, n, b"\r\n1 50\r\n2 50\r\n.\r\n"]),
                        "UIDL" => say(&[ok, n, b"\r\n1 ", n, b"\r\n2 two\r\n.\r\n"]),
                        "RETR" if line.starts_with("RETR 1") => {
                            say(&[ok, n, b"\r\nFrom: ", n, b"\r\nSubject: ", n, b"\r\n\r\n", n, b"\r\n.\r\n"])
                        }
                        "RETR" | "TOP" | "DELE" | "AUTH" | "APOP" | "NOOP" => {
                            say(&[b"-ERR [", n, b"] ", n, end])
                        }
                        "QUIT" => {
                            say(&[ok, n, end]);
                            false
                        }
                        _ => say(&[ok, n, end]),
                    };
                    line.clear();
                }
            });
        }
    });
    address
}

#[test]
fn nothing_that_a_server_says_steers_the_terminal_of_a_fetch_or_a_check() {
    let scene = Scene::empty();
    scene.write("password", "secret\n");
    let folder = scene.path("password");
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let server = serve(NASTY_OCTETS);
    let url = format!("pop://alice@{server}");
    let fetch = |more: &[&str]| {
        let words = ["fetch", &url, "--to", "maildir:[ROOT]/Mail", "--state", "[ROOT]/state", "--no-tls"];
        let words = [&words[..], &["--password-file", "[ROOT]/password"], more].concat();
        let answer = scene.run(&words, b"");
        is_harmless(&words, &answer);
        assert!(!answer.stdout.is_empty() || !answer.stderr.is_empty(), "{words:?} says something");
        answer
    };
    fetch(&["--dry-run"]);
    fetch(&["--dry-run", "--json"]);
    let traced = fetch(&["--trace"]);
    assert!(traced.stderr.contains("UIDL"), "{}", traced.stderr);
    fetch(&["--verbose"]);
    let told = fetch(&["--json"]);
    for line in told.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    for words in [
        &["fetch", "status", "--state", "[ROOT]/state"][..],
        &["fetch", "quarantine", "list", "--state", "[ROOT]/state"],
    ] {
        is_harmless(words, &scene.run(words, b""));
        let words = [words, &["--json"]].concat();
        is_harmless(&words, &scene.run(&words, b""));
    }
    let words = ["check", &url, "--password-file", "[ROOT]/password", "--allow-plaintext"];
    shows(&scene, &words, "failed");
    let words = [&words[..], &["--json", "--junit", "[ROOT]/report.xml"]].concat();
    let answer = shows(&scene, &words, "\"failed\"");
    serde_json::from_str::<serde_json::Value>(&answer.stdout).unwrap();
    let report = fs::read_to_string(scene.path("report.xml")).unwrap();
    assert_eq!(report.chars().find(|&letter| letter != '\n' && is_hidden(letter)), None);
}
