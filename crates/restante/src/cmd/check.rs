//! `restante check`: puts the laws of `restante-check` to a server and prints what came of it. Decides nothing
//! else.

use restante_check::judge::{self, Need};
use restante_check::report::{Finding, Report};
use restante_check::target::{AUTOLOGOUT_MIN, Credentials, Delivery, Settings, Target};
use restante_check::verdict::{Breach, Level, Verdict};
use restante_check::{RunError, run as judge_server};
use serde::Serialize;

use super::login::{self, Source};
use crate::clock;
use crate::exit::{Code, Failure};
use crate::flags::Check;
use crate::terminal::{self, Paint, Style};

/// Runs `restante check`.
pub(crate) fn run(flags: &Check) -> Result<(), Failure> {
    if flags.list {
        return list(flags.json.json);
    }
    let url = flags.url.as_deref().ok_or_else(|| {
        Failure::new(Code::Usage, "no server was named").remedy("restante check pops://mail.example.org")
    })?;
    let settings = settings(flags, url)?;
    let paint = Paint::for_stdout();
    let mut printed = Ok(());
    let mut progress = |finding: &Finding| {
        if !flags.json.json && printed.is_ok() {
            printed = terminal::print_painted(&row(finding, paint));
        }
    };
    let report = judge_server(&settings, &mut progress).map_err(failed)?;
    printed?;
    if let Some(path) = &flags.junit {
        login::write(path, report.junit().as_bytes())?;
    }
    match flags.json.json {
        true => terminal::print_json_text(&report.json())?,
        false => terminal::print_painted(&details(&report, paint))?,
    }
    if report.left_behind {
        terminal::complain("warning: messages that this run delivered may still be in the maildrop");
    }
    outcome(&report)
}

/// What the command line asks for.
fn settings(flags: &Check, url: &str) -> Result<Settings, Failure> {
    let target = Target::parse(url).map_err(|error| login::bad_url(url, error))?;
    let user = flags.user.clone().or_else(|| target.user.clone());
    let mut settings = Settings::new(target, token()?, clock::wall(), clock::now);
    settings.credentials = match user {
        Some(user) => Some(credentials(flags, &user)?),
        None => None,
    };
    settings.roots = login::roots(flags.ca.as_deref())?;
    settings.allow_plaintext = flags.allow_plaintext;
    settings.is_destructive = flags.destructive;
    settings.delivery = delivery(flags)?;
    settings.idle = flags.slow.then_some(AUTOLOGOUT_MIN);
    settings.only.clone_from(&flags.only);
    settings.skip.clone_from(&flags.skip);
    Ok(settings)
}

fn delivery(flags: &Check) -> Result<Option<Delivery>, Failure> {
    let (Some(place), Some(recipient)) = (&flags.deliver_to, &flags.recipient) else { return Ok(None) };
    let delivery = Delivery::parse(place, recipient).ok_or_else(|| {
        Failure::new(Code::Usage, format!("cannot deliver to {recipient} at {place}")).remedy(
            "name lmtp://HOST:PORT, smtp://HOST:PORT or the path of a unix socket, and a plain address",
        )
    })?;
    Ok(Some(delivery))
}

/// The account and its password.
fn credentials(flags: &Check, user: &str) -> Result<Credentials, Failure> {
    let source = Source { file: flags.password_file.as_deref(), command: flags.password_command.as_deref() };
    let password = login::password(source, user)?;
    Credentials::new(user, password.expose()).ok_or_else(|| {
        Failure::new(Code::Data, "the name or the password is empty, or holds what POP3 cannot say")
    })
}

/// A word that no message has.
fn token() -> Result<String, Failure> {
    let mut octets = [0; 10];
    getrandom::fill(&mut octets)
        .map_err(|error| Failure::new(Code::Software, format!("no random octets: {error}")))?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// One line of the table.
fn row(finding: &Finding, paint: Paint) -> String {
    let word = format!("{:<9}", finding.verdict.word());
    let word = match finding.verdict {
        Verdict::Pass => paint.paint(Style::Good, &word),
        Verdict::Fail(_) => paint.paint(Style::Bad, &word),
        Verdict::Warning(_) | Verdict::Undecided { .. } => paint.paint(Style::Bold, &word),
        Verdict::NotApplicable { .. } => paint.paint(Style::Faint, &word),
    };
    let more = match &finding.verdict {
        Verdict::NotApplicable { why } | Verdict::Undecided { why } => {
            format!(" ({})", terminal::visible(why))
        }
        _ => String::new(),
    };
    format!("{word}  {:<29}  {}{more}\n", finding.key, finding.title)
}

/// Every broken law with what shows it, and the counts.
fn details(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let (Verdict::Fail(breach) | Verdict::Warning(breach)) = &finding.verdict else { continue };
        text.push_str(&broken(finding, breach, paint));
    }
    let summary = report.summary();
    text.push_str(&format!(
        "\n{}: {} passed, {} failed, {} warnings, {} not applicable, {} undecided\n",
        terminal::visible(&report.target),
        summary.passed,
        summary.failed,
        summary.warnings,
        summary.not_applicable,
        summary.undecided
    ));
    text
}

fn broken(finding: &Finding, breach: &Breach, paint: Paint) -> String {
    let style = if matches!(finding.verdict, Verdict::Fail(_)) { Style::Bad } else { Style::Bold };
    let heading = paint.paint(style, &format!("{} {}", finding.verdict.word(), finding.key));
    let mut text = format!("\n{heading}: {}\n", finding.title);
    if !finding.rows.is_empty() {
        text.push_str(&format!(
            "  law       {} ({})\n",
            finding.sections.join(", "),
            finding.rows.join(", ")
        ));
    }
    text.push_str(&format!("  expected  {}\n", terminal::visible(&breach.expected)));
    text.push_str(&format!("  found     {}\n", terminal::visible(&breach.found)));
    for line in &finding.transcript {
        text.push_str(&format!("    {}\n", terminal::visible(line)));
    }
    text
}

/// How the program ends.
fn outcome(report: &Report) -> Result<(), Failure> {
    let summary = report.summary();
    if summary.failed > 0 {
        return Err(Failure::said(Code::NotAll));
    }
    match summary.undecided {
        0 => Ok(()),
        count => Err(Failure::new(Code::Temporary, format!("{count} laws could not be judged"))),
    }
}

fn failed(error: RunError) -> Failure {
    let code = match &error {
        RunError::System(_) => Code::Temporary,
        RunError::NoSuchJudge(_) => {
            return Failure::new(Code::Usage, error.to_string()).remedy("see 'restante check --list'");
        }
        RunError::Unreachable(_) => Code::Unavailable,
        RunError::NoLogin(_) => Code::Permission,
    };
    Failure::new(code, terminal::visible(&error.to_string()))
}

/// Prints the laws themselves.
fn list(as_json: bool) -> Result<(), Failure> {
    if as_json {
        let entries: Vec<Entry> = judge::all()
            .map(|judge| Entry {
                key: judge.key,
                title: judge.title,
                level: judge.level,
                sections: judge.sections(),
                rows: judge.rows,
                needs: judge.needs.iter().map(need).collect(),
            })
            .collect();
        return terminal::print_json(&entries);
    }
    let mut text = String::new();
    for judge in judge::all() {
        let level = match judge.level {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::Practice => "practice",
        };
        let needs: Vec<String> = judge.needs.iter().map(need).collect();
        let needs = if needs.is_empty() { String::new() } else { format!("; needs {}", needs.join(", ")) };
        text.push_str(&format!("{:<29}  {}\n", judge.key, judge.title));
        text.push_str(&format!("{:31}{level}, {}{needs}\n", "", judge.sections().join(", ")));
    }
    terminal::print(&text)
}

/// What a judge takes, in words.
fn need(need: &Need) -> String {
    match need {
        Need::Account => "an account".into(),
        Need::Messages(1) => "a message".into(),
        Need::Messages(count) => format!("{count} messages"),
        Need::Destructive => "--destructive".into(),
        Need::Delivery => "--deliver-to".into(),
        Need::Tls => "TLS".into(),
        Need::Slow => "--slow".into(),
    }
}

/// A law for programs.
#[derive(Serialize)]
struct Entry {
    key: &'static str,
    title: &'static str,
    level: Level,
    sections: Vec<String>,
    rows: &'static [&'static str],
    needs: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "N\x1b[2J\u{9b}31m\r\n\u{202e}";

    fn finding(verdict: Verdict) -> Finding {
        Finding {
            key: "greeting",
            title: "a title",
            level: Level::Must,
            sections: Vec::new(),
            rows: Vec::new(),
            verdict,
            transcript: vec![format!("S: {NASTY}")],
            seconds: 0.0,
        }
    }

    #[test]
    fn nothing_of_what_a_server_has_said_steers_a_terminal() {
        let breach = || Breach { expected: NASTY.to_owned(), found: NASTY.to_owned() };
        let why = || NASTY.to_owned();
        let findings = [
            Verdict::Fail(breach()),
            Verdict::Warning(breach()),
            Verdict::Undecided { why: why() },
            Verdict::NotApplicable { why: why() },
        ];
        let findings: Vec<Finding> = findings.into_iter().map(finding).collect();
        let paint = Paint::for_stdout();
        for finding in &findings {
            let row = row(finding, paint);
            assert_eq!(row.lines().count(), 1, "{row:?}");
            assert_eq!(terminal::visible(row.trim_end()), row.trim_end());
        }
        let target = format!("pop://{NASTY}");
        let details = details(&Report { target, findings, connections: 1, left_behind: false }, paint);
        assert!(details.lines().all(|line| terminal::visible(line) == line), "{details:?}");
        assert_eq!(details.matches("N\u{fffd}[2J").count(), 7, "{details}");
        assert_eq!(details.lines().count(), 12, "{details}");
    }
}
