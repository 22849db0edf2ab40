//! ledger/*.toml as values, and what can be wrong with a row by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The file of reasons for `later`, beside the documents.
const REASONS: &str = "reasons.toml";

pub(super) struct Ledger {
    /// In order of file name.
    pub(super) documents: Vec<Document>,
    pub(super) reasons: BTreeMap<String, Reason>,
}

/// One file of the ledger.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(rename = "document")]
    pub(super) name: String,
    pub(super) title: String,
    /// The sides whose rows are decided now.
    pub(super) now: Vec<Side>,
    #[serde(rename = "row")]
    pub(super) rows: Vec<Row>,
}

/// One requirement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) section: String,
    pub(super) side: Side,
    pub(super) level: Level,
    pub(super) sentence: String,
    pub(super) how: String,
    pub(super) source: Origin,
    pub(super) decision: Option<Decision>,
    /// A sentence; for `later` a key of the reasons.
    pub(super) reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    Server,
    Client,
    Both,
    Lmtp,
    Url,
}

impl Side {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Both => "both",
            Self::Lmtp => "lmtp",
            Self::Url => "url",
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
pub(super) enum Level {
    #[serde(rename = "MUST")]
    Must,
    #[serde(rename = "MUST NOT")]
    MustNot,
    #[serde(rename = "SHOULD")]
    Should,
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
    #[serde(rename = "MAY")]
    May,
    /// A format or a registration.
    #[serde(rename = "TABLE")]
    Table,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::MustNot => "MUST NOT",
            Self::Should => "SHOULD",
            Self::ShouldNot => "SHOULD NOT",
            Self::May => "MAY",
            Self::Table => "TABLE",
        }
    }
}

/// Whether the document itself was at hand when the row was written.
#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Origin {
    Read,
    Memory,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Decision {
    Obey,
    Exception,
    Later,
}

/// A reason why rows may wait.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    pub(super) sentence: String,
    /// Whether it also holds for sides that a document decides now.
    #[serde(default)]
    within_scope: bool,
}

impl Ledger {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".toml") {
                files.push((
                    name,
                    std::fs::read_to_string(&path)
                        .with_context(|| format!("cannot read {}", path.display()))?,
                ));
            }
        }
        files.sort();
        let reasons =
            files.iter().find(|(name, _)| name == REASONS).map(|(_, text)| text.as_str()).unwrap_or_default();
        let documents = files
            .iter()
            .filter(|(name, _)| name != REASONS)
            .map(|(name, text)| (name.as_str(), text.as_str()));
        Self::parse(&documents.collect::<Vec<_>>(), reasons)
    }

    pub(super) fn parse(files: &[(&str, &str)], reasons: &str) -> Result<Self> {
        let reasons = toml::from_str(reasons).with_context(|| format!("ledger/{REASONS}"))?;
        let documents =
            files.iter().map(|(name, text)| toml::from_str(text).with_context(|| format!("ledger/{name}")));
        Ok(Self { documents: documents.collect::<Result<_>>()?, reasons })
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.documents.iter().flat_map(|document| &document.rows)
    }

    /// What is wrong with the rows by themselves.
    pub(super) fn holes(&self) -> Vec<String> {
        let mut holes = Vec::new();
        let mut seen = BTreeSet::new();
        for document in &self.documents {
            for row in &document.rows {
                if !seen.insert(super::evidence::prefix(&row.id)) {
                    holes.push(format!(
                        "{}: another row has the same id, or one that gives the same test name",
                        row.id
                    ));
                }
                if row.sentence.is_empty() || row.how.is_empty() {
                    holes.push(format!("{}: without a sentence or a way to test it", row.id));
                }
                let numbered = row.id.split_once('-').map_or("", |(_, number)| number);
                if row.section != "-" && !numbered.starts_with(&row.section) {
                    holes.push(format!("{}: the id does not name its section {}", row.id, row.section));
                }
                holes.extend(self.undecided(document, row).map(|what| format!("{}: {what}", row.id)));
            }
        }
        holes
    }

    fn undecided(&self, document: &Document, row: &Row) -> Option<String> {
        let reason = row.reason.as_deref().unwrap_or_default();
        match row.decision {
            None => Some("undecided".to_owned()),
            Some(Decision::Exception) if reason.is_empty() => {
                Some("an exception without its reason".to_owned())
            }
            Some(Decision::Later) => match self.reasons.get(reason) {
                None => Some(format!("waits for `{reason}`, which {REASONS} does not know")),
                Some(known) if document.now.contains(&row.side) && !known.within_scope => {
                    Some(format!("{} decides this side now, so it cannot wait for `{reason}`", document.name))
                }
                Some(_) => None,
            },
            Some(Decision::Obey | Decision::Exception) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASONS: &str = "[client]\nsentence = \"a\"\nwithin_scope = true\n[old]\nsentence = \"b\"\n";

    fn hole(end: &str) -> Vec<String> {
        let row = format!(
            "id = 'R1-1', section = '1', side = 'server', level = 'MAY', sentence = 'a', how = 'b', source = 'read'{end}"
        );
        let text = format!("document = 'RFC 1'\ntitle = 'a'\nnow = ['server']\nrow = [{{{row}}}]");
        Ledger::parse(&[("rfc1.toml", &text)], REASONS).expect("the row can be read").holes()
    }

    #[test]
    fn a_row_is_decided_with_its_reason() {
        assert_eq!(hole(", decision = 'obey'"), [""; 0]);
        assert_eq!(hole(", decision = 'exception', reason = 'why'"), [""; 0]);
        assert_eq!(hole(", decision = 'later', reason = 'client'"), [""; 0]);
    }

    #[test]
    fn undecided_unreasoned_and_out_of_scope_are_holes() {
        for end in
            ["", ", decision = 'exception'", ", decision = 'later'", ", decision = 'later', reason = 'old'"]
        {
            assert_eq!(hole(end).len(), 1, "{end}");
        }
    }

    #[test]
    fn a_double_id_is_a_hole_and_an_unknown_word_an_error() {
        let row = "{ id = 'R1-1', section = '1', side = 'server', level = 'MAY', sentence = 'a', how = 'b', source = 'read', decision = 'obey' }";
        let text = format!("document = 'RFC 1'\ntitle = 'a'\nnow = []\nrow = [{row}, {row}]");
        assert_eq!(
            Ledger::parse(&[("rfc1.toml", &text)], "").expect("the rows can be read").holes().len(),
            1
        );
        assert!(Ledger::parse(&[("rfc1.toml", &text.replace("'MAY'", "'PERHAPS'"))], "").is_err());
    }
}
