//! `[[auth.source]]` with `type = "checkpassword"`.

use super::*;
use crate::assemble::programs;
use std::path::PathBuf;

const CHECKPASSWORD: &str = "[[auth.source]]\ntype = \"checkpassword\"\n";

#[test]
fn a_program_is_read_and_named_to_whoever_walls_the_server_in() {
    let folder = folder();
    let text = format!("{CHECKPASSWORD}command = [\"/bin/true\", \"x\"]\nlookups = true\n");
    let config = read(&folder, &text).unwrap();
    assert_eq!(config.warnings, []);
    let shown = config.show();
    assert!(shown.contains("command = [\"/bin/true\", \"x\"]") && shown.contains("programs = 8"), "{shown}");
    let all = programs::all(&config);
    assert!(all.contains(&PathBuf::from("/bin/true")) && all.contains(&std::env::current_exe().unwrap()));
    assert!(programs::all(&read(&folder, LEAST).unwrap()).is_empty());
}

#[test]
fn what_is_wrong_with_a_program_is_said_at_its_line() {
    let wrong = |lines: &str| problems(&format!("{CHECKPASSWORD}{lines}part = \"passwords\"\n"));
    assert_eq!(wrong(""), ["1: a program that checks passwords, and is not named"]);
    assert_eq!(wrong("command = []\n"), ["1: a program that checks passwords, and is not named"]);
    assert_eq!(
        wrong("command = [\"true\"]\ntimeout_s = 0\n"),
        [
            "3: auth.source.0.command: \"true\" is no full path of a program",
            "4: auth.source.0.timeout_s = 0 is out of bounds"
        ]
    );
    assert_eq!(wrong("command = [\"/nowhere/x\"]\n"), ["3: auth.source.0.command: there is no /nowhere/x"]);
    let config = read(&folder(), &format!("{CHECKPASSWORD}command = [\"/bin/true\"]\n")).unwrap();
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.what.starts_with("without lookups"), "{}", warning.what);
}
