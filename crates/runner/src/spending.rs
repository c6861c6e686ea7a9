//! Limits on what is spent: how many payments within an hour, how much within a day.
//!
//! The ledger is pure, with time as an argument. It is filled once from the store, so that what
//! earlier incarnations committed counts, and asked before an intent is committed: whoever finds no
//! room commits nothing. A place is taken by (instance, idempotency key): a repeated attempt at the
//! same payment moves its place to now and takes no second one, and a payment under a new key takes
//! one of its own, also where the one before it failed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use countermand_core::{InstanceId, Money, Spend, Timestamp};
use countermand_store::{self as store, Store};
use tokio::sync::OnceCell;

use crate::lock;
use crate::schedule::Moment;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How much may be spent: what an intent commits to spend ([`countermand_core::Workflow::spend`])
/// counts from then on, whether it succeeds or not. Beyond a limit nothing is attempted, and the
/// workflow is told ([`countermand_core::Notice::Limited`]).
///
/// The limits are the engine's own: they bound one engine on its store, over all its incarnations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLimits {
    /// Payments within any hour, at most. 0: none is ever made; `None`: no limit.
    pub payments_per_hour: Option<u64>,
    /// The sum of all payments of a currency within any 24 hours, at most; an amount of zero: none
    /// is ever made in it. Currencies that are not named have no limit; of two limits for one
    /// currency the lower one holds.
    pub amount_per_day: Vec<Money>,
}

impl SpendLimits {
    /// No limits.
    pub const NONE: Self = Self {
        payments_per_hour: None,
        amount_per_day: Vec::new(),
    };

    fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

impl Default for SpendLimits {
    /// 200 payments within an hour, of any amount.
    fn default() -> Self {
        Self {
            payments_per_hour: Some(200),
            amount_per_day: Vec::new(),
        }
    }
}

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Timestamp,
    pub(crate) mono: Duration,
}

impl From<Moment> for Now {
    fn from(moment: Moment) -> Self {
        Self {
            at: moment.at,
            mono: moment.mono,
        }
    }
}

/// A payment that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    amount: Money,
    /// When this process took it, or read it, on the monotonic clock; and how old it was then.
    /// However the wall clock is set while the process runs, it makes no room and takes none.
    known: (Duration, Duration),
}

impl Place {
    fn age(&self, now: Now) -> Duration {
        let (since, age) = self.known;
        age.saturating_add(now.mono.saturating_sub(since))
    }
}

/// Why there is no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Full {
    limit: Limit,
    /// When there is room again, if nothing else takes it; `None`: never, under this limit.
    room_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Limit {
    PerHour { limit: u64, made: u64 },
    PerDay { limit: Money, paid: Money },
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limit {
            Limit::PerHour { limit, made } => {
                write!(
                    f,
                    "{made} payouts were begun within the last hour, and the limit is {limit} an hour"
                )?;
            }
            Limit::PerDay { limit, paid } => {
                write!(
                    f,
                    "{paid} were paid within the last 24 hours, and the limit is {limit} a day"
                )?;
            }
        }
        match self.room_at {
            Some(at) => write!(f, "; there is room again at {at}"),
            None => f.write_str("; there is no room for it before the limit is raised"),
        }
    }
}

/// Everything that counts.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    places: BTreeMap<(InstanceId, String), Place>,
}

impl Ledger {
    /// What an earlier incarnation committed.
    pub(crate) fn remember(&mut self, id: InstanceId, spend: Spend, at: Timestamp, now: Now) {
        let place = Place {
            amount: spend.amount,
            known: (now.mono, now.at.since(at)),
        };
        // The newest attempt comes last.
        self.places.insert((id, spend.key), place);
    }

    /// Takes a place, if there is room; answers with the one that the same payment had.
    pub(crate) fn take(
        &mut self,
        (id, spend): (&InstanceId, &Spend),
        limits: &SpendLimits,
        now: Now,
    ) -> Result<Option<Place>, Full> {
        self.places.retain(|_, place| place.age(now) < DAY);
        let key = (id.clone(), spend.key.clone());
        self.hour(&key, limits, now)?;
        self.day(&key, spend.amount, limits, now)?;
        let place = Place {
            amount: spend.amount,
            known: (now.mono, Duration::ZERO),
        };
        Ok(self.places.insert(key, place))
    }

    /// The ages of all others that count within a window, oldest first, and their amounts.
    fn others(
        &self,
        key: &(InstanceId, String),
        window: Duration,
        now: Now,
    ) -> Vec<(Duration, Money)> {
        let others = self.places.iter().filter(|(other, _)| *other != key);
        let mut aged: Vec<(Duration, Money)> = others
            .map(|(_, place)| (place.age(now), place.amount))
            .filter(|(age, _)| *age < window)
            .collect();
        aged.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        aged
    }

    fn hour(&self, key: &(InstanceId, String), limits: &SpendLimits, now: Now) -> Result<(), Full> {
        let Some(limit) = limits.payments_per_hour else {
            return Ok(());
        };
        let others = self.others(key, HOUR, now);
        let made = others.len() as u64;
        if made < limit {
            return Ok(());
        }
        // So many have to leave first; with a limit of 0 there are never enough.
        let leaving = usize::try_from(made - limit).ok();
        let last = leaving.and_then(|index| others.get(index));
        Err(Full {
            limit: Limit::PerHour { limit, made },
            room_at: last.map(|(age, _)| now.at.plus(HOUR.saturating_sub(*age))),
        })
    }

    fn day(
        &self,
        key: &(InstanceId, String),
        amount: Money,
        limits: &SpendLimits,
        now: Now,
    ) -> Result<(), Full> {
        let of_currency = |money: &&Money| money.currency() == amount.currency();
        let limit = limits.amount_per_day.iter().filter(of_currency);
        let Some(limit) = limit.min_by_key(|limit| limit.amount()).copied() else {
            return Ok(());
        };
        let others = self.others(key, DAY, now);
        let others: Vec<(Duration, Money)> = others
            .into_iter()
            .filter(|(_, other)| other.currency() == amount.currency())
            .collect();
        let fits = |paid: &[(Duration, Money)]| {
            let sum = sum(amount, paid);
            sum.is_some_and(|sum| limit.minus(&sum).is_ok())
        };
        if fits(&others) {
            return Ok(());
        }
        let leaving = (0..others.len()).find(|index| {
            let left = others.get(index + 1..).unwrap_or_default();
            fits(left)
        });
        let room_at = leaving
            .and_then(|index| others.get(index))
            .map(|(age, _)| now.at.plus(DAY.saturating_sub(*age)));
        let nothing = Money::zero(amount.currency());
        Err(Full {
            limit: Limit::PerDay {
                limit,
                paid: sum(nothing, &others).unwrap_or(limit),
            },
            room_at,
        })
    }

    /// Takes back a place whose intent was certainly not committed.
    pub(crate) fn give_back(&mut self, id: &InstanceId, key: &str, before: Option<Place>) {
        let key = (id.clone(), key.to_owned());
        match before {
            Some(before) => drop(self.places.insert(key, before)),
            None => drop(self.places.remove(&key)),
        }
    }
}

/// `None` where it cannot be kept exactly.
fn sum(first: Money, others: &[(Duration, Money)]) -> Option<Money> {
    others
        .iter()
        .try_fold(first, |sum, (_, other)| sum.plus(other).ok())
}

/// The ledger of an engine.
#[derive(Debug)]
pub(crate) struct Purse {
    limits: SpendLimits,
    ledger: OnceCell<Mutex<Ledger>>,
}

/// A place that was taken; it is kept unless it is given back.
#[derive(Debug)]
pub(crate) struct Taken {
    id: InstanceId,
    key: String,
    before: Option<Place>,
}

impl Purse {
    pub(crate) fn new(limits: SpendLimits) -> Self {
        Self {
            limits,
            ledger: OnceCell::new(),
        }
    }

    /// Takes a place for a payment. The first call reads from the store what was spent of late:
    /// until then nothing is. Cancel-safe.
    pub(crate) async fn take<S: Store>(
        &self,
        store: &S,
        kind: &str,
        who: (&InstanceId, &Spend),
        now: Now,
    ) -> Result<Result<Option<Taken>, Full>, store::Error> {
        if self.limits.is_none() {
            return Ok(Ok(None));
        }
        let ledger = self
            .ledger
            .get_or_try_init(|| read(store, kind, now))
            .await?;
        let taken = lock(ledger).take(who, &self.limits, now);
        Ok(taken.map(|before| {
            Some(Taken {
                id: who.0.clone(),
                key: who.1.key.clone(),
                before,
            })
        }))
    }

    /// See [`Ledger::give_back`].
    pub(crate) fn give_back(&self, taken: Taken) {
        if let Some(ledger) = self.ledger.get() {
            lock(ledger).give_back(&taken.id, &taken.key, taken.before);
        }
    }
}

async fn read<S: Store>(store: &S, kind: &str, now: Now) -> Result<Mutex<Ledger>, store::Error> {
    let mut ledger = Ledger::default();
    for spent in store.spent(kind, now.at.minus(DAY)).await? {
        let spend = serde_json::from_str(&spent.spend).map_err(|error| store::Error::Corrupt {
            what: format!("what instance {} spent", spent.instance_id),
            detail: error.to_string(),
        })?;
        ledger.remember(spent.instance_id, spend, spent.at, now);
    }
    Ok(Mutex::new(ledger))
}

#[cfg(test)]
mod tests;
