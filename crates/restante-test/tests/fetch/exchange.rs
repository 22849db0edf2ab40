//! Exchange Online takes tokens in two steps only, and hangs up on who is quicker: against a server that does just so. And logins
//! there that end soon.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use restante_fetch::oauth::grant::Grant;
use restante_fetch::oauth::provider::Endpoints;
use restante_fetch::oauth::store::TokenStore;
use restante_proto::secret::Secret;
use restante_store::disk::LocalDisk;
use restante_test::certificate;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::kitchen::Home;

/// A server like Exchange Online, with one message. Its thread ends with the test process.
struct Exchange {
    address: SocketAddr,
    /// What of AUTH was said to it: the command's line, and whether another came.
    said: Arc<Mutex<Vec<String>>>,
}

impl Exchange {
    fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let files = certificate::write(folder, address.ip());
        let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let said = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&said);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who has gone away is no trouble of ours.
                drop(serve(stream, &config, &shared));
            }
        });
        Self { address, said }
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap())
    }
}

fn serve(stream: TcpStream, config: &Arc<ServerConfig>, said: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let tls = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    let mut is_in = false;
    let mut answer = b"+OK The Microsoft Exchange POP3 service is ready.\r\n".to_vec();
    loop {
        stream.get_mut().write_all(&answer)?;
        stream.get_mut().flush()?;
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        answer = match line.trim_end() {
            "CAPA" => b"+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n.\r\n".to_vec(),
            "AUTH XOAUTH2" => {
                said.lock().unwrap().push("AUTH XOAUTH2".to_owned());
                stream.get_mut().write_all(b"+ \r\n")?;
                stream.get_mut().flush()?;
                let mut token = String::new();
                stream.read_line(&mut token)?;
                is_in = token.starts_with("dXNlcj1hbGljZQFhdXRoPUJlYXJlci");
                said.lock().unwrap().push(if is_in { "the token" } else { "something else" }.to_owned());
                if is_in { b"+OK User successfully logged on.\r\n" } else { &b"-ERR no\r\n"[..] }.to_vec()
            }
            quick if quick.starts_with("AUTH ") => {
                said.lock().unwrap().push("too quick".to_owned());
                stream.get_mut().write_all(b"-ERR Protocol error. Connection is closed. 10\r\n")?;
                stream.get_mut().conn.send_close_notify();
                return stream.get_mut().flush();
            }
            "STAT" if is_in => b"+OK 1 16\r\n".to_vec(),
            "LIST" if is_in => b"+OK\r\n1 16\r\n.\r\n".to_vec(),
            "UIDL" if is_in => b"+OK\r\n1 u1\r\n.\r\n".to_vec(),
            "RETR 1" if is_in => b"+OK\r\nSubject: hi\r\n\r\n\r\n.\r\n".to_vec(),
            "DELE 1" | "NOOP" if is_in => b"+OK\r\n".to_vec(),
            "QUIT" => {
                stream.get_mut().write_all(b"+OK\r\n")?;
                return stream.get_mut().flush();
            }
            _ => b"-ERR Command is not valid in this state.\r\n".to_vec(),
        };
    }
}

/// A home whose account `work` is logged in at this provider, with an access token that is good for an hour.
fn logged_in(oauth: &str, provider: &str, access: &str) -> (Home, Exchange, String) {
    let home = Home::new();
    let server = Exchange::start(home.path());
    grant(&home, provider, access, None);
    let file = home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nname = \"work\"\nserver = \"pops://alice@{}\"\ntls = {{ ca = \"{}\" }}\n\
         oauth = {{ {oauth}, client_id = \"me\" }}\ndeliver = [{{ type = \"maildir\", path = \"{}\" }}]\n",
        home.state().display(),
        server.address,
        home.path().join("authority.pem").display(),
        home.maildir().display(),
    ));
    (home, server, file)
}

/// Keeps a login of ten days ago, that ends when the provider has said, if it has.
fn grant(home: &Home, provider: &str, access: &str, ends: Option<Timestamp>) {
    let now = Timestamp::now();
    let begin = now - SignedDuration::from_hours(240);
    let endpoints = Endpoints {
        issuer: None,
        authorization: None,
        // Nobody listens there, and nobody has to.
        token: "http://127.0.0.1:1/token".to_owned(),
        device: None,
        revocation: None,
        wants_secret_in_body: true,
    };
    let grant = Grant {
        provider: provider.to_owned(),
        client_id: "me".to_owned(),
        endpoints,
        access: Secret::new(access.as_bytes().to_vec()),
        access_ends: Some(now + SignedDuration::from_hours(1)),
        refresh: Some(Secret::new(b"refresh-1".to_vec())),
        refresh_ends: ends,
        granted: begin,
        refreshed: begin,
    };
    let store = TokenStore::new(Arc::new(LocalDisk), &home.state(), None);
    store.lock("work", &|_| ()).unwrap().make_room().unwrap().fill(&grant).unwrap();
}

const ISSUER: &str = "https://id.example.org";

#[test]
fn xoauth2_microsoft_1_a_token_waits_until_exchange_asks_for_it() {
    // Microsoft's own tokens are longer than a line may be; that must not be what it hangs on.
    let (home, server, file) = logged_in("provider = \"microsoft\"", "microsoft", "short");
    home.run(&["--config", &file]).ended(0).says("collected 1 message");
    assert_eq!(server.said(), ["AUTH XOAUTH2", "the token"]);
}

#[test]
fn a_long_token_waits_whoever_gave_it() {
    let issuer = format!("issuer = \"{ISSUER}\", scopes = [\"mail\"]");
    let (home, server, file) = logged_in(&issuer, ISSUER, &"long".repeat(500));
    home.run(&["--config", &file]).ended(0).says("collected 1 message");
    assert_eq!(server.said(), ["AUTH XOAUTH2", "the token"]);
    // What would happen otherwise: this server is as strict as the one it stands for.
    let (home, server, file) = logged_in(&issuer, ISSUER, "short");
    let ran = home.run(&["--config", &file]);
    assert_ne!(ran.status, 0);
    assert_eq!(server.said(), ["too quick"]);
}

#[test]
fn a_login_that_ends_soon_is_told_once_a_day_and_in_the_status() {
    let (home, _server, file) = logged_in("provider = \"microsoft\"", "microsoft", "short");
    let told = || {
        let ran = home.run(&["--config", &file, "--json"]).ended(0);
        let warnings = ran.events().into_iter().filter(|event| event["event"] == "warning");
        warnings.map(|event| event["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let status = |words: &[&str]| home.run(&[&["status", "--config", &*file], words].concat()).ended(0).out;
    let today = || Timestamp::now().as_second().div_euclid(86_400);
    assert_eq!(told(), [""; 0]);
    assert!(!status(&[]).contains("warning") && !status(&["--json"]).contains("warning"));

    let ends = Timestamp::now() + SignedDuration::from_hours(48);
    grant(&home, "microsoft", "short", Some(ends));
    let what = "the login of work ends on 2";
    let remedy = "renew it with: restante login work";
    assert!(status(&[]).contains(what) && status(&[]).contains(remedy), "{}", status(&[]));
    let row = &serde_json::from_str::<serde_json::Value>(&status(&["--json"])).unwrap()[0];
    assert!(row["warning"].as_str().unwrap().contains(remedy) && row["account"] == "work", "{row}");
    // Nothing is asked of a person, so nothing is told of what only a person can open.
    let with_prompt = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("token_key = {{ prompt = true }}\n{with_prompt}")).unwrap();
    assert!(!status(&[]).contains("warning"));
    std::fs::write(&file, with_prompt).unwrap();

    for (has_moved, words) in [(true, "--quiet"), (false, "--verbose")] {
        let journal = home.state().join("work");
        if has_moved {
            // As if it had been visited before that only.
            std::fs::remove_dir_all(&journal).unwrap();
        }
        let day = today();
        let ran = home.run(&["--config", &file, words]).ended(0);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains(what) == has_moved || day != today(), "{words}: {said}");
    }
    std::fs::remove_dir_all(home.state().join("work")).unwrap();
    let told = told();
    assert!(told.len() == 1 && told[0].starts_with(what) && told[0].ends_with(remedy), "{told:?}");
}
