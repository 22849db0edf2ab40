//! Finding and loading the configuration, for every subcommand that needs one.

use std::env;
use std::path::{Path, PathBuf};

use restante_config::problem::Problem;
use restante_server::config::{self, Config};
use restante_server::system::SystemAccess;

use crate::exit::{Code, Failure};
use crate::flags::ConfigFile;
use crate::terminal;

/// The file to read: the one that was named, else the first default that exists. The path is absolute, so that it
/// still leads there when it is read again at a reload.
pub(crate) fn find(file: &ConfigFile) -> Result<PathBuf, Failure> {
    let path = match &file.config {
        Some(path) => path.as_path(),
        None => DEFAULTS.iter().map(Path::new).find(|path| exists(path)).ok_or_else(|| {
            Failure::new(
                Code::Config,
                format!("there is no configuration: neither {} exists", DEFAULTS.join(" nor ")),
            )
            .remedy("name one with --config FILE, or see it all without one: restante demo")
        })?,
    };
    std::path::absolute(path).map_err(|error| {
        Failure::new(Code::Config, format!("cannot tell where {} is: {error}", path.display()))
            .remedy("name it with its whole path")
    })
}

/// Loads the configuration; warnings go to standard error.
///
/// # Errors
/// When there is none or it is wrong. The problems have been printed then.
pub(crate) fn load(file: &ConfigFile) -> Result<Config, Failure> {
    let path = find(file)?;
    match config::load(&path) {
        Ok(mut config) => {
            config.warnings.iter().for_each(complain);
            config.system = SystemAccess::on_demand();
            Ok(config)
        }
        Err(problems) => {
            problems.iter().for_each(complain);
            Err(Failure::said(Code::Config))
        }
    }
}

/// The lines that tell of a problem, its file named as a person at this folder would name it.
pub(crate) fn lines(problem: &Problem) -> Vec<String> {
    let problem = Problem { file: short(&problem.file), ..problem.clone() };
    problem.to_string().lines().map(terminal::visible).collect()
}

/// A path as a person at this folder would write it. At the root, where service managers start programs, that is the whole of it.
// Only the program knows where it was called.
#[allow(clippy::disallowed_methods)]
pub(crate) fn short(path: &Path) -> PathBuf {
    let here = env::current_dir().ok().filter(|here| here.parent().is_some());
    let inside = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    inside.unwrap_or(path).to_owned()
}

fn complain(problem: &Problem) {
    lines(problem).iter().for_each(|line| terminal::report(line));
}

// Looking for the default files is this program's own business, not the store's.
#[allow(clippy::disallowed_methods)]
fn exists(path: &Path) -> bool {
    // A file that is there but cannot be seen is one: reading it will say why.
    path.try_exists().unwrap_or(true)
}

/// Where a configuration is looked for when none is named, in this order.
const DEFAULTS: [&str; 2] = ["./restante.toml", "/etc/restante/restante.toml"];
