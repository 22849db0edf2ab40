//! What a typed name or an address means: case, domain and detail.

use proptest::prelude::*;

use super::*;

fn local() -> Settings {
    Settings { domains: vec!["Example.org".into(), "example.com".into()], ..Settings::default() }
}

fn by_address() -> Settings {
    Settings { form: NameForm::Address, default_domain: Some("example.net".into()), ..local() }
}

fn name(settings: &Settings, user: &str) -> String {
    settings.account_name(user.as_bytes()).map_or_else(|why| format!("{why:?}"), |name| name.to_string())
}

#[test]
fn case_domain_and_detail_are_taken_off() {
    let settings = local();
    for (typed, meant) in [
        ("bob", "bob"),
        ("BOB", "bob"),
        ("Bob@example.org", "bob"),
        ("bob@EXAMPLE.COM.", "bob"),
        ("bob+lists@example.org", "bob"),
        ("bob+a+b", "bob"),
        ("bob@example.edu", "ForeignDomain"),
        ("+lists@example.org", "Empty"),
        ("@example.org", "Empty"),
        ("bob@", "Empty"),
        ("a@b@example.org", "Character"),
        ("bob@[127.0.0.1]", "Character"),
        ("bob smith", "bob smith"),
    ] {
        assert_eq!(name(&settings, typed), meant, "{typed}");
    }
}

#[test]
fn accounts_by_address_keep_the_domain() {
    let settings = by_address();
    for (typed, meant) in [
        ("bob", "bob@example.net"),
        ("Bob+x@Example.ORG", "bob@example.org"),
        ("bob@example.net", "bob@example.net"),
        ("bob@example.edu", "ForeignDomain"),
        ("bob@../..", "Dots"),
        ("bob@example.org..", "Dots"),
        ("bob@example..org", "Dots"),
    ] {
        assert_eq!(name(&settings, typed), meant, "{typed}");
    }
    let without_default = Settings { default_domain: None, ..by_address() };
    assert_eq!(name(&without_default, "Bob"), "bob");
    let any = Settings { domains: Vec::new(), ..without_default };
    assert_eq!(name(&any, "Bob@Anywhere.Example"), "bob@anywhere.example");
    assert_eq!(name(&any, "bob@..",), "Dots");
}

#[test]
fn case_and_detail_can_be_left_alone() {
    let settings = Settings { lowercase: false, detail_separator: None, ..by_address() };
    assert_eq!(name(&settings, "Bob+x@Example.org"), "Bob+x@example.org");
    let minus = Settings { detail_separator: Some('-'), ..local() };
    assert_eq!(name(&minus, "bob-lists+x"), "bob");
}

#[test]
fn nothing_that_could_leave_the_root_is_a_name() {
    for settings in [local(), by_address(), Settings { domains: Vec::new(), ..by_address() }] {
        for typed in [
            "",
            ".",
            "..",
            "../etc",
            "/etc/passwd",
            "a/b",
            "a/../b",
            ".ssh",
            "a\0b",
            "a\nb",
            "bob@example.org/..",
            // Full-width solidus, full stops and at sign, which NFKC makes plain.
            "a\u{FF0F}b",
            "\u{FF0E}\u{FF0E}",
            "\u{2024}\u{2024}",
            "\u{2026}",
            "a\u{FF20}b@example.org",
        ] {
            let result = settings.account_name(typed.as_bytes());
            assert!(result.is_err(), "{typed:?} became {result:?}");
        }
        assert_eq!(settings.account_name(b"b\xF6b"), Err(InvalidName::NotUtf8));
        assert_eq!(settings.account_name(&b"a".repeat(256)), Err(InvalidName::TooLong));
        assert_eq!(settings.account_name(&b"a".repeat(1 << 20)), Err(InvalidName::TooLong));
    }
}

#[test]
fn r5034_4_17_names_are_prepared_with_saslprep() {
    let settings = local();
    for (typed, meant) in [
        ("B\u{F6}b", "b\u{F6}b"),
        ("BO\u{308}B", "b\u{F6}b"),
        ("\u{2168}", "ix"),
        ("bo\u{AD}b", "bob"),
        ("\u{FF22}ob\u{FF20}example.org", "bob"),
        ("\u{AD}", "Empty"),
        ("\u{3B1}\u{3A3}", "\u{3B1}\u{3C2}"),
        ("\u{5D0}\u{5D1}@example.org", "\u{5D0}\u{5D1}"),
        ("a\u{5D0}", "Character"),
        ("a\u{202E}b", "Character"),
    ] {
        assert_eq!(name(&settings, typed), meant, "{typed:?}");
    }
}

#[test]
fn quoted_local_parts_are_the_same_as_plain_ones() {
    let settings = local();
    let first = |address: &str| settings.recipient(address.as_bytes()).map(|names| names[0].to_string());
    assert_eq!(first("\"bob\"@example.org").unwrap(), "bob");
    assert_eq!(first("\"Bob Smith\"@example.org").unwrap(), "bob smith");
    assert_eq!(first("\"bo\\b+x\"@example.org").unwrap(), "bob");
    assert_eq!(first("\"bob\"").unwrap(), "bob");
    for damaged in [
        "\"bob@example.org",
        "bo\"b@example.org",
        "\"bob\"x@example.org",
        "\"bob\\",
        "bo\\b@example.org",
        "\"",
    ] {
        assert_eq!(
            first(damaged),
            Err(if damaged.starts_with("\"bob@") { InvalidName::Character } else { InvalidName::Quoting }),
            "{damaged}"
        );
    }
    assert_eq!(first("\"a@b\"@example.org"), Err(InvalidName::Character));
    assert_eq!(first("\"a\\@b\"@example.org"), Err(InvalidName::Character));
    assert_eq!(first("\"../x\"@example.org"), Err(InvalidName::Character));
}

#[test]
fn r5321_4_5_1_1_postmaster_finds_somebody() {
    let names = |settings: &Settings, address: &str| {
        settings.recipient(address.as_bytes()).unwrap().iter().map(AccountName::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(&local(), "Postmaster"), ["postmaster"]);
    assert_eq!(names(&local(), "POSTMASTER@example.com"), ["postmaster"]);
    let configured = Settings { postmaster: Some("Admin@example.org".into()), ..local() };
    assert_eq!(names(&configured, "postMaster"), ["postmaster", "admin"]);
    let configured = Settings { postmaster: Some("admin@example.org".into()), ..by_address() };
    assert_eq!(
        names(&configured, "postmaster@example.com"),
        ["postmaster@example.com", "admin@example.org", "postmaster@example.net"]
    );
    let cased = Settings { lowercase: false, ..local() };
    assert_eq!(names(&cased, "PostMaster"), ["PostMaster", "postmaster"]);
    assert_eq!(local().recipient(b"postmaster@example.edu"), Err(InvalidName::ForeignDomain));
    // To log in one must say who one is.
    assert_eq!(name(&configured, "postmaster@example.com"), "postmaster@example.com");
}

fn settings() -> impl Strategy<Value = Settings> {
    let domains =
        prop_oneof![Just(Vec::new()), Just(vec!["example.org".to_owned(), "b\u{FC}cher.example".to_owned()])];
    let default = prop_oneof![Just(None), Just(Some("Default.Example".to_owned()))];
    let form = prop_oneof![Just(NameForm::Local), Just(NameForm::Address)];
    let separator = prop_oneof![Just(None), Just(Some('+')), Just(Some('-')), Just(Some('\u{3C3}'))];
    (domains, default, form, separator, any::<bool>()).prop_map(
        |(domains, default_domain, form, detail_separator, lowercase)| Settings {
            domains,
            default_domain,
            form,
            detail_separator,
            lowercase,
            postmaster: None,
        },
    )
}

fn check(settings: &Settings, typed: &[u8]) -> Result<(), TestCaseError> {
    let Ok(name) = settings.account_name(typed) else { return Ok(()) };
    let again = settings.account_name(name.as_str().as_bytes());
    prop_assert_eq!(again, Ok(name.clone()));
    prop_assert!(name.as_str().len() <= 255 && !name.as_str().contains(['/', '\0']));
    let path = std::path::Path::new("/root").join(name.as_str());
    prop_assert_eq!(path.parent(), Some(std::path::Path::new("/root")));
    for part in [Some(name.local()), name.domain()].into_iter().flatten() {
        let components: Vec<_> = std::path::Path::new(part).components().collect();
        prop_assert!(matches!(components.as_slice(), [std::path::Component::Normal(_)]), "{:?}", part);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_name_is_normal_after_one_pass_and_stays_in_its_folder(
        settings in settings(),
        typed in "([a-zA-Z./+\\-@\"\\\\ ]|\u{FF0F}|\u{2025}|\u{130}|\u{3A3}|\u{5D0}|\u{FF20}|\u{1E9E}|\\PC){0,14}(@(example.org|B\u{DC}CHER.example|x\\.?)?[.\u{FF0E}]{0,2})?",
    ) {
        check(&settings, typed.as_bytes())?;
        if let Ok(names) = settings.recipient(typed.as_bytes()) {
            for name in names {
                check(&settings, name.as_str().as_bytes())?;
            }
        }
    }

    #[test]
    fn no_octets_make_it_panic(settings in settings(), typed in proptest::collection::vec(any::<u8>(), 0..40)) {
        check(&settings, &typed)?;
        let _ = settings.recipient(&typed);
    }
}
