//! Clients and servers that others wrote, against Restante.

// In a test a panic with its place is the wanted answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// The judges stand outside the house: they prepare files and start programs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod acme;
mod acme_reload;
mod attacks;
mod certificates;
mod checkpassword;
mod clients;
mod connections;
mod corpus;
mod dovecot_source;
mod fetch_servers;
mod issuers;
mod judged;
mod ldap;
mod ldap_list;
mod logins;
mod mboxes;
mod mechanisms;
mod migration;
mod others;
mod proxies;
mod quota;
mod sasl;
mod scanners;
mod schemes;
mod servers;
mod sessions;
mod sinks;
mod sql;
mod submission;
mod system;
mod transcripts;

use restante_test::real::Kind;

/// Whose server the clients talk to: Restante, or Dovecot with `JUDGE_ONLY=dovecot` (to try the tests themselves).
fn kind() -> Kind {
    match std::env::var("JUDGE_ONLY").as_deref() {
        Ok("dovecot") => Kind::Dovecot,
        _ => Kind::Restante,
    }
}
