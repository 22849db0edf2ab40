//! The standards ledger: what each document requires, what was decided, and which tests prove it.
//!
//! `rows` reads ledger/*.toml, `evidence` finds test functions and cited ids in the sources, `page` writes
//! docs/conformance.md. Here the three meet: every hole between them is an error. ledger/README.md tells the fields.

pub(crate) mod evidence;
mod page;
mod rows;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::{source, work};
use evidence::Test;
use rows::{Decision, Ledger};

/// What to do about docs/conformance.md.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Page {
    Write,
    /// It must already be what would be written.
    Check,
}

const PAGE: &str = "docs/conformance.md";

/// The folder in which every test names a row.
const CONFORMANCE: &str = "crates/restante-test/tests/it/conformance/";

/// Checks the ledger against the tests and brings the page up to date.
///
/// # Errors
/// A row that cannot be read or is not decided, an obeyed row without a test, a decision without its reason, a test or
/// a comment that names no row, a stale page.
pub(crate) fn run(page: Page) -> Result<()> {
    let root = work::root();
    let ledger = Ledger::read(&root.join("ledger"))?;
    let sources = source::read_all(root, &["crates"])?;
    let proofs = Proofs::new(&ledger, sources.iter().flat_map(evidence::tests).collect());
    let citations: Vec<_> = sources.iter().flat_map(evidence::citations).collect();

    let mut holes = ledger.holes();
    holes.extend(proofs.holes(&ledger));
    holes.extend(evidence::unknown(&citations, &ledger));
    let written = page::render(&ledger, &proofs);
    print!("{}", page::summary(&ledger, &proofs));
    for hole in &holes {
        eprintln!("ledger: {hole}");
    }
    if !holes.is_empty() {
        bail!("the ledger has {} holes", holes.len());
    }
    let file = root.join(PAGE);
    match page {
        Page::Write => std::fs::write(&file, written).with_context(|| format!("cannot write {PAGE}")),
        Page::Check if std::fs::read_to_string(&file).is_ok_and(|is| is == written) => Ok(()),
        Page::Check => bail!("{PAGE} is stale; `cargo xtask ledger` writes it"),
    }
}

/// Which test proves which row.
struct Proofs {
    /// By id, each list in order of name.
    by_row: BTreeMap<String, Vec<Test>>,
    /// Tests in the conformance folder whose names fit no row.
    strays: Vec<Test>,
}

impl Proofs {
    /// Gives each test to the row with the longest id that its name begins with.
    fn new(ledger: &Ledger, mut tests: Vec<Test>) -> Self {
        tests.sort();
        let prefixes: BTreeMap<String, &str> =
            ledger.rows().map(|row| (evidence::prefix(&row.id), row.id.as_str())).collect();
        let (mut by_row, mut strays) = (BTreeMap::<String, Vec<Test>>::new(), Vec::new());
        for test in tests {
            let ends = test.name.match_indices('_').map(|(at, _)| at + 1).collect::<Vec<_>>();
            let id = ends.into_iter().rev().find_map(|end| prefixes.get(&test.name[..end]));
            match id {
                Some(id) => by_row.entry((*id).to_owned()).or_default().push(test),
                None if test.path.starts_with(CONFORMANCE) => strays.push(test),
                None => {}
            }
        }
        Self { by_row, strays }
    }

    fn of(&self, id: &str) -> &[Test] {
        self.by_row.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    fn holes(&self, ledger: &Ledger) -> Vec<String> {
        let mut holes = Vec::new();
        for row in ledger.rows() {
            let tests = self.of(&row.id);
            match row.decision {
                Some(Decision::Obey) if tests.is_empty() => {
                    holes.push(format!(
                        "{} is obeyed, but no test begins with {}",
                        row.id,
                        evidence::prefix(&row.id)
                    ));
                }
                Some(Decision::Later) if !tests.is_empty() => {
                    holes.push(format!("{} waits, but {} tests it: decide it", row.id, tests[0].name));
                }
                _ => {}
            }
        }
        let strays = self.strays.iter();
        holes.extend(strays.map(|test| format!("{}: `{}` names no row of the ledger", test.path, test.name)));
        holes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = r#"
        document = "RFC 1870"
        title = "SIZE"
        now = ["lmtp"]
        row = [
            { id = "R1870-6.1", section = "6", side = "lmtp", level = "MUST", sentence = "a", how = "b", source = "read", decision = "obey" },
            { id = "R1870-6.1.1", section = "6.1", side = "lmtp", level = "MUST", sentence = "a", how = "b", source = "read", decision = "obey" },
            { id = "R1870-9.1", section = "9", side = "client", level = "MUST", sentence = "a", how = "b", source = "read", decision = "later", reason = "client" },
        ]"#;

    fn ledger() -> Ledger {
        Ledger::parse(&[("rfc1870.toml", ROWS)], "[client]\nsentence = \"later\"\n")
            .expect("the rows are right")
    }

    fn test(name: &str) -> Test {
        Test { path: format!("{CONFORMANCE}lmtp.rs"), name: name.to_owned() }
    }

    #[test]
    fn the_longest_id_wins() {
        let proofs =
            Proofs::new(&ledger(), vec![test("r1870_6_1_1_a"), test("r1870_6_1_a"), test("r1870_6_1_2_a")]);
        let names = |id| proofs.of(id).iter().map(|test| test.name.as_str()).collect::<Vec<_>>();
        assert_eq!(
            (names("R1870-6.1.1"), names("R1870-6.1")),
            (vec!["r1870_6_1_1_a"], vec!["r1870_6_1_2_a", "r1870_6_1_a"])
        );
        assert_eq!(proofs.holes(&ledger()), [""; 0]);
    }

    #[test]
    fn untested_stray_and_premature_are_holes() {
        let proofs =
            Proofs::new(&ledger(), vec![test("r1870_6_1_a"), test("r1870_9_1_a"), test("size_is_kept")]);
        let holes = proofs.holes(&ledger());
        assert_eq!(holes.len(), 3, "{holes:?}");
        assert!(
            holes[0].contains("R1870-6.1.1 is obeyed")
                && holes[1].contains("R1870-9.1 waits")
                && holes[2].contains("size_is_kept")
        );
        let elsewhere =
            Test { path: "crates/restante-proto/src/lmtp.rs".to_owned(), name: "size_is_kept".to_owned() };
        assert!(Proofs::new(&ledger(), vec![elsewhere]).strays.is_empty());
    }
}
