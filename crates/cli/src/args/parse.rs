//! What the values of flags may be.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use countermand::{CancellationReason, InstanceId, Money, Status};
use countermand_simulator::Chaos;

use super::{Amount, Wait};

/// What a person says is something.
pub(super) fn words(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("must not be blank"),
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn chaos() -> impl TypedValueParser<Value = Chaos> {
    PossibleValuesParser::new(["none", "light", "heavy"]).try_map(|text| Chaos::from_str(&text))
}

pub(super) fn reasons() -> impl TypedValueParser<Value = CancellationReason> {
    PossibleValuesParser::new(CancellationReason::ALL.map(CancellationReason::as_str))
        .try_map(|text| CancellationReason::from_str(&text))
}

pub(super) fn statuses() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(["running", "waiting", "attention", "finished"]).map(|text| {
        match &*text {
            "running" => Status::Running,
            "waiting" => Status::Waiting,
            "attention" => Status::Attention,
            _ => Status::Finished,
        }
    })
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; examples are 30s, 5m, 2h"))
}

pub(super) fn wait(text: &str) -> Result<Wait, String> {
    if text == "forever" {
        return Ok(Wait(None));
    }
    duration(text).map(|limit| Wait(Some(limit)))
}

/// Cancellation ids and order ids have one alphabet.
pub(super) fn token(text: &str) -> Result<String, String> {
    InstanceId::new(text)
        .map(|id| id.to_string())
        .map_err(|error| error.to_string())
}

pub(super) fn actor(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty()
        && text.chars().count() <= 64
        && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| "must be 1 to 64 characters without control characters".to_owned())
}

pub(super) fn amount(text: &str) -> Result<Amount, String> {
    let text = text.trim();
    let Some((number, currency)) = text.split_once(char::is_whitespace) else {
        // Any currency will do to see whether the number is sound.
        return Money::parse(text, "USD")
            .map(|_| Amount::Bare(text.to_owned()))
            .map_err(|_| {
                "must be an amount such as \"43.99 USD\", or 43.99 where the refund's currency is known"
                    .to_owned()
            });
    };
    Money::parse(number, currency.trim())
        .map(Amount::Whole)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let whole = Money::parse("43.99", "USD").unwrap();
        assert_eq!(amount("43.99 USD"), Ok(Amount::Whole(whole)));
        assert_eq!(amount(" 43.99  USD "), Ok(Amount::Whole(whole)));
        assert_eq!(amount("43.99"), Ok(Amount::Bare("43.99".to_owned())));
        for wrong in [
            "",
            "AMOUNT",
            "43,99",
            "-1",
            "1e3",
            "43.99USD",
            "USD 43.99",
            "$43.99",
        ] {
            let told = amount(wrong).unwrap_err();
            assert!(told.contains("43.99"), "{wrong}: {told}");
        }
    }
}
