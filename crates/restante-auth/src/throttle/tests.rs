//! How long which login waits, with the clock as an argument.

use proptest::prelude::*;

use super::*;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

fn throttle() -> Throttle {
    Throttle::new(Settings::default())
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn guess(n: u32) -> [u8; 4] {
    n.to_le_bytes()
}

#[test]
fn each_failure_doubles_the_wait_up_to_the_longest() {
    let (throttle, now) = (throttle(), Instant::now());
    let waits: Vec<u64> = (0..7).map(|n| throttle.failed(PEER, b"bob", &guess(n), now).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 15, 15, 15]);
    assert_eq!(throttle.failed(OTHER, b"alice", b"x", now), seconds(1), "others are not concerned");
}

#[test]
fn the_same_wrong_password_again_is_no_new_guess() {
    let (throttle, now) = (throttle(), Instant::now());
    for _ in 0..50 {
        assert_eq!(throttle.failed(PEER, b"printer", b"old", now), seconds(1));
    }
    assert_eq!(throttle.failed(PEER, b"printer", b"older", now), seconds(2));
    assert_eq!(
        throttle.failed(PEER, b"scanner", b"old", now),
        seconds(4),
        "another account is another guess"
    );
}

#[test]
fn an_account_is_slow_for_guesses_from_everywhere_but_not_for_its_owner() {
    let (throttle, now) = (throttle(), Instant::now());
    for n in 0..4 {
        let peer = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, n));
        let wait = throttle.failed(peer, b"bob", &guess(n.into()), now);
        assert_eq!(wait, seconds(1 << n));
    }
    assert_eq!(throttle.delay(PEER, b"bob", now), Duration::ZERO);
    throttle.succeeded(PEER, b"bob", now);
    assert_eq!(throttle.failed(OTHER, b"bob", b"x", now), seconds(1), "a success starts the account anew");
}

#[test]
fn a_peer_that_keeps_guessing_waits_before_it_is_heard() {
    let (throttle, now) = (throttle(), Instant::now());
    for n in 0..10 {
        assert_eq!(throttle.delay(PEER, b"victim", now), Duration::ZERO);
        throttle.failed(PEER, format!("account{n}").as_bytes(), b"123456", now);
    }
    throttle.failed(PEER, b"account10", b"123456", now);
    assert_eq!(throttle.delay(PEER, b"victim", now), seconds(1));
    assert_eq!(throttle.delay(OTHER, b"victim", now), Duration::ZERO);
    // One's own account does not wash the peer clean, but is spared itself.
    throttle.succeeded(PEER, b"mine", now);
    assert_eq!(throttle.delay(PEER, b"victim", now), seconds(1));
    assert_eq!(throttle.delay(PEER, b"mine", now), Duration::ZERO);
    assert_eq!(
        throttle.delay(PEER, b"mine", now + Settings::default().known_for),
        Duration::ZERO,
        "all is forgotten by then"
    );
}

#[test]
fn failures_are_forgotten_in_time() {
    let (throttle, start) = (throttle(), Instant::now());
    for n in 0..12 {
        throttle.failed(PEER, b"bob", &guess(n), start);
    }
    let almost = start + seconds(599);
    assert!(throttle.delay(PEER, b"eve", almost) > Duration::ZERO);
    let later = start + seconds(600);
    assert_eq!(throttle.delay(PEER, b"eve", later), Duration::ZERO);
    assert_eq!(throttle.failed(PEER, b"bob", b"x", later), seconds(1));
}

#[test]
fn a_network_of_ipv6_is_one_peer_and_a_mapped_address_is_ipv4() {
    let (throttle, now) = (throttle(), Instant::now());
    let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
    throttle.failed(v6("2001:db8::1"), b"a", b"x", now);
    assert_eq!(throttle.failed(v6("2001:db8::ffff:1"), b"b", b"x", now), seconds(2));
    assert_eq!(throttle.failed(v6("2001:db8:0:1::1"), b"c", b"x", now), seconds(1));
    throttle.failed(PEER, b"d", b"x", now);
    assert_eq!(throttle.failed(v6("::ffff:192.0.2.1"), b"e", b"x", now), seconds(2));
    for bits in [0, 128, 500] {
        let throttle = Throttle::new(Settings { ipv6_prefix_bits: bits, ..Settings::default() });
        throttle.failed(v6("2001:db8::1"), b"a", b"x", now);
        let wait = throttle.failed(v6("3001:db8::2"), b"b", b"x", now);
        assert_eq!(wait, seconds(if bits == 0 { 2 } else { 1 }));
    }
}

#[test]
fn a_flood_is_forgotten_oldest_first_and_memory_stays_bounded() {
    let throttle = Throttle::new(Settings { entries_max: 100, ..Settings::default() });
    let start = Instant::now();
    for n in 0..10_000_u32 {
        let peer = IpAddr::V4(n.into());
        throttle.failed(peer, &guess(n), b"x", start + Duration::from_millis(n.into()));
        throttle.succeeded(peer, &guess(n), start + Duration::from_millis(n.into()));
    }
    let state = throttle.state();
    let lengths = [state.peers.entries.len(), state.accounts.entries.len(), state.known.entries.len()];
    assert!(lengths.iter().all(|length| *length <= 100), "{lengths:?}");
    drop(state);
    let now = start + seconds(10);
    assert_eq!(
        throttle.failed(IpAddr::V4(9_999.into()), b"x", b"y", now),
        seconds(2),
        "the latest is still known"
    );
    assert_eq!(throttle.failed(IpAddr::V4(0.into()), b"z", b"y", now), seconds(1), "the oldest is not");
}

proptest! {
    #[test]
    fn no_wait_is_longer_than_the_longest(
        steps in proptest::collection::vec((any::<u8>(), 0..4_u8, any::<u8>(), 0..2_000_u64, 0..3_u8), 0..300),
        first_ms in 0..100_000_u64,
        entries_max in 0..5_usize,
    ) {
        let settings = Settings { first: Duration::from_millis(first_ms), entries_max, ..Settings::default() };
        let (throttle, mut now) = (Throttle::new(settings), Instant::now());
        for (peer, account, password, pause, what) in steps {
            now += seconds(pause);
            let peer = IpAddr::V4(u32::from(peer % 3).into());
            let wait = match what {
                0 => throttle.delay(peer, &[account], now),
                1 => throttle.failed(peer, &[account], &[password], now),
                _ => { throttle.succeeded(peer, &[account], now); Duration::ZERO }
            };
            prop_assert!(wait <= settings.max);
        }
    }
}
