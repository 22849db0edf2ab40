//! Files as the programs of their time wrote them (`tests/fixtures`, with how they were made): each is read as it is, and edited.

use super::version_two::{app_password, at, fields, version};
use super::*;
use crate::account::{Access, Account, Owner};
use crate::credential::{Credential, Scope};
use crate::password::Scheme;
use crate::settings::Given;

/// A copy of a kept file.
fn kept(file: &str) -> Fixture {
    let fixture = Fixture::new();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    std::fs::copy(kept, &fixture.path).unwrap();
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o600)).unwrap();
    fixture
}

/// What both files hold alike: who may log in by what, and whose other names there are.
async fn check_what_is_in_both(fixture: &Fixture, directory: &EmbeddedDirectory) {
    for known in ["alice@example.org", "info@example.org"] {
        let alice = entry(directory, known).await.unwrap();
        assert_eq!(alice.account.name, name("alice@example.org"));
        assert!(alice.password.fits(b"one").unwrap() && !alice.password.fits(b"two").unwrap(), "{known}");
        let hashes: Vec<Hash> = alice.scram.iter().map(|verifier| verifier.hash).collect();
        assert_eq!(hashes.len(), 2, "{hashes:?}");
        assert!(hashes.contains(&Hash::Sha1) && hashes.contains(&Hash::Sha256), "{hashes:?}");
        assert!(alice.scram.iter().all(|verifier| verifier.fits(b"one") && verifier.iterations == 4096));
        assert_eq!(alice.account.home.as_deref(), Some(Path::new("/srv/alice")));
        assert_eq!(alice.account.quota.octets.and_then(Bound::max), Some(1 << 20));
        assert_eq!(alice.account.quota.messages, Some(Bound::Unlimited));
    }
    let bob = entry(directory, "bob").await.unwrap();
    assert!(bob.password.fits("zwei \u{fc}".as_bytes()).unwrap());
    assert_eq!((&bob.account, bob.app_passwords.len()), (&Account::new(name("bob")), 0));
    let carol = entry(directory, "carol").await.unwrap();
    assert!(carol.password.is_locked() && carol.scram.is_empty());
    assert!(entry(directory, "dora").await.is_none_or(|dora| dora.account.name == name("dora")));
    let listed = fixture.accounts.list().unwrap();
    let alice = listed.iter().find(|listed| listed.name == name("alice@example.org")).unwrap();
    assert_eq!(alice.aliases, [name("info@example.org")]);
}

#[tokio::test]
async fn a_file_that_version_one_wrote_is_read_and_becomes_two_when_it_is_edited() {
    let fixture = kept("accounts-1.redb");
    let directory = fixture.directory();
    assert_eq!((directory.accounts(), fixture.accounts.list().unwrap().len()), (3, 3));
    check_what_is_in_both(&fixture, &directory).await;
    assert_eq!(version(&fixture.path), 1, "looking changes nothing");
    let alice = name("alice@example.org");
    let phone = app_password(alice.as_str(), "phone", "x");
    fixture.accounts.add_app_password(&alice, &phone).unwrap();
    assert_eq!(version(&fixture.path), 2);
    check_what_is_in_both(&fixture, &directory).await;
    assert_eq!(entry(&directory, alice.as_str()).await.unwrap().app_passwords, [phone]);
    fixture.accounts.set_disabled(&name("bob"), true).unwrap();
    assert!(entry(&directory, "bob").await.unwrap().password.is_locked());
    fixture.accounts.set_disabled(&name("bob"), false).unwrap();
    check_what_is_in_both(&fixture, &directory).await;
    fixture.accounts.set_password(&alice, &secret("two")).unwrap();
    assert!(entry(&directory, "info@example.org").await.unwrap().password.fits(b"two").unwrap());
    fixture.accounts.remove(&alice).unwrap();
    assert!(entry(&directory, "info@example.org").await.is_none());
    assert_eq!(directory.reload(Instant::now()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_file_that_version_two_wrote_has_every_field_and_can_be_edited() {
    let fixture = kept("accounts-2.redb");
    let directory = fixture.directory();
    assert_eq!((version(&fixture.path), directory.accounts()), (2, 6));
    check_what_is_in_both(&fixture, &directory).await;
    let alice = entry(&directory, "alice@example.org").await.unwrap();
    let given = Given::read(name("alice@example.org"), ALL, Scheme::Crypt).unwrap();
    assert_eq!(alice.account, given.account);
    assert_eq!((alice.account.access, alice.account.owner), (Some(Access::ReadOnly), OWNER));
    let phone = app_password("alice@example.org", "phone", "x");
    let tablet = Credential {
        networks: None,
        expires: None,
        access: Access::Full,
        scope: Scope::Both,
        last_used: Some(at(86_400)),
        ..app_password("alice@example.org", "a tablet", "y")
    };
    assert_eq!(alice.app_passwords, [tablet, phone.clone()]);
    let dora = entry(&directory, "dora").await.unwrap();
    assert!(dora.password.plain().is_some() && dora.password.fits(b"four").unwrap());
    let erik = entry(&directory, "erik").await.unwrap();
    assert!(erik.password.fits(b"test").unwrap() && erik.password.plain().is_none());
    let frank = entry(&directory, "frank").await.unwrap();
    assert!(frank.password.is_locked() && frank.app_passwords.is_empty());
    fixture.accounts.set_disabled(&name("frank"), false).unwrap();
    let frank = entry(&directory, "frank").await.unwrap();
    assert!(frank.password.fits(b"five").unwrap() && frank.app_passwords.len() == 1);
    fixture.accounts.set(&name("alice@example.org"), &fields(&[("sessions", "4")])).unwrap();
    fixture.accounts.revoke_app_password(&name("alice@example.org"), &phone.name).unwrap();
    assert!(fixture.accounts.upgrade(&name("erik"), &secret("test")).unwrap());
    check_what_is_in_both(&fixture, &directory).await;
    let alice = entry(&directory, "alice@example.org").await.unwrap();
    assert_eq!((alice.account.sessions_max.unwrap().get(), alice.app_passwords.len()), (4, 1));
    let erik = entry(&directory, "erik").await.unwrap();
    assert!(erik.password.fits(b"test").unwrap() && erik.verifier(Hash::Sha256).is_some());
}

/// The fields of alice in version 2.
const ALL: [(&str, &str); 10] = [
    ("home", "/srv/alice"),
    ("maildrop", "/srv/mail/alice"),
    ("quota_octets", "1048576"),
    ("quota_messages", "0"),
    ("networks", "192.0.2.0/24,::1"),
    ("mechanisms", "PLAIN,SCRAM-SHA-256"),
    ("sessions", "3"),
    ("access", "read-only"),
    ("uid", "1000"),
    ("gid", "100"),
];
const OWNER: Option<Owner> = Some(Owner { uid: 1000, gid: 100 });
