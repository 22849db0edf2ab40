//! The subcommands, one file each. Each has a `run` that does the work by asking the crates below and prints the
//! outcome; what all of them share (finding and loading the configuration) is in `configuration`.

pub(crate) mod account;
pub(crate) mod ban;
pub(crate) mod check;
pub(crate) mod checkpassword;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod configuration;
pub(crate) mod deliver;
pub(crate) mod demo;
pub(crate) mod fetch;
pub(crate) mod login;
pub(crate) mod maildrop;
pub(crate) mod man;
pub(crate) mod serve;
pub(crate) mod tokens;
