//! Debian's Postfix, with a configuration, a queue and a master of its own, that hands mail to an LMTP socket.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::Process;
use super::program;
use super::site::{MBOX_OWNER, NOBODY, SMTP, SMTPS, Site};
use crate::certificate::Files;
use crate::wait;

const PACKAGES: &str = "postfix";

/// A running Postfix that delivers everything for example.org to the LMTP socket of a site.
pub struct Postfix {
    process: Process,
    folder: PathBuf,
    address: SocketAddr,
    tls_address: SocketAddr,
}

impl Postfix {
    /// Starts it in the folder of `site` and waits for its SMTP banner. Only root can: Postfix changes users.
    ///
    /// # Panics
    /// When it is not installed, we are not root, or it does not come up; with its log.
    #[must_use]
    pub fn start(site: &Site) -> Self {
        let transport = format!("lmtp:unix:{}", site.lmtp_socket().display());
        Self::start_with(site, &format!("virtual_transport = {transport}"))
    }

    /// The same, but it appends to `mbox/ACCOUNT` at the site itself, as their owner and under both locks.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_for_mboxes(site: &Site) -> Self {
        let boxes = site.path().join("mbox");
        let lines = format!(
            "virtual_transport = virtual
virtual_mailbox_base = {boxes}
virtual_mailbox_maps = inline:{{ alice@example.org=alice, bob@example.org=bob }}
virtual_minimum_uid = 100
virtual_uid_maps = static:{MBOX_OWNER}
virtual_gid_maps = static:{NOBODY}
virtual_mailbox_lock = fcntl, dotlock
deliver_lock_attempts = 200
deliver_lock_delay = 1s",
            boxes = boxes.display()
        );
        Self::start_with(site, &lines)
    }

    /// As [`Self::start`], and it offers STARTTLS with this certificate, and TLS from the first octet at
    /// [`Self::tls_address`].
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with_tls(site: &Site, files: &Files) -> Self {
        let transport = format!(
            "virtual_transport = lmtp:unix:{}
smtpd_tls_chain_files = {} {}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1",
            site.lmtp_socket().display(),
            files.key.display(),
            files.certificate.display()
        );
        Self::start_with(site, &transport)
    }

    /// As [`Self::start`], and it asks at `socket` whether its clients may log in.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with_sasl(site: &Site, socket: &Path) -> Self {
        let lines = format!(
            "virtual_transport = lmtp:unix:{}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {}",
            site.lmtp_socket().display(),
            socket.display()
        );
        Self::start_with(site, &lines)
    }

    /// Both of these: it asks at `socket`, also for clients under TLS with this certificate.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with_sasl_and_tls(site: &Site, socket: &Path, files: &Files) -> Self {
        let lines = format!(
            "virtual_transport = lmtp:unix:{}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {}
smtpd_tls_chain_files = {} {}
smtpd_tls_security_level = may",
            site.lmtp_socket().display(),
            socket.display(),
            files.key.display(),
            files.certificate.display()
        );
        Self::start_with(site, &lines)
    }

    fn start_with(site: &Site, transport: &str) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "Postfix can be started by root only: run these tests as root"
        );
        let folder = site.path().join("postfix");
        let (configuration, queue, data) = (folder.join("etc"), folder.join("queue"), folder.join("data"));
        for folder in [&folder, &configuration, &queue, &data] {
            fs::create_dir(folder).expect("the test's folder is writable");
            fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("our own folder");
        }
        make_queue(&queue);
        give(&data, "postfix");
        let (address, tls_address) = (site.address(SMTP), site.address(SMTPS));
        let main = format!(
            "compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
maillog_file = {log}
maillog_file_prefixes = {folder}
myhostname = relay.example.org
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.org
{transport}
lmtp_destination_recipient_limit = 10
smtpd_relay_restrictions = permit_mynetworks reject
smtpd_peername_lookup = no
strict_smtputf8 = no
message_size_limit = 52428800
virtual_mailbox_limit = 0
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
",
            queue = queue.display(),
            data = data.display(),
            folder = folder.display(),
            log = folder.join("log").display(),
        );
        fs::write(configuration.join("main.cf"), main).expect("the test's folder is writable");
        let master = format!(
            "{address} inet n - n - - smtpd
{tls_address} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
tlsmgr unix - - n 1000? 1 tlsmgr
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"
        );
        fs::write(configuration.join("master.cf"), master).expect("the test's folder is writable");
        // Its start script checks files for seconds; the master is what it starts in the end.
        let postfix = program("master", PACKAGES);
        let command = [postfix.as_os_str(), OsStr::new("-c"), configuration.as_os_str(), OsStr::new("-d")];
        let process = Process::start(&command, &folder, &folder.join("output"));
        let mut started = Self { process, folder, address, tls_address };
        let greeted = wait::try_some(wait::DEADLINE, || {
            assert!(started.process.is_running(), "Postfix ended at its start:\n{}", started.log());
            crate::peer::Peer::try_connect(started.address).ok()
        });
        let mut peer = greeted.unwrap_or_else(|| panic!("Postfix does not listen:\n{}", started.log()));
        assert_eq!(peer.reply().code, 220);
        started
    }

    /// Where it takes mail by SMTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it takes mail by SMTP over TLS, when it was started so.
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// Puts a message in with its sendmail program, as a program of this machine would.
    ///
    /// # Panics
    /// When it is not taken.
    pub fn sendmail(&self, sender: &str, recipients: &[&str], message: &[u8]) {
        let mut child = Command::new(program("sendmail", PACKAGES))
            .arg("-C")
            .arg(self.folder.join("etc"))
            .args(["-i", "-f", sender, "--"])
            .args(recipients)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sendmail starts");
        child.stdin.take().expect("piped").write_all(message).expect("sendmail reads");
        assert!(child.wait().expect("our own child").success(), "sendmail failed:\n{}", self.log());
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        format!("{}{log}", self.process.log())
    }
}

/// Makes the folders of a queue with the owners and modes that its daemons insist on.
fn make_queue(queue: &Path) {
    let own = [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
        "trace",
    ];
    for name in own.into_iter().chain(["maildrop", "pid", "public"]) {
        fs::create_dir(queue.join(name)).expect("a fresh folder");
    }
    let modes = own.into_iter().map(|name| (name, "postfix", 0o700));
    for (name, owner, mode) in
        modes.chain([("maildrop", "postfix:postdrop", 0o730), ("public", "postfix:postdrop", 0o710)])
    {
        let folder = queue.join(name);
        fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("our own folder");
        give(&folder, owner);
    }
}

/// Gives `folder` to a user of the package.
fn give(folder: &Path, owner: &str) {
    let given =
        Command::new(program("chown", "coreutils")).arg(owner).arg(folder).status().expect("chown starts");
    assert!(given.success(), "there is no {owner}; install it: apt-get install -y {PACKAGES}");
}
