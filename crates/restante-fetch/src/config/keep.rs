//! What stays on the server.

use std::time::Duration;

use restante_config::section::{kind, nearest};
use restante_config::value::{Fault, Span, Value, quote};
use toml::de::DeValue;

/// What of that which was collected stays on the server. What was not collected always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Everything: nothing is ever deleted.
    #[default]
    All,
    /// Nothing: a message is deleted in the session in which it was collected.
    None,
    /// A message is deleted so long after it was collected.
    For(Duration),
    /// The newest so many of the listing; those before them are deleted as soon as they are collected.
    Newest(u32),
    /// A message is deleted when it is not in the local Maildir any more.
    WhileLocal,
}

impl Value for Keep {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        match written {
            DeValue::String(text) => match text.as_ref() {
                "all" => Ok(Self::All),
                "none" => Ok(Self::None),
                "while-local" => Ok(Self::WhileLocal),
                other => other.parse().map(|Span(age)| Self::For(age)).map_err(|_| {
                    let remedy = match nearest(other, &["all", "none", "while-local"]) {
                        Some(near) => format!("did you mean {near:?}? {WORDS}"),
                        None => WORDS.to_owned(),
                    };
                    Fault::new(format!("{other:?} says nothing about what is kept"), remedy)
                }),
            },
            DeValue::Table(table) => {
                let mut keys = table.iter();
                let (Some((key, value)), None) = (keys.next(), keys.next()) else {
                    return Err(Fault::new("this table does not hold one key", WORDS));
                };
                if key.get_ref() != "newest" {
                    let what = format!("{:?} says nothing about what is kept", key.get_ref());
                    return Err(Fault::new(what, WORDS));
                }
                let count = u64::read(value.get_ref())?;
                u32::try_from(count)
                    .map(Self::Newest)
                    .map_err(|_| Fault::new(format!("{count} messages are more than a listing holds"), WORDS))
            }
            other => {
                let what = format!("this is {}, which says nothing about what is kept", kind(other));
                Err(Fault::new(what, WORDS))
            }
        }
    }

    fn show(&self) -> Option<String> {
        Some(match self {
            Self::All => quote("all"),
            Self::None => quote("none"),
            Self::WhileLocal => quote("while-local"),
            Self::For(age) => quote(&Span(*age).to_string()),
            Self::Newest(count) => format!("{{ newest = {count} }}"),
        })
    }
}

const WORDS: &str =
    "write \"all\", \"none\", a time such as \"30 days\", { newest = 500 } or \"while-local\"";
