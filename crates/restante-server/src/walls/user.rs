//! Whom the server becomes: `server.user` and `server.group`, and how root is given up so that it cannot be had back.
//!
//! Called once, before there is a second thread. Numbers are looked up before anything is bound, so that a name that is not there is
//! said first.

use super::WallsError;
use super::capabilities;
use crate::config::Process;
use crate::names::{self, KnownUser};
use nix::unistd::{self, Gid, Uid, User};
use rustix::thread::CapabilitySet;
use std::ffi::CString;
use std::fmt;
use std::io;

/// A user of the system that is not root, with the group that its processes have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUser {
    uid: Uid,
    gid: Gid,
    /// `None` for a number that the system has no name for.
    name: Option<String>,
}

impl ServerUser {
    /// What the configuration says; `None` where it names nobody.
    pub(crate) fn of(process: &Process) -> Result<Option<Self>, WallsError> {
        let Some(written) = &process.user else { return Ok(None) };
        Self::named(written, process.group.as_deref())
            .map(Some)
            .map_err(|error| WallsError::NoUser(written.clone(), error))
    }

    /// By name or number.
    ///
    /// # Errors
    /// The system knows no such user or group, or it is root.
    pub(crate) fn named(user: &str, group: Option<&str>) -> io::Result<Self> {
        let user = names::user(user)?;
        let gid = match group {
            Some(group) => names::group(group)?,
            None => user.gid.ok_or_else(|| {
                let problem = format!("user {} has no group of its own: set server.group", user.uid);
                io::Error::new(io::ErrorKind::NotFound, problem)
            })?,
        };
        let KnownUser { uid, name, .. } = user;
        if uid.is_root() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is root"));
        }
        Ok(Self { uid, gid, name })
    }

    /// Its number.
    pub(crate) fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// The number of its group.
    pub(crate) fn gid(&self) -> u32 {
        self.gid.as_raw()
    }

    /// Are we root, and so must become it?
    pub(crate) fn is_to_become(&self) -> bool {
        unistd::geteuid().is_root()
    }

    /// Are we it already, or root, who can become it?
    ///
    /// # Errors
    /// We are somebody else.
    pub(crate) fn check_possible(&self) -> Result<(), WallsError> {
        let is_us = unistd::getresuid().is_ok_and(|ids| ids.real == self.uid && ids.effective == self.uid);
        if is_us || self.is_to_become() { Ok(()) } else { Err(WallsError::NotRoot(self.clone())) }
    }

    /// Becomes it: groups, group and user, real, effective and saved, without a capability that could undo it. Changes all threads.
    ///
    /// # Errors
    /// The system refuses, or root could be had back. The process must end then.
    pub(super) fn assume(&self) -> Result<(), WallsError> {
        if !self.is_to_become() {
            return Ok(());
        }
        let failed = |what: &'static str| move |error: nix::Error| WallsError::Rights(what, error.into());
        // While we may still: nothing that is executed later can have more than this.
        capabilities::bound_by(CapabilitySet::empty())
            .map_err(|error| WallsError::Rights("cannot bound the capabilities", error))?;
        match &self.name {
            Some(name) => {
                let name = CString::new(name.as_str())
                    .map_err(|error| WallsError::Rights("cannot name the user", error.into()))?;
                unistd::initgroups(&name, self.gid).map_err(failed("cannot take the user's groups"))?;
            }
            None => unistd::setgroups(&[self.gid]).map_err(failed("cannot leave root's groups"))?,
        }
        unistd::setresgid(self.gid, self.gid, self.gid).map_err(failed("cannot take the group"))?;
        unistd::setresuid(self.uid, self.uid, self.uid).map_err(failed("cannot become the user"))?;
        Ok(())
    }

    /// Looks whether we are this user and nobody else, and whether root can be had back.
    ///
    /// # Errors
    /// It can.
    pub(super) fn verify(&self) -> Result<(), WallsError> {
        let failed = |error: nix::Error| WallsError::Rights("cannot tell who we are", error.into());
        let users = unistd::getresuid().map_err(failed)?;
        let groups = unistd::getresgid().map_err(failed)?;
        let is_it = [users.real, users.effective, users.saved].iter().all(|&uid| uid == self.uid)
            && [groups.real, groups.effective, groups.saved].iter().all(|&gid| gid == self.gid);
        let root = Uid::from_raw(0);
        let returned = unistd::setresuid(root, root, root).is_ok() || unistd::seteuid(root).is_ok();
        if is_it && !returned {
            return Ok(());
        }
        Err(WallsError::Rights("root could be had back", io::Error::other("the system lets us return")))
    }
}

impl fmt::Display for ServerUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.uid),
        }
    }
}

/// Who we are now, for the log: the name, else the number.
pub(super) fn now() -> String {
    let uid = unistd::geteuid();
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Are we root?
pub(super) fn is_root() -> bool {
    unistd::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number_and_root_is_none() {
        let nobody = ServerUser::named("nobody", None).unwrap();
        assert_eq!(ServerUser::named(&nobody.uid().to_string(), None).unwrap(), nobody);
        assert_eq!(nobody.to_string(), "nobody");
        let stranger = ServerUser::named("4000000001", Some("4000000002")).unwrap();
        assert_eq!((stranger.uid(), stranger.gid()), (4_000_000_001, 4_000_000_002));
        assert_eq!(stranger.to_string(), "4000000001");
        for (user, group, why) in [
            ("root", None, "root"),
            ("0", None, "root"),
            ("no such user", None, "no user"),
            ("nobody", Some("no such group"), "no group"),
            ("4000000001", None, "set server.group"),
        ] {
            let error = ServerUser::named(user, group).unwrap_err();
            assert!(error.to_string().contains(why), "{user}: {error}");
        }
    }
}
