//! The part of the session that reads what CAPA, LIST, UIDL and STAT bring.

use super::{Kind, Pending, Session, Told};
use crate::client::quirk::Quirk;
use crate::client::reading::{self, Line};
use crate::client::request::Request;
use crate::client::{Event, Outcome, ProtocolError, Step};
use crate::maildrop::{MessageNumber, Octets};

/// The lines of a listing so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listed {
    lines: u32,
    octets: Octets,
    last: Option<MessageNumber>,
    is_malformed: bool,
}

impl Session {
    /// Takes one line of a listing.
    // R1939-3.13 R1939-3.14
    pub(super) fn take_listed(&mut self, line: Line<'_>) -> Result<Option<Told>, ProtocolError> {
        let Some(Pending { handle, kind, listed: Some(listed), .. }) = self.pending.front_mut() else {
            return Err(ProtocolError::Unsolicited);
        };
        let handle = *handle;
        if line.text == b"." {
            return self.end_listing().map(|step| Some(Told::Step(step)));
        }
        if listed.lines == self.settings.limits.listing_lines_max {
            return Err(ProtocolError::ListingTooLong);
        }
        listed.lines += 1;
        let text = line.text.strip_prefix(b".").unwrap_or(line.text);
        let dot = line.text.len() - text.len();
        let (number, quirks, told) = match kind {
            Kind::Request(Request::List) => match reading::scan_listing(text) {
                Some(((number, octets), quirk)) => {
                    listed.octets = listed.octets + octets;
                    let event = Event::ScanListing { number, octets };
                    (number, [quirk, None], Told::Step(Step::Event(handle, event)))
                }
                None => return self.unreadable(),
            },
            Kind::Request(Request::Uidl) => match reading::unique_id_listing(text) {
                Some((number, range, quirks)) => {
                    let unique_id = range.start + dot..range.end + dot;
                    (number, quirks, Told::UniqueId { handle, number, line: line.octets, unique_id })
                }
                None => return self.unreadable(),
            },
            _ => {
                self.incoming.get_or_insert_default().add(text);
                return Ok(None);
            }
        };
        let is_disordered = listed.last.is_some_and(|last| last >= number);
        listed.last = Some(number);
        if is_disordered {
            self.meet(Quirk::ListingOrder)?;
        }
        for quirk in quirks.into_iter().flatten() {
            self.meet(quirk)?;
        }
        Ok(Some(told))
    }

    /// A line of a listing says nothing that could be understood.
    fn unreadable(&mut self) -> Result<Option<Told>, ProtocolError> {
        if let Some(Pending { listed: Some(listed), .. }) = self.pending.front_mut() {
            listed.is_malformed = true;
        }
        self.meet(Quirk::UnreadableListing).map(|()| None)
    }

    /// A listing is complete.
    fn end_listing(&mut self) -> Result<Step<'static>, ProtocolError> {
        let Some(Pending { kind, listed: Some(listed), .. }) = self.pending.front() else {
            return Err(ProtocolError::Unsolicited);
        };
        let listed = *listed;
        match kind {
            Kind::Request(Request::Capabilities) => {
                let incoming = self.incoming.take().unwrap_or_default();
                if self.is_logged_in && self.capabilities.as_ref().is_some_and(|before| *before != incoming) {
                    self.note(Quirk::CapabilitiesChanged);
                }
                self.capabilities = Some(incoming);
            }
            Kind::Request(Request::List)
                if !listed.is_malformed
                    && self.stat.is_some_and(|stat| stat != (listed.lines, listed.octets)) =>
            {
                self.meet(Quirk::StatDisagrees)?;
            }
            _ => {}
        }
        Ok(self.finish(if listed.is_malformed { Outcome::Malformed } else { Outcome::Done }))
    }

    /// The oldest command was answered with "+OK" and what it asked for: the last octets of the line.
    pub(super) fn succeed_with(
        &mut self,
        text: &[u8],
        line: Line<'_>,
    ) -> Result<Option<Told>, ProtocolError> {
        let Some(Pending { handle, kind: Kind::Request(request), listed, .. }) = self.pending.front_mut()
        else {
            return Ok(None);
        };
        let handle = *handle;
        let told = |event| Told::Step(Step::Event(handle, event));
        let (quirks, told) = match request {
            Request::Stat => {
                self.stat = reading::stat(text);
                let event = self.stat.map(|(messages, octets)| Event::Stat { messages, octets });
                ([event.is_none().then_some(Quirk::UnreadableStat), None], event.map(told))
            }
            Request::ListOne(_) => match reading::scan_listing(text) {
                Some(((number, octets), quirk)) => {
                    ([quirk, None], Some(told(Event::ScanListing { number, octets })))
                }
                None => ([Some(Quirk::UnreadableListing), None], None),
            },
            _ => match reading::unique_id_listing(text) {
                Some((number, range, quirks)) => {
                    let start = line.text.len() - text.len();
                    let unique_id = range.start + start..range.end + start;
                    (quirks, Some(Told::UniqueId { handle, number, line: line.octets, unique_id }))
                }
                None => ([Some(Quirk::UnreadableListing), None], None),
            },
        };
        if told.is_some() {
            // The end of the request is told by the next step.
            *listed = Some(Listed::default());
        }
        for quirk in quirks.into_iter().flatten() {
            self.meet(quirk)?;
        }
        Ok(Some(match told {
            Some(told) => told,
            None => Told::Step(self.finish(Outcome::Malformed)),
        }))
    }
}
