//! What a run has found, and its forms for machines: JSON and JUnit.

use std::fmt::Write as _;
use std::time::Duration;

use restante_proto::visible::replaced;
use serde::Serialize;

use crate::judge::Judge;
use crate::verdict::{Breach, Level, Verdict};

/// What one judge has found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The judge.
    pub key: &'static str,
    /// The law in a few words.
    pub title: &'static str,
    /// How binding it is.
    pub level: Level,
    /// Where it stands, such as `RFC 1939 section 7`; empty for practice alone.
    pub sections: Vec<String>,
    /// The rows of the ledger.
    pub rows: Vec<&'static str>,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was said, for everything but a pass and what does not apply. `C:` is us, `S:` the server, `-:` a remark; a number in front
    /// tells connections apart.
    pub transcript: Vec<String>,
    /// Seconds it took.
    pub seconds: f64,
}

impl Finding {
    pub(crate) fn new(judge: &Judge, verdict: Verdict, evidence: Vec<String>, took: Duration) -> Self {
        let is_shown = !matches!(verdict, Verdict::Pass | Verdict::NotApplicable { .. });
        Self {
            key: judge.key,
            title: judge.title,
            level: judge.level,
            sections: judge.sections(),
            rows: judge.rows.to_vec(),
            verdict,
            transcript: if is_shown { evidence } else { Vec::new() },
            seconds: took.as_secs_f64(),
        }
    }
}

/// What a run has found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The URL of the server.
    pub target: String,
    /// In the order of the judges.
    pub findings: Vec<Finding>,
    /// Connections that were opened.
    pub connections: u32,
    /// Whether messages that the run delivered may still be in the maildrop.
    pub left_behind: bool,
}

/// How many findings there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Laws kept.
    pub passed: usize,
    /// MUSTs broken.
    pub failed: usize,
    /// SHOULDs and practice not kept.
    pub warnings: usize,
    /// Laws that do not bind here.
    pub not_applicable: usize,
    /// Laws that could not be judged.
    pub undecided: usize,
}

impl Report {
    /// Counts the findings.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for finding in &self.findings {
            let count = match finding.verdict {
                Verdict::Pass => &mut summary.passed,
                Verdict::Fail(_) => &mut summary.failed,
                Verdict::Warning(_) => &mut summary.warnings,
                Verdict::NotApplicable { .. } => &mut summary.not_applicable,
                Verdict::Undecided { .. } => &mut summary.undecided,
            };
            *count += 1;
        }
        summary
    }

    /// One JSON object: target, summary, findings.
    #[must_use]
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            summary: Summary,
            #[serde(flatten)]
            report: &'a Report,
        }
        let whole = Whole { summary: self.summary(), report: self };
        serde_json::to_string_pretty(&whole).expect("strings, numbers and lists are JSON") + "\n"
    }

    /// A JUnit test suite, as continuous integration systems read it: a broken MUST is a failure, what could not be judged an error,
    /// what does not apply is skipped, a warning passes and says so in its output.
    #[must_use]
    pub fn junit(&self) -> String {
        let summary = self.summary();
        let seconds: f64 = self.findings.iter().map(|finding| finding.seconds).sum();
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a string cannot fail.
        let _ = writeln!(
            xml,
            "<testsuites><testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\">",
            escaped(&self.target),
            self.findings.len(),
            summary.failed,
            summary.undecided,
            summary.not_applicable
        );
        for finding in &self.findings {
            let _ = write!(
                xml,
                "<testcase classname=\"restante.check\" name=\"{}\" time=\"{:.3}\">",
                escaped(&format!("{}: {}", finding.key, finding.title)),
                finding.seconds
            );
            xml.push_str(&outcome(finding));
            xml.push_str("</testcase>\n");
        }
        xml.push_str("</testsuite></testsuites>\n");
        xml
    }
}

/// The inside of a test case.
fn outcome(finding: &Finding) -> String {
    let with_transcript = |breach: &Breach| {
        let law = [&[finding.sections.join(", "), finding.rows.join(" ")][..], &finding.transcript].concat();
        (escaped(&format!("expected {}; found {}", breach.expected, breach.found)), escaped(&law.join("\n")))
    };
    match &finding.verdict {
        Verdict::Pass => String::new(),
        Verdict::Fail(breach) => {
            let (message, text) = with_transcript(breach);
            format!("<failure message=\"{message}\" type=\"violation\">{text}</failure>")
        }
        Verdict::Warning(breach) => {
            let (message, text) = with_transcript(breach);
            format!("<system-out>warning: {message}\n{text}</system-out>")
        }
        Verdict::NotApplicable { why } => format!("<skipped message=\"{}\"/>", escaped(why)),
        Verdict::Undecided { why } => {
            let text = escaped(&finding.transcript.join("\n"));
            format!("<error message=\"{}\" type=\"undecided\">{text}</error>", escaped(why))
        }
    }
}

/// Text for XML: its own signs escaped, and what XML 1.0 cannot hold, or a reader cannot see, replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(sign),
            '\u{FFFE}' | '\u{FFFF}' => out.push(char::REPLACEMENT_CHARACTER),
            sign => out.push(replaced(sign)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(key: &'static str, verdict: Verdict) -> Finding {
        Finding {
            key,
            title: "a < b",
            level: Level::Must,
            sections: vec!["RFC 1939 section 7".into()],
            rows: vec!["R1939-7.3"],
            verdict,
            transcript: vec!["C: TOP 1 0 & more".into()],
            seconds: 0.25,
        }
    }

    fn report() -> Report {
        let breach = Breach { expected: "\"a\"".into(), found: "\u{1b}b".into() };
        let findings = vec![
            finding("good", Verdict::Pass),
            finding("bad", Verdict::Fail(breach.clone())),
            finding("so-so", Verdict::Warning(breach)),
            finding("not", Verdict::NotApplicable { why: "no TLS".into() }),
            finding("lost", Verdict::Undecided { why: "no login".into() }),
        ];
        Report { target: "pop://a&b".into(), findings, connections: 7, left_behind: false }
    }

    #[test]
    fn junit_escapes_what_it_shows_and_counts_each_kind() {
        let xml = report().junit();
        assert!(xml.contains("tests=\"5\" failures=\"1\" errors=\"1\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("name=\"pop://a&amp;b\"") && xml.contains("bad: a &lt; b"), "{xml}");
        assert!(xml.contains("expected &quot;a&quot;; found \u{fffd}b"), "{xml}");
        assert!(xml.contains("C: TOP 1 0 &amp; more") && !xml.contains('\u{1b}'), "{xml}");
    }

    #[test]
    fn json_holds_summary_and_findings() {
        let value: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(value["summary"]["failed"], 1);
        assert_eq!(value["findings"][1]["verdict"], "fail");
        assert_eq!(value["findings"][1]["rows"][0], "R1939-7.3");
        assert_eq!(value["findings"][3]["why"], "no TLS");
    }
}
