//! SASL exchanges: any octets in any order of responses, and what one side encodes the other reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_fuzz::Schedule;
use restante_proto::sasl::exchange::{Exchange, Progress, Surroundings};
use restante_proto::sasl::scram::client::{Binding, Bound, Exchange as ClientExchange};
use restante_proto::sasl::{
    self, BindingKind, Channel, Credentials, Mechanism, ScramFacts, ScramHash, TokenTerms, cram_md5, oauth,
    plain,
};
use restante_proto::secret::Secret;

fuzz_target!(|input: &[u8]| {
    let mut schedule = Schedule(input);
    let mechanism = Mechanism::ALL[usize::from(schedule.octet()) % Mechanism::ALL.len()];
    base64(schedule.0);
    exchange(mechanism, &mut Schedule(schedule.0));
    there_and_back(mechanism, &mut schedule);
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

/// Answers every challenge with what comes next; whoever is let through is what the types promise.
fn exchange(mechanism: Mechanism, schedule: &mut Schedule<'_>) {
    let traits = schedule.octet();
    let terms = TokenTerms { hosts: vec!["host.example".to_owned()], ..TokenTerms::default() };
    let surroundings = surroundings(traits, &terms);
    let initial = (traits & 16 != 0).then(|| schedule.octets(u8::MAX));
    let mut exchange = Exchange::new(mechanism);
    let mut progress = exchange.begin(initial, surroundings);
    for _ in 0..8 {
        progress = match progress {
            Progress::Challenge(_) => exchange.respond(schedule.octets(u8::MAX), surroundings),
            Progress::Complete(credentials) => return check(&credentials),
            Progress::Invalid(_) => return,
            question => inform(&mut exchange, &question, surroundings),
        }
    }
    panic!("{mechanism:?} goes on for ever");
}

fn surroundings(traits: u8, token_terms: &TokenTerms) -> Surroundings<'_> {
    let channel = Channel {
        exporter: traits & 1 != 0,
        server_end_point: traits & 2 != 0,
        certificate: traits & 4 != 0,
    };
    Surroundings { hostname: "host.example", channel, is_binding_offered: traits & 8 != 0, token_terms }
}

/// Tells an exchange what it asks for.
fn inform(exchange: &mut Exchange, question: &Progress, surroundings: Surroundings<'_>) -> Progress {
    match question {
        Progress::Nonce => exchange.nonce(NONCE, surroundings),
        Progress::PrepareScram(query) => {
            assert!(!query.user.is_empty());
            assert!(query.binding.is_none_or(|kind| surroundings.channel.has(kind)));
            let binding = query.binding.map_or_else(Vec::new, |kind| kind.name().as_bytes().to_vec());
            let (nonce, salt) = (NONCE.to_vec(), b"salt of sixteen.".to_vec());
            exchange.scram_prepared(&ScramFacts { nonce, salt, iterations: 4096, binding })
        }
        other => panic!("{other:?} is no question"),
    }
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

/// What the client's side of a mechanism says is what the server's side hears.
fn there_and_back(mechanism: Mechanism, schedule: &mut Schedule<'_>) {
    let traits = schedule.octet();
    let authorization = Some(schedule.octets(16)).filter(|name| !name.is_empty());
    let (name, secret) = (schedule.octets(16), Secret::new(schedule.octets(16).to_vec()));
    let terms = TokenTerms::default();
    let around = surroundings(traits, &terms);
    let mut exchange = Exchange::new(mechanism);
    match mechanism {
        Mechanism::Plain => {
            let Some(message) = plain::encode(authorization, name, &secret) else { return };
            let Progress::Complete(Credentials::Password { user, authorization: heard, password, .. }) =
                exchange.begin(Some(message.expose()), around)
            else {
                panic!("PLAIN is not heard")
            };
            assert_eq!((&user[..], heard.as_deref()), (name, authorization));
            assert_eq!(password.expose(), secret.expose());
        }
        Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
            let message = match mechanism {
                Mechanism::XOAuth2 => oauth::xoauth2(name, &secret),
                _ => oauth::bearer(authorization, Some(("host.example", 110)), &secret),
            };
            let Some(message) = message else { return };
            let heard = exchange.begin(Some(message.expose()), around);
            let Progress::Complete(Credentials::Token { user, token, .. }) = heard else {
                panic!("a token is not heard: {heard:?}")
            };
            let said = if mechanism == Mechanism::XOAuth2 { Some(name) } else { authorization };
            assert_eq!((user.as_deref(), token.expose()), (said, secret.expose()));
        }
        Mechanism::CramMd5 => {
            let Progress::Nonce = exchange.begin(None, around) else { panic!("chance is needed") };
            let Progress::Challenge(sent) = exchange.nonce(NONCE, around) else { panic!("no challenge") };
            let response = cram_md5::response(name, &secret, &sent);
            match exchange.respond(&response, around) {
                Progress::Complete(Credentials::Cram { user, challenge, digest }) => {
                    assert_eq!((&user[..], &challenge), (name, &sent));
                    assert!(cram_md5::verify(&challenge, &secret, &digest));
                }
                other => assert!(name.is_empty() || name.contains(&0), "{other:?}"),
            }
        }
        _ => {
            if let Some((hash, is_bound)) = mechanism.scram() {
                scram(hash, is_bound, (name, authorization), &secret, schedule);
            }
        }
    }
}

/// A whole exchange of SCRAM up to the claim, perhaps with an octet changed on its way.
fn scram(
    hash: ScramHash,
    is_bound: bool,
    names: (&[u8], Option<&[u8]>),
    secret: &Secret,
    schedule: &mut Schedule<'_>,
) {
    let terms = TokenTerms::default();
    let around = surroundings(if is_bound { 1 | 8 } else { 0 }, &terms);
    let kind = BindingKind::Exporter;
    let binding = Binding { kind, octets: kind.name().as_bytes().to_vec() };
    let bound = if is_bound { Bound::To(&binding) } else { Bound::Unsupported };
    let Some((mut client, first)) = ClientExchange::begin(hash, bound, names, NONCE) else { return };
    let mut server = Exchange::new(hash.mechanism(is_bound));
    let question = server.begin(Some(&first), around);
    let Progress::PrepareScram(query) = &question else {
        panic!("{question:?} after {}", first.escape_ascii())
    };
    assert_eq!((&query.user[..], query.hash, query.binding), (names.0, hash, is_bound.then_some(kind)));
    let Progress::Challenge(challenge) = inform(&mut server, &question, around) else {
        panic!("no challenge")
    };
    let mut proof = client.prove(&challenge, secret).expect("an honest server");
    let at = usize::from(schedule.octet());
    let change = schedule.octet();
    let is_changed = change != 0 && at < proof.len();
    if is_changed {
        proof[at] ^= change;
    }
    match server.respond(&proof, around) {
        Progress::Complete(Credentials::Scram(claim)) => {
            assert_eq!((&claim.user[..], claim.authorization.as_deref()), names);
            assert_eq!((claim.hash, claim.is_bound, claim.proof.len()), (hash, is_bound, hash.octets()));
            // Only in the proof can an octet be another, and then it is for the verifier to see.
            let start = proof.windows(3).rposition(|three| three == b",p=").expect("there is a proof");
            assert!(!is_changed || at > start + 2);
        }
        other => assert!(is_changed, "{other:?}"),
    }
}

const NONCE: &[u8] = b"twenty-four octets here.";
