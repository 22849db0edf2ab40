//! Places are given, refused and given back.

use super::*;
use std::net::{Ipv4Addr, SocketAddr};

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
    let first = admission.admit(&here, &limits).unwrap();
    let _second = admission.admit(&here, &limits).unwrap();
    assert_eq!(admission.admit(&here, &limits).unwrap_err(), "sessions_per_address");
    // A refusal takes no place.
    assert_eq!(admission.sessions(), 2);
    let _third = admission.admit(&there, &limits).unwrap();
    assert_eq!(admission.admit(&Peer::Unix, &limits).unwrap_err(), "sessions");
    drop(first);
    let _fourth = admission.admit(&here, &limits).unwrap();
    assert_eq!(admission.admit(&here, &limits).unwrap_err(), "sessions");
}

#[test]
fn a_network_of_ipv6_counts_as_one_address() {
    let admission = Arc::new(Admission::default());
    let limits = limits(10, 1);
    let address = |text: &str| peer(text.parse::<Ipv6Addr>().unwrap());
    let _one = admission.admit(&address("2001:db8:1:1::1"), &limits).unwrap();
    assert!(admission.admit(&address("2001:db8:1:1:ffff::2"), &limits).is_err());
    let _other = admission.admit(&address("2001:db8:1:2::1"), &limits).unwrap();
    // An IPv4 address is the same however the socket writes it.
    let _four = admission.admit(&peer(Ipv4Addr::new(192, 0, 2, 1)), &limits).unwrap();
    assert!(admission.admit(&address("::ffff:192.0.2.1"), &limits).is_err());
}

#[test]
fn unix_sockets_have_no_address() {
    let admission = Arc::new(Admission::default());
    let _passes: Vec<_> = (0..5).map(|_| admission.admit(&Peer::Unix, &limits(5, 1)).unwrap()).collect();
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

#[test]
fn what_is_empty_takes_no_memory() {
    let admission = Arc::new(Admission::default());
    let limits = limits(1_000_000, 1);
    let passes: Vec<_> =
        (0..100_000).map(|n| admission.admit(&peer(Ipv4Addr::from_bits(n)), &limits).unwrap()).collect();
    drop(passes);
    let counts = admission.addresses.0.lock().unwrap();
    assert_eq!(counts.len(), 0);
    assert!(counts.capacity() < 2_000, "{}", counts.capacity());
}

#[tokio::test]
async fn the_last_to_leave_is_noticed() {
    let admission = Arc::new(Admission::default());
    admission.emptied().await;
    let pass = admission.admit(&Peer::Unix, &limits(1, 1)).unwrap();
    let waiting = tokio::spawn({
        let admission = Arc::clone(&admission);
        async move { admission.emptied().await }
    });
    tokio::task::yield_now().await;
    drop(pass);
    waiting.await.unwrap();
}
