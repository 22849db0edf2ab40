//! `restante maildrop import`: shows messages with the unique-ids and in the order of the server that they come from.
//!
//! Account by account: look, plan, say what would become of each message, and set it if no client would retrieve anything
//! again. What is written is in the store's hands; a second run finds everything as it is and changes nothing.

mod report;
mod source;

use restante_auth::account::Account;
use restante_server::assemble;
use restante_server::config::Config;
use restante_store::maildrop::Inspection;
use restante_store::migrate::plan::{Fate, Plan};
use restante_store::unique_id::OverrideError;

use super::super::configuration;
use super::{accounts, inspect, location, maildir_path, may_reach, may_write};
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::Import;
use report::Outcome;
use source::Source;

/// Runs the import for one account or for all.
pub(super) async fn run(flags: &Import) -> Result<(), Failure> {
    let config = configuration::load(&flags.file)?;
    let source = Source::new(flags)?;
    let mut outcomes = Vec::new();
    for account in accounts(&config, &flags.which).await? {
        let outcome = match one(&config, &account, &source, flags).await {
            Ok(outcome) => outcome,
            Err(failure) if flags.which.all => Outcome::failed(&account, failure),
            Err(failure) => return Err(failure),
        };
        outcomes.push(outcome);
    }
    report::print(&outcomes, flags)?;
    report::end(&outcomes, flags)
}

async fn one(
    config: &Config,
    account: &Account,
    source: &Source,
    flags: &Import,
) -> Result<Outcome, Failure> {
    let failed = |what: String| Failure::new(Code::Io, format!("{}: {what}", account.name));
    may_reach(config, account)?;
    let inspection = inspect(config, account).await.map_err(failed)?;
    let path = maildir_path(config, account)?;
    let plan = source.plan(flags, account, &path, &inspection).await?;
    let mut outcome = Outcome::new(account, &inspection, &plan);
    let may_go_on = !plan.is_of_another() && (plan.again() == 0 || flags.partial);
    if !may_go_on || flags.dry_run {
        outcome.is_refused = !may_go_on;
        return Ok(outcome);
    }
    may_write(config, account, &path)?;
    let location = location(config, account)?;
    let store = assemble::store(config);
    store
        .set_unique_ids(&location, plan.overrides(), clock::wall())
        .await
        .map_err(|error| refused(account, &error))?;
    // They have changed on purpose: the guard is not to hold the maildrop back for it.
    store.accept(&location, account.name.as_str()).await.map_err(|failure| {
        failed(exit::chain(&failure)).remedy("the unique-ids are set; see 'restante maildrop accept'")
    })?;
    let after = inspect(config, account).await.map_err(failed)?;
    if !is_as_planned(&plan, &inspection, &after) {
        return Err(Failure::new(
            Code::Software,
            format!("{}: what is shown now is not what was planned", account.name),
        )
        .remedy("compare 'restante maildrop show' with --dry-run"));
    }
    outcome.is_done = true;
    Ok(outcome)
}

/// Whether each message that is kept is shown with its unique-id, and those with a place in their order.
fn is_as_planned(plan: &Plan, before: &Inspection, after: &Inspection) -> bool {
    let listing = after.listing();
    let now: std::collections::HashMap<Vec<u8>, usize> = (0..listing.len())
        .filter_map(|index| Some((after.stored(index)?.base_name.into_owned(), index)))
        .collect();
    let mut places = Vec::new();
    for (index, fate) in plan.fates.iter().enumerate() {
        let Fate::Kept { unique_id, place, .. } = fate else { continue };
        // Another program may have removed it meanwhile.
        let Some(at) = before.stored(index).and_then(|stored| now.get(stored.base_name.as_ref())) else {
            continue;
        };
        if listing.unique_id(*at).as_ref() != Some(unique_id) {
            return false;
        }
        places.extend(place.map(|place| (place, *at)));
    }
    places.sort_unstable();
    places.iter().map(|(_, at)| at).is_sorted()
}

fn refused(account: &Account, error: &OverrideError) -> Failure {
    let code = if error.is_temporary() { Code::Temporary } else { Code::Data };
    Failure::new(code, format!("{}: {}", account.name, exit::chain(error))).remedy("nothing was changed")
}
