//! The inside of a [`Handle`](crate::Handle), with the store's type hidden.

use std::time::Duration;

use countermand_core::cancellation::input::Fact;
use countermand_core::cancellation::request::Draft;
use countermand_core::cancellation::view::View;
use countermand_core::{InstanceId, OrderId, TargetId};

use crate::api::{CancelOutcome, Error, Ingested, ObserveOutcome, Until};
use crate::changes::Changes;
use crate::ports::BoxFuture;

type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// See [`Handle`](crate::Handle), whose methods these are.
pub(crate) trait Engine: Send + Sync + 'static {
    fn cancel(&self, draft: Draft, requested_by: Option<String>) -> Answer<'_, CancelOutcome>;
    fn observe(
        &self,
        target_id: Option<TargetId>,
        order_id: OrderId,
        actor: Option<String>,
    ) -> Answer<'_, ObserveOutcome>;
    fn ingest(&self, text: Vec<u8>, source: String) -> Answer<'_, Ingested>;
    fn retry(&self, id: InstanceId, actor: String) -> Answer<'_, View>;
    fn withdraw(&self, id: InstanceId, actor: String, note: Option<String>) -> Answer<'_, View>;
    fn resolve(&self, id: InstanceId, actor: String, fact: Fact, note: String) -> Answer<'_, View>;
    fn note(&self, id: InstanceId, actor: String, text: String) -> Answer<'_, View>;
    fn wait<'a>(&'a self, id: &'a InstanceId, until: Until) -> Answer<'a, View>;
    fn changes(&self) -> Changes;
    fn idle(&self) -> BoxFuture<'_, ()>;
    fn shutdown(&self, grace: Duration) -> BoxFuture<'_, bool>;
    fn is_running(&self) -> bool;
    fn stopped(&self) -> BoxFuture<'_, ()>;
    fn troubled(&self) -> Vec<(InstanceId, String)>;
    fn commit_failure(&self) -> Option<(Duration, String)>;
}
