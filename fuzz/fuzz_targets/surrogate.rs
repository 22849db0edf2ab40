//! Surrogates: whatever a message is, the fields of its header become ASCII, everything else stays, the size that is announced is the size
//! that is sent, and all of it is the same for every chunking.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_fuzz::{canonical, cut, lines};
use restante_store::fuzzing::{surrogate, surrogate_octets};

fuzz_target!(|input: &[u8]| {
    let (pieces, message) = cut(input);
    let shown = surrogate(&[message]);
    assert_eq!(shown, surrogate(&pieces));
    // A malformed field of contents may say another boundary after it than before.
    if !message.to_ascii_lowercase().windows(7).any(|word| matches!(word, b"tipart/" | b"essage/")) {
        assert_eq!(surrogate(&[&shown]), shown, "twice is once");
    }

    for field in header(&shown) {
        // Octets that are no UTF-8 are older than all this, and stay.
        assert!(field.is_ascii() || std::str::from_utf8(&field).is_err(), "{}", field.escape_ascii());
    }
    if message.is_ascii() {
        assert_eq!(shown, message);
    }

    let octets = canonical(message).len() as u64;
    let measured = surrogate_octets(&[message], octets);
    assert_eq!(measured, (shown != message).then_some(canonical(&shown).len() as u64));
    assert_eq!(measured, surrogate_octets(&pieces, octets));
});

/// The fields of the header, each with the lines it is folded into.
fn header(message: &[u8]) -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for line in lines(message).into_iter().take_while(|line| !line.is_empty()) {
        match fields.last_mut() {
            Some(field) if line.starts_with(b" ") || line.starts_with(b"\t") => field.extend_from_slice(line),
            _ => fields.push(line.to_vec()),
        }
    }
    fields
}
