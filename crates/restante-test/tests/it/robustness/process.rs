//! The process: reload and stop.

use std::fs;

use restante_test::mail::numbered;
use restante_test::peer::Peer;
use restante_test::wait;
use rustix::process::Signal;

use super::ours;

#[test]
fn sigterm_lets_a_message_in_progress_come_to_its_end() {
    let mut message = numbered(1, 0);
    message.extend_from_slice(&b"a line of a message that takes its time to be retrieved\n".repeat(200_000));
    let wanted = restante_test::mail::canonical(&message);
    ours().mail("alice", vec![message]).run(move |server| {
        let mut peer = server.login("alice");
        peer.ok("RETR 1");
        peer.peek(1000);
        server.process().signal(Signal::TERM);
        // Nobody new gets in, but whoever is in the middle of something is not cut off.
        let address = server.pop3_address();
        wait::until("the server to stop listening", || {
            Peer::try_connect(address)
                .map_or(true, |mut peer| peer.try_line().is_none_or(|line| !line.starts_with(b"+OK")))
        });
        assert!(peer.body() == wanted);
        peer.rest();
        wait::until("the server to end", || !server.process().is_running());
    });
}

#[test]
fn sigterm_ends_idle_sessions_at_once_and_removes_nothing() {
    ours().mail("alice", vec![numbered(1, 3)]).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        let mut other = server.pop3();
        let mut lmtp = server.lmtp();
        server.stop();
        for peer in [&mut peer, &mut other, &mut lmtp] {
            peer.rest();
        }
        server.start_again();
        assert!(server.login("alice").ok("STAT").starts_with("+OK 1 "));
    });
}

#[test]
fn sighup_takes_a_new_configuration_or_keeps_the_old_one() {
    ours().run(|server| {
        let file = server.site().path().join("restante.toml");
        let good = fs::read_to_string(&file).unwrap();
        let greeting = |server: &restante_test::real::Server| Peer::connect(server.pop3_address()).greeting();
        assert!(greeting(server).contains("mail.example.org"));
        // A session from before goes on as it was.
        let mut old = server.login("alice");
        fs::write(&file, "this is no configuration at all [").unwrap();
        server.process().signal(Signal::HUP);
        wait::until("the refusal in the log", || {
            server.log().contains("not TOML") || server.log().contains("reload")
        });
        assert!(greeting(server).contains("mail.example.org"));
        fs::write(&file, good.replace("mail.example.org", "other.example.org")).unwrap();
        server.process().signal(Signal::HUP);
        wait::until("the new name in the greeting", || greeting(server).contains("other.example.org"));
        old.ok("STAT");
        old.ok("QUIT");
        // Accounts come and go with their file.
        let users = server.site().path().join("users");
        let text = fs::read_to_string(&users).unwrap();
        fs::write(&users, text + "dora:{PLAIN}new\n").unwrap();
        server.process().signal(Signal::HUP);
        wait::until("the new account", || {
            let mut peer = server.pop3();
            peer.ok("USER dora");
            peer.command("PASS new").starts_with("+OK")
        });
    });
}
