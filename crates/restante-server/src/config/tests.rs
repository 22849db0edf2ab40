//! Configurations, good and bad: what they mean, and what is said about them.

mod checkpassword;
mod dovecot;
mod http;
mod ldap;
mod limits;
mod mbox;
mod older;
mod source;
mod sql;
mod system;
mod tls;
mod token;

use super::source::{AnySource, AuthSource, FileSource};
use super::token::TokenSource;
use super::*;
use restante_config::value::Size;
use std::fs;
use tempfile::TempDir;

/// A folder with an accounts file and a certificate pair.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("users"), "bob:{PLAIN}secret\n").unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["mail.example.org".to_owned()]).unwrap();
    fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    for name in ["users", "key.pem"] {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(folder.path().join(name), private).unwrap();
    }
    folder
}

fn read(folder: &TempDir, text: &str) -> Result<Config, Vec<Problem>> {
    parse(text, &folder.path().join("restante.toml"))
}

/// The problems as `line: what`.
fn problems(text: &str) -> Vec<String> {
    let folder = folder();
    let problems = read(&folder, text).expect_err("the text is wrong");
    let name = folder.path().display().to_string();
    problems.iter().map(|problem| format!("{}: {}", problem.line, problem.what.replace(&name, "."))).collect()
}

const LEAST: &str = "[[auth.source]]\npath = \"users\"\n";

#[test]
fn the_least_configuration_serves_pop3_on_port_110() {
    let folder = folder();
    let config = read(&folder, LEAST).unwrap();
    assert_eq!(config.warnings, []);
    let [listen] = config.listen.as_slice() else { panic!("{:?}", config.listen) };
    assert_eq!((listen.protocol, listen.tls), (Protocol::Pop3, TlsMode::Off));
    assert_eq!(listen.address.to_string(), "0.0.0.0:110");
    let users = FileSource { path: Some(folder.path().join("users")) };
    let own = AuthSource::File(users);
    assert_eq!(config.sources, [SourceTable { any: AnySource::default(), own }]);
    assert_eq!(config.maildrop.path.to_string(), "/var/mail/{account}");
    assert_eq!(config.limits.autologout_s, 600);
}

#[test]
fn r8314_4_1_a_certificate_adds_port_995_and_stls() {
    let text = format!("{LEAST}[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    let config = read(&folder(), &text).unwrap();
    let listeners: Vec<_> =
        config.listen.iter().map(|listen| (listen.address.to_string(), listen.tls)).collect();
    let expected =
        [("0.0.0.0:110".to_owned(), TlsMode::StartTls), ("0.0.0.0:995".to_owned(), TlsMode::Implicit)];
    assert_eq!(listeners, expected);
}

#[test]
fn every_fault_is_reported_at_once_with_its_line() {
    let text = r#"hostname = "mail example"
statedir = "/var/lib/restante"

[[listen]]
protocol = "pop3"
adress = "0.0.0.0:110"

[[listen]]
protocol = "lmtp"
address = "127.0.0.1:25"

[[listen]]
protocol = "pop3"
address = "0.0.0.0:1100"
tls = "implicit"

[[listen]]
protocol = "pop3"
address = "0.0.0.0:1100"

[[listen]]
protocol = "imap"
address = "nowhere"

[[listen]]
protocol = "http"
address = "0.0.0.0:80"

[auth]
plaintext_without_tls = "sometimes"
mechanisms = ["PLAIN", "GSSAPI"]
detail = "++"

[[auth.source]]
type = "file"
path = "missing"

[maildrop]
path = "/var/mail"
file_mode = 600
trash = "0 days"

[limits]
autologout_s = 60
sessions = "many"
session_per_address = 3

[logs]
"#;
    same_lines(
        &problems(text),
        &[
            "1: hostname: \"mail example\" is no host name",
            "2: statedir: there is no such key",
            "4: a listener without address",
            "6: listen.0.adress: there is no such key",
            "10: LMTP must not be spoken on port 25 (RFC 2033, 5)",
            "15: 0.0.0.0:1100 needs TLS, but there is no certificate",
            "19: 0.0.0.0:1100 is listened on twice, first in line 14",
            "22: listen.4.protocol: \"imap\" is not known",
            "23: listen.4.address: \"nowhere\" is no address",
            "26: listen.5.protocol: \"http\" is not served in this version",
            "30: auth.plaintext_without_tls: \"sometimes\" is not known",
            "31: auth.mechanisms: \"GSSAPI\" is no mechanism of this version",
            "32: auth.detail: \"++\" is not one character, or one that may separate a detail",
            "36: the accounts in ./missing cannot be read: No such file or directory (os error 2)",
            "39: maildrop.path: /var/mail is one and the same for all accounts",
            "40: maildrop.file_mode: 600 is not written in octal",
            "41: maildrop.trash: nothing can be kept for no time",
            "44: limits.autologout_s = 60 is out of bounds",
            "45: limits.sessions: this is a string, but a whole number is wanted",
            "46: limits.session_per_address: there is no such key",
            "48: logs: there is no such key",
        ],
    );
}

/// Compares line by line, so that a failure shows the line.
#[track_caller]
fn same_lines(found: &[String], expected: &[&str]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn remedies_name_the_nearest_key_and_the_file() {
    let folder = folder();
    let found = read(&folder, &format!("{LEAST}[limits]\nsesions = 3\n")).unwrap_err();
    let [problem] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(problem.remedy, "did you mean \"sessions\"?");
    let shown = problem.to_string();
    assert!(shown.starts_with(&format!("{}/restante.toml:4: error: ", folder.path().display())), "{shown}");
}

#[test]
fn text_that_is_not_toml_is_reported_with_its_line() {
    let found = problems("hostname = \"mail.example.org\"\n[listen\n\n[auth]\nname = local\n");
    assert!(found.iter().any(|problem| problem.starts_with("2: this is not TOML")), "{found:?}");
    assert!(found.iter().any(|problem| problem.starts_with("5: this is not TOML")), "{found:?}");
}

#[test]
fn tables_that_are_no_tables_are_reported() {
    same_lines(
        &problems(&format!("limits = 3\nlisten = \"0.0.0.0:110\"\n{LEAST}")),
        &["1: limits is written as a whole number, but is a table", "2: listen is written as a string"],
    );
}

#[test]
fn certificate_and_key_must_be_there_and_fit() {
    let key_alone = format!("{LEAST}[tls]\nkey = \"key.pem\"\n");
    assert_eq!(problems(&key_alone), ["4: a key without certificate"]);
    let missing = format!("{LEAST}[tls]\ncertificate = \"none.pem\"\nkey = \"key.pem\"\n");
    let found = problems(&missing);
    assert_eq!(
        found,
        ["4: tls: the certificate ./none.pem cannot be used: No such file or directory (os error 2)"]
    );
    let swapped = format!("{LEAST}[tls]\ncertificate = \"cert.pem\"\nkey = \"users\"\n");
    assert!(
        problems(&swapped)[0].starts_with("5: tls: the key ./users cannot be used"),
        "{:?}",
        problems(&swapped)
    );

    let folder = folder();
    let other = rcgen::generate_simple_self_signed(vec!["other.example".to_owned()]).unwrap();
    fs::write(folder.path().join("key.pem"), other.signing_key.serialize_pem()).unwrap();
    let found =
        read(&folder, &format!("{LEAST}[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n")).unwrap_err();
    assert!(found[0].what.contains("does not belong to the certificate"), "{found:?}");
}

#[test]
fn a_key_that_everybody_can_read_is_a_warning() {
    let folder = folder();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(folder.path().join("key.pem"), open).unwrap();
    let config =
        read(&folder, &format!("{LEAST}[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n")).unwrap();
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert_eq!((warning.line, warning.severity), (5, Severity::Warning));
    assert!(warning.what.contains("(permissions 0644)"), "{warning}");
}

#[test]
fn a_user_whom_the_server_cannot_become_is_refused() {
    let with = |lines: &str| format!("[server]\n{lines}\n{LEAST}");
    for (lines, line, why) in [
        ("user = \"no-such-user\"", 2, "cannot become \"no-such-user\": there is no user"),
        ("user = \"root\"", 2, "cannot become \"root\": this is root"),
        ("user = \"0\"", 2, "cannot become \"0\": this is root"),
        ("user = \"4000000001\"", 2, "has no group of its own: set server.group"),
        ("user = \"nobody\"\ngroup = \"no-such-group\"", 2, "there is no group \"no-such-group\""),
        ("group = \"daemon\"", 2, "server.group, but no server.user"),
    ] {
        let found = problems(&with(lines));
        let [found] = found.as_slice() else { panic!("{found:?}") };
        assert!(found.starts_with(&format!("{line}: ")) && found.contains(why), "{lines}: {found}");
    }
    for lines in ["user = \"nobody\"", "user = \"4000000001\"\ngroup = \"4000000002\""] {
        let config = read(&folder(), &with(lines)).unwrap();
        assert_eq!(config.warnings, [], "{lines}");
        assert!(config.show().contains("user = "), "{lines}");
    }
}

// R2033-5.1
#[test]
fn r2033_5_1_lmtp_on_port_25_is_refused_and_far_lmtp_warned_of() {
    let listen = |address: &str| format!("[[listen]]\nprotocol = \"lmtp\"\naddress = \"{address}\"\n{LEAST}");
    assert_eq!(problems(&listen("[::1]:25")), ["3: LMTP must not be spoken on port 25 (RFC 2033, 5)"]);
    let config = read(&folder(), &listen("0.0.0.0:24")).unwrap();
    assert!(
        config.warnings[0].what.starts_with("LMTP on 0.0.0.0:24 can be reached"),
        "{:?}",
        config.warnings
    );
    assert_eq!(read(&folder(), &listen("127.0.0.1:24")).unwrap().warnings, []);
    assert_eq!(read(&folder(), &listen("unix:lmtp.sock")).unwrap().warnings, []);
}

// R1939-4.2
#[test]
fn r1939_4_2_a_configuration_under_which_nobody_can_log_in_is_refused() {
    let found = problems(&format!("[auth]\nuser_pass = false\nmechanisms = []\n{LEAST}"));
    assert_eq!(found, ["3: USER, APOP and all SASL mechanisms are switched off: nobody can log in"]);
    assert_eq!(
        problems(""),
        ["0: there is no source of accounts: nobody can log in and no mail can be delivered"]
    );
}

#[test]
fn sockets_need_a_folder_and_a_free_name() {
    let listen = |path: &str| format!("[[listen]]\nprotocol = \"lmtp\"\naddress = \"unix:{path}\"\n{LEAST}");
    assert_eq!(problems(&listen("none/lmtp")), ["3: the folder of the socket ./none/lmtp does not exist"]);
    assert_eq!(problems(&listen("users")), ["3: ./users exists and is no socket"]);
    let long = "x".repeat(120);
    assert_eq!(
        problems(&listen(&long)),
        ["3: listen.0.address: the path of a unix socket has at most 107 octets"]
    );
}

#[test]
fn accounts_of_two_domains_never_share_a_maildrop() {
    let text = format!("[auth]\nname = \"address\"\n{LEAST}[maildrop]\npath = \"/mail/{{local}}\"\n");
    assert_eq!(
        problems(&text),
        ["6: maildrop.path: with /mail/{local}, bob@one.example and bob@two.example share a maildrop"]
    );
}

#[test]
fn show_gives_a_configuration_that_reads_back_the_same() {
    let folder = folder();
    let path = folder.path().display();
    let text = format!(
        r#"
hostname = "mail.example.org"
state_dir = "state"
[[listen]]
protocol = "pop3"
address = "127.0.0.1:1110"
[[listen]]
protocol = "lmtp"
address = "unix:{path}/a \"quoted\\name"
mode = 0o666
[[listen]]
protocol = "pop3"
address = "fd:pop3s"
tls = "implicit"
[tls]
certificate = "cert.pem"
key = "key.pem"
minimum = "1.3"
[auth]
plaintext_without_tls = "never"
mechanisms = ["PLAIN"]
name = "address"
domains = ["example.org", "exämple.org"]
default_domain = "example.org"
detail = ""
[[auth.source]]
path = "users"
domains = ["exämple.org", "EXAMPLE.ORG"]
part = "passwords"
[[auth.source]]
type = "embedded"
part = "settings"
[maildrop]
path = "{{home}}/Maildir"
create = false
marker = "mounted"
line_ends = "crlf"
syncs = "shared"
file_mode = "0640"
trash = "36 hours"
expire = "1 day"
expire_from = "delivery"
[pop3]
utf8 = false
surrogates = "as-stored"
language = "pt"
[limits]
sessions = 7
[log]
format = "json"
target = "file"
path = "log"
"#
    );
    let config = read(&folder, &text).map_err(|problems| format!("{problems:#?}")).unwrap();
    let shown = config.show();
    let again = parse(&shown, Path::new("/elsewhere/restante.toml")).unwrap();
    let plain = |config: &Config| Config { warnings: Vec::new(), ..config.clone() };
    assert_eq!(plain(&again), plain(&config), "{shown}");
    assert_eq!(again.show(), shown);
}

#[test]
fn r9325_3_2_1_the_port_for_tls_alone_is_there_without_being_asked_for() {
    let text = format!("{LEAST}[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    let config = read(&folder(), &text).unwrap();
    let pop3s: Vec<_> = config.listen.iter().filter(|listen| listen.tls == TlsMode::Implicit).collect();
    assert_eq!(pop3s.len(), 1);
    assert_eq!(pop3s[0].address.to_string(), "0.0.0.0:995");
}

#[test]
fn workarounds_are_switched_by_name() {
    use restante_proto::quirk::{Quirk, Quirks};
    let text = format!("{LEAST}[pop3]\nquirks = [\"oe-ns-eoh\", \"-bare-auth\"]\n");
    let config = read(&folder(), &text).unwrap();
    let wanted = Quirks::default().with(Quirk::OeNsEoh, true).with(Quirk::BareAuth, false);
    assert_eq!(config.pop3.quirks.0, wanted);
    assert!(config.show().contains("quirks = [\"-bare-auth\", \"oe-ns-eoh\"]"), "{}", config.show());
    assert_eq!(
        problems(&format!("{LEAST}[pop3]\nquirks = [\"outlook-no-nul\"]\n")),
        ["4: pop3.quirks: \"outlook-no-nul\" is not known"]
    );
    assert_eq!(problems(&format!("{LEAST}[pop3]\nquirks = true\n")), ["4: pop3.quirks: this is no list"]);
}

#[test]
fn proxies_are_networks_and_their_tls_needs_them() {
    let listen = "[[listen]]\nprotocol = \"pop3\"\naddress = \"127.0.0.1:110\"\n";
    let text = format!("{LEAST}{listen}proxy_from = [\"192.0.2.0/24\", \"unix\"]\nproxy_tls = true\n");
    let folder = folder();
    let config = read(&folder, &text).unwrap();
    assert_eq!(config.listen[0].proxy_from.len(), 2);
    let again = parse(&config.show(), Path::new("/elsewhere/restante.toml")).unwrap();
    assert_eq!(again.listen, config.listen);
    assert_eq!(
        problems(&format!("{LEAST}{listen}proxy_tls = true\n")),
        ["6: proxy_tls without a proxy that ends the clients' TLS"]
    );
    assert_eq!(
        problems(&format!("{LEAST}{listen}proxy_from = [\"localhost\"]\n")),
        ["6: listen.0.proxy_from: \"localhost\" is no network"]
    );
}

#[test]
fn a_language_that_there_is_not_is_named() {
    let text = format!("[pop3]\nlanguage = \"german\"\n{LEAST}");
    let found = problems(&text);
    assert_eq!(found, ["2: pop3.language: \"german\" is not known"]);
    assert_eq!(problems(&format!("[pop3]\nutf8 = \"yes\"\n{LEAST}")).len(), 1);
    assert_eq!(problems(&format!("[pop3]\nsurrogates = \"simple\"\n{LEAST}")).len(), 1);
    assert_eq!(
        problems(&format!("[pop3]\nutf8 = false\nsurrogates = \"refuse\"\n{LEAST}")),
        ["3: messages that need UTF8 are refused, and UTF8 is not offered: nobody could retrieve them"]
    );
}

#[test]
fn a_relative_path_of_maildrops_reads_back_the_same() {
    // Found by fuzzing: the folder in front was a piece of its own, until it was read back.
    let folder = folder();
    let config =
        read(&folder, &format!("{LEAST}[maildrop]\npath = \"mail/{{domain}}/{{local}}\"\n")).unwrap();
    assert_eq!(read(&folder, &config.show()).unwrap().maildrop, config.maildrop);
}

#[test]
fn the_default_configuration_shows_every_key() {
    let shown = read(&folder(), LEAST).unwrap().show();
    let absent_by_default = [
        "certificate",
        "key",
        "client_ca",
        "staple",
        "ca",
        "webroot",
        "mechanisms",
        "anonymous",
        "default_domain",
        "postmaster",
        "marker",
        "trash",
        "expire",
        "takeover_after",
        "control",
        "user",
        "group",
        "path",
    ];
    let keys = [
        Tls::KEYS,
        Acme::KEYS,
        Auth::KEYS,
        Defence::KEYS,
        Maildrop::KEYS,
        Pop3::KEYS,
        Bulletins::KEYS,
        Lmtp::KEYS,
        Limits::KEYS,
        Log::KEYS,
        Process::KEYS,
    ]
    .concat();
    for key in keys.iter().filter(|key| !absent_by_default.contains(key)) {
        assert!(shown.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key} is not in\n{shown}");
    }
}

#[test]
fn the_manual_names_every_key() {
    let manual = include_str!("../../../../docs/manual.md");
    let source_keys = AuthSource::KEYS.concat();
    let token_keys = TokenTable::KEYS.concat();
    let keys = [
        Config::KEYS,
        ListenWritten::KEYS,
        Tls::KEYS,
        TlsPair::KEYS,
        Acme::KEYS,
        Auth::KEYS,
        source_keys.as_slice(),
        token_keys.as_slice(),
        Defence::KEYS,
        Maildrop::KEYS,
        Pop3::KEYS,
        Board::KEYS,
        Submission::KEYS,
        Bulletins::KEYS,
        Lmtp::KEYS,
        Limits::KEYS,
        Log::KEYS,
        Process::KEYS,
    ];
    for key in keys.concat() {
        assert!(
            manual.contains(&format!("`{key}`")) || manual.contains(&format!("[{key}]")),
            "{key} is not in the manual"
        );
    }
}

#[test]
fn bulletins_are_looked_at_and_keep_nothing_from_starting() {
    let folder = folder();
    let text = format!("{LEAST}[bulletins]\npath = \"board\"\n");
    let warnings = |text: &str| -> Vec<String> {
        read(&folder, text).unwrap().warnings.into_iter().map(|problem| problem.what).collect()
    };
    let [missing] = &*warnings(&text) else { panic!("{:?}", warnings(&text)) };
    assert!(
        missing.starts_with("bulletins.path: cannot list the bulletins in ") && missing.contains("board")
    );
    let board = folder.path().join("board");
    fs::create_dir(&board).unwrap();
    fs::write(board.join("1"), "From: op\n\nhello\n").unwrap();
    fs::write(board.join(".2"), "unfinished").unwrap();
    assert!(warnings(&text).is_empty(), "{:?}", warnings(&text));
    fs::write(board.join("3"), "hello all").unwrap();
    let [broken] = &*warnings(&text) else { panic!("{:?}", warnings(&text)) };
    assert!(broken.contains("board/3") && broken.contains("header field"), "{broken}");
    let config = read(&folder, &text).unwrap();
    assert_eq!((config.bulletins.path, config.bulletins.new_account_max), (Some(board), 10));
    assert_eq!(
        warnings(&format!("{LEAST}[bulletins]\nnew_account_max = 3\n")),
        ["bulletins.new_account_max has no effect without a folder of bulletins"]
    );
    assert_eq!(
        problems(&format!("{LEAST}[bulletins]\npath = \"board\"\nnew_account_max = 101\n")),
        ["5: bulletins.new_account_max = 101 is out of bounds"]
    );
}

#[test]
fn the_older_commands_are_off_and_a_delay_has_bounds() {
    let config = read(&folder(), LEAST).unwrap();
    assert_eq!((config.pop3.last, config.pop3.login_delay_s, config.bulletins.path), (false, 0, None));
    assert_eq!(
        problems(&format!("{LEAST}[pop3]\nlogin_delay_s = 90000\nlast = \"yes\"\n")),
        [
            "4: pop3.login_delay_s = 90000 is out of bounds",
            "5: pop3.last: this is a string, but true or false is wanted"
        ]
    );
}

#[test]
fn the_yardsticks_template_is_a_good_configuration() {
    let folder = folder();
    let template = include_str!("../../../../bench/yardstick.toml");
    let root = folder.path().display().to_string();
    let text = [("@ROOT@", root.as_str()), ("@POP3S@", "2"), ("@POP3@", "1"), ("@LMTP@", "3")]
        .iter()
        .fold(template.to_owned(), |text, (place, value)| text.replace(place, value));
    let config = read(&folder, &text).map_err(|problems| format!("{problems:#?}")).unwrap();
    assert_eq!(config.warnings, []);
}

mod template {
    use super::*;
    use restante_auth::account::AccountName;

    fn render(path: &str, name: &str, home: Option<&str>) -> Result<String, TemplateError> {
        let text = format!("[maildrop]\npath = \"{path}\"\n{LEAST}");
        let config = read(&folder(), &text).map_err(|problems| format!("{problems:#?}")).unwrap();
        let account = restante_auth::account::Account::new(AccountName::new(name).unwrap());
        let account = account.with_home(home.map(PathBuf::from));
        config.maildrop.path.render(&account).map(|path| path.display().to_string())
    }

    #[test]
    fn places_are_filled() {
        assert_eq!(render("/m/{account}", "bob@x.example", None).unwrap(), "/m/bob@x.example");
        assert_eq!(
            render("/m/{domain}/{local}/Maildir", "bob@x.example", None).unwrap(),
            "/m/x.example/bob/Maildir"
        );
        assert_eq!(render("{home}/Maildir", "bob", Some("/home/bob")).unwrap(), "/home/bob/Maildir");
        assert_eq!(render("/m/{domain}/{local}", "bob", None), Err(TemplateError::NoDomain));
        assert_eq!(render("{home}/Maildir", "bob", None), Err(TemplateError::NoHome));
    }

    #[test]
    fn wrong_templates_are_reported() {
        let wrong = |path: &str| problems(&format!("[maildrop]\npath = \"{path}\"\n{LEAST}"));
        assert_eq!(wrong("/m/{acount}"), ["2: maildrop.path: {acount} is not known"]);
        assert_eq!(wrong("/m/{account"), ["2: maildrop.path: a { is not closed by a }"]);
        assert_eq!(wrong("/m/account}"), ["2: maildrop.path: a } has no { before it"]);
        assert_eq!(wrong("/m/{home}"), ["2: maildrop.path: {home} is not at the beginning"]);
    }

    #[test]
    fn the_root_is_the_fixed_folder() {
        let root = |path: &str| {
            let config = read(&folder(), &format!("[maildrop]\npath = \"{path}\"\n{LEAST}")).unwrap();
            config.maildrop.path.root().display().to_string()
        };
        assert_eq!(root("/var/mail/{account}"), "/var/mail/");
        assert_eq!(root("/var/mail/box-{local}/Maildir"), "/var/mail/");
        assert_eq!(root("{home}/Maildir"), "/");
    }
}

#[test]
fn scram_verifiers_are_those_that_can_be_made() {
    let found =
        problems(&format!("[auth]\nscram_verifiers = [\"SCRAM-MD5\"]\nscram_iterations = 1000\n{LEAST}"));
    assert_eq!(
        found,
        [
            "2: auth.scram_verifiers: \"SCRAM-MD5\" is no verifier that is made here",
            "3: auth.scram_iterations = 1000 is out of bounds"
        ]
    );
}

#[test]
fn a_mechanism_that_lacks_what_it_needs_is_an_error() {
    let found = problems(&format!(
        "[tls]\nclient_ca = \"users\"\n[auth]\nanonymous = \"a/b\"\n{LEAST}[[auth.token]]\n[[auth.token]]\npath = \"gone\"\n"
    ));
    assert_eq!(
        found,
        [
            "2: an authority for clients, but no certificate of our own",
            "2: tls: the authority for clients ./users cannot be used: there is no certificate in it",
            "4: auth.anonymous: \"a/b\" is no account: the name holds a character that is not allowed",
            "7: a file of tokens that is not named",
            "9: the tokens in ./gone cannot be read: No such file or directory (os error 2)",
        ]
    );
}

#[test]
fn client_certificates_and_tokens_are_shown_as_written() {
    let folder = folder();
    fs::write(folder.path().join("tokens"), "").unwrap();
    let text = format!(
        "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\nclient_ca = \"cert.pem\"\nclient_name = \"common-name\"\n\
         [auth]\nanonymous = \"public\"\n{LEAST}[[auth.token]]\npath = \"tokens\"\n"
    );
    let config = read(&folder, &text).unwrap();
    assert_eq!(config.tls.client_name, ClientName::CommonName);
    let TokenSource::File(file) = &config.tokens[0].own else { panic!("{:?}", config.tokens) };
    assert_eq!(file.path.as_deref(), Some(folder.path().join("tokens").as_path()));
    let again = read(&folder, &config.show()).unwrap();
    assert_eq!((again.tls, again.auth, again.tokens), (config.tls, config.auth, config.tokens));
}

#[test]
fn quotas_are_read_shown_and_never_nothing() {
    let folder = folder();
    let text = format!("{LEAST}[quota]\noctets = \"2 GiB\"\nmessages = 100_000\nover = \"refuse\"\n");
    let config = read(&folder, &text).unwrap();
    assert_eq!(
        config.quota,
        Quota { octets: Some(Size(2 << 30)), messages: Some(100_000), over: Over::Refuse }
    );
    assert_eq!(read(&folder, &config.show()).unwrap().quota, config.quota);
    assert_eq!(read(&folder, LEAST).unwrap().quota, Quota::default());
    assert_eq!(
        problems(&format!("{LEAST}[quota]\noctets = \"0 B\"\nmessages = 0\n")),
        ["4: quota.octets: nobody could get any mail", "5: quota.messages: nobody could get any mail"]
    );
    assert_eq!(problems(&format!("{LEAST}[quota]\noctets = 5\nover = \"never\"\nmessages = -1\n")).len(), 3);
}
