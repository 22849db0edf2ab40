//! The other POP3 servers that `restante check` is tried on: Debian's Courier, Cyrus and popa3d.
//!
//! Debian lets only one POP3 server be installed, and the tests keep Dovecot. So these are fetched and unpacked side by
//! side below the target folder, each with the libraries the machine lacks; the tests run each in a root of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::work;

/// One server.
struct Other {
    /// Its folder.
    name: &'static str,
    /// What is asked of apt; what these need and the machine lacks is fetched too.
    packages: &'static [&'static str],
    /// What shows that it was unpacked, below its `usr`.
    proof: &'static str,
}

const OTHERS: &[Other] = &[
    Other { name: "courier", packages: &["courier-pop"], proof: "lib/courier/courier/courierpop3d" },
    Other {
        name: "cyrus",
        packages: &["cyrus-pop3d", "libsasl2-modules-db", "sasl2-bin"],
        proof: "lib/cyrus/bin/pop3d",
    },
    Other { name: "popa3d", packages: &["popa3d"], proof: "sbin/popa3d" },
];

/// Where they lie.
pub(crate) fn folder() -> PathBuf {
    work::target().join("other-servers")
}

/// Prints the list.
pub(crate) fn print() {
    for other in OTHERS {
        let state = if is_there(other) { "present" } else { "missing" };
        println!(
            "{:36} {state}  unpacked, not installed: `restante check` judges it",
            other.packages.join(" ")
        );
    }
}

fn is_there(other: &Other) -> bool {
    folder().join(other.name).join("usr").join(other.proof).is_file()
}

/// Fetches and unpacks those that are missing.
///
/// # Errors
/// apt-get or dpkg-deb fails; with what to do by hand.
pub(crate) fn provide() -> Result<()> {
    for other in OTHERS {
        if is_there(other) {
            continue;
        }
        let folder = folder().join(other.name);
        println!("unpacking {}", other.packages.join(" "));
        unpack(other, &folder).with_context(|| {
            format!(
                "cannot unpack {} for the tests; by hand: apt-get download {} and dpkg-deb -x each of them, and of the libraries they need, to {}",
                other.name,
                other.packages.join(" "),
                folder.display()
            )
        })?;
    }
    Ok(())
}

fn unpack(other: &Other, folder: &Path) -> Result<()> {
    let beside = folder.with_extension("new");
    if beside.exists() {
        fs::remove_dir_all(&beside)?;
    }
    let (archives, root) = (beside.join("archives"), beside.join("root"));
    fs::create_dir_all(&archives)?;
    fs::create_dir_all(&root)?;
    let names = lacking(other)?;
    let mut download = Command::new("apt-get");
    download.current_dir(&archives).args(["-q", "-o", "APT::Sandbox::User=root", "download"]).args(names);
    work::run(&mut download)?;
    for entry in fs::read_dir(&archives)? {
        work::run(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(&root))?;
    }
    // Some libraries still come below /lib, which is a link to usr/lib on every machine of today.
    if root.join("lib").is_dir() {
        let (from, to) = (root.join("lib/."), root.join("usr/lib"));
        work::run(Command::new("cp").arg("-a").arg(from).arg(to))?;
    }
    if !root.join("usr").join(other.proof).is_file() {
        bail!("{} is not in its package", other.proof);
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::rename(&root, folder)?;
    fs::remove_dir_all(&beside)?;
    Ok(())
}

/// The packages that an installation would bring: those asked for and what they need that is not there. Nothing is
/// installed. The lists of packages may be missing; only then are they fetched.
fn lacking(other: &Other) -> Result<Vec<String>> {
    let simulate = || {
        let mut command = Command::new("apt-get");
        command.args(["-s", "-q", "--no-install-recommends", "install"]).args(other.packages);
        command
    };
    if !work::succeeds(&mut simulate()) {
        work::run(Command::new("apt-get").args(["-q", "update"]))?;
    }
    let plan = work::output(&mut simulate())?;
    let installed = plan.lines().filter_map(|line| line.strip_prefix("Inst "));
    let mut names: Vec<String> =
        installed.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    // What is installed already is not in the plan, but must be in the server's folder all the same.
    for package in other.packages {
        if !names.iter().any(|name| name == package) {
            names.push((*package).to_owned());
        }
    }
    Ok(names)
}
