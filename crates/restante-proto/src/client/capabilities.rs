//! What a server says it can do, collected from its reply to CAPA.

use alloc::string::String;
use alloc::vec::Vec;

use crate::capability::{Capability, Expire};
use crate::sasl::Mechanism;
use crate::visible::visible;

/// The reply to one CAPA. What is not listed may exist all the same, but must not be counted on; the lists before and
/// after a login may differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// TOP.
    pub top: bool,
    /// USER and PASS.
    pub user: bool,
    /// AUTH, with these mechanisms in upper case, in the server's order. `None` when SASL is not listed.
    pub sasl: Option<Vec<String>>,
    /// RESP-CODES: a text in brackets is a response code.
    pub resp_codes: bool,
    /// AUTH-RESP-CODE: only \[AUTH\] means that the credentials are wrong (R3206-6.3).
    pub auth_resp_code: bool,
    /// STLS.
    pub stls: bool,
    /// UIDL.
    pub uidl: bool,
    /// PIPELINING.
    pub pipelining: bool,
    /// How long mail is kept, if that is said.
    pub expire: Option<Expire>,
    /// How many seconds must lie between two logins, if that is said. After login it is exact.
    pub login_delay_s: Option<u32>,
    /// What the server is; for a log, never to act on (R2449-6.9.2).
    pub implementation: Option<String>,
    /// UTF8.
    pub utf8: bool,
    /// UTF8 with the argument USER: names and passwords of USER, PASS and APOP may be UTF-8.
    pub utf8_user: bool,
    /// LANG.
    pub lang: bool,
    /// Lines that are not known here, as they came but for octets that do not print; at most [`OTHER_MAX`].
    pub other: Vec<String>,
}

impl Capabilities {
    /// Whether AUTH is listed with this mechanism.
    pub fn has_mechanism(&self, mechanism: Mechanism) -> bool {
        self.sasl.as_ref().is_some_and(|names| names.iter().any(|name| name == mechanism.name()))
    }

    /// How many seconds to leave between two checks of this maildrop, when its owner wants `wanted_s`: never fewer than the
    /// server demands, or the next login is refused (R2449-6.5.5). Whoever polls asks here.
    #[must_use]
    pub fn check_interval_s(&self, wanted_s: u64) -> u64 {
        wanted_s.max(self.login_delay_s.map_or(0, u64::from))
    }

    /// Whether AUTH is listed with any mechanism that binds a login to the TLS connection.
    pub fn offers_binding(&self) -> bool {
        let is_bound = |mechanism: &Mechanism| mechanism.scram().is_some_and(|(_, is_bound)| is_bound);
        Mechanism::ALL.iter().any(|mechanism| is_bound(mechanism) && self.has_mechanism(*mechanism))
    }

    /// Takes one line in. R2449-5.9: what is not known changes nothing.
    pub(super) fn add(&mut self, line: &[u8]) {
        match Capability::parse(line.trim_ascii_end()) {
            Capability::Top => self.top = true,
            Capability::User => self.user = true,
            Capability::Sasl(names) => {
                let names = names.split(|&octet| octet == b' ').filter(|name| !name.is_empty());
                let sasl = self.sasl.get_or_insert_with(Vec::new);
                sasl.extend(names.map(|name| text(name).to_ascii_uppercase()));
            }
            Capability::RespCodes => self.resp_codes = true,
            Capability::AuthRespCode => self.auth_resp_code = true,
            Capability::Stls => self.stls = true,
            Capability::Uidl => self.uidl = true,
            Capability::Pipelining => self.pipelining = true,
            Capability::Expire { expire, .. } => self.expire = Some(expire),
            Capability::LoginDelay { seconds, .. } => self.login_delay_s = Some(seconds),
            Capability::Implementation(name) => self.implementation = Some(text(name)),
            Capability::Utf8 { user } => {
                self.utf8 = true;
                self.utf8_user |= user;
            }
            Capability::Lang => self.lang = true,
            Capability::Other(line) if self.other.len() < OTHER_MAX => self.other.push(text(line)),
            Capability::Other(_) => {}
        }
    }
}

/// What a server said, for people: octets that are not UTF-8 and what no reader would see become U+FFFD.
pub(crate) fn text(octets: &[u8]) -> String {
    visible(&String::from_utf8_lossy(octets))
}

/// The most unknown lines that are kept. Servers are known to list a handful.
pub const OTHER_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2449_6_5_5_the_login_delay_is_the_smallest_interval_between_checks() {
        let mut capabilities = Capabilities::default();
        assert_eq!(capabilities.check_interval_s(60), 60);
        capabilities.add(b"LOGIN-DELAY 300 USER");
        assert_eq!(capabilities.check_interval_s(60), 300);
        assert_eq!(capabilities.check_interval_s(900), 900);
        // What the list says after login counts.
        capabilities.add(b"LOGIN-DELAY 30");
        assert_eq!(capabilities.check_interval_s(60), 60);
    }
}
