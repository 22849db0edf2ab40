//! UTF8 and LANG over a connection (RFC 6856).

use restante_client::connect::Security;
use restante_client::error::Error;
use restante_client::pop3::{Client, Settings};
use restante_proto::client::NotPossible;
use restante_proto::client::request::Login;
use restante_proto::sasl::Method;
use restante_proto::secret::Secret;

use crate::script::{PATIENT, acts, serve};

fn settings() -> Settings {
    Settings { deadlines: PATIENT, ..Settings::default() }
}

fn login() -> Login {
    Login::of(Method::UserPass, b"fred", Secret::new(b"secret".to_vec())).unwrap()
}

async fn logged_in(script: &str, settings: Settings) -> Client {
    let (address, server) = serve(acts(script)).await;
    let mut client = Client::connect(&address, Security::None, settings).await.unwrap();
    client.capabilities().await.unwrap();
    client.login(login()).await.unwrap();
    server.await.unwrap();
    client
}

#[tokio::test]
async fn r6858_5_2_utf8_comes_before_the_login_where_it_is_listed() {
    let listed = "S: +OK hi\nC: CAPA\nS: +OK\nS: UTF8\nS: .\n";
    let login = "C: USER fred\nS: +OK\nC: PASS secret\nS: +OK";
    let client = logged_in(&format!("{listed}C: UTF8\nS: +OK\n{login}"), settings()).await;
    assert!(client.is_utf8());
    // A server may refuse it all the same.
    let client = logged_in(&format!("{listed}C: UTF8\nS: -ERR no\n{login}"), settings()).await;
    assert!(!client.is_utf8());
    // Whoever wants a surrogate gets it, and a server that lists no UTF8 is not asked.
    let without = Settings { utf8: false, ..settings() };
    assert!(!logged_in(&format!("{listed}{login}"), without).await.is_utf8());
    let unlisted = "S: +OK hi\nC: CAPA\nS: +OK\nS: TOP\nS: .\n";
    assert!(!logged_in(&format!("{unlisted}{login}"), settings()).await.is_utf8());
}

#[tokio::test]
async fn r6856_7_2_a_language_waits_for_tls() {
    let script = "S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: LANG\nS: .\nC: CAPA\nS: +OK\nS: LANG\nS: .\nC: LANG de\nS: +OK de";
    let (address, server) = serve(acts(script)).await;
    let mut client = Client::connect(&address, Security::None, settings()).await.unwrap();
    client.capabilities().await.unwrap();
    let refused = client.language("de").await;
    assert!(matches!(refused, Err(Error::NotPossible(NotPossible::LanguageBeforeTls))), "{refused:?}");
    client.capabilities().await.unwrap();
    client.language("de").await.unwrap();
    server.await.unwrap();
}
