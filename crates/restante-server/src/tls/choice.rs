//! Which certificate a client is shown: by the name that it asks for (SNI, RFC 6066 section 3) and by what it can check.
//!
//! A certificate that has the very name goes before one with a wildcard, and the earlier of the configuration before the later; with
//! keys of several kinds for one name (ECDSA and RSA) the client gets the first that it can check. Who asks for nothing, or for
//! a name that nobody has, is shown the first certificate of all: many clients ask by an old name, or by none, and a refusal would tell them nothing.

use rustls::crypto::CryptoProvider;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use rustls::{SignatureScheme, SupportedCipherSuite};
use std::collections::HashMap;

/// The names of all certificates, and which of them has each.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<String, Vec<usize>>,
    /// By what stands behind `*.`.
    wildcards: HashMap<String, Vec<usize>>,
    /// Those for clients that ask for nothing that is here.
    others: Vec<usize>,
}

impl Names {
    /// Of certificates with these names, in the order of the configuration; the first is for all other clients. What is `None` is not there yet.
    pub(super) fn new<'a>(certificates: impl IntoIterator<Item = Option<&'a [String]>>) -> Self {
        let mut names = Self::default();
        let mut first = None;
        for (index, own) in certificates.into_iter().enumerate() {
            let Some(own) = own else { continue };
            let first = *first.get_or_insert_with(|| (index, own.first()));
            // Its twin with another kind of key stands in for it.
            if first.0 == index || first.1.is_some_and(|name| own.contains(name)) {
                names.others.push(index);
            }
            for name in own {
                match name.strip_prefix("*.") {
                    Some(parent) => names.wildcards.entry(parent.to_owned()).or_default().push(index),
                    None => names.exact.entry(name.clone()).or_default().push(index),
                }
            }
        }
        names
    }

    /// Those that may be shown to who asks for `name`, the best first.
    pub(super) fn candidates(&self, name: Option<&str>) -> impl Iterator<Item = usize> {
        let name = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let exact = name.as_ref().and_then(|name| self.exact.get(name));
        // RFC 9525 section 6.3: a wildcard stands for one whole label.
        let parent = name.as_ref().and_then(|name| name.split_once('.'));
        let wildcards = parent.and_then(|(_, parent)| self.wildcards.get(parent));
        let named = exact.into_iter().chain(wildcards).flatten().copied();
        named.chain(self.others.iter().copied()).collect::<Vec<_>>().into_iter()
    }
}

/// What signatures this client can check in a handshake with us: what it says, less what none of the suites in common has.
pub(super) fn schemes(hello: &ClientHello<'_>, provider: &CryptoProvider) -> Vec<SignatureScheme> {
    let offered = hello.cipher_suites();
    let common = || provider.cipher_suites.iter().filter(|suite| offered.contains(&suite.suite()));
    let is_signed_with = |suite: &SupportedCipherSuite, scheme: SignatureScheme| match suite {
        SupportedCipherSuite::Tls12(suite) => suite.sign.contains(&scheme),
        SupportedCipherSuite::Tls13(_) => true,
    };
    let schemes = hello.signature_schemes().iter().copied();
    schemes.filter(|scheme| common().any(|suite| is_signed_with(suite, *scheme))).collect()
}

/// Can a client that checks these signatures check those of this key?
pub(super) fn can_check(schemes: &[SignatureScheme], pair: &CertifiedKey) -> bool {
    pair.key.choose_scheme(schemes).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(certificates: &[&[&str]], name: Option<&str>) -> Vec<usize> {
        let owned: Vec<Vec<String>> =
            certificates.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect();
        Names::new(owned.iter().map(|names| Some(names.as_slice()))).candidates(name).collect()
    }

    #[test]
    fn the_very_name_goes_before_a_wildcard_and_the_first_before_the_second() {
        let all: &[&[&str]] = &[
            &["mail.one.example"],
            &["*.two.example", "two.example"],
            &["pop.two.example"],
            &["two.example"],
        ];
        assert_eq!(candidates(all, Some("mail.one.example")), [0, 0]);
        assert_eq!(candidates(all, Some("POP.two.example.")), [2, 1, 0]);
        assert_eq!(candidates(all, Some("imap.two.example")), [1, 0]);
        assert_eq!(candidates(all, Some("two.example")), [1, 3, 0]);
        assert_eq!(candidates(all, Some("a.b.two.example")), [0], "a wildcard is for one label");
        assert_eq!(candidates(all, Some("nobody.example")), [0]);
        assert_eq!(candidates(all, None), [0]);
    }

    #[test]
    fn the_twin_of_the_first_stands_in_for_it() {
        let twins: &[&[&str]] = &[&["mail.example"], &["other.example"], &["mail.example"]];
        assert_eq!(candidates(twins, None), [0, 2]);
    }

    #[test]
    fn a_certificate_that_is_not_there_yet_is_nobodys() {
        let second = ["two.example".to_owned()];
        let names = Names::new([None, Some(second.as_slice())]);
        assert_eq!(names.candidates(None).collect::<Vec<_>>(), [1]);
    }
}
