//! Verifying and repairing a maildrop: what can be wrong with it, and what is done about each.
//!
//! Only the words are here; the backends look and mend (`maildir/verify.rs`, `maildir/repair.rs`). The program shows them.

use std::path::PathBuf;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub damage: Damage,
    /// The file or folder; of several the first.
    pub place: PathBuf,
    /// What was seen, in words.
    pub what: String,
    /// What became of it. `Found` where nothing was to be done.
    pub state: State,
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there.
    Found,
    /// It was there and has been mended.
    Mended,
}

/// Who can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody needs to: it is as it may be, and worth knowing.
    Note,
    /// `repair` can, without touching a message.
    Mendable,
    /// A person must look.
    Person,
}

/// How closely messages are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every message is read.
    Whole,
    /// Names, octets and times of files; no message is opened.
    Quick,
}

macro_rules! damages {
    ($( $(#[$about:meta])* $name:ident: $word:literal, $severity:ident, $remedy:literal; )*) => {
        /// What can be wrong with a maildrop.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Damage {
            $( $(#[$about])* $name, )*
        }

        impl Damage {
            /// All of them.
            pub const ALL: &[Self] = &[ $( Self::$name, )* ];

            /// Its name for programs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => $word, )*
                }
            }

            /// Who can put it right.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $( Self::$name => Severity::$severity, )*
                }
            }

            /// What `repair` does about it, or what a person can do.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $( Self::$name => $remedy, )*
                }
            }
        }
    };
}

damages! {
    /// A folder of the maildrop is missing and the others are there.
    FolderMissing: "folder-missing", Mendable, "is made";
    /// Something else stands where a folder should be.
    FolderKind: "folder-kind", Person, "move it away, then repair makes the folder";
    /// The index ends in something that is no record, or is another version's.
    IndexDamaged: "index-damaged", Mendable, "is made anew from the messages";
    /// The index says of a message what the message does not.
    IndexWrong: "index-wrong", Mendable, "is made anew from the messages";
    /// A removal was recorded and not finished.
    RemovalPending: "removal-pending", Mendable, "is finished, as the next session would";
    /// A file in `tmp/` that nobody can still be writing.
    TemporaryOld: "temporary-old", Mendable, "is removed";
    /// The next version of a file of ours, left by a crash.
    Leftover: "leftover", Mendable, "is removed";
    /// What LAST goes by cannot be read.
    AccessedDamaged: "accessed-damaged", Mendable, "is removed: its messages count as new for LAST";
    /// What bulletins were given cannot be read.
    BulletinsDamaged: "bulletins-damaged", Person, "put it back from a backup, or remove it: then the newest bulletins are given again";
    /// The unique-ids of another server are lost or damaged, and the index still knows those of all messages.
    UniqueIdsInIndex: "unique-ids-in-index", Mendable, "is written anew from the index, a damaged one is kept as restante.unique-ids.damaged";
    /// The unique-ids of another server are damaged.
    UniqueIdsDamaged: "unique-ids-damaged", Person, "put it back from a backup, or move it away and import again";
    /// Unique-ids of another server for messages that are not there any more.
    UniqueIdsUnused: "unique-ids-unused", Note, "nothing: they keep these unique-ids from being used again";
    /// A message's name is the unique-id that another server gave to another.
    UniqueIdTaken: "unique-id-taken", Note, "nothing: the message is shown under another unique-id";
    /// Two messages are shown under one unique-id.
    UniqueIdTwice: "unique-id-twice", Person, "give the file of one of them another name";
    /// Two files have one base name, and one of them is shown.
    Twins: "twins", Person, "remove one if they are the same, or give it another name: it is shown as new then";
    /// A message cannot be read.
    Unreadable: "unreadable", Person, "give its owner and permissions back, or look after the disk";
    /// A file or folder belongs to somebody else than the maildrop.
    Owner: "owner", Person, "give it to the owner of the maildrop with chown";
    /// Something among the messages is no regular file.
    NotRegular: "not-regular", Person, "move it away";
    /// The guard does not open it for its clients.
    Guarded: "guarded", Person, "put right what changed, or: restante maildrop accept";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_has_a_name_of_its_own_and_a_remedy() {
        let mut names: Vec<&str> = Damage::ALL.iter().map(|damage| damage.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Damage::ALL.len());
        assert!(Damage::ALL.iter().all(|damage| !damage.remedy().is_empty()));
    }
}
