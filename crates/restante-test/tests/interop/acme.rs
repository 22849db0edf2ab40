//! Certificates from a real ACME server, Pebble: got, shown, renewed, and what becomes of us when it is away or says no.

use std::process::Command;

use restante_test::peer::Peer;
use restante_test::real::pebble::{Pebble, Plan};
use restante_test::real::process::Process;
use restante_test::real::site::{LDAPS, POP2, POP3S, Site};
use restante_test::real::{Server, Setup, program};
use restante_test::wait;
use tempfile::TempDir;

/// Where `http-01` is answered at a site.
pub(crate) const HTTP: u16 = LDAPS;

/// Where an HTTP server of somebody else's stands.
const WEB: u16 = POP2;

const YEAR_S: u64 = 365 * 86_400;

/// A site with these keys of `[acme]`, and without a certificate of its own, which looks at certificates every second.
fn site(keys: &str) -> (Server, TempDir) {
    site_that_looks(1, keys)
}

/// A site that looks at its certificates as often as that; nothing runs.
pub(crate) fn site_that_looks(watch_s: u64, keys: &str) -> (Server, TempDir) {
    let mut setup = Setup { tls: false, ..Setup::default() };
    let site = Site::new(&setup);
    let pebble = Pebble::folder(&site);
    let tables = format!(
        "[tls]\nwatch_s = {watch_s}\n[[listen]]\nprotocol = \"pop3\"\naddress = \"{}\"\ntls = \"implicit\"\n\
         [[listen]]\nprotocol = \"acme\"\naddress = \"{}\"\n",
        site.address(POP3S),
        site.address(HTTP)
    );
    setup.restante.push((String::new(), tables));
    let acme = format!(
        "names = [\"mail.example.org\", \"pop.example.org\"]\ndirectory = \"https://{}/dir\"\nca = \"{}\"\n\
         agree_terms = true\ncontact = [\"postmaster@example.org\"]\nretry_s = 1\n{keys}",
        site.address(Pebble::PORT),
        Pebble::authority(pebble.path()).display()
    );
    setup.restante.push(("acme".to_owned(), acme));
    (Server::restante_at(site, &setup), pebble)
}

fn plan(server: &Server, validity_s: u64) -> Plan {
    let port = |service| server.site().address(service).port();
    Plan { http_port: port(HTTP), tls_port: port(POP3S), validity_s }
}

/// Serial number, issuer and names of the certificate that POP3S shows; none when there is none yet.
pub(crate) fn shown(server: &Server, name: &str) -> Option<String> {
    let address = server.pop3s_address().to_string();
    let script = "openssl s_client -connect \"$1\" -servername \"$2\" </dev/null 2>/dev/null \
                  | openssl x509 -noout -serial -issuer -ext subjectAltName 2>/dev/null";
    let output =
        Command::new(program("sh", "dash")).args(["-c", script, "sh", &address, name]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.contains("serial=").then_some(text)
}

fn events(server: &Server, name: &str) -> usize {
    server.log().matches(&format!("event={name}")).count()
}

#[test]
fn a_certificate_is_got_and_renewed_and_a_directory_may_be_down() {
    let (mut server, pebble) = site("orders_max = 100");
    server.start_again();
    // Nobody answers at the directory: there is mail in clear, and nothing under TLS yet.
    wait::until("the directory to be missed", || events(&server, "certificate_not_obtained") > 0);
    assert_eq!(shown(&server, "mail.example.org"), None);
    server.pop3().ok("QUIT");

    let pebble = Pebble::start(pebble, server.site(), plan(&server, 15));
    let first = wait::some("the first certificate", || shown(&server, "mail.example.org"));
    assert!(first.contains("Pebble Intermediate CA") && first.contains("DNS:pop.example.org"), "{first}");
    wait::until("the line about it", || events(&server, "certificate_obtained") > 0);
    assert!(events(&server, "challenge_answered") >= 2, "{}", server.log());
    let mut peer = Peer::connect_tls(server.pop3s_address());
    peer.greeting();
    peer.ok("USER alice");
    peer.ok("PASS secret");
    // Five seconds before its end it is renewed; the session that began under the old one goes on.
    let second =
        wait::try_some(wait::DEADLINE, || shown(&server, "mail.example.org").filter(|it| *it != first));
    assert!(second.is_some(), "{}\n{}", server.log(), pebble.log());
    peer.ok("STAT");
    assert!(!server.log().contains("PRIVATE KEY"), "{}", server.log());
    let folder = server.site().path().join("state/acme");
    for entry in std::fs::read_dir(folder).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn a_handshake_is_an_answer_too_and_what_was_got_outlives_a_kill() {
    let (mut server, pebble) = site("challenge = \"tls-alpn-01\"");
    let pebble = Pebble::start(pebble, server.site(), plan(&server, YEAR_S));
    server.start_again();
    let certificate = wait::try_some(wait::DEADLINE, || shown(&server, "pop.example.org"));
    assert!(certificate.is_some(), "{}\n{}", server.log(), pebble.log());
    // A certificate is shown before it is logged, and a killed server logs nothing more.
    wait::until("the line about it", || events(&server, "certificate_obtained") == 1);
    server.kill();
    server.start_again();
    let after = wait::some("the certificate after a start", || shown(&server, "pop.example.org"));
    assert_eq!(Some(after), certificate);
    // It looks at once, and orders nothing.
    wait::until("a look at the certificate", || server.log().matches("event=started").count() == 2);
    assert_eq!(events(&server, "certificate_obtained"), 1, "{}", server.log());
    // Nobody else gets a handshake for that.
    let (address, alpn) = (server.pop3s_address().to_string(), "acme-tls/1");
    let output = Command::new(program("openssl", "openssl"))
        .args(["s_client", "-connect", &address, "-servername", "pop.example.org", "-alpn", alpn])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("no application protocol"), "{said}");
}

#[test]
fn who_is_refused_stops_asking_and_goes_on_serving() {
    let (mut server, pebble) = site("orders_max = 2");
    // It looks for the answers where nobody is.
    let pebble = Pebble::start(pebble, server.site(), Plan { http_port: 9, tls_port: 9, validity_s: YEAR_S });
    server.start_again();
    wait::until("the bound on orders", || server.log().contains("orders were made within a day"));
    let log = server.log();
    assert!(
        log.contains("connection refused (urn:ietf:params:acme:error:connection)"),
        "{log}\n{}",
        pebble.log()
    );
    // A new start does not begin to count anew.
    server.kill();
    server.start_again();
    wait::until("the bound on orders, again", || {
        server.log().matches("orders were made within a day").count() >= 2
    });
    assert_eq!(events(&server, "certificate_obtained"), 0);
    server.pop3().ok("QUIT");
}

#[test]
fn the_answer_may_lie_in_the_folder_of_a_web_server() {
    let root = TempDir::new().unwrap();
    std::fs::set_permissions(root.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (mut server, pebble) = site(&format!("webroot = \"{}\"", root.path().display()));
    let web = server.site().address(WEB);
    let (python, ip, port) = (program("python3", "python3"), web.ip().to_string(), web.port().to_string());
    let command = [
        python.as_os_str(),
        "-m".as_ref(),
        "http.server".as_ref(),
        port.as_ref(),
        "--bind".as_ref(),
        ip.as_ref(),
        "--directory".as_ref(),
        root.path().as_os_str(),
    ];
    let _web = Process::start(&command, root.path(), &server.site().path().join("web.log"));
    wait::until("the web server", || std::net::TcpStream::connect(web).is_ok());
    let plan = Plan { http_port: web.port(), ..plan(&server, YEAR_S) };
    let pebble = Pebble::start(pebble, server.site(), plan);
    server.start_again();
    let got = wait::try_some(wait::DEADLINE, || shown(&server, "mail.example.org"));
    assert!(got.is_some(), "{}\n{}", server.log(), pebble.log());
    assert_eq!(events(&server, "challenge_answered"), 0, "we did not answer ourselves");
    let answers = root.path().join(".well-known/acme-challenge");
    wait::until("the answers to be taken away", || std::fs::read_dir(&answers).unwrap().count() == 0);
}

#[test]
fn the_listener_for_challenges_is_a_stone_to_everybody_else() {
    let (mut server, _pebble) = site("");
    server.start_again();
    let address = server.site().address(HTTP);
    for asked in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /.well-known/acme-challenge/../../../users HTTP/1.1\r\n\r\n".to_owned(),
        "GET /.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0 HTTP/1.1\r\n\r\n"
            .to_owned(),
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(5_000)),
        "USER alice\r\nPASS secret\r\n\r\n".to_owned(),
    ] {
        let mut peer = Peer::connect(address);
        // It may be through with us before we are with it.
        let _ = peer.try_send(asked.as_bytes());
        assert_eq!(peer.line(), b"HTTP/1.1 404 Not Found", "{asked}");
    }
}
