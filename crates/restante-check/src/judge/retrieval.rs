//! RETR: whole messages, their octets, line ends and dots; on messages that are there, whatever they are.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::transcript::visible;
use crate::verdict::{Level, Step, Stop, broken, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "retr",
        title: "RETR sends a message that ends with the termination octet",
        rows: &["R1939-5.16", "R1939-3.11"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: retr,
    },
    Judge {
        key: "retr-octets",
        title: "LIST announces exactly the octets that RETR sends",
        rows: &["R1939-5.13", "R1939-11.1", "R1939-11.2"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: octets,
    },
    Judge {
        key: "retr-stuffing",
        title: "a line that begins with a dot has another one in front",
        rows: &["R1939-3.12"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: stuffing,
    },
    Judge {
        key: "retr-first-octet",
        title: "a dot in the very first octet of a message is stuffed as well",
        rows: &["R1939-3.12"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: first_octet,
    },
    Judge {
        key: "retr-line-ends",
        title: "every line of a message ends with CR LF",
        rows: &["R1939-11.3"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: line_ends,
    },
    Judge {
        key: "retr-again",
        title: "RETR sends the same octets each time",
        rows: &["R1939-5.19"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: again,
    },
    Judge {
        key: "retr-eight-bit-header",
        title: "without UTF8 no header field outside ASCII is sent",
        rows: &["R6856-2.1.6", "R6856-2.1.13"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: eight_bit_header,
    },
];

fn retr(bench: &mut Bench<'_>) -> Step {
    bench.samples().map(|_| ())
}

fn octets(bench: &mut Bench<'_>) -> Step {
    for sample in bench.samples()?.iter() {
        if sample.octets != sample.body.octets() {
            bench.cite(&sample.transcript);
            let found = format!("message {} had {} octets on the wire", sample.number, sample.body.octets());
            return Err(broken(format!("{} octets, as LIST announced", sample.octets), found));
        }
    }
    Ok(())
}

fn stuffing(bench: &mut Bench<'_>) -> Step {
    for sample in bench.samples()?.iter() {
        let rest = sample.body.lines.get(1..).unwrap_or_default();
        let naked = rest.iter().find(|line| line.octets.starts_with(b".") && !line.octets.starts_with(b".."));
        if let Some(line) = naked {
            bench.cite(&sample.transcript);
            let found = format!("message {} has the line \"{}\"", sample.number, visible(&line.octets));
            return Err(broken("a second dot in front of it", found));
        }
    }
    Ok(())
}

fn first_octet(bench: &mut Bench<'_>) -> Step {
    let samples = bench.samples()?;
    let mut was_seen = false;
    for sample in samples.iter() {
        let first = sample.body.lines.first().map(|line| line.octets.as_slice()).unwrap_or_default();
        // A message that is nothing but a dot ends before it begins, where it is not stuffed.
        let is_cut = sample.body.lines.is_empty() && sample.octets > 0;
        if is_cut || (first.starts_with(b".") && !first.starts_with(b"..")) {
            bench.cite(&sample.transcript);
            let found = format!(
                "message {} of {} octets begins with \"{}\"{}",
                sample.number,
                sample.octets,
                visible(first),
                if is_cut { " and ends there" } else { "" }
            );
            return Err(broken("two dots at the beginning", found));
        }
        was_seen |= first.starts_with(b"..");
    }
    match was_seen {
        true => Ok(()),
        false => Err(Stop::not_applicable("no message that was looked at begins with a dot")),
    }
}

fn line_ends(bench: &mut Bench<'_>) -> Step {
    for sample in bench.samples()?.iter() {
        if let Some(line) = sample.body.bare_line_feed() {
            bench.cite(&sample.transcript);
            let found = format!("message {} has \"{}\" with LF alone", sample.number, visible(&line.octets));
            return Err(broken("CR LF behind every line", found));
        }
    }
    Ok(())
}

fn again(bench: &mut Bench<'_>) -> Step {
    let samples = bench.samples()?;
    let mut dialogue = bench.login()?;
    for sample in samples.iter().take(3) {
        let (number, before) = (sample.number, &sample.body);
        for _ in 0..2 {
            let body = dialogue.must_list(format!("RETR {number}"))?;
            demand(body == *before, "the octets of the first time", || {
                format!("message {number} had {} octets, then {}", before.octets(), body.octets())
            })?;
        }
    }
    dialogue.drop_connection();
    Ok(())
}

fn eight_bit_header(bench: &mut Bench<'_>) -> Step {
    bench.announced("UTF8")?;
    for sample in bench.samples()?.iter() {
        let header = sample.body.lines.get(..sample.body.header_lines()).unwrap_or_default();
        if let Some(line) = header.iter().find(|line| !line.octets.is_ascii()) {
            bench.cite(&sample.transcript);
            let found = format!("message {} has \"{}\"", sample.number, visible(&line.octets));
            return Err(broken("a surrogate, or -ERR [UTF8]", found));
        }
    }
    Ok(())
}
