//! How rules are written: `[[account.rule]]`.

use restante_config::section::Section;
use restante_config::value::{Size, quote};
use restante_config::{choice, section};

use crate::rule::{Condition, Field, Rule, Test, Then};

section! {
    /// The conditions of a rule, as they are written.
    pub struct Conditions {
        /// The name of a header field; one of `contains`, `is`, `matches` and `exists` says what of it.
        header: Option<String> = None;
        /// This text stands in the field.
        contains: Option<String> = None;
        /// The field is this text.
        is: Option<String> = None;
        /// The field is like this: `*` stands for any text, `?` for any character.
        matches: Option<String> = None;
        /// There is such a field.
        exists: Option<bool> = None;
        /// This text stands in From.
        from: Option<String> = None;
        /// This text stands in To, Cc or Bcc.
        to: Option<String> = None;
        /// This text stands in Subject.
        subject: Option<String> = None;
        /// The message has more octets.
        larger: Option<Size> = None;
        /// The message has fewer octets.
        smaller: Option<Size> = None;
    }
}

choice! {
    /// `then`.
    pub enum ThenWritten {
        /// Left on the server.
        Skip = "skip",
        /// Fetched, whatever its size.
        Fetch = "fetch",
        /// Deleted on the server without being fetched.
        Delete = "delete",
    }
}

/// Reads one rule; what is wrong is reported, and the rule is then none.
pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Option<Rule> {
    let is_said = section.has("then");
    let then: Option<ThenWritten> = section.value("then", || None);
    let own = Conditions::read(section);
    let mut faults = Vec::new();
    let mut conditions = own.meant(&mut faults);
    let others = section.tables("all_of", |section| {
        let written = Conditions::read(section);
        section.finish(Conditions::KEYS);
        written
    });
    for other in &others {
        let (before, wrong) = (conditions.len(), faults.len());
        conditions.extend(other.meant(&mut faults));
        if conditions.len() == before && faults.len() == wrong {
            faults.push(("an element of all_of asks for nothing", ASKS));
        }
    }
    let known: Vec<&str> = Conditions::KEYS.iter().copied().chain(["all_of", "then"]).collect();
    let is_known = section.finish(&known);
    if conditions.is_empty() && faults.is_empty() && is_known {
        faults.push(("a rule that asks for nothing", ASKS));
    }
    if !is_said {
        faults.push(("a rule without then", "add then = \"skip\", \"fetch\" or \"delete\""));
    }
    let is_whole = faults.is_empty();
    for (what, remedy) in faults {
        section.fault(what, remedy);
    }
    let then = match then? {
        ThenWritten::Skip => Then::Skip,
        ThenWritten::Fetch => Then::Fetch,
        ThenWritten::Delete => Then::Delete,
    };
    is_whole.then_some(Rule { conditions, then })
}

impl Conditions {
    fn meant(&self, faults: &mut Vec<(&'static str, &'static str)>) -> Vec<Condition> {
        let mut conditions = Vec::new();
        let tests = [
            self.contains.as_deref().map(|text| Test::Contains(text.into())),
            self.is.as_deref().map(|text| Test::Is(text.into())),
            self.matches.as_deref().map(|pattern| Test::Matches(pattern.into())),
            self.exists.filter(|exists| *exists).map(|_| Test::Exists),
        ];
        let mut tests = tests.into_iter().flatten();
        match (self.header.as_deref(), tests.next()) {
            (None, None) => {}
            (None, Some(_)) => faults.push((
                "contains, is, matches or exists, but no header",
                "add header = \"Subject\", or whichever field it is",
            )),
            (Some(_), None) => faults.push((
                "a header, but nothing that must hold for it",
                "add contains, is or matches with a text, or exists = true",
            )),
            (Some(name), Some(_)) if !is_field_name(name) => faults.push((
                "header is not the name of a field",
                "write its name without colon, for instance header = \"List-Id\"",
            )),
            (Some(name), Some(test)) => {
                conditions.push(Condition::Field { field: Field::Named(name.into()), test });
            }
        }
        if tests.next().is_some() {
            faults.push((
                "more than one of contains, is, matches and exists",
                "write each condition as an element of all_of = [{ header = …, … }, …]",
            ));
        }
        let shorthands = [
            (&self.from, Field::Named("From".into())),
            (&self.to, Field::Recipients),
            (&self.subject, Field::Named("Subject".into())),
        ];
        for (text, field) in shorthands {
            if let Some(text) = text {
                conditions.push(Condition::Field { field, test: Test::Contains(text.as_str().into()) });
            }
        }
        conditions.extend(self.larger.map(|Size(octets)| Condition::Larger(octets)));
        conditions.extend(self.smaller.map(|Size(octets)| Condition::Smaller(octets)));
        conditions
    }
}

/// The rule as it would be written, each condition an element of `all_of`.
pub(super) fn show(rule: &Rule) -> String {
    let conditions = rule.conditions.iter().map(|condition| match condition {
        Condition::Larger(octets) => format!("{{ larger = {} }}", quote(&Size(*octets).to_string())),
        Condition::Smaller(octets) => format!("{{ smaller = {} }}", quote(&Size(*octets).to_string())),
        Condition::Field { field, test } => {
            let (key, text) = match test {
                Test::Contains(text) => ("contains", quote(text)),
                Test::Is(text) => ("is", quote(text)),
                Test::Matches(pattern) => ("matches", quote(pattern)),
                Test::Exists => ("exists", "true".to_owned()),
            };
            match field {
                // Nothing else is asked of recipients by what can be written.
                Field::Recipients => format!("{{ to = {text} }}"),
                Field::Named(name) => format!("{{ header = {}, {key} = {text} }}", quote(name)),
            }
        }
    });
    let conditions: Vec<String> = conditions.collect();
    format!("all_of = [{}]\nthen = {}\n", conditions.join(", "), quote(rule.then.as_str()))
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':')
}

const ASKS: &str = "add header with contains, is or matches, or from, to, subject, larger or smaller";
