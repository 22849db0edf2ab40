//! What a configuration needs of files and of the network, and of programs: the plan that walls are built by.
//!
//! A plan is made once, at the start. One that is made of a later configuration must lie within it ([`Plan::beyond`]), since walls
//! cannot be moved.

use crate::config::places::{Place, Use};
use crate::config::{Address, Config};
use crate::file;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is needed. Paths lead from the root, through no link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Files and folders that are read.
    pub(super) read: BTreeSet<PathBuf>,
    /// Folders below which everything is made and removed.
    pub(super) write: BTreeSet<PathBuf>,
    /// Folders in which sockets are made and removed.
    pub(super) sockets: BTreeSet<PathBuf>,
    /// Folders in which files are made and appended to.
    pub(super) logs: BTreeSet<PathBuf>,
    /// Files and folders that are read and executed.
    pub(super) execute: BTreeSet<PathBuf>,
    /// Ports that a reload may open anew.
    pub(super) listens: BTreeSet<u16>,
    /// Ports that are connected to; `None` for any.
    pub(super) connects: Option<BTreeSet<u16>>,
    /// Are other programs started?
    pub(super) starts_programs: bool,
    /// What the configuration names and is not there, so that no wall can be left open for it.
    pub(super) missing: Vec<String>,
}

impl Plan {
    /// Of a configuration, whose file is `own`, and of the system beneath it. Looks for what it names, and opens nothing.
    pub(super) fn of(config: &Config, own: &Path) -> Self {
        let mut plan = Self::named_by(config);
        plan.add(&Place { what: "the configuration", path: own.to_owned(), used: Use::Read });
        plan.add_system();
        plan
    }

    /// What a configuration names itself.
    pub(super) fn named_by(config: &Config) -> Self {
        let mut plan = Self { connects: config.connects(), ..Self::default() };
        config.places().iter().for_each(|place| plan.add(place));
        for listen in &config.listen {
            if let Address::Tcp(address) = listen.address {
                plan.listens.insert(address.port());
            }
        }
        let asks_for_names = plan.asks_for_names();
        plan.connects.iter_mut().filter(|_| asks_for_names).for_each(|ports| ports.extend([DNS]));
        plan
    }

    /// What the libraries beneath need for it: what of that there is at the start.
    fn add_system(&mut self) {
        self.read.extend(existing(SYSTEM));
        if self.asks_for_names() {
            // Files of the resolver are replaced by others of their names.
            self.read.extend(existing(NAMES));
        }
        if self.starts_programs {
            self.execute.extend(existing(PROGRAMS));
        }
    }

    fn asks_for_names(&self) -> bool {
        self.starts_programs || self.connects.as_ref().is_none_or(|ports| !ports.is_empty())
    }

    fn add(&mut self, place: &Place) {
        let path = place.path.as_path();
        let folder = path.parent().unwrap_or_else(|| Path::new("/"));
        let folders = match place.used {
            Use::Read | Use::Program => {
                // A file that is replaced by another one of its name is found in its folder alone; and what a link leads to is
                // replaced in a folder of its own.
                let target = file::real(path).and_then(|path| path.parent().map(Path::to_owned));
                file::real(folder).into_iter().chain(target).collect()
            }
            Use::ReadBelow | Use::Write => file::real(path).into_iter().collect::<Vec<_>>(),
            Use::WriteBeside | Use::Socket | Use::Log => file::real(folder).into_iter().collect(),
        };
        if folders.is_empty() {
            self.missing.push(format!("{} {}", place.what, path.display()));
        }
        let set = match place.used {
            Use::Read | Use::ReadBelow => &mut self.read,
            Use::Write | Use::WriteBeside => &mut self.write,
            Use::Socket => &mut self.sockets,
            Use::Log => &mut self.logs,
            Use::Program => {
                self.starts_programs = true;
                &mut self.execute
            }
        };
        set.extend(folders);
    }

    /// May everything be written everywhere? Then there is nothing that walls could keep.
    pub(super) fn is_everywhere(&self) -> bool {
        self.write.contains(Path::new("/"))
    }

    /// What `other` needs and this one does not leave open; `None` when nothing.
    pub(super) fn beyond(&self, other: &Self) -> Option<String> {
        let write: Vec<&PathBuf> = self.write.iter().collect();
        let below = |paths: &[&PathBuf], path: &Path| paths.iter().any(|known| path.starts_with(known));
        let path = |theirs: &BTreeSet<PathBuf>, ours: &BTreeSet<PathBuf>| {
            let ours: Vec<&PathBuf> = ours.iter().chain(write.iter().copied()).collect();
            theirs.iter().find(|path| !below(&ours, path)).map(|path| path.display().to_string())
        };
        let port = |theirs: &BTreeSet<u16>, ours: &BTreeSet<u16>| {
            theirs.difference(ours).next().map(|port| format!("port {port}"))
        };
        let connects = match (&other.connects, &self.connects) {
            (Some(theirs), Some(ours)) => port(theirs, ours),
            (None, Some(_)) => Some("any port of another machine".to_owned()),
            (_, None) => None,
        };
        let programs = (other.starts_programs && !self.starts_programs).then(|| "a program".to_owned());
        path(&other.write, &self.write)
            .or_else(|| path(&other.read, &self.read))
            .or_else(|| path(&other.sockets, &self.sockets))
            .or_else(|| path(&other.logs, &self.logs))
            .or(programs)
            .or_else(|| path(&other.execute, &self.execute))
            .or_else(|| port(&other.listens, &self.listens))
            .or(connects)
    }
}

fn existing(paths: &[&str]) -> impl Iterator<Item = PathBuf> {
    paths.iter().filter_map(|path| file::real(Path::new(path)))
}

/// What the libraries beneath us read, wherever we are: time zones, names of users and hosts, authorities, libraries of the name
/// service, processors.
const SYSTEM: &[&str] = &[
    "/dev/null",
    "/dev/urandom",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/lib",
    "/lib64",
    "/proc/self/cgroup",
    "/sys/fs/cgroup",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
];

/// Where names of hosts are looked up.
const NAMES: &[&str] = &["/etc", "/run/resolvconf", "/run/systemd/resolve", "/var/lib/sss/mc"];

/// What programs are made of.
const PROGRAMS: &[&str] = &["/bin", "/etc", "/lib", "/lib64", "/opt", "/sbin", "/usr"];

/// RFC 7766: answers that are too long for a datagram.
const DNS: u16 = 53;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The plan of a configuration with these lines, in a folder with what it names.
    fn plan(folder: &Path, lines: &str) -> Plan {
        for name in ["etc", "state", "mail", "run"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("etc/users"), "bob:{PLAIN}secret\n").unwrap();
        let text = "state_dir = \"../state\"\n[[listen]]\nprotocol = \"pop3\"\naddress = \"127.0.0.1:1110\"\n\
                    [[listen]]\nprotocol = \"lmtp\"\naddress = \"unix:../run/lmtp\"\n[[auth.source]]\npath = \"users\"\n";
        let maildrop = format!("[maildrop]\npath = \"{}/mail/{{local}}\"\n", folder.display());
        let path = folder.join("etc/restante.toml");
        fs::write(&path, [text, &maildrop, lines].concat()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        Plan::of(&crate::config::parse(&text, &path).unwrap(), &path)
    }

    #[test]
    fn nothing_is_open_but_what_the_configuration_names_and_the_system_needs() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let plan = plan(&root, "");
        let own = |name: &str| [root.join(name)].into_iter().collect::<BTreeSet<PathBuf>>();
        let of_system: BTreeSet<PathBuf> = existing(SYSTEM).collect();
        assert_eq!(plan.read.difference(&of_system).cloned().collect::<BTreeSet<_>>(), own("etc"));
        assert_eq!(plan.write, [root.join("state"), root.join("mail")].into());
        assert_eq!(plan.sockets, own("run"));
        assert!(plan.logs.is_empty() && plan.execute.is_empty() && plan.missing.is_empty(), "{plan:?}");
        assert_eq!(
            (plan.listens, plan.connects, plan.starts_programs),
            ([1110].into(), Some([].into()), false)
        );
    }

    #[test]
    fn what_the_system_needs_holds_no_secrets() {
        let secrets =
            ["/etc/shadow", "/etc/gshadow", "/etc/ssh", "/root", "/home", "/var", "/proc/1", "/dev/mem"];
        for (open, shut) in [(SYSTEM, &secrets[..]), (NAMES, &secrets[3..])] {
            for path in open {
                assert!(!shut.iter().any(|secret| Path::new(secret).starts_with(path)), "{path}");
                assert!(
                    !shut.iter().any(|secret| *secret != "/var" && Path::new(path).starts_with(secret)),
                    "{path}"
                );
            }
        }
    }
}
