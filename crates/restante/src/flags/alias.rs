//! The flags of `restante account alias`.

use clap::{Args, Subcommand};

use super::{AccountName, ConfigFile, Json};

/// Other names of accounts.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Alias {
    #[command(subcommand)]
    pub(crate) command: AliasCommand,
}

/// What `account alias` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// Give an account another name
    Add {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        alias: Other,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Take another name of an account away
    Remove {
        #[command(flatten)]
        alias: Other,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// List the other names of accounts
    List {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
}

/// Another name.
#[derive(Args, Debug)]
pub(crate) struct Other {
    /// The other name, such as 'info' or 'info@example.org'
    #[arg(value_name = "ALIAS")]
    pub(crate) alias: String,
}
