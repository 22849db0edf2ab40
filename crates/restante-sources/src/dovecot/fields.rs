//! What Dovecot says of a user, and programs written for it, as fields of an account.
//!
//! Its names and forms are those of its userdb: `home`, `mail` (a mail location), `quota_rule`, `uid`, `gid`. Everything else is for
//! Dovecot's own programs and left out.

use restante_auth::account::{Account, AccountName};
use restante_auth::directory::Problem;
use restante_auth::password::Scheme;
use restante_auth::settings::Given;
use restante_proto::dovecot::client::User;

/// The account of a user.
pub(crate) fn account(name: AccountName, user: &User) -> Result<Account, Problem> {
    let mut given: Vec<(&str, String)> = Vec::new();
    let home = user.field("home").filter(|home| !home.is_empty());
    if let Some(home) = home {
        // Dovecot's own form of a home with a part that a chroot begins after.
        given.push(("home", home.replace("/./", "/")));
    }
    if let Some(mail) = user.field("mail").filter(|mail| !mail.is_empty()) {
        let path = maildrop(mail, home).map_err(|what| {
            Problem::new(
                format!("{name}: the mail location {mail:?} {what}"),
                "give maildir:/path or mbox:/path:INBOX=/path as mail in the userdb, or take mail out",
            )
        })?;
        given.push(("maildrop", path));
    }
    let (octets, messages) = quota(user);
    given.extend(octets.map(|octets| ("quota_octets", octets.to_string())));
    given.extend(messages.map(|messages| ("quota_messages", messages.to_string())));
    // Dovecot knows a group from the user where none is given; we do not, and leave both out.
    if let (Some(uid), Some(gid)) = (user.field("uid"), user.field("gid")) {
        given.push(("uid", uid.to_owned()));
        given.push(("gid", gid.to_owned()));
    }
    let fields = given.iter().map(|(field, value)| (*field, value.as_str()));
    Given::read(name, fields, Scheme::Crypt).map(|given| given.account)
}

/// The path of the inbox in a mail location: `maildir:~/Maildir:INDEX=/x`, `mbox:~/mail:INBOX=/var/mail/bob`.
fn maildrop(mail: &str, home: Option<&str>) -> Result<String, &'static str> {
    let (kind, rest) = mail.split_once(':').ok_or("has no kind in front")?;
    let mut parts = rest.split(':');
    let root = parts.next().unwrap_or_default();
    let inbox = parts.find_map(|part| part.strip_prefix("INBOX="));
    let path = match (kind, inbox) {
        ("maildir" | "mbox", Some(inbox)) => inbox,
        ("maildir", None) => root,
        ("mbox", None) => return Err("does not say where the INBOX is"),
        _ => return Err("is of a kind that cannot be served here"),
    };
    match (path.strip_prefix("~/"), home) {
        _ if path.contains('%') => Err("holds a variable that Dovecot has not filled in"),
        (Some(rest), Some(home)) => Ok(format!("{}/{rest}", home.replace("/./", "/").trim_end_matches('/'))),
        (Some(_), None) => Err("begins in a home that is not given"),
        (None, Some(home)) if path == "~" => Ok(home.replace("/./", "/")),
        (None, _) => Ok(path.to_owned()),
    }
}

/// The rule for the whole of the mail, `*:storage=1G:messages=1000`: octets and messages.
fn quota(user: &User) -> (Option<u64>, Option<u64>) {
    let (mut octets, mut messages) = (None, None);
    for (_, rule) in user.fields.iter().filter(|(name, _)| name == "quota_rule") {
        let Some(limits) = rule.strip_prefix("*:") else { continue };
        for limit in limits.split(':') {
            match limit.split_once('=') {
                Some(("storage", size)) => octets = octets.or_else(|| self::octets(size, 1024)),
                Some(("bytes", size)) => octets = octets.or_else(|| self::octets(size, 1)),
                Some(("messages", count)) => messages = messages.or_else(|| count.parse().ok()),
                _ => {}
            }
        }
    }
    (octets, messages)
}

/// `100`, `100k`, `1M`, `2G`, `1T`; without a letter in units of `unit`. Shares of another rule (`+10%`) are not for the whole.
fn octets(size: &str, unit: u64) -> Option<u64> {
    let digits = size.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let factor = match size.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => unit,
        "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        "t" | "tb" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use restante_auth::account::{Bound, Owner};

    fn read(fields: &[(&str, &str)]) -> Result<Account, String> {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let user = User { name: "bob".to_owned(), fields };
        account(AccountName::new("bob").unwrap(), &user).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_user_becomes_an_account() {
        let account = read(&[
            ("uid", "1000"),
            ("gid", "100"),
            ("home", "/srv/mail/bob"),
            ("mail", "maildir:~/Maildir:INDEX=/var/index"),
            ("quota_rule", "*:storage=10M:messages=50"),
            ("quota_rule", "Trash:storage=+100M"),
            ("system_groups_user", "bob"),
        ])
        .unwrap();
        assert_eq!(account.home.unwrap().to_str(), Some("/srv/mail/bob"));
        assert_eq!(account.maildrop.unwrap().to_str(), Some("/srv/mail/bob/Maildir"));
        assert_eq!(account.quota.octets.and_then(Bound::max), Some(10 << 20));
        assert_eq!(account.quota.messages.and_then(Bound::max), Some(50));
        assert_eq!(account.owner, Some(Owner { uid: 1000, gid: 100 }));
        assert_eq!(read(&[("uid", "7")]).unwrap(), Account::new(AccountName::new("bob").unwrap()));
    }

    #[test]
    fn mail_locations() {
        let home = Some("/home/bob");
        for (mail, path) in [
            ("maildir:~/", "/home/bob/"),
            ("maildir:/var/mail/bob:LAYOUT=fs", "/var/mail/bob"),
            ("maildir:~/Maildir:INBOX=~/Inbox", "/home/bob/Inbox"),
            ("mbox:~/mail:INBOX=/var/mail/bob", "/var/mail/bob"),
        ] {
            assert_eq!(maildrop(mail, home).as_deref(), Ok(path), "{mail}");
        }
        for mail in ["mdbox:~/mdbox", "/var/mail/bob", "mbox:~/mail", "maildir:/var/%d/%n"] {
            assert!(maildrop(mail, home).is_err(), "{mail}");
        }
        assert!(maildrop("maildir:~/Maildir", None).is_err());
        let said = read(&[("mail", "mdbox:~/mdbox")]).unwrap_err();
        assert!(said.contains("bob: the mail location \"mdbox:~/mdbox\" is of a kind"), "{said}");
    }

    #[test]
    fn sizes() {
        for (size, unit, expected) in [
            ("100", 1024, Some(102_400)),
            ("100", 1, Some(100)),
            ("1G", 1024, Some(1 << 30)),
            ("5b", 1024, Some(5)),
            ("0", 1024, Some(0)),
            ("+10%", 1024, None),
            ("1X", 1024, None),
            ("99999999999T", 1, None),
        ] {
            assert_eq!(octets(size, unit), expected, "{size}");
        }
    }
}
