//! `[[auth.source]]` with `type = "ldap"`: keys, and what they mean to `restante_sources::ldap`.

use super::{Wrong, check_authorities, check_secret};
use restante_auth::address;
use restante_auth::password::Scheme;
use restante_auth::settings::FIELDS;
use restante_config::problem::Problems;
use restante_config::section::{Lines, nearest};
use restante_config::value::{Fault, Hidden, Value, quote};
use restante_config::{choice, section};
use restante_sources::ldap::{Aliases, InvalidTemplate, Listing, Place, Scope, Server, Template};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

section! {
    #[derive(PartialEq, Eq)]
    /// Accounts in a directory that speaks LDAP.
    pub struct LdapSource {
        /// The servers: `ldaps://HOST`, `ldap://HOST`, `ldapi:///path/of/socket`. The one that answered last is asked first. Has no
        /// default.
        urls: Vec<String> = Vec::new();
        /// Is TLS started on `ldap://` before anything else is said? Default: yes, except with a server on this machine.
        starttls: Option<bool> = None;
        /// The authorities of the servers' certificates, PEM. Default: those that the machine trusts.
        ca: Option<PathBuf> = None;
        /// The entry of the account that searches. Default: nobody in particular searches.
        user: Option<String> = None;
        /// Its password.
        password: Option<Hidden> = None;
        /// A file with its password; a line end at its end does not count.
        password_file: Option<PathBuf> = None;
        /// Below which entry accounts are searched. Replaced in it: `{account}`, `{local}`, `{domain}`.
        base: Option<String> = None;
        /// How far below: `subtree` or `one`. Default `subtree`.
        scope: LdapScope = LdapScope::Subtree;
        /// What an account's entry is like, such as `(&(objectClass=person)(mail={account}))`, with the same places as `base`.
        filter: Option<String> = None;
        /// The name of an account's entry, such as `uid={local},ou=people,dc=example,dc=org`, in place of a search.
        bind_dn: Option<String> = None;
        /// Which attribute says which field of an account: `{ home = "homeDirectory" }`. With one for `password`, passwords
        /// are read, and the server is not asked about them. Default: none.
        fields: Attributes = Attributes::default();
        /// The scheme of a password that is read and names none. Default `PLAIN`.
        scheme: String = "PLAIN".to_owned();
        /// What the entry of an alias is like, such as `(mailAlternateAddress={account})`; `{account}` is `@example.org` for what is for no
        /// other name of that domain. Default: none, and there are no aliases here.
        alias_filter: Option<String> = None;
        /// The attribute of that entry with the name of the account that mail goes to: `uid`, `mail`, `mailRoutingAddress`.
        alias_account: Option<String> = None;
        /// Below which entry aliases are searched, as far as `scope` says. Default: `base`.
        alias_base: Option<String> = None;
        /// What the entry of an account is like, whoever's it is, such as `(objectClass=mailAccount)`. Default: none, and accounts
        /// cannot be listed.
        list_filter: Option<String> = None;
        /// The attribute of that entry with the name of the account: what `filter` compares with `{account}` or `{local}`. Each of
        /// its values names an account.
        list_account: Option<String> = None;
        /// Below which entry accounts are listed, as far as `scope` says. Default: `base`.
        list_base: Option<String> = None;
        /// Questions at the same time, and idle connections of each kind (searches, binds). From 1 to 256; default 8.
        connections: u64 = 8, in 1..=256;
        /// Seconds for one answer, with all that it takes. From 1 to 60; default 3.
        timeout_s: u64 = 3, in 1..=60;
    }
}

choice! {
    /// How far below the base is searched.
    pub enum LdapScope {
        /// Right below it.
        One = "one",
        /// At it and everywhere below.
        Subtree = "subtree",
    }
}

impl From<LdapScope> for Scope {
    fn from(scope: LdapScope) -> Self {
        match scope {
            LdapScope::One => Self::One,
            LdapScope::Subtree => Self::Subtree,
        }
    }
}

/// Which attribute says which field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<(&'static str, String)>);

impl Value for Attributes {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let remedy = "write the fields and their attributes, such as { home = \"homeDirectory\" }";
        let DeValue::Table(table) = written else {
            return Err(Fault::kind(written, "a table", remedy));
        };
        let mut attributes = Vec::new();
        for (field, attribute) in table {
            let field = field.get_ref().as_ref();
            let known = FIELDS.into_iter().find(|known| *known == field).ok_or_else(|| {
                let remedy = match nearest(field, &FIELDS) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("there are {}", FIELDS.join(", ")),
                };
                Fault::new(format!("there is no field {field:?}"), remedy)
            })?;
            let attribute = String::read(attribute.get_ref())?;
            if !is_attribute(&attribute) {
                return Err(Fault::new(format!("{attribute:?} is no attribute"), remedy));
            }
            attributes.push((known, attribute));
        }
        Ok(Self(attributes))
    }

    fn show(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let pairs = self.0.iter().map(|(field, attribute)| format!("{field} = {}", quote(attribute)));
        Some(format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", ")))
    }
}

/// Whether it can be the name of an attribute. RFC 4512, 2.5: letters, digits and hyphens, with options behind semicolons.
fn is_attribute(text: &str) -> bool {
    let is_of_name = |letter: u8| letter.is_ascii_alphanumeric() || b"-;.".contains(&letter);
    !text.is_empty() && text.bytes().all(is_of_name)
}

impl LdapSource {
    /// The servers.
    pub(crate) fn servers(&self) -> Result<Vec<Server>, Wrong> {
        let server = |url: &String| {
            Server::parse(url, self.starttls).map_err(|why| ("urls", format!("{url:?}: {why}"), URLS_REMEDY))
        };
        match self.urls.as_slice() {
            [] => Err(("", "a directory without a server".to_owned(), URLS_REMEDY)),
            urls => urls.iter().map(server).collect(),
        }
    }

    /// How entries are found.
    pub(crate) fn place(&self) -> Result<Place, Wrong> {
        let filter = self.filter.as_deref().map(Template::of_filter).transpose();
        let filter = filter.map_err(|why| ("filter", why.to_string(), "correct the filter"))?;
        let name = |key, text: &str| {
            Template::of_name(text).map_err(|why| (key, why.to_string(), "correct the name of the entry"))
        };
        match (&self.base, &self.bind_dn, filter) {
            (Some(base), None, Some(filter)) => {
                Ok(Place::Search { base: name("base", base)?, scope: self.scope.into(), filter })
            }
            (None, Some(dn), filter) => Ok(Place::Name { dn: name("bind_dn", dn)?, filter }),
            (Some(_), Some(_), _) => Err((
                "bind_dn",
                "entries are to be searched (base) and to have made names (bind_dn)".to_owned(),
                "leave one of them",
            )),
            _ => Err((
                "",
                "it is not said how an account's entry is found".to_owned(),
                "add base and filter, or bind_dn",
            )),
        }
    }

    /// How the accounts of aliases are found, if they are.
    pub(crate) fn aliases(&self, addresses: address::Settings) -> Result<Option<Aliases>, Wrong> {
        let (filter, attribute) = match (&self.alias_filter, &self.alias_account) {
            (None, None) if self.alias_base.is_none() => return Ok(None),
            (Some(filter), Some(attribute)) => (filter, attribute),
            _ => {
                let what = "it is said in part how aliases are found".to_owned();
                return Err(("", what, "add alias_filter and alias_account, or leave all alias_ keys out"));
            }
        };
        let Some(base) = self.alias_base.as_ref().or(self.base.as_ref()) else {
            return Err((
                "alias_filter",
                "it is not said where aliases are searched".to_owned(),
                "add alias_base",
            ));
        };
        let read = |key, read: Result<Template, InvalidTemplate>| {
            read.map_err(|why| (key, why.to_string(), "correct it"))
        };
        let filter = read("alias_filter", Template::of_filter(filter))?;
        let key = if self.alias_base.is_some() { "alias_base" } else { "base" };
        let base = read(key, Template::of_name(base))?;
        if !filter.has_placeholders() && !base.has_placeholders() {
            let what = "whatever the name, this finds the same entry".to_owned();
            return Err((
                "alias_filter",
                what,
                "put {account} where the alias stands: (mailAlternateAddress={account})",
            ));
        }
        if !is_attribute(attribute) {
            let what = format!("{attribute:?} is no attribute");
            return Err(("alias_account", what, "name one, such as uid or mail"));
        }
        Ok(Some(Aliases { base, scope: self.scope.into(), filter, attribute: attribute.clone(), addresses }))
    }

    /// How all accounts are found, if they are.
    pub(crate) fn listing(&self, addresses: address::Settings) -> Result<Option<Listing>, Wrong> {
        let (filter, attribute) = match (&self.list_filter, &self.list_account) {
            (None, None) if self.list_base.is_none() => return Ok(None),
            (Some(filter), Some(attribute)) => (filter, attribute),
            _ => {
                let what = "it is said in part how accounts are listed".to_owned();
                return Err(("", what, "add list_filter and list_account, or leave all list_ keys out"));
            }
        };
        let constant = |key, read: Result<Template, InvalidTemplate>| {
            let template = read.map_err(|why| (key, why.to_string(), "correct it"))?;
            let what = || format!("{key} depends on the name of one account, and all are to be listed");
            template.constant().ok_or_else(|| (key, what(), LIST_REMEDY))
        };
        let filter = constant("list_filter", Template::of_filter(filter))?;
        let base = match (&self.list_base, &self.base) {
            (Some(base), _) => constant("list_base", Template::of_name(base))?,
            (None, Some(base)) => constant("base", Template::of_name(base))?,
            (None, None) => {
                let what = "it is not said where accounts are listed".to_owned();
                return Err(("list_filter", what, "add list_base"));
            }
        };
        if !is_attribute(attribute) {
            let what = format!("{attribute:?} is no attribute");
            return Err(("list_account", what, "name one, such as uid or mail"));
        }
        let (attribute, scope) = (attribute.clone(), self.scope.into());
        Ok(Some(Listing { base, scope, filter, attribute, addresses }))
    }

    /// The scheme of passwords that name none.
    pub(crate) fn scheme(&self) -> Result<Scheme, Wrong> {
        let unknown = || {
            ("scheme", format!("there is no scheme {:?}", self.scheme), "write one such as PLAIN or CRYPT")
        };
        Scheme::from_name(&self.scheme).ok_or_else(unknown)
    }

    /// The longest wait.
    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        let start = |path: &mut PathBuf| *path = folder.join(&*path);
        self.ca.iter_mut().for_each(start);
        self.password_file.iter_mut().for_each(start);
    }

    pub(super) fn check(&self, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
        let at = |key: &str| if key.is_empty() { name.to_owned() } else { format!("{name}.{key}") };
        let aliases = self.aliases(address::Settings::default());
        let listing = self.listing(address::Settings::default());
        let wrong =
            [self.servers().err(), self.place().err(), self.scheme().err(), aliases.err(), listing.err()];
        for (key, what, remedy) in wrong.into_iter().flatten() {
            problems.error(lines.at(&at(key)), what, remedy);
        }
        for server in self.servers().into_iter().flatten().filter(Server::is_in_clear) {
            problems.warning(
                lines.at(&at("starttls")),
                format!("passwords go to {server} in clear"),
                "leave starttls out, or name the server as ldaps://",
            );
        }
        let has_password = self.password.is_some() || self.password_file.is_some();
        if self.user.is_some() != has_password {
            problems.error(
                lines.at(&at("user")),
                "of the account that searches only the name or only the password is there",
                "add user and password or password_file, or leave all of them out",
            );
        }
        if self.user.as_deref().is_some_and(|user| user.trim().is_empty()) {
            problems.error(lines.at(&at("user")), "the account that searches has no name", "name its entry");
        }
        check_secret(self.password.as_ref(), self.password_file.as_deref(), name, lines, problems);
        check_authorities(self.ca.as_deref(), name, lines, problems);
    }
}

const LIST_REMEDY: &str =
    "leave {account}, {local} and {domain} out of list_filter, and add a list_base without them";

const URLS_REMEDY: &str =
    "name it as in urls = [\"ldaps://ldap.example.org\"], or with ldap:// or ldapi:///path";
