//! The whole run: a correct server has no breach over any transport, what a run may not do it does not do, and what it says of
//! itself is true.

use restante_check::judge::{self, Need};
use restante_check::target::Target;
use restante_check::verdict::Verdict;
use restante_check::{RunError, run};

use crate::run::{not_passed, settings};
use crate::server::{GOOD, Habit, Server, edit, habit};

/// What does not apply to the correct server, seen from loopback.
const NOT_APPLICABLE: &[&str] =
    &["tls-rsa-bits", "tls-implicit-at-once", "capa-plaintext", "login-delay", "stat-64-bit"];

#[test]
fn a_correct_server_passes_over_stls() {
    let server = Server::start(GOOD, false);
    let before = server.shared.messages.lock().unwrap().clone();
    let report = run(&settings(&server, "pop"), &mut |_| {}).unwrap();
    let not_passed = not_passed(&report);
    let keys: Vec<&str> = not_passed.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, NOT_APPLICABLE, "{not_passed:#?}");
    assert_eq!(*server.shared.messages.lock().unwrap(), before, "our own messages are gone, and no others");
    assert!(!report.left_behind);
}

#[test]
fn a_correct_server_passes_over_implicit_tls() {
    let server = Server::start(GOOD, true);
    let report = run(&settings(&server, "pops"), &mut |_| {}).unwrap();
    for (key, verdict) in not_passed(&report) {
        let is_about_stls = key.contains("stls")
            || ["tls-offered", "sasl-bearer-clear"].contains(&key)
            || NOT_APPLICABLE.contains(&key);
        assert!(is_about_stls && matches!(verdict, Verdict::NotApplicable { .. }), "{key}: {verdict:?}");
    }
}

#[test]
fn a_tls_port_that_greets_in_the_clear_is_found() {
    let server = Server::start(habit(&[Habit::SpeaksBeforeTls]), true);
    let mut settings = settings(&server, "pops");
    settings.only = vec!["tls-implicit-at-once".into()];
    let report = run(&settings, &mut |_| {}).unwrap();
    assert_eq!(report.summary().failed, 1, "{:#?}", report.findings);
}

#[test]
fn a_correct_server_passes_in_the_clear() {
    let server = Server::start(habit(&[Habit::NoTls]), false);
    let report = run(&settings(&server, "pop"), &mut |_| {}).unwrap();
    for (key, verdict) in not_passed(&report) {
        let needs_tls = judge::all().any(|judge| judge.key == key && judge.needs.contains(&Need::Tls));
        let needs_tls = needs_tls || key == "sasl-bearer-refusal";
        let is_right = match verdict {
            Verdict::Warning(_) => key == "tls-offered",
            _ => needs_tls || NOT_APPLICABLE.contains(&key),
        };
        assert!(is_right, "{key}: {verdict:?}");
    }
}

#[test]
fn without_leave_nothing_is_marked_and_nothing_delivered() {
    let server = Server::start(
        edit(|_, command, reply| {
            assert!(!command.to_ascii_uppercase().starts_with("DELE"), "{command}");
            reply
        }),
        false,
    );
    let before = server.shared.messages.lock().unwrap().clone();
    let mut settings = settings(&server, "pop");
    settings.is_destructive = false;
    let report = run(&settings, &mut |_| {}).unwrap();
    assert_eq!(*server.shared.messages.lock().unwrap(), before);
    for (key, verdict) in not_passed(&report) {
        assert!(matches!(verdict, Verdict::NotApplicable { .. }), "{key}: {verdict:?}");
    }
    assert_eq!(
        report.summary().passed,
        judge::all().filter(|judge| !judge.needs.contains(&Need::Destructive)).count() - NOT_APPLICABLE.len()
    );
}

#[test]
fn without_an_account_only_the_entrance_is_judged() {
    let server = Server::start(GOOD, false);
    let mut settings = settings(&server, "pop");
    settings.credentials = None;
    let report = run(&settings, &mut |_| {}).unwrap();
    let summary = report.summary();
    assert_eq!(
        (summary.failed, summary.warnings, summary.undecided),
        (0, 0, 0),
        "{:#?}",
        not_passed(&report)
    );
    assert!(summary.passed > 40, "{summary:?}");
}

#[test]
fn no_password_is_ever_in_a_report() {
    // Everything is a breach here, and everything is shown.
    let server = Server::start(
        edit(
            |session, command, reply| {
                if session.is_in && !command.starts_with("PASS") { b"-ERR no\r\n".to_vec() } else { reply }
            },
        ),
        false,
    );
    let report = run(&settings(&server, "pop"), &mut |_| {}).unwrap();
    assert!(report.summary().failed > 20);
    let text = report.json() + &report.junit();
    use base64::Engine as _;
    let encoded =
        base64::engine::general_purpose::STANDARD.encode(format!("\0ann\0{}", crate::server::PASSWORD));
    assert!(!text.contains(crate::server::PASSWORD) && !text.contains(&encoded));
    assert!(text.contains("PASS ****"));
}

#[test]
fn a_wrong_account_and_an_absent_server_are_told_at_once() {
    let server = Server::start(GOOD, false);
    let mut wrong = settings(&server, "pop");
    wrong.credentials = restante_check::target::Credentials::new("ann", b"wrong");
    assert!(matches!(run(&wrong, &mut |_| {}), Err(RunError::NoLogin(_))));
    let mut absent = settings(&server, "pop");
    // Nobody listens on the first port.
    absent.target = Target::parse("pop://127.0.0.1:1").unwrap();
    assert!(matches!(run(&absent, &mut |_| {}), Err(RunError::Unreachable(_))));
    let mut unknown = settings(&server, "pop");
    unknown.skip = vec!["no-such-law".into()];
    assert!(matches!(run(&unknown, &mut |_| {}), Err(RunError::NoSuchJudge(_))));
}

#[test]
fn the_budget_ends_a_run() {
    let server = Server::start(GOOD, false);
    let mut few = settings(&server, "pop");
    few.budget.connections = 30;
    let report = run(&few, &mut |_| {}).unwrap();
    assert!(report.connections <= 30 && report.summary().undecided > 50, "{:?}", report.summary());
    assert_eq!(report.summary().failed, 0);
    let mut short = settings(&server, "pop");
    short.budget.total = std::time::Duration::ZERO;
    let report = run(&short, &mut |_| {}).unwrap();
    assert_eq!(report.summary().undecided, report.findings.len());
}

#[test]
fn a_server_that_never_answers_or_never_stops_is_cut_short() {
    for variation in [
        edit(|_, command, reply| if command == "STAT" { Vec::new() } else { reply }),
        edit(|_, command, reply| if command == "STAT" { vec![b'x'; 200_000] } else { reply }),
    ] {
        let server = Server::start(variation, false);
        let mut settings = settings(&server, "pop");
        settings.only = vec!["stat-form".into()];
        settings.budget.deadlines.reply = std::time::Duration::from_secs(1);
        let report = run(&settings, &mut |_| {}).unwrap();
        assert_eq!(report.summary().failed, 1, "{:#?}", report.findings);
    }
}
