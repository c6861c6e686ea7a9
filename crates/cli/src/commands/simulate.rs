//! `simulate`: the simulated world alone.

use countermand_simulator::{Credentials, EventSink, Options, Pace, Simulator};

use crate::args::Simulate;
use crate::daemon::{chain, plain_client};
use crate::exit::{Exit, Failure};
use crate::output::{Output, tell};
use crate::signals::Signals;

/// The key that the example configuration signs with.
pub(crate) const OMS_SECRET: &str = "whsec_c2ltdWxhdG9yLXNpbXVsYXRvci1zaW11bGF0b3I=";

pub(super) async fn run(arguments: &Simulate, out: &mut Output) -> Result<Exit, Failure> {
    crate::logging::install_quiet();
    let mut signals = Signals::install()?;
    let mut options = Options::new(plain_client()?);
    options.listen = arguments.listen;
    options.seed = arguments.seed;
    options.chaos = arguments.chaos;
    options.pace = Pace::leisurely();
    options.credentials = Credentials {
        oms_secret: Some(OMS_SECRET.to_owned()),
        ..Credentials::default()
    };
    options.event_sink = arguments.events_to.as_ref().map(|url| EventSink {
        url: url.to_string(),
        token: None,
    });
    let simulator = Simulator::start(options)
        .await
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    if out.is_json() {
        out.document(simulator.endpoints())?;
    } else {
        let endpoints = simulator.endpoints();
        out.line(format!("simulating on {}", endpoints.base))?;
        out.line(format!(
            "  Buy with Prime   {} and {}",
            endpoints.graphql, endpoints.token
        ))?;
        out.line(format!("  refund provider  {}", endpoints.refunds))?;
        out.line(format!("  OMS              {}", endpoints.oms))?;
        out.line(format!("  what it saw      {}/ledger", endpoints.control))?;
        let events = arguments
            .events_to
            .as_ref()
            .map_or("nowhere (see --events-to)", |url| url.as_str());
        out.line(format!("  events go to     {events}"))?;
        out.line(
            "orders come into being when asked for: SIM-<scenario>-<anything>, such as SIM-happy-1",
        )?;
    }
    out.flush()?;
    tell("stop it with Ctrl-C");
    signals.next().await;
    simulator.shutdown().await;
    Ok(Exit::Done)
}
