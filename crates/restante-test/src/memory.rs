//! Looks for secrets in the memory of a running program. It takes root, or a child of one's own where the system allows that.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// The mappings of the process's memory, stacks and heap and all, that hold these octets, which are not none.
///
/// # Panics
/// When there is no such process, or it must not be looked at.
#[must_use]
pub fn holders(process: u32, secret: &[u8]) -> Vec<String> {
    let folder = format!("/proc/{process}");
    let memory = File::open(format!("{folder}/mem")).expect("root may look");
    let maps = fs::read_to_string(format!("{folder}/maps")).expect("root may look");
    let mut holders = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (range, rights) = (words.next().expect("proc(5)"), words.next().expect("proc(5)"));
        // What cannot be written holds nothing that was received.
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').expect("proc(5)");
        let address = |text| u64::from_str_radix(text, 16).expect("proc(5)");
        let (start, end) = (address(start), address(end));
        let mut octets = vec![0; usize::try_from(end - start).expect("memory fits into memory")];
        // One that is gone meanwhile holds nothing.
        if memory.read_exact_at(&mut octets, start).is_ok() && contains(&octets, secret) {
            holders.push(line.to_owned());
        }
    }
    holders
}

/// As fast as a test without optimisation can.
fn contains(octets: &[u8], secret: &[u8]) -> bool {
    let (first, rest) = secret.split_first().expect("a secret of at least one octet");
    let mut left = octets;
    while let Some(at) = left.iter().position(|octet| octet == first) {
        left = &left[at + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}
