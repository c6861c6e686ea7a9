//! Why a simulator cannot start.

use std::net::SocketAddr;

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is not a loopback address.
    #[error("the simulator listens on loopback only, not on {listen}; use 127.0.0.1 or [::1]")]
    NotLoopback {
        /// The address.
        listen: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}; is the port in use?")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The OMS secret is no Standard Webhooks secret.
    #[error("the OMS secret is not \"whsec_\" followed by base64")]
    OmsSecret {
        /// The cause.
        #[source]
        source: standardwebhooks::WebhookError,
    },
    /// The event sink is no address.
    #[error("the event sink {url:?} is no http address")]
    EventSink {
        /// The address.
        url: String,
    },
}
