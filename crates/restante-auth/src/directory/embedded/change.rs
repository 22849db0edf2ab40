//! `Change`: what becomes of the fields of an account, in the names that all sources share.

use crate::account::{Account, AccountName};
use crate::directory::Problem;
use crate::password::Scheme;
use crate::settings::Given;

/// Fields that get a value, or lose theirs.
#[derive(Clone, Debug, Default)]
pub struct Change {
    given: Option<Box<Account>>,
    fields: Vec<String>,
}

impl Change {
    /// Reads fields and their values; an empty value takes what there is away.
    ///
    /// # Errors
    /// A field that there is none of, that comes twice, whose value cannot be understood or is longer than 4096 octets, or that has a
    /// command of its own (`password`, `locked`).
    pub fn read(name: &AccountName, fields: &[(String, String)]) -> Result<Self, Problem> {
        for (index, (field, value)) in fields.iter().enumerate() {
            let commands = match field.as_str() {
                "password" => Some("passwd"),
                "locked" => Some("disable and enable"),
                _ => None,
            };
            if let Some(commands) = commands {
                let remedy = format!("use 'restante account', {commands}");
                return Err(Problem::new(format!("the field {field} is not set so"), remedy));
            }
            if fields.iter().take(index).any(|(earlier, _)| earlier == field) {
                return Err(Problem::new(format!("the field {field} comes twice"), "say it once"));
            }
            if value.len() > VALUE_OCTETS_MAX {
                return Err(Problem::new(
                    format!("the field {field} is longer than 4096 octets"),
                    "shorten it",
                ));
            }
        }
        let borrowed = fields.iter().map(|(field, value)| (field.as_str(), value.as_str()));
        // An empty value passes over unknown names too: each is read once with a value that says whether there is such a field.
        if let Some((field, _)) =
            fields.iter().find(|(field, _)| !crate::settings::FIELDS.contains(&field.as_str()))
        {
            let remedy = format!("there are {}", crate::settings::FIELDS.join(", "));
            return Err(Problem::new(format!("there is no field {field:?}"), remedy));
        }
        let given = Given::read(name.clone(), borrowed, Scheme::Crypt)?;
        let fields = fields.iter().map(|(field, _)| field.clone()).collect();
        Ok(Self { given: Some(Box::new(given.account)), fields })
    }

    /// Changes the account.
    pub fn apply(&self, account: &mut Account) {
        let Some(given) = &self.given else { return };
        for field in &self.fields {
            match field.as_str() {
                "home" => account.home.clone_from(&given.home),
                "maildrop" => account.maildrop.clone_from(&given.maildrop),
                "quota_octets" => account.quota.octets = given.quota.octets,
                "quota_messages" => account.quota.messages = given.quota.messages,
                "networks" => account.networks.clone_from(&given.networks),
                "mechanisms" => account.mechanisms.clone_from(&given.mechanisms),
                "sessions" => account.sessions_max = given.sessions_max,
                "access" => account.access = given.access,
                "uid" | "gid" => account.owner = given.owner,
                // `read` has refused all others.
                _ => {}
            }
        }
    }
}

/// Linux's own limit for a path, and more than anybody writes by hand.
const VALUE_OCTETS_MAX: usize = 4096;
