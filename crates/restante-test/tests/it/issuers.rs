//! Tokens of an identity provider, at the running server: signed ones of every kind, forged ones, keys that change, a provider that is away,
//! and tokens that it is asked about.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use restante_test::issuer::{SigningKey, confused, set, unsigned};
use restante_test::mail::numbered;
use restante_test::oauth::{Behaviour, OauthServer};
use restante_test::peer::Peer;
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;
use rustix::process::Signal;
use serde_json::{Value, json};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// alice has two messages. `table` are the keys of an `[[auth.token]]`.
fn serve(table: &str, more: &[(&str, &str)]) -> Server {
    let mut restante = vec![
        ("auth.source".to_owned(), format!("[[auth.token]]\n{table}")),
        ("auth".to_owned(), "fail_delay_s = 0".to_owned()),
        ("defence".to_owned(), "penalty_s = 0".to_owned()),
    ];
    restante.extend(more.iter().map(|(section, line)| ((*section).to_owned(), (*line).to_owned())));
    let mail = vec![("alice".to_owned(), vec![numbered(1, 1), numbered(2, 5)])];
    Server::start(Kind::Restante, &Setup { mail, restante, ..Setup::default() })
}

fn issuer(keys: &[&SigningKey]) -> OauthServer {
    OauthServer::start(Behaviour { keys: Some(set(keys)), ..Behaviour::default() })
}

fn jwks(issuer: &OauthServer, more: &str) -> String {
    format!(
        "type = \"jwks\"\nissuer = \"{}\"\naudience = [\"mail.example.org\"]\nscopes = [\"pop\"]\n\
         domains = [\"example.org\"]\ntimeout_s = 60\n{more}",
        issuer.issuer()
    )
}

fn introspection(issuer: &OauthServer, more: &str) -> String {
    format!(
        "type = \"introspection\"\nurl = \"{}/introspect\"\nscopes = [\"pop\"]\nclient_id = \"restante\"\n\
         password = \"s&cret\"\ntimeout_s = 60\n{more}",
        issuer.issuer()
    )
}

/// Claims that open alice's account; null takes one away.
fn claims(issuer: &OauthServer, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": issuer.issuer(), "aud": ["mail.example.org"], "exp": now() + 600, "iat": now(), "sub": "4f2a",
        "scope": "openid pop", "email": "Alice@example.org", "email_verified": true,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value.is_null() {
            true => drop(claims.as_object_mut().unwrap().remove(name)),
            false => claims[name] = value.clone(),
        }
    }
    claims
}

#[derive(Clone, Copy, Debug)]
enum Mechanism {
    OAuthBearer,
    XOAuth2,
}

use Mechanism::{OAuthBearer, XOAuth2};

/// What is answered to a login with this token.
enum Answer {
    In(Peer),
    /// The JSON of the refusal, and what follows it.
    Refused(Value, String),
    Unavailable(String),
}

fn ask(server: &Server, mechanism: Mechanism, user: &str, token: &str) -> Answer {
    let (name, message, dummy) = match mechanism {
        OAuthBearer => ("OAUTHBEARER", format!("n,a={user},\x01auth=Bearer {token}\x01\x01"), "AQ=="),
        XOAuth2 => ("XOAUTH2", format!("user={user}\x01auth=Bearer {token}\x01\x01"), ""),
    };
    let mut peer = server.pop3s();
    peer.send(format!("AUTH {name}\r\n").as_bytes());
    assert_eq!(peer.line(), b"+ ");
    peer.send(format!("{}\r\n", BASE64_STANDARD.encode(message)).as_bytes());
    let line = String::from_utf8(peer.line()).unwrap();
    if line.starts_with("+OK") {
        return Answer::In(peer);
    }
    match line.strip_prefix("+ ") {
        Some(challenge) => {
            let json = serde_json::from_slice(&BASE64_STANDARD.decode(challenge).unwrap()).unwrap();
            Answer::Refused(json, peer.command(dummy))
        }
        None => Answer::Unavailable(line),
    }
}

fn opens(server: &Server, mechanism: Mechanism, user: &str, token: &str) {
    let Answer::In(mut peer) = ask(server, mechanism, user, token) else {
        panic!("{mechanism:?} {user} {token}\n{}", server.log())
    };
    assert!(peer.ok("STAT").starts_with("+OK 2 "));
    peer.ok("QUIT");
    peer.end();
}

/// It is refused, and the log says why.
fn refused(server: &Server, mechanism: Mechanism, user: &str, token: &str, reason: &str) -> Value {
    let before = server.log().lines().count();
    let Answer::Refused(json, reply) = ask(server, mechanism, user, token) else {
        panic!("not refused, but {reason}: {token}\n{}", server.log())
    };
    assert!(reply.starts_with("-ERR [AUTH]"), "{reply}");
    assert_eq!(json["status"], "invalid_token");
    let line = wait::some("the refusal in the log", || {
        let log = server.log();
        log.lines().skip(before).find(|line| line.contains("event=auth_failed")).map(str::to_owned)
    });
    assert!(line.contains(reason), "{line}: not {reason}");
    assert!(!server.log().contains(token), "a token in the log");
    json
}

fn unavailable(server: &Server, token: &str) {
    match ask(server, OAuthBearer, "alice", token) {
        Answer::Unavailable(line) => assert!(line.starts_with("-ERR [SYS/TEMP]"), "{line}"),
        Answer::In(_) => panic!("it opens\n{}", server.log()),
        Answer::Refused(json, reply) => panic!("{json} {reply}\n{}", server.log()),
    }
}

#[test]
fn signed_tokens_of_every_kind_open_their_account() {
    let names = ["RS256", "RS512", "PS256", "PS384", "ES256", "ES384", "EdDSA"];
    let keys = names.map(|name| SigningKey::new(name, &format!("key-of-{name}")));
    let issuer = issuer(&keys.each_ref());
    let server = serve(&jwks(&issuer, ""), &[]);
    for key in &keys {
        let token = key.token(&claims(&issuer, &json!({})));
        opens(&server, OAuthBearer, "alice", &token);
        opens(&server, XOAuth2, "alice@example.org", &token);
    }
    // The keys were fetched once for all of them; the issuer's other document was not needed.
    assert_eq!(
        (issuer.forms("/jwks").len(), issuer.forms("/.well-known/openid-configuration").len()),
        (1, 1)
    );
    // A token says by itself whose it is.
    let token = keys[4].token(&claims(&issuer, &json!({})));
    let message = format!("n,,\x01auth=Bearer {token}\x01\x01");
    let mut peer = server.pop3s();
    peer.send(b"AUTH OAUTHBEARER\r\n");
    peer.line();
    peer.ok(&BASE64_STANDARD.encode(message));
    // In clear there is no way to show one.
    let mut clear = server.pop3();
    assert!(clear.command("AUTH OAUTHBEARER").starts_with("-ERR"));
}

#[test]
fn r7628_3_2_2_1_forged_and_misused_tokens_are_refused_alike() {
    let (key, thief) = (SigningKey::new("ES256", "one"), SigningKey::new("ES256", "one"));
    let (rsa, issuer) = (SigningKey::new("RS256", "rsa"), issuer(&[&key]));
    issuer.behave(|it| it.keys = Some(set(&[&key, &rsa])));
    let server = serve(&jwks(&issuer, ""), &[]);
    let good = claims(&issuer, &json!({}));
    let with = |changes: Value| key.token(&claims(&issuer, &changes));
    opens(&server, XOAuth2, "alice", &key.token(&good));
    let header = |algorithm: &str| json!({"alg": algorithm, "kid": "rsa"});
    let modulus = restante_test::issuer::base64(rsa.public()["n"].as_str().unwrap());
    let mut told = Vec::new();
    for (token, reason) in [
        (with(json!({"aud": "other.example.org"})), "for another audience"),
        (with(json!({"aud": null})), "for another audience"),
        (with(json!({"scope": "openid"})), "lacks a scope"),
        (with(json!({"scope": null})), "lacks a scope"),
        (with(json!({"nbf": now() + 600})), "not good yet"),
        (with(json!({"exp": null})), "of another kind, or incomplete"),
        (with(json!({"email": null})), "does not name an account"),
        (with(json!({"email_verified": false})), "does not name an account"),
        (with(json!({"email": "alice@evil.example"})), "no account that this issuer may open"),
        (with(json!({"email": "alice+x@example.org"})), "no account that this issuer may open"),
        (with(json!({"cnf": {"jkt": "x"}})), "bound to a key"),
        (with(json!({"iss": "https://evil.example"})), "unknown token"),
        (with(json!({"email": "bob@example.org"})), "unknown token"),
        (with(json!({"email": "nobody@example.org"})), "unknown account"),
        (thief.token(&good), "signature is wrong"),
        (unsigned(&good), "algorithm is not allowed"),
        (confused("rsa", rsa.public().to_string().as_bytes(), &good), "algorithm is not allowed"),
        (confused("rsa", modulus.as_bytes(), &good), "algorithm is not allowed"),
        (key.token_with(&header("RS256"), &good), "signature is wrong"),
        (key.token_with(&json!({"alg": "ES256", "kid": "one", "crit": ["exp"]}), &good), "unknown token"),
        (
            key.token_with(&json!({"alg": "ES256", "kid": "one", "typ": "logout+jwt"}), &good),
            "of another kind",
        ),
        (format!("{}x", key.token(&good)), "unknown token"),
        ("opaque-token".to_owned(), "unknown token"),
    ] {
        told.push(refused(&server, OAuthBearer, "alice", &token, reason));
    }
    // To the peer they are all the same, and it is told where good ones are to be had.
    told.dedup();
    let configuration = format!("{}/.well-known/openid-configuration", issuer.issuer());
    assert_eq!(
        told,
        [
            json!({"status": "invalid_token", "schemes": "bearer", "scope": "pop", "openid-configuration": configuration})
        ]
    );
}

#[test]
fn an_old_token_of_ones_own_is_no_guess_and_one_of_another_is() {
    let key = SigningKey::new("EdDSA", "one");
    let issuer = issuer(&[&key]);
    let server = serve(&jwks(&issuer, ""), &[]);
    for age in [100, 200, 300] {
        let token = key.token(&claims(&issuer, &json!({"exp": now() - age})));
        refused(&server, XOAuth2, "alice", &token, "the token has expired");
    }
    assert!(!server.log().contains("guesses=1"), "{}", server.log());
    // Two of them: a right one of somebody else's, and an old one of somebody else's.
    let token = key.token(&claims(&issuer, &json!({})));
    refused(&server, XOAuth2, "bob", &token, "unknown token");
    let token = key.token(&claims(&issuer, &json!({"exp": now() - 400})));
    refused(&server, XOAuth2, "bob", &token, "unknown token");
    assert!(server.log().contains("guesses=2"), "{}", server.log());
}

#[test]
fn a_flood_of_unknown_keys_asks_the_issuer_once() {
    let key = SigningKey::new("ES256", "one");
    let issuer = issuer(&[&key]);
    let server = serve(&jwks(&issuer, "retry_s = 600"), &[]);
    let token = key.token(&claims(&issuer, &json!({})));
    opens(&server, XOAuth2, "alice", &token);
    std::thread::scope(|scope| {
        for stranger in 0..8 {
            let (server, issuer, key) = (&server, &issuer, &key);
            scope.spawn(move || {
                for number in 0..5 {
                    let header = json!({"alg": "ES256", "kid": format!("{stranger}-{number}")});
                    let token = key.token_with(&header, &claims(issuer, &json!({})));
                    assert!(matches!(ask(server, XOAuth2, "alice", &token), Answer::Refused(..)));
                }
            });
        }
    });
    wait::until("the refusals", || server.log().matches("no key for the token").count() == 40);
    assert_eq!(issuer.forms("/jwks").len(), 1);
    opens(&server, XOAuth2, "alice", &token);
}

#[test]
fn rotated_keys_are_found_and_known_ones_outlast_an_issuer_that_is_away() {
    let (one, two) = (SigningKey::new("ES256", "one"), SigningKey::new("ES256", "two"));
    let issuer = issuer(&[&one]);
    issuer.behave(|it| it.is_away = true);
    let mut server = serve(&jwks(&issuer, "retry_s = 1"), &[]);
    let token = |key: &SigningKey| key.token(&claims(&issuer, &json!({})));
    unavailable(&server, &token(&one));
    wait::until("the fault in the log", || server.log().contains("it cannot be asked"));
    // What is wrong by itself is wrong whoever is away.
    refused(&server, XOAuth2, "alice", &unsigned(&claims(&issuer, &json!({}))), "algorithm is not allowed");
    issuer.behave(|it| it.is_away = false);
    let is_in = |server: &Server, key: &SigningKey| {
        matches!(ask(server, XOAuth2, "alice", &token(key)), Answer::In(_))
    };
    wait::until("the first login", || is_in(&server, &one));
    issuer.behave(|it| it.keys = Some(set(&[&two])));
    wait::until("a login by the new key", || is_in(&server, &two));
    refused(&server, XOAuth2, "alice", &token(&one), "no key for the token");
    issuer.behave(|it| it.is_away = true);
    wait::until("a login while nobody is there", || is_in(&server, &two));
    // So does a reload of the configuration.
    server.process().signal(Signal::HUP);
    wait::until("the reload", || server.log().contains("event=configuration_reloaded"));
    wait::until("a login after the reload", || is_in(&server, &two));
}

#[test]
fn a_document_of_another_issuer_is_not_believed_and_that_of_rfc_8414_is() {
    let key = SigningKey::new("ES256", "one");
    let issuer = issuer(&[&key]);
    issuer.behave(|it| it.is_rfc_8414 = true);
    let table = jwks(&issuer, "");
    let token = key.token(&claims(&issuer, &json!({})));
    let server = serve(&table, &[]);
    opens(&server, OAuthBearer, "alice", &token);
    drop(server);
    issuer.behave(|it| it.issuer = Some("https://evil.example".to_owned()));
    let server = serve(&table, &[]);
    unavailable(&server, &token);
    wait::until("the reason", || server.log().contains("is the document of another issuer"));
    drop(server);
    // Named outright, the keys need no document.
    let server = serve(&format!("{table}\njwks_uri = \"{}/jwks\"", issuer.issuer()), &[]);
    opens(&server, OAuthBearer, "alice", &token);
}

#[test]
fn tokens_that_the_issuer_is_asked_about() {
    let issuer = issuer(&[]);
    let server = serve(&introspection(&issuer, "cache_s = 600"), &[]);
    let say = |token: &str, answer: Value| {
        issuer.behave(|it| drop(it.introspection.insert(token.to_owned(), answer)));
    };
    let active = |changes: Value| {
        let mut answer = claims(&issuer, &changes);
        (answer["active"], answer["username"]) = (true.into(), "alice".into());
        answer
    };
    say("tok-good", active(json!({})));
    opens(&server, OAuthBearer, "alice", "tok-good");
    opens(&server, XOAuth2, "alice", "tok-good");
    assert_eq!(issuer.forms("/introspect").len(), 1, "remembered");
    assert_eq!(issuer.forms("/introspect")[0]["token"], "tok-good");
    for (token, answer, reason) in [
        ("tok-stranger", json!({"active": false}), "is not active"),
        ("tok-scope", active(json!({"scope": "openid"})), "lacks a scope"),
        ("tok-old", active(json!({"exp": now() - 100})), "the token has expired"),
    ] {
        say(token, answer);
        let json = refused(&server, XOAuth2, "alice", token, reason);
        assert_eq!(json["scope"], "pop");
    }
    refused(&server, XOAuth2, "bob", "tok-good", "unknown token");
    // Withdrawn: forgotten with a reload.
    say("tok-good", json!({"active": false}));
    opens(&server, XOAuth2, "alice", "tok-good");
    issuer.behave(|it| it.is_away = true);
    unavailable(&server, "tok-another");
    issuer.behave(|it| it.is_away = false);
    drop(server);
    let server = serve(&introspection(&issuer, "").replace("s&cret", "other"), &[]);
    let Answer::Unavailable(line) = ask(&server, XOAuth2, "alice", "tok-good") else {
        panic!("{}", server.log())
    };
    assert!(line.starts_with("-ERR [SYS/PERM]"), "{line}");
    wait::until("the reason", || server.log().contains("correct client_id and password"));
}

#[test]
fn accounts_that_no_source_lists_are_opened_when_that_is_wanted() {
    let key = SigningKey::new("ES256", "one");
    let issuer = issuer(&[&key]);
    let server = serve(&jwks(&issuer, "accounts = \"any\""), &[]);
    let users = server.site().path().join("users");
    let text = std::fs::read_to_string(&users).unwrap();
    std::fs::write(&users, format!("{text}carol:!{{PLAIN}}secret\n")).unwrap();
    let token = |email: &str| key.token(&claims(&issuer, &json!({ "email": email })));
    let Answer::In(mut peer) = ask(&server, OAuthBearer, "dave", &token("dave@example.org")) else {
        panic!("{}", server.log())
    };
    assert!(peer.ok("STAT").starts_with("+OK 0 "));
    opens(&server, XOAuth2, "alice", &token("alice@example.org"));
    wait::until("the locked account", || {
        matches!(ask(&server, XOAuth2, "carol", &token("carol@example.org")), Answer::Refused(..))
    });
    wait::until("why", || server.log().contains("the account is locked"));
    refused(&server, XOAuth2, "eve", &token("eve@evil.example"), "no account that this issuer may open");
}

/// What `config check --connect` says of the source of tokens, and what it ends with.
fn connects(server: &Server) -> (i32, String) {
    server.restante(&["config", "check", "--connect"])
}

#[test]
fn keys_are_asked_for_before_anybody_logs_in_if_that_is_wanted() {
    let key = SigningKey::new("ES256", "one");
    let issuer = issuer(&[&key]);
    let server = serve(&jwks(&issuer, ""), &[]);
    let answers = format!("tokens of {}: answers", issuer.issuer());
    let (code, said) = connects(&server);
    assert!(code == 0 && said.contains(&answers), "{code}: {said}");
    issuer.behave(|it| it.is_away = true);
    let (code, said) = connects(&server);
    assert!(code == 69 && !said.contains(&answers) && said.contains("cannot be asked"), "{code}: {said}");
    for (keys, what) in
        [(Some("{}"), "is no set of keys"), (Some("{\"keys\": []}"), "has no key"), (None, "(jwks_uri)")]
    {
        issuer.behave(|it| (it.is_away, it.keys) = (false, keys.map(str::to_owned)));
        let (code, said) = connects(&server);
        assert!(code == 69 && said.contains(what), "{what}: {code}: {said}");
    }
    issuer.behave(|it| (it.issuer, it.keys) = (Some("https://other.example".to_owned()), Some(set(&[&key]))));
    let (code, said) = connects(&server);
    assert!(code == 69 && said.contains("is the document of another issuer"), "{code}: {said}");
}

#[test]
fn whoever_knows_of_tokens_is_asked_about_one_that_nobody_was_given() {
    let issuer = issuer(&[]);
    let server = serve(&introspection(&issuer, ""), &[]);
    let (code, said) = connects(&server);
    assert!(code == 0 && said.contains("/introspect: answers"), "{code}: {said}");
    assert_eq!(issuer.forms("/introspect")[0]["token"], "restante-probe");
    // One that takes every token for good would let everybody in.
    let active = json!({"active": true, "username": "alice", "scope": "pop"});
    issuer.behave(|it| drop(it.introspection.insert("restante-probe".to_owned(), active)));
    let (code, said) = connects(&server);
    assert!(code == 78 && said.contains("takes for good a token that nobody was given"), "{code}: {said}");
    issuer.behave(|it| it.is_away = true);
    let (code, said) = connects(&server);
    assert!(code == 69 && said.contains("cannot be asked"), "{code}: {said}");
    issuer.behave(|it| it.is_away = false);
    for (from, to, expected, what) in [
        ("s&cret", "other", 78, "does not let this server ask"),
        ("/introspect", "/elsewhere", 69, "answers with status 404"),
        ("/introspect", "/.well-known/openid-configuration", 78, "says of no token whether it is active"),
    ] {
        let server = serve(&introspection(&issuer, "").replace(from, to), &[]);
        let (code, said) = connects(&server);
        assert!(code == expected && said.contains(what), "{what}: {code}: {said}");
    }
}
