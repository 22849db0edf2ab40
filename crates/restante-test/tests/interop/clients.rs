//! Clients from Debian: curl, fetchmail, mpop, getmail and Python's poplib, in clear, with STLS and with implicit TLS.
//!
//! Each collects the same maildrop, checks the certificate against the test's own authority, and what it writes is
//! compared octet by octet with what was put in.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use restante_test::mail::{awkward, canonical, numbered};
use restante_test::real::site::NOBODY;
use restante_test::real::{Server, Setup, program};

use crate::kind;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Stls,
    Implicit,
}

const WAYS: [Way; 3] = [Way::Plain, Way::Stls, Way::Implicit];

/// A server with [`messages`] in the maildrop of alice.
fn serve(messages: &[Vec<u8>]) -> Server {
    let setup = Setup { mail: vec![("alice".to_owned(), messages.to_vec())], ..Setup::default() };
    Server::start(kind(), &setup)
}

/// The awkward messages that have a header at least, and one of 5 MB.
fn messages() -> Vec<Vec<u8>> {
    let unusual = [
        "no blank line",
        "dot header line",
        "only a dot",
        "only dots without end",
        "only a line end",
        "mixed line ends",
    ];
    let mut messages: Vec<Vec<u8>> =
        awkward().into_iter().filter(|(name, _)| !unusual.contains(name)).map(|(_, stored)| stored).collect();
    let mut big = numbered(5, 0);
    while big.len() < 5_000_000 {
        big.extend_from_slice(b"..a line that begins with dots\n.\nfive megabytes of them are a message\n");
    }
    messages.push(big);
    messages
}

/// The canonical form with LF line ends, as clients write it to disk.
fn with_lf(stored: &[u8]) -> Vec<u8> {
    let wire = canonical(stored);
    let mut disk = Vec::with_capacity(wire.len());
    for (at, &octet) in wire.iter().enumerate() {
        if octet != b'\r' || wire.get(at + 1) != Some(&b'\n') {
            disk.push(octet);
        }
    }
    disk
}

/// Runs a client in `folder` as its home.
pub(crate) fn run(client: &Path, arguments: &[&str], folder: &Path, server: &Server) -> String {
    let output = Command::new(client)
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("FETCHMAILHOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{}: {}\n{said}\n{}", client.display(), output.status, server.log());
    said
}

/// A fresh folder below the site, for one client and one way.
fn home(server: &Server, way: Way) -> PathBuf {
    let name = match way {
        Way::Plain => "plain",
        Way::Stls => "stls",
        Way::Implicit => "implicit",
    };
    let home = server.site().path().join("home").join(name);
    fs::create_dir_all(&home).unwrap();
    home
}

/// Writes a file that only its owner may read, as clients demand.
pub(crate) fn write_private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn authority(server: &Server) -> String {
    server.site().path().join("authority.pem").display().to_string()
}

/// Every file in `folder`, and none twice.
fn contents(folder: &Path) -> Vec<Vec<u8>> {
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// Asserts that `found` is `wanted` in any order.
fn assert_same(mut found: Vec<Vec<u8>>, mut wanted: Vec<Vec<u8>>) {
    found.sort();
    wanted.sort();
    assert_eq!(found.len(), wanted.len(), "as many messages as were put in");
    for (found, wanted) in found.iter().zip(&wanted) {
        if found != wanted {
            let at = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
            let around = |octets: &[u8]| {
                octets[at.saturating_sub(60)..octets.len().min(at + 60)].escape_ascii().to_string()
            };
            panic!(
                "octet {at} of {}/{}: {}\n instead of {}",
                found.len(),
                wanted.len(),
                around(found),
                around(wanted)
            );
        }
    }
}

/// The maildrop must be empty: the client has deleted what it collected.
fn assert_emptied(server: &Server) {
    assert_eq!(server.login_when_free("alice").ok("STAT"), "+OK 0 0");
}

#[test]
fn curl_collects_every_message() {
    let curl = program("curl", "curl");
    let messages = [messages(), awkward().into_iter().map(|(_, stored)| stored).collect()].concat();
    let server = serve(&messages);
    for way in WAYS {
        let folder = home(&server, way);
        let (scheme, address) = match way {
            Way::Implicit => ("pop3s", server.pop3s_address()),
            _ => ("pop3", server.pop3_address()),
        };
        let url = format!("{scheme}://{address}/[1-{}]", messages.len());
        let authority = authority(&server);
        let options = ["-sS", "--max-time", "60", "--user", "alice:secret", "--cacert", &authority];
        let mut arguments = [&options[..], &["-o", "#1", &url]].concat();
        if way == Way::Stls {
            arguments.push("--ssl-reqd");
        }
        run(&curl, &arguments, &folder, &server);
        for (at, stored) in messages.iter().enumerate() {
            let found = fs::read(folder.join((at + 1).to_string())).unwrap();
            assert_same(vec![found], vec![canonical(stored)]);
        }
        let url = format!("{scheme}://{address}/");
        let mut arguments = [&options[..], &[&url]].concat();
        if way == Way::Stls {
            arguments.push("--ssl-reqd");
        }
        let listing = run(&curl, &arguments, &folder, &server);
        let sizes: Vec<String> =
            (1..).zip(&messages).map(|(n, stored)| format!("{n} {}", canonical(stored).len())).collect();
        assert_eq!(listing.lines().collect::<Vec<_>>(), sizes);
    }
}

#[test]
fn fetchmail_collects_and_deletes() {
    let fetchmail = program("fetchmail", "fetchmail");
    // It reads lines in pieces of 8 KiB and puts two octets of its own between them.
    let short = |stored: &Vec<u8>| stored.split(|&octet| octet == b'\n').all(|line| line.len() < 8000);
    for way in WAYS {
        let messages: Vec<Vec<u8>> = messages().into_iter().filter(short).collect();
        let server = serve(&messages);
        let folder = home(&server, way);
        let delivered = folder.join("delivered");
        fs::create_dir(&delivered).unwrap();
        let script = folder.join("deliver");
        fs::write(
            &script,
            format!("#!/bin/sh\nexec cat > \"$(mktemp {}/XXXXXXXXXX)\"\n", delivered.display()),
        )
        .unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let (port, tls) = match way {
            Way::Plain => (server.pop3_address().port(), "sslproto ''".to_owned()),
            Way::Stls => (
                server.pop3_address().port(),
                format!(
                    "sslproto 'TLS1.2+' sslcertck sslcommonname localhost sslcertfile {}",
                    authority(&server)
                ),
            ),
            Way::Implicit => (
                server.pop3s_address().port(),
                format!("ssl sslcertck sslcommonname localhost sslcertfile {}", authority(&server)),
            ),
        };
        let configuration = folder.join("fetchmailrc");
        write_private(
            &configuration,
            &format!(
                "set no syslog\nset no bouncemail\nset invisible\npoll localhost via {} protocol pop3 port {port} uidl\n\
                 user alice password secret {tls} fetchall no keep no rewrite pass8bits mda \"{}\"\n",
                server.site().ip(),
                script.display()
            ),
        );
        // Root has one lock for the whole machine, unless told otherwise.
        let lock = folder.join("fetchmail.pid");
        let lock = ["--pidfile", lock.to_str().unwrap()];
        run(
            &fetchmail,
            &[&["-f", configuration.to_str().unwrap(), "--nodetach", "--nosyslog", "-v"][..], &lock].concat(),
            &folder,
            &server,
        );
        assert_same(contents(&delivered), messages.iter().map(|stored| with_lf(stored)).collect());
        assert_emptied(&server);
    }
}

/// Without UIDL it goes by LAST: what is kept on the server is not collected again.
#[test]
fn fetchmail_keeps_mail_and_goes_by_last() {
    let fetchmail = program("fetchmail", "fetchmail");
    let setup = Setup {
        mail: vec![("alice".to_owned(), (1..=3).map(|n| numbered(n, 2)).collect())],
        restante: vec![("pop3".to_owned(), "last = true".to_owned())],
        dovecot: vec!["protocol pop3 {\n  pop3_enable_last = yes\n}"],
        ..Setup::default()
    };
    let server = Server::start(kind(), &setup);
    let folder = home(&server, Way::Plain);
    let (script, count) = (folder.join("deliver"), folder.join("count"));
    fs::write(&script, format!("#!/bin/sh\ncat > {0}.last && echo >> {0}\n", count.display())).unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let configuration = folder.join("fetchmailrc");
    write_private(
        &configuration,
        &format!(
            "set no syslog\nset no bouncemail\nset invisible\npoll localhost via {} protocol pop3 port {} no uidl\n\
             user alice password secret sslproto '' no fetchall keep no rewrite pass8bits mda \"{}\"\n",
            server.site().ip(),
            server.pop3_address().port(),
            script.display()
        ),
    );
    let lock = folder.join("fetchmail.pid");
    let collect = || {
        let mut client = Command::new(&fetchmail);
        client.arg("-f").arg(&configuration).args(["--nodetach", "--nosyslog", "-v", "--pidfile"]).arg(&lock);
        let output = client.env("HOME", &folder).env("FETCHMAILHOME", &folder).output().unwrap();
        // 1 says that there was nothing new.
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}\n{said}\n{}", output.status, server.log());
        assert!(said.contains("> LAST"), "it does not ask LAST:\n{said}");
        fs::read(&count).map_or(0, |lines| lines.len())
    };
    assert_eq!(collect(), 3);
    assert_eq!(collect(), 3, "nothing is new");
    server.site().drop_message("alice", &numbered(4, 2));
    assert_eq!(collect(), 4);
    assert_eq!(server.site().files("alice").len(), 4);
}

#[test]
fn mpop_collects_and_deletes() {
    let mpop = program("mpop", "mpop");
    for way in WAYS {
        let messages = [messages(), awkward().into_iter().map(|(_, stored)| stored).collect()].concat();
        let server = serve(&messages);
        let folder = home(&server, way);
        for name in ["cur", "new", "tmp"] {
            fs::create_dir_all(folder.join("Maildir").join(name)).unwrap();
        }
        let (port, tls) = match way {
            Way::Plain => (server.pop3_address().port(), "tls off".to_owned()),
            Way::Stls => (
                server.pop3_address().port(),
                format!("tls on\ntls_starttls on\ntls_trust_file {}", authority(&server)),
            ),
            Way::Implicit => (
                server.pop3s_address().port(),
                format!("tls on\ntls_starttls off\ntls_trust_file {}", authority(&server)),
            ),
        };
        let configuration = folder.join("mpoprc");
        write_private(
            &configuration,
            &format!(
                "account default\nhost {}\nport {port}\n{tls}\ntls_host_override localhost\nauth {}\nuser alice\npassword secret\n\
                 keep off\nreceived_header off\nuidls_file {}/uidls\ndelivery maildir {}/Maildir\n",
                server.site().ip(),
                if way == Way::Plain { "user" } else { "plain" },
                folder.display(),
                folder.display()
            ),
        );
        run(&mpop, &["-C", configuration.to_str().unwrap()], &folder, &server);
        assert_same(
            contents(&folder.join("Maildir/new")),
            messages.iter().map(|stored| with_lf(stored)).collect(),
        );
        assert_emptied(&server);
    }
}

#[test]
fn poplib_collects_every_message() {
    const SCRIPT: &str = r#"
import poplib, ssl, sys
way, host, port, authority, folder = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
box = poplib.POP3_SSL(host, int(port), context=context) if way == "implicit" else poplib.POP3(host, int(port))
if way == "stls":
    box.stls(context)
box.capa()
box.user("alice")
box.pass_("secret")
count, octets = box.stat()
sizes = [int(line.split()[1]) for line in box.list()[1]]
assert len(sizes) == count and sum(sizes) == octets
assert len({line.split()[1] for line in box.uidl()[1]}) == count
for number in range(1, count + 1):
    lines, announced = box.retr(number)[1], sizes[number - 1]
    message = b"".join(line + b"\r\n" for line in lines)
    assert len(message) == announced, (number, len(message), announced)
    with open(f"{folder}/{number}", "wb") as file:
        file.write(message)
    assert b"".join(line + b"\r\n" for line in box.top(number, 999999)[1]) == message
box.quit()
"#;
    let python = program("python3", "python3");
    // poplib refuses lines of more than 2048 octets, whoever sends them.
    let short = |stored: &Vec<u8>| stored.split(|&octet| octet == b'\n').all(|line| line.len() < 2000);
    let messages: Vec<Vec<u8>> = messages().into_iter().filter(short).collect();
    let server = serve(&messages);
    for way in WAYS {
        let folder = home(&server, way);
        let (name, address) = match way {
            Way::Plain => ("plain", server.pop3_address()),
            Way::Stls => ("stls", server.pop3_address()),
            Way::Implicit => ("implicit", server.pop3s_address()),
        };
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let arguments = ["-c", SCRIPT, name, &host, &port, &authority(&server), folder.to_str().unwrap()];
        run(&python, &arguments, &folder, &server);
        assert_same(contents(&folder), messages.iter().map(|stored| canonical(stored)).collect());
    }
}

#[test]
fn getmail_collects_and_deletes() {
    let getmail = program("getmail", "getmail6");
    // It knows no STLS.
    for way in [Way::Plain, Way::Implicit] {
        let messages = messages();
        let server = serve(&messages);
        let folder = home(&server, way);
        for name in ["cur", "new", "tmp"] {
            fs::create_dir_all(folder.join("Maildir").join(name)).unwrap();
        }
        let (retriever, address, tls) = match way {
            Way::Implicit => (
                "SimplePOP3SSLRetriever",
                server.pop3s_address(),
                format!("ca_certs = {}\n", authority(&server)),
            ),
            _ => ("SimplePOP3Retriever", server.pop3_address(), String::new()),
        };
        write_private(
            &folder.join("getmailrc"),
            &format!(
                "[retriever]\ntype = {retriever}\nserver = {}\nport = {}\nusername = alice\npassword = secret\n{tls}\
                 [destination]\ntype = Maildir\npath = {}/Maildir/\n\
                 [options]\nread_all = true\ndelete = true\nreceived = false\ndelivered_to = false\nverbose = 0\n",
                address.ip(),
                address.port(),
                folder.display()
            ),
        );
        // It delivers nothing as root, and as root for somebody else only through a child that it times.
        let arguments = ["--getmaildir", folder.to_str().unwrap()];
        if rustix::process::geteuid().is_root() {
            for path in ["", "getmailrc", "Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp"] {
                chown(folder.join(path), Some(NOBODY), Some(NOBODY)).unwrap();
            }
            let setpriv = program("setpriv", "util-linux");
            let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            let as_nobody = [&user, &group, "--clear-groups", "--", getmail.to_str().unwrap()];
            run(&setpriv, &[&as_nobody[..], &arguments].concat(), &folder, &server);
        } else {
            run(&getmail, &arguments, &folder, &server);
        }
        // It makes up a Return-Path where there is none.
        let made_up = b"Return-Path: <unknown>\n";
        let found = contents(&folder.join("Maildir/new"));
        let found = found.iter().map(|found| found.strip_prefix(made_up).unwrap_or(found).to_vec()).collect();
        assert_same(found, messages.iter().map(|stored| with_lf(stored)).collect());
        assert_emptied(&server);
    }
}
