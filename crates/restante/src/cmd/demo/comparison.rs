//! Whether a message came back as it was sent. Written without the encoder and decoder that are being judged.

/// The outcome for one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Octet for octet what was sent, behind the fields that delivery puts in front.
    Same,
    /// Something was changed.
    Different,
}

/// Compares what was fetched with what was sent, both in the canonical form.
pub(crate) fn compare(fetched: &[u8], sent: &[u8]) -> Comparison {
    match fetched.strip_suffix(sent) {
        Some(front) if is_trace(front) => Comparison::Same,
        _ => Comparison::Different,
    }
}

/// Nothing but the three fields, Return-Path first, each perhaps on several lines.
fn is_trace(front: &[u8]) -> bool {
    let lines: Vec<&[u8]> = front.split_inclusive(|&octet| octet == b'\n').collect();
    let is_field = |line: &&[u8]| {
        let starts = |name: &[u8]| line.starts_with(name);
        line.ends_with(b"\r\n")
            && (starts(b"Return-Path: ")
                || starts(b"Delivered-To: ")
                || starts(b"Received: ")
                || starts(b"\t"))
    };
    lines.first().is_some_and(|first| first.starts_with(b"Return-Path: ")) && lines.iter().all(is_field)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: &str = "Return-Path: <a@b>\r\nDelivered-To: demo\r\nReceived: by c\r\n\tfor <demo>\r\n";

    #[test]
    fn the_message_behind_the_fields_of_delivery_is_the_same() {
        assert_eq!(
            compare(format!("{FRONT}A: b\r\n\r\n.\r\n").as_bytes(), b"A: b\r\n\r\n.\r\n"),
            Comparison::Same
        );
    }

    #[test]
    fn every_change_is_found() {
        let sent = b"A: b\r\n\r\n.c \r\n";
        let fetched = |front: &str, message: &str| format!("{front}{message}").into_bytes();
        for changed in [
            fetched("", "A: b\r\n\r\n.c \r\n"),
            fetched(FRONT, "A: b\r\n\r\n..c \r\n"),
            fetched(FRONT, "A: b\r\n\r\nc \r\n"),
            fetched(FRONT, "A: b\r\n\r\n.c\r\n"),
            fetched(FRONT, "A: b\n\n.c \n"),
            fetched(FRONT, "A: b\r\n\r\n.c \r\n\r\n"),
            fetched(FRONT, "A: b\r\n\r\n"),
            fetched(FRONT, "X: y\r\nA: b\r\n\r\n.c \r\n"),
            fetched("X: y\r\n", "A: b\r\n\r\n.c \r\n"),
            fetched(FRONT.trim_end(), "A: b\r\n\r\n.c \r\n"),
            Vec::new(),
        ] {
            assert_eq!(compare(&changed, sent), Comparison::Different, "{:?}", String::from_utf8(changed));
        }
    }
}
