//! `Request`: what an AUTH says of the client that wants to log in, beside its credentials.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::{fields, number, pair, unescape};

/// What a mail server says of its client, and believes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What the client wants to do: `smtp`, `imap` and the like, as it was said. Never empty.
    pub service: Box<[u8]>,
    /// From where the client comes.
    pub remote: Option<SocketAddr>,
    /// Where it has connected to.
    pub local: Option<SocketAddr>,
    /// Nobody can listen between the client and the mail server.
    pub is_secured: bool,
    /// The client has shown a certificate that the mail server trusts.
    pub has_certificate: bool,
    /// The name in that certificate.
    pub certificate_name: Option<Box<[u8]>>,
    /// The last message of a mechanism may come with the success, and needs no answer.
    pub takes_final: bool,
}

/// One AUTH line.
#[derive(Debug)]
pub(super) struct Auth<'a> {
    pub(super) id: u32,
    pub(super) mechanism: &'a [u8],
    pub(super) request: Request,
    /// The initial response, in base64.
    pub(super) initial: Option<&'a [u8]>,
}

impl<'a> Auth<'a> {
    /// Reads what follows the word. `None`: a field that must be there is not, or is none.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = fields(line);
        let id = number(fields.next())?;
        let mechanism = fields.next().filter(|name| !name.is_empty())?;
        let mut request = Request::default();
        let (mut rip, mut lip, mut rport, mut lport) = (None, None, 0, 0);
        let mut initial = None;
        for field in fields {
            let (name, value) = pair(field);
            match name {
                b"service" => request.service = unescape(value).into(),
                b"rip" => rip = address(value),
                b"lip" => lip = address(value),
                b"rport" => rport = port(value),
                b"lport" => lport = port(value),
                // `secured=tls` and the like since 2.4.
                b"secured" => request.is_secured = true,
                b"valid-client-cert" => request.has_certificate = true,
                b"cert_username" => request.certificate_name = Some(unescape(value).into()),
                b"final-resp-ok" => request.takes_final = true,
                b"resp" => {
                    // It is the last one by definition: what follows it may be the client's doing.
                    initial = Some(value);
                    break;
                }
                _ => {}
            }
        }
        request.remote = rip.map(|ip| SocketAddr::new(ip, rport));
        request.local = lip.map(|ip| SocketAddr::new(ip, lport));
        (!request.service.is_empty()).then_some(Self { id, mechanism, request, initial })
    }
}

impl Request {
    /// Appends the fields of this request, for whoever asks.
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        super::push_pair("service", &self.service, output);
        for (address, ip, port) in [(self.local, "lip", "lport"), (self.remote, "rip", "rport")] {
            let Some(address) = address else { continue };
            super::push(format_args!("{ip}={}", address.ip().to_canonical()), output);
            if address.port() != 0 {
                super::push(format_args!("{port}={}", address.port()), output);
            }
        }
        if self.is_secured {
            super::push("secured", output);
        }
    }
}

/// An address; a zone behind it (`fe80::1%eth0`) is left out. What is none is as if it had not been said.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(value).ok()?;
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn port(value: &[u8]) -> u16 {
    number(Some(value)).and_then(|port| port.try_into().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auth_line_is_read_and_what_is_unknown_is_left_out() {
        let line = b"7\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=::ffff:192.0.2.7\trport=4711\tsecured\tlport=587\tsession=x\tresp=AGE=\tsecured=no";
        let auth = Auth::parse(line).unwrap();
        assert_eq!((auth.id, auth.mechanism, auth.initial), (7, &b"PLAIN"[..], Some(&b"AGE="[..])));
        assert_eq!(auth.request.remote, Some("192.0.2.7:4711".parse().unwrap()));
        assert_eq!(auth.request.local, Some("127.0.0.1:587".parse().unwrap()));
        assert!(auth.request.is_secured && !auth.request.has_certificate && !auth.request.takes_final);
        let mut again = b"7\tPLAIN".to_vec();
        auth.request.write(&mut again);
        assert_eq!(Auth::parse(&again).unwrap().request, auth.request);
    }

    #[test]
    fn nothing_behind_the_response_counts() {
        let auth = Auth::parse(b"1\tEXTERNAL\tservice=smtp\tresp=\tvalid-client-cert\tcert_username=alice");
        let auth = auth.unwrap();
        assert_eq!((auth.initial, auth.request.has_certificate), (Some(&b""[..]), false));
        assert_eq!(auth.request.certificate_name, None);
    }

    #[test]
    fn what_must_be_there_must_be_there() {
        for line in [
            &b""[..],
            b"1",
            b"x\tPLAIN\tservice=smtp",
            b"1\t\tservice=smtp",
            b"1\tPLAIN",
            b"1\tPLAIN\tservice=",
        ] {
            assert!(Auth::parse(line).is_none(), "{}", line.escape_ascii());
        }
    }
}
