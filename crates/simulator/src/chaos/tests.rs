//! Levels, kinds, and what is drawn.

use std::collections::BTreeSet;

use super::*;
use crate::pace::Pace;

fn run(seed: u64, chaos: Chaos, remote: Remote) -> Vec<Fault> {
    (0..6_000)
        .map(|call| fault(seed, chaos, remote, call, &Pace::quick()))
        .collect()
}

fn count(faults: &[Fault], is: fn(&Fault) -> bool) -> usize {
    faults.iter().filter(|fault| is(fault)).count()
}

#[test]
fn none_means_none() {
    for remote in Remote::ALL {
        assert!(
            run(1, Chaos::None, remote)
                .iter()
                .all(|fault| *fault == Fault::None)
        );
    }
}

#[test]
fn equal_seeds_tell_the_same_story_and_others_another() {
    for remote in Remote::ALL {
        assert_eq!(run(5, Chaos::Heavy, remote), run(5, Chaos::Heavy, remote));
        assert_ne!(run(5, Chaos::Heavy, remote), run(6, Chaos::Heavy, remote));
    }
    assert_ne!(
        run(5, Chaos::Light, Remote::Oms),
        run(5, Chaos::Light, Remote::Refunds)
    );
}

#[test]
fn light_loses_requests_and_answers_and_does_nothing_else() {
    let faults = run(1, Chaos::Light, Remote::BuyWithPrime);
    let lost = count(&faults, |fault| *fault == Fault::RequestLost);
    let unanswered = count(&faults, |fault| *fault == Fault::AnswerLost);
    assert!((150..345).contains(&lost), "{lost}");
    assert!((240..495).contains(&unanswered), "{unanswered}");
    assert_eq!(
        count(&faults, |fault| *fault == Fault::None) + lost + unanswered,
        faults.len()
    );
}

#[test]
fn heavy_does_everything_that_fits_about_as_often_as_the_table_says() {
    for remote in Remote::ALL {
        let faults = run(1, Chaos::Heavy, remote);
        for kind in FaultKind::ALL {
            let struck = faults
                .iter()
                .filter(|fault| fault.kind() == Some(*kind))
                .count();
            let rate = kind.per_mille(Chaos::Heavy);
            if kind.fits(remote) && rate > 0 {
                let most = usize::try_from(rate).unwrap() * 6 * 2 + 10;
                assert!((1..most).contains(&struck), "{remote} {kind}: {struck}");
            } else {
                assert_eq!(struck, 0, "{remote} {kind}");
            }
        }
        assert!(count(&faults, |fault| *fault == Fault::None) > 0);
    }
}

#[test]
fn no_level_strikes_more_than_all_calls() {
    for chaos in [Chaos::None, Chaos::Light, Chaos::Heavy] {
        for remote in Remote::ALL {
            let all: u64 = FaultKind::ALL
                .iter()
                .filter(|kind| kind.fits(remote))
                .map(|kind| kind.per_mille(chaos))
                .sum();
            assert!(all < 900, "{chaos} {remote}: {all}");
        }
    }
}

/// A remote may fail as it likes, but under a seed it does not lie about having acted: a caller
/// that believes "not acted" must not be punished for it.
#[test]
fn nothing_drawn_denies_an_effect() {
    for fault in run(3, Chaos::Heavy, Remote::BuyWithPrime) {
        if let Fault::GraphqlErrorAfterEffect { class, beside } = fault
            && beside != Beside::Data
        {
            assert!(
                matches!(
                    class,
                    ErrorClass::InternalServer
                        | ErrorClass::InternalServerOldForm
                        | ErrorClass::Conflict
                        | ErrorClass::Unclassified
                ),
                "{class:?}"
            );
        }
    }
}

#[test]
fn levels_and_kinds_have_names() {
    for chaos in [Chaos::None, Chaos::Light, Chaos::Heavy] {
        assert_eq!(chaos.to_string().parse(), Ok(chaos));
    }
    assert!("medium".parse::<Chaos>().is_err());
    let names: BTreeSet<_> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), FaultKind::ALL.len());
    for kind in FaultKind::ALL {
        assert_eq!(serde_json::json!(kind), kind.name());
    }
}

#[test]
fn faults_are_named_in_json_by_their_details() {
    let read = |text| serde_json::from_str::<Fault>(text).unwrap();
    assert_eq!(
        read(r#"{"fault":"error_after_effect"}"#),
        Fault::ErrorAfterEffect { status: 500 }
    );
    assert_eq!(
        read(r#"{"fault":"throttled","retryAfter":{"seconds":7}}"#),
        Fault::Throttled {
            retry_after: RetryAfter::Seconds(7)
        }
    );
    assert_eq!(
        read(r#"{"fault":"late_effect","afterMs":5,"hang":true}"#),
        Fault::LateEffect {
            after_ms: 5,
            hang: true
        }
    );
}
