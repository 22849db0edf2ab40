//! When an account is looked at next. Pure: what happened and a throw of the dice go in, a wait comes out.

use std::time::Duration;

use crate::report::{Kind, Report};

/// How often the owner of an account wants it looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(Duration);

impl Interval {
    /// Bounded to what neither plagues a server nor overflows a clock: 10 seconds to 30 days.
    #[must_use]
    pub fn new(wanted: Duration) -> Self {
        Self(wanted.clamp(INTERVAL_MIN, INTERVAL_MAX))
    }

    /// While mail comes: a quarter.
    fn shortest(self) -> Duration {
        (self.0 / 4).max(INTERVAL_MIN)
    }

    /// When none comes for long: twice.
    fn longest(self) -> Duration {
        (self.0 * 2).min(INTERVAL_MAX)
    }
}

/// What is remembered of an account between two looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The wait that the mail of late suggests; `None` before the first look.
    pace: Option<Duration>,
    /// Looks in a row that came to nothing.
    failures: u32,
}

/// When to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// After this time.
    After {
        /// How long.
        wait: Duration,
        /// Why that long, where it is not the usual interval.
        reason: Option<&'static str>,
    },
    /// Not before the configuration is read again.
    Stopped {
        /// Why.
        reason: &'static str,
    },
}

/// When to look again after `report`; `dice` is anything from 0 to 1, so that many accounts do not march in step.
///
/// Mail halves the wait, down to a quarter of the interval; a look without mail makes it longer by a quarter, up to twice the
/// interval. Failures double a wait of their own, each kind up to its bound. A password that the server has refused is not
/// tried again, since that locks accounts. Never sooner than the server's LOGIN-DELAY (R2449-6.5.5), nor than a server that
/// was asked too often wants.
#[must_use]
pub fn due(state: State, interval: Interval, report: &Report, dice: f64) -> (State, Due) {
    let pause = report.failure.as_ref().and_then(|failure| failure.pause).unwrap_or(0);
    let delay = Duration::from_secs(report.login_delay.map_or(0, u64::from).max(pause));
    let failed = |first, bound| {
        let wait = backed_off(first, bound, state.failures).max(delay);
        (wait, State { failures: state.failures.saturating_add(1), ..state })
    };
    let (wait, next, reason) = match report.failure.as_ref().map(|failure| failure.kind) {
        None if report.later > 0 => {
            let (wait, next) = failed(RETRY_FIRST, RETRY_MAX);
            (wait, next, Some("a sink takes mail later"))
        }
        None => {
            let pace = paced(state.pace, interval, report.collected > 0);
            (pace.max(delay), State { pace: Some(pace), failures: 0 }, (pace < delay).then_some(LOGIN_DELAY))
        }
        Some(Kind::Credentials) => return (state, Due::Stopped { reason: REFUSED }),
        Some(Kind::Doubtful) if state.failures >= DOUBTFUL_MAX => {
            return (state, Due::Stopped { reason: REFUSED });
        }
        Some(Kind::Doubtful) => {
            let (wait, next) = failed(SLOW_FIRST, SLOW_MAX);
            (wait, next, Some("the server refused the login and did not say why"))
        }
        Some(Kind::UniqueIds | Kind::Configuration) => {
            return (state, Due::Stopped { reason: "somebody has to decide" });
        }
        Some(Kind::Busy) => {
            let (wait, next) = failed(RETRY_FIRST, RETRY_MAX);
            (wait, next, Some("the server is busy"))
        }
        Some(Kind::Unreachable | Kind::Protocol) => {
            let (wait, next) = failed(RETRY_FIRST, LOST_MAX);
            (wait, next, Some("the server could not be talked to"))
        }
        Some(Kind::Support | Kind::Tls) => {
            let (wait, next) = failed(SLOW_FIRST, SLOW_MAX);
            (wait, next, Some("somebody has to mend something"))
        }
        Some(Kind::InUse | Kind::Files | Kind::Stopped) => {
            let (wait, next) = failed(RETRY_FIRST, RETRY_MAX);
            (wait, next, Some("a fault on this side"))
        }
    };
    let wait = jittered(wait, dice).max(delay).min(INTERVAL_MAX);
    (next, Due::After { wait, reason })
}

fn paced(pace: Option<Duration>, interval: Interval, has_mail: bool) -> Duration {
    let pace = pace.unwrap_or(interval.0);
    let pace = if has_mail { pace / 2 } else { pace + pace / 4 };
    pace.clamp(interval.shortest(), interval.longest())
}

fn backed_off(first: Duration, bound: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << failures.min(16)).min(bound)
}

/// A tenth more or less.
fn jittered(wait: Duration, dice: f64) -> Duration {
    let dice = if dice.is_finite() { dice.clamp(0.0, 1.0) } else { 0.5 };
    wait.mul_f64(0.9 + 0.2 * dice)
}

const LOGIN_DELAY: &str = "the server wants so much time between logins";
const REFUSED: &str =
    "the server has refused the password; it is not tried again, since that may lock the account";

const INTERVAL_MIN: Duration = Duration::from_secs(10);
const INTERVAL_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// A fault that most often passes by itself soon.
const RETRY_FIRST: Duration = Duration::from_secs(30);
/// A maildrop is in use as long as somebody reads his mail.
const RETRY_MAX: Duration = Duration::from_secs(15 * 60);
/// A server that is away for long comes back some time; an hour is soon enough then.
const LOST_MAX: Duration = Duration::from_secs(3600);
/// A fault that somebody has to see to first.
const SLOW_FIRST: Duration = Duration::from_secs(10 * 60);
const SLOW_MAX: Duration = Duration::from_secs(6 * 3600);
/// Refused logins in a row without a reason, before they count as a wrong password. Servers that lock accounts do so after
/// more within less time.
const DOUBTFUL_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;

    const MINUTES_5: Duration = Duration::from_secs(300);

    fn after(state: State, report: &Report) -> (State, u64) {
        match due(state, Interval::new(MINUTES_5), report, 0.5) {
            (state, Due::After { wait, .. }) => (state, wait.as_secs()),
            (_, Due::Stopped { reason }) => panic!("stopped: {reason}"),
        }
    }

    /// The waits after these reports, one after the other.
    fn waits(reports: &[Report]) -> Vec<u64> {
        let mut state = State::default();
        let mut waits = Vec::new();
        for report in reports {
            let (next, wait) = after(state, report);
            state = next;
            waits.push(wait);
        }
        waits
    }

    fn mail() -> Report {
        Report { collected: 1, ..Report::default() }
    }

    fn failure(kind: Kind) -> Report {
        Report::failed(Failure::new(kind, "x"))
    }

    #[test]
    fn mail_makes_looks_more_frequent_and_silence_rarer_within_bounds() {
        let none = Report::default;
        assert_eq!(waits(&[mail(), mail(), mail(), none(), none()]), [150, 75, 75, 93, 117]);
        assert_eq!(waits(&[none(), none(), none(), none(), none()]), [375, 468, 585, 600, 600]);
    }

    #[test]
    fn failures_double_their_wait_up_to_the_bound_of_their_kind_and_are_forgotten_after_a_success() {
        for (kind, expected) in [
            (Kind::Busy, [30, 60, 120, 240, 480, 900, 900, 900, 900]),
            (Kind::Unreachable, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
            (Kind::Protocol, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
            (Kind::Tls, [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600, 21600]),
            (Kind::Support, [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600, 21600]),
            (Kind::Files, [30, 60, 120, 240, 480, 900, 900, 900, 900]),
        ] {
            assert_eq!(waits(&vec![failure(kind); 9]), expected, "{kind:?}");
        }
        let reports = [failure(Kind::Busy), failure(Kind::Busy), Report::default(), failure(Kind::Busy)];
        assert_eq!(waits(&reports), [30, 60, 375, 30]);
        let later = Report { collected: 3, later: 1, ..Report::default() };
        assert_eq!(waits(&[later.clone(), later]), [30, 60]);
    }

    #[test]
    fn a_refused_password_stops_at_once_and_a_refusal_without_reason_after_a_few() {
        let interval = Interval::new(MINUTES_5);
        for kind in [Kind::Credentials, Kind::UniqueIds, Kind::Configuration] {
            let (_, due) = due(State::default(), interval, &failure(kind), 0.5);
            assert!(matches!(due, Due::Stopped { .. }), "{kind:?}");
        }
        let mut state = State::default();
        for expected in [600, 1200, 2400] {
            let (next, wait) = after(state, &failure(Kind::Doubtful));
            assert_eq!(wait, expected);
            state = next;
        }
        let (_, due) = due(state, interval, &failure(Kind::Doubtful), 0.5);
        assert_eq!(due, Due::Stopped { reason: REFUSED });
    }

    #[test]
    fn r2449_6_5_5_never_sooner_than_the_servers_login_delay() {
        let interval = Interval::new(MINUTES_5);
        for report in [mail(), Report::default(), failure(Kind::Busy), failure(Kind::Unreachable)] {
            let report = Report { login_delay: Some(700), ..report };
            for dice in [0.0, 0.5, 1.0] {
                let (_, due) = due(State::default(), interval, &report, dice);
                let Due::After { wait, .. } = due else { panic!("stopped") };
                assert!(wait >= Duration::from_secs(700), "{wait:?}");
            }
        }
        let forever = Report { login_delay: Some(u32::MAX), ..Report::default() };
        let (_, due) = due(State::default(), interval, &forever, 1.0);
        assert!(matches!(due, Due::After { wait, .. } if wait == INTERVAL_MAX));
    }

    #[test]
    fn a_server_that_was_asked_too_often_is_left_alone() {
        let often = Report::failed(Failure::new(Kind::Busy, "x").pause(Duration::from_secs(3600)));
        assert_eq!(waits(&[often, failure(Kind::Busy)]), [3600, 60]);
    }

    #[test]
    fn dice_move_a_wait_by_a_tenth_whatever_they_show() {
        let interval = Interval::new(Duration::from_secs(800));
        for (dice, expected) in [(0.0, 900), (1.0, 1100), (f64::NAN, 1000), (-5.0, 900), (7.0, 1100)] {
            let (_, due) = due(State::default(), interval, &Report::default(), dice);
            let Due::After { wait, .. } = due else { panic!("stopped") };
            assert_eq!(wait.as_millis() / 1000, expected, "{dice}");
        }
    }

    #[test]
    fn intervals_are_bounded() {
        assert_eq!(Interval::new(Duration::ZERO), Interval(INTERVAL_MIN));
        assert_eq!(Interval::new(Duration::MAX), Interval(INTERVAL_MAX));
        assert_eq!(Interval::new(Duration::MAX).longest(), INTERVAL_MAX);
    }
}
