//! Removing messages from an mbox at the end of a session.
//!
//! Under the locks it is made sure that each marked message is still what was listed, wherever it lies by now; then
//! `rewrite.rs` takes all of them out at once.

use std::sync::Arc;

use restante_proto::maildrop::Marks;

use super::index::Followed;
use super::locks::{self, Guard, Missing};
use super::scan::scan_one;
use super::session::{Session, View};
use super::{base, rewrite};
use crate::disk::DiskFile;
use crate::failure::Failure;
use crate::gone::{Gone, Notes};
use crate::maildrop::{RemoveError, Removed, Warning, blocking};

/// Removes the marked messages on a thread that may wait, to the end even when nobody waits for it.
///
/// # Errors
/// As `Maildrop::remove`.
pub(crate) async fn remove(session: &Arc<Session>, marks: &Marks) -> Result<Removed, RemoveError> {
    let marked: Vec<usize> = marks.iter().collect();
    if marked.is_empty() {
        return Ok(Removed::default());
    }
    let left = marked.len();
    let failed = |failure| RemoveError { removed: 0, gone: Box::default(), left, failure };
    let guard = locks::wait(&session.mboxes, &session.place, Missing::IsEmpty).await.map_err(failed)?;
    let there = Arc::clone(session);
    let result = blocking(move || remove_now(&there, &marked, &guard)).await;
    result
        .map_err(|error| failed(Failure::new("remove messages of", &session.place.file, error)))?
        .map_err(failed)
}

fn remove_now(session: &Session, marked: &[usize], guard: &Guard) -> Result<Removed, Failure> {
    let Some(file) = guard.file() else {
        let messages = marked.len();
        let gone = Gone::new(marked, Notes::default());
        return Ok(Removed { messages, vanished: messages, gone, warnings: Vec::new() });
    };
    let mut view = session.view();
    session.look_again(&mut view, guard)?;
    if !are_as_listed(session, &view, file, marked)? {
        session.read_anew(&mut view, guard)?;
    }
    let mut pieces: Vec<_> = marked.iter().filter_map(|&index| view.piece(index)).collect();
    pieces.sort_unstable();
    let places: Vec<(u64, u64)> = pieces.iter().map(|&(_, start, octets)| (start, octets)).collect();
    let positions: Vec<usize> = pieces.iter().map(|&(position, ..)| position).collect();
    let size = file.stat().map_err(guard.failed("see"))?.size;
    let base = base::to_be_kept(file, &view.index, &positions).map_err(guard.failed("read"))?;
    let kept = match base {
        Some(base) if rewrite::cut_but(guard, file, size, &places, base)? => base.length,
        _ => {
            rewrite::cut(guard, file, size, &places)?;
            0
        }
    };
    let mut warnings = Vec::new();
    warnings.extend(note(session, &mut view, guard, file, (&positions, kept)).err().map(Warning::Index));
    let vanished = marked.len() - pieces.len();
    Ok(Removed { messages: marked.len(), vanished, gone: Gone::new(marked, Notes::default()), warnings })
}

/// Whether each of these messages lies where the view says.
fn are_as_listed(
    session: &Session,
    view: &View,
    file: &dyn DiskFile,
    marked: &[usize],
) -> Result<bool, Failure> {
    let form = session.mboxes.settings.form;
    for &index in marked {
        let (Some((_, start, octets)), Some(name)) = (view.piece(index), session.name(index)) else {
            continue;
        };
        let found = scan_one(file, form, start, octets).map_err(Failure::at("read", &session.place.file))?;
        if found.is_none_or(|found| found.digest != name.digest) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes over in memory and in the index that messages are gone, and that the first that stays has grown by `kept`.
fn note(
    session: &Session,
    view: &mut View,
    guard: &Guard,
    file: &dyn DiskFile,
    (positions, kept): (&[usize], u64),
) -> Result<(), Failure> {
    let stat = file.stat().map_err(guard.failed("see"))?;
    // The clock was read before the last change.
    let gone = view.index.remove(positions, &stat, None);
    view.index.grow_first(kept);
    session.look_after(view, guard)?;
    if session.is_exclusive() {
        let followed = if kept == 0 { Followed::Appended } else { Followed::All };
        view.index.save(&session.mboxes, &session.place, followed, &gone)?;
    }
    Ok(())
}
