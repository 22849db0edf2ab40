//! Dovecot's `pop3_uidl_format`, in the spelling of version 2.3 (`%08Xu%08Xv`) and of 2.4
//! (`%{uid | hex(8)}%{uidvalidity | hex(8)}`). Other servers' unique-ids of uid and uidvalidity are templates too.

use std::error::Error;
use std::fmt;

use md5::{Digest as _, Md5};

/// How unique-ids are made of what is known of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Value(Variable, Vec<Filter>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Uid,
    UidValidity,
    /// The base name of the file.
    FileName,
    /// The message's GUID: the base name, unless another is stored.
    Guid,
    /// The digest of some header fields that Dovecot makes for an mbox.
    Md5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Lower,
    Upper,
    Reverse,
    /// The digest of the text, in hexadecimal digits.
    Md5,
    /// A decimal number in hexadecimal digits; when the width is not 0 exactly so many, filled up with zeros.
    Hex(usize),
    /// No more than so many octets, from the left.
    Truncate(usize),
    /// At least so many octets, filled up on the left.
    Pad(usize, u8),
}

/// What a template is filled in with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// The message's uid.
    pub uid: u32,
    /// The mailbox's uidvalidity.
    pub uid_validity: u32,
    /// The base name of the message's file.
    pub name: &'a [u8],
    /// Its GUID, when one is stored; else the base name is it.
    pub guid: Option<&'a [u8]>,
    /// The digest of an mbox message, hexadecimal.
    pub md5: &'a [u8],
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    what: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for TemplateError {}

impl Template {
    /// What Dovecot uses when nothing else is configured: uid, then uidvalidity, eight hexadecimal digits each.
    pub const DOVECOT: &'static str = "%08Xu%08Xv";

    /// Reads a template.
    ///
    /// # Errors
    /// When it holds a variable, modifier or filter that is not known here, or says nothing of the message at all.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            let (literal, value) = rest.split_at(at);
            push_literal(&mut parts, literal);
            let value = value.get(1..).unwrap_or_default();
            if let Some(after) = value.strip_prefix('%') {
                push_literal(&mut parts, "%");
                rest = after;
                continue;
            }
            let (part, after) = parse_value(value)?;
            parts.push(part);
            rest = after;
        }
        push_literal(&mut parts, rest);
        if !parts.iter().any(|part| matches!(part, Part::Value(..))) {
            return Err(error(
                "it names nothing of the message, such as %u, so that all would have the same",
            ));
        }
        Ok(Self { parts })
    }

    /// The unique-id of a message.
    #[must_use]
    pub fn expand(&self, values: &Values<'_>) -> Vec<u8> {
        let mut expanded = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => expanded.extend_from_slice(literal),
                Part::Value(variable, filters) => {
                    let value = variable.value(values);
                    expanded.extend(filters.iter().fold(value, |value, filter| filter.apply(value)));
                }
            }
        }
        expanded
    }
}

impl Variable {
    fn of_letter(letter: char) -> Option<Self> {
        Some(match letter {
            'u' => Self::Uid,
            'v' => Self::UidValidity,
            'f' => Self::FileName,
            'g' => Self::Guid,
            'm' => Self::Md5,
            _ => return None,
        })
    }

    fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "uid" => Self::Uid,
            "uidvalidity" => Self::UidValidity,
            "filename" => Self::FileName,
            "guid" => Self::Guid,
            "md5" => Self::Md5,
            _ => return None,
        })
    }

    fn value(self, values: &Values<'_>) -> Vec<u8> {
        match self {
            Self::Uid => values.uid.to_string().into_bytes(),
            Self::UidValidity => values.uid_validity.to_string().into_bytes(),
            Self::FileName => values.name.to_vec(),
            Self::Guid => values.guid.unwrap_or(values.name).to_vec(),
            Self::Md5 => values.md5.to_vec(),
        }
    }
}

impl Filter {
    fn apply(self, mut value: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Lower => value.make_ascii_lowercase(),
            Self::Upper => value.make_ascii_uppercase(),
            Self::Reverse => value.reverse(),
            Self::Md5 => value = super::hex(&Md5::digest(&value)),
            Self::Hex(width) => {
                // Only numbers get here: `parse_value` sees to that.
                value = format!("{:0width$x}", super::number::<u64>(&value).unwrap_or_default()).into_bytes();
                if width > 0 {
                    value = value.split_off(value.len() - width);
                }
            }
            Self::Truncate(width) => value.truncate(width),
            Self::Pad(width, filling) => {
                let missing = width.saturating_sub(value.len());
                value.splice(..0, std::iter::repeat_n(filling, missing));
            }
        }
        value
    }
}

/// What stands behind a `%`: its meaning, and the rest of the text.
fn parse_value(text: &str) -> Result<(Part, &str), TemplateError> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (width, rest) = text.split_at(digits);
    let mut filters = Vec::new();
    let mut after = rest;
    let variable = loop {
        let mut letters = after.chars();
        let Some(letter) = letters.next() else { return Err(error("it ends within a variable")) };
        if letter == '{' {
            let (inside, behind) = after
                .get(1..)
                .and_then(|inside| inside.split_once('}'))
                .ok_or_else(|| error("a '{' has no '}'"))?;
            after = behind;
            break parse_braces(inside, &mut filters)?;
        }
        after = letters.as_str();
        match letter {
            'L' => filters.push(Filter::Lower),
            'U' => filters.push(Filter::Upper),
            'R' => filters.push(Filter::Reverse),
            'M' => filters.push(Filter::Md5),
            'X' => filters.push(Filter::Hex(0)),
            letter => {
                break Variable::of_letter(letter).ok_or_else(|| {
                    error(&format!(
                        "'%{letter}' is not known here; u, v, f, g and m are, with L, U, R, M and X"
                    ))
                })?;
            }
        }
    };
    if !width.is_empty() {
        let octets = width_of(width)?;
        if width.starts_with('0') {
            filters.push(Filter::Pad(octets, b'0'));
        }
        if octets > 0 {
            filters.push(Filter::Truncate(octets));
        }
    }
    check_numbers(variable, &filters)?;
    Ok((Part::Value(variable, filters), after))
}

/// `name`, or `name | filter | filter(argument)`.
fn parse_braces(inside: &str, filters: &mut Vec<Filter>) -> Result<Variable, TemplateError> {
    let mut words = inside.split('|').map(str::trim);
    let name = words.next().unwrap_or_default();
    let variable = Variable::of_name(name).ok_or_else(|| {
        error(&format!("'{name}' is not known here; uid, uidvalidity, filename, guid and md5 are"))
    })?;
    let mut is_digest = false;
    for word in words {
        let (name, argument) = match word.split_once('(') {
            Some((name, rest)) => {
                let argument = rest.trim_end().strip_suffix(')').ok_or_else(|| error("a '(' has no ')'"))?;
                (name.trim_end(), Some(argument.trim()))
            }
            None => (word, None),
        };
        filters.push(match (name, argument) {
            ("lower", None) => Filter::Lower,
            ("upper", None) => Filter::Upper,
            ("reverse", None) => Filter::Reverse,
            ("md5", None) => Filter::Md5,
            ("hex", None) => Filter::Hex(0),
            ("hex", Some(width)) => Filter::Hex(width_of(width)?),
            ("truncate", Some(width)) => Filter::Truncate(width_of(width)?),
            // A digest is shown in hexadecimal digits at the end in any case.
            ("hexlify", None) if is_digest => Filter::Lower,
            _ => {
                return Err(error(&format!(
                    "the filter '{word}' is not known here; hex, lower, upper, reverse, md5, hexlify behind md5 and \
                     truncate are"
                )));
            }
        });
        is_digest = name == "md5";
    }
    Ok(variable)
}

/// Hexadecimal digits can be made of numbers only.
fn check_numbers(variable: Variable, filters: &[Filter]) -> Result<(), TemplateError> {
    let is_number = matches!(variable, Variable::Uid | Variable::UidValidity);
    let hex = filters.iter().position(|filter| matches!(filter, Filter::Hex(_)));
    match hex {
        Some(at) if !is_number || at > 0 => Err(error("only uid and uidvalidity can be made hexadecimal")),
        _ => Ok(()),
    }
}

fn width_of(digits: &str) -> Result<usize, TemplateError> {
    let width = digits.parse().ok().filter(|width| *width <= WIDTH_MAX);
    width.ok_or_else(|| error(&format!("'{digits}' is no width that a unique-id could have")))
}

fn push_literal(parts: &mut Vec<Part>, literal: &str) {
    match parts.last_mut() {
        _ if literal.is_empty() => {}
        Some(Part::Literal(before)) => before.extend_from_slice(literal.as_bytes()),
        _ => parts.push(Part::Literal(literal.into())),
    }
}

fn error(what: &str) -> TemplateError {
    TemplateError { what: what.to_owned() }
}

/// No unique-id has more octets (R1939-7.11).
const WIDTH_MAX: usize = restante_proto::maildrop::UniqueId::OCTETS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str) -> String {
        let values = Values {
            uid: 1,
            uid_validity: 0x43ef_424e,
            name: b"1700000000.M1P2.host",
            guid: None,
            md5: b"0123456789abcdef0123456789abcdef",
        };
        String::from_utf8(Template::parse(template).unwrap().expand(&values)).unwrap()
    }

    #[test]
    fn both_spellings() {
        for template in
            [Template::DOVECOT, "%{uid | hex(8)}%{uidvalidity | hex(8)}", "%08X{uid}%08X{uidvalidity}"]
        {
            assert_eq!(expand(template), "0000000143ef424e", "{template}");
        }
        for (template, expected) in [
            ("%v.%u", "1139753550.1"),
            ("%v-%u", "1139753550-1"),
            ("UID%u-%v", "UID1-1139753550"),
            ("%08Xv%08Xu", "43ef424e00000001"),
            ("%f", "1700000000.M1P2.host"),
            ("%g", "1700000000.M1P2.host"),
            ("%m", "0123456789abcdef0123456789abcdef"),
            ("%Um", "0123456789ABCDEF0123456789ABCDEF"),
            ("%Mf", "ead5a231507d7b1050c64be21bfdd21b"),
            ("%{filename | md5}", "ead5a231507d7b1050c64be21bfdd21b"),
            ("%{filename | md5 | hexlify}", "ead5a231507d7b1050c64be21bfdd21b"),
            ("%{ uid |hex( 4 )| upper }x", "0001x"),
            ("%{uidvalidity | hex(2)}", "4e"),
            ("%4f", "1700"),
            ("100%%%u", "100%1"),
        ] {
            assert_eq!(expand(template), expected, "{template}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for template in [
            "",
            "abc",
            "%",
            "%08",
            "%z",
            "%{uid",
            "%{user}",
            "%{uid | hex(}",
            "%Xf",
            "%{uid | base64}",
            "%99u",
            "%Hu",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
