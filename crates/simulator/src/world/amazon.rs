//! Buy with Prime: reading and cancelling orders.

use std::sync::Arc;

use crate::ledger::{AliasRecord, CancelCall, NOT_CANCELLABLE};
use crate::scenario::Decision;
use crate::world::order::{Cancellation, CancellationState, Order, PackageState, Requester, Tick};
use crate::world::timeline::Deed;
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
        self.first_look(&mut books, &id, now);
        let entry = books.orders.get_mut(&id).ok_or_else(ApiError::not_found)?;
        entry.reads += 1;
        let order = entry.seen_at(now);
        if order.exists {
            Ok(order)
        } else {
            Err(ApiError::not_found())
        }
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
        // Beside a cancellation that its caller could have seen by looking just before.
        let beside_visible = books
            .orders
            .get_mut(&named)
            .is_some_and(|entry| entry.seen_at(now).is_cancelled_or_pending());
        let result = self.try_cancel(&mut books, now, by, input);
        let seq = books.next_seq();
        books.cancels.push(CancelCall {
            seq,
            at: self.at(now),
            order_id: named,
            aliases,
            accepted: result.is_ok(),
            error: result.as_ref().err().map(ApiError::name),
            beside_visible,
        });
        result
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
        let (scenario, mut order) = Self::edit(books, &id).ok_or_else(ApiError::not_found)?;
        let decision = scenario.decision();
        let has_left = order.packages.iter().any(|package| {
            matches!(
                package.state,
                PackageState::InTransit | PackageState::Delivered
            )
        });
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
            created_at: at.clone(),
            updated_at: at,
        };
        order.cancellations.push(cancellation.clone());
        self.store(books, &id, now, order);
        match decision {
            Decision::SuccessAtOnce => self.decided_at_once(books, now, &id, true),
            Decision::RejectedAtOnce => self.decided_at_once(books, now, &id, false),
            Decision::Success | Decision::Rejected => {
                let pace = self.laws.pace.decision;
                let due = now.saturating_add(pace.draw(self.laws.seed, &["decision", &id, &label]));
                let deed = Deed::Decide {
                    order: id.clone(),
                    cancellation: nth,
                };
                self.plan(books, due, deed);
            }
            Decision::Never | Decision::RefusedAtOnce => {}
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
