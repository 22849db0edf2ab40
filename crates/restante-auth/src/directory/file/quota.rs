//! Quotas in a passwd-file: what Dovecot's extra fields say of one, and how the table keeps it.
//!
//! Dovecot 2.3 writes rules, of which `*` concerns the whole account: `userdb_quota_rule=*:storage=1G:messages=1000`
//! (`storage` counts in KiB where it has no unit, `bytes` in octets). Dovecot 2.4 writes `userdb_quota_storage_size=1G` and
//! `userdb_quota_message_count=1000`. Nought and `unlimited` are no limit, which is not the same as nothing said.

use crate::account::{Bound, Quota};

/// What the extra fields of a line say, and what of it is not understood. Of two that say the same the last counts.
pub(super) fn read<'a>(extras: impl Iterator<Item = &'a [u8]>) -> (Quota, Vec<String>) {
    let (mut quota, mut misunderstood) = (Quota::default(), Vec::new());
    for extra in extras {
        let Some(field) = extra.strip_prefix(b"userdb_quota_") else { continue };
        let Ok(field) = std::str::from_utf8(field) else { continue };
        let Some((key, value)) = field.split_once('=') else { continue };
        let is_understood = match key.trim_end_matches(|letter: char| letter.is_ascii_digit()) {
            "rule" => read_rule(value, &mut quota),
            "storage_size" => set(&mut quota.octets, octets(value, 1)),
            "message_count" => set(&mut quota.messages, number(value)),
            // Warnings, graces and the like: what happens near the limit is nobody's limit.
            _ => true,
        };
        if !is_understood {
            let shown: String = value.escape_debug().take(SHOWN_MAX).collect();
            misunderstood.push(format!("the quota {shown} is not understood and does not count"));
        }
    }
    (quota, misunderstood)
}

/// A rule. One for another folder than the whole account is understood, and none of ours.
fn read_rule(rule: &str, quota: &mut Quota) -> bool {
    let Some((folder, limits)) = rule.split_once(':') else { return false };
    if folder != "*" {
        return true;
    }
    let (mut read, mut is_understood) = (*quota, true);
    for limit in limits.split(':') {
        is_understood &= match limit.split_once('=') {
            Some(("storage", value)) => set(&mut read.octets, octets(value, 1024)),
            Some(("bytes", value)) => set(&mut read.octets, octets(value, 1)),
            Some(("messages", value)) => set(&mut read.messages, number(value)),
            _ => false,
        };
    }
    if is_understood {
        *quota = read;
    }
    is_understood
}

fn set(place: &mut Option<Bound>, value: Option<u64>) -> bool {
    *place = value.map(Bound::from_stored).or(*place);
    value.is_some()
}

fn number(value: &str) -> Option<u64> {
    if value == "unlimited" { Some(0) } else { value.parse().ok() }
}

/// A number with a unit, or in units of `unit` octets. One that is relative to another (`+100M`, `10%`) is not understood.
fn octets(value: &str, unit: u64) -> Option<u64> {
    let end = value.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(value.len());
    let (digits, suffix) = value.split_at_checked(end)?;
    let unit = match suffix.to_ascii_uppercase().as_str() {
        "" => unit,
        "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        "T" | "TB" | "TIB" => 1 << 40,
        "UNLIMITED" if digits.is_empty() => return Some(0),
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// The octets for the table: for each figure a tag and the figure. Never more than the text that it stood in.
pub(super) fn encode(quota: Quota) -> Vec<u8> {
    let mut octets = Vec::new();
    for (tag, bound) in [(OCTETS, quota.octets), (MESSAGES, quota.messages)] {
        if let Some(bound) = bound {
            octets.push(tag);
            octets.extend_from_slice(&bound.stored().to_le_bytes());
        }
    }
    octets
}

/// What [`encode`] wrote.
pub(super) fn decode(mut octets: &[u8]) -> Quota {
    let mut quota = Quota::default();
    while let Some((&[tag, ref number @ ..], rest)) = octets.split_first_chunk::<FIGURE_OCTETS>() {
        let bound = Some(Bound::from_stored(u64::from_le_bytes(*number)));
        match tag {
            OCTETS => quota.octets = bound,
            _ => quota.messages = bound,
        }
        octets = rest;
    }
    quota
}

const OCTETS: u8 = 1;
const MESSAGES: u8 = 2;
const FIGURE_OCTETS: usize = 9;

/// Characters of something written that are repeated in a problem.
const SHOWN_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(octets: Option<u64>, messages: Option<u64>) -> Quota {
        Quota { octets: octets.map(Bound::from_stored), messages: messages.map(Bound::from_stored) }
    }

    fn of(text: &str) -> (Quota, usize) {
        let (quota, misunderstood) = read(text.split(' ').map(str::as_bytes));
        assert_eq!(decode(&encode(quota)), quota, "{text}");
        assert!(encode(quota).len() <= text.len());
        (quota, misunderstood.len())
    }

    #[test]
    fn rules_as_dovecot_writes_them() {
        for (text, expected) in [
            ("", quota(None, None)),
            ("userdb_quota_rule=*:storage=1G", quota(Some(1 << 30), None)),
            ("userdb_quota_rule=*:storage=1G:messages=1000", quota(Some(1 << 30), Some(1000))),
            ("userdb_quota_rule=*:storage=5", quota(Some(5 * 1024), None)),
            ("userdb_quota_rule=*:bytes=5", quota(Some(5), None)),
            ("userdb_quota_rule=*:bytes=5k:messages=0", quota(Some(5 * 1024), Some(0))),
            ("userdb_quota_rule=*:storage=0", quota(Some(0), None)),
            ("userdb_quota_rule=Trash:storage=+100M", quota(None, None)),
            (
                "userdb_quota_rule=*:storage=1M userdb_quota_rule2=*:messages=7 userdb_quota_grace=10%",
                quota(Some(1 << 20), Some(7)),
            ),
            ("userdb_quota_storage_size=1.5G", quota(None, None)),
            (
                "userdb_quota_storage_size=2G userdb_quota_message_count=9 userdb_home=/x",
                quota(Some(2 << 30), Some(9)),
            ),
            (
                "userdb_quota_storage_size=unlimited userdb_quota_message_count=unlimited",
                quota(Some(0), Some(0)),
            ),
            ("userdb_quota_storage_size=700", quota(Some(700), None)),
        ] {
            assert_eq!(of(text).0, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_and_does_not_count() {
        for text in [
            "userdb_quota_rule=*:storage=10%",
            "userdb_quota_rule=*:storage=+10M",
            "userdb_quota_rule=*:storage=10X",
            "userdb_quota_rule=*:storage=",
            "userdb_quota_rule=*:ignore",
            "userdb_quota_rule=*",
            "userdb_quota_rule=*:storage=99999999999T",
            "userdb_quota_rule=*:messages=-1:storage=1G",
            "userdb_quota_message_count=many",
            "userdb_quota_storage_size=1.5G",
        ] {
            assert_eq!(of(text), (Quota::default(), 1), "{text}");
        }
    }
}
