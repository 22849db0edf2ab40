//! Becoming an account, for good, and making sure of it.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist, getgroups, getresgid, getresuid, setgroups};
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal};

use crate::charter::{MailFolder, WorkerCharter};

/// Who this process has become.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The name of the account.
    pub(crate) name: String,
    /// Its group.
    pub(crate) gid: Gid,
    /// The folder with its mbox, and the group that may write to it.
    pub(crate) mail: Option<(MailFolder, Gid)>,
}

/// Gives up everything but the rights of this account: its groups, its group, its user, all three of each. Only the saved group may
/// be that of the mail folder, so that it can be taken for a moment and given back. No capability is left, none can be had again,
/// and nobody can look into this process.
///
/// # Errors
/// There is no such account, or the system did not do what it said it did.
pub(crate) fn become_account(charter: &WorkerCharter) -> io::Result<Identity> {
    let uid = Uid::from_raw(charter.uid);
    let user =
        User::from_uid(uid)?.ok_or_else(|| denied(format!("no account of the system has the uid {uid}")))?;
    if uid.is_root() || user.uid != uid || user.gid.as_raw() == 0 {
        return Err(denied(format!("the account {} is root's, or in its group", user.name)));
    }
    let name = CString::new(user.name.as_str()).map_err(io::Error::other)?;
    let mut groups = getgrouplist(&name, user.gid)?;
    // Files of root's group are no mail.
    groups.retain(|group| group.as_raw() != 0);
    let mail = charter.mail.as_ref().map(|mail| mail_group(mail).map(|group| (mail.clone(), group)));
    let mail = mail.transpose()?;
    let saved = mail.as_ref().map_or(user.gid, |(_, group)| *group);

    setgroups(&groups)?;
    nix::unistd::setresgid(user.gid, user.gid, saved)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    // Changing the user has cleared it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    // Modes are those of the configuration, but never for everybody to write.
    rustix::process::umask(rustix::fs::Mode::WOTH);
    verify(uid, user.gid, saved, &groups)?;
    Ok(Identity { name: user.name, gid: user.gid, mail })
}

fn mail_group(mail: &MailFolder) -> io::Result<Gid> {
    match Group::from_name(&mail.group)? {
        Some(group) if group.gid.as_raw() != 0 => Ok(group.gid),
        _ => Err(denied(format!("there is no group {} that mail folders could belong to", mail.group))),
    }
}

/// Asks the system who we are.
fn verify(uid: Uid, gid: Gid, saved: Gid, groups: &[Gid]) -> io::Result<()> {
    match Rights::now()? == Rights::wanted(uid, gid, saved, groups) {
        true => Ok(()),
        false => Err(denied(format!("the rights of uid {uid} were not taken as they should have been"))),
    }
}

/// All that a process may do by who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rights {
    /// Real, effective, saved; the same for groups.
    users: [u32; 3],
    own_groups: [u32; 3],
    groups: BTreeSet<u32>,
    has_capabilities: bool,
    /// Neither root nor its group could be had again. Trying is the only way to know, and leaves whoever fails the trial as root.
    is_for_good: bool,
    no_new_privileges: bool,
}

impl Rights {
    fn now() -> io::Result<Self> {
        let (users, groups) = (getresuid()?, getresgid()?);
        let left = rustix::thread::capabilities(None)?;
        Ok(Self {
            users: [users.real, users.effective, users.saved].map(Uid::as_raw),
            own_groups: [groups.real, groups.effective, groups.saved].map(Gid::as_raw),
            groups: getgroups()?.into_iter().map(Gid::as_raw).collect(),
            has_capabilities: !left.effective.is_empty() || !left.permitted.is_empty(),
            is_for_good: nix::unistd::setuid(Uid::from_raw(0)).is_err()
                && nix::unistd::setgid(Gid::from_raw(0)).is_err(),
            no_new_privileges: rustix::thread::no_new_privs()?,
        })
    }

    fn wanted(uid: Uid, gid: Gid, saved: Gid, groups: &[Gid]) -> Self {
        Self {
            users: [uid.as_raw(); 3],
            own_groups: [gid, gid, saved].map(Gid::as_raw),
            groups: groups.iter().map(|group| group.as_raw()).collect(),
            has_capabilities: false,
            is_for_good: true,
            no_new_privileges: true,
        }
    }
}

/// Does something with the group of the mail folder, which is given back before this returns.
///
/// # Errors
/// The group is not to be had. `Abandoned` when it could not be given back: nothing more may be done then.
pub(crate) fn with_group<T>(mail: Gid, own: Gid, act: impl FnOnce() -> T) -> Result<T, Borrowing> {
    nix::unistd::setegid(mail).map_err(|error| Borrowing::Refused(error.into()))?;
    let done = act();
    match nix::unistd::setegid(own) {
        Ok(()) => Ok(done),
        Err(_) => Err(Borrowing::Abandoned),
    }
}

/// Why a group was not borrowed as it should.
#[derive(Debug)]
pub(crate) enum Borrowing {
    Refused(io::Error),
    Abandoned,
}

fn denied(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_nobody_to_become() {
        // Said before anything is changed.
        let error = become_account(&WorkerCharter { uid: 0, mail: None }).unwrap_err();
        assert!(error.to_string().contains("is root's"), "{error}");
    }

    #[test]
    fn who_has_any_right_more_than_the_account_is_not_it() {
        let (uid, gid, mail, more) =
            (Uid::from_raw(1000), Gid::from_raw(100), Gid::from_raw(8), Gid::from_raw(27));
        let wanted = Rights::wanted(uid, gid, mail, &[gid, more]);
        let same = || wanted.clone();
        for other in [
            Rights { users: [1000, 1000, 0], ..same() },
            Rights { users: [0, 1000, 1000], ..same() },
            Rights { own_groups: [100, 8, 8], ..same() },
            Rights { own_groups: [0, 100, 8], ..same() },
            Rights { groups: [100, 27, 0].into(), ..same() },
            Rights { groups: [100].into(), ..same() },
            Rights { has_capabilities: true, ..same() },
            Rights { is_for_good: false, ..same() },
            Rights { no_new_privileges: false, ..same() },
        ] {
            assert_ne!(other, wanted);
        }
        assert_eq!(wanted.own_groups, [100, 100, 8]);
    }

    #[test]
    fn a_borrowed_group_is_given_back() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (own, mail) = (nix::unistd::getegid(), Gid::from_raw(8));
        let during = with_group(mail, own, nix::unistd::getegid).unwrap();
        assert_eq!((during, nix::unistd::getegid()), (mail, own));
        // Where that fails nothing more may be done.
        let nobody = Gid::from_raw(u32::MAX);
        assert!(matches!(with_group(own, nobody, || ()), Err(Borrowing::Abandoned)));
    }
}
