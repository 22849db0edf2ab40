//! From a configuration to the parts that it describes: the store, the authenticator, where an account's mail lies.
//!
//! The server uses these, and so do the subcommands that work without one (`deliver`, `maildrop`, `account`).

pub mod import;
pub mod programs;
mod source;
mod token;

use crate::config::source::{AliasSource, AuthSource, EmbeddedSource, FileSource, SourcePart};
use crate::config::{
    Auth, Config, DAY_S, DotLock, ForeignLocks, LineEnds, MaildropType, MboxForm, NameForm, Syncs, Template,
    TemplateError, Upgrades,
};
use crate::header;
use crate::system::{self, SystemDirectory};
use restante_auth::account::{Account, Bound};
use restante_auth::address;
use restante_auth::directory::{Notify, SourceError, aliases, embedded, file};
use restante_auth::password::Hash;
use restante_auth::password::make::ScramChoice;
use restante_auth::throttle;
use restante_auth::verify::scram::{KEY_OCTETS, ScramSettings};
use restante_auth::verify::sources::{Part as SourceGives, Placed};
use restante_auth::verify::{self, Authenticator, CacheSettings, HashingSettings, Source, Upgrade};
use restante_config::value::Span;
use restante_proto::capability::Expire;
use restante_proto::server::extended::{Part, Shelf};
use restante_sources::checkpassword::CheckpasswordDirectory;
use restante_sources::dovecot::DovecotDirectory;
use restante_sources::sql::SqlDirectory;
use restante_store::disk::LocalDisk;
use restante_store::maildir::bulletins;
use restante_store::quota::Limits;
use restante_store::{Location, Store, maildir, mbox};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The store of a configuration. Touches no file.
pub fn store(config: &Config) -> Store {
    let maildrop = &config.maildrop;
    let store = match maildrop.kind {
        MaildropType::Maildir => Store::maildir(Arc::new(LocalDisk), maildirs(config)),
        MaildropType::Mbox => {
            // `config::check` has refused an mbox without a control folder.
            let control_root = maildrop.control.as_ref().map_or_else(PathBuf::new, Template::root);
            let settings = mbox::Settings {
                marker: maildrop.marker.clone(),
                create: maildrop.create,
                form: match maildrop.mbox_form {
                    MboxForm::Mboxrd => mbox::Form::Mboxrd,
                    MboxForm::Mboxo => mbox::Form::Mboxo,
                },
                dot_lock: match maildrop.dot_lock {
                    DotLock::Required => mbox::DotLock::Required,
                    DotLock::Possible => mbox::DotLock::IfPossible,
                    DotLock::Never => mbox::DotLock::Never,
                },
                folder_mode: maildrop.folder_mode.0,
                file_mode: maildrop.file_mode.0,
                boards: Some(maildirs(config)),
                roots: config.maildrop_roots(),
                ..mbox::Settings::new(maildrop.path.root(), control_root)
            };
            Store::mbox(Arc::new(LocalDisk), settings)
        }
    };
    match maildrop.guard {
        true => store.guarded(Arc::new(LocalDisk), guard_folder(config)),
        false => store,
    }
}

/// The store with the maildrop of one account: for an account of the system on a disk that is touched with its own rights, until what
/// is opened in it is closed again. Touches no file.
pub fn store_of(config: &Config, store: &Store, account: &Account) -> Store {
    system::disk_of(config, account).map_or_else(|| store.clone(), |disk| store.on(disk))
}

/// How Maildirs are kept.
fn maildirs(config: &Config) -> maildir::Settings {
    let maildrop = &config.maildrop;
    maildir::Settings {
        marker: maildrop.marker.clone(),
        create: maildrop.create,
        line_ends: match maildrop.line_ends {
            LineEnds::Lf => maildir::LineEnds::Lf,
            LineEnds::Crlf => maildir::LineEnds::Crlf,
        },
        foreign_locks: match maildrop.foreign_locks {
            ForeignLocks::Respect => maildir::ForeignLocks::Respect,
            ForeignLocks::Ignore => maildir::ForeignLocks::Ignore,
        },
        syncs: match maildrop.syncs {
            Syncs::Each => maildir::Syncs::Each,
            Syncs::Shared => maildir::Syncs::Shared,
        },
        folder_mode: maildrop.folder_mode.0,
        file_mode: maildrop.file_mode.0,
        host: config.hostname.clone(),
        bulletins: config.bulletins.path.clone().map(|folder| bulletins::Settings {
            folder,
            first_max: usize::try_from(config.bulletins.new_account_max).unwrap_or(usize::MAX),
        }),
        note: config.log.deletions.then_some(header::summary::message_id),
        trash: maildrop.trash.map(|span| span.0),
        roots: config.maildrop_roots(),
    }
}

/// Where the guard keeps what accounts were shown.
pub(crate) fn guard_folder(config: &Config) -> PathBuf {
    config.state_dir.join("shown")
}

/// How long mail is kept before the server itself removes it: what EXPIRE announces, from the key that everything that removes mail
/// by itself goes by (R2449-6.7.3, R2449-6.7.6). The same for every account.
pub fn expire(config: &Config) -> Expire {
    // `config::check` has seen to it that these are whole days, and few enough.
    let days = |span: Span| u16::try_from(span.0.as_secs() / DAY_S).unwrap_or(u16::MAX);
    config.maildrop.expire.map_or(Expire::Never, |span| Expire::Days(days(span)))
}

/// Where an account's maildrop lies: where its source says, else where the configuration does.
///
/// # Errors
/// The configured path needs a domain or a home that the account does not have, or its source names a path that the server's walls
/// shut out.
pub fn location(config: &Config, account: &Account) -> Result<Location, TemplateError> {
    let path = match &account.maildrop {
        Some(path) => path.clone(),
        None => config.maildrop.path.render(account)?,
    };
    if account.owner.is_none()
        && config.is_walled()
        && !config.maildrop_roots().iter().any(|root| is_below(&path, root))
    {
        return Err(TemplateError::Outside);
    }
    Ok(match (config.maildrop.kind, &config.maildrop.control) {
        (MaildropType::Mbox, Some(control)) => {
            Location::Mbox { file: path, control: control.render(account)? }
        }
        _ => Location::Maildir(path),
    })
}

/// Whether a path leads below a root by its words alone; one that goes up again on its way does not, wherever it comes out.
fn is_below(path: &Path, root: &Path) -> bool {
    let goes_up = || path.components().any(|part| part == Component::ParentDir);
    root == Path::new("/") || path.starts_with(root) && !goes_up()
}

/// How much an account's maildrop may hold: what its source says, else what holds for everybody.
pub fn limits(config: &Config, account: &Account) -> Limits {
    let bound = |own: Option<Bound>, default: Option<u64>| own.map_or(default, Bound::max);
    Limits {
        octets: bound(account.quota.octets, config.quota.octets.map(|octets| octets.0)),
        messages: bound(account.quota.messages, config.quota.messages),
    }
}

/// Where a board's messages lie; none where the configuration has no such place.
pub fn board(config: &Config, shelf: Shelf) -> Option<Location> {
    let board = config.boards.get(shelf.board)?;
    let path = match shelf.part {
        Part::Current => &board.path,
        Part::Archive => &board.archive,
    };
    path.clone().map(Location::Maildir)
}

/// The authenticator of a configuration; reads the sources of accounts, so it blocks for files. `notify` is told when
/// a source was read again later. `key` is what SCRAM needs ([`verify::scram::ScramSettings`]); without it there is no SCRAM.
///
/// # Errors
/// A source cannot be used.
pub fn authenticator(
    config: &Config,
    notify: Option<Notify>,
    key: Option<[u8; KEY_OCTETS]>,
) -> Result<Authenticator, SourceError> {
    let auth = &config.auth;
    let sources = config.sources.iter().filter_map(|table| {
        let part = match table.any.part {
            SourcePart::Both => SourceGives::Both,
            SourcePart::Passwords => SourceGives::Passwords,
            SourcePart::Settings => SourceGives::Settings,
        };
        let memory = cache(auth, table.any.cache_s);
        let domains = table.any.domains.clone();
        let own = source(config, &table.own)?;
        Some(own.map(|source| Placed { source, domains, part, memory }))
    });
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let tokens = config.tokens.iter().filter_map(|table| token::source(config, &table.own, notify.clone()));
    let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let parallel_max = match usize::try_from(auth.hashes).unwrap_or(usize::MAX) {
        // One processor stays free for the sessions that need no hash.
        0 => processors.saturating_sub(1).max(1),
        hashes => hashes,
    };
    let settings = verify::Settings {
        addresses: addresses(config),
        hashing: HashingSettings {
            parallel_max,
            waiting_max: usize::try_from(auth.hashes_waiting).unwrap_or(usize::MAX),
            wait_max: Duration::from_secs(auth.hash_wait_s),
        },
        cache: cache(auth, auth.cache_s),
        allow_weak_schemes: auth.allow_weak_schemes,
        upgrade: match auth.upgrade_hashes {
            Upgrades::Never => Upgrade::Never,
            Upgrades::Hashes => Upgrade::Hashes,
            Upgrades::All => Upgrade::All,
        },
        scram: key.map(|key| ScramSettings {
            iterations: scram_choice(config).iterations,
            ..ScramSettings::new(key)
        }),
        tokens,
        // `config::check` has refused what is no name.
        anonymous: auth
            .anonymous
            .as_ref()
            .and_then(|name| addresses(config).account_name(name.as_bytes()).ok()),
        notify,
    };
    Authenticator::new(sources, settings)
}

/// How successes are remembered for so many seconds.
fn cache(auth: &Auth, seconds: u64) -> Option<CacheSettings> {
    (seconds > 0).then(|| CacheSettings {
        ttl: Duration::from_secs(seconds),
        entries_max: usize::try_from(auth.cache_entries).unwrap_or(usize::MAX),
    })
}

/// The source that a table describes. `None` only for what `config::check` refuses.
fn source(config: &Config, own: &AuthSource) -> Option<Result<Source, SourceError>> {
    Some(match own {
        AuthSource::File(FileSource { path }) => Ok(Source::File(file::Settings::new(path.as_ref()?))),
        AuthSource::Embedded(EmbeddedSource { path }) => {
            let path = path.clone().unwrap_or_else(|| embedded_path(config));
            Ok(Source::Embedded(embedded::Settings { path, scram: scram_choice(config) }))
        }
        AuthSource::Aliases(AliasSource { path }) => {
            Ok(Source::Aliases(aliases::Settings::new(path.as_ref()?)))
        }
        AuthSource::Ldap(ldap) => source::ldap(ldap, addresses(config)),
        AuthSource::Http(http) => source::http(http),
        AuthSource::Sql(sql) => {
            let settings = sql.assemble(addresses(config)).transpose()?;
            settings.and_then(SqlDirectory::new).map(|directory| Source::Other(Arc::new(directory)))
        }
        AuthSource::System(_) => Ok(Source::Other(Arc::new(SystemDirectory::new(config)?))),
        AuthSource::Dovecot(dovecot) => {
            Ok(Source::Other(Arc::new(DovecotDirectory::new(dovecot.settings()?))))
        }
        AuthSource::Checkpassword(source) => {
            let answer = programs::answer();
            let directory = |answer| Some(CheckpasswordDirectory::new(source.settings(answer)?));
            match answer {
                Ok(answer) => Ok(Source::Other(Arc::new(directory(answer)?))),
                Err(error) => Err(error),
            }
        }
    })
}

/// How failed logins are slowed down.
pub(crate) fn throttle(config: &Config) -> throttle::Settings {
    let defence = &config.defence;
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    throttle::Settings {
        fixed: Duration::from_secs(config.auth.fail_delay_s),
        first: Duration::from_secs(defence.penalty_s),
        max: Duration::from_secs(defence.penalty_max_s),
        free: count(defence.free_failures),
        free_of_network: count(defence.free_failures_of_network),
        accounts_of_network: count(defence.accounts_of_network),
        accounts_of_secret: count(defence.accounts_of_secret),
        forget_after: Duration::from_secs(defence.forget_s),
        known_for: Duration::from_secs(defence.known_s),
        entries_max: usize::try_from(defence.entries).unwrap_or(usize::MAX),
    }
}

/// What names and addresses mean in a configuration.
pub fn addresses(config: &Config) -> address::Settings {
    let auth = &config.auth;
    address::Settings {
        domains: auth.domains.clone(),
        default_domain: auth.default_domain.clone(),
        form: match auth.name {
            NameForm::Local => address::NameForm::Local,
            NameForm::Address => address::NameForm::Address,
        },
        detail_separator: auth.detail.chars().next(),
        lowercase: auth.lowercase,
        postmaster: auth.postmaster.clone(),
    }
}

/// Which verifiers for SCRAM are stored of a new password.
pub fn scram_choice(config: &Config) -> ScramChoice {
    // `config::check` has refused every other word.
    let is_chosen =
        |name: &str| config.auth.scram_verifiers.iter().any(|word| word.eq_ignore_ascii_case(name));
    let chosen = SCRAM_VERIFIERS.into_iter().filter(|(name, _)| is_chosen(name));
    ScramChoice {
        hashes: chosen.map(|(_, hash)| hash).collect(),
        iterations: u32::try_from(config.auth.scram_iterations).unwrap_or(u32::MAX),
    }
}

/// Where the embedded accounts lie when no path is configured.
pub fn embedded_path(config: &Config) -> PathBuf {
    config.state_dir.join("accounts.redb")
}

/// What `auth.scram_verifiers` may name.
pub(crate) const SCRAM_VERIFIERS: [(&str, Hash); 3] =
    [("SCRAM-SHA-1", Hash::Sha1), ("SCRAM-SHA-256", Hash::Sha256), ("SCRAM-SHA-512", Hash::Sha512)];

#[cfg(test)]
mod tests;
