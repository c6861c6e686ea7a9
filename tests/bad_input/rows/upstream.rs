//! What remote services may answer.

use crate::rows::row;
use crate::table::Chapter;

pub(crate) fn chapter() -> Chapter {
    Chapter {
        title: "Answers of remote services",
        intro: "On a read, an answer that is none is retried with backoff. On a mutation there are four outcomes:\n\
                done, refused, not sent, and *unknown*, which is whatever is not one of the others for certain.\n\
                After *unknown* nothing is sent before a look.",
        rows: vec![
            row!("U1", "nothing, `{}`, `[]`, `null`, HTML, cut off, 2 MiB, without end", "a read is retried; a mutation is unknown", elsewhere "crates/buy-with-prime/tests/client/faults.rs" "answers_that_are_none" "answers_without_end_are_cut" "no_answer_or_half_an_answer"),
            row!("U2", "`{\"data\": null}`, `{\"data\": {\"cancelOrder\": null}}` without errors", "retried; unknown", elsewhere "crates/buy-with-prime/tests/client/faults.rs" "answers_that_are_none"),
            row!("U3", "data and errors together", "the error wins on a read; unknown on a mutation: a look decides", elsewhere "crates/buy-with-prime/tests/client/errors.rs" "classes_of_errors" "classes_of_errors_on_a_read"),
            row!("U4", "`ValidationError`", "refused, and settled by a read begun after the visibility lag", elsewhere "crates/core/tests/lifecycle/attempts.rs" "a_refusal_settles_only_after_the_lag"),
            row!("U5", "`AccessDeniedError`", "not sent; counted, then a person", elsewhere "crates/buy-with-prime/tests/client/errors.rs" "classes_of_errors" "classes_of_errors_on_a_read"),
            row!("U6", "`ResourceNotFoundError`", "read again for the patience, then a person", elsewhere "crates/core/tests/lifecycle/precheck.rs" "no_packages_wait_and_ask_for_a_person"),
            row!("U7", "`ConflictError`, `ConflictException`", "retried; unknown", elsewhere "crates/buy-with-prime/tests/client/errors.rs" "classes_of_errors"),
            row!("U8", "`ThrottlingError`, 429", "not sent, where that is certain; `Retry-After` is kept to, for an hour at most", elsewhere "crates/buy-with-prime/tests/client/faults.rs" "statuses" "waits_are_passed_on"),
            row!("U9", "`InternalServerError`, 5xx", "retried; unknown", elsewhere "crates/buy-with-prime/tests/client/faults.rs" "statuses"),
            row!("U10", "errors without a class, with one as text, with numbers as text", "read leniently; unknown where not certain", elsewhere "crates/buy-with-prime/tests/client/errors.rs" "classes_of_errors"),
            row!("U11", "a state, reason, unit or currency that is not known", "kept as it is; nothing is guessed from it", elsewhere "crates/buy-with-prime/src/order/tests.rs" "unknown_and_missing_values_are_kept_as_such"),
            row!("U12", "another order's data, another alias, another target", "the read is no answer; the mutation is unknown", elsewhere "crates/buy-with-prime/tests/client/errors.rs" "answers_about_something_else"),
            row!("U13", "money as text, in fractions of cents, NaN, negative, too large, in another currency", "no amount: a person is asked; 0 is nothing to pay", elsewhere "crates/buy-with-prime/tests/client/amounts.rs" "unsound_amounts_are_no_amounts" "a_number_that_is_none_spoils_the_whole_answer"),
            row!("U14", "refunds as a list or one object; refunds that vanish between two reads", "both are read; what is known stays known", elsewhere "crates/buy-with-prime/src/order/tests.rs" "refunds_in_either_shape"),
            row!("U15", "our cancellation missing, twice, one REJECTED and one SUCCESS", "by our alias; any SUCCESS decides", elsewhere "crates/core/tests/lifecycle/verdict.rs" "any_success_decides_and_then_any_pending" "an_accepted_attempt_is_never_disbelieved"),
            row!("U16", "the provider pays another amount or currency, or twice", "a person; never \"close enough\"", elsewhere "crates/core/tests/lifecycle/refunds/paying.rs" "a_payout_of_another_amount_is_for_a_person"),
            row!("U17", "a payout that is pending, then fails days later", "polled until it is final; a retry pays under a new key, after a look", elsewhere "crates/core/tests/lifecycle/refunds/paying.rs" "a_pending_payout_is_watched_and_a_part_of_it_reported" "a_definite_failure_wants_a_person_and_then_a_new_key"),
            row!("U18", "the OMS: 200 with an error in it, 202, 409", "delivered: any 2xx, and 409, which says that it has it already", elsewhere "crates/countermand/src/http/tests.rs" "answers_of_the_oms"),
        ],
    }
}
