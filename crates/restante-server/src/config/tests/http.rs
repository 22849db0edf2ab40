//! `[[auth.source]]` with `type = "http"`.

use super::*;

const HTTP: &str = "[[auth.source]]\ntype = \"http\"\n";

#[test]
fn a_program_behind_http_is_read_and_shown_without_its_secret() {
    let folder = folder();
    let text = format!("{HTTP}url = \"https://a.example/x\"\npassword = \"hunter2\"\nca = \"cert.pem\"\n");
    let config = read(&folder, &text).unwrap();
    assert_eq!(config.warnings, []);
    let AuthSource::Http(source) = &config.sources[0].own else { panic!("{:?}", config.sources) };
    assert_eq!(source.ca, Some(folder.path().join("cert.pem")));
    let shown = config.show();
    assert!(shown.contains("header = \"Restante-Secret\"") && !shown.contains("hunter2"), "{shown}");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_is_wrong_with_an_address_is_said_at_its_line() {
    let wrong = |lines: &str| problems(&format!("{HTTP}{lines}"));
    assert_eq!(wrong(""), ["1: a source by HTTP without an address"]);
    assert_eq!(
        wrong("timeout_s = 0\nurl = \"ftp://a\"\n"),
        [
            "3: auth.source.0.timeout_s = 0 is out of bounds",
            "4: this is no address such as https://accounts.example.org/check"
        ]
    );
    assert_eq!(wrong("url = \"http://a.example\"\n"), ["3: passwords would go over a network in clear"]);
    assert_eq!(
        wrong("url = \"http://a.example\"\nclear = true\npassword_file = \"none\"\n"),
        ["5: the secret in ./none cannot be read: No such file or directory (os error 2)"]
    );
}
