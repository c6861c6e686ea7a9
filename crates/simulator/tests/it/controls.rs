//! Start, stop and the controls.

use countermand_simulator::{
    EventSink, Ledger, Mix, Options, Remote, Scenario, Simulator, StartError,
};
use serde_json::{Value, json};

use crate::support::{Caller, client, swift};

async fn control(caller: &Caller, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/{path}", caller.simulator.endpoints().control);
    let answer = caller.client.post(url).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

async fn get(caller: &Caller, path: &str) -> Value {
    let url = format!("{}{path}", caller.simulator.base_url());
    caller
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test]
async fn orders_are_created_as_asked_for() {
    let caller = Caller::quick().await;
    let (status, created) = control(
        &caller,
        "orders",
        json!({
            "orders": [
                { "orderId": "my-order", "scenario": "shipped" },
                { "scenario": "rejected" },
                { "orderId": "SIM-no_refund-1" }
            ],
            "count": 2
        }),
    )
    .await;
    assert_eq!(status, 201);
    let created = created["orders"].as_array().unwrap();
    assert_eq!(created.len(), 5);
    assert_eq!(
        created[0],
        json!({ "orderId": "my-order", "scenario": "shipped" })
    );
    assert_eq!(created[1]["scenario"], "rejected");
    assert_eq!(created[2]["scenario"], "no_refund");
    assert!(created[3]["orderId"].as_str().unwrap().starts_with("322-"));

    let listed = get(&caller, "/control/orders").await;
    assert_eq!(listed["orders"].as_array().unwrap().len(), 5);

    let again = json!({ "orders": [{ "orderId": "my-order" }] });
    assert_eq!(control(&caller, "orders", again).await.0, 409);
    let nonsense = json!({ "orders": [{ "scenario": "nonsense" }] });
    assert_eq!(control(&caller, "orders", nonsense).await.0, 422);
    assert_eq!(
        control(&caller, "orders", json!({ "count": 100_001 }))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn the_same_seed_makes_the_same_orders() {
    let make = async |seed| {
        let caller = Caller::start(|options| {
            options.seed = seed;
            options.pace = swift();
            options.mix = Mix::default();
        })
        .await;
        let orders = caller.simulator.create_orders(50);
        let first = caller
            .see(
                &orders
                    .iter()
                    .find(|o| o.scenario == Scenario::Happy)
                    .unwrap()
                    .order_id,
            )
            .await;
        (
            orders,
            first["lineItems"].clone(),
            first["packageInformation"].clone(),
        )
    };
    assert_eq!(make(3).await, make(3).await);
    assert_ne!(make(3).await.0, make(4).await.0);
}

#[tokio::test]
async fn the_ledger_over_http_is_the_ledger() {
    let caller = Caller::quick().await;
    let order = caller.order(Scenario::NeverDecides);
    caller.see(&order).await;
    caller.cancel(&order, "a").await;
    caller.pay("k", &order, "r", "1.50").await;
    let over_http: Ledger = serde_json::from_value(get(&caller, "/control/ledger").await).unwrap();
    assert_eq!(over_http, caller.simulator.ledger());
    assert_eq!(over_http.requests[&Remote::BuyWithPrime].received, 2);
    assert_eq!(over_http.requests[&Remote::Refunds].received, 1);
    assert_eq!(over_http.orders[0].reads, 1);
}

#[tokio::test]
async fn the_front_page_tells_what_is_here() {
    let caller = Caller::quick().await;
    let page = get(&caller, "/").await;
    assert_eq!(page["seed"], 1);
    assert!(
        page["scenarios"]
            .as_array()
            .unwrap()
            .contains(&json!("split_line"))
    );
}

#[tokio::test]
async fn a_sink_must_be_an_address() {
    let caller = Caller::quick().await;
    assert_eq!(control(&caller, "sink", Value::Null).await.0, 204);
    let (status, _) = control(&caller, "sink", json!({ "url": "nonsense" })).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn start_refuses_what_cannot_work() {
    let with = async |adjust: fn(&mut Options)| {
        let mut options = Options::new(client());
        adjust(&mut options);
        Simulator::start(options).await
    };
    assert!(matches!(
        with(|options| options.listen = "0.0.0.0:0".parse().unwrap()).await,
        Err(StartError::NotLoopback { .. })
    ));
    assert!(matches!(
        with(|options| options.credentials.oms_secret = Some("whsec_%".to_owned())).await,
        Err(StartError::OmsSecret { .. })
    ));
    assert!(matches!(
        with(|options| {
            options.event_sink = Some(EventSink {
                url: "nonsense".to_owned(),
                token: None,
            });
        })
        .await,
        Err(StartError::EventSink { .. })
    ));
    let running = with(|_| {}).await.unwrap();
    let mut options = Options::new(client());
    options.listen = running.address();
    assert!(matches!(
        Simulator::start(options).await,
        Err(StartError::Listen { .. })
    ));
}

#[tokio::test]
async fn stopping_frees_the_port() {
    let caller = Caller::quick().await;
    let address = caller.simulator.address();
    // A connection that is kept open does not hold it up.
    caller.see(&caller.order(Scenario::Happy)).await;
    caller.simulator.shutdown().await;
    let mut options = Options::new(client());
    options.listen = address;
    Simulator::start(options).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn the_configuration_names_every_remote() {
    let caller = Caller::quick().await;
    let text = caller.simulator.configuration();
    let endpoints = caller.simulator.endpoints();
    for wanted in [
        &endpoints.graphql,
        &endpoints.token,
        &endpoints.refunds,
        &endpoints.oms,
    ] {
        assert!(text.contains(&format!("\"{wanted}\"")), "{text}");
    }
}
