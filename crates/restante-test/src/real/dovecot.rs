//! Debian's Dovecot 2.3 (packages dovecot-pop3d and dovecot-lmtpd), small and quick to start.

use std::ffi::OsStr;
use std::fs;

use super::process::Process;
use super::site::{LMTP, POP3, POP3S, Site};
use super::{Setup, program};

/// Writes its configuration.
///
/// # Panics
/// When the site is not writable.
pub fn configure(site: &Site, setup: &Setup) {
    let root = site.path().display();
    let (ip, pop3, pop3s, lmtp) =
        (site.ip(), site.address(POP3).port(), site.address(POP3S).port(), site.address(LMTP).port());
    let socket = site.lmtp_socket().display().to_string();
    let tls = if setup.tls {
        format!(
            "ssl = yes\nssl_cert = <{root}/cert.pem\nssl_key = <{root}/key.pem\nssl_min_protocol = TLSv1.2\n"
        )
    } else {
        "ssl = no\n".to_owned()
    };
    let pop3s_listener =
        if setup.tls { format!("port = {pop3s}\n    ssl = yes") } else { "port = 0".to_owned() };
    let plaintext_refused = if setup.plaintext { "no" } else { "yes" };
    let mut mechanisms = setup.mechanisms.clone().unwrap_or_else(|| vec!["plain", "login"]);
    if setup.apop {
        mechanisms.push("apop");
    }
    let mechanisms = mechanisms.join(" ");
    let more = setup.dovecot.join("\n");
    // As root it uses the users and the chroot of its package; anybody else can only be himself.
    let users = if rustix::process::geteuid().is_root() {
        String::new()
    } else {
        let name = std::process::Command::new("id").arg("-un").output().expect("coreutils").stdout;
        let name = String::from_utf8(name).expect("user names are ASCII");
        let services =
            ["pop3-login", "anvil", "stats"].map(|service| format!("service {service} {{\n  chroot =\n}}\n"));
        format!("default_login_user = {name}default_internal_user = {name}{}", services.concat())
    };
    let configuration = format!(
        "protocols = pop3 lmtp
base_dir = {root}/run
state_dir = {root}/state
log_path = /dev/stderr
listen = {ip}
{tls}disable_plaintext_auth = {plaintext_refused}
auth_mechanisms = {mechanisms}
auth_username_format = %Ln
auth_failure_delay = 0
mail_location = maildir:~/
lmtp_save_to_detail_mailbox = no
first_valid_uid = 1
{more}
{users}default_process_limit = 60
passdb {{
  driver = passwd-file
  args = username_format=%Ln {root}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%Ln {root}/users
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    {pop3s_listener}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3 {{
  service_count = 0
  process_limit = 100
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
  unix_listener {socket} {{
    mode = 0666
  }}
}}
"
    );
    fs::write(site.path().join("dovecot.conf"), configuration).expect("the test's folder is writable");
}

/// Starts it.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn start(site: &Site) -> Process {
    let dovecot = program("dovecot", "dovecot-pop3d dovecot-lmtpd");
    let configuration = site.path().join("dovecot.conf");
    let command = [dovecot.as_os_str(), OsStr::new("-F"), OsStr::new("-c"), configuration.as_os_str()];
    Process::start(&command, site.path(), &site.path().join("log"))
}
