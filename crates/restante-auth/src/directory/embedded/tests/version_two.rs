//! What version 2 added: all fields, disabled accounts, app passwords, imports; and that version 1 is read and becomes 2.

use std::time::Duration;

use restante_proto::secret::Secret;

use super::*;
use crate::account::{Access, Owner};
use crate::address;
use crate::credential::{CREDENTIALS_MAX, Digest, Scope};
use crate::directory::embedded::accounts::{Imported, Known, Outcome};
use crate::directory::embedded::change::Change;
use crate::directory::file::{self, FileDirectory};

/// A record as version 1 wrote it: Argon2id of `one`, home `/srv/alice`, quota of 1 MiB.
fn record_of_version_one() -> Vec<u8> {
    let field = |tag: u8, value: &[u8]| {
        [&[tag][..], &u16::try_from(value.len()).unwrap().to_le_bytes(), value].concat()
    };
    [field(1, ARGON2ID_OF_ONE), field(3, b"/srv/alice"), field(6, &(1_u64 << 20).to_le_bytes())].concat()
}

fn write_version_one(path: &Path) {
    let database = builder().create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(VERSION_KEY, 1).unwrap();
    transaction.open_table(ACCOUNTS).unwrap().insert("alice", record_of_version_one().as_slice()).unwrap();
    transaction.open_table(ALIASES).unwrap().insert("info", "alice").unwrap();
    transaction.commit().unwrap();
}

pub(super) fn version(path: &Path) -> u64 {
    let database = builder().open_read_only(path).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    meta.get(VERSION_KEY).unwrap().unwrap().value()
}

pub(super) fn fields(words: &[(&str, &str)]) -> Change {
    let fields: Vec<_> = words.iter().map(|(field, value)| ((*field).into(), (*value).into())).collect();
    Change::read(&name("alice"), &fields).unwrap()
}

pub(super) fn app_password(account: &str, label: &str, secret: &str) -> Credential {
    Credential {
        name: label.parse().unwrap(),
        scope: Scope::Pop3,
        networks: Some(["192.0.2.0/24".parse().unwrap(), "::1".parse().unwrap()].into()),
        access: Access::ReadOnly,
        created: at(1_000),
        expires: Some(at(2_000_000)),
        last_used: None,
        digest: Digest::of(&name(account), secret.as_bytes()),
    }
}

pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[tokio::test]
async fn version_one_is_read_and_becomes_two_with_its_first_edit() {
    let fixture = Fixture::new();
    write_version_one(&fixture.path);
    let directory = fixture.directory();
    let check = async || {
        for known in ["alice", "info"] {
            let alice = entry(&directory, known).await.unwrap();
            assert!(alice.password.fits(b"one").unwrap(), "{known}");
            assert_eq!(alice.account.home.as_deref(), Some(Path::new("/srv/alice")));
            assert_eq!(alice.account.quota.octets.and_then(Bound::max), Some(1 << 20));
        }
    };
    check().await;
    let listed = fixture.accounts.list().unwrap();
    assert!(listed.len() == 1 && listed[0].aliases == [name("info")] && !listed[0].is_locked);
    assert!(fixture.accounts.remove(&name("nobody")).is_err());
    assert_eq!(version(&fixture.path), 1, "neither looking nor a refused edit changes it");
    fixture.accounts.add_app_password(&name("alice"), &app_password("alice", "phone", "x")).unwrap();
    assert_eq!(version(&fixture.path), 2);
    check().await;
    assert_eq!(entry(&directory, "info").await.unwrap().app_passwords.len(), 1);
}

#[test]
fn an_edit_that_power_cuts_short_leaves_version_one() {
    let fixture = Fixture::new();
    write_version_one(&fixture.path);
    let database = builder().open(&fixture.path).unwrap();
    let transaction = database.begin_write().unwrap();
    accounts::upgrade(&transaction).unwrap();
    let left = fixture.path.with_extension("left");
    std::fs::copy(&fixture.path, &left).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(version(&fixture.path), 2);
    let directory = EmbeddedDirectory::open(Settings::new(&left)).unwrap();
    assert!(directory.inner.lookup(&name("alice")).unwrap().unwrap().password.fits(b"one").unwrap());
    assert_eq!(version(&left), 1);
}

#[tokio::test]
async fn every_field_is_kept_and_taken_away() {
    let fixture = Fixture::new();
    let directory = fixture.directory();
    fixture.add("alice", "one");
    let alice = name("alice");
    let all = [
        ("home", "/home/alice"),
        ("maildrop", "/srv/mail/alice"),
        ("quota_octets", "1000000"),
        ("quota_messages", "0"),
        ("networks", "192.0.2.0/24,::1"),
        ("mechanisms", "PLAIN,SCRAM-SHA-256"),
        ("sessions", "3"),
        ("access", "read-only"),
        ("uid", "1000"),
        ("gid", "100"),
    ];
    fixture.accounts.set(&alice, &fields(&all)).unwrap();
    let account = entry(&directory, "alice").await.unwrap().account;
    let given = crate::settings::Given::read(alice.clone(), all, crate::password::Scheme::Crypt).unwrap();
    assert_eq!(account, given.account);
    assert_eq!(account.owner, Some(Owner { uid: 1000, gid: 100 }));
    assert_eq!(directory.list(Instant::now()).await.unwrap().unwrap(), [account]);
    fixture.accounts.set(&alice, &fields(&[("sessions", "4")])).unwrap();
    let account = entry(&directory, "alice").await.unwrap().account;
    assert!(account.sessions_max.unwrap().get() == 4 && account.access == Some(Access::ReadOnly));
    fixture.accounts.set(&alice, &fields(&all.map(|(field, _)| (field, "")))).unwrap();
    assert_eq!(entry(&directory, "alice").await.unwrap().account, Account::new(alice.clone()));
    assert!(entry(&directory, "alice").await.unwrap().password.fits(b"one").unwrap());
    for wrong in [("password", "x"), ("locked", "1"), ("sessions", "0"), ("quota", ""), ("uid", "7")] {
        let wrong = [(wrong.0.to_owned(), wrong.1.to_owned())];
        assert!(Change::read(&alice, &wrong).is_err(), "{wrong:?}");
    }
    let twice = [("home".to_owned(), "/a".to_owned()), ("home".to_owned(), "/b".to_owned())];
    assert!(Change::read(&alice, &twice).is_err());
}

#[tokio::test]
async fn a_disabled_account_has_nothing_to_log_in_with_until_it_is_enabled() {
    let fixture = Fixture::new();
    let directory = fixture.directory();
    fixture.add("alice", "one");
    let alice = name("alice");
    fixture.accounts.add_app_password(&alice, &app_password("alice", "phone", "x")).unwrap();
    fixture.accounts.set_disabled(&alice, true).unwrap();
    let disabled = entry(&directory, "alice").await.unwrap();
    assert!(disabled.password.is_locked() && disabled.scram.is_empty() && disabled.app_passwords.is_empty());
    assert!(fixture.accounts.list().unwrap()[0].is_disabled);
    fixture.accounts.set_password(&alice, &secret("two")).unwrap();
    assert!(entry(&directory, "alice").await.unwrap().password.is_locked(), "a new password enables nobody");
    fixture.accounts.set_disabled(&alice, false).unwrap();
    let enabled = entry(&directory, "alice").await.unwrap();
    assert!(enabled.password.fits(b"two").unwrap() && enabled.app_passwords.len() == 1);
}

#[tokio::test]
async fn app_passwords_are_kept_whole_and_go_with_their_account() {
    let fixture = Fixture::new();
    let directory = fixture.directory();
    ["alice", "alice2"].iter().for_each(|account| fixture.add(account, "one"));
    let (alice, accounts) = (name("alice"), &fixture.accounts);
    let phone = app_password("alice", "phone", "x");
    let plain =
        Credential { networks: None, expires: None, scope: Scope::Both, ..app_password("alice", "a b", "y") };
    accounts.add_app_password(&alice, &phone).unwrap();
    accounts.add_app_password(&alice, &plain).unwrap();
    accounts.add_app_password(&name("alice2"), &app_password("alice2", "phone", "z")).unwrap();
    assert_eq!(entry(&directory, "alice").await.unwrap().app_passwords, [plain, phone.clone()]);
    let error = accounts.add_app_password(&alice, &phone).unwrap_err();
    assert!(matches!(error, EditError::AppPasswordExists(_)));
    accounts.revoke_app_password(&alice, &"a b".parse().unwrap()).unwrap();
    let error = accounts.revoke_app_password(&alice, &"a b".parse().unwrap()).unwrap_err();
    assert!(matches!(error, EditError::UnknownAppPassword(_)));
    assert_eq!(entry(&directory, "alice").await.unwrap().app_passwords, std::slice::from_ref(&phone));
    assert!(matches!(accounts.add_app_password(&name("bob"), &phone), Err(EditError::Unknown(_))));
    accounts.remove(&alice).unwrap();
    fixture.add("alice", "two");
    assert!(entry(&directory, "alice").await.unwrap().app_passwords.is_empty(), "the next of this name");
    assert_eq!(entry(&directory, "alice2").await.unwrap().app_passwords.len(), 1);
    for number in 0..CREDENTIALS_MAX {
        accounts.add_app_password(&alice, &app_password("alice", &number.to_string(), "x")).unwrap();
    }
    assert!(matches!(accounts.add_app_password(&alice, &phone), Err(EditError::AppPasswordsFull)));
}

#[tokio::test]
async fn a_use_is_noted_once_a_day() {
    const DAY: u64 = 86_400;
    let fixture = Fixture::new();
    let directory = fixture.directory();
    fixture.add("alice", "one");
    let (alice, phone) = (name("alice"), app_password("alice", "phone", "x"));
    fixture.accounts.add_app_password(&alice, &phone).unwrap();
    let stored = || fixture.accounts.list().unwrap().remove(0).app_passwords.remove(0);
    // What a login that read it long before says, too.
    for (now, expected) in [(DAY, DAY), (DAY + 60, DAY), (2 * DAY, 2 * DAY), (DAY, 2 * DAY)] {
        fixture.accounts.note_use(&alice, &phone, at(now)).unwrap();
        assert_eq!(stored().last_used, Some(at(expected)));
    }
    directory.app_password_used(&alice, &stored(), at(3 * DAY));
    // The note is written by another task; the permit is back when it is.
    drop(directory.inner.notes.acquire().await.unwrap());
    assert_eq!(stored().last_used, Some(at(3 * DAY)));
    let other = Credential { digest: Digest::of(&alice, b"other"), ..phone.clone() };
    fixture.accounts.note_use(&alice, &other, at(9 * DAY)).unwrap();
    assert_eq!(stored().last_used, Some(at(3 * DAY)), "one that was made anew under the old name");
    fixture.accounts.revoke_app_password(&alice, &phone.name).unwrap();
    fixture.accounts.note_use(&alice, &phone, at(9 * DAY)).unwrap();
    assert!(fixture.accounts.list().unwrap()[0].app_passwords.is_empty(), "no note brings it back");
}

#[tokio::test]
async fn an_import_takes_secrets_as_they_are_and_all_or_nothing() {
    let fixture = Fixture::new();
    let passwd = fixture.path.with_extension("passwd");
    std::fs::write(
        &passwd,
        "alice:{PLAIN}one::::/srv/alice::userdb_quota_rule=*:messages=7\n\
         bob:$5$CpjYRQVkhSbhQ6zp$Df2J3Er2bAwdd.2VFEHItwEBcbVQ7Ah9IM.fes1hWF2\nlocked:\n",
    )
    .unwrap();
    let read = || -> Vec<Imported> {
        let addresses = address::Settings::default();
        FileDirectory::open(file::Settings::new(&passwd), addresses, None).unwrap().into_accounts().0
    };
    let outcome = fixture.accounts.import(&read(), Known::Kept).unwrap();
    assert_eq!(outcome, Outcome { added: 3, replaced: 0, kept: 0 });
    let directory = fixture.directory();
    let alice = entry(&directory, "alice").await.unwrap();
    assert!(alice.password.fits(b"one").unwrap() && alice.password.plain().is_some());
    assert_eq!(alice.account.home.as_deref(), Some(Path::new("/srv/alice")));
    assert_eq!(alice.account.quota.messages.and_then(Bound::max), Some(7));
    assert!(entry(&directory, "locked").await.unwrap().password.is_locked());
    directory.reload(Instant::now()).await.unwrap();
    let plain = (0..64).filter(|seed| directory.decoy(*seed).unwrap().plain().is_some()).count();
    assert_eq!(plain, 32, "unknown accounts cost what the two that are open do");

    fixture.accounts.set_password(&name("alice"), &Secret::new(b"new".to_vec())).unwrap();
    assert!(entry(&directory, "alice").await.unwrap().password.fits(b"new").unwrap());
    fixture.accounts.set(&name("alice"), &fields(&[("sessions", "3")])).unwrap();
    let outcome = fixture.accounts.import(&read(), Known::Kept).unwrap();
    assert_eq!(outcome, Outcome { added: 0, replaced: 0, kept: 3 });
    assert!(entry(&directory, "alice").await.unwrap().password.fits(b"new").unwrap());
    let outcome = fixture.accounts.import(&read(), Known::Replaced).unwrap();
    assert_eq!(outcome, Outcome { added: 0, replaced: 3, kept: 0 });
    let alice = entry(&directory, "alice").await.unwrap();
    assert!(alice.password.fits(b"one").unwrap() && alice.scram.is_empty());
    assert_eq!(alice.account.sessions_max.map(std::num::NonZeroU32::get), Some(3));

    fixture.accounts.remove(&name("alice")).unwrap();
    fixture.accounts.add_alias(&name("alice"), &name("bob")).unwrap();
    fixture.accounts.remove(&name("locked")).unwrap();
    assert!(matches!(fixture.accounts.import(&read(), Known::Kept), Err(EditError::IsAlias(_))));
    assert_eq!(fixture.accounts.list().unwrap().len(), 1, "not the others either");
}

/// Argon2id of `one`, made by the reference implementation.
const ARGON2ID_OF_ONE: &[u8] =
    b"$argon2id$v=19$m=19456,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$3PPxZL1wNTwX7nppsjW1nO253oDbdV4BKyqXukNoVMc";
