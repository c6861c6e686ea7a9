//! When this process first saw the items that guard mutations.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use countermand_core::{InstanceId, Item, Timestamp, When};

use crate::lock;
use crate::schedule::{Moment, Sight};

type Key = (String, Timestamp, Duration);

/// First sights, kept for as long as their items stand on an agenda, or their lane is busy with
/// something else. They outlive the holding of an instance, since a wait does.
#[derive(Debug, Default)]
pub(crate) struct Sights(Mutex<BTreeMap<InstanceId, BTreeMap<Key, Sight>>>);

impl Sights {
    /// Takes note of the agenda of an instance.
    pub(crate) fn see<E>(&self, id: &InstanceId, items: &[Item<E>], moment: Moment) {
        let mut all = lock(&self.0);
        let mut before = all.remove(id).unwrap_or_default();
        let settled: Vec<&str> = items
            .iter()
            .filter(|item| key(item).is_some())
            .map(|item| item.key.as_str())
            .collect();
        let mut now: BTreeMap<Key, Sight> = items
            .iter()
            .filter_map(key)
            .map(|(key, since, wait)| {
                let sight = before.remove(&key);
                (
                    key,
                    sight.unwrap_or_else(|| Sight::first(since, wait, moment)),
                )
            })
            .collect();
        // While an attempt is under way its lane shows another item. Should it come to nothing, the
        // doubt is the same as before, and so is its wait.
        now.extend(before.into_iter().filter(|((lane, ..), _)| {
            items.iter().any(|item| item.key == *lane) && !settled.contains(&lane.as_str())
        }));
        if !now.is_empty() {
            all.insert(id.clone(), now);
        }
    }

    /// When an item was first seen.
    pub(crate) fn of<E>(&self, id: &InstanceId, item: &Item<E>) -> Option<Sight> {
        let (key, ..) = key(item)?;
        lock(&self.0).get(id)?.get(&key).copied()
    }
}

fn key<E>(item: &Item<E>) -> Option<(Key, Timestamp, Duration)> {
    match item.when {
        When::Settled { since, wait } => Some(((item.key.clone(), since, wait), since, wait)),
        When::Now | When::At(_) | When::Poll { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(since: i64) -> Item<()> {
        Item {
            key: "lane".to_owned(),
            effect: (),
            when: When::Settled {
                since: Timestamp::from_millis(since),
                wait: Duration::from_secs(60),
            },
        }
    }

    fn moment(seconds: u64) -> Moment {
        Moment {
            at: Timestamp::from_millis(i64::try_from(seconds).unwrap() * 1000),
            behind: false,
            mono: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_first_sight_stays_as_long_as_the_item_does() {
        let sights = Sights::default();
        let id = InstanceId::new("a").unwrap();
        let from = |item: &Item<()>| sights.of(&id, item).map(|sight| sight.from.as_secs());
        sights.see(&id, &[item(0)], moment(10));
        sights.see(&id, &[item(0)], moment(20));
        assert_eq!(from(&item(0)), Some(10));
        // Another doubt in the same lane is another item.
        sights.see(&id, &[item(1)], moment(30));
        assert_eq!((from(&item(0)), from(&item(1))), (None, Some(30)));
        // An attempt is under way, and comes to nothing.
        let under_way = Item {
            when: When::At(Timestamp::MAX),
            ..item(1)
        };
        sights.see(&id, &[under_way], moment(32));
        sights.see(&id, &[item(1)], moment(34));
        assert_eq!(from(&item(1)), Some(30));
        sights.see::<()>(&id, &[], moment(40));
        assert!(lock(&sights.0).is_empty());
    }
}
