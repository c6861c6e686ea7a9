//! A directory with a configuration, and the world that it points to.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use countermand::buy_with_prime::http_client;
use countermand_simulator::{Chaos, Credentials, Endpoints, Handle, Options, Simulator};
use toml::{Table, Value};

use crate::daemon::{Daemon, Starting};
use crate::program::{Program, Ran};

/// The token with the role `operate`.
pub const OPERATE: &str = "operate-operate-operate-operate-operate";
/// The token with the role `read`.
pub const READ: &str = "read-read-read-read-read-read-read-read";
/// The token with the role `ingest`.
pub const INGEST: &str = "ingest-ingest-ingest-ingest-ingest-ingest";
/// What the simulated OMS checks signatures with.
const OMS_SECRET: &str = "whsec_c2ltdWxhdGVkLXNpbXVsYXRlZC1zaW11bGF0ZWQ=";

/// Starts a simulated world in this process, where it outlives every daemon.
///
/// # Errors
/// When no port can be listened on.
pub async fn simulator(
    seed: u64,
    chaos: Chaos,
    with: impl FnOnce(&mut Options),
) -> anyhow::Result<Handle> {
    // Somebody may have chosen the cryptography before: that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut options = Options::new(http_client(Duration::from_secs(5))?);
    options.seed = seed;
    options.chaos = chaos;
    options.credentials = Credentials {
        oms_secret: Some(OMS_SECRET.to_owned()),
        ..Credentials::default()
    };
    with(&mut options);
    Simulator::start(options)
        .await
        .context("failed to start the simulator")
}

/// A directory with a configuration; removed when dropped, unless it was given or is kept.
#[derive(Debug)]
pub struct Place {
    directory: Directory,
    program: Program,
    settings: Table,
}

#[derive(Debug)]
enum Directory {
    Temporary(tempfile::TempDir),
    Given(PathBuf),
}

impl Place {
    /// With a configuration for this world: short durations, a token per role, a free port.
    ///
    /// # Errors
    /// When the directory or the file cannot be made.
    pub fn new(program: Program, world: &Handle) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("countermand-test-")
            .tempdir()?;
        Self::at(Directory::Temporary(directory), program, world)
    }

    /// The same in a directory that is there already, and that stays.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn within(directory: PathBuf, program: Program, world: &Handle) -> anyhow::Result<Self> {
        Self::at(Directory::Given(directory), program, world)
    }

    fn at(directory: Directory, program: Program, world: &Handle) -> anyhow::Result<Self> {
        let settings = settings(world.endpoints(), world.credentials())
            .parse()
            .context("the configuration is no TOML")?;
        let place = Self {
            directory,
            program,
            settings,
        };
        place.save()?;
        Ok(place)
    }

    /// Leaves everything where it is, and says where.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        match self.directory {
            Directory::Temporary(directory) => directory.keep(),
            Directory::Given(directory) => directory,
        }
    }

    /// Changes one key, such as `("refunds", "key_horizon", "3s")`; for the next command or daemon.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<Value>) -> anyhow::Result<()> {
        let mut table = &mut self.settings;
        // `retry.pay_refund` is a table in a table.
        for part in section.split('.') {
            table = table
                .entry(part)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .with_context(|| format!("{section} is no section"))?;
        }
        table.insert(key.to_owned(), value.into());
        self.save()
    }

    fn save(&self) -> anyhow::Result<()> {
        self.write("countermand.toml", &self.settings.to_string())?;
        Ok(())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.directory {
            Directory::Temporary(directory) => directory.path(),
            Directory::Given(directory) => directory,
        }
    }

    /// The store's file.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path().join("countermand.db")
    }

    /// Writes a file that only its owner can read.
    ///
    /// # Errors
    /// When that fails.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// A command line in this place.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = self.program.command(arguments);
        command.current_dir(self.path());
        command
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        Ran::of(self.command(arguments)).await
    }

    /// Starts the daemon, and waits until it is ready. Its log is appended to `daemon.log`.
    ///
    /// # Errors
    /// When it ends, or does not get ready; the end of its log says why.
    pub async fn serve(&self) -> anyhow::Result<Daemon> {
        self.spawn()?.ready().await
    }

    /// Starts the daemon, and waits for nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self) -> anyhow::Result<Starting> {
        Starting::spawn(
            self.command(&["serve", "--while-stdin-is-open"]),
            self.path(),
        )
    }

    /// Replays every history with `verify`, also beside a running daemon.
    ///
    /// # Errors
    /// When it finds anything.
    pub async fn verify(&self) -> anyhow::Result<()> {
        self.run(&["verify"]).await?.exits(0)?;
        Ok(())
    }
}

fn settings(endpoints: &Endpoints, credentials: &Credentials) -> String {
    let Endpoints {
        token,
        graphql,
        refunds,
        oms,
        ..
    } = endpoints;
    let oms_secret = credentials.oms_secret.as_deref().unwrap_or(OMS_SECRET);
    format!(
        r#"
[store]
url = "sqlite://countermand.db"

[buy_with_prime]
endpoint = "{graphql}"
token_endpoint = "{token}"
client_id = "{client_id}"
client_secret = "{client_secret}"
target_id = "{target_id}"
target_header = "{target_header}"
connect_timeout = "1s"
request_timeout = "1s"
rate_limit = 2000
visibility_lag = "2s"

[refunds]
url = "{refunds}"
connect_timeout = "1s"
request_timeout = "1s"
quiet = "2s"

[oms]
url = "{oms}"
secret = "{oms_secret}"
connect_timeout = "1s"
request_timeout = "1s"

[http]
listen = "127.0.0.1:0"
tokens = [
    {{ name = "operator", role = "operate", token = "{OPERATE}" }},
    {{ name = "reader", role = "read", token = "{READ}" }},
    {{ name = "amazon", role = "ingest", token = "{INGEST}" }},
]

[policy]
poll_initial = "100ms"
poll_max = "1s"
pending_alarm = "60s"
refund_grace = "1s"
patience = "30s"

[limits]
payouts_per_hour = 1000000

[retry]
initial = "50ms"
max = "500ms"
attempts = 0

[runner]
lease = "6s"
shutdown_grace = "5s"

[log]
format = "json"
filter = "info"
"#,
        client_id = credentials.client_id,
        client_secret = credentials.client_secret,
        target_id = credentials.target_id,
        target_header = credentials.target_header,
    )
}
