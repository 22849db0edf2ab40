//! The flags of `restante account app-password`.

use clap::{Args, Subcommand};
use restante_auth::credential::CredentialName;
use restante_auth::network::Network;

use super::{AccountName, ConfigFile, Json};

/// App passwords.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct AppPassword {
    #[command(subcommand)]
    pub(crate) command: AppPasswordCommand,
}

/// What `account app-password` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum AppPasswordCommand {
    /// Make an app password and show it, this once
    Add {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        label: Label,
        /// What it is for: 'pop3' to collect mail, 'smtp' to send it; both without this
        #[arg(long = "for", value_name = "SERVICE", value_parser = ["pop3", "smtp"])]
        services: Vec<String>,
        /// A network it may be used from, such as 192.0.2.0/24; everywhere without this
        #[arg(long = "from", value_name = "NETWORK")]
        networks: Vec<Network>,
        /// Mail can be retrieved with it and not deleted
        #[arg(long)]
        read_only: bool,
        /// When it ends: a day or a moment (2027-01-31, 2027-01-31T12:00:00Z), or after a time ('90 days')
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// List the app passwords of an account, without the passwords
    List {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// Take an app password back
    Revoke {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        label: Label,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// What an app password is called.
#[derive(Args, Debug)]
pub(crate) struct Label {
    /// What its owner calls it, such as 'phone'
    #[arg(value_name = "NAME")]
    pub(crate) label: CredentialName,
}
