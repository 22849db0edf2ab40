//! Lines of a passwd-file, good and bad.

use proptest::prelude::*;

use super::*;

fn reader(default: Scheme) -> Reader {
    Reader { addresses: address::Settings::default(), default, allow_weak_schemes: false }
}

fn read(text: &str) -> Result<Parsed, Vec<Problem>> {
    parse(text.as_bytes(), &reader(Scheme::Crypt))
}

#[test]
fn a_weak_secret_is_a_problem_of_its_line_unless_it_is_allowed() {
    let text = "alice:{PLAIN}x1\nbob:$1$lVqdvWen$61f6L5TGHlNoYBbVzelPF0\n";
    let found = problems(text);
    assert_eq!(
        found,
        [
            "line 2: bob: the secret is stored in a weak scheme; set the password anew, or set allow_weak_schemes = true in [auth] \
          until everybody has"
        ]
    );
    let allowing = Reader { allow_weak_schemes: true, ..reader(Scheme::Crypt) };
    assert_eq!(parse(text.as_bytes(), &allowing).ok().unwrap().table.len(), 2);
    let found = problems("carol:{DES-CRYPT}MH8a2KU35TD/A\n");
    assert_eq!(
        found,
        [
            "line 1: carol: the scheme DES-CRYPT is broken and is not read; set the password anew with another scheme, for instance \
          ARGON2ID"
        ]
    );
}

fn problems(text: &str) -> Vec<String> {
    read(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn all_the_forms_of_a_line_are_read() {
    let parsed = read(concat!(
        "# users of example.org\r\n",
        "\n",
        "  \t\n",
        "alice:{PLAIN}secret\n",
        "Bob:{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE:1000:1000:Bob,,,:/home/bob:/bin/sh:userdb_mail=maildir:~/Maildir\r\n",
        "carol@example.org:{PLAIN} with spaces :::::: \n",
        "dave:$5$CpjYRQVkhSbhQ6zp$Df2J3Er2bAwdd.2VFEHItwEBcbVQ7Ah9IM.fes1hWF2:::::/x:userdb_home=/srv/dave other=1\n",
        "erin:\n",
        "frank:*::::/home/frank\n",
        "grace:{PLAIN}last line without end",
    ))
    .unwrap_or_else(|problems| panic!("{problems:?}"));
    let record = |name: &str| {
        let record = parsed.table.record(name).unwrap_or_else(|| panic!("{name}"));
        (std::str::from_utf8(record.secret).unwrap(), std::str::from_utf8(record.home).unwrap())
    };
    assert_eq!(parsed.table.len(), 7);
    assert_eq!(record("alice"), ("{PLAIN}secret", ""));
    assert_eq!(record("bob"), ("{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE", "/home/bob"));
    assert_eq!(record("carol"), ("{PLAIN} with spaces ", ""));
    assert_eq!(record("dave").1, "/srv/dave");
    assert_eq!(record("erin"), ("", ""));
    assert_eq!(record("frank"), ("*", "/home/frank"));
    assert_eq!(record("grace").0, "{PLAIN}last line without end");
    assert!(parsed.census.plain > 0 && parsed.doubts.is_empty());
}

#[test]
fn all_problems_are_told_at_once_with_line_and_remedy() {
    let found = problems(concat!(
        "alice:{PLAIN}x1\n",
        "no colon\n",
        "../etc:{PLAIN}x1\n",
        "bob:secret\n",
        "ALICE@example.org:{PLAIN}x1\n",
        "carol:{ROT13}x1\n",
        "dave:{PLAIN}x1::::relative:\n",
        "erin+lists:{PLAIN}x1\n",
    ));
    assert_eq!(
        found,
        [
            "line 2: there is no colon; write name:{SCHEME}secret, or begin the line with # if it is a comment",
            "line 3: ../etc: the name holds a character that is not allowed; rename the account or remove the line",
            "line 4: bob: the secret names no scheme and has no prefix of a known one; put the scheme in front, as in {PLAIN}secret, or set default_scheme for this source",
            "line 5: the account alice stands on line 1 already; remove one of the two lines",
            "line 6: carol: the scheme {ROT13} is not known; use one of PLAIN, CRYPT, SHA256-CRYPT, SHA512-CRYPT, BLF-CRYPT, YESCRYPT, SCRYPT, ARGON2I, ARGON2ID, SHA, SHA256, SHA512, SSHA, SSHA256, SSHA512, PBKDF2, SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-512, each also with .b64 or .hex",
            "line 7: dave: the home relative is not an absolute path; begin it with / or leave it empty",
            "line 8: erin+lists: the name holds the character that separates details; rename the account, or choose another detail separator",
        ]
    );
}

#[test]
fn foreign_domains_and_too_long_lines_are_problems() {
    let ours = address::Settings { domains: vec!["example.org".into()], ..address::Settings::default() };
    let found = parse(b"bob@example.edu:{PLAIN}x1\n", &Reader { addresses: ours, ..reader(Scheme::Crypt) })
        .err()
        .unwrap();
    assert!(found[0].remedy.contains("domains"), "{found:?}");
    assert!(problems(&format!("bob:{{PLAIN}}{}", "x".repeat(70_000)))[0].contains("too long"));
    assert!(problems(&format!("{}:{{PLAIN}}x1", "x".repeat(300)))[0].contains("longer than 255"));
}

#[test]
fn a_file_of_another_kind_is_not_listed_in_full() {
    let found = problems(&"nonsense\n".repeat(1_000));
    assert_eq!(found.len(), PROBLEMS_MAX + 1);
    assert!(found.last().unwrap().contains("950 more lines"), "{found:?}");
}

#[test]
fn restrictions_lock_the_account_and_raise_doubts() {
    let parsed = read(concat!(
        "alice:{PLAIN}x1::::::nologin\n",
        "bob:{PLAIN}x1::::::userdb_x=y allow_nets=192.0.2.0/24\n",
        "carol:::::::nopassword=y\n",
        "dave:{PLAIN.hex}7831::::::nologins=0 k=nologin\n",
    ))
    .unwrap_or_else(|problems| panic!("{problems:?}"));
    let is_locked = |name: &str| parsed.table.record(name).unwrap().secret.is_empty();
    assert!(is_locked("alice") && is_locked("bob") && is_locked("carol") && !is_locked("dave"));
    let lines: Vec<_> = parsed.doubts.iter().map(|doubt| doubt.line.unwrap()).collect();
    assert_eq!(lines, [1, 2, 3]);
    assert!(parsed.doubts[1].what.contains("allow_nets"));
}

#[test]
fn no_problem_repeats_a_secret() {
    let text = "bob:hunter2hunter2\nbob2:{SSHA}hunter2hunter2\nbob3:{X}hunter2hunter2\n";
    let found = problems(text).join(" ");
    assert!(!found.contains("hunter2"), "{found}");
}

proptest! {
    #[test]
    fn no_octets_make_the_reader_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&text, &reader(Scheme::Plain));
    }

    #[test]
    fn no_lines_make_the_reader_panic(text in "([a-cA-C.+@/]{0,3}(:|::)?(\\{(PLAIN|SSHA|CRYPT)\\}|\\$6\\$)?[ -~]{0,9}[\r\n#]?){0,12}") {
        if let Ok(parsed) = parse(text.as_bytes(), &reader(Scheme::Crypt)) {
            for index in 0..parsed.table.len() {
                let record = parsed.table.nth(index).unwrap();
                prop_assert_eq!(parsed.table.record(record.name), Some(record));
                prop_assert!(StoredPassword::parse(record.secret, Scheme::Crypt).is_ok());
            }
        }
    }
}
