//! Attackers from Debian (hydra, nmap) and a client with an old password, against the rules that are in force by default.
//!
//! Each comes through a relay, from an address that is not loopback; loopback is never banned.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Output};

use restante_test::mail::numbered;
use restante_test::peer::Peer;
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::relay::Relay;
use restante_test::wait;

use crate::clients::write_private;

/// A server behind a proxy that says where clients come from; alice has one message.
fn serve(lines: &[(&str, &str)]) -> Server {
    let behind = "[[listen]]\nprotocol = \"pop3\"\naddress = \"unix:@ROOT@/behind\"\nproxy_from = [\"unix\"]";
    let lines = lines.iter().copied().chain([("", behind)]);
    let restante = lines.map(|(section, line)| (section.to_owned(), line.to_owned())).collect();
    let mail = vec![("alice".to_owned(), vec![numbered(1, 1)])];
    Server::start(Kind::Restante, &Setup { mail, restante, ..Setup::default() })
}

fn relay(server: &Server, client: &str) -> Relay {
    Relay::start(&server.site().path().join("behind"), client.parse::<IpAddr>().unwrap())
}

/// Logs in and leaves.
fn visit(relay: Relay) {
    wait::some("the maildrop to be free", || {
        let mut peer = Peer::connect(relay.address());
        peer.greeting();
        peer.ok("USER alice");
        let answer = peer.command("PASS secret");
        assert!(answer.starts_with("+OK") || answer.starts_with("-ERR [IN-USE]"), "{}", peer.transcript());
        peer.command("QUIT");
        answer.starts_with("+OK").then_some(())
    });
}

/// Guesses with the words of a file, on as many connections at once as hydra can.
fn hydra(server: &Server, relay: Relay, words: &str) -> Output {
    let folder = server.site().path().join("hydra");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("words"), words).unwrap();
    Command::new(program("hydra", "hydra"))
        .args(["-I", "-l", "alice", "-P", "words", "-t", "64", "-w", "40", "-s"])
        .arg(relay.address().port().to_string())
        .args(["-o", "found", &format!("pop3://{}", relay.address().ip())])
        .current_dir(&folder)
        .env("HOME", &folder)
        .output()
        .expect("hydra starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// What hydra has found, as it says; it writes the file only when it has.
fn found(server: &Server) -> String {
    let file = fs::read_to_string(server.site().path().join("hydra/found")).unwrap_or_default();
    file.lines().filter(|line| line.starts_with('[')).collect()
}

/// Only the waits are shorter than by default, so that a hundred guesses are made in this test's time.
#[test]
fn hydra_is_banned_finds_nothing_and_keeps_no_owner_out() {
    let server = serve(&[("defence", "penalty_max_s = 1"), ("auth", "fail_delay_s = 1")]);
    let (attacker, home) = (relay(&server, "203.0.113.66"), relay(&server, "198.51.100.7"));
    visit(home);
    // The right word is among them, where somebody who is not stopped would come to it.
    let words: String = (0..220).map(|n| format!("guess-{n}\n")).chain(["secret\n".to_owned()]).collect();
    let attack = std::thread::scope(|scope| {
        let attack = scope.spawn(|| hydra(&server, attacker, &words));
        // While it goes on the owner comes and goes, at every ten guesses or so.
        let guesses = || server.log().matches("event=auth_failed").count();
        for n in 1.. {
            wait::until("more guesses, or the end", || attack.is_finished() || guesses() >= 10 * n);
            if attack.is_finished() {
                break;
            }
            visit(home);
        }
        attack.join().unwrap()
    });
    assert_eq!(found(&server), "", "{}\n{}", said(&attack), server.log());
    wait::until("the ban in the log", || server.log().contains("event=ban_added network=203.0.113.66 "));
    let mut peer = Peer::connect(attacker.address());
    assert_eq!(peer.rest(), b"", "a banned address hears nothing");
    visit(home);
    let stranger = relay(&server, "198.51.100.200");
    visit(stranger);
    let (code, bans) = server.restante(&["ban", "list"]);
    assert!(code == 0 && bans.contains("203.0.113.66") && bans.contains("server"), "{bans}");
    let log = server.log();
    assert!(!log.contains("secret") && !log.contains("guess-1"), "passwords are not logged");
}

/// The judge of the test above: who guesses right is told so, when nothing stands in the way.
#[test]
fn hydra_is_told_the_truth_about_the_right_password() {
    let server = serve(&[]);
    let attack = hydra(&server, relay(&server, "203.0.113.66"), "one\ntwo\nsecret\n");
    assert!(
        found(&server).contains("login: alice   password: secret"),
        "{}\n{}",
        said(&attack),
        server.log()
    );
}

fn nmap(server: &Server, relay: Relay, scripts: &str, arguments: &str) -> String {
    let output = Command::new(program("nmap", "nmap"))
        .args(["-n", "-Pn", "-sT", "--disable-arp-ping", "-p", &relay.address().port().to_string()])
        .args(["--script", scripts, "--script-args", arguments, &relay.address().ip().to_string()])
        .current_dir(server.site().path())
        .output()
        .expect("nmap starts");
    let said = said(&output);
    assert!(output.status.success() && said.contains("/tcp open"), "{said}\n{}", server.log());
    said
}

#[test]
fn nmap_sees_the_capabilities_and_nothing_else() {
    let server = serve(&[("defence", "penalty_s = 0\nban_after = 0"), ("auth", "fail_delay_s = 0")]);
    let attacker = relay(&server, "203.0.113.66");
    let said = nmap(&server, attacker, "+pop3-capabilities,+pop3-ntlm-info", "x=y");
    for tag in ["UIDL", "TOP", "USER", "PIPELINING", "PLAIN", "STLS"] {
        assert!(said.contains(tag), "{tag}\n{said}");
    }
    assert!(!said.contains("Target_Name") && !said.contains("NetBIOS"), "{said}");
    let lists = ["users", "words"].map(|name| server.site().path().join(name));
    fs::write(&lists[0], "alice\nbob\nnobody-here\n").unwrap();
    fs::write(&lists[1], "one\ntwo\nthree\n").unwrap();
    let brute = |method: &str| {
        let [users, words] = lists.each_ref().map(|path| path.display());
        let arguments = format!("userdb={users},passdb={words},pop3loginmethod={method},brute.threads=4");
        nmap(&server, attacker, "+pop3-brute", &arguments)
    };
    for method in ["USER", "SASL-PLAIN", "SASL-LOGIN"] {
        let said = brute(method);
        assert!(said.contains("No valid accounts found"), "{method}\n{said}\n{}", server.log());
    }
    // It finds what is there to be found.
    fs::write(&lists[1], "one\nsecret\n").unwrap();
    assert!(brute("USER").contains("alice:secret - Valid credentials"));
}

/// Polls with mpop; whether it could log in.
fn poll(server: &Server, relay: Relay, method: &str, password: &str) -> bool {
    let folder = server.site().path().join(format!("mpop-{method}"));
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join("Maildir").join(part)).unwrap();
    }
    let configuration = folder.join("mpoprc");
    let (ip, port, folder) = (relay.address().ip(), relay.address().port(), folder.display());
    write_private(
        &configuration,
        &format!(
            "account default\nhost {ip}\nport {port}\ntls off\nauth {method}\nuser alice\npassword {password}\nkeep on\n\
             uidls_file {folder}/uidls\ndelivery maildir {folder}/Maildir\n"
        ),
    );
    mpop(&configuration).status.success()
}

fn mpop(configuration: &Path) -> Output {
    Command::new(program("mpop", "mpop")).arg("-C").arg(configuration).output().expect("mpop starts")
}

#[test]
fn a_client_with_an_old_password_is_neither_banned_nor_punished_and_keeps_nobody_out() {
    let server = serve(&[("defence", "ban_after = 2\nfree_failures = 1"), ("auth", "fail_delay_s = 0")]);
    // Both behind one address, and nobody has ever logged in from there.
    let home = relay(&server, "198.51.100.7");
    for (n, method) in ["user", "plain", "user", "plain", "user", "plain"].into_iter().enumerate() {
        assert!(!poll(&server, home, method, "last-year"), "{n}");
        assert!(!server.log().contains("event=ban_added"), "{n}: {}", server.log());
    }
    wait::until("six lines", || server.log().matches("event=auth_failed").count() >= 6);
    let log = server.log();
    for line in log.lines().filter(|line| line.contains("event=auth_failed")) {
        assert!(line.contains(" waited_ms=0 penalty_ms=0 guesses=1"), "{line}");
    }
    visit(home);
    // From here on it is known, and whatever is tried there now bans nobody.
    for n in 0..4 {
        assert!(!poll(&server, home, "user", &format!("last-year-{n}")), "{n}");
    }
    visit(home);
    assert!(!server.log().contains("event=ban_added"), "{}", server.log());
    // A stranger who does the same is banned: the rule is in force.
    let stranger = relay(&server, "203.0.113.66");
    for n in 0..3 {
        assert!(!poll(&server, stranger, "user", &format!("last-year-{n}")), "{n}");
    }
    wait::until("the ban", || server.log().contains("event=ban_added network=203.0.113.66 "));
}
