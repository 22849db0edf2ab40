//! What the parser takes and what it refuses; the texts themselves are pinned by tests/transcripts/help.txt.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Command, ErrorKind> {
    let words = std::iter::once("restante").chain(line.split_whitespace());
    Flags::try_parse_from(words).map(|flags| flags.command).map_err(|error| error.kind())
}

#[test]
fn the_definitions_are_sound() {
    Flags::command().debug_assert();
}

#[test]
fn every_command_and_every_flag_is_explained() {
    fn walk(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{} has no description", command.get_name());
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {} has no help",
                command.get_name(),
                argument.get_id()
            );
        }
        command.get_subcommands().for_each(walk);
    }
    walk(&Flags::command());
}

#[test]
fn no_help_is_wider_than_eighty_columns() {
    fn walk(command: &mut clap::Command) {
        for help in [command.render_help(), command.render_long_help()] {
            for line in help.to_string().lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
        }
        command.get_subcommands_mut().for_each(walk);
    }
    let mut program = Flags::command();
    program.build();
    walk(&mut program);
}

#[test]
fn every_command_of_the_contract_parses() {
    for line in [
        "login work",
        "login work --device --json -c x.toml",
        "login work --browser --port 8400",
        "login --status --json",
        "login work --status",
        "logout work --local -c x.toml",
        "demo",
        "demo --exit",
        "serve",
        "serve --config x.toml",
        "serve -c x.toml",
        "config check",
        "config check --json --config x.toml",
        "config check --connect --json",
        "config show",
        "deliver --to ann",
        "deliver --to=ann@example.org --from=<>",
        "account add ann",
        "account add ann --password-stdin",
        "account passwd ann",
        "account list --json",
        "account alias add ann info",
        "account alias remove info",
        "account alias list --json",
        "account forget ann",
        "account remove ann",
        "maildrop list --json",
        "maildrop show ann",
        "maildrop import ann --from dovecot --dry-run",
        "maildrop import --all --from pops://old.example.org --master admin --json",
        "maildrop rehearse --all --from pops://old.example.org --credentials f --quick",
        "maildrop export ann --to dovecot",
        "maildrop show ann 7",
        "maildrop accept ann --json",
        "maildrop verify ann --quick",
        "maildrop verify --all --json",
        "maildrop repair ann",
        "maildrop repair --all",
        "check pop://mail.example.org",
        "check pops://ann@mail.example.org:9950 --password-command true --only capa --only list-form --skip login",
        "check pop://[::1] --user ann --password-file p --destructive --deliver-to /run/lmtp --recipient ann@x --slow",
        "check pop://localhost --json --junit report.xml --ca ca.pem --allow-plaintext",
        "check --list",
        "completions fish",
        "man",
        "man account add",
        "man --directory /tmp",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn an_account_that_looks_like_a_flag_needs_two_dashes() {
    assert!(matches!(parse("account remove -ann"), Err(ErrorKind::UnknownArgument)));
    assert!(parse("account remove -- -ann").is_ok());
}

#[test]
fn wrong_usage_is_refused() {
    for (line, kind) in [
        ("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("config", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("account", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("maildrop", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("maildrop show ann 7 --json", ErrorKind::ArgumentConflict),
        ("maildrop verify", ErrorKind::MissingRequiredArgument),
        ("maildrop repair ann --all", ErrorKind::ArgumentConflict),
        ("maildrop repair ann --quick", ErrorKind::UnknownArgument),
        ("maildrop accept", ErrorKind::MissingRequiredArgument),
        ("maildrop accept ann bob", ErrorKind::UnknownArgument),
        ("login", ErrorKind::MissingRequiredArgument),
        ("login work --device --browser", ErrorKind::ArgumentConflict),
        ("login work --device --port 1", ErrorKind::ArgumentConflict),
        ("login work --status --device", ErrorKind::ArgumentConflict),
        ("login work --port 65536", ErrorKind::ValueValidation),
        ("logout", ErrorKind::MissingRequiredArgument),
        ("sreve", ErrorKind::InvalidSubcommand),
        ("serve extra", ErrorKind::UnknownArgument),
        ("serve --config", ErrorKind::InvalidValue),
        ("serve --config a --config b", ErrorKind::ArgumentConflict),
        ("deliver", ErrorKind::MissingRequiredArgument),
        ("deliver ann", ErrorKind::UnknownArgument),
        ("account add", ErrorKind::MissingRequiredArgument),
        ("account add ann bob", ErrorKind::ValueValidation),
        ("account set ann", ErrorKind::MissingRequiredArgument),
        ("account add ann --no-password --password-stdin", ErrorKind::ArgumentConflict),
        ("account app-password add ann", ErrorKind::MissingRequiredArgument),
        ("account app-password add ann x --for imap", ErrorKind::InvalidValue),
        ("account list ann", ErrorKind::UnknownArgument),
        ("check", ErrorKind::MissingRequiredArgument),
        ("check pop://x --deliver-to /run/lmtp --recipient ann", ErrorKind::MissingRequiredArgument),
        ("check pop://x --destructive --deliver-to /run/lmtp", ErrorKind::MissingRequiredArgument),
        ("check pop://x --password-file a --password-command b", ErrorKind::ArgumentConflict),
        ("check pop://x --password secret", ErrorKind::UnknownArgument),
        ("completions cmd", ErrorKind::InvalidValue),
        ("man demo --directory x", ErrorKind::ArgumentConflict),
        ("demo --exit=yes", ErrorKind::TooManyValues),
    ] {
        assert_eq!(parse(line).err(), Some(kind), "{line}");
    }
}

#[test]
fn arguments_that_are_not_utf_8_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"\xff").to_owned();
    let words = ["restante".into(), "account".into(), "remove".into(), name];
    assert_eq!(Flags::try_parse_from(words).unwrap_err().kind(), ErrorKind::InvalidUtf8);
}
