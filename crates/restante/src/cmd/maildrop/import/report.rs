//! What an import says: one line an account, and with `--dry-run` or `--json` a line for each message.

use std::collections::BTreeMap;

use restante_auth::account::Account;
use restante_store::maildrop::Inspection;
use restante_store::migrate::plan::{By, Fate, Plan};
use serde::Serialize;

use crate::exit::{Code, Failure};
use crate::flags::Import;
use crate::terminal::{self, Column, Table};

/// What came of one account.
#[derive(Serialize)]
pub(super) struct Outcome {
    account: String,
    /// The unique-ids are set.
    pub(super) is_done: bool,
    /// Clients would retrieve something again, so nothing was or would be done.
    pub(super) is_refused: bool,
    /// How many messages are here.
    messages: usize,
    /// How many of them are shown as before, by what they were found by.
    kept: BTreeMap<&'static str, usize>,
    /// How many the old server has not shown.
    new: usize,
    /// How many clients would retrieve again or miss.
    again: usize,
    /// How many may be among those that were not found.
    unclear: usize,
    /// How many the old server showed and are not here.
    absent: usize,
    /// None of what the old server showed is here.
    is_of_another: bool,
    details: Vec<Detail>,
    error: Option<String>,
    #[serde(skip)]
    failure: Option<Failure>,
}

/// What becomes of one message.
#[derive(Serialize)]
struct Detail {
    /// Its number now; none for one that is not here.
    number: Option<usize>,
    /// What it is shown with now.
    now: Option<String>,
    /// What the old server showed.
    unique_id: Option<String>,
    /// Its place in the old server's order, from 0.
    place: Option<u64>,
    /// `kept`, `new`, `again`, `unclear` or `absent`.
    fate: &'static str,
    /// How it was found, or why it cannot be kept.
    why: Option<String>,
}

impl Outcome {
    pub(super) fn new(account: &Account, inspection: &Inspection, plan: &Plan) -> Self {
        let listing = inspection.listing();
        let now =
            |index: usize| listing.unique_id(index).map_or_else(String::new, |id| id.as_str().to_owned());
        let mut kept = BTreeMap::new();
        for fate in &plan.fates {
            if let Fate::Kept { by, .. } = fate {
                *kept.entry(word(*by)).or_insert(0) += 1;
            }
        }
        let here = plan.fates.iter().enumerate().map(|(index, fate)| Detail::new(index, now(index), fate));
        let absent = plan.absent.iter().map(|shown| Detail {
            number: None,
            now: None,
            unique_id: Some(text(&shown.unique_id)),
            place: None,
            fate: "absent",
            why: shown.name.as_deref().map(|name| format!("no file {}", text(name))),
        });
        let count = |wanted: &Fate| plan.fates.iter().filter(|fate| *fate == wanted).count();
        Self {
            account: account.name.to_string(),
            is_done: false,
            is_refused: false,
            messages: plan.fates.len(),
            kept,
            new: count(&Fate::New),
            again: plan.again(),
            unclear: count(&Fate::Unclear),
            absent: plan.absent.len(),
            is_of_another: plan.is_of_another(),
            details: here.chain(absent).collect(),
            error: None,
            failure: None,
        }
    }

    /// An account whose turn ended with an error.
    pub(super) fn failed(account: &Account, failure: Failure) -> Self {
        Self {
            account: account.name.to_string(),
            is_done: false,
            is_refused: false,
            messages: 0,
            kept: BTreeMap::new(),
            new: 0,
            again: 0,
            unclear: 0,
            absent: 0,
            is_of_another: false,
            details: Vec::new(),
            error: Some(failure.to_string()),
            failure: Some(failure),
        }
    }

    fn line(&self, is_trial: bool) -> String {
        let account = terminal::visible(&self.account);
        if let Some(error) = &self.error {
            return format!("{account}: {}\n", terminal::visible(error));
        }
        let kept: usize = self.kept.values().sum();
        let mut said = vec![format!("{kept} of {} shown as before", self.messages)];
        if !self.kept.is_empty() {
            let by: Vec<String> = self.kept.iter().map(|(by, count)| format!("{count} by {by}")).collect();
            said.push(by.join(", "));
        }
        for (count, what) in [
            (self.new, "new"),
            (self.again, "to be retrieved again or missing"),
            (self.unclear, "unclear"),
            (self.absent, "of the old server not here"),
        ] {
            if count > 0 {
                said.push(format!("{count} {what}"));
            }
        }
        let state = match (self.is_refused, is_trial) {
            (true, _) => "refused: ",
            (false, true) => "would do: ",
            (false, false) => "",
        };
        format!("{account}: {state}{}\n", said.join("; "))
    }
}

impl Detail {
    fn new(index: usize, now: String, fate: &Fate) -> Self {
        let (word, unique_id, place, why) = match fate {
            Fate::Kept { unique_id, place, by } => {
                ("kept", Some(unique_id.as_str().to_owned()), *place, Some(by.to_string()))
            }
            Fate::Again { unique_id, place, why } => {
                ("again", Some(text(unique_id)), *place, Some(why.to_string()))
            }
            Fate::New => ("new", None, None, None),
            Fate::Unclear => ("unclear", None, None, None),
        };
        Self { number: Some(index + 1), now: Some(now), unique_id, place, fate: word, why }
    }
}

/// Prints all of it.
pub(super) fn print(outcomes: &[Outcome], flags: &Import) -> Result<(), Failure> {
    if flags.json.json {
        return terminal::print_json(outcomes);
    }
    let mut output = String::new();
    for outcome in outcomes {
        let is_wanted = flags.dry_run || outcome.is_refused;
        if is_wanted && !outcome.details.is_empty() {
            output.push_str(&table(&outcome.details));
        }
        output.push_str(&outcome.line(flags.dry_run));
    }
    if outcomes.is_empty() {
        output.push_str("no accounts\n");
    } else if outcomes.len() > 1 {
        let done = outcomes.iter().filter(|outcome| outcome.is_done).count();
        output.push_str(&format!("{} accounts, {done} done\n", outcomes.len()));
    }
    terminal::print(&output)
}

fn table(details: &[Detail]) -> String {
    let mut table = Table::new(vec![
        Column::number("NUMBER"),
        Column::text("NOW"),
        Column::text("FATE"),
        Column::number("PLACE"),
        Column::text("UNIQUE-ID"),
        Column::text("BY"),
    ]);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for detail in details {
        let visible =
            |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), terminal::visible);
        table.push(vec![
            number(detail.number.map(|number| number as u64)),
            visible(&detail.now),
            detail.fate.to_owned(),
            number(detail.place),
            visible(&detail.unique_id),
            visible(&detail.why),
        ]);
    }
    table.render()
}

/// The exit status: what went wrong first counts.
pub(super) fn end(outcomes: &[Outcome], flags: &Import) -> Result<(), Failure> {
    if let Some(failure) = outcomes.iter().find_map(|outcome| outcome.failure.as_ref()) {
        return Err(failure.summed_up("not every account could be looked at"));
    }
    if outcomes.iter().any(|outcome| outcome.is_of_another) {
        return Err(Failure::new(
            Code::Data,
            "none of the messages that the old server showed is here; nothing was changed",
        )
        .remedy("is it the right list, and are the files named as they were there?"));
    }
    if outcomes.iter().any(|outcome| outcome.is_refused) {
        let what = if flags.which.all {
            "clients would retrieve messages again; such accounts were not changed"
        } else {
            "clients would retrieve messages again; nothing was changed"
        };
        return Err(Failure::new(Code::Data, what).remedy("go on all the same with --partial"));
    }
    Ok(())
}

fn word(by: By) -> &'static str {
    match by {
        By::Name => "name",
        By::Contents => "contents",
        By::UniqueId => "unique-id",
        By::Sizes => "sizes",
        By::Header => "header",
        By::Copies => "copies",
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
