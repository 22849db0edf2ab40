//! Logins by SASL: scripts with the RFCs' own dialogues, each mechanism against the server session, and servers that
//! deceive.

use super::argument::Argument;
use super::pair::{Server, talk};
use super::*;
use crate::client::capabilities::Capabilities;
use crate::client::choice::{Proof, Situation, choose};
use crate::client::request::{Extras, InitialResponse};
use crate::sasl::scram::client::Binding;
use crate::sasl::{BindingKind, decode_base64, encode_base64};
use crate::server::Transport;

fn base64(text: &str) -> String {
    let mut encoded = Vec::new();
    encode_base64(text.as_bytes(), &mut encoded);
    String::from_utf8(encoded).unwrap()
}

fn account(mechanism: Mechanism, user: &str, password: &str) -> Login {
    Login::of(Method::Sasl(mechanism), user.as_bytes(), Secret::new(password.into())).unwrap()
}

/// A session over TLS whose server lists `mechanisms`, with this login submitted.
fn listed(mechanisms: &str, login: Login) -> Driver {
    let mut driver = Driver::with_capabilities(&format!("SASL {mechanisms}\r\n"));
    driver.session.set_encrypted();
    driver.submit(Request::Login(login))
}

/// The login of RFC 5802 section 5: `nonce` in base64, as the example has it.
fn pencil(mechanism: Mechanism, nonce: &str, binding: Option<Binding>) -> Login {
    let nonce = decode_base64(nonce.as_bytes()).unwrap().expose().to_vec();
    let extras = Extras { nonce, binding, ..Extras::default() };
    Login { extras, ..account(mechanism, "user", "pencil") }
}

const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";
const FIRST: &str = "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL";
const CHALLENGE: &str = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
const LAST: &str = "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
const SIGNATURE: &str = "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=";

fn scram() -> Driver {
    listed("SCRAM-SHA-1", pencil(Mechanism::ScramSha1, NONCE, None))
}

#[test]
fn r5802_3_1_the_dialogue_of_the_rfc() {
    let server = format!("+ {}\r\n+ {}\r\n+OK\r\n", base64(CHALLENGE), base64(SIGNATURE));
    let expected = format!("C: AUTH SCRAM-SHA-1 {}\nC: {}\nC: \n= done", base64(FIRST), base64(LAST));
    play(scram, &server, &expected);
    // A server that does not know initial responses.
    let expected = format!("C: AUTH SCRAM-SHA-1\nC: {}\nC: {}\nC: \n= done", base64(FIRST), base64(LAST));
    let unlisted = || listed("PLAIN", pencil(Mechanism::ScramSha1, NONCE, None));
    play(unlisted, &format!("+ \r\n{server}"), &expected);
    let expected = expected.replacen("SCRAM-SHA-1", &format!("SCRAM-SHA-1 {}", base64(FIRST)), 1);
    play(scram, &format!("+\r\n{server}"), &expected);
}

#[test]
fn r7677_3_1_the_dialogue_of_the_rfc() {
    let nonce = "rOprNGfwEbeRWgbNEkqO";
    let both = format!("{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    let challenge = format!("r={both},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let signature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    let last = format!("c=biws,r={both},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    play(
        || listed("SCRAM-SHA-256", pencil(Mechanism::ScramSha256, nonce, None)),
        &format!("+ {}\r\n+ {}\r\n+OK\r\n", base64(&challenge), base64(signature)),
        &format!(
            "C: AUTH SCRAM-SHA-256 {}\nC: {}\nC: \n= done",
            base64(&format!("n,,n=user,r={nonce}")),
            base64(&last)
        ),
    );
}

#[test]
fn r5802_5_2_success_without_the_right_signature_is_none() {
    let challenge = format!("+ {}\r\n", base64(CHALLENGE));
    let wrong = format!("+ {}\r\n", base64("v=AAAApqV8S7suAoZWja4dJRkFsKQ="));
    let right = format!("+ {}\r\n", base64(SIGNATURE));
    for (server, error) in [
        ("+OK\r\n".to_string(), ProtocolError::ServerUnproven),
        (format!("{challenge}+OK\r\n"), ProtocolError::ServerUnproven),
        (format!("{challenge}{wrong}"), ProtocolError::ServerUnproven),
        (format!("{challenge}+ \r\n"), ProtocolError::InvalidChallenge),
        (format!("{challenge}{challenge}"), ProtocolError::InvalidChallenge),
        (format!("{challenge}{right}{right}"), ProtocolError::UnexpectedChallenge),
        (right.clone(), ProtocolError::InvalidChallenge),
        // Cancelled, and still it says that all is well.
        (format!("{challenge}+ {}\r\n+OK\r\n", base64("e=other-error")), ProtocolError::ServerUnproven),
        ("+ !\r\n+OK\r\n".to_string(), ProtocolError::ServerUnproven),
    ] {
        let mut driver = scram().submit(Request::Stat);
        assert_eq!(driver.run_lines(&server), Err(error), "{server}");
        assert!(!driver.session.is_logged_in() && !driver.log.contains("STAT"), "{server}");
    }
}

#[test]
fn a_scram_login_that_is_refused() {
    let challenge = format!("+ {}\r\n", base64(CHALLENGE));
    let first = format!("C: AUTH SCRAM-SHA-1 {}\nC: {}\n", base64(FIRST), base64(LAST));
    play(scram, &format!("{challenge}-ERR [AUTH] no\r\n"), &format!("{first}= refused Some(Auth) no"));
    // RFC 5802 section 7 allows it to say why.
    play(
        scram,
        &format!("{challenge}+ {}\r\n-ERR [AUTH] no\r\n", base64("e=invalid-proof")),
        &format!("{first}C: *\n= refused Some(Auth) no"),
    );
    // Right on both sides, but there is no maildrop.
    play(
        scram,
        &format!("{challenge}+ {}\r\n-ERR [IN-USE] later\r\n", base64(SIGNATURE)),
        &format!("{first}C: \n= refused Some(InUse) later"),
    );
}

#[test]
fn r5802_9_1_a_server_cannot_keep_the_client_busy() {
    for iterations in ["4095", "2000000000"] {
        let challenge = format!("+ {}\r\n", base64(&CHALLENGE.replace("4096", iterations)));
        assert_eq!(scram().run_lines(&challenge), Err(ProtocolError::Iterations));
    }
    let challenge = format!("+ {}\r\n", base64(&CHALLENGE.replace("r=fyko", "r=fykx")));
    assert_eq!(scram().run_lines(&challenge), Err(ProtocolError::InvalidChallenge));
}

fn binding() -> Binding {
    Binding { kind: BindingKind::Exporter, octets: b"tls-exporter".to_vec() }
}

#[test]
fn r5802_6_4_a_client_that_can_bind_says_p_or_y_and_never_n() {
    let header = |mechanism: Mechanism, listing: &str, binding: Option<Binding>| {
        let mut driver = listed(listing, pencil(mechanism, NONCE, binding));
        driver.run(&[]).unwrap();
        let line = driver.log.lines().next().unwrap().to_string();
        let Some(message) = line.strip_prefix(&format!("C: AUTH {} ", mechanism.name())) else { return line };
        let message = decode_base64(message.as_bytes()).unwrap();
        String::from_utf8(message.expose().split(|&octet| octet == b',').next().unwrap().to_vec()).unwrap()
    };
    let both = "SCRAM-SHA-256 SCRAM-SHA-256-PLUS";
    assert_eq!(header(Mechanism::ScramSha256Plus, both, Some(binding())), "p=tls-exporter");
    assert_eq!(header(Mechanism::ScramSha256, both, Some(binding())), "= BindingOffered");
    assert_eq!(header(Mechanism::ScramSha256, "SCRAM-SHA-256", Some(binding())), "y");
    assert_eq!(header(Mechanism::ScramSha256, "SCRAM-SHA-256", None), "n");
    assert_eq!(header(Mechanism::ScramSha256, both, None), "n");
}

#[test]
fn r4422_5_1_nothing_is_sent_before_the_server_where_it_begins() {
    let challenge = "<1896.697170952@postoffice.reston.mci.net>";
    play(
        || listed("CRAM-MD5", account(Mechanism::CramMd5, "tim", "tanstaaftanstaaf")),
        &format!("+ {}\r\n+OK\r\n", base64(challenge)),
        "C: AUTH CRAM-MD5
         C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw
         = done",
    );
}

#[test]
fn r4616_2_1_plain_is_one_message() {
    let login = || Login {
        authorization: Argument::new("root").ok(),
        ..account(Mechanism::Plain, "tim", "tanstaaftanstaaf")
    };
    // RFC 4616 section 4, with an authorization identity.
    play(
        || listed("PLAIN", login()),
        "+OK\r\n",
        &format!("C: AUTH PLAIN {}\n= done", base64("root\0tim\0tanstaaftanstaaf")),
    );
}

#[test]
fn r5034_4_10_an_empty_initial_response_is_an_equals_sign() {
    play(
        || listed("EXTERNAL", account(Mechanism::External, "", "")),
        "+OK\r\n",
        "C: AUTH EXTERNAL =\n= done",
    );
    play(
        || listed("ANONYMOUS", account(Mechanism::Anonymous, "", "")),
        "+OK\r\n",
        "C: AUTH ANONYMOUS =\n= done",
    );
    // And an empty line when it is asked for.
    play(
        || listed("PLAIN", account(Mechanism::External, "", "")),
        "+ \r\n+OK\r\n",
        "C: AUTH EXTERNAL\nC: \n= done",
    );
}

#[test]
fn r4422_a_1_1_external_says_as_whom_to_act() {
    let login =
        || Login { authorization: Argument::new("fred").ok(), ..account(Mechanism::External, "", "") };
    play(|| listed("EXTERNAL", login()), "+OK\r\n", "C: AUTH EXTERNAL ZnJlZA==\n= done");
}

#[test]
fn r4505_2_1_anonymous_says_what_it_likes() {
    play(
        || listed("ANONYMOUS", account(Mechanism::Anonymous, "sirhc", "")),
        "+OK\r\n",
        "C: AUTH ANONYMOUS c2lyaGM=\n= done",
    );
    let mut session = Session::new(Settings::default());
    let control = account(Mechanism::Anonymous, "\u{7}", "");
    assert_eq!(session.submit(Request::Login(control)), Err(InvalidRequest::Argument));
}

const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

#[test]
fn r7628_3_1_1_the_message_says_where_the_connection_goes() {
    let extras = || Extras { endpoint: Some(("server.example.com".into(), 995)), ..Extras::default() };
    let login = || Login { extras: extras(), ..account(Mechanism::OAuthBearer, "user@example.com", TOKEN) };
    let message = format!(
        "n,a=user@example.com,\x01host=server.example.com\x01port=995\x01auth=Bearer {TOKEN}\x01\x01"
    );
    play(
        || listed("OAUTHBEARER", login()),
        "+OK\r\n",
        &format!("C: AUTH OAUTHBEARER {}\n= done", base64(&message)),
    );
}

#[test]
fn r7628_3_2_3_1_the_reason_is_answered_with_a_dummy() {
    // The challenge of RFC 7628 section 4.3.
    let reason = "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJo\
                  dHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0=";
    let message = base64("n,a=u,\x01auth=Bearer t\x01\x01");
    play(
        || listed("OAUTHBEARER", account(Mechanism::OAuthBearer, "u", "t")),
        &format!("+ {reason}\r\n-ERR [AUTH] no\r\n"),
        &format!("C: AUTH OAUTHBEARER {message}\nC: AQ==\n= refused Some(Auth) no"),
    );
    play(
        || listed("PLAIN", account(Mechanism::OAuthBearer, "u", "t")),
        &format!("+ \r\n+ {reason}\r\n-ERR [AUTH] no\r\n"),
        &format!("C: AUTH OAUTHBEARER\nC: {message}\nC: AQ==\n= refused Some(Auth) no"),
    );
}

#[test]
fn xoauth2_google_3_the_reason_is_answered_with_an_empty_line() {
    let message = base64("user=u\x01auth=Bearer t\x01\x01");
    play(
        || listed("XOAUTH2", account(Mechanism::XOAuth2, "u", "t")),
        &format!("+ {}\r\n-ERR no\r\n", base64(r#"{"status":"400"}"#)),
        &format!("C: AUTH XOAUTH2 {message}\nC: \n= refused None no"),
    );
}

#[test]
fn xoauth2_microsoft_1_two_lines() {
    let message = base64("user=u\x01auth=Bearer t\x01\x01");
    let extras = || Extras { initial_response: InitialResponse::Never, ..Extras::default() };
    let login = || Login { extras: extras(), ..account(Mechanism::XOAuth2, "u", "t") };
    play(|| listed("XOAUTH2", login()), "+ \r\n+OK\r\n", &format!("C: AUTH XOAUTH2\nC: {message}\n= done"));
    // Long tokens go so without being told.
    let token = "t".repeat(2048);
    let message = base64(&format!("user=u\x01auth=Bearer {token}\x01\x01"));
    play(
        || listed("XOAUTH2", account(Mechanism::XOAuth2, "u", &token)),
        "+ \r\n+OK\r\n",
        &format!("C: AUTH XOAUTH2\nC: {message}\n= done"),
    );
}

#[test]
fn r7628_3_1_no_token_without_tls() {
    for mechanism in [Mechanism::OAuthBearer, Mechanism::XOAuth2] {
        let mut driver = Driver::with_capabilities(&format!("STLS\r\nSASL {}\r\n", mechanism.name()));
        let submit =
            |driver: &mut Driver| driver.session.submit(Request::Login(account(mechanism, "u", "t")));
        assert_eq!(submit(&mut driver), Err(InvalidRequest::NeedsTls));
        driver = driver.submit(Request::StartTls);
        driver.run_lines("+OK\r\n").unwrap();
        assert!(submit(&mut driver).is_ok());
    }
}

#[test]
fn logins_that_cannot_be_said_are_not_begun() {
    let submit = |login| {
        let mut session = Session::new(Settings::default());
        session.set_encrypted();
        session.submit(Request::Login(login))
    };
    let short = Extras { nonce: vec![1; 14], ..Extras::default() };
    let unbound = Extras { nonce: vec![1; 18], ..Extras::default() };
    let empty = Some(Binding { kind: BindingKind::Exporter, octets: Vec::new() });
    let unbindable = Extras { nonce: vec![1; 18], binding: empty, ..Extras::default() };
    let scram = account(Mechanism::ScramSha256, "u", "p");
    assert_eq!(submit(Login { extras: short, ..scram }), Err(InvalidRequest::Extras));
    for extras in [unbound, unbindable] {
        let plus = account(Mechanism::ScramSha256Plus, "u", "p");
        assert_eq!(submit(Login { extras, ..plus }), Err(InvalidRequest::Extras));
    }
    for mechanism in [Mechanism::CramMd5, Mechanism::XOAuth2, Mechanism::ScramSha1, Mechanism::Login] {
        assert_eq!(submit(account(mechanism, "", "p")), Err(InvalidRequest::Argument));
        assert_eq!(submit(account(mechanism, "u", "")), Err(InvalidRequest::Argument));
    }
    for mechanism in [Mechanism::CramMd5, Mechanism::XOAuth2, Mechanism::OAuthBearer, Mechanism::Anonymous] {
        let login = Login { authorization: Argument::new("z").ok(), ..account(mechanism, "u", "p") };
        assert_eq!(submit(login), Err(InvalidRequest::Authorization));
    }
    // What only shows when it is to be sent.
    let mut driver = listed("OAUTHBEARER", account(Mechanism::OAuthBearer, "u", "a b"));
    driver.run(&[]).unwrap();
    assert_eq!(driver.log, "= NotEncodable\n");
}

#[test]
fn no_line_of_an_exchange_is_traced() {
    let challenge = format!("+ {}\r\n", base64(CHALLENGE));
    for (driver, lines) in [
        (scram(), vec![("", "AUTH SCRAM-SHA-1 ****"), (&challenge, "****")]),
        (
            listed("PLAIN", pencil(Mechanism::ScramSha1, NONCE, None)),
            vec![("+ \r\n", "****"), (&challenge, "****")],
        ),
        (listed("CRAM-MD5", account(Mechanism::CramMd5, "u", "p")), vec![("+ PEBhPg==\r\n", "****")]),
        (listed("XOAUTH2", account(Mechanism::XOAuth2, "u", "t")), vec![("", "AUTH XOAUTH2 ****")]),
        (listed("EXTERNAL", account(Mechanism::External, "", "")), vec![("", "AUTH EXTERNAL ****")]),
        (listed("PLAIN", account(Mechanism::OAuthBearer, "u", "t")), vec![("+ \r\n", "****")]),
    ] {
        let mut driver = driver;
        for (line, redaction) in lines {
            driver.run(&[line.as_bytes()]).unwrap();
            assert_eq!(driver.shown(), Some(format!("{redaction}\r\n")));
        }
    }
}

/// Everything that a login of this mechanism needs to succeed against the server of `pair`.
fn complete(mechanism: Mechanism) -> Login {
    let is_bound = matches!(mechanism.scram(), Some((_, true)));
    let extras = Extras { nonce: vec![9; 18], binding: is_bound.then(binding), ..Extras::default() };
    let password = if mechanism.is_token() { "token" } else { " pass word " };
    let authorization = (mechanism == Mechanism::External).then(|| Argument::new("fred").unwrap());
    Login { extras, authorization, ..account(mechanism, "fred", password) }
}

#[test]
fn r5034_4_29_every_mechanism_works_between_client_and_server() {
    for mechanism in Mechanism::ALL {
        for size in [1, 7, 100_000] {
            for is_right in [true, false] {
                let mut server = Server::new(Transport::PlainWithStls, true);
                let mut driver = Driver::new().submit(Request::StartTls).submit(Request::Capabilities);
                talk(&mut driver, &mut server, size);
                let mut login = complete(mechanism);
                if !is_right {
                    // Two of them look at nothing but the name.
                    login.password = Argument::new("wrong").unwrap();
                    login.user = Argument::new("derf").unwrap();
                    login.authorization = login.authorization.and_then(|_| Argument::new("derf").ok());
                }
                driver.log.clear();
                driver = driver.submit(Request::Login(login));
                talk(&mut driver, &mut server, size);
                assert_eq!(driver.session.is_logged_in(), is_right, "{mechanism:?}: {}", driver.log);
                let end =
                    if is_right { "= done" } else { "= refused Some(Auth) Wrong user name or password" };
                assert_eq!(driver.log.lines().last(), Some(end), "{mechanism:?}: {}", driver.log);
            }
        }
    }
}

fn capabilities(sasl: &str) -> Capabilities {
    let driver = Driver::with_capabilities(&format!("USER\r\n{sasl}"));
    driver.session.capabilities().unwrap().clone()
}

const TLS: Situation = Situation {
    proof: Proof::Password,
    is_encrypted: true,
    is_bindable: false,
    plaintext_without_tls: false,
};

fn chosen(sasl: &str, situation: Situation) -> Option<&'static str> {
    choose(Some(&capabilities(sasl)), false, situation).map(Method::name)
}

#[test]
fn the_safest_way_is_chosen() {
    let all = "SASL LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512\r\n";
    let bindable = Situation { is_bindable: true, ..TLS };
    let clear = Situation { is_encrypted: false, ..TLS };
    let trusting = Situation { plaintext_without_tls: true, ..clear };
    // Bound before unbound, even with a shorter hash.
    assert_eq!(chosen(all, bindable), Some("SCRAM-SHA-256-PLUS"));
    assert_eq!(chosen(all, TLS), Some("SCRAM-SHA-512"));
    assert_eq!(chosen(all, clear), Some("SCRAM-SHA-512"));
    assert_eq!(chosen("SASL SCRAM-SHA-1 PLAIN\r\n", bindable), Some("SCRAM-SHA-1"));
    assert_eq!(chosen("SASL PLAIN CRAM-MD5\r\n", TLS), Some("CRAM-MD5"));
    assert_eq!(chosen("SASL PLAIN CRAM-MD5\r\n", trusting), Some("CRAM-MD5"));
    let apop = |sasl: &str, situation| choose(Some(&capabilities(sasl)), true, situation).map(Method::name);
    assert_eq!(apop("SASL PLAIN CRAM-MD5\r\n", clear), Some("CRAM-MD5"));
    assert_eq!(apop("SASL PLAIN\r\n", TLS), Some("APOP"));
    // Passwords, where they may be sent.
    assert_eq!(chosen("SASL LOGIN PLAIN\r\n", TLS), Some("PLAIN"));
    assert_eq!(chosen("SASL LOGIN\r\n", TLS), Some("LOGIN"));
    assert_eq!(chosen("SASL GSSAPI\r\n", TLS), Some("USER"));
    assert_eq!(chosen("SASL LOGIN PLAIN\r\n", clear), None);
    assert_eq!(chosen("", clear), None);
    assert_eq!(chosen("SASL LOGIN PLAIN\r\n", trusting), Some("PLAIN"));
}

#[test]
fn login_1_1_plain_before_login() {
    assert_eq!(chosen("SASL LOGIN PLAIN\r\n", TLS), Some("PLAIN"));
    assert_eq!(chosen("SASL LOGIN\r\n", TLS), Some("LOGIN"));
}

#[test]
fn r5034_3_2_no_auth_where_no_sasl_is_listed() {
    assert_eq!(chosen("", TLS), Some("USER"));
    assert_eq!(choose(None, false, TLS), Some(Method::UserPass));
    assert_eq!(choose(None, true, TLS), Some(Method::Apop));
    for proof in [Proof::Token, Proof::Certificate, Proof::Nothing] {
        assert_eq!(chosen("", Situation { proof, ..TLS }), None);
    }
}

#[test]
fn tokens_certificates_and_nobody_have_their_own_ways() {
    let all = "SASL PLAIN XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS\r\n";
    let with = |proof, is_encrypted| chosen(all, Situation { proof, is_encrypted, ..TLS });
    assert_eq!(with(Proof::Token, true), Some("OAUTHBEARER"));
    assert_eq!(with(Proof::Token, false), None);
    assert_eq!(with(Proof::Certificate, true), Some("EXTERNAL"));
    assert_eq!(with(Proof::Nothing, false), Some("ANONYMOUS"));
    assert_eq!(chosen("SASL XOAUTH2\r\n", Situation { proof: Proof::Token, ..TLS }), Some("XOAUTH2"));
}

proptest! {
    #[test]
    fn no_challenge_panics(
        mechanism in prop::sample::select(&Mechanism::ALL[..]),
        challenges in prop::collection::vec(
            prop_oneof![
                Just(CHALLENGE.to_string()),
                Just(SIGNATURE.to_string()),
                Just(CHALLENGE.replace("fyko+d2lbbFgONRv9qkxdawL", "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ")),
                "[rsive]=[ -~]{0,9}",
                "\\PC{0,9}",
            ],
            0..5,
        ),
        end in "(\\+OK|-ERR|\\+|\\+ !|\\*)",
    ) {
        let mut driver = listed(mechanism.name(), complete(mechanism));
        let mut server: String = challenges.iter().map(|text| format!("+ {}\r\n", base64(text))).collect();
        server.push_str(&format!("{end}\r\n"));
        let _ = driver.run_lines(&server);
        // Nobody who cannot sign is believed.
        prop_assert!(mechanism.scram().is_none() || !driver.session.is_logged_in());
    }
}
