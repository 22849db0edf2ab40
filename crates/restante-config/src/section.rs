//! Reading one table of the configuration: known keys become values, unknown ones become problems.
//!
//! Lives here: `Section` (a table being read), `Lines` (where each key stood) and the `section!` macro that
//! declares a table's keys once, for reading, for showing and for suggesting the nearest known key.
//! What single values look like is in `value.rs`.

use crate::problem::Problems;
use crate::value::Value;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where each key stood, by its full name (`limits.sessions`, `listen.0.address`).
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// The line of a key, or of the nearest table around it, or 0 when the file does not name it at all.
    pub fn at(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            if let Some(&line) = self.0.get(key) {
                return line;
            }
            match key.rsplit_once('.') {
                Some((outer, _)) => key = outer,
                None => return 0,
            }
        }
    }

    /// Does the file itself set this key?
    pub fn is_set(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Where a key or table stands.
    pub fn note(&mut self, key: String, line: usize) {
        self.0.insert(key, line);
    }
}

/// A table that is being read. Keys are taken out one after the other; what is left at the end is unknown.
pub struct Section<'r, 'i, 'p> {
    /// Full name with a trailing dot, or empty for the file itself.
    prefix: String,
    left: Vec<(&'r Spanned<std::borrow::Cow<'i, str>>, &'r Spanned<DeValue<'i>>)>,
    problems: &'r mut Problems<'p>,
    lines: &'r mut Lines,
}

impl<'r, 'i, 'p> Section<'r, 'i, 'p> {
    /// Of the table with this full name; empty for the file itself.
    pub fn new(
        name: &str,
        table: &'r DeTable<'i>,
        problems: &'r mut Problems<'p>,
        lines: &'r mut Lines,
    ) -> Self {
        let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
        Self { prefix, left: table.iter().collect(), problems, lines }
    }

    /// Takes a key's value out as it was written, for tables and arrays of tables.
    pub fn take(&mut self, key: &str) -> Option<&'r Spanned<DeValue<'i>>> {
        let at = self.left.iter().position(|(name, _)| name.get_ref().as_ref() == key)?;
        let (name, value) = self.left.swap_remove(at);
        let line = self.problems.line_at(name.span().start);
        self.lines.note(format!("{}{key}", self.prefix), line);
        Some(value)
    }

    /// Takes a value out; absent means the default, wrong means a problem and the default.
    pub fn value<T: Value>(&mut self, key: &str, default: impl FnOnce() -> T) -> T {
        let Some(written) = self.take(key) else { return default() };
        match T::read(written.get_ref()) {
            Ok(value) => value,
            Err(fault) => {
                let line = self.problems.line_at(written.span().start);
                self.problems.error(line, format!("{}{key}: {}", self.prefix, fault.what), fault.remedy);
                default()
            }
        }
    }

    /// Like `value`, for a number with bounds.
    pub fn number(&mut self, key: &str, default: u64, bounds: RangeInclusive<u64>) -> u64 {
        let value = self.value(key, || default);
        if bounds.contains(&value) {
            return value;
        }
        let line = self.lines.at(&format!("{}{key}", self.prefix));
        self.problems.error(
            line,
            format!("{}{key} = {value} is out of bounds", self.prefix),
            format!("write a number from {} to {}; the default is {default}", bounds.start(), bounds.end()),
        );
        default
    }

    /// Reports a table found where a value was wanted, and the like.
    pub fn wrong(&mut self, written: &Spanned<DeValue<'i>>, what: String, remedy: &str) {
        let line = self.problems.line_at(written.span().start);
        self.problems.error(line, what, remedy);
    }

    /// Reports what is wrong with this table as a whole, in its own line.
    pub fn fault(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        let name = self.prefix.strip_suffix('.').unwrap_or(&self.prefix);
        let line = self.lines.at(name);
        let what = if name.is_empty() { what.into() } else { format!("{name}: {}", what.into()) };
        self.problems.error(line, what, remedy);
    }

    /// Reports what is wrong with the value of a key, in its line.
    pub fn fault_at(&mut self, key: &str, what: impl std::fmt::Display, remedy: impl Into<String>) {
        let name = format!("{}{key}", self.prefix);
        self.problems.error(self.lines.at(&name), format!("{name}: {what}"), remedy);
    }

    /// Is this key there, and not taken out yet?
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.left.iter().any(|(name, _)| name.get_ref().as_ref() == key)
    }

    /// Reads a table inside this one with `read`; absent means an empty table, hence the defaults.
    pub fn table<T>(&mut self, key: &str, read: impl FnOnce(&mut Section<'_, 'i, 'p>) -> T) -> T {
        let written = self.take(key);
        let empty = DeTable::new();
        let table = match written.map(|written| (written, written.get_ref())) {
            None => &empty,
            Some((_, DeValue::Table(table))) => table,
            Some((written, other)) => {
                let what = format!("{}{key} is written as {}, but is a table", self.prefix, kind(other));
                self.wrong(written, what, &format!("write [{}{key}] and the keys below it", self.prefix));
                &empty
            }
        };
        let name = format!("{}{key}", self.prefix);
        read(&mut Section::new(&name, table, self.problems, self.lines))
    }

    /// Reads an array of tables with `read`, each with its position.
    pub fn tables<T>(&mut self, key: &str, mut read: impl FnMut(&mut Section<'_, 'i, 'p>) -> T) -> Vec<T> {
        let Some(written) = self.take(key) else { return Vec::new() };
        let name = format!("{}{key}", self.prefix);
        let remedy = format!("write [[{name}]] and the keys below it, once for each");
        let DeValue::Array(items) = written.get_ref() else {
            self.wrong(written, format!("{name} is written as {}", kind(written.get_ref())), &remedy);
            return Vec::new();
        };
        let mut values = Vec::new();
        for (position, item) in items.iter().enumerate() {
            let DeValue::Table(table) = item.get_ref() else {
                self.wrong(item, format!("an element of {name} is {}", kind(item.get_ref())), &remedy);
                continue;
            };
            let name = format!("{name}.{position}");
            let line = self.problems.line_at(item.span().start);
            self.lines.note(name.clone(), line);
            values.push(read(&mut Section::new(&name, table, self.problems, self.lines)));
        }
        values
    }

    /// Everything that was not taken is unknown: named, with the nearest of the `known` keys. Says whether there was nothing.
    pub fn finish(&mut self, known: &[&str]) -> bool {
        let left = std::mem::take(&mut self.left);
        let is_known = left.is_empty();
        for (name, _) in left {
            let line = self.problems.line_at(name.span().start);
            let key = name.get_ref().as_ref();
            let remedy = match nearest(key, known) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.problems.error(line, format!("{}{key}: there is no such key", self.prefix), remedy);
        }
        is_known
    }
}

/// What a value was written as, in words.
pub fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The known word with the fewest changes from `word`, if that is a plausible slip of the hand.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|&candidate| (distance(word, candidate), candidate))
        .filter(|&(changes, candidate)| {
            changes <= allowed
                || (word.len() > 3 && (candidate.starts_with(word) || word.starts_with(candidate)))
        })
        .min_by_key(|&(changes, _)| changes)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance: insertions, removals and replacements from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        let mut next = vec![left];
        for (candidate, &up) in other.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(letter != *candidate);
            left = replaced.min(left + 1).min(up + 1);
            diagonal = up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// Declares a table of the configuration: each key with its doc comment, type and default, once.
///
/// Outside of the crate that declares one it is neither read nor shown.
///
/// From it come the struct, `Default`, `KEYS`, `read` (from a `Section`) and `show` (as TOML).
/// `key: u64 = default, in bounds;` is a number with bounds.
#[macro_export]
macro_rules! section {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $( $(#[$doc:meta])* $key:ident $(as $word:literal)? : $type:ty = $default:expr $(, in $bounds:expr)?; )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[$doc])* pub $key: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )* }
            }
        }

        impl $name {
            /// The keys of this table, as they are written.
            pub const KEYS: &[&str] = &[ $( $crate::key_name!($key $(, $word)?), )* ];

            pub(crate) fn read(section: &mut $crate::section::Section<'_, '_, '_>) -> Self {
                Self {
                    $( $key: {
                        let name = $crate::key_name!($key $(, $word)?);
                        $crate::read_key!(section, name, $default $(, $bounds)?)
                    }, )*
                }
            }

            pub(crate) fn show(&self, output: &mut String) {
                $(
                    let name = $crate::key_name!($key $(, $word)?);
                    $crate::value::show_key(output, name, &self.$key);
                )*
            }
        }
    };
}

/// One key of `section!`: with or without bounds.
#[doc(hidden)]
#[macro_export]
macro_rules! read_key {
    ($section:ident, $name:ident, $default:expr) => {
        $section.value($name, || $default)
    };
    ($section:ident, $name:ident, $default:expr, $bounds:expr) => {
        $section.number($name, $default, $bounds)
    };
}

/// How a key is written: like its field, except where that is a word of Rust.
#[doc(hidden)]
#[macro_export]
macro_rules! key_name {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:ident, $word:literal) => {
        $word
    };
}
