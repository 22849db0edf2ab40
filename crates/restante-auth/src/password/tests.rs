//! Secrets in every scheme against what other programs made of the same password.

use super::*;

/// Made by `doveadm pw` 2.3.19 for the password `correct horse é`.
const VECTORS: &[&str] = &[
    "{PLAIN}correct horse é",
    "{CLEARTEXT}correct horse é",
    "{SHA512-CRYPT}$6$CL5MSH3QhXfc6jyQ$RxHwwz47XcvCwvfS/D9WSklI.qOxhPU.x1dPjbWhmZp6kTQyd33iU9KSj8unf3aaAm.9xWOZjZbkZpBiBQvUM1",
    "{SHA256-CRYPT}$5$CpjYRQVkhSbhQ6zp$Df2J3Er2bAwdd.2VFEHItwEBcbVQ7Ah9IM.fes1hWF2",
    "{BLF-CRYPT}$2y$05$un1Xc.mxaWCpY.Ea0olInOA5G6L5EgeI4sphY7QaObpseRjDjtxAK",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$2xFs4RsvD4Jw0/8rJg17bA$feer8RkC35uTKqDKndomwQff2tPOdPW9yQoIEljk1A8",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$Tg3K4i2Z50XZkfS1oxbj6Q$Kt/x97nU9Z14zozkvn1bBJjgcikSf8u6gRK6dbXvbm8",
    "{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE",
    "{SSHA256}L+VVMKkOL5pY5X7zjg9GZQ4UYwSufcuZavJjj0VtuReDBTsF",
    "{SSHA512}UKqKSmQg9UmucgBEkb0fQEazWSuRwLkk+kRME123U6LJvmEMXXkrvHqJbBodRO2VZfjNifQ8nCd+y2B5SUdDToLq+zU=",
    "{SHA}/8wfRUGm8tTSBrWrjhQj2hPe5cw=",
    "{SHA1}/8wfRUGm8tTSBrWrjhQj2hPe5cw=",
    "{SHA256}dnWSPHvvy1uKaWcqmYwmaT6nw3xnItNMK/+qBM7cqPQ=",
    "{SHA512}MXUDA5XJIbzCL1zkh0J7i80NgSYLy0kppdxSndOX8keOxPfn8WNZ3BcTFL16Vm5FkXJtjLC9zdTsz5NASNxjhg==",
    "{PBKDF2}$1$FuXRMIP6nJznMaRt$5000$f0e0c4848b64d4bf13b6140e0ee5d31da3e3b188",
    "{SCRAM-SHA-1}4096,CEga87DE1HNQR1ldafVoPg==,wzpaU5K2gX+SeH44dgx366+ti5w=,5Vni/Y+oJwci6Ysq4B2RxxWkXXs=",
    "{SCRAM-SHA-256}4096,9QDk/NU6XE2XuTknSaiZUA==,Pq/3Wc0Ua92szMouVBtfHcsP1UFfGQXMKU7Y9WQvz18=,RBj4OYXGUFH30dw4+8jzhHOAOvm8mBpq9lCgFZOdX8U=",
    "{SSHA.HEX}3e02a463227087a3d2808ca184cb3ee05ca5a2982176c9f3",
    "{SSHA512.HEX}cc0f085d9e7253df816549344e1dccf1dde228e507df45898d5cb75338aaf35770ee89cc97c3f223bc49e73a7bd831ed69d25976150a69707a595a34430e86ddaf6cfcf1",
    "{SHA256.HEX}7675923c7befcb5b8a69672a998c26693ea7c37c6722d34c2bffaa04cedca8f4",
    "{PLAIN.B64}Y29ycmVjdCBob3JzZSDDqQ==",
    "{SSHA.B64}/6MdDnJ831F5HQR2vkud1g3eA9IifHbo",
    "{SHA512-CRYPT.B64}JDYkd0l3VlNENXVDMEpnLkFXbSROVlEuSkNZUkRBQ2FOZjlPUTBwWTUzZjR2dHhsYmdFeXVFR1RRWnhUdjAzWlpSZjFCUjJVYUlJTE1lL29qSkFJdG1QY2xpemxLdFdYQ0JITHNXWk1qLg==",
    "{SHA512.HEX}3175030395c921bcc22f5ce487427b8bcd0d81260bcb4929a5dc529dd397f2478ec4f7e7f16359dc171314bd7a566e4591726d8cb0bdcdd4eccf934048dc6386",
    "{PLAIN.HEX}636f727265637420686f72736520c3a9",
    "{PBKDF2.B64}JDEkNFB3bWdrcmtwMG5iNW9oTyQ1MDAwJDFiYmY0NzhmNTk2YWZjYjgwNzllZTc4YWJkY2Q0NzY5ZDU5NGIzNDE=",
    "{SCRAM-SHA-256.B64}NDA5NiwyZTIyQWhyaGZQWUFmYndpWjcvY3NnPT0sdWRYa2hZTXJDSTNKcUFlbGV3N1AxMGR2b0E5MUt2SGIzcmk0NUc4QmNBOD0sNEtaSnIxRE1XK2g2RVZRandqWkk0MGRVK3BSR2kwRWVrTFdndXl1NWgrVT0=",
    // Made by libxcrypt 4.4.33.
    "{CRYPT}$y$j75$F5Jx5fExrKuPp53xLKQ..1$NgIZDP43mfrduG9LmkdzOJExkirMfxj1wQlchpqqtU5",
    "{YESCRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$9TkKKERdVuKYhkk1uNwVzBKreAu21NC0eub6A30nZmB",
    "{CRYPT}$7$8U..../....Mq4YHD2syxYT.MsH1Ek0n1$SBJ8ck2spTwo6a4/O2ZL2rHbPfb9aL.4TcXkFaXqED.",
];

/// The same for schemes that are weak.
const WEAK: &[&str] = &[
    "{SMD5}lExNKV+tQLTStgJvb+1Sp3jRVsI=",
    "{SMD5.HEX}13b7c2b4750aa13a8e76271381616f156a23b750",
    "{LDAP-MD5}mdTqo8SmDcMiisuCO4kkvg==",
    "{MD5}mdTqo8SmDcMiisuCO4kkvg==",
    "{PLAIN-MD5}99d4eaa3c4a60dc3228acb823b8924be",
    "{PLAIN-MD4}efc0ac80441a3f681e2bd2aaf1d61903",
    "{MD5}$1$AddEk4ry$VdQeyhqHYPKj2BiEzFv5S/",
    "{MD5-CRYPT}$1$lVqdvWen$61f6L5TGHlNoYBbVzelPF0",
    "{CRYPT}$1$lVqdvWen$61f6L5TGHlNoYBbVzelPF0",
    "{CRAM-MD5}90b3dd645c4b669d41d81c9892a045d8eb33468c94cbc20c9c2b240431ddc82f",
];

/// Made by `doveadm pw` of the first octets of `0123456789abcdef`, repeated.
const LONG: &[(usize, &str)] = &[
    (1, "{MD5-CRYPT}$1$8fp2AlsP$YgNMmjE85WV719PgHEQJp0"),
    (1, "{CRAM-MD5}2fa922ca1efdfe1cae7bc659f9dd1160b50a486b6cdf8444c267c4bd7e667b75"),
    (15, "{MD5-CRYPT}$1$5bjW42De$3wAnWrJFBXLx8IGYaSKyW/"),
    (15, "{CRAM-MD5}e12d052a875ffad3f29116e7ba389d8783660b77f6705074f8a01f12fe1a299f"),
    (16, "{MD5-CRYPT}$1$YUfZSDAb$kxAnWlGVp1uJA20zhK3H31"),
    (16, "{CRAM-MD5}3dc4384ab349bc475883cb39c785c9535a3abe693dbb1d8bdfa6ecac3b5b8845"),
    (17, "{MD5-CRYPT}$1$L8xABkrR$oUwwi5G1TgT1iTwi0rhah."),
    (17, "{CRAM-MD5}fab0a25c8860010c4a08d57b97b2a66abcc093c8f0acb420f36ebdc09c94fdaf"),
    (33, "{MD5-CRYPT}$1$.tpG4jjj$GJXYvWK1Fhl6X1SaHQaFz."),
    (33, "{CRAM-MD5}cc365e564ba4a7aab8349358565c14805d3f67d0f53bc7b82b9fde9be7c6763e"),
    (63, "{MD5-CRYPT}$1$aS2rrv90$EXhTzG8ON5Q/VKUWSGAAE/"),
    (63, "{CRAM-MD5}dcdb68a4850d70bb9adbdbaa131f30f1e36afade37c83d4bcc81adac9856fd35"),
    (64, "{MD5-CRYPT}$1$X4f5p71q$WVx7AYRgs3vFOZsVGJuve1"),
    (64, "{CRAM-MD5}9708e8edf551027ff8aa933157c7cf2d8ad93b8096bd603cab66c449e5f28ae0"),
    (65, "{MD5-CRYPT}$1$wd1wNukz$2WZrBhoMHUBmzB8AzF9zg/"),
    (65, "{CRAM-MD5}ef0e7ffe3dba62f0dfd32ac3e129d351da9ff55b37a29baff775f182489e011a"),
    (96, "{MD5-CRYPT}$1$dJcrjIFn$2MyygHtSRE6JgVjGH1S1K."),
    (96, "{CRAM-MD5}d5a97562599271fe91d18e6a08152fccdeea967ae1996d646208b41ded5eb613"),
];

fn parse(text: &str) -> Result<StoredPassword, InvalidStored> {
    StoredPassword::parse(text.as_bytes(), Scheme::Crypt)
}

#[test]
fn hashes_made_by_dovecot_fit_their_password_and_no_other() {
    for vector in VECTORS.iter().chain(WEAK) {
        let stored = parse(vector).unwrap_or_else(|why| panic!("{vector}: {why}"));
        assert_eq!(stored.is_weak(), WEAK.contains(vector), "{vector}");
        assert!(stored.is_there() && stored.fits("correct horse é".as_bytes()).unwrap(), "{vector}");
        for wrong in ["correct horse e", "", "correct horse", "correct horse é "] {
            assert!(!stored.fits(wrong.as_bytes()).unwrap(), "{vector} fits {wrong:?}");
        }
    }
}

#[test]
fn an_ntlm_hash_is_of_the_password_in_utf_16() {
    let stored = parse("{NTLM}8846F7EAEE8FB117AD06BDD830B7586C").unwrap();
    assert!(stored.fits(b"password").unwrap() && stored.is_weak());
    for wrong in [&b"Password"[..], b"", b"\xFF"] {
        assert!(!stored.fits(wrong).unwrap());
    }
}

#[test]
fn what_depends_on_the_length_of_a_password_fits_at_every_length() {
    // MD5-CRYPT takes it in pieces of 16 octets and bit by bit; HMAC hashes keys of more than 64.
    for (octets, vector) in LONG {
        let password = "0123456789abcdef".repeat(6);
        let password = &password[..*octets];
        assert!(parse(vector).unwrap().fits(password.as_bytes()).unwrap(), "{octets} {vector}");
    }
}

#[test]
fn rounds_other_than_the_usual_are_kept_to() {
    for vector in [
        "{SHA512-CRYPT}$6$rounds=1000$5XEWtq74wZIMuRYE$k/9cSvgo4b5FTIYqET94N0Ol5rQL5GXUj/JR47rqvs0qg8Sq5zyVoGpRQhf94MKjzuWPoH.G1/UKlq8PSM2r.1",
        "{CRYPT}$6$rounds=20000$GmlLbnWbeAtz6YAA$QOIuR2gwmQvIxk9JG7ftp49AziIfFs.ZLR6DD1YAfMOrLDk83khbMooKv4YO13tKDD5g5v9nsZxlZdVsuY3.f1",
        "{BLF-CRYPT}$2y$04$yTT72mEUXpWvPxn4k.Bsv.BrkLRWxiXeXikds1ed0cXJELAe3ebh2",
        "$2a$04$yTT72mEUXpWvPxn4k.Bsv.BrkLRWxiXeXikds1ed0cXJELAe3ebh2",
        "$2b$04$yTT72mEUXpWvPxn4k.Bsv.BrkLRWxiXeXikds1ed0cXJELAe3ebh2",
    ] {
        let stored = parse(vector).unwrap_or_else(|why| panic!("{vector}: {why}"));
        assert!(stored.fits(b"x").unwrap(), "{vector}");
        assert!(!stored.fits(b"y").unwrap(), "{vector}");
    }
}

#[test]
fn a_secret_without_scheme_is_known_by_its_prefix() {
    for vector in VECTORS.iter().filter(|vector| vector.contains("}$") && !vector.contains("PBKDF2")) {
        let bare = vector.split_once('}').unwrap().1;
        for default in [Scheme::Crypt, Scheme::Plain, Scheme::Ssha512] {
            assert!(
                StoredPassword::parse(bare.as_bytes(), default)
                    .unwrap()
                    .fits("correct horse é".as_bytes())
                    .unwrap(),
                "{bare}"
            );
        }
    }
    assert_eq!(parse("secret").unwrap_err(), InvalidStored::NoScheme);
    assert!(StoredPassword::parse(b"secret", Scheme::Plain).unwrap().fits(b"secret").unwrap());
}

#[test]
fn locked_accounts_fit_nothing() {
    for text in [
        "",
        "*",
        "!",
        "!!",
        "x",
        "!$6$CL5MSH3QhXfc6jyQ$RxHw",
        "{PLAIN}",
        "{CRYPT}!",
        "{CRYPT}*",
        "{ARGON2ID}",
    ] {
        let stored = parse(text).unwrap();
        assert!(stored.is_locked(), "{text}");
        for password in ["", "*", "!", "x", text] {
            assert!(!stored.fits(password.as_bytes()).unwrap(), "{text}");
        }
    }
    assert!(StoredPassword::parse(b"x", Scheme::Plain).unwrap().is_locked());
    assert!(StoredPassword::parse(b"{PLAIN}x", Scheme::Plain).unwrap().fits(b"x").unwrap());
    assert!(StoredPassword::parse(b"!secret", Scheme::Plain).unwrap().fits(b"!secret").unwrap());
}

#[test]
fn damaged_secrets_are_refused_when_read() {
    for (text, why) in [
        ("{PLAIN", InvalidStored::Braces),
        ("{ROT13}frperg", InvalidStored::UnknownScheme("ROT13".into())),
        ("{}x", InvalidStored::UnknownScheme(String::new())),
        ("{SSHA}v0a8uXFR", InvalidStored::Malformed(Scheme::Ssha)),
        ("{SSHA}/8wfRUGm8tTSBrWrjhQj2hPe5cw=", InvalidStored::Malformed(Scheme::Ssha)),
        ("{SSHA512}!!!!", InvalidStored::Malformed(Scheme::Ssha512)),
        ("{SHA256.hex}7675", InvalidStored::Malformed(Scheme::Sha256)),
        ("{SHA256.hex}767", InvalidStored::Malformed(Scheme::Sha256)),
        ("{PLAIN.b64}*", InvalidStored::Malformed(Scheme::Plain)),
        ("{SHA512-CRYPT}$6$salt$short", InvalidStored::Malformed(Scheme::Sha512Crypt)),
        ("{SHA512-CRYPT}$6$$", InvalidStored::Malformed(Scheme::Sha512Crypt)),
        ("{SHA256-CRYPT}$6$CL5MSH3QhXfc6jyQ$RxHww", InvalidStored::Malformed(Scheme::Sha256Crypt)),
        ("{CRYPT}$1$abcdefgh$kT.kC1nDmEkCFDcMTJEpy", InvalidStored::Malformed(Scheme::Md5Crypt)),
        ("{MD5-CRYPT}$1$abcdefghi$kT.kC1nDmEkCFDcMTJEpy0", InvalidStored::Malformed(Scheme::Md5Crypt)),
        ("{SMD5}CiNLIhyS7oLtHQtHRD5mSw==", InvalidStored::Malformed(Scheme::Smd5)),
        ("{CRAM-MD5}614231cf7592188dd7135920", InvalidStored::Malformed(Scheme::CramMd5)),
        ("$y$j9T$abc", InvalidStored::Malformed(Scheme::Yescrypt)),
        (
            "$y$j9T//$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC",
            InvalidStored::Malformed(Scheme::Yescrypt),
        ),
        (
            "{CRYPT}$7$CU..../...$JyHIxez0DOwm0r6.kAIohc8UFBOLU4xX8a1wGBpLrw7",
            InvalidStored::Malformed(Scheme::Scrypt),
        ),
        ("{CRYPT}MH8a2KU35TD/A", InvalidStored::Broken("DES-CRYPT")),
        ("{des-crypt}MH8a2KU35TD/A", InvalidStored::Broken("DES-CRYPT")),
        ("{OTP}sha1 1024 9bc22c66703a3a84 2e432cfbbe44b176", InvalidStored::Broken("OTP")),
        ("{BLF-CRYPT}$2y$05$un1Xc", InvalidStored::Malformed(Scheme::BlfCrypt)),
        (
            "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$2xFs4RsvD4Jw0",
            InvalidStored::Malformed(Scheme::Argon2id),
        ),
        (
            "{PBKDF2}$1$salt$0$f0e0c4848b64d4bf13b6140e0ee5d31da3e3b188",
            InvalidStored::Malformed(Scheme::Pbkdf2),
        ),
        (
            "{PBKDF2}$1$salt$-1$f0e0c4848b64d4bf13b6140e0ee5d31da3e3b188",
            InvalidStored::Malformed(Scheme::Pbkdf2),
        ),
        ("{PBKDF2}$1$salt$5000$f0e0", InvalidStored::Malformed(Scheme::Pbkdf2)),
        ("{SCRAM-SHA-256}4096,9QDk/NU6XE2XuTknSaiZUA==,Pq/3", InvalidStored::Malformed(Scheme::ScramSha256)),
        ("{SCRAM-SHA-256}0,AA==,AA==,AA==", InvalidStored::Malformed(Scheme::ScramSha256)),
    ] {
        assert_eq!(parse(text).unwrap_err(), why, "{text}");
    }
}

#[test]
fn secrets_that_would_take_for_ever_are_refused_when_read() {
    let hash86 = "a".repeat(86);
    for text in [
        format!("{{SHA512-CRYPT}}$6$rounds=999999999$salt${hash86}"),
        format!("{{SHA512-CRYPT}}$6$rounds=99999999999999$salt${hash86}"),
        "{BLF-CRYPT}$2y$31$un1Xc.mxaWCpY.Ea0olInOA5G6L5EgeI4sphY7QaObpseRjDjtxAK".to_owned(),
        "{ARGON2ID}$argon2id$v=19$m=4194304,t=3,p=1$2xFs4RsvD4Jw0/8rJg17bA$feer8RkC35uTKqDKndomwQff2tPOdPW9yQoIEljk1A8".to_owned(),
        "{ARGON2ID}$argon2id$v=19$m=65536,t=99999999,p=1$2xFs4RsvD4Jw0/8rJg17bA$feer8RkC35uTKqDKndomwQff2tPOdPW9yQoIEljk1A8".to_owned(),
        "{PBKDF2}$1$salt$4000000000$f0e0c4848b64d4bf13b6140e0ee5d31da3e3b188".to_owned(),
        "$y$jTT$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC".to_owned(),
        "$7$TU..../....Mq4YHD2syxYT.MsH1Ek0n1$JyHIxez0DOwm0r6.kAIohc8UFBOLU4xX8a1wGBpLrw7".to_owned(),
        "$7$CU.....zzz.Mq4YHD2syxYT.MsH1Ek0n1$JyHIxez0DOwm0r6.kAIohc8UFBOLU4xX8a1wGBpLrw7".to_owned(),
    ] {
        assert_eq!(parse(&text).unwrap_err(), InvalidStored::TooCostly, "{text}");
    }
}

#[test]
fn scram_verifiers_are_those_of_rfc_5802_and_rfc_7677() {
    // The exchanges of RFC 5802 section 5 and RFC 7677 section 3 give salt and count; the server signature ends them.
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD;
    for (hash, salt, message, signature) in [
        (
            Hash::Sha1,
            "QSXCR+Q6sek8bf92",
            "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
            "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (
            Hash::Sha256,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ] {
        let verifier = ScramVerifier::derive(hash, b"pencil", base64.decode(salt).unwrap(), 4096);
        assert_eq!(base64.encode(hash.hmac(&verifier.server_key, message.as_bytes())), signature);
        assert!(verifier.fits(b"pencil"));
        assert!(!verifier.fits(b"pencils"));
    }
}

#[test]
fn new_verifiers_fit_and_differ_each_time() {
    let (first, second) = (
        make::verifiers(b"secret", &make::ScramChoice::default()).unwrap(),
        make::verifiers(b"secret", &make::ScramChoice::default()).unwrap(),
    );
    assert_ne!(first.argon2id, second.argon2id);
    assert_ne!(first.scram[0], second.scram[0]);
    let stored = parse(&first.argon2id).unwrap();
    assert!(stored.fits(b"secret").unwrap() && !stored.fits(b"Secret").unwrap());
    assert!(first.scram[0].fits(b"secret") && !first.scram[0].fits(b"Secret"));
}

#[test]
fn the_decoy_costs_what_a_real_secret_costs() {
    let decoy = make::decoy();
    let real = make::verifiers(b"secret", &make::ScramChoice::default()).unwrap().argon2id;
    let Form::Argon2(text) = &decoy.form else { panic!("not argon2") };
    assert!(parse(text).is_ok(), "its library would refuse it without any work");
    let parameters = |text: &str| text.rsplit('$').nth(2).map(str::to_owned);
    assert_eq!(parameters(text), parameters(&real));
    assert_eq!(text.len(), real.len());
}

#[test]
fn nothing_prints_a_secret() {
    for vector in VECTORS.iter().chain(WEAK) {
        let printed = format!("{:?}", parse(vector).unwrap());
        let secret = vector.split_once('}').unwrap().1;
        assert!(!printed.contains(secret) && printed.len() < 40, "{printed}");
    }
    let verifiers = make::verifiers(b"hunter2", &make::ScramChoice::default()).unwrap();
    assert_eq!(format!("{verifiers:?}"), "Verifiers { .. }");
    assert_eq!(format!("{:?}", verifiers.scram[0]), "ScramVerifier(Sha256, 16384 iterations)");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in proptest::collection::vec(proptest::num::u8::ANY, 0..120), plain: bool) {
        let _ = StoredPassword::parse(&text, if plain { Scheme::Plain } else { Scheme::Crypt });
    }

    #[test]
    fn no_damage_to_a_sound_secret_makes_it_panic(which in 0..VECTORS.len() + WEAK.len(), at: usize, octet: u8) {
        let all: Vec<&str> = VECTORS.iter().chain(WEAK).copied().collect();
        let mut text = all[which].as_bytes().to_vec();
        let at = at % text.len();
        text[at] = octet;
        let _ = StoredPassword::parse(&text, Scheme::Crypt);
    }
}
