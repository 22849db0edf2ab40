//! From a listing to a plan: what has changed its name is settled first, headers are asked for where rules, or doubts, want them.
//! Everything is said to the server here that comes before the first RETR.

use std::collections::{HashMap, HashSet};

use restante_client::error::Error;
use restante_client::pop3::{Client, Piece, Survey};
use restante_proto::maildrop::MessageNumber;

use super::retrieval::stopped;
use super::{Order, World, oddities, unless_stopped};
use crate::config::account::UniqueIds;
use crate::event::{Event, Name};
use crate::header::{Digested, Header, HeaderDigest, made_unique_id};
use crate::journal::Journal;
use crate::key::Key;
use crate::plan::{Comparison, Listed, Listing, LocalDoubt, Outcome, Plan, Policy, plan};
use crate::rename::MassChange;
use crate::report::{Failure, Kind};

/// A plan, and what came before it.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// Messages that were known again under other unique-ids.
    pub(super) renamed: usize,
}

/// The plan of a pass. What was found out on the way, and what is listed, is recorded in the journal, not yet durably; in a dry run
/// in memory alone.
pub(super) async fn settle(
    order: &Order,
    world: &World,
    client: &mut Client,
    survey: &Survey,
    journal: &mut Journal,
) -> Result<Planned, Failure> {
    let marks = local_marks(order);
    let is_local = |mark: &str| marks.as_ref().is_some_and(|marks| marks.contains(mark));
    let mut headers = Headers { order, world, given: HashMap::new() };
    let made = made_unique_ids(order, client, survey, &mut headers).await?;
    let listing = listing(survey, &made);
    oddities::of_listing(world, survey, &listing);
    let mut replaced: HashSet<Key> = HashSet::new();
    let mut is_settled = false;
    let mut renamed = 0;
    let now = (world.clock)();
    let (mut plan, same) = loop {
        let mut policy = policy(order, now, &replaced);
        policy.is_settled = is_settled;
        policy.is_local = marks.is_some().then_some(&is_local);
        match plan(&listing, journal.entries(), &policy) {
            Outcome::Changed(change) => {
                renamed += rename(order, world, client, &change, journal, &mut headers).await?;
                is_settled = true;
            }
            Outcome::Plan(plan) => {
                let compared = plan.compare.clone();
                let before = replaced.len();
                let same = compare(client, compared, &mut headers, &mut replaced).await?;
                if replaced.len() == before {
                    break (*plan, same);
                }
            }
        }
    };
    let policy = Policy { is_local: None, ..policy(order, now, &replaced) };
    for item in same {
        if let Some(entry) = journal.entry(&item.key) {
            plan.confirm(item.number, entry, &policy);
        }
    }
    look(client, &mut plan, &policy, &headers).await?;
    if let Some(doubt) = plan.local {
        world.events.say(Event::Warning { what: doubtful(doubt) });
    }
    let messages = u32::try_from(listing.messages.len()).unwrap_or(u32::MAX);
    plan.records(messages, now).for_each(|record| journal.record(record));
    plan.skips().for_each(|record| journal.record(record));
    Ok(Planned { plan, renamed })
}

fn policy<'a>(order: &'a Order, now: jiff::Timestamp, replaced: &'a HashSet<Key>) -> Policy<'a> {
    Policy {
        keep: order.keep,
        rules: &order.rules,
        max_size: order.max_size,
        now,
        is_local: None,
        believes_local: order.believes_local,
        replaced,
        is_settled: false,
    }
}

/// What is in the local Maildir, when the policy asks for it.
fn local_marks(order: &Order) -> Option<std::collections::BTreeSet<Box<str>>> {
    order.local.as_ref().and_then(|local| local())
}

/// Unique-ids made of headers and octets, for a server whose own are of no use.
async fn made_unique_ids(
    order: &Order,
    client: &mut Client,
    survey: &Survey,
    headers: &mut Headers<'_>,
) -> Result<HashMap<MessageNumber, Box<[u8]>>, Failure> {
    if order.unique_ids == UniqueIds::Server {
        if let Some(refusal) = &survey.uidl_refusal {
            let what = format!("{}: the server gives no unique-ids: {}", order.peer.route, refusal.text);
            let failure = Failure::new(Kind::Protocol, what);
            return Err(
                failure.remedy("write unique_ids = \"header\" for this account, if the server knows TOP")
            );
        }
        return Ok(HashMap::new());
    }
    let octets: HashMap<MessageNumber, u64> = survey
        .entries
        .iter()
        .map(|entry| (entry.number, entry.octets.as_u64()))
        .chain(survey.without_unique_id.iter().map(|listed| (listed.number, listed.octets.as_u64())))
        .collect();
    let mut numbers: Vec<MessageNumber> = octets.keys().copied().collect();
    numbers.sort_unstable();
    headers.digests(client, numbers.iter().copied()).await?;
    let mut made = HashMap::with_capacity(numbers.len());
    for number in numbers {
        let Some(header) = headers.given.get(&number).filter(|header| !header.is_empty) else {
            let what = format!("{}: the server does not show the header of a message", order.peer.route);
            let failure = Failure::new(Kind::Protocol, what);
            return Err(
                failure.remedy("unique-ids cannot be made without headers: write unique_ids = \"server\"")
            );
        };
        made.insert(number, made_unique_id(header, octets.get(&number).copied()));
    }
    Ok(made)
}

/// The listing that is compared: the server's, or that with unique-ids of our own.
fn listing<'a>(survey: &'a Survey, made: &'a HashMap<MessageNumber, Box<[u8]>>) -> Listing<'a> {
    if made.is_empty() {
        return Listing::of(survey);
    }
    let sizes = survey.entries.iter().map(|entry| (entry.number, entry.octets));
    let sizes = sizes.chain(survey.without_unique_id.iter().map(|listed| (listed.number, listed.octets)));
    let mut messages: Vec<Listed<'a>> = sizes
        .filter_map(|(number, octets)| {
            Some(Listed { number, unique_id: made.get(&number)?, octets: Some(octets.as_u64()) })
        })
        .collect();
    messages.sort_by_key(|listed| listed.number);
    Listing { messages, is_whole: !survey.has_unreadable_lines && survey.without_octets.is_empty() }
}

/// Finds out which message is which after all have changed their unique-ids. How many were known again.
async fn rename(
    order: &Order,
    world: &World,
    client: &mut Client,
    change: &MassChange,
    journal: &mut Journal,
    headers: &mut Headers<'_>,
) -> Result<usize, Failure> {
    headers.digests(client, change.numbers()).await?;
    let settled = change
        .settle(&headers.given, order.new_unique_ids, (world.clock)())
        .map_err(|error| Failure::new(Kind::UniqueIds, format!("{}: {error}", order.peer.route)))?;
    settled.records.into_iter().for_each(|record| journal.record(record));
    let messages = u32::try_from(settled.renamed + settled.adopted).unwrap_or(u32::MAX);
    world.events.say(Event::Renamed { messages });
    Ok(settled.renamed)
}

/// Compares messages whose octets are others than before. Those that are other messages are put into `replaced`; the same ones are
/// given back.
async fn compare(
    client: &mut Client,
    compared: Vec<Comparison>,
    headers: &mut Headers<'_>,
    replaced: &mut HashSet<Key>,
) -> Result<Vec<crate::plan::Item>, Failure> {
    headers.digests(client, compared.iter().map(|comparison| comparison.item.number)).await?;
    let mut same = Vec::new();
    for Comparison { item, header_digest } in compared {
        match headers.given.get(&item.number) {
            Some(header) if header.digest == header_digest => same.push(item),
            // A server without TOP cannot say: twice is better than never.
            _ => _ = replaced.insert(item.key),
        }
    }
    Ok(same)
}

/// Has the rules speak about messages whose headers they want to see.
async fn look(
    client: &mut Client,
    plan: &mut Plan,
    policy: &Policy<'_>,
    headers: &Headers<'_>,
) -> Result<(), Failure> {
    let wanted: Vec<_> = std::mem::take(&mut plan.look).into_iter().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut unseen: HashMap<MessageNumber, _> =
        wanted.iter().map(|item| (item.number, item.clone())).collect();
    let numbers: Vec<MessageNumber> = wanted.iter().map(|item| item.number).collect();
    let mut header = Header::default();
    headers
        .each(client, numbers, |number, piece| match piece {
            Piece::Octets(octets) => header.update(octets),
            Piece::End { .. } => {
                let mut header = std::mem::take(&mut header);
                header.finish();
                if let Some(item) = unseen.remove(&number) {
                    plan.look = std::iter::once(item).collect();
                    plan.judge(number, &header, policy);
                }
            }
            Piece::Refused(_) => header = Header::default(),
        })
        .await?;
    // Those that the server does not show are fetched.
    plan.look = wanted.into_iter().filter(|item| unseen.contains_key(&item.number)).collect();
    plan.judge_none(policy);
    Ok(())
}

fn doubtful(doubt: LocalDoubt) -> String {
    match doubt {
        LocalDoubt::NotThere => {
            "nothing is deleted on the server: the local Maildir cannot be looked at".to_owned()
        }
        LocalDoubt::Missing { missing, of } => format!(
            "nothing is deleted on the server: {missing} of {of} messages are not in the local Maildir any more, and that may be another \
             one than before; say it once with --believe-local if they were deleted"
        ),
    }
}

/// Headers that the server has shown.
struct Headers<'a> {
    order: &'a Order,
    world: &'a World,
    given: HashMap<MessageNumber, Digested>,
}

impl Headers<'_> {
    /// The digests of the headers of these messages, as far as the server shows them.
    async fn digests(
        &mut self,
        client: &mut Client,
        numbers: impl Iterator<Item = MessageNumber>,
    ) -> Result<(), Failure> {
        let numbers: Vec<MessageNumber> = numbers.filter(|number| !self.given.contains_key(number)).collect();
        let mut digest = HeaderDigest::default();
        let mut given = std::mem::take(&mut self.given);
        let came = self
            .each(client, numbers, |number, piece| match piece {
                Piece::Octets(octets) => digest.update(octets),
                Piece::End { .. } => _ = given.insert(number, std::mem::take(&mut digest).digested()),
                Piece::Refused(_) => digest = HeaderDigest::default(),
            })
            .await;
        self.given = given;
        came
    }

    /// TOP 0 of these messages.
    async fn each(
        &self,
        client: &mut Client,
        numbers: Vec<MessageNumber>,
        mut take: impl FnMut(MessageNumber, Piece<'_>),
    ) -> Result<(), Failure> {
        if numbers.is_empty() {
            return Ok(());
        }
        let asking = client.top_each(numbers, 0, |number, piece| {
            take(number, piece);
            Ok(())
        });
        match unless_stopped(self.world, asking).await? {
            Ok(()) => Ok(()),
            Err(_) if self.world.stop.is_asked() => Err(stopped()),
            // A server that does not know the command says so without closing.
            Err(Error::NotPossible(_)) => Ok(()),
            Err(error) => Err(self.order.peer.failed(&error)),
        }
    }
}

/// Tells what would be done, for a dry run.
pub(super) fn tell(world: &World, plan: &Plan) {
    let say = |act, item: &crate::plan::Item, reason: Option<String>| {
        let (message, octets) = (Name::from(&item.key), item.octets.unwrap_or(0));
        world.events.say(Event::Would { act, message, octets, reason });
    };
    for item in &plan.fetch {
        let reason = item.is_deleted_next.then(|| "and then delete it on the server".to_owned());
        say("fetch", item, reason);
    }
    for deletion in &plan.delete {
        let reason = match &deletion.why {
            crate::plan::DeletedBy::Keep => "it is collected".to_owned(),
            crate::plan::DeletedBy::Rule(rule) => format!("by the rule {rule}, without fetching it"),
        };
        say("delete", &deletion.item, Some(reason));
    }
    for skipped in &plan.skipped {
        say("skip", &skipped.item, Some(format!("by the rule {}", super::rule_of(&skipped.reason))));
    }
    for item in &plan.postponed {
        say("skip", item, Some("it is larger than max_size".to_owned()));
    }
}
