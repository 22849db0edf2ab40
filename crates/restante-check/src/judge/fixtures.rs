//! Messages of our own that servers stumble over: what comes back must be what was sent.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::fixture;
use crate::transcript::visible;
use crate::verdict::{Level, Step, Stop, broken};

const NEEDS: &[Need] = &[Need::Account, Need::Destructive, Need::Delivery];

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "message-dots",
        title: "lines of dots come back as they were sent",
        rows: &["R1939-5.16", "R1939-3.12"],
        level: Level::Must,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "dots"),
    },
    Judge {
        key: "message-lines",
        title: "an ordinary message comes back as it was sent",
        rows: &["R1939-5.16"],
        level: Level::Must,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "lines"),
    },
    Judge {
        key: "message-long-lines",
        title: "long lines come back uncut",
        rows: &["R1939-5.16"],
        level: Level::Must,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "long-lines"),
    },
    Judge {
        key: "message-eight-bit",
        title: "8-bit octets in a body come back as they were sent",
        rows: &["R1939-5.16"],
        level: Level::Must,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "eight-bit"),
    },
    Judge {
        key: "message-nul",
        title: "a NUL does not cut a message",
        rows: &["R1939-5.16"],
        level: Level::Practice,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "nul"),
    },
    Judge {
        key: "message-bare-cr",
        title: "a CR alone is an octet like any other",
        rows: &["R1939-5.16"],
        level: Level::Practice,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "bare-cr"),
    },
    Judge {
        key: "message-no-body",
        title: "a message of header fields alone comes back",
        rows: &["R1939-5.16"],
        level: Level::Practice,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "no-body"),
    },
    Judge {
        key: "message-empty-body",
        title: "a message with an empty body comes back",
        rows: &["R1939-5.16"],
        level: Level::Must,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "empty-body"),
    },
    Judge {
        key: "message-blank-lines",
        title: "blank lines at the end are kept, and none is added",
        rows: &["R1939-5.16"],
        level: Level::Must,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "blank-lines"),
    },
    Judge {
        key: "message-no-line-end",
        title: "a last line without an end gets one, and loses nothing",
        rows: &["R1939-11.3"],
        level: Level::Must,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "no-line-end"),
    },
    Judge {
        key: "message-large",
        title: "a message of many lines comes back whole",
        rows: &["R1939-5.16"],
        level: Level::Must,
        needs: NEEDS,
        judge: |bench| comes_back(bench, "large"),
    },
];

/// Retrieves one of our messages: from our first header field on, it must be what was sent, with a line end at its end, and LIST must
/// have announced its octets.
fn comes_back(bench: &mut Bench<'_>, name: &'static str) -> Step {
    if let Some(Err(why)) = bench.deliveries.get(name) {
        return Err(Stop::not_applicable(format!("its delivery was refused: {why}")));
    }
    let Some(mut sent) = fixture::sent(&bench.settings.token, name) else { return Ok(()) };
    if !sent.ends_with(b"\r\n") {
        sent.extend_from_slice(b"\r\n");
    }
    let mut dialogue = bench.login()?;
    let own = fixture::own(bench, &mut dialogue)?;
    let Some(own) = own.get(name) else { return Err(Stop::Undecided("it is not in the maildrop".into())) };
    let announced = dialogue.ask(format!("LIST {}", own.number))?;
    let body = dialogue.must_list(format!("RETR {}", own.number))?;
    dialogue.drop_connection();
    let whole = body.unstuffed();
    let start = whole.windows(fixture::FIELD.len()).position(|window| window == fixture::FIELD.as_bytes());
    let came = start.and_then(|start| whole.get(start..)).unwrap_or_default();
    if came != sent {
        let at = came.iter().zip(&sent).take_while(|(a, b)| a == b).count();
        let from = |octets: &[u8]| visible(octets.get(at..octets.len().min(at + 60)).unwrap_or_default());
        let expected = format!("\"{}\" from octet {at} on", from(&sent));
        return Err(broken(expected, format!("\"{}\"", from(came))));
    }
    let octets = format!("+OK {} {}", own.number, body.octets());
    crate::verdict::demand(announced.line == octets.as_bytes(), &octets, || announced.to_string())
}
