//! All accounts of a database with their passwords as they are stored, for whoever takes them over.

use std::collections::BTreeSet;
use std::time::Instant;

use restante_auth::account::AccountName;
use restante_auth::directory::embedded::accounts::Imported;
use restante_auth::directory::{Circumstances, Problem, Question, Service, SourceError};
use restante_auth::password::Scheme;
use restante_auth::settings::Given;
use zeroize::Zeroizing;

use super::connection::Row;
use super::{ACCOUNT, ACCOUNTS_MAX, SqlDirectory};

impl SqlDirectory {
    /// Every account that `list` names, as its row says; where that has no column `password`, as `lookup` says.
    ///
    /// # Errors
    /// The database cannot be asked, or there are accounts that cannot be taken over as they are: each is named, 100 at most.
    pub async fn export(&self, now: Instant) -> Result<Vec<Imported>, SourceError> {
        let Some(list) = &self.list else {
            let what = "there is no query for all accounts";
            return Err(
                self.permanent(Problem::new(what, "add list = \"SELECT name AS account FROM accounts\""))
            );
        };
        let columns = self.pool.columns(list).await.map_err(|fault| self.error(fault, list))?;
        let is_whole = columns.iter().any(|column| column == PASSWORD);
        if !is_whole && self.check.is_some() {
            let what = "passwords are the database's to check, so there are none to take over";
            return Err(self.permanent(Problem::new(what, "give a query with a column password")));
        }
        let rows = self.pool.many_rows(list, ACCOUNTS_MAX).await.map_err(|fault| self.error(fault, list))?;
        let (mut accounts, mut problems, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
        for row in rows {
            let imported = match self.name_of(&row) {
                Ok(name) if !names.insert(name.clone()) => {
                    Err(Problem::new(format!("{name}: there is more than one row"), "leave one of them"))
                }
                Ok(name) if is_whole => self.imported(name, &row),
                Ok(name) => {
                    let at = Circumstances::new(Service::Operator, now);
                    match self.ask(&self.lookup, &Question { name: &name, at }, None).await? {
                        Some(row) => self.imported(name, &row),
                        None => {
                            let what = format!("{name}: `list` names it, and `lookup` does not know it");
                            Err(Problem::new(what, "let both queries agree"))
                        }
                    }
                }
                Err(problem) => Err(problem),
            };
            match imported {
                Ok(imported) => accounts.push(imported),
                Err(problem) => problems.push(problem),
            }
            if problems.len() >= PROBLEMS_MAX {
                break;
            }
        }
        if problems.is_empty() {
            Ok(accounts)
        } else {
            Err(SourceError::permanent(self.name.clone(), problems))
        }
    }

    fn imported(&self, name: AccountName, row: &Row) -> Result<Imported, Problem> {
        let fields = row.iter().filter(|(column, _)| column != ACCOUNT);
        let fields = fields.map(|(column, value)| (column.as_str(), value.as_str()));
        let given = Given::read(name, fields, self.scheme)?;
        let written = row.iter().find(|(column, value)| column == PASSWORD && !value.is_empty());
        let stored = match (&given.password, written) {
            (Some(password), _) if password.is_weak() => {
                let what = format!("{}: its password is stored in a weak scheme", given.account.name);
                return Err(Problem::new(
                    what,
                    "let its owner choose a new one, or leave it out in the query",
                ));
            }
            (Some(password), Some((_, text))) if password.is_there() => Some(self.as_in_a_file(text)),
            _ => None,
        };
        Ok(Imported { account: given.account, stored, is_disabled: given.is_locked })
    }

    /// The stored password with its scheme in front, unless it shows that itself.
    fn as_in_a_file(&self, text: &str) -> Zeroizing<Vec<u8>> {
        match self.scheme {
            scheme if scheme == Scheme::Crypt || text.starts_with('{') => {
                Zeroizing::new(text.as_bytes().to_vec())
            }
            scheme => Zeroizing::new(format!("{{{}}}{text}", scheme.name()).into_bytes()),
        }
    }
}

const PASSWORD: &str = "password";
/// More than anybody reads.
const PROBLEMS_MAX: usize = 100;
