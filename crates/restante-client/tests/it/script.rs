//! A server that follows a script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use restante_client::connect::{Address, Deadlines};
use restante_client::pop3::{ScanListing, Settings};
use restante_client::trace::{Said, Trace};
use restante_proto::client::request::Login;
use restante_proto::maildrop::{MessageNumber, Octets};
use restante_proto::sasl::Method;
use restante_proto::secret::Secret;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Far more than any test needs; a test that reaches it has failed.
pub(crate) const PATIENT: Deadlines = Deadlines::all(PATIENCE);
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends what a broken client, whose own deadlines may be broken too, would let wait for ever: so its test fails and does not hang. Longer than
/// the client's deadlines, which are to be met first.
pub(crate) async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(3 * PATIENCE, work).await.expect("the client hangs, or has not said what it should")
}

/// Settings that wait long enough.
pub(crate) fn settings() -> Settings {
    Settings { deadlines: PATIENT, ..Settings::default() }
}

/// A message-number.
pub(crate) fn number(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}

/// A line of LIST.
pub(crate) fn scan(at: u32, octets: u64) -> ScanListing {
    ScanListing { number: number(at), octets: Octets::new(octets) }
}

/// The login of a user whom scripts know.
pub(crate) fn login(method: Method) -> Login {
    Login::of(method, b"fred", Secret::new(b"secret".to_vec())).unwrap()
}

/// What a scripted server does next.
pub(crate) enum Act {
    /// Sends these octets.
    Say(Vec<u8>),
    /// Waits for exactly these octets.
    Hear(Vec<u8>),
    /// Does the TLS handshake.
    Tls(Arc<ServerConfig>),
    /// Says and hears nothing more, but keeps the connection until the client closes it.
    Sulk,
}

/// Acts from lines with `S: ` and `C: `; other lines are octets to be said as they are, without a line end.
pub(crate) fn acts(script: &str) -> Vec<Act> {
    let line = |text: &str| [text.as_bytes(), b"\r\n"].concat();
    script
        .lines()
        .map(str::trim_start)
        .filter(|text| !text.is_empty())
        .map(|text| match (text.strip_prefix("S: "), text.strip_prefix("C: ")) {
            (Some(said), _) => Act::Say(line(said)),
            (None, Some(heard)) => Act::Hear(line(heard)),
            (None, None) => Act::Say(text.as_bytes().to_vec()),
        })
        .collect()
}

/// Serves one connection by a script; the handle ends when the script does and fails when the client departs from it.
pub(crate) async fn serve(acts: Vec<Act>) -> (Address, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        bounded(follow(stream, acts)).await;
    });
    (Address::Tcp { host: "127.0.0.1".into(), port }, server)
}

async fn follow(mut stream: TcpStream, acts: Vec<Act>) {
    let mut acts = acts.into_iter();
    while let Some(act) = acts.next() {
        match act {
            Act::Tls(config) => {
                // A client that does not like the certificate is not the script's fault.
                if let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await {
                    for act in acts {
                        perform(&mut stream, act).await;
                    }
                    let _ = stream.shutdown().await;
                }
                return;
            }
            act => perform(&mut stream, act).await,
        }
    }
}

async fn perform(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), act: Act) {
    match act {
        Act::Say(octets) => {
            stream.write_all(&octets).await.unwrap();
            stream.flush().await.unwrap();
        }
        Act::Hear(expected) => {
            let mut heard = vec![0; expected.len()];
            let result = stream.read_exact(&mut heard).await;
            assert!(result.is_ok(), "expected {}, heard the end", expected.escape_ascii());
            assert_eq!(heard.escape_ascii().to_string(), expected.escape_ascii().to_string());
        }
        Act::Sulk => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        Act::Tls(_) => panic!("TLS inside TLS"),
    }
}

/// A certificate for `localhost`, made for this test run.
pub(crate) fn certificate() -> (Arc<ServerConfig>, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"pop3".to_vec()];
    (Arc::new(config), roots)
}

/// A trace that gathers lines as `C: `, `S: ` and `= `.
pub(crate) fn transcript() -> (Trace, Arc<Mutex<String>>) {
    let gathered = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&gathered);
    let trace = Trace::new(move |said| {
        let line = match said {
            Said::Client(line) => format!("C: {}\n", line.escape_ascii()),
            Said::Server(line) => format!("S: {}\n", line.escape_ascii()),
            Said::Message { octets } => format!("= message of {octets}\n"),
            Said::Tls => "= TLS\n".to_owned(),
        };
        into.lock().unwrap().push_str(&line);
    });
    (trace, gathered)
}
