//! A password from a real keyring: GNOME's, on a message bus of the test's own, asked as `secret-tool` asks it.

use std::process::{Command, Stdio};

use restante_test::mail::numbered;
use restante_test::real::restante::binary;
use restante_test::real::{Kind, Server, Setup};

use crate::kitchen::{Home, Ran, SECRET};

/// Starts the keyring, waits until it has its name on the bus, keeps the password there, and runs what is named. The keyring ends with
/// it; should it not, it ends with the bus, which ends with this shell.
const SESSION: &str = r#"
set -eu
printf 'its own password' | gnome-keyring-daemon --unlock --components=secrets --foreground >"$HOME/keyring.log" 2>&1 &
keyring=$!
trap 'kill "$keyring"; wait "$keyring" || true' EXIT
tries=0
until dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
        org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q 'boolean true'
do
    kill -0 "$keyring"
    tries=$((tries + 1))
    [ "$tries" -lt 5000 ]
done
printf '%s' "$PASSWORD" | secret-tool store --label=Mail service restante-test username alice
unset PASSWORD
"$@"
"#;

/// Runs `restante fetch` in a session with such a keyring, and nothing of the machine's.
fn in_session(home: &Home, words: &[&str]) -> Ran {
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", SESSION, "session"]).arg(binary()).arg("fetch").args(words).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home.path());
    command.env("XDG_RUNTIME_DIR", &run).env("XDG_DATA_HOME", home.path().join("data"));
    command.env("PASSWORD", SECRET).stdin(Stdio::null());
    Ran::of(command.output().expect("dbus-run-session is of the package dbus"))
}

#[test]
fn a_password_is_found_in_the_keyring() {
    let home = Home::new();
    let setup = Setup { mail: vec![("alice".into(), vec![numbered(1, 3)])], ..Setup::default() };
    let server = Server::start(Kind::Restante, &setup);
    let configuration = |keyring: &str| {
        home.configuration(&format!(
            "state_dir = \"{}\"\n[[account]]\nserver = \"pops://alice@{}\"\ntls = {{ ca = \"{}\" }}\n\
             password = {{ {keyring} }}\ndeliver = [{{ type = \"maildir\", path = \"{}\" }}]\n",
            home.state().display(),
            server.pop3s_address(),
            server.site().path().join("authority.pem").display(),
            home.maildir().display(),
        ))
    };
    let file = configuration("keyring = \"restante-test\", user = \"somebody else\"");
    in_session(&home, &["--config", &file]).ended(77).says("keyring");
    let file = configuration("keyring = \"restante-test\"");
    let ran = in_session(&home, &["--config", &file, "--verbose", "--trace"]).ended(0);
    assert!(!format!("{}{}", ran.out, ran.err).contains(SECRET));
    ran.says("collected 1 message");
    // Without a bus: it is said what failed, and nothing waits for anybody.
    home.run(&["--config", &file]).ended(77).says("keyring");
}
