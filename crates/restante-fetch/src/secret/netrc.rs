//! Passwords in the form of `.netrc`, as ftp, curl, fetchmail and mpop read it.
//!
//! Words are parted by blanks and line ends, and their order within an entry is free. A word may stand in double quotes; a
//! backslash takes the next octet as it is, in quotes and outside. `#` where a keyword is expected begins a comment.
//! `macdef` is passed over up to an empty line. The first entry that fits counts; `default` fits every host.

use std::fmt;

use restante_proto::secret::Secret;

/// What is wrong with a file of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there. The word itself is not shown: it may be a password.
    pub what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.what)
    }
}

/// The password for a user at a host. Host names are compared without case, users octet by octet; an empty user is any. An
/// entry without a user name is for all users.
///
/// # Errors
/// When what was read until the entry was found is not of this form.
pub fn find(text: &[u8], host: &str, user: &str) -> Result<Option<Secret>, Malformed> {
    let mut words = Words { text, at: 0, line: 1 };
    let mut entry: Option<Entry> = None;
    loop {
        let line = words.line;
        let keyword = words.keyword()?;
        let begins = match keyword.as_ref().map(Secret::expose) {
            Some(b"machine") => {
                Some(words.value("machine without a name")?.expose().eq_ignore_ascii_case(host.as_bytes()))
            }
            Some(b"default") => Some(true),
            None => Some(false),
            Some(b"macdef") => {
                words.skip_macro();
                Some(false)
            }
            Some(_) => None,
        };
        if let Some(is_ours) = begins {
            if let Some(password) = entry.take().and_then(|entry| entry.password_of(user)) {
                return Ok(Some(password));
            }
            if keyword.is_none() {
                return Ok(None);
            }
            entry = is_ours.then(Entry::default);
            continue;
        }
        let value = match keyword.as_ref().map(Secret::expose) {
            Some(b"login") => (Field::Login, words.value("login without a name")?),
            Some(b"password" | b"passwd") => (Field::Password, words.value("password without a word")?),
            Some(b"account") => (Field::Account, words.value("account without a word")?),
            _ => {
                return Err(Malformed {
                    line,
                    what: "neither machine, default, login, password, account nor macdef",
                });
            }
        };
        match (value, &mut entry) {
            ((Field::Login, name), Some(entry)) => entry.login = Some(name),
            ((Field::Password, password), Some(entry)) => entry.password = Some(password),
            _ => {}
        }
    }
}

enum Field {
    Login,
    Password,
    Account,
}

/// An entry for our host.
#[derive(Default)]
struct Entry {
    login: Option<Secret>,
    password: Option<Secret>,
}

impl Entry {
    fn password_of(self, user: &str) -> Option<Secret> {
        let fits = user.is_empty() || self.login.is_none_or(|login| login.expose() == user.as_bytes());
        self.password.filter(|_| fits)
    }
}

struct Words<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Option<u8> {
        let octet = self.text.get(self.at).copied()?;
        self.at += 1;
        self.line += usize::from(octet == b'\n');
        Some(octet)
    }

    /// The next word where a keyword is expected, comments passed over; `None` at the end.
    fn keyword(&mut self) -> Result<Option<Secret>, Malformed> {
        loop {
            self.skip_blanks();
            if self.text.get(self.at) != Some(&b'#') {
                return self.word();
            }
            while self.next().is_some_and(|octet| octet != b'\n') {}
        }
    }

    fn value(&mut self, missing: &'static str) -> Result<Secret, Malformed> {
        let line = self.line;
        self.skip_blanks();
        self.word()?.ok_or(Malformed { line, what: missing })
    }

    /// The next word; `None` at the end.
    fn word(&mut self) -> Result<Option<Secret>, Malformed> {
        let line = self.line;
        if self.at >= self.text.len() {
            return Ok(None);
        }
        let mut word = Vec::with_capacity(self.text.len() - self.at);
        let mut is_quoted = false;
        while let Some(&octet) = self.text.get(self.at) {
            if !is_quoted && octet.is_ascii_whitespace() {
                break;
            }
            self.next();
            match octet {
                b'"' => is_quoted = !is_quoted,
                b'\\' => word.extend(self.next()),
                octet => word.push(octet),
            }
        }
        let word = Secret::new(word);
        if is_quoted { Err(Malformed { line, what: "a quoted word does not end" }) } else { Ok(Some(word)) }
    }

    fn skip_blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.next();
        }
    }

    /// Up to the next empty line.
    fn skip_macro(&mut self) {
        let mut last = 0;
        while let Some(octet) = self.next() {
            if octet == b'\n' && last == b'\n' {
                return;
            }
            if octet != b'\r' {
                last = octet;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, host: &str, user: &str) -> Option<String> {
        let password = find(text.as_bytes(), host, user).unwrap()?;
        Some(String::from_utf8(password.expose().to_vec()).unwrap())
    }

    #[test]
    fn the_first_entry_that_fits_host_and_user_counts() {
        let text = "# mine\nmachine a.example login ann password one\nmachine a.example login bob password two\n\
                    machine b.example\n  password three\n  login ann\nmachine c.example password four\ndefault login ann password five\n";
        for (host, user, password) in [
            ("a.example", "ann", Some("one")),
            ("A.Example", "bob", Some("two")),
            ("a.example", "", Some("one")),
            ("b.example", "ann", Some("three")),
            ("b.example", "bob", None),
            ("c.example", "whoever", Some("four")),
            ("d.example", "ann", Some("five")),
            ("a.example", "Ann", None),
        ] {
            assert_eq!(found(text, host, user).as_deref(), password, "{user} at {host}");
        }
    }

    #[test]
    fn words_may_be_quoted_and_escaped() {
        for (written, meant) in [
            (r#""two words""#, "two words"),
            (r#""a \"quoted\" word""#, r#"a "quoted" word"#),
            (r"back\\slash\ blank", r"back\slash blank"),
            (r##""#1""##, "#1"),
            ("#1", "#1"),
            ("machine", "machine"),
        ] {
            let text = format!("machine h login u password {written}\nmachine z password no\n");
            assert_eq!(found(&text, "h", "u").as_deref(), Some(meant), "{written}");
        }
    }

    #[test]
    fn macros_and_accounts_are_passed_over() {
        let text = "machine f login u password p1\nmacdef init\nmachine h\npassword no\n\nmachine h account x login u password p2";
        assert_eq!(found(text, "h", "u").as_deref(), Some("p2"));
    }

    #[test]
    fn what_is_not_of_this_form_is_told_by_line_and_not_shown() {
        for (text, line, what) in [
            ("machine h\nlogin u\npassword a b", 3, "neither"),
            ("machine", 1, "machine without"),
            ("machine h password", 1, "password without"),
            ("machine h login u password \"x\n", 1, "does not end"),
        ] {
            let malformed = find(text.as_bytes(), "h", "u").unwrap_err();
            assert_eq!(malformed.line, line, "{text}");
            assert!(malformed.what.contains(what), "{text}: {malformed}");
        }
    }

    #[test]
    fn an_entry_without_a_password_is_none() {
        assert_eq!(found("machine h login u\ndefault password p", "h", "u").as_deref(), Some("p"));
        assert_eq!(found("", "h", "u"), None);
    }
}
