//! What is in the maildrop: STAT, LIST, UIDL, and all that a fetcher wants to know in one flight.

use std::collections::HashMap;

use restante_proto::client::capabilities::Capabilities;
use restante_proto::client::request::Request;
use restante_proto::client::{Event, Refusal};
use restante_proto::maildrop::{MessageNumber, Octets};

use super::Client;
use crate::error::Error;

/// What STAT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Messages that are not marked deleted.
    pub messages: u32,
    /// Their octets, as the server counts.
    pub octets: Octets,
}

/// What LIST says of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanListing {
    /// Which.
    pub number: MessageNumber,
    /// Its octets, as the server counts; some count wrongly.
    pub octets: Octets,
}

/// What UIDL says of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueIdListing {
    /// Which.
    pub number: MessageNumber,
    /// Its unique-id as sent: opaque, compared octet by octet; a server may give one to two messages.
    pub unique_id: Vec<u8>,
}

/// What LIST and UIDL say of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub number: MessageNumber,
    /// Its octets, as the server counts; some count wrongly.
    pub octets: Octets,
    /// Its unique-id as sent: opaque, compared octet by octet; a server may give one to two messages.
    pub unique_id: Vec<u8>,
}

impl From<&Entry> for ScanListing {
    fn from(entry: &Entry) -> Self {
        Self { number: entry.number, octets: entry.octets }
    }
}

/// All that a maildrop shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// What the server can do, now that somebody is logged in. `None` when it does not know CAPA.
    pub capabilities: Option<Capabilities>,
    /// What LIST and UIDL both tell of, in the order of LIST.
    pub entries: Vec<Entry>,
    /// What only LIST tells of: nothing, with an honest server that has UIDL.
    pub without_unique_id: Vec<ScanListing>,
    /// What only UIDL tells of: nothing, with an honest server.
    pub without_octets: Vec<UniqueIdListing>,
    /// The server refused UIDL. That says nothing about whether it knows it (R1939-3.20).
    pub uidl_refusal: Option<Refusal>,
    /// Some lines could not be read: there are messages that nothing here tells of.
    pub has_unreadable_lines: bool,
}

impl Client {
    /// STAT.
    ///
    /// # Errors
    /// A refusal, an answer that cannot be read, or those of the connection.
    pub async fn stat(&mut self) -> Result<Stat, Error> {
        let mut stat = None;
        let each = |event: Event<'_>| {
            if let Event::Stat { messages, octets } = event {
                stat = Some(Stat { messages, octets });
            }
        };
        self.ask(Request::Stat, each).await?;
        stat.ok_or(Error::Malformed)
    }

    /// LIST of all messages that are not marked deleted.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub async fn list(&mut self) -> Result<Vec<ScanListing>, Error> {
        let mut listings = Vec::new();
        self.ask(Request::List, |event| listings.extend(scan_listing(&event))).await?;
        Ok(listings)
    }

    /// LIST of one message.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub async fn list_one(&mut self, number: MessageNumber) -> Result<ScanListing, Error> {
        let mut listing = None;
        self.ask(Request::ListOne(number), |event| listing = listing.or_else(|| scan_listing(&event)))
            .await?;
        listing.filter(|listing| listing.number == number).ok_or(Error::Malformed)
    }

    /// UIDL of all messages that are not marked deleted.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub async fn unique_ids(&mut self) -> Result<Vec<UniqueIdListing>, Error> {
        let mut listings = Vec::new();
        self.ask(Request::Uidl, |event| listings.extend(unique_id_listing(&event))).await?;
        Ok(listings)
    }

    /// UIDL of one message.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub async fn unique_id(&mut self, number: MessageNumber) -> Result<UniqueIdListing, Error> {
        let mut listing = None;
        self.ask(Request::UidlOne(number), |event| {
            listing = listing.take().or_else(|| unique_id_listing(&event))
        })
        .await?;
        listing.filter(|listing| listing.number == number).ok_or(Error::Malformed)
    }

    /// CAPA, LIST and UIDL: in one flight when the server has listed PIPELINING before the login, else as it can be. What
    /// LIST and UIDL say is put together; where they do not speak of the same messages, nothing is left out and nothing
    /// made up.
    ///
    /// # Errors
    /// LIST is refused, or those of the connection.
    pub async fn survey(&mut self) -> Result<Survey, Error> {
        self.begin(vec![Request::Capabilities, Request::List, Request::Uidl])?;
        let mut survey = Survey::default();
        match self.finished(|_| {}).await {
            // R2449-5.8
            Ok(()) | Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        let mut scans = Vec::new();
        let list = self.finished(|event| scans.extend(scan_listing(&event))).await;
        let mut names = Vec::new();
        let uidl = match &list {
            Ok(()) | Err(Error::Refused(_) | Error::Malformed) => {
                self.finished(|event| names.extend(unique_id_listing(&event))).await
            }
            Err(_) => Ok(()),
        };
        survey.has_unreadable_lines =
            matches!(list, Err(Error::Malformed)) || matches!(uidl, Err(Error::Malformed));
        match uidl {
            Ok(()) | Err(Error::Malformed) => {}
            Err(Error::Refused(refusal)) => survey.uidl_refusal = Some(refusal),
            Err(error) => return Err(error),
        }
        self.settle(&list);
        match list {
            Ok(()) | Err(Error::Malformed) => {}
            Err(error) => return Err(error),
        }
        survey.capabilities = self.session.capabilities().cloned();
        survey.join(scans, names);
        Ok(survey)
    }
}

impl Survey {
    /// Puts LIST and UIDL together.
    fn join(&mut self, scans: Vec<ScanListing>, names: Vec<UniqueIdListing>) {
        let are_same = scans.len() == names.len()
            && scans.iter().zip(&names).all(|(scan, name)| scan.number == name.number);
        if are_same {
            self.entries = scans.into_iter().zip(names).map(|(scan, name)| entry(scan, name)).collect();
            return;
        }
        // A number that is told of twice counts once, as it was first.
        let mut by_number = HashMap::with_capacity(names.len());
        for name in names {
            by_number.entry(name.number).or_insert(name);
        }
        for scan in scans {
            match by_number.remove(&scan.number) {
                Some(name) => self.entries.push(entry(scan, name)),
                None => self.without_unique_id.push(scan),
            }
        }
        self.without_octets = by_number.into_values().collect();
        self.without_octets.sort_by_key(|name| name.number);
        // A number that LIST told of twice.
        let known: std::collections::HashSet<_> = self.entries.iter().map(|entry| entry.number).collect();
        self.without_unique_id.retain(|scan| !known.contains(&scan.number));
    }
}

fn entry(scan: ScanListing, name: UniqueIdListing) -> Entry {
    Entry { number: scan.number, octets: scan.octets, unique_id: name.unique_id }
}

const fn scan_listing(event: &Event<'_>) -> Option<ScanListing> {
    match *event {
        Event::ScanListing { number, octets } => Some(ScanListing { number, octets }),
        _ => None,
    }
}

fn unique_id_listing(event: &Event<'_>) -> Option<UniqueIdListing> {
    match *event {
        Event::UniqueIdListing { number, unique_id } => {
            Some(UniqueIdListing { number, unique_id: unique_id.to_vec() })
        }
        _ => None,
    }
}
