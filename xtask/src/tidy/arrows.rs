//! Which crate may know which, and which of proto's rooms a crate may enter.

use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use crate::source::{Source, identifier, words};

/// The arrows of ARCHITECTURE.md: a crate and those of ours it may depend on. `restante-test` may see all of them.
const ARROWS: &[(&str, &[&str])] = &[
    ("restante-proto", &[]),
    ("restante-store", &["restante-proto"]),
    ("restante-auth", &["restante-proto"]),
    ("restante-broker", &["restante-auth", "restante-proto", "restante-store"]),
    ("restante-config", &[]),
    ("restante-sources", &["restante-auth", "restante-proto"]),
    (
        "restante-server",
        &[
            "restante-broker",
            "restante-config",
            "restante-proto",
            "restante-store",
            "restante-auth",
            "restante-sources",
        ],
    ),
    ("restante-client", &["restante-proto"]),
    ("restante-check", &["restante-proto", "restante-client"]),
    ("restante-fetch", &["restante-config", "restante-proto", "restante-client", "restante-store"]),
    (
        "restante",
        &[
            "restante-proto",
            "restante-store",
            "restante-auth",
            "restante-broker",
            "restante-config",
            "restante-server",
            "restante-sources",
            "restante-client",
            "restante-check",
            "restante-fetch",
        ],
    ),
    ("xtask", &[]),
];

/// What a crate may use of another one: in product code, and more in tests.
const ROOMS: &[(&str, &str, &[&str], &[&str])] = &[
    ("crates/restante-store/", "restante_proto", &["maildrop"], &["maildrop", "body"]),
    ("crates/restante-auth/", "restante_proto", &["sasl", "secret"], &["sasl", "secret"]),
    // What is root shares the door to files with the store and the forms of passwords with the accounts, and nothing more.
    ("crates/restante-broker/", "restante_store", &["disk"], &["disk"]),
    ("crates/restante-broker/", "restante_auth", &["password"], &["password"]),
    ("crates/restante-broker/", "restante_proto", &["secret"], &["secret"]),
    // What collects mail shares the door to files with the store, and nothing of its maildrops.
    ("crates/restante-fetch/", "restante_store", &["disk"], &["disk"]),
    // What judges a server shares no protocol code with what serves or fetches, in its tests neither.
    ("crates/restante-check/", "restante_proto", &["url", "visible"], &["url", "visible"]),
    ("crates/restante-check/", "restante_client", &["connect", "error"], &["connect", "error"]),
];

/// The dependencies between our crates, as their manifests name them.
pub(super) fn check_crates(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (name, allowed) in ARROWS {
        let folder = if *name == "xtask" { "xtask".to_owned() } else { format!("crates/{name}") };
        let path = format!("{folder}/Cargo.toml");
        let text =
            std::fs::read_to_string(root.join(&path)).with_context(|| format!("cannot read {path}"))?;
        let forbidden =
            forbidden_arrows(&text, allowed).with_context(|| format!("cannot understand {path}"))?;
        findings.extend(forbidden.into_iter().map(|other| Finding {
            path: path.clone(),
            line: 1,
            what: format!("{name} must not know {other} (ARCHITECTURE.md)"),
        }));
    }
    Ok(findings)
}

fn forbidden_arrows(manifest: &str, allowed: &[&str]) -> Result<Vec<String>> {
    let manifest: toml::Table = manifest.parse()?;
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let names =
        tables.iter().filter_map(|table| manifest.get(*table)?.as_table()).flat_map(toml::Table::keys);
    let ours = names.filter(|name| name.starts_with("restante") && !allowed.contains(&name.as_str()));
    Ok(ours.cloned().collect())
}

/// The closed rooms that a file of another crate enters.
pub(super) fn check_modules(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, of, product, test) in ROOMS.iter().filter(|(folder, ..)| source.path.starts_with(folder)) {
        for at in words(&source.code, of) {
            let rooms = if source.is_test_at(at) { test } else { product };
            for room in entered(&source.code[at + of.len()..]) {
                if !rooms.contains(&room) {
                    let what = format!("enters {of}::{room}; here only {} is open", rooms.join(", "));
                    findings.push(Finding::at(source, at, what));
                }
            }
        }
    }
    findings
}

/// The first names of the paths behind a crate's name: of `::a::b` and of `::{a::b, c}`.
fn entered(rest: &str) -> Vec<&str> {
    let Some(rest) = rest.strip_prefix("::") else { return vec!["*"] };
    let Some(list) = rest.trim_start().strip_prefix('{') else {
        let name = identifier(rest, 0);
        return vec![if name.is_empty() { "*" } else { name }];
    };
    let (mut depth, mut from, mut names) = (1usize, 0, Vec::new());
    for (at, octet) in list.bytes().enumerate() {
        match octet {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && octet == b',') {
            let name = identifier(list[from..at].trim_start(), 0);
            names.extend((!name.is_empty()).then_some(name));
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_against_the_arrows_is_found_in_every_table() {
        let manifest = "[dependencies]\nrestante-proto = \"1\"\nanyhow = \"1\"\n[dev-dependencies]\nrestante-auth = \"1\"\n";
        assert_eq!(forbidden_arrows(manifest, &["restante-proto"]).expect("valid"), ["restante-auth"]);
        assert_eq!(forbidden_arrows(manifest, &[]).expect("valid"), ["restante-proto", "restante-auth"]);
        assert!(forbidden_arrows("[", &[]).is_err());
    }

    #[test]
    fn the_names_behind_the_crate_are_found() {
        assert_eq!(entered("::maildrop::{A, B};"), ["maildrop"]);
        assert_eq!(entered("::{body, maildrop::{A, B}, line as l};"), ["body", "maildrop", "line"]);
        assert_eq!(entered(" as proto;"), ["*"]);
        assert_eq!(entered("::*;"), ["*"]);
    }

    #[test]
    fn a_closed_room_is_found_and_tests_may_enter_more() {
        let check = |path: &str, text: &str| check_modules(&Source::new(path, text)).len();
        let store = "crates/restante-store/src/a.rs";
        assert_eq!(check(store, "use restante_proto::maildrop::Listing;"), 0);
        assert_eq!(check(store, "use restante_proto::body::Encoder;"), 1);
        assert_eq!(check(store, "#[cfg(test)]\nmod tests { use restante_proto::body::Encoder; }"), 0);
        assert_eq!(check(store, "#[cfg(test)]\nmod tests { use restante_proto::server::Session; }"), 1);
        assert_eq!(check("crates/restante-server/src/a.rs", "use restante_proto::server::Session;"), 0);
        let judge = "crates/restante-check/src/a.rs";
        assert_eq!(check(judge, "use restante_proto::url::PopUrl; use restante_client::connect::Tls;"), 0);
        assert_eq!(check(judge, "use restante_proto::reply::Reply; use restante_client::pop3::Client;"), 2);
    }
}
