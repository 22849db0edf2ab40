//! fetch.toml, good and bad: what it means, and what is said about it.

use std::ffi::OsString;
use std::time::Duration;

use proptest::prelude::*;

use super::account::{AccountWritten, AddHeader, Credential, Security, UniqueIds};
use super::deliver::{SinkConfig, SinkWritten, SmtpSecurity};
use super::keep::Keep;
use super::oauth::OauthWritten;
use super::rule::Conditions;
use super::tls::TlsWritten;
use super::*;
use crate::rule::{Condition, Field, Rules, Test, Then};
use crate::secret::SecretSource;

const HOME: &str = "/home/alice";

fn environment(name: &str) -> Option<OsString> {
    (name == "MAIL_ROOT").then(|| "/srv/mail".into())
}

fn around(mode: u32) -> Around<'static> {
    Around { home: Some(Path::new(HOME)), environment: &environment, is_root: false, mode: Some(mode) }
}

fn read(text: &str) -> Result<Config, Vec<Problem>> {
    parse(text, Path::new("/home/alice/.config/restante/fetch.toml"), &around(0o600))
}

/// The problems, each as its line and what is wrong.
fn problems(text: &str) -> Vec<String> {
    let problems = read(text).expect_err(text);
    assert!(problems.iter().all(|problem| !problem.remedy.is_empty()));
    problems.iter().map(|problem| format!("{}: {}", problem.line, problem.what)).collect()
}

/// The problem and its remedy, of which there is one.
fn problem(text: &str) -> String {
    let problems = read(text).expect_err(text);
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    format!("{}: {} | {}", problem.line, problem.what, problem.remedy)
}

/// An account with these lines from line 4 on.
fn with(lines: &str) -> String {
    format!(
        "[[account]]\nserver = \"pops://alice@mail.example.org\"\ndeliver = [{{ type = \"mbox\", path = \"m\" }}]\n{lines}\n"
    )
}

fn one(text: &str) -> Account {
    let config = read(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(config.warnings, []);
    let [account] = config.accounts.as_slice() else { panic!("{:?}", config.accounts) };
    account.clone()
}

#[test]
fn the_least_configuration_has_defaults_that_delete_nothing() {
    let config = read(&with("")).unwrap();
    assert_eq!(config.state_dir, Path::new("/home/alice/.local/state/restante/fetch"));
    assert_eq!((config.jobs, config.jobs_per_host), (8, 2));
    let account = one(&with(""));
    assert_eq!(account.name, "alice@mail.example.org");
    assert_eq!((account.user(), account.host().as_str()), ("alice", "mail.example.org"));
    assert_eq!((account.security, account.keep), (Security::Tls, Keep::All));
    assert_eq!(account.rules, Rules::default());
    assert_eq!((account.max_size, account.add_headers.len()), (None, 0));
    assert_eq!((account.interval, account.timeout), (Duration::from_secs(300), Duration::from_secs(120)));
    assert_eq!(account.unique_ids, UniqueIds::Server);
    assert!(matches!(account.credential, Credential::Password(SecretSource::Prompt)));
    let [SinkConfig::Mbox { path, mode: None }] = account.deliver.as_slice() else {
        panic!("{:?}", account.deliver)
    };
    assert_eq!(path, Path::new("/home/alice/.config/restante/m"));
}

#[test]
fn every_key_means_what_it_says() {
    let account = one(r#"
        [[account]]
        name = "work"
        server = "pop://mail.example.org:8110"
        user = "alice@example.org"
        auth = "scram-sha-256"
        password = { command = "pass show 'my work'" }
        proxy = "socks5://127.0.0.1:1080"
        keep = { newest = 500 }
        max_size = "50 MiB"
        interval = "1 hour"
        add_headers = ["received", "delivered-to"]
        unique_ids = "header"
        timeout = "30 s"
        tls = { ca = "ca.pem", certificate = "~/me.pem", key = "${MAIL_ROOT}/me.key" }
        deliver = [
            { type = "maildir", path = "~/Mail", folder = "Lists.rust", look_in = ["~/Archive"], mode = "0640" },
            { type = "lmtp", server = "unix:/run/lmtp", recipient = "alice@example.org" },
            { type = "smtp", server = "mx.example.org:25", recipient = "a@example.org", sender = "b@example.org", ca = "ca.pem", user = "u", password = { env = "P" } },
            { type = "command", command = "/usr/bin/procmail -d 'a b'", timeout = "1 min" },
        ]
        [[account.rule]]
        header = "List-Id"
        contains = "announce"
        larger = "1 MB"
        all_of = [{ from = "bob" }, { header = "X", matches = "a*" }]
        then = "delete"
    "#);
    assert_eq!(account.name, "work");
    let url = account.server.to_string();
    assert_eq!(url, "pop://alice%40example.org;AUTH=SCRAM-SHA-256@mail.example.org:8110");
    assert!(
        matches!(&account.credential, Credential::Password(SecretSource::Command(words)) if words == &["pass", "show", "my work"])
    );
    assert_eq!((account.keep, account.max_size), (Keep::Newest(500), Some(50 << 20)));
    assert_eq!((account.interval.as_secs(), account.timeout.as_secs()), (3600, 30));
    assert_eq!(account.add_headers, [AddHeader::Received, AddHeader::DeliveredTo]);
    assert_eq!(account.unique_ids, UniqueIds::Header);
    assert_eq!(account.tls.ca.as_deref(), Some(Path::new("/home/alice/.config/restante/ca.pem")));
    assert_eq!(account.tls.own, Some(("/home/alice/me.pem".into(), "/srv/mail/me.key".into())));
    let [maildir, lmtp, smtp, command] = account.deliver.as_slice() else { panic!("{:?}", account.deliver) };
    assert!(matches!(maildir, SinkConfig::Maildir { path, folder: Some(folder), look_in, mode: Some(0o640) }
        if path == Path::new("/home/alice/Mail") && folder == "Lists.rust" && look_in == &[PathBuf::from("/home/alice/Archive")]));
    assert!(
        matches!(lmtp, SinkConfig::Lmtp { server, sender, .. } if server == "unix:/run/lmtp" && sender.is_empty())
    );
    assert!(
        matches!(smtp, SinkConfig::Smtp { security: SmtpSecurity::Starttls, ca: Some(ca), login: Some((user, _)), .. }
            if user == "u" && ca == Path::new("/home/alice/.config/restante/ca.pem"))
    );
    assert!(
        matches!(command, SinkConfig::Command { command, timeout } if command.len() == 3 && timeout.as_secs() == 60)
    );
    let [rule] = account.rules.0.as_slice() else { panic!("{:?}", account.rules) };
    assert_eq!(rule.then, Then::Delete);
    let field = |name: &str, test| Condition::Field { field: Field::Named(name.into()), test };
    assert_eq!(
        rule.conditions,
        [
            field("List-Id", Test::Contains("announce".into())),
            Condition::Larger(1_000_000),
            field("From", Test::Contains("bob".into())),
            field("X", Test::Matches("a*".into())),
        ]
    );
}

#[test]
fn each_policy_is_read() {
    for (written, keep) in [
        ("\"all\"", Keep::All),
        ("\"none\"", Keep::None),
        ("\"30 days\"", Keep::For(Duration::from_secs(30 * 86_400))),
        ("{ newest = 0 }", Keep::Newest(0)),
    ] {
        assert_eq!(one(&with(&format!("keep = {written}"))).keep, keep);
    }
    let local = with("keep = \"while-local\"").replace("mbox", "maildir");
    assert_eq!(one(&local).keep, Keep::WhileLocal);
}

#[test]
fn all_faults_are_told_at_once_with_lines_and_suggestions() {
    let text = "job = 1\njobs = 0\n[[account]]\nserver = \"pops://mail.example.org\"\nkep = \"all\"\nkeep = \"nne\"\n\
        [[account]]\nserver = \"http://x\"\ndeliver = [{ type = \"mailbox\" }]\n";
    assert_eq!(
        problems(text),
        [
            "1: job: there is no such key",
            "2: jobs = 0 is out of bounds",
            "3: account.0: an account without deliver: its mail would go nowhere",
            "4: account.0.server: whose account is not said",
            "5: account.0.kep: there is no such key",
            "6: account.0.keep: \"nne\" says nothing about what is kept",
            "8: account.1.server: a POP URL begins with pop:// or pops://",
            "9: account.1.deliver.0.type: \"mailbox\" is not known",
        ]
    );
    let all = read(text).unwrap_err();
    let told = all[4].to_string();
    assert_eq!(
        told,
        "/home/alice/.config/restante/fetch.toml:5: error: account.0.kep: there is no such key\n    did you mean \"keep\"?"
    );
    assert!(all[5].remedy.starts_with("did you mean \"none\"?"), "{}", all[5].remedy);
}

#[test]
fn each_wrong_value_is_told_with_what_to_do() {
    for (lines, what, remedy) in [
        ("name = \"\"", "account.0.name: this is no name", "short word"),
        ("user = \"bob\"", "account.0.user: there is a user in the URL as well", "one of the two"),
        ("auth = \"two words\"", "account.0.auth: \"two words\" is no way to log in", "SCRAM-SHA-256"),
        ("auth = \"+RPOP\"", "account.0.auth: +RPOP is no way to log in that is known here", "apop"),
        ("security = \"ssl\"", "account.0.security: \"ssl\" is not known", "tls, none"),
        ("security = \"none\"", "account.0.security: pops:// is TLS from the first octet", "pop://"),
        ("password = { programme = \"x\" }", "account.0.password: \"programme\" is none of", "{ command"),
        ("password = 5", "account.0.password: a password is a string in quotes", "{ command"),
        ("proxy = \"ftp://x\"", "account.0.proxy: a proxy is written", "socks5://127"),
        ("keep = true", "account.0.keep: this is a boolean", "\"30 days\""),
        ("keep = { oldest = 5 }", "account.0.keep: \"oldest\" says nothing", "newest"),
        ("keep = { newest = 99999999999 }", "account.0.keep: 99999999999 messages are more", "newest"),
        ("keep = \"while-local\"", "account.0.keep: \"while-local\" looks at a Maildir", "maildir"),
        ("max_size = \"big\"", "account.0.max_size: \"big\" is no number of octets", "2 GiB"),
        ("max_size = \"0 B\"", "account.0.max_size: no message is that small", "leave it out"),
        ("interval = \"1 s\"", "account.0.interval: 1 second is out of bounds", "from 10 seconds"),
        ("timeout = \"60 days\"", "account.0.timeout: 60 days is out of bounds", "to 30 days"),
        ("add_headers = [\"x-mine\"]", "account.0.add_headers: \"x-mine\" is not known", "received"),
        ("unique_ids = \"mine\"", "account.0.unique_ids: \"mine\" is not known", "server, header"),
        ("tls = { pins = [\"abc\"] }", "account.0.tls.pins: a pin is sha256//", "sha256//"),
        ("tls = { key = \"k\" }", "account.0.tls.key: a key without its certificate", "certificate ="),
        (
            "tls = { certificate = \"c\" }",
            "account.0.tls.certificate: a certificate without its key",
            "key =",
        ),
        ("tls = { ca = \"~bob/x\" }", "account.0.tls.ca: only ~/ is known", "whole path"),
        ("tls = { ca = \"${NOPE}/x\" }", "account.0.tls.ca: the variable NOPE is not set", "whole path"),
        ("tls = 5", "account.0.tls is written as a whole number", "[account.0.tls]"),
        ("rule = [{ then = \"skip\" }]", "account.0.rule.0: a rule that asks for nothing", "larger"),
        ("rule = [{ from = \"a\" }]", "account.0.rule.0: a rule without then", "\"skip\""),
        (
            "rule = [{ header = \"a\", then = \"skip\" }]",
            "account.0.rule.0: a header, but nothing",
            "contains",
        ),
        (
            "rule = [{ is = \"a\", then = \"skip\" }]",
            "account.0.rule.0: contains, is, matches or exists, but no header",
            "Subject",
        ),
        (
            "rule = [{ header = \"a\", is = \"a\", contains = \"b\", then = \"skip\" }]",
            "account.0.rule.0: more than one of",
            "all_of",
        ),
        (
            "rule = [{ header = \"a:\", is = \"a\", then = \"skip\" }]",
            "account.0.rule.0: header is not the name",
            "colon",
        ),
        (
            "rule = [{ from = \"a\", all_of = [{}], then = \"skip\" }]",
            "account.0.rule.0: an element of all_of asks",
            "larger",
        ),
        (
            "rule = [{ frm = \"a\", then = \"skip\" }]",
            "account.0.rule.0.frm: there is no such key",
            "\"from\"",
        ),
        (
            "rule = [{ from = \"a\", then = \"drop\" }]",
            "account.0.rule.0.then: \"drop\" is not known",
            "delete",
        ),
    ] {
        let told = problem(&with(lines));
        let (found, found_remedy) = told.split_once(" | ").unwrap();
        assert!(found.starts_with(&format!("4: {what}")), "{lines}: {told}");
        assert!(found_remedy.contains(remedy), "{lines}: {told}");
    }
}

#[test]
fn each_wrong_sink_is_told_with_what_to_do() {
    for (sink, what, remedy) in [
        ("", "account.0.deliver.0: a sink without type", "maildir"),
        ("type = \"mbox\"", "account.0.deliver.0: a sink without path", "~/Mail"),
        ("type = \"mbox\", path = \"\"", "account.0.deliver.0.path: this is no path", "whole path"),
        (
            "type = \"mbox\", path = \"m\", folder = \"x\"",
            "account.0.deliver.0.folder: a sink of type \"mbox\" has no such key",
            "type, path",
        ),
        (
            "type = \"mbox\", path = \"m\", mode = \"rw-r-----\"",
            "account.0.deliver.0.mode: these are no permissions",
            "octal",
        ),
        (
            "type = \"mbox\", path = \"m\", mode = 640",
            "account.0.deliver.0.mode: 640 is not written in octal",
            "0o660",
        ),
        (
            "type = \"mbox\", path = \"m\", mode = \"0642\"",
            "account.0.deliver.0.mode: everybody on this",
            "\"0640\"",
        ),
        ("type = \"maildir\", path = \"m\", mode = 0o440", "account.0.deliver.0.mode: the owner", "\"0600\""),
        (
            "type = \"maildir\", path = \"m\", mode = \"0750\"",
            "account.0.deliver.0.mode: mail is no program",
            "x bits",
        ),
        (
            "type = \"command\", command = \"a\", mode = \"0640\"",
            "account.0.deliver.0.mode: a sink of type \"command\" has no such key",
            "take it out",
        ),
        (
            "type = \"maildir\", path = \"m\", folder = \".x\"",
            "account.0.deliver.0.folder: this is no folder",
            "leading dot",
        ),
        (
            "type = \"lmtp\", server = \"x:24\"",
            "account.0.deliver.0: a sink without recipient",
            "recipient =",
        ),
        (
            "type = \"lmtp\", server = \"x\", recipient = \"a\"",
            "account.0.deliver.0.server: \"x\" is not host:port",
            "unix:",
        ),
        (
            "type = \"smtp\", server = \"unix:/x\", recipient = \"a\"",
            "account.0.deliver.0.server: \"unix:/x\" is not host:port",
            "localhost:25",
        ),
        (
            "type = \"smtp\", server = \"x:25\", recipient = \"<a>\"",
            "account.0.deliver.0.recipient: this is no mail address",
            "angle",
        ),
        (
            "type = \"smtp\", server = \"x:25\", recipient = \"a\", security = \"none\"",
            "account.0.deliver.0.security: mail would go",
            "starttls",
        ),
        (
            "type = \"smtp\", server = \"localhost:25\", recipient = \"a\", ca = \"ca.pem\"",
            "account.0.deliver.0.ca: authorities for a connection without TLS",
            "starttls",
        ),
        (
            "type = \"lmtp\", server = \"localhost:24\", recipient = \"a\", ca = \"ca.pem\"",
            "account.0.deliver.0.ca: a sink of type \"lmtp\" has no such key",
            "take it out",
        ),
        (
            "type = \"smtp\", server = \"x:25\", recipient = \"a\", user = \"u\"",
            "account.0.deliver.0.user: a user without password",
            "password =",
        ),
        (
            "type = \"smtp\", server = \"x:25\", recipient = \"a\", password = \"u\"",
            "account.0.deliver.0.password: a password without user",
            "user =",
        ),
        ("type = \"command\"", "account.0.deliver.0: a sink without command", "command ="),
        (
            "type = \"command\", command = \"'a\"",
            "account.0.deliver.0.command: a quote in the command",
            "program",
        ),
        ("type = \"command\", command = []", "account.0.deliver.0.command: this is no command", "program"),
        (
            "type = \"command\", command = \"a\", timeout = \"0 s\"",
            "account.0.deliver.0.timeout: no program is that fast",
            "5 min",
        ),
    ] {
        let text = format!("[[account]]\nserver = \"pops://a@b.example\"\ndeliver = [{{ {sink} }}]\n");
        let told = problem(&text);
        let (found, found_remedy) = told.split_once(" | ").unwrap();
        assert!(found.starts_with(&format!("3: {what}")), "{sink}: {told}");
        assert!(found_remedy.contains(remedy), "{sink}: {told}");
    }
}

#[test]
fn a_secret_stands_only_in_a_file_that_nobody_else_can_read() {
    let text = with("password = \"tanstaaf\"");
    for (mode, is_safe) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false)] {
        let parsed = parse(&text, Path::new("fetch.toml"), &around(mode));
        match parsed {
            Ok(config) => {
                assert!(is_safe, "{mode:o}");
                assert!(!config.show().contains("tanstaaf") && !format!("{config:?}").contains("tanstaaf"));
            }
            Err(problems) => {
                assert!(!is_safe, "{mode:o}");
                assert_eq!(problems.len(), 1);
                assert!(problems[0].remedy.starts_with("chmod 600 fetch.toml"), "{}", problems[0]);
                assert!(!problems[0].to_string().contains("tanstaaf"));
            }
        }
    }
    let elsewhere = with("password = { file = \"p\" }");
    assert!(parse(&elsewhere, Path::new("fetch.toml"), &around(0o644)).is_ok());
}

#[test]
fn accounts_must_not_share_a_journal_nor_go_in_clear_unnoticed() {
    let twice = format!("{}{}", with(""), with(""));
    assert_eq!(
        problems(&twice),
        [
            "5: \"alice@mail.example.org\" is the name of the account in line 1 as well, and they would share a journal"
        ]
    );
    let clear = with("security = \"none\"").replace("pops:", "pop:");
    let config = read(&clear).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].what.contains("in clear"), "{:?}", config.warnings);
    let near = clear.replace("mail.example.org", "127.0.0.1");
    assert_eq!(read(&near).unwrap().warnings, []);
    assert_eq!(problems(""), ["0: there is no account in it"]);
    assert_eq!(
        problems("a ="),
        ["1: this is not TOML: string values must be quoted, expected literal string"]
    );
}

#[test]
fn state_lies_where_the_environment_says_unless_the_file_does() {
    let at = |is_root, home: Option<&str>, xdg: Option<&'static str>| {
        let environment = move |name: &str| xdg.filter(|_| name == "XDG_STATE_HOME").map(OsString::from);
        let around = Around { home: home.map(Path::new), environment: &environment, is_root, mode: None };
        parse(&with(""), Path::new("/etc/fetch.toml"), &around).map(|config| config.state_dir)
    };
    assert_eq!(at(true, None, None).unwrap(), Path::new("/var/lib/restante/fetch"));
    assert_eq!(at(false, Some("/h"), None).unwrap(), Path::new("/h/.local/state/restante/fetch"));
    assert_eq!(at(false, Some("/h"), Some("/x")).unwrap(), Path::new("/x/restante/fetch"));
    assert_eq!(at(false, Some("/h"), Some("relative")).unwrap(), Path::new("/h/.local/state/restante/fetch"));
    assert!(at(false, None, None).unwrap_err()[0].remedy.contains("state_dir"));
    assert_eq!(
        read(&format!("state_dir = \"~/s\"\n{}", with(""))).unwrap().state_dir,
        Path::new("/home/alice/s")
    );
}

#[test]
fn an_account_can_be_a_url_alone() {
    let url = |text: &str| restante_proto::url::PopUrl::parse(text).unwrap();
    let account = Account::from_url(&url("pops://alice@mail.example.org"), Vec::new()).unwrap();
    assert_eq!((account.name.as_str(), account.keep), ("alice@mail.example.org", Keep::All));
    assert!(matches!(account.credential, Credential::Password(SecretSource::Prompt)));
    let account = Account::from_url(&url("pops://alice;AUTH=EXTERNAL@mail.example.org"), Vec::new()).unwrap();
    assert!(matches!(account.credential, Credential::Certificate));
    let fault = Account::from_url(&url("pops://mail.example.org"), Vec::new()).unwrap_err();
    assert_eq!(fault, "whose account is not said: write pops://alice@mail.example.org");
    assert!(Account::from_url(&url("pops://a;AUTH=+X@b.example"), Vec::new()).is_err());
}

/// The blocks of TOML in docs/fetch.md that are whole configurations.
fn examples() -> Vec<&'static str> {
    let page = include_str!("../../../../docs/fetch.md");
    page.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect()
}

#[test]
fn the_examples_of_the_manual_are_right_and_shown_as_they_are_read() {
    assert!(examples().len() >= 2);
    for example in examples() {
        let config = read(example).unwrap_or_else(|problems| panic!("{problems:#?}\n{example}"));
        let shown = config.show();
        let again = read(&shown).unwrap_or_else(|problems| panic!("{problems:#?}\n{shown}"));
        assert_eq!(again.show(), shown);
        assert_eq!(again.accounts.len(), config.accounts.len());
    }
}

#[test]
fn every_key_stands_in_the_manual() {
    let page = include_str!("../../../../docs/fetch.md");
    let tables = [
        Config::KEYS,
        AccountWritten::KEYS,
        TlsWritten::KEYS,
        OauthWritten::KEYS,
        SinkWritten::KEYS,
        Conditions::KEYS,
        &["all_of", "then"],
    ];
    for key in tables.concat().iter().filter(|key| **key != "account") {
        assert!(page.contains(&format!("| `{key}` |")), "{key} has no line in a table of docs/fetch.md");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same(
        name in "[a-z\"\\\\é ]{1,12}",
        (keep, has_limit) in (prop_oneof![Just("\"all\""), Just("\"none\""), Just("\"90 min\""), Just("{ newest = 7 }")], any::<bool>()),
        text in "[a-zA-Z\"\\\\*?é]{1,10}",
        test in prop_oneof![Just("contains"), Just("is"), Just("matches")],
        then in prop_oneof![Just("skip"), Just("fetch"), Just("delete")],
        seconds in 10u64..100_000,
    ) {
        use restante_config::value::quote;
        let limit = if has_limit { "max_size = \"3 kB\"" } else { "" };
        let text = with(&format!(
            "name = {}\nkeep = {keep}\n{limit}\ninterval = \"{seconds} s\"\npassword = {{ env = \"P\" }}\n\
             [[account.rule]]\nheader = \"Subject\"\n{test} = {}\nto = {}\nthen = \"{then}\"",
            quote(&name), quote(&text), quote(&text),
        ));
        let config = read(&text).unwrap();
        let shown = config.show();
        let again = read(&shown).unwrap();
        prop_assert_eq!(again.show(), shown);
        let (one, other) = (&config.accounts[0], &again.accounts[0]);
        prop_assert_eq!((&one.name, one.keep, one.interval, one.max_size), (&other.name, other.keep, other.interval, other.max_size));
        prop_assert_eq!(&one.rules, &other.rules);
    }

    #[test]
    fn no_text_is_too_strange(text in "(\\[\\[account\\]\\]\n|[a-z_]{1,8}|=|\"|\\{|\\}|\n|server|deliver|rule|keep|5| ){0,30}") {
        if let Err(problems) = read(&text) {
            prop_assert!(!problems.is_empty());
            let lines = text.split('\n').count();
            prop_assert!(problems.iter().all(|problem| problem.line <= lines));
        }
    }
}
