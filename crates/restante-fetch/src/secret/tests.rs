//! Every source, rightly and wrongly; and that no error or debug text shows a secret.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use restante_store::disk::LocalDisk;
use tempfile::TempDir;

use super::*;

#[derive(serde::Deserialize)]
struct Account {
    password: SecretSource,
}

fn source(written: &str) -> SecretSource {
    toml::from_str::<Account>(&format!("password = {written}")).unwrap().password
}

fn resolved(written: &str, home: Option<&Path>) -> Result<String, SecretError> {
    let environment = |name: &str| (name == "MAIL_PASSWORD").then(|| "from env\nmore".into());
    let ask = |question: &str| match question {
        "Password for ann@mail.example.org: " => Ok(Secret::new(b"typed".to_vec())),
        other => Err(other.to_owned()),
    };
    let around = Surroundings {
        disk: &LocalDisk,
        environment: &environment,
        ask: Some(&ask),
        home,
        user: "ann",
        host: "mail.example.org",
        time_limit: Duration::from_secs(60),
    };
    source(written).resolve(&around).map(|secret| String::from_utf8(secret.expose().to_vec()).unwrap())
}

/// A file with these permissions.
fn put(folder: &TempDir, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn each_source_tells_its_first_line() {
    let home = TempDir::new().unwrap();
    put(&home, "secret", " with blanks \r\nmore\n", 0o600);
    put(&home, ".netrc", "machine mail.example.org login ann password net", 0o400);
    put(&home, "other-netrc", "machine mail.example.org login ann password other", 0o600);
    std::os::unix::fs::symlink(home.path().join("secret"), home.path().join("link")).unwrap();
    for (written, told) in [
        ("\"it self\"", "it self"),
        ("{ command = \"printf '%s\\\\n' 'a b' c\" }", "a b"),
        ("{ command = [\"printf\", \"%s\", \"a  b\"] }", "a  b"),
        ("{ shell = \"printf x | tr x y\" }", "y"),
        ("{ env = \"MAIL_PASSWORD\" }", "from env"),
        ("{ file = \"~/secret\" }", " with blanks "),
        ("{ file = \"~/link\" }", " with blanks "),
        ("{ netrc = true }", "net"),
        ("{ netrc = \"~/other-netrc\" }", "other"),
        ("{ prompt = true }", "typed"),
    ] {
        assert_eq!(resolved(written, Some(home.path())).unwrap(), told, "{written}");
    }
}

#[test]
fn what_others_can_read_is_refused_with_what_to_do() {
    let home = TempDir::new().unwrap();
    for mode in [0o644, 0o604, 0o602] {
        let path = put(&home, "secret", "hunter2", mode);
        let error = resolved("{ file = \"~/secret\" }", Some(home.path())).unwrap_err();
        assert!(error.to_string().contains(&format!("mode is {mode:03o}")), "{error}");
        assert_eq!(error.remedy(), format!("chmod 600 {}", path.display()));
    }
    for (mode, owner, is_open) in [
        (0o600, 1000, false),
        (0o400, 1000, false),
        (0o640, 1000, true),
        (0o640, 0, false),
        (0o660, 0, true),
        (0o644, 0, true),
    ] {
        assert_eq!(is_open_to_others(mode, owner), is_open, "{mode:o} of {owner}");
    }
}

#[test]
fn what_cannot_be_had_says_where_and_why() {
    let home = TempDir::new().unwrap();
    put(&home, "empty", "\nsecond line", 0o600);
    put(&home, "long", &"x".repeat(SECRET_OCTETS_MAX + 1), 0o600);
    put(&home, ".netrc", "machine other.example login ann password net", 0o600);
    for (written, what) in [
        ("{ command = \"no-such-program-anywhere\" }", "cannot be started"),
        ("{ command = \"sh -c 'echo locked >&2; exit 3'\" }", "exit status: 3: locked"),
        ("{ command = \"true\" }", "holds no password"),
        ("{ command = \"cat /dev/zero\" }", "more than 16384 octets"),
        ("{ env = \"NOT_THERE\" }", "NOT_THERE is not set"),
        ("{ file = \"~/missing\" }", "No such file"),
        ("{ file = \"~/empty\" }", "holds no password"),
        ("{ file = \"~/long\" }", "more than 16384 octets"),
        ("{ file = \"~\" }", "no file"),
        ("{ netrc = true }", "no password for ann at mail.example.org"),
    ] {
        let error = resolved(written, Some(home.path())).unwrap_err();
        assert!(error.to_string().contains(what), "{written}: {error}");
        assert!(!error.remedy().is_empty(), "{written}");
    }
    assert!(resolved("{ file = \"~/secret\" }", None).unwrap_err().to_string().contains("no home folder"));
}

#[test]
fn a_program_that_takes_too_long_is_ended() {
    let environment = |_: &str| None;
    let around = Surroundings {
        disk: &LocalDisk,
        environment: &environment,
        ask: None,
        home: None,
        user: "",
        host: "",
        time_limit: Duration::from_millis(50),
    };
    let error = source("{ command = \"cat /dev/fd/2\" }").resolve(&around);
    assert!(error.is_err());
    let error = source("{ command = \"sleep 600\" }").resolve(&around).unwrap_err();
    assert!(matches!(error, SecretError::Command { fault: CommandFault::TimeLimit(_), .. }), "{error}");
    assert!(matches!(source("{ prompt = true }").resolve(&around), Err(SecretError::NobodyToAsk)));
}

#[test]
fn an_agent_that_a_program_leaves_behind_is_not_waited_for() {
    // It holds standard error only: what is printed has ended.
    let told = resolved("{ shell = \"echo it; sleep 600 >/dev/null & \" }", None).unwrap();
    assert_eq!(told, "it");
}

#[test]
fn no_error_and_no_debug_text_shows_the_secret() {
    let home = TempDir::new().unwrap();
    put(&home, "secret", "hunter2", 0o644);
    put(&home, ".netrc", "machine mail.example.org login ann password hunter2 hunter2", 0o600);
    assert!(!format!("{:?}", source("\"hunter2\"")).contains("hunter2"));
    for written in [
        "{ file = \"~/secret\" }",
        "{ netrc = true }",
        "{ shell = \"echo hunter2; echo hunter2 is wrong >&2; exit 1\" }",
        "{ command = \"sh -c 'exit 1' hunter2\" }",
    ] {
        let error = resolved(written, Some(home.path())).unwrap_err();
        assert!(!format!("{error} {error:?} {}", error.remedy()).contains("hunter2"), "{written}: {error:?}");
    }
}

#[test]
fn what_is_written_wrongly_is_told_without_quoting_it() {
    for (written, what) in [
        ("4711", "string in quotes"),
        ("true", "string in quotes"),
        ("\"\"", "empty password"),
        ("{}", "none of"),
        ("{ file = \"4711\", env = \"X\" }", "more than one"),
        ("{ file = \"4711\", user = \"X\" }", "user goes with keyring"),
        ("{ fil = \"4711\" }", "\"fil\" is none of"),
        ("{ env = \"4711-X\" }", "name of a variable"),
        ("{ command = \"\" }", "no program"),
        ("{ command = \"echo '4711\" }", "does not end"),
        ("{ command = 4711 }", "a string, or a list"),
        ("{ prompt = false }", "leaving it out"),
        ("{ prompt = \"4711\" }", "prompt is true"),
        ("{ file = 4711 }", "string in quotes"),
    ] {
        let text = format!("password = {written}");
        let error = toml::from_str::<BTreeMap<String, SecretSource>>(&text).unwrap_err();
        assert!(error.message().contains(what), "{written}: {}", error.message());
        assert!(!error.message().contains("4711"), "{written}: {}", error.message());
    }
}
