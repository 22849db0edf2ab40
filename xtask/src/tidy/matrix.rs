//! The matrix in docs/fetch.md: every yes names its test, and every test that is named is there.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use crate::source::{Source, identifier, words};

/// Where the matrix stands.
const PAGE: &str = "docs/fetch.md";

/// What the rows of the matrix get wrong.
pub(super) fn check(root: &Path, sources: &[Source]) -> Result<Vec<Finding>> {
    let text = std::fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    Ok(findings(&text, &functions(sources)))
}

fn functions(sources: &[Source]) -> BTreeSet<&str> {
    fn names(source: &Source) -> impl Iterator<Item = &str> {
        words(&source.code, "fn").map(|at| identifier(&source.code, at + "fn ".len()))
    }
    sources.iter().flat_map(names).collect()
}

fn findings(text: &str, functions: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let matrix = text.lines().enumerate().skip_while(|(_, line)| *line != "## Matrix");
    for (at, line) in matrix.filter(|(_, line)| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [.., ours, tests] = cells.as_slice() else { continue };
        let mut say = |what: String| {
            findings.push(Finding { path: PAGE.to_owned(), line: at + 1, what });
        };
        let mut named = tests.split('`').skip(1).step_by(2).peekable();
        if ours.starts_with("**Y**") && named.peek().is_none() {
            say("a yes without a test that shows it".to_owned());
        }
        for name in named.filter(|name| !functions.contains(name)) {
            say(format!("names the test {name}, and there is none"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_without_a_test_and_a_test_that_is_not_there_are_found() {
        let page = "## Other\n| a | **Y** | |\n## Matrix\n| | us | test |\n|---|---|---|\n\
                    | a | **Y** | `there` |\n| b | **Y** | |\n| c | N | |\n| d | **Y** | `there`, `gone` |\n";
        let found: Vec<(usize, String)> = findings(page, &BTreeSet::from(["there"]))
            .into_iter()
            .map(|each| (each.line, each.what))
            .collect();
        let expected = [
            (7, "a yes without a test that shows it".to_owned()),
            (9, "names the test gone, and there is none".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn functions_are_found_by_name() {
        let sources = [Source::new("a.rs", "fn one() {}\n// fn two() {}\npub async fn three<T>() {}\n")];
        assert_eq!(functions(&sources), BTreeSet::from(["one", "three"]));
    }
}
