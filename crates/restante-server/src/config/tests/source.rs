//! What every `[[auth.source]]` has, whatever its kind.

use super::super::source::SourcePart;
use super::*;

fn with(auth: &str, sources: &[&str]) -> String {
    let tables = sources.iter().map(|keys| format!("[[auth.source]]\npath = \"users\"\n{keys}\n"));
    format!(
        "[maildrop]\npath = \"/var/mail/{{account}}\"\n[auth]\n{auth}\n{}",
        tables.collect::<Vec<_>>().join("")
    )
}

#[test]
fn a_source_has_domains_and_a_part() {
    let text = with(
        "name = \"address\"\ndomains = [\"example.org\", \"example.net\"]",
        &["domains = [\"Example.ORG.\"]\npart = \"passwords\"", "part = \"settings\"", ""],
    );
    let config = read(&folder(), &text).unwrap();
    let any = |position: usize| &config.sources[position].any;
    assert_eq!(
        (any(0).part, any(0).domains.as_slice()),
        (SourcePart::Passwords, &["Example.ORG.".into()][..])
    );
    assert_eq!((any(1).part, any(2).part), (SourcePart::Settings, SourcePart::Both));
    assert_eq!(config.warnings, []);
}

#[test]
fn domains_that_no_account_can_have_are_said() {
    same_lines(
        &problems(&with("", &["domains = [\"example.org\"]"])),
        &["7: auth.source.0.domains: accounts are named without domain, so the source would never be asked"],
    );
    same_lines(
        &problems(&with(
            "name = \"address\"\ndomains = [\"example.org\"]",
            &["domains = [\"a b\", \"example.com\", \"EXAMPLE.org\"]", "part = \"none\"\ncache_s = 4000"],
        )),
        &[
            "8: auth.source.0.domains: \"a b\" is no domain",
            "8: auth.source.0.domains: \"example.com\" is not one of auth.domains",
            "11: auth.source.1.part: \"none\" is not known",
            "12: auth.source.1.cache_s = 4000 is out of bounds",
        ],
    );
}

#[test]
fn sources_without_passwords_are_warned_of() {
    let warnings = |sources: &[&str]| read(&folder(), &with("", sources)).unwrap().warnings;
    let warned = warnings(&["part = \"settings\""]);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(warned[0].what, "no source gives passwords: nobody can log in with one");
    assert_eq!(warnings(&["part = \"settings\"", "part = \"passwords\""]), []);
}

#[test]
fn a_memory_that_is_never_used_is_warned_of() {
    let config = read(&folder(), &with("", &["cache_s = 5"])).unwrap();
    assert_eq!(config.sources[0].any.cache_s, 5);
    let warned: Vec<_> = config.warnings.iter().map(|warning| warning.what.as_str()).collect();
    assert_eq!(warned, ["auth.source.0.cache_s has no effect: what this source stores is compared here"]);
}

#[test]
fn weak_schemes_are_allowed_with_a_warning() {
    let folder = folder();
    assert!(!read(&folder, LEAST).unwrap().auth.allow_weak_schemes);
    let config = read(&folder, &with("allow_weak_schemes = true", &[""])).unwrap();
    assert!(config.auth.allow_weak_schemes);
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].what.starts_with("auth.allow_weak_schemes: whoever steals"));
    same_lines(
        &problems(&with("allow_weak_schemes = 1", &[""])),
        &["4: auth.allow_weak_schemes: this is a whole number, but true or false is wanted"],
    );
}

#[test]
fn expiry_that_cannot_find_its_maildrops_is_warned_of() {
    let warnings = |source: &str| {
        let text = format!(
            "[maildrop]\npath = \"/srv/{{local}}\"\nexpire = \"90 days\"\n[[auth.source]]\n{source}\n[[auth.source]]\npath = \"users\"\n"
        );
        let config = read(&folder(), &text).unwrap();
        config.warnings.iter().filter(|warning| warning.what.starts_with("maildrop.expire")).count()
    };
    assert_eq!(warnings("type = \"embedded\""), 0);
    assert_eq!(warnings("type = \"http\"\nurl = \"http://127.0.0.1:1/\""), 1);
    assert_eq!(warnings("type = \"http\"\nurl = \"http://127.0.0.1:1/\"\npart = \"passwords\""), 0);
}
