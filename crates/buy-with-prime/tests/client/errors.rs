//! What errors and odd data in a GraphQL answer mean (reference 2.3).

use countermand_core::cancellation::call::CallError;
use countermand_core::cancellation::input::{NotSent, Unknown};
use countermand_core::cancellation::order::RefundState;

use crate::server::{
    BUDGET, ORDER, Reply, Server, cancel, json, open, read, report_call, sample, unknown,
};

#[tokio::test]
async fn a_refusal_in_graphql_counts_under_any_4xx() {
    for status in [400, 403, 404, 422] {
        let refused = move || Reply::Status(status, sample("cancel-order-error-not-cancellable"));
        assert!(
            matches!(
                cancel(BUDGET, refused).await,
                Err(CallError::Refused { .. })
            ),
            "{status}"
        );
    }
    let broken = || Reply::Status(500, sample("cancel-order-error-not-cancellable"));
    assert_eq!(unknown(BUDGET, broken).await, Unknown::ServerError);
}

fn faulty(data: &str, entries: &str) -> String {
    format!(r#"{{"data":{data},"errors":[{entries}]}}"#)
}

#[tokio::test]
async fn classes_of_errors() {
    let object =
        |class: &str| format!(r#"{{"message":"m","extensions":{{"classification":{class}}}}}"#);
    let named = |name: &str| object(&format!(r#"{{"errorType":"{name}"}}"#));
    let done = r#"{"cancelOrder":{"cancellation":{"id":"1","state":"PENDING","createdAt":"t","aliases":[{"aliasId":"cnl-100482-1","aliasType":"EXTERNAL_CANCELLATION_ID"}]}}}"#;
    let none = r#"{"cancelOrder":null}"#;
    for (entries, expected) in [
        (named("ValidationError"), "refused"),
        (named("ValidationException"), "refused"),
        (object(r#""ValidationError""#), "refused"),
        (object(r#""InvalidSyntax""#), "refused"),
        (
            object(r#"{"type":"ValidationError","errorCode":400}"#),
            "refused",
        ),
        (
            r#"{"message":"m","errorType":"ValidationError"}"#.to_owned(),
            "refused",
        ),
        (named("AccessDeniedError"), "unauthorized"),
        (named("AccessDeniedException"), "unauthorized"),
        (named("ResourceNotFoundError"), "not found"),
        (named("ThrottlingError"), "throttled"),
        (named("ThrottlingException"), "throttled"),
        (named("ConflictError"), "server error"),
        (named("ConflictException"), "server error"),
        (named("InternalServerError"), "server error"),
        (named("SomethingNew"), "server error"),
        (object(r#""DataFetchingException""#), "server error"),
        (object("null"), "server error"),
        (object("[]"), "server error"),
        (r#"{"message":"m"}"#.to_owned(), "server error"),
        (r#""m""#.to_owned(), "server error"),
        ("null".to_owned(), "server error"),
        ("7".to_owned(), "server error"),
        // Guesses from a number are not certain.
        (object(r#"{"errorCode":400}"#), "server error"),
        (object(r#"{"errorCode":"429"}"#), "server error"),
        (object(r#"{"errorCode":"5xx"}"#), "server error"),
        // A named class that its own number contradicts.
        (
            object(r#"{"errorType":"ValidationError","errorCode":500}"#),
            "server error",
        ),
        (
            object(r#"{"errorType":"ValidationError","errorCode":"503"}"#),
            "server error",
        ),
        // Several: the least certain decides.
        (
            format!(
                "{},{}",
                named("ValidationError"),
                named("InternalServerError")
            ),
            "server error",
        ),
        (
            format!("{},{}", named("ThrottlingError"), named("ValidationError")),
            "refused",
        ),
        (
            vec![named("ValidationError"); 100].join(","),
            "server error",
        ),
    ] {
        let outcome = |data: &str| {
            let body = faulty(data, &entries);
            cancel(BUDGET, move || json(body.clone()))
        };
        let found = match outcome(none).await {
            Err(CallError::Refused { .. }) => "refused",
            Err(CallError::NotSent {
                why: NotSent::Unauthorized,
                ..
            }) => "unauthorized",
            Err(CallError::NotSent {
                why: NotSent::NotFound,
                ..
            }) => "not found",
            Err(CallError::NotSent {
                why: NotSent::Throttled,
                ..
            }) => "throttled",
            Err(CallError::Unknown {
                why: Unknown::ServerError,
                ..
            }) => "server error",
            other => panic!("{entries}: {other:?}"),
        };
        assert_eq!(found, expected, "{entries}");
        // Beside data, whatever they are, a look must decide.
        for data in [done, r#"{"cancelOrder":{"cancellation":null}}"#, "[1]"] {
            let found = outcome(data).await;
            assert!(
                matches!(
                    found,
                    Err(CallError::Unknown {
                        why: Unknown::ServerError,
                        ..
                    })
                ),
                "{entries} beside {data}: {found:?}"
            );
        }
    }
}

#[tokio::test]
async fn classes_of_errors_on_a_read() {
    for (class, expected) in [
        (
            r#"{"errorType":"ThrottlingError"}"#,
            Some(NotSent::Throttled),
        ),
        (r#"{"errorCode":429}"#, Some(NotSent::Throttled)),
        (
            r#"{"errorType":"AccessDeniedError"}"#,
            Some(NotSent::Unauthorized),
        ),
        (r#"{"errorType":"ConflictError"}"#, None),
        (r#"{"errorType":"ValidationError"}"#, None),
        (r#""ValidationError""#, None),
    ] {
        let entry = format!(r#"{{"message":"m","extensions":{{"classification":{class}}}}}"#);
        let body = faulty(r#"{"order":null}"#, &entry);
        let error = read(BUDGET, move || json(body.clone())).await.unwrap_err();
        assert_eq!(error.not_sent, expected, "{class}");
    }
    // An error beside an order wins.
    let order = sample("order-all-pending");
    let with_error =
        order.trim_end().trim_end_matches('}').to_owned() + r#"}, "errors":[{"message":"m"}]}"#;
    assert!(
        read(BUDGET, move || json(with_error.clone()))
            .await
            .is_err()
    );
    // An order that is not known is no error.
    assert_eq!(
        read(BUDGET, || json(r#"{"data":{"order":null}}"#))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn answers_about_something_else() {
    let other_alias =
        || json(sample("cancel-order-success").replace("cnl-100482-1", "cnl-100482-2"));
    assert_eq!(unknown(BUDGET, other_alias).await, Unknown::ForeignAnswer);
    let other_type = || {
        json(sample("cancel-order-success").replace("EXTERNAL_CANCELLATION_ID", "EXT_CANCEL_ID"))
    };
    assert_eq!(unknown(BUDGET, other_type).await, Unknown::ForeignAnswer);
    let none = || json(sample("cancel-order-success-minimal"));
    assert_eq!(unknown(BUDGET, none).await, Unknown::ForeignAnswer);
    let other_order = || json(sample("order-all-pending").replace(ORDER, "322-OTHER"));
    assert!(
        read(BUDGET, other_order)
            .await
            .unwrap_err()
            .message
            .contains("322-OTHER")
    );

    let server = Server::answering(|_| {
        json(sample("update-order-refund-success").replace(ORDER, "322-OTHER"))
    })
    .await;
    let call = report_call(RefundState::Success, "43.99");
    let error = server
        .client()
        .report_refund(&call, &[], BUDGET, &open())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            CallError::Unknown {
                why: Unknown::ForeignAnswer,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_decision_at_once_is_an_answer() {
    for state in ["SUCCESS", "REJECTED", "CANCELING"] {
        let answer = cancel(BUDGET, move || {
            json(sample("cancel-order-success").replace("PENDING", state))
        })
        .await;
        assert_eq!(answer.unwrap().state.as_str(), state);
    }
}
