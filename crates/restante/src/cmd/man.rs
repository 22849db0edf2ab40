//! `restante man`: manual pages made from the same definitions as the parser, one for the program and one for each
//! subcommand, named as git names its own: restante-account-add(1).

// The one place besides the demo where this crate writes files; they are made for a packager, not for mail.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::exit::{Code, Failure};
use crate::flags::{self, Flags};
use crate::terminal;

/// Prints one page, or writes all of them into a folder.
pub(crate) fn run(flags: &flags::Man) -> Result<(), Failure> {
    let mut program = Flags::command();
    // Gives every subcommand its full name ("restante account add") and its usage line.
    program.build();
    match &flags.directory {
        Some(directory) => write_pages(&program, "restante", directory),
        None => {
            let (command, name) = find(&program, &flags.command)?;
            terminal::print(&String::from_utf8_lossy(&page(command, &name)?))
        }
    }
}

fn find<'a>(program: &'a clap::Command, words: &[String]) -> Result<(&'a clap::Command, String), Failure> {
    let mut found = (program, String::from("restante"));
    for word in words {
        let next = found.0.find_subcommand(word).ok_or_else(|| {
            Failure::new(Code::Usage, format!("there is no command '{} {word}'", found.0.get_name()))
                .remedy("see restante --help")
        })?;
        found = (next, format!("{}-{word}", found.1));
    }
    Ok(found)
}

fn write_pages(command: &clap::Command, name: &str, directory: &Path) -> Result<(), Failure> {
    let path = directory.join(format!("{name}.1"));
    fs::write(&path, page(command, name)?).map_err(|error| {
        Failure::new(Code::CannotCreate, format!("cannot write {}: {error}", path.display()))
            .remedy("name a folder that exists and may be written")
    })?;
    command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .try_for_each(|sub| write_pages(sub, &format!("{name}-{}", sub.get_name()), directory))
}

fn page(command: &clap::Command, name: &str) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .title(name.to_uppercase())
        .manual("Restante")
        .source(concat!("restante ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Failure::new(Code::Software, format!("cannot make the page {name}(1): {error}")))?;
    Ok(page)
}
