//! docs/conformance.md and the summary on the terminal: the same rows give the same text, octet for octet.

use std::fmt::Write;

use super::Proofs;
use super::rows::{Decision, Document, Ledger, Origin, Row};

/// How many rows of a document were decided which way, and how many tests stand behind them.
#[derive(Default)]
struct Count {
    rows: usize,
    obeyed: usize,
    exceptions: usize,
    later: usize,
    tests: usize,
}

impl Count {
    fn of<'a>(rows: impl Iterator<Item = &'a Row>, proofs: &Proofs) -> Self {
        let mut count = Self::default();
        for row in rows {
            count.rows += 1;
            count.tests += proofs.of(&row.id).len();
            match row.decision {
                Some(Decision::Obey) => count.obeyed += 1,
                Some(Decision::Exception) => count.exceptions += 1,
                Some(Decision::Later) => count.later += 1,
                None => {}
            }
        }
        count
    }
}

/// One line a document.
pub(super) fn summary(ledger: &Ledger, proofs: &Proofs) -> String {
    let line = |name: &str, count: Count| {
        let Count { rows, obeyed, exceptions, later, tests } = count;
        format!(
            "{name:30} {rows:4} rows {obeyed:4} obeyed {exceptions:3} exceptions {later:4} later {tests:4} tests\n"
        )
    };
    let documents =
        ledger.documents.iter().map(|document| line(&document.name, Count::of(document.rows.iter(), proofs)));
    documents.chain(std::iter::once(line("together", Count::of(ledger.rows(), proofs)))).collect()
}

/// The whole page.
pub(super) fn render(ledger: &Ledger, proofs: &Proofs) -> String {
    let mut page = String::from(HEAD);
    for document in &ledger.documents {
        page.push_str(&table_line(&link(document), &Count::of(document.rows.iter(), proofs)));
    }
    page.push_str(&table_line("together", &Count::of(ledger.rows(), proofs)));
    for document in &ledger.documents {
        section(&mut page, document, ledger, proofs);
    }
    page
}

const HEAD: &str = "\
# Conformance

Written by `cargo xtask ledger` from `ledger/` and the names of the tests; do not edit. What the columns mean stands in
`ledger/README.md`. *Obeyed* rows have at least one test, *exceptions* and rows that wait (*later*) have their reason.

| document | rows | obeyed | exceptions | later | tests |
|---|---:|---:|---:|---:|---:|
";

fn table_line(name: &str, count: &Count) -> String {
    let Count { rows, obeyed, exceptions, later, tests } = count;
    format!("| {name} | {rows} | {obeyed} | {exceptions} | {later} | {tests} |\n")
}

fn heading(document: &Document) -> String {
    format!("{}: {}", document.name, document.title)
}

/// A link to a document's heading, by the anchor that renderers of Markdown make of it.
fn link(document: &Document) -> String {
    let heading = heading(document).to_lowercase();
    let kept = heading.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
    let anchor: String = kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect();
    format!("[{}](#{anchor})", document.name)
}

fn section(page: &mut String, document: &Document, ledger: &Ledger, proofs: &Proofs) {
    let _ = write!(
        page,
        "\n## {}\n\n| id | side | level | requirement | decision |\n|---|---|---|---|---|\n",
        heading(document)
    );
    for row in &document.rows {
        let unread = if row.source == Origin::Memory { " (from memory)" } else { "" };
        let (id, side, level) = (&row.id, row.side.name(), row.level.name());
        let (sentence, decision) = (cell(&row.sentence), cell(&decision(row, ledger, proofs)));
        let _ = writeln!(page, "| {id} | {side} | {level} | {sentence}{unread} | {decision} |");
    }
}

fn decision(row: &Row, ledger: &Ledger, proofs: &Proofs) -> String {
    let reason = row.reason.as_deref().unwrap_or_default();
    let tests =
        proofs.of(&row.id).iter().map(|test| format!("`{}`", test.name)).collect::<Vec<_>>().join(", ");
    let remark = |text: &str| if text.is_empty() { String::new() } else { format!(" {text}") };
    match row.decision {
        Some(Decision::Obey) => format!("obeyed: {tests}.{}", remark(reason)),
        Some(Decision::Exception) if tests.is_empty() => format!("exception:{}", remark(reason)),
        Some(Decision::Exception) => format!("exception:{} Held by {tests}.", remark(reason)),
        Some(Decision::Later) => {
            format!("later: {}", ledger.reasons.get(reason).map_or(reason, |reason| reason.sentence.as_str()))
        }
        None => "undecided".to_owned(),
    }
}

/// Text that cannot break out of its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Test;
    use super::*;

    #[test]
    fn the_page_tells_rows_counts_and_tests() {
        let rows = "document = 'RFC 1'\ntitle = 'One, two'\nnow = []\nrow = [\
            { id = 'R001-1', section = '1', side = 'server', level = 'MUST', sentence = 'a|b', how = 'b', source = 'read', decision = 'obey' },\
            { id = 'R001-2', section = '1', side = 'client', level = 'MAY', sentence = 'c', how = 'd', source = 'memory', decision = 'later', reason = 'x' }]";
        let ledger = Ledger::parse(&[("rfc1.toml", rows)], "[x]\nsentence = \"comes soon\"\n")
            .expect("the rows are right");
        let test = Test { path: "a.rs".to_owned(), name: "r001_1_holds".to_owned() };
        let page = render(&ledger, &Proofs::new(&ledger, vec![test]));
        let tail = page.strip_prefix(HEAD).expect("the head comes first");
        assert_eq!(
            tail,
            "| [RFC 1](#rfc-1-one-two) | 2 | 1 | 0 | 1 | 1 |\n| together | 2 | 1 | 0 | 1 | 1 |\n\n## RFC 1: One, two\n\n\
             | id | side | level | requirement | decision |\n|---|---|---|---|---|\n\
             | R001-1 | server | MUST | a\\|b | obeyed: `r001_1_holds`. |\n\
             | R001-2 | client | MAY | c (from memory) | later: comes soon |\n"
        );
        assert_eq!(summary(&ledger, &Proofs::new(&ledger, Vec::new())).lines().count(), 2);
    }
}
