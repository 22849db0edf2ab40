//! What a pass says of the dialogue itself: what it has cost, and what was odd about the server.

use restante_test::mail::numbered;
use restante_test::odd_server::{Conduct, OddServer, messages};
use restante_test::real::{Kind, Server, Setup};
use serde_json::Value;

use crate::kitchen::Home;

/// The last event of a first pass over TLS against our own server with so many messages, with PLAIN.
fn ended(count: usize) -> Value {
    let mail = (1..=count).map(|number| numbered(number, 20)).collect();
    let setup = Setup { mail: vec![("alice".into(), mail)], mbox: false, ..Setup::default() };
    let server = Server::start(Kind::Restante, &setup);
    let ca = server.site().path().join("authority.pem").display().to_string();
    let home = Home::new();
    let (to, state) = (format!("maildir:{}", home.maildir().display()), home.state().display().to_string());
    let url = format!("pops://alice;AUTH=PLAIN@{}", server.pop3s_address());
    let words =
        [&url, "--to", &to, "--state", &state, "--password-env", "PW", "--ca", &ca, "--json", "--delete"];
    let mut events = home.run(&words).ended(0).events();
    let ended = events.pop().expect("a pass ends");
    assert_eq!((&ended["event"], &ended["collected"]), (&"ended".into(), &count.into()));
    assert_eq!(ended["deleted"], count);
    // Ours offers other things after the login, as it may; and is odd in nothing else.
    let odd: Vec<&Value> = events.iter().filter(|event| event["event"] == "quirk").collect();
    assert!(odd.len() == 1 && odd[0]["name"] == "capabilities-changed", "{odd:?}");
    ended
}

#[test]
fn a_pass_takes_five_flights_whatever_the_number_of_messages() {
    let (many, few) = (ended(300), ended(3));
    assert_eq!((&many["flights"], &few["flights"]), (&5.into(), &5.into()));
    let octets = |ended: &Value, name: &str| ended[name].as_u64().expect("a number");
    for name in ["octets_in", "octets_out"] {
        assert!(octets(&many, name) > octets(&few, name) && octets(&few, name) > 0, "{many} {few}");
    }
    assert!(octets(&many, "octets_in") > octets(&many, "octets"), "messages are among what came in");
}

#[test]
fn what_was_odd_is_told_once_and_counted() {
    let mut conduct = Conduct { messages: messages(3, 300), lies_by: 7, ..Conduct::default() };
    conduct.messages[0].0 = "u".repeat(71);
    conduct.messages[1].0 = "u\u{e4}".into();
    let server = OddServer::start(conduct);
    let home = Home::new();
    let events = home.collect(&server.url(), &["--json"]).ended(0).events();
    let names: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "quirk")
        .filter_map(|event| event["name"].as_str())
        .collect();
    for (name, times) in [("unique-id-too-long", 1), ("unique-id-octets", 1), ("size-lies", 3 + 1)] {
        assert_eq!(names.iter().filter(|other| **other == name).count(), times, "{name}: {names:?}");
    }
    assert_eq!(events.last().expect("an end")["quirks"], 3);
    // In words it is said to who wants to hear much.
    let ran = home.collect(&server.url(), &["--verbose"]).ended(0);
    assert!(ran.out.contains("odd: the server's unique-ids are longer than 70 octets"), "{}", ran.out);
    assert!(ran.out.contains(" flights, ") && ran.out.contains(" octets in, "), "{}", ran.out);
    let ran = home.collect(&server.url(), &[]).ended(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("nothing new\n", ""));
}

#[test]
fn a_pass_that_fails_says_what_it_saw_all_the_same() {
    let server = OddServer::with_messages(3, 300);
    server.change(|conduct| {
        conduct.breaks_after = Some(1);
        conduct.messages[0].0 = "u".repeat(71);
    });
    let ran = Home::new().collect(&server.url(), &["--json"]).ended(1);
    let events = ran.events();
    let ended = events.last().expect("an end");
    assert!(ended["failure"].is_object() && ended["flights"].as_u64() > Some(2), "{ended}");
    assert_eq!(ended["quirks"], 1);
    // Nobody got in: there was no dialogue worth counting.
    let server = OddServer::start(Conduct { login: Some("-ERR [AUTH] no"), ..Conduct::default() });
    let events = Home::new().collect(&server.url(), &["--json"]).ended(77).events();
    assert_eq!(events.last().expect("an end")["flights"], 0);
}
