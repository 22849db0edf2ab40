//! Responses as authorities give them, and everything else that may lie in a file.

use super::*;
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, SerialNumber};
use std::time::Duration;

/// 2026-01-01, 02 and 08.
const BEFORE: u64 = 1_767_225_600;
const NOW: u64 = BEFORE + 86_400;
const END: u64 = BEFORE + 7 * 86_400;
const THIS: &str = "20260101000000Z";
const NEXT: &str = "20260108000000Z";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn certificate(serial: &[u8]) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["mail.example.org".to_owned()]).unwrap();
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

/// A value with its tag and length around what is in it.
fn tlv(tag: u8, inside: &[&[u8]]) -> Vec<u8> {
    let inside = inside.concat();
    let length = u16::try_from(inside.len()).unwrap();
    let mut out = vec![tag];
    match length {
        0..=127 => out.push(u8::try_from(length).unwrap()),
        128..=255 => out.extend([0x81, u8::try_from(length).unwrap()]),
        _ => {
            out.push(0x82);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend(inside);
    out
}

/// A whole response: what it says (0x80 good, 0xA1 revoked, 0x82 unknown) of the certificate with this serial number.
pub(crate) fn response(serial: &[u8], status: u8, this: &str, next: Option<&str>) -> Vec<u8> {
    let hash = tlv(0x04, &[&[7; 20]]);
    let sha1 = tlv(0x30, &[&[0x06, 5, 0x2b, 0x0e, 3, 2, 0x1a], &[5, 0]]);
    let id = tlv(0x30, &[&sha1, &hash, &hash, &tlv(0x02, &[serial])]);
    let revoked = tlv(0x18, &[THIS.as_bytes()]);
    let status = tlv(status, &[if status == 0xA1 { revoked.as_slice() } else { &[] }]);
    let next = next.map(|next| tlv(0xA0, &[&tlv(0x18, &[next.as_bytes()])])).unwrap_or_default();
    let single = tlv(0x30, &[&id, &status, &tlv(0x18, &[this.as_bytes()]), &next]);
    let data = tlv(0x30, &[&tlv(0xA2, &[&hash]), &tlv(0x18, &[this.as_bytes()]), &tlv(0x30, &[&single])]);
    let basic = tlv(0x30, &[&data, &sha1, &[3, 2, 0, 1]]);
    let kind = [0x06, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
    let bytes = tlv(0x30, &[&kind, &tlv(0x04, &[&basic])]);
    tlv(0x30, &[&[0x0A, 1, 0], &tlv(0xA0, &[&bytes])])
}

#[test]
fn a_fresh_answer_about_this_certificate_is_stapled() {
    let certificate = certificate(&[0x11, 0x22]);
    let good = response(&[0x11, 0x22], 0x80, THIS, Some(NEXT));
    assert_eq!(good_until(&good, &certificate, at(NOW)), Ok(Some(at(END))));
    let open = response(&[0x11, 0x22], 0x80, THIS, None);
    assert_eq!(good_until(&open, &certificate, at(NOW)), Ok(None));
    // A number with its highest bit set has a zero in front.
    let high = self::certificate(&[0x91, 1]);
    assert!(good_until(&response(&[0, 0x91, 1], 0x80, THIS, Some(NEXT)), &high, at(NOW)).is_ok());
}

#[test]
fn nothing_else_is() {
    let certificate = certificate(&[0x11, 0x22]);
    let said = |response: &[u8], now| good_until(response, &certificate, at(now)).unwrap_err();
    let other = response(&[0x33], 0x80, THIS, Some(NEXT));
    let response = |status, next| response(&[0x11, 0x22], status, THIS, next);
    assert_eq!(said(&response(0x80, Some(NEXT)), END), StapleError::Stale);
    assert_eq!(said(&response(0x80, Some(NEXT)), BEFORE - 1), StapleError::Future);
    assert_eq!(said(&response(0xA1, Some(NEXT)), NOW), StapleError::Revoked);
    assert_eq!(said(&response(0x82, Some(NEXT)), NOW), StapleError::Unknown);
    assert_eq!(said(&other, NOW), StapleError::OtherCertificate);
    // tryLater, as authorities answer when they are busy.
    assert_eq!(said(&tlv(0x30, &[&[0x0A, 1, 3]]), NOW), StapleError::Refused);
    assert_eq!(said(b"", NOW), StapleError::Malformed);
    assert_eq!(said(b"-----BEGIN OCSP RESPONSE-----", NOW), StapleError::Malformed);
    let good = response(0x80, Some(NEXT));
    for end in 0..good.len() {
        assert_eq!(said(&good[..end], NOW), StapleError::Malformed, "cut at {end}");
    }
}

proptest! {
    #[test]
    fn damage_is_an_error_and_no_panic(at_octet in 0_usize..200, value: u8) {
        let certificate = certificate(&[0x11, 0x22]);
        let mut damaged = response(&[0x11, 0x22], 0x80, THIS, Some(NEXT));
        if let Some(octet) = damaged.get_mut(at_octet) {
            *octet = value;
        }
        let _ = good_until(&damaged, &certificate, at(NOW));
    }
}
