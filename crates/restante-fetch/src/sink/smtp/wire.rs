//! What lies below lettre before there is TLS: a TCP stream that lets nothing through behind the answer to STARTTLS.
//!
//! lettre reads ahead, and takes what it has read in clear for replies under TLS. Whoever sits on the way could so answer EHLO, MAIL,
//! RCPT and the message itself beforehand, and a message that the server has refused would count as delivered, and be deleted where
//! it came from (the attack known as NO STARTTLS; RFC 3207 section 6). A server sends nothing there, so it is an error.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection to an SMTP server.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// SMTP in clear.
    Clear,
    /// STARTTLS was said, and so much was answered.
    Asked(Vec<u8>),
    /// The handshake has begun: what is read is TLS's to judge.
    Handshake,
    /// Somebody else has spoken. Nothing more is said, not even goodbye, and nothing is heard.
    Broken,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, place: Place::Clear }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, place } = self.get_mut();
        if matches!(place, Place::Broken) {
            return Poll::Ready(Err(injected()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(stream).poll_read(cx, buffer);
        if let (Place::Asked(answer), Poll::Ready(Ok(()))) = (&mut *place, &read) {
            answer.extend_from_slice(buffer.filled().get(before..).unwrap_or_default());
            if is_followed(answer) || answer.len() > ANSWER_OCTETS_MAX {
                *place = Place::Broken;
                return Poll::Ready(Err(injected()));
            }
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, place } = self.get_mut();
        match place {
            Place::Clear if octets == STARTTLS => *place = Place::Asked(Vec::new()),
            // After a refusal there is no handshake, and nothing more is said but QUIT.
            Place::Asked(_) if octets != STARTTLS => *place = Place::Handshake,
            Place::Broken => return Poll::Ready(Err(injected())),
            _ => {}
        }
        Pin::new(stream).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

fn injected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, INJECTED)
}

/// Whether anything stands behind the last line of the reply, which is the first that has no hyphen behind its code.
fn is_followed(answer: &[u8]) -> bool {
    let mut lines = answer.split_inclusive(|&octet| octet == b'\n');
    let is_last = |line: &&[u8]| line.ends_with(b"\n") && line.get(3) != Some(&b'-');
    lines.by_ref().any(|line| is_last(&line)) && lines.next().is_some()
}

/// As lettre says it, in one write.
const STARTTLS: &[u8] = b"STARTTLS\r\n";
/// More than any reply has.
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
const INJECTED: &str = "something was sent between the answer to STARTTLS and the TLS handshake; somebody on the way may want to be \
                        taken for the server";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_the_answer_is_found_however_it_comes() {
        for (answer, is_there) in [
            ("", false),
            ("220 go", false),
            ("220 go\r\n", false),
            ("220-go\r\n220 on\r\n", false),
            ("220-go\r\n220-on\r\n", false),
            ("220\r\n", false),
            ("220 go\r\n2", true),
            ("220-go\r\n220 on\r\n250 ok\r\n", true),
            ("220 go\n\r\n", true),
        ] {
            assert_eq!(is_followed(answer.as_bytes()), is_there, "{answer:?}");
        }
    }
}
