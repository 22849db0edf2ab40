//! Restante itself: the program that `cargo build` made, started as an operator would.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::process::Process;
use super::site::{LMTP, MBOX_OWNER, NOBODY, POP2, POP3, POP3S, SMTP, Site};
use super::{Setup, program};

/// Writes its configuration.
///
/// # Panics
/// When the site is not writable.
pub fn configure(site: &Site, setup: &Setup) {
    let root = site.path().display();
    let more = |name: &str| -> String {
        setup
            .restante
            .iter()
            .filter(|(section, _)| section == name)
            .map(|(_, line)| format!("{line}\n"))
            .collect()
    };
    let mut text = format!("hostname = \"mail.example.org\"\nstate_dir = \"{root}/state\"\n{}", more(""));
    let tls = if setup.tls { "starttls" } else { "off" };
    text.push_str(&listen("pop3", &site.address(POP3).to_string(), tls));
    if setup.tls {
        text.push_str(&listen("pop3", &site.address(POP3S).to_string(), "implicit"));
    }
    if setup.pop2 {
        text.push_str(&listen("pop2", &site.address(POP2).to_string(), "off"));
    }
    text.push_str(&listen("lmtp", &site.address(LMTP).to_string(), "off"));
    text.push_str(&listen("lmtp", &format!("unix:{}", site.lmtp_socket().display()), "off"));
    // Postfix hands mail over as a user of its own.
    text.push_str("mode = 0o666\n");
    if setup.tls {
        text.push_str(&format!(
            "[tls]\ncertificate = \"{root}/cert.pem\"\nkey = \"{root}/key.pem\"\n{}",
            more("tls")
        ));
    }
    let plaintext = if setup.plaintext { "always" } else { "never" };
    text.push_str(&format!("[auth]\nplaintext_without_tls = \"{plaintext}\"\napop = {}\n", setup.apop));
    if let Some(mechanisms) = &setup.mechanisms {
        let names: Vec<String> =
            mechanisms.iter().map(|name| format!("\"{}\"", name.to_uppercase())).collect();
        text.push_str(&format!("mechanisms = [{}]\n", names.join(", ")));
    }
    text.push_str(&more("auth"));
    text.push_str(&format!(
        "[[auth.source]]\ntype = \"file\"\npath = \"{root}/users\"\n{}",
        more("auth.source")
    ));
    let kind = if setup.mbox {
        put_mboxes(site, setup);
        format!("type = \"mbox\"\npath = \"{root}/mbox/{{local}}\"\ncontrol = \"{root}/control/{{local}}\"\n")
    } else {
        format!("type = \"maildir\"\npath = \"{root}/mail/{{local}}\"\n")
    };
    text.push_str(&format!("[maildrop]\n{kind}{}", more("maildrop")));
    text.push_str("[lmtp]\n");
    if let Some(octets) = setup.message_octets_max {
        text.push_str(&format!("message_octets_max = {octets}\n"));
    }
    if let Some(recipients) = setup.recipients_max {
        text.push_str(&format!("recipients_max = {recipients}\n"));
    }
    text.push_str(&format!("{}[limits]\n{}", more("lmtp"), more("limits")));
    // The sections that no test's site has unless it asks for them.
    let optional: std::collections::BTreeSet<&str> = setup
        .restante
        .iter()
        .map(|(section, _)| section.as_str())
        .filter(|name| !ALWAYS.contains(name))
        .collect();
    for section in optional {
        text.push_str(&format!("[{section}]\n{}", more(section)));
    }
    let text = text.replace("@ROOT@", &root.to_string()).replace("@SMTP@", &site.address(SMTP).to_string());
    fs::write(site.path().join("restante.toml"), text).expect("the test's folder is writable");
    if setup.as_nobody {
        // Where nobody can reach it, whatever the modes of the folders above the target folder are.
        let (binary, reachable) = (binary(), site.path().join(PROGRAM_OF_NOBODY));
        if fs::hard_link(&binary, &reachable).is_err() {
            fs::copy(&binary, &reachable).expect("the test's folder is writable");
        }
    }
}

/// Makes the folders for mboxes, and mboxes of the mail, with the rights of `/var/mail`: each mbox is its owner's, and its
/// group, which is nobody's too, may write it and make dot-locks beside it.
fn put_mboxes(site: &Site, setup: &Setup) {
    for name in ["mbox", "control"] {
        let folder = site.path().join(name);
        fs::create_dir(&folder).expect("the test's folder is writable");
        give(&folder, None, 0o2775);
    }
    for (account, _) in &setup.accounts {
        let messages =
            setup.mail.iter().filter(|(owner, _)| owner == account).flat_map(|(_, messages)| messages);
        let mut octets = Vec::new();
        for (message, second) in messages.zip(0..) {
            octets.extend(format!("From a@b.example Thu Feb 13 10:11:{:02} 2025\n", second % 60).bytes());
            octets.extend(message);
            if !message.is_empty() && !message.ends_with(b"\n") {
                octets.push(b'\n');
            }
            octets.push(b'\n');
        }
        let mbox = site.path().join("mbox").join(account);
        fs::write(&mbox, octets).expect("the test's folder is writable");
        give(&mbox, Some(MBOX_OWNER), 0o660);
    }
}

/// Gives `path` to the group of nobody, as far as we may: anybody but root has everything for himself.
fn give(path: &Path, owner: Option<u32>, mode: u32) {
    if rustix::process::geteuid().is_root() {
        chown(path, owner, Some(NOBODY)).expect("root may");
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
}

/// The sections that every site's configuration has.
const ALWAYS: &[&str] = &["", "tls", "auth", "auth.source", "maildrop", "lmtp", "limits"];

fn listen(protocol: &str, address: &str, tls: &str) -> String {
    format!("[[listen]]\nprotocol = \"{protocol}\"\naddress = \"{address}\"\ntls = \"{tls}\"\n")
}

/// Starts it; as nobody when [`Setup::as_nobody`] says so and we are root.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn start(site: &Site) -> Process {
    let (of_nobody, configuration) = (site.path().join(PROGRAM_OF_NOBODY), site.path().join("restante.toml"));
    let as_nobody = of_nobody.exists();
    let binary = if as_nobody { of_nobody } else { binary() };
    let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
    let mut command: Vec<&OsStr> = Vec::new();
    let setpriv = program("setpriv", "util-linux");
    if as_nobody && rustix::process::geteuid().is_root() {
        // The death signal is reset when the user changes, so it is asked for here again.
        command.extend([
            setpriv.as_os_str(),
            OsStr::new(&user),
            OsStr::new(&group),
            OsStr::new("--clear-groups"),
        ]);
        command.extend([OsStr::new("--pdeathsig=TERM"), OsStr::new("--")]);
    }
    command.extend([
        binary.as_os_str(),
        OsStr::new("serve"),
        OsStr::new("--config"),
        configuration.as_os_str(),
    ]);
    Process::start(&command, site.path(), &site.path().join("log"))
}

/// The name under which the program lies in the folder of a site whose server runs as nobody.
const PROGRAM_OF_NOBODY: &str = "restante-of-nobody";

/// The program: `RESTANTE_BIN`, or what lies in the target folder of the running test.
///
/// # Panics
/// When there is none, with the line that builds it.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("RESTANTE_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("a running program has a path");
    let folders = test.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join("restante")).find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("the server is not built beside {}: cargo build -p restante", test.display())
    })
}
