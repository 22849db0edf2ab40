//! POP URLs by the ledger of RFC 2384, and round trips.

use alloc::format;
use alloc::string::ToString;
use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> PopUrl {
    PopUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> UrlError {
    PopUrl::parse(text).expect_err(text)
}

#[test]
fn r2384_3_1_all_but_scheme_and_host_may_be_left_out() {
    let url = parse("pop://h");
    assert_eq!((url.user(), url.auth(), url.host().to_string()), (None, &Auth::Any, "h".into()));
    assert_eq!(parse("pop://u@h").user(), Some("u"));
    let url = parse("pop://u;AUTH=*@h:8110");
    assert_eq!((url.user(), url.auth(), url.port()), (Some("u"), &Auth::Any, 8110));
    for text in ["pop://", "pop://u@", "pop://u@:110", "pop://:110"] {
        assert_eq!(error(text), UrlError::Host, "{text}");
    }
}

#[test]
fn the_examples_of_rfc_2384_section_7() {
    let url = parse("pop://rg@mailsrv.qualcomm.com");
    assert_eq!((url.user(), url.auth(), url.port()), (Some("rg"), &Auth::Any, 110));
    assert_eq!(url.host().to_string(), "mailsrv.qualcomm.com");
    let url = parse("pop://rg;AUTH=+APOP@mail.eudora.com:8110");
    assert_eq!((url.user(), url.auth(), url.port()), (Some("rg"), &Auth::Apop, 8110));
    assert_eq!(url.host().to_string(), "mail.eudora.com");
    let url = parse("pop://baz;AUTH=SCRAM-MD5@foo.bar");
    assert_eq!(url.auth(), &Auth::Sasl(MechanismName::parse("scram-md5").unwrap()));
    for text in [
        "pop://rg@mailsrv.qualcomm.com",
        "pop://rg;AUTH=+APOP@mail.eudora.com:8110",
        "pop://baz;AUTH=SCRAM-MD5@foo.bar",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn r2384_3_2_the_default_port_is_110() {
    assert_eq!((parse("pop://h").port(), parse("pop://h").explicit_port()), (110, None));
    assert_eq!(parse("pop://h:110").explicit_port(), NonZeroU16::new(110));
    // Not in the RFC.
    assert_eq!((parse("pops://h").port(), parse("POPS://h").scheme()), (995, Scheme::Pops));
    for text in ["pop://h:", "pop://h:0", "pop://h:65536", "pop://h:+1", "pop://h:1:2", "pop://h:x"] {
        assert_eq!(error(text), UrlError::Port, "{text}");
    }
}

#[test]
fn r2384_3_3_a_password_is_refused_and_named() {
    for text in
        ["pop://u:secret@h", "pop://u:@h", "pop://u;AUTH=*:p@h", "pop://u:p@ss@h", "pops://u:p;AUTH=+APOP@h"]
    {
        assert_eq!(error(text), UrlError::Password, "{text}");
    }
    assert!(error("pop://u:secret@h").to_string().contains("password"));
    assert!(!format!("{:?} {}", error("pop://u:secret@h"), error("pop://u:secret@h")).contains("secret"));
    assert_eq!(parse("pop://u%3Ax@h").user(), Some("u:x"));
}

#[test]
fn r2384_4_2_a_plus_tells_commands_from_sasl_mechanisms() {
    let auth = |text: &str| parse(&format!("pop://u;AUTH={text}@h")).auth().clone();
    assert_eq!(auth("SCRAM-SHA-256"), Auth::Sasl(MechanismName::parse("SCRAM-SHA-256").unwrap()));
    assert_eq!(auth("+APOP"), Auth::Apop);
    assert_eq!(auth("+apop"), Auth::Apop);
    assert_eq!(auth("APOP"), Auth::Sasl(MechanismName::parse("APOP").unwrap()));
    assert_eq!(auth("+XAUTH%2F2"), Auth::Extension(ExtensionName::parse("XAUTH/2").unwrap()));
    // An encoded "+" is part of a name, and no SASL mechanism has one.
    for text in ["", "+", "%2BAPOP", "**", "A%20B", "+A%20B", "ABCDEFGHIJKLMNOPQRSTU", "PL%C3%84IN", "+A/B"] {
        let url = format!("pop://u;AUTH={text}@h");
        assert!(PopUrl::parse(&url).is_err(), "{url}");
    }
    for text in
        ["pop://u;@h", "pop://u;AUTH@h", "pop://u;X=*@h", "pop://u;AUTH=*;AUTH=*@h", "pop://u;AUTH=@h"]
    {
        assert_eq!(error(text), UrlError::Mechanism, "{text}");
    }
}

#[test]
fn r2384_4_6_a_user_alone_means_any_mechanism() {
    assert_eq!(parse("pop://u@h"), parse("pop://u;AUTH=*@h"));
    assert_eq!(parse("pop://u;AUTH=*@h").to_string(), "pop://u@h");
}

#[test]
fn r2384_4_9_reserved_characters_are_encoded() {
    let host = Host::parse("h").unwrap();
    let url = PopUrl::new(Scheme::Pop, host).with_user("a;b c@d", Auth::Any).unwrap();
    assert_eq!(url.to_string(), "pop://a%3Bb%20c%40d@h");
    assert_eq!(parse("pop://a%3bb%20c%40d@h"), url);
    // Unencoded they are an error, not a guess.
    assert_eq!(error("pop://a b@h"), UrlError::NotEncoded);
    assert_eq!(error("pop://a@b@h"), UrlError::User);
    assert_eq!(error("pop://a\"b@h"), UrlError::User);
    assert_eq!(error("pop://a\\b@h"), UrlError::User);
    for text in ["pop://a%@h", "pop://a%4@h", "pop://a%4g@h", "pop://a%+4@h"] {
        assert_eq!(error(text), UrlError::Percent, "{text}");
    }
}

#[test]
fn r2384_5_1_relative_urls_are_refused() {
    for text in ["//h", "u@h", "h", "", "pop:", "pop:/h", "pop:h", "/1", "imap://h", "pop3://h", " pop://h"] {
        assert_eq!(error(text), UrlError::Scheme, "{text}");
    }
}

#[test]
fn r2384_6_1_beyond_ascii_is_encoded_utf_8() {
    assert_eq!(parse("pop://%C3%BC@h").user(), Some("ü"));
    let url = PopUrl::new(Scheme::Pop, Host::parse("h").unwrap()).with_user("ü", Auth::Any).unwrap();
    assert_eq!(url.to_string(), "pop://%C3%BC@h");
    assert_eq!(error("pop://ü@h"), UrlError::NotEncoded);
    assert_eq!(error("pop://hü"), UrlError::NotEncoded);
    for text in ["pop://%FC@h", "pop://%C0%80@h", "pop://%ED%A0%80@h"] {
        assert_eq!(error(text), UrlError::NotUtf8, "{text}");
    }
}

#[test]
fn no_control_character_comes_out_of_a_url() {
    for text in ["%0D%0ADELE%201", "a%00", "%7F", "%09", "a%C2%85"] {
        assert_eq!(error(&format!("pop://{text}@h")), UrlError::Control, "{text}");
        assert!(PopUrl::parse(&format!("pop://u;AUTH=+{text}@h")).is_err(), "{text}");
    }
    let url = PopUrl::new(Scheme::Pop, Host::parse("h").unwrap());
    assert_eq!(url.clone().with_user("a\r\n", Auth::Any), Err(UrlError::Control));
    assert_eq!(url.with_user("", Auth::Any), Err(UrlError::User));
    assert_eq!(error("pop://h\r\n"), UrlError::NotEncoded);
}

#[test]
fn r2384_8_1_there_is_no_path_query_or_fragment() {
    for text in ["pop://h/", "pop://h/1", "pop://h?x", "pop://h#x", "pop://u@h:110/INBOX", "pop://u/x@h"] {
        assert_eq!(error(text), UrlError::Path, "{text}");
    }
    // An authentication type without a user is not in the grammar either.
    assert_eq!(error("pop://;AUTH=*@h"), UrlError::User);
    assert_eq!(error("pop://@h"), UrlError::User);
}

#[test]
fn r2384_8_2_three_more_characters_stand_for_themselves() {
    let url = PopUrl::new(Scheme::Pop, Host::parse("h").unwrap()).with_user("a&b=c~d", Auth::Any).unwrap();
    assert_eq!(url.to_string(), "pop://a&b=c~d@h");
    assert_eq!(parse("pop://a&b=c~d@h").user(), Some("a&b=c~d"));
    assert_eq!(parse("pop://$-_.+!*'(),@h").user(), Some("$-_.+!*'(),"));
}

#[test]
fn r2384_8_3_the_words_of_the_grammar_are_read_in_any_case() {
    let url = parse("POP://U;auth=*@H");
    assert_eq!((url.user(), url.host().to_string()), (Some("U"), "h".into()));
    assert_eq!(parse("Pop://U;Auth=+aPop@h").auth(), &Auth::Apop);
}

#[test]
fn hosts_are_names_or_addresses() {
    let host = |text: &str| parse(&format!("pop://u@{text}")).host().clone();
    assert_eq!(host("127.0.0.1:1"), Host::Address(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(host("[::1]"), Host::Address(Ipv6Addr::LOCALHOST.into()));
    assert_eq!(parse("pop://[2001:DB8::1]:8110").to_string(), "pop://[2001:db8::1]:8110");
    for text in ["mail_1.example.org", "a.b.", "xn--mller-kva.example", "3com.com", "a-b"] {
        assert_eq!(host(text).name().unwrap().as_str(), text);
    }
    for text in [
        "256.1.1.1",
        "1.2.3",
        "1",
        "a..b",
        ".a",
        ".",
        "-a",
        "a-",
        "a.-b",
        "[::1",
        "::1",
        "[fe80::1%25eth0]",
        "[1.2.3.4]",
        "%61",
        "a,b",
        "a*b",
        "[]",
        "a[::1]",
        &"a".repeat(64),
        &"a.".repeat(128),
    ] {
        let url = format!("pop://u@{text}");
        assert!(matches!(PopUrl::parse(&url), Err(UrlError::Host | UrlError::Port)), "{url}");
    }
}

#[test]
fn the_length_of_a_url_is_bounded() {
    assert!(PopUrl::parse(&format!("pop://{}@h", "u".repeat(URL_OCTETS_MAX - 8))).is_ok());
    assert_eq!(error(&format!("pop://{}@h", "u".repeat(URL_OCTETS_MAX - 7))), UrlError::TooLong);
}

fn auths() -> impl Strategy<Value = Auth> {
    prop_oneof![
        Just(Auth::Any),
        Just(Auth::Apop),
        "[A-Za-z0-9_-]{1,20}".prop_map(|name| Auth::Sasl(MechanismName::parse(&name).unwrap())),
        "[!-~]{1,40}".prop_filter_map("APOP", |name| ExtensionName::parse(&name).ok().map(Auth::Extension)),
    ]
}

fn hosts() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(|address| Host::Address(address.into())),
        any::<Ipv6Addr>().prop_map(|address| Host::Address(address.into())),
        "[a-z0-9_]{1,8}(\\.[a-z][a-z0-9-]{0,8}[a-z]){0,4}\\.?"
            .prop_filter_map("number", |name| Host::parse(&name).ok()),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(
        is_pops in any::<bool>(),
        user in prop::option::of("\\PC{1,40}"),
        auth in auths(),
        host in hosts(),
        port in prop::option::of(any::<NonZeroU16>()),
    ) {
        let mut url = PopUrl::new(if is_pops { Scheme::Pops } else { Scheme::Pop }, host);
        if let Some(user) = user {
            url = url.with_user(&user, auth).unwrap();
        }
        if let Some(port) = port {
            url = url.with_port(port);
        }
        let text = url.to_string();
        prop_assert!(text.bytes().all(|octet| octet.is_ascii_graphic()));
        prop_assert_eq!(PopUrl::parse(&text), Ok(url), "{}", text);
    }

    #[test]
    fn what_parses_prints_to_what_parses_to_the_same(
        text in "[Pp]op(s)?://([a-zA-Z%0-9:;=+@ü]{0,12}(;AUTH=[+*a-zA-Z%0-9]{0,6})?@)?[a-z.0-9:\\[\\]_-]{0,20}(:[0-9]{0,6})?[/?#]?",
    ) {
        if let Ok(url) = PopUrl::parse(&text) {
            prop_assert_eq!(PopUrl::parse(&url.to_string()), Ok(url));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _ = PopUrl::parse(&text);
        let _ = PopUrl::parse(&format!("pop://{text}"));
    }
}
