//! Places are given, refused and given back.

use super::*;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Waker};

fn peer(address: impl Into<IpAddr>) -> Peer {
    Peer::Tcp(SocketAddr::new(address.into(), 40_000))
}

fn limits(sessions: u64, sessions_per_address: u64) -> Limits {
    Limits { sessions, sessions_per_address, ..Limits::default() }
}

#[test]
fn places_are_counted_in_all_and_for_each_address() {
    let admission = Arc::new(Admission::default());
    let (here, there) = (peer(Ipv4Addr::new(192, 0, 2, 1)), peer(Ipv4Addr::new(192, 0, 2, 2)));
    let limits = limits(3, 2);
    let first = admission.admit(&here, Standing::Known, &limits).unwrap();
    let _second = admission.admit(&here, Standing::Known, &limits).unwrap();
    assert_eq!(admission.admit(&here, Standing::Known, &limits).unwrap_err(), "sessions_per_address");
    // A refusal takes no place.
    assert_eq!(admission.sessions(), 2);
    let _third = admission.admit(&there, Standing::Known, &limits).unwrap();
    assert_eq!(admission.admit(&Peer::Unix, Standing::Known, &limits).unwrap_err(), "sessions");
    drop(first);
    let _fourth = admission.admit(&here, Standing::Known, &limits).unwrap();
    assert_eq!(admission.admit(&here, Standing::Known, &limits).unwrap_err(), "sessions");
}

#[test]
fn a_network_of_ipv6_counts_as_one_address() {
    let admission = Arc::new(Admission::default());
    let limits = limits(10, 1);
    let address = |text: &str| peer(text.parse::<Ipv6Addr>().unwrap());
    let _one = admission.admit(&address("2001:db8:1:1::1"), Standing::Known, &limits).unwrap();
    assert!(admission.admit(&address("2001:db8:1:1:ffff::2"), Standing::Known, &limits).is_err());
    let _other = admission.admit(&address("2001:db8:1:2::1"), Standing::Known, &limits).unwrap();
    // An IPv4 address is the same however the socket writes it.
    let _four = admission.admit(&peer(Ipv4Addr::new(192, 0, 2, 1)), Standing::Known, &limits).unwrap();
    assert!(admission.admit(&address("::ffff:192.0.2.1"), Standing::Known, &limits).is_err());
}

#[test]
fn unix_sockets_have_no_address() {
    let admission = Arc::new(Admission::default());
    let _passes: Vec<_> =
        (0..5).map(|_| admission.admit(&Peer::Unix, Standing::Known, &limits(5, 1)).unwrap()).collect();
}

#[test]
fn accounts_are_counted() {
    let admission = Arc::new(Admission::default());
    let limits = Limits { sessions_per_account: 1, ..Limits::default() };
    let [bob, eve] = ["bob", "eve"].map(|name| Account::new(AccountName::new(name).unwrap()));
    let pass = admission.enter(&bob, &limits).unwrap();
    assert!(admission.enter(&bob, &limits).is_none());
    assert!(admission.enter(&eve, &limits).is_some());
    drop(pass);
    assert!(admission.enter(&bob, &limits).is_some());
}

#[test]
fn an_account_may_have_a_number_of_its_own() {
    let admission = Arc::new(Admission::default());
    let limits = Limits { sessions_per_account: 1, ..Limits::default() };
    let mut bob = Account::new(AccountName::new("bob").unwrap());
    bob.sessions_max = std::num::NonZeroU32::new(2);
    let passes = [(); 2].map(|()| admission.enter(&bob, &limits).unwrap());
    assert!(admission.enter(&bob, &limits).is_none());
    drop(passes);
}

/// Whether it was told to make room.
fn is_displaced(pass: &Pass) -> bool {
    pass.leave().is_some_and(|leave| leave.poll(&Context::from_waker(Waker::noop())).is_ready())
}

fn stranger(admission: &Arc<Admission>, address: [u8; 4], limits: &Limits) -> Pass {
    admission.admit(&peer(Ipv4Addr::from(address)), Standing::Stranger, limits).unwrap()
}

#[test]
fn a_stranger_too_many_takes_the_place_of_the_oldest_of_the_largest_network() {
    let admission = Arc::new(Admission::default());
    let limits = Limits { strangers_percent: 50, ..limits(8, 8) };
    let lone = stranger(&admission, [192, 0, 2, 1], &limits);
    let one = stranger(&admission, [198, 51, 100, 1], &limits);
    let two = stranger(&admission, [198, 51, 100, 2], &limits);
    let three = stranger(&admission, [203, 0, 113, 1], &limits);
    assert!(!is_displaced(&one));
    // The first of all is alone in its network; of the network with two the older one goes.
    let four = stranger(&admission, [203, 0, 113, 2], &limits);
    assert!(is_displaced(&one));
    // Both networks have one stranger or two now; of those with the most the one with the oldest makes room.
    let five = stranger(&admission, [203, 0, 113, 3], &limits);
    assert!(is_displaced(&three) && !is_displaced(&lone) && !is_displaced(&two));
    // Where all have one, the oldest goes.
    drop(four);
    let _six = stranger(&admission, [100, 64, 0, 1], &limits);
    let _seven = stranger(&admission, [100, 65, 0, 1], &limits);
    assert!(is_displaced(&lone) && !is_displaced(&two) && !is_displaced(&five));
    assert_eq!(admission.strangers.count(), 4);
}

#[test]
fn who_has_logged_in_or_is_known_makes_no_room() {
    let admission = Arc::new(Admission::default());
    let limits = Limits { strangers_percent: 1, ..limits(8, 8) };
    let user = stranger(&admission, [192, 0, 2, 1], &limits);
    user.settle();
    let known = admission.admit(&peer(Ipv4Addr::new(192, 0, 2, 1)), Standing::Known, &limits).unwrap();
    let one = stranger(&admission, [192, 0, 2, 1], &limits);
    let two = stranger(&admission, [192, 0, 2, 1], &limits);
    assert!(is_displaced(&one), "there is a place for one, however small the part is");
    assert!(!is_displaced(&user) && !is_displaced(&known) && !is_displaced(&two));
    // One that is told to go while it logs in stays.
    let three = stranger(&admission, [192, 0, 2, 1], &limits);
    two.settle();
    assert!(!is_displaced(&two));
    drop((user, known, one, two, three));
    assert_eq!(admission.strangers.count(), 0);
}

#[test]
fn what_is_empty_takes_no_memory() {
    let admission = Arc::new(Admission::default());
    let limits = limits(1_000_000, 1);
    let passes: Vec<_> = (0..100_000)
        .map(|n| admission.admit(&peer(Ipv4Addr::from_bits(n << 8)), Standing::Stranger, &limits).unwrap())
        .collect();
    assert_eq!(admission.strangers.count(), 100_000);
    drop(passes);
    assert!(admission.strangers.is_small());
    let counts = admission.addresses.0.lock().unwrap();
    assert_eq!(counts.len(), 0);
    assert!(counts.capacity() < 2_000, "{}", counts.capacity());
}

#[tokio::test]
async fn the_last_to_leave_is_noticed() {
    let admission = Arc::new(Admission::default());
    admission.emptied().await;
    let pass = admission.admit(&Peer::Unix, Standing::Known, &limits(1, 1)).unwrap();
    let waiting = tokio::spawn({
        let admission = Arc::clone(&admission);
        async move { admission.emptied().await }
    });
    tokio::task::yield_now().await;
    drop(pass);
    waiting.await.unwrap();
}
