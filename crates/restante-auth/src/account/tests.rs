//! Names that are refused, and names that stay as they are.

use super::*;

#[test]
fn names_that_could_leave_the_root_are_refused() {
    for (name, why) in [
        ("", InvalidName::Empty),
        ("@example.org", InvalidName::Empty),
        ("bob@", InvalidName::Empty),
        (".", InvalidName::Dots),
        ("..", InvalidName::Dots),
        (".ssh", InvalidName::Dots),
        ("a..b", InvalidName::Dots),
        ("bob@.org", InvalidName::Dots),
        ("bob@..", InvalidName::Dots),
        ("../etc/passwd", InvalidName::Character),
        ("a/b", InvalidName::Character),
        ("bob@a/b", InvalidName::Character),
        ("a\0b", InvalidName::Character),
        ("a\nb", InvalidName::Character),
        ("a\u{7f}b", InvalidName::Character),
        ("a\u{85}b", InvalidName::Character),
        ("a@b@c", InvalidName::Character),
    ] {
        assert_eq!(AccountName::new(name), Err(why), "{name:?}");
    }
    assert_eq!(AccountName::new(&"a".repeat(256)), Err(InvalidName::TooLong));
}

#[test]
fn a_name_falls_into_its_parts() {
    let name = AccountName::new("bob@example.org").unwrap();
    assert_eq!((name.local(), name.domain(), name.as_str()), ("bob", Some("example.org"), "bob@example.org"));
    let name = AccountName::new("bob").unwrap();
    assert_eq!((name.local(), name.domain()), ("bob", None));
    assert!(AccountName::new(&"a".repeat(255)).is_ok());
}
