//! Sections, keys and values with their lines; values that are Python tuples of strings.

use std::str::FromStr;

use crate::import::ImportError;

/// A file of sections. A section is known by the line of its head.
#[derive(Debug, Default)]
pub(super) struct Ini {
    sections: Vec<Section>,
    last: usize,
}

#[derive(Debug)]
struct Section {
    line: usize,
    name: String,
    /// Keys in small letters.
    values: Vec<(usize, String, String)>,
}

impl Ini {
    /// Reads the text: `[section]`, `key = value`, `key: value`, lines that begin with a blank go on with the value before.
    pub(super) fn read(text: &str) -> Result<Self, ImportError> {
        let mut ini = Self { sections: Vec::new(), last: text.lines().count().max(1) };
        for (number, line) in (1..).zip(text.lines()) {
            let said = line.trim();
            if said.is_empty() || said.starts_with(['#', ';']) {
                continue;
            }
            let goes_on = line.starts_with([' ', '\t']);
            if goes_on
                && let Some((_, _, value)) = ini.sections.last_mut().and_then(|one| one.values.last_mut())
            {
                value.push('\n');
                value.push_str(said);
                continue;
            }
            if let Some(name) = said.strip_prefix('[') {
                let name = name.split_once(']').map(|(name, _)| name.to_owned());
                let name =
                    name.ok_or_else(|| ImportError::new(number, "the name of a section has no `]`"))?;
                if ini.sections.iter().any(|section| section.name == name) {
                    return Err(ImportError::new(number, format!("there is a section [{name}] already")));
                }
                ini.sections.push(Section { line: number, name, values: Vec::new() });
                continue;
            }
            let section = ini.sections.last_mut();
            let section =
                section.ok_or_else(|| ImportError::new(number, "a value before the first section"))?;
            let (key, value) = said
                .split_once(['=', ':'])
                .ok_or_else(|| ImportError::new(number, "this is neither a section nor `key = value`"))?;
            let key = key.trim().to_ascii_lowercase();
            if section.values.iter().any(|(_, known, _)| *known == key) {
                return Err(ImportError::new(number, format!("`{key}` stands there twice")));
            }
            section.values.push((number, key, value.trim().to_owned()));
        }
        Ok(ini)
    }

    /// The line of a section.
    pub(super) fn section(&self, name: &str) -> Result<usize, ImportError> {
        let found = self.sections.iter().find(|section| section.name == name);
        found
            .map(|section| section.line)
            .ok_or_else(|| ImportError::new(self.last, format!("there is no section [{name}]")))
    }

    /// The lines and names of all sections.
    pub(super) fn sections(&self) -> impl Iterator<Item = (usize, &str)> {
        self.sections.iter().map(|section| (section.line, section.name.as_str()))
    }

    /// A value of the section at `line`; an empty one is none.
    pub(super) fn value(&self, line: usize, key: &str) -> Option<(usize, &str)> {
        let section = self.sections.iter().find(|section| section.line == line)?;
        let (line, _, value) = section.values.iter().find(|(_, known, _)| known == key)?;
        Some((*line, value.as_str())).filter(|(_, value)| !value.is_empty())
    }

    /// A value that must be there.
    pub(super) fn want(&self, section: usize, key: &str) -> Result<(usize, &str), ImportError> {
        self.value(section, key)
            .ok_or_else(|| ImportError::new(section, format!("this section has no `{key}`")))
    }

    /// A value of `[options]`.
    pub(super) fn option(&self, key: &str) -> Option<(usize, &str)> {
        self.value(self.section("options").ok()?, key)
    }

    /// A number.
    pub(super) fn number<T: FromStr>(
        &self,
        section: usize,
        key: &str,
    ) -> Result<Option<(usize, T)>, ImportError> {
        let Some((line, value)) = self.value(section, key) else { return Ok(None) };
        let number = value.parse().map_err(|_| ImportError::new(line, format!("`{key}` wants a number")))?;
        Ok(Some((line, number)))
    }

    /// Yes or no, in a section by its name; nothing when there is no such section.
    pub(super) fn boolean(&self, section: &str, key: &str) -> Result<Option<(usize, bool)>, ImportError> {
        self.section(section).map_or(Ok(None), |section| self.boolean_in(section, key))
    }

    /// Yes or no.
    pub(super) fn boolean_in(&self, section: usize, key: &str) -> Result<Option<(usize, bool)>, ImportError> {
        let Some((line, value)) = self.value(section, key) else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "1" | "yes" | "true" | "on" => Ok(Some((line, true))),
            "0" | "no" | "false" | "off" => Ok(Some((line, false))),
            _ => Err(ImportError::new(line, format!("`{key}` is true or false"))),
        }
    }
}

/// A Python tuple of strings: `("a", 'b')`, with a comma behind the last if there is one only. `None` when it is not one.
pub(super) fn strings(written: &str) -> Option<Vec<String>> {
    let mut rest = written.trim().strip_prefix('(')?.trim_start();
    let mut strings = Vec::new();
    let mut has_comma = true;
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            // ("a") is a string and not a tuple.
            return (after.trim().is_empty() && (strings.len() != 1 || has_comma)).then_some(strings);
        }
        if !has_comma {
            return None;
        }
        let (string, after) = string(rest)?;
        strings.push(string);
        rest = after.trim_start();
        has_comma = rest.starts_with(',');
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

/// A string in quotation marks, and what stands behind it. Of escapes those of a mark, a backslash, `\n` and `\t` are known.
fn string(rest: &str) -> Option<(String, &str)> {
    let rest = rest.strip_prefix(['r', 'u', 'b']).unwrap_or(rest);
    let mark = rest.chars().next().filter(|mark| matches!(mark, '"' | '\''))?;
    let mut out = String::new();
    let mut signs = rest.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => match signs.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                other @ ('\\' | '\'' | '"') => out.push(other),
                other => out.extend(['\\', other]),
            },
            sign if sign == mark => return Some((out, rest.get(at + sign.len_utf8()..)?)),
            other => out.push(other),
        }
    }
    None
}
