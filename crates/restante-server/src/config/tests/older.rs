//! The configuration of what older POP had: POP2, boards, submission.

use super::super::*;
use super::{LEAST, folder, problems, read, same_lines};

#[test]
fn r937_p_1_1_pop2_listens_on_port_109_unless_told_otherwise() {
    let folder = folder();
    let text = "[[listen]]\nprotocol = \"pop2\"\n[auth]\nplaintext_without_tls = \"always\"\n";
    let text = format!("{text}{LEAST}");
    let config = read(&folder, &text).unwrap();
    let [listen] = config.listen.as_slice() else { panic!("{:?}", config.listen) };
    assert_eq!((listen.protocol, listen.tls), (Protocol::Pop2, TlsMode::Off));
    assert_eq!(listen.address.to_string(), "0.0.0.0:109");
    assert_eq!(config.warnings, []);
    assert_eq!(read(&folder, &config.show()).unwrap().listen, config.listen);
}

#[test]
fn pop2_needs_a_way_to_take_a_password() {
    let listen = |more: &str| format!("[[listen]]\nprotocol = \"pop2\"\n{more}");
    let tls = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    same_lines(
        &problems(&format!("{}{tls}{LEAST}", listen("tls = \"starttls\"\n"))),
        &["3: POP2 knows no STARTTLS"],
    );
    let never = "[auth]\nplaintext_without_tls = \"never\"\n";
    same_lines(
        &problems(&format!("{}{never}{LEAST}", listen(""))),
        &["1: POP2 on 0.0.0.0:109 takes passwords in clear, which auth.plaintext_without_tls forbids"],
    );
    let config = read(&folder(), &format!("{}{LEAST}", listen(""))).unwrap();
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.what.contains("refuses everybody but programs of this machine"), "{warning:?}");
    let good = format!("{}{never}{tls}{LEAST}", listen("tls = \"implicit\"\n"));
    assert_eq!(read(&folder(), &good).unwrap().warnings, []);
}

/// What is shown, read again. Keys that have no effect are shown too, and warned of.
fn again(folder: &tempfile::TempDir, config: &Config) -> Config {
    Config { warnings: Vec::new(), ..read(folder, &config.show()).unwrap() }
}

#[test]
fn boards_have_names_and_folders_that_are_there() {
    let text = r#"[[board]]
name = "news"
path = "."
archive = "old"

[[board]]
name = "NEWS"
path = "here"

[[board]]
name = ".dot"
path = "here"

[[board]]
name = "two words"

[[board]]
path = "here"
paht = "x"
"#;
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("here/cur")).unwrap();
    let name = folder.path().display().to_string();
    let problems = read(&folder, &format!("{text}{LEAST}")).expect_err("wrong");
    let found: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.line, problem.what.replace(&name, ".")))
        .collect();
    same_lines(
        &found,
        &[
            "3: ./. is no Maildir",
            "4: ./old is no Maildir",
            "7: there are two boards \"NEWS\"",
            "11: board.2.name: \".dot\" is no name that a client can say",
            "14: a board without path",
            "15: board.3.name: \"two words\" is no name that a client can say",
            "17: a board without name",
            "19: board.4.paht: there is no such key",
        ],
    );
}

#[test]
fn boards_and_xlst_are_off_unless_written_and_shown_as_written() {
    let folder = folder();
    let config = read(&folder, LEAST).unwrap();
    assert_eq!((config.boards.len(), config.pop3.xlst), (0, false));
    std::fs::create_dir_all(folder.path().join("news/cur")).unwrap();
    std::fs::create_dir_all(folder.path().join("old/cur")).unwrap();
    let boards = "[pop3]\nxlst = true\n[[board]]\nname = \"news\"\npath = \"news\"\narchive = \"old\"\n";
    let config = read(&folder, &format!("{boards}{LEAST}")).unwrap();
    assert_eq!(config.boards[0].path.as_deref(), Some(folder.path().join("news").as_path()));
    assert_eq!(again(&folder, &config), config);
}

#[test]
fn submission_has_one_way_and_a_place_for_messages() {
    let wrong = |text: &str| problems(&format!("state_dir = \".\"\n[submission]\n{text}\n{LEAST}"));
    same_lines(&wrong(""), &["2: submission has neither command nor relay"]);
    same_lines(
        &wrong("command = [\"/bin/true\"]\nrelay = \"smtp://127.0.0.1\""),
        &["4: submission has two ways: command and relay"],
    );
    same_lines(
        &wrong("command = [\"sendmail\", \"-t\"]"),
        &["3: submission.command: \"sendmail\" is no full path of a program"],
    );
    same_lines(&wrong("command = []"), &["3: submission.command: \"\" is no full path of a program"]);
    for relay in
        ["127.0.0.1:25", "smtps://x", "smtp://", "smtp://x:0", "smtp://a b", "smtp://x:y", "smtp://[::1]x"]
    {
        same_lines(
            &wrong(&format!("relay = {relay:?}")),
            &[
                "2: submission has neither command nor relay",
                &format!("3: submission.relay: {relay:?} is no SMTP server"),
            ],
        );
    }
    same_lines(
        &wrong("relay = \"smtp://[::1]:2525\"\nspool_dir = \"missing\"\nfrom = \"all\"\nrecipients_max = 0"),
        &[
            "4: submission: the folder ./missing for messages on their way does not exist",
            "5: submission.from: \"all\" is not known",
            "6: submission.recipients_max = 0 is out of bounds",
        ],
    );
}

#[test]
fn submission_is_off_unless_written_and_shown_as_written() {
    let folder = folder();
    assert_eq!(read(&folder, LEAST).unwrap().submission.way(), None);
    assert!(!read(&folder, LEAST).unwrap().show().contains("submission"));
    for way in [
        "command = [\"/bin/true\", \"-f\", \"{sender}\"]",
        "relay = \"smtp://[::1]:2525\"",
        "relay = \"smtp://localhost\"",
    ] {
        let text = format!("state_dir = \".\"\n[submission]\n{way}\nfrom = \"any\"\n{LEAST}");
        let config = read(&folder, &text).unwrap();
        assert_eq!(config.warnings, []);
        assert_eq!(again(&folder, &config), config);
    }
    let doubtful = |way: &str| {
        read(&folder, &format!("state_dir = \".\"\n[submission]\n{way}\n{LEAST}")).unwrap().warnings
    };
    let sendmail = doubtful("command = [\"/nonexistent/sendmail\"]");
    assert!(sendmail[0].what.contains("behind the server's walls"), "{sendmail:?}");
    assert!(sendmail[1].what.contains("does not exist"), "{sendmail:?}");
    assert_eq!(doubtful("command = [\"/nonexistent/sendmail\"]\n[server]\nconfine = \"off\"").len(), 1);
    assert!(doubtful("relay = \"smtp://mail.example.org\"")[0].what.contains("in clear"));
}
