//! `[acme]`: a certificate that the server gets and renews by itself (RFC 8555).

use super::{Config, Listen, Protocol, TlsMode};
use crate::file;
use restante_config::problem::Problems;
use restante_config::section::Lines;
use restante_config::{choice, section};
use std::path::{Path, PathBuf};

section! {
    #[derive(PartialEq, Eq)]
    /// `[acme]`: a certificate from an ACME server.
    pub struct Acme {
        /// The DNS names that the certificate is for, all in one. Default: none, and no certificate is asked for.
        names: Vec<String> = Vec::new();
        /// The directory of the ACME server, `https://…`. Default: that of Let's Encrypt.
        directory: String = LETS_ENCRYPT.to_owned();
        /// The authorities of the directory's own certificate, PEM. Default: those that the machine trusts.
        ca: Option<PathBuf> = None;
        /// Mail addresses that the authority may write to. Default: none.
        contact: Vec<String> = Vec::new();
        /// Do you agree to the terms of service of the authority? Without a yes nothing is asked for. Default false.
        agree_terms: bool = false;
        /// How it is shown whose the names are: `http-01` or `tls-alpn-01`. Default `http-01`.
        challenge: Challenge = Challenge::Http01;
        /// The folder that a web server on port 80 shows as its root; the answers to `http-01` are put below it. Default: none, and
        /// a listener with `protocol = "acme"` answers.
        webroot: Option<PathBuf> = None;
        /// Seconds after an attempt that failed until the next; doubled with each up to a day. Default 600.
        retry_s: u64 = 600, in 1..=86_400;
        /// Orders within 24 hours at most, whatever happens; kept over restarts. Default 5.
        orders_max: u64 = 5, in 1..=1_000;
    }
}

choice! {
    /// How an ACME server is shown whose a name is.
    pub enum Challenge {
        /// By HTTP on port 80 (RFC 8555 section 8.3).
        Http01 = "http-01",
        /// By a handshake on port 443 (RFC 8737).
        TlsAlpn01 = "tls-alpn-01",
    }
}

impl Acme {
    /// Is a certificate asked for?
    pub(crate) fn is_on(&self) -> bool {
        !self.names.is_empty()
    }

    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        for path in [&mut self.ca, &mut self.webroot] {
            path.iter_mut().for_each(|path| *path = folder.join(&*path));
        }
    }
}

/// What can be asked for, and answered.
pub(super) fn check(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let acme = &config.acme;
    let at = |key: &str| lines.at(&format!("acme.{key}"));
    let answering = |listen: &&Listen| listen.protocol == Protocol::Acme;
    if !acme.is_on() {
        if config.listen.iter().any(|listen| answering(&listen)) {
            let what = "a listener with protocol = \"acme\", but no certificate is asked for";
            problems.warning(lines.at("listen"), what, "set names in [acme], or take the listener out");
        }
        return;
    }
    for name in acme.names.iter().filter(|name| !is_name(name)) {
        problems.error(
            at("names"),
            format!("acme.names: {name:?} is no name that can be shown to be ours"),
            "write full DNS names such as mail.example.org, in ASCII; no wildcards and no addresses",
        );
    }
    if acme.names.len() > NAMES_MAX {
        problems.error(
            at("names"),
            "acme.names: more than 100",
            "no authority puts more into one certificate",
        );
    }
    if !acme.agree_terms {
        let what = "acme.agree_terms: nobody has agreed to the terms of service of the authority";
        problems.error(at("agree_terms"), what, "read them, then write agree_terms = true");
    }
    let is_url = acme.directory.strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|octet| octet.is_ascii_graphic()) && !rest.contains('@')
    });
    if !is_url {
        let what = format!("acme.directory: {:?} is no address of a directory", acme.directory);
        problems.error(at("directory"), what, "write https://… as the authority names it");
    }
    for contact in acme.contact.iter().filter(|contact| !is_mail(contact)) {
        let what = format!("acme.contact: {contact:?} is no mail address");
        problems.error(at("contact"), what, "write postmaster@example.org, without mailto:");
    }
    if let Some(ca) = &acme.ca
        && let Err(error) = file::check_readable(ca)
    {
        let what = format!("acme.ca: {} cannot be read: {error}", ca.display());
        problems.error(at("ca"), what, "name a readable PEM file, or leave it out");
    }
    ways(config, lines, problems);
}

/// How the answers reach the authority.
fn ways(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let acme = &config.acme;
    let at = |key: &str| lines.at(&format!("acme.{key}"));
    let is_http = acme.challenge == Challenge::Http01;
    if let Some(root) = &acme.webroot {
        if !is_http {
            let what = "acme.webroot: tls-alpn-01 has no use for it";
            problems.error(at("webroot"), what, "take it out, or set challenge = \"http-01\"");
        } else if !file::is_folder(root) {
            let what = format!("acme.webroot: {} is no folder", root.display());
            problems.error(at("webroot"), what, "name the folder that the web server on port 80 shows");
        }
    }
    let has_listener = config.listen.iter().any(|listen| listen.protocol == Protocol::Acme);
    let has_tls = config.listen.iter().any(|listen| listen.tls == TlsMode::Implicit);
    if is_http && acme.webroot.is_none() && !has_listener {
        let remedy = "add [[listen]] with protocol = \"acme\" (port 80 is its own), or webroot to [acme]";
        problems.error(at("challenge"), "acme.challenge: nobody would answer http-01", remedy);
    } else if !is_http && !has_tls {
        let remedy = "add [[listen]] with tls = \"implicit\" that is reached by port 443";
        problems.error(at("challenge"), "acme.challenge: nobody would answer tls-alpn-01", remedy);
    }
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    };
    let is_number = |label: &str| label.bytes().all(|octet| octet.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(is_label) && !name.rsplit('.').next().is_some_and(is_number)
}

fn is_mail(address: &str) -> bool {
    let is_sign = |octet: u8| octet.is_ascii_graphic() && !b"?&%,".contains(&octet);
    !address.starts_with("mailto:")
        && address.bytes().all(is_sign)
        && address.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const NAMES_MAX: usize = 100;
