//! A caller: knows the wire, and nothing of the simulator's inside.

use std::future::Future;
use std::time::Duration;

use countermand_simulator::{Handle, Options, Scenario, Simulator};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

/// Nothing here takes longer, except when it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const ORDER_QUERY: &str = "query order($by: OrderIdentifierInput!) { order(orderIdentifier: $by) {
    id
    aliases { aliasId aliasType }
    metadata { executionState createdAt updatedAt }
    packageInformation { summary { state } details { id state reason packageInformationDetailsFor {
        orderLineItems { lineItem { id } amount { value unit } } } } }
    lineItems { id amount { value unit } cancellations { details {
        state requestedBy reason additionalComments aliases { aliasId aliasType } createdAt } } }
    refunds { details { id state refundRequestReason refundTotal { totalAmount { amount currencyCode } }
        paymentDetails { id state amount { amount currencyCode } }
        refundFor { orderLineItems { lineItem { id } amount { value } } } } }
    totalPrice { value { amount currencyCode } }
} }";

pub(crate) const CANCEL: &str =
    "mutation cancel($by: OrderIdentifierInput!, $input: CancelOrderInput) {
    cancelOrder(orderIdentifier: $by, input: $input) { cancellation {
        id state reason requestedBy additionalComments aliases { aliasId aliasType } } } }";

pub(crate) const REPORT: &str = "mutation report($by: OrderIdentifierInput!, $input: UpdateOrderInput!) {
    updateOrder(orderIdentifier: $by, input: $input) { order { refunds { details {
        id state refundTotal { totalAmount { amount currencyCode } } paymentDetails { id } } } } } }";

pub(crate) fn client() -> Client {
    // A second installation is refused, and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(PATIENCE).build().unwrap()
}

pub(crate) struct Caller {
    pub(crate) simulator: Handle,
    pub(crate) client: Client,
    token: String,
}

impl Caller {
    /// A simulator of its own, and a caller with a token.
    pub(crate) async fn start(adjust: impl FnOnce(&mut Options)) -> Self {
        let client = client();
        let mut options = Options::new(client.clone());
        adjust(&mut options);
        let simulator = Simulator::start(options).await.unwrap();
        let mut caller = Self {
            simulator,
            client,
            token: String::new(),
        };
        caller.renew().await;
        caller
    }

    pub(crate) async fn quick() -> Self {
        Self::start(|options| options.pace = swift()).await
    }

    pub(crate) async fn renew(&mut self) {
        // Under chaos this call may fail, too.
        for _ in 0..20 {
            if let Ok(answer) = self.ask_token().await
                && answer.status() == StatusCode::OK
            {
                let body: Value = answer.json().await.unwrap();
                body["access_token"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut self.token);
                return;
            }
        }
        panic!("no token");
    }

    async fn ask_token(&self) -> reqwest::Result<Response> {
        let credentials = self.simulator.credentials();
        let form: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &credentials.client_id)
            .append_pair("client_secret", &credentials.client_secret)
            .finish();
        self.client
            .post(&self.simulator.endpoints().token)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
    }

    pub(crate) fn order(&self, scenario: Scenario) -> String {
        self.simulator
            .create_order(None, scenario)
            .unwrap()
            .order_id
    }

    /// Sends a GraphQL body as it is.
    pub(crate) async fn post(&self, body: String) -> reqwest::Result<Response> {
        self.client
            .post(&self.simulator.endpoints().graphql)
            .bearer_auth(&self.token)
            .header("x-api-target-id", &self.simulator.credentials().target_id)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
    }

    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let answer = self.post(body).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub(crate) async fn read(&self, order: &str) -> Value {
        self.graphql(ORDER_QUERY, json!({ "by": { "orderId": order } }))
            .await
    }

    /// The order itself, which must be there.
    pub(crate) async fn see(&self, order: &str) -> Value {
        let mut answer = self.read(order).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["order"].take()
    }

    pub(crate) async fn cancel(&self, order: &str, alias: &str) -> Value {
        self.graphql(
            CANCEL,
            json!({
                "by": { "orderId": order },
                "input": {
                    "reason": "ORDERED_BY_MISTAKE",
                    "aliases": [{ "aliasId": alias, "aliasType": "EXT_CANCEL_ID" }]
                }
            }),
        )
        .await
    }

    /// Reports one refund. `details` is JSON text, so that amounts keep their digits.
    pub(crate) async fn report(&self, order: &str, details: &str) -> Value {
        let body = format!(
            r#"{{"query":{},"variables":{{"by":{{"orderId":"{order}"}},"input":{{"refunds":{{"details":{details}}}}}}}}}"#,
            serde_json::to_string(REPORT).unwrap()
        );
        self.post(body).await.unwrap().json().await.unwrap()
    }

    /// Pays, and gives status and body.
    pub(crate) async fn pay(
        &self,
        key: &str,
        order: &str,
        refund: &str,
        amount: &str,
    ) -> (u16, Value) {
        let answer = self
            .client
            .post(&self.simulator.endpoints().refunds)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(payout(order, refund, amount))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn listed(&self, refund: &str) -> Value {
        self.client
            .get(format!(
                "{}?refundId={refund}",
                self.simulator.endpoints().refunds
            ))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Reads until the order is as it is wanted.
    pub(crate) async fn until(&self, order: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(async || {
            let seen = self.see(order).await;
            is_so(&seen).then_some(seen)
        })
        .await
    }

    /// Looks, cancels, and waits for Amazon's decision.
    pub(crate) async fn cancelled(&self, order: &str, decision: &str) -> Value {
        self.see(order).await;
        let answer = self.cancel(order, &format!("alias-of-{order}")).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        self.until(order, |seen| cancellation(seen)["state"] == decision)
            .await
    }
}

/// The body of a payout request.
pub(crate) fn payout(order: &str, refund: &str, amount: &str) -> String {
    json!({
        "orderId": order,
        "targetId": "bp-1",
        "refundId": refund,
        "amount": { "amount": amount, "currencyCode": "USD" },
        "lineItems": [{ "id": "l-1", "amount": "1" }],
        "cancellationId": "c-1"
    })
    .to_string()
}

/// The first cancellation of an order.
pub(crate) fn cancellation(order: &Value) -> &Value {
    &order["lineItems"][0]["cancellations"]["details"][0]
}

pub(crate) fn packages(order: &Value) -> Vec<&str> {
    order["packageInformation"]["details"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|package| package["state"].as_str().unwrap())
        .collect()
}

pub(crate) fn refunds(order: &Value) -> &[Value] {
    order["refunds"]["details"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The code of the first error.
pub(crate) fn error(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["classification"]
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let answered = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered)
        .await
        .expect("it did not happen in time")
}

/// A world in which everything happens within some milliseconds.
pub(crate) fn swift() -> countermand_simulator::Pace {
    use countermand_simulator::{Pace, Span};
    Pace {
        decision: Span::millis(10, 30),
        ship: Span::millis(10, 30),
        appear: Span::millis(10, 30),
        refund: Span::millis(5, 20),
        payout: Span::millis(10, 30),
        event: Span::millis(1, 10),
        event_retry: Span::millis(5, 40),
        visibility_lag: Span::millis(1, 20),
        listing_lag: Span::millis(1, 20),
        slow_answer: Span::millis(5, 20),
        drip: Span::millis(5, 20),
        late_effect: Span::millis(5, 40),
        downtime: Span::millis(5, 30),
        ..Pace::quick()
    }
}
