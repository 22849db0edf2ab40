//! How long which login waits, with the clock as an argument.

use proptest::prelude::*;

use super::*;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));

fn throttle() -> Throttle {
    Throttle::new(Settings::default())
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn v4(third: u8, fourth: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, third, fourth))
}

fn v6(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn guess(n: u32) -> [u8; 4] {
    n.to_le_bytes()
}

fn attempt<'a>(peer: IpAddr, account: &'a [u8], secret: &'a [u8]) -> Try<'a> {
    Try { peer, account, secret: Tried::Secret(secret) }
}

fn failed(throttle: &Throttle, peer: IpAddr, account: &[u8], secret: &[u8], now: Instant) -> Duration {
    throttle.failed(&attempt(peer, account, secret), now).penalty
}

fn delay(throttle: &Throttle, peer: IpAddr, account: &[u8], now: Instant) -> Duration {
    throttle.delay(&attempt(peer, account, b"right"), now)
}

#[test]
fn the_first_failure_costs_nothing_and_each_further_one_twice_as_much() {
    let (throttle, now) = (throttle(), Instant::now());
    let waits: Vec<u64> = (0..8).map(|n| failed(&throttle, PEER, b"bob", &guess(n), now).as_secs()).collect();
    assert_eq!(waits, [0, 1, 2, 4, 8, 15, 15, 15]);
    assert_eq!(failed(&throttle, OTHER, b"alice", b"x", now), seconds(0), "others are not concerned");
}

#[test]
fn a_refusal_leaves_at_a_fixed_moment() {
    let (throttle, began) = (throttle(), Instant::now());
    let leaves = |work: Duration, penalty: u64| {
        throttle.answer_at(began, began + work, seconds(penalty)).duration_since(began)
    };
    for work_us in [0, 1, 700_000, 1_999_999] {
        assert_eq!(leaves(Duration::from_micros(work_us), 0), seconds(2), "{work_us}");
        assert_eq!(leaves(Duration::from_micros(work_us), 3), seconds(5), "{work_us}");
    }
    // Work that takes longer is hidden up to the next step.
    assert_eq!(leaves(seconds(2), 0), seconds(4));
    assert_eq!(leaves(Duration::from_millis(4_500), 1), seconds(7));
    throttle.adjust(Settings { fixed: Duration::ZERO, ..Settings::default() });
    let now = began + seconds(1);
    assert_eq!(throttle.answer_at(began, now, Duration::ZERO), now);
}

#[test]
fn the_same_wrong_password_again_is_no_new_guess() {
    let (throttle, now) = (throttle(), Instant::now());
    for _ in 0..50 {
        assert_eq!(failed(&throttle, PEER, b"printer", b"old", now), seconds(0));
    }
    assert_eq!(throttle.failed(&attempt(PEER, b"printer", b"old"), now).guesses, 1);
    assert_eq!(failed(&throttle, PEER, b"printer", b"older", now), seconds(1));
    assert_eq!(
        failed(&throttle, PEER, b"scanner", b"old", now),
        seconds(2),
        "another account is another guess"
    );
}

#[test]
fn many_forgotten_machines_behind_one_address_are_known_again() {
    let (throttle, mut now) = (throttle(), Instant::now());
    for _ in 0..100 {
        for machine in 0..30 {
            now += seconds(2);
            throttle.failed(&attempt(PEER, &guess(machine), b"old"), now);
        }
    }
    assert_eq!(throttle.failed(&attempt(PEER, &guess(0), b"old"), now).guesses, 30);
}

#[test]
fn a_client_that_polls_with_digests_of_an_old_password_is_counted_once() {
    let (throttle, mut now) = (throttle(), Instant::now());
    let digest = Try { peer: PEER, account: b"bob", secret: Tried::Digest };
    for _ in 0..200 {
        now += seconds(60);
        assert_eq!(throttle.failed(&digest, now), Failed { penalty: Duration::ZERO, guesses: 1 });
    }
    for n in 2..10 {
        now += seconds(1);
        assert_eq!(throttle.failed(&digest, now).guesses, n, "nobody polls as fast as that");
    }
}

#[test]
fn an_account_is_slow_for_guesses_from_everywhere_but_not_for_its_owner() {
    let (throttle, now) = (throttle(), Instant::now());
    for (n, penalty) in [0, 1, 2, 4, 8, 15].into_iter().enumerate() {
        let n = u8::try_from(n).unwrap();
        assert_eq!(failed(&throttle, v4(n, 1), b"bob", &guess(n.into()), now), seconds(penalty));
    }
    assert_eq!(delay(&throttle, PEER, b"bob", now), Duration::ZERO);
    assert_eq!(failed(&throttle, PEER, b"bob", b"typo elsewhere", now), seconds(15));
    throttle.succeeded(PEER, b"bob", now);
    assert_eq!(failed(&throttle, OTHER, b"bob", b"x", now), seconds(0), "a success starts the account anew");
    // Where he is known, strangers' guesses do not even make his typing errors dearer.
    for n in 100..110 {
        failed(&throttle, v4(9, u8::try_from(n).unwrap()), b"bob", &guess(n), now);
    }
    assert_eq!(failed(&throttle, OTHER, b"bob", b"y", now), seconds(15));
    assert_eq!(failed(&throttle, PEER, b"bob", b"typo", now), seconds(1));
}

#[test]
fn a_peer_that_keeps_guessing_waits_before_it_is_heard() {
    let (throttle, now) = (throttle(), Instant::now());
    for n in 0..10 {
        assert_eq!(delay(&throttle, PEER, b"victim", now), Duration::ZERO);
        failed(&throttle, PEER, b"someone", &guess(n), now);
    }
    failed(&throttle, PEER, b"someone", b"one more", now);
    assert_eq!(delay(&throttle, PEER, b"victim", now), seconds(1));
    assert_eq!(delay(&throttle, OTHER, b"victim", now), Duration::ZERO);
    // One's own account does not wash the peer clean, but is spared itself.
    throttle.succeeded(PEER, b"mine", now);
    assert_eq!(delay(&throttle, PEER, b"victim", now), seconds(1));
    assert_eq!(delay(&throttle, PEER, b"mine", now), Duration::ZERO);
}

#[test]
fn a_network_that_keeps_guessing_waits_as_a_whole() {
    for (in_it, beside) in [
        ([v4(7, 1), v4(7, 2), v4(7, 3), v4(7, 4), v4(7, 5), v4(7, 6)], v4(8, 1)),
        (
            [
                v6("2001:db8:7:1::1"),
                v6("2001:db8:7:2::1"),
                v6("2001:db8:7:3::1"),
                v6("2001:db8:7:4::1"),
                v6("2001:db8:7:5::1"),
                v6("2001:db8:7:6::1"),
            ],
            v6("2001:db8:8::1"),
        ),
    ] {
        let (throttle, now) = (throttle(), Instant::now());
        // Ten guesses of each are free for a peer alone.
        for n in 0..60 {
            failed(&throttle, in_it[n as usize % 6], b"bob", &guess(n), now);
        }
        assert_eq!(delay(&throttle, in_it[0], b"victim", now), seconds(15));
        assert_eq!(delay(&throttle, beside, b"victim", now), Duration::ZERO);
        throttle.succeeded(in_it[1], b"neighbour", now);
        assert_eq!(delay(&throttle, in_it[1], b"neighbour", now), Duration::ZERO);
    }
}

#[test]
fn one_network_at_many_accounts_is_a_spray() {
    let (throttle, now) = (throttle(), Instant::now());
    for n in 0..21 {
        // Each address fails twice, each secret is another: neither of them is much.
        failed(&throttle, v4(7, u8::try_from(n / 2).unwrap()), &guess(n), &guess(1000 + n), now);
    }
    assert_eq!(delay(&throttle, v4(7, 200), b"victim", now), seconds(1));
    assert_eq!(delay(&throttle, v4(6, 200), b"victim", now), Duration::ZERO);
}

#[test]
fn one_secret_at_many_accounts_is_a_spray_from_wherever_it_comes() {
    let (throttle, now) = (throttle(), Instant::now());
    for n in 0..8_u8 {
        failed(&throttle, v4(n, 1), &[n], b"Summer2026!", now);
        // The same account again is nothing new.
        failed(&throttle, v4(n, 2), &[n], b"Summer2026!", now);
    }
    let sprayed = attempt(v4(99, 1), b"victim", b"Summer2026!");
    assert_eq!(throttle.delay(&sprayed, now), seconds(4));
    assert_eq!(throttle.delay(&attempt(v4(99, 1), b"victim", b"another"), now), Duration::ZERO);
    // Who really has this password and comes from where he is known does not wait.
    throttle.succeeded(v4(99, 1), b"victim", now);
    assert_eq!(throttle.delay(&sprayed, now), Duration::ZERO);
}

#[test]
fn an_address_that_somebody_logs_in_from_is_no_attackers() {
    let (throttle, now) = (throttle(), Instant::now());
    let home = attempt(v6("2001:db8::1"), b"bob", b"typo");
    assert_eq!(throttle.failed(&home, now).guesses, 1);
    assert!(!throttle.is_home(home.peer, now));
    throttle.succeeded(v6("2001:db8::2"), b"alice", now);
    assert_eq!(throttle.failed(&attempt(home.peer, b"bob", b"other"), now).guesses, 0);
    assert!(throttle.is_home(home.peer, now));
    assert!(!throttle.is_home(home.peer, now + Settings::default().known_for));
}

#[test]
fn failures_are_forgotten_in_time() {
    let (throttle, start) = (throttle(), Instant::now());
    for n in 0..12 {
        failed(&throttle, PEER, b"bob", &guess(n), start);
    }
    assert!(delay(&throttle, PEER, b"eve", start + seconds(599)) > Duration::ZERO);
    let later = start + seconds(600);
    assert_eq!(delay(&throttle, PEER, b"eve", later), Duration::ZERO);
    assert_eq!(failed(&throttle, PEER, b"bob", b"x", later), seconds(0));
}

#[test]
fn a_network_of_ipv6_is_one_peer_and_a_mapped_address_is_ipv4() {
    let (throttle, now) = (throttle(), Instant::now());
    failed(&throttle, v6("2001:db8::1"), b"a", b"x", now);
    assert_eq!(failed(&throttle, v6("2001:db8::ffff:1"), b"b", b"x", now), seconds(1));
    assert_eq!(failed(&throttle, v6("2001:db8:0:1::1"), b"c", b"x", now), seconds(0));
    failed(&throttle, PEER, b"d", b"x", now);
    assert_eq!(failed(&throttle, v6("::ffff:192.0.2.1"), b"e", b"x", now), seconds(1));
}

#[test]
fn a_flood_is_forgotten_oldest_first_and_memory_stays_bounded() {
    let throttle = Throttle::new(Settings { entries_max: 100, ..Settings::default() });
    let start = Instant::now();
    for n in 0..10_000_u32 {
        let (peer, now) = (IpAddr::V4((n << 8).into()), start + Duration::from_millis(n.into()));
        failed(&throttle, peer, &guess(n), &guess(n), now);
        throttle.failed(&Try { peer, account: &guess(n), secret: Tried::Digest }, now);
        throttle.succeeded(peer, &guess(n), now);
        failed(&throttle, peer, &guess(n), b"again", now);
    }
    let state = throttle.state();
    let failures = [&state.peers, &state.networks, &state.accounts, &state.sprays, &state.secrets];
    let lengths = failures.map(|table| table.entries.len());
    assert!(lengths.iter().all(|length| (1..=100).contains(length)), "{lengths:?}");
    let lengths = [&state.polls, &state.known, &state.homes].map(|table| table.entries.len());
    assert!(lengths.iter().all(|length| (1..=100).contains(length)), "{lengths:?}");
    drop(state);
    let now = start + seconds(10);
    let latest = IpAddr::V4((9_999 << 8).into());
    assert!(failed(&throttle, latest, b"x", b"y", now) > Duration::ZERO, "the latest is still known");
    assert_eq!(failed(&throttle, IpAddr::V4(0.into()), b"z", b"y", now), seconds(0), "the oldest is not");
}

proptest! {
    #[test]
    fn no_wait_is_longer_than_the_longest(
        steps in proptest::collection::vec((any::<u8>(), 0..4_u8, any::<u8>(), 0..2_000_u64, 0..4_u8), 0..300),
        first_ms in 0..100_000_u64,
        entries_max in 0..5_usize,
    ) {
        let settings = Settings { first: Duration::from_millis(first_ms), entries_max, ..Settings::default() };
        let (throttle, mut now) = (Throttle::new(settings), Instant::now());
        for (peer, account, password, pause, what) in steps {
            now += seconds(pause);
            let peer = IpAddr::V4(u32::from(peer % 3).into());
            let wait = match what {
                0 => delay(&throttle, peer, &[account], now),
                1 => failed(&throttle, peer, &[account], &[password], now),
                2 => throttle.failed(&Try { peer, account: &[account], secret: Tried::Digest }, now).penalty,
                _ => { throttle.succeeded(peer, &[account], now); Duration::ZERO }
            };
            prop_assert!(wait <= settings.max);
        }
    }
}
