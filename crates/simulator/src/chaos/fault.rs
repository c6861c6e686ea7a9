//! What can happen to one call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::FaultKind;

/// What happens to one call.
///
/// "Acts" means: the remote does what it was asked to do, and the ledger has it. On a remote where
/// a fault makes no sense ([`FaultKind::fits`]) the nearest thing that does happens instead: a
/// GraphQL error is a 500 there, a token's odd life is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "fault",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Fault {
    /// Nothing: it is answered.
    None,
    /// The connection closes before the remote acted.
    RequestLost,
    /// The remote acts, then the connection closes without an answer.
    AnswerLost,
    /// The connection is reset (RST) before the remote acted.
    ResetBeforeEffect,
    /// The remote acts, then the connection is reset (RST) without an answer.
    ResetAfterEffect,
    /// Half-open: the request is taken, the remote never acts and never answers.
    NeverAnswered,
    /// The remote acts and never answers; the connection stays open.
    NeverAnsweredAfterEffect,
    /// The remote acts later, and nobody is told.
    LateEffect {
        /// How much later, in milliseconds.
        after_ms: u64,
        /// Does the connection stay open meanwhile? Else it closes at once.
        #[serde(default)]
        hang: bool,
    },
    /// 503, and the remote did not act.
    Unavailable,
    /// An HTTP error, and the remote did not act.
    ErrorBeforeEffect {
        /// The status: 500, 502, 504 and the like.
        #[serde(default = "internal")]
        status: u16,
    },
    /// The remote acts, then answers with an HTTP error.
    ErrorAfterEffect {
        /// The status: 500, 502, 504 and the like.
        #[serde(default = "internal")]
        status: u16,
    },
    /// HTTP 200 with GraphQL `errors`, and the remote did not act.
    GraphqlErrorBeforeEffect {
        /// How the error is classified.
        #[serde(default)]
        class: ErrorClass,
        /// What stands beside the errors.
        #[serde(default)]
        beside: Beside,
    },
    /// The remote acts, then answers HTTP 200 with GraphQL `errors`.
    GraphqlErrorAfterEffect {
        /// How the error is classified.
        #[serde(default)]
        class: ErrorClass,
        /// What stands beside the errors.
        #[serde(default)]
        beside: Beside,
    },
    /// 429, and the remote did not act.
    Throttled {
        /// What `Retry-After` says.
        #[serde(default)]
        retry_after: RetryAfter,
    },
    /// 401 although the credentials are right, and the remote did not act.
    Unauthorized,
    /// The remote acts and answers later.
    Slow {
        /// How much later, in milliseconds.
        delay_ms: u64,
    },
    /// The remote acts and answers at once, but the body comes in drops.
    Drip {
        /// From the first drop to the last, in milliseconds.
        for_ms: u64,
    },
    /// The remote acts; its answer is cut off: less comes than `Content-Length` says.
    Truncated,
    /// The remote acts; its answer begins well and never ends.
    Endless,
    /// The remote acts; the answer is 200 and an HTML page.
    Html,
    /// The remote acts; the answer is 204, or 200 without a body (every second one).
    Empty,
    /// The remote acts; the answer is about somebody else: another order, alias, refund, token.
    Foreign,
    /// The remote acts; the answer is one to another kind of call.
    AnotherAnswer,
    /// The remote goes down for a while as the call arrives: every connection to it is cut, new
    /// ones are refused (or cut, where all remotes share one port). It comes back as it was.
    Restart {
        /// For how long, in milliseconds.
        down_ms: u64,
        /// Did it act on the call before?
        #[serde(default)]
        acts: bool,
    },
    /// The token stops working before the time that was told.
    TokenExpiresEarly {
        /// How long it works, in milliseconds.
        after_ms: u64,
    },
    /// The token works, and `expires_in` says 0.
    TokenLifeZero,
    /// The token works, and there is no `expires_in`.
    TokenLifeAbsent,
    /// The token works, and `expires_in` is a string.
    TokenLifeText,
}

const fn internal() -> u16 {
    500
}

/// What `Retry-After` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Nothing: there is none.
    #[default]
    Absent,
    /// `0`.
    Zero,
    /// So many seconds.
    Seconds(u64),
    /// `0.5`: not legal, and seen.
    Fractional,
    /// `-1`.
    Negative,
    /// No number and no date.
    Garbage,
    /// A date long ago.
    DatePast,
    /// A date so many seconds after the answer's own `Date`.
    DateFuture(u32),
    /// A thousand million seconds.
    Huge,
}

/// How a GraphQL error is classified (reference 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Not at all: no `extensions`.
    #[default]
    Unclassified,
    /// `ThrottlingError`. A remote that says so after it acted lies.
    Throttling,
    /// `InternalServerError`.
    InternalServer,
    /// The same, in the older form: `errorType` at the top level of the error.
    InternalServerOldForm,
    /// `AccessDeniedError`. A remote that says so after it acted lies.
    AccessDenied,
    /// `ResourceNotFoundError`. A remote that says so after it acted lies.
    ResourceNotFound,
    /// `ConflictError`.
    Conflict,
    /// `ValidationError`, without a code. A remote that says so after it acted lies.
    Validation,
    /// The bare word `ValidationError`, as the GraphQL engine itself says it. The same holds.
    BareWord,
}

/// What stands beside GraphQL `errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beside {
    /// No `data` at all.
    #[default]
    Nothing,
    /// `data: null`.
    NullData,
    /// `data` whose fields are null.
    NullFields,
    /// `data` as without the error; null fields where the remote did not act.
    Data,
}

impl Fault {
    /// How much later than it was made the caller has the answer; `None` where it gets no sound one.
    pub(crate) const fn answered_after(self) -> Option<Duration> {
        match self {
            Self::None
            | Self::TokenExpiresEarly { .. }
            | Self::TokenLifeZero
            | Self::TokenLifeAbsent
            | Self::TokenLifeText => Some(Duration::ZERO),
            Self::Slow { delay_ms: ms } | Self::Drip { for_ms: ms } => {
                Some(Duration::from_millis(ms))
            }
            _ => None,
        }
    }

    /// What kind it is; `None` where nothing goes wrong.
    #[must_use]
    pub const fn kind(self) -> Option<FaultKind> {
        use FaultKind as Kind;
        Some(match self {
            Self::None => return None,
            Self::RequestLost => Kind::RequestLost,
            Self::AnswerLost => Kind::AnswerLost,
            Self::ResetBeforeEffect => Kind::ResetBeforeEffect,
            Self::ResetAfterEffect => Kind::ResetAfterEffect,
            Self::NeverAnswered => Kind::NeverAnswered,
            Self::NeverAnsweredAfterEffect => Kind::NeverAnsweredAfterEffect,
            Self::LateEffect { hang: false, .. } => Kind::LateEffectClosed,
            Self::LateEffect { hang: true, .. } => Kind::LateEffectHanging,
            Self::Unavailable => Kind::Unavailable,
            Self::ErrorBeforeEffect { .. } => Kind::ErrorBeforeEffect,
            Self::ErrorAfterEffect { .. } => Kind::ErrorAfterEffect,
            Self::GraphqlErrorBeforeEffect { .. } => Kind::GraphqlErrorBeforeEffect,
            Self::GraphqlErrorAfterEffect {
                beside: Beside::Data,
                ..
            } => Kind::GraphqlErrorBesideData,
            Self::GraphqlErrorAfterEffect { .. } => Kind::GraphqlErrorAfterEffect,
            Self::Throttled { retry_after } => match retry_after {
                RetryAfter::Absent => Kind::ThrottledAbsent,
                RetryAfter::Zero | RetryAfter::Seconds(0) => Kind::ThrottledZero,
                RetryAfter::Seconds(_) => Kind::ThrottledSeconds,
                RetryAfter::Fractional => Kind::ThrottledFractional,
                RetryAfter::Negative => Kind::ThrottledNegative,
                RetryAfter::Garbage => Kind::ThrottledGarbage,
                RetryAfter::DatePast => Kind::ThrottledDatePast,
                RetryAfter::DateFuture(_) => Kind::ThrottledDateFuture,
                RetryAfter::Huge => Kind::ThrottledHuge,
            },
            Self::Unauthorized => Kind::Unauthorized,
            Self::Slow { .. } => Kind::Slow,
            Self::Drip { .. } => Kind::Drip,
            Self::Truncated => Kind::Truncated,
            Self::Endless => Kind::Endless,
            Self::Html => Kind::Html,
            Self::Empty => Kind::Empty,
            Self::Foreign => Kind::Foreign,
            Self::AnotherAnswer => Kind::AnotherAnswer,
            Self::Restart { .. } => Kind::Restart,
            Self::TokenExpiresEarly { .. } => Kind::TokenExpiresEarly,
            Self::TokenLifeZero => Kind::TokenLifeZero,
            Self::TokenLifeAbsent => Kind::TokenLifeAbsent,
            Self::TokenLifeText => Kind::TokenLifeText,
        })
    }
}
