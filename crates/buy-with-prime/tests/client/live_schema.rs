//! What endpoints say when they are asked for their schema.

use countermand_buy_with_prime::{LiveSchema, Severity};
use countermand_core::cancellation::input::NotSent;

use crate::server::{BUDGET, Reply, SECRET, Server, TOKEN, json};

async fn compare(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<LiveSchema, String> {
    let server = Server::answering(move |_| reply()).await;
    let compared = server.client().compare_schema(BUDGET).await;
    for call in server.calls() {
        assert!(call.body.contains("__schema") && !call.body.contains("mutation "));
    }
    compared.map_err(|error| error.message)
}

#[tokio::test]
async fn a_schema_that_is_not_told_is_no_fault() {
    for reply in [
        || {
            json(
                r#"{"errors":[{"message":"GraphQL introspection is not allowed","extensions":{"code":"INTROSPECTION_DISABLED"}}]}"#,
            )
        },
        || json(r#"{"data":{"__schema":null}}"#),
        || {
            Reply::Status(
                400,
                r#"{"errors":[{"message":"introspection is disabled"}]}"#.to_owned(),
            )
        },
        || Reply::Status(403, "<html>no</html>".to_owned()),
    ] {
        let told = compare(reply).await.unwrap();
        assert!(matches!(told, LiveSchema::Hidden { .. }), "{told:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_failure() {
    for reply in [
        || Reply::Status(500, String::new()),
        || Reply::Status(404, "<html>".to_owned()),
        || json("{\"data\":{\"__schema\":{\"types\":7}}}"),
        || json("nonsense"),
        || {
            json(
                r#"{"errors":[{"message":"slow","extensions":{"classification":{"type":"ThrottlingError"}}}]}"#,
            )
        },
    ] {
        assert!(compare(reply).await.is_err());
    }
}

#[tokio::test]
async fn an_empty_schema_lacks_everything() {
    let told = compare(|| json(r#"{"data":{"__schema":{"types":[]}}}"#)).await;
    let LiveSchema::Compared(comparison) = told.unwrap() else {
        panic!("not compared");
    };
    assert!(comparison.differences.len() > 25);
    let errors = comparison.differences.iter();
    assert!(errors.clone().all(|it| it.severity == Severity::Error));
}

#[tokio::test]
async fn credentials_are_tried_and_never_told() {
    let server = Server::answering(|_| json("{}")).await;
    server.client().authenticate(BUDGET).await.unwrap();
    assert_eq!((server.seen("/token").len(), server.calls().len()), (1, 0));

    let refusing =
        Server::scripted(|_| Reply::Status(401, format!("{{\"error\":\"{SECRET} {TOKEN}\"}}")))
            .await;
    let error = refusing.client().authenticate(BUDGET).await.unwrap_err();
    assert_eq!(error.not_sent, Some(NotSent::Unauthorized));
    assert!(
        error.message.contains("401") && !format!("{error:?}").contains("CANARY"),
        "{error:?}"
    );
}
