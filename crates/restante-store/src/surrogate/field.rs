//! One header field outside ASCII becomes one in ASCII (RFC 6857 section 3.2): which method for which field.

use super::address;
use super::ascii::{self, Line};
use super::token::{Kind, Token, WHITE, tokens};

/// The surrogate of a field: `field` with its line ends, folded or not. It is not all ASCII. May be empty: a field that
/// has nothing left to say.
pub(super) fn surrogate(field: &str) -> String {
    let (content, end) = split_end(field);
    // Generated folds end as the field's last line does.
    let fold = if end == "\n" { "\n" } else { "\r\n" };
    let Some((name, value)) = split_name(content) else {
        return whole(content, fold) + end;
    };
    let mut line = Line::new(fold);
    line.push(name);
    line.push(":");
    let is_converted = match Method::of(name.trim_end_matches(WHITE)) {
        Method::Addresses => {
            address::push_list(value, &mut line);
            true
        }
        Method::Phrases => {
            push_phrases(value, &mut line);
            true
        }
        Method::Parameters => push_parameters(value, fold, &mut line).is_some(),
        Method::Comments => push_with_comments(value, &mut line),
        Method::Identifier => {
            if !push_with_comments(value, &mut line) {
                return encapsulated(name, value, fold) + end;
            }
            true
        }
        Method::TypedAddress => {
            if push_typed_address(value, &mut line).is_none() {
                return encapsulated(name, value, fold) + end;
            }
            true
        }
        // R6857-3.1.10.2
        Method::Received => {
            push_received(value, &mut line);
            if !line.is_ascii() {
                return String::new();
            }
            true
        }
        Method::Unstructured => false,
    };
    if is_converted && line.is_ascii() {
        return line.text().trim_end_matches(WHITE).to_owned() + end;
    }
    // R6857-3.2.8.1: whatever else it is, and whatever did not keep to its grammar.
    let mut line = Line::new(fold);
    line.push(name);
    line.push(":");
    line.push_unstructured(value);
    line.text().to_owned() + end
}

/// How a field is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Addresses,
    TypedAddress,
    Identifier,
    Received,
    Parameters,
    Comments,
    Phrases,
    Unstructured,
}

impl Method {
    fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("resent-").unwrap_or(&name) {
            "from" | "sender" | "reply-to" | "to" | "cc" | "bcc" => Self::Addresses,
            "return-path" | "delivered-to" | "x-original-to" | "envelope-to" | "errors-to" => Self::Addresses,
            "disposition-notification-to" | "return-receipt-to" | "mail-followup-to" => Self::Addresses,
            "original-recipient" | "final-recipient" => Self::TypedAddress,
            "message-id" | "in-reply-to" | "references" => Self::Identifier,
            "received" => Self::Received,
            "content-type" | "content-disposition" => Self::Parameters,
            "date" | "mime-version" | "content-id" | "content-transfer-encoding" => Self::Comments,
            "content-language" | "accept-language" | "auto-submitted" => Self::Comments,
            "keywords" => Self::Phrases,
            _ => Self::Unstructured,
        }
    }
}

/// The field without its last line end, and that.
fn split_end(field: &str) -> (&str, &str) {
    let content = field.strip_suffix('\n').unwrap_or(field);
    let content = content.strip_suffix('\r').unwrap_or(content);
    field.split_at_checked(content.len()).unwrap_or((field, ""))
}

/// Name and value. `None` when there is no name, or one that is none.
fn split_name(content: &str) -> Option<(&str, &str)> {
    let (name, value) = content.split_once(':')?;
    let word = name.trim_end_matches(WHITE);
    (!word.is_empty() && word.bytes().all(|octet| octet.is_ascii_graphic())).then_some((name, value))
}

/// A line that is no field.
fn whole(content: &str, fold: &'static str) -> String {
    let mut line = Line::new(fold);
    line.push_unstructured(content);
    line.text().to_owned()
}

/// R6857-3.1.10.1: what cannot be converted moves to a field of another name.
fn encapsulated(name: &str, value: &str, fold: &'static str) -> String {
    let mut line = Line::new(fold);
    line.push("Downgraded-");
    line.push(name);
    line.push(":");
    line.push_unstructured(value);
    line.text().to_owned()
}

/// Appends everything with its comments converted; `false` when something else is outside ASCII.
fn push_with_comments(value: &str, line: &mut Line) -> bool {
    for token in tokens(value, b"") {
        match token.kind {
            Kind::Comment => line.push_comment(&token),
            _ => line.push(token.text),
        }
    }
    line.is_ascii()
}

/// Keywords: phrases with commas between them.
fn push_phrases(value: &str, line: &mut Line) {
    let tokens = tokens(value, b",");
    for (number, phrase) in tokens.split(|token| token.is_sign(b',')).enumerate() {
        if number > 0 {
            line.push(",");
        }
        let start = phrase.iter().position(|token| token.kind != Kind::White).unwrap_or(phrase.len());
        let (white, phrase) = phrase.split_at_checked(start).unwrap_or((&[], phrase));
        white.iter().for_each(|token| line.push(token.text));
        address::push_phrase(phrase, line);
    }
}

/// `type; address`, where a domain may be converted; `None` when that is not enough.
fn push_typed_address(value: &str, line: &mut Line) -> Option<()> {
    let tokens = tokens(value, address::SIGNS);
    let semicolon = tokens.iter().position(|token| token.is_sign(b';'))?;
    let (kind, rest) = tokens.split_at_checked(semicolon)?;
    let address = address::convert(rest.get(1..)?)?;
    kind.iter().for_each(|token| line.push(token.text));
    line.push("; ");
    line.push_whole(&address);
    line.is_ascii().then_some(())
}

/// Content-Type and Content-Disposition (R6857-3.1.4.1). `None` when they do not keep to their grammar.
fn push_parameters(value: &str, fold: &str, line: &mut Line) -> Option<()> {
    let tokens = tokens(value, b";=");
    for (number, part) in tokens.split(|token| token.is_sign(b';')).enumerate() {
        if number > 0 {
            line.push(";");
        }
        let is_changed = part.iter().any(|token| !token.text.is_ascii() && token.kind != Kind::Comment);
        if !is_changed {
            for token in part {
                if token.kind == Kind::Comment { line.push_comment(token) } else { line.push(token.text) }
            }
            continue;
        }
        let equals = part.iter().position(|token| token.is_sign(b'='))?;
        let (name, value) = part.split_at_checked(equals)?;
        let start = name.iter().position(|token| token.kind != Kind::White)?;
        let (white, name) = name.split_at_checked(start)?;
        let name: String = name.iter().filter(|token| !token.is_blank()).map(|token| token.text).collect();
        white.iter().for_each(|token| line.push(token.text));
        line.push_whole(&ascii::parameter(&name, &said(value.get(1..)?), fold)?);
    }
    Some(())
}

/// What a value says: without comments, and without white space around it.
fn said(value: &[Token<'_>]) -> String {
    let tokens = value.iter().filter(|token| token.kind != Kind::Comment);
    let text: String = tokens.map(Token::meaning).collect();
    text.trim_matches(WHITE).to_owned()
}

/// Received: each clause is converted or left out (R6857-3.1.10.2).
fn push_received(value: &str, line: &mut Line) {
    let tokens = tokens(value, b";");
    let is_keyword = |token: &Token<'_>| {
        token.kind == Kind::Atom
            && ["from", "by", "via", "with", "id", "for"]
                .iter()
                .any(|word| word.eq_ignore_ascii_case(token.text))
    };
    let mut rest = tokens.as_slice();
    while !rest.is_empty() {
        let behind = rest.iter().skip(1).position(|token| is_keyword(token) || token.is_sign(b';'));
        let (clause, next) =
            rest.split_at_checked(behind.map_or(rest.len(), |at| at + 1)).unwrap_or((rest, &[]));
        if let Some(clause) = received_clause(clause) {
            clause.iter().for_each(|token| match token {
                Piece::Kept(token) if token.kind == Kind::Comment => line.push_comment(token),
                Piece::Kept(token) => line.push(token.text),
                Piece::Made(text) => line.push(text),
            });
        }
        rest = next;
    }
}

/// A piece of a clause that is kept or was made.
enum Piece<'t, 'a> {
    Kept(&'t Token<'a>),
    Made(String),
}

/// A clause in ASCII but for its comments, or `None` when it cannot be said so.
fn received_clause<'t, 'a>(clause: &'t [Token<'a>]) -> Option<Vec<Piece<'t, 'a>>> {
    let keyword = clause.first().map(|token| token.text.to_ascii_lowercase()).unwrap_or_default();
    let convert = |token: &'t Token<'a>| match token.kind {
        Kind::Comment => Some(Piece::Kept(token)),
        _ if token.text.is_ascii() => Some(Piece::Kept(token)),
        _ if keyword == "for" => {
            let address = token.text.trim_start_matches('<').trim_end_matches('>');
            let address = address::convert(&tokens(address, address::SIGNS))?;
            let is_bracketed = token.text.starts_with('<');
            Some(Piece::Made(if is_bracketed { format!("<{address}>") } else { address }))
        }
        _ if keyword == "from" || keyword == "by" => ascii::domain(token.text).map(Piece::Made),
        _ => None,
    };
    clause.iter().map(convert).collect()
}
