//! EXPIRE (RFC 2449 section 6.7): whether the server deletes by itself what nobody has collected.

use std::time::Duration;

use restante_proto::capability::Expire;
use restante_proto::client::capabilities::Capabilities;

use super::{Order, World};
use crate::config::keep::Keep;
use crate::event::Event;
use crate::plan::Plan;

/// Warns when the server will delete what the owner of the account does not expect to be deleted.
pub(super) fn warn(order: &Order, world: &World, listed: Option<&Capabilities>, plan: &Plan) {
    let expire = listed.and_then(|listed| listed.expire.as_ref());
    let left = plan.skipped.len() + plan.postponed.len();
    if let Some(what) = expire.and_then(|expire| warning(expire, order.keep, left, order.interval)) {
        world.events.say(Event::Warning { what });
    }
}

fn warning(expire: &Expire, keep: Keep, left: usize, interval: Option<Duration>) -> Option<String> {
    let Expire::Days(days) = expire else { return None };
    if *days == 0 {
        return (keep != Keep::None)
            .then(|| "the server deletes what was fetched, whatever 'keep' says (EXPIRE 0)".to_owned());
    }
    let days_s = u64::from(*days) * 86_400;
    if interval.is_some_and(|interval| interval.as_secs() >= days_s) {
        return Some(format!(
            "the server deletes mail after {days} days, and the account is looked at less often"
        ));
    }
    (left > 0)
        .then(|| format!("{left} messages are left on the server, which deletes them after {days} days"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_lose_mail_is_warned_and_nobody_else() {
        let day = Duration::from_secs(86_400);
        for (expire, keep, left, interval, said) in [
            (Expire::Never, Keep::All, 9, None, None),
            (Expire::Days(0), Keep::All, 0, None, Some("EXPIRE 0")),
            (Expire::Days(0), Keep::None, 0, None, None),
            (Expire::Days(30), Keep::All, 0, Some(day), None),
            (Expire::Days(30), Keep::All, 2, Some(day), Some("2 messages are left")),
            (Expire::Days(1), Keep::All, 0, Some(2 * day), Some("less often")),
        ] {
            let warning = warning(&expire, keep, left, interval);
            assert_eq!(warning.is_some(), said.is_some(), "{expire:?} {keep:?}: {warning:?}");
            assert!(warning.unwrap_or_default().contains(said.unwrap_or_default()));
        }
    }
}
