//! UTF8 and LANG as a client may use them (RFC 6856).

use super::argument::LanguageRange;
use super::*;

fn with_user(method: Method) -> Request {
    let password = Secret::new("größe".as_bytes().to_vec());
    Request::Login(Login::of(method, "jürgen".as_bytes(), password).unwrap())
}

#[test]
fn r6856_2_1_11_no_stls_after_utf8() {
    let mut driver = Driver::with_capabilities("UTF8\r\nSTLS\r\n");
    driver.session.submit(Request::Utf8).unwrap();
    driver.session.submit(Request::StartTls).unwrap();
    assert_eq!(driver.run_lines("+OK\r\n"), Ok(End::Idle));
    assert_eq!(driver.log, "C: UTF8\n= done\n= TlsAfterUtf8\n");
    assert!(driver.session.is_utf8());
    // A server that refused UTF8 is not in UTF-8 mode.
    let mut driver = Driver::with_capabilities("UTF8\r\nSTLS\r\n");
    driver.session.submit(Request::Utf8).unwrap();
    driver.session.submit(Request::StartTls).unwrap();
    assert_eq!(driver.run_lines("-ERR\r\n+OK\r\n"), Ok(End::Idle));
    assert!(driver.log.contains("C: STLS\n"), "{}", driver.log);
    assert!(!driver.session.is_utf8());
}

#[test]
fn utf8_comes_before_the_login() {
    let mut driver = Driver::with_capabilities("UTF8\r\n");
    driver.session.submit(login(Method::UserPass)).unwrap();
    driver.session.submit(Request::Utf8).unwrap();
    driver.run_lines("+OK\r\n+OK\r\n").unwrap();
    assert!(driver.log.ends_with("= done\n= Utf8AfterLogin\n"), "{}", driver.log);
}

#[test]
fn r6856_2_2_6_with_user_announced_names_may_be_utf8_even_before_utf8() {
    let mut driver = Driver::with_capabilities("UTF8 USER\r\n");
    driver.session.submit(with_user(Method::UserPass)).unwrap();
    driver.run_lines("+OK\r\n+OK\r\n").unwrap();
    let spoken = String::from_utf8(driver.spoken()).unwrap();
    assert!(spoken.ends_with("USER jürgen\r\nPASS größe\r\n"), "{spoken}");
    assert!(driver.session.is_logged_in());
}

#[test]
fn r6856_2_2_7_without_user_announced_no_utf8_is_sent() {
    for method in [Method::UserPass, Method::Apop] {
        for capabilities in ["UTF8\r\n", "USER\r\n"] {
            let mut driver = Driver::with_capabilities(capabilities);
            driver.session.submit(with_user(method)).unwrap();
            assert_eq!(driver.run_lines(""), Ok(End::Idle));
            assert_eq!(driver.log, "= NeedsUtf8User\n");
        }
    }
    // A SASL mechanism has rules of its own (R6856-2.2.9).
    let mut driver = Driver::with_capabilities("SASL PLAIN\r\n");
    driver.session.submit(with_user(Method::Sasl(Mechanism::Plain))).unwrap();
    driver.run_lines("+OK\r\n").unwrap();
    assert!(driver.session.is_logged_in());
}

#[test]
fn a_login_that_cannot_be_sent_is_told_in_its_turn() {
    // Else it would be taken for the answer to UTF8, and the answer to UTF8 for that of the login.
    play(
        || {
            Driver::with_capabilities("PIPELINING\r\nUTF8\r\n")
                .submit(Request::Utf8)
                .submit(with_user(Method::UserPass))
                .submit(Request::Stat)
        },
        "+OK\r\n+OK 0 0\r\n",
        "C: UTF8
         = done
         = NeedsUtf8User
         C: STAT
         = stat 0 0
         = done",
    );
}

#[test]
fn r6856_7_2_no_language_before_tls() {
    let language = || Request::Language(LanguageRange::new("de-AT").unwrap());
    let mut driver = Driver::with_capabilities("LANG\r\nSTLS\r\n");
    driver.session.submit(language()).unwrap();
    driver.session.submit(Request::StartTls).unwrap();
    assert_eq!(driver.run_lines("+OK\r\n"), Ok(End::Idle));
    driver.session.submit(language()).unwrap();
    driver.run_lines("+OK de\r\n").unwrap();
    assert_eq!(driver.log, "= LanguageBeforeTls\nC: STLS\n= handshake\n= done\nC: LANG de-AT\n= done\n");
}

#[test]
fn a_language_cannot_be_another_command() {
    for range in ["", "de fr", "de\r\nQUIT", "d\u{e9}", "**"] {
        assert_eq!(LanguageRange::new(range), Err(InvalidRequest::Language), "{range:?}");
    }
}
