//! The tables as a whole: keys, and the rows of the ledger that they name.

// The ledger is read from its files.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;

/// The sections of the ledger, by id.
fn ledger() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ledger");
    let mut rows = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let mut id = String::new();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let value = |name: &str| {
                line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
            };
            if let Some(found) = value("id") {
                id = found;
            } else if let Some(section) = value("section") {
                rows.insert(id.clone(), section);
            }
        }
    }
    assert!(rows.len() > 300, "{} rows", rows.len());
    rows
}

#[test]
fn every_row_stands_in_the_ledger_in_the_section_that_is_told() {
    let ledger = ledger();
    for judge in all() {
        for row in judge.rows {
            let told = ledger.get(*row).unwrap_or_else(|| panic!("{}: no row {row}", judge.key));
            let said = section(row).unwrap_or_default();
            assert!(
                said.ends_with(&format!(" section {told}")) || !said.contains(" section "),
                "{row}: {said}, {told}"
            );
        }
    }
}

#[test]
fn keys_are_distinct_words_and_every_law_has_its_ground() {
    let keys: BTreeSet<&str> = all().map(|judge| judge.key).collect();
    assert_eq!(keys.len(), all().count());
    for judge in all() {
        assert!(
            judge
                .key
                .bytes()
                .all(|octet| octet.is_ascii_lowercase() || octet == b'-' || octet.is_ascii_digit())
        );
        assert!(!judge.title.is_empty() && !judge.title.ends_with('.'), "{}", judge.key);
        assert!(!judge.rows.is_empty(), "{} has no row", judge.key);
        assert!(
            !judge.needs.contains(&Need::Delivery) || judge.needs.contains(&Need::Destructive),
            "{}",
            judge.key
        );
    }
}
