//! The kinds of faults, and how often each strikes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Chaos, Remote};

/// The table: every kind of fault, its name in JSON, what it is about, and how many of a thousand
/// calls it strikes under `light` and under `heavy`. One with 0 everywhere can only be forced.
macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $kind:ident $name:literal $place:ident $light:literal $heavy:literal; )+) => {
        /// A kind of [`Fault`](super::Fault), to be counted.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum FaultKind {
            $( $(#[doc = $doc])+ #[serde(rename = $name)] $kind, )+
        }

        impl FaultKind {
            /// Every kind, in the order in which they are drawn.
            pub const ALL: &'static [Self] = &[ $( Self::$kind, )+ ];

            /// Its name, as in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$kind => $name, )+ }
            }

            const fn place(self) -> Place {
                match self { $( Self::$kind => Place::$place, )+ }
            }

            /// How many of a thousand calls it strikes, on remotes that it [fits](Self::fits).
            #[must_use]
            pub const fn per_mille(self, chaos: Chaos) -> u64 {
                match (chaos, self) {
                    (Chaos::None, _) => 0,
                    $( (Chaos::Light, Self::$kind) => $light,
                       (Chaos::Heavy, Self::$kind) => $heavy, )+
                }
            }
        }
    };
}

/// Where a kind makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// With every remote.
    Any,
    /// Where the answer matters; the OMS only has a status.
    Body,
    /// Buy with Prime's GraphQL.
    Graphql,
    /// The token endpoint.
    Token,
    /// Where something can take effect.
    Acting,
    /// Where it can take effect late. A message that reached the OMS is there: what comes late is a
    /// message out of order, and nobody's fault.
    Late,
}

kinds! {
    // kind                                                             where   light heavy
    /// The connection closes before the remote acted.
    RequestLost              "request_lost"                                Any     40 40;
    /// The remote acts, and the connection closes.
    AnswerLost               "answer_lost"                                 Any     60 45;
    /// A reset before the remote acted.
    ResetBeforeEffect        "reset_before_effect"                         Any      0  8;
    /// A reset after the remote acted.
    ResetAfterEffect         "reset_after_effect"                          Any      0 12;
    /// Half-open: no effect, no answer.
    NeverAnswered            "never_answered"                              Any      0  3;
    /// An effect, and no answer; the connection stays open.
    NeverAnsweredAfterEffect "never_answered_after_effect"                 Acting   0  4;
    /// An effect after the connection closed.
    LateEffectClosed         "late_effect_closed"                          Late     0 10;
    /// An effect later, on a connection that stays silent.
    LateEffectHanging        "late_effect_hanging"                         Late     0  6;
    /// 503 without effect.
    Unavailable              "unavailable"                                 Any      0 12;
    /// 500, 502 or 504 without effect.
    ErrorBeforeEffect        "error_before_effect"                         Any      0 10;
    /// 500, 502 or 504 after the effect.
    ErrorAfterEffect         "error_after_effect"                          Any      0 20;
    /// GraphQL errors without effect.
    GraphqlErrorBeforeEffect "graphql_error_before_effect"                 Graphql  0 12;
    /// GraphQL errors after the effect, without data.
    GraphqlErrorAfterEffect  "graphql_error_after_effect"                  Graphql  0 10;
    /// GraphQL errors and data together, after the effect.
    GraphqlErrorBesideData   "graphql_error_beside_data"                   Graphql  0  8;
    /// 429 without `Retry-After`.
    ThrottledAbsent          "throttled_absent"                            Any      0  4;
    /// 429, `Retry-After: 0`.
    ThrottledZero            "throttled_zero"                              Any      0  4;
    /// 429 with seconds.
    ThrottledSeconds         "throttled_seconds"                           Any      0  4;
    /// 429 with a fraction of a second.
    ThrottledFractional      "throttled_fractional"                        Any      0  3;
    /// 429 with a negative number.
    ThrottledNegative        "throttled_negative"                          Any      0  3;
    /// 429 with nonsense.
    ThrottledGarbage         "throttled_garbage"                           Any      0  3;
    /// 429 with a date that is over.
    ThrottledDatePast        "throttled_date_past"                         Any      0  3;
    /// 429 with a date to come.
    ThrottledDateFuture      "throttled_date_future"                       Any      0  3;
    /// 429 with 10^9 s. Whoever believes an hour of it stands still for an hour: never drawn.
    ThrottledHuge            "throttled_huge"                              Any      0  0;
    /// 401 for good credentials.
    Unauthorized             "unauthorized"                                Any      0  8;
    /// A late answer.
    Slow                     "slow"                                        Any      0 30;
    /// An answer in drops.
    Drip                     "drip"                                        Body     0 10;
    /// An answer that is cut off.
    Truncated                "truncated"                                   Body     0  8;
    /// An answer that never ends.
    Endless                  "endless"                                     Body     0  3;
    /// A page instead of an answer.
    Html                     "html"                                        Body     0  7;
    /// No body.
    Empty                    "empty"                                       Body     0  6;
    /// An answer about somebody else.
    Foreign                  "foreign"                                     Body     0  8;
    /// An answer to another kind of call.
    AnotherAnswer            "another_answer"                              Body     0  4;
    /// The remote is down for a while.
    Restart                  "restart"                                     Any      0  1;
    /// A token that stops working early.
    TokenExpiresEarly        "token_expires_early"                         Token    0 200;
    /// `expires_in` of 0.
    TokenLifeZero            "token_life_zero"                             Token    0 120;
    /// No `expires_in`.
    TokenLifeAbsent          "token_life_absent"                           Token    0 120;
    /// `expires_in` as a string.
    TokenLifeText            "token_life_text"                             Token    0 120;
}

impl FaultKind {
    /// Does it make sense with this remote? Only there it is drawn.
    #[must_use]
    pub const fn fits(self, remote: Remote) -> bool {
        match self.place() {
            Place::Any => true,
            Place::Body => !matches!(remote, Remote::Oms),
            Place::Graphql => matches!(remote, Remote::BuyWithPrime),
            Place::Token => matches!(remote, Remote::Token),
            Place::Acting => !matches!(remote, Remote::Token),
            Place::Late => matches!(remote, Remote::BuyWithPrime | Remote::Refunds),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
