//! Names in the control folder, and the From_ line: the line that begins a message in an mbox.

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const INDEX: &str = "restante.index";
/// The index while it is written anew. Only the holder of [`LOCK`] writes it.
pub(super) const INDEX_NEW: &str = "restante.index.new";
/// Held by a session from its login to its end.
pub(super) const LOCK: &str = "restante.lock";
/// Held while the mbox itself is read or written.
pub(super) const WORK: &str = "restante.work";
/// The change of the mbox that is going on.
pub(super) const JOURNAL: &str = "restante.journal";
pub(super) const UNIQUE_IDS: &str = "restante.unique-ids";
pub(super) const UNIQUE_IDS_NEW: &str = "restante.unique-ids.new";

/// Whether a line, given without its line end, begins a message: `From `, anything, and a plausible date. What stands
/// before the date may be empty or hold blanks; the time may lack its seconds; a zone may stand before or behind the year;
/// the date of a mail header (`Thu, 13 Feb 2025 10:11:12 +0100`) is taken as well.
pub(super) fn is_from_line(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(FROM) else { return false };
    if rest.len() > FROM_LINE_OCTETS_MAX {
        return false;
    }
    let words: Vec<&[u8]> = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    (0..words.len()).any(|at| is_date(words.get(at..).unwrap_or_default()))
}

/// The From_ line of a message from `sender` that arrives at `now`, without its line end. Times are those of UTC.
pub(super) fn from_line(sender: &[u8], now: SystemTime) -> Vec<u8> {
    let is_fit = (1..=SENDER_OCTETS_MAX).contains(&sender.len()) && sender.iter().all(u8::is_ascii_graphic);
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    // 1 January 1970 was a Thursday.
    let weekday = usize::try_from((days + 4) % 7).ok().and_then(|at| WEEKDAYS.get(at)).unwrap_or(&"Thu");
    let month = MONTHS.get(month).unwrap_or(&"Jan");
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let date = format!(" {weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year:04}");
    [FROM, if is_fit { sender } else { b"MAILER-DAEMON" }, date.as_bytes()].concat()
}

/// Year, month from 0, and day of the month of so many days after 1 January 1970.
fn civil(days: u64) -> (u64, usize, u64) {
    // Counted from 1 March of the year 0, so that the leap day comes last; eras have 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(from_march >= 10);
    (year, usize::try_from(month).unwrap_or(0), day)
}

/// Whether these words begin with a date.
fn is_date(words: &[&[u8]]) -> bool {
    let Some((weekday, rest)) = words.split_first() else { return false };
    let weekday = weekday.strip_suffix(b",").unwrap_or(weekday);
    if !is_one_of(weekday, &WEEKDAYS) {
        return false;
    }
    match rest {
        [month, day, time, rest @ ..] if is_one_of(month, &MONTHS) => {
            is_day(day) && is_time(time) && rest.iter().take(3).any(|word| is_year(word))
        }
        [day, month, year, time, ..] => {
            is_day(day) && is_one_of(month, &MONTHS) && is_year(year) && is_time(time)
        }
        _ => false,
    }
}

fn is_one_of(word: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

fn is_day(word: &[u8]) -> bool {
    matches!(word, [b'1'..=b'9'] | [b'0'..=b'3', b'0'..=b'9'])
}

fn is_year(word: &[u8]) -> bool {
    matches!(word, [b'1'..=b'9', rest @ ..] if rest.len() == 3 && rest.iter().all(u8::is_ascii_digit))
}

/// `hh:mm` or `hh:mm:ss`.
fn is_time(word: &[u8]) -> bool {
    let parts: Vec<&[u8]> = word.split(|&octet| octet == b':').collect();
    let is_number = |part: &&[u8]| matches!(part, [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9']);
    matches!(parts.len(), 2 | 3) && parts.iter().all(is_number)
}

pub(super) const FROM: &[u8] = b"From ";

/// A longer line is no From_ line. A path has 256 octets at most (RFC 5321 section 4.5.3.1.3), a date some 40.
pub(super) const FROM_LINE_OCTETS_MAX: usize = 1000;

const SENDER_OCTETS_MAX: usize = 256;

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_other_programs_write_begins_a_message() {
        for line in [
            "From alice@example.org Thu Feb 13 10:11:12 2025",
            "From alice@example.org  Thu Feb  3 10:11:12 2025",
            "From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
            "From  Thu Feb 13 10:11:12 2025",
            "From a b c Thu Feb 13 10:11 2025",
            "From a@b Thu Feb 13 10:11:12 CET 2025",
            "From a@b Thu Feb 13 10:11:12 2025 +0100",
            "From a@b Thu Feb 13 10:11:12 MET DST 2025",
            "From - Thu, 13 Feb 2025 10:11:12 +0100",
            "From a!b Thu Feb 13 10:11:12 2025 remote from c",
        ] {
            assert!(is_from_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_people_write_does_not() {
        for line in [
            "From",
            "From ",
            "From here on it is easy",
            "From Thu on, Feb is cold",
            "From a@b Thu Feb 13 2025",
            "From a@b Thu Feb 41 10:11:12 2025",
            "From a@b Thu Feb 13 10:11:12",
            "From a@b Feb 13 10:11:12 2025",
            "from a@b Thu Feb 13 10:11:12 2025",
            ">From a@b Thu Feb 13 10:11:12 2025",
            " From a@b Thu Feb 13 10:11:12 2025",
        ] {
            assert!(!is_from_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn lines_of_our_own() {
        let line = |seconds| {
            let line = from_line(b"a@b", UNIX_EPOCH + Duration::from_secs(seconds));
            assert!(is_from_line(&line));
            String::from_utf8(line).unwrap()
        };
        assert_eq!(line(0), "From a@b Thu Jan  1 00:00:00 1970");
        assert_eq!(line(951_782_400), "From a@b Tue Feb 29 00:00:00 2000");
        assert_eq!(line(1_739_441_472), "From a@b Thu Feb 13 10:11:12 2025");
        assert_eq!(line(4_102_444_799), "From a@b Thu Dec 31 23:59:59 2099");
        for sender in [&b""[..], b"a b", b"a\nb", b"\xc3\xbc", &[b'a'; 257]] {
            assert!(from_line(sender, UNIX_EPOCH).starts_with(b"From MAILER-DAEMON Thu"));
        }
    }
}
