//! Certificates as OpenSSL sees them: several names, ALPN, stapled responses, and certificates of clients.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SerialNumber,
};
use restante_test::real::{Kind, Server, Setup, program};

/// An authority with its key, as files, because OpenSSL signs with it too.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "An authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let made = params.self_signed(&key).unwrap();
        std::fs::write(folder.join("ca.pem"), made.pem()).unwrap();
        std::fs::write(folder.join("ca.key"), key.serialize_pem()).unwrap();
        Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) }
    }

    /// Writes `FILE.pem` and `FILE.key`.
    fn issue(&self, file: &str, name: &str, serial: u8, more: Option<SanType>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.subject_alt_names.extend(more);
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from_slice(&[serial]));
        let made = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.folder.join(format!("{file}.pem")), made.pem()).unwrap();
        std::fs::write(self.folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    /// A response of OCSP about one of our certificates, as `openssl ocsp` makes it.
    fn staple(&self, file: &str, serial: u8) {
        let index = format!("V\t491231235959Z\t\t{serial:02X}\tunknown\t/CN=x\n");
        std::fs::write(self.folder.join("index.txt"), index).unwrap();
        let output = Command::new(program("openssl", "openssl"))
            .args(["ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key"])
            .args(["-issuer", "ca.pem", "-serial", &format!("0x{serial:02X}"), "-ndays", "7", "-noverify"])
            .args(["-respout", file])
            .current_dir(&self.folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What `openssl s_client` prints of a connection on which `said` is sent.
fn s_client(address: SocketAddr, args: &[&str], said: &str) -> String {
    let mut child = Command::new(program("openssl", "openssl"))
        .args(["s_client", "-connect", &address.to_string(), "-crlf", "-ign_eof"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A connection that was refused reads nothing.
    let _ = child.stdin.take().unwrap().write_all(said.as_bytes());
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn server(more: &str, make: impl FnOnce(&Authority)) -> (Server, PathBuf, tempfile::TempDir) {
    let folder = tempfile::TempDir::new().unwrap();
    make(&Authority::new(folder.path()));
    let path = folder.path().to_owned();
    let more = more.replace("@CA@", &path.display().to_string());
    let setup = Setup { restante: vec![("tls".to_owned(), more)], ..Setup::default() };
    (Server::start(Kind::Restante, &setup), path, folder)
}

#[test]
fn openssl_is_shown_the_certificate_for_its_name_with_its_staple() {
    let pair =
        "[[tls.pair]]\ncertificate = \"@CA@/two.pem\"\nkey = \"@CA@/two.key\"\nstaple = \"@CA@/two.der\"";
    let (server, path, _folder) = server(pair, |authority| {
        authority.issue("two", "pop.two.example", 0x5A, None);
        authority.staple("two.der", 0x5A);
    });
    let ca = path.join("ca.pem");
    let trust = ["-CAfile", ca.to_str().unwrap(), "-verify_return_error"];
    for (address, starttls) in [(server.pop3s_address(), false), (server.pop3_address(), true)] {
        let mut args = trust.to_vec();
        args.extend(["-servername", "pop.two.example", "-verify_hostname", "pop.two.example", "-status"]);
        args.extend(["-alpn", "pop3"]);
        args.extend(starttls.then_some(["-starttls", "pop3"]).into_iter().flatten());
        let said = s_client(address, &args, "QUIT\n");
        for expected in [
            "Verify return code: 0 (ok)",
            "OCSP Response Status: successful",
            "Cert Status: good",
            "ALPN protocol: pop3",
        ] {
            assert!(said.contains(expected), "no {expected} in {said}\n{}", server.log());
        }
    }
    // Whoever asks for nobody we know gets the first certificate, without a staple of another's.
    let said = s_client(server.pop3s_address(), &["-servername", "other.example", "-status"], "QUIT\n");
    assert!(
        said.contains("subject=CN = localhost") && said.contains("OCSP response: no response sent"),
        "{said}"
    );
}

#[test]
fn r9325_3_8_1_openssl_with_another_protocol_is_turned_away() {
    let (server, _, _folder) = server("", |_| {});
    for (address, starttls) in [(server.pop3s_address(), false), (server.pop3_address(), true)] {
        let mut args = vec!["-alpn", "imap,http/1.1"];
        args.extend(starttls.then_some(["-starttls", "pop3"]).into_iter().flatten());
        let said = s_client(address, &args, "QUIT\n");
        assert!(said.contains("no application protocol") && said.contains("SSL alert number 120"), "{said}");
        args[1] = "imap,pop3";
        assert!(s_client(address, &args, "QUIT\n").contains("ALPN protocol: pop3"));
    }
}

#[test]
fn openssl_logs_in_with_a_certificate() {
    let (server, path, _folder) = server("client_ca = \"@CA@/ca.pem\"", |authority| {
        let address = |text: &str| Some(SanType::Rfc822Name(text.try_into().unwrap()));
        authority.issue("alice", "alice", 1, address("alice@example.org"));
        authority.issue("nobody", "nobody", 2, address("nobody-here@example.org"));
    });
    let file = |name: &str| path.join(name).to_str().unwrap().to_owned();
    let login = |who: &str, version: &str| {
        let (cert, key) = (file(&format!("{who}.pem")), file(&format!("{who}.key")));
        let said = "CAPA\nAUTH EXTERNAL =\nSTAT\nQUIT\n";
        s_client(server.pop3s_address(), &["-cert", &cert, "-key", &key, version], said)
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let said = login("alice", version);
        assert!(said.contains("EXTERNAL") && said.contains("+OK 0 0"), "{version}: {said}\n{}", server.log());
        // A good certificate of somebody who has no account opens nothing.
        let said = login("nobody", version);
        assert!(said.contains("-ERR") && !said.contains("+OK 0 0"), "{version}: {said}");
    }
    // Without one EXTERNAL is not even offered, and a password still does.
    let said =
        s_client(server.pop3s_address(), &[], "CAPA\nAUTH EXTERNAL =\nUSER alice\nPASS secret\nSTAT\nQUIT\n");
    assert!(!said.contains("EXTERNAL\r\n") && said.contains("+OK 0 0"), "{said}");
    // One that signed itself ends the handshake.
    let (cert, key) = (server.site().path().join("cert.pem"), server.site().path().join("key.pem"));
    let args = ["-cert", cert.to_str().unwrap(), "-key", key.to_str().unwrap(), "-tls1_2"];
    let said = s_client(server.pop3s_address(), &args, "CAPA\nQUIT\n");
    assert!(said.contains("alert") && !said.contains("+OK"), "{said}");
}
