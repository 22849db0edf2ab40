//! RFC 9325: how TLS is used, as openssl sees it.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use restante_test::judge::Case;
use restante_test::real::{program, restante};

/// What openssl's client prints about a handshake: standard output and standard error together.
pub(super) fn handshake(address: SocketAddr, options: &[&str]) -> String {
    let output = Command::new(program("openssl", "openssl"))
        .args(["s_client", "-connect", &address.to_string()])
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn r9325_3_1_1_1_nothing_older_than_tls_1_2_is_negotiated() {
    Case::new().run(|server| {
        for version in ["-tls1", "-tls1_1"] {
            for (address, how) in
                [(server.pop3s_address(), &[][..]), (server.pop3_address(), &["-starttls", "pop3"])]
            {
                let options = [&[version, "-cipher", "DEFAULT:@SECLEVEL=0"], how].concat();
                let text = handshake(address, &options);
                assert!(text.contains("Cipher is (NONE)"), "{version} {how:?}\n{text}");
            }
        }
    });
}

#[test]
fn r9325_3_1_1_2_tls_1_3_is_preferred() {
    Case::new().run(|server| {
        assert_eq!(server.pop3s().tls_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(server.pop3_stls().tls_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    });
}

#[test]
fn r9325_3_5_1_tls_1_2_has_both_extensions() {
    Case::new().run(|server| {
        let text = handshake(server.pop3s_address(), &["-tls1_2"]);
        assert!(text.contains("Secure Renegotiation IS supported"), "{text}");
        assert!(text.contains("Extended master secret: yes"), "{text}");
    });
}

#[test]
fn r9325_3_8_1_a_foreign_protocol_is_refused() {
    Case::new().dovecot_departs("it knows no ALPN").run(|server| {
        let text = handshake(server.pop3s_address(), &["-alpn", "pop3"]);
        assert!(text.contains("ALPN protocol: pop3"), "{text}");
        let text = handshake(server.pop3s_address(), &["-alpn", "http/1.1"]);
        assert!(text.contains("alert no application protocol"), "{text}");
        let text = handshake(server.pop3s_address(), &[]);
        assert!(text.contains("No ALPN negotiated") && !text.contains("Cipher is (NONE)"), "{text}");
    });
}

#[test]
fn r9325_4_1_1_weak_suites_are_not_negotiated() {
    Case::new().dovecot_departs("Debian's OpenSSL leaves it suites of CBC").run(|server| {
        for suites in ["NULL", "RC4", "3DES", "kRSA", "kDHE", "aNULL", "EXPORT:LOW", "ECDHE-ECDSA-AES128-SHA"]
        {
            let cipher = format!("{suites}:@SECLEVEL=0");
            let text = handshake(server.pop3s_address(), &["-tls1_2", "-cipher", &cipher]);
            // Suites that the client itself does not have any more cannot be offered to anybody.
            let is_unknown = text.contains("no cipher match") || text.contains("no ciphers available");
            assert!(is_unknown || text.contains("Cipher is (NONE)"), "{suites}\n{text}");
        }
    });
}

#[test]
fn r9325_4_2_1_the_recommended_suites_are_there() {
    Case::new().run(|server| {
        for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"] {
            let text = handshake(server.pop3s_address(), &["-tls1_2", "-cipher", suite]);
            assert!(text.contains(&format!("Cipher is {suite}")), "{suite}\n{text}");
        }
    });
}

#[test]
fn r9325_4_5_1_weak_keys_and_signatures_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("users"), "alice:{PLAIN}secret\n").unwrap();
    let configuration =
        "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n[[auth.source]]\npath = \"users\"\n";
    std::fs::write(path("restante.toml"), configuration).unwrap();
    let judged = |bits: &str, hash: &str| {
        let made = Command::new(program("openssl", "openssl"))
            .current_dir(folder.path())
            .args(["req", "-x509", "-newkey", bits, hash, "-nodes", "-subj", "/CN=localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let check = Command::new(restante::binary())
            .args(["config", "check", "--config"])
            .arg(path("restante.toml"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned();
        (check.status.success(), said)
    };
    let (is_good, said) = judged("rsa:2048", "-sha256");
    assert!(is_good, "{said}");
    for (bits, hash, wanted) in [
        ("rsa:1024", "-sha256", "2048 bits at least"),
        ("rsa:2048", "-sha1", "signed with SHA-1"),
        ("rsa:2048", "-md5", "signed with MD5"),
    ] {
        let (is_good, said) = judged(bits, hash);
        assert!(!is_good && said.contains(wanted), "{bits} {hash}: {said}");
    }
}
