//! Accounts of this machine on the running server: logins by PAM and by `/etc/shadow`, mail touched with its owner's rights, and what
//! somebody with a shell can do to others' mail, which is nothing. Takes root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use restante_test::mail::{canonical, sized};
use restante_test::peer::Peer;
use restante_test::real::machine::{PamService, User, children, is_at_work, owner};
use restante_test::real::site::Site;
use restante_test::real::{Server, Setup};
use restante_test::wait;
use rustix::process::{Pid, Signal, kill_process};

/// Restante as a user of its own, with two accounts of the machine.
struct Scene {
    server: Server,
    ann: User,
    bob: User,
    serving: User,
}

impl Scene {
    /// `source` are more keys of the source; `maildrop` those of `[maildrop]`.
    fn new(source: &str, maildrop: &str) -> Self {
        let mut setup = Setup { accounts: Vec::new(), tls: false, ..Setup::default() };
        setup.restante.push(("defence".to_owned(), "penalty_s = 0".to_owned()));
        let site = Site::new(&setup);
        let homes = site.path().join("home");
        let [ann, bob, serving] = ["secret", "hidden", "unused"].map(|password| User::new(&homes, password));
        setup.restante.push(("server".to_owned(), format!("user = \"{}\"", serving.name)));
        let mut server = Server::restante_at(site, &setup);
        configure(&server, source, maildrop);
        server.start_again();
        Self { server, ann, bob, serving }
    }

    fn login(&self, user: &User) -> Peer {
        let password = if user.name == self.ann.name { "secret" } else { "hidden" };
        let mut peer = self.server.pop3();
        peer.login(&user.name, password);
        peer
    }

    fn logs(&self, what: &str) {
        let is_said = wait::try_some(wait::DEADLINE, || self.server.log().contains(what).then_some(()));
        assert!(is_said.is_some(), "waited for {what:?} in\n{}", self.server.log());
    }

    /// The broker of this server.
    fn broker(&mut self) -> u32 {
        let id = self.server.process().id();
        wait::some("the broker", || children(id, "broker").first().copied())
    }

    /// The worker of Ann's session.
    fn worker_of_ann(&mut self) -> u32 {
        let (broker, uid) = (self.broker(), self.ann.uid);
        let is_hers = |pid: &u32| owner(*pid) == Some(uid);
        wait::some("her worker", || children(broker, "worker").into_iter().find(is_hers))
    }
}

fn configure(server: &Server, source: &str, maildrop: &str) {
    let path = server.site().path().join("restante.toml");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find("[[auth.source]]").unwrap();
    let end = text.find("[lmtp]").unwrap();
    let text = format!(
        "{}[[auth.source]]\ntype = \"system\"\n{source}\n[maildrop]\n{maildrop}\n{}",
        &text[..start],
        &text[end..]
    );
    fs::write(path, text).unwrap();
}

/// Without the memory of passwords that were right, so that a change counts at once.
const SHADOW: &str = "passwords = \"shadow\"\ncache_s = 0";
const MAILDIR: &str = "path = \"{home}/Maildir\"";

/// Every file and folder below one, it too, without following links.
fn below(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        all.extend(fs::read_dir(path).unwrap().flatten().flat_map(|entry| below(&entry.path())));
    }
    all
}

/// Nothing in a home is anybody else's.
fn all_is_own(user: &User) {
    for path in below(&user.home) {
        let meta = fs::symlink_metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (user.uid, user.gid), "{}", path.display());
        assert_eq!(meta.mode() & 0o077, 0, "{} {:o}", path.display(), meta.mode());
    }
}

#[test]
fn accounts_of_the_machine_log_in_and_get_mail() {
    let mut scene = Scene::new(SHADOW, MAILDIR);
    let broker = scene.broker();
    let (ann, bob) = (&scene.ann, &scene.bob);
    for (name, password) in [
        (&*ann.name, "Secret"),
        (&ann.name, ""),
        (&bob.name, "secret"),
        ("nobody-at-all", "secret"),
        ("root", "secret"),
        ("daemon", "x"),
    ] {
        let said = scene.server.try_login(name, password);
        assert!(said.starts_with("-ERR"), "{name} {password}: {said}");
    }
    // A large message, and a small one; to both at once.
    let (large, small) = (canonical(&sized(400_000)), canonical(&sized(300)));
    for message in [&large, &small] {
        scene.server.deliver(&[&ann.name, &bob.name], message);
    }
    let mut peer = scene.server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<>"), 250);
    for nobody in ["root", "daemon", "nobody-at-all"] {
        assert_eq!(peer.code(&format!("RCPT TO:<{nobody}@example.org>")), 550, "{nobody}");
    }
    for user in [ann, bob] {
        all_is_own(user);
        let mut peer = scene.login(user);
        assert_eq!(peer.list("LIST").len(), 2, "{}", peer.transcript());
        assert!(peer.message("RETR 1").ends_with(&large));
        assert!(peer.message("RETR 2").ends_with(&small));
        peer.ok("DELE 1");
        peer.ok("QUIT");
        all_is_own(user);
        let mut peer = scene.login(user);
        assert_eq!(peer.list("UIDL").len(), 1);
    }
    // Nothing of what was on its way is left where others could see it.
    let incoming = scene.server.site().path().join("state/incoming/tmp");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
    wait::until("the workers to end with their sessions", || children(broker, "worker").is_empty());
    // Locked, expired, and to be changed.
    for (changer, words) in [
        ("usermod", &["--lock"][..]),
        ("usermod", &["--unlock"]),
        ("chage", &["--expiredate", "1"]),
        ("chage", &["--expiredate", "-1"]),
        ("chage", &["--lastday", "0"]),
        ("chage", &["--lastday", "2025-01-01"]),
    ] {
        ann.change(changer, words);
        let is_open = ["--unlock", "-1", "2025-01-01"].contains(words.last().unwrap());
        let said = scene.server.try_login(&ann.name, "secret");
        assert_eq!(said.starts_with("+OK"), is_open, "{words:?} {said}");
        assert!(is_open || said.starts_with("-ERR [AUTH]"), "{said}");
    }
}

#[test]
fn commands_of_root_touch_mail_as_its_owner() {
    let scene = Scene::new(SHADOW, MAILDIR);
    let ann = &scene.ann;
    let message = scene.server.site().path().join("message");
    fs::write(&message, sized(300)).unwrap();
    let deliver = || {
        let output = std::process::Command::new(restante_test::real::restante::binary())
            .args(["deliver", "--config"])
            .arg(scene.server.site().path().join("restante.toml"))
            .args(["--from", "x@example.org", "--to", &ann.name])
            .stdin(fs::File::open(&message).unwrap())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = deliver();
    assert_eq!(code, 0, "{said}");
    for words in
        [&["maildrop", "show"][..], &["maildrop", "verify"], &["maildrop", "repair"], &["maildrop", "quota"]]
    {
        let (code, said) = scene.server.restante(&[words, &[&ann.name]].concat());
        assert_eq!(code, 0, "{words:?}: {said}");
    }
    all_is_own(ann);
    let (code, said) = scene.server.restante(&["maildrop", "export", &ann.name, "--to", "dovecot"]);
    assert!(
        code != 0 && said.contains("is an account of the system") && said.contains("setpriv --reuid="),
        "{code} {said}"
    );
    // Its Maildir is a link to where only root may write.
    fs::rename(ann.home.join("Maildir"), ann.home.join("kept")).unwrap();
    let secret = scene.server.site().path().join("of-root");
    fs::create_dir(&secret).unwrap();
    symlink(&secret, ann.home.join("Maildir")).unwrap();
    let (code, said) = deliver();
    assert!(code == 75 && said.contains("ermission denied"), "{code} {said}");
    assert_eq!(fs::read_dir(&secret).unwrap().count(), 0);
}

/// What is done to a Maildir, and what it is called.
type Trick = (&'static str, Box<dyn Fn(&Path)>);

/// What somebody with a shell may put into his home to get at another's mail. Each is tried in a fresh Maildir.
fn tricks(ann: &User, bob: &User, of_root: &Path) -> Vec<Trick> {
    let (theirs, own, shadow) = (bob.home.join("Maildir"), (ann.uid, ann.gid), of_root.to_owned());
    let message = theirs.join("new/1700000000.M1P1.bob");
    let link = move |from: PathBuf, to: &Path| {
        let _ = fs::remove_file(to);
        if fs::symlink_metadata(to).is_ok_and(|meta| meta.is_dir()) {
            fs::remove_dir_all(to).unwrap();
        }
        symlink(from, to).unwrap();
        std::os::unix::fs::lchown(to, Some(own.0), Some(own.1)).unwrap();
    };
    let hard = |from: PathBuf, to: PathBuf| fs::hard_link(from, to).unwrap();
    let (a, b, c, d) = (message.clone(), theirs.join("new"), theirs.clone(), message.clone());
    let mut tricks: Vec<Trick> = vec![
        ("a message is a link", Box::new(move |maildir| link(a.clone(), &maildir.join("new/1700000001.x")))),
        ("new is a link", Box::new(move |maildir| link(b.clone(), &maildir.join("new")))),
        ("the Maildir is a link", Box::new(move |maildir| link(c.clone(), maildir))),
        (
            "a message is a hard link",
            Box::new(move |maildir| hard(d.clone(), maildir.join("new/1700000001.x"))),
        ),
    ];
    let (b, secrets) = (theirs.join("cur"), shadow.clone());
    tricks.push(("cur is a link", Box::new(move |maildir| link(b.clone(), &maildir.join("cur")))));
    tricks.push((
        "a message is a link to a file of root's",
        Box::new(move |maildir| {
            link(secrets.clone(), &maildir.join("cur/1700000001.y:2,S"));
        }),
    ));
    // Our own files beside the messages, and what we make new.
    for (what, name) in [
        ("the index is a link", "restante.index"),
        ("the new index is a link", "restante.index.new"),
        ("the lock is a link", "restante.lock"),
        ("the unique-ids are a link", "restante.uids"),
        ("the total is a link", "maildirsize"),
        ("tmp is a link", "tmp"),
    ] {
        for target in [message.clone(), shadow.clone(), theirs.join("tmp")] {
            tricks.push((what, Box::new(move |maildir| link(target.clone(), &maildir.join(name)))));
        }
    }
    tricks
}

/// All that is to be known of the files of somebody: names, contents, owners, modes.
fn known(paths: &[PathBuf]) -> Vec<String> {
    let one = |path: &PathBuf| {
        let meta = fs::symlink_metadata(path).unwrap();
        let octets = if meta.is_file() { fs::read(path).unwrap() } else { Vec::new() };
        // Hard links of Ann's come and go.
        format!("{} {} {} {:o} {octets:?}", path.display(), meta.uid(), meta.gid(), meta.mode())
    };
    paths.iter().map(one).collect()
}

#[test]
fn an_account_cannot_reach_mail_of_another_whatever_it_puts_into_its_own() {
    let scene = Scene::new(SHADOW, &format!("{MAILDIR}\nguard = false"));
    let (ann, bob) = (&scene.ann, &scene.bob);
    let hidden = b"Subject: hidden\n\nOnly Bob may read this.\n";
    bob.maildir(&[("1700000000.M1P1.bob", hidden)]);
    // Bob's session works, and makes all files of ours that are to stay as they are.
    let mut peer = scene.login(bob);
    assert!(peer.message("RETR 1").windows(4).any(|part| part == b"Only"));
    peer.ok("QUIT");
    let mut bobs = below(&bob.home);
    let of_root = scene.server.site().path().join("of-root");
    fs::write(&of_root, "root:$6$x:1::::::\n").unwrap();
    fs::set_permissions(&of_root, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    bobs.push(of_root.clone());
    let before = known(&bobs);
    let maildir = ann.home.join("Maildir");
    for (what, trick) in tricks(ann, bob, &of_root) {
        let _ = fs::remove_file(&maildir);
        let _ = fs::remove_dir_all(&maildir);
        ann.maildir(&[("1700000000.M1P1.ann", b"Subject: mine\n\nAnn's own.\n")]);
        trick(&maildir);
        // She may be refused, or see her own mail; never an octet of Bob's or root's.
        let mut peer = scene.server.pop3();
        peer.ok(&format!("USER {}", ann.name));
        if peer.command("PASS secret").starts_with("+OK") {
            for entry in peer.list("LIST") {
                let number = entry.split(' ').next().unwrap().to_owned();
                if peer.command(&format!("RETR {number}")).starts_with("+OK") {
                    let _ = peer.body();
                }
                peer.command(&format!("DELE {number}"));
            }
            peer.command("QUIT");
        }
        let seen = peer.transcript().to_owned();
        for secret in ["Only Bob", "root:", "hidden"] {
            assert!(!seen.contains(secret), "{what}: {seen}");
        }
        // Nor does a delivery to her write anywhere else.
        let mut lmtp = scene.server.lmtp();
        lmtp.code("MAIL FROM:<>");
        if lmtp.code(&format!("RCPT TO:<{}@example.org>", ann.name)) == 250 && lmtp.code("DATA") == 354 {
            lmtp.send(b"Subject: x\r\n\r\nx\r\n.\r\n");
            let _ = lmtp.reply();
        }
        // Bob's files are as they were, and there are no others.
        assert_eq!(known(&bobs), before, "{what}");
        assert_eq!(below(&bob.home).len() + 1, bobs.len(), "{what}");
    }
    // A clear answer, and the reason in the log.
    let _ = fs::remove_dir_all(&maildir);
    symlink(bob.home.join("Maildir"), &maildir).unwrap();
    assert!(scene.server.try_login(&ann.name, "secret").starts_with("-ERR [SYS/TEMP]"));
    scene.logs("Permission denied");
    let mut peer = scene.login(bob);
    assert!(peer.message("RETR 1").windows(4).any(|part| part == b"Only"));
}

#[test]
fn the_server_itself_may_open_nobodys_mail() {
    let mut scene = Scene::new(SHADOW, MAILDIR);
    let maildir = scene.ann.maildir(&[("1700000000.M1P1.ann", b"Subject: mine\n\nAnn's own.\n")]);
    let _peer = scene.login(&scene.ann);
    let id = scene.server.process().id();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let uid = scene.serving.uid.to_string();
    assert_eq!(field("Uid:").split_whitespace().collect::<Vec<_>>(), [&*uid; 4]);
    assert_eq!([field("CapEff:"), field("CapPrm:")], ["0000000000000000"; 2]);
    // With what it is, nothing of hers can be opened.
    let group = format!("--regid={}", scene.serving.gid);
    for path in [maildir.clone(), maildir.join("new/1700000000.M1P1.ann"), PathBuf::from("/etc/shadow")] {
        let output = std::process::Command::new("setpriv")
            .args([&format!("--reuid={uid}"), &group, "--clear-groups", "--", "head", "-c1"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{}", path.display());
    }
    // The worker that does is her, has nothing that she has not, and no way back.
    let worker = scene.worker_of_ann();
    let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(field("Uid:").split_whitespace().collect::<Vec<_>>(), [&*scene.ann.uid.to_string(); 4]);
    assert_eq!(field("Gid:").split_whitespace().collect::<Vec<_>>(), [&*scene.ann.gid.to_string(); 4]);
    assert_eq!(field("Groups:"), scene.ann.gid.to_string());
    assert_eq!(
        [field("CapEff:"), field("CapPrm:"), field("NoNewPrivs:")],
        ["0000000000000000", "0000000000000000", "1"]
    );
    // She cannot look into it either: it is root's in /proc.
    assert_eq!(fs::metadata(format!("/proc/{worker}/mem")).unwrap().uid(), 0);
}

fn signal(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal);
}

#[test]
fn a_worker_that_hangs_stops_nobody_else_and_none_outlives_the_server() {
    // Long enough for everything that does not hang, on a machine with much else to do.
    let mut scene = Scene::new(&format!("{SHADOW}\ntimeout_s = 6"), MAILDIR);
    let broker = scene.broker();
    for user in [&scene.ann, &scene.bob] {
        user.maildir(&[("1700000000.M1P1.x", b"Subject: x\n\nx\n")]);
    }
    // As with a home on a file server that is gone.
    let mut hung = scene.login(&scene.ann);
    let worker = scene.worker_of_ann();
    signal(worker, Signal::STOP);
    hung.send(b"DELE 1\r\nQUIT\r\n");
    let mut other = scene.login(&scene.bob);
    assert_eq!(other.list("LIST").len(), 1);
    // She is answered, and the worker is not left behind.
    assert!(hung.status().starts_with("+OK"));
    assert!(hung.status().starts_with("-ERR [SYS/TEMP]"), "{}", hung.transcript());
    wait::until("the hung worker to be gone", || !is_at_work(worker, "worker"));
    // Sessions of both, one of them hung, when the server is killed: nothing of ours is left.
    let _peer = scene.login(&scene.ann);
    let worker = scene.worker_of_ann();
    signal(worker, Signal::STOP);
    let workers = children(broker, "worker");
    assert!(workers.len() == 2 && workers.contains(&worker), "{workers:?}");
    scene.server.strike();
    wait::until("broker and workers to be gone", || {
        !is_at_work(broker, "broker") && !workers.iter().any(|worker| is_at_work(*worker, "worker"))
    });
    scene.server.kill();
}

#[test]
fn a_broker_that_ends_is_told_and_a_server_that_is_asked_to_end_drains() {
    let mut scene = Scene::new(SHADOW, MAILDIR);
    scene.bob.maildir(&[("1700000000.M1P1.x", b"Subject: x\n\nx\n")]);
    let broker = scene.broker();
    // What a service manager sends to everybody changes nothing.
    signal(broker, Signal::TERM);
    signal(broker, Signal::INT);
    let mut peer = scene.login(&scene.bob);
    assert_eq!(peer.list("LIST").len(), 1);
    peer.ok("QUIT");
    signal(broker, Signal::KILL);
    wait::until("a login to be refused", || {
        scene.server.try_login(&scene.bob.name, "hidden").starts_with("-ERR [SYS/TEMP]")
    });
    scene.logs("restart the server");
}

#[test]
fn mboxes_are_in_a_folder_that_only_a_group_may_write_to() {
    let maildrop = "type = \"mbox\"\npath = \"@ROOT@/spool/{local}\"\ncontrol = \"@ROOT@/control/{local}\"";
    let mut setup = Setup { accounts: Vec::new(), tls: false, ..Setup::default() };
    setup.restante.push(("defence".to_owned(), "penalty_s = 0".to_owned()));
    let site = Site::new(&setup);
    let root = site.path().display().to_string();
    let homes = site.path().join("home");
    let [ann, bob, serving, group] =
        ["secret", "hidden", "unused", "unused"].map(|password| User::new(&homes, password));
    setup.restante.push(("server".to_owned(), format!("user = \"{}\"", serving.name)));
    let spool = site.path().join("spool");
    fs::create_dir(&spool).unwrap();
    chown(&spool, Some(0), Some(group.gid)).unwrap();
    fs::set_permissions(&spool, std::os::unix::fs::PermissionsExt::from_mode(0o2775)).unwrap();
    let control = site.path().join("control");
    fs::create_dir(&control).unwrap();
    serving.own(&control, 0o700);
    let mut server = Server::restante_at(site, &setup);
    let source = format!("{SHADOW}\nmail_group = \"{}\"", group.name);
    configure(&server, &source, &maildrop.replace("@ROOT@", &root));
    server.start_again();
    let scene = Scene { server, ann, bob, serving };
    let (ann, bob) = (&scene.ann, &scene.bob);
    // As an MTA leaves them: the group may read and write every one.
    for user in [ann, bob] {
        let mbox = spool.join(&user.name);
        fs::write(&mbox, format!("From a@b Thu Feb 13 10:11:12 2025\nSubject: of {}\n\nx\n\n", user.name))
            .unwrap();
        chown(&mbox, Some(user.uid), Some(group.gid)).unwrap();
        fs::set_permissions(&mbox, std::os::unix::fs::PermissionsExt::from_mode(0o660)).unwrap();
    }
    let mut peer = scene.login(ann);
    assert!(String::from_utf8_lossy(&peer.message("RETR 1")).contains(&format!("of {}", ann.name)));
    peer.ok("DELE 1");
    peer.ok("QUIT");
    // One that is missing is made, with the group; nothing of a lock is left.
    fs::remove_file(spool.join(&ann.name)).unwrap();
    scene.server.deliver(&[&ann.name, &bob.name], &canonical(&sized(300)));
    let names: Vec<String> = fs::read_dir(&spool)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(fs::metadata(spool.join(&ann.name)).unwrap().uid(), ann.uid);
    let mut peer = scene.login(bob);
    assert_eq!(peer.list("LIST").len(), 2);
    peer.ok("QUIT");
    // The group is for the names of locks alone: with it, she could read his.
    fs::remove_file(spool.join(&ann.name)).unwrap();
    let (theirs, hers) = (spool.join(&bob.name), spool.join(&ann.name));
    for is_hard in [true, false] {
        if is_hard { fs::hard_link(&theirs, &hers) } else { symlink(&theirs, &hers) }.unwrap();
        let said = scene.server.try_login(&ann.name, "secret");
        // Rights can be put right, so clients keep asking.
        assert!(said.starts_with("-ERR [SYS/TEMP]"), "{said} {}", scene.server.log());
        fs::remove_file(spool.join(&ann.name)).unwrap();
    }
}

#[test]
fn passwords_are_checked_by_pam_and_a_module_that_hangs_stops_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (module, victim) = (folder.path().join("module"), folder.path().join("victim"));
    fs::write(
        &module,
        format!(
            "#!/bin/sh\n[ \"$PAM_USER\" = \"$(cat {})\" ] && exec sleep 1000\nexit 0\n",
            victim.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&module, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(&victim, "").unwrap();
    let service = PamService::new(&format!(
        "auth required pam_exec.so quiet {}\nauth required pam_unix.so nodelay\naccount required pam_unix.so\n",
        module.display()
    ));
    let scene = Scene::new(
        &format!("passwords = \"pam\"\nservice = \"{}\"\ntimeout_s = 6\ncache_s = 0", service.name),
        MAILDIR,
    );
    let (ann, bob) = (&scene.ann, &scene.bob);
    assert!(scene.server.try_login(&ann.name, "secret").starts_with("+OK"), "{}", scene.server.log());
    for (name, password) in
        [(&*ann.name, "Secret"), (&bob.name, "secret"), ("nobody-at-all", "x"), ("root", "x")]
    {
        let said = scene.server.try_login(name, password);
        assert!(said.starts_with("-ERR [AUTH]"), "{name}: {said}");
    }
    // The account phase.
    ann.change("chage", &["--expiredate", "1"]);
    assert!(scene.server.try_login(&ann.name, "secret").starts_with("-ERR [AUTH]"));
    ann.change("chage", &["--expiredate", "-1"]);
    // A module that never answers for Ann.
    fs::write(&victim, &ann.name).unwrap();
    let mut hung = scene.server.pop3();
    hung.ok(&format!("USER {}", ann.name));
    hung.send(b"PASS secret\r\n");
    assert!(scene.server.try_login(&bob.name, "hidden").starts_with("+OK"));
    let said = hung.status();
    assert!(said.starts_with("-ERR [SYS/TEMP]"), "{said}");
    scene.logs("the system's accounts cannot be asked");
}

#[test]
fn what_the_broker_may_do_changes_with_a_restart_alone() {
    let scene = Scene::new(SHADOW, MAILDIR);
    let path = scene.server.site().path().join("restante.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(SHADOW, &format!("{SHADOW}\nfirst_uid = 1"))).unwrap();
    let mut scene = scene;
    scene.server.process().signal(Signal::HUP);
    scene.logs("restart the server");
    assert!(scene.server.try_login(&scene.ann.name, "secret").starts_with("+OK"));
    // The bounds hold for whoever asks.
    fs::write(
        &path,
        text.replace(SHADOW, &format!("{SHADOW}\nlast_uid = {}", scene.ann.uid.min(scene.bob.uid))),
    )
    .unwrap();
    scene.server.stop();
    scene.server.start_again();
    let outside =
        if scene.ann.uid < scene.bob.uid { (&scene.bob.name, "hidden") } else { (&scene.ann.name, "secret") };
    assert!(scene.server.try_login(outside.0, outside.1).starts_with("-ERR [AUTH]"));
}

#[test]
fn the_machine_is_asked_before_anybody_logs_in_if_that_is_wanted() {
    let strict = PamService::new("auth required pam_unix.so nodelay\naccount required pam_unix.so\n");
    let loose = PamService::new("auth required pam_permit.so\naccount required pam_permit.so\n");
    let broken = PamService::new("auth required pam_restante_has_none.so\naccount required pam_unix.so\n");
    let pam = |service: &PamService| format!("passwords = \"pam\"\nservice = \"{}\"", service.name);
    let (none, first) = ("passwords = \"none\"", "passwords = \"shadow\"");
    let scene = Scene::new(first, MAILDIR);
    let path = scene.server.site().path().join("restante.toml");
    let text = fs::read_to_string(&path).unwrap();
    for (source, expected, what) in [
        (first.to_owned(), 0, "system, /etc/shadow: answers"),
        (none.to_owned(), 0, "system: answers"),
        (pam(&strict), 0, "answers"),
        (pam(&loose), 78, "lets in restante-probe, whose password nobody knows"),
        (pam(&broken), 69, "PAM cannot say"),
    ] {
        fs::write(&path, text.replace(first, &source)).unwrap();
        let (code, said) = scene.server.restante(&["config", "check", "--connect"]);
        assert!(code == expected && said.contains(what), "{source}: {code}: {said}");
    }
    // Somebody who is not root may ask for names, and no more.
    fs::write(&path, text.replace(first, &pam(&loose))).unwrap();
    let anybody = scene.server.site().path().join("restante-of-anybody");
    fs::copy(restante_test::real::restante::binary(), &anybody).unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&anybody)
        .args(["config", "check", "--connect", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(": answers"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
