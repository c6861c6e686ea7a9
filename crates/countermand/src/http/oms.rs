//! The OMS over HTTP: signed webhooks.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};
use tokio::time::timeout;

use super::client::{HttpError, HttpOptions, chain, client, exchange};
use crate::ports::{BoxFuture, Message, Oms, TellError};

/// An OMS that takes `POST {url}`, signed after the Standard Webhooks scheme.
///
/// `webhook-id` is the message's id, by which the OMS recognises a repetition. Any 2xx is done, and
/// so is 409 (it has the message already); everything else is tried again.
#[derive(Clone)]
pub struct HttpOms {
    client: reqwest::Client,
    options: HttpOptions,
    signer: Arc<Webhook>,
}

impl std::fmt::Debug for HttpOms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOms")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl HttpOms {
    /// An OMS at this address. The secret is `whsec_` and base64.
    ///
    /// # Errors
    /// When the address or the secret is unsound, or the client cannot be set up.
    pub fn new(options: HttpOptions, secret: &SecretString) -> Result<Self, HttpError> {
        let text = secret.expose_secret();
        let sound = text
            .strip_prefix("whsec_")
            .is_some_and(|encoded| !encoded.is_empty());
        let signer = Webhook::new(text).map_err(|_| HttpError::Secret)?;
        if !sound {
            return Err(HttpError::Secret);
        }
        Ok(Self {
            client: client(&options)?,
            options,
            signer: Arc::new(signer),
        })
    }

    async fn try_tell(&self, message: &Message, budget: Duration) -> Result<(), TellError> {
        let seconds = message.at.as_millis().div_euclid(1000);
        let signature = self
            .signer
            .sign(&message.id, seconds, message.body.as_bytes())
            .map_err(|error| TellError::new(format!("the message cannot be signed: {error}")))?;
        let request = self
            .client
            .post(self.options.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(HEADER_WEBHOOK_ID, &message.id)
            .header(HEADER_WEBHOOK_TIMESTAMP, seconds.to_string())
            .header(HEADER_WEBHOOK_SIGNATURE, signature)
            .body(message.body.clone());
        let limit = budget.min(self.options.request_timeout);
        let answer = timeout(limit, exchange(request))
            .await
            .map_err(|_| TellError::new(format!("the OMS: no answer within {limit:?}")))?
            .map_err(|error| TellError::new(format!("the OMS: {}", chain(&error))))?;
        if answer.status.is_success() || answer.status == StatusCode::CONFLICT {
            return Ok(());
        }
        Err(TellError {
            message: format!("the OMS answered {}: {}", answer.status, answer.excerpt()),
            retry_after: answer.retry_after,
        })
    }
}

impl Oms for HttpOms {
    fn tell<'a>(
        &'a self,
        message: &'a Message,
        budget: Duration,
    ) -> BoxFuture<'a, Result<(), TellError>> {
        Box::pin(self.try_tell(message, budget))
    }
}
