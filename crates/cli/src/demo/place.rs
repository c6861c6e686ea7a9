//! Where the demonstration keeps its files, and what it configures.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countermand_simulator::{Credentials, Endpoints};

use crate::exit::{Exit, Failure};

/// How long refunds are looked for: long beside the simulated world's own delays.
const REFUND_GRACE: Duration = Duration::from_millis(2_000);

/// A directory of our own, or the caller's.
pub(super) enum Place {
    /// Removed at the end, unless something went wrong.
    Temporary(tempfile::TempDir),
    /// Kept.
    Given(PathBuf),
}

impl Place {
    /// Makes the directory; one that holds a store already is refused.
    pub(super) fn new(given: Option<&Path>) -> Result<Self, Failure> {
        let Some(directory) = given else {
            return tempfile::Builder::new()
                .prefix("countermand-demo-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|error| {
                    Failure::new(Exit::Failed, format!("no directory can be made: {error}"))
                });
        };
        std::fs::create_dir_all(directory).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot make the directory {}: {error}", directory.display()),
            )
        })?;
        let directory = std::path::absolute(directory).map_err(|error| {
            Failure::new(Exit::Failed, format!("{}: {error}", directory.display()))
        })?;
        for name in ["countermand.db", "countermand.toml"] {
            if directory.join(name).exists() {
                return Err(Failure::new(
                    Exit::Refused,
                    format!(
                        "{} holds a {name} already; give another directory",
                        directory.display()
                    ),
                ));
            }
        }
        Ok(Self::Given(directory))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Given(directory) => directory,
        }
    }

    /// Where the files stay after the end, if they do.
    pub(super) fn leave(self, keep: bool) -> Option<PathBuf> {
        match self {
            Self::Temporary(directory) if keep => Some(directory.keep()),
            Self::Temporary(_) => None,
            Self::Given(directory) => Some(directory),
        }
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path().join(name);
        let failed = |error: std::io::Error| {
            Failure::new(
                Exit::Failed,
                format!("cannot write {}: {error}", path.display()),
            )
        };
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(path)
    }
}

/// The daemon's configuration: the product's own, with short durations.
pub(super) fn configuration(
    endpoints: &Endpoints,
    credentials: &Credentials,
    operate: &str,
    ingest: &str,
) -> String {
    let Endpoints {
        token,
        graphql,
        refunds,
        oms,
        ..
    } = endpoints;
    let grace = humantime::format_duration(REFUND_GRACE);
    let oms_secret = credentials.oms_secret.as_deref().unwrap_or_default();
    format!(
        r#"# Written by `countermand demo`: short durations, for a world that moves fast.
[store]
url = "sqlite://countermand.db"

[buy_with_prime]
endpoint = "{graphql}"
token_endpoint = "{token}"
client_id = "{}"
client_secret = "{}"
target_id = "{}"
target_header = "{}"
request_timeout = "1500ms"
connect_timeout = "1s"
rate_limit = 2000
visibility_lag = "3s"

[refunds]
url = "{refunds}"
request_timeout = "1500ms"
connect_timeout = "1s"
quiet = "3s"

[oms]
url = "{oms}"
secret = "{oms_secret}"
request_timeout = "1500ms"
connect_timeout = "1s"

[http]
listen = "127.0.0.1:0"
tokens = [
    {{ name = "demo", role = "operate", token = "{operate}" }},
    {{ name = "amazon", role = "ingest", token = "{ingest}" }},
]

[policy]
poll_initial = "200ms"
poll_max = "2s"
pending_alarm = "60s"
refund_grace = "{grace}"
patience = "30s"

[limits]
payouts_per_hour = 1000000

[retry]
initial = "50ms"
max = "1s"
attempts = 0

[runner]
lease = "10s"
shutdown_grace = "7s"

[log]
format = "json"
filter = "info"
"#,
        credentials.client_id,
        credentials.client_secret,
        credentials.target_id,
        credentials.target_header,
    )
}

/// A bearer token of 256 bits.
pub(super) fn token() -> Result<String, Failure> {
    use rand::TryRng;
    let mut bytes = [0_u8; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("the system has no random numbers: {error}"),
            )
        })?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
