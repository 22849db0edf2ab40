//! The text of `maildirsize`, the file by which programs share the total of a Maildir (Maildir++).
//!
//! The first line says the limits under which it was counted, as `<octets>S,<messages>C`, either of which may be missing.
//! Every other line holds two numbers, octets and messages, with white space between and perhaps around them; their sums
//! are the total. Only bytes here; when the file is read, appended to and written anew is `maildir/counting.rs`'s business.

use std::fmt::Write;

use super::{Limits, Recorded, Usage};

/// What a file says, as far as it is about these limits.
pub(crate) fn read(file: &[u8], limits: Limits) -> Recorded {
    let Some((recorded, total)) = parse(file) else { return Recorded::Damaged };
    if recorded == limits { Recorded::Total(total) } else { Recorded::OtherLimits }
}

/// A whole new file that says this total.
pub(crate) fn whole(limits: Limits, total: Usage) -> String {
    let mut file = String::new();
    if let Some(octets) = limits.octets {
        let _ = write!(file, "{octets}S");
    }
    if let Some(messages) = limits.messages {
        let comma = if file.is_empty() { "" } else { "," };
        let _ = write!(file, "{comma}{messages}C");
    }
    file.push('\n');
    file.push_str(&added(total));
    file
}

/// The line that adds so much.
pub(crate) fn added(more: Usage) -> String {
    format!("{} {}\n", more.octets, more.messages)
}

/// The line that takes so much away.
pub(crate) fn removed(less: Usage) -> String {
    // Minus nothing is still a number, but not a pretty one.
    let sign = |number: u64| if number == 0 { "" } else { "-" };
    format!("{}{} {}{}\n", sign(less.octets), less.octets, sign(less.messages), less.messages)
}

/// The limits and the total. `None` when it makes no sense: not whole lines, no line with a total, sums below zero.
fn parse(file: &[u8]) -> Option<(Limits, Usage)> {
    let text = std::str::from_utf8(file.strip_suffix(b"\n")?).ok()?;
    let mut lines = text.split('\n');
    let limits = limits(lines.next()?)?;
    let (mut octets, mut messages, mut count) = (0_i128, 0_i128, 0);
    for line in lines {
        let mut numbers = line.split_ascii_whitespace();
        let (more_octets, more_messages) = (numbers.next()?, numbers.next()?);
        if numbers.next().is_some() {
            return None;
        }
        // Sixty-four bits each, so that no file of bounded length can overflow the sums.
        octets += i128::from(more_octets.parse::<i64>().ok()?);
        messages += i128::from(more_messages.parse::<i64>().ok()?);
        count += 1;
    }
    let total = Usage { octets: octets.try_into().ok()?, messages: messages.try_into().ok()? };
    (count > 0).then_some((limits, total))
}

/// The limits of a first line. What is counted in other letters is nobody's limit here.
fn limits(line: &str) -> Option<Limits> {
    let mut limits = Limits::default();
    for part in line.trim_ascii().split(',').filter(|part| !part.is_empty()) {
        let (number, kind) = part.split_at_checked(part.len() - 1)?;
        // Zero is how others write that there is no limit.
        let number = number.parse::<u64>().ok()?;
        let max = (number > 0).then_some(number);
        match kind {
            "S" => limits.octets = max,
            "C" => limits.messages = max,
            _ => return None,
        }
    }
    Some(limits)
}

/// A file longer than this is written anew.
pub(crate) const BYTES_MAX: u64 = 5120;

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Limits = Limits { octets: Some(1000), messages: Some(10) };

    fn total(octets: u64, messages: u64) -> Recorded {
        Recorded::Total(Usage { octets, messages })
    }

    #[test]
    fn what_is_written_is_read() {
        let usage = Usage { octets: 123, messages: 4 };
        for (octets, messages, first) in [
            (Some(1000), Some(10), "1000S,10C\n"),
            (Some(1000), None, "1000S\n"),
            (None, Some(10), "10C\n"),
            (None, None, "\n"),
        ] {
            let limits = Limits { octets, messages };
            let file = whole(limits, usage);
            assert_eq!(file, format!("{first}123 4\n"));
            assert_eq!(read(file.as_bytes(), limits), Recorded::Total(usage));
            let less = Usage { octets: 23, messages: 1 };
            let file = file + &removed(less) + &added(Usage::message(50)) + &removed(Usage::default());
            assert_eq!(read(file.as_bytes(), limits), total(150, 4), "{file}");
        }
    }

    #[test]
    fn files_of_other_programs_are_understood() {
        for (file, expected) in [
            // Courier pads to 14 octets a line.
            ("1000S,10C\n   400      3\n  -100     -1\n", total(300, 2)),
            ("10C,1000S\n0 0\n", total(0, 0)),
            ("1000S,10C\n400\t3 \n", total(400, 3)),
            ("1000S\n400 3\n", Recorded::OtherLimits),
            ("1000S,0C\n400 3\n", Recorded::OtherLimits),
            ("2000S,10C\n400 3\n", Recorded::OtherLimits),
            ("\n400 3\n", Recorded::OtherLimits),
        ] {
            assert_eq!(read(file.as_bytes(), BOTH), expected, "{file:?}");
        }
        assert_eq!(
            read(b"1000S,0C\n1 1\n", Limits { octets: Some(1000), messages: None }),
            total(1, 1),
            "zero is no limit"
        );
    }

    #[test]
    fn damage_is_noticed() {
        for file in [
            "",
            "\n",
            "1000S,10C",
            "1000S,10C\n",
            "1000S,10C\n400 3",
            "1000S,10C\n400\n",
            "1000S,10C\n400 3 1\n",
            "1000S,10C\n\n",
            "1000S,10C\n400 3\n\n",
            "1000S,10C\n400 -3\n",
            "1000S,10C\n-1 0\n",
            "1000S,10C\n4o0 3\n",
            "1000S,10C\n99999999999999999999 1\n",
            "1000X\n1 1\n",
            "S\n1 1\n",
            "1000S,10C\n400 3\n\0\0\0\0\0\0\n",
            "\u{e9}\n1 1\n",
        ] {
            assert_eq!(read(file.as_bytes(), BOTH), Recorded::Damaged, "{file:?}");
        }
        assert_eq!(read(b"1000S\n\xff 1\n", BOTH), Recorded::Damaged);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_without_harm(file in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = read(&file, BOTH);
        }

        #[test]
        fn what_is_added_and_removed_is_the_total(steps in proptest::collection::vec((0..1000_u64, 0..3_u64), 0..40)) {
            let mut file = whole(BOTH, Usage::default());
            let mut sum = Usage::default();
            for (octets, messages) in steps {
                sum = sum.plus(Usage { octets, messages });
                file += &added(Usage { octets, messages });
            }
            file += &removed(Usage { octets: sum.octets / 2, messages: sum.messages / 2 });
            let left = total(sum.octets - sum.octets / 2, sum.messages - sum.messages / 2);
            proptest::prop_assert_eq!(read(file.as_bytes(), BOTH), left);
        }
    }
}
