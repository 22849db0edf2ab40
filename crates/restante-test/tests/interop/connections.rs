//! Connections of our client to real programs: certificates that are refused, pins as curl takes them, a certificate of our own, and
//! proxies.

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use restante_client::connect::{Address, Security, Server as Place, Tls, Trust, pem_roots};
use restante_client::error::Error;
use restante_client::identity::CertificateFault;
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pin::Pin;
use restante_client::pop3::{Client, Quit, Settings};
use restante_client::proxy::{Proxy, ProxyError};
use restante_proto::secret::Secret;
use restante_proto::url::{Auth, PopUrl, Scheme};
use restante_test::certificate::{Flaw, write_flawed};
use restante_test::mail::numbered;
use restante_test::real::process::Process;
use restante_test::real::site::{LDAP, SMTP, SMTPS};
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::logins;

fn setup() -> Setup {
    Setup { mail: vec![("alice".to_owned(), vec![numbered(1, 3)])], ..Setup::default() }
}

/// Trust in the site's own authority.
fn trust(site: &Path) -> Trust {
    Trust::authorities(pem_roots(&fs::read(site.join("authority.pem")).unwrap()).unwrap())
}

/// The pin of the certificate that the site's server shows.
fn pin(site: &Path) -> Pin {
    let pem = fs::read(site.join("cert.pem")).unwrap();
    Pin::of(&CertificateDer::from_pem_slice(&pem).unwrap()).unwrap()
}

fn tcp(host: &str, address: SocketAddr) -> Address {
    Address::Tcp { host: host.to_owned(), port: address.port() }
}

/// Logs in and leaves.
async fn visit(place: &Place) -> Result<(), Error> {
    let mut client = Client::connect_to(place, Settings::default()).await?;
    let means = Means::Password(Secret::new(b"secret".to_vec()));
    let wish = Wish { user: Some("alice"), auth: &Auth::Any, means, plaintext: Plaintext::WithTls };
    client.log_in(wish).await?;
    assert_eq!(client.survey().await?.entries.len(), 1);
    assert!(matches!(client.quit().await, Quit::Committed));
    Ok(())
}

#[tokio::test]
async fn a_flawed_certificate_of_dovecot_is_refused_and_a_pin_alone_takes_it() {
    let mut server = Server::start(Kind::Dovecot, &setup());
    let ip = server.site().ip().to_string();
    for (flaw, fault) in [
        (Flaw::None, None),
        (Flaw::Expired, Some(CertificateFault::Expired)),
        (Flaw::OtherName, Some(CertificateFault::WrongName)),
        (Flaw::SelfSigned, Some(CertificateFault::UnknownIssuer)),
    ] {
        server.stop();
        write_flawed(server.site().path(), server.site().ip(), flaw);
        server.start_again();
        let site = server.site().path();
        let right = pin(site);
        for (scheme, address) in
            [(Scheme::Pop, server.pop3_address()), (Scheme::Pops, server.pop3s_address())]
        {
            let place = |trust: Trust| {
                let tls = Tls::trusting(trust, &ip).unwrap();
                Place::new(tcp(&ip, address), Security::of(scheme, tls))
            };
            // With a pin or without: a flaw is a flaw, and the error shows the key.
            for trust in [trust(site), trust(site).and_pins([right])] {
                match (visit(&place(trust)).await, fault) {
                    (Ok(()), None) => {}
                    (Err(Error::Certificate { fault: found, seen, .. }), Some(fault)) => {
                        assert_eq!((found, seen), (fault, Some(right)));
                    }
                    (result, _) => panic!("{flaw:?} {scheme:?}: {result:?}\n{}", server.log()),
                }
            }
            visit(&place(Trust::pins_alone([right]).unwrap())).await.unwrap();
        }
    }
    // A key that has changed.
    let before = pin(server.site().path());
    server.stop();
    write_flawed(server.site().path(), server.site().ip(), Flaw::None);
    server.start_again();
    let site = server.site().path();
    let tls = Tls::trusting(trust(site).and_pins([before]), &ip).unwrap();
    let place = Place::new(tcp(&ip, server.pop3s_address()), Security::Implicit(tls));
    let error = visit(&place).await.unwrap_err();
    assert!(matches!(error, Error::Certificate { fault: CertificateFault::NotPinned, .. }), "{error:?}");
    assert!(error.to_string().ends_with(&pin(site).to_string()), "{error}");
    // Both pinned, the next one beside this one.
    let tls = Tls::trusting(trust(site).and_pins([before, pin(site)]), &ip).unwrap();
    visit(&Place::new(tcp(&ip, server.pop3s_address()), Security::Implicit(tls))).await.unwrap();
}

#[test]
fn curl_and_openssl_know_our_pins() {
    let (curl, openssl) = (program("curl", "curl"), program("openssl", "openssl"));
    let server = Server::start(Kind::Dovecot, &setup());
    let site = server.site().path();
    let list = |pin: &str| {
        Command::new(&curl)
            .args(["-sS", "--max-time", "60", "--user", "alice:secret", "--pinnedpubkey", pin, "--cacert"])
            .arg(site.join("authority.pem"))
            .arg(format!("pop3s://{}/", server.pop3s_address()))
            .output()
            .unwrap()
    };
    let listed = list(&pin(site).to_string());
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert_eq!(list("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").status.code(), Some(90));
    // The line that the documentation shows, for keys of any kind.
    let script = "\"$0\" x509 -in \"$1\" -pubkey -noout | \"$0\" pkey -pubin -outform der | \"$0\" dgst -sha256 -binary | \"$0\" base64";
    for kind in [
        &["-newkey", "rsa:2048"][..],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["-newkey", "ed25519"],
    ] {
        let path = site.join("made.pem");
        let made = Command::new(&openssl)
            .args(["req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=x", "-keyout", "/dev/null", "-out"])
            .arg(&path)
            .args(kind)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let said = Command::new("/bin/sh").args(["-c", script]).arg(&openssl).arg(&path).output().unwrap();
        let said = format!("sha256//{}", String::from_utf8(said.stdout).unwrap().trim());
        let ours = Pin::of(&CertificateDer::from_pem_slice(&fs::read(&path).unwrap()).unwrap()).unwrap();
        assert_eq!(ours.to_string(), said);
    }
}

#[tokio::test]
async fn a_certificate_of_ours_logs_in_at_dovecot_and_at_restante() {
    let folder = tempfile::tempdir().unwrap();
    let [authority, certificate, key] = logins::client(folder.path());
    let lines = format!(
        "ssl_ca = <{}\nssl_verify_client_cert = yes\nssl_require_crl = no\nauth_ssl_require_client_cert = yes\n\
         auth_ssl_username_from_cert = yes\nssl_cert_username_field = commonName\n\
         passdb {{\n  driver = static\n  mechanisms = external\n  args = nopassword\n}}\n",
        authority.display()
    );
    let dovecot = Setup {
        mechanisms: Some(vec!["plain", "external"]),
        // As long as the test runs.
        dovecot: vec![Box::leak(lines.into_boxed_str())],
        ..setup()
    };
    let lines = format!("client_ca = \"{}\"\nclient_name = \"common-name\"", authority.display());
    let restante = Setup { restante: vec![("tls".to_owned(), lines)], ..setup() };
    for (kind, setup) in [(Kind::Dovecot, dovecot), (Kind::Restante, restante)] {
        let server = Server::start(kind, &setup);
        let (ip, site) = (server.site().ip().to_string(), server.site().path());
        for (scheme, address) in
            [(Scheme::Pop, server.pop3_address()), (Scheme::Pops, server.pop3s_address())]
        {
            let bare = Tls::trusting(trust(site), &ip).unwrap();
            let (certificate, key) = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());
            let shown = bare.clone().with_client_pem(&certificate, &key).unwrap();
            for (tls, is_shown) in [(shown, true), (bare, false)] {
                let place = Place::new(tcp(&ip, address), Security::of(scheme, tls));
                let mut client = Client::connect_to(&place, Settings::default()).await.unwrap();
                let wish = Wish {
                    user: None,
                    auth: &Auth::Any,
                    means: Means::Certificate,
                    plaintext: Plaintext::WithTls,
                };
                let result = client.log_in(wish).await;
                assert_eq!(result.is_ok(), is_shown, "{kind:?} {scheme:?}: {result:?}\n{}", server.log());
                if is_shown {
                    assert_eq!(client.survey().await.unwrap().entries.len(), 1);
                }
            }
        }
        let tls = Tls::trusting(trust(site), &ip).unwrap();
        let error = tls.clone().with_client_pem(&fs::read(&certificate).unwrap(), b"no key").unwrap_err();
        assert!(matches!(error, Error::OwnCertificate(_)), "{error:?}");
        // A key that is another certificate's.
        let error =
            tls.with_client_pem(&fs::read(&certificate).unwrap(), &fs::read(site.join("key.pem")).unwrap());
        assert!(matches!(error, Err(Error::OwnCertificate(_))), "{error:?}");
    }
}

/// A proxy that listens at `address` before this returns.
fn start(command: &[&OsStr], server: &Server, address: SocketAddr, name: &str) -> Process {
    let folder = server.site().path();
    let mut proxy = Process::start(command, folder, &folder.join(name));
    wait::until("the proxy to listen", || {
        assert!(proxy.is_running(), "{name} ended: {}", proxy.log());
        TcpStream::connect(address).is_ok()
    });
    proxy
}

#[tokio::test]
async fn microsocks_connects_us_with_and_without_a_password() {
    let microsocks = program("microsocks", "microsocks");
    let server = Server::start(Kind::Restante, &setup());
    let (ip, site) = (server.site().ip().to_string(), server.site().path());
    let place = |proxy: &str| {
        // The name is the proxy's to look up: the certificate is for it.
        let url =
            PopUrl::parse(&format!("pops://alice@localhost:{}", server.pop3s_address().port())).unwrap();
        let mut place = Place::of(&url, Tls::of(&url, trust(site)).unwrap());
        place.route.address = tcp(&ip, server.pop3s_address());
        place.through(Proxy::parse(proxy).unwrap())
    };
    // Ports of the site that nobody else has.
    let [open, closed, nobody] = [SMTP, SMTPS, LDAP].map(|service| server.site().address(service));
    let command = |address: SocketAddr, more: &[&str]| -> Vec<String> {
        let port = address.port().to_string();
        let words = ["-i", &ip, "-p", &port].map(str::to_owned);
        words.into_iter().chain(more.iter().map(|&word| word.to_owned())).collect()
    };
    // Where the machine's name servers do not answer, it knows that soon.
    let (env, patience) = (program("env", "coreutils"), OsStr::new("RES_OPTIONS=timeout:1 attempts:1"));
    let run = |address, more: &[&str], name| {
        let words = command(address, more);
        let first = [env.as_os_str(), patience, microsocks.as_os_str()];
        let words: Vec<&OsStr> = first.into_iter().chain(words.iter().map(OsStr::new)).collect();
        start(&words, &server, address, name)
    };
    let _open = run(open, &[], "open");
    let _closed = run(closed, &["-u", "alice", "-P", "p@ss:word"], "closed");
    visit(&place(&format!("socks5://{open}"))).await.unwrap();
    visit(&place(&format!("socks5://alice:p%40ss%3Aword@{closed}"))).await.unwrap();
    let error = visit(&place(&format!("socks5://alice:wrong@{closed}"))).await.unwrap_err();
    assert!(matches!(error, Error::Proxy(ProxyError::LoginRefused)), "{error:?}");
    let error = visit(&place(&format!("socks5://{closed}"))).await.unwrap_err();
    assert!(matches!(error, Error::Proxy(ProxyError::LoginNeeded)), "{error:?}");
    // Nobody listens there; and a name that nobody knows, which this side never asks for.
    let mut nowhere = place(&format!("socks5://{open}"));
    nowhere.route.address = tcp(&ip, nobody);
    let error = visit(&nowhere).await.unwrap_err();
    assert!(matches!(error, Error::Proxy(ProxyError::Refused(_))) && error.is_temporary(), "{error:?}");
    nowhere.route.address = tcp("mail.invalid", server.pop3s_address());
    let error = visit(&nowhere).await.unwrap_err();
    assert!(matches!(error, Error::Proxy(ProxyError::Refused(_))), "{error:?}");
    // Spoken to as what it is not.
    let error = visit(&place(&format!("http://{open}"))).await.unwrap_err();
    assert!(matches!(error, Error::Proxy(_)), "{error:?}");
}

#[tokio::test]
async fn tinyproxy_connects_us_with_a_password_and_where_it_may() {
    let tinyproxy = program("tinyproxy", "tinyproxy-bin");
    let server = Server::start(Kind::Dovecot, &setup());
    let (ip, site) = (server.site().ip().to_string(), server.site().path());
    let address = server.site().address(SMTP);
    let configuration = site.join("tinyproxy.conf");
    let (pop3, pop3s) = (server.pop3_address().port(), server.pop3s_address().port());
    fs::write(
        &configuration,
        format!("Listen {ip}\nPort {}\nTimeout 60\nMaxClients 10\nBasicAuth alice secret\nConnectPort {pop3}\nConnectPort {pop3s}\n", address.port()),
    )
    .unwrap();
    let command = [tinyproxy.as_os_str(), OsStr::new("-d"), OsStr::new("-c"), configuration.as_os_str()];
    let _proxy = start(&command, &server, address, "tinyproxy.log");
    let place = |proxy: String, scheme, port| {
        let tls = Tls::trusting(trust(site), &ip).unwrap();
        let address = Address::Tcp { host: ip.clone(), port };
        Place::new(address, Security::of(scheme, tls)).through(Proxy::parse(&proxy).unwrap())
    };
    let ours = format!("http://alice:secret@{address}");
    visit(&place(ours.clone(), Scheme::Pops, pop3s)).await.unwrap();
    visit(&place(ours.clone(), Scheme::Pop, pop3)).await.unwrap();
    let error =
        visit(&place(format!("http://alice:wrong@{address}"), Scheme::Pops, pop3s)).await.unwrap_err();
    assert!(
        matches!(error, Error::Proxy(ProxyError::LoginRefused | ProxyError::HttpRefused { .. })),
        "{error:?}"
    );
    let error = visit(&place(format!("http://{address}"), Scheme::Pops, pop3s)).await.unwrap_err();
    assert!(matches!(error, Error::Proxy(ProxyError::LoginNeeded)), "{error:?}");
    // A port that it does not let anybody connect to.
    let error = visit(&place(ours, Scheme::Pops, 1)).await.unwrap_err();
    assert!(matches!(error, Error::Proxy(ProxyError::HttpRefused { code: 403, .. })), "{error:?}");
}
