//! The SASL mechanisms beyond PLAIN, spoken to the running program by a client of the test's own: it shares no line with
//! ours. Dovecot is not asked: it has none of the bindings, tokens only from a provider, and reads no EXTERNAL over POP3.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use restante_test::mail::numbered;
use restante_test::peer::{Peer, base64};
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest, Sha256, Sha512};

use super::rfc2449::mechanisms;

/// alice has two messages; more configuration as `(section, line)`.
fn serve(lines: &[(&str, &str)]) -> Server {
    let restante = lines.iter().map(|(section, line)| ((*section).to_owned(), (*line).to_owned())).collect();
    let mail = vec![("alice".to_owned(), vec![numbered(1, 1), numbered(2, 5)])];
    Server::start(Kind::Restante, &Setup { mail, restante, ..Setup::default() })
}

/// One SCRAM login, step by step.
pub(crate) struct Scram<'a> {
    mechanism: &'a str,
    /// The gs2 header.
    header: &'a str,
    binding: &'a [u8],
    user: &'a str,
    password: &'a str,
}

impl Scram<'_> {
    fn first_bare(&self) -> String {
        format!("n={},r=rOprNGfwEbeRWgbNEkqO", self.user)
    }

    /// The server's first message, or its refusal.
    pub(crate) fn begin(&self, peer: &mut Peer) -> Result<String, String> {
        let first = format!("{}{}", self.header, self.first_bare());
        peer.send(format!("AUTH {} {}\r\n", self.mechanism, base64(first.as_bytes())).as_bytes());
        let line = String::from_utf8(peer.line()).unwrap();
        match line.strip_prefix("+ ") {
            Some(challenge) => Ok(String::from_utf8(STANDARD.decode(challenge).unwrap()).unwrap()),
            None => Err(line),
        }
    }

    /// The client's last message in answer to the server's first, and what the server must answer to it.
    pub(crate) fn finish(&self, server_first: &str) -> (String, String) {
        let [nonce, salt, iterations] = parts(server_first);
        let bound = [self.header.as_bytes(), self.binding].concat();
        let without_proof = format!("c={},r={nonce}", base64(&bound));
        let messages = format!("{},{server_first},{without_proof}", self.first_bare());
        let salted = self.salted(&STANDARD.decode(salt).unwrap(), iterations.parse().unwrap());
        let key = self.client_key(server_first);
        let signature = self.hmac(&self.hash(&key), messages.as_bytes());
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        let server = self.hmac(&self.hmac(&salted, b"Server Key"), messages.as_bytes());
        (format!("{without_proof},p={}", base64(&proof)), format!("v={}", base64(&server)))
    }

    /// What the client proves that it has, and whoever has it can log in with.
    pub(crate) fn client_key(&self, server_first: &str) -> Vec<u8> {
        let [_, salt, iterations] = parts(server_first);
        self.hmac(&self.salted(&STANDARD.decode(salt).unwrap(), iterations.parse().unwrap()), b"Client Key")
    }

    /// What a server stores of this password.
    pub(crate) fn stored(&self, salt: &[u8], iterations: u32) -> String {
        let salted = self.salted(salt, iterations);
        let stored_key = self.hash(&self.hmac(&salted, b"Client Key"));
        let server_key = self.hmac(&salted, b"Server Key");
        format!("{iterations},{},{},{}", base64(salt), base64(&stored_key), base64(&server_key))
    }

    /// The whole login; `Ok` when the server has proven itself too and let us in.
    fn log_in(&self, peer: &mut Peer) -> Result<(), String> {
        let server_first = self.begin(peer)?;
        let (last, expected) = self.finish(&server_first);
        peer.send(format!("{}\r\n", base64(last.as_bytes())).as_bytes());
        let line = String::from_utf8(peer.line()).unwrap();
        let Some(challenge) = line.strip_prefix("+ ") else { return Err(line) };
        assert_eq!(STANDARD.decode(challenge).unwrap(), expected.as_bytes(), "{}", peer.transcript());
        let reply = peer.command("");
        if reply.starts_with("+OK") { Ok(()) } else { Err(reply) }
    }

    fn hash(&self, octets: &[u8]) -> Vec<u8> {
        match self.mechanism.trim_end_matches("-PLUS") {
            "SCRAM-SHA-1" => sha1::Sha1::digest(octets).to_vec(),
            "SCRAM-SHA-256" => Sha256::digest(octets).to_vec(),
            _ => Sha512::digest(octets).to_vec(),
        }
    }

    fn hmac(&self, key: &[u8], octets: &[u8]) -> Vec<u8> {
        fn run<M: Mac + KeyInit>(key: &[u8], octets: &[u8]) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
            mac.update(octets);
            mac.finalize().into_bytes().to_vec()
        }
        match self.mechanism.trim_end_matches("-PLUS") {
            "SCRAM-SHA-1" => run::<Hmac<sha1::Sha1>>(key, octets),
            "SCRAM-SHA-256" => run::<Hmac<Sha256>>(key, octets),
            _ => run::<Hmac<Sha512>>(key, octets),
        }
    }

    fn salted(&self, salt: &[u8], iterations: u32) -> Vec<u8> {
        let (password, mut salted) = (self.password.as_bytes(), vec![0; self.hash(b"").len()]);
        match self.mechanism.trim_end_matches("-PLUS") {
            "SCRAM-SHA-1" => pbkdf2::pbkdf2_hmac::<sha1::Sha1>(password, salt, iterations, &mut salted),
            "SCRAM-SHA-256" => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted),
            _ => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted),
        }
        salted
    }
}

/// Nonce, salt and iterations of a server's first message.
fn parts(server_first: &str) -> [&str; 3] {
    let parts: Vec<&str> = server_first.split(',').map(|part| part.split_at(2).1).collect();
    parts.try_into().unwrap_or_else(|_| panic!("{server_first}"))
}

pub(crate) fn plain_scram<'a>(mechanism: &'a str, user: &'a str, password: &'a str) -> Scram<'a> {
    Scram { mechanism, header: "n,,", binding: b"", user, password }
}

fn offered(peer: &mut Peer) -> Vec<String> {
    mechanisms(&peer.list("CAPA"))
}

#[test]
fn r5802_3_1_scram_works_with_every_hash_and_from_the_stored_secret_alone() {
    let server = serve(&[]);
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let mut peer = server.pop3();
        assert!(offered(&mut peer).contains(&mechanism.to_owned()), "{}", peer.transcript());
        let refused = plain_scram(mechanism, "alice", "wrong").log_in(&mut peer).unwrap_err();
        assert!(refused.starts_with("-ERR [AUTH]"), "{refused}");
        plain_scram(mechanism, "alice", "secret").log_in(&mut peer).unwrap();
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
        peer.ok("QUIT");
        peer.end();
    }
    wait::until("the refusal", || server.log().contains("wrong password"));
    wait::until("the end of the session", || server.log().contains("method=SCRAM-SHA-512"));
}

#[test]
fn r5802_5_1_2_a_proof_is_good_once() {
    let server = serve(&[]);
    let scram = plain_scram("SCRAM-SHA-256", "alice", "secret");
    let mut first = server.pop3();
    let (last, _) = scram.finish(&scram.begin(&mut first).unwrap());
    let mut second = server.pop3();
    scram.begin(&mut second).unwrap();
    assert!(second.command(&base64(last.as_bytes())).starts_with("-ERR"), "{}", second.transcript());
    second.err("STAT");
}

#[test]
fn r5802_5_1_4_and_r7677_3_2_the_iterations_are_enough() {
    let server = serve(&[]);
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for user in ["alice", "nobody"] {
            let first = plain_scram(mechanism, user, "").begin(&mut server.pop3()).unwrap();
            assert!(parts(&first)[2].parse::<u32>().unwrap() >= 4096, "{first}");
        }
    }
}

#[test]
fn r7677_3_2_the_iterations_are_configured() {
    let server = serve(&[("auth", "scram_iterations = 20000")]);
    let first = plain_scram("SCRAM-SHA-256", "alice", "").begin(&mut server.pop3()).unwrap();
    assert_eq!(parts(&first)[2], "20000");
}

#[test]
fn r5802_7_1_a_name_that_nobody_has_is_shown_the_same_as_ever() {
    let mut server = serve(&[]);
    let shown = |server: &Server, user: &str| {
        let first = plain_scram("SCRAM-SHA-256", user, "").begin(&mut server.pop3()).unwrap();
        let [_, salt, iterations] = parts(&first);
        (salt.to_owned(), iterations.to_owned())
    };
    let (alice, nobody) = (shown(&server, "alice"), shown(&server, "nobody"));
    assert_eq!((alice.0.len(), &alice.1), (nobody.0.len(), &nobody.1));
    assert_ne!(alice.0, nobody.0);
    assert_eq!(nobody, shown(&server, "nobody"));
    server.stop();
    server.start_again();
    assert_eq!((alice, nobody), (shown(&server, "alice"), shown(&server, "nobody")));
    let refusal = |user| plain_scram("SCRAM-SHA-256", user, "wrong").log_in(&mut server.pop3()).unwrap_err();
    assert_eq!(refusal("alice"), refusal("nobody"));
    let key = fs::metadata(server.site().path().join("state/scram.key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
}

#[test]
fn r9266_2_1_and_r9266_3_1_a_login_is_bound_to_the_keys_of_tls_1_3() {
    let server = serve(&[]);
    for mechanism in ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"] {
        let (mut peer, mut other) = (server.pop3s(), server.pop3_stls());
        assert!(offered(&mut peer).contains(&mechanism.to_owned()), "{}", peer.transcript());
        let (binding, elsewhere) =
            (peer.exported(b"EXPORTER-Channel-Binding"), peer.exported(b"EXPORTER-Something-Else"));
        let with = |binding| Scram {
            header: "p=tls-exporter,,",
            binding,
            ..plain_scram(mechanism, "alice", "secret")
        };
        // The man in the middle has another connection.
        assert!(with(&binding).log_in(&mut other).unwrap_err().starts_with("-ERR"));
        assert!(with(&elsewhere).log_in(&mut server.pop3s()).unwrap_err().starts_with("-ERR"));
        with(&binding).log_in(&mut peer).unwrap_or_else(|line| panic!("{line}\n{}", peer.transcript()));
        peer.ok("QUIT");
        peer.end();
    }
}

#[test]
fn r9266_3_1_tls_1_3_has_the_exporter_and_no_connection_in_clear_has_a_binding() {
    let server = serve(&[]);
    let is_bound = |peer: &mut Peer| offered(peer).iter().any(|name| name.ends_with("-PLUS"));
    assert!(!is_bound(&mut server.pop3()));
    assert!(is_bound(&mut server.pop3_stls()));
    let mut clear = server.pop3();
    let plus = Scram { header: "p=tls-exporter,,", ..plain_scram("SCRAM-SHA-256-PLUS", "alice", "secret") };
    assert!(plus.begin(&mut clear).unwrap_err().starts_with("-ERR"));
}

#[test]
fn r9266_4_1_1_the_keys_bind_one_login() {
    let server = serve(&[]);
    let mut peer = server.pop3s();
    let binding = peer.exported(b"EXPORTER-Channel-Binding");
    let with = |password| Scram {
        header: "p=tls-exporter,,",
        binding: &binding,
        ..plain_scram("SCRAM-SHA-256-PLUS", "alice", password)
    };
    assert!(with("wrong").log_in(&mut peer).unwrap_err().starts_with("-ERR [AUTH]"));
    let second = with("secret").log_in(&mut peer).unwrap_err();
    assert!(second.starts_with("-ERR"), "{second}");
    peer.err("STAT");
}

#[test]
fn r9266_4_1_2_the_connection_ends_with_the_session() {
    let server = serve(&[]);
    let mut peer = server.pop3s();
    let binding = peer.exported(b"EXPORTER-Channel-Binding");
    let header = "p=tls-exporter,,";
    Scram { header, binding: &binding, ..plain_scram("SCRAM-SHA-256-PLUS", "alice", "secret") }
        .log_in(&mut peer)
        .unwrap();
    peer.ok("QUIT");
    peer.end();
    assert!(peer.ended_cleanly());
}

#[test]
fn r5929_4_1_a_login_is_bound_to_the_certificate() {
    let server = serve(&[]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let connect = || {
            let mut peer = Peer::connect(server.pop3s_address());
            peer.try_start_tls(&[version]).unwrap();
            peer.greeting();
            peer
        };
        let mut peer = connect();
        // The test's authority signs with ECDSA and SHA-256.
        let right = Sha256::digest(peer.certificate()).to_vec();
        let with = |binding| Scram {
            header: "p=tls-server-end-point,,",
            binding,
            ..plain_scram("SCRAM-SHA-256-PLUS", "alice", "secret")
        };
        let another = Sha256::digest(b"another").to_vec();
        assert!(with(&another).log_in(&mut connect()).is_err());
        with(&right).log_in(&mut peer).unwrap_or_else(|line| panic!("{line}\n{}", peer.transcript()));
        peer.ok("QUIT");
        peer.end();
    }
}

#[test]
fn r7677_4_1_below_tls_1_3_there_is_no_binding_to_keys() {
    let server = serve(&[]);
    let mut peer = Peer::connect(server.pop3s_address());
    peer.try_start_tls(&[&rustls::version::TLS12]).unwrap();
    peer.greeting();
    let binding = peer.exported(b"EXPORTER-Channel-Binding");
    let plus = Scram {
        header: "p=tls-exporter,,",
        binding: &binding,
        ..plain_scram("SCRAM-SHA-256-PLUS", "alice", "secret")
    };
    assert!(plus.begin(&mut peer).unwrap_err().starts_with("-ERR"), "{}", peer.transcript());
}

#[test]
fn r9266_4_2_1_where_there_is_renegotiation_there_is_no_exporter() {
    let server = serve(&[]);
    let begin = |version| {
        let mut peer = Peer::connect(server.pop3s_address());
        peer.try_start_tls(&[version]).unwrap();
        peer.greeting();
        let plus =
            Scram { header: "p=tls-exporter,,", ..plain_scram("SCRAM-SHA-256-PLUS", "alice", "secret") };
        plus.begin(&mut peer)
    };
    assert!(begin(&rustls::version::TLS12).unwrap_err().starts_with("-ERR"));
    assert!(begin(&rustls::version::TLS13).is_ok());
}

#[test]
fn r5929_3_2_no_login_is_interrupted_by_a_new_handshake() {
    let server = serve(&[]);
    let mut openssl = Command::new(program("openssl", "openssl"))
        .args(["s_client", "-msg", "-tls1_2", "-ign_eof", "-connect", &server.pop3s_address().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let login = format!("AUTH PLAIN {}\r\nSTAT\r\nQUIT\r\n", base64(b"\0alice\0secret"));
    openssl.stdin.take().unwrap().write_all(login.as_bytes()).unwrap();
    let text = String::from_utf8_lossy(&openssl.wait_with_output().unwrap().stdout).into_owned();
    assert!(text.contains("+OK 2 ") && text.contains("ServerHello"), "{text}");
    assert!(!text.contains("HelloRequest"), "{text}");
}

#[test]
fn r5802_6_1_who_was_offered_a_binding_cannot_have_missed_it() {
    let server = serve(&[]);
    let with = |header, mechanism| Scram { header, ..plain_scram(mechanism, "alice", "secret") };
    for (header, mechanism) in
        [("y,,", "SCRAM-SHA-256"), ("p=foo,,", "SCRAM-SHA-256-PLUS"), ("n,,", "SCRAM-SHA-256-PLUS")]
    {
        let mut peer = server.pop3s();
        let refused = with(header, mechanism).log_in(&mut peer).unwrap_err();
        assert!(refused.starts_with("-ERR"), "{header} {mechanism}: {refused}");
        peer.err("STAT");
    }
    // In clear none was offered.
    with("y,,", "SCRAM-SHA-256").log_in(&mut server.pop3()).unwrap();
}

#[test]
fn r2195_4_2_cram_md5_is_offered_only_where_it_is_named() {
    let server = serve(&[]);
    assert!(!offered(&mut server.pop3()).contains(&"CRAM-MD5".to_owned()));
    drop(server);
    let server = serve(&[("auth", "mechanisms = [\"CRAM-MD5\"]")]);
    let answer = |user: &str, secret: &str, peer: &mut Peer| {
        peer.send(b"AUTH CRAM-MD5\r\n");
        let challenge = peer.challenge();
        let mut mac = <Hmac<md5::Md5> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&challenge);
        let digest: String = mac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
        (challenge, peer.command(&base64(format!("{user} {digest}").as_bytes())))
    };
    let mut peer = server.pop3();
    assert_eq!(offered(&mut peer), ["CRAM-MD5"]);
    let (one, refused) = answer("alice", "wrong", &mut peer);
    let (two, unknown) = answer("nobody", "secret", &mut peer);
    assert!(refused.starts_with("-ERR [AUTH]") && refused == unknown && one != two, "{}", peer.transcript());
    assert!(answer("alice", "secret", &mut peer).1.starts_with("+OK"));
    assert!(peer.ok("STAT").starts_with("+OK 2 "));
}

#[test]
fn r4505_5_2_who_is_nobody_reads_and_removes_nothing() {
    let server = serve(&[("auth", "anonymous = \"alice\"")]);
    let owner = server.login("alice");
    let mut peer = server.pop3();
    assert!(offered(&mut peer).contains(&"ANONYMOUS".to_owned()));
    peer.ok(&format!("AUTH ANONYMOUS {}", base64("caf\u{E9} \"x\"".as_bytes())));
    assert!(peer.ok("STAT").starts_with("+OK 2 "), "the lock is another's");
    assert!(!peer.message("RETR 1").is_empty());
    peer.err("DELE 1");
    peer.ok("QUIT");
    peer.end();
    drop(owner);
    assert!(server.login_when_free("alice").ok("STAT").starts_with("+OK 2 "));
    wait::until("what was told", || server.log().contains("event=anonymous"));
    wait::until("the end of the session", || server.log().contains("method=ANONYMOUS"));
}

#[test]
fn r4505_5_1_nobody_is_let_in_by_default() {
    let server = serve(&[]);
    let mut peer = server.pop3();
    assert!(!offered(&mut peer).contains(&"ANONYMOUS".to_owned()));
    peer.err("AUTH ANONYMOUS =");
}

/// An authority with a certificate for `alice@example.org` from it.
struct Clients {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Clients {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.distinguished_name.push(DnType::CommonName, "People of the test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.path().join("clients.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(authority, key) }
    }

    fn line(&self) -> String {
        format!("client_ca = \"{}\"", self.folder.path().join("clients.pem").display())
    }

    /// Connects with a certificate that names `email`; none when the server does not want it.
    fn connect(&self, server: &Server, email: &str) -> Option<Peer> {
        let key = KeyPair::generate().unwrap();
        let mut client = CertificateParams::new(Vec::<String>::new()).unwrap();
        client.subject_alt_names.push(SanType::Rfc822Name(email.try_into().unwrap()));
        let certificate = client.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut peer = Peer::connect(server.pop3s_address());
        // Up to TLS 1.2 a server's refusal comes within the handshake.
        peer.try_start_tls_as(&[&rustls::version::TLS12], certificate.der().clone(), key).ok()?;
        peer.greeting();
        Some(peer)
    }
}

#[test]
fn r4422_a_1_3_a_certificate_opens_its_own_account_alone() {
    let clients = Clients::new();
    let server = serve(&[("tls", &clients.line())]);
    let mut peer = clients.connect(&server, "alice@example.org").unwrap();
    assert!(offered(&mut peer).contains(&"EXTERNAL".to_owned()), "{}", peer.transcript());
    assert!(peer.err(&format!("AUTH EXTERNAL {}", base64(b"bob"))).starts_with("-ERR [AUTH]"));
    peer.send(b"AUTH EXTERNAL\r\n");
    assert_eq!(peer.challenge(), b"");
    peer.ok("");
    assert!(peer.ok("STAT").starts_with("+OK 2 "));
    peer.ok("QUIT");
    peer.end();
    let mut named = clients.connect(&server, "alice@example.org").unwrap();
    named.ok(&format!("AUTH EXTERNAL {}", base64(b"alice")));
    let mut stranger = clients.connect(&server, "nobody@example.org").unwrap();
    assert!(stranger.err("AUTH EXTERNAL =").starts_with("-ERR [AUTH]"));
    let mut without = server.pop3s();
    assert!(!offered(&mut without).contains(&"EXTERNAL".to_owned()));
    without.err("AUTH EXTERNAL =");
    assert!(Clients::new().connect(&server, "alice@example.org").is_none(), "another authority's");
}

#[test]
fn r8314_4_2_2_where_certificates_are_taken_external_is_offered() {
    let clients = Clients::new();
    let server = serve(&[("tls", &clients.line())]);
    let mut peer = clients.connect(&server, "alice@example.org").unwrap();
    assert!(offered(&mut peer).contains(&"EXTERNAL".to_owned()), "{}", peer.transcript());
    peer.ok("AUTH EXTERNAL =");
    assert!(peer.ok("STAT").starts_with("+OK 2 "));
}

#[test]
fn xoauth2_0_1_a_token_opens_its_own_account_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    let digest = |token: &str| -> String {
        Sha256::digest(token.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
    };
    let text = format!("alice:{}\nalice:{}:2020-01-01T00:00:00Z\n", digest("good"), digest("old"));
    fs::write(&tokens, text).unwrap();
    let server = serve(&[("auth.source", &format!("[[auth.token]]\npath = \"{}\"", tokens.display()))]);
    let xoauth2 = |user: &str, token: &str| format!("user={user}\x01auth=Bearer {token}\x01\x01");
    let bearer = |user: &str, token: &str| format!("n,a={user},\x01auth=Bearer {token}\x01\x01");
    for (mechanism, message) in
        [("XOAUTH2", &xoauth2 as &dyn Fn(&str, &str) -> String), ("OAUTHBEARER", &bearer)]
    {
        assert!(!offered(&mut server.pop3()).contains(&mechanism.to_owned()), "only under TLS");
        for (user, token) in [("bob", "good"), ("alice", "old"), ("alice", "bad"), ("nobody", "good")] {
            let mut peer = server.pop3s();
            peer.send(format!("AUTH {mechanism} {}\r\n", base64(message(user, token).as_bytes())).as_bytes());
            let json = String::from_utf8(peer.challenge()).unwrap();
            assert!(json.starts_with('{') && json.contains("status"), "{json}");
            assert!(peer.command(&base64(b"\x01")).starts_with("-ERR [AUTH]"), "{}", peer.transcript());
        }
        let mut peer = server.pop3s();
        peer.ok(&format!("AUTH {mechanism} {}", base64(message("alice", "good").as_bytes())));
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
        peer.ok("QUIT");
        peer.end();
    }
}
