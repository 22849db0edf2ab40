//! `[maildrop]`: where mail lies, of which kind it is, and how it is kept.

use super::section::section;
use super::template::Template;
use super::value::{Mode, choice};
use std::path::PathBuf;

section! {
    /// `[maildrop]`: where mail lies.
    pub struct Maildrop {
        /// The kind of maildrop: `maildir`. Default `maildir`.
        kind as "type": MaildropType = MaildropType::Maildir;
        /// The path of an account's maildrop. Replaced in it: `{account}` (the whole name), `{local}`, `{domain}` and
        /// `{home}` (from the account's source). Default `/var/mail/{account}`.
        path: Template = Template::default();
        /// Is a maildrop that does not exist made at the first delivery or login? Default true.
        create: bool = true;
        /// A file that must exist whenever a maildrop is opened or delivered to: the guard against a file system that
        /// is not mounted. Default: none.
        marker: Option<PathBuf> = None;
        /// The line ends of delivered files: `lf` (what other mail programs expect) or `crlf`. Default `lf`.
        line_ends: LineEnds = LineEnds::Lf;
        /// Permissions of delivered files. Default 0o600.
        file_mode: Mode = Mode(0o600);
        /// Permissions of folders that are made. Default 0o700.
        folder_mode: Mode = Mode(0o700);
    }
}

choice! {
    /// Kinds of maildrops.
    pub enum MaildropType {
        /// A Maildir, served in place.
        Maildir = "maildir",
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
