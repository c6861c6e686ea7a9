//! Callers that never stop asking.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countermand_tests::{Daemon, INGEST, OPERATE};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Between two calls of one caller.
const EVERY: Duration = Duration::from_millis(80);
/// What the orders go through: a mix of everything that ends by itself.
const SCENARIOS: [&str; 8] = [
    "happy",
    "two-refunds",
    "rejected",
    "partial-payout",
    "pending-payout",
    "no-refund",
    "shipped",
    "shopper-pending",
];

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A cancellation was asked for.
    Request,
    /// An event was delivered.
    Event,
    /// Cancellations were listed.
    Listing,
    Alive,
    Ready,
}

/// One call, and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) what: What,
    /// The order, of a request; the idempotency key, of an event.
    pub(crate) about: String,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// 0: there was no answer.
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

impl Call {
    pub(crate) const fn is_accepted(&self) -> bool {
        matches!(self.status, 200 | 202)
    }

    pub(crate) fn took(&self) -> Duration {
        self.ended - self.began
    }
}

/// Callers of one daemon.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<Call>>>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts calling. Orders are named by `series`, so that several loads do not meet.
    pub(crate) fn start(daemon: &Daemon, target_id: &str, series: &str) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            calls: Arc::default(),
            callers: Vec::new(),
        };
        for what in [
            What::Request,
            What::Event,
            What::Listing,
            What::Alive,
            What::Ready,
        ] {
            let caller = Caller {
                what,
                base: format!("http://{}", daemon.address()),
                target_id: target_id.to_owned(),
                series: series.to_owned(),
                http: reqwest::Client::builder()
                    .no_proxy()
                    .timeout(Duration::from_secs(15))
                    .build()
                    .unwrap_or_default(),
                calls: Arc::clone(&load.calls),
            };
            let stop = Arc::clone(&load.stop);
            load.callers.push(tokio::spawn(async move {
                let mut number = 0;
                let mut under_way = tokio::task::JoinSet::new();
                while !stop.load(Ordering::Relaxed) {
                    // Whoever waits for an answer keeps nobody else from asking.
                    let caller = caller.clone();
                    under_way.spawn(async move { caller.call(number).await });
                    number += 1;
                    sleep(EVERY).await;
                }
                under_way.join_all().await;
            }));
        }
        load
    }

    /// What was called so far, in the order in which the answers came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Stops, and waits for every answer.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Vec<Call>> {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers.drain(..) {
            caller.await?;
        }
        Ok(self.calls())
    }
}

#[derive(Clone)]
struct Caller {
    what: What,
    base: String,
    target_id: String,
    series: String,
    http: reqwest::Client,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Caller {
    async fn call(&self, number: usize) {
        let Self { base, series, .. } = self;
        let (mut about, mut request) = (String::new(), None);
        match self.what {
            What::Request => {
                let scenario = SCENARIOS.get(number % SCENARIOS.len()).unwrap_or(&"happy");
                about = format!("SIM-{scenario}-{series}{number}");
                let post = self.http.post(format!("{base}/v1/cancellations"));
                request = Some(post.bearer_auth(OPERATE).json(&draft(&about)));
            }
            What::Event => {
                about = format!("key-{series}{number}");
                let post = self.http.post(format!("{base}/v1/events"));
                request = Some(post.bearer_auth(INGEST).json(&self.event(number, &about)));
            }
            What::Listing | What::Alive | What::Ready => {}
        }
        let path = match self.what {
            What::Alive => "healthz",
            What::Ready => "readyz",
            _ => "v1/cancellations?limit=20",
        };
        let request =
            request.unwrap_or_else(|| self.http.get(format!("{base}/{path}")).bearer_auth(OPERATE));
        let began = Instant::now();
        let mut call = Call {
            what: self.what,
            about,
            began,
            ended: began,
            status: 0,
            retry_after: None,
            body: String::new(),
        };
        if let Ok(response) = request.send().await {
            let header = response.headers().get("retry-after");
            call.retry_after = header.and_then(|value| value.to_str().ok().map(str::to_owned));
            let status = response.status().as_u16();
            // An answer that breaks off is none.
            if let Ok(body) = response.text().await {
                (call.status, call.body) = (status, body);
            }
        }
        call.ended = Instant::now();
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
    }

    /// About a package of an order that nobody cancels, and of a kind that is only kept.
    fn event(&self, number: usize, key: &str) -> Value {
        let resource = format!(
            "businessProduct/{}/order/SIM-happy-{}event{number}/delivery/d-{number}",
            self.target_id, self.series
        );
        json!({
            "version": "0",
            "id": format!("envelope-{key}"),
            "detail-type": "PACKAGE_DELIVERED",
            "source": "aws.partner/buywithprime/test",
            "account": "111122223333",
            "time": "2025-02-20T09:21:38Z",
            "region": "us-east-1",
            "resources": [&resource],
            "detail": {
                "idempotencyKey": key,
                "eventDescriptor": "PACKAGE_DELIVERED",
                "resources": [&resource],
                "eventId": format!("event-{key}"),
                "apiVersion": "2024-11-01",
                "subscriptionId": "s-1",
                "eventTime": "2025-02-20T09:21:38Z",
                "data": {},
            },
        })
    }
}

/// A request for this order's cancellation, safe to repeat.
pub(crate) fn draft(order_id: &str) -> Value {
    json!({ "orderId": order_id, "externalId": format!("x-{order_id}") })
}
