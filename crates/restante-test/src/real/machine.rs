//! Users of this machine, made for a test and taken away again, however it ends. Takes root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use super::program;
use crate::wait;

/// A user with a home of mode 0700, whose password is what it was made with.
#[derive(Debug)]
pub struct User {
    /// Its name: no other test has one like it.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its group, of its own name.
    pub gid: u32,
    /// Its home folder.
    pub home: PathBuf,
}

impl User {
    /// Makes a user with its home below `homes`.
    ///
    /// # Panics
    /// When we are not root, or the user cannot be made.
    #[must_use]
    pub fn new(homes: &Path, password: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes users of the machine, which takes root"
        );
        sweep();
        let name = format!("{PREFIX}{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // A test that was killed may have had our process number, and its user is not swept while we live.
        if is_user(&name) {
            remove(&name);
        }
        let home = homes.join(&name);
        let hashed = run(Command::new(program("openssl", "openssl")).args(["passwd", "-6", password]));
        let hash = String::from_utf8_lossy(&hashed.stdout).trim().to_owned();
        change(|| {
            let mut command = Command::new(program("useradd", "passwd"));
            command.args([
                "--no-log-init",
                "--no-create-home",
                "--user-group",
                "--shell",
                "/usr/sbin/nologin",
            ]);
            command.arg("--home-dir").arg(&home).args(["--password", &hash, &name]);
            command
        });
        let (uid, gid) = numbers(&name);
        let user = Self { name, uid, gid, home };
        fs::create_dir_all(&user.home).expect("the test's folder is writable");
        user.own(&user.home, 0o700);
        user
    }

    /// Makes a file or folder this user's, with these permissions.
    ///
    /// # Panics
    /// When it is not there.
    pub fn own(&self, path: &Path, mode: u32) {
        chown(path, Some(self.uid), Some(self.gid)).expect("root may");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("root may");
    }

    /// Makes a Maildir in the home, all of it this user's and nobody else's to read, with these messages.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn maildir(&self, messages: &[(&str, &[u8])]) -> PathBuf {
        let maildir = self.home.join("Maildir");
        for folder in [maildir.clone(), maildir.join("tmp"), maildir.join("new"), maildir.join("cur")] {
            fs::create_dir_all(&folder).expect("the test's folder is writable");
            self.own(&folder, 0o700);
        }
        for (name, octets) in messages {
            let path = maildir.join("new").join(name);
            fs::write(&path, octets).expect("the test's folder is writable");
            self.own(&path, 0o600);
        }
        maildir
    }

    /// Changes the account as usermod(8) and chage(1) do: `program`, and what it is told in front of the name.
    ///
    /// # Panics
    /// When it fails.
    pub fn change(&self, changer: &str, words: &[&str]) {
        change(|| {
            let mut command = Command::new(program(changer, "passwd"));
            command.args(words).arg(&self.name);
            command
        });
    }
}

impl Drop for User {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// A service of PAM with these rules, taken away again.
#[derive(Debug)]
pub struct PamService {
    /// Its name.
    pub name: String,
}

impl PamService {
    /// Writes the rules.
    ///
    /// # Panics
    /// When we are not root.
    #[must_use]
    pub fn new(rules: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{PREFIX}{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        fs::write(Path::new(PAM).join(&name), rules)
            .expect("this test writes a service of PAM, which takes root");
        Self { name }
    }
}

impl Drop for PamService {
    fn drop(&mut self) {
        // One that is left does no harm and is swept later.
        let _ = fs::remove_file(Path::new(PAM).join(&self.name));
    }
}

/// Whether this process lives and is one of this program with this role (`worker`, `asker`, `broker`).
#[must_use]
pub fn is_at_work(pid: u32, role: &str) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = format!("restante\0rights\0{role}\0");
    line == words.as_bytes() && status(pid, "State:").is_some_and(|state| !state.starts_with('Z'))
}

/// The children of a process that have this role. Who looks for the processes of a user must look here: a user that a test has
/// taken away leaves its number to that of another test, which has processes of its own.
#[must_use]
pub fn children(parent: u32, role: &str) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| status(*pid, "PPid:") == Some(parent.to_string());
    numbers.filter(|pid| is_at_work(*pid, role) && is_child(pid)).collect()
}

/// The number of the user that a process has.
#[must_use]
pub fn owner(pid: u32) -> Option<u32> {
    status(pid, "Uid:")?.split_whitespace().next()?.parse().ok()
}

/// A field of what the kernel says about a process, while it is there.
fn status(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(field)).map(|rest| rest.trim().to_owned())
}

/// Users and services of tests that were killed.
fn sweep() {
    let is_left = |name: &str| {
        let pid =
            name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('x')).map(|(pid, _)| pid.to_owned());
        pid.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
    };
    users().iter().filter(|name| is_left(name)).for_each(|name| remove(name));
    for entry in fs::read_dir(PAM).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The names of all users.
fn users() -> Vec<String> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd.lines().filter_map(|line| line.split(':').next()).map(str::to_owned).collect()
}

fn is_user(name: &str) -> bool {
    users().iter().any(|user| user == name)
}

fn remove(name: &str) {
    // One that another test has swept meanwhile is gone as well. When somebody else changes the files, whichever it is, all is left
    // as it was.
    let _ = wait::try_some(wait::DEADLINE, || {
        let _ = Command::new(program("userdel", "passwd")).args(["--force", name]).output().ok()?;
        (!is_user(name)).then_some(())
    });
}

/// Changes the users of the machine, when nobody else does.
fn change(command: impl Fn() -> Command) {
    let done = wait::some("the users of the machine to be free", || {
        let output = command().output().expect("the program starts");
        let is_locked = String::from_utf8_lossy(&output.stderr).contains("lock");
        (output.status.success() || !is_locked).then_some(output)
    });
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn numbers(name: &str) -> (u32, u32) {
    let number = |flag: &str| {
        let output = run(Command::new(program("id", "coreutils")).args([flag, name]));
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
    };
    (number("-u"), number("-g"))
}

const PREFIX: &str = "rsttest";
const PAM: &str = "/etc/pam.d";
