//! The configuration of Dovecot's protocol: the listener for mail servers, and a Dovecot as a source.

use super::super::source::DovecotSource;
use super::super::*;
use super::{LEAST, folder, problems, read, same_lines};
use crate::config::source::AuthSource;

fn sasl(more: &str) -> String {
    format!("[[listen]]\nprotocol = \"sasl\"\n{more}{LEAST}")
}

#[test]
fn mail_servers_have_a_unix_socket_that_is_theirs() {
    let folder = folder();
    let config = read(&folder, &sasl("address = \"unix:auth\"\ngroup = \"root\"\nowner = \"0\"\n")).unwrap();
    let [listen] = config.listen.as_slice() else { panic!("{:?}", config.listen) };
    assert_eq!((listen.protocol, listen.tls, listen.mode.0), (Protocol::Sasl, TlsMode::Off, 0o660));
    assert_eq!((listen.owner.as_deref(), listen.group.as_deref()), (Some("0"), Some("root")));
    assert_eq!(config.warnings, []);
    assert_eq!(read(&folder, &config.show()).unwrap().listen, config.listen);
    // Who has a certificate does not offer it here.
    let tls = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    let config = read(&folder, &format!("{}{tls}", sasl("address = \"unix:auth\"\n"))).unwrap();
    assert_eq!(config.listen.first().unwrap().tls, TlsMode::Off);
    let config = read(&folder, &sasl("address = \"unix:auth\"\nmode = 0o666\n")).unwrap();
    assert!(config.warnings.first().unwrap().what.contains("every user of this machine"));
    let config = read(&folder, &sasl("address = \"127.0.0.1:12345\"\n")).unwrap();
    assert!(config.warnings.first().unwrap().what.contains("every user of this machine"));
}

#[test]
fn mail_servers_are_not_asked_over_the_network_nor_for_nobody() {
    let far = sasl("address = \"192.0.2.1:12345\"\n");
    same_lines(
        &problems(&far),
        &["3: on 192.0.2.1:12345 passwords would cross the network in clear, and anybody could try them"],
    );
    let tls = sasl(
        "address = \"unix:auth\"\ntls = \"starttls\"\n[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n",
    );
    same_lines(&problems(&tls), &["4: mail servers speak no TLS when they ask about their clients"]);
    let group = sasl("address = \"unix:auth\"\ngroup = \"no-such-group-here\"\n");
    same_lines(&problems(&group), &["4: group: there is no group \"no-such-group-here\""]);
    let port = sasl("address = \"127.0.0.1:12345\"\nowner = \"root\"\n");
    same_lines(&problems(&port), &["4: owner, but no unix socket"]);
}

#[test]
fn a_dovecot_is_found_by_its_sockets() {
    let folder = folder();
    let both = "[[auth.source]]\ntype = \"dovecot\"\nsocket = \"auth-client\"\nuserdb_socket = \"auth-userdb\"\ntimeout_s = 5\n";
    let config = read(&folder, both).unwrap();
    let own = DovecotSource {
        socket: Some(folder.path().join("auth-client")),
        userdb_socket: Some(folder.path().join("auth-userdb")),
        timeout_s: 5,
        pending: 256,
    };
    assert_eq!(config.sources.first().unwrap().own, AuthSource::Dovecot(own));
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    assert_eq!(read(&folder, &config.show()).unwrap().sources, config.sources);
    let alone = "[[auth.source]]\ntype = \"dovecot\"\nsocket = \"auth-client\"\n";
    let warnings = read(&folder, alone).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.what.contains("without userdb_socket")), "{warnings:?}");
    same_lines(
        &problems("[[auth.source]]\ntype = \"dovecot\"\n"),
        &["1: a Dovecot whose socket is not named"],
    );
    let users = "[[auth.source]]\ntype = \"dovecot\"\nsocket = \"users\"\npart = \"passwords\"\n";
    same_lines(&problems(users), &["3: ./users is no socket"]);
}
