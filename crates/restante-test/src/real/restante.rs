//! Restante itself: the program that `cargo build` made, started as an operator would.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use super::process::Process;
use super::site::{LMTP, NOBODY, POP3, POP3S, Site};
use super::{Setup, program};

/// Writes its configuration.
///
/// # Panics
/// When the site is not writable.
pub fn configure(site: &Site, setup: &Setup) {
    let root = site.path().display();
    let section = |name: &str| -> String {
        setup.restante.iter().filter(|(section, _)| section == name).map(|(_, line)| format!("{line}\n")).collect()
    };
    let mut text = format!("hostname = \"mail.example.org\"\nstate_dir = \"{root}/state\"\n{}\n", section(""));
    let tls = if setup.tls { "starttls" } else { "off" };
    let mut listen = |protocol: &str, address: String, tls: &str| {
        let more = section(protocol);
        text.push_str(&format!("[[listen]]\nprotocol = \"{protocol}\"\naddress = \"{address}\"\ntls = \"{tls}\"\n{more}\n"));
    };
    listen("pop3", site.address(POP3).to_string(), tls);
    if setup.tls {
        listen("pop3", site.address(POP3S).to_string(), "implicit");
    }
    listen("lmtp", site.address(LMTP).to_string(), "off");
    listen("lmtp", format!("unix:{}", site.lmtp_socket().display()), "off");
    if setup.tls {
        text.push_str(&format!("[tls]\ncertificate = \"{root}/cert.pem\"\nkey = \"{root}/key.pem\"\n{}\n", section("tls")));
    }
    let plaintext = if setup.plaintext { "always" } else { "never" };
    text.push_str(&format!("[auth]\nplaintext_without_tls = \"{plaintext}\"\n{}\n", section("auth")));
    text.push_str(&format!("[[auth.source]]\ntype = \"file\"\npath = \"{root}/users\"\n{}\n", section("auth.source")));
    text.push_str(&format!("[maildrop]\ntype = \"maildir\"\npath = \"{root}/mail/{{local}}\"\n{}\n", section("maildrop")));
    fs::write(site.path().join("restante.toml"), text).expect("the test's folder is writable");
}

/// Starts it.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn start(site: &Site) -> Process {
    let binary = binary();
    let configuration = site.path().join("restante.toml");
    let command = [binary.as_os_str(), OsStr::new("serve"), OsStr::new("--config"), configuration.as_os_str()];
    Process::start(&command, site.path(), &site.path().join("log"))
}

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
    folders
        .map(|folder| folder.join("restante"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("the server is not built beside {}: cargo build -p restante", test.display()))
}

#[allow(dead_code)]
const _: (u32, fn(&str, &str) -> PathBuf) = (NOBODY, program);
