//! RETR of all that is wanted, while the delivery thread takes what has come: the two threads of a pass, and how both end.

use std::collections::HashMap;
use std::future::Future as _;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use restante_client::error::Error;
use restante_client::pop3::{Client, Piece, ScanListing};
use restante_proto::maildrop::Octets;
use tokio::sync::oneshot;

use super::blame::files_failed;
use super::delivery::{Delivered, Delivery, OpenSinks, Opening};
use super::intake::Intake;
use super::{Order, World};
use crate::journal::Journal;
use crate::plan::Item;
use crate::quarantine::Quarantine;
use crate::report::{Failure, Kind, Report};
use crate::sink::LineEnds;
use crate::spool::Spool;

/// What came of it.
pub(super) struct Retrieved {
    /// `None` when a fault of this program has taken it along.
    pub(super) journal: Option<Journal>,
    /// What is durable, counted; why not all of it is, if so.
    pub(super) report: Report,
}

/// Fetches and delivers. Whatever happens, what had come whole is delivered and recorded on return, and nothing is delivered any
/// more. When there is no failure the client can be used on.
pub(super) async fn retrieve(
    order: &Order,
    world: &World,
    client: &mut Client,
    wanted: &[Item],
    journal: Journal,
    sinks: OpenSinks,
) -> Retrieved {
    let failed = |journal, failure| Retrieved { journal, report: Report::failed(failure) };
    let account = journal.account().to_owned();
    let delivery = Delivery {
        journal,
        quarantine: Quarantine::new(Arc::clone(&world.disk), &order.folder),
        clock: Arc::clone(&world.clock),
        events: world.events.clone(),
    };
    let Opening { line, opened, delivered } = match delivery.start(sinks) {
        Ok(started) => started,
        Err(error) => {
            return failed(None, Failure::new(Kind::Files, format!("no thread to be had: {error}")));
        }
    };
    let spool = match opened.await {
        Ok(owner) => open_spool(order, world, owner),
        Err(_) => Err(Failure::new(Kind::Files, "the sinks cannot be opened")),
    };
    let (spool, line_ends) = match spool {
        Ok(spool) => spool,
        Err(failure) => {
            drop(line);
            // Why the sinks could not be opened is told by who has tried.
            return match delivered.await {
                Ok(Delivered { journal, report }) => failed(journal, report.failure.unwrap_or(failure)),
                Err(_) => failed(None, failure),
            };
        }
    };
    let listed: HashMap<_, _> =
        wanted.iter().map(|message| (message.number, (message.key.clone(), message.octets))).collect();
    let mut intake = Intake {
        spool: &spool,
        line_ends,
        additions: Box::new(|key| order.additions.fields(&key.mark(&account), (world.clock)())),
        events: &world.events,
        line,
        listed,
        coming: None,
        batch: Vec::new(),
        batch_octets: 0,
        refused: 0,
    };
    let came = receive(order, world, client, wanted, &mut intake).await;
    let flushed = intake.flush();
    let refused = intake.refused;
    // The thread ends when it has delivered what is in the line.
    drop(intake);
    let keep_alive = if came.is_ok() { Some(client) } else { None };
    let (delivered, lost) = wait(order, delivered, keep_alive).await;
    let Some(Delivered { journal, mut report }) = delivered else {
        return failed(None, Failure::new(Kind::Files, "a fault of this program ended the delivery"));
    };
    report.refused = refused;
    // What happened here is told by whoever knows it best: the delivery knows why it has ended.
    let here = [came.err(), flushed.err(), lost].into_iter().flatten().next();
    report.failure = report.failure.take().or(here);
    Retrieved { journal, report }
}

/// The spool, in the folder of the sink that owns it or in the account's; and how lines end there.
fn open_spool(
    order: &Order,
    world: &World,
    owner: Option<(PathBuf, Option<u32>)>,
) -> Result<(Spool, LineEnds), Failure> {
    // Most sinks want LF; who reads from the state folder converts what he must.
    let line_ends = if owner.is_some() { LineEnds::Lf } else { LineEnds::Crlf };
    let (folder, mode) = owner.unwrap_or_else(|| (order.folder.join("spool"), None));
    let spool = Spool::open(Arc::clone(&world.disk), &folder, &order.folder.to_string_lossy())
        .map_err(|error| files_failed(&error))?;
    Ok((spool.with_mode(mode), line_ends))
}

/// All that RETR brings, into the intake.
async fn receive(
    order: &Order,
    world: &World,
    client: &mut Client,
    wanted: &[Item],
    intake: &mut Intake<'_>,
) -> Result<(), Failure> {
    let listings: Vec<ScanListing> = wanted
        .iter()
        .map(|message| ScanListing {
            number: message.number,
            octets: Octets::new(message.octets.unwrap_or(0)),
        })
        .collect();
    let mut asked = pin!(world.stop.asked());
    let mut retrieval = client.retrieval(listings).map_err(|error| order.peer.failed(&error))?;
    loop {
        let mut paused = Ok(());
        let next = {
            let mut next = pin!(retrieval.next());
            std::future::poll_fn(|context| match next.as_mut().poll(context) {
                Poll::Ready(next) => Poll::Ready(next.map_err(|error| order.peer.failed(&error))),
                Poll::Pending if asked.as_mut().poll(context).is_ready() => Poll::Ready(Err(stopped())),
                Poll::Pending => {
                    paused = intake.pause();
                    match paused {
                        Ok(()) => Poll::Pending,
                        Err(_) => Poll::Ready(Ok(None)),
                    }
                }
            })
            .await?
        };
        paused?;
        match next {
            Some((number, piece)) => {
                let is_end = matches!(piece, Piece::End { .. });
                intake.take(number, piece)?;
                // A network that is never out of breath must not keep us from hearing it.
                if is_end && world.stop.is_asked() {
                    return Err(stopped());
                }
            }
            None => return Ok(()),
        }
    }
}

/// Until the delivery has ended. A connection that is to be kept for the deletions is told now and then that somebody is there;
/// why that failed, if it did.
async fn wait(
    order: &Order,
    mut delivered: oneshot::Receiver<Delivered>,
    mut client: Option<&mut Client>,
) -> (Option<Delivered>, Option<Failure>) {
    let mut lost = None;
    loop {
        tokio::select! {
            biased;
            delivered = &mut delivered => return (delivered.ok(), lost),
            () = tokio::time::sleep(NOOP_INTERVAL), if client.is_some() => {
                let Some(living) = client.as_mut() else { continue };
                match living.noop().await {
                    Ok(()) | Err(Error::Refused(_)) => {}
                    Err(error) => {
                        lost = Some(order.peer.failed(&error));
                        client = None;
                    }
                }
            }
        }
    }
}

pub(super) fn stopped() -> Failure {
    Failure::new(Kind::Stopped, "somebody asked to stop").remedy("the next run goes on where this one ended")
}

/// Some servers cut off after a minute of silence, whatever RFC 1939 says of ten.
const NOOP_INTERVAL: Duration = Duration::from_secs(30);
