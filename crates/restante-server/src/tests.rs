//! A server on loopback and in memory, and a client that speaks to it octet by octet. Whole servers are tested here;
//! what one protocol's driver does is in `pop3/tests.rs` and `lmtp/tests.rs`.

use super::*;
use crate::config::{Address, LogFormat, Protocol, TlsMode};
use crate::event::Peer;
use crate::limits::Standing;
use crate::listener::{Raw, Visit};
use restante_config::problem::Problem;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

/// A folder with accounts, a certificate and maildrops.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    /// More configuration, appended to the least one.
    pub(crate) more: String,
}

impl Site {
    pub(crate) fn new(more: &str) -> Self {
        Self::new_in(TempDir::new().unwrap(), more)
    }

    pub(crate) fn new_in(folder: TempDir, more: &str) -> Self {
        let site = Self { folder, more: more.to_owned() };
        site.put("users", "bob:{PLAIN}secret\neve:{PLAIN}apple\n");
        site.make_certificate("mail.example.org");
        for account in ["bob", "eve"] {
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(site.maildrop(account).join(part)).unwrap();
            }
        }
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn maildrop(&self, account: &str) -> PathBuf {
        self.path("mail").join(account)
    }

    /// Replaces a file as a whole.
    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::set_permissions(self.path("new"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// A new certificate; its octets.
    pub(crate) fn make_certificate(&self, name: &str) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        self.put("cert.pem", &made.cert.pem());
        self.put("key.pem", &made.signing_key.serialize_pem());
        made.cert.der().to_vec()
    }

    /// Puts a message in place as another program would.
    pub(crate) fn drop_message(&self, account: &str, name: &str, message: &[u8]) {
        fs::write(self.maildrop(account).join("new").join(name), message).unwrap();
    }

    /// The messages in `new/`, in the order of their names.
    pub(crate) fn messages(&self, account: &str) -> Vec<String> {
        let entries = fs::read_dir(self.maildrop(account).join("new")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).collect()
    }

    pub(crate) fn text(&self) -> String {
        let more = if self.more.contains("[[listen]]") {
            self.more.clone()
        } else {
            format!("{LISTEN}{}", self.more)
        };
        format!("hostname = \"mail.example.org\"\nstate_dir = \"state\"\n{more}{ACCOUNTS}")
            .replace("@ROOT@", &self.folder.path().display().to_string())
    }

    pub(crate) fn read(&self) -> Result<Config, Vec<Problem>> {
        config::parse(&self.text(), &self.path("restante.toml"))
    }

    pub(crate) fn config(&self) -> Config {
        self.read().unwrap_or_else(|problems| panic!("{problems:#?}\n{}", self.text()))
    }

    /// What sessions share, for those that are served without a socket; and the log.
    pub(crate) fn shared(&self) -> (Arc<Shared>, Lines) {
        let lines = Lines::default();
        let log = Log::to(LogFormat::Logfmt, Box::new(lines.clone()));
        let settings = Settings::new(self.config(), &log).unwrap();
        (Arc::new(Shared::new(settings, log)), lines)
    }

    pub(crate) async fn start(&self) -> Server {
        Server::start(self.config(), Inherited::none())
            .await
            .unwrap_or_else(|error| panic!("{}", event::chain(&error)))
    }
}

const LISTEN: &str = r#"
[[listen]]
protocol = "pop3"
address = "127.0.0.1:0"
[[listen]]
protocol = "pop3"
address = "127.0.0.1:0"
tls = "implicit"
[[listen]]
protocol = "lmtp"
address = "unix:@ROOT@/lmtp"
[tls]
certificate = "cert.pem"
key = "key.pem"
"#;

const ACCOUNTS: &str = r#"
[[auth.source]]
path = "users"
[maildrop]
path = "mail/{local}"
[log]
target = "file"
path = "log"
"#;

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text();
        let names = text.lines().filter_map(|line| line.split(" event=").nth(1)?.split(' ').next());
        names.map(str::to_owned).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serves a session over a pipe in memory whose buffers hold `octets`; the client's end of it.
pub(crate) fn serve_in_memory(shared: &Arc<Shared>, protocol: Protocol, octets: usize) -> Client {
    Client::new(spawn_in_memory(shared, protocol, octets).0)
}

/// The same with the bare pipe, and a word when the session is over; none when it has panicked.
pub(crate) fn spawn_in_memory(
    shared: &Arc<Shared>,
    protocol: Protocol,
    octets: usize,
) -> (DuplexStream, oneshot::Receiver<()>) {
    let (ours, theirs) = tokio::io::duplex(octets);
    let settings = shared.settings.load_full();
    let peer = Peer::Tcp("127.0.0.1:40000".parse().unwrap());
    let trace = shared.traces.next();
    let visit = Visit {
        trace,
        _registered: Some(shared.register(trace)),
        peer,
        tls: TlsMode::Off,
        proxy_tls: None,
        pass: Some(shared.admission.admit(&peer, Standing::Stranger, &settings.config.limits).unwrap()),
        settings,
        shared: Arc::clone(shared),
    };
    let (over, is_over) = oneshot::channel();
    let session = async move {
        match protocol {
            Protocol::Pop3 => pop3::serve(Raw::Memory(ours), visit).await,
            Protocol::Lmtp => lmtp::serve(Raw::Memory(ours), visit).await,
            Protocol::Pop2 => pop2::serve(Raw::Memory(ours), visit).await,
            Protocol::Sasl => sasl::serve(Raw::Memory(ours), visit).await,
            Protocol::Acme => acme::http01::serve(Raw::Memory(ours), visit).await,
        }
        // Most do not ask.
        let _ = over.send(());
    };
    shared.spawn(trace, session);
    (theirs, is_over)
}

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A client that sends what it is told and shows what it hears.
pub(crate) struct Client {
    pub(crate) stream: Box<dyn Duplex>,
    heard: Vec<u8>,
}

impl Client {
    pub(crate) fn new(stream: impl Duplex + 'static) -> Self {
        Self { stream: Box::new(stream), heard: Vec::new() }
    }

    pub(crate) async fn connect(address: &Address) -> Self {
        match address {
            Address::Tcp(address) => Self::new(TcpStream::connect(address).await.unwrap()),
            Address::Unix(path) => Self::new(UnixStream::connect(path).await.unwrap()),
            Address::Inherited(_) => panic!("nobody knows where this is"),
        }
    }

    /// Goes on under TLS; the server's certificate.
    pub(crate) async fn start_tls(self) -> (Self, Vec<u8>) {
        assert!(self.heard.is_empty(), "heard before TLS: {:?}", String::from_utf8_lossy(&self.heard));
        let stream = connector().connect("mail.example.org".try_into().unwrap(), self.stream).await.unwrap();
        let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        (Self::new(stream), certificate)
    }

    pub(crate) async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// One line without its line end.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.heard.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).into_owned();
                return line.strip_suffix("\r\n").expect("lines end with CRLF").to_owned();
            }
            assert!(self.hear().await, "the connection ended in the middle of a line");
        }
    }

    /// Sends a command; the first line of the reply.
    pub(crate) async fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n")).await;
        self.line().await
    }

    /// The lines of a body as they come, without the termination octet.
    pub(crate) async fn body(&mut self) -> String {
        let mut body = String::new();
        loop {
            match self.line().await.as_str() {
                "." => return body,
                line => body.extend([line, "\r\n"]),
            }
        }
    }

    /// All that comes until the connection ends.
    pub(crate) async fn rest(&mut self) -> String {
        while self.hear().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned()
    }

    async fn hear(&mut self) -> bool {
        let mut piece = [0; 4096];
        // A reset ends a connection too.
        let octets = self.stream.read(&mut piece).await.unwrap_or(0);
        self.heard.extend_from_slice(&piece[..octets]);
        octets > 0
    }
}

pub(crate) fn connector() -> tokio_rustls::TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    tokio_rustls::TlsConnector::from(Arc::new(settings))
}

/// Accepts every certificate: the tests look at it themselves.
#[derive(Debug)]
pub(crate) struct AnyCertificate;

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

mod model;
mod whole;
