//! curl with the signed token of a provider: to us by POP3, and by SMTP to a real Postfix that asks us.

use std::fs;
use std::process::{Command, Output};
use std::time::UNIX_EPOCH;

use restante_test::certificate::Files;
use restante_test::issuer::{SigningKey, set};
use restante_test::mail::numbered;
use restante_test::oauth::{Behaviour, OauthServer};
use restante_test::real::postfix::Postfix;
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;
use serde_json::json;

use crate::clients::authority;

struct World {
    key: SigningKey,
    issuer: OauthServer,
    server: Server,
}

impl World {
    /// alice has two messages; the server takes signed tokens by this mechanism alone, since curl takes OAUTHBEARER wherever it can.
    fn new(mechanism: &'static str) -> Self {
        let key = SigningKey::new("RS256", "one");
        let issuer = OauthServer::start(Behaviour { keys: Some(set(&[&key])), ..Behaviour::default() });
        let table = format!(
            "[[auth.token]]\ntype = \"jwks\"\nissuer = \"{}\"\naudience = [\"mail\"]\ndomains = [\"example.org\"]\ntimeout_s = 60",
            issuer.issuer()
        );
        let listen = "[[listen]]\nprotocol = \"sasl\"\naddress = \"unix:@ROOT@/sasl\"\nmode = 0o660\ngroup = \"postfix\"";
        let setup = Setup {
            mail: vec![("alice".to_owned(), vec![numbered(1, 1), numbered(2, 5)])],
            mechanisms: Some(vec![mechanism]),
            restante: vec![("auth.source".to_owned(), table), (String::new(), listen.to_owned())],
            ..Setup::default()
        };
        let server = Server::start(Kind::Restante, &setup);
        Self { key, issuer, server }
    }

    fn token(&self, audience: &str) -> String {
        let exp = UNIX_EPOCH.elapsed().unwrap().as_secs() + 600;
        let claims =
            json!({"iss": self.issuer.issuer(), "aud": audience, "exp": exp, "email": "alice@example.org"});
        self.key.token(&claims)
    }

    fn curl(&self, url: &str, token: &str, how: &[&str]) -> Output {
        Command::new(program("curl", "curl"))
            .args(["-sS", "--max-time", "60", "--cacert", &authority(&self.server), url])
            .args(["--user", "alice", "--oauth2-bearer", token])
            .args(how)
            .output()
            .expect("curl starts")
    }
}

fn by_pop3_and_by_smtp(mechanism: &'static str) {
    let world = World::new(mechanism);
    let server = &world.server;
    let url = format!("pop3s://{}/", server.pop3s_address());
    let listed = world.curl(&url, &world.token("mail"), &[]);
    assert!(listed.status.success(), "{listed:?}\n{}", server.log());
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 2, "{listed:?}");
    let refused = world.curl(&url, &world.token("other"), &[]);
    assert_eq!(refused.status.code(), Some(67), "{refused:?}");
    wait::until("why", || server.log().contains("the token is for another audience"));

    let site = server.site();
    let path = |name: &str| site.path().join(name);
    let files =
        Files { authority: path("authority.pem"), certificate: path("cert.pem"), key: path("key.pem") };
    let postfix = Postfix::start_with_sasl_and_tls(site, &path("sasl"), &files);
    let message = path("message");
    fs::write(&message, numbered(3, 2)).unwrap();
    let url = format!("smtp://{}/client.example.org", postfix.address());
    let send = |token: &str| {
        let file = message.display().to_string();
        let how =
            ["--ssl-reqd", "--mail-from", "alice@example.org", "--mail-rcpt", "bob@example.org", "-T", &file];
        world.curl(&url, token, &how)
    };
    let sent = send(&world.token("mail"));
    assert!(sent.status.success(), "{sent:?}\n{}\n{}", postfix.log(), server.log());
    let line = wait::some("the login in the log", || {
        let log = server.log();
        log.lines().find(|line| line.contains("service=smtp")).map(str::to_owned)
    });
    assert!(line.contains("account=alice") && line.contains(mechanism), "{line}");
    let refused = send(&world.token("other"));
    assert_eq!(refused.status.code(), Some(67), "{refused:?}\n{}", postfix.log());
}

#[test]
fn curl_by_oauthbearer() {
    by_pop3_and_by_smtp("OAUTHBEARER");
}

#[test]
fn curl_by_xoauth2() {
    by_pop3_and_by_smtp("XOAUTH2");
}
