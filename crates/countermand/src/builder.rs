//! The builder: from a store, targets and ports to a running engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countermand_core::TargetId;
use countermand_core::cancellation::request::Terms;
use countermand_core::cancellation::{Cancellation, Pace};
use countermand_runner::{Engine, Options, SpendLimits, TokioWorld};
use countermand_store::{self as store, SqliteOptions, SqliteStore, Store};

use crate::embedded::Embedded;
use crate::executor::Executor;
use crate::handle::Handle;
use crate::ports::{BoxFuture, Oms, Orders, RefundProvider};
use crate::reader::Reader;
use crate::source::Source;

/// Sets up an engine. See the crate's page for an example.
#[must_use = "nothing happens before `start`"]
pub struct Countermand<S> {
    store: S,
    targets: Vec<Target>,
    refunds: Option<Arc<dyn RefundProvider>>,
    oms: Option<Arc<dyn Oms>>,
    terms: Terms,
    pace: Pace,
    observe: bool,
    options: Options,
    payout_limits: Option<SpendLimits>,
    close: Option<Close>,
}

/// Closes what the builder opened.
pub(crate) type Close = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A target: a business product at Buy with Prime, and how its orders are reached.
#[derive(Clone)]
pub struct Target {
    /// Its id.
    pub id: TargetId,
    /// Its orders.
    pub orders: Arc<dyn Orders>,
    /// How long its order query may lag behind a mutation, where it differs from the common
    /// [`Terms::visibility_lag`].
    pub visibility_lag: Option<Duration>,
    /// The kind of alias that carries our id there, where it differs from the common
    /// [`Terms::alias_type`].
    pub alias_type: Option<String>,
}

impl Target {
    /// A target under the common terms.
    pub fn new(id: TargetId, orders: impl Orders) -> Self {
        Self {
            id,
            orders: Arc::new(orders),
            visibility_lag: None,
            alias_type: None,
        }
    }
}

/// Why an engine was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened or used.
    #[error("the store cannot be used")]
    Store(#[source] store::Error),
    /// Something that every engine needs was not given.
    #[error("no {what} was given: call `{method}` before `start`")]
    Missing {
        /// What.
        what: &'static str,
        /// How it is given.
        method: &'static str,
    },
    /// One target was given twice.
    #[error("target {id} was given twice")]
    TargetTwice {
        /// Which one.
        id: TargetId,
    },
}

impl Countermand<SqliteStore> {
    /// An engine on a SQLite file, which is created where there is none. The file is locked: one
    /// engine at a time. It is closed when the engine shuts down.
    ///
    /// # Errors
    /// When the file cannot be used: locked, damaged, newer than this program.
    pub async fn sqlite(options: impl Into<SqliteOptions>) -> Result<Self, StartError> {
        let store = SqliteStore::open(options)
            .await
            .map_err(StartError::Store)?;
        let ours = store.clone();
        let mut builder = Self::on(store);
        builder.close = Some(Box::new(move || {
            let ours = ours.clone();
            Box::pin(async move { ours.close().await })
        }));
        Ok(builder)
    }
}

impl<S: Store> Countermand<S> {
    /// An engine on any store. Whoever opened it closes it.
    pub fn on(store: S) -> Self {
        Self {
            store,
            targets: Vec::new(),
            refunds: None,
            oms: None,
            terms: Terms::default(),
            pace: Pace::default(),
            observe: true,
            options: Options::default(),
            payout_limits: None,
            close: None,
        }
    }

    /// Adds a target under the common terms.
    pub fn target(self, id: TargetId, orders: impl Orders) -> Self {
        self.target_with(Target::new(id, orders))
    }

    /// Adds a target with terms of its own.
    pub fn target_with(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Sets whoever returns the shopper's money.
    pub fn refunds(mut self, provider: impl RefundProvider) -> Self {
        self.refunds = Some(Arc::new(provider));
        self
    }

    /// Sets whoever hears of milestones.
    pub fn oms(mut self, oms: impl Oms) -> Self {
        self.oms = Some(Arc::new(oms));
        self
    }

    /// Sets what is agreed for the whole life of each new cancellation.
    pub fn terms(mut self, terms: Terms) -> Self {
        self.terms = terms;
        self
    }

    /// Sets how often Amazon is asked while something is waited for.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Do events begin observed cancellations? They do unless told otherwise.
    pub fn observe(mut self, observe: bool) -> Self {
        self.observe = observe;
        self
    }

    /// Sets retries, limits and sizes of the runner. Its [`embargo`](Options::embargo) follows from
    /// the terms and budgets, whatever is given here.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Sets how much may be paid: 200 payouts within an hour unless told otherwise; goes before
    /// [`Options::spending`]. Beyond a limit nothing is paid: the cancellation needs a
    /// person (`payout_limited`), whose `retry` tries again. What earlier engines paid on this store
    /// counts; the limits themselves are not stored.
    pub fn payout_limits(mut self, limits: SpendLimits) -> Self {
        self.payout_limits = Some(limits);
        self
    }

    /// Starts the engine. Work that an earlier one left is taken up at once.
    ///
    /// # Errors
    /// When something is missing, a target was given twice, or the store does not answer.
    pub async fn start(self) -> Result<Handle, StartError> {
        let missing = |what, method| StartError::Missing { what, method };
        let refunds = self
            .refunds
            .ok_or_else(|| missing("refund provider", "refunds"))?;
        let oms = self.oms.ok_or_else(|| missing("OMS", "oms"))?;
        if self.targets.is_empty() {
            return Err(missing("target", "target"));
        }
        let mut terms = BTreeMap::new();
        let mut orders = BTreeMap::new();
        for target in self.targets {
            if orders.insert(target.id.clone(), target.orders).is_some() {
                return Err(StartError::TargetTwice { id: target.id });
            }
            let own = Terms {
                visibility_lag: target.visibility_lag.unwrap_or(self.terms.visibility_lag),
                alias_type: target
                    .alias_type
                    .unwrap_or_else(|| self.terms.alias_type.clone()),
                ..self.terms.clone()
            };
            terms.insert(target.id, own);
        }
        self.store.now().await.map_err(StartError::Store)?;
        let workflow = Cancellation { pace: self.pace };
        let store = Arc::new(self.store);
        let source = Arc::new(Source {
            store: store.clone(),
            workflow,
        });
        let executor = Executor {
            targets: orders,
            refunds,
            oms,
        };
        let world = Arc::new(TokioWorld::new());
        let executor = Arc::new(executor);
        let mut options = self.options;
        if let Some(limits) = self.payout_limits {
            options.spending = limits;
        }
        options.embargo = embargo(&terms, &options);
        let runner = Engine::new(options, Arc::new(workflow), store, executor, world).start();
        let engine = Embedded::new(runner, source.clone(), terms, self.observe, self.close);
        Ok(Handle {
            engine: Arc::new(engine),
            reader: Reader { source },
        })
    }
}

/// What was sent before a restore may arrive as late as its deadline, and is seen once the
/// visibility lag, or the quiet time, has passed.
fn embargo(terms: &BTreeMap<TargetId, Terms>, options: &Options) -> Duration {
    let settles = terms
        .values()
        .map(|terms| terms.visibility_lag.max(terms.quiet));
    let lives = ["cancel_order", "pay_refund", "report_refund"]
        .map(|effect| options.budget_of.get(effect).copied())
        .map(|budget| budget.unwrap_or(options.budget));
    settles
        .max()
        .unwrap_or_default()
        .saturating_add(lives.into_iter().max().unwrap_or_default())
}
