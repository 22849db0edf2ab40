//! Addresses outside ASCII (RFC 6857 sections 3.1.5 to 3.1.9): what can be said in ASCII is, and an address that cannot
//! becomes an empty group with the address as its name, so that nobody can write to somebody else by mistake.

use super::ascii::{self, Line};
use super::token::{Kind, Token, tokens, unfolded};

/// Appends an address-list.
pub(super) fn push_list(value: &str, line: &mut Line) {
    let tokens = tokens(value, SIGNS);
    for (number, entry) in entries(&tokens).into_iter().enumerate() {
        if number > 0 {
            line.push(",");
        }
        push_entry(entry, line);
    }
}

/// The address of `addr-spec` tokens in ASCII; `None` when its local-part or domain cannot be said so.
pub(super) fn convert(spec: &[Token<'_>]) -> Option<String> {
    let said: Vec<&Token<'_>> = spec.iter().filter(|token| !token.is_blank()).collect();
    let text = |tokens: &[&Token<'_>]| tokens.iter().map(|token| token.text).collect::<String>();
    if said.iter().all(|token| token.text.is_ascii()) {
        return Some(text(&said));
    }
    let at = said.iter().rposition(|token| token.is_sign(b'@'))?;
    let (local, domain) = (text(said.get(..at)?), text(said.get(at + 1..)?));
    if !local.is_ascii() {
        return None;
    }
    Some(format!("{local}@{}", ascii::domain(&domain)?))
}

/// Tokens of the signs that matter in an address-list.
pub(super) const SIGNS: &[u8] = b"<>:;@,";

/// The entries of an address-list: mailboxes and groups, without the commas between them.
fn entries<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let (mut is_in_angle, mut is_in_group) = (false, false);
    tokens
        .split(|token| {
            match token.kind {
                Kind::Sign(b'<') => is_in_angle = true,
                Kind::Sign(b'>') => is_in_angle = false,
                Kind::Sign(b':') if !is_in_angle => is_in_group = true,
                Kind::Sign(b';') if !is_in_angle => is_in_group = false,
                Kind::Sign(b',') => return !is_in_angle && !is_in_group,
                _ => {}
            }
            false
        })
        .collect()
}

fn push_entry(entry: &[Token<'_>], line: &mut Line) {
    if entry.iter().all(|token| token.text.is_ascii()) {
        return entry.iter().for_each(|token| line.push(token.text));
    }
    let is_white = |token: &Token<'_>| token.kind == Kind::White;
    let start = entry.iter().position(|token| !is_white(token)).unwrap_or(entry.len());
    let (white, entry) = entry.split_at_checked(start).unwrap_or((&[], entry));
    white.iter().for_each(|token| line.push(token.text));
    let angle = entry.iter().position(|token| token.is_sign(b'<')).unwrap_or(entry.len());
    match entry.iter().position(|token| token.is_sign(b':')).filter(|&colon| colon < angle) {
        Some(colon) => push_group(entry, colon, line),
        None => push_mailbox(entry, line),
    }
}

/// R6857-3.1.7.1: a group with an address that cannot be said in ASCII loses its members to its name.
fn push_group(entry: &[Token<'_>], colon: usize, line: &mut Line) {
    let (name, rest) = entry.split_at_checked(colon).unwrap_or((entry, &[]));
    let rest = rest.get(1..).unwrap_or_default();
    let end = rest.iter().rposition(|token| token.is_sign(b';')).unwrap_or(rest.len());
    let (members, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    push_phrase(name, line);
    if entries(members).into_iter().all(|member| convert(spec_of(member).1).is_some()) {
        line.push(":");
        for (number, member) in entries(members).into_iter().enumerate() {
            if number > 0 {
                line.push(",");
            }
            push_entry(member, line);
        }
        line.push(";");
    } else {
        let text: String = members.iter().map(|token| token.text).collect();
        line.push(" ");
        line.push_words(unfolded(&text).trim());
        line.push(" :;");
    }
    push_comments(behind, line);
}

/// R6857-3.1.8.1: a mailbox whose address cannot be said in ASCII becomes a group without members.
fn push_mailbox(mailbox: &[Token<'_>], line: &mut Line) {
    let (name, spec, behind) = spec_of(mailbox);
    let is_named = name.iter().any(|token| !token.is_blank());
    if is_named {
        push_phrase(name, line);
        line.push(" ");
    }
    match convert(spec) {
        Some(address) if mailbox.iter().any(|token| token.is_sign(b'<')) => {
            line.push_whole(&format!("<{address}>"));
        }
        Some(address) => line.push_whole(&address),
        None => {
            let said = spec.iter().filter(|token| token.kind != Kind::Comment);
            let text: String = said.map(|token| token.text).collect();
            line.push_words(unfolded(&text).trim());
            line.push(" :;");
        }
    }
    if !is_named {
        push_comments(name, line);
    }
    if !mailbox.iter().any(|token| token.is_sign(b'<')) {
        push_comments(spec, line);
    }
    push_comments(behind, line);
}

/// Display-name, addr-spec and what is behind the angle brackets.
fn spec_of<'t, 'a>(mailbox: &'t [Token<'a>]) -> (&'t [Token<'a>], &'t [Token<'a>], &'t [Token<'a>]) {
    let Some(open) = mailbox.iter().position(|token| token.is_sign(b'<')) else { return (&[], mailbox, &[]) };
    let close = mailbox.iter().rposition(|token| token.is_sign(b'>')).filter(|&close| close > open);
    let close = close.unwrap_or(mailbox.len());
    (
        mailbox.get(..open).unwrap_or_default(),
        mailbox.get(open + 1..close).unwrap_or_default(),
        mailbox.get(close + 1..).unwrap_or_default(),
    )
}

/// Appends a phrase: as it is, or as encoded-words when any of it is outside ASCII. Comments follow it.
pub(super) fn push_phrase(phrase: &[Token<'_>], line: &mut Line) {
    let is_said = |token: &&Token<'_>| token.kind != Kind::Comment;
    let said = || phrase.iter().filter(is_said);
    if said().all(|token| token.text.is_ascii()) {
        let text: String = said().map(|token| token.text).collect();
        line.push(text.trim_end());
    } else {
        let text: String = said().map(Token::meaning).collect();
        line.push_words(text.trim());
    }
    push_comments(phrase, line);
}

/// Appends the comments among `tokens`, each behind a space.
fn push_comments(tokens: &[Token<'_>], line: &mut Line) {
    for comment in tokens.iter().filter(|token| token.kind == Kind::Comment) {
        line.push(" ");
        line.push_comment(comment);
    }
}
