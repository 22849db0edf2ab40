//! `[[auth.token]]` of the kinds that have an issuer.

use super::*;
use crate::config::token::terms;

const JWKS: &str = "[[auth.token]]\ntype = \"jwks\"\n";
const INTROSPECTION: &str = "[[auth.token]]\ntype = \"introspection\"\n";
const OURS: &str = "[auth]\ndomains = [\"example.org\"]\n";

fn with(text: &str) -> Vec<String> {
    found(&format!("{OURS}{LEAST}{text}"))
}

/// The problems, if there are any.
fn found(text: &str) -> Vec<String> {
    match read(&folder(), text) {
        Ok(_) => Vec::new(),
        Err(_) => problems(text),
    }
}

#[test]
fn an_issuer_is_read_and_shown_and_its_terms_are_told() {
    let folder = folder();
    let text = format!(
        "{OURS}{LEAST}{JWKS}issuer = \"https://id.example.org/realms/x\"\naudience = [\"mail\"]\nscopes = [\"a\", \"b\"]\n\
         ca = \"cert.pem\"\nalgorithms = [\"ES256\"]\nat_jwt = true\nkeep_s = 7200\n\
         {INTROSPECTION}url = \"http://127.0.0.1:1/i\"\nclient_id = \"me\"\npassword = \"hunter2\"\nscopes = [\"mail\"]\naccounts = \"any\"\n"
    );
    let config = read(&folder, &text).unwrap();
    assert_eq!(config.warnings, []);
    let TokenSource::Jwks(table) = &config.tokens[0].own else { panic!("{:?}", config.tokens) };
    assert_eq!(table.0.ca, Some(folder.path().join("cert.pem")));
    let told = terms(&config.tokens);
    assert_eq!(told.scope.as_deref(), Some("a b"));
    assert_eq!(
        told.openid_configuration.as_deref(),
        Some("https://id.example.org/realms/x/.well-known/openid-configuration")
    );
    let shown = config.show();
    assert!(!shown.contains("hunter2") && !format!("{config:?}").contains("hunter2"), "{shown}");
    assert!(shown.contains("algorithms = [\"ES256\"]") && shown.contains("accounts = \"any\""), "{shown}");
    // The secret is not shown, so what is shown needs it again.
    let again = shown.replacen("client_id = \"me\"", "client_id = \"me\"\npassword = \"hunter2\"", 1);
    assert_eq!(read(&folder, &again).unwrap().tokens, config.tokens);
    assert_eq!(terms(&[]), Default::default());
}

#[test]
fn what_would_let_everybody_in_is_an_error() {
    assert_eq!(
        with(JWKS),
        [
            "5: signed tokens of an issuer that is not named",
            "5: tokens that the issuer gave for any service would open maildrops"
        ]
    );
    assert_eq!(
        with(INTROSPECTION),
        [
            "5: an issuer that is asked about tokens without an address",
            "5: an issuer that is asked about tokens by nobody it knows",
            "5: tokens that the issuer gave for any service would open maildrops"
        ]
    );
    let least = "issuer = \"https://id.example.org\"\naudience = [\"mail\"]\n";
    assert_eq!(with(&format!("{JWKS}{least}")), [""; 0]);
    assert_eq!(
        with(&format!("{JWKS}{least}algorithms = [\"none\", \"HS256\", \"ES256\"]\n")),
        [
            "9: auth.token.0.algorithms: \"none\" is no way to sign tokens that is known here",
            "9: auth.token.0.algorithms: \"HS256\" is no way to sign tokens that is known here"
        ]
    );
    assert_eq!(with(&format!("{JWKS}{least}algorithms = []\n")), ["9: no token could be signed"]);
    let open = format!("{LEAST}{JWKS}{least}accounts = \"any\"\n");
    assert_eq!(
        found(&open),
        ["7: everybody whom the issuer knows would get a maildrop, whatever the domain"]
    );
    assert_eq!(found(&format!("{open}domains = [\"example.org\"]\n")), [""; 0]);
}

#[test]
fn wrong_values_are_told_at_their_lines() {
    let jwks = |lines: &str| with(&format!("{JWKS}audience = [\"mail\"]\n{lines}"));
    assert_eq!(
        jwks("issuer = \"http://id.example.org\"\n"),
        ["8: anybody on the way could change what \"http://id.example.org\" says"]
    );
    assert_eq!(jwks("issuer = \"accounts.google.com\"\n"), ["8: \"accounts.google.com\" is no address"]);
    let named = "issuer = \"accounts.google.com\"\n";
    assert_eq!(jwks(&format!("{named}jwks_uri = \"https://www.googleapis.com/oauth2/v3/certs\"\n")), [""; 0]);
    assert_eq!(jwks(&format!("{named}jwks_uri = \"file:///keys\"\n")), ["9: \"file:///keys\" is no address"]);
    let least = "issuer = \"https://id.example.org\"\n";
    assert_eq!(
        jwks(&format!("{least}domain = \"a b\"\ndomains = [\"example.net\"]\nclaim = \"\"\nca = \"gone\"\n")),
        [
            "9: auth.token.0.domain: \"a b\" is no domain",
            "10: auth.token.0.domains: \"example.net\" is not one of auth.domains",
            "11: a claim without a name",
            "12: the authorities in ./gone cannot be read: No such file or directory (os error 2)",
        ]
    );
    assert_eq!(
        jwks(&format!("{least}refresh_s = 600\nkeep_s = 60\nretry_s = 700\nleeway_s = 1000\n")),
        [
            "10: keys would end before they are fetched again",
            "11: keys could not be fetched again in time",
            "12: auth.token.0.leeway_s = 1000 is out of bounds",
        ]
    );
    // Keys of another kind are unknown.
    assert_eq!(jwks(&format!("{least}path = \"x\"\n")).len(), 1);
    let folder = folder();
    let text = format!("{LEAST}{JWKS}{least}audience = [\"mail\"]\nclaim = \"email\"\n");
    let warnings = read(&folder, &text).unwrap().warnings;
    assert!(warnings[0].to_string().contains("which domains are ours is not known"), "{warnings:?}");
}
