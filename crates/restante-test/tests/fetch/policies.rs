//! Policies and rules as the running program carries them out: what is left, what is deleted, what comes later.

use std::path::PathBuf;

use restante_test::odd_server::{Conduct, OddServer, messages};
use restante_test::wait;

use crate::kitchen::Home;

/// A configuration with one account at `server`; `more` stands in the account.
fn configured(home: &Home, server: &OddServer, more: &str) -> String {
    home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nname = \"work\"\nserver = \"{}\"\nsecurity = \"none\"\n\
         password = {{ env = \"PW\" }}\ndeliver = [{{ type = \"maildir\", path = \"Mail\" }}]\n{more}\n",
        home.state().display(),
        server.url()
    ))
}

/// The files of the Maildir.
fn files(home: &Home) -> Vec<PathBuf> {
    let list = |name| std::fs::read_dir(home.maildir().join(name)).expect("a Maildir").flatten();
    let mut files: Vec<PathBuf> =
        ["new", "cur"].into_iter().flat_map(list).map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[test]
fn what_is_deleted_here_is_deleted_there_and_never_all_at_once_unless_somebody_says_so() {
    let server = OddServer::with_messages(5, 300);
    let home = Home::new();
    let keep = ["--keep", "while-local"];
    home.collect(&server.url(), &keep).ended(0).says("collected 5 messages");
    let second = files(&home)
        .into_iter()
        .find(|path| std::fs::read(path).unwrap().windows(17).any(|text| text == b"Subject: number 2"))
        .expect("the second message");
    std::fs::remove_file(second).unwrap();
    home.collect(&server.url(), &keep).ended(0).says("1 deleted on the server");
    assert_eq!(server.unique_ids(), ["u1", "u3", "u4", "u5"]);
    // A mail program that has read a message has not deleted it.
    for path in files(&home) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        std::fs::rename(&path, home.maildir().join("cur").join(format!("{name}:2,S"))).unwrap();
    }
    home.collect(&server.url(), &keep).ended(0).says("nothing new");
    assert_eq!(server.unique_ids().len(), 4);
    files(&home).into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let ran = home.collect(&server.url(), &keep).ended(0);
    assert!(ran.err.contains("4 of 4 messages are not in the local Maildir"), "{}", ran.err);
    assert!(ran.err.contains("--believe-local"), "{}", ran.err);
    assert_eq!(server.unique_ids().len(), 4);
    let believing = [&keep[..], &["--believe-local"]].concat();
    home.collect(&server.url(), &[&believing[..], &["--dry-run"]].concat()).ended(0).says("would delete u1");
    assert_eq!(server.unique_ids().len(), 4);
    home.collect(&server.url(), &believing).ended(0).says("4 deleted on the server");
    assert!(server.unique_ids().is_empty());
}

#[test]
fn a_server_without_uidl_is_collected_by_headers_when_that_is_said() {
    let mut all = messages(6, 300);
    let sixth = all.pop().unwrap();
    let mut conduct = Conduct { messages: all, lacks_uidl: true, ..Conduct::default() };
    conduct.capabilities.retain(|line| *line != "UIDL");
    let server = OddServer::start(conduct);
    let home = Home::new();
    home.run(&["--config", &configured(&home, &server, "")]).ended(76).says("unique_ids = \"header\"");
    assert!(server.said().iter().all(|command| !command.starts_with("RETR")));
    let path = configured(&home, &server, "unique_ids = \"header\"");
    home.run(&["--config", &path]).ended(0).says("collected 5 messages");
    home.run(&["--config", &path]).ended(0).says("nothing new");
    // Numbers move when others delete; messages are known all the same.
    server.change(|conduct| {
        conduct.messages.remove(0);
        conduct.messages.push(sixth);
    });
    assert!(!server.said().is_empty());
    home.run(&["--config", &path]).ended(0).says("collected 1 message");
    let retrieved: Vec<String> =
        server.said().into_iter().filter(|command| command.starts_with("RETR")).collect();
    assert_eq!(retrieved, ["RETR 5"]);
    home.has_each_once(6);
}

#[test]
fn who_may_lose_mail_by_the_server_itself_is_warned() {
    for (expire, flags, said) in [
        ("EXPIRE 0", &[][..], Some("(EXPIRE 0)")),
        ("EXPIRE 0", &["--delete"], None),
        ("EXPIRE NEVER", &["--max-size", "10 kB"], None),
        ("EXPIRE 7", &[], None),
        (
            "EXPIRE 7",
            &["--max-size", "10 kB"],
            Some("1 messages are left on the server, which deletes them after 7 days"),
        ),
    ] {
        let mut conduct = Conduct { messages: messages(2, 300), ..Conduct::default() };
        conduct.messages[1].1.extend(b"a line\r\n".repeat(2_000));
        conduct.capabilities.push(expire);
        let server = OddServer::start(conduct);
        let ran = Home::new().collect(&server.url(), flags).ended(0);
        assert_eq!(said.is_some(), !ran.err.is_empty(), "{expire} {flags:?}: {}", ran.err);
        assert!(ran.err.contains(said.unwrap_or_default()), "{expire} {flags:?}: {}", ran.err);
    }
}

/// Six messages of which each is told from the others by something else.
fn six() -> Vec<(String, Vec<u8>)> {
    let message = |number: usize, fields: &str, octets: usize| {
        let head = format!("Message-ID: <{number}@test.example>\r\n{fields}\r\n\r\n");
        (format!("u{number}"), [head.as_bytes(), &b"a line\r\n".repeat(octets / 8)].concat())
    };
    vec![
        message(1, "From: The Printer <printer@example.org>\r\nSubject: page 1", 1_000),
        message(2, "To: a@example.org\r\nCc: The List <list@example.org>\r\nSubject: hello", 1_000),
        message(3, "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= from\r\n far away", 1_000),
        message(4, "List-Id: <announce.lists.example.org>\r\nSubject: news", 1_000),
        message(5, "Subject: a picture", 50_000),
        message(6, "From: bob@example.org\r\nSubject: weekly report", 100),
    ]
}

#[test]
fn each_kind_of_condition_finds_its_message() {
    for (condition, found) in [
        ("header = \"List-ID\"\ncontains = \"ANNOUNCE\"", "u4"),
        ("header = \"Subject\"\nis = \"news\"", "u4"),
        ("header = \"Subject\"\nmatches = \"gr?\u{df}e*far away\"", "u3"),
        ("header = \"List-Id\"\nexists = true", "u4"),
        ("from = \"printer@example.org\"", "u1"),
        ("to = \"list@example.org\"", "u2"),
        ("subject = \"gr\u{fc}\u{df}e\"", "u3"),
        ("larger = \"20 kB\"", "u5"),
        ("smaller = \"500 B\"", "u6"),
        ("all_of = [{ from = \"bob\" }, { subject = \"weekly\" }]", "u6"),
    ] {
        let server = OddServer::start(Conduct { messages: six(), ..Conduct::default() });
        let home = Home::new();
        let path = configured(&home, &server, &format!("[[account.rule]]\n{condition}\nthen = \"skip\""));
        let ran = home.run(&["--config", &path, "--verbose"]).ended(0).says("collected 5 messages");
        assert!(ran.out.contains(&format!("left {found} on the server")), "{condition}: {}", ran.out);
        assert_eq!(server.unique_ids().len(), 6, "skip deletes nothing");
    }
}

#[test]
fn the_first_rule_decides_and_each_does_what_it_says() {
    let server = OddServer::start(Conduct { messages: six(), ..Conduct::default() });
    let home = Home::new();
    let rule = |condition: &str, then: &str| format!("[[account.rule]]\n{condition}\nthen = \"{then}\"\n");
    let rules = [
        "max_size = \"10 kB\"\n".to_owned(),
        rule("subject = \"picture\"", "fetch"),
        rule("from = \"printer@\"", "delete"),
        rule("subject = \"page\"", "skip"),
        rule("from = \"bob\"", "skip"),
    ];
    let path = configured(&home, &server, &rules.concat());
    home.run(&["--config", &path, "--dry-run"]).ended(0).says("would delete u1").says("would skip u6");
    assert_eq!(server.unique_ids().len(), 6);
    assert!(!server.said().is_empty());
    home.run(&["--config", &path]).ended(0).says("collected 4 messages").says("1 left on the server");
    let said = server.said();
    for number in 1..=6 {
        let is_fetched = said.contains(&format!("RETR {number}"));
        assert_eq!(is_fetched, ![1, 6].contains(&number), "{number}: {said:?}");
    }
    assert_eq!(server.unique_ids(), ["u2", "u3", "u4", "u5", "u6"]);
    home.run(&["--config", &path]).ended(0).says("nothing new");
    // Other rules are other questions.
    let path = configured(&home, &server, &rules[..4].concat());
    home.run(&["--config", &path]).ended(0).says("collected 1 message");
}

#[test]
fn mail_is_kept_for_as_long_as_is_said_and_no_longer() {
    let server = OddServer::with_messages(4, 300);
    let home = Home::new();
    for said in ["collected 4 messages", "nothing new"] {
        home.run(&["--config", &configured(&home, &server, "keep = \"3 days\"")]).ended(0).says(said);
        assert_eq!(server.unique_ids().len(), 4);
    }
    // They were collected, and a second passes.
    let path = configured(&home, &server, "keep = \"1 s\"");
    wait::until("a second to have passed since they were collected", || {
        home.run(&["--config", &path]).ended(0);
        server.unique_ids().is_empty()
    });
    home.has_each_once(4);
}

#[test]
fn the_newest_are_kept_by_their_place_and_what_comes_later_pushes_others_out() {
    let all = messages(6, 300);
    let server = OddServer::start(Conduct { messages: all[..4].to_vec(), ..Conduct::default() });
    let home = Home::new();
    let path = configured(&home, &server, "keep = { newest = 2 }");
    home.run(&["--config", &path]).ended(0).says("collected 4 messages").says("2 deleted");
    assert_eq!(server.unique_ids(), ["u3", "u4"]);
    server.change(|conduct| conduct.messages.extend_from_slice(&all[4..]));
    home.run(&["--config", &path]).ended(0).says("collected 2 messages").says("2 deleted");
    assert_eq!(server.unique_ids(), ["u5", "u6"]);
    home.has_each_once(6);
}

#[test]
fn what_is_too_large_waits_for_a_higher_limit() {
    let mut conduct = Conduct { messages: messages(3, 300), ..Conduct::default() };
    conduct.messages[1].1.extend(b"a line\r\n".repeat(20_000));
    let server = OddServer::start(conduct);
    let home = Home::new();
    let path = configured(&home, &server, "keep = \"none\"\nmax_size = \"100 KiB\"");
    home.run(&["--config", &path]).ended(0).says("collected 2 messages").says("1 left on the server");
    home.run(&["--config", &path]).ended(0).says("nothing new").says("1 left on the server");
    assert!(!server.said().contains(&"RETR 2".to_owned()));
    let path = configured(&home, &server, "keep = \"none\"\nmax_size = \"1 MiB\"");
    home.run(&["--config", &path]).ended(0).says("collected 1 message").says("1 deleted");
    assert!(server.unique_ids().is_empty());
    home.has_each_once(3);
}

#[test]
fn what_one_sink_takes_later_is_not_brought_to_the_others_again() {
    let server = OddServer::with_messages(3, 300);
    let home = Home::new();
    let (first, second, open) =
        (home.path().join("first"), home.path().join("second"), home.path().join("open"));
    let sinks = [
        format!("command:/bin/sh -c 'cat > /dev/null; echo $RESTANTE_UNIQUE_ID >> {}'", first.display()),
        format!(
            "command:/bin/sh -c 'cat > /dev/null; test -e {} || exit 75; echo $RESTANTE_UNIQUE_ID >> {}'",
            open.display(),
            second.display()
        ),
    ];
    let more = ["--delete", "--to", &sinks[0], "--to", &sinks[1]];
    home.collect(&server.url(), &more).ended(75).says("takes u3 later").says("3 to be taken later");
    assert_eq!(server.unique_ids().len(), 3, "what is not everywhere stays on the server");
    let delivered = files(&home);
    assert!(delivered.len() == 3 && !second.exists());
    std::fs::write(&open, "").unwrap();
    home.collect(&server.url(), &more).ended(0).says("collected 3 messages").says("3 deleted");
    let said = |path| std::fs::read_to_string(path).unwrap();
    assert_eq!((said(&first), said(&second)), ("u1\nu2\nu3\n".into(), "u1\nu2\nu3\n".into()));
    assert_eq!(files(&home), delivered, "they have other names, so they came again");
    assert!(server.unique_ids().is_empty());
}
