//! A fault that was added to a proxy: its number of firings, and if it is still in force.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{oneshot, watch};

use crate::fault_id::FaultId;
use crate::spec::{Fault, HttpFault, Kind, TcpFault};

/// A fault and its state.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) id: FaultId,
    pub(crate) spec: Fault,
    fired: AtomicU64,
    /// True while the fault is in force; tasks that wait for its end subscribe to it.
    in_force: watch::Sender<bool>,
    /// For `reorder`: the held call, by service and operation.
    pub(crate) held: Mutex<HashMap<String, oneshot::Sender<()>>>,
}

impl Active {
    /// A fault that is in force and has not fired.
    pub(crate) fn new(id: FaultId, spec: Fault) -> Self {
        Self {
            id,
            spec,
            fired: AtomicU64::new(0),
            in_force: watch::Sender::new(true),
            held: Mutex::default(),
        }
    }

    /// Counts a firing, and returns the number of firings so far.
    pub(crate) fn count(&self) -> u64 {
        self.fired.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Ends the fault, and wakes the tasks that wait for that.
    pub(crate) fn take_away(&self) {
        self.in_force.send_replace(false);
    }

    pub(crate) fn fired(&self) -> u64 {
        self.fired.load(Ordering::Acquire)
    }

    pub(crate) fn is_in_force(&self) -> bool {
        *self.in_force.borrow()
    }

    /// Waits until the fault is removed.
    pub(crate) async fn removed(&self) {
        let mut in_force = self.in_force.subscribe();
        // Can't fail: `self` holds the sender.
        let _ = in_force.wait_for(|in_force| !in_force).await;
    }

    pub(crate) fn tcp(&self) -> Option<&TcpFault> {
        match &self.spec.kind {
            Kind::Tcp(fault) => Some(fault),
            Kind::Http(_) => None,
        }
    }

    pub(crate) fn http(&self) -> Option<&HttpFault> {
        match &self.spec.kind {
            Kind::Http(fault) => Some(fault),
            Kind::Tcp(_) => None,
        }
    }
}
