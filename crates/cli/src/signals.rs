//! The signals by which a process is asked to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// A write beyond a limit to the size of files is an error like any other from now on, and the store
/// gets over it; by itself, the signal that comes with it would end the process.
pub(crate) fn outlive_file_size_limits() {
    let kind = SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32);
    // Its handler stays for good, whoever listens. Without it, all is as it was.
    if let Err(error) = signal(kind) {
        tracing::warn!(%error, "a write beyond a limit to the size of files will end this process");
    }
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the two signals are ours; before, they end the process.
    pub(crate) fn install() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Exit::Failed, format!("signals cannot be received: {error}"))
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// The next of them, by name. Cancel-safe.
    pub(crate) async fn next(&mut self) -> &'static str {
        let terminated = tokio::select! {
            biased;
            received = self.terminate.recv() => received.map(|()| "SIGTERM"),
            received = self.interrupt.recv() => received.map(|()| "SIGINT"),
        };
        match terminated {
            Some(name) => name,
            // The runtime delivers no more signals: it is being torn down.
            None => std::future::pending().await,
        }
    }
}

/// Ctrl-C, for commands that say what became of their request. From its making on it no longer ends
/// the process by itself; one that came between two waits is not lost.
pub(crate) struct Interrupt(Signal);

impl Interrupt {
    /// From now on the signal is ours.
    pub(crate) fn install() -> Result<Self, Failure> {
        signal(SignalKind::interrupt()).map(Self).map_err(|error| {
            Failure::new(Exit::Failed, format!("signals cannot be received: {error}"))
        })
    }

    /// Waits for it. Cancel-safe.
    pub(crate) async fn came(&mut self) {
        if self.0.recv().await.is_none() {
            // The runtime delivers no more signals: it is being torn down.
            std::future::pending::<()>().await;
        }
    }

    /// The work, unless it comes first; then a failure with `what` is known.
    pub(crate) async fn unless<T>(
        &mut self,
        what: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.came() => Err(Failure::new(Exit::Failed, format!("interrupted: {what}"))),
            done = work => done,
        }
    }
}

/// Of a request that has not left yet.
pub(crate) const NOT_ASKED: &str = "nothing was asked for";
/// Of a request whose answer did not come.
pub(crate) const NOT_KNOWN: &str =
    "whether the request was stored is not known; the same command again is safe";
