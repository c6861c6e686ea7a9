//! Buy with Prime: reading and cancelling orders.

use std::sync::Arc;

use crate::ledger::{AliasRecord, CancelCall, NOT_CANCELLABLE};
use crate::scenario::{Decision, Scenario};
use crate::world::happenings::Happening;
use crate::world::mishaps::has_left;
use crate::world::order::{Cancellation, CancellationState, Order, Requester, Tick};
use crate::world::{Books, World};

/// An error as Buy with Prime tells it (reference 2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) error_type: &'static str,
    pub(crate) error_code: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn validation(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            error_type: "ValidationError",
            error_code: 400,
            code: Some(code),
            message: message.into(),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self {
            error_type: "ResourceNotFoundError",
            error_code: 404,
            code: None,
            message: "No order matches the given identifier.".to_owned(),
        }
    }

    pub(crate) fn internal() -> Self {
        Self {
            error_type: "InternalServerError",
            error_code: 500,
            code: None,
            message: "Something went wrong.".to_owned(),
        }
    }

    fn is_internal(&self) -> bool {
        self.error_type == "InternalServerError"
    }

    /// What the ledger calls it.
    pub(crate) fn name(&self) -> String {
        self.code.unwrap_or(self.error_type).to_owned()
    }
}

/// How a caller names an order.
#[derive(Debug, Clone)]
pub(crate) struct Identifier {
    pub(crate) order_id: Option<String>,
    pub(crate) alias: Option<AliasRecord>,
}

/// What a caller says of the cancellation it asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct CancelInput {
    pub(crate) reason: Option<&'static str>,
    pub(crate) comments: Option<String>,
    pub(crate) aliases: Vec<AliasRecord>,
}

/// An alias that is seen late is seen later than other changes, by this factor: late enough for a
/// poll to meet the entry without it. With the other lags it must stay below what callers wait
/// before they believe that something is not there.
const ALIAS_LATER: u32 = 8;

/// Most aliases of a cancellation or an order (reference 2.4).
const ALIASES_MAX: usize = 5;

impl World {
    /// The order's id, whether or not there is such an order.
    fn resolve(&self, books: &mut Books, by: &Identifier, now: Tick) -> Result<String, ApiError> {
        match (&by.order_id, &by.alias) {
            (Some(id), None) => {
                self.summon(books, id, now);
                Ok(id.clone())
            }
            (None, Some(alias)) => books
                .by_alias
                .get(alias)
                .cloned()
                .ok_or_else(ApiError::not_found),
            _ => Err(ApiError::validation(
                "INVENTED_OrderIdentifier",
                "Give exactly one of orderId and alias.",
            )),
        }
    }

    /// The order's id, if a caller may know of it.
    pub(crate) fn known(
        &self,
        books: &mut Books,
        by: &Identifier,
        now: Tick,
    ) -> Result<String, ApiError> {
        let id = self.resolve(books, by, now)?;
        match books.orders.get(&id) {
            Some(entry) if entry.current().exists => Ok(id),
            _ => Err(ApiError::not_found()),
        }
    }

    /// The order query: what a reader sees just now.
    pub(crate) fn read_order(&self, by: &Identifier) -> Result<Arc<Order>, ApiError> {
        let (mut books, now) = self.books();
        let id = self.resolve(&mut books, by, now)?;
        let books = &mut *books;
        self.first_look(books, &id, now);
        let entry = books.orders.get_mut(&id).ok_or_else(ApiError::not_found)?;
        entry.reads += 1;
        if entry.suffers(Scenario::CancelInDoubt) && !entry.current().cancellations.is_empty() {
            return Err(ApiError::internal());
        }
        let is_behind = entry.is_behind(now);
        let mut order = entry.seen_at(now);
        let nth = entry.reads.to_string();
        let rate = self.laws.chaos.not_found_rate();
        let is_missed = self.laws.seed.per_mille(rate, &["not found", &id, &nth]);
        if !order.exists || is_missed {
            let happened = &mut books.happenings;
            happened.count_if(order.exists, Happening::NotFoundForAMoment);
            return Err(ApiError::not_found());
        }
        // What is lost on its way back shows nothing to anybody.
        if let Some(at) = Self::received(now) {
            entry.shown.push((at, order.is_cancelled_or_pending()));
        }
        books.happenings.count_if(is_behind, Happening::ReadBehind);
        if order
            .cancellations
            .iter()
            .any(|entry| entry.aliases_from > now)
        {
            books.happenings.count(Happening::AliasHidden);
            for entry in &mut Arc::make_mut(&mut order).cancellations {
                if entry.aliases_from > now {
                    entry.aliases.clear();
                }
            }
        }
        self.after_read(books, now, &id, &order);
        Ok(order)
    }

    /// `cancelOrder`. It guards against nothing: a second one is accepted, too.
    pub(crate) fn cancel_order(
        &self,
        by: &Identifier,
        input: CancelInput,
    ) -> Result<(Arc<Order>, Cancellation), ApiError> {
        let (mut books, now) = self.books();
        let named = match &by.order_id {
            Some(id) => id.clone(),
            None => self.resolve(&mut books, by, now).unwrap_or_default(),
        };
        let aliases = input.aliases.clone();
        let beside_visible = self.is_beside_visible(&mut books, &named, now);
        let result = self.try_cancel(&mut books, now, by, input);
        // An error of Amazon's own making is told after the effect only.
        let refusal = result.as_ref().err().filter(|error| !error.is_internal());
        let took_effect = refusal.is_none();
        let seq = books.next_seq();
        books.cancels.push(CancelCall {
            seq,
            at: self.at(now),
            order_id: named,
            aliases,
            accepted: took_effect,
            error: refusal.map(ApiError::name),
            beside_visible,
        });
        result
    }

    /// Is it sent beside a cancellation that its caller was shown? A caller that has not looked
    /// since its last call could have seen whatever a look would show now.
    fn is_beside_visible(&self, books: &mut Books, id: &str, now: Tick) -> bool {
        let Some(entry) = books.orders.get_mut(id) else {
            return false;
        };
        let arrived = self.arrival();
        let looks = std::mem::take(&mut entry.shown);
        let had = looks.iter().filter(|(at, _)| *at <= arrived);
        let last = had.max_by_key(|(at, _)| *at);
        last.map_or_else(
            || entry.seen_at(now).is_cancelled_or_pending(),
            |(_, shown)| *shown,
        )
    }

    fn try_cancel(
        &self,
        books: &mut Books,
        now: Tick,
        by: &Identifier,
        input: CancelInput,
    ) -> Result<(Arc<Order>, Cancellation), ApiError> {
        let id = self.known(books, by, now)?;
        if input.aliases.len() > ALIASES_MAX {
            return Err(ApiError::validation(
                "INVENTED_TooManyAliases",
                "A cancellation has at most 5 aliases.",
            ));
        }
        let (_, mut order) = Self::edit(books, &id).ok_or_else(ApiError::not_found)?;
        let entry = books.orders.get_mut(&id).ok_or_else(ApiError::not_found)?;
        let decision = entry.decision();
        let has_left = has_left(&order);
        let looked_fit = entry.seen_at(now).is_all_pending() || entry.reads <= 2;
        if has_left && looked_fit && decision != Decision::RefusedAtOnce {
            books.happenings.count(Happening::ShippedBeforeSend);
        }
        if decision == Decision::RefusedAtOnce {
            self.set_off(books, &id, now);
        }
        if has_left || order.packages.is_empty() || decision == Decision::RefusedAtOnce {
            return Err(ApiError::validation(
                NOT_CANCELLABLE,
                "The order cannot be cancelled because at least one item has left the PENDING \
                 state.",
            ));
        }
        let nth = order.cancellations.len();
        let label = nth.to_string();
        let at = self.at(now);
        let rate = self.laws.chaos.hidden_alias_rate();
        let hides = self
            .laws
            .seed
            .per_mille(rate, &["hidden alias", &id, &label]);
        let lag = self.laws.pace.visibility_lag;
        let lag = lag.draw(self.laws.seed, &["alias", &id, &label]);
        let lag = lag.saturating_mul(ALIAS_LATER);
        let foreign = |entry: &Cancellation| !entry.is_ours();
        if order.cancellations.iter().any(foreign) {
            books.happenings.count(Happening::ForeignBetween);
        }
        match decision {
            Decision::SuccessAtOnce => books.happenings.count(Happening::SuccessAtOnce),
            Decision::RejectedAtOnce => books.happenings.count(Happening::RejectedAtOnce),
            _ => {}
        }
        let cancellation = Cancellation {
            id: self.laws.seed.hex(64, &["cancellation", &id, &label]),
            state: match decision {
                Decision::SuccessAtOnce => CancellationState::Success,
                Decision::RejectedAtOnce => CancellationState::Rejected,
                _ => CancellationState::Pending,
            },
            requested_by: Requester::Merchant,
            reason: input.reason.map(str::to_owned),
            comments: input.comments,
            aliases: input.aliases,
            aliases_from: if hides {
                now.saturating_add(lag)
            } else {
                Tick::ZERO
            },
            created_at: at.clone(),
            updated_at: at,
        };
        order.cancellations.push(cancellation.clone());
        self.store(books, &id, now, order);
        match decision {
            Decision::SuccessAtOnce => self.decided_at_once(books, now, &id, true),
            Decision::RejectedAtOnce => self.decided_at_once(books, now, &id, false),
            Decision::Success | Decision::Rejected => {
                let delay = self.plan_decision(books, now, &id, nth);
                self.after_acceptance(books, now, &id, delay);
            }
            Decision::Never | Decision::RefusedAtOnce => {}
        }
        let entry = books.orders.get(&id);
        if entry.is_some_and(|entry| entry.suffers(Scenario::CancelInDoubt)) {
            return Err(ApiError::internal());
        }
        let order = books
            .orders
            .get(&id)
            .map(|entry| Arc::clone(entry.current()))
            .ok_or_else(ApiError::not_found)?;
        Ok((order, cancellation))
    }

    /// Adds aliases to an order: only added, never changed (reference 3.6).
    pub(crate) fn add_aliases(
        &self,
        by: &Identifier,
        aliases: Vec<AliasRecord>,
    ) -> Result<Arc<Order>, ApiError> {
        let (mut books, now) = self.books();
        let id = self.known(&mut books, by, now)?;
        let (_, mut order) = Self::edit(&books, &id).ok_or_else(ApiError::not_found)?;
        for alias in aliases {
            match books.by_alias.get(&alias) {
                Some(owner) if *owner == id => {}
                Some(_) => {
                    return Err(ApiError::validation(
                        "AliasValueAlreadyExists",
                        "Another order has this alias.",
                    ));
                }
                None if order.aliases.len() >= ALIASES_MAX => {
                    return Err(ApiError::validation(
                        "INVENTED_TooManyAliases",
                        "An order has at most 5 aliases.",
                    ));
                }
                None => order.aliases.push(alias),
            }
        }
        for alias in &order.aliases {
            books.by_alias.insert(alias.clone(), id.clone());
        }
        self.store(&mut books, &id, now, order);
        Self::newest(&books, &id)
    }

    /// The newest version, as the answer to a mutation shows it.
    pub(crate) fn newest(books: &Books, id: &str) -> Result<Arc<Order>, ApiError> {
        books
            .orders
            .get(id)
            .map(|entry| Arc::clone(entry.current()))
            .ok_or_else(ApiError::not_found)
    }
}
