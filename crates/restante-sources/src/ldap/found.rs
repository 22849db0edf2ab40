//! One entry as it was found, and what its attributes say of an account.

use ldap3::SearchEntry;
use restante_auth::directory::Problem;

use super::connection::Failure;

/// An entry.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) dn: String,
    /// Attributes as the server spells them, with their values; `None` when a value is no text.
    attributes: Vec<(String, Option<Vec<String>>)>,
}

impl Found {
    pub(super) fn new(entry: SearchEntry) -> Self {
        let SearchEntry { dn, attrs, bin_attrs } = entry;
        let mut attributes: Vec<_> = bin_attrs.into_keys().map(|name| (name, None)).collect();
        attributes.extend(attrs.into_iter().map(|(name, values)| (name, Some(values))));
        Self { dn, attributes }
    }

    /// An entry of which nothing is known but its name.
    pub(super) fn named(dn: &str) -> Self {
        Self { dn: dn.to_owned(), attributes: Vec::new() }
    }

    /// The fields of an account, by the attributes that they are mapped to. What is not there says nothing.
    ///
    /// # Errors
    /// An attribute that is no text, or has several values where a field has one.
    pub(super) fn fields(
        &self,
        mapped: &[(&'static str, String)],
    ) -> Result<Vec<(&'static str, String)>, Failure> {
        let mut fields = Vec::new();
        for (field, attribute) in mapped {
            if let Some(value) = self.value(attribute, LISTS.contains(field))? {
                fields.push((*field, value));
            }
        }
        Ok(fields)
    }

    /// What an attribute says; several values with commas between them, where it `is_list`. `None` for one that is not there.
    ///
    /// # Errors
    /// It is no text, or has several values and is no list.
    pub(super) fn value(&self, attribute: &str, is_list: bool) -> Result<Option<String>, Failure> {
        match self.values(attribute)? {
            [] => Ok(None),
            [value] => Ok(Some(value.clone())),
            several if is_list => Ok(Some(several.join(","))),
            _ => {
                Err(self.wrong(attribute, "has several values", "leave one value, or map another attribute"))
            }
        }
    }

    /// The values of an attribute; none of one that is not there.
    ///
    /// # Errors
    /// It is no text.
    pub(super) fn values(&self, attribute: &str) -> Result<&[String], Failure> {
        let is_it = |(name, _): &&(String, Option<Vec<String>>)| name.eq_ignore_ascii_case(attribute);
        let Some((_, values)) = self.attributes.iter().find(is_it) else { return Ok(&[]) };
        let wrong = || self.wrong(attribute, "is no text", "map an attribute that holds text");
        values.as_deref().ok_or_else(wrong)
    }

    fn wrong(&self, attribute: &str, what: &str, remedy: &str) -> Failure {
        let what = format!("the entry {:?}: the attribute {attribute} {what}", self.dn);
        Failure::Permanent(Problem::new(what, remedy))
    }
}

/// The fields that are lists, so that an attribute may have several values.
const LISTS: [&str; 2] = ["networks", "mechanisms"];
