//! `restante demo`, end to end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use crate::scene::Scene;

fn folders(scene: &Scene) -> usize {
    fs::read_dir(scene.root()).unwrap().count()
}

#[test]
fn the_tour_ends_well_and_leaves_nothing() {
    let scene = Scene::empty();
    let answer = scene.run(&["demo", "--exit"], b"");
    assert_eq!((answer.code(), answer.stderr.as_str()), (0, ""), "{}", answer.stdout);
    assert!(
        answer.stdout.contains("14 of 14 messages are octet for octet what was sent"),
        "{}",
        answer.stdout
    );
    assert!(!answer.stdout.contains("NO "), "{}", answer.stdout);
    let password =
        answer.stdout.lines().find_map(|line| line.trim().strip_prefix("password")).unwrap().trim();
    assert_eq!(answer.stdout.matches(password).count(), 1, "shown once, and never in the transcript");
    for said in ["C: PASS ****", "C: RETR 14", "C: MAIL FROM:<postmaster@example.org>", "C: QUIT"] {
        assert!(answer.stdout.contains(said), "{said}: {}", answer.stdout);
    }
    for line in answer.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains('\x1b'), "no colours in a pipe: {line}");
    }
    assert_eq!(folders(&scene), 0);
}

#[test]
fn the_lines_to_try_work_until_it_is_stopped() {
    let scene = Scene::empty();
    let mut child = scene.command(&["demo"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    for line in stdout.by_ref().lines() {
        lines.push(line.unwrap());
        if lines.last().unwrap().starts_with("Serving until") {
            break;
        }
    }
    let invited: Vec<&str> =
        lines.iter().map(|line| line.trim()).skip_while(|line| !line.starts_with("cd ")).collect();
    // As a reader would paste them; the one that never ends is left out.
    let script: Vec<&str> = invited
        .iter()
        .copied()
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("tail"))
        .collect();
    assert!(script.len() >= 5, "{invited:?}");
    let output = Command::new("sh").args(["-ec", &script.join("\n")]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\r\nSubject: Welcome to your maildrop\r\n"), "curl fetched message 1: {said}");
    assert!(said.contains("demo: 15 messages"), "deliver added one, maildrop shows it: {said}");

    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(folders(&scene), 0);
}

#[test]
fn a_temporary_folder_that_cannot_be_made_is_told() {
    let scene = Scene::empty();
    let output = scene.command(&["demo", "--exit"]).env("TMPDIR", "/nowhere").output().unwrap();
    let answer = scene.answer(output);
    assert_eq!(answer.code(), 73, "{}", answer.stderr);
    assert!(answer.stderr.contains("TMPDIR") && answer.stdout.is_empty(), "{}", answer.stderr);
}
