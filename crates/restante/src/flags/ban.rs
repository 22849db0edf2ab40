//! The flags of `restante ban`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use restante_auth::network::Network;
use restante_config::value::Span;

use super::{ConfigFile, Json};

/// Keep addresses and networks out of the running server
///
/// Their connections are closed before a word is said. The server itself bans addresses that guess without end
/// (defence.ban_after). Asks the running server over its control socket, so run it as the server's user.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Bans {
    #[command(subcommand)]
    pub(crate) command: BanCommand,
}

/// What `ban` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum BanCommand {
    /// List the bans, with their end and reason
    List {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// Ban an address or a network; sessions that are there stay
    Add {
        /// An address or a network, such as 192.0.2.1 or 2001:db8::/48
        #[arg(value_name = "NETWORK")]
        network: Network,
        /// How long, such as '2 hours' or '7 days' [default: for good]
        #[arg(long = "for", value_name = "SPAN")]
        span: Option<Span>,
        /// Why, for the list and the log
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Let an address or a network in again, named as it was banned
    Remove {
        /// The address or the network
        #[arg(value_name = "NETWORK")]
        network: Network,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Print the bans for a packet filter or a proxy
    Export {
        #[command(flatten)]
        form: Forms,
        /// Replace this file instead of printing
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// One of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Forms {
    /// A table for 'nft -f'
    #[arg(long)]
    nftables: bool,
    /// A file for an ACL of HAProxy
    #[arg(long)]
    haproxy: bool,
    /// One network a line
    #[arg(long)]
    plain: bool,
}

/// A form of the exported list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Nftables,
    Haproxy,
    Plain,
}

impl Forms {
    pub(crate) fn form(&self) -> Form {
        match self {
            Self { nftables: true, .. } => Form::Nftables,
            Self { haproxy: true, .. } => Form::Haproxy,
            Self { .. } => Form::Plain,
        }
    }
}
