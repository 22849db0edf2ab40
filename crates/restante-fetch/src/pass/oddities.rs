//! What the server did that the standards do not allow, or that surprises: told, and counted in the report.

use restante_client::pop3::{Statistics, Survey};
use restante_proto::client::quirk::Quirk;

use super::World;
use crate::event::Event;
use crate::plan::Listing;
use crate::report::Report;

/// Tells when LIST and UIDL cannot be brought together. Lines that cannot be read are among what the client saw.
pub(super) fn of_listing(world: &World, survey: &Survey, listing: &Listing<'_>) {
    if !listing.is_whole && !survey.has_unreadable_lines {
        let what = "LIST and UIDL do not speak of the same messages; nothing is taken for gone".to_owned();
        world.events.say(Event::Quirk { name: "listings-disagree", what });
    }
}

/// Tells what the client saw in a session that is over, and enters it and its cost into the report.
pub(super) fn of_session(world: &World, quirks: &[Quirk], statistics: Statistics, report: &mut Report) {
    for quirk in quirks {
        world.events.say(Event::Quirk { name: quirk.name(), what: quirk.to_string() });
    }
    report.quirks = u32::try_from(quirks.len()).unwrap_or(u32::MAX);
    report.cost = statistics.into();
}
