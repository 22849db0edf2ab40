//! Files that have one entry a line, as those of aliases and of tokens: what they have in common.

use super::Problem;

/// Reads a file of which each line is for `add`, which is told its number, from 1. Empty lines, and lines that begin with `#`, mean
/// nothing. All problems at once, at most [`PROBLEMS_MAX`], each with its line.
pub(crate) fn read(
    text: &[u8],
    mut add: impl FnMut(u64, &str) -> Result<(), Problem>,
) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
        let added = match std::str::from_utf8(line).map(str::trim) {
            Ok(line) if line.is_empty() || line.starts_with('#') => continue,
            Ok(line) => add(number, line),
            Err(_) => Err(Problem::new("the line is not UTF-8", "write it again, or remove it")),
        };
        if let Err(problem) = added {
            problems.push(Problem { line: Some(number), ..problem });
        }
        if problems.len() >= PROBLEMS_MAX {
            break;
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Enough to see a pattern.
pub(crate) const PROBLEMS_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_problems_told_up_to_a_bound() {
        let mut seen = Vec::new();
        let text = b"# a comment\r\n\n  one \r\n\xff\nwrong";
        let problems = read(text, |number, line| {
            seen.push((number, line.to_owned()));
            if line == "wrong" { Err(Problem::new("wrong", "right it")) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!(seen, [(3, "one".to_owned()), (5, "wrong".to_owned())]);
        let lines: Vec<_> = problems.iter().map(|problem| (problem.line, problem.what.as_str())).collect();
        assert_eq!(lines, [(Some(4), "the line is not UTF-8"), (Some(5), "wrong")]);
        let many = read("x\n".repeat(1_000).as_bytes(), |_, _| Err(Problem::new("wrong", "right it")));
        assert_eq!(many.unwrap_err().len(), PROBLEMS_MAX);
    }
}
