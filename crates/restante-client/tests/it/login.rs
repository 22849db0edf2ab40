//! From a URL and a password to what is said.

use restante_client::connect::{Address, Security, Tls};
use restante_client::error::Error;
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pop3::Client;
use restante_proto::client::choice::Unfit;
use restante_proto::client::request::InitialResponse;
use restante_proto::secret::Secret;
use restante_proto::url::PopUrl;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::identity::{Authority, settings};
use crate::script::{Act, acts, serve};

fn password() -> Means {
    Means::Password(Secret::new(b"tanstaaftanstaaf".to_vec()))
}

/// Logs in by a URL to a server in clear that follows `script`.
async fn in_clear(url: &str, means: Means, plaintext: Plaintext, script: &str) -> Result<(), Error> {
    let (address, server) = serve(acts(script)).await;
    let url = PopUrl::parse(url).unwrap();
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    let result = client.log_in(Wish { user: url.user(), auth: url.auth(), means, plaintext }).await;
    drop(client);
    server.await.unwrap();
    result
}

#[tokio::test]
async fn r2384_4_1_a_url_without_a_user_makes_no_login() {
    let script = "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: .";
    let result = in_clear("pop://h", password(), Plaintext::Everywhere, script).await;
    assert!(matches!(result, Err(Error::NoUser)), "{result:?}");
}

#[tokio::test]
async fn r2384_4_3_apop_in_the_url_is_apop_on_the_wire() {
    // The example of RFC 2384 section 7, with a password of our own.
    let script = "S: +OK POP3 server ready <1896.697170952@mail.eudora.com>
         C: CAPA
         S: -ERR
         C: APOP rg 8f5de26536bc248ba202a9ca612e71bd
         S: +OK mailbox has 1 message (369 octets)";
    let means = Means::Password(Secret::new(b"secret".to_vec()));
    in_clear("pop://rg;AUTH=+APOP@h", means, Plaintext::WithTls, script).await.unwrap();
}

#[tokio::test]
async fn r2384_4_4_the_safest_common_mechanism() {
    // The example of RFC 2195 section 2.
    let script = "S: +OK hi
         C: CAPA
         S: +OK
         S: USER
         S: SASL PLAIN CRAM-MD5
         S: .
         C: AUTH CRAM-MD5
         S: + PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+
         C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw
         S: +OK";
    in_clear("pop://tim@h", password(), Plaintext::WithTls, script).await.unwrap();
}

#[tokio::test]
async fn r2384_4_5_a_mechanism_that_is_refused_is_the_last() {
    let offered = "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: SASL PLAIN LOGIN\nS: .";
    let result = in_clear("pop://u;AUTH=SCRAM-SHA-256@h", password(), Plaintext::Everywhere, offered).await;
    assert!(matches!(result, Err(Error::NoWay(Unfit::NotOffered))), "{result:?}");
    let refused = format!("{offered}\nC: AUTH PLAIN AHUAdGFuc3RhYWZ0YW5zdGFhZg==\nS: -ERR no");
    let result = in_clear("pop://u;AUTH=PLAIN@h", password(), Plaintext::Everywhere, &refused).await;
    assert!(matches!(result, Err(Error::Login { .. })), "{result:?}");
}

#[tokio::test]
async fn r2384_4_8_no_password_in_clear() {
    let script = "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: .";
    let result = in_clear("pop://u;AUTH=*@h", password(), Plaintext::WithTls, script).await;
    assert!(
        matches!(&result, Err(error @ Error::NoWay(Unfit::NeedsTls)) if !error.is_temporary()),
        "{result:?}"
    );
    let script = format!("{script}\nC: USER u\nS: +OK\nC: PASS tanstaaftanstaaf\nS: +OK");
    in_clear("pop://u;AUTH=*@h", password(), Plaintext::Everywhere, &script).await.unwrap();
}

/// Logs in to a server with TLS from the first octet.
async fn under_tls(url: &str, means: Means, script: &str) -> Result<(), Error> {
    let authority = Authority::new();
    let mut all = vec![Act::Tls(authority.issue_for(&["localhost"]).config())];
    all.extend(acts(script));
    let (address, server) = serve(all).await;
    let security = Security::Implicit(Tls::with_roots(authority.roots(), "localhost").unwrap());
    let url = PopUrl::parse(url).unwrap();
    let mut client = Client::connect(&address, security, settings()).await.unwrap();
    let wish = Wish { user: url.user(), auth: url.auth(), means, plaintext: Plaintext::WithTls };
    let result = client.log_in(wish).await;
    drop(client);
    server.await.unwrap();
    result
}

#[tokio::test]
async fn r8314_5_5_2_a_certificate_logs_in_with_external() {
    let listed = "S: +OK hi\nC: CAPA\nS: +OK\nS: SASL EXTERNAL PLAIN\nS: .";
    for (url, said) in
        [("pops://h", "="), ("pops://fred@h", "ZnJlZA=="), ("pops://fred;AUTH=EXTERNAL@h", "ZnJlZA==")]
    {
        let script = format!("{listed}\nC: AUTH EXTERNAL {said}\nS: +OK");
        under_tls(url, Means::Certificate, &script).await.unwrap();
    }
    // A server that has not seen it, or does not take it, does not offer EXTERNAL.
    let unlisted = "S: +OK hi\nC: CAPA\nS: +OK\nS: SASL PLAIN\nS: .";
    let result = under_tls("pops://fred@h", Means::Certificate, unlisted).await;
    assert!(matches!(result, Err(Error::NoWay(Unfit::NotOffered))), "{result:?}");
}

#[tokio::test]
async fn tokens_and_nobody() {
    let script = "S: +OK hi\nC: CAPA\nS: +OK\nS: SASL PLAIN XOAUTH2 ANONYMOUS\nS: .\n";
    let token_in = |initial_response| Means::Token { token: Secret::new(b"tok".to_vec()), initial_response };
    let token = || token_in(InitialResponse::WhenShort);
    let said = format!("{script}C: AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHRvawEB\nS: +OK");
    under_tls("pops://u@h", token(), &said).await.unwrap();
    // XOAUTH2-Microsoft.1
    let said = format!("{script}C: AUTH XOAUTH2\nS: + \nC: dXNlcj11AWF1dGg9QmVhcmVyIHRvawEB\nS: +OK");
    under_tls("pops://u@h", token_in(InitialResponse::Never), &said).await.unwrap();
    let said = format!("{script}C: AUTH ANONYMOUS =\nS: +OK");
    under_tls("pops://h", Means::Nothing, &said).await.unwrap();
    let result = in_clear("pop://u@h", token(), Plaintext::Everywhere, script).await;
    assert!(matches!(result, Err(Error::NoWay(Unfit::NeedsTls))), "{result:?}");
}

#[tokio::test]
async fn scram_is_bound_to_the_connection_it_goes_over() {
    let authority = Authority::new();
    let config = authority.issue_for(&["localhost"]).config();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tokio_rustls::TlsAcceptor::from(config).accept(stream).await.unwrap();
        let exporter = stream.get_ref().1;
        let exported =
            exporter.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"+OK hi\r\n").await.unwrap();
        stream.flush().await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream.write_all(b"+OK\r\nSASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n.\r\n").await.unwrap();
        stream.flush().await.unwrap();
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        let first = decoded(line.trim_end().strip_prefix("AUTH SCRAM-SHA-256-PLUS ").unwrap());
        let first = String::from_utf8(first).unwrap();
        let nonce = first.strip_prefix("p=tls-exporter,,n=u,r=").unwrap();
        let challenge = format!("r={nonce}server,s=c2FsdHNhbHQ=,i=4096");
        stream.write_all(format!("+ {}\r\n", encoded(challenge.as_bytes())).as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        stream.write_all(b"-ERR [AUTH] no\r\n").await.unwrap();
        stream.flush().await.unwrap();
        let last = String::from_utf8(decoded(line.trim_end())).unwrap();
        let binding = decoded(last.strip_prefix("c=").unwrap().split(',').next().unwrap());
        assert_eq!(binding, [&b"p=tls-exporter,,"[..], &exported].concat());
    });
    let security = Security::Implicit(Tls::with_roots(authority.roots(), "localhost").unwrap());
    let address = Address::Tcp { host: "127.0.0.1".into(), port };
    let mut client = Client::connect(&address, security, settings()).await.unwrap();
    let url = PopUrl::parse("pops://u@h").unwrap();
    let wish = Wish { user: url.user(), auth: url.auth(), means: password(), plaintext: Plaintext::WithTls };
    assert!(matches!(client.log_in(wish).await, Err(Error::Login { .. })));
    server.await.unwrap();
}

fn encoded(octets: &[u8]) -> String {
    let mut text = Vec::new();
    restante_proto::sasl::encode_base64(octets, &mut text);
    String::from_utf8(text).unwrap()
}

fn decoded(text: &str) -> Vec<u8> {
    restante_proto::sasl::decode_base64(text.as_bytes()).unwrap().expose().to_vec()
}

#[tokio::test]
async fn r5034_4_28_no_password_before_the_certificate_is_verified() {
    let authority = Authority::new();
    let issued = authority.issue_for(&["mail.example"]);
    for (host, is_right) in [("mail.example", true), ("other.example", false)] {
        let mut script = acts("S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: SASL PLAIN\nS: .\nC: STLS\nS: +OK");
        script.push(Act::Tls(issued.config()));
        if is_right {
            let rest =
                "C: CAPA\nS: +OK\nS: SASL PLAIN\nS: .\nC: AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\nS: +OK";
            script.extend(acts(rest));
        }
        let (address, server) = serve(script).await;
        let security = Security::Stls(Tls::with_roots(authority.roots(), host).unwrap());
        match Client::connect(&address, security, settings()).await {
            Ok(mut client) => {
                let url = PopUrl::parse("pop://tim;AUTH=PLAIN@mail.example").unwrap();
                let (user, auth) = (url.user(), url.auth());
                let wish = Wish { user, auth, means: password(), plaintext: Plaintext::WithTls };
                client.log_in(wish).await.unwrap();
                assert!(is_right);
            }
            // The script says that nothing is sent any more.
            Err(error) => assert!(!is_right && matches!(error, Error::Certificate { .. }), "{error:?}"),
        }
        server.await.unwrap();
    }
}
