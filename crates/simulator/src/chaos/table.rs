//! Which fault a call draws.

use std::time::Duration;

use crate::pace::{Pace, Span};
use crate::seeded::Seed;

use super::{Beside, Chaos, ErrorClass, Fault, FaultKind, Remote, RetryAfter};

/// What happens to the `call`-th call (counted from 0) of a remote.
#[must_use]
pub fn fault(seed: u64, chaos: Chaos, remote: Remote, call: u64, pace: &Pace) -> Fault {
    let call = call.to_string();
    let draw = Draw {
        seed: Seed::new(seed),
        remote: remote.name(),
        call: &call,
    };
    let mut drawn = draw.below("fault", 1_000);
    for kind in FaultKind::ALL.iter().filter(|kind| kind.fits(remote)) {
        match drawn.checked_sub(kind.per_mille(chaos)) {
            Some(rest) => drawn = rest,
            None => return draw.details(*kind, pace),
        }
    }
    Fault::None
}

/// The draws that belong to one call.
#[derive(Clone, Copy)]
struct Draw<'a> {
    seed: Seed,
    remote: &'a str,
    call: &'a str,
}

/// Statuses of a server, or of somebody before it, that failed.
const FAILURES: [u16; 3] = [500, 502, 504];

/// What a remote can say that did not act. Not `ValidationError`: that would be a decision, and no
/// remote decides like this by accident.
const HONEST_BEFORE: [ErrorClass; 6] = [
    ErrorClass::Throttling,
    ErrorClass::InternalServer,
    ErrorClass::InternalServerOldForm,
    ErrorClass::AccessDenied,
    ErrorClass::Conflict,
    ErrorClass::Unclassified,
];

/// What a remote can say that acted: the others are promises that it did not.
const HONEST_AFTER: [ErrorClass; 4] = [
    ErrorClass::InternalServer,
    ErrorClass::InternalServerOldForm,
    ErrorClass::Conflict,
    ErrorClass::Unclassified,
];

/// What can stand beside data: nobody can take it for a promise.
const BESIDE_DATA: [ErrorClass; 5] = [
    ErrorClass::InternalServer,
    ErrorClass::Throttling,
    ErrorClass::AccessDenied,
    ErrorClass::Conflict,
    ErrorClass::Unclassified,
];

const NO_DATA: [Beside; 3] = [Beside::Nothing, Beside::NullData, Beside::NullFields];

impl Draw<'_> {
    fn below(self, what: &str, choices: u64) -> u64 {
        self.seed.below(choices, &[what, self.remote, self.call])
    }

    fn one_of<T: Copy + Default>(self, what: &str, choices: &[T]) -> T {
        let index = self.below(what, choices.len() as u64);
        usize::try_from(index)
            .ok()
            .and_then(|index| choices.get(index))
            .copied()
            .unwrap_or_default()
    }

    fn ms(self, what: &str, span: Span) -> u64 {
        millis(span.draw(self.seed, &[what, self.remote, self.call]))
    }

    fn details(self, kind: FaultKind, pace: &Pace) -> Fault {
        use FaultKind as Kind;
        let throttled = |retry_after| Fault::Throttled { retry_after };
        let late = |hang| Fault::LateEffect {
            after_ms: self.ms("late", pace.late_effect),
            hang,
        };
        match kind {
            Kind::RequestLost => Fault::RequestLost,
            Kind::AnswerLost => Fault::AnswerLost,
            Kind::ResetBeforeEffect => Fault::ResetBeforeEffect,
            Kind::ResetAfterEffect => Fault::ResetAfterEffect,
            Kind::NeverAnswered => Fault::NeverAnswered,
            Kind::NeverAnsweredAfterEffect => Fault::NeverAnsweredAfterEffect,
            Kind::LateEffectClosed => late(false),
            Kind::LateEffectHanging => late(true),
            Kind::Unavailable => Fault::Unavailable,
            Kind::ErrorBeforeEffect => Fault::ErrorBeforeEffect {
                status: self.one_of("status", &FAILURES),
            },
            Kind::ErrorAfterEffect => Fault::ErrorAfterEffect {
                status: self.one_of("status", &FAILURES),
            },
            Kind::GraphqlErrorBeforeEffect => Fault::GraphqlErrorBeforeEffect {
                class: self.one_of("class", &HONEST_BEFORE),
                beside: self.one_of("beside", &NO_DATA),
            },
            Kind::GraphqlErrorAfterEffect => Fault::GraphqlErrorAfterEffect {
                class: self.one_of("class", &HONEST_AFTER),
                beside: self.one_of("beside", &NO_DATA),
            },
            Kind::GraphqlErrorBesideData => Fault::GraphqlErrorAfterEffect {
                class: self.one_of("class", &BESIDE_DATA),
                beside: Beside::Data,
            },
            Kind::ThrottledAbsent => throttled(RetryAfter::Absent),
            Kind::ThrottledZero => throttled(RetryAfter::Zero),
            Kind::ThrottledSeconds => throttled(RetryAfter::Seconds(1)),
            Kind::ThrottledFractional => throttled(RetryAfter::Fractional),
            Kind::ThrottledNegative => throttled(RetryAfter::Negative),
            Kind::ThrottledGarbage => throttled(RetryAfter::Garbage),
            Kind::ThrottledDatePast => throttled(RetryAfter::DatePast),
            Kind::ThrottledDateFuture => throttled(RetryAfter::DateFuture(1)),
            Kind::ThrottledHuge => throttled(RetryAfter::Huge),
            Kind::Unauthorized => Fault::Unauthorized,
            Kind::Slow => Fault::Slow {
                delay_ms: self.ms("slow", pace.slow_answer),
            },
            Kind::Drip => Fault::Drip {
                for_ms: self.ms("drip", pace.drip),
            },
            Kind::Truncated => Fault::Truncated,
            Kind::Endless => Fault::Endless,
            Kind::Html => Fault::Html,
            Kind::Empty => Fault::Empty,
            Kind::Foreign => Fault::Foreign,
            Kind::AnotherAnswer => Fault::AnotherAnswer,
            Kind::Restart => Fault::Restart {
                down_ms: self.ms("down", pace.downtime),
                acts: self.below("acts", 2) == 1,
            },
            Kind::TokenExpiresEarly => Fault::TokenExpiresEarly {
                after_ms: self.ms("early", pace.early_expiry),
            },
            Kind::TokenLifeZero => Fault::TokenLifeZero,
            Kind::TokenLifeAbsent => Fault::TokenLifeAbsent,
            Kind::TokenLifeText => Fault::TokenLifeText,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
