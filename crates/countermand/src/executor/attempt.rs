//! One attempt at a mutation, and how its ends are told.

use std::time::Duration;

use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::input::{Done, Input, Mutation, NotSent, Payout, Unknown};
use countermand_runner::{Performed, Tally};
use tokio::time::timeout;

use super::LookFailed;

/// Keeps a mutation within its time, whatever the port does: past it, nothing is known.
pub(super) async fn bounded<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    timeout(limit, call).await.unwrap_or_else(|_| {
        Err(CallError::Unknown {
            why: Unknown::TimeOut,
            detail: format!("no answer within {limit:?}"),
            retry_after: None,
        })
    })
}

pub(super) fn answered(inputs: Vec<Input>) -> Performed<Input> {
    Performed {
        inputs,
        tally: Tally::Answered,
    }
}

/// One attempt at a mutation, and how its ends are told.
pub(super) struct Attempt {
    pub(super) mutation: Mutation,
    number: u32,
    doubted: bool,
}

impl Attempt {
    pub(super) fn new(mutation: Mutation, number: u32, doubted: bool) -> Self {
        Self {
            mutation,
            number,
            doubted,
        }
    }

    pub(super) fn looked(&self, found: bool, payout: Option<Payout>) -> Input {
        Input::Looked {
            mutation: self.mutation.clone(),
            attempt: self.number,
            found,
            payout,
            key_expired: false,
        }
    }

    pub(super) fn not_sent(&self, why: NotSent, detail: String) -> Input {
        Input::EffectNotSent {
            mutation: self.mutation.clone(),
            attempt: self.number,
            why,
            detail: Some(detail),
        }
    }

    /// The look found what stands against a send.
    pub(super) fn found(&self, payout: Option<Payout>, fact: Option<Input>) -> Performed<Input> {
        let mut inputs = vec![self.looked(true, payout)];
        inputs.extend(fact);
        answered(inputs)
    }

    /// The look failed, so nothing was sent.
    pub(super) fn look_failed(&self, failed: &LookFailed) -> Performed<Input> {
        Performed {
            inputs: vec![self.not_sent(NotSent::LookFailed, failed.message().to_owned())],
            tally: failed.tally(),
        }
    }

    /// The look did not show what was shown before, so nothing was sent. That is between this
    /// instance and its reader: the remote answered.
    pub(super) fn not_shown(&self, detail: String) -> Performed<Input> {
        Performed {
            inputs: vec![self.not_sent(NotSent::NotFound, detail.clone())],
            tally: Tally::Unable { message: detail },
        }
    }

    /// The look allowed the send, and this came of it.
    pub(super) fn sent<T>(
        &self,
        outcome: Result<T, CallError>,
        done: impl FnOnce(T) -> Done,
    ) -> Performed<Input> {
        let mut inputs = Vec::new();
        if self.doubted {
            inputs.push(self.looked(false, None));
        }
        let (input, tally) = match outcome {
            Ok(answer) => (Input::EffectDone(done(answer)), Tally::Answered),
            Err(CallError::Refused { code, message }) => (
                Input::EffectRefused {
                    mutation: self.mutation.clone(),
                    attempt: self.number,
                    code,
                    message,
                },
                Tally::Answered,
            ),
            Err(CallError::NotSent {
                why,
                detail,
                retry_after,
            }) => {
                let message = detail.clone();
                let tally = match why {
                    NotSent::Fenced
                    | NotSent::DeadlineOver
                    | NotSent::NoToken
                    | NotSent::BreakerOpen => Tally::Deferred { message },
                    NotSent::ConnectionRefused
                    | NotSent::Unauthorized
                    | NotSent::TokenFailed
                    | NotSent::Throttled
                    | NotSent::LookFailed
                    | NotSent::NotFound
                    | NotSent::NotCancellable => Tally::Failed {
                        message,
                        retry_after,
                    },
                };
                (self.not_sent(why, detail), tally)
            }
            Err(CallError::Unknown {
                why,
                detail,
                retry_after,
            }) => (
                Input::EffectUnknown {
                    mutation: self.mutation.clone(),
                    attempt: self.number,
                    why,
                    detail: Some(detail.clone()),
                },
                Tally::Failed {
                    message: detail,
                    retry_after,
                },
            ),
        };
        inputs.push(input);
        Performed { inputs, tally }
    }
}
