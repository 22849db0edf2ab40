//! The running server, started as root and not: whom it becomes, what it gives up, and what its walls refuse.
//!
//! Most of these need root, as an operator has it who starts a server, and say so when they have it not.

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Output};

use restante_test::certificate;
use restante_test::peer::Peer;
use restante_test::real::machine::User;
use restante_test::real::restante::binary;
use restante_test::real::site::{NOBODY, Site};
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;
use rustix::process::Signal;
use tempfile::TempDir;

const MESSAGE: &[u8] = b"Subject: walls\r\n\r\nhave ears\r\n";

fn needs_root() {
    assert!(rustix::process::geteuid().is_root(), "this test starts the server as root: run it as root");
}

/// A site for a server that becomes nobody, with these lines in `[server]`, whose log is the file `logs/log`.
fn site(lines: &str) -> (Site, Setup) {
    needs_root();
    let mut setup = Setup::default();
    setup.restante.push(("server".to_owned(), format!("user = \"nobody\"\n{lines}")));
    setup.restante.push(("log".to_owned(), "target = \"file\"\npath = \"@ROOT@/logs/log\"".to_owned()));
    setup.restante.push(("tls".to_owned(), "watch_s = 1".to_owned()));
    let site = Site::new(&setup);
    chown(site.path().join("key.pem"), Some(NOBODY), None).unwrap();
    fs::create_dir(site.path().join("logs")).unwrap();
    chown(site.path().join("logs"), Some(NOBODY), Some(NOBODY)).unwrap();
    (site, setup)
}

fn start((site, setup): (Site, Setup)) -> Server {
    let mut server = Server::restante_at(site, &setup);
    server.start_again();
    server
}

fn log(server: &Server) -> String {
    fs::read_to_string(server.site().path().join("logs/log")).unwrap_or_default()
}

fn logged(server: &Server, text: &str) {
    wait::some(text, || log(server).contains(text).then_some(()));
}

/// The status of every thread.
fn threads(server: &mut Server) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.process().id())).unwrap();
    tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect()
}

/// A field of a status, its words one space apart.
fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect(name);
    line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn has_nothing_left(statuses: &[String]) {
    for status in statuses {
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(field(status, set), "0000000000000000", "{set}\n{status}");
        }
        assert_eq!((field(status, "NoNewPrivs").as_str(), field(status, "Seccomp").as_str()), ("1", "2"));
        let nobody = [NOBODY.to_string().as_str(); 4].join(" ");
        assert_eq!((field(status, "Uid"), field(status, "Gid")), (nobody.clone(), nobody));
    }
}

#[test]
fn every_thread_is_the_user_without_capabilities_behind_the_walls() {
    let mut server = start(site("confine = \"auto\"\n"));
    server.deliver(&["alice"], MESSAGE);
    assert_eq!(server.retrieve_all("alice").len(), 1);
    let statuses = threads(&mut server);
    assert!(statuses.len() > 2, "threads that serve, and one that logs");
    has_nothing_left(&statuses);
    for status in &statuses {
        assert_eq!(field(status, "CapBnd"), "0000000000000000");
        assert_eq!(field(status, "Groups"), NOBODY.to_string());
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.process().id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_ascii_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // What leaves no image belongs to root in /proc.
    assert_eq!(fs::metadata(format!("/proc/{}/environ", server.process().id())).unwrap().uid(), 0);
    logged(&server, "event=walls user=nobody capabilities=none no_new_privileges=true files=\"landlock ");
    logged(&server, " (files)\" calls=\"seccomp (own ones)\"");
}

#[test]
fn what_somebody_would_do_who_has_taken_the_server_over_is_refused() {
    let server = start(site("confine = \"required\"\n"));
    let (code, said) = server.restante(&["config", "walls"]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("DONE") && said.matches("refused").count() >= 12, "{said}");
    // The same without walls: the attempts are such that succeed.
    let path = server.site().path().join("restante.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"required\"", "\"off\"")).unwrap();
    let (code, said) = server.restante(&["config", "walls", "--json"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("start a program (/bin/true)\",\"is_refused\":false"), "{said}");
    assert!(said.contains("connect to a port that is not configured\",\"is_refused\":false"), "{said}");
    assert!(said.contains("list /\",\"is_refused\":false"), "{said}");
    assert!(said.contains("become root\",\"is_refused\":true"), "what the user may not, it may not: {said}");
}

/// A maildrop that everybody may read, in a folder that no configuration names; and a link to it in the place of alice's.
fn behind_a_link(confine: &str) -> (TempDir, Server) {
    let elsewhere = TempDir::with_prefix("restante-elsewhere-").unwrap();
    let maildrop = elsewhere.path().join("other");
    for folder in
        [elsewhere.path(), &maildrop, &maildrop.join("new"), &maildrop.join("cur"), &maildrop.join("tmp")]
    {
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
    }
    fs::write(maildrop.join("new/1700000000.M1P1.judge"), MESSAGE).unwrap();
    fs::set_permissions(maildrop.join("new/1700000000.M1P1.judge"), Permissions::from_mode(0o666)).unwrap();
    let (site, setup) = site(confine);
    fs::remove_dir_all(site.maildrop("alice")).unwrap();
    symlink(&maildrop, site.maildrop("alice")).unwrap();
    (elsewhere, start((site, setup)))
}

#[test]
fn mail_behind_a_link_out_of_the_roots_is_shut_off_by_the_walls_alone() {
    let (_elsewhere, server) = behind_a_link("");
    let mut peer = server.pop3();
    peer.ok("USER alice");
    let refusal = peer.command("PASS secret");
    assert!(refusal.starts_with("-ERR [SYS/"), "{refusal}");
    logged(&server, "Permission denied");
    // Without walls the rights of the files allow it.
    let (_elsewhere, server) = behind_a_link("confine = \"off\"\n");
    assert_eq!(server.retrieve_all("alice").len(), 1);
}

#[test]
fn mail_flows_as_the_user_and_files_are_replaced_behind_the_walls() {
    let server = start(site("confine = \"required\"\n"));
    // In, out, and gone.
    server.deliver(&["alice", "bob"], MESSAGE);
    let file = server.site().files("alice").pop().unwrap();
    assert_eq!(fs::metadata(&file).unwrap().uid(), NOBODY);
    let mut peer = server.pop3_stls();
    peer.login("alice", "secret");
    assert!(peer.message("RETR 1").ends_with(b"have ears\r\n"));
    peer.ok("DELE 1");
    peer.ok("QUIT");
    wait::until("the message to be gone", || server.site().files("alice").is_empty());
    // Commands over the control socket.
    let (code, said) = server.restante(&["ban", "add", "192.0.2.7"]);
    assert_eq!(code, 0, "{said}");
    let bans = server.site().path().join("state/bans");
    wait::until("the ban to be written", || {
        fs::read_to_string(&bans).is_ok_and(|bans| bans.contains("192.0.2.7"))
    });
    assert_eq!(fs::metadata(&bans).unwrap().uid(), NOBODY);
    // The log moves away.
    let logs = server.site().path().join("logs");
    fs::rename(logs.join("log"), logs.join("log.1")).unwrap();
    let mut server = server;
    server.process().signal(Signal::HUP);
    logged(&server, "event=configuration_reloaded");
    assert_eq!(fs::metadata(logs.join("log")).unwrap().uid(), NOBODY);
    // The certificate is renewed as certbot does it: aside, then renamed.
    let (aside, ip): (_, IpAddr) = (TempDir::new_in(server.site().path()).unwrap(), server.site().ip());
    let new = certificate::write(aside.path(), ip);
    chown(&new.key, Some(NOBODY), None).unwrap();
    let before = shown_certificate(&server);
    fs::rename(&new.key, server.site().path().join("key.pem")).unwrap();
    fs::rename(&new.certificate, server.site().path().join("cert.pem")).unwrap();
    logged(&server, "event=certificate_reloaded");
    wait::until("the new certificate to be shown", || shown_certificate(&server) != before);
    server.stop();
}

fn shown_certificate(server: &Server) -> Vec<u8> {
    server.pop3s().certificate()
}

#[test]
fn a_reload_that_names_something_beyond_the_walls_is_refused_as_a_whole() {
    let mut server = start(site(""));
    let elsewhere = TempDir::new().unwrap();
    let path = server.site().path().join("restante.toml");
    let good = fs::read_to_string(&path).unwrap();
    let root = server.site().path().display().to_string();
    let beyond = good
        .replace(&format!("{root}/mail/"), &format!("{}/", elsewhere.path().display()))
        .replace("mail.example.org", "post.example.org");
    fs::write(&path, beyond).unwrap();
    server.process().signal(Signal::HUP);
    logged(&server, "event=configuration_kept");
    logged(&server, "is outside of the walls that the server was started with: restart it");
    assert!(log(&server).contains(&elsewhere.path().display().to_string()));
    assert_eq!(server.retrieve_all("alice").len(), 0, "the old maildrops are served");
    assert!(Peer::connect(server.pop3_address()).greeting().contains("mail.example.org"));
    // What lies within is taken.
    fs::write(&path, good.replace("mail.example.org", "post.example.org")).unwrap();
    server.process().signal(Signal::HUP);
    logged(&server, "event=configuration_reloaded");
    assert!(Peer::connect(server.pop3_address()).greeting().contains("post.example.org"));
}

#[test]
fn a_reload_goes_on_although_the_users_of_the_machine_have_changed() {
    let lmtp = |owner: &str| {
        format!(
            "[[listen]]\nprotocol = \"lmtp\"\naddress = \"unix:@ROOT@/logs/{owner}\"\nowner = \"{owner}\"\n"
        )
    };
    let (site, mut setup) = site("group = \"nogroup\"");
    setup.restante.push((String::new(), lmtp("daemon")));
    let mut server = start((site, setup));
    let path = server.site().path().join("restante.toml");
    let good = fs::read_to_string(&path).unwrap();
    // What adds a user puts other files in the place of those that the walls leave open.
    let _user = User::new(server.site().path(), "unused");
    fs::write(&path, good.replace("mail.example.org", "post.example.org")).unwrap();
    server.process().signal(Signal::HUP);
    wait::until("the new configuration", || {
        assert!(!log(&server).contains("configuration_kept"), "{}", log(&server));
        log(&server).contains("event=configuration_reloaded")
    });
    assert!(Peer::connect(server.pop3_address()).greeting().contains("post.example.org"));
    // Whom nobody has asked for before cannot be found any more.
    let root = server.site().path().display().to_string();
    fs::write(&path, [good, lmtp("games").replace("@ROOT@", &root)].concat()).unwrap();
    server.process().signal(Signal::HUP);
    logged(&server, "event=configuration_kept");
    logged(
        &server,
        "\\\"games\\\" cannot be looked up: /etc/passwd is not the file that the server was started with",
    );
}

/// Tries to start the server; it must end by itself.
fn tries(site: &Site, words: &[&str]) -> Output {
    let configuration = site.path().join("restante.toml");
    let mut command = Command::new(program("setpriv", "util-linux"));
    // Where everybody can reach it.
    let reachable = site.path().join("restante-of-everybody");
    if fs::hard_link(binary(), &reachable).is_err() {
        fs::copy(binary(), &reachable).unwrap();
    }
    command.args(words).args(["--pdeathsig=KILL", "--"]).arg(&reachable);
    command.args(["serve", "--config"]).arg(configuration).output().unwrap()
}

#[test]
fn what_the_user_cannot_read_at_a_reload_stops_the_start() {
    let (site, setup) = site("");
    chown(site.path().join("key.pem"), Some(0), Some(0)).unwrap();
    let server = Server::restante_at(site, &setup);
    let site = server.into_site();
    let output = tries(&site, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{said}");
    assert!(said.contains("as nobody the server cannot read the key ") && said.contains("key.pem"), "{said}");
    assert!(said.contains("at a reload root is not there any more"), "{said}");
    assert!(!site.lmtp_socket().exists(), "nothing is left behind");
}

#[test]
fn only_root_becomes_somebody_else() {
    let (site, setup) = site("");
    let server = Server::restante_at(site, &setup);
    let site = server.into_site();
    let words = ["--reuid=64999", "--regid=64999", "--clear-groups"];
    fs::set_permissions(site.path().join("key.pem"), Permissions::from_mode(0o644)).unwrap();
    let output = tries(&site, &words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{said}");
    assert!(said.contains("only root can become nobody"), "{said}");
}

#[test]
fn without_root_there_are_the_same_walls_and_no_ambient_capability_stays() {
    needs_root();
    let mut server = Server::start(Kind::Restante, &Setup { as_nobody: true, ..Setup::default() });
    server.deliver(&["alice"], MESSAGE);
    assert_eq!(server.retrieve_all("alice").len(), 1);
    has_nothing_left(&threads(&mut server));
    server.stop();
    // As systemd starts a server with AmbientCapabilities=CAP_NET_BIND_SERVICE: port 110 is opened, the capability gone.
    let site = server.into_site();
    let path = site.path().join("restante.toml");
    let address = format!("{}:110", site.ip());
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&site.address(restante_test::real::site::POP3).to_string(), &address);
    fs::write(&path, text).unwrap();
    let ready = site.path().join("ready");
    let mut child = Command::new(program("setpriv", "util-linux"))
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_bind_service"])
        .args(["--ambient-caps=+net_bind_service", "--pdeathsig=KILL", "--"])
        .arg(site.path().join("restante-of-nobody"))
        .args(["serve", "--config"])
        .arg(&path)
        .stderr(fs::File::create(&ready).unwrap())
        .spawn()
        .unwrap();
    wait::some("the server to be ready", || {
        fs::read_to_string(&ready).unwrap().contains("READY").then_some(())
    });
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let statuses: Vec<String> =
        tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect();
    has_nothing_left(&statuses);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_state_folder_of_root_is_handed_over_and_links_to_files_of_root_are_not() {
    let (site, setup) = site("");
    let state = site.path().join("state");
    fs::create_dir_all(state.join("shown")).unwrap();
    for file in ["scram.key", "shown/one"] {
        fs::write(state.join(file), [7; 32]).unwrap();
        fs::set_permissions(state.join(file), Permissions::from_mode(0o600)).unwrap();
    }
    let roots = TempDir::new_in("/tmp").unwrap();
    fs::write(roots.path().join("shadow"), "root's").unwrap();
    fs::hard_link(roots.path().join("shadow"), state.join("shadow")).unwrap();
    symlink(roots.path().join("shadow"), state.join("link")).unwrap();
    let server = start((site, setup));
    let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    for name in ["", "scram.key", "shown", "shown/one", "link"] {
        assert_eq!(owner(&state.join(name)), NOBODY, "{name}");
    }
    assert_eq!(owner(&roots.path().join("shadow")), 0);
    drop(server);
}

/// The configuration of a server that becomes nobody, with embedded accounts and `more` beside.
fn with_embedded_accounts(more: &[(&str, &str)]) -> (Site, Setup) {
    let (site, mut setup) = site("");
    setup.restante.push(("auth.source".to_owned(), "[[auth.source]]\ntype = \"embedded\"".to_owned()));
    setup.restante.extend(more.iter().map(|(section, lines)| ((*section).to_owned(), (*lines).to_owned())));
    (site, setup)
}

/// Runs a command as root, which must do what it is told.
fn done(server: &Server, words: &[&str]) -> String {
    let (code, said) = server.restante(words);
    assert_eq!(code, 0, "{words:?}: {said}");
    said
}

/// As root, makes an account with the password "secret".
fn make_account(server: &Server, name: &str) {
    let users = server.site().path().join(format!("{name}.passwd"));
    fs::write(&users, format!("{name}:{{PLAIN}}secret\n")).unwrap();
    done(server, &["account", "import", "--from-file", users.to_str().unwrap()]);
}

/// As root, makes an app password.
fn make_app_password(server: &Server, name: &str) -> String {
    let said = done(server, &["account", "app-password", "add", name, "phone"]);
    let mut words = said.split_whitespace();
    words.find(|word| word.len() == 23 && word.split('-').count() == 4).expect("an app password").to_owned()
}

fn is_nobodys_alone(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, NOBODY), "{}", path.display());
    assert_eq!(metadata.mode() & 0o077, 0, "{}", path.display());
}

#[test]
fn accounts_that_root_makes_are_the_servers_to_read_and_to_change() {
    let (site, setup) = with_embedded_accounts(&[]);
    let mut server = Server::restante_at(site, &setup);
    let state = server.site().path().join("state");
    fs::create_dir_all(&state).unwrap();
    // Before the first start: handed over with the folder.
    make_account(&server, "dora");
    let file = state.join("accounts.redb");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    server.start_again();
    assert!(server.try_login("dora", "secret").starts_with("+OK"), "{}", log(&server));
    is_nobodys_alone(&file);
    // While it runs: root changes what is nobody's, and the server writes when an app password was used.
    make_account(&server, "erik");
    let secret = make_app_password(&server, "erik");
    assert!(server.try_login("erik", &secret).starts_with("+OK"), "{}", log(&server));
    wait::until("the use to be noted", || {
        let (_, listed) = server.restante(&["account", "app-password", "list", "erik", "--json"]);
        !listed.contains("\"last_used\":null")
    });
    is_nobodys_alone(&file);
    // A new file in the folder that is nobody's already.
    server.stop();
    fs::remove_file(&file).unwrap();
    server.start_again();
    done(&server, &["account", "add", "frank", "--no-password"]);
    is_nobodys_alone(&file);
    let secret = make_app_password(&server, "frank");
    assert!(server.try_login("frank", &secret).starts_with("+OK"), "{}", log(&server));
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::symlink_metadata(&path).unwrap().uid(), NOBODY, "{}", path.display());
    }
}

#[test]
fn a_maildrop_outside_of_the_roots_is_refused_to_logins_and_deliveries() {
    let (site, setup) = with_embedded_accounts(&[("maildrop", "roots = [\"@ROOT@/more\"]")]);
    let root = site.path().to_path_buf();
    for folder in ["more", "mail2"] {
        fs::create_dir(root.join(folder)).unwrap();
        chown(root.join(folder), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mut server = Server::restante_at(site, &setup);
    fs::create_dir_all(root.join("state")).unwrap();
    for (name, maildrop) in [("dora", "more/dora"), ("erik", "mail2/erik"), ("frank", "more/../mail2/frank")]
    {
        let field = format!("maildrop={}", root.join(maildrop).display());
        make_account(&server, name);
        done(&server, &["account", "set", name, &field]);
    }
    server.start_again();
    // What is missing is made below each of the roots.
    server.deliver(&["dora"], MESSAGE);
    assert!(server.try_login("dora", "secret").starts_with("+OK"), "{}", log(&server));
    for name in ["erik", "frank"] {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
        assert_eq!(peer.code(&format!("RCPT TO:<{name}@example.org>")), 451, "{name}");
        let said = server.try_login(name, "secret");
        assert!(said.starts_with("-ERR [SYS/PERM]"), "{name}: {said}");
        let account = format!("account={name}");
        wait::until("the reason", || {
            let log = log(&server);
            let mut lines = log.lines().filter(|line| line.contains(&account));
            lines.any(|line| line.contains("add its folder to maildrop.roots"))
        });
    }
    assert!(fs::read_dir(root.join("mail2")).unwrap().next().is_none());
}
