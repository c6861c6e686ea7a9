//! The refund provider over HTTP: pay with an idempotency key, look at the list.

use std::time::Duration;

use countermand_buy_with_prime::{FencedBody, Gate, Progress};
use countermand_core::cancellation::call::{CallError, ReadError};
use countermand_core::cancellation::input::{NotSent, Payout, PayoutState, Unknown};
use countermand_core::{Money, PaymentId, RefundId};
use countermand_runner::Fence;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::client::{Answer, HttpError, HttpOptions, chain, client, exchange};
use crate::amazon::asking;
use crate::ports::{BoxFuture, Payment, RefundProvider};

/// A refund provider that speaks JSON over HTTP:
///
/// * `POST {url}` with `Idempotency-Key` pays: `{orderId, targetId, refundId, amount, lineItems,
///   cancellationId}`, answered by 200 and `{paymentId, state, amount}`.
/// * `GET {url}?refundId=…` lists what was paid: an array of the same objects.
///
/// 4xx is *refused*; 401 and 429 are *not sent*; 408 and 409 (a key that is in flight), 5xx, a lost
/// connection, a time-out and an answer that cannot be read, or is about something else, are
/// *unknown*: the engine looks at the list before it sends again.
#[derive(Debug, Clone)]
pub struct HttpRefundProvider {
    client: reqwest::Client,
    options: HttpOptions,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayBody<'a> {
    order_id: &'a str,
    target_id: &'a str,
    refund_id: &'a str,
    amount: Money,
    line_items: Vec<PayLine<'a>>,
    cancellation_id: &'a str,
}

#[derive(Serialize)]
struct PayLine<'a> {
    id: &'a str,
    amount: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayoutAnswer {
    payment_id: PaymentId,
    state: PayoutState,
    amount: Money,
    #[serde(default)]
    refund_id: Option<String>,
}

impl HttpRefundProvider {
    /// A provider at this address.
    ///
    /// # Errors
    /// When the address is unsound or the client cannot be set up.
    pub fn new(options: HttpOptions) -> Result<Self, HttpError> {
        Ok(Self {
            client: client(&options)?,
            options,
        })
    }

    async fn try_pay(
        &self,
        payment: &Payment,
        budget: Duration,
        fence: &Fence,
    ) -> Result<Payout, CallError> {
        let body = render(payment)?;
        let (body, gate) = FencedBody::new(body.into(), asking(fence));
        let request = self
            .client
            .post(self.options.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", &payment.key)
            .body(reqwest::Body::wrap(body));
        let limit = budget.min(self.options.request_timeout);
        match timeout(limit, exchange(request)).await {
            Ok(Ok(answer)) => judge(payment, &answer),
            Ok(Err(error)) => Err(not_answered(&error, &gate)),
            Err(_) => Err(out_of_time(limit, &gate)),
        }
    }

    async fn try_list(
        &self,
        refund_id: &RefundId,
        budget: Duration,
    ) -> Result<Vec<Payout>, ReadError> {
        let mut url = self.options.url.clone();
        url.query_pairs_mut()
            .append_pair("refundId", refund_id.as_str());
        let limit = budget.min(self.options.request_timeout);
        let answer = match timeout(limit, exchange(self.client.get(url))).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return Err(ReadError {
                    message: format!("the refund provider's list: {}", chain(&error)),
                    retry_after: None,
                    not_sent: error.is_connect().then_some(NotSent::ConnectionRefused),
                });
            }
            Err(_) => {
                return Err(ReadError {
                    message: format!("the refund provider's list: no answer within {limit:?}"),
                    retry_after: None,
                    not_sent: None,
                });
            }
        };
        read_list(refund_id, &answer)
    }
}

impl RefundProvider for HttpRefundProvider {
    fn pay<'a>(
        &'a self,
        payment: &'a Payment,
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<Payout, CallError>> {
        Box::pin(self.try_pay(payment, budget, fence))
    }

    fn list<'a>(
        &'a self,
        refund_id: &'a RefundId,
        budget: Duration,
    ) -> BoxFuture<'a, Result<Vec<Payout>, ReadError>> {
        Box::pin(self.try_list(refund_id, budget))
    }
}

fn render(payment: &Payment) -> Result<Vec<u8>, CallError> {
    let unsendable = |detail: String| CallError::NotSent {
        why: NotSent::DeadlineOver,
        detail,
        retry_after: None,
    };
    let line_items = payment
        .line_items
        .iter()
        .map(|item| {
            // Digit by digit: a quantity never passes through a binary float.
            let amount = RawValue::from_string(item.quantity.normalize().to_string())
                .map_err(|error| unsendable(format!("the quantity {}: {error}", item.quantity)))?;
            Ok(PayLine {
                id: item.id.as_str(),
                amount,
            })
        })
        .collect::<Result<_, CallError>>()?;
    let body = PayBody {
        order_id: payment.order_id.as_str(),
        target_id: payment.target_id.as_str(),
        refund_id: payment.refund_id.as_str(),
        amount: payment.amount,
        line_items,
        cancellation_id: payment.cancellation_id.as_str(),
    };
    serde_json::to_vec(&body).map_err(|error| unsendable(error.to_string()))
}

/// What an answer to `POST` means.
fn judge(payment: &Payment, answer: &Answer) -> Result<Payout, CallError> {
    let status = answer.status;
    let retry_after = answer.retry_after;
    let detail = || {
        format!(
            "the refund provider answered {status}: {}",
            answer.excerpt()
        )
    };
    let unknown = |why, detail| CallError::Unknown {
        why,
        detail,
        retry_after,
    };
    let not_sent = |why| CallError::NotSent {
        why,
        detail: detail(),
        retry_after,
    };
    match status {
        StatusCode::OK | StatusCode::CREATED => {
            let bytes = answer
                .body
                .as_ref()
                .map_err(|problem| unknown(Unknown::Unreadable, problem.clone()))?;
            let told: PayoutAnswer = serde_json::from_slice(bytes)
                .map_err(|error| unknown(Unknown::Unreadable, format!("{}: {error}", detail())))?;
            ours(payment, told).map_err(|problem| unknown(Unknown::ForeignAnswer, problem))
        }
        StatusCode::UNAUTHORIZED => Err(not_sent(NotSent::Unauthorized)),
        StatusCode::TOO_MANY_REQUESTS => Err(not_sent(NotSent::Throttled)),
        StatusCode::REQUEST_TIMEOUT => Err(unknown(Unknown::TimeOut, detail())),
        // A key that is in flight: the payout may be on its way.
        StatusCode::CONFLICT => Err(unknown(Unknown::ServerError, detail())),
        _ if status.is_client_error() => Err(CallError::Refused {
            code: format!("http_{}", status.as_u16()),
            message: answer.excerpt(),
        }),
        _ if status.is_server_error() => Err(unknown(Unknown::ServerError, detail())),
        _ => Err(unknown(Unknown::Unreadable, detail())),
    }
}

/// Is the answer about this payment? "Close enough" does not exist with money.
fn ours(payment: &Payment, told: PayoutAnswer) -> Result<Payout, String> {
    if told
        .refund_id
        .as_ref()
        .is_some_and(|id| id != payment.refund_id.as_str())
    {
        return Err("the answer is about another refund".to_owned());
    }
    let asked = payment.amount;
    if told.amount.currency() != asked.currency() {
        return Err(format!(
            "asked for {asked}, the answer says {}",
            told.amount
        ));
    }
    let fits = match told.state {
        PayoutState::Success => told.amount == asked,
        PayoutState::Pending | PayoutState::Partial | PayoutState::Failure => {
            told.amount.amount() <= asked.amount()
        }
    };
    if !fits {
        return Err(format!(
            "asked for {asked}, the answer says {}",
            told.amount
        ));
    }
    Ok(Payout {
        payment_id: told.payment_id,
        state: told.state,
        amount: told.amount,
    })
}

fn read_list(refund_id: &RefundId, answer: &Answer) -> Result<Vec<Payout>, ReadError> {
    let fail = |message: String| ReadError {
        message,
        retry_after: answer.retry_after,
        not_sent: match answer.status {
            StatusCode::TOO_MANY_REQUESTS => Some(NotSent::Throttled),
            StatusCode::UNAUTHORIZED => Some(NotSent::Unauthorized),
            _ => None,
        },
    };
    let told = |what: &dyn std::fmt::Display| {
        fail(format!(
            "the refund provider's list cannot be used: {} {what}",
            answer.status
        ))
    };
    if answer.status != StatusCode::OK {
        return Err(told(&answer.excerpt()));
    }
    let bytes = answer.body.as_ref().map_err(|problem| told(problem))?;
    let listed: Vec<PayoutAnswer> = serde_json::from_slice(bytes).map_err(|error| told(&error))?;
    listed
        .into_iter()
        .map(|entry| {
            let foreign = entry
                .refund_id
                .as_ref()
                .filter(|id| *id != refund_id.as_str());
            if foreign.is_some() {
                return Err(told(&"it names another refund than the one asked for"));
            }
            Ok(Payout {
                payment_id: entry.payment_id,
                state: entry.state,
                amount: entry.amount,
            })
        })
        .collect()
}

/// What it means that no status came back.
fn not_answered(error: &reqwest::Error, gate: &Gate) -> CallError {
    let detail = format!("the refund provider: {}", chain(error));
    match gate.close() {
        Progress::Fenced => fenced(),
        // Without a body the remote cannot have acted.
        Progress::NeverStarted => CallError::NotSent {
            why: NotSent::ConnectionRefused,
            detail,
            retry_after: None,
        },
        Progress::Started => CallError::Unknown {
            why: if error.is_timeout() {
                Unknown::TimeOut
            } else {
                Unknown::ConnectionLost
            },
            detail,
            retry_after: None,
        },
    }
}

fn out_of_time(limit: Duration, gate: &Gate) -> CallError {
    let detail = format!("the refund provider: no answer within {limit:?}");
    match gate.close() {
        Progress::Fenced => fenced(),
        Progress::NeverStarted => CallError::NotSent {
            why: NotSent::DeadlineOver,
            detail,
            retry_after: None,
        },
        Progress::Started => CallError::Unknown {
            why: Unknown::TimeOut,
            detail,
            retry_after: None,
        },
    }
}

fn fenced() -> CallError {
    CallError::NotSent {
        why: NotSent::Fenced,
        detail: "the fence no longer held as the request was about to start".to_owned(),
        retry_after: None,
    }
}
