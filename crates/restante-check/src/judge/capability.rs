//! CAPA: its form, its two states, and what its lines promise.

use super::{Judge, Need};
use crate::bench::Bench;
use crate::facts::Capabilities;
use crate::verdict::{Level, Step, Stop, broken, demand, doubtful};

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "capa",
        title: "CAPA is there",
        rows: &["R2449-5.8"],
        level: Level::Practice,
        needs: &[],
        judge: capa,
    },
    Judge {
        key: "capa-form",
        title: "each capability is a tag and parameters, one space apart",
        rows: &["R2449-5.6", "R2449-3.2"],
        level: Level::Must,
        needs: &[],
        judge: form,
    },
    Judge {
        key: "capa-line-octets",
        title: "a capability line has at most 512 octets",
        rows: &["R2449-5.7"],
        level: Level::Must,
        needs: &[],
        judge: line_octets,
    },
    Judge {
        key: "capa-after-login",
        title: "CAPA is accepted after login as well",
        rows: &["R2449-5.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: after_login,
    },
    Judge {
        key: "capa-both-states",
        title: "what is announced before login is announced after it, STLS apart",
        rows: &["R2449-5.2", "R5034-3.5"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: kept,
    },
    Judge {
        key: "capa-before-login",
        title: "capabilities of both states are announced before login already",
        rows: &[
            "R2449-6.1.1",
            "R2449-6.8.1",
            "R2449-6.6.1",
            "R3206-6.2",
            "R5034-3.1",
            "R6856-2.1",
            "R6856-3.1.1",
        ],
        level: Level::Must,
        needs: &[Need::Account],
        judge: not_late,
    },
    Judge {
        key: "capa-top",
        title: "TOP is announced if and only if it works",
        rows: &["R2449-6.1.1"],
        level: Level::Must,
        needs: &[Need::Account, Need::Messages(1)],
        judge: top,
    },
    Judge {
        key: "capa-uidl",
        title: "UIDL is announced if and only if it works",
        rows: &["R2449-6.8.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: uidl,
    },
    Judge {
        key: "capa-user",
        title: "USER is announced only where USER and PASS are taken",
        rows: &["R2449-6.2.1"],
        level: Level::Must,
        needs: &[Need::Account],
        judge: user,
    },
    Judge {
        key: "capa-no-apop",
        title: "there is no APOP capability",
        rows: &["R2449-6.1"],
        level: Level::Practice,
        needs: &[],
        judge: no_apop,
    },
    Judge {
        key: "capa-login-delay",
        title: "LOGIN-DELAY has whole seconds, and USER at most",
        rows: &["R2449-6.5.1"],
        level: Level::Must,
        needs: &[],
        judge: login_delay,
    },
    Judge {
        key: "capa-expire",
        title: "EXPIRE has whole days or NEVER, and USER at most",
        rows: &["R2449-6.7.1"],
        level: Level::Must,
        needs: &[],
        judge: expire,
    },
    Judge {
        key: "capa-sasl",
        title: "SASL lists names of mechanisms, each once",
        rows: &["R2449-6.3.1"],
        level: Level::Must,
        needs: &[],
        judge: sasl,
    },
    Judge {
        key: "capa-stls",
        title: "STLS is announced only where it is permitted",
        rows: &["R2595-4.2"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: stls,
    },
    Judge {
        key: "capa-plaintext",
        title: "no password in the clear is invited without TLS",
        rows: &["R5034-4.26", "R4616-5.1"],
        level: Level::Should,
        needs: &[Need::Tls],
        judge: plaintext,
    },
    Judge {
        key: "capa-user-values",
        title: "values that differ for an account are flagged by USER, and bounded before login",
        rows: &["R2449-6.5.2", "R2449-6.5.3", "R2449-6.7.4", "R2449-6.7.5"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: user_values,
    },
    Judge {
        key: "login-delay",
        title: "an announced LOGIN-DELAY is enforced",
        rows: &["R2449-6.5.4"],
        level: Level::Should,
        needs: &[Need::Account],
        judge: login_delay_is_enforced,
    },
];

fn capa(bench: &mut Bench<'_>) -> Step {
    let entrance = bench.see_entrance()?;
    demand(entrance.capabilities().is_some(), "a list of capabilities", || "CAPA was refused".into())
}

fn form(bench: &mut Bench<'_>) -> Step {
    for line in &announced(bench)?.lines {
        let mut words = line.split(' ');
        let tag = words.next().unwrap_or_default();
        let tag_is_right =
            !tag.is_empty() && tag.bytes().all(|octet| matches!(octet, 0x21..=0x2D | 0x2F..=0x7E));
        let words_are_right =
            words.all(|word| !word.is_empty() && word.bytes().all(|o| o.is_ascii_graphic()));
        demand(tag_is_right && words_are_right, "tag *(SP parameter)", || format!("\"{line}\""))?;
    }
    Ok(())
}

fn line_octets(bench: &mut Bench<'_>) -> Step {
    let capabilities = announced(bench)?;
    let longest = capabilities.lines.iter().map(String::len).max().unwrap_or_default() + 2;
    demand(longest <= 512, "lines of at most 512 octets", || format!("a line of {longest} octets"))
}

fn after_login(bench: &mut Bench<'_>) -> Step {
    announced(bench)?;
    let maildrop = bench.see_maildrop()?;
    demand(maildrop.capabilities.is_some(), "a list of capabilities", || {
        "CAPA was refused after login".into()
    })
}

fn kept(bench: &mut Bench<'_>) -> Step {
    let (before, after) = both(bench)?;
    let lost: Vec<String> =
        before.tags().into_iter().filter(|tag| tag != "STLS" && !after.has(tag)).collect();
    demand(lost.is_empty(), "every capability of before the login", || {
        format!("after it {} is gone", lost.join(", "))
    })
}

fn not_late(bench: &mut Bench<'_>) -> Step {
    let (before, after) = both(bench)?;
    let late: Vec<&str> =
        OF_BOTH_STATES.iter().copied().filter(|tag| after.has(tag) && !before.has(tag)).collect();
    demand(late.is_empty(), "announced in both states", || format!("{} only after login", late.join(", ")))
}

fn top(bench: &mut Bench<'_>) -> Step {
    let (before, _) = both(bench)?;
    let number = bench.maildrop()?.listing.first().map_or(1, |(number, _)| *number);
    let mut dialogue = bench.login()?;
    let (reply, body) = dialogue.list(format!("TOP {number} 0"))?;
    dialogue.drop_connection();
    announced_and_works("TOP", before.has("TOP"), body.is_some(), &reply.to_string())
}

fn uidl(bench: &mut Bench<'_>) -> Step {
    let (before, _) = both(bench)?;
    let works = bench.maildrop()?.unique_ids.is_some();
    announced_and_works("UIDL", before.has("UIDL"), works, "see the reply to UIDL")
}

fn announced_and_works(name: &str, is_announced: bool, works: bool, reply: &str) -> Step {
    match (is_announced, works) {
        (true, false) => Err(broken(format!("{name} works, as it is announced"), reply)),
        (false, true) => Err(doubtful(format!("{name} is announced, as it works"), "it is not")),
        _ => Ok(()),
    }
}

fn user(bench: &mut Bench<'_>) -> Step {
    bench.announced("USER")?;
    let refusals = bench.see_refusals()?;
    let is_taken = refusals.user_known.is_ok() || refusals.user_known.code().is_some();
    demand(is_taken, "USER is taken, as it is announced", || refusals.user_known.to_string())
}

fn no_apop(bench: &mut Bench<'_>) -> Step {
    let capabilities = announced(bench)?;
    demand(!capabilities.has("APOP"), "APOP is announced by the greeting alone", || "CAPA lists it".into())
}

fn login_delay(bench: &mut Bench<'_>) -> Step {
    bench.see_entrance()?;
    let words = bench.announced("LOGIN-DELAY")?;
    number_and_user(&words, false)
}

fn expire(bench: &mut Bench<'_>) -> Step {
    bench.see_entrance()?;
    let words = bench.announced("EXPIRE")?;
    number_and_user(&words, true)
}

fn number_and_user(words: &[String], may_be_never: bool) -> Step {
    let is_number = |word: &String| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_digit());
    let is_never = |word: &String| may_be_never && word.eq_ignore_ascii_case("NEVER");
    let is_right = match words {
        [value] => is_number(value) || is_never(value),
        [value, user] => (is_number(value) || is_never(value)) && user.eq_ignore_ascii_case("USER"),
        _ => false,
    };
    demand(is_right, "a number, and USER at most", || format!("\"{}\"", words.join(" ")))
}

fn sasl(bench: &mut Bench<'_>) -> Step {
    bench.see_entrance()?;
    let names = bench.announced("SASL")?;
    demand(!names.is_empty(), "at least one mechanism", || "none".into())?;
    for (at, name) in names.iter().enumerate() {
        let is_name = name.len() <= 20
            && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
        demand(is_name, "names of SASL mechanisms", || format!("\"{name}\""))?;
        let is_repeated = names.iter().take(at).any(|other| other.eq_ignore_ascii_case(name));
        if is_repeated {
            return Err(doubtful("each mechanism once", format!("{name} twice")));
        }
    }
    Ok(())
}

fn stls(bench: &mut Bench<'_>) -> Step {
    let entrance = bench.see_entrance()?;
    if let Some(encrypted) = &entrance.encrypted {
        demand(!encrypted.has("STLS"), "no STLS under TLS", || "CAPA lists STLS under TLS".into())?;
    }
    if bench.settings.credentials.is_some() {
        let maildrop = bench.see_maildrop()?;
        let is_listed = maildrop.capabilities.as_ref().is_some_and(|capabilities| capabilities.has("STLS"));
        demand(!is_listed, "no STLS after login", || "CAPA lists STLS after login".into())?;
    }
    Ok(())
}

fn plaintext(bench: &mut Bench<'_>) -> Step {
    if bench.settings.target.is_implicit_tls {
        return Err(Stop::not_applicable("this port speaks TLS only"));
    }
    let entrance = bench.see_entrance()?;
    let Some(clear) = &entrance.clear else { return Err(Stop::not_applicable("the server knows no CAPA")) };
    let dialogue = bench.connect()?;
    let address = dialogue.peer().connection().peer_address();
    dialogue.drop_connection();
    if address.is_some_and(|address| address.ip().to_canonical().is_loopback()) {
        return Err(Stop::not_applicable("seen from loopback, where servers may trust the line"));
    }
    let names = clear.arguments("SASL").unwrap_or_default();
    let mut invited: Vec<&str> = ["PLAIN", "LOGIN"]
        .into_iter()
        .filter(|name| names.iter().any(|announced| announced.eq_ignore_ascii_case(name)))
        .collect();
    invited.extend(clear.has("USER").then_some("USER"));
    demand(invited.is_empty(), "no plaintext way to log in before STLS", || invited.join(", "))
}

/// What is announced before login, where logins take place; as evidence.
fn announced(bench: &mut Bench<'_>) -> Step<Capabilities> {
    let entrance = bench.see_entrance()?;
    entrance.capabilities().cloned().ok_or_else(|| Stop::not_applicable("the server knows no CAPA"))
}

/// What is announced before and after login.
fn both(bench: &mut Bench<'_>) -> Step<(Capabilities, Capabilities)> {
    let before = announced(bench)?;
    let maildrop = bench.see_maildrop()?;
    let after = maildrop.capabilities.clone();
    Ok((before, after.ok_or_else(|| Stop::not_applicable("CAPA is refused after login"))?))
}

/// Capabilities whose announced states are both.
const OF_BOTH_STATES: &[&str] = &[
    "TOP",
    "SASL",
    "RESP-CODES",
    "LOGIN-DELAY",
    "PIPELINING",
    "EXPIRE",
    "UIDL",
    "AUTH-RESP-CODE",
    "UTF8",
    "LANG",
];

/// The exact value after login is never worse for the client than the one before it.
fn user_values(bench: &mut Bench<'_>) -> Step {
    let (before, after) = both(bench)?;
    for (tag, is_upper_bound) in [("LOGIN-DELAY", true), ("EXPIRE", false)] {
        let (Some(general), Some(exact)) = (before.arguments(tag), after.arguments(tag)) else { continue };
        let value = |words: &[String]| match words.first().map(String::as_str) {
            Some(never) if never.eq_ignore_ascii_case("NEVER") => Some(u64::MAX),
            word => word.and_then(|word| word.parse().ok()),
        };
        let (Some(first), Some(second)) = (value(&general), value(&exact)) else { continue };
        if first == second {
            continue;
        }
        let found =
            || format!("{tag} {} before login, {tag} {} after it", general.join(" "), exact.join(" "));
        let is_flagged = general.get(1).is_some_and(|word| word.eq_ignore_ascii_case("USER"));
        demand(is_flagged, "USER behind a value that differs", found)?;
        let is_bounded = if is_upper_bound { first >= second } else { first <= second };
        demand(is_bounded, "the longest delay and the shortest keeping before login", found)?;
    }
    Ok(())
}

fn login_delay_is_enforced(bench: &mut Bench<'_>) -> Step {
    bench.announced("LOGIN-DELAY")?;
    let after = both(bench)?.1.arguments("LOGIN-DELAY").unwrap_or_default();
    let seconds: u64 = after.first().and_then(|word| word.parse().ok()).unwrap_or_default();
    if seconds < 5 {
        return Err(Stop::not_applicable("the delay is too short to be seen"));
    }
    bench.login()?.drop_connection();
    bench.pause();
    let mut dialogue = bench.open()?;
    let reply = bench.try_login(&mut dialogue)?;
    dialogue.drop_connection();
    demand(!reply.is_ok(), &format!("-ERR to a login within {seconds} seconds"), || reply.to_string())
}
