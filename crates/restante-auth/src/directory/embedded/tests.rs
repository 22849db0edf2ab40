//! The embedded directory: edits, readers in other processes, and what a damaged file does.

use std::os::unix::fs::PermissionsExt;

use redb::ReadableTable;
use restante_proto::secret::Secret;
use tempfile::TempDir;

use super::accounts::{Accounts, EditError, Figure, New};
use super::*;
use crate::account::{Bound, Quota};
use crate::directory::question;
use crate::password::Hash;

mod kept_files;
mod version_two;

struct Fixture {
    _folder: TempDir,
    path: PathBuf,
    accounts: Accounts,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.redb");
        Self { _folder: folder, accounts: Accounts::new(Settings::new(&path)), path }
    }

    fn directory(&self) -> EmbeddedDirectory {
        EmbeddedDirectory::open(Settings::new(&self.path)).unwrap()
    }

    fn add(&self, text: &str, password: &str) {
        self.accounts.add(&name(text), &New { password: Some(secret(password)), ..New::default() }).unwrap();
    }
}

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

async fn entry(directory: &EmbeddedDirectory, text: &str) -> Option<Entry> {
    directory.lookup(&question(&name(text), Instant::now())).await.unwrap()
}

#[tokio::test]
async fn what_is_edited_counts_at_once_while_a_server_has_it_open() {
    let fixture = Fixture::new();
    let directory = fixture.directory();
    assert!(entry(&directory, "alice").await.is_none(), "no file, no accounts, no error");
    fixture.add("alice", "one");
    assert!(entry(&directory, "alice").await.unwrap().password.fits(b"one").unwrap());
    fixture.add("bob", "two");
    assert!(entry(&directory, "bob").await.unwrap().verifier(Hash::Sha256).unwrap().fits(b"two"));
    fixture.accounts.set_password(&name("alice"), &secret("three")).unwrap();
    let alice = entry(&directory, "alice").await.unwrap();
    assert!(alice.password.fits(b"three").unwrap() && !alice.password.fits(b"one").unwrap());
    fixture.accounts.remove(&name("bob")).unwrap();
    assert!(entry(&directory, "bob").await.is_none());
    assert_eq!(directory.reload(Instant::now()).await.unwrap(), 1);
    assert_eq!(directory.accounts(), 1);
}

#[tokio::test]
async fn aliases_lead_to_their_account_and_go_with_it() {
    let fixture = Fixture::new();
    fixture.add("alice", "one");
    let accounts = &fixture.accounts;
    accounts.add_alias(&name("info"), &name("alice")).unwrap();
    accounts.add_alias(&name("abuse"), &name("alice")).unwrap();
    let directory = fixture.directory();
    assert_eq!(entry(&directory, "info").await.unwrap().account.name, name("alice"));
    assert!(matches!(accounts.add_alias(&name("info"), &name("alice")), Err(EditError::Exists(_))));
    assert!(matches!(accounts.add_alias(&name("alice"), &name("alice")), Err(EditError::Exists(_))));
    assert!(matches!(accounts.add_alias(&name("x"), &name("info")), Err(EditError::Unknown(_))));
    assert!(matches!(accounts.add(&name("info"), &New::default()), Err(EditError::Exists(_))));
    assert_eq!(accounts.find(&name("info")).unwrap().aliases, [name("abuse"), name("info")]);
    accounts.remove_alias(&name("abuse")).unwrap();
    assert!(matches!(accounts.remove_alias(&name("abuse")), Err(EditError::Unknown(_))));
    accounts.remove(&name("alice")).unwrap();
    assert!(entry(&directory, "info").await.is_none());
    accounts.add(&name("info"), &New::default()).unwrap();
}

#[tokio::test]
async fn edits_that_make_no_sense_change_nothing() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    assert!(matches!(accounts.remove(&name("alice")), Err(EditError::Unknown(_))));
    assert!(matches!(accounts.set_password(&name("alice"), &secret("x")), Err(EditError::Unknown(_))));
    assert!(accounts.list().unwrap().is_empty() && !fixture.path.exists());
    fixture.add("alice", "one");
    assert!(matches!(accounts.add(&name("alice"), &New::default()), Err(EditError::Exists(_))));
    for password in ["", "\u{7}", "\u{AD}", &"x".repeat(1025)] {
        let new = New { password: Some(secret(password)), ..New::default() };
        assert!(matches!(accounts.add(&name("bob"), &new), Err(EditError::InvalidPassword)), "{password:?}");
    }
    for home in ["relative", &format!("/{}", "x".repeat(4096))] {
        let new = New { home: Some(home.into()), ..New::default() };
        assert!(matches!(accounts.add(&name("bob"), &new), Err(EditError::InvalidHome)));
    }
    let listed = accounts.list().unwrap();
    assert!(listed.len() == 1 && !listed[0].is_locked);
}

#[tokio::test]
async fn an_account_without_password_is_locked_and_may_have_a_home() {
    let fixture = Fixture::new();
    fixture
        .accounts
        .add(&name("bob@example.org"), &New { home: Some("/srv/bob".into()), ..New::default() })
        .unwrap();
    let bob = entry(&fixture.directory(), "bob@example.org").await.unwrap();
    assert!(bob.password.is_locked() && bob.scram.is_empty());
    assert_eq!(bob.account.home.as_deref(), Some(Path::new("/srv/bob")));
    assert!(fixture.accounts.list().unwrap()[0].is_locked);
}

#[test]
fn the_file_is_its_owners_alone() {
    let fixture = Fixture::new();
    fixture.add("alice", "one");
    let mode = std::fs::metadata(&fixture.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn r4616_2_6_what_is_stored_is_made_of_the_prepared_form() {
    let fixture = Fixture::new();
    fixture.add("alice", "e\u{301}\u{2168}");
    let directory = fixture.directory();
    let found = directory.inner.lookup(&name("alice")).unwrap().unwrap();
    assert!(found.password.fits("\u{E9}IX".as_bytes()).unwrap());
}

#[tokio::test]
async fn a_damaged_or_later_database_is_an_error_and_never_empty() {
    let fixture = Fixture::new();
    std::fs::write(&fixture.path, "this is no database at all, but a note to myself\n".repeat(200)).unwrap();
    let error = EmbeddedDirectory::open(Settings::new(&fixture.path)).unwrap_err();
    assert!(!error.problems().is_empty(), "{error}");
    assert!(matches!(fixture.accounts.list(), Err(EditError::Source(_))));
    assert!(matches!(fixture.accounts.add(&name("alice"), &New::default()), Err(EditError::Source(_))));

    let fixture = Fixture::new();
    fixture.add("alice", "one");
    let directory = fixture.directory();
    let database = builder().open(&fixture.path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(VERSION_KEY, VERSION + 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = directory.lookup(&question(&name("alice"), Instant::now())).await.unwrap_err();
    assert!(error.to_string().contains("version 3") && !error.is_temporary(), "{error}");
    assert!(matches!(fixture.accounts.remove(&name("alice")), Err(EditError::Source(_))));
}

#[tokio::test]
async fn a_file_that_vanished_is_an_error_and_a_restored_one_is_read() {
    let fixture = Fixture::new();
    fixture.add("alice", "one");
    let directory = fixture.directory();
    let backup = fixture.path.with_extension("backup");
    std::fs::copy(&fixture.path, &backup).unwrap();
    fixture.accounts.remove(&name("alice")).unwrap();
    assert!(entry(&directory, "alice").await.is_none());
    std::fs::remove_file(&fixture.path).unwrap();
    assert!(directory.lookup(&question(&name("alice"), Instant::now())).await.is_err());
    std::fs::rename(backup, &fixture.path).unwrap();
    assert!(entry(&directory, "alice").await.is_some());
}

#[test]
fn a_database_that_was_left_in_the_middle_is_repaired() {
    let fixture = Fixture::new();
    fixture.add("alice", "one");
    let database = builder().open(&fixture.path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(ACCOUNTS).unwrap().remove("alice").unwrap();
    // What is on disk now is what a killed writer leaves: taken before it says goodbye.
    let left = fixture.path.with_extension("left");
    std::fs::copy(&fixture.path, &left).unwrap();
    transaction.abort().unwrap();
    drop(database);
    assert!(
        matches!(builder().open_read_only(&left), Err(redb::DatabaseError::RepairAborted)),
        "the picture shows nothing"
    );
    let directory = EmbeddedDirectory::open(Settings::new(&left)).unwrap();
    assert!(directory.inner.lookup(&name("alice")).unwrap().unwrap().password.fits(b"one").unwrap());
}

#[test]
fn writers_wait_for_each_other_and_none_is_lost() {
    let fixture = Fixture::new();
    fixture.accounts.add(&name("first"), &New::default()).unwrap();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let accounts = &fixture.accounts;
            scope.spawn(move || {
                for m in 0..5 {
                    accounts.add(&name(&format!("account{n}-{m}")), &New::default()).unwrap();
                }
            });
        }
    });
    assert_eq!(fixture.accounts.list().unwrap().len(), 21);
    // No alias leads nowhere, whatever the order of edits.
    let database = builder().open_read_only(&fixture.path).unwrap();
    assert_eq!(begin(&database).unwrap().open_table(ALIASES).unwrap().iter().unwrap().count(), 0);
}

#[tokio::test]
async fn an_accounts_quota_is_set_figure_by_figure() {
    let fixture = Fixture::new();
    let directory = fixture.directory();
    let (mib, none) = (Bound::from_stored(1 << 20), Bound::Unlimited);
    let new = New { quota: Quota { octets: Some(mib), messages: None }, ..New::default() };
    fixture.accounts.add(&name("alice"), &new).unwrap();
    let alice = name("alice");
    for (octets, messages, expected) in [
        (Figure::Kept, Figure::Kept, (Some(mib), None)),
        (Figure::Kept, Figure::Own(none), (Some(mib), Some(none))),
        (Figure::AsConfigured, Figure::Kept, (None, Some(none))),
        (Figure::Own(mib), Figure::AsConfigured, (Some(mib), None)),
    ] {
        fixture.accounts.set_quota(&alice, octets, messages).unwrap();
        let quota = Quota { octets: expected.0, messages: expected.1 };
        assert_eq!(fixture.accounts.find(&alice).unwrap().account.quota, quota);
        assert_eq!(entry(&directory, "alice").await.unwrap().account.quota, quota);
        assert_eq!(directory.list(Instant::now()).await.unwrap().unwrap()[0].quota, quota);
    }
    let error = fixture.accounts.set_quota(&name("bob"), Figure::Kept, Figure::Kept).unwrap_err();
    assert!(matches!(error, EditError::Unknown(_)));
}

fn imported(name: &AccountName, stored: &str) -> accounts::Imported {
    let stored = Some(zeroize::Zeroizing::new(stored.as_bytes().to_vec()));
    accounts::Imported { account: Account::new(name.clone()), stored, is_disabled: false }
}

#[tokio::test]
async fn an_imported_secret_becomes_one_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("accounts.redb"));
    let accounts = Accounts::new(settings.clone());
    let [bob, eve, sam, nobody] = ["bob", "eve", "sam", "nobody"].map(|name| AccountName::new(name).unwrap());
    // Of "x": SHA-1 with an empty salt; and a SCRAM verifier of a hash that is not made here.
    let scram =
        make::verifiers(b"x", &make::ScramChoice { hashes: vec![Hash::Sha1], iterations: 4096 }).unwrap();
    let [verifier] = scram.scram.as_slice() else { panic!() };
    let base64 = |octets: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, octets);
    let scram = format!(
        "{{SCRAM-SHA-1}}4096,{},{},{}",
        base64(&verifier.salt),
        base64(&verifier.stored_key),
        base64(&verifier.server_key)
    );
    let sha = "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=";
    let all = [imported(&bob, sha), imported(&eve, sha), imported(&sam, &scram)];
    accounts.import(&all, accounts::Known::Kept).unwrap();
    let directory = EmbeddedDirectory::open(settings).unwrap();
    let [right, wrong, new] = ["x", "y", "z"].map(|text| Secret::new(text.as_bytes().to_vec()));
    let asked = |name| question(name, Instant::now());
    assert!(!directory.upgrade(&asked(&bob), &wrong).await.unwrap());
    assert!(directory.upgrade(&asked(&bob), &right).await.unwrap());
    assert!(!directory.upgrade(&asked(&bob), &right).await.unwrap(), "it is one of ours now");
    let entry = directory.lookup(&asked(&bob)).await.unwrap().unwrap();
    assert_eq!(entry.password.standing(), crate::password::Standing::Kept);
    assert!(entry.password.fits(b"x").unwrap() && entry.verifier(Hash::Sha256).is_some());
    assert!(!directory.upgrade(&asked(&sam), &right).await.unwrap(), "what SCRAM-SHA-1 needs would be gone");
    assert!(!directory.upgrade(&asked(&nobody), &right).await.unwrap());

    // The race: the password is changed between the look at the old one and the writing of the new form.
    let upgrade = accounts.upgrade_of(&eve, &right).unwrap().unwrap();
    accounts.set_password(&eve, &new).unwrap();
    assert!(!accounts.carry_out(&eve, &upgrade).unwrap());
    let entry = directory.lookup(&asked(&eve)).await.unwrap().unwrap();
    assert!(entry.password.fits(b"z").unwrap() && !entry.password.fits(b"x").unwrap());
    accounts.remove(&eve).unwrap();
    assert!(!accounts.carry_out(&eve, &upgrade).unwrap());
    assert!(directory.lookup(&asked(&eve)).await.unwrap().is_none());
}
