//! Work beside the kills.

use tokio::task::JoinHandle;

/// A task that is given up with its handle.
pub(super) struct Task(Option<JoinHandle<anyhow::Result<()>>>);

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Task {
    pub(super) fn new(work: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> Self {
        Self(Some(tokio::spawn(work)))
    }

    /// Has it ended? One that failed fails this as well.
    pub(super) async fn has_ended(&mut self) -> anyhow::Result<bool> {
        if self.0.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(task) = self.0.take()
        {
            task.await??;
        }
        Ok(self.0.is_none())
    }
}
