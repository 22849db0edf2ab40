//! `[[auth.token]]`: who says whose a bearer token is. Each kind has keys of its own.

use super::source::{check_authorities, check_secret};
use super::{Auth, Config, NameForm};
use crate::file;
use restante_auth::address;
use restante_config::problem::Problems;
use restante_config::section::{Lines, Section};
use restante_config::value::Hidden;
use restante_config::{choice, section};
use restante_proto::sasl::TokenTerms;
use restante_sources::http::{InvalidUrl, Url};
use restante_sources::oauth::algorithm::Algorithm;
use restante_sources::oauth::openid_configuration;
use std::path::{Path, PathBuf};

/// One `[[auth.token]]`: bearer tokens, for OAUTHBEARER and XOAUTH2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTable {
    /// What kind it is.
    pub any: AnyToken,
    /// The keys of its kind.
    pub own: TokenSource,
}

/// What one `[[auth.token]]` is, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// Digests in a file.
    File(TokenFile),
    /// Signed by an issuer.
    Jwks(Box<(TokenRules, JwksTokens)>),
    /// Known to an issuer.
    Introspection(Box<(TokenRules, IntrospectedTokens)>),
}

section! {
    #[derive(PartialEq, Eq)]
    /// What every table has.
    pub struct AnyToken {
        /// What kind it is. Default `file`.
        kind as "type": TokenSourceType = TokenSourceType::File;
    }
}

choice! {
    /// Kinds of token sources.
    pub enum TokenSourceType {
        /// Digests in a file.
        File = "file",
        /// Signed by an issuer, whose keys are fetched.
        Jwks = "jwks",
        /// Known to an issuer, who is asked.
        Introspection = "introspection",
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// Digests of tokens, `account:sha256[:expiry]`, one a line.
    pub struct TokenFile {
        /// The file. Has no default.
        path: Option<PathBuf> = None;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// What a token of an issuer must say, and which account it opens.
    pub struct TokenRules {
        /// Who gives the tokens: their claim `iss`, to the letter. Has no default; with `introspection` it may be left out.
        issuer: Option<String> = None;
        /// For whom they must be: one of these in the claim `aud`. With `introspection` it may be empty if there are `scopes`.
        audience: Vec<String> = Vec::new();
        /// What they must allow: all of these in the claim `scope` or `scp`. Default: none is needed.
        scopes: Vec<String> = Vec::new();
        /// The claim that names the account. Default `email` with `jwks`, `username` with `introspection`.
        claim: Option<String> = None;
        /// The domain that is put behind that claim, which then has none of its own. Default: the claim is taken as it is.
        domain: Option<String> = None;
        /// The domains whose accounts the issuer may open. Default: all of ours.
        domains: Vec<String> = Vec::new();
        /// Which accounts it may open: `listed`, those that a source of accounts knows, or `any`. Default `listed`.
        accounts: TokenAccounts = TokenAccounts::Listed;
        /// Seconds that the issuer's clock and ours may differ. From 0 to 300; default 60.
        leeway_s: u64 = 60, in 0..=300;
        /// The authorities of the issuer's certificate, PEM. Default: those that the machine trusts.
        ca: Option<PathBuf> = None;
        /// Seconds for one answer of the issuer, with all that it takes. From 1 to 60; default 3.
        timeout_s: u64 = 3, in 1..=60;
    }
}

choice! {
    /// Which accounts tokens may open.
    pub enum TokenAccounts {
        /// Those that a source knows.
        Listed = "listed",
        /// Whatever the issuer says.
        Any = "any",
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// Signed tokens (JWT).
    pub struct JwksTokens {
        /// Where the issuer's keys are. Default: where its discovery document says.
        jwks_uri: Option<String> = None;
        /// How tokens may be signed. Default: all that are known here, which are these.
        algorithms: Vec<String> = Algorithm::ALL.map(|algorithm| algorithm.name().to_owned()).to_vec();
        /// Must a token say that it is an access token (`typ: at+jwt`, RFC 9068)? Default false.
        at_jwt: bool = false;
        /// Seconds after which the keys are fetched again. From 60 to 86,400; default 3,600.
        refresh_s: u64 = 3_600, in 60..=86_400;
        /// Seconds between two fetches, also when a token names a key that is not known. From 1 to 3,600; default 30.
        retry_s: u64 = 30, in 1..=3_600;
        /// Seconds that keys stay good while the issuer cannot be reached. From 60 to 604,800; default 86,400.
        keep_s: u64 = 86_400, in 60..=604_800;
    }
}

section! {
    #[derive(PartialEq, Eq)]
    /// Tokens that the issuer is asked about (RFC 7662).
    pub struct IntrospectedTokens {
        /// Where to ask: `https://HOST/PATH`, or `http://` on this machine. Has no default.
        url: Option<String> = None;
        /// The client as whom the server asks. Default: none, and `password` is a token of the server's own.
        client_id: Option<String> = None;
        /// The client's secret.
        password: Option<Hidden> = None;
        /// A file with the client's secret; a line end at its end does not count.
        password_file: Option<PathBuf> = None;
        /// Seconds for which it is remembered that a token was good (as a keyed digest), and never longer than it lives; 0 switches
        /// it off. Default 60.
        cache_s: u64 = 60, in 0..=3_600;
        /// Questions at the same time. From 1 to 64; default 8.
        connections: u64 = 8, in 1..=64;
    }
}

impl TokenTable {
    /// The keys of all kinds together, for whoever wants to know whether they are documented.
    #[cfg(test)]
    pub(crate) const KEYS: &[&[&str]] =
        &[AnyToken::KEYS, TokenFile::KEYS, TokenRules::KEYS, JwksTokens::KEYS, IntrospectedTokens::KEYS];

    /// Reads the table, and reports the keys that its kind does not have.
    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        let any = AnyToken::read(section);
        let mut known = AnyToken::KEYS.to_vec();
        let own = match any.kind {
            TokenSourceType::File => {
                known.extend(TokenFile::KEYS);
                TokenSource::File(TokenFile::read(section))
            }
            TokenSourceType::Jwks => {
                known.extend(TokenRules::KEYS.iter().chain(JwksTokens::KEYS));
                TokenSource::Jwks(Box::new((TokenRules::read(section), JwksTokens::read(section))))
            }
            TokenSourceType::Introspection => {
                known.extend(TokenRules::KEYS.iter().chain(IntrospectedTokens::KEYS));
                let (rules, own) = (TokenRules::read(section), IntrospectedTokens::read(section));
                TokenSource::Introspection(Box::new((rules, own)))
            }
        };
        section.finish(&known);
        Self { any, own }
    }

    pub(super) fn show(&self, output: &mut String) {
        self.any.show(output);
        match &self.own {
            TokenSource::File(file) => file.show(output),
            TokenSource::Jwks(table) => {
                table.0.show(output);
                table.1.show(output);
            }
            TokenSource::Introspection(table) => {
                table.0.show(output);
                table.1.show(output);
            }
        }
    }

    /// Makes relative paths start at the folder of the configuration file.
    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        let start = |path: &mut PathBuf| *path = folder.join(&*path);
        match &mut self.own {
            TokenSource::File(file) => file.path.iter_mut().for_each(start),
            TokenSource::Jwks(table) => table.0.ca.iter_mut().for_each(start),
            TokenSource::Introspection(table) => {
                table.0.ca.iter_mut().for_each(start);
                table.1.password_file.iter_mut().for_each(start);
            }
        }
    }

    /// What an issuer's tokens must say; nothing for a file.
    pub(crate) fn rules(&self) -> Option<&TokenRules> {
        match &self.own {
            TokenSource::File(_) => None,
            TokenSource::Jwks(table) => Some(&table.0),
            TokenSource::Introspection(table) => Some(&table.0),
        }
    }
}

/// What a client is told whose token was refused (RFC 7628 section 3.2.2): what the first issuer of the configuration wants.
pub(crate) fn terms(tokens: &[TokenTable]) -> TokenTerms {
    let Some(rules) = tokens.iter().find_map(TokenTable::rules) else { return TokenTerms::default() };
    let issuer = rules.issuer.as_deref().filter(|issuer| Url::parse(issuer, false).is_ok());
    TokenTerms {
        scope: (!rules.scopes.is_empty()).then(|| rules.scopes.join(" ")),
        openid_configuration: issuer.map(openid_configuration),
        // By which names clients know this host, only they and the name servers know: nothing to compare with.
        hosts: Vec::new(),
    }
}

/// What must hold of each table beside the forms of single values.
pub(super) fn check_all(config: &Config, lines: &Lines, problems: &mut Problems<'_>) {
    for (position, table) in config.tokens.iter().enumerate() {
        let name = format!("auth.token.{position}");
        let mut place = Place { name: &name, lines, problems };
        match &table.own {
            TokenSource::File(file) => place.file(file),
            TokenSource::Jwks(table) => {
                place.rules(&table.0, &config.auth);
                place.jwks(&table.0, &table.1);
                check_authorities(table.0.ca.as_deref(), &name, lines, problems);
            }
            TokenSource::Introspection(table) => {
                place.rules(&table.0, &config.auth);
                place.introspection(&table.0, &table.1);
                let (password, path) = (table.1.password.as_ref(), table.1.password_file.as_deref());
                check_secret(password, path, &name, lines, problems);
                check_authorities(table.0.ca.as_deref(), &name, lines, problems);
            }
        }
    }
}

/// The table that is checked.
struct Place<'a, 'b, 'c> {
    name: &'a str,
    lines: &'a Lines,
    problems: &'b mut Problems<'c>,
}

impl Place<'_, '_, '_> {
    /// An error at a key, or with "" of the whole table.
    fn error(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let line = self.lines.at(&format!("{}.{key}", self.name));
        self.problems.error(line, what, remedy);
    }

    fn file(&mut self, file: &TokenFile) {
        let Some(path) = &file.path else {
            return self.error(
                "",
                "a file of tokens that is not named",
                "add path = \"/etc/restante/tokens\"",
            );
        };
        if let Err(error) = file::check_readable(path) {
            self.error(
                "path",
                format!("the tokens in {} cannot be read: {error}", path.display()),
                "write the file (account:sha256[:expiry], one a line), or correct the path or the permissions",
            );
        }
    }

    fn jwks(&mut self, rules: &TokenRules, own: &JwksTokens) {
        match (&rules.issuer, &own.jwks_uri) {
            (None, _) => self.error(
                "",
                "signed tokens of an issuer that is not named",
                "add issuer = \"https://id.example.org\", as it stands in the claim iss of its tokens",
            ),
            (Some(issuer), None) => self.address("issuer", issuer),
            (Some(_), Some(keys)) => self.address("jwks_uri", keys),
        }
        if rules.audience.is_empty() {
            self.error(
                "",
                "tokens that the issuer gave for any service would open maildrops",
                "add audience = [\"…\"], what stands in the claim aud of tokens that are for this server",
            );
        }
        if own.algorithms.is_empty() {
            self.error("algorithms", "no token could be signed", "name one, or take the key out");
        }
        for name in &own.algorithms {
            if Algorithm::named(name).is_none() {
                self.error(
                    "algorithms",
                    format!("{}.algorithms: {name:?} is no way to sign tokens that is known here", self.name),
                    format!("known here: {}", Algorithm::ALL.map(Algorithm::name).join(", ")),
                );
            }
        }
        if own.keep_s < own.refresh_s {
            self.error(
                "keep_s",
                "keys would end before they are fetched again",
                "raise keep_s, or lower refresh_s",
            );
        }
        if own.retry_s > own.refresh_s {
            self.error(
                "retry_s",
                "keys could not be fetched again in time",
                "lower retry_s, or raise refresh_s",
            );
        }
    }

    fn introspection(&mut self, rules: &TokenRules, own: &IntrospectedTokens) {
        match &own.url {
            None => self.error(
                "",
                "an issuer that is asked about tokens without an address",
                "add url = \"https://id.example.org/introspect\"",
            ),
            Some(url) => self.address("url", url),
        }
        if own.password.is_none() && own.password_file.is_none() {
            self.error(
                "",
                "an issuer that is asked about tokens by nobody it knows",
                "add client_id and password_file, or a token of the server's own as password_file alone",
            );
        }
        if rules.audience.is_empty() && rules.scopes.is_empty() {
            self.error(
                "",
                "tokens that the issuer gave for any service would open maildrops",
                "add scopes = [\"…\"] or audience = [\"…\"], which only tokens for this server have",
            );
        }
    }

    fn address(&mut self, key: &str, url: &str) {
        let remedy = "write https://HOST/PATH, or http:// on this machine";
        match Url::parse(url, false) {
            Ok(_) => {}
            Err(InvalidUrl::Form) => self.error(key, format!("{url:?} is no address"), remedy),
            Err(InvalidUrl::Clear) => {
                self.error(key, format!("anybody on the way could change what {url:?} says"), remedy);
            }
        }
    }

    fn rules(&mut self, rules: &TokenRules, auth: &Auth) {
        if rules.claim.as_ref().is_some_and(String::is_empty) {
            self.error("claim", "a claim without a name", "name one, such as email or preferred_username");
        }
        let domains = rules.domains.iter().map(|domain| ("domains", domain));
        let mut wrong = Vec::new();
        for (key, domain) in domains.chain(rules.domain.iter().map(|domain| ("domain", domain))) {
            match address::normalised_domain(domain) {
                Err(_) => wrong.push((key, domain, "is no domain", "write it as in addresses")),
                Ok(_) if is_ours(domain, auth) => {}
                Ok(_) => wrong.push((
                    key,
                    domain,
                    "is not one of auth.domains",
                    "add it there, or take it out here",
                )),
            }
        }
        for (key, domain, what, remedy) in wrong {
            self.error(key, format!("{}.{key}: {domain:?} {what}", self.name), remedy);
        }
        let knows_domains = !rules.domains.is_empty()
            || !auth.domains.is_empty()
            || auth.default_domain.is_some()
            || rules.domain.is_some();
        if rules.accounts == TokenAccounts::Any && !knows_domains {
            self.error(
                "accounts",
                "everybody whom the issuer knows would get a maildrop, whatever the domain",
                "add domains = [\"example.org\"]",
            );
        }
        if auth.name == NameForm::Local && !knows_domains && rules.claim.as_deref() == Some("email") {
            self.problems.warning(
                self.lines.at(&format!("{}.claim", self.name)),
                "addresses open no account: which domains are ours is not known",
                "set domains here, or in [auth]",
            );
        }
    }
}

/// Whether accounts may have this domain.
fn is_ours(domain: &str, auth: &Auth) -> bool {
    let normalised = |domain: &String| address::normalised_domain(domain).ok();
    let ours = address::normalised_domain(domain).ok();
    auth.domains.is_empty()
        || auth.domains.iter().chain(&auth.default_domain).any(|known| normalised(known) == ours)
}
