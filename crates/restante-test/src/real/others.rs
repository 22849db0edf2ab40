//! Debian's Courier, Cyrus and popa3d, for the judge of other servers.
//!
//! Debian lets only one POP3 server be installed, so these are unpacked (`cargo xtask test` does it) and each runs in
//! a root folder of its own: the machine's `/usr` with the server's files laid over it, an `/etc` and a `/var` that
//! the test writes, in a mount and process namespace that ends with the value that holds it. Only root can do that.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Process;
use super::site::{LMTP, POP3, POP3S, Site};
use super::{Setup, greets, program};
use crate::peer::Peer;
use crate::wait;

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// Courier 1.0 on a Maildir.
    Courier,
    /// Cyrus 3.6, filled by LMTP.
    Cyrus,
    /// popa3d 1.0 on an mbox; no TLS.
    Popa3d,
}

impl Other {
    /// The name of its folder, and of the server in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Courier => "courier",
            Self::Cyrus => "cyrus",
            Self::Popa3d => "popa3d",
        }
    }
}

/// A running server and its site.
pub struct OtherServer {
    process: Process,
    site: Site,
}

impl OtherServer {
    /// Starts it with the accounts and the mail of `setup` and waits for its greeting. Of `setup` it knows no more.
    ///
    /// # Panics
    /// When it is not unpacked, we are not root, or it does not come up; with its log.
    #[must_use]
    pub fn start(other: Other, setup: &Setup) -> Self {
        Self::start_at(other, Site::new(setup), setup)
    }

    /// Starts it at a site whose maildrops are there already. Cyrus and popa3d have their own and are filled from `setup`.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_at(other: Other, site: Site, setup: &Setup) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "{other:?} needs a root folder of its own: run these tests as root"
        );
        let root = Root::make(&site, setup);
        match other {
            Other::Courier => courier(&root, &site),
            Other::Cyrus => cyrus(&root, &site, setup),
            Other::Popa3d => popa3d(&root, &site, setup),
        }
        let process = root.enter(other, &site);
        let mut server = Self { process, site };
        let address = server.pop3_address();
        let greeted = wait::try_some(wait::DEADLINE, || {
            assert!(server.process.is_running(), "{other:?} ended at its start:\n{}", server.log());
            greets(address).then_some(())
        });
        assert!(greeted.is_some(), "{other:?} does not greet at {address}:\n{}", server.log());
        if other == Other::Cyrus {
            for (account, messages) in &setup.mail {
                messages.iter().for_each(|message| server.deliver(account, &crate::mail::canonical(message)));
            }
        }
        server
    }

    /// Ends it, at once, and leaves its site.
    #[must_use]
    pub fn end(self) -> Site {
        let Self { process, site } = self;
        process.kill();
        site
    }

    /// POP3 in clear; with STLS but at popa3d.
    #[must_use]
    pub fn pop3_address(&self) -> SocketAddr {
        self.site.address(POP3)
    }

    /// POP3 with implicit TLS; not at popa3d.
    #[must_use]
    pub fn pop3s_address(&self) -> SocketAddr {
        self.site.address(POP3S)
    }

    /// LMTP; at Cyrus only. Recipients are bare account names.
    #[must_use]
    pub fn lmtp_address(&self) -> SocketAddr {
        self.site.address(LMTP)
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Delivers to Cyrus by LMTP.
    fn deliver(&self, account: &str, canonical: &[u8]) {
        let mut peer = Peer::connect(self.lmtp_address());
        assert_eq!(peer.reply().code, 220, "{}", peer.transcript());
        for (command, code) in [
            ("LHLO judge.example.org".to_owned(), 250),
            ("MAIL FROM:<sender@example.org>".to_owned(), 250),
            (format!("RCPT TO:<{account}>"), 250),
            ("DATA".to_owned(), 354),
        ] {
            assert_eq!(peer.code(&command), code, "{}\n{}", peer.transcript(), self.log());
        }
        peer.send(&crate::mail::dotted(canonical));
        assert_eq!(peer.reply().code, 250, "{}", peer.transcript());
        assert_eq!(peer.code("QUIT"), 221);
    }
}

/// The root folder of one server, below its site.
struct Root {
    folder: PathBuf,
}

impl Root {
    /// Makes it, with users, PAM and certificate; `start.sh` is left to the server.
    fn make(site: &Site, setup: &Setup) -> Self {
        let root = Self { folder: site.path().join("root") };
        // What a server has left at a site that is used again; nothing is mounted there any more.
        let _ = fs::remove_dir_all(&root.folder);
        for folder in ["usr", "dev", "proc", "tmp", "run", "etc/pam.d", "var/mail", "mail"] {
            root.folder(folder, 0, 0o755);
        }
        for link in ["bin", "sbin", "lib", "lib64"] {
            symlink(Path::new("usr").join(link), root.path(link)).expect("a fresh folder");
        }
        let mut passwd = String::from("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n");
        let mut group = format!("root:x:0:\nmail:x:{MAIL}:\nnogroup:x:65534:\n");
        for (name, id) in [("courier", COURIER), ("popa3d", POPA3D), ("cyrus", CYRUS)] {
            passwd.push_str(&format!("{name}:x:{id}:{MAIL}::/:/bin/false\n"));
            group.push_str(&format!("{name}:x:{id}:\n"));
        }
        let mut shadow = String::new();
        for (number, (name, password)) in (0..).zip(&setup.accounts) {
            let id = FIRST_ACCOUNT + number;
            passwd.push_str(&format!("{name}:x:{id}:{id}::/mail/{name}:/bin/sh\n"));
            group.push_str(&format!("{name}:x:{id}:\n"));
            shadow.push_str(&format!("{name}:{}:19000:0:99999:7:::\n", crypt(password)));
        }
        root.write("etc/passwd", &passwd);
        root.write("etc/group", &group);
        root.write("etc/shadow", &shadow);
        for service in ["pop3", "popa3d", "other"] {
            root.write(
                &format!("etc/pam.d/{service}"),
                "auth required pam_unix.so\naccount required pam_unix.so\n",
            );
        }
        if setup.tls {
            let pem = |name: &str| fs::read_to_string(site.path().join(name)).expect("the site has it");
            root.write("etc/server.pem", &(pem("key.pem") + &pem("cert.pem")));
            chown(root.path("etc/server.pem"), Some(CYRUS), None).expect("root may");
        }
        root
    }

    /// Runs `start.sh` in it. The shell stays, as the first process of its namespace: it does not change its user, which would make
    /// the kernel forget to end it, and all others with it, when we are killed.
    fn enter(&self, other: Other, site: &Site) -> Process {
        // The namespaces are private, so that every mount is gone with the last process.
        const MOUNT: &str = "mount -t overlay overlay -o lowerdir=\"$1/usr:/usr\" \"$0/usr\" \
             && mount --rbind /dev \"$0/dev\" && mount -t proc proc \"$0/proc\" && mount --bind \"$2\" \"$0/mail\" \
             && cd \"$0\" && PATH=/usr/sbin:/usr/bin exec chroot \"$0\" /bin/sh -e /start.sh";
        let unshare = program("unshare", "util-linux");
        let (files, mail) = (files(other), site.path().join("mail"));
        let setpriv = program("setpriv", "util-linux");
        let command = [
            // unshare ignores the SIGTERM that ends others with the test process; its own death ends all within.
            setpriv.as_os_str(),
            OsStr::new("--pdeathsig=KILL"),
            OsStr::new("--"),
            unshare.as_os_str(),
            OsStr::new("--mount"),
            OsStr::new("--pid"),
            OsStr::new("--fork"),
            OsStr::new("--kill-child"),
            OsStr::new("/bin/sh"),
            OsStr::new("-c"),
            OsStr::new(MOUNT),
            self.folder.as_os_str(),
            files.as_os_str(),
            mail.as_os_str(),
        ];
        Process::start(&command, site.path(), &site.path().join("log"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the test's folder is writable");
        fs::set_permissions(self.path(name), Permissions::from_mode(0o644)).expect("our own file");
    }

    fn folder(&self, name: &str, owner: u32, mode: u32) {
        fs::create_dir_all(self.path(name)).expect("the test's folder is writable");
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).expect("our own folder");
        chown(self.path(name), Some(owner), Some(MAIL)).expect("root may");
    }
}

/// Courier: its authentication daemon asks PAM, its listeners start one process a connection.
fn courier(root: &Root, site: &Site) {
    for (number, account) in (0..).zip(accounts(site)) {
        own(&site.maildrop(&account), FIRST_ACCOUNT + number);
    }
    root.folder("run/courier/authdaemon", COURIER, 0o755);
    root.folder("etc/courier", 0, 0o755);
    root.folder("var/lib/courier", COURIER, 0o755);
    let daemon = "authmodulelist=authpam\ndaemons=2\nauthdaemonvar=/run/courier/authdaemon\nDEBUG_LOGIN=0\nDEFAULTOPTIONS=\nLOGGEROPTS=\n";
    root.write("etc/courier/authdaemonrc", daemon);
    let listen = |address: SocketAddr, before: &str| {
        format!(
            "couriertcpd -address={} -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup {} {before} \
             /usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d . ",
            address.ip(),
            address.port(),
        )
    };
    let plain = listen(site.address(POP3), "");
    let tls = listen(site.address(POP3S), "/usr/bin/couriertls -server -tcpd");
    root.write(
        "start.sh",
        &format!(
            "set -a\n. /etc/courier/authdaemonrc\n/usr/lib/courier/courier-authlib/authdaemond &\n\
             while ! [ -S /run/courier/authdaemon/socket ]; do sleep 0.01; done\n\
             COURIERTLS=/usr/bin/couriertls TLS_CERTFILE=/etc/server.pem TLS_VERIFYPEER=NONE TLS_PROTOCOL=\n\
             MAILDIRPATH=. POP3AUTH='PLAIN LOGIN' POP3AUTH_TLS='PLAIN LOGIN' POP3_TLS_REQUIRED=0\n\
             POP3_STARTTLS=NO POP3_TLS=1 {tls} &\n\
             POP3_STARTTLS=YES\n{plain}\n"
        ),
    );
}

/// Cyrus: its master with a POP3 and an LMTP service, passwords in a SASL database.
fn cyrus(root: &Root, site: &Site, setup: &Setup) {
    let folders = ["var/lib/cyrus", "var/spool/cyrus/mail", "var/spool/sieve", "run/cyrus/socket"];
    folders.iter().for_each(|folder| root.folder(folder, CYRUS, 0o755));
    root.write(
        "etc/imapd.conf",
        "configdirectory: /var/lib/cyrus
defaultpartition: default
partition-default: /var/spool/cyrus/mail
admins: cyrus
servername: mail.example.org
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: /etc/sasldb2
sasl_mech_list: PLAIN LOGIN CRAM-MD5
allowplaintext: yes
allowapop: yes
duplicatesuppression: 0
autocreate_post: yes
autocreate_quota: 0
tls_server_cert: /etc/server.pem
tls_server_key: /etc/server.pem
",
    );
    let (pop3, pop3s, lmtp) = (site.address(POP3), site.address(POP3S), site.address(LMTP));
    root.write(
        "etc/cyrus.conf",
        &format!(
            "START {{\n}}\nSERVICES {{\n  pop3 cmd=\"pop3d\" listen=\"{pop3}\" prefork=0 maxchild=50\n  \
             pop3s cmd=\"pop3d -s\" listen=\"{pop3s}\" prefork=0 maxchild=50\n  \
             lmtp cmd=\"lmtpd -a\" listen=\"{lmtp}\" prefork=0 maxchild=20\n}}\nEVENTS {{\n}}\n"
        ),
    );
    let accounts: String = setup
        .accounts
        .iter()
        .map(|(name, password)| {
            format!(
                "printf %s '{password}' | saslpasswd2 -p -c -f /etc/sasldb2 -u mail.example.org '{name}'\n"
            )
        })
        .collect();
    root.write(
        "start.sh",
        &format!(
            "{accounts}chown cyrus /etc/sasldb2\n\
             setpriv --reuid {CYRUS} --regid {MAIL} --clear-groups /usr/lib/cyrus/bin/ctl_cyrusdb -r\n\
             /usr/lib/cyrus/bin/master -D -C /etc/imapd.conf -M /etc/cyrus.conf -p /run/cyrus/master.pid\n"
        ),
    );
}

/// popa3d speaks on its standard input, as inetd starts it; a few lines of Python stand in for inetd.
fn popa3d(root: &Root, site: &Site, setup: &Setup) {
    root.folder("var/lib/popa3d", 0, 0o755);
    root.folder("var/mail", 0, 0o1777);
    for (number, (account, _)) in (0..).zip(&setup.accounts) {
        let mut mbox = Vec::new();
        for message in setup.mail.iter().filter(|(owner, _)| owner == account).flat_map(|(_, mail)| mail) {
            mbox.extend_from_slice(b"From sender@example.org Sat Nov 21 10:00:00 2026\n");
            mbox.extend_from_slice(message);
            if !message.ends_with(b"\n") {
                mbox.push(b'\n');
            }
            mbox.push(b'\n');
        }
        let file = root.path("var/mail").join(account);
        fs::write(&file, mbox).expect("the test's folder is writable");
        fs::set_permissions(&file, Permissions::from_mode(0o660)).expect("our own file");
        chown(&file, Some(FIRST_ACCOUNT + number), Some(MAIL)).expect("root may");
    }
    root.write(
        "inetd.py",
        "import os, signal, socket, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=100)
while True:
    connection, _ = listener.accept()
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener.close()
        os.dup2(connection.fileno(), 0)
        os.dup2(connection.fileno(), 1)
        os.execv('/usr/sbin/popa3d', ['popa3d'])
    connection.close()
",
    );
    let address = site.address(POP3);
    root.write("start.sh", &format!("python3 /inetd.py {} {}\n", address.ip(), address.port()));
}

/// The accounts of a site, in the order of its `users` file.
fn accounts(site: &Site) -> Vec<String> {
    let users = fs::read_to_string(site.path().join("users")).expect("the site has it");
    users.lines().filter_map(|line| line.split(':').next().map(str::to_owned)).collect()
}

/// Gives a Maildir with everything in it to a user.
///
/// # Panics
/// When we may not.
pub fn own(maildrop: &Path, id: u32) {
    let owner = format!("{id}:{id}");
    let given = Command::new(program("chown", "coreutils")).arg("-R").arg(owner).arg(maildrop).status();
    assert!(given.expect("chown starts").success(), "root may give files away");
}

/// A password as /etc/shadow holds it.
fn crypt(password: &str) -> String {
    let output = Command::new(program("openssl", "openssl"))
        .args(["passwd", "-6", password])
        .output()
        .expect("openssl starts");
    assert!(output.status.success(), "openssl hashes passwords");
    String::from_utf8(output.stdout).expect("a hash is ASCII").trim().to_owned()
}

/// Where the files of `other` were unpacked: below `RESTANTE_OTHER_SERVERS`, or beside the running test.
fn files(other: Other) -> PathBuf {
    let folder = std::env::var_os("RESTANTE_OTHER_SERVERS").map_or_else(
        || {
            let test = std::env::current_exe().expect("a running program has a path");
            test.ancestors().nth(3).expect("it lies in target/debug/deps").join("other-servers")
        },
        PathBuf::from,
    );
    let files = folder.join(other.name());
    assert!(files.is_dir(), "{other:?} is not unpacked in {}; `cargo xtask test` does it", folder.display());
    files
}

/// Debian's group for mail.
const MAIL: u32 = 8;
const COURIER: u32 = 998;
const POPA3D: u32 = 997;
const CYRUS: u32 = 996;
/// The user number of the first account; the others follow.
pub const FIRST_ACCOUNT: u32 = 2001;
