//! Help, version, wrong usage, completions and manual pages.

use std::fs;
use std::process::Command;

use crate::scene::Scene;

#[test]
fn help_at_every_level() {
    Scene::empty().play("help.txt");
}

#[test]
fn wrong_usage_is_64_and_says_what_was_meant() {
    Scene::empty().play("usage.txt");
}

#[test]
fn completions_load_into_bash() {
    let scene = Scene::empty();
    let answer = scene.run(&["completions", "bash"], b"");
    assert_eq!(answer.code(), 0);
    fs::write(scene.path("completions"), &answer.stdout).unwrap();
    let script = format!(
        "source '{}'; COMP_WORDS=(restante acc); COMP_CWORD=1; _restante restante acc restante; echo ${{COMPREPLY[*]}}",
        scene.path("completions").display()
    );
    let bash =
        Command::new("bash").args(["-c", &script]).output().expect("bash is on every machine this builds on");
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "account");
}

#[test]
fn completions_exist_for_every_shell() {
    let scene = Scene::empty();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let answer = scene.run(&["completions", shell], b"");
        assert_eq!((answer.code(), answer.stderr.as_str()), (0, ""), "{shell}");
        assert!(answer.stdout.contains("maildrop"), "{shell}");
    }
}

#[test]
fn manual_pages_exist_for_every_command() {
    let scene = Scene::empty();
    let folder = scene.path("man");
    fs::create_dir(&folder).unwrap();
    assert_eq!(scene.run(&["man", "--directory", "[ROOT]/man"], b"").code(), 0);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = "restante-account-add.1 restante-account-alias-add.1 restante-account-alias-list.1 restante-account-alias-remove.1 restante-account-alias.1 restante-account-app-password-add.1 restante-account-app-password-list.1 restante-account-app-password-revoke.1 \
         restante-account-app-password.1 restante-account-disable.1 restante-account-enable.1 restante-account-forget.1 restante-account-import.1 restante-account-list.1 restante-account-passwd.1 \
         restante-account-quota.1 restante-account-remove.1 restante-account-set.1 restante-account.1 restante-ban-add.1 restante-ban-export.1 restante-ban-list.1 restante-ban-remove.1 restante-ban.1 restante-check.1 restante-completions.1 restante-config-check.1 \
         restante-config-show.1 restante-config-walls.1 restante-config.1 restante-deliver.1 restante-demo.1 restante-fetch-import.1 restante-fetch-quarantine-drop.1 restante-fetch-quarantine-list.1 restante-fetch-quarantine-retry.1 restante-fetch-quarantine-show.1 restante-fetch-quarantine.1 restante-fetch-status.1 restante-fetch.1 restante-login.1 restante-logout.1 restante-maildrop-accept.1 restante-maildrop-deleted.1 \
         restante-maildrop-expire.1 restante-maildrop-export.1 restante-maildrop-import.1 restante-maildrop-list.1 restante-maildrop-quota.1 restante-maildrop-rehearse.1 \
         restante-maildrop-repair.1 restante-maildrop-show.1 restante-maildrop-undelete.1 restante-maildrop-verify.1 restante-maildrop.1 restante-man.1 restante-serve.1 \
         restante.1";
    assert_eq!(names.join(" "), expected);
    let one = scene.run(&["man", "account", "add"], b"");
    assert_eq!(one.stdout, scene.answer_text(&fs::read(folder.join("restante-account-add.1")).unwrap()));
    assert!(one.stdout.contains("restante account add"), "{}", one.stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    // The page is far larger than nothing, and nobody reads it: the pipe is closed before the program writes.
    let scene = Scene::empty();
    let mut child = scene.command(&["completions", "zsh"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
