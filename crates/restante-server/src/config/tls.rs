//! `[tls]` and `[[tls.pair]]`: certificates, keys, versions, and what must hold between them.
//!
//! The files themselves are read by `tls/pair.rs`, the same for a check and for the server.

use super::Config;
use crate::tls::expiry::{self, Expiry};
use crate::tls::pair::{self, PairFiles};
use crate::{clock, event, file, tls};
use restante_config::problem::Problems;
use restante_config::section::Lines;
use restante_config::{choice, section};
use std::path::{Path, PathBuf};

section! {
    #[derive(PartialEq, Eq)]
    /// `[tls]`: the first certificate and its key, and what holds for all.
    pub struct Tls {
        /// The certificate chain, PEM, the server's own certificate first. Watched: a new file is used without a
        /// restart. Shown to whoever asks for none of the other certificates' names. Default: none, and TLS is not offered.
        certificate: Option<PathBuf> = None;
        /// The private key, PEM (PKCS#8, PKCS#1 or SEC1), readable by the server's user alone.
        key: Option<PathBuf> = None;
        /// A response of OCSP for the certificate, DER, that some other program keeps fresh. Watched. Default: none.
        staple: Option<PathBuf> = None;
        /// The authorities that client certificates come from, PEM. With it certificates are asked for and EXTERNAL is
        /// offered to whoever shows one; nobody needs one. Default: none, and none is asked for.
        client_ca: Option<PathBuf> = None;
        /// What names the account in a client's certificate: `email` (the first rfc822Name among its alternative names) or
        /// `common-name` (of its subject). Default `email`.
        client_name: ClientName = ClientName::Email;
        /// The lowest version that is accepted: `1.2` or `1.3`. Default `1.2`.
        minimum: TlsVersion = TlsVersion::Tls12;
        /// Seconds between two looks at the files. Default 5.
        watch_s: u64 = 5, in 1..=86_400;
        /// Days before the end of a certificate from which on a warning comes each day; 0: never before it has ended. Default 14.
        expiry_warn_days: u64 = 14, in 0..=365;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// One `[[tls.pair]]`: a further certificate, for clients that ask for a name in it.
    pub struct TlsPair {
        /// The certificate chain, PEM, as in `[tls]`. Has no default.
        certificate: Option<PathBuf> = None;
        /// Its private key. Has no default.
        key: Option<PathBuf> = None;
        /// A response of OCSP for it. Default: none.
        staple: Option<PathBuf> = None;
    }
}

choice! {
    /// What names the account in a client's certificate.
    pub enum ClientName {
        /// The first rfc822Name among the alternative names.
        Email = "email",
        /// The common name of the subject.
        CommonName = "common-name",
    }
}

choice! {
    /// A version of TLS.
    pub enum TlsVersion {
        /// RFC 5246. Nothing lower exists here (RFC 8997).
        Tls12 = "1.2",
        /// RFC 8446.
        Tls13 = "1.3",
    }
}

impl Tls {
    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        for path in [&mut self.certificate, &mut self.key, &mut self.staple, &mut self.client_ca] {
            path.iter_mut().for_each(|path| *path = folder.join(&*path));
        }
    }
}

impl TlsPair {
    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        for path in [&mut self.certificate, &mut self.key, &mut self.staple] {
            path.iter_mut().for_each(|path| *path = folder.join(&*path));
        }
    }
}

/// Certificates that can be read, fit their keys, last, and are of use.
pub(super) fn check(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    client_ca(config, lines, problems);
    let Tls { certificate, key, staple, .. } = &config.tls;
    let first = pair_files("tls", [certificate, key, staple], lines, problems);
    if let Some(path) = staple.as_ref().filter(|_| certificate.is_none()) {
        let what = format!("tls.staple: {} is for no certificate", path.display());
        problems.error(lines.at("tls.staple"), what, "set certificate and key, or take staple out");
    }
    let has_first = certificate.is_some() || key.is_some();
    let mut pairs: Vec<(String, PairFiles)> =
        first.map(|files| ("tls".to_owned(), files)).into_iter().collect();
    for (position, pair) in config.pairs.iter().enumerate() {
        let table = format!("tls.pair.{position}");
        if pair.certificate.is_none() || pair.key.is_none() {
            let what = "a pair of which a half is missing";
            problems.error(lines.at(&table), what, "add certificate = \"…\" and key = \"…\"");
        } else if !has_first {
            let what = "further certificates, but no first one for clients that ask for no name";
            problems.error(lines.at(&table), what, "set certificate and key in [tls] too");
        }
        let files = pair_files(&table, [&pair.certificate, &pair.key, &pair.staple], lines, problems);
        pairs.extend(files.map(|files| (table, files)));
    }
    let mut loaded: Vec<(String, PairFiles, pair::Pair)> = Vec::new();
    for (table, files) in pairs {
        if let Some(pair) = one_pair(&table, &files, config, lines, problems) {
            loaded.push((table, files, pair));
        }
    }
    for (position, (table, files, pair)) in loaded.iter().enumerate() {
        let before = loaded.get(..position).unwrap_or_default();
        names(table, files, pair, before, lines, problems);
    }
}

fn client_ca(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let Some(path) = &config.tls.client_ca else { return };
    if !config.has_certificate() {
        problems.error(
            lines.at("tls.client_ca"),
            "an authority for clients, but no certificate of our own",
            "set certificate and key in [tls], or take client_ca out",
        );
    }
    if let Err(error) = tls::load_client_ca(path) {
        let what = format!("tls: {}", event::chain(&error));
        problems.error(lines.at("tls.client_ca"), what, error.remedy());
    }
}

/// The files of a pair, when both halves are named.
fn pair_files(
    table: &str,
    files: [&Option<PathBuf>; 3],
    lines: &Lines,
    problems: &mut Problems<'_>,
) -> Option<PairFiles> {
    match files {
        [Some(certificate), Some(key), staple] => {
            Some(PairFiles::new(certificate.clone(), key.clone(), staple.clone()))
        }
        // Of a further pair it has been said already.
        [Some(_), None, _] if table == "tls" => {
            let remedy = "add key = \"/path/key.pem\" to [tls]";
            problems.error(lines.at("tls.certificate"), "a certificate without key", remedy);
            None
        }
        [None, Some(_), _] if table == "tls" => {
            let remedy = "add certificate = \"/path/cert.pem\" to [tls]";
            problems.error(lines.at("tls.key"), "a key without certificate", remedy);
            None
        }
        _ => None,
    }
}

/// Reads a pair as the server will.
fn one_pair(
    table: &str,
    files: &PairFiles,
    config: &Config,
    lines: &Lines,
    problems: &mut Problems<'_>,
) -> Option<pair::Pair> {
    let at = |key: &str| lines.at(&format!("{table}.{key}"));
    let now = clock::wall();
    let loaded = match pair::load(files, now) {
        Ok(loaded) => loaded,
        Err(error) => {
            let line = at(if error.is_key() { "key" } else { "certificate" });
            problems.error(line, format!("tls: {}", event::chain(&error)), error.remedy());
            return None;
        }
    };
    let key = &files.key;
    if let Ok(mode) = file::permissions(key)
        && mode & 0o007 != 0
    {
        problems.warning(
            at("key"),
            format!("every user of this machine can read the key {} (permissions {mode:04o})", key.display()),
            format!("chmod o-rwx {}", key.display()),
        );
    }
    if let Some(error) = &loaded.staple_error {
        let what = format!("{table}.staple: {error}");
        problems.warning(at("staple"), what, "have a fresh response of OCSP put there, or take staple out");
    }
    let expiry = Expiry::of(&loaded, now, config.tls.expiry_warn_days);
    if let Some(state) = expiry.filter(|expiry| expiry.is_worth_a_warning()) {
        let what = format!("the certificate {} {state}", files.certificate.display());
        problems.warning(at("certificate"), what, expiry::REMEDY);
    }
    Some(loaded)
}

/// A certificate that no client is ever shown.
fn names(
    table: &str,
    files: &PairFiles,
    pair: &pair::Pair,
    before: &[(String, PairFiles, pair::Pair)],
    lines: &Lines,
    problems: &mut Problems<'_>,
) {
    let at = lines.at(&format!("{table}.certificate"));
    if table != "tls" && pair.names.is_empty() {
        problems.error(
            at,
            format!("no client is ever shown {}: there is no DNS name in it", files.certificate.display()),
            "have one made with the names among its subject's alternative names, or take the pair out",
        );
    }
    // The same name with another kind of key is meant: each client gets the one that it can check.
    let same_kind = before.iter().filter(|(_, _, other)| other.algorithm() == pair.algorithm());
    for (_, other_files, other) in same_kind {
        let common = pair.names.iter().find(|name| other.names.contains(name));
        if let Some(name) = common {
            let (first, second) = (other_files.certificate.display(), files.certificate.display());
            problems.warning(
                at,
                format!("{first} and {second} are both for {name}: clients are shown the first"),
                "take one of the pairs out, or have one made without the name",
            );
        }
    }
}
