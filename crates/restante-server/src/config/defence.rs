//! `[defence]`: how guessing passwords is slowed down, and who is kept out.

use super::{Config, Network};
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;

section! {
    #[derive(PartialEq, Eq)]
    /// `[defence]`: how those are slowed down and kept out who guess passwords. The answer to a failed login waits
    /// `auth.fail_delay_s` and the penalty. An account that has logged in from an address before is never held up there by what
    /// others try.
    pub struct Defence {
        /// The penalty of the second failure of an address or at an account, in seconds; the first has none, each further one
        /// twice as much. 0: none. Default 1.
        penalty_s: u64 = 1, in 0..=60;
        /// The longest penalty, and the longest wait before credentials are looked at, in seconds. Default 15.
        penalty_max_s: u64 = 15, in 0..=60;
        /// Wrong guesses of one address (IPv6: one /64 network) before its logins wait at their beginning too. Default 10.
        free_failures: u64 = 10, in 0..=1_000_000;
        /// The same for its network (/24, /48 of IPv6). Default 50.
        free_failures_of_network: u64 = 50, in 0..=1_000_000;
        /// Accounts at which one network may guess wrong before its logins wait. Default 20.
        accounts_of_network: u64 = 20, in 0..=1_000_000;
        /// Accounts at which one password may be wrong before logins with it wait, wherever they come from. Default 5.
        accounts_of_secret: u64 = 5, in 0..=1_000_000;
        /// Seconds after which what has not failed starts anew. Default 600.
        forget_s: u64 = 600, in 1..=86_400;
        /// Seconds for which an address is known for an account that has logged in from it. Default 604,800 (a week).
        known_s: u64 = 604_800, in 1..=31_536_000;
        /// Addresses, networks, accounts and so on that are remembered, of each kind; at most 330 bytes each. Default 10,000.
        entries: u64 = 10_000, in 100..=10_000_000;
        /// Different wrong guesses of one address (IPv6: one /64 network) for which it is banned; 0: nobody is banned by the server. An
        /// address from which somebody has logged in within `known_s` is never banned so. Default 100.
        ban_after: u64 = 100, in 0..=1_000_000;
        /// Seconds that such a ban lasts. Default 3,600.
        ban_s: u64 = 3_600, in 1..=31_536_000;
        /// Networks that the server never bans by itself. Default `["127.0.0.0/8", "::1"]`.
        ban_never: Vec<Network> = near();
    }
}

/// Programs of this machine, among them proxies that say nothing of whom they speak for.
fn near() -> Vec<Network> {
    ["127.0.0.0/8", "::1"].iter().filter_map(|text| text.parse().ok().map(Network::Ip)).collect()
}

/// What cannot work together.
pub(super) fn check(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    let longest = config.auth.fail_delay_s + 2 * config.defence.penalty_max_s;
    if longest >= config.limits.login_s {
        let key = ["defence.penalty_max_s", "auth.fail_delay_s", "limits.login_s"]
            .into_iter()
            .find(|key| lines.is_set(key))
            .unwrap_or("limits.login_s");
        problems.warning(
            lines.at(key),
            format!("an answer to a wrong password can take {longest} s, which is longer than limits.login_s leaves for a login"),
            "raise limits.login_s, or lower defence.penalty_max_s or auth.fail_delay_s",
        );
    }
}
