//! What the tour shows, in eighty columns: text from facts, nothing else.

use std::path::Path;
use std::time::Duration;

use super::comparison::Comparison;
use super::recorder::{Note, transcript};
use super::samples::Sample;
use super::tour::{Collected, Parties, Posted};
use crate::terminal::{Paint, Style, grouped};

/// The opening: what has been set up.
pub(crate) fn opening(paint: Paint, folder: &Path, parties: &Parties) -> String {
    let title = paint.paint(Style::Bold, "Restante: five minutes at the post office");
    let mut text = format!("\n{title}\n\n");
    text.push_str("   A server has been started for you, on this machine only, out of a temporary\n");
    text.push_str("   folder. It has one account and, so far, no mail.\n\n");
    for (name, value) in [
        ("folder", folder.display().to_string()),
        ("account", parties.account.clone()),
        ("password", parties.password.clone()),
        ("pop3", format!("{}   in clear until the client asks for STLS", parties.pop3)),
        ("pop3s", format!("{}   TLS from the first octet", parties.pop3s)),
        ("lmtp", format!("{}   where mail comes in", parties.lmtp)),
    ] {
        text.push_str(&format!("   {name:<9} {value}\n"));
    }
    text
}

/// Delivery: what was sent, how long it took, and what was said about the first message.
pub(crate) fn posted(paint: Paint, samples: &[Sample], posted: &[Posted], notes: &[Note]) -> String {
    let mut text = heading(paint, 1, "Mail comes in, by LMTP");
    text.push_str("    no     octets      time  what is special about it\n");
    for (index, (sample, posted)) in samples.iter().zip(posted).enumerate() {
        let (number, octets) = (index + 1, grouped(posted.octets));
        text.push_str(&format!("   {number:>3} {octets:>10} {:>9}  {}\n", time(posted.took), sample.title));
    }
    let octets = posted.iter().map(|posted| posted.octets).sum();
    let took = posted.iter().map(|posted| posted.took).sum();
    text.push_str(&format!(
        "\n   {} messages, {} octets in {}. Each was on disk to stay\n   before the server said 250. This was said about the first:\n\n",
        posted.len(),
        grouped(octets),
        time(took)
    ));
    text.push_str(&dialogue(paint, notes));
    text
}

/// Retrieval: what was said.
pub(crate) fn collected(paint: Paint, collected: &Collected) -> String {
    let mut text = heading(paint, 2, "Its owner calls for it, by POP3 inside TLS");
    text.push_str(&dialogue(paint, &collected.notes));
    text
}

/// The verdict. `seen_again`: a second session was shown the same.
pub(crate) fn verdict(paint: Paint, samples: &[Sample], collected: &Collected, seen_again: bool) -> String {
    let mut text = heading(paint, 3, "What came back");
    let mut mark = |is_good: bool, what: &str| {
        let (style, word) = if is_good { (Style::Good, "yes") } else { (Style::Bad, "NO ") };
        text.push_str(&format!("   {}  {what}\n", paint.paint(style, word)));
    };
    let all = collected.comparisons.len();
    let same = collected.comparisons.iter().filter(|&&comparison| comparison == Comparison::Same).count();
    mark(same == all, &format!("{same} of {all} messages are octet for octet what was sent"));
    for (index, _) in collected.comparisons.iter().enumerate().filter(|(_, it)| **it == Comparison::Different)
    {
        let title = samples.get(index).map_or("never sent", |sample| sample.title);
        mark(false, &format!("message {} ({title}) is different", index + 1));
    }
    mark(collected.sizes_hold, "every message had the octets that LIST had promised");
    mark(seen_again, "a second session, over STLS, saw the same numbers, sizes and unique-ids");
    text.push_str(&format!(
        "\n   Connecting, logging in and fetching all of it took {}. The login is most\n   of it: checking a password is made costly on purpose.\n",
        time(collected.took)
    ));
    text
}

/// Whether everything was as it should be.
pub(crate) fn is_good(collected: &Collected, seen_again: bool) -> bool {
    let is_same = |comparison: &Comparison| *comparison == Comparison::Same;
    collected.comparisons.iter().all(is_same) && collected.sizes_hold && seen_again
}

/// Lines to try. `program` is how the program can be called from there; `search` a folder to look for it in first.
pub(crate) fn invitation(paint: Paint, folder: &Path, parties: &Parties, search: Option<&Path>) -> String {
    let Parties { pop3, pop3s, account, password, .. } = parties;
    let mut text = heading(paint, 4, "Now you");
    text.push_str("   In another terminal:\n\n");
    let mut lines = vec![format!("cd {}", quoted(folder))];
    lines.extend(search.map(|search| format!("PATH={}:$PATH", quoted(search))));
    lines.push(format!("curl --cacert cert.pem -u {account}:{password} pop3s://{pop3s}/"));
    lines.push(format!("curl --cacert cert.pem -u {account}:{password} pop3s://{pop3s}/1"));
    lines.push(format!("printf 'Subject: Hello\\n\\nIt works.\\n' | restante deliver --to {account}"));
    lines.push(format!("restante maildrop show {account}"));
    lines.push("tail -f log".to_owned());
    for line in &lines {
        text.push_str(&format!("     {}\n", paint.paint(Style::Bold, line)));
    }
    text.push_str("\n   Or speak POP3 yourself: USER, PASS, LIST, RETR 1, DELE 1, QUIT\n\n");
    let line = format!("openssl s_client -quiet -crlf -CAfile cert.pem -connect {pop3s}");
    text.push_str(&format!("     {}\n", paint.paint(Style::Bold, &line)));
    text.push_str("\n   Or in a mail client:\n\n");
    for (name, value) in [
        ("server", pop3s.ip().to_string()),
        ("port", format!("{} with SSL/TLS, or {} with STARTTLS", pop3s.port(), pop3.port())),
        ("user", account.clone()),
        ("password", password.clone()),
        ("certificate", "made by this demo; let the client make an exception for it".to_owned()),
    ] {
        text.push_str(&format!("     {name:<12} {value}\n"));
    }
    text.push_str("\nServing until ^C. The folder and everything in it will be gone then.\n");
    text
}

fn heading(paint: Paint, number: u8, title: &str) -> String {
    format!("\n{}\n\n", paint.paint(Style::Bold, &format!("{number}  {title}")))
}

fn dialogue(paint: Paint, notes: &[Note]) -> String {
    let mut text = String::new();
    for line in transcript(notes, COLUMNS - "     ".len()) {
        // What the client says is what a reader follows.
        let line = if line.starts_with("C:") { line } else { paint.paint(Style::Faint, &line) };
        text.push_str(&format!("     {line}\n"));
    }
    text
}

/// A duration for people: three figures, in ms or s.
fn time(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 100.0 => format!("{ms:.1} ms"),
        _ if ms < 1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1000.0),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@".contains(c);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

const COLUMNS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_figures() {
        let shown = |us| time(Duration::from_micros(us));
        assert_eq!(shown(1_234), "1.23 ms");
        assert_eq!(shown(12_340), "12.3 ms");
        assert_eq!(shown(123_400), "123 ms");
        assert_eq!(shown(1_234_000), "1.23 s");
    }

    #[test]
    fn paths_are_quoted_for_the_shell_where_needed() {
        assert_eq!(quoted(Path::new("/tmp/restante-demo-Ab1")), "/tmp/restante-demo-Ab1");
        assert_eq!(quoted(Path::new("/tmp/it's here")), "'/tmp/it'\\''s here'");
    }
}
