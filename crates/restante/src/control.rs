//! Asking a running server over its control socket: one request, one answer.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use restante_server::config::Config;
use restante_server::control::{self, Line, Request};

use crate::exit::{Code, Failure};

/// Asks the server of this configuration; the lines of its answer, without the end.
///
/// # Errors
/// No server answers, or it refuses.
pub(crate) fn ask(config: &Config, request: &Request) -> Result<Vec<Line>, Failure> {
    let path = control::path(&config.state_dir);
    let failed = |error: &io::Error| {
        let (code, remedy) = match error.kind() {
            io::ErrorKind::PermissionDenied => (Code::Permission, "run this as the server's user"),
            _ => (Code::Unavailable, "start the server, or name its configuration with --config"),
        };
        Failure::new(code, format!("no server answers at {}: {error}", path.display())).remedy(remedy)
    };
    let lines = exchange(&path, request).map_err(|error| failed(&error))?;
    match lines.iter().find_map(|line| if let Line::Error(why) = line { Some(why) } else { None }) {
        Some(why) => Err(Failure::new(Code::Data, why.clone())),
        None => Ok(lines),
    }
}

fn exchange(path: &std::path::Path, request: &Request) -> io::Result<Vec<Line>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    stream.write_all(text.as_bytes())?;
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?)? {
            Line::End(_) => return Ok(lines),
            line => lines.push(line),
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer breaks off"))
}

/// The server gives itself less.
const PATIENCE: Duration = Duration::from_secs(15);
