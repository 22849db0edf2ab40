//! Clients from Debian that log in otherwise than with a password in clear: mpop (by GNU SASL) and curl.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use restante_test::mail::numbered;
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;

use crate::clients::{authority, run, write_private};

/// `printf token | sha256sum`.
const TOKEN_DIGEST: &str = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";

fn serve(lines: &[(&str, String)]) -> Server {
    let restante = lines.iter().map(|(section, line)| ((*section).to_owned(), line.clone())).collect();
    let mail = vec![("alice".to_owned(), vec![numbered(1, 1), numbered(2, 5)])];
    Server::start(Kind::Restante, &Setup { mail, restante, ..Setup::default() })
}

/// Collects with mpop under implicit TLS; `how` is its lines about the login.
fn collect(mpop: &Path, server: &Server, name: &str, how: &str) {
    let folder = server.site().path().join("home").join(name);
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(folder.join("Maildir").join(part)).unwrap();
    }
    let configuration = folder.join("mpoprc");
    write_private(
        &configuration,
        &format!(
            "account default\nhost {}\nport {}\ntls on\ntls_starttls off\ntls_trust_file {}\ntls_host_override localhost\n\
             user alice\n{how}\nkeep on\nreceived_header off\nuidls_file {}/uidls\ndelivery maildir {}/Maildir\n",
            server.site().ip(),
            server.pop3s_address().port(),
            authority(server),
            folder.display(),
            folder.display()
        ),
    );
    run(mpop, &["-C", configuration.to_str().unwrap()], &folder, server);
    assert_eq!(fs::read_dir(folder.join("Maildir/new")).unwrap().count(), 2, "{name}\n{}", server.log());
}

fn tokens(folder: &Path) -> (&'static str, String) {
    let path = folder.join("tokens");
    fs::write(&path, format!("alice:{TOKEN_DIGEST}\n")).unwrap();
    ("auth.source", format!("[[auth.token]]\npath = \"{}\"", path.display()))
}

#[test]
fn mpop_logs_in_by_scram_digest_and_token() {
    let mpop = program("mpop", "mpop");
    let folder = tempfile::tempdir().unwrap();
    let names =
        "mechanisms = [\"SCRAM-SHA-256\", \"SCRAM-SHA-1\", \"CRAM-MD5\", \"OAUTHBEARER\", \"XOAUTH2\"]";
    let server = serve(&[tokens(folder.path()), ("auth", names.to_owned())]);
    for (method, password) in [
        ("scram-sha-256", "secret"),
        ("scram-sha-1", "secret"),
        ("cram-md5", "secret"),
        ("oauthbearer", "token"),
        ("xoauth2", "token"),
    ] {
        collect(&mpop, &server, method, &format!("auth {method}\npassword {password}"));
        let logged = format!("method={}", method.to_uppercase());
        wait::until(&logged, || server.log().contains(&logged));
    }
}

/// A certificate for alice and its key, with the authority that it is from.
pub(crate) fn client(folder: &Path) -> [PathBuf; 3] {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "People of the test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let mut client = CertificateParams::new(Vec::<String>::new()).unwrap();
    client.distinguished_name.push(DnType::CommonName, "alice");
    client.subject_alt_names.push(SanType::Rfc822Name("somebody@example.org".try_into().unwrap()));
    let certificate = client.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let files = ["clients.pem", "alice.pem", "alice.key"].map(|name| folder.join(name));
    fs::write(&files[0], authority_certificate.pem()).unwrap();
    fs::write(&files[1], certificate.pem()).unwrap();
    write_private(&files[2], &key.serialize_pem());
    files
}

#[test]
fn mpop_logs_in_by_its_certificate() {
    let mpop = program("mpop", "mpop");
    let folder = tempfile::tempdir().unwrap();
    let [authority, certificate, key] = client(folder.path());
    let lines = format!("client_ca = \"{}\"\nclient_name = \"common-name\"", authority.display());
    let server = serve(&[("tls", lines)]);
    let how =
        format!("auth external\ntls_cert_file {}\ntls_key_file {}", certificate.display(), key.display());
    collect(&mpop, &server, "external", &how);
    wait::until("the end of the session", || server.log().contains("method=EXTERNAL"));
}

/// With a token curl takes OAUTHBEARER wherever it is offered, whatever it was told; so one at a time is.
#[test]
fn curl_logs_in_by_digest_and_token() {
    let curl = program("curl", "curl");
    let folder = tempfile::tempdir().unwrap();
    for (method, how) in [
        ("CRAM-MD5", &["--user", "alice:secret"][..]),
        ("OAUTHBEARER", &["--user", "alice", "--oauth2-bearer", "token"]),
        ("XOAUTH2", &["--user", "alice", "--oauth2-bearer", "token"]),
    ] {
        let server = serve(&[
            tokens(folder.path()),
            ("auth", format!("mechanisms = [\"{method}\"]\nuser_pass = false")),
        ]);
        let url = format!("pop3s://{}/", server.pop3s_address());
        let authority = authority(&server);
        let always = ["-sS", "--max-time", "60", "--cacert", &authority, &url];
        let listing = run(&curl, &[&always[..], how].concat(), server.site().path(), &server);
        assert_eq!(listing.lines().count(), 2, "{listing}");
        let logged = format!("method={method}");
        wait::until(&logged, || server.log().contains(&logged));
    }
}
