//! Runs against the server of the tests.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use restante_check::Deadlines;
use restante_check::report::{Finding, Report};
use restante_check::target::{Credentials, Delivery, Settings, Target};
use restante_check::verdict::Verdict;

use crate::server::{PASSWORD, Server, USER, Variation};

/// Everything allowed, short deadlines.
pub(crate) fn settings(server: &Server, scheme: &str) -> Settings {
    let target = Target::parse(&format!("{scheme}://{}", server.address)).unwrap();
    let mut settings = Settings::new(target, "5ca1ab1e".into(), SystemTime::now(), Instant::now);
    settings.credentials = Credentials::new(USER, PASSWORD.as_bytes());
    settings.roots = Some(Arc::new(server.roots.clone()));
    settings.is_destructive = true;
    settings.delivery = Delivery::parse(&format!("lmtp://{}", server.lmtp), "ann@example.org");
    settings.idle = Some(Duration::from_millis(200));
    settings.budget.deadlines = Deadlines { connect: Duration::from_secs(10), reply: Duration::from_secs(3) };
    settings.budget.pause = Duration::from_millis(30);
    settings
}

/// One law, put to a server that goes wrong in this way.
pub(crate) fn one(key: &str, variation: Variation) -> Finding {
    let server = Server::start(variation, false);
    let mut settings = settings(&server, "pop");
    settings.only = vec![key.to_owned()];
    let report = restante_check::run(&settings, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    report.findings.into_iter().next().unwrap()
}

/// Demands a violation, with its transcript.
pub(crate) fn fails(key: &str, variation: Variation) {
    let finding = one(key, variation);
    assert!(matches!(finding.verdict, Verdict::Fail(_)), "{finding:#?}");
    assert!(!finding.transcript.is_empty(), "{finding:#?}");
}

/// Demands a warning, with its transcript.
pub(crate) fn warns(key: &str, variation: Variation) {
    let finding = one(key, variation);
    assert!(matches!(finding.verdict, Verdict::Warning(_)), "{finding:#?}");
    assert!(!finding.transcript.is_empty(), "{finding:#?}");
}

/// Keys and verdicts of everything that is no pass.
pub(crate) fn not_passed(report: &Report) -> Vec<(&'static str, Verdict)> {
    let findings = report.findings.iter();
    findings
        .filter(|finding| finding.verdict != Verdict::Pass)
        .map(|finding| (finding.key, finding.verdict.clone()))
        .collect()
}
