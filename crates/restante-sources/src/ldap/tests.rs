//! What is made of names, addresses and passwords. Real servers are asked in restante-test.

use super::*;
use server::{Address, Tls};

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

#[test]
fn r4515_3_values_are_escaped_in_filters() {
    let filter = Template::of_filter("(&(uid={local})(associatedDomain={domain})(mail={account}))").unwrap();
    assert_eq!(
        filter.filter(&name("a*)(\\b@x.example")).as_deref(),
        Some("(&(uid=a\\2a\\29\\28\\5cb)(associatedDomain=x.example)(mail=a\\2a\\29\\28\\5cb@x.example))")
    );
    assert_eq!(filter.filter(&name("bob")), None, "there is no domain");
}

#[test]
fn r4514_2_4_values_are_escaped_in_names_of_entries() {
    let dn = Template::of_name("uid={local},dc=example").unwrap();
    assert_eq!(
        dn.name(&name("#a,b+c\"\\<>;=")).as_deref(),
        Some("uid=\\23a\\2cb\\2bc\\22\\5c\\3c\\3e\\3b\\3d,dc=example")
    );
    assert!(dn.has_placeholders() && !Template::of_name("dc=example").unwrap().has_placeholders());
}

#[test]
fn templates_that_mean_nothing_are_refused() {
    for text in ["{", "{user}", "{local", "{}"] {
        assert_eq!(Template::of_name(text), Err(InvalidTemplate::Placeholder), "{text}");
    }
    assert_eq!(Template::of_name(" "), Err(InvalidTemplate::Empty));
    for text in ["", "(uid={local}", "(uid={local}))"] {
        assert_eq!(Template::of_filter(text), Err(InvalidTemplate::Filter), "{text}");
    }
}

#[test]
fn addresses_of_servers() {
    let parse = |url: &str| Server::parse(url, None).ok();
    let tcp = |host: &str, port| Address::Tcp { host: host.to_owned(), port };
    for (url, address, tls, shown) in [
        ("ldap://a.example", tcp("a.example", 389), Tls::Upgrade, "ldap://a.example:389"),
        ("ldap://a.example:3890/", tcp("a.example", 3890), Tls::Upgrade, "ldap://a.example:3890"),
        ("ldaps://a.example", tcp("a.example", 636), Tls::Implicit, "ldaps://a.example:636"),
        ("ldap://[2001:db8::1]:9", tcp("2001:db8::1", 9), Tls::Upgrade, "ldap://[2001:db8::1]:9"),
        ("ldap://localhost", tcp("localhost", 389), Tls::Off, "ldap://localhost:389"),
        ("ldap://127.1.2.3", tcp("127.1.2.3", 389), Tls::Off, "ldap://127.1.2.3:389"),
        ("ldap://[::1]", tcp("::1", 389), Tls::Off, "ldap://[::1]:389"),
        (
            "ldapi:///run/slapd/ldapi",
            Address::Unix("/run/slapd/ldapi".into()),
            Tls::Off,
            "ldapi:///run/slapd/ldapi",
        ),
        ("ldapi://%2Frun%2Fldapi", Address::Unix("/run/ldapi".into()), Tls::Off, "ldapi:///run/ldapi"),
    ] {
        let server = parse(url).unwrap();
        assert_eq!((&server.address, server.tls), (&address, tls), "{url}");
        assert_eq!(server.to_string(), shown);
        assert!(!server.is_in_clear(), "{url}");
    }
    assert!(Server::parse("ldap://a.example", Some(false)).unwrap().is_in_clear());
    assert!(!Server::parse("ldap://127.0.0.1", Some(false)).unwrap().is_in_clear());
    assert_eq!(Server::parse("ldap://127.0.0.1", Some(true)).unwrap().tls, Tls::Upgrade);
    for url in [
        "",
        "a.example",
        "http://a",
        "ldap://",
        "ldap://a:0",
        "ldap://a:x",
        "ldap://u@a",
        "ldap://a/dc=x?",
        "ldap://a b",
        "ldapi://run",
        "ldapi://%2",
        "ldapi://",
    ] {
        assert_eq!(parse(url), None, "{url}");
    }
}

#[test]
fn r4513_5_1_2_nothing_empty_is_tried() {
    let tried = |password: &[u8]| forms(password).iter().map(|form| form.to_string()).collect::<Vec<_>>();
    assert!(
        tried(b"").is_empty()
            && tried(b"\0").is_empty()
            && tried(b"a\0").is_empty()
            && tried(b"\xff").is_empty()
    );
    // A soft hyphen, of which preparing leaves nothing.
    assert_eq!(tried("\u{ad}".as_bytes()), ["\u{ad}"]);
    assert_eq!(tried(b"secret"), ["secret"]);
    assert_eq!(tried("e\u{301}".as_bytes()), ["e\u{301}", "\u{e9}"]);
}

#[test]
fn names_that_directories_take_for_others_are_nobodys() {
    assert!(plain(&name("bob")).is_some() && plain(&name("bob smith@example.org")).is_some());
    for odd in ["bob ", " bob", "bob  smith", "bob @example.org", "bob@ example.org"] {
        assert!(plain(&name(odd)).is_none(), "{odd}");
    }
}
