//! What a simulator is started with.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::chaos::{Chaos, Remote};
use crate::pace::Pace;
use crate::scenario::Mix;

/// Where events go: a webhook.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventSink {
    /// The address to POST to.
    pub url: String,
    /// The bearer token to send along.
    #[serde(default)]
    pub token: Option<String>,
}

impl EventSink {
    /// Is its address one that can be posted to?
    pub(crate) fn is_sound(&self) -> bool {
        url::Url::parse(&self.url)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSink")
            .field("url", &self.url)
            .field("token", &self.token.as_ref().map(|_| "[hidden]"))
            .finish()
    }
}

/// What callers must present. Nothing here is a secret of anybody: it opens a simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The client id at Buy with Prime.
    pub client_id: String,
    /// The client secret at Buy with Prime.
    pub client_secret: String,
    /// The target (business product) id.
    pub target_id: String,
    /// The header that names the target.
    pub target_header: String,
    /// The secret with which the OMS checks signatures (`whsec_` and base64). `None`: unchecked.
    pub oms_secret: Option<String>,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            client_id: "simulated-client".to_owned(),
            client_secret: "simulated-secret".to_owned(),
            target_id: "bp-51a1e000-0000-4000-8000-000000000001".to_owned(),
            target_header: "x-api-target-id".to_owned(),
            oms_secret: None,
        }
    }
}

/// What a simulator is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The client that delivers events. A ready one, since building one needs the binary's choice
    /// of cryptography.
    pub client: reqwest::Client,
    /// Where to listen; loopback only. Port 0 takes free ones: each remote gets one of its own, so
    /// that its connections are refused while it is down. On a port that was chosen all remotes
    /// listen together, and connections to one that is down are cut.
    pub listen: SocketAddr,
    /// Decides all that is random.
    pub seed: u64,
    /// How much goes wrong.
    pub chaos: Chaos,
    /// Other levels for the calls of single remotes. Lags and events go by `chaos`.
    pub chaos_per_remote: BTreeMap<Remote, Chaos>,
    /// How fast the world moves.
    pub pace: Pace,
    /// Where events go. `None`: they are kept until a sink is set.
    pub event_sink: Option<EventSink>,
    /// What callers must present.
    pub credentials: Credentials,
    /// The scenarios of orders that are created without one.
    pub mix: Mix,
}

impl Options {
    /// No chaos, quick, on a free loopback port, seed 1.
    #[must_use]
    pub fn new(client: reqwest::Client) -> Self {
        Self {
            client,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            seed: 1,
            chaos: Chaos::None,
            chaos_per_remote: BTreeMap::new(),
            pace: Pace::default(),
            event_sink: None,
            credentials: Credentials::default(),
            mix: Mix::default(),
        }
    }
}
