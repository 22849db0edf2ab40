//! What the sources say about the ledger: test functions by name, and ids cited in comments.

use super::rows::{Ledger, Row};
use crate::source::{Source, identifier, words};

/// One test function.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// What the names of a row's tests begin with.
pub(super) fn prefix(id: &str) -> String {
    let signs =
        id.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign.to_ascii_lowercase() } else { '_' });
    signs.chain(std::iter::once('_')).collect()
}

/// The functions under `#[test]`, `#[tokio::test]` and the like, those inside macros (proptest!) included.
pub(crate) fn tests(source: &Source) -> Vec<Test> {
    let code = &source.code;
    let mut tests = Vec::new();
    for (at, _) in code.match_indices("#[") {
        let Some(end) = code[at..].find(']') else { continue };
        let attribute = code[at + 2..at + end].split('(').next().unwrap_or_default().trim();
        if attribute != "test" && !attribute.ends_with("::test") {
            continue;
        }
        // Other attributes may stand between; the next function is the one meant.
        let name = words(&code[at..], "fn").next().map(|keyword| identifier(code, at + keyword + 3));
        tests.extend(name.map(|name| Test { name: name.to_owned(), path: source.path.clone() }));
    }
    tests
}

/// An id that a comment cites, and where.
pub(super) struct Citation {
    id: String,
    place: String,
}

/// The ids in a file's comments. A trailing `*` stands for a group of rows and is not looked up.
pub(super) fn citations(source: &Source) -> Vec<Citation> {
    let comments = &source.comments;
    let mut citations = Vec::new();
    for (dash, _) in comments.match_indices('-') {
        let word = |octet: &u8| octet.is_ascii_alphanumeric();
        let octets = comments.as_bytes();
        let from = dash - octets[..dash].iter().rev().take_while(|octet| word(octet)).count();
        let length = octets[dash + 1..]
            .iter()
            .take_while(|octet| word(octet) || **octet == b'.' || **octet == b'-')
            .count();
        let end = dash + 1 + length;
        let id = comments[from..end].trim_end_matches(['.', '-']);
        let is_group = octets.get(end) == Some(&b'*');
        if is_id(id) && !is_group {
            let place = format!("{}:{}", source.path, source.line(dash));
            citations.push(Citation { id: id.to_owned(), place });
        }
    }
    citations
}

/// `R1939-7.3`, `LOGIN-1.2`, `PROXY-2.1`: not `SCRAM-SHA-256`, `LOGIN-DELAY` or `R-1`.
fn is_id(word: &str) -> bool {
    let Some((document, section)) = word.split_once('-') else { return false };
    let number = document
        .strip_prefix('R')
        .is_some_and(|number| number.len() >= 3 && number.bytes().all(|octet| octet.is_ascii_digit()));
    let begins_with_digit = section.starts_with(|sign: char| sign.is_ascii_digit());
    (number && !section.is_empty()) || (matches!(document, "LOGIN" | "PROXY") && begins_with_digit)
}

/// The cited ids that no row has. A section may be cited for all of its rows: `R2449-8.1.2`.
pub(super) fn unknown(citations: &[Citation], ledger: &Ledger) -> Vec<String> {
    let is_known = |id: &str| {
        let rest =
            |row: &Row| row.id.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        ledger.rows().any(rest)
    };
    let unknown = citations.iter().filter(|citation| !is_known(&citation.id));
    unknown.map(|citation| format!("{}: cites {}, which is no row", citation.place, citation.id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_id_in_small_letters() {
        assert_eq!(prefix("R1939-7.3"), "r1939_7_3_");
        assert_eq!(prefix("R1082-X-BBOARDS.1"), "r1082_x_bboards_1_");
    }

    #[test]
    fn tests_are_found_under_every_kind_of_attribute() {
        let text = "#[test]\nfn a() {}\n#[tokio::test(flavor = \"multi_thread\")]\n#[should_panic]\nasync fn b() {}\n\
                    proptest! { #[test] fn c(d in 0..1) {} }\nfn e() {}\n// #[test] fn f() {}\n#[cfg(test)]\nmod g {}\n";
        let names: Vec<String> =
            tests(&Source::new("a.rs", text)).into_iter().map(|test| test.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn ids_are_found_in_comments_only() {
        let text = "// R1939-7.3, (R2449-6.1.1). R2449-6.7.* and SCRAM-SHA-256, LOGIN-DELAY, LOGIN-1.2.\nlet a = \"R1939-9.9\";\n";
        let citations = citations(&Source::new("a.rs", text));
        let ids: Vec<&str> = citations.iter().map(|citation| citation.id.as_str()).collect();
        assert_eq!(ids, ["R1939-7.3", "R2449-6.1.1", "LOGIN-1.2"]);
        let row = "id = 'R2449-6.1.1', section = '6.1', side = 'both', level = 'MAY', sentence = 'a', how = 'b', source = 'read'";
        let text = format!("document = 'RFC 2449'\ntitle = 'a'\nnow = []\nrow = [{{{row}}}]");
        let ledger = Ledger::parse(&[("rfc2449.toml", &text)], "").expect("the row can be read");
        assert_eq!(unknown(&citations, &ledger).len(), 2);
        let section = Citation { id: "R2449-6.1".to_owned(), place: String::new() };
        let half = Citation { id: "R2449-6.1.11".to_owned(), place: String::new() };
        assert_eq!(unknown(&[section, half], &ledger).len(), 1);
    }
}
