//! Header fields that go in front of a collected message, where its owner wants them. Without them a message is stored as it came.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Which fields, and what they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// `Received`: where it came from, and when.
    pub received: Option<Received>,
    /// `Delivered-To`, with this address.
    pub delivered_to: Option<String>,
}

/// What a `Received` field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The server it came from.
    pub from: String,
    /// This machine.
    pub by: String,
    /// `POP3`, or `POP3S` over TLS.
    pub with: &'static str,
}

impl Additions {
    /// The fields for a message with this mark, in canonical form. `Delivered-To` stands last, next to the fields of the message, as
    /// mail transfer agents have it.
    #[must_use]
    pub fn fields(&self, mark: &str, now: Timestamp) -> Vec<u8> {
        let mut fields = String::new();
        if let Some(Received { from, by, with }) = &self.received {
            let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(TimeZone::system()))
                .unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 +0000".to_owned());
            let (from, by) = (word(from), word(by));
            fields.push_str(&format!("Received: from {from} by {by} with {with}\r\n\tid {mark}; {date}\r\n"));
        }
        if let Some(address) = &self.delivered_to {
            fields.push_str(&format!("Delivered-To: {}\r\n", word(address)));
        }
        fields.into_bytes()
    }
}

/// What cannot end a field, nor begin a comment in it.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() && !"()<>;\\\"".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_canonical_and_nothing_breaks_out_of_them() {
        let received = Received { from: "mail.example.org".into(), by: "a\r\nX: y".into(), with: "POP3S" };
        let additions = Additions { received: Some(received), delivered_to: Some("a@b.example".into()) };
        let fields = String::from_utf8(additions.fields("00ff", Timestamp::UNIX_EPOCH)).unwrap();
        let lines: Vec<&str> = fields.split("\r\n").collect();
        assert_eq!(lines[0], "Received: from mail.example.org by a__X:_y with POP3S");
        assert!(lines[1].starts_with("\tid 00ff; Thu, 1 Jan 1970"), "{fields}");
        assert_eq!(lines[2..], ["Delivered-To: a@b.example", ""]);
        assert!(Additions::default().fields("00", Timestamp::UNIX_EPOCH).is_empty());
    }
}
