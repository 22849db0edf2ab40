//! The table of all bounds in the manual says what the program does.

use super::super::*;
use std::collections::BTreeMap;

/// The rows of the manual's table: what is bound, the key with its section, and the default.
fn rows() -> Vec<(&'static str, Option<String>, u64)> {
    let manual = include_str!("../../../../../docs/manual.md");
    let (_, table) = manual.split_once("## `[limits]`").expect("the section is there");
    let (table, _) = table.split_once("\n## ").expect("another one follows");
    let cells = table.lines().filter_map(|line| {
        let [bound, key, default, _] = *line.trim_matches('|').split(" | ").collect::<Vec<_>>() else {
            return None;
        };
        Some((bound.trim(), key, default.replace(',', "").parse().ok()?))
    });
    let full = |key: &str| match key {
        "–" => None,
        _ if key.contains('.') => Some(key.trim_matches('`').to_owned()),
        _ => Some(format!("limits.{}", key.trim_matches('`'))),
    };
    cells.map(|(bound, key, default)| (bound, full(key), default)).collect()
}

/// All numbers of the least configuration, as they are shown, by their whole keys.
fn defaults() -> BTreeMap<String, u64> {
    let mut section = String::new();
    let mut defaults = BTreeMap::new();
    for line in Config::default().show().lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches([']', '[']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ")
            && let Ok(value) = value.replace('_', "").parse()
        {
            defaults.insert(format!("{section}.{key}"), value);
        }
    }
    defaults
}

#[test]
fn every_bound_of_the_table_is_true_and_every_key_of_limits_is_in_it() {
    let (rows, defaults) = (rows(), defaults());
    for (bound, key, default) in &rows {
        if let Some(key) = key {
            assert_eq!(defaults.get(key), Some(default), "{key}: {bound}");
        }
    }
    for key in Limits::KEYS {
        let key = format!("limits.{key}");
        assert!(rows.iter().any(|row| row.1.as_ref() == Some(&key)), "{key} is not in {rows:#?}");
    }
}

#[test]
fn what_is_fixed_is_as_the_table_says() {
    let limits = restante_proto::server::Limits::default();
    let fixed = [
        ("Octets of a POP3 or POP2 command line.", limits.command_octets_max as u64),
        (
            "Octets of a POP3 or POP2 command line.",
            restante_proto::pop2::Limits::default().command_octets_max as u64,
        ),
        ("Octets of a line within AUTH.", limits.sasl_octets_max as u64),
        ("Bad commands before login.", limits.bad_commands_before_login_max.into()),
        ("Bad commands after login.", limits.bad_commands_after_login_max.into()),
        ("Refused logins of one connection.", limits.refusals_max.into()),
        ("Octets of a password.", restante_auth::password::PASSWORD_OCTETS_MAX as u64),
        ("Octets of an LMTP command line.", restante_proto::lmtp::Limits::default().line_octets_max as u64),
        (
            "Seconds that a login through a mail server waits for its client's next response.",
            restante_proto::dovecot::server::Limits::default().response_max.as_secs(),
        ),
        (
            "Logins of one address that are looked at at the same time, but for accounts that are known there.",
            crate::limits::TURNS as u64,
        ),
        ("Refusals at the same time that take a TLS handshake.", crate::limits::REFUSALS_MAX as u64),
        ("Seconds for our last words to whoever is refused or said farewell.", crate::limits::FAREWELL_S),
    ];
    let rows = rows();
    for (bound, number) in fixed {
        let row =
            rows.iter().find(|row| row.0 == bound).unwrap_or_else(|| panic!("{bound:?} is not in {rows:#?}"));
        assert_eq!((row.1.as_deref(), row.2), (None, number), "{bound}");
    }
}
