//! A server whose unique-ids change again and again: told once a day, with what mends it.
//!
//! What is remembered from pass to pass is a note of two times in the account's folder of state. It is a hint and nothing more: nothing
//! is synced, whoever loses it is told later, and one that cannot be read is none.

use std::path::Path;

use jiff::Timestamp;
use restante_store::disk::{Access, Disk};

use super::{Order, World};
use crate::config::account::UniqueIds;
use crate::event::Event;

/// All unique-ids have changed, and so many messages were known again. Call it once in a pass, when that is durable: else a pass that
/// broke off would make two changes of one.
pub(super) fn changed(order: &Order, world: &World, messages: usize) {
    if messages == 0 || order.unique_ids == UniqueIds::Header {
        return;
    }
    let place = order.folder.join(NOTE);
    let now = (world.clock)().as_second();
    let before = read(&*world.disk, &place);
    let is_due = before.is_some_and(|note| note.is_due(now));
    if is_due {
        let server = &order.peer.route;
        let what = format!(
            "{server}: for the second time within a day the server calls all its messages by other unique-ids, and seems to do so in every \
             session; {messages} of them were known again by their headers, and nothing came twice. Write unique_ids = \"header\" for \
             this account: then the server's are not asked for"
        );
        world.events.say(Event::Warning { what });
    }
    let told = if is_due { Some(now) } else { before.and_then(|note| note.told) };
    write(&*world.disk, &place, Note { changed: now, told });
}

/// Seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    /// When all unique-ids changed last.
    changed: i64,
    /// When that was told last.
    told: Option<i64>,
}

impl Note {
    /// Whether another change at `now` is to be told. A clock that was put back is no reason to.
    fn is_due(self, now: i64) -> bool {
        let is_recent = |at: i64| (0..DAY_S).contains(&now.saturating_sub(at));
        is_recent(self.changed) && !self.told.is_some_and(is_recent)
    }
}

fn read(disk: &dyn Disk, place: &Path) -> Option<Note> {
    let mut text = [0; NOTE_OCTETS_MAX];
    let count = disk.open(place, Access::Read).ok()?.read_at(&mut text, 0).ok()?;
    parse(std::str::from_utf8(text.get(..count)?).ok()?)
}

fn parse(text: &str) -> Option<Note> {
    // One that was cut off has no line end.
    let mut times = text.strip_suffix('\n')?.split(' ');
    let changed: Timestamp = times.next()?.parse().ok()?;
    let told = match times.next()? {
        "-" => None,
        told => Some(told.parse::<Timestamp>().ok()?.as_second()),
    };
    times.next().is_none().then_some(Note { changed: changed.as_second(), told })
}

fn write(disk: &dyn Disk, place: &Path, note: Note) {
    let time = |seconds| Timestamp::from_second(seconds).map(|at| at.to_string()).ok();
    let told = note.told.map_or_else(|| Some("-".to_owned()), time);
    let (Some(changed), Some(told)) = (time(note.changed), told) else { return };
    // Neither an error nor a crash does harm: it is a hint.
    let _ = disk.unlink(place);
    if let Ok(file) = disk.open(place, Access::CreateNew(0o600)) {
        let _ = file.append(format!("{changed} {told}\n").as_bytes());
    }
}

const NOTE: &str = "unique-ids-changed";
const NOTE_OCTETS_MAX: usize = 128;
/// An hour more than a day, since who looks once a day does not do so to the second.
const DAY_S: i64 = 25 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_change_within_a_day_is_told_once_a_day() {
        let hour = 3600;
        for (changed, told, now, is_due) in [
            (0, None, 0, true),
            (0, None, 24 * hour + 60, true),
            (0, None, 25 * hour, false),
            (5 * hour, Some(5 * hour), 6 * hour, false),
            (29 * hour, Some(5 * hour), 30 * hour, true),
            (9 * hour, None, 8 * hour, false),
        ] {
            assert_eq!(Note { changed, told }.is_due(now), is_due, "{changed} {told:?} {now}");
        }
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_a_part_of_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(NOTE);
        let disk = restante_store::disk::LocalDisk;
        assert_eq!(read(&disk, &place), None);
        for note in [Note { changed: 1_700_000_000, told: None }, Note { changed: 9, told: Some(7) }] {
            write(&disk, &place, note);
            assert_eq!(read(&disk, &place), Some(note));
            let text = std::fs::read_to_string(&place).unwrap();
            for length in 0..text.len() {
                assert_eq!(parse(&text[..length]), None, "{}", &text[..length]);
            }
        }
    }
}
