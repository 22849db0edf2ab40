//! `tls` of an account: how the server is recognized, and who we are to it.

use std::path::PathBuf;

use restante_client::pin::Pin;
use restante_config::section::Section;
use restante_config::value::{Fault, Value, quote};
use restante_config::{choice, section};
use toml::de::DeValue;

use super::Reading;

/// How the server is recognized, and who we are to it. Without any of it the machine's authorities are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities to trust in place of the machine's, in PEM.
    pub ca: Option<PathBuf>,
    /// The keys one of which the server must have.
    pub pins: Vec<Pin>,
    /// Whether they are all that is looked at.
    pub trust: Trust,
    /// Our own certificate and its key, in PEM.
    pub own: Option<(PathBuf, PathBuf)>,
}

section! {
    /// `tls` of an account.
    pub struct TlsWritten {
        /// The authorities to trust in place of the machine's: a PEM file.
        ca: Option<String> = None;
        /// The keys one of which the server must have: `sha256//` and base64. The second is that of the key to come.
        pins: Vec<PinWritten> = Vec::new();
        /// `authorities`: the certificate must be from an authority that is trusted, in date and for this host, and have one of
        /// `pins` if there are any. `pins`: one of `pins` is enough, whatever else the certificate says. Default `authorities`.
        trust: Trust = Trust::Authorities;
        /// Our own certificate, with what it takes to reach an authority: a PEM file.
        certificate: Option<String> = None;
        /// The key of our own certificate: a PEM file.
        key: Option<String> = None;
    }
}

choice! {
    /// What a server's certificate is recognized by.
    #[derive(Default)]
    pub enum Trust {
        /// Authorities, dates and name, and the pins if there are any.
        #[default]
        Authorities = "authorities",
        /// The pins alone.
        Pins = "pins",
    }
}

/// A pin as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinWritten(pub Pin);

impl Value for PinWritten {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let remedy = "write it as sha256// and 44 characters, in double quotes; an error about the server's certificate shows it";
        Pin::parse(&String::read(written)?).map(Self).map_err(|error| Fault::new(error.to_string(), remedy))
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0.to_string()))
    }
}

/// The table, where an account has one.
pub(super) fn read(section: &mut Section<'_, '_, '_>, reading: &Reading<'_>) -> Option<Tls> {
    let written = TlsWritten::read(section);
    section.finish(TlsWritten::KEYS);
    let mut path = |key: &str, written: &Option<String>| match written {
        None => Some(None),
        Some(text) => reading.place(section, key, text).map(Some),
    };
    let ca = path("ca", &written.ca);
    let certificate = path("certificate", &written.certificate);
    let key = path("key", &written.key);
    let own = match (certificate?, key?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            section.fault_at("certificate", "a certificate without its key", "add key = \"me.key\"");
            return None;
        }
        (None, Some(_)) => {
            section.fault_at("key", "a key without its certificate", "add certificate = \"me.pem\"");
            return None;
        }
    };
    let ca = ca?;
    if written.trust == Trust::Pins && (written.pins.is_empty() || ca.is_some()) {
        let what =
            if ca.is_some() { "pins alone are to be trusted, and an authority" } else { "no pins to trust" };
        section.fault_at("trust", what, "name the server's key: pins = [\"sha256//…\"], and no ca");
        return None;
    }
    let pins = written.pins.into_iter().map(|PinWritten(pin)| pin).collect();
    Some(Tls { ca, pins, trust: written.trust, own })
}

impl Tls {
    /// As it would be written.
    pub(super) fn show(&self) -> String {
        let text = |path: &PathBuf| quote(&path.to_string_lossy());
        let mut parts = Vec::new();
        parts.extend(self.ca.as_ref().map(|path| format!("ca = {}", text(path))));
        if !self.pins.is_empty() {
            let pins: Vec<String> = self.pins.iter().map(|pin| quote(&pin.to_string())).collect();
            parts.push(format!("pins = [{}]", pins.join(", ")));
        }
        if self.trust != Trust::Authorities {
            parts.push(format!("trust = {}", quote(self.trust.as_str())));
        }
        if let Some((certificate, key)) = &self.own {
            parts.push(format!("certificate = {}, key = {}", text(certificate), text(key)));
        }
        format!("{{ {} }}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::place::Around;
    use super::super::{Config, parse};
    use super::*;

    const ONE: &str = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    /// A configuration with this in `tls`; its first fault when it is wrong.
    fn read(tls: &str) -> Result<Config, String> {
        let text = format!(
            "[[account]]\nserver = \"pops://alice@mail.example.org\"\ndeliver = [{{ type = \"maildir\", path = \"/m\" }}]\n\
             tls = {{ {tls} }}\n"
        );
        let path = Path::new("/etc/restante/fetch.toml");
        let around =
            Around { home: Some(Path::new("/home/a")), environment: &|_| None, is_root: false, mode: None };
        parse(&text, path, &around).map_err(|problems| problems[0].to_string())
    }

    #[test]
    fn pins_stand_beside_authorities_unless_it_is_said_otherwise() {
        let tls = |text: &str| read(text).unwrap().accounts[0].tls.clone();
        let pins = [ONE, OTHER].map(|pin| Pin::parse(pin).unwrap());
        let both = tls(&format!("pins = [\"{ONE}\", \"{OTHER}\"]"));
        assert_eq!((both.trust, &both.pins[..]), (Trust::Authorities, &pins[..]));
        let alone = tls(&format!("pins = [\"{ONE}\"], trust = \"pins\""));
        assert_eq!((alone.trust, &alone.pins[..]), (Trust::Pins, &pins[..1]));
        assert_eq!(tls("ca = \"ca.pem\"").ca.as_deref(), Some(Path::new("/etc/restante/ca.pem")));
        // What is shown reads as the same.
        for text in [
            format!("pins = [\"{ONE}\"], trust = \"pins\""),
            "ca = \"/c\", certificate = \"/a\", key = \"/b\"".into(),
        ] {
            let read_once = read(&text).unwrap();
            assert!(read_once.show().contains(&text), "{}", read_once.show());
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, what) in [
            ("trust = \"pins\"", "no pins to trust"),
            (
                &format!("trust = \"pins\", pins = [\"{ONE}\"], ca = \"c\""),
                "pins alone are to be trusted, and an authority",
            ),
            ("pins = [\"47DEQpj8\"]", "a pin is sha256// and 44 characters of base64"),
            ("trust = \"everybody\"", "everybody"),
            ("certificate = \"a\"", "a certificate without its key"),
            ("key = \"a\"", "a key without its certificate"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(what) && error.contains(":4"), "{text}: {error}");
        }
    }
}
