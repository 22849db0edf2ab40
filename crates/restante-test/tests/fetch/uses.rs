//! Right uses, against Restante's own server and an honest one.

use restante_test::mail::numbered;
use restante_test::odd_server::{Conduct, OddServer, messages};
use restante_test::real::{Kind, Server, Setup};

use crate::kitchen::{Home, SECRET};

#[test]
fn mail_of_our_own_server_comes_once_and_byte_for_byte() {
    let mut odd = numbered(2, 0);
    odd.extend_from_slice(b"nul \0, 8-bit \xff\xfe, bare\rCR\n.dot\n..dots\nFrom me\n");
    odd.extend(vec![b'x'; 100_000]);
    odd.push(b'\n');
    let mail = vec![numbered(1, 3), odd];
    let setup =
        Setup { mail: vec![("alice".into(), mail.clone())], tls: false, mbox: false, ..Setup::default() };
    let server = Server::start(Kind::Restante, &setup);
    let url = format!("pop://alice@{}", server.pop3_address());
    let home = Home::new();
    home.collect(&url, &[]).ended(0).says("collected 2 messages");
    let mut found = home.messages();
    found.sort();
    let mut wanted = mail;
    wanted.sort();
    assert!(found == wanted, "they are not what they were");
    home.collect(&url, &[]).ended(0).says("nothing new");
    assert_eq!(home.messages().len(), 2);
}

#[test]
fn over_tls_by_the_first_octet_and_by_stls() {
    let setup = Setup { mail: vec![("alice".into(), vec![numbered(1, 3)])], ..Setup::default() };
    let server = Server::start(Kind::Restante, &setup);
    let ca = server.site().path().join("authority.pem").display().to_string();
    for (scheme, address) in [("pop", server.pop3_address()), ("pops", server.pop3s_address())] {
        let home = Home::new();
        let (to, state) =
            (format!("maildir:{}", home.maildir().display()), home.state().display().to_string());
        let url = format!("{scheme}://alice@{address}");
        let words = [&url, "--to", &to, "--state", &state, "--password-env", "PW", "--ca", &ca, "--verbose"];
        home.run(&words).ended(0).says("over TLS").says("collected 1 message");
        // Another authority than the server's.
        let words = [&url, "--to", &to, "--state", &state, "--password-env", "PW"];
        home.run(&words).ended(76);
    }
}

#[test]
fn nothing_is_deleted_unless_somebody_says_so() {
    let server = OddServer::with_messages(5, 300);
    let home = Home::new();
    home.collect(&server.url(), &[]).ended(0);
    assert_eq!(server.unique_ids().len(), 5);
    // What was collected before is deleted when that is wanted later.
    home.collect(&server.url(), &["--delete"]).ended(0).says("5 deleted on the server");
    assert_eq!(server.unique_ids().len(), 0);
    home.has_each_once(5);
}

#[test]
fn delete_and_keep_none_delete_what_is_collected() {
    for flags in [&["--delete"][..], &["--keep", "none"]] {
        let server = OddServer::with_messages(70, 300);
        let home = Home::new();
        home.collect(&server.url(), flags).ended(0).says("collected 70 messages").says("70 deleted");
        home.has_each_once(70);
        assert_eq!(server.unique_ids().len(), 0);
    }
}

#[test]
fn the_newest_are_kept() {
    let server = OddServer::with_messages(10, 300);
    let home = Home::new();
    home.collect(&server.url(), &["--keep", "newest 3"]).ended(0);
    home.has_each_once(10);
    assert_eq!(server.unique_ids(), ["u8", "u9", "u10"]);
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let server = OddServer::with_messages(3, 300);
    let home = Home::new();
    let ran = home.collect(&server.url(), &["--dry-run", "--delete"]).ended(0);
    for number in 1..=3 {
        assert!(ran.out.contains(&format!("would fetch u{number}")), "{}", ran.out);
    }
    assert!(!home.maildir().exists());
    assert!(server.said().iter().all(|command| !command.starts_with("RETR") && !command.starts_with("DELE")));
    // It has not forgotten that it knows nothing.
    home.collect(&server.url(), &[]).ended(0).says("collected 3 messages");
}

#[test]
fn large_messages_are_left_and_said() {
    let mut conduct = Conduct { messages: messages(3, 300), ..Conduct::default() };
    conduct.messages[1].1.extend(b"a line\r\n".repeat(20_000));
    let server = OddServer::start(conduct);
    let home = Home::new();
    let ran = home.collect(&server.url(), &["--max-size", "100 KiB", "--verbose", "--delete"]).ended(0);
    assert!(ran.out.contains("left u2 on the server"), "{}", ran.out);
    assert_eq!(home.messages().len(), 2);
    assert_eq!(server.unique_ids(), ["u2"]);
    home.collect(&server.url(), &[]).ended(0).says("collected 1 message");
}

#[test]
fn json_is_one_event_a_line() {
    let server = OddServer::with_messages(2, 300);
    let home = Home::new();
    let events = home.collect(&server.url(), &["--json", "--delete"]).ended(0).events();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["connecting", "logged-in", "listed"], "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "collected").count(), 2);
    assert_eq!(names.last(), Some(&"ended"));
    let account = format!("alice@{}", server.address().ip());
    assert!(events.iter().all(|event| event["account"] == account.as_str()), "{events:?}");
    let ended = events.last().unwrap();
    assert_eq!((&ended["collected"], &ended["deleted"]), (&2.into(), &2.into()));
}

#[test]
fn no_secret_is_in_anything_that_is_said() {
    let server = OddServer::with_messages(2, 300);
    for flags in [&["--trace", "--verbose"][..], &["--trace", "--json"]] {
        let home = Home::new();
        let ran = home.collect(&server.url(), flags).ended(0);
        assert!(ran.err.contains("C: CAPA") && ran.err.contains("S: +OK"), "{}", ran.err);
        assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "{}{}", ran.out, ran.err);
        assert!(!ran.err.contains("Subject: number 1"), "a message is in the trace");
    }
}

#[test]
fn the_number_of_round_trips_does_not_grow_with_the_messages() {
    let server = OddServer::with_messages(100, 300);
    let home = Home::new();
    home.collect(&server.url(), &["--delete"]).ended(0);
    let said = server.said();
    let count = |verb: &str| said.iter().filter(|command| command.starts_with(verb)).count();
    assert_eq!(
        (count("CAPA"), count("LIST"), count("UIDL"), count("RETR"), count("DELE")),
        (2, 1, 1, 100, 100)
    );
    assert_eq!((count("STAT"), count("TOP"), count("NOOP"), count("QUIT")), (0, 0, 0, 1));
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let server = OddServer::with_messages(2, 300);
    let home = Home::new();
    let ran = home.collect(&server.url(), &["--quiet"]).ended(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
}

#[test]
fn status_tells_what_is_known() {
    let server = OddServer::with_messages(4, 300);
    let home = Home::new();
    home.collect(&server.url(), &[]).ended(0);
    let state = home.state().display().to_string();
    home.run(&["status", "--state", &state]).ended(0).says("alice@127.0.0.1");
    let ran = home.run(&["status", "--state", &state, "--json"]).ended(0);
    let status: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&status[0]["collected"], &status[0]["last_poll"]["messages"]), (&4.into(), &4.into()));
}

#[test]
fn mail_goes_to_every_kind_of_sink_and_to_several_at_once() {
    let receiver = Server::start(Kind::Restante, &Setup { tls: false, mbox: false, ..Setup::default() });
    let server = OddServer::with_messages(70, 300);
    let home = Home::new();
    let (mbox, copies) = (home.path().join("mbox"), home.path().join("copies"));
    let sinks = [
        format!("lmtp:{},to=bob", receiver.lmtp_address()),
        format!("command:/bin/sh -c 'cat >> {}'", copies.display()),
        format!("mbox:{}", mbox.display()),
    ];
    let more: Vec<&str> = sinks.iter().flat_map(|sink| ["--to", sink.as_str()]).collect();
    home.collect(&server.url(), &[&more[..], &["--delete"]].concat()).ended(0).says("collected 70 messages");
    home.has_each_once(70);
    let subjects = |text: &[u8]| {
        text.split(|&octet| octet == b'\n').filter(|line| line.starts_with(b"Subject: ")).count()
    };
    assert_eq!(subjects(&std::fs::read(&mbox).unwrap()), 70);
    assert_eq!(subjects(&std::fs::read(&copies).unwrap()), 70);
    assert_eq!(std::fs::read_dir(receiver.site().maildrop("bob").join("new")).unwrap().count(), 70);
    assert!(server.unique_ids().is_empty());
}

#[test]
fn what_a_sink_refuses_is_in_the_quarantine_and_what_it_takes_later_stays() {
    for (exit, status, said, left) in [("65", 65, "quarantine", 0), ("75", 75, "takes u2 later", 1)] {
        let server = OddServer::with_messages(3, 300);
        let home = Home::new();
        let program = format!("command:/bin/sh -c 'grep -q \"number 2\" && exit {exit}; exit 0'");
        home.collect(&server.url(), &["--delete", "--to", &program]).ended(status).says(said);
        // The other sink has it all the same.
        home.has_each_once(3);
        assert_eq!(server.unique_ids().len(), left);
        home.collect(&server.url(), &["--delete", "--to", &program]);
        home.has_each_once(3);
    }
}

#[test]
fn what_goes_elsewhere_out_of_the_quarantine_still_comes_to_the_sink_that_wanted_it_later() {
    let server = OddServer::with_messages(1, 300);
    let home = Home::new();
    let path = |name: &str| home.path().join(name).display().to_string();
    let refuses = "command:/bin/sh -c 'cat >/dev/null; exit 65'";
    let waits = format!("command:/bin/sh -c 'cat >/dev/null; test -e {} || exit 75'", path("open"));
    let collect = || home.collect(&server.url(), &["--delete", "--to", refuses, "--to", &waits]);
    let quarantine = |words: &[&str]| {
        let state = path("state");
        home.run(&[&["quarantine"], words, &["--state", &state]].concat())
    };
    let elsewhere = || std::fs::read_dir(home.path().join("Other/new")).map_or(0, |files| files.count());
    collect().ended(75).says("to be taken later");
    quarantine(&["retry", "--to", &format!("maildir:{}", path("Other"))])
        .ended(0)
        .says("1 delivered, 0 still in the quarantine")
        .says("another sink of the account wanted later");
    assert_eq!((elsewhere(), quarantine(&["list", "--json"]).out.as_str()), (1, "[]\n"));
    // Nothing is deleted on the server before that sink has it, and the one that refused it is not asked again.
    collect().ended(75).says("to be taken later");
    assert_eq!((server.unique_ids().len(), quarantine(&["list", "--json"]).out.as_str()), (1, "[]\n"));
    std::fs::write(home.path().join("open"), "").unwrap();
    collect().ended(0).says("collected 1 message");
    home.has_each_once(1);
    assert_eq!((elsewhere(), server.unique_ids().len()), (1, 0));
}

#[test]
fn rules_look_at_headers_before_anything_is_fetched() {
    let server = OddServer::with_messages(30, 3000);
    let home = Home::new();
    let path = home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nname = \"work\"\nserver = \"{}\"\nsecurity = \"none\"\npassword = {{ env = \"PW\" }}\n\
         deliver = [{{ type = \"maildir\", path = \"Mail\" }}]\n\
         [[account.rule]]\nheader = \"Subject\"\nis = \"number 7\"\nthen = \"skip\"\n\
         [[account.rule]]\nheader = \"Subject\"\nis = \"number 9\"\nthen = \"delete\"\n",
        home.state().display(),
        server.url()
    ));
    home.run(&["--config", &path]).ended(0).says("collected 28 messages").says("1 left on the server");
    let said = server.said();
    assert!(!said.contains(&"RETR 7".to_owned()) && !said.contains(&"RETR 9".to_owned()));
    assert!(!server.unique_ids().contains(&"u9".to_owned()));
    home.run(&["--config", &path]).ended(0).says("nothing new");
    assert!(server.said().iter().all(|command| !command.starts_with("TOP")), "a rule is asked once");
}
