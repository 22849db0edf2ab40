//! UTF8 and LANG (RFC 6856), where they are announced.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::transcript::visible;
use crate::verdict::{Level, Step, Stop, demand};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "utf8",
        title: "UTF8 is taken before login, and takes no argument",
        rows: &["R6856-2.1.1", "R6856-2.1"],
        level: Level::Must,
        needs: &[],
        judge: utf8,
    },
    Judge {
        key: "utf8-after-login",
        title: "UTF8 is refused after login",
        rows: &["R6856-2.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: utf8_after_login,
    },
    Judge {
        key: "utf8-ascii",
        title: "UTF-8 mode changes nothing for messages in ASCII",
        rows: &["R6856-2.1.3"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: utf8_ascii,
    },
    Judge {
        key: "lang-list",
        title: "LANG lists language tags",
        rows: &["R6856-3.2.5"],
        level: Level::Must,
        needs: &[],
        judge: list,
    },
    Judge {
        key: "lang-set",
        title: "LANG with a listed tag is taken, with an unknown one refused",
        rows: &["R6856-3.2.1", "R6856-3.2.2"],
        level: Level::Must,
        needs: &[],
        judge: set,
    },
    Judge {
        key: "lang-codes",
        title: "status indicators are the same in each language, texts are UTF-8",
        rows: &["R6856-3.2.7", "R6856-3.2.1"],
        level: Level::Must,
        needs: &[],
        judge: codes,
    },
    Judge {
        key: "lang-after-login",
        title: "LANG is taken after login as well",
        rows: &["R6856-3.1.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: after_login,
    },
    Judge {
        key: "lang-default",
        title: "LANG * chooses the language of the server",
        rows: &["R6856-3.2.4"],
        level: Level::Must,
        needs: &[],
        judge: default,
    },
];

fn utf8(bench: &mut Bench<'_>) -> Step {
    bench.announced("UTF8")?;
    let mut dialogue = bench.open()?;
    dialogue.all_refused(&["UTF8 x"])?;
    let reply = dialogue.ask("UTF8")?;
    demand(reply.is_ok(), "+OK to UTF8, as it is announced", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn utf8_after_login(bench: &mut Bench<'_>) -> Step {
    bench.announced("UTF8")?;
    let mut dialogue = bench.login()?;
    dialogue.all_refused(&["UTF8"])?;
    dialogue.drop_connection();
    Ok(())
}

fn utf8_ascii(bench: &mut Bench<'_>) -> Step {
    bench.announced("UTF8")?;
    let samples = bench.samples()?;
    let is_ascii = |body: &crate::dialogue::Body| body.lines.iter().all(|line| line.octets.is_ascii());
    let Some(sample) = samples.iter().find(|sample| is_ascii(&sample.body)) else {
        return Err(Stop::not_applicable("no message that was looked at is in ASCII"));
    };
    bench.login()?.drop_connection();
    bench.pause();
    let mut dialogue = bench.open()?;
    dialogue.must("UTF8")?;
    let reply = bench.try_login(&mut dialogue)?;
    if !reply.is_ok() {
        return Err(Stop::Undecided(format!("the login was refused: {reply}")));
    }
    let body = dialogue.must_list(format!("RETR {}", sample.number))?;
    dialogue.drop_connection();
    demand(body == sample.body, "the octets as without UTF8", || format!("{} octets", body.octets()))
}

/// The tags that the server lists.
fn tags(bench: &mut Bench<'_>) -> Step<(crate::dialogue::Dialogue, Vec<String>)> {
    bench.announced("LANG")?;
    let mut dialogue = bench.open()?;
    let (reply, body) = dialogue.list("LANG")?;
    let body =
        body.ok_or_else(|| Stop::not_applicable(format!("LANG was refused, as it may be: {reply}")))?;
    let tag = |line: String| line.split(' ').next().unwrap_or_default().to_owned();
    Ok((dialogue, body.texts().into_iter().map(tag).collect()))
}

fn list(bench: &mut Bench<'_>) -> Step {
    let (dialogue, tags) = tags(bench)?;
    dialogue.drop_connection();
    demand(!tags.is_empty(), "at least one language", || "none".into())?;
    for tag in &tags {
        let is_tag = tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_alphanumeric())
        });
        demand(is_tag, "language tags", || format!("\"{}\"", visible(tag.as_bytes())))?;
    }
    Ok(())
}

fn set(bench: &mut Bench<'_>) -> Step {
    let (mut dialogue, tags) = tags(bench)?;
    if let Some(tag) = tags.first() {
        let reply = dialogue.ask(format!("LANG {tag}"))?;
        let first = String::from_utf8_lossy(reply.text()).split(' ').next().unwrap_or_default().to_owned();
        let is_right = reply.is_ok() && first.eq_ignore_ascii_case(tag);
        demand(is_right, &format!("+OK {tag} and a text"), || reply.to_string())?;
    }
    dialogue.all_refused(&["LANG qqx-restante"])?;
    dialogue.drop_connection();
    Ok(())
}

fn codes(bench: &mut Bench<'_>) -> Step {
    let (mut dialogue, tags) = tags(bench)?;
    for tag in tags.iter().take(12) {
        let reply = dialogue.ask(format!("LANG {tag}"))?;
        demand(reply.is_ok(), &format!("+OK to LANG {tag}"), || reply.to_string())?;
        let refusal = dialogue.ask("LANG qqx-restante")?;
        demand(refusal.is_err(), "-ERR as in every language", || refusal.to_string())?;
        let is_utf8 = [&reply, &refusal].into_iter().all(|reply| std::str::from_utf8(&reply.line).is_ok());
        demand(is_utf8, "texts in UTF-8", || format!("{reply}, {refusal}"))?;
    }
    dialogue.drop_connection();
    Ok(())
}

fn after_login(bench: &mut Bench<'_>) -> Step {
    let (dialogue, tags) = tags(bench)?;
    dialogue.drop_connection();
    let Some(tag) = tags.first() else { return Ok(()) };
    let mut dialogue = bench.login()?;
    let reply = dialogue.ask(format!("LANG {tag}"))?;
    demand(reply.is_ok(), &format!("+OK to LANG {tag}"), || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}

fn default(bench: &mut Bench<'_>) -> Step {
    bench.announced("LANG")?;
    let mut dialogue = bench.open()?;
    let reply = dialogue.ask("LANG *")?;
    demand(reply.is_ok(), "+OK to LANG *", || reply.to_string())?;
    dialogue.drop_connection();
    Ok(())
}
