//! What a proxy says of its client's TLS (PP2_TYPE_SSL): five octets, and extensions within the extension.
//!
//! A client's certificate, of which the proxy tells the common name, opens no account here: EXTERNAL is for certificates that were shown to us.

use super::{Tls, split_extension};

/// Version and cipher suite; `None` where the client speaks no TLS, or one that we would not speak (R8997-3.1).
pub(super) fn read(value: &[u8]) -> Result<Option<Tls>, &'static str> {
    let (&[flags, _, _, _, _], mut rest) =
        value.split_first_chunk::<5>().ok_or("what it says of TLS is cut off")?;
    let (mut version, mut suite) = (Some("proxy"), "unknown");
    while !rest.is_empty() {
        let (kind, value, behind) = split_extension(rest)?;
        rest = behind;
        match kind {
            VERSION => {
                version = match value {
                    b"TLSv1.3" => Some("TLSv1_3"),
                    b"TLSv1.2" => Some("TLSv1_2"),
                    b"SSLv2" | b"SSLv3" | b"TLSv1" | b"TLSv1.0" | b"TLSv1.1" => None,
                    _ => Some("proxy"),
                }
            }
            SUITE => {
                let known = SUITES.iter().find(|(theirs, _)| theirs.as_bytes() == value);
                suite = known.map_or("unknown", |(_, ours)| ours);
            }
            _ => {}
        }
    }
    Ok(version.filter(|_| flags & CLIENT_SPEAKS_TLS != 0).map(|version| (version, suite)))
}

/// Suites by OpenSSL's names, which proxies use, and by the standard's, which the log has.
const SUITES: &[(&str, &str)] = &[
    ("TLS_AES_128_GCM_SHA256", "TLS13_AES_128_GCM_SHA256"),
    ("TLS_AES_256_GCM_SHA384", "TLS13_AES_256_GCM_SHA384"),
    ("TLS_CHACHA20_POLY1305_SHA256", "TLS13_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

const CLIENT_SPEAKS_TLS: u8 = 0x01;
const VERSION: u8 = 0x21;
const SUITE: u8 = 0x23;
