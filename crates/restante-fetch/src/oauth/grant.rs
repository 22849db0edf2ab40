//! What a provider has given: tokens, and how long they live. As octets, for the sealed file.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use restante_proto::secret::Secret;
use serde::{Deserialize, Serialize};

use super::provider::{Endpoints, Lifetimes};

/// What a provider has given to one account.
#[derive(Debug)]
pub struct Grant {
    /// Who: `google`, `microsoft`, or an issuer.
    pub provider: String,
    /// To which application.
    pub client_id: String,
    /// Where it is asked, so that a refresh needs no discovery.
    pub endpoints: Endpoints,
    /// What is shown to the mail server.
    pub access: Secret,
    /// When that ends, if the provider said so.
    pub access_ends: Option<Timestamp>,
    /// What gets the next one, if the provider gave that.
    pub refresh: Option<Secret>,
    /// When that ends, if the provider said so.
    pub refresh_ends: Option<Timestamp>,
    /// When the person agreed.
    pub granted: Timestamp,
    /// When the tokens were given. Not before `granted`.
    pub refreshed: Timestamp,
}

/// A login that ends, unless something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// When it ends.
    pub at: Timestamp,
    /// Whether using it puts that off.
    pub by_disuse: bool,
    /// Since when, or from when on, a person should be told.
    pub near_since: Timestamp,
    /// Whether that is near, or past.
    pub is_near: bool,
}

impl Ending {
    /// What to tell a person; one line, lower case, no full stop.
    #[must_use]
    pub fn warning(&self, account: &str, now: Timestamp) -> String {
        let at = self.at.strftime("%F %H:%M UTC");
        let when = if self.at > now { format!("ends on {at}") } else { format!("has ended on {at}") };
        let why = if self.by_disuse { ", because it was not used for so long" } else { "" };
        format!("the login of {account} {when}{why}; renew it with: restante login {account}")
    }
}

impl Grant {
    /// Whether the access token will do for a session that begins now. One that ends within five minutes, or in the last
    /// quarter of its life, will not: clocks differ, and a login takes its time.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.access_ends.is_none_or(|ends| {
            let margin = (ends.duration_since(self.refreshed) / 4).min(MARGIN);
            now.duration_since(ends) < -margin
        })
    }

    /// When the login ends, if that is known: said by the provider, or published by it.
    #[must_use]
    pub fn ending(&self, lifetimes: Lifetimes, now: Timestamp) -> Option<Ending> {
        self.refresh.as_ref()?;
        let days = |from: Timestamp, days: i64| from.checked_add(SignedDuration::from_hours(24 * days)).ok();
        let unused =
            lifetimes.unused_days.and_then(|life| Some((days(self.refreshed, life)?, self.refreshed, true)));
        let total =
            lifetimes.total_days.and_then(|life| Some((days(self.granted, life)?, self.granted, false)));
        let told = self.refresh_ends.map(|ends| (ends, self.refreshed, false));
        let (at, since, by_disuse) =
            [told, total, unused].into_iter().flatten().min_by_key(|(at, ..)| *at)?;
        let notice = (at.duration_since(since) / 3).min(NOTICE);
        let near_since = at.checked_sub(notice).unwrap_or(since);
        Some(Ending { at, by_disuse, near_since, is_near: now > near_since })
    }

    /// As octets for a sealed file.
    pub(super) fn to_octets(&self) -> Secret {
        let kept = Kept {
            provider: (&self.provider).into(),
            client_id: (&self.client_id).into(),
            issuer: self.endpoints.issuer.as_deref().map(Cow::Borrowed),
            token_endpoint: (&self.endpoints.token).into(),
            revocation_endpoint: self.endpoints.revocation.as_deref().map(Cow::Borrowed),
            wants_secret_in_body: self.endpoints.wants_secret_in_body,
            access: text(&self.access),
            access_ends: self.access_ends.map(Timestamp::as_second),
            refresh: self.refresh.as_ref().map(text),
            refresh_ends: self.refresh_ends.map(Timestamp::as_second),
            granted: self.granted.as_second(),
            refreshed: self.refreshed.as_second(),
        };
        // At its full size from the start: a vector that grows leaves copies behind that nobody wipes.
        let tokens =
            self.access.expose().len() + self.refresh.as_ref().map_or(0, |refresh| refresh.expose().len());
        let mut octets = Vec::with_capacity(2 * tokens + OTHER_OCTETS);
        // Strings and numbers into memory: nothing in that can fail.
        let _ = serde_json::to_writer(&mut octets, &kept);
        Secret::new(octets)
    }

    /// From there; `None` when it is not one.
    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        let kept: Kept<'_> = serde_json::from_slice(octets).ok()?;
        let at = |second: i64| Timestamp::from_second(second).ok();
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        Some(Self {
            provider: kept.provider.into_owned(),
            client_id: kept.client_id.into_owned(),
            endpoints: Endpoints {
                issuer: kept.issuer.map(Cow::into_owned),
                authorization: None,
                token: kept.token_endpoint.into_owned(),
                device: None,
                revocation: kept.revocation_endpoint.map(Cow::into_owned),
                wants_secret_in_body: kept.wants_secret_in_body,
            },
            access: secret(&kept.access),
            access_ends: kept.access_ends.and_then(at),
            refresh: kept.refresh.as_deref().map(secret),
            refresh_ends: kept.refresh_ends.and_then(at),
            granted: at(kept.granted)?,
            refreshed: at(kept.refreshed)?,
        })
    }
}

/// A token came as a JSON string, so it is one.
fn text(secret: &Secret) -> Cow<'_, str> {
    String::from_utf8_lossy(secret.expose())
}

/// The form in the file, before it is sealed. Borrowed both ways, so that no copy of a token stays behind.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    provider: Cow<'a, str>,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    issuer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    token_endpoint: Cow<'a, str>,
    revocation_endpoint: Option<Cow<'a, str>>,
    wants_secret_in_body: bool,
    #[serde(borrow)]
    access: Cow<'a, str>,
    access_ends: Option<i64>,
    #[serde(borrow)]
    refresh: Option<Cow<'a, str>>,
    refresh_ends: Option<i64>,
    granted: i64,
    refreshed: i64,
}

/// Clocks differ by less, and a login takes less.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// So long before its end a login is worth a warning; for a short one, in the last third of its life.
const NOTICE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What the form holds beside the tokens.
const OTHER_OCTETS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(now: Timestamp, seconds: i64) -> Grant {
        let endpoints = Endpoints {
            issuer: Some("https://id.example.org".to_owned()),
            authorization: None,
            token: "https://id.example.org/token".to_owned(),
            device: None,
            revocation: None,
            wants_secret_in_body: true,
        };
        Grant {
            provider: "https://id.example.org".to_owned(),
            client_id: "mail \"and\" more".to_owned(),
            endpoints,
            access: Secret::new(b"ya29.access".to_vec()),
            access_ends: Some(now + SignedDuration::from_secs(seconds)),
            refresh: Some(Secret::new(b"1//refresh".to_vec())),
            refresh_ends: None,
            granted: now,
            refreshed: now,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_grant_survives_its_octets() {
        let before = grant(at(0), 3600);
        let after = Grant::from_octets(before.to_octets().expose()).unwrap();
        assert_eq!(after.access.expose(), b"ya29.access");
        assert_eq!(after.refresh.as_ref().unwrap().expose(), b"1//refresh");
        assert_eq!((&after.client_id, &after.endpoints), (&before.client_id, &before.endpoints));
        assert_eq!((after.access_ends, after.granted), (before.access_ends, before.granted));
        assert!(Grant::from_octets(b"{}").is_none());
        assert!(!format!("{after:?}").contains("1//"));
    }

    #[test]
    fn an_access_token_is_taken_as_ended_a_little_before_it_ends() {
        let hour = grant(at(0), 3600);
        for (seconds, is_fresh) in [(0, true), (3299, true), (3300, false), (3600, false), (-7200, true)] {
            assert_eq!(hour.is_fresh(at(seconds)), is_fresh, "{seconds}");
        }
        let minute = grant(at(0), 60);
        assert!(minute.is_fresh(at(44)) && !minute.is_fresh(at(45)));
        assert!(Grant { access_ends: None, ..hour }.is_fresh(at(1_000_000)));
    }

    #[test]
    fn the_earliest_end_counts_and_is_told_some_days_before() {
        const DAY: i64 = 86_400;
        let unused = Lifetimes { unused_days: Some(90), total_days: None };
        let ending = |grant: &Grant, lifetimes, now| {
            grant.ending(lifetimes, now).map(|end| (end.at, end.by_disuse, end.is_near))
        };
        let plain = grant(at(0), 3600);
        assert_eq!(ending(&plain, unused, at(0)), Some((at(90 * DAY), true, false)));
        assert_eq!(ending(&plain, unused, at(83 * DAY)), Some((at(90 * DAY), true, false)));
        assert_eq!(ending(&plain, unused, at(83 * DAY + 1)), Some((at(90 * DAY), true, true)));
        assert_eq!(ending(&plain, unused, at(91 * DAY)), Some((at(90 * DAY), true, true)));
        let testing = Lifetimes { unused_days: None, total_days: Some(7) };
        assert_eq!(ending(&plain, testing, at(4 * DAY)), Some((at(7 * DAY), false, false)));
        assert_eq!(ending(&plain, testing, at(5 * DAY)), Some((at(7 * DAY), false, true)));
        let told = Grant { refresh_ends: Some(at(30 * DAY)), ..grant(at(0), 3600) };
        assert_eq!(ending(&told, unused, at(0)), Some((at(30 * DAY), false, false)));
        assert_eq!(ending(&plain, Lifetimes { unused_days: None, total_days: None }, at(0)), None);
        let ends = |now| plain.ending(testing, at(now)).map(|ending| ending.warning("work", at(now)));
        assert!(ends(5 * DAY).is_some_and(|what| what.starts_with("the login of work ends on 20")));
        assert!(ends(8 * DAY).is_some_and(|what| what.starts_with("the login of work has ended on 20")));
    }
}
