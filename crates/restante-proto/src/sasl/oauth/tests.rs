//! The examples of RFC 7628 and XOAUTH2, octet by octet, and what comes close to them.

use alloc::string::{String, ToString};
use alloc::{format, vec};

use super::*;
use crate::sasl::{decode_base64, encode_base64};

const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

/// RFC 7628 section 4.1.
const EXAMPLE: &str = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI\
                       HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";

fn read(form: Form, message: &[u8]) -> Result<(Option<String>, String), Invalid> {
    read_under(form, message, &TokenTerms::default())
}

fn read_under(form: Form, message: &[u8], terms: &TokenTerms) -> Result<(Option<String>, String), Invalid> {
    match decode(form, message, terms)? {
        Credentials::Token { user, token, method } => {
            assert_eq!(method, form.method());
            let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
            Ok((user.as_deref().map(text), text(token.expose())))
        }
        other => panic!("{other:?}"),
    }
}

fn base64(octets: &[u8]) -> String {
    let mut text = Vec::new();
    encode_base64(octets, &mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn r7628_3_1_1_the_message_of_the_rfc() {
    let token = Secret::new(TOKEN.into());
    let message = bearer(Some(b"user@example.com"), Some(("server.example.com", 143)), &token).unwrap();
    // What section 4.1 shows in base64 is another token than what it shows decoded; its frame is the same.
    let shown = decode_base64(EXAMPLE.as_bytes()).unwrap();
    let token_shown = b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
    assert!(shown.expose().ends_with(&[&token_shown[..], b"\x01\x01"].concat()));
    assert_eq!(message.expose(), shown.expose());
    assert_eq!(base64(message.expose()), EXAMPLE);
    let expected = Ok((Some("user@example.com".into()), TOKEN.to_string()));
    assert_eq!(read(Form::Bearer, message.expose()), expected);
    let without = bearer(None, None, &token).unwrap();
    assert_eq!(without.expose(), format!("n,,\x01auth=Bearer {TOKEN}\x01\x01").as_bytes());
    assert_eq!(read(Form::Bearer, without.expose()), Ok((None, TOKEN.to_string())));
}

#[test]
fn a_name_cannot_carry_pairs_of_its_own() {
    let token = Secret::new(TOKEN.into());
    // The first was found by fuzzing.
    for name in
        [&b"n,iz7An==\x01\x01\x06a=us"[..], b"u,\x01auth=Bearer theirs\x01\x01", b"u\r\n", b"u\0", b""]
    {
        assert!(bearer(Some(name), None, &token).is_none(), "{}", name.escape_ascii());
        assert!(xoauth2(name, &token).is_none(), "{}", name.escape_ascii());
    }
}

#[test]
fn r7628_3_1_2_unknown_pairs_are_ignored() {
    let message = b"n,a=u,\x01foo=bar\x01empty=\x01auth=Bearer t\x01qs=a=b\x01\x01";
    assert_eq!(read(Form::Bearer, message), Ok((Some("u".into()), "t".into())));
}

#[test]
fn r7628_3_2_1_a_host_that_is_not_this_one() {
    let terms =
        TokenTerms { hosts: vec!["pop.example.com".into(), "mail.example".into()], ..TokenTerms::default() };
    let message = |host: &str| format!("n,,\x01host={host}\x01port=995\x01auth=Bearer t\x01\x01");
    for host in ["pop.example.com", "Mail.Example"] {
        assert!(read_under(Form::Bearer, message(host).as_bytes(), &terms).is_ok(), "{host}");
    }
    for host in ["other.example", ""] {
        let outcome = read_under(Form::Bearer, message(host).as_bytes(), &terms);
        assert_eq!(outcome, Err(Invalid::Token), "{host}");
        assert!(read(Form::Bearer, message(host).as_bytes()).is_ok());
    }
}

#[test]
fn r7628_3_2_2_1_the_challenge_of_a_refusal_is_json() {
    let bare = refusal(&TokenTerms::default());
    assert_eq!(bare, br#"{"status":"invalid_token","schemes":"bearer"}"#);
    let terms = TokenTerms {
        scope: Some("mail \"x\\y\"\u{7}".into()),
        openid_configuration: Some("https://example.com/.well-known/openid-configuration".into()),
        hosts: vec![],
    };
    let expected = r#"{"status":"invalid_token","schemes":"bearer","scope":"mail \"x\\y\"","openid-configuration":"https://example.com/.well-known/openid-configuration"}"#;
    assert_eq!(refusal(&terms), expected.as_bytes());
}

#[test]
fn r7628_4_1_the_scheme_ignores_case() {
    for scheme in ["Bearer", "bEaReR", "bearer", "BEARER"] {
        let message = format!("n,,\x01auth={scheme} t\x01\x01");
        assert_eq!(read(Form::Bearer, message.as_bytes()), Ok((None, "t".into())));
    }
    // Section 4.3: an empty value asks what is wanted. It is refused as a token is.
    for value in ["", "Bearer", "Bearer ", "Basic dTpw", "OAuth realm=x", "Bearer a b"] {
        let message = format!("n,,\x01auth={value}\x01\x01");
        assert_eq!(read(Form::Bearer, message.as_bytes()), Err(Invalid::Token), "{value}");
    }
}

#[test]
fn r7628_3_1_1_what_is_no_message() {
    for message in [
        "",
        "\x01",
        "n,,",
        "n,,\x01",
        "n,,\x01\x01",
        "n,,\x01auth=Bearer t",
        "n,,\x01auth=Bearer t\x01",
        "x,,\x01auth=Bearer t\x01\x01",
        "p=tls-exporter,,\x01auth=Bearer t\x01\x01",
        "n,b=u,\x01auth=Bearer t\x01\x01",
        "n,a=,\x01auth=Bearer t\x01\x01",
        "n,a=u=,\x01auth=Bearer t\x01\x01",
        "n,\x01auth=Bearer t\x01\x01",
        // Section 4.4 shows this; an erratum of the RFC.
        "n,user=u,\x01auth=Bearer t\x01\x01",
        "n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01",
        "n,,\x01pair\x01auth=Bearer t\x01\x01",
        "n,,\x01=x\x01auth=Bearer t\x01\x01",
    ] {
        assert_eq!(read(Form::Bearer, message.as_bytes()), Err(Invalid::Syntax), "{message:?}");
    }
    assert_eq!(
        read(Form::Bearer, b"y,a=x=2Cy,\x01auth=Bearer t\x01\x01"),
        Ok((Some("x,y".into()), "t".into()))
    );
}

#[test]
fn xoauth2_google_1_the_message() {
    // From the provider's own description.
    let token = Secret::new(b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg".to_vec());
    let message = xoauth2(b"someuser@example.com", &token).unwrap();
    assert_eq!(
        base64(message.expose()),
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    );
    let (user, read_token) = read(Form::XOAuth2, message.expose()).unwrap();
    assert_eq!(user.as_deref(), Some("someuser@example.com"));
    assert_eq!(read_token.as_bytes(), token.expose());
    assert_eq!(read(Form::XOAuth2, b"auth=Bearer t\x01\x01"), Err(Invalid::Credentials));
    assert_eq!(read(Form::XOAuth2, b"user=\x01auth=Bearer t\x01\x01"), Err(Invalid::Credentials));
    assert_eq!(read(Form::XOAuth2, b"user=u\x01auth=\x01\x01"), Err(Invalid::Token));
    assert_eq!(read(Form::XOAuth2, b"user=u\x01\x01"), Err(Invalid::Syntax));
    assert_eq!(read(Form::XOAuth2, b""), Err(Invalid::Syntax));
}

#[test]
fn the_client_sends_no_token_message_that_cannot_be_read() {
    let token = Secret::new(b"t".to_vec());
    for bad in [&b""[..], b"a b", b"a\x01", "é".as_bytes()] {
        let bad = Secret::new(bad.to_vec());
        assert!(bearer(None, None, &bad).is_none() && xoauth2(b"u", &bad).is_none());
    }
    assert!(bearer(Some(b""), None, &token).is_none() && bearer(Some(b"\xff"), None, &token).is_none());
    assert!(bearer(None, Some(("a\x01", 1)), &token).is_none());
    assert!(xoauth2(b"", &token).is_none() && xoauth2(b"a\x01b", &token).is_none());
}
