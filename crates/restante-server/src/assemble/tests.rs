//! Where the maildrops of accounts lie, and which are refused.

use super::*;
use restante_auth::account::{AccountName, Owner};

/// The configuration with these lines in `[maildrop]` and `[server]`.
fn config(maildrop: &str, server: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users"), "bob:{PLAIN}secret\n").unwrap();
    let text = format!("[[auth.source]]\npath = \"users\"\n[maildrop]\n{maildrop}\n[server]\n{server}\n");
    crate::config::parse(&text, &folder.path().join("restante.toml")).unwrap()
}

/// Bob, whose source says that his maildrop is this.
fn bob(maildrop: &str) -> Account {
    let mut account = Account::new(AccountName::new("bob").unwrap());
    account.maildrop = Some(maildrop.into());
    account
}

/// Bob, of whom his source says the home alone.
fn at_home(home: &str) -> Account {
    Account::new(AccountName::new("bob").unwrap()).with_home(Some(home.into()))
}

const LOCAL: &str = "path = \"/srv/mail/{local}\"";
const ROOTS: &str = "path = \"/srv/mail/{local}\"\nroots = [\"/srv/more\", \"/home\"]";

#[test]
fn a_maildrop_outside_of_the_roots_is_refused() {
    let at = |config: &Config, path: &str| location(config, &bob(path));
    let config = config(ROOTS, "");
    for path in ["/srv/mail/elsewhere/bob", "/srv/more/bob", "/home/bob/Maildir", "/srv/more"] {
        assert_eq!(at(&config, path), Ok(Location::Maildir(path.into())), "{path}");
    }
    for path in [
        "/etc",
        "/srv/mail2/bob",
        "/srv/morella/bob",
        "/srv",
        "/",
        "/srv/mail/../../etc",
        "/home/bob/../../etc",
    ] {
        assert_eq!(at(&config, path), Err(TemplateError::Outside), "{path}");
    }
    assert_eq!(location(&config, &at_home("/srv")), Ok(Location::Maildir("/srv/mail/bob".into())));
}

#[test]
fn without_roots_the_folder_of_the_path_is_the_root_and_without_walls_there_is_none() {
    let known = config(LOCAL, "");
    assert_eq!(location(&known, &bob("/srv/more/bob")), Err(TemplateError::Outside));
    let open = config(LOCAL, "confine = \"off\"");
    assert_eq!(location(&open, &bob("/etc/bob")), Ok(Location::Maildir("/etc/bob".into())));
    // Nothing is known of homes.
    let homes = config("path = \"{home}/Maildir\"", "");
    for home in ["/anywhere/bob", "/home/../anywhere/bob"] {
        let account = at_home(home);
        assert_eq!(location(&homes, &account), Ok(Location::Maildir(Path::new(home).join("Maildir"))));
    }
    let homes = config("path = \"{home}/Maildir\"\nroots = [\"/home\"]", "");
    for (home, is_inside) in [("/home/bob", true), ("/root", false), ("/home/../root", false)] {
        let account = at_home(home);
        assert_eq!(location(&homes, &account).is_ok(), is_inside, "{home}");
    }
}

#[test]
fn what_an_owner_may_touch_the_walls_of_the_server_do_not_bound() {
    let mut account = bob("/var/mail/bob");
    account.owner = Some(Owner { uid: 1000, gid: 1000 });
    assert!(location(&config(ROOTS, ""), &account).is_ok());
}
