//! `restante maildrop …`: what an operator does with maildrops. One command a file; what they share is here.

mod list;
mod show;

use restante_auth::account::Account;
use restante_auth::verify::{Authenticator, Recipient};
use restante_server::assemble;
use restante_server::config::Config;
use restante_store::maildrop::Inspection;

use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::MaildropCommand;

/// Runs one of the `maildrop` commands.
pub(crate) fn run(command: &MaildropCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Code::Temporary, format!("cannot start a runtime: {error}")))?;
    match command {
        MaildropCommand::List { file, json } => runtime.block_on(list::run(file, json.json)),
        MaildropCommand::Show { name, file, json } => runtime.block_on(show::run(name, file, json.json)),
    }
}

fn authenticator(config: &Config) -> Result<Authenticator, Failure> {
    assemble::authenticator(config, None, None).map_err(|error| unavailable(&error))
}

/// The account of this name.
async fn account(config: &Config, name: &str) -> Result<Account, Failure> {
    match authenticator(config)?.recipient(name.as_bytes(), clock::now()).await {
        Recipient::Account(account) => Ok(account),
        Recipient::Unknown => Err(Failure::new(Code::NoUser, format!("there is no account '{name}'"))
            .remedy("see 'restante maildrop list'")),
        Recipient::Unavailable(error) => Err(unavailable(&error)),
    }
}

fn unavailable(error: &restante_auth::directory::SourceError) -> Failure {
    let code = if error.is_temporary() { Code::Temporary } else { Code::Config };
    Failure::new(code, exit::chain(error))
}

/// Reads a maildrop, or says why not.
async fn inspect(config: &Config, account: &Account) -> Result<Inspection, String> {
    let location = assemble::location(config, account).map_err(|error| error.to_string())?;
    assemble::store(config).inspect(&location, clock::wall()).await.map_err(|error| exit::chain(&error))
}

fn count(messages: u64, octets: u64) -> String {
    let plural = if messages == 1 { "" } else { "s" };
    format!("{messages} message{plural}, {octets} octets")
}
