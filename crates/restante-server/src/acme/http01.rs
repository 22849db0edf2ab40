//! `[[listen]] protocol = "acme"`: the answers to `http-01` (RFC 8555 section 8.3), and nothing else of HTTP.
//!
//! One request a connection, read within a bound of octets and of time; only what an order under way has published is found.

use super::order::is_token;
use crate::event::certificate::CertificateEvent;
use crate::event::{End, Event};
use crate::listener::{Raw, Visit, unless_displaced};
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers one request. Whatever goes wrong on the connection is the asker's loss.
pub(crate) async fn serve(raw: Raw, visit: Visit) {
    let wait = Duration::from_secs(visit.settings.config.limits.handshake_s);
    let answering = async {
        let _ = tokio::time::timeout(wait, answer(raw, &visit)).await;
        End::Closed
    };
    // Where there are too many strangers this is one of them.
    unless_displaced(visit.leave(), pin!(answering)).await;
}

async fn answer(mut raw: Raw, visit: &Visit) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 512];
        let octets = raw.read(&mut piece).await?;
        request.extend_from_slice(piece.get(..octets).unwrap_or_default());
        if octets == 0
            || request.len() > REQUEST_OCTETS_MAX
            || request.windows(4).any(|end| end == b"\r\n\r\n")
        {
            break;
        }
    }
    let asked = asked(&request);
    let answer = asked.and_then(|token| visit.shared.acme.get(token));
    if answer.is_some() {
        visit.shared.log.write(&Event::Certificate(CertificateEvent::ChallengeAnswered {
            trace: visit.trace,
            peer: &visit.peer,
        }));
    }
    raw.write_all(response(answer.as_deref()).as_bytes()).await?;
    raw.shutdown().await
}

/// The token that a whole request asks for.
fn asked(request: &[u8]) -> Option<&str> {
    let end = request.windows(4).position(|end| end == b"\r\n\r\n")?;
    let head = std::str::from_utf8(request.get(..end)?).ok()?;
    let (line, _) = head.split_once("\r\n").unwrap_or((head, ""));
    let (path, version) = line.strip_prefix("GET ")?.split_once(' ')?;
    let token = path.strip_prefix("/.well-known/acme-challenge/")?;
    (version.starts_with("HTTP/1.") && is_token(token)).then_some(token)
}

fn response(answer: Option<&str>) -> String {
    let (status, body) = answer.map_or(("404 Not Found", ""), |answer| ("200 OK", answer));
    let octets = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {octets}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Beyond it nobody has a challenge to ask for.
const REQUEST_OCTETS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";

    #[test]
    fn only_a_whole_request_for_a_token_asks_for_one() {
        let asked = |text: &str| asked(text.as_bytes()).map(str::to_owned);
        let path = format!("/.well-known/acme-challenge/{TOKEN}");
        let good = format!("GET {path} HTTP/1.1\r\nHost: mail.example.org\r\n\r\n");
        assert_eq!(asked(&good).as_deref(), Some(TOKEN));
        assert_eq!(asked(&format!("GET {path} HTTP/1.0\r\n\r\n")).as_deref(), Some(TOKEN));
        for end in 0..good.len() {
            assert_eq!(asked(&good[..end]), None, "cut at {end}");
        }
        for bad in [
            format!("POST {path} HTTP/1.1\r\n\r\n"),
            format!("GET {path}\r\n\r\n"),
            format!("GET {path} SPDY/9\r\n\r\n"),
            "GET /.well-known/acme-challenge/../../etc/passwd HTTP/1.1\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\n\r\n".to_owned(),
            format!("GET {path}?x HTTP/1.1\r\n\r\n"),
        ] {
            assert_eq!(asked(&bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_is_framed_and_an_unknown_token_is_nothing() {
        assert!(response(Some("a.b")).ends_with("Content-Length: 3\r\nConnection: close\r\n\r\na.b"));
        assert!(response(None).starts_with("HTTP/1.1 404 "));
    }
}
