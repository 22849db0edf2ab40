//! A Dovecot that is played: one that answers late, goes away and comes back.

use super::*;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::UnixListener;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::unix::OwnedWriteHalf;

const GREETING: &[u8] = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t2\nCOOKIE\tab\nDONE\n";

struct Site {
    _folder: tempfile::TempDir,
    path: PathBuf,
    listener: UnixListener,
}

fn site() -> Site {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("auth");
    let listener = UnixListener::bind(&path).unwrap();
    Site { _folder: folder, path, listener }
}

fn link(site: &Site, pending_max: usize) -> Arc<Link> {
    Arc::new(Link::new(Subject::Passwords, site.path.clone(), Duration::from_secs(5), pending_max))
}

fn password(user: &str) -> Ask {
    let request = Request { service: (*b"pop3").into(), ..Request::default() };
    Ask::Password { user: user.to_owned(), password: Secret::new(b"secret".to_vec()), request }
}

async fn accept(site: &Site) -> (Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf) {
    let (stream, _) = site.listener.accept().await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(GREETING).await.unwrap();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "VERSION\t1\t2");
    assert!(lines.next_line().await.unwrap().unwrap().starts_with("CPID\t"));
    (lines, write)
}

fn spawn(link: &Arc<Link>, user: &'static str) -> tokio::task::JoinHandle<Result<Answer, Failure>> {
    let link = Arc::clone(link);
    tokio::spawn(async move { link.ask(password(user)).await })
}

async fn id(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> String {
    let line = lines.next_line().await.unwrap().unwrap();
    line.split('\t').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn answers_find_who_has_asked_whatever_their_order() {
    let site = site();
    let link = link(&site, 8);
    let alice = spawn(&link, "alice");
    let (mut lines, mut write) = accept(&site).await;
    let first = id(&mut lines).await;
    let bob = spawn(&link, "bob");
    let second = id(&mut lines).await;
    write.write_all(format!("FAIL\t{second}\tuser=bob\nOK\t{first}\tuser=alice\n").as_bytes()).await.unwrap();
    assert_eq!(bob.await.unwrap().unwrap(), Answer::Wrong);
    let Answer::Known(user) = alice.await.unwrap().unwrap() else { panic!() };
    assert_eq!(user.name, "alice");
}

#[tokio::test]
async fn a_dovecot_that_was_restarted_is_asked_again() {
    let site = site();
    let link = link(&site, 8);
    let alice = spawn(&link, "alice");
    let (mut lines, write) = accept(&site).await;
    id(&mut lines).await;
    drop((lines, write));
    let (mut lines, mut write) = accept(&site).await;
    let again = id(&mut lines).await;
    write.write_all(format!("OK\t{again}\tuser=alice\n").as_bytes()).await.unwrap();
    assert!(matches!(alice.await.unwrap(), Ok(Answer::Known(_))));
}

#[tokio::test]
async fn a_dovecot_that_goes_away_again_and_again_is_not_asked_for_ever() {
    let site = site();
    let link = link(&site, 8);
    let alice = spawn(&link, "alice");
    for _ in 0..2 {
        let (mut lines, write) = accept(&site).await;
        id(&mut lines).await;
        drop((lines, write));
    }
    assert!(matches!(alice.await.unwrap(), Err(Failure::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_dovecot_is_waited_for_so_long_and_no_longer() {
    let site = site();
    let link = link(&site, 8);
    let alice = spawn(&link, "alice");
    assert!(matches!(alice.await.unwrap(), Err(Failure::Silent)));
}

#[tokio::test]
async fn nobody_there_is_said_at_once_and_too_many_are_turned_away() {
    let site = site();
    let link = link(&site, 1);
    let alice = spawn(&link, "alice");
    let (mut lines, _write) = accept(&site).await;
    id(&mut lines).await;
    assert!(matches!(link.ask(password("bob")).await, Err(Failure::Full)));
    alice.abort();
    let nowhere = Arc::new(Link::new(Subject::Users, "/nonexistent/auth".into(), Duration::from_secs(5), 1));
    assert!(matches!(nowhere.ask(Ask::Nothing).await, Err(Failure::Connect(_))));
    let _ = lines;
}

#[tokio::test]
async fn what_is_no_dovecot_is_said() {
    let site = site();
    let link = link(&site, 8);
    let alice = spawn(&link, "alice");
    let (mut stream, _) = site.listener.accept().await.unwrap();
    stream.write_all(b"220 mail ESMTP\n").await.unwrap();
    assert!(matches!(alice.await.unwrap(), Err(Failure::Violation(Violation::Version))));
}
