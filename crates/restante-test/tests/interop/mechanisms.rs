//! SASL mechanisms with those that others wrote: our client at Debian's Dovecot, and Debian's mpop, which has GNU SASL, at
//! our server. Their SCRAM and CRAM-MD5 share nothing with ours.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use restante_proto::client::request::{Extras, Login, Request};
use restante_proto::client::{Event, Outcome, Session, Settings, Step};
use restante_proto::line::Input;
use restante_proto::reply::ResponseCode;
use restante_proto::sasl::{Mechanism, Method};
use restante_proto::secret::Secret;
use restante_test::mail::numbered;
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;

use crate::kind;

/// Lets the session speak until all its requests are answered; how each ended.
fn outcomes(address: SocketAddr, requests: Vec<Request>) -> Vec<Outcome> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    let mut session = Session::new(Settings::default());
    let (mut input, mut output) = (Input::new(), Vec::new());
    let mut outcomes = Vec::new();
    for request in requests {
        session.submit(request).unwrap();
    }
    loop {
        match session.step(&mut input, &mut output).expect("the server obeys the protocol") {
            Step::Read => {
                stream.write_all(&output).unwrap();
                output.clear();
                let mut octets = [0; 4096];
                let count = stream.read(&mut octets).expect("the server answers");
                assert_ne!(count, 0, "the server has closed: {outcomes:?}");
                input.fill(&octets[..count]);
            }
            Step::Event(_, Event::Finished(outcome)) => outcomes.push(outcome),
            Step::Event(..) => {}
            Step::Idle | Step::Closed => return outcomes,
            step => panic!("nothing asks for {step:?}"),
        }
    }
}

fn login(mechanism: Mechanism, password: &str) -> Request {
    // Not by chance, but the server's part of the nonce is.
    let extras = Extras { nonce: b"as good as any nonce".to_vec(), ..Extras::default() };
    let method = Method::Sasl(mechanism);
    Request::Login(Login { extras, ..Login::of(method, b"alice", Secret::new(password.into())).unwrap() })
}

#[test]
fn every_mechanism_that_dovecot_has_lets_us_in() {
    let mechanisms = ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"];
    let setup = Setup { mechanisms: Some(mechanisms.to_vec()), ..Setup::default() };
    let server = Server::start(Kind::Dovecot, &setup);
    for name in mechanisms {
        let mechanism = Mechanism::parse(name.as_bytes()).expect("one of ours");
        // With and without initial response, which the server's list decides.
        for asks in [true, false] {
            let try_with = |password| {
                let mut requests = if asks { vec![Request::Capabilities] } else { vec![] };
                requests.extend([login(mechanism, password), Request::Quit]);
                let mut outcomes = outcomes(server.pop3_address(), requests);
                assert_eq!(outcomes.pop(), Some(Outcome::Done), "QUIT");
                outcomes.pop().expect("the login is answered")
            };
            assert_eq!(try_with("secret"), Outcome::Done, "{name}: {}", server.log());
            let refused = try_with("wrong");
            let is_auth = matches!(&refused, Outcome::Refused(why) if why.code == Some(ResponseCode::Auth));
            assert!(is_auth, "{name}: {refused:?}");
        }
    }
}

#[test]
fn mpop_logs_in_by_every_mechanism_that_needs_only_a_password() {
    let mpop = program("mpop", "mpop");
    let mechanisms = ["scram-sha-1", "scram-sha-256", "cram-md5", "login", "plain"];
    let setup = Setup {
        // CRAM-MD5 needs the secrets themselves.
        apop: true,
        mechanisms: Some(mechanisms.to_vec()),
        mail: vec![("alice".to_owned(), vec![numbered(1, 3)])],
        ..Setup::default()
    };
    let server = Server::start(kind(), &setup);
    for mechanism in mechanisms {
        for (password, is_right) in [("secret", true), ("wrong", false)] {
            let folder = server.site().path().join(format!("mpop-{mechanism}-{is_right}"));
            for name in ["cur", "new", "tmp"] {
                fs::create_dir_all(folder.join("Maildir").join(name)).unwrap();
            }
            let configuration = folder.join("mpoprc");
            let (address, root) = (server.pop3s_address(), server.site().path().display());
            let text = format!(
                "account default\nhost {}\nport {}\ntls on\ntls_starttls off\ntls_trust_file {root}/authority.pem\n\
                 tls_host_override localhost\nauth {mechanism}\nuser alice\npassword {password}\nkeep on\n\
                 uidls_file {folder}/uidls\ndelivery maildir {folder}/Maildir\n",
                address.ip(),
                address.port(),
                folder = folder.display(),
            );
            fs::write(&configuration, text).unwrap();
            fs::set_permissions(&configuration, Permissions::from_mode(0o600)).unwrap();
            let ran =
                Command::new(&mpop).arg("-C").arg(&configuration).env("HOME", &folder).output().unwrap();
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.status.success(), is_right, "{mechanism}: {said}\n{}", server.log());
            let collected = fs::read_dir(folder.join("Maildir/new")).unwrap().count();
            assert_eq!(collected, usize::from(is_right), "{mechanism}: {said}");
        }
    }
}
