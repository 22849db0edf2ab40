//! Users and groups of the system by name or number, looked up once in the life of the process.
//!
//! The only place of this crate that asks the name service. What was found is remembered, since a server behind its walls may not be
//! able to ask again: walls are built around the file that `/etc/passwd` was at the start, and whoever adds a user puts another one in
//! its place. A reload goes on with what the start has found, as the process goes on with the user that it has become. Asked while the
//! configuration is checked, when rights are given up, and when a socket is given away.

use nix::unistd::{Gid, Group, Uid, User};
use std::collections::HashMap;
use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

/// A user of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownUser {
    pub(crate) uid: Uid,
    /// The group that its processes have; `None` for a number that the system has no user for.
    pub(crate) gid: Option<Gid>,
    /// `None` for a number that the system has no user for.
    pub(crate) name: Option<String>,
}

/// A user, by name or number. A number may be one that the system has no user for.
///
/// # Errors
/// There is none of this name, or the system cannot say.
pub(crate) fn user(written: &str) -> io::Result<KnownUser> {
    let known = USERS.get(written, || match written.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(written),
    });
    match (known, written.parse()) {
        (Ok(Some(user)), _) => Ok(KnownUser { uid: user.uid, gid: Some(user.gid), name: Some(user.name) }),
        // A number needs nobody who knows it.
        (_, Ok(number)) => Ok(KnownUser { uid: Uid::from_raw(number), gid: None, name: None }),
        (Ok(None), Err(_)) => Err(unknown("user", written, "/etc/passwd")),
        (Err(error), Err(_)) => Err(error.into()),
    }
}

/// A group, by name or number.
///
/// # Errors
/// There is none of this name, or the system cannot say.
pub(crate) fn group(written: &str) -> io::Result<Gid> {
    if let Ok(number) = written.parse() {
        return Ok(Gid::from_raw(number));
    }
    let known = GROUPS.get(written, || Group::from_name(written))?;
    known.map(|known| known.gid).ok_or_else(|| unknown("group", written, "/etc/group"))
}

/// Nobody of this name is found: there is none, or we may not look.
fn unknown(what: &str, written: &str, file: &str) -> io::Error {
    match crate::file::check_readable(file.as_ref()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => io::Error::new(
            error.kind(),
            format!(
                "the {what} {written:?} cannot be looked up: {file} is not the file that the server was started with, and its walls shut the \
                 new one out; restart the server, or write the {what}'s number"
            ),
        ),
        _ => io::Error::new(io::ErrorKind::NotFound, format!("there is no {what} {written:?}")),
    }
}

/// What was found, by how it was written. It grows with the names that stand in configurations and that the system has.
struct Found<T>(LazyLock<Mutex<HashMap<String, T>>>);

static USERS: Found<User> = Found(LazyLock::new(Mutex::default));
static GROUPS: Found<Group> = Found(LazyLock::new(Mutex::default));

impl<T: Clone> Found<T> {
    /// What was found before, or what `ask` finds now.
    fn get(&self, written: &str, ask: impl FnOnce() -> nix::Result<Option<T>>) -> nix::Result<Option<T>> {
        // A panic elsewhere leaves whole entries.
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(written) {
            return Ok(Some(found.clone()));
        }
        let found = ask()?;
        if let Some(found) = &found {
            known().insert(written.to_owned(), found.clone());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_the_same_user() {
        let root = user("root").unwrap();
        assert_eq!(root, user("0").unwrap());
        assert_eq!(
            (root.uid.as_raw(), root.gid, root.name.as_deref()),
            (0, Some(Gid::from_raw(0)), Some("root"))
        );
        assert_eq!((group("root").unwrap(), group("77").unwrap()), (Gid::from_raw(0), Gid::from_raw(77)));
        assert_eq!(user("4123456789").unwrap().name, None);
        let error = user("nobody-here").unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (io::ErrorKind::NotFound, "there is no user \"nobody-here\"".into())
        );
        assert_eq!(group("nobody-here").unwrap_err().to_string(), "there is no group \"nobody-here\"");
    }

    #[test]
    fn what_was_found_is_not_asked_for_again() {
        let found = Found(LazyLock::new(Mutex::default));
        // What was not found may be there the next time.
        assert_eq!(found.get("vmail", || Ok(None)), Ok(None::<u32>));
        assert_eq!(found.get("vmail", || Err(nix::Error::EACCES)), Err(nix::Error::EACCES));
        assert_eq!(found.get("vmail", || Ok(Some(5000))), Ok(Some(5000)));
        assert_eq!(found.get("vmail", || unreachable!()), Ok(Some(5000)));
    }
}
