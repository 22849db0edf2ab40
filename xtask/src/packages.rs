//! The Debian packages that the tests need: the one list, each with its reason, and how they get onto the machine.
//!
//! A package counts as present when the thing the tests use is there, whoever put it there: so other
//! distributions work too, they only have to find the names of the packages themselves.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::work;

/// One Debian package.
struct Package {
    name: &'static str,
    /// What shows that it is there: an absolute path (one of its names may hold a `*`), or a program that is looked for.
    proof: &'static str,
    reason: &'static str,
}

const PACKAGES: &[Package] = &[
    Package { name: "bsdutils", proof: "script", reason: "a real terminal for what commands print" },
    Package { name: "curl", proof: "/usr/bin/curl", reason: "a real client: pop3, STLS and pop3s" },
    Package {
        name: "cvm",
        proof: "cvm-checkpassword",
        reason: "a real program of the checkpassword interface",
    },
    Package { name: "dbus", proof: "dbus-run-session", reason: "the message bus of a real keyring" },
    Package {
        name: "dovecot-lmtpd",
        proof: "/usr/lib/dovecot/lmtp",
        reason: "the LMTP conformance tests judge Dovecot too",
    },
    Package {
        name: "dovecot-pop3d",
        proof: "/usr/lib/dovecot/pop3",
        reason: "the POP3 conformance tests judge Dovecot too",
    },
    Package { name: "fdm", proof: "fdm", reason: "its caches are imported, and it is measured beside us" },
    Package { name: "fetchmail", proof: "fetchmail", reason: "a real client" },
    Package { name: "getmail6", proof: "getmail", reason: "a real client" },
    Package { name: "gnome-keyring", proof: "gnome-keyring-daemon", reason: "a real keyring" },
    Package {
        name: "golang-github-jhillyerd-enmime-dev",
        proof: "/usr/share/gocode/src/github.com/jhillyerd/enmime/testdata",
        reason: "messages nobody here wrote: the test data of a MIME parser",
    },
    Package {
        // apt-get takes it for an expression: the version in the name differs from release to release.
        name: "libpython3.*-testsuite",
        proof: "/usr/lib/python3.*/test/test_email/data",
        reason: "messages nobody here wrote: the test data of CPython's email package",
    },
    Package {
        name: "libpam0g-dev",
        proof: "/usr/include/security/pam_appl.h",
        reason: "system accounts by PAM: the feature `pam` links it",
    },
    Package {
        name: "libsecret-tools",
        proof: "secret-tool",
        reason: "how passwords are got from the keyring",
    },
    Package { name: "gsasl", proof: "gsasl", reason: "a real SMTP client that speaks SCRAM" },
    Package { name: "haproxy", proof: "haproxy", reason: "a real proxy that ends TLS and says so" },
    Package { name: "hydra", proof: "hydra", reason: "a real attacker: guesses passwords" },
    Package { name: "mariadb-server", proof: "mariadbd", reason: "a real MariaDB with accounts" },
    Package { name: "microsocks", proof: "microsocks", reason: "a real SOCKS5 proxy" },
    Package { name: "mpop", proof: "mpop", reason: "a real client, with pipelining" },
    Package { name: "nmap", proof: "nmap", reason: "a real attacker: its scripts for POP3" },
    Package {
        name: "openssl",
        proof: "openssl",
        reason: "certificates for the tests, s_client for STLS by hand",
    },
    Package { name: "pebble", proof: "pebble", reason: "a real ACME server that gives certificates" },
    Package { name: "postfix", proof: "postfix", reason: "the real MTA that delivers by LMTP" },
    Package { name: "postgresql", proof: "psql", reason: "a real PostgreSQL with accounts" },
    Package { name: "python3", proof: "/usr/bin/python3", reason: "a real client: poplib" },
    Package { name: "slapd", proof: "slapd", reason: "a real directory for accounts in LDAP" },
    Package { name: "systemd", proof: "systemd-analyze", reason: "judges the units of contrib/systemd" },
    Package { name: "sslscan", proof: "sslscan", reason: "a real scanner: looks for weak TLS" },
    Package { name: "swaks", proof: "swaks", reason: "a real SMTP client that logs in" },
    Package { name: "testssl.sh", proof: "testssl", reason: "a real scanner: looks for known faults of TLS" },
    Package { name: "tinyproxy-bin", proof: "tinyproxy", reason: "a real HTTP proxy" },
];

/// Where Debian asks whether a service may be started by an installation.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Prints the list.
pub(crate) fn print() -> Result<()> {
    for package in PACKAGES {
        let state = if is_present(package) { "present" } else { "missing" };
        println!("{:36} {state}  {}", package.name, package.reason);
    }
    Ok(())
}

/// Sees to it that everything the tests need is there: installs it as root, else says in one line what to install.
pub(crate) fn provide() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|package| !is_present(package)).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    if !is_root()? || work::program("apt-get").is_none() {
        bail!("the tests need programs that are missing; as root: {by_hand}");
    }
    println!("installing {}", missing.join(" "));
    install(&missing).with_context(|| format!("cannot install what the tests need; by hand: {by_hand}"))?;
    let missing = PACKAGES.iter().find(|package| !is_present(package));
    if let Some(Package { name, proof, .. }) = missing {
        bail!("the package {name} is installed, but {proof} is not there");
    }
    Ok(())
}

/// Installs without questions and without starting a service: the tests start their own, on their own ports.
pub(crate) fn install(names: &[&str]) -> Result<()> {
    let _policy = NoServices::begin()?;
    // The lists of packages may be missing (fresh images) or too old; only then are they fetched.
    if !work::succeeds(&mut apt("install", names)) {
        work::run(&mut apt("update", &[]))?;
        work::run(&mut apt("install", names))?;
    }
    Ok(())
}

fn apt(verb: &str, names: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "-q",
        "-y",
        "-o",
        "DPkg::Lock::Timeout=300",
        verb,
    ]);
    if verb == "install" {
        command.arg("--no-install-recommends");
    }
    command.args(names);
    command
}

fn is_present(package: &Package) -> bool {
    if package.proof.starts_with('/') {
        exists(Path::new("/"), package.proof.trim_start_matches('/'))
    } else {
        work::program(package.proof).is_some()
    }
}

/// Whether there is `path` below `folder`; a `*` in a name stands for any signs.
fn exists(folder: &Path, path: &str) -> bool {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() {
        return folder.exists();
    }
    let Some((start, end)) = name.split_once('*') else { return exists(&folder.join(name), rest) };
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let found = entry.file_name();
        let fits = found.to_str().is_some_and(|found| {
            found.len() >= start.len() + end.len() && found.starts_with(start) && found.ends_with(end)
        });
        fits && exists(&entry.path(), rest)
    })
}

/// Whether we may install packages.
pub(crate) fn is_root() -> Result<bool> {
    Ok(work::output(Command::new("id").arg("-u"))?.trim() == "0")
}

/// While it lives, Debian's installations start no service; a policy that was there before is left as it is.
struct NoServices(Option<PathBuf>);

impl NoServices {
    fn begin() -> Result<Self> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY);
        match file {
            Ok(mut file) => {
                file.write_all(b"#!/bin/sh\nexit 101\n").with_context(|| format!("cannot write {POLICY}"))?;
                Ok(Self(Some(PathBuf::from(POLICY))))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self(None)),
            Err(error) => Err(error).with_context(|| format!("cannot create {POLICY}")),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            // Nothing to be done about a failure but to say so.
            if let Err(error) = std::fs::remove_file(file) {
                eprintln!("xtask: cannot remove {}: {error}", file.display());
            }
        }
    }
}
