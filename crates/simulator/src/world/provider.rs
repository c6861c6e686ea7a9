//! The refund provider (design of the default adapter): payouts under idempotency keys that expire,
//! and a listing per refund.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Serialize;

use crate::ledger::{Payment, PaymentState, PayoutCall, REFUSED_BY_SCENARIO};
use crate::scenario::{PayoutPlan, Scenario};
use crate::seeded::sha256_hex;
use crate::world::order::{RefundState, Tick};
use crate::world::timeline::Deed;
use crate::world::{Books, World};

/// A payout request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct PayoutRequest {
    pub(crate) key: String,
    pub(crate) order_id: String,
    pub(crate) refund_id: String,
    pub(crate) amount: Decimal,
    pub(crate) currency: String,
    /// The body as it arrived, to tell a repetition from another request under the same key.
    pub(crate) body: Vec<u8>,
}

/// A payment as the provider tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PayoutAnswer {
    pub(crate) payment_id: String,
    pub(crate) state: PaymentState,
    pub(crate) amount: AmountText,
}

/// An amount with its digits as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AmountText {
    pub(crate) amount: String,
    pub(crate) currency_code: String,
}

struct Remembered {
    until: Tick,
    body_sha256: String,
    answer: PayoutAnswer,
}

struct Held {
    payment: Payment,
    /// From when the listing shows it. `None`: while its order is not healed, never.
    listed_from: Option<Tick>,
}

#[derive(Default)]
pub(crate) struct Provider {
    keys: BTreeMap<String, Remembered>,
    payments: Vec<Held>,
    calls: Vec<PayoutCall>,
    /// Refunds whose first payout was refused.
    refused: BTreeSet<String>,
}

impl Provider {
    pub(crate) fn calls(&self) -> &[PayoutCall] {
        &self.calls
    }

    pub(crate) fn payments(&self) -> Vec<Payment> {
        self.payments
            .iter()
            .map(|held| held.payment.clone())
            .collect()
    }

    /// A payment that was under way, or paid in part, comes to its end.
    pub(crate) fn settle(&mut self, index: usize) {
        if let Some(held) = self.payments.get_mut(index) {
            held.payment.state = PaymentState::Success;
            held.payment.paid = held.payment.amount;
        }
    }
}

fn told(payment: &Payment) -> PayoutAnswer {
    // What left is told as it left; what has not, as it was asked for.
    let amount = match payment.state {
        PaymentState::Partial | PaymentState::Success => payment.paid,
        PaymentState::Pending | PaymentState::Failure => payment.amount,
    };
    PayoutAnswer {
        payment_id: payment.payment_id.clone(),
        state: payment.state,
        amount: AmountText {
            amount: amount.to_string(),
            currency_code: payment.currency.clone(),
        },
    }
}

impl World {
    /// Pays. A new key pays again; a known one is answered as it was the first time, for as long as
    /// it is remembered.
    ///
    /// # Errors
    /// With the answer's status and its words.
    pub(crate) fn pay_out(
        &self,
        request: PayoutRequest,
    ) -> Result<PayoutAnswer, (u16, &'static str)> {
        let (mut books, now) = self.books();
        let books = &mut *books;
        books.provider.keys.retain(|_, known| known.until > now);
        let body_sha256 = sha256_hex(&request.body);
        let remembered = books
            .provider
            .keys
            .get(&request.key)
            .map(|known| (known.body_sha256 == body_sha256, known.answer.clone()));
        let seq = books.next_seq();
        let mut call = PayoutCall {
            seq,
            at: self.at(now),
            key: request.key.clone(),
            order_id: request.order_id.clone(),
            refund_id: request.refund_id.clone(),
            amount: request.amount,
            currency: request.currency.clone(),
            effect: false,
            payment_id: None,
            error: None,
            open_at_amazon: books.orders.get(&request.order_id).is_some_and(|entry| {
                entry.current().refunds.iter().any(|refund| {
                    refund.id == request.refund_id
                        && !matches!(refund.state, RefundState::Success | RefundState::Rejected)
                })
            }),
        };
        match remembered {
            Some((true, answer)) => {
                call.payment_id = Some(answer.payment_id.clone());
                books.provider.calls.push(call);
                Self::answered(books, &request, answer)
            }
            Some((false, _)) => {
                let error = "the idempotency key was used with another body";
                call.error = Some(error.to_owned());
                books.provider.calls.push(call);
                Err((422, error))
            }
            None if Self::plan_of(books, &request) == PayoutPlan::RefusedFirst
                && !books.provider.refused.contains(&request.refund_id) =>
            {
                books.provider.refused.insert(request.refund_id);
                call.error = Some(REFUSED_BY_SCENARIO.to_owned());
                books.provider.calls.push(call);
                Err((422, REFUSED_BY_SCENARIO))
            }
            None => {
                call.effect = true;
                let plan = Self::plan_of(books, &request);
                let number = books.provider.payments.len();
                let payment = self.make_payment(&request, seq, number, plan);
                call.payment_id = Some(payment.payment_id.clone());
                books.provider.calls.push(call);
                let answer = told(&payment);
                if matches!(payment.state, PaymentState::Pending | PaymentState::Partial) {
                    let id = &payment.payment_id;
                    let delay = self.laws.pace.payout.draw(self.laws.seed, &["payout", id]);
                    let due = now.saturating_add(delay);
                    self.plan(books, due, Deed::Settle { payment: number });
                }
                let lag = if self.laws.chaos.is_some() {
                    let label = ["listing", &payment.payment_id];
                    self.laws.pace.listing_lag.draw(self.laws.seed, &label)
                } else {
                    Tick::ZERO
                };
                let unlisted = Self::suffers(books, &request.order_id, Scenario::PayoutUnlisted);
                books.provider.payments.push(Held {
                    payment,
                    listed_from: (!unlisted).then(|| now.saturating_add(lag)),
                });
                books.provider.keys.insert(
                    request.key.clone(),
                    Remembered {
                        until: now.saturating_add(self.laws.pace.key_lifetime),
                        body_sha256,
                        answer: answer.clone(),
                    },
                );
                Self::answered(books, &request, answer)
            }
        }
    }

    fn suffers(books: &Books, order_id: &str, scenario: Scenario) -> bool {
        let entry = books.orders.get(order_id);
        entry.is_some_and(|entry| entry.suffers(scenario))
    }

    /// Some answers never come through.
    fn answered(
        books: &Books,
        request: &PayoutRequest,
        answer: PayoutAnswer,
    ) -> Result<PayoutAnswer, (u16, &'static str)> {
        let lost = [Scenario::PayoutInDoubt, Scenario::PayoutUnlisted]
            .into_iter()
            .any(|scenario| Self::suffers(books, &request.order_id, scenario));
        if lost {
            return Err((500, "something went wrong"));
        }
        Ok(answer)
    }

    /// What happens to this payout: only the first one for a refund is out of the ordinary.
    fn plan_of(books: &Books, request: &PayoutRequest) -> PayoutPlan {
        let first = books
            .provider
            .payments
            .iter()
            .all(|held| held.payment.refund_id != request.refund_id);
        let scenario = books
            .orders
            .get(&request.order_id)
            .map(|entry| entry.scenario)
            .or_else(|| Scenario::of_order_id(&request.order_id));
        match scenario {
            Some(scenario) if first => scenario.payout(),
            _ => PayoutPlan::Success,
        }
    }

    fn make_payment(
        &self,
        request: &PayoutRequest,
        seq: u64,
        number: usize,
        plan: PayoutPlan,
    ) -> Payment {
        let id = self.laws.seed.hex(16, &["payment", &number.to_string()]);
        let half = (request.amount / Decimal::TWO).round_dp(2);
        let (state, paid) = match plan {
            PayoutPlan::Success | PayoutPlan::RefusedFirst | PayoutPlan::Unanswered => {
                (PaymentState::Success, request.amount)
            }
            PayoutPlan::Less => (PaymentState::Success, half.max(Decimal::new(1, 2))),
            PayoutPlan::More => {
                let more = request.amount.saturating_add(Decimal::ONE);
                (PaymentState::Success, more)
            }
            // A cent cannot be halved: then all of it is still under way.
            PayoutPlan::PartialThenSuccess if half > Decimal::ZERO && half < request.amount => {
                (PaymentState::Partial, half)
            }
            PayoutPlan::PartialThenSuccess | PayoutPlan::PendingThenSuccess => {
                (PaymentState::Pending, Decimal::ZERO)
            }
            PayoutPlan::FailureFirst => (PaymentState::Failure, Decimal::ZERO),
        };
        Payment {
            seq,
            payment_id: format!("pay-{id}"),
            key: request.key.clone(),
            order_id: request.order_id.clone(),
            refund_id: request.refund_id.clone(),
            state,
            amount: request.amount,
            paid,
            currency: request.currency.clone(),
        }
    }

    /// The payments for a refund, as the listing shows them. `None`: there is no listing just now.
    pub(crate) fn payouts(&self, refund_id: &str) -> Option<Vec<PayoutAnswer>> {
        let (books, now) = self.books();
        let held: Vec<&Held> = books
            .provider
            .payments
            .iter()
            .filter(|held| held.payment.refund_id == refund_id)
            .collect();
        let suffers =
            |held: &&Held, scenario| Self::suffers(&books, &held.payment.order_id, scenario);
        if held
            .iter()
            .any(|held| suffers(held, Scenario::PayoutInDoubt))
        {
            return None;
        }
        let is_listed = |held: &&Held| match held.listed_from {
            Some(from) => from <= now,
            None => !suffers(held, Scenario::PayoutUnlisted),
        };
        let listed = held.into_iter().filter(is_listed);
        Some(listed.map(|held| told(&held.payment)).collect())
    }
}
