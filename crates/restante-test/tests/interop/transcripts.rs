//! The sessions of real clients, replayed: see `restante_test::replay` for the files in `transcripts/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use restante_test::real::{Server, Setup};
use restante_test::replay::{Cut, Recording, Way, messages};

use crate::kind;

/// One test a file, and a test that no file is missing.
macro_rules! transcripts {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_transcript_is_replayed() {
            let files: BTreeSet<String> = fs::read_dir(folder())
                .unwrap()
                .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            assert_eq!(files, BTreeSet::from([$(stringify!($name).to_owned()),*]));
        }
    };
}

transcripts! {
    claws,
    claws_without_uidl,
    curl,
    curl_apop,
    curl_auth_login,
    curl_commands,
    curl_initial_response,
    evolution,
    fdm,
    fetchmail_delete,
    fetchmail_fetchall,
    fetchmail_keep,
    fetchmail_last,
    getmail,
    gmail_fetcher,
    javamail,
    k9,
    mailkit,
    mailkit_probe,
    mpop,
    neomutt,
    net_pop3,
    outlook,
    outlook_express,
    poplib,
    thunderbird,
    thunderbird_91,
    thunderbird_headers,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/transcripts")
}

/// Replays a file every way it can go, as written and octet by octet, on a fresh server each.
fn replay(name: &str) {
    let text = fs::read_to_string(folder().join(format!("{name}.pop3"))).unwrap();
    let recording = Recording::parse(&text);
    let mut runs: Vec<(Way, Cut)> = recording.ways.iter().map(|&way| (way, Cut::AsWritten)).collect();
    runs.push((recording.ways[0], Cut::Octets));
    for (way, cut) in runs {
        let mail = vec![("alice".to_owned(), messages())];
        let restante = recording.pop3.iter().map(|line| ("pop3".to_owned(), line.clone())).collect();
        // LAST is the only key that a recording needs so far.
        let dovecot = if recording.pop3.is_empty() { vec![] } else { vec!["pop3_enable_last = yes"] };
        let setup = Setup { mail, apop: recording.apop, restante, dovecot, ..Setup::default() };
        let server = Server::start(kind(), &setup);
        recording.replay(&server, way, cut);
        let left: Vec<Vec<u8>> = recording
            .left
            .iter()
            .map(|number| restante_test::mail::canonical(&messages()[number - 1]))
            .collect();
        assert!(
            server.retrieve_all("alice") == left,
            "{name} over {way:?}, {cut:?}: not left is what should be"
        );
    }
}
