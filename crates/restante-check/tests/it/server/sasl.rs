//! AUTH of the tiny server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{PASSWORD, Session, USER, challenge, err};

impl Session {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Vec<u8> {
        let known = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "OAUTHBEARER", "EXTERNAL"];
        let name = mechanism.to_ascii_uppercase();
        let Some(name) = known.into_iter().find(|known| *known == name) else {
            return err("no such mechanism");
        };
        match (name, initial) {
            ("CRAM-MD5", Some(_)) => err("I speak first"),
            ("CRAM-MD5", None) => {
                self.exchange = Some(name);
                self.cram_challenge = format!("<{}.1@mail.example.org>", self.shared.count());
                challenge(self.cram_challenge.as_bytes())
            }
            ("LOGIN", None) => {
                self.exchange = Some(name);
                challenge(b"Username:")
            }
            (_, None) => {
                self.exchange = Some(name);
                b"+ \r\n".to_vec()
            }
            (_, Some("=")) => self.respond(name, b""),
            (_, Some(initial)) => self.respond(name, initial.as_bytes()),
        }
    }

    pub(super) fn respond(&mut self, mechanism: &'static str, line: &[u8]) -> Vec<u8> {
        if line == b"*" {
            (self.login_name, self.scram) = (None, None);
            return err("as you wish");
        }
        let Ok(octets) = STANDARD.decode(line) else { return err("no base64") };
        let text = String::from_utf8_lossy(&octets).into_owned();
        match mechanism {
            "PLAIN" => {
                let parts: Vec<&str> = text.split('\0').collect();
                match parts.as_slice() {
                    [other, user, password] if !user.is_empty() && !password.is_empty() => self
                        .login(*user == USER && *password == PASSWORD && (other.is_empty() || other == user)),
                    _ => err("no PLAIN message"),
                }
            }
            "LOGIN" => match self.login_name.take() {
                None => {
                    self.login_name = Some(text);
                    self.exchange = Some("LOGIN");
                    challenge(b"Password:")
                }
                Some(name) => self.login(name == USER && text == PASSWORD),
            },
            "SCRAM-SHA-256" => self.scram(&text),
            "CRAM-MD5" => {
                let right = crate::scram::cram(&self.cram_challenge, PASSWORD);
                self.login(text == format!("{USER} {right}"))
            }
            "OAUTHBEARER" if text != "\u{1}" => {
                self.exchange = Some("OAUTHBEARER");
                challenge(br#"{"status":"invalid_token"}"#)
            }
            _ => self.login(false),
        }
    }

    fn scram(&mut self, text: &str) -> Vec<u8> {
        match self.scram.take() {
            None => match crate::scram::Exchange::begin(text, self.shared.count(), &self.capa()) {
                Some((exchange, server_first)) => {
                    self.scram = Some(exchange);
                    self.exchange = Some("SCRAM-SHA-256");
                    challenge(server_first.as_bytes())
                }
                None => err("no SCRAM message"),
            },
            Some(exchange) if exchange.is_proven => self.login(true),
            Some(exchange) => match exchange.finish(text, PASSWORD) {
                Some((exchange, server_last)) => {
                    self.scram = Some(exchange);
                    self.exchange = Some("SCRAM-SHA-256");
                    challenge(server_last.as_bytes())
                }
                None => self.login(false),
            },
        }
    }
}
