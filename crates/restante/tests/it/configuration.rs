//! `config check` and `config show`, and where a configuration is looked for.

use std::path::Path;

use crate::scene::Scene;

#[test]
fn check_reports_every_error_at_once() {
    let scene = Scene::empty();
    scene.write(
        "bad.toml",
        &scene.at_home(
            r#"hostname = "mail example"
colour = "red"

[[listen]]
protocol = "pop4"
address = "127.0.0.1:0"

[[listen]]
protocol = "lmtp"
address = "127.0.0.1:99999"

[limits]
autologout_s = 60

[maildrop]
path = "mail"
"#,
        ),
    );
    // One error, for the commands that only need to say that they cannot go on.
    let good = scene.configuration();
    scene.write("colour.toml", &format!("colour = \"red\"\n{good}"));
    scene.play("config-errors.txt");
}

#[test]
fn check_reads_the_sources_of_accounts_too() {
    let scene = Scene::with_configuration();
    let config = scene.configuration();
    let with_file = config.replace("type = \"embedded\"", "type = \"file\"\npath = \"users\"");
    scene.write("restante.toml", &with_file);
    scene.write("users", "ann:{PLAIN}secret\nbob\n../eve:{PLAIN}x\nann:{PLAIN}y\n");
    scene.play("config-sources.txt");
}

#[test]
fn check_asks_every_source_once_if_it_shall() {
    let scene = Scene::with_configuration();
    let config = scene.configuration();
    let program =
        "[[auth.source]]\ntype = \"checkpassword\"\ncommand = [\"/bin/false\"]\npart = \"passwords\"\n";
    scene.write("good.toml", &format!("{config}\n{program}"));
    let away = "[[auth.source]]\ntype = \"http\"\nurl = \"http://127.0.0.1:1/\"\n\
                [[auth.source]]\ntype = \"dovecot\"\nsocket = \"none\"\npart = \"passwords\"\n";
    scene.write("away.toml", &format!("{config}\n{program}{away}"));
    scene.write("bad.toml", &format!("{config}\n{away}{}", program.replace("false", "sh")));
    scene.play("config-connect.txt");
}

#[test]
fn a_good_configuration_is_found_checked_and_shown() {
    let scene = Scene::with_configuration();
    scene.play("config.txt");
}

#[test]
fn a_problem_names_its_file_as_it_is_named_where_the_program_was_called() {
    let scene = Scene::empty();
    scene.write("bad.toml", "colour = \"red\"\n");
    for (here, named) in [(scene.root(), "bad.toml: error: "), (Path::new("/"), "[ROOT]/bad.toml: error: ")] {
        let mut command = scene.command(&["config", "check", "--config", "[ROOT]/bad.toml"]);
        let answer = scene.answer(command.current_dir(here).output().unwrap());
        assert!(answer.stdout.starts_with(named), "{}: {}", here.display(), answer.stdout);
    }
}

#[test]
fn what_show_prints_is_a_configuration_that_means_the_same() {
    let scene = Scene::with_configuration();
    let first = scene.run(&["config", "show"], b"");
    scene.write("shown.toml", &scene.at_home(&first.stdout));
    let second = scene.run(&["config", "show", "--config", "shown.toml"], b"");
    assert_eq!((second.code(), second.stdout), (0, first.stdout));
}

#[test]
fn problems_as_json_are_one_document() {
    let scene = Scene::empty();
    scene.write("restante.toml", "colour = \"red\"\n");
    let answer = scene.run(&["config", "check", "--json"], b"");
    assert_eq!(answer.code(), 78);
    let problems: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let problems = problems.as_array().unwrap();
    let colour =
        problems.iter().find(|problem| problem["what"].as_str().unwrap().contains("colour")).unwrap();
    assert_eq!((&colour["line"], &colour["severity"]), (&1.into(), &"error".into()));
    assert_eq!(colour["file"], "[ROOT]/restante.toml");
    // What is missing altogether stands on no line.
    assert!(problems.iter().any(|problem| problem["line"].is_null()), "{}", answer.stdout);
}
