//! The permissions of what is delivered into files, under umasks that would give others.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use restante_test::odd_server::OddServer;

use crate::kitchen::{Home, Ran};

/// `restante fetch` under this umask.
fn under(umask: &str, home: &Home, path: &str) -> Ran {
    let fetch = home.command(&["--config", path]);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "umask \"$0\" && exec \"$@\"", umask])
        .arg(fetch.get_program())
        .args(fetch.get_args());
    command.env_clear();
    for (name, value) in fetch.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    Ran::of(command.output().unwrap())
}

fn configuration(home: &Home, server: &OddServer, sinks: &str) -> String {
    home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nname = \"work\"\nserver = \"{}\"\nsecurity = \"none\"\n\
         password = {{ env = \"PW\" }}\ndeliver = [{sinks}]\n",
        home.state().display(),
        server.url()
    ))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The permissions of all messages of a Maildir, which must be alike.
fn of_messages(maildir: &Path) -> u32 {
    let modes: Vec<u32> =
        fs::read_dir(maildir.join("new")).unwrap().map(|file| mode(&file.unwrap().path())).collect();
    assert_eq!(modes.len(), 3);
    assert!(modes.iter().all(|mode| mode == &modes[0]), "{modes:?}");
    modes[0]
}

#[test]
fn mail_has_the_permissions_that_are_wanted_whatever_the_umask() {
    for umask in ["0077", "0000", "0027", "0072"] {
        for (written, file, folder) in
            [("mode = \"0640\", ", 0o640, 0o750), ("mode = 0o664, ", 0o664, 0o775), ("", 0o600, 0o700)]
        {
            let server = OddServer::with_messages(3, 300);
            let home = Home::new();
            let sinks = format!(
                "{{ {written}type = \"maildir\", path = \"Mail\", folder = \"Lists\" }}, {{ {written}type = \"mbox\", path = \"mbox\" }}"
            );
            under(umask, &home, &configuration(&home, &server, &sinks)).ended(0);
            let lists = home.maildir().join(".Lists");
            assert_eq!(of_messages(&lists), file, "umask {umask}, {written}");
            assert_eq!(mode(&home.path().join("mbox")), file, "umask {umask}, {written}");
            for made in [
                home.maildir(),
                home.maildir().join("new"),
                lists.clone(),
                lists.join("cur"),
                lists.join("tmp"),
            ] {
                assert_eq!(mode(&made), folder, "umask {umask}, {written}: {}", made.display());
            }
            assert_eq!(mode(&home.state()) & 0o077, 0, "what is ours stays so");
        }
    }
}

#[test]
fn maildirs_with_other_permissions_share_no_file() {
    let server = OddServer::with_messages(3, 300);
    let home = Home::new();
    let sinks = "{ type = \"maildir\", path = \"Mail\", mode = \"0640\" }, { type = \"maildir\", path = \"Own\" }, \
                 { type = \"maildir\", path = \"Group\", mode = \"0660\" }, { type = \"maildir\", path = \"Like\", mode = \"0640\" }";
    under("0022", &home, &configuration(&home, &server, sinks)).ended(0);
    for (name, wanted) in [("Mail", 0o640), ("Own", 0o600), ("Group", 0o660), ("Like", 0o640)] {
        assert_eq!(of_messages(&home.path().join(name)), wanted, "{name}");
    }
}

#[test]
fn what_is_there_keeps_its_permissions_and_a_folder_hands_on_its_group() {
    let server = OddServer::with_messages(3, 300);
    let home = Home::new();
    let (mbox, mail) = (home.path().join("mbox"), home.path().join("group"));
    fs::write(&mbox, "").unwrap();
    fs::set_permissions(&mbox, fs::Permissions::from_mode(0o604)).unwrap();
    fs::create_dir(&mail).unwrap();
    fs::set_permissions(&mail, fs::Permissions::from_mode(0o2751)).unwrap();
    let sinks = "{ type = \"mbox\", path = \"mbox\", mode = \"0640\" }, { type = \"maildir\", path = \"group/Mail\", mode = \"0640\" }";
    under("0077", &home, &configuration(&home, &server, sinks)).ended(0);
    assert_eq!((mode(&mbox), mode(&mail)), (0o604, 0o2751));
    assert_eq!(mode(&mail.join("Mail/new")), 0o2750);
    assert_eq!(of_messages(&mail.join("Mail")), 0o640);
    assert_eq!(fs::metadata(mail.join("Mail/new")).unwrap().gid(), fs::metadata(&mail).unwrap().gid());
}
