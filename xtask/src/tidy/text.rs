//! Rules about one file at a time.

use super::Finding;
use crate::source::{Source, block_end, identifier, words};

/// No file is longer: what has grown past it holds more than one thing.
const FILE_LINES_MAX: usize = 700;

/// No function is longer. Today's maximum, so that it can only shrink; the table below holds the tables and dispatchers.
const FUNCTION_LINES_MAX: usize = 69;

/// Functions that may be longer, and why: `(path, function, reason)`.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Where the bans of clippy.toml (clocks, files, environment, processes) may be lifted for product code.
const LIFTED: &[(&str, &str)] = &[
    ("crates/restante-store/src/disk", "the only door to message files"),
    ("crates/restante-server/src/file.rs", "the only door to the server's own small files"),
    ("crates/restante-auth/src/directory/", "sources of accounts that are files"),
    ("crates/restante-server/src/submission/command.rs", "starts the program that messages are handed to"),
    ("crates/restante-server/src/walls/probe.rs", "tries what nobody else may"),
    ("crates/restante-broker/src/asker/shadow.rs", "accounts expire on a day"),
    ("crates/restante-broker/src/start.rs", "starts this same program with other rights"),
    ("crates/restante-sources/src/checkpassword.rs", "starts the program that checks passwords"),
    ("crates/restante-server/src/clock.rs", "the only place that reads a clock"),
    ("crates/restante-fetch/src/sink/command.rs", "starts the program that takes messages"),
    ("crates/restante-fetch/src/secret/command.rs", "starts the program that tells a password"),
    ("crates/restante/src/", "the program: arguments, environment, files that a person named"),
    ("crates/restante-test/", "the judges start programs and lay out files"),
    ("xtask/src/main.rs", "the chores"),
];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let rules: [fn(&Source, &mut Vec<Finding>); 8] =
        [head, file_length, wire_words, leftovers, reasons, lifted_bans, printing, function_length];
    let mut findings = Vec::new();
    for rule in rules {
        rule(source, &mut findings);
    }
    findings
}

/// A newcomer reads what a file is for before reading it.
fn head(source: &Source, findings: &mut Vec<Finding>) {
    let first = source.text.lines().find(|line| !line.trim().is_empty());
    if !first.is_some_and(|line| line.starts_with("//!")) {
        findings.push(Finding::at(
            source,
            0,
            "no `//!` head: say what lives here, what does not, and who calls it",
        ));
    }
}

fn file_length(source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.push(Finding::at(
            source,
            0,
            format!("{lines} lines, over {FILE_LINES_MAX}: split it by noun"),
        ));
    }
}

/// One crate spells the status indicators, so that replies cannot drift apart.
fn wire_words(source: &Source, findings: &mut Vec<Finding>) {
    // Who judges replies has to spell them by himself, or he would not notice when they are spelled wrong.
    let spellers = ["crates/restante-proto/", "crates/restante-check/", "xtask/"];
    if spellers.iter().any(|folder| source.path.starts_with(folder)) {
        return;
    }
    for word in ["+OK", "-ERR"] {
        let places =
            source.literals.match_indices(word).map(|(at, _)| at).filter(|at| !source.is_test_at(*at));
        findings.extend(places.map(|at| {
            Finding::at(source, at, format!("spells {word}: replies are spelled in restante-proto"))
        }));
    }
}

/// Nothing half-done goes in; a known gap is an issue, not a note in the code.
fn leftovers(source: &Source, findings: &mut Vec<Finding>) {
    for word in ["dbg", "todo", "unimplemented"] {
        let places = words(&source.code, word).filter(|at| source.code[at + word.len()..].starts_with('!'));
        findings.extend(places.map(|at| Finding::at(source, at, format!("`{word}!` is left over"))));
    }
    for word in [concat!("TO", "DO"), concat!("FIX", "ME")] {
        let places = words(&source.comments, word);
        findings.extend(places.map(|at| Finding::at(source, at, format!("{word}: do it, or open an issue"))));
    }
    for (at, _) in source.code.match_indices("#[ignore") {
        findings.push(Finding::at(source, at, "an ignored test tells nothing: mend it or take it out"));
    }
}

/// A lint that is switched off says why: on the line above, or in the attribute itself.
fn reasons(source: &Source, findings: &mut Vec<Finding>) {
    let mut above = "";
    let mut at = 0;
    for (line, code) in source.text.split_inclusive('\n').zip(source.code.split_inclusive('\n')) {
        let attribute = code.trim_start();
        let is_attribute = attribute.starts_with("#[") || attribute.starts_with("#![");
        let switches_off = is_attribute && (attribute.contains("allow(") || attribute.contains("expect("));
        let says_why = above.trim_start().starts_with("//") || line.contains("reason = \"");
        if switches_off && !says_why {
            findings.push(Finding::at(
                source,
                at,
                "a lint is switched off without a reason on the line above",
            ));
        }
        above = line;
        at += line.len();
    }
}

/// The bans on clocks, files, environment and processes hold everywhere but in the rooms named for them.
fn lifted_bans(source: &Source, findings: &mut Vec<Finding>) {
    if source.is_test() || LIFTED.iter().any(|(path, _)| source.path.starts_with(path)) {
        return;
    }
    let for_tests =
        |at: usize| source.code[..at].rsplit('\n').next().is_some_and(|line| line.contains("cfg_attr(test,"));
    let places =
        words(&source.code, "disallowed_methods").filter(|at| !source.is_test_at(*at) && !for_tests(*at));
    findings.extend(
        places.map(|at| Finding::at(source, at, "lifts the bans of clippy.toml outside the rooms for it")),
    );
}

/// What is printed goes through a door that knows what steers a terminal.
fn printing(source: &Source, findings: &mut Vec<Finding>) {
    const DOORS: [&str; 3] = [
        "crates/restante/src/terminal.rs",
        "crates/restante-server/src/event/log.rs",
        // Octets for the program that has started it, and for nobody's eyes.
        "crates/restante/src/cmd/checkpassword.rs",
    ];
    let is_shipped = source.path.starts_with("crates/") && !source.path.starts_with("crates/restante-test/");
    if !is_shipped || source.is_test() || DOORS.contains(&source.path.as_str()) {
        return;
    }
    let followed = |word: &'static str, sign: char| {
        words(&source.code, word).filter(move |at| source.code[at + word.len()..].starts_with(sign))
    };
    let macros = ["print", "println", "eprint", "eprintln"].into_iter().flat_map(|word| followed(word, '!'));
    let streams = ["stdout", "stderr"]
        .into_iter()
        .flat_map(|word| followed(word, '(').filter(|at| source.code[..*at].ends_with("io::")));
    let places = macros.chain(streams).filter(|at| !source.is_test_at(*at));
    findings.extend(places.map(|at| {
        Finding::at(
            source,
            at,
            "prints past crates/restante/src/terminal.rs, which replaces what steers a terminal",
        )
    }));
}

fn function_length(source: &Source, findings: &mut Vec<Finding>) {
    for Function { name, at, lines } in functions(source) {
        let excepted =
            LONG_FUNCTIONS.iter().any(|(path, function, _)| *path == source.path && *function == name);
        if lines > FUNCTION_LINES_MAX && !excepted && !source.is_test_at(at) {
            let what =
                format!("`{name}` has {lines} lines, over {FUNCTION_LINES_MAX}: part deciding from doing");
            findings.push(Finding::at(source, at, what));
        }
    }
}

/// An exception that is no longer needed is taken out of the table.
pub(super) fn check_function_exceptions(sources: &[Source]) -> Vec<Finding> {
    let is_long = |path: &str, name: &str| {
        let source = sources.iter().find(|source| source.path == path);
        source.is_some_and(|source| {
            functions(source).any(|function| function.name == name && function.lines > FUNCTION_LINES_MAX)
        })
    };
    let stale = LONG_FUNCTIONS.iter().filter(|(path, name, _)| !is_long(path, name));
    stale
        .map(|(path, name, _)| Finding {
            path: (*path).to_owned(),
            line: 1,
            what: format!("`{name}` is no longer a long function: take it out of LONG_FUNCTIONS"),
        })
        .collect()
}

struct Function<'a> {
    name: &'a str,
    at: usize,
    lines: usize,
}

/// The functions with a body, from the line of `fn` to the closing brace.
fn functions(source: &Source) -> impl Iterator<Item = Function<'_>> {
    let code = &source.code;
    words(code, "fn").filter_map(|at| {
        let name = identifier(code, at + 3);
        let open = at + code[at..].find(['{', ';'])?;
        let has_body = !name.is_empty() && code[open..].starts_with('{');
        let lines = code[at..block_end(code, open)].lines().count();
        has_body.then_some(Function { name, at, lines })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let found = check(&Source::new(path, &format!("//! A file.\n{text}")));
        found.into_iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    fn breaks(path: &str, text: &str, what: &str) {
        let found = findings(path, text);
        assert!(
            found.len() == 1 && found[0].contains(what),
            "{text:?} should break {what:?}, found {found:?}"
        );
    }

    fn holds(path: &str, text: &str) {
        assert_eq!(findings(path, text), [""; 0], "{text:?}");
    }

    const STORE: &str = "crates/restante-store/src/a.rs";

    #[test]
    fn a_file_without_a_head_is_found() {
        let found = check(&Source::new(STORE, "\nfn a() {}\n"));
        assert_eq!((found.len(), found[0].line), (1, 1));
        holds(STORE, "");
    }

    #[test]
    fn wire_words_are_found_in_literals_of_product_code_only() {
        breaks(STORE, "const A: &str = \"+OK\";\n", "spells +OK");
        breaks(STORE, "const A: &[u8] = b\"-ERR no\\r\\n\";\n", "spells -ERR");
        holds(STORE, "// answers +OK\n#[cfg(test)]\nmod tests { const A: &str = \"+OK\"; }\n");
        holds("crates/restante-proto/src/reply.rs", "const A: &str = \"+OK\";\n");
    }

    #[test]
    fn leftovers_are_found_but_not_in_words_or_strings() {
        breaks(STORE, "fn a() { dbg!(1); }\n", "`dbg!`");
        breaks(STORE, concat!("// TO", "DO later\n"), "open an issue");
        breaks(STORE, "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n", "ignored");
        holds(STORE, "fn a() { let todo = \"todo!()\"; my_dbg!(todo); }\n");
    }

    #[test]
    fn a_lint_is_switched_off_with_a_reason_only() {
        breaks(STORE, "\n#[allow(dead_code)]\nfn a() {}\n", "without a reason");
        breaks(STORE, "\n#![allow(dead_code)]\n", "without a reason");
        holds(STORE, "\n// The twin needs it.\n#[allow(dead_code)]\nfn a() {}\n");
        holds(STORE, "\n#[allow(dead_code, reason = \"the twin needs it\")]\nfn a() {}\n");
    }

    #[test]
    fn the_bans_are_lifted_in_their_rooms_only() {
        let text = "// Why not.\n#![allow(clippy::disallowed_methods)]\n";
        breaks(STORE, text, "lifts the bans");
        holds("crates/restante-store/src/disk.rs", text);
        holds("crates/restante-store/src/a/tests.rs", text);
        holds(STORE, "// Why not.\n#![cfg_attr(test, allow(clippy::disallowed_methods))]\n");
    }

    #[test]
    fn what_prints_past_the_terminals_door_is_found() {
        let cmd = "crates/restante/src/cmd/a.rs";
        breaks(cmd, "fn a() { println!(\"b\"); }\n", "prints past");
        breaks(cmd, "fn a() { io::stderr().lock(); }\n", "prints past");
        holds(cmd, "fn a(b: &C) { b.stdout(); terminal::print(\"println!\"); command.stderr(x) }\n");
        holds(cmd, "#[cfg(test)]\nmod tests { fn a() { println!(); } }\n");
        holds("crates/restante/src/terminal.rs", "fn a() { io::stdout().lock(); }\n");
    }

    #[test]
    fn long_functions_and_files_are_found() {
        let body = "    a();\n".repeat(FUNCTION_LINES_MAX - 2);
        holds(STORE, &format!("fn a() {{\n{body}}}\n"));
        breaks(STORE, &format!("fn a() {{\n{body}\n}}\n"), "`a` has 70 lines");
        holds(
            STORE,
            &format!("trait A {{\n    fn a();\n}}\n#[cfg(test)]\nmod tests {{\nfn a() {{\n{body}\n}}\n}}\n"),
        );
        breaks(STORE, &"\n".repeat(FILE_LINES_MAX), "701 lines");
    }
}
