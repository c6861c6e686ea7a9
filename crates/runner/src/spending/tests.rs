//! The ledger of what is spent, by cases.

use super::*;

fn usd(amount: &str) -> Money {
    Money::parse(amount, "USD").unwrap()
}

fn spend(amount: &str, currency: &str) -> Spend {
    Spend {
        key: "refund:1".to_owned(),
        amount: Money::parse(amount, currency).unwrap(),
    }
}

fn id(number: u64) -> InstanceId {
    InstanceId::new(format!("c-{number}")).unwrap()
}

/// So many seconds into the process, by both clocks.
fn at(seconds: u64) -> Now {
    by(i64::try_from(seconds).unwrap(), seconds)
}

fn by(wall: i64, mono: u64) -> Now {
    Now {
        at: Timestamp::from_millis(1_800_000_000_000 + wall * 1000),
        mono: Duration::from_secs(mono),
    }
}

fn per_hour(limit: u64) -> SpendLimits {
    SpendLimits {
        payments_per_hour: Some(limit),
        amount_per_day: Vec::new(),
    }
}

fn per_day(limits: &[Money]) -> SpendLimits {
    SpendLimits {
        payments_per_hour: None,
        amount_per_day: limits.to_vec(),
    }
}

fn take(ledger: &mut Ledger, number: u64, amount: &str, limits: &SpendLimits, now: Now) -> bool {
    let spend = spend(amount, "USD");
    ledger.take((&id(number), &spend), limits, now).is_ok()
}

#[test]
fn a_window_holds_as_many_as_the_limit_and_moves_on() {
    let limits = per_hour(200);
    let mut ledger = Ledger::default();
    for number in 0..200 {
        assert!(
            take(&mut ledger, number, "1", &limits, at(number)),
            "{number}"
        );
    }
    let one = spend("1", "USD");
    let full = ledger.take((&id(200), &one), &limits, at(300)).unwrap_err();
    assert_eq!(full.room_at, Some(at(3600).at), "when the first one leaves");
    assert_eq!(
        full.to_string(),
        "200 payouts were begun within the last hour, and the limit is 200 an hour; \
         there is room again at 2027-01-15T09:00:00.000Z"
    );
    assert!(!take(&mut ledger, 200, "1", &limits, at(3599)), "not yet");
    assert!(
        take(&mut ledger, 200, "1", &limits, at(3600)),
        "an hour is over"
    );
    assert!(
        !take(&mut ledger, 201, "1", &limits, at(3600)),
        "and one place was free"
    );
    assert!(take(&mut ledger, 201, "1", &limits, at(3601)));
}

#[test]
fn the_same_payment_counts_once_from_its_newest_attempt_on() {
    let limits = per_hour(2);
    let mut ledger = Ledger::default();
    assert!(take(&mut ledger, 1, "1", &limits, at(0)));
    assert!(take(&mut ledger, 2, "1", &limits, at(10)));
    for seconds in (20..3000).step_by(100) {
        assert!(
            take(&mut ledger, 1, "1", &limits, at(seconds)),
            "in doubt, again"
        );
    }
    assert!(
        !take(&mut ledger, 3, "1", &limits, at(3605)),
        "it may have been sent of late"
    );
    assert!(
        take(&mut ledger, 3, "1", &limits, at(3610)),
        "the second one has left"
    );
    let anew = Spend {
        key: "refund:2".to_owned(),
        ..spend("1", "USD")
    };
    let again = ledger.take((&id(1), &anew), &limits, at(3620));
    assert!(again.is_err(), "a new key is another payment");
}

#[test]
fn amounts_are_exact_and_kept_apart_by_currency() {
    let limits = per_day(&[usd("0.3"), Money::parse("5", "EUR").unwrap()]);
    let mut ledger = Ledger::default();
    assert!(take(&mut ledger, 1, "0.1", &limits, at(0)));
    assert!(
        take(&mut ledger, 2, "0.2", &limits, at(60)),
        "to the limit itself"
    );
    let least = spend("0.00000000000000000001", "USD");
    let full = ledger.take((&id(3), &least), &limits, at(70)).unwrap_err();
    assert_eq!(
        full.to_string(),
        "0.3 USD were paid within the last 24 hours, and the limit is 0.3 USD a day; \
         there is room again at 2027-01-16T08:00:00.000Z"
    );
    let euros = spend("5.00", "EUR");
    assert!(ledger.take((&id(4), &euros), &limits, at(70)).is_ok());
    let yen = spend("900000", "JPY");
    assert!(
        ledger.take((&id(5), &yen), &limits, at(70)).is_ok(),
        "without a limit"
    );
    let much = spend("0.25", "USD");
    let full = ledger.take((&id(6), &much), &limits, at(70)).unwrap_err();
    assert_eq!(full.room_at, Some(at(60 + 86_400).at), "both have to leave");
    let more = spend("0.31", "USD");
    let full = ledger.take((&id(6), &more), &limits, at(70)).unwrap_err();
    assert_eq!(full.room_at, None, "never");
    assert!(!take(&mut ledger, 6, "0.1", &limits, at(86_399)));
    assert!(take(&mut ledger, 6, "0.1", &limits, at(86_400)));
}

#[test]
fn of_two_limits_for_a_currency_the_lower_one_holds() {
    let limits = per_day(&[usd("10"), usd("2")]);
    let mut ledger = Ledger::default();
    assert!(!take(&mut ledger, 1, "3", &limits, at(0)));
    assert!(take(&mut ledger, 1, "2", &limits, at(0)));
}

#[test]
fn nothing_is_paid_under_a_limit_of_nothing() {
    let one = spend("0.01", "USD");
    for limits in [per_hour(0), per_day(&[usd("0")])] {
        let mut ledger = Ledger::default();
        let full = ledger.take((&id(1), &one), &limits, at(0)).unwrap_err();
        assert_eq!(full.room_at, None);
        assert!(
            full.to_string().ends_with("before the limit is raised"),
            "{full}"
        );
    }
}

#[test]
fn sums_that_cannot_be_kept_leave_no_room() {
    let most = "79228162514264337593543950335";
    let limits = per_day(&[usd(most)]);
    let mut ledger = Ledger::default();
    assert!(take(&mut ledger, 1, most, &limits, at(0)));
    assert!(!take(&mut ledger, 2, most, &limits, at(0)));
}

#[test]
fn what_is_given_back_is_as_if_it_had_never_been() {
    let limits = per_hour(1);
    let mut ledger = Ledger::default();
    let one = spend("1", "USD");
    let before = ledger.take((&id(1), &one), &limits, at(0)).unwrap();
    ledger.give_back(&id(1), &one.key, before);
    let before = ledger.take((&id(2), &one), &limits, at(1)).unwrap();
    assert_eq!(before, None);
    // A second attempt that was not made leaves the place of the first one.
    let before = ledger.take((&id(2), &one), &limits, at(3000)).unwrap();
    ledger.give_back(&id(2), &one.key, before);
    assert!(take(&mut ledger, 3, "1", &limits, at(3601)));
}

#[test]
fn the_wall_clock_makes_no_room_and_takes_none() {
    let limits = per_hour(1);
    for jump in [-86_400 * 3650, -3600, 7200, 86_400 * 3650] {
        let mut ledger = Ledger::default();
        assert!(take(&mut ledger, 1, "1", &limits, at(0)));
        assert!(
            !take(&mut ledger, 2, "1", &limits, by(jump, 3599)),
            "{jump}"
        );
        assert!(take(&mut ledger, 2, "1", &limits, by(jump, 3600)), "{jump}");
    }
}

#[test]
fn what_earlier_incarnations_spent_counts_by_its_age() {
    let limits = per_hour(2);
    let mut ledger = Ledger::default();
    let now = by(10_000, 5);
    let old = by(10_000 - 3000, 0).at;
    ledger.remember(id(1), spend("1", "USD"), by(10_000 - 3599, 0).at, now);
    ledger.remember(id(1), spend("1", "USD"), old, now);
    // Written while the clock was ahead: as if it were new.
    ledger.remember(id(2), spend("1", "USD"), by(99_999, 0).at, now);
    assert!(!take(&mut ledger, 3, "1", &limits, now));
    assert!(!take(&mut ledger, 3, "1", &limits, by(10_000, 5 + 599)));
    assert!(take(&mut ledger, 3, "1", &limits, by(10_000, 5 + 600)));
    assert!(!take(&mut ledger, 4, "1", &limits, by(10_000, 5 + 3599)));
    assert!(take(&mut ledger, 4, "1", &limits, by(10_000, 5 + 3600)));
}
