//! The flags of `maildrop deleted`, `maildrop undelete` and `maildrop expire`.

use clap::{ArgGroup, Args};

use super::{AccountName, Accounts, ConfigFile, Json};

/// List what was deleted from an account's maildrop and is still in its trash
///
/// Oldest first, with the time of deletion and what names the message. There is a trash where maildrop.trash is set.
#[derive(Args, Debug)]
pub(crate) struct Deleted {
    #[command(flatten)]
    pub(crate) name: AccountName,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Put deleted messages of an account back into its maildrop
///
/// They come back with the unique-ids and places that they had: a client that remembers what it has retrieved, as those do that
/// leave mail on the server, believes that it has them, and does not fetch them again. That is right when the messages
/// are still in the client, or are to be seen by another one. With --as-new they come back as new messages, and every
/// client fetches them: that is right when a user has lost them.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("which").required(true),
    override_usage = "restante maildrop undelete [OPTIONS] <ACCOUNT> <UNIQUE-ID>...\n       \
                      restante maildrop undelete [OPTIONS] <ACCOUNT> --all | --since TIME",
)]
pub(crate) struct Undelete {
    #[command(flatten)]
    pub(crate) name: AccountName,
    /// The messages with these unique-ids, as 'maildrop deleted' lists them
    #[arg(value_name = "UNIQUE-ID", group = "which")]
    pub(crate) unique_ids: Vec<String>,
    /// All messages in the trash
    #[arg(long, group = "which")]
    pub(crate) all: bool,
    /// Those that were deleted at this time or later: '2026-11-22 09:30', '2026-11-22', or how long ago, '2 hours'
    #[arg(long, value_name = "TIME", group = "which")]
    pub(crate) since: Option<String>,
    /// Give them new unique-ids, so that every client fetches them
    #[arg(long)]
    pub(crate) as_new: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Remove messages that are old enough now, by maildrop.expire
///
/// The server does the same once a day. Messages go into the trash where there is one. A maildrop that is in use is left out. With
/// --dry-run nothing is changed, and what would go is listed, also of maildrops in use.
#[derive(Args, Debug)]
pub(crate) struct Expire {
    #[command(flatten)]
    pub(crate) which: Accounts,
    /// Say what would be removed, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    #[command(flatten)]
    pub(crate) json: Json,
}
