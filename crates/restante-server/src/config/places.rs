//! Every place in the file system that a configuration names, and what the server does there: what its user must be able to read, and
//! what its walls must leave open (`walls.rs`).
//!
//! A key that names a path has its line here.

use super::source::{AliasSource, AuthSource, EmbeddedSource, FileSource};
use super::token::TokenSource;
use super::{Address, Config, Confine, SubmissionWay, Template};
use crate::assemble;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// What lies there.
    pub(crate) what: &'static str,
    /// Where, from the root.
    pub(crate) path: PathBuf,
    /// What is done there.
    pub(crate) used: Use,
}

/// What the server does at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Reads a file, at the start and again whenever it has changed or is asked to.
    Read,
    /// Reads the files below a folder.
    ReadBelow,
    /// Makes, changes and removes files and folders below a folder.
    Write,
    /// Changes a file, and makes and removes others beside it.
    WriteBeside,
    /// Makes and removes a socket.
    Socket,
    /// Makes a file and appends to it.
    Log,
    /// Starts a program.
    Program,
}

impl Config {
    /// All places.
    pub(crate) fn places(&self) -> Vec<Place> {
        let mut places = Places(Vec::new());
        places.one("the state folder", &self.state_dir, Use::Write);
        for listen in &self.listen {
            if let Address::Unix(path) = &listen.address {
                places.one("the socket", path, Use::Socket);
            }
        }
        places.maybe("the certificate", self.tls.certificate.as_deref(), Use::Read);
        places.maybe("the key", self.tls.key.as_deref(), Use::Read);
        // A staple may be missing, and come later.
        let staple_folder =
            |staple: &Option<PathBuf>| staple.as_deref().and_then(Path::parent).map(Path::to_owned);
        places.maybe("the staple in", staple_folder(&self.tls.staple).as_deref(), Use::ReadBelow);
        for pair in &self.pairs {
            places.maybe("the certificate", pair.certificate.as_deref(), Use::Read);
            places.maybe("the key", pair.key.as_deref(), Use::Read);
            places.maybe("the staple in", staple_folder(&pair.staple).as_deref(), Use::ReadBelow);
        }
        places.maybe("the authority for clients", self.tls.client_ca.as_deref(), Use::Read);
        places.maybe("the authorities in", self.acme.ca.as_deref(), Use::Read);
        places.maybe("the web root", self.acme.webroot.as_deref(), Use::Write);
        for source in &self.sources {
            places.source(self, &source.own);
        }
        for table in &self.tokens {
            places.tokens(&table.own);
        }
        for root in self.maildrop_roots() {
            // Homes of system accounts are other processes' to touch.
            let is_ours = root.parent().is_some()
                || !self.sources.iter().any(|table| matches!(table.own, AuthSource::System(_)));
            places.maybe("the maildrops in", is_ours.then_some(root.as_path()), Use::Write);
        }
        let control = self.maildrop.control.as_ref().map(Template::root);
        places.maybe("the control folders in", control.as_deref(), Use::Write);
        places.maybe("the bulletins in", self.bulletins.path.as_deref(), Use::ReadBelow);
        for board in &self.boards {
            places.maybe("the board", board.path.as_deref(), Use::Write);
            places.maybe("the archive", board.archive.as_deref(), Use::Write);
        }
        places.maybe("the spool folder", self.submission.spool_dir.as_deref(), Use::Write);
        for program in assemble::programs::all(self) {
            places.one("the program", &program, Use::Program);
        }
        for path in &self.server.readable {
            places.one("the folder", path, Use::ReadBelow);
        }
        for path in &self.server.writable {
            places.one("the folder", path, Use::Write);
        }
        places.maybe("the log", self.log.path.as_deref(), Use::Log);
        places.0
    }

    /// Are there walls of files and system calls? Not by themselves where programs check passwords: those mostly have rights of their
    /// own, which end behind walls.
    pub(crate) fn is_walled(&self) -> bool {
        match self.server.confine {
            Confine::Off => false,
            Confine::Required => true,
            Confine::Auto => {
                !self.sources.iter().any(|table| matches!(table.own, AuthSource::Checkpassword(_)))
            }
        }
    }

    /// The folders that maildrops lie below. The root of everything where they may lie anywhere.
    pub(crate) fn maildrop_roots(&self) -> Vec<PathBuf> {
        let mut roots = self.maildrop.roots.clone();
        let own = self.maildrop.path.root();
        if roots.is_empty() || own != Path::new("/") {
            roots.push(own);
        }
        roots
    }

    /// The ports of TCP that the server connects to, on this machine or another; `None` where that cannot be known.
    pub(crate) fn connects(&self) -> Option<BTreeSet<u16>> {
        let mut ports = BTreeSet::new();
        for source in &self.sources {
            match &source.own {
                AuthSource::File(_)
                | AuthSource::Embedded(_)
                | AuthSource::Dovecot(_)
                | AuthSource::System(_)
                | AuthSource::Aliases(_) => {}
                // A program connects to whatever it wants.
                AuthSource::Checkpassword(_) => return None,
                AuthSource::Ldap(source) => {
                    let servers = source.servers().ok()?;
                    ports.extend(servers.iter().filter_map(|server| server.port()));
                }
                AuthSource::Http(source) => drop(ports.insert(source.url().ok()?.port())),
                AuthSource::Sql(source) => ports.extend(source.database()?.port()),
            }
        }
        if let Some(SubmissionWay::Relay(relay)) = self.submission.way() {
            ports.insert(relay.port);
        }
        // An authority names its addresses itself.
        if self.acme.is_on() {
            return None;
        }
        // What an issuer has to say may lie anywhere: its discovery document names the places.
        if self.tokens.iter().any(|table| !matches!(table.own, TokenSource::File(_))) {
            return None;
        }
        // A program connects to whatever it wants.
        if self.submission.command.is_some() { None } else { Some(ports) }
    }
}

struct Places(Vec<Place>);

impl Places {
    fn one(&mut self, what: &'static str, path: &Path, used: Use) {
        self.0.push(Place { what, path: path.to_owned(), used });
    }

    fn maybe(&mut self, what: &'static str, path: Option<&Path>, used: Use) {
        path.into_iter().for_each(|path| self.one(what, path, used));
    }

    /// A source's own. Sockets that a source connects to are not here: walls of files do not concern connecting.
    fn source(&mut self, config: &Config, source: &AuthSource) {
        match source {
            AuthSource::File(FileSource { path }) => {
                self.maybe("the accounts in", path.as_deref(), Use::Read);
            }
            AuthSource::Embedded(EmbeddedSource { path }) => {
                let path = path.clone().unwrap_or_else(|| assemble::embedded_path(config));
                self.one("the accounts in", &path, Use::WriteBeside);
            }
            AuthSource::Ldap(source) => {
                self.maybe("the secret in", source.password_file.as_deref(), Use::Read);
                self.maybe("the authorities in", source.ca.as_deref(), Use::Read);
            }
            AuthSource::Http(source) => {
                self.maybe("the secret in", source.password_file.as_deref(), Use::Read);
                self.maybe("the authorities in", source.ca.as_deref(), Use::Read);
            }
            AuthSource::Sql(source) => {
                self.maybe("the address in", source.url_file.as_deref(), Use::Read);
                self.maybe("the authorities in", source.ca.as_deref(), Use::Read);
                self.maybe(
                    "the database",
                    source.database().and_then(|url| url.file()).as_deref(),
                    Use::WriteBeside,
                );
            }
            AuthSource::Aliases(AliasSource { path }) => {
                self.maybe("the aliases in", path.as_deref(), Use::Read);
            }
            // A program that is started is no place of a source: `assemble::programs` names those.
            AuthSource::Dovecot(_) | AuthSource::System(_) | AuthSource::Checkpassword(_) => {}
        }
    }

    fn tokens(&mut self, tokens: &TokenSource) {
        match tokens {
            TokenSource::File(file) => self.maybe("the tokens in", file.path.as_deref(), Use::Read),
            TokenSource::Jwks(table) => self.maybe("the authorities in", table.0.ca.as_deref(), Use::Read),
            TokenSource::Introspection(table) => {
                self.maybe("the secret in", table.1.password_file.as_deref(), Use::Read);
                self.maybe("the authorities in", table.0.ca.as_deref(), Use::Read);
            }
        }
    }
}
