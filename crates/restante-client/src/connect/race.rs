//! Which of a host's addresses: those of both families tried by turns, a little after one another, and the first that answers
//! wins (RFC 8305, "happy eyeballs"). So a host whose IPv6 leads nowhere costs a quarter of a second and not half a minute.
//!
//! Knows no sockets: how to try an address is an argument. The system's resolver asks for both families at once and sorts what it
//! finds (RFC 6724); its order is kept but for the turns.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

/// Tries `addresses` until one of them answers; the other attempts are dropped. Has no deadline of its own.
///
/// # Errors
/// Why each of them failed, when all have.
pub(super) async fn race<S, F>(
    addresses: Vec<SocketAddr>,
    dial: impl Fn(SocketAddr) -> F,
) -> Result<S, Attempts>
where
    F: Future<Output = io::Result<S>>,
{
    let mut waiting = by_turns(addresses).into_iter();
    let mut running: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
    let mut failed = Attempts(Vec::new());
    loop {
        match waiting.next() {
            Some(address) => running.push((address, Box::pin(dial(address)))),
            None if running.is_empty() => return Err(failed),
            None => {}
        }
        // The next one begins after a while, or as soon as one has failed (RFC 8305 section 5).
        let mut pause = pin!(sleep(if waiting.len() == 0 { NO_PAUSE } else { ATTEMPT_DELAY }));
        let won = poll_fn(|cx| {
            for index in 0..running.len() {
                let Some((_, attempt)) = running.get_mut(index) else { break };
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Some(stream)),
                    Poll::Ready(Err(error)) => {
                        let (address, _) = running.swap_remove(index);
                        failed.0.push((address, error));
                        return Poll::Ready(None);
                    }
                    Poll::Pending => {}
                }
            }
            pause.as_mut().poll(cx).map(|()| None)
        });
        if let Some(stream) = won.await {
            return Ok(stream);
        }
    }
}

/// The families by turns, beginning with that of the first address; at most [`ADDRESSES_MAX`].
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    while ordered.len() < ADDRESSES_MAX {
        let before = ordered.len();
        ordered.extend(first.next());
        ordered.extend(second.next());
        if ordered.len() == before {
            break;
        }
    }
    ordered
}

/// What became of every attempt. Displays as one line.
#[derive(Debug)]
pub(super) struct Attempts(Vec<(SocketAddr, io::Error)>);

impl Attempts {
    /// As an error of the kind of the first.
    pub(super) fn into_error(self) -> io::Error {
        let kind = self.0.first().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
        io::Error::new(kind, self)
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str("the name has no address");
        }
        let mut before: Option<String> = None;
        for (address, error) in &self.0 {
            let why = error.to_string();
            match before.replace(why.clone()) {
                None => write!(out, "{address}")?,
                // The same is said once, behind the last of them.
                Some(before) if before == why => write!(out, ", {address}")?,
                Some(before) => write!(out, ": {before}, {address}")?,
            }
        }
        before.map_or(Ok(()), |why| write!(out, ": {why}"))
    }
}

impl std::error::Error for Attempts {}

/// Between the beginnings of two attempts (RFC 8305 section 5 and 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// With nobody left to begin with there is nothing to pause for; the caller's deadline ends the waiting.
const NO_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// Nobody has more, and a forged answer should not make a scanner of us.
const ADDRESSES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::{Instant, timeout};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// What an address does, and when.
    enum Does {
        Answers(u64),
        Fails(u64),
        Nothing,
    }
    use Does::{Answers, Fails, Nothing};

    /// Races; who has won, after how many milliseconds, and who was tried when. The clock does not pass by itself.
    // It is the runtime's clock, which stands.
    #[allow(clippy::disallowed_methods)]
    async fn run(hosts: &[(&str, Does)]) -> (Result<SocketAddr, String>, u64, Vec<(SocketAddr, u64)>) {
        let start = Instant::now();
        let passed = || u64::try_from(start.elapsed().as_millis()).unwrap();
        let tried = RefCell::new(Vec::new());
        let dial = |address: SocketAddr| {
            tried.borrow_mut().push((address, passed()));
            let does = hosts.iter().find(|(host, _)| host.parse() == Ok(address)).map(|(_, does)| does);
            async move {
                match does.unwrap() {
                    Answers(after) => sleep(Duration::from_millis(*after)).await,
                    Fails(after) => {
                        sleep(Duration::from_millis(*after)).await;
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    }
                    Nothing => std::future::pending().await,
                }
                Ok(address)
            }
        };
        let all = addresses(&hosts.iter().map(|(host, _)| *host).collect::<Vec<_>>());
        let deadline = Duration::from_secs(30);
        let won = match timeout(deadline, race(all, dial)).await {
            Ok(won) => won.map_err(|attempts| attempts.to_string()),
            Err(_) => Err("deadline".to_owned()),
        };
        let took = passed();
        (won, took, tried.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn rfc8305_an_address_that_leads_nowhere_costs_a_quarter_of_a_second() {
        let (won, took, _) = run(&[("[2001:db8::1]:995", Nothing), ("192.0.2.1:995", Answers(20))]).await;
        assert_eq!((won, took), (Ok("192.0.2.1:995".parse().unwrap()), 270));
    }

    #[tokio::test(start_paused = true)]
    async fn rfc8305_an_address_that_refuses_costs_nothing() {
        let (won, took, _) = run(&[("[2001:db8::1]:995", Fails(5)), ("192.0.2.1:995", Answers(20))]).await;
        assert_eq!((won, took), (Ok("192.0.2.1:995".parse().unwrap()), 25));
    }

    #[tokio::test(start_paused = true)]
    async fn rfc8305_the_first_that_answers_wins_though_it_began_first() {
        let (won, took, tried) =
            run(&[("[2001:db8::1]:995", Answers(300)), ("192.0.2.1:995", Answers(200))]).await;
        assert_eq!((won, took), (Ok("[2001:db8::1]:995".parse().unwrap()), 300));
        assert_eq!(tried.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn rfc8305_families_take_turns_a_quarter_of_a_second_apart() {
        let (won, took, tried) = run(&[
            ("[2001:db8::1]:1", Nothing),
            ("[2001:db8::2]:1", Nothing),
            ("[2001:db8::3]:1", Answers(10)),
            ("192.0.2.1:1", Nothing),
        ])
        .await;
        assert_eq!((won, took), (Ok("[2001:db8::3]:1".parse().unwrap()), 760));
        let expected = [
            ("[2001:db8::1]:1", 0),
            ("192.0.2.1:1", 250),
            ("[2001:db8::2]:1", 500),
            ("[2001:db8::3]:1", 750),
        ];
        assert_eq!(tried, expected.map(|(host, at)| (host.parse().unwrap(), at)));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_each_says_why() {
        let (won, took, _) = run(&[("[2001:db8::1]:995", Fails(300)), ("192.0.2.1:995", Fails(10))]).await;
        let why = "192.0.2.1:995, [2001:db8::1]:995: connection refused";
        assert_eq!((won, took), (Err(why.to_owned()), 300));
        let failed = |address: &str, why: &str| (address.parse().unwrap(), io::Error::other(why.to_owned()));
        let attempts = vec![failed("[::1]:1", "a"), failed("192.0.2.1:1", "b"), failed("192.0.2.2:1", "b")];
        assert_eq!(Attempts(attempts).to_string(), "[::1]:1: a, 192.0.2.1:1, 192.0.2.2:1: b");
        assert_eq!(run(&[]).await.0, Err("the name has no address".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn when_nobody_answers_the_deadline_of_all_ends_it() {
        let (won, took, _) = run(&[("[2001:db8::1]:995", Nothing), ("192.0.2.1:995", Nothing)]).await;
        assert_eq!((won, took), (Err("deadline".to_owned()), 30_000));
    }

    #[test]
    fn no_more_than_sixteen_addresses_are_tried() {
        let many: Vec<SocketAddr> = (1..=200u16).map(|port| ([192, 0, 2, 1], port).into()).collect();
        assert_eq!(by_turns(many).len(), 16);
        let mixed = addresses(&["192.0.2.1:1", "[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.2:1"]);
        let expected = addresses(&["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1", "[2001:db8::2]:1"]);
        assert_eq!(by_turns(mixed), expected);
    }
}
