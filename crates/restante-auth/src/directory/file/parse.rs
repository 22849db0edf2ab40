//! The text of a passwd-file: lines to a table of accounts, or everything that is wrong with them.
//!
//! `name:secret[:uid:gid:gecos:home:shell:extra]`, as Dovecot's passwd-file has it. Comments begin with `#`; empty lines and
//! a CR before the line end are passed over. Names are normalised, secrets read once to see that they can be.

use std::sync::Arc;

use crate::account::{AccountName, InvalidName};
use crate::address;
use crate::directory::Problem;
use crate::directory::census::Census;
use crate::directory::file::quota;
use crate::directory::table::{NotInserted, Record, Table};
use crate::password::{InvalidStored, Scheme, StoredPassword};

/// A file that can be used.
pub(super) struct Parsed {
    pub(super) table: Table,
    pub(super) census: Arc<Census>,
    /// What has been read but does not do what its author may expect.
    pub(super) doubts: Vec<Problem>,
}

/// How a file is read.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) addresses: address::Settings,
    /// Of secrets that show none.
    pub(super) default: Scheme,
    pub(super) allow_weak_schemes: bool,
}

/// Reads the text of a file. All problems at once, of which at most `PROBLEMS_MAX` are listed.
pub(super) fn parse(text: &[u8], reader: &Reader) -> Result<Parsed, Vec<Problem>> {
    let addresses = &reader.addresses;
    let lines = text.iter().filter(|octet| **octet == b'\n').count() + 1;
    let longer_by = addresses.default_domain.as_ref().map_or(0, |domain| domain.len() + 1);
    let mut reading = Reading {
        reader,
        table: Table::with_capacity(text.len().saturating_add(lines.saturating_mul(longer_by)), lines),
        line_of: Vec::with_capacity(lines),
        census: Census::default(),
        doubts: Problems::default(),
        problems: Problems::default(),
    };
    for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Err(problem) = reading.line(number, line) {
            reading.problems.push(Problem { line: Some(number), ..problem });
        }
    }
    let problems = reading.problems.into_list();
    if !problems.is_empty() {
        return Err(problems);
    }
    let doubts = reading.doubts.into_list();
    Ok(Parsed { table: reading.table, census: Arc::new(reading.census), doubts })
}

struct Reading<'a> {
    reader: &'a Reader,
    table: Table,
    /// The line of each record of the table.
    line_of: Vec<u64>,
    census: Census,
    doubts: Problems,
    problems: Problems,
}

impl Reading<'_> {
    fn line(&mut self, number: u64, line: &[u8]) -> Result<(), Problem> {
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let fields = Fields::cut(line)?;
        let name = self.name(fields.name)?;
        let problem = |why: InvalidStored| Problem::new(format!("{name}: {why}"), why.remedy());
        let stored = StoredPassword::parse(fields.secret, self.reader.default).map_err(problem)?;
        if stored.is_weak() && !self.reader.allow_weak_schemes {
            return Err(problem(InvalidStored::Weak));
        }
        let (mut secret, mut is_open) = (fields.secret, true);
        if let Some(what) = fields.restriction() {
            // Not to heed a restriction would open the account wider than its owner means it to be.
            secret = b"";
            is_open = false;
            let what =
                format!("{name}: the field {what} is not supported, so nobody can log in to this account");
            self.doubts
                .push(Problem { line: Some(number), ..Problem::new(what, "remove the field to allow it") });
        }
        let (quota, misunderstood) = quota::read(fields.extras());
        for what in misunderstood {
            let what = format!("{name}: {what}");
            let remedy = "write for instance userdb_quota_rule=*:storage=1G:messages=1000";
            self.doubts.push(Problem { line: Some(number), ..Problem::new(what, remedy) });
        }
        let quota = quota::encode(quota);
        let record = Record { name: name.as_str(), home: fields.home(&name)?, secret, quota: &quota };
        match self.table.insert(record) {
            Ok(()) => self.line_of.push(number),
            Err(NotInserted::Duplicate(index)) => {
                let first = self.line_of.get(index).copied().unwrap_or_default();
                let what = format!("the account {name} stands on line {first} already");
                return Err(Problem::new(what, "remove one of the two lines"));
            }
            Err(NotInserted::TooLong) => {
                return Err(Problem::new(
                    format!("{name}: the line is too long"),
                    "shorten the secret or the home",
                ));
            }
        }
        if is_open {
            self.census.add(&stored, stored.scram().map(std::slice::from_ref).unwrap_or_default());
        }
        Ok(())
    }

    fn name(&self, written: &[u8]) -> Result<AccountName, Problem> {
        let shown = || written.escape_ascii().to_string().chars().take(SHOWN_MAX).collect::<String>();
        let name = self.reader.addresses.account_name(written).map_err(|why| {
            let remedy = match why {
                InvalidName::ForeignDomain => {
                    "add the domain to the domains that are ours, or remove the line"
                }
                _ => "rename the account or remove the line",
            };
            Problem::new(format!("{}: {why}", shown()), remedy)
        })?;
        // `bob+lists` would silently become `bob`.
        let literal = address::Settings { detail_separator: None, ..self.reader.addresses.clone() };
        if self.reader.addresses.detail_separator.is_some()
            && literal.account_name(written).as_ref() != Ok(&name)
        {
            let what = format!("{}: the name holds the character that separates details", shown());
            return Err(Problem::new(what, "rename the account, or choose another detail separator"));
        }
        Ok(name)
    }
}

/// The fields of a line that mean something here.
struct Fields<'a> {
    name: &'a [u8],
    secret: &'a [u8],
    home: &'a [u8],
    extra: &'a [u8],
}

impl<'a> Fields<'a> {
    fn cut(line: &'a [u8]) -> Result<Self, Problem> {
        // Extra fields may hold colons themselves.
        let mut fields = line.splitn(8, |octet| *octet == b':');
        let name = fields.next().unwrap_or_default();
        let Some(secret) = fields.next() else {
            return Err(Problem::new(
                "there is no colon",
                "write name:{SCHEME}secret, or begin the line with # if it is a comment",
            ));
        };
        let home = fields.nth(3).unwrap_or_default();
        let extra = fields.nth(1).unwrap_or_default();
        Ok(Self { name, secret, home, extra })
    }

    /// The home folder: that of `userdb_home` among the extra fields before the one in its own field.
    fn home(&self, name: &AccountName) -> Result<&'a [u8], Problem> {
        let home = self.extras().find_map(|extra| extra.strip_prefix(b"userdb_home=")).unwrap_or(self.home);
        if home.is_empty() || (home.starts_with(b"/") && !home.contains(&0)) {
            return Ok(home);
        }
        let shown: String = home.escape_ascii().to_string().chars().take(SHOWN_MAX).collect();
        Err(Problem::new(
            format!("{name}: the home {shown} is not an absolute path"),
            "begin it with / or leave it empty",
        ))
    }

    /// A field by which Dovecot would let fewer people in than the secret alone does, or more.
    fn restriction(&self) -> Option<&'static str> {
        let is_it = |name: &&&str| {
            self.extras().any(|extra| {
                let rest = extra.strip_prefix(name.as_bytes());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
            })
        };
        RESTRICTIONS.iter().find(is_it).copied()
    }

    fn extras(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.extra.split(|octet| matches!(octet, b' ' | b'\t')).filter(|extra| !extra.is_empty())
    }
}

/// A list that does not grow with the file.
#[derive(Default)]
struct Problems {
    list: Vec<Problem>,
    more: u64,
}

impl Problems {
    fn push(&mut self, problem: Problem) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        } else {
            self.more += 1;
        }
    }

    fn into_list(mut self) -> Vec<Problem> {
        if self.more > 0 {
            let what = format!("{} more lines have problems", self.more);
            self.list.push(Problem::new(what, "repair the lines above first"));
        }
        self.list
    }
}

const RESTRICTIONS: &[&str] =
    &["nologin", "allow_nets", "allow_real_nets", "nopassword", "proxy", "deny", "expired"];

/// Enough to see a pattern; a file of another format would have one a line.
const PROBLEMS_MAX: usize = 50;

/// Characters of something written that are repeated in a problem.
const SHOWN_MAX: usize = 80;

#[cfg(test)]
mod tests;
