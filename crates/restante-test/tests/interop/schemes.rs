//! Stored passwords between Dovecot and us: what `doveadm pw` makes we check, and what we make `doveadm pw -t` checks.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use restante_auth::password::make::{self, ScramChoice};
use restante_auth::password::scram::ScramVerifier;
use restante_auth::password::{Hash, InvalidStored, Scheme, StoredPassword};
use restante_test::real::program;

/// Passwords that are short, long, with and without ASCII; none begins with `-` or ends with a space, which doveadm would take amiss.
const PASSWORDS: [&str; 4] = [
    "x",
    "correct horse \u{e9} battery \u{2603}",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "01234567890123456789012345678901234567890123456789012345678901234567890",
];

/// What Dovecot knows and we do not read.
const BROKEN: [&str; 7] = ["DES-CRYPT", "LANMAN", "OTP", "SKEY", "RPA", "DIGEST-MD5", "PLAIN-TRUNC"];

fn doveadm(arguments: &[&str]) -> (bool, String) {
    let doveadm = program("doveadm", "dovecot-core");
    let output = Command::new(doveadm).arg("pw").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap().trim().to_owned())
}

#[test]
fn every_scheme_that_dovecot_makes_we_check_or_refuse_by_name() {
    let (is_listed, schemes) = doveadm(&["-l"]);
    assert!(is_listed && schemes.contains("SSHA512") && schemes.contains("CRAM-MD5"), "{schemes}");
    for scheme in schemes.split_whitespace() {
        for password in PASSWORDS {
            // Below Dovecot's own costs where it lets us choose: this is not about them.
            let rounds: &[&str] = match scheme {
                "SHA256-CRYPT" | "SHA512-CRYPT" => &["-r", "1000"],
                "BLF-CRYPT" | "CRYPT" => &["-r", "4"],
                _ => &[],
            };
            let (is_made, made) =
                doveadm(&[&["-s", scheme, "-p", password, "-u", "bob@example.org"], rounds].concat());
            assert!(is_made, "{scheme}: {made}");
            let stored = StoredPassword::parse(made.as_bytes(), Scheme::Crypt);
            if BROKEN.contains(&scheme) {
                assert_eq!(stored.unwrap_err(), InvalidStored::Broken(scheme_name(scheme)), "{made}");
                continue;
            }
            let stored = stored.unwrap_or_else(|why| panic!("{made}: {why}"));
            assert!(stored.fits(password.as_bytes()).unwrap(), "{made} of {password}");
            assert!(!stored.fits(&password.as_bytes()[1..]).unwrap(), "{made} of {password}");
            let is_of_md = scheme.contains("MD4") || scheme.contains("MD5");
            assert_eq!(stored.is_weak(), is_of_md, "{made}");
        }
    }
}

fn scheme_name(scheme: &str) -> &'static str {
    BROKEN.into_iter().find(|known| *known == scheme).unwrap()
}

fn written_as_dovecot(verifier: &ScramVerifier) -> String {
    let scheme = if verifier.hash == Hash::Sha1 { "SCRAM-SHA-1" } else { "SCRAM-SHA-256" };
    let [salt, stored, server] =
        [&verifier.salt, &*verifier.stored_key, &*verifier.server_key].map(|octets| STANDARD.encode(octets));
    format!("{{{scheme}}}{},{salt},{stored},{server}", verifier.iterations)
}

#[test]
fn what_we_make_dovecot_checks() {
    let choice = ScramChoice { hashes: vec![Hash::Sha1, Hash::Sha256], iterations: 4096 };
    for password in PASSWORDS {
        let made = make::verifiers(password.as_bytes(), &choice).unwrap();
        let mut written = vec![format!("{{ARGON2ID}}{}", made.argon2id)];
        written.extend(made.scram.iter().map(written_as_dovecot));
        for stored in written {
            let (is_right, said) = doveadm(&["-t", &stored, "-p", password]);
            assert!(is_right && said.ends_with("(verified)"), "{stored} of {password}: {said}");
            let (is_right, said) = doveadm(&["-t", &stored, "-p", "wrong"]);
            assert!(!is_right, "{stored}: {said}");
        }
    }
}
