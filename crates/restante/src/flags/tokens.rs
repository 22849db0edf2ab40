//! The flags of `restante login` and `restante logout`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::Json;
use super::fetch::FetchState;

/// Log an account in at its provider of tokens (OAuth 2.0)
///
/// For accounts with oauth in fetch.toml: a person agrees once, in a browser or with a code on another device, and
/// 'restante fetch' gets its tokens by itself from then on. What is kept is sealed.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Exit status: 0 logged in; 67 there is no such account; 69 the provider cannot be reached; \
                       75 another process is busy with this login; 77 denied, or nobody agreed in time; 78 configuration."
)]
pub(crate) struct Login {
    /// The account, by its name in the configuration
    #[arg(required_unless_present = "status")]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) file: FetchFile,
    /// Show a code to be typed on another device
    #[arg(long, conflicts_with_all = ["browser", "status"])]
    pub(crate) device: bool,
    /// Show an address to be opened in a browser on this machine
    #[arg(long, conflicts_with = "status")]
    pub(crate) browser: bool,
    /// Let the browser's answer come to this port, to be forwarded by ssh -L [default: any that is free]
    #[arg(long, value_name = "PORT", conflicts_with_all = ["device", "status"])]
    pub(crate) port: Option<u16>,
    /// Show which accounts are logged in and when that ends, without asking anybody
    #[arg(long)]
    pub(crate) status: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Give an account's login back to its provider, and forget it
#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// The account, by its name in the configuration
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) file: FetchFile,
    /// Forget it here, and ask nobody
    #[arg(long)]
    pub(crate) local: bool,
}

/// Where the configuration of what is collected is.
#[derive(Args, Debug)]
pub(crate) struct FetchFile {
    /// The configuration file [default: fetch.toml in $XDG_CONFIG_HOME/restante, else in /etc/restante]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: FetchState,
}
