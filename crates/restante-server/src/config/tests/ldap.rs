//! `[[auth.source]]` with `type = "ldap"`.

use super::*;

const LDAP: &str = "[[auth.source]]\ntype = \"ldap\"\n";
const SEARCH: &str = "urls = [\"ldaps://a.example\"]\nbase = \"dc=example\"\nfilter = \"(uid={local})\"\n";

#[test]
fn a_directory_is_read_and_shown_without_its_password() {
    let folder = folder();
    let text = format!(
        "{LDAP}{SEARCH}user = \"cn=x\"\npassword = \"hunter2\"\nca = \"cert.pem\"\nscope = \"one\"\nfields = {{ home = \"homeDirectory\" }}\n"
    );
    let config = read(&folder, &text).unwrap();
    assert_eq!(config.warnings, []);
    let AuthSource::Ldap(source) = &config.sources[0].own else { panic!("{:?}", config.sources) };
    assert_eq!(source.ca, Some(folder.path().join("cert.pem")));
    assert_eq!(source.fields.0, [("home", "homeDirectory".to_owned())]);
    let shown = config.show();
    assert!(shown.contains("fields = { home = \"homeDirectory\" }") && !shown.contains("hunter2"), "{shown}");
    assert!(!format!("{config:?}").contains("hunter2"));
    let direct = format!(
        "{LDAP}urls = [\"ldap://a.example\"]\nbind_dn = \"uid={{local}},dc=example\"\nstarttls = false\n"
    );
    let warnings = read(&folder, &direct).unwrap().warnings;
    assert!(warnings[0].what.contains("in clear"), "{warnings:?}");
}

#[test]
fn what_is_wrong_with_a_directory_is_said_at_its_line() {
    let wrong = |lines: &str| problems(&format!("{LDAP}{lines}"));
    assert_eq!(
        wrong(""),
        ["1: a directory without a server", "1: it is not said how an account's entry is found"]
    );
    assert_eq!(
        wrong("urls = [\"http://a\"]\nbase = \"dc=x\"\nfilter = \"(uid=\"\n"),
        [
            "3: \"http://a\": this is no address of a directory",
            "5: this is no filter of LDAP (RFC 4515), such as (&(objectClass=person)(mail={account}))"
        ]
    );
    assert_eq!(
        wrong(&format!("{SEARCH}bind_dn = \"uid={{user}}\"\n")),
        ["6: entries are to be searched (base) and to have made names (bind_dn)"]
    );
    assert_eq!(
        wrong("urls = [\"ldap://a\"]\nbind_dn = \"uid={user}\"\n"),
        ["4: a brace that begins no placeholder; there are {account}, {local} and {domain}"]
    );
    assert_eq!(
        wrong(&format!(
            "{SEARCH}fields = {{ hom = \"homeDirectory\" }}\nscheme = \"ROT13\"\nuser = \"cn=x\"\n"
        )),
        [
            "6: auth.source.0.fields: there is no field \"hom\"",
            "7: there is no scheme \"ROT13\"",
            "8: of the account that searches only the name or only the password is there"
        ]
    );
    assert_eq!(
        wrong(&format!("{SEARCH}user = \"x\"\npassword = \"a\"\npassword_file = \"none\"\nca = \"none\"\n")),
        [
            "8: the secret stands in password and in password_file",
            "8: the secret in ./none cannot be read: No such file or directory (os error 2)",
            "9: the authorities in ./none cannot be read: No such file or directory (os error 2)"
        ]
    );
}

#[test]
fn aliases_are_found_where_accounts_are_or_where_it_is_said() {
    let folder = folder();
    let base = |text: &str| {
        let config = read(&folder, text).unwrap();
        assert_eq!(config.warnings, []);
        let shown = config.show();
        assert!(shown.contains("alias_filter = \"(mailAlternateAddress={account})\""), "{shown}");
        let AuthSource::Ldap(source) = &config.sources[0].own else { panic!("{:?}", config.sources) };
        let aliases = source.aliases(restante_auth::address::Settings::default()).unwrap().unwrap();
        assert_eq!(aliases.attribute, "uid");
        format!("{:?} {:?}", aliases.base, aliases.scope)
    };
    const ALIASES: &str = "alias_filter = \"(mailAlternateAddress={account})\"\nalias_account = \"uid\"\n";
    let same = base(&format!("{LDAP}{SEARCH}scope = \"one\"\n{ALIASES}"));
    assert!(same.contains("dc=example") && same.ends_with("One"), "{same}");
    let direct = "urls = [\"ldaps://a.example\"]\nbind_dn = \"uid={local},dc=example\"\n";
    let own = base(&format!("{LDAP}{direct}{ALIASES}alias_base = \"ou=aliases\"\n"));
    assert!(own.contains("ou=aliases") && own.ends_with("Subtree"), "{own}");
    let wrong = |lines: &str| problems(&format!("{LDAP}{lines}"));
    assert_eq!(wrong(&format!("{direct}{ALIASES}")), ["5: it is not said where aliases are searched"]);
    for part in ["alias_filter = \"(mail={account})\"", "alias_account = \"uid\"", "alias_base = \"dc=x\""] {
        assert_eq!(
            wrong(&format!("{SEARCH}{part}\n")),
            ["1: it is said in part how aliases are found"],
            "{part}"
        );
    }
    let with = |filter: &str, account: &str, base: &str| {
        let text = format!("alias_filter = {filter:?}\nalias_account = {account:?}\nalias_base = {base:?}\n");
        wrong(&format!("{SEARCH}{text}"))
    };
    assert_eq!(with("(x=1)", "uid", "dc=x"), ["6: whatever the name, this finds the same entry"]);
    assert_eq!(with("(x={local})", "u id", "dc=x"), ["7: \"u id\" is no attribute"]);
    assert_eq!(
        with("(x={user})", "uid", "dc=x"),
        ["6: a brace that begins no placeholder; there are {account}, {local} and {domain}"]
    );
    assert_eq!(
        with("(x={local}", "uid", "dc=x"),
        ["6: this is no filter of LDAP (RFC 4515), such as (&(objectClass=person)(mail={account}))"]
    );
    assert_eq!(with("(x={local})", "uid", " "), ["8: the name of an entry is empty"]);
}

#[test]
fn accounts_are_listed_where_they_are_searched_or_where_it_is_said() {
    const LIST: &str = "list_filter = \"(objectClass=person)\"\nlist_account = \"mail\"\n";
    let folder = folder();
    let listed = |text: &str| {
        let config = read(&folder, text).unwrap();
        assert_eq!(config.warnings, []);
        assert!(config.sources[0].own.lists());
        let shown = config.show();
        assert!(shown.contains("list_filter = \"(objectClass=person)\""), "{shown}");
        let AuthSource::Ldap(source) = &config.sources[0].own else { panic!("{:?}", config.sources) };
        let listing = source.listing(restante_auth::address::Settings::default()).unwrap().unwrap();
        assert_eq!((listing.attribute.as_str(), listing.filter.as_str()), ("mail", "(objectClass=person)"));
        format!("{} {:?}", listing.base, listing.scope)
    };
    let expire = "[maildrop]\npath = \"/srv/{local}\"\nexpire = \"90 days\"\n";
    assert_eq!(listed(&format!("{expire}{LDAP}{SEARCH}scope = \"one\"\n{LIST}")), "dc=example One");
    let direct = "urls = [\"ldaps://a.example\"]\nbind_dn = \"uid={local},dc=example\"\n";
    assert_eq!(listed(&format!("{LDAP}{direct}{LIST}list_base = \"ou=people\"\n")), "ou=people Subtree");
    let wrong = |lines: &str| problems(&format!("{LDAP}{lines}"));
    assert_eq!(wrong(&format!("{direct}{LIST}")), ["5: it is not said where accounts are listed"]);
    for part in ["list_filter = \"(uid=*)\"", "list_account = \"uid\"", "list_base = \"dc=x\""] {
        let said = wrong(&format!("{SEARCH}{part}\n"));
        assert_eq!(said, ["1: it is said in part how accounts are listed"], "{part}");
    }
    let with = |filter: &str, account: &str, base: &str| {
        let text = format!("list_filter = {filter:?}\nlist_account = {account:?}\nlist_base = {base:?}\n");
        wrong(&format!("{SEARCH}{text}"))
    };
    let depends = "depends on the name of one account, and all are to be listed";
    assert_eq!(with("(mail={account})", "mail", "dc=x"), [format!("6: list_filter {depends}")]);
    assert_eq!(with("(mail=*)", "mail", "dc={domain}"), [format!("8: list_base {depends}")]);
    assert_eq!(with("(mail=*)", "m ail", "dc=x"), ["7: \"m ail\" is no attribute"]);
    assert_eq!(with("(mail=*)", "mail", " "), ["8: the name of an entry is empty"]);
    assert_eq!(
        with("(mail=*", "mail", "dc=x"),
        ["6: this is no filter of LDAP (RFC 4515), such as (&(objectClass=person)(mail={account}))"]
    );
    let search = "urls = [\"ldaps://a.example\"]\nbase = \"dc={domain}\"\nfilter = \"(uid={local})\"\n";
    assert_eq!(wrong(&format!("{search}{LIST}")), [format!("4: base {depends}")]);
}
