//! TOP: the header, the empty line, and so many lines of the body; counted behind the header and before stuffing.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::dialogue::Body;
use crate::verdict::{Level, Step, Stop, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "top-zero",
        title: "TOP n 0 sends the header and the empty line, and no more",
        rows: &["R1939-7.3"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: zero,
    },
    Judge {
        key: "top-lines",
        title: "TOP n k sends k lines of the body, header lines not counted",
        rows: &["R1939-7.2", "R1939-7.6"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: lines,
    },
    Judge {
        key: "top-all",
        title: "TOP with more lines than there are sends the message as RETR does",
        rows: &["R1939-7.4"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: all,
    },
    Judge {
        key: "top-wraps",
        title: "a number of lines beyond 32 bits is not taken for a small one",
        rows: &["R1939-7.4"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: wraps,
    },
];

fn zero(bench: &mut Bench<'_>) -> Step {
    on_each(bench, |_| vec![0])
}

fn lines(bench: &mut Bench<'_>) -> Step {
    // One, two, and one less than there are: off-by-one errors sit at the ends.
    on_each(bench, |body_lines| {
        let mut counts: Vec<usize> = [1, 2, body_lines.saturating_sub(1)]
            .into_iter()
            .filter(|n| (1..body_lines).contains(n))
            .collect();
        counts.dedup();
        counts
    })
}

fn all(bench: &mut Bench<'_>) -> Step {
    on_each(bench, |_| vec![99_999_999])
}

fn wraps(bench: &mut Bench<'_>) -> Step {
    let samples = bench.samples()?;
    let Some(sample) = samples.iter().max_by_key(|sample| body_lines(&sample.body)) else { return Ok(()) };
    let mut dialogue = bench.login()?;
    // 2^32 and 2^64: zero, where they wrap. To refuse them is as good.
    for count in ["4294967296", "18446744073709551616"] {
        let (reply, body) = dialogue.list(format!("TOP {} {count}", sample.number))?;
        let Some(body) = body else { continue };
        demand(body == sample.body, "the whole message, or -ERR", || {
            format!("{reply} and {} of {} lines", body.lines.len(), sample.body.lines.len())
        })?;
    }
    dialogue.drop_connection();
    Ok(())
}

/// Asks TOP for some messages and compares with what RETR sent of them.
fn on_each(bench: &mut Bench<'_>, counts: fn(usize) -> Vec<usize>) -> Step {
    let samples = bench.samples()?;
    let mut dialogue = bench.login()?;
    let mut is_first = true;
    for sample in samples.iter().take(6) {
        for count in counts(body_lines(&sample.body)) {
            let (reply, body) = dialogue.list(format!("TOP {} {count}", sample.number))?;
            let Some(body) = body else {
                if is_first && !bench.entrance()?.capabilities().is_some_and(|list| list.has("TOP")) {
                    return Err(Stop::not_applicable("the server has no TOP"));
                }
                return Err(crate::verdict::broken(
                    format!("the top of message {}", sample.number),
                    reply.to_string(),
                ));
            };
            is_first = false;
            let expected = extent(&sample.body, count);
            if body != expected {
                bench.cite(&sample.transcript);
                let expected = format!(
                    "{} header lines and {} of the body",
                    sample.body.header_lines(),
                    expected_of_body(&expected)
                );
                let found = format!("{} lines in all", body.lines.len());
                let found = if body.lines.len() == extent(&sample.body, count).lines.len() {
                    "other lines than RETR sends".to_owned()
                } else {
                    found
                };
                return Err(crate::verdict::broken(expected, found));
            }
        }
    }
    dialogue.drop_connection();
    match is_first {
        true => Err(Stop::not_applicable("no message that was looked at has so many lines")),
        false => Ok(()),
    }
}

/// What TOP must send, by what RETR has sent.
fn extent(whole: &Body, count: usize) -> Body {
    let up_to = whole.header_lines().saturating_add(1).saturating_add(count).min(whole.lines.len());
    Body { lines: whole.lines.get(..up_to).unwrap_or_default().to_vec() }
}

fn body_lines(body: &Body) -> usize {
    body.lines.len().saturating_sub(body.header_lines() + 1)
}

fn expected_of_body(body: &Body) -> usize {
    body_lines(body)
}
