//! The examples of RFC 5802 and RFC 7677 on both sides, the client against the server, and all that must fail.

use alloc::string::ToString;

use proptest::prelude::*;

use super::client::{Binding, Bound, Exchange as Client, Fault, Verdict};
use super::server::Exchange as Server;
use super::*;
use crate::sasl::exchange::{Invalid, Progress, Surroundings};
use crate::sasl::tests::AROUND;
use crate::sasl::{BindingKind, Channel, Credentials, ScramClaim, ScramFacts, ScramQuery};
use crate::secret::Secret;

/// What whoever holds the verifier of a password does with a claim.
pub(crate) fn verify(
    claim: &ScramClaim,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
) -> Option<ServerSignature> {
    let keys = Keys::derive(claim.hash, password, salt, iterations);
    let stored = digest(claim.hash, &keys.client);
    let signature = mac(claim.hash, &stored, &claim.auth_message);
    let key: Vec<u8> = claim.proof.iter().zip(signature.iter()).map(|(a, b)| a ^ b).collect();
    let is_right = digest(claim.hash, &key) == stored;
    is_right.then(|| ServerSignature(keys.server_signature(claim.hash, &claim.auth_message).to_vec()))
}

/// One example of an RFC: the messages in their order.
struct Example {
    hash: ScramHash,
    nonce: &'static str,
    server_nonce: &'static str,
    salt: &'static str,
    first: &'static str,
    challenge: &'static str,
    last: &'static str,
    signature: &'static str,
}

const RFC5802: Example = Example {
    hash: ScramHash::Sha1,
    nonce: "fyko+d2lbbFgONRv9qkxdawL",
    server_nonce: "3rfcNHYJY1ZVvWVs7j",
    salt: "QSXCR+Q6sek8bf92",
    first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    challenge: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    last: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    signature: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
};

const RFC7677: Example = Example {
    hash: ScramHash::Sha256,
    nonce: "rOprNGfwEbeRWgbNEkqO",
    server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
    first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    challenge: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    last: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    signature: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

fn pencil() -> Secret {
    Secret::new(b"pencil".to_vec())
}

fn play(example: &Example) {
    // The client.
    let chance = decode(example.nonce.as_bytes()).unwrap();
    let (mut client, first) =
        Client::begin(example.hash, Bound::Unsupported, (b"user", None), &chance).unwrap();
    assert_eq!(first, example.first.as_bytes());
    assert_eq!(client.prove(example.challenge.as_bytes(), &pencil()).unwrap(), example.last.as_bytes());
    assert_eq!(client.verify(example.signature.as_bytes()), Ok(Verdict::Verified));

    // The server.
    let mut server = Server::new(example.hash, false);
    let query = ScramQuery { user: b"user".to_vec(), hash: example.hash, binding: None };
    match server.respond(example.first.as_bytes(), AROUND) {
        Progress::PrepareScram(asked) => assert_eq!(asked, query),
        other => panic!("{other:?}"),
    }
    let salt = decode(example.salt.as_bytes()).unwrap();
    let facts = ScramFacts { nonce: Vec::new(), salt: salt.clone(), iterations: 4096, binding: Vec::new() };
    match server.answer(example.server_nonce.as_bytes(), &facts) {
        Progress::Challenge(challenge) => assert_eq!(challenge, example.challenge.as_bytes()),
        other => panic!("{other:?}"),
    }
    match server.respond(example.last.as_bytes(), AROUND) {
        Progress::Complete(Credentials::Scram(claim)) => {
            let signature = verify(&claim, b"pencil", &salt, 4096).expect("the proof is right");
            assert_eq!(server_final(&signature), example.signature.as_bytes());
            assert!(verify(&claim, b"pencils", &salt, 4096).is_none());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn r5802_3_1_the_example_of_the_rfc() {
    play(&RFC5802);
}

#[test]
fn r7677_3_1_the_example_of_the_rfc() {
    play(&RFC7677);
}

const EXPORTED: &[u8] = b"exported keying material, really";

const BINDABLE: Surroundings<'static> = Surroundings {
    channel: Channel { exporter: true, server_end_point: true, certificate: false },
    is_binding_offered: true,
    ..AROUND
};

fn facts(binding: &[u8]) -> ScramFacts {
    ScramFacts { nonce: vec![7; 18], salt: b"salt".to_vec(), iterations: 4096, binding: binding.to_vec() }
}

fn binding(kind: BindingKind) -> Binding {
    Binding { kind, octets: EXPORTED.to_vec() }
}

/// The client against the server; both must be content, or the claim wrong.
fn pair(
    hash: ScramHash,
    bound: Bound<'_>,
    around: Surroundings<'_>,
    names: (&[u8], Option<&[u8]>),
    passwords: (&[u8], &[u8]),
) -> Result<Option<ScramClaim>, Invalid> {
    let is_bound = matches!(bound, Bound::To(_));
    let (mut client, first) = Client::begin(hash, bound, names, &[3; 18]).unwrap();
    let mut server = Server::new(hash, is_bound);
    let query = match server.respond(&first, around) {
        Progress::PrepareScram(query) => query,
        Progress::Invalid(invalid) => return Err(invalid),
        other => panic!("{other:?}"),
    };
    assert_eq!(query.user, names.0);
    let facts = facts(if query.binding.is_some() { EXPORTED } else { b"" });
    let Progress::Challenge(challenge) = server.prepared(&facts) else { panic!() };
    let last = client.prove(&challenge, &Secret::new(passwords.0.to_vec())).unwrap();
    let claim = match server.respond(&last, around) {
        Progress::Complete(Credentials::Scram(claim)) => claim,
        Progress::Invalid(invalid) => return Err(invalid),
        other => panic!("{other:?}"),
    };
    Ok(verify(&claim, passwords.1, &facts.salt, facts.iterations).map(|signature| {
        assert_eq!(client.verify(&server_final(&signature)), Ok(Verdict::Verified));
        claim
    }))
}

const HASHES: [ScramHash; 3] = [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512];

#[test]
fn r5802_4_1_every_hash_works_bound_and_not() {
    for hash in HASHES {
        for kind in [BindingKind::Exporter, BindingKind::ServerEndPoint] {
            let binding = binding(kind);
            let claim =
                pair(hash, Bound::To(&binding), BINDABLE, (b"u", None), (b"p", b"p")).unwrap().unwrap();
            assert!(claim.is_bound && claim.hash == hash && claim.proof.len() == hash.octets());
        }
        let claim =
            pair(hash, Bound::Unsupported, BINDABLE, (b"u", Some(b"root")), (b"p", b"p")).unwrap().unwrap();
        assert!(!claim.is_bound && claim.authorization.as_deref() == Some(b"root"));
        assert!(pair(hash, Bound::NotOffered, AROUND, (b"u", None), (b"p", b"p")).unwrap().is_some());
        assert!(pair(hash, Bound::Unsupported, AROUND, (b"u", None), (b"p", b"q")).unwrap().is_none());
    }
}

#[test]
fn r5802_6_1_who_believes_that_nothing_can_be_bound_was_deceived() {
    let outcome = pair(ScramHash::Sha256, Bound::NotOffered, BINDABLE, (b"u", None), (b"p", b"p"));
    assert_eq!(outcome.err(), Some(Invalid::Binding));
}

/// What a server says to the first message.
fn first(is_bound: bool, around: Surroundings<'_>, message: &[u8]) -> Result<ScramQuery, Invalid> {
    match Server::new(ScramHash::Sha1, is_bound).respond(message, around) {
        Progress::PrepareScram(query) => Ok(query),
        Progress::Invalid(invalid) => Err(invalid),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r5802_6_2_a_binding_that_is_not_to_be_had() {
    for message in ["p=foo,,n=u,r=x", "p=tls-unique,,n=u,r=x", "p=,,n=u,r=x", "p=TLS-EXPORTER,,n=u,r=x"] {
        assert_eq!(first(true, BINDABLE, message.as_bytes()), Err(Invalid::Binding), "{message}");
    }
    let only = Channel { exporter: true, ..Channel::default() };
    let around = Surroundings { channel: only, ..BINDABLE };
    assert!(first(true, around, b"p=tls-exporter,,n=u,r=x").is_ok());
    assert_eq!(first(true, around, b"p=tls-server-end-point,,n=u,r=x"), Err(Invalid::Binding));
    assert_eq!(first(true, AROUND, b"p=tls-exporter,,n=u,r=x"), Err(Invalid::Binding));
    // A flag that does not go with the name of the mechanism.
    assert_eq!(first(false, BINDABLE, b"p=tls-exporter,,n=u,r=x"), Err(Invalid::Binding));
    assert_eq!(first(true, BINDABLE, b"n,,n=u,r=x"), Err(Invalid::Binding));
    assert_eq!(first(true, BINDABLE, b"y,,n=u,r=x"), Err(Invalid::Binding));
}

#[test]
fn r5802_5_1_the_first_message_begins_with_n_y_or_p() {
    for message in [
        "",
        "n",
        "n,",
        "n,,",
        "q,,n=u,r=x",
        "N,,n=u,r=x",
        "n=u,r=x",
        ",,n=u,r=x",
        "nn,,n=u,r=x",
        "n,x,n=u,r=x",
        "n,a=,n=u,r=x",
        "n,a=a=,n=u,r=x",
        "n,,r=x,n=u",
        "n,,n=u",
        "n,,n=u,r=",
        "n,,n=u,r=\u{e9}",
        "n,,n=u,r=x y",
        "n,,n=u,r=x,",
        "n,,n=u,r=x,z",
        "n,,n=u,r=x,zz=1",
        "n,,n=u,r=x,z=",
        "n,,n,r=x",
    ] {
        assert_eq!(first(false, AROUND, message.as_bytes()), Err(Invalid::Syntax), "{message:?}");
    }
    assert_eq!(first(false, AROUND, b"n,,n=,r=x"), Err(Invalid::Credentials));
    assert!(first(false, AROUND, b"n,a=root,n=u,r=x").is_ok());
}

#[test]
fn r5802_5_1_1_names_write_comma_and_equals_sign_as_escapes() {
    let user =
        |name: &str| first(false, AROUND, format!("n,,n={name},r=x").as_bytes()).map(|query| query.user);
    assert_eq!(user("a=2Cb"), Ok(b"a,b".to_vec()));
    assert_eq!(user("=3D=2C=3D2C"), Ok(b"=,=2C".to_vec()));
    assert_eq!(user("Jos\u{e9}"), Ok("Jos\u{e9}".as_bytes().to_vec()));
    for name in ["a=b", "a=", "a=2", "a=2c", "a=3d", "a=00", "a\0"] {
        assert_eq!(user(name), Err(Invalid::Syntax), "{name}");
    }
    assert_eq!(first(false, AROUND, b"n,,n=\xff,r=x"), Err(Invalid::Syntax));
    for name in ["a,b", "=", "=2C", "\u{1F600}"] {
        assert_eq!(decode_name(encode_name(name.as_bytes()).unwrap().as_bytes()).unwrap(), name.as_bytes());
    }
    assert_eq!((encode_name(b""), encode_name(b"\xff"), encode_name(b"a\0")), (None, None, None));
}

#[test]
fn r5802_5_1_3_mandatory_extensions_fail_and_others_are_passed_over() {
    assert_eq!(first(false, AROUND, b"n,,m=x,n=u,r=x"), Err(Invalid::Syntax));
    assert_eq!(first(false, AROUND, b"n,,n=u,r=x,m=x"), Err(Invalid::Syntax));
    assert_eq!(first(false, AROUND, b"n,,n=u,m=x,r=x"), Err(Invalid::Syntax));
    assert!(first(false, AROUND, b"n,,n=u,r=x,z=1,y=a=b").is_ok());
    assert!(
        last(|text| text.replace(",p=", ",z=1,p=")).is_ok(),
        "signed with the rest, so the proof is wrong only"
    );
    assert_eq!(last(|text| text.replace(",p=", ",m=1,p=")), Err(Invalid::Syntax));
    let prove = |message: &str| client().prove(message.as_bytes(), &pencil());
    assert_eq!(prove(&format!("m=x,{CHALLENGE}")), Err(Fault::Message));
    assert_eq!(prove(&format!("{CHALLENGE},m=x")), Err(Fault::Message));
    assert!(prove(&format!("{CHALLENGE},z=1")).is_ok());
}

const CHALLENGE: &str = "r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=c2FsdA==,i=4096";

fn client() -> Client {
    Client::begin(ScramHash::Sha256, Bound::Unsupported, (b"user", None), &[3; 18]).unwrap().0
}

/// What a server says to the last message, changed on its way.
fn last(change: impl Fn(&str) -> String) -> Result<(), Invalid> {
    let binding = binding(BindingKind::Exporter);
    let bound = Bound::To(&binding);
    let (mut client, first) = Client::begin(ScramHash::Sha256, bound, (b"user", None), &[3; 18]).unwrap();
    let mut server = Server::new(ScramHash::Sha256, true);
    assert!(matches!(server.respond(&first, BINDABLE), Progress::PrepareScram(_)));
    let Progress::Challenge(challenge) = server.prepared(&facts(EXPORTED)) else { panic!() };
    let message = client.prove(&challenge, &pencil()).unwrap();
    let message = change(core::str::from_utf8(&message).unwrap());
    match server.respond(message.as_bytes(), BINDABLE) {
        Progress::Complete(_) => Ok(()),
        Progress::Invalid(invalid) => Err(invalid),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r5802_5_1_2_nonces_are_checked_on_both_sides() {
    assert_eq!(last(ToString::to_string), Ok(()));
    assert_eq!(last(|text| text.replace(",r=A", ",r=B")), Err(Invalid::Syntax));
    assert_eq!(last(|text| text.replace(",p=", "x,p=")), Err(Invalid::Syntax));
    assert_eq!(last(|text| text.replace("BwcH,p=", ",p=")), Err(Invalid::Syntax));
    for nonce in ["AwMDAwMDAwMDAwMDAwMDAwMD", "AwMDAwMDAwMDAwMDAwMDAwM", "x", "", "xAwMDAwMDAwMDAwMDAwMDAwMD"]
    {
        let challenge = format!("r={nonce},s=c2FsdA==,i=4096");
        assert_eq!(client().prove(challenge.as_bytes(), &pencil()), Err(Fault::Message), "{nonce}");
    }
}

#[test]
fn r5802_6_3_what_is_bound_is_always_checked() {
    let header = "p=tls-exporter,,";
    let of = |octets: &[u8]| base64(&[header.as_bytes(), octets].concat());
    let right = of(EXPORTED);
    let wrongs = [of(b"the material of some other TLS connection"), of(b""), base64(b"n,,"), base64(b"y,,")];
    for wrong in wrongs.iter().map(String::as_str).chain(["", "!", "biws"]) {
        assert_eq!(last(|text| text.replace(&right, wrong)), Err(Invalid::Binding), "{wrong}");
    }
    // Nothing is bound, and still the header counts.
    let mut server = Server::new(ScramHash::Sha1, false);
    server.respond(b"n,a=root,n=u,r=x", AROUND);
    let Progress::Challenge(challenge) = server.prepared(&facts(b"")) else { panic!() };
    let nonce = core::str::from_utf8(&challenge).unwrap().split(',').next().unwrap();
    let message = format!("c=biws,{nonce},p={}", base64(&[0; 20]));
    assert!(matches!(server.respond(message.as_bytes(), AROUND), Progress::Invalid(Invalid::Binding)));
}

#[test]
fn r5802_7_2_messages_have_one_form() {
    for (from, to) in [(",p=", ",p=="), (",p=", ",q="), ("c=", "C="), ("c=", "c= "), (",r=", ",,r=")] {
        assert!(last(|text| text.replacen(from, to, 1)).is_err(), "{from} {to}");
    }
    assert!(last(|text| text.trim_end_matches('=').to_string()).is_err());
    assert_eq!(last(|text| text.split(",p=").next().unwrap().to_string()), Err(Invalid::Syntax));
    assert_eq!(last(|text| format!("{},p=AAAA", text.split(",p=").next().unwrap())), Err(Invalid::Syntax));
    for message in [
        "",
        "r",
        "r=",
        "s=c2FsdA==,r=AwMDAwMDAwMDAwMDAwMDAwMDx,i=4096",
        "r=AwMDAwMDAwMDAwMDAwMDAwMDx,i=4096,s=c2FsdA==",
        "r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=c2FsdA,i=4096",
        "r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=,i=4096",
        "r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=c2FsdA==,i=04096",
        "r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=c2FsdA==,i=+4096",
        "r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=c2FsdA==,i=",
        "r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=c2FsdA==,i=4096,",
        "r=AwMDAwMDAwMDAwMDAwMDAwMDx,s=c2FsdA==",
    ] {
        assert_eq!(client().prove(message.as_bytes(), &pencil()), Err(Fault::Message), "{message}");
    }
}

#[test]
fn r5802_9_1_the_iterations_are_bounded() {
    for iterations in ["1", "4095", "1500001", "2000000000", "99999999999999999999"] {
        let challenge = CHALLENGE.replace("4096", iterations);
        assert_eq!(client().prove(challenge.as_bytes(), &pencil()), Err(Fault::Iterations), "{iterations}");
    }
    assert!(client().prove(CHALLENGE.as_bytes(), &pencil()).is_ok());
}

#[test]
fn r5802_5_2_a_wrong_signature_is_a_fault() {
    let mut client = client();
    assert_eq!(client.verify(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Err(Fault::Message), "before any proof");
    client.prove(CHALLENGE.as_bytes(), &pencil()).unwrap();
    assert_eq!(client.verify(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Err(Fault::Signature));
    assert_eq!(client.verify(b"v="), Err(Fault::Signature));
    for message in ["", "v", "x=1", "v=!", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ", "m=1,v=AAAA"] {
        assert_eq!(client.verify(message.as_bytes()), Err(Fault::Message), "{message}");
    }
    assert_eq!(client.verify(b"e=invalid-proof"), Ok(Verdict::Refused));
    assert_eq!(client.verify(b"e=other-error,z=1"), Ok(Verdict::Refused));
}

#[test]
fn a_step_out_of_order_is_refused() {
    let mut server = Server::new(ScramHash::Sha1, false);
    assert!(matches!(server.prepared(&facts(b"")), Progress::Invalid(Invalid::Syntax)));
    assert!(matches!(server.respond(b"n,,n=u,r=x", AROUND), Progress::Invalid(Invalid::Syntax)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn client_and_server_agree(
        user in "[^\0]{1,20}",
        authorization in prop::option::of("[^\0]{1,10}"),
        password in "\\PC{1,20}",
        hash in prop::sample::select(&HASHES[..]),
        is_bound: bool,
    ) {
        let binding = binding(BindingKind::ServerEndPoint);
        let bound = if is_bound { Bound::To(&binding) } else { Bound::Unsupported };
        let names = (user.as_bytes(), authorization.as_deref().map(str::as_bytes));
        let claim = pair(hash, bound, BINDABLE, names, (password.as_bytes(), password.as_bytes())).unwrap().unwrap();
        prop_assert_eq!(claim.user, user.as_bytes());
        prop_assert_eq!(claim.authorization.as_deref(), names.1);
        let wrong = format!("{password}x");
        prop_assert!(pair(hash, bound, BINDABLE, names, (password.as_bytes(), wrong.as_bytes())).unwrap().is_none());
    }

    #[test]
    fn no_message_panics(message in "([nypm],?|[a-z]=[ -~]{0,9},?){0,6}", noise in prop::collection::vec(any::<u8>(), 0..30)) {
        for message in [message.as_bytes(), &noise] {
            let _ = first(false, AROUND, message);
            let _ = client().prove(message, &pencil());
            let _ = client().verify(message);
            let mut server = Server::new(ScramHash::Sha1, false);
            server.respond(b"n,,n=u,r=x", AROUND);
            server.prepared(&facts(b""));
            server.respond(message, AROUND);
        }
    }
}
