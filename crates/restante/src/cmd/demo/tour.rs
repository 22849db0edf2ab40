//! The tour itself: mail in by LMTP, out by POP3 inside TLS, compared, and looked at once more over STLS. Tells what
//! happened; nothing is printed here.

use std::net::SocketAddr;
use std::time::Duration;

use restante_client::connect::{Address, Security, Tls};
use restante_client::error::Error;
use restante_client::{lmtp, pop3};
use restante_proto::client::request::Login;
use restante_proto::lmtp::client::Transaction;
use restante_proto::lmtp::command::{BodyKind, Mail};
use restante_proto::lmtp::path::{ForwardPath, Mailbox, ReversePath};
use restante_proto::sasl::Method;
use restante_proto::secret::Secret;

use super::comparison::{Comparison, compare};
use super::recorder::{Note, Recorder};
use super::samples::Sample;
use crate::clock;
use crate::exit::{self, Code, Failure};

/// Who takes part, and where.
pub(crate) struct Parties {
    /// Plain, with STLS.
    pub(crate) pop3: SocketAddr,
    /// TLS from the first octet.
    pub(crate) pop3s: SocketAddr,
    pub(crate) lmtp: SocketAddr,
    /// How the client knows the server.
    pub(crate) tls: Tls,
    pub(crate) account: String,
    pub(crate) password: String,
}

/// What delivery did with one message.
pub(crate) struct Posted {
    /// Of the canonical form.
    pub(crate) octets: u64,
    /// From MAIL to the last reply.
    pub(crate) took: Duration,
}

/// Delivers the samples in their order; gives back what was said about the first of them too.
pub(crate) async fn post(parties: &Parties, samples: &[Sample]) -> Result<(Vec<Posted>, Vec<Note>), Failure> {
    let recorder = Recorder::default();
    let settings = lmtp::Settings { trace: Some(recorder.trace()), ..lmtp::Settings::default() };
    let mut client = lmtp::Client::connect(&address(parties.lmtp), settings).await.map_err(failed)?;
    let mut posted = Vec::with_capacity(samples.len());
    let mut notes = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let message = sample.canonical();
        let octets = message.len() as u64;
        // Every other one goes as a chunk, so that both ways are taken.
        let chunk_octets = (index % 2 == 1).then_some(octets);
        let transaction = transaction(sample, &parties.account, octets, chunk_octets)?;
        let begun = clock::now();
        let delivered = client.deliver(transaction, &mut message.as_slice()).await.map_err(failed)?;
        let took = clock::now().saturating_duration_since(begun);
        if !delivered.outcomes.iter().all(lmtp::Outcome::is_delivered) {
            let why = delivered
                .error
                .map_or_else(|| format!("{:?}", delivered.outcomes), |error| exit::chain(&error));
            return Err(Failure::new(
                Code::Software,
                format!("sample {} was not delivered: {why}", index + 1),
            ));
        }
        posted.push(Posted { octets, took });
        if index == 0 {
            notes = recorder.take();
        }
    }
    client.quit().await.map_err(failed)?;
    Ok((posted, notes))
}

/// What came back.
pub(crate) struct Collected {
    /// One for each sample, in their order.
    pub(crate) comparisons: Vec<Comparison>,
    /// Whether LIST promised the octets that RETR then gave, for every message.
    pub(crate) sizes_hold: bool,
    /// From the connection to the reply to QUIT.
    pub(crate) took: Duration,
    /// What was said.
    pub(crate) notes: Vec<Note>,
    listing: Listing,
}

/// What LIST and UIDL say, in the order of the numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    octets: Vec<(u32, u64)>,
    unique_ids: Vec<(u32, Vec<u8>)>,
}

/// Fetches everything over implicit TLS and compares it with what was sent. Nothing is deleted.
pub(crate) async fn collect(parties: &Parties, samples: &[Sample]) -> Result<Collected, Failure> {
    let recorder = Recorder::default();
    let begun = clock::now();
    let security = Security::Implicit(parties.tls.clone());
    let mut client = log_in(parties, parties.pop3s, security, Some(&recorder)).await?;
    client.stat().await.map_err(failed)?;
    let (listing, listed) = list(&mut client).await?;
    let mut comparisons = Vec::with_capacity(samples.len());
    let mut sizes_hold = true;
    for (sample, listing) in samples.iter().zip(&listed) {
        let mut message = Vec::with_capacity(usize::try_from(listing.octets.as_u64()).unwrap_or_default());
        client.retrieve(listing.number, &mut message).await.map_err(failed)?;
        sizes_hold &= message.len() as u64 == listing.octets.as_u64();
        comparisons.push(compare(&message, &sample.canonical()));
    }
    // A message too few is one that did not come back; one too many is none of ours.
    comparisons.resize(samples.len().max(listed.len()), Comparison::Different);
    end(client).await?;
    let took = clock::now().saturating_duration_since(begun);
    Ok(Collected { comparisons, sizes_hold, took, notes: recorder.take(), listing })
}

/// Whether a second session, this one over STLS, is shown the same numbers, octets and unique-ids.
pub(crate) async fn look_again(parties: &Parties, collected: &Collected) -> Result<bool, Failure> {
    let security = Security::Stls(parties.tls.clone());
    let mut client = log_in(parties, parties.pop3, security, None).await?;
    let (listing, _) = list(&mut client).await?;
    end(client).await?;
    Ok(listing == collected.listing)
}

async fn log_in(
    parties: &Parties,
    server: SocketAddr,
    security: Security,
    recorder: Option<&Recorder>,
) -> Result<pop3::Client, Failure> {
    let settings = pop3::Settings { trace: recorder.map(Recorder::trace), ..pop3::Settings::default() };
    let mut client = pop3::Client::connect(&address(server), security, settings).await.map_err(failed)?;
    client.capabilities().await.map_err(failed)?;
    let password = Secret::new(parties.password.clone().into_bytes());
    let login = Login::of(Method::UserPass, parties.account.as_bytes(), password).map_err(Error::Request);
    client.login(login.map_err(failed)?).await.map_err(failed)?;
    Ok(client)
}

async fn list(client: &mut pop3::Client) -> Result<(Listing, Vec<pop3::ScanListing>), Failure> {
    let listed = client.list().await.map_err(failed)?;
    let unique_ids = client.unique_ids().await.map_err(failed)?;
    let listing = Listing {
        octets: listed.iter().map(|message| (message.number.as_u32(), message.octets.as_u64())).collect(),
        unique_ids: unique_ids
            .into_iter()
            .map(|message| (message.number.as_u32(), message.unique_id))
            .collect(),
    };
    Ok((listing, listed))
}

async fn end(client: pop3::Client) -> Result<(), Failure> {
    match client.quit().await {
        pop3::Quit::Committed => Ok(()),
        pop3::Quit::Refused(refusal) => Err(failed(Error::Refused(refusal))),
        pop3::Quit::Unknown(error) | pop3::Quit::NotSent(error) => Err(failed(error)),
    }
}

fn transaction(
    sample: &Sample,
    account: &str,
    octets: u64,
    chunk_octets: Option<u64>,
) -> Result<Transaction, Failure> {
    let mailbox = |local: &str, domain: &str| {
        Mailbox::new(local, Some(domain))
            .ok_or_else(|| Failure::new(Code::Software, format!("{local}@{domain} is no mailbox")))
    };
    let sender = match sample.sender.split_once('@') {
        None => ReversePath::Null,
        Some((local, domain)) => ReversePath::Mailbox(mailbox(local, domain)?),
    };
    Ok(Transaction {
        mail: Mail { sender, size: Some(octets), body: Some(BodyKind::EightBitMime), smtputf8: false },
        recipients: vec![ForwardPath::new(mailbox(account, "localhost")?)],
        chunk_octets,
    })
}

fn address(socket: SocketAddr) -> Address {
    Address::Tcp { host: socket.ip().to_string(), port: socket.port() }
}

fn failed(error: Error) -> Failure {
    Failure::new(Code::Software, format!("the tour stumbled: {}", exit::chain(&error)))
}
