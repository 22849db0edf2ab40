//! Aliases in the running server: LMTP answers for each recipient, and nobody logs in by one.

use restante_test::mail::{canonical, dotted, sized};
use restante_test::peer::Peer;
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

fn server(aliases: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.keep().join("aliases");
    std::fs::write(&path, aliases).unwrap();
    let source = format!("[[auth.source]]\ntype = \"aliases\"\npath = {:?}", path.display().to_string());
    let account = |name: &str| (name.to_owned(), "secret".to_owned());
    let setup = Setup {
        accounts: vec![account("alice"), account("bob")],
        extra_fields: vec![("bob".to_owned(), "userdb_quota_rule=*:messages=1".to_owned())],
        restante: vec![("auth.source".to_owned(), source)],
        ..Setup::default()
    };
    Server::start(Kind::Restante, &setup)
}

#[test]
fn each_recipient_gets_its_own_answer_and_its_own_copy() {
    let server = server("info alice\nsales alice\nlists bob\ngone nobody\n");
    let mut peer = server.lmtp();
    let recipients = [
        ("info@example.org", 250),
        ("Sales+today@example.org", 250),
        ("lists@example.org", 250),
        ("bob@example.org", 250),
        ("gone@example.org", 550),
        ("nobody@example.org", 550),
    ];
    assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
    for (address, code) in recipients {
        assert_eq!(peer.code(&format!("RCPT TO:<{address}>")), code, "{address}: {}", server.log());
    }
    assert_eq!(peer.code("DATA"), 354);
    peer.send(&dotted(&canonical(&sized(300))));
    // Two names of one account are two recipients: two copies, and two answers. The second of bob's is over his quota.
    let codes: Vec<u16> = (0..4).map(|_| peer.reply().code).collect();
    assert_eq!(codes, [250, 250, 250, 452], "{}", server.log());
    assert_eq!((server.site().files("alice").len(), server.site().files("bob").len()), (2, 1));
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
    assert_eq!(peer.code("RCPT TO:<lists@example.org>"), 452, "the quota of whom it leads to");
}

#[test]
fn an_alias_opens_nothing_and_a_changed_file_counts() {
    let server = server("info alice\n");
    let mut peer = Peer::connect(server.pop3_address());
    peer.greeting();
    peer.ok("USER info");
    assert!(peer.command("PASS secret").starts_with("-ERR [AUTH]"), "{}", server.log());
    let toml = std::fs::read_to_string(server.site().path().join("restante.toml")).unwrap();
    let path = toml.split("path = \"").find(|part| part.contains("/aliases\"")).unwrap();
    let path = path.split('"').next().unwrap();
    std::fs::write(path, "help alice\n").unwrap();
    let code = |name: &str| {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
        peer.code(&format!("RCPT TO:<{name}@example.org>"))
    };
    wait::until("the new alias", || code("help") == 250);
    assert_eq!(code("info"), 550);
}
