//! `restante fetch` at real servers: 200 messages from Dovecot, Courier, Cyrus, popa3d and Restante into a Maildir, byte for byte and
//! once, whether they are kept, deleted, or the connection breaks in the middle.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, thread};

use restante_client::pin::Pin;
use restante_test::peer::Peer;
use restante_test::real::others::{Other, OtherServer};
use restante_test::real::process::Process;
use restante_test::real::site::SMTP;
use restante_test::real::{Kind, Server, Setup, program, restante};
use restante_test::wait;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

/// As many as the bench has, and more than a batch.
const COUNT: usize = 200;

/// Messages of all sizes, some of them with what programs trip over.
fn setup() -> Setup {
    let message = |number: usize| {
        let header = format!(
            "From: a@example.org\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <{number}@example.org>\nSubject: {number}\n\n"
        );
        let body = match number % 10 {
            0 => b".\n..\n...three\n.\n\n.end\n".to_vec(),
            1 => b"\xe4\xf6\xfc \xf0\x9f\x93\xac\n".to_vec(),
            2 => [&b"x".repeat(4000)[..], b"\n"].concat(),
            3 => Vec::new(),
            4 => "line\n".repeat(9_000).into_bytes(),
            rest => format!("line of {number}\n").repeat(rest * 40).into_bytes(),
        };
        [header.into_bytes(), body].concat()
    };
    Setup { mail: vec![("alice".to_owned(), (1..=COUNT).map(message).collect())], ..Setup::default() }
}

/// A server whose mail is to be collected.
struct Source<'a> {
    pop3: SocketAddr,
    /// What goes through the network is TLS from the first octet; in clear without it.
    pop3s: Option<SocketAddr>,
    site: &'a Path,
}

impl Source<'_> {
    /// What the server shows, asked for by somebody else, in the form of a Maildir.
    fn shown(&self) -> Vec<Vec<u8>> {
        let mut peer = self.log_in();
        let count = peer.list("LIST").len();
        let mut messages: Vec<Vec<u8>> =
            (1..=count).map(|number| with_lf(&peer.message(&format!("RETR {number}")))).collect();
        quit(&mut peer);
        messages.sort();
        messages
    }

    /// Logs in as soon as the maildrop is free: a session that was cut off may still be ending, and some servers let go only behind
    /// their reply to QUIT.
    fn log_in(&self) -> Peer {
        wait::some("the maildrop to be free", || {
            let mut peer = Peer::connect(self.pop3);
            peer.greeting();
            peer.ok("USER alice");
            peer.command("PASS secret").starts_with("+OK").then_some(peer)
        })
    }

    /// Where the command connects to.
    fn address(&self) -> SocketAddr {
        self.pop3s.unwrap_or(self.pop3)
    }

    /// Collects from `address`, which leads to this server.
    fn collect(&self, home: &Path, address: SocketAddr, more: &[&str]) -> (i32, String) {
        quit(&mut self.log_in());
        let scheme = if self.pop3s.is_some() { "pops" } else { "pop" };
        let mut command = Command::new(restante::binary());
        command.arg("fetch").arg(format!("{scheme}://alice@{address}"));
        command.arg("--to").arg(format!("maildir:{}", home.join("Mail").display()));
        command.arg("--state").arg(home.join("state")).args(["--password-env", "PW"]).args(more);
        match self.pop3s {
            Some(_) => command.arg("--ca").arg(self.site.join("authority.pem")),
            None => command.arg("--no-tls"),
        };
        let ran = command.env("PW", "secret").env("HOME", home).output().expect("the program starts");
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }
}

/// Leaves, and waits until the server has.
fn quit(peer: &mut Peer) {
    peer.ok("QUIT");
    peer.end();
}

/// The only thing that is changed: how lines end.
fn with_lf(canonical: &[u8]) -> Vec<u8> {
    let ends_line = |index: usize| canonical[index..].starts_with(b"\r\n");
    (0..canonical.len()).filter(|&index| !ends_line(index)).map(|index| canonical[index]).collect()
}

/// Every message in the Maildir.
fn collected(home: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(home.join("Mail/new")).expect("a Maildir").flatten();
    let mut messages: Vec<Vec<u8>> = files.map(|file| fs::read(file.path()).expect("a message")).collect();
    messages.sort();
    messages
}

#[track_caller]
fn same(found: &[Vec<u8>], wanted: &[Vec<u8>]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(found.escape_ascii().to_string(), wanted.escape_ascii().to_string());
    }
}

/// Passes connections on to a server; breaks each off when it has carried so many octets from there.
fn cutting_relay(to: SocketAddr, octets_max: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind((to.ip(), 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(to) else { return };
            let (mut up, mut down) = ((near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near));
            thread::spawn(move || {
                let _ = std::io::copy(&mut up.0, &mut up.1);
                let _ = up.1.shutdown(Shutdown::Both);
            });
            let mut left = octets_max.load(Ordering::Relaxed);
            thread::spawn(move || {
                let mut octets = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = down.0.read(&mut octets) {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(count);
                    left -= count as u64;
                    if down.1.write_all(&octets[..count]).is_err() || left == 0 {
                        break;
                    }
                }
                let _ = down.0.shutdown(Shutdown::Both);
                let _ = down.1.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

/// Kept, then nothing new, then deleted.
fn keeps_then_deletes(source: &Source<'_>) {
    let shown = source.shown();
    assert_eq!(shown.len(), COUNT);
    let home = TempDir::new().unwrap();
    let (status, said) = source.collect(home.path(), source.address(), &[]);
    assert_eq!(status, 0, "{said}");
    same(&collected(home.path()), &shown);
    assert_eq!(source.shown().len(), COUNT, "nothing is deleted unasked");

    // What the reader does with the messages is nobody's business: they do not come again.
    fs::remove_dir_all(home.path().join("Mail/new")).unwrap();
    fs::create_dir(home.path().join("Mail/new")).unwrap();
    let (status, said) = source.collect(home.path(), source.address(), &[]);
    assert_eq!((status, collected(home.path()).len()), (0, 0), "{said}");

    let (status, said) = source.collect(home.path(), source.address(), &["--delete"]);
    assert_eq!((status, collected(home.path()).len()), (0, 0), "{said}");
    assert_eq!(source.shown().len(), 0, "{said}");
}

/// Broken off in the login, the listing and several times among the messages; and at last left alone.
fn survives_cuts(source: &Source<'_>) {
    let shown = source.shown();
    let home = TempDir::new().unwrap();
    let octets_max = Arc::new(AtomicU64::new(0));
    let address = cutting_relay(source.address(), Arc::clone(&octets_max));
    let sum: usize = shown.iter().map(Vec::len).sum();
    for part in [0, 1, 2, 6, 12] {
        octets_max.store(2_000 + (sum / 20 * part) as u64, Ordering::Relaxed);
        let (status, said) = source.collect(home.path(), address, &["--delete"]);
        assert_ne!(status, 0, "{said}");
    }
    let before = collected(home.path()).len();
    assert!(before > 0, "what came whole was delivered");
    octets_max.store(u64::MAX, Ordering::Relaxed);
    let (status, said) = source.collect(home.path(), address, &["--delete"]);
    assert_eq!(status, 0, "{said}");
    same(&collected(home.path()), &shown);
    assert_eq!(source.shown().len(), 0, "{said}");
}

fn at_other(other: Other, visit: impl FnOnce(&Source<'_>)) {
    let server = OtherServer::start(other, &setup());
    let pop3s = (other != Other::Popa3d).then(|| server.pop3s_address());
    visit(&Source { pop3: server.pop3_address(), pop3s, site: server.site().path() });
}

fn at(kind: Kind, visit: impl FnOnce(&Source<'_>)) {
    let server = Server::start(kind, &setup());
    let pop3s = Some(server.pop3s_address());
    visit(&Source { pop3: server.pop3_address(), pop3s, site: server.site().path() });
}

#[test]
fn fetch_keeps_and_deletes_at_dovecot() {
    at(Kind::Dovecot, keeps_then_deletes);
}

#[test]
fn fetch_keeps_and_deletes_at_restante() {
    at(Kind::Restante, keeps_then_deletes);
}

#[test]
fn fetch_keeps_and_deletes_at_courier() {
    at_other(Other::Courier, keeps_then_deletes);
}

#[test]
fn fetch_keeps_and_deletes_at_cyrus() {
    at_other(Other::Cyrus, keeps_then_deletes);
}

#[test]
fn fetch_keeps_and_deletes_at_popa3d() {
    at_other(Other::Popa3d, keeps_then_deletes);
}

#[test]
fn fetch_goes_on_after_cuts_at_dovecot() {
    at(Kind::Dovecot, survives_cuts);
}

#[test]
fn fetch_goes_on_after_cuts_at_restante() {
    at(Kind::Restante, survives_cuts);
}

#[test]
fn fetch_goes_on_after_cuts_at_courier() {
    at_other(Other::Courier, survives_cuts);
}

#[test]
fn fetch_goes_on_after_cuts_at_cyrus() {
    at_other(Other::Cyrus, survives_cuts);
}

/// The pin of the certificate that the site's server shows.
fn pin(site: &Path) -> String {
    let pem = fs::read(site.join("cert.pem")).unwrap();
    Pin::of(&CertificateDer::from_pem_slice(&pem).unwrap()).unwrap().to_string()
}

#[test]
fn fetch_goes_through_a_proxy_to_a_server_that_it_knows_by_its_pin_alone() {
    let microsocks = program("microsocks", "microsocks");
    let server = Server::start(Kind::Dovecot, &setup());
    let (ip, site) = (server.site().ip().to_string(), server.site().path());
    let address = server.site().address(SMTP);
    let port = address.port().to_string();
    let words = ["-i", &ip, "-p", &port, "-u", "alice", "-P", "secret"].map(OsStr::new);
    let command: Vec<&OsStr> = std::iter::once(microsocks.as_os_str()).chain(words).collect();
    let mut proxy = Process::start(&command, site, &site.join("microsocks.log"));
    wait::until("the proxy to listen", || {
        assert!(proxy.is_running(), "{}", proxy.log());
        TcpStream::connect(address).is_ok()
    });
    let home = TempDir::new().unwrap();
    let collect = |tls: &str, proxy: &str| {
        let path = home.path().join("fetch.toml");
        let text = format!(
            "state_dir = \"{home}/state\"\n[[account]]\nserver = \"pops://alice@{}\"\npassword = {{ env = \"PW\" }}\n\
             proxy = \"{proxy}\"\ntls = {{ {tls} }}\ndeliver = [{{ type = \"maildir\", path = \"{home}/Mail\" }}]\n",
            server.pop3s_address(),
            home = home.path().display(),
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = Command::new(restante::binary());
        let ran = command.args(["fetch", "--config"]).arg(&path).env("PW", "secret").output().unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    };
    let right = pin(site);
    let wrong = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let proxied = format!("socks5://alice:secret@{address}");
    // Pins beside authorities that know nothing of this server: the error shows the key, to be copied.
    let (status, said) = collect(&format!("pins = [\"{right}\"]"), &proxied);
    assert!(status == 76 && said.contains(&right), "{status}: {said}");
    let (status, said) = collect(&format!("pins = [\"{wrong}\"], trust = \"pins\""), &proxied);
    assert!(status == 76 && said.contains(&right), "{status}: {said}");
    let trusted = format!("pins = [\"{wrong}\", \"{right}\"], trust = \"pins\"");
    let (status, said) = collect(&trusted, &format!("socks5://{address}"));
    assert!(status == 69 && said.contains("the proxy wants a user name and a password"), "{status}: {said}");
    assert!(!said.contains("secret"), "{said}");
    assert!(!home.path().join("Mail/new").exists() || collected(home.path()).is_empty());
    let (status, said) = collect(&trusted, &proxied);
    assert_eq!((status, collected(home.path()).len()), (0, COUNT), "{said}");
}
