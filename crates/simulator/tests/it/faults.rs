//! Every kind of fault, forced, over real HTTP: what the caller sees, what the books say, and what
//! was counted.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use countermand_simulator::{
    Aim, Beside, ErrorClass, Fault, FaultKind, Operation, Remote, RetryAfter, Scenario,
};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{CANCEL, Caller, ORDER_QUERY, cancellation, eventually, payout};

/// Longer than anything that is answered at all takes.
const NEVER: Duration = Duration::from_millis(300);

fn cancel_body(order: &str, alias: &str) -> String {
    json!({
        "query": CANCEL,
        "variables": {
            "by": { "orderId": order },
            "input": { "aliases": [{ "aliasId": alias, "aliasType": "EXT_CANCEL_ID" }] }
        }
    })
    .to_string()
}

fn read_body(order: &str) -> String {
    json!({ "query": ORDER_QUERY, "variables": { "by": { "orderId": order } } }).to_string()
}

/// What became of a call.
#[derive(Debug)]
enum Seen {
    Answer(StatusCode, String),
    /// A status came, and then not the whole body.
    Broken(StatusCode),
    Lost,
    Silence,
}

async fn look(sending: impl Future<Output = reqwest::Result<Response>>) -> Seen {
    let Ok(answered) = tokio::time::timeout(NEVER, sending).await else {
        return Seen::Silence;
    };
    let Ok(answer) = answered else {
        return Seen::Lost;
    };
    let status = answer.status();
    match tokio::time::timeout(NEVER, answer.text()).await {
        Ok(Ok(text)) => Seen::Answer(status, text),
        _ => Seen::Broken(status),
    }
}

struct Struck {
    caller: Caller,
    order: String,
    seen: Seen,
}

impl Struck {
    fn has_effect(&self) -> bool {
        let cancels = self.caller.simulator.ledger().cancels;
        cancels.iter().any(|call| call.accepted)
    }

    fn json(&self) -> Value {
        match &self.seen {
            Seen::Answer(StatusCode::OK, text) => serde_json::from_str(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

/// A `cancelOrder` that is struck, beside reads that are not. What was counted is checked here.
async fn strike(fault: Fault, effect: bool) -> Struck {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::NeverDecides);
    let simulator = &caller.simulator;
    simulator.force_on(Remote::BuyWithPrime, Operation::CancelOrder, fault, 1);
    caller.see(&order).await;
    let seen = look(caller.post(cancel_body(&order, "a"))).await;
    let struck = Struck {
        caller,
        order,
        seen,
    };
    assert_eq!(struck.has_effect(), effect, "{fault:?} {:?}", struck.seen);
    let kind = fault.kind().unwrap();
    let counters = struck.caller.simulator.counters();
    let counted = counters.struck(kind);
    assert_eq!(
        (counted.reads, counted.mutations, counted.with_effect),
        (0, 1, u64::from(effect)),
        "{fault:?}"
    );
    let ledger = struck.caller.simulator.ledger();
    assert_eq!(ledger.requests[&Remote::BuyWithPrime].struck(kind), counted);
    // And nothing else was.
    let all: u64 = FaultKind::ALL
        .iter()
        .map(|kind| counters.struck(*kind).calls())
        .sum();
    assert_eq!(all, 1, "{fault:?}");
    struck
}

#[tokio::test]
async fn connections_that_end_without_an_answer() {
    for (fault, effect) in [
        (Fault::RequestLost, false),
        (Fault::AnswerLost, true),
        (Fault::ResetBeforeEffect, false),
        (Fault::ResetAfterEffect, true),
    ] {
        let struck = strike(fault, effect).await;
        assert!(matches!(struck.seen, Seen::Lost), "{fault:?}");
        // The next call is answered again.
        let seen = struck.caller.see(&struck.order).await;
        assert_eq!(*cancellation(&seen) != Value::Null, effect);
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_and_an_end_is_an_end() {
    let caller = Caller::quick().await;
    let url: reqwest::Url = caller.simulator.endpoints().oms.parse().unwrap();
    for (fault, expected) in [
        (Fault::RequestLost, Ok(0)),
        (
            Fault::ResetBeforeEffect,
            Err(std::io::ErrorKind::ConnectionReset),
        ),
    ] {
        caller.simulator.force(Remote::Oms, fault, 1);
        let address = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let read = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream
                .write_all(b"POST /oms HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx")
                .unwrap();
            stream.read(&mut [0; 16]).map_err(|error| error.kind())
        });
        assert_eq!(read.await.unwrap(), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn silence() {
    for (fault, effect) in [
        (Fault::NeverAnswered, false),
        (Fault::NeverAnsweredAfterEffect, true),
    ] {
        let struck = strike(fault, effect).await;
        assert!(matches!(struck.seen, Seen::Silence), "{fault:?}");
        // The caller has hung up, and nothing is open any more.
        eventually(async || (struck.caller.simulator.open_mutations() == 0).then_some(())).await;
    }
}

#[tokio::test]
async fn open_mutations_are_counted_while_they_are_open() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::NeverDecides);
    let simulator = &caller.simulator;
    assert_eq!(simulator.open_mutations(), 0);
    simulator.force_on(Remote::BuyWithPrime, Aim::READS, Fault::NeverAnswered, 1);
    simulator.force_on(
        Remote::BuyWithPrime,
        Aim::MUTATIONS,
        Fault::NeverAnswered,
        1,
    );
    let slow = Fault::Slow { delay_ms: 60_000 };
    simulator.force(Remote::Refunds, slow, 1);
    let all = async {
        let pay = caller.pay("k", &order, "r", "1.00");
        let _ = tokio::join!(
            caller.post(cancel_body(&order, "a")),
            caller.post(read_body(&order)),
            pay
        );
    };
    let counted = eventually(async || {
        let open = simulator.counters().open_mutations;
        (open == 2).then_some(open)
    });
    tokio::select! {
        biased;
        () = all => panic!("answered"),
        _ = counted => {}
    }
    // Its caller gone, none of them is open.
    eventually(async || (simulator.open_mutations() == 0).then_some(())).await;
}

#[tokio::test]
async fn late_effects_come_later() {
    for hang in [false, true] {
        let fault = Fault::LateEffect {
            after_ms: 600,
            hang,
        };
        // Nothing yet.
        let struck = strike(fault, false).await;
        match struck.seen {
            Seen::Silence => assert!(hang),
            Seen::Lost => assert!(!hang),
            other => panic!("{other:?}"),
        }
        let simulator = &struck.caller.simulator;
        assert_eq!(simulator.counters().late_effects_to_come, 1);
        eventually(async || struck.has_effect().then_some(())).await;
        eventually(async || (simulator.counters().late_effects_to_come == 0).then_some(())).await;
        let counted = simulator.counters().struck(fault.kind().unwrap());
        assert_eq!((counted.mutations, counted.with_effect), (1, 1));
        let seen = struck.caller.see(&struck.order).await;
        assert_eq!(cancellation(&seen)["aliases"][0]["aliasId"], "a");
    }
}

#[tokio::test]
async fn http_errors_before_and_after_the_effect() {
    for status in [500, 502, 504] {
        for (fault, effect) in [
            (Fault::ErrorBeforeEffect { status }, false),
            (Fault::ErrorAfterEffect { status }, true),
        ] {
            let struck = strike(fault, effect).await;
            let Seen::Answer(seen, text) = &struck.seen else {
                panic!("{:?}", struck.seen);
            };
            assert_eq!(seen.as_u16(), status);
            assert_eq!(text.contains("<html>"), status != 500);
        }
    }
    let struck = strike(Fault::Unavailable, false).await;
    assert!(matches!(
        struck.seen,
        Seen::Answer(StatusCode::SERVICE_UNAVAILABLE, _)
    ));
    let struck = strike(Fault::Unauthorized, false).await;
    assert!(matches!(
        struck.seen,
        Seen::Answer(StatusCode::UNAUTHORIZED, _)
    ));
    // Once: the token still works.
    struck.caller.see(&struck.order).await;
}

#[tokio::test]
async fn graphql_errors_in_all_their_forms() {
    let classes = [
        (ErrorClass::Unclassified, Value::Null),
        (ErrorClass::Throttling, json!("ThrottlingError")),
        (ErrorClass::InternalServer, json!("InternalServerError")),
        (ErrorClass::AccessDenied, json!("AccessDeniedError")),
        (ErrorClass::ResourceNotFound, json!("ResourceNotFoundError")),
        (ErrorClass::Conflict, json!("ConflictError")),
        (ErrorClass::Validation, json!("ValidationError")),
    ];
    for (class, name) in classes {
        let beside = Beside::NullData;
        let struck = strike(Fault::GraphqlErrorBeforeEffect { class, beside }, false).await;
        let error = &struck.json()["errors"][0];
        let classification = &error["extensions"]["classification"];
        assert_eq!(classification["errorType"], name);
    }
    let class = ErrorClass::BareWord;
    let beside = Beside::Nothing;
    let answer = strike(Fault::GraphqlErrorBeforeEffect { class, beside }, false)
        .await
        .json();
    let classification = &answer["errors"][0]["extensions"]["classification"];
    assert_eq!(*classification, "ValidationError");
    let class = ErrorClass::InternalServerOldForm;
    let answer = strike(Fault::GraphqlErrorAfterEffect { class, beside }, true)
        .await
        .json();
    assert_eq!(answer["errors"][0]["errorType"], "InternalServerError");

    let class = ErrorClass::InternalServer;
    for (beside, data) in [
        (Beside::Nothing, None),
        (Beside::NullData, Some(Value::Null)),
        (Beside::NullFields, Some(json!({ "cancelOrder": null }))),
    ] {
        for effect in [false, true] {
            let fault = if effect {
                Fault::GraphqlErrorAfterEffect { class, beside }
            } else {
                Fault::GraphqlErrorBeforeEffect { class, beside }
            };
            assert_eq!(
                strike(fault, effect).await.json().get("data"),
                data.as_ref()
            );
        }
    }
    let beside = Beside::Data;
    let answer = strike(Fault::GraphqlErrorAfterEffect { class, beside }, true)
        .await
        .json();
    let cancellation = &answer["data"]["cancelOrder"]["cancellation"];
    assert_eq!(cancellation["state"], "PENDING");
    assert!(answer["errors"].is_array());
}

#[tokio::test]
async fn throttling_with_every_retry_after() {
    let caller = Caller::quick().await;
    for (retry_after, header) in [
        (RetryAfter::Absent, None),
        (RetryAfter::Zero, Some("0")),
        (RetryAfter::Seconds(7), Some("7")),
        (RetryAfter::Fractional, Some("0.5")),
        (RetryAfter::Negative, Some("-1")),
        (RetryAfter::Garbage, Some("a little while")),
        (RetryAfter::DatePast, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
        (RetryAfter::Huge, Some("1000000000")),
    ] {
        let fault = Fault::Throttled { retry_after };
        strike(fault, false).await;
        caller.simulator.force(Remote::BuyWithPrime, fault, 1);
        let answer = caller.post(String::new()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let seen = answer.headers().get("retry-after");
        assert_eq!(seen.map(|value| value.to_str().unwrap()), header);
    }
    let retry_after = RetryAfter::DateFuture(60);
    let fault = Fault::Throttled { retry_after };
    caller.simulator.force(Remote::BuyWithPrime, fault, 1);
    let answer = caller.post(String::new()).await.unwrap();
    let date = |name: &str| {
        let text = answer.headers()[name].to_str().unwrap();
        assert!(text.ends_with(" GMT"), "{text}");
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .unwrap()
    };
    assert_eq!(
        date("retry-after").as_second() - date("date").as_second(),
        60
    );
}

#[tokio::test]
async fn answers_that_take_their_time() {
    let began = Instant::now();
    let struck = strike(Fault::Slow { delay_ms: 80 }, true).await;
    assert!(began.elapsed() >= Duration::from_millis(80));
    assert!(struck.json()["data"].is_object());

    let began = Instant::now();
    let struck = strike(Fault::Drip { for_ms: 110 }, true).await;
    assert!(began.elapsed() >= Duration::from_millis(90));
    assert!(struck.json()["data"].is_object());
}

#[tokio::test]
async fn bodies_that_are_none() {
    let struck = strike(Fault::Truncated, true).await;
    assert!(matches!(struck.seen, Seen::Broken(StatusCode::OK)));

    let struck = strike(Fault::Endless, true).await;
    assert!(matches!(struck.seen, Seen::Broken(StatusCode::OK)));

    let struck = strike(Fault::Html, true).await;
    let Seen::Answer(StatusCode::OK, text) = &struck.seen else {
        panic!("{:?}", struck.seen);
    };
    assert!(text.starts_with("<!DOCTYPE html>"));

    let struck = strike(Fault::Empty, true).await;
    let Seen::Answer(status, text) = &struck.seen else {
        panic!("{:?}", struck.seen);
    };
    assert!(status.is_success() && text.is_empty());
}

#[tokio::test]
async fn an_endless_answer_is_long() {
    let caller = Caller::quick().await;
    caller.simulator.force(Remote::Refunds, Fault::Endless, 1);
    let url = format!("{}?refundId=r", caller.simulator.endpoints().refunds);
    let mut answer = caller.client.get(url).send().await.unwrap();
    let mut length = 0;
    while length < 2 << 20 {
        length += answer.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn answers_about_somebody_else() {
    let answer = strike(Fault::Foreign, true).await.json();
    let cancellation = &answer["data"]["cancelOrder"]["cancellation"];
    assert_eq!(cancellation["state"], "PENDING");
    let alias = cancellation["aliases"][0]["aliasId"].as_str().unwrap();
    assert!(alias.starts_with("alias-of-"), "{alias}");

    let answer = strike(Fault::AnotherAnswer, true).await.json();
    assert!(answer["data"].get("cancelOrder").is_none());
    assert!(answer["data"]["order"].is_object());

    let caller = Caller::quick().await;
    let order = caller.order(Scenario::Happy);
    let simulator = &caller.simulator;
    simulator.force(Remote::BuyWithPrime, Fault::Foreign, 1);
    let seen = caller.see(&order).await;
    assert_ne!(seen["id"], json!(order));
    assert!(seen["lineItems"].is_array());

    simulator.force(Remote::Refunds, Fault::Foreign, 2);
    let (_, paid) = caller.pay("k", &order, "r", "1.00").await;
    assert_ne!(paid["refundId"], "r");
    assert_ne!(paid["amount"]["amount"], "1.00");
    let listed = caller.listed("r").await;
    assert_ne!(listed[0]["refundId"], "r");
    // The payment was made, and is ours.
    assert_eq!(simulator.ledger().payments[0].refund_id, "r");
    let counted = simulator.counters().requests[&Remote::Refunds].struck(FaultKind::Foreign);
    assert_eq!(
        (counted.reads, counted.mutations, counted.with_effect),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn the_other_remotes_take_effect_and_go_wrong_too() {
    let caller = Caller::quick().await;
    let simulator = &caller.simulator;
    let order = caller.order(Scenario::Happy);
    for (number, fault) in [
        Fault::AnswerLost,
        Fault::ErrorAfterEffect { status: 502 },
        Fault::Truncated,
        Fault::Html,
    ]
    .into_iter()
    .enumerate()
    {
        simulator.force_on(Remote::Refunds, Operation::PayRefund, fault, 1);
        let sending = caller
            .client
            .post(&simulator.endpoints().refunds)
            .header("idempotency-key", format!("key-{number}"))
            .body(payout(&order, "r", "1.00"))
            .send();
        look(sending).await;
        assert_eq!(simulator.ledger().payments.len(), number + 1, "{fault:?}");
        let kind = fault.kind().unwrap();
        assert_eq!(simulator.counters().struck(kind).with_effect, 1);
    }
    // A message that is refused has no effect, whatever else goes wrong.
    simulator.force(Remote::Oms, Fault::AnswerLost, 1);
    look(
        caller
            .client
            .post(&simulator.endpoints().oms)
            .body("x")
            .send(),
    )
    .await;
    let counted = simulator.counters().requests[&Remote::Oms].struck(FaultKind::AnswerLost);
    assert_eq!((counted.mutations, counted.with_effect), (1, 0));
}
