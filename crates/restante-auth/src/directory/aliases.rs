//! Names that lead to accounts, for mail alone, in a file: `alias account`, one a line.
//!
//! `@example.org account` takes what is for no other name of that domain. Empty lines, and lines that begin with `#`, mean nothing. One
//! step leads to an account, so no loop can be written. Who wants mail to go to several accounts lets the mail server in front do that.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::follow::{Content, Followed, Place};
use super::{Alias, Answer, Circumstances, Directory, Entry, Notify, Problem, Question, SourceError, lines};
use crate::account::AccountName;
use crate::address;
use crate::password::StoredPassword;

/// Where the file is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// How long the file may have changed without being looked at. Zero: it is looked at for each question.
    pub check_every: Duration,
}

impl Settings {
    /// This file, looked at every second.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), check_every: Duration::from_secs(1) }
    }
}

/// The aliases of a file. It knows no accounts.
pub struct AliasDirectory {
    file: Followed<Aliases>,
}

impl AliasDirectory {
    /// Reads the file. May block; names in it are normalised by `addresses`.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong; all problems are listed.
    pub fn open(
        settings: Settings,
        addresses: address::Settings,
        notify: Option<Notify>,
    ) -> Result<Self, SourceError> {
        let Settings { path, check_every } = settings;
        let place = Place { path, kind: "aliases", form: "a readable file of aliases", check_every };
        Ok(Self { file: Followed::open(place, addresses, notify)? })
    }
}

impl Directory for AliasDirectory {
    fn source(&self) -> String {
        self.file.source()
    }

    fn lookup<'a>(&'a self, _: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        Box::pin(async { Ok(None) })
    }

    fn alias<'a>(&'a self, alias: Alias<'a>, at: Circumstances) -> Answer<'a, Option<AccountName>> {
        Box::pin(async move {
            self.file.follow(at.now).await;
            let aliases = self.file.content();
            Ok(match alias {
                Alias::Name(name) => aliases.by_name.get(name.as_str()).cloned(),
                Alias::Domain(domain) => aliases.by_name.get(&format!("@{domain}")).cloned(),
            })
        })
    }

    fn probe<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(async { self.reload(question.at.now).await.map(|_| ()) })
    }

    fn reload(&self, now: Instant) -> Answer<'_, usize> {
        Box::pin(self.file.reload(now))
    }

    fn decoy(&self, _seed: u64) -> Option<StoredPassword> {
        None
    }
}

impl fmt::Debug for AliasDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AliasDirectory").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What stands in a file.
#[derive(Debug, Default)]
struct Aliases {
    by_name: HashMap<String, AccountName>,
    doubts: Vec<Problem>,
}

impl Aliases {
    fn add(&mut self, line: &str, addresses: &address::Settings) -> Result<(), Problem> {
        let mut words = line.split_whitespace();
        let (Some(alias), Some(account), None) = (words.next(), words.next(), words.next()) else {
            let remedy = "write an alias and one account; the mail server in front may send to several";
            return Err(Problem::new("these are not two words", remedy));
        };
        let name = |text: &str| {
            addresses.account_name(text.as_bytes()).map_err(|why| {
                Problem::new(format!("{}: {why}", text.escape_debug()), "correct it, or remove the line")
            })
        };
        let key = match alias.strip_prefix('@') {
            Some(domain) => {
                let domain = address::normalised_domain(domain).map_err(|why| {
                    Problem::new(format!("{}: {why}", alias.escape_debug()), "correct it, or remove the line")
                })?;
                format!("@{domain}")
            }
            None => name(alias)?.as_str().to_owned(),
        };
        let account = name(account)?;
        if key == account.as_str() {
            return Err(Problem::new(
                format!("{key} leads to itself"),
                "name the account, or remove the line",
            ));
        }
        if self.by_name.contains_key(&key) {
            return Err(Problem::new(format!("the alias {key} is there already"), "leave one of the lines"));
        }
        self.by_name.insert(key, account);
        Ok(())
    }
}

impl Content for Aliases {
    type Reader = address::Settings;

    /// Whoever takes the last alias out means it.
    const MAY_BECOME_EMPTY: bool = true;

    fn read(text: &[u8], addresses: &address::Settings) -> Result<Self, Vec<Problem>> {
        let mut aliases = Self::default();
        lines::read(text, |_, line| aliases.add(line, addresses))?;
        let chained =
            aliases.by_name.iter().filter(|(_, account)| aliases.by_name.contains_key(account.as_str()));
        let mut doubts: Vec<Problem> = chained
            .take(lines::PROBLEMS_MAX)
            .map(|(alias, account)| {
                let what = format!("{alias} leads to {account}, which is an alias too, and takes mail only if it is an account");
                Problem::new(what, "name the account")
            })
            .collect();
        doubts.sort_by(|one, other| one.what.cmp(&other.what));
        aliases.doubts = doubts;
        Ok(aliases)
    }

    fn len(&self) -> usize {
        self.by_name.len()
    }

    fn doubts(&self) -> &[Problem] {
        &self.doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Aliases, Vec<String>> {
        let addresses =
            address::Settings { form: address::NameForm::Address, ..address::Settings::default() };
        let aliases = Aliases::read(text.as_bytes(), &addresses);
        aliases.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lines_are_read_in_the_one_form_of_names() {
        let aliases =
            read("# comment\n\nInfo@Example.ORG\tann@example.org\n@example.NET.  ann@example.org\n").unwrap();
        let mut keys: Vec<&str> = aliases.by_name.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["@example.net", "info@example.org"]);
        assert!(aliases.doubts.is_empty());
        let chain = read("a@x.org b@x.org\nb@x.org c@x.org\n").unwrap();
        assert!(chain.doubts[0].what.starts_with("a@x.org leads to b@x.org, which is an alias too"));
        // Round in a circle, and more of it than anybody reads.
        let circle: String = (0..200).map(|at| format!("a{at}@x.org a{}@x.org\n", (at + 1) % 200)).collect();
        assert_eq!(read(&circle).unwrap().doubts.len(), lines::PROBLEMS_MAX);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let said = read("a@x.org\na@x.org b@x.org c@x.org\n../a b@x.org\nA@x.org a@x.org\n@x..org a@x.org\nb@x.org c@x.org\nb@x.org d@x.org").unwrap_err();
        for (said, expected) in said.iter().zip([
            "line 1: these are not two words",
            "line 2: these are not two words",
            "line 3: ../a:",
            "line 4: a@x.org leads to itself",
            "line 5: @x..org:",
            "line 7: the alias b@x.org is there already",
        ]) {
            assert!(said.starts_with(expected), "{said}");
        }
        assert_eq!(said.len(), 6);
    }
}
