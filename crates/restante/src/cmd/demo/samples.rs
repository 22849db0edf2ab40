//! The mail of the tour: thirteen messages from `samples/`, each with something a careless server would change,
//! and one of five megabytes made here.

use std::borrow::Cow;

/// A message of the tour.
pub(crate) struct Sample {
    /// What is special about it, in a few words.
    pub(crate) title: &'static str,
    /// The reverse-path it is sent with; empty for a bounce.
    pub(crate) sender: &'static str,
    /// As it lies in `samples/`: lines end with LF, the last one perhaps not at all.
    octets: Cow<'static, [u8]>,
}

impl Sample {
    /// The message as mail travels: every line ends with CRLF, the last one too. The tour compares with this, so it
    /// is made here and not by the encoder that is being judged.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let mut canonical = Vec::with_capacity(self.octets.len() + self.octets.len() / 40 + 2);
        for line in self.octets.split_inclusive(|&octet| octet == b'\n') {
            canonical.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
            canonical.extend_from_slice(b"\r\n");
        }
        canonical
    }
}

/// All of them, in the order in which they are delivered.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples: Vec<Sample> = FILES
        .iter()
        .map(|&(title, sender, octets)| Sample { title, sender, octets: Cow::Borrowed(octets) })
        .collect();
    samples.push(Sample {
        title: "an attachment of five megabytes",
        sender: "parcels@example.org",
        octets: Cow::Owned(parcel()),
    });
    samples
}

/// A message of 5 MB: base64 text from a small fixed generator, the same in every run.
fn parcel() -> Vec<u8> {
    let mut message = PARCEL_HEAD.as_bytes().to_vec();
    message.reserve(PARCEL_LINES * (PARCEL_LINE_OCTETS + 1) + PARCEL_TAIL.len());
    let mut state: u32 = 110; // The well-known port of POP3, as good a seed as any.
    for _ in 0..PARCEL_LINES {
        for _ in 0..PARCEL_LINE_OCTETS {
            // Xorshift by 13, 17 and 5 (Marsaglia 2003): never 0 from a state that is not.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            message.push(base64_digit((state >> 26) as u8));
        }
        message.push(b'\n');
    }
    message.extend_from_slice(PARCEL_TAIL.as_bytes());
    message
}

/// The base64 digit for a number below 64 (RFC 4648 section 4).
fn base64_digit(number: u8) -> u8 {
    match number {
        0..=25 => b'A' + number,
        26..=51 => b'a' + number - 26,
        52..=61 => b'0' + number - 52,
        62 => b'+',
        _ => b'/',
    }
}

/// What is special about each file, who sends it, and the file.
const FILES: [(&str, &str, &[u8]); 13] = [
    ("a plain letter", "postmaster@example.org", include_bytes!("../../../samples/01-welcome.eml")),
    ("UTF-8 in subject and text", "zoe@example.org", include_bytes!("../../../samples/02-utf-8.eml")),
    ("MIME with an attachment", "stamps@example.org", include_bytes!("../../../samples/03-attachment.eml")),
    ("plain text and HTML", "news@example.org", include_bytes!("../../../samples/04-html.eml")),
    ("dots first, the first octet too", "dot@example.org", include_bytes!("../../../samples/05-dots.eml")),
    ("one line of 12 000 octets", "endless@example.org", include_bytes!("../../../samples/06-long-line.eml")),
    ("an empty body", "silence@example.org", include_bytes!("../../../samples/07-empty-body.eml")),
    ("8-bit text that is not UTF-8", "rene@example.org", include_bytes!("../../../samples/08-latin-1.eml")),
    (
        "no end of the last line",
        "hasty@example.org",
        include_bytes!("../../../samples/09-no-last-line-end.eml"),
    ),
    ("139 header fields", "traveller@example.org", include_bytes!("../../../samples/10-many-headers.eml")),
    ("a bounce from nobody", "", include_bytes!("../../../samples/11-bounce.eml")),
    ("a message in a message", "archive@example.org", include_bytes!("../../../samples/12-forwarded.eml")),
    (
        "white space at ends of lines",
        "margin@example.org",
        include_bytes!("../../../samples/13-white-space.eml"),
    ),
];

/// The head of the large message, up to the base64 text.
const PARCEL_HEAD: &str = "\
Date: Mon, 5 Jan 2026 09:14:00 +0100
From: Parcels <parcels@example.org>
To: Demo <demo@example.org>
Subject: Five megabytes
Message-ID: <sample-14@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"=_parcel_14\"

--=_parcel_14
Content-Type: text/plain; charset=us-ascii

Please sign here. The attachment holds nothing of interest, but a lot of it.

--=_parcel_14
Content-Type: application/octet-stream; name=\"parcel.bin\"
Content-Disposition: attachment; filename=\"parcel.bin\"
Content-Transfer-Encoding: base64

";

/// What follows the base64 text.
const PARCEL_TAIL: &str = "\n--=_parcel_14--\n";

/// Lines of base64 text, each of the length MIME allows (RFC 2045 section 6.8), for 5 MB in all.
const PARCEL_LINES: usize = 65_000;
const PARCEL_LINE_OCTETS: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_hold_what_their_titles_say() {
        let samples = all();
        let octets = |title: &str| {
            let sample = samples.iter().find(|sample| sample.title.contains(title));
            sample.unwrap_or_else(|| panic!("no sample '{title}'")).octets.to_vec()
        };
        let lines =
            |title: &str| octets(title).split(|&octet| octet == b'\n').map(<[u8]>::len).collect::<Vec<_>>();
        assert!(octets("dots first").starts_with(b"."));
        assert!(octets("dots first").windows(3).any(|window| window == b"\n.\n"));
        assert!(lines("12 000").contains(&12_000));
        assert!(octets("empty body").ends_with(b"\n\n"));
        assert!(std::str::from_utf8(&octets("not UTF-8")).is_err());
        assert!(!octets("no end").ends_with(b"\n"));
        assert!(octets("white space").windows(3).any(|window| window == b"  \n"));
        assert!((5_000_000..5_200_000).contains(&octets("five megabytes").len()));
        let fields = octets("header fields");
        let head = fields.split(|&octet| octet == b'\n').take_while(|line| !line.is_empty());
        assert!(head.filter(|line| !line.starts_with(b" ") && !line.starts_with(b"\t")).count() == 139);
        assert!(samples.iter().any(|sample| sample.sender.is_empty()), "a bounce");
        assert!(samples.len() >= 10);
    }

    #[test]
    fn no_sample_has_a_carriage_return_of_its_own() {
        // So that the canonical form is what every server agrees on.
        assert!(all().iter().all(|sample| !sample.octets.contains(&b'\r') && !sample.octets.contains(&0)));
    }

    #[test]
    fn the_canonical_form_ends_every_line_with_crlf() {
        for (stored, canonical) in [(&b"a\n\nb"[..], &b"a\r\n\r\nb\r\n"[..]), (b"a\n", b"a\r\n"), (b"", b"")]
        {
            let sample = Sample { title: "", sender: "", octets: stored.into() };
            assert_eq!(sample.canonical(), canonical);
        }
    }

    #[test]
    fn the_large_message_is_the_same_in_every_run() {
        assert_eq!(parcel(), parcel());
        let text = parcel().split_off(PARCEL_HEAD.len());
        let mut seen = [false; 256];
        text.iter().for_each(|&octet| seen[usize::from(octet)] = true);
        assert!(
            (b'A'..=b'Z')
                .chain(b'a'..=b'z')
                .chain(b'0'..=b'9')
                .chain(*b"+/")
                .all(|digit| seen[usize::from(digit)])
        );
    }
}
