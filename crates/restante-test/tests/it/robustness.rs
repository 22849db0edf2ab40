//! What no standard mentions: floods, broken peers, broken files, full disks. The others must not notice.

mod bulletins;
mod disk;
mod files;
mod forging;
mod guard;
mod injection;
mod logins;
mod peers;
mod process;
mod quirks;
mod takeover;

use restante_test::judge::Case;

/// A case about Restante alone: Dovecot has no promise to keep here.
fn ours() -> Case {
    Case::new().dovecot_not_asked("no standard says what is right here")
}

/// What a server may grow by under any load of these tests: far less than what is thrown at it.
const GROWTH_KIB_MAX: u64 = 32 * 1024;
