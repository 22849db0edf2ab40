//! A plan, told to people and to programs: what would be done to which message, and why.

use std::fmt;

use restante_config::value::Size;
use restante_proto::visible::is_hidden;
use serde::Serialize;

use super::{DeletedBy, Item, LocalDoubt, Plan, Policy};

/// What is done to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Act {
    /// `fetch`, `look`, `compare`, `delete`, `skip`, `postpone`, `quarantined` or `keep`.
    pub act: &'static str,
    /// The message's number in the listing.
    pub number: u32,
    /// Its unique-id; octets that are not UTF-8 are replaced.
    pub unique_id: String,
    /// Its octets, as LIST says.
    pub octets: Option<u64>,
    /// Why, where there is something to say.
    pub reason: Option<String>,
}

impl Plan {
    /// What is done to every listed message, in the order of the listing.
    #[must_use]
    pub fn acts(&self, policy: &Policy<'_>) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut put = |act, item: &Item, reason: Option<String>| {
            acts.push(Act {
                act,
                number: item.number.as_u32(),
                unique_id: String::from_utf8_lossy(&item.key.unique_id).into_owned(),
                octets: item.octets,
                reason,
            });
        };
        for item in &self.fetch {
            let reason = match (item.is_doubtful, item.is_deleted_next) {
                (true, _) => Some("an earlier try was cut off".to_owned()),
                (false, true) => Some("and delete once it is collected".to_owned()),
                (false, false) => None,
            };
            put("fetch", item, reason);
        }
        for item in &self.look {
            put("look", item, Some("the rules want to see its header".to_owned()));
        }
        for comparison in &self.compare {
            let reason = "other octets than before: its header tells whether it is the same".to_owned();
            put("compare", &comparison.item, Some(reason));
        }
        for deletion in &self.delete {
            let reason = match &deletion.why {
                DeletedBy::Keep => "collected, and not to be kept any more".to_owned(),
                DeletedBy::Rule(rule) => rule.to_string(),
            };
            put("delete", &deletion.item, Some(reason));
        }
        for skipped in &self.skipped {
            // Without the digest of the rules in front.
            let reason = skipped.reason.split_once("] ").map_or(&*skipped.reason, |(_, reason)| reason);
            put("skip", &skipped.item, Some(reason.to_owned()));
        }
        for item in &self.postponed {
            let limit = policy.max_size.map(|limit| format!("larger than {}", Size(limit)));
            put("postpone", item, limit);
        }
        for item in &self.quarantined {
            put("quarantined", item, None);
        }
        for item in &self.kept {
            put("keep", item, None);
        }
        acts.sort_by_key(|act| act.number);
        acts
    }
}

/// As a line of a table.
impl fmt::Display for Act {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.octets.map_or_else(|| "?".to_owned(), |octets| octets.to_string());
        write!(out, "{:<11} {:>6} {octets:>10}  ", self.act, self.number)?;
        // What a server made up must not move the cursor.
        self.unique_id.chars().try_for_each(|letter| match is_hidden(letter) {
            true => write!(out, "{}", letter.escape_default()),
            false => write!(out, "{letter}"),
        })?;
        match &self.reason {
            Some(reason) => write!(out, "  ({reason})"),
            None => Ok(()),
        }
    }
}

/// With what to do about it.
impl fmt::Display for LocalDoubt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => {
                out.write_str("the local Maildir cannot be looked at, so nothing is deleted on the server")
            }
            Self::Missing { missing, of } => write!(
                out,
                "{missing} of {of} messages are gone from the local Maildir at once, so nothing of them is deleted on the server: \
                 put it back"
            ),
        }
    }
}
