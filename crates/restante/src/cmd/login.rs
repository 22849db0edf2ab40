//! What a command line says of logging in somewhere: where the password is, and which authorities are trusted. The files
//! that a person named for this and for the like are read and written here.

use std::env;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use restante_client::connect::{pem_roots, platform_roots};
use restante_proto::secret::Secret;
use restante_proto::url::UrlError;
use rustls::RootCertStore;

use crate::exit::{self, Code, Failure};
use crate::terminal;

/// Where the command line says that a password is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Source<'a> {
    /// On the first line of this file.
    pub(crate) file: Option<&'a Path>,
    /// On the first line that this command prints.
    pub(crate) command: Option<&'a str>,
}

/// The password, from where the command line says, else from the environment, else asked for.
pub(crate) fn password(source: Source<'_>, user: &str) -> Result<Secret, Failure> {
    let password = if let Some(path) = source.file {
        Secret::new(read(path, PASSWORD_OCTETS_MAX)?)
    } else if let Some(command) = source.command {
        told_by(command)?
    } else if let Some(password) = from_environment() {
        password
    } else if std::io::stdin().is_terminal() {
        terminal::password(user)?
    } else {
        return Err(Failure::new(Code::Usage, format!("no password for {user}"))
            .remedy("use --password-file, --password-command or the variable RESTANTE_PASSWORD"));
    };
    Ok(Secret::new(first_line(password.expose()).to_vec()))
}

/// What to say of a URL that is no POP URL: the same in every command that takes a server.
pub(crate) fn bad_url(url: &str, error: UrlError) -> Failure {
    // A password in it is not said again, in a log of somebody's perhaps.
    let before_host = url.split_once("://").map_or(url, |(_, rest)| rest).rsplit_once('@');
    let may_hold_password = before_host.is_some_and(|(user, _)| user.contains(':'));
    let what = match error {
        UrlError::Password => error.to_string(),
        _ if may_hold_password => return Failure::new(Code::Usage, error.to_string()).remedy(USUAL_SPELLING),
        _ => format!("{}: {error}", terminal::visible(url)),
    };
    Failure::new(Code::Usage, what).remedy(right_spelling(url, error))
}

/// How to write what was meant, as far as that can be guessed.
fn right_spelling(url: &str, error: UrlError) -> String {
    let encoded = |user: &str| terminal::visible(&user.replace('@', "%40"));
    match error {
        UrlError::Scheme if !url.contains("://") && url.contains('@') => {
            format!("write pops://{}@HOST: an @ in a user name is %40", encoded(url))
        }
        UrlError::User => match url.split_once("://").and_then(|(scheme, rest)| {
            let (user, host) = rest.rsplit_once('@').filter(|(user, _)| user.contains('@'))?;
            Some(format!(
                "write {}://{}@{}: an @ in a user name is %40",
                terminal::visible(scheme),
                encoded(user),
                terminal::visible(host)
            ))
        }) {
            Some(remedy) => remedy,
            None => USUAL_SPELLING.to_owned(),
        },
        _ => USUAL_SPELLING.to_owned(),
    }
}

const USUAL_SPELLING: &str = "write pops://USER@HOST, or pop://USER@HOST for STLS";

/// The authorities to trust: those of the file that was named, else those of the machine, if it has any.
pub(crate) fn roots(ca: Option<&Path>) -> Result<Option<Arc<RootCertStore>>, Failure> {
    let Some(path) = ca else { return Ok(platform_roots().ok().map(Arc::new)) };
    let pem = read(path, CA_OCTETS_MAX)?;
    let roots = pem_roots(&pem)
        .map_err(|error| Failure::new(Code::Data, format!("{}: {}", path.display(), exit::chain(&error))))?;
    Ok(Some(Arc::new(roots)))
}

/// The first line that a command prints.
// The only program that is started here is the one that the person named.
#[allow(clippy::disallowed_methods)]
fn told_by(command: &str) -> Result<Secret, Failure> {
    let refused = |what: String| Failure::new(Code::NoInput, format!("the password command failed: {what}"));
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = shell.spawn().map_err(|error| refused(error.to_string()))?;
    let mut printed = Vec::with_capacity(1024);
    if let Some(output) = child.stdout.take() {
        output
            .take(PASSWORD_OCTETS_MAX)
            .read_to_end(&mut printed)
            .map_err(|error| refused(error.to_string()))?;
    }
    let printed = Secret::new(printed);
    let status = child.wait().map_err(|error| refused(error.to_string()))?;
    match status.success() {
        true => Ok(printed),
        false => Err(refused(status.to_string())),
    }
}

// The program reads the environment for everybody else.
#[allow(clippy::disallowed_methods)]
fn from_environment() -> Option<Secret> {
    use std::os::unix::ffi::OsStringExt;
    env::var_os("RESTANTE_PASSWORD").map(|value| Secret::new(value.into_vec()))
}

fn first_line(text: &[u8]) -> &[u8] {
    let line = text.split(|&octet| octet == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The first octets of a file that a person named.
// That is this program's own business, not the store's.
#[allow(clippy::disallowed_methods)]
pub(crate) fn read(path: &Path, octets_max: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file("read", path, &error);
    let mut octets = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(octets_max).read_to_end(&mut octets).map_err(failed)?;
    Ok(octets)
}

/// Writes a file that a person named.
// As above.
#[allow(clippy::disallowed_methods)]
pub(crate) fn write(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, octets).map_err(|error| Failure::file("write", path, &error))
}

/// More than anybody's password.
const PASSWORD_OCTETS_MAX: u64 = 4096;
/// A file of authorities has a few hundred kilobytes.
const CA_OCTETS_MAX: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use restante_proto::url::PopUrl;

    use super::*;

    #[test]
    fn a_password_is_the_first_line_and_keeps_its_blanks() {
        for (text, line) in
            [(&b" pass phrase \nmore"[..], &b" pass phrase "[..]), (b"x\r\n", b"x"), (b"x", b"x"), (b"", b"")]
        {
            assert_eq!(first_line(text), line);
        }
    }

    #[test]
    fn an_address_as_user_is_shown_how_to_write() {
        for (url, remedy) in [
            ("alice@example.org", "write pops://alice%40example.org@HOST: "),
            ("pops://alice@example.org@host:995", "write pops://alice%40example.org@host:995: "),
            ("alice", USUAL_SPELLING),
            ("pops://@host", USUAL_SPELLING),
        ] {
            let said = bad_url(url, PopUrl::parse(url).unwrap_err()).line().unwrap();
            assert!(said.contains(remedy), "{said}");
        }
    }

    #[test]
    fn a_bad_url_is_said_again_but_for_a_password() {
        let said = |url: &str| bad_url(url, PopUrl::parse(url).unwrap_err()).line().unwrap();
        assert!(
            said("imap://mail.example.org").starts_with("imap://mail.example.org: a POP URL begins with")
        );
        for url in ["pop://alice:hunter2@h", "pops://alice:hunter2@h/x", "pop://a:hunter2@b@h"] {
            let said = said(url);
            assert!(said.contains("must not hold a password") && !said.contains("hunter2"), "{said}");
        }
        for url in ["alice:hunter2@h", "imap://alice:hunter2@h"] {
            assert!(!said(url).contains("hunter2"), "{}", said(url));
        }
        assert!(!said("pop://\u{1b}[31m").contains('\u{1b}'));
    }

    #[test]
    fn a_command_tells_the_password_or_fails() {
        assert_eq!(told_by("printf 'a b\\nc'").unwrap().expose(), b"a b\nc");
        assert!(told_by("exit 3").unwrap_err().line().unwrap().contains("exit status: 3"));
    }
}
