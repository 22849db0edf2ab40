//! `[maildrop]`: where mail lies, of which kind it is, and how it is kept.

use super::template::Template;
use restante_config::choice;
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_config::value::{Mode, Span};
use restante_store::expiry::{self, Expiry};
use std::ops::RangeInclusive;
use std::path::PathBuf;

section! {
    #[derive(PartialEq, Eq)]
    /// `[maildrop]`: where mail lies.
    pub struct Maildrop {
        /// The kind of maildrop: `maildir`, or `mbox` for one file with all messages. Default `maildir`.
        kind as "type": MaildropType = MaildropType::Maildir;
        /// The path of an account's maildrop. Replaced in it: `{account}` (the whole name), `{local}`, `{domain}` and
        /// `{home}` (from the account's source). Default `/var/mail/{account}`.
        path: Template = Template::default();
        /// For `mbox`: the folder of Restante's own files for an account, with the same places as `path`. What stands before
        /// the first of them must exist. Default: none, and an mbox needs one.
        control: Option<Template> = None;
        /// For `mbox`: how lines that begin with `From ` are quoted in what is delivered: `mboxrd`, which is undone when
        /// messages are read, or `mboxo`, which cannot be. Default `mboxrd`.
        mbox_form: MboxForm = MboxForm::Mboxrd;
        /// For `mbox`: is it locked by a file `NAME.lock` beside it as well? `required`; `possible`, not where that file may
        /// not be made; or `never`. Default `required`.
        dot_lock: DotLock = DotLock::Required;
        /// Is a maildrop that does not exist made at the first delivery or login? Default true.
        create: bool = true;
        /// The folders that maildrops lie below, beside what stands in `path` before the first place: where sources of accounts name
        /// maildrops or homes. The server reaches no mail outside of them, unless `server.confine` is `off`. Default: none.
        roots: Vec<PathBuf> = Vec::new();
        /// A file that must exist whenever a maildrop is opened or delivered to: the guard against a file system that
        /// is not mounted. Default: none.
        marker: Option<PathBuf> = None;
        /// So long a session may be silent before a new login of its account takes its maildrop over, for instance
        /// `"2 minutes"`. Default: none, and the login is refused.
        takeover_after: Option<Span> = None;
        /// What the locks of other programs are worth: `respect` (whoever holds one has the maildrop) or `ignore`. Default
        /// `respect`.
        foreign_locks: ForeignLocks = ForeignLocks::Respect;
        /// The line ends of delivered files: `lf` (what other mail programs expect) or `crlf`. Default `lf`.
        line_ends: LineEnds = LineEnds::Lf;
        /// How deliveries are made durable. `each`: every one syncs its file and its folder. `shared`: those that come at the
        /// same time sync the whole file system together, which costs less and waits for what anybody has written there:
        /// for a file system that holds nothing but mail. Both promise the same. Default `each`.
        syncs: Syncs = Syncs::Each;
        /// Permissions of delivered files. Default 0o600.
        file_mode: Mode = Mode(0o600);
        /// Permissions of folders that are made. Default 0o700.
        folder_mode: Mode = Mode(0o700);
        /// How long deleted messages are kept aside, to be put back by `restante maildrop undelete`. Default: none, and what is
        /// deleted is gone.
        trash: Option<Span> = None;
        /// Is a maildrop refused when most of its messages have other unique-ids than they had, so that clients would
        /// retrieve everything again? `restante maildrop accept` releases it. Default true.
        guard: bool = true;
        /// After so long messages are removed by the server itself, for instance `"90 days"`: whole days, 1 to 65,535. Clients are
        /// told (EXPIRE). Default: none, and mail is kept for ever.
        expire: Option<Span> = None;
        /// What that is counted from: `retrieval` (when a client had retrieved the message for the first time; one that nobody has
        /// retrieved stays) or `delivery`. Default `retrieval`.
        expire_from: ExpireFrom = ExpireFrom::Retrieval;
    }
}

impl Maildrop {
    /// When messages are removed by the server itself; `None`: never.
    pub fn expiry(&self) -> Option<Expiry> {
        let from = match self.expire_from {
            ExpireFrom::Retrieval => expiry::From::Retrieval,
            ExpireFrom::Delivery => expiry::From::Delivery,
        };
        self.expire.map(|after| Expiry { after: after.0, from })
    }
}

/// Looks at what a time can mean.
pub(super) fn check(written: &Maildrop, lines: &Lines, problems: &mut Problems<'_>) {
    if written.kind == MaildropType::Mbox {
        let remedy = "leave it out, or set maildrop.type = \"maildir\"";
        if written.trash.is_some() {
            let what = "maildrop.trash: the trash is not for mboxes in this version";
            problems.error(lines.at("maildrop.trash"), what, remedy);
        }
        if written.expire.is_some() {
            let what = "maildrop.expire: messages of mboxes do not expire in this version";
            problems.error(lines.at("maildrop.expire"), what, remedy);
        }
        if written.foreign_locks == ForeignLocks::Ignore {
            let what = "maildrop.foreign_locks: the locks of an mbox are always respected";
            problems.error(lines.at("maildrop.foreign_locks"), what, "set maildrop.dot_lock instead");
        }
    }
    if written.trash.is_some_and(|span| span.0.is_zero()) {
        problems.error(
            lines.at("maildrop.trash"),
            "maildrop.trash: nothing can be kept for no time",
            "write for how long, for instance \"14 days\", or take the key out to keep nothing",
        );
    }
    let is_right =
        |span: Span| EXPIRE_S.contains(&span.0.as_secs()) && span.0.as_secs().is_multiple_of(DAY_S);
    if written.expire.is_some_and(|span| !is_right(span)) {
        problems.error(
            lines.at("maildrop.expire"),
            "maildrop.expire: mail is kept for whole days, from 1 to 65535",
            "write for how long, for instance \"90 days\", or take the key out to keep it for ever",
        );
    }
}

/// What can be said in the days that clients are told, in seconds.
const EXPIRE_S: RangeInclusive<u64> = DAY_S..=65_535 * DAY_S;

/// Seconds of a day.
pub(crate) const DAY_S: u64 = 86_400;

choice! {
    /// What the age of a message is counted from.
    pub enum ExpireFrom {
        /// When it was retrieved.
        Retrieval = "retrieval",
        /// When it was delivered.
        Delivery = "delivery",
    }
}

choice! {
    /// Kinds of maildrops.
    pub enum MaildropType {
        /// A Maildir, served in place.
        Maildir = "maildir",
        /// A file, served in place.
        Mbox = "mbox",
    }
}

choice! {
    /// How an mbox is quoted.
    pub enum MboxForm {
        /// `>` before any line of `From ` behind any number of `>`.
        Mboxrd = "mboxrd",
        /// `>` before `From `.
        Mboxo = "mboxo",
    }
}

choice! {
    /// Whether the dot-lock of an mbox is taken.
    pub enum DotLock {
        /// Always.
        Required = "required",
        /// Where it may be made.
        Possible = "possible",
        /// Not at all.
        Never = "never",
    }
}

choice! {
    /// What the locks of other programs are worth.
    pub enum ForeignLocks {
        /// A session that holds one has the maildrop.
        Respect = "respect",
        /// Nothing.
        Ignore = "ignore",
    }
}

choice! {
    /// How deliveries are made durable.
    pub enum Syncs {
        /// Each syncs its file and its folder.
        Each = "each",
        /// Several sync the file system together.
        Shared = "shared",
    }
}

choice! {
    /// Line ends in delivered files.
    pub enum LineEnds {
        /// LF.
        Lf = "lf",
        /// CRLF.
        Crlf = "crlf",
    }
}
