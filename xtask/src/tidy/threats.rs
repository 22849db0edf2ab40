//! The threats in SECURITY.md: every one names the tests that show what stops it, and every test that is named is there, once.
//!
//! A table that is believed must not rot: whoever renames or removes a test is told here where it was relied on.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use crate::ledger::evidence::tests;
use crate::source::Source;

/// Where the threats stand.
const PAGE: &str = "SECURITY.md";

/// The heading above their table.
const HEADING: &str = "## Threats";

/// What the rows of the table get wrong.
pub(super) fn check(root: &Path, sources: &[Source]) -> Result<Vec<Finding>> {
    let text = std::fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    Ok(findings(&text, &counted(sources)))
}

/// How many tests have each name.
fn counted(sources: &[Source]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for test in sources.iter().flat_map(tests) {
        *counts.entry(test.name).or_default() += 1;
    }
    counts
}

fn findings(text: &str, tests: &BTreeMap<String, usize>) -> Vec<Finding> {
    let finding = |line: usize, what: String| Finding { path: PAGE.to_owned(), line, what };
    let lines = text.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(1);
    let table = lines.take_while(|(_, line)| !line.starts_with("## "));
    // The heads of the columns, and the line below them.
    let rows: Vec<(usize, &str)> = table.filter(|(_, line)| line.starts_with('|')).skip(2).collect();
    if rows.is_empty() {
        return vec![finding(1, format!("has no table of threats below {HEADING:?}"))];
    }
    let mut findings = Vec::new();
    for (at, row) in rows {
        let cell = row.trim_matches('|').rsplit('|').next().unwrap_or_default();
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            findings.push(finding(at + 1, "a threat without a test that shows what stops it".to_owned()));
        }
        for name in named {
            match tests.get(name) {
                None => findings.push(finding(at + 1, format!("names the test {name}, and there is none"))),
                Some(1) => {}
                // Whoever removes the one that is meant would not be told.
                Some(_) => findings.push(finding(
                    at + 1,
                    format!("names the test {name}, and there are several: rename all but one"),
                )),
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<(usize, String)> {
        let one = "#[test]\nfn there() {}\nfn helper() {}\n#[test]\nfn twice() {}\n";
        let sources = [Source::new("a.rs", one), Source::new("b.rs", "#[test]\nfn twice() {}\n")];
        findings(page, &counted(&sources)).into_iter().map(|each| (each.line, each.what)).collect()
    }

    #[test]
    fn a_threat_without_a_test_and_tests_that_are_not_there_once_are_found() {
        let page = "| a | `gone` |\n## Threats\n\nText with `code`.\n\n| who | test |\n|---|---|\n| a | `there` |\n| b | |\n\
                    | c | `there`, `gone` |\n| d | `helper` |\n| e | `twice` |\n## Other\n| e | `gone` |\n";
        let expected = [
            (9, "a threat without a test that shows what stops it".to_owned()),
            (10, "names the test gone, and there is none".to_owned()),
            (11, "names the test helper, and there is none".to_owned()),
            (12, "names the test twice, and there are several: rename all but one".to_owned()),
        ];
        assert_eq!(found(page), expected);
    }

    #[test]
    fn a_page_that_has_lost_its_table_is_found() {
        for page in
            ["", "## Threats\n\nLater.\n", "## Threats\n| who | test |\n|---|---|\n## Other\n| a | |\n"]
        {
            assert_eq!(found(page).len(), 1, "{page:?}");
        }
    }
}
