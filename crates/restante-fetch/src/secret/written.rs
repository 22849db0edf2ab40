//! How a source of a secret is written in a configuration. The messages here never quote what was written: it may be the secret.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use restante_proto::secret::Secret;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::SecretSource;

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = SecretSource;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(WANTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretSource, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<SecretSource, E> {
        if text.is_empty() {
            return Err(E::custom("an empty password"));
        }
        Ok(SecretSource::Plain(Arc::new(Secret::new(text.into_bytes()))))
    }

    // What is no string would be quoted by serde.
    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretSource, E> {
        Err(E::custom(WANTED))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretSource, E> {
        Err(E::custom(WANTED))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretSource, E> {
        Err(E::custom(WANTED))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretSource, E> {
        Err(E::custom(WANTED))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let mut source = None;
        let mut user = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "user" {
                user = Some(map.next_value::<Text>()?.0);
                continue;
            }
            let read = match key.as_str() {
                "command" => command(map.next_value::<Words>()?).map_err(A::Error::custom)?,
                "shell" => SecretSource::Shell(map.next_value::<Text>()?.0),
                "env" => SecretSource::Environment(
                    variable(map.next_value::<Text>()?.0).map_err(A::Error::custom)?,
                ),
                "file" => SecretSource::File(PathBuf::from(map.next_value::<Text>()?.0)),
                "keyring" => SecretSource::Keyring { service: map.next_value::<Text>()?.0, user: None },
                "netrc" => SecretSource::Netrc(map.next_value::<TrueOrText>()?.0.map(PathBuf::from)),
                "prompt" => match map.next_value::<TrueOrText>()?.0 {
                    None => SecretSource::Prompt,
                    Some(_) => return Err(A::Error::custom("prompt is true, or left out")),
                },
                other => return Err(A::Error::custom(format!("{other:?} is none of {KEYS}"))),
            };
            if source.replace(read).is_some() {
                return Err(A::Error::custom(format!("more than one of {KEYS}")));
            }
        }
        match (source, user) {
            (Some(SecretSource::Keyring { service, .. }), user) => {
                Ok(SecretSource::Keyring { service, user })
            }
            (_, Some(_)) => Err(A::Error::custom("user goes with keyring only")),
            (Some(source), None) => Ok(source),
            (None, None) => Err(A::Error::custom(format!("none of {KEYS}"))),
        }
    }
}

/// A command in words.
fn command(words: Words) -> Result<SecretSource, &'static str> {
    let words = match words {
        Words::Line(line) => shlex::split(&line).ok_or("a quote in the command does not end")?,
        Words::List(words) => words,
    };
    if words.first().is_none_or(String::is_empty) {
        return Err("the command has no program");
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err("the command holds a NUL");
    }
    Ok(SecretSource::Command(words))
}

fn variable(name: String) -> Result<String, &'static str> {
    let is_name =
        !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    if is_name { Ok(name) } else { Err("env is the name of a variable: letters, digits and _") }
}

/// A string that is not empty.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match TrueOrText::deserialize(from)?.0 {
            Some(text) => Ok(Self(text)),
            None => Err(D::Error::custom("this is a string in quotes, not true")),
        }
    }
}

/// `true` (`None`), or a string that is not empty.
struct TrueOrText(Option<String>);

impl<'de> Deserialize<'de> for TrueOrText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Flag(bool),
            Text(String),
        }
        // What untagged says about anything else quotes nothing, but helps nobody either.
        match Either::deserialize(from) {
            Ok(Either::Flag(true)) => Ok(Self(None)),
            Ok(Either::Flag(false)) => Err(D::Error::custom("false is said by leaving it out")),
            Ok(Either::Text(text)) if text.is_empty() || text.contains('\0') => {
                Err(D::Error::custom("this string must not be empty, nor hold a NUL"))
            }
            Ok(Either::Text(text)) => Ok(Self(Some(text))),
            Err(_) => Err(D::Error::custom("this is a string in quotes")),
        }
    }
}

/// A line, or a list of words.
enum Words {
    Line(String),
    List(Vec<String>),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Line(String),
            List(Vec<String>),
        }
        match Either::deserialize(from) {
            Ok(Either::Line(line)) => Ok(Self::Line(line)),
            Ok(Either::List(words)) => Ok(Self::List(words)),
            Err(_) => Err(D::Error::custom("a command is a string, or a list of strings")),
        }
    }
}

const WANTED: &str =
    "a password is a string in quotes, or a table that says where it is: { command = \"…\" }";
const KEYS: &str = "command, shell, env, file, keyring, netrc, prompt";
