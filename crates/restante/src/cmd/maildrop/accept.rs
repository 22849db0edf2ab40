//! `restante maildrop accept`: a guarded maildrop is shown to its clients as it is now.

use restante_server::assemble;
use serde::Serialize;

use super::super::configuration;
use super::location;
use crate::exit::{self, Code, Failure};
use crate::flags::{AccountName, ConfigFile};
use crate::terminal;

/// Forgets what the account was shown, so that its next listing is taken for right.
pub(super) async fn run(name: &AccountName, file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let config = configuration::load(file)?;
    let account = super::account(&config, &name.name).await?;
    let location = location(&config, &account)?;
    let was = assemble::store(&config).accept(&location, account.name.as_str()).await;
    let was = was.map_err(|failure| {
        Failure::new(Code::Io, exit::chain(&failure)).remedy("run it as the user of the server, or as root")
    })?;
    let why = was.map(|guarded| guarded.to_string());
    if as_json {
        let entry = Entry { account: account.name.as_str(), was_guarded: why.is_some(), why };
        return terminal::print_json(&[entry]);
    }
    let account = terminal::visible(account.name.as_str());
    terminal::print(&match why {
        Some(why) => format!("{account}: accepted as it is now; {}\n", terminal::visible(&why)),
        None => format!("{account}: was not guarded\n"),
    })
}

/// An account for programs.
#[derive(Serialize)]
struct Entry<'a> {
    account: &'a str,
    was_guarded: bool,
    why: Option<String>,
}
