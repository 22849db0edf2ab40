//! A passwd-file as a source: reading it, and reading it again when it has changed.

use std::fs;
use std::sync::Mutex;

use tempfile::TempDir;

use std::path::Path;

use super::*;
use crate::directory::follow::QUIET;
use crate::directory::question;

/// A folder with a file, the directory that reads it, and what it had to say.
struct Fixture {
    folder: TempDir,
    directory: FileDirectory,
    notices: Arc<Mutex<Vec<String>>>,
    now: Instant,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("users"), text).unwrap();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let taker = Arc::clone(&notices);
        let notify = Notify::new(move |notice| taker.lock().unwrap().push(format!("{notice:?}")));
        let settings = Settings::new(folder.path().join("users"));
        let directory = FileDirectory::open(settings, address::Settings::default(), Some(notify)).unwrap();
        Self { folder, directory, notices, now: Instant::now() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("users")
    }

    /// Replaces the file as an editor or `mv` does.
    fn rename_over(&self, text: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    /// Whether the account exists and has this plain password, so many seconds after the last question.
    async fn knows(&mut self, name: &str, password: &str, seconds: u64) -> bool {
        self.now += Duration::from_secs(seconds);
        let name = AccountName::new(name).unwrap();
        let entry = self.directory.lookup(&question(&name, self.now)).await.unwrap();
        entry.is_some_and(|entry| entry.password.fits(password.as_bytes()).unwrap())
    }

    fn notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock().unwrap())
    }
}

#[tokio::test]
async fn accounts_are_found_with_their_homes() {
    let fixture = Fixture::new(
        "alice:{PLAIN}one::::/home/alice\nbob:{SCRAM-SHA-256}4096,9QDk/NU6XE2XuTknSaiZUA==,Pq/3Wc0Ua92szMouVBtfHcsP1UFfGQXMKU7Y9WQvz18=,RBj4OYXGUFH30dw4+8jzhHOAOvm8mBpq9lCgFZOdX8U=\n",
    );
    let lookup = |name: &str| {
        let (directory, name, now) = (&fixture.directory, AccountName::new(name).unwrap(), fixture.now);
        async move { directory.lookup(&question(&name, now)).await.unwrap() }
    };
    let alice = lookup("alice").await.unwrap();
    assert_eq!(alice.account.name.as_str(), "alice");
    assert_eq!(alice.account.home.as_deref(), Some(Path::new("/home/alice")));
    assert!(alice.password.fits(b"one").unwrap() && alice.scram.is_empty());
    let bob = lookup("bob").await.unwrap();
    assert!(bob.account.home.is_none() && bob.scram[0].fits("correct horse é".as_bytes()));
    assert!(lookup("carol").await.is_none());
    assert!(fixture.directory.census().plain > 0);
    assert_eq!((fixture.directory.accounts(), fixture.notices()), (2, vec![]));
}

#[tokio::test]
async fn a_renamed_file_counts_at_the_next_look() {
    let mut fixture = Fixture::new("alice:{PLAIN}one\n");
    assert!(fixture.knows("alice", "one", 0).await);
    fixture.rename_over("alice:{PLAIN}two\nbob:{PLAIN}three\n");
    assert!(fixture.knows("alice", "one", 0).await, "not looked at again within a second");
    assert!(fixture.knows("alice", "two", 1).await);
    assert!(fixture.knows("bob", "three", 0).await);
    let notices = fixture.notices();
    assert!(notices.len() == 1 && notices[0].contains("accounts: 2"), "{notices:?}");
    assert!(fixture.knows("bob", "three", 5).await && fixture.notices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_file_written_in_place_counts_when_it_has_come_to_rest() {
    let mut fixture = Fixture::new("alice:{PLAIN}one\n");
    fs::write(fixture.path(), "alice:{PLAIN}another\n").unwrap();
    let before = tokio::time::Instant::now();
    assert!(fixture.knows("alice", "another", 1).await);
    assert!(before.elapsed() >= QUIET, "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_damaged_file_changes_nothing_and_is_told_of_once() {
    let mut fixture = Fixture::new("alice:{PLAIN}one\n");
    fixture.rename_over("alice:{PLAIN}two\nnonsense\n");
    for seconds in [1, 1, 0, 7] {
        assert!(fixture.knows("alice", "one", seconds).await);
    }
    let notices = fixture.notices();
    assert!(
        notices.len() == 1 && notices[0].contains("Kept") && notices[0].contains("Some(2)"),
        "{notices:?}"
    );
    let error = fixture.directory.reload(fixture.now).await.unwrap_err();
    assert!(!error.is_temporary() && error.problems()[0].line == Some(2), "{error}");
    fixture.rename_over("alice:{PLAIN}two\n");
    assert!(fixture.knows("alice", "two", 1).await);
}

#[tokio::test]
async fn an_emptied_or_missing_file_changes_nothing_unless_reloading_is_asked_for() {
    let mut fixture = Fixture::new("alice:{PLAIN}one\n");
    fixture.rename_over("# nobody\n");
    assert!(fixture.knows("alice", "one", 1).await);
    assert_eq!(fixture.notices().len(), 1);
    fs::remove_file(fixture.path()).unwrap();
    assert!(fixture.knows("alice", "one", 1).await);
    assert!(fixture.notices()[0].contains("cannot be read"));
    assert!(fixture.directory.reload(fixture.now).await.is_err());
    assert!(fixture.knows("alice", "one", 1).await);
    fs::write(fixture.path(), "").unwrap();
    assert_eq!(fixture.directory.reload(fixture.now).await.unwrap(), 0);
    assert!(!fixture.knows("alice", "one", 1).await);
}

#[test]
fn what_is_no_readable_file_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| {
        FileDirectory::open(Settings::new(path), address::Settings::default(), None)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(open(&folder.path().join("none")).contains("create"));
    assert!(open(folder.path()).contains("not a regular file"));
    // Opening a FIFO would wait for somebody to write.
    let fifo = folder.path().join("fifo");
    rustix_mkfifo(&fifo);
    assert!(open(&fifo).contains("not a regular file"));
    // One that is all holes takes no room but that of whoever reads it.
    let large = folder.path().join("large");
    fs::File::create(&large).unwrap().set_len((1 << 30) + 1).unwrap();
    assert!(open(&large).contains("larger than 1 GiB"));
}

fn rustix_mkfifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn decoys_are_like_the_accounts_and_stay_the_same() {
    let mut text = String::new();
    for n in 0..100 {
        text += &format!("plain{n}:{{PLAIN}}x1\n");
        text += &format!("crypt{n}:$5$CpjYRQVkhSbhQ6zp$Df2J3Er2bAwdd.2VFEHItwEBcbVQ7Ah9IM.fes1hWF2\n");
        text += &format!("locked{n}:*\n");
    }
    let fixture = Fixture::new(&text);
    let plain = |seed: u64| fixture.directory.decoy(seed).unwrap().plain().is_some();
    let count = (0..3_000).filter(|seed| plain(*seed)).count();
    assert!((1_000..=2_000).contains(&count), "{count}");
    assert!((0..300).all(|seed| plain(seed) == plain(seed)));
    assert!(Fixture::new("").directory.decoy(7).is_none());
    assert!(Fixture::new("alice:*\n").directory.decoy(7).is_none());
}

#[tokio::test]
async fn twenty_thousand_accounts_fit_in_little_memory() {
    let text: String = (0..20_000).map(|n| format!("account{n}:{{PLAIN}}secret{n}\n")).collect();
    let mut fixture = Fixture::new(&text);
    assert!(fixture.knows("account19999", "secret19999", 0).await);
    assert!(!fixture.knows("account20000", "secret20000", 0).await);
    assert_eq!(fixture.directory.accounts(), 20_000);
}

#[tokio::test]
async fn a_quota_of_the_line_is_the_accounts() {
    let fixture = Fixture::new(
        "alice:{PLAIN}one::::::userdb_quota_rule=*:storage=1M:messages=7\nbob:{PLAIN}two\ncarol:{PLAIN}x::::::userdb_quota_rule=*:storage=1%\n",
    );
    let accounts = fixture.directory.list(fixture.now).await.unwrap().unwrap();
    let figures =
        |account: &Account| [account.quota.octets, account.quota.messages].map(|it| it.map(|it| it.stored()));
    assert_eq!(
        accounts.iter().map(figures).collect::<Vec<_>>(),
        [[Some(1 << 20), Some(7)], [None, None], [None, None]]
    );
    let name = AccountName::new("alice").unwrap();
    let entry = fixture.directory.lookup(&question(&name, fixture.now)).await.unwrap().unwrap();
    assert_eq!(entry.account, accounts[0]);
    let doubts = fixture.notices().concat();
    assert!(doubts.contains("carol: the quota *:storage=1% is not understood"), "{doubts}");
}
