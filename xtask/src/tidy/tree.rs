//! Dead files: a file that no `mod` reaches is compiled by nobody, and its tests run for nobody.

use std::collections::BTreeSet;

use super::Finding;
use crate::source::{Source, block_end, identifier, words};

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut waiting: Vec<&Source> = sources.iter().filter(|source| is_root(&source.path)).collect();
    while let Some(source) = waiting.pop() {
        if reached.insert(source.path.clone()) {
            let wanted = modules(source);
            waiting.extend(sources.iter().filter(|source| wanted.contains(&source.path)));
        }
    }
    let dead = sources.iter().filter(|source| !reached.contains(&source.path));
    dead.map(|source| Finding::at(source, 0, "no `mod` reaches this file")).collect()
}

/// What cargo itself finds.
fn is_root(path: &str) -> bool {
    let inner = path.strip_prefix("crates/").and_then(|path| path.split_once('/')).map(|(_, inner)| inner);
    let inner = inner.or_else(|| path.strip_prefix("xtask/")).or_else(|| path.strip_prefix("fuzz/"));
    let Some(inner) = inner else { return false };
    let parts: Vec<&str> = inner.split('/').collect();
    matches!(
        parts.as_slice(),
        ["build.rs"]
            | ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", ..]
            | ["tests" | "benches" | "examples" | "fuzz_targets", _]
            | ["tests" | "benches" | "examples", _, "main.rs"]
    )
}

/// The files that a file's `mod name;` lines may mean.
fn modules(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let owns_folder = is_root(&source.path) || stem == "mod";
    let inner = if owns_folder { folder.to_owned() } else { format!("{folder}/{stem}") };
    let mut files = Vec::new();
    for at in words(&source.code, "mod") {
        let name = identifier(&source.code, at + 4);
        let behind = &source.code[at + 4 + name.len()..];
        if name.is_empty() || !behind.trim_start().starts_with(';') {
            continue;
        }
        // A `#[path = "…"]` on the line above is taken from the folder of the file.
        let above = source.text[..at].rsplit('\n').nth(1).unwrap_or_default();
        if let Some(path) = above.split_once("#[path = \"").and_then(|(_, path)| path.split_once('"')) {
            files.push(format!("{folder}/{}", path.0));
        }
        let nested = inline_parents(source, at);
        files.push(format!("{inner}/{nested}{name}.rs"));
        files.push(format!("{inner}/{nested}{name}/mod.rs"));
    }
    files
}

/// The inline modules around an octet, as folders: `a/b/`.
fn inline_parents(source: &Source, at: usize) -> String {
    let code = &source.code;
    let around = words(code, "mod").filter_map(|from| {
        let name = identifier(code, from + 4);
        let open = from + 4 + name.len() + code[from + 4 + name.len()..].find(['{', ';'])?;
        let holds = code[open..].starts_with('{') && (open..block_end(code, open)).contains(&at);
        holds.then(|| format!("{name}/"))
    });
    around.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        check(&sources).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn a_file_that_no_mod_reaches_is_dead_with_all_below_it() {
        let files = [
            ("crates/a/src/lib.rs", "mod b;\n// mod c;\n"),
            ("crates/a/src/b.rs", "pub mod d;\n#[cfg(test)]\nmod tests;\n"),
            ("crates/a/src/b/d.rs", ""),
            ("crates/a/src/b/tests.rs", ""),
            ("crates/a/src/c.rs", "mod e;"),
            ("crates/a/src/c/e.rs", ""),
        ];
        assert_eq!(dead(&files), ["crates/a/src/c.rs", "crates/a/src/c/e.rs"]);
    }

    #[test]
    fn programs_integration_tests_inline_modules_and_paths_are_followed() {
        let files = [
            ("xtask/src/main.rs", "mod a { mod b; }"),
            ("xtask/src/a/b.rs", ""),
            ("crates/t/tests/it/main.rs", "mod f;\n#[path = \"../g.rs\"]\nmod h;\n"),
            ("crates/t/tests/it/f.rs", ""),
            ("crates/t/tests/it/../g.rs", ""),
            ("crates/t/tests/it/i.rs", ""),
        ];
        assert_eq!(dead(&files), ["crates/t/tests/it/i.rs"]);
    }
}
