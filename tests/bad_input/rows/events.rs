//! Event intake.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use countermand_simulator::Scenario;
use countermand_tests::INGEST;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::rows::row;
use crate::stage::{Raw, Stage};
use crate::table::Chapter;

type Tried = anyhow::Result<()>;
type OnStage = Arc<Stage>;

pub(crate) fn chapter() -> Chapter {
    Chapter {
        title: "Events",
        intro: "Events are hints: money moves on what the order query says, and on nothing else. What is well-formed\n\
                is stored and acknowledged with 202, also where it is not applied; the answer says what became\n\
                of it (`applied`, `duplicate`, `ignored`, `unknown_type`, `other_target`, `unroutable`).",
        rows: vec![
            row!(
                "E1",
                "no token, a wrong one, a token with another role",
                "401 or 403, and the body is not parsed",
                e1
            ),
            row!("E2", "a signature that does not fit", "", none "events are authenticated by bearer token; Amazon's `x-amzn-signature` is not specified, and we do not claim to check it"),
            row!("E3", "a signature's timestamp that is too old", "", none "as E2"),
            row!(
                "E4",
                "an exact repetition",
                "202, `duplicate`; one effect",
                e4
            ),
            row!("E5", "several signatures", "", none "as E2"),
            row!(
                "E6",
                "an envelope, the inner object, an SQS message, a string in JSON, an SQS answer",
                "202: the same event, applied once",
                e6
            ),
            row!(
                "E7",
                "`detail` empty, `data` filled, a list, a number",
                "202, by the ids in the resources; `data` is not looked at",
                e7
            ),
            row!(
                "E8",
                "`detail-type` and `eventDescriptor` that disagree",
                "202, `unroutable`: kept, not applied",
                e8
            ),
            row!(
                "E9",
                "resources missing, empty, no list; two; 10,000",
                "400; both are applied; 400",
                e9
            ),
            row!(
                "E10",
                "a path cut off, with unknown parts, without ids, with percent codes; another target",
                "202, `unroutable`; 202, `other_target`",
                e10
            ),
            row!(
                "E11",
                "an unknown type; names of an earlier generation",
                "202, `unknown_type`; as the new name",
                e11
            ),
            row!(
                "E12",
                "an order that was never heard of",
                "REFUND_REQUESTED and PACKAGE_DELIVERY_CANCELLED begin an observed cancellation, the rest is `ignored`",
                e12
            ),
            row!(
                "E13",
                "the same refund under a new event id",
                "202, `duplicate`: one payment",
                e13
            ),
            row!(
                "E14",
                "the same event by webhook and by EventBridge, with different keys",
                "202, `duplicate`",
                e14
            ),
            row!(
                "E15",
                "the same event id with other content",
                "judged by its own business fact; the first one stands",
                e15
            ),
            row!(
                "E16",
                "an event time of 1970, of 2099, of garbage, or none",
                "202; never used for order or timers",
                e16
            ),
            row!("E17", "a package cancelled as undeliverable or unfulfillable", "not taken for the success of our request", elsewhere "crates/core/tests/lifecycle/verdict.rs" "packages_decide_for_an_observed_one_only"),
            row!(
                "E18",
                "IN_TRANSIT or DELIVERED after a success",
                "the order is read, and decides",
                e18
            ),
            row!(
                "E19",
                "an event for what is finished",
                "202; kept, no transition",
                e19
            ),
            row!(
                "E20",
                "amounts in the event that differ from the order's",
                "the order's count: nothing is read out of `data`",
                e20
            ),
            row!(
                "E21",
                "an array with a bad member; 1 MiB and a byte; nested 33 deep; a key twice",
                "400, naming the index; 413; 400; 400",
                e21
            ),
            row!(
                "E22",
                "a thousand events for one order at once; a thousand without a token",
                "one application; 401s cost nothing",
                e22
            ),
            row!("E23", "an event while the store cannot be written", "503 with `Retry-After` within 4 s, never 2xx", elsewhere "tests/end_to_end/disk.rs" "a_full_disk_is_lived_through"),
            row!(
                "E24",
                "any of the above",
                "answered well within the 5 s that EventBridge allows",
                e24
            ),
        ],
    }
}

/// The path of something of an order.
fn path(stage: &Stage, rest: &str) -> String {
    format!(
        "businessProduct/{}/order/{rest}",
        stage.world.credentials().target_id
    )
}

/// The inner object, as webhooks send it.
fn inner(stage: &Stage, kind: &str, rest: &str, key: &str) -> Value {
    json!({
        "idempotencyKey": key,
        "eventDescriptor": kind,
        "resources": [path(stage, rest)],
        "eventId": format!("event-{key}"),
        "apiVersion": "2024-11-01",
        "subscriptionId": "s-1",
        "eventTime": "2025-02-20T09:21:41Z",
        "data": {},
    })
}

async fn post(stage: &Stage, body: impl AsRef<[u8]>) -> anyhow::Result<Raw> {
    stage.post("/v1/events", body).await
}

/// What became of each fact.
async fn dispositions(stage: &Stage, body: &Value) -> anyhow::Result<Vec<String>> {
    let answer = post(stage, body.to_string()).await?;
    answer.is(202).with_context(|| format!("{body:.200}"))?;
    let facts = answer.json()?["facts"].clone();
    Ok(facts
        .as_array()
        .context("no facts")?
        .iter()
        .map(|fact| fact["disposition"].as_str().unwrap_or_default().to_owned())
        .collect())
}

async fn became(stage: &Stage, body: &Value, expected: &str) -> Tried {
    let found = dispositions(stage, body).await?;
    ensure!(
        found == [expected],
        "{found:?} instead of {expected}: {body:.200}"
    );
    Ok(())
}

/// An order that a shopper cancelled: what is observed of it comes to an end.
fn observed(stage: &Stage, order_id: &str) {
    let order = stage
        .world
        .create_order(Some(order_id.to_owned()), Scenario::ShopperCancelled);
    debug_assert!(order.is_some(), "{order_id} is there twice");
}

/// A package that the order really has, as a resource's rest.
fn package(stage: &Stage, order_id: &str) -> anyhow::Result<String> {
    let ledger = stage.world.ledger();
    let order = ledger
        .orders
        .iter()
        .find(|order| order.order_id == order_id)
        .context("there is no such order")?;
    let package = order.packages.first().context("it has no package")?;
    Ok(format!("{order_id}/delivery/{}", package.id))
}

/// How many cancellations there are of an order.
async fn cancellations(stage: &Stage, order_id: &str) -> anyhow::Result<usize> {
    let page = stage
        .daemon
        .get(&format!("/v1/cancellations?orderId={order_id}"))
        .await?
        .is(200)?;
    Ok(page["items"].as_array().map_or(0, Vec::len))
}

async fn e1(stage: OnStage) -> Tried {
    for (authorization, status) in [
        ("", 401),
        ("Authorization: Bearer wrong\r\n", 401),
        (
            "Authorization: Bearer read-read-read-read-read-read-read-read\r\n",
            403,
        ),
    ] {
        let answer = stage
            .raw(format!(
                "POST /v1/events HTTP/1.1\r\nHost: localhost\r\n{authorization}\
                 Content-Type: application/json\r\nContent-Length: 9\r\n\r\nnot JSON!"
            ))
            .await?
            .context("no answer")?;
        answer.is(status)?;
    }
    Ok(())
}

async fn e4(stage: OnStage) -> Tried {
    observed(&stage, "E4");
    let event = inner(&stage, "PACKAGE_DELIVERY_CANCELLED", "E4/delivery/P", "e4");
    became(&stage, &event, "applied").await?;
    became(&stage, &event, "duplicate").await?;
    ensure!(cancellations(&stage, "E4").await? == 1, "there are several");
    Ok(())
}

async fn e6(stage: OnStage) -> Tried {
    observed(&stage, "E6");
    let one = inner(&stage, "PACKAGE_DELIVERY_CANCELLED", "E6/delivery/P", "e6");
    let envelope = json!({
        "version": "0", "id": "x", "detail-type": "PACKAGE_DELIVERY_CANCELLED",
        "source": "aws.partner/buywithprime/x", "account": "1", "time": "2025-02-20T09:21:41Z",
        "region": "us-east-1", "resources": one["resources"], "detail": one,
    });
    became(&stage, &envelope, "applied").await?;
    let forms = [
        one.clone(),
        json!({ "MessageId": "m", "Body": envelope.to_string() }),
        json!({ "Messages": [{ "MessageId": "m", "Body": one.to_string() }] }),
        json!(envelope.to_string()),
        json!([one]),
    ];
    for form in forms {
        became(&stage, &form, "duplicate").await?;
    }
    Ok(())
}

async fn e7(stage: OnStage) -> Tried {
    observed(&stage, "E7");
    let outer = json!({
        "id": "e7", "detail-type": "PACKAGE_DELIVERY_CANCELLED",
        "resources": [path(&stage, "E7/delivery/P")], "detail": {},
    });
    became(&stage, &outer, "applied").await?;
    for (number, data) in [json!([1]), json!(7), json!({ "order": null })]
        .into_iter()
        .enumerate()
    {
        let mut event = inner(
            &stage,
            "PACKAGE_DELIVERY_CANCELLED",
            "E7/delivery/P",
            &format!("e7-{number}"),
        );
        event["data"] = data;
        became(&stage, &event, "duplicate").await?;
    }
    Ok(())
}

async fn e8(stage: OnStage) -> Tried {
    let mut event = json!({ "id": "e8", "detail-type": "REFUND_REQUESTED" });
    event["detail"] = inner(&stage, "PACKAGE_DELIVERY_CANCELLED", "E8/refund/R", "e8");
    event["resources"] = event["detail"]["resources"].clone();
    became(&stage, &event, "unroutable").await?;
    ensure!(cancellations(&stage, "E8").await? == 0, "it was applied");
    Ok(())
}

async fn e9(stage: OnStage) -> Tried {
    let mut event = inner(&stage, "PACKAGE_DELIVERY_CANCELLED", "E9/delivery/P", "e9");
    let many: Vec<String> = (0..10_000)
        .map(|n| path(&stage, &format!("E9/delivery/{n}")))
        .collect();
    for resources in [json!(null), json!([]), json!("x"), json!([7]), json!(many)] {
        event["resources"] = resources.clone();
        post(&stage, event.to_string())
            .await?
            .is(400)
            .with_context(|| format!("{resources:.80}"))?;
    }
    observed(&stage, "E9");
    event["resources"] = json!([path(&stage, "E9/delivery/P"), path(&stage, "E9/delivery/Q")]);
    let found = dispositions(&stage, &event).await?;
    ensure!(found == ["applied", "applied"], "{found:?}");
    Ok(())
}

async fn e10(stage: OnStage) -> Tried {
    let target = path(&stage, "");
    let target = target.trim_end_matches("/order/");
    for (number, bad) in [
        format!("{target}/order"),
        format!("{target}/parcel/E10/refund/R"),
        format!("{target}/order//refund/R"),
        format!("{target}/order/E10/refund/a%2Fb"),
        format!("{target}/order/E10/refund/R/more"),
        format!("order/E10/refund/R/{target}/{target}"),
        String::new(),
    ]
    .into_iter()
    .enumerate()
    {
        let mut event = inner(&stage, "REFUND_REQUESTED", "x", &format!("e10-{number}"));
        event["resources"] = json!([bad]);
        became(&stage, &event, "unroutable").await?;
    }
    let mut event = inner(&stage, "REFUND_REQUESTED", "x", "e10-other");
    event["resources"] = json!(["businessProduct/bp-other/order/E10/refund/R"]);
    became(&stage, &event, "other_target").await?;
    ensure!(cancellations(&stage, "E10").await? == 0, "it was applied");
    Ok(())
}

async fn e11(stage: OnStage) -> Tried {
    observed(&stage, "E11");
    let unknown = inner(&stage, "INVENTORY_CHANGED", "E11", "e11");
    became(&stage, &unknown, "unknown_type").await?;
    let old = inner(&stage, "DELIVERY_CANCELLED", "E11/delivery/P", "e11-old");
    became(&stage, &old, "applied").await?;
    let new = inner(
        &stage,
        "PACKAGE_DELIVERY_CANCELLED",
        "E11/delivery/P",
        "e11-new",
    );
    became(&stage, &new, "duplicate").await
}

async fn e12(stage: OnStage) -> Tried {
    for (kind, rest, expected) in [
        ("PACKAGE_DELIVERED", "E12/delivery/P", "ignored"),
        ("PACKAGE_DELIVERY_IN_TRANSIT", "E12/delivery/P", "ignored"),
        ("REFUND_COMPLETED", "E12/refund/R", "ignored"),
    ] {
        let event = inner(&stage, kind, rest, &format!("e12-{kind}"));
        became(&stage, &event, expected).await?;
    }
    ensure!(cancellations(&stage, "E12").await? == 0, "one was begun");
    observed(&stage, "E12-b");
    let event = inner(&stage, "REFUND_REQUESTED", "E12-b/refund/R", "e12-b");
    became(&stage, &event, "applied").await?;
    let page = stage
        .daemon
        .get("/v1/cancellations?orderId=E12-b")
        .await?
        .is(200)?;
    ensure!(page["items"][0]["origin"] == "observed", "{page}");
    Ok(())
}

async fn e13(stage: OnStage) -> Tried {
    let order = "E13";
    observed(&stage, order);
    let package = inner(
        &stage,
        "PACKAGE_DELIVERY_CANCELLED",
        &package(&stage, order)?,
        "e13",
    );
    became(&stage, &package, "applied").await?;
    // The simulator tells of the refund itself, by its own events; these are two more.
    let refund = refund_of(&stage, order).await?;
    let rest = format!("{order}/refund/{refund}");
    for key in ["e13-a", "e13-b"] {
        dispositions(&stage, &inner(&stage, "REFUND_REQUESTED", &rest, key)).await?;
    }
    let again = inner(&stage, "REFUND_REQUESTED", &rest, "e13-c");
    became(&stage, &again, "duplicate").await?;
    finished(&stage, order).await?;
    let ledger = stage.world.ledger();
    let paid = ledger
        .payments
        .iter()
        .filter(|payment| payment.order_id == order)
        .count();
    ensure!(paid == 1, "{paid} payments");
    Ok(())
}

/// The refund of an order, once the engine has seen it.
async fn refund_of(stage: &Stage, order_id: &str) -> anyhow::Result<String> {
    let view = until(stage, order_id, |view| view["refunds"][0]["id"].is_string()).await?;
    Ok(view["refunds"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

async fn finished(stage: &Stage, order_id: &str) -> anyhow::Result<Value> {
    until(stage, order_id, |view| view["status"] == "finished").await
}

async fn until(
    stage: &Stage,
    order_id: &str,
    is: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let page = stage
        .daemon
        .get(&format!("/v1/cancellations?orderId={order_id}"))
        .await?
        .is(200)?;
    let id = page["items"][0]["id"].as_str().context("there is none")?;
    stage
        .daemon
        .wait_until(id, Duration::from_secs(30), is)
        .await
}

async fn e14(stage: OnStage) -> Tried {
    observed(&stage, "E14");
    let one = inner(
        &stage,
        "PACKAGE_DELIVERY_CANCELLED",
        "E14/delivery/P",
        "e14-webhook",
    );
    became(&stage, &one, "applied").await?;
    let other = inner(
        &stage,
        "PACKAGE_DELIVERY_CANCELLED",
        "E14/delivery/P",
        "e14-bridge",
    );
    let envelope = json!({
        "id": "e14", "detail-type": "PACKAGE_DELIVERY_CANCELLED",
        "resources": other["resources"], "detail": other,
    });
    became(&stage, &envelope, "duplicate").await
}

async fn e15(stage: OnStage) -> Tried {
    observed(&stage, "E15");
    let first = inner(
        &stage,
        "PACKAGE_DELIVERY_CANCELLED",
        "E15/delivery/P",
        "e15",
    );
    became(&stage, &first, "applied").await?;
    let mut other = first.clone();
    other["resources"] = json!([path(&stage, "E15-b/delivery/P")]);
    other["eventDescriptor"] = json!("PACKAGE_DELIVERED");
    became(&stage, &other, "ignored").await?;
    ensure!(
        cancellations(&stage, "E15").await? == 1,
        "the first is gone"
    );
    Ok(())
}

async fn e16(stage: OnStage) -> Tried {
    for (number, time) in [
        json!("1970-01-01T00:00:00Z"),
        json!("2099-01-01T00:00:00Z"),
        json!("yesterday"),
        json!(7),
        json!(null),
    ]
    .into_iter()
    .enumerate()
    {
        let order = format!("E16-{number}");
        observed(&stage, &order);
        let mut event = inner(
            &stage,
            "PACKAGE_DELIVERY_CANCELLED",
            &format!("{order}/delivery/P"),
            &order,
        );
        event["eventTime"] = time;
        became(&stage, &event, "applied").await?;
    }
    Ok(())
}

async fn e18(stage: OnStage) -> Tried {
    let id = stage.daemon.cancel("SIM-happy-E18").await?;
    for kind in ["PACKAGE_DELIVERY_IN_TRANSIT", "PACKAGE_DELIVERED"] {
        let event = inner(&stage, kind, "SIM-happy-E18/delivery/nobodys", kind);
        let found = dispositions(&stage, &event).await?;
        ensure!(found == ["applied"], "{found:?}");
    }
    let view = stage
        .daemon
        .wait_until(&id, Duration::from_secs(30), |view| {
            view["state"] == "refund" || view["state"] == "success" || view["status"] == "finished"
        })
        .await?;
    ensure!(view["rejection"].is_null(), "the event decided: {view}");
    Ok(())
}

async fn e19(stage: OnStage) -> Tried {
    let order = "SIM-rejected-E19";
    let id = stage.daemon.cancel(order).await?;
    finished(&stage, order).await?;
    let before = stage.daemon.history(&id).await?.len();
    let event = inner(
        &stage,
        "PACKAGE_DELIVERED",
        &format!("{order}/delivery/P"),
        "e19",
    );
    became(&stage, &event, "ignored").await?;
    let after = stage.daemon.history(&id).await?.len();
    ensure!(before == after, "its history grew");
    Ok(())
}

async fn e20(stage: OnStage) -> Tried {
    let order = "E20";
    observed(&stage, order);
    let mut event = inner(
        &stage,
        "PACKAGE_DELIVERY_CANCELLED",
        &package(&stage, order)?,
        "e20",
    );
    event["data"] = json!({ "order": { "id": order, "refunds": { "details": [{
        "id": "R", "state": "PENDING",
        "refundTotal": { "totalAmount": { "amount": 99_999, "currencyCode": "USD" } },
    }] } } });
    became(&stage, &event, "applied").await?;
    finished(&stage, order).await?;
    let ledger = stage.world.ledger();
    let paid: Vec<String> = ledger
        .payments
        .iter()
        .filter(|payment| payment.order_id == order)
        .map(|payment| payment.amount.to_string())
        .collect();
    ensure!(
        paid.len() == 1 && !paid[0].starts_with("99999"),
        "paid {paid:?}"
    );
    Ok(())
}

async fn e21(stage: OnStage) -> Tried {
    observed(&stage, "E21");
    let good = inner(
        &stage,
        "PACKAGE_DELIVERY_CANCELLED",
        "E21/delivery/P",
        "e21",
    );
    let array = post(&stage, json!([good, 7]).to_string()).await?;
    array.is(400)?;
    let problem = array.json()?;
    let named = format!("{} {}", problem["detail"], problem["errors"]);
    ensure!(
        named.contains("/1") || named.contains("event 1") || named.contains("member 1"),
        "it does not name the index: {named}"
    );
    ensure!(
        cancellations(&stage, "E21").await? == 0,
        "half of it was taken"
    );
    let padding = "y".repeat(1024 * 1024);
    post(&stage, format!(r#"{{"x":"{padding}"}}"#))
        .await?
        .problem(413, "body_too_long")?;
    let nested = format!("{}{}", "[".repeat(33), "]".repeat(33));
    post(&stage, nested).await?.problem(400, "depth")?;
    post(&stage, r#"{"eventDescriptor":"A","eventDescriptor":"B"}"#)
        .await?
        .problem(400, "duplicate_key")?;
    Ok(())
}

async fn e22(stage: OnStage) -> Tried {
    observed(&stage, "E22");
    let mut sending = JoinSet::new();
    let mut applied = 0;
    for number in 0..1_000 {
        let stage = Arc::clone(&stage);
        let event = inner(
            &stage,
            "PACKAGE_DELIVERY_CANCELLED",
            "E22/delivery/P",
            &format!("e22-{number}"),
        );
        sending.spawn(async move {
            let answer = post(&stage, event.to_string()).await?;
            // Too many at once may be put off, before they are accepted.
            ensure!(
                matches!(answer.status, 202 | 503),
                "{} {:.200}",
                answer.status,
                answer.body
            );
            anyhow::Ok(usize::from(answer.body.contains("\"applied\"")))
        });
        if sending.len() >= 100
            && let Some(sent) = sending.join_next().await
        {
            applied += sent??;
        }
    }
    while let Some(sent) = sending.join_next().await {
        applied += sent??;
    }
    ensure!(applied == 1, "it was applied {applied} times");
    ensure!(
        cancellations(&stage, "E22").await? == 1,
        "there are several"
    );
    for _ in 0..1_000 {
        // One after the other: each is a connection of its own.
        let answer = stage
            .raw("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            .await?
            .context("no answer")?;
        answer.is(401)?;
    }
    Ok(())
}

async fn e24(stage: OnStage) -> Tried {
    observed(&stage, "E24");
    let event = inner(
        &stage,
        "PACKAGE_DELIVERY_CANCELLED",
        "E24/delivery/P",
        "e24",
    )
    .to_string();
    let began = Instant::now();
    let answer = stage
        .raw(format!(
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {INGEST}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{event}",
            event.len()
        ))
        .await?
        .context("no answer")?;
    answer.is(202)?;
    ensure!(
        began.elapsed() < Duration::from_secs(4),
        "it took {:?}",
        began.elapsed()
    );
    Ok(())
}
