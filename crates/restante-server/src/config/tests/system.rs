//! `type = "system"`: the accounts of this machine.

use super::super::source::{AuthSource, SystemPasswords, SystemSource};
use super::super::*;
use super::{folder, problems, read, same_lines};
use restante_broker::{HAS_PAM, MailFolder, Passwords};
use std::time::Duration;

fn source(more: &str) -> String {
    format!("[[auth.source]]\ntype = \"system\"\n{more}")
}

#[test]
fn the_accounts_of_the_machine_are_a_source() {
    let folder = folder();
    let text = source(
        "passwords = \"shadow\"\nfirst_uid = 500\nlast_uid = 700\nworkers = 9\ntimeout_s = 7\nmail_group = \"mail\"\n[maildrop]\ntype = \"mbox\"\npath = \"/var/mail/{local}\"\ncontrol = \"control/{local}\"\n",
    );
    let config = read(&folder, &text).unwrap();
    let AuthSource::System(own) = &config.sources.first().unwrap().own else {
        panic!("{:?}", config.sources)
    };
    assert_eq!(own.passwords, SystemPasswords::Shadow);
    let settings = own.settings(&config);
    assert_eq!((settings.first_uid, settings.last_uid, settings.workers_max), (500, 700, 9));
    assert_eq!((settings.passwords, settings.timeout), (Passwords::Shadow, Duration::from_secs(7)));
    let mail = MailFolder { folder: "/var/mail/".into(), group: "mail".to_owned() };
    assert_eq!(settings.mail, Some(mail));
    assert_eq!(read(&folder, &config.show()).unwrap().sources, config.sources);
    let least =
        read(&folder, &source("passwords = \"none\"\n[maildrop]\npath = \"{home}/Maildir\"\n")).unwrap();
    let own = SystemSource { passwords: SystemPasswords::None, ..SystemSource::default() };
    assert_eq!(least.sources.first().unwrap().own, AuthSource::System(own));
    // Homes are not the server's to touch.
    assert!(least.places().iter().all(|place| place.path != Path::new("/")));
}

#[test]
fn what_cannot_be_served_is_said() {
    same_lines(
        &problems(&source("passwords = \"shadow\"\nfirst_uid = 2000\nlast_uid = 1000\n")),
        &["5: auth.source.0: last_uid 1000 is below first_uid 2000"],
    );
    same_lines(
        &problems(&source("passwords = \"shadow\"\nmail_group = \"mail\"\n")),
        &["4: auth.source.0.mail_group: Maildirs need no group"],
    );
    same_lines(
        &problems(&source("service = \"../login\"\n")),
        &["3: auth.source.0.service: \"../login\" is no name of a service of PAM"],
    );
    let two = format!("{}{}", source("passwords = \"none\"\n"), source("passwords = \"none\"\n"));
    same_lines(&problems(&two), &["4: auth.source.1: a second source of type \"system\""]);
    let root = problems(&source("passwords = \"none\"\nfirst_uid = 0\n"));
    assert!(root.len() == 1 && root.first().unwrap().contains("first_uid"), "{root:?}");
}

#[test]
fn a_program_without_pam_says_so() {
    let folder = folder();
    let read = read(&folder, &source("service = \"no-such-service-here\"\n"));
    if HAS_PAM {
        let warning = &read.unwrap().warnings;
        assert!(warning.iter().any(|warning| warning.what.contains("/etc/pam.d/other")), "{warning:?}");
    } else {
        let problems = read.unwrap_err();
        assert!(problems.iter().any(|problem| problem.what.contains("built without PAM")), "{problems:?}");
    }
}
