//! SASL exchanges: any octets in any order of responses, and what one side encodes the other reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_fuzz::Schedule;
use restante_proto::sasl::exchange::{Exchange, Progress, Surroundings};
use restante_proto::sasl::{self, Channel, Credentials, Mechanism, ScramFacts, TokenTerms, plain};
use restante_proto::secret::Secret;

fuzz_target!(|input: &[u8]| {
    let mut schedule = Schedule(input);
    let mechanism = Mechanism::ALL[usize::from(schedule.octet()) % Mechanism::ALL.len()];
    base64(schedule.0);
    exchange(mechanism, &mut Schedule(schedule.0));
    plain_there_and_back(&mut schedule);
});

fn base64(octets: &[u8]) {
    let mut text = Vec::new();
    sasl::encode_base64(octets, &mut text);
    assert_eq!(sasl::decode_base64(&text).expect("own text").expose(), octets);
    if let Ok(decoded) = sasl::decode_base64(octets) {
        let mut again = Vec::new();
        sasl::encode_base64(decoded.expose(), &mut again);
        assert_eq!(again, octets, "each octet string has one text");
    }
}

/// Answers every challenge with what comes next; whoever is let through has a name and a secret.
fn exchange(mechanism: Mechanism, schedule: &mut Schedule<'_>) {
    let traits = schedule.octet();
    let channel = Channel {
        exporter: traits & 1 != 0,
        server_end_point: traits & 2 != 0,
        certificate: traits & 4 != 0,
    };
    let token_terms = TokenTerms::default();
    let is_binding_offered = traits & 8 != 0;
    let surroundings =
        Surroundings { hostname: "host.example", channel, is_binding_offered, token_terms: &token_terms };
    let initial = (traits & 16 != 0).then(|| schedule.octets(u8::MAX));
    let mut exchange = Exchange::new(mechanism);
    let mut progress = exchange.begin(initial, surroundings);
    for _ in 0..8 {
        progress = match progress {
            Progress::Challenge(_) => exchange.respond(schedule.octets(u8::MAX), surroundings),
            Progress::Nonce => exchange.nonce(NONCE, surroundings),
            Progress::PrepareScram(query) => {
                assert!(!query.user.is_empty() && query.binding.is_none_or(|kind| channel.has(kind)));
                let binding = query.binding.map_or_else(Vec::new, |kind| kind.name().as_bytes().to_vec());
                let (nonce, salt) = (NONCE.to_vec(), b"salt of sixteen.".to_vec());
                exchange.scram_prepared(&ScramFacts { nonce, salt, iterations: 4096, binding })
            }
            Progress::Complete(credentials) => return check(&credentials),
            Progress::Invalid(_) => return,
        }
    }
    panic!("{mechanism:?} goes on for ever");
}

/// What the types of credentials promise.
fn check(credentials: &Credentials) {
    let is_named = |name: &Option<Vec<u8>>| name.as_ref().is_none_or(|name| !name.is_empty());
    match credentials {
        Credentials::Password { user, password, authorization, .. } => {
            assert!(!user.is_empty() && !password.expose().is_empty() && is_named(authorization));
        }
        Credentials::Apop { user, .. } | Credentials::Cram { user, .. } => assert!(!user.is_empty()),
        Credentials::Scram(claim) => {
            assert!(!claim.user.is_empty() && is_named(&claim.authorization));
            assert_eq!(claim.proof.len(), claim.hash.octets());
        }
        Credentials::Token { user, token, .. } => assert!(is_named(user) && !token.expose().is_empty()),
        Credentials::External { authorization } => assert!(is_named(authorization)),
        Credentials::Anonymous { trace } => {
            assert!(std::str::from_utf8(trace).is_ok_and(|trace| !trace.contains(char::is_control)));
        }
    }
}

fn plain_there_and_back(schedule: &mut Schedule<'_>) {
    let authorization = Some(schedule.octets(16)).filter(|name| !name.is_empty());
    let (name, secret) = (schedule.octets(16), Secret::new(schedule.octets(16).to_vec()));
    let Some(message) = plain::encode(authorization, name, &secret) else { return };
    let token_terms = TokenTerms::default();
    let surroundings = Surroundings {
        hostname: "host.example",
        channel: Channel::default(),
        is_binding_offered: false,
        token_terms: &token_terms,
    };
    let Progress::Complete(Credentials::Password { user, authorization: read, password, .. }) =
        Exchange::new(Mechanism::Plain).begin(Some(message.expose()), surroundings)
    else {
        panic!("what was encoded is not read");
    };
    assert_eq!((user.as_slice(), read.as_deref(), password.expose()), (name, authorization, secret.expose()));
}

const NONCE: &[u8] = b"twenty-four octets here.";
