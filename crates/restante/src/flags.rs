//! Every flag and subcommand of the program: the one registry from which the parser, `--help`, the man pages
//! and the shell completions are made. Nothing is decided here; `cmd/` acts on what was parsed.

pub(crate) mod alias;
pub(crate) mod app_password;
pub(crate) mod ban;
pub(crate) mod deletion;
pub(crate) mod fetch;
pub(crate) mod tokens;

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use restante_auth::account::Bound;
use restante_auth::directory::embedded::accounts::Figure;
use restante_config::value::Size;
use restante_server::assemble::programs;

use alias::Alias;
use app_password::AppPassword;
use ban::Bans;
use deletion::{Deleted, Expire, Undelete};
use fetch::Fetch;
use tokens::{Login, Logout};

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(
    name = "restante",
    version,
    about = "The POP3 system: mail in by LMTP, out by POP3",
    long_about = "Restante holds mail until its owner calls for it: a POP3 server, the delivery \
                  that fills its maildrops, and a client.\n\n\
                  New here? 'restante demo' shows all of it in a minute, in a temporary folder.",
    after_long_help = EXIT_STATUS,
    max_term_width = 80,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    Serve(Serve),
    Config(Config),
    Deliver(Deliver),
    Account(Account),
    Ban(Bans),
    Maildrop(Maildrop),
    Check(Check),
    Fetch(Fetch),
    Login(Login),
    Logout(Logout),
    Completions(Completions),
    Man(Man),
    #[command(name = programs::ANSWER, hide = true)]
    CheckpasswordAnswer(CheckpasswordAnswer),
}

/// Print what the environment says of an account; what a checkpassword program becomes, and of no use by hand
#[derive(Args, Debug)]
pub(crate) struct CheckpasswordAnswer {}

/// Take the tour: server, delivery and client, no set-up needed
///
/// Makes a temporary folder with a certificate, an account and sample messages; starts the server on
/// loopback; delivers the samples over LMTP; fetches them over POP3S; shows what was said on the wire;
/// compares every message octet by octet; prints lines to try; and serves until ^C.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// End after the tour; the exit status tells whether every message came back unchanged
    #[arg(long)]
    pub(crate) exit: bool,
}

/// Run the server
///
/// SIGTERM and ^C let running sessions finish, then end the server. SIGHUP reads the configuration again and
/// keeps the old one if the new one is wrong.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

/// Check or show the configuration
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// What `config` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Report every error in the configuration, each with its line and remedy
    ///
    /// Ends with 78 when there is one. With --connect it ends with 69 when only a source of accounts cannot be reached now.
    Check {
        /// Ask every source of accounts once as well, over its wire
        #[arg(long)]
        connect: bool,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// Print the configuration in effect, defaults included, as TOML
    Show {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Raise the server's walls around this command, try them, and tell what was refused
    ///
    /// Becomes server.user when root calls it, gives up what the server gives up, and then does what somebody would who has taken the
    /// server over. Ends with 1 when something was not refused. No server need run, and none is disturbed.
    Walls {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
}

/// Deliver one message from standard input into a maildrop
///
/// For mail transfer agents that call a program. Ends with 0 only when the message is safely on disk. Ends
/// with 75 when the fault will pass: the caller keeps the message and tries again. A maildrop that is full counts as
/// that, or ends with 77 where quota.over is "refuse": the caller returns the message.
#[derive(Args, Debug)]
pub(crate) struct Deliver {
    /// The account, or any address that leads to it
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) to: String,
    /// The envelope sender, for Return-Path; '<>' or nothing for a bounce
    #[arg(long, value_name = "SENDER", default_value = "", hide_default_value = true)]
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

/// Manage the accounts of the embedded directory
///
/// Works while the server runs: a change counts from the next login on.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Account {
    #[command(subcommand)]
    pub(crate) command: AccountCommand,
}

/// What `account` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Add an account
    ///
    /// The password is asked for twice on a terminal; otherwise it is the first line of standard input.
    Add {
        #[command(flatten)]
        name: AccountName,
        /// What else is known of it, such as 'networks=192.0.2.0/24'; see 'account set'
        #[arg(value_name = "FIELD=VALUE", value_parser = field)]
        fields: Vec<(String, String)>,
        #[command(flatten)]
        password: PasswordSource,
        /// Give it no password: it takes mail, and app passwords alone open it
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Change the password of an account
    ///
    /// The password is asked for twice on a terminal; otherwise it is the first line of standard input.
    Passwd {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Let nobody log in to an account, by any password or token; it takes mail as before
    Disable {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Let its owner log in to a disabled account again
    Enable {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Change what is known of an account
    ///
    /// Fields: home, maildrop, quota_octets, quota_messages, networks, mechanisms, sessions, access (full or read-only), uid and gid. An empty
    /// value takes what there is away, and the configuration's holds.
    Set {
        #[command(flatten)]
        name: AccountName,
        /// What becomes of a field, such as 'sessions=3', or 'sessions=' for what holds for everybody
        #[arg(value_name = "FIELD=VALUE", value_parser = field, required = true)]
        fields: Vec<(String, String)>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Take accounts over, with their passwords as they are stored
    ///
    /// All of them or, when something is wrong, none.
    #[command(group = clap::ArgGroup::new("from").required(true).args(["from_file", "from_sql"]))]
    Import {
        /// A passwd-file, as Dovecot has them
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
        /// A database, such as postgres://USER@/mail?host=/run/postgresql [without URL: the source of type "sql" of the configuration, by its queries]
        #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
        from_sql: Option<String>,
        /// The query for all accounts, with the columns account, password and other fields
        #[arg(long, value_name = "SQL", requires = "from_sql", conflicts_with = "from_file")]
        query: Option<String>,
        /// Give accounts that are there already the password and the fields that they have there
        #[arg(long)]
        replace: bool,
        /// Say what would become of the accounts, and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// Manage the app passwords of an account
    ///
    /// A password for one device or program, which opens what that needs and can be taken back alone. USER and PASS, PLAIN and LOGIN take it.
    AppPassword(AppPassword),
    /// Give accounts of the embedded directory other names
    ///
    /// Mail for such a name goes to the account, and its owner can log in with it. Names for mail alone stand in a source of type "aliases".
    Alias(Alias),
    /// Set how much the maildrop of an account may hold
    ///
    /// What is not named stays as it is. 'default' is what the configuration's table 'quota' says for everybody, 'none' is no limit.
    #[command(group = clap::ArgGroup::new("figures").required(true).multiple(true).args(["octets", "messages"]))]
    Quota {
        #[command(flatten)]
        name: AccountName,
        /// Octets with a unit, such as 2GiB; or 'none', or 'default'
        #[arg(long, value_name = "N", value_parser = octets)]
        octets: Option<Figure>,
        /// Messages; or 'none', or 'default'
        #[arg(long, value_name = "N", value_parser = messages)]
        messages: Option<Figure>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Let a running server ask anew whether passwords of an account are right
    ///
    /// For sources that check passwords themselves (LDAP, HTTP, a Dovecot, a checkpassword program, SQL with 'check'): what they found right is
    /// remembered for cache_s. A password that was changed there counts at once then. Asks the running server over its control socket.
    Forget {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// List the accounts
    List {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// Remove an account; its mail stays where it is
    Remove {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Look at maildrops, and move them here from another server
///
/// What only looks reads without the exclusive-access lock, so nobody's session is disturbed.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Maildrop {
    #[command(subcommand)]
    pub(crate) command: MaildropCommand,
}

/// What `maildrop` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum MaildropCommand {
    /// Show a guarded maildrop to its clients as it is now
    ///
    /// When most messages of a maildrop have other unique-ids than they had, it is not opened, because every client that
    /// leaves mail on the server would retrieve everything again. The log says why, and so does 'restante maildrop show'.
    /// Put right what changed if it can be; if not, this command lets the clients in.
    Accept {
        #[command(flatten)]
        name: AccountName,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// List every account with its messages and octets
    List {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// Show how much of its quota a maildrop takes up, counted from its files
    ///
    /// STATE says whether the total that deliveries go by agrees with that: 'right', 'drifted', 'none' when nothing is written down.
    /// A total that has drifted refuses nobody's mail, because it is counted anew before that; --repair puts it right now.
    Quota {
        #[command(flatten)]
        which: Accounts,
        /// Replace totals that are not right
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// Look at everything in a maildrop and report what is not as it should be
    ///
    /// Reads every message, changes nothing, needs no lock. Ends with 1 when something is to be put right.
    Verify {
        #[command(flatten)]
        which: Accounts,
        /// Look at names, folders and our own files; read no message
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// Mend what 'verify' finds, as far as that needs nobody's judgement
    ///
    /// Touches no message, but for those whose removal a crash has interrupted. Holds the maildrop's lock meanwhile. Ends with 1
    /// when something is left that a person must put right; it says what to do.
    Repair {
        #[command(flatten)]
        which: Accounts,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    /// List the messages of one account as a POP3 client would see them
    ///
    /// With the time of delivery and the decoded subject. Prints one message as it is stored when it is named.
    Show {
        #[command(flatten)]
        name: AccountName,
        /// Print this message: its number, or else its unique-id
        #[arg(value_name = "MESSAGE", conflicts_with = "json")]
        message: Option<String>,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        json: Json,
    },
    Deleted(Deleted),
    Undelete(Undelete),
    Expire(Expire),
    Import(Box<Import>),
    Rehearse(Box<Rehearse>),
    Export(Export),
}

/// Show messages with the unique-ids and in the order of the server that they come from
///
/// Clients know messages by their unique-ids: with the old ones they retrieve nothing again. The messages must be here
/// already, under the names that the old server gave to their files, or the old server must still run.
///
/// SERVER is one of: dovecot (reads dovecot-uidlist), courier (courierpop3dsizelist), cyrus (files named by uid), qmail
/// (file names, by time; vpopmail too), teapop (digests of file names), uw (X-UID fields), x-uidl (X-UIDL fields), qpopper
/// (those of its length), qpopper2 (X-UIDL fields, else its digest), popa3d (its digest), dovecot-md5 (Dovecot's %m), listing (our own list, for
/// everything else), or the pop:// or pops:// URL of the old server, which is logged in to.
///
/// Nothing is changed unless every message that the old server has shown can be shown so here. It can be run again at
/// any time.
#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) which: Accounts,
    /// The server that the messages come from
    #[arg(long, value_name = "SERVER")]
    pub(crate) from: String,
    /// The old server's file, instead of the one in the maildrop; {account}, {local}, {domain} and {maildrop} are filled in
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) list: Option<String>,
    /// How the old server makes unique-ids: Dovecot's pop3_uidl_format, or Cyrus's uidl_format
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// The uidvalidity of Cyrus's mailbox
    #[arg(long, value_name = "NUMBER")]
    pub(crate) uid_validity: Option<u32>,
    /// Take X-UIDL fields where nothing is stored (Dovecot's pop3_reuse_xuidl)
    #[arg(long)]
    pub(crate) reuse_x_uidl: bool,
    /// Tell duplicates apart as Dovecot does with pop3_uidl_duplicates = rename
    #[arg(long)]
    pub(crate) rename_duplicates: bool,
    /// Say what would become of each message, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on even if clients will retrieve some messages again
    #[arg(long)]
    pub(crate) partial: bool,
    #[command(flatten)]
    pub(crate) login: OldLogin,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Compare what the old server shows with what is shown here
///
/// Number of messages, order, unique-ids, octets and every octet of every message. The old server is logged in to; on this
/// side the maildrop is read, or with --to a server as well. Nothing is changed. Exit status: 0 when a client cannot tell
/// them apart, 1 when it can.
#[derive(Args, Debug)]
pub(crate) struct Rehearse {
    #[command(flatten)]
    pub(crate) which: Accounts,
    /// The old server: a pop:// or pops:// URL
    #[arg(long, value_name = "URL")]
    pub(crate) from: String,
    /// The new server, to be logged in to with the same names and passwords, instead of the maildrop
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Compare the lists alone, and retrieve nothing
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) login: OldLogin,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Write what is shown here for another server, so that nobody has to stay
///
/// Dovecot's list of uids (dovecot-uidlist) and Courier's list of sizes (courierpop3dsizelist) are written into the maildrop,
/// where those servers look for them; an existing one is kept as far as it speaks of uids. Our own listing goes to standard output
/// or into a file. The other server must not run on the maildrop meanwhile.
#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) which: Accounts,
    /// For which server
    #[arg(long, value_name = "SERVER")]
    pub(crate) to: ExportTo,
    /// Where to write it instead; {account}, {local}, {domain} and {maildrop} are filled in
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<String>,
    /// Go on even if the other server cannot show some messages as they are shown here
    #[arg(long)]
    pub(crate) partial: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

/// What an export is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportTo {
    /// dovecot-uidlist
    Dovecot,
    /// courierpop3dsizelist
    Courier,
    /// Our own listing
    Listing,
}

/// One account, or all of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Accounts {
    /// The account, such as 'ann' or 'ann@example.org'
    #[arg(value_name = "ACCOUNT")]
    pub(crate) name: Option<String>,
    /// Every account that the configuration knows
    #[arg(long)]
    pub(crate) all: bool,
}

/// How to log in to the old server.
///
/// Without any of these the password of one account comes from the variable RESTANTE_PASSWORD, or is asked for.
#[derive(Args, Debug)]
pub(crate) struct OldLogin {
    /// The name to log in with at the old server, instead of the one in the URL or the account's
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub(crate) user: Option<String>,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["password_command", "credentials"])]
    pub(crate) password_file: Option<PathBuf>,
    /// Take the first line that a shell command prints as the password
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString, conflicts_with = "credentials")]
    pub(crate) password_command: Option<String>,
    /// Read names and passwords from a file: ACCOUNT:PASSWORD or ACCOUNT:NAME:PASSWORD, one a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) credentials: Option<PathBuf>,
    /// Log in as a master user of Dovecot, to every account with the master user's password
    #[arg(long, value_name = "NAME", conflicts_with = "credentials")]
    pub(crate) master: Option<String>,
    /// What stands between account and master user in the name (Dovecot's auth_master_user_separator)
    #[arg(long, value_name = "CHARACTER", default_value = "*", requires = "master")]
    pub(crate) separator: char,
    /// Send the password even without TLS
    ///
    /// To loopback addresses it is sent without this.
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
    /// Verify certificates by the authorities in this PEM file instead of the machine's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<PathBuf>,
}

/// Judge any POP3 server by the laws of the standards
///
/// Any server will do, over the wire, without a look at its configuration. What can be seen before login is judged without
/// an account; most laws need one (--user, or a name in the URL). The password comes from --password-file,
/// --password-command, the variable RESTANTE_PASSWORD, or is asked for; it is not sent where somebody could read it.
///
/// Messages are only read, and sessions end by closing the connection, unless --destructive is given. Exit status: 0
/// when no law is violated, 1 when one is, 75 when some could not be judged.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The server: pop://user@host:port (STLS where it is offered), or pops:// for TLS from the first octet; user and port may be left out
    #[arg(value_name = "URL", required_unless_present = "list")]
    pub(crate) url: Option<String>,
    /// The account to log in as, instead of the one in the URL
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "password_command")]
    pub(crate) password_file: Option<PathBuf>,
    /// Take the first line that a shell command prints as the password
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    pub(crate) password_command: Option<String>,
    /// Send the password even without TLS, or to a server whose certificate cannot be verified
    ///
    /// To loopback addresses it is sent without this.
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
    /// Verify certificates by the authorities in this PEM file instead of the machine's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<PathBuf>,
    /// Mark messages deleted as well; for a maildrop whose messages may be lost
    ///
    /// Only messages that this run has delivered itself are removed on purpose. A server that does wrong may remove others.
    #[arg(long)]
    pub(crate) destructive: bool,
    /// Deliver messages of its own, by lmtp://HOST:PORT, smtp://HOST:PORT or a unix socket
    #[arg(long, value_name = "PLACE", requires_all = ["destructive", "recipient"])]
    pub(crate) deliver_to: Option<String>,
    /// The address that leads to the maildrop
    #[arg(long, value_name = "ADDRESS", requires = "deliver_to")]
    pub(crate) recipient: Option<String>,
    /// Judge the autologout timer as well, which takes ten minutes
    #[arg(long)]
    pub(crate) slow: bool,
    /// Judge this law alone (may be repeated)
    #[arg(long, value_name = "KEY")]
    pub(crate) only: Vec<String>,
    /// Leave this law out (may be repeated)
    #[arg(long, value_name = "KEY")]
    pub(crate) skip: Vec<String>,
    /// Write a JUnit report as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
    /// List the laws with their sections, and judge nothing
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Print the completions for a shell
///
/// For bash: restante completions bash > /etc/bash_completion.d/restante
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Print a manual page, or write all of them into a folder
///
/// To read one at once: restante man deliver | man -l -
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The subcommand whose page to print, such as 'account add'; the program's own page without it
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// Write every page into this folder instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    pub(crate) directory: Option<PathBuf>,
}

/// Where the configuration is.
#[derive(Args, Debug)]
pub(crate) struct ConfigFile {
    /// The configuration file [default: ./restante.toml, else /etc/restante/restante.toml]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// The name of an account.
#[derive(Args, Debug)]
pub(crate) struct AccountName {
    /// The account, such as 'ann' or 'ann@example.org'
    #[arg(value_name = "ACCOUNT")]
    pub(crate) name: String,
}

/// Where a password comes from.
#[derive(Args, Debug)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of standard input, even on a terminal
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// For programs rather than people.
#[derive(Args, Debug)]
pub(crate) struct Json {
    /// Print JSON, one entry a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A figure of a quota with its unit.
fn octets(text: &str) -> Result<Figure, String> {
    figure(text, |text| text.parse::<Size>().map(|size| size.0).map_err(|why| why.to_string()))
}

/// A figure of a quota without one.
fn messages(text: &str) -> Result<Figure, String> {
    figure(text, |text| text.parse().map_err(|_| "this is no number".to_owned()))
}

/// A field of an account and its value.
fn field(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or("there is no '=' in it")?;
    Ok((field.to_owned(), value.to_owned()))
}

fn figure(text: &str, number: impl FnOnce(&str) -> Result<u64, String>) -> Result<Figure, String> {
    match text {
        "default" => Ok(Figure::AsConfigured),
        "none" => Ok(Figure::Own(Bound::Unlimited)),
        _ => match NonZeroU64::new(number(text)?) {
            Some(max) => Ok(Figure::Own(Bound::Max(max))),
            None => Err("with this nobody could get any mail; 'none' is no limit".to_owned()),
        },
    }
}

/// What the exit status means, shown at the end of `restante --help`.
const EXIT_STATUS: &str = "Exit status, as in sysexits.h:
   0 done                 69 unavailable            75 temporary fault
  64 wrong usage          70 fault of the program   76 protocol or TLS
  65 wrong data           73 cannot create          77 not permitted
  66 no input             74 cannot read or write   78 wrong configuration
  67 no such account
   1 of 'restante check': the server violates a standard;
     of 'restante maildrop rehearse': the servers differ;
     of 'restante fetch': some is collected and some is not";

#[cfg(test)]
mod tests;
