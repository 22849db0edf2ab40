//! `[[auth.source]]`: where accounts come from. Each kind of source has keys of its own.

mod checkpassword;
mod dovecot;
mod http;
mod ldap;
mod system;

use super::{Auth, Config, MaildropType, NameForm, Upgrades};
use crate::file;
pub use http::HttpSource;
pub use ldap::{Attributes, LdapScope, LdapSource};
use restante_auth::address;
use restante_config::problem::Problems;
use restante_config::section::{Lines, Section};
use restante_config::value::Hidden;
use restante_config::{choice, section};
use std::path::{Path, PathBuf};
pub use system::{SystemPasswords, SystemSource};

pub use checkpassword::CheckpasswordSource;
pub use dovecot::DovecotSource;
pub(crate) mod sql;

pub use sql::{SqlSource, SqlUrl};

/// One `[[auth.source]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTable {
    /// The keys that every source has.
    pub any: AnySource,
    /// Those of its kind.
    pub own: AuthSource,
}

/// What one `[[auth.source]]` is, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthSource {
    /// A passwd-file.
    File(FileSource),
    /// The embedded directory.
    Embedded(EmbeddedSource),
    /// A file of aliases.
    Aliases(AliasSource),
    /// A directory that speaks LDAP.
    Ldap(Box<LdapSource>),
    /// A program that is asked by HTTP.
    Http(Box<HttpSource>),
    /// A database.
    Sql(SqlSource),
    /// A running Dovecot.
    Dovecot(DovecotSource),
    /// The accounts of this machine.
    System(SystemSource),
    /// A program that checks passwords.
    Checkpassword(CheckpasswordSource),
}

impl AuthSource {
    /// Whether it can say which accounts there are, and not only whether there is one of a name.
    pub(super) fn lists(&self) -> bool {
        match self {
            Self::File(_) | Self::Embedded(_) | Self::Aliases(_) => true,
            Self::Sql(source) => source.list.is_some(),
            Self::Ldap(source) => source.list_filter.is_some(),
            Self::Http(_) | Self::Dovecot(_) | Self::System(_) | Self::Checkpassword(_) => false,
        }
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// What every source has.
    pub struct AnySource {
        /// What kind it is. Default `file`.
        kind as "type": SourceType = SourceType::File;
        /// What is taken from it: `both`, whether a password is right and what the account may; `passwords`, the first alone; or
        /// `settings`, the second alone. Default `both`.
        part: SourcePart = SourcePart::Both;
        /// The domains whose accounts it is asked about, where accounts are named by address. Default: all accounts.
        domains: Vec<String> = Vec::new();
        /// Seconds for which a password that the source, which checks passwords itself, found right is remembered (as a keyed
        /// digest); 0 switches it off. Default 60.
        cache_s: u64 = 60, in 0..=3_600;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// A passwd-file: `name:{SCHEME}secret`, one a line.
    pub struct FileSource {
        /// The file. Has no default.
        path: Option<PathBuf> = None;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// The accounts that `restante account` edits.
    pub struct EmbeddedSource {
        /// The file. Default: `accounts.redb` in `state_dir`.
        path: Option<PathBuf> = None;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// Names that lead to accounts, for mail alone: `alias account`, one a line.
    pub struct AliasSource {
        /// The file. Has no default.
        path: Option<PathBuf> = None;
    }
}

choice! {
    /// What is taken from a source.
    pub enum SourcePart {
        /// Passwords and settings.
        Both = "both",
        /// Whether a password is right.
        Passwords = "passwords",
        /// What an account may, and where its mail lies.
        Settings = "settings",
    }
}

choice! {
    /// Kinds of account sources.
    pub enum SourceType {
        /// A passwd-file.
        File = "file",
        /// The embedded directory.
        Embedded = "embedded",
        /// A file of aliases.
        Aliases = "aliases",
        /// A directory that speaks LDAP.
        Ldap = "ldap",
        /// A program that is asked by HTTP.
        Http = "http",
        /// A database.
        Sql = "sql",
        /// A running Dovecot.
        Dovecot = "dovecot",
        /// The accounts of this machine.
        System = "system",
        /// A program that checks passwords.
        Checkpassword = "checkpassword",
    }
}

impl SourceTable {
    /// Reads the table, and reports the keys that its kind does not have.
    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        let any = AnySource::read(section);
        let (own, keys) = AuthSource::read(any.kind, section);
        section.finish(&[AnySource::KEYS, keys].concat());
        Self { any, own }
    }

    pub(super) fn show(&self, output: &mut String) {
        self.any.show(output);
        self.own.show(output);
    }
}

impl AuthSource {
    /// The keys of all kinds together, for whoever wants to know whether they are documented.
    #[cfg(test)]
    pub(crate) const KEYS: &[&[&str]] = &[
        AnySource::KEYS,
        FileSource::KEYS,
        EmbeddedSource::KEYS,
        AliasSource::KEYS,
        LdapSource::KEYS,
        HttpSource::KEYS,
        SqlSource::KEYS,
        DovecotSource::KEYS,
        SystemSource::KEYS,
        CheckpasswordSource::KEYS,
    ];

    /// Reads what this kind has, and names its keys.
    fn read(kind: SourceType, section: &mut Section<'_, '_, '_>) -> (Self, &'static [&'static str]) {
        match kind {
            SourceType::File => (Self::File(FileSource::read(section)), FileSource::KEYS),
            SourceType::Embedded => (Self::Embedded(EmbeddedSource::read(section)), EmbeddedSource::KEYS),
            SourceType::Aliases => (Self::Aliases(AliasSource::read(section)), AliasSource::KEYS),
            SourceType::Ldap => (Self::Ldap(Box::new(LdapSource::read(section))), LdapSource::KEYS),
            SourceType::Http => (Self::Http(Box::new(HttpSource::read(section))), HttpSource::KEYS),
            SourceType::Sql => (Self::Sql(SqlSource::read(section)), SqlSource::KEYS),
            SourceType::Dovecot => (Self::Dovecot(DovecotSource::read(section)), DovecotSource::KEYS),
            SourceType::System => (Self::System(SystemSource::read(section)), SystemSource::KEYS),
            SourceType::Checkpassword => {
                (Self::Checkpassword(CheckpasswordSource::read(section)), CheckpasswordSource::KEYS)
            }
        }
    }

    fn show(&self, output: &mut String) {
        match self {
            Self::File(source) => source.show(output),
            Self::Embedded(source) => source.show(output),
            Self::Aliases(source) => source.show(output),
            Self::Ldap(source) => source.show(output),
            Self::Http(source) => source.show(output),
            Self::Sql(source) => source.show(output),
            Self::Dovecot(source) => source.show(output),
            Self::System(source) => source.show(output),
            Self::Checkpassword(source) => source.show(output),
        }
    }

    /// Makes relative paths start at the folder of the configuration file.
    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        let start = |path: &mut PathBuf| *path = folder.join(&*path);
        match self {
            Self::File(FileSource { path })
            | Self::Embedded(EmbeddedSource { path })
            | Self::Aliases(AliasSource { path }) => {
                path.iter_mut().for_each(start);
            }
            Self::Ldap(source) => source.start_paths_at(folder),
            Self::Http(source) => source.start_paths_at(folder),
            Self::Sql(source) => source.start_paths_at(folder),
            Self::Dovecot(source) => source.start_paths_at(folder),
            Self::System(_) => {}
            // A program is named by its full path.
            Self::Checkpassword(_) => {}
        }
    }

    /// What must hold beside the forms of single values; `name` is that of the table.
    pub(super) fn check(&self, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
        match self {
            Self::File(FileSource { path: None }) => problems.error(
                lines.at(name),
                "a file of accounts that is not named",
                "add path = \"/etc/restante/users\"",
            ),
            Self::File(FileSource { path: Some(path) }) => {
                check_users(path, &format!("{name}.path"), lines, problems);
            }
            Self::Embedded(_) => {}
            Self::Aliases(AliasSource { path: None }) => problems.error(
                lines.at(name),
                "a file of aliases that is not named",
                "add path = \"/etc/restante/aliases\"",
            ),
            Self::Aliases(AliasSource { path: Some(path) }) => {
                if let Err(error) = file::check_readable(path) {
                    problems.error(
                        lines.at(&format!("{name}.path")),
                        format!("the aliases in {} cannot be read: {error}", path.display()),
                        "write the file (alias account, one a line), or correct the path or the permissions",
                    );
                }
            }
            Self::Ldap(source) => source.check(name, lines, problems),
            Self::Http(source) => source.check(name, lines, problems),
            Self::Sql(source) => source.check(name, lines, problems),
            Self::Dovecot(source) => source.check(name, lines, problems),
            Self::System(source) => source.check(name, lines, problems),
            Self::Checkpassword(source) => source.check(name, lines, problems),
        }
    }
}

/// What must hold between the sources, and between them and `[auth]`.
pub(super) fn check_all(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    for (position, source) in config.sources.iter().enumerate() {
        let name = format!("auth.source.{position}");
        check_domains(&source.any.domains, &config.auth, &name, lines, problems);
        let cache = format!("{name}.cache_s");
        // What `config show` writes is no wish of anybody's.
        let is_wished = source.any.cache_s != AnySource::default().cache_s;
        let is_compared_here = match &source.own {
            AuthSource::File(_) | AuthSource::Embedded(_) | AuthSource::Aliases(_) => true,
            AuthSource::Sql(source) => source.check.is_none(),
            AuthSource::System(source) => source.passwords == SystemPasswords::None,
            AuthSource::Ldap(_)
            | AuthSource::Http(_)
            | AuthSource::Dovecot(_)
            | AuthSource::Checkpassword(_) => false,
        };
        if is_compared_here && is_wished {
            problems.warning(
                lines.at(&cache),
                format!("{cache} has no effect: what this source stores is compared here"),
                "set cache_s in [auth], or take it out",
            );
        }
        source.own.check(&name, lines, problems);
        check_upgrade(&source.own, &config.auth, &name, lines, problems);
    }
    check_system(config, lines, problems);
    let is_of = |part| config.sources.iter().any(|source| source.any.part == part);
    if is_of(SourcePart::Settings) && !is_of(SourcePart::Both) && !is_of(SourcePart::Passwords) {
        problems.warning(
            lines.at("auth.source.0.part"),
            "no source gives passwords: nobody can log in with one",
            "take part = \"settings\" out of one, or add a source that gives passwords",
        );
    }
}

/// There is one machine, and one process that opens its accounts' files.
fn check_system(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let of_machine = |(position, table): (usize, &SourceTable)| match &table.own {
        AuthSource::System(source) => Some((format!("auth.source.{position}"), source.clone())),
        _ => None,
    };
    let mut all = config.sources.iter().enumerate().filter_map(of_machine);
    let Some((name, source)) = all.next() else { return };
    if source.mail_group.is_some() && config.maildrop.kind != MaildropType::Mbox {
        problems.error(
            lines.at(&format!("{name}.mail_group")),
            format!("{name}.mail_group: Maildirs need no group"),
            "take it out, or set maildrop.type = \"mbox\"",
        );
    }
    for (other, _) in all {
        problems.error(
            lines.at(&other),
            format!("{other}: a second source of type \"system\""),
            "keep one: there is one machine",
        );
    }
}

/// A statement that is never run is not what somebody has meant.
fn check_upgrade(own: &AuthSource, auth: &Auth, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
    let AuthSource::Sql(source) = own else { return };
    if source.upgrade.is_none() {
        return;
    }
    let at = lines.at(&format!("{name}.upgrade"));
    if source.check.is_some() {
        problems.warning(
            at,
            format!("{name}.upgrade has no effect: the database checks passwords itself"),
            "let the database upgrade them, and take the key out",
        );
    } else if auth.upgrade_hashes == Upgrades::Never {
        problems.warning(
            at,
            format!("{name}.upgrade has no effect while auth.upgrade_hashes is \"never\""),
            "add upgrade_hashes = \"hashes\" to [auth], or take the key out",
        );
    }
}

fn check_domains(domains: &[String], auth: &Auth, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
    let at = lines.at(&format!("{name}.domains"));
    if !domains.is_empty() && auth.name == NameForm::Local {
        return problems.error(
            at,
            format!("{name}.domains: accounts are named without domain, so the source would never be asked"),
            "set auth.name = \"address\", or take domains out",
        );
    }
    let served: Vec<String> = auth.domains.iter().chain(&auth.default_domain).cloned().collect();
    let normalised = |domain: &String| address::normalised_domain(domain).ok();
    for domain in domains {
        let ours = normalised(domain);
        if ours.is_none() {
            problems.error(
                at,
                format!("{name}.domains: {domain:?} is no domain"),
                "write domains as in addresses, for instance [\"example.org\"]",
            );
        } else if !auth.domains.is_empty() && !served.iter().any(|served| normalised(served) == ours) {
            problems.error(
                at,
                format!("{name}.domains: {domain:?} is not one of auth.domains"),
                "add it there, or take it out here",
            );
        }
    }
}

fn check_users(path: &Path, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
    if let Err(error) = file::check_readable(path) {
        problems.error(
            lines.at(name),
            format!("the accounts in {} cannot be read: {error}", path.display()),
            "write the file (name:{SCHEME}secret, one a line), or correct the path or the permissions",
        );
    } else if let Ok(mode) = file::permissions(path)
        && mode & 0o007 != 0
    {
        problems.warning(
            lines.at(name),
            format!("every user of this machine can read {} (permissions {mode:04o})", path.display()),
            format!("chmod o-rwx {}", path.display()),
        );
    }
}

/// What is wrong with a key: its name (none for the whole table), what, and what to do.
type Wrong = (&'static str, String, &'static str);

/// What must hold of a secret that stands in the configuration or in a file of its own.
pub(super) fn check_secret(
    password: Option<&Hidden>,
    file: Option<&Path>,
    name: &str,
    lines: &Lines,
    problems: &mut Problems<'_>,
) {
    if password.is_some() && file.is_some() {
        problems.error(
            lines.at(&format!("{name}.password_file")),
            "the secret stands in password and in password_file",
            "leave one of them",
        );
    }
    let Some(path) = file else { return };
    let name = format!("{name}.password_file");
    if let Err(error) = file::check_readable(path) {
        problems.error(
            lines.at(&name),
            format!("the secret in {} cannot be read: {error}", path.display()),
            "write the secret into the file, or correct the path or the permissions",
        );
    } else if let Ok(mode) = file::permissions(path)
        && mode & 0o007 != 0
    {
        problems.warning(
            lines.at(&name),
            format!("every user of this machine can read {} (permissions {mode:04o})", path.display()),
            format!("chmod o-rwx {}", path.display()),
        );
    }
}

/// What must hold of a file of authorities.
pub(super) fn check_authorities(path: Option<&Path>, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
    if let Some(path) = path
        && let Err(error) = file::check_readable(path)
    {
        problems.error(
            lines.at(&format!("{name}.ca")),
            format!("the authorities in {} cannot be read: {error}", path.display()),
            "write their certificates there, in PEM, or correct the path or the permissions",
        );
    }
}
