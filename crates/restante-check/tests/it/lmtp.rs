//! A tiny correct LMTP server that delivers into the maildrop of [`crate::server`].

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use crate::server::Shared;

/// One session.
pub(crate) fn session(shared: Arc<Shared>, mut stream: TcpStream) {
    let mut input = Vec::new();
    let say = |stream: &mut TcpStream, text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).is_ok();
    say(&mut stream, "220 ready");
    while let Some(line) = line(&mut stream, &mut input) {
        let upper = line.to_ascii_uppercase();
        if upper.starts_with("LHLO") {
            say(&mut stream, "250-hello\r\n250-8BITMIME\r\n250 CHUNKING");
        } else if upper == "DATA" {
            say(&mut stream, "354 go on");
            let mut message = Vec::new();
            while let Some(octets) = octets_line(&mut stream, &mut input) {
                if octets == b".\r\n" {
                    break;
                }
                message.extend_from_slice(octets.strip_prefix(b".").unwrap_or(&octets));
            }
            shared.deliver(&message);
            say(&mut stream, "250 taken");
        } else if let Some(count) = upper.strip_prefix("BDAT ") {
            let count: usize = count.split(' ').next().unwrap().parse().unwrap();
            while input.len() < count {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).unwrap();
                input.extend_from_slice(&buffer[..read]);
            }
            let message: Vec<u8> = input.drain(..count).collect();
            shared.deliver(&message);
            say(&mut stream, "250 taken");
        } else if upper == "QUIT" {
            say(&mut stream, "221 bye");
            return;
        } else {
            say(&mut stream, "250 yes");
        }
    }
}

fn octets_line(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = input.iter().position(|&octet| octet == b'\n') {
            return Some(input.drain(..=at).collect());
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).ok().filter(|&count| count > 0)?;
        input.extend_from_slice(&buffer[..count]);
    }
}

fn line(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<String> {
    let octets = octets_line(stream, input)?;
    Some(String::from_utf8_lossy(&octets).trim_end().to_owned())
}
