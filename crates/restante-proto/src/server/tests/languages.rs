//! Transcripts of UTF8 and LANG (RFC 6856).

use super::*;

const GREETING: &str = "S: +OK POP3 mail.example.org ready";

#[test]
fn r6856_2_1_1_utf8_takes_no_parameters() {
    check(
        world(),
        &[
            GREETING,
            "C: UTF8 x",
            "S: -ERR Too many arguments",
            "C: utf8",
            "S: +OK UTF-8 mode is on",
            // Once more changes nothing.
            "C: UTF8",
            "S: +OK UTF-8 mode is on",
        ],
    );
}

#[test]
fn r6856_2_1_utf8_is_announced_in_both_states_and_valid_before_login() {
    let mut run = world().start();
    run.receive(b"CAPA\r\nUSER a\r\nPASS secret\r\nCAPA\r\nUTF8\r\n");
    let said = String::from_utf8(run.said).unwrap();
    assert_eq!(said.matches("\r\nUTF8 USER\r\n").count(), 2, "{said}");
    assert_eq!(said.matches("\r\nLANG\r\n").count(), 2, "{said}");
    assert!(said.ends_with("-ERR Not possible in this state\r\n"), "{said}");
}

#[test]
fn r6856_2_1_2_utf8_that_is_not_offered_is_refused() {
    let mut world = world();
    world.policy.utf8 = false;
    let mut run = world.start();
    run.receive(b"CAPA\r\nUTF8\r\nLANG de\r\nNOOP\r\n");
    let said = String::from_utf8(run.said).unwrap();
    assert!(!said.contains("UTF8 USER"), "{said}");
    // What follows is still ASCII.
    let end = "-ERR UTF8 is not offered\r\n+OK de Ab jetzt auf Deutsch\r\n-ERR In diesem Zustand nicht moeglich\r\n";
    assert!(said.ends_with(end), "{said}");
}

#[test]
fn r6856_2_1_12_stls_after_utf8_is_refused() {
    let mut world = world();
    world.transport = Transport::PlainWithStls;
    let mut run = world.start();
    run.receive(b"CAPA\r\n");
    assert!(String::from_utf8_lossy(&run.said).contains("\r\nSTLS\r\n"));
    run.said.clear();
    run.receive(b"UTF8\r\nSTLS\r\nCAPA\r\n");
    let said = String::from_utf8(run.said).unwrap();
    assert!(said.starts_with("+OK UTF-8 mode is on\r\n-ERR STLS must come before UTF8\r\n"), "{said}");
    assert!(!said.contains("\r\nSTLS\r\n"), "{said}");
}

#[test]
fn r2595_4_6_stls_forgets_the_language() {
    let mut world = world();
    world.transport = Transport::PlainWithStls;
    check(
        world,
        &[
            GREETING,
            "C: LANG nl",
            "S: +OK nl Taal gewijzigd",
            "C: STLS",
            "S: +OK Begin de TLS-onderhandeling",
            "D: TLS",
            "C: STLS",
            "S: -ERR TLS is already active",
        ],
    );
}

#[test]
fn texts_are_ascii_before_utf8() {
    for language in Language::ALL {
        let mut run = world().start();
        run.receive(format!("LANG {}\r\nLANG\r\nSTLS\r\nUSER a\r\nPASS b\r\n", language.tag()).as_bytes());
        assert!(run.said.is_ascii(), "{}", run.said.escape_ascii());
    }
}

#[test]
fn r6856_2_2_8_octets_that_are_no_utf8_are_no_name_and_no_password() {
    for octets in [&b"\xC0\x80"[..], b"\xED\xA0\x80", b"\xF5\x80\x80\x80", b"\xC3", b"\xE9"] {
        let mut run = world().start();
        run.said.clear();
        let apop = [b"APOP ", octets, b" ", &[b'0'; 32], b"\r\n"].concat();
        run.receive(&[b"USER ", octets, b"\r\n", &apop, b"USER a\r\nPASS ", octets, b"\r\n"].concat());
        let expected = "-ERR Invalid argument\r\n-ERR Invalid argument\r\n+OK Send the password\r\n\
                        -ERR [AUTH] Wrong user name or password\r\n";
        assert_eq!(String::from_utf8_lossy(&run.said), expected);
    }
}

#[test]
fn r6856_2_2_1_user_and_pass_take_utf8_also_before_utf8() {
    let mut run = world().start();
    run.said.clear();
    run.receive("USER jürgen\r\nPASS größe\r\n".as_bytes());
    let said = String::from_utf8(run.said).unwrap();
    assert!(said.contains(r"D: USER <j\xc3\xbcrgen> <gr\xc3\xb6\xc3\x9fe>"), "{said}");
}

/// A server that does not offer UTF8 keeps to what was before: octets are octets.
#[test]
fn without_utf8_names_are_octets() {
    let mut world = world();
    world.policy.utf8 = false;
    let mut run = world.start();
    run.said.clear();
    run.receive(b"USER \xE9\r\nPASS \xE9\r\n");
    assert!(String::from_utf8_lossy(&run.said).contains(r"D: USER <\xe9> <\xe9>"));
}

#[test]
fn r6856_3_1_1_lang_is_valid_in_both_states() {
    check(
        world(),
        &[
            GREETING,
            "C: LANG es",
            "S: +OK es Idioma cambiado",
            "C: USER a",
            "S: +OK Envie la contrasena",
            "C: PASS secret",
            "D: USER <a> <secret>",
            "D: open",
            "S: +OK Mensajes: 3 (octetos: 34)",
            "C: RETR 9",
            "S: -ERR No existe ese mensaje",
            "C: LANG en",
            "S: +OK en This is the language from now on",
            "C: RETR 9",
            "S: -ERR No such message",
        ],
    );
}

#[test]
fn r6856_3_2_1_a_text_is_in_the_language_and_in_utf8() {
    check(
        world(),
        &[
            GREETING,
            "C: UTF8",
            "S: +OK UTF-8 mode is on",
            "C: LANG pl",
            "S: +OK pl Zmieniono język",
            "C: USER a",
            "S: +OK Podaj hasło",
            "C: PASS wrong",
            "D: USER <a> <wrong>",
            "S: -ERR [AUTH] Błędna nazwa użytkownika lub hasło",
        ],
    );
}

#[test]
fn r6856_3_2_2_after_a_failure_the_language_stays() {
    check(
        world(),
        &[
            GREETING,
            "C: LANG MUL",
            "S: -ERR Language not known",
            "C: LANG es",
            "S: +OK es Idioma cambiado",
            "C: LANG uga",
            "S: -ERR Idioma desconocido",
            "C: LANG e*",
            "S: -ERR Argumento no valido",
            "C: LANG de fr",
            "S: -ERR Demasiados argumentos",
            "C: NOOP",
            "S: -ERR No es posible en este estado",
        ],
    );
}

#[test]
fn r6856_3_2_3_the_argument_is_a_language_range() {
    for (range, tag) in [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("pt-BR-x-any", "pt"),
        ("i-default", "i-default"),
        ("en-GB", "en"),
    ] {
        let mut run = world().start();
        run.said.clear();
        run.receive(format!("LANG {range}\r\n").as_bytes());
        let said = String::from_utf8(run.said).unwrap();
        assert!(said.starts_with(&format!("+OK {tag} ")), "{range}: {said}");
    }
    for range in ["d", "deu", "de_AT", "-", "de--", "x-de"] {
        let mut run = world().start();
        run.said.clear();
        run.receive(format!("LANG {range}\r\n").as_bytes());
        let is_refused = run.said.starts_with(b"-ERR");
        assert_eq!(is_refused, range != "de--", "{range}: {}", run.said.escape_ascii());
    }
}

#[test]
fn r6856_3_2_4_the_asterisk_is_the_preferred_language() {
    let mut world = world();
    world.policy.language = Language::Italian;
    check(
        world,
        &[
            GREETING,
            // A session begins in English whatever is preferred.
            "C: NOOP",
            "S: -ERR Not possible in this state",
            "C: LANG *",
            "S: +OK it Lingua cambiata",
        ],
    );
}

#[test]
fn r6856_3_2_5_the_languages_are_listed_with_their_own_names() {
    let listing = |own: [&str; 3]| {
        let [french, spanish, portuguese] = own;
        vec![
            "S: i-default English (default)".to_string(),
            "S: en English".into(),
            "S: de Deutsch".into(),
            format!("S: fr {french}"),
            format!("S: es {spanish}"),
            "S: it Italiano".into(),
            format!("S: pt {portuguese}"),
            "S: nl Nederlands".into(),
            "S: pl Polski".into(),
            "S: .".into(),
        ]
    };
    let mut lines = vec![GREETING.to_string(), "C: LANG".into(), "S: +OK Languages follow".into()];
    lines.extend(listing(["Francais", "Espanol", "Portugues"]));
    lines.extend(["C: UTF8".into(), "S: +OK UTF-8 mode is on".into(), "C: LANG ".into()]);
    lines.push("S: +OK Languages follow".into());
    lines.extend(listing(["Français", "Español", "Português"]));
    check(world(), &lines.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn r6856_3_2_7_what_programs_read_is_never_translated() {
    for language in Language::ALL {
        let mut run = world().start();
        run.receive(format!("LANG {}\r\nUSER a\r\nPASS secret\r\n", language.tag()).as_bytes());
        run.said.clear();
        run.receive(b"STAT\r\nLIST 1\r\nUIDL 2\r\nLIST 9\r\n");
        let said = String::from_utf8(run.said).unwrap();
        assert!(said.starts_with("+OK 3 34\r\n+OK 1 26\r\n+OK 2 uid-2\r\n-ERR "), "{language:?}: {said}");
        assert!(said.lines().all(|line| line.len() <= 510), "{said}");
    }
}

/// The active language must tell nothing about accounts.
#[test]
fn r6856_7_1_no_name_and_no_password_changes_the_language() {
    let mut world = world();
    world.policy.language = Language::French;
    check(
        world,
        &[
            GREETING,
            "C: LANG *",
            "S: +OK fr Les reponses sont desormais en francais",
            "C: USER a",
            "S: +OK Envoyez le mot de passe",
            "C: PASS wrong",
            "D: USER <a> <wrong>",
            "S: -ERR [AUTH] Nom d'utilisateur ou mot de passe incorrect",
            "C: USER a",
            "S: +OK Envoyez le mot de passe",
        ],
    );
}
