//! Rules on headers: which messages are skipped, fetched or deleted before they are fetched. The first that matches decides.
//!
//! Pure. How rules are written is in `config/rule.rs`; whose header is looked at, the plan decides.

use std::borrow::Cow;
use std::fmt;

use restante_config::value::Size;
use sha2::{Digest as _, Sha256};
use wildmatch::WildMatch;

use crate::header::Header;

/// The rules of an account, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Rule>);

/// A rule: if all of its conditions hold, this is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// At least one.
    pub conditions: Vec<Condition>,
    /// What then.
    pub then: Then,
}

/// What a rule does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    /// It is left on the server, and not fetched as long as the rules are these.
    Skip,
    /// It is fetched, whatever its size.
    Fetch,
    /// It is deleted on the server without being fetched.
    Delete,
}

impl Then {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Fetch => "fetch",
            Self::Delete => "delete",
        }
    }
}

/// Something that holds for a message, or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One of the fields with this name is so. Names and values are compared without regard to case.
    Field {
        /// The name.
        field: Field,
        /// How.
        test: Test,
    },
    /// LIST says more octets.
    Larger(u64),
    /// LIST says fewer octets.
    Smaller(u64),
}

/// Which field of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Every field with this name.
    Named(Box<str>),
    /// To, Cc and Bcc.
    Recipients,
}

/// What must hold for the value of a field, unfolded and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// This stands in it.
    Contains(Box<str>),
    /// It is this, without regard to blanks around it.
    Is(Box<str>),
    /// It is like this: `*` stands for any text, `?` for any character.
    Matches(Box<str>),
    /// There is such a field.
    Exists,
}

/// What rules say of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No rule matches.
    NoRule,
    /// The rule with this index does.
    Rule(usize, Then),
    /// Without its header it cannot be said.
    HeaderWanted,
}

impl Rules {
    /// What they say of a message with these octets, so far as its header is there.
    ///
    /// A rule that deletes needs a complete header even if it only asks for octets: what was wrong in a listing must not delete.
    #[must_use]
    pub fn verdict(&self, header: Option<&Header>, octets: Option<u64>) -> Verdict {
        let fields = header.map(|header| {
            header
                .fields()
                .into_iter()
                .map(|(name, value)| (name, value.to_lowercase()))
                .collect::<Vec<(Cow<'_, str>, String)>>()
        });
        let is_complete = header.is_some_and(Header::is_complete);
        for (index, rule) in self.0.iter().enumerate() {
            match rule.holds(fields.as_deref(), octets) {
                Some(false) => {}
                None => return Verdict::HeaderWanted,
                Some(true) if rule.then == Then::Delete && header.is_none() => return Verdict::HeaderWanted,
                // There is no more of it to be had: nobody may say that this is to be deleted.
                Some(true) if rule.then == Then::Delete && !is_complete => {}
                Some(true) => return Verdict::Rule(index, rule.then),
            }
        }
        Verdict::NoRule
    }

    /// A rule in words, with its number from 1.
    #[must_use]
    pub fn name(&self, index: usize) -> String {
        match self.0.get(index) {
            Some(rule) => format!("rule {}: {rule}", index + 1),
            None => format!("rule {}", index + 1),
        }
    }

    /// Eight hexadecimal digits that change when the rules do.
    #[must_use]
    pub fn digest(&self) -> String {
        let whole = Sha256::digest(self.to_string().as_bytes());
        whole.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
    }
}

/// All of them, one a line.
impl fmt::Display for Rules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|rule| writeln!(out, "{rule}"))
    }
}

impl Rule {
    /// Whether all conditions hold; `None` when that depends on fields that are not there yet.
    fn holds(&self, fields: Option<&[(Cow<'_, str>, String)]>, octets: Option<u64>) -> Option<bool> {
        let mut all = Some(true);
        for condition in &self.conditions {
            match condition.holds(fields, octets) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => all = None,
            }
        }
        all
    }
}

/// In words, such as `skip if List-Id contains "announce"`.
impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} if ", self.then.as_str())?;
        for (at, condition) in self.conditions.iter().enumerate() {
            write!(out, "{}{condition}", if at == 0 { "" } else { " and " })?;
        }
        Ok(())
    }
}

impl Condition {
    fn holds(&self, fields: Option<&[(Cow<'_, str>, String)]>, octets: Option<u64>) -> Option<bool> {
        match self {
            // What has no octets in the listing is neither larger nor smaller than anything.
            Self::Larger(than) => Some(octets.is_some_and(|octets| octets > *than)),
            Self::Smaller(than) => Some(octets.is_some_and(|octets| octets < *than)),
            Self::Field { field, test } => {
                let test = Lowered::from(test);
                Some(fields?.iter().any(|(name, value)| field.is(name) && test.holds(value)))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Larger(octets) => write!(out, "larger than {}", Size(*octets)),
            Self::Smaller(octets) => write!(out, "smaller than {}", Size(*octets)),
            Self::Field { field, test } => {
                match field {
                    Field::Named(name) => write!(out, "{name}")?,
                    Field::Recipients => write!(out, "To, Cc or Bcc")?,
                }
                match test {
                    Test::Contains(text) => write!(out, " contains {text:?}"),
                    Test::Is(text) => write!(out, " is {text:?}"),
                    Test::Matches(pattern) => write!(out, " matches {pattern:?}"),
                    Test::Exists => write!(out, " exists"),
                }
            }
        }
    }
}

impl Field {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Named(wanted) => wanted.eq_ignore_ascii_case(name),
            Self::Recipients => ["To", "Cc", "Bcc"].iter().any(|wanted| wanted.eq_ignore_ascii_case(name)),
        }
    }
}

/// A test made ready for values in small letters.
enum Lowered {
    Contains(String),
    Is(String),
    Matches(WildMatch),
    Exists,
}

impl From<&Test> for Lowered {
    fn from(test: &Test) -> Self {
        match test {
            Test::Contains(text) => Self::Contains(text.to_lowercase()),
            Test::Is(text) => Self::Is(text.trim().to_lowercase()),
            Test::Matches(pattern) => Self::Matches(WildMatch::new(&pattern.to_lowercase())),
            Test::Exists => Self::Exists,
        }
    }
}

impl Lowered {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Contains(text) => value.contains(text),
            Self::Is(text) => value.trim() == text,
            Self::Matches(pattern) => pattern.matches(value.trim()),
            Self::Exists => true,
        }
    }
}

#[cfg(test)]
mod tests;
