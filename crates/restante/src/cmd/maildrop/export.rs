//! `restante maildrop export`: writes down for another server what is shown here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use restante_auth::account::Account;
use restante_server::assemble;
use restante_server::config::Config;
use restante_store::migrate::export::{Format, Made};
use restante_store::migrate::{Shown, header, listing};

use super::super::{configuration, login};
use super::{accounts, filled_in, inspect, location, maildir_path, may_reach, may_write};
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::{Export, ExportTo};
use crate::terminal;

/// Runs the export for one account or for all; ends at the first that fails.
pub(super) async fn run(flags: &Export) -> Result<(), Failure> {
    let config = configuration::load(&flags.file)?;
    let to_stdout = flags.to == ExportTo::Listing && flags.output.is_none();
    if to_stdout && flags.which.all {
        return Err(Failure::new(Code::Usage, "listings of all accounts need a file each")
            .remedy("name it with --output, such as --output /tmp/{account}.listing"));
    }
    for account in accounts(&config, &flags.which).await? {
        match flags.to {
            ExportTo::Listing => write_listing(&config, &account, flags).await?,
            ExportTo::Dovecot => write_file(&config, &account, Format::Dovecot, flags).await?,
            ExportTo::Courier => write_file(&config, &account, Format::Courier, flags).await?,
        }
    }
    Ok(())
}

async fn write_listing(config: &Config, account: &Account, flags: &Export) -> Result<(), Failure> {
    may_reach(config, account)?;
    let failed = |what: String| Failure::new(Code::Io, format!("{}: {what}", account.name));
    let inspection = inspect(config, account).await.map_err(failed)?;
    let messages = inspection.listing();
    let mut shown = Vec::with_capacity(messages.len());
    for index in 0..messages.len() {
        let header = header::read(&inspection, index).await.map_err(|error| failed(exit::chain(&error)))?;
        shown.push(Shown {
            name: inspection.stored(index).map(|stored| stored.base_name.into_owned()),
            unique_id: messages.unique_id(index).map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
            octets: messages.octets(index).map(|octets| octets.as_u64()),
            digest: Some(header::digest(&header)),
            is_by_rule: false,
        });
    }
    let file = listing::write(shown.iter());
    match &flags.output {
        None => terminal::print_octets(&file),
        Some(output) => {
            let path = filled_in(output, account, &maildir_path(config, account)?);
            login::write(&path, &file)?;
            said(account, shown.len(), &path)
        }
    }
}

async fn write_file(
    config: &Config,
    account: &Account,
    format: Format,
    flags: &Export,
) -> Result<(), Failure> {
    may_reach(config, account)?;
    let maildrop = maildir_path(config, account)?;
    let location = location(config, account)?;
    let (is_partial, is_elsewhere) = (flags.partial, flags.output.is_some());
    if !is_elsewhere {
        may_write(config, account, &maildrop)?;
    }
    let is_written = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_written);
    let write = move |made: &Made| {
        let is_whole = made.other_unique_ids.is_empty() && made.other_places.is_empty();
        seen.store(is_whole || is_partial, Ordering::Relaxed);
        (is_whole || is_partial) && !is_elsewhere
    };
    let made =
        assemble::store(config).export(&location, format, clock::wall(), write).await.map_err(|error| {
            let code = if error.is_temporary() { Code::Temporary } else { Code::Io };
            Failure::new(code, format!("{}: {}", account.name, exit::chain(&error)))
        })?;
    if !is_written.load(Ordering::Relaxed) {
        let (ids, places) = (made.other_unique_ids.len(), made.other_places.len());
        return Err(Failure::new(
            Code::Data,
            format!(
                "{}: messages that the other server would show with another unique-id: {ids}; at another place: {places}",
                account.name
            ),
        )
        .remedy("write it all the same with --partial; nothing was written"));
    }
    let path = match &flags.output {
        None => maildrop.join(format.file_name()),
        Some(output) => {
            let path = filled_in(output, account, &maildrop);
            login::write(&path, &made.file)?;
            path
        }
    };
    said(account, made.file.iter().filter(|&&octet| octet == b'\n').count().saturating_sub(1), &path)
}

fn said(account: &Account, messages: usize, path: &std::path::Path) -> Result<(), Failure> {
    terminal::print(&format!(
        "{}: {} in {}\n",
        terminal::visible(account.name.as_str()),
        super::plural(messages, "message"),
        terminal::visible(&path.display().to_string())
    ))
}
