//! Servers on their bad days, and networks: nothing is lost, nothing comes twice, and what happened is said.

use restante_test::odd_server::{Conduct, OddServer, Quit, messages};

use crate::kitchen::Home;

#[test]
fn a_connection_that_breaks_after_150_of_200_costs_nothing() {
    for flags in [&["--delete"][..], &[]] {
        let server = OddServer::with_messages(200, 1000);
        server.change(|conduct| conduct.breaks_after = Some(150));
        let home = Home::new();
        home.collect(&server.url(), flags).ended(1).says("collected 150 messages");
        home.has_each_once(150);
        assert_eq!(server.unique_ids().len(), 200, "a session that breaks deletes nothing");
        server.change(|conduct| conduct.breaks_after = None);
        assert!(!server.said().is_empty());
        home.collect(&server.url(), flags).ended(0).says("collected 50 messages");
        home.has_each_once(200);
        let retrieved = server.said().iter().filter(|command| command.starts_with("RETR")).count();
        assert_eq!(retrieved, 50, "what is collected is not fetched again");
    }
}

#[test]
fn a_server_that_once_lists_10_of_50_does_not_make_us_forget() {
    let server = OddServer::with_messages(50, 300);
    let home = Home::new();
    home.collect(&server.url(), &[]).ended(0).says("collected 50 messages");
    for lists in [10, 0] {
        server.change(|conduct| conduct.lists = lists);
        home.collect(&server.url(), &[]).ended(0).says("nothing new");
        server.change(|conduct| conduct.lists = usize::MAX);
        home.collect(&server.url(), &[]).ended(0).says("nothing new");
    }
    home.has_each_once(50);
}

#[test]
fn whatever_becomes_of_quit_nothing_comes_twice_and_all_is_deleted_in_the_end() {
    for quit in [Quit::Commits, Quit::CommitsSilently, Quit::Breaks, Quit::Refuses] {
        let server = OddServer::with_messages(20, 300);
        server.change(|conduct| conduct.quit = quit);
        let home = Home::new();
        home.collect(&server.url(), &["--delete"]);
        home.has_each_once(20);
        server.change(|conduct| conduct.quit = Quit::Commits);
        home.collect(&server.url(), &["--delete"]).ended(0);
        home.has_each_once(20);
        assert_eq!(server.unique_ids().len(), 0, "{quit:?}");
    }
}

#[test]
fn a_message_that_the_server_does_not_give_blocks_nothing() {
    let server = OddServer::with_messages(5, 300);
    server.change(|conduct| conduct.refuses = [2].into());
    let home = Home::new();
    home.collect(&server.url(), &["--delete"]).ended(75).says("does not give u2").says("not this one");
    assert_eq!((home.messages().len(), server.unique_ids()), (4, vec!["u2".to_owned()]));
    server.change(|conduct| conduct.refuses.clear());
    home.collect(&server.url(), &["--delete"]).ended(0);
    home.has_each_once(5);
}

#[test]
fn a_server_that_lies_about_sizes_is_odd_and_no_more() {
    let server = OddServer::with_messages(5, 300);
    server.change(|conduct| conduct.lies_by = 7);
    let home = Home::new();
    home.collect(&server.url(), &["--verbose"]).ended(0).says("odd: ").says("collected 5 messages");
    home.collect(&server.url(), &[]).ended(0).says("nothing new");
    home.has_each_once(5);
}

#[test]
fn new_unique_ids_for_all_messages_fetch_nothing_twice() {
    let server = OddServer::with_messages(30, 300);
    let home = Home::new();
    home.collect(&server.url(), &[]).ended(0);
    server.change(|conduct| {
        conduct.messages.iter_mut().for_each(|(unique_id, _)| unique_id.insert_str(0, "moved-"));
        let (_, message) = messages(31, 300).pop().expect("the newest");
        conduct.messages.push(("moved-u31".into(), message));
    });
    assert!(!server.said().is_empty());
    home.collect(&server.url(), &[])
        .ended(0)
        .says("30 messages have new unique-ids")
        .says("collected 1 message");
    home.has_each_once(31);
    let retrieved = server.said().iter().filter(|command| command.starts_with("RETR")).count();
    assert_eq!(retrieved, 1);
}

#[test]
fn a_server_with_other_unique_ids_in_every_session_is_told_once_with_what_mends_it() {
    let server = OddServer::with_messages(20, 300);
    let home = Home::new();
    home.collect(&server.url(), &[]).ended(0);
    let renamed = "20 messages have new unique-ids";
    for (session, is_told) in [(1, false), (2, true), (3, false)] {
        server.change(|conduct| {
            conduct.messages.iter_mut().for_each(|(unique_id, _)| unique_id.insert_str(0, "other-"));
        });
        let ran = home.collect(&server.url(), &[]).ended(0).says(renamed).says("nothing new");
        assert_eq!(ran.err.contains("unique_ids = \"header\""), is_told, "{session}: {}", ran.err);
    }
    home.has_each_once(20);
    let path = home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nserver = \"{}\"\nsecurity = \"none\"\npassword = {{ env = \"PW\" }}\n\
         deliver = [{{ type = \"maildir\", path = \"Mail\" }}]\nunique_ids = \"header\"\n",
        home.state().display(),
        server.url()
    ));
    // What mends it does not double anything either.
    home.run(&["--config", &path]).ended(0).says(renamed).says("nothing new");
    home.run(&["--config", &path]).ended(0).says("nothing new");
    home.has_each_once(20);
}

#[test]
fn logins_that_are_refused_are_told_apart() {
    for (reply, status, text) in [
        ("-ERR [AUTH] no", 77, "password"),
        ("-ERR [IN-USE] somebody is there", 75, "somebody is there"),
        ("-ERR [LOGIN-DELAY] not yet", 75, "not yet"),
        ("-ERR [SYS/TEMP] tired", 75, "tired"),
    ] {
        let server = OddServer::start(Conduct { login: Some(reply), ..Conduct::default() });
        Home::new().collect(&server.url(), &[]).ended(status).says(text);
    }
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = Home::new().collect(&format!("pop://alice@{address}"), &[]).ended(69);
    assert_eq!(ran.err.matches(&address.to_string()).count(), 1, "{}", ran.err);
}

#[test]
fn a_server_without_stls_gets_no_password() {
    let server = OddServer::with_messages(1, 300);
    let home = Home::new();
    let (to, state) = (format!("maildir:{}", home.maildir().display()), home.state().display().to_string());
    home.run(&[&server.url(), "--to", &to, "--state", &state, "--password-env", "PW"]).ended(76).says("STLS");
    assert!(server.said().iter().all(|command| command == "CAPA"));
}
