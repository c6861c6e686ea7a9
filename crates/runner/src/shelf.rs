//! The instances that are held: taken up by a worker, with their newest state in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use countermand_core::{Epoch, InstanceId, Workflow};
use countermand_store::Row;
use tokio::sync::watch;

use crate::codec::Decoded;
use crate::{Retries, lock};

/// An instance at one moment.
pub(crate) struct Snapshot<W: Workflow> {
    pub(crate) row: Arc<Row>,
    pub(crate) state: Arc<W::State>,
    pub(crate) retries: Arc<Retries>,
    /// The older version that the row is stored in.
    pub(crate) upgraded_from: Option<u32>,
}

impl<W: Workflow> Clone for Snapshot<W> {
    fn clone(&self) -> Self {
        Self {
            row: self.row.clone(),
            state: self.state.clone(),
            retries: self.retries.clone(),
            upgraded_from: self.upgraded_from,
        }
    }
}

impl<W: Workflow> Snapshot<W> {
    pub(crate) fn new(row: Row, decoded: Decoded<W::State>) -> Self {
        Self {
            retries: Arc::new(Retries::parse(&row.retries)),
            row: Arc::new(row),
            state: Arc::new(decoded.state),
            upgraded_from: decoded.upgraded_from,
        }
    }
}

/// An instance that a worker holds.
pub(crate) struct Held<W: Workflow> {
    pub(crate) id: InstanceId,
    /// The epoch it was taken up under.
    pub(crate) epoch: Epoch,
    /// Written by the committer alone.
    latest: watch::Sender<Snapshot<W>>,
    lost: AtomicBool,
}

impl<W: Workflow> Held<W> {
    pub(crate) fn latest(&self) -> Snapshot<W> {
        self.latest.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Snapshot<W>> {
        self.latest.subscribe()
    }

    /// Does it belong to a younger owner?
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// All instances that are held.
pub(crate) struct Shelf<W: Workflow> {
    held: Mutex<BTreeMap<InstanceId, Arc<Held<W>>>>,
}

impl<W: Workflow> Default for Shelf<W> {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
        }
    }
}

impl<W: Workflow> Shelf<W> {
    /// Takes an instance up; `None` when it is held already.
    pub(crate) fn take_up(&self, epoch: Epoch, snapshot: Snapshot<W>) -> Option<Arc<Held<W>>> {
        let id = snapshot.row.id.clone();
        let mut all = lock(&self.held);
        if all.contains_key(&id) {
            return None;
        }
        let held = Arc::new(Held {
            id: id.clone(),
            epoch,
            latest: watch::Sender::new(snapshot),
            lost: AtomicBool::new(false),
        });
        all.insert(id, held.clone());
        Some(held)
    }

    pub(crate) fn put_back(&self, id: &InstanceId) {
        lock(&self.held).remove(id);
    }

    pub(crate) fn get(&self, id: &InstanceId) -> Option<Arc<Held<W>>> {
        lock(&self.held).get(id).cloned()
    }

    pub(crate) fn ids(&self) -> Vec<InstanceId> {
        lock(&self.held).keys().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.held).len()
    }

    /// Shows the holder what an instance has become. Answers whether anybody holds it.
    pub(crate) fn publish(&self, snapshot: Snapshot<W>) -> bool {
        // Under the lock: whoever puts it back either sees the newest state, or is gone before.
        let all = lock(&self.held);
        let Some(held) = all.get(&snapshot.row.id) else {
            return false;
        };
        held.latest.send_if_modified(|latest| {
            let newer = snapshot.row.revision >= latest.row.revision;
            if newer {
                *latest = snapshot;
            }
            newer
        });
        true
    }

    /// Tells the holder that the instance belongs to a younger owner.
    pub(crate) fn lose(&self, id: &InstanceId) {
        if let Some(held) = self.get(id) {
            held.lost.store(true, Ordering::Release);
            held.latest.send_modify(|_| {});
        }
    }
}
