//! Which old server the command line means, and what a maildrop's plan is by it.

use std::path::{Path, PathBuf};

use restante_auth::account::Account;
use restante_store::maildrop::Inspection;
use restante_store::migrate::contents::{Computed, Uw};
use restante_store::migrate::header;
use restante_store::migrate::live::{Matching, Seen};
use restante_store::migrate::plan::{Here, Plan, Settings};
use restante_store::migrate::qmail::{self, Naming};
use restante_store::migrate::template::Template;
use restante_store::migrate::{FILE_OCTETS_MAX, FormatError, Shown, courier, cyrus, dovecot, listing};

use super::super::super::login;
use super::super::remote::{self, Logins, PopUrlText, Remote};
use crate::exit::{self, Code, Failure};
use crate::flags::Import;

/// An old server.
pub(super) enum Source {
    /// A list of uids with file names.
    Uids { template: Template, file: Option<&'static str>, reuses_x_uidl: bool },
    /// Courier's list of sizes.
    Sizes,
    /// Files named by their uid.
    Cyrus { template: Template, uid_validity: u32 },
    /// File names.
    Names(Naming),
    /// The messages themselves.
    Contents(Computed),
    /// The messages' X-UID fields.
    Uw,
    /// Our own listing.
    Listing,
    /// A server that runs.
    Live(Box<(Remote, Logins)>),
}

impl Source {
    /// What the command line means.
    pub(super) fn new(flags: &Import) -> Result<Self, Failure> {
        if flags.from.contains("://") {
            let remote = Remote::new(&flags.from, &flags.login)?;
            let logins = Logins::new(&flags.which, &PopUrlText(&flags.from), &flags.login)?;
            return Ok(Self::Live(Box::new((remote, logins))));
        }
        let source = match flags.from.as_str() {
            "dovecot" => Self::Uids {
                template: template(flags.format.as_deref().unwrap_or(Template::DOVECOT))?,
                file: Some("dovecot-uidlist"),
                reuses_x_uidl: flags.reuse_x_uidl,
            },
            "courier" => Self::Sizes,
            "cyrus" => cyrus(flags)?,
            "qmail" | "vpopmail" => Self::Names(Naming::Plain),
            "teapop" => Self::Names(Naming::Digest),
            "x-uidl" => Self::Contents(Computed::XUidl),
            "qpopper" => Self::Contents(Computed::Qpopper),
            "qpopper2" => Self::Contents(Computed::Qpopper2),
            "popa3d" => Self::Contents(Computed::Popa3d),
            "dovecot-md5" => Self::Contents(Computed::DovecotMd5),
            "uw" => Self::Uw,
            "listing" => Self::Listing,
            other => {
                return Err(Failure::new(Code::Usage, format!("no server is called '{other}' here")).remedy(
                    "see 'restante maildrop import --help'; a URL of the running server serves for any",
                ));
            }
        };
        if matches!(source, Self::Listing) && flags.list.is_none() {
            return Err(Failure::new(Code::Usage, "which listing?").remedy("name it with --list FILE"));
        }
        Ok(source)
    }

    /// What would become of the messages of one account.
    pub(super) async fn plan(
        &self,
        flags: &Import,
        account: &Account,
        maildrop: &Path,
        inspection: &Inspection,
    ) -> Result<Plan, Failure> {
        let here = here(inspection);
        let settings = Settings {
            is_ordered: true,
            is_complete: matches!(self, Self::Listing | Self::Live(_)),
            renames_duplicates: flags.rename_duplicates,
        };
        // Whoever has never logged in has no list, and an empty maildrop needs none.
        let may_be_missing = here.is_empty() || flags.partial;
        let file = |default: Option<&str>| list_path(flags, account, maildrop, default);
        let shown = match self {
            Self::Uids { template, file: name, reuses_x_uidl } => {
                let path = file(*name);
                let octets = read_list(&path, may_be_missing)?;
                let list = octets.map(|octets| dovecot::Uidlist::parse(&octets)).transpose();
                let mut shown =
                    list.map_err(|error| wrong(&path, &error))?.unwrap_or_default().shown(template);
                if *reuses_x_uidl {
                    reuse_x_uidl(inspection, &here, &mut shown).await?;
                }
                shown
            }
            Self::Sizes => {
                let path = file(Some("courierpop3dsizelist"));
                let octets = read_list(&path, may_be_missing)?.unwrap_or_default();
                courier::Sizelist::parse(&octets).map_err(|error| wrong(&path, &error))?.shown()
            }
            Self::Cyrus { template, uid_validity } => {
                cyrus::shown(here.iter().map(|here| here.name.as_slice()), *uid_validity, template)
            }
            Self::Names(naming) => {
                let modified_ns = |index| inspection.stored(index).map_or(0, |stored| stored.modified_ns);
                let files = here.iter().enumerate();
                qmail::shown(files.map(|(index, here)| (here.name.as_slice(), modified_ns(index))), *naming)
            }
            Self::Contents(_) | Self::Uw => {
                let unique_ids = self.computed(inspection).await?;
                return Ok(Plan::by_contents(here, unique_ids, settings));
            }
            Self::Listing => {
                let path = file(None);
                let octets = read_list(&path, may_be_missing)?;
                let shown = octets.map(|octets| listing::parse(&octets)).transpose();
                let shown = shown.map_err(|error| wrong(&path, &error))?.unwrap_or_default();
                if !shown.iter().all(|shown| shown.name.is_some()) {
                    let pairs = match_listing(&shown, inspection).await?;
                    return Ok(Plan::by_pairs(here, shown, pairs.pairs(), settings));
                }
                shown
            }
            Self::Live(old) => {
                let (remote, logins) = &**old;
                let (shown, matching) = match_live(remote, logins, account, inspection).await?;
                return Ok(Plan::by_pairs(here, shown, matching.pairs(), settings));
            }
        };
        Ok(Plan::by_name(here, shown, settings))
    }

    /// The unique-id of each message, made of itself.
    async fn computed(&self, inspection: &Inspection) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let mut uw = Uw::default();
        let mut unique_ids = Vec::with_capacity(inspection.listing().len());
        for index in 0..inspection.listing().len() {
            let (from_line, header) = header::read_raw(inspection, index).await.map_err(|error| {
                Failure::new(Code::Io, format!("message {}: {}", index + 1, exit::chain(&error)))
            })?;
            unique_ids.push(match self {
                Self::Contents(computed) => computed.unique_id(&header, from_line.as_deref()),
                _ => uw.unique_id(&header),
            });
        }
        // A server that has shown a maildrop has left its mark in some message of it.
        if !unique_ids.is_empty() && unique_ids.iter().all(Option::is_none) {
            return Err(Failure::new(
                Code::Data,
                "no message here carries a unique-id of the old server; nothing was changed",
            )
            .remedy("does a converter leave such fields out? ask the running server by its URL"));
        }
        Ok(unique_ids)
    }
}

fn template(format: &str) -> Result<Template, Failure> {
    Template::parse(format)
        .map_err(|error| Failure::new(Code::Usage, format!("the format '{format}': {error}")))
}

fn cyrus(flags: &Import) -> Result<Source, Failure> {
    let name = flags.format.as_deref().unwrap_or("cyrus");
    let format = cyrus::format(name).ok_or_else(|| {
        Failure::new(Code::Usage, format!("Cyrus has no uidl_format '{name}'"))
            .remedy("it is uidonly, cyrus, dovecot or courier")
    })?;
    let template = template(format)?;
    match (flags.uid_validity, &flags.list) {
        (Some(uid_validity), None) => Ok(Source::Cyrus { template, uid_validity }),
        (None, Some(_)) => Ok(Source::Uids { template, file: None, reuses_x_uidl: false }),
        (None, None) if name == "uidonly" => Ok(Source::Cyrus { template, uid_validity: 0 }),
        _ => Err(Failure::new(Code::Usage, "the uidvalidity of the mailbox must be known, once")
            .remedy("say it with --uid-validity, or name a list of uids and files with --list")),
    }
}

/// The messages of a maildrop, in their order.
fn here(inspection: &Inspection) -> Vec<Here> {
    let listing = inspection.listing();
    let message = |index: usize| {
        let name = inspection.stored(index)?.base_name.into_owned();
        Some(Here { name, unique_id: listing.unique_id(index)?.as_bytes().to_vec() })
    };
    (0..listing.len()).filter_map(message).collect()
}

/// Where the old server's file for an account is.
fn list_path(flags: &Import, account: &Account, maildrop: &Path, default: Option<&str>) -> PathBuf {
    match (&flags.list, default) {
        (Some(list), _) => super::super::filled_in(list, account, maildrop),
        (None, default) => maildrop.join(default.unwrap_or_default()),
    }
}

/// The file at `path`; `None` when it may be missing and is.
// Whether a file that a person named is there is this program's own business.
#[allow(clippy::disallowed_methods)]
fn read_list(path: &Path, may_be_missing: bool) -> Result<Option<Vec<u8>>, Failure> {
    if may_be_missing && matches!(path.try_exists(), Ok(false)) {
        return Ok(None);
    }
    let octets = login::read(path, FILE_OCTETS_MAX)?;
    if octets.len() as u64 == FILE_OCTETS_MAX {
        return Err(Failure::new(Code::Data, format!("{} is too large", path.display())));
    }
    Ok(Some(octets))
}

fn wrong(path: &Path, error: &FormatError) -> Failure {
    Failure::new(Code::Data, format!("{}: {error}", path.display()))
}

async fn read_header(inspection: &Inspection, index: usize) -> Result<Vec<u8>, Failure> {
    header::read(inspection, index)
        .await
        .map_err(|error| Failure::new(Code::Io, format!("message {}: {}", index + 1, exit::chain(&error))))
}

/// Puts X-UIDL fields in place of what the general rule makes.
async fn reuse_x_uidl(inspection: &Inspection, here: &[Here], shown: &mut [Shown]) -> Result<(), Failure> {
    let mut by_rule: std::collections::HashMap<Vec<u8>, &mut Shown> = shown
        .iter_mut()
        .filter(|shown| shown.is_by_rule)
        .filter_map(|shown| Some((shown.name.clone()?, shown)))
        .collect();
    for (index, here) in here.iter().enumerate() {
        if let Some(shown) = by_rule.get_mut(&here.name)
            && let Some(unique_id) = header::x_uidl(&read_header(inspection, index).await?)
        {
            shown.unique_id = unique_id;
        }
    }
    Ok(())
}

/// What a maildrop's messages look like from outside.
fn seen_here(inspection: &Inspection) -> Vec<Seen> {
    let listing = inspection.listing();
    let seen = |index: usize| Seen {
        unique_id: listing.unique_id(index).map_or_else(Vec::new, |unique_id| unique_id.as_bytes().to_vec()),
        octets: listing.octets(index).map(|octets| octets.as_u64()),
        digest: None,
    };
    (0..listing.len()).map(seen).collect()
}

async fn match_listing(shown: &[Shown], inspection: &Inspection) -> Result<Matching, Failure> {
    let seen = |shown: &Shown| Seen {
        unique_id: shown.unique_id.clone(),
        octets: shown.octets,
        digest: shown.digest,
    };
    let mut matching = Matching::new(shown.iter().map(seen).collect(), seen_here(inspection));
    while let Some(wanted) = matching.wanted() {
        for index in wanted.new {
            matching.new_digest(index, header::digest(&read_header(inspection, index).await?));
        }
        matching.step();
    }
    Ok(matching)
}

/// Logs in to the old server and finds its messages here.
async fn match_live(
    remote: &Remote,
    logins: &Logins,
    account: &Account,
    inspection: &Inspection,
) -> Result<(Vec<Shown>, Matching), Failure> {
    let mut client = remote.connect(account.name.as_str(), logins).await?;
    let listed = remote::list(&mut client).await?;
    let seen = |listed: &remote::Listed| Seen {
        unique_id: listed.unique_id.clone(),
        octets: Some(listed.octets),
        digest: None,
    };
    let mut matching = Matching::new(listed.iter().map(seen).collect(), seen_here(inspection));
    while let Some(wanted) = matching.wanted() {
        for index in wanted.old {
            if let Some(message) = listed.get(index) {
                let digest = remote::header_digest(&mut client, message.number).await?;
                matching.old_digest(index, digest);
            }
        }
        for index in wanted.new {
            matching.new_digest(index, header::digest(&read_header(inspection, index).await?));
        }
        matching.step();
    }
    // Nothing is marked deleted, so nothing hangs on how it ends.
    drop(client.quit().await);
    let shown = listed.into_iter().map(|listed| Shown {
        unique_id: listed.unique_id,
        octets: Some(listed.octets),
        ..Shown::default()
    });
    Ok((shown.collect(), matching))
}
