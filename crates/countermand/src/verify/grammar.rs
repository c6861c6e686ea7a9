//! Which entries may follow which, beyond what the fold proves.

use std::collections::BTreeMap;

use countermand_core::cancellation::State;
use countermand_core::cancellation::input::{Done, Input, Mutation};

type Fault = (&'static str, String);

/// Reads a history entry by entry.
#[derive(Default)]
pub(super) struct Grammar {
    /// The newest intent of each mutation.
    newest: BTreeMap<Mutation, u32>,
    intents: u64,
}

impl Grammar {
    /// How many intents were seen.
    pub(super) fn intents(&self) -> u64 {
        self.intents
    }

    /// The next entry: every outcome has an intent before it, and intents are counted without gaps.
    pub(super) fn entry(&mut self, seq: u64, accepted: bool, input: &Input) -> Option<Fault> {
        if let Input::IntentRecorded {
            mutation, attempt, ..
        } = input
        {
            if !accepted {
                return Some((
                    "I10",
                    format!("entry {seq} keeps an intent that was not accepted"),
                ));
            }
            return self.intent(seq, mutation, *attempt);
        }
        let (mutation, attempt) = outcome_of(input)?;
        let newest = self.newest.get(&mutation).copied().unwrap_or(0);
        if (1..=newest).contains(&attempt) {
            return None;
        }
        let lane = mutation.lane();
        Some((
            "I10",
            format!("entry {seq} tells of attempt {attempt} of {lane}, which has no intent"),
        ))
    }

    fn intent(&mut self, seq: u64, mutation: &Mutation, attempt: u32) -> Option<Fault> {
        self.intents += 1;
        let newest = self.newest.entry(mutation.clone()).or_default();
        let expected = newest.saturating_add(1);
        *newest = attempt.max(*newest);
        (attempt != expected).then(|| {
            let lane = mutation.lane();
            (
                "I10",
                format!("entry {seq} is attempt {attempt} of {lane}, not attempt {expected}"),
            )
        })
    }
}

/// The attempt that an input tells the outcome of.
fn outcome_of(input: &Input) -> Option<(Mutation, u32)> {
    match input {
        Input::EffectRefused {
            mutation, attempt, ..
        }
        | Input::EffectNotSent {
            mutation, attempt, ..
        }
        | Input::EffectUnknown {
            mutation, attempt, ..
        }
        | Input::Looked {
            mutation, attempt, ..
        } => Some((mutation.clone(), *attempt)),
        Input::EffectDone(Done::CancelOrder { attempt, .. }) => {
            Some((Mutation::CancelOrder, *attempt))
        }
        Input::EffectDone(Done::PayRefund {
            refund_id, attempt, ..
        }) => {
            let refund_id = refund_id.clone();
            Some((Mutation::PayRefund { refund_id }, *attempt))
        }
        Input::EffectDone(Done::ReportRefund {
            refund_id, attempt, ..
        }) => {
            let refund_id = refund_id.clone();
            Some((Mutation::ReportRefund { refund_id }, *attempt))
        }
        _ => None,
    }
}

/// While an attempt is open, an older one can only turn out to be done: every other outcome of it
/// is evidence, and must not have been accepted.
pub(super) fn settled_by_another(seq: u64, state: &State, input: &Input) -> Option<Fault> {
    if matches!(input, Input::EffectDone(_) | Input::IntentRecorded { .. }) {
        return None;
    }
    let (mutation, attempt) = outcome_of(input)?;
    let case = &state.case;
    let refund = |id| case.refunds.get(id);
    let attempts = match &mutation {
        Mutation::CancelOrder => Some(&case.cancel),
        Mutation::PayRefund { refund_id } => refund(refund_id).map(|refund| &refund.pay),
        Mutation::ReportRefund { refund_id } => refund(refund_id).map(|refund| &refund.report),
    };
    let open = attempts?.open.as_ref()?.attempt;
    (open != attempt).then(|| {
        let lane = mutation.lane();
        let detail = format!(
            "entry {seq} settles attempt {open} of {lane} by an outcome of attempt {attempt}"
        );
        ("I12", detail)
    })
}
