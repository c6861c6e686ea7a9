//! What every store must do, case by case.
//!
//! A store proves itself by passing each named case; [`conformance_tests!`](crate::conformance_tests)
//! makes a test of each. The cases are proved themselves: stores with a planted bug fail at least
//! one of them (`tests/planted_bugs.rs` of this crate).
//!
//! ```ignore
//! countermand_store::conformance_tests!(my_store, MyFixture::new());
//! ```

mod bench;
mod claims;
mod events;
mod forms;
mod guards;
mod journal;
mod listings;
mod restarts;
mod saves;
mod starts;

use std::pin::Pin;

pub use bench::{Bench, Failure, Fixture, ManualClock, Outcome};

use crate::Error;

/// Every case, by category, handed to the macro named first, after the tokens in brackets.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_conformance_case {
    ([$($then:tt)+], [$($with:tt)*]) => {
        $($then)+! { [$($with)*]
            start: starts {
                a_started_instance_is_stored_whole,
                its_opening_entries_are_its_history,
                a_live_instance_of_the_subject_stands_against_it,
                an_external_id_stands_against_it_for_ever,
                the_external_id_is_named_before_the_subject,
                another_kind_or_scope_is_another_subject,
                whoever_saw_the_finished_ones_may_start_again,
                whoever_missed_a_finished_one_conflicts,
                of_two_starts_in_a_batch_the_first_wins,
                of_two_external_ids_in_a_batch_the_first_wins,
                a_start_sees_an_end_earlier_in_its_batch,
                the_same_start_again_is_answered_as_before,
                an_id_in_use_is_refused,
                a_start_without_an_entry_is_refused,
                a_start_that_fails_leaves_nothing,
            }
            claim: claims {
                what_is_most_overdue_comes_first,
                what_is_not_due_waits_and_says_when,
                a_claim_keeps_to_its_limit,
                what_is_held_is_not_claimed,
                what_is_held_is_not_due_next,
                a_claim_keeps_to_its_kind,
                what_is_finished_is_never_due,
                claimed_rows_carry_the_claimers_epoch,
                an_open_intent_of_an_earlier_incarnation_is_due_at_once,
                an_open_intent_of_this_incarnation_waits,
                a_claim_of_nothing_says_when,
                many_held_rows_hide_nobody,
            }
            save: saves {
                a_save_replaces_the_body,
                a_save_leaves_what_an_instance_is,
                entries_are_appended_without_gaps,
                each_hash_covers_the_entry_and_the_one_before,
                a_schedule_moves_the_due_time_alone,
                a_schedule_is_a_decision,
                finishing_takes_its_time_from_the_entry,
                finishing_takes_an_entry,
                a_finished_instance_stays_finished,
                late_facts_are_appended_to_a_finished_instance,
                an_outcome_means_finished,
                a_missing_instance_is_missing,
                the_same_save_again_is_answered_as_before,
                an_operation_id_is_used_once,
                answers_come_in_order,
                one_batch_writes_an_instance_once,
                an_external_id_can_come_later,
                an_external_id_that_is_taken_is_refused,
                entries_follow_each_other,
                an_empty_batch_is_answered,
            }
            conflict: guards {
                a_fact_on_an_old_revision_conflicts,
                a_decision_on_an_old_revision_conflicts,
                a_schedule_on_an_old_revision_conflicts,
                a_foreign_head_conflicts,
                a_conflict_changes_nothing,
                the_others_of_the_batch_are_written,
            }
            lease_lost: guards {
                a_decision_of_an_earlier_epoch_is_lost,
                a_decision_of_a_later_epoch_is_lost,
                a_schedule_of_an_earlier_epoch_is_lost,
                a_lost_lease_comes_before_a_conflict,
                a_lost_lease_changes_nothing,
            }
            evidence: guards {
                a_fact_needs_no_lease,
                rejected_evidence_has_its_entry,
                rejected_evidence_changes_no_phase,
                epochs_never_fall,
                no_epoch_is_ahead_of_the_store,
                the_rows_epoch_is_the_newest_entrys,
            }
            inbox: events {
                an_applied_event_is_stored_with_its_write,
                an_event_comes_back_as_it_came,
                a_known_fact_makes_the_write_a_duplicate,
                a_duplicate_counts_its_delivery,
                a_fact_under_another_transport_key_is_known,
                another_fact_under_the_same_transport_key_is_new,
                a_known_fact_starts_nothing,
                facts_are_known_with_their_instance,
                a_kept_event_is_no_known_fact,
                a_kept_event_can_be_applied_later,
                a_repeated_kept_event_is_counted,
                events_without_keys_are_all_stored,
                a_fact_of_a_failed_write_is_not_known,
                of_two_writes_with_one_fact_the_first_applies_it,
                an_applied_event_is_not_merely_kept,
                the_newest_event_comes_first,
            }
            listing: listings {
                the_newest_instance_comes_first,
                a_listing_keeps_to_kind_phase_and_subject,
                a_listing_ends_before_a_time,
                a_listing_keeps_to_each_status,
                a_look_up_finds_the_living_and_the_finished,
                a_look_up_finds_by_external_id,
                loading_keeps_the_order_asked_for,
                a_history_is_read_from_where_one_was,
                what_was_spent_is_told_by_kind_and_time,
                counts_are_counted,
                the_head_covers_every_history,
            }
            journal: journal {
                the_journal_has_every_entry_once_in_the_order_of_writing,
                a_row_is_never_behind_the_journal,
            }
            paging: listings {
                pages_join_without_a_gap,
                the_last_page_knows_that_it_is,
                pages_are_not_disturbed_by_newcomers,
                pages_keep_to_their_filter,
            }
            versions: forms {
                each_entry_keeps_the_version_that_wrote_it,
                a_state_comes_back_byte_for_byte,
                any_json_is_a_state,
            }
            poison_row: forms {
                a_state_that_is_no_json_is_refused_alone,
                an_input_that_is_no_json_is_refused_alone,
                a_nul_character_is_refused_alone,
                a_number_out_of_range_is_refused_alone,
                a_refused_write_leaves_nothing,
            }
            restart: restarts {
                each_start_takes_the_next_incarnation,
                everything_is_still_there,
                facts_and_operations_are_still_known,
                the_pause_stands_until_it_is_lifted,
            }
            time: restarts {
                time_follows_the_clock,
                time_never_goes_back,
                time_does_not_go_back_over_a_restart,
                the_time_of_an_event_counts,
                a_due_time_is_no_time_that_was,
                a_rows_last_change_never_falls,
            }
        }
    };
}

/// The answer of a case that is under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// One case.
pub struct Case<F: Fixture> {
    /// The rule's category.
    pub category: &'static str,
    /// What must hold, as a sentence.
    pub name: &'static str,
    /// Runs it on a fresh store.
    pub run: for<'a> fn(&'a mut Bench<F>) -> Running<'a>,
}

macro_rules! list {
    ([] $($category:ident: $module:ident { $($name:ident,)* })*) => {
        vec![$($(Case {
            category: stringify!($category),
            name: stringify!($name),
            run: |bench| Box::pin($module::$name(bench)),
        },)*)*]
    };
}

/// Every case.
#[must_use]
pub fn cases<F: Fixture>() -> Vec<Case<F>> {
    crate::for_each_conformance_case!([list], [])
}

/// Runs the case of this name on a fresh store.
///
/// # Errors
/// When the store breaks the rule, or there is no such case.
pub async fn run<F: Fixture>(fixture: F, name: &str) -> Outcome {
    let Some(case) = cases::<F>().into_iter().find(|case| case.name == name) else {
        return Err(Failure::new(format!("there is no case {name}")));
    };
    let mut bench = Bench::open(fixture).await?;
    let outcome = (case.run)(&mut bench).await;
    bench.close().await;
    outcome
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(format!("{error}: {error:?}"))
    }
}

/// Makes a module of tests, one for each case, that run on a fixture given as an expression.
#[macro_export]
macro_rules! conformance_tests {
    ($module:ident, $fixture:expr) => {
        mod $module {
            $crate::for_each_conformance_case!([$crate::conformance_tests], [@each $fixture]);
        }
    };
    ([@each $fixture:expr] $($category:ident: $in:ident { $($name:ident,)* })*) => {
        $(mod $category {
            use super::super::*;

            $(#[tokio::test]
            async fn $name() {
                let outcome = $crate::conformance::run($fixture, stringify!($name)).await;
                if let Err(failure) = outcome {
                    panic!("{failure}");
                }
            })*
        })*
    };
}
