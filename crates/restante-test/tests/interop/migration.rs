//! Maildrops of real servers, taken over: what a client saw there is what it sees here, and there again after the way back.
//!
//! Each server fills and empties its maildrops in its own ways before anybody looks.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use restante_test::mail::{canonical, numbered};
use restante_test::peer::Peer;
use restante_test::real::others::{FIRST_ACCOUNT, Other, OtherServer, own};
use restante_test::real::site::{NOBODY, Site};
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;

use crate::clients::{run as run_client, write_private};

/// Unique-id, octets and contents of every message, in order.
type Seen = Vec<(String, u64, Vec<u8>)>;

fn see(address: SocketAddr, account: &str) -> Seen {
    let mut peer = wait::some("the maildrop to be free", || {
        let mut peer = Peer::connect(address);
        peer.greeting();
        peer.ok(&format!("USER {account}"));
        peer.command("PASS secret").starts_with("+OK").then_some(peer)
    });
    let words = |line: &String| line.split_once(' ').map(|(_, word)| word.to_owned()).unwrap();
    let unique_ids: Vec<String> = peer.list("UIDL").iter().map(words).collect();
    let octets: Vec<u64> = peer.list("LIST").iter().map(|line| words(line).parse().unwrap()).collect();
    assert_eq!(unique_ids.len(), octets.len());
    let contents = (1..=octets.len()).map(|number| peer.message(&format!("RETR {number}")));
    let contents: Vec<Vec<u8>> = contents.collect();
    quit(&mut peer);
    unique_ids.into_iter().zip(octets).zip(contents).map(|((id, octets), all)| (id, octets, all)).collect()
}

fn unique_ids(seen: &Seen) -> Vec<&str> {
    seen.iter().map(|(unique_id, _, _)| unique_id.as_str()).collect()
}

/// Fails with what is short enough to read.
fn assert_same(one: &Seen, other: &Seen) {
    assert_eq!(unique_ids(one), unique_ids(other));
    for ((unique_id, octets, contents), (_, other_octets, other_contents)) in one.iter().zip(other) {
        assert_eq!(octets, other_octets, "{unique_id}");
        assert!(contents == other_contents, "{unique_id}: {}", contents.escape_ascii());
    }
}

fn delete(address: SocketAddr, account: &str, numbers: &[usize]) {
    let mut peer = Peer::connect(address);
    peer.greeting();
    peer.login(account, "secret");
    numbers.iter().for_each(|number| drop(peer.ok(&format!("DELE {number}"))));
    quit(&mut peer);
}

/// Leaves, and waits until the server has: some write files and let go of the maildrop only behind the reply.
fn quit(peer: &mut Peer) {
    peer.ok("QUIT");
    peer.end();
}

fn setup() -> Setup {
    let mail = (1..=6).map(|n| ("alice".to_owned(), numbered(n, n))).collect::<Vec<(String, Vec<u8>)>>();
    Setup {
        mail: mail.into_iter().map(|(account, message)| (account, vec![message])).collect(),
        ..Setup::default()
    }
}

/// Files as other programs leave them: an old name, a long one, one with a space and sizes, one without a time.
fn drop_odd_names(site: &Site, account: &str) {
    let long = format!("1700000300.{}", "x".repeat(80));
    // Dovecot believes what names say of sizes.
    let stored = numbered(51, 3);
    let sized = format!("1700000200.a b,S={},W={}", stored.len(), canonical(&stored).len());
    for (n, name) in ["1600000000.old", &sized, &long, "nameless"].into_iter().enumerate() {
        site.drop_named(account, name, &numbered(50 + n, 3));
    }
}

/// Everything that happens to a maildrop at Dovecot: sessions, deliveries, flags, deletions.
fn live_at_dovecot(server: &Server) {
    let address = server.pop3_address();
    drop(see(address, "alice"));
    server.deliver(&["alice"], &canonical(&numbered(20, 3)));
    drop_odd_names(server.site(), "alice");
    delete(address, "alice", &[2, 7]);
    server.deliver(&["alice", "bob"], &canonical(&numbered(21, 4)));
    drop(see(address, "alice"));
    for file in server.site().files("alice").iter().take(3) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let flagged = format!("{}:2,FRS", name.split(":2,").next().unwrap());
        fs::rename(file, server.site().maildrop("alice").join("cur").join(flagged)).unwrap();
    }
}

fn run(server: &Server, words: &[&str]) -> String {
    let (status, said) = server.restante(words);
    assert_eq!(status, 0, "{words:?}: {said}\n{}", server.log());
    said
}

#[test]
fn dovecot_shows_the_same_before_and_after() {
    for (format, spelling) in [
        (None, None),
        (Some("pop3_uidl_format = %v.%u"), Some("%v.%u")),
        (Some("pop3_uidl_format = %f"), Some("%f")),
        (Some("pop3_uidl_format = %Mf"), Some("%{filename | md5}")),
        (Some("pop3_uidl_format = UID%u-%v"), Some("UID%u-%v")),
        (Some("pop3_uidl_format = %g"), Some("%g")),
    ] {
        let setup = Setup { dovecot: format.into_iter().collect(), ..setup() };
        let mut server = Server::start(Kind::Dovecot, &setup);
        live_at_dovecot(&server);
        let (alice, bob) = (see(server.pop3_address(), "alice"), see(server.pop3_address(), "bob"));
        assert_eq!((alice.len(), bob.len()), (10, 1), "{:?}", unique_ids(&alice));
        server.stop();
        let server = Server::restante_at(server.into_site(), &setup);
        let mut words = vec!["maildrop", "import", "--all", "--from", "dovecot"];
        if let Some(spelling) = spelling {
            words.extend(["--format", spelling]);
        }
        let is_long = matches!(spelling, Some("%f" | "%g"));
        if is_long {
            // One file name is longer than a unique-id may be, another holds a space.
            let (status, said) = server.restante(&words);
            assert_eq!(status, 65, "{said}");
            assert!(said.contains("no client may be shown such a unique-id"), "{said}");
            words.push("--partial");
        }
        run(&server, &words);
        let mut server = server;
        server.start_again();
        for (account, before) in [("alice", &alice), ("bob", &bob)] {
            let after = see(server.pop3_address(), account);
            if is_long && account == "alice" {
                let changed = before.iter().zip(&after).filter(|(one, other)| one != other).count();
                assert_eq!((changed, before.len()), (2, after.len()), "{:?}", unique_ids(&after));
            } else {
                assert_same(&after, before);
            }
        }
        // A second run finds nothing to do, also while the server runs.
        run(&server, &words);
        server.deliver(&["alice"], &canonical(&numbered(30, 2)));
        assert_eq!(see(server.pop3_address(), "alice").len(), 11);
    }
}

#[test]
fn dovecot_shows_what_was_shown_here_after_the_way_back() {
    let setup = setup();
    let mut server = Server::start(Kind::Dovecot, &setup);
    live_at_dovecot(&server);
    let before = see(server.pop3_address(), "alice");
    server.turn_into(Kind::Restante, &setup);
    run(&server, &["maildrop", "import", "--all", "--from", "dovecot"]);
    delete(server.pop3_address(), "alice", &[1]);
    server.deliver(&["alice"], &canonical(&numbered(30, 2)));
    // It takes its place among the others by the time in its name, and Dovecot would list it last.
    server.site().drop_named("alice", "1500000000.early", &numbered(31, 2));
    let here = see(server.pop3_address(), "alice");
    assert_eq!(here.len(), before.len() + 1);
    run(&server, &["maildrop", "export", "--all", "--to", "dovecot"]);
    // Dovecot is another user here.
    ["alice", "bob"].iter().for_each(|account| own(&server.site().maildrop(account), NOBODY));
    server.turn_into(Kind::Dovecot, &setup);
    let there = see(server.pop3_address(), "alice");
    assert_same(&there, &here);
    server.deliver(&["alice"], &canonical(&numbered(32, 2)));
    let later = see(server.pop3_address(), "alice");
    assert_eq!(unique_ids(&later)[..here.len()], unique_ids(&here));
    assert_eq!(later.len(), here.len() + 1);
    // And once more, with what the export has stored.
    server.turn_into(Kind::Restante, &setup);
    ["alice", "bob"].iter().for_each(|account| own(&server.site().maildrop(account), 0));
    run(&server, &["maildrop", "import", "--all", "--from", "dovecot"]);
    assert_same(&see(server.pop3_address(), "alice"), &later);
}

#[test]
fn courier_shows_the_same_before_and_after() {
    let setup = setup();
    let courier = OtherServer::start(Other::Courier, &setup);
    let address = courier.pop3_address();
    drop(see(address, "alice"));
    drop_odd_names(courier.site(), "alice");
    delete(address, "alice", &[2, 5]);
    drop(see(address, "alice"));
    courier.site().drop_named("alice", "1500000000.q'\"+quoted", &numbered(60, 2));
    let before = see(address, "alice");
    assert_eq!(before.len(), 9, "{:?}", unique_ids(&before));
    let list = fs::read_to_string(courier.site().maildrop("alice").join("courierpop3dsizelist")).unwrap();
    assert!(list.starts_with("/3 "), "{list}");
    let mut server = Server::restante_at(courier.end(), &setup);
    let owner = FIRST_ACCOUNT;
    let (status, said) = server.restante(&["maildrop", "import", "alice", "--from", "courier"]);
    assert_eq!(status, 77, "the maildrop is not ours: {said}");
    assert!(said.contains(&owner.to_string()), "{said}");
    own(&server.site().maildrop("alice"), 0);
    run(&server, &["maildrop", "import", "alice", "--from", "courier"]);
    server.start_again();
    let after = see(server.pop3_address(), "alice");
    assert_same(&after, &before);
    // The way back, without one, and with one that nobody has seen here.
    delete(server.pop3_address(), "alice", &[4]);
    let here = see(server.pop3_address(), "alice");
    run(&server, &["maildrop", "export", "alice", "--to", "courier"]);
    server.stop();
    own(&server.site().maildrop("alice"), owner);
    let courier = OtherServer::start_at(Other::Courier, server.into_site(), &setup);
    let there = see(courier.pop3_address(), "alice");
    courier.site().drop_named("alice", "1790000000.fresh", &numbered(61, 2));
    assert_eq!(see(courier.pop3_address(), "alice").len(), there.len() + 1);
    assert_same(&there, &here);
}

/// popa3d's digest is of the messages alone, so what it shows can be computed for the same messages in a Maildir.
#[test]
fn popa3d_s_digests_are_ours() {
    let received = |n: usize| {
        let trace = format!(
            "Received: from a (a [192.0.2.1])\n\tby b with ESMTP; Sat, 21 Nov 2026 10:00:{n:02} +0000\n"
        );
        let before =
            if n.is_multiple_of(2) { "Delivered-To: alice@example.org\n" } else { "Message-ID: <early@a>\n" };
        [before.as_bytes(), trace.as_bytes(), b"Received: by c; later\nX-Delivery-ID: 7\n", &numbered(n, 2)]
            .concat()
    };
    let messages = vec![received(1), received(2), numbered(3, 4)];
    let setup = Setup { mail: vec![("alice".to_owned(), messages)], ..Setup::default() };
    let before = see(OtherServer::start(Other::Popa3d, &setup).pop3_address(), "alice");
    let mut server = Server::start(Kind::Restante, &setup);
    server.stop();
    run(&server, &["maildrop", "import", "alice", "--from", "popa3d"]);
    server.start_again();
    assert_eq!(unique_ids(&see(server.pop3_address(), "alice")), unique_ids(&before));
}

/// The old server runs, the new one has a copy of the mail under other names and in another order.
#[test]
fn a_running_server_is_asked_when_there_is_no_file() {
    let setup = Setup { dovecot: vec!["pop3_uidl_format = %v-%u"], ..setup() };
    let old = Server::start(Kind::Dovecot, &setup);
    live_at_dovecot(&old);
    let before = see(old.pop3_address(), "alice");
    let new = Setup { mail: Vec::new(), ..setup.clone() };
    let mut new = Server::start(Kind::Restante, &new);
    for (n, (_, _, contents)) in before.iter().rev().enumerate() {
        let stored: Vec<u8> = contents.iter().copied().filter(|&octet| octet != b'\r').collect();
        new.site().drop_named("alice", &format!("{}.copy", 1_800_000_000 + n), &stored);
    }
    let url = format!("pop://{}", old.pop3_address());
    let rehearse = ["maildrop", "rehearse", "alice", "--from", &url];
    let (status, said) = new.restante(&rehearse);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains(&format!("{} differences", 2 * before.len())), "{said}");
    let import = ["maildrop", "import", "alice", "--from", &url];
    let said = run(&new, &import);
    assert!(said.contains(&format!("{0} of {0} shown as before", before.len())), "{said}");
    assert_same(&see(new.pop3_address(), "alice"), &before);
    assert!(run(&new, &rehearse).contains("no difference"));
    let to = format!("pop://{}", new.pop3_address());
    assert!(run(&new, &[&rehearse[..], &["--to", &to]].concat()).contains("no difference"));
    // A copy that is not whole is refused and changes nothing.
    let file = new.site().files("alice").pop().unwrap();
    fs::remove_file(file).unwrap();
    let (status, said) = new.restante(&rehearse);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("1 difference"), "{said}");
    let (status, said) = new.restante(&import);
    assert_eq!(status, 65, "{said}");
    // An octet within a message.
    let file = new.site().files("alice").pop().unwrap();
    let mut octets = fs::read(&file).unwrap();
    let middle = octets.len() - 3;
    octets[middle] ^= 1;
    fs::write(&file, octets).unwrap();
    new.stop();
    let (_, said) = new.restante(&rehearse);
    assert!(said.contains("contents"), "{said}");
}

#[test]
fn a_master_user_opens_every_account() {
    let master = "auth_master_user_separator = *
passdb {
  driver = static
  args = password=master
  master = yes
  pass = yes
}";
    let setup = Setup { dovecot: vec![master], ..setup() };
    let old = Server::start(Kind::Dovecot, &setup);
    old.deliver(&["alice", "bob"], &canonical(&numbered(21, 4)));
    let new = Server::start(Kind::Restante, &Setup { mail: Vec::new(), ..setup.clone() });
    for account in ["alice", "bob"] {
        for file in old.site().files(account) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            new.site().drop_named(account, &name, &fs::read(&file).unwrap());
        }
    }
    let password = new.site().path().join("master");
    write_private(&password, "master\n");
    let url = format!("pop://{}", old.pop3_address());
    let login = ["--from", &url, "--master", "admin", "--password-file", password.to_str().unwrap()];
    run(&new, &[&["maildrop", "import", "--all"][..], &login].concat());
    let said = run(&new, &[&["maildrop", "rehearse", "--all"][..], &login].concat());
    assert_eq!(said.matches("no difference").count(), 2, "{said}");
    let credentials = new.site().path().join("credentials");
    write_private(&credentials, "# accounts\nalice:secret\nbob:bob:secret\n");
    let login = ["--from", &url, "--credentials", credentials.to_str().unwrap()];
    run(&new, &[&["maildrop", "rehearse", "--all", "--quick"][..], &login].concat());
    write_private(&credentials, "alice:wrong\n");
    let (status, said) = new.restante(&[&["maildrop", "rehearse", "--all"][..], &login].concat());
    assert_ne!(status, 0, "{said}");
    assert!(said.contains("the credentials say nothing of bob"), "{said}");
}

/// Clients that keep mail on the server collect nothing a second time.
#[test]
fn clients_that_keep_mail_collect_nothing_again() {
    let setup = setup();
    let mut server = Server::start(Kind::Dovecot, &setup);
    live_at_dovecot(&server);
    let folder = server.site().path().join("clients");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let count = see(server.pop3_address(), "alice").len();
    let clients: [(&str, Collect); 3] = [("fetchmail", fetchmail), ("mpop", mpop), ("getmail", getmail)];
    for (name, collect) in clients {
        assert_eq!(collect(&server, &folder), count, "{name} at the old server");
        assert_eq!(collect(&server, &folder), 0, "{name} at the old server, again");
    }
    server.turn_into(Kind::Restante, &setup);
    run(&server, &["maildrop", "import", "--all", "--from", "dovecot"]);
    for (name, collect) in clients {
        assert_eq!(collect(&server, &folder), 0, "{name} here");
    }
    server.deliver(&["alice"], &canonical(&numbered(30, 2)));
    for (name, collect) in clients {
        assert_eq!(collect(&server, &folder), 1, "{name} here, when something came");
    }
}

/// Collects mail with a home in this folder, and says how many messages came.
type Collect = fn(&Server, &Path) -> usize;

/// How many files come into a folder while `work` goes on.
fn come(folder: &Path, work: impl FnOnce()) -> usize {
    let count = || fs::read_dir(folder).unwrap().count();
    let before = count();
    work();
    count() - before
}

/// A Maildir for a client, made when it is first asked for.
fn maildir(home: &Path) -> PathBuf {
    for name in ["cur", "new", "tmp"] {
        fs::create_dir_all(home.join("Maildir").join(name)).unwrap();
    }
    home.join("Maildir/new")
}

fn fetchmail(server: &Server, folder: &Path) -> usize {
    let home = folder.join("fetchmail");
    let delivered = maildir(&home);
    let script = home.join("deliver");
    fs::write(&script, format!("#!/bin/sh\nexec cat > \"$(mktemp {}/XXXXXXXXXX)\"\n", delivered.display()))
        .unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    write_private(
        &home.join("fetchmailrc"),
        &format!(
            "set no syslog\nset no bouncemail\nset invisible\npoll localhost via {} protocol pop3 port {} uidl\n\
             user alice password secret sslproto '' no fetchall keep no rewrite pass8bits mda \"{}\"\n",
            server.site().ip(),
            server.pop3_address().port(),
            script.display()
        ),
    );
    come(&delivered, || {
        let mut client = Command::new(program("fetchmail", "fetchmail"));
        client.arg("-f").arg(home.join("fetchmailrc")).args(["--nodetach", "--nosyslog", "--idfile"]);
        client.arg(home.join("ids")).arg("--pidfile").arg(home.join("pid"));
        let output = client.env("HOME", &home).env("FETCHMAILHOME", &home).output().unwrap();
        // 1 says that there was nothing new.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}\n{}", server.log());
    })
}

fn mpop(server: &Server, folder: &Path) -> usize {
    let home = folder.join("mpop");
    let delivered = maildir(&home);
    write_private(
        &home.join("mpoprc"),
        &format!(
            "account default\nhost {}\nport {}\ntls off\nauth user\nuser alice\npassword secret\nkeep on\n\
             received_header off\nuidls_file {}/uidls\ndelivery maildir {}/Maildir\n",
            server.site().ip(),
            server.pop3_address().port(),
            home.display(),
            home.display()
        ),
    );
    let configuration = home.join("mpoprc");
    come(&delivered, || {
        run_client(&program("mpop", "mpop"), &["-C", configuration.to_str().unwrap()], &home, server);
    })
}

fn getmail(server: &Server, folder: &Path) -> usize {
    let home = folder.join("getmail");
    let delivered = maildir(&home);
    write_private(
        &home.join("getmailrc"),
        &format!(
            "[retriever]\ntype = SimplePOP3Retriever\nserver = {}\nport = {}\nusername = alice\npassword = secret\n\
             [destination]\ntype = Maildir\npath = {}/Maildir/\n\
             [options]\nread_all = false\ndelete = false\nreceived = false\ndelivered_to = false\nverbose = 0\n",
            server.site().ip(),
            server.pop3_address().port(),
            home.display()
        ),
    );
    let getmail = program("getmail", "getmail6");
    let arguments = ["--getmaildir", home.to_str().unwrap()];
    come(&delivered, || {
        // It delivers nothing as root.
        if rustix::process::geteuid().is_root() {
            for path in ["", "getmailrc", "Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp"] {
                chown(home.join(path), Some(NOBODY), Some(NOBODY)).unwrap();
            }
            let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            let as_nobody = [&user, &group, "--clear-groups", "--", getmail.to_str().unwrap()];
            let setpriv = program("setpriv", "util-linux");
            run_client(&setpriv, &[&as_nobody[..], &arguments].concat(), &home, server);
        } else {
            run_client(&getmail, &arguments, &home, server);
        }
    })
}

/// Cyrus keeps its messages in files named by uid; by name they are known, and by POP3 as well.
#[test]
fn cyrus_shows_the_same_before_and_after() {
    let mail = (1..=12).map(|n| numbered(n, n)).collect();
    let setup = Setup { mail: vec![("alice".to_owned(), mail)], ..Setup::default() };
    let cyrus = OtherServer::start(Other::Cyrus, &setup);
    let address = cyrus.pop3_address();
    delete(address, "alice", &[2, 9]);
    let before = see(address, "alice");
    assert_eq!(before.len(), 10);
    let (uid_validity, _) = before[0].0.split_once('.').expect("UIDVALIDITY.UID");
    let empty = Setup { mail: Vec::new(), ..setup.clone() };
    let new = Server::start(Kind::Restante, &empty);
    for (unique_id, _, contents) in &before {
        let (_, uid) = unique_id.split_once('.').unwrap();
        new.site().drop_named("alice", &format!("{uid}."), contents);
        new.site().drop_named("bob", &format!("17000000{uid:0>2}.copy"), contents);
    }
    run(&new, &["maildrop", "import", "alice", "--from", "cyrus", "--uid-validity", uid_validity]);
    assert_same(&see(new.pop3_address(), "alice"), &before);
    let url = format!("pop://alice@{address}");
    run(&new, &["maildrop", "import", "bob", "--from", &url]);
    assert_same(&see(new.pop3_address(), "bob"), &before);
    assert!(run(&new, &["maildrop", "rehearse", "alice", "--from", &url]).contains("no difference"));
}
