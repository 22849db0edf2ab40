//! Messages of our own, each with something in it that servers stumble over: delivered for a destructive run, found again by a
//! header field with the run's token, and removed at its end. No other message is ever removed.

use std::collections::BTreeMap;

use crate::bench::Bench;
use crate::delivery;
use crate::dialogue::Dialogue;
use crate::facts::{scan_listing, unique_id_listing};
use crate::verdict::{Step, Stop};

/// A message of our own.
pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    /// What follows the header fields that mark it as ours.
    rest: fn() -> Vec<u8>,
}

/// Those that are delivered before the judging begins.
pub(crate) const FIXTURES: &[Fixture] = &[
    Fixture { name: "dots", rest: || b"\r\n.\r\n..\r\n...\r\n.a\r\n..b\r\nc.\r\n.\r\n\r\n.\r\n".to_vec() },
    Fixture { name: "lines", rest: || [&b"\r\n"[..], &numbered(12)].concat() },
    Fixture { name: "long-lines", rest: long_lines },
    Fixture { name: "eight-bit", rest: || "\r\nGr\u{fc}\u{df}e, \u{4f60}\u{597d}\r\n".as_bytes().to_vec() },
    Fixture { name: "nul", rest: || b"\r\nbefore\0after\r\nlast line\r\n".to_vec() },
    Fixture { name: "bare-cr", rest: || b"\r\none\rtwo\r\n\r.\r\nthree\r\n".to_vec() },
    Fixture { name: "no-body", rest: Vec::new },
    Fixture { name: "empty-body", rest: || b"\r\n".to_vec() },
    Fixture { name: "blank-lines", rest: || b"\r\n\r\n\r\n \r\n\t\r\n\r\n".to_vec() },
    Fixture { name: "no-line-end", rest: || b"\r\nfirst\r\nlast without an end".to_vec() },
    Fixture { name: "large", rest: || [&b"\r\n"[..], &numbered(12_000)].concat() },
];

fn numbered(count: u32) -> Vec<u8> {
    (1..=count).flat_map(|number| format!("line {number}\r\n").into_bytes()).collect()
}

fn long_lines() -> Vec<u8> {
    let mut rest = b"\r\n".to_vec();
    // 998 is the limit of RFC 5322; nobody may cut what is longer.
    for length in [511, 512, 513, 998, 2048, 8192] {
        rest.extend(std::iter::repeat_n(b'x', length));
        rest.extend_from_slice(b"\r\n.");
    }
    rest.extend_from_slice(b"end\r\n");
    rest
}

/// The whole message with this name, from our first header field on.
pub(crate) fn message(token: &str, name: &str, rest: &[u8]) -> Vec<u8> {
    let head = format!(
        "{FIELD} {token} {name}\r\nFrom: restante-check@restante-check.invalid\r\nTo: undisclosed-recipients:;\r\n\
         Subject: restante check, {name}\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
         Message-ID: <{name}.{token}@restante-check.invalid>\r\n"
    );
    [head.as_bytes(), rest].concat()
}

/// The message with this name as it was sent.
pub(crate) fn sent(token: &str, name: &str) -> Option<Vec<u8>> {
    let fixture = FIXTURES.iter().find(|fixture| fixture.name == name)?;
    Some(message(token, name, &(fixture.rest)()))
}

/// Delivers all of them and waits until they are there. Those that were refused are remembered with the reason.
///
/// # Errors
/// Why there are none.
pub(crate) fn deliver_all(bench: &mut Bench<'_>) -> Result<(), String> {
    let token = bench.settings.token.clone();
    for fixture in FIXTURES {
        let message = message(&token, fixture.name, &(fixture.rest)());
        deliver(bench, fixture.name, &message).map_err(crate::judge::why)?;
    }
    if !bench.deliveries.values().any(Result::is_ok) {
        let first = bench.deliveries.values().find_map(|done| done.as_ref().err().cloned());
        return Err(format!("no delivery was taken: {}", first.unwrap_or_default()));
    }
    arrival(bench).map_err(crate::judge::why)
}

/// Delivers one more, by a name that no other has, and waits until it is there.
pub(crate) fn deliver_one(bench: &mut Bench<'_>, name: &'static str) -> Step {
    let message = message(&bench.settings.token, name, b"\r\nThis message may be removed.\r\n");
    deliver(bench, name, &message)?;
    match bench.deliveries.get(name) {
        Some(Ok(())) => arrival(bench),
        Some(Err(why)) => Err(Stop::Undecided(format!("the delivery was refused: {why}"))),
        None => Ok(()),
    }
}

/// Delivers one more and does not wait.
pub(crate) fn deliver(bench: &mut Bench<'_>, name: &'static str, message: &[u8]) -> Step {
    let Some(delivery) = bench.settings.delivery.clone() else { return Ok(()) };
    let done = delivery::deliver(bench, &delivery, message)?;
    bench.deliveries.insert(name, done);
    bench.maildrop_changed();
    Ok(())
}

/// Waits until everything that was taken is in the maildrop.
pub(crate) fn arrival(bench: &mut Bench<'_>) -> Step {
    for _ in 0..ARRIVAL_LOOKS {
        let mut dialogue = bench.login()?;
        let own = own(bench, &mut dialogue)?;
        dialogue.drop_connection();
        let is_there = |name: &&str| own.contains_key(*name);
        if bench.deliveries.iter().filter(|(_, done)| done.is_ok()).map(|(name, _)| name).all(is_there) {
            return Ok(());
        }
        bench.pause();
    }
    Err(Stop::Undecided("messages that were taken did not arrive in the maildrop".into()))
}

/// Where a message of ours is.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) number: u64,
    pub(crate) unique_id: Option<String>,
}

/// The messages of this run that the open session shows, by name. The transcript does not show the search.
pub(crate) fn own(bench: &Bench<'_>, dialogue: &mut Dialogue) -> Step<BTreeMap<String, Own>> {
    let aside = bench.transcript().aside();
    let found = search(&bench.settings.token, dialogue);
    if found.is_ok() {
        bench.transcript().go_on(aside);
    }
    found
}

fn search(token: &str, dialogue: &mut Dialogue) -> Step<BTreeMap<String, Own>> {
    let listing = scan_listing(&dialogue.must_list("LIST")?);
    let unique_ids = dialogue.list("UIDL")?.1.map(|list| unique_id_listing(&list)).unwrap_or_default();
    let mark = format!("{FIELD} {token} ");
    let mut own = BTreeMap::new();
    // The newest are last; a throw-away maildrop is small anyway.
    for (number, octets) in listing.into_iter().rev().take(SEARCHED_MAX) {
        if octets > OWN_OCTETS_MAX {
            continue;
        }
        let (_, body) = dialogue.list(format!("TOP {number} 0"))?;
        let body = match body {
            Some(body) => body,
            None => dialogue.must_list(format!("RETR {number}"))?,
        };
        let name = body.texts().iter().find_map(|line| line.strip_prefix(&mark).map(str::to_owned));
        if let Some(name) = name {
            let unique_id = unique_ids.iter().find(|(other, _)| *other == number).map(|(_, id)| id.clone());
            own.insert(name, Own { number, unique_id });
        }
    }
    Ok(own)
}

/// Removes what this run has delivered, and nothing else. Returns whether some of it may still be there.
pub(crate) fn remove_all(bench: &mut Bench<'_>) -> bool {
    if !bench.deliveries.values().any(Result::is_ok) {
        return false;
    }
    remove_own(bench).is_err()
}

fn remove_own(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.login()?;
    for own in own(bench, &mut dialogue)?.values() {
        dialogue.must(format!("DELE {}", own.number))?;
    }
    dialogue.must("QUIT")?;
    drop(dialogue);
    // Mail that was on its way may have come in late.
    let mut dialogue = bench.login()?;
    let left = own(bench, &mut dialogue)?;
    dialogue.drop_connection();
    match left.is_empty() {
        true => Ok(()),
        false => Err(Stop::Undecided("some are left".into())),
    }
}

/// The header field that marks a message as ours.
pub(crate) const FIELD: &str = "X-Restante-Check:";
/// Looks into the maildrop until what was delivered must have arrived.
const ARRIVAL_LOOKS: u32 = 60;
/// Messages that are looked at to find ours.
const SEARCHED_MAX: usize = 300;
/// No message of ours is larger.
const OWN_OCTETS_MAX: u64 = 1024 * 1024;
