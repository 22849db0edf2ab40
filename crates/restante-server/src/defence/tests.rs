//! What somebody who guesses can learn, and what it costs him. Most sessions run over a pipe in memory with the clock stopped.

use crate::bans::Ban;
use crate::clock;
use crate::config::{Address, Protocol};
use crate::event::Log;
use crate::limits;
use crate::shared::{Settings, Shared};
use crate::tests::{Client, Site, serve_in_memory};
use restante_auth::account::Account;
use restante_auth::directory::census::Census;
use restante_auth::directory::{Answer, Circumstances, Directory, Entry, Question, Service};
use restante_auth::password::{Scheme, StoredPassword};
use restante_auth::verify::scram::ScramSettings;
use restante_auth::verify::{self, Authenticator, Source};
use restante_proto::sasl::{ScramHash, ScramQuery};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Accounts that are refused for different reasons; the password of all is `right`.
#[derive(Debug)]
struct Refusing {
    /// How it is stored.
    stored: String,
    /// Has unknown names checked against a decoy, as a directory should.
    has_decoys: bool,
}

impl Refusing {
    fn stored(&self) -> StoredPassword {
        StoredPassword::parse(self.stored.as_bytes(), Scheme::Plain).unwrap()
    }
}

impl Directory for Refusing {
    fn source(&self) -> String {
        "test".to_owned()
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        let mut account = Account::new(question.name.clone());
        let mut password = self.stored();
        match question.name.as_str() {
            "wrong" => {}
            "locked" => password = StoredPassword::locked(),
            "elsewhere" => account.networks = Some(["198.51.100.0/24".parse().unwrap()].into()),
            "otherwise" => account.mechanisms = Some([Box::from("EXTERNAL")].into()),
            _ => return Box::pin(async { Ok(None) }),
        }
        Box::pin(async {
            Ok(Some(Entry { account, password, scram: Vec::new(), app_passwords: Vec::new() }))
        })
    }

    fn reload(&self, _: Instant) -> Answer<'_, usize> {
        Box::pin(async { Ok(4) })
    }

    fn census(&self) -> Arc<Census> {
        let mut census = Census::default();
        census.add(&self.stored(), &[]);
        Arc::new(census)
    }

    fn accounts(&self) -> usize {
        4
    }

    fn decoy(&self, _: u64) -> Option<StoredPassword> {
        self.has_decoys.then(|| self.stored())
    }
}

fn shared(site: &Site, stored: &str, has_decoys: bool) -> Arc<Shared> {
    let (shared, _) = site.shared();
    let log = shared.log.clone();
    Arc::new(Shared::new(settings(site, &log, stored, has_decoys), log))
}

fn settings(site: &Site, log: &Log, stored: &str, has_decoys: bool) -> Settings {
    let source = Source::Other(Arc::new(Refusing { stored: stored.to_owned(), has_decoys }));
    let scram = Some(ScramSettings { iterations: 4096, ..ScramSettings::new([7; 32]) });
    let how = verify::Settings { cache: None, scram, ..verify::Settings::default() };
    let authenticator = Authenticator::new(vec![source], how).unwrap();
    let mut settings = Settings::new(site.config(), log).unwrap();
    settings.authenticator = authenticator;
    settings
}

const WIDE: usize = 1 << 20;

/// Tries once; the last answer, and how long it took from the credentials on.
async fn attempt(shared: &Arc<Shared>, how: &str, user: &str, password: &str) -> (String, Duration) {
    let protocol = if how == "HELO" { Protocol::Pop2 } else { Protocol::Pop3 };
    attempt_over(serve_in_memory(shared, protocol, WIDE), how, user, password).await
}

async fn attempt_over(mut client: Client, how: &str, user: &str, password: &str) -> (String, Duration) {
    client.line().await;
    let last = match how {
        "PASS" => {
            client.ask(&format!("USER {user}")).await;
            format!("PASS {password}")
        }
        "PLAIN" => format!("AUTH PLAIN {}", encoded(&format!("\0{user}\0{password}"))),
        "LOGIN" => {
            client.ask("AUTH LOGIN").await;
            client.ask(&encoded(user)).await;
            encoded(password)
        }
        "APOP" => format!("APOP {user} {}", "0".repeat(32)),
        "CRAM-MD5" => {
            client.ask("AUTH CRAM-MD5").await;
            encoded(&format!("{user} {}", "0".repeat(32)))
        }
        "SCRAM-SHA-256" => {
            client.ask("AUTH SCRAM-SHA-256").await;
            let shown = client.ask(&encoded(&format!("n,,n={user},r=of-the-client"))).await;
            let shown =
                decoded(shown.strip_prefix("+ ").expect("salt and iterations are shown to everybody"));
            let nonce = shown.split(',').next().unwrap();
            // A proof of 32 octets, and a wrong one.
            encoded(&format!("c=biws,{nonce},p={}", encoded(&"0".repeat(32))))
        }
        _ => format!("HELO {user} {password}"),
    };
    let began = clock::now();
    let answer = client.ask(&last).await;
    (answer, clock::now() - began)
}

/// RFC 4648, section 4.
fn encoded(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let number = (0..3).fold(0_usize, |sum, at| sum << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        let letter = move |at: usize| match at <= three.len() {
            true => char::from(LETTERS[number >> (18 - 6 * at) & 63]),
            false => '=',
        };
        [letter(0), letter(1), letter(2), letter(3)]
    };
    text.as_bytes().chunks(3).flat_map(group).collect()
}

fn decoded(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut octets, mut bits, mut held) = (Vec::new(), 0, 0_u32);
    for letter in text.bytes().filter(|&letter| letter != b'=') {
        let value = LETTERS.iter().position(|&it| it == letter).unwrap();
        held = held << 6 | u32::try_from(value).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            octets.push(u8::try_from(held >> bits & 0xff).unwrap());
        }
    }
    String::from_utf8(octets).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_the_same_words_at_the_same_moment() {
    let site = Site::new(
        "[auth]\nmechanisms = [\"PLAIN\", \"LOGIN\", \"CRAM-MD5\", \"SCRAM-SHA-256\"]\napop = true\nfail_delay_s = 3\n",
    );
    for how in ["PASS", "PLAIN", "LOGIN", "APOP", "CRAM-MD5", "SCRAM-SHA-256", "HELO"] {
        let mut answers = Vec::new();
        for (user, password) in [
            ("wrong", "x"),
            ("unknown", "x"),
            ("unknown", "right"),
            ("locked", "right"),
            ("elsewhere", "right"),
            ("elsewhere", "x"),
            ("otherwise", "right"),
            ("otherwise", "x"),
            ("no..name", "x"),
        ] {
            // Nothing is held against anybody yet.
            let shared = shared(&site, "{PLAIN}right", true);
            answers.push(attempt(&shared, how, user, password).await);
        }
        assert!(answers[0].0.starts_with('-'), "{how}: {answers:?}");
        assert_eq!(answers[0].1, Duration::from_secs(3), "{how}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{how}: {answers:#?}");
    }
    // This account is not refused for any of that.
    let shared = shared(&site, "{PLAIN}right", true);
    assert!(attempt(&shared, "PLAIN", "otherwise", "right").await.0.starts_with('-'));
    let (_, waited) = attempt(&shared, "PLAIN", "wrong", "right").await;
    assert_eq!(waited, Duration::ZERO, "who is right does not wait");
}

#[tokio::test(start_paused = true)]
async fn penalties_come_on_top_and_are_settings() {
    let site = Site::new(
        "[auth]\nfail_delay_s = 1\n[defence]\npenalty_s = 3\npenalty_max_s = 10\nfree_failures = 4\n",
    );
    let shared = shared(&site, "{PLAIN}right", true);
    let mut waits = Vec::new();
    for n in 0..7 {
        waits.push(attempt(&shared, "PASS", "unknown", &format!("guess{n}")).await.1.as_secs());
    }
    // From the sixth on the beginning waits as well.
    assert_eq!(waits, [1, 4, 7, 11, 11, 3 + 11, 6 + 11]);
    // Others of the same address wait as well, as long as they are not known there.
    let (answer, waited) = attempt(&shared, "PASS", "wrong", "right").await;
    assert_eq!((waited.as_secs(), answer.starts_with("-ERR [AUTH]")), (10, false), "{answer}");
    assert_eq!(attempt(&shared, "PASS", "wrong", "right").await.1, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn many_connections_of_one_address_get_no_more_guesses_than_one() {
    let site = Site::new("[auth]\nfail_delay_s = 0\n[defence]\nfree_failures = 3\npenalty_s = 8\n");
    let shared = shared(&site, "{PLAIN}right", true);
    let began = clock::now();
    let guesses = (0..40).map(|n| {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { attempt(&shared, "PASS", "unknown", &format!("guess{n}")).await })
    });
    let guesses: Vec<_> = guesses.collect();
    // At once only those that nothing spoke against yet and those that had their turn beside them.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let looked_at = shared.settings.load().authenticator.checks();
    assert!((3..=3 + limits::TURNS as u64).contains(&looked_at), "{looked_at}");
    for guess in guesses {
        guess.await.unwrap();
    }
    assert!(clock::now() - began >= Duration::from_secs(15));
    assert_eq!(shared.turns.lines(), 0, "what is over takes no memory");
}

#[tokio::test(start_paused = true)]
async fn whose_turn_does_not_come_is_told_to_come_again() {
    let site = Site::new("");
    let shared = shared(&site, "{PLAIN}right", true);
    let address = "127.0.0.1".parse().unwrap();
    let wait = Duration::from_secs(1);
    let mut held = Vec::new();
    for _ in 0..limits::TURNS {
        held.push(shared.turns.take(address, wait).await.unwrap());
    }
    // Ten seconds for its turn, and the moment of a refusal after that.
    let (answer, waited) = attempt(&shared, "PASS", "wrong", "right").await;
    assert!(
        answer.starts_with("-ERR [SYS/TEMP]") && waited == Duration::from_secs(12),
        "{answer} {waited:?}"
    );
    assert!(shared.turns.take("192.0.2.1".parse().unwrap(), wait).await.is_some(), "others have their own");
    held.pop();
    assert!(attempt(&shared, "PASS", "wrong", "right").await.0.starts_with("+OK"));
    // From now on it is known there, and needs none.
    let _again = shared.turns.take(address, wait).await.unwrap();
    assert_eq!(attempt(&shared, "PASS", "wrong", "right").await.1, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_somebody_keeps_full_fills_no_log() {
    let site = Site::new("[auth]\nfail_delay_s = 1\nhash_wait_s = 1\n");
    let (lines, log) = {
        let (shared, lines) = site.shared();
        (lines, shared.log.clone())
    };
    let shared = Arc::new(Shared::new(settings(&site, &log, "{PLAIN}right", true), log));
    let address = "127.0.0.1".parse().unwrap();
    let mut held = Vec::new();
    for _ in 0..limits::TURNS {
        held.push(shared.turns.take(address, Duration::from_secs(1)).await.unwrap());
    }
    let all = || (0..30).map(|_| attempt(&shared, "PASS", "wrong", "right"));
    for (answer, _) in together(all()).await {
        assert!(answer.starts_with("-ERR [SYS/TEMP]"), "{answer}");
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(attempt(&shared, "PASS", "wrong", "right").await.0.starts_with("-ERR [SYS/TEMP]"));
    shared.log.flush();
    let text = lines.text();
    let faults: Vec<&str> = text.lines().filter(|line| line.contains(" event=fault ")).collect();
    assert!(faults.iter().all(|line| line.contains(" level=warn ")), "{text}");
    assert_eq!(faults.len(), 11, "{text}");
    assert!(faults[..10].iter().all(|line| !line.contains("unsaid")), "{text}");
    assert!(faults[10].ends_with(" unsaid=20"), "{text}");
}

#[test]
fn a_ban_is_of_one_address_or_of_what_one_host_chooses_from() {
    for (address, network) in [
        ("192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ] {
        assert_eq!(super::banned_with(address.parse().unwrap()), network.parse().unwrap(), "{address}");
    }
}

/// What all of these come to, run at the same time.
async fn together<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| match one.as_mut().poll(cx) {
            Poll::Ready(result) => {
                done.push(result);
                false
            }
            Poll::Pending => true,
        });
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}

#[tokio::test(start_paused = true)]
async fn who_is_banned_while_he_is_connected_cannot_tell_and_is_let_in_by_no_password() {
    let site = Site::new("[auth]\nfail_delay_s = 3\n");
    let shared = shared(&site, "{PLAIN}right", true);
    for (how, user, password) in [
        ("PASS", "wrong", "right"),
        ("PLAIN", "wrong", "right"),
        ("HELO", "wrong", "x"),
        ("PASS", "unknown", "x"),
    ] {
        let protocol = if how == "HELO" { Protocol::Pop2 } else { Protocol::Pop3 };
        let before = self::shared(&site, "{PLAIN}right", true);
        let refused = attempt(&before, how, "unknown", "x").await;
        let client = serve_in_memory(&shared, protocol, WIDE);
        let network = "127.0.0.1/32".parse().unwrap();
        shared.bans.add(network, Ban::new(network, clock::wall(), None, "test"));
        let checks = shared.settings.load().authenticator.checks();
        assert_eq!(attempt_over(client, how, user, password).await, refused, "{how}");
        assert_eq!(shared.settings.load().authenticator.checks(), checks, "nothing is looked at");
        shared.bans.remove(network);
    }
}

/// Knows nobody, and takes its time to say so.
#[derive(Debug)]
struct Slow(Duration);

impl Directory for Slow {
    fn source(&self) -> String {
        "slow".to_owned()
    }

    fn lookup<'a>(&'a self, _: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            Ok(None)
        })
    }

    fn decoy(&self, _: u64) -> Option<StoredPassword> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_of_scram_does_not_tell_which_source_knows_a_name() {
    let site = Site::new("");
    let (shared, _) = site.shared();
    let near = Refusing { stored: "{PLAIN}right".to_owned(), has_decoys: true };
    let sources = vec![
        Source::Other(Arc::new(near) as Arc<dyn Directory>),
        Source::Other(Arc::new(Slow(Duration::from_millis(150)))),
    ];
    let how = verify::Settings { scram: Some(ScramSettings::new([7; 32])), ..verify::Settings::default() };
    let mut settings = Settings::new(site.config(), &shared.log).unwrap();
    settings.authenticator = Authenticator::new(sources, how).unwrap();
    for user in ["wrong", "unknown", "locked", "no..name"] {
        let query = ScramQuery { user: user.into(), hash: ScramHash::Sha256, binding: None };
        let began = clock::now();
        let at = Circumstances::new(Service::Pop3, began.into_std());
        super::prepare_scram(&settings, &query, at).await.unwrap();
        assert_eq!(clock::now() - began, super::SCRAM_MOMENT, "{user}");
    }
}

/// The median time of tries, in the order of the names.
async fn medians<const N: usize>(server: &Address, users: [&str; N], tries: usize) -> [Duration; N] {
    let mut times = users.map(|_| Vec::with_capacity(tries));
    for n in 0..tries {
        // In turns, so that whatever slows this machine down for a while slows all of them down.
        for (user, times) in users.iter().zip(&mut times) {
            let client = Client::connect(server).await;
            times.push(attempt_over(client, "PASS", user, &format!("guess{n}")).await.1);
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[tries / 2]
    })
}

/// How far the largest is above the smallest, in percent.
fn spread(medians: &[Duration]) -> u128 {
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    (most.as_nanos() - least.as_nanos()) * 100 / least.as_nanos().max(1)
}

/// Without any fixed moment, so that the work itself is seen: 2,000 tries of each kind.
#[tokio::test]
async fn the_work_is_the_same_for_every_refusal() {
    let site = Site::new("[auth]\nfail_delay_s = 0\n[defence]\npenalty_s = 0\n");
    let users = ["wrong", "unknown", "locked", "elsewhere"];
    // A hash that takes long beside everything else there is.
    let stored = format!("{{PBKDF2}}$1$0123456789abcdef$1500${}", "0".repeat(40));
    let server = site.start().await;
    let address = server.addresses()[0].address.clone();
    let log = server.shared.log.clone();
    let put = |has_decoys| {
        let settings = Arc::new(settings(&site, &log, &stored, has_decoys));
        server.shared.settings.store(Arc::clone(&settings));
        settings.authenticator.clone()
    };
    let authenticator = put(true);
    // What a peer could learn is there each time; what the machine does beside is not.
    let mut seen: Vec<[Duration; 4]> = Vec::new();
    while seen.last().is_none_or(|round| spread(round) >= SPREAD_MAX) {
        assert!(seen.len() < ROUNDS_MAX, "{seen:?}");
        seen.push(medians(&address, users, 2_000).await);
        assert_eq!(authenticator.checks(), 8_000 * seen.len() as u64);
    }
    // The judge must be able to see what it looks for.
    put(false);
    let different = medians(&address, users, 200).await;
    assert!(spread(&different) > 2 * SPREAD_MAX, "{different:?}");
}

/// Percent. Medians of the same work differ by one or two here, on a busy machine by a few; without a decoy it is hundreds.
const SPREAD_MAX: u128 = 25;
/// A machine may be so busy that one round says nothing.
const ROUNDS_MAX: usize = 3;
