//! `restante ban list|add|remove|export`: who is kept out by the running server.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use restante_auth::network::Network;
use restante_server::bans::Ban;
use restante_server::config::Config;
use restante_server::control::{Line, Request};

use super::configuration;
use crate::clock;
use crate::control;
use crate::exit::{Code, Failure};
use crate::flags::ban::{BanCommand, Form};
use crate::terminal::{self, Column, Table};

/// Runs one of the `ban` commands.
pub(crate) fn run(command: &BanCommand) -> Result<(), Failure> {
    match command {
        BanCommand::List { file, json } => {
            let bans = bans(&configuration::load(file)?)?;
            if json.json { terminal::print_json(&bans) } else { terminal::print(&listed(&bans)) }
        }
        BanCommand::Add { network, span, reason, file } => {
            let request = Request::BanAdd {
                network: network.to_string(),
                seconds: span.map(|span| span.0.as_secs()),
                reason: reason.clone(),
            };
            control::ask(&configuration::load(file)?, &request)?;
            terminal::print(&format!("banned {network}\n"))
        }
        BanCommand::Remove { network, file } => {
            let request = Request::BanRemove { network: network.to_string() };
            control::ask(&configuration::load(file)?, &request)?;
            terminal::print(&format!("{network} is let in again\n"))
        }
        BanCommand::Export { form, output, file } => {
            let bans = bans(&configuration::load(file)?)?;
            let text = exported(&bans, form.form(), clock::wall());
            match output {
                None => terminal::print(&text),
                Some(path) => replace(path, &text),
            }
        }
    }
}

fn bans(config: &Config) -> Result<Vec<Ban>, Failure> {
    let lines = control::ask(config, &Request::BanList)?;
    Ok(lines
        .into_iter()
        .filter_map(|line| if let Line::Ban(ban) = line { Some(ban) } else { None })
        .collect())
}

fn listed(bans: &[Ban]) -> String {
    let headings = ["NETWORK", "SINCE", "UNTIL", "BY", "REASON"];
    let mut table = Table::new(headings.map(Column::text).into());
    for ban in bans {
        table.push(vec![
            ban.network.clone(),
            time(ban.since),
            ban.until.map_or_else(|| "for good".to_owned(), time),
            if ban.is_automatic { "server" } else { "operator" }.to_owned(),
            ban.reason.clone(),
        ]);
    }
    table.render()
}

/// The list for other programs. Networks alone go into what they execute or load: they are read as networks first, so
/// that nothing else can be in there.
fn exported(bans: &[Ban], form: Form, now: SystemTime) -> String {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let networks = bans.iter().filter_map(|ban| {
        let left = ban.until.map(|until| until.saturating_sub(now));
        ban.network.parse::<Network>().ok().zip(Some(left)).filter(|(_, left)| *left != Some(0))
    });
    let networks: Vec<(Network, Option<u64>)> = networks.collect();
    let mut text = String::new();
    // Writing to a String cannot fail; the same holds below.
    let _ = match form {
        Form::Plain => networks.iter().try_for_each(|(network, _)| writeln!(text, "{network}")),
        Form::Haproxy => writeln!(text, "# haproxy: tcp-request connection reject if {{ src -f THIS_FILE }}")
            .and_then(|()| networks.iter().try_for_each(|(network, _)| writeln!(text, "{network}"))),
        Form::Nftables => {
            text.push_str("# nft -f THIS_FILE\n");
            text.push_str("table inet restante\ndelete table inet restante\ntable inet restante {\n");
            nft_set(&mut text, "banned4", "ipv4_addr", networks.iter().filter(|it| it.0.is_ipv4()));
            nft_set(&mut text, "banned6", "ipv6_addr", networks.iter().filter(|it| !it.0.is_ipv4()));
            text.push_str(NFT_CHAIN);
            Ok(())
        }
    };
    text
}

fn nft_set<'a>(
    text: &mut String,
    name: &str,
    kind: &str,
    networks: impl Iterator<Item = &'a (Network, Option<u64>)>,
) {
    let elements: Vec<String> = networks
        .map(|(network, left)| match left {
            Some(seconds) => format!("\t\t\t{network} timeout {seconds}s"),
            None => format!("\t\t\t{network}"),
        })
        .collect();
    let _ = write!(text, "\tset {name} {{\n\t\ttype {kind}\n\t\tflags interval, timeout\n\t\tauto-merge\n");
    if !elements.is_empty() {
        let _ = write!(text, "\t\telements = {{\n{}\n\t\t}}\n", elements.join(",\n"));
    }
    text.push_str("\t}\n");
}

/// Puts a file in place as a whole: its reader never sees half a list.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |error: &std::io::Error| {
        Failure::new(Code::CannotCreate, format!("cannot write {}: {error}", path.display()))
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

fn time(seconds: u64) -> String {
    let moment = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    let moment = moment.and_then(|moment| Timestamp::try_from(moment).ok());
    moment.map_or_else(|| "unknown".to_owned(), |moment| moment.to_string())
}

/// POP3 alone: the table must not keep anybody from anything else.
const NFT_CHAIN: &str = "\tchain input {
\t\ttype filter hook input priority filter; policy accept;
\t\ttcp dport { 109, 110, 995 } ip saddr @banned4 drop
\t\ttcp dport { 109, 110, 995 } ip6 saddr @banned6 drop
\t}
}
";

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(network: &str, until: Option<u64>) -> Ban {
        let reason = "x; drop".to_owned();
        Ban { network: network.to_owned(), since: 900, until, reason, is_automatic: false }
    }

    #[test]
    fn the_forms_hold_networks_and_nothing_else() {
        let bans = [
            ban("192.0.2.1", Some(1_060)),
            ban("2001:db8::/48", None),
            ban("198.51.100.0/24", Some(1_000)),
            ban("1.2.3.4 } ; flush ruleset", None),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(exported(&bans, Form::Plain, now), "192.0.2.1\n2001:db8::/48\n");
        let haproxy = exported(&bans, Form::Haproxy, now);
        assert!(haproxy.starts_with("# ") && haproxy.ends_with("\n192.0.2.1\n2001:db8::/48\n"), "{haproxy}");
        let nftables = exported(&bans, Form::Nftables, now);
        assert!(nftables.contains("elements = {\n\t\t\t192.0.2.1 timeout 60s\n\t\t}"), "{nftables}");
        assert!(nftables.contains("elements = {\n\t\t\t2001:db8::/48\n\t\t}"), "{nftables}");
        assert!(!nftables.contains("flush") && !nftables.contains("198.51.100"), "{nftables}");
        assert!(!exported(&[], Form::Nftables, now).contains("elements"));
    }

    #[test]
    fn a_list_on_a_terminal_holds_no_control_characters() {
        let bans = [Ban { reason: "\u{1b}[31mred\nforged line".to_owned(), ..ban("192.0.2.1", None) }];
        let text = listed(&bans);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
