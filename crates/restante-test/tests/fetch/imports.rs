//! `restante fetch import` from the real programs: they collect from a real server and remember it in their way; Restante goes on
//! where they stopped.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use restante_test::mail::{canonical, numbered};
use restante_test::real::{Kind, Server, Setup, program};

use crate::kitchen::{Home, Ran};

/// So many are there when the other program comes.
const THERE: usize = 50;

/// So often may a program that is known to trip begin anew.
const TRIES: usize = 5;

/// Somebody who has collected with another program.
struct Move {
    server: Server,
    home: Home,
}

impl Move {
    fn new() -> Self {
        let mail = (1..=THERE).map(|number| numbered(number, 3)).collect();
        let setup = Setup { mail: vec![("alice".into(), mail)], tls: false, ..Setup::default() };
        let moved = Self { server: Server::start(Kind::Dovecot, &setup), home: Home::new() };
        moved.make_maildir();
        moved
    }

    fn make_maildir(&self) {
        for folder in ["", "new", "cur", "tmp"] {
            fs::create_dir(self.home.maildir().join(folder)).unwrap();
        }
    }

    /// Writes a file of the other program; `HOST`, `PORT` and `HOME` are filled in.
    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let address = self.server.pop3_address();
        let text =
            text.replace("HOST", &address.ip().to_string()).replace("PORT", &address.port().to_string());
        let path = self.home.path().join(name);
        fs::write(&path, text.replace("HOME", &self.home.path().display().to_string())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    /// Runs the other program until it has collected all that is there.
    fn collect(&self, name: &str, words: &[&str]) {
        let ran = self.run_other(name, words);
        assert_eq!(self.home.messages().len(), THERE, "{name}: {}{}", ran.out, ran.err);
    }

    /// Runs the other program, as an ordinary user: some of them behave otherwise for root.
    fn run_other(&self, name: &str, words: &[&str]) -> Ran {
        let other = program(name, name);
        let mut command = if rustix::process::geteuid().is_root() {
            give_to_nobody(self.home.path());
            let mut command = Command::new(program("setpriv", "util-linux"));
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(other);
            command
        } else {
            Command::new(other)
        };
        command.args(words).current_dir(self.home.path()).stdin(Stdio::null());
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8");
        command.env("USER", "nobody").env("LOGNAME", "nobody");
        Ran::of(command.output().unwrap())
    }

    /// `restante fetch import` with these words.
    fn import(&self, words: &[&str]) -> Ran {
        let state = self.home.state().display().to_string();
        let output = self.output();
        self.home.run(&[&["import"], words, &["--output", &output, "--state", &state]].concat())
    }

    fn output(&self) -> String {
        self.home.path().join("fetch.toml").display().to_string()
    }

    fn fetch(&self) -> Ran {
        let state = self.home.state().display().to_string();
        self.home.run(&["--config", &self.output(), "--state", &state])
    }

    /// What the other program has is not fetched again, and what comes later is.
    fn goes_on(&self, kind: &str, file: &str) {
        let dry = self.import(&[kind, file, "--dry-run"]).ended(0).says("50 unique-ids would be taken over");
        assert!(!dry.out.contains("secret") && !dry.err.contains("secret"), "{}{}", dry.out, dry.err);
        assert!(!Path::new(&self.output()).exists() && !self.home.state().exists(), "it changed nothing");
        let done = self.import(&[kind, file]).ended(0).says("50 unique-ids taken over");
        assert!(!done.out.contains("secret") && !done.err.contains("secret"), "{}{}", done.out, done.err);
        let mode = fs::metadata(self.output()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "a password stands in it");
        self.fetch().ended(0).says("nothing new");
        assert_eq!(self.home.messages().len(), THERE, "nothing came twice");
        for number in THERE + 1..=THERE + 3 {
            self.server.deliver(&["alice"], &canonical(&numbered(number, 3)));
        }
        self.fetch().ended(0).says("collected 3 messages");
        assert_eq!(self.home.messages().len(), THERE + 3);
        self.fetch().ended(0).says("nothing new");
        assert_eq!(
            self.server.retrieve_all("alice").len(),
            THERE + 3,
            "everything was to stay on the server"
        );
        self.import(&[kind, file]).ended(73).says("is there already");
        self.import(&[kind, file, "--state-only"]).ended(0).says("50 were known");
    }
}

/// Everything in the folder belongs to nobody; root may go on in it.
fn give_to_nobody(path: &Path) {
    chown(path, Some(65534), Some(65534)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give_to_nobody(&entry.unwrap().path()));
    }
}

#[test]
fn from_fetchmail() {
    let moved = Move::new();
    moved.write("deliver", "#!/bin/sh\nexec cat > HOME/Mail/new/$$\n", 0o755);
    let text = "poll HOST service PORT proto pop3 uidl\n  user alice password secret sslproto '' keep mda 'HOME/deliver'\n";
    let file = moved.write(".fetchmailrc", text, 0o600);
    moved.collect("fetchmail", &["--nosyslog", "-f", &file]);
    moved.goes_on("fetchmail", &file);
}

#[test]
fn from_mpop() {
    let moved = Move::new();
    let text = "account work\nhost HOST\nport PORT\ntls off\nauth user\nuser alice\npassword secret\n\
                keep on\ndelivery maildir ~/Mail\n";
    let file = moved.write(".mpoprc", text, 0o600);
    moved.collect("mpop", &["-q", "work"]);
    moved.goes_on("mpop", &file);
}

#[test]
fn from_getmail() {
    let moved = Move::new();
    let text = "[retriever]\ntype = SimplePOP3Retriever\nserver = HOST\nport = PORT\nusername = alice\npassword = secret\ntimeout = 20\n\
                [destination]\ntype = Maildir\npath = ~/Mail/\n[options]\nread_all = false\ndelete = false\n";
    let file = moved.write("getmailrc", text, 0o600);
    let folder = moved.home.path().display().to_string();
    // It delivers each message in a process of its own, and waits in vain for one that has ended before it waits. Then it forgets
    // what it has collected; so did its user, who begins anew.
    for _ in 0..TRIES {
        let ran = moved.run_other("getmail", &["--quiet", "--getmaildir", &folder]);
        if !ran.err.contains("timed out") {
            break;
        }
        fs::remove_dir_all(moved.home.maildir()).unwrap();
        moved.make_maildir();
    }
    assert_eq!(moved.home.messages().len(), THERE);
    moved.goes_on("getmail", &file);
}

#[test]
fn from_fdm() {
    let moved = Move::new();
    let text = "set lock-file \"HOME/lock\"\naccount \"work\" pop3 server \"HOST\" port PORT user \"alice\" pass \"secret\" new-only cache \"HOME/cache\" no-apop keep\n\
                action \"in\" maildir \"HOME/Mail\"\nmatch all action \"in\"\n";
    let file = moved.write(".fdm.conf", text, 0o600);
    moved.collect("fdm", &["-q", "-f", &file, "fetch"]);
    moved.goes_on("fdm", &file);
}

#[test]
fn what_cannot_be_taken_over_is_told_and_nothing_is_half_done() {
    let home = Home::new();
    let path = |name: &str| home.path().join(name).display().to_string();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    let (output, state) = (path("fetch.toml"), path("state"));
    let import =
        |words: &[&str]| home.run(&[&["import"], words, &["--output", &output, "--state", &state]].concat());
    import(&[]).ended(66).says("there is no configuration of fetchmail, getmail, mpop, fdm");
    import(&["mpop", &path("none")]).ended(66);
    write(".mpoprc", "account a\nhots h\n");
    import(&[]).ended(78).says(".mpoprc:2: mpop has no command `hots`");
    let sorted = "poll h proto pop3 user u password geheim to a b here\n";
    write(".fetchmailrc", sorted);
    import(&[]).ended(64).says("there are configurations of fetchmail, mpop");
    for words in [&["fetchmail"][..], &["fetchmail", "--dry-run"]] {
        let ran =
            import(words).ended(78).says(".fetchmailrc:1: u@h is not taken over").says("no account can be");
        assert!(!format!("{}{}", ran.out, ran.err).contains("geheim"));
        assert!(!Path::new(&output).exists());
    }
    write(".fetchmailrc", &format!("{sorted} user v password x is v here mda m\n"));
    import(&["fetchmail"]).ended(1).says("u@h is not taken over").says("v@h: there is no");
    fs::remove_file(&output).unwrap();
    write("rc", "account a\nhost localhost\nuser u\npassword x\ndelivery maildir m\nuidls_file ids\n");
    write("ids", " 2 localhost u\none\n");
    import(&["mpop", &path("rc")]).ended(65).says("1 unique-ids of the last list are missing");
    assert!(!Path::new(&output).exists(), "without the unique-ids everything would come twice");
    import(&["mpop", &path("rc"), "--ids", &path("nothing")]).ended(66);
    fs::remove_file(path("ids")).unwrap();
    import(&["mpop", &path("rc")]).ended(0).says("all that is on the server is new");
    fs::write(
        &output,
        "[[account]]\nserver = \"pop://v@localhost\"\ndeliver = [{ type = \"mbox\", path = \"m\" }]\n",
    )
    .unwrap();
    import(&["mpop", &path("rc"), "--state-only"]).ended(78).says("has no account u@localhost");
}
