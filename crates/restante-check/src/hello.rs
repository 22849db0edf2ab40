//! A ClientHello of an old version of TLS, made by hand: no library of ours would send one. Only the first record of the answer
//! is read, which tells whether the server would have gone on.

/// What a server answers to a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It would speak this version (of the record layer's numbering: 0x0301 is TLS 1.0).
    Version(u16),
    /// An alert, or the end of the connection: it would not.
    Refused,
    /// Something that is no TLS.
    Strange,
}

/// A ClientHello that offers `version` at most and what servers of its time have in common.
pub(crate) fn client_hello(version: u16, host: &str) -> Vec<u8> {
    hello(version, host, SUITES)
}

fn hello(version: u16, host: &str, suites: &[u16]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    // The octets of chance need not be any: nothing will ever be encrypted with them.
    body.extend((0u8..32).map(|octet| octet.wrapping_mul(37).wrapping_add(11)));
    // No session to resume.
    body.push(0);
    push_sized(&mut body, &suites.iter().flat_map(|suite| suite.to_be_bytes()).collect::<Vec<u8>>());
    // No compression.
    body.extend([1, 0]);
    push_sized(&mut body, &extensions(version, host));
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let mut handshake = vec![CLIENT_HELLO];
    handshake.extend(length.get(1..).unwrap_or_default());
    handshake.extend(body);
    let mut record = vec![HANDSHAKE];
    record.extend(version.min(0x0301).to_be_bytes());
    push_sized(&mut record, &handshake);
    record
}

/// A ClientHello of TLS 1.2 that offers nothing but suites which nobody may take: NULL, RC4, EXPORT, DES and anonymous ones.
pub(crate) fn weak_client_hello(host: &str) -> Vec<u8> {
    hello(0x0303, host, WEAK_SUITES)
}

/// Octets of the answer that [`answer`] looks at.
pub(crate) const ANSWER_OCTETS: usize = 11;

/// What the first octets of the answer mean.
pub(crate) fn answer(octets: &[u8]) -> Answer {
    match octets {
        [] | [ALERT, ..] => Answer::Refused,
        [HANDSHAKE, _, _, _, _, SERVER_HELLO, _, _, _, major, minor, ..] => {
            Answer::Version(u16::from_be_bytes([*major, *minor]))
        }
        _ => Answer::Strange,
    }
}

fn extensions(version: u16, host: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    if is_name && host.len() < 256 {
        let mut name = vec![0];
        push_sized(&mut name, host.as_bytes());
        let mut list = Vec::new();
        push_sized(&mut list, &name);
        push_extension(&mut all, 0x0000, &list);
    }
    // Groups: P-256, P-384, P-521; points uncompressed; secure renegotiation.
    push_extension(&mut all, 0x000A, &[0, 6, 0, 23, 0, 24, 0, 25]);
    push_extension(&mut all, 0x000B, &[1, 0]);
    push_extension(&mut all, 0xFF01, &[0]);
    if version >= 0x0303 {
        // Signatures by ECDSA and RSA with SHA-256, and by RSA-PSS.
        push_extension(&mut all, 0x000D, &[0, 6, 4, 3, 4, 1, 8, 4]);
    }
    all
}

fn push_extension(all: &mut Vec<u8>, kind: u16, data: &[u8]) {
    all.extend(kind.to_be_bytes());
    push_sized(all, data);
}

/// Two octets of length, then the data.
fn push_sized(out: &mut Vec<u8>, data: &[u8]) {
    out.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(data);
}

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// ECDHE and RSA with AES-CBC and SHA-1, and 3DES: the suites of TLS 1.0.
const SUITES: &[u16] =
    &[0xC009, 0xC00A, 0xC013, 0xC014, 0x0033, 0x0039, 0x002F, 0x0035, 0xC012, 0x000A, 0x0005, 0x0004];

/// What RFC 9325 section 4.1 forbids: no encryption, RC4, export keys, DES, and key agreement without a certificate.
const WEAK_SUITES: &[u16] = &[
    0x0001, 0x0002, 0x003B, 0xC006, 0xC010, 0x0004, 0x0005, 0xC007, 0xC011, 0x0003, 0x0006, 0x0008, 0x0009,
    0x0015, 0x0018, 0x0034, 0x003A, 0x006C, 0x006D, 0x00A6, 0x00A7, 0xC015, 0xC016, 0xC018, 0xC019,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_what_follows() {
        let hello = client_hello(0x0302, "mail.example.org");
        assert_eq!(hello[..3], [22, 3, 1]);
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
        assert_eq!(hello[9..11], [3, 2]);
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(answer(&[22, 3, 1, 0, 9, 2, 0, 0, 70, 3, 1, 0]), Answer::Version(0x0301));
        assert_eq!(answer(&[21, 3, 1, 0, 2, 2, 70]), Answer::Refused);
        assert_eq!(answer(&[]), Answer::Refused);
        assert_eq!(answer(b"-ERR what?\r\n"), Answer::Strange);
    }
}
