//! What POP3 and mail servers' clients are offered: from the configuration, and from what the accounts can be served with at the moment.
//!
//! A file of accounts may change while the server runs, and with it which mechanisms make sense; so the policies are looked at
//! whenever a session begins, and made anew only when something has changed. `shared.rs` holds them.

use crate::assemble;
use crate::config::{self, Config, Plaintext, token};
use arc_swap::ArcSwap;
use restante_auth::directory::census::Coverage;
use restante_auth::verify::Authenticator;
use restante_proto::dovecot::server as dovecot;
use restante_proto::sasl::Mechanism;
use restante_proto::server::extended::{Board, Extended};
use restante_proto::server::{Limits, Policy};
use std::sync::Arc;

/// The policies of the moment.
pub(crate) struct Pop3Policies {
    current: ArcSwap<Pair>,
}

struct Pair {
    /// For peers that may send passwords in clear.
    trusting: Arc<Policy>,
    /// For the others.
    careful: Arc<Policy>,
}

impl Pop3Policies {
    pub(crate) fn new(config: &Config, authenticator: &Authenticator) -> Self {
        Self { current: ArcSwap::from_pointee(Pair::new(config, mechanisms(config, authenticator))) }
    }

    /// What is offered now, to a peer that may send passwords in clear or may not.
    pub(crate) fn now(&self, trusts: bool, config: &Config, authenticator: &Authenticator) -> Arc<Policy> {
        let mut pair = self.current.load_full();
        let mechanisms = mechanisms(config, authenticator);
        if pair.careful.mechanisms != mechanisms {
            pair = Arc::new(Pair::new(config, mechanisms));
            self.current.store(Arc::clone(&pair));
        }
        Arc::clone(if trusts { &pair.trusting } else { &pair.careful })
    }
}

impl Pair {
    fn new(config: &Config, mechanisms: Vec<Mechanism>) -> Self {
        let careful = policy(config, mechanisms);
        let trusting = Policy { plaintext_without_tls: true, ..careful.clone() };
        Self { trusting: Arc::new(trusting), careful: Arc::new(careful) }
    }
}

fn policy(config: &Config, mechanisms: Vec<Mechanism>) -> Policy {
    Policy {
        hostname: config.hostname.clone(),
        implementation: Some("Restante".to_owned()),
        mechanisms,
        token_terms: token::terms(&config.tokens),
        user_pass: config.auth.user_pass,
        plaintext_without_tls: false,
        expire: Some(assemble::expire(config)),
        // R2449-6.5.2, R2449-6.5.3: the same for every account, so that it is exact before login too.
        login_delay_s: u32::try_from(config.pop3.login_delay_s).ok().filter(|&seconds| seconds > 0),
        last: config.pop3.last,
        quirks: config.pop3.quirks.0,
        extended: services(config),
        utf8: config.pop3.utf8,
        language: config.pop3.language.0,
        limits: Limits::default(),
    }
}

/// The mechanisms to offer, the safest first. What of the connection they need besides (TLS, a binding, a certificate) the
/// session looks at.
///
/// Those that are named in the configuration are offered when they can serve anybody. By default a mechanism must be able to
/// serve everybody: clients try the strongest one that they are offered, and many do not try another when it fails. CRAM-MD5 is
/// never offered unless it is named (R2195-4.2).
fn mechanisms(config: &Config, authenticator: &Authenticator) -> Vec<Mechanism> {
    let is_offered = |mechanism: &Mechanism| {
        if *mechanism == Mechanism::External && config.tls.client_ca.is_none() {
            return false;
        }
        match &config.auth.mechanisms {
            Some(named) => {
                named.iter().any(|word| word.eq_ignore_ascii_case(mechanism.name()))
                    && authenticator.coverage(*mechanism) > Coverage::None
            }
            None => *mechanism != Mechanism::CramMd5 && authenticator.coverage(*mechanism) == Coverage::All,
        }
    };
    Mechanism::ALL.into_iter().filter(is_offered).collect()
}

/// What mail servers are offered. They tell their clients what their own rules leave of it, TLS and all; so everything that may work is
/// announced, and looked at for each login. EXTERNAL is for who names it: most mail servers do not tell of certificates.
pub(crate) fn sasl(config: &Config, authenticator: &Authenticator) -> dovecot::Policy {
    let is_bound = |mechanism: &Mechanism| mechanism.scram().is_some_and(|(_, is_bound)| is_bound);
    let named = config.auth.mechanisms.iter().flatten();
    let has_external = named.into_iter().any(|word| word.eq_ignore_ascii_case(Mechanism::External.name()));
    let mut mechanisms = mechanisms(config, authenticator);
    mechanisms.retain(|mechanism| {
        !is_bound(mechanism) && !matches!(mechanism, Mechanism::External | Mechanism::Anonymous)
    });
    mechanisms.extend(has_external.then_some(Mechanism::External));
    dovecot::Policy {
        hostname: config.hostname.clone(),
        mechanisms,
        token_terms: token::terms(&config.tokens),
        plaintext: match config.auth.plaintext_without_tls {
            Plaintext::Never => dovecot::Plaintext::Never,
            Plaintext::Loopback => dovecot::Plaintext::Loopback,
            Plaintext::Always => dovecot::Plaintext::Always,
        },
        limits: dovecot::Limits {
            pending_max: usize::try_from(config.limits.sasl_logins).unwrap_or(usize::MAX),
            ..dovecot::Limits::default()
        },
    }
}

/// The services of XTND: none but those that are configured.
fn services(config: &Config) -> Extended {
    let board =
        |board: &config::Board| Board { name: board.name.clone(), has_archive: board.archive.is_some() };
    Extended {
        boards: config.boards.iter().map(board).collect(),
        message_octets_max: config.submission.way().map(|_| config.submission.message_octets_max),
        header_listing: config.pop3.xlst,
    }
}

/// Whether SCRAM is to be offered where it can be; and whether somebody has asked for it.
pub(crate) fn wants_scram(config: &Config) -> Wish {
    match &config.auth.mechanisms {
        None => Wish::IfPossible,
        Some(named) => {
            let is_scram = |word: &String| {
                Mechanism::parse(word.as_bytes()).is_some_and(|mechanism| mechanism.scram().is_some())
            };
            if named.iter().any(is_scram) { Wish::Yes } else { Wish::No }
        }
    }
}

/// How much something is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    No,
    IfPossible,
    Yes,
}
