//! Each language in pieces that its users write, what it comes to, and what is wrong with the line number it stands on.

use std::path::Path;

use proptest::prelude::*;

use restante_store::disk::LocalDisk;

use super::*;
use crate::config::{self, place};
use crate::journal::{Contents, Journal, Record, Stage};
use crate::key::Key;

const AROUND: Around<'_> = Around { user: "esr", netrc: None };

/// The `fetch.toml` without the head, which names the program.
fn taken(kind: Kind, text: &str) -> String {
    let imported = read(kind, text, &AROUND).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let rendered = render(&imported, Path::new("/home/esr/rc"), Passwords::Shown);
    let rendered = String::from_utf8(rendered.expose().to_vec()).expect("it is text");
    let table: toml::Table = rendered.parse().unwrap_or_else(|error| panic!("{error}\n{rendered}"));
    let wanted = imported.accounts.iter().filter(|account| account.set_aside.is_none()).count();
    if wanted > 0 {
        let around = place::Around {
            home: Some(Path::new("/home/esr")),
            environment: &|_| Some("/home/esr".into()),
            is_root: false,
            mode: Some(0o600),
        };
        let config = config::parse(&rendered, Path::new("/home/esr/fetch.toml"), &around);
        let config = config.unwrap_or_else(|problems| panic!("{problems:?}\n{rendered}"));
        assert_eq!(config.accounts.len(), wanted, "{rendered}");
    } else {
        assert!(!table.contains_key("account"), "{rendered}");
    }
    rendered.split_once('\n').expect("a head").1.trim_start_matches('\n').to_owned()
}

/// The message of an error, with its line.
fn fault(kind: Kind, text: &str) -> String {
    read(kind, text, &AROUND).expect_err(text).to_string()
}

/// That each of these pieces stands in it.
fn assert_holds(text: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(text.contains(piece), "{piece:?} is not in\n{text}");
    }
}

#[test]
fn fetchmail_reads_like_english() {
    let text = "set daemon 300\nset idfile ids\n\
        defaults proto pop3, timeout 60\n  user esr there is esr here options sslcertck keep\n\
        poll pop.example.org via mail.example.org with port 1110 and interval 2:\n\
        \tuser \"jim\\x40example.org\" there, with password 'a b\\\\\"c', is esr here,\n\
        \twants mda \"/usr/bin/maildrop -d %T\" nokeep limit 2000000 ssl\n";
    assert_eq!(
        taken(Kind::Fetchmail, text),
        "[[account]]  # 6
name = \"pop.example.org\"  # 6
server = \"pops://mail.example.org:1110\"  # 5
user = \"jim@example.org\"  # 6
password = \"a b\\\\\\\"c\"  # 6
deliver = [
    { type = \"command\", command = [\"/bin/sh\", \"-c\", \"/usr/bin/maildrop -d 'esr'\"] },  # 7
]
keep = \"none\"  # 7
max_size = \"2 MB\"  # 7
interval = \"10 minutes\"  # 5
# 3: `timeout`: restante has time limits of its own
"
    );
}

#[test]
fn fetchmail_has_defaults_of_its_own() {
    let out = taken(Kind::Fetchmail, "poll mail.example.org protocol pop3 user a pass 1234\n");
    assert_holds(
        &out,
        &[
            "server = \"pop://mail.example.org\"  # 1",
            "password = \"1234\"  # 1",
            "{ type = \"smtp\", server = \"localhost:25\", recipient = \"esr@localhost\" },  # as fetchmail does",
            "keep = \"none\"  # as fetchmail does",
        ],
    );
    assert!(!out.contains("security"), "STLS, and not less: {out}");
    let out = taken(Kind::Fetchmail, "poll h proto apop user a pass x sslproto '' smtphost /run/lmtp keep");
    assert_holds(
        &out,
        &[
            "security = \"none\"",
            "auth = \"+APOP\"",
            "server = \"unix:/run/lmtp\"",
            "keep = \"all\"",
            "in clear",
        ],
    );
    let out = taken(Kind::Fetchmail, "poll h proto pop3 user a pass x lmtp smtphost m/24, n/25 smtpname x@y");
    assert_holds(&out, &["type = \"lmtp\", server = \"m:24\", recipient = \"x@y\"", "only the first"]);
}

#[test]
fn fetchmail_knows_several_users_of_a_server_and_names_that_look_like_keywords() {
    let text = "poll h proto pop3 user keep pass keep is a here mda m\n user 'b' with password 7 is b here mda m ssl\n";
    let imported = read(Kind::Fetchmail, text, &AROUND).unwrap();
    let users: Vec<_> =
        imported.accounts.iter().map(|account| (account.user.as_str(), account.tls.value)).collect();
    assert_eq!(users, [("keep", Tls::Stls), ("b", Tls::Implicit)]);
    assert_eq!(imported.accounts[0].keep.value, Keep::None, "keep was a name");
}

#[test]
fn what_fetchmail_would_sort_is_set_aside_without_its_password() {
    for text in [
        "poll h proto pop3 user a pass geheim to x y z here",
        "poll h proto pop3 user a pass geheim to x=y here",
        "poll h proto pop3 user a pass geheim to * here",
        "poll h proto imap user a pass geheim",
        "skip h proto pop3 user a pass geheim is b here mda m",
        "poll h proto pop3 plugin 'ssh %h' user a pass geheim",
    ] {
        let out = taken(Kind::Fetchmail, text);
        assert_holds(&out, &["not taken over", "#[[account]]", "{ prompt = true }"]);
        assert!(!out.contains("geheim"), "{out}");
    }
}

#[test]
fn fetchmail_says_what_is_lost() {
    let out = taken(
        Kind::Fetchmail,
        "poll h proto pop3 user a pass x mda m fetchall\n rewrite antispam 571, 550\n no sslcertck sslfingerprint 'AA:BB' preconnect 'x'",
    );
    for (line, word) in [
        (1, "fetchall"),
        (2, "rewrite"),
        (2, "antispam"),
        (3, "no sslcertck"),
        (3, "sslfingerprint"),
        (3, "preconnect"),
    ] {
        assert_holds(&out, &[&format!("# {line}: `{word}`")]);
    }
}

#[test]
fn wrong_fetchmailrc_is_told_with_its_line() {
    for (text, wanted) in [
        ("poll", "line 1: the file ends where the name of a server should be"),
        (
            "\npoll h proto pop3\nuser a pass x\nproto pop3",
            "line 4: the server's option `proto` stands behind a user's",
        ),
        ("poll h frobnicate", "line 1: `fro…` is no option"),
        ("set daemon soon", "line 1: `daemon` has no number behind it"),
        ("poll h proto pop3\nuser a limit big", "line 2: `limit` has no number behind it"),
        ("# nothing\nfetch h", "line 2: `fet…` is neither `set`, `poll`, `skip` nor `defaults`"),
        ("poll h service telnet", "line 1: this is neither a port nor `pop3` nor `pop3s`"),
        ("poll h user a pass '\\xff'", "line 1: this string is not UTF-8"),
    ] {
        assert_eq!(fault(Kind::Fetchmail, text), wanted);
    }
}

#[test]
fn mpop_takes_over_from_defaults_and_from_other_accounts() {
    let text = "defaults\ntls on\nauth scram-sha-256\n\n# mine\naccount a\nhost mail.example.org\nuser alice\npassword \"s3 cret\"\n\
        delivery maildir ~/Mail\nkeep on\nskipsize 5m\n\naccount b : a\nuser bob\npasswordeval gpg -d ~/x.gpg\ntls_starttls off\nkeep 1d12h\n\
        delivery mbox Mail/in\naccount default : a\n";
    assert_eq!(
        taken(Kind::Mpop, text),
        "# 20: the account `default` is the account `a` by another name

[[account]]  # 6
name = \"a\"  # 6
server = \"pop://mail.example.org\"  # 2
user = \"alice\"  # 6
auth = \"SCRAM-SHA-256\"  # 3
password = \"s3 cret\"  # 9
deliver = [
    { type = \"maildir\", path = \"~/Mail\" },  # 10
]
keep = \"all\"  # 11
max_size = \"5 MiB\"  # 12

[[account]]  # 14
name = \"b\"  # 14
server = \"pops://mail.example.org\"  # 17
user = \"bob\"  # 14
auth = \"SCRAM-SHA-256\"  # 3
password = \"s3 cret\"  # 9
deliver = [
    { type = \"mbox\", path = \"/home/esr/Mail/in\" },  # 19
]
keep = \"2 days\"  # 18
max_size = \"5 MiB\"  # 12
"
    );
    let imported = read(Kind::Mpop, text, &AROUND).unwrap();
    let known = imported.accounts[1].known.as_ref().unwrap();
    assert_eq!(known.path, "~/.mpop_uidls/bob_at_mail.example.org");
}

#[test]
fn mpop_finds_passwords_where_it_did() {
    let text = "account a\nhost h\nuser u\ndelivery mda m '%F'\nproxy_host ::1\nfilter grep\nport 1\ntls_fingerprint 0:1";
    let out = taken(Kind::Mpop, text);
    assert_holds(
        &out,
        &[
            "{ prompt = true }",
            "secret-tool",
            "socks5://[::1]:1080",
            "security = \"none\"",
            "# 6: `filter`",
            "# 8: `tls_fingerprint`",
        ],
    );
    let around = Around { user: "esr", netrc: Some(b"machine h login u password x") };
    let imported = read(Kind::Mpop, text, &around).unwrap();
    assert!(matches!(imported.accounts[0].password.value, SecretSource::Netrc(None)));
    let out =
        taken(Kind::Mpop, "account a\nhost h\nuser u\npasswordeval pass x\ndelivery exchange x\ntls on");
    assert_holds(&out, &["#password = { shell = \"pass x\" }", "not taken over: `delivery exchange`"]);
}

#[test]
fn wrong_mpoprc_is_told_with_its_line() {
    for (text, wanted) in [
        ("host h", "line 1: the first command must be `account` or `defaults`"),
        ("account a\nhots h", "line 2: mpop has no command `hots`"),
        ("account a\naccount a", "line 2: there is an account `a` already"),
        ("account a : b", "line 1: there is no account `b` before this"),
        ("account a\n\ntls perhaps", "line 3: `tls` is `on` or `off`"),
        ("account a\nport 0", "line 2: `port` wants a number from 1 to 65535"),
        ("account a\nkeep 3x2d", "line 2: `keep` is `on`, `off` or a time such as 30d or 1d12h"),
        ("account a\nskipsize large", "line 2: this is no size: 100000, 100k, 10m"),
        ("account a\ndelivery pigeon home", "line 2: `delivery` is maildir, mbox, mda or exchange"),
    ] {
        assert_eq!(fault(Kind::Mpop, text), wanted);
    }
}

#[test]
fn getmail_is_one_account_a_file() {
    let text = "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = mail.example.org\nusername = alice\n\
        password_command = (\"pass\", 'work', \"a\\\"b\")\nuse_apop: yes\n\n[destination]\ntype = MultiDestination\n\
        destinations = (\"[one]\", \"~/all/\",\n   '/var/mail/x')\n[one]\ntype = MDA_external\npath = $HOME/bin/mda\narguments = (\"-d\", \"x\")\n\
        [options]\ndelete_after = 7\nmax_message_size = 1048576\nreceived = true\nread_all = true\n[filter-1]\ntype = x\n";
    assert_eq!(
        taken(Kind::Getmail, text),
        "[[account]]  # 1
server = \"pops://mail.example.org\"  # 2
user = \"alice\"  # 1
auth = \"+APOP\"  # 6
password = { command = [\"pass\", \"work\", \"a\\\"b\"] }  # 5
deliver = [
    { type = \"command\", command = [\"${HOME}/bin/mda\", \"-d\", \"x\"] },  # 13
    { type = \"maildir\", path = \"~/all/\" },  # 10
    { type = \"mbox\", path = \"/var/mail/x\" },  # 10
]
keep = \"7 days\"  # 17
max_size = \"1 MiB\"  # 18
add_headers = [\"received\"]  # 19
# 2: getmail verifies no certificate unless ca_certs is there; restante verifies every one
# 20: `read_all`: restante fetches every message once
# 21: [filter-1]: restante has no filters; deliver to a program that filters, or write rules
"
    );
    let imported = read(Kind::Getmail, text, &AROUND).unwrap();
    assert_eq!(imported.accounts[0].known.as_ref().unwrap().path, "oldmail-mail.example.org-995-alice");
}

#[test]
fn what_getmail_would_sort_is_set_aside() {
    let rc = |kind: &str, destination: &str| {
        format!(
            "[retriever]\ntype={kind}\nserver=h\nusername=u\npassword=geheim\n[destination]\n{destination}"
        )
    };
    for text in [
        rc("MultidropPOP3Retriever", "type=Maildir\npath=/m/"),
        rc("SimpleIMAPRetriever", "type=Maildir\npath=/m/"),
        rc("BrokenUIDLPOP3Retriever", "type=Maildir\npath=/m/"),
        rc("SimplePOP3Retriever", "type=MultiSorter"),
        rc("SimplePOP3Retriever", "type=MDA_external\npath=/x\narguments=('%(recipient)',)"),
    ] {
        let out = taken(Kind::Getmail, &text);
        assert_holds(&out, &["not taken over", "#[[account]]"]);
        assert!(!out.contains("geheim"), "{out}");
    }
}

#[test]
fn wrong_getmailrc_is_told_with_its_line() {
    let head = "[retriever]\ntype=SimplePOP3Retriever\nserver=h\nusername=u\n";
    for (text, wanted) in [
        ("", "line 1: there is no section [retriever]".to_owned()),
        ("a=b", "line 1: a value before the first section".to_owned()),
        ("[retriever]\nserver=h", "line 1: this section has no `type`".to_owned()),
        ("[retriever\n", "line 1: the name of a section has no `]`".to_owned()),
        ("[a]\n[a]", "line 2: there is a section [a] already".to_owned()),
        ("[a]\nb=1\nB=2", "line 3: `b` stands there twice".to_owned()),
        ("[a]\nb", "line 2: this is neither a section nor `key = value`".to_owned()),
        (&format!("{head}port=x\n"), "line 5: `port` wants a number".to_owned()),
        (
            &format!("{head}password_command=pass\n"),
            "line 5: password_command is a tuple of strings: (\"program\", \"argument\")".to_owned(),
        ),
        (head, "line 4: there is no section [destination]".to_owned()),
        (
            &format!("{head}[destination]\ntype=Maildir\npath=/m/\n[options]\ndelete=maybe"),
            "line 9: `delete` is true or false".to_owned(),
        ),
    ] {
        assert_eq!(fault(Kind::Getmail, text), wanted);
    }
    let circle = format!("{head}[destination]\ntype=MultiDestination\ndestinations=('[destination]',)");
    assert_holds(&taken(Kind::Getmail, &circle), &["not taken over"]);
}

#[test]
fn fdm_follows_rules_that_do_not_look_at_the_mail() {
    let text = "$base = \"%h/mail\"\n%port = 1995\nset maximum-size 20M\nset unmatched-mail keep\n\
        action \"inbox\" maildir \"${base}/in\"\naction \"both\" { action \"inbox\" mbox \"/m\" }\n\
        account \"work\" pop3s server \"mail.example.org\" port %port\n\tuser \"alice\" pass $(pass work)\n\tnew-only cache \"${base}/%a.cache\" keep\n\
        account \"home\" disabled pop3 server \"h\" user \"u\" pass \"geheim\"\n\
        account \"other\" imaps server \"h\" port 993 user \"u\" pass \"geheim\" folder \"x\"\n\
        ifdef $nothing\naccount \"none\" frobnicate\nendif\n\
        match \"^Subject: x\" in headers action \"inbox\"\n\
        match accounts { \"h*\" \"x\" } action drop\nmatch all action \"both\"\n";
    let out = taken(Kind::Fdm, text);
    assert_holds(
        &out,
        &[
            "# 4: `unmatched-mail`",
            "# 11: the account `other` is not collected by POP3",
            "[[account]]  # 7
name = \"work\"  # 7
server = \"pops://mail.example.org:1995\"  # 7
user = \"alice\"  # 7
password = { shell = \"pass work\" }  # 8
deliver = [
    { type = \"maildir\", path = \"~/mail/in\" },  # 5
    { type = \"mbox\", path = \"/m\" },  # 6
]
keep = \"all\"  # 9
max_size = \"20 MiB\"  # 3
",
            "# 15: this rule looks at the mail",
            "# 10: not taken over: `disabled`",
        ],
    );
    assert!(!out.contains("geheim"), "{out}");
    let imported = read(Kind::Fdm, text, &AROUND).unwrap();
    assert_eq!(imported.accounts[0].known.as_ref().unwrap().path, "~/mail/work.cache");
    assert!(imported.accounts[1].known.is_none());
}

#[test]
fn fdm_rules_nest_and_go_on() {
    let text = "account \"a\" pop3 server \"localhost\" user \"u\" pass \"a%%b\" starttls\n\
        match account \"a\" {\n match exec \"x\" user \"y\" returns (0, \"z\") action drop\n match all action pipe \"procmail\" continue }\n\
        match all and account \"b\" action keep\n\
        match not account \"b\" action keep\nmatch all actions { smtp server \"m\" to \"x@y\" mbox \"%h/%u\" } continue\n\
        match size > 5K or attachment count > 1 action drop\nmatch all action keep\n";
    let imported = read(Kind::Fdm, text, &AROUND).unwrap();
    let account = &imported.accounts[0];
    let delivered: Vec<_> = account.deliver.iter().map(|said| said.value.clone()).collect();
    assert_eq!(
        delivered,
        [
            Delivery::Shell("procmail".into()),
            Delivery::Smtp("m:25".into(), "x@y".into()),
            Delivery::Mbox("~/esr".into())
        ]
    );
    assert_eq!(account.keep, Said::at(9, Keep::All));
    assert!(matches!(&account.password.value, SecretSource::Plain(secret) if secret.expose() == b"a%b"));
    let lines: Vec<usize> = account.notes.iter().map(|note| note.line).collect();
    assert_eq!(lines, [1, 3, 6, 8], "{:?}", account.notes);
}

#[test]
fn fdm_does_not_guess_where_mail_goes() {
    let text = "account \"a\" pop3s server \"h\" user \"u\" pass \"geheim\"\nmatch all action maildir \"%h/%[year]\"";
    let out = taken(Kind::Fdm, text);
    assert_holds(&out, &["# 2: not taken over: where this goes is only known when there is a mail"]);
    assert!(!out.contains("geheim"), "{out}");
}

#[test]
fn wrong_fdm_conf_is_told_with_its_line() {
    for (text, wanted) in [
        ("account", "line 1: the file ends where a string should be"),
        ("\naction \"a\" maildir \"", "line 2: this string never ends"),
        ("match all action \"a\"", "line 1: there is no action `a` before this"),
        ("match all", "line 1: this rule has no action"),
        ("match all {\nset x", "line 2: here should be `match` or the } of the rules around"),
        ("ifdef $x\n", "line 1: an ifdef has no endif"),
        ("endif", "line 1: an endif without ifdef"),
        ("account \"a\" pop3 server \"h\" colour \"red\"", "line 1: an account has no `colour`"),
        ("set speed 5", "line 1: fdm has no option `speed`"),
        ("action \"a\" fly", "line 1: fdm has no action `fly`"),
        ("action \"a\" maildir $x", "line 1: the macro $x is not defined"),
        ("&", "line 1: no word begins with this sign; strings stand in quotation marks"),
        (
            "account \"a\" pop3 server \"h\"\naccount \"a\" pop3 server \"h\"",
            "line 2: there is an account `a` already",
        ),
        ("$x = $(never", "line 1: this command has no `)`"),
    ] {
        assert_eq!(fault(Kind::Fdm, text), wanted);
    }
}

#[test]
fn an_account_that_cannot_be_one_is_set_aside() {
    for text in ["poll 'a b' proto pop3 user u pass x", "poll h proto pop3 user '' pass x"] {
        assert_holds(&taken(Kind::Fetchmail, text), &["not taken over"]);
    }
    assert_holds(&taken(Kind::Mpop, "account a"), &["not taken over"]);
}

#[test]
fn no_password_is_shown_where_it_is_hidden() {
    let imported = read(Kind::Fetchmail, "poll h proto pop3 user u pass geheim", &AROUND).unwrap();
    let text = |passwords| render(&imported, Path::new("rc"), passwords).expose().to_vec();
    let hidden = String::from_utf8(text(Passwords::Hidden)).unwrap();
    assert!(!hidden.contains("geheim") && hidden.contains("{ prompt = true }"), "{hidden}");
    assert!(String::from_utf8(text(Passwords::Shown)).unwrap().contains("geheim"));
    assert!(!format!("{imported:?}").contains("geheim"));
}

#[test]
fn two_accounts_never_share_a_journal() {
    let text = "poll h proto pop3 user u pass a\npoll h proto pop3 port 1110 user u pass b";
    let imported = read(Kind::Fetchmail, text, &AROUND).unwrap();
    let names: Vec<_> = imported.accounts.iter().map(|account| account.name.as_deref()).collect();
    assert_eq!(names, [None, Some("u@h-2")]);
}

fn known() -> Known {
    Known { path: String::new(), host: "mail.example.org".into(), user: "alice@example.org".into() }
}

fn ids(kind: Kind, octets: &[u8]) -> Vec<String> {
    let ids = state(kind, octets, &known()).unwrap();
    ids.iter().map(|id| id.escape_ascii().to_string()).collect()
}

#[test]
fn state_of_this_account_alone_is_taken() {
    let text = b"alice@example.org@mail.example.org 1@x\nbob@mail.example.org 2\n  Alice@Example.org@Mail.Example.Org 3\nalice@example.org@mail.example.org 1@x\n";
    assert_eq!(ids(Kind::Fetchmail, text), ["1@x", "3"]);
    let text = b"# by mpop\n#\n 1 h u\n#9\n 2 mail.example.org alice@example.org\n#1\nb 1795351581\n 1 mail.example.org Alice@example.org\nc\n";
    assert_eq!(ids(Kind::Mpop, text), ["#1", "b"], "a unique-id may begin with #");
    assert_eq!(ids(Kind::Getmail, b"a b\x001795351581\n\nc\x001\n"), ["a b", "c"]);
    assert_eq!(ids(Kind::Fdm, b"3 a c\n1 x\n"), ["a c", "x"]);
    for kind in Kind::ALL {
        assert!(ids(kind, b"").is_empty());
    }
}

#[test]
fn damaged_state_is_told_with_its_line() {
    for (kind, text, wanted) in [
        (Kind::Fetchmail, &b"u@h 1\nnonsense\n"[..], "line 2: this is not `user@host unique-id`"),
        (Kind::Fetchmail, b"u@h", "line 1: this is not `user@host unique-id`"),
        (Kind::Mpop, b"1\n", "line 1: this is not the head of a list, ` count host user`"),
        (Kind::Mpop, b" 2 h u\na\n", "line 2: 1 unique-ids of the last list are missing"),
        (Kind::Mpop, b" 2 h u\na\n 1 h v\nb\n", "line 3: 1 unique-ids of the list are missing"),
        (Kind::Mpop, b" 0 h u\n", "line 1: this is not the head of a list, ` count host user`"),
        (Kind::Getmail, b"a\0x\n", "line 1: this is not a unique-id, a NUL and a time"),
        (Kind::Getmail, b"a\n", "line 1: this is not a unique-id, a NUL and a time"),
        (Kind::Fdm, b"1 a\n5 abc\n", "line 2: this is not the length of a unique-id and the unique-id"),
    ] {
        assert_eq!(state(kind, text, &known()).unwrap_err().to_string(), wanted);
    }
}

#[test]
fn what_another_program_has_is_collected_and_what_is_known_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = jiff::Timestamp::from_second(1_795_351_581).unwrap();
    let mut journal = Journal::open(Arc::new(LocalDisk), folder.path()).unwrap();
    let (skipped, intended) = (Key::new(b"skipped"), Key::new(b"intended"));
    journal.record(Record::Skipped { key: skipped.clone(), reason: "large".into() });
    let contents = Contents { octets: 1, digest: [0; 32], header_digest: [0; 16] };
    journal.record(Record::Intended { key: intended.clone(), contents, name: "1.R.restante".into() });
    let ids: Vec<Box<[u8]>> = [&b"a"[..], b"skipped", b"intended", b""].into_iter().map(Box::from).collect();
    assert_eq!(adopt(&mut journal, &ids, at).unwrap(), 2);
    assert_eq!(adopt(&mut journal, &ids, at).unwrap(), 0, "twice does no harm");
    drop(journal);
    let journal = Journal::open(Arc::new(LocalDisk), folder.path()).unwrap();
    assert!(!journal.is_new());
    let entry = journal.entry(&Key::new(b"a")).unwrap();
    assert_eq!((entry.stage, entry.contents, entry.collected), (Stage::Collected, None, Some(at)));
    assert_eq!(journal.entry(&skipped).unwrap().stage, Stage::Collected);
    assert_eq!(journal.entry(&intended).unwrap().stage, Stage::Intended);
}

/// Words of all four languages, and what is between them.
fn soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "poll",
        "skip",
        "defaults",
        "set",
        "user",
        "pass",
        "is",
        "here",
        "there",
        "to",
        "=",
        "no",
        "proto",
        "pop3",
        "mda",
        "smtphost",
        "limit",
        "account",
        "host",
        "tls",
        "on",
        "off",
        "delivery",
        "maildir",
        "keep",
        ":",
        ",",
        "[retriever]",
        "[destination]",
        "[options]",
        "type=",
        "path=",
        "('a',",
        ")",
        "(",
        "match",
        "all",
        "action",
        "{",
        "}",
        "\"",
        "'",
        "\\",
        "$x",
        "${x}",
        "%",
        "%port",
        "$(",
        "ifdef",
        "endif",
        "include",
        "server",
        "cache",
        "new-only",
        "continue",
        "exec",
        "returns",
        "and",
        "or",
        "not",
        "size",
        ">",
        "5",
        "\\x",
        "\\0",
        "#",
        "\n",
        "\n",
        "\t",
        " ",
        " ",
        "é",
    ]);
    prop::collection::vec(words, 0..80).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn nothing_makes_a_parser_fall_over(text in prop_oneof![any::<String>(), soup()], octets: Vec<u8>) {
        let around = Around { user: "esr", netrc: Some(&octets) };
        for kind in Kind::ALL {
            if let Ok(imported) = read(kind, &text, &around) {
                let rendered = render(&imported, Path::new("rc"), Passwords::Shown);
                let rendered = String::from_utf8(rendered.expose().to_vec()).unwrap();
                prop_assert!(rendered.parse::<toml::Table>().is_ok(), "{rendered}");
            }
            let _ = state(kind, &octets, &known());
            let _ = state(kind, text.as_bytes(), &known());
        }
    }
}

#[test]
fn a_nul_is_refused_with_its_line() {
    for kind in Kind::ALL {
        assert_eq!(
            fault(kind, "\n# x\n\0"),
            "line 3: there is a NUL here: this file is damaged, or no configuration",
            "{kind}"
        );
    }
    for written in ["\\0", "\\x00", "\\256"] {
        let text = format!("poll h proto pop3\nuser u mda \"a{written}b\"\n");
        assert_eq!(
            fault(Kind::Fetchmail, &text),
            "line 2: a NUL ends this string for fetchmail; write it without"
        );
    }
}

#[test]
fn what_fetch_toml_would_not_take_sets_its_account_aside() {
    let getmail = |path: &str| {
        format!(
            "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = h\nusername = u\npassword = p\n\
             [destination]\ntype = Maildir\npath = {path}\n"
        )
    };
    for (kind, text, line, why) in [
        (Kind::Getmail, getmail("~bob/Mail"), 7, "deliver.0.path: only ~/ is known, one's own home folder; "),
        (Kind::Getmail, getmail("/x/${HOME"), 7, "deliver.0.path: a ${ has no } behind it; "),
        (
            Kind::Fetchmail,
            "poll h proto pop3\nuser u is \u{2}x@y\n".to_owned(),
            2,
            "deliver.0.recipient: this is no mail address; ",
        ),
    ] {
        let imported = read(kind, &text, &AROUND).unwrap();
        let note = imported.accounts[0].set_aside.as_ref().unwrap_or_else(|| panic!("{text}"));
        assert!(note.line == line && note.what.starts_with(why), "{note:?}");
        assert!(taken(kind, &text).contains(&format!("# {line}: not taken over: {why}")));
    }
}

#[test]
fn a_bound_of_nothing_is_none() {
    let text = "account a\nhost h\nuser u\npassword p\ndelivery maildir ~/Mail\nskipsize 0k\n";
    let rendered = taken(Kind::Mpop, text);
    assert!(!rendered.contains("max_size"), "{rendered}");
    assert_holds(&rendered, &["# 6: a bound of 0 octets is taken for none"]);
}
