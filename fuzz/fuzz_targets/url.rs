//! POP URLs: what is read is printed so that it is read the same again, and nothing in one can become a command.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_proto::url::{Auth, ExtensionName, Host, MechanismName, PopUrl, Scheme};
use std::num::NonZeroU16;

fuzz_target!(|text: &str| {
    if let Ok(url) = PopUrl::parse(text) {
        there_and_back(&url);
    }
    // Pieces that somebody else put together.
    let mut parts = text.splitn(4, '\n');
    let (user, auth, host, port) = (parts.next(), parts.next(), parts.next(), parts.next());
    let auth =
        auth.map_or(Auth::Any, |name| match (MechanismName::parse(name), ExtensionName::parse(name)) {
            (Ok(name), _) if name.as_str().len() % 2 == 0 => Auth::Sasl(name),
            (_, Ok(name)) => Auth::Extension(name),
            _ => Auth::Apop,
        });
    let Ok(host) = Host::parse(host.unwrap_or("localhost")) else { return };
    let mut url = PopUrl::new(Scheme::Pops, host);
    if let Some(port) = port.and_then(|port| port.parse::<NonZeroU16>().ok()) {
        url = url.with_port(port);
    }
    there_and_back(&url);
    if let Ok(url) = url.with_user(user.unwrap_or_default(), auth) {
        there_and_back(&url);
    }
});

fn there_and_back(url: &PopUrl) {
    let printed = url.to_string();
    assert!(printed.bytes().all(|octet| octet.is_ascii_graphic()));
    assert!(url.user().is_none_or(|user| !user.is_empty() && !user.contains(char::is_control)));
    assert_ne!(url.port(), 0);
    // Escapes make a URL longer, perhaps longer than one may be.
    if printed.len() <= 2048 {
        assert_eq!(PopUrl::parse(&printed).as_ref(), Ok(url), "{printed}");
    }
}
