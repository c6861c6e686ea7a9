//! What an answer means for the one who asked (reference 2.3).

use std::time::Duration;

use countermand_core::cancellation::call::{CallError, ReadError};
use countermand_core::cancellation::input::{NotSent, Unknown};
use reqwest::StatusCode;

use crate::answer::{Answer, Class, Fault};
use crate::token::TokenError;
use crate::transport::{Exchange, Failure, Lost};

/// A call that brought no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// There is no token; nothing was sent.
    Token(TokenError),
    /// See [`Failure`].
    Request(Failure),
}

impl From<Unanswered> for CallError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Token(error) => Self::NotSent {
                why: error.why,
                detail: error.detail,
                retry_after: error.retry_after,
            },
            Unanswered::Request(Failure::NotSent { why, detail }) => Self::NotSent {
                why,
                detail,
                retry_after: None,
            },
            Unanswered::Request(Failure::Lost(lost)) => unknown(lost.why, lost.detail, None),
        }
    }
}

impl From<Unanswered> for ReadError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Token(error) => Self {
                message: error.detail,
                retry_after: error.retry_after,
                not_sent: Some(error.why),
            },
            Unanswered::Request(Failure::NotSent { why, detail }) => Self {
                message: detail,
                retry_after: None,
                not_sent: Some(why),
            },
            Unanswered::Request(Failure::Lost(lost)) => failed(lost.detail, None),
        }
    }
}

/// An outcome that is not known.
pub(crate) fn unknown(
    why: Unknown,
    detail: impl Into<String>,
    retry_after: Option<Duration>,
) -> CallError {
    CallError::Unknown {
        why,
        detail: detail.into(),
        retry_after,
    }
}

/// A read that failed.
pub(crate) fn failed(message: impl Into<String>, retry_after: Option<Duration>) -> ReadError {
    ReadError {
        message: message.into(),
        retry_after,
        not_sent: None,
    }
}

fn turned_away(why: NotSent, message: String, retry_after: Option<Duration>) -> ReadError {
    ReadError {
        message,
        retry_after,
        not_sent: Some(why),
    }
}

/// The body of a mutation's answer, where it is worth reading.
pub(crate) fn mutation_body(exchange: &Exchange) -> Result<&[u8], CallError> {
    let retry_after = exchange.retry_after;
    let detail = format!("answered with HTTP status {}", exchange.status.as_u16());
    match exchange.status {
        // The token was renewed once already.
        StatusCode::UNAUTHORIZED => Err(CallError::NotSent {
            why: NotSent::Unauthorized,
            detail: format!("{detail}, with a fresh token too: check the API credentials"),
            retry_after,
        }),
        StatusCode::TOO_MANY_REQUESTS => Err(CallError::NotSent {
            why: NotSent::Throttled,
            detail,
            retry_after,
        }),
        status if status.is_server_error() => {
            Err(unknown(Unknown::ServerError, detail, retry_after))
        }
        // Whoever redirects may have passed the request on before.
        status if status.is_redirection() || status.is_informational() => Err(unknown(
            Unknown::Unreadable,
            format!("{detail}, which is not followed"),
            retry_after,
        )),
        _ => exchange
            .body
            .as_deref()
            .map_err(|Lost { why, detail }| unknown(*why, detail, retry_after)),
    }
}

/// A mutation's answer, once it is known to hold no errors.
pub(crate) fn mutation_answer<'a>(
    exchange: &Exchange,
    body: &'a [u8],
) -> Result<Answer<'a>, CallError> {
    let retry_after = exchange.retry_after;
    let status = exchange.status.as_u16();
    let answer = Answer::read(body).map_err(|detail| {
        // A refusal that does not speak GraphQL comes from somebody in between, who may have seen
        // the real answer.
        unknown(
            Unknown::Unreadable,
            format!("answered with HTTP status {status} and {detail}"),
            retry_after,
        )
    })?;
    if !answer.faults.is_empty() {
        return Err(mutation_faults(&answer, retry_after));
    }
    if !exchange.status.is_success() {
        let detail = format!("answered with HTTP status {status} beside data");
        return Err(unknown(Unknown::Unreadable, detail, retry_after));
    }
    Ok(answer)
}

fn mutation_faults(answer: &Answer<'_>, retry_after: Option<Duration>) -> CallError {
    let faults = &answer.faults;
    let detail = told(faults);
    // Errors beside data may stand beside an effect, and so may an error that is not understood.
    let doubtful = faults.iter().find(|fault| {
        !fault.certain
            || matches!(
                fault.class,
                Class::Conflict | Class::InternalServer | Class::Unclassified
            )
    });
    if answer.has_data() || doubtful.is_some() {
        return unknown(Unknown::ServerError, detail, retry_after);
    }
    let of = |class| faults.iter().find(|fault| fault.class == class);
    let not_sent = |why| CallError::NotSent {
        why,
        detail: detail.clone(),
        retry_after,
    };
    if let Some(fault) = of(Class::Validation) {
        CallError::Refused {
            code: fault.kind.clone(),
            message: fault.to_string(),
        }
    } else if of(Class::ResourceNotFound).is_some() {
        // It was there a moment ago, or nothing would have been sent: a lag, not a decision.
        not_sent(NotSent::NotFound)
    } else if of(Class::AccessDenied).is_some() {
        not_sent(NotSent::Unauthorized)
    } else {
        not_sent(NotSent::Throttled)
    }
}

/// The body of a read's answer.
pub(crate) fn read_body(exchange: &Exchange) -> Result<&[u8], ReadError> {
    let retry_after = exchange.retry_after;
    let message = format!("answered with HTTP status {}", exchange.status.as_u16());
    match exchange.status {
        StatusCode::UNAUTHORIZED => {
            let message = format!("{message}, with a fresh token too: check the API credentials");
            Err(turned_away(NotSent::Unauthorized, message, retry_after))
        }
        StatusCode::TOO_MANY_REQUESTS => Err(turned_away(NotSent::Throttled, message, retry_after)),
        status if status.is_success() || status.is_client_error() => exchange
            .body
            .as_deref()
            .map_err(|lost| failed(lost.detail.clone(), retry_after)),
        _ => Err(failed(message, retry_after)),
    }
}

/// A read's answer; `None` when the thing that was asked for is not known.
pub(crate) fn read_answer<'a>(
    exchange: &Exchange,
    body: &'a [u8],
) -> Result<Option<Answer<'a>>, ReadError> {
    let retry_after = exchange.retry_after;
    let status = exchange.status.as_u16();
    let answer = Answer::read(body).map_err(|detail| {
        failed(
            format!("answered with HTTP status {status} and {detail}"),
            retry_after,
        )
    })?;
    if !answer.faults.is_empty() {
        let faults = &answer.faults;
        let all = |class| faults.iter().all(|fault| fault.class == class);
        let detail = told(faults);
        if all(Class::ResourceNotFound) && !answer.has_data() {
            return Ok(None);
        }
        return Err(if all(Class::Throttling) {
            turned_away(NotSent::Throttled, detail, retry_after)
        } else if all(Class::AccessDenied) {
            turned_away(NotSent::Unauthorized, detail, retry_after)
        } else {
            failed(detail, retry_after)
        });
    }
    if !exchange.status.is_success() {
        return Err(failed(
            format!("answered with HTTP status {status} beside data"),
            retry_after,
        ));
    }
    Ok(Some(answer))
}

fn told(faults: &[Fault]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = faults
        .iter()
        .take(SHOWN)
        .map(|fault| format!("{} ({fault})", fault.kind))
        .collect();
    let more = faults.len().saturating_sub(SHOWN);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!("answered with {}{more}", shown.join(", "))
}
