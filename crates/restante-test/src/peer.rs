//! A peer that speaks POP3 or LMTP octet by octet: it sends exactly what it is given and shows exactly what came.
//!
//! Reading waits until the deadline of [`crate::wait`]; whatever goes wrong panics with the dialogue so far.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use crate::wait::DEADLINE;

/// The longest first line of a reply, CRLF included (RFC 1939 section 3).
pub const STATUS_LINE_OCTETS_MAX: usize = 512;

/// One connection to a server.
pub struct Peer {
    stream: Stream,
    received: Vec<u8>,
    transcript: String,
    ended_cleanly: bool,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Gone,
}

/// A reply of LMTP: its code and its lines without code and CRLF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The text of each line, in order.
    pub lines: Vec<String>,
}

impl Peer {
    /// Connects; reads nothing.
    ///
    /// # Panics
    /// When the server does not accept.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Connects; reads nothing.
    ///
    /// # Errors
    /// When the server does not accept.
    ///
    /// # Panics
    /// Never: the options set here are options of every TCP socket.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true).expect("TCP has it");
        stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
        stream.set_write_timeout(Some(DEADLINE)).expect("not zero");
        Ok(Self::over(Stream::Tcp(stream)))
    }

    /// Connects to a unix socket; reads nothing.
    ///
    /// # Panics
    /// When the server does not accept.
    #[must_use]
    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
        stream.set_write_timeout(Some(DEADLINE)).expect("not zero");
        Self::over(Stream::Unix(stream))
    }

    /// Connects and starts TLS at once, as on port 995.
    ///
    /// # Panics
    /// When the server does not accept or the handshake fails.
    #[must_use]
    pub fn connect_tls(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        peer.start_tls();
        peer
    }

    fn over(stream: Stream) -> Self {
        Self { stream, received: Vec::new(), transcript: String::new(), ended_cleanly: false }
    }

    /// Handshakes TLS on the connection; every certificate will do.
    ///
    /// # Panics
    /// When the handshake fails.
    pub fn start_tls(&mut self) {
        self.try_start_tls(rustls::ALL_VERSIONS)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.transcript()));
    }

    /// Handshakes TLS with one of `versions`.
    ///
    /// # Errors
    /// When the handshake fails; the connection is gone then.
    ///
    /// # Panics
    /// When plaintext octets of the server are still unread, or the connection is no TCP connection in clear.
    pub fn try_start_tls(&mut self, versions: &[&'static SupportedProtocolVersion]) -> std::io::Result<()> {
        self.handshake(client_config(versions).with_no_client_auth())
    }

    /// Handshakes TLS with one of `versions` and shows a certificate. With TLS 1.3 the server's refusal comes only after the handshake.
    ///
    /// # Errors
    /// When the handshake fails; the connection is gone then.
    ///
    /// # Panics
    /// As [`Peer::try_start_tls`], and when key and certificate do not fit.
    pub fn try_start_tls_as(
        &mut self,
        versions: &[&'static SupportedProtocolVersion],
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> std::io::Result<()> {
        let config = client_config(versions).with_client_auth_cert(vec![certificate], key);
        self.handshake(config.expect("they fit"))
    }

    fn handshake(&mut self, config: ClientConfig) -> std::io::Result<()> {
        assert!(
            self.received.is_empty(),
            "plaintext before the handshake: {:?}",
            String::from_utf8_lossy(&self.received)
        );
        let Stream::Tcp(tcp) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            panic!("TLS on a plain TCP connection only")
        };
        let name = ServerName::try_from("localhost").expect("a DNS name");
        let connection =
            ClientConnection::new(Arc::new(config), name).expect("the configuration is complete");
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.transcript.push_str("-- TLS --\n");
        self.stream = Stream::Tls(Box::new(stream));
        Ok(())
    }

    /// What the keys of the TLS connection give for `label`, with an empty context.
    ///
    /// # Panics
    /// Without TLS.
    #[must_use]
    pub fn exported(&self, label: &[u8]) -> Vec<u8> {
        let Stream::Tls(stream) = &self.stream else { panic!("TLS is needed") };
        stream.conn.export_keying_material([0; 32], label, Some(&[])).expect("the handshake is over").to_vec()
    }

    /// The certificate that the server has shown.
    ///
    /// # Panics
    /// Without TLS.
    #[must_use]
    pub fn certificate(&self) -> Vec<u8> {
        let Stream::Tls(stream) = &self.stream else { panic!("TLS is needed") };
        stream.conn.peer_certificates().expect("servers show one")[0].to_vec()
    }

    /// The TLS version in use, none in clear.
    #[must_use]
    pub fn tls_version(&self) -> Option<rustls::ProtocolVersion> {
        match &self.stream {
            Stream::Tls(stream) => stream.conn.protocol_version(),
            _ => None,
        }
    }

    /// The dialogue so far, for messages of failed tests.
    #[must_use]
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    /// Sends exactly these octets.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn send(&mut self, octets: &[u8]) {
        self.try_send(octets).unwrap_or_else(|error| panic!("sending: {error}\n{}", self.transcript));
    }

    /// Sends exactly these octets, as far as the server takes them.
    ///
    /// # Errors
    /// When the connection breaks or the server does not read within the deadline.
    pub fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.note("C: ", octets);
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(octets),
            Stream::Unix(stream) => stream.write_all(octets),
            Stream::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Stream::Gone => panic!("the connection is gone"),
        }
    }

    /// Reads a line and returns it without its CRLF.
    ///
    /// # Panics
    /// When the connection ends first, or the line ends with a bare LF (R1939-3.8).
    pub fn line(&mut self) -> Vec<u8> {
        let end = self.read_until(0, |received, from| {
            received[from..].iter().position(|&octet| octet == b'\n').map(|at| from + at)
        });
        let mut line: Vec<u8> = self.received.drain(..=end).collect();
        self.note("S: ", &line);
        assert!(line.ends_with(b"\r\n"), "a line ends with a bare LF\n{}", self.transcript);
        line.truncate(line.len() - 2);
        line
    }

    /// Reads a line and returns it without its line end; none when the connection ended before it or in the middle of it.
    ///
    /// # Panics
    /// When nothing happens until the deadline.
    pub fn try_line(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.received.contains(&b'\n') {
                return Some(self.line());
            }
            let read = self.fill().unwrap_or_else(|error| panic!("reading: {error}\n{}", self.transcript));
            if read == 0 {
                return None;
            }
        }
    }

    /// Reads lines up to the terminator and returns them without it, byte-stuffed as they came, without CRLF.
    ///
    /// # Panics
    /// As [`Self::line`].
    pub fn lines(&mut self) -> Vec<Vec<u8>> {
        let body = self.body();
        if body.is_empty() {
            return Vec::new();
        }
        let text = &body[..body.len() - 2];
        let mut lines = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
            lines.push(rest[..at].to_vec());
            rest = &rest[at + 2..];
        }
        lines.push(rest.to_vec());
        lines
    }

    /// Reads a multi-line body up to the terminator and returns its octets as they came, byte-stuffed, without the terminator.
    ///
    /// # Panics
    /// When the connection ends first, or an LF comes without its CR (R1939-3.8).
    pub fn body(&mut self) -> Vec<u8> {
        let body = if self.peek(3) == b".\r\n" {
            self.received.drain(..3);
            Vec::new()
        } else {
            let end = self.read_until(0, |received, from| {
                let from = from.saturating_sub(4);
                received[from..].windows(5).position(|octets| octets == b"\r\n.\r\n").map(|at| from + at)
            });
            let body: Vec<u8> = self.received.drain(..end + 2).collect();
            self.received.drain(..3);
            body
        };
        let shown = &body[..body.len().min(2000)];
        self.note("S: ", shown);
        self.note("S: ", b".\r\n");
        for (at, _) in body.iter().enumerate().filter(|&(_, &octet)| octet == b'\n') {
            assert!(at > 0 && body[at - 1] == b'\r', "a bare LF at octet {at}\n{}", self.transcript);
        }
        body
    }

    /// Reads exactly so many octets.
    ///
    /// # Panics
    /// When the connection ends first.
    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        let octets = self.peek(count);
        self.skip(count);
        octets
    }

    /// Sends a command and returns its status line, checked for form: `+OK` or `-ERR`, then a space or the end (R1939-3.9, R1939-3.10).
    ///
    /// # Panics
    /// When the reply is no status line.
    pub fn command(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.status()
    }

    /// Reads a status line.
    ///
    /// # Panics
    /// When the line is none.
    pub fn status(&mut self) -> String {
        let line = self.line();
        assert!(
            line.len() + 2 <= STATUS_LINE_OCTETS_MAX,
            "a status line of {} octets\n{}",
            line.len() + 2,
            self.transcript
        );
        assert!(!line.contains(&b'\r'), "a bare CR in a status line\n{}", self.transcript);
        let line = String::from_utf8(line)
            .unwrap_or_else(|_| panic!("a status line that is no text\n{}", self.transcript));
        let rest = line.strip_prefix("+OK").or_else(|| line.strip_prefix("-ERR"));
        let is_status = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        assert!(is_status, "{line:?} is no status line\n{}", self.transcript);
        line
    }

    /// Sends a command that must be answered `+OK`; returns the status line.
    ///
    /// # Panics
    /// When it is answered otherwise.
    pub fn ok(&mut self, command: &str) -> String {
        let reply = self.command(command);
        assert!(reply.starts_with("+OK"), "{command:?} must be +OK\n{}", self.transcript);
        reply
    }

    /// Sends a command that must be answered `-ERR`; returns the status line.
    ///
    /// # Panics
    /// When it is answered otherwise.
    pub fn err(&mut self, command: &str) -> String {
        let reply = self.command(command);
        assert!(reply.starts_with("-ERR"), "{command:?} must be -ERR\n{}", self.transcript);
        reply
    }

    /// Reads the greeting, which must be `+OK`.
    ///
    /// # Panics
    /// When it is not.
    pub fn greeting(&mut self) -> String {
        let greeting = self.status();
        assert!(greeting.starts_with("+OK"), "{greeting:?} is no greeting");
        greeting
    }

    /// Sends a command that must succeed with a multi-line response; returns its lines, un-stuffed, as text.
    ///
    /// # Panics
    /// When it fails or is no text.
    pub fn list(&mut self, command: &str) -> Vec<String> {
        self.ok(command);
        self.lines().into_iter().map(|line| String::from_utf8(line).expect("a listing is text")).collect()
    }

    /// Sends RETR or TOP and returns the message: un-stuffed, CRLF line ends, no terminator.
    ///
    /// # Panics
    /// When it fails, or a line begins with a dot that was not stuffed.
    pub fn message(&mut self, command: &str) -> Vec<u8> {
        self.ok(command);
        let body = self.body();
        let mut message = Vec::with_capacity(body.len());
        let mut at_start = true;
        for (at, &octet) in body.iter().enumerate() {
            if at_start && octet == b'.' {
                assert_eq!(
                    body.get(at + 1),
                    Some(&b'.'),
                    "octet {at}: a dot that was not stuffed\n{}",
                    self.transcript
                );
                at_start = false;
                continue;
            }
            message.push(octet);
            at_start = octet == b'\n';
        }
        message
    }

    /// Logs in with USER and PASS; both must be answered `+OK`.
    ///
    /// # Panics
    /// When they are not.
    pub fn login(&mut self, user: &str, password: &str) {
        self.ok(&format!("USER {user}"));
        self.ok(&format!("PASS {password}"));
    }

    /// Reads a SASL challenge and returns it decoded. Its line must be "+", a space and base64 (R5034-4.5).
    ///
    /// # Panics
    /// When it is not.
    pub fn challenge(&mut self) -> Vec<u8> {
        let line = self.line();
        let data = line.strip_prefix(b"+ ").unwrap_or_else(|| panic!("no challenge\n{}", self.transcript));
        STANDARD.decode(data).unwrap_or_else(|error| panic!("challenge: {error}\n{}", self.transcript))
    }

    /// Reads a whole reply of LMTP.
    ///
    /// # Panics
    /// When its lines are malformed or disagree about the code.
    pub fn reply(&mut self) -> Reply {
        let mut reply = Reply { code: 0, lines: Vec::new() };
        loop {
            let line = String::from_utf8(self.line()).expect("LMTP replies are text here");
            let code = line.get(..3).and_then(|digits| digits.parse().ok());
            let code: u16 = code.unwrap_or_else(|| panic!("{line:?} has no code\n{}", self.transcript));
            assert!(reply.lines.is_empty() || reply.code == code, "the code changes\n{}", self.transcript);
            reply.code = code;
            reply.lines.push(line.get(4..).unwrap_or("").to_owned());
            match line.as_bytes().get(3) {
                None | Some(b' ') => return reply,
                Some(b'-') => {}
                Some(_) => panic!("{line:?}: neither space nor hyphen after the code\n{}", self.transcript),
            }
        }
    }

    /// Sends an LMTP command and returns the code of the one reply.
    ///
    /// # Panics
    /// As [`Self::reply`].
    pub fn code(&mut self, command: &str) -> u16 {
        self.ask(command).code
    }

    /// Sends an LMTP command and returns the one reply.
    ///
    /// # Panics
    /// As [`Self::reply`].
    pub fn ask(&mut self, command: &str) -> Reply {
        self.send(format!("{command}\r\n").as_bytes());
        self.reply()
    }

    /// Reads to the end of the connection and returns what came before it. A reset counts as an end.
    ///
    /// # Panics
    /// When the server keeps the connection open until the deadline.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill().unwrap_or_else(|error| panic!("waiting for the end: {error}\n{}", self.transcript))
            > 0
        {}
        let rest = std::mem::take(&mut self.received);
        self.note("S: ", &rest);
        rest
    }

    /// Asserts that the server closes the connection now without another octet.
    ///
    /// # Panics
    /// When something comes, or nothing happens.
    pub fn end(&mut self) {
        let rest = self.rest();
        assert!(
            rest.is_empty(),
            "something before the end: {:?}\n{}",
            String::from_utf8_lossy(&rest),
            self.transcript
        );
    }

    /// Whether the end came as it should: with close_notify under TLS, with a FIN in clear.
    #[must_use]
    pub fn ended_cleanly(&self) -> bool {
        self.ended_cleanly
    }

    /// Says that nothing more will be sent, and goes on reading (FIN). Harmless when the server has closed already.
    pub fn half_close(&mut self) {
        let _ = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tls(stream) => stream.sock.shutdown(Shutdown::Write),
            Stream::Gone => Ok(()),
        };
    }

    /// Says goodbye in TLS (close_notify) and nothing else.
    ///
    /// # Panics
    /// When the connection is not under TLS.
    pub fn close_notify(&mut self) {
        let Stream::Tls(stream) = &mut self.stream else { panic!("no TLS") };
        stream.conn.send_close_notify();
        stream.flush().expect("the connection is there");
    }

    /// Ends the connection with a reset (RST) instead of a FIN.
    ///
    /// # Panics
    /// When the connection is not TCP in clear.
    pub fn reset(self) {
        let Stream::Tcp(stream) = self.stream else { panic!("TCP only") };
        rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO))
            .expect("TCP has it");
    }

    /// A second handle of the connection, to write from another thread while this one reads.
    ///
    /// # Panics
    /// When the connection is not TCP in clear.
    #[must_use]
    pub fn second_handle(&self) -> TcpStream {
        let Stream::Tcp(stream) = &self.stream else { panic!("TCP only") };
        stream.try_clone().expect("a socket can be cloned")
    }

    /// The next `count` octets, without consuming them.
    ///
    /// # Panics
    /// When the connection ends first.
    pub fn peek(&mut self, count: usize) -> Vec<u8> {
        self.read_until(0, |received, _| (received.len() >= count).then_some(0));
        self.received[..count].to_vec()
    }

    /// Reads exactly `count` octets and throws them away.
    ///
    /// # Panics
    /// When the connection ends first.
    pub fn skip(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            if self.received.is_empty() {
                let read = self.fill().unwrap_or_else(|error| panic!("{error}\n{}", self.transcript));
                assert!(read > 0, "the connection ended\n{}", self.transcript);
            }
            let now = left.min(self.received.len());
            self.received.drain(..now);
            left -= now;
        }
    }

    /// Reads until `found`, which is shown everything received and where the new part begins, names a position.
    fn read_until(&mut self, from: usize, found: impl Fn(&[u8], usize) -> Option<usize>) -> usize {
        let mut from = from;
        loop {
            if let Some(at) = found(&self.received, from) {
                return at;
            }
            from = self.received.len();
            let read = self.fill().unwrap_or_else(|error| panic!("reading: {error}\n{}", self.transcript));
            if read == 0 {
                let received = std::mem::take(&mut self.received);
                self.note("S: ", &received);
                panic!("the connection ended\n{}", self.transcript);
            }
        }
    }

    fn fill(&mut self) -> std::io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let read = loop {
            let read = match &mut self.stream {
                Stream::Tcp(stream) => stream.read(&mut chunk),
                Stream::Unix(stream) => stream.read(&mut chunk),
                Stream::Tls(stream) => stream.read(&mut chunk),
                Stream::Gone => Ok(0),
            };
            match read {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if is_end(&error) => break 0,
                Err(error) => return Err(error),
                Ok(read) => {
                    self.ended_cleanly = read == 0;
                    break read;
                }
            }
        };
        self.received.extend_from_slice(&chunk[..read]);
        Ok(read)
    }

    fn note(&mut self, who: &str, octets: &[u8]) {
        let shown = &octets[..octets.len().min(2000)];
        for line in shown.split_inclusive(|&octet| octet == b'\n') {
            self.transcript.push_str(who);
            self.transcript.push_str(&line.escape_ascii().to_string());
            self.transcript.push('\n');
        }
        if shown.len() < octets.len() {
            self.transcript.push_str(&format!("   … {} octets in all\n", octets.len()));
        }
    }
}

/// The base64 of `octets`, as SASL wants it.
#[must_use]
pub fn base64(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | BrokenPipe | NotConnected | UnexpectedEof)
}

fn client_config(
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    ClientConfig::builder_with_provider(Arc::clone(&provider) as Arc<CryptoProvider>)
        .with_protocol_versions(versions)
        .expect("the provider knows them")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
}

/// Accepts every certificate: these tests judge the protocol, `interop` judges the certificate with real clients.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
