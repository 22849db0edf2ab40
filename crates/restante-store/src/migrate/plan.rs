//! What would become of each message in a maildrop if it were shown as the old server showed it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use restante_proto::maildrop::UniqueId;

use super::{Shown, live};
use crate::unique_id::Override;

/// A message in the maildrop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// What it is known by: `Inspection::stored`.
    pub name: Vec<u8>,
    /// The unique-id that it is shown with now.
    pub unique_id: Vec<u8>,
}

/// What holds for the whole list of the old server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The old server listed in the order of the list; else the order here stays as it is.
    pub is_ordered: bool,
    /// The list was complete when it was made, so that a message that is not found here is missing here. Else it has been
    /// removed since.
    pub is_complete: bool,
    /// The old server showed a unique-id that comes again with `-2`, `-3` … behind it (Dovecot's `pop3_uidl_duplicates`).
    pub renames_duplicates: bool,
}

/// How a message was found in the old server's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// By the name of its file.
    Name,
    /// Its unique-id was computed from itself.
    Contents,
    /// It had that unique-id already.
    UniqueId,
    /// By its size and those around it.
    Sizes,
    /// By its header.
    Header,
    /// By header and size, one of several copies.
    Copies,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is shown as the old server showed it.
    Kept {
        /// With this unique-id.
        unique_id: UniqueId,
        /// At this place before all that have none.
        place: Option<u64>,
        /// How it was found.
        by: By,
    },
    /// The old server has not shown it: it is new for every client.
    New,
    /// The old server has shown it, and it cannot be shown so here: clients would retrieve it again.
    Again {
        /// With this.
        unique_id: Vec<u8>,
        /// At this place.
        place: Option<u64>,
        /// Why not here.
        why: Why,
    },
    /// It may be one of the old server's messages that were not found here.
    Unclear,
}

/// Why a unique-id cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It is not 1 to 70 octets of visible ASCII (R1939-7.11).
    Invalid,
    /// The old server showed it for another message as well (R1939-7.12).
    Duplicate,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "file name",
            Self::Contents => "contents",
            Self::UniqueId => "unique-id",
            Self::Sizes => "sizes",
            Self::Header => "header",
            Self::Copies => "copies",
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "no client may be shown such a unique-id",
            Self::Duplicate => "the old server showed it for another message as well",
        })
    }
}

/// What would become of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Of each message here, in the order it is listed in now.
    pub fates: Vec<Fate>,
    /// What the old server showed and is not here.
    pub absent: Vec<Shown>,
    settings: Settings,
    names: Vec<Here>,
}

impl Plan {
    /// Finds the messages of `shown`, in the old order, by the names of their files.
    #[must_use]
    pub fn by_name(here: Vec<Here>, shown: Vec<Shown>, settings: Settings) -> Self {
        let places: HashMap<&[u8], usize> =
            here.iter().enumerate().map(|(at, message)| (message.name.as_slice(), at)).collect();
        let find = |shown: &Shown| Some((*places.get(shown.name.as_deref()?)?, By::Name));
        let found: Vec<Option<(usize, By)>> = shown.iter().map(find).collect();
        Self::new(here, shown, &found, settings)
    }

    /// Takes what was computed from each message here; the order stays.
    #[must_use]
    pub fn by_contents(here: Vec<Here>, unique_ids: Vec<Option<Vec<u8>>>, settings: Settings) -> Self {
        let (mut shown, mut found) = (Vec::new(), Vec::new());
        for (at, unique_id) in unique_ids.into_iter().enumerate() {
            if let Some(unique_id) = unique_id {
                shown.push(Shown { unique_id, ..Shown::default() });
                found.push(Some((at, By::Contents)));
            }
        }
        Self::new(here, shown, &found, Settings { is_ordered: false, ..settings })
    }

    /// Takes what a [`live::Matching`] has found for each message of `shown`.
    #[must_use]
    pub fn by_pairs(
        here: Vec<Here>,
        shown: Vec<Shown>,
        pairs: &[Option<(usize, live::Rule)>],
        settings: Settings,
    ) -> Self {
        let by = |rule| match rule {
            live::Rule::UniqueId => By::UniqueId,
            live::Rule::Sizes => By::Sizes,
            live::Rule::Header => By::Header,
            live::Rule::Copies => By::Copies,
        };
        let found: Vec<Option<(usize, By)>> =
            pairs.iter().map(|pair| pair.map(|(at, rule)| (at, by(rule)))).collect();
        Self::new(here, shown, &found, settings)
    }

    fn new(here: Vec<Here>, shown: Vec<Shown>, found: &[Option<(usize, By)>], settings: Settings) -> Self {
        let mut fates = vec![Fate::New; here.len()];
        let mut absent = Vec::new();
        let (mut given, mut counts) = (HashSet::new(), HashMap::new());
        for ((rank, shown), found) in (0_u64..).zip(shown).zip(found) {
            let Some((fate, by)) = found.and_then(|(at, by)| Some((fates.get_mut(at)?, by))) else {
                absent.push(shown);
                continue;
            };
            let place = settings.is_ordered.then_some(rank);
            let mut unique_id = shown.unique_id;
            if settings.renames_duplicates {
                let count = counts.entry(unique_id.clone()).or_insert(0_u32);
                *count += 1;
                if *count > 1 {
                    unique_id.extend_from_slice(format!("-{count}").as_bytes());
                }
            }
            *fate = match UniqueId::parse(&unique_id) {
                Err(_) => Fate::Again { unique_id, place, why: Why::Invalid },
                Ok(valid) if !given.insert(valid.clone()) => {
                    Fate::Again { unique_id, place, why: Why::Duplicate }
                }
                Ok(unique_id) => Fate::Kept { unique_id, place, by },
            };
        }
        if settings.is_complete && !absent.is_empty() {
            fates.iter_mut().filter(|fate| **fate == Fate::New).for_each(|fate| *fate = Fate::Unclear);
        }
        Self { fates, absent, settings, names: here }
    }

    /// How many messages clients would retrieve again, or would miss.
    #[must_use]
    pub fn again(&self) -> usize {
        let again = self.fates.iter().filter(|fate| matches!(fate, Fate::Again { .. })).count();
        again + if self.settings.is_complete { self.absent.len() } else { 0 }
    }

    /// How many messages are shown as before.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.fates.iter().filter(|fate| matches!(fate, Fate::Kept { .. })).count()
    }

    /// The list speaks of messages and none of them is here, where there are others: it is hardly this maildrop's.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        let is_found = |fate: &Fate| matches!(fate, Fate::Kept { .. } | Fate::Again { .. });
        !self.absent.is_empty() && !self.fates.is_empty() && !self.fates.iter().any(is_found)
    }

    /// What `Store::set_unique_ids` is given: the unique-ids and places of all that are kept, and the places of those that
    /// can keep nothing else.
    #[must_use]
    pub fn overrides(&self) -> Vec<Override> {
        let kept: HashSet<&[u8]> = self.fates.iter().filter_map(Fate::kept_unique_id).collect();
        let make = |(here, fate): (&Here, &Fate)| {
            let (unique_id, order) = match fate {
                Fate::Kept { unique_id, place, .. } => (unique_id.clone(), *place),
                Fate::Again { place: place @ Some(_), .. } if !kept.contains(here.unique_id.as_slice()) => {
                    (UniqueId::parse(&here.unique_id).ok()?, *place)
                }
                _ => return None,
            };
            Some(Override { base_name: here.name.clone(), unique_id, order })
        };
        self.names.iter().zip(&self.fates).filter_map(make).collect()
    }
}

impl Fate {
    fn kept_unique_id(&self) -> Option<&[u8]> {
        match self {
            Self::Kept { unique_id, .. } => Some(unique_id.as_bytes()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(names: &[&str]) -> Vec<Here> {
        names
            .iter()
            .map(|name| Here { name: name.as_bytes().to_vec(), unique_id: name.as_bytes().to_vec() })
            .collect()
    }

    fn shown(pairs: &[(&str, &str)]) -> Vec<Shown> {
        let shown = |(name, unique_id): &(&str, &str)| Shown {
            name: Some(name.as_bytes().to_vec()),
            unique_id: unique_id.as_bytes().to_vec(),
            ..Shown::default()
        };
        pairs.iter().map(shown).collect()
    }

    const ORDERED: Settings = Settings { is_ordered: true, is_complete: false, renames_duplicates: false };

    fn overrides(plan: &Plan) -> Vec<(String, String, Option<u64>)> {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let parts = |made: Override| (text(&made.base_name), made.unique_id.as_str().to_owned(), made.order);
        plan.overrides().into_iter().map(parts).collect()
    }

    #[test]
    fn every_message_has_one_fate() {
        let long = "x".repeat(71);
        let plan = Plan::by_name(
            here(&["a", "b", "c", "d", "e"]),
            shown(&[("c", "3"), ("gone", "9"), ("a", "1"), ("b", "1"), ("d", &long)]),
            ORDERED,
        );
        assert!(
            matches!(&plan.fates[0], Fate::Kept { unique_id, place: Some(2), by: By::Name } if unique_id.as_str() == "1")
        );
        assert!(matches!(plan.fates[1], Fate::Again { why: Why::Duplicate, .. }));
        assert!(matches!(plan.fates[3], Fate::Again { why: Why::Invalid, .. }));
        assert_eq!(plan.fates[4], Fate::New);
        assert_eq!((plan.absent.len(), plan.again(), plan.kept()), (1, 2, 2));
        let expected = [("a", "1", 2), ("b", "b", 3), ("c", "3", 0), ("d", "d", 4)];
        let expected = expected.map(|(name, id, place)| (name.to_owned(), id.to_owned(), Some(place)));
        assert_eq!(overrides(&plan), expected);
        assert!(!plan.is_of_another());
    }

    #[test]
    fn duplicates_are_renamed_as_dovecot_does() {
        let settings = Settings { renames_duplicates: true, ..ORDERED };
        let plan = Plan::by_name(
            here(&["a", "b", "c"]),
            shown(&[("c", "x"), ("gone", "x"), ("a", "x"), ("b", "x")]),
            settings,
        );
        let ids: Vec<String> = overrides(&plan).into_iter().map(|(_, id, _)| id).collect();
        assert_eq!(ids, ["x-2", "x-3", "x"]);
        assert_eq!(plan.again(), 0);
    }

    #[test]
    fn what_is_missing_makes_the_rest_unclear() {
        let settings = Settings { is_complete: true, ..ORDERED };
        let pairs = [Some((1, live::Rule::Header)), None];
        let plan = Plan::by_pairs(here(&["a", "b"]), shown(&[("-", "1"), ("-", "2")]), &pairs, settings);
        assert_eq!(plan.fates[0], Fate::Unclear);
        assert_eq!(plan.again(), 1);
        assert!(!plan.is_of_another());
        let plan = Plan::by_pairs(here(&["a", "b"]), shown(&[("-", "1")]), &[None], settings);
        assert!(plan.is_of_another());
    }

    #[test]
    fn computed_unique_ids_change_no_order() {
        let plan = Plan::by_contents(here(&["a", "b"]), vec![Some(b"1".to_vec()), None], Settings::default());
        assert_eq!(overrides(&plan), [("a".to_owned(), "1".to_owned(), None)]);
        assert_eq!(plan.fates[1], Fate::New);
    }
}
