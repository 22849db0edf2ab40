//! TLS: whether it is offered, which versions, whose certificate, and what must not cross STLS.

use rustls::pki_types::CertificateDer;
use rustls::{ProtocolVersion, SupportedProtocolVersion};

use super::{Judge, Need};
use crate::bench::Bench;
use crate::dialogue::Dialogue;
use crate::hello::{self, Answer};
use crate::tls::{self, Flaw};
use crate::verdict::{Level, Step, Stop, broken, demand, doubtful};
use crate::wire::End;

pub(super) const JUDGES: &[Judge] = &[
    Judge {
        key: "tls-offered",
        title: "STLS is offered",
        rows: &["R8314-4.1"],
        level: Level::Should,
        needs: &[],
        judge: offered,
    },
    Judge {
        key: "tls-version",
        title: "TLS 1.2 or later is spoken",
        rows: &["R8314-4.3", "R9325-3.1.1.2"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: version,
    },
    Judge {
        key: "tls-newest",
        title: "TLS 1.3 is spoken",
        rows: &["R9325-3.1.1.2"],
        level: Level::Should,
        needs: &[Need::Tls],
        judge: newest,
    },
    Judge {
        key: "tls-old-versions",
        title: "TLS 1.1, TLS 1.0 and SSL 3 are refused",
        rows: &["R9325-3.1.1.1", "R8997-3.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: old_versions,
    },
    Judge {
        key: "tls-certificate-name",
        title: "the certificate is for the name of the server",
        rows: &["R8314-4.4.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: certificate_name,
    },
    Judge {
        key: "tls-certificate-dates",
        title: "the certificate is valid today",
        rows: &["R8314-4.4.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: certificate_dates,
    },
    Judge {
        key: "tls-certificate-chain",
        title: "the chain that is sent leads to an authority",
        rows: &["R8314-4.4.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: certificate_chain,
    },
    Judge {
        key: "tls-alpn",
        title: "a client that offers ALPN \"pop3\" is served",
        rows: &["R9325-3.8.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: alpn,
    },
    Judge {
        key: "tls-alpn-mismatch",
        title: "a client that asks for another protocol by ALPN is refused",
        rows: &["R9325-3.8.1"],
        level: Level::Should,
        needs: &[Need::Tls],
        judge: alpn_mismatch,
    },
    Judge {
        key: "tls-close",
        title: "the server says close_notify before it closes",
        rows: &["R8314-3.4.1"],
        level: Level::Should,
        needs: &[Need::Tls],
        judge: close_notify,
    },
    Judge {
        key: "tls-stls-at-once",
        title: "the handshake begins right behind the reply to STLS",
        rows: &["R2595-4.4"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: stls_at_once,
    },
    Judge {
        key: "tls-stls-state",
        title: "after STLS the server is in AUTHORIZATION and waits for a command",
        rows: &["R2595-4.9"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: stls_state,
    },
    Judge {
        key: "tls-stls-injection",
        title: "a command sent in the clear behind STLS is not executed under TLS",
        rows: &["R2595-4.6"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: injection,
    },
    Judge {
        key: "tls-stls-half-command",
        title: "half a command sent in the clear behind STLS is not completed under TLS",
        rows: &["R2595-4.6"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: half_command,
    },
    Judge {
        key: "tls-stls-again",
        title: "STLS under TLS is refused and does no harm",
        rows: &["R2595-4.8"],
        level: Level::Practice,
        needs: &[Need::Tls],
        judge: again,
    },
    Judge {
        key: "tls-weak-suites",
        title: "cipher suites without encryption, with RC4 or without a certificate are refused",
        rows: &["R9325-4.1.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: weak_suites,
    },
    Judge {
        key: "tls-extended-secret",
        title: "TLS 1.2 is spoken with extended_master_secret",
        rows: &["R9325-3.5.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: extended_secret,
    },
    Judge {
        key: "tls-rsa-bits",
        title: "an RSA key has 2048 bits at least",
        rows: &["R9325-4.5.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: rsa_bits,
    },
    Judge {
        key: "tls-client-certificate",
        title: "a client certificate is asked for only where EXTERNAL can use it",
        rows: &["R8314-4.2.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: client_certificate,
    },
    Judge {
        key: "tls-implicit-at-once",
        title: "a TLS port says nothing in the clear",
        rows: &["R8314-3.1.1"],
        level: Level::Must,
        needs: &[Need::Tls],
        judge: implicit_at_once,
    },
    Judge {
        key: "tls-stls-capa",
        title: "a server with STLS has CAPA",
        rows: &["R2595-4.1"],
        level: Level::Must,
        needs: &[],
        judge: stls_needs_capa,
    },
];

fn offered(bench: &mut Bench<'_>) -> Step {
    if bench.settings.target.is_implicit_tls {
        return Err(Stop::not_applicable("this port speaks TLS from the first octet"));
    }
    let entrance = bench.see_entrance()?;
    let is_offered = entrance.clear.as_ref().is_some_and(|capabilities| capabilities.has("STLS"));
    demand(is_offered, "STLS in CAPA", || "it is not there".into())
}

fn version(bench: &mut Bench<'_>) -> Step {
    let dialogue = handshaken(bench, rustls::ALL_VERSIONS, &[])?
        .map_err(|why| broken("a handshake with TLS 1.2 or 1.3", why))?;
    dialogue.drop_connection();
    Ok(())
}

fn newest(bench: &mut Bench<'_>) -> Step {
    let dialogue = handshaken(bench, &[&rustls::version::TLS13], &[])?
        .map_err(|why| broken("a handshake with TLS 1.3", why))?;
    let version = dialogue.peer().connection().tls().and_then(|session| session.protocol_version());
    dialogue.drop_connection();
    demand(version == Some(ProtocolVersion::TLSv1_3), "TLS 1.3", || format!("{version:?}"))
}

fn old_versions(bench: &mut Bench<'_>) -> Step {
    for (version, name) in [(0x0302, "TLS 1.1"), (0x0301, "TLS 1.0"), (0x0300, "SSL 3")] {
        let offer = format!("{name} at most");
        let answer = answer_to(bench, &offer, |host| hello::client_hello(version, host))?;
        demand(!matches!(answer, Answer::Version(_)), "an alert", || {
            format!("the server would speak {name}")
        })?;
    }
    Ok(())
}

fn certificate_name(bench: &mut Bench<'_>) -> Step {
    let chain = chain(bench)?;
    let host = &bench.settings.target.host;
    demand(tls::is_for(&chain, host), &format!("a certificate for {host}"), || "one for other names".into())
}

fn certificate_dates(bench: &mut Bench<'_>) -> Step {
    match flaw(bench)? {
        Some(Flaw::Dates) => {
            Err(broken("a certificate that is valid today", "it is not yet, or no longer, valid"))
        }
        Some(Flaw::Issuer | Flaw::Other(_)) => {
            Err(Stop::not_applicable("no way leads to an authority, see tls-certificate-chain"))
        }
        Some(Flaw::Name) | None => Ok(()),
    }
}

fn certificate_chain(bench: &mut Bench<'_>) -> Step {
    let length = chain(bench)?.len();
    let expected = "the certificates between the server's and a known authority";
    match flaw(bench)? {
        Some(Flaw::Issuer) => {
            let found = format!("a chain of {length} that leads to no authority that is trusted here");
            Err(broken(expected, found))
        }
        Some(Flaw::Other(what)) => Err(broken(expected, format!("the chain cannot be verified: {what}"))),
        Some(Flaw::Dates | Flaw::Name) | None => Ok(()),
    }
}

fn alpn(bench: &mut Bench<'_>) -> Step {
    let dialogue = handshaken(bench, rustls::ALL_VERSIONS, &["pop3"])?
        .map_err(|why| broken("a handshake with ALPN \"pop3\"", why))?;
    let session = dialogue.peer().connection().tls();
    let chosen = session
        .and_then(|session| session.alpn_protocol())
        .map(|name| String::from_utf8_lossy(name).into_owned());
    dialogue.drop_connection();
    match chosen.as_deref() {
        Some("pop3") => Ok(()),
        None => Err(doubtful("\"pop3\" is chosen", "the server does not look at ALPN")),
        Some(other) => Err(broken("\"pop3\" is chosen", format!("\"{other}\""))),
    }
}

fn alpn_mismatch(bench: &mut Bench<'_>) -> Step {
    match handshaken(bench, rustls::ALL_VERSIONS, &["x-restante-check"])? {
        Err(_) => Ok(()),
        Ok(dialogue) => {
            dialogue.drop_connection();
            Err(broken("the alert no_application_protocol", "the handshake went on"))
        }
    }
}

fn close_notify(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    dialogue.must("QUIT")?;
    let (_, end) = dialogue.end()?;
    demand(end == End::Clean, "close_notify, then the end of the connection", || "the end without it".into())
}

fn stls_at_once(bench: &mut Bench<'_>) -> Step {
    stls_only(bench)?;
    let mut dialogue = before_handshake(bench)?;
    let pause = bench.settings.budget.pause;
    let spoke = dialogue.wire().has_unread() || !dialogue.wire().stays_open(pause);
    demand(!spoke, "nothing between the reply and the handshake", || "the server spoke or closed".into())?;
    dialogue.start_tls(&bench.tls()?).map_err(|why| broken("a handshake", why))?;
    dialogue.drop_connection();
    Ok(())
}

fn stls_state(bench: &mut Bench<'_>) -> Step {
    stls_only(bench)?;
    let mut dialogue = bench.open()?;
    // A second greeting would be taken for the first of these replies.
    dialogue.all_refused(&["STAT", "XYZZ"])?;
    dialogue.drop_connection();
    Ok(())
}

fn injection(bench: &mut Bench<'_>) -> Step {
    stls_only(bench)?;
    let Some(mut dialogue) = injected(bench, b"STLS\r\nXYZZ\r\n")? else { return Ok(()) };
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "the reply to QUIT is the first under TLS", || {
        format!("{reply}, which is the reply to what was sent in the clear")
    })?;
    let (rest, _) = dialogue.end()?;
    demand(rest.is_empty(), "one reply under TLS", || "more than one".into())
}

fn half_command(bench: &mut Bench<'_>) -> Step {
    stls_only(bench)?;
    let Some(mut dialogue) = injected(bench, b"STLS\r\nQU")? else { return Ok(()) };
    let reply = dialogue.ask("IT")?;
    demand(reply.is_err(), "-ERR to what is no command", || format!("{reply}, as if it had been QUIT"))?;
    // And nothing is put in front of a whole command either.
    let Some(mut dialogue) = injected(bench, b"STLS\r\nXX")? else { return Ok(()) };
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "+OK to QUIT", || format!("{reply}, as if there had been something before it"))
}

fn again(bench: &mut Bench<'_>) -> Step {
    let mut dialogue = bench.open()?;
    let reply = dialogue.ask("STLS")?;
    demand(reply.is_err(), "-ERR to STLS under TLS", || reply.to_string())?;
    let reply = dialogue.ask("QUIT")?;
    demand(reply.is_ok(), "the session goes on as before", || reply.to_string())
}

/// Sends these octets at once, and does the handshake behind the first reply. None when the server will have none of it, which is the
/// best it can do.
fn injected(bench: &mut Bench<'_>, octets: &[u8]) -> Step<Option<Dialogue>> {
    let (mut dialogue, _) = bench.greeted()?;
    dialogue.say_octets(octets)?;
    let is_taken = dialogue.reply().is_ok_and(|reply| reply.is_ok());
    if !is_taken || dialogue.wire().has_unread() {
        return match is_taken {
            true => Err(broken("nothing behind the reply to STLS", "a reply to what was sent behind it")),
            false => Ok(None),
        };
    }
    Ok(dialogue.start_tls(&bench.tls()?).is_ok().then_some(dialogue))
}

/// A connection on which the next octets are those of a handshake.
fn before_handshake(bench: &mut Bench<'_>) -> Step<Dialogue> {
    if bench.settings.target.is_implicit_tls {
        return bench.connect();
    }
    let (mut dialogue, _) = bench.greeted()?;
    dialogue.must("STLS")?;
    Ok(dialogue)
}

/// A connection with TLS, and the greeting read where it comes under TLS; or why the handshake failed.
fn handshaken(
    bench: &mut Bench<'_>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> Step<Result<Dialogue, String>> {
    let tls = tls::handshake(&bench.settings.target.host, versions, alpn).map_err(Stop::Undecided)?;
    let mut dialogue = before_handshake(bench)?;
    if let Err(why) = dialogue.start_tls(&tls) {
        return Ok(Err(why));
    }
    // With TLS 1.3 the server may refuse after our side of the handshake is done.
    let reply = if bench.settings.target.is_implicit_tls { dialogue.reply() } else { dialogue.ask("QUIT") };
    Ok(match reply {
        Ok(_) => Ok(dialogue),
        Err(stop) => Err(super::why(stop)),
    })
}

/// The certificates that the server shows.
fn chain(bench: &mut Bench<'_>) -> Step<Vec<CertificateDer<'static>>> {
    let dialogue = handshaken(bench, rustls::ALL_VERSIONS, &[])?.map_err(Stop::Undecided)?;
    let session = dialogue.peer().connection().tls();
    let chain = session.and_then(|session| session.peer_certificates()).unwrap_or_default();
    let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    dialogue.drop_connection();
    Ok(chain)
}

/// What is wrong with the certificates by the authorities that are trusted.
fn flaw(bench: &mut Bench<'_>) -> Step<Option<Flaw>> {
    let settings = bench.settings;
    let roots = settings.roots.as_ref();
    let roots = roots.ok_or_else(|| Stop::not_applicable("no authorities to verify the certificate by"))?;
    let chain = chain(bench)?;
    Ok(tls::verify(&chain, &settings.target.host, roots, settings.wall).err())
}

fn stls_only(bench: &Bench<'_>) -> Step {
    match bench.settings.target.is_implicit_tls {
        true => Err(Stop::not_applicable("this port speaks TLS from the first octet")),
        false => Ok(()),
    }
}

fn weak_suites(bench: &mut Bench<'_>) -> Step {
    let answer = answer_to(bench, "suites that are broken or do not encrypt", hello::weak_client_hello)?;
    demand(!matches!(answer, Answer::Version(_)), "an alert", || "the server would take one of them".into())
}

fn extended_secret(bench: &mut Bench<'_>) -> Step {
    let host = bench.settings.target.host.clone();
    let demanding = |is_demanded| {
        tls::handshake_with(&host, &[&rustls::version::TLS12], &[], |config| config.require_ems = is_demanded)
            .map_err(Stop::Undecided)
    };
    let (without, with) = (demanding(false)?, demanding(true)?);
    if before_handshake(bench)?.start_tls(&without).is_err() {
        return Err(Stop::not_applicable("the server does not speak TLS 1.2 with us"));
    }
    before_handshake(bench)?
        .start_tls(&with)
        .map_err(|why| broken("a handshake with extended_master_secret, as without it", why))
}

fn rsa_bits(bench: &mut Bench<'_>) -> Step {
    let chain = chain(bench)?;
    match tls::rsa_bits_at_least_2048(&chain) {
        None => Err(Stop::not_applicable("the key of the certificate is no RSA key")),
        Some(is_long) => demand(is_long, "2048 bits", || "a shorter RSA key".into()),
    }
}

fn client_certificate(bench: &mut Bench<'_>) -> Step {
    let asked = std::sync::Arc::new(tls::AskedForCertificate::default());
    let resolver = std::sync::Arc::clone(&asked);
    let host = bench.settings.target.host.clone();
    let tls = tls::handshake_with(&host, rustls::ALL_VERSIONS, &["pop3"], |config| {
        config.client_auth_cert_resolver = resolver;
    });
    let mut dialogue = before_handshake(bench)?;
    let done = dialogue.start_tls(&tls.map_err(Stop::Undecided)?);
    if !asked.was_asked() {
        return done.map_err(Stop::Undecided);
    }
    let has_external = bench.entrance()?.capabilities().and_then(|list| list.arguments("SASL"));
    let has_external =
        has_external.is_some_and(|names| names.iter().any(|name| name.eq_ignore_ascii_case("EXTERNAL")));
    // EXTERNAL may be announced only to a client that has shown one, which we have not.
    match has_external {
        true => Ok(()),
        false => Err(doubtful(
            "no question for a certificate",
            "the server asks for one and announces no EXTERNAL",
        )),
    }
}

fn implicit_at_once(bench: &mut Bench<'_>) -> Step {
    if !bench.settings.target.is_implicit_tls {
        return Err(Stop::not_applicable("this port begins in the clear"));
    }
    let mut dialogue = bench.connect()?;
    let is_quiet = dialogue.wire().stays_open(bench.settings.budget.pause);
    demand(is_quiet, "a server that waits for the handshake", || "the server spoke or closed".into())
}

fn stls_needs_capa(bench: &mut Bench<'_>) -> Step {
    stls_only(bench)?;
    if bench.see_entrance()?.clear.is_some() {
        return Ok(());
    }
    let (mut dialogue, _) = bench.greeted()?;
    let reply = dialogue.ask("STLS")?;
    demand(!reply.is_ok(), "CAPA, or no STLS", || reply.to_string())
}

/// What the server answers to a ClientHello made by hand.
fn answer_to(bench: &mut Bench<'_>, offer: &str, hello: impl Fn(&str) -> Vec<u8>) -> Step<Answer> {
    let mut dialogue = before_handshake(bench)?;
    let transcript = bench.transcript().clone();
    let wire = dialogue.wire();
    transcript.note(wire.number(), &format!("we offer {offer}"));
    // A server that closes while we write has refused, too.
    let octets = wire
        .write(&hello(&bench.settings.target.host))
        .and_then(|()| wire.octets(hello::ANSWER_OCTETS))
        .unwrap_or_default();
    let answer = hello::answer(&octets);
    let note = match answer {
        Answer::Version(chosen) => format!("the server chooses version {chosen:#06x}"),
        Answer::Refused => "the server refuses".into(),
        Answer::Strange => "the server answers something that is no TLS".into(),
    };
    transcript.note(wire.number(), &note);
    Ok(answer)
}
