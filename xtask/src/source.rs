//! The project's Rust files as text for tidy and ledger: found, read, and split into code, literals and comments.
//!
//! This is no parser. It knows just enough of the language's surface (comments, strings, characters against
//! lifetimes) that a rule about code is not fooled by a comment or a string, and the other way round.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// One file. The three views have the same length and the same lines; what does not belong to a view is blank in it.
pub(crate) struct Source {
    /// Relative to the project's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: String,
    pub(crate) literals: String,
    pub(crate) comments: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, literals, comments) = views(text);
        Self { path: path.to_owned(), text: text.to_owned(), code, literals, comments }
    }

    /// Whether the whole file is compiled for tests only.
    pub(crate) fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        let in_folder = parts.iter().any(|part| matches!(*part, "tests" | "benches"));
        in_folder
            || self.path.ends_with("/tests.rs")
            || self.path.starts_with("crates/restante-test/")
            || self.path.starts_with("fuzz/")
    }

    /// The octet ranges of inline `#[cfg(test)]` modules.
    pub(crate) fn test_regions(&self) -> Vec<std::ops::Range<usize>> {
        let mut regions = Vec::new();
        for (at, _) in self.code.match_indices("#[cfg(test)]") {
            let rest = &self.code[at..];
            let (Some(open), semicolon) = (rest.find('{'), rest.find(';')) else { continue };
            if semicolon.is_none_or(|semicolon| open < semicolon) {
                regions.push(at..at + block_end(rest, open));
            }
        }
        regions
    }

    /// Whether an octet is compiled for tests only.
    pub(crate) fn is_test_at(&self, at: usize) -> bool {
        self.is_test() || self.test_regions().iter().any(|region| region.contains(&at))
    }

    /// The line number, from 1, of an octet.
    pub(crate) fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes().iter().take(at).filter(|octet| **octet == b'\n').count()
    }
}

/// Every Rust file below `folder`, in order of path; what cargo built is left out.
pub(crate) fn read_all(root: &Path, folders: &[&str]) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    for folder in folders {
        walk(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut sources = Vec::with_capacity(files.len());
    for file in files {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let path = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        sources.push(Source::new(&path, &text));
    }
    Ok(sources)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                walk(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The end (exclusive) of the block whose brace opens at `open`; the end of the text if it never closes.
pub(crate) fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, octet) in code.bytes().enumerate().skip(open) {
        match octet {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Whether an octet can be part of an identifier.
pub(crate) fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

/// Where `word` stands in `code` as a whole word.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let octets = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).and_then(|before| octets.get(before));
        let after = octets.get(at + word.len());
        !before.is_some_and(|octet| is_word(*octet)) && !after.is_some_and(|octet| is_word(*octet))
    })
}

/// The identifier that begins at `at`, empty if none does.
pub(crate) fn identifier(code: &str, at: usize) -> &str {
    let rest = code.get(at..).unwrap_or_default();
    let end = rest.bytes().position(|octet| !is_word(octet)).unwrap_or(rest.len());
    &rest[..end]
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Literal,
    Comment,
}

fn views(text: &str) -> (String, String, String) {
    let kinds = kinds(text.as_bytes());
    let view = |kind: Kind| -> String {
        let octets = text.bytes().zip(&kinds);
        // Blanking octet by octet keeps the length; what is kept is kept whole, so it stays UTF-8.
        let kept =
            octets.map(|(octet, of)| if *of == kind || octet == b'\n' { octet } else { b' ' }).collect();
        String::from_utf8(kept).expect("whole literals and comments are blanked, never parts of a character")
    };
    (view(Kind::Code), view(Kind::Literal), view(Kind::Comment))
}

fn kinds(text: &[u8]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; text.len()];
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (kind, length) = match rest {
            [b'/', b'/', ..] => {
                (Kind::Comment, rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len()))
            }
            [b'/', b'*', ..] => (Kind::Comment, block_comment(rest)),
            [b'"', ..] => (Kind::Literal, string(rest)),
            [b'r', ..]
                if !at.checked_sub(1).is_some_and(|before| is_word(text[before]) && text[before] != b'b') =>
            {
                raw_string(rest).map_or((Kind::Code, 1), |length| (Kind::Literal, length))
            }
            [b'\'', ..] => character(rest).map_or((Kind::Code, 1), |length| (Kind::Literal, length)),
            _ => (Kind::Code, 1),
        };
        kinds[at..at + length].fill(kind);
        at += length;
    }
    kinds
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            (b'/', b'*') => (depth, at) = (depth + 1, at + 2),
            (b'*', b'/') if depth == 1 => return at + 2,
            (b'*', b'/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#` and so on; none if this `r` only begins an identifier.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|octet| **octet == b'#').count();
    let open = 1 + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let found = rest[open + 1..].windows(closing.len()).position(|window| window == closing);
    Some(found.map_or(rest.len(), |found| open + 1 + found + closing.len()))
}

/// `'x'`, `'\n'`, `'é'`; none if this quote begins a lifetime or a label.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|octet| *octet == b'\'').map(|found| found + 4);
    }
    // One character of up to four octets, then the closing quote; a lifetime has none that near, or has a word before it.
    let length = match rest.get(1)? {
        0x00..=0x7F => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        _ => 4,
    };
    (rest.get(1 + length) == Some(&b'\'')).then_some(2 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_views_part_code_literals_and_comments() {
        let text = "let a = \"// no\"; // yes \"no\"\nlet b = 'x'; /* c /* d */ e */ f::<'a>()\n";
        let source = Source::new("a.rs", text);
        let words = |view: &str| view.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&source.code), "let a = ; let b = ; f::<'a>()");
        assert_eq!(words(&source.literals), "\"// no\" 'x'");
        assert_eq!(words(&source.comments), "// yes \"no\" /* c /* d */ e */");
        for view in [&source.code, &source.literals, &source.comments] {
            assert_eq!((view.len(), view.lines().count()), (text.len(), 2));
        }
    }

    #[test]
    fn raw_strings_escapes_and_quotes_do_not_confuse_the_views() {
        for text in [
            r##"x(r#"a " b"#, 1)"##,
            r#"x("a \" b", 1)"#,
            r"x('\'', 1)",
            r"x(b'\\', 1)",
            "x('é', 1)",
            "x(br\"\\\", 1)",
        ] {
            let source = Source::new("a.rs", text);
            assert!(
                source.code.starts_with("x(") && source.code.ends_with(", 1)"),
                "{text}: {:?}",
                source.code
            );
            assert!(source.literals.len() == text.len() && !source.literals.contains("1)"), "{text}");
        }
        let source = Source::new("a.rs", "fn f<'a>(b: &'a str) { 'out: loop { break 'out } }");
        assert_eq!(source.code, source.text);
    }

    #[test]
    fn inline_test_modules_are_regions_and_test_files_are_tests() {
        let source =
            Source::new("crates/a/src/b.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n");
        let at = |word| source.code.find(word).expect("the word is there");
        assert!(
            !source.is_test_at(at("a()")) && source.is_test_at(at("b()")) && !source.is_test_at(at("c()"))
        );
        assert_eq!(source.line(at("c()")), 4);
        let elsewhere = Source::new("crates/a/src/b.rs", "#[cfg(test)]\nmod tests;\nfn c() {}\n");
        assert!(elsewhere.test_regions().is_empty());
        assert!(
            Source::new("crates/a/src/b/tests.rs", "").is_test()
                && !Source::new("crates/a/src/b.rs", "").is_test()
        );
    }

    #[test]
    fn words_are_whole_words() {
        assert_eq!(words("todo todos a_todo (todo)", "todo").collect::<Vec<_>>(), [0, 19]);
        assert_eq!(identifier("mod abc_1;", 4), "abc_1");
    }
}
