//! The client's side: asking a running Dovecot whether a password is right, and what it knows of a user.
//!
//! Dovecot has a socket for each: `auth-client` takes logins ([`Subject::Passwords`]), `auth-userdb` and `auth-master` take names
//! ([`Subject::Users`]). Many questions may be under way through one connection; answers carry the number of the question. How long an
//! answer may take is the driver's affair, which also keeps who has asked what.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::request::Request;
use super::{
    LINE_OCTETS_MAX, VERSION_MAJOR, VERSION_MINOR, escape, fields, is_our_version, number, pair, push,
    unescape,
};
use crate::line::{Input, Line, LineEnd};
use crate::sasl;
use crate::secret::Secret;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Names and passwords: `auth-client`.
    Passwords,
    /// Names alone: `auth-userdb` or `auth-master`.
    Users,
}

/// One connection to Dovecot. `handshake` first; then `read` whenever something has come, and questions once it is ready.
#[derive(Debug)]
pub struct Client {
    subject: Subject,
    state: State,
    /// PLAIN was announced.
    has_plain: bool,
    last: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Version,
    Greeting,
    Ready,
}

/// What has come from Dovecot.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is over; questions may be asked.
    Ready,
    /// The answer to the question of this number, which may be one that nobody waits for any more.
    Answer(u32, Answer),
}

/// What Dovecot says of a user.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The password is right, or the user is known.
    Known(User),
    /// The password is wrong, or there is no such user; it is not said which.
    Wrong,
    /// There is no such user.
    NotFound,
    /// Nobody may log in as this user now.
    Disabled,
    /// It cannot be said now; with Dovecot's reason, as it came.
    Temporary(String),
}

/// A user as Dovecot knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name, which may be another one than was asked for. Empty where none was said.
    pub name: String,
    /// Fields by name in the order they came; those without a value have an empty one. Octets that are not UTF-8 are replaced.
    pub fields: Vec<(String, String)>,
}

/// Why a connection is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A line is longer than any may be.
    LineTooLong,
    /// The other side speaks another version, or something else.
    Version,
    /// A line that is none of this protocol.
    Line,
    /// PLAIN is not offered, which is how passwords are asked for.
    NoPlain,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineTooLong => "a line that is too long",
            Self::Version => "not Dovecot's authentication protocol, version 1",
            Self::Line => "a line that does not belong there",
            Self::NoPlain => "the mechanism PLAIN is not offered",
        })
    }
}

impl core::error::Error for Violation {}

impl Client {
    /// A connection on which nothing was said.
    #[must_use]
    pub const fn new(subject: Subject) -> Self {
        Self { subject, state: State::Version, has_plain: false, last: 0 }
    }

    /// Appends our half of the handshake. `process` is a number that no other connection to this Dovecot has at the same time.
    pub fn handshake(&self, process: u32, output: &mut Vec<u8>) {
        output.extend_from_slice(alloc::format!("VERSION\t{VERSION_MAJOR}\t{VERSION_MINOR}\n").as_bytes());
        if self.subject == Subject::Passwords {
            output.extend_from_slice(alloc::format!("CPID\t{process}\n").as_bytes());
        }
    }

    /// Uses the next line of the input that says something; `None` when there is none yet.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub fn read(&mut self, input: &mut Input) -> Result<Option<Event>, Violation> {
        loop {
            match input.next_line(LINE_OCTETS_MAX, LineEnd::CrlfOrLf) {
                Line::Incomplete => return Ok(None),
                Line::TooLong => return Err(Violation::LineTooLong),
                Line::Complete(line) => {
                    if let Some(event) = self.take(line)? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// Appends the question whether `password` is that of `user`; answers its number. `None`: what is asked cannot be said in PLAIN, and
    /// no password is like that.
    pub fn ask_password(
        &mut self,
        user: &str,
        password: &Secret,
        request: &Request,
        output: &mut Vec<u8>,
    ) -> Option<u32> {
        if user.is_empty() || user.contains('\0') || password.is_empty() || password.expose().contains(&0) {
            return None;
        }
        let mut message = Zeroizing::new(Vec::with_capacity(user.len() + password.expose().len() + 2));
        message.push(0);
        message.extend_from_slice(user.as_bytes());
        message.push(0);
        message.extend_from_slice(password.expose());
        let id = self.number();
        output.extend_from_slice(b"AUTH");
        push(id, output);
        push("PLAIN", output);
        request.write(output);
        // The penalties are ours to give, and nobody will ask for this login again.
        push("nologin", output);
        push("no-penalty", output);
        push("resp=", output);
        sasl::encode_base64(&message, output);
        output.push(b'\n');
        Some(id)
    }

    /// Appends the question what is known of `user`; answers its number.
    pub fn ask_user(&mut self, user: &str, request: &Request, output: &mut Vec<u8>) -> u32 {
        let id = self.number();
        output.extend_from_slice(b"USER");
        push(id, output);
        output.push(b'\t');
        escape(user.as_bytes(), output);
        request.write(output);
        output.push(b'\n');
        id
    }

    fn number(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1).max(1);
        self.last
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<Event>, Violation> {
        let mut fields = fields(line);
        let word = fields.next().unwrap_or_default();
        match (self.state, word) {
            (State::Version, b"VERSION") if is_our_version(&mut fields) => self.state = State::Greeting,
            (State::Version, _) => return Err(Violation::Version),
            (State::Greeting, b"MECH") => {
                self.has_plain |= fields.next().is_some_and(|name| name.eq_ignore_ascii_case(b"PLAIN"));
            }
            (State::Greeting, b"SPID") if self.subject == Subject::Users => return Ok(Some(self.ready())),
            (State::Greeting, b"DONE") => match self.has_plain {
                true => return Ok(Some(self.ready())),
                false => return Err(Violation::NoPlain),
            },
            // COOKIE, CUID and what is yet to be invented.
            (State::Greeting, _) => {}
            (State::Ready, word) => return self.answer(word, fields),
        }
        Ok(None)
    }

    fn ready(&mut self) -> Event {
        self.state = State::Ready;
        Event::Ready
    }

    fn answer<'a>(
        &self,
        word: &[u8],
        mut rest: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Event>, Violation> {
        let id = number(rest.next());
        let answer = match (self.subject, word) {
            (Subject::Passwords, b"OK") => Answer::Known(User::read(None, rest)),
            (Subject::Users, b"USER") => {
                let name = rest.next().ok_or(Violation::Line)?;
                Answer::Known(User::read(Some(name), rest))
            }
            (Subject::Passwords, b"FAIL") => refusal(rest),
            // Of a user it is always a failure of Dovecot's own.
            (Subject::Users, b"FAIL") => Answer::Temporary(reason(&User::read(None, rest))),
            (Subject::Users, b"NOTFOUND") => Answer::NotFound,
            // PLAIN is over with its first message; whoever goes on has not understood it.
            (Subject::Passwords, b"CONT") => Answer::Wrong,
            // Mechanisms may be announced anew; nothing else comes unasked.
            (_, b"MECH" | b"DONE" | b"SPID" | b"CUID" | b"COOKIE") => return Ok(None),
            _ => return Err(Violation::Line),
        };
        Ok(Some(Event::Answer(id.ok_or(Violation::Line)?, answer)))
    }
}

impl User {
    /// The value of a field; empty where it has none.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn read<'a>(name: Option<&[u8]>, fields: impl Iterator<Item = &'a [u8]>) -> Self {
        let text = |octets: &[u8]| String::from_utf8_lossy(&unescape(octets)).into_owned();
        let mut user = Self { name: name.map(text).unwrap_or_default(), fields: Vec::new() };
        for field in fields.filter(|field| !field.is_empty()) {
            match pair(field) {
                (b"user", value) if user.name.is_empty() => user.name = text(value),
                (name, value) => user.fields.push((text(name), text(value))),
            }
        }
        user
    }
}

/// FAIL of a login. The words were others before Dovecot 2.3.
fn refusal<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Answer {
    let user = User::read(None, fields);
    let code = user.field("code").unwrap_or_default();
    let has = |word: &str| user.field(word).is_some();
    match code {
        "temp_fail" => Answer::Temporary(reason(&user)),
        "user_disabled" | "pass_expired" => Answer::Disabled,
        _ if has("temp") => Answer::Temporary(reason(&user)),
        _ if has("user_disabled") || has("pass_expired") => Answer::Disabled,
        _ => Answer::Wrong,
    }
}

/// What Dovecot says of a failure: a `reason`, or whatever there is.
fn reason(user: &User) -> String {
    match (user.field("reason"), user.fields.first()) {
        (Some(reason), _) => reason.into(),
        (None, Some((first, value))) if value.is_empty() => first.clone(),
        (None, Some((first, value))) => alloc::format!("{first}={value}"),
        (None, None) => "an internal failure; its log says more".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(subject: Subject) -> (Client, Input) {
        let (mut client, mut input) = (Client::new(subject), Input::new());
        input.fill(match subject {
            Subject::Passwords => {
                b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t2\nCOOKIE\tab\nDONE\n"
            }
            Subject::Users => b"VERSION\t1\t1\nSPID\t12\n",
        });
        assert_eq!(client.read(&mut input), Ok(Some(Event::Ready)));
        assert_eq!(client.read(&mut input), Ok(None));
        (client, input)
    }

    fn answer(subject: Subject, line: &str) -> Result<Option<Event>, Violation> {
        let (mut client, mut input) = ready(subject);
        input.fill(line.as_bytes());
        client.read(&mut input)
    }

    #[test]
    fn a_password_is_asked_for_by_plain() {
        let (mut client, _) = ready(Subject::Passwords);
        let request = Request {
            service: (*b"pop3").into(),
            remote: Some("192.0.2.7:0".parse().unwrap()),
            is_secured: true,
            ..Request::default()
        };
        let mut output = Vec::new();
        client.handshake(7, &mut output);
        let asked = client.ask_password("alice", &Secret::new(b"secret".to_vec()), &request, &mut output);
        assert_eq!(asked, Some(1));
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "VERSION\t1\t2\nCPID\t7\nAUTH\t1\tPLAIN\tservice=pop3\trip=192.0.2.7\tsecured\tnologin\tno-penalty\tresp=AGFsaWNlAHNlY3JldA==\n"
        );
        let mut output = Vec::new();
        let asked = client.ask_password("alice", &Secret::new(b"a\0b".to_vec()), &request, &mut output);
        assert_eq!((asked, output.len()), (None, 0));
    }

    #[test]
    fn a_user_is_asked_for_by_name() {
        let (mut client, _) = ready(Subject::Users);
        let mut output = Vec::new();
        let request = Request { service: (*b"lmtp").into(), ..Request::default() };
        assert_eq!(client.ask_user("a\tb", &request, &mut output), 1);
        assert_eq!(output, b"USER\t1\ta\x01tb\tservice=lmtp\n");
    }

    #[test]
    fn answers_are_understood() {
        let line = "USER\t1\tbob\tuid=1000\tgid=100\thome=/home/bob\tmail=maildir:~/Ma\x01til\tsystem\n";
        let Ok(Some(Event::Answer(1, Answer::Known(user)))) = answer(Subject::Users, line) else { panic!() };
        assert_eq!((user.name.as_str(), user.field("home")), ("bob", Some("/home/bob")));
        assert_eq!((user.field("mail"), user.field("system")), (Some("maildir:~/Ma\til"), Some("")));
        assert_eq!(answer(Subject::Users, "NOTFOUND\t3\n"), Ok(Some(Event::Answer(3, Answer::NotFound))));
        let failure = Answer::Temporary("db down".into());
        assert_eq!(answer(Subject::Users, "FAIL\t3\treason=db down\n"), Ok(Some(Event::Answer(3, failure))));
        let Ok(Some(Event::Answer(9, Answer::Known(user)))) =
            answer(Subject::Passwords, "OK\t9\tuser=alice\tnodelay\n")
        else {
            panic!()
        };
        assert_eq!(user.name, "alice");
        for (line, expected) in [
            ("FAIL\t1\tuser=alice\n", Answer::Wrong),
            ("FAIL\t1\tuser=alice\tcode=user_disabled\n", Answer::Disabled),
            ("FAIL\t1\tuser_disabled\n", Answer::Disabled),
            ("FAIL\t1\tcode=pass_expired\n", Answer::Disabled),
            ("FAIL\t1\ttemp\n", Answer::Temporary("temp".into())),
            ("FAIL\t1\tcode=temp_fail\treason=no\n", Answer::Temporary("no".into())),
            ("CONT\t1\tAAAA\n", Answer::Wrong),
        ] {
            assert_eq!(answer(Subject::Passwords, line), Ok(Some(Event::Answer(1, expected))), "{line}");
        }
    }

    #[test]
    fn what_is_no_dovecot_is_said() {
        for (subject, text, violation) in [
            (Subject::Users, "220 mail ESMTP\n", Violation::Version),
            (Subject::Users, "VERSION\t2\t0\n", Violation::Version),
            (Subject::Passwords, "VERSION\t1\t1\nMECH\tGSSAPI\nDONE\n", Violation::NoPlain),
        ] {
            let (mut client, mut input) = (Client::new(subject), Input::new());
            input.fill(text.as_bytes());
            assert_eq!(client.read(&mut input), Err(violation), "{text}");
        }
        assert_eq!(answer(Subject::Users, "OK\t1\n"), Err(Violation::Line));
        assert_eq!(answer(Subject::Users, "USER\tx\tbob\n"), Err(Violation::Line));
        let long = "x".repeat(LINE_OCTETS_MAX + 1);
        assert_eq!(answer(Subject::Users, &long), Err(Violation::LineTooLong));
    }
}
