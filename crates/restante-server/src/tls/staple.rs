//! Responses of OCSP (RFC 6960), as far as a server looks into what it staples.
//!
//! Clients verify the signature; here it is only seen to that what some program has put into the file is a response, says that this
//! certificate is good, and is fresh. Reading the file is `tls/pair.rs`'s.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, GeneralizedTime};
use x509_cert::der::{Decode, Reader, SliceReader, Tag, Tagged};

/// Until when a response may be shown for this certificate; `None` where it does not say.
///
/// # Errors
/// It is no response, is for another certificate, says that this one is not good, or is not of today.
pub(super) fn good_until(
    response: &[u8],
    certificate: &[u8],
    now: SystemTime,
) -> Result<Option<SystemTime>, StapleError> {
    let serial = Certificate::from_der(certificate).map_err(|_| StapleError::OtherCertificate)?;
    let serial = serial.tbs_certificate().serial_number().as_bytes().to_vec();
    let single = single(response, &serial)?;
    match single.status {
        0 => {}
        1 => return Err(StapleError::Revoked),
        _ => return Err(StapleError::Unknown),
    }
    if single.this_update > now {
        return Err(StapleError::Future);
    }
    match single.next_update {
        Some(next) if next <= now => Err(StapleError::Stale),
        next => Ok(next),
    }
}

/// What a response says of one certificate.
struct Single {
    /// 0 good, 1 revoked, 2 unknown.
    status: u8,
    this_update: SystemTime,
    next_update: Option<SystemTime>,
}

/// RFC 6960 section 4.2.1, from the outside to the inside.
fn single(response: &[u8], serial: &[u8]) -> Result<Single, StapleError> {
    let [outer] = parts(response)?[..] else { return Err(StapleError::Malformed) };
    let outer = parts(inside(outer, Tag::Sequence)?)?;
    let status = outer.first().copied().ok_or(StapleError::Malformed)?;
    if inside(status, Tag::Enumerated)? != [0] {
        return Err(StapleError::Refused);
    }
    // responseBytes [0] { responseType, response OCTET STRING }
    let [bytes] = parts(context(outer.get(1), 0)?)?[..] else { return Err(StapleError::Malformed) };
    let bytes = parts(inside(bytes, Tag::Sequence)?)?;
    let [_, basic] = bytes[..] else { return Err(StapleError::Malformed) };
    let [basic] = parts(inside(basic, Tag::OctetString)?)?[..] else { return Err(StapleError::Malformed) };
    let basic = parts(inside(basic, Tag::Sequence)?)?;
    let data = parts(inside(*basic.first().ok_or(StapleError::Malformed)?, Tag::Sequence)?)?;
    // version [0] and responderID [1] or [2] stand before producedAt, responses behind it.
    let responses = data.iter().find(|part| part.tag() == Tag::Sequence).ok_or(StapleError::Malformed)?;
    for response in parts(responses.value())? {
        let response = parts(inside(response, Tag::Sequence)?)?;
        let [id, status, this_update, ref rest @ ..] = response[..] else {
            return Err(StapleError::Malformed);
        };
        let id = parts(inside(id, Tag::Sequence)?)?;
        let number = inside(*id.last().ok_or(StapleError::Malformed)?, Tag::Integer)?;
        if magnitude(number) != magnitude(serial) {
            continue;
        }
        let next_update = match context(rest.first(), 0) {
            Ok(value) => match parts(value)?[..] {
                [next] => Some(time(next)?),
                _ => return Err(StapleError::Malformed),
            },
            Err(_) => None,
        };
        let Tag::ContextSpecific { number, .. } = status.tag() else { return Err(StapleError::Malformed) };
        let status = u8::try_from(number.value()).unwrap_or(u8::MAX);
        return Ok(Single { status, this_update: time(this_update)?, next_update });
    }
    Err(StapleError::OtherCertificate)
}

/// A number without the zeros in front that only keep it from being negative.
fn magnitude(mut number: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = number {
        number = rest;
    }
    number
}

/// The values that follow each other in `octets`.
fn parts(octets: &[u8]) -> Result<Vec<AnyRef<'_>>, StapleError> {
    let mut reader = SliceReader::new(octets).map_err(|_| StapleError::Malformed)?;
    let mut parts = Vec::new();
    while !reader.is_finished() {
        parts.push(AnyRef::decode(&mut reader).map_err(|_| StapleError::Malformed)?);
    }
    Ok(parts)
}

fn inside(value: AnyRef<'_>, tag: Tag) -> Result<&[u8], StapleError> {
    if value.tag() == tag { Ok(value.value()) } else { Err(StapleError::Malformed) }
}

/// What stands in a tag of the context.
fn context<'a>(value: Option<&AnyRef<'a>>, wanted: u32) -> Result<&'a [u8], StapleError> {
    match value {
        Some(value) => match value.tag() {
            Tag::ContextSpecific { constructed: true, number } if number.value() == wanted => {
                Ok(value.value())
            }
            _ => Err(StapleError::Malformed),
        },
        None => Err(StapleError::Malformed),
    }
}

fn time(value: AnyRef<'_>) -> Result<SystemTime, StapleError> {
    let time = value.decode_as::<GeneralizedTime>().map_err(|_| StapleError::Malformed)?;
    Ok(UNIX_EPOCH + time.to_unix_duration())
}

/// Why a response is not stapled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StapleError {
    Malformed,
    Refused,
    OtherCertificate,
    Revoked,
    Unknown,
    Future,
    Stale,
}

impl fmt::Display for StapleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is no response of OCSP in DER",
            Self::Refused => "the authority has given an error instead of an answer",
            Self::OtherCertificate => "it is for another certificate",
            Self::Revoked => "it says that the certificate is revoked",
            Self::Unknown => "it says that the authority does not know the certificate",
            Self::Future => "it begins to hold later",
            Self::Stale => "it holds no more",
        })
    }
}

impl std::error::Error for StapleError {}

#[cfg(test)]
pub(super) mod tests;
