//! The flags of `restante fetch`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use restante_client::pin::Pin;

use super::Json;
use super::tokens::FetchFile;

/// Collect mail from POP3 accounts elsewhere, exactly once
///
/// Accounts are URLs with --to, or those of a configuration file. A message counts as collected when it is durable
/// wherever it goes; it is never fetched again, whatever the network, the power or the server do, and nothing is
/// deleted on a server unless --delete, --keep or the configuration say so.
///
/// restante fetch pops://alice@mail.example.org --to maildir:~/Mail
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    group = ArgGroup::new("password").multiple(false),
    after_long_help = "Exit status: 0 all collected; 1 partly; 65 a message is in the quarantine; 69 unreachable; \
                       75 busy, or ended early; 76 TLS, or the server broke the protocol; 77 wrong password; 78 configuration."
)]
pub(crate) struct Fetch {
    #[command(subcommand)]
    pub(crate) command: Option<FetchCommand>,
    /// Accounts: pops://user@host (TLS), or pop://user@host (STLS); several share --to and the other flags
    #[arg(value_name = "URL", conflicts_with_all = ["config", "account"])]
    pub(crate) urls: Vec<String>,
    /// The configuration file [default: fetch.toml in $XDG_CONFIG_HOME/restante, else in /etc/restante]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Only this account of the configuration (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Vec<String>,
    /// Where messages go (may be repeated): maildir:PATH, mbox:PATH, lmtp:unix:PATH,to=ADDRESS, lmtp:HOST:PORT,to=ADDRESS, smtp:HOST:PORT,to=ADDRESS, command:PROGRAM ARGUMENTS
    #[arg(long, value_name = "SINK")]
    pub(crate) to: Vec<String>,
    /// What stays on the server: all (the default), none, '30 days', 'newest 500', while-local
    #[arg(long, value_name = "POLICY", conflicts_with = "delete")]
    pub(crate) keep: Option<String>,
    /// Delete on the server what is collected; the same as --keep none
    #[arg(long)]
    pub(crate) delete: bool,
    /// Leave larger messages on the server: 50 MiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_size: Option<String>,
    /// Take the first line that a shell command prints as the password
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString, group = "password")]
    pub(crate) password_command: Option<String>,
    /// Read the password from the first line of a file that its owner alone can read
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "password")]
    pub(crate) password_file: Option<PathBuf>,
    /// Take the password from this variable of the environment [default: asked for on the terminal]
    #[arg(long, value_name = "NAME", group = "password")]
    pub(crate) password_env: Option<String>,
    /// Speak in clear with the servers of the URLs; for loopback only
    #[arg(long)]
    pub(crate) no_tls: bool,
    /// Verify certificates by the authorities in this PEM file instead of the machine's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "no_tls")]
    pub(crate) ca: Option<PathBuf>,
    /// Ask for this key of the servers' certificates beside all else: sha256// and base64 (may be repeated, for the next key)
    #[arg(long, value_name = "PIN", conflicts_with = "no_tls")]
    pub(crate) pin: Vec<Pin>,
    /// Go to the servers of the URLs through this proxy: socks5://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ before the host where it wants that
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) proxy: Option<String>,
    /// With --keep while-local: delete on the server what is gone from the local Maildir, however much that is
    #[arg(long, conflicts_with_all = ["watch", "delete"])]
    pub(crate) believe_local: bool,
    /// Go on looking, each account at its interval, until SIGTERM; SIGHUP reads the configuration again, SIGUSR1 looks at once
    #[arg(long, conflicts_with_all = ["dry_run", "check"])]
    pub(crate) watch: bool,
    /// Say what would be fetched and deleted, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read flags and configuration, report what is wrong, and connect to nobody
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) check: bool,
    /// What most unique-ids mean that are new all at once, where it cannot be found out: adopt takes the messages for collected, fetch for new
    #[arg(long, value_name = "WHAT")]
    pub(crate) new_unique_ids: Option<NewUniqueIds>,
    /// Look at so many accounts at a time [default: 8]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) state: FetchState,
    /// Say nothing but what went wrong
    #[arg(long, short, conflicts_with_all = ["verbose", "json"])]
    pub(crate) quiet: bool,
    /// Say what happens to each message
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Show the dialogue with the servers, without secrets and messages
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// What else `fetch` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum FetchCommand {
    /// Take over the configuration of fetchmail, getmail, mpop or fdm, and what it has collected
    Import(FetchImport),
    /// Show what is known of each account: when it was last collected, how many messages, what waits, which login ends soon
    Status {
        #[command(flatten)]
        file: FetchFile,
        #[command(flatten)]
        json: Json,
    },
    /// See to messages that could not be delivered: they are kept here with the reason, and block nothing
    Quarantine {
        #[command(subcommand)]
        command: QuarantineCommand,
    },
}

/// What can be done about messages that could not be delivered.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List them, with who refused them and why
    List {
        #[command(flatten)]
        state: FetchState,
        #[command(flatten)]
        json: Json,
    },
    /// Print one of them
    Show {
        /// The message as list shows it, or the beginning of that
        message: String,
        #[command(flatten)]
        state: FetchState,
    },
    /// Deliver them again to where they have not come; what is taken everywhere leaves the quarantine
    Retry {
        /// The messages as list shows them [default: all]
        messages: Vec<String>,
        /// The configuration that says where messages go [default: as without it]
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
        /// Deliver here, in place of the sink that refused them (may be repeated)
        #[arg(long, value_name = "SINK")]
        to: Vec<String>,
        #[command(flatten)]
        state: FetchState,
    },
    /// Remove them for good
    Drop {
        /// The messages as list shows them
        #[arg(required = true)]
        messages: Vec<String>,
        #[command(flatten)]
        state: FetchState,
    },
}

/// What is taken over from where.
#[derive(Args, Debug)]
#[command(
    after_long_help = "The other program and its files stay as they are. Exit status: 0 all is taken over; 1 an account is not, \
                       because its mail would be sorted between people or by its contents; 78 the file is wrong."
)]
pub(crate) struct FetchImport {
    /// Whose configuration it is [default: the one whose file is there]
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: Option<Program>,
    /// Its configuration [default: where the program looks for it]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Write the configuration to this file, which must not exist [default: fetch.toml where `restante fetch` looks for it]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Read the program's unique-ids from this file [default: where its configuration says]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ids: Option<PathBuf>,
    /// Take over the unique-ids alone, for accounts of a configuration that is there already
    #[arg(long)]
    pub(crate) state_only: bool,
    /// Show what would be written, without passwords, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) state: FetchState,
}

/// Programs whose configurations are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    /// .fetchmailrc and .fetchids
    Fetchmail,
    /// getmailrc and oldmail-…
    Getmail,
    /// .mpoprc and .mpop_uidls/…
    Mpop,
    /// .fdm.conf and the caches of its accounts
    Fdm,
}

/// Where it is kept what is collected.
#[derive(Args, Debug)]
pub(crate) struct FetchState {
    /// The folder of state [default: state_dir of the configuration, else $XDG_STATE_HOME/restante/fetch; for root /var/lib/restante/fetch]
    #[arg(long = "state", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
}

/// What unique-ids that are new all at once mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewUniqueIds {
    /// They are those of messages that are collected.
    Adopt,
    /// They are those of new messages.
    Fetch,
}
