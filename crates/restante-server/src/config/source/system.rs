//! `type = "system"`: the accounts of this machine, by its name services, with passwords by PAM or `/etc/shadow`.

use crate::config::{Config, MaildropType};
use crate::file;
use restante_broker::{HAS_PAM, MailFolder, Passwords, Settings};
use restante_config::problem::Problems;
use restante_config::section::Lines;
use restante_config::{choice, section};
use std::path::Path;
use std::time::Duration;

section! {
    #[derive(PartialEq, Eq)]
    /// The accounts of this machine. Their mail is touched with their own rights, which takes a server that is started as root.
    pub struct SystemSource {
        /// How passwords are checked: `pam`, `shadow` (against `/etc/shadow`), or `none`. Default `pam`.
        passwords: SystemPasswords = SystemPasswords::Pam;
        /// The service of PAM: the rules are those of `/etc/pam.d/SERVICE`. Default `restante`.
        service: String = "restante".to_owned();
        /// The lowest number of a user who has an account here. Default 1000.
        first_uid: u64 = 1_000, in 1..=4_294_967_294;
        /// The highest. Default 60000.
        last_uid: u64 = 60_000, in 1..=4_294_967_294;
        /// Accounts whose files are open at the same time, each by a process of its own; one more is answered as temporarily
        /// unavailable. Default 500.
        workers: u64 = 500, in 1..=100_000;
        /// Seconds that a look-up, the check of a password, or one operation on a file may take. Default 30.
        timeout_s: u64 = 30, in 1..=300;
        /// The group that may write to the folder of mboxes, where that is not everybody: it is taken for making a dot-lock or a
        /// missing mbox, and for nothing else. Default: none.
        mail_group: Option<String> = None;
    }
}

choice! {
    /// How passwords of system accounts are checked.
    pub enum SystemPasswords {
        /// By the modules of PAM.
        Pam = "pam",
        /// Against `/etc/shadow`.
        Shadow = "shadow",
        /// Not at all: another source has them.
        None = "none",
    }
}

impl SystemSource {
    /// What the broker may do; `mail` is the folder of mboxes.
    pub(crate) fn settings(&self, config: &Config) -> Settings {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let has_mboxes = config.maildrop.kind == MaildropType::Mbox;
        let folder = config.maildrop.path.root();
        Settings {
            first_uid: number(self.first_uid),
            last_uid: number(self.last_uid),
            workers_max: number(self.workers),
            passwords: match self.passwords {
                SystemPasswords::None => Passwords::None,
                SystemPasswords::Shadow => Passwords::Shadow,
                SystemPasswords::Pam => Passwords::Pam(self.service.clone()),
            },
            timeout: Duration::from_secs(self.timeout_s),
            mail: self.mail_group.clone().filter(|_| has_mboxes).map(|group| MailFolder { folder, group }),
        }
    }

    pub(super) fn check(&self, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
        let at = |key: &str| lines.at(&format!("{name}.{key}"));
        if self.last_uid < self.first_uid {
            problems.error(
                at("last_uid"),
                format!("{name}: last_uid {} is below first_uid {}", self.last_uid, self.first_uid),
                "write the lowest and the highest number of those who have mail here",
            );
        }
        if self.passwords != SystemPasswords::Pam {
            return;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_service =
            !self.service.starts_with('.') && !self.service.is_empty() && self.service.chars().all(is_name);
        if !is_service {
            problems.error(
                at("service"),
                format!("{name}.service: {:?} is no name of a service of PAM", self.service),
                "name a file of /etc/pam.d, such as \"restante\"",
            );
        } else if !HAS_PAM {
            problems.error(
                at("passwords"),
                format!("{name}: this program was built without PAM"),
                "set passwords = \"shadow\", or build it with --features pam",
            );
        } else if !file::exists(&Path::new("/etc/pam.d").join(&self.service)) {
            problems.warning(
                at("service"),
                format!(
                    "there is no /etc/pam.d/{}: the rules of /etc/pam.d/other hold, which let nobody in",
                    self.service
                ),
                "write the file; docs/operating.md shows one",
            );
        }
    }
}
