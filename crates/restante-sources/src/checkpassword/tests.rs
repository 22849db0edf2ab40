//! Programs of the test's own, in shell and Python; a real one is asked in restante-test.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use restante_auth::account::{AccountName, Bound, Owner};
use restante_auth::directory::{Circumstances, Service};
use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// Says what it was told, and behaves as the password wants.
const PROGRAM: &str = r#"#!/usr/bin/env python3
import os, subprocess, sys, time
folder = os.path.dirname(os.path.abspath(__file__))
told = os.read(3, 1000)
open(folder + "/told", "ab").write(told + b"\n")
open(folder + "/pids", "a").write("%d\n" % os.getpid())
open(folder + "/cwd", "w").write(os.getcwd() + " " + os.readlink("/proc/self/fd/0"))
open(folder + "/environment", "w").write(repr(sorted(os.environ.items())))
open(folder + "/descriptors", "w").write("\n".join(os.readlink("/proc/self/fd/" + name) for name in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + name)))
name, password, _ = told[:-1].split(b"\0")
known = name in (b"bob@example.org", b"bob", b"$(touch boo);x'\"@example.org")
if os.environ.get("AUTHORIZED") == "1":
    if not known:
        sys.exit(3)
    os.environ["AUTHORIZED"] = "2"
elif password == b"hang":
    child = subprocess.Popen(["sleep", "600"])
    open(folder + "/child", "w").write(str(child.pid))
    time.sleep(30)
elif password == b"killed":
    os.kill(os.getpid(), 9)
elif password == b"chatty":
    sys.stdout.write("x" * 300000)
    sys.stdout.flush()
    sys.exit(0)
elif password == b"moans":
    sys.stderr.write("x" * 300000)
    sys.stderr.flush()
    sys.exit(111)
elif password == b"complains":
    os.write(2, b"the disk is full\nand more\n")
    sys.exit(111)
elif password == b"tells complains":
    os.write(2, b"wrong: " + password + b"\n")
    sys.exit(111)
elif password == b"leaves":
    child = subprocess.Popen(["sleep", "60"])
    open(folder + "/child", "w").write(str(child.pid))
    sys.exit(111)
elif password.startswith(b"exit "):
    sys.exit(int(password[5:]))
elif password == b"nothing more":
    sys.exit(0)
elif not known or password not in (b"tulip", b"locked", b"speaks", "t\u00fclip".encode()):
    os.write(1, b"no\n")
    sys.exit(1)
os.environ["USER"] = "mallory"
os.environ["HOME"] = "/home/bob"
os.environ["userdb_quota_rule"] = "*:bytes=1000:messages=5"
os.environ["userdb_uid"] = "1000"
os.environ["userdb_gid"] = "100"
os.environ["EXTRA"] = "nologin"
if password == b"locked":
    os.environ["nologin"] = "y"
if password == b"speaks":
    os.write(1, b"welcome\nHOME=/home/mallory\n")
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// Prints as `answer` does.
const ANSWER: &str = r#"#!/bin/sh
printf '\0restante\0'; env -0 | grep -zE '^(USER|HOME|AUTHORIZED|nologin|userdb_[a-z_]+)='; printf '.uid=%s\0.gid=%s\0\0end\0' "$(id -u)" "$(id -g)"
"#;

struct Scene {
    folder: tempfile::TempDir,
    source: CheckpasswordDirectory,
    runtime: tokio::runtime::Runtime,
}

fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

impl Scene {
    fn new(has_lookups: bool, timeout: Duration) -> Self {
        Self::of(PROGRAM, has_lookups, timeout)
    }

    fn of(program: &str, has_lookups: bool, timeout: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            command: vec![script(folder.path(), "program", program)],
            answer: vec![script(folder.path(), "answer", ANSWER).into()],
            has_lookups,
            programs_max: 2,
            timeout,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Writing and starting programs in several threads: one that was just written may be busy in another's fork.
        Self { folder, source: CheckpasswordDirectory::new(settings), runtime }
    }

    /// What is said of this name and password, in a word or with what is wrong.
    fn says(&self, name: &str, password: &[u8]) -> String {
        let name = AccountName::new(name).unwrap();
        let mut at = Circumstances::new(Service::Pop3, Instant::now());
        at.peer = Some("::ffff:192.0.2.7".parse().unwrap());
        let question = Question { name: &name, at };
        let password = Secret::new(password.to_vec());
        word(self.runtime.block_on(self.source.check(&question, &password)))
    }

    fn lookup(&self, name: &str) -> Result<Option<Entry>, String> {
        let name = AccountName::new(name).unwrap();
        let question = Question { name: &name, at: Circumstances::new(Service::Lmtp, Instant::now()) };
        self.runtime.block_on(self.source.lookup(&question)).map_err(|error| error.to_string())
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.file(name)).unwrap()
    }

    /// Lets the runtime go on until this is so.
    fn wait_until(&self, condition: impl Fn() -> bool, what: &str) {
        let begin = Instant::now();
        while !condition() {
            assert!(begin.elapsed() < LONG, "waited {LONG:?} until {what}");
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
        }
    }
}

/// What a process does; none when there is none, nor its remains.
fn state(process: &str) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

fn word(checked: Result<Checked, SourceError>) -> String {
    match checked {
        Ok(Checked::Right(account)) => format!("right {} {:?}", account.name, account.home),
        Ok(Checked::Wrong) => "wrong".to_owned(),
        Ok(Checked::Locked) => "locked".to_owned(),
        Ok(Checked::Unknown) => "unknown".to_owned(),
        Err(error) => {
            let kind = if error.is_temporary() { "temporary" } else { "permanent" };
            let text = error.to_string();
            format!("{kind} {}", text.split_once("program: ").map_or(&*text, |(_, what)| what))
        }
    }
}

/// Longer than a busy machine needs.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_program_is_told_by_its_descriptor_and_nothing_else() {
    let scene = Scene::new(false, LONG);
    let _open = std::fs::File::create(scene.folder.path().join("open")).unwrap();
    assert_eq!(scene.says("bob@example.org", b"tulip"), "right bob@example.org Some(\"/home/bob\")");
    assert_eq!(scene.file("told"), b"bob@example.org\0tulip\0\0\n");
    let environment = String::from_utf8(scene.file("environment")).unwrap();
    let expected = "[('PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'), ('PROTO', 'TCP'), \
                    ('SERVICE', 'pop3'), ('TCPREMOTEIP', '192.0.2.7')]";
    // Python itself sets the locale's.
    assert_eq!(environment.replace("('LC_CTYPE', 'C.UTF-8'), ", ""), expected);
    assert_eq!(scene.file("cwd"), b"/ /dev/null");
    // What whoever started us has left open may be there, and nothing of ours: no file, no socket, nothing of the runtime.
    let descriptors = String::from_utf8(scene.file("descriptors")).unwrap();
    assert!(descriptors.contains("pipe:"), "{descriptors}");
    for of_ours in [scene.folder.path().join("open").to_str().unwrap(), "[eventpoll]", "socket:"] {
        assert!(!descriptors.contains(of_ours), "{of_ours}: {descriptors}");
    }
}

#[test]
fn what_a_program_says_of_a_password() {
    let scene = Scene::new(false, LONG);
    for (password, expected) in [
        (&b"tulip"[..], "right bob Some(\"/home/bob\")"),
        ("tülip".as_bytes(), "right bob Some(\"/home/bob\")"),
        (b"rose", "wrong"),
        (b"locked", "locked"),
        // What it prints itself is no answer.
        (b"speaks", "right bob Some(\"/home/bob\")"),
        (b"exit 100", "wrong"),
        (b"exit 3", "unknown"),
    ] {
        assert_eq!(scene.says("bob", password), expected, "{password:?}");
    }
    assert_eq!(scene.says("nobody", b"tulip"), "wrong", "it is not known who is there");
    for (password, expected) in [
        (&b"exit 2"[..], "permanent it ends with 2: it was misused; "),
        (b"exit 111", "temporary it cannot say now (111); "),
        (b"exit 7", "temporary it ends with 7; "),
        (b"killed", "temporary it was killed; "),
        (b"chatty", "permanent it prints more than 65536 octets; "),
        (b"complains", "temporary it cannot say now (111): the disk is full; "),
        (b"tells complains", "temporary it cannot say now (111); "),
        (
            b"nothing more",
            "permanent bob: it ends with 0, and has not become the program that its arguments end with; ",
        ),
    ] {
        let said = scene.says("bob", password);
        assert!(said.starts_with(expected), "{password:?}: {said}");
    }
    let said = scene.says("bob", b"moans");
    let complaint = said.strip_prefix("temporary it cannot say now (111): ").unwrap_or_default();
    assert_eq!(complaint.bytes().take_while(|octet| *octet == b'x').count(), 512, "{}", said.len());
}

#[test]
fn a_name_or_a_password_can_do_nothing_to_the_program() {
    let scene = Scene::new(false, LONG);
    let name = "$(touch boo);x'\"@example.org";
    assert_eq!(scene.says(name, b"tulip"), format!("right {name} Some(\"/home/bob\")"));
    for password in [&b"`touch boo`\n$(touch boo)"[..], b"\xff\xfe\x01", b"tulip\n", b"$HOME", b"-x"] {
        assert_eq!(scene.says("bob", password), "wrong", "{password:?}");
    }
    assert!(!scene.folder.path().join("boo").exists());
    // What cannot be said there starts nothing: it would be another password, or another name.
    let told = scene.file("told");
    let long = [b'x'; 512 - 5];
    for password in [&b"tulip\0"[..], b"\0tulip", b"rose\0bob\0tulip", &long] {
        assert_eq!(scene.says("bob", password), "wrong", "{password:?}");
    }
    assert_eq!(scene.file("told"), told);
    assert_eq!(scene.says("bob", &long[..512 - 6]), "wrong");
    assert_eq!(scene.file("told").len(), told.len() + 512 + 1, "all of 512 octets are told");
}

#[test]
fn a_program_that_hangs_is_killed_with_what_it_has_started() {
    let scene = Scene::new(false, Duration::from_secs(3));
    assert!(scene.says("bob", b"hang").starts_with("temporary no answer within 3 s; "));
    let child = scene.text("child");
    assert!(!child.is_empty(), "it was started");
    // A zombie, until init looks, is killed too.
    scene.wait_until(|| state(&child).is_none_or(|state| state == 'Z'), &format!("{child} is killed"));
}

#[test]
fn nobody_waits_for_what_a_program_leaves_behind() {
    let scene = Scene::new(false, Duration::from_secs(20));
    // What it has started holds its output open.
    let said = scene.says("bob", b"leaves");
    assert!(said.starts_with("temporary it cannot say now (111); "), "{said}");
    let child = Pid::from_raw(scene.text("child").parse().unwrap()).unwrap();
    kill_process(child, Signal::KILL).unwrap();
}

#[test]
fn no_program_is_left_as_a_zombie_however_it_ends() {
    let scene = Scene::new(false, Duration::from_secs(3));
    for password in [&b"tulip"[..], b"exit 1", b"killed", b"chatty", b"hang"] {
        scene.says("bob", password);
    }
    let programs = scene.text("pids");
    assert_eq!(programs.lines().count(), 5);
    for program in programs.lines() {
        scene.wait_until(|| state(program).is_none(), &format!("{program} is waited for"));
    }
}

#[test]
fn only_so_many_run_at_the_same_time() {
    let scene = Scene::new(false, Duration::from_secs(4));
    let bob = AccountName::new("bob").unwrap();
    let question = Question { name: &bob, at: Circumstances::new(Service::Pop3, Instant::now()) };
    let [hang, tulip] = ["hang", "tulip"].map(|password| Secret::new(password.as_bytes().to_vec()));
    let (one, two, three) = scene.runtime.block_on(async {
        let check = |password| scene.source.check(&question, password);
        futures_util::future::join3(check(&hang), check(&hang), check(&tulip)).await
    });
    for answer in [one, two, three] {
        assert!(word(answer).starts_with("temporary no answer within 4 s"));
    }
    // Their places are free again.
    assert_eq!(scene.file("told").split(|octet| *octet == b'\n').filter(|line| !line.is_empty()).count(), 2);
}

#[test]
fn look_ups_where_the_program_knows_them() {
    let scene = Scene::new(true, LONG);
    let known = scene.lookup("bob@example.org").unwrap().unwrap();
    assert_eq!(known.account.name.as_str(), "bob@example.org", "whatever USER says");
    assert_eq!(known.account.home.as_deref(), Some("/home/bob".as_ref()));
    assert_eq!(known.account.quota.octets.and_then(Bound::max), Some(1000));
    assert_eq!(known.account.quota.messages.and_then(Bound::max), Some(5));
    assert_eq!(known.account.owner, Some(Owner { uid: 1000, gid: 100 }));
    assert!(!known.password.is_there() && !known.password.is_locked());
    assert_eq!(scene.file("told"), b"bob@example.org\0\0\0\n");
    assert!(scene.lookup("nobody").unwrap().is_none());
    // A wrong password of somebody who is not there is another source's.
    assert_eq!(scene.says("nobody", b"tulip"), "unknown");
    assert_eq!(scene.says("bob", b"rose"), "wrong");

    assert!(
        Scene::new(false, LONG).lookup("bob").unwrap_err().contains("it is not known who has an account")
    );
    // A program that knows no look-ups must not make mail bounce.
    let said = Scene::of("#!/bin/sh\nexit 1\n", true, LONG).lookup("bob").unwrap_err();
    assert!(said.contains("bob: it ends with 1 when it is asked without a password"), "{said}");
    let said = Scene::of("#!/bin/sh\nexec \"$@\"\n", true, LONG).lookup("bob").unwrap_err();
    assert!(said.contains("without AUTHORIZED=2"), "{said}");
}

#[test]
fn a_program_that_is_not_there() {
    let settings = Settings {
        command: vec!["/nowhere/checkpassword".to_owned()],
        answer: vec!["/bin/true".into()],
        has_lookups: false,
        programs_max: 1,
        timeout: LONG,
    };
    let name = AccountName::new("bob").unwrap();
    let question = Question { name: &name, at: Circumstances::new(Service::Pop3, Instant::now()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let source = CheckpasswordDirectory::new(settings);
    let said = word(runtime.block_on(source.check(&question, &Secret::new(b"x".to_vec()))));
    assert!(said.contains("it cannot be started: No such file"), "{said}");
}

#[test]
fn the_answer_is_read_back_and_never_half() {
    let variables = [
        ("USER", "bob"),
        ("HOME", "/home/b=b\nx"),
        ("PATH", "/bin"),
        ("EXTRA", "nologin other"),
        ("nologin", ""),
        ("others", "no"),
        ("userdb_mail", "maildir:~/"),
    ];
    let output = answer(variables.map(|(name, value)| (name.into(), value.into())));
    let read = printed(&output).unwrap();
    let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["USER", "HOME", "nologin", "userdb_mail", ".uid", ".gid"]);
    assert_eq!(read[1].1, "/home/b=b\nx");
    for cut in 0..output.len() {
        assert!(printed(&output[..cut]).is_none(), "{cut}");
    }
    let noisy = [b"welcome\n", output.as_slice()].concat();
    assert_eq!(printed(&noisy).unwrap(), read);
}
