//! The laws, as tables: one entry says what is judged, by which rows of the ledger, what that takes, and by which function.
//!
//! The functions are in the files below, sorted by what they look at. They get a `Bench` and either come to their end, which is
//! a pass, or stop with what they saw. A judge relies on nothing another one has done.

mod authorization;
mod capability;
mod fixtures;
mod form;
mod greeting;
mod language;
mod listing;
mod lock;
mod login;
mod marks;
mod numbers;
mod pipelining;
mod removal;
mod retrieval;
mod sasl;
mod scram;
mod tls;
mod top;

use crate::bench::Bench;
use crate::verdict::{Level, Step, Stop};

/// One law.
pub struct Judge {
    /// Its name, for `--only` and `--skip`, and in reports.
    pub key: &'static str,
    /// What a server does that keeps it.
    pub title: &'static str,
    /// The rows of the ledger that it comes from.
    pub rows: &'static [&'static str],
    /// How binding it is.
    pub level: Level,
    /// What it takes to judge it.
    pub needs: &'static [Need],
    pub(crate) judge: fn(&mut Bench<'_>) -> Step,
}

/// What a judge takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// An account with its password.
    Account,
    /// So many messages in the maildrop at least; they are only read.
    Messages(u64),
    /// Leave to mark messages deleted.
    Destructive,
    /// A way to deliver messages into the maildrop.
    Delivery,
    /// A server that speaks TLS on this port.
    Tls,
    /// Leave to wait for ten minutes.
    Slow,
}

impl Judge {
    /// Where the law stands, one entry for each section.
    #[must_use]
    pub fn sections(&self) -> Vec<String> {
        let mut sections: Vec<String> = self.rows.iter().filter_map(|row| section(row)).collect();
        sections.dedup();
        sections
    }

    /// Judged without a login, and without a look at what the server offers.
    pub(crate) fn is_about_the_beginning(&self) -> bool {
        self.key.starts_with("greeting") || self.key.starts_with("tls-")
    }

    /// What keeps it from being judged in this run.
    pub(crate) fn obstacle(&self, bench: &mut Bench<'_>, seed: &Result<(), String>) -> Step {
        let settings = bench.settings;
        for need in self.needs {
            match need {
                Need::Account if settings.credentials.is_none() => {
                    return Err(Stop::not_applicable("needs an account (--user)"));
                }
                Need::Destructive if !settings.is_destructive => {
                    return Err(Stop::not_applicable("marks messages deleted (--destructive)"));
                }
                Need::Delivery if settings.delivery.is_none() => {
                    return Err(Stop::not_applicable("needs messages of its own (--deliver-to)"));
                }
                Need::Delivery => seed.clone().map_err(Stop::Undecided)?,
                Need::Slow if settings.idle.is_none() => {
                    return Err(Stop::not_applicable("takes ten minutes (--slow)"));
                }
                Need::Tls if !bench.has_tls()? => {
                    return Err(Stop::not_applicable("the server offers no TLS on this port"));
                }
                Need::Messages(count) => {
                    let has = bench.maildrop()?.listing.len() as u64;
                    if has < *count {
                        let why = format!("needs {count} messages in the maildrop, which has {has}");
                        return Err(Stop::not_applicable(why));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Every law, in the order in which they are judged: what comes first is needed to trust what follows.
pub fn all() -> impl Iterator<Item = &'static Judge> {
    let tables: [&'static [Judge]; 18] = [
        greeting::JUDGES,
        tls::JUDGES,
        capability::JUDGES,
        authorization::JUDGES,
        login::JUDGES,
        sasl::JUDGES,
        scram::JUDGES,
        listing::JUDGES,
        numbers::JUDGES,
        retrieval::JUDGES,
        top::JUDGES,
        pipelining::JUDGES,
        language::JUDGES,
        lock::JUDGES,
        marks::JUDGES,
        fixtures::JUDGES,
        removal::JUDGES,
        form::JUDGES,
    ];
    tables.into_iter().flatten()
}

/// Why something could not be had, in words.
pub(crate) fn why(stop: Stop) -> String {
    match stop {
        Stop::Broken(breach) | Stop::Doubtful(breach) | Stop::Cut(breach) => breach.found,
        Stop::NotApplicable(why) | Stop::Undecided(why) => why,
    }
}

/// The section that a row's id names: `R1939-7.3` stands in section 7 of RFC 1939. A document without sections has section 0.
fn section(row: &str) -> Option<String> {
    let (document, place) = row.strip_prefix('R')?.split_once('-')?;
    let (section, _) = place.rsplit_once('.')?;
    Some(match section {
        "0" => format!("RFC {document}"),
        section => format!("RFC {document} section {section}"),
    })
}

#[cfg(test)]
mod tests;
