//! The services of XTND: what follows the keyword. Which of them there are is the session's business.

use super::{Flaw, number as message_number_of, split_word};
use crate::maildrop::MessageNumber;

/// A service with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service<'a> {
    /// BBOARDS: the list of boards, or one to open.
    Bboards(Option<&'a [u8]>),
    /// ARCHIVE: a board whose archive is to be opened.
    Archive(&'a [u8]),
    /// X-BBOARDS: a board to be described.
    XBboards(&'a [u8]),
    /// XMIT: a message follows.
    Xmit,
    /// XLST: a header field of all messages or of one.
    Xlst {
        /// The name of the field, without colon: 1 to 76 octets of printable ASCII.
        name: &'a [u8],
        /// The message, when it is one.
        number: Option<MessageNumber>,
    },
}

/// Reads what follows "XTND". The service's name is taken in any case (R1082-XTND.1).
///
/// # Errors
/// The [`Flaw`] of the arguments; an unknown service is [`Flaw::Unknown`].
pub fn parse(arguments: Option<&[u8]>) -> Result<Service<'_>, Flaw> {
    let (service, rest) = split_word(arguments.ok_or(Flaw::Missing)?);
    // Trailing spaces are tolerated, as behind every command.
    let rest = rest.map(<[u8]>::trim_ascii_end).filter(|rest| !rest.is_empty());
    let is = |name: &str| service.eq_ignore_ascii_case(name.as_bytes());
    if is("BBOARDS") {
        rest.map(one_name).transpose().map(Service::Bboards)
    } else if is("ARCHIVE") {
        one_name(rest.ok_or(Flaw::Missing)?).map(Service::Archive)
    } else if is("X-BBOARDS") {
        one_name(rest.ok_or(Flaw::Missing)?).map(Service::XBboards)
    } else if is("XMIT") {
        if rest.is_some() { Err(Flaw::Unexpected) } else { Ok(Service::Xmit) }
    } else if is("XLST") {
        xlst(rest.ok_or(Flaw::Missing)?)
    } else if service.is_empty() {
        Err(Flaw::Missing)
    } else {
        Err(Flaw::Unknown)
    }
}

fn one_name(name: &[u8]) -> Result<&[u8], Flaw> {
    if name.contains(&b' ') { Err(Flaw::Unexpected) } else { Ok(name) }
}

fn xlst(rest: &[u8]) -> Result<Service<'_>, Flaw> {
    let (name, number) = split_word(rest);
    // Clients write the colon or not.
    let name = name.strip_suffix(b":").unwrap_or(name);
    let is_name = (1..=FIELD_NAME_OCTETS_MAX).contains(&name.len())
        && name.iter().all(|&octet| octet.is_ascii_graphic() && octet != b':');
    if !is_name {
        return Err(Flaw::Invalid);
    }
    let number = number.map(|number| message_number_of(Some(number))).transpose()?;
    Ok(Service::Xlst { name, number })
}

/// No field has a longer name: with its colon it could not stand on a line of 78 octets (RFC 5322 section 2.1.1).
const FIELD_NAME_OCTETS_MAX: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1082_xtnd_1_services_come_in_any_case() {
        let read = |line: &'static str| parse(Some(line.as_bytes()));
        assert_eq!(read("bboards"), Ok(Service::Bboards(None)));
        assert_eq!(read("BBOARDS "), Ok(Service::Bboards(None)));
        assert_eq!(read("BBoards News"), Ok(Service::Bboards(Some(b"News"))));
        assert_eq!(read("archive news"), Ok(Service::Archive(b"news")));
        assert_eq!(read("x-bboards news"), Ok(Service::XBboards(b"news")));
        assert_eq!(read("Xmit"), Ok(Service::Xmit));
        assert_eq!(read("xlst Subject"), Ok(Service::Xlst { name: b"Subject", number: None }));
        assert_eq!(
            read("XLST message-id: 3"),
            Ok(Service::Xlst { name: b"message-id", number: MessageNumber::new(3) })
        );
    }

    #[test]
    fn what_is_no_service_is_told_apart() {
        let read = |line: &'static str| parse(Some(line.as_bytes()));
        assert_eq!(parse(None), Err(Flaw::Missing));
        for (line, flaw) in [
            ("", Flaw::Missing),
            ("FOO", Flaw::Unknown),
            ("BBOARD", Flaw::Unknown),
            ("ARCHIVE", Flaw::Missing),
            ("ARCHIVE ", Flaw::Missing),
            ("X-BBOARDS", Flaw::Missing),
            ("BBOARDS a b", Flaw::Unexpected),
            ("XMIT now", Flaw::Unexpected),
            ("XLST", Flaw::Missing),
            ("XLST :", Flaw::Invalid),
            ("XLST a:b", Flaw::Invalid),
            ("XLST Subject x", Flaw::Invalid),
            ("XLST Subject 0", Flaw::NoSuchMessage),
            ("XLST Subject 1 2", Flaw::Unexpected),
        ] {
            assert_eq!(read(line), Err(flaw), "{line:?}");
        }
    }
}
