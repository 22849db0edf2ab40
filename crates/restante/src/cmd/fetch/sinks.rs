//! `--to`: a sink on the command line, as `fetch.toml` would have it.

use std::path::Path;
use std::time::Duration;

use restante_fetch::config::deliver::{SinkConfig, SmtpSecurity};
use restante_fetch::config::place::Around;

/// A sink as it is written: `KIND:PLACE[,to=ADDRESS][,from=ADDRESS]`.
pub(super) fn parse(written: &str, around: &Around<'_>, folder: &Path) -> Result<SinkConfig, String> {
    let (kind, place) = written.split_once(':').unwrap_or((written, ""));
    let wants = |what: &str| if place.is_empty() { Err(format!("{written}: {what}")) } else { Ok(()) };
    match kind {
        "maildir" => {
            wants("write maildir:PATH")?;
            let path = around.place(place, folder).map_err(|why| format!("{written}: {why}"))?;
            Ok(SinkConfig::Maildir { path, folder: None, look_in: Vec::new(), mode: None })
        }
        "mbox" => {
            wants("write mbox:PATH")?;
            let path = around.place(place, folder).map_err(|why| format!("{written}: {why}"))?;
            Ok(SinkConfig::Mbox { path, mode: None })
        }
        "lmtp" | "smtp" => transport(kind, written, place),
        "command" => {
            let command = shlex::split(place).filter(|words| !words.is_empty());
            let command = command.ok_or_else(|| format!("{written}: write command:PROGRAM ARGUMENTS"))?;
            Ok(SinkConfig::Command { command, timeout: COMMAND_TIMEOUT })
        }
        _ => Err(format!(
            "{written}: there is no sink {kind:?}; write maildir:PATH, mbox:PATH, lmtp:…, smtp:… or command:PROGRAM"
        )),
    }
}

/// A server that takes mail.
fn transport(kind: &str, written: &str, place: &str) -> Result<SinkConfig, String> {
    let mut parts = place.split(',');
    let server = parts.next().unwrap_or_default().to_owned();
    let (mut recipient, mut sender) = (None, String::new());
    for part in parts {
        match part.split_once('=') {
            Some(("to", address)) => recipient = Some(address.to_owned()),
            Some(("from", address)) => address.clone_into(&mut sender),
            _ => {
                return Err(format!(
                    "{written}: {part:?} is not known here; write to=ADDRESS or from=ADDRESS"
                ));
            }
        }
    }
    let example = match kind {
        "lmtp" => "write lmtp:unix:PATH,to=ADDRESS or lmtp:HOST:PORT,to=ADDRESS",
        _ => "write smtp:HOST:PORT,to=ADDRESS",
    };
    let is_address =
        |address: &str| !address.contains(['<', '>', ' ']) && !address.chars().any(char::is_control);
    let recipient = recipient.filter(|address| !address.is_empty() && is_address(address));
    let recipient = recipient.ok_or_else(|| format!("{written}: whose it is there is missing; {example}"))?;
    if !is_address(&sender) {
        return Err(format!("{written}: {sender:?} is no mail address"));
    }
    let is_socket = kind == "lmtp" && server.strip_prefix("unix:").is_some_and(|path| path.starts_with('/'));
    let host = server.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    match (kind, host) {
        _ if is_socket => Ok(SinkConfig::Lmtp { server, recipient, sender }),
        (_, None) => Err(format!("{written}: {example}")),
        ("lmtp", Some(_)) => Ok(SinkConfig::Lmtp { server, recipient, sender }),
        (_, Some((host, _))) => {
            let is_near = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
            let security = if is_near { SmtpSecurity::None } else { SmtpSecurity::Starttls };
            Ok(SinkConfig::Smtp { server, security, ca: None, login: None, recipient, sender })
        }
    }
}

/// As in `fetch.toml`.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn around<'a>() -> Around<'a> {
        Around { home: Some(Path::new("/home/alice")), environment: &|_| None, is_root: false, mode: None }
    }

    fn parsed(written: &str) -> Result<String, String> {
        parse(written, &around(), Path::new("/srv")).map(|sink| format!("{sink:?}"))
    }

    #[test]
    fn sinks_are_what_they_say() {
        for (written, shown) in [
            ("maildir:~/Mail", "path: \"/home/alice/Mail\""),
            ("maildir:Mail", "path: \"/srv/Mail\""),
            ("mbox:/var/mail/alice", "Mbox"),
            ("lmtp:unix:/run/lmtp,to=alice", "server: \"unix:/run/lmtp\", recipient: \"alice\""),
            ("lmtp:localhost:24,to=a@b.example,from=c@d.example", "sender: \"c@d.example\""),
            ("smtp:localhost:25,to=a@b.example", "security: None"),
            ("smtp:mail.example.org:587,to=a@b.example", "security: Starttls"),
            ("command:/usr/bin/procmail -d 'a b'", "[\"/usr/bin/procmail\", \"-d\", \"a b\"]"),
        ] {
            let sink = parsed(written).unwrap();
            assert!(sink.contains(shown), "{written}: {sink}");
        }
    }

    #[test]
    fn what_is_no_sink_says_how_to_write_one() {
        for (written, said) in [
            ("~/Mail", "there is no sink"),
            ("maildir:", "maildir:PATH"),
            ("mbox", "mbox:PATH"),
            ("lmtp:localhost:24", "to=ADDRESS"),
            ("lmtp:localhost,to=a", "lmtp:HOST:PORT"),
            ("lmtp:unix:relative,to=a", "lmtp:unix:PATH"),
            ("smtp:unix:/run/x,to=a", "smtp:HOST:PORT"),
            ("smtp:localhost:25,to=<a>", "to=ADDRESS"),
            ("smtp:localhost:25,to=a,cc=b", "cc=b"),
            ("command:", "command:PROGRAM"),
            ("command:'open", "command:PROGRAM"),
        ] {
            let why = parsed(written).unwrap_err();
            assert!(why.contains(said), "{written}: {why}");
        }
    }
}
