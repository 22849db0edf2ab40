//! The threats in SECURITY.md: every one names the tests that show what stops it, and every test that is named is there.
//!
//! A table that is believed must not rot: whoever renames or removes a test is told here where it was relied on.

use std::collections::BTreeSet;
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
    let tests: BTreeSet<String> = sources.iter().flat_map(tests).map(|test| test.name).collect();
    Ok(findings(&text, &tests))
}

fn findings(text: &str, tests: &BTreeSet<String>) -> Vec<Finding> {
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
        let missing = named.into_iter().filter(|name| !tests.contains(*name));
        findings
            .extend(missing.map(|name| finding(at + 1, format!("names the test {name}, and there is none"))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<(usize, String)> {
        let source = Source::new("a.rs", "#[test]\nfn there() {}\nfn helper() {}\n");
        let tests = tests(&source).into_iter().map(|test| test.name).collect();
        findings(page, &tests).into_iter().map(|each| (each.line, each.what)).collect()
    }

    #[test]
    fn a_threat_without_a_test_and_a_test_that_is_not_there_are_found() {
        let page = "| a | `gone` |\n## Threats\n\nText with `code`.\n\n| who | test |\n|---|---|\n| a | `there` |\n| b | |\n\
                    | c | `there`, `gone` |\n| d | `helper` |\n## Other\n| e | `gone` |\n";
        let expected = [
            (9, "a threat without a test that shows what stops it".to_owned()),
            (10, "names the test gone, and there is none".to_owned()),
            (11, "names the test helper, and there is none".to_owned()),
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
