//! Replies of POP2: one sign, a number where there is one, and a text that nobody may act on (RFC 937, "Reply Strings").
//!
//! No text repeats anything a peer has sent. They are in English alone: POP2 has no way to ask for another language.

use alloc::vec::Vec;

use crate::maildrop::{MessageNumber, Octets};
use crate::reply::decimal;
use crate::server::{Fault, Refusal};

/// The greeting: the protocol's name, then the host's (R937-p.1.1).
pub(super) fn greeting(hostname: &str, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+ POP2 ");
    let is_plain = |octet: &u8| octet.is_ascii_graphic() && *octet != b'\\';
    output.extend(hostname.bytes().filter(is_plain).take(HOSTNAME_OCTETS_MAX));
    output.extend_from_slice(b" Server\r\n");
}

/// The number of messages, in reply to HELO and FOLD.
pub(super) fn count(messages: usize, output: &mut Vec<u8>) {
    output.push(b'#');
    decimal(messages as u64, output);
    output.extend_from_slice(b" messages in your mailbox\r\n");
}

/// The size of the current message, in reply to READ and the acknowledgments.
pub(super) fn length(number: MessageNumber, octets: Octets, output: &mut Vec<u8>) {
    output.push(b'=');
    decimal(octets.as_u64(), output);
    output.extend_from_slice(b" characters in message ");
    decimal(u64::from(number.as_u32()), output);
    output.extend_from_slice(b"\r\n");
}

/// The reply to a login that is refused, or the greeting of a connection that is.
pub(super) const fn refusal(refusal: Refusal) -> &'static [u8] {
    match refusal {
        Refusal::Credentials => b"- Wrong user name or password\r\n",
        Refusal::InUse => b"- The mailbox is locked by another session\r\n",
        Refusal::LoginDelay => b"- The last login was too recent, wait before the next\r\n",
        Refusal::Temporary => b"- Service temporarily unavailable, try again later\r\n",
        Refusal::Permanent => b"- The mailbox cannot be opened, ask the postmaster\r\n",
        Refusal::TooManySessions => b"- Too many sessions, wait and try again\r\n",
        Refusal::ShuttingDown => b"- Service unavailable: shutting down\r\n",
    }
}

/// The reply to FOLD and QUIT when not every marked message was removed.
pub(super) const fn removal_fault(fault: Fault) -> &'static [u8] {
    match fault {
        Fault::Temporary => b"- Some deleted messages were not removed, try again later\r\n",
        Fault::Permanent | Fault::NeedsUtf8 => {
            b"- Some deleted messages were not removed, ask the postmaster\r\n"
        }
    }
}

pub(super) const NO_MORE: &[u8] = b"=0 no more messages\r\n";
pub(super) const NO_MAILBOX: &[u8] = b"#0 messages: there is no such mailbox\r\n";
pub(super) const GOODBYE: &[u8] = b"+ OK, bye, bye\r\n";
pub(super) const NEEDS_TLS: &[u8] = b"- No password without encryption: use TLS\r\n";
pub(super) const GARBAGE: &[u8] = b"- That is no command here, closing\r\n";
pub(super) const LINE_TOO_LONG: &[u8] = b"- Line too long, closing\r\n";

/// The longest name DNS can hold; the greeting stays within 512 octets (R937-sizes.1).
const HOSTNAME_OCTETS_MAX: usize = 255;
