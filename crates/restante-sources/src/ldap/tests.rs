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
fn r4515_3_r4514_2_4_aliases_are_escaped_where_they_are_put() {
    let aliases = |base: &str, filter: &str| Aliases {
        base: Template::of_name(base).unwrap(),
        scope: Scope::Subtree,
        filter: Template::of_filter(filter).unwrap(),
        attribute: "uid".to_owned(),
        addresses: restante_auth::address::Settings::default(),
    };
    let place = aliases("ou={domain},dc=example", "(|(mail={account})(uid={local}))");
    let odd = name("*)(uid=*\\@x.example");
    let query = place.query(Alias::Name(&odd)).unwrap();
    assert_eq!(query.filter, "(|(mail=\\2a\\29\\28uid=\\2a\\5c@x.example)(uid=\\2a\\29\\28uid=\\2a\\5c))");
    assert_eq!((query.base.as_str(), query.may_be_absent), ("ou=x.example,dc=example", true));
    // Nobody's name but a wish: what is left of a filter without it may match everybody.
    assert!(place.query(Alias::Domain("x.example")).is_none());
    let place = aliases("dc=example", "(mail={account})");
    assert_eq!(place.query(Alias::Domain("a+b)(x=*")).unwrap().filter, "(mail=@a+b\\29\\28x=\\2a)");
    assert!(!place.query(Alias::Name(&odd)).unwrap().may_be_absent);
    for blank in ["info ", "info  desk", "info@ example.org"] {
        assert!(place.query(Alias::Name(&name(blank))).is_none(), "{blank}");
    }
    assert!(place.query(Alias::Domain(" x.example")).is_none());
}

#[test]
fn names_that_directories_take_for_others_are_nobodys() {
    assert!(plain(&name("bob")).is_some() && plain(&name("bob smith@example.org")).is_some());
    for odd in ["bob ", " bob", "bob  smith", "bob @example.org", "bob@ example.org"] {
        assert!(plain(&name(odd)).is_none(), "{odd}");
    }
}

/// RFC 4511, 4.14.1: nothing may stand between the answer to StartTLS and the handshake. Who puts the success of a bind there, which
/// would open every account, is heard by nobody, and no password follows.
#[test]
fn r4511_4_14_1_an_answer_put_behind_starttls_opens_nothing() {
    use std::io::{Read, Write};

    // The success of StartTLS as message 1; that of binds as messages 1 to 3.
    let started: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
    let bound = |id: u8| [b"\x30\x0c\x02\x01", &[id][..], b"\x61\x07\x0a\x01\x00\x04\x00\x04\x00"].concat();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    let answer = [started, &bound(1), &bound(2), &bound(3)].concat();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = vec![0; 4096];
        let count = stream.read(&mut heard).unwrap();
        heard.truncate(count);
        stream.write_all(&answer).unwrap();
        // A connection that is reset has said what it said.
        let _ = stream.read_to_end(&mut heard);
        heard
    });
    let directory = LdapDirectory::new(Settings {
        servers: vec![Server::parse(&url, Some(true)).unwrap()],
        authorities: None,
        service: None,
        place: Place::Name { dn: Template::of_name("uid={local},dc=example").unwrap(), filter: None },
        fields: Vec::new(),
        scheme: Scheme::Plain,
        aliases: None,
        list: None,
        connections_max: 1,
        timeout: Duration::from_secs(60),
    })
    .unwrap();
    let name = name("bob");
    let at = Circumstances::new(restante_auth::directory::Service::Pop3, Instant::now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let question = Question { name: &name, at };
    let checked = runtime.block_on(directory.check(&question, &Secret::new(b"tulip-in-clear".to_vec())));
    let error = checked.expect_err("nobody has answered");
    assert!(error.is_temporary(), "{error}");
    drop(runtime);
    let heard = serving.join().unwrap();
    assert!(!heard.windows(5).any(|octets| octets == b"tulip"), "{}", heard.escape_ascii());
}
