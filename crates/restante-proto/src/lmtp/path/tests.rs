//! Paths that are taken, paths that are not, and the way back to text.

use alloc::format;
use alloc::string::ToString;

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> Option<String> {
    ForwardPath::cut(text).ok().filter(|(_, rest)| rest.is_empty()).map(|(path, _)| path.mailbox().address())
}

#[test]
fn good_paths() {
    for (text, expected) in [
        ("<a@b>", "a@b"),
        ("<a>", "a"),
        ("<postmaster>", "postmaster"),
        ("<a.b+c=d@x-y.example>", "a.b+c=d@x-y.example"),
        ("<@one,@two.example:a@b>", "a@b"),
        ("<@[192.0.2.1]:a@b>", "a@b"),
        (r#"<"a b"@c>"#, "a b@c"),
        (r#"<"Joe\,Smith"@c>"#, "Joe,Smith@c"),
        (r#"<"a@b>"@c>"#, "a@b>@c"),
        (r#"<"\"\\"@c>"#, r#""\@c"#),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
        ("<a@[x-tag:some,text]>", "a@[x-tag:some,text]"),
        ("<用户@例え.example>", "用户@例え.example"),
        ("<a..b.@c>", "a..b.@c"),
        ("<a@host_name.example>", "a@host_name.example"),
    ] {
        assert_eq!(address(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn bad_paths() {
    let long_label = format!("<a@{}>", "x".repeat(256));
    let long_local = format!("<{}@b>", "x".repeat(257));
    for text in [
        "",
        "a@b",
        "<",
        "<a@b",
        "<>",
        "<@b>",
        "<a@>",
        "<a@b c>",
        "<a b@c>",
        "<a@b@c>",
        "<a@.b>",
        "<a@b.>",
        "<a@-b>",
        "<a@b->",
        "<a@b..c>",
        "<@one:>",
        "<@one,a@b>",
        "<@one,:a@b>",
        "<@one a@b>",
        "<@@:a@b>",
        "<\"a@b>",
        "<\"\"@b>",
        "<\"a\"b@c>",
        "<\"a\\",
        "<a@[]>",
        "<a@[300.1.1.1]>",
        "<a@[IPv6:1.2.3.4]>",
        "<a@[x:]>",
        "<a@[:x]>",
        "<a@[x",
        "<a,b@c>",
        "<a(x)@c>",
        "<a@b!c>",
        "<a\u{7f}@c>",
        "<\"a\tb\"@c>",
        "<\"\\é\"@c>",
        &long_label,
        &long_local,
    ] {
        assert_eq!(address(text), None, "{text}");
    }
}

#[test]
fn the_null_path_is_a_sender_only() {
    assert_eq!(ReversePath::cut("<> SIZE=1"), Ok((ReversePath::Null, " SIZE=1")));
    assert!(ForwardPath::cut("<>").is_err());
    assert_eq!(ReversePath::Null.to_string(), "<>");
}

#[test]
fn quotes_are_used_where_needed_only() {
    for (local, expected) in
        [("a.b", "a.b@x"), ("a b", "\"a b\"@x"), ("a.", "\"a.\"@x"), ("a\"\\", "\"a\\\"\\\\\"@x")]
    {
        assert_eq!(Mailbox::new(local, Some("x")).unwrap().to_string(), expected);
    }
}

#[test]
fn mailboxes_cannot_break_a_line() {
    assert!(Mailbox::new("a\r\nb", None).is_none());
    assert!(Mailbox::new("a", Some("x\r\nRCPT TO:<b>")).is_none());
    assert!(Mailbox::new("", None).is_none());
    assert!(Mailbox::new("a", Some("")).is_none());
}

proptest! {
    #[test]
    fn display_and_cut_are_inverse(local in "\\PC{1,20}", domain in prop::option::of("[a-z0-9é]{1,5}(\\.[a-z]{1,5}){0,2}")) {
        let mailbox = Mailbox::new(&local, domain.as_deref());
        prop_assume!(mailbox.is_some());
        let path = ForwardPath::new(mailbox.unwrap());
        let text = format!("{path} rest");
        prop_assert_eq!(ForwardPath::cut(&text), Ok((path, " rest")));
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,60}", ascii in "<?[@<>\\[\\]\",:.\\\\a-c ]{0,30}>?") {
        let _ = ForwardPath::cut(&text);
        let _ = ReversePath::cut(&ascii);
    }
}
