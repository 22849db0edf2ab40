//! What sources, a running server and other programs' files say, as commands tell it; and what is different on a real terminal.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use super::*;
use crate::scene::PROGRAM;

#[test]
fn what_a_source_says_to_being_asked_steers_no_terminal() {
    let scene = Scene::with_configuration();
    let escapes = r"N\033[2J\302\23331m\007\r\342\200\250\342\200\256\377\177 busy";
    scene.write("program", &format!("#!/bin/sh\nprintf '{escapes}\\n' >&2\nexit 111\n"));
    fs::set_permissions(scene.path("program"), fs::Permissions::from_mode(0o755)).unwrap();
    let source = "[[auth.source]]\ntype = \"checkpassword\"\ncommand = [\"[ROOT]/program\"]\n\n[maildrop]\n";
    let config = scene.configuration().replace("[maildrop]\n", source);
    scene.write("restante.toml", &scene.at_home(&config));
    shows_both(&scene, &["config", "check", "--connect"], "busy");
}

/// A server that answers every request so.
fn answer_at(scene: &Scene, lines: &'static str) {
    fs::create_dir_all(scene.path("state")).unwrap();
    let listener = UnixListener::bind(scene.path("state/control")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = BufReader::new(&stream).read_line(&mut String::new());
            let _ = (&stream).write_all(lines.as_bytes());
        }
    });
}

#[test]
fn what_a_running_server_answers_steers_no_terminal() {
    let scene = Scene::with_configuration();
    let config = scene.configuration();
    assert!(config.contains("state_dir"), "{config}");
    answer_at(
        &scene,
        "{\"ban\":{\"network\":\"192.0.2.1\",\"since\":1,\"until\":null,\"reason\":\"N\\u001b[2J\\n192.0.2.9 forged\\u009b\\u202e\",\"is_automatic\":false}}\n\
         {\"ban\":{\"network\":\"N\\u001b[2J\\n\",\"since\":1,\"until\":null,\"reason\":\"\",\"is_automatic\":true}}\n{\"end\":true}\n",
    );
    let listed = shows(&scene, &["ban", "list"], "192.0.2.1").stdout;
    assert_eq!(listed.lines().count(), 3, "a heading and two bans: {listed}");
    shows(&scene, &["ban", "list", "--json"], "192.0.2.1");
    shows(&scene, &["ban", "export", "--plain"], "192.0.2.1");
    let scene = Scene::with_configuration();
    answer_at(&scene, "{\"error\":\"N\\u001b[2J\\r\\u009b\\u202e\"}\n{\"end\":true}\n");
    shows(&scene, &["ban", "list"], "N");
    shows(&scene, &["account", "forget", "bob"], "N");
}

/// What the program writes to a terminal, made by script(1).
fn on_a_terminal(scene: &Scene, words: &str) -> String {
    let command = format!("{PROGRAM} {words}");
    let output = Command::new("script")
        .args(["-qefc", &command, "/dev/null"])
        .current_dir(scene.root())
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .expect("script, from Debian's bsdutils");
    String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
}

#[test]
fn a_message_that_is_shown_on_a_terminal_does_not_steer_it() {
    let scene = scene();
    let shown = on_a_terminal(&scene, "maildrop show ann 1");
    assert!(shown.contains("body N"), "{shown:?}");
    let found = shown.chars().find(|&letter| letter != '\n' && is_hidden(letter));
    assert_eq!(found, None, "{}", shown.escape_debug());
    // Into a file it goes as it is.
    let output = scene.command(&["maildrop", "show", "ann", "1"]).output().unwrap();
    assert!(output.stdout.windows(NASTY_OCTETS.len()).any(|part| part == NASTY_OCTETS));
}

#[test]
fn what_stands_in_the_files_of_other_programs_steers_no_terminal() {
    let scene = Scene::empty();
    let turned = "N\u{202e}\u{9b}2J\u{2028}\u{e0041}\u{7f}";
    scene.write(
        "mpoprc",
        &format!(
            "# {turned}\naccount {turned}\nhost mail.example.org\nuser {turned}\npassword {turned}\ntls off\n\
             delivery maildir {turned}\n"
        ),
    );
    let getmail = format!(
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = mail.example.org\nusername = {turned}\npassword = x\n\
         [destination]\ntype = Maildir\npath = /{turned}/\n[options]\n{turned} = {turned}\n"
    );
    scene.write("getmailrc", &getmail);
    scene.write(
        "fetchmailrc",
        &format!("poll mail.example.org proto pop3 user \"{turned}\" pass \"x\" mda \"{turned}\"\n"),
    );
    scene.write("wrongrc", &format!("account a\n{turned} x\n"));
    for (program, file) in
        [("mpop", "mpoprc"), ("mpop", "wrongrc"), ("getmail", "getmailrc"), ("fetchmail", "fetchmailrc")]
    {
        let words = ["fetch", "import", program, file, "--dry-run", "--state", "[ROOT]/state"];
        shows(&scene, &words, if file == "wrongrc" { "no command" } else { "mail.example.org" });
    }
}
