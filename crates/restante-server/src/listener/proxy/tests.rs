//! Headers, good and bad, whole and in pieces.

use super::*;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

fn tcp(address: &str) -> Header {
    Header { client: Client::Tcp(address.parse().unwrap()), tls: None, alpn: Alpn::None }
}

const UNNAMED: Header = Header { client: Client::Unnamed, tls: None, alpn: Alpn::None };

/// A header that is whole, and what follows it stays out of it.
fn whole(octets: &[u8]) -> Header {
    let (header, length) = parse(octets).unwrap().unwrap();
    assert_eq!(length, octets.len());
    let followed = [octets, b"\x16\x03CAPA\r\n"].concat();
    assert_eq!(parse(&followed).unwrap(), Some((header, length)));
    header
}

fn is_refused(octets: &[u8]) -> bool {
    parse(octets).is_err()
}

/// Version 2 with this version and command, family and rest.
fn binary(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_command, family], &length, rest].concat()
}

const IPV4: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x03, 0xe3];

#[test]
fn proxy_2_1_1_the_text_line() {
    assert_eq!(whole(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 995\r\n"), tcp("192.0.2.1:56324"));
    assert_eq!(whole(b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 995\r\n"), tcp("[2001:db8::1]:56324"));
    assert!(is_refused(b"PROXY  TCP4 192.0.2.1 192.0.2.2 56324 995\r\n"));
    assert!(is_refused(b"PROXY TCP4 192.0.2.1  192.0.2.2 56324 995\r\n"));
    assert!(is_refused(b"PROXY\tTCP4 192.0.2.1 192.0.2.2 56324 995\r\n"));
    assert!(is_refused(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 995 \r\n"));
    assert!(is_refused(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n"));
}

#[test]
fn proxy_2_1_2_the_text_line_has_107_octets_at_most() {
    let of = |octets: usize| format!("PROXY UNKNOWN {}\r\n", "f".repeat(octets - 16)).into_bytes();
    assert_eq!(of(107).len(), 107);
    assert_eq!(whole(&of(107)), UNNAMED);
    assert!(is_refused(&of(108)));
    assert_eq!(parse(&of(108)[..106]), Ok(None));
}

#[test]
fn proxy_2_1_3_bare_line_ends_are_no_line_ends() {
    assert_eq!(parse(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 995\n"), Ok(None));
    assert!(is_refused(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 995\nUSER a\r\n"));
    assert!(is_refused(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 995\rUSER a\r\n"));
    assert!(is_refused(b"PROXY UNKNOWN\nUSER a\r\n"));
}

#[test]
fn proxy_2_1_4_addresses_and_ports_are_written_in_one_way_only() {
    for (addresses, ports) in [
        ("01.2.3.4 1.2.3.4", "1 2"),
        ("1.2.3.4 1.2.3.004", "1 2"),
        ("1.2.3 1.2.3.4", "1 2"),
        ("::1 ::1", "1 2"),
        ("1.2.3.4 1.2.3.4", "65536 2"),
        ("1.2.3.4 1.2.3.4", "01 2"),
        ("1.2.3.4 1.2.3.4", "1 +2"),
        ("1.2.3.4 1.2.3.4", "1 "),
    ] {
        assert!(is_refused(format!("PROXY TCP4 {addresses} {ports}\r\n").as_bytes()), "{addresses} {ports}");
    }
    assert!(is_refused(b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"));
    assert_eq!(whole(b"PROXY TCP4 1.2.3.4 1.2.3.4 0 65535\r\n"), tcp("1.2.3.4:0"));
}

#[test]
fn proxy_2_1_5_unknown_leaves_the_connections_own_end() {
    assert_eq!(whole(b"PROXY UNKNOWN\r\n"), UNNAMED);
    assert_eq!(whole(b"PROXY UNKNOWN anything \xff at all\r\n"), UNNAMED);
}

#[test]
fn proxy_2_1_6_whatever_else_is_refused() {
    for octets in [&b"proxy TCP4 "[..], b"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", b"CAPA\r\n", b"\x16\x03\x01"] {
        assert!(is_refused(octets), "{octets:?}");
    }
    assert!(is_refused(b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"));
    assert!(is_refused(b"PROXY \r\n"));
}

#[test]
fn proxy_2_2_1_the_binary_header() {
    assert_eq!(whole(&binary(0x21, 0x11, IPV4)), tcp("192.0.2.1:56324"));
    for position in 0..SIGNATURE.len() {
        let mut octets = binary(0x21, 0x11, IPV4);
        octets[position] ^= 1;
        assert!(is_refused(&octets), "{position}");
    }
}

#[test]
fn proxy_2_2_2_version_2_with_local_or_proxy() {
    for version_command in [0x11, 0x22, 0x2F, 0x30, 0x01] {
        assert!(is_refused(&binary(version_command, 0x11, IPV4)), "{version_command:#x}");
    }
}

#[test]
fn proxy_2_2_3_local_leaves_the_connections_own_end() {
    assert_eq!(whole(&binary(0x20, 0x00, b"")), UNNAMED);
    assert_eq!(whole(&binary(0x20, 0x41, b"\xff\xff\xffjunk here")), UNNAMED);
}

#[test]
fn proxy_2_2_4_families() {
    let mut ipv6 = Vec::from("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
    ipv6.extend_from_slice(&[9; 16]);
    ipv6.extend_from_slice(&[0xdc, 0x04, 0x03, 0xe3]);
    assert_eq!(whole(&binary(0x21, 0x21, &ipv6)), tcp("[2001:db8::1]:56324"));
    let mut mapped = Vec::from("::ffff:192.0.2.1".parse::<Ipv6Addr>().unwrap().octets());
    mapped.extend_from_slice(&ipv6[16..]);
    assert_eq!(whole(&binary(0x21, 0x21, &mapped)), tcp("192.0.2.1:56324"));
    assert_eq!(whole(&binary(0x21, 0x31, &[b'/'; 216])).client, Client::Unix);
    for (family, octets) in [(0x11, 11), (0x21, 35), (0x31, 215), (0x41, 12), (0x13, 12), (0xff, 300)] {
        assert!(is_refused(&binary(0x21, family, &vec![0; octets])), "{family:#x}");
    }
}

#[test]
fn proxy_2_2_5_what_pop3_has_no_use_for_is_unspecified() {
    for family in [0x00, 0x12, 0x22, 0x32] {
        assert_eq!(whole(&binary(0x21, family, &[1; 40])), UNNAMED, "{family:#x}");
    }
}

#[test]
fn proxy_2_2_6_extensions() {
    let with = |extension: &[u8]| binary(0x21, 0x11, &[IPV4, extension].concat());
    assert_eq!(whole(&with(b"\xe0\x00\x03abc\x04\x00\x00")), tcp("192.0.2.1:56324"));
    assert!(is_refused(&with(b"\xe0\x00\x04abc")));
    assert!(is_refused(&with(b"\xe0\x00")));
    assert!(is_refused(&binary(0x21, 0x11, &vec![0; VARIABLE_OCTETS_MAX + 1])));
}

#[test]
fn proxy_2_2_3_1_a_checksum_must_be_right() {
    // The check value of CRC-32C.
    assert_eq!(checksum(&[b"1234", b"56789"]), 0xe306_9283);
    let extension = |sum: [u8; 4]| [IPV4, b"\x04\x00\x01x\x03\x00\x04", &sum, b"\xe0\x00\x00"].concat();
    let sum = checksum(&[&binary(0x21, 0x11, &extension([0; 4]))]);
    assert_eq!(whole(&binary(0x21, 0x11, &extension(sum.to_be_bytes()))), tcp("192.0.2.1:56324"));
    assert!(is_refused(&binary(0x21, 0x11, &extension((sum ^ 1).to_be_bytes()))));
    assert!(is_refused(&binary(0x21, 0x11, &[IPV4, b"\x03\x00\x03abc"].concat())));
}

#[test]
fn proxy_2_2_6_1_tls_in_front() {
    let with = |flags: u8| whole(&binary(0x21, 0x11, &[IPV4, &ssl(flags, &[])].concat())).tls;
    assert_eq!(with(0x01), Some(("proxy", "unknown")));
    assert_eq!(with(0x07), Some(("proxy", "unknown")));
    assert_eq!(with(0x00), None);
    assert!(is_refused(&binary(0x21, 0x11, &[IPV4, b"\x20\x00\x00"].concat())), "shorter than it must be");
    assert!(is_refused(&binary(0x21, 0x11, &[IPV4, b"\x20\x00\x04\x01\0\0\0"].concat())));
}

/// PP2_TYPE_SSL with these flags and extensions of its own.
fn ssl(flags: u8, inner: &[(u8, &[u8])]) -> Vec<u8> {
    let mut value = vec![flags, 0, 0, 0, 0];
    for (kind, inside) in inner {
        value.extend(extension(*kind, inside));
    }
    extension(0x20, &value)
}

fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], length.as_slice(), value].concat()
}

#[test]
fn proxy_2_2_6_1_version_and_suite_are_told_in_our_own_words() {
    let told = |inner: &[(u8, &[u8])]| whole(&binary(0x21, 0x11, &[IPV4, &ssl(0x01, inner)].concat())).tls;
    let haproxy =
        told(&[(0x21, b"TLSv1.3"), (0x22, b"alice"), (0x23, b"TLS_AES_256_GCM_SHA384"), (0x25, b"RSA2048")]);
    assert_eq!(haproxy, Some(("TLSv1_3", "TLS13_AES_256_GCM_SHA384")));
    let older = told(&[(0x21, b"TLSv1.2"), (0x23, b"ECDHE-RSA-AES128-GCM-SHA256")]);
    assert_eq!(older, Some(("TLSv1_2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")));
    // R8997-3.1: what we would not speak ourselves protects nobody because a proxy does.
    for old in ["SSLv3", "TLSv1", "TLSv1.1"] {
        assert_eq!(told(&[(0x21, old.as_bytes())]), None, "{old}");
    }
    // Nothing of it gets into a line of the log.
    assert_eq!(told(&[(0x21, b"x\nevent=forged"), (0x23, b"y\nevent=forged")]), Some(("proxy", "unknown")));
    let cut = [IPV4, &extension(0x20, b"\x01\0\0\0\0\x21\x00\x08TLSv1.3")].concat();
    assert!(is_refused(&binary(0x21, 0x11, &cut)), "an inner extension that is longer than the outer one");
    let cut = [IPV4, &extension(0x20, b"\x01\0\0\0\0\x21\x00")].concat();
    assert!(is_refused(&binary(0x21, 0x11, &cut)));
}

/// Cut at every octet, with lengths that say so: only where an extension ends it is a header.
#[test]
fn proxy_2_2_6_nothing_that_is_cut_off_is_a_header() {
    let inner =
        [extension(0x21, b"TLSv1.3"), extension(0x22, b"alice"), extension(0x23, b"TLS_AES_256_GCM_SHA384")];
    let mut value = vec![1, 0, 0, 0, 0];
    let mut ends = vec![value.len()];
    for extension in &inner {
        value.extend(extension);
        ends.push(value.len());
    }
    for cut in 0..=value.len() {
        let octets = binary(0x21, 0x11, &[IPV4, &extension(0x20, &value[..cut])].concat());
        assert_eq!(!is_refused(&octets), ends.contains(&cut), "inner extensions cut at {cut}");
    }
    let outer = [extension(0x01, b"pop3"), extension(0x20, &value), extension(0x02, b"mail.example.org")];
    let (mut extensions, mut ends) = (Vec::new(), vec![0]);
    for extension in &outer {
        extensions.extend(extension);
        ends.push(extensions.len());
    }
    for cut in 0..=extensions.len() {
        let octets = binary(0x21, 0x11, &[IPV4, &extensions[..cut]].concat());
        assert_eq!(!is_refused(&octets), ends.contains(&cut), "extensions cut at {cut}");
    }
    // And one that has not come yet is waited for, at every octet.
    let octets = binary(0x21, 0x11, &[IPV4, &extensions].concat());
    for cut in 0..octets.len() {
        assert_eq!(parse(&octets[..cut]), Ok(None), "come until {cut}");
    }
    // A length that says one octet more than there is.
    for start in [IPV4.len() + 7 + 2, IPV4.len() + 7 + 3 + 5 + 2] {
        let mut rest = [IPV4, &outer[0], &outer[1]].concat();
        rest[start] += u8::try_from(value.len()).unwrap();
        assert!(is_refused(&binary(0x21, 0x11, &rest)), "{start}");
    }
}

#[test]
fn proxy_2_2_6_names_and_protocols_of_the_client() {
    let with = |kind, value: &[u8]| binary(0x21, 0x11, &[IPV4, &extension(kind, value)].concat());
    assert_eq!(whole(&with(0x01, b"pop3")).alpn, Alpn::Pop3);
    assert_eq!(whole(&with(0x01, b"imap")).alpn, Alpn::Other);
    assert_eq!(whole(&with(0x02, b"mail.example.org")), tcp("192.0.2.1:56324"));
    assert!(is_refused(&with(0x02, b"\xff\xfe")));
    assert!(is_refused(&with(0x02, &[b'a'; 256])));
}

/// PROXY-2.6: one octet at a time, each behind the one before, and not one of what follows.
#[tokio::test]
async fn proxy_2_6_pieces_make_a_header_and_nothing_more_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let headers = [b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 995\r\n".to_vec(), binary(0x21, 0x11, IPV4)];
    for (header, is_slow) in headers.iter().flat_map(|header| [(header, false), (header, true)]) {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let mut raw = Raw::Tcp(listener.accept().await.unwrap().0);
        let sending = async {
            if is_slow {
                for octet in header {
                    client.write_all(&[*octet]).await.unwrap();
                    tokio::task::yield_now().await;
                }
                client.write_all(b"QUIT\r\n").await.unwrap();
            } else {
                client.write_all(&[header, &b"QUIT\r\n"[..]].concat()).await.unwrap();
            }
        };
        let (read, ()) = tokio::join!(read(&mut raw, Duration::from_secs(30)), sending);
        assert_eq!(read.unwrap(), tcp("192.0.2.1:56324"));
        let mut rest = [0; 6];
        raw.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"QUIT\r\n");
    }
}

#[tokio::test]
async fn a_unix_socket_can_be_looked_at_too() {
    let (client, server) = tokio::net::UnixStream::pair().unwrap();
    let (mut client, mut raw) = (client, Raw::Unix(server));
    client.write_all(b"PROXY UNKNOWN\r\nQ").await.unwrap();
    assert_eq!(read(&mut raw, Duration::from_secs(30)).await.unwrap(), UNNAMED);
    drop(client);
    let mut rest = Vec::new();
    raw.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"Q");
    let error = read(&mut raw, Duration::from_secs(30)).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection ended before its PROXY header");
}

/// PROXY-2.4: with the clock stopped, so that no time passes.
#[tokio::test(start_paused = true)]
async fn proxy_2_4_silence_ends_the_connection() {
    let (_client, server) = tokio::net::UnixStream::pair().unwrap();
    let error = read(&mut Raw::Unix(server), Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(error.to_string(), "no PROXY header came in time");
}

proptest! {
    #[test]
    fn no_octets_panic_and_no_beginning_is_whole(start in 0..3usize, octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let start: &[u8] = [&b""[..], b"PROXY TCP4 ", SIGNATURE][start];
        let octets = [start, &octets].concat();
        if let Ok(Some((header, length))) = parse(&octets) {
            prop_assert_eq!(parse(&octets[..length]), Ok(Some((header, length))));
            for shorter in 0..length {
                prop_assert_eq!(parse(&octets[..shorter]), Ok(None));
            }
        }
    }
}
