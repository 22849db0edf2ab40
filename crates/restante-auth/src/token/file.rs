//! Tokens in a file: `account:digest[:expiry]`, one a line.
//!
//! The digest is the SHA-256 of the token in hexadecimal, so the file opens nothing to who reads it, as long as tokens are what
//! they must be: long and random. The expiry is a moment in RFC 3339 form (`2027-01-31T00:00:00Z`); without one a token is good
//! until its line is removed, which counts within a second. An account may have several. Empty lines, and lines that begin with
//! `#`, mean nothing.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use restante_proto::secret::Secret;

use super::{Finding, TokenVerifier};
use crate::account::AccountName;
use crate::address;
use crate::directory::follow::{Content, Followed, Place};
use crate::directory::{Answer, Notify, Problem, SourceError, lines};
use crate::password::Hash;
use crate::verify::Attempt;

/// Where the file is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// How long the file may have changed without being looked at. Zero: it is looked at for each login with a token.
    pub check_every: Duration,
}

impl Settings {
    /// This file, looked at every second.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), check_every: Duration::from_secs(1) }
    }
}

/// The tokens of a file.
pub struct FileTokens {
    file: Followed<Tokens>,
}

impl FileTokens {
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
        let place = Place { path, kind: "tokens", form: "a readable file of tokens", check_every };
        Ok(Self { file: Followed::open(place, addresses, notify)? })
    }
}

impl TokenVerifier for FileTokens {
    fn source(&self) -> String {
        self.file.source()
    }

    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        _claimed: Option<&'a AccountName>,
        attempt: &'a Attempt<'a>,
    ) -> Answer<'a, Finding> {
        Box::pin(async move {
            self.file.follow(attempt.at.now).await;
            Ok(self.file.content().find(token, attempt.today))
        })
    }

    fn probe<'a>(&'a self, _token: &'a Secret, attempt: &'a Attempt<'a>) -> Answer<'a, ()> {
        Box::pin(async { self.reload(attempt.at.now).await.map(|_| ()) })
    }

    fn reload(&self, now: Instant) -> Answer<'_, usize> {
        Box::pin(self.file.reload(now))
    }
}

impl fmt::Debug for FileTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTokens").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What stands in a file.
#[derive(Debug, Default)]
struct Tokens {
    by_digest: HashMap<[u8; 32], Entry>,
}

#[derive(Debug)]
struct Entry {
    account: AccountName,
    expiry: Option<SystemTime>,
    line: u64,
}

impl Tokens {
    /// Digests are looked up as they are: how long that takes tells at most about digests, and nobody can make a token for one.
    fn find(&self, token: &Secret, today: SystemTime) -> Finding {
        let digest = Hash::Sha256.digest(&[token.expose()]);
        let entry = digest.first_chunk().and_then(|digest| self.by_digest.get(digest));
        match entry {
            None => Finding::Unknown,
            Some(entry) if entry.expiry.is_some_and(|expiry| today >= expiry) => {
                Finding::Expired(entry.account.clone())
            }
            Some(entry) => Finding::Account(entry.account.clone()),
        }
    }

    fn add(&mut self, number: u64, line: &str, addresses: &address::Settings) -> Result<(), Problem> {
        let mut fields = line.splitn(3, ':');
        let (Some(account), Some(digest)) = (fields.next(), fields.next()) else {
            return Err(Problem::new("there is no colon", "write account:digest or account:digest:expiry"));
        };
        let name = addresses.account_name(account.as_bytes()).map_err(|why| {
            Problem::new(format!("{}: {why}", account.escape_debug()), "name the account or remove the line")
        })?;
        let digest = digest_of(digest).ok_or_else(|| {
            Problem::new(
                format!("{name}: the digest is not 64 hexadecimal digits"),
                "write what sha256sum says of the token without a line end",
            )
        })?;
        let expiry = fields.next().map(moment).transpose().map_err(|()| {
            Problem::new(format!("{name}: the expiry is no moment"), "write it as 2027-01-31T00:00:00Z")
        })?;
        if let Some(first) = self.by_digest.get(&digest) {
            let what = format!("{name}: the token of line {} again", first.line);
            return Err(Problem::new(what, "make another token, or remove one of the two lines"));
        }
        self.by_digest.insert(digest, Entry { account: name, expiry, line: number });
        Ok(())
    }
}

impl Content for Tokens {
    type Reader = address::Settings;

    /// Whoever takes the last token out means it.
    const MAY_BECOME_EMPTY: bool = true;

    fn read(text: &[u8], addresses: &address::Settings) -> Result<Self, Vec<Problem>> {
        let mut tokens = Self::default();
        lines::read(text, |number, line| tokens.add(number, line, addresses))?;
        Ok(tokens)
    }

    fn len(&self) -> usize {
        self.by_digest.len()
    }

    fn doubts(&self) -> &[Problem] {
        &[]
    }
}

fn digest_of(text: &str) -> Option<[u8; 32]> {
    let nibble = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let octets: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect();
    octets.filter(|_| rest.is_empty())?.try_into().ok()
}

fn moment(text: &str) -> Result<SystemTime, ()> {
    text.trim().parse::<jiff::Timestamp>().map(SystemTime::from).map_err(|_| ())
}

#[cfg(test)]
mod tests;
