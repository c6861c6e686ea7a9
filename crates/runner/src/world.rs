//! What the engine needs of the world beside the store: time that only goes forward, sleep, tasks
//! and chance. Injected, so that a whole engine can run on virtual time from one seed.

use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};

/// A future without a name.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the engine needs of the world. The wall clock is the store's (see
/// [`countermand_store::Store::now`]).
pub trait World: Send + Sync + 'static {
    /// The time since some fixed moment in this process. Never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits. Cancel-safe.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;

    /// Runs a task beside the others.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// A random number.
    fn random(&self) -> u64;
}

/// The world as `tokio` sees it. On a paused clock it is virtual.
#[derive(Debug)]
pub struct TokioWorld {
    origin: tokio::time::Instant,
    random: Mutex<StdRng>,
}

impl TokioWorld {
    /// With chance from the operating system.
    #[must_use]
    pub fn new() -> Self {
        // Without the system's randomness only the spread of retries is predictable, which is no
        // reason not to run.
        let random = StdRng::try_from_rng(&mut SysRng).unwrap_or_else(|_| {
            let address = std::ptr::from_ref(&()).addr();
            StdRng::seed_from_u64(address as u64 ^ u64::from(std::process::id()))
        });
        Self::from_rng(random)
    }

    /// With chance from a seed: equal seeds, equal runs.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::from_rng(StdRng::seed_from_u64(seed))
    }

    fn from_rng(random: StdRng) -> Self {
        Self {
            origin: tokio::time::Instant::now(),
            random: Mutex::new(random),
        }
    }
}

impl Default for TokioWorld {
    fn default() -> Self {
        Self::new()
    }
}

impl World for TokioWorld {
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn random(&self) -> u64 {
        crate::lock(&self.random).next_u64()
    }
}
