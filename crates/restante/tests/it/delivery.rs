//! `restante deliver`: what lands in the maildrop, and which exit status a mail transfer agent sees.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scene::Scene;

fn with_ann() -> Scene {
    let scene = Scene::with_configuration();
    fs::create_dir(scene.path("mail")).unwrap();
    let answer = scene.run(&["account", "add", "ann"], b"secret\n");
    assert_eq!(answer.code(), 0, "{}", answer.stderr);
    scene
}

fn messages(scene: &Scene) -> Vec<PathBuf> {
    let files =
        |name: &str| fs::read_dir(scene.path(name)).map(Iterator::collect).unwrap_or_else(|_| Vec::new());
    files("mail/ann/new").into_iter().map(|entry: Result<fs::DirEntry, _>| entry.unwrap().path()).collect()
}

fn only_message(scene: &Scene) -> Vec<u8> {
    let messages = messages(scene);
    assert_eq!(messages.len(), 1, "{messages:?}");
    fs::read(&messages[0]).unwrap()
}

/// What is behind the fields that delivery puts in front.
fn behind_trace(message: &[u8]) -> &[u8] {
    let mut rest = message;
    loop {
        let end = rest.iter().position(|&octet| octet == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        let fields: [&[u8]; 4] = [b"Return-Path: ", b"Delivered-To: ", b"Received: ", b"\t"];
        if !fields.iter().any(|field| line.starts_with(field)) {
            return rest;
        }
        rest = behind;
    }
}

fn is_left_behind(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

#[test]
fn a_message_lands_in_the_maildrop_with_its_envelope() {
    let scene = with_ann();
    let answer = scene.run(
        &["deliver", "--to", "Ann+list@example.org", "--from", "bob@example.org"],
        b"Subject: hello\n\nIt works.\n",
    );
    assert_eq!((answer.code(), answer.stdout.as_str(), answer.stderr.as_str()), (0, "", ""));
    let message = String::from_utf8(only_message(&scene)).unwrap();
    assert!(
        message.starts_with("Return-Path: <bob@example.org>\nDelivered-To: Ann+list@example.org\nReceived: "),
        "{message}"
    );
    assert!(message.contains("by mail.example.org with local id "), "{message}");
    assert!(message.contains("\n\tfor <Ann+list@example.org>;\n"), "{message}");
    assert_eq!(behind_trace(message.as_bytes()), b"Subject: hello\n\nIt works.\n");
}

#[test]
fn every_kind_of_line_end_and_octet_arrives() {
    for (input, stored) in [
        (&b"A: b\r\n\r\nc\r\n"[..], &b"A: b\n\nc\n"[..]),
        (b"A: b\n\nno end", b"A: b\n\nno end\n"),
        (b"A: b\n\n.\n..\n", b"A: b\n\n.\n..\n"),
        (b".A: b\n\n", b".A: b\n\n"),
        (b"A: b\n\nnul \0, cr \r, 8 bits \xe9\xff\n", b"A: b\n\nnul \0, cr \r, 8 bits \xe9\xff\n"),
        (b"From bob Mon Jan  5 09:00:00 2026\nA: b\n\nFrom c\n", b"A: b\n\nFrom c\n"),
        (b"Return-Path: <old@example.org>\nA: b\n\n", b"A: b\n\n"),
        (b"", b""),
    ] {
        let scene = with_ann();
        let answer = scene.run(&["deliver", "--to", "ann"], input);
        assert_eq!(answer.code(), 0, "{}: {}", input.escape_ascii(), answer.stderr);
        let message = only_message(&scene);
        assert!(message.starts_with(b"Return-Path: <>\n"));
        assert_eq!(behind_trace(&message), stored, "{}", input.escape_ascii());
    }
}

#[test]
fn a_message_of_many_megabytes_passes_through_little_memory() {
    let scene = with_ann();
    let line = [&[b'x'; 70][..], b"\n"].concat();
    let message = [b"Subject: large\n\n".as_slice(), &line.repeat(400_000)].concat();
    let mut command = scene.command(&["deliver", "--to", "ann"]);
    // The whole message does not fit into what the program may use, all of its own included.
    let program = format!("ulimit -v 400000; exec '{}' \"$@\"", crate::scene::PROGRAM);
    let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = std::process::Command::new("sh");
    command.arg("-c").arg(program).arg("sh").args(words).current_dir(scene.root());
    command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(behind_trace(&only_message(&scene)), message);
}

#[test]
fn what_is_too_large_is_refused_for_good_and_leaves_nothing() {
    let scene = with_ann();
    let config = scene.configuration();
    scene.write("restante.toml", &format!("{config}\n[lmtp]\nmessage_octets_max = 65536\n"));
    let lines =
        |count: usize| b"0123456789012345678901234567890123456789012345678901234567890\n".repeat(count);
    // 63 octets a line in the canonical form: 1040 lines are 65,520 octets, one more is too many.
    assert_eq!(scene.run(&["deliver", "--to", "ann"], &lines(1040)).code(), 0);
    let answer = scene.run(&["deliver", "--to", "ann"], &lines(1041));
    assert_eq!(answer.code(), 65, "{}", answer.stderr);
    assert!(
        answer.stderr.contains("65536 octets") && answer.stderr.lines().count() == 1,
        "{}",
        answer.stderr
    );
    assert_eq!(messages(&scene).len(), 1);
    assert!(!is_left_behind(&scene.path("mail/ann/tmp")));
}

#[test]
fn the_exit_status_tells_whose_fault_it_is() {
    let scene = with_ann();
    scene.write("mail/bob", "a file where a maildrop should be");
    assert_eq!(scene.run(&["account", "add", "bob"], b"secret\n").code(), 0);
    scene.play("deliver-refusals.txt");
    assert_eq!(messages(&scene), [] as [PathBuf; 0]);
}

#[test]
fn a_disk_that_is_not_there_is_a_temporary_fault() {
    let scene = with_ann();
    fs::remove_dir(scene.path("mail")).unwrap();
    let answer = scene.run(&["deliver", "--to", "ann"], b"A: b\n\n");
    assert_eq!(answer.code(), 75, "{}", answer.stderr);
    assert!(!scene.path("mail").exists());
}

#[test]
fn a_full_disk_is_a_temporary_fault_and_leaves_nothing() {
    // A limit on the size of files stands in for the full disk: the write fails in the middle all the same.
    let scene = with_ann();
    assert_eq!(scene.run(&["deliver", "--to", "ann"], b"A: b\n\n").code(), 0);
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; head -c 3000000 /dev/zero | tr '\\0' 'x' | '{}' deliver --to ann",
        crate::scene::PROGRAM
    );
    let output =
        std::process::Command::new("sh").args(["-c", &script]).current_dir(scene.root()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("mail/ann/tmp"), "{said}");
    assert_eq!(messages(&scene).len(), 1);
    assert!(!is_left_behind(&scene.path("mail/ann/tmp")));
}

#[test]
fn deliveries_at_the_same_time_all_arrive() {
    let scene = with_ann();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let scene = &scene;
            scope.spawn(move || {
                let message = format!("Subject: {number}\n\n");
                let answer = scene.run(&["deliver", "--to", "ann"], message.as_bytes());
                assert_eq!(answer.code(), 0, "{}", answer.stderr);
            });
        }
    });
    let mut found: Vec<Vec<u8>> =
        messages(&scene).iter().map(|path| behind_trace(&fs::read(path).unwrap()).to_vec()).collect();
    found.sort();
    let expected: Vec<Vec<u8>> = (0..8).map(|number| format!("Subject: {number}\n\n").into_bytes()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_full_maildrop_ends_as_the_operator_chose() {
    for (over, code) in [("later", 75), ("refuse", 77)] {
        let scene = with_ann();
        let config = scene.configuration();
        scene.write("restante.toml", &format!("{config}\n[quota]\nmessages = 1\nover = \"{over}\"\n"));
        let deliver = || scene.run(&["deliver", "--to", "ann"], b"Subject: x\n\nx\n");
        assert_eq!(deliver().code(), 0);
        let answer = deliver();
        assert_eq!(answer.code(), code, "{}", answer.stderr);
        assert!(answer.stderr.contains("1 of 1 messages"), "{}", answer.stderr);
        only_message(&scene);
        assert!(!is_left_behind(&scene.path("mail/ann/tmp")));
    }
}
