//! Certificates in a configuration: one, several, and what is wrong with them.

use super::*;

const FIRST: &str = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";

/// Writes a pair `NAME.pem` and `NAME.key`.
fn further(folder: &TempDir, name: &str, params: rcgen::CertificateParams) {
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(folder.path().join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
    let path = folder.path().join(format!("{name}.key"));
    fs::write(&path, key.serialize_pem()).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn named(names: &[&str]) -> rcgen::CertificateParams {
    rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn pair(name: &str) -> String {
    format!("[[tls.pair]]\ncertificate = \"{name}.pem\"\nkey = \"{name}.key\"\n")
}

fn warnings(folder: &TempDir, text: &str) -> Vec<String> {
    let config = read(folder, text).map_err(|problems| format!("{problems:#?}")).unwrap();
    let here = folder.path().display().to_string();
    config
        .warnings
        .iter()
        .map(|problem| format!("{}: {}", problem.line, problem.what.replace(&here, ".")))
        .collect()
}

#[test]
fn several_certificates_are_shown_as_written() {
    let folder = folder();
    further(&folder, "two", named(&["pop.two.example", "*.two.example"]));
    let text = format!("{LEAST}{FIRST}{}staple = \"two.der\"\n", pair("two"));
    let config = read(&folder, &text).unwrap();
    assert_eq!(config.pairs[0].certificate, Some(folder.path().join("two.pem")));
    let again = parse(&config.show(), Path::new("/elsewhere/restante.toml")).unwrap();
    assert_eq!(again.pairs, config.pairs);
    assert_eq!(
        warnings(&folder, &text),
        ["9: tls.pair.0.staple: ./two.der is not stapled: it cannot be read (entity not found)"]
    );
}

#[test]
fn halves_of_pairs_and_pairs_of_no_use_are_refused() {
    let alone = format!("{LEAST}[[tls.pair]]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    let no_first = "further certificates, but no first one for clients that ask for no name";
    assert_eq!(problems(&alone), [format!("3: {no_first}")]);
    let half = format!("{LEAST}{FIRST}[[tls.pair]]\nkey = \"key.pem\"\n");
    assert_eq!(problems(&half), ["6: a pair of which a half is missing"]);
    let staple = format!("{LEAST}[tls]\nstaple = \"x.der\"\n");
    assert_eq!(problems(&staple), ["4: tls.staple: ./x.der is for no certificate"]);
    let unknown = format!("{LEAST}{FIRST}[[tls.pair]]\nname = \"x\"\n");
    assert!(problems(&unknown).iter().any(|it| it.contains("tls.pair.0.name: there is no such key")));
    let folder = folder();
    further(&folder, "nameless", named(&[]));
    let found = read(&folder, &format!("{LEAST}{FIRST}{}", pair("nameless"))).unwrap_err();
    assert!(found[0].what.contains("no client is ever shown"), "{found:?}");
}

#[test]
fn two_certificates_for_one_name_are_named() {
    let folder = folder();
    further(&folder, "two", named(&["two.example", "mail.example.org"]));
    assert_eq!(
        warnings(&folder, &format!("{LEAST}{FIRST}{}", pair("two"))),
        ["7: ./cert.pem and ./two.pem are both for mail.example.org: clients are shown the first"]
    );
}

#[test]
fn a_certificate_that_has_ended_is_named() {
    let folder = folder();
    let mut params = named(&["old.example"]);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    further(&folder, "old", params);
    let found = warnings(&folder, &format!("{LEAST}{FIRST}{}", pair("old")));
    assert!(found[0].starts_with("7: the certificate ./old.pem has expired, "), "{found:?}");
    let mut params = named(&["new.example"]);
    params.not_before = rcgen::date_time_ymd(2190, 1, 1);
    further(&folder, "new", params);
    let found = warnings(&folder, &format!("{LEAST}{FIRST}{}", pair("new")));
    assert_eq!(found, ["7: the certificate ./new.pem is not valid yet"]);
}

const ACME: &str =
    "[[listen]]\nprotocol = \"acme\"\n[acme]\nnames = [\"mail.example.org\"]\nagree_terms = true\n";

#[test]
fn a_certificate_that_is_got_later_is_shown_as_written() {
    let folder = folder();
    let text = format!(
        "{LEAST}{ACME}directory = \"https://ca.example/dir\"\nca = \"cert.pem\"\ncontact = [\"a@b.example\"]\nretry_s = 7\n"
    );
    let config = read(&folder, &text).map_err(|problems| format!("{problems:#?}")).unwrap();
    let [listen] = config.listen.as_slice() else { panic!("{:?}", config.listen) };
    assert_eq!((listen.address.to_string().as_str(), listen.tls), ("0.0.0.0:80", TlsMode::Off));
    let again = parse(&config.show(), Path::new("/elsewhere/restante.toml")).unwrap();
    assert_eq!(again.acme, config.acme);
    // There will be a certificate, so port 995 is served.
    let text =
        format!("{LEAST}[acme]\nnames = [\"a.example\"]\nagree_terms = true\nchallenge = \"tls-alpn-01\"\n");
    assert_eq!(read(&folder, &text).unwrap().listen.len(), 2);
}

#[test]
fn what_no_acme_server_would_take_is_refused() {
    let wrong = |more: &str| problems(&format!("{LEAST}{ACME}{more}"));
    assert_eq!(
        wrong("directory = \"http://ca.example/\"\n"),
        ["8: acme.directory: \"http://ca.example/\" is no address of a directory"]
    );
    assert_eq!(wrong("contact = [\"mailto:a@b\"]\n"), ["8: acme.contact: \"mailto:a@b\" is no mail address"]);
    assert_eq!(wrong("webroot = \"none\"\n"), ["8: acme.webroot: ./none is no folder"]);
    assert!(wrong("ca = \"none.pem\"\n")[0].starts_with("8: acme.ca: ./none.pem cannot be read"));
    for name in ["*.example.org", "192.0.2.1", "exämple.org", "a..b", ""] {
        let text = format!("{LEAST}{}", ACME.replace("mail.example.org", name));
        let what = format!("6: acme.names: {name:?} is no name that can be shown to be ours");
        assert_eq!(problems(&text), [what]);
    }
    let text = format!("{LEAST}{}", ACME.replace("true", "false"));
    assert_eq!(
        problems(&text),
        ["7: acme.agree_terms: nobody has agreed to the terms of service of the authority"]
    );
    let alone = format!("{LEAST}[acme]\nnames = [\"a.example\"]\nagree_terms = true\n");
    assert_eq!(problems(&alone), ["3: acme.challenge: nobody would answer http-01"]);
    let listen = "[[listen]]\nprotocol = \"pop3\"\naddress = \"127.0.0.1:1\"\n";
    let alone =
        format!("{LEAST}{listen}{}challenge = \"tls-alpn-01\"\n", &ACME[ACME.find("[acme]").unwrap()..]);
    assert_eq!(problems(&alone), ["9: acme.challenge: nobody would answer tls-alpn-01"]);
    assert_eq!(
        problems(&format!("{LEAST}{}", ACME.replace("\"acme\"\n", "\"acme\"\ntls = \"starttls\"\n"))),
        ["5: http-01 is asked for without TLS"]
    );
    let idle = warnings(&folder(), &format!("{LEAST}[[listen]]\nprotocol = \"acme\"\n"));
    assert_eq!(idle, ["3: a listener with protocol = \"acme\", but no certificate is asked for"]);
}
