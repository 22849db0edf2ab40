//! The configuration of mboxes.

use super::super::*;
use super::{LEAST, folder, problems, read, same_lines};
use crate::assemble;
use restante_auth::account::{Account, AccountName};
use restante_store::Location;
use std::path::PathBuf;

#[test]
fn an_mbox_has_a_file_and_a_folder_for_each_account() {
    let folder = folder();
    let text = "[maildrop]\ntype = \"mbox\"\npath = \"/var/mail/{local}\"\ncontrol = \"own/{local}\"\n\
        mbox_form = \"mboxo\"\ndot_lock = \"possible\"\n";
    let config = read(&folder, &format!("{text}{LEAST}")).unwrap();
    let warned: Vec<_> = config.warnings.iter().map(|warning| warning.what.clone()).collect();
    assert_eq!(
        warned,
        [format!("maildrop.control: {} does not exist", folder.path().join("own/").display())]
    );
    let maildrop = &config.maildrop;
    assert_eq!((maildrop.mbox_form, maildrop.dot_lock), (MboxForm::Mboxo, DotLock::Possible));
    assert_eq!(read(&folder, &config.show()).unwrap().maildrop, config.maildrop);
    let account = Account::new(AccountName::new("bob").unwrap());
    assert_eq!(
        assemble::location(&config, &account).unwrap(),
        Location::Mbox { file: PathBuf::from("/var/mail/bob"), control: folder.path().join("own/bob") }
    );
}

#[test]
fn an_mbox_is_refused_without_a_folder_of_its_own() {
    let mbox = |more: &str| problems(&format!("[maildrop]\ntype = \"mbox\"\n{more}{LEAST}"));
    same_lines(&mbox(""), &["2: maildrop.type: an mbox without maildrop.control"]);
    same_lines(
        &mbox("control = \"/own\"\n"),
        &["3: maildrop.control: /own is one and the same for all accounts"],
    );
    same_lines(
        &mbox("path = \"/tmp/{local}\"\ncontrol = \"/tmp/{local}\"\n"),
        &["4: maildrop.control: it is the mbox itself"],
    );
    same_lines(
        &mbox("control = \"/tmp/{local}\"\nmbox_form = \"mboxcl\"\n"),
        &["4: maildrop.mbox_form: \"mboxcl\" is not known"],
    );
}

#[test]
fn what_only_one_kind_of_maildrop_has_is_refused_for_the_other() {
    let mbox = "[maildrop]\ntype = \"mbox\"\ncontrol = \"/tmp/{local}\"\n";
    same_lines(
        &problems(&format!("{mbox}line_ends = \"crlf\"\n{LEAST}[bulletins]\npath = \"/tmp\"\n")),
        &[
            "4: maildrop.line_ends: an mbox has the line ends that other programs expect",
            "8: bulletins.path: bulletins are not for mboxes in this version",
        ],
    );
    same_lines(
        &problems(&format!(
            "{mbox}trash = \"14 days\"\nforeign_locks = \"ignore\"\nexpire = \"90 days\"\n{LEAST}"
        )),
        &[
            "4: maildrop.trash: the trash is not for mboxes in this version",
            "5: maildrop.foreign_locks: the locks of an mbox are always respected",
            "6: maildrop.expire: messages of mboxes do not expire in this version",
        ],
    );
    same_lines(
        &problems(&format!("[maildrop]\ncontrol = \"/tmp/{{local}}\"\n{LEAST}")),
        &["2: maildrop.control: only an mbox has that"],
    );
}

#[test]
fn mail_is_kept_for_a_day_or_more() {
    for expire in ["0 days", "23 hours", "36 hours", "86401 seconds", "65536 days"] {
        same_lines(
            &problems(&format!("[maildrop]\nexpire = \"{expire}\"\n{LEAST}")),
            &["2: maildrop.expire: mail is kept for whole days, from 1 to 65535"],
        );
    }
    same_lines(
        &problems(&format!("[maildrop]\nexpire_from = \"arrival\"\n{LEAST}")),
        &["2: maildrop.expire_from: \"arrival\" is not known"],
    );
}
