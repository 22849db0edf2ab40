//! What single configuration values look like: reading them from TOML and showing them as TOML again.
//!
//! Lives here: `Value` for the plain types and the `choice!` macro for closed sets of words. What values mean
//! together is in `check.rs`.

use crate::section::{kind, nearest};
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use toml::de::DeValue;
use zeroize::Zeroizing;

/// Why a value cannot be what its key wants.
#[derive(Debug)]
pub struct Fault {
    /// What is wrong with it.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

impl Fault {
    /// With these two texts.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }

    /// Something of another kind was written than is wanted.
    pub fn kind(written: &DeValue<'_>, wanted: &str, remedy: &str) -> Self {
        Self::new(format!("this is {}, but {wanted} is wanted", kind(written)), remedy)
    }
}

/// A type that a key can have. `show` writes what `read` reads: the pair is an identity.
pub trait Value: Sized {
    /// The value that is written there.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    fn read(written: &DeValue<'_>) -> Result<Self, Fault>;
    /// The TOML of the value; `None` leaves the key out, so that its absence is what is read back.
    fn show(&self) -> Option<String>;
}

/// Appends `key = value`.
pub fn show_key<T: Value>(output: &mut String, key: &str, value: &T) {
    if let Some(value) = value.show() {
        let _ = writeln!(output, "{key} = {value}");
    }
}

impl Value for String {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        match written {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            other => Err(Fault::kind(other, "a string", "write it in double quotes")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote(self))
    }
}

/// A password or another secret, as it is written. `Debug` and [`Value::show`] leave it out, and it is overwritten on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(Zeroizing<String>);

impl Hidden {
    /// The secret itself. Not for logs and errors.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

impl Value for Hidden {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        match String::read(written)? {
            text if text.is_empty() => {
                Err(Fault::new("this is empty", "write the secret in double quotes, or leave the key out"))
            }
            text => Ok(Self(Zeroizing::new(text))),
        }
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl Value for PathBuf {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let text = String::read(written)?;
        if text.is_empty() || text.contains('\0') {
            return Err(Fault::new("this is no path", "write the path of a file or folder in double quotes"));
        }
        Ok(Self::from(text))
    }

    // A path from a configuration is text: TOML has no other strings.
    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string_lossy()))
    }
}

impl Value for bool {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        match written {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(Fault::kind(other, "true or false", "write true or false, without quotes")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for u64 {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let DeValue::Integer(number) = written else {
            return Err(Fault::kind(written, "a whole number", "write digits, without quotes or unit"));
        };
        let digits = number.as_str();
        Self::from_str_radix(digits, number.radix()).map_err(|_| {
            Fault::new(
                format!("{digits} is no number from 0 to 2^64"),
                "write a smaller or a positive number",
            )
        })
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl<T: Value> Value for Option<T> {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        T::read(written).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Value::show)
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        match written {
            DeValue::Array(items) => items.iter().map(|item| T::read(item.get_ref())).collect(),
            other => {
                Err(Fault::kind(other, "a list", "write the values in square brackets, with commas between"))
            }
        }
    }

    fn show(&self) -> Option<String> {
        Some(format!("[{}]", self.iter().filter_map(Value::show).collect::<Vec<_>>().join(", ")))
    }
}

/// Permissions of a file, written as an octal number: `0o660` or `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Value for Mode {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let remedy = "write permissions as an octal number, for instance 0o660";
        let mode = match written {
            DeValue::Integer(number) if number.radix() == 8 => u32::from_str_radix(number.as_str(), 8).ok(),
            DeValue::String(text) => u32::from_str_radix(text, 8).ok(),
            DeValue::Integer(number) => {
                return Err(Fault::new(format!("{} is not written in octal", number.as_str()), remedy));
            }
            other => return Err(Fault::kind(other, "an octal number", remedy)),
        };
        mode.filter(|&mode| mode <= 0o777)
            .map(Self)
            .ok_or_else(|| Fault::new("these are no permissions", remedy))
    }

    fn show(&self) -> Option<String> {
        Some(format!("0o{:o}", self.0))
    }
}

/// A length of time, written as a number and a unit: `"14 days"`, `"90 s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Value for Span {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let remedy = "write a number and a unit in double quotes, for instance \"14 days\"; units are seconds, minutes, \
                      hours, days and weeks";
        let DeValue::String(text) = written else {
            return Err(Fault::kind(written, "a length of time", remedy));
        };
        text.parse().map_err(|NoSpan| Fault::new(format!("{text:?} is no length of time"), remedy))
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string()))
    }
}

impl FromStr for Span {
    type Err = NoSpan;

    /// Reads a number and a unit.
    fn from_str(text: &str) -> Result<Self, NoSpan> {
        measure(text, &SPAN_UNITS).map(|seconds| Self(Duration::from_secs(seconds))).ok_or(NoSpan)
    }
}

/// What was written is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSpan;

impl fmt::Display for NoSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no length of time")
    }
}

impl std::error::Error for NoSpan {}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_measure(self.0.as_secs(), &SPAN_UNITS, f)
    }
}

/// So many octets, written as a number and a unit: `"2 GiB"`, `"500 MB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Value for Size {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let remedy = "write a number and a unit in double quotes, for instance \"2 GiB\"; units are B, kB, MB, GB, TB, KiB, \
                      MiB, GiB and TiB";
        let DeValue::String(text) = written else {
            return Err(Fault::kind(written, "a number of octets with its unit", remedy));
        };
        let octets = measure(text, &SIZE_UNITS)
            .ok_or_else(|| Fault::new(format!("{text:?} is no number of octets"), remedy))?;
        Ok(Self(octets))
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string()))
    }
}

impl FromStr for Size {
    type Err = NotASize;

    /// As in a configuration, without the quotes.
    fn from_str(text: &str) -> Result<Self, NotASize> {
        measure(text, &SIZE_UNITS).map(Self).ok_or(NotASize)
    }
}

/// A text is no number of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASize;

impl fmt::Display for NotASize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no number of octets with its unit, such as 2GiB")
    }
}

impl std::error::Error for NotASize {}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_measure(self.0, &SIZE_UNITS, f)
    }
}

/// Units of one kind: the words for each, plural and singular first, and what it stands for. The largest first.
type Units = [(&'static [&'static str], u64)];

const SPAN_UNITS: [(&[&str], u64); 5] = [
    (&["weeks", "week", "w"], 7 * 86_400),
    (&["days", "day", "d"], 86_400),
    (&["hours", "hour", "h"], 3_600),
    (&["minutes", "minute", "min", "m"], 60),
    (&["seconds", "second", "s"], 1),
];

const SIZE_UNITS: [(&[&str], u64); 9] = [
    (&["TiB"], 1 << 40),
    (&["TB"], 1_000_000_000_000),
    (&["GiB"], 1 << 30),
    (&["GB"], 1_000_000_000),
    (&["MiB"], 1 << 20),
    (&["MB"], 1_000_000),
    (&["KiB"], 1 << 10),
    (&["kB"], 1_000),
    (&["B"], 1),
];

/// A whole number and one of the units, with or without blanks between.
fn measure(text: &str, units: &Units) -> Option<u64> {
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(words, _)| words.contains(&unit.trim_start()))?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Writes what [`measure`] reads, in the largest unit that needs no fraction.
fn show_measure(value: u64, units: &Units, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fits = |(_, factor): &&(&[&str], u64)| value > 0 && value.is_multiple_of(*factor);
    let (words, factor) = units.iter().find(fits).or_else(|| units.last()).copied().unwrap_or((&[""], 1));
    let count = value / factor;
    let word = words.get(usize::from(count == 1)).or_else(|| words.first()).unwrap_or(&"");
    write!(f, "{count} {word}")
}

/// A basic string of TOML.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\'' => quoted.push(letter),
            // What cannot be printed: control characters, and marks that a reader does not see.
            hidden if hidden.escape_debug().len() > 1 => {
                let _ = match u32::from(hidden) {
                    short @ ..=0xFFFF => write!(quoted, "\\u{short:04X}"),
                    long => write!(quoted, "\\U{long:08X}"),
                };
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The word among `words` that was written, or a fault that lists them and suggests the nearest.
pub fn word<T: Copy>(written: &DeValue<'_>, words: &[(&'static str, T)]) -> Result<T, Fault> {
    let names: Vec<&str> = words.iter().map(|&(name, _)| name).collect();
    let text = String::read(written)?;
    if let Some(&(_, value)) = words.iter().find(|&&(name, _)| name == text) {
        return Ok(value);
    }
    let remedy = match nearest(&text, &names) {
        Some(near) => format!("did you mean {near:?}? Known here: {}", names.join(", ")),
        None => format!("write one of: {}", names.join(", ")),
    };
    Err(Fault::new(format!("{text:?} is not known"), remedy))
}

/// A closed set of words.
#[macro_export]
macro_rules! choice {
    (
        $(#[$about:meta])*
        pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal, )* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$doc])* $variant, )* }

        impl $name {
            /// The word as it is written in the configuration.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl $crate::value::Value for $name {
            fn read(written: &toml::de::DeValue<'_>) -> Result<Self, $crate::value::Fault> {
                $crate::value::word(written, &[ $( ($word, Self::$variant), )* ])
            }

            fn show(&self) -> Option<String> {
                Some($crate::value::quote(self.as_str()))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Value>(text: &str) -> Result<T, Fault> {
        T::read(&DeValue::String(text.into()))
    }

    #[test]
    fn lengths_of_time_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("14 days", 14 * 86_400, "2 weeks"),
            ("90 days", 90 * 86_400, "90 days"),
            ("1 day", 86_400, "1 day"),
            ("2min", 120, "2 minutes"),
            (" 90 s ", 90, "90 seconds"),
            ("0 s", 0, "0 seconds"),
        ] {
            let span: Span = read(text).unwrap();
            assert_eq!((span.0.as_secs(), span.to_string().as_str()), (seconds, shown), "{text}");
            assert_eq!(read::<Span>(&span.to_string()).unwrap(), span, "{text}");
        }
        for text in
            ["", "14", "days", "-1 day", "1.5 days", "14 moons", "99999999999999999 weeks", "1 day 2 hours"]
        {
            let fault = read::<Span>(text).expect_err(text);
            assert!(
                fault.what.contains("no length of time") && fault.remedy.contains("14 days"),
                "{fault:?}"
            );
        }
        assert!(Span::read(&DeValue::Boolean(true)).unwrap_err().what.contains("a boolean"));
    }

    #[test]
    fn numbers_of_octets_are_read_and_shown() {
        for (text, octets, shown) in
            [("2 GiB", 2 << 30, "2 GiB"), ("500MB", 500_000_000, "500 MB"), ("1000 kB", 1_000_000, "1 MB")]
        {
            let size: Size = read(text).unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (octets, shown), "{text}");
        }
        for text in ["", "5", "GiB", "5 gib", "-5 GiB", "0.5 GiB", "99999999999 TiB"] {
            let fault = read::<Size>(text).expect_err(text);
            assert!(
                fault.what.contains("no number of octets") && fault.remedy.contains("2 GiB"),
                "{fault:?}"
            );
        }
    }
}
