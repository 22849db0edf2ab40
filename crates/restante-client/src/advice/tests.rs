//! What providers say, and what the network does, as tables.

use std::io;

use restante_proto::client::NotPossible;
use restante_proto::client::request::InvalidRequest;

use super::*;
use crate::proxy::SocksRefusal;

fn route(host: &str) -> Route {
    Route::from(Address::Tcp { host: host.into(), port: 995 })
}

fn refusal(said: &str) -> Refusal {
    let (code, text) = match said.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((code, text)) => (ResponseCode::parse(code.as_bytes()), text),
        None => (None, said),
    };
    Refusal { code, text: text.into() }
}

/// The advice about a login refused with these words.
fn login(host: &str, said: &str, shown: Shown) -> Advice {
    let refusal = refusal(said);
    let cause = refusal.login_cause(None);
    Advice::of(&Error::Login { refusal, cause }, &route(host), shown)
}

#[test]
fn providers_are_understood() {
    use Kind::*;
    let never = Retry::Never;
    for (host, said, kind, retry) in [
        (
            "pop.gmail.com",
            "[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833",
            AppPasswordNeeded,
            never,
        ),
        ("pop.gmail.com", "[AUTH] Username and password not accepted.", AppPasswordNeeded, never),
        (
            "pop.gmail.com",
            "[AUTH] Web login required: https://support.google.com/mail/answer/78754",
            BrowserNeeded,
            never,
        ),
        (
            "pop.gmail.com",
            "[SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page and enable your account for POP access.",
            PopSwitchedOff,
            never,
        ),
        ("pop.gmail.com", "Account Lock down in sector 4", RateLimited, Retry::Later(QUIET)),
        (
            "pop.gmail.com",
            "[IN-USE] Unable to lock maildrop: Mailbox is locked by POP server",
            Busy,
            Retry::Later(BUSY),
        ),
        (
            "pop.gmail.com",
            "[SYS/TEMP] Temporary system problem. Please try again later.",
            ServerFault,
            Retry::Later(SOON),
        ),
        ("outlook.office365.com", "Logon failure: unknown user name or bad password.", OAuthNeeded, never),
        (
            "outlook.office365.com.",
            "Authentication unsuccessful, basic authentication is disabled.",
            OAuthNeeded,
            never,
        ),
        (
            "pop3.live.com",
            "Exceeded the login limit for a 15 minute period. Reduce the frequency of requests to the POP3 server.",
            RateLimited,
            Retry::Later(QUIET),
        ),
        (
            "pop.mail.yahoo.com",
            "[AUTH] (#MBR1212) Incorrect username or password. (#AUTH012)",
            AppPasswordNeeded,
            never,
        ),
        ("pop.gmx.net", "authentication failed", PopSwitchedOff, never),
        ("pop3.web.de", "authentication failed", PopSwitchedOff, never),
        ("securepop.t-online.de", "toid authentication disabled", AppPasswordNeeded, never),
        (
            "pop.qq.com",
            "Login fail. Please enter your authorization code to login.",
            AppPasswordNeeded,
            never,
        ),
        ("pop.163.com", "Unable to log on", AppPasswordNeeded, never),
        ("pop.mail.me.com", "[AUTH] Authentication failed", NotOffered, never),
        // Nobody's in particular.
        ("mail.example.org", "[AUTH] Authentication failed.", WrongPassword, never),
        ("mail.example.org", "Login failed.", WrongPassword, never),
        ("mail.example.org", "[IN-USE] Maildrop is busy.", Busy, Retry::Later(BUSY)),
        ("mail.example.org", "mailbox already in use", Busy, Retry::Later(BUSY)),
        (
            "mail.example.org",
            "[LOGIN-DELAY] minimum time between mail checks violation",
            LoginDelay,
            Retry::Later(DELAY),
        ),
        ("mail.example.org", "[SYS/TEMP] The directory is down.", ServerFault, Retry::Later(SOON)),
        ("mail.example.org", "[SYS/PERM] Your mailbox is broken.", SupportNeeded, never),
        ("mail.example.org", "Your IP has too many connections", RateLimited, Retry::Later(QUIET)),
        (
            "mail.example.org",
            "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.",
            NotEncrypted,
            never,
        ),
        ("mail.example.org", "[AUTH] No. Please try again later.", WrongPassword, never),
        ("mail.example.org", "No. Please try again later.", ServerFault, Retry::Later(SOON)),
        // Not at another provider's host, nor at one whose name only ends alike.
        ("mail.example.org", "Account Lock down in sector 4", WrongPassword, never),
        ("notgmail.com", "[AUTH] Username and password not accepted.", WrongPassword, never),
    ] {
        let advice = login(host, said, Shown::Password);
        assert_eq!((advice.kind, advice.retry), (kind, retry), "{host}: {said}");
        assert!(advice.what.starts_with(&format!("{host}:995: the server refused the login: ")), "{advice}");
    }
}

#[test]
fn a_refused_token_is_no_wrong_password() {
    for (host, said) in [
        ("pop.gmail.com", "[AUTH] Username and password not accepted."),
        ("outlook.office365.com", "Authentication failure: unknown user name or bad password."),
        ("mail.example.org", "[AUTH] invalid token"),
    ] {
        let advice = login(host, said, Shown::Token);
        assert_eq!((advice.kind, advice.retry), (Kind::TokenRefused, Retry::Never), "{host}");
    }
    // But what has nothing to do with it stays what it is.
    assert_eq!(login("mail.example.org", "[IN-USE] busy", Shown::Token).kind, Kind::Busy);
    assert_eq!(
        login("pop.gmail.com", "[SYS/PERM] Your account is not enabled for POP access.", Shown::Token).kind,
        Kind::PopSwitchedOff
    );
    assert_eq!(login("mail.example.org", "[AUTH] no", Shown::Other).kind, Kind::WrongPassword);
}

#[test]
fn refusals_before_and_after_the_login_are_understood_too() {
    let told =
        "[SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page.";
    let cases = [
        (Error::Refused(refusal(told)), Kind::PopSwitchedOff),
        (Error::Rejected(refusal("Too many connections from your address")), Kind::RateLimited),
        (Error::Rejected(refusal("[SYS/TEMP] shutting down")), Kind::ServerFault),
        (Error::Rejected(refusal("[LOGIN-DELAY] wait")), Kind::LoginDelay),
        (Error::Refused(refusal("no such message")), Kind::Refused),
    ];
    for (error, kind) in cases {
        assert_eq!(Advice::of(&error, &route("pop.gmail.com"), Shown::Password).kind, kind, "{error}");
    }
}

#[test]
fn the_network_and_tls_are_understood() {
    let pin = Pin::parse("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").unwrap();
    let certificate = |fault| Error::Certificate {
        fault,
        seen: Some(pin),
        cause: io::Error::new(io::ErrorKind::InvalidData, "TLS says no"),
    };
    let tls = |error: rustls::Error| Error::Tls(io::Error::new(io::ErrorKind::InvalidData, error));
    let soon = Retry::Later(SOON);
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    for (error, kind, retry, in_remedy) in [
        (Error::Connect(refused()), Kind::Unreachable, soon, "port"),
        (Error::Timeout(Waiting::Connect), Kind::Unreachable, soon, "firewall"),
        (Error::Timeout(Waiting::Read), Kind::Unreachable, soon, "pops://"),
        (Error::Closed, Kind::Unreachable, soon, "port"),
        (Error::Network(refused()), Kind::Unreachable, soon, "later"),
        (Error::Resolve { host: "a".into(), cause: refused() }, Kind::NameUnknown, soon, "DNS"),
        (Error::NoStls, Kind::TlsMissing, Retry::Never, "pops://"),
        (Error::NoUser, Kind::UserMissing, Retry::Never, "user name"),
        (Error::NoWay(Unfit::NeedsTls), Kind::NotEncrypted, Retry::Never, "STLS"),
        (Error::NoWay(Unfit::NotOffered), Kind::NoWay, Retry::Never, "AUTH="),
        (Error::NotPossible(NotPossible::NoTimestamp), Kind::NoWay, Retry::Never, "AUTH="),
        (Error::NoRoots, Kind::Configuration, Retry::Never, "ca-certificates"),
        (Error::Request(InvalidRequest::Argument), Kind::Configuration, Retry::Never, "characters"),
        (Error::Malformed, Kind::Protocol, Retry::Never, "operator"),
        (Error::Protocol(ProtocolError::InjectedBeforeTls), Kind::Protocol, Retry::Never, "network"),
        (Error::Local(refused()), Kind::Local, soon, "disk"),
        (
            tls(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)),
            Kind::Tls,
            Retry::Never,
            "does not speak TLS",
        ),
        (
            tls(rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion)),
            Kind::Tls,
            Retry::Never,
            "1.2",
        ),
        (
            tls(rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired)),
            Kind::Tls,
            Retry::Never,
            "client certificate",
        ),
        (Error::Tls(io::ErrorKind::Unsupported.into()), Kind::Configuration, Retry::Never, "unix socket"),
        (Error::Tls(io::ErrorKind::UnexpectedEof.into()), Kind::Unreachable, soon, "port"),
        (Error::Proxy(ProxyError::LoginNeeded), Kind::Proxy, Retry::Never, "user:password@"),
        (Error::Proxy(ProxyError::Refused(SocksRefusal(5))), Kind::Proxy, soon, "host and port"),
        (Error::Proxy(ProxyError::Refused(SocksRefusal(2))), Kind::Proxy, Retry::Never, "may connect to"),
        (
            certificate(CertificateFault::Expired),
            Kind::Certificate(CertificateFault::Expired),
            Retry::Never,
            "renew",
        ),
        (
            certificate(CertificateFault::WrongName),
            Kind::Certificate(CertificateFault::WrongName),
            Retry::Never,
            "name",
        ),
        (
            certificate(CertificateFault::UnknownIssuer),
            Kind::Certificate(CertificateFault::UnknownIssuer),
            Retry::Never,
            "in place of the chain",
        ),
        (
            certificate(CertificateFault::NotPinned),
            Kind::Certificate(CertificateFault::NotPinned),
            Retry::Never,
            "add its pin",
        ),
    ] {
        let advice = Advice::of(&error, &route("mail.example.org"), Shown::Password);
        assert_eq!((advice.kind, advice.retry), (kind, retry), "{error:?}");
        assert!(advice.remedy.contains(in_remedy), "{advice}");
        assert!(advice.what.starts_with("mail.example.org:995: "), "{advice}");
        let shows_key = matches!(kind, Kind::Certificate(_));
        assert_eq!(advice.to_string().matches("sha256//47DEQ").count(), usize::from(shows_key), "{advice}");
        // Whoever goes by is_temporary alone is not told otherwise.
        if error.is_temporary() {
            assert_ne!(advice.retry, Retry::Never, "{error:?}");
        }
    }
}

#[test]
fn advice_is_one_line_whatever_a_server_says() {
    let advice = login("mail.example.org", "[AUTH] a\u{1b}[31m\u{7}b", Shown::Password);
    assert!(!advice.to_string().contains(char::is_control), "{advice:?}");
    assert_eq!(
        login("mail.example.org", "[AUTH] no", Shown::Password).to_string(),
        "mail.example.org:995: the server refused the login: no; check the user name (often the whole mail address) \
         and the password, by logging in at the provider's web site"
    );
    let cause = io::Error::new(io::ErrorKind::TimedOut, "192.0.2.1:995: timed out");
    let advice = Advice::of(&Error::Connect(cause), &route("mail.example.org"), Shown::Password);
    assert_eq!(advice.what, "mail.example.org:995: cannot connect: 192.0.2.1:995: timed out");
    let socket = Route::from(Address::Unix("/run/pop3".into()));
    let advice = Advice::of(&Error::Closed, &socket, Shown::Password);
    assert_eq!(advice.what, "/run/pop3: the server closed the connection");
}

#[test]
fn no_place_is_said_twice_and_a_proxy_is_called_by_its_name() {
    let failed = |why: &str| Error::Connect(io::Error::other(why.to_owned()));
    let unknown = |host: &str| {
        let cause = io::Error::other("failed to lookup address information: Name or service not known");
        Error::Resolve { host: host.into(), cause }
    };
    let straight = |host: &str, port| Route::from(Address::Tcp { host: host.into(), port });
    let through = |proxy: &str| {
        let proxy = Some(crate::proxy::Proxy::parse(proxy).unwrap());
        Route { proxy, ..straight("mail.example.org", 995) }
    };
    for (error, route, what, kind) in [
        (failed("127.0.0.1:1: no"), straight("127.0.0.1", 1), "cannot connect: no", Kind::Unreachable),
        (failed("[::1]:1: no"), straight("::1", 1), "cannot connect: no", Kind::Unreachable),
        (
            failed("127.0.0.1:1, [::1]:1: no"),
            straight("localhost", 1),
            "cannot connect: 127.0.0.1:1, [::1]:1: no",
            Kind::Unreachable,
        ),
        (
            unknown("mail.example.org"),
            straight("mail.example.org", 995),
            "the address cannot be looked up: Name or service not known",
            Kind::NameUnknown,
        ),
        (
            failed("127.0.0.1:1080: no"),
            through("socks5://127.0.0.1"),
            "cannot connect to the proxy: no",
            Kind::Proxy,
        ),
        (
            unknown("proxy.example"),
            through("http://proxy.example:3128"),
            "the address of the proxy cannot be looked up: Name or service not known",
            Kind::Proxy,
        ),
    ] {
        let advice = Advice::of(&error, &route, Shown::Password);
        assert_eq!((advice.what, advice.kind), (format!("{route}: {what}"), kind));
        assert_eq!(advice.remedy.contains("proxy's host"), kind == Kind::Proxy, "{}", advice.remedy);
    }
}

#[test]
fn what_tls_says_of_a_certificate_is_told_where_it_tells_more() {
    use rustls::{CertificateError, Error as Tls, OtherError};
    use std::sync::Arc;
    let odd = CertificateError::Other(OtherError(Arc::new(io::Error::other("odd"))));
    for (fault, cause, ends) in [
        (CertificateFault::UnknownIssuer, CertificateError::UnknownIssuer, "trusted here"),
        (CertificateFault::Invalid, CertificateError::BadEncoding, "is invalid: BadEncoding"),
        (CertificateFault::Invalid, odd, "is invalid: Custom { kind: Other, error: \"odd\" }"),
    ] {
        let cause = io::Error::new(io::ErrorKind::InvalidData, Tls::InvalidCertificate(cause));
        let what = explain(&Error::Certificate { fault, seen: None, cause }, &route("mail.example.org"));
        assert!(what.ends_with(ends), "{what}");
    }
}

#[test]
fn every_remedy_is_a_line_without_full_stop() {
    for text in [
        "application-specific password",
        "not enabled for pop access",
        "basic authentication is disabled",
        "[AUTH] no",
    ] {
        for host in
            ["pop.gmail.com", "outlook.office365.com", "pop.gmx.net", "pop.mail.yahoo.com", "example.org"]
        {
            let remedy = login(host, text, Shown::Password).remedy;
            assert!(!remedy.ends_with('.') && !remedy.contains('\n') && !remedy.is_empty(), "{remedy}");
        }
    }
}
