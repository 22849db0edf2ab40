//! The files of other programs that collect mail: any text is refused with a line that it has, or becomes a `fetch.toml` that is
//! accepted and says nothing that it should hide.
#![no_main]

use std::collections::BTreeSet;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use restante_fetch::config::{self, place};
use restante_fetch::import::{Around, ImportError, Kind, Known, Passwords, read, render, state};

fuzz_target!(|input: &[u8]| {
    let Some((&form, octets)) = input.split_first() else { return };
    let kind = Kind::ALL[usize::from(form & 3)];
    match (form & 4, std::str::from_utf8(octets)) {
        (0, Ok(text)) => configuration(kind, text),
        (0, Err(_)) => {}
        _ => unique_ids(kind, octets),
    }
});

fn configuration(kind: Kind, text: &str) {
    let around = Around { user: "esr", netrc: Some(b"machine mail.example.org login esr password x\n") };
    let imported = match read(kind, text, &around) {
        Ok(imported) => imported,
        Err(error) => return refused(&error, text.as_bytes()),
    };
    let wanted = imported.accounts.iter().filter(|account| account.set_aside.is_none()).count();
    for passwords in [Passwords::Shown, Passwords::Hidden] {
        let rendered = render(&imported, Path::new("/home/esr/rc"), passwords);
        let rendered = std::str::from_utf8(rendered.expose()).expect("it is text");
        let around = place::Around {
            home: Some(Path::new("/home/esr")),
            environment: &|_| Some("/home/esr".into()),
            is_root: false,
            mode: Some(0o600),
        };
        match config::parse(rendered, Path::new("/home/esr/fetch.toml"), &around) {
            Ok(config) => assert_eq!(config.accounts.len(), wanted, "{rendered}"),
            // No account is what is wrong then, and nothing else.
            Err(problems) if wanted == 0 => {
                assert!(problems.iter().all(|problem| problem.line == 0), "{problems:?}\n{rendered}")
            }
            Err(problems) => panic!("{problems:?}\n{rendered}"),
        }
    }
}

fn unique_ids(kind: Kind, octets: &[u8]) {
    let known = Known { path: "ids".into(), host: "mail.example.org".into(), user: "esr".into() };
    match state(kind, octets, &known) {
        Ok(ids) => {
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            assert!(ids.iter().map(|id| id.len()).sum::<usize>() <= octets.len());
            assert!(ids.iter().all(|id| !id.is_empty() && !id.contains(&b'\n')));
        }
        Err(error) => refused(&error, octets),
    }
}

fn refused(error: &ImportError, text: &[u8]) {
    let lines = text.split(|&octet| octet == b'\n').count();
    assert!((1..=lines).contains(&error.line), "{error}");
    assert!(!error.what.is_empty());
}
