//! The client: what is asked, in which words, and what the answer says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countermand_core::cancellation::call::{CallError, ReadError};
use countermand_core::cancellation::effect::{CancelOrder, ReportRefund};
use countermand_core::cancellation::input::{NotSent, Unknown};
use countermand_core::cancellation::order::{
    CancellationState, Order, RefundState, ReportedPayment,
};
use countermand_core::cancellation::request::CancellationReason;
use countermand_core::{Money, OrderId, TargetId};
use cynic::{Id, MutationBuilder, Operation, QueryBuilder};
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use crate::fence::SendFence;
use crate::live_schema::{self, LiveSchema};
use crate::operations as wire;
use crate::outcome::{
    Unanswered, failed, mutation_answer, mutation_body, read_answer, read_body, unknown,
};
use crate::settings::{Settings, SettingsError};
use crate::token::Tokens;
use crate::transport::{ANSWER_MAX, Exchange, Request, exchange};
use crate::{cap, order};

/// No call lasts longer, whatever the settings say; it also keeps the deadline computable.
const BUDGET_MAX: Duration = Duration::from_secs(24 * 3600);

/// What `cancelOrder` answered, once it was found to carry our alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelAnswer {
    /// The state of the new cancellation; normally PENDING (X4).
    pub state: CancellationState,
    /// Its id; it can be looked up nowhere (X10).
    pub cancellation_id: Option<String>,
    /// When, as Amazon wrote it.
    pub created_at: Option<String>,
}

/// A client for one target at Buy with Prime. Cheap to clone; clones share the access token.
///
/// No call repeats itself, but for one case: an answer of 401 renews the token and sends the request
/// once more, within the same budget and behind the same fence. Every call ends within its budget
/// (and within [`Settings::request_timeout`]), token and answer included. A call whose future is
/// dropped has an unknown outcome, unless the fence was never asked.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    endpoint: Url,
    target_id: TargetId,
    headers: HeaderMap,
    request_timeout: Duration,
    tokens: Tokens,
}

impl Client {
    /// A client that speaks through `http`, which should come from
    /// [`http_client`](crate::http_client): one that follows redirects or repeats requests breaks
    /// the promises made here.
    ///
    /// # Errors
    /// When a setting cannot be sent as a header.
    pub fn new(http: reqwest::Client, settings: Settings) -> Result<Self, SettingsError> {
        let headers = settings.headers()?;
        let tokens = Tokens::new(
            http.clone(),
            settings.token_endpoint,
            settings.client_id,
            settings.client_secret,
        );
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                endpoint: settings.endpoint,
                target_id: settings.target_id,
                headers,
                request_timeout: settings.request_timeout,
                tokens,
            }),
        })
    }

    /// The target that this client acts for.
    #[must_use]
    pub fn target_id(&self) -> &TargetId {
        &self.inner.target_id
    }

    /// Reads an order; `None` when Buy with Prime does not know it (yet).
    ///
    /// # Errors
    /// When there is no answer within `budget`, or none that can be relied on: one about another
    /// order, with errors, or with holes in its lists.
    pub async fn read_order(
        &self,
        order_id: &OrderId,
        budget: Duration,
    ) -> Result<Option<Order>, ReadError> {
        let operation = read_operation(order_id);
        let exchange = self.call(&operation, None, budget).await?;
        let Some(answer) = read_answer(&exchange, read_body(&exchange)?)? else {
            return Ok(None);
        };
        let data: wire::ReadOrder = answer
            .data()
            .map_err(|detail| failed(format!("answered with {detail}"), None))?;
        data.order
            .map(|found| order::read(found, order_id))
            .transpose()
            .map_err(|error| failed(error.to_string(), None))
    }

    /// Sends `cancelOrder`, with the alias of `call`. The `fence` is asked as the body of the
    /// request starts; when it no longer holds, nothing is sent.
    ///
    /// # Errors
    /// See [`CallError`]: refused, certainly not sent, or unknown.
    pub async fn cancel_order(
        &self,
        call: &CancelOrder,
        budget: Duration,
        fence: &SendFence,
    ) -> Result<CancelAnswer, CallError> {
        self.check_target(&call.target_id)?;
        let operation = cancel_operation(call);
        let exchange = self.call(&operation, Some(fence), budget).await?;
        let answer = mutation_answer(&exchange, mutation_body(&exchange)?)?;
        let unreadable =
            |detail: String| unknown(Unknown::Unreadable, format!("answered with {detail}"), None);
        let data: wire::CancelOrder = answer.data().map_err(unreadable)?;
        let cancellation = data
            .cancel_order
            .and_then(|response| response.cancellation)
            .ok_or_else(|| unreadable("no cancellation and no error".to_owned()))?;
        let aliases =
            order::aliases(cancellation.aliases).map_err(|error| unreadable(error.to_string()))?;
        if !aliases.contains(&call.alias) {
            let detail = "answered with a cancellation that does not carry our alias".to_owned();
            return Err(unknown(Unknown::ForeignAnswer, detail, None));
        }
        let state = cancellation
            .state
            .ok_or_else(|| unreadable("a cancellation without a state".to_owned()))?;
        Ok(CancelAnswer {
            state: CancellationState::from(&*state),
            cancellation_id: cancellation.id.map(Id::into_inner),
            created_at: cancellation.created_at,
        })
    }

    /// Sends `updateOrder` for the refund of `call`: its state, its cumulative total, and exactly
    /// these `payments`, which must be those that Amazon does not list yet (a delta). The `fence` is
    /// asked as the body of the request starts; when it no longer holds, nothing is sent.
    ///
    /// # Errors
    /// See [`CallError`]: refused, certainly not sent, or unknown.
    pub async fn report_refund(
        &self,
        call: &ReportRefund,
        payments: &[ReportedPayment],
        budget: Duration,
        fence: &SendFence,
    ) -> Result<(), CallError> {
        self.check_target(&call.target_id)?;
        let operation = report_operation(call, payments)?;
        let exchange = self.call(&operation, Some(fence), budget).await?;
        let answer = mutation_answer(&exchange, mutation_body(&exchange)?)?;
        let unreadable =
            |detail: String| unknown(Unknown::Unreadable, format!("answered with {detail}"), None);
        let data: wire::UpdateOrder = answer.data().map_err(unreadable)?;
        let order = data
            .update_order
            .and_then(|response| response.order)
            .ok_or_else(|| unreadable("no order and no error".to_owned()))?;
        if order.id.inner() != call.order_id.as_str() {
            let detail = format!("answered about the order `{}`", cap::cap(order.id.inner()));
            return Err(unknown(Unknown::ForeignAnswer, detail, None));
        }
        Ok(())
    }

    /// Obtains an access token, or has one already. For checks of a configuration: every call sees to
    /// its token itself.
    ///
    /// # Errors
    /// When the credentials are refused, or the token endpoint cannot be reached.
    pub async fn authenticate(&self, budget: Duration) -> Result<(), ReadError> {
        let inner = &*self.inner;
        let deadline = Instant::now() + budget.min(inner.request_timeout).min(BUDGET_MAX);
        inner
            .tokens
            .get(deadline)
            .await
            .map(|_| ())
            .map_err(|error| Unanswered::Token(error).into())
    }

    /// Asks the endpoint for its schema and compares with it what the calls of this client use.
    /// Changes nothing there.
    ///
    /// # Errors
    /// When there is no answer within `budget`, or none that holds a schema.
    pub async fn compare_schema(&self, budget: Duration) -> Result<LiveSchema, ReadError> {
        let body = live_schema::question();
        let exchange = self
            .send(body, None, budget, live_schema::ANSWER_MAX)
            .await?;
        live_schema::read(&exchange)
    }

    fn check_target(&self, target_id: &TargetId) -> Result<(), CallError> {
        if *target_id == self.inner.target_id {
            return Ok(());
        }
        Err(CallError::NotSent {
            why: NotSent::Unauthorized,
            detail: format!(
                "this client acts for {}, not for {target_id}",
                self.inner.target_id
            ),
            retry_after: None,
        })
    }

    async fn call<F, V: Serialize>(
        &self,
        operation: &Operation<F, V>,
        fence: Option<&SendFence>,
        budget: Duration,
    ) -> Result<Exchange, Unanswered> {
        #[derive(Serialize)]
        struct Document<'a, V> {
            query: &'a str,
            variables: &'a V,
        }
        let document = Document {
            query: &operation.query,
            variables: &operation.variables,
        };
        let body = serde_json::to_vec(&document).expect("text and numbers can always be written");
        self.send(Bytes::from(body), fence, budget, ANSWER_MAX)
            .await
    }

    async fn send(
        &self,
        body: Bytes,
        fence: Option<&SendFence>,
        budget: Duration,
        answer_max: usize,
    ) -> Result<Exchange, Unanswered> {
        let inner = &*self.inner;
        let deadline = Instant::now() + budget.min(inner.request_timeout).min(BUDGET_MAX);

        let mut token = inner
            .tokens
            .get(deadline)
            .await
            .map_err(Unanswered::Token)?;
        let mut renewed = false;
        loop {
            let mut headers = inner.headers.clone();
            headers.insert(AUTHORIZATION, token.header.clone());
            let request = Request {
                url: &inner.endpoint,
                headers,
                body: body.clone(),
                fence,
                deadline,
                answer_max,
            };
            let exchange = exchange(&inner.http, request)
                .await
                .map_err(Unanswered::Request)?;
            if exchange.status != StatusCode::UNAUTHORIZED || renewed {
                return Ok(exchange);
            }
            renewed = true;
            token = inner
                .tokens
                .renew(Some(&token), deadline)
                .await
                .map_err(Unanswered::Token)?;
        }
    }
}

pub(crate) fn read_operation(
    order_id: &OrderId,
) -> Operation<wire::ReadOrder, wire::OrderVariables> {
    wire::ReadOrder::build(wire::OrderVariables {
        order_identifier: identifier(order_id),
    })
}

pub(crate) fn cancel_operation(
    call: &CancelOrder,
) -> Operation<wire::CancelOrder, wire::CancelOrderVariables> {
    wire::CancelOrder::build(wire::CancelOrderVariables {
        order_identifier: identifier(&call.order_id),
        input: wire::CancelOrderInput {
            additional_comments: call.additional_comments.clone(),
            aliases: Some(vec![wire::AliasInput {
                alias_id: Id::new(&call.alias.alias_id),
                alias_type: call.alias.alias_type.clone(),
            }]),
            reason: call.reason.map(reason),
        },
    })
}

pub(crate) fn report_operation(
    call: &ReportRefund,
    payments: &[ReportedPayment],
) -> Result<Operation<wire::UpdateOrder, wire::UpdateOrderVariables>, CallError> {
    Ok(wire::UpdateOrder::build(wire::UpdateOrderVariables {
        order_identifier: identifier(&call.order_id),
        input: report(call, payments)?,
    }))
}

fn identifier(order_id: &OrderId) -> wire::OrderIdentifierInput {
    wire::OrderIdentifierInput {
        order_id: Some(Id::new(order_id.as_str())),
        alias: None,
    }
}

fn reason(reason: CancellationReason) -> wire::CancellationReasonInput {
    use wire::CancellationReasonInput as Wire;
    match reason {
        CancellationReason::OrderedByMistake => Wire::OrderedByMistake,
        CancellationReason::ItemsArrivingLate => Wire::ItemsArrivingLate,
        CancellationReason::IncorrectShippingAddress => Wire::IncorrectShippingAddress,
        CancellationReason::OutOfStock => Wire::OutOfStock,
        CancellationReason::PaymentIssue => Wire::PaymentIssue,
        CancellationReason::Other => Wire::Other,
    }
}

fn report(
    call: &ReportRefund,
    payments: &[ReportedPayment],
) -> Result<wire::UpdateOrderInput, CallError> {
    let state = match &call.state {
        RefundState::Partial => wire::RefundStateInput::Partial,
        RefundState::Failure => wire::RefundStateInput::Failure,
        RefundState::Success => wire::RefundStateInput::Success,
        RefundState::Rejected => wire::RefundStateInput::Rejected,
        state @ (RefundState::Pending | RefundState::Other(_)) => {
            return Err(CallError::Refused {
                code: "NotReportable".to_owned(),
                message: format!(
                    "a refund cannot be reported as {}",
                    cap::cap(state.as_str())
                ),
            });
        }
    };
    let payments = payments
        .iter()
        .map(|payment| wire::PaymentDetailsInput {
            id: Some(Id::new(payment.id.as_str())),
            amount: payment.amount.as_ref().map(money),
            state: Some(wire::PaymentStateInput::Success),
        })
        .collect::<Vec<_>>();
    let details = wire::RefundDetailsInput {
        id: Some(Id::new(call.refund_id.as_str())),
        payment_details: (!payments.is_empty()).then_some(payments),
        refund_total: wire::RefundTotalInput {
            total_amount: Some(money(&call.total)),
        },
        state: Some(state),
    };
    Ok(wire::UpdateOrderInput {
        refunds: Some(wire::RefundInput {
            details: Some(vec![details]),
        }),
    })
}

fn money(money: &Money) -> wire::MoneyInput {
    wire::MoneyInput {
        amount: money.amount().into(),
        currency_code: money.currency().as_str().to_owned(),
    }
}
