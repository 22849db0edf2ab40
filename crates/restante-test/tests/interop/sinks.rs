//! What collects mail delivers it to programs that others wrote: Dovecot and Postfix take it, Dovecot and Python's mailbox read it. Each message is
//! afterwards octet for octet what the wire brought.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use restante_fetch::config::deliver::SmtpSecurity;
use restante_fetch::header::HeaderDigest;
use restante_fetch::key::Key;
use restante_fetch::sink::lmtp::Lmtp;
use restante_fetch::sink::maildir::{self, Maildir};
use restante_fetch::sink::mbox::Mbox;
use restante_fetch::sink::smtp::{self, Smtp};
use restante_fetch::sink::{Fault, LineEnds, Message, Sink};
use restante_fetch::spool::Spool;
use restante_store::disk::LocalDisk;
use restante_test::certificate::{self, Flaw};
use restante_test::mail::{awkward, canonical, numbered};
use restante_test::real::postfix::Postfix;
use restante_test::real::restante::binary;
use restante_test::real::site::{NOBODY, POP3};
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;
use tempfile::TempDir;

/// What the wire brings: what has broken programs before, each told by its number.
fn wires() -> Vec<Vec<u8>> {
    let more: [&[u8]; 4] = [
        b"Subject: bare cr\n\na\rb\r\rc\n",
        b"Subject: from lines\n\nFrom a@x Thu Feb 13 10:11:12 2025\n\nFrom b\n>From c\n>>From d\n\nFrom e\n",
        b"Subject: notes\nStatus: RO\nContent-Length: 3\nX-UID: 7\n\nbody that is longer\n\n\n\n",
        b"Return-Path: <sender@example.net>\nSubject: sender\n\nbody\n",
    ];
    let stored = awkward().into_iter().map(|(_, stored)| stored).chain(more.map(<[u8]>::to_vec));
    stored.map(|stored| canonical(&stored)).collect()
}

/// Spools messages as a pass does, the wire cut anywhere, and has the sink take them all.
fn deliver(sink: &mut dyn Sink, line_ends: LineEnds, wires: &[Vec<u8>]) {
    let folder = TempDir::new().unwrap();
    let place = sink.spool().unwrap_or_else(|| folder.path().to_owned());
    let spool = Spool::open(Arc::new(LocalDisk), &place, "test").unwrap();
    let spooled: Vec<_> = wires
        .iter()
        .map(|wire| {
            let mut writing = spool.begin(line_ends, b"", Box::new(HeaderDigest::default())).unwrap();
            wire.chunks(4_099).for_each(|piece| writing.write(piece).unwrap());
            writing.finish().unwrap()
        })
        .collect();
    let keys: Vec<_> = (0..wires.len()).map(|nth| Key::new(nth.to_string().as_bytes())).collect();
    let names: Vec<_> = (0..)
        .zip(&keys)
        .map(|(nth, key)| format!("{}.R{}.restante", 1_700_000_000 + nth, key.mark("alice")))
        .collect();
    let messages: Vec<_> = spooled
        .iter()
        .zip(keys.iter().zip(&names))
        .map(|(spooled, (key, name))| Message {
            account: "alice",
            key,
            name,
            path: spooled.path(),
            file_octets: spooled.file_octets,
            line_ends: spooled.line_ends,
            digest: spooled.contents.digest,
            is_doubtful: false,
        })
        .collect();
    let answers = sink.deliver(&messages);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

/// As files hold them.
fn lf(wire: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(wire.len());
    for (at, &octet) in wire.iter().enumerate() {
        if octet != b'\r' || wire.get(at + 1) != Some(&b'\n') {
            stored.push(octet);
        }
    }
    stored
}

/// Runs a script that writes what it finds into files `0`, `1`, … of a folder; gives back their contents.
fn python(script: &str, from: &Path) -> Vec<Vec<u8>> {
    let out = TempDir::new().unwrap();
    let python = program("python3", "python3");
    let status = Command::new(python).args(["-c", script]).arg(from).arg(out.path()).status().unwrap();
    assert!(status.success());
    let count = fs::read_dir(out.path()).unwrap().count();
    (0..count).map(|nth| fs::read(out.path().join(nth.to_string())).unwrap()).collect()
}

#[test]
fn python_reads_an_mbox_as_it_came() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mbox");
    let mut mbox = Mbox::open(Arc::new(LocalDisk), &path, folder.path()).unwrap();
    let wires = wires();
    let (first, second) = wires.split_at(7);
    deliver(&mut mbox, LineEnds::Lf, first);
    deliver(&mut mbox, LineEnds::Crlf, second);
    let script = "import mailbox, re, sys
for n, key in enumerate(sorted((box := mailbox.mbox(sys.argv[1], create=False)).keys())):
    octets = box.get_bytes(key)
    octets = re.sub(rb'^>(>*From )', rb'\\1', octets, flags=re.M)
    open(f'{sys.argv[2]}/{n}', 'wb').write(octets)";
    let read = python(script, &path);
    assert_eq!(read.len(), wires.len());
    for (read, wire) in read.iter().zip(&wires) {
        assert!(*read == lf(wire), "{} and {}", read.escape_ascii(), wire.escape_ascii());
    }
    let text = fs::read(&path).unwrap();
    assert!(text.starts_with(b"From MAILER-DAEMON "));
    assert!(String::from_utf8_lossy(&text).contains("\n\nFrom sender@example.net "));
}

#[test]
fn python_reads_a_maildir_as_it_came() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("Mail");
    let mut maildir = Maildir::open(Arc::new(LocalDisk), maildir::Settings::new(&path)).unwrap();
    let wires = wires();
    deliver(&mut maildir, LineEnds::Lf, &wires);
    let script = "import mailbox, sys
for n, key in enumerate(sorted((box := mailbox.Maildir(sys.argv[1], create=False)).keys())):
    open(f'{sys.argv[2]}/{n}', 'wb').write(box.get_bytes(key))";
    let read = python(script, &path);
    assert_eq!(read.len(), wires.len());
    for (read, wire) in read.iter().zip(&wires) {
        assert!(*read == lf(wire), "{} and {}", read.escape_ascii(), wire.escape_ascii());
    }
}

#[test]
fn dovecot_shows_a_maildir_as_it_came_and_a_message_it_has_noted_is_known_again() {
    let server = Server::start(Kind::Dovecot, &Setup::default());
    let path = server.site().maildrop("alice");
    let mut maildir = Maildir::open(Arc::new(LocalDisk), maildir::Settings::new(&path)).unwrap();
    // Its POP3 does not stuff a dot that is the very first octet (docs/other-servers.md).
    let wires: Vec<_> = wires().into_iter().filter(|wire| !wire.starts_with(b".")).collect();
    deliver(&mut maildir, LineEnds::Lf, &wires);
    for entry in fs::read_dir(path.join("new")).unwrap() {
        chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let shown = server.retrieve_all("alice");
    assert_eq!(shown.len(), wires.len());
    for (shown, wire) in shown.iter().zip(&wires) {
        assert!(shown == wire, "{} and {}", shown.escape_ascii(), wire.escape_ascii());
    }
    // It has moved them to cur/ and marked them as read.
    assert_eq!(fs::read_dir(path.join("new")).unwrap().count(), 0);
    let marks = maildir.marks().unwrap();
    assert_eq!(marks.len(), wires.len());
    assert!(marks.contains(Key::new(b"0").mark("alice").as_str()));
}

/// Whose LMTP.
fn lmtp_takes(kind: Kind) {
    let server = Server::start(kind, &Setup::default());
    let socket = format!("unix:{}", server.site().lmtp_socket().display());
    let wires = wires();
    let (first, second) = wires.split_at(9);
    for (line_ends, wires) in [(LineEnds::Crlf, first), (LineEnds::Lf, second)] {
        let mut sink =
            Lmtp::new(Arc::new(LocalDisk), &socket, "alice@example.org", "", "client.example.org").unwrap();
        deliver(&mut sink, line_ends, wires);
    }
    let shown = server.retrieve_all("alice");
    assert_eq!(shown.len(), wires.len());
    for wire in &wires {
        // A delivery puts fields in front, and takes Return-Path out.
        let wire = wire.strip_prefix(b"Return-Path: <sender@example.net>\r\n").unwrap_or(wire);
        let is_there = shown.iter().any(|shown| shown.ends_with(wire));
        assert!(is_there, "{}", wire.escape_ascii());
    }
    let mut sink =
        Lmtp::new(Arc::new(LocalDisk), &socket, "nobody@example.org", "", "client.example.org").unwrap();
    let folder = TempDir::new().unwrap();
    let spool = Spool::open(Arc::new(LocalDisk), folder.path(), "test").unwrap();
    let mut writing = spool.begin(LineEnds::Crlf, b"", Box::new(HeaderDigest::default())).unwrap();
    writing.write(&wires[0]).unwrap();
    let spooled = writing.finish().unwrap();
    let key = Key::new(b"1");
    let answers = sink.deliver(&[Message {
        account: "alice",
        key: &key,
        name: "1.restante",
        path: spooled.path(),
        file_octets: spooled.file_octets,
        line_ends: spooled.line_ends,
        digest: spooled.contents.digest,
        is_doubtful: false,
    }]);
    let is_refused = matches!(&answers[0], Err(Fault::Refused(reason)) if reason.starts_with("55"));
    assert!(is_refused, "{answers:?}");
}

#[test]
fn restante_takes_messages_by_lmtp_as_they_are() {
    lmtp_takes(Kind::Restante);
}

#[test]
fn dovecot_takes_messages_by_lmtp_as_they_are() {
    lmtp_takes(Kind::Dovecot);
}

#[test]
fn postfix_takes_messages_by_smtp() {
    let server = Server::start(Kind::Restante, &Setup::default());
    let postfix = Postfix::start(server.site());
    let address = postfix.address().to_string();
    let settings = smtp::Settings {
        server: &address,
        security: SmtpSecurity::None,
        ca: None,
        login: None,
        recipient: "alice@example.org",
        sender: "owner@example.org",
        name: "client.example.org",
    };
    let mut sink = Smtp::new(Arc::new(LocalDisk), settings).unwrap();
    let mut sent: Vec<_> = (0..20).map(|nth| canonical(&numbered(nth, nth * 50))).collect();
    sent.push(canonical(b"From: a@x\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <1@x>\nSubject: odd\n\n.\n..x\n\xff\xfe\n\n.\n"));
    deliver(&mut sink, LineEnds::Crlf, &sent[..10]);
    deliver(&mut sink, LineEnds::Lf, &sent[10..]);
    wait::until("Postfix to deliver", || {
        server.login_for_originals("alice").list("LIST").len() == sent.len()
    });
    let shown = server.retrieve_all("alice");
    for wire in &sent {
        assert_eq!(shown.iter().filter(|shown| shown.ends_with(wire)).count(), 1, "{}", wire.escape_ascii());
    }
    assert!(shown.iter().all(|shown| shown.starts_with(b"Return-Path: <owner@example.org>")));
}

/// One message, for a sink that answers for it.
fn answer(sink: &mut dyn Sink) -> Result<(), Fault> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("message");
    let octets = b"Subject: one\nFrom: a@x.example\n\nbody\n";
    fs::write(&path, octets).unwrap();
    let key = Key::new(b"1");
    let message = Message {
        account: "alice",
        key: &key,
        name: "1.R1.restante",
        path: &path,
        file_octets: octets.len() as u64,
        line_ends: LineEnds::Lf,
        digest: [0; 32],
        is_doubtful: false,
    };
    sink.deliver(&[message]).remove(0)
}

#[test]
fn postfix_is_recognized_by_the_authority_that_is_named_and_by_no_other() {
    let server = Server::start(Kind::Restante, &Setup::default());
    let folder = TempDir::new().unwrap();
    let right = certificate::write(folder.path(), server.site().ip());
    let other = folder.path().join("other.pem");
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Another authority");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(&other, authority.self_signed(&key).unwrap().pem()).unwrap();
    let postfix = Postfix::start_with_tls(server.site(), &right);
    let places = [
        (SmtpSecurity::Starttls, postfix.address().to_string()),
        (SmtpSecurity::Tls, postfix.tls_address().to_string()),
    ];
    let sink = |(security, server): &(SmtpSecurity, String), ca: Option<&Path>| {
        let settings = smtp::Settings {
            server,
            security: *security,
            ca: ca.map(|path| fs::read(path).unwrap()),
            login: None,
            recipient: "alice@example.org",
            sender: "",
            name: "client.example.org",
        };
        Smtp::new(Arc::new(LocalDisk), settings).unwrap()
    };
    for place in &places {
        for ca in [Some(other.as_path()), None] {
            let Err(Fault::Later(reason)) = answer(&mut sink(place, ca)) else { panic!("{place:?} {ca:?}") };
            let what = "the server's certificate was issued by nobody who is trusted here; if it is from an authority of your own, name \
                        its file: ca = \"ca.pem\"";
            assert!(reason.ends_with(what), "{place:?} {ca:?}: {reason}");
        }
        assert_eq!(answer(&mut sink(place, Some(&right.authority))), Ok(()), "{place:?}\n{}", postfix.log());
    }
    wait::until("Postfix to deliver", || server.login_for_originals("alice").list("LIST").len() == 2);
    for shown in server.retrieve_all("alice") {
        let text = String::from_utf8_lossy(&shown);
        assert!(text.contains("using TLSv1.3") && text.ends_with("\r\n\r\nbody\r\n"), "{text}");
    }
}

#[test]
fn a_certificate_of_postfix_for_another_host_or_of_yesterday_is_none() {
    for (flaw, what) in [
        (Flaw::OtherName, "the server's certificate belongs to another server: "),
        (Flaw::Expired, "the server's certificate has expired: "),
    ] {
        let server = Server::start(Kind::Restante, &Setup::default());
        let folder = TempDir::new().unwrap();
        let files = certificate::write_flawed(folder.path(), server.site().ip(), flaw);
        let postfix = Postfix::start_with_tls(server.site(), &files);
        let settings = smtp::Settings {
            server: &postfix.address().to_string(),
            security: SmtpSecurity::Starttls,
            ca: Some(fs::read(&files.authority).unwrap()),
            login: None,
            recipient: "alice@example.org",
            sender: "",
            name: "client.example.org",
        };
        let answer = answer(&mut Smtp::new(Arc::new(LocalDisk), settings).unwrap());
        let Err(Fault::Later(reason)) = answer else { panic!("{flaw:?}: {answer:?}") };
        assert!(reason.contains(what), "{flaw:?}: {reason}");
    }
}

/// Runs a command, and gives back its exit status and what it printed.
fn restante(words: &[&str]) -> (i32, String) {
    let output = Command::new(binary()).args(words).env_remove("HOME").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn what_a_program_refuses_is_listed_shown_delivered_again_and_dropped() {
    let messages: Vec<_> = (1..=3).map(|nth| numbered(nth, 2)).collect();
    let setup = Setup { mail: vec![("alice".to_owned(), messages.clone())], ..Setup::default() };
    let server = Server::start(Kind::Restante, &setup);
    let folder = TempDir::new().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let state = folder.path().join("state").display().to_string();
    let password = password.display().to_string();
    let url = format!("pop://alice@{}", server.site().address(POP3));
    let refuse = "command:/bin/sh -c 'cat > /dev/null; echo not you >&2; exit 67'";
    let fetch = || {
        let words =
            ["fetch", &url, "--no-tls", "--password-file", &password, "--state", &state, "--to", refuse];
        restante(&words)
    };
    let quarantine = |words: &[&str]| {
        let mut all = vec!["fetch", "quarantine"];
        all.extend(words);
        all.extend(["--state", &state]);
        restante(&all)
    };
    assert_eq!(quarantine(&["list", "--json"]), (0, "[]\n".into()));
    let (status, said) = fetch();
    assert_eq!(status, 65, "{said}");
    // They block nothing, and do not come again.
    assert_eq!(fetch().0, 0);

    let (status, listed) = quarantine(&["list", "--json"]);
    assert_eq!(status, 0);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("it is JSON");
    let marks: Vec<&str> =
        listed.as_array().unwrap().iter().map(|item| item["message"].as_str().unwrap()).collect();
    assert_eq!(marks.len(), 3, "{listed}");
    assert!(listed[0]["reason"].as_str().unwrap().ends_with("ended with code 67: not you"), "{listed}");
    assert!(listed[0]["sink"].as_str().unwrap().starts_with("command:/bin/sh#"), "{listed}");
    let (status, table) = quarantine(&["list"]);
    assert!(status == 0 && marks.iter().all(|mark| table.contains(&mark[..12])), "{table}");

    let shown: Vec<_> = marks.iter().map(|mark| quarantine(&["show", &mark[..12]])).collect();
    for message in &messages {
        let text = String::from_utf8(canonical(message)).unwrap();
        assert!(shown.contains(&(0, text)), "{shown:?}");
    }
    for words in [["show", "none"], ["drop", "none"], ["retry", "none"]] {
        let (status, said) = quarantine(&words);
        assert!(
            status == 66 && said.contains("there is no message none in the quarantine"),
            "{status} {said}"
        );
    }

    // Nobody knows where they should go; then they go into a Maildir, but for one.
    assert_eq!(quarantine(&["retry", "--config", "/nonexistent"]).0, 66);
    assert_eq!(quarantine(&["retry", "--to", refuse]).0, 65);
    assert_eq!(quarantine(&["drop", marks[0]]).0, 0);
    let path = folder.path().join("Mail");
    let to = format!("maildir:{}", path.display());
    let (status, said) = quarantine(&["retry", "--to", &to]);
    assert_eq!((status, said.as_str()), (0, "2 delivered, 0 still in the quarantine\n"));
    assert_eq!(fs::read_dir(path.join("new")).unwrap().count(), 2);
    assert_eq!(quarantine(&["list", "--json"]), (0, "[]\n".into()));
    assert_eq!(fetch().0, 0, "what was dropped does not come again");
}
