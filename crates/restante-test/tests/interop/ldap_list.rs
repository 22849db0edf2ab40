//! All accounts of a real slapd: page by page, past its limits or with an error, and for what goes through all accounts.

use std::fs::{self, File};
use std::time::{Duration, Instant, SystemTime};

use restante_auth::account::Account;
use restante_auth::address::{NameForm, Settings as Addresses};
use restante_auth::directory::{Directory, SourceError};
use restante_sources::ldap::{LdapDirectory, Listing, Scope, Settings};
use restante_test::real::site::Site;
use restante_test::real::slapd::{SEARCHER, Slapd, person, unit};
use restante_test::real::{Server, Setup};

use crate::ldap::{by_search, settings, site};

/// More than slapd gives anybody who has not been allowed more, and no whole number of pages.
const MANY: usize = 620;

fn many() -> String {
    let people = (0..MANY).map(|number| {
        let name = format!("p{number:04}");
        person("people", &name, "tulip", &format!("mail: {name}@example.org\nemployeeNumber: {number}\n"))
    });
    [unit("people"), unit("other")].into_iter().chain(people).collect()
}

/// Lets the searcher have everything, page by page.
fn allow_all(site: &Site, slapd: &mut Slapd) {
    let configuration = site.path().join("slapd/slapd.conf");
    let text = fs::read_to_string(&configuration).unwrap();
    slapd.stop();
    fs::write(&configuration, format!("{text}limits dn.exact=\"{}\" size.prtotal=unlimited\n", SEARCHER.0))
        .unwrap();
    slapd.start_again();
}

fn listing(filter: &str, attribute: &str) -> Listing {
    Listing {
        base: "ou=people,dc=example,dc=org".to_owned(),
        scope: Scope::Subtree,
        filter: filter.to_owned(),
        attribute: attribute.to_owned(),
        addresses: Addresses { form: NameForm::Address, ..Addresses::default() },
    }
}

fn list(settings: Settings) -> Result<Option<Vec<Account>>, SourceError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let directory = LdapDirectory::new(settings).unwrap();
    runtime.block_on(directory.list(Instant::now()))
}

#[test]
fn r2696_3_a_list_comes_in_pages_and_is_whole_or_an_error() {
    let site = site(false);
    let mut slapd = Slapd::start(&site, &many());
    let url = slapd.url();
    let own = |listing: Option<Listing>| {
        let mut settings = settings(&url, by_search("(mail={account})"));
        settings.fields.push(("password", "userPassword".to_owned()));
        settings.list = listing;
        settings
    };
    assert!(list(own(None)).unwrap().is_none(), "nothing says how");
    let all = || listing("(objectClass=inetOrgPerson)", "mail");
    let cut = list(own(Some(all()))).unwrap_err();
    assert!(cut.to_string().contains("the server does not list all accounts: code 4"), "{cut}");
    assert!(cut.to_string().contains("size.prtotal=unlimited") && !cut.is_temporary(), "{cut}");
    allow_all(&site, &mut slapd);
    let before = slapd.log().matches("SRCH base").count();
    let accounts = list(own(Some(all()))).unwrap().unwrap();
    assert_eq!(accounts.len(), MANY);
    for number in [0, 249, 250, 499, 500, MANY - 1] {
        let account = accounts
            .iter()
            .find(|account| account.name.as_str() == format!("p{number:04}@example.org"))
            .unwrap_or_else(|| panic!("no account {number}"));
        assert_eq!(account.home.as_deref(), Some(format!("/home/p{number:04}").as_ref()));
        let octets = account.quota.octets.and_then(restante_auth::account::Bound::max);
        assert_eq!(octets, (number > 0).then(|| u64::try_from(number).unwrap()), "its own settings");
    }
    let log = slapd.log();
    assert_eq!(log.matches("SRCH base").count() - before, MANY.div_ceil(250), "{log}");
    assert!(!log.contains("userPassword"), "nobody's password is asked for");
    slapd.stop();
    assert!(list(own(Some(all()))).unwrap_err().is_temporary());
}

#[test]
fn entries_that_cannot_be_listed_are_named() {
    let entries = [
        unit("people"),
        person("people", "carol", "tulip", "mail: carol@example.org\nmail: caro@example.org\n"),
        person("people", "dave", "daisy", "employeeType: TRUE\n"),
    ]
    .concat();
    let site = site(false);
    let slapd = Slapd::start(&site, &entries);
    let says = |listing: Listing| {
        let mut settings = settings(&slapd.url(), by_search("(mail={account})"));
        settings.list = Some(listing);
        match list(settings) {
            Ok(accounts) => {
                let mut names: Vec<_> =
                    accounts.unwrap().iter().map(|account| account.name.to_string()).collect();
                names.sort();
                names.join(" ")
            }
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(
        says(listing("(&(objectClass=inetOrgPerson)(mail=*))", "MAIL")),
        "caro@example.org carol@example.org",
    );
    let nameless = says(listing("(objectClass=inetOrgPerson)", "mail"));
    assert!(nameless.contains("uid=dave,") && nameless.contains("is listed and has no mail"), "{nameless}");
    let odd = says(listing("(uid=carol)", "homeDirectory"));
    assert!(odd.contains("is listed with the account \"/home/carol\""), "{odd}");
    let nowhere = Listing { base: "ou=none,dc=example,dc=org".to_owned(), ..listing("(uid=*)", "mail") };
    let nowhere = says(nowhere);
    assert!(nowhere.contains("there is no entry \"ou=none,dc=example,dc=org\" to list accounts below"));
}

/// What goes through all accounts: the list of maildrops, and expiry, which finds them as the daily round does.
#[test]
fn expiry_finds_the_maildrops_of_a_directory() {
    let site = Site::new(&Setup::default());
    let mut slapd = Slapd::start(&site, &many());
    for name in ["p0000", "p0619"] {
        site.make_maildrop(name);
        let file = site.drop_named(name, "1700000001.a", b"Subject: old\n\nmail\n");
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_001);
        File::options().write(true).open(file).unwrap().set_modified(old).unwrap();
    }
    let source = format!(
        "[[auth.source]]\ntype = \"ldap\"\nurls = [\"{}\"]\nuser = \"{}\"\npassword = \"{}\"\n\
         base = \"ou=people,dc=example,dc=org\"\nfilter = \"(uid={{local}})\"\n",
        slapd.url(),
        SEARCHER.0,
        SEARCHER.1
    );
    let mut setup = Setup::default();
    setup
        .restante
        .push(("maildrop".to_owned(), "expire = \"90 days\"\nexpire_from = \"delivery\"".to_owned()));
    setup.restante.push(("auth.source".to_owned(), source));
    let server = Server::restante_at(site, &setup);
    let (status, checked) = server.restante(&["config", "check"]);
    assert!(status == 0 && checked.contains("cannot list its accounts"), "{checked}");
    let toml = server.site().path().join("restante.toml");
    let text = fs::read_to_string(&toml).unwrap();
    let lines =
        "filter = \"(uid={local})\"\nlist_filter = \"(objectClass=posixAccount)\"\nlist_account = \"uid\"\n";
    fs::write(&toml, text.replace("filter = \"(uid={local})\"\n", lines)).unwrap();
    let (status, checked) = server.restante(&["config", "check", "--connect"]);
    assert!(status == 0 && !checked.contains("cannot list"), "{status}: {checked}");
    let expire = || server.restante(&["maildrop", "expire", "--all", "--json"]);
    let (status, cut) = expire();
    assert!(status != 0 && cut.contains("does not list all accounts"), "{status}: {cut}");
    allow_all(server.site(), &mut slapd);
    let (status, expired) = expire();
    assert!(status == 0, "{status}: {expired}");
    for name in ["p0000", "p0619"] {
        assert!(expired.contains(&format!("\"account\":\"{name}\"")), "{expired}");
        assert_eq!(fs::read_dir(server.site().maildrop(name).join("new")).unwrap().count(), 0);
    }
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, text.replace("list_account = \"uid\"", "list_account = \"mobile\"")).unwrap();
    let (status, checked) = server.restante(&["config", "check", "--connect"]);
    assert!(status == 78 && checked.contains("is listed and has no mobile"), "{status}: {checked}");
}
