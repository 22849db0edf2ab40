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
    let (users, group) = (getresuid()?, getresgid()?);
    let is_user = [users.real, users.effective, users.saved] == [uid; 3];
    let is_group = [group.real, group.effective, group.saved] == [gid, gid, saved];
    let numbers = |groups: &[Gid]| groups.iter().map(|group| group.as_raw()).collect::<BTreeSet<_>>();
    let are_groups = numbers(&getgroups()?) == numbers(groups);
    let left = rustix::thread::capabilities(None)?;
    let has_none = left.effective.is_empty() && left.permitted.is_empty();
    let is_for_good =
        nix::unistd::setuid(Uid::from_raw(0)).is_err() && nix::unistd::setgid(Gid::from_raw(0)).is_err();
    match is_user && is_group && are_groups && has_none && is_for_good && rustix::thread::no_new_privs()? {
        true => Ok(()),
        false => Err(denied(format!("the rights of uid {uid} were not taken as they should have been"))),
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
