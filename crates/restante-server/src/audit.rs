//! The record of removed messages: one line of the log for each, after it is gone for good.
//!
//! Sessions and the round that expires (`keeping.rs`) call it when a removal is durable and the lock released. It waits for room in the log: a line of it is not given up
//! for a crowd of others.

use crate::event::{DeletedMessage, Event, Log, Peer, Trace};
use restante_auth::account::AccountName;
use restante_proto::maildrop::Listing;
use restante_store::gone::Gone;

/// In whose session, or maildrop, messages were removed.
#[derive(Clone, Copy)]
pub(crate) struct Audit<'a> {
    pub(crate) log: &'a Log,
    pub(crate) trace: Trace,
    /// `None` when no client did it.
    pub(crate) peer: Option<Peer>,
    pub(crate) account: &'a AccountName,
    /// What removed them: `quit` or `expiry`.
    pub(crate) by: &'a str,
}

impl Audit<'_> {
    /// Writes a line for each message of `listing` that is gone.
    pub(crate) async fn write(&self, listing: &Listing, gone: &Gone) {
        for (index, message_id) in gone.iter() {
            let Some(unique_id) = listing.unique_id(index) else { continue };
            let taken = self.log.write_surely(&Event::Deleted(&DeletedMessage {
                trace: self.trace,
                peer: self.peer.as_ref(),
                account: self.account,
                unique_id: unique_id.as_str(),
                octets: listing.octets(index).unwrap_or_default().as_u64(),
                message_id,
                by: self.by,
            }));
            taken.await;
        }
    }
}
