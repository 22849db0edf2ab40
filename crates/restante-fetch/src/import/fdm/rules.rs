//! Which actions an account's mail comes to, as far as that can be said without looking at the mail.

use std::collections::BTreeMap;

use super::{Act, Action, Rule, Text};
use crate::import::{Account, Around, Delivery, Keep, Said};

/// Follows the rules as fdm does: the first that matches decides, unless it says `continue`.
pub(super) fn settle(
    account: &mut Account,
    name: &str,
    rules: &[Rule],
    actions: &BTreeMap<String, Action>,
    around: &Around<'_>,
) {
    for rule in rules {
        let Some(accounts) = &rule.accounts else {
            account.note(
                rule.line,
                "this rule looks at the mail and is not taken over: what it would take goes where the rest goes; [[account.rule]] may do it",
            );
            continue;
        };
        if !accounts.iter().all(|globs| globs.iter().any(|glob| is_like(name.as_bytes(), glob.as_bytes()))) {
            continue;
        }
        let mut settled = Settled { account, name, actions, around };
        settled.acts(&rule.acts, 0);
        if !rule.goes_on {
            return;
        }
    }
}

struct Settled<'a> {
    account: &'a mut Account,
    name: &'a str,
    actions: &'a BTreeMap<String, Action>,
    around: &'a Around<'a>,
}

impl Settled<'_> {
    fn acts(&mut self, acts: &[(usize, Act)], depth: usize) {
        for (line, act) in acts {
            self.act(*line, act, depth);
        }
    }

    fn act(&mut self, line: usize, act: &Act, depth: usize) {
        let delivery = match act {
            Act::Named(name) if depth < DEPTH_MAX => {
                // Actions are known before rules name them; what is unknown was an error.
                if let Some(action) = self.actions.get(name) {
                    self.acts(&action.acts, depth + 1);
                }
                return;
            }
            Act::Named(_) => return,
            Act::Keep => {
                self.account.keep = Said::at(line, Keep::All);
                return;
            }
            Act::Drop => {
                self.account.note(line, "`drop`: nothing is deleted without having been collected; [[account.rule]] with `then = \"delete\"` may");
                return;
            }
            Act::Maildir(path) => self.path(line, path).map(Delivery::Maildir),
            Act::Mbox { path, compress: false } => self.path(line, path).map(Delivery::Mbox),
            Act::Mbox { .. } => {
                self.account.set_aside(line, "`compress`: restante writes mboxes as they are");
                None
            }
            Act::Pipe(command) => self.text(line, command, false).map(Delivery::Shell),
            Act::Smtp { is_lmtp, host, port, to } => {
                self.server(line, *is_lmtp, host, port.as_ref(), to.as_ref())
            }
            Act::Other(word) => {
                self.account.note(
                    line,
                    format!("the action `{word}` has no counterpart; a program behind `command` may do it"),
                );
                None
            }
        };
        let delivery = delivery.map(|delivery| Said::at(line, delivery));
        if let Some(delivery) = delivery.filter(|delivery| !self.account.deliver.contains(delivery)) {
            self.account.deliver.push(delivery);
        }
    }

    fn path(&mut self, line: usize, path: &Text) -> Option<String> {
        self.text(line, path, true)
    }

    fn server(
        &mut self,
        line: usize,
        is_lmtp: bool,
        host: &Text,
        port: Option<&Text>,
        to: Option<&Text>,
    ) -> Option<Delivery> {
        let host = self.text(line, host, false)?;
        let port = match port {
            Some(port) => self.text(line, port, false)?,
            None => String::new(),
        };
        let recipient = match to {
            Some(to) => self.text(line, to, false)?,
            None => format!("{}@{host}", self.around.user),
        };
        let port = match port.as_str() {
            "" | "smtp" if !is_lmtp => "25",
            port if port.parse::<u16>().is_ok_and(|port| port > 0) => port,
            _ => {
                self.account.set_aside(line, "the port of the server is not said as a number");
                return None;
            }
        };
        let server = format!("{host}:{port}");
        Some(if is_lmtp { Delivery::Lmtp(server, recipient) } else { Delivery::Smtp(server, recipient) })
    }

    /// A string with its tags filled in.
    fn text(&mut self, line: usize, text: &Text, is_path: bool) -> Option<String> {
        let filled = match text {
            Text::Plain(text) => untag(text, self.name, self.around.user, is_path),
            Text::Command(_) => None,
        };
        if filled.is_none() {
            self.account.set_aside(
                line,
                "where this goes is only known when there is a mail: it has tags or a command in it",
            );
        }
        filled
    }
}

/// fdm follows five.
const DEPTH_MAX: usize = 5;

/// Fills in `%h`, `%u`, `%a` and their long names; `None` when there is another.
pub(super) fn untag(text: &str, account: &str, user: &str, is_path: bool) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(before);
        let (tag, after) = match behind.strip_prefix('[') {
            Some(long) => long.split_once(']')?,
            None => behind.split_at_checked(1)?,
        };
        match tag {
            "%" => out.push('%'),
            "h" | "home" if is_path => out.push_str(if out.is_empty() { "~" } else { "${HOME}" }),
            "u" | "user" if !user.is_empty() => out.push_str(user),
            "a" | "account" => out.push_str(account),
            _ => return None,
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Whether a name is like a pattern with `*` and `?`.
fn is_like(name: &[u8], glob: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut star = None;
    loop {
        match (name.get(at), glob.get(of)) {
            (None, None) => return true,
            (_, Some(b'*')) => {
                star = Some((at, of + 1));
                of += 1;
            }
            (Some(_), Some(b'?')) => (at, of) = (at + 1, of + 1),
            (Some(sign), Some(wanted)) if sign == wanted => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((from, behind)) if from < name.len() => {
                    star = Some((from + 1, behind));
                    (at, of) = (from + 1, behind);
                }
                _ => return false,
            },
        }
    }
}
