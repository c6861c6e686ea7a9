//! Buy with Prime's client as a port.

use std::sync::Arc;
use std::time::Duration;

use countermand_buy_with_prime::{Client, SendFence, Settings, SettingsError, http_client};
use countermand_core::OrderId;
use countermand_core::cancellation::call::{CallError, ReadError};
use countermand_core::cancellation::effect::{CancelOrder, ReportRefund};
use countermand_core::cancellation::order::{Order, ReportedPayment};
use countermand_runner::Fence;

use crate::http::ensure_crypto_provider;
use crate::ports::{BoxFuture, CancelAnswer, Orders};

/// A client for one target at Buy with Prime, to be given to
/// [`Countermand::target`](crate::Countermand::target).
///
/// Where the process has installed no rustls crypto provider, `ring` becomes it.
///
/// # Errors
/// When a setting cannot be sent as a header, or the HTTP client cannot be built.
pub fn connect(settings: Settings, connect_timeout: Duration) -> Result<Client, SettingsError> {
    ensure_crypto_provider();
    Client::new(http_client(connect_timeout)?, settings)
}

impl Orders for Client {
    fn read_order<'a>(
        &'a self,
        order_id: &'a OrderId,
        budget: Duration,
    ) -> BoxFuture<'a, Result<Option<Order>, ReadError>> {
        Box::pin(Client::read_order(self, order_id, budget))
    }

    fn cancel_order<'a>(
        &'a self,
        call: &'a CancelOrder,
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<CancelAnswer, CallError>> {
        Box::pin(async move {
            let answer = Client::cancel_order(self, call, budget, &asking(fence)).await?;
            Ok(CancelAnswer {
                state: answer.state,
                cancellation_id: answer.cancellation_id,
                created_at: answer.created_at,
            })
        })
    }

    fn report_refund<'a>(
        &'a self,
        call: &'a ReportRefund,
        payments: &'a [ReportedPayment],
        budget: Duration,
        fence: &'a Fence,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async move {
            Client::report_refund(self, call, payments, budget, &asking(fence)).await
        })
    }
}

pub(crate) fn asking(fence: &Fence) -> SendFence {
    let fence = fence.clone();
    Arc::new(move || fence.holds())
}
